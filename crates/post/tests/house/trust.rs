//! Letters from outside are looked at before they are taken.

use std::sync::atomic::Ordering;

use ::trust::dkim::{Signing, SigningKey, sign};
use ::trust::{Answer, Letter, Record, arc};
use bytes::Bytes;
use mail::{Host, Network, Role};
use post::{DmarcMeasure, Origin, Outcome, Protocol, Rules, TrustRules};

use crate::world::{World, origin, recipient, rules, sender, told, whole};

const LETTER: &str = "From: Bob <bob@elsewhere.example>\r\nSubject: Tea\r\n\r\nAt five?\r\n";
/// The example of RFC 8463 §A.1.
const SEED: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];

/// A key of Ed25519 as files have it (RFC 8410 §7).
pub(crate) fn key() -> SigningKey {
    let front = [
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    SigningKey::from_der(&[&front[..], &SEED].concat()).unwrap()
}

fn checking() -> Rules {
    Rules {
        trust: TrustRules {
            check: true,
            ..TrustRules::default()
        },
        ..rules()
    }
}

fn with_measure(dmarc: DmarcMeasure) -> Rules {
    let mut rules = checking();
    rules.trust.dmarc = dmarc;
    rules
}

/// A world in which bob may send from where he does, and has a key.
async fn world(rules: Rules) -> World {
    let world = World::with(&["ada"], rules).await;
    world
        .made
        .publish("elsewhere.example", "v=spf1 ip4:192.0.2.1 -all");
    let record = key().record().unwrap();
    world
        .made
        .publish("s1._domainkey.elsewhere.example", &record);
    world
}

async fn send(world: &World, origin: Origin, letter: &str, piece: usize) -> Outcome<()> {
    let mut incoming = world
        .post
        .begin(origin, sender("<bob@elsewhere.example>"))?;
    incoming.recipient(recipient("ada")).await?;
    for piece in letter.as_bytes().chunks(piece) {
        incoming.chunk(Bytes::copy_from_slice(piece)).await?;
    }
    incoming.commit().await.map(drop)
}

async fn deliver(world: &World, letter: &str) -> Outcome<()> {
    send(world, origin(None), letter, letter.len().max(1)).await
}

fn signed(letter: &str) -> String {
    let signing = Signing::new("elsewhere.example", "s1");
    let read = Letter::read(letter.as_bytes(), &[signing.body_form()]).unwrap();
    sign(&read, &key(), &signing).unwrap() + letter
}

/// How often it is there.
async fn count(world: &World, mailbox: &str) -> u64 {
    let account = world.account("ada").await;
    account
        .open(mailbox)
        .await
        .map_or(0, |open| open.uids.len())
}

/// The results above the last letter, on one line.
async fn results(world: &World, mailbox: &str) -> String {
    let account = world.account("ada").await;
    let last = account.open(mailbox).await.unwrap().uids.last().unwrap();
    let stored = whole(&account, mailbox, last.value()).await;
    let (_, field) = stored.split_once("Authentication-Results: ").unwrap();
    let (field, _) = field.split_once("\r\nReceived: ").unwrap();
    let words: Vec<&str> = field.split_whitespace().collect();
    words.join(" ")
}

#[tokio::test]
async fn what_was_found_stands_above_the_letter() {
    let world = world(checking()).await;
    let reverse = "1.2.0.192.in-addr.arpa PTR";
    let names = Answer::Records(vec![Record::Ptr("client.example".into())]);
    world.made.say(reverse, names);
    let addresses = Answer::Records(vec![Record::A("192.0.2.1".parse().unwrap())]);
    world.made.say("client.example A", addresses);
    world.made.publish("client.example", "v=spf1 a -all");
    world
        .made
        .publish("_dmarc.elsewhere.example", "v=DMARC1; p=reject");
    deliver(&world, &signed(LETTER)).await.unwrap();
    let stored = whole(&world.account("ada").await, "INBOX", 1).await;
    let front = "Return-Path: <bob@elsewhere.example>\r\n\
        Authentication-Results: mx.example.org;\r\n\
        \tiprev=pass policy.iprev=192.0.2.1;\r\n\
        \tspf=pass smtp.helo=client.example;\r\n\
        \tspf=pass smtp.mailfrom=bob@elsewhere.example;\r\n\
        \tdkim=pass header.d=elsewhere.example header.i=@elsewhere.example\r\n\
        \theader.s=s1 header.a=ed25519-sha256 header.b=";
    assert!(stored.starts_with(front), "{stored}");
    let behind = ";\r\n\tdmarc=pass header.from=elsewhere.example policy.dmarc=reject;\r\n\
        \tarc=none\r\nReceived: from client.example ([192.0.2.1])\r\n";
    assert!(stored.contains(behind), "{stored}");
    assert!(stored.ends_with(&signed(LETTER)), "{stored}");
}

#[tokio::test]
async fn only_letters_from_outside_are_looked_at() {
    let mut quiet = checking();
    quiet.trust.unchecked = vec![Network::parse("192.0.2.0/28").unwrap()];
    let own = "Authentication-Results: mx.example.org; spf=pass smtp.helo=filter.example\r\n";
    let letter = format!("{own}{LETTER}");
    let lmtp = Origin {
        protocol: Protocol::Lmtp,
        ..origin(None)
    };
    let mut friendly = checking();
    friendly.trusted_networks = vec![Network::parse("192.0.2.1").unwrap()];
    for (rules, from) in [
        (quiet, origin(None)),
        (friendly, origin(None)),
        (checking(), lmtp),
    ] {
        let world = world(rules).await;
        send(&world, from, &letter, 1000).await.unwrap();
        let stored = whole(&world.account("ada").await, "INBOX", 1).await;
        // Whoever is not outside is believed.
        assert!(stored.ends_with(&letter), "{stored}");
        assert_eq!(stored.matches("Authentication-Results").count(), 1);
        assert_eq!(*world.made.asked.lock().unwrap(), Vec::<String>::new());
    }
    // Our own people are not, and where nothing is checked nobody is.
    let world = world(rules()).await;
    let ada = world.account("ada").await;
    let from = "From: ada@example.org\r\n";
    let mut incoming = world
        .post
        .begin(origin(Some(ada)), sender("<ada@example.org>"))
        .unwrap();
    incoming.recipient(recipient("ada")).await.unwrap();
    let submitted = format!("{own}{from}\r\nhi\r\n");
    incoming.chunk(submitted.into()).await.unwrap();
    incoming.commit().await.unwrap();
    deliver(&world, &letter).await.unwrap();
    for number in [1, 2] {
        let stored = whole(&world.account("ada").await, "INBOX", number).await;
        assert!(!stored.contains("Authentication-Results"), "{stored}");
    }
}

// RFC 8601 §5.
#[tokio::test]
async fn fields_that_pretend_to_be_ours_are_taken_out() {
    let world = world(checking()).await;
    let other = "Authentication-Results: other.example; dkim=pass header.d=a.example\r\n";
    let letter = format!(
        "Authentication-Results: mx.example.org; dmarc=pass\r\n header.from=bank.example\r\n\
         {other}Authentication-Results: nonsense\r\n{LETTER}"
    );
    deliver(&world, &letter).await.unwrap();
    let stored = whole(&world.account("ada").await, "INBOX", 1).await;
    assert!(!stored.contains("bank.example"), "{stored}");
    assert!(!stored.contains("nonsense"), "{stored}");
    assert!(stored.contains("\r\n\tdmarc=none "));
    assert!(stored.ends_with(&format!("{other}{LETTER}")), "{stored}");
}

const REFUSED: &str = "550 5.7.26 The policy of elsewhere.example (DMARC) is to refuse letters \
    such as this";

#[tokio::test]
async fn what_the_authors_domain_wants_is_done_as_far_as_the_house_goes() {
    use DmarcMeasure::{Mark, Quarantine, Reject};
    for (measure, policy, place) in [
        (Reject, "p=reject", None),
        (Reject, "p=quarantine", Some("Junk")),
        (Reject, "p=none", Some("INBOX")),
        (Reject, "p=reject; t=y", Some("Junk")),
        (Quarantine, "p=reject", Some("Junk")),
        (Quarantine, "p=quarantine", Some("Junk")),
        (Mark, "p=reject", Some("INBOX")),
        (Mark, "p=quarantine", Some("INBOX")),
    ] {
        let world = world(with_measure(measure)).await;
        let policy = format!("v=DMARC1; {policy}");
        world.made.publish("_dmarc.elsewhere.example", &policy);
        world.made.publish("elsewhere.example", "v=spf1 -all");
        let delivered = deliver(&world, LETTER).await;
        match place {
            None => assert_eq!(told(delivered), REFUSED),
            Some(place) => {
                delivered.unwrap();
                assert_eq!(count(&world, place).await, 1, "{measure:?} {policy}");
                let said = results(&world, place).await;
                assert!(said.contains("dmarc=fail header.from=elsewhere.example"));
                assert!(said.contains("spf=fail smtp.mailfrom=bob@elsewhere.example"));
            }
        }
        let all = count(&world, "INBOX").await + count(&world, "Junk").await;
        assert_eq!(all, u64::from(place.is_some()), "{measure:?} {policy}");
        // A signature alone is enough.
        deliver(&world, &signed(LETTER)).await.unwrap();
        assert!(results(&world, "INBOX").await.contains("dmarc=pass"));
        // One that is broken is not.
        let broken = signed(LETTER).replace("five", "six");
        let delivered = deliver(&world, &broken).await;
        assert_eq!(delivered.is_err(), place.is_none(), "{measure:?} {policy}");
    }
}

#[tokio::test]
async fn whatever_dns_does_no_letter_is_lost() {
    let world = world(checking()).await;
    world.made.silent.store(true, Ordering::Relaxed);
    deliver(&world, &signed(LETTER)).await.unwrap();
    let said = results(&world, "INBOX").await;
    for method in ["iprev", "spf", "dkim", "dmarc"] {
        assert!(said.contains(&format!("{method}=temperror")), "{said}");
    }
    world.made.silent.store(false, Ordering::Relaxed);
    // Where only part of it is silent, a step less is done than the domain wants.
    for (policy, place) in [("reject", "Junk"), ("quarantine", "INBOX")] {
        let policy = format!("v=DMARC1; p={policy}");
        world.made.publish("_dmarc.elsewhere.example", &policy);
        world.made.say("elsewhere.example TXT", Answer::Failed);
        let before = count(&world, place).await;
        deliver(&world, LETTER).await.unwrap();
        assert_eq!(count(&world, place).await, before + 1);
        let said = results(&world, place).await;
        assert!(said.contains("spf=temperror"), "{said}");
    }
}

#[tokio::test]
async fn questions_are_counted() {
    for most in [0, 3] {
        let mut few = checking();
        few.trust.questions_max = most;
        let world = world(few).await;
        deliver(&world, &signed(LETTER)).await.unwrap();
        assert_eq!(world.made.asked.lock().unwrap().len(), most);
        let said = results(&world, "INBOX").await;
        assert!(said.contains("iprev=temperror"), "{said}");
        assert_eq!(said.contains("spf=pass"), most > 0, "{said}");
    }
    let mut hasty = checking();
    hasty.trust.patience = std::time::Duration::ZERO;
    let world = world(hasty).await;
    deliver(&world, LETTER).await.unwrap();
    assert_eq!(*world.made.asked.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_large_letter_is_looked_at_as_it_passes() {
    let mut small = checking();
    small.body_memory_octets_max = 4096;
    let world = world(small).await;
    world
        .made
        .publish("_dmarc.elsewhere.example", "v=DMARC1; p=reject");
    world.made.publish("elsewhere.example", "v=spf1 -all");
    let letter = signed(&format!("{LETTER}{}", "and so on\r\n".repeat(2000)));
    for piece in [letter.len(), 1000, 7] {
        send(&world, origin(None), &letter, piece).await.unwrap();
        let said = results(&world, "INBOX").await;
        assert!(
            said.contains("dkim=pass header.d=elsewhere.example"),
            "{said}"
        );
        assert!(said.contains("dmarc=pass"), "{said}");
        let account = world.account("ada").await;
        let last = account.open("INBOX").await.unwrap().uids.last().unwrap();
        let stored = whole(&account, "INBOX", last.value()).await;
        assert!(stored.ends_with(&letter));
        let broken = letter.replacen("so on", "no on", 1);
        let refused = send(&world, origin(None), &broken, piece).await;
        assert_eq!(told(refused), REFUSED);
    }
    // What is kept of it fits what is there.
    crate::world::audited(&world.post).await;
}

/// The letter as a list has changed it, sealed.
fn through_a_list(seen: &str, sealer: &str) -> String {
    let changed = LETTER.replace("Tea", "[list] Tea");
    let signing = Signing::new(sealer, "s1");
    let read = Letter::read(changed.as_bytes(), &[signing.body_form()]).unwrap();
    let results = format!("{sealer}; {seen}");
    let set = arc::seal(&read, &key(), &signing, &results, arc::Outcome::None).unwrap();
    set + &changed
}

// RFC 8617 §7.2.
#[tokio::test]
async fn a_list_that_is_believed_makes_up_for_what_it_changed() {
    let saw = "dmarc=pass header.from=elsewhere.example";
    for (trusted, sealer, seen, taken) in [
        ("lists.example", "lists.example", saw, true),
        ("example", "lists.example", saw, true),
        ("sts.example", "lists.example", saw, false),
        ("other.example", "lists.example", saw, false),
        (
            "lists.example",
            "lists.example",
            "dmarc=fail header.from=elsewhere.example",
            false,
        ),
        (
            "lists.example",
            "lists.example",
            "dmarc=pass header.from=other.example",
            false,
        ),
        (
            "lists.example",
            "lists.example",
            "spf=pass smtp.mailfrom=elsewhere.example",
            false,
        ),
    ] {
        let mut believing = checking();
        believing.trust.trusted_sealers = vec![Host::parse(trusted).unwrap()];
        let world = world(believing).await;
        world
            .made
            .publish("_dmarc.elsewhere.example", "v=DMARC1; p=reject");
        world.made.publish("elsewhere.example", "v=spf1 -all");
        let name = format!("s1._domainkey.{sealer}");
        world.made.publish(&name, &key().record().unwrap());
        let letter = through_a_list(seen, sealer);
        let delivered = deliver(&world, &letter).await;
        assert_eq!(delivered.is_ok(), taken, "{trusted} {seen}");
        if taken {
            let said = results(&world, "INBOX").await;
            assert!(said.contains("dmarc=fail"), "{said}");
            assert!(said.ends_with("arc=pass"), "{said}");
        }
        // A seal that does not hold makes up for nothing.
        let broken = letter.replace("five", "six");
        assert_eq!(told(deliver(&world, &broken).await), REFUSED);
    }
}

#[tokio::test]
async fn junk_is_filed_where_junk_is_kept() {
    let world = world(with_measure(DmarcMeasure::Quarantine)).await;
    world
        .made
        .publish("_dmarc.elsewhere.example", "v=DMARC1; p=reject");
    world.made.publish("elsewhere.example", "v=spf1 -all");
    assert_eq!(world.post.inboxes(), ["INBOX", "Junk"]);
    let ada = world.account("ada").await;
    ada.delete("Junk").await.unwrap();
    // It is made again,
    deliver(&world, LETTER).await.unwrap();
    assert_eq!(count(&world, "Junk").await, 1);
    let roles = |list: Vec<post::Mailbox>| -> Vec<(String, Option<Role>)> {
        let junk = list.into_iter().filter(|one| one.role == Some(Role::Junk));
        junk.map(|one| (one.name, one.role)).collect()
    };
    let listed = ada.mailboxes().await.unwrap();
    assert_eq!(roles(listed), [("Junk".to_owned(), Some(Role::Junk))]);
    // and its name does not matter.
    ada.rename("Junk", "Spam").await.unwrap();
    deliver(&world, LETTER).await.unwrap();
    assert_eq!(count(&world, "Spam").await, 2);
    assert_eq!(count(&world, "INBOX").await, 0);
}
