//! Who is connected, and what is being said: only a running server knows.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use mail::Timestamp;
use serde_json::{Value, json};

use crate::cli::Listing;
use crate::complaint::Complaint;
use crate::config::{self, Config};
use crate::desk;
use crate::directory;

/// Which conversations are looked at, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Dialogue {
    /// Only those of this account. What was said before the login is shown as well, if the
    /// connection began while this command runs.
    #[arg(long, value_name = "ADDRESS")]
    account: Option<String>,
    /// Only this one; `caramel connections` tells its number.
    #[arg(long, value_name = "ID")]
    connection: Option<u64>,
    /// Only those in this protocol.
    #[arg(long, value_parser = ["smtp", "submission", "lmtp", "imap", "pop3", "managesieve"])]
    protocol: Option<String>,
    /// Shows what is in messages as well; passwords never.
    #[arg(long)]
    bodies: bool,
    /// Writes the first conversation that begins from now on into a file, and ends with it.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Ends after this time: 30s, 5m, 1h.
    #[arg(long = "for", value_name = "TIME", value_parser = config::span)]
    seconds: Option<u64>,
    /// Ends after so many lines.
    #[arg(long, value_name = "NUMBER")]
    lines: Option<u64>,
}

/// Lists the connections that are open.
pub(crate) fn connections(config: &Config, listing: &Listing) -> Result<(), Complaint> {
    let answer = desk::ask_running(config, "Connection/list", &json!({}))?;
    directory::show(&answer, listing, |connection| {
        let text = |name: &str| connection.get(name).and_then(Value::as_str);
        let number = |name: &str| connection.get(name).and_then(Value::as_u64);
        let since = i64::try_from(number("since").unwrap_or_default()).unwrap_or_default();
        let tls = match connection.get("encrypted") {
            Some(Value::Bool(true)) => "TLS",
            _ => "clear",
        };
        format!(
            "{:>6}  {:<10}  {}  {tls:<5}  {:<16}  {}  {}",
            number("id").unwrap_or_default(),
            text("protocol").unwrap_or_default(),
            Timestamp::utc(since).to_rfc3339(),
            text("phase")
                .filter(|phase| !phase.is_empty())
                .unwrap_or("-"),
            text("address").unwrap_or("unix"),
            text("account").unwrap_or("-"),
        )
    })
}

/// Shows what is being said until it is told to stop.
pub(crate) fn run(config: &Config, dialogue: &Dialogue) -> Result<(), Complaint> {
    let arguments = json!({
        "account": dialogue.account,
        "connection": dialogue.connection,
        "protocol": dialogue.protocol,
        "bodies": dialogue.bodies,
        "whole": dialogue.write.is_some() && dialogue.connection.is_none(),
    });
    let (mut stream, _) = desk::call_running(config, "Dialogue/watch", &arguments)?;
    let mut screen = Screen::open(dialogue)?;
    eprintln!("Looking on; Ctrl-C ends it.");
    let until = dialogue
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    while let Some(answer) = next(&mut stream, until)? {
        let pieces = answer.get("pieces").and_then(Value::as_array);
        for piece in pieces.into_iter().flatten() {
            let conn = piece.get("connection").and_then(Value::as_u64);
            let text = piece.get("text").and_then(Value::as_str);
            let shown = screen.show(conn.unwrap_or_default(), text.unwrap_or_default());
            match shown {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                // Whoever reads it has seen enough.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => Err(error).context("writing what was seen")?,
            }
        }
    }
    Ok(())
}

/// What the server tells next; `None` when the time is over, or the server stops.
fn next(
    stream: &mut BufReader<UnixStream>,
    until: Option<Instant>,
) -> Result<Option<Value>, Complaint> {
    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
    if left.is_some_and(|left| left.is_zero()) {
        return Ok(None);
    }
    let limited = stream.get_ref().set_read_timeout(left);
    limited.context("listening to the server")?;
    let mut line = String::new();
    match stream.read_line(&mut line) {
        Ok(0) => Ok(None),
        Ok(_) => {
            let told: (String, Value, Value) =
                serde_json::from_str(&line).context("reading the answer")?;
            Ok(Some(told.1))
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(None)
        }
        Err(error) => Err(error).context("listening to the server")?,
    }
}

/// Where conversations are shown.
struct Screen {
    out: Box<dyn Write>,
    /// True if only one conversation is shown.
    single: bool,
    /// Whose lines were shown last.
    last: Option<u64>,
    lines_left: Option<u64>,
}

impl Screen {
    fn open(dialogue: &Dialogue) -> Result<Self, Complaint> {
        let out: Box<dyn Write> = match &dialogue.write {
            None => Box::new(io::stdout()),
            Some(path) => Box::new(file(path)?),
        };
        Ok(Self {
            out,
            single: dialogue.write.is_some(),
            last: None,
            lines_left: dialogue.lines,
        })
    }

    /// Shows lines of a conversation, none for its end; false once no more is to be shown.
    fn show(&mut self, conn: u64, text: &str) -> io::Result<bool> {
        let same = self.last == Some(conn);
        if self.single && !same && self.last.is_some() {
            return Ok(true);
        }
        if text.is_empty() {
            return Ok(!(self.single && same));
        }
        if !self.single && !same {
            self.line(&format!("# connection {conn}\n"))?;
        }
        self.last = Some(conn);
        let mut goes_on = true;
        for line in text.split_inclusive('\n') {
            goes_on = goes_on && self.line(line)?;
        }
        self.out.flush()?;
        Ok(goes_on)
    }

    /// Shows a line; false if it was the last.
    fn line(&mut self, line: &str) -> io::Result<bool> {
        if self.lines_left == Some(0) {
            return Ok(false);
        }
        self.lines_left = self.lines_left.map(|left| left - 1);
        if self.single {
            self.out.write_all(line.as_bytes())?;
        } else {
            self.out.write_all(tamed(line).as_bytes())?;
        }
        Ok(self.lines_left != Some(0))
    }
}

/// A line for a terminal: what could give it orders is written out.
fn tamed(line: &str) -> String {
    let mut tamed = String::with_capacity(line.len());
    for letter in line.chars() {
        match letter {
            '\n' | '\t' => tamed.push(letter),
            control if control.is_control() => tamed.extend(control.escape_unicode()),
            plain => tamed.push(plain),
        }
    }
    tamed
}

/// A file for its owner alone.
fn file(path: &Path) -> Result<File, Complaint> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let opened = options.open(path);
    Ok(opened.with_context(|| format!("writing {}", path.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_given_no_orders() {
        let line = "S: * LIST () \"/\" \"\u{1b}[2J\u{9b}é\t\"\n";
        let expected = "S: * LIST () \"/\" \"\\u{1b}[2J\\u{9b}é\t\"\n";
        assert_eq!(tamed(line), expected);
    }
}
