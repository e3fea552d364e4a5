//! A folder for each mailbox, a file for each message, its octets as they are.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use mail::Timestamp;

use super::{Mailbox, Message, place};

pub(super) struct Folders {
    target: PathBuf,
    folder: PathBuf,
    file: Option<File>,
}

impl Folders {
    pub(super) fn new(target: &Path) -> Self {
        Self {
            target: target.to_owned(),
            folder: PathBuf::new(),
            file: None,
        }
    }
}

impl super::Writer for Folders {
    fn mailbox(&mut self, mailbox: &Mailbox) -> anyhow::Result<()> {
        self.folder = place(&self.target, &mailbox.name);
        let made = fs::create_dir_all(&self.folder);
        made.with_context(|| format!("making {}", self.folder.display()))
    }

    fn begin(&mut self, message: &Message) -> anyhow::Result<()> {
        let path = self.folder.join(format!("{}.eml", message.uid.value()));
        let file = File::create_new(&path);
        self.file = Some(file.with_context(|| format!("writing {}", path.display()))?);
        Ok(())
    }

    fn octets(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(octets),
            None => Ok(()),
        }
    }

    fn end(&mut self, message: &Message) -> anyhow::Result<()> {
        if let Some(file) = self.file.take() {
            file.set_modified(moment(message.date))?;
        }
        Ok(())
    }

    fn close(&mut self) -> anyhow::Result<()> {
        sync(&self.folder)
    }
}

/// A date as files have it; none before 1970.
pub(super) fn moment(date: Timestamp) -> SystemTime {
    let seconds = u64::try_from(date.seconds).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Puts all that was written into a folder's file system on the disk.
pub(super) fn sync(folder: &Path) -> anyhow::Result<()> {
    let file = File::open(folder)?;
    rustix::fs::syncfs(&file).with_context(|| format!("writing {}", folder.display()))
}
