//! Letters of this machine's own people and programs: where they are handed in, and by whom.

use std::path::{Path, PathBuf};

use mail::Host;
use server::{LocalSettings, LocalSpool};

use super::setting;
use super::written::{Meaning, Value, Written};
use super::{Config, data_folder};
use crate::complaint::Complaint;

/// The spool in the data folder.
const SPOOL: &str = "spool";

impl Config {
    /// What is handed in at this machine.
    pub(crate) fn local(&self) -> LocalSettings {
        let spool = match self.value(&setting::LOCAL_SPOOL).map(|value| value.meaning) {
            Some(Meaning::Path(path)) => path,
            _ => self.data().join(SPOOL),
        };
        LocalSettings {
            spool: LocalSpool::at(spool),
            domain: self.local_domain(),
            trusted_users: self.many(&setting::TRUSTED_USERS, |meaning| match meaning {
                Meaning::Word(name) => Some(name),
                _ => None,
            }),
            aliases: match self
                .value(&setting::LOCAL_ALIASES)
                .map(|value| value.meaning)
            {
                Some(Meaning::Path(path)) => Some(path),
                _ => None,
            },
        }
    }

    fn local_domain(&self) -> Option<Host> {
        match self.value(&setting::LOCAL_DOMAIN)?.meaning {
            Meaning::Host(host) => Some(host),
            _ => None,
        }
    }
}

/// The spool that a file names, for people who may read it but not what it names: keys,
/// certificates. Whether the rest of it is right is the server's affair.
pub(crate) fn spool_of(file: &Path, data: Option<&Path>) -> Result<LocalSpool, Complaint> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let what = format!("{} cannot be read", file.display());
        Complaint::usage(what).because(error)
    })?;
    let written = Written::read(&file.display().to_string(), text);
    let path = |wanted: &setting::Setting| match written.values.get(&(wanted.section, wanted.key)) {
        Some(Value {
            meaning: Meaning::Path(path),
            ..
        }) => Some(path.clone()),
        _ => None,
    };
    let in_data = || -> Result<PathBuf, Complaint> {
        let data = data.map(Path::to_owned).or_else(|| path(&setting::DATA));
        Ok(data.map_or_else(data_folder, Ok)?.join(SPOOL))
    };
    let spool = path(&setting::LOCAL_SPOOL).map_or_else(in_data, Ok)?;
    Ok(LocalSpool::at(spool))
}
