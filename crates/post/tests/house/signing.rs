//! Letters that our own people submit are signed with the keys of their domain.

use std::sync::Arc;

use ::trust::dkim::{KeyType, Outcome, SigningKey, Verify};
use ::trust::{Answer, Answers, Check as _, Letter, Question, Record};
use bytes::Bytes;
use mail::Host;
use post::{Alias, AliasSource, DomainKey, Elsewhere, Keyring, Rules};
use rcgen::{KeyPair, PKCS_RSA_SHA256};

use crate::filter::runs;
use crate::queue::claim_one;
use crate::trust::key;
use crate::world::{World, address, origin, recipient, rules, sender, whole};

fn rsa() -> SigningKey {
    let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    SigningKey::from_pem(&pair.serialize_pem()).unwrap()
}

/// Rules with two keys of example.org, and what is published of them.
fn signing() -> (Rules, Vec<(String, String)>) {
    let host = Host::parse("example.org").unwrap();
    let (mut keys, mut records) = (Vec::new(), Vec::new());
    for (selector, key) in [("rsa", rsa()), ("ed", key())] {
        let name = format!("{selector}._domainkey.example.org");
        records.push((name, key.record().unwrap()));
        keys.push(DomainKey::new(&host, selector, key));
    }
    let rules = Rules {
        keys: Arc::new(Keyring::new(keys)),
        elsewhere: Elsewhere::Capture,
        body_memory_octets_max: 4096,
        ..rules()
    };
    (rules, records)
}

async fn submit(world: &World, to: &[&str], letter: &str, piece: usize) {
    let ada = world.account("ada").await;
    let mut incoming = world
        .post
        .begin(origin(Some(ada)), sender("<ada@example.org>"))
        .unwrap();
    for to in to {
        incoming.recipient(recipient(to)).await.unwrap();
    }
    for piece in letter.as_bytes().chunks(piece) {
        let piece = Bytes::copy_from_slice(piece);
        incoming.chunk(piece).await.unwrap();
    }
    incoming.commit().await.unwrap();
}

/// What its signatures are worth.
fn verified(letter: &str, records: &[(String, String)]) -> Vec<(KeyType, Outcome)> {
    let letter = Letter::read(letter.as_bytes(), &[]).unwrap();
    let answer = |question: &Question| {
        let known = records.iter().find(|(name, _)| name == question.name());
        known.map_or(Answer::NoSuchName, |(_, text)| {
            Answer::Records(vec![Record::Txt(text.clone().into())])
        })
    };
    let verdicts = Verify::new(&letter, 1_700_000_001).settle(&mut Answers::default(), answer);
    let kind = |verdict: &::trust::dkim::Verdict| verdict.key.as_ref().unwrap().kind;
    let judged = verdicts.iter().map(|one| (kind(one), one.outcome));
    judged.collect()
}

const BOTH: [(KeyType, Outcome); 2] = [
    (KeyType::Rsa, Outcome::Pass),
    (KeyType::Ed25519, Outcome::Pass),
];

#[tokio::test]
async fn what_is_submitted_is_signed_with_every_key() {
    let (rules, records) = signing();
    let world = World::with(&["ada", "eve"], rules).await;
    let small = "From: Ada <ADA@Example.org>\r\nBcc: eve@example.org\r\nSubject: Tea\r\n\r\n\
        At five?\r\n";
    let large = format!("{small}{}", "and so on \r\n\r\n".repeat(1000));
    for (letter, piece) in [
        (small, 1000),
        (&large, large.len()),
        (&large, 1000),
        (&large, 7),
    ] {
        submit(&world, &["eve", "bob@elsewhere.example"], letter, piece).await;
    }
    for (name, mailbox) in [("eve", "INBOX"), ("ada", "Captured")] {
        let account = world.account(name).await;
        for number in 1..=4 {
            let stored = whole(&account, mailbox, number).await;
            assert_eq!(verified(&stored, &records), BOTH, "{stored}");
            assert!(!stored.contains("\r\nBcc"), "{stored}");
            let changed = stored.replacen("five", "six", 1);
            let judged = verified(&changed, &records);
            assert!(judged.iter().all(|(_, outcome)| *outcome == Outcome::Fail));
            // What was put in is signed as well, and may not be put in again.
            let again = stored.replacen("\r\nSubject:", "\r\nDate: now\r\nSubject:", 1);
            let judged = verified(&again, &records);
            assert!(judged.iter().all(|(_, outcome)| *outcome == Outcome::Fail));
        }
    }
    crate::world::audited(&world.post).await;
}

#[tokio::test]
async fn a_report_returns_the_header_as_it_was_signed() {
    let (rules, records) = signing();
    let world = World::with(&["ada", "eve"], rules).await;
    let letter = format!(
        "From: ada@example.org\r\nSubject: Tea\r\n\r\n{}",
        "At five?\r\n".repeat(1000)
    );
    let ada = world.account("ada").await;
    let begun = world
        .post
        .begin(origin(Some(ada.clone())), sender("<ada@example.org>"));
    let mut incoming = begun.unwrap();
    let mut asked = recipient("eve");
    asked.notify = Some(mail::Notify::On {
        success: true,
        failure: false,
        delay: false,
    });
    incoming.recipient(asked).await.unwrap();
    incoming.chunk(letter.into()).await.unwrap();
    incoming.commit().await.unwrap();
    let stored = whole(&world.account("eve").await, "INBOX", 1).await;
    assert_eq!(verified(&stored, &records), BOTH);
    let (signature, _) = stored.split_once("Received:").unwrap();
    let (_, signature) = signature.split_once("DKIM-Signature:").unwrap();
    let report = whole(&ada, "INBOX", 1).await;
    assert!(report.contains(signature), "{report}");
}

#[tokio::test]
async fn only_letters_of_that_domains_authors_are_signed() {
    let (rules, _) = signing();
    let world = World::with(&["ada", "eve"], rules).await;
    let other = Host::parse("sub.example.org").unwrap();
    world.post.add_domain(&other).await.unwrap();
    let alias = Alias {
        source: AliasSource::Address(address("ada@sub.example.org")),
        targets: vec![address("ada")],
    };
    world.post.add_alias(alias).await.unwrap();
    let letter = "From: ada@sub.example.org\r\n\r\nhi\r\n";
    submit(&world, &["eve"], letter, 1000).await;
    // What others send in is not ours to sign.
    let foreign = "From: ada@example.org\r\n\r\nhi\r\n";
    world.deliver(&["eve"], foreign).await.unwrap();
    let eve = world.account("eve").await;
    for number in [1, 2] {
        let stored = whole(&eve, "INBOX", number).await;
        assert!(!stored.contains("DKIM-Signature"), "{stored}");
    }
}

#[tokio::test]
async fn answers_are_signed_as_what_their_owner_sends() {
    let (rules, records) = signing();
    let rules = Rules {
        elsewhere: Elsewhere::Relay,
        ..rules
    };
    let world = World::with(&["ada"], rules).await;
    let ada = world.account("ada").await;
    let script = "require [\"vacation\", \"fcc\"]; vacation :fcc \"Archive\" \"Away\";";
    runs(&ada, script).await;
    let letter = "From: bob@elsewhere.example\r\nTo: ada@example.org\r\n\r\nhello\r\n";
    world.deliver(&["ada"], letter).await.unwrap();
    let queued = claim_one(&world, "elsewhere.example").await;
    let answer = world.post.read(queued.entry.range()).await.unwrap();
    let answer = String::from_utf8(answer.to_vec()).unwrap();
    assert!(answer.starts_with("DKIM-Signature:"), "{answer}");
    let worth = verified(&answer, &records);
    assert!(
        worth.len() == 2 && worth.iter().all(|(_, worth)| *worth == Outcome::Pass),
        "{worth:?}"
    );
    assert_eq!(whole(&ada, "Archive", 1).await, answer);
}
