//! A bucket of an object store that speaks S3, as a place for backups.
//!
//! ```text
//! PREFIX/bodies/… rows/… manifests/… seal   what a folder has as well
//! PREFIX/drafts/…                           uploads in parts that are on their way, to be given up
//! PREFIX/lock                               who writes, renewed as long as it does
//! ```
//!
//! A store takes an object whole or not at all, wants its name first, and is far away. So what is
//! written lies here until it has its name ([`draft`]), and one reads ahead ([`object`]).
//!
//! Not here: S3's own words (`object_store`), HTTP and asking again ([`line`]), whose bucket it is
//! ([`settings`]).

use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use backup::{Draft, Medium, Object};
use bytes::Bytes;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutResult};
use tokio::runtime::Runtime;

use self::draft::{BucketDraft, Upload};
use self::line::{Heard, Refusal, Unheard};
use self::lock::Lease;
use self::object::{BucketObject, Windows};

mod draft;
mod line;
mod lock;
mod object;
pub(super) mod settings;

#[cfg(test)]
mod tests;

/// The folder of uploads that are on their way.
const DRAFTS: &str = "drafts";
/// Threads that speak with the store.
const THREADS: usize = 2;

/// What a store has to know.
trait Shelves: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> Shelves for T {}

/// A part of a bucket.
pub(super) struct Bucket(Arc<Shared>);

/// What the bucket, its objects and its drafts have together.
struct Shared {
    shelves: Arc<dyn Shelves>,
    /// What stands before all names; none for the whole bucket.
    prefix: Option<Path>,
    heard: Arc<Heard>,
    runtime: Option<Runtime>,
    windows: Mutex<Windows>,
    lease: Lease,
    /// Where what is written lies until it has its name.
    spool: PathBuf,
    /// How long it takes until a lock is looked at again.
    look_again: Duration,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.0.prefix).finish()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Nobody waits for anything any more, and this may be no place to wait in.
            runtime.shutdown_background();
        }
    }
}

/// Why a store did not do what it was asked.
#[derive(Debug)]
struct Failure(object_store::Error);

impl Failure {
    /// True if an object is there that was not to be, or is another than the one that was meant.
    const fn is_taken(&self) -> bool {
        use object_store::Error::{AlreadyExists, Precondition};
        matches!(self.0, AlreadyExists { .. } | Precondition { .. })
    }

    /// True if there is no such object.
    const fn is_absent(&self) -> bool {
        matches!(self.0, object_store::Error::NotFound { .. })
    }

    /// The status of what the store refused.
    fn status(&self) -> Option<u16> {
        causes(&self.0).find_map(|cause| Some(cause.downcast_ref::<Refusal>()?.status))
    }

    /// True if who asks may not.
    fn is_denied(&self) -> bool {
        matches!(self.status(), Some(401 | 403))
    }

    /// True if the store does not know what it was asked.
    fn is_unknown(&self) -> bool {
        self.status() == Some(501)
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        let kind = match &failure.0 {
            _ if failure.is_absent() => ErrorKind::NotFound,
            _ if failure.is_denied() => ErrorKind::PermissionDenied,
            object_store::Error::Precondition { .. } => {
                return Self::new(ErrorKind::InvalidData, "it is another than it was");
            }
            _ => ErrorKind::Other,
        };
        if failure.is_absent() {
            return Self::new(kind, "there is none of that name");
        }
        Self::new(kind, told(&failure.0))
    }
}

/// An error and what others wrapped in it, the outermost first.
fn causes<'error>(
    error: &'error (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'error (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// An error in words: ours, if they are in it, else the innermost.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let is_ours =
        |cause: &&(dyn std::error::Error + 'static)| cause.is::<Refusal>() || cause.is::<Unheard>();
    let ours = causes(error).find(is_ours);
    let told = ours.or_else(|| causes(error).last());
    told.map(ToString::to_string).unwrap_or_default()
}

/// An object as it was found.
struct Found {
    octets: Bytes,
    /// Octets of the whole object.
    len: u64,
    /// What tells it from others of that name.
    tag: Option<String>,
    /// When it was written, by the store's clock: seconds since 1970.
    modified: i64,
}

impl Shared {
    /// Waits for what the store says.
    fn ask<T, F>(&self, question: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        let (answer, hear) = mpsc::sync_channel(1);
        let task = async move {
            let answered = question.await.map_err(Failure);
            // Who asked is there, as long as it waits.
            drop(answer.send(answered));
        };
        if let Some(runtime) = &self.runtime {
            drop(runtime.spawn(task));
        }
        hear.recv().unwrap_or_else(|_| {
            Err(Failure(object_store::Error::Generic {
                store: "S3",
                source: "the question came to nothing".into(),
            }))
        })
    }

    /// The path of a name.
    fn path(&self, name: &str) -> Path {
        let parts = self.prefix.iter().flat_map(Path::parts);
        let all: Vec<_> = parts.chain(name.split('/').map(Into::into)).collect();
        all.into_iter().collect()
    }

    /// A part of an object, or what `options` say.
    fn get(&self, name: &str, options: GetOptions) -> Result<Found, Failure> {
        let (shelves, path) = (Arc::clone(&self.shelves), self.path(name));
        self.ask(async move {
            let got = shelves.get_opts(&path, options).await?;
            let (len, tag) = (got.meta.size, got.meta.e_tag.clone());
            let modified = got.meta.last_modified.timestamp();
            let octets = got.bytes().await?;
            Ok(Found {
                octets,
                len,
                tag,
                modified,
            })
        })
    }

    /// Puts an object in its place; when this returns, it is durable there.
    fn put(&self, name: &str, octets: Bytes, mode: PutMode) -> Result<PutResult, Failure> {
        let (shelves, path) = (Arc::clone(&self.shelves), self.path(name));
        let options = PutOptions {
            mode,
            ..PutOptions::default()
        };
        self.ask(async move { shelves.put_opts(&path, octets.into(), options).await })
    }

    fn delete(&self, name: &str) -> Result<(), Failure> {
        let (shelves, path) = (Arc::clone(&self.shelves), self.path(name));
        self.ask(async move { shelves.delete(&path).await })
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, Failure> {
        let (shelves, path) = (Arc::clone(&self.shelves), self.path(folder));
        let listed = self.ask(async move { shelves.list_with_delimiter(Some(&path)).await })?;
        let names = listed.objects.iter();
        let names = names.filter_map(|one| one.location.filename().map(str::to_owned));
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        Ok(names)
    }

    fn windows(&self) -> std::sync::MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Medium for Bucket {
    fn begin(&self) -> io::Result<Box<dyn Draft>> {
        Ok(Box::new(BucketDraft::new(Arc::clone(&self.0))))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Object>> {
        Ok(Box::new(BucketObject::open(&self.0, name)?))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        Ok(self.0.list(folder)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.lease.confirm(&self.0, false)?;
        // A store says nothing of an object that was not there.
        let options = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        self.0.get(name, options)?;
        Ok(self.0.delete(name)?)
    }

    fn hold(&self) -> io::Result<Box<dyn fmt::Debug>> {
        let held = lock::hold(&self.0)?;
        // What was broken off.
        for name in self.0.list(DRAFTS)? {
            Upload::give_up(&self.0, &format!("{DRAFTS}/{name}"))?;
        }
        Ok(Box::new(held))
    }
}
