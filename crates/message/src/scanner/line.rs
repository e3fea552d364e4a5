//! What a walk goes over and what it remembers of it: lines, places, headers kept.

use super::octets_of;
use crate::table::Text;

/// Where the header fields are that have been read.
pub(super) trait Keep {
    /// Keeps a header line.
    fn keep(&mut self, line: &[u8]);
    /// Forgets all but the first `len` octets kept.
    fn cut(&mut self, len: usize);
    /// What is kept.
    fn text(&self) -> Text<'_>;
}

/// A line with its line end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Its first octets: [`Walk::line_octets_max`], or all.
    pub(super) head: &'a [u8],
    /// Octets in it.
    pub(super) octets: u64,
    /// Octets of its line end: 0 if the message ends with it, 1 for LF, 2 for CRLF.
    pub(super) end: u64,
}

impl<'a> Line<'a> {
    /// A line that is there whole.
    pub(super) fn of(line: &'a [u8]) -> Self {
        let end = match line {
            [.., b'\r', b'\n'] => 2,
            [.., b'\n'] => 1,
            _ => 0,
        };
        Self {
            head: line,
            octets: octets_of(line),
            end,
        }
    }

    pub(super) const fn is_blank(&self) -> bool {
        self.end > 0 && self.octets == self.end
    }
}

/// A place in the message: octets and line ends before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) lines: u64,
}
