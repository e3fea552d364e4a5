//! An object on its way into a bucket.
//!
//! It gets its name last, and a store wants it first: so it lies here until then, in memory as long
//! as it is small, else in a file that has no name any more. A large one goes in parts, some at
//! once; what the store calls that upload is kept in `drafts/` meanwhile, so that whoever writes
//! next can give it up if nobody finishes it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path as FilePath;
use std::sync::Arc;

use backup::{Digest, Draft};
use bytes::Bytes;
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{GetOptions, PutMode, PutPayload};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{DRAFTS, Shared, Shelves};

/// Octets of a part, and of what goes whole and lies in memory.
pub(super) const PART_OCTETS: usize = 8 << 20;
/// Parts of one upload: S3's limit.
const PARTS_MAX: u64 = 10_000;
/// Parts that are on their way at once.
const AT_ONCE: usize = 4;

/// An object that has no name yet.
pub(super) struct BucketDraft {
    shared: Arc<Shared>,
    /// What is not in the file.
    memory: Vec<u8>,
    file: Option<File>,
    /// Octets that are in the file.
    filed: u64,
}

impl BucketDraft {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            memory: Vec::new(),
            file: None,
            filed: 0,
        }
    }

    /// Moves what is in memory into the file.
    fn file(&mut self) -> io::Result<&File> {
        let folder = &self.shared.spool;
        let told = |error: io::Error| {
            let what = format!("a draft in {}: {error}", folder.display());
            io::Error::new(error.kind(), what)
        };
        let file = match self.file.take() {
            Some(file) => file,
            None => nameless(folder).map_err(told)?,
        };
        file.write_all_at(&self.memory, self.filed).map_err(told)?;
        self.filed += self.memory.len() as u64;
        self.memory.clear();
        Ok(self.file.insert(file))
    }
}

/// A file of nobody else's that goes with this process.
fn nameless(folder: &FilePath) -> io::Result<File> {
    let path = folder.join(format!("caramel-draft-{}", chance()?));
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create_new(true).mode(0o600);
    let file = options.open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Words that nobody else has.
pub(super) fn chance() -> io::Result<String> {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets).map_err(|error| io::Error::other(error.to_string()))?;
    let mut words = Digest(octets).to_string();
    words.truncate(32);
    Ok(words)
}

impl Write for BucketDraft {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        // What fits into memory whole stays there until it is known that there is more.
        if self.memory.len() == PART_OCTETS && !octets.is_empty() {
            self.file()?;
        }
        let room = PART_OCTETS - self.memory.len();
        let some = octets.get(..room).unwrap_or(octets);
        self.memory.extend_from_slice(some);
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Draft for BucketDraft {
    fn keep(mut self: Box<Self>, name: &str) -> io::Result<()> {
        // A backup is one only if nobody else writes.
        let shared = Arc::clone(&self.shared);
        shared
            .lease
            .confirm(&shared, name.starts_with("manifests/"))?;
        if self.file.is_none() {
            let octets = Bytes::from(std::mem::take(&mut self.memory));
            shared.put(name, octets, PutMode::Overwrite)?;
            return Ok(());
        }
        let file = Arc::new(self.file()?.try_clone()?);
        let part_octets = (PART_OCTETS as u64).max(self.filed.div_ceil(PARTS_MAX));
        Upload::begin(&shared, name)?.finish(&shared, file, (self.filed, part_octets))
    }
}

/// An upload in parts.
pub(super) struct Upload {
    path: Path,
    /// What the store calls it.
    id: String,
    /// Where that is kept meanwhile.
    record: String,
}

impl Upload {
    fn begin(shared: &Shared, name: &str) -> io::Result<Self> {
        let (shelves, path) = (Arc::clone(&shared.shelves), shared.path(name));
        let of = path.clone();
        let id = shared.ask(async move { shelves.create_multipart(&of).await })?;
        let record = format!("{DRAFTS}/{}", chance()?);
        let about = json!({ "object": path.as_ref(), "upload": id });
        let upload = Self { path, id, record };
        let kept = shared.put(&upload.record, about.to_string().into(), PutMode::Overwrite);
        if let Err(failure) = kept {
            upload.abort(shared);
            return Err(failure.into());
        }
        Ok(upload)
    }

    fn finish(
        self,
        shared: &Shared,
        file: Arc<File>,
        (octets, part_octets): (u64, u64),
    ) -> io::Result<()> {
        let (shelves, path, id) = (
            Arc::clone(&shared.shelves),
            self.path.clone(),
            self.id.clone(),
        );
        let sent = shared.ask(async move {
            let parts = parts(&shelves, (&path, &id), file, (octets, part_octets)).await?;
            shelves.complete_multipart(&path, &id, parts).await
        });
        if sent.is_err() {
            self.abort(shared);
        }
        sent?;
        if let Err(failure) = shared.delete(&self.record) {
            // It says no more than that there was something, and goes with the next backup.
            let error = io::Error::from(failure);
            tracing::warn!(record = %self.record, %error, "a record stays");
        }
        Ok(())
    }

    /// Gives it up, as far as the store can be reached.
    fn abort(&self, shared: &Shared) {
        let (shelves, path, id) = (
            Arc::clone(&shared.shelves),
            self.path.clone(),
            self.id.clone(),
        );
        let given_up = shared.ask(async move { shelves.abort_multipart(&path, &id).await });
        // The record stays if the upload does: then the next backup gives it up.
        if given_up.is_ok() {
            drop(shared.delete(&self.record));
        }
    }

    /// Gives up an upload that nobody finishes, by its record.
    pub(super) fn give_up(shared: &Shared, record: &str) -> io::Result<()> {
        let found = match shared.get(record, GetOptions::default()) {
            Ok(found) => found,
            Err(failure) if failure.is_absent() => return Ok(()),
            Err(failure) => return Err(failure.into()),
        };
        let about: Value = serde_json::from_slice(&found.octets).unwrap_or_default();
        let word = |name: &str| about.get(name).and_then(Value::as_str).map(str::to_owned);
        if let (Some(object), Some(id)) = (word("object"), word("upload"))
            && let Ok(path) = Path::parse(object)
        {
            let shelves = Arc::clone(&shared.shelves);
            let given_up = shared.ask(async move { shelves.abort_multipart(&path, &id).await });
            match given_up {
                // It was finished, or given up, and only the record was left.
                Err(failure) if !failure.is_absent() => return Err(failure.into()),
                _ => tracing::info!(record, "an upload that was broken off is given up"),
            }
        }
        Ok(shared.delete(record)?)
    }
}

/// Sends all parts of a file, some at once.
async fn parts(
    shelves: &Arc<dyn Shelves>,
    (path, id): (&Path, &str),
    file: Arc<File>,
    (octets, part_octets): (u64, u64),
) -> object_store::Result<Vec<PartId>> {
    let mut sent: Vec<Option<PartId>> = Vec::new();
    let mut on_their_way = JoinSet::new();
    let mut at = 0;
    loop {
        while at < octets && on_their_way.len() < AT_ONCE {
            let (number, len) = (sent.len(), part_octets.min(octets - at));
            let part = read(&file, at, len).map_err(failed)?;
            let (shelves, path, id) = (Arc::clone(shelves), path.clone(), id.to_owned());
            on_their_way.spawn(async move {
                let sent = shelves.put_part(&path, &id, number, part).await;
                sent.map(|part| (number, part))
            });
            sent.push(None);
            at += len;
        }
        let Some(done) = on_their_way.join_next().await else {
            break;
        };
        let (number, part) = done.map_err(failed)??;
        if let Some(slot) = sent.get_mut(number) {
            *slot = Some(part);
        }
    }
    Ok(sent.into_iter().flatten().collect())
}

fn read(file: &File, at: u64, len: u64) -> io::Result<PutPayload> {
    let mut octets = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut octets, at)?;
    Ok(Bytes::from(octets).into())
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> object_store::Error {
    object_store::Error::Generic {
        store: "S3",
        source: Box::new(error),
    }
}
