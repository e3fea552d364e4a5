//! Strings, numbers and atoms: how each is written and read.
//!
//! RFC 5804 §4.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Octets between the quotes of a quoted string.
const QUOTED_OCTETS_MAX: usize = 1024;

/// Who writes: a client's literals have a plus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    Client,
    Server,
}

/// Writes a string: in quotes where that can be, else as a literal.
pub(crate) fn put_string(out: &mut BytesMut, text: &[u8], writer: Writer) {
    let is_plain = |octet: &u8| !matches!(octet, b'\r' | b'\n' | 0);
    let quotable = text.iter().all(is_plain) && std::str::from_utf8(text).is_ok();
    let special = |octet: &&u8| matches!(octet, b'"' | b'\\');
    let octets = text.len() + text.iter().filter(special).count();
    if !quotable || octets > QUOTED_OCTETS_MAX {
        return put_literal(out, text, writer);
    }
    out.put_u8(b'"');
    for octet in text {
        if special(&octet) {
            out.put_u8(b'\\');
        }
        out.put_u8(*octet);
    }
    out.put_u8(b'"');
}

/// Writes a string as a literal.
pub(crate) fn put_literal(out: &mut BytesMut, text: &[u8], writer: Writer) {
    let plus = match writer {
        Writer::Client => "+",
        Writer::Server => "",
    };
    out.put_slice(format!("{{{}{plus}}}\r\n", text.len()).as_bytes());
    out.put_slice(text);
}

/// What is left to read of a line with its literals.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(frame: &'a [u8]) -> Self {
        Self { rest: frame }
    }

    /// True if nothing is left.
    pub(crate) const fn is_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes this octet, if it is the next.
    pub(crate) fn eat(&mut self, octet: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == octet => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// True if this octet is the next.
    pub(crate) fn sees(&self, octet: u8) -> bool {
        self.rest.first() == Some(&octet)
    }

    pub(crate) fn atom(&mut self) -> Option<&'a str> {
        let end = self.rest.iter().position(|octet| !is_atom(*octet));
        let (atom, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
        self.rest = rest;
        std::str::from_utf8(atom)
            .ok()
            .filter(|atom| !atom.is_empty())
    }

    /// A number of 32 bits, without zeros in front.
    pub(crate) fn number(&mut self) -> Option<u32> {
        let is_digit = |octet: &u8| octet.is_ascii_digit();
        let end = self.rest.iter().position(|octet| !is_digit(octet));
        let (digits, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
        self.rest = rest;
        if digits.len() > 1 && digits.first() == Some(&b'0') {
            return None;
        }
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// A string, quoted or a literal.
    pub(crate) fn string(&mut self) -> Option<Bytes> {
        if self.eat(b'"') {
            self.quoted()
        } else {
            self.literal()
        }
    }

    /// A string of UTF-8.
    pub(crate) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.string()?.to_vec()).ok()
    }

    fn quoted(&mut self) -> Option<Bytes> {
        let mut text = Vec::new();
        loop {
            let (octet, rest) = self.rest.split_first()?;
            self.rest = rest;
            match octet {
                b'"' => break,
                b'\\' => {
                    let (escaped, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    if !matches!(escaped, b'"' | b'\\') {
                        return None;
                    }
                    text.push(*escaped);
                }
                0 | b'\r' | b'\n' => return None,
                octet => text.push(*octet),
            }
        }
        std::str::from_utf8(&text).ok()?;
        Some(text.into())
    }

    fn literal(&mut self) -> Option<Bytes> {
        if !self.eat(b'{') {
            return None;
        }
        let octets = usize::try_from(self.number()?).ok()?;
        self.eat(b'+');
        self.rest = self.rest.strip_prefix(b"}\r\n")?;
        let (literal, rest) = self.rest.split_at_checked(octets)?;
        self.rest = rest;
        Some(Bytes::copy_from_slice(literal))
    }
}

const fn is_atom(octet: u8) -> bool {
    // RFC 5804 §4
    matches!(octet, b'!' | 0x23..=0x27 | 0x2a..=0x5b | 0x5d..=0x7a | 0x7c..=0x7e)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &[u8], writer: Writer) -> BytesMut {
        let mut out = BytesMut::new();
        put_string(&mut out, text, writer);
        out
    }

    #[test]
    fn strings_are_read_as_they_were_written() {
        let long = vec![b'x'; 1024];
        let longer = vec![b'"'; 513];
        let cases: [(&[u8], &[u8]); 7] = [
            (b"", b"\"\""),
            (b"plain", b"\"plain\""),
            (b"a \"b\" \\", b"\"a \\\"b\\\" \\\\\""),
            ("ü".as_bytes(), "\"ü\"".as_bytes()),
            (b"two\r\nlines", b"{10+}\r\ntwo\r\nlines"),
            (b"\xff", b"{1+}\r\n\xff"),
            (b"\0", b"{1+}\r\n\0"),
        ];
        for (text, expected) in cases {
            assert_eq!(written(text, Writer::Client), expected);
        }
        for text in cases
            .map(|(text, _)| text)
            .into_iter()
            .chain([&long[..], &longer])
        {
            for writer in [Writer::Client, Writer::Server] {
                let out = written(text, writer);
                let mut cursor = Cursor::new(&out);
                assert_eq!(cursor.string().as_deref(), Some(text));
                assert!(cursor.is_end());
            }
        }
        assert!(written(&long, Writer::Server).starts_with(b"\""));
        assert!(written(&longer, Writer::Server).starts_with(b"{513}"));
    }

    #[test]
    fn what_is_no_string() {
        for text in [
            "",
            "a",
            "\"a",
            "\"a\\n\"",
            "{3}",
            "{3}\r\nab",
            "{3+}\nabc",
            "{03}\r\nabc",
            "{-1}\r\n",
            "{4294967296}\r\n",
            "{}\r\n",
        ] {
            assert_eq!(Cursor::new(text.as_bytes()).string(), None, "{text}");
        }
    }

    #[test]
    fn numbers_and_atoms() {
        for (text, number) in [
            ("0", Some(0)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("007", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(Cursor::new(text.as_bytes()).number(), number, "{text}");
        }
        let mut cursor = Cursor::new(b"PutScript \"x\"");
        assert_eq!(cursor.atom(), Some("PutScript"));
        assert_eq!(cursor.atom(), None);
        assert!(cursor.eat(b' ') && cursor.sees(b'"'));
    }
}
