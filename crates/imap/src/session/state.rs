//! Where a session stands, with the data that belongs there, and what it waits for.

use std::collections::VecDeque;
use std::sync::Arc;

use mail::{FlagSet, ModSeq, Rights, Timestamp, Uid, UidSet, UidValidity};
use wire::sasl::Exchange;

use super::fetch::Lack;
use super::multi_search::Roaming;
use super::newcomers::Newcomers;
use super::notify::Telling;
use super::search::Numbering;
use super::watch::{Wants, Watch};
use crate::ask::{FetchPlan, HeaderWatch, Place, StoreMode};
use crate::command::{
    Fetch, GetMetadata, List, ListReturn, LiteralHeader, Qresync, SearchReturn, StatusItem,
};
use crate::diagram::{Phase, Verb};
use crate::response::{Listing, Response, Status};
use crate::view::{Moment, View};
use crate::{MailboxName, Tag};

use super::context::{Context, Placing, Refreshing};

/// Where it stands.
#[derive(Debug)]
pub(super) enum State {
    Greeting,
    NotAuthenticated,
    Authenticated,
    Selected(Box<Open>),
    Idle(Tag, Option<Box<Open>>),
    Logout,
}

impl State {
    pub(super) const fn phase(&self) -> Phase {
        match self {
            Self::Greeting => Phase::Greeting,
            Self::NotAuthenticated => Phase::NotAuthenticated,
            Self::Authenticated => Phase::Authenticated,
            Self::Selected(_) => Phase::Selected,
            Self::Idle(_, None) => Phase::Idle,
            Self::Idle(_, Some(_)) => Phase::SelectedIdle,
            Self::Logout => Phase::Logout,
        }
    }

    pub(super) fn open(&self) -> Option<&Open> {
        match self {
            Self::Selected(open) | Self::Idle(_, Some(open)) => Some(open),
            _ => None,
        }
    }

    pub(super) fn open_mut(&mut self) -> Option<&mut Open> {
        match self {
            Self::Selected(open) | Self::Idle(_, Some(open)) => Some(open),
            _ => None,
        }
    }
}

/// The mailbox that is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) mailbox: Place,
    /// The name it had when names were last asked for: others may have renamed it since.
    pub(super) name: MailboxName,
    /// Its generation.
    pub(super) uid_validity: UidValidity,
    /// True if the client wants to change nothing.
    pub(super) examined: bool,
    /// True if nothing can be changed.
    pub(super) read_only: bool,
    /// What the account may do with it, as was told.
    pub(super) rights: Rights,
    pub(super) view: View,
    /// Up to which line of the ledger everything is known.
    pub(super) known: ModSeq,
    /// Up to which line all flags were told, if NOTIFY has left some out since.
    pub(super) untold: Option<ModSeq>,
    /// The highest mod-sequence of the mailbox as of then.
    pub(super) highest: ModSeq,
    /// The same when everything up to it had been told, messages that went included.
    pub(super) settled: ModSeq,
    /// The next UID as of then.
    pub(super) uid_next: Uid,
    /// System flags and the keywords that were told.
    pub(super) flags: FlagSet,
    /// What `$` stands for.
    pub(super) saved: Arc<UidSet>,
    /// Messages that the client itself put there, while it is told of new ones.
    pub(super) filed: UidSet,
    /// New messages of which NOTIFY wants something told, until it is.
    pub(super) newcomers: UidSet,
    /// What is to be told of results in this round, until it is its turn.
    pub(super) held: Vec<Response>,
    /// True once it was told that the account holds more than it may.
    pub(super) over_quota: bool,
    /// The searches whose results are kept up to date.
    pub(super) contexts: Vec<Context>,
    /// Flags that this command told already: these messages, as of this line of the ledger.
    pub(super) told: Vec<(UidSet, ModSeq)>,
}

impl Open {
    /// Behind which line of the ledger there is something to be told.
    pub(super) fn since(&self, hears_flags: bool) -> ModSeq {
        self.untold.filter(|_| hears_flags).unwrap_or(self.known)
    }

    /// What happened up to this line is told: but for flags, if they are not to be. Of what was
    /// left out before there may be more.
    // RFC 5465 §3.1
    pub(super) fn reach(&mut self, modseq: ModSeq, hears_flags: bool, more: bool) {
        let before = self.known;
        self.known = before.max(modseq);
        self.untold = match hears_flags {
            true => self.untold.filter(|_| more).map(|_| modseq),
            false => self.untold.or(Some(before)),
        };
    }

    /// What its numbers and ids mean in a search.
    pub(super) const fn numbering(&self) -> Numbering<'_> {
        Numbering {
            mailbox: self.mailbox,
            view: &self.view,
            saved: &self.saved,
        }
    }
}

/// What it does.
#[derive(Debug, Default)]
pub(super) enum Task {
    /// Waits for a command, or for the end of IDLE.
    #[default]
    Ready,
    /// Waits for the peer's response to a challenge.
    Exchange(Tag, Box<Exchange>),
    /// Takes in the message of an APPEND.
    Message(Incoming),
    /// Waits for the end of the APPEND command, or one more message.
    MessageEnd(Incoming),
    /// Throws a command away before it answers.
    Swallow(Tag, Verb, Status),
    /// Waits for the house.
    Waiting(Box<Wait>),
}

/// What it waits for.
#[derive(Debug)]
pub(super) enum Wait {
    Verdict {
        tag: Tag,
        verb: Verb,
        exchange: Option<Box<Exchange>>,
    },
    /// Only whether it was done.
    Done {
        tag: Tag,
        verb: Verb,
        text: &'static str,
    },
    /// The house has forgotten who it was.
    Left(Tag),
    Created(Tag),
    Deleted(Tag),
    Mailboxes(Tag, Listed),
    MyRights(Tag, MailboxName),
    GetAcl(Tag, MailboxName),
    ListRights {
        tag: Tag,
        name: MailboxName,
        identifier: String,
    },
    Status {
        tag: Tag,
        name: MailboxName,
        items: Vec<StatusItem>,
    },
    /// The quota, of a quota root or of this mailbox.
    Quota(Tag, Option<MailboxName>),
    Metadata(Tag, Box<GetMetadata>),
    SetMetadata(Tag),
    /// From where on news is to be told.
    Watching {
        tag: Tag,
        /// True if it is to be told how everything stands.
        status: bool,
        watch: Box<Watch>,
    },
    /// The mailboxes that are to be watched.
    WatchList {
        tag: Tag,
        status: bool,
        watch: Box<Watch>,
    },
    /// How the first of these stands.
    WatchStatus {
        tag: Tag,
        watch: Box<Watch>,
        names: VecDeque<(MailboxName, Wants)>,
    },
    News,
    /// How the mailboxes stand whose names are to be told of.
    NewsList(Telling),
    Newcomers(Box<Newcomers>),
    /// The status of LIST's first line.
    ListStatus(Box<ListTelling>),
    /// The notes of LIST's first line.
    ListMetadata(Box<ListTelling>),
    Select {
        tag: Tag,
        verb: Verb,
        name: MailboxName,
        qresync: Option<Qresync>,
    },
    /// What happened since the client was last here, to these UIDs.
    Resync(Tag, Status, UidSet),
    /// Which of these UIDs went, before a FETCH.
    Vanished(Box<Fetching>, UidSet),
    Changes(After),
    Rows(Box<Fetching>),
    Stored(Box<Storing>),
    Copied {
        tag: Tag,
        verb: Verb,
    },
    Expunged {
        tag: Tag,
        verb: Verb,
    },
    /// Which of some messages belong to a result that is kept up to date.
    Matched(Box<Refreshing>),
    /// Where those that came to such a result stand in its order.
    Placed(Box<Placing>),
    Found(Searching),
    /// The mailboxes there are, before an ESEARCH.
    Sources(Box<Roaming>),
    FoundHere(Box<Roaming>),
    FoundElsewhere(Box<Roaming>),
    Sorted(Searching),
    Threads(Searching),
    /// Whether the house is ready for what is due.
    AppendBegun(Incoming),
    /// The octets of a part, of this URL.
    AppendStored(Incoming, String),
    AppendTaken(Incoming),
    AppendEnded(Tag, Verb),
    AppendForgotten(Tag, Verb, Status),
}

/// The messages of an APPEND or a REPLACE on their way.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) tag: Tag,
    pub(super) verb: Verb,
    /// Octets of a literal that are missing.
    pub(super) left: u64,
    /// True if it is a literal8, in which NUL is allowed.
    pub(super) binary: bool,
    /// True if a parenthesis follows it.
    pub(super) utf8: bool,
    /// True inside CATENATE's list of parts.
    pub(super) listed: bool,
    /// Watches the header, while octets of UTF-8 are not welcome there.
    pub(super) header: HeaderWatch,
    /// Which message of its command it is, from one.
    pub(super) message: u32,
    /// Parts of its command's messages so far.
    pub(super) parts: u32,
    /// Octets of the message, up to and with what is missing.
    pub(super) message_octets: u64,
    /// Octets of its command's messages up to there.
    pub(super) octets: u64,
    /// What was announced and is not done yet.
    pub(super) due: VecDeque<Due>,
}

/// What an APPEND announced. A literal comes last: its octets are next in the stream.
#[derive(Debug)]
pub(super) enum Due {
    Message {
        flags: FlagSet,
        date: Option<Timestamp>,
        /// Its octets, where they are known.
        octets: Option<u64>,
    },
    /// The message's octets.
    Literal(LiteralHeader),
    /// A part that is stored.
    Url(String),
    /// A part that comes.
    Text(LiteralHeader),
    /// The list of parts ends.
    ListEnd,
}

/// What happens once the changes were told.
#[derive(Debug)]
pub(super) enum After {
    Reply(Tag, Verb, Status, Moment),
    /// IDLE goes on.
    Idle,
    /// Nothing: no command is in progress.
    Push,
}

/// What a list of mailboxes was asked for.
#[derive(Debug)]
pub(super) enum Listed {
    List(List),
    Lsub { reference: String, pattern: String },
}

/// A LIST on its way.
#[derive(Debug)]
pub(super) struct ListTelling {
    pub(super) tag: Tag,
    pub(super) returning: ListReturn,
    /// Those not told yet, or not to the end.
    pub(super) lines: VecDeque<Line>,
}

/// A line of a LIST, to be followed by what else is told of its mailbox.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) listing: Listing,
    pub(super) has_status: bool,
    pub(super) has_metadata: bool,
    /// Told if they are wanted.
    pub(super) rights: Rights,
}

/// A FETCH on its way.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) tag: Tag,
    pub(super) fetch: Fetch,
    /// Those not read yet.
    pub(super) uids: UidSet,
    /// How many there were.
    pub(super) count: u64,
    /// True once something of one was told.
    pub(super) told: bool,
    pub(super) plan: Arc<FetchPlan>,
    /// What could not be told of them.
    pub(super) lack: Lack,
}

/// A STORE on its way.
#[derive(Debug)]
pub(super) struct Storing {
    pub(super) tag: Tag,
    pub(super) uid: bool,
    pub(super) silent: bool,
    pub(super) mode: StoreMode,
    pub(super) flags: FlagSet,
    pub(super) unchanged_since: Option<ModSeq>,
    /// Those not changed yet.
    pub(super) uids: UidSet,
    /// How many there were.
    pub(super) count: u64,
    /// True once one of them was found.
    pub(super) found: bool,
    pub(super) modified: UidSet,
}

/// A SEARCH, SORT or THREAD on its way.
#[derive(Debug)]
pub(super) struct Searching {
    pub(super) tag: Tag,
    pub(super) verb: Verb,
    pub(super) uid: bool,
    /// `None` for the answer of RFC 3501 or RFC 5256.
    pub(super) returning: Option<SearchReturn>,
    /// What is to be kept up to date, or why it cannot be.
    pub(super) update: Option<Result<Box<Context>, &'static str>>,
}
