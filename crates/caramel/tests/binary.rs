//! The binary as people meet it: commands, a letter's way, a restart.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test")]

#[path = "house/running.rs"]
mod running;

use running::{House, Talk};

const LETTER: &str = "From: alan@elsewhere.example\r\nTo: ada@test.localhost\r\nSubject: Tea\r\n\
                      \r\nFour o'clock?\r\n..stuffed\r\n.";

fn send(house: &House) {
    let mut smtp = house.call("smtp");
    assert!(smtp.say("EHLO there.example", &["250 "]).contains("250"));
    for line in [
        "MAIL FROM:<alan@elsewhere.example>",
        "RCPT TO:<ada@test.localhost>",
    ] {
        assert!(
            smtp.say(line, &["2", "4", "5"]).starts_with("250"),
            "{line}"
        );
    }
    assert!(smtp.say("DATA", &["3", "4", "5"]).starts_with("354"));
    let said = smtp.say(LETTER, &["2", "4", "5"]);
    assert!(said.starts_with("250"), "{said}");
    assert!(smtp.say("QUIT", &["221"]).starts_with("221"));
}

fn log_in(pop3: &mut Talk, password: &str) -> String {
    assert!(
        pop3.say("USER ada@test.localhost", &["+OK", "-ERR"])
            .starts_with("+OK")
    );
    pop3.say(&format!("PASS {password}"), &["+OK", "-ERR"])
}

#[test]
fn a_letter_is_delivered_read_and_survives_a_restart() {
    let mut house = House::new();
    house.start();
    send(&house);
    let mut pop3 = house.call("pop3");
    assert!(log_in(&mut pop3, "secret word").starts_with("+OK 1 messages"));
    let octets = pop3.say("LIST 1", &["+OK", "-ERR"]);
    let first = pop3.say("RETR 1", &["+OK", "-ERR"]);
    assert_eq!(
        octets.split_whitespace().nth(2),
        first.split_whitespace().nth(1),
        "{octets}{first}"
    );
    let mut letter = String::new();
    loop {
        let line = pop3.line();
        if line == "." {
            break;
        }
        letter.push_str(&line);
        letter.push('\n');
    }
    assert!(
        letter.contains("Received: ") && letter.contains("\nSubject: Tea\n"),
        "{letter}"
    );
    assert!(
        letter.ends_with("\n\nFour o'clock?\n..stuffed\n"),
        "{letter}"
    );
    assert!(pop3.say("QUIT", &["+OK"]).starts_with("+OK"));

    let (_, well) = house.stop();
    assert!(well, "SIGTERM is a good end");
    assert!(!house.folder.path().join("data/listeners.json").exists());
    house.start();
    let mut imap = house.call("imap");
    let said = imap.say("a LOGIN ada@test.localhost \"secret word\"", &["a "]);
    assert!(said.contains("a OK"), "{said}");
    assert!(imap.say("b SELECT INBOX", &["b "]).contains("* 1 EXISTS"));
    let said = imap.say("c FETCH 1 BODY[TEXT]", &["c "]);
    assert!(
        said.contains("Four o'clock?") && said.contains("c OK"),
        "{said}"
    );
    send(&house);
    let mut pop3 = house.call("pop3");
    assert!(log_in(&mut pop3, "secret word").starts_with("+OK 2 messages"));
    assert!(pop3.say("DELE 1", &["+OK", "-ERR"]).starts_with("+OK"));
    // Another connection finds the maildrop taken.
    let mut late = house.call("pop3");
    assert!(log_in(&mut late, "secret word").starts_with("-ERR [IN-USE]"));
    assert!(pop3.say("QUIT", &["+OK", "-ERR"]).starts_with("+OK"));
    assert!(log_in(&mut late, "secret word").starts_with("+OK 1 messages"));
}

#[test]
fn accounts_are_kept_the_same_way_with_and_without_the_server() {
    let mut house = House::new();
    house.done(
        &["alias", "add", "@test.localhost", "ada@test.localhost"],
        "",
    );
    let asleep = commands(&house, "alan");
    house.start();
    let awake = commands(&house, "mary");
    assert_eq!(asleep.replace("alan", "mary"), awake);
    // The running server knows at once.
    house.done(
        &[
            "account",
            "passwd",
            "ada@test.localhost",
            "--password-stdin",
        ],
        "new",
    );
    assert!(log_in(&mut house.call("pop3"), "secret word").starts_with("-ERR [AUTH]"));
    assert!(log_in(&mut house.call("pop3"), "new").starts_with("+OK 0 messages"));
    let refused = house.run(&["store", "check"], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another process has it open"));
    assert!(house.stop().1);
    assert!(house.done(&["store", "check"], "").contains("log:"));
    house.done(&["store", "rebuild"], "");
    assert_eq!(house.done(&["account", "list"], ""), "ada@test.localhost\n");
}

/// What the commands say, all in order.
fn commands(house: &House, name: &str) -> String {
    let address = format!("{name}@test.localhost");
    let added = house.done(&["account", "add", &address], "");
    assert_eq!(
        added.lines().nth(1).map(|line| line.len()),
        Some("Password: ".len() + 19)
    );
    let mut said = house.done(&["account", "list"], "");
    assert_eq!(said, format!("ada@test.localhost\n{address}\n"));
    said.push_str(&house.done(&["alias", "list", "--json"], ""));
    said.push_str(&house.done(&["domain", "list"], ""));
    for (words, limits) in [
        (vec![], ["2147483648", "any number"]),
        (vec!["--messages", "0"], ["any number", "0"]),
        (vec!["--octets", "1K", "--messages", "7"], ["1024", "7"]),
        (vec!["--none"], ["any number"; 2]),
        (vec!["--default"], ["2147483648", "any number"]),
    ] {
        let words = [vec!["account", "quota", &address], words].concat();
        let [octets, messages] = limits;
        let expected = format!(
            "{address} holds 0 octets of {octets}.\n{address} holds 0 messages of {messages}.\n"
        );
        assert_eq!(house.done(&words, ""), expected);
    }
    said.push_str(&shared_commands(
        house,
        &format!("{name}.team@test.localhost"),
    ));
    said.push_str(&relayed_commands(house));
    for (words, code) in [
        (vec!["account", "quota", "nobody@test.localhost"], 1),
        (vec!["account", "quota", &address, "--octets", "1k"], 2),
        (vec!["account", "quota", &address, "--none", "--default"], 2),
        (vec!["account", "add", &address], 1),
        (vec!["account", "add", "nobody@elsewhere.example"], 1),
        (vec!["account", "add", "nobody"], 2),
        (vec!["account", "rm", "nobody@test.localhost"], 1),
        (vec!["domain", "rm", "test.localhost"], 1),
        (vec!["alias", "add", "x@test.localhost"], 2),
    ] {
        said.push_str(&refused(house, &words, code));
    }
    said.push_str(&house.done(&["account", "rm", &address], ""));
    said
}

/// What a command says that ends with this code.
fn refused(house: &House, words: &[&str], code: i32) -> String {
    let output = house.run(words, "");
    assert_eq!(output.status.code(), Some(code), "{words:?} {output:?}");
    assert!(output.stdout.is_empty(), "{words:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// What the commands say about a relayed domain, from its beginning to its end.
fn relayed_commands(house: &House) -> String {
    let mut said = String::new();
    let list = house.folder.path().join("list");
    let file = list.to_str().unwrap();
    std::fs::write(
        &list,
        "# who is there\nZoe\n\"bo b\"@customer.example\nzoe\n",
    )
    .unwrap();
    let shown = |house: &House| house.done(&["domain", "recipients", "customer.example"], "");
    for (words, input, expected) in [
        (
            vec!["add", "customer.example", "--relay"],
            "",
            "customer.example is relayed now.",
        ),
        (vec!["list"], "", "customer.example (relayed, everybody)\n"),
        (
            vec!["recipients", "customer.example"],
            "",
            "There is no list: ",
        ),
        (
            vec!["recipients", "customer.example", "--set", file],
            "",
            "2 recipients at customer.example are taken, and nobody else.\n",
        ),
        (
            vec!["list"],
            "",
            "customer.example (relayed, 2 recipients)\n",
        ),
        (
            vec!["recipients", "customer.example", "--set", "-"],
            "ada\r\n",
            "1 recipient at customer.example is taken, and nobody else.\n",
        ),
        (
            vec!["list"],
            "",
            "customer.example (relayed, 1 recipient)\n",
        ),
    ] {
        let told = house.done(&[vec!["domain"], words].concat(), input);
        assert!(told.starts_with(expected), "{told}");
        said.push_str(&told);
        if expected.starts_with("2 recipients") {
            assert_eq!(
                shown(house),
                "\"bo b\"@customer.example\nzoe@customer.example\n"
            );
        }
    }
    said.push_str(&refused_for_relayed(house));
    assert_eq!(shown(house), "ada@customer.example\n");
    for words in [
        &["recipients", "customer.example", "--any"][..],
        &["rm", "customer.example"],
    ] {
        said.push_str(&house.done(&[&["domain"], words].concat(), ""));
    }
    said
}

/// What the commands refuse where customer.example is relayed, and has a list of one.
fn refused_for_relayed(house: &House) -> String {
    assert_eq!(
        house.done(&["domain", "list", "--json"], ""),
        "[{\"kind\":\"relayed\",\"name\":\"customer.example\",\"recipients\":1},\
         {\"kind\":\"local\",\"name\":\"test.localhost\"}]\n"
    );
    let list = house.folder.path().join("list");
    let file = list.to_str().unwrap();
    let mut said = String::new();
    std::fs::write(&list, "joe\nx@house.example\n\na b\n").unwrap();
    for (words, code) in [
        (vec!["domain", "add", "customer.example"], 1),
        (vec!["domain", "add", "test.localhost", "--relay"], 1),
        (vec!["domain", "add", "[192.0.2.1]", "--relay"], 2),
        (vec!["account", "add", "x@customer.example"], 1),
        (vec!["domain", "recipients", "test.localhost"], 1),
        (vec!["domain", "recipients", "far.example", "--any"], 1),
        (
            vec!["domain", "recipients", "customer.example", "--set", file],
            1,
        ),
        (
            vec!["domain", "recipients", "customer.example", "--set", "-"],
            1,
        ),
        (vec!["domain", "recipients", "far.example", "--set", "-"], 1),
    ] {
        said.push_str(&refused(house, &words, code));
    }
    assert!(said.contains("list:2: x@house.example is not at customer.example\n"));
    assert!(said.contains("list:4: there is more than an address: a b\n"));
    assert!(said.contains("The list is empty: nobody would be taken."));
    said
}

/// What the commands say about a shared account, from its beginning to its end.
fn shared_commands(house: &House, team: &str) -> String {
    let mut said = house.done(&["account", "add", team, "--shared"], "");
    assert!(
        house
            .done(&["account", "list"], "")
            .contains(&format!("{team} (shared)\n"))
    );
    let own = format!("{team} lrswipkxteacd\n");
    for (change, left) in [
        (vec![], String::new()),
        (
            vec!["ada@test.localhost", "lrs"],
            "ada@test.localhost lrs\n".to_owned(),
        ),
        (
            vec!["-anyone", "s"],
            "ada@test.localhost lrs\n-anyone s\n".to_owned(),
        ),
        (
            vec!["-anyone", "none"],
            "ada@test.localhost lrs\n".to_owned(),
        ),
        (
            vec!["ada@test.localhost", "-s"],
            "ada@test.localhost lr\n".to_owned(),
        ),
        (
            vec!["ada@test.localhost", "+i"],
            "ada@test.localhost lri\n".to_owned(),
        ),
        (
            vec!["ada@test.localhost", "all"],
            "ada@test.localhost lrswipkxteacd\n".to_owned(),
        ),
        (vec!["ada@test.localhost", "none"], String::new()),
    ] {
        let words = [vec!["account", "rights", team, "INBOX"], change].concat();
        assert_eq!(house.done(&words, ""), format!("{own}{left}"), "{words:?}");
    }
    for (words, code) in [
        (
            vec!["account", "add", team, "--shared", "--password-stdin"],
            2,
        ),
        (vec!["account", "passwd", team], 1),
        (vec!["account", "rights", team, "Plans"], 1),
        (vec!["account", "rights", team, "INBOX", "anyone"], 2),
        (vec!["account", "rights", team, "INBOX", "anyone", "LR"], 2),
        (
            vec![
                "account",
                "rights",
                team,
                "INBOX",
                "nobody@test.localhost",
                "lr",
            ],
            1,
        ),
        (vec!["account", "rights", team, "INBOX", team, "lr"], 1),
    ] {
        said.push_str(&refused(house, &words, code));
    }
    said.push_str(&house.done(&["account", "rm", team], ""));
    said
}

#[test]
fn a_wrong_configuration_is_shown_where_it_is_wrong() {
    let house = House::empty();
    assert_eq!(
        house.done(&["config", "check"], ""),
        "The configuration is right.\n"
    );
    let shown = house.done(&["config", "show"], "");
    assert!(
        shown.contains("hostname = \"mail.test.localhost\"\n"),
        "{shown}"
    );
    let mut text = std::fs::read_to_string(house.config()).unwrap();
    text.push_str("[log]\nlevel = \"loud\"\n");
    std::fs::write(house.config(), text).unwrap();
    let output = house.run(&["serve"], "");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("level = \"loud\"\n      |         ^^^^^^\n"),
        "{said}"
    );
}

#[test]
fn the_demonstration_has_the_same_passwords_after_a_restart() {
    let mut house = House::empty();
    house.start_demo();
    let (first, well) = house.stop();
    assert!(well && first.lines().count() <= 20, "{first}");
    house.start_demo();
    let (second, _) = house.stop();
    let passwords = |text: &str| {
        let lines = text.lines().filter(|line| line.contains(" password "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(passwords(&first).len(), 2);
    assert_eq!(passwords(&first), passwords(&second));
}

#[test]
fn pages_and_completions_are_written() {
    let house = House::empty();
    let folder = house.folder.path().join("man");
    house.done(&["man", folder.to_str().unwrap()], "");
    let page = std::fs::read_to_string(folder.join("caramel-account-add.1")).unwrap();
    assert!(page.contains("password"), "{page}");
    assert!(house.done(&["man", "-"], "").contains("caramel"));
    assert!(
        house
            .done(&["completions", "bash"], "")
            .contains("_caramel")
    );
    let ca = house.done(&["cert", "ca"], "");
    let pem = std::fs::read_to_string(ca.trim_end()).unwrap();
    assert!(pem.contains("BEGIN CERTIFICATE"));
}
