//! The last things that happened in an account, in memory: what a session that watches all of it is
//! told from.
//!
//! It is a part of the ledger in memory and goes with it. It has an end: whoever asks from before
//! that hears that it is forgotten.
//!
//! Not here: what of it whom is told (`news`).

use std::collections::VecDeque;

use mail::{MailboxId, ModSeq};

use crate::access::Acl;

/// Happenings remembered of one account.
pub(crate) const HAPPENINGS_MAX: usize = 512;
/// So many are looked through for one that the next says as well.
const REPEATS_SOUGHT_MAX: usize = 16;

/// Who did it: one login, or nobody in particular.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Author(pub(crate) u64);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Messages came.
    Arrived,
    /// Messages went.
    Removed,
    /// Messages have other flags.
    Flagged,
    /// The mailbox was made.
    Made,
    /// It was deleted, and stays as a level above others.
    Emptied,
    /// It was deleted.
    Gone {
        /// The name it had.
        name: String,
        /// Who might do what with it.
        acl: Acl,
    },
    /// It got another name; those below it as well, of which nothing is said.
    Renamed {
        /// The name it had.
        from: String,
    },
    /// Others may do something else with it.
    Shared {
        /// What they might do before.
        before: Acl,
    },
    /// A subscription began or ended; of no mailbox.
    Subscribed {
        /// To this name.
        name: String,
    },
    /// A note was set or removed.
    Noted {
        /// This one.
        entry: String,
    },
}

impl What {
    /// True if its last time says as much as all of them: it does not tell how it was before.
    const fn is_repeated(&self) -> bool {
        match self {
            Self::Arrived | Self::Removed | Self::Flagged => true,
            Self::Subscribed { .. } | Self::Noted { .. } => true,
            Self::Made | Self::Emptied | Self::Gone { .. } => false,
            Self::Renamed { .. } | Self::Shared { .. } => false,
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) struct Happening {
    /// In this line of the ledger.
    pub(crate) modseq: ModSeq,
    pub(crate) author: Author,
    pub(crate) mailbox: MailboxId,
    pub(crate) what: What,
}

/// What happened last, by rising mod-sequence.
#[derive(Debug, Default)]
pub(crate) struct Happenings {
    kept: VecDeque<Happening>,
    /// What happened up to here is not told any more.
    forgotten: ModSeq,
}

impl Happenings {
    /// Remembers what happens behind this line.
    pub(crate) const fn behind(modseq: ModSeq) -> Self {
        Self {
            kept: VecDeque::new(),
            forgotten: modseq,
        }
    }

    /// Notes one more.
    pub(crate) fn push(&mut self, happening: Happening) {
        let repeats = |known: &Happening| {
            let same = known.mailbox == happening.mailbox && known.author == happening.author;
            same && known.what == happening.what && known.what.is_repeated()
        };
        let is_shared = |known: &Happening| {
            let both = (&known.what, &happening.what);
            matches!(both, (What::Shared { .. }, What::Shared { .. }))
                && (known.mailbox, known.modseq) == (happening.mailbox, happening.modseq)
        };
        let last = self.kept.iter().rev().take(REPEATS_SOUGHT_MAX);
        // What was there before the first of many changes in one step is what counts.
        if last.clone().any(is_shared) {
            return;
        }
        // Of what happens again and again the last time is enough.
        let again = last.clone().position(repeats);
        if let Some(back) = again {
            self.kept.remove(self.kept.len() - 1 - back);
        }
        if self.kept.len() >= HAPPENINGS_MAX
            && let Some(oldest) = self.kept.pop_front()
        {
            self.forgotten = oldest.modseq;
        }
        self.kept.push_back(happening);
    }

    /// What happened behind this line; `None` if some of it is forgotten.
    pub(crate) fn since(&self, modseq: ModSeq) -> Option<impl Iterator<Item = &Happening>> {
        let from = self.kept.partition_point(|known| known.modseq <= modseq);
        (modseq >= self.forgotten).then(|| self.kept.range(from..))
    }

    /// About how many octets of memory it takes.
    pub(crate) fn octets(&self) -> usize {
        self.kept.capacity() * size_of::<Happening>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(happenings: &mut Happenings, modseq: u64, mailbox: u64, what: What) {
        happenings.push(Happening {
            modseq: ModSeq(modseq),
            author: Author(1),
            mailbox: MailboxId(mailbox),
            what,
        });
    }

    fn told(happenings: &Happenings, since: u64) -> Option<Vec<u64>> {
        let told = happenings.since(ModSeq(since))?;
        Some(told.map(|happening| happening.modseq.0).collect())
    }

    #[test]
    fn what_happens_again_is_told_once() {
        let mut happenings = Happenings::behind(ModSeq(3));
        for modseq in 4..2000 {
            push(&mut happenings, modseq, modseq % 2, What::Arrived);
        }
        assert_eq!(told(&happenings, 3), Some(vec![1998, 1999]));
        assert_eq!(told(&happenings, 1998), Some(vec![1999]));
        assert_eq!(told(&happenings, 1999), Some(vec![]));
        assert_eq!(told(&happenings, 2), None);
    }

    #[test]
    fn what_is_too_long_ago_is_forgotten() {
        let mut happenings = Happenings::behind(ModSeq(0));
        for modseq in 1..=600 {
            push(&mut happenings, modseq, modseq, What::Made);
        }
        assert_eq!(told(&happenings, 87), None);
        assert_eq!(told(&happenings, 88).map(|told| told.len()), Some(512));
    }

    #[test]
    fn the_first_name_is_kept() {
        let mut happenings = Happenings::default();
        for (modseq, from) in [(1, "A"), (2, "B"), (3, "A")] {
            let from = from.to_owned();
            push(&mut happenings, modseq, 1, What::Renamed { from });
        }
        assert_eq!(told(&happenings, 0), Some(vec![1, 2, 3]));
    }

    #[test]
    fn the_first_list_of_one_step_is_the_one_before_it() {
        let mut happenings = Happenings::default();
        let before = |account| {
            let grantee = crate::access::Grantee {
                negative: false,
                account: mail::AccountId(account),
            };
            What::Shared {
                before: Acl::from([(grantee, mail::Rights::ALL)]),
            }
        };
        push(&mut happenings, 5, 1, before(1));
        push(&mut happenings, 5, 1, before(2));
        push(&mut happenings, 6, 1, before(3));
        let kept: Vec<_> = happenings.kept.iter().map(|known| &known.what).collect();
        assert_eq!(kept, [&before(1), &before(3)]);
    }
}
