//! APPEND and what it brings.

use imap::command::{Append, AppendData, AppendMessage, CatParts, LiteralHeader};
use imap::url::{MessageUrl, UrlMailbox};
use mail::{Uid, UidValidity};
use proptest::prelude::*;

use super::words::{flags, mailbox, number, number64, section, timestamp};

fn literal() -> BoxedStrategy<LiteralHeader> {
    let kind = prop::sample::select(vec![(false, false), (true, false), (true, true)]);
    (number64(), any::<bool>(), kind)
        .prop_map(|(octets, sync, (binary, utf8))| LiteralHeader {
            octets,
            sync,
            binary,
            utf8,
        })
        .boxed()
}

pub(crate) fn url() -> BoxedStrategy<MessageUrl> {
    let named = mailbox().prop_filter("no name", |name| !name.as_str().is_empty());
    let mailbox = (named, prop::option::of(number())).prop_map(|(name, validity)| UrlMailbox {
        name,
        uid_validity: validity.map(UidValidity),
    });
    let partial = prop::option::of((any::<u32>(), prop::option::of(number())));
    (prop::option::of(mailbox), number(), section(), partial)
        .prop_map(|(mailbox, uid, section, partial)| MessageUrl {
            mailbox,
            uid: Uid(uid),
            section,
            partial,
        })
        .boxed()
}

fn urls(least: usize) -> BoxedStrategy<Vec<String>> {
    let written = url().prop_map(|url| url.to_string());
    let bad = "[^\0]{0,12}".boxed();
    prop::collection::vec(prop_oneof![written, bad], least..3).boxed()
}

fn parts() -> BoxedStrategy<CatParts> {
    prop_oneof![
        (urls(0), literal().prop_map(Some)).prop_map(|(urls, text)| CatParts { urls, text }),
        urls(1).prop_map(|urls| CatParts { urls, text: None }),
    ]
    .boxed()
}

fn whole() -> BoxedStrategy<AppendData> {
    urls(1)
        .prop_map(|urls| AppendData::Catenate(CatParts { urls, text: None }))
        .boxed()
}

fn message(data: BoxedStrategy<AppendData>) -> BoxedStrategy<AppendMessage> {
    (flags(), prop::option::of(timestamp()), data)
        .prop_map(|(flags, date, data)| AppendMessage { flags, date, data })
        .boxed()
}

pub(crate) fn append() -> BoxedStrategy<Append> {
    let last = prop_oneof![
        literal().prop_map(AppendData::Literal),
        parts().prop_map(AppendData::Catenate),
    ];
    let first = prop::collection::vec(message(whole()), 0..2);
    (mailbox(), first, message(last.boxed()))
        .prop_map(|(mailbox, mut messages, last)| {
            messages.push(last);
            Append { mailbox, messages }
        })
        .boxed()
}
