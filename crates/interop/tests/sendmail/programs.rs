//! `|program` in `/etc/aliases`: run by a process of its own, beside Postfix's `local` with the
//! same lines, and with Debian's procmail as the program.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use interop::{Postfix, Server};
use tempfile::TempDir;

use super::machine::{Machine, feed};
use super::sink::{PATIENCE, wait};

const ADA: &str = "ada@test.localhost";
/// Debian's user `nobody`.
const NOBODY: u32 = 65_534;

/// A folder with a file of aliases, to which programs may write.
struct Place(TempDir);

impl Place {
    fn new(aliases: &str) -> Self {
        let place = Self(TempDir::new().unwrap());
        fs::set_permissions(place.0.path(), Permissions::from_mode(0o777)).unwrap();
        place.write_aliases(aliases);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes the file, in which `HERE` stands for the folder, as if that had been a while ago: a
    /// name that is missing is not on its way into it.
    fn write_aliases(&self, text: &str) {
        let text = text.replace("HERE", &self.0.path().display().to_string());
        let path = self.path("aliases");
        fs::write(&path, text).unwrap();
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(then).unwrap();
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// A server whose aliases are here, and for whom programs are run at a socket here.
    fn machine(&self) -> Machine {
        let (aliases, socket) = (self.path("aliases"), self.path("lmtp"));
        Machine::start(&format!(
            "[queue]\nretry = [\"1s\"]\n[local]\naliases = \"{}\"\nprograms = \"unix:{}\"\n",
            aliases.display(),
            socket.display()
        ))
    }
}

/// Whoever runs programs; it ends when this is dropped.
pub(crate) struct Runner(Child);

impl Runner {
    /// Starts one for a folder, as `nobody`, with these options more.
    fn start(place: &Place, options: &[&str]) -> Self {
        Self::of(runner(place, options), NOBODY)
    }

    /// Starts this one, as a user.
    pub(crate) fn of(mut command: Command, user: u32) -> Self {
        let mut child = command
            .uid(user)
            .gid(user)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        let (ready, wait) = mpsc::channel();
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                eprintln!("programs: {line}");
                if line.contains("ready") {
                    ready.send(()).unwrap_or_default();
                }
            }
        });
        wait.recv_timeout(PATIENCE).unwrap();
        Self(child)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn runner(place: &Place, options: &[&str]) -> Command {
    let mut command = Command::new(Server::binary());
    command.arg("programs").args(options).arg("--aliases");
    command.arg(place.path("aliases")).arg("--listen");
    command.arg(format!("unix:{}", place.path("lmtp").display()));
    command.current_dir("/");
    command
}

/// Hands a letter in, as from somebody.
pub(crate) fn hand_in(machine: &Machine, from: &str, to: &str, subject: &str) {
    let mut command = machine.called("sendmail", &["-i", "-f", from, to]);
    let (code, said) = feed(&mut command, &letter(subject));
    assert_eq!(code, Some(0), "{said}");
}

pub(crate) fn letter(subject: &str) -> String {
    format!(
        "From: bob@far.example\nTo: support@test.localhost\nSubject: {subject}\n\
         Message-ID: <{subject}@far.example>\nDate: Sat, 28 Nov 2026 06:00:00 +0000\n\n\
         From here\n.dot\nlast\n"
    )
}

/// A message of Ada's with these words in it.
fn report(machine: &Machine, words: &str) -> String {
    wait(|| {
        machine
            .mail(ADA)
            .into_iter()
            .find(|one| one.contains(words))
    })
}

/// What is told of a letter once it waits for another attempt.
fn deferred(machine: &Machine, subject: &str) -> String {
    wait(|| {
        let output = machine.server.output(&["why", subject], "").unwrap();
        let why = String::from_utf8(output.stdout).unwrap();
        why.contains("deferred").then_some(why)
    })
}

fn is_done(machine: &Machine) {
    wait(|| machine.is_done().then_some(()));
}

/// What the program got: its input without trace fields, which are each server's own, and its
/// variables.
pub(crate) fn got(folder: &Path, name: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let read = |end: &str| {
        wait(|| {
            let text = fs::read_to_string(folder.join(format!("{name}.{end}"))).ok()?;
            text.ends_with("\n").then_some(text)
        })
    };
    let (env, text) = (read("env"), read("letter"));
    let mut lines: Vec<String> = Vec::new();
    let mut in_trace = false;
    for line in text.lines() {
        in_trace = line.starts_with("Received: ") || in_trace && line.starts_with(['\t', ' ']);
        if !in_trace {
            lines.push(line.to_owned());
        }
    }
    // Each has a moment of its own.
    let first = lines[0].split_whitespace().take(2);
    lines[0] = first.collect::<Vec<_>>().join(" ");
    let variables = env.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    (lines, variables.collect())
}

#[test]
fn a_program_gets_what_postfix_would_give_it() {
    let line = "support: \"|cat > HERE/$EXTENSION.letter; env > HERE/$EXTENSION.env\"\n";
    let (ours, theirs) = (Place::new(line), Place::new(line));
    let machine = ours.machine();
    let _runner = Runner::start(&ours, &[]);
    let map = format!("hash:{}", theirs.path("aliases").display());
    let made = Command::new("postalias").arg(&map).status().unwrap();
    assert!(made.success());
    let postfix = Postfix::start(&format!(
        "mydestination = test.localhost\nmyorigin = test.localhost\nalias_maps = {map}\n\
         local_recipient_maps =\nrecipient_delimiter = +\n"
    ))
    .unwrap();
    for (name, from) in [
        ("usual", "bob@far.example"),
        ("nobody", "<>"),
        ("odd", "\"b;c\"@far.example"),
    ] {
        let to = format!("support+{name}@test.localhost");
        hand_in(&machine, from, &to, name);
        let mut command = postfix.sendmail(&["-i", "-f", from, &to]);
        assert_eq!(feed(&mut command, &letter(name)).0, Some(0));
        let (mine, my_variables) = got(ours.0.path(), name);
        let (other, other_variables) = got(theirs.0.path(), name);
        assert_eq!(mine, other);
        assert_eq!(mine.last().map(String::as_str), Some("last"));
        for variable in [
            "USER",
            "LOGNAME",
            "LOCAL",
            "DOMAIN",
            "EXTENSION",
            "SENDER",
            "RECIPIENT",
            "ORIGINAL_RECIPIENT",
            "PATH",
        ] {
            let (mine, other) = (my_variables.get(variable), other_variables.get(variable));
            assert_eq!(mine, other, "{variable}");
            assert!(mine.is_some(), "{variable}");
        }
        assert!(
            !my_variables.contains_key("CARAMEL_CONFIG"),
            "{my_variables:?}"
        );
    }
    is_done(&machine);
}

#[test]
fn how_a_program_ends_is_what_becomes_of_the_letter() {
    let place = Place::new(
        "support: ada, \"|cat > HERE/support\"\n\
         team: support, other\n\
         other: \"|cat > HERE/other\"\n\
         unknown: \"|echo no such ticket; exit 67\"\n\
         gone: \"|exit 75\"\n",
    );
    let machine = place.machine();
    let _runner = Runner::start(&place, &[]);
    // A name may lead to people and to programs.
    hand_in(&machine, "bob@far.example", "team", "for-the-team");
    report(&machine, "Subject: for-the-team\r\n");
    let has = |name: &str| wait(|| place.read(name).filter(|text| text.ends_with("last\n")));
    has("other");
    let text = has("support");
    assert!(text.starts_with("From bob@far.example "), "{text}");
    assert!(
        text.contains("\nDelivered-To: support@test.localhost\n"),
        "{text}"
    );
    // What the program says comes back, once, to whoever sent the letter.
    hand_in(&machine, ADA, "unknown", "a-question");
    let told = report(&machine, "no such ticket");
    for words in [
        "Final-Recipient: rfc822;unknown@test.localhost\r\n",
        "Status: 5.1.1\r\n",
        "The program ended with exit status 67",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    // To nobody nothing does but a word to the postmaster.
    hand_in(&machine, "<>", "unknown", "a-report");
    report(&machine, "Subject: Undeliverable report\r\n");
    // Of a name that is gone meanwhile, the sender hears as well.
    hand_in(&machine, ADA, "gone", "too-late");
    let why = deferred(&machine, "too-late");
    assert!(
        why.contains("451 4.3.0 The program ended with exit status 75"),
        "{why}"
    );
    let rest = fs::read_to_string(place.path("aliases")).unwrap();
    let rest: Vec<&str> = rest
        .lines()
        .filter(|line| !line.starts_with("gone"))
        .collect();
    place.write_aliases(&(rest.join("\n") + "\n"));
    let told = report(&machine, "too-late");
    assert!(
        told.contains("550 5.1.1 No program gets letters to this address"),
        "{told}"
    );
    is_done(&machine);
}

/// One that takes too long is killed; of two, the first runs again with the second.
#[test]
fn what_does_not_end_well_for_a_while_runs_again() {
    let place = Place::new(
        "slow: \"|echo run >> HERE/slow; [ -e HERE/open ] || sleep 600\"\n\
         two: \"|echo run >> HERE/first\", \"|[ -e HERE/open ] || exit 75\"\n",
    );
    let machine = place.machine();
    let _runner = Runner::start(&place, &["--run-time", "3s"]);
    for to in ["slow", "two"] {
        hand_in(&machine, ADA, to, &format!("for-{to}"));
    }
    assert!(deferred(&machine, "for-slow").contains("did not end within 3 seconds"));
    deferred(&machine, "for-two");
    fs::write(place.path("open"), "").unwrap();
    is_done(&machine);
    for name in ["slow", "first"] {
        let runs = place.read(name).unwrap().lines().count();
        assert!(runs > 1, "{name}: {runs}");
    }
    assert!(machine.mail(ADA).is_empty());
}

#[test]
fn procmail_is_a_program_among_others() {
    let place = Place::new("box: \"|/usr/bin/procmail -p -m HERE/own/rc\"\n");
    let rc = format!(
        "LOGFILE={0}/log\n:0:\n* ^Subject: wanted\n{0}/box\n\n:0\n/dev/null\n",
        place.0.path().display()
    );
    // It goes by no file in a folder that others may write.
    fs::create_dir(place.path("own")).unwrap();
    fs::write(place.path("own/rc"), rc).unwrap();
    let machine = place.machine();
    let _runner = Runner::start(&place, &[]);
    hand_in(&machine, "bob@far.example", "box", "unwanted");
    hand_in(&machine, "bob@far.example", "box", "wanted");
    is_done(&machine);
    let text = place
        .read("box")
        .unwrap_or_else(|| panic!("{:?}", place.read("log")));
    assert!(text.starts_with("From bob@far.example "), "{text}");
    assert!(text.contains("\nSubject: wanted\n"), "{text}");
    assert!(!text.contains("unwanted"), "{text}");
}

#[test]
fn letters_wait_for_whoever_runs_programs() {
    let place = Place::new("support: \"|cat > HERE/support\"\n");
    let machine = place.machine();
    hand_in(&machine, ADA, "support", "early");
    deferred(&machine, "early");
    // As root nobody runs them.
    let output = runner(&place, &[]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("programs are not run as root"), "{said}");
    let runner = Runner::start(&place, &[]);
    machine
        .server
        .command(&["queue", "retry", "--all"], "")
        .unwrap();
    wait(|| {
        place
            .read("support")
            .filter(|text| text.ends_with("last\n"))
    });
    is_done(&machine);
    let listed = machine.server.command(&["alias", "list"], "").unwrap();
    assert!(listed.contains("support -> a program\n"), "{listed}");
    drop(runner);
    // A socket that was left behind is no obstacle.
    drop(Runner::start(&place, &[]));
}
