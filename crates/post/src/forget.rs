//! Operations are forgotten: those that are too old or too many, and those that are purged.
//!
//! It is done in several steps, each whole in itself: the operations are marked, what they did is
//! forgotten some rows at a time, and at last the marks go. What a crash leaves half done is
//! marked, and taken up by the next round.
//!
//! See `docs/decisions/029-undo.md`.

use std::sync::Arc;

use mail::{AccountId, BlobId, EmailId, ModSeq, Timestamp};

use crate::draft::Draft;
use crate::history::unknown;
use crate::ledger::scan;
use crate::tables::{self, Deed, EmailRow, Part, State};
use crate::{Account, OperationKind, Outcome, Post, UndoRules};

/// Rows of parts that one step forgets: each has up to a thousand messages.
const STEP_ROWS_MAX: usize = 8;
/// Operations that one step marks, or whose marks it removes.
const STEP_OPERATIONS_MAX: usize = 256;

/// Which operations are purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// All.
    All,
    /// Those that were done before this moment.
    Before(Timestamp),
    /// This one.
    One(ModSeq),
}

/// What was purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged {
    /// The operation that says so; `None` if there was nothing to purge.
    pub number: Option<ModSeq>,
    /// The operations that are gone, by their numbers.
    pub operations: Vec<ModSeq>,
    /// The bodies of messages that were named by nothing else, each once, rising.
    pub bodies: Vec<BlobId>,
    /// The proof: BLAKE3 over a line about the purge and a line for each body.
    pub proof: [u8; 32],
    /// When it was done.
    pub when: Timestamp,
}

impl Purged {
    /// What the proof is a hash of, so that anybody can make it again from the list of bodies.
    #[must_use]
    pub fn statement(&self, address: &str) -> String {
        let mut statement = format!(
            "purged {address} {} operations {} bodies {}\n",
            self.when.to_rfc3339(),
            self.operations.len(),
            self.bodies.len()
        );
        for body in &self.bodies {
            statement.push_str(&format!("{body}\n"));
        }
        statement
    }
}

impl Post {
    /// Forgets what an account need not remember any longer; tells how many operations.
    ///
    /// # Errors
    /// If the account cannot be read, or it cannot be stored.
    pub async fn forget_operations(&self, id: AccountId) -> Outcome<usize> {
        let partition = store::Partition(id.0);
        let mut deeds = Vec::new();
        scan(
            self.inner.store.as_ref(),
            partition,
            tables::HISTORY,
            |row| {
                deeds.push(tables::read_deed(&row.key, &row.value)?);
                Some(())
            },
        )
        .await?;
        let over = over(&deeds, &self.rules().undo, self.inner.outside.now());
        if over.is_empty() {
            return Ok(0);
        }
        let keeper = self.keeper(id);
        let was_at_rest = keeper.octets() == 0;
        let account = self.account(id).await?;
        account.forget(&over, &mut None).await?;
        if was_at_rest {
            // Those in use are not to lose their places to one that was only tidied up.
            drop(keeper.rest());
        }
        Ok(over.len())
    }
}

/// Those of an account's operations, the oldest first, that go.
fn over(deeds: &[(ModSeq, Deed)], rules: &UndoRules, now: Timestamp) -> Vec<(ModSeq, Deed)> {
    let window = i64::try_from(rules.window.as_secs()).unwrap_or(i64::MAX);
    let oldest = now.seconds.saturating_sub(window);
    // The proof of a purge stays.
    let forgettable = |deed: &&(ModSeq, Deed)| deed.1.kind != OperationKind::Purge;
    let (mut count, mut octets) = (0_usize, 0_u64);
    let mut over = Vec::new();
    for (line, deed) in deeds.iter().rev().filter(forgettable) {
        octets = octets.saturating_add(deed.octets);
        let is_newest = count == 0;
        count += 1;
        let goes = deed.state == State::Forgotten
            || deed.when.seconds < oldest
            || count > rules.operations_max
            || (octets > rules.octets_max && !is_newest);
        if goes {
            over.push((*line, deed.clone()));
        }
    }
    over.reverse();
    over
}

impl Account {
    /// Forgets operations for good: the messages that nothing else names as well. It is written
    /// down as an operation that stays.
    ///
    /// The octets are in the store until it reclaims their place.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if there is no such operation, or if it cannot be stored; then
    /// some may be gone already, and the same purge goes on with the others.
    pub async fn purge(&self, which: Purge) -> Outcome<Purged> {
        let deeds = self.deeds().await?;
        let chosen: Vec<_> = deeds
            .into_iter()
            .filter(|(_, deed)| deed.kind != OperationKind::Purge)
            .filter(|(line, deed)| match which {
                Purge::All => true,
                Purge::Before(moment) => deed.when.seconds < moment.seconds,
                Purge::One(one) => *line == one,
            })
            .collect();
        if chosen.is_empty() && matches!(which, Purge::One(_)) {
            return Err(unknown());
        }
        let mut bodies = Some(Vec::new());
        self.forget(&chosen, &mut bodies).await?;
        let mut bodies = bodies.unwrap_or_default();
        bodies.sort_unstable();
        bodies.dedup();
        let mut purged = Purged {
            number: None,
            operations: chosen.iter().map(|(line, _)| *line).collect(),
            bodies,
            proof: [0; 32],
            when: self.house.outside().now(),
        };
        let address = self.house.inner.directory.address_of(self.id());
        let address = address.map_or_else(String::new, |address| address.to_string());
        purged.proof = *blake3::hash(purged.statement(&address).as_bytes()).as_bytes();
        if chosen.is_empty() {
            return Ok(purged);
        }
        let octets = chosen.iter().map(|(_, deed)| deed.octets).sum();
        let actor = &self.actor;
        let line = self.change(|draft| {
            let deed = Deed {
                kind: OperationKind::Purge,
                state: State::Done,
                when: purged.when,
                actor: Arc::clone(actor),
                messages: u64::try_from(purged.bodies.len()).unwrap_or(u64::MAX),
                octets,
                mailbox: String::new(),
                target: String::new(),
                parts: 0,
                undoes: None,
                proof: Some(purged.proof),
            };
            let line = draft.modseq();
            draft.put_deed(line, &deed);
            // What is gone for good is in no index either.
            draft.unindex();
            Ok(line)
        });
        purged.number = Some(line.await?);
        self.renew_index().await;
        Ok(purged)
    }

    /// Forgets operations; notes the bodies of messages that nothing else names, if asked to.
    async fn forget(
        &self,
        deeds: &[(ModSeq, Deed)],
        bodies: &mut Option<Vec<BlobId>>,
    ) -> Outcome<()> {
        // Else two would take the same messages away twice.
        let _one_at_a_time = self.house.inner.forgetting.lock().await;
        for some in deeds.chunks(STEP_OPERATIONS_MAX) {
            self.change(|draft| {
                for (line, deed) in some {
                    // Somebody else may have done so, or undone it meanwhile: that is told from
                    // now on by what it left.
                    if draft.ledger().history.contains_key(line) {
                        draft.forget_past(deed.when.seconds.checked_add(1));
                        let state = State::Forgotten;
                        draft.put_deed(
                            *line,
                            &Deed {
                                state,
                                ..deed.clone()
                            },
                        );
                    }
                }
                Ok(())
            })
            .await?;
            let mut step = Vec::new();
            for (line, _) in some {
                for (number, part) in self.part_rows(*line).await? {
                    step.push((*line, number, part));
                    if step.len() >= STEP_ROWS_MAX {
                        self.forget_step(&step, bodies).await?;
                        step.clear();
                    }
                }
            }
            self.forget_step(&step, bodies).await?;
            self.change(|draft| {
                some.iter().for_each(|(line, _)| draft.drop_deed(*line));
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn forget_step(
        &self,
        step: &[(ModSeq, u32, Part)],
        bodies: &mut Option<Vec<BlobId>>,
    ) -> Outcome<()> {
        if step.is_empty() {
            return Ok(());
        }
        let ids: Vec<EmailId> = match bodies {
            None => Vec::new(),
            Some(_) => step.iter().flat_map(|(_, _, part)| named(part)).collect(),
        };
        let rows = self.bare_emails(&ids).await?;
        let mut known: Vec<(EmailId, EmailRow)> = ids
            .into_iter()
            .zip(rows)
            .filter_map(|(id, row)| Some((id, row?)))
            .collect();
        known.sort_unstable_by_key(|(id, _)| *id);
        let gone = self
            .change(|draft| Ok(forget_rows(draft, step, &known)))
            .await?;
        if let Some(bodies) = bodies {
            bodies.extend(gone);
        }
        Ok(())
    }
}

/// Forgets some rows, as far as they are there; tells the bodies, of those known, that went.
fn forget_rows(
    draft: &mut Draft<'_>,
    step: &[(ModSeq, u32, Part)],
    known: &[(EmailId, EmailRow)],
) -> Vec<BlobId> {
    let mut bodies = Vec::new();
    for (line, number, part) in step {
        // Another who forgot it was done before this one read its rows.
        if !draft.ledger().history.contains_key(line) {
            continue;
        }
        for email in named(part).filter(|_| !known.is_empty()) {
            let at = known.binary_search_by_key(&email, |(id, _)| *id);
            if let Some((_, row)) = at.ok().and_then(|at| known.get(at))
                && draft.is_last(email)
            {
                bodies.push(row.blob);
            }
        }
        draft.drop_part(*line, *number, part);
    }
    bodies
}

/// The messages that a part keeps.
fn named(part: &Part) -> impl Iterator<Item = EmailId> {
    let removed = match part {
        Part::Removed(removed) => Some(removed),
        _ => None,
    };
    let entries = removed.into_iter().flat_map(|removed| &removed.entries);
    entries.map(|entry| entry.email)
}
