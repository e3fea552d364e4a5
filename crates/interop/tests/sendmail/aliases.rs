//! `/etc/aliases` and `newaliases`: where the file's names lead, and what is said of lines that are
//! not right.

use std::fs;

use interop::{Talk, Tls};
use tempfile::TempDir;

use super::machine::{Machine, feed};
use super::sink::{Sink, wait};

const ADA: &str = "ada@test.localhost";
const ALAN: &str = "alan@test.localhost";

/// A machine whose mail for elsewhere goes to this host, and whose aliases are in this folder.
fn machine(folder: &TempDir, sink: &Sink, text: &str) -> Machine {
    let path = folder.path().join("aliases");
    fs::write(&path, text).unwrap();
    let more = format!(
        "[relay]\nhost = \"[127.0.0.1]:{}\"\ntls = \"none\"\n[local]\naliases = \"{}\"\n",
        sink.port,
        path.display()
    );
    Machine::start(&more)
}

fn hand_in(machine: &Machine, to: &str) {
    let text = format!("To: {to}\nSubject: for {to}\n\nhello\n");
    let mut command = machine.called("sendmail", &[to]);
    assert_eq!(feed(&mut command, &text).0, Some(0));
}

fn gets(machine: &Machine, account: &str, subject: &str) {
    let subject = format!("Subject: {subject}\r\n");
    wait(|| {
        let mail = machine.mail(account);
        mail.iter().any(|one| one.contains(&subject)).then_some(())
    });
}

#[test]
fn names_of_the_file_lead_to_people_lists_and_other_hosts() {
    let (folder, sink) = (TempDir::new().unwrap(), Sink::start("127.0.0.1", 0, None));
    let list = folder.path().join("list");
    fs::write(&list, format!("# all\n{ADA},\nalan\nbob@far.example\n")).unwrap();
    let text = format!(
        "# Basic system aliases\nmailer-daemon: postmaster\npostmaster: root\nroot:\tada,\n  \
         alan\n\"web master\": alan\naway: bob@far.example\nlist: :include:{}\n",
        list.display()
    );
    let machine = machine(&folder, &sink, &text);
    hand_in(&machine, "root");
    gets(&machine, ADA, "for root");
    gets(&machine, ALAN, "for root");
    hand_in(&machine, "list@test.localhost");
    gets(&machine, ADA, "for list@test.localhost");
    let taken = sink.takes(1);
    assert_eq!(taken[0]["to"], serde_json::json!(["<bob@far.example>"]));
    // The same from outside, with a detail behind the name.
    let (mut talk, _) = Talk::open(machine.server.address("smtp", Tls::Starttls)).unwrap();
    talk.smtp("EHLO far.example").unwrap();
    let to = ["Root+cron@test.localhost", "away@test.localhost"];
    talk.deliver("x@far.example", &to, "Subject: from outside\r\n\r\nx")
        .unwrap();
    gets(&machine, ALAN, "from outside");
    assert_eq!(
        sink.takes(2)[1]["to"],
        serde_json::json!(["<bob@far.example>"])
    );
    let listed = machine.server.command(&["alias", "list"], "").unwrap();
    assert!(listed.contains("root -> ada, alan"), "{listed}");
}

#[test]
fn newaliases_checks_the_file_and_has_it_read_anew() {
    let (folder, sink) = (TempDir::new().unwrap(), Sink::start("127.0.0.1", 0, None));
    let machine = machine(&folder, &sink, "root: ada\n");
    let path = folder.path().join("aliases");
    let newaliases = || feed(&mut machine.called("newaliases", &[]), "");
    hand_in(&machine, "root");
    gets(&machine, ADA, "for root");
    fs::write(&path, "root: alan\ncron: root\n").unwrap();
    let (code, said) = newaliases();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.trim().ends_with("2 aliases are in effect."), "{said}");
    hand_in(&machine, "cron");
    gets(&machine, ALAN, "for cron");
    fs::write(
        &path,
        "root: ada\nvacation: \"|/usr/bin/vacation ada\"\nsaved: /var/mail/saved\nno colon\n\
         twice: ada\nTwice: ada\ngone: :include:/nowhere/list\n",
    )
    .unwrap();
    let (code, said) = newaliases();
    assert_eq!(code, Some(65), "{said}");
    let shown = path.display();
    for line in [
        format!("{shown}:2: `|/usr/bin/vacation ada`: no program is run for a letter"),
        format!("{shown}:3: `/var/mail/saved`: mail is not written into files"),
        format!("{shown}:4: no colon: write `name: target`"),
        format!("{shown}:6: Twice is in line 5 already"),
        format!("{shown}:7: :include:/nowhere/list: it cannot be read"),
        "next: mend it, then: newaliases".to_owned(),
    ] {
        assert!(said.contains(&line), "{line}: {said}");
    }
    // What was read before stays.
    let verify = |name: &str| feed(&mut machine.called("sendmail", &["-bv", name]), "");
    assert_eq!(verify("cron").0, Some(0));
    assert_ne!(verify("twice").0, Some(0));
    // A circle is found when somebody writes to it.
    fs::write(&path, "round: about\nabout: round\n").unwrap();
    assert_eq!(newaliases().0, Some(0));
    let (code, said) = verify("round");
    assert_ne!(code, Some(0));
    assert!(said.contains("lead in a circle"), "{said}");
}
