//! What becomes of a message whose reader has an active script.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use mail::Role;
use post::{Account, FetchPlan, Rules, ScriptVerdict, Why};

use crate::scripts::name;
use crate::world::{World, append, audited, deliver, recounted, rules, uids, whole};

const LETTER: &str =
    "From: bob@elsewhere.example\r\nSubject: Tea\r\nMessage-ID: <1@x>\r\n\r\nAt five?\r\n";

/// Makes this the script that runs.
pub(crate) async fn runs(account: &Account, text: &str) {
    let (main, text) = (name("main"), Bytes::copy_from_slice(text.as_bytes()));
    let kept = account.put_script(&main, &text).await.unwrap();
    assert_eq!(kept, ScriptVerdict::Right(Vec::new()), "{text:?}");
    account.activate_script(Some(&name("main"))).await.unwrap();
}

/// How many messages each mailbox holds that holds any.
pub(crate) async fn held(account: &Account) -> Vec<(String, usize)> {
    let mut held = Vec::new();
    for mailbox in account.mailboxes().await.unwrap() {
        if let Ok(open) = account.open(&mailbox.name).await
            && !open.uids.is_empty()
        {
            let count = usize::try_from(open.uids.len()).unwrap();
            held.push((mailbox.name, count));
        }
    }
    held.sort();
    held
}

pub(crate) fn one(name: &str) -> Vec<(String, usize)> {
    vec![(name.to_owned(), 1)]
}

// tidy: table
#[tokio::test]
async fn a_script_says_where_a_letter_goes() {
    for (script, expected) in [
        ("keep;", one("INBOX")),
        ("discard;", Vec::new()),
        ("stop;", one("INBOX")),
        (
            "require \"fileinto\"; fileinto \"Archive\";",
            one("Archive"),
        ),
        (
            "require \"fileinto\"; fileinto \"inbox\"; keep;",
            one("INBOX"),
        ),
        (
            "require [\"fileinto\", \"copy\"]; fileinto :copy \"Archive\";",
            vec![("Archive".to_owned(), 1), ("INBOX".to_owned(), 1)],
        ),
        // There is no such mailbox.
        (
            "require \"fileinto\"; fileinto \"Lists/Tea\";",
            one("INBOX"),
        ),
        (
            "require [\"fileinto\", \"mailbox\"]; fileinto :create \"Lists/Tea\";",
            one("Lists/Tea"),
        ),
        (
            "require [\"fileinto\", \"mailbox\"]; fileinto :create \"Other Users/eve\";",
            one("INBOX"),
        ),
        (
            "require [\"fileinto\", \"mailbox\"]; fileinto :create \"a//b\";",
            one("INBOX"),
        ),
        (
            "require [\"fileinto\", \"special-use\"]; \
             fileinto :specialuse \"\\\\Junk\" \"No such\";",
            one("Junk"),
        ),
        (
            "require [\"fileinto\", \"envelope\", \"subaddress\"]; \
             if envelope :detail \"to\" \"tea\" { fileinto \"Archive\"; }",
            one("Archive"),
        ),
        (
            "require [\"fileinto\", \"envelope\"]; \
             if envelope \"from\" \"bob@elsewhere.example\" { fileinto \"Archive\"; }",
            one("Archive"),
        ),
        (
            "require [\"fileinto\", \"mailbox\", \"special-use\"]; \
             if allof (mailboxexists [\"INBOX\", \"Junk\"], not mailboxexists \"Nowhere\", \
             specialuse_exists \"\\\\Junk\", specialuse_exists \"Junk\" \"\\\\Junk\", \
             not specialuse_exists \"INBOX\" \"\\\\Junk\") { fileinto \"Archive\"; }",
            one("Archive"),
        ),
        (
            "require [\"fileinto\", \"body\", \"date\", \"relational\", \"variables\"]; \
             set \"where\" \"Archive\"; \
             if allof (body :contains \"five\", currentdate :value \"ge\" \"year\" \"2023\") \
             { fileinto \"${where}\"; }",
            one("Archive"),
        ),
        (
            "require [\"fileinto\", \"environment\"]; \
             if allof (environment \"phase\" \"during\", environment \"remote-ip\" \"192.0.2.1\", \
             environment \"domain\" \"example.org\") { fileinto \"Archive\"; }",
            one("Archive"),
        ),
        // A fault when it runs: nothing is done of what it wanted.
        (
            "require [\"fileinto\", \"ihave\"]; fileinto \"Archive\"; error \"no\";",
            one("INBOX"),
        ),
    ] {
        let world = World::with(&["ada"], rules()).await;
        let ada = world.account("ada").await;
        runs(&ada, script).await;
        let before = world.store.done().len();
        world.deliver(&["ada+tea"], LETTER).await.unwrap();
        assert_eq!(held(&ada).await, expected, "{script}");
        // Whatever it wants is one step, and that nothing was kept is one as well.
        assert_eq!(world.store.done().len() - before, 1, "{script}");
        audited(&world.post).await;
        recounted(&world).await;
        audited(&world.again().await.post).await;
    }
}

#[tokio::test]
async fn each_readers_script_speaks_for_that_reader() {
    let world = World::with(&["ada", "eve", "bob", "joe"], rules()).await;
    for (who, text) in [
        ("ada", "discard;"),
        ("eve", "require \"fileinto\"; fileinto \"Archive\";"),
        (
            "joe",
            "require \"editheader\"; addheader \"X-Tea\" \"yes\";",
        ),
    ] {
        runs(&world.account(who).await, text).await;
    }
    let before = world.store.done().len();
    world
        .deliver(&["ada", "eve", "bob", "joe"], LETTER)
        .await
        .unwrap();
    for (who, expected) in [
        ("ada", Vec::new()),
        ("eve", one("Archive")),
        ("bob", one("INBOX")),
        ("joe", one("INBOX")),
    ] {
        assert_eq!(held(&world.account(who).await).await, expected, "{who}");
    }
    let done = world.store.done();
    assert_eq!(done.len(), before + 1);
    // One body for all, and one for whoever has changed it.
    assert_eq!(done[before].blobs.len(), 2);
    let changed = whole(&world.account("joe").await, "INBOX", 1).await;
    assert!(
        changed.starts_with("X-Tea: yes\r\nReturn-Path:"),
        "{changed}"
    );
    assert!(changed.ends_with("\r\n\r\nAt five?\r\n"), "{changed}");
    audited(&world.post).await;
    recounted(&world).await;
}

#[tokio::test]
async fn flags_are_set_as_far_as_the_mailbox_has_room() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let text = "require [\"imap4flags\", \"fileinto\", \"copy\"]; \
        fileinto :copy :flags [\"\\\\Seen\", \"$Tea\"] \"Archive\"; keep :flags \"\\\\Flagged\";";
    runs(&ada, text).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    for (mailbox, expected) in [("Archive", "\\Seen $Tea"), ("INBOX", "\\Flagged")] {
        let id = ada.open(mailbox).await.unwrap().id;
        let plan = FetchPlan::default();
        let page = ada.fetch(id, &uids(&[1]), None, &plan).await.unwrap();
        assert_eq!(page.rows[0].flags.to_string(), expected, "{mailbox}");
    }
    let many: Vec<String> = (0..63).map(|number| format!("k{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    append(&ada, "Archive", &many, "a: b\r\n\r\nc").await;
    let text = "require [\"imap4flags\", \"fileinto\"]; \
        fileinto :flags [\"\\\\Seen\", \"$Tea\", \"$New\", \"k1\"] \"Archive\";";
    runs(&ada, text).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(ada.open("Archive").await.unwrap().uids, uids(&[1, 2, 3]));
    audited(&world.post).await;
}

#[tokio::test]
async fn what_is_made_by_a_script_is_subscribed_and_has_its_role() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    for mailbox in ada.mailboxes().await.unwrap() {
        if mailbox.role == Some(Role::Junk) {
            ada.delete(&mailbox.name).await.unwrap();
        }
    }
    let text = "require [\"fileinto\", \"mailbox\", \"special-use\"]; \
        fileinto :create :specialuse \"\\\\Junk\" \"Spam/New\";";
    runs(&ada, text).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    world.deliver(&["ada"], LETTER).await.unwrap();
    let mailboxes = ada.mailboxes().await.unwrap();
    let made = mailboxes
        .iter()
        .find(|mailbox| mailbox.name == "Spam/New")
        .unwrap();
    assert_eq!(made.role, Some(Role::Junk));
    assert!(
        ada.subscriptions()
            .await
            .unwrap()
            .contains(&"Spam/New".to_owned())
    );
    assert_eq!(ada.open("Spam/New").await.unwrap().uids, uids(&[1, 2]));
    audited(&world.post).await;
}

#[tokio::test]
async fn a_letter_seen_before_is_known() {
    let rules = Rules {
        seen_max: 2,
        ..rules()
    };
    let world = World::with(&["ada"], rules).await;
    let ada = world.account("ada").await;
    let text = "require [\"duplicate\", \"fileinto\"]; \
        if duplicate :seconds 100 { fileinto \"Archive\"; }";
    runs(&ada, text).await;
    let letter = |id: u32| LETTER.replace("<1@x>", &format!("<{id}@x>"));
    let count = async |mailbox: &str| ada.open(mailbox).await.unwrap().uids.len();
    world.deliver(&["ada"], &letter(1)).await.unwrap();
    world.deliver(&["ada"], &letter(1)).await.unwrap();
    assert_eq!((count("INBOX").await, count("Archive").await), (1, 1));
    // After a restart as well.
    world
        .again()
        .await
        .deliver(&["ada"], &letter(1))
        .await
        .unwrap();
    let world = world.again().await;
    let ada = world.account("ada").await;
    let count = async |mailbox: &str| ada.open(mailbox).await.unwrap().uids.len();
    assert_eq!((count("INBOX").await, count("Archive").await), (1, 2));
    audited(&world.post).await;
    // Of more than two the first is forgotten.
    world.deliver(&["ada"], &letter(2)).await.unwrap();
    world.made.seconds.fetch_add(1, Ordering::Relaxed);
    world.deliver(&["ada"], &letter(3)).await.unwrap();
    assert_eq!((count("INBOX").await, count("Archive").await), (3, 2));
    world.deliver(&["ada"], &letter(3)).await.unwrap();
    assert_eq!((count("INBOX").await, count("Archive").await), (3, 3));
    // And all when their time is over.
    world.made.seconds.fetch_add(100, Ordering::Relaxed);
    world.deliver(&["ada"], &letter(3)).await.unwrap();
    assert_eq!((count("INBOX").await, count("Archive").await), (4, 3));
    audited(&world.post).await;
    audited(&world.again().await.post).await;
}

#[tokio::test]
async fn a_script_includes_others_and_reads_notes() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let part = Bytes::from_static(b"require \"fileinto\"; fileinto \"Archive\";");
    ada.put_script(&name("part"), &part).await.unwrap();
    runs(&ada, "require \"include\"; include \"part\";").await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(held(&ada).await, one("Archive"));
    // The part is another now, and what was compiled of it does not matter.
    ada.put_script(&name("part"), &Bytes::from_static(b"discard;"))
        .await
        .unwrap();
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(held(&ada).await, one("Archive"));
    // It has gone: the script fails, and the letter is kept.
    ada.remove_script(&name("part")).await.unwrap();
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(
        held(&ada).await,
        [("Archive".to_owned(), 1), ("INBOX".to_owned(), 1)]
    );

    let note = |value: &'static str| Some(Bytes::from_static(value.as_bytes()));
    let entry = |name: &str| name.to_owned();
    let notes = [(entry("/private/x"), note("On"))];
    ada.set_metadata(Some("Archive"), &notes).await.unwrap();
    ada.set_metadata(None, &[(entry("/private/y"), note("on"))])
        .await
        .unwrap();
    let text = "require [\"mboxmetadata\", \"servermetadata\"]; \
        if allof (metadata \"Archive\" \"/private/x\" \"on\", \
        servermetadata \"/private/y\" \"on\", servermetadataexists \"/shared/admin\", \
        not metadataexists \"INBOX\" \"/private/x\") { discard; }";
    runs(&ada, text).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(
        held(&ada).await,
        [("Archive".to_owned(), 1), ("INBOX".to_owned(), 1)]
    );
}

#[tokio::test]
async fn of_a_large_letter_scripts_see_the_beginning() {
    let rules = Rules {
        body_memory_octets_max: 1000,
        ..rules()
    };
    let world = World::with(&["ada"], rules).await;
    let ada = world.account("ada").await;
    let text = "require [\"fileinto\", \"body\"]; \
        if allof (size :over 300K, header \"subject\" \"Tea\", body :contains \"five\", \
        not body :contains \"the end\") { fileinto \"Archive\"; }";
    runs(&ada, text).await;
    let large = format!("{LETTER}{}the end\r\n", "x".repeat(76).repeat(5000));
    world.deliver(&["ada"], &large).await.unwrap();
    assert_eq!(held(&ada).await, one("Archive"));
    runs(
        &ada,
        "require \"editheader\"; addheader \"X\" \"y\"; discard;",
    )
    .await;
    world.deliver(&["ada"], &large).await.unwrap();
    assert_eq!(
        held(&ada).await,
        [("Archive".to_owned(), 1), ("INBOX".to_owned(), 1)]
    );
    assert!(whole(&ada, "INBOX", 1).await.ends_with(&large));
    audited(&world.post).await;
}

#[tokio::test]
async fn where_the_house_is_crowded_scripts_see_the_header() {
    let rules = Rules {
        bodies_memory_octets_max: 0,
        ..rules()
    };
    let world = World::with(&["ada"], rules).await;
    let ada = world.account("ada").await;
    let text = "require \"fileinto\"; \
        if allof (header \"subject\" \"Tea\", size :over 100K) { fileinto \"Archive\"; }";
    runs(&ada, text).await;
    let large = format!("{LETTER}{}\r\n", "x".repeat(76).repeat(5000));
    world.deliver(&["ada"], &large).await.unwrap();
    assert_eq!(held(&ada).await, one("Archive"));
}

#[tokio::test]
async fn a_full_mailbox_and_a_full_account() {
    let rules = Rules {
        mailbox_messages_max: 1,
        ..rules()
    };
    let world = World::with(&["ada"], rules).await;
    let ada = world.account("ada").await;
    runs(&ada, "require \"fileinto\"; fileinto \"Archive\";").await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(
        held(&ada).await,
        [("Archive".to_owned(), 1), ("INBOX".to_owned(), 1)]
    );
    let refused = world.deliver(&["ada"], LETTER).await.unwrap_err();
    assert_eq!(refused.refusal().code.value(), 452);
    assert_ne!(refused.why(), Why::Unavailable);
    // What is for a use goes to no other mailbox where the one that has it is full.
    let rules = Rules {
        mailbox_messages_max: 1,
        ..world.post.rules().clone()
    };
    let world = World::with(&["ada"], rules).await;
    let ada = world.account("ada").await;
    let text = "require [\"fileinto\", \"special-use\"]; \
                fileinto :specialuse \"\\\\Junk\" \"Archive\";";
    runs(&ada, text).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    world.deliver(&["ada"], LETTER).await.unwrap();
    let both = [("INBOX".to_owned(), 1), ("Junk".to_owned(), 1)];
    assert_eq!(held(&ada).await, both);
}

/// A script and letters at the same time: each letter is filed by one version or the other.
#[tokio::test]
async fn a_script_is_replaced_while_letters_come() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    runs(&ada, "require \"fileinto\"; fileinto \"Archive\";").await;
    let post = world.post.clone();
    let letters = tokio::spawn(async move {
        for _ in 0..50 {
            deliver(&post, &["ada"], LETTER).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    for turn in 0..50 {
        let mailbox = ["Archive", "Junk"][turn % 2];
        runs(
            &ada,
            &format!("require \"fileinto\"; fileinto \"{mailbox}\"; # {turn}"),
        )
        .await;
        tokio::task::yield_now().await;
    }
    letters.await.unwrap();
    let held = held(&ada).await;
    let total: usize = held.iter().map(|(_, count)| count).sum();
    assert_eq!(total, 50, "{held:?}");
    assert!(held.iter().all(|(name, _)| name != "INBOX"), "{held:?}");
    audited(&world.post).await;
}
