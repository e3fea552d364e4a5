//! What others may do with an account's mailboxes (RFC 4314).

use mail::{Flag, MailboxId, Rights};
use post::{
    Account, FetchPlan, FlagAction, FlagChange, MetadataQuery, Outcome, Quota, RightsChange, Rules,
    Why,
};
use store::CommitError;

use crate::world::{World, address, append, flags, recounted, rules, uid, uids, whole};

const LETTER: &str = "Subject: plans\r\n\r\nTea\r\n";
const NAMES: [&str; 3] = ["ada", "bob", "eve"];

pub(crate) fn rights(letters: &str) -> Rights {
    Rights::parse(letters).unwrap()
}

/// Lets somebody do this and no more with a mailbox of the account.
pub(crate) async fn grant(owner: &Account, name: &str, to: &str, letters: &str) {
    let change = RightsChange::Replace(rights(letters));
    owner.set_rights(name, to, change).await.unwrap();
}

/// Another account as somebody sees it.
async fn visit(guest: &Account, owner: &str) -> Outcome<Account> {
    let name = format!("Other Users/{}/x", address(owner));
    Ok(guest.place(&name).await?.0)
}

/// Ada's mailbox `Plans` with one message in it and one below; Bob, who may see `INBOX`.
async fn plans(world: &World) -> (Account, Account, MailboxId) {
    let (ada, bob) = (world.account("ada").await, world.account("bob").await);
    let plans = ada.create("Plans", None).await.unwrap();
    ada.create("Plans/Old", None).await.unwrap();
    append(&ada, "Plans", &["\\Deleted", "\\Flagged"], LETTER).await;
    grant(&ada, "INBOX", "bob", "l").await;
    let there = visit(&bob, "ada").await.unwrap();
    (ada, there, plans)
}

pub(crate) fn why<T>(outcome: Outcome<T>) -> Option<Why> {
    outcome.err().map(|error| error.why())
}

/// Does one thing as a visitor; what it says.
async fn attempt(there: &Account, plans: MailboxId, what: &str) -> Option<Why> {
    let all = uids(&[1]);
    let store = |names: &[&str]| FlagChange {
        action: FlagAction::Add,
        flags: flags(names),
        unchanged_since: None,
    };
    match what {
        "open" => why(there.open("Plans").await),
        "status" => why(there.status("Plans").await),
        "fetch" => why(there.fetch(plans, &all, None, &FetchPlan::default()).await),
        "search" => why(there.search(plans, &post::Query::All).await),
        "sort" => why(there.sort(plans, &post::Query::All, &[]).await),
        "thread" => {
            let all = &post::Query::All;
            why(there.threads(plans, all, post::Threading::Subject).await)
        }
        "seen" => why(there.store(plans, &all, &store(&["\\Seen"])).await),
        "flag" => why(there.store(plans, &all, &store(&["\\Draft"])).await),
        "keyword" => why(there.store(plans, &all, &store(&["Odd"])).await),
        "delete mark" => why(there.store(plans, &all, &store(&["\\Deleted"])).await),
        "append" => why(there.append("Plans", flags(&[]), None, None).await),
        "copy in" => why(there.copy(plans, &uids(&[]), "Plans").await),
        "move" => why(there.relocate(plans, &uids(&[]), "Plans").await),
        "expunge" => why(there.expunge(plans, Some(&uids(&[]))).await),
        "create" => {
            let made = there.create("Plans/New", None).await;
            why(made)
        }
        "rename" => why(there.rename("Plans", "Plans2/x").await),
        "delete" => why(there.delete("Plans").await),
        "acl" => why(there.acl("Plans").await),
        "list rights" => why(there.list_rights("Plans", "anyone").await),
        "set rights" => {
            let none = RightsChange::Add(Rights::NONE);
            why(there.set_rights("Plans", "anyone", none).await)
        }
        other => panic!("{other}"),
    }
}

/// What is done, the rights it needs, and what it says to those who have them.
const NEEDS: [(&str, &str, Option<Why>); 19] = [
    ("open", "r", None),
    ("status", "r", None),
    ("fetch", "r", None),
    ("search", "r", None),
    ("sort", "r", None),
    ("thread", "r", None),
    ("seen", "rs", None),
    ("flag", "rw", None),
    ("keyword", "rw", None),
    ("delete mark", "rt", None),
    ("append", "i", None),
    ("copy in", "ri", None),
    ("move", "rite", None),
    ("expunge", "e", None),
    ("create", "k", None),
    ("acl", "a", None),
    ("list rights", "a", None),
    ("set rights", "a", None),
    ("delete", "x", None),
];

#[tokio::test]
async fn each_thing_needs_its_rights_and_no_others() {
    for (what, needed, expected) in NEEDS {
        let world = World::with(&NAMES, rules()).await;
        let (ada, there, plans) = plans(&world).await;
        for letter in needed.chars() {
            let others = rights("lrswipkxtea") & !rights(&letter.to_string());
            grant(&ada, "Plans", "bob", &plain(others)).await;
            let refused = attempt(&there, plans, what).await;
            assert_eq!(refused, Some(Why::Policy), "{what} without {letter}");
            // Who may not even see it hears what is said where there is none.
            let unseen = others & !Rights::LOOKUP;
            grant(&ada, "Plans", "bob", &plain(unseen)).await;
            let nowhere = attempt(&there, plans, what).await;
            let none = match what {
                "append" | "copy in" | "move" if letter == 'i' => Why::TryCreate,
                "seen" | "flag" | "keyword" | "delete mark" if letter != 'r' => Why::Policy,
                "create" => Why::Policy,
                _ => Why::Nonexistent,
            };
            assert_eq!(nowhere, Some(none), "{what} without {letter}, unseen");
        }
        grant(&ada, "Plans", "bob", needed).await;
        assert_eq!(attempt(&there, plans, what).await, expected, "{what}");
    }
}

/// Rights without the virtual ones, so that they mean only themselves.
fn plain(rights: Rights) -> String {
    rights.to_string().replace(['c', 'd'], "")
}

#[tokio::test]
async fn what_may_not_be_seen_is_as_if_it_were_not_there() {
    let world = World::with(&NAMES, rules()).await;
    let (ada, there, plans) = plans(&world).await;
    let eve = world.account("eve").await;
    // Somebody else's rights are none of Bob's.
    grant(&ada, "Plans", "eve", "lrswipkxtea").await;
    for (what, ..) in NEEDS {
        let refused = attempt(&there, plans, what).await;
        let expected = match what {
            "append" => Why::TryCreate,
            "create" => Why::Policy,
            _ => Why::Nonexistent,
        };
        assert_eq!(refused, Some(expected), "{what}");
    }
    let names = |mailboxes: Vec<post::Mailbox>| {
        let names = mailboxes.into_iter().map(|mailbox| mailbox.name);
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(there.mailboxes().await.unwrap()), "INBOX");
    let bob = world.account("bob").await;
    let shared = bob.shared_mailboxes().await.unwrap();
    let shared: Vec<_> = shared.into_iter().map(|(_, mailbox)| mailbox).collect();
    let ada_is = address("ada");
    assert_eq!(names(shared), format!("Other Users/{ada_is}/INBOX"));
    // A user who shares nothing is no other than one who is not there.
    for owner in ["eve", "nobody", "bob"] {
        assert_eq!(why(visit(&bob, owner).await), Some(Why::Nonexistent));
    }
    // Without the level above it, a mailbox is there all the same.
    grant(&ada, "Plans/Old", "bob", "lr").await;
    assert_eq!(names(there.mailboxes().await.unwrap()), "INBOX Plans/Old");
    assert_eq!(why(there.my_rights("Plans").await), Some(Why::Nonexistent));
    assert_eq!(there.my_rights("Plans/Old").await.unwrap(), rights("lr"));
    // The right to send mail to it alone tells nothing (RFC 4314 §4).
    grant(&ada, "Plans", "bob", "swpte").await;
    assert_eq!(why(there.my_rights("Plans").await), Some(Why::Nonexistent));
    let seen = visit(&eve, "ada").await.unwrap();
    assert_eq!(names(seen.mailboxes().await.unwrap()), "Plans");
}

#[tokio::test]
async fn rights_add_up_and_negative_ones_take_away() {
    let world = World::with(&NAMES, rules()).await;
    let (ada, there, _) = plans(&world).await;
    let held = async || there.my_rights("Plans").await.unwrap_or_default();
    grant(&ada, "Plans", "anyone", "lr").await;
    assert_eq!(held().await, rights("lr"));
    grant(&ada, "Plans", "bob", "swi").await;
    assert_eq!(held().await, rights("lrswi"));
    grant(&ada, "Plans", "-bob", "rw").await;
    assert_eq!(held().await, rights("lsi"));
    grant(&ada, "Plans", "-anyone", "s").await;
    assert_eq!(held().await, rights("li"));
    let less = RightsChange::Remove(rights("i"));
    ada.set_rights("Plans", "bob", less).await.unwrap();
    assert_eq!(held().await, rights("l"));
    // Taking an entry away takes only that one.
    grant(&ada, "Plans", "-bob", "").await;
    assert_eq!(held().await, rights("lrw"));
    let listed = ada.acl("Plans").await.unwrap();
    let listed = listed.iter().map(|(who, what)| format!("{who} {what}"));
    let (ada_is, bob_is) = (address("ada"), address("bob"));
    assert_eq!(
        listed.collect::<Vec<_>>(),
        [
            format!("{ada_is} lrswipkxteacd"),
            "anyone lr".to_owned(),
            format!("{bob_is} sw"),
            "-anyone s".to_owned(),
        ]
    );
    // The owner has all rights whatever is taken from anyone.
    assert_eq!(ada.my_rights("Plans").await.unwrap(), Rights::ALL);
    for who in ["ada", "-ada"] {
        let change = RightsChange::Replace(rights("l"));
        let refused = ada.set_rights("Plans", who, change).await;
        assert_eq!(why(refused), Some(Why::Cannot));
    }
    let required = ada.list_rights("Plans", "ada").await.unwrap();
    assert_eq!(required, (Rights::ALL, Rights::NONE));
    let optional = ada.list_rights("Plans", "bob").await.unwrap();
    assert_eq!(optional, (Rights::NONE, Rights::ALL));
    let unknown = ada.list_rights("Plans", "nobody").await;
    assert_eq!(why(unknown), Some(Why::Nonexistent));
}

#[tokio::test]
async fn only_flags_that_may_be_set_are_set() {
    let world = World::with(&NAMES, rules()).await;
    let (ada, there, plans) = plans(&world).await;
    let change = |action, names: &[&str]| FlagChange {
        action,
        flags: flags(names),
        unchanged_since: None,
    };
    let is = async |number| {
        let (one, plan) = (uids(&[number]), FetchPlan::default());
        let page = ada.fetch(plans, &one, None, &plan).await.unwrap();
        page.rows[0].flags.clone()
    };
    // One of several is enough not to be refused.
    grant(&ada, "Plans", "bob", "rs").await;
    let some = change(FlagAction::Add, &["\\Seen", "\\Draft", "Odd"]);
    there.store(plans, &uids(&[1]), &some).await.unwrap();
    assert_eq!(is(1).await, flags(&["\\Seen", "\\Deleted", "\\Flagged"]));
    let none = change(FlagAction::Replace, &[]);
    there.store(plans, &uids(&[1]), &none).await.unwrap();
    assert_eq!(is(1).await, flags(&["\\Deleted", "\\Flagged"]));
    grant(&ada, "Plans", "bob", "rt").await;
    there.store(plans, &uids(&[1]), &none).await.unwrap();
    assert_eq!(is(1).await, flags(&["\\Flagged"]));
    grant(&ada, "Plans", "bob", "rw").await;
    let more = change(FlagAction::Replace, &["\\Seen", "Odd"]);
    there.store(plans, &uids(&[1]), &more).await.unwrap();
    assert_eq!(is(1).await, flags(&["Odd"]));
    grant(&ada, "Plans", "bob", "r").await;
    let refused = there.store(plans, &uids(&[1]), &none).await;
    assert_eq!(why(refused), Some(Why::Policy));

    // Reading marks nothing without the right.
    let reading = FetchPlan {
        mark_seen: true,
        ..FetchPlan::default()
    };
    for (letters, marks) in [("lr", false), ("lrs", true)] {
        grant(&ada, "Plans", "bob", letters).await;
        let page = there.fetch(plans, &uids(&[1]), None, &reading).await;
        assert_eq!(page.unwrap().rows[0].seen_now, marks);
        assert_eq!(is(1).await.contains(&Flag::Seen), marks);
    }

    // What is put in has no others (RFC 4314 §4).
    let all = &["\\Seen", "\\Deleted", "\\Draft", "Odd"];
    for (letters, kept) in [
        ("ri", &[][..]),
        ("ris", &["\\Seen"]),
        ("rit", &["\\Deleted"]),
        ("riw", &["\\Draft", "Odd"]),
    ] {
        grant(&ada, "Plans", "bob", letters).await;
        let put = append(&there, "Plans", all, LETTER).await;
        assert_eq!(is(put.value()).await, flags(kept), "{letters}");
        let bob = world.account("bob").await;
        append(&bob, "Archive", all, LETTER).await;
        let archive = bob.open("Archive").await.unwrap();
        let copied = bob
            .copy_to(archive.id, &uids(&[1]), (&there, "Plans"))
            .await;
        let (_, put) = copied.unwrap().pairs[0];
        assert_eq!(is(put.value()).await, flags(kept), "{letters}, copied");
    }
}

#[tokio::test]
async fn lists_are_inherited_kept_and_removed_with_their_mailbox() {
    let world = World::with(&NAMES, rules()).await;
    let (ada, there, _) = plans(&world).await;
    grant(&ada, "Plans", "bob", "lrkx").await;
    there.create("Plans/New/Newer", None).await.unwrap();
    assert_eq!(
        there.my_rights("Plans/New/Newer").await.unwrap(),
        rights("lrkx")
    );
    // What was there before has its own.
    assert_eq!(
        why(there.my_rights("Plans/Old").await),
        Some(Why::Nonexistent)
    );
    there.rename("Plans/New", "Plans/Other").await.unwrap();
    ada.rename("Plans/Other", "Elsewhere").await.unwrap();
    let world = world.again().await;
    let (ada, bob) = (world.account("ada").await, world.account("bob").await);
    let there = visit(&bob, "ada").await.unwrap();
    for name in ["Plans", "Elsewhere", "Elsewhere/Newer"] {
        assert_eq!(
            there.my_rights(name).await.unwrap(),
            rights("lrkx"),
            "{name}"
        );
    }
    // With mailboxes below it, it stays as a level, without its list.
    there.delete("Elsewhere").await.unwrap();
    assert_eq!(
        why(there.my_rights("Elsewhere").await),
        Some(Why::Nonexistent)
    );
    ada.delete("Elsewhere/Newer").await.unwrap();
    ada.create("Elsewhere", None).await.unwrap();
    assert_eq!(
        why(there.my_rights("Elsewhere").await),
        Some(Why::Nonexistent)
    );
    // Nothing is made where there is no right to: at the top, below what may not be seen.
    for name in ["Top", "Plans/Old/New", "INBOX/New"] {
        assert_eq!(
            why(there.create(name, None).await),
            Some(Why::Policy),
            "{name}"
        );
        assert_eq!(
            why(there.rename("Plans", name).await),
            Some(Why::Policy),
            "{name}"
        );
    }
    let role = there.create("Plans/All", Some(mail::Role::All)).await;
    assert_eq!(why(role), Some(Why::Policy));
    let bob = world.account("bob").await;
    for name in ["Other Users/nobody@example.org/x", "Other Users/x"] {
        assert_eq!(why(bob.place_new(name).await), Some(Why::Policy), "{name}");
    }
}

#[tokio::test]
async fn names_for_others_are_not_given_to_ones_own() {
    let world = World::with(&NAMES, rules()).await;
    let (ada, _, _) = plans(&world).await;
    for name in ["Other Users", "Other Users/x", "Other Users/bob@x/INBOX"] {
        assert_eq!(
            why(ada.create(name, None).await),
            Some(Why::Cannot),
            "{name}"
        );
        assert_eq!(
            why(ada.rename("Plans", name).await),
            Some(Why::Cannot),
            "{name}"
        );
    }
    ada.create("Other Users2", None).await.unwrap();
    // Anything can be subscribed to.
    let bob = world.account("bob").await;
    let name = format!("Other Users/{}/INBOX", address("ada"));
    bob.subscribe(&name).await.unwrap();
    assert!(bob.subscriptions().await.unwrap().contains(&name));
}

#[tokio::test]
async fn who_comes_later_under_the_same_name_has_no_rights() {
    let world = World::with(&NAMES, rules()).await;
    let (ada, there, plans) = plans(&world).await;
    grant(&ada, "Plans", "bob", "lr").await;
    let before = there.open("Plans").await.unwrap();
    world.post.remove_account(&address("bob")).await.unwrap();
    world
        .post
        .add_account(&address("bob"), "other")
        .await
        .unwrap();
    assert_eq!(ada.acl("Plans").await.unwrap().len(), 1);
    let bob = world
        .post
        .accounts()
        .into_iter()
        .find(|one| one.address == address("bob"));
    let bob = world.post.account(bob.unwrap().id).await.unwrap();
    assert!(bob.shared_mailboxes().await.unwrap().is_empty());
    assert_eq!(why(visit(&bob, "ada").await), Some(Why::Nonexistent));
    // Of an owner who has gone nothing is left.
    grant(&ada, "Plans", "eve", "lr").await;
    let eve = world.account("eve").await;
    let there = visit(&eve, "ada").await.unwrap();
    world.post.remove_account(&address("ada")).await.unwrap();
    assert!(eve.shared_mailboxes().await.unwrap().is_empty());
    assert_eq!(why(eve.visit(ada.id())), Some(Why::Nonexistent));
    let changes = there.changes(plans, before.modseq, before.uidnext).await;
    assert!(changes.is_err() || changes.unwrap().gone);
}

#[tokio::test]
async fn a_right_taken_away_ends_what_is_open() {
    let world = World::with(&NAMES, rules()).await;
    let (ada, there, plans) = plans(&world).await;
    grant(&ada, "Plans", "bob", "lrsw").await;
    let before = there.open("Plans").await.unwrap();
    assert_eq!(before.rights, rights("lrsw"));
    let mut watch = there.modseq_watch();
    watch.take();
    grant(&ada, "Plans", "bob", "lrs").await;
    // It wakes whoever has it open.
    assert!(watch.has_moved());
    let changes = there
        .changes(plans, before.modseq, before.uidnext)
        .await
        .unwrap();
    assert_eq!((changes.rights, changes.gone), (rights("lrs"), false));
    assert!(changes.modseq > before.modseq);
    grant(&ada, "Plans", "bob", "ls").await;
    let changes = there
        .changes(plans, before.modseq, before.uidnext)
        .await
        .unwrap();
    assert!(changes.gone);
}

#[tokio::test]
async fn a_list_and_a_house_have_limits() {
    let narrow = Rules {
        acl_entries_max: 2,
        sharers_max: 1,
        ..rules()
    };
    let world = World::with(&["ada", "bob", "eve", "tim"], narrow).await;
    let (ada, _, _) = plans(&world).await;
    grant(&ada, "Plans", "bob", "lr").await;
    grant(&ada, "Plans", "-eve", "lr").await;
    let more = RightsChange::Replace(rights("lr"));
    let refused = ada.set_rights("Plans", "anyone", more).await;
    assert_eq!(why(refused), Some(Why::Limit));
    // Those there are may change, and go.
    grant(&ada, "Plans", "bob", "l").await;
    // An entry of an account that is gone makes room.
    world.post.remove_account(&address("eve")).await.unwrap();
    grant(&ada, "Plans", "anyone", "lr").await;
    let tim = world.account("tim").await;
    grant(&tim, "INBOX", "bob", "lr").await;
    let bob = world.account("bob").await;
    let shared = bob.shared_mailboxes().await.unwrap();
    assert!(shared.iter().all(|(owner, _)| *owner == ada.id()) && !shared.is_empty());
}

#[tokio::test]
async fn messages_go_from_one_account_to_another() {
    let world = World::with(&NAMES, rules()).await;
    let (ada, there, plans) = plans(&world).await;
    grant(&ada, "Plans", "bob", "lrite").await;
    let bob = world.account("bob").await;
    let copied = there
        .copy_to(plans, &uids(&[1, 9]), (&bob, "Archive"))
        .await;
    assert_eq!(copied.unwrap().pairs, [(uid(1), uid(1))]);
    assert_eq!(whole(&bob, "Archive", 1).await, LETTER);

    // Both, or neither.
    world.store.fail(0, CommitError::Failed("made up".into()));
    let moved = there.relocate_to(plans, &uids(&[1]), (&bob, "Sent")).await;
    assert_eq!(why(moved), Some(Why::Unavailable));
    assert_eq!(ada.open("Plans").await.unwrap().uids, uids(&[1]));
    assert!(bob.open("Sent").await.unwrap().uids.is_empty());
    let commits = world.store.done().len();
    let moved = there.relocate_to(plans, &uids(&[1]), (&bob, "Sent")).await;
    assert_eq!(moved.unwrap().pairs, [(uid(1), uid(1))]);
    assert_eq!(world.store.done().len(), commits + 1);
    assert!(ada.open("Plans").await.unwrap().uids.is_empty());
    // And back, in the other order of accounts.
    let sent = bob.open("Sent").await.unwrap().id;
    bob.relocate_to(sent, &uids(&[1]), (&there, "Plans"))
        .await
        .unwrap();
    assert_eq!(whole(&ada, "Plans", 2).await, LETTER);
    // What is not there can be made; what may not be seen is not there.
    for (target, expected) in [("Nowhere", Why::TryCreate), ("Drafts", Why::TryCreate)] {
        append(&bob, "Archive", &[], LETTER).await;
        let archive = bob.open("Archive").await.unwrap().id;
        let copied = bob.copy_to(archive, &uids(&[1]), (&there, target)).await;
        assert_eq!(why(copied), Some(expected), "{target}");
        let moved = bob
            .relocate_to(archive, &uids(&[1]), (&there, target))
            .await;
        assert_eq!(why(moved), Some(expected), "{target}");
        assert!(bob.open("Archive").await.unwrap().uids.contains(uid(1)));
    }
    let world = world.again().await;
    let ada = world.account("ada").await;
    assert_eq!(whole(&ada, "Plans", 2).await, LETTER);
    assert_eq!(
        whole(&world.account("bob").await, "Archive", 1).await,
        LETTER
    );
}

#[tokio::test]
async fn messages_go_to_another_account_only_where_it_has_room() {
    let limit = Quota {
        octets_max: Some(2 * LETTER.len() as u64),
        messages_max: None,
    };
    let limited = Rules {
        quota: limit,
        ..rules()
    };
    let world = World::with(&NAMES, limited).await;
    let (ada, there, plans) = plans(&world).await;
    grant(&ada, "Plans", "bob", "lrite").await;
    let bob = world.account("bob").await;
    append(&bob, "Archive", &[], LETTER).await;
    append(&bob, "Archive", &[], LETTER).await;
    let archive = bob.open("Archive").await.unwrap().id;
    let all = uids(&[1]);
    // Bob is full, whichever way it goes; Ada has room for one.
    let copied = there.copy_to(plans, &all, (&bob, "INBOX")).await;
    assert_eq!(why(copied), Some(Why::OverQuota));
    let moved = there.relocate_to(plans, &all, (&bob, "INBOX")).await;
    assert_eq!(why(moved), Some(Why::OverQuota));
    assert_eq!(ada.open("Plans").await.unwrap().uids, all);
    let both = uids(&[1, 2]);
    let moved = bob.relocate_to(archive, &both, (&there, "Plans")).await;
    assert_eq!(why(moved), Some(Why::OverQuota));
    let moved = bob.relocate_to(archive, &all, (&there, "Plans")).await;
    assert_eq!(moved.unwrap().pairs, [(uid(1), uid(2))]);
    // Ada is full now, for whoever writes there; Bob has room again.
    let mut more = there.append("Plans", flags(&[]), None, None).await.unwrap();
    assert_eq!(why(more.room(1).await), Some(Why::OverQuota));
    let copied = there.copy(plans, &all, "Plans").await;
    assert_eq!(why(copied), Some(Why::OverQuota));
    let copied = there.copy_to(plans, &all, (&bob, "INBOX")).await;
    assert_eq!(copied.unwrap().pairs, [(uid(1), uid(1))]);
    recounted(&world).await;
}

#[tokio::test]
async fn notes_and_quotas_are_told_to_the_owner_only() {
    let limited = Rules {
        quota: Quota {
            octets_max: None,
            messages_max: Some(2),
        },
        ..rules()
    };
    let world = World::with(&NAMES, limited).await;
    let (ada, there, plans) = plans(&world).await;
    grant(&ada, "Plans", "bob", "lrswipkxtea").await;
    let note = [("/shared/comment".to_owned(), Some("tea".into()))];
    ada.set_metadata(Some("Plans"), &note).await.unwrap();
    let query = MetadataQuery {
        entries: vec!["/shared".to_owned()],
        ..MetadataQuery::default()
    };
    for mailbox in [Some("Plans"), None] {
        let told = there.metadata(mailbox, &query).await;
        assert_eq!(why(told), Some(Why::Nonexistent));
        let set = there.set_metadata(mailbox, &note).await;
        assert_eq!(why(set), Some(Why::Nonexistent));
    }
    let name = format!("Other Users/{}/Plans", address("ada"));
    let bob = world.account("bob").await;
    let told = bob.metadata(Some(&name), &query).await;
    assert_eq!(why(told), Some(Why::Nonexistent));

    let before = there.open("Plans").await.unwrap();
    append(&ada, "Plans", &[], LETTER).await;
    let less = Quota {
        octets_max: None,
        messages_max: Some(1),
    };
    let address = address("ada");
    world.post.set_quota(&address, Some(less)).await.unwrap();
    let (modseq, uidnext) = (before.modseq, before.uidnext);
    let changes = ada.changes(plans, modseq, uidnext).await.unwrap();
    assert!(changes.over_quota);
    let changes = there.changes(plans, modseq, uidnext).await.unwrap();
    assert!(!changes.over_quota && changes.added == uids(&[2]));
}
