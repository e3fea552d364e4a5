//! A user's `.forward`: what stands behind a name in a file of aliases, on as many lines as its
//! owner likes.
//!
//! It is gone by whole or not at all: a letter is not half sent on. Whose it has to be is what
//! `local(8)` of Postfix and sendmail ask as well: the user's own, or root's.

use std::path::{Path, PathBuf};

use post::AliasName;

use super::owned::{Seen, Unfit, read_owned};
use super::targets::{Led, Manner, Targets, meant};
use super::{AliasFault, AliasTargets, push_fault};

/// Octets of a file, with the lists that it includes.
const OCTETS_MAX: u64 = 64 * 1024;
/// Targets of a file, included ones with them.
const TARGETS_MAX: usize = 1000;
/// Lines of which it is told that they are wrong.
const FAULTS_MAX: usize = 10;

/// What is in a `.forward`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ForwardRead {
    /// Where it leads.
    pub(crate) to: Vec<AliasName>,
    /// The programs that it names: commands of the shell.
    pub(crate) programs: Vec<String>,
    /// What is wrong; where there is anything, it is not gone by.
    pub(crate) faults: Vec<AliasFault>,
    /// What it was read from, and what that was just before.
    pub(crate) seen: Vec<(PathBuf, Seen)>,
    /// True if it could not be read now, and may be the next time though nothing has changed.
    pub(crate) is_unreadable: bool,
}

/// Reads a `.forward` that one of these users or root has to own. One that is not there leads
/// nowhere, and is no fault.
pub(crate) fn read_forward(path: &Path, may_own: &[u32], wanted: AliasTargets) -> ForwardRead {
    let mut read = ForwardRead::default();
    let mut source = Source {
        octets_left: OCTETS_MAX,
        seen: Vec::new(),
        is_unreadable: false,
    };
    match source.read(path, may_own) {
        Err(Unfit::Missing) => {}
        Err(Unfit::Unreadable(text) | Unfit::Wrong(text)) => {
            push_fault(&mut read.faults, path, 0, &text);
        }
        Ok((text, owner)) => lines(path, &text, wanted, &mut source, owner, &mut read),
    }
    ForwardRead {
        seen: source.seen,
        is_unreadable: source.is_unreadable,
        ..read
    }
}

fn lines(
    path: &Path,
    text: &str,
    wanted: AliasTargets,
    source: &mut Source,
    owner: u32,
    read: &mut ForwardRead,
) {
    let manner = Manner {
        name: "the file itself",
        programs: "`[local] forward_programs`",
        targets_max: TARGETS_MAX,
    };
    // A list is as much its owner's as the file is.
    let list = |path: &Path| match source.read(path, &[owner]) {
        Ok((text, of)) if of == owner => Ok(text),
        Ok(_) => Err("it does not belong to whom the file belongs".to_owned()),
        Err(Unfit::Missing) => Err("it is not there".to_owned()),
        Err(Unfit::Unreadable(text) | Unfit::Wrong(text)) => Err(text),
    };
    let mut targets = Targets::new(wanted, manner, Box::new(list));
    let mut led = Led::default();
    for (number, line) in meant(text) {
        if let Err(text) = targets.line(line, &mut led) {
            push_fault(&mut read.faults, path, number, &text);
        }
    }
    drop(targets);
    read.faults.truncate(FAULTS_MAX);
    if read.faults.is_empty() {
        (read.to, read.programs) = (led.names, led.programs);
    }
}

/// Where it is read from.
struct Source {
    octets_left: u64,
    seen: Vec<(PathBuf, Seen)>,
    is_unreadable: bool,
}

impl Source {
    fn read(&mut self, path: &Path, may_own: &[u32]) -> Result<(String, u32), Unfit> {
        // Before it is read: what changes meanwhile is seen the next time.
        self.seen.push((path.to_owned(), Seen::at(path)));
        let (text, owner) = read_owned(path, may_own, self.octets_left)
            .inspect_err(|why| self.is_unreadable |= matches!(why, Unfit::Unreadable(_)))?;
        let octets = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.octets_left = self.octets_left.saturating_sub(octets);
        Ok((text, owner))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use rustix::process::geteuid;
    use tempfile::TempDir;

    use super::*;

    /// Whoever owns files here.
    const OWNER: u32 = 4711;

    /// A folder in which `.forward` and lists are, and whose they are.
    struct Home(TempDir);

    impl Home {
        fn new() -> Self {
            let home = Self(TempDir::new().unwrap());
            for (name, text) in [
                ("list", "# friends\nbob, carl@a.example\n\n\\ada\n"),
                ("wrong", "bob\n/dev/null\n"),
                ("programs", "|/bin/cat\n"),
                ("round", ":include:HERE/round\n"),
            ] {
                home.write(name, text);
            }
            home
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            let here = self.0.path().display().to_string();
            fs::write(self.path(name), text.replace("HERE", &here)).unwrap();
            self.set(name, owner(), 0o644);
        }

        fn set(&self, name: &str, owner: u32, mode: u32) {
            let path = self.path(name);
            if geteuid().is_root() {
                chown(&path, Some(owner), None).unwrap();
            }
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }

        fn read(&self, wanted: AliasTargets) -> ForwardRead {
            read_forward(&self.path(".forward"), &[owner()], wanted)
        }

        /// Where it leads, programs in brackets, and what is wrong.
        fn told(&self, wanted: AliasTargets) -> (String, Vec<String>) {
            let read = self.read(wanted);
            let to = read.to.iter().map(AliasName::to_string);
            let programs = read.programs.iter().map(|command| format!("[{command}]"));
            let to: Vec<String> = to.chain(programs).collect();
            let here = self.0.path().display().to_string();
            let faults = read.faults.iter().map(|fault| fault.to_string());
            let faults = faults.map(|fault| fault.replace(&here, "HERE"));
            (to.join(" "), faults.collect())
        }
    }

    /// Root may give files away; anybody else has the own ones.
    fn owner() -> u32 {
        let own = geteuid();
        if own.is_root() { OWNER } else { own.as_raw() }
    }

    #[test]
    fn a_forward_is_what_stands_behind_a_name() {
        let home = Home::new();
        for (text, expected) in [
            ("", ""),
            ("# nothing\n\n   \n", ""),
            ("bob\n", "bob"),
            ("  bob , x@a.example,\r\ncarl", "bob x@a.example carl"),
            (
                "\\ada, \"first last\"@a.example\n",
                "\\ada \"first last\"@a.example",
            ),
            (
                "# me, and\n\\ada\n:include:HERE/list\n",
                "\\ada bob carl@a.example \\ada",
            ),
            (
                "\"|IFS=' ' && exec /usr/bin/procmail -f- || exit 75 #ada\"\n",
                "[IFS=' ' && exec /usr/bin/procmail -f- || exit 75 #ada]",
            ),
            (
                "\\ada, \"|/usr/bin/vacation ada\"\n",
                "\\ada [/usr/bin/vacation ada]",
            ),
        ] {
            home.write(".forward", text);
            let (to, faults) = home.told(AliasTargets::All);
            assert_eq!((to.as_str(), faults), (expected, vec![]), "{text}");
        }
        // One that is not there is none, nor is one whose folder is not.
        for path in [
            home.path("none"),
            home.path("none/.forward"),
            home.path("list/.forward"),
        ] {
            let read = read_forward(&path, &[owner()], AliasTargets::All);
            assert_eq!(
                (read.faults, read.is_unreadable),
                (vec![], false),
                "{path:?}"
            );
        }
        // Whoever runs programs passes over what is not theirs.
        home.write(".forward", "bob, |one\n:include:/nowhere\n|two\n");
        assert_eq!(
            home.told(AliasTargets::Programs),
            ("[one] [two]".into(), vec![])
        );
    }

    // tidy: table
    #[test]
    fn what_is_wrong_is_told_with_its_line_and_nothing_is_gone_by() {
        let home = Home::new();
        let many = "bob,".repeat(1001);
        let large = format!("#{}\n", "x".repeat(64 * 1024));
        for (text, expected) in [
            (
                "bob\n\n|/usr/bin/vacation ada\n",
                "HERE/.forward:3: `|/usr/bin/vacation ada`: no program is run",
            ),
            (
                "bob\n/var/mail/bob\n",
                "HERE/.forward:2: `/var/mail/bob`: mail is not written into files",
            ),
            (
                "~/Mail/inbox\n",
                "HERE/.forward:1: `~/Mail/inbox`: mail is not written into files",
            ),
            (
                "ada bob\n",
                "HERE/.forward:1: `ada bob` is no name and no address",
            ),
            (
                "Ada <ada@a.example>\n",
                "HERE/.forward:1: `Ada <ada@a.example>` is no name",
            ),
            (
                "ada@\n",
                "HERE/.forward:1: `ada@` is no name and no address",
            ),
            ("\"bob\n", "HERE/.forward:1: a quote is missing"),
            (
                ":include:list\n",
                "HERE/.forward:1: :include:list: write the whole path",
            ),
            (
                ":include:HERE/none\n",
                "HERE/.forward:1: :include:HERE/none: it is not there",
            ),
            (
                ":include:HERE/wrong\n",
                "HERE/.forward:1: HERE/wrong:2: `/dev/null`",
            ),
            (
                ":include:HERE/round\n",
                "lists include one another more than 10 times",
            ),
            (&many, "HERE/.forward:1: these are too many targets"),
            (&large, "HERE/.forward: it has more than 65536 octets"),
        ] {
            home.write(".forward", text);
            let (to, faults) = home.told(AliasTargets::Names);
            let [fault] = faults.as_slice() else {
                panic!("{text}: {faults:?}");
            };
            assert!(fault.contains(expected), "{expected}: {fault}");
            assert!(fault.contains("HERE/.forward"), "{fault}");
            assert_eq!(to, "", "{text}");
        }
        // What is told of it does nothing to whoever reads that.
        let long = format!("\u{1b}[2J {}\n", "x".repeat(1000));
        home.write(".forward", &long);
        let (_, faults) = home.told(AliasTargets::All);
        assert!(faults[0].contains("`\u{fffd}[2J xxx"), "{faults:?}");
        assert!(faults[0].len() < 600, "{faults:?}");
        home.write(".forward", ":include:HERE/programs\n");
        let (to, faults) = home.told(AliasTargets::All);
        assert_eq!(to, "");
        assert!(faults[0].contains("lists name no programs; only lines of the file itself do"));
        fs::write(home.path(".forward"), b"\xff\n").unwrap();
        assert!(home.told(AliasTargets::All).1[0].ends_with("it is not in UTF-8"));
    }

    #[test]
    fn only_a_file_of_the_users_own_counts() {
        let home = Home::new();
        let (own, path) = (owner(), home.path(".forward"));
        let wrong = |words: &str| {
            let (to, faults) = home.told(AliasTargets::All);
            assert_eq!((to.as_str(), faults.len()), ("", 1), "{words}");
            assert!(faults[0].contains(words), "{words}: {faults:?}");
        };
        home.write(".forward", "bob\n");
        for mode in [0o664, 0o646, 0o622] {
            home.set(".forward", own, mode);
            wrong("HERE/.forward: others may write it: chmod go-w");
        }
        home.set(".forward", own, 0o600);
        assert_eq!(home.told(AliasTargets::All).0, "bob");
        let other = read_forward(&path, &[own + 1], AliasTargets::All);
        assert!(
            other.faults[0]
                .text
                .starts_with("it belongs to another user")
        );
        // A link is none, wherever it leads; nor is what is no file, which nobody waits for.
        fs::rename(&path, home.path("elsewhere")).unwrap();
        symlink(home.path("elsewhere"), &path).unwrap();
        wrong("HERE/.forward: it is a link");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        wrong("HERE/.forward: it is no file");
        fs::remove_dir(&path).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).unwrap();
        wrong("it is no file");
        fs::remove_file(&path).unwrap();
        // A list has to be as much the user's own.
        home.write(".forward", ":include:HERE/list\n");
        for (mode, words) in [(0o664, "others may write it"), (0o644, "")] {
            home.set("list", own, mode);
            match words {
                "" => assert_eq!(home.told(AliasTargets::All).0, "bob carl@a.example \\ada"),
                words => wrong(words),
            }
        }
        if !geteuid().is_root() {
            return;
        }
        // Root may write one, and may not be made to by another name of a file of root's.
        home.set("list", 0, 0o644);
        wrong("it does not belong to whom the file belongs");
        home.set(".forward", 0, 0o644);
        assert_eq!(home.told(AliasTargets::All).0, "bob carl@a.example \\ada");
        fs::hard_link(&path, home.path("second")).unwrap();
        wrong("it is root's, and has another name as well");
    }
}
