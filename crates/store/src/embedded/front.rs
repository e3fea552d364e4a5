//! The store as others see it: what is asked of it, and on which thread it is done.

use std::future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use mail::BlobRange;
use tokio::sync::oneshot;

use super::committer::{Message, Request, Written};
use super::reader::Reader;
use super::record::octets_max;
use super::stage::Inflow;
use super::stats::Stats;
use super::{Embedded, Inner};
use crate::backend::{
    Batch, Boxed, CommitError, Cut, Direction, Error, Page, Partition, Sought, Stage, Store, Table,
    Version,
};
use crate::derived::Derived;
use crate::packed;
use crate::reclaim::{Mentions, RateLimit, Reclaim, Reclaimed, Survey};
use crate::snapshot::Snapshot;

/// A longer key is refused.
pub const KEY_OCTETS_MAX: usize = 4096;
/// A larger batch is refused.
pub const BATCH_OCTETS_MAX: usize = 64 << 20;
/// So many keys are looked up without leaving the caller's thread.
const GET_HERE_MAX: usize = 16;
/// So many rows are scanned without leaving the caller's thread.
const SCAN_HERE_MAX: usize = 256;
/// So many octets are read without leaving the caller's thread.
const READ_HERE_OCTETS_MAX: u64 = 64 << 10;

impl Store for Embedded {
    fn version(&self, partition: Partition) -> Boxed<'_, Result<Version, Error>> {
        Box::pin(async move {
            self.inner.horizon.reach(Some(partition)).await?;
            self.inner.reader.view.version(partition)
        })
    }

    fn get(
        &self,
        partition: Partition,
        table: Table,
        keys: Vec<Bytes>,
    ) -> Boxed<'_, Result<Vec<Option<Bytes>>, Error>> {
        let reader = &self.inner.reader;
        Box::pin(async move {
            self.inner.horizon.reach(Some(partition)).await?;
            if keys.len() <= GET_HERE_MAX {
                return reader.view.get(partition, table, &keys);
            }
            let (reader, work) = (Arc::clone(reader), reader.work);
            work.run(move || reader.view.get(partition, table, &keys))
                .await?
        })
    }

    fn scan(
        &self,
        partition: Partition,
        table: Table,
        (from, to): (Bytes, Option<Bytes>),
        limit: usize,
        direction: Direction,
    ) -> Boxed<'_, Result<Page, Error>> {
        self.inner
            .scan((partition, table), (from, to), limit, (direction, None))
    }

    fn scan_cut(
        &self,
        partition: Partition,
        table: Table,
        range: (Bytes, Option<Bytes>),
        limit: usize,
        cut: Cut,
    ) -> Boxed<'_, Result<Page, Error>> {
        let how = (Direction::Rising, Some(cut));
        self.inner.scan((partition, table), range, limit, how)
    }

    fn stage(&self) -> Box<dyn Stage> {
        Box::new(Inflow::new(Arc::clone(&self.inner.reader)))
    }

    fn read(&self, range: BlobRange) -> Boxed<'_, Result<Bytes, Error>> {
        Box::pin(self.inner.read(range.len, move |reader| reader.read(range)))
    }

    fn read_many(&self, ranges: Vec<BlobRange>) -> Boxed<'_, Result<Vec<Bytes>, Error>> {
        let octets = sum(ranges.iter().map(|range| range.len));
        let read = move |reader: &Reader| reader.read_many(&ranges);
        Box::pin(self.inner.read(octets, read))
    }

    fn read_sought(&self, sought: Vec<Sought>) -> Boxed<'_, Result<Vec<Bytes>, Error>> {
        let octets = sum(sought.iter().map(|one| one.range.len));
        let read = move |reader: &Reader| reader.read_sought(&sought);
        Box::pin(self.inner.read(octets, read))
    }

    fn sound(&self, sought: Vec<Sought>) -> Boxed<'_, Result<Vec<bool>, Error>> {
        let octets = sum(sought.iter().map(|one| one.len));
        Box::pin(async move {
            // A letter that is not there is not sound: that it is coming must not be missed.
            self.inner.horizon.reach(None).await?;
            let read = move |reader: &Reader| reader.sound(&sought);
            self.inner.read(octets, read).await
        })
    }

    fn commit(&self, batch: Batch) -> Boxed<'static, Result<(), CommitError>> {
        match self.inner.queue(batch) {
            Ok(answer) => Box::pin(async move {
                let lost = || CommitError::Unknown("the committer is gone".into());
                answer.await.unwrap_or_else(|_| Err(lost()))
            }),
            Err(error) => Box::pin(future::ready(Err(error))),
        }
    }

    fn snapshot(&self) -> Boxed<'_, Result<Arc<dyn Snapshot>, Error>> {
        Box::pin(async move {
            let (answer, still) = oneshot::channel();
            let closed = || Error::Engine {
                doing: "taking a snapshot",
                cause: "the store is closed".into(),
            };
            let sent = self.inner.queue.send(Message::Still(answer));
            sent.map_err(|_| closed())?;
            let still = still.await.ok().flatten().ok_or_else(closed)?;
            Ok(Arc::new(still) as Arc<dyn Snapshot>)
        })
    }

    fn derived(&self) -> &dyn Derived {
        &self.inner.derived
    }

    fn survey<'a>(
        &'a self,
        mentions: Mentions,
        limit: &'a dyn RateLimit,
    ) -> Boxed<'a, Result<Survey, Error>> {
        Box::pin(self.inner.survey(mentions, limit))
    }

    fn reclaim<'a>(&'a self, how: Reclaim<'a>) -> Boxed<'a, Result<Reclaimed, Error>> {
        Box::pin(async move { self.inner.reclaim(&how).await })
    }

    fn stats(&self) -> Stats {
        self.inner.counters.read()
    }

    fn reclaimed(&self) -> Reclaimed {
        *self
            .inner
            .reclaimed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Reads so many octets of blobs. One that is not there may be on its way into the view.
    async fn read<T: Send + 'static>(
        &self,
        octets: u64,
        read: impl Fn(&Reader) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Result<T, Error> {
        let read = Arc::new(read);
        let may_miss = self.horizon.is_behind();
        match self.read_here_or_aside(octets, &read).await {
            Err(Error::NoBlob(_)) if may_miss => {
                self.horizon.reach(None).await?;
                self.read_here_or_aside(octets, &read).await
            }
            outcome => outcome,
        }
    }

    async fn read_here_or_aside<T: Send + 'static>(
        &self,
        octets: u64,
        read: &Arc<impl Fn(&Reader) -> Result<T, Error> + Send + Sync + 'static>,
    ) -> Result<T, Error> {
        let reader = &self.reader;
        if octets <= READ_HERE_OCTETS_MAX {
            return read(reader);
        }
        let (reader, read, work) = (Arc::clone(reader), Arc::clone(read), reader.work);
        work.run(move || read(&reader)).await?
    }

    fn scan(
        &self,
        (partition, table): (Partition, Table),
        (from, to): (Bytes, Option<Bytes>),
        limit: usize,
        how: (Direction, Option<Cut>),
    ) -> Boxed<'_, Result<Page, Error>> {
        let reader = Arc::clone(&self.reader);
        let work = reader.work;
        let scan = move || {
            let range = (&from[..], to.as_deref());
            reader.view.scan(partition, table, range, limit, how)
        };
        Box::pin(async move {
            self.horizon.reach(Some(partition)).await?;
            if limit <= SCAN_HERE_MAX {
                return scan();
            }
            work.run(scan).await?
        })
    }

    fn queue(
        &self,
        batch: Batch,
    ) -> Result<oneshot::Receiver<Result<(), CommitError>>, CommitError> {
        batch.well_formed()?;
        let octets = octets_max(&batch);
        if octets > BATCH_OCTETS_MAX {
            let cause = format!("a batch of {octets} octets");
            return Err(CommitError::Failed(cause));
        }
        let mut longest = 0;
        for write in batch.parts.iter().flat_map(|part| &part.writes) {
            packed::each(write, |change| longest = change.key.len().max(longest));
        }
        if longest > KEY_OCTETS_MAX {
            return Err(CommitError::Failed("a key is too long".into()));
        }
        if self.waiting.load(Ordering::Relaxed) > self.waiting_octets {
            return Err(CommitError::Failed("too much is waiting".into()));
        }
        let (answer, done) = oneshot::channel();
        let request = Request {
            batch,
            octets,
            outcome: Ok(Written::default()),
            answer: Some(answer),
        };
        self.waiting.fetch_add(octets, Ordering::Relaxed);
        let sent = self.queue.send(Message::Commit(request));
        sent.map_err(|_| CommitError::Failed("the store is closed".into()))?;
        Ok(done)
    }
}

fn sum(octets: impl Iterator<Item = u64>) -> u64 {
    octets.fold(0, u64::saturating_add)
}
