//! What an account takes in memory: by the capacity of what holds it, not by what is in it.

use std::collections::BTreeMap;

use bytes::Bytes;
use mail::{EmailId, Keyword, MailboxId, ModSeq, Rights, ScriptName, UidSet};

use super::{Folder, Held, Ledger};
use crate::access::Grantee;
use crate::history::Known;
use crate::tables::{Entry, ScriptRow, SeenKey};

/// Octets that a small thing of its own costs besides what is in it.
const APART_OCTETS: usize = 16;

impl Ledger {
    /// How many octets of memory it takes.
    pub(crate) fn octets(&self) -> usize {
        let folders: usize = self.folders.values().map(Folder::octets).sum();
        let names: usize = self.names.keys().map(|name| text(name)).sum();
        let subscriptions: usize = self.subscriptions.iter().map(|name| text(name)).sum();
        let vanished: usize = self.vanished.iter().map(|(.., uids)| uids.octets()).sum();
        size_of::<Self>()
            + tree::<MailboxId, Folder>(self.folders.len())
            + folders
            + tree::<String, MailboxId>(self.names.len())
            + names
            + tree::<String, ()>(self.subscriptions.len())
            + subscriptions
            + tree::<MailboxId, BTreeMap<String, Bytes>>(self.metadata.len())
            + self.metadata.values().map(notes).sum::<usize>()
            + self.metadata_octets
            + tree::<ScriptName, ScriptRow>(self.scripts.len())
            + self
                .scripts
                .keys()
                .map(|name| text(name.as_str()))
                .sum::<usize>()
            + tree::<SeenKey, i64>(self.seen.len())
            + table::<EmailId, u32>(self.shared.capacity())
            + tree::<ModSeq, Known>(self.history.len())
            + tree::<(ModSeq, MailboxId), Held>(self.flag_runs.len())
            + self.vanished.capacity() * size_of::<(ModSeq, MailboxId, UidSet)>()
            + vanished
            + self.happenings.octets()
            + self.arranged.octets()
    }
}

impl Folder {
    fn octets(&self) -> usize {
        let keywords = self.row.keywords.iter();
        self.entries.capacity() * size_of::<Entry>()
            + self.sums.uids.octets()
            + text(&self.row.name)
            + self.row.keywords.capacity() * size_of::<Keyword>()
            + keywords
                .map(|keyword| text(keyword.as_str()))
                .sum::<usize>()
            + tree::<Grantee, Rights>(self.acl.len())
    }
}

fn notes(kept: &BTreeMap<String, Bytes>) -> usize {
    // The octets themselves are counted apart.
    tree::<String, Bytes>(kept.len()) + kept.len() * 2 * APART_OCTETS
}

const fn text(text: &str) -> usize {
    text.len() + APART_OCTETS
}

/// A `BTreeMap` of so many: its nodes are between half full and full.
const fn tree<K, V>(len: usize) -> usize {
    len * (size_of::<K>() + size_of::<V>()) * 3 / 2
}

/// A `HashMap` with room for so many: one slot in eight stays empty, and each has an octet more.
const fn table<K, V>(capacity: usize) -> usize {
    capacity * 8 / 7 * (size_of::<(K, V)>() + 1)
}
