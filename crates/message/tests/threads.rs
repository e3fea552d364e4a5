//! Threads: against RFC 5256's steps done one by one on trees that are walked, and hostile ones.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test"
)]

use std::collections::HashMap;

use message::thread::NESTING_MAX;
use message::{BaseSubject, ByReferences, BySubject, Member, base_subject};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Letter {
    id: Option<Vec<u8>>,
    references: Vec<Vec<u8>>,
    subject: BaseSubject,
    sent: i64,
}

impl Letter {
    fn new(id: &str, references: &[&str], subject: &str, sent: i64) -> Self {
        Self {
            id: (!id.is_empty()).then(|| id.as_bytes().to_vec()),
            references: references.iter().map(|id| id.as_bytes().to_vec()).collect(),
            subject: base_subject(subject.as_bytes()),
            sent,
        }
    }
}

fn gathered(letters: &[Letter]) -> ByReferences {
    let mut threads = ByReferences::default();
    for letter in letters {
        let id = letter.id.as_deref();
        threads.add(id, &letter.references, &letter.subject, letter.sent);
    }
    threads
}

fn by_references(letters: &[Letter]) -> Vec<Member> {
    gathered(letters).finish()
}

fn by_subject(letters: &[Letter]) -> Vec<Member> {
    let mut threads = BySubject::default();
    for letter in letters {
        threads.add(&letter.subject, letter.sent);
    }
    threads.finish()
}

/// The threads as IMAP writes them, numbered from one; `_` for what is not there.
fn written(members: &[Member]) -> String {
    let mut text = String::new();
    for (at, member) in members.iter().enumerate() {
        let name = member.message.map(|message| (message + 1).to_string());
        let name = name.unwrap_or_else(|| "_".to_owned());
        if at > 0 {
            text.push(' ');
        }
        text.push_str(&format!("{}{name}", "-".repeat(member.depth as usize)));
    }
    text
}

/// A tree as the RFC speaks of it.
#[derive(Clone, Debug, Default)]
struct Tree {
    message: Vec<Option<usize>>,
    parent: Vec<Option<usize>>,
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
}

impl Tree {
    fn grow(&mut self) -> usize {
        self.message.push(None);
        self.parent.push(None);
        self.children.push(Vec::new());
        self.message.len() - 1
    }

    fn link(&mut self, parent: usize, child: usize) {
        let mut above = Some(parent);
        while let Some(node) = above {
            if node == child {
                return;
            }
            above = self.parent[node];
        }
        self.parent[child] = Some(parent);
        self.children[parent].push(child);
    }

    fn unlink(&mut self, child: usize) {
        if let Some(parent) = self.parent[child].take() {
            self.children[parent].retain(|&one| one != child);
        }
    }

    /// Steps 1 and 2.
    fn of(letters: &[Letter]) -> Self {
        let mut tree = Self::default();
        let mut ids: HashMap<Vec<u8>, usize> = HashMap::new();
        for (message, letter) in letters.iter().enumerate() {
            let mut nodes = Vec::new();
            for id in &letter.references {
                let node = ids.get(id).copied().unwrap_or_else(|| tree.grow());
                ids.insert(id.clone(), node);
                nodes.push(node);
            }
            for pair in nodes.windows(2) {
                if tree.parent[pair[1]].is_none() {
                    tree.link(pair[0], pair[1]);
                }
            }
            let own = match &letter.id {
                Some(id) => match ids.get(id) {
                    Some(&node) if tree.message[node].is_none() => node,
                    Some(_) => tree.grow(),
                    None => {
                        let node = tree.grow();
                        ids.insert(id.clone(), node);
                        node
                    }
                },
                None => tree.grow(),
            };
            tree.message[own] = Some(message);
            tree.unlink(own);
            if let Some(&last) = nodes.last() {
                tree.link(last, own);
            }
        }
        let all = 0..tree.message.len();
        tree.roots = all.filter(|&node| tree.parent[node].is_none()).collect();
        tree
    }

    /// Step 3: what is to stand in the place of the node.
    fn pruned(&mut self, node: usize, at_root: bool) -> Vec<usize> {
        let children = std::mem::take(&mut self.children[node]);
        let mut kept = Vec::new();
        for child in children {
            kept.extend(self.pruned(child, false));
        }
        let stays = self.message[node].is_some() || at_root && kept.len() > 1;
        if !stays {
            return kept;
        }
        self.children[node] = kept;
        vec![node]
    }

    /// The message that speaks for the node.
    fn speaker(&self, node: usize) -> usize {
        self.message[node].unwrap_or_else(|| self.message[self.children[node][0]].unwrap())
    }

    fn sort(&self, nodes: &mut [usize], letters: &[Letter]) {
        nodes.sort_by_key(|&node| {
            let message = self.speaker(node);
            (letters[message].sent, message)
        });
    }

    /// Step 4; with `deep`, step 6.
    fn sort_roots(&mut self, letters: &[Letter], deep: bool) {
        for node in 0..self.message.len() {
            if deep || self.message[node].is_none() {
                let mut children = std::mem::take(&mut self.children[node]);
                self.sort(&mut children, letters);
                self.children[node] = children;
            }
        }
        let mut roots = std::mem::take(&mut self.roots);
        self.sort(&mut roots, letters);
        self.roots = roots;
    }

    /// Step 5.
    fn gather(&mut self, letters: &[Letter]) {
        let subject = |tree: &Self, node| {
            let text = &letters[tree.speaker(node)].subject.text;
            message::casemap(text)
        };
        let reply = |tree: &Self, node: usize| letters[tree.message[node].unwrap()].subject.reply;
        let mut table: HashMap<String, usize> = HashMap::new();
        for &node in &self.roots {
            let text = subject(self, node);
            if text.is_empty() {
                continue;
            }
            match table.get(&text) {
                None => {
                    table.insert(text, node);
                }
                Some(&known) if self.message[known].is_some() => {
                    let is_dummy = self.message[node].is_none();
                    if is_dummy || reply(self, known) && !reply(self, node) {
                        table.insert(text, node);
                    }
                }
                Some(_) => {}
            }
        }
        for node in self.roots.clone() {
            if !self.roots.contains(&node) {
                continue;
            }
            let text = subject(self, node);
            let Some(&known) = table.get(&text).filter(|&&known| known != node) else {
                continue;
            };
            let dummies = (self.message[known].is_none(), self.message[node].is_none());
            self.roots.retain(|&root| root != node);
            match dummies {
                (true, true) => {
                    let children = std::mem::take(&mut self.children[node]);
                    self.children[known].extend(children);
                }
                (true, false) => self.children[known].push(node),
                _ if reply(self, node) && !reply(self, known) => self.children[known].push(node),
                _ => {
                    let dummy = self.grow();
                    self.roots.retain(|&root| root != known);
                    self.children[dummy] = vec![node, known];
                    self.roots.push(dummy);
                    table.insert(text, dummy);
                }
            }
        }
    }

    fn list(&self, node: usize, depth: u32, members: &mut Vec<Member>) {
        let message = self.message[node].map(|message| message as u32);
        members.push(Member { message, depth });
        for &child in &self.children[node] {
            self.list(child, depth + 1, members);
        }
    }
}

/// Steps 1 to 4 of REFERENCES as they are written.
fn linked(letters: &[Letter]) -> Tree {
    let mut tree = Tree::of(letters);
    let roots = std::mem::take(&mut tree.roots);
    for root in roots {
        let kept = tree.pruned(root, true);
        tree.roots.extend(kept);
    }
    tree.sort_roots(letters, false);
    tree
}

/// REFS as it is written: without step 5, and threads by their last arrival.
fn model_by_arrival(letters: &[Letter], arrived: &[i64]) -> Vec<Member> {
    let mut tree = linked(letters);
    tree.sort_roots(letters, true);
    let thread = |&root: &usize| {
        let mut members = Vec::new();
        tree.list(root, 0, &mut members);
        members
    };
    let mut threads: Vec<Vec<Member>> = tree.roots.iter().map(thread).collect();
    threads.sort_by_key(|members| {
        let messages = members.iter().filter_map(|member| member.message);
        messages.map(|message| arrived[message as usize]).max()
    });
    threads.concat()
}

/// REFERENCES as it is written.
fn model(letters: &[Letter]) -> Vec<Member> {
    let mut tree = linked(letters);
    tree.gather(letters);
    tree.sort_roots(letters, true);
    let mut members = Vec::new();
    for &root in &tree.roots {
        tree.list(root, 0, &mut members);
    }
    members
}

/// Few identifiers, subjects and dates, so that they meet.
fn letters() -> impl Strategy<Value = Vec<Letter>> {
    let id = prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "g"]);
    let subject = prop::sample::select(vec!["", "x", "X", "Re: x", "y", "Re: y", "(fwd)"]);
    let letter = (
        prop::option::of(id.clone()),
        prop::collection::vec(id, 0..5),
        subject,
        0..6_i64,
    );
    let letter = letter.prop_map(|(id, references, subject, sent)| {
        Letter::new(id.unwrap_or_default(), &references, subject, sent)
    });
    prop::collection::vec(letter, 0..14)
}

fn check_form(members: &[Member], count: usize) {
    let mut seen = vec![false; count];
    let mut before = None;
    for (at, member) in members.iter().enumerate() {
        let deepest = before.map_or(0, |depth: u32| depth + 1);
        assert!(member.depth <= deepest, "a child without a parent");
        before = Some(member.depth);
        match member.message {
            Some(message) => assert!(!std::mem::replace(&mut seen[message as usize], true)),
            None => {
                let rest = members[at + 1..].iter();
                let below = rest.take_while(|member| member.depth > 0);
                let children = below.filter(|member| member.depth == 1).count();
                assert!(member.depth == 0 && children > 1, "a dummy without need");
            }
        }
    }
    assert!(seen.iter().all(|&seen| seen), "a message is missing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn references_go_as_the_steps_say(letters in letters()) {
        let members = by_references(&letters);
        check_form(&members, letters.len());
        prop_assert_eq!(written(&members), written(&model(&letters)));
    }

    #[test]
    fn references_alone_go_by_the_last_arrival(
        letters in letters(),
        arrived in prop::collection::vec(0..6_i64, 14),
    ) {
        let members = gathered(&letters).finish_by_arrival(&arrived);
        check_form(&members, letters.len());
        let model = model_by_arrival(&letters, &arrived);
        prop_assert_eq!(written(&members), written(&model));
    }

    #[test]
    fn subjects_go_as_the_words_say(letters in letters()) {
        let members = by_subject(&letters);
        check_form(&members, letters.len());
        let order = |message: u32| (letters[message as usize].sent, message);
        let subject = |message: u32| message::casemap(&letters[message as usize].subject.text);
        let threads: Vec<&[Member]> = members.chunk_by(|_, next| next.depth > 0).collect();
        for thread in &threads {
            let numbers: Vec<u32> = thread.iter().filter_map(|member| member.message).collect();
            prop_assert!(numbers.is_sorted_by_key(|&number| order(number)));
            prop_assert!(numbers.iter().all(|&number| subject(number) == subject(numbers[0])));
            prop_assert!(thread.iter().skip(1).all(|member| member.depth == 1));
        }
        let heads: Vec<u32> = threads.iter().filter_map(|thread| thread[0].message).collect();
        prop_assert!(heads.is_sorted_by_key(|&head| order(head)));
        let mut subjects: Vec<String> = heads.iter().map(|&head| subject(head)).collect();
        subjects.sort();
        let all = subjects.len();
        subjects.dedup();
        prop_assert_eq!(subjects.len(), all);
    }
}

#[test]
fn threads_are_as_people_expect() {
    let cases: &[(&[Letter], &str)] = &[
        (&[], ""),
        // An answer, its answer, and one that comes before what it answers.
        (
            &[
                Letter::new("c", &["a", "b"], "Re: x", 3),
                Letter::new("a", &[], "x", 1),
                Letter::new("b", &["a"], "Re: x", 2),
            ],
            "2 -3 --1",
        ),
        // Two answers to what is not there.
        (
            &[
                Letter::new("b", &["a"], "Re: x", 2),
                Letter::new("c", &["a"], "Re: x", 1),
            ],
            "_ -2 -1",
        ),
        // The same subject without references: the reply goes below, equals side by side.
        (
            &[
                Letter::new("a", &[], "Re: x", 1),
                Letter::new("b", &[], "X", 2),
                Letter::new("c", &[], "y", 3),
                Letter::new("d", &[], "Y", 4),
            ],
            "2 -1 _ -3 -4",
        ),
        // Each answers the other.
        (
            &[
                Letter::new("a", &["b"], "x", 1),
                Letter::new("b", &["a"], "y", 2),
            ],
            "2 -1",
        ),
        // The second of an identifier, and one that answers itself.
        (
            &[
                Letter::new("a", &["a"], "x", 1),
                Letter::new("a", &[], "y", 2),
                Letter::new("b", &["a"], "z", 3),
            ],
            "1 -3 2",
        ),
    ];
    for (letters, expected) in cases {
        assert_eq!(written(&by_references(letters)), *expected, "{letters:?}");
        assert_eq!(written(&model(letters)), *expected, "{letters:?}");
    }
}

#[test]
fn a_chain_however_long_is_one_thread() {
    let count = 100_000;
    let name = |at: usize| format!("{at}@x");
    let letter = |at: usize| {
        let references: Vec<String> = (at.saturating_sub(3)..at).map(name).collect();
        let references: Vec<&str> = references.iter().map(String::as_str).collect();
        Letter::new(&name(at), &references, "Re: x", 0)
    };
    // From the end, so that each link is made above a tree that is there.
    let letters: Vec<Letter> = (0..count).rev().map(letter).collect();
    let members = by_references(&letters);
    let depths = members.iter().map(|member| member.depth as usize);
    assert!(depths.eq(0..count));
    check_form(&members, count);
}

#[test]
fn what_splits_too_often_hangs_side_by_side() {
    let levels = 3 * NESTING_MAX;
    let mut letters = Vec::new();
    for level in 0..levels {
        let above = format!("{}", level.saturating_sub(1));
        let references: &[&str] = if level == 0 { &[] } else { &[&above] };
        letters.push(Letter::new(&level.to_string(), references, "x", 0));
        letters.push(Letter::new("", references, "y", 1));
    }
    let members = by_references(&letters);
    check_form(&members, letters.len());
    let deepest = members.iter().map(|member| member.depth as usize).max();
    assert_eq!(deepest, Some(NESTING_MAX + 1));
}
