//! Commands, read and written.
//!
//! Not here: whether a command may come now (`diagram`), lines (`wire`).
//!
//! RFC 5321 §4.1; RFC 1985 §5; RFC 2033 §4.1; RFC 2645 §5.2.1; RFC 3030 §2; RFC 3207 §4; RFC 4954
//! §4.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail::{ForwardPath, Recipient, ReversePath, SyntaxError};

use crate::Error;
use crate::diagram::Verb;
pub use crate::parameters::MailParameters;
use crate::parameters::{RcptParameters, number};

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// HELO with what the client calls itself.
    Helo(String),
    /// EHLO with what the client calls itself.
    Ehlo(String),
    /// LHLO with what the client calls itself.
    Lhlo(String),
    /// MAIL.
    Mail {
        /// Who hears of failures.
        reverse_path: ReversePath,
        /// The parameters.
        parameters: MailParameters,
    },
    /// RCPT.
    Rcpt(Recipient),
    /// DATA.
    Data,
    /// BDAT: so many octets follow the line.
    Bdat {
        /// The count.
        octets: u64,
        /// True for the last chunk.
        last: bool,
    },
    /// RSET.
    Rset,
    /// NOOP, whatever it said.
    Noop,
    /// VRFY with a user's name or an address.
    Vrfy(String),
    /// EXPN with a list's name.
    Expn(String),
    /// HELP, perhaps about something.
    Help(String),
    /// QUIT.
    Quit,
    /// STARTTLS.
    StartTls,
    /// ETRN with the host whose mail is to be sent, as it was written.
    Etrn(String),
    /// ATRN with the domains whose mail is wanted; none for all that the client has.
    Atrn(Vec<String>),
    /// AUTH.
    Auth {
        /// The mechanism's name as it was written.
        mechanism: String,
        /// The initial response, decoded.
        initial: Option<Vec<u8>>,
    },
}

/// A line that is no command, with the verb it would have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The verb.
    pub verb: Verb,
    /// What is wrong.
    pub error: Error,
}

impl Command {
    /// Reads a line without its CRLF.
    ///
    /// # Errors
    /// Where the line is no command.
    pub fn parse(line: &[u8]) -> Result<Self, Malformed> {
        let end = line.iter().position(|octet| *octet == b' ');
        let (word, rest) = line.split_at(end.unwrap_or(line.len()));
        let verb = verb(word).ok_or(Malformed {
            verb: Verb::Unknown,
            error: Error::UnknownCommand,
        })?;
        let text = std::str::from_utf8(rest)
            .ok()
            .filter(|text| !text.chars().any(char::is_control))
            .ok_or(Malformed {
                verb,
                error: Error::NoText,
            })?;
        // RFC 5321 §4.1.1
        let argument = text.trim_matches(' ');
        arguments(verb, argument).map_err(|error| Malformed { verb, error })
    }

    /// The verb; BDAT LAST is one of its own.
    #[must_use]
    pub const fn verb(&self) -> Verb {
        match self {
            Self::Helo(_) => Verb::Helo,
            Self::Ehlo(_) => Verb::Ehlo,
            Self::Lhlo(_) => Verb::Lhlo,
            Self::Mail { .. } => Verb::Mail,
            Self::Rcpt(_) => Verb::Rcpt,
            Self::Data => Verb::Data,
            Self::Bdat { last: false, .. } => Verb::Bdat,
            Self::Bdat { last: true, .. } => Verb::Last,
            Self::Rset => Verb::Rset,
            Self::Noop => Verb::Noop,
            Self::Vrfy(_) => Verb::Vrfy,
            Self::Expn(_) => Verb::Expn,
            Self::Help(_) => Verb::Help,
            Self::Quit => Verb::Quit,
            Self::StartTls => Verb::StartTls,
            Self::Etrn(_) => Verb::Etrn,
            Self::Atrn(_) => Verb::Atrn,
            Self::Auth { .. } => Verb::Auth,
        }
    }
}

/// Writes the line without its CRLF.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mail {
                reverse_path,
                parameters,
            } => write!(f, "MAIL FROM:{reverse_path}{parameters}"),
            Self::Rcpt(recipient) => {
                let parameters = RcptParameters {
                    notify: recipient.notify,
                    orcpt: recipient.orcpt.clone(),
                };
                write!(f, "RCPT TO:{}{parameters}", recipient.forward_path)
            }
            Self::Bdat { octets, last } => {
                write!(f, "BDAT {octets}{}", if *last { " LAST" } else { "" })
            }
            Self::Auth { mechanism, initial } => {
                write!(f, "AUTH {mechanism}")?;
                match initial.as_deref() {
                    None => Ok(()),
                    // RFC 4954 §4
                    Some([]) => f.write_str(" ="),
                    Some(octets) => write!(f, " {}", STANDARD.encode(octets)),
                }
            }
            Self::Help(topic) if topic.is_empty() => f.write_str("HELP"),
            Self::Atrn(domains) if domains.is_empty() => f.write_str("ATRN"),
            Self::Atrn(domains) => write!(f, "ATRN {}", domains.join(",")),
            Self::Helo(word)
            | Self::Ehlo(word)
            | Self::Lhlo(word)
            | Self::Vrfy(word)
            | Self::Expn(word)
            | Self::Etrn(word)
            | Self::Help(word) => write!(f, "{} {word}", self.verb().name()),
            Self::Data | Self::Rset | Self::Noop | Self::Quit | Self::StartTls => {
                f.write_str(self.verb().name())
            }
        }
    }
}

/// The verb that a word is.
pub(crate) fn verb(word: &[u8]) -> Option<Verb> {
    // RFC 5321 §2.4
    Some(match word.to_ascii_uppercase().as_slice() {
        b"HELO" => Verb::Helo,
        b"EHLO" => Verb::Ehlo,
        b"LHLO" => Verb::Lhlo,
        b"MAIL" => Verb::Mail,
        b"RCPT" => Verb::Rcpt,
        b"DATA" => Verb::Data,
        b"BDAT" => Verb::Bdat,
        b"RSET" => Verb::Rset,
        b"NOOP" => Verb::Noop,
        b"VRFY" => Verb::Vrfy,
        b"EXPN" => Verb::Expn,
        b"HELP" => Verb::Help,
        b"QUIT" => Verb::Quit,
        b"STARTTLS" => Verb::StartTls,
        b"AUTH" => Verb::Auth,
        b"ETRN" => Verb::Etrn,
        b"ATRN" => Verb::Atrn,
        _ => return None,
    })
}

fn arguments(verb: Verb, argument: &str) -> Result<Command, Error> {
    let bare = |command: Command| match argument.is_empty() {
        true => Ok(command),
        false => Err(expected(5, "no argument")),
    };
    match verb {
        Verb::Helo => Ok(Command::Helo(client(argument)?)),
        Verb::Ehlo => Ok(Command::Ehlo(client(argument)?)),
        Verb::Lhlo => Ok(Command::Lhlo(client(argument)?)),
        Verb::Mail => {
            let (path, rest) = path(argument, "FROM:")?;
            let reverse_path = ReversePath::parse(path)?;
            let parameters = MailParameters::parse(rest)?;
            if !parameters.smtputf8 && !argument.is_ascii() {
                return Err(Error::NotAscii);
            }
            Ok(Command::Mail {
                reverse_path,
                parameters,
            })
        }
        Verb::Rcpt => {
            let (path, rest) = path(argument, "TO:")?;
            let forward_path = ForwardPath::parse(path)?;
            let parameters = RcptParameters::parse(rest)?;
            Ok(Command::Rcpt(Recipient {
                forward_path,
                notify: parameters.notify,
                orcpt: parameters.orcpt,
            }))
        }
        Verb::Bdat => bdat(argument),
        Verb::Vrfy => Ok(Command::Vrfy(string(argument)?)),
        Verb::Expn => Ok(Command::Expn(string(argument)?)),
        Verb::Help => Ok(Command::Help(argument.to_owned())),
        Verb::Noop => Ok(Command::Noop),
        Verb::Auth => auth(argument),
        Verb::Data => bare(Command::Data),
        Verb::Rset => bare(Command::Rset),
        Verb::Quit => bare(Command::Quit),
        Verb::StartTls => bare(Command::StartTls),
        Verb::Etrn => match argument.is_empty() || argument.contains(' ') {
            true => Err(expected(5, "a host")),
            false => Ok(Command::Etrn(argument.to_owned())),
        },
        Verb::Atrn => domains(argument),
        _ => Err(Error::UnknownCommand),
    }
}

/// A domain or an address literal; names that are neither are taken as they are, since it is only
/// said and not believed (RFC 5321 §4.1.4), as long as a trace field can hold them.
fn client(argument: &str) -> Result<String, Error> {
    let plain = |letter: char| {
        !letter.is_ascii() || letter.is_ascii_alphanumeric() || "-._[]:".contains(letter)
    };
    let fits = !argument.is_empty() && argument.len() <= mail::DOMAIN_OCTETS_MAX;
    if fits && argument.chars().all(plain) {
        Ok(argument.to_owned())
    } else {
        Err(expected(5, "a domain or an address literal"))
    }
}

/// The path, with its brackets, behind `FROM:` or `TO:`, and the parameters behind it.
fn path<'a>(argument: &'a str, tag: &'static str) -> Result<(&'a str, &'a str), Error> {
    let found = argument.get(..tag.len()).unwrap_or_default();
    if !found.eq_ignore_ascii_case(tag) {
        return Err(expected(5, tag));
    }
    let rest = argument.get(tag.len()..).unwrap_or_default();
    // Not in the grammar, but many a client writes a space here.
    let rest = rest.trim_start_matches(' ');
    let (mut quoted, mut escaped) = (false, false);
    for (at, letter) in rest.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let (path, parameters) = rest.split_at(at + 1);
                if !parameters.is_empty() && !parameters.starts_with(' ') {
                    return Err(expected(at + 1, "' ' behind the path"));
                }
                return Ok((path, parameters));
            }
            ' ' if !quoted => break,
            _ => {}
        }
    }
    Err(expected(5 + tag.len(), "a path in angle brackets"))
}

/// A word, or several, about which VRFY and EXPN ask; SMTPUTF8 may follow (RFC 6531 §3.7.4.2).
fn string(argument: &str) -> Result<String, Error> {
    let word = match argument.rsplit_once(' ') {
        Some((word, utf8)) if utf8.eq_ignore_ascii_case("SMTPUTF8") => word.trim_end_matches(' '),
        _ => argument,
    };
    if word.is_empty() {
        return Err(expected(5, "a name"));
    }
    Ok(word.to_owned())
}

/// Domains with commas between them, or none.
// RFC 2645 §5.2.1
fn domains(argument: &str) -> Result<Command, Error> {
    if argument.is_empty() {
        return Ok(Command::Atrn(Vec::new()));
    }
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-.".contains(letter);
    let one = |domain: &str| match !domain.is_empty() && domain.chars().all(plain) {
        true => Ok(domain.to_owned()),
        false => Err(expected(5, "domains with commas between them")),
    };
    let domains: Result<Vec<String>, Error> = argument.split(',').map(one).collect();
    domains.map(Command::Atrn)
}

fn bdat(argument: &str) -> Result<Command, Error> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let octets = words.next().and_then(number);
    let octets = octets.ok_or_else(|| expected(5, "a number of octets"))?;
    match (words.next(), words.next()) {
        (None, _) => Ok(Command::Bdat {
            octets,
            last: false,
        }),
        (Some(word), None) if word.eq_ignore_ascii_case("LAST") => {
            Ok(Command::Bdat { octets, last: true })
        }
        _ => Err(expected(5, "LAST or nothing")),
    }
}

fn auth(argument: &str) -> Result<Command, Error> {
    let (mechanism, initial) = match argument.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' '))),
        None => (argument, None),
    };
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
    // RFC 4422 §3.1
    if !(1..=20).contains(&mechanism.len()) || !mechanism.bytes().all(plain) {
        return Err(expected(5, "a mechanism"));
    }
    let initial = match initial {
        None => None,
        Some("=") => Some(Vec::new()),
        Some(text) => Some(decode(text.as_bytes())?),
    };
    Ok(Command::Auth {
        mechanism: mechanism.to_owned(),
        initial,
    })
}

/// Decodes base64 as AUTH carries it.
pub(crate) fn decode(text: &[u8]) -> Result<Vec<u8>, Error> {
    STANDARD.decode(text).map_err(|_| expected(0, "base64"))
}

/// Encodes a challenge or a response.
pub(crate) fn encode(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

const fn expected(at: usize, expected: &'static str) -> Error {
    Error::Syntax(SyntaxError { at, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_read_back() {
        for line in [
            "HELO a.example",
            "EHLO [192.0.2.1]",
            "LHLO [IPv6:2001:db8::1]",
            "MAIL FROM:<>",
            "MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=x+2By AUTH=<>",
            "MAIL FROM:<jérôme@b.example> SMTPUTF8",
            "MAIL FROM:<a@b.example> AUTH=c+3Dd@e.example",
            "RCPT TO:<Postmaster>",
            "RCPT TO:<\"a > b\"@c.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By@z",
            "RCPT TO:<a@b.example> NOTIFY=NEVER",
            "DATA",
            "BDAT 0 LAST",
            "BDAT 1000",
            "RSET",
            "NOOP",
            "VRFY Ada Lovelace",
            "EXPN list",
            "HELP",
            "HELP MAIL",
            "QUIT",
            "STARTTLS",
            "AUTH PLAIN",
            "AUTH PLAIN =",
            "AUTH PLAIN AGEAYg==",
        ] {
            let command = Command::parse(line.as_bytes());
            assert_eq!(command.unwrap().to_string(), line);
        }
    }

    #[test]
    fn commands_are_read_loosely_where_it_harms_nobody() {
        for (line, canonical) in [
            ("ehlo a.example  ", "EHLO a.example"),
            ("mail from: <a@b>", "MAIL FROM:<a@b>"),
            (
                "RCPT TO:<@x,@y:a@b>  notify=never",
                "RCPT TO:<a@b> NOTIFY=NEVER",
            ),
            ("quit ", "QUIT"),
            ("noop whatever", "NOOP"),
            ("vrfy x SMTPUTF8", "VRFY x"),
        ] {
            let command = Command::parse(line.as_bytes());
            assert_eq!(command.unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn what_is_no_command_says_what_it_would_have_been() {
        for (line, verb) in [
            ("", Verb::Unknown),
            ("FOO", Verb::Unknown),
            ("MAILFROM:<>", Verb::Unknown),
            ("EHLO", Verb::Ehlo),
            ("EHLO a(b)", Verb::Ehlo),
            ("EHLO a b", Verb::Ehlo),
            ("MAIL FROM:a@b", Verb::Mail),
            ("MAIL TO:<a@b>", Verb::Mail),
            ("MAIL FROM:<a@b>SIZE=1", Verb::Mail),
            ("MAIL FROM:<é@b>", Verb::Mail),
            ("RCPT TO:<>", Verb::Rcpt),
            ("RCPT TO:<a@b> <c@d>", Verb::Rcpt),
            ("DATA now", Verb::Data),
            ("QUIT now", Verb::Quit),
            ("BDAT", Verb::Bdat),
            ("BDAT -1", Verb::Bdat),
            ("BDAT 1 FIRST", Verb::Bdat),
            ("AUTH", Verb::Auth),
            ("AUTH PLAIN a", Verb::Auth),
            ("VRFY", Verb::Vrfy),
            ("NOOP \u{1}", Verb::Noop),
        ] {
            let found = Command::parse(line.as_bytes()).map_err(|malformed| malformed.verb);
            assert_eq!(found, Err(verb), "{line}");
        }
    }
}
