//! Arguments fitted to what a command takes.

use crate::compare::{Comparator, Match, Pattern, Relation, regex};
use crate::extension::{Extension, Extensions};
use crate::fault::{Fault, Place, nearest};
use crate::language::{Optional, Shape, Signature, Tag, Tagged, Tests, Verb};
use crate::script::{Argument, Command, Comparing, Foreign, ForeignKind, Word, Words};
use crate::syntax::{Statement, Value, Written};
use crate::template::Template;

use super::Checker;

impl Checker<'_> {
    /// Fits a command; `None` where something is wrong, which is then reported.
    pub(super) fn fit(&mut self, statement: &Statement, signature: &Signature) -> Option<Command> {
        let faults = self.faults.len();
        self.needs = Extensions::default();
        let what = format!("'{}'", signature.name());
        if let Some(extension) = signature.needs {
            self.need(&what, extension, statement.place);
        }
        self.around(statement, signature);
        if let Some(unknown) = self.unknown(statement, signature) {
            return (self.faults.len() == faults).then_some(unknown);
        }
        let mut tags: Vec<(Tag, Argument)> = Vec::new();
        let mut groups: Vec<(u8, Tag)> = Vec::new();
        let mut positional: Vec<&Written> = Vec::new();
        let mut written = statement.arguments.iter();
        while let Some(one) = written.next() {
            let Value::Tag(name) = &one.value else {
                positional.push(one);
                continue;
            };
            let Some(tagged) = signature.tag(name) else {
                self.unknown_tag(one.place, name, signature);
                continue;
            };
            if !positional.is_empty() {
                let text = format!("':{name}' stands before the other arguments of {what}");
                self.fault(one.place, text);
            }
            self.once(one.place, tagged, &mut groups);
            let argument = match tagged.takes {
                None => Some(Argument::None),
                Some(shape) => self.behind(one.place, tagged, shape, written.next()),
            };
            tags.extend(argument.map(|argument| (tagged.tag, argument)));
        }
        let arguments = self.positional(statement, signature, &positional);
        if self.faults.len() > faults {
            return None;
        }
        let mut command = Command {
            verb: signature.verb,
            line: statement.place.line,
            needs: Extensions::default(),
            tags,
            arguments,
            comparing: Comparing::default(),
            foreign: None,
            unknown: None,
        };
        if signature.all_tags().any(|tagged| tagged.tag == Tag::Is) {
            command.comparing = self.comparing(&command, statement.place);
        }
        self.rules(&command, statement.place);
        command.needs = self.needs;
        (self.faults.len() == faults).then_some(command)
    }

    /// A command with a tag that is not known, where it may be asked for at run time: nobody knows
    /// what it takes.
    // RFC 5463 §4
    fn unknown(&self, statement: &Statement, signature: &Signature) -> Option<Command> {
        let mut tags = statement
            .arguments
            .iter()
            .filter_map(|written| match &written.value {
                Value::Tag(name) => Some(name),
                _ => None,
            });
        let name = tags.find(|name| signature.tag(name).is_none())?;
        let text = format!("unknown tag ':{name}' of '{}'", signature.name());
        self.may_ask().then(|| Command {
            verb: signature.verb,
            line: statement.place.line,
            needs: Extensions::default(),
            tags: Vec::new(),
            arguments: Vec::new(),
            comparing: Comparing::default(),
            foreign: None,
            unknown: Some(text.into()),
        })
    }

    /// Looks at tests and block.
    fn around(&mut self, statement: &Statement, signature: &Signature) {
        let name = signature.name();
        let tests = statement.tests.len();
        let text = match signature.tests {
            Tests::None if tests > 0 => format!("'{name}' takes no test"),
            Tests::One if tests == 0 => format!("'{name}' takes a test"),
            Tests::One if tests > 1 => format!("'{name}' takes one test, not {tests}"),
            Tests::Many if tests == 0 => format!("'{name}' takes tests in parentheses"),
            _ => String::new(),
        };
        if !text.is_empty() {
            self.fault(statement.place, text);
        }
        match (signature.block, statement.block.is_some()) {
            (true, false) => self.fault(statement.place, format!("'{name}' takes a block")),
            (false, true) => self.fault(statement.place, format!("'{name}' takes no block")),
            _ => {}
        }
    }

    fn unknown_tag(&mut self, place: Place, name: &str, signature: &Signature) {
        let text = format!("unknown tag ':{name}' of '{}'", signature.name());
        let mut fault = Fault::new(place, text);
        let known = signature.all_tags().map(|tagged| tagged.tag.name());
        if let Some(word) = nearest(name, known) {
            fault = fault.hinting(format!("did you mean ':{word}'?"));
        }
        self.faults.push(fault);
    }

    /// Looks whether a tag, or one of its group, was given before.
    fn once(&mut self, place: Place, tagged: Tagged, groups: &mut Vec<(u8, Tag)>) {
        let name = tagged.tag.name();
        let other = groups.iter().find(|(group, _)| *group == tagged.group);
        match other.map(|(_, tag)| *tag) {
            Some(tag) if tag == tagged.tag => {
                self.fault(place, format!("':{name}' is given twice"));
            }
            Some(tag) => {
                let other = tag.name();
                self.fault(place, format!("':{name}' does not go with ':{other}'"));
            }
            None => groups.push((tagged.group, tagged.tag)),
        }
        if let Some(extension) = tagged.needs {
            self.need(&format!("':{name}'"), extension, place);
        }
    }

    /// Reads the argument behind a tag.
    fn behind(
        &mut self,
        place: Place,
        tagged: Tagged,
        shape: Shape,
        written: Option<&Written>,
    ) -> Option<Argument> {
        let name = tagged.tag.name();
        let Some(written) = written else {
            let text = format!("':{name}' takes {}", shape.named());
            self.fault(place, text);
            return None;
        };
        self.argument(written, shape, &format!("':{name}'"))
    }

    fn argument(&mut self, written: &Written, shape: Shape, what: &str) -> Option<Argument> {
        let texts: Vec<(Place, &str)> = match (&written.value, shape) {
            (Value::Number(number), Shape::Number) => return Some(Argument::Number(*number)),
            (Value::Text(text), Shape::Text | Shape::Texts) => vec![(written.place, text.as_str())],
            (Value::List(texts), Shape::Texts) => texts
                .iter()
                .map(|(place, text)| (*place, text.as_str()))
                .collect(),
            (other, _) => {
                let text = format!("{what} takes {}, not {}", shape.named(), other.named());
                self.fault(written.place, text);
                return None;
            }
        };
        let templates = texts
            .into_iter()
            .map(|(place, text)| self.template(place, text));
        templates.collect::<Option<Vec<_>>>().map(Argument::Texts)
    }

    fn template(&mut self, place: Place, text: &str) -> Option<Template> {
        match Template::parse(text, self.required) {
            Ok(template) => Some(template),
            Err(text) => {
                self.fault(place, text);
                None
            }
        }
    }

    fn positional(
        &mut self,
        statement: &Statement,
        signature: &Signature,
        written: &[&Written],
    ) -> Vec<Argument> {
        let shapes = signature.arguments;
        let name = signature.name();
        if written.len() > shapes.len() || written.len() < signature.fewest() {
            let text = match (shapes.len(), written.len()) {
                (0, _) => format!("'{name}' takes no argument"),
                (1, found) => format!("'{name}' takes one argument, not {found}"),
                (all, found) => format!("'{name}' takes {all} arguments, not {found}"),
            };
            self.fault(statement.place, text);
            return Vec::new();
        }
        let left_out = shapes.len() - written.len();
        let (first, last) = match signature.optional {
            Optional::First => (left_out, 0),
            Optional::None | Optional::Last => (0, left_out),
        };
        let mut arguments = vec![Argument::None; first];
        for (at, (one, shape)) in written.iter().zip(shapes.iter().skip(first)).enumerate() {
            let what = match shapes.len() {
                1 => format!("'{name}'"),
                _ => format!("argument {} of '{name}'", at + 1),
            };
            // The variables of `hasflag` are a list (RFC 5232 §4).
            let list = signature.verb == Verb::HasFlag;
            let shape = if list { Shape::Texts } else { *shape };
            arguments.extend(self.argument(one, shape, &what));
        }
        arguments.extend(vec![Argument::None; last]);
        arguments
    }

    /// Reads match type and comparator, and makes the regular expressions that are constant.
    fn comparing(&mut self, command: &Command, place: Place) -> Comparing {
        let constant = |tag| {
            let first = command.tagged(tag).first();
            first.map(|text| text.constant().unwrap_or_default())
        };
        let mut comparator = Comparator::default();
        if let Some(name) = constant(Tag::Comparator) {
            match Comparator::parse(name) {
                Some(known) => comparator = known,
                None => self.fault(place, format!("unknown comparator \"{name}\"")),
            }
            let extension = Extension::parse(&format!("comparator-{name}"));
            if let Some(extension) = extension {
                self.need(&format!("\"{name}\""), extension, place);
            }
        }
        let mut relation = |tag| {
            let name = constant(tag)?;
            let found = Relation::parse(name);
            if found.is_none() {
                let text = format!("unknown relation \"{name}\"");
                self.hinted(place, text, "gt, ge, lt, le, eq or ne");
            }
            found
        };
        let kind = if let Some(relation) = relation(Tag::Value) {
            Match::Value(relation)
        } else if let Some(relation) = relation(Tag::Count) {
            Match::Count(relation)
        } else {
            let kinds = [
                (Tag::Contains, Match::Contains),
                (Tag::Matches, Match::Matches),
                (Tag::Regex, Match::Regex),
                (Tag::List, Match::List),
            ];
            let given = kinds.iter().find(|(tag, _)| command.has(*tag));
            given.map_or(Match::Is, |(_, kind)| *kind)
        };
        let parts = matches!(kind, Match::Contains | Match::Matches | Match::Regex);
        if parts && !comparator.has_substrings() {
            let text = "\"i;ascii-numeric\" compares whole numbers only";
            self.hinted(place, text, "use :is, :value or :count");
        }
        let keys = command.arguments.last().map_or(&[][..], Argument::texts);
        let mut regexes = Vec::new();
        for key in keys.iter().filter(|_| kind == Match::Regex) {
            let octets_max = self.limits.regex_octets_max;
            let made = key.constant().map(|key| regex(key, comparator, octets_max));
            regexes.push(match made.transpose() {
                Ok(made) => made,
                Err(text) => {
                    self.fault(place, text);
                    None
                }
            });
        }
        // RFC 5232 §4: a key of `hasflag` is a list of keys.
        let whole = kind == Match::Matches && command.verb != Verb::HasFlag;
        let patterns = keys.iter().filter(|_| whole);
        let patterns = patterns.map(|key| Some(Pattern::new(comparator, key.constant()?)));
        Comparing {
            kind,
            comparator,
            regexes,
            patterns: patterns.collect(),
        }
    }

    /// Reads a foreign command as it stands.
    pub(super) fn words(&mut self, statement: &Statement, foreign: Foreign) -> Command {
        let block = foreign.kind == ForeignKind::Block;
        if block != statement.block.is_some() || !statement.tests.is_empty() {
            let text = format!("'{}' does not stand like this", foreign.name);
            self.fault(statement.place, text);
        }
        let mut words = Vec::new();
        for written in &statement.arguments {
            match &written.value {
                Value::Tag(name) => words.push(Word::Tag(name.as_str().into())),
                Value::Number(number) => words.push(Word::Number(*number)),
                Value::Text(_) | Value::List(_) => {
                    let argument = self.argument(written, Shape::Texts, foreign.name);
                    if let Some(Argument::Texts(texts)) = argument {
                        words.push(Word::Texts(texts));
                    }
                }
            }
        }
        Command {
            verb: Verb::Foreign,
            line: statement.place.line,
            needs: Extensions::default(),
            tags: Vec::new(),
            arguments: Vec::new(),
            comparing: Comparing::default(),
            foreign: Some(Box::new(Words {
                name: foreign.name,
                words,
            })),
            unknown: None,
        }
    }
}
