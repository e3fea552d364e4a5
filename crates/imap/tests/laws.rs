//! What holds for every conversation. `CARAMEL_LAWS` raises the number of random ones.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use imap::ask::{Answer, Ask};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wire::dialogue::{Cut, House, play, record, tells};
use wire::recording::Manner;

#[path = "made/house.rs"]
mod house;

fn runner() -> TestRunner {
    let cases = std::env::var("CARAMEL_LAWS").ok();
    let cases = cases.and_then(|cases| cases.parse().ok()).unwrap_or(2000);
    let mut config = Config::with_cases(cases);
    config.failure_persistence = None;
    TestRunner::new(config)
}

/// Results that are kept up to date.
const KEPT: &[&str] = &[
    "C: u SEARCH RETURN (UPDATE ALL) UNSEEN",
    "C: v UID SORT RETURN (UPDATE) (SUBJECT) UTF-8 NOT DELETED",
    "C: w UID SEARCH RETURN (UPDATE COUNT) UID 3:*",
    "C: x SORT RETURN (UPDATE PARTIAL 1:1) (REVERSE SIZE) UTF-8 OR SEEN 1:2",
    "C: t CANCELUPDATE \"u\" \"v\"",
];

/// Commands a peer may send.
const COMMANDS: &[&str] = &[
    "C: t NOOP",
    "C: t CHECK",
    "C: t SELECT INBOX",
    "C: t SELECT Work (CONDSTORE)",
    "C: t EXAMINE INBOX",
    "C: t SELECT Nowhere",
    "C: t CLOSE",
    "C: t UNSELECT",
    "C: t FETCH 1:* (FLAGS UID)",
    "C: t FETCH 1:* BODY[]",
    "C: t FETCH 2 (BINARY[2] BINARY.SIZE[1] BODYSTRUCTURE)",
    "C: t UID FETCH 1:* (FLAGS) (CHANGEDSINCE 3)",
    "C: t STORE 1 +FLAGS (\\Deleted)",
    "C: t STORE 1:* -FLAGS.SILENT (\\Seen $A)",
    "C: t UID STORE 1:* (UNCHANGEDSINCE 15) FLAGS (\\Deleted $B)",
    "C: t EXPUNGE",
    "C: t UID EXPUNGE 3:*",
    "C: t COPY 1:* Work",
    "C: t COPY 1 INBOX",
    "C: t MOVE 1 Work",
    "C: t UID MOVE 2:3 INBOX",
    "C: t SEARCH RETURN (SAVE COUNT) UNSEEN",
    "C: t SEARCH OR SEEN 1:2",
    "C: t UID SEARCH MODSEQ 3",
    "C: t SORT (REVERSE SUBJECT ARRIVAL) UTF-8 ALL",
    "C: t UID SORT RETURN (SAVE MIN ALL) (DATE) UTF-8 MODSEQ 3",
    "C: t THREAD REFERENCES US-ASCII ALL",
    "C: t UID THREAD ORDEREDSUBJECT UTF-8 UNSEEN",
    "C: t FETCH $ UID",
    "C: t LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN (STATUS (MESSAGES))",
    "C: t LIST \"\" * RETURN (STATUS (UNSEEN) METADATA (/private/comment))",
    "C: t LSUB \"\" %",
    "C: t STATUS INBOX (MESSAGES UIDNEXT HIGHESTMODSEQ)",
    "C: t CREATE New",
    "C: t DELETE Work",
    "C: t DELETE New",
    "C: t RENAME Work Works",
    "C: t ENABLE IMAP4rev2",
    "C: t NOTIFY NONE",
    "C: t NOTIFY SET STATUS (selected (MessageNew (UID BODY.PEEK[]) MessageExpunge)) \
     (personal (MessageNew MessageExpunge FlagChange MailboxName))",
    "C: t NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange))",
    "C: t NOTIFY SET (subscribed (SubscriptionChange)) (inboxes NONE)",
    "C: t ENABLE CONDSTORE QRESYNC",
    "C: t ENABLE UIDONLY",
    "C: t SELECT INBOX (QRESYNC (1 3 1:5))",
    "C: t SELECT INBOX (QRESYNC (1 3 1:5 (1 2)))",
    "C: t IDLE",
    "C: DONE",
    "C: t LOGOUT",
    "C: t AUTHENTICATE PLAIN",
    "C: t STARTTLS",
    "C: t LOGIN ada secret",
    "C: *",
    "C+ t APPEND INBOX {5+}\\r\\nhello\\r\\n",
    "C+ t APPEND Work (\\\\Seen) {3+}\\r\\nabc",
    "C: t APPEND Work {4}",
    "C+ t REPLACE 1 INBOX {5+}\\r\\nhello\\r\\n",
    "C+ t UID REPLACE 3 Work (\\\\Seen) {3+}\\r\\nabc",
    "C+ t APPEND Sent {8+}\\r\\nt NOOP\\r\\n\\r\\n",
    "C* 50 x",
    "C* 3000 y",
    "C: t LOGIN {5}",
    "C: t LOGIN {3000+}",
];

/// Lines a peer might send, mostly sensible.
fn line() -> impl Strategy<Value = String> {
    let commands = prop::sample::select(COMMANDS);
    let others = (100_u32..1000).prop_map(|at| format!("N: {at}"));
    let silence = (0_u32..2500).prop_map(|seconds| format!("T: {seconds}"));
    let slow = (0_u32..60, 0..9_u32).prop_map(|(seconds, far)| format!("W: {seconds} {far} 5"));
    let noise = "[ -~]{0,40}".prop_map(|text| format!("C: t {text}"));
    prop_oneof![
        20 => commands.prop_map(|command| (*command).to_owned()),
        3 => prop::sample::select(KEPT).prop_map(|command| (*command).to_owned()),
        3 => others,
        1 => silence,
        1 => slow,
        1 => Just("D:".to_owned()),
        2 => noise,
    ]
}

fn script() -> impl Strategy<Value = String> {
    let event = prop_oneof![
        Just("new INBOX"),
        Just("gone INBOX 2"),
        Just("gone INBOX 3"),
        Just("flags INBOX 5 \\Seen $X"),
        Just("new Sent"),
        Just("subscribed Sent"),
        Just("many server"),
    ];
    (
        prop::collection::vec((100_u32..1000, event), 0..6),
        any::<bool>(),
        prop::collection::vec(line(), 0..14),
    )
        .prop_map(|(mut events, select, lines)| {
            events.sort();
            // A message changes before it goes, and goes once.
            events.dedup_by_key(|(_, event)| *event);
            let mut gone = std::collections::HashSet::new();
            events.retain(|(_, event)| !event.starts_with("gone") || gone.insert(*event));
            let mut script = "# uid only\n".to_owned();
            for (at, event) in events {
                script.push_str(&format!("# at {at}: {event}\n"));
            }
            script.push_str("C: l LOGIN ada secret\n");
            if select {
                script.push_str("C: s SELECT INBOX\n");
            }
            for line in lines {
                script.push_str(&line);
                script.push('\n');
            }
            script
        })
}

fn went(script: &str, cut: Cut) -> String {
    let (mut session, mut house) = house::stage(script);
    play(&mut session, &mut house, script, cut)
}

/// A client that believes what it is told: sequence numbers must always fit, and there are none
/// any more once it has said that it wants none.
fn believe(transcript: &str) -> Result<(), TestCaseError> {
    let mut exists: Option<u32> = None;
    let mut uid_only = false;
    for line in transcript.lines() {
        let mut words = line.split(' ');
        if words.next() != Some("S:") {
            continue;
        }
        let (first, second, third) = (words.next(), words.next(), words.next());
        if first != Some("*") {
            continue;
        }
        let number = second.and_then(|number| number.parse::<u32>().ok());
        uid_only |= second == Some("ENABLED") && line.contains("UIDONLY");
        let numbered = matches!(third, Some("FETCH" | "EXPUNGE" | "[UNSEEN"));
        prop_assert!(!(uid_only && numbered), "{line} with UIDONLY\n{transcript}");
        match (third, number) {
            (Some("EXISTS"), Some(count)) => exists = Some(count),
            (Some("EXPUNGE"), Some(seq)) => {
                let count = exists.unwrap();
                prop_assert!(seq <= count, "{line} of {count}\n{transcript}");
                exists = Some(count - 1);
            }
            (Some("FETCH"), Some(seq)) => {
                let count = exists.unwrap();
                prop_assert!(seq <= count, "{line} of {count}\n{transcript}");
            }
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn nothing_a_peer_says_breaks_the_conversation() {
    let mut runner = runner();
    runner
        .run(&(script(), 1_usize..60), |(script, size)| {
            let whole = went(&script, Cut::Lines);
            prop_assert!(!whole.contains("SERVERBUG"), "{whole}");
            prop_assert!(!whole.contains("~ endless"), "{whole}");
            believe(&whole)?;
            let (mut session, mut house) = house::stage(&script);
            let (cut, manner) = (Cut::Every(size), Manner::default());
            let recording = record(&mut session, &mut house, &script, cut, manner);
            prop_assert!(!tells(&recording, "secret"), "{recording}");
            if !whole.contains("~ tls") {
                prop_assert_eq!(went(&script, Cut::Every(size)), whole);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn octets_of_any_kind_do_not_break_it() {
    let mut runner = runner();
    let octets = prop::collection::vec(
        prop::sample::select(b" \r\n\"\\{}()+*%$0123abtLOGIN\0\xff".to_vec()),
        0..200,
    );
    runner
        .run(&(octets, 1_usize..30), |(octets, size)| {
            let mut text = String::new();
            for octet in octets {
                text.push_str(&format!("\\x{octet:02x}"));
            }
            let script = format!("C: l LOGIN ada secret\nC: s SELECT INBOX\nC+ {text}\n");
            let whole = went(&script, Cut::Lines);
            prop_assert!(!whole.contains("SERVERBUG"), "{whole}");
            prop_assert_eq!(went(&script, Cut::Every(size)), whole);
            Ok(())
        })
        .unwrap();
}

/// A house where nothing works but the login.
struct Broken(house::Made, u32);

impl House<house::Visitor> for Broken {
    fn answer(&mut self, ask: Ask) -> Answer {
        self.1 += 1;
        let answer = House::<house::Visitor>::answer(&mut self.0, ask.clone());
        if matches!(ask, Ask::Sasl(_)) || !self.1.is_multiple_of(3) {
            return answer;
        }
        Answer::Refused(imap::ask::Refused {
            why: imap::ask::Why::Unavailable,
            text: "Not now".to_owned(),
        })
    }

    fn read(&mut self, range: mail::BlobRange) -> bytes::Bytes {
        House::<house::Visitor>::read(&mut self.0, range)
    }
}

#[test]
fn a_house_that_fails_now_and_then_breaks_nothing() {
    let mut runner = runner();
    runner
        .run(&script(), |script| {
            let (mut session, house) = house::stage(&script);
            let mut house = Broken(house, 0);
            let whole = play(&mut session, &mut house, &script, Cut::Lines);
            prop_assert!(!whole.contains("SERVERBUG"), "{whole}");
            prop_assert!(!whole.contains("~ endless"), "{whole}");
            Ok(())
        })
        .unwrap();
}
