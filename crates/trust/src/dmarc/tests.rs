//! What comes of which records and which domains.

use super::*;
use crate::dns::Record as DnsRecord;

/// A name and its text; a name with `!` in front has no answer.
type Zone<'a> = &'a [(&'a str, &'a str)];

fn answer(zone: Zone<'_>, question: &Question) -> Answer {
    let named = zone
        .iter()
        .filter(|(name, _)| name.trim_start_matches('!') == question.name());
    let mut records = Vec::new();
    for (name, text) in named {
        if name.starts_with('!') {
            return Answer::Failed;
        }
        records.push(DnsRecord::Txt(text.as_bytes().to_vec()));
    }
    match (question.kind(), records.is_empty()) {
        (Kind::Txt, false) => Answer::Records(records),
        (_, false) => Answer::NoData,
        (_, true) => Answer::NoSuchName,
    }
}

fn check(author: &str, spf: Option<&str>, dkim: &[&str]) -> Dmarc {
    Dmarc {
        author: Ok(author.to_owned()),
        spf: spf.map(str::to_owned),
        dkim: dkim.iter().map(|domain| (*domain).to_owned()).collect(),
    }
}

fn judged(zone: Zone<'_>, check: &Dmarc) -> (Verdict, usize) {
    let mut asked = 0;
    let verdict = check.settle(&mut Answers::default(), |question| {
        asked += 1;
        answer(zone, question)
    });
    (verdict, asked)
}

fn outcome(zone: Zone<'_>, author: &str, spf: Option<&str>, dkim: &[&str]) -> String {
    let (verdict, _) = judged(zone, &check(author, spf, dkim));
    format!("{} {}", verdict.outcome, verdict.wanted)
}

const ORG: (&str, &str) = ("_dmarc.example.com", "v=DMARC1; p=reject");

// RFC 9989 appendix B.1.
#[test]
fn identifiers_in_alignment() {
    let strict = ("_dmarc.example.com", "v=DMARC1; p=reject; aspf=s; adkim=s");
    for (zone, author, spf, dkim, expected) in [
        (ORG, "example.com", Some("example.com"), None, "pass"),
        (ORG, "example.com", Some("child.example.com"), None, "pass"),
        (ORG, "child.example.com", Some("example.com"), None, "pass"),
        (ORG, "example.com", Some("example.net"), None, "fail"),
        (ORG, "example.com", None, None, "fail"),
        (ORG, "example.com", None, Some("mail.example.com"), "pass"),
        (ORG, "example.com", None, Some("anexample.com"), "fail"),
        (ORG, "example.com", None, Some("com"), "fail"),
        (
            strict,
            "example.com",
            Some("child.example.com"),
            None,
            "fail",
        ),
        (
            strict,
            "example.com",
            None,
            Some("child.example.com"),
            "fail",
        ),
        (strict, "example.com", None, Some("example.com"), "pass"),
    ] {
        let dkim: Vec<&str> = dkim.into_iter().collect();
        let found = outcome(&[zone], author, spf, &dkim);
        assert_eq!(
            found,
            format!("{expected} reject"),
            "{author} {spf:?} {dkim:?}"
        );
    }
}

// RFC 9989 §4.10, §4.10.2.
#[test]
fn the_walk_up_the_tree() {
    let names = |zone: Zone<'_>, author: &str| {
        let (verdict, asked) = judged(zone, &check(author, None, &[]));
        let found = verdict.found.map_or_else(String::new, |(domain, _)| domain);
        (verdict.organization, found, asked)
    };
    let same = |organization: &str, found: &str, asked| (organization.into(), found.into(), asked);
    let long = "a.b.c.d.e.f.g.h.i.j.mail.example.com";
    assert_eq!(names(&[], long), same(long, "", 8));
    // One question more: does the name exist?
    assert_eq!(names(&[ORG], long), same("example.com", "example.com", 9));
    let mail = ("_dmarc.mail.example.com", "v=DMARC1; p=none");
    let zone = &[mail, ORG];
    assert_eq!(
        names(zone, "a.mail.example.com"),
        same("example.com", "example.com", 5)
    );
    assert_eq!(
        names(zone, "mail.example.com"),
        same("example.com", "mail.example.com", 3)
    );
    let psd = ("_dmarc.com", "v=DMARC1; p=reject; psd=y");
    assert_eq!(
        names(&[psd], "a.mail.example.com"),
        same("example.com", "com", 5)
    );
    assert_eq!(
        names(&[psd, ORG], "a.example.com"),
        same("example.com", "example.com", 4)
    );
    assert_eq!(names(&[psd], "com"), same("com", "com", 1));
    let own = ("_dmarc.mail.example.com", "v=DMARC1; p=none; psd=n");
    assert_eq!(
        names(&[own, ORG], "a.mail.example.com"),
        same("mail.example.com", "mail.example.com", 3)
    );
    let twice = &[ORG, ORG];
    assert_eq!(names(twice, "example.com"), same("example.com", "", 2));
}

// RFC 9989 §4.7, §4.10.1.
#[test]
fn what_is_wanted() {
    let zone = |text| [("_dmarc.example.com", text), ("there.example.com", "")];
    for (text, own, below, nowhere) in [
        ("v=DMARC1; p=reject", "reject", "reject", "reject"),
        ("v=DMARC1; p=reject; sp=none", "reject", "none", "none"),
        (
            "v=DMARC1; p=none; sp=quarantine; np=reject",
            "none",
            "quarantine",
            "reject",
        ),
        (
            "v=DMARC1; p=reject; np=none; t=y",
            "quarantine",
            "quarantine",
            "none",
        ),
        ("v=DMARC1; p=quarantine; t=y", "none", "none", "none"),
    ] {
        let zone = zone(text);
        for (author, expected) in [
            ("example.com", own),
            ("there.example.com", below),
            ("nowhere.example.com", nowhere),
        ] {
            let found = outcome(&zone, author, None, &[]);
            assert_eq!(found, format!("fail {expected}"), "{text} {author}");
        }
    }
}

#[test]
fn what_goes_wrong() {
    let fails = &[("!_dmarc.example.com", "")];
    assert_eq!(outcome(fails, "example.com", None, &[]), "temperror none");
    assert_eq!(outcome(&[], "example.com", None, &[]), "none none");
    let nothing = &[("_dmarc.example.com", "v=DMARC1; p=perhaps")];
    assert_eq!(outcome(nothing, "example.com", None, &[]), "permerror none");
    for (header, expected) in [
        ("From: a@example.com\r\n", Ok("example.com")),
        (
            "From: A <a@Example.com>, b@example.COM\r\n",
            Ok("example.com"),
        ),
        (
            "From: a@b\u{fc}cher.example\r\n",
            Ok("xn--bcher-kva.example"),
        ),
        ("To: a@example.com\r\n", Err("there is no From")),
        (
            "From: a@b.example\r\nFrom: a@b.example\r\n",
            Err("there are several From"),
        ),
        (
            "From: a@b.example, c@d.example\r\n",
            Err("From has several domains"),
        ),
        ("From: nobody\r\n", Err("From has no domain")),
        ("From: x:;\r\n", Err("From has no domain")),
    ] {
        let letter = Letter::read(header.as_bytes(), &[]).unwrap();
        assert_eq!(
            author(&letter).as_deref(),
            expected.as_ref().copied(),
            "{header}"
        );
    }
}

// RFC 9990 §4.
#[test]
fn strangers_must_want_reports() {
    let zone: Zone<'_> = &[
        ORG,
        ("example.com._report._dmarc.reports.example", "v=DMARC1"),
        ("!example.com._report._dmarc.silent.example", ""),
    ];
    for (receiver, expected) in [
        ("example.com", Some(true)),
        ("mail.example.com", Some(true)),
        ("reports.example", Some(true)),
        ("other.example", Some(false)),
        ("silent.example", None),
    ] {
        let wanted = ReportsWanted::new("example.com", receiver);
        let found = wanted.settle(&mut Answers::default(), |question| answer(zone, question));
        assert_eq!(found, expected, "{receiver}");
    }
}
