//! `.forward` files, beside Postfix's `local` with the same ones, for users whom Debian has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use interop::{Postfix, Server, Talk, Tls};
use tempfile::TempDir;

use super::machine::{Machine, feed};
use super::programs::{Runner, got, hand_in, letter};
use super::sink::{Sink, wait};

const ADA: &str = "ada@test.localhost";

/// Users of Debian, their numbers, and their files; none where there is none.
const USERS: &[(&str, u32, Option<&str>)] = &[
    ("games", 5, Some("news, bob@far.example\n")),
    ("man", 6, None),
    ("lp", 7, Some("")),
    ("news", 9, Some("# nothing\n\n")),
    ("uucp", 10, Some("\\uucp\nnews\n")),
    ("proxy", 13, Some("irc\n")),
    ("www-data", 33, Some("\"man\" , carl@far.example, \\news")),
    (
        "list",
        38,
        Some(":include:HERE/friends\ncarl@far.example\n"),
    ),
    ("irc", 39, Some("IRC\n  lp,\n")),
];

/// A folder with homes and a list, as it is for a server of its own.
struct Homes(TempDir);

impl Homes {
    fn new() -> Self {
        let homes = Self(TempDir::new().unwrap());
        open_to_all(homes.0.path());
        homes
    }

    /// The same with the files of all of these users.
    fn of_users() -> Self {
        let homes = Self::new();
        for (user, number, text) in USERS {
            if let Some(text) = text {
                homes.write(user, *number, text);
            }
        }
        let list = homes.path("friends");
        fs::write(&list, "# friends\nnews, lp\n").unwrap();
        chown(&list, Some(38), None).unwrap();
        homes
    }

    fn path(&self, part: &str) -> PathBuf {
        self.0.path().join(part)
    }

    fn shown(&self) -> String {
        self.0.path().display().to_string()
    }

    /// Writes a user's file, in which `HERE` stands for the folder.
    fn write(&self, user: &str, number: u32, text: &str) -> PathBuf {
        let path = self.path(user).join(".forward");
        fs::create_dir_all(self.path(user)).unwrap();
        let text = text.replace("HERE", &self.shown());
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        chown(&path, Some(number), None).unwrap();
        path
    }

    /// A server that goes by these.
    fn machine(&self, sink: &Sink) -> Machine {
        let here = self.shown();
        Machine::start(&format!(
            "[queue]\nretry = [\"1s\"]\n[relay]\nhost = \"[127.0.0.2]:{}\"\ntls = \"none\"\n\
             [local]\nforward = \"{here}/{{user}}/.forward\"\n\
             forward_programs = \"unix:{here}/{{user}}.lmtp\"\n",
            sink.port
        ))
    }

    /// A Postfix that does.
    fn postfix(&self, sink: &Sink) -> Postfix {
        let here = self.shown();
        fs::create_dir(self.path("mail")).unwrap();
        fs::set_permissions(self.path("mail"), Permissions::from_mode(0o1777)).unwrap();
        Postfix::start(&format!(
            "mydestination = test.localhost\nmyorigin = test.localhost\n\
             local_recipient_maps =\nrecipient_delimiter = +\n\
             forward_path = {here}/$user/.forward\nmail_spool_directory = {here}/mail/\n\
             relayhost = [127.0.0.3]:{}\n",
            sink.port
        ))
        .unwrap()
    }
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
}

/// Which letters came to whom: subjects and readers.
type Readers = BTreeMap<String, BTreeSet<String>>;

fn subject(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let subject = lines.find_map(|line| line.strip_prefix("Subject: "))?;
    Some(subject.trim().to_owned())
}

/// Those of these letters, and of those that a host elsewhere took.
fn readers(mail: impl Fn(&str) -> Vec<String>, sink: &Sink) -> Readers {
    let mut readers = Readers::new();
    for (user, ..) in USERS {
        for subject in mail(user).iter().filter_map(|text| subject(text)) {
            readers
                .entry(subject)
                .or_default()
                .insert((*user).to_owned());
        }
    }
    for taken in sink.taken() {
        let subject = subject(taken["body"].as_str().unwrap()).unwrap();
        for to in taken["to"].as_array().unwrap() {
            let to = to.as_str().unwrap().split(' ').next().unwrap();
            let to = to.trim_matches(['<', '>']).to_lowercase();
            readers.entry(subject.clone()).or_default().insert(to);
        }
    }
    readers
}

#[test]
fn letters_go_where_postfix_would_send_them() {
    let sinks = ["127.0.0.2", "127.0.0.3"].map(|at| Sink::start(at, 0, None));
    let (ours, theirs) = (Homes::of_users(), Homes::of_users());
    let machine = ours.machine(&sinks[0]);
    for (user, ..) in USERS {
        let address = format!("{user}@test.localhost");
        machine.server.add_account(&address, "secret").unwrap();
    }
    let (code, said) = feed(&mut machine.called("newaliases", &[]), "");
    assert_eq!(code, Some(0), "{said}");
    // Of an empty one nothing is said: it is as if it were not there.
    assert!(said.contains("6 .forward files are in effect."), "{said}");
    let postfix = theirs.postfix(&sinks[1]);
    let mut expected = Readers::new();
    for (user, to) in [
        ("games", "bob@far.example news"),
        ("man", "man"),
        ("lp", "lp"),
        ("news", "news"),
        ("uucp", "news uucp"),
        ("proxy", "irc lp"),
        ("www-data", "carl@far.example man news"),
        ("list", "carl@far.example lp news"),
        ("irc", "irc lp"),
    ] {
        let to = to.split(' ').map(str::to_owned);
        expected.insert(format!("for-{user}"), to.collect());
        let name = format!("{user}@test.localhost");
        let subject = format!("for-{user}");
        hand_in(&machine, "bob@far.example", &name, &subject);
        let mut command = postfix.sendmail(&["-i", "-f", "bob@far.example", &name]);
        assert_eq!(feed(&mut command, &letter(&subject)).0, Some(0));
    }
    let here = || {
        let mail = |user: &str| machine.mail(&format!("{user}@test.localhost"));
        readers(mail, &sinks[0])
    };
    let there = || {
        let mail = |user: &str| {
            let new = theirs.path("mail").join(user).join("new");
            let files = fs::read_dir(new).into_iter().flatten();
            let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
            texts.collect()
        };
        readers(mail, &sinks[1])
    };
    wait(|| (postfix.waiting().is_empty() && there() == expected).then_some(()));
    wait(|| machine.is_done().then_some(()));
    assert_eq!(here(), expected);
    // Whoever asks is told by whose file a letter went.
    let why = machine.server.command(&["why", "for-games"], "").unwrap();
    let words = "forward: by the .forward of games@test.localhost";
    assert!(why.contains(words), "{why}");
}

#[test]
fn a_program_gets_what_postfix_would_give_it() {
    let sinks = ["127.0.0.2", "127.0.0.3"].map(|at| Sink::start(at, 0, None));
    let (ours, theirs) = (Homes::new(), Homes::new());
    let text = "\"|cat > HERE/$EXTENSION.letter; env > HERE/$EXTENSION.env\"\n";
    let file = ours.write("games", 5, text);
    theirs.write("games", 5, text);
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    let open = fs::File::options().write(true).open(&file).unwrap();
    open.set_modified(then).unwrap();
    let machine = ours.machine(&sinks[0]);
    let server = &machine.server;
    server
        .add_account("games@test.localhost", "secret")
        .unwrap();
    assert_eq!(feed(&mut machine.called("newaliases", &[]), "").0, Some(0));
    // Its user runs it; it waits for that.
    let socket = format!("unix:{}", ours.path("games.lmtp").display());
    let mut command = Command::new(Server::binary());
    command.args(["programs", "--listen", &socket, "--forward"]);
    command.arg(&file).current_dir("/");
    command
        .env("HOME", "/usr/games")
        .env("SHELL", "/usr/sbin/nologin");
    let _runner = Runner::of(command, 5);
    let postfix = theirs.postfix(&sinks[1]);
    for (name, from) in [("usual", "bob@far.example"), ("nobody", "<>")] {
        let to = format!("games+{name}@test.localhost");
        hand_in(&machine, from, &to, name);
        let mut command = postfix.sendmail(&["-i", "-f", from, &to]);
        assert_eq!(feed(&mut command, &letter(name)).0, Some(0));
        let (mine, my_variables) = got(ours.0.path(), name);
        let (other, other_variables) = got(theirs.0.path(), name);
        assert_eq!(mine, other);
        for variable in [
            "HOME",
            "SHELL",
            "USER",
            "LOGNAME",
            "LOCAL",
            "DOMAIN",
            "EXTENSION",
            "SENDER",
            "RECIPIENT",
            "ORIGINAL_RECIPIENT",
        ] {
            let (mine, other) = (my_variables.get(variable), other_variables.get(variable));
            assert_eq!(mine, other, "{variable}");
            assert!(mine.is_some(), "{variable}");
        }
    }
    wait(|| machine.is_done().then_some(()));
    assert!(machine.mail("games@test.localhost").is_empty());
}

/// Ada is no user of this system: her file is the server's own user's.
#[test]
fn a_file_that_changes_is_seen_and_one_with_a_fault_keeps_letters() {
    let (homes, sink) = (Homes::new(), Sink::start("127.0.0.2", 0, None));
    let machine = homes.machine(&sink);
    let comes = |account: &str, subject: &str| {
        let line = format!("Subject: {subject}\r\n");
        wait(|| {
            let mail = machine.mail(account);
            mail.iter().any(|one| one.contains(&line)).then_some(())
        });
    };
    let logs = |words: &str| {
        wait(|| machine.server.log().contains(words).then_some(()));
    };
    // Nobody says that it is there; it is seen.
    homes.write("ada", 0, "bob@far.example\n");
    logs("a .forward has changed");
    hand_in(&machine, "x@far.example", ADA, "away");
    assert!(
        sink.takes(1)[0]["body"]
            .as_str()
            .unwrap()
            .contains("Subject: away\r\n")
    );
    // Another mailer, or a line of that very file, delivers into the mailbox.
    let mut deliver = machine.called("deliver", &["-f", "x@far.example", "ada"]);
    assert_eq!(feed(&mut deliver, &letter("delivered")).0, Some(0));
    comes(ADA, "delivered");
    // She writes in her own name all the same.
    let (mut talk, _) = Talk::open(machine.server.address("submission", Tls::Starttls)).unwrap();
    talk.smtp("EHLO client.example").unwrap();
    let plain = "AUTH PLAIN AGFkYUB0ZXN0LmxvY2FsaG9zdABzZWNyZXQ=";
    assert!(talk.smtp(plain).unwrap().starts_with("235 "));
    let text = format!("From: {ADA}\r\nSubject: own name\r\n\r\nx");
    talk.deliver(ADA, &["alan@test.localhost"], &text).unwrap();
    comes("alan@test.localhost", "own name");
    homes.write("ada", 0, "bob@far.example\nada bob\n");
    logs("`ada bob` is no name and no address");
    hand_in(&machine, "x@far.example", ADA, "kept");
    comes(ADA, "kept");
    let (code, said) = feed(&mut machine.called("newaliases", &[]), "");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("ada/.forward:2: `ada bob` is no name"),
        "{said}"
    );
    assert!(said.contains("0 .forward files are in effect."), "{said}");
    let warned = machine.server.log().matches("`ada bob` is no name").count();
    assert_eq!(warned, 1);
    wait(|| machine.is_done().then_some(()));
    assert_eq!(sink.taken().len(), 1);
}
