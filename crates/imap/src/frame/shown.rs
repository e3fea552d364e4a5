//! What whoever looks on may see of what the client says.
//!
//! Behind the user's name of LOGIN comes the password, and of AUTHENTICATE only the mechanism's
//! name is none of it. What is no command may be a password in the wrong place. Not here: responses
//! to challenges (`session/login.rs`), how it is put down (`wire::recording`).

use wire::Witness;
use wire::witness::{Heard, STAND_IN, masked, shown_auth};

use super::{announced, without_end};
use crate::command::Command;
use crate::command::parse::{NO_COMMAND, NO_UID_COMMAND};
use crate::{Names, Tag};

/// What a frame is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Login,
    Authenticate,
    Other,
    Unknown,
}

/// Notes a line with its end, behind what was gathered of its frame; `behind` says that it ends
/// a message instead.
pub(super) fn note_line(witness: &mut Witness, gathered: &[u8], line: &[u8], behind: bool) {
    if !witness.is_on() {
        return;
    }
    let body = without_end(line);
    let kind = match (behind, body) {
        (_, body) if !is_line(body) => Kind::Unknown,
        (false, _) => kind(gathered, line),
        (true, b"" | b")") => Kind::Other,
        (true, _) if announced(body).is_some() || is_rest(gathered, body) => Kind::Other,
        (true, _) => Kind::Unknown,
    };
    if kind == Kind::Unknown && gathered.is_empty() && !behind {
        note_echo(witness, body);
    }
    witness.note(|| match (kind, gathered) {
        (Kind::Other, _) => Heard::Shown(line.to_vec().into()),
        (Kind::Login, _) => Heard::Shown(login(gathered, line).into()),
        (Kind::Authenticate, b"") => Heard::Shown(authenticate(body).into()),
        (Kind::Authenticate | Kind::Unknown, _) => Heard::Masked(mask(line).into()),
    });
}

/// True for what follows a part of a message, up to the command's end: else it may be a password
/// in the wrong place.
fn is_rest(gathered: &[u8], body: &[u8]) -> bool {
    let frame = [gathered, body].concat();
    let frames = [Some(frame.as_slice()), frame.strip_prefix(b")")];
    frames.into_iter().flatten().any(|frame| {
        let rest = |listed| Command::parse_append_rest(frame, listed);
        rest(true).is_ok() || rest(false).is_ok()
    })
}

/// Notes that an answer may begin with the first word of what is not shown.
fn note_echo(witness: &mut Witness, start: &[u8]) {
    let word = start.split(|&octet| octet == b' ').next();
    let word = word.and_then(|word| std::str::from_utf8(word).ok());
    if let Some(tag) = word.filter(|word| Tag::new(word).is_some()) {
        witness.note(|| Heard::Echo(tag.to_owned().into()));
    }
}

/// Notes the beginning of a line that is thrown away because it is too long; returns how many of
/// its octets were noted.
pub(super) fn note_beginning(witness: &mut Witness, start: &[u8]) -> u64 {
    if !witness.is_on() {
        return 0;
    }
    note_echo(witness, start);
    let word = memchr::memchr(b' ', start).map_or(start.len(), |at| at + 1);
    let beginning = masked(start.get(..word).unwrap_or_default());
    witness.note(|| Heard::Masked(beginning.into()));
    octets(word)
}

/// A line of which nothing is left but spaces, what it announces, and its end.
fn mask(line: &[u8]) -> Vec<u8> {
    let body = without_end(line);
    let at = announced(body).map_or(body.len(), |literal| literal.at);
    let (secret, _) = body.split_at(at.min(body.len()));
    let rest = line.get(secret.len()..).unwrap_or_default();
    [&masked(secret), rest].concat()
}

/// Notes octets of a literal that belongs to what was gathered; `whole` says that it ends here,
/// `behind` that it is a URL of a message's part.
pub(super) fn note_literal(
    witness: &mut Witness,
    gathered: &[u8],
    literal: &[u8],
    whole: bool,
    behind: bool,
) {
    if !witness.is_on() || (literal.is_empty() && !whole) {
        return;
    }
    let heard = match kind(gathered, b"") {
        _ if behind => Heard::Literal(literal.to_vec().into()),
        Kind::Other => Heard::Literal(literal.to_vec().into()),
        Kind::Login if password_at(gathered).is_none() => Heard::Shown(literal.to_vec().into()),
        // What stands for it comes once, however it was cut.
        Kind::Login if whole => Heard::Shown(STAND_IN.into()),
        Kind::Login => return,
        Kind::Authenticate | Kind::Unknown => Heard::Masked(vec![b'x'; literal.len()].into()),
    };
    witness.note(|| heard);
}

fn octets(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn kind(gathered: &[u8], line: &[u8]) -> Kind {
    let start = if gathered.is_empty() { line } else { gathered };
    let end = memchr::memchr(b'\n', start).map_or(start.len(), |at| at + 1);
    let start = without_end(start.get(..end).unwrap_or_default());
    let verb = start.split(|&octet| octet == b' ').nth(1);
    let Some(verb) = verb else {
        return Kind::Unknown;
    };
    if verb.eq_ignore_ascii_case(b"LOGIN") {
        return Kind::Login;
    }
    if verb.eq_ignore_ascii_case(b"AUTHENTICATE") {
        return Kind::Authenticate;
    }
    let Err(failure) = Command::parse_as(start, Names::Utf8) else {
        return Kind::Other;
    };
    match (failure.tag, failure.error.expected) {
        (None, _) | (_, NO_COMMAND | NO_UID_COMMAND) => Kind::Unknown,
        _ => Kind::Other,
    }
}

/// True if nothing stands in it that ends a line to whoever sent it.
fn is_line(line: &[u8]) -> bool {
    memchr::memchr(b'\r', line).is_none()
}

/// `tag AUTHENTICATE mechanism [initial-response]`.
fn authenticate(body: &[u8]) -> Vec<u8> {
    let rest = arguments_at(body).min(body.len());
    let (command, arguments) = body.split_at(rest);
    [command, &shown_auth(arguments), b"\r\n"].concat()
}

/// A line of `tag LOGIN user password`.
fn login(gathered: &[u8], line: &[u8]) -> Vec<u8> {
    let frame = [gathered, line].concat();
    let body = without_end(line);
    let from = password_at(&frame).map_or(body.len(), |at| at.saturating_sub(gathered.len()));
    let (shown, secret) = body.split_at(from.min(body.len()));
    let stand_in = match announced(secret) {
        Some(literal) if literal.sync => format!("{{{}}}", STAND_IN.len()),
        Some(_) => format!("{{{}+}}", STAND_IN.len()),
        // Behind the password, or nothing of it.
        None if shown.is_empty() || secret.is_empty() => String::new(),
        None => STAND_IN.to_owned(),
    };
    [shown, stand_in.as_bytes(), b"\r\n"].concat()
}

/// Where the second word of a frame ends, and the space behind it.
fn arguments_at(frame: &[u8]) -> usize {
    let space = memchr::memchr_iter(b' ', frame).nth(1);
    space.map_or(frame.len(), |at| at + 1)
}

/// Where the password begins in the frame of LOGIN; `None` while the user's name goes on. Where
/// there is no name that could be told apart, all is password.
fn password_at(frame: &[u8]) -> Option<usize> {
    let from = arguments_at(frame);
    let rest = frame.get(from..).unwrap_or_default();
    let name = match rest.first() {
        Some(b'{') => {
            let end = memchr::memchr(b'\n', rest)?;
            let line = without_end(rest.get(..=end).unwrap_or_default());
            let literal = announced(line).filter(|literal| literal.at == 0);
            let Some(literal) = literal else {
                return Some(from);
            };
            let octets = usize::try_from(literal.octets).unwrap_or(usize::MAX);
            Some((end + 1).saturating_add(octets)).filter(|end| *end < rest.len())?
        }
        Some(b'"') => quoted(rest).unwrap_or_default(),
        _ => memchr::memchr(b' ', rest).unwrap_or_default(),
    };
    let space = rest.get(name) == Some(&b' ');
    Some(from + name + usize::from(space && name > 0))
}

/// Where a quoted string ends, if it does.
fn quoted(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    let mut rest = text.iter().enumerate().skip(1);
    let end = rest.find(|(_, octet)| {
        let ends = **octet == b'"' && !escaped;
        escaped = **octet == b'\\' && !escaped;
        ends
    });
    end.map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use wire::Witness;
    use wire::witness::Heard;

    use super::super::Frames;

    /// What is shown of an input, cut every `cut` octets.
    fn shown(input: &str, cut: usize) -> String {
        let mut frames = Frames::default();
        frames.witness.look(true);
        let mut shown = String::new();
        for piece in input.as_bytes().chunks(cut) {
            frames.extend(piece);
            while frames.next(100) != super::super::Framed::Incomplete {}
            note(&mut frames.witness, &mut shown);
        }
        shown
    }

    fn note(witness: &mut Witness, shown: &mut String) {
        while let Some(heard) = witness.take() {
            match heard {
                Heard::Shown(octets) | Heard::Literal(octets) | Heard::Masked(octets) => {
                    shown.push_str(std::str::from_utf8(&octets).unwrap());
                }
                other => assert!(matches!(other, Heard::Echo(_)), "{other:?}"),
            }
        }
    }

    #[test]
    fn secrets_are_left_out_however_they_are_cut() {
        for (input, expected) in [
            ("a LOGIN ada secret\r\n", "a LOGIN ada <left-out>\r\n"),
            ("a login ada secret x\r\n", "a login ada <left-out>\r\n"),
            (
                "a LOGIN \"a\\\"\" \"se cret\"\r\n",
                "a LOGIN \"a\\\"\" <left-out>\r\n",
            ),
            ("a LOGIN \"ada secret\r\n", "a LOGIN <left-out>\r\n"),
            ("a LOGIN secret\r\n", "a LOGIN <left-out>\r\n"),
            ("a LOGIN  ada secret\r\n", "a LOGIN <left-out>\r\n"),
            ("a LOGIN\r\n", "a LOGIN\r\n"),
            (
                "a NOOP\rb LOGIN ada secret\r\n",
                "x xxxx\rx xxxxx xxx xxxxxx\r\n",
            ),
            (
                "a LOGIN ada {6}\r\nsecret\r\nb NOOP\r\n",
                "a LOGIN ada {10}\r\n<left-out>\r\nb NOOP\r\n",
            ),
            (
                "a LOGIN ada {3+}\r\nsecret\r\nb NOOP\r\n",
                "a LOGIN ada {10+}\r\n<left-out>\r\nb NOOP\r\n",
            ),
            (
                "a LOGIN {3}\r\nada {6}\r\nsecret\r\n",
                "a LOGIN {3}\r\nada {10}\r\n<left-out>\r\n",
            ),
            (
                "a LOGIN {3}\r\nada secret\r\n",
                "a LOGIN {3}\r\nada <left-out>\r\n",
            ),
            (
                "a LOGIN {x}secret {6+}\r\nsecret\r\n",
                "a LOGIN {10+}\r\n<left-out>\r\n",
            ),
            (
                "a AUTHENTICATE NTLM c2VjcmV0\r\n",
                "a AUTHENTICATE NTLM PGxlZnQtb3V0Pg==\r\n",
            ),
            (
                "a AUTHENTICATE {6+}\r\nsecret x\r\n",
                "a AUTHENTICATE <left-out>\r\nxxxxxx x\r\n",
            ),
            (
                "a LOGN ada {6+}\r\nsecret\r\nb NOOP\r\n",
                "x xxxx xxx {6+}\r\nxxxxxx\r\nb NOOP\r\n",
            ),
            (
                "secret\r\nb UID x secret\r\n",
                "xxxxxx\r\nx xxx x xxxxxx\r\n",
            ),
            (
                "a SEARCH TEXT {2+}\r\nxy NOT\r\n",
                "a SEARCH TEXT {2+}\r\nxy NOT\r\n",
            ),
        ] {
            for cut in 1..=input.len() {
                let shown = shown(input, cut);
                assert!(!shown.contains("secret"), "{input} {cut}: {shown}");
                assert_eq!(shown, expected, "{input} {cut}");
            }
        }
    }
}
