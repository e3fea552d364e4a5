//! The manifest of an import: which message there is which one here, signed.
//!
//! Lines of JSON: a head, for each mailbox a line and one for each of its messages, and a last line
//! with the sums, the hash of all lines before it, and the signature of that hash.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use aws_lc_rs::signature::Ed25519KeyPair;
use net::Clock;
use serde_json::{Value, json};

use super::key;
use super::sink::{Opened, hex};
use crate::complaint::Complaint;
use crate::input;
use crate::line::Line;

/// What is signed begins with this, so that no signature is good for something else.
const PURPOSE: &[u8] = b"caramel manifest 1\n";

/// Writes lines and hashes them.
struct Writer {
    file: BufWriter<File>,
    hash: blake3::Hasher,
}

impl Writer {
    fn line(&mut self, line: &Value) -> io::Result<()> {
        let line = format!("{line}\n");
        self.hash.update(line.as_bytes());
        self.file.write_all(line.as_bytes())
    }
}

/// What all mailboxes come to.
#[derive(Debug, Default)]
struct Sums {
    messages: u64,
    octets: u64,
}

/// Writes what was imported, out of the notes that the store has of it; then they are forgotten.
/// Tells how many messages there are in it.
pub(super) fn write(
    path: &Path,
    line: &mut Line,
    account: &str,
    opened: &[Opened],
    key: &Ed25519KeyPair,
) -> Result<u64, Complaint> {
    let writing = || format!("writing {}", path.display());
    let beside = path.with_extension("new");
    let mut writer = Writer {
        file: BufWriter::new(File::create(&beside).with_context(writing)?),
        hash: blake3::Hasher::new(),
    };
    let made = Clock::today().to_rfc3339().to_string();
    let head = json!({ "manifest": 1, "account": account, "made": made });
    writer.line(&head).with_context(writing)?;
    let (mut sums, mut read) = (Sums::default(), Vec::new());
    for one in opened {
        if let Some(last) = mailbox(&mut writer, line, (account, one), &mut sums)? {
            read.push((one.opening.source.clone(), last));
        }
    }
    let Sums { messages, octets } = sums;
    let hash = writer.hash.finalize();
    let signature = key.sign(&signed(&hash));
    let last = json!({
        "messages": messages,
        "octets": octets,
        "blake3": hash.to_hex().as_str(),
        "key": hex(key::public(key)),
        "signature": hex(signature.as_ref()),
    });
    writer.line(&last).with_context(writing)?;
    let file = writer
        .file
        .into_inner()
        .map_err(io::IntoInnerError::into_error);
    let synced = file.and_then(|file| file.sync_all());
    synced
        .and_then(|()| fs::rename(&beside, path))
        .with_context(writing)?;
    for (source, to) in read {
        let arguments = json!({ "account": account, "source": source, "to": to });
        line.call("Import/forget", &arguments)?;
    }
    Ok(messages)
}

/// Writes what was imported into one mailbox; tells the number of the last note that it read.
fn mailbox(
    writer: &mut Writer,
    line: &mut Line,
    (account, one): (&str, &Opened),
    sums: &mut Sums,
) -> Result<Option<u64>, Complaint> {
    let writing = "writing the manifest";
    let head = json!({
        "mailbox": one.opening.new,
        "old": one.opening.old,
        "uidValidity": one.uidvalidity,
    });
    let mut from = 0_u64;
    loop {
        let source = &one.opening.source;
        let arguments = json!({ "account": account, "source": source, "from": from });
        let told = line.call("Import/notes", &arguments)?;
        let notes = told.get("list").and_then(Value::as_array);
        let Some(notes) = notes.filter(|notes| !notes.is_empty()) else {
            return Ok(from.checked_sub(1));
        };
        if from == 0 {
            writer.line(&head).context(writing)?;
        }
        for note in notes {
            let Some((number, entry)) = entry(note) else {
                return Err(Complaint::new("a note on an import cannot be read"));
            };
            from = number + 1;
            sums.messages += 1;
            let octets = entry.get("octets").and_then(Value::as_u64);
            sums.octets += octets.unwrap_or_default();
            writer.line(&entry).context(writing)?;
        }
    }
}

/// A message's line, out of its note.
fn entry(note: &Value) -> Option<(u64, Value)> {
    let (number, uid, text): (u64, u64, String) = serde_json::from_value(note.clone()).ok()?;
    let noted: Value = serde_json::from_str(&text).ok()?;
    let (old, octets, blake3, sha256, known): (String, u64, String, String, Value) =
        serde_json::from_value(noted).ok()?;
    let (date, zone, flags): (i64, i64, Vec<String>) = serde_json::from_value(known).ok()?;
    let entry = json!({
        "uid": uid, "old": old, "octets": octets, "blake3": blake3, "sha256": sha256,
        "date": date, "zone": zone, "flags": flags,
    });
    Some((number, entry))
}

fn signed(hash: &blake3::Hash) -> Vec<u8> {
    [PURPOSE, hash.as_bytes()].concat()
}

/// The lines of a manifest whose hash and signature are right, and the key that signed it.
pub(super) fn open(path: &Path) -> Result<(BufReader<File>, String), Complaint> {
    let unreadable = |error: &io::Error| input::unreadable(path, error);
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut lines = BufReader::new(file);
    let mut hash = blake3::Hasher::new();
    let (mut line, mut last) = (Vec::new(), Vec::new());
    while lines
        .read_until(b'\n', &mut line)
        .map_err(|error| unreadable(&error))?
        > 0
    {
        hash.update(&last);
        std::mem::swap(&mut last, &mut line);
        line.clear();
    }
    let last: Value = serde_json::from_slice(&last).unwrap_or_default();
    let text = |name: &str| last.get(name).and_then(Value::as_str).unwrap_or_default();
    let hash = hash.finalize();
    let right = unhex(text("key")).zip(unhex(text("signature")));
    let right =
        right.is_some_and(|(key, signature)| key::verifies(&key, &signed(&hash), &signature));
    if !right || hash.to_hex().as_str() != text("blake3") {
        let what = format!("{} is not as it was signed", path.display());
        return Err(Complaint::new(what).because("its lines have another hash, or none is there"));
    }
    let key = text("key").to_owned();
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    Ok((BufReader::new(file), key))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    let octets = digits.map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16)
            .ok()
            .filter(|_| pair.len() == 2)
    });
    octets.collect()
}
