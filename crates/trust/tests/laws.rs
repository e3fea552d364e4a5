//! What holds whatever comes. `CARAMEL_LAWS` raises the number of random cases.
#![expect(clippy::unwrap_used, reason = "a test")]

use message::{AuthenticationProperty, AuthenticationResult, AuthenticationResults};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use trust::dane::Tlsa;
use trust::dkim::{Signing, Verify, sign};
use trust::dmarc::{self, Dmarc};
use trust::feedback::Feedback;
use trust::results::{Findings, forged};
use trust::spf::{self, Spf};
use trust::srs::Srs;
use trust::tlsrpt::Report;
use trust::{Answer, Answers, Check, Kind, Letter, Question, Reader, Record, arc, dkim, mta_sts};

#[path = "made/keys.rs"]
mod keys;

const LETTER: &str = "From: Ada <ada@example.org>\r\nTo: bob@example.net\r\nSubject: Tea\r\n\r\n\
    At five? \r\n\r\nAda\r\n";

/// Questions that a check of SPF may ask: the policies it comes to, the hosts of each term that
/// asks, the client's names, and an explanation.
const SPF_QUESTIONS_MAX: usize =
    1 + spf::LOOKUPS_MAX * (1 + spf::HOSTS_MAX) + 1 + spf::HOSTS_MAX + 1;

fn runner() -> TestRunner {
    let cases = std::env::var("CARAMEL_LAWS").ok();
    let cases = cases.and_then(|cases| cases.parse().ok()).unwrap_or(300);
    let mut config = Config::with_cases(cases);
    config.failure_persistence = None;
    TestRunner::new(config)
}

/// Runs a check with the same answer to all questions of a kind, and counts them.
fn settled<C: Check>(check: &C, answer: impl Fn(&Question) -> Answer) -> (C::Verdict, usize) {
    let mut asked = 0;
    let verdict = check.settle(&mut Answers::default(), |question| {
        asked += 1;
        answer(question)
    });
    (verdict, asked)
}

/// A place, how many octets are taken out there, and what is put in.
type Change = (usize, usize, Vec<u8>);

/// Changes to octets.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..4),
        prop::sample::select(vec![
            "\r\n",
            ";",
            "=",
            ":",
            " ",
            "i=0",
            "i=51",
            "b=",
            "h=",
            "\r\n\r\n",
            "l=99999999999"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec((any::<usize>(), 0..6_usize, piece), 0..6)
}

fn changed(mut octets: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for (at, out, put) in changes {
        let at = at % (octets.len() + 1);
        let end = (at + out).min(octets.len());
        octets.splice(at..end, put.iter().copied());
    }
    octets
}

#[test]
fn any_letter_has_verdicts_however_it_is_cut() {
    let [_, key] = keys::both();
    let signing = Signing::new("example.org", "a");
    let read = Letter::read(LETTER.as_bytes(), &[signing.body_form()]).unwrap();
    let signed = sign(&read, &key, &signing).unwrap() + LETTER;
    let read = Letter::read(signed.as_bytes(), &[signing.body_form()]).unwrap();
    let results = "mx.example.org; spf=pass";
    let sealed = arc::seal(&read, &key, &signing, results, arc::Outcome::None).unwrap() + &signed;
    let publishing = keys::publishing(&key);
    let law = |(changes, size): (Vec<Change>, usize)| {
        let letter = changed(sealed.clone().into_bytes(), &changes);
        let whole = Letter::read(&letter, &[]).unwrap();
        let mut reader = Reader::new(&[]);
        letter.chunks(size).for_each(|piece| reader.feed(piece));
        let cut = reader.finish().unwrap();
        let (signatures, asked) = settled(&Verify::new(&whole, 0), &publishing);
        prop_assert!(asked <= dkim::SIGNATURES_MAX);
        prop_assert_eq!(&settled(&Verify::new(&cut, 0), &publishing).0, &signatures);
        let (chain, asked) = settled(&arc::Verify::new(&whole), &publishing);
        prop_assert!(asked <= arc::SETS_MAX + 1);
        prop_assert_eq!(&settled(&arc::Verify::new(&cut), &publishing).0, &chain);
        let policy = b"v=DMARC1; p=reject".to_vec();
        let spf = Spf::helo("192.0.2.1".parse().unwrap(), "example.org");
        let (spf, _) = settled(&spf, |_| Answer::NoData);
        let dmarc = Dmarc::new(&whole, &spf, &signatures);
        let (dmarc, asked) = settled(&dmarc, |_| {
            Answer::Records(vec![Record::Txt(policy.clone())])
        });
        prop_assert!(asked <= dmarc::WALK_MAX * (2 + dkim::SIGNATURES_MAX) + 1);
        let findings = Findings {
            iprev: None,
            helo: None,
            spf: Some(&spf),
            dkim: Some(&signatures),
            dmarc: Some(&dmarc),
            arc: Some(&chain),
            lists: &[],
        };
        let results = findings.results("mx.example.org");
        let field = results.write();
        prop_assert_eq!(
            AuthenticationResults::parse(field.as_bytes()),
            Some(results)
        );
        let with = format!("Authentication-Results: {field}\r\n").into_bytes();
        prop_assert_eq!(forged(&with, "MX.example.org").count(), 1);
        Ok(())
    };
    runner().run(&(changes(), 1..40_usize), law).unwrap();
}

/// Terms of SPF, most of them right.
fn term() -> impl Strategy<Value = String> {
    let right = [
        "a.example",
        "%{d}",
        "%{ir}.%{v}.example",
        "%{p}.example",
        "%{l1r-}.b.example",
        "%{S}.x.y",
        "%{h}",
    ];
    let kinds = [
        "include:",
        "a:",
        "mx:",
        "ptr:",
        "exists:",
        "redirect=",
        "exp=",
        "-a:",
        "?mx:",
        "x=",
    ];
    let whole = [
        "a",
        "mx",
        "ptr",
        "ip6:::/0",
        "a/24",
        "mx//0",
        "ip4:192.0.2.2",
    ];
    let wrong = [
        "a:%{d0}",
        "mx:%",
        "a:a..b",
        "exists:%{c}.example",
        "a:org",
        "-all",
        "all",
        "ptr/8",
    ];
    let name = prop::sample::select(right.to_vec());
    let kind = prop::sample::select(kinds.to_vec());
    prop_oneof![
        60 => (kind, name).prop_map(|(kind, name)| format!("{kind}{name}")),
        20 => prop::sample::select(whole.to_vec()).prop_map(str::to_owned),
        2 => prop::sample::select(wrong.to_vec()).prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
    ]
}

/// The world of one policy: which hosts there are, and whether they have addresses.
#[derive(Clone, Debug)]
struct World {
    records: Vec<Vec<String>>,
    hosts: usize,
    addresses: bool,
}

impl World {
    fn answer(&self, question: &Question) -> Answer {
        let hosts = |record: fn(String) -> Record| {
            let names = (0..self.hosts).map(|at| format!("n{at}.{}", question.name()));
            Answer::Records(names.map(record).collect())
        };
        match question.kind() {
            Kind::Txt => {
                let which = question.name().len() % self.records.len();
                let text = format!("v=spf1 {}", self.records.get(which).unwrap().join(" "));
                Answer::Records(vec![Record::Txt(text.into_bytes())])
            }
            Kind::Mx => hosts(|exchange| Record::Mx {
                preference: 1,
                exchange,
            }),
            Kind::Ptr => hosts(Record::Ptr),
            Kind::A if self.addresses => {
                Answer::Records(vec![Record::A("203.0.113.9".parse().unwrap())])
            }
            _ => Answer::NoData,
        }
    }

    fn judged(&self, path: &str) -> (spf::Verdict, usize) {
        let spf = Spf::mail_from("192.0.2.1".parse().unwrap(), "mx.example", path);
        settled(&spf, |question| self.answer(question))
    }
}

#[test]
fn no_policy_of_spf_asks_without_end() {
    let records = prop::collection::vec(prop::collection::vec(term(), 0..12), 1..4);
    let world =
        (records, 1..14_usize, any::<bool>()).prop_map(|(records, hosts, addresses)| World {
            records,
            hosts,
            addresses,
        });
    let law = |(world, local): (World, String)| {
        let (verdict, asked) = world.judged(&format!("{local}@a.example"));
        prop_assert!(asked <= SPF_QUESTIONS_MAX, "{asked}");
        prop_assert!(verdict.lookups <= spf::LOOKUPS_MAX);
        prop_assert!(verdict.explanation.is_none_or(|text| text.is_ascii()));
        Ok(())
    };
    runner().run(&(world, "[a-z.=-]{0,9}"), law).unwrap();
}

// RFC 7208 §4.6.4.
#[test]
fn the_most_that_a_policy_of_spf_may_ask() {
    let mut terms: Vec<String> = (0..spf::LOOKUPS_MAX)
        .map(|at| format!("mx:m{at}.example"))
        .collect();
    let world = |terms: &[String]| World {
        records: vec![terms.to_vec()],
        hosts: spf::HOSTS_MAX,
        addresses: true,
    };
    let (verdict, asked) = world(&terms).judged("ada@a.example");
    assert_eq!(verdict.outcome, spf::Outcome::Neutral);
    assert_eq!(asked, 1 + spf::LOOKUPS_MAX * (1 + spf::HOSTS_MAX));
    terms.push("mx".to_owned());
    let (verdict, again) = world(&terms).judged("ada@a.example");
    assert_eq!((verdict.outcome, again), (spf::Outcome::PermError, asked));
}

#[test]
fn no_record_does_harm() {
    let seeds = [
        "v=DKIM1; k=ed25519; h=sha256; t=y:s; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "v=DMARC1; p=reject; sp=none; rua=mailto:a@b.example!10m,https://c.example; psd=n; t=y",
        "version: STSv1\nmode: enforce\nmx: *.a.example\nmx: b.example\nmax_age: 86400\n",
        "v=STSv1; id=20261127;",
        "v=TLSRPTv1; rua=mailto:a@b.example,https://c.example",
        "SRS0=abcdefgh=ab=a.example=ada",
    ];
    let srs = Srs::new("b.example", &[b"secret"]);
    let law = |(seed, changes): (&str, Vec<Change>)| {
        let octets = changed(seed.as_bytes().to_vec(), &changes);
        let letter = Letter::read(LETTER.as_bytes(), &[]).unwrap();
        let answer = |_: &Question| Answer::Records(vec![Record::Txt(octets.clone())]);
        let (verdicts, _) = settled(&Verify::new(&letter, 0), answer);
        prop_assert_eq!(verdicts, []);
        drop(dkim::KeyRecord::parse(&octets));
        if let Some(record) = dmarc::Record::parse(&octets) {
            prop_assert!(octets.trim_ascii_start().starts_with(b"v"));
            prop_assert!(record.aggregate.iter().all(|uri| !uri.contains(['!', ','])));
        }
        if let Ok(policy) = mta_sts::Policy::parse(&octets) {
            prop_assert!(
                policy
                    .patterns
                    .iter()
                    .all(|name| !name.contains(char::is_uppercase))
            );
            prop_assert!(!policy.allows("") && !policy.allows("*.a.example.a"));
        }
        let sts = mta_sts::MtaSts {
            domain: "a.example",
            kept: None,
        };
        let (sts, asked) = settled(&sts, answer);
        prop_assert!(asked <= 2 && sts.fetched == sts.policy.is_some());
        prop_assert!(
            mta_sts::report_addresses(&octets)
                .iter()
                .all(|uri| uri.contains(':'))
        );
        let tlsa = Tlsa::parse(&octets);
        prop_assert_eq!(tlsa.is_some(), octets.len() >= 3);
        let local = String::from_utf8_lossy(&octets);
        if let Some(local) = mail::LocalPart::new(&local) {
            prop_assert!(srs.reverse(&local, 0).is_err());
        }
        Ok(())
    };
    let seeds = prop::sample::select(seeds.to_vec());
    runner().run(&(seeds, changes()), law).unwrap();
}

#[test]
fn no_report_does_harm() {
    let mut report = Feedback::default();
    report.records.push(trust::feedback::Row::default());
    let xml = report.write().unwrap().into_bytes();
    let mut report = Report::default();
    report.policies.push(trust::tlsrpt::PolicyReport::default());
    let json = report.write().unwrap();
    let law = |changes: Vec<Change>| {
        if let Ok(read) = Feedback::parse(&changed(xml.clone(), &changes)) {
            let again = read.write().unwrap();
            prop_assert!(Feedback::parse(again.as_bytes()).is_ok(), "{}", again);
        }
        if let Ok(read) = Report::parse(&changed(json.clone(), &changes)) {
            let again = Report::parse(&read.write().unwrap()).unwrap();
            prop_assert_eq!(again, read);
        }
        Ok(())
    };
    runner().run(&changes(), law).unwrap();
}

#[test]
fn results_are_read_as_they_were_written() {
    let text = "[ -~äß]{0,30}";
    let property = ("[a-z]{0,6}", "[a-z][a-z-]{0,8}", text);
    let property = property.prop_filter("a property", |(kind, name, _)| {
        !kind.is_empty() || name != "reason"
    });
    let one = (
        "[a-z][a-z-]{0,8}",
        "[a-z]{1,9}",
        prop::option::of(text),
        prop::collection::vec(property, 0..4),
    );
    let law = |(server, all): (String, Vec<_>)| {
        let results = all.into_iter().map(
            |(method, result, reason, properties): (String, _, _, Vec<_>)| {
                let properties = properties
                    .into_iter()
                    .map(|(kind, name, value)| AuthenticationProperty { kind, name, value });
                AuthenticationResult {
                    method,
                    version: 1,
                    result,
                    reason,
                    properties: properties.collect(),
                }
            },
        );
        let results = AuthenticationResults {
            server,
            version: 1,
            results: results.collect(),
        };
        let written = results.write();
        prop_assert_eq!(
            AuthenticationResults::parse(written.as_bytes()),
            Some(results),
            "{}",
            written
        );
        Ok(())
    };
    let server = "[a-z!=;\" ][ -~]{0,20}";
    runner()
        .run(&(server, prop::collection::vec(one, 0..4)), law)
        .unwrap();
}
