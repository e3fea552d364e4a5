//! Which programs get whose letters: the file of aliases, read anew when it has changed.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use mail::{Address, Enhanced, LocalPart, Refusal};
use post::AliasName;

use crate::alias_file::{AliasFault, AliasTargets, read_aliases};

/// How long after the file has changed a name that is missing may still be on its way into it.
const SETTLING: Duration = Duration::from_secs(5);
/// The bit of a file that anybody may write.
const ANYBODY_WRITES: u32 = 0o002;

/// The programs of a file.
#[derive(Debug)]
pub(super) struct List {
    path: PathBuf,
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    /// The file that it was, as far as one is told from another.
    seen: Option<Seen>,
    programs: BTreeMap<AliasName, Vec<String>>,
}

/// What tells a file from what it was before: device, number, octets, and when it changed, in
/// seconds and nanoseconds.
type Seen = (u64, u64, u64, i64, i64);

impl List {
    pub(super) fn open(path: PathBuf) -> Self {
        Self {
            path,
            read: Mutex::default(),
        }
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many names have programs.
    pub(super) fn len(&self) -> usize {
        self.read().programs.len()
    }

    /// Reads the file if it is another than before, and tells what is wrong in it; an error is why
    /// it cannot be gone by.
    pub(super) fn look(&self) -> Result<Vec<AliasFault>, String> {
        Ok(self.current()?.1)
    }

    fn current(&self) -> Result<(MutexGuard<'_, Read>, Vec<AliasFault>, Metadata), String> {
        let path = self.path.display();
        let found = std::fs::metadata(&self.path);
        let found = found.map_err(|error| format!("{path} cannot be read: {error}"))?;
        let mut read = self.read();
        let seen = (
            found.dev(),
            found.ino(),
            found.size(),
            found.mtime(),
            found.mtime_nsec(),
        );
        if read.seen == Some(seen) {
            return Ok((read, Vec::new(), found));
        }
        // Whoever writes it has their programs run.
        if found.mode() & ANYBODY_WRITES != 0 {
            return Err(format!(
                "{path} may be written by anybody: chmod o-w {path}"
            ));
        }
        let aliases = read_aliases(&self.path, AliasTargets::Programs);
        if let Some(fault) = aliases.faults.iter().find(|fault| fault.line == 0) {
            return Err(fault.to_string());
        }
        read.programs = aliases
            .programs
            .into_iter()
            .map(|(name, commands)| (lowered(&name), commands))
            .collect();
        read.seen = Some(seen);
        Ok((read, aliases.faults, found))
    }

    /// The programs of an address, by its own name or by that before `+`; nothing where it has
    /// none.
    ///
    /// # Errors
    /// A refusal for now, while the file cannot be read or is being written.
    pub(super) fn commands(&self, address: &Address) -> Result<Option<Vec<String>>, Refusal> {
        let later = |text: &str| Refusal::new(451, Enhanced::new(4, 3, 5), text);
        let (read, faults, found) = self.current().map_err(|error| {
            tracing::error!(error, "no programs are known");
            later("The file of aliases cannot be read now")
        })?;
        for fault in faults {
            tracing::warn!(%fault, "left out");
        }
        let commands = names(address).find_map(|name| read.programs.get(&name).cloned());
        let changed = found.modified().ok();
        let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
        match commands {
            None if age.is_none_or(|age| age < SETTLING) => {
                Err(later("The file of aliases has just changed"))
            }
            commands => Ok(commands),
        }
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
        let list = List::open(path.clone());
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
}
