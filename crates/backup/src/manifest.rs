//! A backup: what there was at one moment, as lines of JSON that end with the digest of all before.
//!
//! Not here: what the chunks say (`chunk`).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use mail::Timestamp;
use serde_json::{Value, json};
use store::Partition;

use crate::medium::{Draft, Object};
use crate::repository::Repository;
use crate::{Digest, Error, MANIFESTS, Outcome};

/// A longer line is none.
const LINE_OCTETS_MAX: u64 = 1 << 20;
/// Names of packs on one line.
const PACKS_ON_A_LINE: usize = 1000;

/// What all parts of a backup come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Accounts, those that were removed and have left rows behind among them.
    pub accounts: u64,
    /// Messages: rows that mention a body.
    pub messages: u64,
    /// Octets of those bodies, the same one counted as often as it is mentioned.
    pub message_octets: u64,
    /// Rows.
    pub rows: u64,
    /// Octets of the chunks of rows.
    pub row_octets: u64,
    /// Chunks of rows.
    pub chunks: u64,
    /// Files beside the store.
    pub files: u64,
    /// Bodies that the store itself could not give.
    pub lost: u64,
    /// Files beside the store that could not be read.
    pub unread: u64,
}

/// A backup that was opened: its lines have the digest that they should have.
#[derive(Clone, Debug)]
pub struct Manifest {
    name: String,
    made: Timestamp,
    host: String,
    sums: Sums,
}

/// A part of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What follows is of this partition.
    Partition(Partition),
    /// A chunk of rows.
    Chunk {
        /// Which.
        digest: Digest,
        /// Its octets.
        octets: u64,
    },
    /// A file beside the store.
    File {
        /// Its path; relative to the data folder, or not.
        path: String,
        /// What is in it.
        digest: Digest,
    },
    /// A file beside the store that could not be read.
    Unread {
        /// Its path.
        path: String,
        /// What the disk said.
        why: String,
    },
    /// A body that rows mention and the store did not have.
    Lost(Digest),
    /// Packs of bodies that there were.
    Packs(Vec<Digest>),
}

/// Writes a manifest.
pub(crate) struct Writer {
    draft: Box<dyn Draft>,
    hash: blake3::Hasher,
    pub(crate) sums: Sums,
    made: Timestamp,
    partition: Option<Partition>,
}

impl Writer {
    pub(crate) fn begin(
        repository: &Repository,
        made: Timestamp,
        host: &str,
        sequence: u64,
    ) -> Outcome<Self> {
        let mut writer = Self {
            draft: repository.begin()?,
            hash: blake3::Hasher::new(),
            sums: Sums::default(),
            made,
            partition: None,
        };
        writer.line(&json!({
            "backup": 1,
            "made": made.to_rfc3339().to_string(),
            "seconds": made.seconds,
            "host": host,
            "sequence": sequence,
        }))?;
        Ok(writer)
    }

    fn line(&mut self, line: &Value) -> Outcome<()> {
        let line = format!("{line}\n");
        self.hash.update(line.as_bytes());
        let written = self.draft.write_all(line.as_bytes());
        written.map_err(Error::medium("writing the manifest"))
    }

    pub(crate) fn chunk(
        &mut self,
        partition: Partition,
        digest: Digest,
        (rows, octets): (u64, u64),
    ) -> Outcome<()> {
        if self.partition != Some(partition) {
            self.partition = Some(partition);
            let is_account = ![Partition::DIRECTORY, Partition::QUEUE].contains(&partition);
            self.sums.accounts += u64::from(is_account);
            self.line(&json!({ "partition": partition.0 }))?;
        }
        self.sums.chunks += 1;
        self.sums.rows += rows;
        self.sums.row_octets += octets;
        self.line(&json!({ "chunk": digest.to_string(), "rows": rows, "octets": octets }))
    }

    pub(crate) fn file(&mut self, path: &str, digest: Digest) -> Outcome<()> {
        self.sums.files += 1;
        self.line(&json!({ "file": path, "digest": digest.to_string() }))
    }

    pub(crate) fn unread(&mut self, path: &str, why: &str) -> Outcome<()> {
        self.sums.unread += 1;
        self.line(&json!({ "unread": path, "why": why }))
    }

    pub(crate) fn lost(&mut self, digest: Digest) -> Outcome<()> {
        self.sums.lost += 1;
        self.line(&json!({ "lost": digest.to_string() }))
    }

    /// Ends it, and makes it a backup.
    pub(crate) fn finish(mut self, repository: &Repository, packs: &[Digest]) -> Outcome<Manifest> {
        for packs in packs.chunks(PACKS_ON_A_LINE) {
            let names: Vec<String> = packs.iter().map(Digest::to_string).collect();
            self.line(&json!({ "packs": names }))?;
        }
        self.line(&sums_line(&self.sums))?;
        let digest = Digest(*self.hash.finalize().as_bytes()).to_string();
        self.line(&json!({ "blake3": digest }))?;
        // In Greenwich's zone, so that the order of names is that of moments.
        let stamp = self.made.to_rfc3339().to_string().replace(':', "");
        let (stamp, _) = stamp.split_once('+').unwrap_or((&stamp, ""));
        let same = repository.backups()?;
        let same = same
            .iter()
            .filter(|one| one.name.starts_with(stamp))
            .count();
        let name = format!("{stamp}Z-{:02}", same + 1);
        let kept = self.draft.keep(&format!("{MANIFESTS}/{name}"));
        kept.map_err(Error::medium("keeping the manifest"))?;
        Manifest::open(repository, &name)
    }
}

fn sums_line(sums: &Sums) -> Value {
    json!({
        "accounts": sums.accounts,
        "messages": sums.messages,
        "messageOctets": sums.message_octets,
        "rows": sums.rows,
        "rowOctets": sums.row_octets,
        "chunks": sums.chunks,
        "files": sums.files,
        "lost": sums.lost,
        "unread": sums.unread,
    })
}

impl Manifest {
    /// Opens a backup; all its lines are read once.
    pub(crate) fn open(repository: &Repository, name: &str) -> Outcome<Self> {
        let mut lines = Lines::open(repository, name)?;
        let damaged = |why: &str| Error::damaged(format!("backup {name}"), why);
        let first = lines.next()?.ok_or_else(|| damaged("it is empty"))?;
        let head = first.value()?;
        let known = head.get("backup").and_then(Value::as_u64) == Some(1);
        let seconds = head.get("seconds").and_then(Value::as_i64);
        let seconds = seconds
            .filter(|_| known)
            .ok_or_else(|| damaged("it is of a form that is not known"))?;
        let mut hash = blake3::Hasher::new();
        let (mut sums, mut last) = (first.clone(), first);
        while let Some(line) = lines.next()? {
            hash.update(&last.octets);
            sums = std::mem::replace(&mut last, line);
        }
        let end = last.value()?;
        let digest = end.get("blake3").and_then(Value::as_str);
        if digest != Some(hash.finalize().to_hex().as_str()) {
            return Err(damaged("its lines are not what they were"));
        }
        let host = head.get("host").and_then(Value::as_str);
        Ok(Self {
            name: name.to_owned(),
            made: Timestamp::utc(seconds),
            host: host.unwrap_or_default().to_owned(),
            sums: sums_of(&sums.value()?),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What there was is what there was at this moment.
    #[must_use]
    pub const fn made(&self) -> Timestamp {
        self.made
    }

    /// Which machine it is of.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What it comes to.
    #[must_use]
    pub const fn sums(&self) -> Sums {
        self.sums
    }

    /// Its parts, in their order.
    pub(crate) fn parts(&self, repository: &Repository) -> Outcome<Parts> {
        Lines::open(repository, &self.name).map(Parts)
    }
}

/// The parts of a backup, one after the other.
pub(crate) struct Parts(Lines);

impl Parts {
    pub(crate) fn next(&mut self) -> Outcome<Option<Part>> {
        while let Some(line) = self.0.next()? {
            if let Some(part) = part(&line.value()?) {
                return Ok(Some(part));
            }
        }
        Ok(None)
    }
}

/// What a line says; none for the first and the last.
fn part(line: &Value) -> Option<Part> {
    let digest = |name: &str| Digest::parse(line.get(name)?.as_str()?);
    if let Some(number) = line.get("partition").and_then(Value::as_u64) {
        return Some(Part::Partition(Partition(number)));
    }
    if let Some(path) = line.get("file").and_then(Value::as_str) {
        let (path, digest) = (path.to_owned(), digest("digest")?);
        return Some(Part::File { path, digest });
    }
    if let Some(path) = line.get("unread").and_then(Value::as_str) {
        let why = line.get("why").and_then(Value::as_str).unwrap_or_default();
        let (path, why) = (path.to_owned(), why.to_owned());
        return Some(Part::Unread { path, why });
    }
    if let Some(names) = line.get("packs").and_then(Value::as_array) {
        let packs = names.iter().map(|name| Digest::parse(name.as_str()?));
        return Some(Part::Packs(packs.collect::<Option<_>>()?));
    }
    let octets = line.get("octets").and_then(Value::as_u64);
    let chunk = digest("chunk").zip(octets);
    let chunk = chunk.map(|(digest, octets)| Part::Chunk { digest, octets });
    chunk.or_else(|| digest("lost").map(Part::Lost))
}

fn sums_of(line: &Value) -> Sums {
    let of = |name: &str| line.get(name).and_then(Value::as_u64).unwrap_or_default();
    Sums {
        accounts: of("accounts"),
        messages: of("messages"),
        message_octets: of("messageOctets"),
        rows: of("rows"),
        row_octets: of("rowOctets"),
        chunks: of("chunks"),
        files: of("files"),
        lost: of("lost"),
        unread: of("unread"),
    }
}

/// The lines of a manifest, one after the other.
struct Lines {
    input: BufReader<Box<dyn Object>>,
    name: String,
}

#[derive(Clone)]
struct Line {
    octets: Vec<u8>,
    name: String,
}

impl Lines {
    fn open(repository: &Repository, name: &str) -> Outcome<Self> {
        let object = repository.open(&format!("{MANIFESTS}/{name}"))?;
        Ok(Self {
            input: BufReader::new(object),
            name: name.to_owned(),
        })
    }

    fn next(&mut self) -> Outcome<Option<Line>> {
        let mut octets = Vec::new();
        let mut input = (&mut self.input).take(LINE_OCTETS_MAX);
        let read = input.read_until(b'\n', &mut octets);
        read.map_err(Error::medium(format!("reading backup {}", self.name)))?;
        Ok((!octets.is_empty()).then(|| Line {
            octets,
            name: self.name.clone(),
        }))
    }
}

impl Line {
    fn value(&self) -> Outcome<Value> {
        serde_json::from_slice(&self.octets).map_err(|error| {
            let why = format!("a line cannot be read: {error}");
            Error::damaged(format!("backup {}", self.name), why)
        })
    }
}
