//! Where the commands that everybody on this machine may use find the server: its configuration,
//! and the spool that this names.

use std::path::{Path, PathBuf};

use server::LocalSpool;

use crate::complaint::Complaint;
use crate::config::{self, Config};
use crate::{demo, sysexits};

/// The configuration of a machine's server, where nothing else is said.
const USUAL: &str = "/etc/caramel/caramel.toml";
/// The variable that names another.
const VARIABLE: &str = "CARAMEL_CONFIG";

/// What was said of the place on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// The configuration file.
    pub(crate) config: Option<PathBuf>,
    /// The folder for all data.
    pub(crate) data: Option<PathBuf>,
}

impl Place {
    /// The configuration file, if there is one.
    fn file(&self) -> Option<PathBuf> {
        let named = || std::env::var_os(VARIABLE).filter(|name| !name.is_empty());
        let given = self.config.clone().or_else(|| named().map(PathBuf::from));
        given.or_else(|| Some(PathBuf::from(USUAL)).filter(|path| path.exists()))
    }

    /// The spool: what everybody has to know.
    pub(crate) fn spool(&self) -> Result<LocalSpool, Complaint> {
        let found = match (self.file(), &self.data) {
            (Some(file), data) => config::spool_of(&file, data.as_deref()),
            (None, Some(data)) => Ok(LocalSpool::at(data.join("spool"))),
            (None, None) => config::data_folder().map(|data| LocalSpool::at(data.join("spool"))),
        };
        found.map_err(|complaint| complaint.coded(sysexits::CONFIGURATION))
    }

    /// All of the configuration, for who looks after the server.
    pub(crate) fn configuration(&self) -> Result<Config, Complaint> {
        let read = || {
            let mut config = match self.file() {
                Some(file) => config::read(&file)?,
                None => demo::configuration()?,
            };
            if let Some(data) = &self.data {
                config.move_data(data)?;
            }
            Ok(config)
        };
        read().map_err(|complaint: Complaint| complaint.coded(sysexits::CONFIGURATION))
    }

    /// The same place with another configuration file, if it is one of ours.
    pub(crate) fn with_config(self, path: &Path) -> Self {
        match path.extension().is_some_and(|end| end == "toml") {
            true => Self {
                config: Some(path.to_owned()),
                ..self
            },
            false => self,
        }
    }
}
