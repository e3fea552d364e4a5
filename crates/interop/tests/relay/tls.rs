//! What domains want of TLS, and what their hosts have: a Postfix with good and bad certificates,
//! an HTTPS server in Python that has the policies, certificates by openssl.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use interop::{Postfix, free_address};

use super::papers::{Papers, PolicyHost};
use super::sink::wait;
use super::{Town, town};

/// The hosts: what their certificates are, and the address of each.
const HOSTS: [(&str, &str); 5] = [
    ("good", "127.0.0.2"),
    ("expired", "127.0.0.3"),
    ("self", "127.0.0.4"),
    ("other", "127.0.0.5"),
    ("plain", "127.0.0.6"),
];

/// A Postfix that takes letters for everybody at these hosts' addresses.
pub(crate) fn hosts(papers: &Papers, more: &str) -> (Postfix, u16) {
    let port = free_address().unwrap().port();
    let doors = HOSTS.map(|(kind, ip)| {
        let address = SocketAddr::new(ip.parse().unwrap(), port);
        let options = match kind {
            "plain" => "-o smtpd_tls_security_level=none".to_owned(),
            _ => {
                let chain = papers.path(&format!("{kind}.pem"));
                format!("-o smtpd_tls_security_level=may -o smtpd_tls_chain_files={chain}")
            }
        };
        (address, options)
    });
    let main = format!(
        "virtual_mailbox_domains = static:all\nvirtual_mailbox_maps = static:x/\n\
         smtpd_recipient_restrictions = reject_unauth_destination\nsmtpd_tls_loglevel = 1\n\
         smtpd_tls_received_header = yes\n{more}"
    );
    (Postfix::listening_at_each(&doors, &main).unwrap(), port)
}

/// The addresses of the hosts, as lines of a zone.
pub(crate) fn addresses() -> Vec<String> {
    let all = HOSTS.iter();
    all.map(|(kind, ip)| format!("{kind}.mail.example A {ip}"))
        .collect()
}

/// One domain: its host, what its policy is, what DNS says of its host's certificate, and what is
/// to be told of a letter to it.
struct Case {
    domain: &'static str,
    host: &'static str,
    policy: Option<&'static str>,
    zone: Vec<String>,
    told: [&'static str; 2],
}

const GONE: &str = "delivered: ";
const WAITS: &str = "deferred: ";

fn case(
    domain: &'static str,
    host: &'static str,
    policy: Option<&'static str>,
    told: [&'static str; 2],
) -> Case {
    Case {
        domain,
        host,
        policy,
        zone: Vec::new(),
        told,
    }
}

// tidy: table
fn sts_cases() -> Vec<Case> {
    let verified = "MTA-STS enforce; TLS1.3 TLS_AES_256_GCM_SHA384, certificate verified";
    vec![
        case("good-none", "good", None, [GONE, "no policy; TLS1.3"]),
        case("self-none", "self", None, [GONE, "no policy; TLS1.3"]),
        case(
            "plain-none",
            "plain",
            None,
            [GONE, "no policy; without TLS"],
        ),
        case("good", "good", Some("enforce"), [GONE, verified]),
        case(
            "expired",
            "expired",
            Some("enforce"),
            [
                WAITS,
                "(MTA-STS enforce): its certificate has expired (4.7.5)",
            ],
        ),
        case(
            "self",
            "self",
            Some("enforce"),
            [
                WAITS,
                "its certificate is not by an authority that is trusted (4.7.5)",
            ],
        ),
        case(
            "other",
            "other",
            Some("enforce"),
            [WAITS, "its certificate is for other names (4.7.5)"],
        ),
        case(
            "plain",
            "plain",
            Some("enforce"),
            [WAITS, "(MTA-STS enforce): TLS is not offered (4.7.10)"],
        ),
        case(
            "expired-testing",
            "expired",
            Some("testing"),
            [
                GONE,
                "certificate not verified (its certificate has expired)",
            ],
        ),
        case(
            "plain-testing",
            "plain",
            Some("testing"),
            [GONE, "MTA-STS testing; without TLS"],
        ),
        case(
            "self-off",
            "self",
            Some("none"),
            [GONE, "no policy; TLS1.3"],
        ),
        // Names other hosts.
        case(
            "unnamed",
            "good",
            Some("unnamed"),
            [
                WAITS,
                "(MTA-STS enforce): the domain's policy does not name it",
            ],
        ),
        // What leads elsewhere, is no text, or is no policy, is none.
        case("led", "self", Some("302"), [GONE, "no policy; TLS1.3"]),
        case("html", "self", Some("html"), [GONE, "no policy; TLS1.3"]),
        case(
            "broken",
            "self",
            Some("broken"),
            [GONE, "no policy; TLS1.3"],
        ),
        case(
            "missing",
            "self",
            Some("missing"),
            [GONE, "no policy; TLS1.3"],
        ),
    ]
}

fn policy(policies: &PolicyHost, case: &Case, kind: &str) {
    let mode = match kind {
        "testing" | "none" => kind,
        _ => "enforce",
    };
    let mx = match kind {
        "unnamed" => "*.elsewhere.example",
        _ => "*.mail.example",
    };
    let name = format!("mta-sts.{}.example", case.domain);
    let text = match kind {
        "broken" => "version: STSv1\r\nmode: enforce\r\n".to_owned(),
        "missing" => return,
        _ => format!("version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 86400\r\n"),
    };
    if matches!(kind, "302" | "html") {
        policies.publish(&format!("{name}.how"), kind);
    }
    policies.publish(&name, &text);
}

/// The zone of all cases; without their records, if `is_silent`.
fn zone(cases: &[Case], is_silent: bool) -> String {
    let mut lines = addresses();
    for Case {
        domain,
        host,
        policy,
        zone,
        ..
    } in cases
    {
        lines.push(format!("{domain}.example MX 10 {host}.mail.example"));
        lines.push(format!("mta-sts.{domain}.example A 127.0.0.1"));
        if policy.is_some() && !is_silent {
            lines.push(format!("_mta-sts.{domain}.example TXT \"v=STSv1; id=1;\""));
        }
        lines.extend(zone.iter().cloned());
    }
    lines.join("\n")
}

fn start(cases: &[Case], papers: &Papers, port: u16, policies: &PolicyHost) -> Town {
    for case in cases {
        if let Some(kind) = case.policy {
            policy(policies, case, kind);
        }
    }
    let more = format!(
        "policy_port = {}\nauthorities = \"{}\"\ntls_reports = \"tls@test.localhost\"\n",
        policies.port,
        papers.path("ca.pem")
    );
    town(&zone(cases, false), port, &more)
}

/// What is told of each domain's letter: the line that says what came of it, and the one behind.
fn told(town: &Town, subject: &str) -> BTreeMap<String, String> {
    let why = town.server.output(&["why", subject], "").unwrap();
    let why = String::from_utf8(why.stdout).unwrap();
    let mut told = BTreeMap::new();
    let lines: Vec<&str> = why.lines().collect();
    for (place, line) in lines.iter().enumerate() {
        let Some((_, rest)) = line.split_once(" to <x@") else {
            continue;
        };
        let (domain, said) = rest.split_once(".example> ").unwrap();
        let behind = lines.get(place + 1).map_or("", |line| line.trim());
        told.insert(domain.to_owned(), format!("{said}\n{behind}"));
    }
    told
}

fn all_told(town: &Town, cases: &[Case], subject: &str) {
    let to: Vec<String> = cases
        .iter()
        .map(|case| format!("x@{}.example", case.domain))
        .collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    town.send(&to, subject, &[]);
    let told = wait(|| {
        let told = told(town, subject);
        (told.len() == cases.len()).then_some(told)
    });
    for case in cases {
        let said = told.get(case.domain).unwrap();
        let fits = case.told.iter().all(|part| said.contains(part));
        assert!(fits, "{}: {said}\n{}", case.domain, town.server.log());
    }
}

fn policy_hosts(cases: &[Case]) -> Vec<String> {
    let domains = cases.iter().map(|case| case.domain);
    domains
        .map(|domain| format!("mta-sts.{domain}.example"))
        .collect()
}

#[test]
fn policies_of_other_domains_are_gone_by() {
    let cases = sts_cases();
    let papers = Papers::make(&policy_hosts(&cases));
    let policies = PolicyHost::start(&papers);
    let (postfix, port) = hosts(&papers, "");
    let mut town = start(&cases, &papers, port, &policies);
    all_told(&town, &cases, "policies");
    let went = cases.iter().filter(|case| case.told[0] == GONE).count();
    wait(|| (postfix.letters().len() == went).then_some(()));
    assert!(
        !policies.asked().contains("mta-sts.good-none"),
        "{}",
        policies.asked()
    );
    // A policy that leads elsewhere is not followed there.
    assert_eq!(
        policies
            .asked()
            .matches("GET mta-sts.good.example ")
            .count(),
        1
    );

    // What was kept holds, though its record and its host are gone, and the server begins anew.
    assert!(town.server.stop());
    drop(policies);
    town.names.publish(&zone(&cases, true)).unwrap();
    town.server.run().unwrap();
    let kept: Vec<Case> = cases
        .into_iter()
        .filter(|case| case.policy == Some("enforce"))
        .collect();
    all_told(&town, &kept, "again");
}

// tidy: table
fn dane_cases(papers: &Papers, port: u16) -> Vec<Case> {
    let (own, strange) = (papers.hash("self.key-hash"), papers.hash("good.key-hash"));
    let authority = papers.hash("ca.hash");
    let verified = "DANE; TLS1.3 TLS_AES_256_GCM_SHA384, certificate verified";
    let unnamed = "(DANE): no record is about this certificate (4.7.5)";
    // A host of its own for each, whose address, exchanger and certificate are proven or not.
    let dane = |domain, kind: &str, tlsa: String, proven: &str, policy, told| {
        let ip = HOSTS.iter().find(|(name, _)| *name == kind).unwrap().1;
        let mut zone = vec![
            format!("{domain}.mail.example A {ip}"),
            format!("_{port}._tcp.{domain}.mail.example {tlsa}"),
        ];
        let owners = [
            ("m", format!("{domain}.example")),
            ("a", format!("{domain}.mail.example")),
            ("t", format!("_{port}._tcp.{domain}.mail.example")),
        ];
        let owners = owners.iter().filter(|(sign, _)| proven.contains(sign));
        zone.extend(owners.map(|(_, owner)| format!("{owner} PROVEN")));
        Case {
            zone,
            ..case(domain, domain, policy, told)
        }
    };
    let named = |hash: &str| format!("TLSA 3 1 1 {hash}");
    let mut cases = vec![
        dane("right", "self", named(&own), "mat", None, [GONE, verified]),
        dane(
            "wrong",
            "self",
            named(&strange),
            "mat",
            None,
            [WAITS, unnamed],
        ),
        dane(
            "clear",
            "plain",
            named(&own),
            "mat",
            None,
            [WAITS, "(DANE): TLS is not offered"],
        ),
        dane(
            "before",
            "self",
            named(&own),
            "mat",
            Some("enforce"),
            [GONE, verified],
        ),
        dane(
            "against",
            "good",
            named(&own),
            "mat",
            Some("enforce"),
            [WAITS, unnamed],
        ),
        dane(
            "unproven",
            "self",
            named(&strange),
            "ma",
            None,
            [GONE, "no policy; TLS1.3"],
        ),
        dane(
            "led",
            "self",
            named(&strange),
            "at",
            None,
            [GONE, "no policy; TLS1.3"],
        ),
        dane(
            "useless",
            "self",
            format!("TLSA 1 1 1 {strange}"),
            "mat",
            None,
            [GONE, "DANE without usable records; TLS1.3"],
        ),
        dane(
            "unknown",
            "self",
            "FAIL".to_owned(),
            "ma",
            None,
            [
                WAITS,
                "(DANE): what its certificate must be cannot be found out for now",
            ],
        ),
        dane(
            "above",
            "good",
            format!("TLSA 2 0 1 {authority}"),
            "mat",
            None,
            [WAITS, "(DANE): its certificate is for other names"],
        ),
    ];
    // The name that an alias leads to has the record, and the certificate.
    cases.push(Case {
        zone: vec![
            "alias.example PROVEN".to_owned(),
            "alias.mail.example CNAME good.mail.example".to_owned(),
            "alias.mail.example PROVEN".to_owned(),
            "good.mail.example PROVEN".to_owned(),
            format!("_{port}._tcp.good.mail.example TLSA 2 0 1 {authority}"),
            format!("_{port}._tcp.good.mail.example PROVEN"),
        ],
        ..case("alias", "alias", None, [GONE, verified])
    });
    cases
}

#[test]
fn certificates_that_dns_names_have_to_be_shown() {
    let papers =
        Papers::make(&["mta-sts.before.example", "mta-sts.against.example"].map(String::from));
    let policies = PolicyHost::start(&papers);
    let (postfix, port) = hosts(&papers, "");
    let cases = dane_cases(&papers, port);
    let mut town = start(&cases, &papers, port, &policies);
    all_told(&town, &cases, "certificates");
    let went = cases.iter().filter(|case| case.told[0] == GONE).count();
    wait(|| (postfix.letters().len() == went).then_some(()));
    assert!(town.server.stop());
    town.has_counted(&[
        "right.example tlsa: 1 sessions went well, 0 failed\n",
        " tlsa-invalid at wrong.mail.example at 127.0.0.4: no record is about this certificate\n",
        " starttls-not-supported at clear.mail.example at 127.0.0.6",
        " tlsa-invalid at useless.mail.example at 127.0.0.4: none of its records can be used\n",
        " dnssec-invalid at unknown.mail.example at 127.0.0.4: ",
        " tlsa-invalid at above.mail.example at 127.0.0.2: its certificate is for other names\n",
    ]);
}
