//! A house in which people do what they do, backed up at moments of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::mail::{Address, Flag, FlagSet, Host, Instant, Timestamp, UidSet};
use bytes::Bytes;
use post::{
    Account, AtOnce, Audit, Data, FetchPlan, FlagAction, FlagChange, Form, Item, Outside, Post,
    Rules,
};
use sim::Dice;
use store::{Boxed, Memory};

use crate::kept::{Still, create, disk, repository, restored};

/// A clock that passes a second each time it is looked at, and chance that repeats.
#[derive(Debug)]
struct Made {
    seconds: AtomicU64,
    dice: Dice,
}

impl Outside for Made {
    fn now(&self) -> Timestamp {
        let passed = self.seconds.fetch_add(1, Ordering::Relaxed);
        Timestamp::utc(1_700_000_000 + i64::try_from(passed).unwrap())
    }

    fn instant(&self) -> Instant {
        Instant(Duration::from_secs(self.seconds.load(Ordering::Relaxed)))
    }

    fn fill(&self, octets: &mut [u8]) {
        self.dice.fill(octets);
    }

    fn run_heavy(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn detach(&self, work: Boxed<'static, ()>) {
        drop(tokio::spawn(work));
    }
}

async fn open(store: &Memory, seed: u64) -> Post {
    let made = Made {
        seconds: AtomicU64::new(0),
        dice: Dice::new(seed, "house"),
    };
    let rules = Rules {
        argon2_kibibytes: 8,
        argon2_passes: 1,
        scram_iterations: 2,
        ..Rules::new(Host::parse("mx.example.org").unwrap())
    };
    let opened = Post::open(Arc::new(store.clone()), Arc::new(made), rules);
    opened.await.unwrap()
}

/// Somebody does something.
async fn act(account: &Account, dice: &Dice) {
    let names = ["INBOX", "Work", "Work/2026", "Café"];
    let name = *dice.of(&names).unwrap();
    let other = *dice.of(&names).unwrap();
    let Ok(opened) = account.open(name).await else {
        account.create(name, None).await.unwrap();
        return;
    };
    let some: UidSet = {
        let all = opened.uids.iter();
        all.filter(|_| dice.percent(40)).collect()
    };
    match dice.below(8) {
        0..3 => append(account, name, dice).await,
        3 => {
            let flags = ["\\Seen", "\\Deleted", "$Junk"];
            let flag = Flag::parse(dice.of(&flags).unwrap()).unwrap();
            let change = FlagChange {
                action: *dice.of(&[FlagAction::Add, FlagAction::Remove]).unwrap(),
                flags: [flag].into_iter().collect(),
                unchanged_since: None,
            };
            drop(account.store(opened.id, &some, &change).await.unwrap());
        }
        4 => drop(account.expunge(opened.id, None).await.unwrap()),
        5 => drop(account.copy(opened.id, &some, other).await),
        6 => drop(account.relocate(opened.id, &some, other).await),
        _ => drop(account.rename(name, "Elsewhere").await),
    }
}

async fn append(account: &Account, name: &str, dice: &Dice) {
    let text = format!(
        "Subject: {}\r\n\r\n{}\r\n",
        dice.below(30),
        "x".repeat(dice.place(3000))
    );
    let mut append = account
        .append(name, FlagSet::default(), None, None)
        .await
        .unwrap();
    append.chunk(Bytes::from(text)).await.unwrap();
    append.commit().await.unwrap();
}

/// Everything that a client can see.
async fn seen(post: &Post) -> Vec<String> {
    let mut seen = Vec::new();
    for listed in post.accounts() {
        let account = post.account(listed.id).await.unwrap();
        seen.push(format!("{listed:?} {:?}", account.modseq().await.unwrap()));
        for mailbox in account.mailboxes().await.unwrap() {
            seen.push(format!("{mailbox:?}"));
            let Ok(opened) = account.open(&mailbox.name).await else {
                continue;
            };
            seen.push(format!("{opened:?}"));
            let plan = FetchPlan {
                items: vec![Item {
                    section: message::Section::default(),
                    form: Form::Stored,
                    range: None,
                }],
                in_place: true,
                ..FetchPlan::default()
            };
            let page = account.fetch(opened.id, &opened.uids, None, &plan).await;
            for row in page.unwrap().rows {
                let Some(Data::Stored(range)) = row.data.first() else {
                    panic!("{row:?}");
                };
                let octets = post.read(*range).await.unwrap();
                seen.push(format!("{row:?} {:?}", backup::Digest::of(&octets)));
            }
        }
    }
    seen
}

async fn audited(post: &Post) {
    let audit = Audit {
        every: 1,
        turn: 0,
        repairs: false,
        pace: &AtOnce,
    };
    let found = post.audit_directory(&audit).await.unwrap();
    assert_eq!(found.differences, []);
    for account in post.accounts() {
        let found = post.audit_account(account.id, &audit).await.unwrap();
        assert_eq!(found.differences, []);
    }
}

#[tokio::test]
async fn whatever_people_do_comes_back_as_it_was() {
    for seed in 0..12 {
        let (store, dice) = (Memory::new(), Dice::new(seed, "people"));
        let post = open(&store, seed).await;
        let domain = Host::parse("example.org").unwrap();
        post.add_domain(&domain).await.unwrap();
        let mut accounts = Vec::new();
        for name in ["ada", "alan"] {
            let address = Address::parse(&format!("{name}@example.org")).unwrap();
            post.add_account(&address, name).await.unwrap();
            accounts.push(post.account_at(&address).await.unwrap());
        }
        let disk = disk(seed);
        let repository = repository(&disk);
        for moment in 0..4 {
            for _ in 0..60 {
                act(dice.of(&accounts).unwrap(), &dice).await;
            }
            let mut source = Still::of(&store);
            let before = seen(&post).await;
            // What comes behind the snapshot is not in it.
            for _ in 0..20 {
                act(dice.of(&accounts).unwrap(), &dice).await;
            }
            source.meanwhile = Box::new(|| {});
            create(&repository, &mut source, moment).unwrap();
            let (copy, found) = restored(&repository).unwrap();
            assert_eq!(found.flaws, [], "seed {seed}");
            let again = open(&copy, seed).await;
            assert_eq!(seen(&again).await, before, "seed {seed}");
            audited(&again).await;
            // It can be lived in.
            let listed = again.accounts();
            let account = again.account(listed[0].id).await.unwrap();
            append(&account, "INBOX", &dice).await;
            audited(&again).await;
        }
    }
}
