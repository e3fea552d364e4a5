//! An rc file carried over: assignments in order, and what they mean for what follows.
//!
//! A variable whose value is the same whenever a letter comes is put in where it is used; one that
//! gets its value in a block, or from a letter, becomes a variable of the script. Which ones those
//! are is known only at the end, so the file is gone through again until nothing new is found.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::action::Lost;
use super::folder::{Folders, Place, template};
use super::rc::{self, Assignment, Item};
use super::report::{Remark, Report};
use super::script::Step;
use super::words::{self, Phrase, Piece, Values, constant};

/// How often a file is gone through.
const ROUNDS_MAX: usize = 40;
/// Files that are put in, and how deep in one another.
const INCLUDED_MAX: usize = 64;
const INCLUDE_DEPTH_MAX: usize = 8;
/// Letters of a line that the report shows.
const SHOWN_MAX: usize = 100;

/// What is known beside the file.
pub(super) struct Settings<'a> {
    /// The home folder of whoever the file is of, and their name.
    pub(super) home: String,
    pub(super) user: String,
    /// What the file is called.
    pub(super) file: String,
    /// Reads a file by its whole path.
    pub(super) read: &'a dyn Fn(&str) -> Option<String>,
}

/// A script, and what is to be said of it.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) steps: Vec<Step>,
    pub(super) report: Report,
}

/// Carries an rc file over.
pub(super) fn convert(text: &str, settings: &Settings<'_>) -> Converted {
    let mut facts = Facts::default();
    let mut rounds = 0;
    loop {
        let mut conversion = Conversion::new(settings, facts.clone());
        let steps = conversion.whole(text);
        let found = conversion.found();
        rounds += 1;
        if found == facts || rounds == ROUNDS_MAX {
            let report = conversion.report;
            return Converted { steps, report };
        }
        facts = found;
    }
}

/// What holds for a whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Variables of the script.
    pub(super) runtime: BTreeSet<String>,
    /// Those of them that may hold what has a meaning in an expression.
    pub(super) loose: BTreeSet<String>,
    /// Those of them that may hold more of a path than a name.
    pub(super) paths: BTreeSet<String>,
    /// `MATCH` is used.
    pub(super) matched: bool,
}

pub(super) struct Conversion<'a> {
    settings: &'a Settings<'a>,
    pub(super) facts: Facts,
    found: Facts,
    uses_match: Cell<bool>,
    known: BTreeMap<String, Result<Phrase, String>>,
    pub(super) folders: Folders,
    has_base: bool,
    pub(super) default: Place,
    pub(super) report: Report,
    files: Vec<String>,
    included: usize,
    /// Blocks around, and how many of them are around the file.
    pub(super) depth: usize,
    file_depth: usize,
    /// A recipe has been seen.
    pub(super) began: bool,
    /// What is delivered is a copy, and the letter goes on.
    pub(super) copying: bool,
}

impl Values for Conversion<'_> {
    fn value(&self, name: &str) -> Result<Phrase, String> {
        if name == "MATCH" {
            self.uses_match.set(true);
            return Ok(vec![Piece::Variable(name.to_owned())]);
        }
        if self.facts.runtime.contains(name) {
            return Ok(vec![Piece::Variable(name.to_owned())]);
        }
        match name {
            "MAILDIR" => self.folders.current.clone().map(text),
            _ => match self.known.get(name) {
                Some(value) => value.clone(),
                None => Err(format!("{name} has no value in this file")),
            },
        }
    }
}

fn text(text: String) -> Phrase {
    vec![Piece::Text(text)]
}

impl<'a> Conversion<'a> {
    fn new(settings: &'a Settings<'a>, facts: Facts) -> Self {
        let home = settings.home.trim_end_matches('/').to_owned();
        let user = &settings.user;
        let spool = format!("/var/mail/{user}");
        // procmailrc(5), "Environment variable defaults".
        let known = [
            ("HOME", home.clone()),
            ("LOGNAME", user.clone()),
            ("USER", user.clone()),
            ("ORGMAIL", spool.clone()),
            ("DEFAULT", spool.clone()),
            ("SHELL", "/bin/sh".to_owned()),
            ("SENDMAIL", "/usr/sbin/sendmail".to_owned()),
            ("SENDMAILFLAGS", "-oi".to_owned()),
            ("LOCKEXT", ".lock".to_owned()),
            ("MSGPREFIX", "msg.".to_owned()),
        ];
        let known = known.map(|(name, value)| (name.to_owned(), Ok(text(value))));
        Self {
            settings,
            found: facts.clone(),
            facts,
            uses_match: Cell::new(false),
            known: known.into(),
            folders: Folders {
                base: home.clone(),
                current: Ok(home.clone()),
                home,
                inboxes: vec![spool, format!("/var/spool/mail/{user}")],
            },
            has_base: false,
            default: Place::Inbox,
            report: Report::default(),
            files: vec![settings.file.clone()],
            included: 0,
            depth: 0,
            file_depth: 0,
            began: false,
            copying: false,
        }
    }

    fn found(&self) -> Facts {
        let mut found = self.found.clone();
        found.matched |= self.uses_match.get();
        found
    }

    fn whole(&mut self, text: &str) -> Vec<Step> {
        let mut steps = self.items(&rc::read(text));
        let last = self.default_steps();
        if !last.is_empty() && !ends(&steps) {
            steps.push(Step::Gap);
            steps.extend(last);
        }
        steps
    }

    /// Where a letter goes that nothing has filed.
    fn default_steps(&self) -> Vec<Step> {
        match &self.default {
            Place::Inbox => Vec::new(),
            Place::Nowhere => vec![Step::Discard],
            Place::Mailbox(mailbox) => vec![Step::FileInto {
                mailbox: mailbox.clone(),
                copy: false,
            }],
        }
    }

    /// What some lines come to.
    pub(super) fn items(&mut self, items: &[Item]) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut rest = items;
        while let Some((item, behind)) = rest.split_first() {
            match item {
                Item::Unread { line, text, why } => {
                    let lost = Lost::new(*line, text, *why);
                    steps.extend(self.lose(lost, &[(*line, text.clone())]));
                    rest = behind;
                }
                Item::Assignment(assignment) => {
                    let (more, goes_on) = self.assign(assignment);
                    steps.extend(more);
                    if !goes_on {
                        break;
                    }
                    rest = behind;
                }
                Item::Recipe(_) => {
                    let (more, taken) = self.chain(rest);
                    steps.extend(more);
                    rest = rest.get(taken..).unwrap_or_default();
                    self.began = true;
                }
            }
        }
        steps
    }

    pub(super) fn file(&self) -> String {
        self.files.last().cloned().unwrap_or_default()
    }

    pub(super) fn note(&mut self, line: usize, text: &str, why: impl Into<String>) {
        let remark = self.remark(line, text, why.into());
        if !self.report.notes.contains(&remark) {
            self.report.notes.push(remark);
        }
    }

    pub(super) fn remark(&self, line: usize, text: &str, why: String) -> Remark {
        let text = text.replace(['\n', '\r'], " ");
        let mut shown: String = text.chars().take(SHOWN_MAX).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        Remark {
            file: self.file(),
            line,
            text: shown,
            why,
        }
    }

    /// What an assignment comes to, and whether what follows is still read.
    pub(super) fn assign(&mut self, assignment: &Assignment) -> (Vec<Step>, bool) {
        let Assignment { line, name, value } = assignment;
        let written = match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        };
        let result = match name.as_str() {
            "INCLUDERC" => self.include(value.as_deref()).map(|steps| (steps, true)),
            "SWITCHRC" => self.switch(value.as_deref()),
            "MAILDIR" => self
                .set_maildir(value.as_deref())
                .map(|()| (Vec::new(), true)),
            "DEFAULT" => self
                .set_default(value.as_deref())
                .map(|()| (Vec::new(), true)),
            "TRAP" => Err("a program runs at the end".to_owned()),
            "EXITCODE" => Err(
                "it tells the mailer what became of the letter; a script has \
                 `ereject`"
                    .to_owned(),
            ),
            "HOST" => Err("it ends the run on other hosts".to_owned()),
            "SHIFT" => Err("there are no arguments".to_owned()),
            _ => self.set(name, value.as_deref()).map(|steps| (steps, true)),
        };
        let is_needless = NEEDLESS.contains(&name.as_str());
        match result {
            Ok(done) => {
                if is_needless {
                    self.note(*line, &written, "nothing here needs it");
                }
                done
            }
            Err(_) if is_needless => {
                self.note(*line, &written, "nothing here needs it");
                (Vec::new(), true)
            }
            Err(why) => {
                self.known
                    .insert(name.clone(), Err(format!("{name}: {why} (line {line})")));
                let lines: Vec<(usize, String)> = written
                    .lines()
                    .map(|text| (*line, text.to_owned()))
                    .collect();
                (self.lose(Lost::new(*line, &written, why), &lines), true)
            }
        }
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<Vec<Step>, String> {
        let phrase = words::value(value.unwrap_or_default(), self)?;
        if name == "ORGMAIL" {
            let path = constant(&phrase).ok_or("its value depends on the letter")?;
            let path = self.folders.path(&path)?;
            self.folders.inboxes.push(path);
        }
        let whole = constant(&phrase);
        let runs = self.depth > 0 || whole.is_none();
        if runs && !NEEDLESS.contains(&name) {
            self.found.runtime.insert(name.to_owned());
        }
        if !self.facts.runtime.contains(name) {
            self.known.insert(name.to_owned(), Ok(phrase));
            return Ok(Vec::new());
        }
        if self.copying {
            return Err("a variable is set for a copy".to_owned());
        }
        let is_inert = |letter: char| letter.is_ascii_alphanumeric() || "@_- ,/".contains(letter);
        let has_loose = phrase.iter().any(|piece| match piece {
            Piece::Text(text) => !text.chars().all(is_inert),
            Piece::Variable(name) | Piece::Disarmed(name) => {
                name == "MATCH" || self.facts.loose.contains(name)
            }
        });
        if has_loose {
            self.found.loose.insert(name.to_owned());
        }
        let is_path = match (phrase.first(), phrase.last()) {
            (Some(Piece::Text(first)), _) if first.starts_with(['/', '.', '~']) => true,
            (_, Some(Piece::Text(last))) if last.ends_with(['/', '.']) => true,
            (Some(Piece::Variable(name)), _) => self.facts.paths.contains(name),
            _ => false,
        };
        if is_path {
            self.found.paths.insert(name.to_owned());
        }
        Ok(vec![Step::Set(name.to_owned(), template(&phrase)?)])
    }

    /// A value that is the same for all letters.
    fn fixed(&self, value: Option<&str>) -> Result<String, String> {
        let phrase = words::value(value.unwrap_or_default(), self)?;
        constant(&phrase).ok_or_else(|| "its value depends on the letter".to_owned())
    }

    fn set_maildir(&mut self, value: Option<&str>) -> Result<(), String> {
        let path = self.fixed(value).and_then(|path| self.folders.path(&path));
        match path {
            Ok(path) => {
                if !self.has_base && self.depth == 0 {
                    self.folders.base.clone_from(&path);
                    self.has_base = true;
                }
                self.folders.current = Ok(path);
                Ok(())
            }
            Err(why) => {
                self.folders.current = Err(format!("where MAILDIR is: {why}"));
                Err(why)
            }
        }
    }

    fn set_default(&mut self, value: Option<&str>) -> Result<(), String> {
        if self.depth > 0 {
            return Err("where letters go at the end would depend on a condition".to_owned());
        }
        let name = self.fixed(value)?;
        if name.starts_with('|') || name.starts_with('!') {
            return Err("letters that nothing has filed go to a program or an address".to_owned());
        }
        let value = match name.is_empty() {
            true => self.value("ORGMAIL")?,
            false => text(name.clone()),
        };
        self.known.insert("DEFAULT".to_owned(), Ok(value));
        self.default = match name.as_str() {
            "" => Place::Inbox,
            "/dev/null" => Place::Nowhere,
            // What is said first, is where the reader looks for new letters.
            _ if !self.began => {
                let path = self.folders.path(&name)?;
                self.folders.inboxes.push(path);
                Place::Inbox
            }
            _ => self.folders.place(&name)?.0,
        };
        Ok(())
    }

    fn include(&mut self, value: Option<&str>) -> Result<Vec<Step>, String> {
        let name = self.fixed(value)?;
        if name.is_empty() || name == "/dev/null" {
            return Ok(Vec::new());
        }
        let path = self.folders.path(&name)?;
        self.included += 1;
        if self.included > INCLUDED_MAX || self.files.len() > INCLUDE_DEPTH_MAX {
            return Err("too many files are put in".to_owned());
        }
        let Some(text) = (self.settings.read)(&path) else {
            return Err(format!("{path} cannot be read"));
        };
        let mut steps = vec![Step::Gap, Step::Comment(format!("What {name} has:"))];
        self.files.push(path);
        let around = std::mem::replace(&mut self.file_depth, self.depth);
        steps.extend(self.items(&rc::read(&text)));
        self.file_depth = around;
        self.files.pop();
        Ok(steps)
    }

    fn switch(&mut self, value: Option<&str>) -> Result<(Vec<Step>, bool), String> {
        let in_block = self.depth > self.file_depth;
        if in_block && (self.files.len() > 1 || self.copying) {
            return Err("it ends a file that was put in, in a block".to_owned());
        }
        let mut steps = self.include(value)?;
        if in_block && !ends(&steps) {
            steps.extend(self.default_steps());
            steps.push(Step::Stop);
        }
        Ok((steps, false))
    }
}

/// True if nothing comes behind these steps.
pub(super) fn ends(steps: &[Step]) -> bool {
    match steps.last() {
        Some(Step::Stop) => true,
        Some(Step::If(branches)) => {
            let has_else = matches!(branches.last(), Some((super::script::Test::True, _)));
            has_else && branches.iter().all(|(_, steps)| ends(steps))
        }
        _ => false,
    }
}

/// Variables that say how procmail itself works.
const NEEDLESS: &[&str] = &[
    "COMSAT",
    "DELIVERED",
    "DROPPRIVS",
    "LASTFOLDER",
    "LINEBUF",
    "LOCKEXT",
    "LOCKFILE",
    "LOCKSLEEP",
    "LOCKTIMEOUT",
    "LOG",
    "LOGABSTRACT",
    "LOGFILE",
    "MSGPREFIX",
    "NORESRETRY",
    "PATH",
    "PROCMAIL_OVERFLOW",
    "SENDMAIL",
    "SENDMAILFLAGS",
    "SHELL",
    "SHELLFLAGS",
    "SHELLMETAS",
    "SUSPEND",
    "TIMEOUT",
    "UMASK",
    "VERBOSE",
];
