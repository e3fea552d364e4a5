//! APPEND and REPLACE: their messages pass through, piece by piece (RFC 9051 §6.3.12, RFC 3502,
//! RFC 4315 §3, RFC 6855 §4, RFC 8508).
//!
//! What a frame announces is done in its order; behind the octets of a literal comes the next
//! frame. Not here: messages of parts (`catenate`).

use std::collections::VecDeque;

use mail::{Uid, UidSet, UidValidity};

use super::state::{Due, Incoming, Task, Wait};
use super::store::read_only;
use super::{Moment, Session, uid_only};
use crate::ask::{Ask, HeaderWatch, Place};
use crate::command::append::AppendRest;
use crate::command::{Append, Command, LiteralHeader, Replace};
use crate::diagram::Verb;
use crate::frame::Framed;
use crate::response::{Code, Response, Status};
use crate::{Names, SequenceRange, SequenceSet, Tag};

impl Session {
    /// Begins with the command up to the octets of its first literal.
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

    pub(super) fn begin_append(&mut self, tag: Tag, append: Append) {
        if self.welcomes(&tag, Verb::Append, append.literal()) {
            self.ask_append(tag, Verb::Append, append, None);
        }
    }

    pub(super) fn begin_replace(&mut self, tag: Tag, replace: Replace) {
        let (verb, literal) = (Verb::Replace, replace.append.literal());
        if !self.welcomes(&tag, verb, literal) {
            return;
        }
        if self.is_read_only() {
            return self.refuse_append(tag, verb, read_only(), literal);
        }
        if self.uid_only && !replace.uid {
            return self.refuse_append(tag, verb, uid_only::required(), literal);
        }
        match self.replaced(&replace) {
            Ok(replaced) => self.ask_append(tag, verb, replace.append, Some(replaced)),
            Err(status) => self.refuse_append(tag, verb, status, literal),
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
    fn welcomes(&mut self, tag: &Tag, verb: Verb, literal: Option<LiteralHeader>) -> bool {
        if self.phase().allows(verb) {
            self.bad_commands = 0;
            return true;
        }
        self.shun(literal);
        self.refuse_here(tag, verb);
        false
    }

    /// Throws away what comes if the peer does not wait; true if so.
    fn shun(&mut self, literal: Option<LiteralHeader>) -> bool {
        let coming = literal.filter(|literal| !literal.sync);
        if let Some(literal) = coming {
            self.frames.swallow(literal.octets);
        }
        coming.is_some()
    }

    fn ask_append(&mut self, tag: Tag, verb: Verb, append: Append, replaces: Option<(Place, Uid)>) {
        let mut incoming = Incoming {
            tag,
            verb,
            left: 0,
            binary: false,
            utf8: false,
            listed: false,
            header: HeaderWatch::Over,
            message: 0,
            parts: 0,
            message_octets: 0,
            octets: 0,
            due: VecDeque::new(),
        };
        incoming.announce(AppendRest {
            parts: None,
            messages: append.messages,
        });
        let Some(Due::Message {
            flags,
            date,
            octets,
        }) = incoming.due.pop_front()
        else {
            return self.fault();
        };
        incoming.begin(octets, self.watched_header());
        if let Some(status) = self.unwelcome(&incoming) {
            return self.append_refused(incoming, status);
        }
        let ask = Ask::AppendBegin {
            name: append.mailbox.as_str().to_owned(),
            flags,
            date,
            octets,
            replaces,
        };
        self.wait(ask, Wait::AppendBegun(incoming));
    }

    /// Why what is announced is not taken, if it is not.
    pub(super) fn unwelcome(&self, incoming: &Incoming) -> Option<Status> {
        let policy = &self.policy;
        let refused = if incoming.is_empty() {
            // RFC 3502 §6.3.11
            ("An empty message is none", Code::Cannot)
        } else if incoming.message_octets > policy.append_octets_max {
            ("The message is too large", Code::TooBig)
        } else if incoming.octets > policy.append_all_octets_max {
            ("These are too many octets at once", Code::Limit)
        } else if incoming.message > policy.append_messages_max {
            ("These are too many messages at once", Code::Limit)
        } else if incoming.parts > policy.catenate_parts_max {
            ("These are too many parts at once", Code::Limit)
        } else {
            return None;
        };
        Some(Status::no(refused.0).with(refused.1))
    }

    /// Ends a command of which the house keeps nothing.
    pub(super) fn append_refused(&mut self, incoming: Incoming, status: Status) {
        let literal = incoming.literal();
        self.refuse_append(incoming.tag, incoming.verb, status, literal);
    }

    fn refuse_append(
        &mut self,
        tag: Tag,
        verb: Verb,
        status: Status,
        literal: Option<LiteralHeader>,
    ) {
        if self.shun(literal) {
            self.task = Task::Swallow(tag, verb, status);
        } else {
            self.conclude(tag, verb, status, Moment::Free, false);
        }
    }

    /// Does what was announced, up to what the house is needed for, or the peer.
    pub(super) fn append_proceeds(&mut self, mut incoming: Incoming) {
        match incoming.due.pop_front() {
            Some(Due::Message {
                flags,
                date,
                octets,
            }) => {
                incoming.begin(octets, self.watched_header());
                // RFC 8508 §4.7
                let alone = (incoming.verb == Verb::Replace)
                    .then(|| Status::bad("One message takes the place of another"));
                if let Some(status) = alone.or_else(|| self.unwelcome(&incoming)) {
                    return self.forget(incoming, status);
                }
                let ask = Ask::AppendNext {
                    flags,
                    date,
                    octets,
                };
                self.wait(ask, Wait::AppendBegun(incoming));
            }
            Some(Due::Literal(literal)) => self.begin_literal(incoming, literal),
            Some(Due::Url(url)) => self.stored_part(incoming, url),
            Some(Due::Text(literal)) => self.text_part(incoming, literal),
            Some(Due::ListEnd) => self.end_parts(incoming),
            None => {
                let wait = Wait::AppendEnded(incoming.tag, incoming.verb);
                self.wait(Ask::AppendEnd, wait);
            }
        }
    }

    fn begin_literal(&mut self, mut incoming: Incoming, literal: LiteralHeader) {
        incoming.left = literal.octets;
        incoming.binary = literal.binary;
        incoming.utf8 = literal.utf8;
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
                self.frames.swallow(incoming.left);
                self.refuse_binary(incoming);
                return true;
            }
            incoming.header.pass(&chunk);
            if incoming.header == HeaderWatch::Unwelcome {
                self.frames.swallow(incoming.left);
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
        self.forget(incoming, status);
    }

    /// Whoever has not said that UTF-8 in header fields is understood would not get back what it
    /// means.
    pub(super) fn refuse_utf8(&mut self, incoming: Incoming) {
        // RFC 6855 §4
        let status = Status::no("Enable UTF8=ACCEPT, or encode the header fields");
        self.forget(incoming, status.with(Code::Cannot));
    }

    /// Where the header of a message that comes must be watched.
    fn watched_header(&self) -> HeaderWatch {
        if self.names() == Names::Utf7 && !self.policy.raw_headers {
            HeaderWatch::Blank
        } else {
            HeaderWatch::Over
        }
    }

    /// Takes what follows a literal: the command's end, one more message (RFC 3502), or one more
    /// part of it (RFC 4469).
    pub(super) fn take_message_end(&mut self) -> bool {
        let framed = self.frames.behind_message(self.policy.command_octets_max);
        match framed {
            Framed::Incomplete => return false,
            Framed::Continue => {
                self.write(&Response::Continue("Ready".to_owned()));
                return true;
            }
            _ => {}
        }
        let Task::MessageEnd(incoming) = std::mem::take(&mut self.task) else {
            return true;
        };
        match framed {
            Framed::Command(frame) => self.append_follows(incoming, &frame, None),
            Framed::Append(frame) => {
                self.append_follows(incoming, &frame, unsynchronized(&frame));
            }
            Framed::TooLarge(_, true) => {
                let status = Status::bad("The literal is too large").with(Code::TooBig);
                self.forget(incoming, status);
            }
            _ => self.forget(incoming, nothing_expected()),
        }
        true
    }

    /// Takes a frame behind a literal; `coming` are the octets that follow it in any case.
    fn append_follows(&mut self, mut incoming: Incoming, frame: &[u8], coming: Option<u64>) {
        // RFC 6855 §4
        let close: &[u8] = if incoming.utf8 { b")" } else { b"" };
        let rest = frame.strip_prefix(close).map(|rest| match rest {
            b"\r" => b"",
            rest => rest,
        });
        let parsed = rest.map(|rest| Command::parse_append_rest(rest, incoming.listed));
        let status = match parsed {
            Some(Ok(rest)) => {
                incoming.announce(rest);
                return self.append_proceeds(incoming);
            }
            Some(Err(error)) if coming.is_some() || incoming.listed => {
                let what = if incoming.listed { "part" } else { "message" };
                Status::bad(format!("Expected {} behind the {what}", error.expected))
            }
            _ => nothing_expected(),
        };
        if let Some(octets) = coming {
            self.frames.swallow(octets);
        }
        self.forget(incoming, status);
    }

    /// Lets the house forget what came, and ends the command.
    pub(super) fn forget(&mut self, incoming: Incoming, status: Status) {
        self.shun(incoming.literal());
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

fn nothing_expected() -> Status {
    Status::bad("Expected one more message, or the end")
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
