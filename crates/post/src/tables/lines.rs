//! The rows that a change of many messages writes: what it removed, and the flags it set.

use mail::{MailboxId, ModSeq, Uid, UidSet};
use store::Write;

use super::{FLAG_RUNS, FlagRun, VANISHED, VERSION, delete, put, read_mailbox_key, vanished_key};
use crate::octets::{Reader, Writer};

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

pub(crate) fn put_flag_runs(modseq: ModSeq, mailbox: MailboxId, runs: &[FlagRun]) -> Write {
    let mut writer = Writer::version(VERSION);
    let mut last = 0;
    for run in runs {
        let (low, high) = (run.low.value(), run.high.value());
        writer = writer
            .number(u64::from(low - last))
            .number(u64::from(high - low))
            .fixed(&[run.system])
            .number(run.keywords);
        last = high;
    }
    // No run begins at 0 steps from the last.
    let value = writer.number(0).finish();
    put(FLAG_RUNS, vanished_key(modseq, mailbox), value)
}

pub(crate) fn read_flag_runs(
    key: &[u8],
    value: &[u8],
) -> Option<(ModSeq, MailboxId, Vec<FlagRun>)> {
    let (modseq, mailbox) = key.split_first_chunk::<8>()?;
    let mut reader = Reader::version(value, VERSION)?;
    let mut runs = Vec::new();
    let mut last = 0_u32;
    loop {
        let step = reader.small::<u32>()?;
        if step == 0 {
            break;
        }
        let low = last.checked_add(step)?;
        last = low.checked_add(reader.small()?)?;
        runs.push(FlagRun {
            low: Uid::new(low)?,
            high: Uid::new(last)?,
            system: u8::from_be_bytes(reader.fixed()?),
            keywords: reader.number()?,
        });
    }
    reader.end()?;
    let modseq = ModSeq(u64::from_be_bytes(*modseq));
    Some((modseq, read_mailbox_key(mailbox)?, runs))
}

pub(crate) fn delete_flag_runs(modseq: ModSeq, mailbox: MailboxId) -> Write {
    delete(FLAG_RUNS, vanished_key(modseq, mailbox))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removals_come_back() {
        let mut uids = UidSet::new();
        for (low, high) in [(1, 1), (3, 9), (100, 4_000_000_000)] {
            uids.insert_range(Uid::new(low).unwrap()..=Uid::new(high).unwrap());
        }
        let Write::Put { key, value, .. } = put_vanished(ModSeq(5), MailboxId(6), &uids) else {
            panic!("no plain row");
        };
        let read = read_vanished(&key, &value);
        assert_eq!(read, Some((ModSeq(5), MailboxId(6), uids)));
    }
}
