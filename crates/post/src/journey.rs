//! The journey of a letter: what happened to it here, each event written in the same step as the
//! fact it tells. So it can be told later where a letter is, and why (`Post::journeys`).
//!
//! What happens to a letter in an account is told in that account, and goes with it; what happens
//! in the queue is told there. A row is about one step of one letter. Rows are in the order of
//! time, and those that are too old are forgotten.
//!
//! Not here: letters that were refused (the log has them), words for people (`caramel`).

use std::borrow::Cow;

use mail::{JourneyId, QueueId, Timestamp, Uid};

use crate::octets::{Reader, Writer};

mod row;
mod tell;

pub(crate) use row::{QUEUE_TABLE, TABLE, VERSIONS, delete_row, put_row, read_row};
pub(crate) use tell::Teller;
pub use tell::{JourneyTold, Sought};

/// Recipients that an event names; of more it has the first.
const RECIPIENTS_MAX: usize = 100;
/// Octets of a text in an event; the rest of a longer one is left out.
const TEXT_OCTETS_MAX: usize = 1000;

/// One thing that happened to a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It came in and was taken.
    Arrived(Box<ArrivalTold>),
    /// Who sent it was looked into: the field that says so (RFC 8601), without its name.
    Checked(String),
    /// Its words were weighed.
    Judged {
        /// How likely it is junk: 0 to 100.
        percent: u8,
        /// True if that is enough to be filed as junk.
        is_junk: bool,
        /// What said so, the strongest first: a word, and how likely letters with it are junk.
        clues: Vec<String>,
    },
    /// The account's script did something with it: what, and the line that says so.
    Filtered {
        /// The command: `fileinto`.
        deed: Cow<'static, str>,
        /// Script and line.
        cause: Cow<'static, str>,
    },
    /// The account's script did not end well; so it was kept.
    ScriptFailed(String),
    /// It is in a mailbox.
    Filed {
        /// The mailbox's name at that time.
        mailbox: String,
        /// Its UID there.
        uid: Uid,
    },
    /// It was not filed: its script says so, or has refused it.
    Unfiled,
    /// It waits to leave.
    Queued {
        /// Its name in the queue.
        id: QueueId,
        /// The domain of its recipients, or an address literal.
        destination: String,
        /// Who they are.
        recipients: Vec<String>,
    },
    /// It was tried to hand it on.
    Attempted {
        /// Its name in the queue.
        id: QueueId,
        /// For whom.
        recipient: String,
        /// What came of it.
        result: AttemptResult,
        /// The other host's words, or what went wrong.
        said: String,
        /// What its destination wants of TLS, and what there was; empty if that is not known.
        tls: String,
    },
    /// It waits for another attempt until then, seconds since 1970.
    Waits {
        /// Its name in the queue.
        id: QueueId,
        /// When it is due.
        until: i64,
    },
    /// Somebody who looks after the queue did this with it.
    Handled {
        /// Its name in the queue.
        id: QueueId,
        /// What was done: `hold`, `release`, `retry`, `drop`.
        deed: String,
    },
}

/// How a letter came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArrivalTold {
    /// Who hears of failures; empty for the null path.
    pub from: String,
    /// For whom it was accepted.
    pub to: Vec<String>,
    /// The peer's address.
    pub peer: String,
    /// What it called itself.
    pub helo: String,
    /// The protocol, as its `Received` field has it (RFC 3848).
    pub protocol: String,
    /// What TLS agreed on; empty without TLS.
    pub tls: String,
    /// Who was logged in; empty if nobody.
    pub account: String,
    /// Octets it has.
    pub octets: u64,
    /// Its `Message-ID`; empty if it has none.
    pub message_id: String,
    /// Its subject, decoded.
    pub subject: String,
}

/// What came of an attempt to hand a letter on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// The other host has taken it over.
    Delivered,
    /// Not now.
    Deferred,
    /// Never: it went back.
    Bounced,
    /// Not in all the time that it may take: it went back.
    Expired,
}

impl AttemptResult {
    const ALL: [Self; 4] = [
        Self::Delivered,
        Self::Deferred,
        Self::Bounced,
        Self::Expired,
    ];

    /// Its name: `delivered`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Deferred => "deferred",
            Self::Bounced => "bounced",
            Self::Expired => "expired",
        }
    }
}

impl Event {
    /// True if it is about a letter for or from this address, or with this `Message-ID`.
    fn names(&self, wanted: &str) -> bool {
        let is = |text: &str| text.trim_matches(['<', '>']).eq_ignore_ascii_case(wanted);
        match self {
            Self::Arrived(arrival) => {
                is(&arrival.from)
                    || is(&arrival.account)
                    || is(&arrival.message_id)
                    || arrival.to.iter().any(|to| is(to))
            }
            Self::Queued { recipients, .. } => recipients.iter().any(|to| is(to)),
            Self::Attempted { recipient, .. } => is(recipient),
            _ => false,
        }
    }

    /// True if its subject has all these words, in whatever case.
    fn has_words(&self, words: &[String]) -> bool {
        let Self::Arrived(arrival) = self else {
            return false;
        };
        let subject = arrival.subject.to_lowercase();
        words.iter().all(|word| subject.contains(word.as_str()))
    }

    /// Its name in the queue, where it has one.
    #[must_use]
    pub const fn queue_id(&self) -> Option<QueueId> {
        match self {
            Self::Queued { id, .. }
            | Self::Attempted { id, .. }
            | Self::Waits { id, .. }
            | Self::Handled { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// True if it says what only the second version of rows has.
    const fn is_of_second_version(&self) -> bool {
        match self {
            Self::Attempted { tls, .. } => !tls.is_empty(),
            Self::Judged { .. } => true,
            _ => false,
        }
    }

    fn write(&self, writer: Writer) -> Writer {
        match self {
            Self::Arrived(arrival) => arrival.write(writer.number(0)),
            Self::Checked(results) => text(writer.number(1), results),
            Self::Filtered { deed, cause } => text(text(writer.number(2), deed), cause),
            Self::ScriptFailed(trouble) => text(writer.number(3), trouble),
            Self::Filed { mailbox, uid } => {
                text(writer.number(4), mailbox).number(uid.value().into())
            }
            Self::Unfiled => writer.number(5),
            Self::Queued {
                id,
                destination,
                recipients,
            } => texts(text(writer.number(6).number(id.0), destination), recipients),
            Self::Attempted {
                id,
                recipient,
                result,
                said,
                tls,
            } => {
                let place = AttemptResult::ALL.iter().position(|one| one == result);
                let place = u64::try_from(place.unwrap_or_default()).unwrap_or_default();
                let kind = if tls.is_empty() { 7 } else { 10 };
                let writer = writer.number(kind).number(id.0).number(place);
                let writer = text(text(writer, recipient), said);
                match tls.is_empty() {
                    true => writer,
                    false => text(writer, tls),
                }
            }
            Self::Waits { id, until } => writer.number(8).number(id.0).signed(*until),
            Self::Handled { id, deed } => text(writer.number(9).number(id.0), deed),
            Self::Judged {
                percent,
                is_junk,
                clues,
            } => {
                let writer = writer.number(14).number((*percent).into());
                texts(writer.number((*is_junk).into()), clues)
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let own = |text: &str| text.to_owned();
        Some(match reader.number()? {
            0 => Self::Arrived(Box::new(ArrivalTold::read(reader)?)),
            1 => Self::Checked(reader.text()?.to_owned()),
            2 => Self::Filtered {
                deed: reader.text().map(own)?.into(),
                cause: reader.text().map(own)?.into(),
            },
            3 => Self::ScriptFailed(reader.text()?.to_owned()),
            4 => Self::Filed {
                mailbox: reader.text().map(own)?,
                uid: Uid::new(reader.small()?)?,
            },
            5 => Self::Unfiled,
            6 => Self::Queued {
                id: QueueId(reader.number()?),
                destination: reader.text().map(own)?,
                recipients: read_texts(reader)?,
            },
            kind @ (7 | 10) => {
                let id = QueueId(reader.number()?);
                let place: usize = reader.small()?;
                let result = *AttemptResult::ALL.get(place)?;
                Self::Attempted {
                    id,
                    recipient: reader.text().map(own)?,
                    result,
                    said: reader.text().map(own)?,
                    tls: match kind {
                        10 => reader.text().map(own)?,
                        _ => String::new(),
                    },
                }
            }
            8 => Self::Waits {
                id: QueueId(reader.number()?),
                until: reader.signed()?,
            },
            9 => Self::Handled {
                id: QueueId(reader.number()?),
                deed: reader.text().map(own)?,
            },
            14 => Self::Judged {
                percent: reader.small()?,
                is_junk: reader.number()? != 0,
                clues: read_texts(reader)?,
            },
            _ => return None,
        })
    }
}

impl ArrivalTold {
    fn write(&self, writer: Writer) -> Writer {
        let mut writer = texts(text(writer, &self.from), &self.to);
        for fact in [
            &self.peer,
            &self.helo,
            &self.protocol,
            &self.tls,
            &self.account,
            &self.message_id,
            &self.subject,
        ] {
            writer = text(writer, fact);
        }
        writer.number(self.octets)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let own = |text: &str| text.to_owned();
        Some(Self {
            from: reader.text().map(own)?,
            to: read_texts(reader)?,
            peer: reader.text().map(own)?,
            helo: reader.text().map(own)?,
            protocol: reader.text().map(own)?,
            tls: reader.text().map(own)?,
            account: reader.text().map(own)?,
            message_id: reader.text().map(own)?,
            subject: reader.text().map(own)?,
            octets: reader.number()?,
        })
    }
}

fn text(writer: Writer, text: &str) -> Writer {
    let end = text.floor_char_boundary(TEXT_OCTETS_MAX);
    writer.octets(text.get(..end).unwrap_or_default().as_bytes())
}

fn texts(writer: Writer, all: &[String]) -> Writer {
    let count = all.len().min(RECIPIENTS_MAX);
    let writer = writer.number(u64::try_from(count).unwrap_or_default());
    all.iter()
        .take(count)
        .fold(writer, |writer, one| text(writer, one))
}

fn read_texts(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let count = reader.small::<usize>()?.min(RECIPIENTS_MAX);
    (0..count)
        .map(|_| reader.text().map(str::to_owned))
        .collect()
}

/// What happened to a letter in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JourneyStep {
    /// The letter's.
    pub journey: JourneyId,
    /// When it was.
    pub when: Timestamp,
    /// What happened, in order.
    pub events: Vec<Event>,
}
