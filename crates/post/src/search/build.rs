//! Segments are made and merged: one account at a time, off every other task's way.

use std::borrow::Cow;
use std::sync::Arc;

use index::{Builder, Document, IDS_MAX, Segment, merge};
use mail::{EmailId, MailboxId, Uid};
use message::{bare, fold, header_text, search_text};

use super::shelf::{Mute, Shelf, index_waiting_max, mark, piece};
use super::yield_now;
use crate::ledger::Ledger;
use crate::tables::EmailRow;
use crate::{Account, Error, Outcome, Post};

/// Ids of one segment as it is first made.
const FRESH_IDS_MAX: u64 = 16_384;
/// Octets up to which segments are merged.
const SEGMENT_OCTETS_MAX: u64 = 8 << 20;
/// Segments that are merged at once, at least: each time all of their octets are written again.
const MERGED_MIN: usize = 4;
/// Rows read in one round trip.
const READ_AT_ONCE: usize = 32;

/// An email and one of its places.
type Place = (EmailId, MailboxId, Uid);

impl Post {
    /// Keeps the index of every account near its mail: works as long as it is polled, and waits
    /// where there is nothing to do. One for the house, best on a thread of its own.
    ///
    /// Whoever comes first after a rest is let wait for a `pause`: what comes meanwhile is taken up
    /// with it, and so is not merged with it later.
    pub async fn keep_index<P: Future<Output = ()>>(&self, pause: impl Fn() -> P) {
        loop {
            if self.inner.waiting.is_empty() {
                self.inner.waiting.arrival().await;
                pause().await;
            }
            let id = self.inner.waiting.next().await;
            // An account that was removed meanwhile needs none.
            let Ok(account) = self.account(id).await else {
                continue;
            };
            if let Err(error) = account.index_waiting().await {
                tracing::warn!(account = id.0, %error, "an index stays behind");
                // Not at once again: when as many more have come.
                if let Ok(newest) = account.look(|ledger| ledger.counters.email).await {
                    account.keeper.index.done(newest);
                }
            }
        }
    }
}

impl Account {
    /// Makes segments as long as enough have none.
    async fn index_waiting(&self) -> Outcome<u64> {
        let messages = self.look(|ledger| ledger.counters.usage.messages).await?;
        self.index(index_waiting_max(messages)).await
    }

    /// Makes segments as long as at least `ids_min` email ids have none; says how many messages
    /// were put into them.
    ///
    /// # Errors
    /// If the store cannot be read, or has no room.
    pub async fn index(&self, ids_min: u64) -> Outcome<u64> {
        self.renew_index().await;
        let mut messages = 0;
        loop {
            let covered = self.shelf().await?.covered();
            let to = covered.saturating_add(FRESH_IDS_MAX);
            let choose = |ledger: &Ledger| (ledger.counters.email, emails(ledger, covered + 1, to));
            let (newest, emails) = self.look(choose).await?;
            if newest.saturating_sub(covered) < ids_min.max(1) {
                self.keeper.index.done(covered);
                break;
            }
            messages += self
                .index_some(covered + 1, newest.min(to), &emails)
                .await?;
        }
        self.tidy().await?;
        Ok(messages)
    }

    /// Throws the index away if messages came back that it may have dropped: it is made anew.
    pub(crate) async fn renew_index(&self) {
        if !matches!(
            self.look(|ledger| ledger.remembered.unindexed).await,
            Ok(true)
        ) {
            return;
        }
        let (index, store) = (&self.keeper.index, self.house.inner.store.as_ref());
        let erased = index.erase(store, self.keeper.partition()).await;
        index.done(0);
        let renewed = match erased {
            Ok(()) => {
                let renewed = self.change(|draft| {
                    draft.indexed();
                    Ok(())
                });
                renewed.await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = renewed {
            // It is not believed meanwhile.
            tracing::warn!(account = self.id().0, %error, "an index was not made anew");
        }
    }

    /// Makes segments of the ids from `first` to `last`, whose emails are these.
    async fn index_some(&self, mut first: u64, last: u64, emails: &[Place]) -> Outcome<u64> {
        let mut messages = 0;
        while first <= last {
            let done = emails.partition_point(|(email, ..)| email.0 < first);
            let left = emails.get(done..).unwrap_or_default();
            let shelf = self.shelf().await?;
            if shelf.covered() + 1 != first {
                // Taken down by somebody who found damage: look again.
                break;
            }
            let octets = self.segment_of(first, last, left).await?;
            let Some(shelf) = self.add(&shelf, octets).await? else {
                break;
            };
            let added = shelf.segments.last();
            messages += added.map_or(0, |segment| segment.messages);
            first = shelf.covered() + 1;
            let sizes: Vec<_> = shelf.segments.iter().map(size).collect();
            if let Some(from) = run_to_merge(&sizes) {
                self.merge(&shelf, from, shelf.segments.len() - 1).await?;
            }
        }
        Ok(messages)
    }

    /// Makes a segment of the ids from `first` on, to `last` or as far as memory allows.
    async fn segment_of(&self, first: u64, mut last: u64, emails: &[Place]) -> Outcome<Vec<u8>> {
        let mut builder = Builder::new(first);
        let mut document = Document::default();
        'all: for some in emails.chunks(READ_AT_ONCE) {
            let ids: Vec<_> = some.iter().map(|(email, ..)| *email).collect();
            let rows = self.emails(&ids).await?;
            for ((email, mailbox, uid), row) in some.iter().zip(rows) {
                // One that is gone is never asked for again.
                let Some(row) = row else { continue };
                document.clear();
                let place = (*email, *mailbox, *uid);
                if let Err(error) = self.read_into(&mut document, place, &row).await {
                    tracing::debug!(email = email.0, %error, "a message is not indexed");
                    document.unknown();
                }
                builder.add(email.0, &document, &mark(&row));
                if builder.is_full() {
                    last = email.0;
                    break 'all;
                }
                yield_now().await;
            }
        }
        builder.finish(last).map_err(damaged)
    }

    /// Shows all text of a message that a search may see.
    async fn read_into(
        &self,
        document: &mut Document,
        (email, mailbox, uid): Place,
        row: &EmailRow,
    ) -> Outcome<()> {
        let outline = self.outline(mailbox, uid, email, row).await?;
        let (outline, octets) = self.texts(row, outline).await?;
        let mut text = |text: &str| {
            let folded = fold(text);
            document.text(&folded);
            if let Cow::Owned(bare) = bare(&folded) {
                document.bare(&bare);
            }
            false
        };
        header_text(outline.root.header.of(&octets), None, &mut text);
        search_text(&outline, &octets, &mut text);
        Ok(())
    }

    /// Puts a segment behind the others; `None` if the shelf is no longer the one that was seen.
    async fn add(&self, seen: &Arc<Shelf>, octets: Vec<u8>) -> Outcome<Option<Arc<Shelf>>> {
        let segment = Segment::read(&octets).map_err(damaged)?;
        let Some(changing) = self.keeper.index.change(seen).await else {
            return Ok(None);
        };
        self.keep(&segment, octets).await?;
        let segments = seen.segments.iter().cloned().chain([segment]);
        Ok(Some(changing.put(segments.collect())))
    }

    /// Makes one segment of those from `from` to `to`, without the messages that are gone.
    async fn merge(&self, seen: &Arc<Shelf>, from: usize, to: usize) -> Outcome<()> {
        let Some(sources) = seen.segments.get(from..=to) else {
            return Ok(());
        };
        let (Some(first), Some(last)) = (sources.first(), sources.last()) else {
            return Ok(());
        };
        let (first, last) = (first.first, last.last);
        let living = self.look(|ledger| emails(ledger, first, last)).await?;
        let living: Vec<u64> = living.iter().map(|(email, ..)| email.0).collect();
        let mut read = Vec::with_capacity(sources.len());
        for segment in sources {
            match self.whole_segment(segment).await {
                Ok(octets) => read.push(octets),
                Err(cause) => {
                    let mute = Mute::Store(cause);
                    self.take_down(seen, segment, &mute).await;
                    return Ok(());
                }
            }
        }
        let octets: Vec<&[u8]> = read.iter().map(AsRef::as_ref).collect();
        let merged = match merge(&octets, &living) {
            Ok(merged) => merged,
            Err(flaw) => {
                let is_damaged = |octets: &&[u8]| merge(&[octets], &[]).is_err();
                let culprit = octets.iter().position(is_damaged);
                if let Some(segment) = culprit.and_then(|at| sources.get(at)) {
                    self.take_down(seen, segment, &flaw.into()).await;
                    return Ok(());
                }
                return Err(damaged(flaw));
            }
        };
        drop(read);
        let segment = Segment::read(&merged).map_err(damaged)?;
        let Some(changing) = self.keeper.index.change(seen).await else {
            return Ok(());
        };
        let merged_piece = piece(&segment);
        self.keep(&segment, merged).await?;
        let before = seen.segments.iter().take(from).cloned();
        let behind = seen.segments.iter().skip(to + 1).cloned();
        changing.put(before.chain([segment]).chain(behind).collect());
        let place = self.house.inner.store.derived();
        for source in sources.iter().map(piece).filter(|one| *one != merged_piece) {
            let gone = place.discard(self.keeper.partition(), source).await;
            gone.map_err(Error::reading("removing a segment"))?;
        }
        Ok(())
    }

    async fn keep(&self, segment: &Segment, octets: Vec<u8>) -> Outcome<()> {
        let place = self.house.inner.store.derived();
        let kept = place.keep(self.keeper.partition(), piece(segment), octets.into());
        kept.await.map_err(Error::reading("keeping a segment"))
    }

    /// Makes a segment anew most of whose messages are gone; the first such, others in turn.
    async fn tidy(&self) -> Outcome<()> {
        let shelf = self.shelf().await?;
        let lives = self.look(|ledger| living(ledger, &shelf.segments)).await?;
        let mut segments = shelf.segments.iter().zip(lives);
        match segments.position(|(segment, lives)| lives * 2 < segment.messages) {
            Some(at) => self.merge(&shelf, at, at).await,
            None => Ok(()),
        }
    }
}

fn damaged(flaw: index::Damaged) -> Error {
    Error::reading("making a segment")(store::Error::Damaged(flaw.to_string()))
}

/// The emails with ids `first..=last`, each with one of its places, rising.
fn emails(ledger: &Ledger, first: u64, last: u64) -> Vec<Place> {
    let mut emails = Vec::new();
    for (mailbox, folder) in &ledger.folders {
        let entries = folder.entries.iter();
        let meant = entries.filter(|entry| (first..=last).contains(&entry.email.0));
        emails.extend(meant.map(|entry| (entry.email, *mailbox, entry.uid)));
    }
    emails.sort_unstable();
    emails.dedup_by_key(|(email, ..)| *email);
    emails
}

/// How many entries each segment's messages have: none fewer than there are messages.
fn living(ledger: &Ledger, segments: &[Segment]) -> Vec<u64> {
    let mut living = vec![0; segments.len()];
    for entry in ledger.folders.values().flat_map(|folder| &folder.entries) {
        let at = segments.partition_point(|segment| segment.last < entry.email.0);
        if let Some(count) = living.get_mut(at) {
            *count += 1;
        }
    }
    living
}

/// What merging asks of a segment: its octets, and how many ids it covers.
fn size(segment: &Segment) -> (u64, u64) {
    (segment.octets, segment.last - segment.first + 1)
}

/// From which segment on all to the last are to become one: those no larger than all behind them,
/// once they are some.
fn run_to_merge(sizes: &[(u64, u64)]) -> Option<usize> {
    let (mut octets, mut ids) = *sizes.last()?;
    let mut from = sizes.len() - 1;
    for (at, size) in sizes.iter().enumerate().rev().skip(1) {
        let fits = octets + size.0 <= SEGMENT_OCTETS_MAX && ids + size.1 <= IDS_MAX;
        if !fits || size.0 > octets {
            break;
        }
        (octets, ids) = (octets + size.0, ids + size.1);
        from = at;
    }
    (from + MERGED_MIN <= sizes.len()).then_some(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_few_and_seldom_written() {
        for fresh in [150, 30_000, 3_000_000] {
            let (mut sizes, mut written) = (Vec::new(), 0);
            let count = 10_000;
            for _ in 0..count {
                sizes.push((fresh, 64));
                written += fresh;
                if let Some(from) = run_to_merge(&sizes) {
                    let run = sizes.split_off(from);
                    let one = run
                        .iter()
                        .fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
                    written += one.0;
                    sizes.push(one);
                }
                let octets: u64 = sizes.iter().map(|size| size.0).sum();
                let large = usize::try_from(octets / (SEGMENT_OCTETS_MAX / 4)).unwrap();
                assert!(sizes.len() <= 20 + large, "{sizes:?}");
            }
            assert!(written <= count * fresh * 10, "{fresh}: {written}");
        }
    }
}
