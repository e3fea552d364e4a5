//! `caramel link`: the names by which programs of this machine call their mailer, as links to this
//! program.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use crate::cli::say;
use crate::complaint::Complaint;
use crate::names;

/// Where each name is looked for.
const USUAL: &[&str] = &[
    "/usr/sbin/sendmail",
    "/usr/lib/sendmail",
    "/usr/bin/mailq",
    "/usr/bin/newaliases",
];

/// Which links, and where.
#[derive(Debug, Args)]
pub(crate) struct Link {
    /// The folder for all of them, instead of the places where they are looked for.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Replaces links that lead elsewhere; files never.
    #[arg(long)]
    replace: bool,
    /// Says what would be done.
    #[arg(long)]
    dry_run: bool,
    /// The names: sendmail, mailq and newaliases, unless given; procmail, maildrop, deliver, msmtp
    /// and ssmtp as well.
    #[arg(value_parser = names::known())]
    names: Vec<String>,
}

/// Makes the links.
pub(crate) fn run(link: &Link) -> Result<(), Complaint> {
    let program = std::env::current_exe().context("finding this program")?;
    for path in link.paths() {
        let there = match fs::read_link(&path) {
            Ok(target) if target == program => {
                say(&format!("{} is there.", path.display()))?;
                continue;
            }
            Ok(target) if !link.replace => return Err(taken(&path, Some(&target))),
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(_) => return Err(taken(&path, None)),
        };
        if link.dry_run {
            say(&format!("{} would be made.", path.display()))?;
            continue;
        }
        make(&path, &program, there)?;
        say(&format!("{} is made.", path.display()))?;
    }
    Ok(())
}

impl Link {
    fn paths(&self) -> Vec<PathBuf> {
        let wanted = |name: &str| match self.names.is_empty() {
            true => USUAL.iter().any(|path| path.ends_with(&format!("/{name}"))),
            false => self.names.iter().any(|known| known == name),
        };
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        if let Some(folder) = &self.into {
            let names = names::ALL.iter().map(|(name, _)| *name);
            return names
                .filter(|name| wanted(name))
                .map(|name| folder.join(name))
                .collect();
        }
        let usual = USUAL.iter().filter(|path| wanted(&name(path)));
        let others = self
            .names
            .iter()
            .filter(|one| !USUAL.iter().any(|path| name(path) == **one));
        let others = others.map(|name| Path::new("/usr/bin").join(name));
        usual.map(PathBuf::from).chain(others).collect()
    }
}

/// Makes a link, in one step where another is there.
fn make(path: &Path, program: &Path, there: bool) -> Result<(), Complaint> {
    let made = (|| {
        if !there {
            return std::os::unix::fs::symlink(program, path);
        }
        let beside = path.with_extension("caramel-new");
        std::os::unix::fs::symlink(program, &beside)?;
        fs::rename(beside, path)
    })();
    Ok(made.with_context(|| format!("making {}", path.display()))?)
}

fn taken(path: &Path, target: Option<&Path>) -> Complaint {
    let complaint = Complaint::new(format!("{} is another program's", path.display()));
    match target {
        Some(target) => complaint
            .because(format!("it leads to {}", target.display()))
            .next("the same with --replace"),
        None => complaint
            .because("it is no link")
            .next("remove the package it belongs to, or dpkg-divert --rename it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(folder: &Path, replace: bool, names: &[&str]) -> Result<(), Complaint> {
        run(&Link {
            into: Some(folder.to_owned()),
            replace,
            dry_run: false,
            names: names.iter().map(ToString::to_string).collect(),
        })
    }

    #[test]
    fn links_lead_here_and_take_nothing_away() {
        let folder = tempfile::TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let here = std::env::current_exe().unwrap();
        link(folder.path(), false, &[]).unwrap();
        link(folder.path(), false, &[]).unwrap();
        let leads = |name: &str| fs::read_link(at(name)).ok();
        for name in ["sendmail", "mailq", "newaliases"] {
            assert_eq!(leads(name), Some(here.clone()));
        }
        assert!(!at("procmail").exists());
        std::os::unix::fs::symlink("/bin/false", at("procmail")).unwrap();
        link(folder.path(), false, &["procmail"]).unwrap_err();
        link(folder.path(), true, &["procmail"]).unwrap();
        assert_eq!(leads("procmail"), Some(here));
        fs::write(at("maildrop"), "theirs").unwrap();
        link(folder.path(), true, &["maildrop"]).unwrap_err();
        assert_eq!(fs::read_to_string(at("maildrop")).unwrap(), "theirs");
    }
}
