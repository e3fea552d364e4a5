//! Responses: the first line of each; [`Response::parse`] and `Display` are inverse.
//!
//! RFC 1939 §3, RFC 2449 §3 and §8, RFC 3206, RFC 5034 §4, RFC 6856 §5.

use std::fmt;

use mail::Refusal;

use crate::diagram::Class;

/// The first line of a response, or a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// What it says.
    pub status: Status,
    /// For programs: why.
    pub code: Option<Code>,
    /// For people, or what the command asked for; a challenge in base64.
    pub text: String,
}

/// How a response begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// `+OK`.
    Ok,
    /// `-ERR`.
    Err,
    /// `+`: a challenge of AUTH.
    Challenge,
}

/// A response code (RFC 2449 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Another connection has the maildrop.
    InUse,
    /// The login comes too soon after the last.
    LoginDelay,
    /// Our trouble, and it may pass (RFC 3206 §4).
    SysTemp,
    /// Our trouble, and somebody must mend it (RFC 3206 §4).
    SysPerm,
    /// It is the name or the password (RFC 3206 §5).
    Auth,
    /// The message needs UTF8 (RFC 6856 §5).
    Utf8,
}

impl Code {
    const ALL: [Self; 6] = [
        Self::InUse,
        Self::LoginDelay,
        Self::SysTemp,
        Self::SysPerm,
        Self::Auth,
        Self::Utf8,
    ];

    /// The words between the brackets.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
            Self::Auth => "AUTH",
            Self::Utf8 => "UTF8",
        }
    }
}

impl Response {
    /// `+OK text`.
    #[must_use]
    pub fn ok(text: impl Into<String>) -> Self {
        Self::new(Status::Ok, None, text)
    }

    /// `-ERR text`.
    #[must_use]
    pub fn err(text: impl Into<String>) -> Self {
        Self::new(Status::Err, None, text)
    }

    /// `-ERR [code] text`.
    #[must_use]
    pub fn because(code: Code, text: impl Into<String>) -> Self {
        Self::new(Status::Err, Some(code), text)
    }

    /// `+ text`, with the challenge in base64.
    #[must_use]
    pub fn challenge(text: impl Into<String>) -> Self {
        Self::new(Status::Challenge, None, text)
    }

    /// What the house refused, in this protocol's words.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Self {
        // RFC 3206 §4
        let code = match (refusal.code.class(), refusal.enhanced.subject) {
            (mail::Class::Transient, _) => Code::SysTemp,
            (_, 7) => Code::Auth,
            (_, _) => Code::SysPerm,
        };
        Self::because(code, refusal.text.clone())
    }

    /// Reads a line without its CRLF; a code we do not know stays in the text.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (status, text) = match line.split_once(' ').unwrap_or((line, "")) {
            ("+OK", text) => (Status::Ok, text),
            ("-ERR", text) => (Status::Err, text),
            ("+", text) => (Status::Challenge, text),
            _ => return None,
        };
        let coded = Code::ALL.into_iter().find_map(|code| {
            let rest = text.strip_prefix('[')?.strip_prefix(code.name())?;
            Some((code, rest.strip_prefix(']')?))
        });
        let (code, text) = match coded {
            Some((code, rest)) => (Some(code), rest.strip_prefix(' ').unwrap_or(rest)),
            None => (None, text),
        };
        Some(Self::new(status, code, text))
    }

    /// Its class in the drawing.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self.status {
            Status::Ok => Class::Ok,
            Status::Err => Class::Err,
            Status::Challenge => Class::Challenge,
        }
    }

    fn new(status: Status, code: Option<Code>, text: impl Into<String>) -> Self {
        Self {
            status,
            code,
            text: text.into(),
        }
    }
}

/// Writes the line without its CRLF.
impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.status {
            Status::Ok => "+OK",
            Status::Err => "-ERR",
            // RFC 5034 §4
            Status::Challenge => "+ ",
        })?;
        if let Some(code) = self.code {
            write!(f, " [{}]", code.name())?;
        }
        if !self.text.is_empty() && self.status != Status::Challenge {
            f.write_str(" ")?;
        }
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_what_they_mean() {
        let cases = [
            ("+OK", Response::ok("")),
            ("+OK 2 320", Response::ok("2 320")),
            ("-ERR [IN-USE] Busy", Response::because(Code::InUse, "Busy")),
            ("-ERR [SYS/TEMP]", Response::because(Code::SysTemp, "")),
            ("-ERR [NEW] code", Response::err("[NEW] code")),
            ("+ ", Response::challenge("")),
            ("+ abcd", Response::challenge("abcd")),
        ];
        for (line, response) in cases {
            assert_eq!(Response::parse(line).as_ref(), Some(&response), "{line}");
            assert_eq!(response.to_string(), line);
        }
        assert_eq!(Response::parse("OK"), None);
    }
}
