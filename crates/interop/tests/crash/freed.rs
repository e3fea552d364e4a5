//! What is dead is freed beside the work: how much went, and which blows fell into it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use interop::Server;

use crate::view::files;

/// What was freed over the rounds of a test.
#[derive(Default)]
pub(crate) struct Freed {
    /// Rounds in which a snapshot was taken.
    snapshots: u64,
    /// Blows that fell while one was being written.
    middle: u64,
    /// Segments of the log that went.
    segments: u64,
    /// Segments that were begun.
    begun: u64,
    /// The last snapshot there was.
    newest: Option<PathBuf>,
}

impl Freed {
    /// The blow has fallen, and nothing was started since.
    pub(crate) fn blow(&mut self, server: &Server) {
        let (drafts, mut whole) = snapshots(&store(server));
        self.middle += u64::from(!drafts.is_empty());
        let newest = whole.pop();
        self.snapshots += u64::from(newest.is_some() && newest != self.newest);
        self.newest = newest;
    }

    /// A store's rounds are over: its segments are numbered from one on, and no number is used
    /// again.
    pub(crate) fn store(&mut self, server: &Server) {
        let segments = files(&store(server).join("log"));
        let last = segments.last().and_then(|path| path.file_stem());
        let last = u64::from_str_radix(&last.unwrap().to_string_lossy(), 16).unwrap();
        self.segments += last - segments.len() as u64;
        self.begun += last;
    }

    /// True if segments of the log went.
    pub(crate) const fn is_some(&self) -> bool {
        self.segments > 0
    }

    /// Segments that were begun in all stores.
    pub(crate) const fn begun(&self) -> u64 {
        self.begun
    }

    pub(crate) fn tell(&self, name: &str) {
        eprintln!(
            "{name}: {} of {} segments freed; snapshots taken in {} rounds, {} blows fell on one",
            self.segments, self.begun, self.snapshots, self.middle
        );
    }
}

fn store(server: &Server) -> PathBuf {
    server.data().join("store")
}

/// Snapshots that are being written, and whole ones.
fn snapshots(store: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let snapshots = files(&store.join("snapshots")).into_iter();
    snapshots.partition(|path| path.extension().is_some_and(|end| end == "new"))
}

/// Waits no longer: there may be nothing to be freed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns when the next snapshot is being written, or when `segments` before one go.
pub(crate) fn wait(server: &Server, segments: bool) {
    let store = store(server);
    let first = || files(&store.join("log")).into_iter().next();
    let (begun, first_before, (_, before)) = (Instant::now(), first(), snapshots(&store));
    loop {
        let (drafts, now) = snapshots(&store);
        let is_time = match segments {
            true => first() != first_before,
            false => now != before || !drafts.is_empty(),
        };
        if is_time || begun.elapsed() > PATIENCE {
            return;
        }
        std::thread::yield_now();
    }
}
