//! The local spool: a folder where people and programs of this machine leave letters for the
//! server, whether it runs or not.
//!
//! ```text
//! SPOOL/                 everybody may pass
//!   drop/                everybody may put files there; nobody but the server sees which there are
//!     t…                 a letter that is being written
//!     m…                 a letter: its owner is who handed it in, the system says so
//!   unfit/               files that are no letters, for whoever looks after this host
//!   house.json           what programs of this machine have to know of the server
//!   notice               a socket: an empty datagram says that a letter has come
//!   deliver              a socket: LMTP for programs that deliver
//! ```
//!
//! A letter is acknowledged once it has its name and both are on the disk. Its group is the
//! folder's, so that a server that is not root may read it, and nobody else.
//!
//! Not here: what becomes of letters (`pickup`), their form (`letter`).

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use post::HandedId;
use rustix::fs::OFlags;
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

use super::letter::LocalEnvelope;

/// Set-group-id, so that letters belong to the server's group; sticky, so that nobody takes
/// another's away; and nobody but the owner sees what there is.
const DROP_MODE: u32 = 0o3733;
const PASSAGE_MODE: u32 = 0o755;
const LETTER_MODE: u32 = 0o640;
/// Octets of what is told of the house.
const HOUSE_OCTETS_MAX: u64 = 64 * 1024;
/// Names that are looked at in one turn.
const NAMES_MAX: usize = 100_000;
const LETTER: &str = "m";
const DRAFT: &str = "t";

/// The folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSpool(PathBuf);

/// What programs of this machine have to know of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HouseFacts {
    /// The server's name.
    pub host: String,
    /// The domain that names without one belong to.
    pub domain: String,
    /// Octets a message may have.
    pub octets_max: u64,
}

/// A letter that is being written; dropped before it is committed, it never was.
#[derive(Debug)]
pub struct LocalDraft {
    file: File,
    path: PathBuf,
    spool: LocalSpool,
    committed: bool,
}

/// A letter that lies there.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: File,
    /// The number of the user who handed it in.
    pub(super) user: u32,
    pub(super) octets: u64,
    /// When it was handed in, in seconds since 1970.
    pub(super) arrived: i64,
}

impl LocalSpool {
    /// The spool in this folder, whether it is there or not.
    #[must_use]
    pub const fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The socket where letters are delivered.
    #[must_use]
    pub fn deliver_socket(&self) -> PathBuf {
        self.0.join("deliver")
    }

    fn drop_folder(&self) -> PathBuf {
        self.0.join("drop")
    }

    fn notice_socket(&self) -> PathBuf {
        self.0.join("notice")
    }

    fn house_file(&self) -> PathBuf {
        self.0.join("house.json")
    }

    fn letter(&self, id: HandedId) -> PathBuf {
        self.drop_folder().join(format!("{LETTER}{}", hex(id.0)))
    }

    /// Its folders, with who may do what there.
    fn folders(&self) -> [(PathBuf, u32); 3] {
        [
            (self.0.clone(), PASSAGE_MODE),
            (self.0.join("unfit"), 0o700),
            (self.drop_folder(), DROP_MODE),
        ]
    }

    /// Makes the folders that are missing.
    ///
    /// # Errors
    /// If they cannot be made.
    pub fn make(&self) -> io::Result<()> {
        for (folder, mode) in self.folders() {
            if !folder.is_dir() {
                fs::create_dir_all(&folder)?;
                fs::set_permissions(&folder, Permissions::from_mode(mode))?;
            }
        }
        Ok(())
    }

    /// Makes the folders where the server has not been yet, so that it will find them to be its
    /// own: by whoever owns the folder, or the one around, or by root in that one's name.
    ///
    /// # Errors
    /// If they are missing and are somebody else's to make.
    pub fn make_as_owner(&self) -> io::Result<()> {
        if self.drop_folder().is_dir() {
            return Ok(());
        }
        let around = self.0.ancestors().find(|folder| folder.exists());
        let Some(owner) = around.map(fs::metadata).transpose()? else {
            return Err(ErrorKind::NotFound.into());
        };
        let is_owner = owner.uid() == geteuid().as_raw();
        if !is_owner && !geteuid().is_root() {
            return Err(ErrorKind::NotFound.into());
        }
        self.make()?;
        if !is_owner {
            for (folder, mode) in self.folders() {
                chown(&folder, Some(owner.uid()), Some(owner.gid()))?;
                // Another owner takes the bit away that passes the group on.
                fs::set_permissions(&folder, Permissions::from_mode(mode))?;
            }
        }
        Ok(())
    }

    /// Begins a letter.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(&self, envelope: &LocalEnvelope) -> io::Result<LocalDraft> {
        let path = self
            .drop_folder()
            .join(format!("{DRAFT}{}", hex(chance()?)));
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(LETTER_MODE);
        let file = options.open(&path)?;
        let mut draft = LocalDraft {
            file,
            path,
            spool: self.clone(),
            committed: false,
        };
        // Whatever the process keeps from its group.
        let mode = Permissions::from_mode(LETTER_MODE);
        draft.file.set_permissions(mode)?;
        draft.write(envelope.line().as_bytes())?;
        Ok(draft)
    }

    /// Tells the server, if one runs, that there is something.
    pub fn notice(&self) {
        // It looks by itself as well; nobody has to hear this.
        let told = UnixDatagram::unbound().and_then(|socket| {
            socket.set_nonblocking(true)?;
            socket.send_to(&[], self.notice_socket())
        });
        told.map(drop).unwrap_or_default();
    }

    /// What the server last told of itself; nothing where none was here.
    #[must_use]
    pub fn house(&self) -> Option<HouseFacts> {
        let mut text = String::new();
        let file = File::open(self.house_file()).ok()?;
        file.take(HOUSE_OCTETS_MAX).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Tells of the server.
    pub(super) fn tell_house(&self, facts: &HouseFacts) -> io::Result<()> {
        let beside = self.0.join("house.new");
        let text = serde_json::to_string(facts).map_err(io::Error::other)?;
        fs::write(&beside, text + "\n")?;
        fs::set_permissions(&beside, Permissions::from_mode(0o644))?;
        fs::rename(beside, self.house_file())
    }

    /// The socket where notices arrive, for everybody to send to.
    pub(super) fn listen(&self) -> io::Result<UnixDatagram> {
        let path = self.notice_socket();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixDatagram::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o666))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    /// The letters that are there, a bounded number of them, in no order.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn letters(&self) -> io::Result<Vec<HandedId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(self.drop_folder())? {
            let name = entry?.file_name();
            ids.extend(name.to_str().and_then(read_name));
            if ids.len() >= NAMES_MAX {
                break;
            }
        }
        Ok(ids)
    }

    /// True if a letter is there.
    pub(super) fn has(&self, id: HandedId) -> bool {
        self.letter(id).symlink_metadata().is_ok()
    }

    /// Opens a letter. `Ok(Err(why))` if it is none that may be taken.
    pub(super) fn open(&self, id: HandedId) -> io::Result<Result<Found, &'static str>> {
        let mut options = OpenOptions::new();
        // Neither is followed where somebody else points, nor waited for who never writes.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let opened = options.read(true).custom_flags(flags).open(self.letter(id));
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                return Ok(Err("it is a link"));
            }
            Err(error) => return Err(error),
        };
        let found = file.metadata()?;
        if !found.is_file() {
            return Ok(Err("it is no file"));
        }
        // Another's file under a second name is not what its owner wants to send.
        if found.nlink() != 1 {
            return Ok(Err("it has another name as well"));
        }
        Ok(Ok(Found {
            file,
            user: found.uid(),
            octets: found.len(),
            arrived: found.mtime(),
        }))
    }

    /// Removes letters.
    pub(super) fn remove(&self, ids: &[HandedId]) -> io::Result<()> {
        for id in ids {
            match fs::remove_file(self.letter(*id)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        File::open(self.drop_folder())?.sync_all()
    }

    /// Puts a file aside that is no letter.
    pub(super) fn set_aside(&self, id: HandedId) -> io::Result<()> {
        fs::rename(self.letter(id), self.0.join("unfit").join(hex(id.0)))
    }

    /// Removes letters that nobody has gone on writing since a moment, in seconds since 1970.
    pub(super) fn sweep(&self, before: i64) -> io::Result<()> {
        for entry in fs::read_dir(self.drop_folder())? {
            let entry = entry?;
            let is_draft = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(DRAFT));
            if is_draft && entry.metadata().is_ok_and(|found| found.mtime() < before) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl LocalDraft {
    /// Adds octets.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)
    }

    /// Hands it in: on `Ok` it is on the disk, and the server will take it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, self.spool.letter(HandedId(chance()?)))?;
        self.committed = true;
        match File::open(self.spool.drop_folder()) {
            Ok(folder) => folder.sync_all()?,
            // Whoever may not see the folder has all of the file system written instead.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                rustix::fs::syncfs(&self.file)?;
            }
            Err(error) => return Err(error),
        }
        self.spool.notice();
        Ok(())
    }
}

impl Drop for LocalDraft {
    fn drop(&mut self) {
        if !self.committed {
            // The server removes what is left over.
            fs::remove_file(&self.path).unwrap_or_default();
        }
    }
}

fn chance() -> io::Result<[u8; 16]> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).map_err(io::Error::other)?;
    Ok(octets)
}

fn hex(octets: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(octets))
}

fn read_name(name: &str) -> Option<HandedId> {
    let digits = name.strip_prefix(LETTER)?;
    let number = u128::from_str_radix(digits, 16).ok()?;
    let id = HandedId(number.to_be_bytes());
    (hex(id.0) == digits).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool() -> (tempfile::TempDir, LocalSpool) {
        let folder = tempfile::TempDir::new().unwrap();
        let spool = LocalSpool::at(folder.path().join("spool"));
        spool.make().unwrap();
        (folder, spool)
    }

    fn hand_in(spool: &LocalSpool) -> HandedId {
        let before = spool.letters().unwrap();
        let mut draft = spool
            .begin(&LocalEnvelope::new(vec!["ada".to_owned()]))
            .unwrap();
        draft.write(b"\r\nTea?\r\n").unwrap();
        draft.commit().unwrap();
        let mut ids = spool.letters().unwrap();
        ids.retain(|id| !before.contains(id));
        assert_eq!(ids.len(), 1);
        ids[0]
    }

    #[test]
    fn letters_are_there_whole_or_not_at_all() {
        let (_folder, spool) = spool();
        let draft = spool.begin(&LocalEnvelope::new(Vec::new())).unwrap();
        assert_eq!(spool.letters().unwrap(), []);
        drop(draft);
        assert_eq!(fs::read_dir(spool.drop_folder()).unwrap().count(), 0);
        let id = hand_in(&spool);
        let mut found = spool.open(id).unwrap().unwrap();
        let mut text = String::new();
        found.file.read_to_string(&mut text).unwrap();
        assert!(text.ends_with("}\n\r\nTea?\r\n"), "{text}");
        assert_eq!((found.user, found.octets), (geteuid().as_raw(), 35));
        spool.remove(&[id, id]).unwrap();
        assert!(!spool.has(id));
    }

    #[test]
    fn what_is_somebody_elses_is_not_taken() {
        let (folder, spool) = spool();
        let secret = folder.path().join("secret");
        fs::write(&secret, "x").unwrap();
        let (link, twice, pipe) = (HandedId([1; 16]), HandedId([2; 16]), HandedId([3; 16]));
        std::os::unix::fs::symlink(&secret, spool.letter(link)).unwrap();
        fs::hard_link(&secret, spool.letter(twice)).unwrap();
        fs::create_dir(spool.letter(pipe)).unwrap();
        for id in [link, twice, pipe] {
            assert!(spool.open(id).unwrap().is_err(), "{id:?}");
            spool.set_aside(id).unwrap();
            assert!(!spool.has(id));
        }
        assert_eq!(fs::read_to_string(secret).unwrap(), "x");
    }

    #[test]
    fn names_are_names_of_letters() {
        let id = HandedId([0xab; 16]);
        assert_eq!(read_name(&format!("m{}", hex(id.0))), Some(id));
        for name in ["m", "mab", "t00000000000000000000000000000000", "m+1"] {
            assert_eq!(read_name(name), None, "{name}");
        }
    }

    #[test]
    fn what_nobody_finishes_goes() {
        let (_folder, spool) = spool();
        let mut draft = spool.begin(&LocalEnvelope::new(Vec::new())).unwrap();
        draft.committed = true;
        let written = draft.path.clone();
        drop(draft);
        spool.sweep(0).unwrap();
        assert!(written.exists());
        spool.sweep(i64::MAX).unwrap();
        assert!(!written.exists());
    }
}
