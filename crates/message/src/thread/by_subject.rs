//! Threads of messages with the same base subject (RFC 5256 §3, ORDEREDSUBJECT).

use super::tree::{Member, Messages, number, position};
use super::{BaseSubject, folded};

/// Gathers messages, in the order of their mailbox, into threads.
#[derive(Debug, Default)]
pub struct BySubject {
    messages: Messages,
}

impl BySubject {
    /// Adds the next message: members call it by how many were added before.
    pub fn add(&mut self, subject: &BaseSubject, sent_seconds: i64) {
        self.messages
            .add(folded(subject), subject.reply, sent_seconds);
    }

    /// The threads, the one whose first message was sent first at the beginning.
    #[must_use]
    pub fn finish(self) -> Vec<Member> {
        let messages = self.messages;
        let mut threads: Vec<Vec<u32>> = vec![Vec::new(); messages.subjects()];
        for message in 0..number(messages.count()) {
            let subject = messages.get(message).subject;
            if let Some(thread) = threads.get_mut(position(subject)) {
                thread.push(message);
            }
        }
        threads.retain(|thread| !thread.is_empty());
        for thread in &mut threads {
            thread.sort_unstable_by_key(|&message| messages.order(message));
        }
        threads.sort_unstable_by_key(|thread| thread.first().map(|&first| messages.order(first)));
        let members = threads.iter().flat_map(|thread| {
            let placed = thread.iter().enumerate();
            placed.map(|(place, &message)| Member {
                message: Some(message),
                depth: u32::from(place > 0),
            })
        });
        members.collect()
    }
}
