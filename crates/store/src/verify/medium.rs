//! What the system tells of the medium under a folder.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A file system that is in memory (`tmpfs`), by its number in Linux.
const TMPFS: u64 = 0x0102_1994;
/// Another one (`ramfs`).
const RAMFS: u64 = 0x8584_58f6;

/// What is known of a medium.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Medium {
    /// True for a file system that no power cut survives.
    pub is_memory: bool,
    /// The device's name in the system, where it has one.
    pub device: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// True if it turns; not known of a disk that is made of others.
    pub rotates: Option<bool>,
    /// `write back` if it says that it has a cache that a power cut empties, `write through` if it
    /// says that it has none.
    pub write_cache: Option<String>,
}

impl Medium {
    /// Looks at the medium under a folder.
    ///
    /// # Errors
    ///
    /// If the folder cannot be looked at; what else cannot be read is not known.
    pub fn under(folder: &Path) -> io::Result<Self> {
        let device = std::fs::metadata(folder)?.dev();
        let system = rustix::fs::statfs(folder)?;
        let kind = u64::try_from(system.f_type).unwrap_or_default();
        let mut medium = Self {
            is_memory: matches!(kind, TMPFS | RAMFS),
            ..Self::default()
        };
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let link = format!("/sys/dev/block/{major}:{minor}");
        if let Ok(place) = std::fs::canonicalize(link) {
            medium.read(&place);
        }
        Ok(medium)
    }

    fn read(&mut self, place: &Path) {
        // What is asked of a partition is known of its disk.
        let disk: PathBuf = match place.join("queue").is_dir() {
            true => place.to_owned(),
            false => place.parent().unwrap_or(place).to_owned(),
        };
        let text = |name: &str| {
            let text = std::fs::read_to_string(disk.join(name)).ok()?;
            let text = text.trim().to_owned();
            (!text.is_empty()).then_some(text)
        };
        let name = place.file_name().and_then(|name| name.to_str());
        self.device = name.map(str::to_owned);
        self.model = text("device/model");
        // What has no model is made of others, and often says that it turns where it does not.
        let rotates = text("queue/rotational").filter(|_| self.model.is_some());
        self.rotates = rotates.map(|text| text == "1");
        self.write_cache = text("queue/write_cache");
    }
}
