//! The words of the test language.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use mail::{ForwardPath, ReversePath, Timestamp};
use sieve::{
    Action, Answer, Ask, Circumstances, Envelope, Foreign, ForeignKind, ForeignWord, Letter,
    Limits, Location, Run, Script, Step,
};

use crate::house::{House, envelope};

const WORDS: &[Foreign] = &[
    word("vnd.dovecot.testsuite", ForeignKind::Command),
    word("vnd.dovecot.debug", ForeignKind::Command),
    word("test", ForeignKind::Block),
    word("test_fail", ForeignKind::Command),
    word("test_set", ForeignKind::Command),
    word("test_config_set", ForeignKind::Command),
    word("test_config_unset", ForeignKind::Command),
    word("test_config_reload", ForeignKind::Command),
    word("test_script_compile", ForeignKind::Test),
    word("test_script_run", ForeignKind::Test),
    word("test_multiscript", ForeignKind::Test),
    word("test_error", ForeignKind::Test),
    word("test_result_action", ForeignKind::Test),
    word("test_result_execute", ForeignKind::Test),
    word("test_result_reset", ForeignKind::Command),
    word("test_result_print", ForeignKind::Command),
    word("test_message", ForeignKind::Test),
    word("test_message", ForeignKind::Command),
    word("test_mailbox_create", ForeignKind::Command),
    word("test_binary_save", ForeignKind::Command),
    word("test_binary_load", ForeignKind::Command),
];

const fn word(name: &'static str, kind: ForeignKind) -> Foreign {
    Foreign { name, kind }
}

/// How one block has ended.
pub(crate) struct Block {
    pub(crate) name: String,
    pub(crate) complaints: Vec<String>,
    /// It complained of words or numbers of errors, which are ours.
    pub(crate) worded: bool,
}

pub(crate) struct Suite {
    folder: PathBuf,
    path: PathBuf,
    house: House,
    limits: Limits,
    blocks: Vec<Block>,
    script: Option<Arc<Script>>,
    /// What `test_script_run` wants done.
    pending: Option<Vec<Action>>,
}

fn texts(word: Option<&ForeignWord>) -> &[String] {
    match word {
        Some(ForeignWord::Texts(texts)) => texts,
        _ => &[],
    }
}

fn text(word: Option<&ForeignWord>) -> &str {
    texts(word).first().map_or("", String::as_str)
}

impl Suite {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            folder: path.parent().unwrap().to_owned(),
            path: path.to_owned(),
            house: House::default(),
            limits: Limits::HOUSE,
            blocks: Vec::new(),
            script: None,
            pending: None,
        }
    }

    /// Runs the file; gives its blocks.
    pub(crate) fn run(mut self) -> Vec<Block> {
        let source = std::fs::read_to_string(&self.path).unwrap();
        let source = source.replace("${tst.path}", self.folder.to_str().unwrap());
        // It uses a comparator that RFC 5228 §2.7.3 wants required.
        let source = match self.path.ends_with("i-unicode-casemap.svtest") {
            true => format!("require \"comparator-i;unicode-casemap\";{source}"),
            false => source,
        };
        let compiled = Script::compile_with("test", source.as_bytes(), &self.limits, WORDS);
        let script = match compiled {
            Ok(script) => script,
            Err(faults) => {
                let complaints = faults.iter().map(ToString::to_string).collect();
                return vec![Block {
                    name: "(the file)".to_owned(),
                    complaints,
                    worded: false,
                }];
            }
        };
        let letter = Letter::parse(Bytes::from_static(b"\r\n"));
        let mut world = Circumstances::new(letter);
        world.envelope = Some(Arc::new(envelope()));
        let mut run = Run::new(Arc::new(script), world, self.limits);
        loop {
            match run.step() {
                Step::Ask(Ask::Foreign { name, words }) => {
                    let answer = self.foreign(name, &words, &mut run);
                    run.answer(Answer::Flag(answer));
                }
                Step::Ask(ask) => {
                    let answer = self.answer(ask);
                    run.answer(answer);
                }
                Step::Done(outcome) => {
                    if let Some(trouble) = outcome.fault {
                        self.complain(trouble.to_string());
                    }
                    return self.blocks;
                }
            }
        }
    }

    fn complain(&mut self, text: String) {
        if self.blocks.is_empty() {
            self.begin("(before all)");
        }
        let block = self.blocks.last_mut().unwrap();
        let words = ["error", "errors"];
        let of_words =
            text.split(' ').any(|word| words.contains(&word)) && !text.contains("compile");
        if of_words && block.complaints.is_empty() {
            block.worded = true;
        } else {
            block.complaints.push(text);
        }
    }

    fn begin(&mut self, name: &str) {
        self.blocks.push(Block {
            name: name.to_owned(),
            complaints: Vec::new(),
            worded: false,
        });
    }

    /// Answers what scripts ask in any house.
    fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Now => Answer::Now(Timestamp::utc(1_700_000_000)),
            Ask::Mailbox(name) => Answer::Flag(self.house.mailboxes.contains_key(&name)),
            Ask::Script { location, name } => {
                self.house.errors.clear();
                Answer::Script(self.included(location, &name))
            }
            Ask::Listed { list, values } => Answer::Text(
                values
                    .into_iter()
                    .find(|value| self.is_listed(&list, value)),
            ),
            Ask::List(list) => Answer::Flag(self.list(&list).is_some()),
            _ => Answer::Flag(false),
        }
    }

    fn list(&self, list: &str) -> Option<String> {
        let list = list.strip_prefix("urn:ietf:params:sieve").unwrap_or(list);
        let lists = self.house.setting("sieve_extlists_list")?;
        let known = lists.split_ascii_whitespace().any(|known| known == list);
        known.then(|| list.to_owned())
    }

    fn is_listed(&self, list: &str, value: &str) -> bool {
        let Some(list) = self.list(list) else {
            return false;
        };
        let path = format!("sieve_extlists_list/{list}/dict/file/path");
        let Some(path) = self.house.setting(&path) else {
            return false;
        };
        let entries = std::fs::read_to_string(path).unwrap_or_default();
        entries.lines().any(|line| {
            let entry = line.rsplit('/').next().unwrap_or_default();
            entry.eq_ignore_ascii_case(value)
        })
    }

    fn included(&mut self, location: Location, name: &str) -> Option<Arc<Script>> {
        let folder = match location {
            Location::Personal => "included",
            Location::Global => "included-global",
        };
        let name = name.strip_suffix(".sieve").unwrap_or(name);
        self.compile(&format!("{folder}/{name}.sieve"), name).ok()
    }

    fn compile(&mut self, path: &str, name: &str) -> Result<Arc<Script>, ()> {
        let Ok(source) = std::fs::read(self.folder.join(path)) else {
            self.house.errors.push(format!("{path} is not there"));
            return Err(());
        };
        match Script::compile_with(name, &source, &self.limits, WORDS) {
            Ok(script) => Ok(Arc::new(script)),
            Err(faults) => {
                let texts = faults.iter().map(ToString::to_string);
                self.house.errors.extend(texts);
                Err(())
            }
        }
    }

    /// Compiles a script and those it includes, as a server does when one is stored.
    fn compile_all(&mut self, path: &str) -> bool {
        self.house.errors.clear();
        self.script = None;
        let Ok(script) = self.compile(path, "main") else {
            return false;
        };
        let mut around = Vec::new();
        let mut count = 0;
        let good = self.includes_hold(&script, &mut around, &mut count);
        self.script = good.then_some(script);
        good
    }

    fn includes_hold(
        &mut self,
        script: &Script,
        around: &mut Vec<(Location, String)>,
        count: &mut usize,
    ) -> bool {
        let includes: Vec<(Location, String)> = script
            .includes()
            .map(|(location, name, _)| {
                let name = name.strip_suffix(".sieve").unwrap_or(name);
                (location, name.to_owned())
            })
            .collect();
        for key in includes {
            *count += 1;
            let file = self.folder.join(match key.0 {
                Location::Personal => "included",
                Location::Global => "included-global",
            });
            let there = file.join(format!("{}.sieve", key.1)).exists();
            if around.contains(&key) || *count > self.limits.includes_max {
                self.house
                    .errors
                    .push(format!("'{}' cannot be included", key.1));
                return false;
            }
            if !there {
                continue;
            }
            let Some(inner) = self.included(key.0, &key.1) else {
                return false;
            };
            around.push(key);
            if around.len() > self.limits.include_depth_max {
                self.house.errors.push("included too deeply".to_owned());
                return false;
            }
            let good = self.includes_hold(&inner, around, count);
            around.pop();
            if !good {
                return false;
            }
        }
        true
    }

    /// Runs a script on the message; gives what it wants done.
    fn run_script(&mut self, script: Arc<Script>, world: Circumstances) -> Option<Vec<Action>> {
        let mut run = Run::new(script, world, self.limits);
        loop {
            match run.step() {
                Step::Ask(Ask::Foreign { words, .. }) => {
                    self.complain(text(words.last()).to_owned());
                    run.answer(Answer::Flag(true));
                }
                Step::Ask(ask) => {
                    let answer = self.answer(ask);
                    run.answer(answer);
                }
                Step::Done(outcome) => match outcome.fault {
                    None => return Some(outcome.actions),
                    Some(trouble) => {
                        self.house.errors.push(trouble.to_string());
                        return None;
                    }
                },
            }
        }
    }

    fn foreign(&mut self, name: &str, words: &[ForeignWord], run: &mut Run) -> bool {
        let last = words.last();
        match name {
            "test" => {
                self.begin(text(last));
                true
            }
            "test_fail" => {
                self.complain(text(last).to_owned());
                true
            }
            "test_set" => {
                let (item, value) = (text(words.first()).to_owned(), text(last).to_owned());
                self.set(&item, &value, run.circumstances_mut());
                if item == "message" {
                    run.take_actions();
                }
                true
            }
            "test_config_set" => {
                let (item, value) = (text(words.first()), text(last));
                self.house
                    .settings
                    .insert(item.to_owned(), value.to_owned());
                true
            }
            "test_config_unset" => {
                self.house.settings.remove(text(last));
                true
            }
            "test_config_reload" => {
                self.reload(run.circumstances_mut());
                true
            }
            "test_script_compile" => self.compile_all(text(last)),
            "test_script_run" => {
                let append = words.contains(&ForeignWord::Tag("append_result".to_owned()));
                self.run_compiled(append, run.circumstances_mut().clone())
            }
            "test_multiscript" => self.multiscript(texts(last), run),
            "test_error" => self.error(words),
            "test_result_action" => self.result_action(words),
            "test_result_execute" => {
                let actions = self.pending.take().unwrap_or_else(|| run.take_actions());
                self.house.errors.clear();
                self.house.carry_out(run.circumstances_mut(), &actions)
            }
            "test_result_reset" => {
                self.pending = None;
                run.take_actions();
                self.house.sent.clear();
                true
            }
            "test_message" => self.message(words, run),
            "test_mailbox_create" => {
                self.house
                    .mailboxes
                    .entry(text(last).to_owned())
                    .or_default();
                true
            }
            _ => true,
        }
    }

    /// Runs the script that was compiled last; what it wants done waits.
    fn run_compiled(&mut self, append: bool, world: Circumstances) -> bool {
        self.house.errors.clear();
        let Some(script) = self.script.clone() else {
            return false;
        };
        let actions = self.run_script(script, world);
        let done = actions.is_some();
        let before = self.pending.take().filter(|_| append);
        let all = before
            .into_iter()
            .flatten()
            .chain(actions.into_iter().flatten());
        self.pending = Some(all.collect());
        done
    }

    fn set(&mut self, item: &str, value: &str, world: &mut Circumstances) {
        let bare = value.trim().trim_start_matches('<').trim_end_matches('>');
        let bracketed = format!("<{bare}>");
        match item {
            "message" => {
                world.letter = Letter::parse(Bytes::from(value.to_owned()));
                world.flags = mail::FlagSet::new();
                address_envelope(world, value);
            }
            "envelope.from" => match ReversePath::parse(&bracketed) {
                Ok(path) => told(world).reverse_path = path,
                Err(error) => self.complain(format!("{value}: {error}")),
            },
            "envelope.to" => match ForwardPath::parse(&bracketed) {
                Ok(path) => told(world).recipient.forward_path = path,
                Err(error) => self.complain(format!("{value}: {error}")),
            },
            "envelope.auth" => {
                told(world).auth = Some(value.to_owned());
            }
            _ => {}
        }
        self.house.settle(world);
    }

    fn reload(&mut self, world: &mut Circumstances) {
        self.house.settle(world);
        let number = |name: &str| self.house.setting(name)?.parse().ok();
        let house = Limits::HOUSE;
        self.limits.includes_max =
            number("sieve_include_max_includes").unwrap_or(house.includes_max);
        self.limits.include_depth_max =
            number("sieve_include_max_nesting_depth").unwrap_or(house.include_depth_max);
    }

    fn multiscript(&mut self, paths: &[String], run: &mut Run) -> bool {
        let mut world = run.circumstances_mut().clone();
        for path in paths {
            self.house.errors.clear();
            let Ok(script) = self.compile(path, path) else {
                return false;
            };
            let Some(actions) = self.run_script(script, world.clone()) else {
                return false;
            };
            // The next script takes what this one keeps (RFC 6785 does the same with flags).
            let keep = actions.iter().find_map(|action| match &action.deed {
                sieve::Deed::Keep { flags } => Some((flags.clone(), action.changed.clone())),
                _ => None,
            });
            let others: Vec<Action> = actions
                .into_iter()
                .filter(|action| !matches!(action.deed, sieve::Deed::Keep { .. }))
                .collect();
            if !self.house.carry_out(&mut world, &others) {
                return false;
            }
            let Some((flags, changed)) = keep else {
                return true;
            };
            world.flags = flags;
            if let Some(changed) = changed {
                world.letter = Letter::parse(changed);
            }
        }
        true
    }

    /// Compares what went wrong with what was expected.
    fn error(&self, words: &[ForeignWord]) -> bool {
        let tags: HashSet<&str> = words
            .iter()
            .filter_map(|word| match word {
                ForeignWord::Tag(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let expected = text(words.last());
        if tags.contains("count") {
            let relation = words
                .iter()
                .skip_while(|word| !is_tag(word, "count"))
                .nth(1);
            return holds(text(relation), self.house.errors.len(), expected);
        }
        let index = words.iter().find_map(|word| match word {
            ForeignWord::Number(number) => usize::try_from(*number).ok(),
            _ => None,
        });
        let error = self.house.errors.get(index.unwrap_or(1) - 1);
        let found = |error: &String| {
            let mut rest = error.as_str();
            let pieces = expected.split('*').filter(|piece| !piece.is_empty());
            pieces.into_iter().all(|piece| match rest.find(piece) {
                Some(at) => {
                    rest = &rest[at + piece.len()..];
                    true
                }
                None => false,
            })
        };
        error.is_some_and(found)
    }

    fn result_action(&self, words: &[ForeignWord]) -> bool {
        let actions = self.pending.as_deref().unwrap_or_default();
        let expected = text(words.last());
        if words.iter().any(|word| is_tag(word, "count")) {
            let relation = words
                .iter()
                .skip_while(|word| !is_tag(word, "count"))
                .nth(1);
            return holds(text(relation), actions.len(), expected);
        }
        let index = words.iter().find_map(|word| match word {
            ForeignWord::Number(number) => usize::try_from(*number).ok(),
            _ => None,
        });
        let action = actions.get(index.unwrap_or(1) - 1);
        let name = action.map(|action| action.deed.name());
        name.map(|name| if name == "fileinto" { "store" } else { name }) == Some(expected)
    }

    /// Makes a message that was sent or filed the one that is tested.
    fn message(&mut self, words: &[ForeignWord], run: &mut Run) -> bool {
        let index = words.iter().find_map(|word| match word {
            ForeignWord::Number(number) => usize::try_from(*number).ok(),
            _ => None,
        });
        let index = index.unwrap_or_default();
        let world = run.circumstances_mut();
        if words.iter().any(|word| is_tag(word, "smtp")) {
            let Some(sent) = self.house.sent.get(index).cloned() else {
                return false;
            };
            world.letter = Letter::parse(sent.octets);
            let envelope = told(world);
            envelope.reverse_path = sent.from;
            envelope.recipient.forward_path =
                ForwardPath::parse(&format!("<{}>", sent.to)).unwrap();
            return true;
        }
        let mailbox = words.iter().find_map(|word| match word {
            ForeignWord::Texts(texts) => texts.first(),
            _ => None,
        });
        let stored = mailbox.and_then(|name| self.house.mailboxes.get(name)?.get(index));
        let Some((octets, flags)) = stored.cloned() else {
            return false;
        };
        world.letter = Letter::parse(octets);
        world.flags = flags;
        run.take_actions();
        true
    }
}

/// Takes the envelope from the header, as far as it has one address there.
/// The envelope, to be changed.
fn told(world: &mut Circumstances) -> &mut Envelope {
    Arc::make_mut(world.envelope.as_mut().unwrap())
}

fn address_envelope(world: &mut Circumstances, message: &str) {
    let address = |name: &str, default: &str| {
        let field = message::Header::first(message.as_bytes(), name);
        let list = field.map(|field| message::parse_addresses(field.value, 1));
        let first = list.and_then(|list| list.first()?.address());
        first.unwrap_or_else(|| mail::Address::parse(default).unwrap())
    };
    let envelope = told(world);
    envelope.reverse_path = ReversePath::Address(address("from", "sender@example.com"));
    envelope.recipient.forward_path = ForwardPath::Address(address("to", "recipient@example.com"));
}

fn is_tag(word: &ForeignWord, name: &str) -> bool {
    matches!(word, ForeignWord::Tag(tag) if tag == name)
}

fn holds(relation: &str, count: usize, expected: &str) -> bool {
    let expected: usize = expected.parse().unwrap();
    match relation {
        "eq" => count == expected,
        "gt" => count > expected,
        "ge" => count >= expected,
        "lt" => count < expected,
        "le" => count <= expected,
        _ => count != expected,
    }
}
