//! A script at work: a value that says what it wants to know, and in the end what is to be done.
//!
//! A command is tried as a whole. Where it needs an answer that is not there, nothing of it has
//! happened; when the answer comes it is tried again from its beginning, and the answers it got so
//! far are given to it in the same order.

mod commands;
mod edits;
mod kept;
mod mime;
mod tests;
mod values;
mod variables;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use mail::FlagSet;

use crate::action::{Action, Cause, Deed};
use crate::ask::{Answer, Ask, Location};
use crate::circumstances::{Circumstances, Letter};
use crate::extension::Extensions;
use crate::limits::Limits;
use crate::script::{Op, Script};

/// What a run wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// An answer, given by [`Run::answer`].
    Ask(Ask),
    /// Nothing: it is over.
    Done(Outcome),
}

/// How a run has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What is to be done, in this order; a script that went wrong wants nothing, and keeps the
    /// message as it has found it (RFC 5228 §2.10.6).
    pub actions: Vec<Action>,
    /// What went wrong.
    pub fault: Option<Trouble>,
    /// Why nothing came of commands that were carried out: an answer that is not due.
    pub notes: Vec<Trouble>,
}

/// What went wrong, or what is to be said, of a line of a script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Trouble {
    /// The script's name.
    pub script: Arc<str>,
    /// The line of the command.
    pub line: u32,
    /// What is to be said.
    pub text: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.script, self.line, self.text)
    }
}

/// A script that runs for one message.
#[derive(Clone, Debug)]
pub struct Run {
    limits: Limits,
    world: Circumstances,
    /// The scripts inside one another, the one that runs last.
    frames: Vec<Frame>,
    globals: HashMap<Box<str>, String>,
    /// The loops over parts around, of all scripts.
    loops: Vec<Loop>,
    /// The internal variable of RFC 5232 §3.
    flags: FlagSet,
    actions: Vec<Action>,
    notes: Vec<Trouble>,
    implicit_keep: bool,
    /// `vacation` was executed, whether or not an answer is due.
    has_answered: bool,
    /// Names of header fields that no script may change any more (RFC 5703 §5).
    preserved: Vec<&'static str>,
    /// The message before it was first enclosed: what is sent on (RFC 5703 §6).
    unenclosed: Option<Option<Bytes>>,
    is_changed: bool,
    included: HashSet<(Location, Box<str>)>,
    /// The scripts behind this one, and what those before it want.
    chain: Chain,
    spent: Spent,
    /// What the command that is tried was answered, and how many of the answers it took.
    answers: Vec<Answer>,
    taken: usize,
    /// What `:matches` had matched before the command that is tried, where that matched anew.
    before: Option<Arc<Vec<String>>>,
    /// What was asked, and is not answered yet.
    wanted: Option<Ask>,
    outcome: Option<Outcome>,
}

/// Scripts that run one behind the other.
#[derive(Clone, Debug, Default)]
struct Chain {
    ahead: VecDeque<Arc<Script>>,
    /// What the scripts before this one want.
    done: Vec<Action>,
    /// The first of them that went wrong.
    fault: Option<Trouble>,
    /// The message as this one has found it.
    found: Option<Box<Found>>,
}

/// A message between two scripts.
#[derive(Clone, Debug)]
struct Found {
    letter: Letter,
    preserved: Vec<&'static str>,
    unenclosed: Option<Option<Bytes>>,
    is_changed: bool,
}

/// What of the limits is used up.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    steps: u64,
    asks: usize,
    includes: usize,
    edits: usize,
}

/// A script that runs.
#[derive(Clone, Debug)]
struct Frame {
    script: Arc<Script>,
    at: usize,
    /// Required, or asked for since.
    enabled: Extensions,
    variables: HashMap<Box<str>, String>,
    globals: HashSet<Box<str>>,
    /// What `:matches` has matched last, the whole first.
    matched: Arc<Vec<String>>,
    /// As what it was included.
    key: Option<(Location, Box<str>)>,
}

/// A loop over parts: numbers of [`crate::circumstances::Letter::part`].
#[derive(Clone, Debug)]
struct Loop {
    /// How many scripts were inside one another when it began.
    depth: usize,
    current: usize,
    ahead: Vec<usize>,
}

/// Why a command was not carried out.
#[derive(Debug)]
enum Stop {
    Ask(Ask),
    Trouble(String),
}

impl From<String> for Stop {
    fn from(text: String) -> Self {
        Self::Trouble(text)
    }
}

impl From<&str> for Stop {
    fn from(text: &str) -> Self {
        Self::Trouble(text.to_owned())
    }
}

type Tried<T> = Result<T, Stop>;

/// Where a run goes on.
enum Flow {
    Next,
    To(usize),
    /// In another script.
    Into(Arc<Script>, (Location, Box<str>)),
    /// Behind the end of this script.
    Return,
    /// Nowhere.
    Stop,
}

impl Frame {
    fn new(script: Arc<Script>, key: Option<(Location, Box<str>)>) -> Self {
        Self {
            enabled: script.required,
            script,
            at: 0,
            variables: HashMap::new(),
            globals: HashSet::new(),
            matched: Arc::default(),
            key,
        }
    }
}

impl Run {
    /// Begins a run.
    #[must_use]
    pub fn new(script: Arc<Script>, circumstances: Circumstances, limits: Limits) -> Self {
        Self::chain(std::iter::once(script), circumstances, limits)
    }

    /// Begins a run of several scripts. Where one ends and keeps the message, by `keep` or since
    /// nothing says otherwise, the next one runs, with the flags it was kept with and as it was
    /// changed; where it does not, or there is none behind it, the run is over. The limits are for
    /// each of them. One that fails does nothing, and the next one runs.
    #[must_use]
    pub fn chain(
        scripts: impl IntoIterator<Item = Arc<Script>>,
        circumstances: Circumstances,
        limits: Limits,
    ) -> Self {
        let mut scripts = scripts.into_iter();
        let first = scripts.next();
        let ahead: VecDeque<Arc<Script>> = scripts.collect();
        let found = (!ahead.is_empty()).then(|| {
            Box::new(Found {
                letter: circumstances.letter.clone(),
                preserved: Vec::new(),
                unenclosed: None,
                is_changed: false,
            })
        });
        Self {
            limits,
            flags: circumstances.flags.clone(),
            world: circumstances,
            frames: first
                .map(|first| Frame::new(first, None))
                .into_iter()
                .collect(),
            globals: HashMap::new(),
            loops: Vec::new(),
            actions: Vec::new(),
            notes: Vec::new(),
            implicit_keep: true,
            has_answered: false,
            preserved: Vec::new(),
            unenclosed: None,
            is_changed: false,
            included: HashSet::new(),
            chain: Chain {
                ahead,
                found,
                ..Chain::default()
            },
            spent: Spent::default(),
            answers: Vec::new(),
            taken: 0,
            before: None,
            wanted: None,
            outcome: None,
        }
    }

    /// Runs until something is wanted. Asked again without an answer, it wants the same.
    pub fn step(&mut self) -> Step {
        loop {
            if let Some(outcome) = &self.outcome {
                return Step::Done(outcome.clone());
            }
            if let Some(ask) = &self.wanted {
                return Step::Ask(ask.clone());
            }
            let Some(frame) = self.frames.last() else {
                self.finish();
                continue;
            };
            let script = Arc::clone(&frame.script);
            if frame.at == 0
                && let Some(missing) = script.required.missing_in(self.limits.abilities.all())
            {
                let text = format!("\"{}\" is not carried out here", missing.name());
                self.fail(&script, FIRST_LINE, text);
                continue;
            }
            self.pass_over(&script);
            let at = self.frames.last().map(|frame| frame.at);
            let Some(op) = at.and_then(|at| script.ops.get(at)) else {
                self.leave();
                continue;
            };
            self.taken = 0;
            match self.attempt(op) {
                Ok(flow) => {
                    self.answers.clear();
                    self.before = None;
                    self.follow(flow);
                }
                Err(Stop::Ask(ask)) => {
                    if let (Some(matched), Some(frame)) =
                        (self.before.take(), self.frames.last_mut())
                    {
                        frame.matched = matched;
                    }
                    self.wanted = Some(ask);
                }
                Err(Stop::Trouble(text)) => self.fail(&script, op.line(), text),
            }
        }
    }

    /// Answers what [`Run::step`] has asked last.
    pub fn answer(&mut self, answer: Answer) {
        self.wanted = None;
        self.spent.asks += 1;
        self.answers.push(answer);
    }

    /// What is known of the message, for whoever has words of his own ([`crate::Foreign`]): they
    /// may change it while they are asked.
    pub const fn circumstances_mut(&mut self) -> &mut Circumstances {
        &mut self.world
    }

    /// Ends a run here, and begins anew with the next command: for whoever has words of his own.
    /// What would have been done is given; variables stay.
    pub fn take_actions(&mut self) -> Vec<Action> {
        let mut actions = std::mem::take(&mut self.actions);
        if self.implicit_keep {
            actions.extend([self.keep_implicitly()]);
        }
        self.implicit_keep = true;
        self.has_answered = false;
        self.flags = self.world.flags.clone();
        self.is_changed = false;
        self.unenclosed = None;
        actions
    }

    fn attempt(&mut self, op: &Op) -> Tried<Flow> {
        if self.spent.asks > self.limits.asks_max {
            return Err("the script asks too much".into());
        }
        self.spend(1)?;
        match op {
            Op::Act(command) => self.act(command),
            Op::Unless { test, to, .. } => {
                let holds = self.test(test)?;
                Ok(if holds { Flow::Next } else { Flow::To(*to) })
            }
            Op::Jump(to) => Ok(Flow::To(*to)),
            Op::EachPart { .. } => {
                self.begin_loop();
                Ok(Flow::Next)
            }
            Op::NextPart { end } => Ok(if self.next_part() {
                Flow::Next
            } else {
                self.loops.pop();
                Flow::To(*end)
            }),
            Op::Break { loops, to } => {
                let left = self.loops.len().saturating_sub(*loops);
                self.loops.truncate(left);
                Ok(Flow::To(*to))
            }
            Op::Fail { text, .. } => Err(text.to_string().into()),
        }
    }

    fn follow(&mut self, flow: Flow) {
        match flow {
            Flow::Next | Flow::To(_) => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.at = match flow {
                        Flow::To(to) => to,
                        _ => frame.at + 1,
                    };
                }
            }
            Flow::Into(script, key) => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.at += 1;
                }
                self.frames.push(Frame::new(script, Some(key)));
            }
            Flow::Return => self.leave(),
            Flow::Stop => self.finish(),
        }
    }

    /// Goes back to the script that has included this one.
    fn leave(&mut self) {
        self.frames.pop();
        let depth = self.frames.len();
        self.loops.retain(|one| one.depth <= depth);
    }

    /// The script is at its end.
    fn finish(&mut self) {
        if self.goes_on() {
            return;
        }
        let mut actions = std::mem::take(&mut self.chain.done);
        actions.append(&mut self.actions);
        // What is remembered is so when all else is done.
        let (remembered, mut done): (Vec<_>, Vec<_>) = actions
            .drain(..)
            .partition(|action| matches!(action.deed, Deed::Remember { .. }));
        if self.implicit_keep {
            done.push(self.keep_implicitly());
        }
        done.extend(remembered);
        self.outcome = Some(Outcome {
            actions: done,
            fault: self.chain.fault.take(),
            notes: std::mem::take(&mut self.notes),
        });
    }

    /// Begins the script behind this one, if there is one and the message is kept: where that is,
    /// the next one says.
    fn goes_on(&mut self) -> bool {
        let is_keep = |action: &Action| matches!(action.deed, Deed::Keep { .. });
        if !self.implicit_keep && !self.actions.iter().any(is_keep) {
            return false;
        }
        let Some(next) = self.chain.ahead.pop_front() else {
            return false;
        };
        for action in std::mem::take(&mut self.actions) {
            match action.deed {
                Deed::Keep { flags } => self.flags = flags,
                // It is kept all the same.
                Deed::Discard => {}
                _ => self.chain.done.push(action),
            }
        }
        self.world.flags = self.flags.clone();
        self.frames = vec![Frame::new(next, None)];
        self.globals.clear();
        self.loops.clear();
        self.included.clear();
        self.implicit_keep = true;
        self.has_answered = false;
        self.spent = Spent::default();
        self.answers.clear();
        self.before = None;
        self.chain.found = Some(Box::new(Found {
            letter: self.world.letter.clone(),
            preserved: self.preserved.clone(),
            unenclosed: self.unenclosed.clone(),
            is_changed: self.is_changed,
        }));
        true
    }

    fn keep_implicitly(&mut self) -> Action {
        let flags = self.flags.clone();
        Action {
            deed: Deed::Keep { flags },
            cause: Cause::Implicit,
            changed: self.changed(),
        }
    }

    /// Nothing of what the script wanted is done; the message is kept as the script has found it.
    // RFC 5228 §2.10.6
    fn fail(&mut self, script: &Script, line: u32, text: String) {
        self.actions.clear();
        self.implicit_keep = true;
        self.flags = self.world.flags.clone();
        match self.chain.found.as_deref().cloned() {
            Some(found) => {
                self.world.letter = found.letter;
                self.preserved = found.preserved;
                self.unenclosed = found.unenclosed;
                self.is_changed = found.is_changed;
            }
            None => self.is_changed = false,
        }
        let trouble = Trouble {
            script: Arc::clone(&script.name),
            line,
            text,
        };
        let first = self.chain.fault.take();
        self.chain.fault = first.or(Some(trouble));
        self.finish();
    }

    /// Uses up steps.
    fn spend(&mut self, steps: u64) -> Tried<()> {
        self.spent.steps = self.spent.steps.saturating_add(steps);
        if self.spent.steps > self.limits.steps_max {
            return Err("the script takes too many steps".into());
        }
        Ok(())
    }

    /// Uses up steps for a text that is looked through for a pattern.
    fn look_through(&mut self, text: usize, pattern: usize) -> Tried<()> {
        // What a pattern can cost grows with both.
        let more = (text / 64).saturating_mul(pattern / 8);
        self.spend(steps_for(text).saturating_add(u64::try_from(more).unwrap_or(u64::MAX)))
    }

    fn ask(&mut self, ask: Ask) -> Tried<Answer> {
        let Some(answer) = self.answers.get(self.taken) else {
            return Err(Stop::Ask(ask));
        };
        self.taken += 1;
        Ok(answer.clone())
    }

    /// The message, where the script has changed it.
    fn changed(&mut self) -> Option<Bytes> {
        self.is_changed.then(|| self.world.letter.whole())
    }
}

/// Where a script asks for what it needs.
const FIRST_LINE: u32 = 1;
/// Octets that are looked through, decoded or copied in one step.
const OCTETS_A_STEP: u64 = 8192;

fn steps_for(octets: usize) -> u64 {
    u64::try_from(octets).unwrap_or(u64::MAX) / OCTETS_A_STEP
}

impl Op {
    const fn line(&self) -> u32 {
        match self {
            Self::Act(command) => command.line,
            Self::Unless { line, .. } | Self::EachPart { line } | Self::Fail { line, .. } => *line,
            Self::Jump(_) | Self::NextPart { .. } | Self::Break { .. } => 0,
        }
    }
}
