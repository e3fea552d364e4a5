//! Which versions rows have: each table with those that this release reads.
//!
//! A release that writes a version which the one before cannot read raises the store's number as
//! well (`store`'s `embedded::forms`), so that the one before leaves all of it as it is.
//!
//! Not here: the forms themselves (`tables`, `directory::rows`), files (`store`).

use message::SEARCH_TEXT_VERSION;
use store::{Partition, Table};

use crate::directory::rows;
use crate::{
    access, aggregate, fetched, greylist, import, journey, policies, queue, spam, tables,
    tls_results,
};

/// A table, and the versions of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowForm {
    /// What its rows are.
    pub name: &'static str,
    /// Whose table it is.
    pub owner: TableOwner,
    /// The table.
    pub table: Table,
    /// The versions that are read, rising.
    pub versions: &'static [u8],
}

/// Whose rows a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableOwner {
    /// The directory's.
    Directory,
    /// Each account's.
    Account,
    /// The queue's.
    Queue,
}

impl TableOwner {
    /// Whose rows a partition has.
    #[must_use]
    pub fn of(partition: Partition) -> Self {
        match partition {
            Partition::DIRECTORY => Self::Directory,
            Partition::QUEUE => Self::Queue,
            _ => Self::Account,
        }
    }
}

const fn directory(table: Table, name: &'static str, versions: &'static [u8]) -> RowForm {
    RowForm {
        name,
        owner: TableOwner::Directory,
        table,
        versions,
    }
}

const fn account(table: Table, name: &'static str, versions: &'static [u8]) -> RowForm {
    RowForm {
        name,
        owner: TableOwner::Account,
        table,
        versions,
    }
}

const fn of_queue(table: Table, name: &'static str, versions: &'static [u8]) -> RowForm {
    RowForm {
        name,
        owner: TableOwner::Queue,
        table,
        versions,
    }
}

/// All tables with the versions of their rows.
pub const ROW_FORMS: [RowForm; rows::ALL.len() + tables::ALL.len() + queue::ALL.len()] = [
    directory(rows::HOUSE, "house", rows::VERSIONS),
    directory(rows::DOMAINS, "domains", &rows::DOMAIN_VERSIONS),
    directory(rows::ACCOUNTS, "accounts", &rows::ACCOUNT_VERSIONS),
    directory(rows::ALIASES, "aliases", rows::VERSIONS),
    directory(rows::SHARES, "shares", rows::VERSIONS),
    directory(rows::REMOVED, "removed accounts", rows::VERSIONS),
    directory(
        rows::RECIPIENTS,
        "recipients of relayed domains",
        rows::VERSIONS,
    ),
    account(tables::COUNTERS, "counters", &tables::COUNTERS_VERSIONS),
    account(tables::MAILBOXES, "mailboxes", tables::VERSIONS),
    account(tables::NEXT_UIDS, "next UIDs", tables::VERSIONS),
    account(
        tables::ENTRIES,
        "messages in mailboxes",
        &tables::ENTRY_VERSIONS,
    ),
    account(tables::EMAILS, "messages", &tables::EMAIL_VERSIONS),
    account(tables::VANISHED, "removals", tables::VERSIONS),
    account(tables::SUBSCRIPTIONS, "subscriptions", tables::VERSIONS),
    account(tables::DIGESTS, "digests", tables::VERSIONS),
    account(tables::FLAG_RUNS, "flags of many", tables::VERSIONS),
    account(tables::METADATA, "notes", tables::VERSIONS),
    account(tables::ACL, "rights", access::VERSIONS),
    account(tables::SCRIPTS, "scripts", tables::VERSIONS),
    account(tables::SCRIPT_TEXTS, "texts of scripts", tables::VERSIONS),
    account(tables::SEEN, "what scripts have seen", tables::VERSIONS),
    account(journey::TABLE, "journeys", journey::VERSIONS),
    account(tables::IMPORT_JOURNAL, "imports", import::VERSIONS),
    account(tables::IMPORT_NOTES, "notes on imports", import::VERSIONS),
    account(tables::FETCH_MARKS, "fetched sources", fetched::VERSIONS),
    account(tables::FETCH_NOTES, "notes on fetched", fetched::VERSIONS),
    account(tables::HISTORY, "operations", tables::VERSIONS),
    account(tables::GONE, "what operations did", tables::VERSIONS),
    account(tables::REMEMBERED, "operations in all", tables::VERSIONS),
    account(tables::SPAM_CLUES, "clues of junk", spam::VERSIONS),
    account(tables::SPAM_NOTES, "what letters count as", spam::VERSIONS),
    account(tables::SPAM_LETTERS, "letters learned", spam::VERSIONS),
    of_queue(queue::COUNTS, "counts of the queue", queue::VERSIONS),
    of_queue(
        queue::LETTERS,
        "letters in the queue",
        queue::LETTER_VERSIONS,
    ),
    of_queue(queue::DUE, "letters by time", queue::VERSIONS),
    of_queue(
        queue::DESTINATIONS,
        "letters by destination",
        queue::VERSIONS,
    ),
    of_queue(queue::HANDED, "letters handed in", queue::VERSIONS),
    of_queue(
        journey::QUEUE_TABLE,
        "journeys in the queue",
        journey::VERSIONS,
    ),
    of_queue(greylist::TABLE, "marks of strangers", queue::VERSIONS),
    of_queue(
        queue::SUPPRESSED,
        "addresses nothing is sent to",
        queue::VERSIONS,
    ),
    of_queue(
        policies::POLICIES,
        "what domains want of TLS",
        policies::VERSIONS,
    ),
    of_queue(
        tls_results::TLS_RESULTS,
        "what came of TLS",
        tls_results::VERSIONS,
    ),
    of_queue(
        aggregate::kept::TABLE,
        "what was seen of domains' letters",
        aggregate::kept::VERSIONS,
    ),
];

/// The form of a table's rows; none for a table that is not known.
#[must_use]
pub fn row_form(partition: Partition, table: Table) -> Option<&'static RowForm> {
    let owner = TableOwner::of(partition);
    let mut forms = ROW_FORMS.iter();
    forms.find(|form| (form.owner, form.table) == (owner, table))
}

/// The versions of the search index's form, and of the texts that are in it, that are used.
pub const INDEX_FORM: (u32, u32) = (index::FORM, SEARCH_TEXT_VERSION);

/// The same of a piece of the index, by its first octets; none where it is damaged, or of another
/// form. What is not used is made again.
#[must_use]
pub fn index_form(head: &[u8]) -> Option<(u32, u32)> {
    let segment = index::Segment::read(head).ok()?;
    let text = segment.mark.last_chunk().copied().map(u32::from_be_bytes);
    // A piece without messages has no texts of an older version.
    let text = if segment.newest == 0 {
        Some(SEARCH_TEXT_VERSION)
    } else {
        text
    };
    Some((index::FORM, text?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_its_form_and_a_line_in_the_manual() {
        let manual = include_str!("../../../docs/upgrade.md");
        let here = rows::ALL.map(|table| (Partition::DIRECTORY, table));
        let there = tables::ALL.map(|table| (Partition(1), table));
        let waiting = queue::ALL.map(|table| (Partition::QUEUE, table));
        for (partition, table) in here.into_iter().chain(there).chain(waiting) {
            let form = row_form(partition, table).unwrap();
            let of = match form.owner {
                TableOwner::Directory => "directory",
                TableOwner::Account => "account",
                TableOwner::Queue => "queue",
            };
            let versions: Vec<_> = form.versions.iter().map(ToString::to_string).collect();
            let (number, name, versions) = (table.0, form.name, versions.join(", "));
            let line = format!("| {of} {number} | {name} | {versions} |");
            assert!(manual.contains(&line), "docs/upgrade.md lacks: {line}");
            assert!(form.versions.is_sorted() && !form.versions.is_empty());
        }
        let lines = manual.lines();
        let told = lines.filter(|line| {
            let words = line
                .strip_prefix("| directory ")
                .or_else(|| line.strip_prefix("| account "))
                .or_else(|| line.strip_prefix("| queue "));
            words.is_some_and(|words| words.starts_with(|first: char| first.is_ascii_digit()))
        });
        assert_eq!(told.count(), ROW_FORMS.len());
        assert_eq!(row_form(Partition::DIRECTORY, Table(99)), None);
    }

    #[test]
    fn a_piece_of_the_index_tells_its_form() {
        assert_eq!(index_form(b"ngramsg\x02"), None);
        let piece = index::Builder::new(3).finish(9).unwrap();
        assert_eq!(index_form(&piece), Some(INDEX_FORM));
    }
}
