//! What a session remembers of what it hears while somebody looks on, and how secrets are told
//! apart: the session knows which octets are a password, nobody else does.
//!
//! Whoever looks on sees only what a session notes here. What is not understood is noted by its
//! length alone: it may be a password in the wrong place.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::Line;
use crate::sasl::{ClientResponse, Mechanism, Secret};

/// Stands for every password: whoever plays a recording has a house that takes it for right.
pub const STAND_IN: &str = "<left-out>";

/// Stands for every access token; in their letters, which leave out brackets.
pub const TOKEN_STAND_IN: &str = "left-out";

/// Octets that the name of a mechanism has at most (RFC 4422 §3.1).
const MECHANISM_OCTETS_MAX: usize = 20;

/// What was taken from the peer, in the order it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Octets that may be shown, the line's end among them; what stands for a secret as well.
    Shown(Bytes),
    /// Contents within a line: a literal, a message in one.
    Literal(Bytes),
    /// Contents that are lines by themselves: a message.
    Text(Bytes),
    /// A line, or a part of one, that is no command: masked, for it may be a secret.
    Masked(Bytes),
    /// So many octets that were thrown away, up to a line's end.
    Hidden(u64),
    /// Where a written line begins with this word, it repeats what was masked.
    Echo(Bytes),
    /// What is written next, up to its line's end, is a challenge.
    Challenge,
    /// What is written next is one line, and if that begins with `+`, a message behind it up to a
    /// dot alone.
    Message,
}

/// Remembers what is heard; as long as nobody looks on, nothing.
#[derive(Debug, Default)]
pub struct Witness {
    notes: Option<Box<Notes>>,
}

/// In a box of its own, so that a session nobody looks at carries only a pointer.
#[derive(Debug, Default)]
struct Notes {
    queue: VecDeque<Heard>,
}

impl Witness {
    /// Begins to remember, or forgets.
    pub fn look(&mut self, on: bool) {
        if on != self.is_on() {
            self.notes = on.then(Box::default);
        }
    }

    /// True while somebody looks on.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.notes.is_some()
    }

    /// Notes what was heard, if anybody looks on.
    pub fn note(&mut self, heard: impl FnOnce() -> Heard) {
        if let Some(notes) = &mut self.notes {
            notes.queue.push_back(heard());
        }
    }

    /// Notes a line that was taken within a limit: what `shown` leaves of it, or where that is
    /// nothing, how long its words were.
    pub fn line(
        &mut self,
        line: &Line,
        octets_max: usize,
        shown: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) {
        if !self.is_on() {
            return;
        }
        let (text, end) = match line {
            Line::Incomplete => return,
            Line::TooLong => return self.note(|| Heard::Hidden(octets(octets_max) + 1)),
            Line::Whole(text) => (text, &b"\r\n"[..]),
            Line::BareLf(text) => (text, &b"\n"[..]),
        };
        let heard = match shown(text) {
            Some(shown) => Heard::Shown([&shown, end].concat().into()),
            None => Heard::Masked([&masked(text), end].concat().into()),
        };
        self.note(|| heard);
    }

    /// Takes the next note.
    pub fn take(&mut self) -> Option<Heard> {
        self.notes.as_mut()?.queue.pop_front()
    }
}

/// A text of which nothing is left but its spaces and what ends lines.
#[must_use]
pub fn masked(text: &[u8]) -> Vec<u8> {
    let mask = |octet: &u8| match octet {
        b' ' | b'\r' | b'\n' => *octet,
        _ => b'x',
    };
    text.iter().map(mask).collect()
}

fn octets(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX >> 1)
}

/// What may be shown of AUTH's arguments: `mechanism [initial-response]`.
#[must_use]
pub fn shown_auth(arguments: &[u8]) -> Vec<u8> {
    let mut words = arguments.splitn(2, |&octet| octet == b' ');
    let name = words.next().unwrap_or_default();
    if !is_mechanism(name) {
        return STAND_IN.into();
    }
    let Some(initial) = words.next() else {
        return name.to_vec();
    };
    let mechanism = std::str::from_utf8(name).ok().and_then(Mechanism::parse);
    let shown = match mechanism {
        Some(Mechanism::Plain) => shown_plain(initial),
        Some(Mechanism::Login | Mechanism::External) => shown_name(initial),
        Some(mechanism) if mechanism.takes_token() => shown_token(mechanism, initial),
        _ => shown_proof(initial),
    };
    [name, b" ", &shown].concat()
}

/// A line's first word with the space behind it, and its rest; `None` for a line that holds a CR:
/// what is behind it may be a line of its own to whoever sent it.
#[must_use]
pub fn keyword(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = line.iter().position(|&octet| octet == b' ');
    let plain = memchr::memchr(b'\r', line).is_none();
    plain.then(|| line.split_at(space.map_or(line.len(), |at| at + 1)))
}

fn is_mechanism(name: &[u8]) -> bool {
    let fits = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    name.len() <= MECHANISM_OCTETS_MAX && name.iter().all(fits)
}

/// What may be shown of a response of PLAIN: all but the password.
pub(crate) fn shown_plain(line: &[u8]) -> Vec<u8> {
    let response = STANDARD.decode(line).unwrap_or_default();
    let fields: Vec<&[u8]> = response.split(|&octet| octet == 0).collect();
    match fields.as_slice() {
        [other, user, _] if !user.is_empty() => {
            encoded(&[other, user, STAND_IN.as_bytes()].join(&0))
        }
        _ => shown_proof(line),
    }
}

/// What may be shown of a response that is a name. What holds a NUL is no name: it is a password
/// sent to the wrong mechanism.
pub(crate) fn shown_name(line: &[u8]) -> Vec<u8> {
    match STANDARD.decode(line) {
        Ok(name) if !name.contains(&0) => line.to_vec(),
        _ => shown_proof(line),
    }
}

/// What may be shown of a response with an access token: all that was understood but the token.
pub(crate) fn shown_token(mechanism: Mechanism, line: &[u8]) -> Vec<u8> {
    let response = STANDARD.decode(line).unwrap_or_default();
    match ClientResponse::read(mechanism, &response) {
        Some(mut response) => {
            let stand_in = |_| Secret(TOKEN_STAND_IN.to_owned());
            response.token = response.token.map(stand_in);
            encoded(response.write(mechanism).as_bytes())
        }
        None => shown_proof(line),
    }
}

/// What may be shown of the answer to a refused token: the one without meaning.
pub(crate) fn shown_dummy(line: &[u8]) -> Vec<u8> {
    match STANDARD.decode(line) {
        Ok(dummy) if dummy == b"\x01" => line.to_vec(),
        _ => shown_proof(line),
    }
}

/// What may be shown of a response that is a password or proves that it is known, or that is none:
/// nothing, but that it was base64, that it was empty, or that the exchange was cancelled.
pub(crate) fn shown_proof(line: &[u8]) -> Vec<u8> {
    match (line, STANDARD.decode(line)) {
        (b"" | b"=" | b"*", _) => line.to_vec(),
        (_, Ok(_)) => encoded(STAND_IN.as_bytes()),
        (_, Err(_)) => STAND_IN.into(),
    }
}

fn encoded(response: &[u8]) -> Vec<u8> {
    STANDARD.encode(response).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_remembered_while_nobody_looks_on() {
        let line = |text| Line::Whole(Bytes::from_static(text));
        let all = |text: &[u8]| Some(text.to_vec());
        let mut witness = Witness::default();
        witness.line(&line(b"a NOOP"), 10, all);
        assert_eq!(witness.take(), None);
        witness.look(true);
        witness.line(&line(b"a NOOP"), 10, all);
        witness.look(true);
        witness.line(&line(b"secret word"), 10, |_| None);
        witness.line(&Line::TooLong, 10, all);
        let shown = Heard::Shown(Bytes::from_static(b"a NOOP\r\n"));
        assert_eq!(witness.take(), Some(shown));
        let masked = Heard::Masked(Bytes::from_static(b"xxxxxx xxxx\r\n"));
        assert_eq!(witness.take(), Some(masked));
        assert_eq!(witness.take(), Some(Heard::Hidden(11)));
        witness.look(false);
        assert_eq!(witness.take(), None);
    }

    #[test]
    fn arguments_of_auth() {
        let plain = encoded(b"\0ada\0secret");
        let plain = String::from_utf8(plain).unwrap();
        let left_out = String::from_utf8(encoded(b"\0ada\0<left-out>")).unwrap();
        let token = STANDARD.encode("user=ada\x01auth=Bearer secret\x01\x01");
        let token_left = STANDARD.encode("user=ada\x01auth=Bearer left-out\x01\x01");
        let proof = String::from_utf8(encoded(STAND_IN.as_bytes())).unwrap();
        for (given, shown) in [
            ("PLAIN".to_owned(), "PLAIN".to_owned()),
            ("PLAIN =".to_owned(), "PLAIN =".to_owned()),
            (format!("plain {plain}"), format!("plain {left_out}")),
            (format!("LOGIN {plain}"), format!("LOGIN {proof}")),
            (format!("XOAUTH2 {plain}"), format!("XOAUTH2 {proof}")),
            (format!("XOAUTH2 {token}"), format!("XOAUTH2 {token_left}")),
            (
                format!("OAUTHBEARER {token}"),
                format!("OAUTHBEARER {proof}"),
            ),
            ("LOGIN YWRh".to_owned(), "LOGIN YWRh".to_owned()),
            (format!("NTLM {plain}"), format!("NTLM {proof}")),
            (format!("PLAIN {plain} x"), format!("PLAIN {STAND_IN}")),
            (
                format!("SCRAM-SHA-256 {plain}"),
                format!("SCRAM-SHA-256 {proof}"),
            ),
            ("PLAIN c2VjcmV0".to_owned(), format!("PLAIN {proof}")),
            ("what=ever YWRh".to_owned(), STAND_IN.to_owned()),
            (String::new(), String::new()),
        ] {
            assert_eq!(shown_auth(given.as_bytes()), shown.as_bytes(), "{given}");
        }
    }
}
