//! APPEND and REPLACE: their messages pass through, piece by piece (RFC 9051 §6.3.12, RFC 3502,
//! RFC 4315 §3, RFC 6855 §4, RFC 8508).

use mail::{Uid, UidSet, UidValidity};

use super::state::{HeaderLine, Incoming, Task, Wait};
use super::store::read_only;
use super::{Moment, Session, uid_only};
use crate::ask::{Ask, Place};
use crate::command::{Append, Command, LiteralHeader, Replace};
use crate::diagram::Verb;
use crate::frame::Framed;
use crate::response::{Code, Response, Status};
use crate::{Names, SequenceRange, SequenceSet, Tag};

impl Session {
    /// Begins with the command up to the announcement of its message.
    pub(super) fn append(&mut self, frame: &[u8]) {
        match Command::parse_as(frame, self.names()) {
            Ok((tag, Command::Append(append))) => self.begin_append(tag, append),
            Ok((tag, Command::Replace(replace))) => self.begin_replace(tag, replace),
            Ok((tag, _)) => self.bad(Some(&tag), &Status::bad("A message nobody asked for")),
            Err(failure) => {
                // Whoever does not wait has sent the message already: it must go somewhere.
                if let Some(literal) = unsynchronized(frame) {
                    self.frames.swallow(literal);
                }
                self.refuse_frame(&failure);
            }
        }
    }

    fn begin_append(&mut self, tag: Tag, append: Append) {
        if self.welcomes(&tag, Verb::Append, append.message.literal) {
            self.ask_append(tag, Verb::Append, append, None);
        }
    }

    fn begin_replace(&mut self, tag: Tag, replace: Replace) {
        let (verb, literal) = (Verb::Replace, replace.append.message.literal);
        if !self.welcomes(&tag, verb, literal) {
            return;
        }
        if self.is_read_only() {
            return self.append_refused(tag, verb, read_only(), literal);
        }
        if self.uid_only && !replace.uid {
            return self.append_refused(tag, verb, uid_only::required(), literal);
        }
        match self.replaced(&replace) {
            Ok(replaced) => self.ask_append(tag, verb, replace.append, Some(replaced)),
            Err(status) => self.append_refused(tag, verb, status, literal),
        }
    }

    /// The message that goes, if there is one.
    fn replaced(&self, replace: &Replace) -> Result<(Place, Uid), Status> {
        let (from, to) = (replace.number, replace.number);
        let set = SequenceSet::Ranges(vec![SequenceRange { from, to }]);
        let uids = self.resolve(&set, replace.uid)?;
        let mailbox = self.state.open().map(|open| open.mailbox);
        let none = || Status::no("There is no such message");
        mailbox.zip(uids.first()).ok_or_else(none)
    }

    /// True if such a command is in place; otherwise it has been refused.
    fn welcomes(&mut self, tag: &Tag, verb: Verb, literal: LiteralHeader) -> bool {
        if self.phase().allows(verb) {
            self.bad_commands = 0;
            return true;
        }
        if !literal.sync {
            self.frames.swallow(literal.octets);
        }
        self.refuse_here(tag, verb);
        false
    }

    fn ask_append(&mut self, tag: Tag, verb: Verb, append: Append, replaces: Option<(Place, Uid)>) {
        let message = append.message;
        let literal = message.literal;
        let incoming = Incoming {
            tag,
            verb,
            left: literal.octets,
            binary: literal.binary,
            utf8: literal.utf8,
            header: self.ascii_header(),
            message: 1,
            octets: literal.octets,
        };
        if let Some(status) = self.unwelcome(&incoming) {
            return self.append_refused(incoming.tag, verb, status, literal);
        }
        let ask = Ask::AppendBegin {
            name: append.mailbox.as_str().to_owned(),
            flags: message.flags,
            date: message.date,
            octets: literal.octets,
            replaces,
        };
        self.wait(ask, Wait::AppendBegun(incoming, literal));
    }

    /// Why a message that is announced is not taken, if it is not.
    fn unwelcome(&self, incoming: &Incoming) -> Option<Status> {
        let policy = &self.policy;
        let refused = if incoming.left == 0 {
            // RFC 3502 §6.3.11
            ("An empty message is none", Code::Cannot)
        } else if incoming.left > policy.append_octets_max {
            ("The message is too large", Code::TooBig)
        } else if incoming.octets > policy.append_all_octets_max {
            ("These are too many octets at once", Code::Limit)
        } else if incoming.message > policy.append_messages_max {
            ("These are too many messages at once", Code::Limit)
        } else {
            return None;
        };
        Some(Status::no(refused.0).with(refused.1))
    }

    pub(super) fn append_refused(
        &mut self,
        tag: Tag,
        verb: Verb,
        status: Status,
        literal: LiteralHeader,
    ) {
        if literal.sync {
            self.conclude(tag, verb, status, Moment::Free, false);
        } else {
            self.frames.swallow(literal.octets);
            self.task = Task::Swallow(tag, verb, status);
        }
    }

    pub(super) fn append_begun(&mut self, incoming: Incoming, literal: LiteralHeader) {
        if literal.sync {
            self.write(&Response::Continue("Ready".to_owned()));
        }
        self.append_goes_on(incoming);
    }

    pub(super) fn append_goes_on(&mut self, incoming: Incoming) {
        self.task = if incoming.left > 0 {
            Task::Message(incoming)
        } else {
            Task::MessageEnd(incoming)
        };
    }

    pub(super) fn take_message(&mut self) -> bool {
        let Task::Message(incoming) = &mut self.task else {
            return false;
        };
        let most = u64::try_from(self.policy.chunk_octets_max).unwrap_or(incoming.left);
        let chunk = self.frames.take(incoming.left.min(most));
        if chunk.is_empty() {
            return false;
        }
        let octets = u64::try_from(chunk.len()).unwrap_or(incoming.left);
        incoming.left = incoming.left.saturating_sub(octets);
        if let Task::Message(mut incoming) = std::mem::take(&mut self.task) {
            if incoming.binary && memchr::memchr(0, &chunk).is_some() {
                self.refuse_binary(incoming);
            } else if incoming.has_unwelcome(&chunk) {
                self.refuse_utf8(incoming);
            } else {
                self.wait(Ask::AppendChunk(chunk), Wait::AppendTaken(incoming));
            }
        }
        true
    }

    /// Messages are kept as they are, and clients that do not know BINARY must be able to read
    /// them: octets that only a literal8 can carry are not taken.
    fn refuse_binary(&mut self, incoming: Incoming) {
        // RFC 3516 §4.4
        let status = Status::no("Encode it without NUL").with(Code::UnknownCte);
        self.frames.swallow(incoming.left);
        self.forget(incoming, status);
    }

    /// Whoever has not said that UTF-8 in header fields is understood would not get back what it
    /// means.
    fn refuse_utf8(&mut self, incoming: Incoming) {
        // RFC 6855 §4
        let status = Status::no("Enable UTF8=ACCEPT, or encode the header fields");
        self.frames.swallow(incoming.left);
        self.forget(incoming, status.with(Code::Cannot));
    }

    /// Where the header of a message that comes must be watched.
    fn ascii_header(&self) -> Option<HeaderLine> {
        let watched = self.names() == Names::Utf7 && !self.policy.raw_headers;
        watched.then_some(HeaderLine::Blank)
    }

    /// Takes what follows a message: the command's end, or one more message (RFC 3502).
    pub(super) fn take_message_end(&mut self) -> bool {
        let framed = self.frames.behind_message(self.policy.command_octets_max);
        if framed == Framed::Incomplete {
            return false;
        }
        let Task::MessageEnd(incoming) = std::mem::take(&mut self.task) else {
            return true;
        };
        // RFC 6855 §4
        let close: &[u8] = if incoming.utf8 { b")" } else { b"" };
        match framed {
            Framed::Command(rest) if matches!(rest.strip_prefix(close), Some(b"" | b"\r")) => {
                self.wait(
                    Ask::AppendEnd,
                    Wait::AppendEnded(incoming.tag, incoming.verb),
                );
            }
            Framed::Append(frame) if frame.starts_with(close) => {
                self.append_more(incoming, frame.get(close.len()..).unwrap_or_default());
            }
            _ => {
                let status = Status::bad("Expected one more message, or the end");
                self.forget(incoming, status);
            }
        }
        true
    }

    fn append_more(&mut self, incoming: Incoming, frame: &[u8]) {
        let message = match Command::parse_append_more(frame) {
            Ok(message) => message,
            Err(error) => {
                if let Some(octets) = unsynchronized(frame) {
                    self.frames.swallow(octets);
                }
                let text = format!("Expected {} behind the message", error.expected);
                return self.forget(incoming, Status::bad(text));
            }
        };
        let literal = message.literal;
        let incoming = Incoming {
            tag: incoming.tag,
            verb: incoming.verb,
            left: literal.octets,
            binary: literal.binary,
            utf8: literal.utf8,
            header: self.ascii_header(),
            message: incoming.message.saturating_add(1),
            octets: incoming.octets.saturating_add(literal.octets),
        };
        // RFC 8508 §4.7
        let alone = (incoming.verb == Verb::Replace)
            .then(|| Status::bad("One message takes the place of another"));
        if let Some(status) = alone.or_else(|| self.unwelcome(&incoming)) {
            if !literal.sync {
                self.frames.swallow(literal.octets);
            }
            return self.forget(incoming, status);
        }
        let ask = Ask::AppendNext {
            flags: message.flags,
            date: message.date,
            octets: literal.octets,
        };
        self.wait(ask, Wait::AppendBegun(incoming, literal));
    }

    /// Lets the house forget what came, and ends the command.
    fn forget(&mut self, incoming: Incoming, status: Status) {
        let wait = Wait::AppendForgotten(incoming.tag, incoming.verb, status);
        self.wait(Ask::AppendAbort, wait);
    }

    pub(super) fn appended(
        &mut self,
        tag: Tag,
        verb: Verb,
        uid_validity: UidValidity,
        uids: UidSet,
    ) {
        self.note_filed(uid_validity, &uids);
        let code = Code::AppendUid(uid_validity, uids);
        let status = if verb == Verb::Replace {
            // RFC 8508 §4.3
            self.untagged(&Status::ok("The new message").with(code));
            Status::ok("Replaced")
        } else {
            Status::ok("Appended").with(code)
        };
        self.conclude(tag, verb, status, Moment::Free, true);
    }
}

/// The octets announced at the end of a frame, if the peer does not wait to send them.
fn unsynchronized(frame: &[u8]) -> Option<u64> {
    let digits = frame
        .strip_suffix(b"+}")
        .or_else(|| frame.strip_suffix(b"-}"))?;
    let open = digits.iter().rposition(|&octet| octet == b'{')?;
    let digits = std::str::from_utf8(digits.get(open + 1..)?).ok()?;
    digits.parse().ok()
}
