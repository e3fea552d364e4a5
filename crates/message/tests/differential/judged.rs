//! Differences that were judged: the tables of `docs/differences`, read as data.
//!
//! A row says which reader, which aspect, which messages, what is different and who is right. What
//! is found must be in exactly one row, and what a row says must be found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// A difference: of which reader, in which aspect, on which message.
pub(crate) type Place = (String, String, String);

/// Fails, naming each, where a difference is not judged or a judgement is stale.
pub(crate) fn compare(page: &str, found: &BTreeMap<Place, String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/differences")
        .join(page);
    let judged = judgements(&fs::read_to_string(&path).unwrap_or_default());
    let mut complaints = String::new();
    for (place, what) in found.iter().filter(|(place, _)| !judged.contains(*place)) {
        complaints.push_str(&format!("not judged: {place:?}\n{what}\n"));
    }
    for place in judged.iter().filter(|place| !found.contains_key(*place)) {
        complaints.push_str(&format!("judged, but no more: {place:?}\n"));
    }
    if let Some(file) = env::var_os("CARAMEL_DIFFERENCES") {
        let rows: String = found
            .iter()
            .map(|((reader, aspect, name), what)| format!("{reader}\t{aspect}\t{name}\n{what}\n"))
            .collect();
        fs::write(file, rows).unwrap();
    }
    assert!(complaints.is_empty(), "{}:\n{complaints}", path.display());
}

/// The places of all rows `| readers | aspects | what | judgement | messages |`.
fn judgements(page: &str) -> BTreeSet<Place> {
    let mut places = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, readers, aspects, _what, judgement, messages, _] = cells.as_slice() else {
            continue;
        };
        let known = ["ours", "theirs", "taste", "lacking"];
        let word = judgement.split([':', ' ', ',']).next().unwrap_or_default();
        if !known.contains(&word) {
            assert!(
                ["judgement", "---"].contains(judgement),
                "a judgement: {row}"
            );
            continue;
        }
        for reader in readers.split(", ") {
            for aspect in aspects.split(", ") {
                for message in messages.split_whitespace() {
                    let place = (reader.to_owned(), aspect.to_owned(), message.to_owned());
                    assert!(
                        places.insert(place),
                        "judged twice: {reader} {aspect} {message}"
                    );
                }
            }
        }
    }
    places
}

/// Every sample message with its short name; none, said in one line, where the vectors are absent.
pub(crate) fn samples() -> Vec<(String, Vec<u8>)> {
    let root = env::var_os("CARAMEL_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    if !root.is_dir() {
        println!("no test vectors: skipped");
        return Vec::new();
    }
    let mut samples = Vec::new();
    for (folder, short) in [
        ("mail-parser/eml", "mp"),
        ("python-email", "py"),
        ("ruby-mail-fixtures", "rb"),
    ] {
        let mut paths = Vec::new();
        files(&root.join(folder), &mut paths);
        for path in paths {
            let name = path.strip_prefix(root.join(folder)).unwrap();
            let name = format!("{short}/{}", name.display()).replace(' ', "_");
            samples.push((name, fs::read(&path).unwrap()));
        }
    }
    assert!(samples.len() > 200, "{} samples", samples.len());
    samples.sort();
    samples
}

fn files(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let message = path.extension().map_or_else(
            || path.ends_with("sample_output_multipart"),
            |end| end == "eml" || end == "txt" && !path.ends_with("Apache-2.0.txt"),
        );
        if path.is_dir() {
            files(&path, paths);
        } else if message {
            paths.push(path);
        }
    }
}
