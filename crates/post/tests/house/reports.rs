//! What is told to senders who asked to be told.

use bytes::Bytes;
use mail::{Notify, Ret};
use message::Outline;
use post::{Elsewhere, Outcome, Rules, Sender};
use store::CommitError;

use crate::world::{World, address, origin, recipient, rules, sender, told, uids, whole};

const SUCCESS: Notify = Notify::On {
    success: true,
    failure: false,
    delay: false,
};
const FAILURE: Notify = Notify::On {
    success: false,
    failure: true,
    delay: true,
};
const LETTER: &str = "From: ada@example.org\r\nTo: eve@example.org\r\nBcc: bob@example.org\r\n\
    Subject: Tea\r\n\r\nAt five?\r\n";

/// Ada sends a letter, asking each recipient's fate like that.
async fn send(
    world: &World,
    sender: Sender,
    to: &[(&str, Option<Notify>)],
    text: &str,
) -> Outcome<()> {
    let ada = world.account("ada").await;
    let mut incoming = world.post.begin(origin(Some(ada)), sender)?;
    for (name, notify) in to {
        let mut recipient = recipient(name);
        recipient.notify = *notify;
        recipient.orcpt = notify.map(|_| format!("rfc822;the {name}"));
        incoming.recipient(recipient).await?;
    }
    for piece in text.as_bytes().chunks(1000) {
        incoming.chunk(Bytes::copy_from_slice(piece)).await?;
    }
    incoming.commit().await.map(|_| ())
}

fn from_ada() -> Sender {
    Sender {
        ret: Some(Ret::Full),
        envid: Some("QQ 314".into()),
        ..sender("<ada@example.org>")
    }
}

#[tokio::test]
async fn success_is_reported_in_the_step_that_delivers() {
    let world = World::with(&["ada", "eve", "bob"], rules()).await;
    let to = [
        ("eve", Some(SUCCESS)),
        ("bob", Some(FAILURE)),
        ("Bob+x", Some(SUCCESS)),
        ("ada", Some(Notify::Never)),
    ];
    let commits = world.store.done().len();
    send(&world, from_ada(), &to, LETTER).await.unwrap();
    assert_eq!(world.store.done().len(), commits + 1);

    let ada = world.account("ada").await;
    assert_eq!(ada.open("INBOX").await.unwrap().uids, uids(&[1, 2]));
    let report = whole(&ada, "INBOX", 2).await;
    assert!(report.starts_with("Return-Path: <>\r\n"), "{report}");
    assert!(
        report.contains("\r\nAuto-Submitted: auto-replied\r\n"),
        "{report}"
    );
    let outline = Outline::parse(report.as_bytes());
    assert!(outline.root.is("multipart", "report"));
    let type_ = outline.root.parameter("report-type");
    assert_eq!(type_.as_deref(), Some("delivery-status"));
    let part = |number: u32| {
        let part = outline.part(&[number]).unwrap();
        String::from_utf8(part.body.of(report.as_bytes()).to_vec()).unwrap()
    };
    assert!(part(1).contains("<eve@example.org>") && part(1).contains("<Bob+x@example.org>"));
    assert!(outline.part(&[2]).unwrap().is("message", "delivery-status"));
    assert_eq!(
        part(2),
        "Original-Envelope-Id: QQ 314\r\nReporting-MTA: dns; mx.example.org\r\n\
         Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\r\n\
         Original-Recipient: rfc822;the eve\r\nFinal-Recipient: rfc822;eve@example.org\r\n\
         Action: delivered\r\nStatus: 2.0.0\r\n\r\n\
         Original-Recipient: rfc822;the Bob+x\r\nFinal-Recipient: rfc822;Bob+x@example.org\r\n\
         Action: delivered\r\nStatus: 2.0.0\r\n"
    );
    // The header only, for nothing failed: as it was delivered, without the blind copy.
    assert!(outline.part(&[3]).unwrap().is("text", "rfc822-headers"));
    let header = part(3);
    assert!(
        header.starts_with("Return-Path: <ada@example.org>\r\nReceived: "),
        "{header}"
    );
    assert!(header.contains("Subject: Tea\r\n"), "{header}");
    assert!(
        !header.contains("five") && !header.contains("Bcc"),
        "{header}"
    );
}

#[tokio::test]
async fn nobody_is_told_who_did_not_ask() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let quiet = [None, Some(FAILURE), Some(Notify::Never)];
    for notify in quiet {
        send(&world, from_ada(), &[("eve", notify)], LETTER)
            .await
            .unwrap();
    }
    // A report about a report would never end.
    send(&world, sender("<>"), &[("eve", Some(SUCCESS))], LETTER)
        .await
        .unwrap();
    let ada = world.account("ada").await;
    assert!(ada.open("INBOX").await.unwrap().uids.is_empty());
    let eve = world.account("eve").await;
    assert_eq!(eve.open("INBOX").await.unwrap().uids, uids(&[1, 2, 3, 4]));
}

#[tokio::test]
async fn nothing_is_reported_that_did_not_happen() {
    let world = World::with(&["ada", "eve"], rules()).await;
    world.account("ada").await;
    world.store.fail(0, CommitError::Failed("no".into()));
    let refused = send(&world, from_ada(), &[("eve", Some(SUCCESS))], LETTER).await;
    assert_eq!(
        told(refused),
        "451 4.3.0 Not stored; please try again later"
    );
    let ada = world.account("ada").await;
    assert!(ada.open("INBOX").await.unwrap().uids.is_empty());
}

#[tokio::test]
async fn a_large_letter_is_reported_with_its_header() {
    let small = Rules {
        body_memory_octets_max: 5000,
        ..rules()
    };
    let world = World::with(&["ada", "eve"], small).await;
    let large = format!("{LETTER}{}", "x\r\n".repeat(10_000));
    send(&world, from_ada(), &[("eve", Some(SUCCESS))], &large)
        .await
        .unwrap();
    let report = whole(&world.account("ada").await, "INBOX", 1).await;
    assert!(
        report.contains("Subject: Tea\r\n") && report.len() < 5000,
        "{report}"
    );
}

#[tokio::test]
async fn letters_beyond_ascii_are_reported_in_utf_8() {
    let world = World::with(&["ada", "ève"], rules()).await;
    let letter = "From: ada@example.org\r\nSubject: Thé\r\n\r\nhi\r\n";
    let sender = Sender {
        smtputf8: true,
        ..from_ada()
    };
    send(&world, sender, &[("ève", Some(SUCCESS))], letter)
        .await
        .unwrap();
    let report = whole(&world.account("ada").await, "INBOX", 1).await;
    let outline = Outline::parse(report.as_bytes());
    let second = outline.part(&[2]).unwrap();
    assert!(second.is("message", "global-delivery-status"));
    assert!(outline.part(&[3]).unwrap().is("message", "global-headers"));
    assert!(
        report.contains("Final-Recipient: utf-8;ève@example.org\r\n"),
        "{report}"
    );
}

#[tokio::test]
async fn what_was_asked_for_captured_mail_is_kept_with_it() {
    let capture = Rules {
        elsewhere: Elsewhere::Capture,
        body_memory_octets_max: 5000,
        ..rules()
    };
    let world = World::with(&["ada", "eve"], capture).await;
    let to = [
        ("eve", Some(SUCCESS)),
        ("b@elsewhere.example", Some(SUCCESS)),
    ];
    for text in [
        LETTER.to_owned(),
        format!("{LETTER}{}", "x\r\n".repeat(10_000)),
    ] {
        send(&world, from_ada(), &to, &text).await.unwrap();
    }
    let ada = world.account("ada").await;
    for number in [1, 2] {
        let captured = whole(&ada, "Captured", number).await;
        assert!(
            captured.starts_with(
                "X-Caramel-Captured-From: <ada@example.org> RET=FULL ENVID=QQ+20314\r\n\
                 X-Caramel-Captured-For: <b@elsewhere.example> NOTIFY=SUCCESS\r\n \
                 ORCPT=rfc822;the+20b@elsewhere.example\r\nReturn-Path: "
            ),
            "{captured}"
        );
        // What has not gone out has not arrived.
        let report = whole(&ada, "INBOX", number).await;
        assert!(report.contains("rfc822;eve@example.org"), "{report}");
        assert!(!report.contains("elsewhere"), "{report}");
    }
}

#[tokio::test]
async fn a_report_goes_where_mail_to_its_reader_goes() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let alias = post::Alias {
        source: post::AliasSource::Address(address("team")),
        targets: vec![address("ada"), address("eve")],
    };
    world.post.add_alias(alias).await.unwrap();
    let to = [("ada", Some(SUCCESS))];
    send(&world, sender("<team@example.org>"), &to, LETTER)
        .await
        .unwrap();
    let (ada, eve) = (world.account("ada").await, world.account("eve").await);
    assert_eq!(ada.open("INBOX").await.unwrap().uids, uids(&[1, 2]));
    assert_eq!(eve.open("INBOX").await.unwrap().uids, uids(&[1]));
}
