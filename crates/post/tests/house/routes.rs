//! Where addresses lead.

use mail::{Address, ForwardPath, Host, LocalPart};
use post::{Alias, AliasFile, AliasName, AliasSource, Route, Rules, Why};

use crate::world::{World, address, rules, told};

async fn alias(world: &World, source: &str, targets: &[&str]) {
    let source = match source.strip_prefix('@') {
        Some(domain) => AliasSource::CatchAll(Host::parse(domain).unwrap()),
        None => AliasSource::Address(address(source)),
    };
    let targets = targets.iter().map(|name| address(name)).collect();
    world
        .post
        .add_alias(Alias { source, targets })
        .await
        .unwrap();
}

/// The names of the accounts that an address leads to.
fn route(world: &World, to: &str) -> String {
    match world.post.route(&ForwardPath::Address(address(to))) {
        Route::Elsewhere | Route::Forwarded { .. } => "elsewhere".into(),
        Route::Relayed { .. } => "relayed".into(),
        Route::Nowhere(refusal) => refusal.enhanced.to_string(),
        Route::Local(ids) => {
            let accounts = world.post.accounts();
            let names = ids.iter().map(|id| {
                let listed = accounts.iter().find(|listed| listed.id == *id).unwrap();
                listed.address.local.as_str().to_owned()
            });
            names.collect::<Vec<_>>().join(" ")
        }
    }
}

#[tokio::test]
async fn addresses_lead_where_they_should() {
    let world = World::with(&["Ada", "eve", "joe", "joe+own"], rules()).await;
    world
        .post
        .add_domain(&Host::parse("example.net").unwrap())
        .await
        .unwrap();
    alias(&world, "team", &["ada", "EVE", "sub"]).await;
    alias(&world, "sub", &["joe", "ada+team"]).await;
    alias(&world, "round", &["about"]).await;
    alias(&world, "about", &["round"]).await;
    alias(&world, "half", &["round", "eve"]).await;
    alias(&world, "dead", &["nobody"]).await;
    alias(&world, "@example.net", &["eve"]).await;
    alias(&world, "sales@example.net", &["ada"]).await;

    for world in [&world, &world.again().await] {
        for (to, expected) in [
            ("ada", "Ada"),
            ("ADA", "Ada"),
            ("ada+lists", "Ada"),
            ("ada+a+b", "Ada"),
            ("joe+own", "joe+own"),
            ("joe+other", "joe"),
            ("+ada", "5.1.1"),
            ("team", "Ada eve joe"),
            ("team+x", "Ada eve joe"),
            ("round", "5.4.6"),
            ("half", "eve"),
            ("dead", "5.1.1"),
            ("nobody", "5.1.1"),
            ("postmaster", "Ada"),
            ("Abuse", "Ada"),
            ("anyone@example.net", "eve"),
            ("sales@example.net", "Ada"),
            ("postmaster@example.net", "Ada"),
            ("PostMaster@mx.example.org", "Ada"),
            ("abuse@MX.example.org", "Ada"),
            ("ada@mx.example.org", "elsewhere"),
            ("ada@elsewhere.example", "elsewhere"),
            ("ada@[192.0.2.7]", "elsewhere"),
        ] {
            assert_eq!(route(world, to), expected, "{to}");
        }
    }
    alias(&world, "postmaster", &["eve"]).await;
    assert_eq!(route(&world, "postmaster"), "eve");
    // Whoever reads it may go; somebody still reads it.
    world.post.remove_account(&address("eve")).await.unwrap();
    assert_eq!(route(&world, "postmaster"), "Ada");
    assert_eq!(route(&world, "PostMaster"), "Ada");
    let bare = world.post.route(&ForwardPath::Postmaster);
    assert!(matches!(bare, Route::Local(ids) if ids.len() == 1));
}

#[tokio::test]
async fn an_alias_never_leaves_somebody_out() {
    let small = Rules {
        alias_targets_max: 2,
        alias_depth_max: 2,
        ..rules()
    };
    let world = World::with(&["ada", "eve", "joe"], small).await;
    alias(&world, "two", &["ada", "eve"]).await;
    alias(&world, "three", &["two", "joe"]).await;
    alias(&world, "once", &["two"]).await;
    alias(&world, "twice", &["once", "ada"]).await;
    for (to, expected) in [
        ("two", "ada eve"),
        ("once", "ada eve"),
        ("three", "5.2.4"),
        ("twice", "5.2.4"),
    ] {
        assert_eq!(route(&world, to), expected, "{to}");
    }
}

#[tokio::test]
async fn the_directory_refuses_what_makes_no_sense() {
    let world = World::with(&["ada"], rules()).await;
    let post = &world.post;
    let host = |name: &str| Host::parse(name).unwrap();
    let same = post.add_domain(&host("example.org")).await;
    assert_eq!(same.unwrap_err().why(), Why::AlreadyExists);
    let used = post.remove_domain(&host("example.org")).await;
    assert_eq!(used.unwrap_err().why(), Why::InUse);
    let twice = post.add_account(&address("ADA"), "x").await;
    assert_eq!(twice.unwrap_err().why(), Why::AlreadyExists);
    let foreign: Address = address("a@elsewhere.example");
    let unknown = post.add_account(&foreign, "x").await;
    assert_eq!(
        told(unknown),
        "550 5.2.0 elsewhere.example is not our domain"
    );
    let source = AliasSource::Address(address("ada"));
    let over = Alias {
        source: source.clone(),
        targets: vec![address("eve")],
    };
    let over = post.add_alias(over).await;
    assert_eq!(over.unwrap_err().why(), Why::AlreadyExists);
    let none = post.remove_alias(&source).await;
    assert_eq!(none.unwrap_err().why(), Why::Nonexistent);
    post.add_domain(&host("example.net")).await.unwrap();
    post.remove_domain(&host("example.net")).await.unwrap();
    assert_eq!(post.domains(), [host("example.org")]);

    // A change that was not stored is not there, and the next one is.
    world.store.fail(0, store::CommitError::Full);
    assert!(post.add_domain(&host("example.net")).await.is_err());
    assert_eq!(post.domains().len(), 1);
    post.add_domain(&host("example.net")).await.unwrap();
    assert_eq!(post.domains().len(), 2);
    assert_eq!(world.again().await.post.domains().len(), 2);
}

/// A file of aliases: a name and where it leads, names without a domain as they are.
fn file(world: &World, domain: Option<&str>, lines: &[(&str, &str)]) {
    let name = |text: &str| match text.contains('@') {
        true => AliasName::Address(Address::parse(text).unwrap()),
        false => AliasName::Local(LocalPart::new(text).unwrap()),
    };
    let lines = lines.iter().map(|(from, to)| {
        let targets = to.split(' ').map(name).collect();
        (name(from), targets)
    });
    let domain = domain.map(|domain| Host::parse(domain).unwrap());
    world.post.set_alias_file(AliasFile::new(domain, lines));
}

#[tokio::test]
async fn aliases_of_a_file_give_way_to_all_others() {
    let world = World::with(&["ada", "eve", "joe"], rules()).await;
    let other = Host::parse("example.net").unwrap();
    world.post.add_domain(&other).await.unwrap();
    alias(&world, "team", &["ada"]).await;
    let lines = [
        ("Root", "ada eve"),
        ("postmaster", "root"),
        ("ada", "eve"),
        ("team", "eve"),
        ("joe@example.net", "joe"),
        ("round", "about"),
        ("about", "round"),
        ("away", "x@a.example"),
        ("both", "root x@a.example"),
    ];
    file(&world, Some("example.org"), &lines);
    for (to, expected) in [
        ("root", "ada eve"),
        ("ROOT+cron", "ada eve"),
        ("postmaster", "ada eve"),
        ("ada", "ada"),
        ("team", "ada"),
        ("joe@example.net", "joe"),
        ("root@example.net", "5.1.1"),
        ("round", "5.4.6"),
        // Nothing is sent from here.
        ("away", "5.1.1"),
        ("both", "ada eve"),
    ] {
        assert_eq!(route(&world, to), expected, "{to}");
    }
    // Names are of another domain, and what was there before is gone.
    file(&world, Some("example.net"), &[("root", "joe@example.org")]);
    assert_eq!(route(&world, "root@example.net"), "joe");
    assert_eq!(route(&world, "root"), "5.1.1");
}
