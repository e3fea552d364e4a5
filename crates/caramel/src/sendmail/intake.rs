//! A message as programs of this machine write it, made one that travels: line ends, the dot that
//! ends it, what stands before its header, and for whom it is.
//!
//! Not here: what its header lacks (the server adds it where it picks the message up).

use std::io::{BufRead, Read as _};

use message::{Correspondent, Header, parse_addresses};

use crate::complaint::Complaint;
use crate::sysexits;

/// Octets a header may have.
const HEADER_OCTETS_MAX: usize = 1024 * 1024;
/// Octets of a line that are read at a time.
const PIECE_OCTETS: u64 = 64 * 1024;
/// Recipients that one list may have.
const RECIPIENTS_MAX: usize = 10_000;

/// A message that is being read.
#[derive(Debug)]
pub(crate) struct Intake<R> {
    input: R,
    dots_are_lines: bool,
    is_over: bool,
    /// True if the next octet begins a line.
    at_line_start: bool,
    /// A CR that may belong to the end of a line.
    held_cr: bool,
    /// Whom a mailbox file says that it is from.
    postmark: Option<String>,
}

impl<R: BufRead> Intake<R> {
    pub(crate) const fn new(input: R, dots_are_lines: bool) -> Self {
        Self {
            input,
            dots_are_lines,
            is_over: false,
            at_line_start: true,
            held_cr: false,
            postmark: None,
        }
    }

    /// Whom the line says that a mailbox file puts before each message, if there was one.
    pub(crate) fn postmark(&self) -> Option<&str> {
        self.postmark.as_deref()
    }

    /// Reads the header, its blank line included; what is no header gets one before it, empty.
    pub(crate) fn header(&mut self) -> Result<Vec<u8>, Complaint> {
        let mut header = Vec::new();
        let mut is_first = true;
        loop {
            let before = header.len();
            if !self.line(&mut header)? {
                return Ok(header);
            }
            let line = header.get(before..).unwrap_or_default();
            // What a mailbox file puts before each message.
            if std::mem::take(&mut is_first) && line.starts_with(b"From ") {
                // RFC 4155, Appendix A
                let line = String::from_utf8_lossy(line);
                self.postmark = line.split_whitespace().nth(1).map(str::to_owned);
                header.truncate(before);
                continue;
            }
            if line == b"\r\n" {
                return Ok(header);
            }
            let continues = matches!(line, [b' ' | b'\t', ..]) && before > 0;
            if !continues && Header::parse(line).next().is_none() {
                // Where fields end without a blank line, the body begins.
                header.splice(before..before, *b"\r\n");
                return Ok(header);
            }
            if header.len() > HEADER_OCTETS_MAX {
                let complaint = Complaint::new("the message's header is too long");
                return Err(complaint.coded(sysexits::DATA_ERROR));
            }
        }
    }

    /// Adds a whole line, ended by CRLF, as far as it fits; false where there is none.
    fn line(&mut self, line: &mut Vec<u8>) -> Result<bool, Complaint> {
        let before = line.len();
        while self.piece(line)? {
            if line.ends_with(b"\r\n") || line.len() > before + HEADER_OCTETS_MAX {
                return Ok(true);
            }
        }
        Ok(line.len() > before)
    }

    /// Adds the next piece of a line; false at the end.
    pub(crate) fn piece(&mut self, out: &mut Vec<u8>) -> Result<bool, Complaint> {
        if self.is_over {
            return Ok(false);
        }
        let mut piece = Vec::new();
        let mut limited = self.input.by_ref().take(PIECE_OCTETS);
        let read = limited.read_until(b'\n', &mut piece).map_err(unreadable)?;
        if read == 0 {
            self.is_over = true;
            if std::mem::take(&mut self.held_cr) {
                out.push(b'\r');
                self.at_line_start = false;
            }
            if !self.at_line_start {
                out.extend_from_slice(b"\r\n");
            }
            return Ok(!self.at_line_start);
        }
        let begins = self.at_line_start;
        if std::mem::take(&mut self.held_cr) {
            piece.insert(0, b'\r');
        }
        let text = match piece.strip_suffix(b"\n") {
            Some(text) => {
                self.at_line_start = true;
                text.strip_suffix(b"\r").unwrap_or(text)
            }
            None => {
                self.at_line_start = false;
                match piece.strip_suffix(b"\r") {
                    Some(text) => {
                        self.held_cr = true;
                        text
                    }
                    None => &piece,
                }
            }
        };
        if begins && text == b"." && self.at_line_start && !self.dots_are_lines {
            self.is_over = true;
            return Ok(false);
        }
        out.extend_from_slice(text);
        if self.at_line_start {
            out.extend_from_slice(b"\r\n");
        }
        Ok(true)
    }
}

fn unreadable(error: std::io::Error) -> Complaint {
    Complaint::new("the message cannot be read")
        .because(error)
        .coded(sysexits::IO_ERROR)
}

/// The addresses in a list, as they are written in an envelope; names without a domain as they are.
pub(crate) fn addresses(list: &[u8]) -> Vec<String> {
    let found = parse_addresses(list, RECIPIENTS_MAX);
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let each = found.iter().filter_map(|one| match one {
        Correspondent::Mailbox { local, host, .. } if host.is_empty() => {
            Some(text(local)).filter(|local| !local.is_empty())
        }
        Correspondent::Mailbox { local, host, .. } => Some(match one.address() {
            Some(address) => address.to_string(),
            None => format!("{}@{}", text(local), text(host)),
        }),
        Correspondent::GroupStart(_) | Correspondent::GroupEnd => None,
    });
    each.collect()
}

/// Whom a header says that the message is for: who gets it sent on, if it is sent on.
// RFC 5322 §3.6.3, §3.6.6
pub(crate) fn recipients(header: &[u8]) -> Vec<String> {
    let of = |names: [&str; 3]| {
        let fields = Header::parse(header);
        let fields = fields.filter(|field| names.iter().any(|name| field.is(name)));
        fields
            .flat_map(|field| addresses(&field.unfolded()))
            .collect::<Vec<String>>()
    };
    let resent = of(["Resent-To", "Resent-Cc", "Resent-Bcc"]);
    match resent.is_empty() {
        true => of(["To", "Cc", "Bcc"]),
        false => resent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a message in pieces of a size; gives back its header and its body.
    fn read(text: &str, dots_are_lines: bool, piece: usize) -> (String, String) {
        let input = std::io::BufReader::with_capacity(piece, text.as_bytes());
        let mut intake = Intake::new(input, dots_are_lines);
        let header = intake.header().unwrap();
        let mut body = Vec::new();
        while intake.piece(&mut body).unwrap() {}
        (
            String::from_utf8(header).unwrap(),
            String::from_utf8(body).unwrap(),
        )
    }

    #[test]
    fn messages_are_made_ones_that_travel() {
        for (text, header, body) in [
            ("To: a\n\nhi\n", "To: a\r\n\r\n", "hi\r\n"),
            ("To: a\r\n\r\nhi", "To: a\r\n\r\n", "hi\r\n"),
            ("just words\nmore\n", "\r\njust words\r\n", "more\r\n"),
            ("To: a\nwords\nmore", "To: a\r\n\r\nwords\r\n", "more\r\n"),
            ("From ada Mon\nTo: a\n b\n\n", "To: a\r\n b\r\n\r\n", ""),
            ("\nhi\n.\nnot\n", "\r\n", "hi\r\n"),
            ("\n..\n.x\n", "\r\n", "..\r\n.x\r\n"),
            ("\na\rb\r\r\nc\r", "\r\n", "a\rb\r\r\nc\r\r\n"),
            ("To: a", "To: a\r\n", ""),
            ("", "", ""),
            (".\nnot", "", ""),
        ] {
            for piece in [1, 3, 4096] {
                let expected = (header.to_owned(), body.to_owned());
                assert_eq!(read(text, false, piece), expected, "{text:?} {piece}");
            }
        }
        assert_eq!(read("\n.\nx\n", true, 64).1, ".\r\nx\r\n");
    }

    #[test]
    fn recipients_are_those_of_the_header() {
        for (header, expected) in [
            (
                "To: Ada <ada@example.org>, root\r\nCc: t: a@b.example, c;\r\nBcc: x@y.example\r\n",
                &["ada@example.org", "root", "a@b.example", "c", "x@y.example"][..],
            ),
            (
                "To: ada@example.org\r\nResent-To: b@c.example\r\nResent-Bcc: d\r\n",
                &["b@c.example", "d"],
            ),
            ("Subject: x\r\n\r\nTo: a@b.example\r\n", &[]),
            ("To: undisclosed-recipients:;\r\n", &[]),
        ] {
            assert_eq!(recipients(header.as_bytes()), expected, "{header}");
        }
        assert_eq!(
            addresses(b"a@x.example, B <b@y.example>"),
            ["a@x.example", "b@y.example"]
        );
    }
}
