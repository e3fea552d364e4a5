//! Threads as a list: each message with how deep it hangs, parents before their children.
//!
//! Nothing in it is nested, so that no chain of references however long fills a stack.

use std::collections::HashMap;

/// How often threads split on the way from a root to a message, at most: what hangs deeper hangs
/// side by side there. Clients read what is split by recursion.
pub const NESTING_MAX: usize = 500;

/// A place in a list of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member<T = u32> {
    /// Which message; `None` for a parent that is not among the messages. Only at depth 0, and
    /// with two children or more.
    pub message: Option<T>,
    /// How many parents it has. The last at depth 0 before it is the head of its thread.
    pub depth: u32,
}

/// What messages bring along but for their identifiers, kept until all are there.
#[derive(Debug, Default)]
pub(super) struct Messages {
    known: Vec<Known>,
    subjects: HashMap<String, u32>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// Which base subject; 0 is the empty one.
    pub(super) subject: u32,
    pub(super) reply: bool,
    pub(super) sent_seconds: i64,
}

impl Messages {
    /// Adds a message with its folded base subject; its number.
    pub(super) fn add(&mut self, subject: String, reply: bool, sent_seconds: i64) -> u32 {
        let next = number(self.subjects.len()).saturating_add(1);
        let subject = if subject.is_empty() {
            0
        } else {
            *self.subjects.entry(subject).or_insert(next)
        };
        let message = number(self.known.len());
        self.known.push(Known {
            subject,
            reply,
            sent_seconds,
        });
        message
    }

    pub(super) const fn count(&self) -> usize {
        self.known.len()
    }

    /// How many base subjects there are, the empty one among them.
    pub(super) fn subjects(&self) -> usize {
        self.subjects.len().saturating_add(1)
    }

    pub(super) fn get(&self, message: u32) -> Known {
        let known = self.known.get(position(message));
        known.copied().unwrap_or_default()
    }

    /// By what messages are sorted: the date, then the place in the mailbox (RFC 5256 §2.2).
    pub(super) fn order(&self, message: u32) -> (i64, u32) {
        (self.get(message).sent_seconds, message)
    }
}

pub(super) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

pub(super) fn position(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The trees as a list. `children` gives those of a node in the order wanted.
pub(super) fn flatten<'a>(
    roots: &[u32],
    children: impl Fn(u32) -> &'a [u32],
    message: impl Fn(u32) -> Option<u32>,
) -> Vec<Member> {
    /// A node that is still to be written.
    struct Left {
        node: u32,
        depth: u32,
        splits: usize,
        /// True if its children become its siblings.
        flat: bool,
    }
    let mut members = Vec::new();
    let mut left: Vec<Left> = Vec::new();
    for &root in roots {
        left.push(Left {
            node: root,
            depth: 0,
            splits: 0,
            flat: false,
        });
        while let Some(next) = left.pop() {
            members.push(Member {
                message: message(next.node),
                depth: next.depth,
            });
            let below = children(next.node);
            let splits = next.splits + usize::from(below.len() > 1);
            let depth = next.depth.saturating_add(u32::from(!next.flat));
            left.extend(below.iter().rev().map(|&node| Left {
                node,
                depth,
                splits,
                flat: next.flat || splits > NESTING_MAX,
            }));
        }
    }
    members
}
