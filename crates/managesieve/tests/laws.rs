//! What holds for every conversation. `CARAMEL_LAWS` raises the number of random ones.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use bytes::BytesMut;
use mail::ScriptName;
use managesieve::command::Command;
use managesieve::response::{Code, Data, Line, Response};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wire::dialogue::{Cut, play, record, tells};
use wire::recording::Manner;

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

fn name() -> impl Strategy<Value = ScriptName> {
    let name = prop_oneof!["[abc]", "[ -~ä-ö]{1,20}", "[ -~]{128}"];
    name.prop_map(|name| ScriptName::parse(&name).unwrap())
}

fn script() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        "(bad|odd|keep;)[ -~\r\n]{0,30}".prop_map(String::into_bytes),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let simple = prop::sample::select(vec![
        Command::StartTls,
        Command::Logout,
        Command::Capability,
        Command::ListScripts,
        Command::SetActive(None),
        Command::Noop(None),
        Command::Unauthenticate,
    ]);
    let initial = prop::option::of(prop::collection::vec(any::<u8>(), 0..40));
    prop_oneof![
        simple,
        ("[A-Z0-9-]{1,20}", initial)
            .prop_map(|(mechanism, initial)| Command::Authenticate { mechanism, initial }),
        (name(), any::<u32>()).prop_map(|(name, octets)| Command::HaveSpace(name, octets)),
        (name(), script()).prop_map(|(name, script)| Command::PutScript(name, script.into())),
        name().prop_map(|name| Command::SetActive(Some(name))),
        name().prop_map(Command::GetScript),
        name().prop_map(Command::DeleteScript),
        (name(), name()).prop_map(|(name, new)| Command::RenameScript(name, new)),
        script().prop_map(|script| Command::CheckScript(script.into())),
        "[ -~\r\n]{0,20}".prop_map(|tag| Command::Noop(Some(tag))),
    ]
}

fn written(command: &Command) -> Vec<u8> {
    let mut out = BytesMut::new();
    command.write(&mut out);
    out.to_vec()
}

/// Lines a peer might send, mostly sensible.
fn line() -> impl Strategy<Value = String> {
    let login = prop::sample::select(vec![
        "C: AUTHENTICATE \"PLAIN\" \"AGFkYQBzZWNyZXQgd29yZA==\"",
        "C: AUTHENTICATE \"PLAIN\" \"AGFkYQBzZWNyZXQgd29yZA==\"",
        "C: AUTHENTICATE \"PLAIN\"",
        "C: AUTHENTICATE \"LOGIN\"",
        "C: \"AGFkYQBzZWNyZXQgd29yZA==\"",
        "C+ {24+}\\r\\nAGFkYQBzZWNyZXQgd29yZA==\\r\\n",
        "C: \"*\"",
        "C: {3}",
        "C+ STARTTLS\\r\\nNOOP\\r\\n",
        "C+ LISTSCRIPTS\\r\\nGETSCRIPT \"a\"\\r\\n",
        "C* 300 \\x00",
        "C* 700 y\\r\\n",
        "C: PUTSCRIPT \"a\" {900+}",
        "T: 300",
        "T: 1800",
        "D:",
        "CE",
    ]);
    let said = |command: Command| {
        let octets = written(&command);
        let escaped: String = octets
            .iter()
            .map(|octet| format!("\\x{octet:02x}"))
            .collect();
        format!("C+ {escaped}\\r\\n")
    };
    prop_oneof![
        3 => login.prop_map(str::to_owned),
        5 => command().prop_map(said),
        1 => "[ -~]{0,40}".prop_map(|text| format!("C: {text}")),
    ]
}

#[test]
fn commands_are_read_as_they_were_written() {
    let law = |command: Command| {
        prop_assert_eq!(Command::parse(&written(&command)), Ok(command));
        Ok(())
    };
    runner().run(&command(), law).unwrap();
}

#[test]
fn lines_of_a_server_are_read_as_they_were_written() {
    let code = prop::option::of(prop_oneof![
        Just(Code::Quota),
        Just(Code::QuotaMaxSize),
        Just(Code::Active),
        Just(Code::Warnings),
        "[ -~\r\n]{0,20}".prop_map(Code::Tag),
        "[a-zA-Z0-9+/=]{0,20}".prop_map(Code::Sasl),
    ]);
    let response = (0..3_usize, code, "[ -~ä\r\n]{0,40}").prop_map(|(kind, code, text)| {
        let make = [Response::ok, Response::no, Response::bye][kind];
        let response = make(text);
        Line::Response(match code {
            Some(code) => response.because(code),
            None => response,
        })
    });
    let value = prop::option::of("[ -~]{0,20}");
    let data = (script(), value, any::<bool>()).prop_map(|(text, value, is_active)| {
        let is_active = is_active && value.is_none();
        Line::Data(Data {
            text: text.into(),
            value,
            is_active,
        })
    });
    let law = |line: Line| {
        let mut out = BytesMut::new();
        match &line {
            Line::Data(data) => data.write(&mut out),
            Line::Response(response) => response.write(&mut out),
        }
        let read = out.strip_suffix(b"\r\n").and_then(Line::parse);
        prop_assert_eq!(read, Some(line));
        Ok(())
    };
    runner().run(&prop_oneof![response, data], law).unwrap();
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
        // What comes behind STARTTLS in the clear is dropped if it came with it, and only then.
        if !whole.contains("~ tls") {
            prop_assert_eq!(&cut, &whole);
            prop_assert_eq!(house.scripts, again.scripts);
        }
        let (mut session, mut house) = (session(&script), Made::new());
        let manner = Manner {
            literals: true,
            ..Manner::default()
        };
        let recording = record(&mut session, &mut house, &script, Cut::Every(size), manner);
        prop_assert!(!tells(&recording, "secret word"), "{}", recording);
        Ok(())
    };
    runner().run(&scripts, law).unwrap();
}
