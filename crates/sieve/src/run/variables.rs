//! Variables: what strings become, and what is stored.
//!
//! RFC 5229 §3 and §4, RFC 6609 §3.4, RFC 5435 §6 and the draft of `:regex` (modifiers).

use std::borrow::Cow;
use std::sync::Arc;

use crate::language::Tag;
use crate::script::Command;
use crate::template::{Name, Piece, Template};

use super::{Run, Stop, Tried};

impl Run {
    /// A string with everything put in.
    pub(super) fn expand(&mut self, template: &Template) -> Tried<String> {
        self.spelled(template).map(Cow::into_owned)
    }

    /// The same, where it is only looked at: most strings of most scripts are as they stand there.
    pub(super) fn spelled<'t>(&mut self, template: &'t Template) -> Tried<Cow<'t, str>> {
        if let Some(text) = template.constant() {
            return Ok(Cow::Borrowed(text));
        }
        let mut text = String::new();
        for piece in &template.pieces {
            let from = text.len();
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Variable(name) => text.push_str(self.value(name)),
                Piece::Match(at) => {
                    let matched = self.frames.last().and_then(|frame| frame.matched.get(*at));
                    text.push_str(matched.map_or("", String::as_str));
                }
            }
            let octets = text.len().saturating_sub(from);
            self.spend(u64::try_from(octets / 64).unwrap_or(u64::MAX))?;
        }
        Ok(Cow::Owned(text))
    }

    pub(super) fn spelled_all<'t>(
        &mut self,
        templates: &'t [Template],
    ) -> Tried<Vec<Cow<'t, str>>> {
        let spelled = templates.iter().map(|template| self.spelled(template));
        spelled.collect()
    }

    pub(super) fn expand_all(&mut self, templates: &[Template]) -> Tried<Vec<String>> {
        templates
            .iter()
            .map(|template| self.expand(template))
            .collect()
    }

    /// An argument's one string.
    pub(super) fn text(&mut self, command: &Command, at: usize) -> Tried<String> {
        match command.texts(at).first() {
            Some(template) => self.expand(template),
            None => Ok(String::new()),
        }
    }

    /// A tag's one string.
    pub(super) fn tagged(&mut self, command: &Command, tag: Tag) -> Tried<Option<String>> {
        let first = command.tagged(tag).first();
        first.map(|template| self.expand(template)).transpose()
    }

    /// The name of a variable, which was found to be one.
    pub(super) fn variable(&self, template: &Template) -> Tried<Name> {
        let required = self
            .frames
            .last()
            .map(|frame| frame.enabled)
            .unwrap_or_default();
        let name = template.constant().unwrap_or_default();
        Name::parse(name, required).map_err(Stop::Trouble)
    }

    pub(super) fn value(&self, name: &Name) -> &str {
        let Some(frame) = self.frames.last() else {
            return "";
        };
        let global = name.global || frame.globals.contains(&name.name);
        let from = if global {
            &self.globals
        } else {
            &frame.variables
        };
        from.get(&name.name).map_or("", String::as_str)
    }

    /// Stores a value, cut where it is too long.
    // RFC 5229 §6
    pub(super) fn store(&mut self, name: &Name, mut value: String) -> Tried<()> {
        let max = self.limits.variable_octets_max;
        value.truncate(value.floor_char_boundary(max));
        let Some(frame) = self.frames.last_mut() else {
            return Ok(());
        };
        let global = name.global || frame.globals.contains(&name.name);
        let into = if global {
            &mut self.globals
        } else {
            &mut frame.variables
        };
        if into.len() >= self.limits.variables_max && !into.contains_key(&name.name) {
            return Err("the script has too many variables".into());
        }
        into.insert(name.name.clone(), value);
        Ok(())
    }

    /// Sets what `${0}`, `${1}` and so on are.
    pub(super) fn remember_matched(&mut self, mut matched: Vec<String>) {
        let max = self.limits.variable_octets_max;
        for text in &mut matched {
            text.truncate(text.floor_char_boundary(max));
        }
        if let Some(frame) = self.frames.last_mut() {
            let before = std::mem::replace(&mut frame.matched, Arc::new(matched));
            self.before.get_or_insert(before);
        }
    }

    /// Makes names global for the script that runs.
    pub(super) fn declare_global(&mut self, names: &[Template]) -> Tried<()> {
        for template in names {
            let name = self.variable(template)?;
            let max = self.limits.variables_max;
            let Some(frame) = self.frames.last_mut() else {
                return Ok(());
            };
            // RFC 6609 §3.4.1
            if frame.variables.contains_key(&name.name) {
                return Err(
                    format!("'{}' was set before it was declared global", name.name).into(),
                );
            }
            if frame.globals.len() >= max {
                return Err("the script has too many variables".into());
            }
            frame.globals.insert(name.name);
        }
        Ok(())
    }
}

/// Applies modifiers in the order of their precedence.
// RFC 5229 §4.1
pub(super) fn modified(command: &Command, mut value: String) -> String {
    if command.has(Tag::Lower) {
        value.make_ascii_lowercase();
    } else if command.has(Tag::Upper) {
        value.make_ascii_uppercase();
    }
    if let Some(first) = value.get_mut(..1) {
        if command.has(Tag::LowerFirst) {
            first.make_ascii_lowercase();
        } else if command.has(Tag::UpperFirst) {
            first.make_ascii_uppercase();
        }
    }
    if command.has(Tag::QuoteWildcard) {
        value = quoted(&value, "*?\\");
    } else if command.has(Tag::QuoteRegex) {
        value = regex::escape(&value);
    }
    if command.has(Tag::EncodeUrl) {
        value = percent_encoded(&value);
    }
    if command.has(Tag::Length) {
        value = value.chars().count().to_string();
    }
    value
}

fn quoted(value: &str, special: &str) -> String {
    let mut quoted = String::with_capacity(value.len());
    for letter in value.chars() {
        if special.contains(letter) {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted
}

// RFC 5435 §6
fn percent_encoded(value: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(value.len());
    for octet in value.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            // Writing to a string cannot fail.
            write!(encoded, "%{octet:02X}").unwrap_or_default();
        }
    }
    encoded
}
