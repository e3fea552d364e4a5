//! Names of mailboxes: INBOX's case, and the two ways the wire writes what is not ASCII.
//!
//! Not here: hierarchy and what a name may be; the post decides that.
//!
//! RFC 9051 §5.1, RFC 3501 §5.1.3 (modified UTF-7), RFC 6855 §3 (UTF-8 in quoted strings).

use std::fmt;

/// How names stand on the wire: a connection that enabled IMAP4rev2 or UTF8=ACCEPT uses UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// Modified UTF-7 (RFC 3501 §5.1.3).
    #[default]
    Utf7,
    /// UTF-8 as it is (RFC 9051 §5.1).
    Utf8,
}

/// A mailbox's name in Unicode; every spelling of INBOX is `INBOX`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(String);

impl MailboxName {
    /// Takes a name in Unicode.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        // RFC 9051 §5.1
        if name.eq_ignore_ascii_case("INBOX") {
            return Self("INBOX".to_owned());
        }
        Self(name)
    }

    /// The name in Unicode.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if it is the inbox.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        self.0 == "INBOX"
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
