//! The grammar of addresses, strictly: RFC 5322 §3.4 with §4.4, RFC 6532 §3.2, RFC 6854 §2.1.
//!
//! Only says whether a value follows it; what the value means is read elsewhere, leniently.

use mail::Address;

use crate::scan::{is_space, is_token};

/// Octets an address may have in a path: 256 with the angle brackets (RFC 5321 §4.5.3.1.3).
const ADDRESS_OCTETS_MAX: usize = 254;

/// What an address is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressVerdict {
    /// It may stand in an envelope as it is: RFC 5321's `Mailbox` (or RFC 6531's).
    Envelope,
    /// It may stand in a header field only: it has comments, white space, obsolete syntax, a
    /// literal nobody can send to, or is too long.
    Header,
    /// It is no address (RFC 5322 §3.4.1, §4.4).
    Nothing,
}

/// Judges an address without display name or angle brackets (RFC 5322 `addr-spec`).
#[must_use]
pub fn judge_address(address: &[u8]) -> AddressVerdict {
    let text = std::str::from_utf8(address).ok();
    if let Some(text) = text
        && text.len() <= ADDRESS_OCTETS_MAX
        && Address::parse(text).is_ok()
    {
        return AddressVerdict::Envelope;
    }
    let mut grammar = Grammar::new(address);
    if text.is_some() && grammar.addr_spec().is_some() && grammar.rest.is_empty() {
        AddressVerdict::Header
    } else {
        AddressVerdict::Nothing
    }
}

/// How well a value keeps to the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// What may be written today (§3).
    Current,
    /// What must be read for its age (§4).
    Obsolete,
    /// Neither.
    Broken,
}

/// How well an address list keeps to the grammar; folded or unfolded, white space alone is empty.
pub(crate) fn form(value: &[u8]) -> Form {
    if value.iter().all(|&octet| is_space(octet)) {
        return Form::Current;
    }
    let mut grammar = Grammar::new(value);
    let fits = std::str::from_utf8(value).is_ok() && grammar.address_list().is_some();
    match (fits && grammar.rest.is_empty(), grammar.obsolete) {
        (false, _) => Form::Broken,
        (true, false) => Form::Current,
        (true, true) => Form::Obsolete,
    }
}

/// Reads productions: `None` where one does not fit.
#[derive(Clone, Copy)]
struct Grammar<'a> {
    rest: &'a [u8],
    /// Something of §4 has been read.
    obsolete: bool,
}

impl<'a> Grammar<'a> {
    const fn new(value: &'a [u8]) -> Self {
        Self {
            rest: value,
            obsolete: false,
        }
    }

    fn take(&mut self, octet: u8) -> bool {
        let rest = self.rest.strip_prefix(&[octet]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn bump(&mut self) -> Option<u8> {
        let (&octet, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(octet)
    }

    // RFC 5322 §3.2.2
    /// Folding white space, perhaps none; true if there was some. More than one fold is obsolete.
    fn fws(&mut self) -> Option<bool> {
        let before = self.rest.len();
        let mut folds = 0;
        loop {
            if self.take(b' ') || self.take(b'\t') {
                continue;
            }
            let Some(behind) = self.rest.strip_prefix(b"\r\n") else {
                self.obsolete |= folds > 1;
                return Some(self.rest.len() < before);
            };
            if !matches!(behind.first(), Some(b' ' | b'\t')) {
                return None;
            }
            self.rest = behind;
            folds += 1;
        }
    }

    /// Comments and folding white space; true if there was some.
    fn cfws(&mut self) -> Option<bool> {
        let before = self.rest.len();
        self.fws()?;
        while self.take(b'(') {
            self.comment()?;
            self.fws()?;
        }
        Some(self.rest.len() < before)
    }

    /// The rest of a comment; its depth is counted.
    fn comment(&mut self) -> Option<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            self.fws()?;
            match self.bump()? {
                b'(' => depth += 1,
                b')' => depth -= 1,
                octet => self.text(octet)?,
            }
        }
        Some(())
    }

    /// An octet of a comment, a quoted string or a literal, perhaps escaped.
    fn text(&mut self, octet: u8) -> Option<()> {
        let octet = if octet == b'\\' {
            match self.bump()? {
                b' ' | b'\t' => return Some(()),
                // §4.1: any ASCII may be quoted.
                0 | b'\r' | b'\n' => {
                    self.obsolete = true;
                    return Some(());
                }
                octet => octet,
            }
        } else {
            octet
        };
        match octet {
            33..=126 | 128.. => {}
            1..=8 | 11 | 12 | 14..=31 | 127 => self.obsolete = true,
            0 | b'\t' | b'\n' | b'\r' | b' ' => return None,
        }
        Some(())
    }

    // RFC 5322 §3.2.4
    /// The rest of a quoted string.
    fn quoted(&mut self) -> Option<()> {
        loop {
            self.fws()?;
            match self.bump()? {
                b'"' => return Some(()),
                octet => self.text(octet)?,
            }
        }
    }

    /// Characters of an atom; false if there is none.
    fn atom(&mut self) -> bool {
        let end = self.rest.iter().position(|&octet| !is_atext(octet));
        let end = end.unwrap_or(self.rest.len());
        self.rest = self.rest.get(end..).unwrap_or_default();
        end > 0
    }

    /// A word without what stands around it; true if it is quoted.
    fn word(&mut self) -> Option<bool> {
        if self.take(b'"') {
            return self.quoted().map(|()| true);
        }
        self.atom().then_some(false)
    }

    // RFC 5322 §3.4.1
    fn addr_spec(&mut self) -> Option<()> {
        self.dotted(true)?;
        self.take(b'@').then_some(())?;
        self.domain()
    }

    /// Words with dots between; white space at a dot, or quoted words beside one, are obsolete.
    fn dotted(&mut self, may_quote: bool) -> Option<()> {
        self.cfws()?;
        let mut quoted = self.word()?;
        let mut spaced = self.cfws()?;
        while self.take(b'.') {
            spaced |= self.cfws()?;
            let word = self.word()?;
            self.obsolete |= spaced | quoted | word;
            quoted |= word;
            spaced = self.cfws()?;
        }
        (may_quote || !quoted).then_some(())
    }

    fn domain(&mut self) -> Option<()> {
        self.cfws()?;
        if !self.take(b'[') {
            return self.dotted(false);
        }
        loop {
            self.fws()?;
            match self.bump()? {
                b']' => break,
                b'[' => return None,
                octet => {
                    self.obsolete |= octet == b'\\';
                    self.text(octet)?;
                }
            }
        }
        self.cfws().map(|_| ())
    }

    // RFC 5322 §4.4
    /// `<` was read: an address, perhaps behind a route.
    fn angle(&mut self) -> Option<()> {
        let mut route = *self;
        if route.route() == Some(true) {
            *self = route;
            self.obsolete = true;
        }
        self.addr_spec()?;
        self.take(b'>').then_some(())?;
        self.cfws().map(|_| ())
    }

    /// `@a,@b:`; false if there is none.
    fn route(&mut self) -> Option<bool> {
        let mut hops = false;
        loop {
            self.cfws()?;
            if self.take(b'@') {
                self.domain()?;
                hops = true;
            } else if !self.take(b',') {
                return Some(hops && self.take(b':'));
            }
        }
    }

    /// A display name; a dot in it is obsolete. The first word has been passed with its space.
    fn phrase(&mut self) -> Option<()> {
        loop {
            self.cfws()?;
            match self.rest.first() {
                Some(b'.') => {
                    self.take(b'.');
                    self.obsolete = true;
                }
                Some(b'<' | b':') => return Some(()),
                _ => {
                    self.word()?;
                }
            }
        }
    }

    /// An address or a group; inside a group only an address.
    fn address(&mut self, grouped: bool) -> Option<()> {
        let mut spec = *self;
        if spec.addr_spec().is_some() {
            *self = spec;
            return Some(());
        }
        self.cfws()?;
        let named = self.rest.first() != Some(&b'<');
        if named {
            self.word()?;
            self.phrase()?;
        }
        if self.take(b'<') {
            return self.angle();
        }
        if grouped || !self.take(b':') {
            return None;
        }
        self.members(true)?;
        self.take(b';').then_some(())?;
        self.cfws().map(|_| ())
    }

    /// Addresses with commas between; empty members are obsolete.
    fn members(&mut self, grouped: bool) -> Option<()> {
        let (mut members, mut commas) = (0_usize, 0_usize);
        loop {
            self.cfws()?;
            match self.rest.first() {
                Some(b',') => {
                    self.take(b',');
                    commas += 1;
                    self.obsolete |= commas > members;
                }
                None | Some(b';') => {
                    self.obsolete |= commas > 0 && commas >= members;
                    return Some(());
                }
                _ if members > commas => return None,
                _ => {
                    self.address(grouped)?;
                    members += 1;
                    // Each empty member has been noted; from here on they count as there.
                    members = members.max(commas + 1);
                }
            }
        }
    }

    fn address_list(&mut self) -> Option<()> {
        self.members(false)
    }
}

/// RFC 5322 §3.2.3 and RFC 6532 §3.2.
const fn is_atext(octet: u8) -> bool {
    match octet {
        b'/' | b'?' | b'=' | 128.. => true,
        b'.' => false,
        _ => is_token(octet),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let cases = [
            ("", Form::Current),
            ("John Doe <jdoe@machine.example>", Form::Current),
            ("a@b, \"c, d\" <e@f>", Form::Current),
            ("g: a@b, x <c@d>;, e@f", Form::Current),
            ("nobody:;", Form::Current),
            ("Pete(a \\) b) <pete(x)@silly(y).test>", Form::Obsolete),
            ("Jörg <jörg@münchen.example>", Form::Current),
            ("x@[192.0.2.1]", Form::Current),
            ("J. Doe <j@x.example>", Form::Obsolete),
            ("a@b,, c@d", Form::Obsolete),
            ("a@b,", Form::Obsolete),
            (",a@b", Form::Obsolete),
            ("g:,a@b,;", Form::Obsolete),
            ("<@a.example,@b.example:c@d>", Form::Obsolete),
            ("jdoe@test  . example", Form::Obsolete),
            ("\"a\".b@c", Form::Obsolete),
            ("a@b c@d", Form::Broken),
            ("a@b; c@d", Form::Broken),
            ("nobody", Form::Broken),
            ("x <a@b", Form::Broken),
            ("\"x <a@b>", Form::Broken),
            ("a@b (x", Form::Broken),
            ("g: h: a@b;;", Form::Broken),
            ("a@b <a@b>", Form::Broken),
            ("<>", Form::Broken),
        ];
        for (value, expected) in cases {
            assert_eq!(form(value.as_bytes()), expected, "{value}");
        }
        assert_eq!(form(b"J\xf6rg <j@x.example>"), Form::Broken);
    }

    #[test]
    fn verdicts() {
        let cases = [
            ("ada@example.org", AddressVerdict::Envelope),
            ("\"a b\"@example.org", AddressVerdict::Envelope),
            ("x@[IPv6:2001:db8::1]", AddressVerdict::Envelope),
            ("jörg@münchen.example", AddressVerdict::Envelope),
            (" ada@example.org", AddressVerdict::Header),
            ("ada (who?) @example.org", AddressVerdict::Header),
            ("\"a\".b@example.org", AddressVerdict::Header),
            ("x@[anything]", AddressVerdict::Header),
            ("ada..b@example.org", AddressVerdict::Nothing),
            ("ada@example.org\r\n", AddressVerdict::Nothing),
            ("<ada@example.org>", AddressVerdict::Nothing),
            ("", AddressVerdict::Nothing),
        ];
        for (address, verdict) in cases {
            assert_eq!(judge_address(address.as_bytes()), verdict, "{address}");
        }
        let long = format!("a@{}example", "b.".repeat(125));
        assert_eq!(judge_address(long.as_bytes()), AddressVerdict::Header);
    }
}
