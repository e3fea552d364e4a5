//! The body behind DATA: where it ends, which dots go, whether its lines are whole.
//!
//! RFC 5321 §4.5.2 (dots), §2.3.8 (CR and LF only together).

/// Where in the text the last octet left us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// At the start of a line; so is the body's first octet.
    #[default]
    Start,
    /// Behind a dot at the start of a line; the dot is taken away.
    Dot,
    /// Behind a dot and CR; both are taken away, for an LF now is the end.
    DotCr,
    /// Within a line.
    Text,
    /// Behind a CR within a line.
    Cr,
}

/// Reads a body; may be cut anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scanner {
    at: At,
    /// Octets of the line so far.
    line: usize,
    /// The longest line, its CRLF included.
    pub(crate) longest: usize,
    /// True once a CR or LF has come without the other.
    pub(crate) bare: bool,
}

/// What the front of the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// So many octets are text,
    pub(crate) text: usize,
    /// and so many behind them are to be thrown away.
    pub(crate) drop: usize,
    /// True if the body has ended behind these.
    pub(crate) end: bool,
}

impl Scanner {
    /// Looks at the front of the input: text up to the next octet that goes, or all of it.
    ///
    /// `text` and `drop` cover at least one octet unless the input is empty.
    pub(crate) fn scan(&mut self, input: &[u8]) -> Piece {
        let mut used = 0;
        // First the few octets that depend on those before them.
        while let Some(&octet) = input.get(used) {
            match (self.at, octet) {
                (At::Text, _) => break,
                (At::Start, b'.') => {
                    self.at = At::Dot;
                    return self.dropped(used);
                }
                (At::Dot, b'\r') => {
                    self.at = At::DotCr;
                    return self.dropped(used);
                }
                (At::DotCr, b'\n') => {
                    return Piece {
                        text: used,
                        drop: 1,
                        end: true,
                    };
                }
                (At::Cr, b'\n') => {
                    self.begin_line(2);
                    used += 1;
                }
                (At::Start | At::Dot | At::DotCr | At::Cr, octet) => {
                    self.bare |= matches!(self.at, At::DotCr | At::Cr) || octet == b'\n';
                    self.at = if octet == b'\r' { At::Cr } else { At::Text };
                    self.line += usize::from(octet != b'\r');
                    used += 1;
                }
            }
        }
        let rest = input.get(used..).unwrap_or_default();
        Piece {
            text: used + self.lines(rest),
            drop: 0,
            end: false,
        }
    }

    const fn dropped(&self, used: usize) -> Piece {
        Piece {
            text: used,
            drop: 1,
            end: false,
        }
    }

    fn begin_line(&mut self, ending: usize) {
        self.longest = self.longest.max(self.line + ending);
        self.line = 0;
        self.at = At::Start;
    }

    /// Runs through whole lines, from within one, up to one that begins with a dot.
    fn lines(&mut self, text: &[u8]) -> usize {
        let mut start = 0;
        let mut pairs = 0;
        let mut end = text.len();
        for cr in memchr::memchr_iter(b'\r', text) {
            let length = cr.saturating_sub(start);
            match text.get(cr + 1..) {
                Some([b'\n', rest @ ..]) => {
                    pairs += 1;
                    self.line += length;
                    self.begin_line(2);
                    start = cr + 2;
                    if rest.first() == Some(&b'.') {
                        end = start;
                        break;
                    }
                }
                Some([]) | None => self.at = At::Cr,
                Some(_) => {
                    self.bare = true;
                    self.at = At::Text;
                }
            }
        }
        if start < end {
            let open = text.get(start..end).unwrap_or_default();
            self.line += open.len() - usize::from(self.at == At::Cr);
            if self.at != At::Cr {
                self.at = At::Text;
            }
        }
        // Counting runs at the memory's speed; looking at each LF would not.
        let passed = text.get(..end).unwrap_or_default();
        self.bare |= memchr::memchr_iter(b'\n', passed).count() != pairs;
        self.longest = self.longest.max(self.line);
        end
    }

    /// Takes text in which dots mean nothing and which may end anywhere: a chunk of BDAT.
    pub(crate) fn chunk(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let mut text = text;
        if self.at == At::Cr {
            match text.split_first() {
                Some((b'\n', rest)) => text = rest,
                _ => self.bare = true,
            }
        }
        let crs = memchr::memchr_iter(b'\r', text);
        let mut pairs = 0;
        let mut open = false;
        for cr in crs {
            match text.get(cr + 1) {
                Some(b'\n') => pairs += 1,
                Some(_) => self.bare = true,
                None => open = true,
            }
        }
        self.bare |= memchr::memchr_iter(b'\n', text).count() != pairs;
        self.at = if open { At::Cr } else { At::Text };
    }

    /// True if the text so far ends in a CR that waits for its LF.
    pub(crate) fn is_open(&self) -> bool {
        self.at == At::Cr
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text, whether it ended, whether it had bare CR or LF, the longest line, what is left.
    fn read(input: &[u8], cut: usize) -> (Vec<u8>, bool, bool, usize, usize) {
        let mut scanner = Scanner::default();
        let mut text = Vec::new();
        let mut used = 0;
        for piece in input.chunks(cut) {
            let mut rest = piece;
            while !rest.is_empty() {
                let piece = scanner.scan(rest);
                assert!(piece.text + piece.drop > 0);
                text.extend_from_slice(&rest[..piece.text]);
                rest = &rest[piece.text + piece.drop..];
                used += piece.text + piece.drop;
                if piece.end {
                    return (
                        text,
                        true,
                        scanner.bare,
                        scanner.longest,
                        input.len() - used,
                    );
                }
            }
        }
        (text, false, scanner.bare, scanner.longest, 0)
    }

    #[test]
    fn bodies_end_where_they_end() {
        type Case = (&'static [u8], &'static [u8], bool, bool, usize);
        let cases: &[Case] = &[
            (b".\r\n", b"", true, false, 0),
            (b"a\r\n.\r\nQUIT", b"a\r\n", true, false, 3),
            (b"..\r\n.a\r\n.\r\n", b".\r\na\r\n", true, false, 3),
            (b"a.\r\n.\r\n", b"a.\r\n", true, false, 4),
            (b"abc\r\n\r\nde\r\n", b"abc\r\n\r\nde\r\n", false, false, 5),
        ];
        for (input, text, end, bare, longest) in cases {
            for cut in 1..=input.len() {
                let found = read(input, cut);
                let left = found.4;
                let expected = (text.to_vec(), *end, *bare, *longest, left);
                assert_eq!(found, expected, "{} by {cut}", input.escape_ascii());
            }
        }
    }

    #[test]
    fn no_other_spelling_ends_a_body() {
        for input in [
            &b"a\n.\n"[..],
            b"a\n.\r\n",
            b"a\r\n.\n",
            b"a\r.\r",
            b"a\r\n.\r",
            b"a\r\n.\r\r\n",
            b"a\r.\r\n",
            b"a\r\r\n",
            b"\n.\r\n",
            b".\n",
            b"\r.\r\n",
        ] {
            let whole = [input, b"b\r\n.\r\n"].concat();
            for cut in 1..=whole.len() {
                let (_, end, bare, _, left) = read(&whole, cut);
                let name = whole.escape_ascii();
                assert!(
                    end && bare && left == 0,
                    "{name} by {cut}: {end} {bare} {left}"
                );
            }
        }
    }

    #[test]
    fn chunks_keep_cr_and_lf_together() {
        let cases: &[(&[u8], bool)] = &[
            (b"a\r\nb\r\n", false),
            (b".\r\n.\r\n", false),
            (b"a\nb", true),
            (b"a\rb", true),
            (b"a\r\r\n", true),
            (b"a\r", true),
            (b"\n", true),
        ];
        for (input, bare) in cases {
            for cut in 1..=input.len() {
                let mut scanner = Scanner::default();
                input.chunks(cut).for_each(|piece| scanner.chunk(piece));
                let found = scanner.bare || scanner.is_open();
                assert_eq!(found, *bare, "{} by {cut}", input.escape_ascii());
            }
        }
    }
}
