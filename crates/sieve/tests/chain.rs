//! Several scripts that a message passes one behind the other.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::sync::Arc;

use mail::{ForwardPath, Recipient, ReversePath, Timestamp};
use sieve::{
    Abilities, Action, Answer, Ask, Circumstances, Deed, Envelope, Letter, Limits, Outcome, Run,
    Script, Step,
};

const LETTER: &[u8] = b"From: bob@example.net\r\nTo: ada@example.org\r\nSubject: Tea\r\n\r\nx\r\n";

fn circumstances() -> Circumstances {
    let path = |text: &str| ForwardPath::parse(text).unwrap();
    let envelope = Envelope {
        reverse_path: ReversePath::parse("<bob@example.net>").unwrap(),
        recipient: Recipient {
            forward_path: path("<ada@example.org>"),
            notify: None,
            orcpt: None,
        },
        ret: None,
        envid: None,
        auth: None,
        by: None,
    };
    Circumstances {
        envelope: Some(Arc::new(envelope)),
        addresses: vec![mail::Address::parse("ada@example.org").unwrap()],
        ..Circumstances::new(Letter::parse(LETTER.into()))
    }
}

fn run_within(scripts: &[(&str, &str)], limits: Limits) -> Outcome {
    let compiled = scripts.iter().map(|(name, text)| {
        let script = Script::compile(name, text.as_bytes(), &Limits::HOUSE);
        Arc::new(script.unwrap_or_else(|faults| panic!("{name}: {faults:?}")))
    });
    let mut run = Run::chain(compiled, circumstances(), limits);
    loop {
        match run.step() {
            Step::Done(outcome) => return outcome,
            Step::Ask(Ask::Now) => run.answer(Answer::Now(Timestamp::utc(0))),
            Step::Ask(Ask::Listed { .. }) => run.answer(Answer::NoList),
            Step::Ask(_) => run.answer(Answer::Flag(false)),
        }
    }
}

fn run(scripts: &[(&str, &str)]) -> Outcome {
    run_within(scripts, Limits::HOUSE)
}

/// Each action with what it is about, its flags, and the line that wants it.
fn told(outcome: &Outcome) -> Vec<String> {
    let tell = |action: &Action| {
        let (name, cause) = (action.deed.name(), &action.cause);
        let about = match &action.deed {
            Deed::Keep { flags } => flags.to_string(),
            Deed::FileInto(filing) => format!("{} {}", filing.mailbox, filing.flags),
            Deed::Redirect(redirect) => redirect.target.to_string(),
            Deed::Reject { reason, .. } => reason.clone(),
            _ => String::new(),
        };
        let changed = if action.changed.is_some() {
            " changed"
        } else {
            ""
        };
        format!("{name} {} [{cause}]{changed}", about.trim()).replace("  ", " ")
    };
    outcome.actions.iter().map(tell).collect()
}

const COPY: &str = "require [\"fileinto\", \"copy\"];\nfileinto :copy \"All\";";
const INTO: &str = "require \"fileinto\";\nfileinto \"Lists\";";

// tidy: table
#[test]
fn the_next_one_runs_where_the_one_before_keeps() {
    /// The scripts with their names, and what is told.
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (&[], &["keep [implicit]"]),
        (&[("a", ""), ("b", "")], &["keep [implicit]"]),
        // Implicit, explicit, by `stop`, beside a copy, against `discard`.
        (&[("a", ""), ("b", INTO)], &["fileinto Lists [b:2]"]),
        (&[("a", "keep;"), ("b", INTO)], &["fileinto Lists [b:2]"]),
        (
            &[("a", "stop; discard;"), ("b", INTO)],
            &["fileinto Lists [b:2]"],
        ),
        (
            &[("a", COPY), ("b", INTO)],
            &["fileinto All [a:2]", "fileinto Lists [b:2]"],
        ),
        (
            &[("a", COPY), ("b", "")],
            &["fileinto All [a:2]", "keep [implicit]"],
        ),
        (
            &[("a", "discard; keep;"), ("b", INTO)],
            &["fileinto Lists [b:2]"],
        ),
        // Not where it does not.
        (&[("a", INTO), ("b", "keep;")], &["fileinto Lists [a:2]"]),
        (&[("a", "discard;"), ("b", INTO)], &["discard [a:1]"]),
        (
            &[("a", "redirect \"x@example.net\";"), ("b", INTO)],
            &["redirect x@example.net [a:1]"],
        ),
        (
            &[("a", "require \"reject\"; reject \"No\";"), ("b", INTO)],
            &["reject No [a:1]"],
        ),
        // What the first keeps, the last may throw away.
        (
            &[("a", "keep;"), ("b", "discard;"), ("c", INTO)],
            &["discard [b:1]"],
        ),
        // Flags go along, variables do not.
        (
            &[
                ("a", "require \"imap4flags\"; addflag \"\\\\Seen\";"),
                (
                    "b",
                    "require \"imap4flags\"; if hasflag \"\\\\Seen\" { addflag \"x\"; }",
                ),
            ],
            &["keep \\Seen x [implicit]"],
        ),
        (
            &[
                ("a", "require \"imap4flags\"; keep :flags \"\\\\Flagged\";"),
                ("b", "keep;"),
            ],
            &["keep \\Flagged [b:1]"],
        ),
        (
            &[
                ("a", "require \"variables\"; set \"where\" \"A\";"),
                (
                    "b",
                    "require [\"variables\", \"fileinto\"]; fileinto \"B${where}\";",
                ),
            ],
            &["fileinto B [b:1]"],
        ),
        // What was changed stays changed, and the next one sees it.
        (
            &[
                ("a", "require \"editheader\"; addheader \"X-A\" \"1\";"),
                (
                    "b",
                    "require \"fileinto\"; if exists \"x-a\" { fileinto \"A\"; }",
                ),
            ],
            &["fileinto A [b:1] changed"],
        ),
        // The same address once.
        (
            &[
                ("a", "require \"copy\"; redirect :copy \"x@example.net\";"),
                ("b", "redirect \"x@example.net\";"),
            ],
            &["redirect x@example.net [a:1]"],
        ),
    ];
    for (scripts, expected) in cases {
        let outcome = run(scripts);
        assert_eq!(outcome.fault, None, "{scripts:?}");
        assert_eq!(told(&outcome), *expected, "{scripts:?}");
    }
}

#[test]
fn one_that_fails_does_nothing_and_the_next_one_runs() {
    let broken = "require [\"fileinto\", \"copy\", \"editheader\", \"imap4flags\", \"ihave\"];\n\
                  fileinto :copy \"Broken\"; addheader \"X-B\" \"1\"; addflag \"x\";\n\
                  error \"no\";";
    let seen = "require \"imap4flags\"; setflag \"\\\\Seen\";";
    let outcome = run(&[("a", COPY), ("s", seen), ("b", broken), ("c", INTO)]);
    assert_eq!(outcome.fault.as_ref().unwrap().to_string(), "b:3: no");
    let expected = ["fileinto All [a:2]", "fileinto Lists \\Seen [c:2]"];
    assert_eq!(told(&outcome), expected);
    // The last one, and the only one.
    let outcome = run(&[("a", COPY), ("s", seen), ("b", broken)]);
    let expected = ["fileinto All [a:2]", "keep \\Seen [implicit]"];
    assert_eq!(told(&outcome), expected);
    assert_eq!(told(&run(&[("b", broken)])), ["keep [implicit]"]);
    // Changes of those before it stay.
    let edits = "require \"editheader\"; addheader \"X-A\" \"1\";";
    let outcome = run(&[("a", edits), ("b", broken)]);
    assert_eq!(told(&outcome), ["keep [implicit] changed"]);
    let changed = outcome.actions.first().unwrap().changed.clone().unwrap();
    let text = String::from_utf8(changed.to_vec()).unwrap();
    assert!(text.contains("X-A: 1") && !text.contains("X-B"), "{text}");
    // A refusal goes with nothing that was done before.
    let outcome = run(&[("a", COPY), ("b", "require \"reject\";\nreject \"No\";")]);
    let fault = outcome.fault.as_ref().unwrap().to_string();
    assert_eq!(fault, "b:2: a refusal does not go with 'fileinto'");
    assert_eq!(told(&outcome), ["fileinto All [a:2]", "keep [implicit]"]);
    // Each of them may take as many steps as a script may.
    let busy = "keep;".repeat(60);
    let limits = Limits {
        steps_max: 80,
        ..Limits::HOUSE
    };
    let outcome = run_within(&[("a", &busy), ("b", &busy), ("c", &busy)], limits);
    assert_eq!(outcome.fault, None);
}

#[test]
fn a_message_is_answered_once() {
    let away = "require \"vacation\";\nvacation \"I am away\";";
    let outcome = run(&[("a", away), ("b", away), ("c", away)]);
    assert_eq!(outcome.fault, None);
    assert_eq!(told(&outcome), ["vacation [a:2]", "keep [implicit]"]);
    let notes: Vec<String> = outcome.notes.iter().map(ToString::to_string).collect();
    let why = "no answer is due: a script before this one answers";
    assert_eq!(notes, [format!("b:2: {why}"), format!("c:2: {why}")]);
}

#[test]
fn what_a_house_does_not_carry_out_now_ends_a_script_that_requires_it() {
    let limits = Limits {
        abilities: Abilities::ALL.without(&["reject", "vacation"]),
        ..Limits::HOUSE
    };
    for (text, expected) in [
        (
            "require \"reject\";",
            Some("x:1: \"reject\" is not carried out here"),
        ),
        (
            "require [\"fileinto\", \"vacation\"]; fileinto \"A\";",
            Some("x:1: \"vacation\" is not carried out here"),
        ),
        ("require \"fileinto\";", None),
        (
            "require \"ihave\"; if ihave \"reject\" { error \"it has\"; }",
            None,
        ),
    ] {
        let outcome = run_within(&[("x", text)], limits);
        let fault = outcome.fault.as_ref().map(ToString::to_string);
        assert_eq!(fault.as_deref(), expected, "{text}");
        assert_eq!(told(&outcome), ["keep [implicit]"], "{text}");
    }
}

#[test]
fn a_list_that_is_not_there_is_a_fault() {
    let text = "require \"extlists\";\nif header :list \"from\" \"tag:x,2026:y\" { discard; }";
    let outcome = run(&[("x", text)]);
    let fault = outcome.fault.unwrap().to_string();
    assert_eq!(fault, "x:2: there is no list \"tag:x,2026:y\"");
}
