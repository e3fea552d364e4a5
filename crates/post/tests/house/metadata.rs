//! Notes on mailboxes and on the account.

use bytes::Bytes;
use mail::Role;
use post::{Account, MetadataQuery, Outcome, Rules, Why};

use crate::world::{World, append, rules};

async fn set(account: &Account, mailbox: &str, entries: &[(&str, Option<&str>)]) -> Outcome<()> {
    let entries: Vec<_> = entries
        .iter()
        .map(|(name, value)| {
            let value = value.map(|value| Bytes::copy_from_slice(value.as_bytes()));
            ((*name).to_owned(), value)
        })
        .collect();
    let mailbox = Some(mailbox).filter(|name| !name.is_empty());
    account.set_metadata(mailbox, &entries).await
}

/// All there is below an entry: `name=value`.
async fn all(account: &Account, mailbox: &str) -> Vec<String> {
    asked(account, mailbox, &["/private", "/shared"], None).await
}

async fn asked(
    account: &Account,
    mailbox: &str,
    entries: &[&str],
    depth: Option<usize>,
) -> Vec<String> {
    let query = MetadataQuery {
        entries: entries.iter().map(|name| (*name).to_owned()).collect(),
        depth,
        octets_max: None,
    };
    let mailbox = Some(mailbox).filter(|name| !name.is_empty());
    let found = account.metadata(mailbox, &query).await.unwrap();
    let shown = found
        .entries
        .iter()
        .map(|(name, value)| format!("{name}={}", std::str::from_utf8(value).unwrap()));
    shown.collect()
}

#[tokio::test]
async fn notes_stay_with_their_mailbox() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let ada = world.account("ada").await;
    ada.create("a/b", None).await.unwrap();
    append(&ada, "INBOX", &[], "a: b\r\n\r\n").await;
    set(&ada, "a", &[("/shared/comment", Some("x"))])
        .await
        .unwrap();
    set(&ada, "a/b", &[("/private/comment", Some("y"))])
        .await
        .unwrap();
    set(&ada, "inbox", &[("/private/comment", Some("in"))])
        .await
        .unwrap();
    set(&ada, "", &[("/private/vendor/v/x", Some("mine"))])
        .await
        .unwrap();

    ada.rename("a", "c").await.unwrap();
    let ada = world.again().await.account("ada").await;
    assert_eq!(all(&ada, "c").await, ["/shared/comment=x"]);
    assert_eq!(all(&ada, "c/b").await, ["/private/comment=y"]);
    ada.rename("INBOX", "old").await.unwrap();
    for name in ["INBOX", "old"] {
        assert_eq!(all(&ada, name).await, ["/private/comment=in"]);
    }
    // What is deleted takes its notes along, even if it stays as a level above others.
    ada.delete("c").await.unwrap();
    assert!(all(&ada, "c").await.is_empty());
    set(&ada, "c", &[("/private/comment", Some("level"))])
        .await
        .unwrap();
    ada.create("c", None).await.unwrap();
    assert!(all(&ada, "c").await.is_empty());
    ada.delete("c/b").await.unwrap();
    let gone = set(&ada, "c/b", &[("/private/comment", Some("z"))]).await;
    assert_eq!(gone.unwrap_err().why(), Why::Nonexistent);
    ada.create("c/b", None).await.unwrap();
    for ada in [ada, world.again().await.account("ada").await] {
        assert!(all(&ada, "c/b").await.is_empty());
        let mine = [
            "/private/vendor/v/x=mine",
            "/shared/admin=mailto:postmaster@mx.example.org",
        ];
        assert_eq!(all(&ada, "").await, mine);
    }
    let eve = world.account("eve").await;
    assert_eq!(all(&eve, "").await.len(), 1);
}

#[tokio::test]
async fn entries_are_found_by_depth_and_size() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let entries = [
        ("/private/a", Some("1")),
        ("/private/a/b", Some("22")),
        ("/private/a/b/c", Some("333")),
        ("/private/ab", Some("4444")),
    ];
    set(&ada, "INBOX", &entries).await.unwrap();
    let asked = async |names: &[&str], depth| asked(&ada, "INBOX", names, depth).await.len();
    assert_eq!(asked(&["/private/a"], Some(0)).await, 1);
    assert_eq!(asked(&["/private/a"], Some(1)).await, 2);
    assert_eq!(asked(&["/private/a"], None).await, 3);
    assert_eq!(asked(&["/private/a", "/private/ab"], None).await, 4);
    assert_eq!(asked(&["/private/x", "/private"], Some(0)).await, 0);
    assert_eq!(asked(&["/private"], Some(1)).await, 2);
    let query = MetadataQuery {
        entries: vec!["/private".to_owned()],
        depth: None,
        octets_max: Some(2),
    };
    let found = ada.metadata(Some("INBOX"), &query).await.unwrap();
    assert_eq!((found.entries.len(), found.longest), (2, Some(4)));
}

#[tokio::test]
async fn limits_hold_and_nothing_is_half_set() {
    let rules = Rules {
        metadata_octets_max: 10,
        metadata_entries_max: 3,
        metadata_all_octets_max: 80,
        ..rules()
    };
    let world = World::with(&["ada"], rules).await;
    let ada = world.account("ada").await;
    let why = async |mailbox: &str, entries: &[(&str, Option<&str>)]| {
        set(&ada, mailbox, entries).await.unwrap_err().why()
    };
    let (a, b) = (("/private/a", Some("1234567890")), ("/private/b", Some("")));
    set(&ada, "INBOX", &[a, b]).await.unwrap();
    let long = ("/private/b", Some("12345678901"));
    assert_eq!(
        why("INBOX", &[("/private/a", None), long]).await,
        Why::TooBig
    );
    let (c, d) = (("/private/c", Some("c")), ("/private/d", Some("d")));
    assert_eq!(why("INBOX", &[c, d]).await, Why::Limit);
    assert_eq!(
        all(&ada, "INBOX").await,
        ["/private/a=1234567890", "/private/b="]
    );
    // One for another is no more than before; all mailboxes together have a limit as well.
    set(&ada, "INBOX", &[("/private/b", None), c, d])
        .await
        .unwrap();
    set(&ada, "Sent", &[a]).await.unwrap();
    assert_eq!(why("Archive", &[a]).await, Why::Limit);
    set(&ada, "Sent", &[("/private/a", Some("123456789"))])
        .await
        .unwrap();
    for mailbox in ["INBOX", "Sent"] {
        let none = [
            ("/private/a", None),
            ("/private/c", None),
            ("/private/d", None),
        ];
        set(&ada, mailbox, &none).await.unwrap();
    }
    for _ in 0..9 {
        set(&ada, "Archive", &[a]).await.unwrap();
    }
    // What is shared by the whole house is its owner's.
    for name in ["/shared/admin", "/shared/comment"] {
        assert_eq!(why("", &[(name, Some("x"))]).await, Why::Policy);
        assert_eq!(why("", &[(name, None)]).await, Why::Policy);
    }
}

#[tokio::test]
async fn a_role_is_an_entry() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let role = "/private/specialuse";
    assert_eq!(all(&ada, "Sent").await, ["/private/specialuse=\\Sent"]);
    for wrong in ["\\Odd", "Sent", "\\Sent \\Junk", "\\Sent"] {
        let refused = set(&ada, "INBOX", &[(role, Some(wrong))]).await;
        assert_eq!(refused.unwrap_err().why(), Why::Cannot, "{wrong}");
    }
    // Of the whole account it is a note as any other.
    set(&ada, "", &[(role, Some("x"))]).await.unwrap();
    assert_eq!(all(&ada, "").await[0], "/private/specialuse=x");
    let note = ("/private/comment", Some("sent"));
    set(&ada, "Sent", &[(role, None), note]).await.unwrap();
    assert_eq!(all(&ada, "Sent").await, ["/private/comment=sent"]);
    ada.create("Mine", None).await.unwrap();
    set(&ada, "Mine", &[(role, Some("\\sent"))]).await.unwrap();
    let mailboxes = world
        .again()
        .await
        .account("ada")
        .await
        .mailboxes()
        .await
        .unwrap();
    let sent = mailboxes
        .iter()
        .find(|mailbox| mailbox.role == Some(Role::Sent));
    assert_eq!(sent.unwrap().name, "Mine");
}
