//! Letters of this machine's own people and programs: where they are handed in, and by whom.

use std::path::{Path, PathBuf};

use mail::Host;
use net::Endpoint;
use server::{LocalSettings, LocalSpool, UserPath};

use super::setting;
use super::written::{Meaning, Value, Written};
use super::{Config, data_folder, find};
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
            programs: self.programs(),
            forward: self.user_path(&setting::LOCAL_FORWARD),
            forward_programs: self.forward_programs(),
        }
    }

    /// The socket of whoever runs programs of aliases.
    pub(super) fn programs(&self) -> Option<PathBuf> {
        match self.value(&setting::LOCAL_PROGRAMS)?.meaning {
            Meaning::Endpoint(Endpoint::Unix(path)) => Some(path),
            _ => None,
        }
    }

    /// The sockets of users who run programs of their `.forward`.
    pub(super) fn forward_programs(&self) -> Option<UserPath> {
        self.user_path(&setting::LOCAL_FORWARD_PROGRAMS)
    }

    fn user_path(&self, setting: &setting::Setting) -> Option<UserPath> {
        match self.value(setting)?.meaning {
            Meaning::UserPath(path) => Some(path),
            _ => None,
        }
    }

    fn local_domain(&self) -> Option<Host> {
        match self.value(&setting::LOCAL_DOMAIN)?.meaning {
            Meaning::Host(host) => Some(host),
            _ => None,
        }
    }
}

/// Finds programs that nobody would be asked to run.
pub(super) fn check(written: &mut Written) {
    if let Some(value) = find(written, &setting::LOCAL_PROGRAMS)
        && !matches!(value.meaning, Meaning::Endpoint(Endpoint::Unix(_)))
    {
        let what = "programs are run behind a socket of this machine".to_owned();
        return written.flaw(value.span, what, setting::LOCAL_PROGRAMS.example);
    }
    check_use(written, &setting::LOCAL_PROGRAMS, &setting::LOCAL_ALIASES);
    check_use(
        written,
        &setting::LOCAL_FORWARD_PROGRAMS,
        &setting::LOCAL_FORWARD,
    );
}

/// Finds programs without a file that names them, and where no letter leaves.
fn check_use(written: &mut Written, programs: &setting::Setting, file: &setting::Setting) {
    let Some(value) = find(written, programs) else {
        return;
    };
    let (span, mode) = (value.span, find(written, &setting::RELAY_MODE));
    let leaves = mode.is_none_or(|mode| mode.meaning == Meaning::Word("relay".to_owned()));
    if find(written, file).is_none() {
        let what = format!("`{}` is of no use without `{}`", programs.key, file.key);
        written.flaw(span, what, format!("{} = {}", file.key, file.example));
    } else if !leaves {
        let what = "no letter leaves, and so none goes to programs".to_owned();
        written.flaw(span, what, "[relay] mode = \"relay\"");
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

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn programs_have_a_socket_and_a_file_that_names_them() {
        let with = |lines: &str| {
            format!(
                "hostname = \"h.example\"\n{lines}\n\
                 [[listener]]\nprotocol = \"smtp\"\naddress = \"127.0.0.1:25\"\n"
            )
        };
        let aliases = "[local]\naliases = \"/etc/aliases\"\n";
        let socket = "programs = \"unix:/run/programs\"\n";
        let config = parse("caramel.toml", with(&format!("{aliases}{socket}"))).unwrap();
        for config in [&config, &parse("shown.toml", config.show()).unwrap()] {
            let relay = config.relay().unwrap();
            let programs = relay.programs.unwrap();
            assert_eq!(programs.reach.to_string(), "unix:/run/programs");
            assert_eq!(config.local().programs, Some("/run/programs".into()));
        }
        for (lines, what) in [
            (
                format!("{aliases}programs = \"127.0.0.1:24\"\n"),
                "behind a socket of this machine",
            ),
            (
                format!("[local]\n{socket}"),
                "`programs` is of no use without `aliases`",
            ),
            (
                format!("{aliases}{socket}[relay]\nmode = \"refuse\"\n"),
                "no letter leaves",
            ),
        ] {
            let complaint = parse("caramel.toml", with(&lines)).unwrap_err().to_string();
            assert!(complaint.contains(what), "{what}: {complaint}");
        }
    }

    #[test]
    fn forwards_have_a_place_for_the_user() {
        let with = |lines: &str| {
            format!(
                "hostname = \"h.example\"\n[local]\n{lines}\n\
                 [[listener]]\nprotocol = \"smtp\"\naddress = \"127.0.0.1:25\"\n"
            )
        };
        let forward = "forward = \"/home/{user}/.forward\"\n";
        let socket = "forward_programs = \"unix:/run/forward/{user}/lmtp\"\n";
        let config = parse("caramel.toml", with(&format!("{forward}{socket}"))).unwrap();
        for config in [&config, &parse("shown.toml", config.show()).unwrap()] {
            let local = config.local();
            let told =
                [local.forward, local.forward_programs].map(|path| path.unwrap().to_string());
            assert_eq!(told, ["/home/{user}/.forward", "/run/forward/{user}/lmtp"]);
            assert!(config.relay().unwrap().forward_programs.is_some());
        }
        for (lines, what) in [
            (
                "forward = \"/home/ada/.forward\"\n",
                "a whole path with {user} in it, once",
            ),
            (
                "forward = \"{user}/.forward\"\n",
                "a whole path with {user} in it, once",
            ),
            (
                "forward = \"/{user}/{user}\"\n",
                "a whole path with {user} in it, once",
            ),
            (
                "forward_programs = \"/run/{user}\"\n",
                "a socket's path with {user} in it",
            ),
            (socket, "`forward_programs` is of no use without `forward`"),
            (
                &format!("{forward}{socket}[relay]\nmode = \"refuse\"\n"),
                "no letter leaves",
            ),
        ] {
            let complaint = parse("caramel.toml", with(lines)).unwrap_err().to_string();
            assert!(complaint.contains(what), "{what}: {complaint}");
        }
    }
}
