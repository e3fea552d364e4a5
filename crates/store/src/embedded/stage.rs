//! A blob on its way in: in memory while it is small, in a file of its own from then on.
//!
//! Not here: when it counts; a blob that no batch names does not exist.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::{Bytes, BytesMut};
use mail::BlobId;

use super::bodies::{BODY_HEADER_OCTETS, Bodies};
use super::reader::Reader;
use super::stats::add;
use crate::backend::{Boxed, Error, Stage, Staged};
use crate::disk::{Disk, DiskFile, failed};

/// A blob up to this size travels in the log.
pub(super) const INLINE_OCTETS_MAX: usize = 256 << 10;
/// Where much of others is on its way, only one up to this size is kept in memory.
const CROWDED_INLINE_OCTETS_MAX: usize = 16 << 10;

/// Octets that are read at once where a file is hashed anew.
const HASHED_OCTETS: usize = 256 << 10;

/// A blob being written.
pub(super) struct Inflow {
    reader: Arc<Reader>,
    hasher: blake3::Hasher,
    len: u64,
    /// What is not in the file.
    pending: BytesMut,
    draft: Option<Draft>,
    /// True while octets are on their way to the file, and for ever if they did not get there.
    adrift: bool,
}

/// A file without a name of its own; it vanishes unless it is kept.
#[derive(Debug)]
struct Draft {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    /// Octets of the blob that are in it.
    len: u64,
    kept: bool,
}

impl Inflow {
    pub(super) fn new(reader: Arc<Reader>) -> Self {
        Self {
            reader,
            hasher: blake3::Hasher::new(),
            len: 0,
            pending: BytesMut::new(),
            draft: None,
            adrift: false,
        }
    }

    /// Fails if an earlier write did, or was given up by its caller.
    fn intact(&self) -> Result<(), Error> {
        if self.adrift {
            return Err(Error::Engine {
                doing: "writing a body",
                cause: "an earlier write did not succeed".into(),
            });
        }
        Ok(())
    }

    /// What is not in the file; it counts no longer.
    fn drain(&mut self) -> BytesMut {
        self.reader.afloat.fetch_sub(self.pending.len(), Relaxed);
        std::mem::take(&mut self.pending)
    }

    async fn spill(&mut self) -> Result<(), Error> {
        self.adrift = true;
        let octets = self.drain().freeze();
        let reader = Arc::clone(&self.reader);
        let draft = self.draft.take();
        let written = self.reader.work.run(move || {
            let mut draft = match draft {
                Some(draft) => draft,
                None => Draft::begin(&reader.bodies)?,
            };
            draft.append(&octets)?;
            add(&reader.bodies.counters.body_octets, octets.len() as u64);
            Ok(draft)
        });
        self.draft = Some(written.await?.map_err(failed("writing a body"))?);
        self.adrift = false;
        Ok(())
    }

    /// Puts octets in the place of the first ones, and takes the hash of all of them anew.
    async fn replace(&mut self, front: Bytes) -> Result<(), Error> {
        if front.len() as u64 > self.len {
            return Err(Error::longer_than_written());
        }
        self.adrift = true;
        let drafted = self.draft.as_ref().map_or(0, |draft| draft.len);
        let drafted = usize::try_from(drafted).unwrap_or(usize::MAX);
        let mut pending = front;
        let in_draft = pending.split_to(drafted.min(pending.len()));
        let mut hasher = blake3::Hasher::new();
        if let Some(draft) = self.draft.take() {
            let amended = self.reader.work.run(move || {
                draft.amend(&in_draft)?;
                draft.hash(&mut hasher)?;
                Ok((draft, hasher))
            });
            let (draft, hashed) = amended.await?.map_err(failed("amending a body"))?;
            (self.draft, hasher) = (Some(draft), hashed);
        }
        if let Some(first) = self.pending.get_mut(..pending.len()) {
            first.copy_from_slice(&pending);
        }
        hasher.update(&self.pending);
        self.hasher = hasher;
        self.adrift = false;
        Ok(())
    }

    fn blob(&self) -> BlobId {
        BlobId(*self.hasher.finalize().as_bytes())
    }
}

impl Drop for Inflow {
    fn drop(&mut self) {
        self.drain();
    }
}

impl fmt::Debug for Inflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inflow({} octets)", self.len)
    }
}

impl Stage for Inflow {
    fn write(&mut self, bytes: Bytes) -> Boxed<'_, Result<(), Error>> {
        self.hasher.update(&bytes);
        self.len += bytes.len() as u64;
        self.pending.extend_from_slice(&bytes);
        let before = self.reader.afloat.fetch_add(bytes.len(), Relaxed);
        let pending_max = if before > self.reader.afloat_max {
            CROWDED_INLINE_OCTETS_MAX
        } else {
            INLINE_OCTETS_MAX
        };
        Box::pin(async move {
            self.intact()?;
            if self.pending.len() > pending_max {
                self.spill().await?;
            }
            Ok(())
        })
    }

    fn amend(&mut self, front: Bytes) -> Boxed<'_, Result<(), Error>> {
        Box::pin(async move {
            self.intact()?;
            self.replace(front).await
        })
    }

    fn finish(mut self: Box<Self>) -> Boxed<'static, Result<Staged, Error>> {
        Box::pin(async move {
            self.intact()?;
            let (blob, len) = (self.blob(), self.len);
            let Some(draft) = self.draft.take() else {
                return Ok(Staged {
                    blob,
                    len,
                    bytes: Some(self.drain().freeze()),
                    place: 0,
                });
            };
            let rest = self.drain();
            let work = self.reader.work;
            work.run(move || keep(&self.reader, draft, &rest, blob))
                .await??;
            Ok(Staged {
                blob,
                len,
                bytes: None,
                place: 0,
            })
        })
    }
}

/// Makes a draft durable, unless its blob is there already.
fn keep(reader: &Reader, mut draft: Draft, rest: &[u8], blob: BlobId) -> Result<(), Error> {
    // Said before it is asked: what is there now is still there when the batch comes.
    reader.touched.note(blob);
    if reader.view.blob(blob)?.is_some() {
        return Ok(());
    }
    let bodies = &reader.bodies;
    let mut write = || {
        draft.append(rest)?;
        bodies.keep(&draft.path, &*draft.file, (blob, draft.len))?;
        draft.kept = true;
        Ok(())
    };
    write().map_err(failed("keeping a body"))?;
    add(&bodies.counters.body_octets, rest.len() as u64);
    add(&bodies.counters.syncs, 2);
    Ok(())
}

impl Draft {
    fn begin(bodies: &Bodies) -> io::Result<Self> {
        let (path, file) = bodies.draft()?;
        Ok(Self {
            disk: Arc::clone(&bodies.disk),
            path,
            file,
            len: 0,
            kept: false,
        })
    }

    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_at(octets, BODY_HEADER_OCTETS + self.len)?;
        self.len += octets.len() as u64;
        Ok(())
    }

    /// Puts octets in the place of the first ones.
    fn amend(&self, front: &[u8]) -> io::Result<()> {
        self.file.write_at(front, BODY_HEADER_OCTETS)
    }

    /// Hashes what is in the file.
    fn hash(&self, hasher: &mut blake3::Hasher) -> io::Result<()> {
        let mut octets = vec![0; HASHED_OCTETS];
        let mut left = self.len;
        while left > 0 {
            let most = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(octets.len());
            let room = octets.get_mut(..most).unwrap_or_default();
            let at = BODY_HEADER_OCTETS + self.len - left;
            let read = self.file.read_at(room, at)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            hasher.update(room.get(..read).unwrap_or_default());
            left -= read as u64;
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // A draft that stays behind is removed at the next open.
            drop(self.disk.remove(&self.path));
        }
    }
}
