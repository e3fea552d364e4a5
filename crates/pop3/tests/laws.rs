//! What holds for every conversation. `CARAMEL_LAWS` raises the number of random ones.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::num::NonZeroU32;

use pop3::command::Command;
use pop3::response::{Code, Response};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wire::dialogue::{Cut, play, record, tells};
use wire::recording::Manner;
use wire::sasl::Secret;

#[path = "made/house.rs"]
mod house;

use house::{Made, session};

fn cases() -> u32 {
    let cases = std::env::var("CARAMEL_LAWS").ok();
    cases.and_then(|cases| cases.parse().ok()).unwrap_or(2000)
}

fn runner() -> TestRunner {
    let mut config = Config::with_cases(cases());
    config.failure_persistence = None;
    TestRunner::new(config)
}

fn number() -> impl Strategy<Value = NonZeroU32> {
    prop_oneof![1..5_u32, 1..=u32::MAX].prop_map(|number| NonZeroU32::new(number).unwrap())
}

fn command() -> impl Strategy<Value = Command> {
    let simple = prop::sample::select(vec![
        Command::Capa,
        Command::Stls,
        Command::Utf8,
        Command::Lang(None),
        Command::Stat,
        Command::List(None),
        Command::Uidl(None),
        Command::Rset,
        Command::Noop,
        Command::Quit,
    ]);
    prop_oneof![
        simple,
        "[!-~]([ -~]{0,20}[!-~])?".prop_map(Command::User),
        "[ -~]{0,20}".prop_map(|password| Command::Pass(Secret(password))),
        (
            "[A-Z0-9-]{1,20}",
            prop::option::of(prop::collection::vec(any::<u8>(), 0..40))
        )
            .prop_map(|(mechanism, initial)| Command::Auth { mechanism, initial }),
        "[a-z*-]{1,8}".prop_map(|range| Command::Lang(Some(range))),
        number().prop_map(|number| Command::List(Some(number))),
        number().prop_map(|number| Command::Uidl(Some(number))),
        number().prop_map(Command::Retr),
        number().prop_map(Command::Dele),
        (number(), any::<u32>()).prop_map(|(number, lines)| Command::Top(number, lines)),
    ]
}

/// Lines a peer might send, mostly sensible.
fn line() -> impl Strategy<Value = String> {
    let login = prop::sample::select(vec![
        "C: USER ada",
        "C: PASS secret word",
        "C: AUTH PLAIN AGFkYQBzZWNyZXQgd29yZA==",
        "C: AUTH PLAIN",
        "C: AUTH LOGIN",
        "C: AGFkYQBzZWNyZXQgd29yZA==",
        "C: *",
        "C+ STLS\\r\\nNOOP\\r\\n",
        "C+ RETR 1\\r\\nRETR 2\\r\\nTOP 1 1\\r\\n",
        "C* 300 \\x00",
        "C* 1500 y\\r\\n",
        "T: 300",
        "N: 7",
        "D:",
        "CE",
    ]);
    prop_oneof![
        3 => login.prop_map(str::to_owned),
        3 => command().prop_map(|command| format!("C: {command}")),
        1 => "[ -~]{0,40}".prop_map(|text| format!("C: {text}")),
    ]
}

#[test]
fn commands_are_read_as_they_were_written() {
    let law = |command: Command| {
        let line = command.to_string();
        prop_assert_eq!(Command::parse(line.as_bytes()), Ok(command));
        Ok(())
    };
    runner().run(&command(), law).unwrap();
}

#[test]
fn responses_are_read_as_they_were_written() {
    let code = prop::option::of(prop::sample::select(vec![
        Code::InUse,
        Code::LoginDelay,
        Code::SysTemp,
        Code::SysPerm,
        Code::Auth,
        Code::Utf8,
    ]));
    let law = |(code, text): (Option<Code>, String)| {
        let response = match code {
            Some(code) => Response::because(code, text),
            None => Response::ok(text),
        };
        prop_assert_eq!(Response::parse(&response.to_string()), Some(response));
        Ok(())
    };
    runner()
        .run(&(code, "([!-Z^-~][ -~]{0,40})?"), law)
        .unwrap();
}

#[test]
fn any_dialogue_goes_alike_however_it_is_cut() {
    let scripts = (
        prop::collection::vec(line(), 0..25),
        1..60_usize,
        0..3_usize,
    );
    let law = |(lines, size, kind): (Vec<String>, usize, usize)| {
        let kind = ["# tls", "# clear", "# no tls"][kind];
        let script = format!("{kind}\n{}\n", lines.join("\n"));
        let mut house = Made::new();
        let whole = play(&mut session(&script), &mut house, &script, Cut::Lines);
        prop_assert!(!whole.contains("~ endless"), "{}", whole);
        prop_assert!(!whole.contains("Internal error"), "{}", whole);
        let mut again = Made::new();
        let cut = play(&mut session(&script), &mut again, &script, Cut::Every(size));
        // What comes behind STLS in the clear is dropped if it came with it, and only then.
        if !whole.contains("~ tls") {
            prop_assert_eq!(&cut, &whole);
            prop_assert_eq!(house.removed, again.removed);
        }
        let (mut session, mut house) = (session(&script), Made::new());
        let (cut, manner) = (Cut::Every(size), Manner::default());
        let recording = record(&mut session, &mut house, &script, cut, manner);
        prop_assert!(!tells(&recording, "secret word"), "{}", recording);
        for reply in whole.lines().filter_map(|line| line.strip_prefix("S: ")) {
            prop_assert!(reply.len() < 512, "{}", reply);
        }
        Ok(())
    };
    runner().run(&scripts, law).unwrap();
}
