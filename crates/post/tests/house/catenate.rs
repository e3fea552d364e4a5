//! Messages put together of what is stored.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use mail::{FlagSet, MailboxId, UidValidity};
use message::{Section, Specifier};
use post::{Account, Append, Form, Item, Outcome, Quota, Rules, Why};

use crate::sharing::{grant, why};
use crate::world::{World, address, append, rules, uid, whole};

const LETTER: &str = "Subject: Tea\r\n\r\nhi\r\n";

pub(crate) fn part(specifier: Specifier, range: Option<(u64, u64)>) -> Item {
    Item {
        section: Section {
            parts: Vec::new(),
            specifier,
        },
        form: Form::Stored,
        range,
    }
}

async fn begin(account: &Account) -> Append {
    let begun = account.append("INBOX", FlagSet::new(), None, None);
    begun.await.unwrap()
}

/// Copies the whole message of this number, and lets everything pass.
async fn copy(to: &mut Append, from: (&Account, MailboxId), number: u32) -> Outcome<u64> {
    to.copy(from, uid(number), part(Specifier::All, None), |_| true)
        .await
}

#[tokio::test]
async fn parts_are_copied_octet_for_octet_and_piece_by_piece() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    let large = format!("{LETTER}{}", "0123456789abcde\n".repeat(100_000));
    append(&ada, "INBOX", &[], &large).await;
    let mut letter = begin(&ada).await;
    letter.chunk(Bytes::from_static(b"a: b\r\n")).await.unwrap();
    let mut largest = 0;
    let mut passing = |octets: &[u8]| {
        largest = largest.max(octets.len());
        true
    };
    let read = world.store.reads.load(Ordering::Relaxed);
    for (item, octets) in [
        (part(Specifier::Header, None), 16),
        (
            part(
                Specifier::HeaderFields(vec!["Subject".into()]),
                Some((9, 3)),
            ),
            3,
        ),
        (part(Specifier::Text, None), large.len() - 16),
        (
            part(Specifier::All, Some((100, u64::MAX))),
            large.len() - 100,
        ),
        (part(Specifier::All, Some((5_000_000, 1))), 0),
    ] {
        let copied = letter.copy((&ada, inbox), uid(1), item, &mut passing).await;
        assert_eq!(copied.unwrap(), u64::try_from(octets).unwrap());
    }
    letter.commit().await.unwrap();
    assert!(world.store.reads.load(Ordering::Relaxed) - read > 12);
    assert_eq!(largest, 256 * 1024);
    let (header, body) = large.split_at(16);
    let expected = format!("a: b\r\n{header}Tea{body}{}", &large[100..]);
    assert_eq!(whole(&ada, "INBOX", 2).await, expected);
    // Nothing was marked as seen by it.
    assert_eq!(ada.status("INBOX").await.unwrap().unseen, 2);
}

#[tokio::test]
async fn what_is_stopped_in_passing_goes_no_further() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    append(&ada, "INBOX", &[], LETTER).await;
    let mut letter = begin(&ada).await;
    let item = part(Specifier::All, None);
    let copied = letter.copy((&ada, inbox), uid(1), item, |_| false).await;
    assert_eq!(copied.unwrap(), 0);
    drop(letter);
    assert_eq!(ada.status("INBOX").await.unwrap().messages, 1);
}

#[tokio::test]
async fn parts_count_before_they_are_copied() {
    let small = Rules {
        message_octets_max: 50,
        quota: Quota {
            octets_max: Some(90),
            messages_max: None,
        },
        ..rules()
    };
    let world = World::with(&["ada"], small).await;
    let ada = world.account("ada").await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    append(&ada, "INBOX", &[], LETTER).await;
    let read = world.store.reads.load(Ordering::Relaxed);
    let mut letter = begin(&ada).await;
    copy(&mut letter, (&ada, inbox), 1).await.unwrap();
    copy(&mut letter, (&ada, inbox), 1).await.unwrap();
    assert_eq!(letter.room(10).await.err().map(|error| error.why()), None);
    assert_eq!(why(letter.room(11).await), Some(Why::TooBig));
    assert_eq!(
        why(copy(&mut letter, (&ada, inbox), 1).await),
        Some(Why::TooBig)
    );
    // Of a message that is whole already, too.
    letter.next(FlagSet::new(), None, None).await.unwrap();
    copy(&mut letter, (&ada, inbox), 1).await.unwrap();
    assert_eq!(
        why(copy(&mut letter, (&ada, inbox), 1).await),
        Some(Why::OverQuota)
    );
    assert_eq!(world.store.reads.load(Ordering::Relaxed) - read, 3);
    letter.commit().await.unwrap();
    let (used, _) = ada.quota().await.unwrap();
    assert_eq!((used.octets, used.messages), (80, 3));
}

#[tokio::test]
async fn what_is_not_there_or_not_to_be_read_is_no_part() {
    let world = World::with(&["ada", "bob"], rules()).await;
    let (ada, bob) = (world.account("ada").await, world.account("bob").await);
    let plans = ada.create("Plans", None).await.unwrap();
    append(&ada, "Plans", &[], LETTER).await;
    let mut letter = begin(&bob).await;
    assert_eq!(
        why(copy(&mut letter, (&ada, plans), 2).await),
        Some(Why::Nonexistent)
    );
    let mime = part(Specifier::Mime, None);
    let copied = letter.copy((&ada, plans), uid(1), mime, |_| true).await;
    assert_eq!(why(copied), Some(Why::Nonexistent));
    let validity = ada.status("Plans").await.unwrap().uidvalidity;
    assert_eq!(ada.source("Plans", Some(validity)).await.unwrap(), plans);
    let other = Some(UidValidity(validity.0.saturating_add(1)));
    assert_eq!(
        why(ada.source("Plans", other).await),
        Some(Why::Nonexistent)
    );
    assert_eq!(
        why(ada.source("Nowhere", None).await),
        Some(Why::Nonexistent)
    );

    grant(&ada, "Plans", "bob", "lr").await;
    let name = format!("Other Users/{}/Plans", address("ada"));
    let (there, name) = bob.place(&name).await.unwrap();
    assert_eq!(there.source(&name, None).await.unwrap(), plans);
    copy(&mut letter, (&there, plans), 1).await.unwrap();
    grant(&ada, "Plans", "bob", "l").await;
    assert_eq!(why(there.source(&name, None).await), Some(Why::Policy));
    assert_eq!(
        why(copy(&mut letter, (&there, plans), 1).await),
        Some(Why::Policy)
    );
    letter.commit().await.unwrap();
    assert_eq!(whole(&bob, "INBOX", 1).await, LETTER);
}
