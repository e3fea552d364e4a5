//! What becomes of letters that are handed in: while the server runs, while it does not, and while
//! it is killed.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use super::machine::{Machine, feed};
use super::sink::{Sink, wait};

const ADA: &str = "ada@test.localhost";
/// Debian's user `nobody`.
const NOBODY: u32 = 65_534;

fn letter(subject: &str) -> String {
    format!("To: ada\nSubject: {subject}\n\nhello\n")
}

/// Waits for so many messages of an account.
fn has(machine: &Machine, account: &str, count: usize) -> Vec<String> {
    wait(|| Some(machine.mail(account)).filter(|mail| mail.len() >= count))
}

#[test]
fn what_is_handed_in_without_a_server_is_delivered_once_after_its_start() {
    let mut machine = Machine::start("");
    assert!(machine.server.stop());
    for number in 0..3 {
        let mut command = machine.called("sendmail", &["-t"]);
        assert_eq!(feed(&mut command, &letter(&number.to_string())).0, Some(0));
    }
    assert_eq!(machine.spooled(), 3);
    machine.server.run().unwrap();
    let mail = has(&machine, ADA, 3);
    wait(|| (machine.spooled() == 0).then_some(()));
    assert!(machine.server.stop());
    machine.server.run().unwrap();
    assert_eq!(machine.mail(ADA).len(), 3);
    for number in 0..3 {
        let subject = format!("Subject: {number}\r\n");
        assert!(mail.iter().any(|one| one.contains(&subject)), "{mail:?}");
    }
    let one = &mail[0];
    let by = "\r\nReceived: by mail.test.localhost (Caramel, from user root)\r\n\tid ";
    assert!(one.contains(by), "{one}");
    assert!(one.contains("\r\nTo: ada@test.localhost\r\n"), "{one}");
    assert!(one.contains("<root@test.localhost>\r\n"), "{one}");
    assert!(
        one.contains("\r\nMessage-ID: <") && one.contains("\r\nDate: "),
        "{one}"
    );
}

/// How often the process is killed; more for a release: `CARAMEL_CRASHES`.
fn rounds() -> usize {
    let wanted = std::env::var("CARAMEL_CRASHES").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(6)
}

#[test]
fn a_server_that_is_killed_picks_each_up_once() {
    let mut machine = Machine::start("");
    let mut handed_in = 0;
    for round in 0..rounds() {
        machine.server.kill();
        for _ in 0..8 {
            let mut command = machine.called("sendmail", &["-t"]);
            let text = letter(&format!("number {handed_in} of all"));
            assert_eq!(feed(&mut command, &text).0, Some(0));
            handed_in += 1;
        }
        machine.server.run().unwrap();
        // In the middle: letters are accepted one by one, and their files go at the end.
        wait(|| {
            let log = machine.server.log();
            (log.matches("picked up").count() > round % 8).then_some(())
        });
    }
    machine.server.kill();
    machine.server.run().unwrap();
    wait(|| (machine.spooled() == 0).then_some(()));
    let mail = machine.mail(ADA);
    for number in 0..handed_in {
        let subject = format!("Subject: number {number} of all\r\n");
        let count = mail.iter().filter(|one| one.contains(&subject)).count();
        assert_eq!(count, 1, "number {number}");
    }
    assert_eq!(mail.len(), handed_in);
}

#[test]
fn people_write_in_their_own_name_and_trusted_ones_in_any() {
    let machine = Machine::start("");
    machine
        .server
        .command(
            &[
                "account",
                "add",
                "nobody@test.localhost",
                "--password-stdin",
            ],
            "secret",
        )
        .unwrap();
    let as_nobody = |words: &[&str], text: &str| {
        let mut command = machine.called("sendmail", words);
        feed(command.uid(NOBODY).gid(NOBODY), text)
    };
    let (code, said) = as_nobody(&["-t"], &letter("mine"));
    assert_eq!(code, Some(0), "{said}");
    let mine = has(&machine, ADA, 1).remove(0);
    assert!(
        mine.starts_with("Return-Path: <nobody@test.localhost>\r\n"),
        "{mine}"
    );
    assert!(mine.contains("(Caramel, from user nobody)"), "{mine}");
    // In another's name, in the header or in the envelope, it comes back.
    let text = format!("From: alan@test.localhost\n{}", letter("not mine"));
    assert_eq!(as_nobody(&["-t"], &text).0, Some(0));
    assert_eq!(
        as_nobody(&["-t", "-f", "alan"], &letter("nor this")).0,
        Some(0)
    );
    let back = has(&machine, "nobody@test.localhost", 2);
    for (subject, report) in ["not mine", "nor this"].iter().zip(&back) {
        assert!(report.contains("Action: failed\r\n"), "{report}");
        assert!(report.contains("Status: 5.7.1\r\n"), "{report}");
        assert!(
            back.iter()
                .any(|one| one.contains(&format!("Subject: {subject}\r\n")))
        );
    }
    // Nobody sees what there is, or takes it away.
    let mut list = std::process::Command::new("ls");
    let spool = machine.config().with_file_name("spool/drop");
    let (code, _) = feed(list.arg(&spool).uid(NOBODY).gid(NOBODY), "");
    assert_ne!(code, Some(0));
    let text = format!("From: alan@test.localhost\n{}", letter("of root"));
    let mut command = machine.called("sendmail", &["-t", "-f", "alan"]);
    assert_eq!(feed(&mut command, &text).0, Some(0));
    let mail = has(&machine, ADA, 2);
    assert_eq!(mail.len(), 2);
    assert!(
        mail.iter()
            .any(|one| one.starts_with("Return-Path: <alan@test.localhost>"))
    );
}

#[test]
fn what_cannot_be_delivered_comes_back() {
    let machine = Machine::start("[relay]\nmode = \"refuse\"");
    let words = [
        "-f",
        ADA,
        "alan",
        "nobody-here",
        "x@a.example",
        "no address@@",
    ];
    let (code, said) = feed(&mut machine.called("sendmail", &words), &letter("to four"));
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(has(&machine, "alan@test.localhost", 1).len(), 1);
    let report = has(&machine, ADA, 1).remove(0);
    for told in [
        "Final-Recipient: rfc822;nobody-here@test.localhost\r\nAction: failed\r\nStatus: 5.1.1",
        "Final-Recipient: rfc822;x@a.example\r\nAction: failed\r\nStatus: 5.7.1",
        "Status: 5.1.3",
        "Subject: to four\r\n",
    ] {
        assert!(report.contains(told), "{told}\n{report}");
    }
    // To whom mail for root goes where nobody is root: who looks after this host.
    assert_eq!(
        feed(&mut machine.called("sendmail", &["root"]), &letter("care")).0,
        Some(0)
    );
    has(&machine, ADA, 2);
}

#[test]
fn what_is_no_letter_is_put_aside() {
    let machine = Machine::start("");
    let spool = machine.config().with_file_name("spool");
    let name = |digit: &str| spool.join("drop").join(format!("m{}", digit.repeat(32)));
    fs::write(name("1"), "no envelope").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", name("2")).unwrap();
    assert_eq!(
        feed(&mut machine.called("sendmail", &["ada"]), &letter("good")).0,
        Some(0)
    );
    has(&machine, ADA, 1);
    wait(|| (machine.spooled() == 0).then_some(()));
    assert_eq!(fs::read_dir(spool.join("unfit")).unwrap().count(), 2);
}

#[test]
fn smtp_is_spoken_on_standard_input() {
    let machine = Machine::start("");
    let mut child = machine
        .called("sendmail", &["-bs"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut hear = |code: &str| {
        let mut line = String::new();
        loop {
            line.clear();
            said.read_line(&mut line).unwrap();
            assert!(line.starts_with(code), "{line}");
            if line.as_bytes()[3] == b' ' {
                return;
            }
        }
    };
    hear("220");
    for (command, code) in [
        ("EHLO localhost\r\n", "250"),
        ("MAIL FROM:<alan@test.localhost>\r\n", "250"),
        ("RCPT TO:<ada@test.localhost>\r\n", "250"),
        ("DATA\r\n", "354"),
        ("Subject: by SMTP\r\n\r\n..\r\n.\r\n", "250"),
        ("QUIT\r\n", "221"),
    ] {
        input.write_all(command.as_bytes()).unwrap();
        hear(code);
    }
    assert!(child.wait().unwrap().success());
    let one = has(&machine, ADA, 1).remove(0);
    assert!(one.contains("Subject: by SMTP\r\n\r\n.\r\n"), "{one}");
    assert!(
        one.starts_with("Return-Path: <alan@test.localhost>"),
        "{one}"
    );
}

#[test]
fn the_queue_is_told_as_scripts_know_it() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let machine = Machine::start(&format!(
        "[relay]\nhost = \"[127.0.0.2]:{}\"\ntls = \"none\"",
        sink.port
    ));
    let mailq = |words: &[&str]| feed(&mut machine.called("mailq", words), "");
    assert_eq!(mailq(&[]), (Some(0), "Mail queue is empty\n".to_owned()));
    sink.switch("busy", true);
    assert_eq!(
        feed(
            &mut machine.called("sendmail", &["-f", ADA, "x@a.example"]),
            &letter("q")
        )
        .0,
        Some(0)
    );
    let told = wait(|| Some(mailq(&[]).1).filter(|told| told.contains("Busy")));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines[0],
        "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------"
    );
    assert!(lines[1].ends_with("  ada@test.localhost"), "{told}");
    assert_eq!(lines[1].find("ada@"), Some(41), "{told}");
    assert!(
        lines[2].starts_with('(') && lines[2].ends_with(')'),
        "{told}"
    );
    assert_eq!(lines[3].trim(), "x@a.example");
    assert!(told.ends_with("-- 1 Kbytes in 1 Request.\n"), "{told}");
    assert!(mailq(&["--json"]).1.contains("\"recipients\":["));
    // The letter waits for a while, unless it is asked to go.
    sink.switch("busy", false);
    let (code, said) = feed(&mut machine.called("sendmail", &["-q"]), "");
    assert_eq!(code, Some(0), "{said}");
    sink.takes(1);
    wait(|| machine.is_done().then_some(()));
    let (code, said) = feed(&mut machine.called("newaliases", &[]), "");
    assert_eq!(
        (code, said.starts_with("0 aliases")),
        (Some(0), true),
        "{said}"
    );
}

#[test]
fn recipients_are_verified() {
    let machine = Machine::start("");
    let verify = |words: &[&str]| feed(&mut machine.called("sendmail", words), "");
    let (code, said) = verify(&["-bv", "ada", "x@a.example"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("ada... deliverable: "), "{said}");
    assert!(
        said.contains("x@a.example... deliverable: goes to another host"),
        "{said}"
    );
    let (code, said) = verify(&["-bv", "nobody-here"]);
    assert_eq!(code, Some(67), "{said}");
    assert!(said.contains("nobody-here... "), "{said}");
}

#[test]
fn a_spool_that_is_not_there_is_told() {
    let folder = tempfile::TempDir::new().unwrap();
    let config = folder.path().join("caramel.toml");
    let mut command = std::process::Command::new(interop::Server::binary());
    let words = ["--config", config.to_str().unwrap(), "sendmail", "ada"];
    let (code, said) = feed(command.args(words), "\nhello\n");
    assert_eq!(code, Some(78), "{said}");
    // Where nobody has made it, its owner does.
    let data = folder.path().join("data");
    fs::write(&config, format!("data = \"{}\"\n", data.display())).unwrap();
    let mut command = std::process::Command::new(interop::Server::binary());
    let (code, said) = feed(command.args(words), "\nhello\n");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fs::read_dir(data.join("spool/drop")).unwrap().count(), 1);
    // Or root in that one's name.
    fs::remove_dir_all(data.join("spool")).unwrap();
    std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut command = std::process::Command::new(interop::Server::binary());
    let (code, said) = feed(command.args(words), "\nhello\n");
    assert_eq!(code, Some(0), "{said}");
    let made = fs::metadata(data.join("spool/drop")).unwrap();
    assert_eq!(
        (made.uid(), made.gid(), made.mode() & 0o7777),
        (NOBODY, NOBODY, 0o3733)
    );
}
