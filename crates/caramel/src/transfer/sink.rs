//! Where sources put their messages: hashed as they pass, sent in pieces, committed in groups.

use std::fmt::Write as _;

use aws_lc_rs::digest::{self, SHA256};
use mail::{FlagSet, Role, Timestamp, Uid, UidValidity};
use serde_json::{Value, json};

use crate::complaint::Complaint;
use crate::line::Line;
use crate::progress::Progress;

/// Octets that are sent at a time.
const PIECE_OCTETS_MAX: usize = 512 * 1024;
/// Octets and messages that are committed at a time, about.
const GROUP_OCTETS_MAX: usize = 4 * 1024 * 1024;
const GROUP_MESSAGES_MAX: usize = 400;
/// Octets of notes that are sent at a time.
const NOTES_OCTETS_MAX: usize = 256 * 1024;
/// Letters of a place that are noted.
const PLACE_LETTERS_MAX: usize = 500;

/// A mailbox of a source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opening {
    /// What the source calls it.
    pub(crate) old: String,
    /// Where its messages go.
    pub(crate) new: String,
    /// The source's name: 32 hexadecimal digits.
    pub(crate) source: String,
    pub(crate) role: Option<Role>,
    pub(crate) subscribed: bool,
    /// Only if UIDs are to be kept.
    pub(crate) uidvalidity: Option<UidValidity>,
}

/// A mailbox that has been opened here.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) opening: Opening,
    pub(crate) uidvalidity: u64,
}

/// What a source knows of a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) flags: FlagSet,
    pub(crate) date: Option<Timestamp>,
    pub(crate) uid: Option<Uid>,
}

/// The hashes of a message.
pub(crate) struct Hashes {
    blake3: blake3::Hasher,
    sha256: digest::Context,
    pub(crate) octets: u64,
}

impl Default for Hashes {
    fn default() -> Self {
        Self {
            blake3: blake3::Hasher::new(),
            sha256: digest::Context::new(&SHA256),
            octets: 0,
        }
    }
}

impl Hashes {
    pub(crate) fn pass(&mut self, octets: &[u8]) {
        self.blake3.update(octets);
        self.sha256.update(octets);
        self.octets += u64::try_from(octets.len()).unwrap_or_default();
    }

    /// BLAKE3 and SHA-256, in hexadecimal.
    pub(crate) fn finish(self) -> (String, String) {
        let sha256 = self.sha256.finish();
        (
            self.blake3.finalize().to_hex().to_string(),
            hex(sha256.as_ref()),
        )
    }
}

pub(crate) fn hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 2);
    for octet in octets {
        // Writing into a string never fails.
        write!(text, "{octet:02x}").unwrap_or_default();
    }
    text
}

/// Where messages go.
pub(crate) struct Sink {
    /// `None` for a trial.
    line: Option<Line>,
    account: String,
    pub(crate) progress: Progress,
    octets_max: u64,
    /// Octets that have not been sent, and what they are.
    waiting: Vec<u8>,
    pieces: Vec<Value>,
    notes: usize,
    /// Octets at the end of what waits that belong to no piece yet.
    open: usize,
    /// Of the group that is not committed.
    group: (usize, usize),
    mark: Option<String>,
    place: String,
    hashes: Hashes,
    too_big: bool,
    /// Mailboxes so far.
    pub(crate) opened: Vec<Opened>,
    /// What was imported before is imported once more.
    pub(crate) again: bool,
    /// Messages that were left out, being too large.
    pub(crate) left_out: u64,
    pub(crate) fewer_keywords: u64,
}

impl Sink {
    pub(crate) fn new(line: Option<Line>, account: &str, progress: Progress) -> Self {
        Self {
            line,
            account: account.to_owned(),
            progress,
            octets_max: u64::MAX,
            waiting: Vec::new(),
            pieces: Vec::new(),
            notes: 0,
            open: 0,
            group: (0, 0),
            mark: None,
            place: String::new(),
            hashes: Hashes::default(),
            too_big: false,
            opened: Vec::new(),
            again: false,
            left_out: 0,
            fewer_keywords: 0,
        }
    }

    /// The connection, for what comes before and after messages.
    pub(crate) fn line(&mut self) -> Option<&mut Line> {
        self.line.as_mut()
    }

    /// Begins a mailbox; tells the mark that was committed last.
    pub(crate) fn open(&mut self, opening: &Opening) -> Result<Option<Value>, Complaint> {
        let Some(line) = &mut self.line else {
            return Ok(None);
        };
        let arguments = json!({
            "account": self.account,
            "source": opening.source,
            "mailbox": opening.new,
            "role": opening.role.map(Role::name),
            "subscribed": opening.subscribed,
            "uidValidity": opening.uidvalidity.map(UidValidity::value),
        });
        if self.again {
            line.call("Import/forget", &arguments)?;
        }
        let told = line.call("Import/begin", &arguments)?;
        let uidvalidity = told.get("uidValidity").and_then(Value::as_u64);
        self.opened.push(Opened {
            opening: opening.clone(),
            uidvalidity: uidvalidity.unwrap_or_default(),
        });
        let octets_max = told.get("octetsMax").and_then(Value::as_u64);
        self.octets_max = octets_max.unwrap_or(u64::MAX);
        let mark = told.get("mark").and_then(Value::as_str);
        Ok(mark.and_then(|mark| serde_json::from_str(mark).ok()))
    }

    /// Begins a message, at this place of the source.
    pub(crate) fn begin(&mut self, place: &str) {
        self.place = place.chars().take(PLACE_LETTERS_MAX).collect();
        self.hashes = Hashes::default();
        self.too_big = false;
    }

    /// Adds octets of the message.
    pub(crate) fn octets(&mut self, octets: &[u8]) -> Result<(), Complaint> {
        self.hashes.pass(octets);
        if self.hashes.octets > self.octets_max {
            self.too_big = true;
        }
        if self.line.is_none() || self.too_big {
            return Ok(());
        }
        for piece in octets.chunks(PIECE_OCTETS_MAX) {
            self.waiting.extend_from_slice(piece);
            self.open += piece.len();
            self.group.1 += piece.len();
            if self.waiting.len() >= PIECE_OCTETS_MAX {
                self.send(false)?;
            }
        }
        Ok(())
    }

    /// Ends the message; behind it the source has been read up to this mark.
    pub(crate) fn end(&mut self, facts: &Facts, mark: &Value) -> Result<(), Complaint> {
        let hashes = std::mem::take(&mut self.hashes);
        let octets = hashes.octets;
        if self.too_big {
            self.left_out += 1;
            self.progress
                .say(&format!("left out, too large: {}", self.place));
            self.pieces
                .push(json!({ "octets": self.open, "drop": true }));
        } else {
            let (blake3, sha256) = hashes.finish();
            let date = facts.date.unwrap_or_else(net::Clock::today);
            let flags: Vec<String> = facts.flags.iter().map(|flag| flag.to_string()).collect();
            let known = json!([date.seconds, date.zone_minutes, flags]);
            let note = json!([self.place, octets, blake3, sha256, known]).to_string();
            self.notes += note.len() + 200;
            self.pieces.push(json!({
                "octets": self.open,
                "end": {
                    "flags": flags,
                    "date": date.seconds,
                    "zone": date.zone_minutes,
                    "uid": facts.uid.map(Uid::value),
                    "note": note,
                },
            }));
            self.progress.message(octets);
        }
        self.open = 0;
        self.group.0 += 1;
        self.mark = Some(mark.to_string());
        let full = self.group.0 >= GROUP_MESSAGES_MAX
            || self.group.1 >= GROUP_OCTETS_MAX
            || self.notes >= NOTES_OCTETS_MAX;
        match full {
            true => self.send(true),
            false => Ok(()),
        }
    }

    /// Sends what waits, and lets all whole messages be committed.
    fn send(&mut self, commits: bool) -> Result<(), Complaint> {
        let Some(line) = &mut self.line else {
            self.pieces.clear();
            self.group = (0, 0);
            return Ok(());
        };
        if self.open > 0 {
            self.pieces
                .push(json!({ "octets": std::mem::take(&mut self.open) }));
        }
        let pieces = std::mem::take(&mut self.pieces);
        let mark = self.mark.take_if(|_| commits);
        if mark.is_some() {
            self.group = (0, 0);
            self.notes = 0;
        }
        let arguments = json!({
            "octets": self.waiting.len(),
            "pieces": pieces,
            "mark": mark,
        });
        let before = line.send("Import/put", &arguments, &self.waiting)?;
        self.waiting.clear();
        self.note(before.as_ref());
        Ok(())
    }

    fn note(&mut self, answer: Option<&Value>) {
        let fewer = answer.and_then(|answer| answer.get("fewerKeywords"));
        self.fewer_keywords += fewer.and_then(Value::as_u64).unwrap_or_default();
    }

    /// Ends the mailbox: all of it is on the disk then. The next message there will have at least
    /// this UID.
    pub(crate) fn close(&mut self, uidnext: Option<Uid>) -> Result<(), Complaint> {
        if !self.pieces.is_empty() || self.mark.is_some() {
            self.send(true)?;
        }
        let Some(line) = &mut self.line else {
            return Ok(());
        };
        let last = line.answer()?;
        line.call("Import/end", &json!({ "uidNext": uidnext.map(Uid::value) }))?;
        self.note(last.as_ref());
        Ok(())
    }
}
