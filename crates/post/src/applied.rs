//! A script applied to messages that are in a mailbox already: what it would do with each, and,
//! where that is wanted, done through the doors that clients use, so that it can be undone.
//!
//! `keep` leaves a message where it is, `fileinto` moves it (copies it where something else keeps
//! it), `discard` removes it. Flags are added, and none is taken away. Nothing is sent: no
//! redirection, no answer, no notice, no refusal; nor is a message changed, nor an identifier
//! remembered. A message that only these would have concerned stays.
//!
//! Not here: letters that come in (`filter`). RFC 6785 §3 has the same words for messages that are
//! there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mail::{
    EmailId, FlagSet, ForwardPath, MailboxId, Recipient, ReversePath, Rights, ScriptName, Uid,
    UidSet,
};
use message::Header;
use sieve::{Answer, Ask, Circumstances, Deed, Envelope, Letter, Outcome as Ended, Run, Step};

use crate::access::nowhere;
use crate::append::REMOVES;
use crate::fetch::whole;
use crate::filter::{Filing, named};
use crate::tables::{EmailRow, Entry};
use crate::{Account, Error, FlagAction, FlagChange, Outcome};

/// Messages of one step.
const MESSAGES_MAX: usize = 500;
/// Rows read at once.
const ROWS_MAX: usize = 50;
/// Octets of a message that a script sees whole, and of the beginning of a larger one: as at
/// delivery.
const WHOLE_OCTETS_MAX: u64 = 256 * 1024;
const BEGINNING_OCTETS_MAX: u64 = 128 * 1024;

/// What is to be applied to what.
#[derive(Clone, Copy, Debug)]
pub struct Apply<'a> {
    /// The mailbox.
    pub mailbox: &'a str,
    /// The script.
    pub script: &'a ScriptName,
    /// Messages up to this one are done.
    pub after: Option<Uid>,
    /// Messages behind this one have come since it began.
    pub until: Option<Uid>,
    /// Tells what would be done, and does nothing.
    pub dry_run: bool,
}

/// What was done, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Messages that were looked at.
    pub messages: u64,
    /// All that there are to look at, these included, if this is the first step.
    pub total: u64,
    /// The last message of all, and the last that was looked at; none where there are no more.
    pub until: Option<Uid>,
    /// Where the next step begins.
    pub next: Option<Uid>,
    /// How often what was done: a word, and a mailbox where there is one.
    pub done: BTreeMap<(&'static str, String), u64>,
    /// How often a script wanted what is not done here.
    pub not_done: BTreeMap<&'static str, u64>,
    /// What went wrong, by message; the message stays as it is.
    pub failed: BTreeMap<String, u64>,
}

/// What becomes of one message.
#[derive(Debug, Default)]
struct Fate {
    /// It stays where it is.
    stays: bool,
    flags: FlagSet,
    filings: Vec<Filing>,
}

/// What becomes of many.
#[derive(Debug, Default)]
struct Plan {
    moves: BTreeMap<Target, (FlagSet, UidSet)>,
    copies: BTreeMap<Target, (FlagSet, UidSet)>,
    /// Flags by their text.
    flags: BTreeMap<String, (FlagSet, UidSet)>,
    removed: UidSet,
}

/// A mailbox that something is filed into, and flags it gets there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    name: String,
    is_new: bool,
    flags: String,
}

impl Account {
    /// Applies a script of this account to messages of one of its mailboxes, as many as go in one
    /// step.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if there is no such mailbox or script, or the script is none any
    /// more; what moving, copying, flagging and removing fail with. What was done before stays.
    pub async fn apply_script(&self, apply: &Apply<'_>) -> Outcome<Applied> {
        let script = self.script_to_apply(apply.script).await?;
        let Page {
            mailbox,
            entries,
            total,
            until,
        } = self.page_to_apply(apply).await?;
        let mut applied = Applied {
            messages: u64::try_from(entries.len()).unwrap_or(u64::MAX),
            total,
            until,
            ..Applied::default()
        };
        let last = entries.last().map(|(entry, _)| entry.uid);
        applied.next = last.filter(|last| until.is_some_and(|until| *last < until));
        let mut plan = Plan::default();
        for some in entries.chunks(ROWS_MAX) {
            let ids: Vec<EmailId> = some.iter().map(|(entry, _)| entry.email).collect();
            let rows = self.emails(&ids).await?;
            for ((entry, flags), row) in some.iter().zip(rows) {
                // One that was removed meanwhile.
                let Some(row) = row else { continue };
                let letter = self.letter(mailbox, entry, &row).await?;
                let ended = self.try_script(&script, letter, flags).await;
                let fate = applied.fate(ended);
                let fate = self.placed(fate, (mailbox, entry, flags)).await?;
                plan.add(entry.uid, fate, &mut applied);
            }
        }
        if !apply.dry_run {
            self.carry_out_applied(mailbox, plan).await?;
        }
        Ok(applied)
    }

    async fn script_to_apply(&self, name: &ScriptName) -> Outcome<Arc<sieve::Script>> {
        let found = self.look(|ledger| named(ledger, name.as_str())).await?;
        let (name, row) =
            found.ok_or_else(|| Error::nonexistent("There is no script of this name"))?;
        let script = self.house().compiled(&self.keeper, &name, row).await?;
        script.ok_or_else(|| Error::cannot("The script is none that this release can run"))
    }

    async fn page_to_apply(&self, apply: &Apply<'_>) -> Outcome<Page> {
        self.look(|ledger| {
            let (mailbox, _) = ledger.find(apply.mailbox).ok_or_else(nowhere)?;
            let folder = self.folder(ledger, mailbox, Rights::READ)?;
            let last = folder.entries.last().map(|entry| entry.uid);
            let until = apply.until.or(last);
            let is_asked = |entry: &&Entry| {
                apply.after.is_none_or(|after| entry.uid > after)
                    && until.is_some_and(|until| entry.uid <= until)
            };
            let asked = folder.entries.iter().filter(is_asked);
            let total = u64::try_from(asked.clone().count()).unwrap_or(u64::MAX);
            let entries = asked.take(MESSAGES_MAX);
            Ok(Page {
                mailbox,
                entries: entries.map(|entry| (*entry, folder.flags(entry))).collect(),
                total,
                until,
            })
        })
        .await?
    }

    /// A message as scripts see it.
    async fn letter(
        &self,
        mailbox: MailboxId,
        entry: &Entry,
        row: &EmailRow,
    ) -> Outcome<(ReversePath, Letter)> {
        let outline = self.outline(mailbox, entry.uid, entry.email, row).await?;
        let range = match row.size > WHOLE_OCTETS_MAX {
            true => whole(row).part(0, BEGINNING_OCTETS_MAX),
            false => whole(row),
        };
        let octets = self.house().read(range).await?;
        // What the envelope said when it came.
        let returned = Header::first(&octets, "Return-Path");
        let returned =
            returned.map(|field| String::from_utf8_lossy(&field.unfolded()).into_owned());
        let path = returned.and_then(|text| ReversePath::parse(text.trim()).ok());
        let letter = Letter::beginning(octets, Arc::new(outline), row.size);
        Ok((path.unwrap_or(ReversePath::Null), letter))
    }

    async fn try_script(
        &self,
        script: &Arc<sieve::Script>,
        (reverse_path, letter): (ReversePath, Letter),
        flags: &FlagSet,
    ) -> Ended {
        let house = self.house();
        let host = house.rules().host.to_string();
        // RFC 5183 §4.1
        let items = [
            ("domain", self.address().host.to_string()),
            ("host", host),
            ("location", "MS".to_owned()),
            ("name", "Caramel".to_owned()),
            ("phase", "post".to_owned()),
        ];
        let circumstances = Circumstances {
            envelope: Some(Arc::new(Envelope {
                reverse_path,
                recipient: Recipient {
                    forward_path: ForwardPath::Address(self.address().clone()),
                    notify: None,
                    orcpt: None,
                },
                ret: None,
                envid: None,
                auth: None,
                by: None,
            })),
            addresses: vec![self.address().clone()],
            environment: items.map(|(name, value)| (name.to_owned(), value)).into(),
            flags: flags.clone(),
            ..Circumstances::new(letter)
        };
        let mut run = Run::new(
            Arc::clone(script),
            circumstances,
            house.rules().script_limits(),
        );
        loop {
            match run.step() {
                Step::Done(ended) => return ended,
                // The message itself was seen when it came.
                Step::Ask(Ask::Seen { .. }) => run.answer(Answer::Flag(false)),
                Step::Ask(ask) => {
                    let answer = house.answer_script(&self.keeper, ask).await;
                    run.answer(answer);
                }
            }
        }
    }

    /// Where a message goes: mailboxes that are not there and not to be made leave it where it is.
    async fn placed(
        &self,
        fate: Fate,
        (mailbox, entry, flags): (MailboxId, &Entry, &FlagSet),
    ) -> Outcome<Placed> {
        let new = |wanted: &FlagSet| {
            let mut new = FlagSet::new();
            wanted
                .iter()
                .filter(|flag| !flags.contains(flag))
                .for_each(|flag| new.insert(flag));
            new
        };
        self.look(|ledger| {
            let mut placed = Placed {
                stays: fate.stays,
                flags: new(&fate.flags),
                targets: Vec::new(),
            };
            for filing in &fate.filings {
                let found = filing.found(ledger);
                if found == Some(mailbox) {
                    placed.stays = true;
                    new(&filing.flags)
                        .iter()
                        .for_each(|flag| placed.flags.insert(flag));
                    continue;
                }
                let name = match found {
                    Some(id) => ledger
                        .folders
                        .get(&id)
                        .map(|folder| folder.row.name.clone()),
                    None => filing.made().map(str::to_owned),
                };
                let Some(name) = name else {
                    placed.stays = true;
                    continue;
                };
                let folder = found.and_then(|id| ledger.folder(id).ok());
                let is_there = folder.is_some_and(|folder| {
                    folder
                        .entries
                        .iter()
                        .any(|other| other.email == entry.email)
                });
                let target = Target {
                    name,
                    is_new: found.is_none(),
                    flags: new(&filing.flags).to_string(),
                };
                let mut known = placed.targets.iter();
                if !known.any(|(other, ..): &Placement| *other == target) {
                    placed.targets.push((target, new(&filing.flags), is_there));
                }
            }
            placed
        })
        .await
    }

    async fn carry_out_applied(&self, mailbox: MailboxId, plan: Plan) -> Outcome<()> {
        let flag = |flags: FlagSet| FlagChange {
            action: FlagAction::Add,
            flags,
            unchanged_since: None,
        };
        for (flags, uids) in plan.flags.into_values() {
            self.store(mailbox, &uids, &flag(flags)).await?;
        }
        let copies = plan.copies.into_iter().map(|all| (all, false));
        let moves = plan.moves.into_iter().map(|all| (all, true));
        let mut made = BTreeSet::new();
        for ((target, (flags, uids)), goes) in copies.chain(moves) {
            let Target { name, is_new, .. } = target;
            if is_new && made.insert(name.clone()) {
                // Another message may have made it, in the step before.
                match self.create(&name, None).await {
                    Ok(_) => self.subscribe(&name).await?,
                    Err(error) if error.why() == crate::Why::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
            }
            let copied = match goes {
                true => self.relocate(mailbox, &uids, &name).await?,
                false => self.copy(mailbox, &uids, &name).await?,
            };
            if !flags.is_empty() {
                let there = self.status(&name).await?.id;
                let mut uids = UidSet::new();
                copied.pairs.iter().for_each(|(_, uid)| uids.insert(*uid));
                self.store(there, &uids, &flag(flags)).await?;
            }
        }
        if plan.removed.is_empty() {
            return Ok(());
        }
        self.change(|draft| {
            self.folder(draft.ledger(), mailbox, REMOVES)?;
            draft.remove(mailbox, &plan.removed);
            Ok(())
        })
        .await
    }
}

/// Messages that are looked at in one step.
struct Page {
    mailbox: MailboxId,
    entries: Vec<(Entry, FlagSet)>,
    total: u64,
    until: Option<Uid>,
}

/// What becomes of a message, with the mailboxes looked up.
struct Placed {
    stays: bool,
    flags: FlagSet,
    targets: Vec<Placement>,
}

/// Where a message is filed, the flags it gets there, and whether it is there already.
type Placement = (Target, FlagSet, bool);

impl Applied {
    fn count(&mut self, what: &'static str, mailbox: &str) {
        let key = (what, mailbox.to_owned());
        *self.done.entry(key).or_default() += 1;
    }

    /// What a script wants of a message, as far as that is done here.
    fn fate(&mut self, ended: Ended) -> Fate {
        let mut fate = Fate::default();
        if let Some(trouble) = ended.fault {
            *self.failed.entry(trouble.to_string()).or_default() += 1;
            fate.stays = true;
            return fate;
        }
        let mut discards = false;
        let mut changes = false;
        for action in ended.actions {
            changes |= action.changed.is_some();
            let name = action.deed.name();
            match action.deed {
                Deed::Keep { flags } => {
                    fate.stays = true;
                    flags.iter().for_each(|flag| fate.flags.insert(flag));
                }
                Deed::FileInto(filing) => fate.filings.push(Filing::of(filing, None)),
                Deed::Discard => discards = true,
                Deed::Remember { .. } => {}
                Deed::Redirect(_) | Deed::Reject { .. } | Deed::Vacation(_) | Deed::Notify(_) => {
                    *self.not_done.entry(name).or_default() += 1;
                    // What would have gone elsewhere is not lost here.
                    let leaves = matches!(name, "redirect" | "reject" | "ereject");
                    fate.stays |= leaves && fate.filings.is_empty();
                }
            }
        }
        if changes {
            *self.not_done.entry("change").or_default() += 1;
        }
        fate.stays |= fate.filings.is_empty() && !discards;
        fate
    }
}

impl Plan {
    fn add(&mut self, uid: Uid, placed: Placed, applied: &mut Applied) {
        let Placed {
            mut stays,
            flags,
            targets,
        } = placed;
        let is_gone = targets.is_empty() && !stays;
        for (target, flags, is_there) in targets {
            // The last that takes it, if it does not stay, is where it is moved to.
            if !stays && !is_there {
                stays = true;
                applied.count("move", &target.name);
                group(&mut self.moves, target, flags).insert(uid);
                continue;
            }
            if is_there {
                continue;
            }
            applied.count("copy", &target.name);
            group(&mut self.copies, target, flags).insert(uid);
        }
        if is_gone {
            applied.count("remove", "");
            self.removed.insert(uid);
            return;
        }
        if !stays {
            // All that were to have it have it.
            applied.count("remove", "");
            self.removed.insert(uid);
            return;
        }
        if !flags.is_empty() {
            applied.count("flag", "");
            group(&mut self.flags, flags.to_string(), flags).insert(uid);
        }
    }
}

/// The messages of a group, which may be new.
fn group<K: Ord>(
    groups: &mut BTreeMap<K, (FlagSet, UidSet)>,
    key: K,
    flags: FlagSet,
) -> &mut UidSet {
    &mut groups
        .entry(key)
        .or_insert_with(|| (flags, UidSet::new()))
        .1
}
