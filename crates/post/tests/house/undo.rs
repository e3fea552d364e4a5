//! What was done is remembered, and comes back.

use mail::{ModSeq, Uid, UidSet};
use post::{
    Account, Client, FlagAction, FlagChange, Operation, OperationKind, OperationState, Query,
    Quota, Revert, Reverted, Why,
};

use crate::world::{
    PEER, World, address, append, audited, flags, recounted, rules, uid, uids, whole,
};

pub(crate) const ALL: Revert<'static> = Revert {
    into: None,
    over_quota: false,
    dry_run: false,
};

pub(crate) fn letter(number: u32) -> String {
    format!("Subject: letter {number}\r\n\r\nbody {number}\r\n")
}

pub(crate) async fn fill(account: &Account, mailbox: &str, count: u32) {
    for number in 1..=count {
        append(account, mailbox, &["$Work"], &letter(number)).await;
    }
}

pub(crate) async fn mark(
    account: &Account,
    mailbox: &str,
    which: &UidSet,
    action: FlagAction,
    name: &str,
) {
    let id = account.open(mailbox).await.unwrap().id;
    let change = FlagChange {
        action,
        flags: flags(&[name]),
        unchanged_since: None,
    };
    account.store(id, which, &change).await.unwrap();
}

pub(crate) async fn expunge(account: &Account, mailbox: &str, which: &UidSet) {
    mark(account, mailbox, which, FlagAction::Add, "\\Deleted").await;
    let id = account.open(mailbox).await.unwrap().id;
    account.expunge(id, None).await.unwrap();
}

/// Subject's number, flags and email id of each message, by UID.
pub(crate) async fn told(account: &Account, mailbox: &str) -> Vec<(u32, String, String)> {
    let opened = account.open(mailbox).await.unwrap();
    let changes = account
        .changes(opened.id, ModSeq(0), Uid::MIN)
        .await
        .unwrap();
    let mut told = Vec::new();
    for row in changes.changed {
        let text = whole(account, mailbox, row.uid.value()).await;
        told.push((
            row.uid.value(),
            text,
            format!("{:?} {}", row.email, row.flags),
        ));
    }
    told
}

pub(crate) async fn texts(account: &Account, mailbox: &str) -> Vec<String> {
    told(account, mailbox)
        .await
        .into_iter()
        .map(|(_, text, _)| text)
        .collect()
}

pub(crate) async fn newest(account: &Account) -> Operation {
    account.operations().await.unwrap().remove(0)
}

pub(crate) async fn undo(account: &Account) -> Reverted {
    let number = newest(account).await.number;
    account.revert(number, &ALL).await.unwrap()
}

pub(crate) fn why(outcome: Result<Reverted, post::Error>) -> Why {
    outcome.unwrap_err().why()
}

pub(crate) async fn world() -> (World, Account) {
    let world = World::with(&["ada", "eve"], rules()).await;
    let ada = world.account("ada").await;
    (world, ada)
}

/// What a house says of an account is what it says after a restart, and the audit finds nothing.
pub(crate) async fn holds(world: &World, mailboxes: &[&str]) {
    let ada = world.account("ada").await;
    let again = world.again().await;
    let there = again.account("ada").await;
    for mailbox in mailboxes {
        assert_eq!(told(&ada, mailbox).await, told(&there, mailbox).await);
    }
    assert_eq!(
        ada.operations().await.unwrap(),
        there.operations().await.unwrap()
    );
    for post in [&world.post, &again.post] {
        audited(post).await;
    }
    recounted(world).await;
}

#[tokio::test]
async fn what_was_expunged_comes_back_with_its_flags_and_ids() {
    let (world, mut ada) = world().await;
    ada.used_by(Client {
        protocol: "imap".into(),
        address: Some(PEER),
        name: "Mutt".into(),
    });
    fill(&ada, "INBOX", 5).await;
    let before = told(&ada, "INBOX").await;
    expunge(&ada, "INBOX", &uids(&[2, 4])).await;
    let (_, held) = (ada.quota().await.unwrap(), ada.quota().await.unwrap().0);
    assert_eq!(held.messages, 3);
    let operation = newest(&ada).await;
    assert_eq!(operation.kind, OperationKind::Expunge);
    assert_eq!(
        (operation.messages, operation.mailbox.as_str()),
        (2, "INBOX")
    );
    assert_eq!(operation.who, "ada@example.org");
    assert_eq!(operation.client.to_string(), "Mutt, imap, 192.0.2.1");
    assert_eq!(operation.octets, before[1].1.len() as u64 * 2);
    holds(&world, &["INBOX"]).await;

    let dry = Revert {
        dry_run: true,
        ..ALL
    };
    let would = ada.revert(operation.number, &dry).await.unwrap();
    assert_eq!((would.number, would.messages), (None, 2));
    assert_eq!(ada.operations().await.unwrap().len(), 1);
    let done = ada.revert(operation.number, &ALL).await.unwrap();
    assert_eq!(
        (done.messages, done.missing, done.mailbox.as_str()),
        (2, 0, "INBOX")
    );
    let after = told(&ada, "INBOX").await;
    let kept = |told: &[(u32, String, String)], at: &[usize]| {
        at.iter()
            .map(|at| (told[*at].1.clone(), told[*at].2.clone()))
            .collect::<Vec<_>>()
    };
    // UIDs are new, all else is as it was but for \Deleted.
    assert_eq!(
        kept(&after, &[0, 1, 2, 3, 4]),
        kept(&before, &[0, 2, 4, 1, 3])
    );
    assert_eq!(
        after.iter().map(|one| one.0).collect::<Vec<_>>(),
        [1, 3, 5, 6, 7]
    );
    assert_eq!(why(ada.revert(operation.number, &ALL).await), Why::Cannot);
    holds(&world, &["INBOX"]).await;
}

#[tokio::test]
async fn undoing_can_be_undone() {
    let (world, ada) = world().await;
    fill(&ada, "INBOX", 5).await;
    expunge(&ada, "INBOX", &uids(&[2, 4])).await;
    undo(&ada).await;
    let after = texts(&ada, "INBOX").await;
    assert_eq!(after.len(), 5);
    // Undoing that takes them away again, and undoing this brings them back.
    undo(&ada).await;
    assert_eq!(ada.open("INBOX").await.unwrap().uids, uids(&[1, 3, 5]));
    undo(&ada).await;
    assert_eq!(texts(&ada, "INBOX").await, after);
    let states: Vec<_> = ada.operations().await.unwrap();
    assert!(
        states
            .iter()
            .skip(1)
            .all(|one| matches!(one.state, OperationState::Undone(_)))
    );
    assert_eq!(states[0].undoes, Some(states[1].number));
    holds(&world, &["INBOX"]).await;
}

#[tokio::test]
async fn many_of_them_come_back_whole() {
    let (world, ada) = world().await;
    append(&ada, "INBOX", &[], &letter(1)).await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    while ada.open("INBOX").await.unwrap().uids.len() < 2500 {
        let all = ada.open("INBOX").await.unwrap().uids;
        ada.copy(inbox, &all, "INBOX").await.unwrap();
    }
    let all = ada.open("INBOX").await.unwrap().uids;
    let operations = ada.operations().await.unwrap();
    assert!(
        operations
            .iter()
            .all(|one| one.kind == OperationKind::Copy && one.messages >= 32)
    );
    expunge(&ada, "INBOX", &all).await;
    assert!(ada.open("INBOX").await.unwrap().uids.is_empty());
    let done = undo(&ada).await;
    assert_eq!(done.messages, all.len());
    assert_eq!(ada.open("INBOX").await.unwrap().uids.len(), all.len());
    holds(&world, &[]).await;
    // Then the copies: of the first operation those that are where it left them.
    let copies = operations[0].number;
    assert_eq!(why(ada.revert(copies, &ALL).await), Why::Cannot);
}

#[tokio::test]
async fn what_was_moved_goes_back_unless_it_went_on() {
    let (world, ada) = world().await;
    fill(&ada, "INBOX", 40).await;
    let before = texts(&ada, "INBOX").await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    let all = ada.open("INBOX").await.unwrap().uids;
    ada.relocate(inbox, &all, "Archive").await.unwrap();
    let moved = newest(&ada).await;
    assert_eq!((moved.kind, moved.messages), (OperationKind::Move, 40));
    assert_eq!(
        (moved.mailbox.as_str(), moved.target.as_str()),
        ("INBOX", "Archive")
    );
    assert_eq!(moved.octets, 0);
    expunge(&ada, "Archive", &uids(&[7])).await;
    let removed = newest(&ada).await;
    let done = ada.revert(moved.number, &ALL).await.unwrap();
    assert_eq!((done.messages, done.missing), (39, 1));
    assert_eq!(ada.open("Archive").await.unwrap().uids.len(), 0);
    let done = ada
        .revert(
            removed.number,
            &Revert {
                into: Some("INBOX"),
                ..ALL
            },
        )
        .await;
    assert_eq!(done.unwrap().messages, 1);
    let mut after = texts(&ada, "INBOX").await;
    after.sort();
    let mut sorted = before;
    sorted.sort();
    assert_eq!(after, sorted);
    holds(&world, &["INBOX", "Archive"]).await;
}

#[tokio::test]
async fn flags_of_many_are_as_they_were_and_later_changes_stay() {
    let (world, ada) = world().await;
    fill(&ada, "INBOX", 40).await;
    mark(&ada, "INBOX", &uids(&[3]), FlagAction::Add, "\\Seen").await;
    assert_eq!(ada.operations().await.unwrap().len(), 0);
    let all = ada.open("INBOX").await.unwrap().uids;
    mark(&ada, "INBOX", &all, FlagAction::Replace, "\\Seen").await;
    let operation = newest(&ada).await;
    assert_eq!(
        (operation.kind, operation.messages),
        (OperationKind::Flags, 40)
    );
    mark(&ada, "INBOX", &uids(&[4]), FlagAction::Add, "\\Flagged").await;
    expunge(&ada, "INBOX", &uids(&[5])).await;
    let done = ada.revert(operation.number, &ALL).await.unwrap();
    assert_eq!((done.messages, done.missing), (39, 1));
    let told = told(&ada, "INBOX").await;
    let flags: Vec<&str> = told[..4]
        .iter()
        .map(|one| one.2.split_once(' ').unwrap().1)
        .collect();
    assert_eq!(flags, ["$Work", "$Work", "\\Seen $Work", "\\Flagged $Work"]);
    holds(&world, &["INBOX"]).await;
    undo(&ada).await;
    holds(&world, &["INBOX"]).await;
}

#[tokio::test]
async fn a_deleted_mailbox_comes_back_as_it_was() {
    let (world, ada) = world().await;
    ada.create("Plans", None).await.unwrap();
    fill(&ada, "Plans", 40).await;
    expunge(&ada, "Plans", &uids(&[2, 40])).await;
    let first = newest(&ada).await;
    ada.set_rights(
        "Plans",
        "eve@example.org",
        post::RightsChange::Replace(mail::Rights::ALL),
    )
    .await
    .unwrap();
    let (opened, before) = (ada.open("Plans").await.unwrap(), told(&ada, "Plans").await);
    ada.delete("Plans").await.unwrap();
    let eve = world.account("eve").await;
    let operation = newest(&ada).await;
    assert_eq!(
        (operation.kind, operation.messages),
        (OperationKind::DeleteMailbox, 38)
    );
    assert_eq!(operation.mailbox, "Plans");
    // The mailbox of what was removed before is gone.
    assert_eq!(why(ada.revert(first.number, &ALL).await), Why::Cannot);

    // Its name was taken meanwhile.
    ada.create("Plans", None).await.unwrap();
    assert_eq!(
        why(ada.revert(operation.number, &ALL).await),
        Why::AlreadyExists
    );
    ada.rename("Plans", "New plans").await.unwrap();
    ada.revert(operation.number, &ALL).await.unwrap();
    let again = ada.open("Plans").await.unwrap();
    assert_eq!(
        (again.id, again.uidvalidity),
        (opened.id, opened.uidvalidity)
    );
    assert_eq!((&again.uids, again.uidnext), (&opened.uids, opened.uidnext));
    assert_eq!(told(&ada, "Plans").await, before);
    assert_eq!(eve.shared_mailboxes().await.unwrap().len(), 1);
    holds(&world, &["Plans"]).await;

    // Whoever knew it before is not told that anything of it went (RFC 7162).
    let changes = ada
        .changes(again.id, opened.modseq, opened.uidnext)
        .await
        .unwrap();
    let there: Vec<Uid> = changes
        .vanished
        .iter()
        .filter(|uid| again.uids.contains(*uid))
        .collect();
    assert_eq!(there, []);

    // So what was done in it before can be undone as well.
    assert_eq!(ada.revert(first.number, &ALL).await.unwrap().messages, 2);
    assert_eq!(ada.open("Plans").await.unwrap().uids.len(), 40);
    holds(&world, &["Plans"]).await;

    // With mailboxes below it, it stays as a level, and comes back all the same.
    ada.create("Plans/Old", None).await.unwrap();
    ada.delete("Plans").await.unwrap();
    assert!(ada.open("Plans").await.is_err());
    undo(&ada).await;
    assert_eq!(ada.open("Plans").await.unwrap().uids.len(), 40);
    undo(&ada).await;
    assert!(ada.open("Plans").await.is_err());
    holds(&world, &["Plans/Old"]).await;
}

/// No message in it says when it came back.
#[tokio::test]
async fn a_mailbox_that_came_back_empty_keeps_its_highest_modseq_over_a_restart() {
    let (world, ada) = world().await;
    ada.create("Plans", None).await.unwrap();
    let made = ada.status("Plans").await.unwrap().highest_modseq;
    ada.delete("Plans").await.unwrap();
    undo(&ada).await;
    let before = ada.status("Plans").await.unwrap().highest_modseq;
    assert!(before > made);
    let again = world.again().await;
    let there = again.account("ada").await;
    assert_eq!(there.status("Plans").await.unwrap().highest_modseq, before);
    holds(&world, &["Plans"]).await;
}

#[tokio::test]
async fn a_renamed_tree_gets_its_names_back() {
    let (world, ada) = world().await;
    ada.create("A/B/C", None).await.unwrap();
    ada.rename("A", "X/Y").await.unwrap();
    let operation = newest(&ada).await;
    assert_eq!(operation.kind, OperationKind::RenameMailbox);
    assert_eq!(
        (operation.mailbox.as_str(), operation.target.as_str()),
        ("A", "X/Y")
    );
    let elsewhere = Revert {
        into: Some("Z"),
        ..ALL
    };
    ada.create("A", None).await.unwrap();
    assert_eq!(
        why(ada.revert(operation.number, &ALL).await),
        Why::AlreadyExists
    );
    ada.revert(operation.number, &elsewhere).await.unwrap();
    ada.open("Z/B/C").await.unwrap();
    assert!(ada.open("X/Y/B/C").await.is_err());
    holds(&world, &["Z/B/C"]).await;
    // RENAME of INBOX moves its messages.
    fill(&ada, "INBOX", 2).await;
    ada.rename("INBOX", "Old").await.unwrap();
    assert_eq!(newest(&ada).await.kind, OperationKind::Move);
    undo(&ada).await;
    assert_eq!(ada.open("INBOX").await.unwrap().uids, uids(&[3, 4]));
    holds(&world, &["INBOX", "Old"]).await;
}

#[tokio::test]
async fn what_pop_and_replace_removed_comes_back() {
    let (world, ada) = world().await;
    fill(&ada, "INBOX", 3).await;
    let maildrop = ada.maildrop().await.unwrap();
    maildrop.update(&uids(&[1, 2, 3])).await.unwrap();
    assert_eq!(undo(&ada).await.messages, 3);
    let inbox = ada.open("INBOX").await.unwrap();
    let new = ada.append("INBOX", flags(&[]), None, None).await.unwrap();
    let mut new = new.replacing(inbox.id, uid(5)).await.unwrap();
    new.chunk("Subject: new\r\n\r\n".into()).await.unwrap();
    new.commit().await.unwrap();
    let replaced = newest(&ada).await;
    assert_eq!(
        (replaced.kind, replaced.messages),
        (OperationKind::Replace, 1)
    );
    undo(&ada).await;
    assert_eq!(ada.open("INBOX").await.unwrap().uids.len(), 4);
    holds(&world, &["INBOX"]).await;
}

#[tokio::test]
async fn what_went_to_another_account_is_in_both_then() {
    let (world, ada) = world().await;
    let eve = world.account("eve").await;
    eve.set_rights(
        "INBOX",
        "ada@example.org",
        post::RightsChange::Replace(mail::Rights::ALL),
    )
    .await
    .unwrap();
    fill(&ada, "INBOX", 2).await;
    let inbox = ada.open("INBOX").await.unwrap();
    let (there, name) = ada
        .place("Other Users/eve@example.org/INBOX")
        .await
        .unwrap();
    ada.relocate_to(inbox.id, &inbox.uids, (&there, &name))
        .await
        .unwrap();
    let away = newest(&ada).await;
    assert_eq!((away.kind, away.messages), (OperationKind::MoveAway, 2));
    undo(&ada).await;
    assert_eq!(texts(&ada, "INBOX").await, texts(&eve, "INBOX").await);
    // What a visitor removes is its owner's to bring back, and told as the visitor's doing.
    let opened = there.open("INBOX").await.unwrap();
    let change = FlagChange {
        action: FlagAction::Add,
        flags: flags(&["\\Deleted"]),
        unchanged_since: None,
    };
    there.store(opened.id, &uids(&[1]), &change).await.unwrap();
    there.expunge(opened.id, None).await.unwrap();
    assert_eq!(newest(&eve).await.who, "ada@example.org");
    undo(&eve).await;
    assert_eq!(eve.open("INBOX").await.unwrap().uids, uids(&[2, 3]));
    holds(&world, &["INBOX"]).await;
}

#[tokio::test]
async fn a_full_account_takes_nothing_back_until_it_may() {
    let (world, ada) = world().await;
    fill(&ada, "INBOX", 3).await;
    expunge(&ada, "INBOX", &uids(&[1, 2, 3])).await;
    let quota = Quota {
        octets_max: None,
        messages_max: Some(2),
    };
    world
        .post
        .set_quota(ada.address(), Some(quota))
        .await
        .unwrap();
    let number = newest(&ada).await.number;
    assert_eq!(why(ada.revert(number, &ALL).await), Why::OverQuota);
    assert_eq!(newest(&ada).await.state, OperationState::Done);
    let over = Revert {
        over_quota: true,
        ..ALL
    };
    assert_eq!(ada.revert(number, &over).await.unwrap().messages, 3);
    holds(&world, &["INBOX"]).await;
}

#[tokio::test]
async fn what_came_back_is_found_by_a_search() {
    let (world, ada) = world().await;
    fill(&ada, "INBOX", 200).await;
    let gone: Vec<u32> = (1..=150).collect();
    expunge(&ada, "INBOX", &uids(&gone)).await;
    // Messages that are gone leave the index, as far as segments are merged or made anew.
    ada.index(1).await.unwrap();
    fill(&ada, "INBOX", 70).await;
    ada.index(1).await.unwrap();
    undo_first_expunge(&ada).await;
    for round in 0..2 {
        let inbox = ada.open("INBOX").await.unwrap();
        let query = Query::Text("letter 137".into());
        let found = ada.search(inbox.id, &query).await.unwrap();
        assert_eq!(found.uids.len(), 1, "round {round}");
        ada.index(1).await.unwrap();
    }
    holds(&world, &[]).await;
}

async fn undo_first_expunge(ada: &Account) {
    let operations = ada.operations().await.unwrap();
    let expunge = operations
        .iter()
        .find(|one| one.kind == OperationKind::Expunge);
    ada.revert(expunge.unwrap().number, &ALL).await.unwrap();
}

#[tokio::test]
async fn a_removed_account_comes_back_with_all_it_had() {
    let (world, ada) = world().await;
    fill(&ada, "INBOX", 3).await;
    let eve = world.account("eve").await;
    ada.set_rights(
        "INBOX",
        "eve@example.org",
        post::RightsChange::Replace(mail::Rights::ALL),
    )
    .await
    .unwrap();
    let before = (ada.open("INBOX").await.unwrap(), told(&ada, "INBOX").await);
    let name = ada.address().clone();
    world.post.remove_account(&name).await.unwrap();
    assert!(ada.open("INBOX").await.is_err() && !ada.is_welcome());
    assert!(eve.shared_mailboxes().await.unwrap().is_empty());
    assert!(world.deliver(&["ada"], "Subject: x\r\n\r\n").await.is_err());
    audited(&world.post).await;
    // Somebody else may have the address meanwhile.
    world.post.add_account(&name, "other").await.unwrap();
    let again = world.again().await;
    let removed = again.post.removed_accounts(Some(&name)).await.unwrap();
    assert_eq!((removed.len(), removed[0].usage.messages), (1, 3));
    let id = removed[0].id;
    let taken = again.post.restore_account(id, None).await;
    assert_eq!(taken.unwrap_err().why(), Why::AlreadyExists);
    let other = address("ada.old");
    again.post.restore_account(id, Some(&other)).await.unwrap();
    let ada = again
        .post
        .login_password(PEER, "ada.old@example.org", None, "ada");
    let ada = ada.await.unwrap();
    let after = ada.open("INBOX").await.unwrap();
    assert_eq!(
        (&after.uids, after.uidvalidity),
        (&before.0.uids, before.0.uidvalidity)
    );
    assert_eq!(told(&ada, "INBOX").await, before.1);
    let eve = again.account("eve").await;
    assert_eq!(eve.shared_mailboxes().await.unwrap().len(), 1);
    assert!(again.post.removed_accounts(None).await.unwrap().is_empty());
    audited(&again.post).await;
}
