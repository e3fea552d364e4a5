//! Orders and threads of mailboxes as they were made before, kept in the account's memory.
//!
//! What a message is sorted by never changes, and no UID is given twice: messages that were put in
//! order stay so. Threads are good for exactly the messages that they were made of.
//!
//! Not here: how they are made (`sort`, `thread`).

use std::sync::Arc;

use mail::{MailboxId, Uid, UidSet};
use message::Member;

use crate::{SortCriterion, Threading};

/// So many are kept for each account: those that were asked for last.
const ARRANGEMENTS_MAX: usize = 8;
/// Octets that a shared piece of memory costs besides what is in it.
const SHARED_OCTETS: usize = 32;

/// The arrangements of one account, the one asked for last at the end.
#[derive(Debug, Default)]
pub(crate) struct Arranged {
    kept: Vec<Kept>,
}

#[derive(Debug)]
struct Kept {
    mailbox: MailboxId,
    arrangement: Arrangement,
}

#[derive(Debug)]
enum Arrangement {
    Order(Vec<SortCriterion>, Order),
    Threads(Threading, UidSet, Members),
}

/// Messages in threads.
pub(crate) type Members = Arc<[Member<Uid>]>;

/// Messages in an order. Some of them may have gone since.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// One behind the other.
    pub(crate) uids: Arc<[Uid]>,
    /// Which they are.
    pub(crate) among: Arc<UidSet>,
}

impl Order {
    pub(crate) fn of(uids: &[Uid]) -> Self {
        let mut rising = uids.to_vec();
        rising.sort_unstable();
        let mut among: UidSet = rising.into_iter().collect();
        among.shrink_to_fit();
        Self {
            uids: uids.into(),
            among: Arc::new(among),
        }
    }
}

impl Arranged {
    /// The order of a mailbox by these criteria.
    pub(crate) fn order(
        &mut self,
        mailbox: MailboxId,
        criteria: &[SortCriterion],
    ) -> Option<Order> {
        match self.find(mailbox, |kept| is_order(kept, criteria))? {
            Arrangement::Order(_, order) => Some(order.clone()),
            Arrangement::Threads(..) => None,
        }
    }

    /// Keeps an order in the place of an older one.
    pub(crate) fn keep_order(
        &mut self,
        mailbox: MailboxId,
        criteria: &[SortCriterion],
        order: Order,
    ) {
        let same = |kept: &Arrangement| is_order(kept, criteria);
        let arrangement = Arrangement::Order(criteria.to_vec(), order);
        self.keep(mailbox, arrangement, same);
    }

    /// The threads that exactly these messages of a mailbox make.
    pub(crate) fn threads(
        &mut self,
        mailbox: MailboxId,
        threading: Threading,
        uids: &UidSet,
    ) -> Option<Members> {
        match self.find(mailbox, |kept| is_threads(kept, threading))? {
            Arrangement::Threads(_, of, members) if of == uids => Some(Arc::clone(members)),
            Arrangement::Threads(..) | Arrangement::Order(..) => None,
        }
    }

    /// Keeps threads in the place of older ones.
    pub(crate) fn keep_threads(
        &mut self,
        mailbox: MailboxId,
        threading: Threading,
        mut uids: UidSet,
        members: Members,
    ) {
        uids.shrink_to_fit();
        let same = |kept: &Arrangement| is_threads(kept, threading);
        self.keep(
            mailbox,
            Arrangement::Threads(threading, uids, members),
            same,
        );
    }

    /// How many octets of memory they take.
    pub(crate) fn octets(&self) -> usize {
        let apart: usize = self.kept.iter().map(|kept| kept.arrangement.octets()).sum();
        self.kept.capacity() * size_of::<Kept>() + apart
    }

    fn find(
        &mut self,
        mailbox: MailboxId,
        is_it: impl Fn(&Arrangement) -> bool,
    ) -> Option<&Arrangement> {
        let mut kept = self.kept.iter();
        let at = kept.position(|kept| kept.mailbox == mailbox && is_it(&kept.arrangement))?;
        self.kept.get_mut(at..)?.rotate_left(1);
        self.kept.last().map(|kept| &kept.arrangement)
    }

    fn keep(
        &mut self,
        mailbox: MailboxId,
        arrangement: Arrangement,
        same: impl Fn(&Arrangement) -> bool,
    ) {
        self.kept
            .retain(|kept| kept.mailbox != mailbox || !same(&kept.arrangement));
        if self.kept.len() >= ARRANGEMENTS_MAX {
            self.kept.remove(0);
        }
        self.kept.push(Kept {
            mailbox,
            arrangement,
        });
    }
}

impl Arrangement {
    fn octets(&self) -> usize {
        match self {
            Self::Order(criteria, order) => {
                criteria.capacity() * size_of::<SortCriterion>()
                    + size_of_val(&*order.uids)
                    + order.among.octets()
                    + 2 * SHARED_OCTETS
            }
            Self::Threads(_, uids, members) => {
                uids.octets() + size_of_val(&**members) + SHARED_OCTETS
            }
        }
    }
}

fn is_order(kept: &Arrangement, criteria: &[SortCriterion]) -> bool {
    matches!(kept, Arrangement::Order(of, _) if of == criteria)
}

fn is_threads(kept: &Arrangement, threading: Threading) -> bool {
    matches!(kept, Arrangement::Threads(of, ..) if *of == threading)
}
