//! What is handed in at this machine, and by whom: as the owner chose.

use std::path::PathBuf;

use mail::Host;
use post::Post;

use super::spool::LocalSpool;
use crate::forwards::UserPath;

/// What is handed in at this machine, and by whom.
#[derive(Clone, Debug)]
pub struct LocalSettings {
    /// Where it lies.
    pub spool: LocalSpool,
    /// The domain that names without one belong to. Without it that is our own name, if it is a
    /// domain here, or the first domain here.
    pub domain: Option<Host>,
    /// Who may write in anybody's name.
    pub trusted_users: Vec<String>,
    /// A file of aliases that are beside those in the store.
    pub aliases: Option<PathBuf>,
    /// The socket of the process that runs the programs which that file names; without it programs
    /// are a fault there.
    pub programs: Option<PathBuf>,
    /// Where users have their `.forward`; without it such files do not count.
    pub forward: Option<UserPath>,
    /// The sockets at which users run the programs that these name; without it programs are a fault
    /// there.
    pub forward_programs: Option<UserPath>,
}

impl LocalSettings {
    /// The domain of names that have none.
    #[must_use]
    pub fn domain_of(&self, post: &Post) -> Host {
        let own = &post.rules().host;
        let here = || {
            let domains = post.domains();
            let found = domains.iter().find(|domain| *domain == own);
            found.or_else(|| domains.first()).cloned()
        };
        let domain = self.domain.clone().or_else(here);
        domain.unwrap_or_else(|| own.clone())
    }
}
