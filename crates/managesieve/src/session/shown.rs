//! What whoever looks on may see of what the client says.
//!
//! Behind the mechanism of AUTHENTICATE comes what may be a password, and so does a response; what
//! is no command may be one in the wrong place. It is noted when a frame is whole, so that it does
//! not depend on how the input was cut. Not here: how it is put down (`wire::recording`).

use bytes::{BufMut as _, Bytes, BytesMut};
use wire::sasl::Exchange;
use wire::witness::{Heard, STAND_IN, masked, shown_auth};

use super::{Session, State};
use crate::diagram::Verb;
use crate::frame::{Frame, Framed, announced};
use crate::text::{Cursor, Writer, put_string};

impl Session {
    /// Notes what was taken.
    pub(super) fn note(&mut self, framed: &Framed) {
        if !self.witness.is_on() {
            return;
        }
        let frame = match framed {
            Framed::Incomplete => return,
            Framed::TooLarge(_, octets) => return self.witness.note(|| Heard::Hidden(*octets)),
            Framed::Whole(frame) => frame,
        };
        if let State::Exchange(Some(exchange)) = &self.state {
            let shown = response(exchange, frame);
            return self.witness.note(|| Heard::Shown(shown));
        }
        let is_shown = match verb(frame) {
            Some(Verb::Authenticate) => {
                let shown = authenticate(frame);
                return self.witness.note(|| Heard::Shown(shown));
            }
            Some(_) => true,
            None => false,
        };
        for (part, is_literal) in parts(frame) {
            self.witness.note(|| match (is_shown, is_literal) {
                (true, true) => Heard::Literal(part),
                (true, false) => Heard::Shown(part),
                (false, true) => Heard::Masked(vec![b'x'; part.len()].into()),
                (false, false) => Heard::Masked(mask(&part)),
            });
        }
    }
}

/// The verb of a frame that is shown; none where a line holds a CR: what is behind it may be a line
/// of its own to whoever sent it.
fn verb(frame: &Frame) -> Option<Verb> {
    let is_plain = |(part, is_literal): (Bytes, bool)| {
        let body = part.strip_suffix(b"\r\n").unwrap_or(&part);
        is_literal || memchr::memchr(b'\r', body).is_none()
    };
    let verb = Cursor::new(&frame.octets).atom().and_then(Verb::parse)?;
    (verb.is_command() && parts(frame).all(is_plain)).then_some(verb)
}

/// Its lines with their ends, and its literals, in order; true for a literal.
fn parts(frame: &Frame) -> impl Iterator<Item = (Bytes, bool)> {
    let mut bounds = vec![0];
    for literal in &frame.literals {
        bounds.extend([literal.start, literal.end]);
    }
    bounds.push(frame.octets.len());
    let last = bounds.len().saturating_sub(2);
    let ends = bounds.clone().into_iter().skip(1);
    let pairs = bounds.into_iter().zip(ends).enumerate();
    pairs.map(move |(index, (from, to))| {
        let part = frame.octets.get(from..to).unwrap_or_default();
        let part = match index == last {
            true => [part, b"\r\n"].concat().into(),
            false => Bytes::copy_from_slice(part),
        };
        (part, index % 2 == 1)
    })
}

/// A line of which nothing is left but spaces, what it announces, and its end.
fn mask(line: &[u8]) -> Bytes {
    let body = line.strip_suffix(b"\r\n").unwrap_or(line);
    let open = announced(body, Writer::Client).and_then(|_| memchr::memrchr(b'{', body));
    let (secret, rest) = line.split_at(open.unwrap_or(body.len()));
    [&masked(secret), rest].concat().into()
}

/// A response to a challenge.
fn response(exchange: &Exchange, frame: &Frame) -> Bytes {
    let mut cursor = Cursor::new(&frame.octets);
    let text = cursor.string().filter(|_| cursor.is_end());
    let mut shown = BytesMut::new();
    match text {
        Some(text) => put_string(&mut shown, &exchange.shown(&text), Writer::Client),
        None => shown.put_slice(STAND_IN.as_bytes()),
    }
    shown.put_slice(b"\r\n");
    shown.freeze()
}

/// `AUTHENTICATE "mechanism" ["initial response"]`.
fn authenticate(frame: &Frame) -> Bytes {
    let mut cursor = Cursor::new(&frame.octets);
    let mut shown = BytesMut::new();
    shown.put_slice(cursor.atom().unwrap_or_default().as_bytes());
    let arguments = arguments(&mut cursor);
    let arguments = arguments.map_or_else(|| STAND_IN.into(), |words| shown_auth(&words));
    for word in arguments.splitn(2, |octet| *octet == b' ') {
        shown.put_u8(b' ');
        put_string(&mut shown, word, Writer::Client);
    }
    shown.put_slice(b"\r\n");
    shown.freeze()
}

/// Both arguments with a space between; none where they are no such.
fn arguments(cursor: &mut Cursor<'_>) -> Option<Vec<u8>> {
    let mut words = Vec::new();
    while !cursor.is_end() {
        if !cursor.eat(b' ') {
            return None;
        }
        let word = cursor.string()?;
        if word.contains(&b' ') {
            return None;
        }
        if !words.is_empty() {
            words.push(b' ');
        }
        words.extend_from_slice(&word);
    }
    (!words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use wire::{Session as _, Step};

    use super::*;
    use crate::{Answer, Policy};

    /// What is shown of an input, cut every `cut` octets.
    fn shown(input: &str, cut: usize) -> String {
        let mut policy = Policy::new("mail.example");
        policy.cleartext_passwords = true;
        policy.faults_max = 100;
        let mut session = Session::new(policy);
        session.witness.look(true);
        let mut text = Vec::new();
        let mut pieces = input.as_bytes().chunks(cut);
        loop {
            match session.step() {
                Step::Read => match pieces.next() {
                    Some(piece) => session.receive(piece),
                    None => break,
                },
                Step::Ask(_) => session.answer(Answer::Done),
                Step::Close => break,
                _ => {}
            }
            while let Some(heard) = session.witness.take() {
                match heard {
                    Heard::Shown(octets) | Heard::Literal(octets) | Heard::Masked(octets) => {
                        text.extend_from_slice(&octets);
                    }
                    other => assert_eq!(other, Heard::Challenge),
                }
            }
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn secrets_are_left_out_however_they_are_cut() {
        for (input, expected) in [
            (
                "NOOP \"x\"\r\nPUTSCRIPT \"a\" {6+}\r\nse\r\net\r\n",
                "NOOP \"x\"\r\nPUTSCRIPT \"a\" {6+}\r\nse\r\net\r\n",
            ),
            (
                "Authenticate \"NTLM\" \"c2VjcmV0\"\r\n",
                "Authenticate \"NTLM\" \"PGxlZnQtb3V0Pg==\"\r\n",
            ),
            (
                "AUTHENTICATE \"NTLM\" {8+}\r\nc2VjcmV0\r\n",
                "AUTHENTICATE \"NTLM\" \"PGxlZnQtb3V0Pg==\"\r\n",
            ),
            ("AUTHENTICATE secret\r\n", "AUTHENTICATE \"<left-out>\"\r\n"),
            (
                "AUTHENTICATE \"secret word\"\r\n",
                "AUTHENTICATE \"<left-out>\"\r\n",
            ),
            (
                "AUTHENTICATE \"LOGIN\"\r\n\"YWRh\"\r\n{8+}\r\nc2VjcmV0\r\n",
                "AUTHENTICATE \"LOGIN\"\r\n\"YWRh\"\r\n\"PGxlZnQtb3V0Pg==\"\r\n",
            ),
            (
                "AUTHENTICATE \"LOGIN\"\r\nsecret\r\n",
                "AUTHENTICATE \"LOGIN\"\r\n<left-out>\r\n",
            ),
            (
                "PASS secret {6+}\r\nsecret\r\nNOOP\r\n",
                "xxxx xxxxxx {6+}\r\nxxxxxx\r\nNOOP\r\n",
            ),
            ("NOOP\rsecret\r\n", "xxxx\rxxxxxx\r\n"),
        ] {
            for cut in 1..=input.len() {
                assert_eq!(shown(input, cut), expected, "{input} {cut}");
            }
        }
    }
}
