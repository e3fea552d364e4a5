//! Threads of messages that answer one another (RFC 5256 §3, REFERENCES; draft-ietf-morg-inthread,
//! REFS).
//!
//! The steps are those of the RFC. All time is n log n in identifiers: whether a link would close
//! a loop is asked of a [`Forest`]; links past messages that are not there are followed once.

use std::collections::HashMap;

use super::forest::Forest;
use super::tree::{Member, Messages, flatten, number, position};
use super::{BaseSubject, folded};

/// No node, no message.
const NONE: u32 = u32::MAX;

/// Gathers messages, in the order of their mailbox, into threads.
#[derive(Debug, Default)]
pub struct ByReferences {
    messages: Messages,
    ids: HashMap<Vec<u8>, u32>,
    nodes: Vec<Node>,
    forest: Forest,
}

/// A message, or an identifier that messages mention.
#[derive(Clone, Copy, Debug)]
struct Node {
    message: u32,
    parent: u32,
    has_children: bool,
}

const NO_NODE: Node = Node {
    message: NONE,
    parent: NONE,
    has_children: false,
};

impl ByReferences {
    /// Adds the next message: members call it by how many were added before. Identifiers are
    /// those of [`super::own_id`] and [`super::ancestry`].
    pub fn add(
        &mut self,
        id: Option<&[u8]>,
        references: &[Vec<u8>],
        subject: &BaseSubject,
        sent_seconds: i64,
    ) {
        let mut last = NONE;
        for id in references {
            // Step 1.A: a link that is there stays.
            let node = self.named(id);
            if last != NONE && self.get(node).parent == NONE {
                self.link(node, last);
            }
            last = node;
        }
        let node = match id.map(|id| self.named(id)) {
            Some(node) if self.get(node).message == NONE => node,
            _ => self.grow(),
        };
        let message = self
            .messages
            .add(folded(subject), subject.reply, sent_seconds);
        self.edit(node, |node| node.message = message);
        // Step 1.B: the message itself knows best what it answers.
        if self.get(node).parent != NONE {
            self.forest.cut(node);
            self.edit(node, |node| node.parent = NONE);
        }
        if last != NONE {
            self.link(node, last);
        }
    }

    /// The threads, the one that was begun first at the beginning.
    #[must_use]
    pub fn finish(self) -> Vec<Member> {
        let mut pruned = Pruned::new(&self.messages, &self.nodes);
        pruned.gather_subjects();
        pruned.list()
    }

    /// The threads by what messages answer alone, whatever their subjects are: the one in which a
    /// message arrived last at the end. `arrived_seconds` has a time for each message that was
    /// added.
    ///
    /// Inside a thread the order is that of [`Self::finish`]
    /// (draft-ietf-morg-inthread-01 §4, REFS).
    #[must_use]
    pub fn finish_by_arrival(self, arrived_seconds: &[i64]) -> Vec<Member> {
        let members = Pruned::new(&self.messages, &self.nodes).list();
        let arrived = |member: &Member| {
            let message = position(member.message?);
            arrived_seconds.get(message).copied()
        };
        let threads = members.chunk_by(|_, next| next.depth > 0);
        let mut threads: Vec<_> = threads
            .map(|thread| (thread.iter().filter_map(arrived).max(), thread))
            .collect();
        // Threads that are alike stay as they were.
        threads.sort_by_key(|(latest, _)| *latest);
        threads
            .into_iter()
            .flat_map(|(_, thread)| thread)
            .copied()
            .collect()
    }

    /// The node with this identifier.
    fn named(&mut self, id: &[u8]) -> u32 {
        if let Some(&node) = self.ids.get(id) {
            return node;
        }
        let node = self.grow();
        self.ids.insert(id.to_vec(), node);
        node
    }

    fn grow(&mut self) -> u32 {
        let node = number(self.nodes.len());
        self.nodes.push(NO_NODE);
        self.forest.grow();
        node
    }

    /// Links two nodes, of which the child has no parent, unless that closes a loop.
    fn link(&mut self, child: u32, parent: u32) {
        let has_children = self.get(child).has_children;
        if child == parent || has_children && self.forest.root(parent) == child {
            return;
        }
        self.forest.link(child, parent);
        self.edit(child, |node| node.parent = parent);
        self.edit(parent, |node| node.has_children = true);
    }

    fn get(&self, node: u32) -> Node {
        at(&self.nodes, node, NO_NODE)
    }

    fn edit(&mut self, node: u32, edit: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(position(node)) {
            edit(node);
        }
    }
}

/// The trees from step 3 on. Nodes of messages that are not there ("dummies") are left only at
/// the top, above two children or more.
struct Pruned<'a> {
    messages: &'a Messages,
    /// By node; dummies of step 5 come behind those of step 1.
    message: Vec<u32>,
    /// By node: the parent, for a message.
    parent: Vec<u32>,
    /// By node: how many children, and which of them was sent first.
    children: Vec<(u32, u32)>,
}

impl<'a> Pruned<'a> {
    // RFC 5256 §3, step 3
    fn new(messages: &'a Messages, nodes: &[Node]) -> Self {
        let mut pruned = Self {
            messages,
            message: nodes.iter().map(|node| node.message).collect(),
            parent: nearest(nodes),
            children: Vec::new(),
        };
        pruned.count_children();
        for node in 0..pruned.nodes() {
            let parent = pruned.parent(node);
            if pruned.is_dummy(parent) && pruned.count(parent) == 1 {
                set(&mut pruned.parent, node, NONE);
                set(&mut pruned.children, parent, (0, NONE));
            }
        }
        pruned
    }

    fn count_children(&mut self) {
        self.children = vec![(0, NONE); self.message.len()];
        for node in 0..self.nodes() {
            let parent = self.parent(node);
            let (count, first) = at(&self.children, parent, (0, NONE));
            let earlier = first == NONE || self.order(node) < self.order(first);
            let first = if earlier { node } else { first };
            set(&mut self.children, parent, (count + 1, first));
        }
    }

    // RFC 5256 §3, step 5
    fn gather_subjects(&mut self) {
        let roots = self.roots();
        let mut table = self.subject_table(&roots);
        // By node: the dummy that took its children.
        let mut merged = vec![NONE; self.message.len()];
        for &root in &roots {
            let subject = self.subject(root);
            let known = at(&table, subject, NONE);
            // One that went below a dummy of this step is no root any more.
            if subject == 0 || known == root || self.parent(root) != NONE {
                continue;
            }
            if self.is_dummy(known) && self.is_dummy(root) {
                set(&mut merged, root, known);
            } else if self.is_dummy(known) || self.is_reply(root) && !self.is_reply(known) {
                set(&mut self.parent, root, known);
            } else {
                let dummy = self.add_dummy();
                set(&mut self.parent, root, dummy);
                set(&mut self.parent, known, dummy);
                set(&mut table, subject, dummy);
            }
        }
        for node in 0..self.nodes() {
            let taker = at(&merged, self.parent(node), NONE);
            if taker != NONE {
                set(&mut self.parent, node, taker);
            }
        }
        self.count_children();
    }

    /// By base subject: the root that the others gather at.
    fn subject_table(&self, roots: &[u32]) -> Vec<u32> {
        let mut table = vec![NONE; self.messages.subjects()];
        for &root in roots {
            let subject = self.subject(root);
            let known = at(&table, subject, NONE);
            let is_better = || {
                let original = self.is_reply(known) && !self.is_reply(root);
                !self.is_dummy(known) && (self.is_dummy(root) || original)
            };
            if subject != 0 && (known == NONE || is_better()) {
                set(&mut table, subject, root);
            }
        }
        table
    }

    // RFC 5256 §3, step 6
    fn list(&self) -> Vec<Member> {
        let mut below: Vec<u32> = (0..self.nodes())
            .filter(|&node| self.parent(node) != NONE)
            .collect();
        below.sort_unstable_by_key(|&node| (self.parent(node), self.order(node)));
        // Where the children of each node begin in `below`.
        let mut starts = Vec::with_capacity(self.children.len());
        let mut start = 0;
        for (count, _) in &self.children {
            starts.push(start);
            start += position(*count);
        }
        let children = |node: u32| {
            let start = at(&starts, node, 0);
            let count = position(self.count(node));
            below.get(start..start + count).unwrap_or_default()
        };
        let message = |node: u32| Some(at(&self.message, node, NONE)).filter(|&one| one != NONE);
        flatten(&self.roots(), children, message)
    }

    /// The heads of threads in their order (step 4).
    fn roots(&self) -> Vec<u32> {
        let mut roots: Vec<u32> = (0..self.nodes())
            .filter(|&node| self.parent(node) == NONE)
            .filter(|&node| !self.is_dummy(node) || self.count(node) > 0)
            .collect();
        roots.sort_unstable_by_key(|&root| self.order(root));
        roots
    }

    /// Its own place in the order; a dummy's is that of its first child.
    fn order(&self, node: u32) -> (i64, u32) {
        self.messages.order(self.speaker(node))
    }

    fn subject(&self, node: u32) -> u32 {
        self.messages.get(self.speaker(node)).subject
    }

    /// The message that stands for the node.
    fn speaker(&self, node: u32) -> u32 {
        let node = if self.is_dummy(node) {
            at(&self.children, node, (0, NONE)).1
        } else {
            node
        };
        at(&self.message, node, NONE)
    }

    fn is_reply(&self, node: u32) -> bool {
        self.messages.get(at(&self.message, node, NONE)).reply
    }

    fn is_dummy(&self, node: u32) -> bool {
        node != NONE && at(&self.message, node, NONE) == NONE
    }

    fn parent(&self, node: u32) -> u32 {
        at(&self.parent, node, NONE)
    }

    fn count(&self, node: u32) -> u32 {
        at(&self.children, node, (0, NONE)).0
    }

    fn nodes(&self) -> u32 {
        number(self.message.len())
    }

    fn add_dummy(&mut self) -> u32 {
        let node = self.nodes();
        self.message.push(NONE);
        self.parent.push(NONE);
        node
    }
}

/// For each message the nearest message above it, else the dummy at the top of its tree; for
/// dummies none.
fn nearest(nodes: &[Node]) -> Vec<u32> {
    let mut known = vec![NONE; nodes.len()];
    let mut path = Vec::new();
    let parents = nodes.iter().map(|node| {
        if node.message == NONE || node.parent == NONE {
            return NONE;
        }
        let mut above = node.parent;
        let found = loop {
            let before = at(&known, above, NONE);
            if before != NONE {
                break before;
            }
            let here = at(nodes, above, NO_NODE);
            if here.message != NONE || here.parent == NONE {
                break above;
            }
            path.push(above);
            above = here.parent;
        };
        // Whoever walks here again finds it at once.
        path.drain(..).for_each(|node| set(&mut known, node, found));
        found
    });
    parents.collect()
}

fn at<T: Copy>(values: &[T], node: u32, otherwise: T) -> T {
    values.get(position(node)).copied().unwrap_or(otherwise)
}

fn set<T>(values: &mut [T], node: u32, value: T) {
    if let Some(slot) = values.get_mut(position(node)) {
        *slot = value;
    }
}
