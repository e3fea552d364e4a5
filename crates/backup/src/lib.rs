//! What is kept, kept a second time: a repository of packs and manifests, and the way back.
//!
//! A repository has the bodies and the rows of many backups, each once, under their digests. A
//! backup is a manifest that names chunks of rows; it is written last, so a backup that was broken
//! off is none, and what it wrote already is found when the next one begins.
//!
//! ```text
//! bodies/PACK        bodies, back to back, with an index
//! rows/PACK          chunks of rows, and files, in the same form
//! manifests/BACKUP   what there was at one moment
//! drafts/            what has no name yet; removed by whoever writes next
//! seal               where all of it is enciphered: what tells the right key
//! lock               held by whoever writes
//! ```
//!
//! Not here: how rows and bodies come here from a server that runs (`caramel`), what rows mean
//! (`post`).
//!
//! See `docs/decisions/028-backup.md`.

mod catalogue;
mod chunk;
mod create;
mod extra;
mod manifest;
mod medium;
mod pack;
mod prune;
mod repository;
mod restore;
mod seal;
mod show;
mod source;
mod verify;

use std::fmt;
use std::io;

pub use create::{Created, create};
pub use extra::{Extra, files};
pub use manifest::{Manifest, Sums};
pub use medium::{Draft, Folder, Medium, Object};
pub use prune::{Pruned, prune};
pub use repository::{Listed, Repository};
pub use restore::{Flaw, Restored, message, restore};
pub use seal::Key;
pub use show::{Content, show};
pub use source::{Bodies, Rows, Source};
pub use verify::compare;

/// The folder of packs of bodies.
const BODIES: &str = "bodies";
/// The folder of packs of rows.
const ROWS: &str = "rows";
/// What says that a repository is sealed.
const SEAL: &str = "seal";
/// The folder of manifests.
const MANIFESTS: &str = "manifests";

/// The digest of a body, a chunk, an index: BLAKE3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of these octets.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        Self(*blake3::hash(octets).as_bytes())
    }

    /// Reads what `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text)
            .ok()
            .map(|hash| Self(*hash.as_bytes()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The place of the repository said no.
    #[error("{doing}: {cause}")]
    Medium {
        /// What we were doing.
        doing: String,
        /// What it said.
        cause: io::Error,
    },
    /// Somebody else writes to the repository.
    #[error("another backup is being written here{}{who}", if who.is_empty() { "" } else { ": " })]
    Busy {
        /// Who, where that is known.
        who: String,
    },
    /// A repository that was begun with a key, and no key.
    #[error("these backups are encrypted: they need their key")]
    Sealed,
    /// A repository that was begun with another key.
    #[error("the key is not the one of these backups")]
    WrongKey,
    /// A repository that was begun without a key, and a key.
    #[error("these backups were begun without a key")]
    Unsealed,
    /// There is no such backup.
    #[error("there is no backup {0}")]
    NoBackup(String),
    /// Octets of the repository are not what was written.
    #[error("{what} is damaged: {why}")]
    Damaged {
        /// What.
        what: String,
        /// How it shows.
        why: String,
    },
    /// What is to be backed up could not be read.
    #[error("reading what is kept: {0}")]
    Source(String),
    /// The store that is restored to said no.
    #[error("writing the store: {0}")]
    Commit(#[from] store::CommitError),
    /// The store that is restored to could not be read.
    #[error("reading the store: {0}")]
    Store(#[from] store::Error),
}

impl Error {
    /// For what the place said.
    fn medium(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |cause| Self::Medium { doing, cause }
    }

    fn damaged(what: impl Into<String>, why: impl Into<String>) -> Self {
        let (what, why) = (what.into(), why.into());
        Self::Damaged { what, why }
    }

    /// True if the repository lacks something or has it damaged: what does not need it goes on.
    fn is_loss(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Medium { cause, .. } => matches!(
                cause.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
            ),
            _ => false,
        }
    }
}

/// An outcome.
pub type Outcome<T> = Result<T, Error>;
