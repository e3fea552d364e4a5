//! Five letters, and what `caramel why` tells of each: `docs/why.md` has these very stories.
//! `UPDATE=1` writes them anew: review the difference.

use std::fs;

use interop::{NameServer, Server, Tls, program};

use super::sink::{Sink, wait};
use super::{Town, zone};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/why.md");
/// What stands before the stories in the page.
const FRONT: &str = "## Five letters\n";
const RULES: &str = "require [\"fileinto\", \"mailbox\"];\n\n\
    if header :contains \"Subject\" \"invoice\" {\n    fileinto :create \"Invoices\";\n}\n";
/// A moment, and a name of a letter, in the place of those that differ each time.
const MOMENT: &str = "2026-11-27T15:20:00+00:00";
const NAME: &str = "5f0c9n3w7y2ka";

/// The five letters: what each is, who sends it from outside, to whom, and its subject. What ada
/// sends is a submission.
const LETTERS: [(&str, &str, &str, &str); 5] = [
    (
        "A good letter",
        "bob@good.example",
        "ada@test.localhost",
        "Tea at five",
    ),
    (
        "A forged one",
        "boss@bank.example",
        "ada@test.localhost",
        "Urgent: your account",
    ),
    (
        "One that a script files",
        "bob@good.example",
        "ada@test.localhost",
        "Your invoice",
    ),
    (
        "One that bounces",
        "ada@test.localhost",
        "never@there.example",
        "To nobody",
    ),
    (
        "One that waits",
        "ada@test.localhost",
        "carol@away.example",
        "Until they are back",
    ),
];

fn town(port: u16) -> Town {
    let zone = zone(&[
        "good.example TXT \"v=spf1 ip4:127.0.0.1 -all\"",
        "_dmarc.good.example TXT \"v=DMARC1; p=reject\"",
        "bank.example TXT \"v=spf1 -all\"",
        "_dmarc.bank.example TXT \"v=DMARC1; p=quarantine\"",
        "1.0.0.127.in-addr.arpa PTR mx.good.example",
        "mx.good.example A 127.0.0.1",
        "there.example MX 10 mx.there.example",
        "mx.there.example A 127.0.0.2",
        // Nobody listens there.
        "away.example A 127.0.0.9",
    ]);
    let names = NameServer::start(&zone).unwrap();
    let text = format!(
        "[dns]\nservers = [\"{}\"]\n[trust]\nunchecked = []\n[relay]\nport = {port}\n",
        names.address()
    );
    let server = Server::start_with(&text).unwrap();
    Town { names, server }
}

/// A letter from outside, by swaks.
fn comes(server: &Server, (from, to, subject): (&str, &str, &str)) {
    let address = server.address("smtp", Tls::Starttls).to_string();
    let (from_field, subject) = (format!("From: {from}"), format!("Subject: {subject}"));
    let id = format!("Message-Id: <1@{}>", from.split('@').next_back().unwrap());
    let words = [
        "--server",
        &address,
        "--helo",
        "mx.good.example",
        "--from",
        from,
        "--to",
        to,
        "--header",
        &from_field,
        "--header",
        &subject,
        "--header",
        &id,
        "--body",
        "Hello",
    ];
    let ended = program("swaks", &words, server.folder(), "").unwrap();
    assert!(ended.well, "{}\n{}", ended.out, server.log());
}

/// A story without what differs each time.
fn mask(story: &str) -> String {
    let name = |line: &str| Some(line.strip_prefix("letter ")?.to_owned());
    let name = story.lines().find_map(name).unwrap();
    let lines = story.lines().map(|line| {
        let line = line.replace(&name, NAME);
        let words: Vec<&str> = line.split(' ').collect();
        let behind = words.iter().skip(1).map(Some).chain([None]);
        let masked = words.iter().zip(behind).map(|(word, behind)| match *word {
            word if word.len() == MOMENT.len() && word.ends_with("+00:00") => MOMENT,
            _ if behind == Some(&"octets,") => "702",
            word => word,
        });
        masked.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn five_letters_and_their_stories() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let town = town(sink.port);
    let server = &town.server;
    let rules = server.folder().join("filter.sieve");
    fs::write(&rules, RULES).unwrap();
    let path = rules.to_str().unwrap();
    let words = ["sieve", "put", "ada@test.localhost", path, "--activate"];
    server.command(&words, "").unwrap();
    let mut stories = format!("{FRONT}\nWith this script, `filter`:\n\n```sieve\n{RULES}```\n");
    for (what, from, to, subject) in LETTERS {
        match from {
            "ada@test.localhost" => town.send(&[to], subject, &[]),
            _ => comes(server, (from, to, subject)),
        }
        let ends = match what {
            "One that bounces" => "bounced: ",
            "One that waits" => " waits; ",
            _ => "filed into",
        };
        let story = wait(|| {
            let told = server.output(&["why", subject], "").unwrap();
            let told = String::from_utf8(told.stdout).unwrap();
            // A report of a letter has its subject as well.
            let story = told.split("\n\n").next().unwrap().to_owned();
            story.contains(ends).then_some(story)
        });
        stories += &format!("\n{what}:\n\n```text\n{}```\n", mask(&story));
    }
    let page = fs::read_to_string(PAGE).unwrap();
    let (front, written) = page.split_once(FRONT).unwrap();
    let written = format!("{FRONT}{written}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(PAGE, format!("{front}{stories}")).unwrap();
    } else {
        assert_eq!(written, stories);
    }
}
