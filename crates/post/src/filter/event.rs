//! What a script wants of a message that is in a mailbox already.
//!
//! Copies of it are filed in the batch that sends it on and tells of it; the message itself is
//! changed by the caller.
//!
//! RFC 6785 §3 (what its actions mean then).

use std::sync::Arc;

use mail::{AccountId, EmailId, FlagSet, MailboxId, Uid};
use sieve::{Action, Deed, Envelope, Outcome as Ended};

use super::{Arrived, Desk, NOTICES_MAX, Plan, Plans, Reader};
use crate::draft::Draft;
use crate::incoming::{Delivery, INBOX, Letter};
use crate::keeper::Keeper;
use crate::spool::Spooled;
use crate::{Outcome, Post};

/// A message in a mailbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lying {
    pub(crate) account: AccountId,
    pub(crate) mailbox: MailboxId,
    pub(crate) uid: Uid,
    pub(crate) email: EmailId,
}

/// What is filed besides a message that stays where it is.
#[derive(Debug)]
pub(crate) struct Beside {
    pub(crate) lying: Lying,
    plan: Plan,
    message: Spooled,
}

/// What a script wants of a message.
#[derive(Debug)]
pub(crate) struct EventPlan {
    /// Copies, and what is sent; none where there is nothing of that.
    pub(crate) delivery: Option<Delivery>,
    /// The flags it is to have; none where it is not to be kept.
    pub(crate) kept: Option<FlagSet>,
}

impl Post {
    /// Makes a plan of what a script wants, of everybody's scripts to whom it sends the message on
    /// as well.
    ///
    /// # Errors
    /// In words for the log: then nothing is done.
    pub(crate) async fn plan_event(
        &self,
        (arrived, lying): (Arrived<'_>, Lying),
        keeper: &Arc<Keeper>,
        envelope: &Envelope,
        ended: Ended,
    ) -> Result<EventPlan, &'static str> {
        let reader = Reader {
            account: keeper.account,
            by: None,
            hops: 0,
        };
        let (mut plans, mut own) = (Plans::default(), Plan::default());
        let (mut redirects, mut notices, mut kept) = (Vec::new(), Vec::new(), None);
        for action in ended.actions {
            let Action { deed, changed, .. } = action;
            match deed {
                // What was changed is changed for others alone.
                // RFC 6785 §3.1
                Deed::Keep { flags } => kept = Some(flags),
                Deed::Redirect(redirect) => redirects.push((redirect, changed)),
                Deed::Notify(notice) => notices.push(notice),
                // Nobody asks for these here, and a script that does has failed.
                Deed::Reject { .. } | Deed::Vacation(_) => {}
                deed => own.add(deed, plans.version(&reader, changed)),
            }
        }
        let on_its_way = self.send_on(&mut plans, arrived, (&reader, envelope), redirects);
        let (onward, here) = on_its_way.await?;
        let mut made = Vec::new();
        for (notice, number) in notices.into_iter().take(NOTICES_MAX).zip(1..) {
            made.extend(self.notice((keeper.account, arrived.journey), *notice, number));
        }
        let sent = Plan {
            onward,
            made,
            ..Plan::default()
        };
        plans.plans.insert(keeper.account, sent);
        let mut plans = self.filter_readers(arrived, plans, here.into()).await;
        for account in plans.refused().into_keys() {
            plans.keep_refused(account);
        }
        let beside = Beside {
            lying,
            plan: own,
            message: arrived.spooled.clone(),
        };
        Ok(EventPlan {
            delivery: self.beside(arrived, plans, beside),
            kept,
        })
    }

    /// The step that does it, if there is anything to be done.
    fn beside(&self, arrived: Arrived<'_>, plans: Plans, beside: Beside) -> Option<Delivery> {
        let mut delivery = Delivery::default();
        delivery.queue.begun = plans.entries(self, arrived);
        delivery.outgoing = plans.outgoing(self, arrived);
        if !delivery.queue.begun.is_empty() {
            delivery.others.push(arrived.spooled.staged.clone());
        }
        let readers: std::collections::BTreeSet<AccountId> = plans.readers().collect();
        if !readers.is_empty() {
            let letter = Letter::of(INBOX, readers, arrived.spooled.clone());
            delivery.letters.push(letter);
        }
        let is_nothing = delivery.queue.begun.is_empty()
            && delivery.outgoing.is_empty()
            && delivery.letters.is_empty()
            && beside.plan.filings.is_empty()
            && beside.plan.remembers.is_empty();
        delivery.plans = plans;
        delivery.beside = Some(Box::new(beside));
        (!is_nothing).then_some(delivery)
    }
}

impl Plans {
    /// Files copies of a message that is still where it was.
    pub(crate) fn file_beside(
        &self,
        beside: &Beside,
        draft: &mut Draft<'_>,
        desk: Desk<'_>,
    ) -> Outcome<()> {
        let Beside { lying, plan, .. } = beside;
        let folder = draft.ledger().folder(lying.mailbox).ok();
        let entry = folder.and_then(|folder| folder.entry(lying.uid));
        let Some(entry) = entry.filter(|entry| entry.email == lying.email) else {
            // Whoever has removed it has the last word.
            return Ok(());
        };
        let desk = Desk {
            date: entry.date(),
            known: Some(lying.email),
            ..desk
        };
        self.carry_out(plan, draft, &beside.message, desk)
    }
}
