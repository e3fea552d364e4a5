//! Tries a disk out: writes as a store does, reads all again, and says whether the times can be.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::block::{BLOCK_OCTETS, Block};
use super::{Medium, sync_folder};

/// A disk that turns and syncs faster than this has not waited for its platter: a turn takes
/// 4 ms at 15,000 a minute.
const ROTATING_MIN: Duration = Duration::from_millis(1);
/// A flash disk whose own cache a power cut empties syncs no faster than it programs a page.
const FLASH_MIN: Duration = Duration::from_micros(60);
/// No medium syncs faster than this: it is about what asking costs.
const ANY_MIN: Duration = Duration::from_micros(8);

/// A way in which a store writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Behind the end of a file, and the data is synced.
    Append,
    /// Over what is there, and the data is synced.
    Overwrite,
    /// Into a new file that is synced, renamed, and its folder synced.
    Rename,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Append, Self::Overwrite, Self::Rename];

    /// What it is, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Append => "append + fdatasync",
            Self::Overwrite => "overwrite + fdatasync",
            Self::Rename => "create + fsync + rename + fsync of the folder",
        }
    }
}

/// How long one way took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Which way.
    pub way: Way,
    /// How often.
    pub writes: u64,
    /// Half of them took no longer.
    pub median: Duration,
    /// One in a hundred took longer.
    pub slow: Duration,
    /// The longest.
    pub longest: Duration,
}

/// What a disk was seen to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What the system tells of it.
    pub medium: Medium,
    /// How long each way took.
    pub latencies: Vec<Latency>,
    /// Blocks that read back otherwise than they were written.
    pub unlike: u64,
}

/// What is to be thought of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against it.
    Plausible,
    /// It is faster than it can be, unless something unusual makes it so.
    Suspicious(String),
    /// It loses what it has acknowledged.
    Broken(String),
}

impl Trial {
    /// What is to be thought of it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let medium = &self.medium;
        if self.unlike > 0 {
            let what = format!("{} blocks read back otherwise", self.unlike);
            return Verdict::Broken(what);
        }
        if medium.is_memory {
            return Verdict::Broken("it is memory: nothing of it survives a power cut".into());
        }
        let through = medium.write_cache.as_deref() == Some("write through");
        let (least, why) = match medium.rotates {
            Some(true) => (ROTATING_MIN, "a disk that turns"),
            Some(false) if !through => (FLASH_MIN, "a flash disk with a volatile write cache"),
            _ => (ANY_MIN, "any medium"),
        };
        let syncs = self.latencies.iter();
        let fastest = syncs.min_by_key(|latency| latency.median);
        match fastest.filter(|latency| latency.median < least) {
            None => Verdict::Plausible,
            Some(latency) => Verdict::Suspicious(format!(
                "{} took {:?} where {why} needs at least {least:?}",
                latency.way.name(),
                latency.median
            )),
        }
    }
}

/// Tries a folder's disk out: so many writes in each way, or as many as there is time for. What is
/// written is removed again.
///
/// # Errors
///
/// If the disk says no.
pub fn try_out(folder: &Path, writes: u64, time: Duration) -> io::Result<Trial> {
    let mut trial = Trial {
        medium: Medium::under(folder)?,
        latencies: Vec::new(),
        unlike: 0,
    };
    let scratch = Scratch::make(folder)?;
    let path = scratch.0.join("blocks");
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    file.sync_all()?;
    sync_folder(&path)?;
    let mut written = 0;
    for (way, run) in Way::ALL.into_iter().zip(1..) {
        let begun = Instant::now();
        let mut times = Vec::new();
        // What is written over has to be there.
        let count = match way {
            Way::Overwrite => written,
            Way::Append | Way::Rename => writes,
        };
        for number in 1..=count {
            if begun.elapsed() > time && number > 1 {
                break;
            }
            let block = Block { run, number };
            let at = Instant::now();
            match way {
                Way::Append | Way::Overwrite => write(&file, block)?,
                Way::Rename => rename(&scratch.0, block)?,
            }
            times.push(at.elapsed());
        }
        if way == Way::Append {
            written = times.len() as u64;
        }
        let done = times.len() as u64;
        trial.unlike += match way {
            Way::Append | Way::Overwrite => unlike(&file, run, done)?,
            Way::Rename => unlike_renamed(&scratch.0, run, done)?,
        };
        trial.latencies.extend(latency(way, times));
    }
    Ok(trial)
}

fn write(file: &File, block: Block) -> io::Result<()> {
    file.write_all_at(&block.encode(), place(block.number))?;
    file.sync_data()
}

fn rename(folder: &Path, block: Block) -> io::Result<()> {
    let draft = folder.join("draft");
    let file = File::create(&draft)?;
    file.write_all_at(&block.encode(), 0)?;
    file.sync_data()?;
    let name = folder.join(block.number.to_string());
    std::fs::rename(&draft, &name)?;
    sync_folder(&name)
}

fn unlike(file: &File, run: u64, count: u64) -> io::Result<u64> {
    // From the disk, as far as the system lets go of what it has.
    let _advised = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    let mut unlike = 0;
    for number in 1..=count {
        let mut octets = [0; BLOCK_OCTETS];
        file.read_exact_at(&mut octets, place(number))?;
        unlike += u64::from(Block::decode(&octets) != Some(Block { run, number }));
    }
    Ok(unlike)
}

fn unlike_renamed(folder: &Path, run: u64, count: u64) -> io::Result<u64> {
    let mut unlike = 0;
    for number in 1..=count {
        let octets = std::fs::read(folder.join(number.to_string()))?;
        let block = octets.as_slice().try_into().ok().and_then(Block::decode);
        unlike += u64::from(block != Some(Block { run, number }));
    }
    Ok(unlike)
}

fn latency(way: Way, mut times: Vec<Duration>) -> Option<Latency> {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied();
    Some(Latency {
        way,
        writes: times.len() as u64,
        median: at(50)?,
        slow: at(99)?,
        longest: *times.last()?,
    })
}

const fn place(number: u64) -> u64 {
    (number - 1) * BLOCK_OCTETS as u64
}

/// A folder that goes when it is no longer needed.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn make(folder: &Path) -> io::Result<Self> {
        let path = folder.join("caramel-verify-disk.tmp");
        // Left behind by one that was killed.
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "a folder stays behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_tried_out_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let trial = try_out(dir.path(), 5, Duration::from_secs(60)).unwrap();
        let writes = trial.latencies.iter().map(|latency| latency.writes);
        assert_eq!(writes.collect::<Vec<_>>(), [5, 5, 5]);
        assert_eq!(trial.unlike, 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_cannot_be_is_suspicious() {
        let trial = |micros, rotates, write_cache: &str| Trial {
            medium: Medium {
                rotates: Some(rotates),
                write_cache: Some(write_cache.to_owned()),
                ..Medium::default()
            },
            latencies: Way::ALL
                .into_iter()
                .map(|way| Latency {
                    way,
                    writes: 1,
                    median: Duration::from_micros(micros),
                    slow: Duration::from_micros(micros),
                    longest: Duration::from_micros(micros),
                })
                .collect(),
            unlike: 0,
        };
        for (micros, rotates, cache, plausible) in [
            (8_000, true, "write back", true),
            (90, true, "write back", false),
            (90, true, "write through", false),
            (900, false, "write back", true),
            (20, false, "write back", false),
            (20, false, "write through", true),
            (2, false, "write through", false),
        ] {
            let verdict = trial(micros, rotates, cache).verdict();
            let expected = verdict == Verdict::Plausible;
            assert_eq!(
                expected, plausible,
                "{micros} {rotates} {cache}: {verdict:?}"
            );
        }
        let mut memory = trial(900, false, "write back");
        memory.medium.is_memory = true;
        assert!(matches!(memory.verdict(), Verdict::Broken(_)));
        let mut unlike = trial(900, false, "write back");
        unlike.unlike = 1;
        assert!(matches!(unlike.verdict(), Verdict::Broken(_)));
    }
}
