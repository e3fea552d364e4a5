//! A conversation put down as a dialogue while it goes on, without its secrets.
//!
//! What the peer said comes from the session's [`Witness`](crate::Witness), which left the secrets
//! out already; what was written is cut here, where it holds contents. A recording that begins with
//! the greeting runs as a [`dialogue`](crate::dialogue): in the place of contents that were left
//! out stand as many other octets.

use std::fmt::Write as _;
use std::mem;

use bytes::Bytes;
use mail::{Instant, ModSeq};

use crate::dialogue::escape;
use crate::witness::{Heard, STAND_IN, masked};
use crate::{Session, Step, Upgrade};

/// Octets of a line that are held back until its end comes; of a longer one, its first part is put
/// down before.
const LINE_OCTETS_MAX: usize = 64 * 1024;
/// Octets of a line that stands for contents, without its end.
const FILL_OCTETS: usize = 76;

/// What happens to a conversation.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The session rested, and now goes on: this is what time it is.
    Woken(Instant),
    /// The session has taken this from the peer.
    Heard(Heard),
    /// This was written.
    Said(&'a [u8]),
    /// The ledger of its account has moved.
    Moved(ModSeq),
    /// Whoever has logged in is not welcome any more.
    Dismissed,
    /// The transport has changed.
    Upgraded(Upgrade),
    /// The peer has ended its side.
    Gone,
    /// The session wants no more.
    Closed,
}

/// How a conversation is put down.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// True if contents are put down as well, not only how long they were.
    pub bodies: bool,
    /// True if `{n}` at the end of a written line announces contents (IMAP).
    pub literals: bool,
    /// Comments that make the session alike where the recording is played; each ends with LF.
    pub prologue: String,
}

/// Puts down one conversation.
#[derive(Debug)]
pub struct Recorder {
    manner: Manner,
    /// False until the session has rested: before, nobody knows what its octets belong to.
    begun: bool,
    prefaced: bool,
    heard: Vec<u8>,
    left_out: LeftOut,
    said: Vec<u8>,
    writes: Writes,
    echo: Option<Bytes>,
    began: Option<Instant>,
    now: Instant,
    /// Whole seconds that were put down.
    seconds: u64,
    text: String,
}

/// Octets of the peer that are not put down.
#[derive(Clone, Copy, Debug, Default)]
struct LeftOut {
    literal: u64,
    text: u64,
    hidden: u64,
}

/// What the next octets that are written belong to.
#[derive(Clone, Copy, Debug, Default)]
enum Writes {
    #[default]
    Lines,
    /// A line with a challenge.
    Challenge,
    /// The line before a message.
    BeforeMessage,
    /// A message up to its dot; so many of its octets are not put down.
    Message(u64),
    /// Contents: so many are left, of so many.
    Literal(u64, u64),
}

impl Recorder {
    /// Begins before the session has said anything.
    #[must_use]
    pub const fn new(manner: Manner) -> Self {
        Self {
            manner,
            begun: true,
            prefaced: false,
            heard: Vec::new(),
            left_out: LeftOut {
                literal: 0,
                text: 0,
                hidden: 0,
            },
            said: Vec::new(),
            writes: Writes::Lines,
            echo: None,
            began: None,
            now: Instant(std::time::Duration::ZERO),
            seconds: 0,
            text: String::new(),
        }
    }

    /// Begins in the middle of a conversation, when its session next rests.
    #[must_use]
    pub const fn midway(manner: Manner) -> Self {
        let mut recorder = Self::new(manner);
        recorder.begun = false;
        recorder
    }

    /// Takes what was put down since.
    pub fn take(&mut self) -> String {
        mem::take(&mut self.text)
    }

    /// Takes all the rest: lines without an end as well.
    pub fn finish(&mut self) -> String {
        self.settle();
        self.pause();
        self.preface();
        self.take()
    }

    /// Puts down what happens.
    pub fn see(&mut self, event: Event<'_>) {
        if let Event::Woken(now) = event {
            self.pause();
            self.now = now;
            self.began.get_or_insert(now);
            self.begun = true;
            return;
        }
        if !self.begun {
            return;
        }
        match event {
            Event::Woken(_) => {}
            Event::Heard(heard) => self.hear(heard),
            Event::Said(octets) => {
                self.settle();
                self.say(octets);
            }
            Event::Moved(modseq) => self.mark(&format!("N: {}", modseq.0)),
            Event::Dismissed => self.mark("D:"),
            Event::Upgraded(Upgrade::Tls) => self.mark("~ tls"),
            Event::Upgraded(Upgrade::Deflate) => self.mark("~ deflate"),
            Event::Gone => self.mark("CE"),
            Event::Closed => self.mark("~ close"),
        }
    }

    /// A line that is neither the peer's nor ours.
    fn mark(&mut self, line: &str) {
        self.settle();
        self.pause();
        self.put(line);
    }

    fn preface(&mut self) {
        if !mem::replace(&mut self.prefaced, true) {
            self.text.push_str(&self.manner.prologue);
        }
    }

    fn put(&mut self, line: &str) {
        let passed = self
            .began
            .map_or(0, |began| self.now.since(began).as_secs());
        // A dialogue begins with the greeting, before its first line is read.
        let greeting = (line.starts_with('S') || line == "~ close") && passed == 0;
        if !greeting {
            self.preface();
        }
        if passed > self.seconds {
            let _written = writeln!(self.text, "T: {}", passed - self.seconds);
            self.seconds = passed;
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    // ---- the peer

    fn hear(&mut self, heard: Heard) {
        let contents = |bytes: &Bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match heard {
            Heard::Literal(octets) if !self.manner.bodies => {
                self.heard_part();
                self.left_out.literal += contents(&octets);
            }
            Heard::Text(octets) if !self.manner.bodies => {
                self.heard_part();
                self.left_out.text += contents(&octets);
            }
            Heard::Shown(octets) | Heard::Literal(octets) | Heard::Text(octets) => {
                self.fill();
                self.hear_octets(&octets);
            }
            Heard::Masked(octets) => {
                self.fill();
                if self.heard.is_empty() && octets.contains(&b'x') {
                    self.put("# no command");
                }
                self.hear_octets(&octets);
            }
            Heard::Hidden(octets) => {
                self.heard_part();
                self.left_out.hidden = self.left_out.hidden.saturating_add(octets);
            }
            Heard::Echo(word) => self.echo = Some(word),
            Heard::Challenge => self.writes = Writes::Challenge,
            Heard::Message => self.writes = Writes::BeforeMessage,
        }
    }

    fn hear_octets(&mut self, octets: &[u8]) {
        for piece in octets.split_inclusive(|&octet| octet == b'\n') {
            self.heard.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.heard.len() > LINE_OCTETS_MAX {
                self.heard_part();
            }
        }
    }

    /// Puts down what was heard up to here, a line's end or not.
    fn heard_part(&mut self) {
        let line = mem::take(&mut self.heard);
        if line.is_empty() {
            return;
        }
        let plain = line.strip_suffix(b"\r\n");
        let plain = plain.and_then(|text| std::str::from_utf8(text).ok());
        let written = match plain.filter(|text| !text.chars().any(char::is_control)) {
            Some("") => "C:".to_owned(),
            Some(text) => format!("C: {text}"),
            None => format!("C+ {}", escaped(&line)),
        };
        self.put(&written);
    }

    /// What the peer said comes to its end, for now.
    fn settle(&mut self) {
        self.heard_part();
        self.fill();
    }

    /// Puts down something else where contents were left out.
    fn fill(&mut self) {
        let LeftOut {
            literal,
            text,
            hidden,
        } = mem::take(&mut self.left_out);
        if literal > 0 {
            self.put(&format!("# {literal} octets left out"));
            self.put(&format!("C* {literal} x"));
        }
        if text > 0 {
            self.put(&format!("# {text} octets left out"));
            self.fill_lines(text);
        }
        if hidden > 0 {
            self.put(&format!("# {hidden} octets thrown away"));
            if hidden > 2 {
                self.put(&format!("C* {} x", hidden - 2));
            }
            self.put("C:");
        }
    }

    fn fill_lines(&mut self, octets: u64) {
        let line = u64::try_from(FILL_OCTETS + 2).unwrap_or(u64::MAX);
        let (mut count, mut rest) = (octets / line, octets % line);
        // One octet alone would be no line.
        if rest == 1 && count > 0 {
            count -= 1;
            rest += line;
        }
        if count > 0 {
            self.put(&format!("C* {count} {}\\r\\n", "x".repeat(FILL_OCTETS)));
        }
        match rest {
            0 => {}
            1 => self.put("C+ x"),
            2 => self.put("C:"),
            _ => self.put(&format!("C* 1 {}\\r\\n", fill(rest - 2))),
        }
    }

    // ---- we

    fn say(&mut self, octets: &[u8]) {
        let mut octets = octets;
        while !octets.is_empty() {
            if let Writes::Literal(left, all) = self.writes {
                octets = self.say_contents(octets, left, all);
                continue;
            }
            let end = octets.iter().position(|&octet| octet == b'\n');
            let end = end.map_or(octets.len(), |at| at + 1);
            let (piece, rest) = octets.split_at(end);
            octets = rest;
            self.said.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.said_line();
            } else if self.said.len() > LINE_OCTETS_MAX {
                self.said_part();
            }
        }
    }

    /// Takes contents; returns what is behind them.
    fn say_contents<'a>(&mut self, octets: &'a [u8], left: u64, all: u64) -> &'a [u8] {
        let here = usize::try_from(left).unwrap_or(usize::MAX);
        let (contents, rest) = octets.split_at(here.min(octets.len()));
        let left = left.saturating_sub(u64::try_from(contents.len()).unwrap_or(left));
        if self.manner.bodies {
            for piece in contents.split_inclusive(|&octet| octet == b'\n') {
                self.said.extend_from_slice(piece);
                if piece.ends_with(b"\n") || self.said.len() > LINE_OCTETS_MAX {
                    self.said_part();
                }
            }
        }
        self.writes = match left {
            0 => Writes::Lines,
            left => Writes::Literal(left, all),
        };
        if left == 0 && !self.manner.bodies {
            self.put(&format!("S+ <{all} octets left out>"));
        }
        rest
    }

    /// A line was written to its end.
    fn said_line(&mut self) {
        match mem::take(&mut self.writes) {
            Writes::Challenge => {
                if let Some(space) = self.said.iter().position(|&octet| octet == b' ')
                    && self.said.len() > space + 3
                {
                    self.said.truncate(space + 1);
                    self.said.extend_from_slice(STAND_IN.as_bytes());
                    self.said.extend_from_slice(b"\r\n");
                }
            }
            Writes::BeforeMessage if self.said.starts_with(b"+OK") => {
                self.writes = Writes::Message(0);
            }
            Writes::Message(octets) if self.said == b".\r\n" => {
                if octets > 0 && !self.manner.bodies {
                    self.put(&format!("S+ <{octets} octets left out>"));
                }
            }
            Writes::Message(octets) => {
                let line = u64::try_from(self.said.len()).unwrap_or(u64::MAX);
                self.writes = Writes::Message(octets.saturating_add(line));
                if !self.manner.bodies {
                    return self.said.clear();
                }
            }
            Writes::Lines if self.manner.literals => {
                if let Some(octets) = announced(&self.said).filter(|octets| *octets > 0) {
                    self.writes = Writes::Literal(octets, octets);
                }
            }
            Writes::Lines | Writes::BeforeMessage | Writes::Literal(..) => {}
        }
        self.said_part();
    }

    /// Puts down what was written up to here, a line's end or not.
    fn said_part(&mut self) {
        let mut line = mem::take(&mut self.said);
        if let Some(echo) = &self.echo {
            let word = line.split(|&octet| octet == b' ').next();
            if word == Some(echo) {
                line.splice(..echo.len(), masked(echo));
            }
        }
        let (mark, text) = match line.strip_suffix(b"\r\n") {
            Some(text) => ("S:", text),
            None => ("S+", line.as_slice()),
        };
        let mut written = mark.to_owned();
        if !text.is_empty() {
            written.push(' ');
        }
        escape(text, mark == "S+", &mut written);
        self.put(&written);
    }

    /// The session rests: what it has written is all for now.
    fn pause(&mut self) {
        if matches!(self.writes, Writes::Challenge | Writes::Message(_)) {
            self.said.clear();
        }
        if !self.said.is_empty() {
            self.said_part();
        }
    }
}

/// Notes what a session heard before it said what it wants next, and what that is if nothing else
/// is to be known of it.
pub fn overhear<S: Session>(session: &mut S, step: &Step<S::Ask>, mut see: impl FnMut(Event<'_>)) {
    if let Some(witness) = session.witness() {
        witness.look(true);
        while let Some(heard) = witness.take() {
            see(Event::Heard(heard));
        }
    }
    match step {
        Step::Write(octets) => see(Event::Said(octets)),
        Step::Upgrade(upgrade) => see(Event::Upgraded(*upgrade)),
        Step::Close => see(Event::Closed),
        Step::Read | Step::Splice(_) | Step::Ask(_) => {}
    }
}

/// The contents that a line of IMAP announces.
fn announced(line: &[u8]) -> Option<u64> {
    let inner = line.strip_suffix(b"}\r\n")?;
    let open = inner.iter().rposition(|&octet| octet == b'{')?;
    let digits = inner.get(open + 1..)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn fill(octets: u64) -> String {
    "x".repeat(usize::try_from(octets).unwrap_or(FILL_OCTETS))
}

fn escaped(octets: &[u8]) -> String {
    let mut text = String::new();
    for chunk in octets.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\r' => text.push_str("\\r"),
                '\n' => text.push_str("\\n"),
                '\\' => text.push_str("\\\\"),
                control if control.is_ascii_control() => {
                    let _written = write!(text, "\\x{:02x}", u32::from(control));
                }
                plain => text.push(plain),
            }
        }
        for octet in chunk.invalid() {
            let _written = write!(text, "\\x{octet:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests;
