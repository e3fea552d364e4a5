//! What can go wrong: a refusal is the peer's doing or the owner's policy, a fault is ours.

use mail::{Enhanced, Refusal};
use store::CommitError;

/// What every question to the post ends in.
pub type Outcome<T> = Result<T, Error>;

/// Why there is no answer.
///
/// Both kinds travel as `Err`, so that one `?` passes them on; [`Error::refusal`] has words for
/// the peer in either case.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The peer's doing, or the owner's policy: nothing to log as our error.
    #[error("refused: {1}")]
    Refused(Why, Refusal),
    /// Ours.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The kind of a refusal, for protocols with words of their own (IMAP response codes, POP3's).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// There is no such thing: IMAP `NONEXISTENT`, or `TRYCREATE` for a target mailbox.
    Nonexistent,
    /// The target mailbox of an append or a copy is not there: IMAP `TRYCREATE`.
    TryCreate,
    /// A message it is about has been removed by somebody else: IMAP `EXPUNGEISSUED`.
    Expunged,
    /// The name is taken: IMAP `ALREADYEXISTS`.
    AlreadyExists,
    /// It can never be done: IMAP `CANNOT`.
    Cannot,
    /// A limit would be passed: IMAP `LIMIT`.
    Limit,
    /// The account would hold more than it may: IMAP `OVERQUOTA`.
    OverQuota,
    /// It is larger than we take: IMAP `TOOBIG`.
    TooBig,
    /// Another has it for itself: POP3 and IMAP `IN-USE`.
    InUse,
    /// Its octets are not those that were stored: IMAP `CORRUPTION`, POP3 `SYS/PERM`.
    Damaged,
    /// The transfer encoding cannot be undone: IMAP `UNKNOWN-CTE`.
    UnknownEncoding,
    /// Name or password is wrong: IMAP `AUTHENTICATIONFAILED`, POP3 `AUTH`.
    AuthenticationFailed,
    /// The password is right, but not for acting as that user: IMAP `AUTHORIZATIONFAILED`.
    AuthorizationFailed,
    /// The owner's rules forbid it: IMAP `NOPERM`.
    Policy,
    /// It may work later: IMAP `UNAVAILABLE`, POP3 `SYS/TEMP`.
    Unavailable,
}

/// Our own failure.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// The store could not be read.
    #[error("while {doing}: {cause}")]
    Store {
        /// What we were doing.
        doing: &'static str,
        /// What the store said.
        cause: store::Error,
    },
    /// A row is not what we write.
    #[error("a row of {0} cannot be read")]
    Row(&'static str),
    /// A later release wrote a row.
    #[error("a row of {name} is of version {version}, which a later release wrote")]
    NewerRow {
        /// The table.
        name: &'static str,
        /// The row's version.
        version: u8,
    },
    /// The engine died in the middle of a commit; the server has to stop.
    #[error("the store has stopped: {0}")]
    Stopped(String),
    /// A message could not be signed.
    #[error("while signing a message: {0}")]
    Signing(String),
    /// A check of a password could not be carried out.
    #[error("while checking a password: {0}")]
    Password(String),
    /// Not built yet.
    #[error("not built yet: {0}")]
    Unfinished(&'static str),
}

impl Error {
    /// What to tell the peer.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Refused(_, refusal) => refusal.clone(),
            Self::Fault(fault) => Refusal::new(
                451,
                Enhanced::new(4, 3, 0),
                "Something failed here; please try again later",
            )
            .because(fault.to_string()),
        }
    }

    /// Its kind; a fault is [`Why::Unavailable`].
    #[must_use]
    pub const fn why(&self) -> Why {
        match self {
            Self::Refused(why, _) => *why,
            Self::Fault(_) => Why::Unavailable,
        }
    }

    /// What takes one step cannot reach from one account into another.
    #[must_use]
    pub fn across_accounts() -> Self {
        Self::cannot("That is not possible from one account to another")
    }

    pub(crate) fn refused(
        why: Why,
        code: u16,
        enhanced: [u16; 3],
        text: impl Into<String>,
    ) -> Self {
        let [class, subject, detail] = enhanced;
        let class = u8::try_from(class).unwrap_or(5);
        let refusal = Refusal::new(code, Enhanced::new(class, subject, detail), text);
        Self::Refused(why, refusal)
    }

    pub(crate) fn cannot(text: impl Into<String>) -> Self {
        Self::refused(Why::Cannot, 550, [5, 2, 0], text)
    }

    pub(crate) fn nonexistent(text: impl Into<String>) -> Self {
        Self::refused(Why::Nonexistent, 550, [5, 2, 0], text)
    }

    pub(crate) fn limit(text: impl Into<String>) -> Self {
        Self::refused(Why::Limit, 452, [4, 3, 1], text)
    }

    pub(crate) fn mailbox_full() -> Self {
        Self::refused(Why::Limit, 452, [4, 2, 2], "The mailbox is full")
    }

    pub(crate) fn reading(doing: &'static str) -> impl FnOnce(store::Error) -> Self {
        move |cause| match cause {
            store::Error::Full => Self::commit(CommitError::Full),
            cause => Self::Fault(Fault::Store { doing, cause }),
        }
    }

    /// As [`Error::reading`], of messages: that one is damaged is told to whoever asks for it.
    pub(crate) fn reading_message(cause: store::Error) -> Self {
        match cause {
            store::Error::Damaged(cause) => {
                tracing::error!(%cause, "a message is damaged");
                match Self::damaged() {
                    Self::Refused(why, refusal) => Self::Refused(why, refusal.because(cause)),
                    fault => fault,
                }
            }
            cause => Self::reading("reading a message")(cause),
        }
    }

    pub(crate) fn damaged() -> Self {
        let text = "The message is damaged where it is stored";
        Self::refused(Why::Damaged, 554, [5, 3, 0], text)
    }

    pub(crate) fn commit(error: CommitError) -> Self {
        let later = "Not stored; please try again later";
        match error {
            CommitError::Full => Self::refused(Why::Unavailable, 452, [4, 3, 1], later),
            CommitError::Conflict | CommitError::Failed(_) => {
                let cause = error.to_string();
                match Self::refused(Why::Unavailable, 451, [4, 3, 0], later) {
                    Self::Refused(why, refusal) => Self::Refused(why, refusal.because(cause)),
                    fault => fault,
                }
            }
            // On its way to another account, or while it was made to be read better.
            CommitError::Gone(_) => {
                let text = "A message was removed meanwhile; please try again";
                Self::refused(Why::Expunged, 450, [4, 2, 0], text)
            }
            CommitError::Unknown(cause) => Self::Fault(Fault::Stopped(cause)),
        }
    }
}
