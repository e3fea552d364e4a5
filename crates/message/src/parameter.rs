//! Structured MIME values: `text/plain; charset=utf-8` (RFC 2045 §5.1, RFC 2183, RFC 2231).
//!
//! Read as the world writes them: missing quotes, missing semicolons, stray comments.

use crate::charset;

/// One `name=value` as written: the value unquoted and unfolded, RFC 2231 forms left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// The name in lower case, with its asterisks (`filename*0*`).
    pub name: String,
    /// The value's octets.
    pub value: Vec<u8>,
}

/// Continuations a value may have; later ones are dropped.
pub const CONTINUATIONS_MAX: usize = 100;

/// Joins continuations (`name*0`, `name*1`) into one parameter, as RFC 9051 §7.5.2 wants it.
///
/// A joined value with any encoded piece becomes one `name*` that still says its charset and stays
/// percent-encoded (`utf-8''…`), the form clients know from unsplit parameters.
#[must_use]
pub fn join(parameters: &[Parameter]) -> Vec<Parameter> {
    let mut joined: Vec<Parameter> = Vec::new();
    for parameter in parameters {
        let Some((base, _, _)) = continuation(&parameter.name) else {
            joined.push(parameter.clone());
            continue;
        };
        let starred = |one: &Parameter| one.name.strip_suffix('*') == Some(base);
        if joined.iter().any(|one| one.name == base || starred(one)) {
            continue;
        }
        let pieces = pieces(parameters, base);
        let encoded = pieces.iter().any(|&(_, encoded)| encoded);
        let mut value = Vec::new();
        for (index, &(piece, piece_encoded)) in pieces.iter().enumerate() {
            if encoded && !piece_encoded {
                if index == 0 {
                    value.extend_from_slice(b"''");
                }
                percent_encode(piece, &mut value);
            } else {
                value.extend_from_slice(piece);
            }
        }
        let star = if encoded { "*" } else { "" };
        let name = format!("{base}{star}");
        joined.push(Parameter { name, value });
    }
    joined
}

/// A parameter as text: continuations joined, RFC 2231 charsets and (as the world does it) RFC
/// 2047 words decoded.
#[must_use]
pub fn decoded(parameters: &[Parameter], name: &str) -> Option<String> {
    let extended = |one: &&Parameter| one.name.strip_suffix('*') == Some(name);
    if let Some(whole) = parameters.iter().find(extended) {
        let (label, text) = charset_and_text(&whole.value);
        return Some(charset::decode(label, &percent_decode(text)));
    }
    let pieces = pieces(parameters, name);
    if let Some((&(first, first_encoded), rest)) = pieces.split_first() {
        let mut octets = Vec::new();
        let mut label: &[u8] = b"";
        let mut add = |piece: &[u8], encoded: bool| {
            if encoded {
                octets.extend_from_slice(&percent_decode(piece));
            } else {
                octets.extend_from_slice(piece);
            }
        };
        if first_encoded {
            let (named, text) = charset_and_text(first);
            label = named;
            add(text, true);
        } else {
            add(first, false);
        }
        for &(piece, encoded) in rest {
            add(piece, encoded);
        }
        return Some(charset::decode(label, &octets));
    }
    let plain = parameters.iter().find(|one| one.name == name)?;
    Some(crate::encoded_word::decode_words(&plain.value))
}

/// Media type and subtype in lower case and the parameters; `None` where there is no type.
pub(crate) fn media_type(
    value: &[u8],
    parameters_max: usize,
    octets_max: usize,
) -> Option<(String, String, Vec<Parameter>)> {
    let mut scan = Scan { rest: value };
    scan.skip_space();
    let media = scan.token()?;
    scan.skip_space();
    let subtype = if scan.take(b'/') {
        scan.skip_space();
        scan.token()
    } else {
        None
    };
    let subtype = match subtype {
        Some(subtype) => subtype,
        None if media == "text" => "plain".to_owned(),
        None => return None,
    };
    let parameters = scan.parameters(parameters_max, octets_max);
    Some((media, subtype, parameters))
}

/// A disposition's kind in lower case and its parameters.
pub(crate) fn disposition(
    value: &[u8],
    parameters_max: usize,
    octets_max: usize,
) -> Option<(String, Vec<Parameter>)> {
    let mut scan = Scan { rest: value };
    scan.skip_space();
    let kind = scan.token()?;
    Some((kind, scan.parameters(parameters_max, octets_max)))
}

/// The first token of a value in lower case.
pub(crate) fn first_token(value: &[u8]) -> Option<String> {
    let mut scan = Scan { rest: value };
    scan.skip_space();
    scan.token()
}

/// Splits `name*3*` into name, number, and whether the piece is encoded.
fn continuation(name: &str) -> Option<(&str, usize, bool)> {
    let (name, encoded) = match name.strip_suffix('*') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let (base, number) = name.rsplit_once('*')?;
    let number = number.parse().ok().filter(|&at| at < CONTINUATIONS_MAX)?;
    Some((base, number, encoded))
}

/// The pieces of a continued value from 0 on, up to the first that is missing.
fn pieces<'a>(parameters: &'a [Parameter], base: &str) -> Vec<(&'a [u8], bool)> {
    let mut numbered: Vec<(usize, &[u8], bool)> = parameters
        .iter()
        .filter_map(|parameter| {
            let (name, number, encoded) = continuation(&parameter.name)?;
            (name == base).then_some((number, parameter.value.as_slice(), encoded))
        })
        .collect();
    numbered.sort_by_key(|&(number, _, _)| number);
    numbered.dedup_by_key(|&mut (number, _, _)| number);
    numbered
        .into_iter()
        .enumerate()
        .take_while(|&(index, (number, _, _))| index == number)
        .map(|(_, (_, value, encoded))| (value, encoded))
        .collect()
}

/// `charset'language'text`; without quotes it is all text.
fn charset_and_text(value: &[u8]) -> (&[u8], &[u8]) {
    let mut fields = value.splitn(3, |&octet| octet == b'\'');
    match (fields.next(), fields.next(), fields.next()) {
        (Some(label), Some(_), Some(text)) => (label, text),
        _ => (b"", value),
    }
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&octet, behind)) = rest.split_first() {
        rest = behind;
        if let (b'%', [high, low, tail @ ..]) = (octet, behind)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            octets.push(high * 16 + low);
            rest = tail;
        } else {
            octets.push(octet);
        }
    }
    octets
}

fn percent_encode(piece: &[u8], value: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &octet in piece {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            value.push(octet);
        } else {
            let digit = |at: u8| DIGITS.get(usize::from(at)).copied().unwrap_or(b'0');
            value.extend_from_slice(&[b'%', digit(octet >> 4), digit(octet & 15)]);
        }
    }
}

/// The value of a hexadecimal digit in either case.
pub(crate) const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

struct Scan<'a> {
    rest: &'a [u8],
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn take(&mut self, octet: u8) -> bool {
        let there = self.peek() == Some(octet);
        if there {
            self.skip(1);
        }
        there
    }

    /// Passes white space, line ends and comments.
    fn skip_space(&mut self) {
        let mut depth = 0_usize;
        while let Some(octet) = self.peek() {
            match octet {
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b'\\' if depth > 0 => self.skip(1),
                _ if depth > 0 || octet.is_ascii_whitespace() || octet == 0 => {}
                _ => return,
            }
            self.skip(1);
        }
    }

    /// RFC 2045 §5.1 `token`, in lower case.
    fn token(&mut self) -> Option<String> {
        let end = self.rest.iter().position(|&octet| !is_token(octet));
        let (token, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
        self.rest = rest;
        let token = String::from_utf8_lossy(token).to_ascii_lowercase();
        (!token.is_empty()).then_some(token)
    }

    fn parameters(&mut self, parameters_max: usize, octets_max: usize) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        while parameters.len() < parameters_max {
            self.skip_space();
            while self.take(b';') {
                self.skip_space();
            }
            if self.rest.is_empty() {
                break;
            }
            let name = self.token();
            self.skip_space();
            if let (Some(name), true) = (name, self.take(b'=')) {
                let mut value = self.value();
                value.truncate(octets_max);
                parameters.push(Parameter { name, value });
            } else {
                let end = memchr::memchr(b';', self.rest).unwrap_or(self.rest.len());
                self.skip(end);
            }
        }
        parameters
    }

    fn value(&mut self) -> Vec<u8> {
        self.skip_space();
        if self.take(b'"') {
            return self.quoted();
        }
        let mut value = Vec::new();
        loop {
            let stop =
                |&octet: &u8| matches!(octet, b';' | b'(' | 0) || octet.is_ascii_whitespace();
            let end = self.rest.iter().position(stop).unwrap_or(self.rest.len());
            value.extend_from_slice(self.rest.get(..end).unwrap_or_default());
            self.skip(end);
            self.skip_space();
            // An unquoted value may hold spaces in the wild, but not what looks like a parameter.
            if self.rest.is_empty() || self.peek() == Some(b';') || self.parameter_follows() {
                return value;
            }
            value.push(b' ');
        }
    }

    fn parameter_follows(&self) -> bool {
        let end = self.rest.iter().position(|&octet| !is_token(octet));
        let end = end.filter(|&end| end > 0);
        end.and_then(|end| self.rest.get(end)) == Some(&b'=')
    }

    fn quoted(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        while let Some(octet) = self.peek() {
            self.skip(1);
            match octet {
                b'"' => break,
                b'\\' => {
                    value.extend(
                        self.peek()
                            .filter(|octet| !matches!(octet, b'\r' | b'\n' | 0)),
                    );
                    self.skip(1);
                }
                b'\r' | b'\n' | 0 => {}
                _ => value.push(octet),
            }
        }
        value
    }
}

/// True for what a token is made of (RFC 2045 §5.1).
pub(crate) const fn is_token(octet: u8) -> bool {
    matches!(octet, 33..=126)
        && !matches!(
            octet,
            b'(' | b')'
                | b'<'
                | b'>'
                | b'@'
                | b','
                | b';'
                | b':'
                | b'\\'
                | b'"'
                | b'/'
                | b'['
                | b']'
                | b'?'
                | b'='
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Vec<(String, String)> {
        let (_, _, parameters) = media_type(value.as_bytes(), 100, 1000).unwrap();
        shown(&parameters)
    }

    fn shown(parameters: &[Parameter]) -> Vec<(String, String)> {
        let pairs = parameters.iter().map(|one| {
            let value = String::from_utf8_lossy(&one.value).into_owned();
            (one.name.clone(), value)
        });
        pairs.collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn values_as_the_world_writes_them() {
        let cases = [
            (
                "a/b; c=d (e); f=\"g\\\"h;\"",
                vec![pair("c", "d"), pair("f", "g\"h;")],
            ),
            (
                "a/b; c=d e.pdf; f=g",
                vec![pair("c", "d e.pdf"), pair("f", "g")],
            ),
            ("a/b; c=d f=g", vec![pair("c", "d"), pair("f", "g")]),
            ("a/b; c=\"d\" f=g;;", vec![pair("c", "d"), pair("f", "g")]),
            ("a/b; junk; c=d", vec![pair("c", "d")]),
            ("a/b; C =\r\n \"open", vec![pair("c", "open")]),
            ("a/b; c=--=_d=", vec![pair("c", "--=_d=")]),
        ];
        for (value, parameters) in cases {
            assert_eq!(read(value), parameters, "{value}");
        }
        assert_eq!(
            media_type(b"TEXT", 1, 1),
            Some(("text".into(), "plain".into(), vec![]))
        );
        assert_eq!(media_type(b"image", 1, 1), None);
        assert_eq!(
            media_type(b"a/b; c=def; g=h", 1, 2).map(|read| shown(&read.2)),
            Some(vec![pair("c", "de")])
        );
    }

    #[test]
    fn continuations_join() {
        // RFC 2231 §3 and §4.1.
        let parameters = |value: &str| media_type(value.as_bytes(), 100, 1000).unwrap().2;
        let url = parameters("a/b; URL*0=\"ftp://\"; x=y; URL*1=\"cs.utk.edu\"; URL*3=lost");
        let joined = vec![pair("url", "ftp://cs.utk.edu"), pair("x", "y")];
        assert_eq!(shown(&join(&url)), joined);
        assert_eq!(decoded(&url, "url").as_deref(), Some("ftp://cs.utk.edu"));
        let title = parameters("a/b; title*0*=us-ascii'en'a%20; title*1*=%2A; title*2=\"b'c\"");
        assert_eq!(
            shown(&join(&title)),
            [pair("title*", "us-ascii'en'a%20%2Ab%27c")]
        );
        assert_eq!(decoded(&title, "title").as_deref(), Some("a *b'c"));
        let split = parameters("a/b; n*0*=utf-8''%E2%82; n*1*=%AC");
        assert_eq!(decoded(&split, "n").as_deref(), Some("€"));
        let once = parameters("a/b; n*=utf-8''%E2%82%AC; n=euro");
        assert_eq!(decoded(&once, "n").as_deref(), Some("€"));
        assert_eq!(join(&once), once);
    }
}
