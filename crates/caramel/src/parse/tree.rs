//! A message for people: its parts as a tree, no line longer than a screen is wide.

use std::borrow::Cow;
use std::io::{self, Write};

use message::{Content, Correspondent, Digest, Leniencies, Outline, Part, decode_words};

use super::json;
use super::node::{Inspected, Node};
use super::report::Report;
use super::view::View;

/// Columns of a line.
const COLUMNS: usize = 100;
/// Columns of the drawing to the left; deeper parts are not indented further.
const DRAWING_COLUMNS_MAX: usize = 45;
/// Columns of a field's name.
const NAME_COLUMNS: usize = 8;
/// Letters shown of one text.
const TEXT_LETTERS_MAX: usize = 300;
/// Addresses shown of one list.
const ADDRESSES_MAX: usize = 20;

/// Writes the tree, and below it what was repaired.
pub(super) fn write(outline: &Outline, message: &[u8], output: &mut dyn Write) -> io::Result<()> {
    let words = vec![format!("message of {} octets", message.len())];
    wrapped("", "", &words, output)?;
    if message.starts_with(b"From ") {
        let note = "it begins as an mbox does; all is read as one message";
        wrapped("", "", &[note.to_owned()], output)?;
    }
    digest(&outline.digest, "│ ", output)?;
    view(&View::of(outline, message), "│ ", output)?;
    let mut all = Leniencies::NONE;
    node(
        &Node::of(outline),
        message,
        ("└─ ", "   "),
        &mut all,
        output,
    )?;
    if !all.is_empty() {
        writeln!(output, "\nrepaired")?;
    }
    for one in all.iter() {
        let words: Vec<String> = one.meaning().split(' ').map(str::to_owned).collect();
        let named = format!("  {:<24}", one.name());
        let below = " ".repeat(26);
        wrapped_with(&named, &below, &words, " ", output)?;
    }
    Ok(())
}

/// Writes one part and all inside it; `first` is drawn before its first line, `next` below.
fn node(
    node_here: &Node<'_>,
    message: &[u8],
    (first, next): (&str, &str),
    all: &mut Leniencies,
    output: &mut dyn Write,
) -> io::Result<()> {
    let inspected = node_here.inspect(message);
    all.extend(inspected.repaired);
    let children = node_here.children();
    let bar = if children.is_empty() { "   " } else { "│  " };
    let below = format!("{next}{bar}");
    wrapped(first, &below, &described(node_here, &inspected), output)?;
    if let Content::Message(inner) = &node_here.part.content {
        digest(&inner.digest, &below, output)?;
    }
    if let Some(report) = &inspected.report {
        verdicts(report, &below, output)?;
    }
    let deep = next.chars().count() + 3 > DRAWING_COLUMNS_MAX;
    for (index, child) in children.iter().enumerate() {
        let last = index + 1 == children.len();
        let (turn, rest) = match (deep, last) {
            (true, _) => ("", ""),
            (false, true) => ("└─ ", "   "),
            (false, false) => ("├─ ", "│  "),
        };
        let drawn = (&*format!("{next}{turn}"), &*format!("{next}{rest}"));
        node(child, message, drawn, all, output)?;
    }
    Ok(())
}

/// What is said of one part.
fn described(node: &Node<'_>, inspected: &Inspected) -> Vec<String> {
    let part = node.part;
    let number = node.number.as_ref().map(|number| format!("{number} "));
    let number = number.unwrap_or_default();
    let kind = format!("{}/{}", part.media, part.subtype);
    let mut words = vec![format!("{number}{}", harmless(&kind))];
    words.push(size(part, inspected.decoded_octets));
    if matches!(part.content, Content::Message(_)) || part.media == "text" {
        let plural = if part.lines == 1 { "" } else { "s" };
        words.push(format!("{} line{plural}", part.lines));
    }
    words.extend(part.parameter("charset").map(|charset| harmless(&charset)));
    words.push(harmless(&part.encoding));
    let disposition = part.disposition.as_ref();
    words.extend(disposition.map(|disposition| harmless(&disposition.kind)));
    words.extend(
        part.filename()
            .map(|name| format!("\"{}\"", harmless(&name))),
    );
    let id = part.id.as_deref().map(String::from_utf8_lossy);
    words.extend(id.map(|id| harmless(&id)));
    for file in &inspected.enclosed {
        let (name, octets) = (harmless(&file.name), file.size);
        words.push(format!("holds \"{name}\" of {octets} octets"));
    }
    let repaired: Vec<&str> = inspected.repaired.iter().map(|one| one.name()).collect();
    if !repaired.is_empty() {
        words.push(format!("repaired: {}", repaired.join(" ")));
    }
    words
}

/// How long the body is and where it begins.
fn size(part: &Part, decoded: Option<usize>) -> String {
    let (octets, offset) = (part.body.len, part.body.offset);
    let decoded = decoded.filter(|decoded| u64::try_from(*decoded) != Ok(octets));
    match decoded {
        Some(decoded) => format!("{octets} octets at {offset} ({decoded} decoded)"),
        None => format!("{octets} octets at {offset}"),
    }
}

/// Writes the fields by which people know a message.
fn digest(digest: &Digest, drawn: &str, output: &mut dyn Write) -> io::Result<()> {
    let subject = digest.subject.as_ref().map(|_| digest.subject_text());
    let sent = digest.sent().map(|sent| sent.to_rfc5322().to_string());
    let date = digest
        .date
        .as_deref()
        .map(decode_words)
        .map(Cow::into_owned);
    let fields = [
        ("Subject", subject.into_iter().collect()),
        ("From", addresses(&digest.from)),
        ("To", addresses(&digest.to)),
        ("Cc", addresses(&digest.cc)),
        ("Date", sent.or(date).into_iter().collect::<Vec<String>>()),
    ];
    let mut fields = fields.into_iter();
    fields.try_for_each(|(name, values)| named(name, &values, drawn, output))
}

/// Writes what the whole message is: its first words, how it is read, its list, results of checks.
fn view(view: &View<'_>, drawn: &str, output: &mut dyn Write) -> io::Result<()> {
    let room = COLUMNS - NAME_COLUMNS - 1 - drawn.chars().count();
    let preview = Some(view.preview.as_str()).filter(|preview| !preview.is_empty());
    let preview = preview.map(|preview| shortened(preview, room - 1));
    named("Preview", preview.as_slice(), drawn, output)?;
    named("Read as", &view.reading(), drawn, output)?;
    named("List", &view.list(), drawn, output)?;
    named("Checks", &view.checks(), drawn, output)
}

/// Writes values with the name they have; nothing where there are none.
fn named(name: &str, values: &[String], drawn: &str, output: &mut dyn Write) -> io::Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    let values: Vec<String> = values.iter().map(|value| harmless(value)).collect();
    let first = format!("{drawn}{name:<NAME_COLUMNS$} ");
    let next = format!("{drawn}{:<NAME_COLUMNS$} ", "");
    wrapped(&first, &next, &values, output)
}

/// Writes what a report comes to.
fn verdicts(report: &Report, below: &str, output: &mut dyn Write) -> io::Result<()> {
    let next = format!("{below}  ");
    report.verdicts().iter().try_for_each(|verdict| {
        let verdict = harmless(&shortened(verdict, TEXT_LETTERS_MAX));
        let words: Vec<String> = verdict.split(' ').map(str::to_owned).collect();
        wrapped_with(below, &next, &words, " ", output)
    })
}

fn addresses(list: &[Correspondent]) -> Vec<String> {
    let mailboxes = list.iter().filter_map(|one| match one {
        Correspondent::Mailbox {
            name, local, host, ..
        } => {
            let address = json::address(local, host);
            Some(match name {
                Some(name) => format!("{} <{address}>", decode_words(name)),
                None => address,
            })
        }
        Correspondent::GroupStart(name) => Some(format!("{}:", decode_words(name))),
        Correspondent::GroupEnd => None,
    });
    let mut shown: Vec<String> = mailboxes.take(ADDRESSES_MAX + 1).collect();
    if shown.len() > ADDRESSES_MAX {
        shown.truncate(ADDRESSES_MAX);
        shown.push(format!("and more ({} entries)", list.len()));
    }
    shown
}

/// Text that no terminal obeys: control characters and those that turn the direction of writing
/// become U+FFFD; of a long text the beginning.
pub(super) fn harmless(text: &str) -> String {
    let plain = |letter: char| match letter {
        '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        '\t' => ' ',
        _ if letter.is_control() => char::REPLACEMENT_CHARACTER,
        _ => letter,
    };
    text.chars().map(plain).collect()
}

/// Writes the words with commas, on as many lines as they need.
fn wrapped(first: &str, next: &str, words: &[String], output: &mut dyn Write) -> io::Result<()> {
    wrapped_with(first, next, words, ", ", output)
}

fn wrapped_with(
    first: &str,
    next: &str,
    words: &[String],
    between: &str,
    output: &mut dyn Write,
) -> io::Result<()> {
    let mut line = first.to_owned();
    let mut room = COLUMNS.saturating_sub(first.chars().count());
    let mut fresh = true;
    for (index, word) in words.iter().enumerate() {
        let behind = if index + 1 < words.len() { between } else { "" };
        let word = format!("{}{behind}", shortened(word, TEXT_LETTERS_MAX));
        let letters = word.trim_end().chars().count();
        if letters > room && !fresh {
            line = turned(&line, next, &mut room, output)?;
        }
        for letter in word.chars() {
            // What is longer than a line is cut into lines.
            if room == 0 && letter != ' ' {
                line = turned(&line, next, &mut room, output)?;
            }
            line.push(letter);
            room = room.saturating_sub(1);
        }
        fresh = false;
    }
    writeln!(output, "{}", line.trim_end())
}

/// Writes a full line; how the next one begins.
fn turned(line: &str, next: &str, room: &mut usize, output: &mut dyn Write) -> io::Result<String> {
    writeln!(output, "{}", line.trim_end())?;
    *room = COLUMNS.saturating_sub(next.chars().count()).max(1);
    Ok(next.to_owned())
}

fn shortened(text: &str, letters_max: usize) -> String {
    match text.char_indices().nth(letters_max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
