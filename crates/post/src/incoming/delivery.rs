//! Messages for several accounts, and for the queue, in one durable step.
//!
//! Not here: who gets what (`incoming`, `queue`).

use std::collections::BTreeSet;

use mail::{AccountId, FlagSet, JourneyId, MailboxId, Role, Timestamp};
use store::Staged;

use super::{INBOX, JUNK};
use crate::draft::{self, Draft};
use crate::filter::{self, Beside, Desk, Filing, Plans, Remember, end_of, file_copy};
use crate::journey::{Event, Teller};
use crate::ledger::Folder;
use crate::queue::Entry;
use crate::spam::Judgements;
use crate::spool::Spooled;
use crate::{Error, Outcome, Post, Why, queue};

/// Messages for several accounts, in one durable step.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) letters: Vec<Letter>,
    /// What scripts want of the one that goes into inboxes.
    pub(crate) plans: Plans,
    /// What changes in the queue.
    pub(crate) queue: queue::Change,
    /// Bodies that only the queue mentions; one that letters have as well may be among them.
    pub(crate) others: Vec<Staged>,
    /// What scripts send besides.
    pub(crate) outgoing: Vec<Outgoing>,
    /// What is filed beside a message that is there already.
    pub(crate) beside: Option<Box<Beside>>,
    /// What is told of the way it came.
    pub(crate) teller: Teller,
    /// What the words of the letter that goes into inboxes say.
    pub(crate) judgements: Judgements,
}

/// A letter that a script has made, on its ways.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Whose script.
    pub(crate) account: AccountId,
    /// The command that has made it.
    pub(crate) deed: &'static str,
    /// It is sent only if this was not remembered, and then it is.
    pub(crate) once: Option<Remember>,
    /// For people here.
    pub(crate) letters: Vec<Letter>,
    /// For other hosts.
    pub(crate) entries: Vec<Entry>,
    /// The body of these.
    pub(crate) body: Option<Staged>,
    /// Where a copy is filed in the account, and what of.
    pub(crate) copy: Option<(Filing, Spooled)>,
}

impl Outgoing {
    /// True if something of it is kept in its owner's account.
    const fn is_noted(&self) -> bool {
        self.once.is_some() || self.copy.is_some()
    }

    fn staged(&self) -> impl Iterator<Item = &Staged> {
        let copy = self.copy.as_ref().map(|(_, letter)| &letter.staged);
        self.body.iter().chain(copy)
    }
}

/// One of them: whose mailboxes of which name it goes into.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) mailbox: &'static str,
    pub(crate) accounts: BTreeSet<AccountId>,
    pub(crate) spooled: Spooled,
    pub(crate) kind: LetterKind,
    /// Flags that it brings along.
    pub(crate) flags: FlagSet,
    /// Its INTERNALDATE, if not now.
    pub(crate) date: Option<Timestamp>,
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
            flags: FlagSet::new(),
            date: None,
        }
    }

    /// True if its readers' scripts say where it goes.
    pub(crate) fn is_filtered(&self) -> bool {
        self.mailbox == INBOX && self.kind == LetterKind::Letter
    }
}

impl Delivery {
    /// Octets of all letters.
    pub(super) fn octets(&self) -> u64 {
        let letters = self.letters.iter();
        letters.map(|letter| letter.spooled.staged.len).sum()
    }

    /// A line in the log for each letter that a script has sent.
    pub(super) fn tell(&self, journey: JourneyId) {
        for one in &self.outgoing {
            let (account, deed) = (one.account.0, one.deed);
            let (here, elsewhere) = (one.letters.len(), one.entries.len());
            tracing::info!(%journey, account, deed, here, elsewhere, "sent by a script");
        }
    }

    /// Delivers them, and changes the queue, in one step.
    pub(crate) async fn carry_out(&mut self, house: &Post) -> Outcome<()> {
        loop {
            let mut answered = BTreeSet::new();
            let done = self.try_to(house, &mut answered).await;
            if answered.is_empty() {
                return done;
            }
            self.drop_answers(&answered);
        }
    }

    /// Drops the answers of accounts where another letter of the same sender was answered
    /// meanwhile.
    pub(crate) fn drop_answers(&mut self, answered: &BTreeSet<AccountId>) {
        let due = |one: &Outgoing| one.once.is_none() || !answered.contains(&one.account);
        self.outgoing.retain(due);
    }

    /// All accounts that it changes.
    pub(crate) fn accounts(&self) -> BTreeSet<AccountId> {
        let owners = self.outgoing.iter().filter(|one| one.is_noted());
        let owners = owners.map(|one| one.account);
        let readers = self.letters().flat_map(|letter| &letter.accounts);
        let beside = self.beside.iter().map(|beside| beside.lying.account);
        readers.copied().chain(owners).chain(beside).collect()
    }

    /// All bodies that it brings; some more than once.
    pub(crate) fn staged(&self) -> impl Iterator<Item = &Staged> {
        let letters = self.letters().map(|letter| &letter.spooled.staged);
        let sent = self.outgoing.iter().flat_map(Outgoing::staged);
        letters
            .chain(self.plans.staged())
            .chain(&self.others)
            .chain(sent)
    }

    /// All that it changes in the queue.
    pub(crate) fn queue_change(&self) -> queue::Change {
        let mut queue = self.queue.clone();
        queue.teller = self.teller.clone();
        let entries = self.outgoing.iter().flat_map(|one| &one.entries);
        queue.begun.extend(entries.cloned());
        queue
    }

    async fn try_to(&self, house: &Post, answered: &mut BTreeSet<AccountId>) -> Outcome<()> {
        let accounts = self.accounts();
        let keepers: Vec<_> = accounts.iter().map(|id| house.keeper(*id)).collect();
        let now = house.inner.outside.now();
        let mut seen = BTreeSet::new();
        let blobs = self.staged().filter(|staged| seen.insert(staged.blob));
        let blobs: Vec<Staged> = blobs.cloned().collect();
        let queue = self.queue_change();
        let filed = house
            .change_with_queue(&keepers, &blobs, &queue, |index, draft| {
                let account = keepers.get(index).map(|keeper| keeper.account);
                let account = account.unwrap_or_default();
                if self.is_answered(draft, account, now) {
                    answered.insert(account);
                    return Err(Error::limit("It was answered meanwhile"));
                }
                self.file(draft, account, now, house)
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

    /// All letters, those that scripts have made among them.
    fn letters(&self) -> impl Iterator<Item = &Letter> {
        let made = self.outgoing.iter().flat_map(|one| &one.letters);
        self.letters.iter().chain(made)
    }

    /// True if an answer of the account's is not due any more.
    // RFC 5230 §4.2
    pub(crate) fn is_answered(
        &self,
        draft: &Draft<'_>,
        account: AccountId,
        now: Timestamp,
    ) -> bool {
        let mut own = self.outgoing.iter().filter(|one| one.account == account);
        own.any(|one| {
            let until = one.once.and_then(|once| draft.ledger().seen.get(&once.key));
            until.is_some_and(|until| *until > now.seconds)
        })
    }

    /// Files them in one account.
    pub(crate) fn file(
        &self,
        draft: &mut Draft<'_>,
        account: AccountId,
        now: Timestamp,
        house: &Post,
    ) -> Outcome<()> {
        let (rules, quota) = (house.rules(), house.quota(account));
        let flags = FlagSet::new();
        let desk = Desk {
            rules,
            quota,
            now,
            date: now,
            flags: &flags,
            known: None,
        };
        let beside = self.beside.as_ref();
        if let Some(beside) = beside.filter(|beside| beside.lying.account == account) {
            self.plans.file_beside(beside, draft, desk)?;
        }
        for made in self.outgoing.iter().filter(|one| one.account == account) {
            if let Some(once) = made.once {
                let until = end_of(now, once.seconds);
                draft.remember_seen(once.key, (until, now), rules.seen_max);
            }
            if let Some((filing, letter)) = &made.copy {
                file_copy(draft, filing, letter, desk)?;
            }
        }
        let own = |letter: &&Letter| letter.accounts.contains(&account);
        for letter in self.letters().filter(own) {
            if let Some(plan) = self.plans.of(account).filter(|_| letter.is_filtered()) {
                let desk = Desk {
                    date: letter.date.unwrap_or(now),
                    flags: &letter.flags,
                    ..desk
                };
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
            let messages_max = rules.mailbox_messages_max;
            let mailbox = place(draft, letter.mailbox, now)?;
            let full = |folder: &Folder| folder.entries.len() >= messages_max;
            if letter.kind != LetterKind::Letter && draft.ledger().folder(mailbox).is_ok_and(full) {
                continue;
            }
            let filing = draft::Filing {
                email: draft.email(&letter.spooled.row()),
                flags: &filter::fitting(draft.ledger(), mailbox, &letter.flags),
                date: letter.date.unwrap_or(now),
                now,
                size: letter.spooled.staged.len,
                unended: letter.spooled.unended,
            };
            draft.file(mailbox, filing, messages_max)?;
        }
        let plan = self.plans.of(account);
        let mut deeds: Vec<Event> = self.judgements.event(account).into_iter().collect();
        deeds.extend(plan.iter().flat_map(|plan| plan.told.iter().cloned()));
        self.teller.file(draft, now, deeds);
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
