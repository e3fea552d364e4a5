//! Letters that wait to leave: how they get into the queue, what becomes of them, who is told.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use mail::{Enhanced, Network, Notify, Recipient, ReplyCode, Ret};
use message::Outline;
use post::queue::{Attempt, Claimed, Fate, QueueRules, Said};
use post::{Alias, AliasSource, Elsewhere, Outcome, Route, Rules, Sender};
use store::CommitError;

use crate::world::{PEER, World, address, origin, recipient, rules, sender, told, uids, whole};

pub(crate) const LETTER: &str =
    "From: ada@example.org\r\nTo: x@a.example\r\nSubject: Tea\r\n\r\nAt five?\r\n";
const SUCCESS: Notify = Notify::On {
    success: true,
    failure: true,
    delay: false,
};

pub(crate) fn relaying() -> Rules {
    Rules {
        elsewhere: Elsewhere::Relay,
        queue: QueueRules {
            retry: vec![Duration::from_secs(300), Duration::from_secs(3600)],
            expire: Duration::from_secs(7200),
            warn_after: Duration::from_secs(1000),
            letters_max: 10,
            ..QueueRules::default()
        },
        ..rules()
    }
}

pub(crate) async fn town() -> World {
    World::with(&["ada", "eve"], relaying()).await
}

fn to(name: &str, notify: Option<Notify>) -> Recipient {
    Recipient {
        notify,
        ..recipient(name)
    }
}

/// Ada sends a letter.
pub(crate) async fn send(
    world: &World,
    sender: Sender,
    to: &[Recipient],
    text: &str,
) -> Outcome<()> {
    let ada = world.account("ada").await;
    let mut incoming = world.post.begin(origin(Some(ada)), sender)?;
    for recipient in to {
        incoming.recipient(recipient.clone()).await?;
    }
    let text = Bytes::copy_from_slice(text.as_bytes());
    incoming.chunk(text).await?;
    incoming.commit().await.map(|_| ())
}

pub(crate) async fn send_simply(world: &World, to: &[&str]) {
    let to: Vec<Recipient> = to.iter().map(|name| recipient(name)).collect();
    let sent = send(world, sender("<ada@example.org>"), &to, LETTER).await;
    sent.unwrap();
}

/// The queue in a line for each letter.
pub(crate) async fn queue(world: &World) -> Vec<String> {
    let page = world.post.queue(None, 100).await.unwrap();
    assert_eq!(page.total, u64::try_from(page.letters.len()).unwrap());
    let now = 1_700_000_000;
    let letters = page.letters.iter().map(|(id, entry, attempting)| {
        let to = entry.recipients.iter();
        let to: Vec<String> = to
            .map(|one| one.recipient.forward_path.to_string())
            .collect();
        let due = match entry.due {
            Some(due) => format!("+{}", due - now),
            None => "held".to_owned(),
        };
        let attempting = if *attempting { " attempting" } else { "" };
        let attempts = entry.attempts;
        format!(
            "{id} {} {due} {attempts}{attempting}: {}",
            entry.destination,
            to.join(" ")
        )
    });
    letters.collect()
}

pub(crate) fn said(code: u16, text: &str) -> Said {
    let class = u8::try_from(code / 100).unwrap();
    Said {
        host: Some("mx.a.example".into()),
        code: ReplyCode::new(code),
        status: Enhanced::new(class, 1, 1),
        text: text.into(),
    }
}

pub(crate) fn pass(world: &World, seconds: u64) {
    world.made.seconds.fetch_add(seconds, Ordering::Relaxed);
}

pub(crate) async fn claim_one(world: &World, destination: &str) -> Claimed {
    let mut claimed = world.post.claim(destination, 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    claimed.pop().unwrap()
}

/// Everything for a destination that is due has this fate.
pub(crate) async fn settle(world: &World, destination: &str, fate: &Fate) {
    let claimed = world.post.claim(destination, 10).await.unwrap();
    assert!(!claimed.is_empty());
    let attempts: Vec<_> = claimed
        .into_iter()
        .map(|one| {
            let attempt = Attempt::all(&one.entry, fate);
            (one, attempt)
        })
        .collect();
    world.post.settle_queued(&attempts).await.unwrap();
}

/// The last message in an inbox, if there are so many.
pub(crate) async fn mail(world: &World, name: &str, number: u32) -> String {
    let account = world.account(name).await;
    let all: Vec<u32> = (1..=number).collect();
    assert_eq!(account.open("INBOX").await.unwrap().uids, uids(&all));
    whole(&account, "INBOX", number).await
}

pub(crate) async fn is_empty(world: &World, name: &str) -> bool {
    let account = world.account(name).await;
    account.open("INBOX").await.unwrap().uids.is_empty()
}

#[tokio::test]
async fn what_is_for_here_and_elsewhere_is_one_step_and_one_body() {
    let world = town().await;
    world.account("ada").await;
    let commits = world.store.done().len();
    let to = ["eve", "x@a.example", "y@B.example", "z@a.example"];
    send_simply(&world, &to).await;
    let done = world.store.done();
    assert_eq!((done.len(), done[commits].blobs.len()), (commits + 1, 1));
    assert_eq!(
        queue(&world).await,
        [
            "1 a.example +0 0: <x@a.example> <z@a.example>",
            "2 b.example +0 0: <y@b.example>",
        ]
    );
    // What travels has no Return-Path; what is in the mailbox has.
    let here = mail(&world, "eve", 1).await;
    let letter = claim_one(&world, "a.example").await;
    let there = world.post.read(letter.entry.range()).await.unwrap();
    let line = "Return-Path: <ada@example.org>\r\n";
    assert_eq!(here.strip_prefix(line).unwrap().as_bytes(), there);
    assert!(here.contains("Subject: Tea\r\n"), "{here}");
}

#[tokio::test]
async fn nothing_is_queued_that_was_not_committed() {
    let world = town().await;
    world.account("ada").await;
    for error in [CommitError::Full, CommitError::Failed("no".into())] {
        world.store.fail(0, error);
        let to = [recipient("eve"), recipient("x@a.example")];
        let refused = send(&world, sender("<ada@example.org>"), &to, LETTER).await;
        assert!(told(refused).starts_with("45"));
        assert!(queue(&world).await.is_empty() && is_empty(&world, "eve").await);
        pass(&world, 10);
    }
    // And the next one goes.
    send_simply(&world, &["eve", "x@a.example"]).await;
    assert_eq!(queue(&world).await, ["1 a.example +20 0: <x@a.example>"]);
}

#[tokio::test]
async fn only_our_people_and_trusted_networks_are_relayed_for() {
    let world = town().await;
    let stranger = |post: &post::Post| post.begin(origin(None), sender("<x@y.example>")).unwrap();
    let mut letter = stranger(&world.post);
    let refused = letter.recipient(recipient("x@a.example")).await;
    assert_eq!(told(refused), "550 5.7.1 We do not relay for you");
    // Tricks with local parts are local parts.
    for trick in ["\"x@a.example\"@example.org", "x%a.example@example.org"] {
        let refused = letter.recipient(recipient(trick)).await;
        assert_eq!(told(refused), "550 5.1.1 There is no such user here");
    }
    let trusting = Rules {
        trusted_networks: vec![Network::parse("192.0.2.0/24").unwrap()],
        ..relaying()
    };
    let world = world.again_with(trusting).await;
    assert!(world.post.rules().trusted_networks[0].contains(PEER));
    let mut letter = stranger(&world.post);
    letter.recipient(recipient("x@a.example")).await.unwrap();
    letter.chunk("\r\nhello\r\n".into()).await.unwrap();
    letter.commit().await.unwrap();
    assert_eq!(queue(&world).await, ["1 a.example +0 0: <x@a.example>"]);
}

#[tokio::test]
async fn who_sends_too_much_waits_and_a_full_queue_takes_no_more() {
    let limited = Rules {
        sends_per_hour_max: 2,
        ..relaying()
    };
    let world = World::with(&["ada"], limited).await;
    let three = ["a@a.example", "b@b.example", "c@c.example"].map(recipient);
    let refused = send(&world, sender("<ada@example.org>"), &three, LETTER).await;
    assert_eq!(
        told(refused),
        "450 4.7.1 You have sent to too many lately; please try again later"
    );
    let full = Rules {
        queue: QueueRules {
            letters_max: 1,
            ..QueueRules::default()
        },
        ..relaying()
    };
    let world = world.again_with(full).await;
    send_simply(&world, &["a@a.example", "b@b.example"]).await;
    let refused = send(&world, sender("<ada@example.org>"), &three[..1], LETTER).await;
    assert_eq!(
        told(refused),
        "452 4.3.1 Too many letters wait; please try again later"
    );
}

#[tokio::test]
async fn what_is_deferred_waits_longer_and_longer_and_then_comes_back() {
    let world = town().await;
    send_simply(&world, &["x@a.example", "y@a.example"]).await;
    let deferred = Fate::Deferred(said(451, "Not now"));
    settle(&world, "a.example", &deferred).await;
    assert!(is_empty(&world, "ada").await);
    let first = queue(&world).await;
    let due = |line: &str| -> u64 {
        let word = line.split(' ').nth(2).unwrap();
        word.strip_prefix('+').unwrap().parse().unwrap()
    };
    assert!((300..=360).contains(&due(&first[0])), "{first:?}");
    // It is not due yet.
    assert!(world.post.claim("a.example", 10).await.unwrap().is_empty());
    pass(&world, due(&first[0]));
    settle(&world, "a.example", &deferred).await;
    let second = queue(&world).await;
    assert!(
        second[0].contains(" 2: <x@a.example> <y@a.example>"),
        "{second:?}"
    );

    // After a while its sender is told that it waits, once.
    pass(&world, due(&second[0]) - due(&first[0]));
    settle(&world, "a.example", &deferred).await;
    let warning = mail(&world, "ada", 1).await;
    assert!(warning.starts_with("Return-Path: <>\r\n"), "{warning}");
    assert!(
        warning.contains("Action: delayed\r\nStatus: 4.1.1\r\n"),
        "{warning}"
    );
    assert!(
        warning.contains("Diagnostic-Code: smtp; 451 4.1.1 Not now\r\n"),
        "{warning}"
    );
    assert!(warning.contains("Will-Retry-Until: Wed, 15 Nov 2023 00:13:20 +0000\r\n"));

    // And at last it comes back.
    pass(&world, 7200);
    settle(&world, "a.example", &deferred).await;
    assert!(queue(&world).await.is_empty());
    let bounce = mail(&world, "ada", 2).await;
    assert!(
        bounce.contains("Subject: Not delivered: your message came back\r\n"),
        "{bounce}"
    );
    assert!(
        bounce.contains("Final-Recipient: rfc822;y@a.example\r\nAction: failed\r\nStatus: 4.4.7")
    );
    // The whole letter is in it: nobody said otherwise, and it is small.
    let outline = Outline::parse(bounce.as_bytes());
    assert!(outline.part(&[3]).unwrap().is("message", "rfc822"));
    assert!(bounce.contains("At five?"), "{bounce}");
}

#[tokio::test]
async fn each_recipient_has_its_own_fate() {
    let world = town().await;
    let letter = Sender {
        ret: Some(Ret::Headers),
        envid: Some("QQ 314".into()),
        ..sender("<ada@example.org>")
    };
    let quiet = Some(Notify::Never);
    let to = [
        to("taken@a.example", Some(SUCCESS)),
        to("silent@a.example", None),
        to("later@a.example", None),
        to("never@a.example", None),
        to("hushed@a.example", quiet),
    ];
    send(&world, letter, &to, LETTER).await.unwrap();
    let claimed = claim_one(&world, "a.example").await;
    let attempt = Attempt {
        fates: vec![
            Fate::Taken(said(250, "OK")),
            Fate::Taken(said(250, "OK")),
            Fate::Deferred(said(450, "Busy")),
            Fate::Failed(said(550, "No such user")),
            Fate::Failed(said(550, "No such user")),
        ],
        passes_reports: false,
        tls: "no policy; TLS1.3".into(),
    };
    let commits = world.store.done().len();
    world
        .post
        .settle_queued(&[(claimed, attempt)])
        .await
        .unwrap();
    assert_eq!(world.store.done().len(), commits + 1);
    let left = queue(&world).await;
    assert_eq!(left.len(), 1);
    assert!(left[0].ends_with(" 1: <later@a.example>"), "{left:?}");
    // One report of the failure, one of what was handed on.
    let bounce = mail(&world, "ada", 2).await;
    let (failed, relayed) = match bounce.contains("Action: failed") {
        true => (bounce, whole(&world.account("ada").await, "INBOX", 1).await),
        false => (whole(&world.account("ada").await, "INBOX", 1).await, bounce),
    };
    assert!(
        failed.contains("Original-Envelope-Id: QQ 314\r\n"),
        "{failed}"
    );
    assert!(
        failed.contains("rfc822;never@a.example") && !failed.contains("hushed"),
        "{failed}"
    );
    assert!(
        failed.contains("Remote-MTA: dns; mx.a.example\r\n"),
        "{failed}"
    );
    assert!(
        !failed.contains("At five?") && failed.contains("Subject: Tea"),
        "{failed}"
    );
    assert!(
        relayed.contains("rfc822;taken@a.example\r\nAction: relayed\r\n"),
        "{relayed}"
    );
    assert!(!relayed.contains("silent"), "{relayed}");
}

#[tokio::test]
async fn what_the_other_end_reports_is_not_reported_here() {
    let world = town().await;
    let to = [to("x@a.example", Some(SUCCESS))];
    let sent = send(&world, sender("<ada@example.org>"), &to, LETTER).await;
    sent.unwrap();
    let claimed = claim_one(&world, "a.example").await;
    let attempt = Attempt {
        passes_reports: true,
        ..Attempt::all(&claimed.entry, &Fate::Taken(said(250, "OK")))
    };
    world
        .post
        .settle_queued(&[(claimed, attempt)])
        .await
        .unwrap();
    assert!(queue(&world).await.is_empty() && is_empty(&world, "ada").await);
}

#[tokio::test]
async fn a_report_for_elsewhere_is_queued_and_none_is_made_of_a_report() {
    let world = town().await;
    let away = alias("away", &["x@a.example"]);
    world.post.add_alias(away).await.unwrap();
    let failed = returns_to_bob(&world).await;
    assert_eq!(queue(&world).await, ["2 b.example +0 0: <bob@b.example>"]);
    let report = claim_one(&world, "b.example").await;
    let octets = world.post.read(report.entry.range()).await.unwrap();
    let text = String::from_utf8(octets.to_vec()).unwrap();
    assert!(
        !text.contains("Return-Path: <>") && text.contains("Action: failed"),
        "{text}"
    );
    assert_eq!(report.entry.envelope().reverse_path.to_string(), "<>");
    drop(report);
    // It cannot be delivered: who looks after this host is told, and nobody else.
    settle(&world, "b.example", &failed).await;
    assert!(queue(&world).await.is_empty());
    let note = mail(&world, "ada", 1).await;
    assert!(note.contains("Subject: Undeliverable report\r\n"), "{note}");
    assert!(note.contains("<bob@b.example>"), "{note}");
}

/// A letter of bob's goes on by the alias `away` to a host that refuses it: that comes back to him.
async fn returns_to_bob(world: &World) -> Fate {
    let begun = world.post.begin(origin(None), sender("<bob@b.example>"));
    let mut letter = begun.unwrap();
    letter.recipient(recipient("away")).await.unwrap();
    let octets = Bytes::from_static(LETTER.as_bytes());
    letter.chunk(octets).await.unwrap();
    letter.commit().await.unwrap();
    let failed = Fate::Failed(said(550, "No such user"));
    settle(world, "a.example", &failed).await;
    failed
}

/// Whoever looks after the house reads elsewhere: what does not reach them there is told here.
#[tokio::test]
async fn a_lost_report_of_a_lost_report_ends_here() {
    let world = town().await;
    for one in [
        alias("away", &["x@a.example"]),
        alias("postmaster", &["p@c.example", "q@D.example"]),
    ] {
        world.post.add_alias(one).await.unwrap();
    }
    let failed = returns_to_bob(&world).await;
    settle(&world, "b.example", &failed).await;
    assert_eq!(queue(&world).await.len(), 2);
    for (destination, left, count) in [("c.example", 1, 1), ("d.example", 0, 2)] {
        settle(&world, destination, &failed).await;
        assert_eq!(queue(&world).await.len(), left);
        let note = mail(&world, "ada", count).await;
        assert!(note.contains("Subject: Undeliverable report\r\n"), "{note}");
    }
}

fn alias(source: &str, targets: &[&str]) -> Alias {
    Alias {
        source: AliasSource::Address(address(source)),
        targets: targets.iter().map(|name| address(name)).collect(),
    }
}

#[tokio::test]
async fn aliases_lead_elsewhere_and_say_what_was_asked() {
    let world = town().await;
    for one in [
        alias("one", &["X@a.example"]),
        alias("team", &["eve", "x@a.example", "one"]),
    ] {
        world.post.add_alias(one).await.unwrap();
    }
    let route = world.post.route(&recipient("team").forward_path);
    let Route::Forwarded {
        accounts,
        addresses,
    } = route
    else {
        panic!("{route:?}");
    };
    let told: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    // Elsewhere the case of a local part may matter.
    assert_eq!(
        (accounts.len(), told),
        (1, vec!["X@a.example".into(), "x@a.example".into()])
    );

    let asks = [to("one", Some(SUCCESS)), to("team", Some(SUCCESS))];
    let sent = send(&world, sender("<ada@example.org>"), &asks, LETTER).await;
    sent.unwrap();
    let letter = claim_one(&world, "a.example").await;
    let asked: Vec<_> = letter
        .entry
        .recipients
        .iter()
        .map(|one| {
            let Recipient {
                forward_path,
                notify,
                orcpt,
            } = &one.recipient;
            let success = matches!(notify, Some(Notify::On { success: true, .. }));
            (forward_path.to_string(), success, orcpt.clone().unwrap())
        })
        .collect();
    assert_eq!(
        asked,
        [
            (
                "<X@a.example>".into(),
                true,
                "rfc822;one@example.org".into()
            ),
            (
                "<x@a.example>".into(),
                false,
                "rfc822;team@example.org".into()
            ),
        ]
    );
    assert!(!is_empty(&world, "eve").await);
    let report = mail(&world, "ada", 1).await;
    assert!(
        report.contains("rfc822;team@example.org\r\nAction: expanded\r\n"),
        "{report}"
    );
}

#[tokio::test]
async fn where_nothing_leaves_what_leads_elsewhere_leads_nowhere() {
    let world = town().await;
    let one = alias("team", &["eve", "x@a.example"]);
    world.post.add_alias(one).await.unwrap();
    let world = world.again_with(rules()).await;
    let refused = world.post.add_alias(alias("two", &["x@a.example"])).await;
    assert!(told(refused).contains("a.example"));
    let Route::Local(accounts) = world.post.route(&recipient("team").forward_path) else {
        panic!("eve is here");
    };
    assert_eq!(accounts.len(), 1);
}
