//! Where a mailbox is.

use std::fmt;

use mail::{AccountId, EmailId, MailboxId, ThreadId};

/// A mailbox, as asks about its messages name it.
///
/// Ids of mailboxes and messages are an account's own; those of another account are written with
/// its id before them, so that no two that a client sees are the same (RFC 8474 §4 and §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose it is, if not the account's that is logged in.
    pub owner: Option<AccountId>,
    /// Which.
    pub mailbox: MailboxId,
}

impl Place {
    /// A mailbox of the account that is logged in.
    #[must_use]
    pub const fn own(mailbox: MailboxId) -> Self {
        Self {
            owner: None,
            mailbox,
        }
    }

    /// How a message in it is written.
    pub(crate) fn email(self, email: EmailId) -> String {
        match self.owner {
            None => email.to_string(),
            Some(owner) => format!("{owner}-{email}"),
        }
    }

    /// Reads what [`Place::email`] wrote; `None` for messages that are elsewhere.
    pub(crate) fn parse_email(self, text: &str) -> Option<EmailId> {
        match (self.owner, text.split_once('-')) {
            (None, None) => EmailId::parse(text),
            (Some(owner), Some((whose, email))) if AccountId::parse(whose) == Some(owner) => {
                EmailId::parse(email)
            }
            _ => None,
        }
    }
}

/// What the names of conversations begin with, so that none is a message's as well (RFC 8474 §5.2).
const THREAD: &str = "t_";

/// How a conversation is written, in whatever account its messages are.
pub(crate) fn thread(thread: ThreadId) -> String {
    format!("{THREAD}{thread}")
}

/// Reads what [`thread`] wrote.
pub(crate) fn parse_thread(text: &str) -> Option<ThreadId> {
    ThreadId::parse(text.strip_prefix(THREAD)?)
}

/// The mailbox's identity (RFC 8474 MAILBOXID).
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner {
            None => self.mailbox.fmt(f),
            Some(owner) => write!(f, "{owner}-{}", self.mailbox),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_in_their_account_only() {
        let own = Place::own(MailboxId(2));
        let others = Place {
            owner: Some(AccountId(40)),
            ..own
        };
        assert_eq!(
            (own.to_string(), others.to_string()),
            ("2".into(), "18-2".into())
        );
        let conversation = ThreadId(33);
        assert_eq!(parse_thread(&thread(conversation)), Some(conversation));
        let email = EmailId(33);
        assert_eq!(parse_thread(&own.email(email)), None);
        for (place, other) in [(own, others), (others, own)] {
            let written = place.email(email);
            assert_eq!(place.parse_email(&written), Some(email));
            assert_eq!(other.parse_email(&written), None);
        }
    }
}
