//! Domains whose mail is for other hosts: who is taken, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use ::trust::{Answer, Record};
use bytes::Bytes;
use mail::{Host, LocalPart, Notify, Recipient, Ret, ReversePath, TlsWish};
use post::queue::{Fate, QueueRules};
use post::{
    Alias, AliasSource, CopyRule, DmarcMeasure, Elsewhere, Event, GreyRules, Outcome, Pattern,
    RecipientsGathered, RelayedDomain, RewriteRules, Route, Rules, Sender, Sought, TrustRules, Why,
};
use store::CommitError;

use crate::filter::runs;
use crate::queue::{claim_one, is_empty, mail, pass, queue, relaying, said, settle};
use crate::world::{World, address, audited, origin, recipient, rules, sender, told};

const CUSTOMER: &str = "customer.example";
const LETTER: &str = "From: bob@elsewhere.example\r\nTo: you\r\nSubject: Tea\r\n\
    Authentication-Results: mx.example.org; spf=pass\r\n\r\nAt five?\r\n";

fn host(name: &str) -> Host {
    Host::parse(name).unwrap()
}

async fn list(world: &World, domain: &str, names: &[&str]) -> Outcome<usize> {
    let mut gathered = RecipientsGathered::default();
    for name in names {
        gathered.push(&LocalPart::new(name).unwrap())?;
    }
    let list = Some(gathered.finish());
    world.post.set_recipients(&host(domain), list).await
}

async fn alias(world: &World, source: &str, targets: &[&str]) -> Outcome<()> {
    let source = match source.strip_prefix('@') {
        Some(domain) => AliasSource::CatchAll(host(domain)),
        None => AliasSource::Address(address(source)),
    };
    let targets = targets.iter().map(|name| address(name)).collect();
    world.post.add_alias(Alias { source, targets }).await
}

/// A house with ada and eve that relays for customer.example.
async fn town(rules: Rules) -> World {
    let world = World::with(&["ada", "eve"], rules).await;
    let added = world.post.add_relayed_domain(&host(CUSTOMER)).await;
    added.unwrap();
    world
}

async fn send_to(world: &World, to: &[Recipient], text: &str) -> Outcome<()> {
    let from = sender("<bob@elsewhere.example>");
    let mut incoming = world.post.begin(origin(None), from)?;
    for one in to {
        incoming.recipient(one.clone()).await?;
    }
    let text = Bytes::copy_from_slice(text.as_bytes());
    incoming.chunk(text).await?;
    incoming.commit().await.map(drop)
}

async fn send(world: &World, to: &[&str]) -> Outcome<()> {
    let to: Vec<Recipient> = to.iter().map(|name| recipient(name)).collect();
    send_to(world, &to, LETTER).await
}

/// Where an address leads, in words.
fn way(world: &World, to: &str) -> String {
    match world.post.route(&recipient(to).forward_path) {
        Route::Elsewhere => "elsewhere".into(),
        Route::Relayed { is_listed: true } => "relayed, listed".into(),
        Route::Relayed { is_listed: false } => "relayed".into(),
        Route::Nowhere(refusal) => refusal.enhanced.to_string(),
        Route::Local(ids) => format!("local {}", names(world, &ids)),
        Route::Forwarded {
            accounts,
            addresses,
        } => {
            let to: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("to {} {}", names(world, &accounts), to.join(" "))
        }
    }
}

fn names(world: &World, ids: &[mail::AccountId]) -> String {
    let accounts = world.post.accounts();
    let accounts = accounts.iter().filter(|one| ids.contains(&one.id));
    let names: Vec<&str> = accounts.map(|one| one.address.local.as_str()).collect();
    names.join(" ")
}

async fn with_aliases(rules: Rules) -> World {
    let world = town(rules).await;
    for (source, targets) in [
        ("sales@customer.example", &["ada"][..]),
        ("both@customer.example", &["both@customer.example", "eve"]),
        ("abuse@customer.example", &["eve"]),
        ("round@customer.example", &["about@customer.example"]),
        ("about@customer.example", &["round@customer.example"]),
        ("far@customer.example", &["x@far.example"]),
        ("@customer.example", &["eve"]),
        ("desk", &["Bob@customer.example"]),
        ("lost", &["nobody@customer.example"]),
        ("chief", &["postmaster@customer.example"]),
    ] {
        alias(&world, source, targets).await.unwrap();
    }
    world
}

// tidy: table
#[tokio::test]
async fn aliases_come_first_and_then_the_list() {
    let world = with_aliases(relaying()).await;
    let always = [
        ("sales@customer.example", "local ada"),
        ("Sales+x@Customer.Example", "local ada"),
        ("both@customer.example", "to eve both@customer.example"),
        ("abuse@customer.example", "local eve"),
        ("postmaster@customer.example", "relayed"),
        ("Postmaster@customer.example", "relayed"),
        ("round@customer.example", "5.4.6"),
        ("far@customer.example", "to  x@far.example"),
        ("desk", "to  Bob@customer.example"),
        ("chief", "to  postmaster@customer.example"),
        ("x@sub.customer.example", "elsewhere"),
        ("x@xcustomer.example", "elsewhere"),
        ("x@[192.0.2.7]", "elsewhere"),
        ("ada@mx.example.org", "elsewhere"),
    ];
    let check = |world: &World, cases: &[(&str, &str)]| {
        for (to, expected) in cases {
            assert_eq!(way(world, to), *expected, "{to}");
        }
    };
    check(&world, &always);
    check(
        &world,
        &[
            ("bob@customer.example", "relayed"),
            ("nobody@customer.example", "relayed"),
            ("lost", "to  nobody@customer.example"),
        ],
    );
    let names = ["bob", "Zoë", "sales+own", "a%b", "joe"];
    assert_eq!(list(&world, CUSTOMER, &names).await.unwrap(), 5);
    for world in [&world, &world.again().await] {
        check(world, &always);
        check(
            world,
            &[
                ("BOB@customer.example", "relayed, listed"),
                ("bob+tea@customer.example", "relayed, listed"),
                ("zoË@customer.example", "relayed, listed"),
                ("sales+own@customer.example", "relayed, listed"),
                ("a%b@customer.example", "relayed, listed"),
                // Whom the list has not somebody here reads.
                ("nobody@customer.example", "local eve"),
                ("bob+x%far.example@customer.example", "local eve"),
                ("lost", "local eve"),
            ],
        );
    }
    let all = AliasSource::CatchAll(host(CUSTOMER));
    world.post.remove_alias(&all).await.unwrap();
    check(
        &world,
        &[
            ("nobody@customer.example", "5.1.1"),
            ("+bob@customer.example", "5.1.1"),
            ("bob+x%far.example@customer.example", "5.1.1"),
            ("lost", "5.1.1"),
        ],
    );
    // Whoever looks after the domain is there, whatever an alias says.
    let dead = ["nobody@customer.example"];
    alias(&world, "postmaster@customer.example", &dead)
        .await
        .unwrap();
    check(&world, &[("postmaster@customer.example", "relayed")]);
}

#[tokio::test]
async fn a_domain_is_local_or_relayed_and_not_both() {
    let world = town(relaying()).await;
    let post = &world.post;
    for (name, expected) in [
        ("example.org", "example.org is already ours, and local"),
        (CUSTOMER, "customer.example is here already, and relayed"),
    ] {
        for done in [
            post.add_domain(&host(name)).await,
            post.add_relayed_domain(&host(name)).await,
        ] {
            assert_eq!(told(done), format!("550 5.2.0 {expected}"));
        }
    }
    let own = post.add_relayed_domain(&host("mx.example.org")).await;
    assert_eq!(own.unwrap_err().why(), Why::Cannot);
    let account = post.add_account(&address("x@customer.example"), "x").await;
    assert_eq!(
        told(account),
        "550 5.2.0 customer.example is relayed: it has no accounts here"
    );
    let shared = post
        .add_shared_account(&address("x@customer.example"))
        .await;
    assert_eq!(shared.unwrap_err().why(), Why::Cannot);
    for (name, why) in [
        ("example.org", Why::Cannot),
        ("far.example", Why::Nonexistent),
    ] {
        let set = list(&world, name, &["x"]).await;
        assert_eq!(set.unwrap_err().why(), why, "{name}");
        let shown = post.recipients(&host(name), None, 9);
        assert_eq!(shown.unwrap_err().why(), why, "{name}");
    }
    let nobody = list(&world, CUSTOMER, &[]).await;
    assert_eq!(nobody.unwrap_err().why(), Why::Cannot);
    alias(&world, "sales@customer.example", &["ada"])
        .await
        .unwrap();
    let used = post.remove_domain(&host(CUSTOMER)).await;
    assert_eq!(used.unwrap_err().why(), Why::InUse);
    let sales = AliasSource::Address(address("sales@customer.example"));
    post.remove_alias(&sales).await.unwrap();
    list(&world, CUSTOMER, &["x", "y"]).await.unwrap();
    post.remove_domain(&host(CUSTOMER)).await.unwrap();
    assert_eq!(way(&world, "x@customer.example"), "elsewhere");
    // Nothing of it is left: the same name may be ours now.
    let world = world.again().await;
    world.post.add_domain(&host(CUSTOMER)).await.unwrap();
    let world = world.again().await;
    assert_eq!(world.post.domains().len(), 2);
    assert_eq!(way(&world, "x@customer.example"), "5.1.1");
    // Where nothing is sent from, nothing is relayed.
    for elsewhere in [Elsewhere::Refuse, Elsewhere::Capture] {
        let world = World::with(
            &["ada"],
            Rules {
                elsewhere,
                ..rules()
            },
        )
        .await;
        let added = world.post.add_relayed_domain(&host(CUSTOMER)).await;
        assert_eq!(added.unwrap_err().why(), Why::Cannot);
    }
}

#[tokio::test]
async fn a_list_is_replaced_whole_or_not_at_all() {
    let world = town(relaying()).await;
    let many: Vec<String> = (0..20_000).map(|one| format!("somebody{one:05}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    list(&world, CUSTOMER, &many).await.unwrap();
    world
        .post
        .add_relayed_domain(&host("a.example"))
        .await
        .unwrap();
    list(&world, "a.example", &["a"]).await.unwrap();
    let counts = |world: &World| {
        let all = world.post.relayed_domains().into_iter();
        let count = |one: RelayedDomain| format!("{} {:?}", one.name, one.recipients);
        all.map(count).collect::<Vec<_>>()
    };
    let expected = ["a.example Some(1)", "customer.example Some(20000)"];
    assert_eq!(counts(&world), expected);
    let world = world.again().await;
    assert_eq!(counts(&world), expected);
    // It is told in pages.
    let (mut told, mut after) = (Vec::new(), None);
    loop {
        let page = world
            .post
            .recipients(&host(CUSTOMER), after.as_deref(), 7000);
        let page = page.unwrap().unwrap();
        told.extend(page.locals);
        after = told.last().cloned();
        if !page.more {
            break;
        }
    }
    assert_eq!(told, many);
    // What says the same is not written, and what was not stored is not there.
    let written = world.store.done().len();
    list(&world, CUSTOMER, &many).await.unwrap();
    assert_eq!(world.store.done().len(), written);
    world.store.fail(0, CommitError::Full);
    assert!(list(&world, CUSTOMER, &["x"]).await.is_err());
    assert_eq!(
        way(&world, "somebody00007@customer.example"),
        "relayed, listed"
    );
    // A shorter one leaves no rows behind.
    list(&world, CUSTOMER, &["x"]).await.unwrap();
    audited(&world.post).await;
    let world = world.again().await;
    assert_eq!(way(&world, "somebody00007@customer.example"), "5.1.1");
    let stored = world.post.stats().await.unwrap();
    assert_eq!(stored.domains, 3);
    let set = world.post.set_recipients(&host(CUSTOMER), None).await;
    assert_eq!(set.unwrap(), 0);
    let world = world.again().await;
    assert_eq!(
        counts(&world),
        ["a.example Some(1)", "customer.example None"]
    );
    let page = world.post.recipients(&host(CUSTOMER), None, 9).unwrap();
    assert_eq!(page, None);
}

#[tokio::test]
async fn a_letter_goes_on_as_it_came_with_all_that_was_asked_for() {
    let rules = Rules {
        rewrites_senders: true,
        ..relaying()
    };
    let world = town(rules).await;
    let notify = Some(Notify::On {
        success: true,
        failure: true,
        delay: false,
    });
    let to = Recipient {
        notify,
        orcpt: Some("rfc822;b+2Bob@customer.example".into()),
        ..recipient("Bob@customer.example")
    };
    let from = Sender {
        ret: Some(Ret::Headers),
        envid: Some("A+B".into()),
        tls: TlsWish::Required,
        ..sender("<bob@elsewhere.example>")
    };
    let mut incoming = world.post.begin(origin(None), from).unwrap();
    incoming.recipient(to.clone()).await.unwrap();
    incoming.recipient(recipient("ada")).await.unwrap();
    incoming.chunk(LETTER.into()).await.unwrap();
    incoming.commit().await.unwrap();
    let letter = claim_one(&world, CUSTOMER).await;
    let entry = &letter.entry;
    assert_eq!(entry.reverse_path.to_string(), "<bob@elsewhere.example>");
    assert_eq!(entry.recipients[0].recipient, to);
    assert_eq!(entry.ret, Some(Ret::Headers));
    assert_eq!(entry.envid.as_deref(), Some("A+B"));
    assert_eq!(entry.tls, TlsWish::Required);
    assert!(entry.front.is_empty());
    let octets = world.post.read(entry.range()).await.unwrap();
    let text = String::from_utf8(octets.to_vec()).unwrap();
    assert!(text.starts_with("Received: from client.example "), "{text}");
    assert!(
        !text.contains("Authentication-Results: mx.example.org"),
        "{text}"
    );
    assert!(text.ends_with("\r\n\r\nAt five?\r\n"), "{text}");
    drop(letter);
    assert!(mail(&world, "ada", 1).await.contains("Subject: Tea"));
    // It is told so.
    let sought = Sought::Named("Bob@customer.example".into());
    let steps = world.post.journeys(&sought, mail::Timestamp::utc(0), None);
    let steps = steps.await.unwrap();
    let lines = steps.iter().flat_map(|told| &told.step.events);
    let mut lines = lines.filter_map(|event| match event {
        Event::Checked(line) => Some(line.as_str()),
        _ => None,
    });
    let expected = "taken for <Bob@customer.example>, which is relayed";
    assert!(lines.any(|line| line == expected), "{steps:?}");
}

#[tokio::test]
async fn whoever_names_it_twice_or_by_an_alias_does_not_make_it_anothers_letter() {
    let rules = Rules {
        rewrites_senders: true,
        ..relaying()
    };
    for to in [
        ["desk", "Bob@customer.example"],
        ["Bob@customer.example", "desk"],
        ["Both@customer.example", "eve"],
    ] {
        let world = with_aliases(rules.clone()).await;
        send(&world, &to).await.unwrap();
        let letter = claim_one(&world, CUSTOMER).await;
        assert_eq!(letter.entry.recipients.len(), 1, "{to:?}");
        let from = letter.entry.reverse_path.to_string();
        assert_eq!(from, "<bob@elsewhere.example>", "{to:?}");
    }
    // By an alias of ours alone it is one that is sent on.
    let world = with_aliases(rules).await;
    send(&world, &["desk"]).await.unwrap();
    let letter = claim_one(&world, CUSTOMER).await;
    let from = letter.entry.reverse_path.to_string();
    assert!(from.starts_with("<SRS0="), "{from}");
}

// tidy: table
#[tokio::test]
async fn strangers_get_no_further_than_to_that_domain() {
    let world = town(relaying()).await;
    for (to, expected) in [
        ("bob@customer.example", ""),
        ("bob+tea@customer.example", ""),
        ("postmaster@customer.example", ""),
        (
            "x%far.example@customer.example",
            "550 5.7.1 We do not relay for you",
        ),
        (
            "far.example!x@customer.example",
            "550 5.7.1 We do not relay for you",
        ),
        (
            "\"x@far.example\"@customer.example",
            "550 5.7.1 We do not relay for you",
        ),
        (
            "bob@sub.customer.example",
            "550 5.7.1 We do not relay for you",
        ),
        ("bob@[192.0.2.1]", "550 5.7.1 We do not relay for you"),
    ] {
        let sent = send(&world, &[to]).await;
        match expected {
            "" => sent.unwrap(),
            expected => assert_eq!(told(sent), expected, "{to}"),
        }
    }
    // Our own people send there as to everybody else.
    let ada = world.account("ada").await;
    let from = sender("<ada@example.org>");
    let mut incoming = world.post.begin(origin(Some(ada)), from).unwrap();
    let odd = recipient("x%far.example@customer.example");
    incoming.recipient(odd).await.unwrap();
    list(&world, CUSTOMER, &["bob"]).await.unwrap();
    let refused = incoming.recipient(recipient("joe@customer.example")).await;
    assert_eq!(told(refused), "550 5.1.1 There is no such user here");
    let refused = send(&world, &["joe@customer.example"]).await;
    assert_eq!(told(refused), "550 5.1.1 There is no such user here");
    // While nothing is sent, nothing is lost.
    let off = Rules {
        elsewhere: Elsewhere::Refuse,
        ..relaying()
    };
    let world = world.again_with(off).await;
    let later = told(send(&world, &["bob@customer.example"]).await);
    assert_eq!(
        later,
        "451 4.3.5 Mail for this domain cannot be sent on for now"
    );
}

#[tokio::test]
async fn what_the_domains_host_refuses_is_told_to_the_sender() {
    let kept = Rules {
        queue: QueueRules {
            suppress: Duration::from_secs(1_000_000),
            ..relaying().queue
        },
        ..relaying()
    };
    let world = town(kept).await;
    let to = ["gone@customer.example", "abuse@customer.example"];
    send(&world, &to).await.unwrap();
    settle(&world, CUSTOMER, &Fate::Failed(said(550, "No such user"))).await;
    let report = claim_one(&world, "elsewhere.example").await;
    assert_eq!(report.entry.reverse_path, ReversePath::Null);
    assert_eq!(queue(&world).await.len(), 1);
    // The next one need not be taken; but whoever has trouble is heard.
    let again = told(send(&world, &["gone@customer.example"]).await);
    assert!(
        again.starts_with("550 5.1.1 Mail to this address failed at "),
        "{again}"
    );
    send(&world, &["abuse@customer.example"]).await.unwrap();
    // A report for somebody there goes there.
    let world = town(relaying()).await;
    let from = sender("<bob@customer.example>");
    let mut incoming = world.post.begin(origin(None), from).unwrap();
    let to = Recipient {
        notify: Some(Notify::On {
            success: true,
            failure: false,
            delay: false,
        }),
        ..recipient("ada")
    };
    incoming.recipient(to).await.unwrap();
    incoming.chunk(LETTER.into()).await.unwrap();
    incoming.commit().await.unwrap();
    let report = claim_one(&world, CUSTOMER).await;
    assert_eq!(report.entry.reverse_path, ReversePath::Null);
}

#[tokio::test]
async fn it_is_checked_as_what_stays_here() {
    let rules = |dmarc| Rules {
        trust: TrustRules {
            check: true,
            dmarc,
            ..TrustRules::default()
        },
        ..relaying()
    };
    let strict = |world: &World, policy: &str| {
        let text = format!("v=DMARC1; p={policy}");
        world.made.publish("_dmarc.elsewhere.example", &text);
        let spf = "v=spf1 -all";
        world.made.publish("elsewhere.example", spf);
        world.made.say("elsewhere.example MX", Answer::NoData);
        let own = Record::A([192, 0, 2, 9].into());
        world
            .made
            .say("elsewhere.example A", Answer::Records(vec![own]));
    };
    let world = town(rules(DmarcMeasure::Reject)).await;
    strict(&world, "reject");
    let refused = told(send(&world, &["bob@customer.example"]).await);
    assert!(refused.starts_with("550 5.7.26 "), "{refused}");
    assert!(queue(&world).await.is_empty());
    // What would be filed as junk here says so there.
    let world = town(rules(DmarcMeasure::Reject)).await;
    strict(&world, "quarantine");
    send(&world, &["bob@customer.example"]).await.unwrap();
    let letter = claim_one(&world, CUSTOMER).await;
    let octets = world.post.read(letter.entry.range()).await.unwrap();
    let text = String::from_utf8(octets.to_vec()).unwrap();
    assert!(
        text.starts_with("Authentication-Results: mx.example.org;"),
        "{text}"
    );
    assert!(text.contains("dmarc=fail"), "{text}");
    assert_eq!(text.matches("Authentication-Results:").count(), 1, "{text}");
    assert!(is_empty(&world, "ada").await && is_empty(&world, "eve").await);
}

#[tokio::test]
async fn strangers_wait_as_in_front_of_those_who_are_here() {
    let waiting = Rules {
        trust: TrustRules {
            check: true,
            greylist: GreyRules {
                delay: Duration::from_secs(300),
                ..GreyRules::default()
            },
            ..TrustRules::default()
        },
        ..relaying()
    };
    let world = town(waiting).await;
    let later = "450 4.7.1 We do not know you yet; please try again in 300 seconds";
    for to in ["bob@customer.example", "ada"] {
        assert_eq!(told(send(&world, &[to]).await), later, "{to}");
    }
    send(&world, &["abuse@customer.example"]).await.unwrap();
    pass(&world, 301);
    send(&world, &["bob@customer.example"]).await.unwrap();
    assert_eq!(queue(&world).await.len(), 2);
}

#[tokio::test]
async fn scripts_and_copies_send_there_as_elsewhere() {
    let copying = Rules {
        rewriting: Arc::new(RewriteRules {
            copies: vec![CopyRule {
                sender: None,
                recipient: Pattern::parse("eve@example.org"),
                to: address("bob@customer.example"),
            }],
            ..RewriteRules::default()
        }),
        ..relaying()
    };
    let world = town(copying).await;
    list(&world, CUSTOMER, &["bob"]).await.unwrap();
    let ada = world.account("ada").await;
    runs(&ada, "redirect \"bob@customer.example\";").await;
    send(&world, &["ada"]).await.unwrap();
    let letter = claim_one(&world, CUSTOMER).await;
    let path = &letter.entry.recipients[0].recipient.forward_path;
    assert_eq!(path.to_string(), "<bob@customer.example>");
    drop(letter);
    assert!(is_empty(&world, "ada").await);
    send(&world, &["eve"]).await.unwrap();
    assert_eq!(queue(&world).await.len(), 2);
    // To nobody there a letter is not sent on: it is kept.
    runs(&ada, "redirect \"joe@customer.example\";").await;
    send(&world, &["ada"]).await.unwrap();
    assert!(mail(&world, "ada", 1).await.contains("Subject: Tea"));
}
