//! Many messages in one file: the mbox family, read and written piece by piece (RFC 4155).
//!
//! Four ways of telling where a message ends are in use. In all of them each message begins with a
//! line `From sender date`, and an empty line stands behind it:
//!
//! - *mboxo* puts `>` before lines of a message that begin with `From `. Whether such a line had
//!   its `>` before is lost, so reading leaves it.
//! - *mboxrd* puts `>` before lines that begin with any number of `>` and `From `. Reading takes
//!   one away: nothing is lost.
//! - *mboxcl* does the same, and says in `Content-Length` how long the body is.
//! - *mboxcl2* says how long the body is and leaves its lines alone.
//!
//! Reading and writing hold a header at most, however long messages are. A length is believed only
//! where a message ends at its end: the [`Reader`] asks its caller what stands there.
//!
//! Not here: files, and which of their messages are wanted.

mod fields;
mod from_line;
mod read;
mod write;

pub use fields::Fields;
pub use from_line::Envelope;
pub use read::{Begin, Reader, Step};
pub use write::{Patch, Writer};

/// Which of the four ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// `From ` becomes `>From `, and nothing takes it back.
    Mboxo,
    /// `From ` becomes `>From `, `>From ` becomes `>>From `, and so on.
    Mboxrd,
    /// As mboxrd, with `Content-Length`.
    Mboxcl,
    /// `Content-Length` alone.
    Mboxcl2,
}

impl Variant {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Mboxo, Self::Mboxrd, Self::Mboxcl, Self::Mboxcl2];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mboxo => "mboxo",
            Self::Mboxrd => "mboxrd",
            Self::Mboxcl => "mboxcl",
            Self::Mboxcl2 => "mboxcl2",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variant| variant.name() == name)
    }

    /// True if bodies' lengths are said.
    const fn counts(self) -> bool {
        matches!(self, Self::Mboxcl | Self::Mboxcl2)
    }

    /// True if lines of bodies are quoted.
    const fn quotes(self) -> bool {
        !matches!(self, Self::Mboxcl2)
    }
}

/// How lines end in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnds {
    /// LF in the file, CRLF in messages.
    #[default]
    Native,
    /// As they are.
    Kept,
}

/// What becomes of the fields in which mail programs keep a message's flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storing {
    /// They are read and taken out of the message.
    #[default]
    Taken,
    /// They stay in the message, and say nothing.
    Left,
}

/// What a line begins with before a message, and behind quotes within one.
const FROM: &[u8] = b"From ";
