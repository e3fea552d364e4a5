//! How much an account may hold.

use bytes::Bytes;
use mail::{FlagSet, MailboxId, Notify};
use post::{Account, Elsewhere, Outcome, Quota, Rules, Usage, Why};

use crate::world::{
    World, address, append, origin, recipient, recounted, rules, sender, told, uids,
};

/// Of twenty octets.
const LETTER: &str = "Subject: Tea\r\n\r\nhi\r\n";
const FULL: &str = "452 4.2.2 The account is full";

fn quota(octets_max: impl Into<Option<u64>>, messages_max: impl Into<Option<u64>>) -> Quota {
    Quota {
        octets_max: octets_max.into(),
        messages_max: messages_max.into(),
    }
}

async fn used(world: &World, name: &str) -> (u64, u64) {
    let (used, _) = world.account(name).await.quota().await.unwrap();
    (used.octets, used.messages)
}

/// Bob writes to ada and eve, and says how large it will be.
async fn write(world: &World, size: Option<u64>, text: &str) -> [Outcome<()>; 3] {
    let said = post::Sender {
        size,
        ..sender("<bob@elsewhere.example>")
    };
    let mut incoming = world.post.begin(origin(None), said).unwrap();
    let ada = incoming.recipient(recipient("ada")).await;
    let eve = incoming.recipient(recipient("eve")).await;
    incoming
        .chunk(Bytes::copy_from_slice(text.as_bytes()))
        .await
        .unwrap();
    [ada, eve, incoming.commit().await.map(|_| ())]
}

/// Ada may hold 50 octets, and holds 40: a letter in INBOX, and a deleted one in Archive.
async fn nearly_full() -> (World, Account, MailboxId) {
    let rules = Rules {
        quota: quota(50, None),
        ..rules()
    };
    let world = World::with(&["ada"], rules).await;
    let ada = world.account("ada").await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    append(&ada, "INBOX", &[], LETTER).await;
    append(&ada, "Archive", &["\\Deleted"], LETTER).await;
    (world, ada, inbox)
}

#[tokio::test]
async fn what_is_put_in_never_passes_the_limit() {
    let (world, ada, inbox) = nearly_full().await;
    assert_eq!(used(&world, "ada").await, (40, 2));

    // Said to be too much, or found to be.
    let said = ada.append("INBOX", FlagSet::new(), None, Some(11)).await;
    assert_eq!(told(said.unwrap().room(11).await), FULL);
    let mut unsaid = ada
        .append("INBOX", FlagSet::new(), None, None)
        .await
        .unwrap();
    unsaid
        .chunk(Bytes::from_static(b"a: b\r\n\r\nc\r\n"))
        .await
        .unwrap();
    assert_eq!(unsaid.commit().await.unwrap_err().why(), Why::OverQuota);
    // A missing mailbox is what the client can mend.
    let nowhere = ada.append("Nowhere", FlagSet::new(), None, Some(11)).await;
    assert_eq!(nowhere.unwrap_err().why(), Why::TryCreate);
    // Many at once are put in whole or not at all.
    let mut many = ada
        .append("INBOX", FlagSet::new(), None, None)
        .await
        .unwrap();
    many.chunk(Bytes::from_static(b"\r\n12345")).await.unwrap();
    many.next(FlagSet::new(), None, None).await.unwrap();
    many.chunk(Bytes::from_static(b"\r\n12")).await.unwrap();
    assert_eq!(told(many.commit().await), FULL);
    let copied = ada.copy(inbox, &uids(&[1]), "Archive").await;
    assert_eq!(copied.unwrap_err().why(), Why::OverQuota);
    let copied = ada.copy(inbox, &uids(&[9]), "Archive").await.unwrap();
    assert!(copied.pairs.is_empty());
    assert_eq!(used(&world, "ada").await, (40, 2));

    // A message moved is no more than before; removed, it makes room.
    ada.relocate(inbox, &uids(&[1]), "Archive").await.unwrap();
    assert_eq!(used(&world, "ada").await, (40, 2));
    let archive = ada.open("Archive").await.unwrap().id;
    ada.expunge(archive, None).await.unwrap();
    assert_eq!(used(&world, "ada").await, (20, 1));
    append(&ada, "INBOX", &[], LETTER).await;
    ada.delete("Archive").await.unwrap();
    recounted(&world).await;
    assert_eq!(used(&world.again().await, "ada").await, (20, 1));
}

#[tokio::test]
async fn a_next_version_needs_only_what_it_is_more() {
    let (world, ada, inbox) = nearly_full().await;
    // A next version may be as large as what it replaces and what is left.
    for (octets, fits) in [(31, false), (30, true)] {
        let append = ada.append("INBOX", FlagSet::new(), None, None).await;
        let append = append.unwrap().replacing(inbox, uids(&[1]).last().unwrap());
        let mut append = append.await.unwrap();
        assert_eq!(append.room(octets).await.is_ok(), fits);
        let text = "x".repeat(usize::try_from(octets).unwrap());
        append.chunk(Bytes::from(text)).await.unwrap();
        if !fits {
            assert_eq!(told(append.commit().await), FULL);
        }
    }
    // A smaller one is taken even where there is too much.
    let ada_at = address("ada");
    world
        .post
        .set_quota(&ada_at, Some(quota(10, 1)))
        .await
        .unwrap();
    for (octets, fits) in [(21, false), (20, true)] {
        let append = ada.append("INBOX", FlagSet::new(), None, None).await;
        let append = append.unwrap().replacing(inbox, uids(&[1]).last().unwrap());
        assert_eq!(append.await.unwrap().room(octets).await.is_ok(), fits);
    }
    world.post.set_quota(&ada_at, None).await.unwrap();
}

#[tokio::test]
async fn a_full_account_is_told_at_rcpt_and_the_others_get_theirs() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let ada = address("ada");
    let set = async |quota| world.post.set_quota(&ada, quota).await.unwrap();
    set(Some(quota(1000, 2))).await;
    // Said to be more than all that fits, more than still fits, or unsaid.
    let [refused, eve, end] = write(&world, Some(1001), LETTER).await;
    assert_eq!(
        told(refused),
        "552 5.2.3 The message is larger than the account may hold"
    );
    eve.unwrap();
    end.unwrap();
    append(&world.account("ada").await, "Sent", &[], &"x".repeat(900)).await;
    let [refused, eve, end] = write(&world, Some(101), LETTER).await;
    assert_eq!(told(refused), FULL);
    eve.unwrap();
    end.unwrap();
    // Room was promised, so the letter is taken with all that is written on it; the next is not.
    for outcome in write(&world, Some(100), LETTER).await {
        outcome.unwrap();
    }
    let (octets, messages) = used(&world, "ada").await;
    assert!(octets > 1000);
    let inbox = world.account("ada").await;
    let opened = inbox.open("INBOX").await.unwrap();
    let passed = async || {
        let changes = inbox.changes(opened.id, opened.modseq, opened.uidnext);
        changes.await.unwrap().over_quota
    };
    assert!(passed().await);
    set(Some(quota(octets, messages))).await;
    assert!(!passed().await);
    set(Some(quota(octets, messages - 1))).await;
    assert!(passed().await);
    for limit in [quota(1000, None), quota(None, messages), quota(0, None)] {
        set(Some(limit)).await;
        let [refused, eve, end] = write(&world, None, LETTER).await;
        assert_eq!(told(refused), FULL);
        eve.unwrap();
        end.unwrap();
    }
    recounted(&world).await;
    // An account without a limit, and the house's limit again.
    set(Some(Quota::default())).await;
    assert!(write(&world, None, LETTER).await[0].is_ok());
    set(None).await;
    let house = world.again().await.post;
    let (_, limit) = house.account_quota(&ada).await.unwrap();
    assert_eq!(limit, Quota::default());
    let nobody = house.set_quota(&address("nobody"), None).await;
    assert_eq!(nobody.unwrap_err().why(), Why::Nonexistent);
}

/// Where two letters meet at the last place, whoever comes later is told to come again, and hears
/// then whose account is full: nobody's letter is lost.
#[tokio::test]
async fn a_race_for_the_last_place_loses_nothing() {
    let rules = Rules {
        quota: quota(None, 1),
        ..rules()
    };
    let world = World::with(&["ada", "eve"], rules).await;
    let eve = address("eve");
    world
        .post
        .set_quota(&eve, Some(Quota::default()))
        .await
        .unwrap();
    let begin = || world.post.begin(origin(None), sender("<>")).unwrap();
    let (mut first, mut second) = (begin(), begin());
    for incoming in [&mut first, &mut second] {
        incoming.recipient(recipient("eve")).await.unwrap();
        incoming.recipient(recipient("ada")).await.unwrap();
    }
    first.commit().await.unwrap();
    assert_eq!(told(second.commit().await), FULL);
    assert_eq!(used(&world, "eve").await.1, 1);
    let mut again = begin();
    again.recipient(recipient("eve")).await.unwrap();
    assert_eq!(told(again.recipient(recipient("ada")).await), FULL);
    again.commit().await.unwrap();
    assert_eq!(
        (used(&world, "eve").await.1, used(&world, "ada").await.1),
        (2, 1)
    );
    recounted(&world).await;
}

/// What is captured counts as well; a report on a letter does not keep the letter from going out.
#[tokio::test]
async fn submitters_are_told_as_well() {
    let rules = Rules {
        elsewhere: Elsewhere::Capture,
        quota: quota(None, 1),
        ..rules()
    };
    let world = World::with(&["ada", "eve"], rules).await;
    let ada = world.account("ada").await;
    append(&ada, "Sent", &[], LETTER).await;
    let begin = || {
        let path = sender("<ada@example.org>");
        world.post.begin(origin(Some(ada.clone())), path).unwrap()
    };
    let mut incoming = begin();
    let elsewhere = incoming.recipient(recipient("bob@elsewhere.example")).await;
    assert_eq!(told(elsewhere), FULL);
    let mut eve = recipient("eve");
    eve.notify = Some(Notify::On {
        success: true,
        failure: false,
        delay: false,
    });
    incoming.recipient(eve).await.unwrap();
    incoming
        .chunk(Bytes::from_static(b"From: ada@example.org\r\n\r\n"))
        .await
        .unwrap();
    incoming.commit().await.unwrap();
    assert_eq!(
        (used(&world, "eve").await.1, used(&world, "ada").await.1),
        (1, 1)
    );
}

#[test]
fn usage_reads_well() {
    let usage = Usage {
        octets: 1,
        messages: 2,
    };
    assert_eq!(usage.to_string(), "2 messages, 1 octets");
}
