//! Mail that comes from programs nobody here wrote, and goes to them: Python's mailbox, Dovecot.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use interop::{Dovecot, Server, Talk, Tls, program};

const ADA: &str = "ada@test.localhost";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/transfer.py");

fn python(server: &Server, words: &[&str]) {
    let words = [&[SCRIPT], words].concat();
    let ended = program("python3", &words, server.folder(), "").unwrap();
    assert!(ended.well, "{words:?}\n{}\n{}", ended.err, server.log());
}

fn port(server: &Server) -> String {
    server.address("imap", Tls::Starttls).port().to_string()
}

fn import(server: &Server, words: &[&str]) -> String {
    let words = [&["import", "--account", ADA], words].concat();
    server.command(&words, "").unwrap()
}

fn export(server: &Server, words: &[&str]) -> String {
    let words = [&["export", "--account", ADA], words].concat();
    server.command(&words, "").unwrap()
}

/// What an import said, up to a word before it: `40 messages, …`.
fn messages(said: &str) -> u64 {
    said.split(' ').next().unwrap().parse().unwrap()
}

/// The path behind `The manifest: `.
fn manifest(said: &str) -> &str {
    said.lines()
        .find_map(|line| line.strip_prefix("The manifest: "))
        .unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_python_writes_comes_in_and_goes_out() {
    let mut server = Server::start().unwrap();
    let folder = server.folder().join("made");
    fs::create_dir(&folder).unwrap();
    python(&server, &["make", text(&folder)]);
    let (mbox, mh) = (folder.join("Letters.mbox"), folder.join("MH"));
    let maildir = folder.join("Maildir");
    let read = |path| {
        import(
            &server,
            &[
                "--variant",
                "mboxo",
                "--mailbox",
                path,
                text(&folder.join(path)),
            ],
        )
    };
    assert_eq!(messages(&read("Letters.mbox")), 40);
    assert_eq!(messages(&read("MH")), 40);
    let said = read("Maildir");
    assert_eq!(messages(&said), 80);
    let here = port(&server);
    for (form, path, name) in [
        ("mbox", &mbox, "Letters.mbox"),
        ("maildir", &maildir, "Maildir"),
        ("maildir", &maildir.join(".Below"), "Maildir/Below"),
        ("mh", &mh, "MH"),
    ] {
        python(&server, &["same", form, text(path), &here, name]);
    }
    // A second time there is nothing new.
    assert_eq!(messages(&read("Maildir")), 0);
    let said = server
        .command(&["import", "verify", manifest(&said)], "")
        .unwrap();
    assert!(said.starts_with("80 messages"), "{said}");
    let out = folder.join("out");
    export(
        &server,
        &["--format", "mbox", "--variant", "mboxo", text(&out)],
    );
    python(
        &server,
        &[
            "same",
            "mbox",
            text(&out.join("Letters.mbox.mbox")),
            &here,
            "Letters.mbox",
        ],
    );
    let tree = folder.join("tree");
    // The same where no server runs.
    assert!(server.stop());
    export(&server, &["--format", "maildir", text(&tree)]);
    server.run().unwrap();
    let here = port(&server);
    python(
        &server,
        &[
            "same",
            "maildir",
            text(&tree.join(".Maildir.Below")),
            &here,
            "Maildir/Below",
        ],
    );
}

#[test]
fn all_forms_bring_back_what_they_took() {
    let server = Server::start().unwrap();
    let folder = server.folder().join("made");
    fs::create_dir(&folder).unwrap();
    python(&server, &["make", text(&folder)]);
    import(
        &server,
        &[
            "--variant",
            "mboxrd",
            "--mailbox",
            "Start",
            text(&folder.join("Letters.mbox")),
        ],
    );
    let here = port(&server);
    let letters = |name: &str| {
        let out = folder.join(name).join("letters");
        export(&server, &["--mailbox", name, "--format", "eml", text(&out)]);
        files(&out.join(name))
    };
    let first = letters("Start");
    assert_eq!(first.len(), 40);
    for form in ["mboxrd", "mboxcl", "mboxcl2", "maildir"] {
        let out = folder.join(form);
        let (words, place) = match form {
            "maildir" => (vec!["--format", form], out.join(".Start")),
            _ => (vec!["--format", "mbox", "--variant", form], out.clone()),
        };
        export(
            &server,
            &[&words[..], &["--mailbox", "Start", text(&out)]].concat(),
        );
        let name = format!("Back by {form}");
        import(&server, &["--mailbox", &name, text(&place)]);
        python(&server, &["equal", ADA, &here, "Start", &here, &name]);
        assert_eq!(letters(&name), first, "{form}");
    }
}

/// The octets of all files in a folder, in the order of their numbers.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort_by_key(|path| {
        path.file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .parse::<u32>()
            .unwrap()
    });
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn dovecots_maildir_and_dovecot_itself_keep_their_uids() {
    let dovecot = Dovecot::start("maildir").expect("dovecot: `cargo xtask test` installs it");
    let server = Server::start().unwrap();
    let there = dovecot.address().port().to_string();
    python(&server, &["fill", &there, "INBOX", "12"]);
    python(&server, &["fill", &there, "Work", "8"]);
    let here = port(&server);
    let tree = dovecot.folder().join("mail/ada");
    let map = ["--map", "INBOX=Tree/Top", "--map", "Work=Tree/Work"];
    let said = import(
        &server,
        &[&["--keep-uids"], &map[..], &[text(&tree)]].concat(),
    );
    assert_eq!(messages(&said), 16);
    for (old, new) in [("INBOX", "Tree/Top"), ("Work", "Tree/Work")] {
        python(&server, &["equal", "ada", &there, old, &here, new, "uids"]);
    }
    let url = format!("imap://ada@127.0.0.1:{there}");
    let words = [
        "import",
        "--account",
        ADA,
        "--keep-uids",
        "--insecure",
        "--password-stdin",
        &url,
    ];
    let said = server.command(&words, "secret\n").unwrap();
    assert_eq!(messages(&said), 16);
    python(
        &server,
        &["equal", "ada", &there, "INBOX", &here, "INBOX", "uids"],
    );
    python(
        &server,
        &["equal", "ada", &there, "Work", &here, "Work", "uids"],
    );
    // What comes meanwhile is brought over by a second run.
    python(&server, &["fill", &there, "Work", "6"]);
    let said = server.command(&words, "secret\n").unwrap();
    assert_eq!(messages(&said), 6);
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login(ADA, "secret").unwrap();
    let subscribed = talk.imap("LSUB \"\" *").unwrap().join("\n");
    assert!(
        subscribed.contains("Work") && subscribed.contains("Tree/Work"),
        "{subscribed}"
    );
}

/// How many messages INBOX has.
fn count(talk: &mut Talk) -> io::Result<u64> {
    let lines = talk.imap("STATUS INBOX (MESSAGES)")?;
    let digits = |line: &String| {
        let digits = line.split("MESSAGES ").nth(1)?.split(')').next()?;
        digits.parse().ok()
    };
    Ok(lines.iter().find_map(digits).unwrap())
}

fn begin(server: &Server, path: &Path) -> Child {
    let mut command = Command::new(Server::binary());
    command.arg("--config").arg(server.config());
    command.args(["import", "--account", ADA, "--mailbox", "INBOX", text(path)]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Waits until there are more messages than before.
fn more(server: &Server, before: u64) -> u64 {
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login(ADA, "secret").unwrap();
    loop {
        let now = count(&mut talk).unwrap();
        if now > before {
            return now;
        }
    }
}

/// `kill -9` of the command, and of the server below it: none is lost, none comes twice.
#[test]
fn an_import_that_is_killed_goes_on() {
    const COUNT: u64 = 12_000;
    let mut server = Server::start().unwrap();
    let path = server.folder().join("numbers.mbox");
    python(&server, &["number", text(&path), &COUNT.to_string()]);
    let (mut before, mut killed) = (0, 0);
    for round in 0..4 {
        let mut child = begin(&server, &path);
        before = more(&server, before);
        match round % 2 {
            0 => child.kill().unwrap(),
            _ => server.kill(),
        }
        let is_through = child.wait().unwrap().success();
        if !server.is_running() {
            server.run().unwrap();
        }
        // Where the machine is slow to kill, it may be.
        if is_through || before == COUNT {
            break;
        }
        killed += 1;
    }
    assert!(killed > 0, "it was through each time");
    let said = import(&server, &["--mailbox", "INBOX", text(&path)]);
    assert!(messages(&said) < COUNT);
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login(ADA, "secret").unwrap();
    assert_eq!(count(&mut talk).unwrap(), COUNT);
    talk.imap("SELECT INBOX").unwrap();
    let lines = talk
        .imap("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
        .unwrap();
    let subjects = lines.iter().flat_map(|line| line.lines());
    let subjects = subjects.filter_map(|line| line.strip_prefix("Subject: "));
    let numbers: Vec<u64> = subjects
        .map(|subject| subject.trim().parse().unwrap())
        .collect();
    assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
    // The manifest is of all of them, whichever run brought them.
    let told = server
        .command(&["import", "verify", manifest(&said)], "")
        .unwrap();
    assert_eq!(messages(&told), COUNT);
    let text = fs::read_to_string(manifest(&said)).unwrap();
    let damaged = server.folder().join("damaged.jsonl");
    fs::write(&damaged, text.replacen("\"uid\":7,", "\"uid\":8,", 1)).unwrap();
    let refused = server
        .output(&["import", "verify", damaged.to_str().unwrap()], "")
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    // One that is gone is named.
    talk.imap("UID STORE 5 +FLAGS.SILENT (\\Deleted)").unwrap();
    talk.imap("EXPUNGE").unwrap();
    let missing = server
        .output(&["import", "verify", manifest(&said)], "")
        .unwrap();
    assert_eq!(missing.status.code(), Some(1));
    let told = String::from_utf8_lossy(&missing.stdout).into_owned();
    assert!(told.contains("INBOX;UID=5 is gone"), "{told}");
}
