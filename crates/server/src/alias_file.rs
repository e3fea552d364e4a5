//! A file of aliases, as `/etc/aliases` is written: read, with the lists that it includes.
//!
//! Not here: where they lead in the end (`post`), when `.forward` files are looked at (`forwards`).
//!
//! The form is that of sendmail's and Postfix's `aliases(5)`: `name: target, …`, lines that begin
//! with white space go on, `#` begins a line that is none. Files are no targets here: mail is kept
//! in mailboxes. Programs are targets where somebody else runs them (`programs`), and only in lines
//! of the file itself. A user's `.forward` has what stands behind the name.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use mail::LocalPart;
use post::{AliasFile, AliasName, Post};

use self::targets::{Led, Manner, Targets};
use self::words::{logical_lines, split_name};
use crate::pickup::LocalSettings;

mod forward;
mod owned;
mod targets;
mod words;

pub(crate) use forward::{ForwardRead, read_forward};
pub(crate) use owned::Seen;

/// Octets of a file, and of each list that is included.
const FILE_OCTETS_MAX: u64 = 4 * 1024 * 1024;
/// Octets of a line, with those that go on with it.
const LINE_OCTETS_MAX: usize = 64 * 1024;
/// Aliases of a file.
const ALIASES_MAX: usize = 100_000;
/// Targets of all aliases together, included ones with them.
const TARGETS_MAX: usize = 1_000_000;
/// Faults that are told of a file.
const FAULTS_MAX: usize = 100;
/// Letters of what is told of one.
const FAULT_LETTERS_MAX: usize = 500;

/// What a line of a file has wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasFault {
    /// The file.
    pub path: PathBuf,
    /// The line; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl fmt::Display for AliasFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path.display(), self.text),
            line => write!(f, "{}:{line}: {}", self.path.display(), self.text),
        }
    }
}

/// What is in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AliasesRead {
    /// The aliases, as they come; a line that has something wrong is left out.
    pub aliases: Vec<(AliasName, Vec<AliasName>)>,
    /// The programs of those that have some: commands of the shell.
    pub programs: Vec<(AliasName, Vec<String>)>,
    /// What is wrong.
    pub faults: Vec<AliasFault>,
}

/// What is wanted of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasTargets {
    /// Names, addresses and lists; programs are a fault.
    Names,
    /// The same, and programs.
    All,
    /// Programs; all else is passed over.
    Programs,
}

/// Reads a file of aliases.
#[must_use]
pub fn read_aliases(path: &Path, wanted: AliasTargets) -> AliasesRead {
    let mut reader = Reader::new(wanted);
    match read(path) {
        Ok(text) => reader.file(path, &text),
        Err(text) => reader.fault(path, 0, &text),
    }
    reader.read
}

impl LocalSettings {
    /// What the file of aliases may have.
    #[must_use]
    pub const fn alias_targets(&self) -> AliasTargets {
        match self.programs {
            Some(_) => AliasTargets::All,
            None => AliasTargets::Names,
        }
    }

    /// Reads the file of aliases, where there is one, and puts it in force: all of it that is
    /// right, or nothing where something is wrong and the old one is better (`or_keep`). Tells how
    /// many there are, and what is wrong.
    #[must_use]
    pub fn put_aliases_in_force(&self, post: &Post, or_keep: bool) -> (usize, Vec<AliasFault>) {
        let Some(path) = &self.aliases else {
            return (0, Vec::new());
        };
        let read = read_aliases(path, self.alias_targets());
        let count = read.aliases.len();
        if read.faults.is_empty() || !or_keep {
            let counts = read.programs.into_iter();
            let counts = counts.map(|(name, commands)| (name, commands.len()));
            let file = AliasFile::new(self.domain.clone(), read.aliases);
            post.set_alias_file(file.with_programs(counts));
        }
        (count, read.faults)
    }
}

fn read(path: &Path) -> Result<String, String> {
    let wrong = |error: std::io::Error| format!("it cannot be read: {error}");
    let file = std::fs::File::open(path).map_err(wrong)?;
    let mut octets = Vec::new();
    let mut limited = file.take(FILE_OCTETS_MAX + 1);
    limited.read_to_end(&mut octets).map_err(wrong)?;
    if u64::try_from(octets.len()).is_ok_and(|len| len > FILE_OCTETS_MAX) {
        return Err(format!("it has more than {FILE_OCTETS_MAX} octets"));
    }
    String::from_utf8(octets).map_err(|_| "it is not in UTF-8".to_owned())
}

struct Reader {
    wanted: AliasTargets,
    targets: Targets<'static>,
    read: AliasesRead,
    /// In which line a name was seen.
    seen: BTreeMap<AliasName, usize>,
}

impl Reader {
    fn new(wanted: AliasTargets) -> Self {
        let manner = Manner {
            name: "the file of aliases",
            programs: "`[local] programs`",
            targets_max: TARGETS_MAX,
        };
        Self {
            wanted,
            targets: Targets::new(wanted, manner, Box::new(read)),
            read: AliasesRead::default(),
            seen: BTreeMap::new(),
        }
    }

    fn fault(&mut self, path: &Path, line: usize, text: &str) {
        push_fault(&mut self.read.faults, path, line, text);
    }

    fn file(&mut self, path: &Path, text: &str) {
        for (line, text) in logical_lines(text) {
            if self.read.aliases.len() >= ALIASES_MAX || self.targets.are_full() {
                return self.fault(path, line, "these are too many aliases");
            }
            match self.alias(line, &text) {
                Ok((name, led)) => {
                    if !led.programs.is_empty() {
                        self.read.programs.push((name.clone(), led.programs));
                    }
                    self.read.aliases.push((name, led.names));
                }
                Err(text) => self.fault(path, line, &text),
            }
        }
    }

    fn alias(&mut self, line: usize, text: &str) -> Result<(AliasName, Led), String> {
        if text.len() > LINE_OCTETS_MAX {
            return Err(format!("the line has more than {LINE_OCTETS_MAX} octets"));
        }
        let (name, rest) = split_name(text)?;
        let folded = folded(&name);
        if let Some(first) = self.seen.insert(folded, line) {
            return Err(format!("{name} is in line {first} already"));
        }
        let mut led = Led::default();
        self.targets.line(rest, &mut led)?;
        let leads = !led.names.is_empty() || !led.programs.is_empty();
        match !leads && self.wanted != AliasTargets::Programs {
            true => Err(format!("{name} leads nowhere: name a target")),
            false => Ok((name, led)),
        }
    }
}

/// Tells a fault, unless there are too many. Whoever reads of it need not have written the file.
fn push_fault(faults: &mut Vec<AliasFault>, path: &Path, line: usize, text: &str) {
    if faults.len() < FAULTS_MAX {
        let tame = |letter: char| match letter.is_control() {
            true => char::REPLACEMENT_CHARACTER,
            false => letter,
        };
        faults.push(AliasFault {
            path: path.to_owned(),
            line,
            text: text.chars().take(FAULT_LETTERS_MAX).map(tame).collect(),
        });
    }
}

fn folded(name: &AliasName) -> AliasName {
    match name {
        AliasName::Local(local) => {
            let lower = LocalPart::new(&local.as_str().to_lowercase());
            AliasName::Local(lower.unwrap_or_else(|| local.clone()))
        }
        other @ (AliasName::Address(_) | AliasName::Mailbox(_)) => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> (Vec<String>, Vec<String>) {
        told_of(text, AliasTargets::Names)
    }

    fn told_of(text: &str, wanted: AliasTargets) -> (Vec<String>, Vec<String>) {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("aliases");
        let place = folder.path().display().to_string();
        std::fs::write(&path, text.replace("HERE", &place)).unwrap();
        for (name, list) in [
            ("list", "# people\nada, bob@a.example\n\ncarl\n"),
            ("wrong", "ada\n/dev/null\n"),
            ("programs", "\"|/bin/cat\"\n"),
            ("round", &format!(":include:{place}/round\n")),
        ] {
            std::fs::write(folder.path().join(name), list).unwrap();
        }
        let read = read_aliases(&path, wanted);
        let aliases = read.aliases.iter().map(|(name, targets)| {
            let targets: Vec<String> = targets.iter().map(AliasName::to_string).collect();
            let of = |(whose, _): &&(AliasName, Vec<String>)| whose == name;
            let programs = read.programs.iter().filter(of);
            let programs: Vec<String> = programs
                .flat_map(|(_, commands)| commands.iter().map(|command| format!("[{command}]")))
                .collect();
            format!("{} {}", name, [targets, programs].concat().join(" "))
        });
        let faults = read.faults.iter();
        let faults = faults.map(|fault| format!("{} {}", fault.line, fault.text));
        (
            aliases.collect(),
            faults.map(|fault| fault.replace(&place, "HERE")).collect(),
        )
    }

    #[test]
    fn all_that_is_written_in_such_files_is_read() {
        let (aliases, faults) = told(
            "# /etc/aliases\npostmaster:    root\nroot: ada,\n\tbob@a.example ,\n  # nobody\n \
             carl\nwebmaster:root\n\"first last\": \"quoted name\"@a.example\nlist: \
             :include:HERE/list\nAda@Example.org: \\ada\n",
        );
        assert_eq!(
            aliases,
            [
                "postmaster root",
                "root ada bob@a.example carl",
                "webmaster root",
                "\"first last\" \"quoted name\"@a.example",
                "list ada bob@a.example carl",
                "Ada@example.org \\ada",
            ]
        );
        assert_eq!(faults, [""; 0]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_the_rest_is_there() {
        let (aliases, faults) = told(
            "no colon\nroot: ada\nROOT: bob\nempty:\n: x\nprogram: \"|/usr/bin/vacation ada\"\n\
             file: /var/mail/archive\nquote: \"x\nnobody: a b\nlist: :include:HERE/wrong\n\
             round: :include:HERE/round\naway: :include:HERE/away\nlocal: :include:list\n",
        );
        assert_eq!(aliases, ["root ada"]);
        for (line, what) in [
            (1, "no colon: write `name: target`"),
            (3, "ROOT is in line 2 already"),
            (4, "empty leads nowhere: name a target"),
            (5, "no name: write `name: target`"),
            (
                6,
                "`|/usr/bin/vacation ada`: no program is run for a letter",
            ),
            (7, "`/var/mail/archive`: mail is not written into files"),
            (8, "a quote is missing"),
            (9, "`a b` is no name and no address"),
            (10, "HERE/wrong:2: `/dev/null`: mail is not written"),
            (11, "lists include one another more than 10 times"),
            (12, ":include:HERE/away: it cannot be read"),
            (13, ":include:list: write the whole path"),
        ] {
            let found = faults
                .iter()
                .any(|fault| fault.starts_with(&format!("{line} ")) && fault.contains(what));
            assert!(found, "{line} {what}: {faults:#?}");
        }
        assert_eq!(faults.len(), 12, "{faults:#?}");
    }

    #[test]
    fn programs_are_read_where_somebody_runs_them() {
        let text = "support: ada, \"|/opt/rt/x --q \\\"a, b\\\"\"\n\
                    plain: |/bin/cat -u, |/bin/true\n\
                    outside: |\"/bin/cat -u\", \"| cat | wc\"\nnone: \"|\"\n\
                    list: :include:HERE/programs\nfile: /dev/null\nada@a.example: \"|cat\"\n\
                    root: ada\n";
        let (aliases, faults) = told_of(text, AliasTargets::All);
        assert_eq!(
            aliases,
            [
                "support ada [/opt/rt/x --q \"a, b\"]",
                "plain [/bin/cat -u] [/bin/true]",
                "outside [/bin/cat -u] [cat | wc]",
                "ada@a.example [cat]",
                "root ada",
            ]
        );
        for (fault, what) in faults.iter().zip([
            "4 `|` names no program",
            "5 HERE/programs:1: `|/bin/cat`: lists name no programs",
            "6 `/dev/null`: mail is not written into files",
        ]) {
            assert!(fault.contains(what), "{what}: {fault}");
        }
        assert_eq!(faults.len(), 3);
        // Whoever runs them passes over what is not theirs.
        let (aliases, faults) = told_of(text, AliasTargets::Programs);
        let programs = aliases.iter().filter(|one| one.contains('['));
        assert_eq!(programs.count(), 4, "{aliases:?}");
        assert_eq!(faults, ["4 `|` names no program"]);
    }
}
