//! What is in memory beside itself: sums, counts of what is shared, the order of messages.
//!
//! A mailbox is looked at some thousand messages at a time; where it changes meanwhile it is begun
//! anew, and put off when it does not come to rest.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use mail::{EmailId, MailboxId, ModSeq};
use store::Version;

use super::operations::Parts;
use super::walk::Auditor;
use super::{Kind, Mend, Place, Suspect};
use crate::Outcome;
use crate::ledger::{Folder, Ledger, shared};
use crate::search::yield_now;
use crate::sums::Sums;
use crate::tables::Entry;

/// Messages looked at in one go: some tens of microseconds.
const LOOK_MAX: usize = 4096;
/// How often a mailbox is begun anew.
const TRIES_MAX: usize = 4;

/// What a walk through the memory of one version adds up to.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) emails: Vec<EmailId>,
    /// Entries by the line that says their flags.
    lines: HashMap<(ModSeq, MailboxId), usize>,
    /// Rows of what operations did.
    pub(super) parts: Parts,
}

impl Auditor<'_> {
    /// Judges the memory, and notes which messages are in mailboxes.
    pub(super) async fn memory(&mut self) -> Outcome<()> {
        let begun = self.version().await?;
        let mut walked = Walked::default();
        let ids = |ledger: &Ledger| ledger.folders.keys().copied().collect::<Vec<_>>();
        for id in self.account.look(ids).await? {
            self.findings.mailboxes += 1;
            self.folder(id, &mut walked).await?;
        }
        self.gone(&mut walked).await?;
        walked.emails.sort_unstable();
        let judged = self.beside(begun, |ledger| whole(ledger, &walked)).await?;
        match judged {
            ControlFlow::Break(suspects) => {
                self.settle(begun, suspects).await?;
            }
            // The next round may find it at rest.
            ControlFlow::Continue(()) => self.findings.postponed += 1,
        }
        walked.emails.dedup();
        self.emails = walked.emails;
        Ok(())
    }

    async fn folder(&mut self, id: MailboxId, walked: &mut Walked) -> Outcome<()> {
        for attempt in 1..=TRIES_MAX {
            let mut part = Walked::default();
            let seen = self.version().await?;
            // At last for the messages' sake alone.
            let strict = (attempt < TRIES_MAX).then_some(seen);
            let Some((sums, rises)) = self.sums(id, strict, &mut part).await? else {
                continue;
            };
            walked.emails.append(&mut part.emails);
            walked.lines.extend(part.lines);
            if strict.is_none() {
                self.findings.postponed += 1;
                return Ok(());
            }
            let judge = move |ledger: &Ledger| {
                let folder = ledger.folders.get(&id);
                folder.map_or_else(Vec::new, |folder| folder_suspects(id, folder, &sums, rises))
            };
            if let ControlFlow::Break(suspects) = self.beside(seen, judge).await? {
                self.settle(seen, suspects).await?;
            } else {
                self.findings.postponed += 1;
            }
            return Ok(());
        }
        Ok(())
    }

    /// Adds up a mailbox's messages, and says whether their UIDs rise; `None` if they changed
    /// meanwhile and that matters.
    async fn sums(
        &mut self,
        id: MailboxId,
        strict: Option<Version>,
        part: &mut Walked,
    ) -> Outcome<Option<(Sums, bool)>> {
        let (mut sums, mut rises) = (Sums::default(), true);
        let mut last = None;
        loop {
            let look = |ledger: &Ledger| {
                let known = strict.is_none_or(|seen| seen == ledger.version);
                let folder = ledger.folders.get(&id).filter(|_| known)?;
                let from = match last {
                    Some(last) => folder.entries.partition_point(|entry| entry.uid <= last),
                    None => 0,
                };
                let behind = folder.entries.iter().skip(from);
                Some(behind.take(LOOK_MAX).copied().collect::<Vec<Entry>>())
            };
            let Some(entries) = self.account.look(look).await? else {
                // Where it does not matter the mailbox is gone.
                return Ok(strict.is_none().then_some((sums, rises)));
            };
            for entry in &entries {
                rises &= last.is_none_or(|last| last < entry.uid);
                last = Some(entry.uid);
                sums.add(entry);
                part.emails.push(entry.email);
                *part.lines.entry((entry.modseq, id)).or_default() += 1;
            }
            if entries.len() < LOOK_MAX {
                return Ok(Some((sums, rises)));
            }
            yield_now().await;
        }
    }
}

fn folder_suspects(id: MailboxId, folder: &Folder, sums: &Sums, rises: bool) -> Vec<Suspect> {
    let mut suspects = Vec::new();
    let mut suspect = |what: String| {
        let place = Place::Mailbox(id);
        suspects.push(Suspect::of(Kind::Memory, place, what, Mend::Forget));
    };
    if !folder.sums.agrees(sums) {
        let told = |sums: &Sums| {
            let Sums {
                unseen,
                deleted,
                octets,
                ..
            } = sums;
            format!("{octets} octets, {unseen} unseen, {deleted} deleted")
        };
        let (held, found) = (told(&folder.sums), told(sums));
        suspect(format!("its sums are held as {held} and come to {found}"));
    }
    if !rises {
        suspect("its messages are not in their order".to_owned());
    }
    suspects
}

/// Judges what is counted over all mailboxes.
fn whole(ledger: &Ledger, walked: &Walked) -> Vec<Suspect> {
    let mut suspects = Vec::new();
    let mut suspect = |what: &str| {
        let place = Place::Account;
        suspects.push(Suspect::of(
            Kind::Memory,
            place,
            what.to_owned(),
            Mend::Forget,
        ));
    };
    let folders = ledger.folders.values();
    let octets: u64 = folders.clone().map(|folder| folder.sums.octets).sum();
    let messages: usize = folders.map(|folder| folder.entries.len()).sum();
    let used = ledger.counters.usage;
    if used.octets != octets || usize::try_from(used.messages) != Ok(messages) {
        suspect("what it holds is counted wrong in memory");
    }
    if ledger.shared != shared(walked.emails.clone()) {
        suspect("messages in several mailboxes are counted wrong in memory");
    }
    let held: BTreeMap<_, _> = ledger
        .flag_runs
        .iter()
        .map(|(line, held)| (*line, held.entries))
        .collect();
    let found = held.keys().map(|line| {
        let entries = walked.lines.get(line).copied();
        (*line, entries.unwrap_or(0))
    });
    if held != found.collect() {
        suspect("rows of flags are counted wrong in memory");
    }
    walked.parts.judge(ledger, &mut suspects);
    suspects
}

#[cfg(test)]
mod tests {
    use mail::{Flag, FlagSet, Timestamp, Uid};

    use super::*;
    use crate::draft::{Draft, Filing};

    const DATE: Timestamp = Timestamp::utc(1_700_000_000);

    /// Two mailboxes, and one of three messages in both.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::new(Version::default());
        let mut draft = Draft::new(&mut ledger);
        let inbox = draft.add_mailbox("INBOX", None, DATE);
        let other = draft.add_mailbox("Other", None, DATE);
        for (id, email) in [(inbox, 1), (inbox, 2), (other, 2), (other, 3)] {
            let flags = FlagSet::from_iter([Flag::Deleted]);
            let filing = Filing {
                email: EmailId(email),
                flags: &flags,
                date: DATE,
                now: DATE,
                size: 10 * email,
                unended: false,
            };
            draft.file(id, filing, 100).unwrap();
        }
        draft.share(EmailId(2));
        drop(draft.finish());
        ledger
    }

    fn judged(ledger: &Ledger) -> Vec<String> {
        let mut walked = Walked::default();
        let mut suspects = Vec::new();
        for (id, folder) in &ledger.folders {
            let entries = &folder.entries;
            walked
                .emails
                .extend(entries.iter().map(|entry| entry.email));
            for entry in entries {
                *walked.lines.entry((entry.modseq, *id)).or_default() += 1;
            }
            let rises = entries.is_sorted_by_key(|entry| entry.uid);
            suspects.extend(folder_suspects(*id, folder, &Sums::of(entries), rises));
        }
        suspects.extend(whole(ledger, &walked));
        suspects.into_iter().map(|suspect| suspect.what).collect()
    }

    #[test]
    fn what_is_held_wrong_is_found() {
        assert_eq!(judged(&ledger()), Vec::<String>::new());
        let spoilings: [(Spoil, &str); 6] = [
            (|ledger| folder(ledger).sums.unseen += 1, "its sums"),
            (|ledger| folder(ledger).sums.octets += 1, "its sums"),
            (
                |ledger| {
                    folder(ledger).sums.uids.insert(Uid::MAX);
                },
                "its sums",
            ),
            (
                |ledger| folder(ledger).entries.reverse(),
                "its messages are not in their order",
            ),
            (
                |ledger| ledger.counters.usage.add(1),
                "what it holds is counted wrong",
            ),
            (
                |ledger| ledger.shared.clear(),
                "messages in several mailboxes",
            ),
        ];
        for (spoil, expected) in spoilings {
            let mut ledger = ledger();
            spoil(&mut ledger);
            let judged = judged(&ledger);
            assert!(
                judged.iter().any(|what| what.starts_with(expected)),
                "{judged:?}"
            );
        }
    }

    type Spoil = fn(&mut Ledger);

    fn folder(ledger: &mut Ledger) -> &mut Folder {
        ledger.folders.values_mut().next().unwrap()
    }
}
