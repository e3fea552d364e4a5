//! TLS with them: what our policies make of their certificates, and theirs of ours.

use std::net::SocketAddr;
use std::path::PathBuf;

use interop::{Door, Kind, Neighbour, Sending, Tls, Wishes, free_address};

use super::machine::Machine;
use super::papers::{Papers, PolicyHost};
use super::sink::wait;
use super::{ADA, arrives, hand_in, server, told};

/// Certificates of their hosts, with what comes of a letter under MTA-STS, which wants a good one.
// tidy: table
const HOSTS: &[(&str, &str)] = &[
    (
        "good",
        "MTA-STS enforce; TLS1.3 TLS_AES_256_GCM_SHA384, certificate verified",
    ),
    ("expired", "its certificate has expired (4.7.5)"),
    (
        "self",
        "its certificate is not by an authority that is trusted (4.7.5)",
    ),
    ("other", "its certificate is for other names (4.7.5)"),
    ("plain", "TLS is not offered (4.7.10)"),
];

/// What comes of a letter to each of their hosts, without a policy and with one.
fn ours_of_theirs(kind: Kind, hosts: &[(&str, &str)]) {
    let mut zone = Vec::new();
    let domain = |host: &str, policy: &str| format!("{host}-{policy}.{}", kind.domain());
    let enforced: Vec<String> = hosts
        .iter()
        .map(|(host, _)| format!("mta-sts.{}", domain(host, "enforce")))
        .collect();
    let papers = Papers::make(&enforced);
    let policies = PolicyHost::start(&papers);
    let port = free_address().unwrap().port();
    let mut doors = Vec::new();
    for (place, (host, _)) in hosts.iter().enumerate() {
        let ip = format!("127.0.{}.{}", 1 + u8::from(kind == Kind::Exim), 11 + place);
        zone.push(format!("{host}.mail.example A {ip}"));
        doors.push(Door {
            address: SocketAddr::new(ip.parse().unwrap(), port),
            papers: (*host != "plain").then(|| PathBuf::from(papers.path(&format!("{host}.pem")))),
        });
        for policy in ["none", "enforce"] {
            zone.push(format!(
                "{} MX 10 {host}.mail.example",
                domain(host, policy)
            ));
        }
        let name = domain(host, "enforce");
        zone.push(format!("mta-sts.{name} A 127.0.0.1"));
        zone.push(format!("_mta-sts.{name} TXT \"v=STSv1; id=1;\""));
        let text = "version: STSv1\r\nmode: enforce\r\nmx: *.mail.example\r\nmax_age: 86400\r\n";
        policies.publish(&format!("mta-sts.{name}"), text);
    }
    let wishes = Wishes {
        doors,
        ..Wishes::default()
    };
    let Some(there) = Neighbour::start(kind, wishes).unwrap() else {
        return;
    };
    let more = format!(
        "policy_port = {}\nauthorities = \"{}\"\n",
        policies.port,
        papers.path("ca.pem")
    );
    let (machine, _names) = server(&zone.join("\n"), port, &more);
    let here = machine.server.address("smtp", Tls::Starttls);
    for (host, said) in hosts {
        for policy in ["none", "enforce"] {
            let to = format!("x@{}", domain(host, policy));
            hand_in(here, ADA, &[&to], &format!("{host}-{policy}"), "x");
            let expected = match (policy, *host) {
                ("none", "plain") => "no policy; without TLS",
                ("none", _) => "no policy; TLS1.3",
                _ => said,
            };
            let why = told(&machine, &to, expected);
            let goes = policy == "none" || *host == "good";
            assert_eq!(why.contains(" delivered: "), goes, "{host} {policy}: {why}");
            assert_eq!(why.contains(" deferred: "), !goes, "{host} {policy}: {why}");
        }
    }
    let verified = hosts.iter().filter(|(host, _)| *host == "good").count();
    wait(|| (there.letters().len() == hosts.len() + verified).then_some(()));
}

/// Our certificate, what they ask of it, and the protocol that the letter came by: none where it
/// waits.
// tidy: table
const OURS: &[(&str, Sending, Option<&str>)] = &[
    ("self", Sending::May, Some("ESMTPS")),
    ("expired", Sending::May, Some("ESMTPS")),
    ("self", Sending::Never, Some("ESMTP")),
    ("self", Sending::Encrypted, Some("ESMTPS")),
    ("good", Sending::Verified, Some("ESMTPS")),
    ("self", Sending::Verified, None),
    ("expired", Sending::Verified, None),
];

/// What comes of a letter to us, by what they ask of our certificate.
fn theirs_of_ours(kind: Kind) {
    let papers = Papers::make(&[]);
    let here = |name: &str| {
        let text = format!(
            "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
            papers.path(&format!("{name}.crt")),
            papers.path(&format!("{name}.key"))
        );
        (name.to_owned(), Machine::start(&text))
    };
    let machines = ["good", "self", "expired"].map(here);
    let mut there = None;
    for (place, (name, tls, came_by)) in OURS.iter().enumerate() {
        let (_, machine) = machines.iter().find(|(known, _)| known == name).unwrap();
        let wishes = Wishes {
            sends_to: Some(machine.server.address("smtp", Tls::Starttls)),
            tls: *tls,
            authorities: Some(PathBuf::from(papers.path("ca.pem"))),
            ..Wishes::default()
        };
        // One for each, so that what waits does not go under another policy.
        drop(there.take());
        let Some(neighbour) = Neighbour::start(kind, wishes).unwrap() else {
            return;
        };
        let subject = format!("number-{place}-");
        hand_in(neighbour.address(), "eve@a.example", &[ADA], &subject, "x");
        let Some(came_by) = came_by else {
            let waits = match kind {
                Kind::Exim => "== ada@test.localhost",
                Kind::OpenSmtpd => "result=TempFail",
            };
            wait(|| {
                neighbour
                    .log()
                    .replace('"', "")
                    .contains(waits)
                    .then_some(())
            });
            let mail = machine.mail(ADA);
            assert!(
                !mail.iter().any(|one| one.contains(&subject)),
                "{name} {tls:?}"
            );
            continue;
        };
        let letter = arrives(|| machine.mail(ADA), &format!("Subject: {subject}"));
        let by = format!("with {came_by}\r\n");
        let by_too = format!("with {came_by} ");
        assert!(
            letter.contains(&by) || letter.contains(&by_too),
            "{tls:?}: {letter}"
        );
        there = Some(neighbour);
    }
}

#[test]
fn exims_certificates_are_judged() {
    ours_of_theirs(Kind::Exim, HOSTS);
}

/// Debian's OpenSMTPD 6.8 does not get through a handshake as the server's end, whatever its key:
/// what is left is a host without TLS.
#[test]
fn opensmtpd_without_tls_is_judged() {
    let plain = HOSTS.iter().filter(|(host, _)| *host == "plain");
    ours_of_theirs(Kind::OpenSmtpd, &plain.copied().collect::<Vec<_>>());
}

#[test]
fn exim_judges_our_certificate() {
    theirs_of_ours(Kind::Exim);
}

#[test]
fn opensmtpd_judges_our_certificate() {
    theirs_of_ours(Kind::OpenSmtpd);
}
