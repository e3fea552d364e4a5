//! `.forward` files: where letters go that reach an account, and what is not changed by them.

use bytes::Bytes;
use mail::{Address, ForwardPath, Host, LocalPart, Notify, Timestamp};
use post::queue::{Attempt, Fate};
use post::{
    Alias, AliasFile, AliasName, AliasSource, Event, Fetched, Forward, Forwards, Origin, Protocol,
    Route, Rules, Sought, UserName,
};

use crate::fetched::{SOURCE, fetched, message};
use crate::filter::runs;
use crate::queue::{LETTER, claim_one, is_empty, mail, queue, relaying, said, send, settle};
use crate::world::{World, address, deliver, origin, recipient, rules, sender, told};

const ALL: [&str; 4] = ["ada", "bob", "carl", "joe"];

/// A target as it stands in a file.
fn name(text: &str) -> AliasName {
    match text.strip_prefix('\\') {
        Some(name) => AliasName::Mailbox(LocalPart::new(name).unwrap()),
        None if text.contains('@') => AliasName::Address(Address::parse(text).unwrap()),
        None => AliasName::Local(LocalPart::new(text).unwrap()),
    }
}

/// Users and what their files say; `|` is a program.
fn forwards(world: &World, files: &[(&str, &str)]) {
    let users = files.iter().map(|(user, text)| {
        let (programs, to): (Vec<&str>, Vec<&str>) =
            text.split_whitespace().partition(|word| *word == "|");
        let to = to.into_iter().map(name).collect();
        let programs = programs.len();
        (UserName::parse(user).unwrap(), Forward { to, programs })
    });
    let domain = Host::parse("example.org").unwrap();
    world.post.set_forwards(Forwards::new(domain, users));
}

/// A file of aliases, of names that lead to names and addresses.
fn alias_file(world: &World, lines: &[(&str, &str)]) {
    let lines = lines.iter();
    let lines = lines.map(|(from, to)| (name(from), to.split(' ').map(name).collect()));
    let domain = Host::parse("example.org").unwrap();
    let file = AliasFile::new(Some(domain), lines);
    world.post.set_alias_file(file);
}

/// The accounts and addresses that an address leads to, or why there are none.
fn shown(world: &World, route: Route) -> String {
    let (ids, addresses) = match route {
        Route::Local(ids) => (ids, Vec::new()),
        Route::Forwarded {
            accounts,
            addresses,
        } => (accounts, addresses),
        Route::Nowhere(refusal) => return refusal.enhanced.to_string(),
        Route::Elsewhere | Route::Relayed { .. } => return "elsewhere".into(),
    };
    let accounts = world.post.accounts();
    let names = accounts.iter().filter(|listed| ids.contains(&listed.id));
    let names = names.map(|listed| listed.address.local.as_str().to_owned());
    let addresses = addresses.iter().map(Address::to_string);
    names.chain(addresses).collect::<Vec<_>>().join(" ")
}

fn route(world: &World, to: &str) -> String {
    let path = ForwardPath::Address(address(to));
    shown(world, world.post.route(&path))
}

// tidy: table
#[tokio::test]
async fn what_reaches_an_account_goes_where_its_file_says() {
    let world = World::with(&ALL, relaying()).await;
    for (files, to, expected) in [
        (&[][..], "ada", "ada"),
        (&[("ada", "bob")], "ADA+x", "bob"),
        (&[("ada", "bob x@a.example")], "ada", "bob x@a.example"),
        // Who is named in the own file keeps the letter, whatever stands behind the name.
        (&[("ada", "Ada bob")], "ada", "ada bob"),
        (&[("ada", "ada@Example.org")], "ada", "ada"),
        (&[("ada", "ada+mine carl")], "ada", "ada carl"),
        (&[("ada", "\\ada x@a.example")], "ada", "ada x@a.example"),
        // A mailbox is the end of the way.
        (&[("ada", "\\bob"), ("bob", "carl")], "ada", "bob"),
        (&[("ada", "bob"), ("bob", "carl")], "ada", "carl"),
        (&[("ada", "bob"), ("bob", "carl \\bob")], "ada", "bob carl"),
        // A circle; and one in which somebody keeps it, once.
        (&[("ada", "bob"), ("bob", "ada")], "ada", "5.4.6"),
        (&[("ada", "bob"), ("bob", "ada bob")], "ada", "bob"),
        (&[("ada", "bob \\ada"), ("bob", "ada")], "ada", "ada"),
        (
            &[("ada", "bob"), ("bob", "carl"), ("carl", "bob")],
            "ada",
            "5.4.6",
        ),
        // Nobody is left out because two others lead to each other.
        (&[("ada", "bob"), ("bob", "ada")], "team", "ada bob carl"),
        (&[("ada", "bob"), ("bob", "\\bob")], "team", "bob carl"),
        (&[("ada", "team")], "ada", "ada bob carl"),
        (&[("ada", "round")], "ada", "5.4.6"),
        // What leads to nobody loses nothing.
        (&[("ada", "nobody gone@example.org")], "ada", "ada"),
        (&[("ada", "nobody bob")], "ada", "bob"),
        (&[("ada", "|")], "ada", "ada@example.org"),
        (&[("ada", "| \\ada")], "ada+x", "ada ada+x@example.org"),
        (&[("ada", "|"), ("bob", "ada")], "bob", "ada@example.org"),
        // Of an account at another domain nothing is read.
        (&[("joe", "bob")], "joe@example.net", "joe"),
        // Whoever reads what is for the postmaster is not silenced by it.
        (&[("ada", "x@a.example")], "postmaster", "x@a.example"),
        (&[("ada", "postmaster")], "postmaster", "ada"),
        (&[("ada", "bob"), ("bob", "ada")], "postmaster", "ada"),
    ] {
        if world.post.domains().len() == 1 {
            let other = Host::parse("example.net").unwrap();
            world.post.add_domain(&other).await.unwrap();
            let joe = address("joe@example.net");
            world.post.add_account(&joe, "x").await.unwrap();
            let lines = [
                ("team", "ada bob carl"),
                ("round", "about"),
                ("about", "round"),
            ];
            alias_file(&world, &lines);
        }
        forwards(&world, files);
        assert_eq!(route(&world, to), expected, "{files:?} {to}");
    }
}

#[tokio::test]
async fn limits_count_and_nothing_leaves_where_nothing_is_sent() {
    let small = Rules {
        alias_targets_max: 2,
        alias_depth_max: 2,
        ..relaying()
    };
    let world = World::with(&["ada", "bob", "carl", "dora"], small).await;
    for (files, expected) in [
        (
            &[("ada", "x@a.example y@a.example z@a.example")][..],
            "5.2.4",
        ),
        (&[("ada", "bob"), ("bob", "carl")], "carl"),
        (
            &[
                ("ada", "bob"),
                ("bob", "carl"),
                ("carl", "dora"),
                ("dora", "x@a.example"),
            ],
            "5.2.4",
        ),
    ] {
        forwards(&world, files);
        assert_eq!(route(&world, "ada"), expected, "{files:?}");
    }
    let world = World::with(&ALL, rules()).await;
    for (text, expected) in [("x@a.example |", "ada"), ("x@a.example bob", "bob")] {
        forwards(&world, &[("ada", text)]);
        assert_eq!(route(&world, "ada"), expected, "{text}");
    }
}

#[tokio::test]
async fn a_backslash_in_the_file_of_aliases_ends_at_the_mailbox() {
    let world = World::with(&ALL, relaying()).await;
    let source = AliasSource::Address(address("staff"));
    let targets = vec![address("carl")];
    world
        .post
        .add_alias(Alias { source, targets })
        .await
        .unwrap();
    alias_file(&world, &[("root", "\\ada \\staff"), ("both", "ada \\ada")]);
    forwards(&world, &[("ada", "x@a.example")]);
    // What is no account is what it was without the backslash.
    assert_eq!(route(&world, "root"), "ada carl");
    assert_eq!(route(&world, "both"), "ada x@a.example");
}

#[tokio::test]
async fn whoever_sends_mail_on_may_write_in_the_own_name() {
    let world = World::with(&ALL, relaying()).await;
    forwards(&world, &[("ada", "x@a.example"), ("bob", "ada")]);
    let sent = |from: &'static str| {
        let world = &world;
        async move { send(world, sender(from), &[recipient("carl")], LETTER).await }
    };
    sent("<ada@example.org>").await.unwrap();
    sent("<ada+lists@example.org>").await.unwrap();
    // That his letters come to her does not make her him.
    assert!(told(sent("<bob@example.org>").await).contains("not yours"));
    assert_eq!(queue(&world).await, [""; 0]);
}

#[tokio::test]
async fn a_letter_that_is_sent_on_is_as_one_by_an_alias() {
    let rules = Rules {
        rewrites_senders: true,
        ..relaying()
    };
    let world = World::with(&ALL, rules).await;
    forwards(&world, &[("ada", "x@a.example | \\ada"), ("bob", "|")]);
    let text = "Subject: Tea\r\n\r\nx\r\n";
    deliver(&world.post, &["ada", "bob"], text).await.unwrap();
    assert_eq!(
        queue(&world).await,
        [
            "1 |programs/ada +0 0: <ada@example.org>",
            "2 |programs/bob +0 0: <bob@example.org>",
            "3 a.example +0 0: <x@a.example>",
        ]
    );
    mail(&world, "ada", 1).await;
    assert!(is_empty(&world, "bob").await);
    // Programs hear who wrote; the next host hears of somebody for whom this one may send.
    let from = |claimed: post::queue::Claimed| claimed.entry.reverse_path.to_string();
    for to in ["|programs/ada", "|programs/bob"] {
        assert_eq!(from(claim_one(&world, to).await), "<bob@elsewhere.example>");
    }
    assert!(from(claim_one(&world, "a.example").await).starts_with("<SRS0="));
    let sought = Sought::Named("x@a.example".into());
    let told = world.post.journeys(&sought, Timestamp::utc(0), None).await;
    let told = told.unwrap();
    let mut events = told.iter().flat_map(|told| &told.step.events);
    let words = "forward: by the .forward of ada@example.org";
    assert!(
        events.any(|event| matches!(event, Event::Checked(line) if line == words)),
        "{told:?}"
    );
}

#[tokio::test]
async fn who_asked_hears_that_programs_got_it() {
    let world = World::with(&ALL, relaying()).await;
    forwards(&world, &[("bob", "|")]);
    let mut to = recipient("bob");
    to.notify = Some(Notify::On {
        success: true,
        failure: true,
        delay: false,
    });
    let sent = send(&world, sender("<ada@example.org>"), &[to], LETTER).await;
    sent.unwrap();
    // What the file says meanwhile takes the letter nowhere else.
    forwards(&world, &[]);
    let claimed = claim_one(&world, "|programs/bob").await;
    let taken = Fate::Taken(said(250, "Handed to a program"));
    let attempt = Attempt::all(&claimed.entry, &taken);
    world
        .post
        .settle_queued(&[(claimed, attempt)])
        .await
        .unwrap();
    let report = mail(&world, "ada", 1).await;
    assert!(report.contains("Action: delivered\r\n"), "{report}");
}

#[tokio::test]
async fn another_mailer_delivers_into_the_mailbox() {
    let world = World::with(&ALL, relaying()).await;
    forwards(
        &world,
        &[("ada", "x@a.example"), ("bob", "carl"), ("carl", "bob")],
    );
    let handed_over = Origin {
        protocol: Protocol::Deliver,
        ..origin(None)
    };
    runs(
        &world.account("bob").await,
        "require \"ereject\"; ereject \"No\";",
    )
    .await;
    let from = sender("<bob@elsewhere.example>");
    let mut incoming = world.post.begin(handed_over, from).unwrap();
    for name in ["ada", "bob"] {
        incoming.recipient(recipient(name)).await.unwrap();
    }
    incoming
        .chunk(Bytes::from_static(b"Subject: x\r\n\r\n"))
        .await
        .unwrap();
    let receipt = incoming.commit().await.unwrap();
    // As by LMTP, each has an answer of its own.
    assert_eq!(receipt.refused.len(), 1);
    mail(&world, "ada", 1).await;
    assert_eq!(queue(&world).await, [""; 0]);
}

#[tokio::test]
async fn what_is_fetched_stays() {
    let world = World::with(&ALL, relaying()).await;
    forwards(&world, &[("ada", "x@a.example"), ("bob", "carl")]);
    let ada = world.account("ada").await;
    let mut fetching = ada.fetching(SOURCE).await.unwrap();
    for (number, recipients) in [(1, Vec::new()), (2, vec![recipient("bob")])] {
        let one = Fetched {
            recipients,
            ..fetched(number)
        };
        message(&mut fetching, number, one).await.unwrap();
    }
    fetching.commit().await.unwrap();
    mail(&world, "ada", 1).await;
    mail(&world, "bob", 1).await;
    assert_eq!(queue(&world).await, [""; 0]);
}

/// No report is lost by a `.forward`, whoever's it is.
#[tokio::test]
async fn reports_find_a_reader() {
    let world = World::with(&ALL, relaying()).await;
    // Her reports go where all her letters go.
    forwards(&world, &[("ada", "x@a.example")]);
    let failed = Fate::Failed(said(550, "nobody"));
    let to = [recipient("x@far.example")];
    send(&world, sender("<ada@example.org>"), &to, LETTER)
        .await
        .unwrap();
    settle(&world, "far.example", &failed).await;
    assert_eq!(queue(&world).await, ["2 a.example +0 0: <x@a.example>"]);
    // One that is lost there is told to the postmaster here, though she is the postmaster.
    settle(&world, "a.example", &failed).await;
    assert_eq!(queue(&world).await, [""; 0]);
    let note = mail(&world, "ada", 1).await;
    assert!(note.contains("Subject: Undeliverable report\r\n"), "{note}");
    // A file that leads in a circle keeps none from who wrote the letter.
    forwards(&world, &[("ada", "bob"), ("bob", "ada")]);
    send(&world, sender("<ada@example.org>"), &to, LETTER)
        .await
        .unwrap();
    settle(&world, "far.example", &failed).await;
    let report = mail(&world, "ada", 2).await;
    assert!(report.contains("Action: failed\r\n"), "{report}");
    assert!(is_empty(&world, "bob").await);
}
