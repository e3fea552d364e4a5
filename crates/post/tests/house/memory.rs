//! Mailboxes in memory: what they take is counted, has a limit, and is missed by nobody when it
//! goes.

use std::sync::Arc;

use mail::{FlagSet, ModSeq, Uid, UidSet};
use post::{Account, FlagAction, FlagChange, Rules};
use proptest::prelude::*;

use crate::world::{World, append, deliver, flags, rules, uid, uids};

const LETTER: &str = "Subject: x\r\n\r\nhi\r\n";
const NAMES: [&str; 6] = ["ada", "alan", "emmy", "grace", "kurt", "sofia"];

fn tight(octets: usize) -> Rules {
    Rules {
        mailbox_memory_octets_max: octets,
        ..rules()
    }
}

/// All that a mailbox shows of itself.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    uids: UidSet,
    next: Uid,
    validity: u32,
    modseqs: (ModSeq, ModSeq),
    unseen: (u32, Option<Uid>),
    messages: Vec<(Uid, FlagSet, ModSeq)>,
    vanished: UidSet,
}

async fn shown(account: &Account, mailbox: &str) -> Shown {
    let opened = account.open(mailbox).await.unwrap();
    let all = account.changes(opened.id, ModSeq(0), Uid::MIN);
    let all = all.await.unwrap();
    // Since any line exactly what is later.
    for since in (0..all.modseq.0).rev().take(6).map(ModSeq) {
        let some = account.changes(opened.id, since, opened.uidnext);
        let later = all.changed.iter().filter(|row| row.modseq > since);
        let later: Vec<_> = later.cloned().collect();
        assert_eq!(some.await.unwrap().changed, later, "since {since:?}");
    }
    let messages = all.changed.into_iter();
    Shown {
        uids: opened.uids,
        next: opened.uidnext,
        validity: opened.uidvalidity.value(),
        modseqs: (opened.modseq, opened.highest_modseq),
        unseen: (opened.unseen, opened.first_unseen),
        messages: messages
            .map(|row| (row.uid, row.flags, row.modseq))
            .collect(),
        vanished: all.vanished,
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Deliver(Vec<usize>),
    Append(usize),
    Flag(usize, u32, u32),
    Copy(usize, u32, u32),
    Expunge(usize),
    Create(usize),
    Look(usize),
    /// Logs in and stays.
    Hold(usize),
    Leave(usize),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let who = 0..NAMES.len();
    let some = prop::collection::btree_set(who.clone(), 1..4);
    let deed = prop_oneof![
        3 => some.prop_map(|some| Deed::Deliver(some.into_iter().collect())),
        2 => who.clone().prop_map(Deed::Append),
        2 => (who.clone(), 1..30_u32, 0..60_u32).prop_map(|(at, low, more)| {
            Deed::Flag(at, low, more)
        }),
        2 => (who.clone(), 1..30_u32, 0..60_u32).prop_map(|(at, low, more)| {
            Deed::Copy(at, low, more)
        }),
        1 => who.clone().prop_map(Deed::Expunge),
        1 => who.clone().prop_map(Deed::Create),
        4 => who.clone().prop_map(Deed::Look),
        2 => who.clone().prop_map(Deed::Hold),
        1 => who.prop_map(Deed::Leave),
    ];
    prop::collection::vec(deed, 1..60)
}

/// Does it; tells what can be seen of it.
async fn act(world: &World, held: &mut [Option<Account>], deed: &Deed) -> Option<Shown> {
    let flag = |low: u32, more: u32, name: &str| {
        let uids = UidSet::from_range(uid(low)..=uid(low + more));
        let change = FlagChange {
            action: FlagAction::Add,
            flags: flags(&[name]),
            unchanged_since: None,
        };
        (uids, change)
    };
    let (at, one) = match deed {
        Deed::Deliver(some) => {
            let names: Vec<_> = some.iter().map(|at| NAMES[*at]).collect();
            world.deliver(&names, LETTER).await.unwrap();
            return None;
        }
        Deed::Append(at)
        | Deed::Flag(at, ..)
        | Deed::Copy(at, ..)
        | Deed::Expunge(at)
        | Deed::Create(at)
        | Deed::Look(at)
        | Deed::Hold(at)
        | Deed::Leave(at) => (*at, world.account(NAMES[*at]).await),
    };
    let inbox = one.open("INBOX").await.unwrap().id;
    match deed {
        Deed::Append(_) => {
            append(&one, "INBOX", &[], LETTER).await;
        }
        Deed::Flag(_, low, more) => {
            let (uids, change) = flag(*low, *more, "$Work");
            one.store(inbox, &uids, &change).await.unwrap();
        }
        Deed::Copy(_, low, more) => {
            let uids = UidSet::from_range(uid(*low)..=uid(low + more));
            one.copy(inbox, &uids, "INBOX").await.unwrap();
        }
        Deed::Expunge(_) => {
            let (uids, change) = flag(1, 7, "\\Deleted");
            one.store(inbox, &uids, &change).await.unwrap();
            one.expunge(inbox, None).await.unwrap();
        }
        // The second time it is there.
        Deed::Create(_) => drop(one.create("More/and/more", None).await),
        Deed::Hold(_) => held[at] = Some(one.clone()),
        Deed::Leave(_) => held[at] = None,
        Deed::Deliver(_) | Deed::Look(_) => {}
    }
    Some(shown(&one, "INBOX").await)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A house that is short of memory tells what one tells that is not, and counts right.
    #[test]
    fn accounts_come_and_go_and_are_counted(script in deeds()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let roomy = World::with(&NAMES, rules()).await;
            let short = World::with(&NAMES, tight(16_000)).await;
            let mut held = [const { None }; 2 * NAMES.len()];
            let (here, there) = held.split_at_mut(NAMES.len());
            for deed in &script {
                let one = act(&roomy, here, deed).await;
                let other = act(&short, there, deed).await;
                assert_eq!(one, other, "after {deed:?}");
                for world in [&roomy, &short] {
                    let memory = world.post.mailbox_memory();
                    assert_eq!(memory.octets, memory.recounted_octets, "after {deed:?}");
                }
                let memory = short.post.mailbox_memory();
                assert!(memory.octets <= memory.octets_max || memory.accounts == 1, "{memory:?}");
            }
            for (at, name) in NAMES.iter().enumerate() {
                let (one, other) = (roomy.account(name).await, short.account(name).await);
                assert_eq!(shown(&one, "INBOX").await, shown(&other, "INBOX").await, "{at}");
            }
        });
    }
}

/// Whoever waits holds no mailbox in memory, and is told all the same.
#[tokio::test]
async fn waiting_sessions_hold_no_mailbox_and_miss_nothing() {
    let names: Vec<String> = (0..40).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::with(&names, tight(30_000)).await;
    let mut sessions = Vec::new();
    for name in &names {
        world.deliver(&[name], LETTER).await.unwrap();
        let account = world.account(name).await;
        let opened = account.open("INBOX").await.unwrap();
        let mut watch = account.modseq_watch();
        watch.take();
        sessions.push((account, opened, watch));
    }
    let memory = world.post.mailbox_memory();
    assert!(memory.octets <= memory.octets_max, "{memory:?}");
    assert!(memory.accounts < names.len(), "{memory:?}");
    for some in names.chunks(7) {
        world.deliver(some, LETTER).await.unwrap();
    }
    for (account, opened, watch) in &mut sessions {
        assert!(watch.has_moved());
        let news = account.changes(opened.id, opened.modseq, opened.uidnext);
        let news = news.await.unwrap();
        assert_eq!(news.added, uids(&[2]));
        assert_eq!(news.modseq, watch.take());
        assert!(news.vanished.is_empty());
    }
    let memory = world.post.mailbox_memory();
    assert!(memory.octets <= memory.octets_max, "{memory:?}");
}

/// What is on its way to the disk stays; that there is too much of it is counted.
#[tokio::test]
async fn a_commit_on_its_way_keeps_its_account() {
    let world = World::with(&NAMES, tight(4000)).await;
    world.store.hold();
    let mut deliveries = Vec::new();
    for name in NAMES {
        let post = world.post.clone();
        deliveries.push(tokio::spawn(async move {
            deliver(&post, &[name], LETTER).await
        }));
        while world.store.waiting() < deliveries.len() {
            tokio::task::yield_now().await;
        }
    }
    let memory = world.post.mailbox_memory();
    assert_eq!(memory.accounts, NAMES.len());
    assert!(memory.octets > memory.octets_max);
    world.store.release();
    for delivery in deliveries {
        delivery.await.unwrap().unwrap();
    }
    for name in NAMES {
        let account = world.account(name).await;
        assert_eq!(account.open("INBOX").await.unwrap().uids, uids(&[1]));
    }
    let memory = world.post.mailbox_memory();
    assert!(memory.octets <= memory.octets_max, "{memory:?}");
    assert!(memory.shortages > 0);
}

/// One account that is larger than all there is for all is not read anew at each word.
#[tokio::test]
async fn the_account_in_use_stays() {
    let world = World::with(&NAMES, tight(1)).await;
    let ada = world.account("ada").await;
    append(&ada, "INBOX", &[], LETTER).await;
    let memory = world.post.mailbox_memory();
    assert_eq!(memory.accounts, 1);
    assert!(memory.octets > memory.octets_max);
    assert!(memory.shortages > 0);
    let alan = world.account("alan").await;
    assert!(alan.open("INBOX").await.unwrap().uids.is_empty());
    assert_eq!(world.post.mailbox_memory().accounts, 1);
}

/// Accounts used by many at once, with room for two of them: nobody sees anything but the truth.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_in_a_tight_house() {
    const ROUNDS: usize = 30;
    let world = Arc::new(World::with(&NAMES, tight(6000)).await);
    let mut tasks = Vec::new();
    for index in 0..NAMES.len() * 2 {
        let world = Arc::clone(&world);
        tasks.push(tokio::spawn(async move {
            let account = world.account(NAMES[index % NAMES.len()]).await;
            let mut last = 0;
            for round in 0..ROUNDS {
                let both = [
                    NAMES[index % NAMES.len()],
                    NAMES[(index + round) % NAMES.len()],
                ];
                let some = if both[0] == both[1] {
                    &both[..1]
                } else {
                    &both
                };
                world.deliver(some, LETTER).await.unwrap();
                let seen = account.open("INBOX").await.unwrap().uids.len();
                assert!(seen > last);
                last = seen;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let all = NAMES.len() * 2 * ROUNDS;
    let alone = NAMES.len() * 2 * (ROUNDS / NAMES.len());
    let mut found = 0;
    for name in NAMES {
        found += world
            .account(name)
            .await
            .open("INBOX")
            .await
            .unwrap()
            .uids
            .len();
    }
    assert_eq!(found, (all * 2 - alone) as u64);
    let memory = world.post.mailbox_memory();
    assert_eq!(memory.octets, memory.recounted_octets);
}

/// More runs of removed UIDs than are kept: whoever was away is told more than went, never less.
#[tokio::test]
async fn removals_are_forgotten_beyond_their_bound() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    append(&ada, "INBOX", &[], LETTER).await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    let mut count = 1_u32;
    while count < 40_000 {
        let all = UidSet::from_range(uid(1)..=uid(count));
        ada.copy(inbox, &all, "INBOX").await.unwrap();
        count *= 2;
    }
    let before = ada.open("INBOX").await.unwrap();
    let odd: UidSet = (0..count / 2).map(|half| uid(half * 2 + 1)).collect();
    let change = FlagChange {
        action: FlagAction::Add,
        flags: flags(&["\\Deleted"]),
        unchanged_since: None,
    };
    for half in [1..=count / 4, count / 4 + 1..=count] {
        let some = UidSet::from_range(uid(*half.start())..=uid(*half.end()));
        let some: UidSet = odd.iter().filter(|uid| some.contains(*uid)).collect();
        ada.store(inbox, &some, &change).await.unwrap();
        ada.expunge(inbox, None).await.unwrap();
    }
    let again = world.again().await;
    for account in [ada, again.account("ada").await] {
        let news = account.changes(inbox, before.modseq, before.uidnext);
        assert_eq!(news.await.unwrap().vanished, odd);
        assert!(account.house().mailbox_memory().octets < 4 * 1024 * 1024);
    }
}
