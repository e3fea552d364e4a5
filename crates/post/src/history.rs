//! What was done in an account and can be undone: the log of its operations.
//!
//! Whatever takes something away, or changes many messages, writes a row that says who did it and
//! what it was, in the same step. Messages that are removed keep their own rows as long as one of
//! these names them.
//!
//! Not here: how the rows come about (`draft`), how an operation is undone (`undo`), when it is
//! forgotten (`forget`).
//!
//! See `docs/decisions/029-undo.md`.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use mail::{ModSeq, Timestamp};
use store::{Direction, Store};

use crate::ledger::scan;
use crate::tables::{self, Deed, Part, State};
use crate::{Account, Error, Fault, Outcome};

/// Octets of what a program says of itself that are kept.
const CLIENT_NAME_OCTETS_MAX: usize = 100;

/// Rows of parts that are read in one round trip: each has up to a thousand messages.
const PARTS_AT_ONCE: usize = 16;

/// What somebody used to do something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The protocol: `imap`, `pop3`, or `caramel` for the command line.
    pub protocol: String,
    /// Where it came from; `None` for this machine's own socket.
    pub address: Option<IpAddr>,
    /// What the program calls itself (RFC 2971); empty where it said nothing.
    pub name: String,
}

/// Writes `Mutt, imap, 192.0.2.1`.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.name.is_empty() {
            write!(f, "{}, ", self.name)?;
        }
        f.write_str(&self.protocol)?;
        match self.address {
            None => Ok(()),
            Some(address) => write!(f, ", {address}"),
        }
    }
}

/// Who does something, and by what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Actor {
    /// The address of whoever is logged in.
    pub(crate) who: String,
    pub(crate) client: Client,
}

/// What kind of operation it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// Messages were removed.
    Expunge,
    /// A message took the place of another.
    Replace,
    /// Messages went to another mailbox of the account.
    Move,
    /// Messages went to another account.
    MoveAway,
    /// Many messages were copied.
    Copy,
    /// Many messages got other flags.
    Flags,
    /// A mailbox was deleted, with its messages.
    DeleteMailbox,
    /// A mailbox got another name.
    RenameMailbox,
    /// An operation was undone.
    Undo,
    /// Messages were put where they had been at a moment.
    Restore,
    /// Operations were forgotten for good.
    Purge,
}

impl OperationKind {
    const ALL: [Self; 11] = [
        Self::Expunge,
        Self::Replace,
        Self::Move,
        Self::MoveAway,
        Self::Copy,
        Self::Flags,
        Self::DeleteMailbox,
        Self::RenameMailbox,
        Self::Undo,
        Self::Restore,
        Self::Purge,
    ];

    /// Its number in rows, from 1.
    pub(crate) fn number(self) -> u64 {
        let at = Self::ALL.iter().position(|one| *one == self);
        at.map_or(0, |at| u64::try_from(at + 1).unwrap_or(0))
    }

    pub(crate) fn of(number: u64) -> Option<Self> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        Self::ALL.get(at).copied()
    }

    /// Its name in lists and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expunge => "expunge",
            Self::Replace => "replace",
            Self::Move => "move",
            Self::MoveAway => "move-away",
            Self::Copy => "copy",
            Self::Flags => "flags",
            Self::DeleteMailbox => "delete-mailbox",
            Self::RenameMailbox => "rename-mailbox",
            Self::Undo => "undo",
            Self::Restore => "restore",
            Self::Purge => "purge",
        }
    }
}

/// What has become of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationState {
    /// It can be undone.
    Done,
    /// It was undone by this operation.
    Undone(ModSeq),
    /// There is nothing to undo: it is being forgotten, or was a purge.
    Final,
}

/// An operation, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its number: the line of the account's ledger that did it.
    pub number: ModSeq,
    /// What it was.
    pub kind: OperationKind,
    /// What has become of it.
    pub state: OperationState,
    /// When it was done.
    pub when: Timestamp,
    /// Who did it: an address.
    pub who: String,
    /// By what.
    pub client: Client,
    /// How many messages it was about.
    pub messages: u64,
    /// Octets of messages that are kept for its sake.
    pub octets: u64,
    /// The mailbox it was about, by the name it had then; empty for several or none.
    pub mailbox: String,
    /// Where its messages went, or what the mailbox was called then; empty for nowhere.
    pub target: String,
    /// The operation that it undid.
    pub undoes: Option<ModSeq>,
    /// The proof of a purge.
    pub proof: Option<[u8; 32]>,
}

/// For how long and how much what people do can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UndoRules {
    /// How long an operation is remembered; zero for not at all.
    pub window: Duration,
    /// Octets of messages that are kept for one account's operations; beyond it the oldest are
    /// forgotten first, and the newest never.
    pub octets_max: u64,
    /// Operations that are remembered of one account; beyond it the oldest are forgotten first.
    pub operations_max: usize,
}

impl UndoRules {
    /// True if operations are remembered.
    pub(crate) const fn is_on(&self) -> bool {
        !self.window.is_zero()
    }
}

impl Default for UndoRules {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30 * 86_400),
            octets_max: 10 << 30,
            operations_max: 10_000,
        }
    }
}

/// What is known of an operation in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) state: State,
    /// Rows of its parts.
    pub(crate) parts: u32,
    /// True if it keeps messages.
    pub(crate) keeps: bool,
}

impl Client {
    /// A program that has named itself; of a long name only the beginning counts.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        let printable = name.chars().filter(|letter| !letter.is_control());
        self.name.clear();
        for letter in printable {
            if self.name.len() + letter.len_utf8() > CLIENT_NAME_OCTETS_MAX {
                break;
            }
            self.name.push(letter);
        }
        self
    }

    /// The command line.
    pub(crate) fn command_line() -> Self {
        Self {
            protocol: "caramel".to_owned(),
            ..Self::default()
        }
    }
}

impl Known {
    pub(crate) const fn of(deed: &Deed) -> Self {
        Self {
            state: deed.state,
            parts: deed.parts,
            keeps: deed.octets > 0,
        }
    }
}

impl Operation {
    fn of(number: ModSeq, deed: Deed) -> Self {
        let state = match (deed.kind, deed.state) {
            (OperationKind::Purge, _) | (_, State::Forgotten) => OperationState::Final,
            (_, State::Done) => OperationState::Done,
            (_, State::Undone(by)) => OperationState::Undone(by),
        };
        Self {
            number,
            kind: deed.kind,
            state,
            when: deed.when,
            who: deed.actor.who.clone(),
            client: deed.actor.client.clone(),
            messages: deed.messages,
            octets: deed.octets,
            mailbox: deed.mailbox,
            target: deed.target,
            undoes: deed.undoes,
            proof: deed.proof,
        }
    }
}

impl Account {
    /// The operations that are remembered, the newest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn operations(&self) -> Outcome<Vec<Operation>> {
        let mut operations: Vec<Operation> = self
            .deeds()
            .await?
            .into_iter()
            .map(|(number, deed)| Operation::of(number, deed))
            .collect();
        operations.reverse();
        Ok(operations)
    }

    /// The same as rows, the oldest first.
    pub(crate) async fn deeds(&self) -> Outcome<Vec<(ModSeq, Deed)>> {
        let store = self.house.inner.store.as_ref();
        let mut deeds = Vec::new();
        scan(store, self.keeper.partition(), tables::HISTORY, |row| {
            deeds.push(tables::read_deed(&row.key, &row.value)?);
            Some(())
        })
        .await?;
        Ok(deeds)
    }

    /// One of them.
    pub(crate) async fn deed(&self, number: ModSeq) -> Outcome<Deed> {
        let store = self.house.inner.store.as_ref();
        let (partition, key) = (self.keeper.partition(), tables::deed_key(number));
        let found = store.get(partition, tables::HISTORY, vec![key.clone()]);
        let found = found
            .await
            .map_err(Error::reading("reading an operation"))?;
        let value = found.into_iter().flatten().next().ok_or_else(unknown)?;
        let read = tables::read_deed(&key, &value).ok_or(Fault::Row("an operation"))?;
        Ok(read.1)
    }

    /// What an operation did, in its order.
    pub(crate) async fn parts(&self, number: ModSeq) -> Outcome<Vec<Part>> {
        let rows = self.part_rows(number).await?;
        Ok(rows.into_iter().map(|(_, part)| part).collect())
    }

    /// The same with the numbers of the rows.
    pub(crate) async fn part_rows(&self, number: ModSeq) -> Outcome<Vec<(u32, Part)>> {
        let mut parts = Vec::new();
        let store = self.house.inner.store.as_ref();
        let (mut from, to) = tables::part_range(number);
        loop {
            let page = some_parts(store, self, (from, to.clone())).await?;
            for row in &page.rows {
                let part = tables::read_part_key(&row.key).zip(tables::read_part(&row.value));
                let ((_, at), part) = part.ok_or(Fault::Row("an operation"))?;
                parts.push((at, part));
            }
            let Some(last) = page.rows.last().filter(|_| page.more) else {
                return Ok(parts);
            };
            from = [&last.key, &[0][..]].concat().into();
        }
    }
}

async fn some_parts(
    store: &dyn Store,
    account: &Account,
    range: (bytes::Bytes, Option<bytes::Bytes>),
) -> Outcome<store::Page> {
    let (partition, rising) = (account.keeper.partition(), Direction::Rising);
    let page = store.scan(partition, tables::GONE, range, PARTS_AT_ONCE, rising);
    page.await.map_err(Error::reading("reading an operation"))
}

/// There is no operation of this number.
pub(crate) fn unknown() -> Error {
    Error::nonexistent("There is no such operation, or it has been forgotten")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_numbers_that_come_back_and_names_of_their_own() {
        let mut names = Vec::new();
        for kind in OperationKind::ALL {
            assert_eq!(OperationKind::of(kind.number()), Some(kind));
            names.push(kind.name());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), OperationKind::ALL.len());
        assert_eq!(OperationKind::of(0), None);
    }

    #[test]
    fn a_program_that_talks_much_of_itself_is_cut_short() {
        let client = Client::command_line().named(&format!("a\r\nb{}", "é".repeat(300)));
        assert!(client.name.starts_with("abé") && client.name.len() <= CLIENT_NAME_OCTETS_MAX);
        assert!(client.to_string().ends_with(", caramel"));
    }
}
