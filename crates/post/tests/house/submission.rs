//! What an account sends: in its own name, with what was missing.

use bytes::Bytes;
use post::{Alias, AliasSource, Elsewhere, Rules};

use crate::world::{World, address, origin, recipient, rules, sender, told, uids, whole};

async fn submit(world: &World, path: &str, to: &[&str], text: &str) -> post::Outcome<()> {
    let ada = world.account("ada").await;
    let mut incoming = world.post.begin(origin(Some(ada)), sender(path))?;
    for name in to {
        incoming.recipient(recipient(name)).await?;
    }
    incoming
        .chunk(Bytes::copy_from_slice(text.as_bytes()))
        .await?;
    incoming.commit().await.map(|_| ())
}

const NOT_YOURS: &str = "550 5.7.1 The From address is not yours";

#[tokio::test]
async fn nobody_writes_in_anothers_name() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let alias = Alias {
        source: AliasSource::Address(address("team")),
        targets: vec![address("ada"), address("eve")],
    };
    world.post.add_alias(alias).await.unwrap();
    let letter = |from: &str| format!("From: {from}\r\nTo: eve@example.org\r\n\r\nhi\r\n");
    for from in [
        "ada@example.org",
        "Ada <ADA+tag@example.org>",
        "\"Ada <3\" (<3) <ada@example.org>",
        "team@example.org, ada@example.org",
    ] {
        submit(&world, "<team@example.org>", &["eve"], &letter(from))
            .await
            .unwrap();
    }
    for from in [
        "eve@example.org",
        "ada@example.org, eve@example.org",
        "bob@elsewhere.example",
        "",
        "nonsense",
    ] {
        let refused = submit(&world, "<ada@example.org>", &["eve"], &letter(from)).await;
        assert_eq!(told(refused), NOT_YOURS, "{from}");
    }
    // However many names stand before the wrong one, and however the letter is sent on.
    let many = "ada@example.org, ".repeat(100) + "eve@example.org";
    let own = "From: ada@example.org\r\n";
    for header in [
        format!("From: {many}\r\n"),
        format!("{own}From: eve@example.org\r\n"),
        format!("{own}Sender: eve@example.org\r\n"),
        format!("{own}Resent-From: eve@example.org\r\n"),
        format!("{own}Resent-From: ada@example.org\r\nResent-Sender: eve@example.org\r\n"),
        format!("{own}From : Eve\r\n <eve@example.org>\r\n"),
        "From: all: ada@example.org, eve@example.org;\r\n".to_owned(),
        "From: (ada@example.org) eve@example.org\r\n".to_owned(),
        "From: =?utf-8?q?ada=40example.org?= <eve@example.org>\r\n".to_owned(),
        "From: \"ada@example.org\"@elsewhere.example\r\n".to_owned(),
        "From: <@example.org:eve@example.org>\r\n".to_owned(),
        "From: Ada <ada@example.org> <eve@example.org>\r\n".to_owned(),
        "From: ada@example.org.elsewhere.example\r\n".to_owned(),
    ] {
        let text = format!("{header}To: eve@example.org\r\n\r\nhi\r\n");
        let refused = submit(&world, "<ada@example.org>", &["eve"], &text).await;
        assert_eq!(told(refused), NOT_YOURS, "{header}");
    }
    let refused = submit(
        &world,
        "<eve@example.org>",
        &["eve"],
        &letter("ada@example.org"),
    )
    .await;
    assert_eq!(told(refused), "550 5.7.1 The sender's address is not yours");
    submit(&world, "<>", &["eve"], &letter("ada@example.org"))
        .await
        .unwrap();
    let eve = world.account("eve").await;
    assert_eq!(
        eve.open("INBOX").await.unwrap().uids,
        uids(&[1, 2, 3, 4, 5])
    );
}

#[tokio::test]
async fn what_is_missing_is_put_in() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let bare = "Subject: x\r\nBcc: eve@example.org,\r\n ada@example.org\r\nX: y\r\n\r\nhi\r\n";
    submit(&world, "<ada@example.org>", &["eve"], bare)
        .await
        .unwrap();
    let eve = world.account("eve").await;
    let stored = whole(&eve, "INBOX", 1).await;
    let (_, own) = stored.split_once("+0000\r\n").unwrap();
    let (added, kept) = own.split_once("Message-ID: <").unwrap();
    assert_eq!(
        added,
        "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
         From: ada@example.org\r\nTo: undisclosed-recipients:;\r\n"
    );
    let (_, kept) = kept.split_once("@mx.example.org>\r\n").unwrap();
    assert_eq!(kept, "Subject: x\r\nX: y\r\n\r\nhi\r\n");
    assert!(stored.contains("with ESMTPA\r\n"));

    let whole_letter = "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: ada@example.org\r\n\
        To: eve@example.org\r\nMessage-ID: <1@example.org>\r\n\r\nhi\r\n";
    submit(&world, "<ada@example.org>", &["eve"], whole_letter)
        .await
        .unwrap();
    assert!(whole(&eve, "INBOX", 2).await.ends_with(whole_letter));
}

#[tokio::test]
async fn mail_for_elsewhere_is_refused_or_captured() {
    let letter = "From: ada@example.org\r\n\r\nhi\r\n";
    let world = World::with(&["ada", "eve"], rules()).await;
    let refused = submit(
        &world,
        "<ada@example.org>",
        &["b@elsewhere.example"],
        letter,
    )
    .await;
    assert_eq!(
        told(refused),
        "550 5.7.1 Mail for other hosts is not sent from here"
    );

    let capture = Rules {
        elsewhere: Elsewhere::Capture,
        ..rules()
    };
    let world = World::with(&["ada", "eve"], capture).await;
    let to = ["b@elsewhere.example", "ada", "c@elsewhere.example", "eve"];
    for _ in 0..2 {
        submit(&world, "<ada@example.org>", &to, letter)
            .await
            .unwrap();
    }
    for world in [&world, &world.again().await] {
        let ada = world.account("ada").await;
        for mailbox in ["INBOX", "Captured"] {
            assert_eq!(ada.open(mailbox).await.unwrap().uids, uids(&[1, 2]));
            assert!(whole(&ada, mailbox, 2).await.ends_with("hi\r\n"));
        }
        let eve = world.account("eve").await;
        assert_eq!(eve.open("INBOX").await.unwrap().uids, uids(&[1, 2]));
        // Only its sender sees to whom else it went.
        let captured = whole(&ada, "Captured", 1).await;
        assert!(captured.starts_with(
            "X-Caramel-Captured-From: <ada@example.org>\r\n\
             X-Caramel-Captured-For: <b@elsewhere.example>\r\n\
             X-Caramel-Captured-For: <c@elsewhere.example>\r\nReturn-Path: "
        ));
        for reader in [&ada, &eve] {
            let seen = whole(reader, "INBOX", 1).await;
            assert!(!seen.contains("elsewhere.example"), "{seen}");
        }
    }
}

#[tokio::test]
async fn who_has_been_removed_sends_no_more() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let ada = world.account("ada").await;
    world.post.remove_account(&address("ada")).await.unwrap();
    for path in ["<>", "<ada@example.org>"] {
        let refused = world.post.begin(origin(Some(ada.clone())), sender(path));
        assert_eq!(told(refused), "550 5.7.1 Your account has gone");
    }
}
