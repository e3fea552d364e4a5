//! From what is written to what is run: names, arguments, capabilities, the places of commands.
//!
//! RFC 5228 §2.9, §2.10.5, §3; RFC 5463 §4 (capabilities that are asked for at run time).

mod arguments;
mod rules;

pub(crate) use rules::{address, is_field_name, is_mailbox_list};

use std::collections::HashSet;

use crate::extension::{Extension, Extensions};
use crate::fault::{Fault, Place, nearest};
use crate::glance::Glances;
use crate::language::{self, Signature, Tests, Verb};
use crate::lexer;
use crate::limits::Limits;
use crate::script::{Command, Foreign, ForeignKind, Op, Script, Test, may_test};
use crate::syntax::{self, Statement, Value};
use crate::template::Name;

pub(crate) fn compile(
    name: &str,
    text: &[u8],
    limits: &Limits,
    foreign: &[Foreign],
) -> Result<Script, Vec<Fault>> {
    let start = Place { line: 1, column: 1 };
    if text.len() > limits.script_octets_max {
        let max = limits.script_octets_max;
        let text = format!("the script is larger than {max} octets");
        return Err(vec![Fault::new(start, text)]);
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => return Err(vec![not_utf8(text, error.valid_up_to())]),
    };
    let mut faults = Vec::new();
    let tokens = lexer::tokens(text, &mut faults);
    let statements = syntax::parse(tokens, limits.nesting_max, &mut faults);
    let mut checker = Checker {
        limits,
        foreign,
        required: Extensions::BASE,
        faults,
        ops: Vec::new(),
        loops: Vec::new(),
        set: HashSet::new(),
        needs: Extensions::default(),
        begun: false,
    };
    checker.block(&statements);
    let mut faults = checker.faults;
    if faults.is_empty() {
        return Ok(Script {
            name: name.into(),
            required: checker.required,
            glances: Glances::of(&checker.ops),
            tests_spam: may_test(&checker.ops, Verb::SpamTest),
            tests_environment: may_test(&checker.ops, Verb::Environment),
            ops: checker.ops,
        });
    }
    faults.sort_by_key(|fault| fault.place);
    faults.truncate(limits.faults_max.max(1));
    Err(faults)
}

fn not_utf8(text: &[u8], at: usize) -> Fault {
    let before = text.get(..at).unwrap_or_default();
    let line = before.split(|octet| *octet == b'\n').next_back();
    let count = |octets: usize| u32::try_from(octets).unwrap_or(u32::MAX);
    let place = Place {
        line: count(before.iter().filter(|octet| **octet == b'\n').count()).saturating_add(1),
        column: count(
            String::from_utf8_lossy(line.unwrap_or_default())
                .chars()
                .count(),
        )
        .saturating_add(1),
    };
    Fault::new(place, "this is no UTF-8")
}

struct Checker<'a> {
    limits: &'a Limits,
    foreign: &'a [Foreign],
    required: Extensions,
    faults: Vec<Fault>,
    ops: Vec<Op>,
    /// The loops around, from the outside in.
    loops: Vec<Loop>,
    /// Names of variables that were set so far.
    set: HashSet<Name>,
    /// What the command that is read needs, and has to ask for at run time.
    needs: Extensions,
    /// A command was read that is not `require`.
    begun: bool,
}

struct Loop {
    name: Option<String>,
    /// The steps that leave it, which do not know yet where to.
    breaks: Vec<usize>,
}

/// What a word turned out to be.
enum Found {
    Known(&'static Signature),
    Foreign(Foreign),
}

impl Checker<'_> {
    fn fault(&mut self, place: Place, text: impl Into<String>) {
        self.faults.push(Fault::new(place, text));
    }

    fn hinted(&mut self, place: Place, text: impl Into<String>, hint: impl Into<String>) {
        self.faults.push(Fault::new(place, text).hinting(hint));
    }

    /// True if what is not known now may be asked for at run time.
    const fn may_ask(&self) -> bool {
        self.required.has(Extension::IHave)
    }

    /// Notes that something needs an extension.
    fn need(&mut self, what: &str, extension: Extension, place: Place) {
        if self.required.has(extension) {
            return;
        }
        if self.may_ask() && !extension.changes_grammar() {
            self.needs.insert(extension);
            return;
        }
        let name = extension.name();
        let text = format!("{what} needs the extension \"{name}\"");
        self.hinted(
            place,
            text,
            format!("begin the script with: require \"{name}\";"),
        );
    }

    fn block(&mut self, statements: &[Statement]) {
        // The steps at the ends of an if's blocks, which do not know yet where to.
        let mut chain: Option<Vec<usize>> = None;
        for statement in statements {
            let found = self.find(statement, language::Place::Command);
            let verb = match found {
                Some(Found::Known(signature)) => Some(signature.verb),
                _ => None,
            };
            if !matches!(verb, Some(Verb::ElsIf | Verb::Else)) {
                self.land(chain.take());
            }
            if verb != Some(Verb::Require) {
                self.begun = true;
            }
            match (verb, found) {
                (Some(Verb::If), Some(Found::Known(signature))) => {
                    let ends = self.branch(statement, signature);
                    chain = Some(vec![ends]);
                }
                (Some(Verb::ElsIf | Verb::Else), Some(Found::Known(signature))) => {
                    let ends = self.branch(statement, signature);
                    match chain.as_mut() {
                        Some(chain) => chain.push(ends),
                        None => {
                            let name = signature.name();
                            let text = format!("'{name}' stands behind no 'if'");
                            self.fault(statement.place, text);
                        }
                    }
                    if verb == Some(Verb::Else) {
                        self.land(chain.take());
                    }
                }
                (_, Some(Found::Known(signature))) => self.command(statement, signature),
                (_, Some(Found::Foreign(foreign))) => self.foreign(statement, foreign),
                (_, None) => {}
            }
        }
        self.land(chain.take());
    }

    /// Lets jumps go to here.
    fn land(&mut self, jumps: Option<Vec<usize>>) {
        let here = self.ops.len();
        for at in jumps.into_iter().flatten() {
            if let Some(Op::Jump(to) | Op::Break { to, .. }) = self.ops.get_mut(at) {
                *to = here;
            }
        }
    }

    /// Reads a test and a block; gives the jump at the block's end.
    fn branch(&mut self, statement: &Statement, signature: &Signature) -> usize {
        self.plain(statement, signature);
        let test = statement.tests.first();
        let test = test.filter(|_| signature.tests == Tests::One);
        let test = test.map_or(Test::Constant(true), |test| self.test(test));
        let begins = self.ops.len();
        self.ops.push(Op::Unless {
            test,
            line: statement.place.line,
            to: 0,
        });
        self.block(statement.block.as_deref().unwrap_or_default());
        let ends = self.ops.len();
        self.ops.push(Op::Jump(ends + 1));
        if let Some(Op::Unless { to, .. }) = self.ops.get_mut(begins) {
            *to = ends + 1;
        }
        ends
    }

    /// Checks arguments, tests and block of a command that is more than its arguments.
    fn plain(&mut self, statement: &Statement, signature: &Signature) {
        let _command = self.fit(statement, signature);
    }

    /// Finds the word; reports it where there is none.
    fn find(&mut self, statement: &Statement, place: language::Place) -> Option<Found> {
        let name = statement.name.as_str();
        let foreign = self.foreign.iter().find(|foreign| {
            let test = foreign.kind == ForeignKind::Test;
            foreign.name.eq_ignore_ascii_case(name) && test == (place == language::Place::Test)
        });
        if let Some(foreign) = foreign {
            return Some(Found::Foreign(*foreign));
        }
        let kind = match place {
            language::Place::Command => "command",
            language::Place::Test => "test",
        };
        match language::signature(name) {
            Some(signature) if signature.place == place => Some(Found::Known(signature)),
            Some(_) => {
                let other = match place {
                    language::Place::Command => "a test: it stands behind 'if'",
                    language::Place::Test => "a command: it tests nothing",
                };
                self.fault(statement.place, format!("'{name}' is {other}"));
                None
            }
            None => {
                let text = format!("unknown {kind} '{name}'");
                if self.may_ask() {
                    // It may belong to an extension that is asked for and not there.
                    let (line, text) = (statement.place.line, text.into());
                    self.ops.push(Op::Fail { line, text });
                    return None;
                }
                let mut fault = Fault::new(statement.place, text);
                if let Some(word) = nearest(name, language::words(place)) {
                    fault = fault.hinting(format!("did you mean '{word}'?"));
                }
                self.faults.push(fault);
                None
            }
        }
    }

    fn test(&mut self, statement: &Statement) -> Test {
        let ops = self.ops.len();
        let Some(found) = self.find(statement, language::Place::Test) else {
            // What was to fail here fails when the test is run.
            return match self.ops.get(ops) {
                Some(Op::Fail { text, .. }) => {
                    let text = text.clone();
                    self.ops.truncate(ops);
                    Test::Fail(text)
                }
                _ => Test::Constant(false),
            };
        };
        let signature = match found {
            Found::Known(signature) => signature,
            Found::Foreign(foreign) => return Test::Command(self.words(statement, foreign)),
        };
        let command = self.fit(statement, signature);
        let mut tests = Vec::new();
        if signature.tests != Tests::None {
            tests = statement.tests.iter().map(|test| self.test(test)).collect();
        }
        match signature.verb {
            Verb::True => Test::Constant(true),
            Verb::False => Test::Constant(false),
            Verb::Not => Test::Not(Box::new(tests.pop().unwrap_or(Test::Constant(true)))),
            Verb::AllOf => Test::AllOf(tests),
            Verb::AnyOf => Test::AnyOf(tests),
            _ => command.map_or(Test::Constant(false), Test::Command),
        }
    }

    fn command(&mut self, statement: &Statement, signature: &Signature) {
        if signature.verb == Verb::Require {
            return self.require(statement, signature);
        }
        let Some(command) = self.fit(statement, signature) else {
            return;
        };
        match signature.verb {
            Verb::ForEveryPart => self.each_part(statement, &command),
            Verb::Break => self.leave(&command, statement.place),
            _ => self.ops.push(Op::Act(command)),
        }
    }

    // RFC 5228 §3.2
    fn require(&mut self, statement: &Statement, signature: &Signature) {
        if self.begun {
            let text = "'require' stands before all other commands";
            self.fault(statement.place, text);
        }
        self.plain(statement, signature);
        let Some(argument) = statement.arguments.first() else {
            return;
        };
        let names: Vec<(Place, &str)> = match &argument.value {
            Value::Text(name) => vec![(argument.place, name.as_str())],
            Value::List(names) => names
                .iter()
                .map(|(place, name)| (*place, name.as_str()))
                .collect(),
            Value::Tag(_) | Value::Number(_) => Vec::new(),
        };
        for (place, name) in names {
            if let Some(extension) = Extension::parse(name) {
                self.required.insert(extension);
                if !self.limits.abilities.has(extension) {
                    let text = format!("\"{name}\" is not carried out here");
                    self.fault(place, text);
                }
            } else if !self.foreign.iter().any(|foreign| foreign.name == name) {
                let text = format!("unknown extension \"{name}\"");
                let mut fault = Fault::new(place, text);
                if let Some(word) = nearest(name, crate::capabilities()) {
                    fault = fault.hinting(format!("did you mean \"{word}\"?"));
                }
                self.faults.push(fault);
            }
        }
    }

    fn each_part(&mut self, statement: &Statement, command: &Command) {
        let line = command.line;
        let name = command.tagged(language::Tag::Name).first();
        let name = name.and_then(|name| name.constant()).map(str::to_owned);
        self.ops.push(Op::EachPart { line });
        let next = self.ops.len();
        self.ops.push(Op::NextPart { end: 0 });
        self.loops.push(Loop {
            name,
            breaks: Vec::new(),
        });
        self.block(statement.block.as_deref().unwrap_or_default());
        self.ops.push(Op::Jump(next));
        let end = self.ops.len();
        if let Some(Op::NextPart { end: to }) = self.ops.get_mut(next) {
            *to = end;
        }
        let breaks = self.loops.pop().map(|one| one.breaks);
        self.land(breaks);
    }

    // RFC 5703 §3
    fn leave(&mut self, command: &Command, place: Place) {
        let name = command.tagged(language::Tag::Name).first();
        let name = name.and_then(|name| name.constant());
        let named = |one: &Loop| name.is_none() || one.name.as_deref() == name;
        let at = self.ops.len();
        let Some(depth) = self.loops.iter().rev().position(named) else {
            let text = match name {
                Some(name) => format!("there is no loop '{name}' around this"),
                None => "there is no loop around this".to_owned(),
            };
            self.fault(place, text);
            return;
        };
        let innermost = self.loops.len().saturating_sub(1);
        if let Some(one) = self.loops.get_mut(innermost.saturating_sub(depth)) {
            one.breaks.push(at);
        }
        self.ops.push(Op::Break {
            loops: depth + 1,
            to: 0,
        });
    }

    fn foreign(&mut self, statement: &Statement, foreign: Foreign) {
        let command = self.words(statement, foreign);
        if foreign.kind != ForeignKind::Block {
            self.ops.push(Op::Act(command));
            return;
        }
        let at = self.ops.len();
        let line = command.line;
        let test = Test::Command(command);
        self.ops.push(Op::Unless { test, line, to: 0 });
        self.block(statement.block.as_deref().unwrap_or_default());
        let end = self.ops.len();
        if let Some(Op::Unless { to, .. }) = self.ops.get_mut(at) {
            *to = end;
        }
    }
}
