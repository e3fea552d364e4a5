//! Letters that are put to another time by hand: not tried before, and then as any other.

use interop::program;
use serde_json::Value;

use super::ranks::subjects;
use super::sink::{Sink, wait};
use super::{Town, town};

/// What `caramel queue` says.
fn says(town: &Town, words: &[&str]) -> String {
    let all = [&["queue"], words].concat();
    match town.server.command(&all, "") {
        Ok(said) => said,
        Err(error) => error.to_string(),
    }
}

/// Puts a letter to another time, once it is not on its way.
fn moves(town: &Town, words: &[&str]) -> Value {
    let all = [&["retry", "--json"], words].concat();
    wait(|| {
        let done: Value = serde_json::from_str(&says(town, &all)).unwrap();
        (done.get("busy")? == 0).then_some(done)
    })
}

#[test]
fn a_letter_is_tried_when_it_was_said() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let mut town = town("a.example A 127.0.0.2", sink.port, "");
    sink.switch("busy", true);
    town.send(&["x@a.example"], "first", &[]);
    let first = wait(|| {
        let queue = town.queue();
        let tried = queue.iter().find(|letter| letter["attempts"] != 0)?;
        Some(tried["id"].as_str()?.to_owned())
    });
    let done = moves(&town, &["--in", "1h", &first]);
    let at = done["at"].as_i64().unwrap();
    assert_eq!((&done["changed"], &done["late"]), (&1.into(), &0.into()));
    assert_eq!(town.queue()[0]["due"], at);
    // A host that takes letters gets the others, also after a restart.
    sink.switch("busy", false);
    town.send(&["x@a.example"], "second", &[]);
    assert_eq!(subjects(&sink.takes(1)), ["second"]);
    wait(|| (town.queue().len() == 1).then_some(()));
    town.server.kill();
    town.server.run().unwrap();
    town.send(&["x@a.example"], "third", &[]);
    assert_eq!(subjects(&sink.takes(2)), ["second", "third"]);
    wait(|| (town.queue().len() == 1).then_some(()));
    // By a time of the day, a quarter of an hour later.
    let date = format!("@{}", at + 900);
    let words = ["-u", "-d", &date, "+%Y-%m-%dT%H:%MZ"];
    let date = program("date", &words, town.server.folder(), "")
        .unwrap()
        .out;
    let said = says(&town, &["retry", "--at", date.trim(), "--to", "a.example"]);
    let shown = date.trim().replace('Z', ":00");
    assert!(
        said.starts_with(&format!("1 letter put to {shown}")),
        "{said}"
    );
    let said = says(&town, &["show", &first]);
    assert!(said.contains(&format!("next at {shown}")), "{said}");
    // Not in the past, nor when it would have been given up; and what is held stays so.
    for (words, expected) in [
        (["--at", "2020-01-01T00:00Z"], "That time has passed"),
        (["--in", "0s"], "That time has passed"),
        (
            ["--in", "6d"],
            "1 letter would be given up before that, the first at 20",
        ),
        (["--at", "tomorrow"], "a date is 2026-11-23T20:15:00+01:00"),
    ] {
        let said = says(&town, &["retry", words[0], words[1], &first]);
        assert!(said.contains(expected), "{words:?}: {said}");
        assert!(says(&town, &["show", &first]).contains(&shown));
    }
    says(&town, &["hold", &first]);
    let said = says(&town, &["retry", "--in", "2h", "--all"]);
    assert!(said.contains("; 1 left as they are."), "{said}");
    assert_eq!(town.queue()[0]["state"], "held");
    says(&town, &["release", &first]);
    assert_eq!(subjects(&sink.takes(3)), ["second", "third", "first"]);
    town.is_done();
    let why = town.server.command(&["why", "x@a.example"], "").unwrap();
    assert!(
        why.contains(&format!("{first} is put to another time by hand")),
        "{why}"
    );
    assert!(
        why.contains(&format!("{first} waits; it is tried again at {shown}")),
        "{why}"
    );
}
