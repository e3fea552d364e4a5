//! The way back: rows and bodies of a backup into a store.
//!
//! What is damaged or lost is named, and the rest is restored. Rows go into the store in their
//! order, each with the body it mentions in the same batch, so that the store can say in the row
//! where the body is.
//!
//! Not here: which store (`caramel`), and what is in the rows (`post`).

use std::collections::{HashMap, VecDeque};
use std::io;

use bytes::Bytes;
use mail::BlobId;
use post::stored_body;
use store::{Batch, Boxed, CommitError, Partition, Staged, Store, Version, Write, Writes};

use crate::catalogue::{Catalogue, Place};
use crate::chunk::{self, CHUNK_OCTETS_MAX, ChunkRow, digest};
use crate::manifest::{Manifest, Part};
use crate::repository::Repository;
use crate::{BODIES, Digest, Error, Outcome, ROWS};

/// Octets of chunks that are asked for together; one chunk may pass it.
const WINDOW_OCTETS_MAX: u64 = 8 << 20;
/// A batch is committed when it has so many octets.
const BATCH_OCTETS: usize = 4 << 20;
/// Batches on their way at once.
const COMMITS_MAX: usize = 3;
/// A body up to this size goes into the store in one piece.
const WHOLE_OCTETS_MAX: u64 = 256 << 10;
/// Octets of a larger one that are in memory at once.
const PIECE_OCTETS: usize = 1 << 20;
/// Flaws that are told one by one.
const FLAWS_MAX: usize = 100;

/// Something that is lost, damaged or different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Whose it is.
    pub partition: Option<Partition>,
    /// What.
    pub what: String,
}

/// What was restored, or compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Rows.
    pub rows: u64,
    /// Bodies, each as often as it is mentioned.
    pub bodies: u64,
    /// Octets of bodies.
    pub octets: u64,
    /// What could not be, as far as it is told one by one.
    pub flaws: Vec<Flaw>,
    /// How many things could not be.
    pub flaw_count: u64,
}

impl Restored {
    pub(crate) fn flaw(&mut self, partition: Option<Partition>, what: impl Into<String>) {
        self.flaw_count += 1;
        if self.flaws.len() < FLAWS_MAX {
            let what = what.into();
            self.flaws.push(Flaw { partition, what });
        }
    }

    /// Names the packs in which what is lost may have been, before all else.
    fn packs(&mut self, flaws: &[String]) {
        if self.flaw_count > 0 {
            self.flaw_count += flaws.len() as u64;
            let packs = flaws.iter().map(|what| Flaw {
                partition: None,
                what: what.clone(),
            });
            self.flaws.splice(0..0, packs);
            self.flaws.truncate(FLAWS_MAX);
        }
    }

    /// Reads a chunk of rows of a partition; what is damaged or lost is a flaw.
    pub(crate) fn chunk(
        &mut self,
        rows: &mut Catalogue<'_>,
        (partition, digest): (Partition, Digest),
        place: Option<Place>,
    ) -> Outcome<Option<Bytes>> {
        let none = |why: &str| Error::damaged(format!("chunk {digest}"), why);
        let read = match place {
            Some(place) => rows.read(place, CHUNK_OCTETS_MAX),
            None => Err(none("no pack has it")),
        };
        let read = read.and_then(|octets| match chunk::read(&octets) {
            Some((of, _)) if of == partition => Ok(octets),
            _ => Err(none("it is none of this account")),
        });
        match read {
            Ok(octets) => Ok(Some(octets)),
            Err(error) if error.is_loss() => {
                self.flaw(Some(partition), format!("rows are lost: {error}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Tells the pieces of one message, whose name is the digest of its octets.
///
/// # Errors
///
/// If no pack has it, or it is damaged: that is known at the end.
pub fn message(
    repository: &Repository,
    digest: Digest,
    each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Outcome<()> {
    let mut catalogue = Catalogue::open(repository, BODIES)?;
    let place = catalogue.find(&[digest])?.into_iter().next().flatten();
    let place = place.ok_or_else(|| {
        let packs = catalogue.flaws.join("; ");
        Error::damaged(
            format!("message {digest}"),
            format!("no pack has it; {packs}"),
        )
    })?;
    let mut pieces = catalogue.pieces(place, PIECE_OCTETS)?;
    while let Some(piece) = pieces.next()? {
        each(&piece).map_err(Error::medium("writing a message"))?;
    }
    Ok(())
}

/// The work.
struct Filler<'a> {
    store: &'a dyn Store,
    rows: Catalogue<'a>,
    bodies: Catalogue<'a>,
    batch: Batch,
    octets: usize,
    /// The partition that rows are put into, and its version behind what was asked for.
    at: Option<(Partition, Version)>,
    commits: VecDeque<Boxed<'static, Result<(), CommitError>>>,
    restored: Restored,
}

/// Puts rows and bodies of a backup into a store that has none of its partitions: all, or those of
/// some partitions. `passed` is told how many messages more of how many octets are there.
///
/// # Errors
///
/// If the repository or the store says no; what is damaged or lost is in what is returned.
pub async fn restore(
    repository: &Repository,
    manifest: &Manifest,
    store: &dyn Store,
    only: Option<&[Partition]>,
    passed: &mut dyn FnMut(u64, u64),
) -> Outcome<Restored> {
    let mut filler = Filler {
        store,
        rows: Catalogue::open(repository, ROWS)?,
        bodies: Catalogue::open(repository, BODIES)?,
        batch: Batch::default(),
        octets: 0,
        at: None,
        commits: VecDeque::new(),
        restored: Restored::default(),
    };
    let mut parts = manifest.parts(repository)?;
    let (mut window, mut octets_in_it) = (Vec::new(), 0);
    let mut partition = None;
    while let Some(part) = parts.next()? {
        match part {
            Part::Partition(next) => {
                partition = only.is_none_or(|only| only.contains(&next)).then_some(next);
            }
            Part::Chunk { digest, octets } => {
                let Some(partition) = partition else {
                    continue;
                };
                window.push((partition, digest));
                octets_in_it += octets;
                if octets_in_it >= WINDOW_OCTETS_MAX {
                    filler.fill(&std::mem::take(&mut window), passed).await?;
                    octets_in_it = 0;
                }
            }
            Part::File { .. } | Part::Unread { .. } | Part::Lost(_) | Part::Packs(_) => {}
        }
    }
    filler.fill(&window, passed).await?;
    filler.finish().await
}

impl Filler<'_> {
    /// Puts chunks into the store.
    async fn fill(
        &mut self,
        window: &[(Partition, Digest)],
        passed: &mut dyn FnMut(u64, u64),
    ) -> Outcome<()> {
        let digests: Vec<Digest> = window.iter().map(|(_, digest)| *digest).collect();
        let places = self.rows.find(&digests)?;
        for ((partition, digest), place) in window.iter().zip(places) {
            let of = (*partition, *digest);
            let octets = self.restored.chunk(&mut self.rows, of, place)?;
            if let Some((_, rows)) = octets.as_deref().and_then(chunk::read) {
                self.put(*partition, &rows, passed).await?;
            }
        }
        Ok(())
    }

    async fn put(
        &mut self,
        partition: Partition,
        rows: &[ChunkRow<'_>],
        passed: &mut dyn FnMut(u64, u64),
    ) -> Outcome<()> {
        let mentions = rows
            .iter()
            .map(|row| stored_body(partition, row.table, row.value));
        let mentions: Vec<_> = mentions.collect();
        let mentioned = mentions.iter().flatten().map(|one| digest(one.blob));
        let digests: Vec<Digest> = mentioned.collect();
        let places = self.bodies.find(&digests)?;
        let places: HashMap<Digest, Option<Place>> = digests.into_iter().zip(places).collect();
        for (row, mention) in rows.iter().zip(mentions) {
            let (table, key) = (row.table, Bytes::copy_from_slice(row.key));
            let value = Bytes::copy_from_slice(row.value);
            self.octets += key.len() + value.len();
            let mut is_there = false;
            if let Some(mention) = mention {
                let place = places.get(&digest(mention.blob)).copied().flatten();
                is_there = self.body((partition, mention.blob), place).await?;
                passed(1, mention.octets);
            }
            // A row whose body is lost stays: a store takes it only if it does not look for that.
            let hinted = mention.is_some_and(|mention| mention.hint.is_some());
            let write = match hinted && is_there {
                true => Write::PutBeside { table, key, value },
                false => Write::Put { table, key, value },
            };
            self.restored.rows += 1;
            self.write(partition, write).await?;
        }
        Ok(())
    }

    /// Adds a body to the batch; false if it is lost.
    async fn body(
        &mut self,
        (partition, blob): (Partition, BlobId),
        place: Option<Place>,
    ) -> Outcome<bool> {
        let read = match place {
            None => Err(Error::damaged(format!("body {blob}"), "no pack has it")),
            Some(place) if place.entry.len <= WHOLE_OCTETS_MAX => {
                let octets = self.bodies.read(place, WHOLE_OCTETS_MAX);
                octets.map(Staged::of)
            }
            Some(place) => self.large(place).await,
        };
        match read {
            Ok(staged) => {
                self.octets += staged.bytes.as_ref().map_or(0, Bytes::len);
                self.restored.bodies += 1;
                self.restored.octets += staged.len;
                self.batch.blobs.push(staged);
                Ok(true)
            }
            Err(error) if error.is_loss() => {
                let what = format!("the message {blob} is lost: {error}");
                self.restored.flaw(Some(partition), what);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes a large body piece by piece.
    async fn large(&mut self, place: Place) -> Outcome<Staged> {
        let mut stage = self.store.stage();
        let mut pieces = self.bodies.pieces(place, PIECE_OCTETS)?;
        while let Some(piece) = pieces.next()? {
            stage.write(piece.into()).await?;
        }
        Ok(stage.finish().await?)
    }

    /// Adds a change to the batch, and commits that if it is large enough.
    async fn write(&mut self, partition: Partition, write: Write) -> Outcome<()> {
        let version = match self.at {
            Some((at, version)) if at == partition => version,
            _ => self.store.version(partition).await?,
        };
        self.at = Some((partition, version));
        match self.batch.parts.last_mut() {
            Some(part) if part.partition == partition => part.writes.push(write),
            _ => self.batch.parts.push(Writes {
                partition,
                from: version,
                writes: vec![write],
            }),
        }
        if self.octets >= BATCH_OCTETS {
            self.commit().await?;
            self.at = Some((partition, version.next()));
        }
        Ok(())
    }

    async fn commit(&mut self) -> Outcome<()> {
        let batch = std::mem::take(&mut self.batch);
        self.octets = 0;
        if self.commits.len() >= COMMITS_MAX
            && let Some(oldest) = self.commits.pop_front()
        {
            oldest.await?;
        }
        self.commits.push_back(self.store.commit(batch));
        Ok(())
    }

    async fn finish(mut self) -> Outcome<Restored> {
        self.commit().await?;
        for commit in self.commits {
            commit.await?;
        }
        self.restored.packs(&self.rows.flaws);
        self.restored.packs(&self.bodies.flaws);
        Ok(self.restored)
    }
}
