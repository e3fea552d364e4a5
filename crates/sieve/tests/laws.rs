//! What holds for every script and every message. `CARAMEL_LAWS` raises the number of random ones.
#![expect(clippy::indexing_slicing, reason = "a test")]

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sieve::{Answer, Ask, Circumstances, Deed, Letter, Limits, Run, Script, Step};

fn runner() -> TestRunner {
    let cases = std::env::var("CARAMEL_LAWS").ok();
    let cases = cases.and_then(|cases| cases.parse().ok()).unwrap_or(500);
    let mut config = Config::with_cases(cases);
    config.failure_persistence = None;
    TestRunner::new(config)
}

/// Commands, each whole.
const COMMANDS: &[&str] = &[
    "if header :contains \"subject\" \"a\" { fileinto \"x\"; }",
    "if address :matches [\"from\", \"to\"] \"*@*\" { set \"a\" \"${1}\"; }",
    "if body :contains \"hello\" { discard; } elsif false { stop; } else { keep; }",
    "foreverypart { if header :mime :anychild :type \"content-type\" \"text\" { break; } }",
    "foreverypart { extracttext :first 10 \"t\"; foreverypart { replace \"gone\"; } }",
    "foreverypart { replace :mime text:\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\na\n\
     --x--\n.\n; }",
    "foreverypart { if exists :mime \"content-type\" { enclose :subject \"s\" \"t\"; } }",
    "replace :subject \"s\" \"all ${a}\";",
    "enclose :headers \"From\" \"t\";",
    "redirect \"a@b.example\";",
    "redirect :copy \"${a}@b.example\";",
    "vacation :days 3 \"away ${1}\";",
    "notify \"mailto:a@b.example\";",
    "addheader \"X-A\" \"${t}\";",
    "addheader :last \"X-B\" \"b\";",
    "deleteheader :index 1 :last \"Received\";",
    "deleteheader :matches \"Subject\" \"*\";",
    "if mailboxexists [\"x\", \"y\"] { setflag \"\\\\Seen a\"; }",
    "if duplicate { discard; }",
    "if currentdate :value \"ge\" \"hour\" \"09\" { keep; }",
    "if date :originalzone \"received\" \"date\" \"2026-01-01\" { stop; }",
    "if string :regex \"${a}\" \"(a|b)*\" { reject \"no\"; }",
    "include :optional \"self\";",
    "include :once \"self\";",
    "if ihave \"copy\" { return; }",
    "if anyof(mailboxexists \"${1}\", header :matches \"to\" \"*\", mailboxexists \"${1}\") \
     { keep; }",
    "if envelope \"from\" \"\" { error \"e\"; }",
    "set :length \"b\" \"${a}${a}${a}\";",
    "set \"a\" \"${a}${a}x\";",
    "keep :flags \"${a}\";",
];

/// What breaks a script.
const SHARDS: &[&str] = &[
    "}",
    "{",
    "\"",
    "text:\n",
    "/*",
    ":is",
    "[\"a\",",
    "require \"x\";",
    "if",
    ";",
];

const HEAD: &str = "require [\"fileinto\", \"variables\", \"body\", \"foreverypart\", \"mime\", \
    \"extracttext\", \"replace\", \"enclose\", \"copy\", \"vacation\", \"enotify\", \
    \"editheader\", \"mailbox\", \"duplicate\", \"date\", \"relational\", \"imap4flags\", \
    \"regex\", \"reject\", \"include\", \"ihave\", \"envelope\"];";

fn script() -> impl Strategy<Value = String> {
    let command = prop::sample::select(COMMANDS).prop_map(str::to_owned);
    let shard = prop::sample::select(SHARDS).prop_map(str::to_owned);
    let noise = "[ -~\n]{0,12}";
    let whole = prop::collection::vec(command.clone(), 0..20);
    let broken = prop::collection::vec(prop_oneof![9 => command, 1 => shard, 1 => noise], 0..20);
    let pieces = prop_oneof![3 => whole, 1 => broken];
    let text = pieces.prop_map(|pieces| format!("{HEAD}{}", pieces.concat()));
    let changes = prop::collection::vec((any::<prop::sample::Index>(), "[ -~]"), 1..4);
    let mutated = (text.clone(), changes).prop_map(|(text, changes)| {
        let mut letters: Vec<char> = text.chars().collect();
        for (at, letter) in changes {
            let at = at.index(letters.len());
            match letter.chars().next() {
                Some(' ') | None => drop(letters.remove(at)),
                Some(letter) => letters[at] = letter,
            }
        }
        letters.into_iter().collect()
    });
    prop_oneof![3 => text, 1 => mutated]
}

fn letter() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "From: a@b\r\n",
        "To: x@y, g: z@w;\r\n",
        "Subject: a =?utf-8?Q?b?=\r\n",
        "\r\n",
        "--b\r\n",
        "Content-Type: multipart/mixed; boundary=b\r\n",
        "Content-Type: text/plain\r\n",
        "hello\r\n",
        "Content-Type: message/rfc822\r\n",
        "--b--\r\n",
        " folded\r\n",
        "Received: x; y\r\n",
    ]);
    let line = prop_oneof![
        9 => line.prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(line, 0..25).prop_map(|lines| lines.concat())
}

fn answer(ask: &Ask, script: &Arc<Script>) -> Answer {
    match ask {
        Ask::Now => Answer::Now(mail::Timestamp::utc(1_800_000_000)),
        Ask::Script { .. } => Answer::Script(Some(Arc::clone(script))),
        Ask::Listed { values, .. } => Answer::Text(values.first().cloned()),
        _ => Answer::Flag(true),
    }
}

/// The laws are about scripts, not about faults.
#[test]
fn the_commands_are_scripts() {
    for command in COMMANDS {
        let text = format!("{HEAD}{command}");
        let compiled = Script::compile("self", text.as_bytes(), &Limits::HOUSE);
        assert!(compiled.is_ok(), "{command}: {compiled:?}");
    }
}

/// Any text is a script or has faults; any script ends, within its limits, with something done.
#[test]
fn every_script_ends_within_its_limits() {
    let law = |(text, letter): (String, Vec<u8>)| {
        let script = match Script::compile("self", text.as_bytes(), &Limits::HOUSE) {
            Ok(script) => Arc::new(script),
            Err(faults) => {
                prop_assert!(!faults.is_empty() && faults.len() <= Limits::HOUSE.faults_max);
                return Ok(());
            }
        };
        let mut limits = Limits::HOUSE;
        limits.steps_max = 5000;
        let world = Circumstances::new(Letter::parse(letter.into()));
        let mut run = Run::new(Arc::clone(&script), world, limits);
        let mut asks = 0;
        let outcome = loop {
            match run.step() {
                Step::Ask(ask) => {
                    asks += 1;
                    prop_assert!(asks <= limits.asks_max + 1);
                    run.answer(answer(&ask, &script));
                }
                Step::Done(outcome) => break outcome,
            }
        };
        prop_assert!(!outcome.actions.is_empty());
        prop_assert!(outcome.actions.len() <= 2 * limits.actions_max + 1);
        let redirects = outcome
            .actions
            .iter()
            .filter(|action| matches!(action.deed, Deed::Redirect(_)));
        prop_assert!(redirects.count() <= limits.redirects_max);
        if outcome.fault.is_some() {
            let kept = outcome
                .actions
                .iter()
                .all(|action| matches!(action.deed, Deed::Keep { .. }));
            prop_assert!(
                kept && outcome
                    .actions
                    .iter()
                    .all(|action| action.changed.is_none())
            );
        }
        prop_assert_eq!(run.step(), Step::Done(outcome));
        Ok(())
    };
    if let Err(error) = runner().run(&(script(), letter()), law) {
        panic!("{error}");
    }
}

/// However often a run is looked at between answers, it comes to the same.
#[test]
fn asking_again_changes_nothing() {
    let law = |(text, letter): (String, Vec<u8>)| {
        let Ok(script) = Script::compile("self", text.as_bytes(), &Limits::HOUSE) else {
            return Ok(());
        };
        let script = Arc::new(script);
        let mut limits = Limits::HOUSE;
        limits.steps_max = 50_000;
        let play = |times: usize| {
            let world = Circumstances::new(Letter::parse(letter.clone().into()));
            let mut run = Run::new(Arc::clone(&script), world, limits);
            loop {
                for _ in 1..times {
                    let _same = run.step();
                }
                match run.step() {
                    Step::Ask(ask) => run.answer(answer(&ask, &script)),
                    Step::Done(outcome) => return outcome,
                }
            }
        };
        let (once, thrice) = (play(1), play(3));
        prop_assert_eq!(once, thrice);
        Ok(())
    };
    if let Err(error) = runner().run(&(script(), letter()), law) {
        panic!("{error}");
    }
}
