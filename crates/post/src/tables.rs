//! The rows of an account's partition: each table once, as types with a version octet.
//!
//! Not here: the directory's rows (`directory::rows`), what the rows are for (`ledger`).

use bytes::{BufMut, Bytes, BytesMut};
use mail::{
    BlobId, EmailId, Keyword, MailboxId, ModSeq, Role, Timestamp, Uid, UidSet, UidValidity,
};
use store::{Table, Write};

use crate::Usage;
use crate::octets::{Reader, Writer};

/// The account's counters: one row.
pub(crate) const COUNTERS: Table = Table(1);
/// Mailboxes by id.
pub(crate) const MAILBOXES: Table = Table(2);
/// The next UID of a mailbox, by its id.
pub(crate) const NEXT_UIDS: Table = Table(3);
/// Messages in mailboxes, by mailbox and UID.
pub(crate) const ENTRIES: Table = Table(4);
/// Messages, by email id.
pub(crate) const EMAILS: Table = Table(5);
/// What was removed, by mod-sequence and mailbox.
pub(crate) const VANISHED: Table = Table(6);
/// Names subscribed to.
pub(crate) const SUBSCRIPTIONS: Table = Table(7);
/// Notes on mailboxes, by mailbox (0 for the whole account) and entry.
pub(crate) const METADATA: Table = Table(11);

/// All tables of an account.
pub(crate) const ALL: [Table; 8] = [
    COUNTERS,
    MAILBOXES,
    NEXT_UIDS,
    ENTRIES,
    EMAILS,
    VANISHED,
    SUBSCRIPTIONS,
    METADATA,
];

const VERSION: u8 = 1;
/// Counters that count the messages as well.
const VERSION_COUNTED: u8 = 2;

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
    pub(crate) date_zone_minutes: i16,
    /// [`mail::FlagSet::system_bits`].
    pub(crate) system: u8,
}

/// A message, shared by its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmailRow {
    pub(crate) blob: BlobId,
    pub(crate) size: u64,
    /// As `message` encodes it; `None` where it was not made at delivery.
    pub(crate) outline: Option<Bytes>,
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
        let (mut reader, version) = Reader::either(value, &[VERSION, VERSION_COUNTED])?;
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
        put(MAILBOXES, mailbox_key(id), writer.octets(b"").finish())
    }

    pub(crate) fn read(key: &[u8], value: &[u8]) -> Option<(MailboxId, Self)> {
        let id = read_mailbox_key(key)?;
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
        Some((id, row))
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
        let value = Writer::version(VERSION)
            .number(self.email.0)
            .number(self.modseq.0)
            .fixed(&[self.system])
            .number(self.keywords)
            .number(self.size.into())
            .signed(self.date_seconds)
            .signed(self.date_zone_minutes.into())
            .finish();
        put(ENTRIES, entry_key(mailbox, self.uid), value)
    }

    pub(crate) fn read(key: &[u8], value: &[u8]) -> Option<(MailboxId, Self)> {
        let (mailbox, uid) = key.split_first_chunk::<8>()?;
        let mut reader = Reader::version(value, VERSION)?;
        let entry = Self {
            uid: Uid::new(u32::from_be_bytes(uid.try_into().ok()?))?,
            email: EmailId(reader.number()?),
            modseq: ModSeq(reader.number()?),
            system: u8::from_be_bytes(reader.fixed()?),
            keywords: reader.number()?,
            size: reader.small()?,
            date_seconds: reader.signed()?,
            date_zone_minutes: i16::try_from(reader.signed()?).ok()?,
        };
        reader.end()?;
        Some((MailboxId(u64::from_be_bytes(*mailbox)), entry))
    }

    pub(crate) fn delete(mailbox: MailboxId, uid: Uid) -> Write {
        delete(ENTRIES, entry_key(mailbox, uid))
    }
}

impl EmailRow {
    pub(crate) fn put(&self, id: EmailId) -> Write {
        let outline = self.outline.as_deref().unwrap_or_default();
        let value = Writer::version(VERSION)
            .fixed(&self.blob.0)
            .number(self.size)
            .octets(outline)
            .finish();
        put(EMAILS, email_key(id), value)
    }

    pub(crate) fn read(value: &Bytes) -> Option<Self> {
        let mut reader = Reader::version(value, VERSION)?;
        let blob = BlobId(reader.fixed()?);
        let size = reader.number()?;
        let outline = reader.octets()?;
        let outline = (!outline.is_empty()).then(|| value.slice_ref(outline));
        reader.end()?;
        Some(Self {
            blob,
            size,
            outline,
        })
    }

    pub(crate) fn delete(id: EmailId) -> Write {
        delete(EMAILS, email_key(id))
    }
}

/// A line about removed messages.
pub(crate) fn put_vanished(modseq: ModSeq, mailbox: MailboxId, uids: &UidSet) -> Write {
    let mut writer = Writer::version(VERSION);
    let mut last = 0;
    for range in uids.ranges() {
        let (low, high) = (range.start().value(), range.end().value());
        // A range never begins at 0 steps from the last, so 0 ends the row.
        writer = writer
            .number(u64::from(low - last))
            .number(u64::from(high - low));
        last = high;
    }
    let value = writer.number(0).finish();
    put(VANISHED, vanished_key(modseq, mailbox), value)
}

pub(crate) fn read_vanished(key: &[u8], value: &[u8]) -> Option<(ModSeq, MailboxId, UidSet)> {
    let (modseq, mailbox) = key.split_first_chunk::<8>()?;
    let mut reader = Reader::version(value, VERSION)?;
    let mut uids = UidSet::new();
    let mut last = 0_u32;
    loop {
        let step = reader.small::<u32>()?;
        if step == 0 {
            break;
        }
        let low = last.checked_add(step)?;
        last = low.checked_add(reader.small()?)?;
        uids.insert_range(Uid::new(low)?..=Uid::new(last)?);
    }
    reader.end()?;
    let modseq = ModSeq(u64::from_be_bytes(*modseq));
    Some((modseq, read_mailbox_key(mailbox)?, uids))
}

pub(crate) fn delete_vanished(modseq: ModSeq, mailbox: MailboxId) -> Write {
    delete(VANISHED, vanished_key(modseq, mailbox))
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
    let (mailbox, entry) = key.split_first_chunk::<8>()?;
    let mut reader = Reader::version(value, VERSION)?;
    let value = Bytes::copy_from_slice(reader.octets()?);
    reader.end()?;
    let entry = std::str::from_utf8(entry).ok()?.to_owned();
    Some((MailboxId(u64::from_be_bytes(*mailbox)), entry, value))
}

pub(crate) fn delete_metadata(mailbox: MailboxId, entry: &str) -> Write {
    delete(METADATA, metadata_key(mailbox, entry))
}

fn metadata_key(mailbox: MailboxId, entry: &str) -> Bytes {
    [&mailbox.0.to_be_bytes(), entry.as_bytes()].concat().into()
}

pub(crate) fn email_key(id: EmailId) -> Bytes {
    Bytes::copy_from_slice(&id.0.to_be_bytes())
}

fn mailbox_key(id: MailboxId) -> Bytes {
    Bytes::copy_from_slice(&id.0.to_be_bytes())
}

fn read_mailbox_key(key: &[u8]) -> Option<MailboxId> {
    Some(MailboxId(u64::from_be_bytes(key.try_into().ok()?)))
}

fn entry_key(mailbox: MailboxId, uid: Uid) -> Bytes {
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

const fn put(table: Table, key: Bytes, value: Bytes) -> Write {
    Write::Put { table, key, value }
}

const fn delete(table: Table, key: Bytes) -> Write {
    Write::Delete { table, key }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(write: Write) -> (Bytes, Bytes) {
        match write {
            Write::Put { key, value, .. } => (key, value),
            Write::Delete { .. } => panic!("a delete"),
        }
    }

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
            date_zone_minutes: -720,
            system: 31,
        };
        let (key, value) = parts(entry.put(MailboxId(6)));
        assert_eq!(Entry::read(&key, &value), Some((MailboxId(6), entry)));

        for outline in [None, Some(Bytes::from_static(b"outline"))] {
            let email = EmailRow {
                blob: BlobId([7; 32]),
                size: 99,
                outline,
            };
            let (_, value) = parts(email.put(EmailId(1)));
            assert_eq!(EmailRow::read(&value), Some(email));
        }

        let (key, value) = parts(put_metadata(MailboxId(3), "/private/a", b"\0b"));
        let read = read_metadata(&key, &value).unwrap();
        let name = "/private/a".to_owned();
        assert_eq!(read, (MailboxId(3), name, Bytes::from_static(b"\0b")));

        let (key, value) = parts(put_next_uid(MailboxId(2), None));
        assert_eq!(read_next_uid(&key, &value), Some((MailboxId(2), None)));
    }

    #[test]
    fn removals_come_back() {
        let mut uids = UidSet::new();
        for (low, high) in [(1, 1), (3, 9), (100, 4_000_000_000)] {
            uids.insert_range(Uid::new(low).unwrap()..=Uid::new(high).unwrap());
        }
        let (key, value) = parts(put_vanished(ModSeq(5), MailboxId(6), &uids));
        let read = read_vanished(&key, &value);
        assert_eq!(read, Some((ModSeq(5), MailboxId(6), uids)));
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 48);
    }
}
