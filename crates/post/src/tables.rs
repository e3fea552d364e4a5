//! The rows of an account's partition: each table once, as types with a version octet.
//!
//! Not here: the directory's rows (`directory::rows`), what the rows are for (`ledger`).

use std::num::NonZeroU32;

use bytes::{BufMut, Bytes, BytesMut};
use mail::{EmailId, Keyword, MailboxId, ModSeq, Role, Timestamp, Uid, UidValidity};
use store::{Table, Write};

use crate::octets::{Reader, Writer};
use crate::{Usage, journey};

mod emails;
mod history;
mod lines;
mod parts;
mod scripts;

pub(crate) use emails::{DigestRow, EmailRow, VERSIONS as EMAIL_VERSIONS, email_key};
pub(crate) use history::{
    Deed, Remembered, State, deed_key, delete_deed, put_deed, put_remembered, read_deed,
    read_remembered,
};
pub(crate) use lines::{
    delete_flag_runs, delete_vanished, put_flag_runs, put_vanished, read_flag_runs, read_vanished,
};
pub(crate) use parts::{
    Deleted, Filed, Flagged, Moved, MovedRun, Part, ReflagRun, Removed, Renamed, delete_part,
    part_range, put_part, read_part, read_part_key,
};
pub(crate) use scripts::{
    ScriptRow, SeenKey, delete_script_text, delete_seen, put_script_text, put_seen,
    read_script_text, read_script_text_key, read_seen, script_text_key,
};

/// The account's counters: one row.
pub(crate) const COUNTERS: Table = Table(1);
/// Mailboxes by id.
pub(crate) const MAILBOXES: Table = Table(2);
/// The next UID of a mailbox, by its id.
pub(crate) const NEXT_UIDS: Table = Table(3);
/// Messages in mailboxes, by mailbox and UID.
pub(crate) const ENTRIES: Table = Table(4);
/// Messages, by email id: where they are, and their parts.
pub(crate) const EMAILS: Table = Table(5);
/// What was removed, by mod-sequence and mailbox.
pub(crate) const VANISHED: Table = Table(6);
/// Names subscribed to.
pub(crate) const SUBSCRIPTIONS: Table = Table(7);
/// The digests and previews of messages, by email id: what their rows do not have.
pub(crate) const DIGESTS: Table = Table(8);
/// Flags of many messages that one change set, by mod-sequence and mailbox.
pub(crate) const FLAG_RUNS: Table = Table(10);
/// Notes on mailboxes, by mailbox (0 for the whole account) and entry.
pub(crate) const METADATA: Table = Table(11);
/// Who may do what, by mailbox and whom it is about (`access`).
pub(crate) const ACL: Table = Table(12);
/// Filter scripts, by name.
pub(crate) const SCRIPTS: Table = Table(13);
/// Their texts, by the lines that put them there.
pub(crate) const SCRIPT_TEXTS: Table = Table(14);
/// Until when scripts remember identifiers, by their hashes.
pub(crate) const SEEN: Table = Table(15);
/// How far sources elsewhere have been imported, by source (`import`).
pub(crate) const IMPORT_JOURNAL: Table = Table(20);
/// Notes on messages that were imported, by source and number (`import`).
pub(crate) const IMPORT_NOTES: Table = Table(21);
/// How far sources elsewhere have been fetched, by source (`fetched`).
pub(crate) const FETCH_MARKS: Table = Table(24);
/// Notes on single messages of theirs, by source and id (`fetched`).
pub(crate) const FETCH_NOTES: Table = Table(25);
/// Operations that can be undone, by the line of the ledger that did them.
pub(crate) const HISTORY: Table = Table(30);
/// What they took away or changed, by line and number.
pub(crate) const GONE: Table = Table(31);
/// What is known of all operations: one row, [`Remembered`].
pub(crate) const REMEMBERED: Table = Table(32);

/// In how many letters of which kind a clue was, by the clue's number (`spam`).
pub(crate) const SPAM_CLUES: Table = Table(50);
/// What letters count as, by email id or by a number that stands for them (`spam`).
pub(crate) const SPAM_NOTES: Table = Table(51);
/// How much was learned: one row (`spam`).
pub(crate) const SPAM_LETTERS: Table = Table(52);

/// All tables of an account.
pub(crate) const ALL: [Table; 25] = [
    COUNTERS,
    MAILBOXES,
    NEXT_UIDS,
    ENTRIES,
    EMAILS,
    VANISHED,
    SUBSCRIPTIONS,
    DIGESTS,
    FLAG_RUNS,
    METADATA,
    ACL,
    SCRIPTS,
    SCRIPT_TEXTS,
    SEEN,
    journey::TABLE,
    IMPORT_JOURNAL,
    IMPORT_NOTES,
    FETCH_MARKS,
    FETCH_NOTES,
    HISTORY,
    GONE,
    REMEMBERED,
    SPAM_CLUES,
    SPAM_NOTES,
    SPAM_LETTERS,
];

const VERSION: u8 = 1;
/// Counters that count the messages as well.
const VERSION_COUNTED: u8 = 2;
/// [`Entry`] as it is written where it is known when the message was put into the mailbox.
const ENTRY_VERSION_SAVED: u8 = 2;

/// Versions of rows that are read, where there is no more to say.
pub(crate) const VERSIONS: &[u8] = &[VERSION];
/// Versions of [`Counters`] that are read.
pub(crate) const COUNTERS_VERSIONS: [u8; 2] = [VERSION, VERSION_COUNTED];
/// Versions of [`Entry`] that are read.
pub(crate) const ENTRY_VERSIONS: [u8; 2] = [VERSION, ENTRY_VERSION_SAVED];

/// What an account counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// The last line of the ledger.
    pub(crate) modseq: ModSeq,
    /// The last email id given.
    pub(crate) email: u64,
    /// The last mailbox id given.
    pub(crate) mailbox: u64,
    /// The last UIDVALIDITY given.
    pub(crate) uidvalidity: u32,
    /// Removals up to this line have been forgotten.
    pub(crate) forgotten: ModSeq,
    /// What all messages in all mailboxes take.
    pub(crate) usage: Usage,
    /// False in a row from before messages were counted.
    pub(crate) counted: bool,
}

/// A mailbox without its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MailboxRow {
    pub(crate) name: String,
    pub(crate) uidvalidity: UidValidity,
    pub(crate) role: Option<Role>,
    pub(crate) selectable: bool,
    /// The line that made it, or brought it back: its HIGHESTMODSEQ is never less.
    pub(crate) created: ModSeq,
    /// In the order of the bits in [`Entry::keywords`].
    pub(crate) keywords: Vec<Keyword>,
}

/// A message in a mailbox: 48 octets in memory, some 25 on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) email: EmailId,
    pub(crate) modseq: ModSeq,
    /// One bit for each keyword of the mailbox's table.
    pub(crate) keywords: u64,
    pub(crate) date_seconds: i64,
    pub(crate) uid: Uid,
    pub(crate) size: u32,
    /// When it was put into the mailbox; `None` for rows of version 1, written before this was
    /// kept.
    pub(crate) saved: Option<SavedAt>,
    pub(crate) date_zone_minutes: i16,
    /// [`mail::FlagSet::system_bits`].
    pub(crate) system: u8,
    /// The message's last line has no CRLF.
    pub(crate) unended: bool,
}

/// On the disk [`Entry::unended`] stands where the system flags do, which need five bits.
const UNENDED: u8 = 0x80;
/// A moment in whole seconds from 1970 to 2106, small enough for an [`Entry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SavedAt(NonZeroU32);

impl SavedAt {
    /// The moment that is so many seconds after the beginning of 1970.
    fn from_seconds(seconds: i64) -> Option<Self> {
        let seconds = u32::try_from(seconds).ok().and_then(NonZeroU32::new)?;
        Some(Self(seconds))
    }

    /// The moment, or the nearest there is.
    pub(crate) fn new(moment: Timestamp) -> Self {
        let seconds = u32::try_from(moment.seconds.max(1)).unwrap_or(u32::MAX);
        Self(NonZeroU32::new(seconds).unwrap_or(NonZeroU32::MIN))
    }

    /// The moment, in Greenwich's zone.
    pub(crate) fn moment(self) -> Timestamp {
        Timestamp::utc(self.0.get().into())
    }
}

/// Messages next to each other that one change left with the same flags. It holds for those that
/// are older than the change: what came or changed later says so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlagRun {
    pub(crate) low: Uid,
    pub(crate) high: Uid,
    pub(crate) system: u8,
    pub(crate) keywords: u64,
}

impl Counters {
    pub(crate) fn put(&self) -> Write {
        let value = Writer::version(VERSION_COUNTED)
            .number(self.modseq.0)
            .number(self.email)
            .number(self.mailbox)
            .number(self.uidvalidity.into())
            .number(self.forgotten.0)
            .number(self.usage.octets)
            .number(self.usage.messages)
            .finish();
        put(COUNTERS, Bytes::new(), value)
    }

    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let (mut reader, version) = Reader::either(value, &COUNTERS_VERSIONS)?;
        let mut counters = Self {
            modseq: ModSeq(reader.number()?),
            email: reader.number()?,
            mailbox: reader.number()?,
            uidvalidity: reader.small()?,
            forgotten: ModSeq(reader.number()?),
            usage: Usage::default(),
            counted: version == VERSION_COUNTED,
        };
        if counters.counted {
            counters.usage = Usage {
                octets: reader.number()?,
                messages: reader.number()?,
            };
        }
        reader.end()?;
        Some(counters)
    }
}

impl MailboxRow {
    pub(crate) fn put(&self, id: MailboxId) -> Write {
        put(MAILBOXES, mailbox_key(id), self.value())
    }

    /// The row's value.
    fn value(&self) -> Bytes {
        let role = self.role.and_then(|role| position(&Role::ALL, &role));
        let mut writer = Writer::version(VERSION)
            .octets(self.name.as_bytes())
            .number(self.uidvalidity.value().into())
            .number(role.map_or(0, |index| index + 1))
            .number(self.selectable.into())
            .number(self.created.0);
        for keyword in &self.keywords {
            writer = writer.octets(keyword.as_str().as_bytes());
        }
        writer.octets(b"").finish()
    }

    pub(crate) fn read(key: &[u8], value: &[u8]) -> Option<(MailboxId, Self)> {
        Some((read_mailbox_key(key)?, Self::read_value(value)?))
    }

    fn read_value(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::version(value, VERSION)?;
        let mut row = Self {
            name: reader.text()?.to_owned(),
            uidvalidity: UidValidity::new(reader.small()?)?,
            role: match reader.small::<usize>()?.checked_sub(1) {
                None => None,
                Some(index) => Some(*Role::ALL.get(index)?),
            },
            selectable: reader.number()? != 0,
            created: ModSeq(reader.number()?),
            keywords: Vec::new(),
        };
        loop {
            let keyword = reader.text()?;
            if keyword.is_empty() {
                break;
            }
            row.keywords.push(Keyword::parse(keyword)?);
        }
        reader.end()?;
        Some(row)
    }

    pub(crate) fn delete(id: MailboxId) -> Write {
        delete(MAILBOXES, mailbox_key(id))
    }
}

/// The next UID of a mailbox; `None` once all are used up.
pub(crate) fn put_next_uid(id: MailboxId, next: Option<Uid>) -> Write {
    let value = Writer::version(VERSION).number(next.map_or(0, |uid| uid.value().into()));
    put(NEXT_UIDS, mailbox_key(id), value.finish())
}

pub(crate) fn read_next_uid(key: &[u8], value: &[u8]) -> Option<(MailboxId, Option<Uid>)> {
    let mut reader = Reader::version(value, VERSION)?;
    let next = Uid::new(reader.small()?);
    reader.end()?;
    Some((read_mailbox_key(key)?, next))
}

pub(crate) fn delete_next_uid(id: MailboxId) -> Write {
    delete(NEXT_UIDS, mailbox_key(id))
}

impl Entry {
    pub(crate) const fn date(&self) -> Timestamp {
        Timestamp {
            seconds: self.date_seconds,
            zone_minutes: self.date_zone_minutes,
        }
    }

    pub(crate) fn put(&self, mailbox: MailboxId) -> Write {
        let version = match self.saved {
            None => VERSION,
            Some(_) => ENTRY_VERSION_SAVED,
        };
        let writer = Writer::version(version)
            .number(self.email.0)
            .number(self.modseq.0)
            .fixed(&[self.system | if self.unended { UNENDED } else { 0 }])
            .number(self.keywords)
            .number(self.size.into())
            .signed(self.date_seconds)
            .signed(self.date_zone_minutes.into());
        let writer = match self.saved {
            None => writer,
            // Most are delivered at the moment their date tells: the difference takes one octet.
            Some(saved) => writer.signed(saved.moment().seconds.wrapping_sub(self.date_seconds)),
        };
        put(ENTRIES, entry_key(mailbox, self.uid), writer.finish())
    }

    pub(crate) fn read(key: &[u8], value: &[u8]) -> Option<(MailboxId, Self)> {
        let (mailbox, uid) = key.split_first_chunk::<8>()?;
        let (mut reader, version) = Reader::either(value, &ENTRY_VERSIONS)?;
        let (email, modseq) = (EmailId(reader.number()?), ModSeq(reader.number()?));
        let [bits] = reader.fixed()?;
        let mut entry = Self {
            uid: Uid::new(u32::from_be_bytes(uid.try_into().ok()?))?,
            email,
            modseq,
            system: bits & !UNENDED,
            unended: bits & UNENDED != 0,
            keywords: reader.number()?,
            size: reader.small()?,
            date_seconds: reader.signed()?,
            date_zone_minutes: i16::try_from(reader.signed()?).ok()?,
            saved: None,
        };
        if version == ENTRY_VERSION_SAVED {
            let seconds = entry.date_seconds.wrapping_add(reader.signed()?);
            entry.saved = Some(SavedAt::from_seconds(seconds)?);
        }
        reader.end()?;
        Some((MailboxId(u64::from_be_bytes(*mailbox)), entry))
    }

    pub(crate) fn delete(mailbox: MailboxId, uid: Uid) -> Write {
        delete(ENTRIES, entry_key(mailbox, uid))
    }
}

pub(crate) fn put_subscription(name: &str) -> Write {
    let key = Bytes::copy_from_slice(name.as_bytes());
    put(SUBSCRIPTIONS, key, Writer::version(VERSION).finish())
}

pub(crate) fn delete_subscription(name: &str) -> Write {
    delete(SUBSCRIPTIONS, Bytes::copy_from_slice(name.as_bytes()))
}

pub(crate) fn put_metadata(mailbox: MailboxId, entry: &str, value: &[u8]) -> Write {
    let value = Writer::version(VERSION).octets(value).finish();
    put(METADATA, metadata_key(mailbox, entry), value)
}

pub(crate) fn read_metadata(key: &[u8], value: &[u8]) -> Option<(MailboxId, String, Bytes)> {
    let (mailbox, entry) = read_metadata_key(key)?;
    let mut reader = Reader::version(value, VERSION)?;
    let value = Bytes::copy_from_slice(reader.octets()?);
    reader.end()?;
    Some((mailbox, entry, value))
}

pub(crate) fn read_metadata_key(key: &[u8]) -> Option<(MailboxId, String)> {
    let (mailbox, entry) = key.split_first_chunk::<8>()?;
    let entry = std::str::from_utf8(entry).ok()?.to_owned();
    Some((MailboxId(u64::from_be_bytes(*mailbox)), entry))
}

pub(crate) fn delete_metadata(mailbox: MailboxId, entry: &str) -> Write {
    delete(METADATA, metadata_key(mailbox, entry))
}

fn metadata_key(mailbox: MailboxId, entry: &str) -> Bytes {
    [&mailbox.0.to_be_bytes(), entry.as_bytes()].concat().into()
}

fn mailbox_key(id: MailboxId) -> Bytes {
    Bytes::copy_from_slice(&id.0.to_be_bytes())
}

pub(crate) fn read_mailbox_key(key: &[u8]) -> Option<MailboxId> {
    Some(MailboxId(u64::from_be_bytes(key.try_into().ok()?)))
}

pub(crate) fn entry_key(mailbox: MailboxId, uid: Uid) -> Bytes {
    let mut key = BytesMut::with_capacity(12);
    key.put_u64(mailbox.0);
    key.put_u32(uid.value());
    key.freeze()
}

fn vanished_key(modseq: ModSeq, mailbox: MailboxId) -> Bytes {
    let mut key = BytesMut::with_capacity(16);
    key.put_u64(modseq.0);
    key.put_u64(mailbox.0);
    key.freeze()
}

fn position<T: PartialEq>(all: &[T], one: &T) -> Option<u64> {
    let index = all.iter().position(|known| known == one)?;
    u64::try_from(index).ok()
}

pub(crate) const fn put(table: Table, key: Bytes, value: Bytes) -> Write {
    Write::Put { table, key, value }
}

pub(crate) const fn delete(table: Table, key: Bytes) -> Write {
    Write::Delete { table, key }
}

/// A row's key and value.
#[cfg(test)]
pub(crate) fn parts(write: Write) -> (Bytes, Bytes) {
    match write {
        Write::Put { key, value, .. } => (key, value),
        _ => unreachable!("no plain row"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let counters = Counters {
            modseq: ModSeq(7),
            email: 8,
            mailbox: 9,
            uidvalidity: 10,
            forgotten: ModSeq(3),
            usage: Usage {
                octets: 1 << 40,
                messages: 12,
            },
            counted: true,
        };
        assert_eq!(Counters::read(&parts(counters.put()).1), Some(counters));
        let uncounted = Counters {
            usage: Usage::default(),
            counted: false,
            ..counters
        };
        assert_eq!(Counters::read(&[1, 7, 8, 9, 10, 3]), Some(uncounted));

        let mailbox = MailboxRow {
            name: "Été/2026".into(),
            uidvalidity: UidValidity::MAX,
            role: Some(Role::Trash),
            selectable: true,
            created: ModSeq(4),
            keywords: vec![
                Keyword::parse("$Junk").unwrap(),
                Keyword::parse("a").unwrap(),
            ],
        };
        let (key, value) = parts(mailbox.put(MailboxId(5)));
        assert_eq!(
            MailboxRow::read(&key, &value),
            Some((MailboxId(5), mailbox))
        );

        let entry = Entry {
            email: EmailId(900),
            modseq: ModSeq(1 << 62),
            keywords: u64::MAX,
            date_seconds: -5,
            uid: Uid::MAX,
            size: 1234,
            saved: None,
            date_zone_minutes: -720,
            system: 31,
            unended: false,
        };
        for (seconds, unended) in [
            (None, false),
            (Some(0), true),
            (Some(1_795_464_900), false),
            (Some(i64::MAX), true),
        ] {
            let saved = seconds.map(|seconds| SavedAt::new(Timestamp::utc(seconds)));
            let entry = Entry {
                saved,
                unended,
                ..entry
            };
            let (key, value) = parts(entry.put(MailboxId(6)));
            assert_eq!(Entry::read(&key, &value), Some((MailboxId(6), entry)));
        }

        let (key, value) = parts(put_metadata(MailboxId(3), "/private/a", b"\0b"));
        let read = read_metadata(&key, &value).unwrap();
        let name = "/private/a".to_owned();
        assert_eq!(read, (MailboxId(3), name, Bytes::from_static(b"\0b")));

        let (key, value) = parts(put_next_uid(MailboxId(2), None));
        assert_eq!(read_next_uid(&key, &value), Some((MailboxId(2), None)));
    }

    #[test]
    fn an_entry_of_version_1_is_read_and_stays_as_it_is() {
        let (key, old) = (
            b"\0\0\0\0\0\0\0\x06\0\0\0\x07",
            b"\x01\x05\x09\x01\x00\x64\xd0\x0f\x78",
        );
        let (mailbox, entry) = Entry::read(key, old).unwrap();
        assert_eq!(
            (mailbox, entry.uid.value(), entry.email, entry.size),
            (MailboxId(6), 7, EmailId(5), 100)
        );
        assert_eq!((entry.date_seconds, entry.date_zone_minutes), (1000, 60));
        assert_eq!(entry.saved, None);
        let (_, value) = parts(entry.put(mailbox));
        assert_eq!(value.as_ref(), old);
    }

    #[test]
    fn when_it_was_saved_takes_one_octet_of_most_rows() {
        let now = Timestamp::utc(1_795_464_900);
        let mut entry = Entry {
            email: EmailId(1),
            modseq: ModSeq(1),
            keywords: 0,
            date_seconds: now.seconds,
            uid: Uid::MIN,
            size: 1,
            saved: None,
            date_zone_minutes: 0,
            system: 0,
            unended: false,
        };
        let before = parts(entry.put(MailboxId(1))).1.len();
        entry.saved = Some(SavedAt::new(now));
        assert_eq!(parts(entry.put(MailboxId(1))).1.len(), before + 1);
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 48);
    }
}
