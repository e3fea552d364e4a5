//! APPEND: the message passes through, piece by piece (RFC 9051 §6.3.12, RFC 4315 §3).

use mail::{Uid, UidSet, UidValidity};

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
        let literal = append.literal;
        if !self.phase().allows(Verb::Append) {
            if !literal.sync {
                self.frames.swallow(literal.octets);
            }
            let status = Status::bad("Log in first").with(Code::ClientBug);
            return self.bad(Some(&tag), &status);
        }
        self.bad_commands = 0;
        if literal.octets > self.policy.append_octets_max {
            let status = Status::no("The message is too large").with(Code::TooBig);
            return self.append_refused(tag, status, literal);
        }
        let ask = Ask::AppendBegin {
            name: append.mailbox.as_str().to_owned(),
            flags: append.flags,
            date: append.date,
            octets: literal.octets,
        };
        self.wait(ask, Wait::AppendBegun(tag, literal));
    }

    pub(super) fn append_refused(&mut self, tag: Tag, status: Status, literal: LiteralHeader) {
        if literal.sync {
            self.conclude(tag, Verb::Append, status, Moment::Free, false);
        } else {
            self.frames.swallow(literal.octets);
            self.task = Task::Swallow(tag, Verb::Append, status);
        }
    }

    pub(super) fn append_begun(&mut self, tag: Tag, literal: LiteralHeader) {
        if literal.sync {
            self.write(&Response::Continue("Ready".to_owned()));
        }
        self.append_goes_on(Incoming {
            tag,
            left: literal.octets,
            binary: literal.binary,
        });
    }

    pub(super) fn append_goes_on(&mut self, incoming: Incoming) {
        if incoming.left > 0 {
            self.task = Task::Message(incoming);
        } else {
            self.frames.swallow(0);
            self.task = Task::MessageEnd(incoming.tag);
        }
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
        let wait = Wait::AppendForgotten(incoming.tag, status);
        self.wait(Ask::AppendAbort, wait);
    }

    pub(super) fn take_message_end(&mut self) -> bool {
        let more = match self.frames.next(self.policy.command_octets_max) {
            Framed::Incomplete => return false,
            Framed::Swallowed(more) => more,
            _ => true,
        };
        if let Task::MessageEnd(tag) = std::mem::take(&mut self.task) {
            if more {
                let status = Status::bad("One message at a time");
                self.wait(Ask::AppendAbort, Wait::AppendForgotten(tag, status));
            } else {
                self.wait(Ask::AppendEnd, Wait::AppendEnded(tag));
            }
        }
        true
    }

    pub(super) fn appended(&mut self, tag: Tag, uid_validity: UidValidity, uid: Uid) {
        let code = Code::AppendUid(uid_validity, UidSet::from_range(uid..=uid));
        let status = Status::ok("Appended").with(code);
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
