//! What an embedded store stands on: its disk, its view's form, who writes, and where epochs come
//! from.
//!
//! The product has one ground, [`Ground::real`]. A simulated world gives another, on which nothing
//! depends upon anything but what was given.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::disk::{Disk, RealDisk};

/// Asked each time changes were applied to a view in memory, for each of its keyspaces: whether it
/// is written to the disk now, though nobody asked for it.
pub type Early = Arc<dyn Fn() -> bool + Send + Sync>;
/// Asked when a group begins: how long it waits for more, for the disk is slow.
pub type Delay = Arc<dyn Fn() -> Duration + Send + Sync>;
/// Draws the number that makes a segment of the log different from every other.
pub type Epochs = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The ground under a store.
#[derive(Clone)]
pub struct Ground {
    /// Where the files are.
    pub disk: Arc<dyn Disk>,
    /// The form of the view.
    pub view: ViewForm,
    /// Who writes.
    pub pace: Pace,
    /// What makes segments differ.
    pub epochs: Epochs,
}

/// The form of the view.
#[derive(Clone)]
pub enum ViewForm {
    /// An engine keeps it, in files of its own.
    Engine,
    /// It is in memory, and written whole to the store's disk.
    Plain(Early),
}

/// Who writes, and who waits for the disk.
#[derive(Clone)]
pub enum Pace {
    /// A thread; long reads are done on others.
    Thread,
    /// A task of the runtime in which the store is opened, by that runtime's clock; all work is
    /// done in place. Closing such a store goes on after it returned.
    Task(Delay),
}

impl Ground {
    /// The machine's.
    #[must_use]
    pub fn real() -> Self {
        Self {
            disk: Arc::new(RealDisk),
            view: ViewForm::Engine,
            pace: Pace::Thread,
            epochs: Arc::new(|| RandomState::new().hash_one(0)),
        }
    }
}

impl fmt::Debug for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (view, pace) = (&self.view, &self.pace);
        write!(f, "Ground({:?}, {view:?}, {pace:?})", self.disk)
    }
}

impl fmt::Debug for ViewForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Engine => "Engine",
            Self::Plain(_) => "Plain",
        })
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Thread => "Thread",
            Self::Task(_) => "Task",
        })
    }
}
