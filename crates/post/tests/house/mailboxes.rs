//! Mailboxes by name: what may be made, deleted, renamed.

use mail::Role;
use post::{Account, Rules, Why};

use crate::world::{World, append, rules, uids, whole};

/// Names in the order of the list: `-` in front of one that cannot hold messages, `+` behind one
/// with mailboxes below it, `!` behind one without subscription.
async fn list(account: &Account) -> String {
    let shown = account.mailboxes().await.unwrap().into_iter().map(|one| {
        let front = if one.selectable { "" } else { "-" };
        let below = if one.has_children { "+" } else { "" };
        let lone = if one.subscribed { "" } else { "!" };
        format!("{front}{}{below}{lone}", one.name)
    });
    shown.collect::<Vec<_>>().join(" ")
}

const FIRST: &str = "INBOX Archive Drafts Junk Sent Trash";

#[tokio::test]
async fn an_account_begins_with_the_usual_mailboxes() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    assert_eq!(list(&ada).await, FIRST);
    let roles = ada.mailboxes().await.unwrap();
    let roles: Vec<_> = roles.iter().filter_map(|mailbox| mailbox.role).collect();
    assert_eq!(
        roles,
        [
            Role::Archive,
            Role::Drafts,
            Role::Junk,
            Role::Sent,
            Role::Trash
        ]
    );
}

#[tokio::test]
async fn names_are_made_and_refused() {
    let narrow = Rules {
        mailboxes_max: 12,
        mailbox_name_octets_max: 30,
        mailbox_depth_max: 4,
        ..rules()
    };
    let world = World::with(&["ada"], narrow).await;
    let ada = world.account("ada").await;
    for (name, expected) in [
        ("a/b/c", None),
        ("a/b", Some(Why::AlreadyExists)),
        ("a/", Some(Why::AlreadyExists)),
        ("inbox", Some(Why::AlreadyExists)),
        ("InBox/below", None),
        ("inboxes", None),
        ("", Some(Why::Cannot)),
        ("/", Some(Why::Cannot)),
        ("/x", Some(Why::Cannot)),
        ("x//y", Some(Why::Cannot)),
        ("x*", Some(Why::Cannot)),
        ("x\u{85}y", Some(Why::Cannot)),
        ("x\u{2028}y", Some(Why::Cannot)),
        ("x\u{2029}", Some(Why::Cannot)),
        ("x%", Some(Why::Cannot)),
        ("x\r\ny", Some(Why::Cannot)),
        ("a/b/c/d/e", Some(Why::Limit)),
        ("a name that is longer than it may", Some(Why::Limit)),
        // E and an accent are the same as the letter with the accent.
        ("Ete\u{301}", None),
        ("Et\u{e9}", Some(Why::AlreadyExists)),
        ("one/too/many", Some(Why::Limit)),
    ] {
        let made = ada.create(name, None).await;
        assert_eq!(made.err().map(|error| error.why()), expected, "{name}");
    }
    let shown =
        "INBOX+ Archive Drafts Et\u{e9}! INBOX/below! Junk Sent Trash a+! a/b+! a/b/c! inboxes!";
    for world in [&world, &world.again().await] {
        assert_eq!(list(&world.account("ada").await).await, shown);
    }
    let taken = ada.create("x", Some(Role::Junk)).await;
    assert_eq!(taken.unwrap_err().why(), Why::Cannot);
}

#[tokio::test]
async fn deleting_keeps_the_levels_that_are_needed() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    ada.create("a/b/c", None).await.unwrap();
    append(&ada, "a/b", &[], "x\r\n\r\n").await;
    let before = ada.open("a/b").await.unwrap();
    ada.delete("a/b").await.unwrap();
    assert_eq!(list(&ada).await, format!("{FIRST} a+! -a/b+! a/b/c!"));
    assert_eq!(ada.open("a/b").await.unwrap_err().why(), Why::Cannot);
    assert_eq!(ada.status("a/b").await.unwrap_err().why(), Why::Nonexistent);
    let changes = ada.changes(before.id, before.modseq, before.uidnext).await;
    assert!(changes.unwrap().gone);
    assert_eq!(ada.delete("a/b").await.unwrap_err().why(), Why::Cannot);

    // Made anew it is another mailbox of another generation.
    ada.create("a/b", None).await.unwrap();
    let anew = ada.open("a/b").await.unwrap();
    assert!(anew.uidvalidity > before.uidvalidity);
    assert_ne!(anew.id, before.id);
    assert!(anew.uids.is_empty());

    for (name, expected) in [
        ("a/b/c", None),
        ("a/b", None),
        ("a", None),
        ("a", Some(Why::Nonexistent)),
        ("Inbox", Some(Why::Cannot)),
        ("Trash", None),
    ] {
        let deleted = ada.delete(name).await;
        assert_eq!(deleted.err().map(|error| error.why()), expected, "{name}");
    }
    assert_eq!(list(&ada).await, "INBOX Archive Drafts Junk Sent");
    assert!(ada.subscriptions().await.unwrap().contains(&"Trash".into()));
}

#[tokio::test]
async fn renaming_takes_along_what_is_below() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    ada.create("a/b/c", None).await.unwrap();
    append(&ada, "a/b/c", &["\\Seen"], "x\r\n\r\n").await;
    let before = ada.open("a/b/c").await.unwrap();
    for (from, to, expected) in [
        ("a", "a/b/d", Some(Why::Cannot)),
        ("a", "Sent", Some(Why::AlreadyExists)),
        ("none", "some", Some(Why::Nonexistent)),
        ("a", "x*", Some(Why::Cannot)),
        ("a/b", "new/level", None),
    ] {
        let renamed = ada.rename(from, to).await;
        assert_eq!(renamed.err().map(|error| error.why()), expected, "{to}");
    }
    assert_eq!(
        list(&ada).await,
        format!("{FIRST} a! new+! new/level+! new/level/c!")
    );
    let after = ada.open("new/level/c").await.unwrap();
    assert_eq!(
        (after.id, after.uidvalidity, after.uids),
        (before.id, before.uidvalidity, before.uids)
    );
    let again = world.again().await.account("ada").await;
    let again = again.open("new/level/c").await.unwrap();
    assert_eq!(again.highest_modseq, after.highest_modseq);
}

#[tokio::test]
async fn the_inbox_is_emptied_into_its_new_name() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    ada.create("INBOX/below", None).await.unwrap();
    append(&ada, "INBOX", &["\\Seen", "$Work"], "one\r\n\r\n").await;
    append(&ada, "INBOX", &[], "two\r\n\r\n").await;
    ada.rename("inbox", "old/mail").await.unwrap();
    for world in [&world, &world.again().await] {
        let ada = world.account("ada").await;
        let inbox = ada.open("INBOX").await.unwrap();
        assert!(inbox.uids.is_empty());
        assert_eq!(inbox.uidnext.value(), 3);
        assert_eq!(ada.open("old/mail").await.unwrap().uids, uids(&[1, 2]));
        assert_eq!(whole(&ada, "old/mail", 2).await, "two\r\n\r\n");
        assert!(list(&ada).await.contains("INBOX/below"));
    }
}

#[tokio::test]
async fn subscriptions_are_names() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    for name in ["inbox", "not/there", "not/there"] {
        ada.subscribe(name).await.unwrap();
    }
    ada.unsubscribe("Junk").await.unwrap();
    ada.unsubscribe("never").await.unwrap();
    let names = ["Archive", "Drafts", "INBOX", "Sent", "Trash", "not/there"];
    for world in [&world, &world.again().await] {
        let ada = world.account("ada").await;
        assert_eq!(ada.subscriptions().await.unwrap(), names);
    }
    assert_eq!(ada.subscribe("x//y").await.unwrap_err().why(), Why::Cannot);
}
