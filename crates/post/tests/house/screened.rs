//! Lists in DNS are asked about strangers before their letters are taken.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use ::trust::list::{List, Subject};
use ::trust::{Answer, Record};
use bytes::Bytes;
use mail::{ForwardPath, Host, Network, Recipient};
use post::{DmarcMeasure, ListDeed, ListRule, Origin, Outcome, Protocol, Rules, TrustRules};

use crate::world::{World, origin, recipient, rules, sender, told, whole};

const LETTER: &[u8] = b"From: Bob <bob@bad.example>\r\nSubject: Tea\r\n\r\nAt five?\r\n";

fn list(name: &str, subject: Subject, deed: ListDeed) -> ListRule {
    ListRule {
        list: List {
            name: name.into(),
            zone: Host::parse(&format!("{name}.example")).unwrap(),
            subject,
            codes: Vec::new(),
        },
        deed,
    }
}

fn with(lists: Vec<ListRule>) -> Rules {
    Rules {
        trust: TrustRules {
            check: true,
            lists,
            ..TrustRules::default()
        },
        ..rules()
    }
}

async fn world(rules: Rules) -> World {
    World::with(&["ada"], rules).await
}

/// Puts a name on a list, with a code and a text.
fn enter(world: &World, name: &str, code: &str, text: &str) {
    let code = Record::A(code.parse().unwrap());
    world
        .made
        .say(&format!("{name} A"), Answer::Records(vec![code]));
    if !text.is_empty() {
        world.made.publish(name, text);
    }
}

async fn send_to(world: &World, origin: Origin, to: &str) -> Outcome<()> {
    let mut incoming = world.post.begin(origin, sender("<bob@bad.example>"))?;
    incoming.recipient(recipient(to)).await?;
    incoming.chunk(Bytes::from_static(LETTER)).await?;
    incoming.commit().await.map(drop)
}

async fn count(world: &World, mailbox: &str) -> u64 {
    let account = world.account("ada").await;
    account
        .open(mailbox)
        .await
        .map_or(0, |open| open.uids.len())
}

fn asked_of_lists(world: &World) -> usize {
    let asked = world.made.asked.lock().unwrap();
    let lists = [
        "block.example",
        "other.example",
        "names.example",
        "allow.example",
    ];
    let of_list = |question: &&String| lists.iter().any(|list| question.contains(list));
    asked.iter().filter(of_list).count()
}

#[tokio::test]
async fn whom_a_list_speaks_against_is_refused_in_its_words() {
    let block = list("block", Subject::Address, ListDeed::Refuse);
    let names = list("names", Subject::Domain, ListDeed::Refuse);
    let world = world(with(vec![block, names])).await;
    send_to(&world, origin(None), "ada").await.unwrap();

    let entry = "1.2.0.192.block.example";
    enter(&world, entry, "127.0.0.2", "see https://block.example/1");
    let refused = told(send_to(&world, origin(None), "ada").await);
    let words = "550 5.7.1 [192.0.2.1] is on the list block: see https://block.example/1";
    assert_eq!(refused, words);
    // Nobody who is not here is worth a question.
    let before = asked_of_lists(&world);
    let refused = told(send_to(&world, origin(None), "nobody").await);
    assert!(refused.starts_with("550 5.1.1 "), "{refused}");
    assert_eq!(asked_of_lists(&world), before);
    // Whoever is refused can say so.
    send_to(&world, origin(None), "postmaster").await.unwrap();
    let mut incoming = world
        .post
        .begin(origin(None), sender("<bob@bad.example>"))
        .unwrap();
    let bare = Recipient {
        forward_path: ForwardPath::Postmaster,
        ..recipient("ada")
    };
    incoming.recipient(bare).await.unwrap();

    let other = Origin {
        peer: IpAddr::from([198, 51, 100, 7]),
        ..origin(None)
    };
    send_to(&world, other.clone(), "ada").await.unwrap();
    enter(&world, "bad.example.names.example", "127.0.1.2", "");
    let refused = told(send_to(&world, other, "ada").await);
    assert_eq!(refused, "550 5.7.1 bad.example is on the list names");
}

#[tokio::test]
async fn our_own_and_who_is_logged_in_are_not_asked_about() {
    let mut rules = with(vec![list("block", Subject::Address, ListDeed::Refuse)]);
    rules.trusted_networks = Network::parse("192.0.2.128/25").into_iter().collect();
    let world = world(rules).await;
    for entry in ["1.2.0.192", "200.2.0.192", "1.0.0.127"] {
        enter(&world, &format!("{entry}.block.example"), "127.0.0.2", "");
    }
    let from = |peer: [u8; 4], protocol| Origin {
        peer: IpAddr::from(peer),
        protocol,
        ..origin(None)
    };
    for origin in [
        from([192, 0, 2, 200], Protocol::Esmtp),
        from([127, 0, 0, 1], Protocol::Esmtp),
        from([192, 0, 2, 1], Protocol::Lmtp),
        from([192, 0, 2, 1], Protocol::OnDemand),
    ] {
        send_to(&world, origin, "ada").await.unwrap();
    }
    let ada = world.account("ada").await;
    let mut incoming = world
        .post
        .begin(origin(Some(ada)), sender("<ada@example.org>"))
        .unwrap();
    incoming.recipient(recipient("ada")).await.unwrap();
    assert_eq!(asked_of_lists(&world), 0);
}

/// What the lists are for, their entries, and what becomes of the letter.
type Case = (
    &'static [(&'static str, ListDeed)],
    &'static [&'static str],
    &'static str,
);

#[tokio::test]
async fn weights_add_up_and_who_is_allowed_is_not_weighed() {
    use ListDeed::{Allow, Refuse, Weigh};
    const CASES: [Case; 7] = [
        (
            &[("block", Weigh(4)), ("other", Weigh(4))],
            &["block"],
            "INBOX",
        ),
        (
            &[("block", Weigh(5)), ("other", Weigh(4))],
            &["block"],
            "Junk",
        ),
        (
            &[("block", Weigh(5)), ("other", Weigh(4))],
            &["block", "other"],
            "Junk",
        ),
        (
            &[("block", Weigh(5)), ("other", Weigh(5))],
            &["block", "other"],
            "550 5.7.1 [192.0.2.1] is on the lists block, other",
        ),
        (
            &[("block", Weigh(20)), ("other", Refuse)],
            &["block", "other"],
            "550 5.7.1 [192.0.2.1] is on the list other",
        ),
        (
            &[("block", Refuse), ("allow", Allow)],
            &["block", "allow"],
            "INBOX",
        ),
        (&[("block", Refuse), ("allow", Allow)], &["allow"], "INBOX"),
    ];
    for (lists, entries, expected) in CASES {
        let lists: Vec<ListRule> = lists
            .iter()
            .map(|(name, deed)| list(name, Subject::Address, *deed))
            .collect();
        let world = world(with(lists)).await;
        for name in entries {
            enter(
                &world,
                &format!("1.2.0.192.{name}.example"),
                "127.0.0.2",
                "",
            );
        }
        match send_to(&world, origin(None), "ada").await {
            Ok(()) => assert_eq!(count(&world, expected).await, 1, "{entries:?} {expected}"),
            refused => assert_eq!(told(refused), expected),
        }
    }
}

#[tokio::test]
async fn what_lists_said_stands_above_the_letter() {
    let mut rules = with(vec![
        list("allow", Subject::Address, ListDeed::Allow),
        list("block", Subject::Address, ListDeed::Refuse),
        list("other", Subject::Address, ListDeed::Weigh(1)),
    ]);
    rules.trust.dmarc = DmarcMeasure::Mark;
    let world = world(rules).await;
    enter(
        &world,
        "1.2.0.192.allow.example",
        "127.0.10.1",
        "well known",
    );
    enter(&world, "1.2.0.192.block.example", "127.0.0.2", "");
    send_to(&world, origin(None), "ada").await.unwrap();
    let stored = whole(&world.account("ada").await, "INBOX", 1).await;
    let words: Vec<&str> = stored.split_whitespace().collect();
    let text = words.join(" ");
    let expected = "dnswl=pass dns.zone=allow.example policy.ip=127.0.10.1 \
        policy.txt=\"well known\"; x-dnsbl=fail dns.zone=block.example policy.ip=127.0.0.2 \
        Received:";
    assert!(text.contains(expected), "{text}");
    assert!(!text.contains("other.example"), "{text}");
}

#[tokio::test]
async fn nobody_is_refused_for_a_list_that_is_away_or_dead() {
    let world = world(with(vec![list(
        "block",
        Subject::Address,
        ListDeed::Refuse,
    )]))
    .await;
    world.made.silent.store(true, Ordering::Relaxed);
    send_to(&world, origin(None), "ada").await.unwrap();
    world.made.silent.store(false, Ordering::Relaxed);
    for entry in ["1.2.0.192", "1.0.0.127"] {
        enter(&world, &format!("{entry}.block.example"), "127.0.0.2", "");
    }
    send_to(&world, origin(None), "ada").await.unwrap();
    assert_eq!(count(&world, "INBOX").await, 2);
}
