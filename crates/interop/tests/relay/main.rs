//! Letters leave the running binary for servers nobody here wrote: a script that says yes, no and
//! not now, and Postfix.
#![expect(clippy::unwrap_used, reason = "a test")]

mod allowed;
mod dmarc;
mod gateway;
mod lmtp;
mod moved;
mod papers;
mod postfix;
mod ranks;
mod renewed;
mod reported;
mod required;
mod rewritten;
mod scripts;
mod seals;
mod seven_bit;
mod sink;
mod sources;
mod stopped;
mod stories;
mod tls;

use std::path::PathBuf;

use interop::{NameServer, Server, Tls, program};
use serde_json::Value;
use sink::{Sink, wait};

/// A server that finds others by a zone.
struct Town {
    names: NameServer,
    server: Server,
}

/// A server that calls others at this port, with these lines more in its `[relay]`. It tries again
/// at once: the waits of the tests are the other end's.
fn town(zone: &str, port: u16, relay: &str) -> Town {
    let names = NameServer::start(zone).unwrap();
    let text = format!(
        "[dns]\nservers = [\"{}\"]\n[queue]\nretry = [\"1s\"]\n[relay]\nport = {port}\n{relay}",
        names.address()
    );
    let server = Server::start_with(&text).unwrap();
    Town { names, server }
}

impl Town {
    /// Ada sends a letter by Python's smtplib.
    fn send(&self, to: &[&str], subject: &str, options: &[&str]) {
        let ended = self.try_send(to, subject, options);
        assert!(ended.well, "{}\n{}", ended.err, self.server.log());
    }

    fn try_send(&self, to: &[&str], subject: &str, options: &[&str]) -> interop::Ended {
        let address = self.server.address("submission", Tls::Implicit).to_string();
        let authority = self.server.authority().unwrap();
        let (to, options) = (to.join(","), options.join(";"));
        let script = include_str!("../python/hand_in.py");
        let words = ["-c", script, &address, &authority, &to, subject, &options];
        program("python3", &words, self.server.folder(), "").unwrap()
    }

    /// What waits, as the command line says.
    fn queue(&self) -> Vec<Value> {
        let listed = self
            .server
            .command(&["queue", "list", "--json"], "")
            .unwrap();
        let lines = listed.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What was counted of TLS has these words; no server runs.
    fn has_counted(&self, words: &[&str]) {
        let counted = self.server.command(&["tls", "results"], "").unwrap();
        for part in words {
            let log = self.server.log();
            assert!(counted.contains(part), "{part}: {counted}\n{log}");
        }
    }

    fn is_done(&self) {
        wait(|| self.queue().is_empty().then_some(()));
    }

    /// Ada's mail, as a Maildir that is written anew.
    fn mail(&self) -> Vec<String> {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("eml");
        let to = path.display().to_string();
        let words = [
            "export",
            "--account",
            "ada@test.localhost",
            "--format",
            "eml",
            &to,
        ];
        let done = self.server.output(&words, "").unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let mut found: Vec<PathBuf> = walk(&path);
        found.retain(|file| file.extension().is_some_and(|end| end == "eml"));
        found.sort();
        found
            .iter()
            .map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned())
            .collect()
    }

    /// Waits for a message of Ada's with these words in it.
    fn receives(&self, words: &str) -> String {
        wait(|| {
            self.mail()
                .into_iter()
                .find(|message| message.contains(words))
        })
    }

    /// A report, as Python's email reads it.
    fn report(&self, words: &str) -> Value {
        let message = self.receives(words);
        let script = include_str!("../python/bounce.py");
        let folder = self.server.folder();
        let ended = program("python3", &["-c", script], folder, &message).unwrap();
        assert!(ended.well, "{}\n{message}", ended.err);
        serde_json::from_str(&ended.out).unwrap()
    }
}

fn walk(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(walk(&path)),
            false => found.push(path),
        }
    }
    found
}

fn zone(lines: &[&str]) -> String {
    lines.join("\n")
}

fn words<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[test]
fn letters_reach_their_destinations_hosts() {
    let first = Sink::start("127.0.0.2", 0, None);
    let second = Sink::start("127.0.0.3", first.port, None);
    let zone = zone(&[
        "a.example MX 10 dead.a.example",
        "a.example MX 20 mx.a.example",
        "dead.a.example A 127.0.0.9",
        "mx.a.example A 127.0.0.2",
        "b.example A 127.0.0.3",
    ]);
    let town = town(&zone, first.port, "linger = \"1m\"\n");
    let to = [
        "x@a.example",
        "y@a.example",
        "z@B.example",
        "alan@test.localhost",
    ];
    town.send(&to, "one", &[]);
    let there = first.takes(1);
    let letter = &there[0];
    assert_eq!(
        letter["to"],
        serde_json::json!(["<x@a.example>", "<y@a.example>"])
    );
    assert!(
        words(letter, "from").starts_with("<ada@test.localhost>"),
        "{letter}"
    );
    let body = words(letter, "body");
    assert!(body.starts_with("Received: from "), "{body}");
    assert!(
        !body.contains("Return-Path") && body.contains("\r\n.dot\r\n"),
        "{body}"
    );
    assert_eq!(
        second.takes(1)[0]["to"],
        serde_json::json!(["<z@b.example>"])
    );
    town.is_done();
    assert!(town.mail().is_empty());
    // Letters that come one after the other share a connection.
    for number in 2..7 {
        town.send(&["z@b.example"], &format!("{number}"), &[]);
        second.takes(number);
        town.is_done();
    }
    let taken = second.takes(6);
    let peers = taken.iter().map(|letter| &letter["peer"]);
    assert!(
        peers.clone().all(|peer| *peer == taken[0]["peer"]),
        "{taken:?}"
    );
    // The other end need not wait as long as we do: no letter is late for that.
    for number in 7..10 {
        town.send(&["hasty@b.example"], "once", &[]);
        second.takes(number);
        town.is_done();
    }
    let why = town.server.output(&["why", "once"], "").unwrap();
    let why = String::from_utf8(why.stdout).unwrap();
    assert_eq!(why.matches("delivered: ").count(), 3, "{why}");
    assert!(!why.contains("deferred"), "{why}");
    assert!(town.names.asked().contains(&"a.example MX".to_owned()));
}

#[test]
fn tls_is_used_where_it_is_offered() {
    let folder = tempfile::TempDir::new().unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    let made = program(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=someone.else",
            "-keyout",
            "k.pem",
            "-out",
            "c.pem",
        ],
        folder.path(),
        "",
    );
    assert!(made.unwrap().well);
    let sink = Sink::start("127.0.0.2", 0, Some((&certificate, &key)));
    let town = town("a.example A 127.0.0.2", sink.port, "");
    town.send(&["x@a.example"], "sealed", &[]);
    assert_eq!(sink.takes(1)[0]["tls"], "TLSv1.3");
}

#[test]
fn what_is_refused_now_is_tried_again_and_what_is_refused_comes_back() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let zone = zone(&[
        "a.example MX 10 mx.a.example",
        "mx.a.example A 127.0.0.2",
        "null.example MX 0 .",
    ]);
    let town = town(&zone, sink.port, "");
    town.send(&["later@a.example", "x@a.example"], "twice", &[]);
    let taken = sink.takes(2);
    assert_eq!(taken[0]["to"], serde_json::json!(["<x@a.example>"]));
    assert_eq!(taken[1]["to"], serde_json::json!(["<later@a.example>"]));
    town.is_done();
    assert!(town.mail().is_empty());

    town.send(
        &["never@a.example", "x@a.example"],
        "mixed",
        &["ret=HDRS", "envid=QQ+20314"],
    );
    let report = town.report("never@a.example");
    assert_eq!(report["defects"], serde_json::json!([]), "{report}");
    let told = &report["recipients"][0];
    assert_eq!(words(told, "Action"), "failed");
    assert_eq!(words(told, "Status"), "5.1.1");
    assert_eq!(words(told, "Remote-MTA"), "dns; mx.a.example");
    let code = words(told, "Diagnostic-Code");
    assert!(code.starts_with("smtp; 550 5.1.1 No such user"), "{report}");
    assert_eq!(words(&report["message"], "Original-Envelope-Id"), "QQ 314");
    assert_eq!(words(&report, "returned"), "text/rfc822-headers");
    assert!(
        words(&report, "words").contains("mx.a.example said: 550"),
        "{report}"
    );

    for (to, status) in [("x@null.example", "5.1.10"), ("x@nowhere.example", "5.1.2")] {
        town.send(&[to], "lost", &[]);
        let report = town.report(to);
        let told = &report["recipients"][0];
        assert_eq!(
            (words(told, "Status"), words(&report, "returned")),
            (status, "message/rfc822")
        );
    }
}

#[test]
fn a_letters_story_is_told() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let town = town("a.example A 127.0.0.2", sink.port, "");
    town.send(
        &["later@a.example", "never@a.example", "alan@test.localhost"],
        "a story",
        &[],
    );
    sink.takes(1);
    town.is_done();
    let why = |words: &[&str]| {
        let words = [&["why"], words].concat();
        town.server.output(&words, "").unwrap()
    };
    let told = String::from_utf8(why(&["story"]).stdout).unwrap();
    for (place, wanted) in [
        "came from ada@test.localhost for <alan@test.localhost>, <later@a.example>, <never@",
        "logged in as ada@test.localhost",
        "subject: a story",
        "alan@test.localhost: filed into INBOX, UID 1",
        "queued as",
        "for a.example: <later@a.example>, <never@a.example>",
        "<later@a.example> deferred: ",
        "said: 4",
        "<never@a.example> bounced: ",
        "said: 550 5.1.1 No such user",
        "waits; it is tried again at",
        "<later@a.example> delivered: ",
    ]
    .iter()
    .enumerate()
    {
        let at = told.find(wanted);
        assert!(at.is_some(), "{place}: {wanted}\n{told}");
    }
    // The same story by its other names, on a store at rest as well.
    let name = told.lines().next().unwrap().rsplit(' ').next().unwrap();
    let again = String::from_utf8(why(&[name]).stdout).unwrap();
    assert_eq!(again, told);
    let by_address = String::from_utf8(why(&["LATER@a.example", "--since", "1h"]).stdout).unwrap();
    assert_eq!(by_address, told);
    let json = String::from_utf8(why(&[name, "--json"]).stdout).unwrap();
    for line in json.lines() {
        let step: Value = serde_json::from_str(line).unwrap();
        assert_eq!(words(&step, "journey"), name);
    }
    let nobody = why(&["nobodnever@a.example"]);
    assert_eq!(nobody.status.code(), Some(1));
    let said = String::from_utf8(nobody.stderr).unwrap();
    assert!(
        said.contains("No letter like that is remembered."),
        "{said}"
    );
}

#[test]
fn what_waits_is_held_and_thrown_away() {
    let town = town("fails.example FAIL", 25, "");
    // Where nobody knows, it waits.
    town.send(&["x@fails.example"], "unknown", &["notify=NEVER"]);
    let waiting = wait(|| {
        let queue = town.queue();
        let tried = |letter: &Value| letter["attempts"].as_u64() > Some(0);
        queue.iter().any(tried).then_some(queue)
    });
    assert_eq!(
        words(&waiting[0]["recipients"][0]["said"], "status"),
        "4.4.3"
    );
    let id = words(&waiting[0], "id").to_owned();
    let shown = town.server.command(&["queue", "show", &id], "").unwrap();
    assert!(shown.contains("recipient <x@fails.example>"), "{shown}");
    wait(|| {
        town.server
            .command(&["queue", "hold", &id], "")
            .ok()?
            .contains("1 letter held")
            .then_some(())
    });
    assert_eq!(words(&town.queue()[0], "state"), "held");
    let dropped = town
        .server
        .command(&["queue", "drop", "--all"], "")
        .unwrap();
    assert_eq!(dropped, "1 letter thrown away.\n");
    assert!(town.queue().is_empty());
}

#[test]
fn success_is_reported_where_the_next_host_does_not() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let zone = zone(&["a.example A 127.0.0.2", "b.example A 127.0.0.2"]);
    let town = town(&zone, sink.port, "");
    town.send(&["x@a.example"], "told", &["notify=SUCCESS"]);
    let report = town.report("Action: relayed");
    assert_eq!(
        words(&report["recipients"][0], "Final-Recipient"),
        "rfc822;x@a.example"
    );
    assert_eq!(sink.takes(1)[0]["to"][0], "<x@a.example>");
    sink.switch("dsn", true);
    town.send(&["x@b.example"], "passed", &["notify=SUCCESS", "envid=ab"]);
    let taken = sink.takes(2);
    assert_eq!(
        taken[1]["to"],
        serde_json::json!(["<x@b.example> NOTIFY=SUCCESS"])
    );
    assert!(
        words(&taken[1], "from").contains(" ENVID=ab"),
        "{}",
        taken[1]
    );
    town.is_done();
    assert_eq!(town.mail().len(), 1);
}

#[test]
fn what_waits_survives_a_restart() {
    let sink = Sink::start("127.0.0.2", 0, None);
    sink.switch("busy", true);
    let mut town = town("a.example A 127.0.0.2", sink.port, "");
    for number in 0..3 {
        town.send(&["x@a.example"], &format!("number {number}"), &[]);
    }
    wait(|| {
        let queue = town.queue();
        let heard = |letter: &Value| words(&letter["recipients"][0]["said"], "text") == "Busy";
        queue.iter().all(heard).then_some(())
    });
    assert!(town.server.stop());
    assert_eq!(town.queue().len(), 3);
    sink.switch("busy", false);
    town.server.run().unwrap();
    let subjects: Vec<bool> = (0..3)
        .map(|number| {
            let wanted = format!("Subject: number {number}\r\n");
            sink.takes(3)
                .iter()
                .any(|letter| words(letter, "body").contains(&wanted))
        })
        .collect();
    assert_eq!((subjects, sink.taken().len()), (vec![true; 3], 3));
    town.is_done();
}

/// How often the process is killed; more for a release: `CARAMEL_CRASHES`.
fn rounds() -> u32 {
    let wanted = std::env::var("CARAMEL_CRASHES").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(5)
}

#[test]
fn a_server_that_is_killed_loses_nothing() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let mut town = town("a.example A 127.0.0.2", sink.port, "");
    let (mut sent, mut killed) = (0, 0);
    for round in 0..rounds() {
        let seen = sink.taken().len();
        for _ in 0..4 {
            // One in four is answered late, so that some are killed in the middle of that.
            let to = if sent % 4 == 0 {
                "slow@a.example"
            } else {
                "x@a.example"
            };
            town.send(&[to], &format!("number {sent} of all"), &[]);
            sent += 1;
        }
        if round % 2 == 0 {
            sink.takes(seen + 1);
        }
        town.server.kill();
        killed += 1;
        town.server.run().unwrap();
    }
    town.is_done();
    let taken = sink.taken();
    let count = |number: u32| {
        let wanted = format!("Subject: number {number} of all\r\n");
        let is_it = |letter: &&Value| words(letter, "body").contains(&wanted);
        taken.iter().filter(is_it).count()
    };
    let twice = (0..sent).map(count).map(|count| {
        assert!(count > 0, "a letter is lost");
        count - 1
    });
    // A second time only where the last answer was lost: what was on its way when it was killed.
    let twice: usize = twice.sum();
    let most = usize::try_from(killed).unwrap() * 4;
    assert!(twice <= most, "{twice} letters twice in {killed} rounds");
    assert!(town.mail().is_empty(), "nobody is told of anything");
}

#[test]
fn a_lost_answer_is_the_only_reason_for_a_second_letter() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let town = town("a.example A 127.0.0.2", sink.port, "");
    town.send(&["lost@a.example"], "once", &[]);
    assert_eq!(sink.takes(2).len(), 2);
    town.is_done();
    assert!(town.mail().is_empty());
}

#[test]
fn everything_may_go_through_one_host() {
    let hop = Sink::start("127.0.0.2", 0, None);
    let other = Sink::start("127.0.0.3", hop.port, None);
    let relay = format!(
        "host = \"[127.0.0.2]:{}\"\ntls = \"none\"\n[[relay.route]]\n\
         recipient = \"direct.example\"\n",
        hop.port
    );
    let town = town("direct.example A 127.0.0.3", hop.port, &relay);
    let to = ["x@a.example", "y@b.example", "z@direct.example"];
    town.send(&to, "ways", &[]);
    let taken = hop.takes(2);
    let all = format!("{taken:?}");
    assert!(
        all.contains("<x@a.example>") && all.contains("<y@b.example>"),
        "{all}"
    );
    assert_eq!(other.takes(1)[0]["to"][0], "<z@direct.example>");
    let asked = town.names.asked();
    assert!(
        asked.iter().all(|one| one.contains("direct.example ")),
        "{asked:?}"
    );
    town.is_done();
}
