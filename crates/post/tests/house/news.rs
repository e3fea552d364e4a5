//! What others did in an account, as those hear of it who watch all of it (RFC 5465).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mail::{MailboxNews, ModSeq, Naming, Rights};
use post::{Account, FlagAction, FlagChange, RightsChange, Rules, Status, Why};
use proptest::prelude::*;
use store::CommitError;

use crate::world::{World, append, flags, rules, uids};

/// News in short: `Work +-* 3`, `Old -> New`, `gone X`.
fn short(news: &MailboxNews<Status>) -> String {
    let name = &news.name;
    let mut words = vec![match &news.naming {
        None => name.clone(),
        Some(Naming::Made) => format!("made {name}"),
        Some(Naming::Renamed { from }) => format!("{from} -> {name}"),
        Some(Naming::Gone) => format!("gone {name}"),
        Some(Naming::Hidden) => format!("hidden {name}"),
    }];
    let signs = [
        (news.moved.arrived, "+"),
        (news.moved.removed, "-"),
        (news.moved.flagged, "*"),
    ];
    if let Some(status) = &news.status {
        let signs: String = signs
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, sign)| *sign)
            .collect();
        words.push(format!("{signs}{}", status.messages));
    }
    words.extend(news.notes.iter().cloned());
    words.extend(news.subscription.then(|| match news.subscribed {
        true => "subscribed".to_owned(),
        false => "unsubscribed".to_owned(),
    }));
    words.join(" ")
}

/// Somebody who watches an account.
struct Watcher {
    account: Account,
    since: ModSeq,
}

impl Watcher {
    async fn of(account: Account) -> Self {
        let since = account.modseq().await.unwrap();
        Self { account, since }
    }

    async fn hears(&mut self) -> Vec<String> {
        let news = self.account.news(self.since).await.unwrap();
        self.since = news.modseq;
        let mut all: Vec<String> = news.mailboxes.iter().map(short).collect();
        all.extend(news.notes.iter().map(|note| format!("whole {note}")));
        all
    }
}

async fn set(account: &Account, mailbox: Option<&str>, entry: &str, value: Option<&str>) {
    let value = value.map(|value| Bytes::copy_from_slice(value.as_bytes()));
    let entries = [(entry.to_owned(), value)];
    account.set_metadata(mailbox, &entries).await.unwrap();
}

async fn flag(account: &Account, mailbox: &str, name: &str) {
    let id = account.open(mailbox).await.unwrap().id;
    let change = FlagChange {
        action: FlagAction::Add,
        flags: flags(&[name]),
        unchanged_since: None,
    };
    account.store(id, &uids(&[1]), &change).await.unwrap();
}

#[tokio::test]
async fn what_one_login_does_the_others_hear() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, other) = (world.account("ada").await, world.account("ada").await);
    let (mut own, mut watcher) = (Watcher::of(ada.clone()).await, Watcher::of(other).await);
    assert!(watcher.hears().await.is_empty());

    ada.create("Work/New", None).await.unwrap();
    assert_eq!(watcher.hears().await, ["made Work *0", "made Work/New *0"]);
    append(&ada, "Work", &[], "a: b\r\n\r\n").await;
    append(&ada, "Work", &[], "a: b\r\n\r\n").await;
    assert_eq!(watcher.hears().await, ["Work +2"]);
    flag(&ada, "Work", "\\Deleted").await;
    assert_eq!(watcher.hears().await, ["Work *2"]);
    let id = ada.open("Work").await.unwrap().id;
    ada.copy(id, &uids(&[1, 2]), "INBOX").await.unwrap();
    ada.expunge(id, None).await.unwrap();
    assert_eq!(watcher.hears().await, ["INBOX +2", "Work -1"]);
    ada.rename("Work", "Play").await.unwrap();
    assert_eq!(watcher.hears().await, ["Work -> Play +*1"]);
    ada.rename("Play", "Work").await.unwrap();
    ada.rename("Work", "Play").await.unwrap();
    ada.subscribe("Work").await.unwrap();
    ada.subscribe("Play").await.unwrap();
    assert_eq!(
        watcher.hears().await,
        ["gone Work subscribed", "Play subscribed"]
    );
    ada.unsubscribe("Work").await.unwrap();
    ada.delete("Play").await.unwrap();
    // It stays as a level above another.
    assert_eq!(watcher.hears().await, ["made Play", "Work unsubscribed"]);
    ada.delete("Play/New").await.unwrap();
    ada.create("Brief", None).await.unwrap();
    ada.delete("Brief").await.unwrap();
    // Who listed the mailboxes meanwhile knows it.
    assert_eq!(watcher.hears().await, ["gone Play/New", "gone Brief"]);
    ada.rename("INBOX", "Past").await.unwrap();
    assert_eq!(watcher.hears().await, ["INBOX -> Past +*2", "INBOX -0"]);

    world.deliver(&["ada"], "a: b\r\n\r\n").await.unwrap();
    assert_eq!(watcher.hears().await, ["INBOX +1"]);
    // Who did it hears of nothing but what came from elsewhere.
    assert_eq!(own.hears().await, ["INBOX +1"]);
}

#[tokio::test]
async fn notes_are_told_by_their_names() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, other) = (world.account("ada").await, world.account("ada").await);
    ada.create("Work", None).await.unwrap();
    let mut watcher = Watcher::of(other).await;
    set(&ada, Some("Work"), "/private/comment", Some("x")).await;
    set(&ada, Some("Work"), "/private/comment", Some("x")).await;
    set(&ada, Some("INBOX"), "/shared/comment", Some("y")).await;
    set(&ada, None, "/private/vendor/x/y", Some("z")).await;
    let told = [
        "Work /private/comment",
        "INBOX /shared/comment",
        "whole /private/vendor/x/y",
    ];
    assert_eq!(watcher.hears().await, told);
    set(&ada, Some("Work"), "/private/comment", None).await;
    set(&ada, Some("Archive"), "/private/specialuse", None).await;
    set(&ada, Some("Work"), "/private/specialuse", Some("\\Archive")).await;
    let told = [
        "Work /private/comment /private/specialuse",
        "Archive /private/specialuse",
    ];
    assert_eq!(watcher.hears().await, told);
}

/// What bob hears of ada's mailboxes.
#[tokio::test]
async fn a_visitor_hears_of_what_it_may_see() {
    let world = World::with(&["ada", "bob", "eve"], rules()).await;
    let (ada, bob) = (world.account("ada").await, world.account("bob").await);
    ada.create("Plans", None).await.unwrap();
    ada.create("Secret", None).await.unwrap();
    let grant = async |name: &str, to: &str, letters: &str| {
        let change = RightsChange::Replace(Rights::parse(letters).unwrap());
        ada.set_rights(name, to, change).await.unwrap();
    };
    grant("Plans", "bob", "l").await;
    let mut visitor = Watcher::of(bob.visit(ada.id()).unwrap()).await;

    // The letters are not for those who may not read.
    append(&ada, "Plans", &[], "a: b\r\n\r\n").await;
    append(&ada, "Secret", &[], "a: b\r\n\r\n").await;
    set(&ada, Some("Plans"), "/shared/comment", Some("x")).await;
    ada.subscribe("Plans").await.unwrap();
    assert!(visitor.hears().await.is_empty());
    grant("Plans", "bob", "lr").await;
    append(&ada, "Plans", &[], "a: b\r\n\r\n").await;
    assert_eq!(visitor.hears().await, ["Plans +2"]);
    // What others may do is nobody else's business.
    grant("Plans", "eve", "lr").await;
    grant("Secret", "eve", "lr").await;
    ada.rename("Secret", "Hidden").await.unwrap();
    assert!(visitor.hears().await.is_empty());
    grant("Plans", "bob", "r").await;
    assert_eq!(visitor.hears().await, ["hidden Plans"]);
    append(&ada, "Plans", &[], "a: b\r\n\r\n").await;
    assert!(visitor.hears().await.is_empty());
    grant("Plans", "bob", "lr").await;
    assert_eq!(visitor.hears().await, ["made Plans *3"]);
    // A mailbox below it begins with its list.
    ada.create("Plans/Old", None).await.unwrap();
    ada.rename("Plans/Old", "Plans/New").await.unwrap();
    let told = ["made Plans/New *0", "gone Plans/Old"];
    assert_eq!(visitor.hears().await, told);
    ada.delete("Plans/New").await.unwrap();
    ada.delete("Hidden").await.unwrap();
    assert_eq!(visitor.hears().await, ["gone Plans/New"]);
    ada.delete("Plans").await.unwrap();
    assert_eq!(visitor.hears().await, ["gone Plans"]);
}

#[tokio::test]
async fn whose_mailboxes_are_watched_goes_by_their_names() {
    let rules = Rules {
        neighbours_max: 1,
        ..rules()
    };
    let world = World::with(&["ada", "bob", "eve"], rules).await;
    let (ada, bob, eve) = (
        world.account("ada").await,
        world.account("bob").await,
        world.account("eve").await,
    );
    for owner in [&ada, &eve] {
        let change = RightsChange::Replace(Rights::ALL);
        owner.set_rights("INBOX", "bob", change).await.unwrap();
    }
    let owned = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let watched = async |names: &[&str], trees: &[&str], subscribed| {
        let found = bob
            .neighbours(&owned(names), &owned(trees), subscribed)
            .await;
        let prefixes = |found: Vec<post::Neighbour>| {
            let prefixes = found.into_iter().map(|neighbour| neighbour.prefix);
            prefixes.collect::<Vec<_>>()
        };
        found.map(prefixes).map_err(|error| error.why())
    };
    let prefix = "Other Users/ada@example.org/";
    let inbox = "Other Users/ada@example.org/INBOX";
    assert_eq!(watched(&["INBOX"], &["Work"], true).await, Ok(vec![]));
    assert_eq!(watched(&[inbox], &[], false).await.unwrap(), [prefix]);
    assert_eq!(watched(&[], &[inbox], false).await.unwrap(), [prefix]);
    let tree = "Other Users/ada@example.org";
    assert_eq!(watched(&[tree], &[], false).await, Ok(vec![]));
    assert_eq!(watched(&[], &[tree], false).await.unwrap(), [prefix]);
    assert_eq!(watched(&[], &["Other Users"], false).await, Err(Why::Limit));
    bob.subscribe(inbox).await.unwrap();
    assert_eq!(watched(&[], &[], false).await, Ok(vec![]));
    assert_eq!(watched(&[], &[], true).await.unwrap(), [prefix]);
    // Nothing is shared any more.
    let nothing = RightsChange::Replace(Rights::NONE);
    ada.set_rights("INBOX", "bob", nothing).await.unwrap();
    assert_eq!(watched(&[inbox], &[tree], true).await, Ok(vec![]));
    let there = bob.neighbour(ada.id()).unwrap();
    assert_eq!(there.prefix, prefix);
    let first = there.account.first_news().await.unwrap();
    assert_eq!(first.mailboxes, []);
}

/// A right that is given wakes whoever it is given to.
#[tokio::test]
async fn a_new_neighbour_wakes_who_watches() {
    let world = World::with(&["ada", "bob"], rules()).await;
    let (ada, bob) = (world.account("ada").await, world.account("bob").await);
    let mut watch = bob.modseq_watch();
    watch.take();
    let change = RightsChange::Replace(Rights::parse("lr").unwrap());
    ada.set_rights("INBOX", "bob", change).await.unwrap();
    assert!(watch.has_moved());
    let there = bob.neighbour(ada.id()).unwrap().account;
    let first = there.first_news().await.unwrap();
    let first: Vec<String> = first.mailboxes.iter().map(short).collect();
    assert_eq!(first, ["made INBOX *0"]);
}

#[tokio::test]
async fn what_is_forgotten_is_said_to_be() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, other) = (world.account("ada").await, world.account("ada").await);
    let mut watcher = Watcher::of(other.clone()).await;
    let before = watcher.since;
    for number in 0..600 {
        ada.subscribe(&format!("name {number}")).await.unwrap();
    }
    let forgotten = other.news(before).await;
    assert_eq!(forgotten.unwrap_err().why(), Why::Limit);
    watcher.since = other.modseq().await.unwrap();
    assert!(watcher.hears().await.is_empty());
    // After a restart nobody knows what was before it, and who begins there lacks nothing.
    let again = world.again().await;
    let (ada, other) = (again.account("ada").await, again.account("ada").await);
    let mut watcher = Watcher::of(other.clone()).await;
    assert_eq!(other.news(before).await.unwrap_err().why(), Why::Limit);
    ada.unsubscribe("name 1").await.unwrap();
    assert_eq!(watcher.hears().await, ["name 1 unsubscribed"]);
}

/// What was not stored has not happened, and who knew everything before knows it still.
#[tokio::test]
async fn a_failed_commit_is_no_news() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, other) = (world.account("ada").await, world.account("ada").await);
    let mut watcher = Watcher::of(other).await;
    ada.create("Work", None).await.unwrap();
    assert_eq!(watcher.hears().await, ["made Work *0"]);
    world.store.fail(0, CommitError::Full);
    ada.create("Never", None).await.unwrap_err();
    assert!(watcher.hears().await.is_empty());
    ada.create("Later", None).await.unwrap();
    assert_eq!(watcher.hears().await, ["made Later *0"]);
}

const PLACES: [&str; 6] = ["INBOX", "A", "A/x", "A/x/y", "B", "B/x"];

#[derive(Clone, Debug)]
enum Deed {
    Create(usize),
    Delete(usize),
    Rename(usize, usize),
    Append(usize),
    Flag(usize),
    Empty(usize),
    Copy(usize, usize),
    Subscribe(usize, bool),
    Deliver,
}

fn deeds() -> impl Strategy<Value = Vec<(Deed, bool)>> {
    let place = || 0..PLACES.len();
    let deed = prop_oneof![
        3 => place().prop_map(Deed::Create),
        2 => place().prop_map(Deed::Delete),
        2 => (place(), place()).prop_map(|(from, to)| Deed::Rename(from, to)),
        3 => place().prop_map(Deed::Append),
        2 => place().prop_map(Deed::Flag),
        1 => place().prop_map(Deed::Empty),
        1 => (place(), place()).prop_map(|(from, to)| Deed::Copy(from, to)),
        1 => (place(), any::<bool>()).prop_map(|(name, on)| Deed::Subscribe(name, on)),
        1 => Just(Deed::Deliver),
    ];
    prop::collection::vec((deed, any::<bool>()), 1..30)
}

/// Does one thing, or is refused.
async fn act(world: &World, ada: &Account, deed: &Deed) {
    let open = async |at: usize| ada.open(PLACES[at]).await.map(|opened| opened.id);
    let _refused = match *deed {
        Deed::Create(at) => ada.create(PLACES[at], None).await.is_err(),
        Deed::Delete(at) => ada.delete(PLACES[at]).await.is_err(),
        Deed::Rename(from, to) => ada.rename(PLACES[from], PLACES[to]).await.is_err(),
        Deed::Append(at) => match open(at).await {
            Ok(_) => append(ada, PLACES[at], &[], "a: b\r\n\r\n").await.value() == 0,
            Err(_) => true,
        },
        Deed::Flag(at) => match open(at).await {
            Ok(_) => {
                flag(ada, PLACES[at], "\\Deleted").await;
                false
            }
            Err(_) => true,
        },
        Deed::Empty(at) => match open(at).await {
            Ok(id) => ada.expunge(id, None).await.is_err(),
            Err(_) => true,
        },
        Deed::Copy(from, to) => match open(from).await {
            Ok(id) => ada.copy(id, &uids(&[1, 2]), PLACES[to]).await.is_err(),
            Err(_) => true,
        },
        Deed::Subscribe(at, true) => ada.subscribe(PLACES[at]).await.is_err(),
        Deed::Subscribe(at, false) => ada.unsubscribe(PLACES[at]).await.is_err(),
        Deed::Deliver => world.deliver(&["ada"], "a: b\r\n\r\n").await.is_err(),
    };
}

/// What somebody knows of an account who only hears the news.
#[derive(Clone, Debug, Default, PartialEq)]
struct Picture {
    mailboxes: BTreeMap<String, Option<Status>>,
    subscribed: BTreeSet<String>,
}

impl Picture {
    async fn of(account: &Account) -> Self {
        let mut picture = Self {
            subscribed: account.subscriptions().await.unwrap().into_iter().collect(),
            ..Self::default()
        };
        for mailbox in account.mailboxes().await.unwrap() {
            let status = account.status(&mailbox.name).await.ok();
            picture.mailboxes.insert(mailbox.name, status);
        }
        picture
    }

    fn hear(&mut self, news: &MailboxNews<Status>) {
        let name = &news.name;
        match &news.naming {
            Some(Naming::Made) => drop(self.mailboxes.insert(name.clone(), None)),
            Some(Naming::Renamed { from }) if from != "INBOX" => {
                let below = |known: &String| {
                    let rest = known.strip_prefix(from);
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                let moved = self.mailboxes.extract_if(.., |known, _| below(known));
                let moved: Vec<_> = moved.collect();
                let moved = moved.into_iter();
                let moved = moved.map(|(known, it)| (known.replacen(from, name, 1), it));
                self.mailboxes.extend(moved);
            }
            Some(Naming::Gone | Naming::Hidden) => drop(self.mailboxes.remove(name)),
            Some(Naming::Renamed { .. }) | None => {}
        }
        if news.status.is_some() {
            self.mailboxes.insert(name.clone(), news.status);
        }
        if news.subscription && news.subscribed {
            self.subscribed.insert(name.clone());
        } else if news.subscription {
            self.subscribed.remove(name);
        }
    }
}

async fn live(deeds: Vec<(Deed, bool)>) {
    let world = World::with(&["ada"], rules()).await;
    let (ada, other) = (world.account("ada").await, world.account("ada").await);
    let mut own = Watcher::of(ada.clone()).await;
    let mut since = other.modseq().await.unwrap();
    let mut picture = Picture::of(&other).await;
    for (deed, looks) in &deeds {
        act(&world, &ada, deed).await;
        // Of several that change names only the sum is told, and not the order.
        let names = matches!(deed, Deed::Create(_) | Deed::Delete(_) | Deed::Rename(..));
        if names || *looks {
            let news = other.news(since).await.unwrap();
            since = news.modseq;
            news.mailboxes.iter().for_each(|news| picture.hear(news));
            assert_eq!(picture, Picture::of(&other).await, "{deed:?}\n{news:?}");
        }
    }
    let delivers = deeds.iter().any(|(deed, _)| matches!(deed, Deed::Deliver));
    assert_eq!(own.hears().await.is_empty(), !delivers);
}

/// Whoever knew an account and hears the news knows it.
#[test]
fn a_picture_made_of_news_is_what_is_there() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let config = ProptestConfig {
        cases: crate::model::cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(deeds in deeds())| {
        runtime.block_on(live(deeds));
    });
}
