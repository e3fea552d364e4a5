//! What other mailers deliver to people here: Postfix, fetchmail, and whatever calls procmail.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use interop::{Postfix, Server, Talk, Tls};

use super::machine::{Machine, feed};
use super::sink::{Sink, wait};

const ADA: &str = "ada@test.localhost";
const LETTER: &str = "From bob@b.example Fri Nov 27 12:00:00 2026\nFrom: bob@b.example\n\
    To: ada\nSubject: tea\n\nhello\n.\nto the end\n";

/// Ada files tea by a script.
fn with_script(machine: &Machine) {
    let script = "require [\"fileinto\", \"mailbox\"];\r\n\
        if header :contains \"subject\" \"tea\" { fileinto :create \"Tea\"; }\r\n";
    let words = ["sieve", "put", ADA, "-", "--name", "rules", "--activate"];
    machine.server.command(&words, script).unwrap();
}

#[test]
fn the_exit_code_says_what_became_of_it() {
    let mut machine = Machine::start("[limits]\naccount_messages = 2");
    let deliver = |machine: &Machine, name: &str, words: &[&str]| {
        let mut command = machine.called(name, words);
        feed(command.env("LOGNAME", "ada").env_remove("SENDER"), LETTER)
    };
    for running in [true, false] {
        for (name, words, expected) in [
            ("deliver", &["nobody-here"][..], 67),
            ("deliver", &["x@a.example"], 77),
            (
                "deliver",
                &["-f", "bob@b.example", "alan"],
                if running { 0 } else { 75 },
            ),
            (
                "procmail",
                &["-a", "lists", "-d", "alan"],
                if running { 0 } else { 75 },
            ),
            ("maildrop", &["-w", "90", "-d", "alan"], 75),
            ("deliver", &["-Q"], 64),
            ("procmail", &["-m", "rc"], 64),
        ] {
            let (code, said) = deliver(&machine, name, words);
            assert_eq!(code, Some(expected), "{name} {words:?} {running}: {said}");
        }
        let mail = machine.mail("alan@test.localhost");
        assert_eq!(mail.len(), 2);
        let from = "Return-Path: <bob@b.example>\r\n";
        assert!(mail.iter().all(|one| one.starts_with(from)), "{mail:?}");
        let end = "hello\r\n.\r\nto the end\r\n";
        assert!(mail.iter().all(|one| one.ends_with(end)), "{mail:?}");
        assert!(
            mail.iter()
                .all(|one| !one.contains("From bob@b.example Fri")),
            "{mail:?}"
        );
        if running {
            assert!(machine.server.stop());
        }
    }
    // To whom the environment says, in this process.
    let (code, said) = deliver(&machine, "deliver", &[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(machine.mail(ADA).len(), 1);
}

#[test]
fn what_can_be_delivered_nowhere_waits_for_the_server() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let mut machine = Machine::start(&format!(
        "[relay]\nhost = \"[127.0.0.2]:{}\"\ntls = \"none\"",
        sink.port
    ));
    assert!(machine.server.stop());
    // Whoever may not open the store.
    let mut command = machine.called("deliver", &["ada", "nobody-here"]);
    let (code, said) = feed(command.uid(65_534).gid(65_534), LETTER);
    assert_eq!((code, machine.spooled()), (Some(0), 1), "{said}");
    machine.server.run().unwrap();
    let mail = wait(|| Some(machine.mail(ADA)).filter(|mail| !mail.is_empty()));
    let [one] = mail.as_slice() else {
        panic!("{mail:?}")
    };
    assert!(one.starts_with("Return-Path: <bob@b.example>\r\n"), "{one}");
    assert!(
        one.contains("\r\nFrom: bob@b.example\r\nTo: ada\r\n"),
        "{one}"
    );
    // The report about the other leaves for its sender.
    let report = sink.takes(1).remove(0);
    assert_eq!(report["to"], serde_json::json!(["<bob@b.example>"]));
    let body = report["body"].as_str().unwrap();
    assert!(
        body.contains("rfc822;nobody-here@test.localhost\r\nAction: failed"),
        "{body}"
    );
}

#[test]
fn postfix_delivers_by_it_and_scripts_are_run() {
    let machine = Machine::start("");
    with_script(&machine);
    let folder = tempfile::TempDir::new().unwrap();
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    assert!(
        passwd.contains("\ngames:"),
        "Debian has a user of this name"
    );
    machine
        .server
        .command(&["alias", "add", "games@test.localhost", ADA], "")
        .unwrap();
    let command = format!(
        "CARAMEL_CONFIG={} {} -f \"$SENDER\"",
        machine.config().display(),
        machine.program("deliver").display()
    );
    let wrapper = folder.path().join("deliver.sh");
    fs::write(&wrapper, format!("#!/bin/sh\n{command}\n")).unwrap();
    let postfix = Postfix::start(&format!(
        "mydestination = far.example\nlocal_recipient_maps =\n\
         mailbox_command = /bin/sh {}\nnotify_classes =\nrelayhost = [127.0.0.1]:9",
        wrapper.display()
    ))
    .unwrap();
    let open = |path: &Path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    open(folder.path());
    open(&wrapper);
    let mut command = postfix.sendmail(&["-f", "bob@b.example", "games@far.example"]);
    let (code, said) = feed(
        &mut command,
        "From: bob@b.example\nSubject: tea\n\nat five\n",
    );
    assert_eq!(code, Some(0), "{said}");
    let mail = wait(|| {
        let log = postfix.log();
        assert!(
            !log.contains("status=bounced") && !log.contains("status=deferred"),
            "{log}"
        );
        Some(machine.mail_in(ADA, "Tea")).filter(|mail| !mail.is_empty())
    });
    assert!(
        mail[0].starts_with("Return-Path: <bob@b.example>\r\n"),
        "{mail:?}"
    );
    // What it cannot deliver, Postfix reports: here to who looks after its own host.
    let mut command = postfix.sendmail(&["-f", "games@far.example", "man@far.example"]);
    assert_eq!(feed(&mut command, "Subject: nobody\n\nhello\n").0, Some(0));
    wait(|| {
        let log = postfix.log();
        let bounced = log.contains("to=<man@far.example>") && log.contains("status=bounced");
        bounced.then_some(())
    });
    let log = postfix.log();
    assert!(
        log.contains("dsn=5.1.1, status=bounced (user unknown"),
        "{log}"
    );
}

/// A user's own `.forward` has the command as documented. Where Postfix looks for that file is said
/// by its own setting: no home folder on this machine is written to.
#[test]
fn a_forward_file_delivers_by_it() {
    let machine = Machine::start("");
    with_script(&machine);
    let alias = ["alias", "add", "games@test.localhost", ADA];
    machine.server.command(&alias, "").unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let open = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let forward = folder.path().join("games.forward");
    let line = format!(
        "\"|{} -C {}\"\n",
        machine.program("deliver").display(),
        machine.config().display()
    );
    fs::write(&forward, line).unwrap();
    open(folder.path(), 0o755);
    open(&forward, 0o644);
    // It has to belong to the user it is for, or is not read.
    let id = |word: &str| {
        let output = std::process::Command::new("id")
            .args([word, "games"])
            .output();
        String::from_utf8(output.unwrap().stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    };
    std::os::unix::fs::chown(&forward, Some(id("-u")), Some(id("-g"))).unwrap();
    let postfix = Postfix::start(&format!(
        "mydestination = far.example\nlocal_recipient_maps =\nnotify_classes =\n\
         forward_path = {}/$user.forward\nrecipient_delimiter = +\nrelayhost = [127.0.0.1]:9",
        folder.path().display()
    ))
    .unwrap();
    for (to, subject) in [("games", "tea"), ("games+lists", "other")] {
        let to = format!("{to}@far.example");
        let mut command = postfix.sendmail(&["-f", "bob@b.example", &to]);
        let letter = format!("From: bob@b.example\nSubject: {subject}\n\nat five\n");
        let (code, said) = feed(&mut command, &letter);
        assert_eq!(code, Some(0), "{said}");
    }
    let arrived = |mailbox: &str| {
        wait(|| {
            let log = postfix.log();
            assert!(
                !log.contains("status=bounced") && !log.contains("status=deferred"),
                "{log}"
            );
            Some(machine.mail_in(ADA, mailbox)).filter(|mail| !mail.is_empty())
        })
    };
    // Filed by the reader's script, and from who has sent it.
    for mailbox in ["Tea", "INBOX"] {
        let mail = arrived(mailbox);
        assert_eq!(mail.len(), 1, "{mailbox}: {mail:?}");
        assert!(
            mail[0].starts_with("Return-Path: <bob@b.example>\r\n"),
            "{mail:?}"
        );
    }
}

#[test]
fn fetchmail_delivers_by_it() {
    let source = Server::start().unwrap();
    let mut smtp = Talk::open(source.address("smtp", Tls::Starttls)).unwrap().0;
    for line in [
        "EHLO b.example",
        "MAIL FROM:<bob@b.example>",
        "RCPT TO:<alan@test.localhost>",
        "DATA",
        "Subject: tea\r\n\r\nat five\r\n.",
    ] {
        let reply = smtp.smtp(line).unwrap();
        assert!(
            reply.starts_with('2') || reply.starts_with('3'),
            "{line}: {reply}"
        );
    }
    let machine = Machine::start("");
    with_script(&machine);
    let rc = format!(
        "poll 127.0.0.1 protocol imap port {}\n user \"alan@test.localhost\" password secret ssl \
         sslcertck sslcertfile {} sslcommonname mail.test.localhost is ada here\n fetchall no keep \
         no rewrite mda \"{} --  %T\"\n",
        source.address("imap", Tls::Implicit).port(),
        source.authority().unwrap(),
        machine.program("deliver").display(),
    );
    let path = source.folder().join("rc");
    fs::write(&path, rc).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = std::process::Command::new("fetchmail");
    let command = command.args(["--nosyslog", "-f", "rc", "--pidfile", "pid"]);
    let command = command
        .env("CARAMEL_CONFIG", machine.config())
        .env("HOME", source.folder());
    let (code, said) = feed(command.current_dir(source.folder()), "");
    assert_eq!(code, Some(0), "{said}");
    let mail = machine.mail_in(ADA, "Tea");
    assert_eq!(mail.len(), 1, "{said}");
    assert!(
        mail[0].starts_with("Return-Path: <bob@b.example>\r\n"),
        "{mail:?}"
    );
}
