//! Files that are no parts: uuencoded ones in the middle of a text, and those inside TNEF
//! (`winmail.dat`).
//!
//! Both are found in a part's decoded octets, and read from these on demand; nothing is unpacked
//! until somebody asks. Not here: parts.

use std::borrow::Cow;

use crate::decode::{begin_line, decode_part, is_end, line_octets};
use crate::leniency::{Leniencies, Leniency};
use crate::part::{Content, Part, Span};
use crate::tnef;

/// Files told of one part; later ones stay unseen.
pub const FILES_MAX: usize = 1000;
/// Octets of a part that is looked into, still encoded; of a longer one no file is told.
pub const PART_OCTETS_MAX: u64 = 16 << 20;
/// Characters kept of a file's name.
pub const NAME_CHARACTERS_MAX: usize = 255;

/// A file inside a part's decoded octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosed {
    /// Its name, as its sender wrote it: for people, no path to write to. It may be empty.
    pub name: String,
    /// Its media type, where that is said.
    pub media_type: Option<String>,
    /// How it is kept.
    pub form: Form,
    /// Where it lies in the part's decoded octets.
    pub span: Span,
    /// Octets of the file itself.
    pub size: u64,
}

/// How a file lies inside a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// As lines of uuencode, from `begin` to `end`.
    Uuencode,
    /// As it is, inside a TNEF stream.
    Tnef,
}

impl Enclosed {
    /// The file's octets, from the decoded octets of the part it was found in.
    #[must_use]
    pub fn octets<'a>(&self, within: &'a [u8]) -> Cow<'a, [u8]> {
        let place = self.span.of(within);
        match self.form {
            Form::Tnef => Cow::Borrowed(place),
            Form::Uuencode => {
                let lines = lines(place).map(|(line, _)| line);
                let octets = lines.skip(1).filter_map(line_octets).flatten();
                Cow::Owned(octets.collect())
            }
        }
    }
}

/// The files in a part: in a plain text, in TNEF known by its type or name.
#[must_use]
pub fn enclosed(part: &Part, message: &[u8]) -> (Vec<Enclosed>, Leniencies) {
    let named = || {
        part.filename()
            .is_some_and(|name| name.eq_ignore_ascii_case("winmail.dat"))
    };
    let read = match (part.media.as_str(), part.subtype.as_str()) {
        _ if part.content != Content::Leaf || part.body.len > PART_OCTETS_MAX => {
            return Default::default();
        }
        ("text", "plain") => uuencoded,
        ("application", "ms-tnef" | "vnd.ms-tnef") => tnef::files,
        ("application", "octet-stream") if named() => tnef::files,
        _ => return Default::default(),
    };
    read(&decode_part(part, message).octets)
}

/// The uuencoded files in a text.
///
/// One begins with a `begin` line and a line of data behind it, and ends with `end`, or with the
/// first line that is no data.
#[must_use]
pub fn uuencoded(text: &[u8]) -> (Vec<Enclosed>, Leniencies) {
    let mut files: Vec<Enclosed> = Vec::new();
    let mut leniencies = Leniencies::NONE;
    let mut at = 0;
    while let Some(start) = begin(text, at)
        && files.len() < FILES_MAX
    {
        let block = text.get(start..).unwrap_or_default();
        let mut all = lines(block);
        let (first, mut end) = all.next().unwrap_or_default();
        let (mut size, mut ended) = (0, false);
        for (line, behind) in all {
            ended = is_end(line);
            // A line without data is the last but `end`, or has lost its one space.
            let Some(octets) = line_octets(line).filter(|_| !ended) else {
                break;
            };
            size += octets.count();
            end = behind;
        }
        if ended {
            end = lines(block.get(end..).unwrap_or_default())
                .next()
                .map_or(end, |(_, behind)| end + behind);
        }
        at = start + end;
        if size == 0 {
            continue;
        }
        if !ended {
            leniencies.add(Leniency::UuencodeBroken);
        }
        files.push(Enclosed {
            name: begin_line(first).map(name).unwrap_or_default(),
            media_type: None,
            form: Form::Uuencode,
            span: Span::between(start, at),
            size: u64::try_from(size).unwrap_or(u64::MAX),
        });
    }
    (files, leniencies)
}

/// Where the next line that begins a file starts.
fn begin(text: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    memchr::memmem::find_iter(rest, b"begin ")
        .map(|at| from + at)
        .find(|&at| {
            let line_start = at == 0 || text.get(at - 1) == Some(&b'\n');
            let line = || lines(text.get(at..).unwrap_or_default()).next();
            line_start && line().is_some_and(|(line, _)| begin_line(line).is_some())
        })
}

/// The lines of a text without their ends, each with where the next one starts.
fn lines(text: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end)?;
        at = text.len().min(at + end + 1);
        Some((line.strip_suffix(b"\r").unwrap_or(line), at))
    })
}

/// A file's name for people: text without control characters, not too long.
pub(crate) fn name(raw: &[u8]) -> String {
    let text = crate::charset::decode_cow(b"", raw);
    let seen = text.chars().filter(|letter| !letter.is_control());
    seen.take(NAME_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_the_middle_of_a_text() {
        let text = b"Hello,\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\nand\n\
            begin 755 dog.txt\n#1&]G\n\nend\nbegin 644 nothing\nend\n\
            begin 644 words\nno data here\n\
            x begin 644 y\nbegin 644 open\n#0V%T\ncut off";
        let (files, leniencies) = uuencoded(text);
        let seen: Vec<(&str, u64, Cow<'_, [u8]>)> = files
            .iter()
            .map(|file| (file.name.as_str(), file.size, file.octets(text)))
            .collect();
        assert_eq!(
            seen,
            [
                ("cat.txt", 3, Cow::Borrowed(&b"Cat"[..])),
                ("dog.txt", 3, Cow::Borrowed(b"Dog")),
                ("open", 3, Cow::Borrowed(b"Cat")),
            ]
        );
        assert!(files[0].span.of(text).ends_with(b"end\r\n"));
        assert!(files[1].span.of(text).ends_with(b"end\n"));
        assert!(leniencies.has(Leniency::UuencodeBroken));
        assert!(uuencoded(b"begin 644 now and then\nwe talk").0.is_empty());
    }

    #[test]
    fn a_part_too_long_is_not_looked_into() {
        let message = b"\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\n";
        let mut part = crate::Outline::parse(message).root;
        assert_eq!(enclosed(&part, message).0.len(), 1);
        part.body.len = PART_OCTETS_MAX + 1;
        assert!(enclosed(&part, message).0.is_empty());
    }
}
