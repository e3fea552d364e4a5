//! The queue at a glance, drawn anew each second on a terminal.
//!
//! Not here: what is counted (`post::queue`).

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use mail::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios};
use serde_json::{Value, json};

use super::said;
use crate::cli::{Listing, say};
use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk::Talk;
use crate::told::{number, text};

/// How often it is drawn.
const EVERY: Duration = Duration::from_secs(1);
/// Destinations that are shown where the screen has no height.
const LINES_USUAL: usize = 20;
/// Lines of the screen that are no destinations.
const LINES_AROUND: usize = 4;
/// Columns where the screen has none.
const COLUMNS_USUAL: usize = 100;
/// Destinations that are asked for at most.
const LINES_MAX: usize = 200;
/// The screen that programs have for themselves, without a cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Shows it until somebody has seen enough; once where nobody looks on, or nothing changes.
pub(super) fn run(config: &Config, listing: &Listing) -> Result<(), Complaint> {
    let mut talk = Talk::begin(config)?;
    let looks_on = io::stdout().is_terminal() && io::stdin().is_terminal();
    if listing.json {
        let top = ask(&mut talk, LINES_MAX)?;
        return say(&top.to_string());
    }
    if !looks_on || matches!(talk, Talk::Stopped(_)) {
        let top = ask(&mut talk, LINES_USUAL)?;
        return say(frame(&top, usize::MAX).trim_end());
    }
    let screen = Screen::open().context("preparing the terminal")?;
    loop {
        let (columns, lines) = size();
        let top = ask(&mut talk, lines.saturating_sub(LINES_AROUND))?;
        let frame = frame(&top, columns);
        screen.draw(&frame).context("drawing")?;
        if screen.is_left().context("reading keys")? {
            return Ok(());
        }
    }
}

fn ask(talk: &mut Talk, lines: usize) -> Result<Value, Complaint> {
    talk.ask("Queue/top", &json!({ "lines": lines.clamp(1, LINES_MAX) }))
}

/// The whole picture; no line is longer than so many letters.
fn frame(top: &Value, columns: usize) -> String {
    let when = top.get("now").and_then(Value::as_i64).unwrap_or_default();
    let count = |name: &str| number(top, name);
    let partial = match top.get("partial").and_then(Value::as_bool) {
        Some(true) => " (of the first letters only)",
        _ => "",
    };
    let mut lines = vec![
        format!(
            "{}  {} in the queue for {} destinations: {} on their way, {} due, {} waiting{partial}",
            Timestamp::utc(when).to_rfc3339(),
            super::letters(count("total")),
            count("destinations"),
            count("attempting"),
            count("due"),
            count("waiting"),
        ),
        format!(
            "{:<32} {:>7} {:>7} {:>7} {:>9} {:>8}  LAST WORDS",
            "DESTINATION", "ON WAY", "DUE", "WAITING", "NEXT", "TAKEN/M",
        ),
    ];
    let all = top.get("list").and_then(Value::as_array);
    for one in all.map(Vec::as_slice).unwrap_or_default() {
        let next = one.get("next").and_then(Value::as_i64);
        let next = next.map_or_else(String::new, |next| within(next.saturating_sub(when)));
        lines.push(format!(
            "{:<32} {:>7} {:>7} {:>7} {next:>9} {:>8}  {}",
            text(one, "destination"),
            number(one, "attempting"),
            number(one, "due"),
            number(one, "waiting"),
            number(one, "taken"),
            said(one).unwrap_or_default(),
        ));
    }
    let cut = |line: &String| line.chars().take(columns).collect::<String>();
    lines.iter().map(cut).map(|line| line + "\n").collect()
}

/// How long it is until then: `in 5m`.
fn within(seconds: i64) -> String {
    match seconds {
        ..=0 => "now".to_owned(),
        1..120 => format!("in {seconds}s"),
        120..7200 => format!("in {}m", seconds / 60),
        7200..172_800 => format!("in {}h", seconds / 3600),
        _ => format!("in {}d", seconds / 86_400),
    }
}

/// Columns and lines of the terminal.
fn size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(io::stdout());
    let size = size.ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or((COLUMNS_USUAL, LINES_USUAL), |size| {
        (size.ws_col.into(), size.ws_row.into())
    })
}

/// The terminal, as long as it is ours; it gets back what it had.
struct Screen(Termios);

impl Screen {
    fn open() -> io::Result<Self> {
        let before = rustix::termios::tcgetattr(io::stdin())?;
        let mut ours = before.clone();
        // Keys come one by one, ^C among them, and are not shown.
        ours.make_raw();
        ours.output_modes = before.output_modes;
        ours.special_codes[SpecialCodeIndex::VMIN] = 0;
        ours.special_codes[SpecialCodeIndex::VTIME] = 0;
        rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, &ours)?;
        let screen = Self(before);
        screen.write(ENTER)?;
        Ok(screen)
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Draws over what was there.
    fn draw(&self, frame: &str) -> io::Result<()> {
        let lines = frame.replace('\n', "\x1b[K\n");
        self.write(&format!("\x1b[H{lines}\x1b[J\nq ends it"))
    }

    /// Waits for a key as long as a picture stands; true for one that ends it.
    fn is_left(&self) -> io::Result<bool> {
        let seconds = i64::try_from(EVERY.as_secs()).unwrap_or(1);
        let wait = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let stdin = io::stdin();
        let mut keys = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut keys, Some(&wait)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut read = [0; 64];
        let count = rustix::io::read(&stdin, &mut read)?;
        let pressed = read.get(..count).unwrap_or_default();
        // Nothing more comes from a terminal that is gone.
        Ok(pressed.is_empty() || pressed.iter().any(|key| matches!(key, b'q' | b'Q' | 3)))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing any more.
        drop(self.write(LEAVE));
        let restored = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
        restored.unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_the_screen() {
        let top = json!({
            "now": 1_795_464_900, "total": 12, "destinations": 2,
            "attempting": 1, "due": 4, "waiting": 7,
            "list": [
                {
                    "destination": "example.net", "attempting": 1, "due": 4, "waiting": 6,
                    "next": 1_795_465_500, "taken": 90,
                    "said": { "host": "mx", "code": 451, "status": "4.7.1", "text": "later\u{7}" },
                },
                { "destination": "example.org", "waiting": 1, "next": 1_795_464_960 },
            ],
        });
        let whole = frame(&top, usize::MAX);
        let lines: Vec<&str> = whole.lines().collect();
        assert!(
            lines[0].contains("12 letters in the queue for 2 destinations"),
            "{whole}"
        );
        assert!(lines[2].starts_with("example.net "), "{whole}");
        assert!(
            lines[2].ends_with("in 10m       90  mx: 451 4.7.1 later?"),
            "{whole}"
        );
        assert!(lines[3].contains(" in 60s "), "{whole}");
        let narrow = frame(&top, 20);
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 20),
            "{narrow}"
        );
        for (seconds, expected) in [
            (-5, "now"),
            (119, "in 119s"),
            (120, "in 2m"),
            (200_000, "in 2d"),
        ] {
            assert_eq!(within(seconds), expected);
        }
    }
}
