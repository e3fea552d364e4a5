//! What operations did, beside the operations that are remembered.

use std::collections::BTreeMap;

use bytes::Bytes;
use mail::ModSeq;

use super::memory::Walked;
use super::walk::{Auditor, count, octets};
use super::{Kind, Mend, Place, Suspect};
use crate::Outcome;
use crate::ledger::{Ledger, scan};
use crate::tables::{self, GONE, Part, State};

/// The rows of what operations did.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// How many there are of each operation.
    rows: BTreeMap<ModSeq, Vec<Bytes>>,
    /// Keys of those that cannot be read.
    unreadable: Vec<Bytes>,
}

impl Auditor<'_> {
    /// Reads what operations did, and adds the messages that they keep.
    pub(super) async fn gone(&mut self, walked: &mut Walked) -> Outcome<()> {
        let store = self.account.house.inner.store.as_ref();
        let mut read = 0;
        scan(store, self.account.keeper.partition(), GONE, |row| {
            read += octets(row);
            let part = tables::read_part(&row.value);
            match tables::read_part_key(&row.key).zip(part) {
                None => walked.parts.unreadable.push(row.key.clone()),
                Some(((line, _), part)) => {
                    walked
                        .parts
                        .rows
                        .entry(line)
                        .or_default()
                        .push(row.key.clone());
                    if let Part::Removed(removed) = part {
                        let emails = removed.entries.iter().map(|entry| entry.email);
                        walked.emails.extend(emails);
                    }
                }
            }
            Some(())
        })
        .await?;
        self.spend(count(read)).await;
        Ok(())
    }
}

impl Parts {
    /// Every row belongs to an operation, and every operation has its rows.
    pub(super) fn judge(&self, ledger: &Ledger, suspects: &mut Vec<Suspect>) {
        let place = Place::Account;
        for key in &self.unreadable {
            let what = format!("a row of table {} cannot be read: {key:?}", GONE.0);
            suspects.push(Suspect::of(Kind::Unreadable, place, what, Mend::Nothing));
        }
        for (line, keys) in &self.rows {
            if ledger.history.contains_key(line) {
                continue;
            }
            for key in keys {
                let what = format!(
                    "what operation {} did is kept, but not the operation",
                    line.0
                );
                let mend = Mend::Row(GONE, key.clone());
                suspects.push(Suspect::of(Kind::Orphan, place, what, mend));
            }
        }
        for (line, known) in &ledger.history {
            let found = self.rows.get(line).map_or(0, Vec::len);
            // Of one that is being forgotten some may have gone.
            if known.state != State::Forgotten && u32::try_from(found) != Ok(known.parts) {
                let what = format!(
                    "operation {} has {found} rows of {}: it cannot be undone whole",
                    line.0, known.parts
                );
                suspects.push(Suspect::of(Kind::Operation, place, what, Mend::Nothing));
            }
        }
    }
}
