//! Rc files of procmail of the kinds people have, as scripts: the same letters are filed by
//! Debian's procmail and by `caramel deliver`, and each has to be in the same folders afterwards.
//!
//! What is not carried is a list in the table below. The programs that these files call are none,
//! and what is weighed or searched everywhere is found in none of the letters: so procmail does
//! nothing either where the script has a comment, and the rest is compared as it is.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use super::letters::letter;
use super::machine::{Machine, feed};
use super::sink::{Sink, wait};

const LETTERS: usize = 200;

/// An rc file.
struct Rc {
    name: &'static str,
    /// Where the inbox and the folders are, below home.
    inbox: &'static str,
    base: &'static str,
    /// Folders that are there before, as directories: procmail waits a second for each letter that
    /// it puts into a file.
    there: &'static [&'static str],
    /// Lines that are not carried.
    lost: &'static [u64],
}

const MAIL: Rc = Rc {
    name: "",
    inbox: "Mail/inbox",
    base: "Mail",
    there: &[],
    lost: &[],
};

const RCS: [Rc; 20] = [
    // One with files, as they were meant.
    Rc {
        name: "01-classic",
        inbox: "Mail/mbox",
        ..MAIL
    },
    Rc {
        name: "02-maildir",
        inbox: "Maildir",
        base: "Maildir",
        ..MAIL
    },
    Rc {
        name: "03-mh",
        there: &["lists", "inbox"],
        ..MAIL
    },
    Rc {
        name: "04-several",
        there: &["people"],
        ..MAIL
    },
    Rc {
        name: "05-blocks",
        there: &["work", "team"],
        ..MAIL
    },
    Rc {
        name: "06-else",
        there: &["spam", "lists"],
        ..MAIL
    },
    Rc {
        name: "07-also",
        there: &["peter", "bulk"],
        ..MAIL
    },
    Rc {
        name: "08-both",
        ..MAIL
    },
    Rc {
        name: "09-variables",
        there: &["lists"],
        ..MAIL
    },
    Rc {
        name: "10-match",
        inbox: "Maildir",
        base: "Maildir",
        there: &["tags"],
        ..MAIL
    },
    Rc {
        name: "11-includes",
        there: &["lists", "work"],
        lost: &[6],
        ..MAIL
    },
    Rc {
        name: "12-spam",
        there: &["almost-certainly-spam", "probably-spam"],
        lost: &[6, 20, 22, 24],
        ..MAIL
    },
    Rc {
        name: "13-duplicates",
        there: &["rust", "duplicates"],
        ..MAIL
    },
    Rc {
        name: "14-daemons",
        lost: &[8],
        ..MAIL
    },
    Rc {
        name: "15-size",
        ..MAIL
    },
    Rc {
        name: "16-forward",
        lost: &[28],
        ..MAIL
    },
    Rc {
        name: "17-body",
        ..MAIL
    },
    Rc {
        name: "18-case",
        ..MAIL
    },
    Rc {
        name: "19-programs",
        there: &["pills"],
        lost: &[3, 6, 12, 16, 21, 25, 32, 36, 38],
        ..MAIL
    },
    Rc {
        name: "20-whole",
        there: &["lists", "lists/announce", "boss", "work"],
        ..MAIL
    },
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sendmail/rc")
}

/// What notes to whom a letter goes; a name without a domain it does not know.
const SENDMAIL: &str = "#!/bin/sh
shift
cat > /dev/null
for to; do case $to in *@*) echo \"$to\" >> \"$0.to\" ;; *) exit 67 ;; esac; done
";

/// Where each letter is: its number, and the names of its folders and addresses, in order.
type Filed = BTreeMap<usize, Vec<String>>;

#[test]
fn recipes_of_procmail_file_as_procmail_does() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let machine = Machine::start(&format!(
        "[relay]\nhost = \"[127.0.0.2]:{}\"\ntls = \"none\"\n[limits]\nsends_per_hour = 100000",
        sink.port
    ));
    let home = TempDir::new().unwrap();
    let homes: Vec<PathBuf> = RCS.iter().map(|rc| home_of(home.path(), rc)).collect();
    for (rc, home) in RCS.iter().zip(&homes) {
        carry(&machine, rc, home);
    }
    let theirs = by_procmail(&homes);
    deliver(&machine);
    let forwarded = theirs.iter().flat_map(BTreeMap::values).flatten();
    let forwarded = forwarded.filter(|place| place.starts_with('!')).count();
    let sent = sink.takes(forwarded);
    wait(|| machine.is_done().then_some(()));
    assert_eq!(sent.len(), forwarded);
    for (rc, theirs) in RCS.iter().zip(&theirs) {
        let ours = ours(&machine, rc, &sent);
        let places: std::collections::BTreeSet<&String> = theirs.values().flatten().collect();
        assert!(places.len() > 1, "{}: {places:?}", rc.name);
        for number in 0..LETTERS {
            let (ours, theirs) = (ours.get(&number), theirs.get(&number));
            let Some(theirs) = theirs else {
                assert_eq!(ours, None, "{} {number}", rc.name);
                continue;
            };
            let ours = ours.cloned().unwrap_or_default();
            let text = letter(number).text;
            let header = text.split("\n\n").next().unwrap();
            assert_eq!(&ours, theirs, "{} {number}:\n{header}", rc.name);
        }
    }
}

/// A home folder with the rc file and what it includes.
fn home_of(root: &Path, rc: &Rc) -> PathBuf {
    let home = root.join(rc.name).join("ada");
    fs::create_dir_all(home.join(".procmail")).unwrap();
    let name = format!("{}.rc", rc.name);
    fs::copy(folder().join(&name), home.join(".procmailrc")).unwrap();
    for file in fs::read_dir(folder().join("included")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), home.join(".procmail").join(file.file_name())).unwrap();
    }
    home
}

fn address(rc: &Rc) -> String {
    format!("{}@test.localhost", rc.name)
}

/// Makes a script of the rc file, and makes it an account's.
fn carry(machine: &Machine, rc: &Rc, home: &Path) {
    let (account, path) = (address(rc), home.join(".procmailrc"));
    machine.server.add_account(&account, "secret").unwrap();
    let script = home.join("script.sieve");
    let words = [
        "sieve",
        "from-procmail",
        path.to_str().unwrap(),
        "--json",
        "--output",
        script.to_str().unwrap(),
    ];
    let output = machine.server.output(&words, "").unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let lost = told["lost"].as_array().unwrap();
    let mut lines: Vec<u64> = lost
        .iter()
        .map(|one| one["line"].as_u64().unwrap())
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, rc.lost, "{}: {lost:#?}", rc.name);
    let code = i32::from(!rc.lost.is_empty());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{}: {said}", rc.name);
    let text = fs::read_to_string(&script).unwrap();
    for one in lost {
        let comment = format!(":{}: not carried: ", one["line"]);
        let block = one["why"].as_str().unwrap().contains("in the block");
        assert!(
            block || text.contains(&comment),
            "{}: {one}\n{text}",
            rc.name
        );
    }
    let words = [
        "sieve",
        "put",
        &account,
        script.to_str().unwrap(),
        "--activate",
    ];
    machine
        .server
        .command(&words, "")
        .unwrap_or_else(|why| panic!("{}: {why}\n{text}", rc.name));
}

/// Each letter to all accounts.
fn deliver(machine: &Machine) {
    let all: Vec<String> = RCS.iter().map(address).collect();
    for number in 0..LETTERS {
        let letter = letter(number);
        let sender = if letter.sender.is_empty() {
            "<>"
        } else {
            letter.sender
        };
        let mut words = vec!["-f", sender];
        words.extend(all.iter().map(String::as_str));
        let (code, said) = feed(&mut machine.called("deliver", &words), &letter.text);
        assert_eq!(code, Some(0), "{number}: {said}");
    }
}

/// Where the letters of an account are.
fn ours(machine: &Machine, rc: &Rc, sent: &[Value]) -> Filed {
    let folder = TempDir::new().unwrap();
    let to = folder.path().join("eml");
    let account = address(rc);
    let words = [
        "export",
        "--account",
        &account,
        "--format",
        "eml",
        to.to_str().unwrap(),
    ];
    machine.server.command(&words, "").unwrap();
    let mut filed = Filed::new();
    for path in files(&to) {
        let mailbox = path.parent().unwrap().strip_prefix(&to).unwrap();
        note(&mut filed, &path, &mailbox.display().to_string());
    }
    // Who was written to says of which file it is: no two send to the same address.
    for letter in sent {
        let body = letter["body"].as_str().unwrap();
        for to in letter["to"].as_array().unwrap() {
            let to = to.as_str().unwrap().trim_matches(['<', '>']);
            if rc.name == "16-forward" {
                let number = numbers(body)[0];
                filed.entry(number).or_default().push(format!("!{to}"));
            }
        }
    }
    filed.values_mut().for_each(|places| places.sort());
    filed
}

/// Runs procmail for each file and letter, each time in a home of its own.
fn by_procmail(homes: &[PathBuf]) -> Vec<Filed> {
    let jobs: Vec<(usize, usize)> = (0..LETTERS)
        .flat_map(|number| (0..RCS.len()).map(move |rc| (rc, number)))
        .collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(&(at, number)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((at, procmail(&RCS[at], &homes[at], number)));
        }
        done
    };
    let mut all: Vec<Filed> = RCS.iter().map(|_| Filed::new()).collect();
    // It sleeps most of the time.
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..48).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            for (at, filed) in thread.join().unwrap() {
                all[at].extend(filed);
            }
        }
    });
    all
}

fn procmail(rc: &Rc, source: &Path, number: usize) -> Filed {
    let home = TempDir::new().unwrap();
    let at = |part: &str| home.path().join(part);
    fs::create_dir_all(at(rc.base)).unwrap();
    for there in rc.there {
        fs::create_dir_all(at(rc.base).join(there)).unwrap();
    }
    fs::create_dir_all(at(".procmail")).unwrap();
    for file in fs::read_dir(source.join(".procmail")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), at(".procmail").join(file.file_name())).unwrap();
    }
    // Its settings win over those that are given; the one for programs that send does not.
    let text = fs::read_to_string(source.join(".procmailrc")).unwrap();
    let sendmail = at("sendmail");
    fs::write(&sendmail, SENDMAIL).unwrap();
    fs::set_permissions(&sendmail, fs::Permissions::from_mode(0o755)).unwrap();
    let text = text.replace("/usr/sbin/sendmail", sendmail.to_str().unwrap());
    fs::write(at("rc"), text).unwrap();
    let letter = letter(number);
    let sender = if letter.sender.is_empty() {
        "MAILER-DAEMON"
    } else {
        letter.sender
    };
    let input = format!("From {sender} Fri Nov 27 12:00:00 2026\n{}", letter.text);
    let mut command = Command::new("procmail");
    command.arg("-p");
    for (name, value) in [
        ("HOME", home.path().to_owned()),
        ("LOGNAME", "ada".into()),
        ("ORGMAIL", at("orgmail")),
        ("DEFAULT", at("orgmail")),
        ("LOGFILE", at("log")),
    ] {
        command.arg(format!("{name}={}", value.display()));
    }
    let command = command.arg(at("rc")).current_dir(home.path());
    run_to_the_end(command, &input);
    let mut filed = Filed::new();
    for path in files(home.path()) {
        if let Some(mailbox) = mailbox(rc, path.strip_prefix(home.path()).unwrap()) {
            note(&mut filed, &path, &mailbox);
        }
    }
    let to = fs::read_to_string(at("sendmail.to")).unwrap_or_default();
    for to in to.lines().filter(|to| to.contains('@')) {
        filed.entry(number).or_default().push(format!("!{to}"));
    }
    filed.values_mut().for_each(|places| places.sort());
    filed
}

/// Runs procmail, and waits for all that came from it: copies and programs outlive it.
fn run_to_the_end(command: &mut Command, input: &str) {
    let piped = command.stdin(Stdio::piped()).process_group(0);
    let mut child = piped
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let group = format!("-{}", child.id());
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(input.as_bytes()).unwrap();
    drop(pipe);
    assert!(child.wait().unwrap().success(), "{command:?}");
    wait(|| {
        let mut there = Command::new("kill");
        there.args(["-0", "--", &group]).stderr(Stdio::null());
        (!there.status().unwrap().success()).then_some(())
    });
}

/// The mailbox that a file of procmail's is in; none where it is no mail.
fn mailbox(rc: &Rc, path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let parent = path.parent()?;
    let is_maildir = parent.ends_with("new");
    let is_message = name.starts_with("msg.") || name.bytes().all(|octet| octet.is_ascii_digit());
    let folder = match (is_maildir, is_message) {
        (true, _) => parent.parent()?,
        (false, true) => parent,
        (false, false) => path,
    };
    if folder == Path::new(rc.inbox) {
        return Some("INBOX".to_owned());
    }
    let folder = folder.strip_prefix(rc.base).ok()?.to_str()?;
    Some(match folder.strip_prefix('.') {
        Some(levels) if is_maildir => levels.replace('.', "/"),
        _ => folder.to_owned(),
    })
}

/// Notes each letter of a file.
fn note(filed: &mut Filed, path: &Path, mailbox: &str) {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    for number in numbers(&text) {
        filed.entry(number).or_default().push(mailbox.to_owned());
    }
}

fn numbers(text: &str) -> Vec<usize> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("X-Number: "));
    lines.map(|number| number.trim().parse().unwrap()).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            match entry.unwrap().path() {
                path if path.is_dir() => ahead.push(path),
                path => found.push(path),
            }
        }
    }
    found
}
