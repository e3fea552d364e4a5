//! A script as it is written: header, exchanges, and the mailbox that belongs to it.
//!
//! Octets are kept as characters of the same number, so that any script is text. A literal,
//! written as lines between `{{{` and `}}}`, becomes `{n}`, a line feed and its n characters.

use std::fs;
use std::path::Path;

/// How far a connection is taken before the script begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Nonauth,
    Auth,
    Created,
    Appended,
    Selected,
}

#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) capabilities: Vec<String>,
    pub(crate) connections: usize,
    /// `None` for as many as there are.
    pub(crate) messages: Option<usize>,
    pub(crate) state: State,
    /// True if every untagged response must be in the script.
    pub(crate) strict: bool,
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) letters: Vec<Letter>,
}

/// A message of the mailbox file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) text: String,
    /// As IMAP writes it.
    pub(crate) date: String,
}

/// Commands sent together, and what is to come back.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) connection: usize,
    pub(crate) commands: Vec<Said>,
    pub(crate) replies: Vec<Reply>,
}

#[derive(Debug)]
pub(crate) struct Said {
    tag: Option<String>,
    pub(crate) text: String,
    /// The condition and what follows it; `None` until it was read, the empty one fits all.
    pub(crate) status: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) text: String,
    /// False for one that must not come.
    pub(crate) wanted: bool,
}

/// The first words of commands: what else begins a line is a tag.
const VERBS: &[&str] = &[
    "append",
    "cancelupdate",
    "capability",
    "check",
    "close",
    "copy",
    "create",
    "delete",
    "enable",
    "examine",
    "expunge",
    "fetch",
    "list",
    "login",
    "logout",
    "lsub",
    "move",
    "noop",
    "rename",
    "search",
    "select",
    "sort",
    "status",
    "store",
    "subscribe",
    "thread",
    "uid",
    "unsubscribe",
    "unselect",
];

/// Reads a script and the mailbox beside it, or the one all share.
pub(crate) fn read(path: &Path) -> Script {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let own = path.with_extension("mbox");
    let shared = path.with_file_name("default.mbox");
    let letters = letters(&text(if own.exists() { &own } else { &shared }));
    let text = text(path);
    let (header, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    // A script without a header begins with a blank line, or at once.
    let (header, body) = if header.lines().all(|line| line.contains(": ")) {
        (header, body)
    } else {
        ("", text.as_str())
    };
    let field = |name: &str| {
        let mut fields = header.lines().filter_map(|line| line.split_once(": "));
        fields.find_map(|(known, value)| (known == name).then_some(value.trim()))
    };
    let words = |value: &str| value.split_whitespace().map(str::to_owned).collect();
    let connections = field("connections").map_or(1, |count| count.parse().unwrap());
    Script {
        capabilities: field("capabilities").map_or_else(Vec::new, words),
        connections,
        messages: field("messages").and_then(|count| count.parse().ok()),
        state: match field("state") {
            None | Some("selected") => State::Selected,
            Some("nonauth") => State::Nonauth,
            Some("auth") => State::Auth,
            Some("created") => State::Created,
            Some("appended") => State::Appended,
            Some(other) => panic!("{name}: state {other}"),
        },
        strict: field("ignore_extra_untagged") == Some("no"),
        exchanges: exchanges(body, connections > 1),
        letters,
        name,
    }
}

fn text(path: &Path) -> String {
    let octets = fs::read(path).unwrap_or_default();
    octets.into_iter().map(char::from).collect()
}

/// The messages of a mailbox file: each from behind its `From ` line up to the next one.
fn letters(file: &str) -> Vec<Letter> {
    let mut letters: Vec<Letter> = Vec::new();
    for line in file.split_inclusive('\n') {
        if let Some(from) = line.strip_prefix("From ") {
            letters.push(Letter {
                text: String::new(),
                date: date(from),
            });
        } else if let Some(letter) = letters.last_mut() {
            letter.text.push_str(line.trim_end_matches(['\r', '\n']));
            letter.text.push_str("\r\n");
        }
    }
    letters
}

/// `user Fri Feb 22 17:06:23 2008 +0200` as IMAP's date-time.
fn date(from: &str) -> String {
    let words: Vec<&str> = from.split_whitespace().collect();
    let zone = words.get(6).unwrap_or(&"+0000");
    format!(
        "{:>2}-{}-{} {} {zone}",
        words[3], words[2], words[5], words[4]
    )
}

fn exchanges(body: &str, numbered: bool) -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for line in logical_lines(body) {
        let line = line.as_str();
        let wanted = line.starts_with("* ");
        if wanted || line.starts_with("! ") {
            exchanges.last_mut().unwrap().replies.push(Reply {
                text: line[2..].to_owned(),
                wanted,
            });
            continue;
        }
        let (connection, line) = if numbered {
            let (number, line) = line.split_once(' ').unwrap();
            (number.parse::<usize>().unwrap() - 1, line)
        } else {
            (0, line)
        };
        let open = exchanges
            .last_mut()
            .filter(|last| last.connection == connection && last.is_open());
        match open {
            Some(last) => last.go_on(line),
            None => {
                let mut new = Exchange {
                    connection,
                    ..Exchange::default()
                };
                new.begin(line);
                exchanges.push(new);
            }
        }
    }
    exchanges
}

impl Exchange {
    fn is_open(&self) -> bool {
        self.commands.iter().any(|said| said.status.is_none())
    }

    fn begin(&mut self, line: &str) {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let said = if let Some(status) = condition(first) {
            Said {
                tag: None,
                text: rest.to_owned(),
                status: Some(status),
            }
        } else if VERBS.contains(&first.to_ascii_lowercase().as_str()) {
            Said {
                tag: None,
                text: line.to_owned(),
                status: None,
            }
        } else {
            Said {
                tag: Some(first.to_owned()),
                text: rest.to_owned(),
                status: None,
            }
        };
        self.commands.push(said);
    }

    /// A command's end, or one more command.
    fn go_on(&mut self, line: &str) {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut open = self
            .commands
            .iter_mut()
            .filter(|said| said.status.is_none());
        let ended = open.find(|said| said.tag.is_none() || said.tag.as_deref() == Some(first));
        let Some(ended) = ended else {
            return self.begin(line);
        };
        let status = if ended.tag.is_some() { rest } else { line };
        let (first, rest) = status.split_once(' ').unwrap_or((status, ""));
        let condition = condition(first).unwrap_or_else(|| panic!("no condition in {line}"));
        ended.status = Some(format!("{condition} {rest}").trim().to_owned());
    }
}

fn condition(word: &str) -> Option<String> {
    match word.to_ascii_lowercase().as_str() {
        "\"\"" => Some(String::new()),
        known @ ("ok" | "no" | "bad") => Some(known.to_owned()),
        _ => None,
    }
}

/// Lines that say something, each with the literals that stand in it.
fn logical_lines(body: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let mut logical = String::new();
        loop {
            let (line, behind) = rest.split_once('\n').unwrap_or((rest, ""));
            rest = behind;
            let Some(before) = line.strip_suffix("{{{") else {
                logical.push_str(line);
                break;
            };
            let (inner, behind) = rest.split_once("\n}}}").unwrap_or_else(|| {
                // Nothing but the end: the empty literal.
                ("", rest.strip_prefix("}}}").unwrap())
            });
            rest = behind;
            // `~{{{` is taken as it is, in others each line ends in CRLF.
            let inner = if before.ends_with('~') {
                inner.to_owned()
            } else {
                inner.replace("\r\n", "\n").replace('\n', "\r\n")
            };
            logical.push_str(&format!("{before}{{{}}}\n{inner}", inner.len_octets()));
        }
        assert!(!logical.starts_with("!if"), "conditions are not read here");
        if !logical.is_empty() && !logical.starts_with('#') {
            lines.push(logical);
        }
    }
    lines
}

/// How many octets a text stands for.
pub(crate) trait Octets {
    fn len_octets(&self) -> usize;
}

impl Octets for str {
    fn len_octets(&self) -> usize {
        self.chars().count()
    }
}

impl Exchange {
    /// One command that is to go well.
    pub(crate) fn ok(connection: usize, text: &str) -> Self {
        Self {
            connection,
            commands: vec![Said {
                tag: None,
                text: text.to_owned(),
                status: Some("ok".to_owned()),
            }],
            replies: Vec::new(),
        }
    }
}
