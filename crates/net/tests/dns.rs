//! The resolver, and a name server whose zone is a table.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use interop::NameServer;
use net::{DnsData, DnsFound, DnsKind, DnsSettings, Resolver, TrustAd};

/// Longer than any test waits for an answer that comes.
const PATIENCE: Duration = Duration::from_secs(30);

fn resolver(servers: &[SocketAddr], timeout: Duration) -> Resolver {
    Resolver::new(DnsSettings {
        servers: servers.to_vec(),
        timeout,
        trust_ad: TrustAd::Local,
    })
}

#[tokio::test]
async fn what_a_server_proves_is_believed_where_it_is_trusted() {
    let long = "x".repeat(2000);
    let zone = format!(
        "a.example A 192.0.2.1\na.example PROVEN\nalias.example CNAME a.example\n\
         alias.example PROVEN\nstray.example CNAME b.example\nstray.example PROVEN\n\
         b.example A 192.0.2.2\nlong.example TXT \"{long}\"\nlong.example PROVEN\n\
         bad.example FAIL\n"
    );
    let server = NameServer::start(&zone).unwrap();
    let found = DnsFound::Records(vec![DnsData::A(Ipv4Addr::new(192, 0, 2, 1))]);
    let other = DnsFound::Records(vec![DnsData::A(Ipv4Addr::new(192, 0, 2, 2))]);
    for trust_ad in [TrustAd::Local, TrustAd::Always, TrustAd::Never] {
        let resolver = Resolver::new(DnsSettings {
            servers: vec![server.address()],
            timeout: PATIENCE,
            trust_ad,
        });
        let believed = trust_ad != TrustAd::Never;
        for (name, expected, is_proven) in [
            ("a.example", &found, believed),
            ("alias.example", &found, believed),
            ("stray.example", &other, false),
            ("b.example", &other, false),
            ("nobody.example", &DnsFound::NoSuchName, false),
            ("bad.example", &DnsFound::Failed, false),
        ] {
            let proven = resolver.ask_proven(name, DnsKind::A).await;
            assert_eq!(
                (&proven.found, proven.is_proven),
                (expected, is_proven),
                "{name}"
            );
        }
        let nothing = resolver.ask_proven("a.example", DnsKind::Tlsa).await;
        assert_eq!(
            (nothing.found, nothing.is_proven),
            (DnsFound::NoData, believed)
        );
        let cut = resolver.ask_proven("long.example", DnsKind::Txt).await;
        assert_eq!(
            (cut.found, cut.is_proven),
            (DnsFound::Records(vec![text(&long)]), believed)
        );
        let alias = resolver.ask_proven("alias.example", DnsKind::A).await;
        let owner = if believed {
            "a.example"
        } else {
            "alias.example"
        };
        assert_eq!(alias.name, owner);
    }
}

fn text(octets: &str) -> DnsData {
    DnsData::Txt(octets.into())
}

#[tokio::test]
async fn records_of_all_kinds() {
    let long = "x".repeat(2000);
    let zone = format!(
        "a.example A 192.0.2.1\na.example A 192.0.2.2\na.example AAAA 2001:db8::1\n\
         a.example MX 10 Mx.a.example.\nnull.example MX 0 .\na.example TXT \"v=spf1\" \" -all\"\n\
         1.2.0.192.in-addr.arpa PTR a.example\n_25._tcp.a.example TLSA 3 1 1 abcd\n\
         alias.example CNAME b.example\nb.example CNAME a.example\n\
         astray.example CNAME nowhere.example\nlong.example TXT \"{long}\"\n\
         bad.example FAIL\nb\\w@d.example TXT \"odd\"\n"
    );
    let server = NameServer::start(&zone).unwrap();
    let resolver = resolver(&[server.address()], PATIENCE);
    let found = |records: &[DnsData]| DnsFound::Records(records.to_vec());
    let a = [1, 2].map(|last| DnsData::A(Ipv4Addr::new(192, 0, 2, last)));
    let mx = |preference, exchange: &str| DnsData::Mx {
        preference,
        exchange: exchange.into(),
    };
    let tlsa = DnsData::Tlsa {
        usage: 3,
        selector: 1,
        matching: 1,
        data: vec![0xab, 0xcd],
    };
    for (name, kind, expected) in [
        ("a.example", DnsKind::A, found(&a)),
        ("A.Example", DnsKind::A, found(&a)),
        ("alias.example", DnsKind::A, found(&a)),
        (
            "a.example",
            DnsKind::Aaaa,
            found(&[DnsData::Aaaa("2001:db8::1".parse().unwrap())]),
        ),
        ("a.example", DnsKind::Mx, found(&[mx(10, "mx.a.example")])),
        ("null.example", DnsKind::Mx, found(&[mx(0, "")])),
        ("a.example", DnsKind::Txt, found(&[text("v=spf1 -all")])),
        // Too long for UDP: asked again over TCP.
        ("long.example", DnsKind::Txt, found(&[text(&long)])),
        (
            "1.2.0.192.in-addr.arpa",
            DnsKind::Ptr,
            found(&[DnsData::Ptr("a.example".into())]),
        ),
        ("_25._tcp.a.example", DnsKind::Tlsa, found(&[tlsa])),
        // Whatever a policy makes of strangers' words is asked as it is.
        ("b\\w@d.example", DnsKind::Txt, found(&[text("odd")])),
        ("a.example", DnsKind::Ptr, DnsFound::NoData),
        ("nobody.example", DnsKind::A, DnsFound::NoSuchName),
        ("astray.example", DnsKind::A, DnsFound::NoSuchName),
        ("bad.example", DnsKind::A, DnsFound::Failed),
    ] {
        assert_eq!(resolver.ask(name, kind).await, expected, "{name} {kind:?}");
    }
    let asked = server.asked();
    assert!(
        asked.contains(&"long.example TXT over TCP".to_owned()),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_is_known_is_not_asked_again() {
    let server = NameServer::start("a.example TXT \"one\"\n").unwrap();
    let resolver = resolver(&[server.address()], PATIENCE);
    for _ in 0..3 {
        let found = resolver.ask("a.example", DnsKind::Txt).await;
        assert_eq!(found, DnsFound::Records(vec![text("one")]));
        let found = resolver.ask("b.example", DnsKind::Txt).await;
        assert_eq!(found, DnsFound::NoSuchName);
    }
    assert_eq!(server.asked(), ["a.example TXT", "b.example TXT"]);
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let server = NameServer::start("a.example FAIL\n").unwrap();
    let resolver = resolver(&[server.address()], PATIENCE);
    let found = resolver.ask("a.example", DnsKind::Txt).await;
    assert_eq!(found, DnsFound::Failed);
    server.publish("a.example TXT \"one\"\n").unwrap();
    let found = resolver.ask("a.example", DnsKind::Txt).await;
    assert_eq!(found, DnsFound::Records(vec![text("one")]));
}

#[tokio::test]
async fn a_dead_server_is_no_answer_and_the_next_one_is_asked() {
    let dead = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let alone = resolver(&[dead], Duration::from_millis(200));
    assert_eq!(alone.ask("a.example", DnsKind::Txt).await, DnsFound::Failed);
    let server = NameServer::start("a.example TXT \"one\"\n").unwrap();
    let both = resolver(&[dead, server.address()], PATIENCE);
    let found = both.ask("a.example", DnsKind::Txt).await;
    assert_eq!(found, DnsFound::Records(vec![text("one")]));
}

#[tokio::test]
async fn a_silent_server_is_waited_for_as_long_as_was_said() {
    let server = NameServer::start("a.example SILENT\n").unwrap();
    let resolver = resolver(&[server.address()], Duration::from_millis(200));
    let found = resolver.ask("a.example", DnsKind::Txt).await;
    assert_eq!(found, DnsFound::Failed);
    assert!(!server.asked().is_empty());
}

#[tokio::test]
async fn names_that_no_query_can_have_are_not_there() {
    let server = NameServer::start("").unwrap();
    let resolver = resolver(&[server.address()], PATIENCE);
    let long = "a".repeat(64);
    for name in ["a..b", &long, &"abc.".repeat(80)] {
        let found = resolver.ask(name, DnsKind::A).await;
        assert_eq!(found, DnsFound::NoSuchName, "{name}");
    }
    assert_eq!(server.asked(), Vec::<String>::new());
}
