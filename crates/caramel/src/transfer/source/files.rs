//! Files with one message each: a folder of them, or a single one. A folder of MH is one too.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mail::{Flag, FlagSet};
use serde_json::{Value, json};

use super::{Format, Found, Kind, crlf, date_in, kind_of_file, modified};
use crate::complaint::Complaint;
use crate::transfer::sink::{Facts, Sink};
use crate::transfer::target::Target;

/// Octets of a header that are looked at for a date.
const HEADER_OCTETS_MAX: usize = 64 * 1024;

/// Imports a folder, or one file.
pub(super) fn import(found: &Found, target: &Target, sink: &mut Sink) -> Result<(), Complaint> {
    let path = &found.path;
    let (folder, names) = match path.is_dir() {
        false => (path.parent().unwrap_or(path), vec![path.clone()]),
        true => {
            let names = names(path).with_context(|| format!("reading {}", path.display()))?;
            (path.as_path(), names)
        }
    };
    let sequences = Sequences::read(folder);
    let opening = target.opening("eml", path, &found.levels, path);
    let mark = sink.open(&opening)?;
    let done = mark
        .as_ref()
        .and_then(|mark| mark.get("name"))
        .and_then(Value::as_str);
    let done = done.map(ordered);
    for file in names {
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if done.as_ref().is_some_and(|done| ordered(name) <= *done) {
            continue;
        }
        if kind_of_file(&file, Format::Eml).context("reading a file")? == Some(Kind::Files) {
            let flags = sequences.flags(name);
            message(&file, flags, sink, &json!({ "name": name }))?;
        }
    }
    sink.close(None)
}

/// Reads one message; its date is the header's, or the file's.
fn message(path: &Path, flags: FlagSet, sink: &mut Sink, mark: &Value) -> Result<(), Complaint> {
    let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let changed = file
        .metadata()
        .ok()
        .and_then(|metadata| modified(&metadata));
    sink.begin(&path.display().to_string());
    let mut header = Vec::new();
    crlf::read(file, |piece| {
        let room = HEADER_OCTETS_MAX.saturating_sub(header.len());
        header.extend_from_slice(piece.get(..room).unwrap_or(piece));
        sink.octets(piece).map_err(anyhow::Error::from)
    })?;
    let facts = Facts {
        flags,
        date: date_in(&header).or(changed),
        uid: None,
    };
    sink.end(&facts, mark)
}

fn names(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let plain = name.to_str().is_some_and(|name| !name.starts_with('.'));
        if plain && entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    files.sort_by_key(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        ordered(name.unwrap_or_default())
    });
    Ok(files)
}

/// Names that are numbers come in their order, before all others.
fn ordered(name: &str) -> (u64, String) {
    (name.parse().unwrap_or(u64::MAX), name.to_owned())
}

/// What MH knows of its messages, in `.mh_sequences`.
struct Sequences(BTreeMap<String, Vec<(u64, u64)>>);

impl Sequences {
    fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join(".mh_sequences")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let sequences = lines.map(|(name, ranges)| {
            let ranges = ranges.split_whitespace().filter_map(|range| {
                let (low, high) = range.split_once('-').unwrap_or((range, range));
                Some((low.parse().ok()?, high.parse().ok()?))
            });
            (name.trim().to_owned(), ranges.collect())
        });
        Self(sequences.collect())
    }

    fn has(&self, sequence: &str, number: u64) -> bool {
        let ranges = self.0.get(sequence).into_iter().flatten();
        ranges
            .into_iter()
            .any(|(low, high)| (*low..=*high).contains(&number))
    }

    fn flags(&self, name: &str) -> FlagSet {
        let Some(number) = name.parse().ok().filter(|_| !self.0.is_empty()) else {
            return FlagSet::new();
        };
        let known = [
            (!self.has("unseen", number), Flag::Seen),
            (self.has("replied", number), Flag::Answered),
            (self.has("flagged", number), Flag::Flagged),
        ];
        let set = known.into_iter().filter(|(is, _)| *is);
        set.map(|(_, flag)| flag).collect()
    }
}
