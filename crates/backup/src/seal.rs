//! A medium whose objects nobody without the key can read, or change unnoticed.
//!
//! ```text
//! object: magic:8 salt:32 frame*
//! frame:  65,536 octets (the last: what is left), enciphered, and a tag:16
//! ```
//!
//! Each object has a key of its own: the BLAKE3 digest of its salt, keyed. Frames are enciphered
//! with AES-256-GCM; a nonce is the number of its frame, and says whether that is the last one,
//! which is bound to the object's name as well. So no frame can be moved, left out or cut off, and
//! no object can take another's name.
//!
//! Not here: the names of packs, which are keyed digests (`pack`).

use std::fmt;
use std::io::{self, Read as _, Seek, SeekFrom, Write};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::Digest;
use crate::medium::{Draft, Medium, Object, sought};

/// Octets of what a frame says.
const FRAME_OCTETS: usize = 64 << 10;
/// Octets of a frame's tag.
const TAG_OCTETS: usize = 16;
/// Octets of a whole frame.
const SEALED_OCTETS: u64 = (FRAME_OCTETS + TAG_OCTETS) as u64;
const MAGIC: [u8; 8] = *b"carasea1";
const SALT_OCTETS: usize = 32;
/// Octets before the first frame.
const HEAD_OCTETS: u64 = (MAGIC.len() + SALT_OCTETS) as u64;

/// What opens a repository; `Debug` does not show it.
#[derive(Clone)]
pub struct Key {
    objects: [u8; 32],
    names: [u8; 32],
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// The key that is made of 32 octets of chance.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self {
            objects: blake3::derive_key("caramel backup 1, objects", secret),
            names: blake3::derive_key("caramel backup 1, names of packs", secret),
        }
    }

    /// The name of a pack with this index.
    pub(crate) fn name(&self, index: &[u8]) -> Digest {
        Digest(*blake3::keyed_hash(&self.names, index).as_bytes())
    }

    fn cipher(&self, salt: &[u8; SALT_OCTETS]) -> io::Result<LessSafeKey> {
        let key = blake3::keyed_hash(&self.objects, salt);
        let key = UnboundKey::new(&AES_256_GCM, key.as_bytes());
        Ok(LessSafeKey::new(key.map_err(|_| failed())?))
    }
}

fn failed() -> io::Error {
    io::Error::other("the cipher said no")
}

fn damaged() -> io::Error {
    let why = "it is damaged, or of another key";
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn nonce(frame: u64, is_last: bool) -> Nonce {
    let mut octets = [0; 12];
    let (number, end) = octets.split_at_mut(8);
    number.copy_from_slice(&frame.to_be_bytes());
    end.fill(u8::from(is_last));
    Nonce::assume_unique_for_key(octets)
}

/// Another medium, with all objects sealed.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) inner: Box<dyn Medium>,
    pub(crate) key: Key,
}

impl Medium for Sealed {
    fn begin(&self) -> io::Result<Box<dyn Draft>> {
        let mut salt = [0; SALT_OCTETS];
        getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()))?;
        let mut draft = self.inner.begin()?;
        draft.write_all(&MAGIC)?;
        draft.write_all(&salt)?;
        Ok(Box::new(SealedDraft {
            draft,
            cipher: self.key.cipher(&salt)?,
            frame: 0,
            buffer: Vec::with_capacity(FRAME_OCTETS + TAG_OCTETS),
        }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Object>> {
        let mut object = self.inner.open(name)?;
        let (mut magic, mut salt) = ([0; MAGIC.len()], [0; SALT_OCTETS]);
        let len = object.seek(SeekFrom::End(0))?;
        object.seek(SeekFrom::Start(0))?;
        object.read_exact(&mut magic)?;
        object.read_exact(&mut salt)?;
        let sealed = len.checked_sub(HEAD_OCTETS);
        let (sealed, frames) = sealed
            .map(|octets| (octets, octets.div_ceil(SEALED_OCTETS)))
            .filter(|(octets, frames)| {
                let last = octets.wrapping_sub(frames.saturating_sub(1) * SEALED_OCTETS);
                magic == MAGIC && *frames > 0 && last >= TAG_OCTETS as u64
            })
            .ok_or_else(damaged)?;
        Ok(Box::new(SealedObject {
            object,
            cipher: self.key.cipher(&salt)?,
            name: name.to_owned(),
            len: sealed - frames * TAG_OCTETS as u64,
            frames,
            at: 0,
            opened: None,
            buffer: Vec::new(),
        }))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.inner.list(folder)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn hold(&self) -> io::Result<Box<dyn fmt::Debug>> {
        self.inner.hold()
    }
}

struct SealedDraft {
    draft: Box<dyn Draft>,
    cipher: LessSafeKey,
    /// The number of the frame that is being filled.
    frame: u64,
    buffer: Vec<u8>,
}

impl SealedDraft {
    /// Writes the frame; the last one knows the object's name.
    fn seal(&mut self, last: Option<&str>) -> io::Result<()> {
        let nonce = nonce(self.frame, last.is_some());
        let name = Aad::from(last.unwrap_or_default().as_bytes());
        let sealed = self
            .cipher
            .seal_in_place_append_tag(nonce, name, &mut self.buffer);
        sealed.map_err(|_| failed())?;
        self.draft.write_all(&self.buffer)?;
        self.buffer.clear();
        self.frame += 1;
        Ok(())
    }
}

impl Write for SealedDraft {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        // A full frame waits until it is known whether it is the last.
        if self.buffer.len() == FRAME_OCTETS && !octets.is_empty() {
            self.seal(None)?;
        }
        let room = FRAME_OCTETS - self.buffer.len();
        let some = octets.get(..room).unwrap_or(octets);
        self.buffer.extend_from_slice(some);
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Draft for SealedDraft {
    fn keep(mut self: Box<Self>, name: &str) -> io::Result<()> {
        self.seal(Some(name))?;
        self.draft.keep(name)
    }
}

struct SealedObject {
    object: Box<dyn Object>,
    cipher: LessSafeKey,
    name: String,
    /// Octets of what it says.
    len: u64,
    frames: u64,
    at: u64,
    /// The frame that is in the buffer.
    opened: Option<u64>,
    buffer: Vec<u8>,
}

impl SealedObject {
    /// Opens a frame.
    fn frame(&mut self, frame: u64) -> io::Result<()> {
        if self.opened == Some(frame) {
            return Ok(());
        }
        self.opened = None;
        let is_last = frame + 1 == self.frames;
        let octets = match is_last {
            true => self.len - frame * FRAME_OCTETS as u64 + TAG_OCTETS as u64,
            false => SEALED_OCTETS,
        };
        self.buffer
            .resize(usize::try_from(octets).map_err(|_| damaged())?, 0);
        self.object
            .seek(SeekFrom::Start(HEAD_OCTETS + frame * SEALED_OCTETS))?;
        self.object.read_exact(&mut self.buffer)?;
        let name = Aad::from(if is_last { self.name.as_bytes() } else { &[] });
        let opened = self
            .cipher
            .open_in_place(nonce(frame, is_last), name, &mut self.buffer);
        let len = opened.map_err(|_| damaged())?.len();
        self.buffer.truncate(len);
        self.opened = Some(frame);
        Ok(())
    }
}

impl io::Read for SealedObject {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let frame = (self.at / FRAME_OCTETS as u64).min(self.frames - 1);
        // The end is one only if the last frame says so.
        self.frame(frame)?;
        let from = usize::try_from(self.at - frame * FRAME_OCTETS as u64);
        let mut ahead = from
            .ok()
            .and_then(|from| self.buffer.get(from..))
            .unwrap_or_default();
        let read = ahead.read(octets)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for SealedObject {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = sought(to, self.at, self.len)?;
        Ok(self.at)
    }
}
