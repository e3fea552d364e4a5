//! How much strangers and accounts may do in a while, and addresses to which nothing is sent.

use std::net::IpAddr;
use std::time::Duration;

use mail::{Enhanced, Network, ReplyCode};
use post::queue::{Attempt, Fate, QueueRules, Said};
use post::{Origin, RateRules, Rules};

use crate::queue::{claim_one, pass, relaying, send_simply};
use crate::world::{World, origin, recipient, rules, sender, told};

fn with(rates: RateRules) -> Rules {
    Rules { rates, ..rules() }
}

fn from(peer: [u8; 4]) -> Origin {
    Origin {
        peer: IpAddr::from(peer),
        ..origin(None)
    }
}

#[tokio::test]
async fn strangers_begin_so_many_letters_in_a_minute() {
    let world = World::with(
        &["ada"],
        with(RateRules {
            letters_per_minute: 2,
            ..RateRules::default()
        }),
    )
    .await;
    let begin = |origin: Origin| world.post.begin(origin, sender("<a@a.example>"));
    for _ in 0..2 {
        begin(from([192, 0, 2, 1])).unwrap();
    }
    let refused = told(begin(from([192, 0, 2, 1])));
    let words = "451 4.7.1 Too many letters from you lately; please try again later";
    assert_eq!(refused, words);
    // Others have their own, and we have no limit.
    begin(from([192, 0, 2, 2])).unwrap();
    for _ in 0..9 {
        begin(from([127, 0, 0, 1])).unwrap();
    }
    pass(&world, 30);
    begin(from([192, 0, 2, 1])).unwrap();
    assert_eq!(told(begin(from([192, 0, 2, 1]))), words);
}

#[tokio::test]
async fn strangers_name_so_many_recipients_in_a_minute() {
    let world = World::with(
        &["ada"],
        with(RateRules {
            recipients_per_minute: 3,
            ..RateRules::default()
        }),
    )
    .await;
    let mut said = Vec::new();
    for _ in 0..3 {
        let begun = world.post.begin(origin(None), sender("<a@a.example>"));
        let mut incoming = begun.unwrap();
        for name in ["ada", "nobody"] {
            said.push(match incoming.recipient(recipient(name)).await {
                Ok(()) => "250".to_owned(),
                Err(error) => error.refusal().to_string(),
            });
        }
    }
    let too_many = "450 4.7.1 Too many recipients from you lately; please try again later";
    let unknown = "550 5.1.1 There is no such user here";
    assert_eq!(said, ["250", unknown, "250", too_many, too_many, too_many]);
}

#[tokio::test]
async fn an_account_submits_so_many_letters_in_an_hour() {
    let world = World::with(
        &["ada", "bob"],
        with(RateRules {
            letters_per_hour: 2,
            ..RateRules::default()
        }),
    )
    .await;
    for name in ["ada", "bob"] {
        let account = world.account(name).await;
        let path = format!("<{name}@example.org>");
        let begin = || {
            world
                .post
                .begin(origin(Some(account.clone())), sender(&path))
        };
        begin().unwrap();
        begin().unwrap();
        let refused = told(begin());
        assert!(refused.starts_with("451 4.7.1 "), "{refused}");
    }
    pass(&world, 1800);
    let ada = world.account("ada").await;
    let begun = world
        .post
        .begin(origin(Some(ada)), sender("<ada@example.org>"));
    begun.unwrap();
}

#[tokio::test]
async fn an_account_sends_to_so_many_in_a_day() {
    let world = World::with(
        &["ada"],
        Rules {
            rates: RateRules {
                sends_per_day: 2,
                ..RateRules::default()
            },
            ..relaying()
        },
    )
    .await;
    send_simply(&world, &["x@a.example", "y@a.example"]).await;
    let ada = world.account("ada").await;
    let begun = world
        .post
        .begin(origin(Some(ada)), sender("<ada@example.org>"));
    let mut incoming = begun.unwrap();
    let refused = told(incoming.recipient(recipient("z@a.example")).await);
    let words = "450 4.7.1 You have sent to too many lately; please try again later";
    assert_eq!(refused, words);
    // Who is here is no limit.
    incoming.recipient(recipient("ada")).await.unwrap();
    pass(&world, 12 * 3600);
    incoming.recipient(recipient("z@a.example")).await.unwrap();
}

#[tokio::test]
async fn strangers_connect_so_often_in_a_minute() {
    let mut rules = with(RateRules {
        connections_per_minute: 2,
        ..RateRules::default()
    });
    rules.trusted_networks = Network::parse("198.51.100.0/24").into_iter().collect();
    let world = World::with(&[], rules).await;
    let connects = |ip: &str| world.post.allows_connection(ip.parse().unwrap());
    for (ip, expected) in [
        ("2001:db8::1", true),
        ("2001:db8::2:1", true),
        ("2001:db8::3", false),
        ("2001:db8:0:1::1", true),
        ("192.0.2.1", true),
        ("192.0.2.2", true),
        ("192.0.2.1", true),
        ("192.0.2.1", false),
    ] {
        assert_eq!(connects(ip), expected, "{ip}");
    }
    assert!((0..9).all(|_| connects("198.51.100.7") && connects("127.0.0.1")));
    pass(&world, 30);
    assert!(connects("192.0.2.1") && !connects("192.0.2.1"));
}

fn suppressing() -> Rules {
    let mut rules = relaying();
    rules.queue = QueueRules {
        suppress: Duration::from_secs(1000),
        ..rules.queue
    };
    rules
}

fn failed(code: u16, status: (u8, u16, u16), text: &str) -> Fate {
    let (class, subject, detail) = status;
    Fate::Failed(Said {
        host: Some("mx.a.example".into()),
        code: ReplyCode::new(code),
        status: Enhanced::new(class, subject, detail),
        text: text.into(),
    })
}

async fn bounce(world: &World, to: &str, fate: &Fate) {
    send_simply(world, &[to]).await;
    let claimed = claim_one(world, "a.example").await;
    let attempt = Attempt::all(&claimed.entry, fate);
    world
        .post
        .settle_queued(&[(claimed, attempt)])
        .await
        .unwrap();
}

async fn send_to(world: &World, to: &str) -> post::Outcome<()> {
    let ada = world.account("ada").await;
    let begun = world
        .post
        .begin(origin(Some(ada)), sender("<ada@example.org>"));
    let mut incoming = begun.unwrap();
    incoming.recipient(recipient(to)).await
}

#[tokio::test]
async fn nothing_is_sent_for_a_while_where_there_is_nobody() {
    let world = World::with(&["ada"], suppressing()).await;
    bounce(
        &world,
        "X@a.example",
        &failed(550, (5, 1, 1), "no such user"),
    )
    .await;
    bounce(
        &world,
        "y@a.example",
        &failed(550, (5, 7, 1), "not from you"),
    )
    .await;
    let world = world.again_with(suppressing()).await;
    let refused = told(send_to(&world, "x@A.example").await);
    assert!(
        refused.starts_with("550 5.1.1 Mail to this address failed at "),
        "{refused}"
    );
    assert!(refused.ends_with("550 5.1.1 no such user"), "{refused}");
    send_to(&world, "y@a.example").await.unwrap();
    let (known, more) = world.post.suppressed(None).await.unwrap();
    let addresses: Vec<&str> = known.iter().map(|one| one.address.as_str()).collect();
    assert_eq!((addresses, more), (vec!["x@a.example"], false));
    assert_eq!(known[0].until.seconds - known[0].since.seconds, 1000);
    assert!(known[0].said.contains("no such user"), "{}", known[0].said);

    // By hand, and by time.
    let named = ["X@A.EXAMPLE".to_owned(), "nobody@a.example".to_owned()];
    assert_eq!(world.post.unsuppress(&named).await.unwrap(), 1);
    send_to(&world, "x@a.example").await.unwrap();
    bounce(
        &world,
        "z@a.example",
        &failed(550, (5, 1, 1), "no such user"),
    )
    .await;
    assert!(told(send_to(&world, "z@a.example").await).starts_with("550 5.1.1 "));
    assert_eq!(world.post.forget_suppressed().await.unwrap(), 0);
    pass(&world, 1000);
    send_to(&world, "z@a.example").await.unwrap();
    assert_eq!(world.post.forget_suppressed().await.unwrap(), 1);
    assert_eq!(world.post.suppressed(None).await.unwrap().0, []);
}

#[tokio::test]
async fn nothing_is_remembered_where_nobody_asked_for_it() {
    let world = World::with(&["ada"], relaying()).await;
    bounce(
        &world,
        "x@a.example",
        &failed(550, (5, 1, 1), "no such user"),
    )
    .await;
    send_to(&world, "x@a.example").await.unwrap();
    assert_eq!(world.post.suppressed(None).await.unwrap().0, []);
}
