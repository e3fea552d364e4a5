//! Framing before parsing: one whole command out of the stream, within a limit.
//!
//! A command is a line; where the line ends in `{n}` or `{n+}`, so many octets and another line
//! belong to it. What is too large is thrown away as it arrives, and the connection stays in step.
//! The message of an APPEND, or a text that is part of one, is left in the stream, for the session
//! to pass on piece by piece.
//!
//! RFC 9051 §4.3, RFC 7888 (non-synchronizing literals), RFC 4469 §5.

use bytes::{Bytes, BytesMut};
use wire::witness::Heard;
use wire::{LineBuffer, Witness};

mod shown;

/// Octets that the announcement of a literal has at most, with its line's end.
const ANNOUNCEMENT_OCTETS_MAX: usize = 48;

/// What the stream has to give.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framed {
    /// A command without its last CRLF, literals inside.
    Command(Bytes),
    /// An APPEND or a REPLACE up to the announcement of its message, or of a text that is part of
    /// one, which is next in the stream.
    Append(Bytes),
    /// The peer waits for the word to go on with its literal.
    Continue,
    /// A command was too large; as much of its beginning as is needed to answer it, and whether
    /// it was a literal that made it so.
    TooLarge(Bytes, bool),
    /// The rest of a command came to its end; true if there was anything in it.
    Swallowed(bool),
    /// Not all of it has arrived.
    Incomplete,
}

/// The input of a session.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    input: LineBuffer,
    /// Octets at the front of `input` that hold no line's end.
    searched: usize,
    gathered: BytesMut,
    mode: Mode,
    /// True behind the message of an APPEND: the next literal is one more.
    behind: bool,
    /// What whoever looks on may see of it.
    pub(crate) witness: Witness,
}

#[derive(Debug, Default)]
enum Mode {
    /// Gathering lines.
    #[default]
    Line,
    /// Gathering the octets of a literal.
    Literal(usize),
    /// Throwing away a command.
    Swallow(Swallow),
}

#[derive(Debug, Default)]
struct Swallow {
    /// Octets of a literal to throw away first.
    left: u64,
    /// The last octets of the line that is thrown away.
    tail: Vec<u8>,
    /// True if there was anything but line ends.
    any: bool,
    /// True if the literal is a message: then it is no secret.
    message: bool,
    /// Octets of the line so far.
    line: u64,
    /// Octets of it that were noted before.
    noted: u64,
    /// What to report at the end: `None` for [`Framed::Swallowed`].
    beginning: Option<(Bytes, bool)>,
}

/// The announcement of a literal at a line's end.
#[derive(Clone, Copy)]
struct Announced {
    octets: u64,
    sync: bool,
    /// Where it begins in the line.
    at: usize,
}

impl Frames {
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.input.extend(bytes);
    }

    /// Throws away all that has arrived (RFC 9051 §6.2.1).
    pub(crate) fn clear(&mut self) {
        let witness = std::mem::take(&mut self.witness);
        *self = Self {
            witness,
            ..Self::default()
        };
    }

    /// Takes octets as they are.
    pub(crate) fn take(&mut self, octets_max: u64) -> Bytes {
        self.searched = 0;
        let octets_max = usize::try_from(octets_max).unwrap_or(usize::MAX);
        let octets = self.input.take(octets_max);
        self.witness.note(|| Heard::Literal(octets.clone()));
        octets
    }

    /// Takes one line that is no command; `Some(None)` if it was too long. `shown` says what may
    /// be seen of it.
    pub(crate) fn line(
        &mut self,
        octets_max: usize,
        shown: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> Option<Option<Bytes>> {
        self.searched = 0;
        let line = self.input.line(octets_max);
        self.witness.line(&line, octets_max, shown);
        match line {
            wire::Line::Whole(line) | wire::Line::BareLf(line) => Some(Some(line)),
            wire::Line::TooLong => Some(None),
            wire::Line::Incomplete => None,
        }
    }

    /// Begins to throw away: so many octets of a literal, then the rest of the command. Then
    /// [`Frames::next`] says [`Framed::Swallowed`].
    pub(crate) fn swallow(&mut self, octets: u64) {
        self.mode = Mode::Swallow(Swallow {
            left: octets,
            message: true,
            ..Swallow::default()
        });
    }

    /// Takes what follows the message of an APPEND, or a part of it: the command's end, or the
    /// announcement of one more (RFC 3502, RFC 4469).
    pub(crate) fn behind_message(&mut self, octets_max: usize) -> Framed {
        self.behind = true;
        let framed = self.next(octets_max);
        self.behind = matches!(framed, Framed::Incomplete | Framed::Continue);
        framed
    }

    /// Takes the next command, if it has arrived.
    pub(crate) fn next(&mut self, command_octets_max: usize) -> Framed {
        loop {
            let framed = match &mut self.mode {
                Mode::Line => self.next_line(command_octets_max),
                Mode::Literal(left) => {
                    let octets = self.input.take(*left);
                    *left -= octets.len();
                    let whole = *left == 0;
                    let behind = self.behind;
                    shown::note_literal(&mut self.witness, &self.gathered, &octets, whole, behind);
                    self.gathered.extend_from_slice(&octets);
                    if !whole {
                        return Framed::Incomplete;
                    }
                    self.searched = 0;
                    self.mode = Mode::Line;
                    None
                }
                Mode::Swallow(swallow) => {
                    let framed = swallow.go_on(&mut self.input, &mut self.witness);
                    if !matches!(framed, Framed::Incomplete) {
                        self.mode = Mode::Line;
                    }
                    self.searched = 0;
                    Some(framed)
                }
            };
            if let Some(framed) = framed {
                return framed;
            }
        }
    }

    fn next_line(&mut self, octets_max: usize) -> Option<Framed> {
        let room = octets_max.saturating_sub(self.gathered.len());
        let unsearched = self.input.peek().get(self.searched..).unwrap_or_default();
        let Some(found) = memchr::memchr(b'\n', unsearched) else {
            self.searched = self.input.len();
            if self.searched <= room {
                return Some(Framed::Incomplete);
            }
            self.overflow();
            return None;
        };
        let end = self.searched + found + 1;
        if end > room {
            self.overflow();
            return None;
        }
        self.searched = 0;
        let line = self.input.take(end);
        shown::note_line(&mut self.witness, &self.gathered, &line, self.behind);
        let body = without_end(&line);
        let Some(literal) = announced(body) else {
            self.gathered.extend_from_slice(body);
            return Some(Framed::Command(std::mem::take(&mut self.gathered).freeze()));
        };
        let url = is_url(&self.gathered, body, literal.at, self.behind);
        if !url && (self.behind || is_message(&self.gathered, body, literal.at)) {
            self.gathered.extend_from_slice(body);
            return Some(Framed::Append(std::mem::take(&mut self.gathered).freeze()));
        }
        self.gathered.extend_from_slice(&line);
        self.literal(literal, octets_max)
    }

    fn literal(&mut self, literal: Announced, octets_max: usize) -> Option<Framed> {
        let room = octets_max.saturating_sub(self.gathered.len());
        let fits = usize::try_from(literal.octets)
            .ok()
            .filter(|octets| *octets <= room);
        match fits {
            Some(octets) => {
                self.mode = Mode::Literal(octets);
                literal.sync.then_some(Framed::Continue)
            }
            None => {
                let beginning = self.beginning();
                if literal.sync {
                    return Some(Framed::TooLarge(beginning, true));
                }
                self.mode = Mode::Swallow(Swallow {
                    left: literal.octets,
                    beginning: Some((beginning, true)),
                    ..Swallow::default()
                });
                None
            }
        }
    }

    /// Goes over to throwing away the line that has grown too long.
    fn overflow(&mut self) {
        let octets = self.input.peek();
        let line = memchr::memchr(b'\n', octets).unwrap_or(octets.len());
        let mut noted = 0;
        if self.gathered.is_empty() {
            let start = octets.get(..line.min(ANNOUNCEMENT_OCTETS_MAX));
            let start = start.unwrap_or_default();
            self.gathered.extend_from_slice(start);
            noted = shown::note_beginning(&mut self.witness, start);
        }
        let beginning = self.beginning();
        self.searched = 0;
        self.mode = Mode::Swallow(Swallow {
            beginning: Some((beginning, false)),
            noted,
            ..Swallow::default()
        });
    }

    /// The first octets of what was gathered, enough for a tag; the rest is freed.
    fn beginning(&mut self) -> Bytes {
        let mut gathered = std::mem::take(&mut self.gathered);
        gathered.truncate(ANNOUNCEMENT_OCTETS_MAX);
        Bytes::copy_from_slice(&gathered)
    }
}

impl Swallow {
    fn go_on(&mut self, input: &mut LineBuffer, witness: &mut Witness) -> Framed {
        loop {
            let skipped = input.take(usize::try_from(self.left).unwrap_or(usize::MAX));
            let count = u64::try_from(skipped.len()).unwrap_or(self.left);
            self.left -= count;
            if count > 0 {
                witness.note(|| match self.message {
                    true => Heard::Literal(skipped),
                    false => Heard::Hidden(count),
                });
            }
            if self.left > 0 || input.is_empty() {
                return Framed::Incomplete;
            }
            let octets = input.peek();
            let end = memchr::memchr(b'\n', octets).map(|at| at + 1);
            let taken = input.take(end.unwrap_or(octets.len()));
            let from = taken.len().saturating_sub(ANNOUNCEMENT_OCTETS_MAX);
            self.tail
                .extend_from_slice(taken.get(from..).unwrap_or_default());
            let over = self.tail.len().saturating_sub(ANNOUNCEMENT_OCTETS_MAX);
            self.tail.drain(..over);
            self.any |= !matches!(taken.as_ref(), b"\r\n" | b"\n" | b"\r");
            self.line += u64::try_from(taken.len()).unwrap_or_default();
            if end.is_none() {
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.saturating_sub(std::mem::take(&mut self.noted));
            witness.note(|| match self.any {
                true => Heard::Hidden(line),
                false => Heard::Shown(Bytes::from_static(b"\r\n")),
            });
            self.message = false;
            let tail = std::mem::take(&mut self.tail);
            match announced(without_end(&tail)) {
                // The peer waits with a synchronizing literal, and will hear no instead.
                Some(literal) if !literal.sync => self.left = literal.octets,
                _ => return self.report(),
            }
        }
    }

    fn report(&mut self) -> Framed {
        match self.beginning.take() {
            Some((beginning, literal)) => Framed::TooLarge(beginning, literal),
            None => Framed::Swallowed(self.any),
        }
    }
}

/// A line without its CRLF; a bare LF ends a line as well, since nothing hangs on it here.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The literal announced at a line's end.
fn announced(line: &[u8]) -> Option<Announced> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|&octet| octet == b'{')?;
    let digits = inner.get(open + 1..)?;
    let (digits, sync) = match digits {
        [digits @ .., b'+' | b'-'] => (digits, false),
        digits => (digits, true),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let octets = digits.iter().fold(0_u64, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    let tilde = open > 0 && line.get(open - 1) == Some(&b'~');
    let at = if tilde { open - 1 } else { open };
    Some(Announced { octets, sync, at })
}

/// True if the literal announced here is a URL that names a part of a message: `behind` another
/// part, or where a list of parts has begun.
fn is_url(gathered: &[u8], line: &[u8], at: usize, behind: bool) -> bool {
    let before = line.get(..at).unwrap_or_default();
    let Some((rest, word)) = before.split_last_chunk::<4>() else {
        return false;
    };
    word.eq_ignore_ascii_case(b"URL ")
        && matches!(rest.last(), Some(b' ' | b'('))
        && (behind || [gathered, before].iter().any(|text| begins_list(text)))
}

/// True if a list of parts begins in it.
fn begins_list(text: &[u8]) -> bool {
    const WORD: &[u8] = b" CATENATE (";
    let mut windows = text.windows(WORD.len());
    windows.any(|window| window.eq_ignore_ascii_case(WORD))
}

/// True if the literal announced here is the message of an APPEND or a REPLACE, or a text that is
/// part of it, not the name of its mailbox.
fn is_message(gathered: &[u8], line: &[u8], at: usize) -> bool {
    let start = if gathered.is_empty() { line } else { gathered };
    let mut words = start.split(|&octet| octet == b' ').skip(1);
    let mut verb = words.next().unwrap_or_default();
    // How many spaces stand before the mailbox's name.
    let mut spaces = 2;
    if verb.eq_ignore_ascii_case(b"UID") {
        verb = words.next().unwrap_or_default();
        spaces += 1;
    }
    if verb.eq_ignore_ascii_case(b"REPLACE") {
        // RFC 8508 §5
        spaces += 1;
    } else if spaces > 2 || !verb.eq_ignore_ascii_case(b"APPEND") {
        return false;
    }
    // The first literal is the mailbox's name if nothing stands before it there.
    let name = memchr::memchr_iter(b' ', line).nth(spaces - 1);
    !gathered.is_empty() || name.is_some_and(|space| at > space + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of `input`, cut every `cut` octets, with commands of up to 60 octets;
    /// messages of APPEND are taken as swallowed.
    fn frames(input: &[u8], cut: usize) -> Vec<String> {
        let mut frames = Frames::default();
        let mut seen = Vec::new();
        for piece in input.chunks(cut) {
            frames.extend(piece);
            loop {
                let framed = frames.next(60);
                match framed {
                    Framed::Incomplete => break,
                    Framed::Append(line) => {
                        frames.swallow(announced(&line).unwrap().octets);
                        seen.push(format!("append {}", line.escape_ascii()));
                    }
                    Framed::Command(line) => seen.push(line.escape_ascii().to_string()),
                    Framed::TooLarge(line, literal) => {
                        let tag = line.split(|&octet| octet == b' ').next().unwrap();
                        seen.push(format!("too large {} {literal}", tag.escape_ascii()));
                    }
                    other => seen.push(format!("{other:?}")),
                }
            }
        }
        seen
    }

    fn compare((input, expected): (&[u8], &[&str])) {
        for cut in 1..=input.len() {
            let input_shown = input.escape_ascii();
            assert_eq!(frames(input, cut), expected, "{cut}: {input_shown}");
        }
    }

    #[test]
    fn any_cut_gives_the_same_frames() {
        let cases: [(&[u8], &[&str]); 11] = [
            (b"a NOOP\r\nb NOOP\nc", &["a NOOP", "b NOOP"]),
            (
                b"a LOGIN {3+}\r\nada {2+}\r\nxy\r\nb NOOP\r\n",
                &["a LOGIN {3+}\\r\\nada {2+}\\r\\nxy", "b NOOP"],
            ),
            (
                b"a LOGIN {3}\r\nada x\r\n",
                &["Continue", "a LOGIN {3}\\r\\nada x"],
            ),
            (
                b"a APPEND box () {7+}\r\nb NOOP\r\r\nc NOOP\r\n",
                &["append a APPEND box () {7+}", "Swallowed(false)", "c NOOP"],
            ),
            (
                b"a append {3+}\r\nbox {5+}\r\nhello {3+}\r\nyes\r\nc NOOP\r\n",
                &[
                    "append a append {3+}\\r\\nbox {5+}",
                    "Swallowed(true)",
                    "c NOOP",
                ],
            ),
            (
                b"a REPLACE 4 {3+}\r\nbox {5+}\r\nhello\r\nb replace 4 x {2+}\r\n{}\r\nc NOOP\r\n",
                &[
                    "append a REPLACE 4 {3+}\\r\\nbox {5+}",
                    "Swallowed(false)",
                    "append b replace 4 x {2+}",
                    "Swallowed(false)",
                    "c NOOP",
                ],
            ),
            (
                b"a uid replace 4 box () {7+}\r\nb NOOP\r\r\nc UID COPY 4 {1+}\r\nx\r\n",
                &[
                    "append a uid replace 4 box () {7+}",
                    "Swallowed(false)",
                    "c UID COPY 4 {1+}\\r\\nx",
                ],
            ),
            (
                b"a LOGIN {100+}\r\n0123456789012345678901234567890123456789\
                  012345678901234567890123456789012345678901234567890123456789 {3+}\r\na b\r\n\
                  b NOOP\r\n",
                &["too large a true", "b NOOP"],
            ),
            (
                b"a LOGIN {100}\r\nb NOOP\r\n",
                &["too large a true", "b NOOP"],
            ),
            (
                b"tag 0123456789012345678901234567890123456789012345678901234567890 {9+}\r\n\
                  b LOGOUT\n\r\nc NOOP\r\n",
                &["too large tag false", "c NOOP"],
            ),
            (
                b"tag 0123456789012345678901234567890123456789012345678901234567890 {9}\r\n\
                  c NOOP\r\n",
                &["too large tag false", "c NOOP"],
            ),
        ];
        cases.into_iter().for_each(compare);
    }

    #[test]
    fn urls_belong_to_the_frame_and_texts_do_not() {
        let cases: [(&[u8], &[&str]); 2] = [
            (
                b"a APPEND x CATENATE (URL {3+}\r\n/x/ text {4+}\r\nb NO\r\nc NOOP\r\n",
                &[
                    "append a APPEND x CATENATE (URL {3+}\\r\\n/x/ text {4+}",
                    "Swallowed(false)",
                    "c NOOP",
                ],
            ),
            (
                b"a APPEND URL {4+}\r\nb NO\r\nc append {3+}\r\nx y catenate (url {1}\r\nz)\r\n",
                &[
                    "append a APPEND URL {4+}",
                    "Swallowed(false)",
                    "Continue",
                    "c append {3+}\\r\\nx y catenate (url {1}\\r\\nz)",
                ],
            ),
        ];
        cases.into_iter().for_each(compare);
    }

    #[test]
    fn ten_gigabytes_cost_no_memory() {
        let mut frames = Frames::default();
        frames.extend(b"a LOGIN {10000000000+}\r\n");
        assert_eq!(frames.next(60), Framed::Incomplete);
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..100 {
            frames.extend(&piece);
            assert_eq!(frames.next(60), Framed::Incomplete);
            assert!(frames.input.is_empty());
        }
    }

    #[test]
    fn nothing_is_kept_between_commands() {
        let mut frames = Frames::default();
        frames.extend(b"a LOGIN {3+}\r\nada {3+}\r\nxyz\r\n");
        assert!(matches!(frames.next(60), Framed::Command(_)));
        assert_eq!(frames.next(60), Framed::Incomplete);
        assert_eq!(frames.gathered.capacity(), 0);
        assert!(frames.input.is_empty());
    }
}
