//! Any command.

use bytes::Bytes;
use imap::Command;
use imap::command::{
    Date, Depth, EntryName, EntryType, Event, EventGroup, Fetch, FetchItem, GetMetadata, List,
    ListReturn, ListSelect, MailboxFilter, MultiSearch, Notify, Partial, PartialRange, Qresync,
    Replace, Resource, RightsChange, Search, SearchKey, SearchReturn, SelectParameters, Sort,
    SortCriterion, SortKey, Source, SpecialUse, Store, StoreAction, Thread, Threading,
};
use mail::{Role, UidValidity};
use message::SortText;
use proptest::prelude::*;
use wire::sasl::Secret;

use super::appends::append;
use super::words::*;

pub(crate) fn partial() -> BoxedStrategy<Option<Partial>> {
    let partial = (number64(), number64()).prop_map(|(offset, octets)| Partial {
        offset,
        octets: octets.max(1),
    });
    prop::option::of(partial).boxed()
}

pub(crate) fn fetch_item() -> BoxedStrategy<FetchItem> {
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
        any::<bool>().prop_map(|lazy| FetchItem::Preview { lazy }),
    ]
    .boxed()
}

/// Any NOTIFY.
pub(crate) fn notify() -> BoxedStrategy<Notify> {
    let event = prop_oneof![
        prop::collection::vec(fetch_item(), 0..3).prop_map(Event::MessageNew),
        prop::sample::select(vec![
            Event::MessageExpunge,
            Event::FlagChange,
            Event::AnnotationChange,
            Event::MailboxName,
            Event::SubscriptionChange,
            Event::MailboxMetadataChange,
            Event::ServerMetadataChange,
        ]),
        "X[a-zA-Z]{1,5}".prop_map(Event::Other),
    ];
    let mailboxes = || prop::collection::vec(mailbox(), 1..4);
    let filter = prop_oneof![
        prop::sample::select(vec![
            MailboxFilter::Selected,
            MailboxFilter::SelectedDelayed,
            MailboxFilter::Inboxes,
            MailboxFilter::Personal,
            MailboxFilter::Subscribed,
        ]),
        mailboxes().prop_map(MailboxFilter::Subtree),
        mailboxes().prop_map(MailboxFilter::Mailboxes),
    ];
    let group = (filter, prop::collection::vec(event, 0..4))
        .prop_map(|(filter, events)| EventGroup { filter, events });
    prop_oneof![
        1 => Just(Notify::None),
        9 => (any::<bool>(), prop::collection::vec(group, 1..4))
            .prop_map(|(status, groups)| Notify::Set { status, groups }),
    ]
    .boxed()
}

pub(crate) fn date() -> BoxedStrategy<Date> {
    (0..10_000_u16, 1..13_u8, 1..29_u8)
        .prop_map(|(year, month, day)| Date { year, month, day })
        .boxed()
}

pub(crate) fn search_key() -> BoxedStrategy<SearchKey> {
    let entry = prop::sample::select(vec![EntryType::Private, EntryType::Shared, EntryType::All]);
    let leaf = prop_oneof![
        prop::sample::select(vec![
            SearchKey::All,
            SearchKey::New,
            SearchKey::Old,
            SearchKey::Recent,
            SearchKey::SaveDateSupported
        ]),
        flag().prop_map(SearchKey::Has),
        flag().prop_map(SearchKey::Lacks),
        set().prop_map(SearchKey::Sequence),
        set().prop_map(SearchKey::Uid),
        (date(), 0..9_u8).prop_map(|(date, which)| match which {
            0 => SearchKey::Before(date),
            1 => SearchKey::On(date),
            2 => SearchKey::Since(date),
            3 => SearchKey::SentBefore(date),
            4 => SearchKey::SentOn(date),
            5 => SearchKey::SavedBefore(date),
            6 => SearchKey::SavedOn(date),
            7 => SearchKey::SavedSince(date),
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
            key.clone().prop_map(|key| SearchKey::Fuzzy(Box::new(key))),
            (key.clone(), key)
                .prop_map(|(one, other)| { SearchKey::Or(Box::new(one), Box::new(other)) }),
        ]
    })
    .boxed()
}

pub(crate) fn partial_range() -> BoxedStrategy<PartialRange> {
    (number(), number(), any::<bool>())
        .prop_map(|(from, to, from_end)| PartialRange { from, to, from_end })
        .boxed()
}

pub(crate) fn search() -> BoxedStrategy<Search> {
    let returning = (any::<[bool; 8]>(), prop::option::of(partial_range()));
    let returning = returning.prop_map(
        |([min, max, all, count, save, relevancy, context, update], partial)| {
            let some =
                min || max || count || save || relevancy || context || update || partial.is_some();
            SearchReturn {
                min,
                max,
                all: all && partial.is_none() || !some,
                count,
                save,
                partial,
                relevancy,
                context,
                update,
            }
        },
    );
    let charset = prop::sample::select(vec!["UTF-8".to_owned(), "US-ASCII".to_owned()]);
    let parts = (
        any::<bool>(),
        prop::option::of(returning),
        prop::option::of(charset),
        search_key(),
        prop::collection::vec(fetch_item(), 0..3),
    );
    parts
        .prop_map(|(uid, returning, charset, key, newcomers)| Search {
            uid,
            returning,
            charset,
            key,
            newcomers: match returning {
                Some(returning) if returning.update => newcomers,
                _ => Vec::new(),
            },
        })
        .boxed()
}

pub(crate) fn multi_search() -> BoxedStrategy<MultiSearch> {
    let named = (prop::collection::vec(mailbox(), 1..3), 0..3_u8);
    let source = prop_oneof![
        prop::sample::select(vec![
            Source::Selected,
            Source::Inboxes,
            Source::Personal,
            Source::Subscribed,
        ]),
        named.prop_map(|(names, which)| match which {
            0 => Source::Subtree(names),
            1 => Source::SubtreeOne(names),
            _ => Source::Mailboxes(names),
        }),
    ];
    (prop::collection::vec(source, 0..4), search())
        .prop_map(|(sources, search)| MultiSearch {
            sources,
            search: Search {
                uid: true,
                ..search
            },
        })
        .boxed()
}

pub(crate) fn sort() -> BoxedStrategy<Sort> {
    let key = prop_oneof![
        prop::sample::select(vec![
            SortKey::Arrival,
            SortKey::Date,
            SortKey::Size,
            SortKey::Relevancy
        ]),
        prop::sample::select(vec![
            SortText::Cc,
            SortText::From,
            SortText::Subject,
            SortText::To,
            SortText::DisplayFrom,
            SortText::DisplayTo,
        ])
        .prop_map(SortKey::Text),
    ];
    let criterion = (key, any::<bool>()).prop_map(|(key, reverse)| SortCriterion { key, reverse });
    (prop::collection::vec(criterion, 1..5), search())
        .prop_map(|(criteria, search)| Sort {
            criteria,
            search: with_charset(search),
        })
        .boxed()
}

pub(crate) fn thread() -> BoxedStrategy<Thread> {
    let threading = vec![
        Threading::OrderedSubject,
        Threading::References,
        Threading::Refs,
    ];
    (prop::sample::select(threading), search())
        .prop_map(|(threading, search)| Thread {
            threading,
            search: Search {
                returning: None,
                newcomers: Vec::new(),
                ..with_charset(search)
            },
        })
        .boxed()
}

fn with_charset(search: Search) -> Search {
    let charset = search.charset.or_else(|| Some("UTF-8".to_owned()));
    Search { charset, ..search }
}

pub(crate) fn select_parameters() -> BoxedStrategy<SelectParameters> {
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

pub(crate) fn list() -> BoxedStrategy<List> {
    let select =
        any::<[bool; 4]>().prop_map(|[subscribed, remote, recursive, special_use]| ListSelect {
            subscribed,
            remote,
            recursive_match: recursive && (subscribed || special_use),
            special_use,
        });
    let status = prop::option::of(status_items()).prop_map(Option::unwrap_or_default);
    let metadata = prop::collection::vec(entry(), 0..3);
    let returning = (any::<[bool; 4]>(), status, metadata).prop_map(
        |([subscribed, children, special_use, my_rights], status, metadata)| ListReturn {
            subscribed,
            children,
            special_use,
            my_rights,
            status,
            metadata,
        },
    );
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

pub(crate) fn special_use() -> BoxedStrategy<SpecialUse> {
    prop_oneof![
        prop::sample::select(Role::ALL.to_vec()).prop_map(SpecialUse::Role),
        Just(SpecialUse::Unknown("Shelf".to_owned())),
    ]
    .boxed()
}

pub(crate) fn resource() -> BoxedStrategy<Resource> {
    prop_oneof![
        prop::sample::select(vec![
            Resource::Storage,
            Resource::Message,
            Resource::Mailbox,
            Resource::AnnotationStorage,
        ]),
        "X[A-Z]{1,5}".prop_map(Resource::Other),
    ]
    .boxed()
}

pub(crate) fn entry() -> BoxedStrategy<EntryName> {
    "/(private|shared)/[a-z.]{1,5}(/[a-z \\\\\"]{1,5})?"
        .prop_filter_map("an entry", |name| EntryName::parse(&name))
        .prop_filter("with a value", EntryName::has_value)
        .boxed()
}

/// Entries with their values.
pub(crate) fn noted(least: usize) -> BoxedStrategy<Vec<(EntryName, Option<Bytes>)>> {
    let value = prop::collection::vec(any::<u8>(), 0..9).prop_map(Bytes::from);
    prop::collection::vec((entry(), prop::option::of(value)), least..4).boxed()
}

pub(crate) fn get_metadata() -> BoxedStrategy<GetMetadata> {
    let depth = prop::sample::select(vec![Depth::Zero, Depth::One, Depth::Infinity]);
    let parts = (
        mailbox(),
        prop::option::of(any::<u32>()),
        depth,
        prop::collection::vec(entry(), 1..4),
    );
    parts
        .prop_map(|(mailbox, octets_max, depth, entries)| GetMetadata {
            mailbox,
            octets_max,
            depth,
            entries,
        })
        .boxed()
}

pub(crate) fn store() -> BoxedStrategy<Store> {
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

pub(crate) fn fetch() -> BoxedStrategy<Fetch> {
    let parts = (
        any::<[bool; 2]>(),
        set(),
        prop::collection::vec(fetch_item(), 1..4),
        prop::option::of(modseq()),
        prop::option::of(partial_range()),
    );
    parts
        .prop_map(
            |([uid, vanished], set, items, changed_since, partial)| Fetch {
                uid,
                set,
                items,
                vanished: vanished && uid && changed_since.is_some(),
                partial: partial.filter(|_| uid),
                changed_since,
            },
        )
        .boxed()
}

/// SETACL and what else asks about rights.
fn on_rights() -> BoxedStrategy<Command> {
    prop_oneof![
        (mailbox(), identifier(), rights(), 0..3_u8).prop_map(
            |(mailbox, identifier, rights, how)| Command::SetAcl {
                mailbox,
                identifier,
                change: match how {
                    0 => RightsChange::Replace(rights),
                    1 => RightsChange::Add(rights),
                    _ => RightsChange::Remove(rights),
                },
            }
        ),
        (mailbox(), identifier()).prop_map(|(mailbox, identifier)| Command::DeleteAcl {
            mailbox,
            identifier
        }),
        mailbox().prop_map(Command::GetAcl),
        (mailbox(), identifier()).prop_map(|(mailbox, identifier)| Command::ListRights {
            mailbox,
            identifier
        }),
        mailbox().prop_map(Command::MyRights),
    ]
    .boxed()
}

pub(crate) fn on_mailboxes() -> BoxedStrategy<Command> {
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
        on_rights(),
        append().prop_map(Command::Append),
        text().prop_map(Command::GetQuota),
        mailbox().prop_map(Command::GetQuotaRoot),
        get_metadata().prop_map(Command::GetMetadata),
        notify().prop_map(Command::Notify),
        (mailbox(), noted(1))
            .prop_map(|(mailbox, entries)| Command::SetMetadata { mailbox, entries }),
        (
            text(),
            prop::collection::vec((resource(), number64()), 0..3)
        )
            .prop_map(|(root, limits)| Command::SetQuota { root, limits }),
        (any::<bool>(), seq_number(), append()).prop_map(|(uid, number, append)| {
            Command::Replace(Replace {
                uid,
                number,
                append,
            })
        }),
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

pub(crate) fn command() -> BoxedStrategy<Command> {
    let initial = prop::collection::vec(any::<u8>(), 0..20);
    prop_oneof![
        1 => prop::sample::select(vec![
            Command::Capability,
            Command::Noop,
            Command::Logout,
            Command::StartTls,
            Command::Namespace,
            Command::Unauthenticate,
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
        2 => multi_search().prop_map(Command::Esearch),
        2 => sort().prop_map(Command::Sort),
        1 => prop::collection::vec(tag(), 1..4).prop_map(Command::CancelUpdate),
        1 => thread().prop_map(Command::Thread),
        4 => fetch().prop_map(Command::Fetch),
        2 => store().prop_map(Command::Store),
    ]
    .boxed()
}
