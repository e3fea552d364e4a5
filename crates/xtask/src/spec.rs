//! The index of RFCs: what is claimed, and that each claim has its code and its test.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::source::{self, Source};

/// One line of `spec/index.tsv`.
struct Rfc {
    number: String,
    title: String,
    status: String,
    room: String,
}

/// One line of a `spec/rfcNNNN.tsv`.
struct Claim {
    id: String,
    code: String,
    test: String,
}

const STATUSES: &[&str] = &["full", "partial", "planned", "no"];
const LEVELS: &[&str] = &["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"];

/// Prints the table people read, with the number of statements that tests hold.
pub(crate) fn print(root: &Path) -> Result<()> {
    let mut complaints = Vec::new();
    check(root, &source::all(root)?, &mut complaints)?;
    let claims = claims(root, &mut Vec::new())?;
    println!("| RFC | title | status | room | statements with a test |\n|---|---|---|---|---|");
    for rfc in index(root, &mut Vec::new())? {
        let tested = claims.get(&rfc.number).map_or(0, |claims| {
            claims.iter().filter(|claim| claim.test != "-").count()
        });
        let Rfc {
            number,
            title,
            status,
            room,
        } = rfc;
        println!("| {number} | {title} | {status} | {room} | {tested} |");
    }
    complaints
        .iter()
        .for_each(|complaint| println!("{complaint}"));
    Ok(())
}

/// Adds a complaint for each claim without its code or its test.
pub(crate) fn check(root: &Path, sources: &[Source], complaints: &mut Vec<String>) -> Result<()> {
    let rfcs = index(root, complaints)?;
    let known: HashSet<&String> = rfcs.iter().map(|rfc| &rfc.number).collect();
    let tests = tests(root, sources)?;
    let claims = claims(root, complaints)?;
    for rfc in rfcs.iter().filter(|rfc| rfc.status == "full") {
        let claims = claims.get(&rfc.number).into_iter().flatten();
        if claims.filter(|claim| claim.test != "-").count() == 0 {
            let number = &rfc.number;
            complaints.push(format!("spec/index.tsv: {number} is full by no test"));
        }
    }
    for (number, claims) in claims {
        if !known.contains(&number) {
            complaints.push(format!("spec/rfc{number}.tsv: not in spec/index.tsv"));
        }
        let mut ids = HashSet::new();
        for claim in claims {
            if !ids.insert(claim.id.clone()) {
                complaints.push(format!("rfc{number} {}: stands there twice", claim.id));
            }
            if !claim
                .code
                .split(' ')
                .any(|code| is_code(root, sources, code, &claim.code))
            {
                complaints.push(format!("rfc{number} {}: no code {}", claim.id, claim.code));
            }
            if claim.test != "-" && !tests.contains(&claim.test) {
                complaints.push(format!("rfc{number} {}: no test {}", claim.id, claim.test));
            }
        }
    }
    Ok(())
}

/// A claim's code is a file of the tree or a tag in a comment.
fn is_code(root: &Path, sources: &[Source], word: &str, whole: &str) -> bool {
    if word.ends_with(".rs") {
        return root.join(word).is_file() || root.join("crates").join(word).is_file();
    }
    sources
        .iter()
        .any(|source| source.text.contains(&format!("// {whole}")))
}

/// The names of all tests, and of all dialogues.
fn tests(root: &Path, sources: &[Source]) -> Result<HashSet<String>> {
    let mut names = HashSet::new();
    for source in sources {
        for line in source.text.lines() {
            if let Some((_, rest)) = line.split_once("fn ") {
                names.insert(rest.split(['(', '<']).next().unwrap_or_default().to_owned());
            }
        }
    }
    for entry in std::fs::read_dir(root.join("crates")).context("reading crates/")? {
        let folder = entry?.path().join("tests/dialogues");
        for dialogue in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = dialogue.path();
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            names.insert(stem.to_owned());
            names.insert(format!("{stem}.txt"));
        }
    }
    Ok(names)
}

fn index(root: &Path, complaints: &mut Vec<String>) -> Result<Vec<Rfc>> {
    let path = root.join("spec/index.tsv");
    let text = std::fs::read_to_string(&path).context("reading spec/index.tsv")?;
    let mut rfcs = Vec::new();
    for (at, line) in text.lines().enumerate().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[number, title, status, room] = fields.as_slice() else {
            complaints.push(format!("spec/index.tsv:{}: four fields, please", at + 1));
            continue;
        };
        if !STATUSES.contains(&status) {
            complaints.push(format!("spec/index.tsv:{}: no status {status}", at + 1));
        }
        rfcs.push(Rfc {
            number: number.to_owned(),
            title: title.to_owned(),
            status: status.to_owned(),
            room: room.to_owned(),
        });
    }
    Ok(rfcs)
}

fn claims(root: &Path, complaints: &mut Vec<String>) -> Result<BTreeMap<String, Vec<Claim>>> {
    let mut claims = BTreeMap::new();
    for entry in std::fs::read_dir(root.join("spec")).context("reading spec/")? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        let number = name
            .strip_prefix("rfc")
            .and_then(|name| name.strip_suffix(".tsv"));
        let Some(number) = number else { continue };
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
        let mut rows = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields.as_slice() {
                ["id", ..] => {}
                &[id, level, _, code, test] if LEVELS.contains(&level) => rows.push(Claim {
                    id: id.to_owned(),
                    code: code.to_owned(),
                    test: test.to_owned(),
                }),
                _ => complaints.push(format!("{name}:{}: id, level, what, code, test", at + 1)),
            }
        }
        claims.insert(number.to_owned(), rows);
    }
    Ok(claims)
}
