//! Responses: [`Line::parse`] reads what [`Response::write`] and [`Data::write`] write.
//!
//! RFC 5804 §1.3, §4.

use bytes::{BufMut as _, Bytes, BytesMut};
use mail::Refusal;

use crate::diagram::Class;
use crate::text::{Cursor, Writer, put_literal, put_string};

/// A response's last line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// What it says.
    pub status: Status,
    /// For programs: why.
    pub code: Option<Code>,
    /// For people; empty where there is nothing to say.
    pub text: String,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok,
    /// Not done.
    No,
    /// Not done, or done, and the connection is over.
    Bye,
}

/// A response code (RFC 5804 §1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// The mechanism is forbidden.
    AuthTooWeak,
    /// The mechanism needs encryption.
    EncryptNeeded,
    /// There is no room.
    Quota,
    /// There are too many scripts.
    QuotaMaxScripts,
    /// The script is too large.
    QuotaMaxSize,
    /// What ends an exchange, decoded or not.
    Sasl(String),
    /// This user has no keys for the mechanism yet.
    TransitionNeeded,
    /// It may pass.
    TryLater,
    /// It is the active script.
    Active,
    /// There is no such script.
    Nonexistent,
    /// There is one of this name.
    AlreadyExists,
    /// What NOOP was given.
    Tag(String),
    /// It is done, but the text should be read.
    Warnings,
    /// One that we do not know, with what stands behind it.
    Other(String),
}

/// One of the lines before the last: a string, and what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// A capability's name, a script's name, or a script.
    pub text: Bytes,
    /// A capability's value.
    pub value: Option<String>,
    /// `ACTIVE` stands behind it.
    pub is_active: bool,
}

/// A line of a server, literals inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Something was told.
    Data(Data),
    /// The response is over.
    Response(Response),
}

/// The codes that nothing stands behind.
const CODES: [(&str, Code); 10] = [
    ("AUTH-TOO-WEAK", Code::AuthTooWeak),
    ("ENCRYPT-NEEDED", Code::EncryptNeeded),
    ("QUOTA", Code::Quota),
    ("QUOTA/MAXSCRIPTS", Code::QuotaMaxScripts),
    ("QUOTA/MAXSIZE", Code::QuotaMaxSize),
    ("TRANSITION-NEEDED", Code::TransitionNeeded),
    ("TRYLATER", Code::TryLater),
    ("ACTIVE", Code::Active),
    ("NONEXISTENT", Code::Nonexistent),
    ("ALREADYEXISTS", Code::AlreadyExists),
];
const WARNINGS: &str = "WARNINGS";

impl Status {
    const ALL: [(&'static str, Self); 3] = [("OK", Self::Ok), ("NO", Self::No), ("BYE", Self::Bye)];

    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bye => "BYE",
        }
    }
}

impl Response {
    /// `OK "text"`.
    #[must_use]
    pub fn ok(text: impl Into<String>) -> Self {
        Self::new(Status::Ok, None, text)
    }

    /// `NO "text"`.
    #[must_use]
    pub fn no(text: impl Into<String>) -> Self {
        Self::new(Status::No, None, text)
    }

    /// `BYE "text"`.
    #[must_use]
    pub fn bye(text: impl Into<String>) -> Self {
        Self::new(Status::Bye, None, text)
    }

    /// The same with a code.
    #[must_use]
    pub fn because(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// What the house refused, in this protocol's words.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Self {
        let response = Self::no(refusal.text.clone());
        // SMTP's codes for the same three.
        // RFC 4954 §6
        match (refusal.code.value(), refusal.code.class()) {
            (432, _) => response.because(Code::TransitionNeeded),
            (534, _) => response.because(Code::AuthTooWeak),
            (538, _) => response.because(Code::EncryptNeeded),
            (_, mail::Class::Transient) => response.because(Code::TryLater),
            (_, _) => response,
        }
    }

    /// Its class in the drawing.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self.status {
            Status::Ok => Class::Ok,
            Status::No => Class::No,
            Status::Bye => Class::Bye,
        }
    }

    /// Writes the line with its CRLF.
    pub fn write(&self, out: &mut BytesMut) {
        out.put_slice(self.status.name().as_bytes());
        if let Some(code) = &self.code {
            out.put_slice(b" (");
            code.write(out);
            out.put_u8(b')');
        }
        if !self.text.is_empty() {
            out.put_u8(b' ');
            put_string(out, self.text.as_bytes(), Writer::Server);
        }
        out.put_slice(b"\r\n");
    }

    fn new(status: Status, code: Option<Code>, text: impl Into<String>) -> Self {
        Self {
            status,
            code,
            text: text.into(),
        }
    }

    fn parse(status: Status, cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut response = Self::new(status, None, "");
        if cursor.is_end() {
            return Some(response);
        }
        let mut space = cursor.eat(b' ');
        if cursor.eat(b'(') {
            response.code = Some(Code::parse(cursor)?);
            if cursor.is_end() {
                return Some(response);
            }
            space = cursor.eat(b' ');
        }
        response.text = cursor.text().filter(|_| space)?;
        Some(response)
    }
}

impl Code {
    fn write(&self, out: &mut BytesMut) {
        let known = CODES.iter().find(|(_, code)| code == self);
        match self {
            Self::Sasl(text) | Self::Tag(text) => {
                let name = if matches!(self, Self::Tag(_)) {
                    "TAG"
                } else {
                    "SASL"
                };
                out.put_slice(name.as_bytes());
                out.put_u8(b' ');
                put_string(out, text.as_bytes(), Writer::Server);
            }
            Self::Other(text) => out.put_slice(text.as_bytes()),
            _ => out.put_slice(known.map_or(WARNINGS, |(name, _)| name).as_bytes()),
        }
    }

    /// Reads up to the closing bracket.
    fn parse(cursor: &mut Cursor<'_>) -> Option<Self> {
        let name = cursor.atom()?.to_ascii_uppercase();
        if matches!(name.as_str(), "TAG" | "SASL") && cursor.eat(b' ') {
            let text = cursor.text()?;
            return cursor.eat(b')').then_some(match name.as_str() {
                "TAG" => Self::Tag(text),
                _ => Self::Sasl(text),
            });
        }
        let mut words = name;
        let mut depth = 0_u32;
        while depth > 0 || !cursor.eat(b')') {
            words.push_str(&item(cursor, &mut depth)?);
        }
        let known = CODES.iter().find(|(name, _)| *name == words);
        Some(match known {
            Some((_, code)) => code.clone(),
            None if words == WARNINGS => Self::Warnings,
            None => Self::Other(words),
        })
    }
}

/// One item of an unknown code as it would be written.
fn item(cursor: &mut Cursor<'_>, depth: &mut u32) -> Option<String> {
    if cursor.eat(b' ') {
        return Some(" ".to_owned());
    }
    if cursor.eat(b'(') {
        *depth += 1;
        return Some("(".to_owned());
    }
    if *depth > 0 && cursor.eat(b')') {
        *depth -= 1;
        return Some(")".to_owned());
    }
    if cursor.sees(b'"') || cursor.sees(b'{') {
        let mut out = BytesMut::new();
        put_string(&mut out, cursor.text()?.as_bytes(), Writer::Server);
        return String::from_utf8(out.to_vec()).ok();
    }
    cursor.atom().map(str::to_owned)
}

impl Data {
    /// A string alone.
    #[must_use]
    pub const fn new(text: Bytes) -> Self {
        Self {
            text,
            value: None,
            is_active: false,
        }
    }

    /// A capability.
    #[must_use]
    pub fn capability(name: &str, value: Option<&str>) -> Self {
        Self {
            value: value.map(str::to_owned),
            ..Self::new(name.to_owned().into())
        }
    }

    /// Writes the line with its CRLF.
    pub fn write(&self, out: &mut BytesMut) {
        put_string(out, &self.text, Writer::Server);
        if let Some(value) = &self.value {
            out.put_u8(b' ');
            put_string(out, value.as_bytes(), Writer::Server);
        }
        if self.is_active {
            out.put_slice(b" ACTIVE");
        }
        out.put_slice(b"\r\n");
    }

    /// Writes a script: always as a literal, since old clients read nothing else there.
    pub fn write_script(script: &[u8], out: &mut BytesMut) {
        put_literal(out, script, Writer::Server);
        out.put_slice(b"\r\n");
    }
}

impl Line {
    /// Reads a line with its literals, without its last CRLF.
    #[must_use]
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(frame);
        let line = if cursor.sees(b'"') || cursor.sees(b'{') {
            let mut data = Data::new(cursor.string()?);
            if cursor.eat(b' ') {
                match cursor.atom() {
                    Some(word) if word.eq_ignore_ascii_case("ACTIVE") => data.is_active = true,
                    Some(_) => return None,
                    None => data.value = Some(cursor.text()?),
                }
            }
            Self::Data(data)
        } else {
            let word = cursor.atom()?;
            let mut known = Status::ALL.into_iter();
            let (_, status) = known.find(|(name, _)| word.eq_ignore_ascii_case(name))?;
            Self::Response(Response::parse(status, &mut cursor)?)
        };
        cursor.is_end().then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(line: &Line) -> String {
        let mut out = BytesMut::new();
        match line {
            Line::Data(data) => data.write(&mut out),
            Line::Response(response) => response.write(&mut out),
        }
        let text = String::from_utf8(out.to_vec()).unwrap();
        text.strip_suffix("\r\n").unwrap().to_owned()
    }

    #[test]
    fn lines_and_what_they_mean() {
        let response = |response: Response| Line::Response(response);
        let cases = [
            ("OK", response(Response::ok(""))),
            (
                "NO \"line 2: Syntax error\"",
                response(Response::no("line 2: Syntax error")),
            ),
            (
                "NO (QUOTA/MAXSIZE) \"Quota exceeded\"",
                response(Response::no("Quota exceeded").because(Code::QuotaMaxSize)),
            ),
            (
                "BYE {11}\r\nTwo\r\nlines.",
                response(Response::bye("Two\r\nlines.")),
            ),
            (
                "OK (TAG \"STARTTLS-SYNC-42\") \"Done\"",
                response(Response::ok("Done").because(Code::Tag("STARTTLS-SYNC-42".to_owned()))),
            ),
            (
                "OK (SASL \"cnNw\")",
                response(Response::ok("").because(Code::Sasl("cnNw".to_owned()))),
            ),
            (
                "OK (WARNINGS) \"line 8\"",
                response(Response::ok("line 8").because(Code::Warnings)),
            ),
            (
                "NO (NEW/THING 5 (a \"b )\") x) \"text\"",
                response(
                    Response::no("text")
                        .because(Code::Other("NEW/THING 5 (a \"b )\") x".to_owned())),
                ),
            ),
            (
                "\"STARTTLS\"",
                Line::Data(Data::capability("STARTTLS", None)),
            ),
            (
                "\"SIEVE\" \"fileinto vacation\"",
                Line::Data(Data::capability("SIEVE", Some("fileinto vacation"))),
            ),
            (
                "\"main_script\" ACTIVE",
                Line::Data(Data {
                    is_active: true,
                    ..Data::new("main_script".into())
                }),
            ),
        ];
        for (text, line) in cases {
            assert_eq!(Line::parse(text.as_bytes()).as_ref(), Some(&line), "{text}");
            assert_eq!(written(&line), text);
        }
        let (_, codes): (Vec<_>, Vec<_>) = CODES.into_iter().unzip();
        for code in codes {
            let line = response(Response::no("x").because(code));
            assert_eq!(Line::parse(written(&line).as_bytes()), Some(line));
        }
    }

    #[test]
    fn case_does_not_matter_and_what_is_no_response() {
        let active = Line::parse(b"\"a\" active").unwrap();
        assert!(matches!(active, Line::Data(data) if data.is_active));
        let ok = Line::parse(b"oK (warnings)").unwrap();
        assert_eq!(ok, Line::Response(Response::ok("").because(Code::Warnings)));
        for text in [
            "",
            "YES",
            "OKAY",
            "OK text",
            "OK (",
            "OK (TAG)x",
            "\"a\" b",
            "\"a\"  \"b\"",
        ] {
            assert_eq!(Line::parse(text.as_bytes()), None, "{text}");
        }
    }
}
