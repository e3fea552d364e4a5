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
use mail::{FlagSet, Keyword, ModSeq, Rights, Role, Timestamp, Uid, UidSet, UidValidity};
use message::Member;
use wire::sasl::{Question, Verdict};

mod append;
mod fetch;
mod news;
mod place;
mod search;

pub use append::{HeaderWatch, Source, StoredPart};
pub use fetch::{FetchPlan, Piece, PieceData, PieceForm, PreviewMode, Row};
pub use news::{Mark, News, Watched};
pub use place::Place;
pub(crate) use place::{parse_thread, thread};
pub use search::{Criterion, Date, FoundIn, Highest, When};

// What to sort by, how to thread and how rights change is the same to the client and to the house.
pub use crate::command::{RightsChange, SortCriterion, SortKey, Threading};
pub use crate::session::Elsewhere;

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
    /// All mailboxes that the account may see and all names it is subscribed to.
    /// Answer: [`Answer::Mailboxes`].
    List {
        /// Those of removed mail as well: without it they are told only where one is subscribed to.
        removed: bool,
    },
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
    /// Removes a mailbox with its messages; those below it stay. Answer: [`Answer::Deleted`].
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
    /// Which rights the account has to a mailbox. Answer: [`Answer::Rights`].
    MyRights {
        /// Its name.
        name: String,
    },
    /// Who has which rights to a mailbox. Answer: [`Answer::Acl`].
    GetAcl {
        /// Its name.
        name: String,
    },
    /// Which rights somebody can be given. Answer: [`Answer::ListRights`].
    ListRights {
        /// The mailbox's name.
        name: String,
        /// Whom.
        identifier: String,
    },
    /// Changes somebody's rights to a mailbox. Answer: [`Answer::Done`].
    SetAcl {
        /// The mailbox's name.
        name: String,
        /// Whose.
        identifier: String,
        /// How.
        change: RightsChange,
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
        mailbox: Place,
        /// The mod-sequence up to which the session knows everything.
        since: ModSeq,
        /// The next UID as it was told together with `since`: messages from there on are new.
        uid_next: Uid,
    },
    /// What others did in the account, and in those of others that are watched, behind `since`
    /// (RFC 5465): from here on news of them wakes the session. Answer: [`Answer::News`];
    /// [`Why::Limit`] means that it is more than can be told or watched.
    News {
        /// Which mailboxes of others.
        watched: Arc<Watched>,
        /// Up to where the session knows everything; none at first: then nothing is told.
        since: Vec<Mark>,
    },
    /// Reads messages, in rising order of UID. Answer: [`Answer::Rows`].
    Fetch {
        /// The mailbox.
        mailbox: Place,
        /// Which; UIDs that are not there (any more) are passed over in silence.
        uids: UidSet,
        /// What to read of each.
        plan: Arc<FetchPlan>,
    },
    /// Changes flags, in rising order of UID. Answer: [`Answer::Stored`].
    Store {
        /// The mailbox.
        mailbox: Place,
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
        mailbox: Place,
        /// Which.
        uids: UidSet,
        /// The name of the mailbox they go to.
        target: String,
    },
    /// Moves messages, all or none (RFC 6851). Answer: [`Answer::Copied`].
    Move {
        /// The mailbox they are in.
        mailbox: Place,
        /// Which.
        uids: UidSet,
        /// The name of the mailbox they go to.
        target: String,
    },
    /// Removes messages that are marked `\Deleted`. Answer: [`Answer::Done`].
    Expunge {
        /// The mailbox.
        mailbox: Place,
        /// Only these; `None` for all.
        uids: Option<UidSet>,
    },
    /// Finds messages. Answer: [`Answer::Found`].
    Search {
        /// The mailbox.
        mailbox: Place,
        /// Which messages.
        criterion: Criterion,
        /// Of which of the found ones the highest mod-sequence is wanted, if at all.
        highest: Option<Highest>,
    },
    /// Finds messages in mailboxes that are not open. Answer: [`Answer::FoundElsewhere`].
    SearchElsewhere {
        /// The mailboxes' names, some dozen at most.
        names: Vec<String>,
        /// Which messages.
        key: Arc<Elsewhere>,
        /// As in [`Ask::Search`].
        highest: Option<Highest>,
    },
    /// Finds messages and sorts them. Answer: [`Answer::Sorted`].
    Sort {
        /// The mailbox.
        mailbox: Place,
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
        mailbox: Place,
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
        /// How many octets will come, if that is known.
        octets: Option<u64>,
        /// The message that goes in the same step, if one does (RFC 8508); refused with
        /// [`Why::Expunged`] if it is no longer there.
        replaces: Option<(Place, Uid)>,
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
        /// How many octets will come, if that is known.
        octets: Option<u64>,
    },
    /// So many octets more of that message will come. Answer: [`Answer::Done`]; a refusal ends the
    /// append.
    AppendText(u64),
    /// That message goes on with octets that are stored (RFC 4469). Answer:
    /// [`Answer::PartTaken`]; a refusal ends the append. [`Why::NonExistent`], [`Why::Expunged`],
    /// [`Why::NoPermission`] and [`Why::Cannot`] mean that there is no such part for this account.
    AppendStored(Box<StoredPart>),
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
    /// To [`Ask::MyRights`].
    Rights(Rights),
    /// To [`Ask::GetAcl`]: identifiers and their rights.
    Acl(Vec<(String, Rights)>),
    /// To [`Ask::ListRights`].
    ListRights {
        /// Those that are always there.
        required: Rights,
        /// Those that can be given, each for itself.
        optional: Rights,
    },
    /// To [`Ask::Create`].
    Created(Place),
    /// This mailbox was removed.
    Deleted(Place),
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
    /// To [`Ask::News`].
    News(Box<News>),
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
        /// How near each of them comes, 1 to 100, in their order; none if nothing fuzzy was
        /// asked.
        scores: Vec<u8>,
    },
    /// To [`Ask::SearchElsewhere`], in the order of the names. Mailboxes that are not there or may
    /// not be read are left out, and so may be those in which nothing was found.
    FoundElsewhere(Vec<FoundIn>),
    /// To [`Ask::Sort`].
    Sorted {
        /// The messages found, in their order.
        uids: Vec<Uid>,
        /// As in [`Answer::Found`].
        highest: Option<ModSeq>,
        /// As in [`Answer::Found`].
        scores: Vec<u8>,
    },
    /// To [`Ask::Thread`]: parents before their children.
    Threads(Vec<Member<Uid>>),
    /// To [`Ask::AppendStored`].
    PartTaken {
        /// How many octets it had.
        octets: u64,
        /// The watch, when they had passed; the house may stop once they are not welcome.
        header: HeaderWatch,
    },
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
    /// The message is not what was stored.
    Damaged,
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
    /// Which it is; `None` for a name that is no mailbox.
    pub place: Option<Place>,
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
    /// What the account may do with it; none if it does not exist.
    pub rights: Rights,
}

/// The counts of a mailbox (RFC 9051 §6.3.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The mailbox.
    pub mailbox: Place,
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
    pub mailbox: Place,
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
    /// What the account may do with it.
    pub rights: Rights,
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
    /// What the account may do with it now.
    pub rights: Rights,
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
    /// The mailbox itself is gone, or may no longer be read.
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
