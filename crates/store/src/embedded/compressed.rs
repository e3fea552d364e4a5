//! A sealed segment in less room: the same octets at the same positions, in blocks of which each
//! is compressed for itself, so that a letter is read without the rest.
//!
//! ```text
//! file:   head, blocks, head, octets of the head:u32, crc:u32
//! head:   "caramzlg" format:u32 octets:u64 block:u32 dictionary:u32, zeros up to 32,
//!         the segment's header:64, the dictionary, octets of each block as stored:u32*, crc:u32
//! block:  crc:u32, then a frame of zstd (RFC 8878); or, where that would not be shorter, the
//!         octets as they are
//! ```
//!
//! `octets` are those of the segment, `block` those of each of its blocks but the last, which may
//! be shorter. The dictionary is trained on the segment itself; nothing outside the file is needed
//! to read it. A block's checksum covers its number and what is stored. The head is there twice,
//! and has the segment's header once more, so that a damaged octet costs the records of a block at
//! most.
//!
//! Not here: which segments are compressed, and when the longer file goes (`compress`).

use std::cell::RefCell;
use std::fmt;
use std::io::{self, ErrorKind, Read as _};
use std::sync::{Arc, Mutex, PoisonError};

use zstd::bulk::Compressor;
use zstd::dict::DecoderDictionary;
use zstd::zstd_safe::DCtx;

use super::forms;
use crate::disk::{Cursor, DiskFile};

/// What its file begins with, before the version.
pub(super) const NAME: [u8; 8] = *b"caramzlg";
/// The version of its form.
pub(super) const FORMAT: u32 = 1;
const MAGIC: [u8; 12] = forms::magic(NAME, FORMAT);

/// Octets of a block before it is compressed: what is inflated for one small letter at most.
pub(super) const BLOCK_OCTETS: usize = 8 << 10;
/// Octets of a dictionary at most.
pub(super) const DICTIONARY_OCTETS_MAX: usize = 16 << 10;
/// How hard zstd tries: more costs three times the time for two per cent.
const LEVEL: i32 = 3;

const FIXED_OCTETS: usize = 32;
const FIRST_OCTETS: usize = 64;
const BLOCK_HEAD_OCTETS: usize = 4;
const TRAILER_OCTETS: u64 = 8;
/// A head that says it is longer is damaged.
const HEAD_OCTETS_MAX: usize = 16 << 20;
/// A longer segment stays as it is: positions in the file are of 32 bits.
pub(super) const OCTETS_MAX: u64 = 1 << 31;

thread_local! {
    /// What zstd needs to inflate a block, some 160 KiB: making it anew would take longer than
    /// inflating.
    static CONTEXT: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

/// What is read where a block is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// Nothing: whoever wants one letter is told.
    Fails,
    /// Octets that are no record, so that whoever walks along the segment finds those behind it.
    Shows,
}

/// A compressed segment, read as the segment it was.
pub(super) struct Compressed {
    file: Arc<dyn DiskFile>,
    head: Head,
    dictionary: DecoderDictionary<'static>,
    damage: Damage,
    /// The block that was inflated last: the next letter is often in it.
    last: Mutex<Option<(usize, Arc<[u8]>)>>,
}

/// What the file says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    octets: u64,
    block_octets: u32,
    /// The first octets of the segment.
    first: [u8; FIRST_OCTETS],
    dictionary: Vec<u8>,
    /// Where each block begins in the file, and where the last one ends.
    edges: Vec<u32>,
}

/// Compresses blocks.
pub(super) struct Encoder {
    compressor: Compressor<'static>,
    dictionary: Vec<u8>,
    octets: u64,
    /// The first octets of the first block.
    first: Vec<u8>,
    stored: Vec<u32>,
}

impl fmt::Debug for Compressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compressed({} octets)", self.head.octets)
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoder({} blocks)", self.stored.len())
    }
}

impl Compressed {
    /// Opens a compressed segment.
    pub(super) fn open(file: Arc<dyn DiskFile>, damage: Damage) -> io::Result<Self> {
        let mut head = match Head::read(&*file, 0) {
            Ok(head) => head,
            Err(first) => Head::read_last(&*file).map_err(|_| first)?,
        };
        let dictionary = DecoderDictionary::try_copy(&std::mem::take(&mut head.dictionary))?;
        Ok(Self {
            file,
            head,
            dictionary,
            damage,
            last: Mutex::default(),
        })
    }

    /// The octets of a block.
    fn block(&self, number: usize) -> io::Result<Arc<[u8]>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, octets)) = &*last
            && *known == number
        {
            return Ok(Arc::clone(octets));
        }
        drop(last);
        let octets = match self.inflate(number) {
            Err(error) if is_damage(&error) && self.damage == Damage::Shows => self.blank(number),
            inflated => inflated?,
        };
        let octets: Arc<[u8]> = octets.into();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((number, Arc::clone(&octets)));
        Ok(octets)
    }

    /// What is shown of a block that is damaged.
    fn blank(&self, number: usize) -> Vec<u8> {
        let first = self.head.first.iter().filter(|_| number == 0);
        let octets = first.copied().chain(std::iter::repeat(u8::MAX));
        octets.take(self.block_len(number)).collect()
    }

    /// Octets of a block that is inflated.
    fn block_len(&self, number: usize) -> usize {
        let block = u64::from(self.head.block_octets);
        let before = block.saturating_mul(number as u64);
        let len = self.head.octets.saturating_sub(before).min(block);
        usize::try_from(len).unwrap_or(0)
    }

    fn inflate(&self, number: usize) -> io::Result<Vec<u8>> {
        let edge = |at: usize| self.head.edges.get(at).copied();
        let (Some(from), Some(to)) = (edge(number), edge(number + 1)) else {
            return Err(damaged("it has no such block"));
        };
        let mut stored = vec![0; usize::try_from(to - from).unwrap_or(0)];
        let cut = |error: io::Error| match error.kind() {
            ErrorKind::UnexpectedEof => damaged("a block is cut off"),
            _ => error,
        };
        Cursor::new(&*self.file, from.into())
            .read_exact(&mut stored)
            .map_err(cut)?;
        let Some((known, stored)) = stored.split_first_chunk::<BLOCK_HEAD_OCTETS>() else {
            return Err(damaged("a block has no checksum"));
        };
        if crc(number, stored) != u32::from_be_bytes(*known) {
            return Err(damaged("a block is not what was written"));
        }
        let len = self.block_len(number);
        if stored.len() == len {
            return Ok(stored.to_vec());
        }
        let mut octets = Vec::with_capacity(len);
        let inflated = CONTEXT.with_borrow_mut(|context| {
            context.decompress_using_ddict(&mut octets, stored, self.dictionary.as_ddict())
        });
        if inflated != Ok(len) {
            return Err(damaged("a block cannot be inflated"));
        }
        Ok(octets)
    }
}

/// Which of a file's two heads are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heads {
    /// None.
    Whole,
    /// The one at its beginning.
    FirstDamaged,
    /// The one at its end.
    LastDamaged,
    /// Both: nothing of the file can be read.
    BothDamaged,
}

impl Heads {
    /// Looks at both.
    pub(super) fn of(file: &dyn DiskFile) -> Self {
        match (Head::read(file, 0), Head::read_last(file)) {
            (Ok(_), Ok(_)) => Self::Whole,
            (Err(_), Ok(_)) => Self::FirstDamaged,
            (Ok(_), Err(_)) => Self::LastDamaged,
            (Err(_), Err(_)) => Self::BothDamaged,
        }
    }

    /// Writes one that is damaged again, from the other, and syncs it: until then that is the one
    /// that is read. Says which it was.
    pub(super) fn mend(file: &dyn DiskFile) -> io::Result<Self> {
        let found = Self::of(file);
        match found {
            Self::Whole | Self::BothDamaged => return Ok(found),
            Self::FirstDamaged => file.write_at(&Head::read_last(file)?.octets(), 0)?,
            Self::LastDamaged => {
                let head = Head::read(file, 0)?;
                let end = head.edges.last().copied().unwrap_or(0).into();
                let last = end_of(&head.octets());
                file.write_at(&last, end)?;
                file.set_len(last.len() as u64 + end)?;
            }
        }
        file.sync()?;
        Ok(found)
    }
}

impl DiskFile for Compressed {
    fn read_at(&self, octets: &mut [u8], at: u64) -> io::Result<usize> {
        let block_octets = u64::from(self.head.block_octets);
        let mut read = 0;
        while let Some(room) = octets.get_mut(read..).filter(|room| !room.is_empty()) {
            let at = at.saturating_add(read as u64);
            if at >= self.head.octets {
                break;
            }
            let number = usize::try_from(at / block_octets).unwrap_or(usize::MAX);
            let skip = usize::try_from(at % block_octets).unwrap_or(usize::MAX);
            let block = self.block(number)?;
            let found = block.get(skip..).unwrap_or_default();
            if found.is_empty() {
                break;
            }
            let len = room.len().min(found.len());
            let ((to, _), (from, _)) = (room.split_at_mut(len), found.split_at(len));
            to.copy_from_slice(from);
            read += len;
        }
        Ok(read)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.head.octets)
    }

    fn room(&self) -> io::Result<u64> {
        self.file.room()
    }
}

impl Head {
    fn encode(
        (octets, block_octets): (u64, u32),
        first: &[u8],
        dictionary: &[u8],
        stored: &[u32],
    ) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&octets.to_be_bytes());
        let dictionary_octets = u32::try_from(dictionary.len()).unwrap_or(u32::MAX);
        for number in [block_octets, dictionary_octets] {
            head.extend_from_slice(&number.to_be_bytes());
        }
        head.resize(FIXED_OCTETS, 0);
        head.extend_from_slice(first);
        head.resize(FIXED_OCTETS + FIRST_OCTETS, 0);
        head.extend_from_slice(dictionary);
        for stored in stored {
            head.extend_from_slice(&stored.to_be_bytes());
        }
        let crc = crc32fast::hash(&head);
        head.extend_from_slice(&crc.to_be_bytes());
        head
    }

    fn decode(head: &[u8]) -> Option<Self> {
        let (signed, crc) = head.split_last_chunk()?;
        if crc32fast::hash(signed) != u32::from_be_bytes(*crc) {
            return None;
        }
        let (fixed, rest) = signed.split_at_checked(FIXED_OCTETS)?;
        let (octets, block_octets, dictionary) = fixed_part(fixed)?;
        let (first, rest) = rest.split_first_chunk()?;
        let (dictionary, stored) = rest.split_at_checked(dictionary)?;
        let (stored, []) = stored.as_chunks::<4>() else {
            return None;
        };
        let blocks = octets.div_ceil(u64::from(block_octets));
        if blocks != stored.len() as u64 {
            return None;
        }
        let mut edge = u32::try_from(head.len()).ok()?;
        let mut edges = vec![edge];
        for stored in stored {
            edge = edge.checked_add(u32::from_be_bytes(*stored))?;
            edges.push(edge);
        }
        Some(Self {
            octets,
            block_octets,
            first: *first,
            dictionary: dictionary.to_vec(),
            edges,
        })
    }

    /// As it is written.
    fn octets(&self) -> Vec<u8> {
        let stored = self.edges.windows(2).map(|edges| match edges {
            [from, to] => to.saturating_sub(*from),
            _ => 0,
        });
        let stored: Vec<u32> = stored.collect();
        let sizes = (self.octets, self.block_octets);
        Self::encode(sizes, &self.first, &self.dictionary, &stored)
    }

    /// Reads the head that begins at a position.
    fn read(file: &dyn DiskFile, at: u64) -> io::Result<Self> {
        let mut fixed = [0; FIXED_OCTETS];
        let cut = |_| damaged("its head is cut off");
        Cursor::new(file, at).read_exact(&mut fixed).map_err(cut)?;
        let len = head_octets(&fixed).ok_or_else(|| damaged("its head is not one"))?;
        let mut head = vec![0; len];
        Cursor::new(file, at).read_exact(&mut head).map_err(cut)?;
        Self::decode(&head).ok_or_else(|| damaged("its head is not what was written"))
    }

    /// Reads the head at the file's end.
    fn read_last(file: &dyn DiskFile) -> io::Result<Self> {
        let end = file.len()?.saturating_sub(TRAILER_OCTETS);
        let mut trailer = [0; 8];
        Cursor::new(file, end).read_exact(&mut trailer)?;
        let [a, b, c, d, crc @ ..] = trailer;
        if crc32fast::hash(&[a, b, c, d]) != u32::from_be_bytes(crc) {
            return Err(damaged("its end is not what was written"));
        }
        let len = u64::from(u32::from_be_bytes([a, b, c, d]));
        Self::read(file, end.saturating_sub(len))
    }
}

/// Octets of the segment, of a block, and of the dictionary.
fn fixed_part(fixed: &[u8]) -> Option<(u64, u32, usize)> {
    let rest = fixed.strip_prefix(&MAGIC)?;
    let (octets, rest) = rest.split_first_chunk()?;
    let (block, rest) = rest.split_first_chunk()?;
    let (dictionary, _) = rest.split_first_chunk()?;
    let (octets, block) = (u64::from_be_bytes(*octets), u32::from_be_bytes(*block));
    let dictionary = usize::try_from(u32::from_be_bytes(*dictionary)).ok()?;
    (block > 0 && octets <= OCTETS_MAX).then_some((octets, block, dictionary))
}

/// Octets of a head, by its first ones.
fn head_octets(fixed: &[u8]) -> Option<usize> {
    let (octets, block, dictionary) = fixed_part(fixed)?;
    let blocks = usize::try_from(octets.div_ceil(u64::from(block))).ok()?;
    let len = blocks.checked_mul(4)?.checked_add(dictionary)?;
    let len = len.checked_add(FIXED_OCTETS + FIRST_OCTETS + 4)?;
    (len <= HEAD_OCTETS_MAX).then_some(len)
}

impl Encoder {
    /// Begins a file for a segment of so many octets. A dictionary that is empty is none.
    pub(super) fn new(octets: u64, dictionary: Vec<u8>) -> io::Result<Self> {
        Ok(Self {
            compressor: Compressor::with_dictionary(LEVEL, &dictionary)?,
            dictionary,
            octets,
            first: Vec::new(),
            stored: Vec::new(),
        })
    }

    /// Where the first block begins.
    pub(super) fn begin(&self) -> u64 {
        let blocks = self.octets.div_ceil(BLOCK_OCTETS as u64);
        let fixed = (FIXED_OCTETS + FIRST_OCTETS + self.dictionary.len() + 4) as u64;
        fixed.saturating_add(blocks.saturating_mul(4))
    }

    /// Appends the next block as it is stored.
    pub(super) fn add(&mut self, block: &[u8], stored: &mut Vec<u8>) -> io::Result<()> {
        if self.stored.is_empty() {
            self.first = block.iter().take(FIRST_OCTETS).copied().collect();
        }
        let compressed = self.compressor.compress(block)?;
        let shorter = match compressed.len() < block.len() {
            true => &compressed,
            false => block,
        };
        stored.extend_from_slice(&crc(self.stored.len(), shorter).to_be_bytes());
        stored.extend_from_slice(shorter);
        let len = u32::try_from(BLOCK_HEAD_OCTETS + shorter.len());
        self.stored.push(len.map_err(|_| ErrorKind::FileTooLarge)?);
        Ok(())
    }

    /// The head for the front, and what goes behind the last block.
    pub(super) fn heads(&self) -> (Vec<u8>, Vec<u8>) {
        let block_octets = u32::try_from(BLOCK_OCTETS).unwrap_or(u32::MAX);
        let sizes = (self.octets, block_octets);
        let head = Head::encode(sizes, &self.first, &self.dictionary, &self.stored);
        let end = end_of(&head);
        (head, end)
    }
}

/// What stands behind the last block.
fn end_of(head: &[u8]) -> Vec<u8> {
    let len = u32::try_from(head.len()).unwrap_or(u32::MAX).to_be_bytes();
    let crc = crc32fast::hash(&len).to_be_bytes();
    [head, &len, &crc].concat()
}

/// A dictionary for blocks like these; none if they have too little in common.
pub(super) fn train(blocks: &[Vec<u8>]) -> Vec<u8> {
    let octets: usize = blocks.iter().map(Vec::len).sum();
    let most = DICTIONARY_OCTETS_MAX.min(octets / 8);
    zstd::dict::from_samples(blocks, most).unwrap_or_default()
}

/// Octets that blocks take when they are compressed.
pub(super) fn estimate(blocks: &[Vec<u8>], dictionary: &[u8]) -> io::Result<usize> {
    let octets = blocks.iter().map(|block| block.len() as u64).sum();
    let mut encoder = Encoder::new(octets, dictionary.to_vec())?;
    let mut stored = Vec::new();
    for block in blocks {
        encoder.add(block, &mut stored)?;
    }
    Ok(stored.len())
}

fn crc(number: usize, stored: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(number as u64).to_be_bytes());
    hasher.update(stored);
    hasher.finalize()
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// True if an error says that octets are not what was written.
pub(super) fn is_damage(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidData
}
