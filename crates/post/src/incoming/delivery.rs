//! Messages for several accounts, and for the queue, in one durable step.
//!
//! Not here: who gets what (`incoming`, `queue`).

use std::collections::BTreeSet;

use mail::{AccountId, FlagSet, MailboxId, Role, Timestamp};
use store::Staged;

use super::{INBOX, JUNK};
use crate::draft::{Draft, Filing};
use crate::filter::{Desk, Plans};
use crate::ledger::Folder;
use crate::spool::Spooled;
use crate::{Error, Outcome, Post, Why, queue};

/// Messages for several accounts, in one durable step.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) letters: Vec<Letter>,
    /// What scripts want of the one that goes into inboxes.
    pub(crate) plans: Plans,
}

/// One of them: whose mailboxes of which name it goes into.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) mailbox: &'static str,
    pub(crate) accounts: BTreeSet<AccountId>,
    pub(crate) spooled: Spooled,
    pub(crate) kind: LetterKind,
}

/// What a letter is to its readers' quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LetterKind {
    /// A letter: refused where there is no room for it.
    Letter,
    /// A report of success: left out where there is no room.
    Success,
    /// A report of failure: there whatever the quota says.
    Failure,
}

impl Letter {
    pub(crate) const fn of(
        mailbox: &'static str,
        accounts: BTreeSet<AccountId>,
        spooled: Spooled,
    ) -> Self {
        Self {
            mailbox,
            accounts,
            spooled,
            kind: LetterKind::Letter,
        }
    }

    /// True if its readers' scripts say where it goes.
    pub(crate) fn is_filtered(&self) -> bool {
        self.mailbox == INBOX && self.kind == LetterKind::Letter
    }
}

impl Delivery {
    /// Delivers them, and changes the queue, in one step. `others` are bodies that only the queue
    /// mentions; one that letters have as well may be among them.
    pub(crate) async fn carry_out(
        &self,
        house: &Post,
        queue: &queue::Change,
        others: &[Staged],
    ) -> Outcome<()> {
        let accounts = self.letters.iter().flat_map(|letter| &letter.accounts);
        let accounts: BTreeSet<AccountId> = accounts.copied().collect();
        let keepers: Vec<_> = accounts.iter().map(|id| house.keeper(*id)).collect();
        let now = house.inner.outside.now();
        let blobs = self.letters.iter().map(|letter| &letter.spooled.staged);
        let mut seen = BTreeSet::new();
        let blobs = blobs
            .chain(self.plans.staged())
            .chain(others)
            .filter(|staged| seen.insert(staged.blob));
        let blobs: Vec<Staged> = blobs.cloned().collect();
        let filed = house
            .change_with_queue(&keepers, &blobs, queue, |index, draft| {
                let account = keepers.get(index).map(|keeper| keeper.account);
                self.file(draft, account.unwrap_or_default(), now, house)
            })
            .await;
        match filed {
            Ok(_) => Ok(()),
            // An account has been removed since its address was accepted. The others are to get
            // theirs: whoever sends it again hears at RCPT who is there.
            Err(error) if matches!(error.why(), Why::Nonexistent | Why::TryCreate) => {
                let text = "A mailbox has gone; please try again";
                Err(Error::refused(Why::Unavailable, 451, [4, 2, 1], text))
            }
            Err(error) => Err(error),
        }
    }

    fn file(
        &self,
        draft: &mut Draft<'_>,
        account: AccountId,
        now: Timestamp,
        house: &Post,
    ) -> Outcome<()> {
        let quota = house.quota(account);
        let own = |letter: &&Letter| letter.accounts.contains(&account);
        for letter in self.letters.iter().filter(own) {
            if let Some(plan) = self.plans.of(account).filter(|_| letter.is_filtered()) {
                let rules = house.rules();
                let desk = Desk { rules, quota, now };
                self.plans.carry_out(plan, draft, &letter.spooled, desk)?;
                continue;
            }
            let exhausted = quota.is_exhausted(draft.ledger().counters.usage);
            match letter.kind {
                LetterKind::Letter if exhausted => return Err(Error::over_quota()),
                // Nobody's letter fails for want of room for the report on it.
                LetterKind::Success if exhausted => continue,
                LetterKind::Letter | LetterKind::Success | LetterKind::Failure => {}
            }
            let messages_max = house.rules().mailbox_messages_max;
            let mailbox = place(draft, letter.mailbox, now)?;
            let full = |folder: &Folder| folder.entries.len() >= messages_max;
            if letter.kind != LetterKind::Letter && draft.ledger().folder(mailbox).is_ok_and(full) {
                continue;
            }
            let filing = Filing {
                email: draft.email(&letter.spooled.row()),
                flags: &FlagSet::new(),
                date: now,
                now,
                size: letter.spooled.staged.len,
                unended: letter.spooled.unended,
            };
            draft.file(mailbox, filing, messages_max)?;
        }
        Ok(())
    }
}

/// The mailbox that is meant by this name; made where it is one that nobody else makes.
fn place(draft: &mut Draft<'_>, name: &'static str, now: Timestamp) -> Outcome<MailboxId> {
    let ledger = draft.ledger();
    let role = (name == JUNK).then_some(Role::Junk);
    if let Some(id) = role.and_then(|role| ledger.of_role(role)) {
        return Ok(id);
    }
    match ledger.target(name) {
        Ok(mailbox) => Ok(mailbox),
        Err(_) if name != INBOX && ledger.find(name).is_none() => {
            draft.subscribe(name, true);
            Ok(draft.add_mailbox(name, role, now))
        }
        Err(error) => Err(error),
    }
}
