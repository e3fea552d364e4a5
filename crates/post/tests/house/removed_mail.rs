//! What was removed, as mail programs see it.

use mail::MailboxId;
use post::{Account, Purge, Query, Rules, Snapshot, Why};

use crate::undo::{expunge, fill, holds, letter, told, undo, world};
use crate::world::{World, rules, uid, uids};

#[tokio::test]
async fn removed_mail_is_seen_and_copied_back() {
    let (world, ada) = world().await;
    fill(&ada, "INBOX", 40).await;
    assert_eq!(ada.removed_mailboxes().await.unwrap().len(), 0);
    expunge(&ada, "INBOX", &uids(&[7, 3])).await;
    ada.create("Plans", None).await.unwrap();
    fill(&ada, "Plans", 1).await;
    ada.delete("Plans").await.unwrap();
    expunge(&ada, "INBOX", &uids(&[1])).await;
    let listed = ada.removed_mailboxes().await.unwrap();
    let names: Vec<&str> = listed
        .iter()
        .map(|(_, mailbox)| mailbox.name.as_str())
        .collect();
    assert_eq!(names, ["Removed Mail/INBOX", "Removed Mail/Plans"]);

    let (removed, name) = ada.place("Removed Mail/INBOX").await.unwrap();
    assert_eq!(name, "INBOX");
    let opened = removed.open("INBOX").await.unwrap();
    assert_eq!(
        (opened.uids.len(), opened.rights.to_string().as_str()),
        (3, "lr")
    );
    let seen = told(&removed, "INBOX").await;
    assert_eq!(
        seen.iter().map(|one| one.1.clone()).collect::<Vec<_>>(),
        [letter(3), letter(7), letter(1)]
    );
    assert!(seen.iter().all(|one| one.2.ends_with(" $Work")), "{seen:?}");
    // The session finds it again by the place it was told.
    let same = ada.visit(removed.visited().unwrap()).unwrap();
    assert_eq!(same.open("INBOX").await.unwrap().id, opened.id);
    let found = removed
        .search(opened.id, &Query::Text("letter 7".into()))
        .await
        .unwrap();
    assert_eq!(found.uids, uids(&[2]));
    // Quota and the account know nothing of it.
    assert_eq!(ada.quota().await.unwrap().0.messages, 37);
    nothing_is_changed_there(&ada, &removed, opened.id).await;
    let before = told(&ada, "INBOX").await;
    let copied = removed
        .copy_to(opened.id, &uids(&[2, 3]), (&ada, "INBOX"))
        .await
        .unwrap();
    assert_eq!(copied.pairs, [(uid(2), uid(41)), (uid(3), uid(42))]);
    let after = told(&ada, "INBOX").await;
    assert_eq!(after[..before.len()], before[..]);
    // The same messages: the same ids.
    let back: Vec<_> = after[before.len()..]
        .iter()
        .map(|one| (&one.1, &one.2))
        .collect();
    assert_eq!(back, [(&seen[1].1, &seen[1].2), (&seen[2].1, &seen[2].2)]);
    holds(&world, &["INBOX"]).await;
    generations(&world, &ada, &removed, &opened).await;
}

async fn nothing_is_changed_there(ada: &Account, removed: &Account, opened: MailboxId) {
    let one = uids(&[1]);
    let refused = [
        removed.expunge(opened, None).await.map(drop),
        removed
            .relocate_to(opened, &one, (ada, "INBOX"))
            .await
            .map(drop),
        ada.copy_to(
            ada.open("INBOX").await.unwrap().id,
            &one,
            (removed, "INBOX"),
        )
        .await
        .map(drop),
        removed.create("New", None).await.map(drop),
        removed.delete("INBOX").await.map(drop),
        removed.rename("INBOX", "New").await,
        ada.create("Removed Mail/New", None).await.map(drop),
    ];
    for (at, refused) in refused.into_iter().enumerate() {
        let why = refused.unwrap_err().why();
        assert!(
            matches!(why, Why::Policy | Why::TryCreate | Why::Cannot),
            "{at}: {why:?}"
        );
    }
}

/// Who had it open goes on; whoever opens it after more was removed sees another generation.
async fn generations(world: &World, ada: &Account, removed: &Account, opened: &Snapshot) {
    let one = uids(&[1]);
    removed
        .copy_to(opened.id, &one, (ada, "Archive"))
        .await
        .unwrap();
    assert_eq!(
        removed.open("INBOX").await.unwrap().uidvalidity,
        opened.uidvalidity
    );
    expunge(ada, "INBOX", &uids(&[2])).await;
    assert_eq!(removed.open("INBOX").await.unwrap().uids.len(), 3);
    let (again, name) = ada.place("Removed Mail/INBOX").await.unwrap();
    let reopened = again.open(&name).await.unwrap();
    assert!(reopened.uidvalidity > opened.uidvalidity && reopened.uids.len() == 4);
    assert_eq!(removed.open("INBOX").await.unwrap().id, reopened.id);
    assert_ne!(reopened.id, opened.id);
    // What was undone or is forgotten is not among it.
    undo(ada).await;
    ada.purge(Purge::One(ada.operations().await.unwrap()[2].number))
        .await
        .unwrap();
    let (again, name) = ada.place("Removed Mail/INBOX").await.unwrap();
    assert_eq!(again.open(&name).await.unwrap().uids.len(), 2);
    // It is its owner's alone, and of those the house lets see it.
    let eve = world.account("eve").await;
    assert!(eve.visit(removed.id()).is_err());
    assert!(
        eve.place("Removed Mail/INBOX")
            .await
            .unwrap()
            .0
            .open("INBOX")
            .await
            .is_err()
    );
    let closed = world
        .again_with(Rules {
            removed_mail: false,
            ..rules()
        })
        .await;
    let ada = closed.account("ada").await;
    assert!(ada.removed_mailboxes().await.unwrap().is_empty());
    assert!(ada.place("Removed Mail/INBOX").await.is_err());
    holds(world, &["INBOX", "Archive"]).await;
}
