//! Strangers are asked to come back, and known once they did.

use std::net::IpAddr;
use std::time::Duration;

use ::trust::list::{List, Subject};
use ::trust::{Answer, Record};
use bytes::Bytes;
use mail::{Host, Timestamp};
use post::{Event, GreyRules, ListDeed, ListRule, Origin, Outcome, Rules, Sought, TrustRules};

use crate::queue::pass;
use crate::world::{World, origin, recipient, rules, sender, told};

fn waiting() -> Rules {
    Rules {
        trust: TrustRules {
            check: true,
            greylist: GreyRules {
                delay: Duration::from_secs(300),
                known_after: 3,
                ..GreyRules::default()
            },
            ..TrustRules::default()
        },
        ..rules()
    }
}

fn from(peer: [u8; 4]) -> Origin {
    Origin {
        peer: IpAddr::from(peer),
        ..origin(None)
    }
}

async fn send(world: &World, origin: Origin, path: &str, to: &str) -> Outcome<()> {
    let mut incoming = world.post.begin(origin, sender(path))?;
    incoming.recipient(recipient(to)).await?;
    let letter = Bytes::from_static(b"From: a@a.example\r\nSubject: Tea\r\n\r\nAt five?\r\n");
    incoming.chunk(letter).await?;
    incoming.commit().await.map(drop)
}

async fn waits(world: &World, origin: Origin, path: &str, to: &str, seconds: u64) {
    let refused = told(send(world, origin, path, to).await);
    let expected =
        format!("450 4.7.1 We do not know you yet; please try again in {seconds} seconds");
    assert_eq!(refused, expected);
}

#[tokio::test]
async fn who_comes_back_is_known_and_others_are_not() {
    let world = World::with(&["ada", "bob"], waiting()).await;
    let (one, path) = (from([192, 0, 2, 1]), "<a@a.example>");
    waits(&world, one.clone(), path, "ada", 300).await;
    pass(&world, 299);
    // A restart forgets nothing, another host of the same network is the same.
    let world = world.again().await;
    let near = from([192, 0, 2, 200]);
    waits(&world, near.clone(), "<A@A.example>", "ADA", 1).await;
    pass(&world, 1);
    send(&world, near.clone(), path, "ada").await.unwrap();
    send(&world, one.clone(), path, "ada").await.unwrap();
    // Another recipient, another sender, another network: each is new.
    waits(&world, one.clone(), path, "bob", 300).await;
    waits(&world, one.clone(), "<>", "ada", 300).await;
    waits(&world, from([192, 0, 3, 1]), path, "ada", 300).await;
    pass(&world, 300);
    send(&world, one.clone(), path, "bob").await.unwrap();
    send(&world, one.clone(), "<>", "ada").await.unwrap();
    // It came back three times, and is known whoever it sends for.
    send(&world, near, "<new@b.example>", "bob").await.unwrap();
    // Who stays away for too long is a stranger again.
    pass(&world, 37 * 86_400);
    waits(&world, one, path, "ada", 300).await;
}

#[tokio::test]
async fn nobody_waits_who_looks_after_the_house_or_is_vouched_for() {
    let mut rules = waiting();
    rules.trust.lists.push(ListRule {
        list: List {
            name: "allow".into(),
            zone: Host::parse("allow.example").unwrap(),
            subject: Subject::Address,
            codes: Vec::new(),
        },
        deed: ListDeed::Allow,
    });
    let world = World::with(&["ada"], rules).await;
    let code = Answer::Records(vec![Record::A("127.0.0.2".parse().unwrap())]);
    world.made.say("9.2.0.192.allow.example A", code);
    send(&world, from([192, 0, 2, 9]), "<a@a.example>", "ada")
        .await
        .unwrap();
    send(&world, from([192, 0, 2, 1]), "<a@a.example>", "abuse")
        .await
        .unwrap();
    send(&world, from([127, 0, 0, 1]), "<a@a.example>", "ada")
        .await
        .unwrap();
    let ada = world.account("ada").await;
    let begun = world
        .post
        .begin(origin(Some(ada)), sender("<ada@example.org>"));
    begun.unwrap().recipient(recipient("ada")).await.unwrap();
    waits(&world, from([192, 0, 2, 1]), "<a@a.example>", "ada", 300).await;
}

/// Whether a letter is let in whose filter wants unknown ones to come back.
async fn filtered(world: &World, origin: Origin, to: &str) -> Outcome<()> {
    let mut incoming = world.post.begin(origin, sender("<a@a.example>"))?;
    incoming.recipient(recipient(to)).await?;
    let path = format!("{to}@example.org");
    incoming.come_back(&[path]).await
}

#[tokio::test]
async fn a_filter_has_strangers_come_back_once() {
    let world = World::with(&["ada"], rules()).await;
    let one = from([192, 0, 2, 1]);
    let waits = async |seconds: u64| {
        let refused = told(filtered(&world, one.clone(), "ada").await);
        let expected =
            format!("450 4.7.1 We do not know you yet; please try again in {seconds} seconds");
        assert_eq!(refused, expected);
    };
    waits(300).await;
    pass(&world, 200);
    waits(100).await;
    pass(&world, 100);
    for _ in 0..2 {
        filtered(&world, one.clone(), "ada").await.unwrap();
    }
    filtered(&world, from([192, 0, 2, 9]), "abuse")
        .await
        .unwrap();
    filtered(&world, from([127, 0, 0, 1]), "ada").await.unwrap();
    let ada = world.account("ada").await;
    let mut own = world
        .post
        .begin(origin(Some(ada)), sender("<ada@example.org>"))
        .unwrap();
    own.come_back(&["ada@example.org".to_owned()])
        .await
        .unwrap();
    own.come_back(&[]).await.unwrap();
}

#[tokio::test]
async fn a_domain_that_answers_for_its_hosts_is_known_at_all_of_them() {
    let world = World::with(&["ada"], waiting()).await;
    let policy = "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 -all";
    world.made.publish("a.example", policy);
    waits(&world, from([192, 0, 2, 1]), "<a@a.example>", "ada", 300).await;
    pass(&world, 300);
    send(&world, from([198, 51, 100, 1]), "<a@a.example>", "ada")
        .await
        .unwrap();
    // Whoever only says so is not.
    waits(&world, from([203, 0, 113, 1]), "<a@a.example>", "ada", 300).await;
}

#[tokio::test]
async fn it_is_told_who_was_asked_to_come_back() {
    let world = World::with(&["ada"], waiting()).await;
    let one = from([192, 0, 2, 1]);
    waits(&world, one.clone(), "<a@a.example>", "ada", 300).await;
    pass(&world, 100);
    waits(&world, one.clone(), "<a@a.example>", "ada", 200).await;
    pass(&world, 200);
    send(&world, one, "<a@a.example>", "ada").await.unwrap();
    let named = Sought::Named("a@a.example".into());
    let steps = world.post.journeys(&named, Timestamp::utc(0), None).await;
    let steps = steps.unwrap();
    let events = steps.iter().flat_map(|told| &told.step.events);
    let checked: Vec<&str> = events
        .filter_map(|event| match event {
            Event::Checked(words) => Some(words.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        checked[0],
        "not known yet; asked to come back after 2023-11-14T22:18:20+00:00 (450 4.7.1)"
    );
    assert_eq!(checked.len(), 3, "{checked:?}");
    assert_eq!(
        checked[2],
        "not known before; has come back after 300 seconds"
    );
}

#[tokio::test]
async fn many_at_once_are_each_remembered() {
    let world = World::with(&["ada"], waiting()).await;
    let calls = |expected: &'static str| {
        let post = world.post.clone();
        (0_u8..200).map(move |number| {
            let post = post.clone();
            tokio::spawn(async move {
                let path = format!("<{number}@a.example>");
                let peer = from([10, 0, number, 1]);
                let mut incoming = post.begin(peer, sender(&path)).unwrap();
                let said = match incoming.recipient(recipient("ada")).await {
                    Ok(()) => "250".to_owned(),
                    Err(error) => error.refusal().code.to_string(),
                };
                assert_eq!(said, expected, "{number}");
            })
        })
    };
    for call in calls("450").collect::<Vec<_>>() {
        call.await.unwrap();
    }
    // Not of each of them is told: who calls under ever new names fills no disk.
    let named = Sought::Named("ada@example.org".into());
    let steps = world.post.journeys(&named, Timestamp::utc(0), None).await;
    assert_eq!(steps.unwrap().len(), 60);
    pass(&world, 300);
    for call in calls("250").collect::<Vec<_>>() {
        call.await.unwrap();
    }
}
