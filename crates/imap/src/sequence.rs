//! Sets of message numbers as a client writes them: ranges either way round, `*`, `$`.
//!
//! RFC 9051 §9 `sequence-set`, RFC 5182 (`$`).

use std::fmt;
use std::num::NonZeroU32;

use mail::{Member, Set};

/// A message number or `*`, the largest there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeqNumber {
    /// A sequence number or a UID; the command says which.
    Number(NonZeroU32),
    /// `*`.
    Star,
}

/// Two numbers and all between them, whichever comes first; a single number is twice itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequenceRange {
    /// The one written first.
    pub from: SeqNumber,
    /// The one written last.
    pub to: SeqNumber,
}

/// A set of message numbers, as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SequenceSet {
    /// Ranges in the order written; never none.
    Ranges(Vec<SequenceRange>),
    /// `$`: what the last SEARCH with RETURN (SAVE) found (RFC 5182).
    Saved,
}

impl SequenceSet {
    /// The numbers, where `*` means `star`; `None` for `$`.
    #[must_use]
    pub fn resolve<T: Member>(&self, star: T) -> Option<Set<T>> {
        let Self::Ranges(ranges) = self else {
            return None;
        };
        let number = |seq| match seq {
            SeqNumber::Number(number) => number.get(),
            SeqNumber::Star => star.ordinal(),
        };
        let mut pairs: Vec<(u32, u32)> = ranges
            .iter()
            .map(|range| (number(range.from), number(range.to)))
            .map(|(from, to)| (from.min(to), from.max(to)))
            .collect();
        // Sorted first, each insertion only touches the last range.
        pairs.sort_unstable();
        let mut set = Set::new();
        for (low, high) in pairs {
            if let (Some(low), Some(high)) = (T::from_ordinal(low), T::from_ordinal(high)) {
                set.insert_range(low..=high);
            }
        }
        Some(set)
    }

    /// True if `*` is in it.
    #[must_use]
    pub fn has_star(&self) -> bool {
        let star =
            |range: &SequenceRange| range.from == SeqNumber::Star || range.to == SeqNumber::Star;
        matches!(self, Self::Ranges(ranges) if ranges.iter().any(star))
    }

    /// True if a number above `largest` is in it, or `*` where there are no messages at all.
    #[must_use]
    pub fn reaches_beyond(&self, largest: u32) -> bool {
        let beyond = |seq| match seq {
            SeqNumber::Number(number) => number.get() > largest,
            SeqNumber::Star => largest == 0,
        };
        match self {
            Self::Ranges(ranges) => ranges
                .iter()
                .any(|range| beyond(range.from) || beyond(range.to)),
            Self::Saved => false,
        }
    }
}

impl<T: Member> From<&Set<T>> for SequenceSet {
    fn from(set: &Set<T>) -> Self {
        let number = |member: T| {
            NonZeroU32::new(member.ordinal()).map_or(SeqNumber::Star, SeqNumber::Number)
        };
        Self::Ranges(
            set.ranges()
                .map(|range| SequenceRange {
                    from: number(*range.start()),
                    to: number(*range.end()),
                })
                .collect(),
        )
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Star => f.write_str("*"),
        }
    }
}

impl fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Ranges(ranges) = self else {
            return f.write_str("$");
        };
        for (index, range) in ranges.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            range.from.fmt(f)?;
            if range.from != range.to {
                write!(f, ":{}", range.to)?;
            }
        }
        Ok(())
    }
}
