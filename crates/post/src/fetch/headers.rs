//! Headers of which only some fields are told: those of many messages are read together, since
//! they mostly lie close to each other.
//!
//! Not here: where each header is (`fetch`), which fields are kept (`message::Section::filter`).

use bytes::Bytes;
use mail::BlobRange;
use store::Sought;

use super::{Data, FetchPlan, FetchRow, slice};
use crate::tables::EmailRow;
use crate::{Account, Outcome};

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
        let sought = waiting.iter().map(|header| header.sought).collect();
        let read = self.house.read_sought(sought).await?;
        // In one piece of memory, as they are told and let go together.
        let mut kept = Vec::new();
        let mut ends = Vec::with_capacity(waiting.len());
        for (header, octets) in waiting.iter().zip(read) {
            if let Some(item) = plan.items.get(header.item) {
                item.section.filter(&octets, &mut kept);
            }
            ends.push(kept.len());
        }
        let kept = Bytes::from(kept);
        let mut begin = 0;
        for (header, end) in waiting.iter().zip(ends) {
            let fields = kept.slice(begin..end);
            begin = end;
            let told = rows
                .get_mut(header.row)
                .and_then(|row| row.data.get_mut(header.item));
            if let (Some(told), Some(item)) = (told, plan.items.get(header.item)) {
                *told = Data::Octets(slice(fields, item.range));
            }
        }
        Ok(())
    }
}
