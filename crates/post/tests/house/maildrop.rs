//! The inbox as POP3 sees it.

use bytes::Bytes;
use mail::FlagSet;
use post::{FlagAction, FlagChange, Rules, Why};

use crate::world::{World, append, flags, rules, uid, uids};

const LETTER: &str = "Subject: Tea\r\n\r\nat four\r\n";

fn change(action: FlagAction, names: &[&str]) -> FlagChange {
    FlagChange {
        action,
        flags: flags(names),
        unchanged_since: None,
    }
}

#[tokio::test]
async fn a_maildrop_is_for_one() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    for _ in 0..3 {
        append(&ada, "INBOX", &[], LETTER).await;
    }
    let maildrop = ada.maildrop().await.unwrap();
    assert_eq!(ada.maildrop().await.unwrap_err().why(), Why::InUse);
    let names: Vec<_> = maildrop
        .deposits()
        .iter()
        .map(|one| one.uidl.clone())
        .collect();
    assert_eq!(
        maildrop.deposits()[1].octets,
        u64::try_from(LETTER.len()).unwrap()
    );
    let range = maildrop.locate(uid(2)).await.unwrap();
    assert_eq!(
        &world.post.read(range).await.unwrap()[..],
        LETTER.as_bytes()
    );

    let together = u64::try_from(LETTER.len() * 2).unwrap();
    for (behind, octets_max, count) in [
        (0, together, 1),
        (1, together, 2),
        (9, together, 2),
        (9, together - 1, 1),
        (9, 1, 1),
        (9, u64::MAX, 3),
    ] {
        let read = maildrop.read(0, behind, octets_max).await.unwrap();
        assert_eq!(read, vec![LETTER; count], "{behind}, {octets_max}");
    }

    // Another session may take a message away meanwhile.
    let remove = change(FlagAction::Add, &["\\Deleted"]);
    ada.store(inbox, &uids(&[2]), &remove).await.unwrap();
    ada.expunge(inbox, None).await.unwrap();
    assert_eq!(
        maildrop.locate(uid(2)).await.unwrap_err().why(),
        Why::Nonexistent
    );
    let gone = maildrop.read(1, 9, u64::MAX).await.unwrap_err();
    assert_eq!(gone.why(), Why::Nonexistent);
    assert_eq!(maildrop.read(0, 9, u64::MAX).await.unwrap(), [LETTER]);
    maildrop.update(&uids(&[1, 2])).await.unwrap();

    let again = world.again().await.account("ada").await;
    let maildrop = again.maildrop().await.unwrap();
    assert_eq!(maildrop.deposits().len(), 1);
    assert_eq!(maildrop.deposits()[0].uidl, names[2]);
    drop(maildrop);
    drop(again.maildrop().await.unwrap());
}

/// RFC 1939 §11: POP3 has to know it before it sends the message.
#[tokio::test]
async fn a_deposit_tells_whether_its_last_line_ends() {
    let rules = Rules {
        body_memory_octets_max: 100,
        ..rules()
    };
    let world = World::with(&["ada"], rules).await;
    let ada = world.account("ada").await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    let long = "x".repeat(200);
    let mut expected = Vec::new();
    // What is streamed comes in pieces of any size.
    for (text, cut, unended) in [
        ("a: b\r\n\r\nc\r\n", 1, false),
        ("a: b\r\n\r\nc", 100, true),
        ("a: b\r\n\r\nc\n", 100, true),
        ("a: b\r\n\r\nc\r", 100, true),
        ("\n", 100, true),
        (&format!("{long}\r\n"), 1, false),
        (&format!("{long}\r\n"), 300, false),
        (&format!("{long}\r\n"), 201, false),
        (&format!("{long}\n"), 1, true),
        (&format!("{long}\r"), 201, true),
    ] {
        let append = ada.append("INBOX", FlagSet::new(), None, None);
        let mut append = append.await.unwrap();
        for piece in text.as_bytes().chunks(cut) {
            append.chunk(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        append.commit().await.unwrap();
        let octets = u64::try_from(text.len()).unwrap();
        expected.extend([(octets, unended); 2]);
        // A copy is like its source, and flags change nothing.
        let last = ada.open("INBOX").await.unwrap().uids.last().unwrap();
        let last = uids(&[last.value()]);
        let seen = change(FlagAction::Add, &["\\Seen", "\\Draft"]);
        ada.store(inbox, &last, &seen).await.unwrap();
        ada.copy(inbox, &last, "INBOX").await.unwrap();
    }
    for ada in [ada, world.again().await.account("ada").await] {
        let maildrop = ada.maildrop().await.unwrap();
        let deposits = maildrop.deposits().iter();
        let told: Vec<_> = deposits.map(|one| (one.octets, one.unended)).collect();
        assert_eq!(told, expected);
    }
}
