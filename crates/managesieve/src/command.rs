//! Commands: [`Command::parse`] and [`Command::write`] are inverse.
//!
//! RFC 5804 §2, §4.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use mail::ScriptName;

use crate::diagram::Verb;
use crate::text::{Cursor, Writer, put_string};

/// What the client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Log me in by SASL.
    Authenticate {
        /// The mechanism's name.
        mechanism: String,
        /// The initial response, decoded.
        initial: Option<Vec<u8>>,
    },
    /// Let us encrypt.
    StartTls,
    /// Good-bye.
    Logout,
    /// What can you do?
    Capability,
    /// Would a script of so many octets fit?
    HaveSpace(ScriptName, u32),
    /// Keep this script.
    PutScript(ScriptName, Bytes),
    /// Which scripts are there?
    ListScripts,
    /// Run this script from now on, or none.
    SetActive(Option<ScriptName>),
    /// What is in this script?
    GetScript(ScriptName),
    /// Remove this script.
    DeleteScript(ScriptName),
    /// Give a script another name.
    RenameScript(ScriptName, ScriptName),
    /// Is this a script?
    CheckScript(Bytes),
    /// Nothing, but say this.
    Noop(Option<String>),
    /// Let me log in as somebody else.
    Unauthenticate,
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What the line begins with.
    pub verb: Verb,
    /// What would have been right; empty for a verb we do not know.
    pub expected: &'static str,
}

const NAME: &str = "a script's name: 1 to 128 characters, none of them a control";

impl Command {
    /// Reads a line with its literals, without its last CRLF.
    ///
    /// # Errors
    /// Where it is no command; the verb is told if it was understood.
    pub fn parse(frame: &[u8]) -> Result<Self, Fault> {
        let mut cursor = Cursor::new(frame);
        let verb = cursor.atom().and_then(Verb::parse);
        let Some(verb) = verb.filter(|verb| verb.is_command()) else {
            return Err(Verb::Unknown.expects(""));
        };
        let mut arguments = Arguments { verb, cursor };
        let command = match verb {
            Verb::Authenticate => arguments.authenticate()?,
            Verb::StartTls => Self::StartTls,
            Verb::Logout => Self::Logout,
            Verb::Capability => Self::Capability,
            Verb::HaveSpace => Self::HaveSpace(arguments.name()?, arguments.number()?),
            Verb::PutScript => Self::PutScript(arguments.name()?, arguments.string()?),
            Verb::ListScripts => Self::ListScripts,
            Verb::SetActive => Self::SetActive(arguments.name_or_none()?),
            Verb::GetScript => Self::GetScript(arguments.name()?),
            Verb::DeleteScript => Self::DeleteScript(arguments.name()?),
            Verb::RenameScript => Self::RenameScript(arguments.name()?, arguments.name()?),
            Verb::CheckScript => Self::CheckScript(arguments.string()?),
            Verb::Noop if arguments.cursor.is_end() => Self::Noop(None),
            Verb::Noop => Self::Noop(Some(arguments.text()?)),
            Verb::Unauthenticate => Self::Unauthenticate,
            Verb::Response | Verb::Unknown => return Err(Verb::Unknown.expects("")),
        };
        match arguments.cursor.is_end() {
            true => Ok(command),
            false => Err(arguments.fault()),
        }
    }

    /// Its verb.
    #[must_use]
    pub const fn verb(&self) -> Verb {
        match self {
            Self::Authenticate { .. } => Verb::Authenticate,
            Self::StartTls => Verb::StartTls,
            Self::Logout => Verb::Logout,
            Self::Capability => Verb::Capability,
            Self::HaveSpace(..) => Verb::HaveSpace,
            Self::PutScript(..) => Verb::PutScript,
            Self::ListScripts => Verb::ListScripts,
            Self::SetActive(_) => Verb::SetActive,
            Self::GetScript(_) => Verb::GetScript,
            Self::DeleteScript(_) => Verb::DeleteScript,
            Self::RenameScript(..) => Verb::RenameScript,
            Self::CheckScript(_) => Verb::CheckScript,
            Self::Noop(_) => Verb::Noop,
            Self::Unauthenticate => Verb::Unauthenticate,
        }
    }

    /// Writes the command without its last CRLF.
    pub fn write(&self, out: &mut BytesMut) {
        out.put_slice(self.verb().name().as_bytes());
        let mut put = |argument: &[u8]| {
            out.put_u8(b' ');
            put_string(out, argument, Writer::Client);
        };
        match self {
            Self::Authenticate { mechanism, initial } => {
                put(mechanism.as_bytes());
                if let Some(initial) = initial {
                    put(STANDARD.encode(initial).as_bytes());
                }
            }
            Self::HaveSpace(name, octets) => {
                put(name.as_str().as_bytes());
                out.put_slice(format!(" {octets}").as_bytes());
            }
            Self::PutScript(name, script) => {
                put(name.as_str().as_bytes());
                put(script);
            }
            Self::SetActive(name) => {
                put(name.as_ref().map_or("", ScriptName::as_str).as_bytes());
            }
            Self::GetScript(name) | Self::DeleteScript(name) => put(name.as_str().as_bytes()),
            Self::RenameScript(name, new) => {
                put(name.as_str().as_bytes());
                put(new.as_str().as_bytes());
            }
            Self::CheckScript(script) => put(script),
            Self::Noop(Some(tag)) => put(tag.as_bytes()),
            Self::StartTls
            | Self::Logout
            | Self::Capability
            | Self::ListScripts
            | Self::Noop(None)
            | Self::Unauthenticate => {}
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
            Self::Authenticate => "AUTHENTICATE \"mechanism\" [\"initial response in base64\"]",
            Self::HaveSpace => "HAVESPACE \"name\" octets",
            Self::PutScript => "PUTSCRIPT \"name\" {octets+}, and the script",
            Self::SetActive => "SETACTIVE \"name\", or SETACTIVE \"\"",
            Self::GetScript => "GETSCRIPT \"name\"",
            Self::DeleteScript => "DELETESCRIPT \"name\"",
            Self::RenameScript => "RENAMESCRIPT \"name\" \"new name\"",
            Self::CheckScript => "CHECKSCRIPT {octets+}, and the script",
            Self::Noop => "NOOP [\"tag\"]",
            _ => "no argument",
        }
    }
}

/// What stands behind the verb.
struct Arguments<'a> {
    verb: Verb,
    cursor: Cursor<'a>,
}

impl Arguments<'_> {
    const fn fault(&self) -> Fault {
        self.verb.expects(self.verb.usage())
    }

    fn string(&mut self) -> Result<Bytes, Fault> {
        let space = self.cursor.eat(b' ');
        let string = self.cursor.string().filter(|_| space);
        string.ok_or_else(|| self.fault())
    }

    fn text(&mut self) -> Result<String, Fault> {
        let octets = self.string()?;
        String::from_utf8(octets.to_vec()).map_err(|_| self.fault())
    }

    fn number(&mut self) -> Result<u32, Fault> {
        let space = self.cursor.eat(b' ');
        let number = self.cursor.number().filter(|_| space);
        number.ok_or_else(|| self.fault())
    }

    fn name(&mut self) -> Result<ScriptName, Fault> {
        let name = ScriptName::parse(&self.text()?);
        name.ok_or_else(|| self.verb.expects(NAME))
    }

    fn name_or_none(&mut self) -> Result<Option<ScriptName>, Fault> {
        let text = self.text()?;
        if text.is_empty() {
            return Ok(None);
        }
        let name = ScriptName::parse(&text);
        name.map(Some).ok_or_else(|| self.verb.expects(NAME))
    }

    fn authenticate(&mut self) -> Result<Command, Fault> {
        let mechanism = self.text()?;
        let initial = match self.cursor.is_end() {
            true => None,
            false => {
                let decoded = STANDARD.decode(self.string()?);
                Some(decoded.map_err(|_| self.fault())?)
            }
        };
        Ok(Command::Authenticate { mechanism, initial })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> ScriptName {
        ScriptName::parse(name).unwrap()
    }

    #[test]
    fn lines_and_what_they_mean() {
        let cases = [
            ("logout", Command::Logout),
            ("Capability", Command::Capability),
            ("NOOP", Command::Noop(None)),
            (
                "NOOP \"STARTTLS-SYNC-42\"",
                Command::Noop(Some("STARTTLS-SYNC-42".to_owned())),
            ),
            (
                "Authenticate \"PLAIN\" {8+}\r\nAGEAYg==",
                Command::Authenticate {
                    mechanism: "PLAIN".to_owned(),
                    initial: Some(b"\0a\0b".to_vec()),
                },
            ),
            (
                "AUTHENTICATE \"PLAIN\" \"\"",
                Command::Authenticate {
                    mechanism: "PLAIN".to_owned(),
                    initial: Some(Vec::new()),
                },
            ),
            (
                "HAVESPACE \"myscript\" 999999",
                Command::HaveSpace(name("myscript"), 999_999),
            ),
            (
                "Putscript \"foo\" {31+}\r\n#comment\r\nInvalidSieveCommand\r\n",
                Command::PutScript(name("foo"), "#comment\r\nInvalidSieveCommand\r\n".into()),
            ),
            ("Setactive \"\"", Command::SetActive(None)),
            ("Setactive {1+}\r\nx", Command::SetActive(Some(name("x")))),
            (
                "Renamescript \"foo\" \"b\\\"ar\"",
                Command::RenameScript(name("foo"), name("b\"ar")),
            ),
            (
                "CheckScript \"keep;\"",
                Command::CheckScript("keep;".into()),
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
            (" NOOP", Verb::Unknown),
            ("(response)", Verb::Unknown),
            ("(unknown)", Verb::Unknown),
            ("LOGOUT now", Verb::Logout),
            ("NOOP ", Verb::Noop),
            ("NOOP x", Verb::Noop),
            ("GETSCRIPT", Verb::GetScript),
            ("GETSCRIPT \"\"", Verb::GetScript),
            ("GETSCRIPT  \"a\"", Verb::GetScript),
            ("GETSCRIPT \"a\" \"b\"", Verb::GetScript),
            ("HAVESPACE \"a\" -1", Verb::HaveSpace),
            ("HAVESPACE \"a\" 4294967296", Verb::HaveSpace),
            ("PUTSCRIPT \"a\" {5}", Verb::PutScript),
            ("AUTHENTICATE PLAIN", Verb::Authenticate),
            ("AUTHENTICATE \"PLAIN\" \"!\"", Verb::Authenticate),
        ];
        for (line, verb) in cases {
            let fault = Command::parse(line.as_bytes()).unwrap_err();
            assert_eq!(fault.verb, verb, "{line}");
        }
        assert!(Command::parse(b"NOOP \"\xff\"").is_err());
    }
}
