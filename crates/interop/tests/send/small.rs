//! ssmtp's file, hosts without TLS, names of this machine.

use std::fs;

use super::sink::Sink;
use super::{ALAN, Home, letter};

fn words<'a>(letter: &'a serde_json::Value, name: &str) -> &'a str {
    letter[name].as_str().unwrap()
}

#[test]
fn ssmtps_file_and_revaliases_are_read() {
    let sink = Sink::start("127.0.0.1", 0, None);
    let home = Home::new();
    let port = sink.port;
    let text = format!(
        "# ssmtp\nroot=boss@a.example\nmailhub=127.0.0.1:{port}\nrewriteDomain=a.example\n\
         hostname=web.a.example\nMinUserId=500\nAuthMethod=CRAM-MD5\n"
    );
    let file = home.write("ssmtp.conf", &text);
    let send = |more: &[&str], text: &str| {
        let words = [&["-C", &file], more].concat();
        home.call("ssmtp", &words, text)
    };
    let (code, said) = send(
        &["-t", "daemon", "carl"],
        "From: x@y.example\nTo: b@b.example\n\nhi\n",
    );
    assert_eq!(code, 0, "{said}");
    for note in [
        "ssmtp.conf:6: minuserid: users below 1000",
        "ssmtp.conf:7: authmethod: CRAM-MD5 is not known",
    ] {
        assert!(said.contains(note), "{note}: {said}");
    }
    let taken = sink.takes(1);
    assert!(
        words(&taken[0], "from").starts_with("<ada@a.example>"),
        "{taken:?}"
    );
    let to = &taken[0]["to"];
    assert_eq!(
        to,
        &serde_json::json!(["<boss@a.example>", "<carl@a.example>", "<b@b.example>"])
    );
    let body = words(&taken[0], "body");
    assert!(
        body.contains("From: ada@a.example\r\n") && !body.contains("x@y.example"),
        "{body}"
    );
    // Who calls may have an address of its own, and the letter's own sender may count.
    fs::write(home.path().join("revaliases"), "ada:ada@other.example\n").unwrap();
    assert_eq!(send(&["b@b.example"], "Subject: x\n\nhi\n").0, 0);
    let taken = sink.takes(2);
    assert!(
        words(&taken[1], "from").starts_with("<ada@other.example>"),
        "{taken:?}"
    );
    home.write("ssmtp.conf", &format!("{text}FromLineOverride=YES\n"));
    assert_eq!(send(&["b@b.example"], "From: X <x@y.example>\n\nhi\n").0, 0);
    let taken = sink.takes(3);
    assert!(
        words(&taken[2], "from").starts_with("<x@y.example>"),
        "{taken:?}"
    );
    assert!(
        words(&taken[2], "body").contains("From: X <x@y.example>\r\n"),
        "{taken:?}"
    );
}

#[test]
fn hosts_without_tls_are_told_and_refusals_have_their_codes() {
    let sink = Sink::start("127.0.0.1", 0, None);
    let home = Home::new();
    let port = format!("--port={}", sink.port);
    let with = |more: &[&str]| {
        let words = [&["--host=127.0.0.1", &port, "-f", "ada@a.example"], more].concat();
        home.call("msmtp", &words, &letter("x"))
    };
    for (more, code) in [
        (&["x@b.example"][..], 0),
        (&["never@b.example"], 67),
        (&["always-later@b.example"], 75),
        (&["x@b.example", "never@b.example"], 67),
        // TLS is not offered, and nothing is sent without it.
        (&["--tls", "x@b.example"], 69),
        (
            &[
                "--auth",
                "--user=ada",
                "--passwordeval=echo x",
                "x@b.example",
            ],
            69,
        ),
    ] {
        let (ended, said) = with(more);
        assert_eq!(ended, code, "{more:?}: {said}");
    }
    assert_eq!(sink.takes(2).len(), 2);
    sink.switch("busy", true);
    assert_eq!(with(&["x@b.example"]).0, 75);
}

#[test]
fn names_of_this_machine_lead_where_the_aliases_say() {
    let sink = Sink::start("127.0.0.1", 0, None);
    let home = Home::new();
    home.write(
        "aliases",
        "root: ada@b.example,\n  carl\ndefault: bob@b.example\n",
    );
    home.write(
        ".config-of-mine",
        &format!(
            "account default\nhost 127.0.0.1\nport {}\nfrom %U@a.example\naliases ~/aliases\n\
             set_from_header on\nundisclosed_recipients on\n",
            sink.port
        ),
    );
    let file = home.path().join(".config-of-mine");
    let words = ["-C", file.to_str().unwrap(), "root", "somebody"];
    let (code, said) = home.call("msmtp", &words, &letter("x"));
    assert_eq!(code, 0, "{said}");
    let taken = sink.takes(1);
    assert_eq!(
        taken[0]["to"],
        serde_json::json!(["<ada@b.example>", "<carl@a.example>", "<bob@b.example>"])
    );
    let body = taken[0]["body"].as_str().unwrap();
    assert!(body.contains("To: undisclosed-recipients:;\r\n"), "{body}");
    assert!(
        !body.contains(ALAN) && body.contains("From: ada@a.example\r\n"),
        "{body}"
    );
    home.write("aliases", "root: |/bin/false\n");
    let (code, said) = home.call("msmtp", &words, &letter("x"));
    assert_eq!(code, 78, "{said}");
    assert!(
        said.contains("aliases:1: `|/bin/false`: no program is run"),
        "{said}"
    );
}
