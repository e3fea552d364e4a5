//! Any text, number, name and set that IMAP writes.

use std::num::NonZeroU32;

use imap::command::StatusItem;
use imap::{MailboxName, SeqNumber, SequenceRange, SequenceSet, Tag};
use mail::{Flag, FlagSet, Keyword, ModSeq, Rights, Timestamp, Uid, UidSet};
use message::{Section, Specifier};
use proptest::prelude::*;

pub(crate) fn text() -> BoxedStrategy<String> {
    prop_oneof![
        "[a-zA-Z0-9]{0,8}",
        "[^\0]{0,10}",
        "[ -~\r\n\"\\\\{}]{0,10}",
        Just("NIL".into())
    ]
    .boxed()
}

pub(crate) fn octets() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        text().prop_map(String::into_bytes),
        prop::collection::vec(1_u8.., 0..8),
    ]
    .boxed()
}

pub(crate) fn tag() -> BoxedStrategy<Tag> {
    "[a-z0-9.]{1,5}"
        .prop_map(|tag| Tag::new(&tag).unwrap())
        .boxed()
}

pub(crate) fn word() -> BoxedStrategy<String> {
    "[A-Z][A-Z0-9=-]{0,8}".boxed()
}

pub(crate) fn mailbox() -> BoxedStrategy<MailboxName> {
    prop_oneof![
        "[a-z/]{1,10}",
        "[^\0]{0,10}",
        "[&ä☺\u{10000}a-c ]{1,6}",
        "(?i)inbox"
    ]
    .prop_map(MailboxName::new)
    .boxed()
}

pub(crate) fn number() -> BoxedStrategy<NonZeroU32> {
    prop_oneof![1..20_u32, 1..=u32::MAX]
        .prop_map(|number| NonZeroU32::new(number).unwrap())
        .boxed()
}

pub(crate) fn number64() -> BoxedStrategy<u64> {
    prop_oneof![0..100_u64, 0..=u64::MAX / 2].boxed()
}

pub(crate) fn seq_number() -> BoxedStrategy<SeqNumber> {
    prop_oneof![4 => number().prop_map(SeqNumber::Number), 1 => Just(SeqNumber::Star)].boxed()
}

pub(crate) fn ranges(of: BoxedStrategy<SeqNumber>) -> BoxedStrategy<SequenceSet> {
    let range = (of.clone(), of).prop_map(|(from, to)| SequenceRange { from, to });
    prop::collection::vec(range, 1..4)
        .prop_map(SequenceSet::Ranges)
        .boxed()
}

pub(crate) fn set() -> BoxedStrategy<SequenceSet> {
    prop_oneof![5 => ranges(seq_number().boxed()), 1 => Just(SequenceSet::Saved)].boxed()
}

pub(crate) fn plain_set() -> BoxedStrategy<SequenceSet> {
    ranges(number().prop_map(SeqNumber::Number).boxed()).boxed()
}

pub(crate) fn uids() -> BoxedStrategy<UidSet> {
    prop::collection::vec(number(), 1..4)
        .prop_map(|uids| uids.into_iter().map(Uid).collect())
        .boxed()
}

pub(crate) fn keyword() -> BoxedStrategy<Keyword> {
    "[$a-zA-Z0-9._-]{1,12}"
        .prop_map(|word| Keyword::parse(&word).unwrap())
        .boxed()
}

pub(crate) fn flags() -> BoxedStrategy<FlagSet> {
    (0..32_u8, prop::collection::vec(keyword(), 0..3))
        .prop_map(|(bits, keywords)| {
            let mut flags = FlagSet::from_system_bits(bits);
            keywords
                .into_iter()
                .for_each(|keyword| flags.insert(Flag::Keyword(keyword)));
            flags
        })
        .boxed()
}

pub(crate) fn flag() -> BoxedStrategy<Flag> {
    prop_oneof![
        prop::sample::select(Flag::SYSTEM.to_vec()),
        keyword().prop_map(Flag::Keyword),
    ]
    .boxed()
}

pub(crate) fn timestamp() -> BoxedStrategy<Timestamp> {
    (0..250_000_000_000_i64, -1439..1440_i16)
        .prop_map(|(seconds, zone_minutes)| Timestamp {
            seconds,
            zone_minutes,
        })
        .boxed()
}

pub(crate) fn modseq() -> BoxedStrategy<ModSeq> {
    number64().prop_map(ModSeq).boxed()
}

pub(crate) fn object_id() -> BoxedStrategy<String> {
    "[A-Za-z0-9_-]{1,20}".boxed()
}

pub(crate) fn status_items() -> BoxedStrategy<Vec<StatusItem>> {
    let all = vec![
        StatusItem::Messages,
        StatusItem::Recent,
        StatusItem::UidNext,
        StatusItem::UidValidity,
        StatusItem::Unseen,
        StatusItem::Deleted,
        StatusItem::Size,
        StatusItem::HighestModSeq,
        StatusItem::AppendLimit,
        StatusItem::MailboxId,
    ];
    prop::sample::subsequence(all, 1..9).boxed()
}

pub(crate) fn part_numbers(least: usize) -> BoxedStrategy<Vec<u32>> {
    prop::collection::vec(number().prop_map(NonZeroU32::get), least..4).boxed()
}

pub(crate) fn section() -> BoxedStrategy<Section> {
    let fields = || prop::collection::vec("[^\0]{0,6}", 1..3);
    let specifier = prop_oneof![
        Just(Specifier::All),
        Just(Specifier::Header),
        fields().prop_map(Specifier::HeaderFields),
        fields().prop_map(Specifier::HeaderFieldsNot),
        Just(Specifier::Text),
    ];
    prop_oneof![
        4 => (part_numbers(0), specifier)
            .prop_map(|(parts, specifier)| Section { parts, specifier }),
        1 => part_numbers(1).prop_map(|parts| Section { parts, specifier: Specifier::Mime }),
    ]
    .boxed()
}

pub(crate) fn identifier() -> BoxedStrategy<String> {
    "-?[a-zé@. ]{1,8}".boxed()
}

pub(crate) fn rights() -> BoxedStrategy<Rights> {
    any::<u16>().prop_map(Rights::from_bits).boxed()
}
