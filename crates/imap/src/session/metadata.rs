//! GETMETADATA and SETMETADATA: notes on a mailbox, or on the server as this account sees it
//! (RFC 5464 §4.2, §4.3).
//!
//! Not here: responses nobody asked for; ENABLE METADATA turns nothing on.

use bytes::Bytes;

use super::state::Wait;
use super::{Moment, Session};
use crate::ask::{Ask, Why};
use crate::command::{Depth, EntryName, GetMetadata};
use crate::diagram::Verb;
use crate::response::{Code, Metadata, Response, Status};
use crate::{MailboxName, Tag};

impl Session {
    pub(super) fn get_metadata(&mut self, tag: Tag, get: GetMetadata) {
        let ask = Ask::Metadata {
            mailbox: place(&get.mailbox),
            entries: get
                .entries
                .iter()
                .map(|entry| entry.as_str().to_owned())
                .collect(),
            depth: match get.depth {
                Depth::Zero => Some(0),
                Depth::One => Some(1),
                Depth::Infinity => None,
            },
            octets_max: get.octets_max.map(u64::from),
        };
        self.wait(ask, Wait::Metadata(tag, Box::new(get)));
    }

    pub(super) fn take_metadata(
        &mut self,
        tag: Tag,
        get: GetMetadata,
        entries: Vec<(String, Bytes)>,
        longest: Option<u64>,
    ) {
        let mut values = values(entries);
        if get.depth == Depth::Zero && longest.is_none() {
            add_missing(&mut values, &get.entries);
        }
        if !values.is_empty() {
            self.write(&Response::Metadata(get.mailbox, Metadata::Values(values)));
        }
        let mut status = Status::ok("Done");
        if let Some(octets) = longest {
            status = status.with(Code::MetadataLongEntries(octets));
        }
        self.conclude(tag, Verb::GetMetadata, status, Moment::Free, false);
    }

    pub(super) fn set_metadata(
        &mut self,
        tag: Tag,
        mailbox: &MailboxName,
        entries: Vec<(EntryName, Option<Bytes>)>,
    ) {
        let entries = entries
            .into_iter()
            .map(|(name, value)| (name.as_str().to_owned(), value));
        let ask = Ask::SetMetadata {
            mailbox: place(mailbox),
            entries: entries.collect(),
        };
        self.wait(ask, Wait::SetMetadata(tag));
    }

    pub(super) fn metadata_refused(&mut self, tag: Tag, why: Why, status: Status) {
        let octets_max = self.policy.metadata_octets_max;
        let status = match why {
            Why::TooBig => status.with(Code::MetadataMaxSize(octets_max)),
            Why::Limit => status.with(Code::MetadataTooMany),
            // A role that there is not, or that is taken.
            // RFC 6154 §4
            Why::Cannot => status.with(Code::UseAttr),
            _ => status,
        };
        self.conclude(tag, Verb::SetMetadata, status, Moment::Free, false);
    }
}

/// Entries and their values, as they are told.
pub(super) fn values(entries: Vec<(String, Bytes)>) -> Vec<(EntryName, Option<Bytes>)> {
    let known = entries.into_iter();
    known
        .filter_map(|(name, value)| Some((EntryName::parse(&name)?, Some(value))))
        .collect()
}

/// Whoever names an entry hears that it has no value.
pub(super) fn add_missing(values: &mut Vec<(EntryName, Option<Bytes>)>, asked: &[EntryName]) {
    for entry in asked {
        if values.iter().all(|(name, _)| name != entry) {
            values.push((entry.clone(), None));
        }
    }
}

/// The mailbox's name; none for the server.
fn place(mailbox: &MailboxName) -> Option<String> {
    let name = mailbox.as_str();
    (!name.is_empty()).then(|| name.to_owned())
}
