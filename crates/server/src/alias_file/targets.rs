//! Where names lead: the targets of a line, and of the lists that it includes.

use std::path::Path;

use post::AliasName;

use super::AliasTargets;
use super::words::{include, name_of, unquoted, words};

/// Lists that include one another.
const INCLUDES_DEPTH_MAX: usize = 10;

/// Reads a list, or says why it cannot be gone by.
pub(super) type ReadList<'a> = dyn FnMut(&Path) -> Result<String, String> + 'a;

/// A file that names targets, as its faults have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// What it is called.
    pub(super) name: &'static str,
    /// The setting without which it names no programs, and who runs them.
    pub(super) programs: &'static str,
    /// Targets of all its lines, included ones with them.
    pub(super) targets_max: usize,
}

/// Reads targets.
pub(super) struct Targets<'a> {
    wanted: AliasTargets,
    manner: Manner,
    lists: Box<ReadList<'a>>,
    /// How many were read.
    count: usize,
}

/// Where a line leads.
#[derive(Debug, Default)]
pub(super) struct Led {
    pub(super) names: Vec<AliasName>,
    pub(super) programs: Vec<String>,
}

impl<'a> Targets<'a> {
    pub(super) fn new(wanted: AliasTargets, manner: Manner, lists: Box<ReadList<'a>>) -> Self {
        Self {
            wanted,
            manner,
            lists,
            count: 0,
        }
    }

    /// True if no more are taken.
    pub(super) const fn are_full(&self) -> bool {
        self.count >= self.manner.targets_max
    }

    /// Reads those of a line.
    pub(super) fn line(&mut self, text: &str, led: &mut Led) -> Result<(), String> {
        self.words(text, 0, led)
    }

    /// Reads those of a line to which so many lists lead.
    fn words(&mut self, text: &str, depth: usize, led: &mut Led) -> Result<(), String> {
        for word in words(text)? {
            self.target(&word, depth, led)?;
        }
        Ok(())
    }

    fn target(&mut self, word: &str, depth: usize, led: &mut Led) -> Result<(), String> {
        if self.are_full() {
            return Err("these are too many targets".to_owned());
        }
        self.count += 1;
        if let Some(command) = word.strip_prefix('|') {
            led.programs.push(self.program(word, command, depth)?);
            return Ok(());
        }
        if self.wanted == AliasTargets::Programs {
            return Ok(());
        }
        if let Some(path) = include(word) {
            return self.included(Path::new(path), depth, led);
        }
        if word.starts_with('/') || word.starts_with("~/") {
            return Err(format!(
                "`{word}`: mail is not written into files; name an account, whose mailboxes \
                 `caramel export` writes as files, or a program that does it"
            ));
        }
        let name = match word.strip_prefix('\\') {
            // What stands behind a backslash is no alias again.
            Some(word) => match name_of(word)? {
                AliasName::Local(local) => AliasName::Mailbox(local),
                name => name,
            },
            None => name_of(word)?,
        };
        led.names.push(name);
        Ok(())
    }

    /// A program's command, where programs may be named.
    fn program(&self, word: &str, command: &str, depth: usize) -> Result<String, String> {
        if self.wanted == AliasTargets::Names {
            return Err(format!(
                "`{word}`: no program is run for a letter; a filter script (caramel sieve) files, \
                 sends on and answers, and {} has a server hand letters to whoever runs programs \
                 (caramel programs)",
                self.manner.programs
            ));
        }
        if depth > 0 {
            return Err(format!(
                "`{word}`: lists name no programs; only lines of {} do",
                self.manner.name
            ));
        }
        match unquoted(command.trim()) {
            command if command.is_empty() => Err("`|` names no program".to_owned()),
            command => Ok(command),
        }
    }

    fn included(&mut self, path: &Path, depth: usize, led: &mut Led) -> Result<(), String> {
        let shown = path.display();
        if !path.is_absolute() {
            return Err(format!(":include:{shown}: write the whole path"));
        }
        if depth >= INCLUDES_DEPTH_MAX {
            return Err(format!(
                ":include:{shown}: lists include one another more than {INCLUDES_DEPTH_MAX} times"
            ));
        }
        let text = (self.lists)(path).map_err(|why| format!(":include:{shown}: {why}"))?;
        for (number, line) in meant(&text) {
            // A list without one of its lines is not the list that somebody wanted.
            self.words(line, depth + 1, led)
                .map_err(|why| format!("{shown}:{number}: {why}"))?;
        }
        Ok(())
    }
}

/// Lines that mean something, each by itself, and their numbers.
pub(super) fn meant(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().map(str::trim).enumerate();
    let meant = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    meant.map(|(number, line)| (number + 1, line))
}
