//! What is known of one account, and the comparison with what was seen.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Deed, Glimpse, Seen};

/// One account.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub(super) known: Known,
    /// What was asked and not answered.
    pub(super) doubt: Option<Change>,
    /// True once it was looked at.
    begun: bool,
}

/// What must be there.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) mailboxes: BTreeMap<String, Mailbox>,
    /// UIDVALIDITYs that a name had, and may not have again with other letters.
    retired: BTreeSet<(String, u64)>,
    /// What the owner did last, if it took something away.
    pub(super) last: Option<Deed>,
}

/// One mailbox.
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    /// By UID.
    pub letters: BTreeMap<u64, Letter>,
    /// Letters that are there under a UID not seen yet.
    pub awaited: Vec<Letter>,
    /// None until it was seen.
    uid_validity: Option<u64>,
    uid_next: u64,
    modseq: u64,
    /// UIDs that were used, and are not any more.
    gone: BTreeSet<u64>,
}

/// One letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// What it is.
    pub token: String,
    /// Its flags.
    pub flags: BTreeSet<String>,
    /// The greatest that was seen.
    pub modseq: u64,
}

impl Letter {
    pub(super) fn new(token: &str, flags: BTreeSet<String>) -> Self {
        Self {
            token: token.to_owned(),
            flags,
            modseq: 0,
        }
    }

    fn is(&self, seen: &Seen) -> bool {
        self.token == seen.token && self.flags == seen.flags
    }
}

impl Mailbox {
    /// Removes letters, and tells them.
    pub(super) fn remove(&mut self, uids: &[u64]) -> Vec<Letter> {
        let mut removed = Vec::new();
        for uid in uids {
            if let Some(letter) = self.letters.remove(uid) {
                self.gone.insert(*uid);
                removed.push(letter);
            }
        }
        removed
    }

    /// Removes the letter that is this one, whether its UID was seen or not.
    pub(super) fn take(&mut self, token: &str) -> Option<Letter> {
        let mut seen = self.letters.iter();
        if let Some((uid, _)) = seen.find(|(_, letter)| letter.token == token) {
            let uid = *uid;
            return self.remove(&[uid]).pop();
        }
        let mut awaited = self.awaited.iter();
        let place = awaited.position(|letter| letter.token == token)?;
        Some(self.awaited.swap_remove(place))
    }
}

impl Known {
    pub(super) fn retire(&mut self, name: &str, mailbox: &Mailbox) {
        let validity = mailbox.uid_validity;
        self.retired
            .extend(validity.map(|validity| (name.to_owned(), validity)));
    }
}

impl Known {
    /// The mailbox that had the name before has it again.
    pub(super) fn restore(&mut self, name: &str, mailbox: &Mailbox) {
        if let Some(validity) = mailbox.uid_validity {
            self.retired.remove(&(name.to_owned(), validity));
        }
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if let Some(mailbox) = self.mailboxes.remove(from) {
            self.retire(from, &mailbox);
            self.restore(to, &mailbox);
            self.mailboxes.insert(to.to_owned(), mailbox);
        }
    }
}

impl Account {
    /// A letter from outside is there from now on.
    pub(super) fn expect(&mut self, name: &str, token: &str) {
        let letter = Letter::new(token, BTreeSet::new());
        self.known.mailbox(name).awaited.push(letter);
    }

    /// The tokens of letters whose UIDs were not seen yet.
    pub(super) fn awaited(&self) -> Vec<String> {
        let awaited = self
            .known
            .mailboxes
            .values()
            .flat_map(|mailbox| &mailbox.awaited);
        awaited.map(|letter| letter.token.clone()).collect()
    }

    /// Compares and learns; says which doubtful letters have arrived.
    pub(super) fn judge(
        &mut self,
        seen: &BTreeMap<String, Glimpse>,
        due: &[String],
        doubtful: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<String>, String> {
        if !self.begun {
            self.begun = true;
            // The mailboxes an account begins with.
            for name in seen.keys() {
                self.known.mailbox(name);
            }
        }
        let mut arrived = Vec::new();
        let before = compare(&self.known, seen, due, doubtful, &mut arrived);
        let Some(change) = self.doubt.take() else {
            self.known = before?;
            return Ok(arrived);
        };
        let before = match before {
            Ok(known) => {
                self.known = known;
                return Ok(arrived);
            }
            Err(before) => before,
        };
        arrived.clear();
        let mut after = self.known.clone();
        change.apply(&mut after);
        let after = compare(&after, seen, due, doubtful, &mut arrived);
        let neither =
            |after| format!("{change:?} is neither done nor not: undone, {before}; done, {after}");
        self.known = after.map_err(neither)?;
        Ok(arrived)
    }
}

/// What is known afterwards, if what was seen can be.
fn compare(
    known: &Known,
    seen: &BTreeMap<String, Glimpse>,
    due: &[String],
    doubtful: &dyn Fn(&str) -> bool,
    arrived: &mut Vec<String>,
) -> Result<Known, String> {
    let mut learnt = known.clone();
    if !known.mailboxes.keys().eq(seen.keys()) {
        let (known, seen) = (known.mailboxes.keys(), seen.keys());
        return Err(format!(
            "mailboxes {:?} and not {:?}",
            Vec::from_iter(seen),
            Vec::from_iter(known)
        ));
    }
    for (name, glimpse) in seen {
        let validity = glimpse.uid_validity;
        if learnt.retired.contains(&(name.clone(), validity)) {
            return Err(format!("{name} has UIDVALIDITY {validity} again"));
        }
        let mailbox = learnt.mailbox(name);
        let doubtful = |token: &str| name == "INBOX" && doubtful(token);
        mailbox
            .meet(glimpse, due, &doubtful, arrived)
            .map_err(|flaw| format!("{name}: {flaw}"))?;
    }
    Ok(learnt)
}

impl Mailbox {
    fn meet(
        &mut self,
        glimpse: &Glimpse,
        due: &[String],
        doubtful: &dyn Fn(&str) -> bool,
        arrived: &mut Vec<String>,
    ) -> Result<(), String> {
        let validity = *self.uid_validity.get_or_insert(glimpse.uid_validity);
        if validity != glimpse.uid_validity {
            return Err(format!(
                "UIDVALIDITY {} and not {validity}",
                glimpse.uid_validity
            ));
        }
        for (what, was, is) in [
            ("UIDNEXT", &mut self.uid_next, glimpse.uid_next),
            ("HIGHESTMODSEQ", &mut self.modseq, glimpse.modseq),
        ] {
            if is < *was {
                return Err(format!("{what} fell from {was} to {is}"));
            }
            *was = is;
        }
        let mut missing: BTreeSet<u64> = self.letters.keys().copied().collect();
        let mut fresh = Vec::new();
        for seen in &glimpse.letters {
            let uid = seen.uid;
            if self.gone.contains(&uid) {
                return Err(format!("UID {uid} came back as {}", seen.token));
            }
            match self.letters.get_mut(&uid) {
                Some(letter) if !letter.is(seen) => {
                    return Err(format!("UID {uid} is {seen:?} and not {letter:?}"));
                }
                Some(letter) if letter.modseq > seen.modseq => {
                    return Err(format!("UID {uid}'s MODSEQ fell: {seen:?} and {letter:?}"));
                }
                Some(letter) => letter.modseq = seen.modseq,
                None => fresh.push(seen),
            }
            missing.remove(&uid);
        }
        if let Some(uid) = missing.first() {
            return Err(format!("UID {uid} is lost: {:?}", self.letters.get(uid)));
        }
        for seen in fresh {
            let place = self.awaited.iter().position(|letter| letter.is(seen));
            match place {
                Some(place) => drop(self.awaited.swap_remove(place)),
                None if doubtful(&seen.token) && seen.flags.is_empty() => {
                    if arrived.contains(&seen.token) {
                        return Err(format!("{} arrived twice", seen.token));
                    }
                    arrived.push(seen.token.clone());
                }
                None => return Err(format!("nobody put {seen:?} here")),
            }
            let mut letter = Letter::new(&seen.token, seen.flags.clone());
            letter.modseq = seen.modseq;
            self.letters.insert(seen.uid, letter);
        }
        let lost = self
            .awaited
            .iter()
            .find(|letter| due.contains(&letter.token));
        match lost {
            Some(letter) => Err(format!("{} is lost", letter.token)),
            None => Ok(()),
        }
    }
}
