//! The server's end of a conversation.

use std::sync::Arc;

use mail::Instant;
use wire::{Security, Step};

use crate::{Answer, Ask, Policy};

/// The server's end of a conversation.
#[derive(Debug)]
pub struct Session {
    _policy: Arc<Policy>,
}

impl Session {
    /// A conversation with a peer that has just connected.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        Self { _policy: policy }
    }
}

impl wire::Session for Session {
    type Ask = Ask;
    type Answer = Answer;

    fn receive(&mut self, _bytes: &[u8]) {}

    fn answer(&mut self, _answer: Answer) {}

    fn elapse(&mut self, _now: Instant) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn secured(&mut self, _security: Security) {}

    fn step(&mut self) -> Step<Ask> {
        Step::Close
    }
}
