//! Lines out of a stream, with a limit: framing before parsing.

use bytes::{Buf, Bytes, BytesMut};

/// Input that has arrived and is not yet taken.
///
/// Frees its memory when it is empty, so that an idle session costs nothing.
#[derive(Debug, Default)]
pub struct LineBuffer {
    input: BytesMut,
    /// Octets at the front already searched for the end of a line.
    searched: usize,
    /// True while the rest of a line that was too long is thrown away.
    skipping: bool,
}

/// What a [`LineBuffer`] has to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A line without its CRLF; it may hold bare CRs, never a bare LF.
    Whole(Bytes),
    /// A line that ended in LF without CR, without that LF.
    BareLf(Bytes),
    /// A line longer than the limit came to its end; it was thrown away as it arrived.
    TooLong,
    /// No whole line has arrived.
    Incomplete,
}

impl LineBuffer {
    /// Adds octets as they arrived.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Takes the next line if it has arrived; `octets_max` counts its CRLF.
    pub fn line(&mut self, octets_max: usize) -> Line {
        let unsearched = self.input.get(self.searched..).unwrap_or_default();
        let Some(found) = memchr::memchr(b'\n', unsearched) else {
            self.searched = self.input.len();
            if self.searched > octets_max || self.skipping {
                self.skipping = true;
                self.clear();
            }
            return Line::Incomplete;
        };
        let end = self.searched + found;
        let mut line = self.split(end + 1);
        if std::mem::take(&mut self.skipping) || line.len() > octets_max {
            return Line::TooLong;
        }
        line.truncate(line.len() - 1);
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
            Line::Whole(line)
        } else {
            Line::BareLf(line)
        }
    }

    /// Takes at most `octets_max` octets of what has arrived, whatever they are.
    pub fn take(&mut self, octets_max: usize) -> Bytes {
        self.split(octets_max.min(self.input.len()))
    }

    /// What has arrived and is not taken.
    #[must_use]
    pub fn peek(&self) -> &[u8] {
        &self.input
    }

    /// Throws away `octets` octets of what has arrived.
    pub fn skip(&mut self, octets: usize) {
        self.input.advance(octets.min(self.input.len()));
        self.settle();
    }

    /// Throws away all that has arrived (RFC 3207 §4.2).
    pub fn clear(&mut self) {
        self.input = BytesMut::new();
        self.searched = 0;
    }

    /// Octets that have arrived and are not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.input.len()
    }

    /// True if nothing is left to take.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    fn split(&mut self, octets: usize) -> Bytes {
        let taken = self.input.split_to(octets).freeze();
        self.settle();
        taken
    }

    fn settle(&mut self) {
        self.searched = 0;
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8], cut: usize) -> Vec<Line> {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for piece in input.chunks(cut) {
            buffer.extend(piece);
            while let line @ (Line::Whole(_) | Line::BareLf(_) | Line::TooLong) = buffer.line(10) {
                lines.push(line);
            }
        }
        lines
    }

    #[test]
    fn any_cut_gives_the_same_lines() {
        let input =
            b"one\r\n\r\ntwo\nabcdefgh\r\nabcdefghi\r\nabcdefghijklmnopqrst\r\na\rb\r\nrest";
        let expected = vec![
            Line::Whole(Bytes::from_static(b"one")),
            Line::Whole(Bytes::new()),
            Line::BareLf(Bytes::from_static(b"two")),
            Line::Whole(Bytes::from_static(b"abcdefgh")),
            Line::TooLong,
            Line::TooLong,
            Line::Whole(Bytes::from_static(b"a\rb")),
        ];
        for cut in 1..=input.len() {
            assert_eq!(lines(input, cut), expected, "cut every {cut} octets");
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut buffer = LineBuffer::default();
        for _ in 0..1000 {
            buffer.extend(&[b'x'; 100]);
            assert_eq!(buffer.line(512), Line::Incomplete);
            assert!(buffer.len() <= 612);
        }
    }
}
