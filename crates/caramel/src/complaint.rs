//! What is said when something does not work: what, why, and what to do next.

use std::fmt;

/// A failure, in words for the person at the keyboard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// The exit code.
    pub(crate) code: u8,
    what: String,
    why: String,
    next: String,
}

impl Complaint {
    /// Something failed.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            code: 1,
            what: what.into(),
            why: String::new(),
            next: String::new(),
        }
    }

    /// It was asked wrongly.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self {
            code: 2,
            ..Self::new(what)
        }
    }

    /// Ends with another exit code.
    pub(crate) const fn coded(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// Adds the reason.
    pub(crate) fn because(mut self, why: impl fmt::Display) -> Self {
        self.why = why.to_string();
        self
    }

    /// Adds what to do next.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "caramel: {}", self.what)?;
        if !self.why.is_empty() {
            write!(f, "\n  why:  {}", self.why)?;
        }
        if !self.next.is_empty() {
            write!(f, "\n  next: {}", self.next)?;
        }
        Ok(())
    }
}

impl std::error::Error for Complaint {}

impl From<server::Trouble> for Complaint {
    fn from(trouble: server::Trouble) -> Self {
        Self::new(trouble.what)
            .because(trouble.why)
            .next(trouble.next)
    }
}

impl From<anyhow::Error> for Complaint {
    fn from(error: anyhow::Error) -> Self {
        let mut chain = error.chain().map(ToString::to_string);
        let what = chain.next().unwrap_or_default();
        let why: Vec<String> = chain.collect();
        Self::new(what).because(why.join(": "))
    }
}
