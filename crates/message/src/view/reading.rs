//! A part's text as a person reads it, without a screen's width.

use std::fmt::Write as _;

use crate::leniency::Leniencies;
use crate::part::Part;
use crate::text::decode_text;
use crate::view::BodyPart;
use crate::{flowed, html};

impl BodyPart<'_> {
    /// The text of a `text/*` part for reading, with LF line ends, one at its end: HTML as lines,
    /// each flowed paragraph on one line behind its quotation marks.
    #[must_use]
    pub fn reading(&self, message: &[u8]) -> String {
        let text = decode_text(self.part, message, &mut Leniencies::default());
        let mut read = match delsp(self.part) {
            Some(delsp) => unwrapped(&text, delsp),
            None if self.part.subtype == "html" => html::lines(&text),
            None => text.replace("\r\n", "\n"),
        };
        if !read.is_empty() && !read.ends_with('\n') {
            read.push('\n');
        }
        read
    }
}

/// Whether a plain text that says `format=flowed` says `delsp=yes` too; `None` if it does not flow.
// RFC 3676 §4
pub(super) fn delsp(part: &Part) -> Option<bool> {
    let says = |name: &str, value: &str| {
        let said = part.parameter(name);
        said.is_some_and(|said| said.eq_ignore_ascii_case(value))
    };
    let flows = part.is("text", "plain") && says("format", "flowed");
    flows.then(|| says("delsp", "yes"))
}

fn unwrapped(text: &str, delsp: bool) -> String {
    let mut lines = String::with_capacity(text.len());
    for paragraph in flowed::read(text, delsp) {
        lines.extend(std::iter::repeat_n('>', paragraph.quotes));
        let space = if paragraph.quotes > 0 { " " } else { "" };
        // Writing into a string never fails.
        let _written = write!(lines, "{space}{}", paragraph.text);
        let line = lines.trim_end_matches(' ').len();
        if paragraph.text != flowed::SIGNATURE {
            lines.truncate(line);
        }
        lines.push('\n');
    }
    lines
}
