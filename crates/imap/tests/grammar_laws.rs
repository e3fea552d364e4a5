//! What is written reads back as the same, and nothing that is read makes the reader fall.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::num::NonZeroU32;

use bytes::{Bytes, BytesMut};
use imap::command::{
    Append, Date, EntryType, Fetch, FetchItem, List, ListReturn, ListSelect, LiteralHeader,
    Partial, Qresync, Search, SearchKey, SearchReturn, SelectParameters, SpecialUse, StatusItem,
    Store, StoreAction,
};
use imap::response::{
    Attribute, Code, Condition, Esearch, FetchData, Listing, Namespace, Namespaces, Status,
    StatusValue,
};
use imap::{Command, MailboxName, Names, Response, SeqNumber, SequenceRange, SequenceSet, Tag};
use mail::{Flag, FlagSet, Keyword, ModSeq, Role, SeqNo, Timestamp, Uid, UidSet, UidValidity};
use message::{
    Content, Correspondent, Digest, Disposition, Outline, Parameter, Part, Section, Span, Specifier,
};
use proptest::prelude::*;
use wire::sasl::Secret;

fn config() -> ProptestConfig {
    let cases = std::env::var("CARAMEL_LAWS")
        .ok()
        .and_then(|laws| laws.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(1500),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        "[a-zA-Z0-9]{0,8}",
        "[^\0]{0,10}",
        "[ -~\r\n\"\\\\{}]{0,10}",
        Just("NIL".into())
    ]
    .boxed()
}

fn octets() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        text().prop_map(String::into_bytes),
        prop::collection::vec(1_u8.., 0..8),
    ]
    .boxed()
}

fn word() -> BoxedStrategy<String> {
    "[A-Z][A-Z0-9=-]{0,8}".boxed()
}

fn mailbox() -> BoxedStrategy<MailboxName> {
    prop_oneof![
        "[a-z/]{1,10}",
        "[^\0]{0,10}",
        "[&ä☺\u{10000}a-c ]{1,6}",
        "(?i)inbox"
    ]
    .prop_map(MailboxName::new)
    .boxed()
}

fn number() -> BoxedStrategy<NonZeroU32> {
    prop_oneof![1..20_u32, 1..=u32::MAX]
        .prop_map(|number| NonZeroU32::new(number).unwrap())
        .boxed()
}

fn number64() -> BoxedStrategy<u64> {
    prop_oneof![0..100_u64, 0..=u64::MAX / 2].boxed()
}

fn seq_number() -> BoxedStrategy<SeqNumber> {
    prop_oneof![4 => number().prop_map(SeqNumber::Number), 1 => Just(SeqNumber::Star)].boxed()
}

fn ranges(of: BoxedStrategy<SeqNumber>) -> BoxedStrategy<SequenceSet> {
    let range = (of.clone(), of).prop_map(|(from, to)| SequenceRange { from, to });
    prop::collection::vec(range, 1..4)
        .prop_map(SequenceSet::Ranges)
        .boxed()
}

fn set() -> BoxedStrategy<SequenceSet> {
    prop_oneof![5 => ranges(seq_number().boxed()), 1 => Just(SequenceSet::Saved)].boxed()
}

fn plain_set() -> BoxedStrategy<SequenceSet> {
    ranges(number().prop_map(SeqNumber::Number).boxed()).boxed()
}

fn uids() -> BoxedStrategy<UidSet> {
    prop::collection::vec(number(), 1..4)
        .prop_map(|uids| uids.into_iter().map(Uid).collect())
        .boxed()
}

fn keyword() -> BoxedStrategy<Keyword> {
    "[$a-zA-Z0-9._-]{1,12}"
        .prop_map(|word| Keyword::parse(&word).unwrap())
        .boxed()
}

fn flags() -> BoxedStrategy<FlagSet> {
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

fn flag() -> BoxedStrategy<Flag> {
    prop_oneof![
        prop::sample::select(Flag::SYSTEM.to_vec()),
        keyword().prop_map(Flag::Keyword),
    ]
    .boxed()
}

fn timestamp() -> BoxedStrategy<Timestamp> {
    (0..250_000_000_000_i64, -1439..1440_i16)
        .prop_map(|(seconds, zone_minutes)| Timestamp {
            seconds,
            zone_minutes,
        })
        .boxed()
}

fn modseq() -> BoxedStrategy<ModSeq> {
    number64().prop_map(ModSeq).boxed()
}

fn object_id() -> BoxedStrategy<String> {
    "[A-Za-z0-9_-]{1,20}".boxed()
}

fn status_items() -> BoxedStrategy<Vec<StatusItem>> {
    let all = vec![
        StatusItem::Messages,
        StatusItem::Recent,
        StatusItem::UidNext,
        StatusItem::UidValidity,
        StatusItem::Unseen,
        StatusItem::Deleted,
        StatusItem::Size,
        StatusItem::HighestModSeq,
        StatusItem::MailboxId,
    ];
    prop::sample::subsequence(all, 1..9).boxed()
}

fn part_numbers(least: usize) -> BoxedStrategy<Vec<u32>> {
    prop::collection::vec(number().prop_map(NonZeroU32::get), least..4).boxed()
}

fn section() -> BoxedStrategy<Section> {
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

fn partial() -> BoxedStrategy<Option<Partial>> {
    let partial = (number64(), number64()).prop_map(|(offset, octets)| Partial {
        offset,
        octets: octets.max(1),
    });
    prop::option::of(partial).boxed()
}

fn fetch_item() -> BoxedStrategy<FetchItem> {
    prop_oneof![
        prop::sample::select(vec![
            FetchItem::Envelope,
            FetchItem::Flags,
            FetchItem::InternalDate,
            FetchItem::Rfc822Size,
            FetchItem::Rfc822,
            FetchItem::Rfc822Header,
            FetchItem::Rfc822Text,
            FetchItem::Body,
            FetchItem::BodyStructure,
            FetchItem::Uid,
            FetchItem::ModSeq,
            FetchItem::EmailId,
            FetchItem::ThreadId,
            FetchItem::SaveDate,
        ]),
        (section(), partial(), any::<bool>()).prop_map(|(section, partial, peek)| {
            FetchItem::BodySection {
                section,
                partial,
                peek,
            }
        }),
        (part_numbers(0), partial(), any::<bool>()).prop_map(|(part, partial, peek)| {
            FetchItem::Binary {
                part,
                partial,
                peek,
            }
        }),
        part_numbers(0).prop_map(FetchItem::BinarySize),
    ]
    .boxed()
}

fn date() -> BoxedStrategy<Date> {
    (0..10_000_u16, 1..13_u8, 1..29_u8)
        .prop_map(|(year, month, day)| Date { year, month, day })
        .boxed()
}

fn search_key() -> BoxedStrategy<SearchKey> {
    let entry = prop::sample::select(vec![EntryType::Private, EntryType::Shared, EntryType::All]);
    let leaf = prop_oneof![
        prop::sample::select(vec![
            SearchKey::All,
            SearchKey::New,
            SearchKey::Old,
            SearchKey::Recent
        ]),
        flag().prop_map(SearchKey::Has),
        flag().prop_map(SearchKey::Lacks),
        set().prop_map(SearchKey::Sequence),
        set().prop_map(SearchKey::Uid),
        (date(), 0..6_u8).prop_map(|(date, which)| match which {
            0 => SearchKey::Before(date),
            1 => SearchKey::On(date),
            2 => SearchKey::Since(date),
            3 => SearchKey::SentBefore(date),
            4 => SearchKey::SentOn(date),
            _ => SearchKey::SentSince(date),
        }),
        number().prop_map(|time| SearchKey::Older(time.get())),
        number().prop_map(|time| SearchKey::Younger(time.get())),
        number64().prop_map(SearchKey::Larger),
        number64().prop_map(SearchKey::Smaller),
        (text(), 0..7_u8).prop_map(|(text, which)| match which {
            0 => SearchKey::Bcc(text),
            1 => SearchKey::Cc(text),
            2 => SearchKey::From(text),
            3 => SearchKey::To(text),
            4 => SearchKey::Subject(text),
            5 => SearchKey::Body(text),
            _ => SearchKey::Text(text),
        }),
        (text(), text()).prop_map(|(name, text)| SearchKey::Header(name, text)),
        (prop::option::of((text(), entry)), modseq())
            .prop_map(|(entry, modseq)| SearchKey::ModSeq { entry, modseq }),
        object_id().prop_map(SearchKey::EmailId),
        object_id().prop_map(SearchKey::ThreadId),
    ];
    leaf.prop_recursive(4, 24, 4, |key| {
        prop_oneof![
            prop::collection::vec(key.clone(), 2..4).prop_map(SearchKey::And),
            key.clone().prop_map(|key| SearchKey::Not(Box::new(key))),
            (key.clone(), key)
                .prop_map(|(one, other)| { SearchKey::Or(Box::new(one), Box::new(other)) }),
        ]
    })
    .boxed()
}

fn search() -> BoxedStrategy<Search> {
    let returning = any::<[bool; 5]>().prop_map(|[min, max, all, count, save]| SearchReturn {
        min,
        max,
        all: all || !(min || max || count || save),
        count,
        save,
    });
    let charset = prop::sample::select(vec!["UTF-8".to_owned(), "US-ASCII".to_owned()]);
    let parts = (
        any::<bool>(),
        prop::option::of(returning),
        prop::option::of(charset),
        search_key(),
    );
    parts
        .prop_map(|(uid, returning, charset, key)| Search {
            uid,
            returning,
            charset,
            key,
        })
        .boxed()
}

fn select_parameters() -> BoxedStrategy<SelectParameters> {
    let qresync = (
        number(),
        modseq(),
        prop::option::of(plain_set()),
        prop::option::of((plain_set(), plain_set())),
    );
    let qresync = qresync.prop_map(|(validity, modseq, known_uids, matches)| Qresync {
        uid_validity: UidValidity(validity),
        modseq,
        known_uids,
        matches,
    });
    (any::<bool>(), prop::option::of(qresync))
        .prop_map(|(condstore, qresync)| SelectParameters { condstore, qresync })
        .boxed()
}

fn list() -> BoxedStrategy<List> {
    let select =
        any::<[bool; 4]>().prop_map(|[subscribed, remote, recursive, special_use]| ListSelect {
            subscribed,
            remote,
            recursive_match: recursive && (subscribed || special_use),
            special_use,
        });
    let status = prop::option::of(status_items()).prop_map(Option::unwrap_or_default);
    let returning =
        (any::<[bool; 3]>(), status).prop_map(|([subscribed, children, special_use], status)| {
            ListReturn {
                subscribed,
                children,
                special_use,
                status,
            }
        });
    let pattern = || "[^\0]{0,6}[*%]?";
    let parts = (
        select,
        pattern(),
        prop::collection::vec(pattern(), 1..3),
        returning,
        any::<bool>(),
    );
    parts
        .prop_map(|(select, reference, patterns, returning, extended)| List {
            extended: extended
                || patterns.len() > 1
                || select != ListSelect::default()
                || returning != ListReturn::default(),
            select,
            reference,
            patterns,
            returning,
        })
        .boxed()
}

fn special_use() -> BoxedStrategy<SpecialUse> {
    prop_oneof![
        prop::sample::select(Role::ALL.to_vec()).prop_map(SpecialUse::Role),
        Just(SpecialUse::Unknown("Shelf".to_owned())),
    ]
    .boxed()
}

fn append() -> BoxedStrategy<Append> {
    let literal = (number64(), any::<bool>(), any::<bool>());
    let parts = (mailbox(), flags(), prop::option::of(timestamp()), literal);
    parts
        .prop_map(|(mailbox, flags, date, (octets, sync, binary))| Append {
            mailbox,
            flags,
            date,
            literal: LiteralHeader {
                octets,
                sync,
                binary,
            },
        })
        .boxed()
}

fn store() -> BoxedStrategy<Store> {
    let action = prop::sample::select(vec![
        StoreAction::Replace,
        StoreAction::Add,
        StoreAction::Remove,
    ]);
    let parts = (
        any::<[bool; 2]>(),
        set(),
        prop::option::of(modseq()),
        action,
        flags(),
    );
    parts
        .prop_map(
            |([uid, silent], set, unchanged_since, action, flags)| Store {
                uid,
                set,
                unchanged_since,
                action,
                silent,
                flags,
            },
        )
        .boxed()
}

fn fetch() -> BoxedStrategy<Fetch> {
    let parts = (
        any::<[bool; 2]>(),
        set(),
        prop::collection::vec(fetch_item(), 1..4),
        prop::option::of(modseq()),
    );
    parts
        .prop_map(|([uid, vanished], set, items, changed_since)| Fetch {
            uid,
            set,
            items,
            vanished: vanished && uid && changed_since.is_some(),
            changed_since,
        })
        .boxed()
}

fn on_mailboxes() -> BoxedStrategy<Command> {
    prop_oneof![
        (mailbox(), select_parameters()).prop_map(|(mailbox, parameters)| Command::Select {
            mailbox,
            parameters
        }),
        (mailbox(), select_parameters()).prop_map(|(mailbox, parameters)| Command::Examine {
            mailbox,
            parameters
        }),
        (mailbox(), prop::collection::vec(special_use(), 0..3)).prop_map(
            |(mailbox, special_use)| Command::Create {
                mailbox,
                special_use
            }
        ),
        mailbox().prop_map(Command::Delete),
        (mailbox(), mailbox()).prop_map(|(from, to)| Command::Rename { from, to }),
        mailbox().prop_map(Command::Subscribe),
        mailbox().prop_map(Command::Unsubscribe),
        list().prop_map(Command::List),
        ("[^\0]{0,6}", "[^\0]{0,6}[*%]?")
            .prop_map(|(reference, pattern)| Command::Lsub { reference, pattern }),
        (mailbox(), status_items()).prop_map(|(mailbox, items)| Command::Status { mailbox, items }),
        append().prop_map(Command::Append),
        (any::<bool>(), set(), mailbox()).prop_map(|(uid, set, mailbox)| Command::Copy {
            uid,
            set,
            mailbox
        }),
        (any::<bool>(), set(), mailbox()).prop_map(|(uid, set, mailbox)| Command::Move {
            uid,
            set,
            mailbox
        }),
    ]
    .boxed()
}

fn command() -> BoxedStrategy<Command> {
    let initial = prop::collection::vec(any::<u8>(), 0..20);
    prop_oneof![
        1 => prop::sample::select(vec![
            Command::Capability,
            Command::Noop,
            Command::Logout,
            Command::StartTls,
            Command::Namespace,
            Command::Idle,
            Command::Check,
            Command::Close,
            Command::Unselect,
            Command::Expunge,
        ]),
        1 => prop::collection::vec((text(), prop::option::of(text())), 0..3)
            .prop_map(Command::Id),
        1 => (word(), prop::option::of(initial))
            .prop_map(|(mechanism, initial)| Command::Authenticate { mechanism, initial }),
        1 => (text(), text())
            .prop_map(|(user, password)| Command::Login { user, password: Secret(password) }),
        1 => prop::collection::vec(word(), 1..3).prop_map(Command::Enable),
        1 => word().prop_map(Command::Compress),
        10 => on_mailboxes(),
        1 => set().prop_map(Command::UidExpunge),
        4 => search().prop_map(Command::Search),
        4 => fetch().prop_map(Command::Fetch),
        2 => store().prop_map(Command::Store),
    ]
    .boxed()
}

fn status() -> BoxedStrategy<Status> {
    let condition = prop::sample::select(vec![
        Condition::Ok,
        Condition::No,
        Condition::Bad,
        Condition::PreAuth,
        Condition::Bye,
    ]);
    (condition, prop::option::of(code()), "[a-zA-Z][ -~é]{0,12}")
        .prop_map(|(condition, code, text)| Status {
            condition,
            code,
            text: text.into(),
        })
        .boxed()
}

fn code() -> BoxedStrategy<Code> {
    prop_oneof![
        prop::sample::select(vec![
            Code::Alert,
            Code::TryCreate,
            Code::ReadWrite,
            Code::UnknownCte,
            Code::NoModSeq,
            Code::Closed,
        ]),
        (number(), uids())
            .prop_map(|(validity, uids)| Code::AppendUid(UidValidity(validity), uids)),
        (number(), uids(), uids()).prop_map(|(validity, from, to)| Code::CopyUid(
            UidValidity(validity),
            from,
            to
        )),
        prop::collection::vec(word(), 0..3).prop_map(Code::BadCharset),
        prop::collection::vec(word(), 1..3).prop_map(Code::Capability),
        modseq().prop_map(Code::HighestModSeq),
        object_id().prop_map(Code::MailboxId),
        plain_set().prop_map(Code::Modified),
        (flags(), any::<bool>()).prop_map(|(flags, star)| Code::PermanentFlags(flags, star)),
        number().prop_map(|uid| Code::UidNext(Uid(uid))),
        number().prop_map(|validity| Code::UidValidity(UidValidity(validity))),
        any::<u32>().prop_map(Code::Unseen),
        ("X[A-Z]{1,5}", prop::option::of("[a-z ]{1,9}"))
            .prop_map(|(name, rest)| Code::Other(name, rest)),
    ]
    .boxed()
}

fn listing() -> BoxedStrategy<Listing> {
    let attribute = prop_oneof![
        prop::sample::select(vec![
            Attribute::NoInferiors,
            Attribute::NoSelect,
            Attribute::NonExistent,
            Attribute::HasChildren,
            Attribute::HasNoChildren,
            Attribute::Subscribed,
            Attribute::Remote,
        ]),
        prop::sample::select(Role::ALL.to_vec()).prop_map(Attribute::Role),
        "X[a-z]{1,5}".prop_map(Attribute::Other),
    ];
    let parts = (
        prop::collection::vec(attribute, 0..4),
        prop::option::of(prop::sample::select(vec!['/', '.', '\\', '"', ' '])),
        mailbox(),
        prop::option::of(mailbox()),
        any::<bool>(),
    );
    parts
        .prop_map(
            |(attributes, delimiter, mailbox, old_name, child_info)| Listing {
                attributes,
                delimiter,
                mailbox,
                child_info: child_info
                    .then(|| "SUBSCRIBED".to_owned())
                    .into_iter()
                    .collect(),
                old_name,
            },
        )
        .boxed()
}

fn namespaces() -> BoxedStrategy<Vec<Namespace>> {
    let delimiter = prop::option::of(Just('/'));
    let namespace =
        ("[^\0]{0,5}", delimiter).prop_map(|(prefix, delimiter)| Namespace { prefix, delimiter });
    prop::collection::vec(namespace, 0..3).boxed()
}

fn status_value() -> BoxedStrategy<StatusValue> {
    prop_oneof![
        any::<u32>().prop_map(StatusValue::Messages),
        any::<u32>().prop_map(StatusValue::Unseen),
        number().prop_map(|uid| StatusValue::UidNext(Uid(uid))),
        number().prop_map(|validity| StatusValue::UidValidity(UidValidity(validity))),
        number64().prop_map(StatusValue::Size),
        modseq().prop_map(StatusValue::HighestModSeq),
        object_id().prop_map(StatusValue::MailboxId),
    ]
    .boxed()
}

fn esearch() -> BoxedStrategy<Esearch> {
    let some = || prop::option::of(any::<u32>());
    let tag = prop::option::of("[a-z0-9]{1,5}".prop_map(|tag| Tag::new(&tag).unwrap()));
    let parts = (
        tag,
        any::<bool>(),
        (some(), some(), some()),
        prop::option::of(plain_set()),
        prop::option::of(modseq()),
    );
    parts
        .prop_map(|(tag, uid, (min, max, count), all, modseq)| Esearch {
            tag,
            uid,
            min,
            max,
            all,
            count,
            modseq,
        })
        .boxed()
}

fn correspondents() -> BoxedStrategy<Vec<Correspondent>> {
    let some = || prop::option::of(octets());
    let correspondent = prop_oneof![
        (some(), some(), octets(), octets()).prop_map(|(name, route, local, host)| {
            Correspondent::Mailbox {
                name,
                route,
                local,
                host,
            }
        }),
        octets().prop_map(Correspondent::GroupStart),
        Just(Correspondent::GroupEnd),
    ];
    prop::collection::vec(correspondent, 0..3).boxed()
}

fn digest() -> BoxedStrategy<Digest> {
    let some = || prop::option::of(octets());
    let texts = (some(), some(), some(), some());
    let lists = prop::collection::vec(correspondents(), 6);
    (texts, lists)
        .prop_map(|((date, subject, in_reply_to, message_id), mut lists)| {
            let mut next = || lists.pop().unwrap();
            Digest {
                date,
                subject,
                from: next(),
                sender: next(),
                reply_to: next(),
                to: next(),
                cc: next(),
                bcc: next(),
                in_reply_to,
                message_id,
            }
        })
        .boxed()
}

fn parameters() -> BoxedStrategy<Vec<Parameter>> {
    let parameter = ("[a-z]{1,5}", octets()).prop_map(|(name, value)| Parameter { name, value });
    prop::collection::vec(parameter, 0..3).boxed()
}

fn leaf() -> BoxedStrategy<Part> {
    let some = || prop::option::of(octets());
    let disposition = ("[a-z]{1,5}", parameters())
        .prop_map(|(kind, parameters)| Disposition { kind, parameters });
    let parts = (
        prop::sample::select(vec![("text", "plain"), ("image", "png"), ("message", "x")]),
        parameters(),
        (some(), some(), some(), some()),
        prop::option::of(disposition),
        prop::collection::vec(octets(), 0..3),
        (number64(), number64()),
    );
    parts
        .prop_map(
            |((media, subtype), parameters, texts, disposition, languages, (len, lines))| Part {
                media: media.to_owned(),
                subtype: subtype.to_owned(),
                parameters,
                id: texts.0,
                description: texts.1,
                encoding: "7bit".to_owned(),
                md5: texts.2,
                disposition,
                languages,
                location: texts.3,
                body: Span { offset: 0, len },
                lines: if media == "text" { lines } else { 0 },
                ..Part::default()
            },
        )
        .boxed()
}

fn part() -> BoxedStrategy<Part> {
    leaf()
        .prop_recursive(3, 8, 3, |part| {
            prop_oneof![
                (leaf(), prop::collection::vec(part.clone(), 1..3)).prop_map(|(leaf, parts)| {
                    Part {
                        media: "multipart".to_owned(),
                        subtype: "mixed".to_owned(),
                        parameters: leaf.parameters,
                        disposition: leaf.disposition,
                        languages: leaf.languages,
                        location: leaf.location,
                        content: Content::Multipart(parts),
                        ..Part::default()
                    }
                }),
                (leaf(), digest(), part).prop_map(|(leaf, digest, root)| Part {
                    media: "message".to_owned(),
                    subtype: "rfc822".to_owned(),
                    lines: leaf.body.len,
                    content: Content::Message(Box::new(Outline { digest, root })),
                    ..leaf
                }),
            ]
        })
        .boxed()
}

fn without_extension(mut part: Part) -> Part {
    part.md5 = None;
    part.disposition = None;
    part.languages.clear();
    part.location = None;
    match &mut part.content {
        Content::Leaf => {}
        Content::Multipart(parts) => {
            part.parameters.clear();
            *parts = parts.drain(..).map(without_extension).collect();
        }
        Content::Message(inner) => {
            inner.root = without_extension(std::mem::take(&mut inner.root));
        }
    }
    part
}

fn fetch_data() -> BoxedStrategy<FetchData> {
    let body = || prop::option::of(prop::collection::vec(any::<u8>(), 0..12).prop_map(Bytes::from));
    let origin = || prop::option::of(number64());
    prop_oneof![
        (flags(), any::<bool>()).prop_map(|(flags, recent)| FetchData::Flags(flags, recent)),
        number().prop_map(|uid| FetchData::Uid(Uid(uid))),
        timestamp().prop_map(FetchData::InternalDate),
        prop::option::of(timestamp()).prop_map(FetchData::SaveDate),
        number64().prop_map(FetchData::Size),
        modseq().prop_map(FetchData::ModSeq),
        object_id().prop_map(FetchData::EmailId),
        prop::option::of(object_id()).prop_map(FetchData::ThreadId),
        digest().prop_map(|digest| FetchData::Envelope(Box::new(digest))),
        part().prop_map(|part| FetchData::Body(Box::new(without_extension(part)))),
        part().prop_map(|part| FetchData::BodyStructure(Box::new(part))),
        (section(), origin(), body()).prop_map(|(section, origin, octets)| FetchData::Section {
            section,
            origin,
            octets
        }),
        body().prop_map(|octets| FetchData::Rfc822(Specifier::Text, octets)),
        (part_numbers(0), origin(), body()).prop_map(|(parts, origin, octets)| FetchData::Binary {
            parts,
            origin,
            octets
        }),
        (part_numbers(0), number64())
            .prop_map(|(parts, octets)| FetchData::BinarySize(parts, octets)),
    ]
    .boxed()
}

fn response() -> BoxedStrategy<Response> {
    let tag = "[a-zA-Z0-9.]{1,6}".prop_map(|tag| Tag::new(&tag).unwrap());
    prop_oneof![
        "[ -~]{0,12}".prop_map(Response::Continue),
        (tag, status())
            .prop_filter("a tagged status", |(_, status)| {
                matches!(
                    status.condition,
                    Condition::Ok | Condition::No | Condition::Bad
                )
            })
            .prop_map(|(tag, status)| Response::Tagged(tag, status)),
        status().prop_map(Response::Untagged),
        prop::collection::vec(word(), 1..4).prop_map(Response::Capability),
        prop::collection::vec(word(), 0..4).prop_map(Response::Enabled),
        prop::collection::vec((text(), prop::option::of(text())), 0..3).prop_map(Response::Id),
        listing().prop_map(Response::List),
        listing().prop_map(Response::Lsub),
        (namespaces(), namespaces(), namespaces()).prop_map(|(personal, others, shared)| {
            Response::Namespace(Namespaces {
                personal,
                others,
                shared,
            })
        }),
        (mailbox(), prop::collection::vec(status_value(), 0..4))
            .prop_map(|(mailbox, values)| Response::Status(mailbox, values)),
        flags().prop_map(Response::Flags),
        any::<u32>().prop_map(Response::Exists),
        any::<u32>().prop_map(Response::Recent),
        (
            prop::collection::vec(number().prop_map(NonZeroU32::get), 0..9),
            prop::option::of(modseq())
        )
            .prop_map(|(numbers, modseq)| Response::Search(numbers, modseq)),
        esearch().prop_map(Response::Esearch),
        number().prop_map(|seq| Response::Expunge(SeqNo(seq))),
        (any::<bool>(), uids()).prop_map(|(earlier, uids)| Response::Vanished { earlier, uids }),
        (number(), prop::collection::vec(fetch_data(), 1..4))
            .prop_map(|(seq, data)| Response::Fetch(SeqNo(seq), data)),
    ]
    .boxed()
}

fn names() -> BoxedStrategy<Names> {
    prop::sample::select(vec![Names::Utf7, Names::Utf8]).boxed()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_command_reads_back(command in command(), names in names()) {
        let tag = Tag::new("a1.]").unwrap();
        let mut frame = BytesMut::new();
        command.write(&tag, &mut frame, names);
        let read = Command::parse_as(&frame, names);
        prop_assert_eq!(read, Ok((tag, command)), "{}", String::from_utf8_lossy(&frame));
    }

    #[test]
    fn a_response_reads_back(response in response(), names in names()) {
        let mut line = BytesMut::new();
        response.write(&mut line, names);
        let frame = line.strip_suffix(b"\r\n").unwrap();
        let read = Response::parse(frame, names);
        prop_assert_eq!(read, Ok(response), "{}", String::from_utf8_lossy(frame));
    }

    #[test]
    fn a_cut_or_changed_command_is_no_trouble(
        command in command(),
        cut in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let mut frame = BytesMut::new();
        command.write(&Tag::new("t").unwrap(), &mut frame, Names::Utf7);
        let cut = cut.index(frame.len());
        let _read = Command::parse(frame.get(..cut).unwrap());
        *frame.get_mut(cut).unwrap() = octet;
        if let Ok((tag, command)) = Command::parse(&frame) {
            let mut again = BytesMut::new();
            command.write(&tag, &mut again, Names::Utf7);
            prop_assert_eq!(Command::parse(&again), Ok((tag, command)));
        }
    }

    #[test]
    fn a_cut_or_changed_response_is_no_trouble(
        response in response(),
        cut in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let mut frame = BytesMut::new();
        response.write(&mut frame, Names::Utf7);
        let cut = cut.index(frame.len());
        let _read = Response::parse(frame.get(..cut).unwrap(), Names::Utf7);
        *frame.get_mut(cut).unwrap() = octet;
        let _read = Response::parse(&frame, Names::Utf7);
    }

    #[test]
    fn any_octets_are_no_trouble(octets in prop::collection::vec(any::<u8>(), 0..60)) {
        let _command = Command::parse(&octets);
        let _response = Response::parse(&octets, Names::Utf8);
        let _command = Command::parse(&[b"a SEARCH ", octets.as_slice()].concat());
        let _response = Response::parse(&[b"* 1 FETCH (", octets.as_slice()].concat(), Names::Utf7);
    }

    #[test]
    fn a_mailbox_name_reads_back(name in "[^\0]{0,20}", names in names()) {
        let wire = names.encode(&name).into_owned();
        let read = names.decode(&wire).map(std::borrow::Cow::into_owned);
        prop_assert_eq!(read, Some(name));
        let printable = wire.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        prop_assert!(names == Names::Utf8 || printable);
    }
}
