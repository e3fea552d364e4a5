//! TNEF (`application/ms-tnef`, `winmail.dat`): the files in it.
//!
//! A stream is a signature, a key, and attributes: level, number, length, data, checksum. A file
//! begins with one of its attributes and has the others behind it; what Outlook adds (long names,
//! media types) is a list of properties inside one of them. Microsoft describes both as MS-OXTNEF
//! §2.1. Checksums are not proved: what arrived is shown.

use crate::enclosed::{Enclosed, FILES_MAX, Form, name};
use crate::leniency::{Leniencies, Leniency};
use crate::part::Span;

const SIGNATURE: u32 = 0x223e_9f78;
/// Properties read of one list.
const PROPERTIES_MAX: u32 = 1000;

// Attributes of a file.
const LEVEL_ATTACHMENT: u8 = 2;
const RENDER_DATA: u32 = 0x0006_9002;
const TITLE: u32 = 0x0001_8010;
const DATA: u32 = 0x0006_800f;
const PROPERTIES: u32 = 0x0006_9005;

// Properties of a file.
const LONG_FILENAME: u16 = 0x3707;
const MIME_TAG: u16 = 0x370e;
const DATA_OBJECT: u16 = 0x3701;
/// A property's type: an embedded message or object; its interface's name stands before it.
const OBJECT: u16 = 0x000d;
const INTERFACE_OCTETS: usize = 16;

/// The files in a TNEF stream, in order.
pub(crate) fn files(octets: &[u8]) -> (Vec<Enclosed>, Leniencies) {
    let mut files = Vec::new();
    let mut stream = Stream { octets, at: 0 };
    let complete = attributes(&mut stream, &mut files).is_some();
    let wrong = (!complete).then_some(Leniency::TnefBroken);
    (files, wrong.into_iter().collect())
}

/// Reads all attributes; `None` where the stream breaks off.
fn attributes(stream: &mut Stream<'_>, files: &mut Vec<Enclosed>) -> Option<()> {
    if stream.long()? != SIGNATURE {
        return None;
    }
    let _key = stream.short()?;
    while stream.at < stream.octets.len() {
        let level = stream.octet()?;
        let number = stream.long()?;
        let len = stream.length()?;
        let data = stream.span(len)?;
        let _checksum = stream.short()?;
        if level != LEVEL_ATTACHMENT {
            continue;
        }
        if number == RENDER_DATA {
            if files.len() == FILES_MAX {
                return Some(());
            }
            files.push(Enclosed {
                name: String::new(),
                media_type: None,
                form: Form::Tnef,
                span: Span::default(),
                size: 0,
            });
        }
        let Some(file) = files.last_mut() else {
            continue;
        };
        match number {
            TITLE if file.name.is_empty() => file.name = text(data.of(stream.octets), 1),
            DATA => (file.span, file.size) = (data, data.len),
            PROPERTIES => {
                let mut list = stream.within(data);
                properties(&mut list, file)?;
            }
            _ => {}
        }
    }
    Some(())
}

fn properties(list: &mut Stream<'_>, file: &mut Enclosed) -> Option<()> {
    let count = list.long()?;
    for _ in 0..count.min(PROPERTIES_MAX) {
        let kind = list.short()?;
        let id = list.short()?;
        if id >= 0x8000 {
            named(list)?;
        }
        let (value, unit) = value(list, kind)?;
        match id {
            LONG_FILENAME => {
                let long = text(value.of(list.octets), unit);
                if !long.is_empty() {
                    file.name = long;
                }
            }
            MIME_TAG => {
                let tag = text(value.of(list.octets), unit);
                file.media_type = Some(tag).filter(|tag| tag.contains('/'));
            }
            // The stored message, where no plain data are there.
            DATA_OBJECT if kind == OBJECT && file.size == 0 && value.len > 16 => {
                let skip = u64::try_from(INTERFACE_OCTETS).unwrap_or_default();
                file.span = Span {
                    offset: value.offset + skip,
                    len: value.len - skip,
                };
                file.size = file.span.len;
            }
            _ => {}
        }
    }
    Some(())
}

/// Passes over the name of a property that has one.
fn named(list: &mut Stream<'_>) -> Option<()> {
    const BY_NUMBER: u32 = 0;
    list.span(16)?;
    if list.long()? == BY_NUMBER {
        list.long()?;
    } else {
        let len = list.length()?;
        list.span(len)?;
        list.padding(len);
    }
    Some(())
}

/// Reads a property's value: where its first lies, and the octets of one letter.
fn value(list: &mut Stream<'_>, kind: u16) -> Option<(Span, usize)> {
    const MULTIPLE: u16 = 0x1000;
    let (fixed, unit) = match kind & !MULTIPLE {
        0x0001 => (Some(0), 1),
        0x0002 | 0x0003 | 0x0004 | 0x000a | 0x000b => (Some(4), 1),
        0x0005 | 0x0006 | 0x0007 | 0x0014 | 0x0040 => (Some(8), 1),
        0x0048 => (Some(16), 1),
        0x001f => (None, 2),
        OBJECT | 0x001e | 0x0102 => (None, 1),
        _ => return None,
    };
    let several = kind & MULTIPLE != 0 || fixed.is_none();
    let count = if several { list.long()? } else { 1 };
    let mut first = None;
    for _ in 0..count {
        let len = match fixed {
            Some(len) => len,
            None => list.length()?,
        };
        let span = list.span(len)?;
        list.padding(len);
        first.get_or_insert(span);
        // Values without octets would be counted for ever.
        if fixed == Some(0) {
            break;
        }
    }
    Some((first.unwrap_or_default(), unit))
}

/// A name up to its NUL: UTF-16 where a letter has two octets.
fn text(octets: &[u8], unit: usize) -> String {
    if unit == 2 {
        let text = crate::charset::decode_cow(b"utf-16le", octets);
        let text = text.split('\0').next().unwrap_or_default();
        return name(text.as_bytes());
    }
    name(octets.split(|&octet| octet == 0).next().unwrap_or_default())
}

/// Octets read one number after the other, little end first.
struct Stream<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Stream<'a> {
    /// The same octets, read inside `span` only; positions stay those of the whole.
    fn within(&self, span: Span) -> Self {
        let end = usize::try_from(span.end()).unwrap_or(usize::MAX);
        Self {
            octets: self.octets.get(..end).unwrap_or(self.octets),
            at: usize::try_from(span.offset).unwrap_or(usize::MAX),
        }
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = self.octets.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(*taken)
    }

    fn octet(&mut self) -> Option<u8> {
        self.take().map(|[octet]| octet)
    }

    fn short(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn long(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.long()?).ok()
    }

    fn span(&mut self, len: usize) -> Option<Span> {
        let end = self.at.checked_add(len)?;
        let span = Span::between(self.at, end);
        (end <= self.octets.len()).then(|| self.at = end)?;
        Some(span)
    }

    /// Passes over what fills a value up to four octets; the last one may lack it.
    fn padding(&mut self, len: usize) {
        self.at = self
            .octets
            .len()
            .min(self.at + len.next_multiple_of(4) - len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(level: u8, number: u32, data: &[u8]) -> Vec<u8> {
        let checksum = data.iter().map(|octet| u16::from(*octet)).sum::<u16>();
        let mut octets = vec![level];
        octets.extend(number.to_le_bytes());
        octets.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        octets.extend(data);
        octets.extend(checksum.to_le_bytes());
        octets
    }

    fn property(kind: u16, id: u16, value: &[u8]) -> Vec<u8> {
        let mut octets = kind.to_le_bytes().to_vec();
        octets.extend(id.to_le_bytes());
        if id >= 0x8000 {
            octets.extend([7; 16]);
            octets.extend([0, 0, 0, 0, 1, 0, 0, 0]);
        }
        if matches!(kind, 0x1e | 0x1f | 0x0d | 0x102) {
            octets.extend([1, 0, 0, 0]);
            octets.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        }
        octets.extend(value);
        octets.resize(octets.len().next_multiple_of(4), 0);
        octets
    }

    fn sample() -> Vec<u8> {
        let mut list = 5_u32.to_le_bytes().to_vec();
        list.extend(property(3, 0x0e21, &[1, 0, 0, 0]));
        list.extend(property(
            0x1f,
            LONG_FILENAME,
            b"g\0r\0\xfc\0n\0.\0g\0i\0f\0\0\0",
        ));
        list.extend(property(0x1e, MIME_TAG, b"image/gif\0"));
        list.extend(property(0x1e, 0x8001, b"named\0"));
        list.extend(property(0x102, 0x3702, b"abc"));
        let mut object = 1_u32.to_le_bytes().to_vec();
        object.extend(property(OBJECT, DATA_OBJECT, b"0123456789abcdefinner"));
        [
            &b"\x78\x9f\x3e\x22\x01\x00"[..],
            &attribute(1, 0x0008_9006, &[0, 0, 1, 0]),
            &attribute(2, RENDER_DATA, &[0; 14]),
            &attribute(2, TITLE, b"GRN~1.GIF\0"),
            &attribute(2, DATA, b"GIF89a"),
            &attribute(2, PROPERTIES, &list),
            &attribute(2, RENDER_DATA, &[0; 14]),
            &attribute(2, TITLE, b"plain.txt\0"),
            &attribute(2, PROPERTIES, &object),
        ]
        .concat()
    }

    #[test]
    fn the_files_of_a_stream() {
        let octets = sample();
        let (files, leniencies) = files(&octets);
        assert!(leniencies.is_empty());
        let [picture, object] = files.as_slice() else {
            panic!("{files:?}");
        };
        assert_eq!(picture.name, "grün.gif");
        assert_eq!(picture.media_type.as_deref(), Some("image/gif"));
        assert_eq!(*picture.octets(&octets), *b"GIF89a");
        assert_eq!(object.name, "plain.txt");
        assert_eq!(*object.octets(&octets), *b"inner");
    }

    #[test]
    fn a_broken_stream_gives_what_stands_before() {
        let octets = sample();
        let mut complete = 0;
        for end in 0..octets.len() {
            let (files, leniencies) = files(&octets[..end]);
            let sizes: Vec<u64> = files.iter().map(|file| file.size).collect();
            assert!(
                [&[][..], &[0], &[6], &[6, 0]].contains(&sizes.as_slice()),
                "{end}"
            );
            complete += usize::from(!leniencies.has(Leniency::TnefBroken));
        }
        // Before each of the eight attributes nothing is missing.
        assert_eq!(complete, 8);
        for at in 0..octets.len() {
            for octet in [0, 1, 127, 255] {
                let mut hostile = octets.clone();
                hostile[at] = octet;
                let (files, _) = files(&hostile);
                let sum: u64 = files.iter().map(|file| file.size).sum();
                assert!(sum <= hostile.len() as u64);
            }
        }
    }
}
