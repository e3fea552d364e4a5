//! Random lives of an account beside a naive model of it.

use std::collections::{BTreeMap, BTreeSet};

use mail::{ModSeq, Uid, UidSet};
use post::{Account, FlagAction, FlagChange, Usage};
use proptest::prelude::*;

use crate::world::{World, append, audited, flags, recounted, rules, uid};

const MAILBOXES: [&str; 3] = ["INBOX", "Archive", "a/b"];
const FILL: usize = 40;
const FLAGS: [&str; 4] = ["\\Seen", "\\Deleted", "\\Flagged", "$Work"];

#[derive(Clone, Debug)]
enum Deed {
    Append(usize, Vec<usize>),
    /// So many messages that flags are kept for ranges of them.
    Fill(usize, Vec<usize>),
    Store(usize, u32, u32, usize, Vec<usize>),
    Copy(usize, u32, u32, usize),
    Move(usize, u32, u32, usize),
    Expunge(usize),
    Fail,
    Restart,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let mailbox = 0..MAILBOXES.len();
    let names = || prop::collection::vec(0..FLAGS.len(), 0..3);
    let range = || prop_oneof![3 => (1..12_u32, 0..6_u32), 2 => (1..20_u32, 30..90_u32)];
    let deed = prop_oneof![
        4 => (mailbox.clone(), names()).prop_map(|(to, names)| Deed::Append(to, names)),
        1 => (mailbox.clone(), names()).prop_map(|(to, names)| Deed::Fill(to, names)),
        6 => (mailbox.clone(), range(), 0..3_usize, names())
            .prop_map(|(at, (low, len), how, names)| Deed::Store(at, low, len, how, names)),
        2 => (mailbox.clone(), range(), mailbox.clone())
            .prop_map(|(at, (low, len), to)| Deed::Copy(at, low, len, to)),
        2 => (mailbox.clone(), range(), mailbox.clone())
            .prop_map(|(at, (low, len), to)| Deed::Move(at, low, len, to)),
        2 => mailbox.prop_map(Deed::Expunge),
        1 => Just(Deed::Fail),
        1 => Just(Deed::Restart),
    ];
    prop::collection::vec(deed, 1..40)
}

/// One mailbox as anybody would write it down.
#[derive(Clone, Debug, Default)]
struct Folder {
    next: u32,
    messages: BTreeMap<u32, (usize, BTreeSet<usize>)>,
}

#[derive(Clone, Debug, Default)]
struct Model {
    folders: [Folder; 3],
    letters: usize,
}

impl Folder {
    fn push(&mut self, letter: usize, flags: BTreeSet<usize>) {
        self.next += 1;
        self.messages.insert(self.next, (letter, flags));
    }

    fn among(&self, low: u32, len: u32) -> Vec<(u32, (usize, BTreeSet<usize>))> {
        let range = self.messages.range(low..=low + len);
        range
            .map(|(uid, message)| (*uid, message.clone()))
            .collect()
    }
}

impl Model {
    fn act(&mut self, deed: &Deed) {
        match deed {
            Deed::Append(to, names) => {
                self.letters += 1;
                self.folders[*to].push(self.letters, names.iter().copied().collect());
            }
            Deed::Fill(to, names) => {
                for _ in 0..FILL {
                    self.letters += 1;
                    self.folders[*to].push(self.letters, names.iter().copied().collect());
                }
            }
            Deed::Store(at, low, len, how, names) => {
                for (uid, _) in self.folders[*at].among(*low, *len) {
                    let (_, flags) = self.folders[*at].messages.get_mut(&uid).unwrap();
                    match how {
                        0 => *flags = names.iter().copied().collect(),
                        1 => flags.extend(names),
                        _ => flags.retain(|flag| !names.contains(flag)),
                    }
                }
            }
            Deed::Copy(at, low, len, to) | Deed::Move(at, low, len, to) => {
                for (uid, (letter, flags)) in self.folders[*at].among(*low, *len) {
                    self.folders[*to].push(letter, flags);
                    if matches!(deed, Deed::Move(..)) {
                        self.folders[*at].messages.remove(&uid);
                    }
                }
            }
            Deed::Expunge(at) => {
                self.folders[*at]
                    .messages
                    .retain(|_, (_, flags)| !flags.contains(&1));
            }
            Deed::Fail | Deed::Restart => {}
        }
    }
}

fn some(low: u32, len: u32) -> UidSet {
    UidSet::from_range(uid(low)..=uid(low + len))
}

fn named(names: &[usize]) -> Vec<&'static str> {
    names.iter().map(|name| FLAGS[*name]).collect()
}

async fn act(account: &Account, deed: &Deed, letter: usize) -> post::Outcome<()> {
    match deed {
        Deed::Append(to, names) => {
            let body = format!("n: {letter}\r\n\r\n");
            append(account, MAILBOXES[*to], &named(names), &body).await;
        }
        Deed::Fill(to, names) => {
            for number in 1..=FILL {
                let body = format!("n: {}\r\n\r\n", letter - FILL + number);
                append(account, MAILBOXES[*to], &named(names), &body).await;
            }
        }
        Deed::Store(at, low, len, how, names) => {
            let id = account.open(MAILBOXES[*at]).await?.id;
            let change = FlagChange {
                action: [FlagAction::Replace, FlagAction::Add, FlagAction::Remove][*how],
                flags: flags(&named(names)),
                unchanged_since: None,
            };
            account.store(id, &some(*low, *len), &change).await?;
        }
        Deed::Copy(at, low, len, to) => {
            let id = account.open(MAILBOXES[*at]).await?.id;
            account.copy(id, &some(*low, *len), MAILBOXES[*to]).await?;
        }
        Deed::Move(at, low, len, to) => {
            let id = account.open(MAILBOXES[*at]).await?.id;
            account
                .relocate(id, &some(*low, *len), MAILBOXES[*to])
                .await?;
        }
        Deed::Expunge(at) => {
            let id = account.open(MAILBOXES[*at]).await?.id;
            account.expunge(id, None).await?;
        }
        Deed::Fail | Deed::Restart => {}
    }
    Ok(())
}

/// What one session knows of a mailbox: kept up by changes alone.
#[derive(Debug)]
struct Session {
    id: mail::MailboxId,
    since: ModSeq,
    uidnext: Uid,
    flags: BTreeMap<u32, String>,
}

impl Session {
    async fn open(account: &Account, mailbox: &str) -> Self {
        let opened = account.open(mailbox).await.unwrap();
        Self {
            id: opened.id,
            since: ModSeq(0),
            uidnext: Uid::MIN,
            flags: BTreeMap::new(),
        }
    }

    async fn catch_up(&mut self, account: &Account) {
        let changes = account
            .changes(self.id, self.since, self.uidnext)
            .await
            .unwrap();
        assert!(changes.modseq >= self.since && changes.uidnext >= self.uidnext);
        assert!(changes.highest_modseq <= changes.modseq);
        for uid in changes.vanished.iter() {
            self.flags.remove(&uid.value());
        }
        for row in &changes.changed {
            let known = self.flags.insert(row.uid.value(), row.flags.to_string());
            assert_eq!(
                known.is_none(),
                changes.added.contains(row.uid),
                "uid reused or lost"
            );
            assert!(row.modseq > self.since && row.modseq <= changes.modseq);
        }
        (self.since, self.uidnext) = (changes.modseq, changes.uidnext);
    }
}

async fn live(deeds: Vec<Deed>) {
    let mut world = World::with(&["ada"], rules()).await;
    let mut account = world.account("ada").await;
    account.create("a/b", None).await.unwrap();
    let mut model = Model::default();
    let mut sessions = Vec::new();
    for mailbox in MAILBOXES {
        sessions.push(Session::open(&account, mailbox).await);
    }
    for deed in deeds {
        match deed {
            Deed::Fail => {
                let before = world.store.done().len();
                world.store.fail(0, store::CommitError::Full);
                let refused = account.subscribe(&format!("name {before}")).await;
                assert!(refused.is_err());
                audited(&world.post).await;
                world
                    .made
                    .seconds
                    .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            Deed::Restart => {
                world = world.again().await;
                account = world.account("ada").await;
            }
            _ => {}
        }
        model.act(&deed);
        act(&account, &deed, model.letters).await.unwrap();
        for (session, folder) in sessions.iter_mut().zip(&model.folders) {
            session.catch_up(&account).await;
            let known: Vec<_> = session.flags.keys().collect();
            let expected: Vec<_> = folder.messages.keys().collect();
            assert_eq!(known, expected);
            assert_eq!(session.uidnext.value(), folder.next + 1);
            for (uid, (_, names)) in &folder.messages {
                let names: Vec<_> = names.iter().copied().collect();
                let shown = mail::FlagSet::from_iter(
                    session.flags[uid].split(' ').filter_map(mail::Flag::parse),
                );
                assert_eq!(shown, flags(&named(&names)));
            }
        }
    }
    compare(&world.again().await, &model).await;
}

async fn compare(world: &World, model: &Model) {
    let account = world.account("ada").await;
    recounted(world).await;
    audited(&world.post).await;
    let (used, _) = account.quota().await.unwrap();
    let mut sum = Usage::default();
    for (name, folder) in MAILBOXES.iter().zip(&model.folders) {
        let status = account.status(name).await.unwrap();
        sum.octets += status.size;
        sum.messages += u64::from(status.messages);
        assert_eq!(
            usize::try_from(status.messages).unwrap(),
            folder.messages.len()
        );
        let seen = |names: &BTreeSet<usize>| !names.contains(&0);
        let unseen = folder.messages.values().filter(|(_, names)| seen(names));
        assert_eq!(usize::try_from(status.unseen).unwrap(), unseen.count());
        let opened = account.open(name).await.unwrap();
        let since = account.changes(opened.id, ModSeq(0), Uid::MIN).await;
        for (row, (_, names)) in since.unwrap().changed.iter().zip(folder.messages.values()) {
            let names: Vec<_> = names.iter().copied().collect();
            assert_eq!(row.flags, flags(&named(&names)));
        }
        for (uid, (letter, _)) in &folder.messages {
            let stored = crate::world::whole(&account, name, *uid).await;
            assert_eq!(stored, format!("n: {letter}\r\n\r\n"));
        }
    }
    assert_eq!(used, sum);
}

/// How many random lives: more with `CARAMEL_LAWS`.
pub(crate) fn cases() -> u32 {
    let wanted = std::env::var("CARAMEL_LAWS").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(100)
}

#[test]
fn any_life_is_as_the_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let config = ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(deeds in deeds())| {
        runtime.block_on(live(deeds));
    });
}
