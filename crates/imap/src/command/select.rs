//! How SELECT and EXAMINE open a mailbox (RFC 4466 §2.1, RFC 7162 §3.1.8 and §3.2.5).

use mail::{ModSeq, UidValidity};

use crate::SequenceSet;

/// What stands in parentheses behind the mailbox's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectParameters {
    /// `CONDSTORE`: tell mod-sequences from now on.
    pub condstore: bool,
    /// `QRESYNC`: tell what changed since.
    pub qresync: Option<Qresync>,
}

/// What a client knows of the mailbox from last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qresync {
    /// The mailbox's generation then.
    pub uid_validity: UidValidity,
    /// The mailbox's mod-sequence then.
    pub modseq: ModSeq,
    /// The UIDs it knows; all, if it does not say.
    pub known_uids: Option<SequenceSet>,
    /// Some sequence numbers and the UIDs they had.
    pub matches: Option<(SequenceSet, SequenceSet)>,
}
