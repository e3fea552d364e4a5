//! The segments of an account's index: which there are, and what they say of a needle.
//!
//! Not here: how they are made (`build`).

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use index::{Bits, Condition, Damaged, Found, Lists, Places, Segment};
use mail::{AccountId, EmailId};
use message::SEARCH_TEXT_VERSION;
use store::{Partition, Piece, Store};
use tokio::sync::MutexGuard;

use super::waiting::Waiting;
use crate::ledger::Ledger;
use crate::tables::EmailRow;
use crate::{Account, Outcome};

/// An account is taken up when so many ids have no segment yet.
const INDEX_WAITING_MAX: u64 = 64;
/// Of a large account one in so many messages may have none: each time all are looked at.
const INDEX_WAITING_SHARE: u64 = 1024;

/// An account with so many messages is taken up when so many ids have no segment yet.
pub(crate) fn index_waiting_max(messages: u64) -> u64 {
    INDEX_WAITING_MAX.max(messages / INDEX_WAITING_SHARE)
}

/// The segments in order; each begins where the one before ends, the first at id 1.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(super) segments: Vec<Segment>,
}

impl Shelf {
    /// The last id that a segment covers.
    pub(super) fn covered(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.last)
    }
}

/// An account's index as its keeper has it.
#[derive(Debug)]
pub(crate) struct Index {
    account: AccountId,
    shelf: Mutex<Option<Arc<Shelf>>>,
    /// Held by whoever puts something on the shelf or takes it down.
    changing: tokio::sync::Mutex<()>,
    /// The id at which the builder was last told of this account, or was done with it.
    told: AtomicU64,
    waiting: Arc<Waiting>,
}

impl Index {
    pub(crate) fn new(account: AccountId, waiting: Arc<Waiting>) -> Self {
        Self {
            account,
            shelf: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            told: AtomicU64::new(0),
            waiting,
        }
    }

    /// Takes notice of the newest email in an account with so many messages: enough new ones are
    /// work for the builder.
    pub(crate) fn notice(&self, newest: u64, messages: u64) {
        let told = self.told.load(Ordering::Relaxed);
        if newest >= told.saturating_add(index_waiting_max(messages)) {
            self.told.store(newest, Ordering::Relaxed);
            self.waiting.add(self.account);
        }
    }

    /// Says that the builder is done with all emails up to this one, or has given them up.
    pub(super) fn done(&self, email: u64) {
        self.told.store(email, Ordering::Relaxed);
    }

    fn now(&self) -> Option<Arc<Shelf>> {
        let shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.clone()
    }

    fn set(&self, shelf: Option<Arc<Shelf>>) {
        *self.shelf.lock().unwrap_or_else(PoisonError::into_inner) = shelf;
    }

    /// The right to change the shelf; `None` if it is no longer the one that was seen.
    pub(super) async fn change(&self, seen: &Arc<Shelf>) -> Option<Changing<'_>> {
        let guard = self.changing.lock().await;
        let same = self.now().is_some_and(|now| Arc::ptr_eq(&now, seen));
        same.then_some(Changing {
            index: self,
            _guard: guard,
        })
    }

    /// Removes everything: the account goes.
    pub(crate) async fn erase(&self, store: &dyn Store, partition: Partition) -> Outcome<()> {
        let _guard = self.changing.lock().await;
        self.set(None);
        let reading = || crate::Error::reading("removing an index");
        let place = store.derived();
        for piece in place.pieces(partition).await.map_err(reading())? {
            place.discard(partition, piece).await.map_err(reading())?;
        }
        Ok(())
    }
}

/// The right to change a shelf.
#[derive(Debug)]
pub(super) struct Changing<'a> {
    index: &'a Index,
    _guard: MutexGuard<'a, ()>,
}

impl Changing<'_> {
    pub(super) fn put(&self, segments: Vec<Segment>) -> Arc<Shelf> {
        let shelf = Arc::new(Shelf { segments });
        self.index.set(Some(Arc::clone(&shelf)));
        shelf
    }
}

/// The name of a segment.
pub(super) fn piece(segment: &Segment) -> Piece {
    Piece((u128::from(segment.first) << 64) | u128::from(segment.last))
}

/// What a segment's newest message is known by: its body, and which text of it was indexed.
pub(super) fn mark(row: &EmailRow) -> [u8; 32] {
    let mut mark = row.blob.0;
    if let Some(version) = mark.last_chunk_mut() {
        *version = SEARCH_TEXT_VERSION.to_be_bytes();
    }
    mark
}

/// Where the names say that segments are: of those that begin at the same id the longest, each
/// where the one before ends.
fn chain(pieces: &[Piece]) -> Vec<Piece> {
    let mut chain: Vec<Piece> = Vec::new();
    let mut next = 1;
    for piece in pieces {
        let (first, last) = (piece.0 >> 64, piece.0 & u128::from(u64::MAX));
        match chain.last_mut() {
            // They come rising: a longer one with the same beginning is behind the shorter.
            Some(before) if before.0 >> 64 == first => *before = *piece,
            _ if first == next => chain.push(*piece),
            _ => continue,
        }
        next = last + 1;
    }
    chain
}

/// What the index knows of some conditions.
#[derive(Debug)]
pub(super) struct Told {
    /// Up to which id it knows anything.
    pub(super) covered: u64,
    /// The emails that may meet them.
    pub(super) may: Bits,
    /// Those of them that do.
    pub(super) do_meet: Bits,
}

impl Told {
    fn new(covered: u64) -> Self {
        Self {
            covered,
            may: Bits::new(1, covered),
            do_meet: Bits::new(1, covered),
        }
    }

    fn add(&mut self, found: &Found) {
        for id in found.candidates.iter() {
            self.may.insert(id);
            if found.complete && !found.unknown.contains(id) {
                self.do_meet.insert(id);
            }
        }
    }
}

/// Why a segment said nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Mute {
    #[error(transparent)]
    Damaged(#[from] Damaged),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("a segment of another log")]
    Foreign,
    #[error("a segment of other text than is searched now")]
    Outdated,
}

impl Account {
    /// The shelf as it is; read from the store at first.
    pub(super) async fn shelf(&self) -> Outcome<Arc<Shelf>> {
        let index = &self.keeper.index;
        if let Some(shelf) = index.now() {
            return Ok(shelf);
        }
        let _guard = index.changing.lock().await;
        if let Some(shelf) = index.now() {
            return Ok(shelf);
        }
        let counted = |ledger: &Ledger| (ledger.counters.email, ledger.counters.usage.messages);
        let (newest, messages) = self.look(counted).await?;
        let place = self.house.inner.store.derived();
        let partition = self.keeper.partition();
        let reading = || crate::Error::reading("reading an index");
        let pieces = place.pieces(partition).await.map_err(reading())?;
        let mut segments = Vec::new();
        for piece in chain(&pieces) {
            match self.segment(piece, newest).await {
                Ok(segment) => segments.push(segment),
                Err(mute) => {
                    tracing::info!(account = partition.0, %mute, "an index is made again");
                    break;
                }
            }
        }
        for piece in pieces {
            if !segments.iter().any(|segment| self::piece(segment) == piece) {
                place.discard(partition, piece).await.map_err(reading())?;
            }
        }
        let shelf = Arc::new(Shelf { segments });
        index.set(Some(Arc::clone(&shelf)));
        index.done(shelf.covered());
        index.notice(newest, messages);
        Ok(shelf)
    }

    /// Reads a segment's head, and makes sure that it is about this account as it is.
    async fn segment(&self, piece: Piece, newest: u64) -> Result<Segment, Mute> {
        let head = u64::try_from(Segment::HEAD_OCTETS).unwrap_or(u64::MAX);
        let segment = Segment::read(&self.part(piece, 0..head).await?)?;
        if self::piece(&segment) != piece || segment.last > newest {
            return Err(Mute::Foreign);
        }
        // One that was cut is told by its last octet.
        self.part(piece, segment.octets - 1..segment.octets).await?;
        if segment.newest != 0 && !segment.mark.ends_with(&SEARCH_TEXT_VERSION.to_be_bytes()) {
            return Err(Mute::Outdated);
        }
        let rows = self.bare_emails(&[EmailId(segment.newest)]).await;
        match rows.as_deref() {
            Ok([Some(row)]) if mark(row) != segment.mark => Err(Mute::Foreign),
            Ok(_) | Err(_) => Ok(segment),
        }
    }

    async fn octets(
        &self,
        piece: Piece,
        ranges: Vec<Range<u64>>,
    ) -> Result<Vec<Bytes>, store::Error> {
        let place = self.house.inner.store.derived();
        place.peruse(self.keeper.partition(), piece, ranges).await
    }

    async fn part(&self, piece: Piece, range: Range<u64>) -> Result<Bytes, store::Error> {
        let ranges = std::iter::once(range).collect();
        let read = self.octets(piece, ranges).await?;
        Ok(read.into_iter().next().unwrap_or_default())
    }

    /// A segment whole.
    pub(super) async fn whole_segment(&self, segment: &Segment) -> Result<Bytes, store::Error> {
        self.part(piece(segment), 0..segment.octets).await
    }

    /// Which emails meet the conditions of each question; `None` if the index does not answer.
    pub(super) async fn ask(&self, questions: &[Vec<Condition>]) -> Option<Vec<Told>> {
        loop {
            let shelf = self.shelf().await.ok()?;
            let covered = shelf.covered();
            let mut told: Vec<_> = questions.iter().map(|_| Told::new(covered)).collect();
            let mut failed = None;
            for segment in &shelf.segments {
                match self.ask_segment(segment, questions, &mut told).await {
                    Ok(()) => {}
                    Err(mute) => {
                        failed = Some((segment, mute));
                        break;
                    }
                }
            }
            let Some((segment, mute)) = failed else {
                return Some(told);
            };
            // If it was merged into another meanwhile, that one is asked.
            if let Some(changing) = self.keeper.index.change(&shelf).await {
                self.drop_segment(&changing, segment, &mute).await;
                return None;
            }
        }
    }

    async fn ask_segment(
        &self,
        segment: &Segment,
        questions: &[Vec<Condition>],
        told: &mut [Told],
    ) -> Result<(), Mute> {
        let piece = piece(segment);
        let places = self.part(piece, segment.places()).await?;
        let places = Places::read(segment, &places)?;
        for (conditions, told) in questions.iter().zip(told) {
            let blocks = places.blocks(conditions);
            let read = self.octets(piece, blocks.clone()).await?;
            let lists = Lists::choose(&places, conditions, &blocks, &read)?;
            let read = self.octets(piece, lists.ranges().to_vec()).await?;
            told.add(&lists.found(&read)?);
        }
        Ok(())
    }

    /// Takes the shelf down because of a segment that could not be read: all is looked at anew.
    pub(super) async fn take_down(&self, seen: &Arc<Shelf>, segment: &Segment, mute: &Mute) {
        if let Some(changing) = self.keeper.index.change(seen).await {
            self.drop_segment(&changing, segment, mute).await;
        }
    }

    async fn drop_segment(&self, changing: &Changing<'_>, segment: &Segment, mute: &Mute) {
        let account = self.keeper.account.0;
        tracing::warn!(account, %mute, "an index does not answer; messages are read instead");
        changing.index.set(None);
        // What the disk did not give may come back; what it gave wrong is gone.
        if !matches!(mute, Mute::Store(_)) {
            let place = self.house.inner.store.derived();
            let gone = place.discard(self.keeper.partition(), piece(segment)).await;
            if let Err(error) = gone {
                tracing::warn!(account, %error, "a damaged segment stays");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_each_beginning_make_a_chain() {
        let piece = |first: u64, last: u64| Piece((u128::from(first) << 64) | u128::from(last));
        for (there, meant) in [
            (vec![], vec![]),
            (vec![(2, 3)], vec![]),
            (vec![(1, 3), (4, 9)], vec![(1, 3), (4, 9)]),
            // A merge was cut off before its sources were removed.
            (
                vec![(1, 3), (1, 9), (4, 6), (7, 9), (10, 12)],
                vec![(1, 9), (10, 12)],
            ),
            (vec![(1, 3), (5, 9)], vec![(1, 3)]),
            (vec![(1, u64::MAX), (5, 9)], vec![(1, u64::MAX)]),
        ] {
            let there: Vec<_> = there.into_iter().map(|(a, b)| piece(a, b)).collect();
            let meant: Vec<_> = meant.into_iter().map(|(a, b)| piece(a, b)).collect();
            assert_eq!(chain(&there), meant);
        }
    }
}
