//! Where a repository lies: whole objects under names, written once.
//!
//! Not here: what is in them (`pack`, `manifest`), that nobody else can read it (`seal`), and media
//! that are not on this machine (`caramel`).

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::disk::{Disk, DiskFile};

/// Octets that are written with one call.
const BUFFER_OCTETS: usize = 1 << 20;
/// Octets that are read with one call, where less was asked for.
const READ_OCTETS: usize = 64 << 10;
/// The folder of objects that have no name yet.
const DRAFTS: &str = "drafts";

/// A place for objects.
pub trait Medium: fmt::Debug + Send + Sync {
    /// Begins an object that has no name yet.
    ///
    /// # Errors
    ///
    /// As the place says; so for all that follow.
    fn begin(&self) -> io::Result<Box<dyn Draft>>;
    /// Opens an object.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if there is none of that name.
    fn open(&self, name: &str) -> io::Result<Box<dyn Object>>;
    /// The names in a folder, in order; none where there is no such folder.
    ///
    /// # Errors
    ///
    /// As the place says.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// Removes an object, durably.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if there is none of that name.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Keeps all others from writing as long as what is returned lives.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if somebody else writes; it may say who.
    fn hold(&self) -> io::Result<Box<dyn fmt::Debug>>;
}

/// An object that is being written.
pub trait Draft: Write + Send {
    /// Gives it a name: when this returns, it is durable under it.
    ///
    /// # Errors
    ///
    /// Then it may be there or not; if it is there, it is whole.
    fn keep(self: Box<Self>, name: &str) -> io::Result<()>;
}

/// An object that is read.
pub trait Object: Read + Seek + Send {}

impl<T: Read + Seek + Send> Object for T {}

/// A folder on a disk.
#[derive(Debug)]
pub struct Folder {
    disk: Arc<dyn Disk>,
    root: PathBuf,
}

impl Folder {
    /// A repository's folder; it need not be there.
    pub fn new(disk: Arc<dyn Disk>, root: &Path) -> Self {
        let root = root.to_owned();
        Self { disk, root }
    }

    fn make(&self, folder: &Path) -> io::Result<()> {
        self.disk.make_dir(folder)?;
        if let Some(above) = folder
            .parent()
            .filter(|above| !above.as_os_str().is_empty())
        {
            self.disk.sync_dir(above)?;
        }
        Ok(())
    }
}

impl Medium for Folder {
    fn begin(&self) -> io::Result<Box<dyn Draft>> {
        let drafts = self.root.join(DRAFTS);
        let file = |number: usize| drafts.join(number.to_string());
        // Two are written at a time, and each has its number as long as it has no other name.
        let number = (0..).find(|number| self.disk.len(&file(*number)).is_err());
        let path = file(number.unwrap_or_default());
        Ok(Box::new(FileDraft {
            file: self.disk.create(&path)?,
            disk: Arc::clone(&self.disk),
            root: self.root.clone(),
            path,
            at: 0,
            buffer: Vec::with_capacity(BUFFER_OCTETS),
        }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Object>> {
        let file = self.disk.open(&self.root.join(name))?;
        Ok(Box::new(FileObject {
            len: file.len()?,
            file,
            at: 0,
            buffer: Vec::new(),
            buffer_at: 0,
        }))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let paths = match self.disk.list(&self.root.join(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            paths => paths?,
        };
        let names = paths.iter().filter_map(|path| path.file_name()?.to_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.root.join(name);
        self.disk.remove(&path)?;
        match path.parent() {
            Some(folder) => self.disk.sync_dir(folder),
            None => Ok(()),
        }
    }

    fn hold(&self) -> io::Result<Box<dyn fmt::Debug>> {
        self.make(&self.root)?;
        let lock = self.disk.lock(&self.root.join("lock"))?;
        for folder in [DRAFTS, crate::BODIES, crate::ROWS, crate::MANIFESTS] {
            self.make(&self.root.join(folder))?;
        }
        // What was broken off.
        for draft in self.disk.list(&self.root.join(DRAFTS))? {
            self.disk.remove(&draft)?;
        }
        Ok(Box::new(lock))
    }
}

/// A file that has a number for a name.
struct FileDraft {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    at: u64,
    buffer: Vec<u8>,
}

impl Write for FileDraft {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(octets);
        if self.buffer.len() >= BUFFER_OCTETS {
            self.flush()?;
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.at)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl Draft for FileDraft {
    fn keep(mut self: Box<Self>, name: &str) -> io::Result<()> {
        self.flush()?;
        self.file.sync()?;
        let path = self.root.join(name);
        self.disk.rename(&self.path, &path)?;
        match path.parent() {
            Some(folder) => self.disk.sync_dir(folder),
            None => Ok(()),
        }
    }
}

/// A file that is read.
struct FileObject {
    file: Arc<dyn DiskFile>,
    len: u64,
    at: u64,
    /// What was read ahead.
    buffer: Vec<u8>,
    /// Where that begins.
    buffer_at: u64,
}

impl Read for FileObject {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let ahead = self.at.checked_sub(self.buffer_at);
        let ahead = ahead.and_then(|from| self.buffer.get(usize::try_from(from).ok()?..));
        let mut ahead = ahead.unwrap_or_default();
        if ahead.is_empty() {
            if octets.len() >= READ_OCTETS {
                let read = self.file.read_at(octets, self.at)?;
                self.at += read as u64;
                return Ok(read);
            }
            self.buffer.resize(READ_OCTETS, 0);
            self.buffer_at = self.at;
            let read = self.file.read_at(&mut self.buffer, self.at);
            self.buffer.truncate(read.as_ref().copied().unwrap_or(0));
            read?;
            ahead = &self.buffer;
        }
        let read = ahead.read(octets)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Where a seek leads in an object of so many octets, from a place in it.
pub(crate) fn sought(to: SeekFrom, at: u64, len: u64) -> io::Result<u64> {
    let place = match to {
        SeekFrom::Start(place) => Some(place),
        SeekFrom::End(by) => len.checked_add_signed(by),
        SeekFrom::Current(by) => at.checked_add_signed(by),
    };
    Ok(place.ok_or(io::ErrorKind::InvalidInput)?)
}

impl Seek for FileObject {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = sought(to, self.at, self.len)?;
        Ok(self.at)
    }
}
