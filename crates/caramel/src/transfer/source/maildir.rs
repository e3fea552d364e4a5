//! A Maildir: its messages with their flags, and UIDs and keywords where Dovecot kept them.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mail::Uid;
use message::maildir::{Keywords, Name, UidListHead, uid_list_line};
use serde_json::{Value, json};

use super::{Found, crlf, modified};
use crate::complaint::Complaint;
use crate::transfer::sink::{Facts, Sink};
use crate::transfer::target::Target;

/// A message's place in its mailbox: by UID where all have one, else by name.
type Place = (Option<Uid>, String);

/// Reads a folder's name: modified UTF-7, or UTF-8.
pub(super) fn decoded(name: &str) -> String {
    let name = match name.is_ascii() {
        true => imap::Names::Utf7.decode(name).map(String::from),
        false => None,
    }
    .unwrap_or_else(|| name.to_owned());
    // A level cannot have the letter that separates levels.
    name.replace('/', "_")
}

/// The names that are subscribed to, levels apart.
pub(super) fn subscriptions(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path.join("subscriptions")).unwrap_or_default();
    // Version 2 begins with a line that says so, and has tabs between levels.
    let second = text.strip_prefix("V\t2\n");
    let lines = second
        .unwrap_or(&text)
        .lines()
        .filter(|line| !line.is_empty());
    let separator = if second.is_some() { '\t' } else { '.' };
    let levels = |line: &str| line.split(separator).map(decoded).collect();
    lines
        .map(levels)
        .filter(|levels: &Vec<String>| levels != &["INBOX"])
        .collect()
}

/// Imports one mailbox.
pub(super) fn import(
    found: &Found,
    subscribed: &[Vec<String>],
    target: &Target,
    sink: &mut Sink,
) -> Result<(), Complaint> {
    let path = &found.path;
    let reading = || format!("reading {}", path.display());
    let (head, uids) = uid_list(path).with_context(reading)?;
    let keywords = fs::read_to_string(path.join("dovecot-keywords")).unwrap_or_default();
    let keywords = Keywords::parse(&keywords);
    let mut opening = target.opening("maildir", path, &found.levels, path);
    opening.uidvalidity = head
        .map(|head| head.uidvalidity)
        .filter(|_| target.keep_uids);
    opening.subscribed = subscribed.contains(&found.levels);
    let files = messages(path, &uids).with_context(reading)?;
    drop(uids);
    let mark = sink.open(&opening)?;
    let done = mark.as_ref().map(Done::read).unwrap_or_default();
    let earlier = files.iter().filter(|(place, _)| done.has(place)).count();
    if done.count > 0 && earlier != done.count {
        let told = format!(
            "{}: {earlier} messages stand before those that are new, {} were imported",
            path.display(),
            done.count
        );
        sink.progress.say(&told);
    }
    let mut count = done.count;
    for ((uid, name), file) in files.iter().filter(|(place, _)| !done.has(place)) {
        count += 1;
        let mark = json!({ "uid": uid.map(Uid::value), "name": name, "count": count });
        let written = file
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let facts = Facts {
            flags: Name::parse(written).flags(&keywords),
            date: None,
            uid: uid.filter(|_| opening.uidvalidity.is_some()),
        };
        message(file, facts, &mark, sink)?;
    }
    let next = head.and_then(|head| head.uidnext);
    sink.close(next.filter(|_| opening.uidvalidity.is_some()))
}

/// Reads one message, whose file may get another name at any time.
fn message(path: &Path, mut facts: Facts, mark: &Value, sink: &mut Sink) -> Result<(), Complaint> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = format!("{} is gone: somebody uses this Maildir", path.display());
            let next = "run the same command again: it goes on where this one was";
            return Err(Complaint::new(what).next(next));
        }
        Err(error) => return Err(crate::input::unreadable(path, &error)),
    };
    facts.date = file
        .metadata()
        .ok()
        .and_then(|metadata| modified(&metadata));
    sink.begin(&path.display().to_string());
    crlf::read(file, |piece| {
        sink.octets(piece).map_err(anyhow::Error::from)
    })?;
    sink.end(&facts, mark)
}

/// What was imported before.
#[derive(Default)]
struct Done {
    place: Option<Place>,
    count: usize,
}

impl Done {
    fn read(mark: &Value) -> Self {
        let uid = mark.get("uid").and_then(Value::as_u64);
        let uid = uid
            .and_then(|uid| u32::try_from(uid).ok())
            .and_then(Uid::new);
        let name = mark.get("name").and_then(Value::as_str).unwrap_or_default();
        let count = mark
            .get("count")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        Self {
            place: Some((uid, name.to_owned())),
            count: usize::try_from(count).unwrap_or(usize::MAX),
        }
    }

    /// True if the message at this place was imported.
    fn has(&self, place: &Place) -> bool {
        match (&self.place, place.0) {
            (None, _) => false,
            // New messages have no UID yet, or a larger one.
            (Some((Some(done), _)), Some(uid)) => uid <= *done,
            (Some((Some(_), _)), None) => false,
            (Some((None, name)), _) => place.1 <= *name,
        }
    }
}

/// The files in their order. Those without UID come last where others have one.
fn messages(path: &Path, uids: &HashMap<String, Uid>) -> io::Result<Vec<(Place, PathBuf)>> {
    let mut files = BTreeSet::new();
    for folder in ["cur", "new"] {
        let entries = match fs::read_dir(path.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
                continue;
            };
            let parsed = Name::parse(name);
            let known = uids.get(parsed.unique).or_else(|| uids.get(parsed.base()));
            let base = parsed.base().to_owned();
            let last = known.is_none();
            files.insert((last, known.copied(), base, entry.path()));
        }
    }
    let places = files.into_iter();
    Ok(places
        .map(|(_, uid, base, path)| ((uid, base), path))
        .collect())
}

/// The UIDs by files' names, if Dovecot kept them.
fn uid_list(path: &Path) -> io::Result<(Option<UidListHead>, HashMap<String, Uid>)> {
    let file = match File::open(path.join("dovecot-uidlist")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, HashMap::new())),
        Err(error) => return Err(error),
    };
    let mut lines = BufReader::new(file).lines();
    let head = match lines.next().transpose()? {
        Some(line) => UidListHead::parse(&line),
        None => None,
    };
    let mut uids = HashMap::new();
    for line in lines {
        if let Some((uid, name)) = uid_list_line(&line?) {
            uids.insert(name.to_owned(), uid);
        }
    }
    // A list of another version says nothing.
    if head.is_none() {
        uids.clear();
    }
    Ok((head, uids))
}
