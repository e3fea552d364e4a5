//! A body made ready: lines ending in CRLF; for DATA dots doubled and a lone dot behind it.
//!
//! RFC 5321 §2.3.8, §4.5.2.

/// Where in the text the last octet left us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Start,
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

    /// Appends the end.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
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
