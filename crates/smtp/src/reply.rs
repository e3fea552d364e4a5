//! Replies: codes with lines of text, written and read, and which code may follow which verb.
//!
//! RFC 5321 §4.2, §4.3.2; RFC 2034 (enhanced codes).

use std::fmt;

use mail::{Enhanced, Refusal, ReplyCode};

use crate::Error;
use crate::diagram::Verb;

/// Octets of a reply's line that are read, CRLF included; RFC 5321 §4.5.3.1.5 says 512.
pub const LINE_OCTETS_MAX: usize = 2048;
/// Octets of a reply's line that are written, CRLF included.
const WRITTEN_OCTETS_MAX: usize = 512;
/// Lines of a reply that are read.
pub const LINES_MAX: usize = 128;

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What it says.
    pub code: ReplyCode,
    /// The same in more detail.
    pub enhanced: Option<Enhanced>,
    /// The words: at least one line, without CR or LF.
    pub lines: Vec<String>,
}

impl Reply {
    /// A reply of one line. An impossible code becomes 554.
    #[must_use]
    pub fn new(code: u16, enhanced: Option<Enhanced>, text: impl Into<String>) -> Self {
        let fallback = Refusal::new(code, Enhanced::new(5, 0, 0), "");
        Self {
            code: fallback.code,
            enhanced,
            lines: vec![text.into()],
        }
    }

    /// The reply that carries a refusal.
    #[must_use]
    pub fn refusal(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code,
            enhanced: Some(refusal.enhanced),
            lines: refusal.lines(),
        }
    }

    /// The words on one line.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// The same as a refusal, for those who put it on record.
    #[must_use]
    pub fn to_refusal(&self) -> Refusal {
        let class = if self.code.value() < 500 { 4 } else { 5 };
        let enhanced = self.enhanced.unwrap_or_else(|| Enhanced::new(class, 0, 0));
        Refusal::new(self.code.value(), enhanced, self.text())
    }

    /// Appends the reply as it goes on the wire; control characters become spaces, and words that
    /// would be too long are cut. A challenge of AUTH is as long as it is.
    pub fn write(&self, out: &mut Vec<u8>) {
        let last = self.lines.len().saturating_sub(1);
        let octets_max = match self.code.value() {
            334 => usize::MAX,
            _ => WRITTEN_OCTETS_MAX,
        };
        for (number, line) in self.lines.iter().enumerate() {
            let separator = if number == last { ' ' } else { '-' };
            let mut written = format!("{}{separator}", self.code);
            if let Some(enhanced) = self.enhanced {
                written.push_str(&format!("{enhanced} "));
            }
            for letter in line.chars() {
                let letter = if letter.is_control() { ' ' } else { letter };
                // RFC 5321 §4.5.3.1.5
                if written.len() + letter.len_utf8() + 2 > octets_max {
                    break;
                }
                written.push(letter);
            }
            written.push_str("\r\n");
            out.extend_from_slice(written.as_bytes());
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, "{enhanced} ")?;
        }
        f.write_str(&self.text())
    }
}

/// A reply being read line by line.
#[derive(Debug, Default)]
pub struct Reader {
    lines: Vec<String>,
    enhanced: Option<Enhanced>,
}

impl Reader {
    /// Takes a line without its CRLF; gives the reply when it is complete.
    ///
    /// # Errors
    /// Where the line is no reply's, or the reply has more than [`LINES_MAX`] lines.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, Error> {
        let digits = line.get(..3).unwrap_or_default();
        let code = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .and_then(nearest)
            .ok_or(mail::SyntaxError {
                at: 0,
                expected: "a reply code",
            })?;
        let (more, text) = match line.get(3..).unwrap_or_default().split_first() {
            None => (false, &b""[..]),
            Some((b' ', text)) => (false, text),
            Some((b'-', text)) => (true, text),
            Some(_) => {
                return Err(Error::Syntax(mail::SyntaxError {
                    at: 3,
                    expected: "' ' or '-'",
                }));
            }
        };
        let text = String::from_utf8_lossy(text);
        let (enhanced, text) = split_enhanced(code, &text);
        if self.lines.is_empty() {
            self.enhanced = enhanced;
        }
        self.lines.push(text.to_owned());
        if self.lines.len() > LINES_MAX {
            return Err(Error::ReplyTooLong);
        }
        if more {
            return Ok(None);
        }
        Ok(Some(Reply {
            code,
            enhanced: self.enhanced.take(),
            lines: std::mem::take(&mut self.lines),
        }))
    }
}

/// Codes we don't know count by their first digit.
fn nearest(code: u16) -> Option<ReplyCode> {
    // RFC 5321 §4.3.2
    ReplyCode::new(code).or_else(|| ReplyCode::new(code / 100 * 100))
}

/// The enhanced code at the front of `text`, if it is one that agrees with `code`.
fn split_enhanced(code: ReplyCode, text: &str) -> (Option<Enhanced>, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match enhanced(word) {
        Some(enhanced) if u16::from(enhanced.class) == code.value() / 100 => (Some(enhanced), rest),
        _ => (None, text),
    }
}

fn enhanced(word: &str) -> Option<Enhanced> {
    let mut parts = word.split('.');
    let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |part: &str| -> Option<u16> {
        let plain = part.len() <= 3
            && part.bytes().all(|digit| digit.is_ascii_digit())
            && (part.len() == 1 || !part.starts_with('0'));
        part.parse().ok().filter(|_| plain)
    };
    if parts.next().is_some() || !matches!(class, "2" | "4" | "5") {
        return None;
    }
    let class = u8::try_from(number(class)?).ok()?;
    Some(Enhanced::new(class, number(subject)?, number(detail)?))
}

/// The codes a verb may be answered with: RFC 5321 §4.3.2 and what the extensions add.
///
/// 530 is RFC 4954 §6 and RFC 3207 §4; 500 to `.` is §4.5.3.1.9's "line too long".
// tidy: table
#[must_use]
pub const fn listed(verb: Verb) -> &'static [u16] {
    match verb {
        Verb::Connect => &[220, 421, 554],
        Verb::Helo | Verb::Ehlo | Verb::Lhlo => &[250, 421, 500, 501, 502, 503, 504, 550],
        // RFC 3207 §4
        Verb::StartTls => &[220, 421, 454, 500, 501, 502, 503],
        // RFC 4954 §4, §6
        Verb::Auth | Verb::AuthAgain | Verb::Response => &[
            235, 334, 421, 432, 454, 500, 501, 502, 503, 504, 530, 534, 535, 538,
        ],
        Verb::Mail => &[
            250, 421, 451, 452, 455, 500, 501, 503, 530, 550, 552, 553, 555,
        ],
        Verb::Rcpt => &[
            250, 251, 421, 450, 451, 452, 455, 500, 501, 503, 530, 550, 551, 552, 553, 555,
        ],
        Verb::Data | Verb::DataBinary => &[354, 421, 450, 451, 500, 501, 503, 530, 550, 554],
        Verb::End => &[250, 421, 450, 451, 452, 500, 550, 552, 554],
        // RFC 3030 §2
        Verb::Bdat | Verb::Last => &[250, 421, 450, 451, 452, 500, 501, 503, 530, 550, 552, 554],
        Verb::Rset | Verb::Noop => &[250, 421, 500, 501, 503],
        Verb::Vrfy => &[
            250, 251, 252, 421, 500, 501, 502, 503, 504, 530, 550, 551, 553,
        ],
        Verb::Expn => &[250, 252, 421, 500, 501, 502, 503, 504, 530, 550],
        Verb::Help => &[211, 214, 421, 500, 501, 502, 503, 504, 530],
        Verb::Quit => &[221, 421, 500, 501, 503],
        // RFC 1985 §5.1
        Verb::Etrn => &[250, 251, 252, 253, 421, 458, 459, 500, 501, 502, 503, 530],
        // RFC 2645 §7
        Verb::Atrn => &[250, 421, 450, 451, 453, 500, 501, 502, 503, 530],
        Verb::Unknown => &[421, 500, 501],
        Verb::Silence => &[421],
    }
}

/// The listed code nearest to a refusal's.
#[must_use]
pub fn fitting(verb: Verb, code: ReplyCode) -> u16 {
    let code = code.value();
    if listed(verb).contains(&code) {
        return code;
    }
    let preferred: [u16; 5] = if code < 500 {
        [451, 454, 450, 458, 252]
    } else {
        [550, 554, 535, 501, 500]
    };
    let fits = |code: &u16| listed(verb).contains(code);
    preferred.into_iter().find(fits).unwrap_or(421)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_written_has_an_end() {
        let written = |code, text: &str| {
            let mut out = Vec::new();
            Reply::new(code, Some(Enhanced::new(5, 5, 4)), text).write(&mut out);
            String::from_utf8(out).unwrap()
        };
        let line = written(555, &format!("{}\r\n250 x", "é".repeat(1000)));
        assert!((510..=512).contains(&line.len()), "{}", line.len());
        assert!(line.ends_with("éé\r\n") && line.matches('\n').count() == 1);
        assert_eq!(written(555, "a\r\n250 x"), "555 5.5.4 a  250 x\r\n");
        // RFC 5429 §2.5
        let mut out = Vec::new();
        let refusal = Refusal::new(550, Enhanced::new(5, 7, 1), "No\nbirdseed,\n\nplease");
        Reply::refusal(&refusal).write(&mut out);
        let lines = "550-5.7.1 No\r\n550-5.7.1 birdseed,\r\n550-5.7.1 \r\n550 5.7.1 please\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), lines);
        // A challenge that is cut could not be answered.
        assert!(written(334, &"a".repeat(4000)).len() > 4000);
    }
}
