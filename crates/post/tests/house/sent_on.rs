//! What becomes of a message that a script sends on.

use bytes::Bytes;
use mail::{Notify, Recipient, Ret, ReversePath};
use post::{Alias, AliasSource, Elsewhere, Outcome, Rules, ScriptVerdict, Sender};
use store::CommitError;

use crate::filter::{held, one, runs};
use crate::queue::{claim_one, queue, relaying};
use crate::scripts::name;
use crate::world::{
    World, address, audited, origin, recipient, recounted, rules, sender, told, whole,
};

const LETTER: &str = "From: bob@elsewhere.example\r\nTo: ada@example.org\r\nSubject: Tea\r\n\
    Message-ID: <1@x>\r\n\r\nAt five?\r\n";

async fn town() -> World {
    World::with(&["ada", "eve", "joe"], relaying()).await
}

/// Each of them has a script that sends to these addresses.
async fn send_on(world: &World, ways: &[(&str, &[&str])]) {
    for (who, to) in ways {
        let lines = to.iter().map(|to| format!("redirect \"{to}\";"));
        runs(&world.account(who).await, &lines.collect::<String>()).await;
    }
}

async fn boxes(world: &World) -> Vec<(String, String, usize)> {
    let mut all = Vec::new();
    for who in ["ada", "eve", "joe"] {
        let held = held(&world.account(who).await).await;
        all.extend(
            held.into_iter()
                .map(|(name, count)| (who.to_owned(), name, count)),
        );
    }
    all
}

fn in_inboxes(names: &[&str]) -> Vec<(String, String, usize)> {
    let inbox = |name: &&str| ((*name).to_owned(), "INBOX".to_owned(), 1);
    names.iter().map(inbox).collect()
}

// tidy: table
#[tokio::test]
async fn a_message_goes_where_scripts_send_it_or_stays() {
    /// Who sends to whom; to whom it came, what the queue has, and in whose inbox it is then.
    type Names<'a> = &'a [&'a str];
    type Case<'a> = (&'a [(&'a str, Names<'a>)], Names<'a>, Names<'a>, Names<'a>);
    let cases: &[Case<'_>] = &[
        // Elsewhere, and nowhere else.
        (
            &[("ada", &["x@a.example"])],
            &["ada"],
            &["<x@a.example>"],
            &[],
        ),
        (
            &[("ada", &["x@a.example", "y@a.example", "X@A.example"])],
            &["ada"],
            &["<x@a.example>", "<y@a.example>", "<X@a.example>"],
            &[],
        ),
        // Two scripts, one address.
        (
            &[("ada", &["x@a.example"]), ("eve", &["x@a.example"])],
            &["ada", "eve"],
            &["<x@a.example>"],
            &[],
        ),
        // Here, over more than one.
        (&[("ada", &["eve@example.org"])], &["ada"], &[], &["eve"]),
        (
            &[
                ("ada", &["eve@example.org"]),
                ("eve", &["joe+tea@example.org"]),
            ],
            &["ada"],
            &[],
            &["joe"],
        ),
        (
            &[("ada", &["eve@example.org"]), ("eve", &["x@a.example"])],
            &["ada"],
            &["<x@a.example>"],
            &[],
        ),
        // Whoever gets it anyway gets it once.
        (
            &[("ada", &["eve@example.org"])],
            &["ada", "eve"],
            &[],
            &["eve"],
        ),
        (
            &[("ada", &["joe@example.org"]), ("eve", &["joe@example.org"])],
            &["ada", "eve"],
            &[],
            &["joe"],
        ),
        // In a circle it stays with whoever closes it.
        (&[("ada", &["ada@example.org"])], &["ada"], &[], &["ada"]),
        (
            &[("ada", &["ada+x@example.org", "x@a.example"])],
            &["ada"],
            &[],
            &["ada"],
        ),
        (
            &[("ada", &["eve@example.org"]), ("eve", &["ada@example.org"])],
            &["ada"],
            &[],
            &["eve"],
        ),
        (
            &[("ada", &["eve@example.org"]), ("eve", &["ada@example.org"])],
            &["ada", "eve"],
            &[],
            &["eve"],
        ),
        (
            &[
                ("ada", &["eve@example.org"]),
                ("eve", &["joe@example.org"]),
                ("joe", &["x@a.example", "ada@example.org"]),
            ],
            &["ada"],
            &[],
            &["joe"],
        ),
        // Nowhere.
        (&[("ada", &["nobody@example.org"])], &["ada"], &[], &["ada"]),
    ];
    for (ways, to, expected, inboxes) in cases {
        let world = town().await;
        send_on(&world, ways).await;
        let before = world.store.done().len();
        world.deliver(to, LETTER).await.unwrap();
        // Whatever it is, it is one step.
        assert_eq!(world.store.done().len(), before + 1, "{ways:?}");
        let waiting = queue(&world).await;
        let waiting: Vec<&str> = waiting
            .iter()
            .filter_map(|line| line.split(": ").nth(1))
            .collect();
        assert_eq!(waiting, *expected, "{ways:?}");
        assert_eq!(boxes(&world).await, in_inboxes(inboxes), "{ways:?}");
        audited(&world.post).await;
        recounted(&world).await;
    }
}

#[tokio::test]
async fn a_copy_stays_and_the_rest_is_as_it_came() {
    let world = town().await;
    let ada = world.account("ada").await;
    runs(&ada, "require \"copy\"; redirect :copy \"x@a.example\";").await;
    let before = world.store.done().len();
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(world.store.done()[before].blobs.len(), 1);
    let here = whole(&ada, "INBOX", 1).await;
    let letter = claim_one(&world, "a.example").await;
    assert_eq!(
        letter.entry.reverse_path,
        sender("<bob@elsewhere.example>").reverse_path
    );
    let there = world.post.read(letter.entry.range()).await.unwrap();
    let line = "Return-Path: <bob@elsewhere.example>\r\n";
    assert_eq!(here.strip_prefix(line).unwrap().as_bytes(), there);
    // RFC 5228 §4.2
    assert!(there.starts_with(b"Received: from client.example"));
}

#[tokio::test]
async fn what_a_script_has_changed_is_sent_on_changed() {
    let world = town().await;
    let ada = world.account("ada").await;
    let text = "require \"editheader\"; redirect \"w@a.example\"; addheader \"X-Tea\" \"yes\"; \
        redirect \"x@b.example\"; redirect \"eve@example.org\";";
    runs(&ada, text).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    let read = async |destination| {
        let letter = claim_one(&world, destination).await;
        let octets = world.post.read(letter.entry.range()).await.unwrap();
        String::from_utf8(octets.to_vec()).unwrap()
    };
    let plain = read("a.example").await;
    assert!(
        plain.starts_with("Received:") && plain.ends_with("At five?\r\n"),
        "{plain}"
    );
    let changed = read("b.example").await;
    assert_eq!(changed, format!("X-Tea: yes\r\n{plain}"));
    let here = whole(&world.account("eve").await, "INBOX", 1).await;
    assert!(here.starts_with("X-Tea: yes\r\nReturn-Path: <bob@elsewhere.example>\r\n"));
    // Eve's script sees what she got, and as whom.
    let text = "require [\"fileinto\", \"envelope\", \"subaddress\"]; \
        if allof (header \"x-tea\" \"yes\", envelope :detail \"to\" \"z\", \
        envelope \"from\" \"bob@elsewhere.example\") { fileinto \"Archive\"; }";
    runs(&world.account("eve").await, text).await;
    let text =
        "require \"editheader\"; addheader \"X-Tea\" \"yes\"; redirect \"eve+z@example.org\";";
    runs(&ada, text).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    let held = held(&world.account("eve").await).await;
    assert_eq!(held, [("Archive".to_owned(), 1), ("INBOX".to_owned(), 1)]);
    audited(&world.post).await;
}

/// What the queue has of it: who hears of failures, and what was asked for.
async fn asked(
    world: &World,
    sent: &Sender,
    to: Recipient,
) -> (String, Option<Notify>, Option<Ret>) {
    let mut incoming = world.post.begin(origin(None), sent.clone()).unwrap();
    incoming.recipient(to).await.unwrap();
    incoming.chunk(LETTER.into()).await.unwrap();
    incoming.commit().await.unwrap();
    let entry = claim_one(world, "a.example").await.entry.clone();
    let [waiting] = &entry.recipients[..] else {
        panic!("{entry:?}");
    };
    let path = match &entry.reverse_path {
        ReversePath::Null => String::new(),
        ReversePath::Address(address) => address.to_string(),
    };
    assert_eq!(
        waiting.recipient.orcpt.as_deref(),
        Some("rfc822;ada@example.org")
    );
    (path, waiting.recipient.notify, entry.ret)
}

#[tokio::test]
async fn who_hears_of_failures() {
    const BOB: &str = "bob@elsewhere.example";
    let on = |success, failure| {
        Some(Notify::On {
            success,
            failure,
            delay: false,
        })
    };
    let never = Some(Notify::Never);
    let full = Some(Ret::Full);
    for (path, notify, tags, expected) in [
        ("<bob@elsewhere.example>", None, "", (BOB, None, full)),
        ("<bob@elsewhere.example>", never, "", (BOB, never, full)),
        // That it is here is told here.
        (
            "<bob@elsewhere.example>",
            on(true, true),
            "",
            (BOB, on(false, true), full),
        ),
        // RFC 6009 §6.1
        (
            "<bob@elsewhere.example>",
            on(true, true),
            ":notify \"SUCCESS\" ",
            ("ada@example.org", on(true, false), None),
        ),
        (
            "<bob@elsewhere.example>",
            None,
            ":ret \"HDRS\" ",
            ("ada@example.org", None, Some(Ret::Headers)),
        ),
        // RFC 5228 §4.2
        ("<>", None, "", ("", None, full)),
        ("<>", None, ":notify \"NEVER\" ", ("", never, full)),
    ] {
        let world = town().await;
        let text = format!("require \"redirect-dsn\"; redirect {tags}\"x@a.example\";");
        runs(&world.account("ada").await, &text).await;
        let sent = Sender {
            ret: full,
            ..sender(path)
        };
        let to = Recipient {
            notify,
            ..recipient("ada")
        };
        let (from, notify, ret) = asked(&world, &sent, to).await;
        assert_eq!((from.as_str(), notify, ret), expected, "{path} {tags}");
    }
}

/// What comes back is not sent on again, whatever has happened to it on its way.
#[tokio::test]
async fn what_was_here_before_stays() {
    let ours = "Received: from a.example ([192.0.2.7])\r\n\tby MX.example.org (Caramel) with ESMTP\
        \r\n\tid 17";
    let at = "; Tue, 14 Nov 2023 22:13:20 +0000\r\n";
    for (before, stays) in [
        (String::new(), false),
        (format!("{ours} for <ada@example.org>{at}"), true),
        (
            format!("X: y\r\n{ours}\r\n\tfor <Ada+tea@Example.ORG>{at}"),
            true,
        ),
        (format!("{ours} for <tea@example.org>{at}"), true),
        (format!("{ours} for <eve@example.org>{at}"), false),
        (format!("{ours}{at}").repeat(4), false),
        (format!("{ours}{at}").repeat(5), true),
        (
            format!("{ours} for <ada@example.org>{at}").replace("MX.", "mx."),
            true,
        ),
        (
            format!("{ours} for <ada@example.org>{at}").replace("MX.", "mx2."),
            false,
        ),
    ] {
        let world = town().await;
        world.post.add_alias(tea()).await.unwrap();
        send_on(&world, &[("ada", &["x@a.example"])]).await;
        world
            .deliver(&["ada"], &format!("{before}{LETTER}"))
            .await
            .unwrap();
        let expected = if stays { one("INBOX") } else { Vec::new() };
        assert_eq!(
            held(&world.account("ada").await).await,
            expected,
            "{before}"
        );
        assert_eq!(queue(&world).await.is_empty(), stays, "{before}");
    }
}

fn tea() -> Alias {
    Alias {
        source: AliasSource::Address(address("tea")),
        targets: vec![address("ada")],
    }
}

#[tokio::test]
async fn nothing_is_lost_where_it_cannot_be_sent_on() {
    let full = Rules {
        sends_per_hour_max: 1,
        ..relaying()
    };
    let world = World::with(&["ada", "eve", "joe"], full).await;
    send_on(&world, &[("ada", &["x@a.example"])]).await;
    for _ in 0..3 {
        world.deliver(&["ada"], LETTER).await.unwrap();
    }
    assert_eq!(queue(&world).await.len(), 1);
    assert_eq!(
        held(&world.account("ada").await).await,
        [("INBOX".to_owned(), 2)]
    );
    // The queue is full, and so is Eve's account.
    let world = town().await;
    send_on(&world, &[("ada", &["x@a.example"])]).await;
    for _ in 0..11 {
        world.deliver(&["ada"], LETTER).await.unwrap();
    }
    assert_eq!(held(&world.account("ada").await).await, one("INBOX"));
    let small = Rules {
        mailbox_messages_max: 1,
        ..relaying()
    };
    let world = World::with(&["ada", "eve", "joe"], small).await;
    send_on(&world, &[("ada", &["eve@example.org"])]).await;
    world.deliver(&["eve"], LETTER).await.unwrap();
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(boxes(&world).await, in_inboxes(&["ada", "eve"]));
    // The step fails: nothing of it has happened, and the next one goes.
    let world = town().await;
    send_on(&world, &[("ada", &["x@a.example", "eve@example.org"])]).await;
    for error in [CommitError::Full, CommitError::Failed("no".into())] {
        world.store.fail(0, error);
        let refused = world.deliver(&["ada"], LETTER).await;
        assert!(told(refused).starts_with("45"));
        assert!(queue(&world).await.is_empty() && boxes(&world).await.is_empty());
        crate::queue::pass(&world, 10);
    }
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(queue(&world).await.len(), 1);
    assert_eq!(boxes(&world).await, in_inboxes(&["eve"]));
}

#[tokio::test]
async fn a_large_letter_is_sent_on_whole() {
    let rules = Rules {
        body_memory_octets_max: 1000,
        ..relaying()
    };
    let world = World::with(&["ada"], rules).await;
    send_on(&world, &[("ada", &["x@a.example"])]).await;
    let large = format!("{LETTER}{}the end\r\n", "x".repeat(76).repeat(5000));
    world.deliver(&["ada"], &large).await.unwrap();
    let letter = claim_one(&world, "a.example").await;
    let there = world.post.read(letter.entry.range()).await.unwrap();
    assert!(there.starts_with(b"Received:") && there.ends_with(large.as_bytes()));
}

#[tokio::test]
async fn ways_here_have_an_end() {
    let names: Vec<String> = (0..12).map(|number| format!("a{number}")).collect();
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::with(&refs, relaying()).await;
    for (number, who) in names.iter().enumerate() {
        let next = format!("a{}@example.org", number + 1);
        if number < 11 {
            send_on(&world, &[(who, &[&next])]).await;
        }
    }
    world.deliver(&["a0"], LETTER).await.unwrap();
    assert_eq!(held(&world.account("a8").await).await, one("INBOX"));
}

async fn kept(world: &World, text: &str) -> Outcome<ScriptVerdict> {
    let text = Bytes::copy_from_slice(text.as_bytes());
    world
        .account("ada")
        .await
        .put_script(&name("x"), &text)
        .await
}

#[tokio::test]
async fn where_nothing_leaves_nothing_is_sent_on() {
    let world = World::with(&["ada", "eve", "joe"], rules()).await;
    assert_eq!(world.post.rules().elsewhere, Elsewhere::Refuse);
    let on = "redirect \"x@a.example\";";
    for text in [on, "require \"redirect-dsn\";"] {
        let verdict = kept(&world, text).await.unwrap();
        assert!(matches!(verdict, ScriptVerdict::Wrong(_)), "{verdict:?}");
    }
    assert_eq!(world.post.script_redirects_max(), None);
    let world = town().await;
    assert_eq!(world.post.script_redirects_max(), Some(4));
    runs(&world.account("ada").await, on).await;
    // It was once otherwise: the script does not run, and the letter is kept.
    let world = world.again_with(rules()).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(boxes(&world).await, in_inboxes(&["ada"]));
}

/// Readers who change a letter, each in another way: it is kept as it came once that is too much.
#[tokio::test]
async fn what_scripts_change_has_a_bound() {
    let names: Vec<String> = (0..20).map(|number| format!("a{number}")).collect();
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    let rules = Rules {
        body_memory_octets_max: 2 * 1024 * 1024,
        ..relaying()
    };
    let world = World::with(&refs, rules).await;
    for who in &names {
        let text = format!(
            "require [\"editheader\", \"fileinto\"]; addheader \"X-Tea\" \"{who}\"; \
             fileinto \"Archive\";"
        );
        runs(&world.account(who).await, &text).await;
    }
    let large = format!("{LETTER}{}\r\n", "x\r\n".repeat(350_000));
    world.deliver(&refs, &large).await.unwrap();
    let mut changed = 0;
    for who in &names {
        let held = held(&world.account(who).await).await;
        match held == one("Archive") {
            true => changed += 1,
            false => assert_eq!(held, one("INBOX")),
        }
    }
    assert_eq!(changed, 15);
    audited(&world.post).await;
}
