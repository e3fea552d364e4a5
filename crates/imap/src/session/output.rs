//! What a session has to send, in order; the bodies of messages stay where they are stored.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use mail::BlobRange;
use wire::{Step, Upgrade};

/// Lines that one [`Step::Write`] repeats at most.
const REPEATS_MAX: u32 = 4096;

/// A queue of octets and stored ranges.
#[derive(Debug, Default)]
pub(super) struct Output {
    queue: VecDeque<Item>,
    /// What comes behind the queue.
    tail: BytesMut,
}

#[derive(Debug)]
enum Item {
    Bytes(Bytes),
    Splice(BlobRange),
    Repeat(Bytes, u32),
    Upgrade(Upgrade),
}

impl Output {
    /// The buffer to write into.
    pub(super) const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Adds a stored range.
    pub(super) fn splice(&mut self, range: BlobRange) {
        self.push(Item::Splice(range));
    }

    /// Adds the same line many times.
    pub(super) fn repeat(&mut self, line: Bytes, count: u32) {
        self.push(Item::Repeat(line, count));
    }

    /// Adds a change of the transport.
    pub(super) fn upgrade(&mut self, upgrade: Upgrade) {
        self.push(Item::Upgrade(upgrade));
    }

    /// Takes what is to be sent next.
    pub(super) fn next<A>(&mut self) -> Option<Step<A>> {
        let Some(item) = self.queue.pop_front() else {
            // A connection that waits keeps nothing.
            self.queue = VecDeque::new();
            let tail = std::mem::take(&mut self.tail).freeze();
            return (!tail.is_empty()).then_some(Step::Write(tail));
        };
        Some(match item {
            Item::Bytes(bytes) => Step::Write(bytes),
            Item::Splice(range) => Step::Splice(range),
            Item::Upgrade(upgrade) => Step::Upgrade(upgrade),
            Item::Repeat(line, count) => {
                let now = count.min(REPEATS_MAX);
                if count > now {
                    self.queue
                        .push_front(Item::Repeat(line.clone(), count - now));
                }
                Step::Write(Bytes::from(line.repeat(usize::try_from(now).unwrap_or(1))))
            }
        })
    }

    fn push(&mut self, item: Item) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail).freeze();
            self.queue.push_back(Item::Bytes(tail));
        }
        self.queue.push_back(item);
    }
}
