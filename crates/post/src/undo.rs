//! An operation is undone: what it took away comes back, what it changed is changed back.
//!
//! First a plan is made of what the rows say and what is there now; then it is carried out in one
//! step, which is an operation itself. What came or changed in between stays.
//!
//! See `docs/decisions/029-undo.md`.

use std::collections::BTreeMap;

use mail::{MailboxId, ModSeq, Timestamp, Uid, UidSet};

use crate::draft::{Draft, Flagging};
use crate::history::unknown;
use crate::ledger::{Folder, Ledger};
use crate::mailbox::{checked_name, delete_or_hollow, room_for};
use crate::tables::{Deed, Deleted, Entry, Filed, Flagged, Moved, Part, Removed, Renamed, State};
use crate::{Account, Error, OperationKind, Outcome, Rules, Usage, Why};

/// How an operation is to be undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revert<'a> {
    /// Another mailbox for what comes back, or another name for a mailbox that does. It is made if
    /// messages go there and it is not there.
    pub into: Option<&'a str>,
    /// True if the account may hold more than its quota afterwards.
    pub over_quota: bool,
    /// True if nothing is to be done: only what would be is told.
    pub dry_run: bool,
}

/// What undoing did, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverted {
    /// The operation that it is itself; `None` if nothing was done.
    pub number: Option<ModSeq>,
    /// How many messages came back, went back, or have their flags again.
    pub messages: u64,
    /// How many are not where the operation left them: what removed them later has to be undone
    /// first.
    pub missing: u64,
    /// The mailbox they are in now, or that came back; empty for several.
    pub mailbox: String,
}

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Id(MailboxId),
    /// It may have to be made.
    Name(String),
}

/// What is to be done.
#[derive(Debug, Default)]
struct Plan<'p> {
    /// Mailboxes that come back, by which name.
    revived: Vec<(&'p Deleted, String)>,
    /// Messages that come back with their UIDs.
    put_back: Vec<&'p Removed>,
    /// Messages that come back with others.
    filed: Vec<(Place, &'p Removed)>,
    /// From where, where to, which.
    moved: Vec<(MailboxId, Place, UidSet)>,
    flagged: BTreeMap<MailboxId, Vec<Flagging>>,
    removed: Vec<(MailboxId, UidSet)>,
    deleted: Vec<MailboxId>,
    renamed: Vec<(MailboxId, String)>,
    /// What the first of them is to be called: the others were below it.
    top: Option<String>,
    messages: u64,
    missing: u64,
    /// What the account will hold in addition.
    more: Usage,
    mailbox: String,
}

impl Account {
    /// Undoes an operation, all of it in one step; what of it cannot be undone any more, because
    /// a message went elsewhere since, is counted.
    ///
    /// # Errors
    /// [`Why::Nonexistent`] if there is no such operation, [`Why::Cannot`] if it was undone already
    /// or nothing of it is left to undo, or a mailbox is gone, [`Why::AlreadyExists`] if a
    /// mailbox's name is taken, [`Why::OverQuota`], [`Why::Limit`], or if it cannot be stored; then
    /// nothing has changed.
    pub async fn revert(&self, number: ModSeq, revert: &Revert<'_>) -> Outcome<Reverted> {
        let house = self.house();
        let (rules, now) = (house.rules(), house.outside().now());
        let into = revert.into.map(|name| checked_name(name, rules));
        let into = into.transpose()?;
        let deed = self.deed(number).await?;
        is_undoable(&deed)?;
        let parts = self.parts(number).await?;
        if u32::try_from(parts.len()) != Ok(deed.parts) {
            // It is being forgotten just now, or the audit has named it.
            return Err(unknown());
        }
        let planned = |ledger: &Ledger| {
            Plan::of(ledger, &parts, into.as_deref(), rules).map(|plan| plan.told())
        };
        if revert.dry_run {
            return self.look(planned).await?;
        }
        self.look(planned).await??;
        let quota = house.quota(self.id());
        let _one_at_a_time = house.inner.sharing.lock().await;
        self.note_again(&parts).await?;
        let reverted = self
            .change(|draft| {
                still_undoable(draft.ledger(), number)?;
                let plan = Plan::of(draft.ledger(), &parts, into.as_deref(), rules)?;
                if !revert.over_quota {
                    draft.admit(quota, plan.more)?;
                }
                draft.call_undo(number, (deed.mailbox.clone(), deed.target.clone()));
                let mut told = plan.told();
                self.carry_out(draft, &plan, (rules, now))?;
                let line = draft.modseq();
                let state = State::Undone(line);
                draft.put_deed(
                    number,
                    &Deed {
                        state,
                        ..deed.clone()
                    },
                );
                told.number = Some(line);
                Ok(told)
            })
            .await?;
        self.renew_index().await;
        Ok(reverted)
    }

    /// Lets the directory know again whom mailboxes were shared with that come back.
    async fn note_again(&self, parts: &[Part]) -> Outcome<()> {
        for part in parts {
            let Part::Deleted(deleted) = part else {
                continue;
            };
            for grantee in deleted.acl.keys().filter(|grantee| !grantee.negative) {
                let known = grantee.account == crate::access::ANYONE
                    || self
                        .house
                        .inner
                        .directory
                        .address_of(grantee.account)
                        .is_some();
                if known {
                    self.note((grantee.account, self.id()), true).await?;
                }
            }
        }
        Ok(())
    }

    fn carry_out(
        &self,
        draft: &mut Draft<'_>,
        plan: &Plan<'_>,
        at: (&Rules, Timestamp),
    ) -> Outcome<()> {
        for (deleted, name) in &plan.revived {
            if !draft.ledger().folders.contains_key(&deleted.id) {
                room_for(draft.ledger(), std::iter::once(name.as_str()), at.0)?;
                self.add_parents(draft, name, at.1);
            }
            draft.revive(deleted, name);
        }
        for removed in &plan.put_back {
            draft.put_back(removed.mailbox, &removed.entries);
        }
        for (place, removed) in &plan.filed {
            let to = self.place_of(draft, place, at)?;
            draft.file_again(to, (removed.mailbox, &removed.entries), at)?;
        }
        for (from, place, uids) in &plan.moved {
            let to = self.place_of(draft, place, at)?;
            draft.move_back(*from, (to, uids), at)?;
        }
        for (mailbox, flaggings) in &plan.flagged {
            draft.set_flags(*mailbox, flaggings);
        }
        for (mailbox, uids) in &plan.removed {
            draft.remove(*mailbox, uids);
        }
        for id in &plan.deleted {
            delete_or_hollow(draft, *id);
        }
        for (id, name) in &plan.renamed {
            self.add_parents(draft, name, at.1);
            draft.rename_mailbox(*id, name.clone());
        }
        Ok(())
    }

    fn place_of(
        &self,
        draft: &mut Draft<'_>,
        place: &Place,
        (rules, now): (&Rules, Timestamp),
    ) -> Outcome<MailboxId> {
        let name = match place {
            Place::Id(id) => return Ok(*id),
            Place::Name(name) => name,
        };
        if draft.ledger().find(name).is_some() {
            return draft.ledger().target(name);
        }
        self.may_make(draft.ledger(), name)?;
        room_for(draft.ledger(), std::iter::once(name.as_str()), rules)?;
        self.add_parents(draft, name, now);
        Ok(draft.add_mailbox(name, None, now))
    }
}

fn is_undoable(deed: &Deed) -> Outcome<()> {
    match (deed.kind, deed.state) {
        (OperationKind::Purge, _) | (_, State::Forgotten) => Err(unknown()),
        (_, State::Undone(by)) => Err(undone(by)),
        (_, State::Done) => Ok(()),
    }
}

fn still_undoable(ledger: &Ledger, number: ModSeq) -> Outcome<()> {
    match ledger.history.get(&number).map(|known| known.state) {
        Some(State::Done) => Ok(()),
        Some(State::Undone(by)) => Err(undone(by)),
        Some(State::Forgotten) | None => Err(unknown()),
    }
}

fn undone(by: ModSeq) -> Error {
    Error::cannot(format!("It was undone already, by operation {}", by.0))
}

impl<'p> Plan<'p> {
    fn of(ledger: &Ledger, parts: &'p [Part], into: Option<&str>, rules: &Rules) -> Outcome<Self> {
        let mut plan = Plan::default();
        for part in parts {
            if let Part::Deleted(deleted) = part {
                plan.revive(ledger, deleted, into, rules)?;
            }
        }
        for part in parts {
            match part {
                Part::Deleted(_) => {}
                Part::Removed(removed) => plan.removed(ledger, removed, into)?,
                Part::Moved(moved) => plan.moved(ledger, moved, into)?,
                Part::Flagged(flagged) => plan.flagged(ledger, flagged),
                Part::Filed(filed) => plan.filed(ledger, filed),
                Part::Revived(id) => plan.revived_again(ledger, *id),
                Part::Renamed(renamed) => plan.renamed(ledger, renamed, into)?,
            }
        }
        if plan.is_nothing() {
            let text = match plan.missing {
                0 => "There is nothing left to undo".to_owned(),
                missing => format!(
                    "None of its {missing} messages is where it left them; undo what was done \
                     later first"
                ),
            };
            return Err(Error::cannot(text));
        }
        Ok(plan)
    }

    fn is_nothing(&self) -> bool {
        let mailboxes = self.revived.len() + self.deleted.len() + self.renamed.len();
        self.messages == 0 && mailboxes == 0
    }

    fn told(&self) -> Reverted {
        Reverted {
            number: None,
            messages: self.messages,
            missing: self.missing,
            mailbox: self.mailbox.clone(),
        }
    }

    /// Names the mailbox that it is about; of several none.
    fn name(&mut self, name: &str) {
        if self.mailbox.is_empty() {
            name.clone_into(&mut self.mailbox);
        }
    }

    fn revive(
        &mut self,
        ledger: &Ledger,
        deleted: &'p Deleted,
        into: Option<&str>,
        rules: &Rules,
    ) -> Outcome<()> {
        let name = match ledger.folders.get(&deleted.id) {
            // It stayed as a level above others.
            Some(folder) if !folder.row.selectable => folder.row.name.clone(),
            Some(_) => return Err(Error::cannot("The mailbox is there again")),
            None => {
                let name = into.unwrap_or(&deleted.row.name).to_owned();
                if ledger.names.contains_key(&name) {
                    return Err(taken(&name));
                }
                room_for(ledger, std::iter::once(name.as_str()), rules)?;
                name
            }
        };
        self.name(&name);
        self.revived.push((deleted, name));
        Ok(())
    }

    fn removed(
        &mut self,
        ledger: &Ledger,
        removed: &'p Removed,
        into: Option<&str>,
    ) -> Outcome<()> {
        let count = u64::try_from(removed.entries.len()).unwrap_or(u64::MAX);
        let sizes = removed.entries.iter().map(|entry| u64::from(entry.size));
        let more = Usage::of(sizes);
        self.messages += count;
        self.more.octets = self.more.octets.saturating_add(more.octets);
        self.more.messages += more.messages;
        if self
            .revived
            .iter()
            .any(|(one, _)| one.id == removed.mailbox)
        {
            self.put_back.push(removed);
            return Ok(());
        }
        let place = self.place(ledger, removed.mailbox, into)?;
        self.filed.push((place, removed));
        Ok(())
    }

    /// Where messages of a mailbox go back to.
    fn place(&mut self, ledger: &Ledger, of: MailboxId, into: Option<&str>) -> Outcome<Place> {
        if let Some(name) = into {
            self.name(name);
            return Ok(Place::Name(name.to_owned()));
        }
        match ledger.folders.get(&of) {
            Some(folder) if folder.row.selectable => {
                self.name(&folder.row.name);
                Ok(Place::Id(of))
            }
            Some(_) | None => Err(Error::cannot(
                "The mailbox they were in is gone: undo its deletion first, or name another for \
                 them",
            )),
        }
    }

    fn moved(&mut self, ledger: &Ledger, moved: &Moved, into: Option<&str>) -> Outcome<()> {
        let there = ledger.folders.get(&moved.to);
        let is_there = |uid: Uid| there.is_some_and(|folder| folder.entry(uid).is_some());
        let mut uids = UidSet::new();
        for (_, target, _) in moved.pairs() {
            if is_there(target) {
                uids.insert(target);
            } else {
                self.missing += 1;
            }
        }
        if uids.is_empty() {
            return Ok(());
        }
        self.messages += uids.len();
        let place = self.place(ledger, moved.from, into)?;
        self.moved.push((moved.to, place, uids));
        Ok(())
    }

    /// What has changed since in other flags stays.
    fn flagged(&mut self, ledger: &Ledger, flagged: &Flagged) {
        let Some(folder) = ledger.folders.get(&flagged.mailbox) else {
            self.missing += flagged.messages();
            return;
        };
        let mut flaggings = Vec::new();
        for run in &flagged.runs {
            let run_uids = UidSet::from_range(run.low..=run.high);
            let mut there = 0;
            for entry in folder.among(&run_uids) {
                there += 1;
                let (system, keywords) = run.undone((entry.system, entry.keywords));
                if (system, keywords) != (entry.system, entry.keywords) {
                    flaggings.push(Flagging {
                        uid: entry.uid,
                        system,
                        keywords,
                    });
                }
            }
            self.missing += u64::from(run.messages).saturating_sub(there);
        }
        self.messages += u64::try_from(flaggings.len()).unwrap_or(u64::MAX);
        self.name(&folder.row.name);
        let all = self.flagged.entry(flagged.mailbox).or_default();
        all.extend(flaggings);
    }

    fn filed(&mut self, ledger: &Ledger, filed: &Filed) {
        let folder = ledger.folders.get(&filed.mailbox);
        let there: UidSet = folder.map_or_else(UidSet::new, |folder| {
            folder
                .among(&filed.uids)
                .map(|entry: &Entry| entry.uid)
                .collect()
        });
        self.missing += filed.uids.len().saturating_sub(there.len());
        if there.is_empty() {
            return;
        }
        self.messages += there.len();
        self.name(folder.map_or("", |folder| folder.row.name.as_str()));
        self.removed.push((filed.mailbox, there));
    }

    /// A mailbox that came back goes again, with what is in it.
    fn revived_again(&mut self, ledger: &Ledger, id: MailboxId) {
        let Some(folder): Option<&Folder> = ledger.folders.get(&id) else {
            return;
        };
        self.name(&folder.row.name);
        self.messages += u64::try_from(folder.entries.len()).unwrap_or(u64::MAX);
        self.deleted.push(id);
    }

    fn renamed(&mut self, ledger: &Ledger, renamed: &Renamed, into: Option<&str>) -> Outcome<()> {
        let folder = ledger.folders.get(&renamed.id);
        if folder.is_none_or(|folder| folder.row.name != renamed.to) {
            let text = format!("{} is gone or has another name since", renamed.to);
            return Err(Error::cannot(text));
        }
        let top = self.top.get_or_insert_with(|| renamed.from.clone());
        let name = match into.zip(renamed.from.strip_prefix(top.as_str())) {
            Some((into, rest)) => format!("{into}{rest}"),
            None => renamed.from.clone(),
        };
        if ledger.names.contains_key(&name) || self.renamed.iter().any(|(_, one)| *one == name) {
            return Err(taken(&name));
        }
        self.name(&name);
        self.renamed.push((renamed.id, name));
        Ok(())
    }
}

fn taken(name: &str) -> Error {
    let text = format!("There is a mailbox {name} already: choose another name");
    Error::refused(Why::AlreadyExists, 550, [5, 2, 0], text)
}
