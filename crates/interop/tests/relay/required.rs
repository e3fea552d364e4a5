//! What the sender wants of TLS: that it is used on all of the way (REQUIRETLS), or that the letter
//! arrives in any case (`TLS-Required: No`). The other end is a script in Python with certificates
//! by openssl.

use std::path::Path;

use super::papers::Papers;
use super::sink::{Sink, wait};
use super::{Town, town, words};

/// Exchangers: proven or not, and what offers what.
const ZONE: [&str; 20] = [
    "good.mail.example A 127.0.0.2",
    "alias.mail.example A 127.0.0.5",
    "self.mail.example A 127.0.0.4",
    "plain.mail.example A 127.0.0.6",
    "other.mail.example A 127.0.0.5",
    "a.example MX 10 good.mail.example",
    "a.example PROVEN",
    "b.example MX 10 other.mail.example",
    "b.example MX 20 good.mail.example",
    "b.example PROVEN",
    "other.example MX 10 other.mail.example",
    "other.example PROVEN",
    "old.example MX 10 alias.mail.example",
    "old.example PROVEN",
    "c.example MX 10 good.mail.example",
    "d.example MX 10 plain.mail.example",
    "d.example PROVEN",
    "e.example MX 10 self.mail.example",
    "e.example PROVEN",
    "self.mail.example PROVEN",
];

/// Three of them with TLS, and one without.
struct Hosts {
    /// Has the right certificate, and passes on that TLS is wanted.
    first: Sink,
    /// Has the right one, and does not know REQUIRETLS.
    older: Sink,
    /// Has one that nobody answers for.
    stranger: Sink,
    clear: Sink,
}

impl Hosts {
    fn start(papers: &Papers) -> Self {
        let path = |kind: &str| papers.path(&format!("{kind}.pem"));
        let (good, own) = (path("good"), path("self"));
        let start = |ip: &str, port, file: &str| {
            let file = Path::new(file);
            Sink::start(ip, port, Some((file, file)))
        };
        let first = start("127.0.0.2", 0, &good);
        first.switch("requiretls", true);
        Self {
            older: start("127.0.0.5", first.port, &good),
            stranger: start("127.0.0.4", first.port, &own),
            clear: Sink::start("127.0.0.6", first.port, None),
            first,
        }
    }

    /// A town that finds them, in which the stranger's certificate is said to be another.
    fn town(&self, papers: &Papers) -> Town {
        let (port, strange) = (self.first.port, "00".repeat(32));
        let zone = ZONE.join("\n")
            + &format!(
                "\n_{port}._tcp.self.mail.example TLSA 3 1 1 {strange}\n\
                 _{port}._tcp.self.mail.example PROVEN\n"
            );
        let more = format!("authorities = \"{}\"\n", papers.path("ca.pem"));
        town(&zone, port, &more)
    }
}

#[test]
fn letters_that_require_tls_go_to_nobody_else() {
    let papers = Papers::make(&[]);
    let hosts = Hosts::start(&papers);
    let town = hosts.town(&papers);
    town.send(&["x@a.example", "x@b.example"], "sealed", &["requiretls"]);
    for letter in &hosts.first.takes(2) {
        assert!(words(letter, "from").ends_with(" REQUIRETLS"), "{letter}");
        assert_eq!(letter["tls"], "TLSv1.3");
    }
    for (to, status, why) in [
        ("x@old.example", "5.7.30", "REQUIRETLS is not offered"),
        (
            "x@other.example",
            "5.7.5",
            "its certificate is for other names",
        ),
        (
            "x@c.example",
            "5.7.5",
            "nothing proves that it is the domain's host",
        ),
        ("x@d.example", "5.7.10", "TLS is not offered"),
    ] {
        town.send(&[to], "not to be sent", &["requiretls", "ret=FULL"]);
        let report = town.report(to);
        let told = &report["recipients"][0];
        assert_eq!(words(told, "Status"), status, "{report}");
        assert!(words(&report, "words").contains(why), "{report}");
        // RFC 8689 §5
        assert_eq!(words(&report, "returned"), "text/rfc822-headers");
    }
    assert!(hosts.older.taken().is_empty() && hosts.clear.taken().is_empty());
}

#[test]
fn a_letter_that_has_to_arrive_does() {
    let papers = Papers::make(&[]);
    let hosts = Hosts::start(&papers);
    let town = hosts.town(&papers);
    let why = |subject: &str| {
        let told = town.server.output(&["why", subject], "").unwrap();
        String::from_utf8(told.stdout).unwrap()
    };
    town.send(&["x@e.example"], "as usual", &[]);
    wait(|| why("usual").contains("(DANE): no record").then_some(()));
    town.send(&["x@e.example"], "in any case\r\nTLS-Required: No", &[]);
    let taken = hosts.stranger.takes(1);
    assert!(
        words(&taken[0], "body").contains("in any case"),
        "{taken:?}"
    );
    let told = wait(|| Some(why("any case")).filter(|told| told.contains("delivered")));
    assert!(told.contains("TLS-Required: No, DANE; TLS1.3"), "{told}");
}
