//! A mailbox as it was at a moment: what is there now, with all that was done since undone.
//!
//! Nothing is changed for it. Flags are as they were but for changes of few messages, which are
//! not remembered.
//!
//! See `docs/decisions/029-undo.md`.

use std::collections::{BTreeMap, BTreeSet};

use mail::{EmailId, Flag, FlagSet, Keyword, MailboxId, Timestamp, Uid, UidSet};
use store::Version;

use crate::draft::{Draft, Filing};
use crate::ledger::Ledger;
use crate::mailbox::{checked_name, normal_name, room_for};
use crate::search::yield_now;
use crate::tables::{Entry, Filed, Flagged, Moved, Part, Removed, Renamed};
use crate::{Account, Error, OperationKind, Outcome, Reverted, Usage};

/// How often it is begun anew because the account has changed meanwhile.
const TRIES_MAX: usize = 8;

/// A mailbox as it was.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// The messages, by rising UID.
    pub messages: Vec<PastMessage>,
    /// How many messages are known to have been in the account then and are gone for good.
    pub lost: u64,
}

/// A message as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastMessage {
    /// Its UID then.
    pub uid: Uid,
    /// Which message.
    pub email: EmailId,
    /// Its INTERNALDATE.
    pub date: Timestamp,
    /// Its octets.
    pub size: u32,
    /// Its flags.
    pub flags: FlagSet,
    unended: bool,
}

/// What is undone in memory.
#[derive(Debug, Default)]
struct Rewound {
    names: BTreeMap<String, MailboxId>,
    keywords: BTreeMap<MailboxId, Vec<Keyword>>,
    folders: BTreeMap<MailboxId, BTreeMap<Uid, Entry>>,
    lost: u64,
}

impl Account {
    /// What a mailbox held at a moment, under the name it had then.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if there was no such mailbox, [`crate::Why::Cannot`] if what was
    /// then is not remembered, or if the account cannot be read.
    pub async fn past(&self, moment: Timestamp, mailbox: &str) -> Outcome<Past> {
        Ok(self.past_of(moment, mailbox).await?.1)
    }

    /// The subjects of messages, in their order.
    ///
    /// # Errors
    /// If their rows cannot be read.
    pub async fn subjects(&self, messages: &[PastMessage]) -> Outcome<Vec<String>> {
        let ids: Vec<EmailId> = messages.iter().map(|one| one.email).collect();
        let rows = self.emails(&ids).await?;
        let subject = |row: Option<crate::tables::EmailRow>| {
            let outline = row.and_then(|row| row.outline)?;
            Some(message::Digest::decode(&outline).ok()?.subject_text())
        };
        Ok(rows
            .into_iter()
            .map(|row| subject(row).unwrap_or_default())
            .collect())
    }

    /// Puts what a mailbox held at a moment into another, which is made if it is not there: as
    /// copies, with the flags they had, but none marked to be removed.
    ///
    /// # Errors
    /// As [`Account::past`]; [`crate::Why::OverQuota`], [`crate::Why::Limit`].
    pub async fn restore_past(
        &self,
        moment: Timestamp,
        mailbox: &str,
        into: &str,
        over_quota: bool,
    ) -> Outcome<Reverted> {
        let house = self.house();
        let (rules, now) = (house.rules(), house.outside().now());
        let (name, quota) = (checked_name(into, rules)?, house.quota(self.id()));
        for _ in 0..TRIES_MAX {
            let (version, past) = self.past_of(moment, mailbox).await?;
            if past.messages.is_empty() {
                return Err(Error::cannot("There was nothing in it"));
            }
            let more = Usage::of(past.messages.iter().map(|one| one.size.into()));
            let done = self.change(|draft| {
                if draft.ledger().version != version {
                    return Ok(None);
                }
                if !over_quota {
                    draft.admit(quota, more)?;
                }
                draft.call(OperationKind::Restore);
                let to = match draft.ledger().find(&name) {
                    Some(_) => draft.ledger().target(&name)?,
                    None => {
                        self.may_make(draft.ledger(), &name)?;
                        room_for(draft.ledger(), std::iter::once(name.as_str()), rules)?;
                        self.add_parents(draft, &name, now);
                        draft.add_mailbox(&name, None, now)
                    }
                };
                file(draft, to, &past, (rules.mailbox_messages_max, now))?;
                Ok(Some(draft.modseq()))
            });
            if let Some(line) = done.await? {
                self.renew_index().await;
                return Ok(Reverted {
                    number: Some(line),
                    messages: more.messages,
                    missing: past.lost,
                    mailbox: name,
                });
            }
            yield_now().await;
        }
        Err(changes_too_often())
    }

    async fn past_of(&self, moment: Timestamp, mailbox: &str) -> Outcome<(Version, Past)> {
        for _ in 0..TRIES_MAX {
            let (seen, since) = self
                .look(|ledger| (ledger.version, ledger.remembered.since_seconds))
                .await?;
            if since.is_none_or(|since| moment.seconds < since) {
                return Err(not_remembered(since));
            }
            let mut later = Vec::new();
            for (line, deed) in self.deeds().await?.into_iter().rev() {
                if deed.when.seconds > moment.seconds {
                    later.extend(self.parts(line).await?.into_iter().rev());
                }
            }
            let look = |ledger: &Ledger| {
                (ledger.version == seen).then(|| Rewound::of(ledger, &later, mailbox))
            };
            if let Some(rewound) = self.look(look).await? {
                let past = rewound.and_then(|rewound| rewound.rewind(&later, mailbox, moment))?;
                return Ok((seen, past));
            }
            yield_now().await;
        }
        Err(changes_too_often())
    }
}

fn changes_too_often() -> Error {
    Error::limit("The account changes too often just now; please try again")
}

fn not_remembered(since: Option<i64>) -> Error {
    Error::cannot(match since {
        None => "Nothing is remembered of what was before".to_owned(),
        Some(since) => format!(
            "Not all is remembered of what was before {}",
            Timestamp::utc(since).to_rfc3339()
        ),
    })
}

fn no_such() -> Error {
    Error::nonexistent("There was no such mailbox then")
}

fn file(
    draft: &mut Draft<'_>,
    to: MailboxId,
    past: &Past,
    (messages_max, now): (usize, Timestamp),
) -> Outcome<()> {
    let mut uids = UidSet::new();
    for one in &past.messages {
        let flags: FlagSet = one
            .flags
            .iter()
            .filter(|flag| *flag != Flag::Deleted)
            .collect();
        let filing = Filing {
            email: one.email,
            flags: &flags,
            date: one.date,
            now,
            size: one.size.into(),
            unended: one.unended,
        };
        uids.insert(draft.file(to, filing, messages_max)?);
        draft.share(one.email);
    }
    draft.record_filed(to, uids);
    draft.unindex();
    Ok(())
}

impl Rewound {
    /// The account as it is, as far as the mailbox of that name has to do with it; the parts come
    /// newest first.
    fn of(ledger: &Ledger, later: &[Part], mailbox: &str) -> Outcome<Self> {
        let mut rewound = Self {
            names: ledger.names.clone(),
            ..Self::default()
        };
        for (id, folder) in &ledger.folders {
            rewound.keywords.insert(*id, folder.row.keywords.clone());
        }
        for part in later {
            if let Part::Deleted(deleted) = part {
                rewound
                    .keywords
                    .insert(deleted.id, deleted.row.keywords.clone());
            }
        }
        let mut names = rewound.names.clone();
        later.iter().for_each(|part| rename(&mut names, part));
        let id = *names.get(&normal_name(mailbox)).ok_or_else(no_such)?;
        for id in linked(later, id) {
            let folder = ledger.folders.get(&id);
            let entries = folder.map_or(&[][..], |folder| &folder.entries);
            let entries = entries.iter().map(|entry| (entry.uid, *entry));
            rewound.folders.insert(id, entries.collect());
        }
        Ok(rewound)
    }

    fn rewind(mut self, later: &[Part], mailbox: &str, moment: Timestamp) -> Outcome<Past> {
        for part in later {
            rename(&mut self.names, part);
            match part {
                Part::Removed(removed) => self.removed(removed),
                Part::Moved(moved) => self.moved(moved),
                Part::Flagged(flagged) => self.flagged(flagged),
                Part::Filed(filed) => self.filed(filed),
                Part::Revived(id) => {
                    if let Some(folder) = self.folders.get_mut(id) {
                        folder.clear();
                    }
                }
                Part::Deleted(_) | Part::Renamed(_) => {}
            }
        }
        let id = *self.names.get(&normal_name(mailbox)).ok_or_else(no_such)?;
        let entries = self.folders.remove(&id).unwrap_or_default().into_values();
        let was_there = |entry: &Entry| {
            let saved = entry.saved.map(|saved| saved.moment().seconds);
            saved.is_none_or(|saved| saved <= moment.seconds)
        };
        let keywords = self.keywords.get(&id);
        let message = |entry: Entry| PastMessage {
            uid: entry.uid,
            email: entry.email,
            date: entry.date(),
            size: entry.size,
            flags: flags_of(&entry, keywords.map_or(&[], Vec::as_slice)),
            unended: entry.unended,
        };
        Ok(Past {
            messages: entries.filter(was_there).map(message).collect(),
            lost: self.lost,
        })
    }

    fn removed(&mut self, removed: &Removed) {
        if let Some(folder) = self.folders.get_mut(&removed.mailbox) {
            folder.extend(removed.entries.iter().map(|entry| (entry.uid, *entry)));
        }
    }

    fn moved(&mut self, moved: &Moved) {
        if !self.folders.contains_key(&moved.from) {
            return;
        }
        for (source, target, saved) in moved.pairs() {
            let there = self.folders.get_mut(&moved.to);
            let Some(entry) = there.and_then(|folder| folder.remove(&target)) else {
                self.lost += 1;
                continue;
            };
            let keywords = self.translated(&entry, (moved.to, moved.from));
            let entry = Entry {
                uid: source,
                saved,
                keywords,
                ..entry
            };
            if let Some(folder) = self.folders.get_mut(&moved.from) {
                folder.insert(source, entry);
            }
        }
    }

    /// The keywords' bits as another mailbox counts them.
    fn translated(&self, entry: &Entry, (from, to): (MailboxId, MailboxId)) -> u64 {
        let (Some(source), Some(target)) = (self.keywords.get(&from), self.keywords.get(&to))
        else {
            return 0;
        };
        let set = source.iter().enumerate();
        let set = set.filter(|(bit, _)| entry.keywords & (1 << bit) != 0);
        let found = set.filter_map(|(_, keyword)| target.iter().position(|one| one == keyword));
        found.fold(0, |bits, bit| bits | (1 << bit))
    }

    fn flagged(&mut self, flagged: &Flagged) {
        let Some(folder) = self.folders.get_mut(&flagged.mailbox) else {
            return;
        };
        for run in &flagged.runs {
            for (_, entry) in folder.range_mut(run.low..=run.high) {
                (entry.system, entry.keywords) = run.undone((entry.system, entry.keywords));
            }
        }
    }

    fn filed(&mut self, filed: &Filed) {
        if let Some(folder) = self.folders.get_mut(&filed.mailbox) {
            folder.retain(|uid, _| !filed.uids.contains(*uid));
        }
    }
}

/// Names as they were before a part.
fn rename(names: &mut BTreeMap<String, MailboxId>, part: &Part) {
    match part {
        Part::Deleted(deleted) => {
            names.insert(deleted.row.name.clone(), deleted.id);
        }
        Part::Renamed(Renamed { id, from, to }) => {
            if names.get(to) == Some(id) {
                names.remove(to);
            }
            names.insert(from.clone(), *id);
        }
        Part::Revived(id) => names.retain(|_, named| named != id),
        Part::Removed(_) | Part::Moved(_) | Part::Flagged(_) | Part::Filed(_) => {}
    }
}

/// The mailboxes that messages of this one came to, and those from there, and so on.
fn linked(later: &[Part], id: MailboxId) -> BTreeSet<MailboxId> {
    let mut linked = BTreeSet::from([id]);
    loop {
        let before = linked.len();
        for part in later {
            if let Part::Moved(moved) = part
                && linked.contains(&moved.from)
            {
                linked.insert(moved.to);
            }
        }
        if linked.len() == before {
            return linked;
        }
    }
}

fn flags_of(entry: &Entry, keywords: &[Keyword]) -> FlagSet {
    let mut flags = FlagSet::from_system_bits(entry.system);
    for (bit, keyword) in keywords.iter().enumerate() {
        if entry.keywords & (1 << bit) != 0 {
            flags.insert(Flag::Keyword(keyword.clone()));
        }
    }
    flags
}
