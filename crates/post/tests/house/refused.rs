//! What becomes of a message that scripts refuse.

use mail::{Notify, Recipient};
use message::Outline;
use message::disposition::{Kind, Mode};
use post::{Elsewhere, Origin, Outcome, Protocol, Receipt, Rules, Sender};

use crate::filter::{held, runs};
use crate::queue::{claim_one, queue, relaying};
use crate::world::{World, audited, origin, recipient, rules, sender, told, whole};

const LETTER: &str = "From: bob@elsewhere.example\r\nTo: ada@example.org\r\nSubject: Seed\r\n\
    Message-ID: <1@x>\r\n\r\nBirdseed?\r\n";

/// What a script says that refuses with this reason.
fn refuses(how: &str, reason: &str) -> String {
    format!("require \"{how}\"; {how} \"{reason}\";")
}

async fn town(rules: Rules, scripts: &[(&str, &str)]) -> World {
    let world = World::with(&["ada", "eve", "joe"], rules).await;
    for (who, script) in scripts {
        runs(&world.account(who).await, script).await;
    }
    world
}

async fn send(
    world: &World,
    protocol: Protocol,
    from: &Sender,
    to: &[Recipient],
) -> Outcome<Receipt> {
    let origin = Origin {
        protocol,
        ..origin(None)
    };
    let mut incoming = world.post.begin(origin, from.clone())?;
    for recipient in to {
        incoming.recipient(recipient.clone()).await?;
    }
    incoming.chunk(LETTER.into()).await?;
    incoming.commit().await
}

async fn inboxes(world: &World) -> String {
    let mut all = Vec::new();
    for who in ["ada", "eve", "joe"] {
        let account = world.account(who).await;
        all.extend(
            held(&account)
                .await
                .iter()
                .map(|(name, count)| format!("{who} {name} {count}")),
        );
    }
    all.join(", ")
}

fn to(names: &[&str]) -> Vec<Recipient> {
    names.iter().map(|name| recipient(name)).collect()
}

// tidy: table
#[tokio::test]
async fn where_all_refuse_the_peer_hears_it() {
    let no = refuses("ereject", "No\r\nbirdseed");
    let not = refuses("reject", "No");
    let umlaut = refuses("ereject", "Nö");
    for (ada, eve, names, expected) in [
        (&no, &no, &["ada"][..], "550 5.7.1 No\nbirdseed"),
        (&not, &no, &["ada"], "550 5.7.1 No"),
        (&not, &no, &["ada", "ada+x", "eve"], "550 5.7.1 No"),
        (
            &umlaut,
            &no,
            &["ada"],
            "550 5.7.1 The recipient's mail filter refused it",
        ),
    ] {
        let world = town(rules(), &[("ada", ada), ("eve", eve)]).await;
        let before = world.store.done().len();
        let refused = send(
            &world,
            Protocol::Esmtp,
            &sender("<b@x.example>"),
            &to(names),
        )
        .await;
        assert_eq!(told(refused), expected);
        let from_nobody = send(&world, Protocol::Smtp, &sender("<>"), &to(names)).await;
        assert_eq!(told(from_nobody), expected);
        assert_eq!(world.store.done().len(), before);
        assert_eq!(inboxes(&world).await, "");
    }
}

#[tokio::test]
async fn under_lmtp_each_has_an_answer() {
    let (no, umlaut) = (refuses("ereject", "No"), refuses("reject", "Nö"));
    let world = town(relaying(), &[("ada", &no), ("eve", &umlaut)]).await;
    let from = sender("<bob@elsewhere.example>");
    let receipt = send(
        &world,
        Protocol::Lmtp,
        &from,
        &to(&["joe", "ada", "eve", "ada+x"]),
    )
    .await;
    let receipt = receipt.unwrap();
    let refused = receipt.refused.iter();
    let refused: Vec<String> = refused
        .map(|(number, no)| format!("{number}: {no}"))
        .collect();
    assert_eq!(receipt.recipients, 4);
    assert_eq!(refused, ["1: 550 5.7.1 No", "3: 550 5.7.1 No"]);
    assert_eq!(inboxes(&world).await, "joe INBOX 1");
    // What cannot be said in ASCII is written.
    assert_eq!(queue(&world).await.len(), 1);
    let all = send(&world, Protocol::Lmtp, &from, &to(&["ada"]))
        .await
        .unwrap();
    assert_eq!(all.refused.len(), 1);
    assert_eq!(inboxes(&world).await, "joe INBOX 1");
}

#[tokio::test]
async fn where_some_take_it_the_sender_gets_a_report() {
    let no = refuses("ereject", "I don't want\r\nyour birdseed");
    let world = town(relaying(), &[("ada", &no)]).await;
    let before = world.store.done().len();
    let success = Notify::On {
        success: true,
        failure: true,
        delay: false,
    };
    let mut both = to(&["ada", "eve"]);
    both[0].notify = Some(success);
    both[0].orcpt = Some("rfc822;a@old.example".into());
    let from = sender("<joe@example.org>");
    send(&world, Protocol::Esmtp, &from, &both).await.unwrap();
    assert_eq!(world.store.done().len(), before + 1);
    // The report on it, and none that it is here.
    assert_eq!(inboxes(&world).await, "eve INBOX 1, joe INBOX 1");
    let report = whole(&world.account("joe").await, "INBOX", 1).await;
    for part in [
        "Return-Path: <>\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "mail filter refused it: I don't want\r\n        your birdseed (5.7.1)\r\n",
        "Original-Recipient: rfc822;a@old.example\r\nFinal-Recipient: rfc822;ada@example.org\r\n\
         Action: failed\r\nStatus: 5.7.1\r\n",
        "Birdseed?",
    ] {
        assert!(report.contains(part), "{part}\n{report}");
    }
    audited(&world.post).await;
    // Elsewhere, from the null path; and to nobody who did not want to hear of it.
    let mut both = to(&["ada", "eve"]);
    let from = sender("<bob@elsewhere.example>");
    send(&world, Protocol::Esmtp, &from, &both).await.unwrap();
    let letter = claim_one(&world, "elsewhere.example").await;
    assert_eq!(letter.entry.reverse_path, sender("<>").reverse_path);
    drop(letter);
    both[0].notify = Some(Notify::Never);
    send(&world, Protocol::Esmtp, &from, &both).await.unwrap();
    both[0].notify = None;
    send(&world, Protocol::Esmtp, &sender("<>"), &both)
        .await
        .unwrap();
    send(
        &world,
        Protocol::Esmtp,
        &sender("<nobody@example.org>"),
        &both,
    )
    .await
    .unwrap();
    assert_eq!(queue(&world).await.len(), 1);
    assert_eq!(inboxes(&world).await, "eve INBOX 5, joe INBOX 1");
}

#[tokio::test]
async fn what_was_written_comes_as_a_receipt() {
    let no = "require [\"reject\", \"editheader\"]; addheader \"X-Tea\" \"yes\"; \
        reject text:\r\nKein Vogelfutter für mich\r\nbitte\r\n.\r\n;";
    let world = town(relaying(), &[("ada", no)]).await;
    let from = sender("<joe@example.org>");
    send(&world, Protocol::Esmtp, &from, &to(&["ada"]))
        .await
        .unwrap();
    assert_eq!(inboxes(&world).await, "joe INBOX 1");
    let receipt = whole(&world.account("joe").await, "INBOX", 1).await;
    let outline = Outline::parse(receipt.as_bytes());
    // RFC 5429 §2.2.1
    let part = outline.part(&[2]).unwrap();
    assert!(part.is("message", "disposition-notification"));
    let told = message::DispositionNotification::parse(part.body.of(receipt.as_bytes()));
    let disposition = told.disposition.unwrap();
    assert_eq!(
        (disposition.action, disposition.sending),
        (Mode::Automatic, Mode::Automatic)
    );
    assert_eq!(disposition.kind, Kind::Deleted);
    assert_eq!(told.recipient.unwrap().text, "ada@example.org");
    assert_eq!(told.message_id.as_deref(), Some(&b"1@x"[..]));
    assert!(
        receipt.contains("Kein Vogelfutter f=C3=BCr mich\r\nbitte\r\n"),
        "{receipt}"
    );
    assert!(outline.part(&[3]).unwrap().is("message", "rfc822"));
    // It is as it came, whatever the script has made of it.
    assert!(
        receipt.contains("Birdseed?") && !receipt.contains("X-Tea"),
        "{receipt}"
    );
    for field in [
        "From: ada@example.org\r\n",
        "In-Reply-To: <1@x>\r\n",
        "To: joe@example.org\r\n",
    ] {
        assert!(receipt.contains(field), "{field}\n{receipt}");
    }
    // From nobody: nobody is told.
    send(&world, Protocol::Esmtp, &sender("<>"), &to(&["ada"]))
        .await
        .unwrap();
    assert!(queue(&world).await.is_empty());
    assert_eq!(inboxes(&world).await, "joe INBOX 1");
}

#[tokio::test]
async fn what_cannot_be_told_is_kept() {
    let (no, umlaut) = (refuses("ereject", "No"), refuses("reject", "Nö"));
    for (script, names, expected) in [
        (&no, &["ada", "eve"][..], "ada INBOX 1, eve INBOX 1"),
        (&umlaut, &["ada"], "ada INBOX 1"),
    ] {
        let world = town(rules(), &[("ada", script)]).await;
        assert_eq!(world.post.rules().elsewhere, Elsewhere::Refuse);
        let from = sender("<bob@elsewhere.example>");
        send(&world, Protocol::Esmtp, &from, &to(names))
            .await
            .unwrap();
        assert_eq!(inboxes(&world).await, expected);
        audited(&world.post).await;
    }
}

#[tokio::test]
async fn who_got_it_from_another_refuses_by_a_report() {
    let no = refuses("ereject", "No");
    let on = "redirect \"eve@example.org\";";
    let world = town(relaying(), &[("ada", on), ("eve", &no)]).await;
    send(
        &world,
        Protocol::Esmtp,
        &sender("<joe@example.org>"),
        &to(&["ada"]),
    )
    .await
    .unwrap();
    assert_eq!(inboxes(&world).await, "joe INBOX 1");
    let report = whole(&world.account("joe").await, "INBOX", 1).await;
    let told =
        "Original-Recipient: rfc822;ada@example.org\r\nFinal-Recipient: rfc822;eve@example.org";
    assert!(report.contains(told), "{report}");
}

#[tokio::test]
async fn many_who_refuse_make_one_report_and_short_receipts() {
    let names: Vec<String> = (0..12).map(|number| format!("a{number}")).collect();
    let mut refs: Vec<&str> = names.iter().map(String::as_str).collect();
    refs.push("joe");
    let from = sender("<joe@example.org>");
    for (script, letters) in [(refuses("ereject", "No"), 2), (refuses("reject", "Nö"), 13)] {
        let world = World::with(&refs, relaying()).await;
        for who in &names {
            runs(&world.account(who).await, &script).await;
        }
        send(&world, Protocol::Esmtp, &from, &to(&refs))
            .await
            .unwrap();
        let joe = world.account("joe").await;
        assert_eq!(held(&joe).await, [("INBOX".to_owned(), letters)]);
        let mut returned = 0;
        for number in 1..=u32::try_from(letters).unwrap() {
            let letter = whole(&joe, "INBOX", number).await;
            returned += usize::from(letter.contains("Content-Type: message/rfc822"));
            if letters == 2 && letter.contains("multipart/report") {
                let told = letter.matches("Final-Recipient:").count();
                assert_eq!(told, names.len(), "{letter}");
            }
        }
        assert_eq!(returned, if letters == 2 { 1 } else { 10 });
        audited(&world.post).await;
    }
}
