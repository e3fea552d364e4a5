//! The program under the name `fetchmail`, and fetchmail's own file.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Output};

use interop::{Dovecot, Server};

use super::{count_here, count_there, dovecot, fill};

/// Runs the program by fetchmail's name.
fn fetchmail(server: &Server, words: &[&str]) -> Output {
    let link = server.folder().join("fetchmail");
    if !link.exists() {
        symlink(Server::binary(), &link).unwrap();
    }
    let mut command = Command::new(link);
    command.args(words).env("HOME", server.folder());
    command.env("CARAMEL_CONFIG", server.config());
    command.output().unwrap()
}

/// What it ends with, and what it says.
fn ended(output: &Output) -> (i32, String) {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

fn rc(dovecot: &Dovecot, door: &str, more: &str) -> String {
    let protocol = door.trim_end_matches('s');
    format!(
        "poll source via 127.0.0.1 proto {protocol} service {}\n\
         user 'ada' there with password 'secret' is ada here\n\
         ssl sslcertfile '{}' {more}\n",
        dovecot.port(door).unwrap(),
        dovecot.certificate().display(),
    )
}

#[test]
fn scripts_that_call_fetchmail_find_it() {
    let dovecot = dovecot();
    let server = Server::start().unwrap();
    fill(&server, &dovecot, "INBOX", 0, 7);
    let file = server.folder().join(".fetchmailrc");
    fs::write(&file, rc(&dovecot, "pop3s", "keep mda '/usr/bin/procmail'")).unwrap();
    let run = |words: &[&str]| ended(&fetchmail(&server, words));
    let (code, said) = run(&["-c"]);
    assert_eq!(
        (code, said.trim()),
        (0, "7 messages (7 new) for ada at 127.0.0.1")
    );
    let (code, said) = run(&["-v"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("ada@source: 7 messages fetched"), "{said}");
    assert!(said.contains("line 3: mda: "), "{said}");
    assert_eq!(run(&["-s"]), (1, String::new()));
    assert_eq!(run(&["-c", "-s"]).0, 1);
    // Once more, and taken away there; -B for some of them.
    assert_eq!(run(&["-s", "-a", "-K", "-B", "3"]), (0, String::new()));
    assert_eq!(count_there(&server, &dovecot, "INBOX"), "4");
    assert_eq!(run(&["-s", "-F", "-K"]), (1, String::new()));
    assert_eq!(count_there(&server, &dovecot, "INBOX"), "0");
    assert_eq!(count_here(&server, "INBOX"), "10");
    fs::write(
        &file,
        rc(&dovecot, "imaps", "").replace("'secret'", "'wrong'"),
    )
    .unwrap();
    let (code, said) = run(&[]);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("does not take the name or the password of ada"),
        "{said}"
    );
    assert_eq!(run(&["--wombat"]).0, 5);
    assert_eq!(
        run(&["-p", "pop3", "-P", "1", "127.0.0.1", "-u", "ada"]).0,
        2
    );
    assert!(run(&["-V"]).1.contains("ada@source: imap at 127.0.0.1:"));
}

#[test]
fn its_file_is_read_and_what_is_not_carried_is_told() {
    let dovecot = dovecot();
    let mut server = Server::start().unwrap();
    fill(&server, &dovecot, "INBOX", 0, 4);
    let file = server.folder().join("rc");
    let more = "keep no rewrite\n fetchlimit 5";
    fs::write(
        &file,
        format!("set daemon 0\nset syslog\n{}", rc(&dovecot, "imaps", more)),
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let words = ["fetch", "import-rc", path, "--domain", "test.localhost"];
    let output = server.output(&words, "").unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    for line in [
        "rc:2: set syslog: ",
        "rc:5: rewrite: ",
        "rc:4: fetchlimit: ",
        "1 sources; 3 things",
    ] {
        let found = said.contains(&line.replace("rewrite", "no rewrite"));
        assert!(found, "{line}: {said}");
    }
    let tables = String::from_utf8(output.stdout).unwrap();
    assert!(server.stop());
    let text = fs::read_to_string(server.config()).unwrap();
    fs::write(server.config(), text + &tables).unwrap();
    server.run().unwrap();
    let told = server.command(&["fetch", "run", "ada@source"], "").unwrap();
    assert!(told.starts_with("ada@source: 4 messages"), "{told}");
    assert_eq!(count_there(&server, &dovecot, "INBOX"), "4");
}
