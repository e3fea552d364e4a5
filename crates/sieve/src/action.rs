//! What a run wants done, each with the line that wants it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use mail::{Address, FlagSet, Notify, Ret};

use crate::notice::Notice;
use crate::reply::Reply;

/// Something to be done with the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// What.
    pub deed: Deed,
    /// Why.
    pub cause: Cause,
    /// The message as it is to be kept or sent, where the script has changed it.
    pub changed: Option<Bytes>,
}

/// What has led to an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A command of a script.
    Line {
        /// The script's name.
        script: Arc<str>,
        /// The command's line, from 1.
        line: u32,
    },
    /// No command has said otherwise (RFC 5228 §2.10.2).
    Implicit,
}

/// Writes `script:line`, or `implicit`.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { script, line } => write!(f, "{script}:{line}"),
            Self::Implicit => f.write_str("implicit"),
        }
    }
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// File it where mail goes that nobody has filed.
    Keep {
        /// The flags it gets.
        flags: FlagSet,
    },
    /// File it into a mailbox.
    FileInto(Filing),
    /// Send it on.
    Redirect(Redirect),
    /// Do nothing; the message is gone where this is all that is done.
    Discard,
    /// Refuse it.
    Reject {
        /// What the sender is told.
        reason: String,
        /// True if it is refused at the door where that can be (RFC 5429 §2.1), false if the
        /// sender is to get the reason as it is written (§2.2).
        extended: bool,
    },
    /// Answer that the owner is away.
    Vacation(Box<Reply>),
    /// Tell somebody.
    Notify(Box<Notice>),
    /// Remember an identifier (RFC 7352), now that the run has ended well.
    Remember {
        /// As it was asked for.
        handle: String,
        /// The identifier.
        id: String,
        /// How long, in seconds.
        seconds: u64,
        /// True if the time begins anew where it was remembered before.
        renew: bool,
    },
}

impl Deed {
    /// The name of the command that wants it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Keep { .. } => "keep",
            Self::FileInto(_) => "fileinto",
            Self::Redirect(_) => "redirect",
            Self::Discard => "discard",
            Self::Reject { extended: true, .. } => "ereject",
            Self::Reject { .. } => "reject",
            Self::Vacation(_) => "vacation",
            Self::Notify(_) => "notify",
            Self::Remember { .. } => "duplicate",
        }
    }
}

/// Where a message is filed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filing {
    /// The mailbox's name, as IMAP has it.
    pub mailbox: String,
    /// The mailbox's identifier, which goes before its name (RFC 9042 §4).
    pub mailbox_id: Option<String>,
    /// The use of the mailbox, which goes before its name: `\Junk` (RFC 8579 §4).
    pub special_use: Option<String>,
    /// True if it is made where there is none (RFC 5490 §3.2).
    pub create: bool,
    /// The flags the message gets.
    pub flags: FlagSet,
}

/// Where a message is sent on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// To whom.
    pub target: Target,
    /// When to report (RFC 6009 §6).
    pub notify: Option<Notify>,
    /// How much of the message a report returns (RFC 6009 §6).
    pub ret: Option<Ret>,
    /// Until when it is to be delivered (RFC 6009 §7).
    pub by: Option<DeliverBy>,
}

/// To whom a message is sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To an address.
    Address(Address),
    /// To all on a list (RFC 6134 §2.3).
    List(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::List(list) => write!(f, "the list {list}"),
        }
    }
}

/// Until when a message is to be delivered (RFC 2852).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverBy {
    /// The time.
    pub time: ByTime,
    /// True if the message goes back when the time is over, false if the sender is only told.
    pub returns: bool,
    /// True if each relay reports.
    pub trace: bool,
}

/// A time for delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByTime {
    /// In so many seconds.
    Relative(i64),
    /// At a moment: seconds since 1970.
    Absolute(i64),
}

/// Reads a NOTIFY parameter's value (RFC 3461 §4.1).
pub(crate) fn notify(text: &str) -> Option<Notify> {
    if text.eq_ignore_ascii_case("NEVER") {
        return Some(Notify::Never);
    }
    let (mut success, mut failure, mut delay) = (false, false, false);
    for word in text.split(',') {
        match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => success = true,
            "FAILURE" => failure = true,
            "DELAY" => delay = true,
            _ => return None,
        }
    }
    Some(Notify::On {
        success,
        failure,
        delay,
    })
}

/// Reads a RET parameter's value (RFC 3461 §4.3).
pub(crate) fn ret(text: &str) -> Option<Ret> {
    if text.eq_ignore_ascii_case("FULL") {
        Some(Ret::Full)
    } else {
        text.eq_ignore_ascii_case("HDRS").then_some(Ret::Headers)
    }
}
