//! The rows of the queue: each letter for one destination, and where it stands in the order: those
//! of each rank have an order of their own.
//!
//! Not here: who may change them (`desk`), what is made of them (`claim`, `settle`).

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use mail::{
    Address, BlobId, BlobRange, BodyType, Enhanced, Envelope, ForwardPath, JourneyId, Notify,
    QueueId, Recipient, ReplyCode, Ret, ReversePath, Timestamp, TlsWish,
};
use store::{Hint, Table, Write};

use crate::aggregate::kept;
use crate::greylist;
use crate::journey::QUEUE_TABLE;
use crate::octets::{Reader, Writer};
use crate::policies::POLICIES;
use crate::tls_results::TLS_RESULTS;

/// What the queue counts: one row.
pub(crate) const COUNTS: Table = Table(40);
/// Letters, by queue id.
pub(crate) const LETTERS: Table = Table(41);
/// The same by the time they are due.
pub(crate) const DUE: Table = Table(42);
/// The same by destination, and then by the time they are due.
pub(crate) const DESTINATIONS: Table = Table(43);
/// Letters that were handed in at this machine, until they are gone there (`handed`).
pub(crate) const HANDED: Table = Table(44);

/// All tables of the queue.
pub(crate) const ALL: [Table; 11] = [
    COUNTS,
    LETTERS,
    DUE,
    DESTINATIONS,
    HANDED,
    QUEUE_TABLE,
    POLICIES,
    TLS_RESULTS,
    greylist::TABLE,
    super::suppressed::TABLE,
    kept::TABLE,
];

const VERSION: u8 = 1;
/// A letter whose sender wants something of TLS.
const VERSION_TLS: u8 = 2;
/// The same, with what travels before the letter's octets.
const VERSION_FRONTED: u8 = 3;
/// The same, of a letter that goes after others.
const VERSION_RANKED: u8 = 4;
/// Versions of rows that are read, where there is no more to say.
pub(crate) const VERSIONS: &[u8] = &[VERSION];
/// Versions of [`Entry`] that are read.
pub(crate) const LETTER_VERSIONS: &[u8] = &[VERSION, VERSION_TLS, VERSION_FRONTED, VERSION_RANKED];

/// What somebody said about a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The host that said it; `None` where we said it ourselves.
    pub host: Option<String>,
    /// Its reply code; `None` where there was no reply.
    pub code: Option<ReplyCode>,
    /// The enhanced status.
    pub status: Enhanced,
    /// Its words, in one line.
    pub text: String,
}

/// Which letters for a destination go first, where many are due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// Those of people.
    #[default]
    Usual,
    /// Those that programs send: reports, and what is for many.
    Later,
}

/// What stands behind the name of a destination in the order of those that go after others: no name
/// has it.
const LATER_MARK: char = '\u{1}';

impl Rank {
    /// All, the first first.
    pub(crate) const ALL: [Self; 2] = [Self::Usual, Self::Later];

    /// The name of a destination in the order of this rank.
    pub(crate) fn order(self, destination: &str) -> Cow<'_, str> {
        match self {
            Self::Usual => Cow::Borrowed(destination),
            Self::Later => Cow::Owned(format!("{destination}{LATER_MARK}")),
        }
    }

    /// The destination and the rank that a name in an order says.
    pub(crate) fn of_order(name: &str) -> (&str, Self) {
        match name.strip_suffix(LATER_MARK) {
            Some(destination) => (destination, Self::Later),
            None => (name, Self::Usual),
        }
    }
}

/// A recipient whose letter is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Who, and what is to be reported.
    pub recipient: Recipient,
    /// What was said last time.
    pub said: Option<Said>,
}

/// One letter for one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its way through the house, the same for all destinations of one letter.
    pub journey: JourneyId,
    /// Where its octets are.
    pub blob: BlobId,
    pub(crate) hint: Hint,
    /// Octets of the blob.
    pub octets: u64,
    /// Octets at the blob's beginning that stay here: the `Return-Path` field.
    pub skip: u64,
    /// When it was accepted.
    pub arrived: Timestamp,
    /// Who hears of failures.
    pub reverse_path: ReversePath,
    /// What its body is made of.
    pub body: BodyType,
    /// True if it may need SMTPUTF8.
    pub smtputf8: bool,
    /// How much a report returns.
    pub ret: Option<Ret>,
    /// The sender's name for the envelope.
    pub envid: Option<String>,
    /// What the sender wants of TLS.
    pub tls: TlsWish,
    /// The domain of its recipients in A-labels, or an address literal.
    pub destination: String,
    /// When it is to be tried next, in seconds since 1970; `None` while it is held.
    pub due: Option<i64>,
    /// How often it was tried.
    pub attempts: u32,
    /// True once its sender was told that it waits.
    pub warned: bool,
    /// Whose letter it still is; never empty.
    pub recipients: Vec<Waiting>,
    /// Octets that travel before those of the blob: a seal.
    pub front: Bytes,
    /// Whether others go first.
    pub rank: Rank,
}

/// Where a letter stands in the order: when it is due, and its id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Seconds since 1970.
    pub due: i64,
    /// Which letter.
    pub id: QueueId,
}

/// What the queue counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The last id given.
    pub(crate) last: u64,
    /// Letters in the queue.
    pub(crate) letters: u64,
}

impl Entry {
    /// The octets of the blob that travel.
    #[must_use]
    pub const fn range(&self) -> BlobRange {
        BlobRange {
            blob: self.blob,
            offset: self.skip,
            len: self.octets.saturating_sub(self.skip),
        }
    }

    /// How many octets travel.
    #[must_use]
    pub fn travelling_octets(&self) -> u64 {
        let front = u64::try_from(self.front.len()).unwrap_or(u64::MAX);
        self.range().len.saturating_add(front)
    }

    /// The envelope with the recipients that are left.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        let recipients = self.recipients.iter();
        Envelope {
            reverse_path: self.reverse_path.clone(),
            recipients: recipients.map(|one| one.recipient.clone()).collect(),
            body: self.body,
            smtputf8: self.smtputf8,
            ret: self.ret,
            envid: self.envid.clone(),
            tls: self.tls,
        }
    }

    /// The name of the order that it stands in.
    pub(crate) fn order(&self) -> Cow<'_, str> {
        self.rank.order(&self.destination)
    }

    pub(crate) fn place(&self, id: QueueId) -> Option<Place> {
        self.due.map(|due| Place { due, id })
    }

    /// The row, and its places in the order.
    pub(crate) fn put(&self, id: QueueId) -> Vec<Write> {
        let mut writes = vec![Write::PutBeside {
            table: LETTERS,
            key: letter_key(id),
            value: self.value(),
        }];
        if let Some(place) = self.place(id) {
            let destination = Writer::version(VERSION).octets(self.order().as_bytes());
            writes.push(Write::Put {
                table: DUE,
                key: place.key(),
                value: destination.finish(),
            });
            writes.push(Write::Put {
                table: DESTINATIONS,
                key: destination_key(&self.order(), place),
                value: Writer::version(VERSION).finish(),
            });
        }
        writes
    }

    /// Takes its places in the order away.
    pub(crate) fn unplace(&self, id: QueueId) -> Vec<Write> {
        let Some(place) = self.place(id) else {
            return Vec::new();
        };
        vec![
            Write::Delete {
                table: DUE,
                key: place.key(),
            },
            Write::Delete {
                table: DESTINATIONS,
                key: destination_key(&self.order(), place),
            },
        ]
    }

    /// Takes all of it away.
    pub(crate) fn delete(&self, id: QueueId) -> Vec<Write> {
        let mut writes = self.unplace(id);
        writes.push(Write::Delete {
            table: LETTERS,
            key: letter_key(id),
        });
        writes
    }

    fn value(&self) -> Bytes {
        let version = match (self.rank, self.front.is_empty(), self.tls) {
            (Rank::Later, _, _) => VERSION_RANKED,
            (Rank::Usual, false, _) => VERSION_FRONTED,
            (Rank::Usual, true, TlsWish::Usual) => VERSION,
            (Rank::Usual, true, TlsWish::Required | TlsWish::Waived) => VERSION_TLS,
        };
        let mut writer = Writer::version(version)
            .fixed(&self.blob.0)
            .fixed(&self.hint.0)
            .number(self.octets)
            .number(self.skip)
            .number(self.journey.0)
            .signed(self.arrived.seconds)
            .octets(path_text(self.reverse_path.address()).as_bytes())
            .number(body_number(self.body))
            .number(self.smtputf8.into())
            .number(match self.ret {
                None => 0,
                Some(Ret::Full) => 1,
                Some(Ret::Headers) => 2,
            });
        writer = optional(writer, self.envid.as_deref())
            .octets(self.destination.as_bytes())
            .number(self.due.is_some().into())
            .signed(self.due.unwrap_or_default())
            .number(self.attempts.into())
            .number(self.warned.into())
            .number(u64::try_from(self.recipients.len()).unwrap_or(u64::MAX));
        for waiting in &self.recipients {
            writer = waiting.write(writer);
        }
        let wish = match self.tls {
            TlsWish::Usual => 0,
            TlsWish::Required => 1,
            TlsWish::Waived => 2,
        };
        match version {
            VERSION => writer.finish(),
            VERSION_TLS => writer.number(wish).finish(),
            VERSION_FRONTED => writer.number(wish).octets(&self.front).finish(),
            // There is one rank that is said.
            _ => {
                let writer = writer.number(wish).octets(&self.front);
                writer.number(1).finish()
            }
        }
    }

    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let (mut reader, version) = Reader::either(value, LETTER_VERSIONS)?;
        let (blob, hint) = (BlobId(reader.fixed()?), Hint(reader.fixed()?));
        let mut entry = Self {
            blob,
            hint,
            octets: reader.number()?,
            skip: reader.number()?,
            journey: JourneyId(reader.number()?),
            arrived: Timestamp::utc(reader.signed()?),
            reverse_path: match reader.text()? {
                "" => ReversePath::Null,
                text => ReversePath::Address(Address::parse(text).ok()?),
            },
            body: read_body(reader.number()?)?,
            smtputf8: reader.number()? != 0,
            ret: match reader.number()? {
                0 => None,
                1 => Some(Ret::Full),
                2 => Some(Ret::Headers),
                _ => return None,
            },
            envid: read_optional(&mut reader)?,
            tls: TlsWish::Usual,
            destination: reader.text()?.to_owned(),
            due: {
                let waits = reader.number()? != 0;
                let due = reader.signed()?;
                waits.then_some(due)
            },
            attempts: reader.small()?,
            warned: reader.number()? != 0,
            recipients: Vec::new(),
            front: Bytes::new(),
            rank: Rank::Usual,
        };
        for _ in 0..reader.number()? {
            entry.recipients.push(Waiting::read(&mut reader)?);
        }
        if version != VERSION {
            entry.tls = match (reader.number()?, version) {
                (0, VERSION_FRONTED | VERSION_RANKED) => TlsWish::Usual,
                (1, _) => TlsWish::Required,
                (2, _) => TlsWish::Waived,
                _ => return None,
            };
        }
        if matches!(version, VERSION_FRONTED | VERSION_RANKED) {
            entry.front = Bytes::copy_from_slice(reader.octets()?);
        }
        if version == VERSION_RANKED {
            entry.rank = match reader.number()? {
                1 => Rank::Later,
                _ => return None,
            };
        }
        reader.end()?;
        Some(entry)
    }

    /// Which body a row mentions, its octets, and where it may be, without reading all of the row.
    pub(crate) fn body(value: &[u8]) -> Option<(BlobId, u64, Hint)> {
        let (mut reader, _) = Reader::either(value, LETTER_VERSIONS)?;
        let (blob, hint) = (BlobId(reader.fixed()?), Hint(reader.fixed()?));
        Some((blob, reader.number()?, hint))
    }
}

impl Waiting {
    fn write(&self, writer: Writer) -> Writer {
        let path = match &self.recipient.forward_path {
            ForwardPath::Postmaster => String::new(),
            ForwardPath::Address(address) => address.to_string(),
        };
        let writer = writer
            .octets(path.as_bytes())
            .number(notify_number(self.recipient.notify));
        let writer = optional(writer, self.recipient.orcpt.as_deref());
        let Some(said) = &self.said else {
            return writer.number(0);
        };
        let status = said.status;
        optional(writer.number(1), said.host.as_deref())
            .number(said.code.map_or(0, |code| code.value().into()))
            .number(status.class.into())
            .number(status.subject.into())
            .number(status.detail.into())
            .octets(said.text.as_bytes())
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let recipient = Recipient {
            forward_path: match reader.text()? {
                "" => ForwardPath::Postmaster,
                text => ForwardPath::Address(Address::parse(text).ok()?),
            },
            notify: read_notify(reader.number()?)?,
            orcpt: read_optional(reader)?,
        };
        let said = match reader.number()? {
            0 => None,
            _ => Some(Said {
                host: read_optional(reader)?,
                code: ReplyCode::new(reader.small()?),
                status: Enhanced::new(reader.small()?, reader.small()?, reader.small()?),
                text: reader.text()?.to_owned(),
            }),
        };
        Some(Self { recipient, said })
    }
}

impl Place {
    pub(crate) fn key(self) -> Bytes {
        let mut key = BytesMut::with_capacity(16);
        // Moments before 1970 would stand behind all others: nothing is due then.
        key.put_u64(u64::try_from(self.due).unwrap_or_default());
        key.put_u64(self.id.0);
        key.freeze()
    }

    fn read(key: &[u8]) -> Option<Self> {
        let (due, id) = key.split_first_chunk::<8>()?;
        Some(Self {
            due: i64::try_from(u64::from_be_bytes(*due)).ok()?,
            id: QueueId(u64::from_be_bytes(id.try_into().ok()?)),
        })
    }
}

/// A row of [`DUE`]: its place, where the letter goes, and whether others go first.
pub(crate) fn read_due(key: &[u8], value: &[u8]) -> Option<(Place, (String, Rank))> {
    let mut reader = Reader::version(value, VERSION)?;
    let (destination, rank) = Rank::of_order(reader.text()?);
    reader.end()?;
    Some((Place::read(key)?, (destination.to_owned(), rank)))
}

/// The key of a place in the order of this name.
pub(crate) fn destination_key(order: &str, place: Place) -> Bytes {
    [order.as_bytes(), &[0], &place.key()].concat().into()
}

/// The place in a key of [`DESTINATIONS`].
pub(crate) fn read_destination_key(key: &[u8]) -> Option<Place> {
    let (_, place) = key.split_last_chunk::<16>()?;
    Place::read(place)
}

pub(crate) fn letter_key(id: QueueId) -> Bytes {
    Bytes::copy_from_slice(&id.0.to_be_bytes())
}

pub(crate) fn read_letter_key(key: &[u8]) -> Option<QueueId> {
    Some(QueueId(u64::from_be_bytes(key.try_into().ok()?)))
}

impl Counts {
    pub(crate) fn put(self) -> Write {
        Write::Put {
            table: COUNTS,
            key: Bytes::new(),
            value: Writer::version(VERSION)
                .number(self.last)
                .number(self.letters)
                .finish(),
        }
    }

    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::version(value, VERSION)?;
        let counts = Self {
            last: reader.number()?,
            letters: reader.number()?,
        };
        reader.end()?;
        Some(counts)
    }
}

fn path_text(address: Option<&Address>) -> String {
    address.map(Address::to_string).unwrap_or_default()
}

fn optional(writer: Writer, text: Option<&str>) -> Writer {
    match text {
        None => writer.number(0),
        Some(text) => writer.number(1).octets(text.as_bytes()),
    }
}

/// The outer `None` says that the row ends early.
fn read_optional(reader: &mut Reader<'_>) -> Option<Option<String>> {
    match reader.number()? {
        0 => Some(None),
        _ => Some(Some(reader.text()?.to_owned())),
    }
}

const fn body_number(body: BodyType) -> u64 {
    match body {
        BodyType::SevenBit => 0,
        BodyType::EightBitMime => 1,
        BodyType::BinaryMime => 2,
    }
}

const fn read_body(number: u64) -> Option<BodyType> {
    Some(match number {
        0 => BodyType::SevenBit,
        1 => BodyType::EightBitMime,
        2 => BodyType::BinaryMime,
        _ => return None,
    })
}

/// None, never, or the three events as bits above.
fn notify_number(notify: Option<Notify>) -> u64 {
    match notify {
        None => 0,
        Some(Notify::Never) => 1,
        Some(Notify::On {
            success,
            failure,
            delay,
        }) => 8 | u64::from(success) | u64::from(failure) << 1 | u64::from(delay) << 2,
    }
}

/// The outer `None` says that there is no such number.
const fn read_notify(number: u64) -> Option<Option<Notify>> {
    match number {
        0 => Some(None),
        1 => Some(Some(Notify::Never)),
        8..=15 => Some(Some(Notify::On {
            success: number & 1 != 0,
            failure: number & 2 != 0,
            delay: number & 4 != 0,
        })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let on = Notify::On {
            success: true,
            failure: false,
            delay: true,
        };
        let waiting = |path: &str, notify, said| Waiting {
            recipient: Recipient {
                forward_path: ForwardPath::parse(path).unwrap(),
                notify,
                orcpt: notify.map(|_| "rfc822;a b".to_owned()),
            },
            said,
        };
        let said = Said {
            host: Some("mx.example.net".into()),
            code: ReplyCode::new(451),
            status: Enhanced::new(4, 7, 1),
            text: "Später".into(),
        };
        Entry {
            journey: JourneyId(9),
            blob: BlobId([7; 32]),
            hint: Hint([3; 8]),
            octets: 1 << 33,
            skip: 30,
            arrived: Timestamp::utc(1_700_000_000),
            reverse_path: ReversePath::parse("<\"a b\"@example.org>").unwrap(),
            body: BodyType::EightBitMime,
            smtputf8: true,
            ret: Some(Ret::Headers),
            envid: Some("QQ 314".into()),
            tls: TlsWish::Usual,
            destination: "example.net".into(),
            due: Some(1_700_000_300),
            attempts: 3,
            warned: true,
            recipients: vec![
                waiting("<ünal@example.net>", Some(on), Some(said)),
                waiting("<Postmaster>", Some(Notify::Never), None),
                waiting("<b@example.net>", None, None),
            ],
            front: Bytes::new(),
            rank: Rank::Usual,
        }
    }

    #[test]
    fn rows_come_back() {
        let full = entry();
        let bare = Entry {
            reverse_path: ReversePath::Null,
            ret: None,
            envid: None,
            due: None,
            ..entry()
        };
        let wishes = [TlsWish::Usual, TlsWish::Required, TlsWish::Waived];
        let wishing = wishes.map(|tls| Entry { tls, ..entry() });
        let sealed = wishes.map(|tls| Entry {
            tls,
            front: "ARC-Seal: i=1\r\n".into(),
            ..entry()
        });
        let later = sealed.clone().map(|entry| Entry {
            rank: Rank::Later,
            ..entry
        });
        let plain = Entry {
            rank: Rank::Later,
            ..entry()
        };
        let all = [full, bare, plain].into_iter().chain(wishing);
        for entry in all.chain(sealed).chain(later) {
            let writes = entry.put(QueueId(5));
            let Some(Write::PutBeside { key, value, .. }) = writes.first() else {
                panic!("no row about a letter");
            };
            assert_eq!(read_letter_key(key), Some(QueueId(5)));
            assert_eq!(Entry::read(value), Some(entry.clone()));
            assert_eq!(
                Entry::body(value),
                Some((entry.blob, entry.octets, entry.hint))
            );
            assert_eq!(writes.len(), if entry.due.is_some() { 3 } else { 1 });
            for cut in 0..value.len() {
                assert_eq!(Entry::read(&value[..cut]), None);
            }
        }
        let counts = Counts {
            last: 1 << 40,
            letters: 3,
        };
        let Write::Put { value, .. } = counts.put() else {
            panic!("no row");
        };
        assert_eq!(Counts::read(&value), Some(counts));
    }

    #[test]
    fn the_order_is_that_of_time_and_then_of_arrival() {
        let place = |due, id| Place {
            due,
            id: QueueId(id),
        };
        let order = [place(0, 9), place(1, 2), place(1, 3), place(256, 1)];
        for pair in order.windows(2) {
            assert!(pair[0].key() < pair[1].key() && pair[0] < pair[1]);
        }
        for one in order {
            let key = destination_key("a.example", one);
            assert_eq!(read_destination_key(&key), Some(one));
            for rank in Rank::ALL {
                let order = rank.order("a.example");
                let row = Writer::version(VERSION).octets(order.as_bytes()).finish();
                let read = read_due(&one.key(), &row);
                assert_eq!(read, Some((one, ("a.example".into(), rank))));
            }
        }
    }
}
