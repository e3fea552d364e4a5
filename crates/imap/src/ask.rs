//! What a session asks the house, and what the house answers: in UIDs and the house's words.
//!
//! Sequence numbers, mailbox patterns, capability names and response codes never cross this
//! border. Every ask gets exactly one answer. Answers that may be long come in batches, and no
//! cursor is kept for them: the answer says how far it came ([`Reached`]), and the session asks the
//! same again for the UIDs behind that.
//!
//! Mailbox names are UTF-8 in normalisation form C with `/` between levels; the inbox is spelled
//! `INBOX`. The session has decoded modified UTF-7 and any case of `INBOX`.
//!
//! Not here: their wording on the wire (`command`, `response`), their carrying out (`server`).

use std::sync::Arc;

use bytes::Bytes;
use mail::{
    BlobRange, EmailId, FlagSet, Keyword, MailboxId, ModSeq, Role, ThreadId, Timestamp, Uid,
    UidSet, UidValidity,
};
use message::Member;
use wire::sasl::{Question, Verdict};

mod search;

pub use search::{Criterion, Date, Highest, When};

// What to sort by and how to thread is the same to the client and to the house.
pub use crate::command::{SortCriterion, SortKey, Threading};

/// A question for the house.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// A step of logging in (AUTHENTICATE, and LOGIN as [`Question::Password`]).
    /// Answer: [`Answer::Verdict`]. All later asks mean the account that logged in.
    Sasl(Question),
    /// What the client says of itself (RFC 2971), for the log. Answer: [`Answer::Done`].
    Identity(Vec<(String, Option<String>)>),
    /// The account is left; nothing but [`Ask::Sasl`] is asked before the next one is logged in.
    /// Answer: [`Answer::Done`].
    Unauthenticate,
    /// All mailboxes of the account and all subscribed names. Answer: [`Answer::Mailboxes`].
    List,
    /// The counts of one mailbox. Answer: [`Answer::Status`].
    Status {
        /// Its name.
        name: String,
    },
    /// How much the account holds and may hold (RFC 9208). Answer: [`Answer::Quota`].
    Quota,
    /// Notes on a mailbox, or on the server as this account sees it (RFC 5464). Answer:
    /// [`Answer::Metadata`].
    Metadata {
        /// The mailbox's name; `None` for the server.
        mailbox: Option<String>,
        /// Which entries, in lower case.
        entries: Vec<String>,
        /// How many levels below them as well; `None` for all.
        depth: Option<usize>,
        /// Octets a value may have to be told.
        octets_max: Option<u64>,
    },
    /// Sets notes, all or none. Answer: [`Answer::Done`]. [`Why::TooBig`] means a value,
    /// [`Why::Limit`] their number, [`Why::Cannot`] a role that cannot be set.
    SetMetadata {
        /// The mailbox's name; `None` for the server.
        mailbox: Option<String>,
        /// Entries in lower case, and the values they shall have; those without one go.
        entries: Vec<(String, Option<Bytes>)>,
    },
    /// Makes a mailbox, and those above it that are missing. Answer: [`Answer::Created`].
    Create {
        /// Its name, without a trailing `/`.
        name: String,
        /// What it shall be for (RFC 6154 §3).
        role: Option<Role>,
    },
    /// Removes a mailbox with its messages; those below it stay. Answer: [`Answer::Done`].
    Delete {
        /// Its name.
        name: String,
    },
    /// Renames a mailbox and those below it; renaming `INBOX` moves its messages into a new
    /// mailbox (RFC 9051 §6.3.6). Answer: [`Answer::Done`].
    Rename {
        /// The name it has.
        source: String,
        /// The name it shall have.
        target: String,
    },
    /// Adds a name to the subscribed ones or takes it away. Answer: [`Answer::Done`].
    Subscribe {
        /// The name; it need not exist when it is taken away.
        name: String,
        /// True to add.
        on: bool,
    },
    /// Opens a mailbox. The house keeps nothing open for it. Answer: [`Answer::Selected`].
    Select {
        /// Its name.
        name: String,
        /// True for EXAMINE.
        read_only: bool,
    },
    /// What happened in a mailbox behind `since`. Answer: [`Answer::Changes`].
    Changes {
        /// The mailbox.
        mailbox: MailboxId,
        /// The mod-sequence up to which the session knows everything.
        since: ModSeq,
        /// The next UID as it was told together with `since`: messages from there on are new.
        uid_next: Uid,
    },
    /// Reads messages, in rising order of UID. Answer: [`Answer::Rows`].
    Fetch {
        /// The mailbox.
        mailbox: MailboxId,
        /// Which; UIDs that are not there (any more) are passed over in silence.
        uids: UidSet,
        /// What to read of each.
        plan: Arc<FetchPlan>,
    },
    /// Changes flags, in rising order of UID. Answer: [`Answer::Stored`].
    Store {
        /// The mailbox.
        mailbox: MailboxId,
        /// Which messages; those that are not there are passed over in silence.
        uids: UidSet,
        /// How.
        mode: StoreMode,
        /// The flags.
        flags: FlagSet,
        /// Messages with a higher mod-sequence stay as they are and are reported as modified
        /// (RFC 7162 §3.1.3).
        unchanged_since: Option<ModSeq>,
        /// The line of the ledger up to which the session told every change.
        told: ModSeq,
    },
    /// Copies messages, all or none. Answer: [`Answer::Copied`]. A missing target is refused with
    /// [`Why::NonExistent`].
    Copy {
        /// The mailbox they are in.
        mailbox: MailboxId,
        /// Which.
        uids: UidSet,
        /// The name of the mailbox they go to.
        target: String,
    },
    /// Moves messages, all or none (RFC 6851). Answer: [`Answer::Copied`].
    Move {
        /// The mailbox they are in.
        mailbox: MailboxId,
        /// Which.
        uids: UidSet,
        /// The name of the mailbox they go to.
        target: String,
    },
    /// Removes messages that are marked `\Deleted`. Answer: [`Answer::Done`].
    Expunge {
        /// The mailbox.
        mailbox: MailboxId,
        /// Only these; `None` for all.
        uids: Option<UidSet>,
    },
    /// Finds messages. Answer: [`Answer::Found`].
    Search {
        /// The mailbox.
        mailbox: MailboxId,
        /// Which messages.
        criterion: Criterion,
        /// Of which of the found ones the highest mod-sequence is wanted, if at all.
        highest: Option<Highest>,
    },
    /// Finds messages and sorts them. Answer: [`Answer::Sorted`].
    Sort {
        /// The mailbox.
        mailbox: MailboxId,
        /// Which messages.
        criterion: Criterion,
        /// By what, the first before the second; those that are alike by rising UID.
        criteria: Vec<SortCriterion>,
        /// As in [`Ask::Search`], of the first and the last in the order asked for.
        highest: Option<Highest>,
    },
    /// Finds messages and puts them into threads. Answer: [`Answer::Threads`].
    Thread {
        /// The mailbox.
        mailbox: MailboxId,
        /// Which messages; threads are made of these only.
        criterion: Criterion,
        /// How.
        threading: Threading,
    },
    /// Begins to add messages. Answer: [`Answer::Done`], or a refusal before the octets come.
    /// Nothing else is asked until [`Ask::AppendEnd`] or [`Ask::AppendAbort`], but for more of
    /// them.
    AppendBegin {
        /// The mailbox's name.
        name: String,
        /// The flags it shall have.
        flags: FlagSet,
        /// Its internal date; `None` for now.
        date: Option<Timestamp>,
        /// How many octets will come.
        octets: u64,
        /// The message that goes in the same step, if one does (RFC 8508); refused with
        /// [`Why::Expunged`] if it is no longer there.
        replaces: Option<(MailboxId, Uid)>,
    },
    /// The next octets of that message. Answer: [`Answer::Done`]; a refusal ends the append.
    AppendChunk(Bytes),
    /// All octets of that message have come, and another follows: all of them are kept in one
    /// step, or none (RFC 3502). Answer: [`Answer::Done`]; a refusal ends the append.
    AppendNext {
        /// The flags it shall have.
        flags: FlagSet,
        /// Its internal date; `None` for now.
        date: Option<Timestamp>,
        /// How many octets will come.
        octets: u64,
    },
    /// All octets have come: keep what came. Answer: [`Answer::Appended`].
    AppendEnd,
    /// The rest will not come: forget what came. Answer: [`Answer::Done`].
    AppendAbort,
}

/// An answer of the house.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is done.
    Done,
    /// To [`Ask::Sasl`].
    Verdict(Verdict),
    /// To [`Ask::List`], in no particular order.
    Mailboxes(Vec<Listed>),
    /// To [`Ask::Create`].
    Created(MailboxId),
    /// To [`Ask::Status`].
    Status(Status),
    /// To [`Ask::Quota`].
    Quota(Quota),
    /// To [`Ask::Metadata`].
    Metadata {
        /// Entries and their values.
        entries: Vec<(String, Bytes)>,
        /// Octets of the longest value that was left out for its length.
        longest: Option<u64>,
    },
    /// To [`Ask::Select`].
    Selected(Box<Selected>),
    /// To [`Ask::Changes`].
    Changes(Changes),
    /// To [`Ask::Fetch`].
    Rows {
        /// In rising order of UID. A batch is bounded by the house (some hundred rows without
        /// sections, some dozen with), since the session holds it until it is written.
        rows: Vec<Row>,
        /// How far these rows reach.
        reached: Reached,
    },
    /// To [`Ask::Store`].
    Stored {
        /// The messages as they are now, changed or already so.
        changed: Vec<Changed>,
        /// Those among them that had changed behind `told`, before this.
        raced: UidSet,
        /// Those left alone because of `unchanged_since`.
        modified: UidSet,
        /// How far this reaches.
        reached: Reached,
    },
    /// To [`Ask::Copy`] and [`Ask::Move`].
    Copied {
        /// The target's generation.
        uid_validity: UidValidity,
        /// The messages that were there to copy.
        source: UidSet,
        /// What they are called now, in the same rising order; of the same size.
        target: UidSet,
    },
    /// To [`Ask::Search`].
    Found {
        /// The messages found.
        uids: UidSet,
        /// The highest mod-sequence of those asked for; `None` if it was not asked or none is.
        highest: Option<ModSeq>,
    },
    /// To [`Ask::Sort`].
    Sorted {
        /// The messages found, in their order.
        uids: Vec<Uid>,
        /// As in [`Answer::Found`].
        highest: Option<ModSeq>,
    },
    /// To [`Ask::Thread`]: parents before their children.
    Threads(Vec<Member<Uid>>),
    /// To [`Ask::AppendEnd`].
    Appended {
        /// The mailbox's generation.
        uid_validity: UidValidity,
        /// The messages' UIDs, rising as the messages came.
        uids: UidSet,
    },
    /// To any ask but [`Ask::Sasl`]: no.
    Refused(Refused),
}

/// How far a batch reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// All UIDs asked for are dealt with.
    End,
    /// Those up to this one are; the session asks again for the ones behind it.
    Uid(Uid),
}

/// Why the house says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no such mailbox.
    NonExistent,
    /// There is one already.
    AlreadyExists,
    /// It can never be done (a name that may not be, `INBOX` deleted, …).
    Cannot,
    /// A message it is about was removed by somebody else.
    Expunged,
    /// It has mailboxes below it, or is in use.
    InUse,
    /// The account has no right to it.
    NoPermission,
    /// The quota or the disk is full.
    OverQuota,
    /// The message is larger than the house takes.
    TooBig,
    /// Another limit of the house.
    Limit,
    /// Our fault; it may work later.
    Unavailable,
}

/// A refusal with the words for the user: one line, no CR or LF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub why: Why,
    /// The words.
    pub text: String,
}

/// A mailbox in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Option<Role>,
    /// True if the name is subscribed.
    pub subscribed: bool,
    /// False for a name that is subscribed but is no mailbox (any more).
    pub exists: bool,
    /// False for one that is only a level above others.
    pub selectable: bool,
}

/// The counts of a mailbox (RFC 9051 §6.3.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Messages.
    pub messages: u32,
    /// The UID the next message gets.
    pub uid_next: Uid,
    /// The generation.
    pub uid_validity: UidValidity,
    /// Messages without `\Seen`.
    pub unseen: u32,
    /// Messages with `\Deleted`.
    pub deleted: u32,
    /// Octets that an expunge of all `\Deleted` ones would free.
    pub deleted_octets: u64,
    /// Octets of all messages.
    pub size_octets: u64,
    /// The highest mod-sequence in it.
    pub modseq: ModSeq,
}

/// How much an account holds and may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Octets of all messages.
    pub octets: u64,
    /// Octets it may hold; `None` for any number.
    pub octets_max: Option<u64>,
    /// Messages, counted once for each mailbox they are in.
    pub messages: u64,
    /// Messages it may hold; `None` for any number.
    pub messages_max: Option<u64>,
}

/// A mailbox as it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The mailbox: all asks about messages name it by this.
    pub mailbox: MailboxId,
    /// The generation.
    pub uid_validity: UidValidity,
    /// The UID the next message gets.
    pub uid_next: Uid,
    /// The ledger's line this describes: changes are asked for behind it.
    pub modseq: ModSeq,
    /// The highest mod-sequence of the mailbox itself, at most `modseq`.
    pub highest: ModSeq,
    /// The messages.
    pub uids: UidSet,
    /// The keywords in use, at most some hundred.
    pub keywords: Vec<Keyword>,
    /// The first message without `\Seen`.
    pub first_unseen: Option<Uid>,
    /// True if nothing may be changed even by SELECT.
    pub read_only: bool,
}

/// What happened in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The ledger's line up to which this tells everything.
    pub modseq: ModSeq,
    /// The highest mod-sequence of the mailbox itself, at most `modseq`.
    pub highest: ModSeq,
    /// The UID the next message gets.
    pub uid_next: Uid,
    /// New messages.
    pub added: UidSet,
    /// Messages whose flags changed and which are still there; new ones need not be among them.
    pub changed: Vec<Changed>,
    /// Messages that went.
    pub gone: Gone,
    /// The keywords in use now.
    pub keywords: Vec<Keyword>,
    /// True if the account holds more than it may (RFC 9208 §4.3.1).
    pub over_quota: bool,
    /// True if the batch was cut: ask again behind `modseq`.
    pub more: bool,
}

/// Messages that are no longer in the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// These.
    Uids(UidSet),
    /// All but these: the house no longer knows what went since then.
    AllBut(UidSet),
    /// The mailbox itself is gone.
    Mailbox,
}

/// A message's flags as they are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The message.
    pub uid: Uid,
    /// Its flags.
    pub flags: FlagSet,
    /// Its mod-sequence.
    pub modseq: ModSeq,
}

/// What to read of each message. UID, flags and mod-sequence come always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchPlan {
    /// The structure: for ENVELOPE, BODY and BODYSTRUCTURE.
    pub outline: message::Wanted,
    /// The first words of the text: for PREVIEW.
    pub preview: Option<PreviewMode>,
    /// Pieces of its text, answered in this order.
    pub pieces: Vec<Piece>,
    /// True to mark each message as `\Seen` in passing.
    pub mark_seen: bool,
    /// Only messages with a higher mod-sequence (RFC 7162 §3.1.4.1).
    pub changed_since: Option<ModSeq>,
}

/// When the first words of a text are wanted (RFC 8970).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PreviewMode {
    /// Only where they are kept.
    Kept,
    /// In any case.
    Made,
}

/// A piece of a message's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Of which section.
    pub section: message::Section,
    /// How it is wanted.
    pub form: PieceForm,
    /// Octets to skip and octets to take at most, of the (decoded) section.
    pub range: Option<(u64, u64)>,
}

/// How a piece is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceForm {
    /// As it is stored.
    Stored,
    /// Its transfer encoding undone (RFC 3516 BINARY).
    Decoded,
    /// Only how large it would be decoded (BINARY.SIZE).
    DecodedSize,
}

/// A message, read.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its UID.
    pub uid: Uid,
    /// Its mod-sequence.
    pub modseq: ModSeq,
    /// Its flags, after any marking.
    pub flags: FlagSet,
    /// True if it was marked as `\Seen` by this very reading.
    pub marked: bool,
    /// Octets of the whole message.
    pub size_octets: u64,
    /// When it arrived.
    pub internal_date: Timestamp,
    /// When it was put into the mailbox, where the house knows it (RFC 8514).
    pub save_date: Option<Timestamp>,
    /// Its identity across mailboxes.
    pub email: EmailId,
    /// Its conversation, where the house knows it.
    pub thread: Option<ThreadId>,
    /// Its structure, if the plan asked for it.
    pub outline: Option<message::StoredOutline>,
    /// The first words of its text, if the plan asked for them; always there for
    /// [`PreviewMode::Made`].
    pub preview: Option<String>,
    /// The pieces, in the plan's order.
    pub pieces: Vec<PieceData>,
}

/// A piece, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PieceData {
    /// Its octets, if they are few.
    Bytes(Bytes),
    /// Where its octets are stored: the driver puts them on the wire.
    Blob(BlobRange),
    /// To [`PieceForm::DecodedSize`].
    Size(u64),
    /// There is no such part, or it has no such text.
    Nil,
    /// Its transfer encoding is not known (RFC 9051 UNKNOWN-CTE).
    UnknownCte,
}

/// How STORE changes flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreMode {
    /// These and no others.
    Replace,
    /// These as well.
    Add,
    /// Not these any more.
    Remove,
}
