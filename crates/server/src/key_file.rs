//! The file with the keys that access tokens are signed with, read again whenever it is another.
//!
//! So whoever issues tokens may change its keys while the server runs. Not here: what a key is, and
//! what is in a token (the post's).

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use post::{KEY_SET_OCTETS_MAX, KeySet, KeySetError};

/// Keys in a file.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    keys: Arc<KeySet>,
    /// Of the file that was looked at last, whether its keys could be read or not.
    stamp: Option<Stamp>,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    octets: u64,
    modified: (i64, i64),
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is no key set.
    #[error(transparent)]
    Keys(#[from] KeySetError),
}

impl KeyFile {
    /// Reads the keys for the first time.
    ///
    /// # Errors
    /// If there are none.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, KeyFileError> {
        let path = path.into();
        let stamp = Some(Stamp::new(&fs::metadata(&path)?));
        let keys = Arc::new(read(&path)?);
        Ok(Self {
            path,
            held: Mutex::new(Held { keys, stamp }),
        })
    }

    /// The keys as they are now; as they were, while the file is gone or broken, which is logged
    /// once. Touches the disk.
    pub(crate) fn keys(&self) -> Arc<KeySet> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let found = fs::metadata(&self.path);
        // Looked at before it is read: what is written meanwhile is seen the next time.
        let stamp = found.as_ref().ok().map(Stamp::new);
        if stamp != held.stamp {
            held.stamp = stamp;
            let path = self.path.display();
            match found
                .map_err(KeyFileError::Io)
                .and_then(|_| read(&self.path))
            {
                Ok(keys) => {
                    tracing::info!(%path, "other keys of tokens");
                    held.keys = Arc::new(keys);
                }
                Err(error) => tracing::warn!(%path, %error, "keys of tokens stay as they were"),
            }
        }
        Arc::clone(&held.keys)
    }
}

impl Stamp {
    fn new(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            octets: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

fn read(path: &Path) -> Result<KeySet, KeyFileError> {
    let mut octets = Vec::new();
    let octets_max = u64::try_from(KEY_SET_OCTETS_MAX).unwrap_or(u64::MAX);
    let file = File::open(path)?;
    file.take(octets_max.saturating_add(1))
        .read_to_end(&mut octets)?;
    Ok(KeySet::parse(&octets)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "first",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    fn names(file: &KeyFile, name: &str) -> bool {
        format!("{:?}", file.keys()).contains(name)
    }

    #[test]
    fn other_keys_are_read_and_broken_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        assert!(matches!(KeyFile::open(&path), Err(KeyFileError::Io(_))));
        fs::write(&path, "{}").unwrap();
        assert!(matches!(KeyFile::open(&path), Err(KeyFileError::Keys(_))));
        fs::write(&path, FIRST).unwrap();
        let file = KeyFile::open(&path).unwrap();
        assert!(names(&file, "\"first\""));
        let same = file.keys();
        assert!(Arc::ptr_eq(&same, &file.keys()));
        // Written over, put in its place, gone and come again.
        fs::write(&path, FIRST.replace("first", "second one")).unwrap();
        assert!(names(&file, "\"second one\""));
        fs::write(&path, "{").unwrap();
        assert!(names(&file, "\"second one\""));
        fs::remove_file(&path).unwrap();
        assert!(names(&file, "\"second one\""));
        let other = folder.path().join("other.json");
        fs::write(&other, FIRST.replace("first", "third")).unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(names(&file, "\"third\""));
        fs::write(&path, "x".repeat(KEY_SET_OCTETS_MAX + 1)).unwrap();
        assert!(names(&file, "\"third\""));
    }
}
