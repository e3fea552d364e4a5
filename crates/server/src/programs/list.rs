//! Which programs get whose letters: the file that names them, read anew when it has changed.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use mail::{Address, Enhanced, LocalPart, Refusal};
use post::AliasName;
use rustix::process::geteuid;

use super::ProgramFile;
use crate::alias_file::{AliasFault, AliasTargets, Seen, read_aliases, read_forward};

/// How long after the file has changed a name that is missing may still be on its way into it.
const SETTLING: Duration = Duration::from_secs(5);
/// The bit of a file that anybody may write.
const ANYBODY_WRITES: u32 = 0o002;

/// The programs of a file.
#[derive(Debug)]
pub(super) struct List {
    file: ProgramFile,
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    /// The file that it was, as far as one is told from another.
    seen: Option<Seen>,
    programs: Programs,
}

/// What is run.
#[derive(Debug)]
enum Programs {
    /// For whom it is decides.
    Of(BTreeMap<AliasName, Vec<String>>),
    /// For every letter.
    All(Vec<String>),
}

impl Default for Programs {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl ProgramFile {
    /// What is there; where an administrator's file lies a link may say.
    fn found(&self) -> io::Result<Metadata> {
        match self {
            Self::Aliases(path) => path.metadata(),
            Self::Forward(path) => path.symlink_metadata(),
        }
    }
}

impl List {
    pub(super) fn open(file: ProgramFile) -> Self {
        Self {
            file,
            read: Mutex::default(),
        }
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many names have programs; how many programs there are, where it is for all letters.
    pub(super) fn len(&self) -> usize {
        match &self.read().programs {
            Programs::Of(names) => names.len(),
            Programs::All(commands) => commands.len(),
        }
    }

    /// Reads the file if it is another than before, and tells what is wrong in it; an error is why
    /// it cannot be gone by.
    pub(super) fn look(&self) -> Result<Vec<AliasFault>, String> {
        Ok(self.current()?.1)
    }

    fn current(&self) -> Result<(MutexGuard<'_, Read>, Vec<AliasFault>), String> {
        let mut read = self.read();
        let seen = Some(Seen::of(self.file.found()));
        if read.seen == seen {
            return Ok((read, Vec::new()));
        }
        let (programs, faults) = match &self.file {
            ProgramFile::Aliases(path) => of_aliases(path)?,
            ProgramFile::Forward(path) => (of_forward(path)?, Vec::new()),
        };
        *read = Read { seen, programs };
        Ok((read, faults))
    }

    /// The programs of an address, by its own name or by that before `+`; nothing where it has
    /// none.
    ///
    /// # Errors
    /// A refusal for now, while the file cannot be read or is being written.
    pub(super) fn commands(&self, address: &Address) -> Result<Option<Vec<String>>, Refusal> {
        let later = |text: &str| Refusal::new(451, Enhanced::new(4, 3, 5), text);
        let (read, faults) = self.current().map_err(|error| {
            tracing::error!(error, "no programs are known");
            later("The file that names programs cannot be gone by now")
        })?;
        for fault in faults {
            tracing::warn!(%fault, "left out");
        }
        let commands = match &read.programs {
            Programs::Of(of) => names(address).find_map(|name| of.get(&name).cloned()),
            Programs::All(commands) => Some(commands.clone()).filter(|all| !all.is_empty()),
        };
        // Where it has gone, its folder has changed.
        let folder = || self.file.path().parent()?.metadata().ok();
        let found = self.file.found().ok().or_else(folder);
        let changed = found.and_then(|found| found.modified().ok());
        let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
        match commands {
            None if age.is_none_or(|age| age < SETTLING) => {
                Err(later("The file that names programs has just changed"))
            }
            commands => Ok(commands),
        }
    }
}

/// Those of a file of aliases, and what is wrong in it; an error is why it cannot be gone by.
fn of_aliases(path: &Path) -> Result<(Programs, Vec<AliasFault>), String> {
    let shown = path.display();
    let found = std::fs::metadata(path);
    let found = found.map_err(|error| format!("{shown} cannot be read: {error}"))?;
    // Whoever writes it has their programs run.
    if found.mode() & ANYBODY_WRITES != 0 {
        return Err(format!(
            "{shown} may be written by anybody: chmod o-w {shown}"
        ));
    }
    let aliases = read_aliases(path, AliasTargets::Programs);
    if let Some(fault) = aliases.faults.iter().find(|fault| fault.line == 0) {
        return Err(fault.to_string());
    }
    let programs = aliases.programs.into_iter();
    let programs = programs.map(|(name, commands)| (lowered(&name), commands));
    Ok((Programs::Of(programs.collect()), aliases.faults))
}

/// Those of the own `.forward`; an error is why it cannot be gone by.
fn of_forward(path: &Path) -> Result<Programs, String> {
    let own = geteuid().as_raw();
    let read = read_forward(path, &[own], AliasTargets::Programs);
    match read.faults.first() {
        Some(fault) => Err(fault.to_string()),
        None => Ok(Programs::All(read.programs)),
    }
}

/// The names under which an address may stand: whole and by its local part, with what is behind `+`
/// and without it.
fn names(address: &Address) -> impl Iterator<Item = AliasName> {
    let local = address.local.as_str().to_lowercase();
    let base = local.split_once('+').map(|(base, _)| base.to_owned());
    let locals = [Some(local), base].into_iter().flatten();
    let host = address.host.clone();
    let locals = locals.filter_map(|local| LocalPart::new(&local));
    locals.flat_map(move |local| {
        let address = Address {
            local: local.clone(),
            host: host.clone(),
        };
        [AliasName::Address(address), AliasName::Local(local)]
    })
}

fn lowered(name: &AliasName) -> AliasName {
    let lower = |local: &LocalPart| {
        let lower = LocalPart::new(&local.as_str().to_lowercase());
        lower.unwrap_or_else(|| local.clone())
    };
    match name {
        AliasName::Local(local) => AliasName::Local(lower(local)),
        AliasName::Mailbox(local) => AliasName::Mailbox(lower(local)),
        AliasName::Address(address) => AliasName::Address(Address {
            local: lower(&address.local),
            host: address.host.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn names_have_the_programs_that_the_file_has_now() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("aliases");
        let write = |text: &str, age: u64| {
            std::fs::write(&path, text).unwrap();
            let then = SystemTime::now() - Duration::from_secs(age);
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(then)
                .unwrap();
        };
        let list = List::open(ProgramFile::Aliases(path.clone()));
        assert!(list.look().unwrap_err().contains("cannot be read"));
        write(
            "Support: ada, \"|one\", \"|two\"\nx@a.example: \"|three\"\nada: eve\n",
            60,
        );
        assert_eq!(list.look().unwrap(), []);
        let told = |address: &str| {
            let found = list.commands(&Address::parse(address).unwrap());
            found.map(|found| found.map(|commands| commands.join(" ")))
        };
        for (address, expected) in [
            ("support@h.example", Some("one two")),
            ("SUPPORT+x@h.example", Some("one two")),
            ("x@A.example", Some("three")),
            ("x@b.example", None),
            ("ada@h.example", None),
        ] {
            let found = told(address).unwrap();
            assert_eq!(found.as_deref(), expected, "{address}");
        }
        // What is missing from a file that has just changed may be on its way into it.
        write("other: \"|four\"\n", 0);
        assert_eq!(told("support@h.example").unwrap_err().code.value(), 451);
        assert_eq!(told("other@h.example").unwrap().as_deref(), Some("four"));
        write("other: \"|five\"\n", 90);
        assert_eq!(told("support@h.example").unwrap(), None);
        assert_eq!(told("other@h.example").unwrap().as_deref(), Some("five"));
        write("other: \"|six\"\n", 80);
        std::fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        assert_eq!(told("other@h.example").unwrap_err().code.value(), 451);
        assert!(list.look().unwrap_err().contains("chmod o-w"));
    }

    #[test]
    fn programs_of_a_forward_get_every_letter() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join(".forward");
        let write = |text: &str, age: u64| {
            std::fs::write(&path, text).unwrap();
            let then = SystemTime::now() - Duration::from_secs(age);
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(then).unwrap();
        };
        let list = List::open(ProgramFile::Forward(path.clone()));
        assert_eq!(list.look().unwrap(), []);
        let told = |address: &str| {
            let found = list.commands(&Address::parse(address).unwrap());
            let code = |refusal: Refusal| refusal.code.value();
            found.map(|all| all.unwrap_or_default()).map_err(code)
        };
        // It may be on its way.
        assert_eq!(told("ada@h.example"), Err(451));
        write("\\ada, bob@b.example\n\"|one, too\"\n|two\n", 60);
        for address in ["ada@h.example", "Ada+x@h.example"] {
            assert_eq!(told(address).unwrap(), ["one, too", "two"], "{address}");
        }
        write("\\ada\n", 50);
        assert_eq!(told("ada@h.example").unwrap(), [""; 0]);
        write("|three\n", 40);
        std::fs::set_permissions(&path, Permissions::from_mode(0o620)).unwrap();
        assert_eq!(told("ada@h.example"), Err(451));
        assert!(list.look().unwrap_err().contains("others may write it"));
        std::fs::rename(&path, folder.path().join("other")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("other"), &path).unwrap();
        assert!(list.look().unwrap_err().contains("it is a link"));
    }
}
