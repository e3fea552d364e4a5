//! A file of aliases, as `/etc/aliases` is written: read, with the lists that it includes.
//!
//! Not here: where they lead in the end (`post`).
//!
//! The form is that of sendmail's and Postfix's `aliases(5)`: `name: target, …`, lines that begin
//! with white space go on, `#` begins a line that is none. Files are no targets here: mail is kept
//! in mailboxes. Programs are targets where somebody else runs them (`programs`), and only in lines
//! of the file itself.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use mail::{Address, LocalPart};
use post::{AliasFile, AliasName, Post};

use crate::pickup::LocalSettings;

/// Octets of a file, and of each list that is included.
const FILE_OCTETS_MAX: u64 = 4 * 1024 * 1024;
/// Octets of a line, with those that go on with it.
const LINE_OCTETS_MAX: usize = 64 * 1024;
/// Aliases of a file.
const ALIASES_MAX: usize = 100_000;
/// Lists that include one another.
const INCLUDES_DEPTH_MAX: usize = 10;
/// Targets of all aliases together, included ones with them.
const TARGETS_MAX: usize = 1_000_000;
/// Faults that are told of a file.
const FAULTS_MAX: usize = 100;

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
        Err(text) => reader.fault(path, 0, text),
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
    read: AliasesRead,
    /// In which line a name was seen.
    seen: BTreeMap<AliasName, usize>,
    targets: usize,
}

/// Where an alias leads.
#[derive(Default)]
struct Targets {
    names: Vec<AliasName>,
    programs: Vec<String>,
}

/// Where something stands.
#[derive(Clone, Copy)]
struct Place {
    line: usize,
    /// Lists that lead here.
    depth: usize,
}

impl Reader {
    fn new(wanted: AliasTargets) -> Self {
        Self {
            wanted,
            read: AliasesRead::default(),
            seen: BTreeMap::new(),
            targets: 0,
        }
    }

    fn fault(&mut self, path: &Path, line: usize, text: impl Into<String>) {
        if self.read.faults.len() < FAULTS_MAX {
            self.read.faults.push(AliasFault {
                path: path.to_owned(),
                line,
                text: text.into(),
            });
        }
    }

    fn file(&mut self, path: &Path, text: &str) {
        for (line, text) in logical_lines(text) {
            if self.read.aliases.len() >= ALIASES_MAX || self.targets >= TARGETS_MAX {
                return self.fault(path, line, "these are too many aliases");
            }
            let place = Place { line, depth: 0 };
            match self.alias(place, &text) {
                Ok((name, targets)) => {
                    if !targets.programs.is_empty() {
                        self.read.programs.push((name.clone(), targets.programs));
                    }
                    self.read.aliases.push((name, targets.names));
                }
                Err(text) => self.fault(path, line, text),
            }
        }
    }

    fn alias(&mut self, place: Place, text: &str) -> Result<(AliasName, Targets), String> {
        if text.len() > LINE_OCTETS_MAX {
            return Err(format!("the line has more than {LINE_OCTETS_MAX} octets"));
        }
        let (name, rest) = split_name(text)?;
        let folded = folded(&name);
        if let Some(first) = self.seen.insert(folded, place.line) {
            return Err(format!("{name} is in line {first} already"));
        }
        let mut targets = Targets::default();
        for word in words(rest)? {
            self.target(place, &word, &mut targets)?;
        }
        let leads = !targets.names.is_empty() || !targets.programs.is_empty();
        match !leads && self.wanted != AliasTargets::Programs {
            true => Err(format!("{name} leads nowhere: name a target")),
            false => Ok((name, targets)),
        }
    }

    fn target(&mut self, place: Place, word: &str, targets: &mut Targets) -> Result<(), String> {
        self.targets += 1;
        if self.targets > TARGETS_MAX {
            return Err("these are too many targets".to_owned());
        }
        if let Some(command) = word.strip_prefix('|') {
            targets.programs.push(self.program(place, word, command)?);
            return Ok(());
        }
        if self.wanted == AliasTargets::Programs {
            return Ok(());
        }
        if let Some(path) = include(word) {
            return self.included(place, Path::new(path), targets);
        }
        if word.starts_with('/') {
            return Err(format!(
                "`{word}`: mail is not written into files; name an account, whose mailboxes \
                 `caramel export` writes as files, or a program that does it"
            ));
        }
        // What stands behind a backslash is no alias again; an account is none in any case.
        let word = word.strip_prefix('\\').unwrap_or(word);
        targets.names.push(name_of(word)?);
        Ok(())
    }

    /// A program's command, where programs may be named.
    fn program(&self, place: Place, word: &str, command: &str) -> Result<String, String> {
        if self.wanted == AliasTargets::Names {
            return Err(format!(
                "`{word}`: no program is run for a letter; a filter script (caramel sieve) files, \
                 sends on and answers, and `[local] programs` has a server hand letters to \
                 whoever runs programs (caramel programs)"
            ));
        }
        if place.depth > 0 {
            return Err(format!(
                "`{word}`: lists name no programs; only lines of the file of aliases do"
            ));
        }
        match unquoted(command.trim()) {
            command if command.is_empty() => Err("`|` names no program".to_owned()),
            command => Ok(command),
        }
    }

    fn included(&mut self, place: Place, path: &Path, targets: &mut Targets) -> Result<(), String> {
        if !path.is_absolute() {
            return Err(format!(":include:{}: write the whole path", path.display()));
        }
        if place.depth >= INCLUDES_DEPTH_MAX {
            return Err(format!(
                ":include:{}: lists include one another more than {INCLUDES_DEPTH_MAX} times",
                path.display()
            ));
        }
        let text = read(path).map_err(|why| format!(":include:{}: {why}", path.display()))?;
        for (number, line) in text.lines().enumerate() {
            let inner = Place {
                line: number + 1,
                depth: place.depth + 1,
            };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let found = words(line);
            let taken = found.and_then(|words| {
                let mut words = words.iter();
                words.try_for_each(|word| self.target(inner, word, targets))
            });
            // A list without one of its lines is not the list that somebody wanted.
            if let Err(why) = taken {
                let text = format!("{}:{}: {why}", path.display(), inner.line);
                return Err(text);
            }
        }
        Ok(())
    }
}

fn include(word: &str) -> Option<&str> {
    let tag = word.get(..9)?;
    let path = word.get(9..)?;
    tag.eq_ignore_ascii_case(":include:").then_some(path)
}

/// Lines with those that go on with them, and the number of the first.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        match lines.last_mut() {
            Some((_, last)) if line.starts_with([' ', '\t']) => {
                last.push(' ');
                last.push_str(trimmed);
            }
            _ => lines.push((number + 1, trimmed.to_owned())),
        }
    }
    lines
}

/// The name before the colon, and what is behind it.
fn split_name(text: &str) -> Result<(AliasName, &str), String> {
    let missing = || "no colon: write `name: target`".to_owned();
    if let Some(quoted) = text.strip_prefix('"') {
        let (name, rest) = until_quote(quoted)?;
        let rest = rest.trim_start().strip_prefix(':').ok_or_else(missing)?;
        // What is quoted may have any letters.
        let local = LocalPart::new(&name).map(AliasName::Local);
        let name = local.map_or_else(|| name_of(&name), Ok)?;
        return Ok((name, rest));
    }
    let (name, rest) = text.split_once(':').ok_or_else(missing)?;
    match name.trim() {
        "" => Err("no name: write `name: target`".to_owned()),
        name => Ok((name_of(name)?, rest)),
    }
}

/// What is quoted, and what is behind the quote that ends it.
fn until_quote(text: &str) -> Result<(String, &str), String> {
    let mut name = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((name, text.get(at + 1..).unwrap_or_default())),
            '\\' => name.extend(letters.next().map(|(_, letter)| letter)),
            letter => name.push(letter),
        }
    }
    Err("a quote is missing".to_owned())
}

/// The targets of a line: separated by commas, quoted where they have some in them.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut letters = text.chars();
    let mut in_quotes = false;
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                in_quotes = !in_quotes;
                // An address keeps its quotes: they are part of it.
                word.push('"');
            }
            '\\' if in_quotes => {
                word.push('\\');
                word.extend(letters.next());
            }
            ',' if !in_quotes => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    if in_quotes {
        return Err("a quote is missing".to_owned());
    }
    words.push(word);
    let words = words.iter().map(|word| unquoted(word.trim()));
    Ok(words.filter(|word| !word.is_empty()).collect())
}

/// A word that is quoted as a whole, without its quotes.
fn unquoted(word: &str) -> String {
    let Some(inner) = word.strip_prefix('"') else {
        return word.to_owned();
    };
    match until_quote(inner) {
        Ok((name, "")) => name,
        _ => word.to_owned(),
    }
}

fn name_of(word: &str) -> Result<AliasName, String> {
    let none = || format!("`{word}` is no name and no address");
    if word.contains('@') {
        return Address::parse(word)
            .map(AliasName::Address)
            .map_err(|_| none());
    }
    if word.contains([' ', '\t', '<', '>', ':', '|']) {
        return Err(none());
    }
    LocalPart::new(word).map(AliasName::Local).ok_or_else(none)
}

fn folded(name: &AliasName) -> AliasName {
    match name {
        AliasName::Local(local) => {
            let lower = LocalPart::new(&local.as_str().to_lowercase());
            AliasName::Local(lower.unwrap_or_else(|| local.clone()))
        }
        address @ AliasName::Address(_) => address.clone(),
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
                "Ada@example.org ada",
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
