//! A message put in the place of another (RFC 8508).

use std::sync::atomic::Ordering;

use mail::{FlagSet, MailboxId};
use post::{Account, Append, FetchPlan, Rules, Why};
use store::CommitError;

use crate::world::{World, append, flags, rules, uid, uids, whole};

const FIRST: &str = "Subject: draft\r\n\r\nHello\r\n";
const SECOND: &str = "Subject: draft\r\n\r\nHello, Bob\r\n";

async fn ada(world: &World) -> (Account, MailboxId) {
    let ada = world.account("ada").await;
    let drafts = ada.open("Drafts").await.unwrap().id;
    (ada, drafts)
}

/// A second version on its way, in the place of a message.
async fn second(ada: &Account, to: &str, replaced: (MailboxId, u32)) -> Append {
    let begun = ada.append(to, flags(&["\\Draft"]), None, None).await;
    let replacing = begun.unwrap().replacing(replaced.0, uid(replaced.1)).await;
    let mut second = replacing.unwrap();
    second.chunk(SECOND.into()).await.unwrap();
    second
}

#[tokio::test]
async fn one_comes_and_the_other_goes_in_one_step() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, drafts) = ada(&world).await;
    append(&ada, "Drafts", &["\\Flagged", "$Work"], FIRST).await;
    let before = ada.open("Drafts").await.unwrap();
    let commits = world.store.done().len();
    let second = second(&ada, "Drafts", (drafts, 1)).await;
    assert_eq!(ada.open("Drafts").await.unwrap().uids, uids(&[1]));
    let appended = second.commit().await.unwrap();
    assert_eq!((appended.mailbox, appended.uids), (drafts, uids(&[2])));
    assert_eq!(world.store.done().len(), commits + 1);
    let changes = ada.changes(drafts, before.modseq, before.uidnext).await;
    let changes = changes.unwrap();
    assert_eq!((changes.added, changes.vanished), (uids(&[2]), uids(&[1])));
    assert_eq!(whole(&ada, "Drafts", 2).await, SECOND);
    // Nothing of the old one is on the new one.
    let plan = FetchPlan::default();
    let page = ada.fetch(drafts, &uids(&[2]), None, &plan).await.unwrap();
    assert_eq!(page.rows[0].flags, flags(&["\\Draft"]));

    let again = world.again().await;
    let ada = again.account("ada").await;
    assert_eq!(ada.open("Drafts").await.unwrap().uids, uids(&[2]));
    assert_eq!(whole(&ada, "Drafts", 2).await, SECOND);
}

#[tokio::test]
async fn the_new_one_may_go_elsewhere_and_has_an_identity_of_its_own() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, drafts) = ada(&world).await;
    append(&ada, "Drafts", &[], SECOND).await;
    ada.copy(drafts, &uids(&[1]), "INBOX").await.unwrap();
    let second = second(&ada, "INBOX", (drafts, 1)).await;
    assert_eq!(second.commit().await.unwrap().uids, uids(&[2]));
    assert!(ada.open("Drafts").await.unwrap().uids.is_empty());
    let inbox = ada.open("INBOX").await.unwrap();
    let plan = FetchPlan::default();
    let page = ada.fetch(inbox.id, &inbox.uids, None, &plan).await.unwrap();
    assert_eq!(page.rows.len(), 2);
    assert_ne!(page.rows[0].email, page.rows[1].email);
    // The copy of what was replaced is still whole.
    assert_eq!(whole(&ada, "INBOX", 1).await, SECOND);
}

#[tokio::test]
async fn what_is_gone_cannot_be_replaced() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, drafts) = ada(&world).await;
    append(&ada, "Drafts", &["\\Deleted"], FIRST).await;
    let late = second(&ada, "INBOX", (drafts, 1)).await;
    ada.expunge(drafts, None).await.unwrap();
    assert_eq!(late.commit().await.unwrap_err().why(), Why::Expunged);
    for (mailbox, number) in [(drafts, 1), (drafts, 7), (MailboxId(99), 1)] {
        let append = ada.append("INBOX", FlagSet::new(), None, None).await;
        let refused = append.unwrap().replacing(mailbox, uid(number)).await;
        assert_eq!(refused.unwrap_err().why(), Why::Expunged);
    }
    assert!(ada.open("INBOX").await.unwrap().uids.is_empty());
}

#[tokio::test]
async fn what_cannot_be_stored_replaces_nothing() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, drafts) = ada(&world).await;
    append(&ada, "Drafts", &[], FIRST).await;
    let failing = second(&ada, "Drafts", (drafts, 1)).await;
    world.store.fail(0, CommitError::Full);
    assert_eq!(failing.commit().await.unwrap_err().why(), Why::Unavailable);
    assert_eq!(ada.open("Drafts").await.unwrap().uids, uids(&[1]));

    // The disk is believed to be full for a second.
    world.made.seconds.store(2, Ordering::Relaxed);
    let homeless = second(&ada, "Drafts", (drafts, 1)).await;
    ada.rename("Drafts", "Old").await.unwrap();
    assert_eq!(homeless.commit().await.unwrap_err().why(), Why::TryCreate);
    assert_eq!(whole(&ada, "Old", 1).await, FIRST);
    // One that is forgotten replaces nothing either.
    drop(second(&ada, "INBOX", (drafts, 1)).await);
    assert_eq!(ada.open("Old").await.unwrap().uids, uids(&[1]));
}

#[tokio::test]
async fn a_full_mailbox_has_room_for_what_replaces() {
    let full = Rules {
        mailbox_messages_max: 1,
        ..rules()
    };
    let world = World::with(&["ada"], full).await;
    let (ada, drafts) = ada(&world).await;
    append(&ada, "Drafts", &[], FIRST).await;
    let one_more = ada.append("Drafts", FlagSet::new(), None, None).await;
    let mut one_more = one_more.unwrap();
    one_more.chunk(SECOND.into()).await.unwrap();
    assert_eq!(one_more.commit().await.unwrap_err().why(), Why::Limit);
    let second = second(&ada, "Drafts", (drafts, 1)).await;
    assert_eq!(second.commit().await.unwrap().uids, uids(&[2]));
}
