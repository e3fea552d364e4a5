//! What structured fields are made of (RFC 5322 §3.2, RFC 2045 §5.1): white space, comments,
//! quoted strings, tokens.
//!
//! Reads in one direction and never fails; [`Scan::unended`] says that something was not closed.
//! Comments nest to any depth, for they are counted and not descended into.

/// Reads a field's value from left to right.
#[derive(Clone, Debug)]
pub(crate) struct Scan<'a> {
    rest: &'a [u8],
    /// A comment or a quoted string was open at the end.
    pub(crate) unended: bool,
}

impl<'a> Scan<'a> {
    pub(crate) const fn new(value: &'a [u8]) -> Self {
        Self {
            rest: value,
            unended: false,
        }
    }

    /// What has not been read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn bump(&mut self) -> Option<u8> {
        let (&octet, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(octet)
    }

    pub(crate) fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    /// Passes this octet if it stands here.
    pub(crate) fn take(&mut self, octet: u8) -> bool {
        let there = self.peek() == Some(octet);
        if there {
            self.skip(1);
        }
        there
    }

    /// Takes what lies before the first octet that `stop` wants, or all.
    pub(crate) fn until(&mut self, stop: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&octet| stop(octet));
        let (taken, rest) = self
            .rest
            .split_at_checked(end.unwrap_or(self.rest.len()))
            .unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// Passes white space, line ends, NULs and comments; true if there were any.
    pub(crate) fn skip_space(&mut self) -> bool {
        let before = self.rest.len();
        while let Some(octet) = self.peek() {
            if is_space(octet) {
                self.skip(1);
            } else if octet == b'(' {
                self.comment();
            } else {
                break;
            }
        }
        self.rest.len() < before
    }

    /// Takes a comment whose parenthesis stands here: its inside as written.
    pub(crate) fn comment(&mut self) -> &'a [u8] {
        self.skip(1);
        let inside = self.rest;
        let mut depth = 1_usize;
        let mut at = 0;
        while let Some(found) = find(inside, at, |octet| matches!(octet, b'(' | b')' | b'\\')) {
            at = found + 1;
            match inside.get(found) {
                Some(b'(') => depth += 1,
                Some(b')') => depth -= 1,
                _ => at += 1,
            }
            if depth == 0 {
                self.skip(at);
                return inside.get(..found).unwrap_or_default();
            }
        }
        self.unended = true;
        self.rest = &[];
        inside
    }

    /// The text of a quoted string whose opening quote was read.
    pub(crate) fn quoted(&mut self) -> Vec<u8> {
        let mut at = 0;
        while let Some(found) = find(self.rest, at, |octet| matches!(octet, b'"' | b'\\')) {
            if self.rest.get(found) == Some(&b'"') {
                let inside = self.rest.get(..found).unwrap_or_default();
                self.skip(found + 1);
                return unescaped(inside);
            }
            at = found + 2;
        }
        self.unended = true;
        unescaped(std::mem::take(&mut self.rest))
    }

    /// A `token` of RFC 2045 §5.1; empty if there is none.
    pub(crate) fn token(&mut self) -> &'a [u8] {
        self.until(|octet| !is_token(octet))
    }
}

fn find(octets: &[u8], at: usize, wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let from = octets.get(at..)?;
    let found = from.iter().position(|&octet| wanted(octet))?;
    Some(at + found)
}

/// The text without the backslashes of quoted pairs, line ends and NULs.
pub(crate) fn unescaped(inside: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(inside.len());
    let mut escaped = false;
    for &octet in inside {
        match octet {
            b'\r' | b'\n' | 0 => escaped = false,
            b'\\' if !escaped => escaped = true,
            _ => {
                escaped = false;
                text.push(octet);
            }
        }
    }
    text
}

/// White space and what is read as nothing.
pub(crate) const fn is_space(octet: u8) -> bool {
    octet.is_ascii_whitespace() || octet == 0
}

/// RFC 2045 §5.1: printable ASCII but the specials of MIME.
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

    #[test]
    fn comments_and_quotes_end_where_they_end() {
        let mut scan = Scan::new(b" (a (b) \\) c)\r\n \"x \\\" y\"z=1");
        assert!(scan.skip_space());
        assert!(scan.take(b'"'));
        assert_eq!(scan.quoted(), b"x \" y");
        assert_eq!(scan.token(), b"z");
        assert_eq!(scan.rest(), b"=1");
        assert!(!scan.unended);
        let mut comment = Scan::new(b"((a) b)c");
        assert_eq!(comment.comment(), b"(a) b");
        assert_eq!(comment.rest(), b"c");
        for open in [&b"(a (b)"[..], b"(a\\)", b"(\\"] {
            let mut scan = Scan::new(open);
            scan.comment();
            assert!(scan.unended && scan.rest().is_empty());
        }
        let mut scan = Scan::new(b"abc\\\"");
        assert_eq!(scan.quoted(), b"abc\"");
        assert!(scan.unended);
    }

    #[test]
    fn deep_comments_cost_no_stack() {
        let deep = b"(".repeat(1_000_000);
        let mut scan = Scan::new(&deep);
        scan.skip_space();
        assert!(scan.unended);
    }
}
