//! The letter that a message is about, and its text as an answer quotes it.

use std::path::Path;

use message::flowed::{self, Paragraph};
use message::view::{Bodies, BodyPart};
use message::{Outline, decode_words, html};

use super::files;
use crate::complaint::Complaint;
use crate::input;

/// Octets of each text part that are quoted at most.
const QUOTED_OCTETS_MAX: usize = 1 << 20;
/// What stands before a signature; both are not quoted (RFC 3676 §4.3).
const SIGNATURE: &str = "-- ";

/// A letter that was read.
#[derive(Debug)]
pub(super) struct Original {
    /// All of it, its lines ended by CRLF.
    pub(super) octets: Vec<u8>,
    /// Its parts.
    pub(super) outline: Outline,
}

impl Original {
    /// Reads a letter.
    pub(super) fn read(path: &Path) -> Result<Self, Complaint> {
        let octets = files::with_crlf(input::message(path)?);
        let outline = Outline::parse(&octets);
        let original = Self { octets, outline };
        if original.header().is_empty() {
            let complaint = Complaint::new(format!("{} is no message", path.display()));
            return Err(complaint.because("it has no header"));
        }
        Ok(original)
    }

    /// Its header.
    pub(super) fn header(&self) -> &[u8] {
        self.outline.root.header.of(&self.octets)
    }

    /// Who wrote it: a name, else an address.
    pub(super) fn author(&self) -> String {
        let author = self.outline.digest.from.iter().find_map(|one| {
            let address = one.address()?.to_string();
            let message::Correspondent::Mailbox { name, .. } = one else {
                return None;
            };
            let name = name.as_deref().map(decode_words).unwrap_or_default();
            let name = one_line(&name);
            Some(if name.is_empty() { address } else { name })
        });
        author.unwrap_or_else(|| "Somebody".to_owned())
    }

    /// Its subject, decoded.
    pub(super) fn subject(&self) -> String {
        one_line(&self.outline.digest.subject_text())
    }

    /// Its text one level deeper, under a line that says whose it is, and an empty line behind.
    pub(super) fn quoted(&self) -> Vec<Paragraph> {
        let author = self.author();
        let line = match self.outline.digest.sent() {
            Some(date) => format!("On {}, {author} wrote:", date.to_rfc5322()),
            None => format!("{author} wrote:"),
        };
        let mut all = vec![own(&line)];
        for part in &Bodies::of(&self.outline.root).text {
            let lines = self.paragraphs(part);
            let lines = lines
                .into_iter()
                .take_while(|line| line.quotes > 0 || line.text != SIGNATURE);
            all.extend(lines.map(|line| Paragraph {
                quotes: line.quotes + 1,
                ..line
            }));
        }
        while all.last().is_some_and(|last| last.text.trim().is_empty()) {
            all.pop();
        }
        all.push(own(""));
        all
    }

    fn paragraphs(&self, part: &BodyPart<'_>) -> Vec<Paragraph> {
        let is = |subtype: &str| part.part.is("text", subtype);
        if !is("plain") && !is("html") {
            return Vec::new();
        }
        let text = part.value(&self.octets, QUOTED_OCTETS_MAX).value;
        if is("html") {
            return paragraphs(&html::lines(&text));
        }
        let says = |name: &str, value: &str| {
            let parameter = part.part.parameter(name);
            parameter.is_some_and(|said| said.eq_ignore_ascii_case(value))
        };
        if says("format", "flowed") {
            return flowed::read(&text, says("delsp", "yes")).collect();
        }
        let lines = paragraphs(&text).into_iter();
        // Whether a line was meant to be wrapped nobody knows.
        lines
            .map(|line| Paragraph {
                fixed: true,
                ..line
            })
            .collect()
    }
}

/// What stands in a line of ours: nothing a letter says begins another.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ").trim().to_owned()
}

fn own(text: &str) -> Paragraph {
    Paragraph {
        quotes: 0,
        text: text.to_owned(),
        fixed: false,
    }
}

/// Each line as a paragraph; `>` in front of it says how deep it is quoted.
pub(super) fn paragraphs(text: &str) -> Vec<Paragraph> {
    let line = |line: &str| {
        let mut quotes = 0;
        let mut rest = line;
        while let Some(behind) = rest.strip_prefix('>') {
            quotes += 1;
            // `> > x` and `>> x` are the same; further spaces are the text's own.
            rest = behind.strip_prefix(' ').unwrap_or(behind);
        }
        Paragraph {
            quotes,
            text: rest.to_owned(),
            fixed: false,
        }
    };
    text.lines().map(line).collect()
}

/// Paragraphs as lines of plain text, quoted ones behind `> `.
pub(super) fn lines(paragraphs: &[Paragraph]) -> String {
    let mut lines = String::new();
    for line in flowed::write(paragraphs).lines() {
        lines.push_str(line.trim_end_matches(' '));
        lines.push('\n');
    }
    lines
}
