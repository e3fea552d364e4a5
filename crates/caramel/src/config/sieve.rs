//! Filter scripts of the house, and what scripts have to work with: read when the file is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::sieve::{Limits, Script};
use mail::{Network, ScriptName};
use post::{MailList, Rules, ScoreForm, SieveRules, SpamField, VirusField, list_name};

use super::relay::of_table;
use super::setting::{self, Setting};
use super::written::{Entry, Meaning, Value, Written};
use super::{ALL, Config};

/// Scripts for all to include.
const GLOBAL_MAX: usize = 1000;
/// Octets of a list's file.
const LIST_OCTETS_MAX: u64 = 8 << 20;

impl Config {
    /// What whoever runs the house gives scripts to work with.
    pub(crate) fn sieve(&self) -> Arc<SieveRules> {
        Arc::clone(&self.sieve)
    }

    /// True if senders of letters that are sent on are rewritten.
    pub(crate) fn rewrites_senders(&self) -> bool {
        self.is_on(&setting::FORWARD_SRS)
    }

    /// True if letters that are sent on are sealed.
    pub(crate) fn seals(&self) -> bool {
        self.is_on(&setting::FORWARD_SEAL)
    }

    /// The lists, as they are written.
    pub(super) fn show_lists(&self, text: &mut String) {
        for table in &self.lists {
            let _written = writeln!(text, "\n[[sieve.list]]");
            let of_list = |setting: &&Setting| setting.section == "sieve.list";
            for setting in ALL.iter().filter(of_list) {
                if let Some(value) = table.get(&(setting.section, setting.key)) {
                    let _written = writeln!(text, "{} = {}", setting.key, value.shown);
                }
            }
        }
    }

    /// The files that are read for scripts.
    pub(super) fn sieve_files(&self) -> Vec<PathBuf> {
        let mut files = self.many(&setting::SIEVE_BEFORE, path);
        files.extend(self.many(&setting::SIEVE_AFTER, path));
        let folder = self.value(&setting::SIEVE_GLOBAL);
        if let Some(folder) = folder.and_then(|value| path(value.meaning)) {
            let entries = std::fs::read_dir(folder).into_iter().flatten();
            let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
            files.extend(paths.filter(|path| path.is_file()));
        }
        for table in &self.lists {
            let file = of_table(table, &setting::SIEVE_LIST_FILE);
            files.extend(file.and_then(|value| path(value.meaning)));
        }
        files
    }

    fn words(&self, setting: &Setting) -> Vec<String> {
        self.many(setting, |meaning| match meaning {
            Meaning::Word(word) => Some(word),
            _ => None,
        })
    }

    fn spam(&self) -> Option<SpamField> {
        self.value(&setting::SPAM_HEADER)?;
        Some(SpamField {
            name: self.word(&setting::SPAM_HEADER),
            after: self.word(&setting::SPAM_AFTER),
            form: match self.word(&setting::SPAM_FORM).as_str() {
                "stars" => ScoreForm::Stars,
                _ => ScoreForm::Number,
            },
            max: self.number(&setting::SPAM_MAX),
        })
    }

    fn virus(&self) -> Option<VirusField> {
        self.value(&setting::VIRUS_HEADER)?;
        Some(VirusField {
            name: self.word(&setting::VIRUS_HEADER),
            clean: self.words(&setting::VIRUS_CLEAN),
            cured: self.words(&setting::VIRUS_CURED),
            suspicious: self.words(&setting::VIRUS_SUSPICIOUS),
            infected: self.words(&setting::VIRUS_INFECTED),
        })
    }
}

fn path(meaning: Meaning) -> Option<PathBuf> {
    match meaning {
        Meaning::Path(path) => Some(path),
        _ => None,
    }
}

/// Reads all scripts and lists that the file names; what is wrong with them is noted.
pub(super) fn read(config: &Config, written: &mut Written, lists: &[Entry]) -> SieveRules {
    let limits = Rules {
        elsewhere: config.elsewhere(),
        redirects_max: usize::try_from(config.redirects()).unwrap_or(usize::MAX),
        ..Rules::new(config.hostname())
    }
    .script_limits();
    let network = |meaning| match meaning {
        Meaning::Network(network) => Some(network),
        _ => None,
    };
    let trusted: Vec<Network> = config.many(&setting::SIEVE_TRUSTED, network);
    let mut rules = SieveRules {
        spam: config.spam(),
        virus: config.virus(),
        trusted,
        ..SieveRules::default()
    };
    for (setting, place, scripts) in [
        (&setting::SIEVE_BEFORE, "before", &mut rules.before),
        (&setting::SIEVE_AFTER, "after", &mut rules.after),
    ] {
        let span = span(config, setting);
        for file in config.many(setting, path) {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let name = format!("{place}:{stem}");
            scripts.extend(script(&file, &name, &limits, (&mut *written, &span)));
        }
    }
    if let Some(Value {
        meaning: Meaning::Path(folder),
        span,
        ..
    }) = config.value(&setting::SIEVE_GLOBAL)
    {
        rules.global = global(&folder, &limits, (&mut *written, &span));
    }
    for (table, span) in lists {
        let name = of_table(table, &setting::SIEVE_LIST_NAME);
        let file = of_table(table, &setting::SIEVE_LIST_FILE);
        let (Some(name), Some(file)) = (name, file) else {
            let what = "this list needs `name` and `file`".to_owned();
            let hint = "name = \"tag:example.org,2026:staff\", file = \"/etc/caramel/staff\"";
            written.flaw(span.clone(), what, hint);
            continue;
        };
        if let Some((name, list)) = list(written, &name, &file) {
            rules.lists.insert(name, Arc::new(list));
        }
    }
    rules
}

fn span(config: &Config, setting: &Setting) -> Range<usize> {
    let value = config.value(setting);
    value.map(|value| value.span).unwrap_or_default()
}

/// Reads a script; all that is wrong with it is noted.
fn script(
    file: &Path,
    name: &str,
    limits: &Limits,
    (written, span): (&mut Written, &Range<usize>),
) -> Option<Arc<Script>> {
    let shown = file.display();
    // One octet more than a script may have is enough to say that it has too many.
    let octets_max = u64::try_from(limits.script_octets_max).unwrap_or(u64::MAX);
    let text = match beginning(file, octets_max.saturating_add(1)) {
        Ok(text) => text,
        Err(error) => {
            let what = format!("{shown} cannot be read");
            written.flaw(span.clone(), what, error.to_string());
            return None;
        }
    };
    let faults = match Script::compile(name, &text, limits) {
        Ok(script) => return Some(Arc::new(script)),
        Err(faults) => faults,
    };
    for fault in faults {
        let (line, column) = (fault.place.line, fault.place.column);
        let what = format!("{shown}:{line}:{column}: {}", fault.text);
        written.flaw(span.clone(), what, fault.hint.unwrap_or_default());
    }
    None
}

/// Reads all scripts of a folder.
fn global(
    folder: &Path,
    limits: &Limits,
    (written, span): (&mut Written, &Range<usize>),
) -> BTreeMap<String, Arc<Script>> {
    let mut scripts = BTreeMap::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let what = format!("{} cannot be read", folder.display());
            written.flaw(span.clone(), what, error.to_string());
            return scripts;
        }
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    if files.len() > GLOBAL_MAX {
        let what = format!("{} has more than {GLOBAL_MAX} files", folder.display());
        written.flaw(span.clone(), what, "a folder for scripts alone");
        return scripts;
    }
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.map(|name| name.strip_suffix(".sieve").unwrap_or(name));
        let Some(name) = name.filter(|name| !name.starts_with('.')) else {
            continue;
        };
        if ScriptName::parse(name).is_none() || scripts.contains_key(name) {
            let what = format!("{} has no name for a script of its own", file.display());
            written.flaw(span.clone(), what, "NAME, or NAME.sieve");
            continue;
        }
        let read = script(
            &file,
            &format!("global:{name}"),
            limits,
            (&mut *written, span),
        );
        scripts.extend(read.map(|script| (name.to_owned(), script)));
    }
    scripts
}

fn list(written: &mut Written, name: &Value, file: &Value) -> Option<(String, MailList)> {
    let (Meaning::Word(word), Meaning::Path(path)) = (&name.meaning, &file.meaning) else {
        return None;
    };
    let Some(word) = list_name(word) else {
        let what = format!("{} is no name of a list", name.shown);
        written.flaw(
            name.span.clone(),
            what,
            "name = \"tag:example.org,2026:staff\"",
        );
        return None;
    };
    let read = beginning(path, LIST_OCTETS_MAX + 1).map_err(|error| error.to_string());
    let text = read.and_then(|octets| match String::from_utf8(octets) {
        Ok(text) if u64::try_from(text.len()).is_ok_and(|len| len <= LIST_OCTETS_MAX) => Ok(text),
        Ok(_) => Err(format!("it has more than {LIST_OCTETS_MAX} octets")),
        Err(_) => Err("it is no UTF-8".to_owned()),
    });
    let list = text.and_then(|text| MailList::read(&text).map_err(|error| error.to_string()));
    match list {
        Ok(list) => Some((word, list)),
        Err(error) => {
            let what = format!("{} cannot be read", file.shown);
            written.flaw(file.span.clone(), what, error);
            None
        }
    }
}

/// At most so many octets of a file.
fn beginning(file: &Path, octets_max: u64) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(file)?
        .take(octets_max)
        .read_to_end(&mut octets)?;
    Ok(octets)
}
