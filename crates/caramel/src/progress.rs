//! How far it is: a line that changes on a terminal, lines of JSON where they are asked for.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How often it is told.
const EVERY: Duration = Duration::from_millis(500);

/// What has been done, and what is said of it.
#[derive(Debug)]
pub(crate) struct Progress {
    json: bool,
    terminal: bool,
    began: Instant,
    told: Instant,
    /// Octets of all sources, where that is known.
    pub(crate) total: u64,
    pub(crate) messages: u64,
    pub(crate) octets: u64,
}

impl Progress {
    pub(crate) fn new(json: bool) -> Self {
        let now = Instant::now();
        Self {
            json,
            terminal: io::stderr().is_terminal(),
            began: now,
            told: now,
            total: 0,
            messages: 0,
            octets: 0,
        }
    }

    /// One more message of so many octets.
    pub(crate) fn message(&mut self, octets: u64) {
        self.add(1, octets);
    }

    /// So many messages more, of so many octets.
    pub(crate) fn add(&mut self, messages: u64, octets: u64) {
        self.messages += messages;
        self.octets += octets;
        if self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            self.tell();
        }
    }

    fn tell(&self) {
        let seconds = self.began.elapsed().as_secs().max(1);
        if self.json {
            self.event(&json!({
                "event": "progress",
                "messages": self.messages,
                "octets": self.octets,
                "total": self.total,
            }));
        } else if self.terminal {
            let bar = self.octets.saturating_mul(20).checked_div(self.total);
            let bar = bar.map_or(0, |bar| usize::try_from(bar.min(20)).unwrap_or(20));
            // What it says is of no use to whoever closed it.
            drop(write!(
                io::stderr(),
                "\r[{:<20}] {} messages, {} MB, {} messages/s, {} MB/s ",
                "#".repeat(bar),
                self.messages,
                self.octets / 1_000_000,
                self.messages / seconds,
                self.octets / 1_000_000 / seconds,
            ));
        }
    }

    /// Says something that is not about how far it is.
    pub(crate) fn say(&self, words: &str) {
        self.clear();
        match self.json {
            true => self.event(&json!({ "event": "note", "text": words })),
            false => eprintln!("{words}"),
        }
    }

    /// Says what programs want to read.
    pub(crate) fn event(&self, event: &Value) {
        if self.json {
            drop(writeln!(io::stdout(), "{event}"));
        }
    }

    /// Takes the changing line away.
    pub(crate) fn clear(&self) {
        if self.terminal && !self.json {
            drop(write!(io::stderr(), "\r\u{1b}[K"));
        }
    }

    /// The words at the end.
    pub(crate) fn sum(&self) -> String {
        let seconds = self.began.elapsed();
        format!(
            "{} messages, {} octets, in {}.{:01} s",
            self.messages,
            self.octets,
            seconds.as_secs(),
            seconds.subsec_millis() / 100
        )
    }
}
