//! Bodies: DATA up to its lone dot, BDAT chunk by chunk.
//!
//! The octets leave as they come, in large slices; a body that is refused is read to its end and
//! thrown away, so that what follows is a command again.

use bytes::{Bytes, BytesMut};
use mail::Refusal;
use wire::witness::Heard;

use super::commands::too_big;
use super::{Awaiting, Envelope, Session, State, fitted, reply, unanswered};
use crate::diagram::Verb;
use crate::policy::{Policy, Service};
use crate::scanner::Scanner;
use crate::{Answer, Ask, Reply};

/// Slices smaller than this are gathered,
const SLICE_OCTETS_MIN: usize = 4096;
/// until there are so many octets.
const GATHERED_OCTETS_MAX: usize = 64 * 1024;

/// The body that is being read.
#[derive(Debug, Default)]
pub(super) struct Body {
    scanner: Scanner,
    /// True for text with dots, false for chunks.
    dotted: bool,
    octets: u64,
    octets_max: u64,
    line_octets_max: usize,
    gathered: BytesMut,
    /// The house's refusal.
    refusal: Option<Refusal>,
    ended: bool,
    /// Octets thrown away of which it is not clear yet whether they are the end.
    pub(super) held: usize,
}

/// A chunk of BDAT that is being read.
#[derive(Debug)]
pub(super) struct Chunk {
    left: u64,
    verb: Verb,
    /// Why it is thrown away.
    refusal: Option<Reply>,
    /// True if it belongs to no body at all.
    stray: bool,
    binary: bool,
}

impl Body {
    pub(super) fn new(policy: &Policy, dotted: bool) -> Self {
        Self {
            dotted,
            octets_max: policy.message_octets_max,
            line_octets_max: policy.text_line_octets_max.max(1000),
            ..Self::default()
        }
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refusal = self.refusal.take().or(Some(refusal));
    }

    /// Takes text; gives what is ready for the house.
    fn add(&mut self, text: Bytes) -> Option<Bytes> {
        self.octets = self.octets.saturating_add(text.len() as u64);
        if self.is_hopeless() {
            self.gathered = BytesMut::new();
            return None;
        }
        if text.is_empty() {
            return None;
        }
        if self.gathered.is_empty() && text.len() >= SLICE_OCTETS_MIN {
            return Some(text);
        }
        self.gathered.extend_from_slice(&text);
        let full = self.gathered.len() >= GATHERED_OCTETS_MAX;
        full.then(|| self.gathered.split().freeze())
    }

    /// What is gathered, if anything.
    fn rest(&mut self) -> Option<Bytes> {
        let rest = std::mem::take(&mut self.gathered);
        (!rest.is_empty() && !self.is_hopeless()).then(|| rest.freeze())
    }

    const fn is_hopeless(&self) -> bool {
        self.scanner.bare
            || self.octets > self.octets_max
            || (self.dotted && self.scanner.longest > self.line_octets_max)
            || self.refusal.is_some()
    }

    /// Why the body is refused, the same however it was cut.
    fn objection(&self, verb: Verb) -> Option<Reply> {
        let open = verb == Verb::Last && self.scanner.is_open();
        if self.scanner.bare || open {
            // RFC 5321 §2.3.8
            let text = "CR or LF alone in the message";
            return Some(reply(550, (5, 6, 11), text));
        }
        if self.octets > self.octets_max {
            return Some(too_big(self.octets_max));
        }
        if self.dotted && self.scanner.longest > self.line_octets_max {
            // RFC 5321 §4.5.3.1.6
            let text = format!("A line may have {} octets", self.line_octets_max);
            return Some(reply(500, (5, 6, 0), text));
        }
        self.refusal.as_ref().map(|refusal| fitted(verb, refusal))
    }
}

impl Session {
    /// The house has said whether the body may come.
    pub(super) fn body_answered(&mut self, envelope: Envelope, answer: Answer) {
        let refusal = match answer {
            Answer::Done => None,
            Answer::Refused(refusal) => Some(refusal),
            _ => Some(unanswered()),
        };
        match (&mut self.chunk, refusal) {
            (None, None) => {
                let text = "Go on; end with a dot alone on a line";
                let replies = vec![Reply::new(354, None, text)];
                self.conclude(Verb::Data, replies, State::Data(envelope));
            }
            (None, Some(refusal)) => self.refuse_with(Verb::Data, &refusal),
            (Some(chunk), refusal) => {
                chunk.refusal = refusal.map(|refusal| fitted(chunk.verb, &refusal));
            }
        }
    }

    /// Works on the input of DATA; false if more is needed.
    pub(super) fn read_data(&mut self) -> bool {
        if self.body.ended {
            match self.body.rest() {
                Some(rest) => self.put(Ask::Chunk(rest), Awaiting::Chunk),
                None => self.end(Verb::End),
            }
            return true;
        }
        if self.input.is_empty() {
            return match self.body.rest() {
                Some(rest) => {
                    self.put(Ask::Chunk(rest), Awaiting::Chunk);
                    true
                }
                None => false,
            };
        }
        let piece = self.body.scanner.scan(self.input.peek());
        self.note_text(piece);
        let text = self.input.take(piece.text);
        self.input.skip(piece.drop);
        self.body.ended = piece.end;
        if let Some(octets) = self.body.add(text) {
            self.put(Ask::Chunk(octets), Awaiting::Chunk);
        }
        true
    }

    /// A chunk has been announced; its octets are read whatever becomes of it (RFC 3030 §2).
    pub(super) fn bdat(&mut self, verb: Verb, octets: u64, last: bool, admitted: bool) {
        let envelope = self.state.envelope().unwrap_or_default();
        let mut chunk = Chunk {
            left: octets,
            verb: if last { Verb::Last } else { verb },
            refusal: None,
            stray: !admitted,
            binary: envelope.binary,
        };
        if !admitted {
            let text = "No transaction with recipients, or a chunk of it has failed";
            chunk.refusal = Some(reply(503, (5, 5, 1), text));
        } else if matches!(self.state, State::Rcpt(_)) {
            *self.body = Body::new(&self.policy, false);
            self.put(Ask::Body, Awaiting::Body(envelope));
        }
        self.chunk = Some(chunk);
    }

    /// Works on the octets of a chunk; false if more is needed.
    pub(super) fn read_chunk(&mut self) -> bool {
        let Some(chunk) = &mut self.chunk else {
            return false;
        };
        let here = u64::try_from(self.input.len()).unwrap_or(u64::MAX);
        let count = here.min(chunk.left);
        if count > 0 {
            chunk.left -= count;
            let octets = self.input.take(usize::try_from(count).unwrap_or_default());
            self.witness.note(|| Heard::Text(octets.clone()));
            if chunk.stray {
                return true;
            }
            if !chunk.binary {
                self.body.scanner.chunk(&octets);
            }
            let ready = self.body.add(octets);
            if let (Some(octets), None) = (ready, &chunk.refusal) {
                self.put(Ask::Chunk(octets), Awaiting::Chunk);
            }
            return true;
        }
        let wanted = chunk.refusal.is_none() && !chunk.stray;
        if let Some(rest) = self.body.rest().filter(|_| wanted) {
            self.put(Ask::Chunk(rest), Awaiting::Chunk);
            return true;
        }
        if chunk.left > 0 {
            return false;
        }
        self.chunk_ended();
        true
    }

    fn chunk_ended(&mut self) {
        let Some(chunk) = self.chunk.take() else {
            return;
        };
        if chunk.stray {
            let reply = chunk
                .refusal
                .unwrap_or_else(|| fitted(chunk.verb, &unanswered()));
            return self.refuse(chunk.verb, reply);
        }
        let objection = chunk.refusal.or_else(|| self.body.objection(chunk.verb));
        match objection {
            Some(objection) if chunk.verb == Verb::Last => self.give_up(Verb::Last, objection),
            Some(objection) => self.refuse(chunk.verb, objection),
            None if chunk.verb == Verb::Last => self.end(Verb::Last),
            None => {
                let envelope = self.state.envelope().unwrap_or_default();
                let text = format!("{} octets so far", self.body.octets);
                let replies = vec![reply(250, (2, 0, 0), text)];
                self.conclude(chunk.verb, replies, State::Chunks(envelope));
            }
        }
    }

    /// The body is complete.
    fn end(&mut self, verb: Verb) {
        match self.body.objection(verb) {
            Some(objection) => self.give_up(verb, objection),
            None => {
                self.open = false;
                self.put(Ask::Accept, Awaiting::Accept(verb));
            }
        }
    }

    /// Refuses the message as a whole: under LMTP once for each recipient.
    fn give_up(&mut self, verb: Verb, objection: Reply) {
        *self.body = Body::default();
        let replies = vec![objection; self.copies()];
        self.conclude(verb, replies, State::Ready);
    }

    pub(super) fn accept_answered(&mut self, verb: Verb, answer: Answer) {
        *self.body = Body::default();
        let outcomes = match answer {
            Answer::Stored(text) => vec![Ok(text); self.copies()],
            Answer::Refused(refusal) => vec![Err(refusal); self.copies()],
            Answer::Each(mut outcomes) => {
                if self.policy.service == Service::Lmtp {
                    outcomes.resize(self.copies(), Err(unanswered()));
                } else {
                    // One reply for all: the message is ours as soon as one copy is.
                    outcomes.sort_by_key(Result::is_err);
                    outcomes.truncate(1);
                }
                outcomes
            }
            _ => vec![Err(unanswered()); self.copies()],
        };
        let several = outcomes.len() > 1;
        let told = outcomes.into_iter().map(|outcome| match outcome {
            Ok(text) => reply(250, (2, 0, 0), text),
            // Replies that come together can't each end the conversation.
            Err(refusal) if several && refusal.code.value() == 421 => {
                fitted(verb, &unanswered().because(refusal.cause))
            }
            Err(refusal) => fitted(verb, &refusal),
        });
        let replies: Vec<Reply> = told.collect();
        if replies.iter().any(|reply| reply.code.value() == 250) {
            self.faults = 0;
            self.refused = 0;
        }
        let closing = replies.iter().any(|reply| reply.code.value() == 421);
        let next = if closing { State::Closed } else { State::Ready };
        self.conclude(verb, replies, next);
    }

    /// How many replies a body gets.
    fn copies(&self) -> usize {
        match (self.policy.service, self.state.envelope()) {
            // RFC 2033 §4.2
            (Service::Lmtp, Some(envelope)) => {
                usize::try_from(envelope.recipients.max(1)).unwrap_or(1)
            }
            _ => 1,
        }
    }
}
