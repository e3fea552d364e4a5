//! A script as it is run: small, never changed, made once and kept by whoever runs it.

use std::sync::Arc;

use regex::Regex;

use crate::ask::Location;
use crate::check;
use crate::compare::{Comparator, Match, Pattern};
use crate::extension::Extensions;
use crate::fault::Fault;
use crate::glance::Glances;
use crate::language::{Tag, Verb};
use crate::limits::Limits;
use crate::template::Template;

/// A script that can be run.
#[derive(Clone, Debug)]
pub struct Script {
    pub(crate) name: Arc<str>,
    pub(crate) required: Extensions,
    pub(crate) ops: Vec<Op>,
    pub(crate) glances: Glances,
    /// Whether it may ask for a score, and for its surroundings.
    pub(crate) tests_spam: bool,
    pub(crate) tests_environment: bool,
}

/// A word of somebody's own language: who compiles with it answers it as well
/// ([`crate::Ask::Foreign`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The word.
    pub name: &'static str,
    /// What it is.
    pub kind: ForeignKind,
}

/// What a foreign word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignKind {
    /// A command without a block.
    Command,
    /// A command with a block, which is run where the answer is true.
    Block,
    /// A test.
    Test,
}

/// One step; places are numbers of steps.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Act(Command),
    /// Goes to another place where the test fails.
    Unless {
        test: Test,
        line: u32,
        to: usize,
    },
    Jump(usize),
    /// Begins a loop over parts.
    EachPart {
        line: u32,
    },
    /// Takes the loop's next part; goes to the end where there is none.
    NextPart {
        end: usize,
    },
    /// Ends so many loops.
    Break {
        loops: usize,
        to: usize,
    },
    /// What the script may not do, since it has not asked for it at run time either.
    Fail {
        line: u32,
        text: Box<str>,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Test {
    Constant(bool),
    Not(Box<Self>),
    AllOf(Vec<Self>),
    AnyOf(Vec<Self>),
    Command(Command),
    Fail(Box<str>),
}

/// A command or a test with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) verb: Verb,
    pub(crate) line: u32,
    /// What it needs that the script has not required, but may ask for by `ihave`.
    pub(crate) needs: Extensions,
    pub(crate) tags: Vec<(Tag, Argument)>,
    /// As many as the language has; what was left out is [`Argument::None`].
    pub(crate) arguments: Vec<Argument>,
    pub(crate) comparing: Comparing,
    pub(crate) foreign: Option<Box<Words>>,
    /// What is wrong with it, should it be run: a tag that may be of an extension that is not here.
    pub(crate) unknown: Option<Box<str>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Argument {
    None,
    Number(u64),
    Texts(Vec<Template>),
}

/// How a test compares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Comparing {
    pub(crate) kind: Match,
    pub(crate) comparator: Comparator,
    /// With `:regex`, one for each key, where that is constant.
    pub(crate) regexes: Vec<Option<Regex>>,
    /// With `:matches`, one for each key, where that is constant.
    pub(crate) patterns: Vec<Option<Pattern>>,
}

/// A foreign command as written.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) name: &'static str,
    pub(crate) words: Vec<Word>,
}

#[derive(Clone, Debug)]
pub(crate) enum Word {
    Tag(Box<str>),
    Number(u64),
    Texts(Vec<Template>),
}

impl Script {
    /// Reads a script; its name is what actions and errors will say of it.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of its lines; never none.
    pub fn compile(name: &str, text: &[u8], limits: &Limits) -> Result<Self, Vec<Fault>> {
        Self::compile_with(name, text, limits, &[])
    }

    /// Reads a script whose language has some words more.
    ///
    /// # Errors
    /// As [`Script::compile`].
    pub fn compile_with(
        name: &str,
        text: &[u8],
        limits: &Limits,
        foreign: &[Foreign],
    ) -> Result<Self, Vec<Fault>> {
        check::compile(name, text, limits, foreign)
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Octets of memory it takes, about.
    #[must_use]
    pub fn octets(&self) -> usize {
        let octets: usize = self.ops.iter().map(Op::octets).sum();
        size_of::<Self>() + self.name.len() + octets + self.glances.octets()
    }

    /// True if it may ask how likely a message is spam (RFC 5235): itself, or another that it
    /// includes.
    #[must_use]
    pub const fn tests_spam(&self) -> bool {
        self.tests_spam
    }

    /// True if it may ask for an item of the environment (RFC 5183): itself, or another that it
    /// includes.
    #[must_use]
    pub const fn tests_environment(&self) -> bool {
        self.tests_environment
    }

    /// The scripts it may include, each with its line: who takes a script in looks whether they
    /// are there, and whether one includes another in a circle.
    pub fn includes(&self) -> impl Iterator<Item = (Location, &str, u32)> {
        self.ops.iter().filter_map(|op| match op {
            Op::Act(command) if command.verb == Verb::Include => {
                Some((command.location(), command.constant(0), command.line))
            }
            _ => None,
        })
    }
}

/// True if one of these commands may ask this, or includes a script that may.
pub(crate) fn may_test(ops: &[Op], verb: Verb) -> bool {
    ops.iter().any(|op| match op {
        Op::Unless { test, .. } => test.asks(verb),
        Op::Act(command) => command.verb == Verb::Include,
        _ => false,
    })
}

/// Octets that a compiled expression takes, about: how many, nobody tells.
const REGEX_OCTETS: usize = 64 * 1024;

impl Op {
    fn octets(&self) -> usize {
        let inside = match self {
            Self::Act(command) => command.octets(),
            Self::Unless { test, .. } => test.octets(),
            Self::Fail { text, .. } => text.len(),
            Self::Jump(_) | Self::EachPart { .. } | Self::NextPart { .. } | Self::Break { .. } => 0,
        };
        size_of::<Self>() + inside
    }
}

impl Test {
    fn octets(&self) -> usize {
        let inside = match self {
            Self::Not(test) => test.octets(),
            Self::AllOf(tests) | Self::AnyOf(tests) => tests.iter().map(Self::octets).sum(),
            Self::Command(command) => command.octets(),
            Self::Fail(text) => text.len(),
            Self::Constant(_) => 0,
        };
        size_of::<Self>() + inside
    }
}

impl Test {
    /// True if it may be asked this.
    fn asks(&self, verb: Verb) -> bool {
        match self {
            Self::Not(test) => test.asks(verb),
            Self::AllOf(tests) | Self::AnyOf(tests) => tests.iter().any(|test| test.asks(verb)),
            Self::Command(command) => command.verb == verb,
            Self::Constant(_) | Self::Fail(_) => false,
        }
    }
}

impl Command {
    fn octets(&self) -> usize {
        let tagged = self.tags.iter().map(|(_, argument)| argument);
        let texts = self
            .arguments
            .iter()
            .chain(tagged)
            .flat_map(Argument::texts);
        let regexes = self.comparing.regexes.iter().flatten().count();
        let patterns = self.comparing.patterns.iter().flatten();
        texts.map(Template::octets).sum::<usize>()
            + (self.tags.len() + self.arguments.len()) * size_of::<(Tag, Argument)>()
            + patterns.map(Pattern::octets).sum::<usize>()
            + regexes * REGEX_OCTETS
    }

    pub(crate) fn tag(&self, wanted: Tag) -> Option<&Argument> {
        let mut tags = self.tags.iter();
        let found = tags.find(|(tag, _)| *tag == wanted)?;
        Some(&found.1)
    }

    pub(crate) fn has(&self, wanted: Tag) -> bool {
        self.tag(wanted).is_some()
    }

    pub(crate) fn number(&self, wanted: Tag) -> Option<u64> {
        match self.tag(wanted)? {
            Argument::Number(number) => Some(*number),
            Argument::None | Argument::Texts(_) => None,
        }
    }

    /// A tag's strings; none where it is not given.
    pub(crate) fn tagged(&self, wanted: Tag) -> &[Template] {
        self.tag(wanted).map_or(&[], Argument::texts)
    }

    /// An argument's strings; none where it was left out.
    pub(crate) fn texts(&self, at: usize) -> &[Template] {
        self.arguments.get(at).map_or(&[], Argument::texts)
    }

    /// An argument's string, where it is one and constant; else the empty one.
    pub(crate) fn constant(&self, at: usize) -> &str {
        let first = self.texts(at).first();
        first.and_then(Template::constant).unwrap_or_default()
    }

    /// Which part of addresses is compared (RFC 5228 §2.7.4, RFC 5233 §4).
    pub(crate) fn address_part(&self) -> Tag {
        let parts = [Tag::LocalPart, Tag::Domain, Tag::User, Tag::Detail];
        let given = parts.into_iter().find(|tag| self.has(*tag));
        given.unwrap_or(Tag::All)
    }

    /// Where an included script lies.
    pub(crate) fn location(&self) -> Location {
        if self.has(Tag::Global) {
            Location::Global
        } else {
            Location::Personal
        }
    }
}

impl Argument {
    pub(crate) fn texts(&self) -> &[Template] {
        match self {
            Self::Texts(texts) => texts,
            Self::None | Self::Number(_) => &[],
        }
    }
}
