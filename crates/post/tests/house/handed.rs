//! Letters that are handed in at this machine: in whose name, once, and what comes back.

use bytes::Bytes;
use mail::{Enhanced, Notify, Recipient, Refusal};
use post::{Elsewhere, HandedId, HandedIn, Incoming, LocalUser, Origin, Outcome, Protocol, Rules};
use store::CommitError;

use crate::filter::runs;
use crate::world::{World, address, origin, recipient, rules, sender, told, uids, whole};

const ID: HandedId = HandedId([7; 16]);
const OTHER: HandedId = HandedId([8; 16]);
const LETTER: &str = "From: ada@example.org\r\nTo: eve@example.org\r\nBcc: bob@example.org\r\n\
    Subject: Tea\r\n\r\nAt five?\r\n";

/// A user of the machine whose name is that of an address here.
fn user(name: &str, is_trusted: bool) -> Origin {
    Origin {
        protocol: Protocol::Esmtp,
        user: Some(LocalUser {
            name: name.to_owned(),
            address: address(name),
            is_trusted,
        }),
        ..origin(None)
    }
}

fn handed(id: HandedId, left: &[u32], failed: &[&str]) -> HandedIn {
    let why = Refusal::new(550, Enhanced::new(5, 1, 1), "There is no such user here");
    HandedIn {
        id,
        left: left.to_vec(),
        failed: failed
            .iter()
            .map(|name| (recipient(name), why.clone()))
            .collect(),
        returned: Bytes::from_static(LETTER.as_bytes()),
        is_whole: true,
    }
}

async fn begun(
    world: &World,
    origin: Origin,
    from: &str,
    to: &[&str],
    text: &str,
) -> Outcome<Incoming> {
    let mut incoming = world.post.begin(origin, sender(from))?;
    for name in to {
        incoming.recipient(recipient(name)).await?;
    }
    incoming
        .chunk(Bytes::copy_from_slice(text.as_bytes()))
        .await?;
    Ok(incoming)
}

#[tokio::test]
async fn who_hands_in_writes_in_their_own_name() {
    let world = World::with(&["ada", "eve"], rules()).await;
    // It needs no account; where there is one, what leads to it is its own as well.
    let account = Origin {
        account: Some(world.account("ada").await),
        ..user("ada", false)
    };
    for (origin, from, header, answer) in [
        (user("root", false), "<root@example.org>", "", Ok(())),
        (
            user("root", false),
            "<>",
            "From: root@example.org\r\n",
            Ok(()),
        ),
        (
            user("root", true),
            "<x@y.example>",
            "From: x@y.example\r\n",
            Ok(()),
        ),
        (user("root", true), "<>", "From: bob\r\n", Ok(())),
        (
            account.clone(),
            "<ada+x@example.org>",
            "From: ada+x@example.org\r\n",
            Ok(()),
        ),
        (
            user("root", false),
            "<eve@example.org>",
            "",
            Err("550 5.7.1 The sender's address is not yours"),
        ),
        (
            user("root", false),
            "<root@example.org>",
            "From: eve@example.org\r\n",
            Err("550 5.7.1 The From address is not yours"),
        ),
        (
            account,
            "<ada@example.org>",
            "From: root@example.org\r\n",
            Err("550 5.7.1 The From address is not yours"),
        ),
    ] {
        let text = format!("{header}To: eve@example.org\r\n\r\nhi\r\n");
        let done = match begun(&world, origin, from, &["eve"], &text).await {
            Ok(incoming) => incoming.commit_handed(handed(ID, &[], &[])).await.map(drop),
            Err(error) => Err(error),
        };
        match answer {
            Ok(()) => done.unwrap(),
            Err(refusal) => assert_eq!(told(done), refusal, "{from} {header}"),
        }
    }
    let eve = world.account("eve").await;
    let first = whole(&eve, "INBOX", 1).await;
    let front = "Return-Path: <root@example.org>\r\n\
        Received: by mx.example.org (Caramel, from user root)\r\n\tid ";
    assert!(first.starts_with(front), "{first}");
    assert!(first.contains("\r\nFrom: root@example.org\r\n"), "{first}");
    assert!(first.contains("\r\nMessage-ID: <"), "{first}");
}

#[tokio::test]
async fn a_letter_is_remembered_in_the_step_that_accepts_it() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let commits = world.store.done().len();
    world.store.fail(0, CommitError::Full);
    let incoming = begun(
        &world,
        user("ada", true),
        "<ada@example.org>",
        &["eve"],
        LETTER,
    )
    .await;
    let done = incoming.unwrap().commit_handed(handed(ID, &[], &[])).await;
    assert!(told(done).starts_with("452 4.3.1"));
    assert_eq!(world.post.handed(ID).await.unwrap(), None);
    world
        .made
        .seconds
        .fetch_add(60, std::sync::atomic::Ordering::Relaxed);

    let incoming = begun(
        &world,
        user("ada", true),
        "<ada@example.org>",
        &["eve"],
        LETTER,
    )
    .await;
    let done = incoming.unwrap().commit_handed(handed(ID, &[4], &[])).await;
    done.unwrap();
    assert_eq!(world.store.done().len(), commits + 1);
    // As it is after a crash, too.
    let world = world.again().await;
    assert_eq!(world.post.handed(ID).await.unwrap(), Some(vec![4]));
    let eve = world.account("eve").await;
    assert_eq!(eve.open("INBOX").await.unwrap().uids, uids(&[1]));
    assert!(!whole(&eve, "INBOX", 1).await.contains("Bcc"));

    let incoming = begun(
        &world,
        user("ada", true),
        "<ada@example.org>",
        &["ada"],
        LETTER,
    )
    .await;
    let done = incoming
        .unwrap()
        .commit_handed(handed(OTHER, &[], &[]))
        .await;
    done.unwrap();
    assert_eq!(world.post.all_handed(None).await.unwrap(), [ID, OTHER]);
    assert_eq!(world.post.all_handed(Some(ID)).await.unwrap(), [OTHER]);
    world.post.forget_handed(&[ID]).await.unwrap();
    assert_eq!(world.post.handed(ID).await.unwrap(), None);
    assert_eq!(world.post.all_handed(None).await.unwrap(), [OTHER]);
    let commits = world.store.done().len();
    world.post.forget_handed(&[]).await.unwrap();
    assert_eq!(world.store.done().len(), commits);
}

#[tokio::test]
async fn what_fails_comes_back_in_the_same_step() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let ada = world.account("ada").await;
    let commits = world.store.done().len();
    let incoming = begun(
        &world,
        user("ada", true),
        "<ada@example.org>",
        &["eve"],
        LETTER,
    )
    .await;
    let done = incoming
        .unwrap()
        .commit_handed(handed(ID, &[], &["nobody"]))
        .await;
    done.unwrap();
    assert_eq!(world.store.done().len(), commits + 1);
    let report = whole(&ada, "INBOX", 1).await;
    let words = "Final-Recipient: rfc822;nobody@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n";
    assert!(
        report.contains(words) && report.contains("\r\n\r\nAt five?\r\n"),
        "{report}"
    );

    // Of nobody's letter, and where nobody wants to hear, there is no report; it is done with.
    let silent = |mut one: HandedIn| {
        let quiet = |recipient: &mut Recipient| recipient.notify = Some(Notify::Never);
        one.failed
            .iter_mut()
            .for_each(|(recipient, _)| quiet(recipient));
        one
    };
    let all = handed(OTHER, &[], &["nobody"]);
    for (from, handed) in [
        ("<>", all.clone()),
        ("<ada@example.org>", silent(all.clone())),
    ] {
        let incoming = world.post.begin(user("ada", true), sender(from)).unwrap();
        incoming.commit_handed(handed).await.unwrap();
        assert_eq!(world.post.handed(OTHER).await.unwrap(), Some(Vec::new()));
        assert_eq!(ada.open("INBOX").await.unwrap().uids, uids(&[1]));
    }
    // A sender that leads nowhere: who looks after this host hears of it.
    let incoming = world
        .post
        .begin(user("root", true), sender("<gone@example.org>"));
    incoming.unwrap().commit_handed(all).await.unwrap();
    assert_eq!(ada.open("INBOX").await.unwrap().uids, uids(&[1, 2]));
    let nobody = world
        .post
        .begin(user("ada", true), sender("<ada@example.org>"));
    let done = nobody.unwrap().commit_handed(handed(ID, &[], &[])).await;
    assert!(told(done).starts_with("554 5.5.1"));
}

fn elsewhere(elsewhere: Elsewhere) -> Rules {
    Rules {
        elsewhere,
        ..rules()
    }
}

#[tokio::test]
async fn mail_for_elsewhere_leaves_where_mail_leaves() {
    for (mode, answer) in [
        (Elsewhere::Relay, None),
        (Elsewhere::Capture, Some("550 5.7.1")),
        (Elsewhere::Refuse, Some("550 5.7.1")),
    ] {
        let world = World::with(&["ada"], elsewhere(mode)).await;
        let incoming = world
            .post
            .begin(user("root", false), sender("<root@example.org>"));
        let mut incoming = incoming.unwrap();
        let taken = incoming.recipient(recipient("x@a.example")).await;
        match answer {
            None => taken.unwrap(),
            Some(code) => {
                assert!(told(taken).starts_with(code), "{mode:?}");
                continue;
            }
        }
        incoming
            .chunk(Bytes::from_static(b"Subject: x\r\n\r\n"))
            .await
            .unwrap();
        incoming.commit_handed(handed(ID, &[], &[])).await.unwrap();
        assert_eq!(world.post.queue(None, 10).await.unwrap().letters.len(), 1);
    }
}

#[tokio::test]
async fn who_has_handed_in_hears_of_a_refusal_by_a_report() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let ada = world.account("ada").await;
    for (number, how) in [(1, "ereject"), (2, "reject")] {
        runs(&ada, &format!("require \"{how}\"; {how} \"Not here\";")).await;
        // As the pickup says it, though nobody waits for an answer.
        let origin = Origin {
            protocol: Protocol::Lmtp,
            ..user("eve", false)
        };
        let text = "To: ada@example.org\r\n\r\nhi\r\n";
        let incoming = begun(&world, origin, "<eve@example.org>", &["ada"], text).await;
        let done = incoming.unwrap().commit_handed(handed(ID, &[], &[])).await;
        assert_eq!(done.unwrap().refused, []);
        assert!(ada.open("INBOX").await.unwrap().uids.is_empty());
        let report = whole(&world.account("eve").await, "INBOX", number).await;
        assert!(report.contains("Not here"), "{report}");
    }
}
