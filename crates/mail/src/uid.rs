//! Numbers of messages: never bare integers, never converted into each other.

use std::fmt;
use std::num::NonZeroU32;

use crate::set::{Member, Set};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub NonZeroU32);

        impl $name {
            /// The first of all.
            pub const MIN: Self = Self(NonZeroU32::MIN);
            /// The last that can be.
            pub const MAX: Self = Self(NonZeroU32::MAX);

            /// `None` for zero.
            #[must_use]
            pub const fn new(value: u32) -> Option<Self> {
                match NonZeroU32::new(value) {
                    Some(value) => Some(Self(value)),
                    None => None,
                }
            }

            /// The bare number, for writing.
            #[must_use]
            pub const fn value(self) -> u32 {
                self.0.get()
            }

            /// The next number, if there is one.
            #[must_use]
            pub fn next(self) -> Option<Self> {
                self.0.checked_add(1).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Member for $name {
            fn ordinal(self) -> u32 {
                self.0.get()
            }
            fn from_ordinal(ordinal: u32) -> Option<Self> {
                Self::new(ordinal)
            }
        }
    };
}

number! {
    /// A message's unique identifier in its mailbox (RFC 9051 §2.3.1.1); never reused.
    Uid
}
number! {
    /// A message's place in the mailbox as one session sees it (RFC 9051 §2.3.1.2).
    SeqNo
}
number! {
    /// The mailbox's generation: UIDs mean the same message while it stays (RFC 9051 §2.3.1.1).
    UidValidity
}

/// A sorted set of UIDs.
pub type UidSet = Set<Uid>;
/// A sorted set of sequence numbers.
pub type SeqSet = Set<SeqNo>;

/// The number of a line in an account's ledger: IMAP's mod-sequence (RFC 7162; 63 bits).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModSeq(pub u64);

impl ModSeq {
    /// The line after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for ModSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
