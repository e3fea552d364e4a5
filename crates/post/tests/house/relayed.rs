//! Domains whose mail is for other hosts: who is taken, and what becomes of it.

use bytes::Bytes;
use mail::{Host, LocalPart, Recipient};
use post::{
    Alias, AliasSource, Elsewhere, Outcome, RecipientsGathered, RelayedDomain, Route, Rules, Why,
};
use store::CommitError;

use crate::queue::relaying;
use crate::world::{World, address, audited, origin, recipient, rules, sender, told};

pub(crate) const CUSTOMER: &str = "customer.example";
pub(crate) const LETTER: &str = "From: bob@elsewhere.example\r\nTo: you\r\nSubject: Tea\r\n\
    Authentication-Results: mx.example.org; spf=pass\r\n\r\nAt five?\r\n";

pub(crate) fn host(name: &str) -> Host {
    Host::parse(name).unwrap()
}

pub(crate) async fn list(world: &World, domain: &str, names: &[&str]) -> Outcome<usize> {
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
pub(crate) async fn town(rules: Rules) -> World {
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

pub(crate) async fn send(world: &World, to: &[&str]) -> Outcome<()> {
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

pub(crate) async fn with_aliases(rules: Rules) -> World {
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
