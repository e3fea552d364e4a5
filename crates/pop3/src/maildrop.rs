//! The messages of a maildrop as one connection sees them: numbered, measured, marked.

use std::num::NonZeroU32;

/// A list of messages in two blocks of memory, however many they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maildrop {
    messages: Vec<Message>,
    /// All names behind one another; a message knows where its own ends.
    names: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Message {
    octets: u64,
    name_end: usize,
    deleted: bool,
}

impl Maildrop {
    /// Adds the next message; `name` is its unique-id (RFC 1939 §7): 1 to 70 of `!` to `~`.
    ///
    /// `octets` are those the house has; with `unended` the last line has no CRLF there, and gets
    /// one on its way, which counts (RFC 1939 §11).
    pub fn push(&mut self, name: &str, octets: u64, unended: bool) {
        self.names.push_str(name);
        self.messages.push(Message {
            octets: octets.saturating_add(if unended { 2 } else { 0 }),
            name_end: self.names.len(),
            deleted: false,
        });
    }

    /// Messages, the deleted ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// True if there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// How many messages are not deleted, and their octets.
    #[must_use]
    pub fn total(&self) -> (usize, u64) {
        let kept = self.messages.iter().filter(|message| !message.deleted);
        kept.fold((0, 0), |(count, octets), message| {
            (count + 1, octets + message.octets)
        })
    }

    /// The place of message `number` (from 1), if it is there and not deleted.
    #[must_use]
    pub fn find(&self, number: NonZeroU32) -> Option<usize> {
        let place = usize::try_from(number.get() - 1).ok()?;
        let message = self.messages.get(place)?;
        (!message.deleted).then_some(place)
    }

    /// Octets RETR sends of the message at `place`, dots before dots not counted, unless it is
    /// deleted or not there.
    #[must_use]
    pub fn octets(&self, place: usize) -> Option<u64> {
        let message = self.messages.get(place)?;
        (!message.deleted).then_some(message.octets)
    }

    /// Name of the message at `place`.
    #[must_use]
    pub fn name(&self, place: usize) -> &str {
        let end_of = |place: usize| self.messages.get(place).map(|message| message.name_end);
        let start = place.checked_sub(1).and_then(end_of).unwrap_or(0);
        let end = end_of(place).unwrap_or(start);
        self.names.get(start..end).unwrap_or_default()
    }

    /// Marks the message at `place` as deleted.
    pub fn delete(&mut self, place: usize) {
        if let Some(message) = self.messages.get_mut(place) {
            message.deleted = true;
        }
    }

    /// Takes all marks away.
    pub fn reset(&mut self) {
        for message in &mut self.messages {
            message.deleted = false;
        }
    }

    /// The places of the deleted messages.
    #[must_use]
    pub fn deleted(&self) -> Vec<usize> {
        let messages = self.messages.iter().enumerate();
        let deleted = messages.filter(|(_, message)| message.deleted);
        deleted.map(|(place, _)| place).collect()
    }
}
