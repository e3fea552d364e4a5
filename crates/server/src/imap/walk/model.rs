//! The house as anybody would write it down: every message with all it ever was.

use std::collections::{BTreeMap, BTreeSet};

use imap::ask::{Criterion, Reached, Row, Status, StoreMode};
use imap::{Answer, Ask};
use mail::{Flag, FlagSet, MailboxId, ModSeq, Uid, UidSet, UidValidity};
use post::Account;

use super::deeds::NAMES;
use super::parts::letter_of;

/// What a message was from one step on.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) step: u64,
    pub(super) modseq: ModSeq,
    pub(super) flags: FlagSet,
}

#[derive(Clone, Debug)]
pub(super) struct Message {
    /// Which text it has: copies have the same.
    pub(super) letter: u64,
    born: u64,
    died: Option<u64>,
    /// The ledger's line after it went: whoever knows up to there need not be told.
    pub(super) gone_upto: ModSeq,
    versions: Vec<Version>,
}

#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) validity: UidValidity,
    /// `None` once it was deleted.
    pub(super) name: Option<String>,
    messages: BTreeMap<u32, Message>,
    dead: BTreeMap<u32, Message>,
    /// The dead in the order they went.
    graves: Vec<u32>,
    /// The highest UID ever given.
    pub(super) last: u32,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    /// Counts the asks that changed something.
    pub(super) step: u64,
    pub(super) folders: BTreeMap<MailboxId, Folder>,
    /// After which step the ledger has moved last.
    pub(super) moved: u64,
    letters: u64,
    ledger: ModSeq,
    /// How often messages went from a mailbox.
    removals: usize,
}

/// So many removals the house remembers at least.
const REMOVALS_KEPT: usize = 1024;

/// Messages on their way in by one session.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    target: String,
    replaces: Option<(MailboxId, Uid)>,
    flags: Vec<FlagSet>,
    texts: Vec<Vec<u8>>,
}

impl Message {
    pub(super) fn lives_at(&self, step: u64) -> bool {
        self.born <= step && self.died.is_none_or(|died| died > step)
    }

    pub(super) fn now(&self) -> &Version {
        self.versions.last().unwrap()
    }

    /// What it was at any time from one step to another.
    pub(super) fn between(&self, from: u64, to: u64) -> impl Iterator<Item = &Version> {
        let ends = self.versions.iter().skip(1).map(|version| version.step);
        let ends = ends.chain([u64::MAX]);
        let versions = self.versions.iter().zip(ends);
        versions
            .filter(move |(version, end)| version.step <= to && *end > from)
            .map(|(version, _)| version)
    }
}

impl Folder {
    /// A message that is there, or was.
    pub(super) fn message(&self, uid: u32) -> &Message {
        self.messages.get(&uid).unwrap_or_else(|| &self.dead[&uid])
    }

    /// The UIDs there were after that step.
    pub(super) fn uids_at(&self, step: u64) -> Vec<u32> {
        let graves = self.graves.iter().rev();
        let graves = graves.take_while(|uid| self.dead[*uid].died.unwrap() > step);
        let uids = self.messages.keys().chain(graves).copied();
        let mut uids: Vec<u32> = uids
            .filter(|uid| self.message(*uid).lives_at(step))
            .collect();
        uids.sort_unstable();
        uids
    }

    /// How many messages there are, and how many of them lack this flag.
    pub(super) fn counts(&self, flag: &Flag) -> (u32, u32) {
        let lacks = |message: &&Message| !message.now().flags.contains(flag);
        let lacking = self.messages.values().filter(lacks).count();
        let count = |count| u32::try_from(count).unwrap();
        (count(self.messages.len()), count(lacking))
    }

    pub(super) fn uids(&self) -> Vec<u32> {
        self.messages.keys().copied().collect()
    }

    /// Which text a message has that is there.
    pub(super) fn letter(&self, uid: u32) -> Option<u64> {
        self.messages.get(&uid).map(|message| message.letter)
    }

    fn among(&self, uids: &UidSet) -> Vec<u32> {
        let mut living = self.uids();
        living.retain(|uid| uids.contains(Uid::new(*uid).unwrap()));
        living
    }
}

impl Model {
    /// True once the house may have forgotten what went when.
    pub(super) const fn forgets(&self) -> bool {
        self.removals > REMOVALS_KEPT
    }

    /// A house with nothing but its inbox.
    pub(super) async fn begin(&mut self, account: &Account) {
        self.meet(account, "INBOX").await;
        self.learn(account).await;
    }

    /// A new letter's number.
    pub(super) fn letter(&mut self) -> u64 {
        self.letters += 1;
        self.letters
    }

    pub(super) fn find(&self, name: &str) -> Option<MailboxId> {
        let mut folders = self.folders.iter();
        folders
            .find(|(_, folder)| folder.name.as_deref() == Some(name))
            .map(|(id, _)| *id)
    }

    pub(super) fn folder(&mut self, id: MailboxId) -> &mut Folder {
        self.folders.get_mut(&id).unwrap()
    }

    fn file(&mut self, id: MailboxId, uid: u32, letter: u64, flags: FlagSet) {
        let step = self.step;
        let folder = self.folder(id);
        assert!(uid > folder.last, "UID {uid} after {}", folder.last);
        folder.last = uid;
        let version = Version {
            step,
            modseq: ModSeq(0),
            flags,
        };
        let message = Message {
            letter,
            born: step,
            died: None,
            gone_upto: ModSeq(0),
            versions: vec![version],
        };
        folder.messages.insert(uid, message);
    }

    fn change(&mut self, id: MailboxId, uid: u32, flags: FlagSet) {
        let version = Version {
            step: self.step,
            modseq: ModSeq(0),
            flags,
        };
        let message = self.folder(id).messages.get_mut(&uid).unwrap();
        message.versions.push(version);
    }

    fn remove(&mut self, id: MailboxId, uid: u32) {
        let step = self.step;
        let folder = self.folder(id);
        let mut message = folder.messages.remove(&uid).unwrap();
        message.died = Some(step);
        folder.dead.insert(uid, message);
        folder.graves.push(uid);
    }

    /// Enters a mailbox that has come.
    pub(super) async fn meet(&mut self, account: &Account, name: &str) -> MailboxId {
        let opened = account.open(name).await.unwrap();
        let folder = Folder {
            validity: opened.uidvalidity,
            name: Some(name.to_owned()),
            messages: BTreeMap::new(),
            dead: BTreeMap::new(),
            graves: Vec::new(),
            last: 0,
        };
        let known = self.folders.values();
        let again = known.filter(|known| known.validity == folder.validity);
        assert_eq!(again.count(), 0, "a generation comes again");
        let before = self.folders.insert(opened.id, folder);
        assert!(before.is_none(), "a mailbox's identity comes again");
        opened.id
    }

    /// Does what was asked for and compares the house's answer.
    pub(super) async fn take(
        &mut self,
        incoming: &mut Incoming,
        account: &Account,
        ask: &Ask,
        answer: &Answer,
    ) {
        if matches!(answer, Answer::Refused(_)) {
            match ask {
                Ask::Store { .. } | Ask::Copy { .. } | Ask::Move { .. } => self.refused(ask),
                Ask::AppendStored(part) => assert_eq!(self.part(part, answer), None),
                _ => {}
            }
            return self.learn(account).await;
        }
        self.step += 1;
        match (ask, answer) {
            (Ask::Create { name, .. }, Answer::Created(id)) => {
                assert_eq!(self.meet(account, name).await, id.mailbox);
            }
            (Ask::Delete { name }, _) => {
                let id = self.find(name).unwrap();
                self.folder(id).name = None;
            }
            (Ask::Rename { source, target }, _) => self.rename(account, source, target).await,
            (Ask::Expunge { mailbox, uids }, _) => self.expunge(mailbox.mailbox, uids.as_ref()),
            (Ask::Store { .. }, _) => self.store(ask, answer),
            (Ask::Copy { .. } | Ask::Move { .. }, _) => self.copied(ask, answer),
            (_, Answer::Rows { rows, reached }) => self.fetched(ask, rows, *reached),
            (_, Answer::Found { .. } | Answer::Sorted { .. }) => self.searched(ask, answer),
            (Ask::Status { name }, Answer::Status(status)) => self.counted(name, status),
            _ => self.append(incoming, ask, answer),
        }
        self.learn(account).await;
    }

    /// Nothing about messages is refused while the mailboxes are there.
    fn refused(&mut self, ask: &Ask) {
        let (mailbox, target) = match ask {
            Ask::Store { mailbox, .. } => (mailbox, None),
            Ask::Copy {
                mailbox, target, ..
            }
            | Ask::Move {
                mailbox, target, ..
            } => (mailbox, Some(target)),
            _ => return,
        };
        let gone = self.folder(mailbox.mailbox).name.is_none();
        let nowhere = target.is_some_and(|target| self.find(target).is_none());
        assert!(gone || nowhere, "refused: {ask:?}");
    }

    async fn rename(&mut self, account: &Account, source: &str, target: &str) {
        let id = self.find(source).unwrap();
        if source != "INBOX" {
            self.folder(id).name = Some(target.to_owned());
            return;
        }
        let made = self.meet(account, target).await;
        let from = self.folder(id).uids();
        let to = numbers(&account.open(target).await.unwrap().uids);
        self.copy((id, &from), (made, &to), true);
    }

    fn expunge(&mut self, id: MailboxId, uids: Option<&UidSet>) {
        let living = self.folder(id).uids();
        for uid in living {
            let deleted = self.folder(id).messages[&uid]
                .now()
                .flags
                .contains(&Flag::Deleted);
            let asked = uids.is_none_or(|uids| uids.contains(Uid::new(uid).unwrap()));
            if deleted && asked {
                self.remove(id, uid);
            }
        }
    }

    fn copy(
        &mut self,
        (id, from): (MailboxId, &[u32]),
        (to, made): (MailboxId, &[u32]),
        moves: bool,
    ) {
        assert_eq!(from.len(), made.len(), "as many copies");
        for (uid, copy) in from.iter().zip(made) {
            let message = &self.folder(id).messages[uid];
            let (letter, flags) = (message.letter, message.now().flags.clone());
            self.file(to, *copy, letter, flags);
        }
        if moves {
            from.iter().for_each(|uid| self.remove(id, *uid));
        }
    }

    fn copied(&mut self, ask: &Ask, answer: &Answer) {
        let (
            Ask::Copy {
                mailbox,
                uids,
                target,
            }
            | Ask::Move {
                mailbox,
                uids,
                target,
            },
            Answer::Copied {
                source, target: to, ..
            },
        ) = (ask, answer)
        else {
            panic!("{answer:?} to {ask:?}");
        };
        let moves = matches!(ask, Ask::Move { .. });
        let from = self.folder(mailbox.mailbox).among(uids);
        assert_eq!(numbers(source), from, "what was copied");
        let target = self.find(target).unwrap();
        self.copy((mailbox.mailbox, &from), (target, &numbers(to)), moves);
    }

    fn searched(&self, ask: &Ask, answer: &Answer) {
        let (
            Ask::Search {
                mailbox, criterion, ..
            }
            | Ask::Sort {
                mailbox, criterion, ..
            },
            sorted,
        ) = (ask, answer)
        else {
            panic!("{answer:?} to {ask:?}");
        };
        let mut found = match sorted {
            Answer::Sorted { uids, .. } => uids.iter().map(|uid| uid.value()).collect(),
            Answer::Found { uids, .. } => numbers(uids),
            _ => Vec::new(),
        };
        found.sort_unstable();
        assert_eq!(
            found,
            self.found(mailbox.mailbox, criterion),
            "{criterion:?}"
        );
    }

    fn counted(&self, name: &str, status: &Status) {
        // Those that every account begins with are left alone.
        let Some(id) = self.find(name) else {
            return assert!(!NAMES.contains(&name), "{name} is not there");
        };
        let folder = &self.folders[&id];
        let versions = folder.messages.values().map(Message::now);
        let (messages, unseen) = folder.counts(&Flag::Seen);
        let expected = (messages, unseen, messages - folder.counts(&Flag::Deleted).1);
        let told = (status.messages, status.unseen, status.deleted);
        assert_eq!(told, expected, "messages, unseen, deleted of {name}");
        let highest = versions.map(|now| now.modseq).max();
        assert!(status.modseq >= highest.unwrap_or_default(), "{name}");
        assert!(status.uid_next.value() > folder.last, "{name}");
    }

    fn fetched(&mut self, ask: &Ask, rows: &[Row], reached: Reached) {
        let Ask::Fetch {
            mailbox,
            uids,
            plan,
        } = ask
        else {
            panic!("rows to {ask:?}");
        };
        let id = mailbox.mailbox;
        let mut missing = self.folder(id).among(uids);
        if let Reached::Uid(last) = reached {
            missing.retain(|uid| *uid <= last.value());
        }
        for row in rows {
            let uid = row.uid.value();
            let before = self.folder(id).messages[&uid].now().flags.clone();
            let unseen = !before.contains(&Flag::Seen);
            assert_eq!(row.marked, unseen && plan.mark_seen, "{uid} is marked");
            if row.marked {
                let mut flags = before;
                flags.insert(Flag::Seen);
                self.change(id, uid, flags);
            }
            let now = self.folder(id).messages[&uid].now();
            assert_eq!(row.flags, now.flags, "flags of {uid}");
            missing.retain(|other| *other != uid);
        }
        for uid in missing {
            let modseq = self.folder(id).messages[&uid].now().modseq;
            let left_out = plan.changed_since.is_some_and(|since| modseq <= since);
            assert!(left_out, "{uid} is missing");
        }
    }

    fn store(&mut self, ask: &Ask, answer: &Answer) {
        let (
            Ask::Store {
                mailbox,
                uids,
                mode,
                flags,
                unchanged_since,
                told,
            },
            Answer::Stored {
                changed,
                raced,
                modified,
                ..
            },
        ) = (ask, answer)
        else {
            panic!("{answer:?} to {ask:?}");
        };
        let mut expected = (Vec::new(), Vec::new(), Vec::new());
        for uid in self.folder(mailbox.mailbox).among(uids) {
            let now = self.folder(mailbox.mailbox).messages[&uid].now().clone();
            if unchanged_since.is_some_and(|since| now.modseq > since) {
                expected.0.push(uid);
                continue;
            }
            expected.1.push(uid);
            if now.modseq > *told {
                expected.2.push(uid);
            }
            let next = stored(&now.flags, *mode, flags);
            if next != now.flags {
                self.change(mailbox.mailbox, uid, next);
            }
        }
        let changed: Vec<u32> = changed.iter().map(|changed| changed.uid.value()).collect();
        let answered = (numbers(modified), changed, numbers(raced));
        assert_eq!(answered, expected, "left alone, changed, raced");
    }

    /// Which messages such a search finds now.
    pub(super) fn found(&self, id: MailboxId, criterion: &Criterion) -> Vec<u32> {
        let folder = &self.folders[&id];
        let mut living = folder.uids();
        living.retain(|uid| meets(*uid, folder.messages[uid].now(), criterion));
        living
    }

    fn append(&mut self, incoming: &mut Incoming, ask: &Ask, answer: &Answer) {
        match (ask, answer) {
            (
                Ask::AppendBegin {
                    name,
                    flags,
                    replaces,
                    ..
                },
                _,
            ) => {
                *incoming = Incoming {
                    target: name.clone(),
                    replaces: replaces.map(|(place, uid)| (place.mailbox, uid)),
                    flags: vec![flags.clone()],
                    texts: vec![Vec::new()],
                };
            }
            (Ask::AppendNext { flags, .. }, _) => {
                incoming.flags.push(flags.clone());
                incoming.texts.push(Vec::new());
            }
            (Ask::AppendChunk(octets), _) => {
                incoming.texts.last_mut().unwrap().extend_from_slice(octets);
            }
            (Ask::AppendStored(part), _) => {
                let octets = self.part(part, answer).unwrap();
                incoming.texts.last_mut().unwrap().extend(octets);
            }
            (Ask::AppendEnd, Answer::Appended { uids, .. }) => {
                let Incoming {
                    target,
                    replaces,
                    flags,
                    texts,
                } = std::mem::take(incoming);
                let target = self.find(&target).unwrap();
                let uids = numbers(uids);
                assert_eq!(uids.len(), flags.len(), "as many UIDs as messages");
                for ((uid, flags), octets) in uids.into_iter().zip(flags).zip(texts) {
                    self.file(target, uid, letter_of(&octets), flags);
                }
                if let Some((mailbox, uid)) = replaces {
                    self.remove(mailbox, uid.value());
                }
            }
            _ => {}
        }
    }

    /// Learns the mod-sequences of what has just changed, and that nothing else has.
    async fn learn(&mut self, account: &Account) {
        let (before, now) = (self.ledger, account.modseq().await.unwrap());
        self.ledger = now;
        if before == now {
            return;
        }
        self.moved = self.step;
        for (id, folder) in &mut self.folders {
            if folder.name.is_none() {
                continue;
            }
            let next = Uid::new(folder.last + 1).unwrap();
            let changes = account.changes(*id, before, next).await.unwrap();
            let mut expected = BTreeSet::new();
            let mut gone = BTreeSet::new();
            for (uid, message) in &folder.messages {
                if message.now().modseq == ModSeq(0) {
                    expected.insert(*uid);
                }
            }
            for uid in folder.graves.iter().rev() {
                let message = folder.dead.get_mut(uid).unwrap();
                if message.gone_upto > ModSeq(0) {
                    break;
                }
                message.gone_upto = now;
                gone.insert(*uid);
            }
            for row in &changes.changed {
                let uid = row.uid.value();
                assert!(expected.remove(&uid), "{uid} of {id:?} changed by itself");
                assert!(row.modseq > before && row.modseq <= now, "{}", row.modseq.0);
                let message = folder.messages.get_mut(&uid).unwrap();
                let version = message.versions.last_mut().unwrap();
                assert_eq!(version.flags, row.flags, "flags of {uid}");
                version.modseq = row.modseq;
            }
            assert!(
                expected.is_empty(),
                "{expected:?} changed and nobody says so"
            );
            let vanished: BTreeSet<u32> = numbers(&changes.vanished).into_iter().collect();
            self.removals += usize::from(!gone.is_empty());
            assert_eq!(vanished, gone, "what went");
        }
    }
}

/// The flags a message has after such a change.
pub(super) fn stored(before: &FlagSet, mode: StoreMode, flags: &FlagSet) -> FlagSet {
    let mut after = before.clone();
    match mode {
        StoreMode::Replace => after = flags.clone(),
        StoreMode::Add => flags.iter().for_each(|flag| after.insert(flag)),
        StoreMode::Remove => flags.iter().for_each(|flag| after.remove(&flag)),
    }
    after
}

fn meets(uid: u32, now: &Version, criterion: &Criterion) -> bool {
    match criterion {
        Criterion::All => true,
        Criterion::Uids(uids) => uids.contains(Uid::new(uid).unwrap()),
        Criterion::Has(flag) => now.flags.contains(flag),
        Criterion::Lacks(flag) => !now.flags.contains(flag),
        Criterion::ModSeq(modseq) => now.modseq >= *modseq,
        Criterion::Not(inner) => !meets(uid, now, inner),
        Criterion::Or(one, other) => meets(uid, now, one) || meets(uid, now, other),
        Criterion::And(all) => all.iter().all(|inner| meets(uid, now, inner)),
        other => panic!("not asked for in this test: {other:?}"),
    }
}

pub(super) fn numbers(uids: &UidSet) -> Vec<u32> {
    uids.iter().map(Uid::value).collect()
}
