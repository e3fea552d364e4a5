//! The line a list of messages shows of each text.

use crate::decode::{Decoder, Encoding};
use crate::part::{Part, Span};
use crate::text::charset_label;
use crate::view::Bodies;
use crate::view::reading::delsp;
use crate::{charset, flowed, html};

/// Characters of a preview at most, counted as UTF-16 counts them, so that nobody counts more (RFC
/// 8621 §4.1.4).
pub const PREVIEW_CHARACTERS_MAX: usize = 256;
/// Octets of a body that are looked at, still encoded.
const BODY_OCTETS_MAX: u64 = 65_536;
/// Octets of a body that are mostly enough: HTML is not read to its end for one line.
const BODY_OCTETS_ENOUGH: usize = 4096;
/// Parts that are looked at.
const PARTS_MAX: usize = 8;

/// The first words of a message's text: white space made single, quoted text, signatures and what
/// introduces them left out, if anything else is there.
#[must_use]
pub fn preview(bodies: &Bodies<'_>, message: &[u8]) -> String {
    preview_of(bodies, preview_spans(bodies).map(|span| span.of(message)))
}

/// What [`preview`] looks at: some octets of each text, in the order they are shown.
pub fn preview_spans(bodies: &Bodies<'_>) -> impl Iterator<Item = Span> {
    texts(bodies).map(|part| Span {
        len: part.body.len.min(BODY_OCTETS_MAX),
        ..part.body
    })
}

/// The same from those octets alone, for messages that are not in memory whole: of each span of
/// [`preview_spans`] its octets.
pub fn preview_of<'m>(bodies: &Bodies<'_>, octets: impl IntoIterator<Item = &'m [u8]>) -> String {
    let texts: Vec<(&Part, &[u8])> = texts(bodies).zip(octets).collect();
    if texts
        .iter()
        .any(|(_, octets)| octets.len() > BODY_OCTETS_ENOUGH)
    {
        let beginning = |octets: &'m [u8]| octets.get(..BODY_OCTETS_ENOUGH).unwrap_or(octets);
        let parts: Vec<Vec<Line>> = texts
            .iter()
            .map(|(part, octets)| lines(part, beginning(octets)))
            .collect();
        let own = fold(parts.iter().flat_map(|lines| own(lines)));
        if own.is_full {
            return own.text;
        }
    }
    let parts = texts.iter().map(|(part, octets)| lines(part, octets));
    let parts: Vec<Vec<Line>> = parts.collect();
    // RFC 8621 §4.1.4
    let own = fold(parts.iter().flat_map(|lines| own(lines))).text;
    if own.is_empty() {
        let all = parts.iter().flatten();
        fold(all.map(|line| line.text.as_str())).text
    } else {
        own
    }
}

fn texts<'a>(bodies: &Bodies<'a>) -> impl Iterator<Item = &'a Part> {
    let texts = bodies.text.iter().map(|part| part.part);
    texts.filter(|part| part.media == "text").take(PARTS_MAX)
}

struct Line {
    quoted: bool,
    text: String,
}

fn lines(part: &Part, body: &[u8]) -> Vec<Line> {
    let mut octets = Vec::with_capacity(body.len());
    let mut decoder = Decoder::new(Encoding::parse(&part.encoding));
    decoder.push(body, &mut octets);
    decoder.finish(&mut octets);
    let text = charset::decode_cow(charset_label(part), &octets);
    if let Some(delsp) = delsp(part) {
        let paragraphs = flowed::read(&text, delsp);
        let lines = paragraphs.map(|paragraph| Line {
            quoted: paragraph.quotes > 0,
            text: paragraph.text,
        });
        return lines.collect();
    }
    let text = match part.subtype.as_str() {
        "html" => html::lines(&text),
        _ => text.into_owned(),
    };
    let lines = text.lines().map(|line| Line {
        quoted: line.trim_start().starts_with('>'),
        text: line.to_owned(),
    });
    lines.collect()
}

/// The lines of one part that the writer wrote: up to a signature or an original message, without
/// what is quoted and the line that introduces it.
fn own(lines: &[Line]) -> impl Iterator<Item = &str> {
    let ends = |line: &&Line| {
        let text = line.text.trim_end();
        text == "--" || text.starts_with("-----Original Message")
    };
    let until = lines
        .iter()
        .position(|line| ends(&line))
        .unwrap_or(lines.len());
    let lines = lines.get(..until).unwrap_or(lines);
    let introduces = move |at: usize, line: &Line| {
        let behind = lines.iter().skip(at + 1);
        let next = behind.take(3).find(|line| !line.text.trim().is_empty());
        line.text.trim_end().ends_with(':') && next.is_some_and(|next| next.quoted)
    };
    let own = lines.iter().enumerate();
    own.filter(move |(at, line)| !line.quoted && !introduces(*at, line))
        .map(|(_, line)| line.text.as_str())
}

/// The words of some lines.
struct Folded {
    text: String,
    /// True if there was no room for more.
    is_full: bool,
}

/// The words of some lines with one space between them, cut to the preview's length.
fn fold<'a>(lines: impl Iterator<Item = &'a str>) -> Folded {
    let full = |text| Folded {
        text,
        is_full: true,
    };
    let mut folded = String::new();
    let mut room = PREVIEW_CHARACTERS_MAX;
    for word in lines.flat_map(str::split_whitespace) {
        let space = usize::from(!folded.is_empty());
        if room <= space {
            return full(folded);
        }
        let before = folded.len();
        if space > 0 {
            folded.push(' ');
        }
        room -= space;
        let letters = folded.len();
        for letter in word.chars().filter(|letter| !letter.is_control()) {
            if letter.len_utf16() > room {
                return full(folded);
            }
            room -= letter.len_utf16();
            folded.push(letter);
        }
        if folded.len() == letters {
            folded.truncate(before);
            room += space;
        }
    }
    Folded {
        text: folded,
        is_full: false,
    }
}
