//! Pigeonhole's tests of the language, read where `CARAMEL_VECTORS` says; skipped where they are
//! not. They are scripts with words of their own: `words` answers them, `house` plays the server.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod house;
mod judged;
mod words;

use words::Suite;

fn vectors() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let vectors = std::env::var_os("CARAMEL_VECTORS").map(PathBuf::from);
    let vectors = vectors.unwrap_or_else(|| "../shared/vectors".into());
    root.join(vectors).join("sieve-pigeonhole/tests")
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            files(&entry, into);
        } else if entry
            .extension()
            .is_some_and(|extension| extension == "svtest")
        {
            into.push(entry);
        }
    }
}

/// Every block passes, or `judged` says why not.
#[test]
fn every_block_passes_or_is_judged() {
    let root = vectors();
    if !root.is_dir() {
        println!("skipped: no {}", root.display());
        return;
    }
    let mut paths = Vec::new();
    files(&root, &mut paths);
    let mut complaints = Vec::new();
    let (mut passed, mut judged, mut worded) = (0, 0, 0);
    let mut used = BTreeMap::new();
    for path in paths {
        let name = path
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        for block in Suite::new(&path).run() {
            let verdict = judged::find(&name, &block.name);
            let failed = !block.complaints.is_empty();
            match verdict {
                Some(line) => {
                    *used.entry(line).or_insert(false) |= failed || block.worded;
                    judged += 1;
                }
                None if failed => {
                    complaints.push(format!("{name}: {}: {:?}", block.name, block.complaints));
                }
                None if block.worded => worded += 1,
                None => passed += 1,
            }
        }
    }
    println!("{passed} blocks pass, {worded} but for words of errors, {judged} are judged");
    for line in judged::unused(&used) {
        complaints.push(format!("judged, and passes: {line}"));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(
        passed + worded + judged >= 330,
        "some blocks were not reached"
    );
}
