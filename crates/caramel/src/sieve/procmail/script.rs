//! The script as a person would write it: tests, commands, and their text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Is,
    Contains,
    Matches,
    Regex,
}

/// What is compared, with any of some texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) how: How,
    pub(super) keys: Vec<String>,
    /// Large and small letters differ.
    pub(super) exact: bool,
}

/// A test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    True,
    Header(Vec<String>, Keys),
    Exists(String),
    Sender(Keys),
    Body(Keys),
    Text(String, Keys),
    Over(u64),
    Under(u64),
    Duplicate,
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl Test {
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// All of them.
    pub(super) fn all(mut tests: Vec<Self>) -> Self {
        tests.retain(|test| *test != Self::True);
        match tests.len() {
            0 => Self::True,
            1 => tests.remove(0),
            _ => Self::All(tests),
        }
    }

    /// One of them: those of the same field become one.
    pub(super) fn any(tests: Vec<Self>) -> Self {
        let mut merged: Vec<Self> = Vec::new();
        for test in tests {
            if merged.contains(&test) {
                continue;
            }
            if !merged.iter_mut().any(|one| one.merge(&test)) {
                merged.push(test);
            }
        }
        match merged.len() {
            1 => merged.remove(0),
            _ => Self::Any(merged),
        }
    }

    /// Takes another in, if that can be said in one.
    fn merge(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Header(names, keys), Self::Header(others, more)) => {
                if keys == more {
                    let new = others.iter().filter(|name| !has(names, name)).cloned();
                    let new: Vec<String> = new.collect();
                    names.extend(new);
                    return true;
                }
                names == others && keys.merge(more)
            }
            (Self::Sender(keys), Self::Sender(more)) | (Self::Body(keys), Self::Body(more)) => {
                keys.merge(more)
            }
            (Self::Text(text, keys), Self::Text(other, more)) => text == other && keys.merge(more),
            _ => false,
        }
    }
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|one| one.eq_ignore_ascii_case(name))
}

impl Keys {
    fn merge(&mut self, more: &Self) -> bool {
        if self.how != more.how || self.exact != more.exact {
            return false;
        }
        for key in &more.keys {
            if !self.keys.contains(key) {
                self.keys.push(key.clone());
            }
        }
        true
    }
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Comment(String),
    /// An empty line.
    Gap,
    /// The branches in order; `True` is `else`, where it is not the first.
    If(Vec<(Test, Vec<Self>)>),
    FileInto {
        mailbox: String,
        copy: bool,
    },
    Redirect {
        address: String,
        copy: bool,
    },
    Keep,
    Discard,
    Set(String, String),
    Stop,
}

/// Writes a script with what it requires.
pub(super) fn write(steps: &[Step]) -> String {
    let mut writer = Writer::default();
    writer.steps(steps, 0);
    let mut script = String::new();
    let names: Vec<String> = writer.needs.iter().map(|name| quote(name)).collect();
    match names.as_slice() {
        [] => {}
        [one] => {
            // Writing to a string cannot fail.
            writeln!(script, "require {one};").unwrap_or_default();
        }
        all => writeln!(script, "require [{}];", all.join(", ")).unwrap_or_default(),
    }
    let text = writer.text.trim_matches('\n');
    if !script.is_empty() && !text.is_empty() {
        script.push('\n');
    }
    script.push_str(text);
    if !text.is_empty() {
        script.push('\n');
    }
    script
}

#[derive(Default)]
struct Writer {
    text: String,
    needs: BTreeSet<&'static str>,
}

impl Writer {
    fn line(&mut self, depth: usize, text: &str) {
        self.text.extend(std::iter::repeat_n("    ", depth));
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn gap(&mut self) {
        let is_open = self.text.ends_with("{\n") || self.text.ends_with("\n\n");
        if !self.text.is_empty() && !is_open {
            self.text.push('\n');
        }
    }

    fn steps(&mut self, steps: &[Step], depth: usize) {
        for step in steps {
            match step {
                Step::Comment(text) => self.line(depth, &format!("# {text}")),
                Step::Gap => self.gap(),
                Step::If(branches) => self.branches(branches, depth),
                Step::FileInto { mailbox, copy } => {
                    self.needs.extend(["fileinto", "mailbox"]);
                    let copy = self.copy(*copy);
                    self.line(
                        depth,
                        &format!("fileinto{copy} :create {};", quote(mailbox)),
                    );
                }
                Step::Redirect { address, copy } => {
                    let copy = self.copy(*copy);
                    self.line(depth, &format!("redirect{copy} {};", quote(address)));
                }
                Step::Keep => self.line(depth, "keep;"),
                Step::Discard => self.line(depth, "discard;"),
                Step::Set(name, value) => {
                    self.needs.insert("variables");
                    self.line(depth, &format!("set {} {};", quote(name), quote(value)));
                }
                Step::Stop => self.line(depth, "stop;"),
            }
        }
    }

    fn copy(&mut self, copy: bool) -> &'static str {
        if !copy {
            return "";
        }
        self.needs.insert("copy");
        " :copy"
    }

    fn branches(&mut self, branches: &[(Test, Vec<Step>)], depth: usize) {
        for (at, (test, steps)) in branches.iter().enumerate() {
            let test = match (at, test) {
                (0, test) => format!("if {} {{", self.test(test, depth)),
                (_, Test::True) => "else {".to_owned(),
                (_, test) => format!("elsif {} {{", self.test(test, depth)),
            };
            self.line(depth, &test);
            self.steps(steps, depth + 1);
            while self.text.ends_with("\n\n") {
                self.text.pop();
            }
            self.line(depth, "}");
        }
    }

    fn test(&mut self, test: &Test, depth: usize) -> String {
        match test {
            Test::True => "true".to_owned(),
            Test::Header(names, keys) => {
                let compared = self.keys("header", keys);
                format!("{compared} {} {}", list(names), list(&keys.keys))
            }
            Test::Exists(name) => format!("exists {}", quote(name)),
            Test::Sender(keys) => {
                self.needs.insert("envelope");
                format!(
                    "{} \"from\" {}",
                    self.keys("envelope", keys),
                    list(&keys.keys)
                )
            }
            Test::Body(keys) => {
                self.needs.insert("body");
                format!("{} {}", self.keys("body :raw", keys), list(&keys.keys))
            }
            Test::Text(text, keys) => {
                self.needs.insert("variables");
                let compared = self.keys("string", keys);
                format!("{compared} {} {}", quote(text), list(&keys.keys))
            }
            Test::Over(octets) => format!("size :over {octets}"),
            Test::Under(octets) => format!("size :under {octets}"),
            Test::Duplicate => {
                self.needs.insert("duplicate");
                "duplicate".to_owned()
            }
            Test::Not(inner) => format!("not {}", self.test(inner, depth)),
            Test::All(tests) => self.many("allof", tests, depth),
            Test::Any(tests) => self.many("anyof", tests, depth),
        }
    }

    fn many(&mut self, word: &str, tests: &[Test], depth: usize) -> String {
        let tests: Vec<String> = tests.iter().map(|one| self.test(one, depth + 1)).collect();
        let margin = "    ".repeat(depth + 1);
        format!("{word}({})", tests.join(&format!(",\n{margin}")))
    }

    fn keys(&mut self, word: &str, keys: &Keys) -> String {
        let how = match keys.how {
            How::Is => ":is",
            How::Contains => ":contains",
            How::Matches => ":matches",
            How::Regex => {
                self.needs.insert("regex");
                ":regex"
            }
        };
        let exact = if keys.exact {
            " :comparator \"i;octet\""
        } else {
            ""
        };
        format!("{word}{exact} {how}")
    }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn list(texts: &[String]) -> String {
    match texts {
        [one] => quote(one),
        all => {
            let all: Vec<String> = all.iter().map(|text| quote(text)).collect();
            format!("[{}]", all.join(", "))
        }
    }
}
