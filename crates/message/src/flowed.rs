//! `format=flowed` (RFC 3676): paragraphs read from lines, and lines written from paragraphs.
//!
//! Not here: wrapping for a screen; who shows a paragraph knows how wide it is.

use std::fmt::Write as _;

/// Columns a written line has at most, its soft break included, where its words allow (RFC 3676
/// §4.2: 78, of which some are left to those who quote).
const COLUMNS: usize = 72;
/// Octets of a line at most, whatever the words (RFC 5322 §2.1.1: 998 characters).
const LINE_OCTETS_MAX: usize = 900;
/// Quotation marks that are written before a line.
const QUOTES_MAX: usize = 100;
/// The line before a signature; it is neither fixed nor flowed (RFC 3676 §4.3).
pub(crate) const SIGNATURE: &str = "-- ";

/// A paragraph: text that may be wrapped anew, on one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paragraph {
    /// How often it was quoted; 0 is the writer's own text.
    pub quotes: usize,
    /// The text, without quotation marks, stuffing and soft line breaks.
    pub text: String,
    /// True if it was one line ended by its writer; whether it was wrapped nobody knows then.
    pub fixed: bool,
}

/// Reads a text whose Content-Type says `format=flowed`, one paragraph after the other; `delsp` is
/// true if it says `delsp=yes`.
pub fn read(text: &str, delsp: bool) -> impl Iterator<Item = Paragraph> {
    let ended = text.strip_suffix('\n').unwrap_or(text);
    let lines = ended.split('\n').filter(|_| !text.is_empty());
    let mut lines = lines.map(move |line| Line::read(line, delsp)).peekable();
    std::iter::from_fn(move || {
        let Line {
            quotes,
            text,
            flows,
            ..
        } = lines.next()?;
        let mut paragraph = Paragraph {
            quotes,
            text: text.to_owned(),
            fixed: !flows,
        };
        let mut open = flows;
        // Lines of another depth are another paragraph, whatever the last one promised.
        while open
            && let Some(line) = lines.next_if(|next| next.quotes == quotes && !next.signature)
        {
            paragraph.text.push_str(line.text);
            open = line.flows;
        }
        Some(paragraph)
    })
}

/// One line, its marks taken off.
struct Line<'a> {
    quotes: usize,
    text: &'a str,
    flows: bool,
    signature: bool,
}

impl<'a> Line<'a> {
    fn read(line: &'a str, delsp: bool) -> Self {
        let line = line.strip_suffix('\r').unwrap_or(line);
        // RFC 3676 §4.5
        let unquoted = line.trim_start_matches('>');
        let quotes = line.len() - unquoted.len();
        // RFC 3676 §4.4
        let line = unquoted.strip_prefix(' ').unwrap_or(unquoted);
        // RFC 3676 §4.3
        let signature = line == SIGNATURE;
        let flows = line.ends_with(' ') && !signature;
        let text = match line.strip_suffix(' ') {
            Some(text) if flows && delsp => text,
            _ => line,
        };
        Self {
            quotes,
            text,
            flows,
            signature,
        }
    }
}

/// Writes paragraphs as lines ended by CRLF, for `format=flowed` without `delsp`.
///
/// Spaces at a paragraph's end are lost: they would join it to the next. Fixed ones are not
/// wrapped.
#[must_use]
pub fn write(paragraphs: &[Paragraph]) -> String {
    let mut lines = String::new();
    for paragraph in paragraphs {
        let quotes = ">".repeat(paragraph.quotes.min(QUOTES_MAX));
        if paragraph.text == SIGNATURE {
            push_line(&mut lines, &quotes, SIGNATURE);
            continue;
        }
        let mut rest = paragraph.text.trim_end_matches(' ');
        let columns = if paragraph.fixed {
            LINE_OCTETS_MAX
        } else {
            COLUMNS
        };
        loop {
            let (line, behind) = soft_break(rest, columns.saturating_sub(quotes.len() + 1));
            push_line(&mut lines, &quotes, line);
            if behind.is_empty() {
                break;
            }
            rest = behind;
        }
    }
    lines
}

fn push_line(lines: &mut String, quotes: &str, line: &str) {
    // RFC 3676 §4.4
    let stuffed = line.starts_with([' ', '>']) || line.starts_with("From ") || !quotes.is_empty();
    let stuffing = if stuffed && !line.is_empty() { " " } else { "" };
    // Writing into a string never fails.
    let _written = write!(lines, "{quotes}{stuffing}{line}\r\n");
}

/// Cuts behind the last space within so many octets, else behind the first one; both lines have
/// text.
fn soft_break(text: &str, octets: usize) -> (&str, &str) {
    if text.len() <= octets {
        return (text, "");
    }
    let near = text.floor_char_boundary(octets);
    let (near, _) = text.split_at_checked(near).unwrap_or((text, ""));
    // No line may read as the mark of a signature.
    let first = match text.strip_prefix(SIGNATURE) {
        Some(_) => SIGNATURE.len(),
        None => text.len() - text.trim_start_matches(' ').len(),
    };
    let at = match near.rfind(' ') {
        Some(at) if at >= first => Some(at),
        _ => text
            .match_indices(' ')
            .map(|(at, _)| at)
            .find(|at| *at >= first),
    };
    let cut = at.map_or(text.len(), |at| at + 1);
    text.split_at_checked(cut).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paragraph(quotes: usize, text: &str, fixed: bool) -> Paragraph {
        let text = text.to_owned();
        Paragraph {
            quotes,
            text,
            fixed,
        }
    }

    #[test]
    fn lines_become_paragraphs() {
        let text = "one \r\ntwo\r\n\r\n>> quoted \r\n>>more\r\n>less \r\nnone\r\n  stuffed\r\n\
            a \r\n-- \r\nname \r\n> -- \r\n>  >no quote\r\nopen ";
        let expected = [
            paragraph(0, "one two", false),
            paragraph(0, "", true),
            paragraph(2, "quoted more", false),
            paragraph(1, "less ", false),
            paragraph(0, "none", true),
            paragraph(0, " stuffed", true),
            paragraph(0, "a ", false),
            paragraph(0, "-- ", true),
            paragraph(0, "name ", false),
            paragraph(1, "-- ", true),
            paragraph(1, " >no quote", true),
            paragraph(0, "open ", false),
        ];
        assert!(read(text, false).eq(expected));
        assert_eq!(read("", false).count(), 0);
    }

    #[test]
    fn delsp_takes_the_space_away() {
        let joined = [paragraph(0, "日本語", false)];
        assert!(read("日本 \r\n語\r\n", true).eq(joined));
        assert!(read("a  \nb", true).eq([paragraph(0, "a b", false)]));
    }

    #[test]
    fn paragraphs_become_lines() {
        let long = "word ".repeat(40);
        let all = [
            paragraph(0, long.trim_end(), false),
            paragraph(0, "", true),
            paragraph(0, "From me", true),
            paragraph(0, " > x", true),
            paragraph(2, long.trim_end(), false),
            paragraph(0, &"x".repeat(200), true),
            paragraph(0, "-- ", true),
            paragraph(0, "name", true),
        ];
        let text = write(&all);
        assert!(read(&text, false).eq(all));
        let wrapped = text.lines().filter(|line| line.contains("word"));
        assert!(wrapped.clone().count() > 5);
        assert!(wrapped.into_iter().all(|line| line.len() <= COLUMNS));
        assert!(text.contains("\r\n From me\r\n") && text.contains("\r\n  > x\r\n"));
    }
}
