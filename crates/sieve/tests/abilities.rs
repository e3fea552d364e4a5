//! A house that does not carry out everything, and messages that are not here whole.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::sync::Arc;

use mail::Timestamp;
use message::Outline;
use sieve::{
    Abilities, Answer, Ask, Circumstances, Deed, Letter, Limits, Outcome, Run, Script, Step,
};

/// A house that answers nobody and sends nothing on.
fn limits() -> Limits {
    Limits {
        abilities: Abilities::ALL
            .without(&["vacation", "reject", "no such"])
            .without_redirects(),
        ..Limits::HOUSE
    }
}

fn run(text: &str, letter: Letter) -> Outcome {
    let script = Script::compile("x", text.as_bytes(), &limits()).unwrap();
    let mut run = Run::new(Arc::new(script), Circumstances::new(letter), limits());
    loop {
        match run.step() {
            Step::Done(outcome) => return outcome,
            Step::Ask(Ask::Now) => run.answer(Answer::Now(Timestamp::utc(0))),
            Step::Ask(ask) => panic!("{ask:?}"),
        }
    }
}

fn deeds(outcome: &Outcome) -> Vec<&str> {
    let actions = outcome.actions.iter();
    actions.map(|action| action.deed.name()).collect()
}

#[test]
fn what_is_not_carried_out_cannot_be_required() {
    for (text, expected) in [
        (
            "require [\"fileinto\", \"vacation\"];",
            "line 1, column 22: \"vacation\" is not carried out here",
        ),
        (
            "keep;\nredirect \"ada@example.org\";",
            "line 2, column 1: no message is sent on from here",
        ),
    ] {
        let faults = Script::compile("x", text.as_bytes(), &limits()).unwrap_err();
        assert_eq!(
            faults.first().map(ToString::to_string).as_deref(),
            Some(expected)
        );
        assert!(Script::compile("x", text.as_bytes(), &Limits::HOUSE).is_ok());
    }
    let names: Vec<&str> = limits().abilities.names().collect();
    assert!(names.contains(&"fileinto") && names.contains(&"ereject"));
    assert!(!names.contains(&"vacation") && !names.contains(&"reject"));
    assert!(Abilities::ALL.names().eq(sieve::capabilities()));
}

// RFC 5463 §4
#[test]
fn what_is_not_carried_out_is_not_had() {
    let text = "require \"ihave\"; \
        if ihave \"vacation\" { vacation \"away\"; } elsif ihave \"fileinto\" { fileinto \"x\"; }";
    let outcome = run(text, Letter::parse("\r\n".into()));
    assert_eq!(deeds(&outcome), ["fileinto"]);
}

/// A message of 1000 octets of which the first 40 are here.
fn beginning() -> Letter {
    let whole = format!(
        "Subject: large\r\nX: y\r\n\r\nthe beginning{}the end",
        "x".repeat(956)
    );
    let outline = Outline::parse(whole.as_bytes());
    let here = whole.as_bytes()[..40].to_vec();
    Letter::beginning(here.into(), Arc::new(outline), 1000)
}

#[test]
fn of_a_beginning_the_size_is_known_and_the_end_is_not_looked_through() {
    let text = "require [\"body\", \"fileinto\"]; \
        if allof (size :over 999, size :under 1001, header \"subject\" \"large\", \
        body :contains \"beginning\", not body :contains \"the end\") { fileinto \"x\"; }";
    assert_eq!(deeds(&run(text, beginning())), ["fileinto"]);
}

#[test]
fn a_beginning_is_not_changed() {
    for change in [
        "addheader \"X\" \"y\";",
        "deleteheader \"X\";",
        "replace \"gone\";",
        "enclose \"see below\";",
    ] {
        let text = format!("require [\"editheader\", \"replace\", \"enclose\"]; {change} discard;");
        let outcome = run(&text, beginning());
        assert_eq!(deeds(&outcome), ["keep"], "{change}");
        let fault = outcome.fault.as_ref().map(|trouble| trouble.text.as_str());
        assert_eq!(
            fault,
            Some("the message is too large to be changed"),
            "{change}"
        );
        assert!(
            outcome
                .actions
                .iter()
                .all(|action| action.changed.is_none())
        );
    }
    let kept = run("discard;", beginning());
    assert!(matches!(
        kept.actions.first().map(|action| &action.deed),
        Some(Deed::Discard)
    ));
}
