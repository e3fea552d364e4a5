//! Any response.

use std::num::NonZeroU32;

use bytes::Bytes;
use imap::Response;
use imap::response::{
    Attribute, Code, Condition, Esearch, FetchData, ListRights, Listing, Metadata, Namespace,
    Namespaces, QuotaLimit, Status, StatusValue, Update,
};
use mail::{Role, SeqNo, Uid, UidValidity};
use message::{
    Content, Correspondent, Digest, Disposition, Member, Outline, Parameter, Part, Span, Specifier,
};
use proptest::prelude::*;

use super::appends::url;
use super::commands::partial_range;
use super::words::*;

pub(crate) fn status() -> BoxedStrategy<Status> {
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

pub(crate) fn code() -> BoxedStrategy<Code> {
    prop_oneof![
        prop::sample::select(vec![
            Code::Alert,
            Code::TryCreate,
            Code::ReadWrite,
            Code::UnknownCte,
            Code::NoModSeq,
            Code::Closed,
            Code::NotificationOverflow,
            Code::UidRequired,
        ]),
        (number(), uids())
            .prop_map(|(validity, uids)| Code::AppendUid(UidValidity(validity), uids)),
        (number(), uids(), uids()).prop_map(|(validity, from, to)| Code::CopyUid(
            UidValidity(validity),
            from,
            to
        )),
        url().prop_map(|url| Code::BadUrl(url.to_string())),
        prop::collection::vec(word(), 0..3).prop_map(Code::BadCharset),
        prop::collection::vec(word(), 1..3).prop_map(Code::Capability),
        prop::collection::vec("[A-Z][a-zA-Z]{1,9}", 1..4).prop_map(Code::BadEvent),
        number64().prop_map(Code::MetadataLongEntries),
        number64().prop_map(Code::MetadataMaxSize),
        Just(Code::MetadataNoPrivate),
        Just(Code::MetadataTooMany),
        modseq().prop_map(Code::HighestModSeq),
        (prop::option::of("[a-zA-Z0-9.]{1,5}"), in_progress()).prop_map(|(tag, (done, goal))| {
            Code::InProgress {
                tag: tag.and_then(|tag| imap::Tag::new(&tag)),
                done,
                goal,
            }
        }),
        tag().prop_map(Code::NoUpdate),
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

/// How much is done, and of how much.
fn in_progress() -> BoxedStrategy<(Option<u32>, Option<u32>)> {
    prop_oneof![
        Just((None, None)),
        any::<u32>().prop_map(|done| (Some(done), None)),
        (0..9_u32, 0..9_u32).prop_map(|(done, left)| (Some(done), Some(done + left + 1))),
    ]
    .boxed()
}

pub(crate) fn listing() -> BoxedStrategy<Listing> {
    let attribute = prop_oneof![
        prop::sample::select(vec![
            Attribute::NoInferiors,
            Attribute::NoSelect,
            Attribute::NonExistent,
            Attribute::NoAccess,
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

pub(crate) fn namespaces() -> BoxedStrategy<Vec<Namespace>> {
    let delimiter = prop::option::of(Just('/'));
    let namespace =
        ("[^\0]{0,5}", delimiter).prop_map(|(prefix, delimiter)| Namespace { prefix, delimiter });
    prop::collection::vec(namespace, 0..3).boxed()
}

pub(crate) fn metadata() -> BoxedStrategy<Metadata> {
    prop_oneof![
        super::commands::noted(0).prop_map(Metadata::Values),
        prop::collection::vec(super::commands::entry(), 1..3).prop_map(Metadata::Changed),
    ]
    .boxed()
}

pub(crate) fn quota_limit() -> BoxedStrategy<QuotaLimit> {
    (super::commands::resource(), number64(), number64())
        .prop_map(|(resource, used, max)| QuotaLimit {
            resource,
            used,
            max,
        })
        .boxed()
}

pub(crate) fn status_value() -> BoxedStrategy<StatusValue> {
    prop_oneof![
        any::<u32>().prop_map(StatusValue::Messages),
        any::<u32>().prop_map(StatusValue::Unseen),
        number().prop_map(|uid| StatusValue::UidNext(Uid(uid))),
        number().prop_map(|validity| StatusValue::UidValidity(UidValidity(validity))),
        number64().prop_map(StatusValue::Size),
        number64().prop_map(StatusValue::DeletedStorage),
        modseq().prop_map(StatusValue::HighestModSeq),
        object_id().prop_map(StatusValue::MailboxId),
        prop::option::of(any::<u32>()).prop_map(StatusValue::AppendLimit),
    ]
    .boxed()
}

fn update() -> BoxedStrategy<Update> {
    let places = prop::collection::vec((any::<u32>(), plain_set()), 1..4);
    (places, any::<bool>())
        .prop_map(|(places, adds)| match adds {
            true => Update::AddTo(places),
            false => Update::RemoveFrom(places),
        })
        .boxed()
}

pub(crate) fn esearch() -> BoxedStrategy<Esearch> {
    let some = || prop::option::of(any::<u32>());
    let parts = (
        prop::option::of(tag()),
        any::<bool>(),
        (some(), some(), some()),
        prop::option::of(plain_set()),
        prop::option::of((partial_range(), prop::option::of(plain_set()))),
        prop::option::of(modseq()),
        prop::option::of((mailbox(), number())),
        prop::collection::vec(1..101_u8, 0..5),
        prop::collection::vec(update(), 0..3),
    );
    parts
        .prop_map(
            |(tag, uid, (min, max, count), all, partial, modseq, place, relevancy, updates)| {
                Esearch {
                    updates,
                    tag,
                    mailbox: place.as_ref().map(|(mailbox, _)| mailbox.clone()),
                    uid_validity: place.map(|(_, validity)| UidValidity(validity)),
                    relevancy,
                    uid,
                    min,
                    max,
                    all,
                    partial,
                    count,
                    modseq,
                }
            },
        )
        .boxed()
}

/// Threads: of each message by how much it is deeper or less deep than the one before it. A head
/// that has two children may be one that is not there.
pub(crate) fn members() -> BoxedStrategy<Vec<Member>> {
    let step = (number().prop_map(NonZeroU32::get), 0..4_u32, any::<bool>());
    prop::collection::vec(step, 0..20)
        .prop_map(|steps| {
            let mut members: Vec<Member> = Vec::new();
            for (number, less, _) in &steps {
                let deepest = members.last().map_or(0, |last| last.depth + 1);
                members.push(Member {
                    message: Some(*number),
                    depth: deepest.saturating_sub(*less),
                });
            }
            let heads: Vec<usize> = (0..members.len())
                .filter(|&at| members[at].depth == 0)
                .collect();
            for at in heads {
                let rest = members[at + 1..].iter();
                let below = rest.take_while(|member| member.depth > 0);
                let children = below.filter(|member| member.depth == 1).count();
                if children > 1 && steps[at].2 {
                    members[at].message = None;
                }
            }
            members
        })
        .boxed()
}

pub(crate) fn correspondents() -> BoxedStrategy<Vec<Correspondent>> {
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

pub(crate) fn digest() -> BoxedStrategy<Digest> {
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
                // ENVELOPE does not tell them.
                references: None,
            }
        })
        .boxed()
}

pub(crate) fn parameters() -> BoxedStrategy<Vec<Parameter>> {
    let parameter = ("[a-z]{1,5}", octets()).prop_map(|(name, value)| Parameter { name, value });
    prop::collection::vec(parameter, 0..3).boxed()
}

pub(crate) fn leaf() -> BoxedStrategy<Part> {
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

pub(crate) fn part() -> BoxedStrategy<Part> {
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

pub(crate) fn without_extension(mut part: Part) -> Part {
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

pub(crate) fn fetch_data() -> BoxedStrategy<FetchData> {
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
        prop::option::of(text()).prop_map(FetchData::Preview),
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

pub(crate) fn response() -> BoxedStrategy<Response> {
    prop_oneof![
        "[ -~]{0,12}".prop_map(Response::Continue),
        (tag(), status())
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
        (
            mailbox(),
            prop::collection::vec((identifier(), rights()), 0..3)
        )
            .prop_map(|(mailbox, acl)| Response::Acl(mailbox, acl)),
        (mailbox(), identifier(), rights(), rights()).prop_map(
            |(mailbox, identifier, required, optional)| {
                Response::ListRights(ListRights {
                    mailbox,
                    identifier,
                    required,
                    optional,
                })
            }
        ),
        (mailbox(), rights()).prop_map(|(mailbox, rights)| Response::MyRights(mailbox, rights)),
        (mailbox(), metadata()).prop_map(|(mailbox, data)| Response::Metadata(mailbox, data)),
        (text(), prop::collection::vec(quota_limit(), 0..3))
            .prop_map(|(root, limits)| Response::Quota(root, limits)),
        (mailbox(), prop::collection::vec(text(), 0..3))
            .prop_map(|(mailbox, roots)| Response::QuotaRoot(mailbox, roots)),
        flags().prop_map(Response::Flags),
        any::<u32>().prop_map(Response::Exists),
        any::<u32>().prop_map(Response::Recent),
        (
            prop::collection::vec(number().prop_map(NonZeroU32::get), 0..9),
            prop::option::of(modseq())
        )
            .prop_map(|(numbers, modseq)| Response::Search(numbers, modseq)),
        (
            prop::collection::vec(number().prop_map(NonZeroU32::get), 0..9),
            prop::option::of(modseq())
        )
            .prop_map(|(numbers, modseq)| Response::Sort(numbers, modseq)),
        members().prop_map(Response::Thread),
        esearch().prop_map(Response::Esearch),
        number().prop_map(|seq| Response::Expunge(SeqNo(seq))),
        (any::<bool>(), uids()).prop_map(|(earlier, uids)| Response::Vanished { earlier, uids }),
        fetched(),
    ]
    .boxed()
}

/// About a message, by its number or its UID.
fn fetched() -> BoxedStrategy<Response> {
    let data = prop::collection::vec(fetch_data(), 1..4);
    (number(), data, any::<bool>())
        .prop_map(|(number, data, uid)| {
            if uid {
                Response::UidFetch(Uid(number), data)
            } else {
                Response::Fetch(SeqNo(number), data)
            }
        })
        .boxed()
}
