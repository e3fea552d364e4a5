//! Dots before dots: how a message travels inside a multi-line response, and where TOP stops.
//!
//! RFC 1939 §3 and §7 (TOP).

use bytes::{BufMut as _, BytesMut};

/// A message on its way out, piece by piece.
#[derive(Debug)]
pub(crate) struct Stuffing {
    place: Place,
    /// The last octet was CR, so that a LF now ends the line.
    after_cr: bool,
    /// Octets of the line so far.
    octets: usize,
    in_body: bool,
    /// Lines of the body still wanted; `None` for all.
    lines_left: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    InLine,
}

impl Stuffing {
    /// Begins a message of which so many lines of the body are wanted, or all.
    pub(crate) const fn begin(lines: Option<u32>) -> Self {
        Self {
            place: Place::LineStart,
            after_cr: false,
            octets: 0,
            in_body: false,
            lines_left: lines,
        }
    }

    /// Writes a piece; true if no more of the message is wanted.
    pub(crate) fn push(&mut self, mut piece: &[u8], out: &mut BytesMut) -> bool {
        out.reserve(piece.len());
        while !piece.is_empty() {
            if self.is_full() {
                return true;
            }
            let len = memchr::memchr(b'\n', piece).map_or(piece.len(), |at| at + 1);
            let (line, rest) = piece.split_at(len);
            self.line(line, out);
            piece = rest;
        }
        self.is_full()
    }

    /// Ends the response.
    pub(crate) fn end(&self, out: &mut BytesMut) {
        if self.place == Place::InLine {
            out.put_slice(b"\r\n");
        }
        out.put_slice(b".\r\n");
    }

    /// Writes what is a line, or a part of one, with at most one LF, at its end.
    fn line(&mut self, line: &[u8], out: &mut BytesMut) {
        // RFC 1939 §3
        if self.place == Place::LineStart && line.first() == Some(&b'.') {
            out.put_u8(b'.');
        }
        out.put_slice(line);
        let ended = match line.strip_suffix(b"\n") {
            Some([]) => self.after_cr,
            Some(text) => text.last() == Some(&b'\r'),
            None => false,
        };
        self.after_cr = line.last() == Some(&b'\r');
        self.octets += line.len();
        if !ended {
            self.place = Place::InLine;
            return;
        }
        let blank = std::mem::take(&mut self.octets) == 2;
        if self.in_body {
            self.lines_left = self.lines_left.map(|lines| lines.saturating_sub(1));
        }
        self.in_body |= blank;
        self.place = Place::LineStart;
    }

    fn is_full(&self) -> bool {
        self.in_body && self.place == Place::LineStart && self.lines_left == Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(message: &str, lines: Option<u32>, cut: usize) -> String {
        let mut stuffing = Stuffing::begin(lines);
        let mut out = BytesMut::new();
        for piece in message.as_bytes().chunks(cut) {
            if stuffing.push(piece, &mut out) {
                break;
            }
        }
        stuffing.end(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn any_cut_is_stuffed_alike() {
        let cases = [
            ("", None, ".\r\n"),
            (
                "A: b\r\n\r\n.\r\n..x\r\n",
                None,
                "A: b\r\n\r\n..\r\n...x\r\n.\r\n",
            ),
            ("A: b\r\n\r\nno end", None, "A: b\r\n\r\nno end\r\n.\r\n"),
            (
                "A: b\r\n\r\nno end.\r",
                None,
                "A: b\r\n\r\nno end.\r\r\n.\r\n",
            ),
            // A bare LF ends no line, so a dot behind it is only a dot.
            ("A: b\r\n\r\nx\n.\r\n", None, "A: b\r\n\r\nx\n.\r\n.\r\n"),
            ("A: b\r\n\r\n1\r\n2\r\n", Some(0), "A: b\r\n\r\n.\r\n"),
            ("A: b\r\n\r\n1\r\n2\r\n", Some(1), "A: b\r\n\r\n1\r\n.\r\n"),
            ("A: b\r\n\r\n\r\n2\r\n", Some(1), "A: b\r\n\r\n\r\n.\r\n"),
            (
                "A: b\r\n\r\n1\r\n2\r\n",
                Some(9),
                "A: b\r\n\r\n1\r\n2\r\n.\r\n",
            ),
            ("A: b\r\n", Some(0), "A: b\r\n.\r\n"),
            ("A: b\r\r\n\r\n1\r\n", Some(0), "A: b\r\r\n\r\n.\r\n"),
            ("\r\n1\r\n2\r\n", Some(1), "\r\n1\r\n.\r\n"),
        ];
        for (message, lines, expected) in cases {
            for cut in 1..=message.len().max(1) {
                assert_eq!(sent(message, lines, cut), expected, "cut every {cut}");
            }
        }
    }
}
