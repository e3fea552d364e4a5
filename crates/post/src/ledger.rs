//! An account as it is held in memory: counters, mailboxes and the shape of their messages.
//!
//! Not here: how it changes (`draft`), when it is durable (`keeper`).

mod weight;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use mail::{EmailId, Flag, FlagSet, MailboxId, ModSeq, Role, ScriptName, Uid, UidSet};
use store::{Direction, Partition, Row, Store, Table, Version};

use crate::access::{self, Acl};
use crate::arranged::Arranged;
use crate::happenings::Happenings;
use crate::history::Known;
use crate::sums::Sums;
use crate::tables::{
    self, Counters, Entry, FlagRun, MailboxRow, Part, Remembered, ScriptRow, SeenKey,
};
use crate::{Error, Fault, Outcome, Usage, Why, row_form};

/// Removals remembered for each account, so that a client can catch up cheaply: so many changes...
pub(crate) const VANISHED_MAX: usize = 1024;
/// ... and so many runs of UIDs in all of them. Whoever was away for longer is told of every UID
/// that was given and is not there (RFC 7162 §5.3).
pub(crate) const VANISHED_RUNS_MAX: usize = 16 * 1024;
/// Keywords one mailbox can have: the bits of [`Entry::keywords`].
pub(crate) const KEYWORDS_MAX: usize = 64;
/// Rows read in one round trip while an account is loaded.
const LOAD_ROWS: usize = 2000;

/// An account in memory.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The version that the next batch builds upon.
    pub(crate) version: Version,
    /// The version that is known to be on the disk.
    pub(crate) durable: Version,
    pub(crate) counters: Counters,
    pub(crate) folders: BTreeMap<MailboxId, Folder>,
    pub(crate) names: BTreeMap<String, MailboxId>,
    pub(crate) subscriptions: BTreeSet<String>,
    /// Notes by mailbox and entry; [`crate::metadata::WHOLE`] has those on the whole account.
    pub(crate) metadata: BTreeMap<MailboxId, BTreeMap<String, Bytes>>,
    /// Octets of all notes and their entries' names.
    pub(crate) metadata_octets: usize,
    /// Filter scripts.
    pub(crate) scripts: BTreeMap<ScriptName, ScriptRow>,
    /// Until when scripts remember identifiers: seconds since 1970.
    pub(crate) seen: BTreeMap<SeenKey, i64>,
    /// Emails with more than one entry, and how many.
    pub(crate) shared: HashMap<EmailId, u32>,
    /// The operations that are remembered, by their lines.
    pub(crate) history: BTreeMap<ModSeq, Known>,
    /// What is known of all of them.
    pub(crate) remembered: Remembered,
    /// Rows of flag runs.
    pub(crate) flag_runs: BTreeMap<(ModSeq, MailboxId), Held>,
    /// By rising mod-sequence.
    pub(crate) vanished: VecDeque<(ModSeq, MailboxId, UidSet)>,
    /// What happened since it was read.
    pub(crate) happenings: Happenings,
    /// Runs of UIDs in all of them.
    pub(crate) vanished_runs: usize,
    /// Orders and threads that were made since it was read.
    pub(crate) arranged: Arranged,
}

/// What a row of flag runs is still good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// For so many entries it is the last word.
    pub(crate) entries: usize,
    /// The first that it names.
    pub(crate) low: Uid,
    /// The last.
    pub(crate) high: Uid,
}

/// A mailbox in memory.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) row: MailboxRow,
    /// `None` once all UIDs are used up.
    pub(crate) next_uid: Option<Uid>,
    /// The largest mod-sequence of any change in it.
    pub(crate) highest: ModSeq,
    /// No flags changed after this line; only messages came, or went.
    pub(crate) flagged: ModSeq,
    /// By rising UID.
    pub(crate) entries: Vec<Entry>,
    /// What they add up to.
    pub(crate) sums: Sums,
    /// What others than the owner may do.
    pub(crate) acl: Acl,
}

impl Ledger {
    /// Reads an account from the store.
    pub(crate) async fn load(store: &dyn Store, partition: Partition) -> Outcome<Self> {
        let reading = "reading an account";
        loop {
            let before = store
                .version(partition)
                .await
                .map_err(Error::reading(reading))?;
            let ledger = Self::load_rows(store, partition, before).await?;
            let after = store
                .version(partition)
                .await
                .map_err(Error::reading(reading))?;
            if before == after {
                return Ok(ledger);
            }
        }
    }

    async fn load_rows(store: &dyn Store, partition: Partition, version: Version) -> Outcome<Self> {
        let mut ledger = Self::new(version);
        let mut known = false;
        scan(store, partition, tables::COUNTERS, |row| {
            ledger.counters = Counters::read(&row.value)?;
            known = true;
            Some(())
        })
        .await?;
        if !known {
            return Err(Error::nonexistent("There is no such account"));
        }
        scan(store, partition, tables::MAILBOXES, |row| {
            let (id, row) = MailboxRow::read(&row.key, &row.value)?;
            ledger.names.insert(row.name.clone(), id);
            ledger.folders.insert(id, Folder::new(row));
            Some(())
        })
        .await?;
        scan(store, partition, tables::NEXT_UIDS, |row| {
            let (id, next) = tables::read_next_uid(&row.key, &row.value)?;
            // A row of a mailbox that is not there is the audit's affair.
            if let Some(folder) = ledger.folders.get_mut(&id) {
                folder.next_uid = next;
            }
            Some(())
        })
        .await?;
        let mut emails = Vec::new();
        let mut usage = Usage::default();
        scan(store, partition, tables::ENTRIES, |row| {
            let (id, entry) = Entry::read(&row.key, &row.value)?;
            if let Some(folder) = ledger.folders.get_mut(&id) {
                emails.push(entry.email);
                usage.add(entry.size.into());
                folder.highest = folder.highest.max(entry.modseq);
                folder.entries.push(entry);
            }
            Some(())
        })
        .await?;
        ledger.recount(partition, usage);
        ledger.load_history(store, partition, &mut emails).await?;
        ledger.shared = shared(emails);
        scan(store, partition, tables::FLAG_RUNS, |row| {
            ledger.read_flag_runs(row)
        })
        .await?;
        scan(store, partition, tables::VANISHED, |row| {
            ledger.read_vanished(row)
        })
        .await?;
        ledger.load_lists(store, partition).await?;
        for folder in ledger.folders.values_mut() {
            // What was forgotten may have been the last change of any mailbox: HIGHESTMODSEQ may
            // grow at a restart, but never shrink.
            folder.highest = folder.highest.max(ledger.counters.forgotten);
            folder.flagged = folder.highest;
            folder.entries.shrink_to_fit();
            folder.sums = Sums::of(&folder.entries);
            folder.sums.uids.shrink_to_fit();
        }
        ledger.happenings = Happenings::behind(ledger.counters.modseq);
        Ok(ledger)
    }

    fn read_vanished(&mut self, row: &Row) -> Option<()> {
        let line = tables::read_vanished(&row.key, &row.value)?;
        if let Some(folder) = self.folders.get_mut(&line.1) {
            folder.highest = folder.highest.max(line.0);
        }
        self.vanished_runs += line.2.ranges_count();
        self.vanished.push_back(line);
        Some(())
    }

    /// Reads which operations are remembered, and adds the messages they name.
    async fn load_history(
        &mut self,
        store: &dyn Store,
        partition: Partition,
        emails: &mut Vec<EmailId>,
    ) -> Outcome<()> {
        scan(store, partition, tables::HISTORY, |row| {
            let (line, deed) = tables::read_deed(&row.key, &row.value)?;
            self.history.insert(line, Known::of(&deed));
            Some(())
        })
        .await?;
        scan(store, partition, tables::GONE, |row| {
            if let Part::Removed(removed) = tables::read_part(&row.value)? {
                emails.extend(removed.entries.iter().map(|entry| entry.email));
            }
            Some(())
        })
        .await?;
        scan(store, partition, tables::REMEMBERED, |row| {
            self.remembered = tables::read_remembered(&row.value)?;
            Some(())
        })
        .await
    }

    /// Reads what is no message's: subscriptions, notes, scripts, and what others may do.
    async fn load_lists(&mut self, store: &dyn Store, partition: Partition) -> Outcome<()> {
        scan(store, partition, tables::SUBSCRIPTIONS, |row| {
            let name = std::str::from_utf8(&row.key).ok()?;
            self.subscriptions.insert(name.to_owned());
            Some(())
        })
        .await?;
        scan(store, partition, tables::METADATA, |row| {
            let (id, entry, value) = tables::read_metadata(&row.key, &row.value)?;
            self.note(id, &entry, Some(value));
            Some(())
        })
        .await?;
        scan(store, partition, tables::SCRIPTS, |row| {
            let (name, row) = ScriptRow::read(&row.key, &row.value)?;
            self.scripts.insert(name, row);
            Some(())
        })
        .await?;
        scan(store, partition, tables::SEEN, |row| {
            let (key, until) = tables::read_seen(&row.key, &row.value)?;
            self.seen.insert(key, until);
            Some(())
        })
        .await?;
        scan(store, partition, tables::ACL, |row| {
            let (id, grantee, rights) = access::read(&row.key, &row.value)?;
            if let Some(folder) = self.folders.get_mut(&id) {
                folder.acl.insert(grantee, rights);
            }
            Some(())
        })
        .await
    }

    /// Takes a row of runs, later ones behind earlier ones: a later one's word counts.
    fn read_flag_runs(&mut self, row: &Row) -> Option<()> {
        let (modseq, id, runs) = tables::read_flag_runs(&row.key, &row.value)?;
        let earlier = &mut self.flag_runs;
        let Some(folder) = self.folders.get_mut(&id) else {
            return Some(());
        };
        let held = folder.apply(modseq, &runs, |before| {
            if let Some(held) = earlier.get_mut(&(before, id)) {
                held.entries = held.entries.saturating_sub(1);
            }
        });
        self.flag_runs.insert((modseq, id), held);
        Some(())
    }

    /// An account with nothing in it.
    pub(crate) fn new(version: Version) -> Self {
        Self {
            version,
            durable: version,
            counters: Counters::default(),
            folders: BTreeMap::new(),
            names: BTreeMap::new(),
            subscriptions: BTreeSet::new(),
            metadata: BTreeMap::new(),
            metadata_octets: 0,
            scripts: BTreeMap::new(),
            seen: BTreeMap::new(),
            shared: HashMap::new(),
            history: BTreeMap::new(),
            remembered: Remembered::default(),
            flag_runs: BTreeMap::new(),
            vanished: VecDeque::new(),
            happenings: Happenings::default(),
            vanished_runs: 0,
            arranged: Arranged::default(),
        }
    }

    /// Sets a note, or removes it.
    pub(crate) fn note(&mut self, id: MailboxId, entry: &str, value: Option<Bytes>) {
        let kept = self.metadata.entry(id).or_default();
        let octets = |value: &Bytes| entry.len() + value.len();
        self.metadata_octets += value.as_ref().map_or(0, octets);
        let before = match value {
            Some(value) => kept.insert(entry.to_owned(), value),
            None => kept.remove(entry),
        };
        self.metadata_octets -= before.as_ref().map_or(0, octets);
        if kept.is_empty() {
            self.metadata.remove(&id);
        }
    }

    /// Believes what was found over what was counted.
    fn recount(&mut self, partition: Partition, found: Usage) {
        let counters = &mut self.counters;
        if counters.counted && counters.usage != found {
            tracing::warn!(
                account = partition.0,
                counted = %counters.usage,
                %found,
                "an account was counted wrong"
            );
        }
        counters.usage = found;
        counters.counted = true;
    }

    /// The mailbox with this id.
    pub(crate) fn folder(&self, id: MailboxId) -> Outcome<&Folder> {
        self.folders
            .get(&id)
            .filter(|folder| folder.row.selectable)
            .ok_or_else(|| Error::nonexistent("The mailbox is no longer there"))
    }

    /// The mailbox with this name, however its `INBOX` is written.
    pub(crate) fn find(&self, name: &str) -> Option<(MailboxId, &Folder)> {
        let name = crate::mailbox::normal_name(name);
        let id = *self.names.get(&name)?;
        Some((id, self.folders.get(&id)?))
    }

    /// The mailbox that is for this, if it can hold messages.
    pub(crate) fn of_role(&self, role: Role) -> Option<MailboxId> {
        let mut folders = self.folders.iter();
        let found = folders.find(|(_, folder)| folder.row.role == Some(role));
        found
            .filter(|(_, folder)| folder.row.selectable)
            .map(|(id, _)| *id)
    }

    /// The mailbox with this name, if it can hold messages.
    pub(crate) fn target(&self, name: &str) -> Outcome<MailboxId> {
        match self.find(name) {
            Some((id, folder)) if folder.row.selectable => Ok(id),
            Some(_) => Err(Error::cannot("This mailbox cannot hold messages")),
            None => Err(no_target()),
        }
    }
}

impl Folder {
    pub(crate) fn new(row: MailboxRow) -> Self {
        Self {
            next_uid: Some(Uid::MIN),
            highest: row.created,
            flagged: row.created,
            entries: Vec::new(),
            sums: Sums::default(),
            acl: Acl::new(),
            row,
        }
    }

    /// The entry with this UID.
    pub(crate) fn entry(&self, uid: Uid) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&uid, |entry| entry.uid);
        self.entries.get(at.ok()?)
    }

    /// Where the entry with this UID is, from `at` on; mostly it is right there.
    pub(crate) fn position(&self, at: usize, uid: Uid) -> Option<usize> {
        let behind = self.entries.get(at..)?;
        if behind.first()?.uid == uid {
            return Some(at);
        }
        let found = behind.binary_search_by_key(&uid, |entry| entry.uid);
        Some(at + found.ok()?)
    }

    /// The entries with these UIDs, by rising UID.
    pub(crate) fn among<'a>(&'a self, uids: &'a UidSet) -> impl Iterator<Item = &'a Entry> {
        self.among_above(uids, None)
    }

    /// The entries with these UIDs above `after`, by rising UID.
    pub(crate) fn among_above<'a>(
        &'a self,
        uids: &'a UidSet,
        after: Option<Uid>,
    ) -> impl Iterator<Item = &'a Entry> {
        uids.ranges().flat_map(move |range| {
            let from = self.entries.partition_point(|entry| {
                entry.uid < *range.start() || after.is_some_and(|after| entry.uid <= after)
            });
            let to = self
                .entries
                .partition_point(|entry| entry.uid <= *range.end());
            self.entries.get(from..to).unwrap_or_default()
        })
    }

    /// The entries that may be of a later line than this one: where no flags changed since then
    /// those that came, found without a look at the others.
    pub(crate) fn later_than(&self, since: ModSeq) -> &[Entry] {
        if self.highest <= since {
            return &[];
        }
        if self.flagged > since {
            return &self.entries;
        }
        let behind = self.entries.iter().rev();
        let came = behind.take_while(|entry| entry.modseq > since).count();
        self.entries
            .get(self.entries.len() - came..)
            .unwrap_or_default()
    }

    /// Sets what one change wrote as runs; tells what they are good for, and of each entry which
    /// mod-sequence it had before.
    fn apply(&mut self, modseq: ModSeq, runs: &[FlagRun], mut hides: impl FnMut(ModSeq)) -> Held {
        let mut held = 0;
        for run in runs {
            let from = self.entries.partition_point(|entry| entry.uid < run.low);
            let behind = self.entries.iter_mut().skip(from);
            for entry in behind.take_while(|entry| entry.uid <= run.high) {
                if entry.modseq < modseq {
                    hides(entry.modseq);
                    entry.system = run.system;
                    entry.keywords = run.keywords;
                    entry.modseq = modseq;
                    held += 1;
                }
            }
        }
        self.highest = self.highest.max(modseq);
        Held {
            entries: held,
            low: runs.first().map_or(Uid::MIN, |run| run.low),
            high: runs.last().map_or(Uid::MAX, |run| run.high),
        }
    }

    /// The flags of one of its entries.
    pub(crate) fn flags(&self, entry: &Entry) -> FlagSet {
        self.flags_of(entry.system, entry.keywords)
    }

    /// The flags that these bits are in this mailbox.
    pub(crate) fn flags_of(&self, system: u8, keywords: u64) -> FlagSet {
        let mut flags = FlagSet::from_system_bits(system);
        if keywords != 0 {
            for (index, keyword) in self.row.keywords.iter().enumerate() {
                if keywords & (1 << index) != 0 {
                    flags.insert(Flag::Keyword(keyword.clone()));
                }
            }
        }
        flags
    }

    /// The bits of those keywords that the mailbox knows.
    pub(crate) fn known_keywords(&self, flags: &FlagSet) -> u64 {
        flags
            .keywords()
            .iter()
            .filter_map(|keyword| self.row.keywords.iter().position(|known| known == keyword))
            .fold(0, |bits, index| bits | (1 << index))
    }

    /// The UIDs of all messages.
    pub(crate) fn uids(&self) -> UidSet {
        self.sums.uids.clone()
    }

    /// The UID the next message will get; the largest, once all are used up.
    pub(crate) fn uidnext(&self) -> Uid {
        self.next_uid.unwrap_or(Uid::MAX)
    }
}

/// Which emails are there more than once, and how often. Sorted, not counted in a map: there may be
/// a million, and nearly all are there once.
pub(crate) fn shared(mut emails: Vec<EmailId>) -> HashMap<EmailId, u32> {
    emails.sort_unstable();
    let same = emails.chunk_by(|one, other| one == other);
    let several = same.filter(|same| same.len() > 1);
    let counted = several.filter_map(|same| {
        let count = u32::try_from(same.len()).unwrap_or(u32::MAX);
        Some((*same.first()?, count))
    });
    counted.collect()
}

/// The answer where the mailbox is not there that messages are to be put into.
pub(crate) fn no_target() -> Error {
    let text = "There is no such mailbox";
    Error::refused(Why::TryCreate, 550, [5, 2, 0], text)
}

/// Reads a whole table, a page at a time; `None` from `each` is a damaged row.
pub(crate) async fn scan(
    store: &dyn Store,
    partition: Partition,
    table: Table,
    mut each: impl FnMut(&Row) -> Option<()> + Send,
) -> Outcome<()> {
    let mut from = Bytes::new();
    loop {
        let page = store
            .scan(partition, table, (from, None), LOAD_ROWS, Direction::Rising)
            .await
            .map_err(Error::reading("reading a table"))?;
        for row in &page.rows {
            each(row).ok_or_else(|| unread(partition, table, row))?;
        }
        let Some(last) = page.rows.last().filter(|_| page.more) else {
            return Ok(());
        };
        // The smallest key behind the last one.
        from = [&last.key, &[0][..]].concat().into();
    }
}

/// Why a row is not read: a later release wrote it, or it is damaged.
fn unread(partition: Partition, table: Table, row: &Row) -> Fault {
    let form = row_form(partition, table);
    match (form, row.value.first()) {
        (Some(form), Some(version)) if form.versions.last() < Some(version) => Fault::NewerRow {
            name: form.name,
            version: *version,
        },
        _ => Fault::Row("an account"),
    }
}
