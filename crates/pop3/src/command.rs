//! Commands: [`Command::parse`] and `Display` are inverse.
//!
//! RFC 1939 §5–7, RFC 2449 §3–5, RFC 2595 §4, RFC 5034 §4, RFC 6856 §2–3.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wire::sasl::Secret;

use crate::diagram::Verb;

/// What the client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// What can you do?
    Capa,
    /// I am this user.
    User(String),
    /// And this is my password; it may hold spaces.
    Pass(Secret),
    /// Log me in by SASL.
    Auth {
        /// The mechanism's name.
        mechanism: String,
        /// The initial response, decoded.
        initial: Option<Vec<u8>>,
    },
    /// Let us encrypt.
    Stls,
    /// Show me UTF-8 as it is.
    Utf8,
    /// Speak this language, or tell which you speak.
    Lang(Option<String>),
    /// How many messages, how large?
    Stat,
    /// How large is each, or this one?
    List(Option<NonZeroU32>),
    /// How is each called, or this one?
    Uidl(Option<NonZeroU32>),
    /// Send this message.
    Retr(NonZeroU32),
    /// Send the header of this message and so many lines of its body.
    Top(NonZeroU32, u32),
    /// Mark this message as deleted.
    Dele(NonZeroU32),
    /// Take all marks away.
    Rset,
    /// Nothing.
    Noop,
    /// Good-bye.
    Quit,
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What the line begins with.
    pub verb: Verb,
    /// What would have been right; empty for a verb we do not know.
    pub expected: &'static str,
}

impl Command {
    /// Reads a line without its CRLF.
    ///
    /// # Errors
    /// Where it is no command; the verb is told if it was understood.
    pub fn parse(line: &[u8]) -> Result<Self, Fault> {
        // RFC 6856 §2.2
        let Ok(text) = std::str::from_utf8(line) else {
            return Err(Verb::Unknown.expects("UTF-8"));
        };
        let (keyword, rest) = match text.split_once(' ') {
            Some((keyword, rest)) => (keyword, Some(rest)),
            None => (text, None),
        };
        let verb = Verb::parse(keyword).unwrap_or(Verb::Unknown);
        // A trailing space is forgiven, but not in a password.
        let argument = rest.map(str::trim).filter(|rest| !rest.is_empty());
        let command = match (verb, argument) {
            (Verb::Unknown | Verb::Response, _) => return Err(Verb::Unknown.expects("")),
            (Verb::Pass, _) => rest.map(|text| Self::Pass(Secret(text.to_owned()))),
            (Verb::User, Some(name)) => Some(Self::User(name.to_owned())),
            (Verb::Auth, Some(argument)) => auth(argument),
            (Verb::Lang, range) => Some(Self::Lang(range.map(str::to_owned))),
            (Verb::List, None) => Some(Self::List(None)),
            (Verb::List, Some(text)) => number(text).map(|number| Self::List(Some(number))),
            (Verb::Uidl, None) => Some(Self::Uidl(None)),
            (Verb::Uidl, Some(text)) => number(text).map(|number| Self::Uidl(Some(number))),
            (Verb::Retr, Some(text)) => number(text).map(Self::Retr),
            (Verb::Dele, Some(text)) => number(text).map(Self::Dele),
            (Verb::Top, Some(text)) => top(text),
            (Verb::Capa, None) => Some(Self::Capa),
            (Verb::Stls, None) => Some(Self::Stls),
            (Verb::Utf8, None) => Some(Self::Utf8),
            (Verb::Stat, None) => Some(Self::Stat),
            (Verb::Rset, None) => Some(Self::Rset),
            (Verb::Noop, None) => Some(Self::Noop),
            (Verb::Quit, None) => Some(Self::Quit),
            _ => None,
        };
        command.ok_or_else(|| verb.expects(verb.usage()))
    }

    /// Its verb.
    #[must_use]
    pub const fn verb(&self) -> Verb {
        match self {
            Self::Capa => Verb::Capa,
            Self::User(_) => Verb::User,
            Self::Pass(_) => Verb::Pass,
            Self::Auth { .. } => Verb::Auth,
            Self::Stls => Verb::Stls,
            Self::Utf8 => Verb::Utf8,
            Self::Lang(_) => Verb::Lang,
            Self::Stat => Verb::Stat,
            Self::List(_) => Verb::List,
            Self::Uidl(_) => Verb::Uidl,
            Self::Retr(_) => Verb::Retr,
            Self::Top(..) => Verb::Top,
            Self::Dele(_) => Verb::Dele,
            Self::Rset => Verb::Rset,
            Self::Noop => Verb::Noop,
            Self::Quit => Verb::Quit,
        }
    }

    /// True if its positive response goes on until a line with a dot alone.
    #[must_use]
    pub const fn is_multi_line(&self) -> bool {
        matches!(
            self,
            Self::Capa
                | Self::Lang(None)
                | Self::List(None)
                | Self::Uidl(None)
                | Self::Retr(_)
                | Self::Top(..)
        )
    }
}

/// Writes the command without its CRLF.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verb().name())?;
        match self {
            Self::User(name) => write!(f, " {name}"),
            Self::Pass(password) => write!(f, " {}", password.0),
            Self::Auth { mechanism, initial } => {
                write!(f, " {mechanism}")?;
                match initial.as_deref() {
                    None => Ok(()),
                    // RFC 5034 §4
                    Some([]) => f.write_str(" ="),
                    Some(octets) => write!(f, " {}", STANDARD.encode(octets)),
                }
            }
            Self::Lang(Some(range)) => write!(f, " {range}"),
            Self::List(Some(number))
            | Self::Uidl(Some(number))
            | Self::Retr(number)
            | Self::Dele(number) => write!(f, " {number}"),
            Self::Top(number, lines) => write!(f, " {number} {lines}"),
            Self::Capa
            | Self::Stls
            | Self::Utf8
            | Self::Lang(None)
            | Self::Stat
            | Self::List(None)
            | Self::Uidl(None)
            | Self::Rset
            | Self::Noop
            | Self::Quit => Ok(()),
        }
    }
}

impl Verb {
    const fn expects(self, expected: &'static str) -> Fault {
        Fault {
            verb: self,
            expected,
        }
    }

    const fn usage(self) -> &'static str {
        match self {
            Self::User => "USER name",
            Self::Pass => "PASS password",
            Self::Auth => "AUTH mechanism [initial response in base64]",
            Self::Retr => "RETR number",
            Self::Dele => "DELE number",
            Self::Top => "TOP number lines",
            Self::List => "LIST [number]",
            Self::Uidl => "UIDL [number]",
            _ => "no argument",
        }
    }
}

fn number(text: &str) -> Option<NonZeroU32> {
    decimal(text)?.parse().ok()
}

fn top(text: &str) -> Option<Command> {
    let (message, lines) = text.split_once(' ')?;
    let lines = decimal(lines.trim_start())?;
    // More lines than we can count is all of them.
    let lines = lines.parse().unwrap_or(u32::MAX);
    Some(Command::Top(number(message)?, lines))
}

fn decimal(text: &str) -> Option<&str> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then_some(text)
}

fn auth(argument: &str) -> Option<Command> {
    let (mechanism, initial) = match argument.split_once(' ') {
        None => (argument, None),
        Some((mechanism, "=")) => (mechanism, Some(Vec::new())),
        Some((mechanism, initial)) => (mechanism, Some(STANDARD.decode(initial).ok()?)),
    };
    let mechanism = mechanism.to_owned();
    Some(Command::Auth { mechanism, initial })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_what_they_mean() {
        let one = NonZeroU32::MIN;
        let cases = [
            ("quit", Command::Quit),
            ("NOOP ", Command::Noop),
            (
                "USER ada@caramel.example",
                Command::User("ada@caramel.example".into()),
            ),
            (
                "PASS  two  spaces ",
                Command::Pass(Secret(" two  spaces ".into())),
            ),
            ("LIST", Command::List(None)),
            ("list 1", Command::List(Some(one))),
            ("TOP 1 0", Command::Top(one, 0)),
            ("TOP 1 99999999999", Command::Top(one, u32::MAX)),
            ("LANG *", Command::Lang(Some("*".into()))),
            (
                "AUTH PLAIN =",
                Command::Auth {
                    mechanism: "PLAIN".into(),
                    initial: Some(Vec::new()),
                },
            ),
            (
                "AUTH PLAIN AGEAYg==",
                Command::Auth {
                    mechanism: "PLAIN".into(),
                    initial: Some(b"\0a\0b".to_vec()),
                },
            ),
        ];
        for (line, command) in cases {
            assert_eq!(Command::parse(line.as_bytes()), Ok(command), "{line}");
        }
    }

    #[test]
    fn lines_that_are_no_command() {
        let cases = [
            ("", Verb::Unknown),
            ("APOP ada c4c9334bac560ecc979e58001b3e22fb", Verb::Unknown),
            (" QUIT", Verb::Unknown),
            ("QUIT now", Verb::Quit),
            ("USER", Verb::User),
            ("PASS", Verb::Pass),
            ("RETR", Verb::Retr),
            ("RETR 0", Verb::Retr),
            ("RETR -1", Verb::Retr),
            ("RETR +1", Verb::Retr),
            ("RETR 4294967296", Verb::Retr),
            ("TOP 1", Verb::Top),
            ("TOP 1 x", Verb::Top),
            ("AUTH", Verb::Auth),
            ("AUTH PLAIN !", Verb::Auth),
        ];
        for (line, verb) in cases {
            let fault = Command::parse(line.as_bytes()).unwrap_err();
            assert_eq!(fault.verb, verb, "{line}");
        }
        assert!(Command::parse(b"USER \xff").is_err());
    }
}
