//! DANE as it is meant: signed zones by nsd, and unbound, which validates them and says so.

use std::path::Path;

use interop::{SignedZones, Signing, Tls, Zone};

use super::machine::Machine;
use super::papers::Papers;
use super::sink::Sink;
use super::{ADA, hand_in, told};

/// What is told of a letter: that it went or that it waits, and why.
type Told = [&'static str; 2];

const GONE: &str = " delivered: ";
const WAITS: &str = " deferred: ";
const VERIFIED: Told = [
    GONE,
    "DANE; TLS1.3 TLS_AES_256_GCM_SHA384, certificate verified",
];
const NO_POLICY: Told = [GONE, "no policy; TLS1.3"];

/// A zone with one host and what is said of its certificate.
fn zone(name: &str, tlsa: &str, signing: Signing) -> Zone {
    let mut records = vec!["@ MX 10 mx".to_owned(), "mx A 127.0.0.2".to_owned()];
    if !tlsa.is_empty() {
        records.push(tlsa.to_owned());
    }
    Zone {
        name: format!("{name}.example"),
        records,
        signing,
    }
}

fn altered(from: &str, to: &str) -> Signing {
    Signing::Altered(from.to_owned(), to.to_owned())
}

// tidy: table
fn cases(port: u16, hash: &str) -> Vec<(Zone, Told)> {
    let record = |hash: &str| format!("_{port}._tcp.mx TLSA 3 1 1 {hash}");
    let (right, wrong) = (record(hash), record(&"ab".repeat(32)));
    let unknown = "(DANE): what its certificate must be cannot be found out for now";
    let unnamed = "(DANE): no record is about this certificate (4.7.5)";
    let mut elsewhere = zone("elsewhere", "", Signing::Good);
    elsewhere.records = vec!["@ MX 10 mx.unsigned.example.".to_owned()];
    let mut alias = zone("alias", "", Signing::Good);
    alias.records = vec!["@ MX 10 mx.right.example.".to_owned()];
    vec![
        (zone("right", &right, Signing::Good), VERIFIED),
        (zone("wrong", &wrong, Signing::Good), [WAITS, unnamed]),
        (zone("without", "", Signing::Good), NO_POLICY),
        (zone("unsigned", &wrong, Signing::No), NO_POLICY),
        (zone("over", &right, Signing::Expired), [WAITS, "4.4.3"]),
        // The signature of MX, or of the certificate's record alone, does not hold.
        (
            zone("forged", &right, altered("MX\t10 mx", "MX\t5 mx")),
            [WAITS, "4.4.3"],
        ),
        (
            zone("halved", &wrong, altered(&"ab".repeat(32), hash)),
            [WAITS, unknown],
        ),
        // Signed, and it leads to a host whose zone is not; or to one in another that is.
        (elsewhere, NO_POLICY),
        (alias, VERIFIED),
    ]
}

#[test]
fn what_signed_zones_say_is_gone_by() {
    let papers = Papers::make(&[]);
    let (certificate, key) = (papers.path("self.crt"), papers.path("self.key"));
    let sink = Sink::start(
        "127.0.0.2",
        0,
        Some((Path::new(&certificate), Path::new(&key))),
    );
    let cases = cases(sink.port, &papers.hash("self.key-hash"));
    let zones: Vec<Zone> = cases.iter().map(|(zone, _)| zone.clone()).collect();
    let Some(names) = SignedZones::start(&zones).unwrap() else {
        return;
    };
    let machine = Machine::start(&format!(
        "[dns]\nservers = [\"{}\"]\n[queue]\nretry = [\"1s\"]\n[relay]\nport = {}\n\
         trusted = [\"127.0.0.0/8\"]\n",
        names.address(),
        sink.port
    ));
    let here = machine.server.address("smtp", Tls::Starttls);
    for (zone, [came, why]) in &cases {
        let to = format!("x@{}", zone.name);
        hand_in(here, ADA, &[&to], &zone.name, "x");
        let story = told(&machine, &to, came);
        assert!(story.contains(why), "{}: {story}", zone.name);
        let other = if *came == GONE { WAITS } else { GONE };
        assert!(!story.contains(other), "{}: {story}", zone.name);
    }
    let went = cases.iter().filter(|(_, told)| told[0] == GONE).count();
    assert_eq!(sink.takes(went).len(), went);
}
