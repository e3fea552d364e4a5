//! Whatever a filter says, nothing breaks.

use milter::{Event, Letter, Offer, RspamdAnswer, Talk, written};
use proptest::prelude::*;

/// The packet of one kind.
fn packet(kind: u8, about: &[u8]) -> Vec<u8> {
    let len = u32::try_from(about.len() + 1).unwrap_or(u32::MAX);
    [&len.to_be_bytes()[..], &[kind], about].concat()
}

proptest! {
    #[test]
    fn any_octets_are_an_answer_or_an_error(octets: Vec<u8>, cut: prop::sample::Index) {
        let cut = cut.index(octets.len() + 1);
        let whole = {
            let mut talk = Talk::new(1000);
            talk.feed(&octets);
            talk.heard()
        };
        let mut talk = Talk::new(1000);
        let (front, rest) = octets.split_at(cut);
        talk.feed(front);
        let first = talk.heard();
        if first == Ok(None) {
            talk.feed(rest);
            prop_assert_eq!(talk.heard(), whole);
        }
    }

    #[test]
    fn any_packets_change_a_letter_within_bounds(
        packets in prop::collection::vec((prop::sample::select(&b"+2-abcdefhimpqrsty4OX"[..]),
            prop::collection::vec(prop::sample::select(&b"\0\x01<>@ab:\r\n X5.017"[..]), 0..40)),
            0..30),
    ) {
        let mut talk = Talk::new(2000);
        talk.feed(&Offer { actions: 0x1ff, steps: 0 }.packet());
        prop_assert!(talk.heard().is_ok());
        talk.say(&Event::End);
        for (kind, about) in packets {
            talk.feed(&packet(kind, &about));
        }
        while let Ok(Some(heard)) = talk.heard() {
            if let milter::Heard::Changed(changes, _) = heard {
                let octets = b"A: b\r\nC: d\r\n\r\nbody\r\n";
                let mut letter = Letter::read(octets);
                let before = letter.fields().count();
                letter.change(&changes);
                let read = Letter::read(&letter.octets());
                // What was added is as many fields as were added, and no more.
                prop_assert!(read.fields().count() <= before + changes.len());
                prop_assert_eq!(read.body(), letter.body());
                prop_assert!(letter.octets().len() < octets.len() + 4000);
                break;
            }
        }
    }

    #[test]
    fn whatever_rspamd_wants_of_a_header_is_fields_of_one_name_each(
        names in prop::collection::vec("[X:\r\n a-]{0,4}|Subject|.*", 0..6),
        values: Vec<String>,
        orders: Vec<i64>,
        action in "no action|add header|rewrite subject|.*",
    ) {
        let mut added = serde_json::Map::new();
        let mut removed = serde_json::Map::new();
        for (at, name) in names.iter().enumerate() {
            let order = orders.get(at).copied().unwrap_or_default();
            let value = values.get(at).cloned().unwrap_or_default();
            let value = serde_json::json!({ "value": value, "order": order });
            added.insert(name.clone(), value);
            removed.insert(name.clone(), order.into());
        }
        let subject = values.join("\r\n");
        let answer = serde_json::json!({
            "action": action, "subject": subject, "dkim-signature": values,
            "milter": { "add_headers": added, "remove_headers": removed },
        });
        let answer = RspamdAnswer::read(answer.to_string().as_bytes());
        let Ok(answer) = answer else { return Ok(()) };
        let mut letter = Letter::read(b"Subject: b\r\nX: d\r\n\r\nbody\r\n");
        let before = letter.fields().count();
        letter.change(&answer.changes);
        let read = Letter::read(&letter.octets());
        prop_assert!(read.fields().count() <= before + answer.changes.len());
        prop_assert_eq!(read.body(), b"body\r\n");
        prop_assert!(!answer.note().contains(['\r', '\n']));
    }

    #[test]
    fn any_octets_are_an_answer_of_rspamd_or_an_error(octets: Vec<u8>) {
        if let Ok(answer) = RspamdAnswer::read(&octets) {
            prop_assert!(answer.percent().is_none_or(|percent| percent <= 100));
        }
    }

    #[test]
    fn a_letter_comes_back_as_it_was(octets: Vec<u8>) {
        prop_assert_eq!(Letter::read(&octets).octets(), octets);
    }

    #[test]
    fn a_value_is_one_field(value: Vec<u8>) {
        let mut raw = written(b"X-A", &value);
        raw.extend_from_slice(b"\r\nbody");
        let letter = Letter::read(&raw);
        prop_assert_eq!(letter.fields().count(), 1);
        prop_assert_eq!(letter.body(), b"body");
    }
}
