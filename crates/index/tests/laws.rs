//! What must hold for all texts: the index misses nothing, merged or not, and damage is noticed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::ops::Range;

use bytes::Bytes;
use index::{
    Bits, Builder, Damaged, Document, Found, Lists, Places, Segment, conditions, is_one_run, merge,
};
use proptest::prelude::*;

/// Asks a segment as a reader of a disk would.
fn ask(octets: &[u8], needle: &str) -> Result<Bits, Damaged> {
    Ok(found(octets, needle)?.candidates)
}

fn found(octets: &[u8], needle: &str) -> Result<Found, Damaged> {
    let read = |ranges: &[Range<u64>]| -> Result<Vec<Bytes>, Damaged> {
        let piece = |range: &Range<u64>| {
            let (start, end) = (range.start.try_into().ok()?, range.end.try_into().ok()?);
            let piece: &[u8] = octets.get::<Range<usize>>(start..end)?;
            Some(Bytes::copy_from_slice(piece))
        };
        let pieces = ranges.iter().map(piece);
        pieces
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| Segment::read(&[]).unwrap_err())
    };
    let segment = Segment::read(octets)?;
    let places = Places::read(&segment, &read(&[segment.places()])?[0])?;
    let wanted = conditions(needle);
    let blocks = places.blocks(&wanted);
    let lists = Lists::choose(&places, &wanted, &blocks, &read(&blocks)?)?;
    lists.found(&read(lists.ranges())?)
}

/// Messages of some texts each; `None` is one that could not be read.
type Messages = Vec<Option<Vec<String>>>;

/// A segment of the messages, whose ids are three apart.
fn segment(first: u64, messages: &Messages) -> (Vec<u8>, Vec<u64>) {
    let mut builder = Builder::new(first);
    let mut document = Document::default();
    let mut ids = Vec::new();
    let mut id = first;
    for texts in messages {
        document.clear();
        match texts {
            None => document.unknown(),
            Some(texts) => texts.iter().for_each(|text| document.text(text)),
        }
        builder.add(id, &document, &[1; 32]);
        ids.push(id);
        id += 3;
    }
    (builder.finish(id).unwrap(), ids)
}

fn contains(texts: &Option<Vec<String>>, needle: &str) -> bool {
    texts
        .as_ref()
        .is_none_or(|texts| texts.iter().any(|text| text.contains(needle)))
}

/// Words of many scripts, so that needles are often found and often nearly.
fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("tea".to_owned()),
        Just("teas".to_owned()),
        Just("お茶を".to_owned()),
        Just("чай".to_owned()),
        Just("شاي".to_owned()),
        Just("차".to_owned()),
        Just("ชา".to_owned()),
        Just("🍵".to_owned()),
        Just("τσάι ".to_owned()),
        "[ab茶ч \u{0}]{0,6}",
        "\\PC{0,5}",
    ];
    prop::collection::vec(word, 0..8).prop_map(|words| words.concat())
}

fn messages() -> impl Strategy<Value = Messages> {
    let texts = prop::collection::vec(text(), 0..3);
    prop::collection::vec(prop::option::weighted(0.95, texts), 0..40)
}

/// A piece of one of the texts, or another text.
fn needle() -> impl Strategy<Value = (prop::sample::Index, usize, usize, Option<String>)> {
    (
        any::<prop::sample::Index>(),
        0..12_usize,
        0..6_usize,
        prop::option::weighted(0.3, text()),
    )
}

fn cut(
    messages: &Messages,
    (which, skip, take, other): &(prop::sample::Index, usize, usize, Option<String>),
) -> String {
    let texts: Vec<_> = messages.iter().flatten().flatten().collect();
    match other {
        Some(other) => other.clone(),
        None if texts.is_empty() => String::new(),
        None => which.get(&texts).chars().skip(*skip).take(*take).collect(),
    }
}

proptest! {
    #[test]
    fn no_message_is_missed(messages in messages(), needle in needle()) {
        let needle = cut(&messages, &needle);
        let (octets, ids) = segment(7, &messages);
        let found = ask(&octets, &needle).unwrap();
        for (id, texts) in ids.iter().zip(&messages) {
            let seen = found.contains(*id);
            prop_assert!(seen || !contains(texts, &needle), "{needle:?} in {texts:?}");
        }
    }

    #[test]
    fn a_run_alone_is_exact(messages in messages(), needle in needle()) {
        let (octets, ids) = segment(1, &messages);
        let cut = cut(&messages, &needle);
        let short = |count: usize| cut.chars().take(count).collect::<String>();
        for needle in ["tea", "お茶", "茶ч", "茶", &short(1), &short(2), &short(3)] {
            if !is_one_run(needle) {
                continue;
            }
            let found = found(&octets, needle).unwrap();
            prop_assert!(found.complete);
            let told = found.candidates.iter().filter(|id| !found.unknown.contains(*id));
            let meant = ids.iter().zip(&messages);
            let meant: Vec<u64> = meant
                .filter(|(_, texts)| texts.is_some() && contains(texts, needle))
                .map(|(id, _)| *id)
                .collect();
            prop_assert_eq!(told.collect::<Vec<_>>(), meant);
        }
    }

    #[test]
    fn merged_is_as_made_at_once(
        parts in prop::collection::vec(messages(), 1..5),
        gone in prop::collection::vec(any::<bool>(), 200),
        needle in needle(),
    ) {
        let mut first = 1;
        let mut sources = Vec::new();
        let mut all = Vec::new();
        for messages in &parts {
            let (octets, ids) = segment(first, messages);
            first = Segment::read(&octets).unwrap().last + 1;
            sources.push(octets);
            all.extend(ids.into_iter().zip(messages.clone()));
        }
        let mut gone = gone.into_iter();
        all.retain(|_| !gone.next().unwrap_or(false));
        let living: Vec<u64> = all.iter().map(|(id, _)| *id).collect();
        let sources: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
        let merged = merge(&sources, &living).unwrap();
        let mut builder = Builder::new(1);
        let mut document = Document::default();
        for (id, texts) in &all {
            document.clear();
            match texts {
                None => document.unknown(),
                Some(texts) => texts.iter().for_each(|text| document.text(text)),
            }
            builder.add(*id, &document, &[1; 32]);
        }
        let once = builder.finish(first - 1).unwrap();
        let (head, other) = (Segment::read(&merged).unwrap(), Segment::read(&once).unwrap());
        prop_assert_eq!((head.first, head.last, head.messages), (1, other.last, other.messages));
        prop_assert_eq!(head.octets, other.octets);
        let needle = cut(&parts.concat(), &needle);
        prop_assert_eq!(ask(&merged, &needle), ask(&once, &needle));
    }

    #[test]
    fn damage_is_noticed_or_harmless(
        messages in messages(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
        needle in needle(),
    ) {
        let needle = cut(&messages, &needle);
        let (octets, _) = segment(1, &messages);
        let whole = ask(&octets, &needle).unwrap();
        let mut damaged = octets.clone();
        damaged[at.index(octets.len())] ^= flip;
        if let Ok(found) = ask(&damaged, &needle) {
            prop_assert_eq!(&found, &whole);
        }
        prop_assert!(merge(&[&damaged], &[]).is_err());
        prop_assert!(ask(&octets[..at.index(octets.len())], &needle).is_err());
    }

    #[test]
    fn hostile_octets_are_an_error(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(ask(&octets, "tea").is_err());
        prop_assert!(merge(&[&octets], &[1]).is_err());
    }
}

/// Enough runs for many blocks, and lists long enough for some to be left unread.
#[test]
fn many_runs_are_found() {
    let text = |number: u64| format!("message number {number} {:x} end", number * 7_919 % 100_003);
    let messages: Messages = (0..20_000).map(|number| Some(vec![text(number)])).collect();
    let (octets, ids) = segment(1, &messages);
    for needle in ["number 1234 ", "end", "e", "zzz", " 7", "er 19999 "] {
        let found = ask(&octets, needle).unwrap();
        let meant = messages
            .iter()
            .filter(|texts| contains(texts, needle))
            .count();
        let missed = ids.iter().zip(&messages);
        let missed = missed.filter(|(id, texts)| contains(texts, needle) && !found.contains(**id));
        assert_eq!(missed.count(), 0, "{needle}");
        assert!(found.count() >= meant.try_into().unwrap());
        if needle.len() > 3 {
            assert!(found.count() < 200, "{needle}: {}", found.count());
        }
    }
}

/// A damaged head with a right checksum must not make anything overflow.
#[test]
fn a_forged_head_is_an_error() {
    let (octets, _) = segment(1, &vec![Some(vec!["tea for two".to_owned()])]);
    for field in (8..80).step_by(8) {
        for value in [0, 1, u64::MAX, u64::MAX - 1, 1 << 32] {
            let mut forged = octets.clone();
            forged[field..field + 8].copy_from_slice(&value.to_le_bytes());
            let sum = crc32fast::hash(&forged[..124]);
            forged[124..128].copy_from_slice(&sum.to_le_bytes());
            // Whatever it says, it says it without a panic.
            drop(ask(&forged, "tea"));
            drop(merge(&[&forged], &[1]));
        }
    }
}
