//! Parts: what of their fields is compared, what their contents are, loops over them.
//!
//! RFC 5703 §3, §4 and §7; RFC 5173 §5.2.

use message::leniency::Leniencies;
use message::parameter;
use message::{Content, Part};

use crate::circumstances::inside;
use crate::language::Tag;
use crate::script::Command;

use super::variables::modified;
use super::{Loop, Run, Tried};

/// Parameters looked at of one field, and octets of each.
const PARAMETERS_MAX: usize = 100;
const PARAMETER_OCTETS_MAX: usize = 16_384;

/// What of a field's value is compared; none for each thing that it has not.
// RFC 5703 §4.1
pub(super) fn aspects(
    name: &[u8],
    value: &str,
    want: Tag,
    parameters: &[String],
) -> Vec<Option<String>> {
    let noted = &mut Leniencies::default();
    let value = value.as_bytes();
    let read = if name.eq_ignore_ascii_case(b"content-type") {
        message::media_type_noting(value, PARAMETERS_MAX, PARAMETER_OCTETS_MAX, noted)
            .map(|(media, subtype, parameters)| (media, Some(subtype), parameters))
    } else if want == Tag::Param || name.eq_ignore_ascii_case(b"content-disposition") {
        message::disposition_noting(value, PARAMETERS_MAX, PARAMETER_OCTETS_MAX, noted)
            .map(|(kind, parameters)| (kind, None, parameters))
    } else {
        None
    };
    let Some((first, second, given)) = read else {
        return if want == Tag::Param {
            Vec::new()
        } else {
            vec![None]
        };
    };
    match want {
        Tag::Type => vec![Some(first)],
        Tag::Subtype => vec![second],
        Tag::Param => {
            let values = parameters
                .iter()
                .map(|name| parameter::decoded(&given, &name.to_ascii_lowercase()));
            values.filter(Option::is_some).collect()
        }
        _ => vec![Some(match second {
            Some(second) => format!("{first}/{second}"),
            None => first,
        })],
    }
}

/// What `:content` sees of a part.
// RFC 5173 §5.2
pub(super) fn contents(part: &Part, message: &[u8], values: &mut Vec<String>) {
    match &part.content {
        Content::Leaf if part.media == "text" => {
            let text = message::text::decode_text(part, message, &mut Leniencies::default());
            values.push(text.into_owned());
        }
        Content::Leaf => {
            let decoded = message::decode_part(part, message).octets;
            values.push(String::from_utf8_lossy(&decoded).into_owned());
        }
        Content::Message(inner) => {
            let header = inner.root.header.of(message);
            values.push(String::from_utf8_lossy(header).into_owned());
        }
        Content::Multipart(parts) => {
            let body = part.body.of(message);
            let begins = |at: u64| usize::try_from(at.saturating_sub(part.body.offset)).ok();
            let first = parts.first().and_then(|first| begins(first.header.offset));
            let last = parts.last().and_then(|last| begins(last.body.end()));
            let before = first.and_then(|at| body.get(..at)).unwrap_or_default();
            let behind = last.and_then(|at| body.get(at..)).unwrap_or_default();
            for text in [prologue(before), epilogue(behind)] {
                values.push(String::from_utf8_lossy(text).into_owned());
            }
        }
    }
}

/// What stands before the first delimiter line.
fn prologue(before: &[u8]) -> &[u8] {
    let before = before.strip_suffix(b"\n").unwrap_or_default();
    let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    before.get(..start).unwrap_or_default()
}

/// What stands behind the last delimiter line.
fn epilogue(behind: &[u8]) -> &[u8] {
    // The line end that belongs to the delimiter, and the delimiter's own.
    let mut lines = memchr::memchr_iter(b'\n', behind);
    let (_, second) = (lines.next(), lines.next());
    second
        .and_then(|at| behind.get(at + 1..))
        .unwrap_or_default()
}

impl Run {
    // RFC 5703 §3
    pub(super) fn begin_loop(&mut self) {
        let letter = &self.world.letter;
        let (first, count) = match self.loops.last() {
            None => (0, 1 + inside(letter.root())),
            Some(around) => {
                let count = letter.part(around.current).map_or(0, inside);
                (around.current + 1, count)
            }
        };
        self.loops.push(Loop {
            depth: self.frames.len(),
            current: first,
            ahead: (first..first + count).rev().collect(),
        });
    }

    /// Goes to the next part of the innermost loop; false if there is none.
    pub(super) fn next_part(&mut self) -> bool {
        let Some(one) = self.loops.last_mut() else {
            return false;
        };
        let next = one.ahead.pop();
        one.current = next.unwrap_or(one.current);
        next.is_some()
    }

    // RFC 5703 §7
    pub(super) fn extract_text(&mut self, command: &Command) -> Tried<()> {
        let Some(name) = command.texts(0).first() else {
            return Ok(());
        };
        let name = self.variable(name)?;
        let current = self.loops.last().map(|one| one.current);
        let letter = &self.world.letter;
        let part = current.and_then(|current| letter.part(current));
        let part = part.filter(|part| part.media == "text" && part.content == Content::Leaf);
        let octets = part.map_or(0, |part| part.body.len);
        let mut text = part.map_or_else(String::new, |part| {
            let mut noted = Leniencies::default();
            let text = message::text::decode_text(part, letter.octets(), &mut noted);
            let unknown = [
                message::Leniency::EncodingUnknown,
                message::Leniency::CharsetUnknown,
            ];
            // The end of what is here may be in the middle of a letter.
            let broken = letter.is_whole() && noted.has(message::Leniency::CharsetBroken);
            if broken || unknown.into_iter().any(|one| noted.has(one)) {
                String::new()
            } else {
                text.into_owned()
            }
        });
        self.spend(octets / super::OCTETS_A_STEP)?;
        if let Some(first) = command.number(Tag::First) {
            let first = usize::try_from(first).unwrap_or(usize::MAX);
            let end = text
                .char_indices()
                .nth(first)
                .map_or(text.len(), |(at, _)| at);
            text.truncate(end);
        }
        // What a variable cannot hold need not be modified.
        text.truncate(text.floor_char_boundary(self.limits.variable_octets_max));
        let text = modified(command, text);
        self.store(&name, text)
    }
}
