//! A body made ready: lines ending in CRLF; for DATA dots doubled and a lone dot behind it.
//!
//! RFC 5321 §2.3.8, §4.5.2.

/// NUL octets at the start of a line that are held back until it is known what follows.
const HELD_OCTETS_MAX: usize = 64 * 1024;

/// Where in the text the last octet left us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Start,
    /// Behind so many NUL at the start of a line, which are held back.
    Nul(usize),
    Text,
    Cr,
}

/// Makes a body ready piece by piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stuffer {
    at: At,
    dots: bool,
}

impl Stuffer {
    /// For DATA with `dots`, for BDAT without.
    pub(super) const fn new(dots: bool) -> Self {
        Self {
            at: At::Start,
            dots,
        }
    }

    /// Appends a piece; a CR or LF alone becomes CRLF, so that no other spelling of the end of a
    /// message ever leaves us.
    pub(super) fn write(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        out.reserve(piece.len() + piece.len() / 16);
        let mut rest = piece;
        while let Some((&octet, behind)) = rest.split_first() {
            match (self.at, octet) {
                (At::Start, 0) if self.dots => {
                    self.at = At::Nul(1);
                    rest = behind;
                }
                (At::Nul(count), 0) if count < HELD_OCTETS_MAX => {
                    self.at = At::Nul(count + 1);
                    rest = behind;
                }
                (At::Nul(count), _) => self.let_go(count, octet == b'.', out),
                (At::Cr, b'\n') => {
                    out.extend_from_slice(b"\r\n");
                    self.at = At::Start;
                    rest = behind;
                }
                (At::Cr, _) => {
                    out.extend_from_slice(b"\r\n");
                    self.at = At::Start;
                }
                (_, b'\r') => {
                    self.at = At::Cr;
                    rest = behind;
                }
                (_, b'\n') => {
                    out.extend_from_slice(b"\r\n");
                    self.at = At::Start;
                    rest = behind;
                }
                (at, _) => {
                    if self.dots && at == At::Start && octet == b'.' {
                        out.push(b'.');
                    }
                    let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    let (text, behind) = rest.split_at(end);
                    out.extend_from_slice(text);
                    self.at = At::Text;
                    rest = behind;
                }
            }
        }
    }

    /// Appends what was held back. A dot behind NUL does not end a message, but there are receivers
    /// that leave NUL out; a dot in front is taken away by all (§4.5.2).
    fn let_go(&mut self, count: usize, has_dot: bool, out: &mut Vec<u8>) {
        if has_dot {
            out.push(b'.');
        }
        out.resize(out.len() + count, 0);
        self.at = At::Text;
    }

    /// Appends the end.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        if let At::Nul(count) = self.at {
            self.let_go(count, false, out);
        }
        if self.at == At::Cr || (self.dots && self.at == At::Text) {
            out.extend_from_slice(b"\r\n");
        }
        self.at = At::Start;
        if self.dots {
            out.extend_from_slice(b".\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_stuffed_however_they_are_cut() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"", b".\r\n"),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b".\r\n..\r\na.b\r\n", b"..\r\n...\r\na.b\r\n.\r\n"),
            (
                b"a\n.\nb\r.\rc\r\r\n",
                b"a\r\n..\r\nb\r\n..\r\nc\r\n\r\n.\r\n",
            ),
            (b"a\r", b"a\r\n.\r\n"),
            (
                b"\0\0.\r\n.\0\r\n\0\r\n\0",
                b".\0\0.\r\n..\0\r\n\0\r\n\0\r\n.\r\n",
            ),
        ];
        for (body, expected) in cases {
            for cut in 1..=body.len().max(1) {
                let mut out = Vec::new();
                let mut stuffer = Stuffer::new(true);
                body.chunks(cut)
                    .for_each(|piece| stuffer.write(piece, &mut out));
                stuffer.end(&mut out);
                assert_eq!(out, *expected, "{} by {cut}", body.escape_ascii());
            }
        }
    }
}
