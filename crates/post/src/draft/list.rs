//! What a batch writes: a few rows each for itself, many of them in one piece of memory.

use store::{Packed, Write};

/// So many rows stand each for itself.
const APART_MAX: usize = 64;

/// The writes, in order.
#[derive(Debug)]
pub(super) struct List(Vec<Write>);

impl List {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one behind the others.
    pub(super) fn push(&mut self, write: Write) {
        if let Some(Write::Packed(many)) = self.0.last_mut() {
            many.push(&write);
        } else if self.0.len() < APART_MAX {
            self.0.push(write);
        } else {
            let mut many = Packed::default();
            many.push(&write);
            self.0.push(Write::Packed(many));
        }
    }

    /// Adds some behind the others.
    pub(super) fn extend(&mut self, writes: impl IntoIterator<Item = Write>) {
        writes.into_iter().for_each(|write| self.push(write));
    }

    /// All of them.
    pub(super) fn into_writes(self) -> Vec<Write> {
        self.0
    }
}
