//! Which forms there are of what is kept, and which versions of them a store has: for whoever
//! starts a release on what another one wrote.
//!
//! ```text
//! folder:  "caramel store " number "\n" in `format`; where there is none: 0
//! file:    eight octets that name the form, version:u32
//! ```
//!
//! The folder's number is raised by a release that writes anything which the one before cannot
//! read, rows included: so whoever does not know the number leaves all of it as it is.
//!
//! Not here: what rows mean, and which versions they have (`post`).

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::bodies;
use super::checkpoint;
use super::compressed;
use super::ground::Ground;
use super::log::{COMPRESSED, PLAIN, Position};
use super::record::{self, Entry, RECORD_HEADER_OCTETS, SEGMENT_HEADER_OCTETS, SegmentHeader};
use super::segment::{self, Segment};
use super::snapshot::{self, Base};
use super::view::{Space, split_key};
use crate::backend::{Error, Partition, Table};
use crate::disk::{Cursor, Disk, failed, replace};

/// The folder's number, as this release writes it.
pub(super) const FOLDER: u32 = 6;
/// The file that has it.
const NAME: &str = "format";
const WORDS: &str = "caramel store ";
/// A number file that is longer says something else.
const FILE_OCTETS_MAX: u64 = 64;
/// Versions so far above ours are damage and not a later release.
const AHEAD_MAX: u32 = 1000;
/// Octets that are told of a derived piece.
const PIECE_OCTETS: usize = 256;
/// Octets of a form's name and version.
const HEAD_OCTETS: usize = 12;

/// A form of what is kept, and the versions of it that a store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// What it is.
    pub name: &'static str,
    /// The first version that this release reads.
    pub oldest: u32,
    /// The version that this release writes, and the last that it reads.
    pub newest: u32,
    /// True if it can be made again from the others.
    pub is_derived: bool,
    /// How many there are of each version.
    pub found: BTreeMap<u32, u64>,
}

/// What a store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forms {
    /// `folder`, `segments`, `compressed segments`, `records`, `snapshots`, `bodies`,
    /// `checkpoint`.
    pub forms: Vec<Form>,
    /// True if the next start makes the view anew.
    pub view_is_made_anew: bool,
    /// Octets of the rows in the snapshot and the log behind it: a view takes about so many.
    pub row_octets: u64,
}

/// What a survey comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// A row, as it is or was: by partition, table, and its value.
    Row(Partition, Table, &'a [u8]),
    /// The beginning of a derived piece.
    Piece(&'a [u8]),
}

/// What is told of each.
pub type Each<'a> = dyn FnMut(Seen<'_>) + 'a;

impl Form {
    const fn new(name: &'static str, (oldest, newest): (u32, u32)) -> Self {
        Self {
            name,
            oldest,
            newest,
            is_derived: false,
            found: BTreeMap::new(),
        }
    }

    /// The newest version that a later release wrote, if one did.
    #[must_use]
    pub fn newer(&self) -> Option<u32> {
        let (last, _) = self.found.last_key_value()?;
        (*last > self.newest).then_some(*last)
    }

    fn add(&mut self, version: u32) {
        *self.found.entry(version).or_default() += 1;
    }
}

/// What a file of a form begins with.
pub(super) const fn magic(name: [u8; 8], format: u32) -> [u8; 12] {
    let [a, b, c, d, e, f, g, h] = name;
    let [i, j, k, l] = format.to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

/// Refuses a store that a later release wrote, before anything of it is changed.
pub(super) fn guard(disk: &dyn Disk, root: &Path) -> Result<(), Error> {
    let newer = |what: String, found: Option<u32>, known| match found {
        Some(found) if found > known && found - known <= AHEAD_MAX => {
            Err(Error::Newer { what, found, known })
        }
        Some(_) | None => Ok(()),
    };
    newer("the store".into(), folder(disk, root)?, FOLDER)?;
    for path in files(disk, &root.join("log"), PLAIN)? {
        let found = version(disk, &path, &record::SEGMENT_MAGIC)?;
        newer(path.display().to_string(), found, record::FORMAT)?;
    }
    for path in files(disk, &root.join("log"), COMPRESSED)? {
        let found = version(disk, &path, &compressed::NAME)?;
        newer(path.display().to_string(), found, compressed::FORMAT)?;
    }
    for path in files(disk, &root.join("snapshots"), "snap")? {
        let found = version(disk, &path, &snapshot::NAME)?;
        newer(path.display().to_string(), found, snapshot::FORMAT)?;
    }
    Ok(())
}

/// Writes the folder's number, if it is another one.
pub(super) fn mark(disk: &dyn Disk, root: &Path) -> Result<(), Error> {
    if folder(disk, root)? == Some(FOLDER) {
        return Ok(());
    }
    let octets = format!("{WORDS}{FOLDER}\n");
    replace(disk, root, NAME, octets.as_bytes()).map_err(failed("storing the store's number"))
}

/// The folder's number; none where it has none, or none that can be read.
fn folder(disk: &dyn Disk, root: &Path) -> Result<Option<u32>, Error> {
    let mut text = String::new();
    let mut read = || match disk.open(&root.join(NAME)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        opened => {
            let opened = opened?;
            let mut file = Cursor::new(&*opened, 0).take(FILE_OCTETS_MAX);
            match file.read_to_string(&mut text) {
                Err(error) if error.kind() == ErrorKind::InvalidData => Ok(()),
                done => done.map(drop),
            }
        }
    };
    read().map_err(failed("reading the store's number"))?;
    let number = text
        .strip_prefix(WORDS)
        .and_then(|rest| rest.lines().next());
    Ok(number.and_then(|digits| digits.parse().ok()))
}

/// The version in a file's first octets; none if it is not of that form.
fn version(disk: &dyn Disk, path: &Path, name: &[u8; 8]) -> Result<Option<u32>, Error> {
    let head = head(disk, path, HEAD_OCTETS)?;
    let version = head.strip_prefix(name).and_then(|rest| rest.first_chunk());
    Ok(version.map(|octets| u32::from_be_bytes(*octets)))
}

/// The first octets of a file; none of one that has gone meanwhile.
fn head(disk: &dyn Disk, path: &Path, octets_max: usize) -> Result<Vec<u8>, Error> {
    let mut octets = Vec::new();
    let mut read = || match disk.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        opened => {
            let opened = opened?;
            let mut file = Cursor::new(&*opened, 0).take(octets_max as u64);
            file.read_to_end(&mut octets).map(drop)
        }
    };
    read().map_err(failed("reading a file's head"))?;
    Ok(octets)
}

/// Files of a kind; none where the directory is not there.
fn files(disk: &dyn Disk, dir: &Path, kind: &str) -> Result<Vec<PathBuf>, Error> {
    let is_one = |path: &PathBuf| path.extension().is_some_and(|found| found == kind);
    Ok(list(disk, dir)?.into_iter().filter(is_one).collect())
}

/// What is in a directory; nothing where it is not there.
fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    match disk.list(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(failed("listing the store")),
    }
}

/// Looks through a store's files and changes nothing; a process may have it open.
pub(super) fn survey(ground: &Ground, root: &Path, each: &mut Each<'_>) -> Result<Forms, Error> {
    let disk = &*ground.disk;
    let mut survey = Survey {
        disk,
        root,
        each,
        row_octets: 0,
        folder: Form::new("folder", (0, FOLDER)),
        segments: Form::new("segments", (record::FORMAT, record::FORMAT)),
        compressed: Form::new(
            "compressed segments",
            (compressed::FORMAT, compressed::FORMAT),
        ),
        records: Form::new("records", (record::FORMAT, record::FORMAT)),
        snapshots: Form::new("snapshots", (snapshot::FORMAT, snapshot::FORMAT)),
        bodies: Form::new("bodies", (bodies::FORMAT, bodies::FORMAT)),
        checkpoint: Form {
            is_derived: true,
            ..Form::new("checkpoint", (checkpoint::FORMAT, checkpoint::FORMAT))
        },
    };
    survey.folder.add(folder(disk, root)?.unwrap_or(0));
    survey.heads()?;
    let view_is_made_anew = survey.rows()?;
    survey.pieces()?;
    Ok(Forms {
        row_octets: survey.row_octets,
        view_is_made_anew,
        forms: vec![
            survey.folder,
            survey.segments,
            survey.compressed,
            survey.records,
            survey.snapshots,
            survey.bodies,
            survey.checkpoint,
        ],
    })
}

struct Survey<'s, 'e> {
    disk: &'s dyn Disk,
    root: &'s Path,
    each: &'s mut Each<'e>,
    row_octets: u64,
    folder: Form,
    segments: Form,
    compressed: Form,
    records: Form,
    snapshots: Form,
    bodies: Form,
    checkpoint: Form,
}

impl Survey<'_, '_> {
    /// Files that say of themselves what they are.
    fn heads(&mut self) -> Result<(), Error> {
        let dir = self.root.join("snapshots");
        for path in files(self.disk, &dir, "snap")? {
            let found = version(self.disk, &path, &snapshot::NAME)?;
            found
                .into_iter()
                .for_each(|found| self.snapshots.add(found));
        }
        let dir = self.root.join("bodies");
        for path in list(self.disk, &dir)? {
            let found = version(self.disk, &path, &bodies::NAME)?;
            found.into_iter().for_each(|found| self.bodies.add(found));
        }
        let path = self.root.join("view").join(checkpoint::NAME);
        let found = version(self.disk, &path, &checkpoint::FORM_NAME)?;
        found
            .into_iter()
            .for_each(|found| self.checkpoint.add(found));
        Ok(())
    }

    /// The snapshot's rows, and the log's behind it; says whether the view is made anew.
    fn rows(&mut self) -> Result<bool, Error> {
        let dir = self.root.join("snapshots");
        let base = match self.snapshots.found.is_empty() || self.snapshots.newer().is_some() {
            // What a later one has nobody here can read.
            true => Base::Beginning,
            false => Base::find(self.disk, &dir)?,
        };
        let mut from = None;
        if let Base::Snapshot(path, position) = &base {
            from = Some(*position);
            snapshot::load(self.disk, path, &mut |space, key, value| {
                self.row_octets += (key.len() + value.len()) as u64;
                if space == Space::Rows
                    && let Some((partition, table, _)) = split_key(key)
                {
                    (self.each)(Seen::Row(partition, table, value));
                }
                Ok(())
            })?;
        }
        let log = self.root.join("log");
        let (plain, shorter) = (
            files(self.disk, &log, PLAIN)?,
            files(self.disk, &log, COMPRESSED)?,
        );
        for path in &plain {
            let found = version(self.disk, path, &record::SEGMENT_MAGIC)?;
            found.into_iter().for_each(|found| self.segments.add(found));
        }
        for path in &shorter {
            let found = version(self.disk, path, &compressed::NAME)?;
            found
                .into_iter()
                .for_each(|found| self.compressed.add(found));
        }
        let segments = match plain.is_empty() && shorter.is_empty() {
            true => Vec::new(),
            false => segment::list(self.disk, &log)?,
        };
        for segment in segments {
            let is_behind = from.is_none_or(|from| segment.number >= from.segment);
            if let Some(header) = segment.header.filter(|_| is_behind) {
                self.records(&segment, header, from)?;
            }
        }
        let checkpoint = checkpoint::read(self.disk, &self.root.join("view"));
        Ok(checkpoint.is_none() || base.is_beyond(checkpoint))
    }

    fn records(
        &mut self,
        segment: &Segment,
        header: SegmentHeader,
        from: Option<Position>,
    ) -> Result<(), Error> {
        let from = from.filter(|from| from.segment == segment.number);
        let mut start = from.map_or((SEGMENT_HEADER_OCTETS, 0), |from| {
            (from.offset, from.sequence)
        });
        loop {
            let read = segment::read(
                self.disk,
                segment,
                header.epoch,
                start,
                &mut |at, _, body| {
                    self.records.add(record::FORMAT);
                    let body_at = at + RECORD_HEADER_OCTETS as u64;
                    let entry = Entry::decode(body, segment.number, body_at);
                    for part in entry.iter().flat_map(|entry| &entry.parts) {
                        for change in &part.changes {
                            let Some(value) = change.value else { continue };
                            self.row_octets += (change.key.len() + value.len()) as u64;
                            (self.each)(Seen::Row(part.partition, change.table, value));
                        }
                    }
                    Ok(())
                },
            );
            let run = match read {
                Err(Error::Newer { found, .. }) => {
                    // What is behind it is not read either: it may mean anything.
                    self.records.add(found);
                    return Ok(());
                }
                read => read?,
            };
            // Whether what is in between is damage, a check says.
            match segment::search(self.disk, segment, header.epoch, run.offset)? {
                Some((next, _)) if next > run.offset => start = (next, run.sequence),
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// What can be made again: which form it has, whoever keeps it knows.
    fn pieces(&mut self) -> Result<(), Error> {
        for folder in list(self.disk, &self.root.join("derived"))? {
            // Others are what a process was writing that was killed.
            if folder.file_name().is_none_or(|name| name.len() != 16) {
                continue;
            }
            for path in list(self.disk, &folder)? {
                let octets = head(self.disk, &path, PIECE_OCTETS)?;
                (self.each)(Seen::Piece(&octets));
            }
        }
        Ok(())
    }
}
