//! Reports of others, where they are there (`CARAMEL_VECTORS`), and ours.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test"
)]

use std::io::Read as _;
use std::path::{Path, PathBuf};

use message::{FeedbackReport, Outline, decode_part};
use serde_json::{Value, json};
use trust::feedback::{Feedback, Row};
use trust::tlsrpt::Report;

#[path = "made/vectors.rs"]
mod vectors;

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let Some(folder) = vectors::folder(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn json_beside(path: &Path) -> Value {
    let text = std::fs::read(path.with_extension("json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The first part of this type of a letter, all its encodings undone.
fn part(letter: &[u8], wanted: &[&str]) -> Option<Vec<u8>> {
    let outline = Outline::parse(letter);
    let mut numbers = vec![1];
    loop {
        let part = outline.part(&numbers)?;
        let kind = format!("{}/{}", part.media, part.subtype).to_ascii_lowercase();
        if wanted.contains(&&*kind) {
            let octets = decode_part(part, letter).octets;
            let mut plain = Vec::new();
            return Some(match octets.starts_with(&[0x1f, 0x8b]) {
                true => {
                    flate2::read::GzDecoder::new(&*octets)
                        .read_to_end(&mut plain)
                        .unwrap();
                    plain
                }
                false => octets.into_owned(),
            });
        }
        numbers[0] += 1;
    }
}

/// What the JSON beside a report calls a value.
fn named(text: &str) -> String {
    match text {
        "r" => "Relaxed".to_owned(),
        "s" => "Strict".to_owned(),
        "" => "Unspecified".to_owned(),
        text => text[..1].to_uppercase() + &text[1..],
    }
}

fn compared(name: &str, read: &Feedback, expected: &Value) {
    let metadata = &expected["report_metadata"];
    let ours = &read.report_metadata;
    assert_eq!(ours.org_name, metadata["org_name"], "{name}");
    assert_eq!(ours.email, metadata["email"], "{name}");
    assert_eq!(ours.report_id, metadata["report_id"], "{name}");
    assert_eq!(
        json!(ours.extra_contact_info),
        metadata["extra_contact_info"],
        "{name}"
    );
    let range = json!({ "begin": ours.date_range.begin, "end": ours.date_range.end });
    assert_eq!(range, metadata["date_range"], "{name}");
    let policy = &expected["policy_published"];
    let ours = &read.policy_published;
    assert_eq!(ours.domain, policy["domain"], "{name}");
    assert_eq!(named(&ours.p), policy["p"], "{name}");
    assert_eq!(
        named(ours.sp.as_deref().unwrap_or_default()),
        policy["sp"],
        "{name}"
    );
    assert_eq!(
        named(ours.adkim.as_deref().unwrap_or_default()),
        policy["adkim"],
        "{name}"
    );
    let rows = expected["record"].as_array().unwrap();
    assert_eq!(read.records.len(), rows.len(), "{name}");
    for (ours, row) in read.records.iter().zip(rows) {
        compared_row(name, ours, row);
    }
}

fn compared_row(name: &str, ours: &Row, row: &Value) {
    let evaluated = &row["row"]["policy_evaluated"];
    assert_eq!(ours.row.source_ip, row["row"]["source_ip"], "{name}");
    assert_eq!(ours.row.count, row["row"]["count"], "{name}");
    assert_eq!(
        named(&ours.row.policy_evaluated.disposition),
        evaluated["disposition"]
    );
    assert_eq!(
        named(&ours.row.policy_evaluated.dkim),
        evaluated["dkim"],
        "{name}"
    );
    assert_eq!(
        named(&ours.row.policy_evaluated.spf),
        evaluated["spf"],
        "{name}"
    );
    let reasons = evaluated["reason"].as_array().unwrap();
    assert_eq!(
        ours.row.policy_evaluated.reasons.len(),
        reasons.len(),
        "{name}"
    );
    assert_eq!(
        ours.identifiers.header_from, row["identifiers"]["header_from"],
        "{name}"
    );
    for (ours, dkim) in ours
        .auth_results
        .dkim
        .iter()
        .zip(row["auth_results"]["dkim"].as_array().unwrap())
    {
        assert_eq!(ours.domain, dkim["domain"], "{name}");
        assert_eq!(named(&ours.result), dkim["result"], "{name}");
    }
    for (ours, spf) in ours
        .auth_results
        .spf
        .iter()
        .zip(row["auth_results"]["spf"].as_array().unwrap())
    {
        assert_eq!(ours.domain, spf["domain"], "{name}");
    }
}

// RFC 9990 §3.1, and what older reporters write.
#[test]
fn aggregate_reports() {
    for path in files("dkim-dmarc-tlsrpt/dmarc-feedback", "xml") {
        let name = path.display().to_string();
        let read = Feedback::parse(&std::fs::read(&path).unwrap()).unwrap();
        compared(&name, &read, &json_beside(&path));
        let again = Feedback::parse(read.write().unwrap().as_bytes()).unwrap();
        assert_eq!(again, read, "{name}");
    }
    for path in files("dkim-dmarc-tlsrpt/dmarc-feedback", "eml") {
        let name = path.display().to_string();
        let letter = std::fs::read(&path).unwrap();
        let kinds = [
            "application/gzip",
            "application/xml",
            "text/xml",
            "application/x-gzip",
        ];
        let Some(report) = part(&letter, &kinds) else {
            println!("{name}: in an archive, which is others' to open");
            continue;
        };
        compared(
            &name,
            &Feedback::parse(&report).unwrap(),
            &json_beside(&path),
        );
    }
}

// RFC 8460 §4.4.
#[test]
fn reports_about_tls() {
    for path in files("dkim-dmarc-tlsrpt/tlsrpt", "json") {
        let octets = std::fs::read(&path).unwrap();
        let read = Report::parse(&octets).unwrap();
        assert_eq!(Report::parse(&read.write().unwrap()).unwrap(), read);
        assert!(!read.policies.is_empty(), "{}", path.display());
    }
    for path in files("dkim-dmarc-tlsrpt/tlsrpt", "eml") {
        let letter = std::fs::read(&path).unwrap();
        let report = part(&letter, &["application/tlsrpt+gzip", "application/tlsrpt"]).unwrap();
        let read = Report::parse(&report).unwrap();
        let expected = json_beside(&path);
        assert_eq!(read.report_id, expected["report-id"]);
        let counted: Vec<Value> = read
            .policies
            .iter()
            .map(|policy| json!(policy.summary.total_failure_session_count))
            .collect();
        let theirs: Vec<Value> = expected["policies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|policy| {
                let failed = &policy["summary"]["total-failure-session-count"];
                failed.as_u64().unwrap_or_default().into()
            })
            .collect();
        assert_eq!(counted, theirs, "{}", path.display());
    }
}

// RFC 5965 §3.
#[test]
fn reports_of_abuse() {
    for path in files("dkim-dmarc-tlsrpt/arf", "eml") {
        let name = path.display().to_string();
        let letter = std::fs::read(&path).unwrap();
        let report = part(&letter, &["message/feedback-report"]).unwrap();
        let read = FeedbackReport::parse(&report);
        let expected = json_beside(&path);
        let kind = expected["feedback_type"]
            .as_str()
            .unwrap()
            .to_ascii_lowercase();
        let theirs = kind.replace(['-', '_'], "");
        assert_eq!(read.kind.unwrap().replace('-', ""), theirs, "{name}");
        assert_eq!(json!(read.user_agent), expected["user_agent"], "{name}");
        let ip = read.source.map(|ip| ip.to_string());
        assert_eq!(json!(ip), expected["source_ip"], "{name}");
    }
}

// RFC 9990 §3.1, appendix A.
#[test]
fn ours_are_of_the_form() {
    let mut report = Feedback::default();
    assert_eq!(
        Feedback::parse(report.write().unwrap().as_bytes()).unwrap(),
        report
    );
    report = Feedback::new(
        trust::feedback::Metadata {
            org_name: "A & <B>".to_owned(),
            ..Default::default()
        },
        trust::feedback::PolicyPublished {
            domain: "example.org".to_owned(),
            p: "reject".to_owned(),
            discovery_method: Some("treewalk".to_owned()),
            ..Default::default()
        },
    );
    report.records.push(Row::default());
    let text = report.write().unwrap();
    assert!(
        text.contains("<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">"),
        "{text}"
    );
    assert!(
        text.contains("<org_name>A &amp; &lt;B&gt;</org_name>"),
        "{text}"
    );
    assert!(
        text.contains("<discovery_method>treewalk</discovery_method>"),
        "{text}"
    );
    assert!(!text.contains("<sp>"), "{text}");
    assert_eq!(Feedback::parse(text.as_bytes()).unwrap(), report);
    for wrong in ["", "<feedback>", "<feedback><record></feedback>", "no xml"] {
        assert!(Feedback::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn reports_that_are_too_long() {
    let long = vec![b' '; trust::feedback::REPORT_OCTETS_MAX + 1];
    assert!(matches!(
        Feedback::parse(&long),
        Err(trust::feedback::Error::TooLong)
    ));
    assert!(matches!(
        Report::parse(&long),
        Err(trust::tlsrpt::Error::TooLong)
    ));
}
