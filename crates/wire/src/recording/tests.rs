//! What is put down, and what is not.

use std::time::Duration;

use super::*;

fn shown(text: &str) -> Event<'_> {
    Event::Heard(Heard::Shown(Bytes::copy_from_slice(text.as_bytes())))
}

fn at(seconds: u64) -> Event<'static> {
    Event::Woken(Instant(Duration::from_millis(seconds * 1000 + 700)))
}

fn put_down(manner: Manner, events: Vec<Event<'_>>) -> String {
    let mut recorder = Recorder::new(manner);
    for event in events {
        recorder.see(event);
    }
    recorder.finish()
}

#[test]
fn a_conversation_becomes_a_dialogue() {
    let manner = Manner {
        prologue: "# like this\n".to_owned(),
        ..Manner::default()
    };
    let events = vec![
        at(10),
        Event::Said(b"hello\r\nwho is"),
        Event::Said(b" there?\r\n"),
        at(11),
        shown("a\\b "),
        shown("c\r\n\r\nd\te\r\nfÃ\n"),
        Event::Said(b"OK\\ \xff\r\n+ "),
        at(13),
        Event::Moved(ModSeq(7)),
        Event::Upgraded(Upgrade::Tls),
        Event::Dismissed,
        Event::Gone,
        Event::Closed,
    ];
    let expected = "S: hello\nS: who is there?\n# like this\nT: 1\nC: a\\b c\nC:\n\
                    C+ d\\x09e\\r\\n\nC+ fÃ\\n\nS: OK\\ \\xff\nS+ + \nT: 2\nN: 7\n~ tls\nD:\nCE\n\
                    ~ close\n";
    assert_eq!(put_down(manner, events), expected);
}

#[test]
fn contents_are_left_out_or_not() {
    let octets = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let events = || {
        vec![
            shown("a APPEND box {12}\r\n"),
            Event::Said(b"+ go\r\n"),
            Event::Heard(Heard::Literal(octets("one\r\ntw"))),
            Event::Heard(Heard::Literal(octets("o{7}\r"))),
            shown("\r\n"),
            Event::Said(b"* 1 FETCH (BODY[] {9}\r\nab{5}\r"),
            Event::Said(b"\ncd {2}\r\nxy)\r\n* 2 FETCH ()\r\n"),
            Event::Heard(Heard::Text(octets(&"y".repeat(157)))),
        ]
    };
    let literals = Manner {
        literals: true,
        ..Manner::default()
    };
    let x = "x".repeat(76);
    let expected = format!(
        "C: a APPEND box {{12}}\nS: + go\n# 12 octets left out\nC* 12 x\nC:\n\
         S: * 1 FETCH (BODY[] {{9}}\nS+ <9 octets left out>\nS:  {{2}}\nS+ <2 octets left out>\n\
         S: )\nS: * 2 FETCH ()\n# 157 octets left out\nC* 1 {x}\\r\\n\nC* 1 {x}x\\r\\n\n"
    );
    assert_eq!(put_down(literals.clone(), events()), expected);
    let whole = Manner {
        bodies: true,
        ..literals
    };
    let expected = "C: a APPEND box {12}\nS: + go\nC: one\nC+ two{7}\\r\\r\\n\n\
                    S: * 1 FETCH (BODY[] {9}\nS: ab{5}\nS: cd {2}\nS: xy)\nS: * 2 FETCH ()\n";
    let y = "y".repeat(157);
    assert_eq!(put_down(whole, events()), format!("{expected}C+ {y}\n"));
}

#[test]
fn what_stands_for_lines_has_their_length() {
    for octets in (0..400).chain([10_000]) {
        let text = Bytes::from(vec![b'a'; octets]);
        let went = put_down(
            Manner::default(),
            vec![Event::Heard(Heard::Text(text)), Event::Closed],
        );
        let sent: usize = went
            .lines()
            .filter_map(crate::dialogue::sent)
            .map(|line| line.len())
            .sum();
        assert_eq!(sent, octets, "{went}");
    }
}

#[test]
fn a_challenge_and_a_message_are_not_told() {
    let events = vec![
        Event::Heard(Heard::Challenge),
        Event::Said(b"+ cj1zZWNyZXQ=\r\n+ more\r\n"),
        Event::Heard(Heard::Message),
        Event::Said(b"+OK 9 octets\r\nsecret\r\n"),
        Event::Said(b"..\r\n.\r\n+OK\r\n"),
        Event::Heard(Heard::Message),
        Event::Said(b"-ERR no\r\nplain\r\n"),
        Event::Heard(Heard::Echo(Bytes::from_static(b"secret"))),
        Event::Said(b"secrets OK\r\nsecret BAD\r\n"),
    ];
    let expected = "S: + <left-out>\nS: + more\nS: +OK 9 octets\nS+ <12 octets left out>\nS: .\n\
                    S: +OK\nS: -ERR no\nS: plain\nS: secrets OK\nS: xxxxxx BAD\n";
    assert_eq!(put_down(Manner::default(), events), expected);
}

/// Nobody knows what is being written when somebody begins to look on.
#[test]
fn midway_it_begins_when_the_session_rests() {
    let mut recorder = Recorder::midway(Manner::default());
    recorder.see(Event::Said(b"the rest of a message\r\n.\r\n"));
    recorder.see(at(1));
    recorder.see(shown("NOOP\r\n"));
    recorder.see(Event::Said(b"+OK\r\n"));
    assert_eq!(recorder.finish(), "C: NOOP\nS: +OK\n");
}

/// However long a line is, only so much of it is held back.
#[test]
fn a_line_without_end_is_not_kept() {
    let mut recorder = Recorder::new(Manner::default());
    for _ in 0..1000 {
        recorder.see(Event::Said(&[b'a'; 1000]));
        recorder.see(shown(&"b".repeat(1000)));
        assert!(recorder.heard.len() + recorder.said.len() <= 2 * LINE_OCTETS_MAX);
        assert!(recorder.take().len() <= 2 * LINE_OCTETS_MAX);
    }
}
