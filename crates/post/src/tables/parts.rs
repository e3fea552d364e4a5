//! What an operation took away or changed.
//!
//! A message that was removed keeps its own row, and so its body, as long as a row here names it.

use bytes::{BufMut, Bytes, BytesMut};
use mail::{EmailId, MailboxId, ModSeq, Rights, Uid, UidSet};
use store::Write;

use super::history::deed_key;
use super::{Entry, GONE, MailboxRow, SavedAt, UNENDED, VERSION, delete, put};
use crate::access::{Acl, Grantee};
use crate::octets::{Reader, Writer};

/// A thing that an operation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Messages were removed; their own rows stay.
    Removed(Removed),
    /// Messages went to another mailbox.
    Moved(Moved),
    /// Messages got other flags.
    Flagged(Flagged),
    /// Messages came: copies, or what an undoing brought back.
    Filed(Filed),
    /// A mailbox was deleted, without what was in it.
    Deleted(Box<Deleted>),
    /// A mailbox that had been deleted came back.
    Revived(MailboxId),
    /// A mailbox got another name.
    Renamed(Renamed),
}

/// See [`Part::Removed`]. The mod-sequences of the entries are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) mailbox: MailboxId,
    pub(crate) entries: Vec<Entry>,
}

/// See [`Part::Moved`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) from: MailboxId,
    pub(crate) to: MailboxId,
    pub(crate) runs: Vec<MovedRun>,
}

/// Messages next to each other that are next to each other again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MovedRun {
    /// The UID of the first where it was.
    pub(crate) source: Uid,
    /// The UID of the first where it came.
    pub(crate) target: Uid,
    /// For each, when it had been put where it was.
    pub(crate) saved: Vec<Option<SavedAt>>,
}

/// See [`Part::Flagged`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flagged {
    pub(crate) mailbox: MailboxId,
    pub(crate) runs: Vec<ReflagRun>,
}

/// Messages next to each other that had the same flags, and got the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReflagRun {
    pub(crate) low: Uid,
    pub(crate) high: Uid,
    /// How many they are.
    pub(crate) messages: u32,
    /// System flags and keywords before.
    pub(crate) before: (u8, u64),
    /// And after.
    pub(crate) after: (u8, u64),
}

/// See [`Part::Filed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filed {
    pub(crate) mailbox: MailboxId,
    pub(crate) uids: UidSet,
}

/// See [`Part::Deleted`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deleted {
    pub(crate) id: MailboxId,
    pub(crate) row: MailboxRow,
    pub(crate) next_uid: Option<Uid>,
    pub(crate) acl: Acl,
    pub(crate) notes: Vec<(String, Bytes)>,
}

/// See [`Part::Renamed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Renamed {
    pub(crate) id: MailboxId,
    pub(crate) from: String,
    pub(crate) to: String,
}

pub(crate) fn put_part(line: ModSeq, number: u32, part: &Part) -> Write {
    let writer = Writer::version(VERSION);
    let writer = match part {
        Part::Removed(removed) => removed.write(writer.number(1)),
        Part::Moved(moved) => moved.write(writer.number(2)),
        Part::Flagged(flagged) => flagged.write(writer.number(3)),
        Part::Filed(filed) => write_uids(writer.number(4).number(filed.mailbox.0), &filed.uids),
        Part::Deleted(deleted) => deleted.write(writer.number(5)),
        Part::Revived(id) => writer.number(6).number(id.0),
        Part::Renamed(Renamed { id, from, to }) => writer
            .number(7)
            .number(id.0)
            .octets(from.as_bytes())
            .octets(to.as_bytes()),
    };
    put(GONE, part_key(line, number), writer.finish())
}

pub(crate) fn read_part(value: &[u8]) -> Option<Part> {
    let mut reader = Reader::version(value, VERSION)?;
    let part = match reader.number()? {
        1 => Part::Removed(Removed::read(&mut reader)?),
        2 => Part::Moved(Moved::read(&mut reader)?),
        3 => Part::Flagged(Flagged::read(&mut reader)?),
        4 => Part::Filed(Filed {
            mailbox: MailboxId(reader.number()?),
            uids: read_uids(&mut reader)?,
        }),
        5 => Part::Deleted(Box::new(Deleted::read(&mut reader)?)),
        6 => Part::Revived(MailboxId(reader.number()?)),
        7 => Part::Renamed(Renamed {
            id: MailboxId(reader.number()?),
            from: reader.text()?.to_owned(),
            to: reader.text()?.to_owned(),
        }),
        _ => return None,
    };
    reader.end()?;
    Some(part)
}

/// Which part of which operation a row is.
pub(crate) fn read_part_key(key: &[u8]) -> Option<(ModSeq, u32)> {
    let (line, number) = key.split_first_chunk::<8>()?;
    let number = u32::from_be_bytes(number.try_into().ok()?);
    Some((ModSeq(u64::from_be_bytes(*line)), number))
}

pub(crate) fn delete_part(line: ModSeq, number: u32) -> Write {
    delete(GONE, part_key(line, number))
}

/// The keys of an operation's parts: from the first up to one that is none.
pub(crate) fn part_range(line: ModSeq) -> (Bytes, Option<Bytes>) {
    (part_key(line, 0), Some(deed_key(line.next())))
}

fn part_key(line: ModSeq, number: u32) -> Bytes {
    let mut key = BytesMut::with_capacity(12);
    key.put_u64(line.0);
    key.put_u32(number);
    key.freeze()
}

impl Removed {
    /// Each entry as it differs from the one before: some 14 octets.
    fn write(&self, writer: Writer) -> Writer {
        let mut writer = writer.number(self.mailbox.0);
        let (mut uid, mut email, mut date) = (0, 0, 0);
        for entry in &self.entries {
            writer = writer
                .number(u64::from(entry.uid.value() - uid))
                .signed(entry.email.0.wrapping_sub(email).cast_signed())
                .fixed(&[entry.system | if entry.unended { UNENDED } else { 0 }])
                .number(entry.keywords)
                .number(entry.size.into())
                .signed(entry.date_seconds.wrapping_sub(date))
                .signed(entry.date_zone_minutes.into());
            writer = write_saved(writer, entry.saved, entry.date_seconds);
            (uid, email, date) = (entry.uid.value(), entry.email.0, entry.date_seconds);
        }
        // UIDs rise, so no entry is 0 steps from the one before.
        writer.number(0)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mailbox = MailboxId(reader.number()?);
        let mut entries = Vec::new();
        let (mut uid, mut email, mut date) = (0_u32, 0_u64, 0_i64);
        loop {
            let step = reader.small::<u32>()?;
            if step == 0 {
                return Some(Self { mailbox, entries });
            }
            uid = uid.checked_add(step)?;
            email = email.wrapping_add(reader.signed()?.cast_unsigned());
            let [bits] = reader.fixed()?;
            let (keywords, size) = (reader.number()?, reader.small()?);
            date = date.wrapping_add(reader.signed()?);
            entries.push(Entry {
                email: EmailId(email),
                modseq: ModSeq(0),
                keywords,
                date_seconds: date,
                uid: Uid::new(uid)?,
                size,
                date_zone_minutes: i16::try_from(reader.signed()?).ok()?,
                saved: read_saved(reader, date)?,
                system: bits & !UNENDED,
                unended: bits & UNENDED != 0,
            });
        }
    }
}

impl Moved {
    fn write(&self, writer: Writer) -> Writer {
        let mut writer = writer.number(self.from.0).number(self.to.0);
        let mut near = 0;
        for run in &self.runs {
            writer = writer
                .number(u64::try_from(run.saved.len()).unwrap_or(u64::MAX))
                .number(run.source.value().into())
                .number(run.target.value().into());
            for saved in &run.saved {
                writer = write_saved(writer, *saved, near);
                near = saved.map_or(near, |saved| saved.moment().seconds);
            }
        }
        writer.number(0)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (from, to) = (MailboxId(reader.number()?), MailboxId(reader.number()?));
        let mut runs = Vec::new();
        let mut near = 0;
        loop {
            let len = reader.number()?;
            if len == 0 {
                return Some(Self { from, to, runs });
            }
            let mut run = MovedRun {
                source: Uid::new(reader.small()?)?,
                target: Uid::new(reader.small()?)?,
                saved: Vec::new(),
            };
            for _ in 0..len {
                let saved = read_saved(reader, near)?;
                near = saved.map_or(near, |saved| saved.moment().seconds);
                run.saved.push(saved);
            }
            runs.push(run);
        }
    }

    /// From which UID to which, and when each had been put where it was.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (Uid, Uid, Option<SavedAt>)> {
        self.runs.iter().flat_map(|run| {
            let steps = (0_u32..).zip(&run.saved);
            steps.filter_map(|(step, saved)| {
                let uid = |first: Uid| Uid::new(first.value().checked_add(step)?);
                Some((uid(run.source)?, uid(run.target)?, *saved))
            })
        })
    }
}

impl Flagged {
    fn write(&self, writer: Writer) -> Writer {
        let mut writer = writer.number(self.mailbox.0);
        let mut last = 0;
        for run in &self.runs {
            let (low, high) = (run.low.value(), run.high.value());
            writer = writer
                .number(u64::from(low - last))
                .number(u64::from(high - low))
                .number(run.messages.into())
                .fixed(&[run.before.0, run.after.0])
                .number(run.before.1)
                .number(run.before.1 ^ run.after.1);
            last = high;
        }
        writer.number(0)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mailbox = MailboxId(reader.number()?);
        let mut runs = Vec::new();
        let mut last = 0_u32;
        loop {
            let step = reader.small::<u32>()?;
            if step == 0 {
                return Some(Self { mailbox, runs });
            }
            let low = last.checked_add(step)?;
            last = low.checked_add(reader.small()?)?;
            let messages = reader.small()?;
            let [before, after] = reader.fixed()?;
            let keywords = reader.number()?;
            runs.push(ReflagRun {
                low: Uid::new(low)?,
                high: Uid::new(last)?,
                messages,
                before: (before, keywords),
                after: (after, keywords ^ reader.number()?),
            });
        }
    }
}

impl ReflagRun {
    /// The flags of a message that has these now, without what the change did to them.
    pub(crate) const fn undone(&self, now: (u8, u64)) -> (u8, u64) {
        let changed = (self.before.0 ^ self.after.0, self.before.1 ^ self.after.1);
        (
            now.0 & !changed.0 | self.before.0 & changed.0,
            now.1 & !changed.1 | self.before.1 & changed.1,
        )
    }
}

impl Flagged {
    /// How many messages got other flags.
    pub(crate) fn messages(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.messages)).sum()
    }
}

impl Deleted {
    fn write(&self, writer: Writer) -> Writer {
        let mut writer = writer
            .number(self.id.0)
            .octets(&self.row.value())
            .number(self.next_uid.map_or(0, |uid| uid.value().into()))
            .number(u64::try_from(self.acl.len()).unwrap_or(u64::MAX));
        for (grantee, rights) in &self.acl {
            writer = writer
                .number(grantee.account.0)
                .number(grantee.negative.into())
                .number(rights.bits().into());
        }
        for (entry, value) in &self.notes {
            writer = writer.octets(entry.as_bytes()).octets(value);
        }
        // No note has an empty name.
        writer.octets(b"")
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let id = MailboxId(reader.number()?);
        let row = MailboxRow::read_value(reader.octets()?)?;
        let next_uid = Uid::new(reader.small()?);
        let (entries, mut acl) = (reader.number()?, Acl::new());
        for _ in 0..entries {
            let account = mail::AccountId(reader.number()?);
            let negative = reader.number()? != 0;
            let rights = Rights::from_bits(reader.small()?);
            acl.insert(Grantee { negative, account }, rights);
        }
        let mut notes = Vec::new();
        loop {
            let entry = reader.text()?.to_owned();
            if entry.is_empty() {
                break;
            }
            notes.push((entry, Bytes::copy_from_slice(reader.octets()?)));
        }
        Some(Self {
            id,
            row,
            next_uid,
            acl,
            notes,
        })
    }
}

fn write_saved(writer: Writer, saved: Option<SavedAt>, near: i64) -> Writer {
    match saved {
        None => writer.number(0),
        Some(saved) => writer
            .number(1)
            .signed(saved.moment().seconds.wrapping_sub(near)),
    }
}

/// `Some(None)` where it is not known when a message was put there.
#[expect(
    clippy::option_option,
    reason = "the outer one is a row that cannot be read"
)]
fn read_saved(reader: &mut Reader<'_>, near: i64) -> Option<Option<SavedAt>> {
    match reader.number()? {
        0 => Some(None),
        1 => SavedAt::from_seconds(near.wrapping_add(reader.signed()?)).map(Some),
        _ => None,
    }
}

fn write_uids(mut writer: Writer, uids: &UidSet) -> Writer {
    let mut last = 0;
    for range in uids.ranges() {
        let (low, high) = (range.start().value(), range.end().value());
        writer = writer
            .number(u64::from(low - last))
            .number(u64::from(high - low));
        last = high;
    }
    writer.number(0)
}

fn read_uids(reader: &mut Reader<'_>) -> Option<UidSet> {
    let mut uids = UidSet::new();
    let mut last = 0_u32;
    loop {
        let step = reader.small::<u32>()?;
        if step == 0 {
            return Some(uids);
        }
        let low = last.checked_add(step)?;
        last = low.checked_add(reader.small()?)?;
        uids.insert_range(Uid::new(low)?..=Uid::new(last)?);
    }
}

#[cfg(test)]
mod tests {
    use mail::{AccountId, Keyword, Timestamp, UidValidity};

    use super::*;
    use crate::tables::parts;

    fn uid(value: u32) -> Uid {
        Uid::new(value).unwrap()
    }

    fn entry(value: u32) -> Entry {
        Entry {
            email: EmailId(u64::from(value) * 7 % 13),
            modseq: ModSeq(0),
            keywords: u64::from(value % 3),
            date_seconds: 1_700_000_000 - i64::from(value),
            uid: uid(value),
            size: 4000,
            saved: (value.is_multiple_of(2)).then(|| SavedAt::new(Timestamp::utc(1_700_000_100))),
            date_zone_minutes: -60,
            system: 31,
            unended: value.is_multiple_of(4),
        }
    }

    fn all() -> Vec<Part> {
        let mut uids = UidSet::from_range(uid(3)..=uid(9));
        uids.insert(Uid::MAX);
        let runs = vec![
            MovedRun {
                source: uid(2),
                target: uid(900),
                saved: vec![None, Some(SavedAt::new(Timestamp::utc(5)))],
            },
            MovedRun {
                source: uid(9),
                target: uid(902),
                saved: vec![Some(SavedAt::new(Timestamp::utc(1_700_000_000)))],
            },
        ];
        let grantee = Grantee {
            negative: true,
            account: AccountId(3),
        };
        vec![
            Part::Removed(Removed {
                mailbox: MailboxId(1),
                entries: [1, 2, 3, 900, 4_000_000_000].map(entry).to_vec(),
            }),
            Part::Moved(Moved {
                from: MailboxId(1),
                to: MailboxId(2),
                runs,
            }),
            Part::Flagged(Flagged {
                mailbox: MailboxId(4),
                runs: vec![ReflagRun {
                    low: uid(1),
                    high: uid(10_000),
                    messages: 9000,
                    before: (1, 6),
                    after: (9, 4),
                }],
            }),
            Part::Filed(Filed {
                mailbox: MailboxId(5),
                uids,
            }),
            Part::Deleted(Box::new(Deleted {
                id: MailboxId(6),
                row: MailboxRow {
                    name: "Été".into(),
                    uidvalidity: UidValidity::MAX,
                    role: Some(mail::Role::Sent),
                    selectable: true,
                    created: ModSeq(3),
                    keywords: vec![Keyword::parse("a").unwrap()],
                },
                next_uid: None,
                acl: Acl::from([(grantee, Rights::ALL)]),
                notes: vec![("/private/comment".into(), Bytes::from("x"))],
            })),
            Part::Revived(MailboxId(7)),
            Part::Renamed(Renamed {
                id: MailboxId(8),
                from: "A".into(),
                to: "B/C".into(),
            }),
        ]
    }

    #[test]
    fn parts_come_back_and_no_piece_of_one_is_taken_for_a_part() {
        for (number, part) in (0..).zip(all()) {
            let (key, value) = parts(put_part(ModSeq(9), number, &part));
            assert_eq!(read_part_key(&key), Some((ModSeq(9), number)));
            assert_eq!(read_part(&value).as_ref(), Some(&part));
            for end in 0..value.len() {
                assert_eq!(read_part(&value[..end]), None, "{part:?} up to {end}");
            }
            let (from, to) = part_range(ModSeq(9));
            assert!(key >= from && key < to.unwrap());
        }
    }

    #[test]
    fn what_was_removed_takes_few_octets_and_what_was_moved_fewer() {
        let entries: Vec<Entry> = (1..=1000).map(entry).collect();
        let saved = entries.iter().map(|entry| entry.saved).collect();
        let removed = Part::Removed(Removed {
            mailbox: MailboxId(1),
            entries,
        });
        let run = MovedRun {
            source: uid(1),
            target: uid(1),
            saved,
        };
        let moved = Part::Moved(Moved {
            from: MailboxId(1),
            to: MailboxId(2),
            runs: vec![run],
        });
        for (part, octets_max) in [(removed, 16_000), (moved, 4000)] {
            let (_, value) = parts(put_part(ModSeq(1), 0, &part));
            assert!(value.len() < octets_max, "{}", value.len());
        }
    }
}
