//! Received fields (RFC 5321 §4.4, RFC 5322 §3.6.7): who took the message from whom, how, when.
//!
//! Clauses are found by their keywords in any order; what a server says in comments about its
//! peer's address and name, the greeting and TLS is read as the common servers write it. Nothing
//! here is proof of anything: a field is as honest as the server that wrote it.

use std::net::IpAddr;

use mail::Timestamp;

use crate::date::parse_date_noting;
use crate::leniency::{Leniencies, Leniency};
use crate::scan::{Scan, is_space};

/// Words and comments of one field that are looked at; the rest is passed over.
const PIECES_MAX: usize = 256;

/// One Received field; texts are slices of its value, without brackets and comments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received<'a> {
    /// Behind `from`: the name in the peer's greeting, or the name the server found for it.
    pub from: Option<&'a [u8]>,
    /// The name in the peer's greeting, where a comment says so.
    pub helo: Option<&'a [u8]>,
    /// The name that the server found for the peer's address.
    pub peer_name: Option<&'a [u8]>,
    /// The peer's address, from a comment or a literal behind the name.
    pub peer: Option<IpAddr>,
    /// Behind `by`: the server that wrote the field.
    pub by: Option<&'a [u8]>,
    /// Behind `via`: the link.
    pub via: Option<&'a [u8]>,
    /// Behind `with`: the protocol, one word (`ESMTPS`) or more (`Microsoft SMTP Server`).
    pub with: Option<&'a [u8]>,
    /// Behind `id`, without angle brackets.
    pub id: Option<&'a [u8]>,
    /// Behind `for`: the recipient, without angle brackets.
    pub recipient: Option<&'a [u8]>,
    /// The version of TLS as written: `TLSv1.3`, `TLS1_2`, ….
    pub tls_version: Option<&'a [u8]>,
    /// The cipher suite, from a comment or behind `tls` (RFC 8314 §4.3).
    pub tls_cipher: Option<&'a [u8]>,
    /// When.
    pub date: Option<Timestamp>,
}

impl<'a> Received<'a> {
    /// Reads a value; never fails: what is not there is not there.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Self {
        Self::parse_noting(value, &mut Leniencies::default())
    }

    /// The same, and adds what had to be repaired.
    #[must_use]
    pub fn parse_noting(value: &'a [u8], noted: &mut Leniencies) -> Self {
        let mut reader = Reader {
            received: Self::default(),
            clause: None,
            in_order: true,
            dated: false,
        };
        let mut scan = Scan::new(value);
        for _ in 0..PIECES_MAX {
            let Some(piece) = piece(&mut scan) else {
                break;
            };
            match piece {
                Piece::Word(b"") => {}
                Piece::Word(word) => reader.word(word, value),
                Piece::Comment(comment) => reader.comment(comment),
                Piece::Semicolon => reader.date(scan.rest(), noted),
            }
        }
        let Reader {
            received, in_order, ..
        } = reader;
        let whole = received.from.is_some() && received.by.is_some() && received.date.is_some();
        if !whole || !in_order || scan.unended {
            noted.add(Leniency::TraceRepaired);
        }
        received
    }
}

enum Piece<'a> {
    Word(&'a [u8]),
    Comment(&'a [u8]),
    Semicolon,
}

fn piece<'a>(scan: &mut Scan<'a>) -> Option<Piece<'a>> {
    scan.until(|octet| !is_space(octet));
    let from = scan.rest();
    let close = match scan.peek()? {
        b'(' => return Some(Piece::Comment(scan.comment())),
        b';' => {
            scan.skip(1);
            return Some(Piece::Semicolon);
        }
        b'[' => Some(b']'),
        b'<' => Some(b'>'),
        _ => None,
    };
    // Brackets hold spaces and parentheses if they are closed at all.
    let closed = close.and_then(|close| memchr::memchr(close, from));
    scan.skip(closed.unwrap_or(1));
    scan.until(|octet| matches!(octet, b'(' | b';') || is_space(octet));
    let word = from.get(..from.len() - scan.rest().len())?;
    Some(Piece::Word(word.strip_suffix(b",").unwrap_or(word)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Clause {
    From,
    By,
    Via,
    With,
    Id,
    For,
    Tls,
}

struct Reader<'a> {
    received: Received<'a>,
    clause: Option<Clause>,
    /// The clauses so far came as RFC 5321 §4.4 has them, each with as many words.
    in_order: bool,
    /// A semicolon has been read: the date's words are no clause's.
    dated: bool,
}

impl<'a> Reader<'a> {
    fn word(&mut self, word: &'a [u8], value: &'a [u8]) {
        if let Some(clause) = keyword(word) {
            self.in_order &= !std::mem::take(&mut self.dated);
            self.in_order &= self.clause.is_none_or(|before| before < clause);
            self.clause = Some(clause);
            return;
        }
        if self.dated {
            return;
        }
        let received = &mut self.received;
        let slot = match self.clause {
            Some(Clause::From) => &mut received.from,
            Some(Clause::By) => &mut received.by,
            Some(Clause::Via) => &mut received.via,
            Some(Clause::With) => &mut received.with,
            Some(Clause::Id) => &mut received.id,
            Some(Clause::For) => &mut received.recipient,
            Some(Clause::Tls) => &mut received.tls_cipher,
            None => {
                self.in_order = false;
                return;
            }
        };
        match (self.clause, *slot) {
            (_, None) => *slot = Some(bare(word)),
            (Some(Clause::With), Some(before)) => {
                self.in_order = false;
                *slot = joined(before, word, value);
            }
            (Some(Clause::From), Some(_)) if received.peer.is_none() => {
                self.in_order = false;
                received.peer = address(word);
            }
            _ => self.in_order = false,
        }
    }

    fn comment(&mut self, comment: &'a [u8]) {
        let origin = comment.get(..5).filter(|_| self.clause.is_none());
        if let Some(word) = origin
            && word.eq_ignore_ascii_case(b"from ")
        {
            // Submitted on the machine itself: `(from ada@localhost) by …`.
            self.received.from = words(comment).nth(1).map(bare);
            self.received.peer = words(comment).find_map(address);
            return;
        }
        if self.clause == Some(Clause::From) {
            self.peer(comment);
        }
        self.tls(comment);
    }

    /// What is said of the peer: `(mx.example [192.0.2.1])`, `(HELO mx.example)`, ….
    fn peer(&mut self, comment: &'a [u8]) {
        let mut greeting = false;
        let received = &mut self.received;
        for (index, word) in words(comment).enumerate() {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let prefix = word.get(..5);
            if std::mem::take(&mut greeting) {
                received.helo = received.helo.or_else(|| Some(bare(word)));
            } else if is(b"helo") || is(b"ehlo") || is(b"lhlo") {
                greeting = true;
            } else if prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"helo=")) {
                received.helo = received.helo.or_else(|| word.get(5..).map(bare));
            } else if let Some(peer) = address(word) {
                received.peer.get_or_insert(peer);
                // `mx.example[192.0.2.1]`
                let name = word.split(|&octet| octet == b'[').next();
                received.peer_name = received.peer_name.or_else(|| name.and_then(name_in));
            } else if index == 0 {
                received.peer_name = received.peer_name.or_else(|| name_in(word));
            }
        }
    }

    fn tls(&mut self, comment: &'a [u8]) {
        let marks = |octet: &u8| is_space(*octet) || b",=:()".contains(octet);
        let mut named = false;
        let received = &mut self.received;
        for word in comment.split(marks).filter(|word| !word.is_empty()) {
            if is_version(word) {
                let version = word.split(|&octet| octet == b'/').next();
                received.tls_version = received.tls_version.or(version);
            } else if word.to_ascii_lowercase().ends_with(b"cipher") {
                named = true;
            } else if named || (received.tls_version.is_some() && is_suite(word)) {
                received.tls_cipher = received.tls_cipher.or(Some(word));
                named = false;
            }
        }
    }

    /// A date stands behind a semicolon; only the first that is one counts.
    fn date(&mut self, rest: &[u8], noted: &mut Leniencies) {
        if self.received.date.is_none() {
            self.received.date = parse_date_noting(rest, noted);
        }
        self.dated = true;
    }
}

fn keyword(word: &[u8]) -> Option<Clause> {
    const KEYWORDS: [(&[u8], Clause); 7] = [
        (b"from", Clause::From),
        (b"by", Clause::By),
        (b"via", Clause::Via),
        (b"with", Clause::With),
        (b"id", Clause::Id),
        (b"for", Clause::For),
        (b"tls", Clause::Tls),
    ];
    let found = KEYWORDS
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name));
    found.map(|&(_, clause)| clause)
}

/// Two words that follow each other in the value, as one text.
fn joined<'a>(before: &'a [u8], word: &'a [u8], value: &'a [u8]) -> Option<&'a [u8]> {
    let offset = |part: &[u8]| part.as_ptr().addr().checked_sub(value.as_ptr().addr());
    let (start, end) = (offset(before)?, offset(word)? + word.len());
    value.get(start..end)
}

/// Without angle brackets.
fn bare(word: &[u8]) -> &[u8] {
    let inside = word.strip_prefix(b"<").unwrap_or(word);
    inside.strip_suffix(b">").unwrap_or(inside)
}

fn words(comment: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = comment.split(|octet| is_space(*octet) || matches!(octet, b',' | b'(' | b')'));
    words.filter(|word| !word.is_empty()).take(PIECES_MAX)
}

/// The address in `192.0.2.1`, `[192.0.2.1]:25`, `[IPv6:2001:db8::1]`, `name[192.0.2.1]`, ….
fn address(word: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(word).ok()?;
    let inside = match text.split_once('[') {
        Some((_, inside)) => inside.split(']').next()?,
        None => text,
    };
    let inside = match inside.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inside.get(5..)?,
        _ => inside,
    };
    let inside = inside.trim_matches(['(', ')']);
    // Zones (`%6`) and ports are the server's own.
    let inside = inside.split('%').next()?;
    let without_port = || inside.rsplit_once(':')?.0.parse().ok();
    inside.parse().ok().or_else(without_port)
}

/// A host's name: letters with dots between, nothing that is said of something else.
fn name_in(word: &[u8]) -> Option<&[u8]> {
    let word = bare(word);
    let fits = |&octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_');
    (word.contains(&b'.') && word.iter().all(fits) && address(word).is_none()).then_some(word)
}

/// `TLSv1.2`, `TLS1_3`, `TLS-1.0`, `TLSv1/SSLv3`; not `TLS13_AES_256_GCM_SHA384`.
fn is_version(word: &[u8]) -> bool {
    let first = word.split(|&octet| octet == b'/').next();
    let Some((name, rest)) = first.and_then(|first| first.split_at_checked(3)) else {
        return false;
    };
    let number = match rest {
        [b'v' | b'-' | b'_', number @ ..] => number,
        number => number,
    };
    let digit = |octet: &u8| octet.is_ascii_digit() || matches!(octet, b'.' | b'_');
    (name.eq_ignore_ascii_case(b"tls") || name.eq_ignore_ascii_case(b"ssl"))
        && number.first().is_some_and(u8::is_ascii_digit)
        && number.iter().all(digit)
}

/// `DHE-RSA-AES256-SHA`, `TLS_AES_128_GCM_SHA256`.
fn is_suite(word: &[u8]) -> bool {
    let joints = word.iter().filter(|octet| b"-_".contains(octet)).count();
    joints >= 2 && !word.iter().any(u8::is_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> (String, bool) {
        let mut noted = Leniencies::NONE;
        let one = Received::parse_noting(value.as_bytes(), &mut noted);
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let mut parts = Vec::new();
        let texts = [
            ("from", one.from),
            ("helo", one.helo),
            ("name", one.peer_name),
            ("by", one.by),
            ("via", one.via),
            ("with", one.with),
            ("id", one.id),
            ("for", one.recipient),
            ("tls", one.tls_version),
            ("cipher", one.tls_cipher),
        ];
        for (name, value) in texts {
            parts.extend(value.map(|value| format!("{name}={}", text(value))));
        }
        parts.extend(one.peer.map(|peer| format!("ip={peer}")));
        parts.extend(one.date.map(|date| date.seconds.to_string()));
        (parts.join(" "), noted.has(Leniency::TraceRepaired))
    }

    #[test]
    fn fields_of_many_servers() {
        let cases = [
            // RFC 5322 appendix A.4.
            (
                "from x.y.test\r\n by example.net\r\n via TCP\r\n with ESMTP\r\n id ABC12345\r\n \
                 for <mary@example.net>;  21 Nov 1997 10:05:43 -0600",
                "from=x.y.test by=example.net via=TCP with=ESMTP id=ABC12345 for=mary@example.net \
                 880128343",
                false,
            ),
            (
                "from a.example (mx.a.example [IPv6:2001:db8::1])\r\n (using TLSv1.3 with cipher \
                 TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n by b.example (Postfix) with ESMTPS id \
                 4F; 21 Nov 1997 10:05:43 -0600 (CST)",
                "from=a.example name=mx.a.example by=b.example with=ESMTPS id=4F tls=TLSv1.3 \
                 cipher=TLS_AES_256_GCM_SHA384 ip=2001:db8::1 880128343",
                false,
            ),
            (
                "from [192.0.2.7] (helo=a.example) by b.example with esmtps (TLS1.2) tls \
                 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 id 1; 21 Nov 1997 10:05:43 -0600",
                "from=[192.0.2.7] helo=a.example by=b.example with=esmtps id=1 tls=TLS1.2 \
                 cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 880128343",
                true,
            ),
            (
                "from unknown (HELO a.example) (ada@192.0.2.7) by b.example with Microsoft SMTP \
                 Server (version=TLS1_2, cipher=X_Y_Z)",
                "from=unknown helo=a.example by=b.example with=Microsoft SMTP Server tls=TLS1_2 \
                 cipher=X_Y_Z",
                true,
            ),
            (
                "(from ada@localhost) by b.example id 7; Fri, 21 Nov 1997 10:05:43 -0600 for \
                 <c@d.example>",
                "from=ada@localhost by=b.example id=7 for=c@d.example 880128343",
                true,
            ),
            ("(qmail 1 invoked by uid 2)", "", true),
            ("from a [192.0.2.7 by b (", "from=a by=b ip=192.0.2.7", true),
            ("", "", true),
        ];
        for (value, expected, repaired) in cases {
            assert_eq!(shown(value), (expected.to_owned(), repaired), "{value}");
        }
    }

    #[test]
    fn hostile_fields_cost_linear_time() {
        for piece in ["(", "[", "<", "from ", "with a ", ";", "(a[", "[a("] {
            let value = piece.repeat(200_000);
            assert!(Received::parse(value.as_bytes()).date.is_none(), "{piece}");
        }
    }
}
