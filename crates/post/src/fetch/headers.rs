//! Headers of which only some fields are told: those of many messages are read together, since
//! they mostly lie close to each other.
//!
//! Not here: where each header is (`fetch`), which fields are kept (`message::Section::filter`).

use bytes::Bytes;
use mail::BlobRange;
use store::Sought;

use super::{Data, FetchPlan, FetchRow, slice};
use crate::tables::EmailRow;
use crate::{Account, Outcome, Why};

/// Octets of headers that are read together at most; what does not fit is read alone, at once.
const TOGETHER_OCTETS_MAX: u64 = 64 * 1024;
/// Above so many they are read before the next message is looked at.
const MANY_OCTETS: u64 = 48 * 1024;

/// Headers that are not read yet.
#[derive(Debug, Default)]
pub(super) struct Headers {
    waiting: Vec<Header>,
    octets: u64,
    /// Which row is being made.
    row: usize,
}

/// Some fields of it are to become an item of a row.
#[derive(Clone, Copy, Debug)]
struct Header {
    row: usize,
    item: usize,
    sought: Sought,
}

impl Headers {
    /// Those that are noted from here on belong to this row.
    pub(super) const fn begin_row(&mut self, row: usize) {
        self.row = row;
    }

    /// True if there is room for one more.
    pub(super) const fn fit(&self, range: BlobRange) -> bool {
        self.octets.saturating_add(range.len) <= TOGETHER_OCTETS_MAX
    }

    /// Waits for the header that an item of the row is made of; tells its octets.
    pub(super) fn note(&mut self, item: usize, range: BlobRange, email: &EmailRow) -> u64 {
        let row = self.row;
        let (len, hint) = (email.size, email.hint);
        let sought = Sought { range, len, hint };
        self.waiting.push(Header { row, item, sought });
        self.octets = self.octets.saturating_add(range.len);
        range.len
    }

    pub(super) const fn are_many(&self) -> bool {
        self.octets > MANY_OCTETS
    }
}

impl Account {
    /// Reads the headers that are waited for, and gives their fields to their rows.
    pub(super) async fn read_headers(
        &self,
        headers: &mut Headers,
        rows: &mut [FetchRow],
        plan: &FetchPlan,
    ) -> Outcome<()> {
        let Headers { waiting, .. } = std::mem::take(headers);
        if waiting.is_empty() {
            return Ok(());
        }
        let sought: Vec<_> = waiting.iter().map(|header| header.sought).collect();
        let read = match self.house.read_sought(sought.clone()).await {
            Err(error) if error.why() == Why::Damaged => self.read_one_by_one(sought).await?,
            read => read?.into_iter().map(Some).collect(),
        };
        // In one piece of memory, as they are told and let go together.
        let mut kept = Vec::new();
        let mut ends = Vec::with_capacity(waiting.len());
        for (header, octets) in waiting.iter().zip(read) {
            if let (Some(item), Some(octets)) = (plan.items.get(header.item), &octets) {
                item.section.filter(octets, &mut kept);
            }
            ends.push((kept.len(), octets.is_none()));
        }
        let kept = Bytes::from(kept);
        let mut begin = 0;
        for (header, (end, is_damaged)) in waiting.iter().zip(ends) {
            let fields = kept.slice(begin..end);
            begin = end;
            let told = rows
                .get_mut(header.row)
                .and_then(|row| row.data.get_mut(header.item));
            if let (Some(told), Some(item)) = (told, plan.items.get(header.item)) {
                *told = match is_damaged {
                    true => Data::Damaged,
                    false => Data::Octets(slice(fields, item.range)),
                };
            }
        }
        Ok(())
    }

    /// The same where one of them is damaged: that is `None`.
    async fn read_one_by_one(&self, sought: Vec<Sought>) -> Outcome<Vec<Option<Bytes>>> {
        let mut read = Vec::with_capacity(sought.len());
        for one in sought {
            read.push(match self.house.read_sought(vec![one]).await {
                Err(error) if error.why() == Why::Damaged => None,
                octets => octets?.pop(),
            });
        }
        Ok(read)
    }
}
