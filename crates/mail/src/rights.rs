//! What somebody may do with a mailbox (RFC 4314 §2.1).

use std::fmt;
use std::ops::{BitAnd, BitOr, Not};

/// A set of rights.
///
/// The rights `c` and `d` of RFC 2086 are no rights of their own: whoever wants them gets `kx` and
/// `et`, and whoever has one of these is told them as well (RFC 4314 §2.1.1).
///
/// ```
/// use mail::Rights;
///
/// let rights = Rights::parse("lrsd").unwrap();
/// assert!(rights.contains(Rights::EXPUNGE) && !rights.contains(Rights::INSERT));
/// assert_eq!(rights.to_string(), "lrsted");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rights(u16);

impl Rights {
    /// `l`: to see it in lists.
    pub const LOOKUP: Self = Self(1);
    /// `r`: to open it.
    pub const READ: Self = Self(1 << 1);
    /// `s`: to set and clear `\Seen`.
    pub const SEEN: Self = Self(1 << 2);
    /// `w`: to set and clear flags other than `\Seen` and `\Deleted`.
    pub const WRITE: Self = Self(1 << 3);
    /// `i`: to put messages in.
    pub const INSERT: Self = Self(1 << 4);
    /// `p`: to send mail to its address; nothing of ours asks for it.
    pub const POST: Self = Self(1 << 5);
    /// `k`: to make mailboxes below it.
    pub const CREATE: Self = Self(1 << 6);
    /// `x`: to delete and rename it.
    pub const DELETE: Self = Self(1 << 7);
    /// `t`: to set and clear `\Deleted`.
    pub const MARK_DELETED: Self = Self(1 << 8);
    /// `e`: to expunge it.
    pub const EXPUNGE: Self = Self(1 << 9);
    /// `a`: to say who has which rights.
    pub const ADMINISTER: Self = Self(1 << 10);
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self((1 << 11) - 1);

    /// In the order in which they are written; the virtual ones behind them.
    const LETTERS: [(char, Self); 13] = [
        ('l', Self::LOOKUP),
        ('r', Self::READ),
        ('s', Self::SEEN),
        ('w', Self::WRITE),
        ('i', Self::INSERT),
        ('p', Self::POST),
        ('k', Self::CREATE),
        ('x', Self::DELETE),
        ('t', Self::MARK_DELETED),
        ('e', Self::EXPUNGE),
        ('a', Self::ADMINISTER),
        // RFC 4314 §2.1.1
        ('c', Self(Self::CREATE.0 | Self::DELETE.0)),
        ('d', Self(Self::MARK_DELETED.0 | Self::EXPUNGE.0)),
    ];

    /// Reads the letters of rights that are wanted; `None` if one of them is no right.
    #[must_use]
    pub fn parse(letters: &str) -> Option<Self> {
        letters.chars().try_fold(Self::NONE, |rights, letter| {
            let mut known = Self::LETTERS.iter();
            let (_, right) = known.find(|(known, _)| *known == letter)?;
            Some(rights | *right)
        })
    }

    /// Reads what `Display` wrote: rights that somebody has.
    #[must_use]
    pub fn parse_held(letters: &str) -> Option<Self> {
        // RFC 4314 §2.1.1: beside those they stand for they say nothing.
        Self::parse(&letters.replace(['c', 'd'], ""))
    }

    /// From what [`Rights::bits`] gave; bits that are no right are left out.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// One bit for each right.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// True if all of these are among them.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// True if one of these is among them.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// True if there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The letters of the rights there are, `c` and `d` among them.
    pub fn letters(self) -> impl Iterator<Item = char> {
        let there = Self::LETTERS
            .iter()
            .filter(move |(_, right)| self.intersects(*right));
        there.map(|(letter, _)| *letter)
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Rights {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// All the others.
impl Not for Rights {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0 & Self::ALL.0)
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.letters()
            .try_for_each(|letter| fmt::Write::write_char(f, letter))
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rights({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_read_back() {
        for bits in 0..=Rights::ALL.bits() {
            let rights = Rights::from_bits(bits);
            assert_eq!(Rights::parse_held(&rights.to_string()), Some(rights));
        }
        assert_eq!(Rights::ALL.to_string(), "lrswipkxteacd");
    }

    #[test]
    fn old_rights_stand_for_new_ones() {
        let cases = [
            ("c", "kxc"),
            ("d", "ted"),
            ("k", "kc"),
            ("e", "ed"),
            ("x", "xc"),
            ("lrlr", "lr"),
        ];
        for (read, written) in cases {
            assert_eq!(Rights::parse(read).unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_right_is_refused() {
        for letters in ["q", "L", "lrQ", "0", "l r", "+l"] {
            assert_eq!(Rights::parse(letters), None, "{letters}");
        }
    }
}
