//! APPEND: its messages pass through, piece by piece (RFC 9051 §6.3.12, RFC 3502, RFC 4315 §3).

use mail::{UidSet, UidValidity};

use super::state::{Incoming, Task, Wait};
use super::{Moment, Session};
use crate::Tag;
use crate::ask::Ask;
use crate::command::{Append, Command, LiteralHeader};
use crate::diagram::Verb;
use crate::frame::Framed;
use crate::response::{Code, Response, Status};

impl Session {
    /// Begins with the command up to the announcement of its message.
    pub(super) fn append(&mut self, frame: &[u8]) {
        match Command::parse_as(frame, self.names()) {
            Ok((tag, Command::Append(append))) => self.begin_append(tag, append),
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
        let literal = append.message.literal;
        if !self.phase().allows(Verb::Append) {
            if !literal.sync {
                self.frames.swallow(literal.octets);
            }
            let status = Status::bad("Log in first").with(Code::ClientBug);
            return self.bad(Some(&tag), &status);
        }
        self.bad_commands = 0;
        let message = append.message;
        let incoming = Incoming {
            tag,
            left: literal.octets,
            binary: literal.binary,
            message: 1,
            octets: literal.octets,
        };
        if let Some(status) = self.unwelcome(&incoming) {
            return self.append_refused(incoming.tag, status, literal);
        }
        let ask = Ask::AppendBegin {
            name: append.mailbox.as_str().to_owned(),
            flags: message.flags,
            date: message.date,
            octets: literal.octets,
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

    pub(super) fn append_refused(&mut self, tag: Tag, status: Status, literal: LiteralHeader) {
        if literal.sync {
            self.conclude(tag, Verb::Append, status, Moment::Free, false);
        } else {
            self.frames.swallow(literal.octets);
            self.task = Task::Swallow(tag, Verb::Append, status);
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
        if let Task::Message(incoming) = std::mem::take(&mut self.task) {
            if incoming.binary && memchr::memchr(0, &chunk).is_some() {
                self.refuse_binary(incoming);
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
        self.forget(incoming.tag, status);
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
        match framed {
            Framed::Command(rest) if matches!(rest.as_ref(), b"" | b"\r") => {
                self.wait(Ask::AppendEnd, Wait::AppendEnded(incoming.tag));
            }
            Framed::Append(frame) => self.append_more(incoming, &frame),
            _ => {
                let status = Status::bad("Expected one more message, or the end");
                self.forget(incoming.tag, status);
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
                return self.forget(incoming.tag, Status::bad(text));
            }
        };
        let literal = message.literal;
        let incoming = Incoming {
            tag: incoming.tag,
            left: literal.octets,
            binary: literal.binary,
            message: incoming.message.saturating_add(1),
            octets: incoming.octets.saturating_add(literal.octets),
        };
        if let Some(status) = self.unwelcome(&incoming) {
            if !literal.sync {
                self.frames.swallow(literal.octets);
            }
            return self.forget(incoming.tag, status);
        }
        let ask = Ask::AppendNext {
            flags: message.flags,
            date: message.date,
            octets: literal.octets,
        };
        self.wait(ask, Wait::AppendBegun(incoming, literal));
    }

    /// Lets the house forget what came, and ends the command.
    fn forget(&mut self, tag: Tag, status: Status) {
        self.wait(Ask::AppendAbort, Wait::AppendForgotten(tag, status));
    }

    pub(super) fn appended(&mut self, tag: Tag, uid_validity: UidValidity, uids: UidSet) {
        let status = Status::ok("Appended").with(Code::AppendUid(uid_validity, uids));
        self.conclude(tag, Verb::Append, status, Moment::Free, true);
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
