//! Bodies of complaints: message/feedback-report (RFC 5965 §3), as "this is spam" buttons send
//! them, with RFC 6591's reports of failed authentication among their kinds.

use std::net::{IpAddr, Ipv6Addr};

use mail::Timestamp;

use crate::date::parse_date_noting;
use crate::header::Field;
use crate::leniency::{Leniencies, Leniency};
use crate::status::{Typed, first, groups, once, other, text, uncommented};

/// Values of a field that may stand several times that are kept; the rest is passed over.
const VALUES_MAX: usize = 1000;

/// What somebody complains of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedbackReport {
    /// Feedback-Type in lower case: `abuse`, `fraud`, `virus`, `not-spam`, `auth-failure`, ….
    pub kind: Option<String>,
    /// User-Agent: the program that wrote the report.
    pub user_agent: Option<String>,
    /// Version of the format: 1.
    pub version: Option<u32>,
    /// Original-Envelope-Id.
    pub envelope_id: Option<String>,
    /// Original-Mail-From, as written: `<ada@example.org>`.
    pub mail_from: Option<String>,
    /// Original-Rcpt-To, as written, each.
    pub recipients: Vec<String>,
    /// Arrival-Date (or Received-Date, its older name).
    pub arrival: Option<Timestamp>,
    /// Reporting-MTA.
    pub reporting_mta: Option<Typed>,
    /// Source-IP: from where the message came.
    pub source: Option<IpAddr>,
    /// Incidents: how many complaints this one stands for; 1 if it does not say.
    pub incidents: Option<u32>,
    /// Authentication-Results: each value, for `AuthenticationResults::parse`.
    pub authentication_results: Vec<String>,
    /// Reported-Domain, each.
    pub domains: Vec<String>,
    /// Reported-URI, each.
    pub uris: Vec<String>,
    /// All other fields: name as written, and text.
    pub others: Vec<(String, String)>,
}

impl FeedbackReport {
    /// Reads a body, its transfer encoding undone; never fails.
    #[must_use]
    pub fn parse(body: &[u8]) -> Self {
        Self::parse_noting(body, &mut Leniencies::default())
    }

    /// The same, and adds what had to be repaired.
    #[must_use]
    pub fn parse_noting(body: &[u8], noted: &mut Leniencies) -> Self {
        let mut report = Self::default();
        for (index, group) in groups(body).enumerate() {
            if index > 0 {
                noted.add(Leniency::ReportRepaired);
                break;
            }
            for field in group {
                report.field(&field, noted);
            }
        }
        // RFC 5965 §3.1
        let whole = report.kind.is_some() && report.user_agent.is_some();
        if !whole || report.version.is_none() {
            noted.add(Leniency::ReportRepaired);
        }
        report
    }

    // RFC 5965 §3.3
    fn field(&mut self, field: &Field<'_>, noted: &mut Leniencies) {
        let text = text(field);
        let list = if field.is("Original-Rcpt-To") {
            &mut self.recipients
        } else if field.is("Authentication-Results") {
            &mut self.authentication_results
        } else if field.is("Reported-Domain") {
            &mut self.domains
        } else if field.is("Reported-URI") {
            &mut self.uris
        } else {
            return self.single(field, text, noted);
        };
        if list.len() < VALUES_MAX {
            list.push(text);
        } else {
            noted.add(Leniency::FieldsPastLimit);
        }
    }

    // RFC 5965 §3.1 and §3.2
    /// Fields that stand once; the first that can be read counts.
    fn single(&mut self, field: &Field<'_>, text: String, noted: &mut Leniencies) {
        if field.is("Feedback-Type") {
            let kind = uncommented(&text).filter(|kind| !kind.is_empty());
            once(&mut self.kind, kind.map(str::to_ascii_lowercase), noted);
        } else if field.is("User-Agent") {
            once(&mut self.user_agent, Some(text), noted);
        } else if field.is("Version") {
            let version = number(&text).filter(|&version| version > 0);
            once(&mut self.version, version, noted);
        } else if field.is("Original-Envelope-Id") {
            once(&mut self.envelope_id, Some(text), noted);
        } else if field.is("Original-Mail-From") {
            once(&mut self.mail_from, Some(text), noted);
        } else if field.is("Arrival-Date") || field.is("Received-Date") {
            // One of both, as §3.2 ends.
            let date = parse_date_noting(field.value, noted);
            once(&mut self.arrival, date, noted);
        } else if field.is("Reporting-MTA") {
            first(&mut self.reporting_mta, &text, "dns", noted);
        } else if field.is("Source-IP") {
            once(&mut self.source, address(&text), noted);
        } else if field.is("Incidents") {
            once(&mut self.incidents, number(&text), noted);
        } else {
            other(&mut self.others, field, text, noted);
        }
    }
}

/// Digits, perhaps with comments around them (RFC 5965 §3.5).
fn number(text: &str) -> Option<u32> {
    let digits = uncommented(text)?;
    let plain = digits.bytes().all(|octet| octet.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

/// An address as RFC 5321 §4.1.3 writes it, `192.0.2.1` or `IPv6:2001:db8::1`, and as the world
/// does: without the tag, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = uncommented(text)?;
    let inside = bare
        .strip_prefix('[')
        .and_then(|bare| bare.strip_suffix(']'));
    let bare = inside.unwrap_or(bare);
    match bare.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => {
            let address: Option<Ipv6Addr> = bare.get(5..)?.parse().ok();
            address.map(IpAddr::V6)
        }
        _ => bare.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 5965 §3.1 to §3.5.
    #[test]
    fn a_complaint_with_every_field() {
        let body = b"Feedback-Type: (kind) Fraud (so it seems)\r\nUser-Agent: Feld/2.1 Post/7\r\n\
            Version: 1 (only)\r\nOriginal-Envelope-Id: e-17\r\n\
            Original-Mail-From: <offers@shop.example>\r\n\
            Original-Rcpt-To: <ada@home.example>\r\nOriginal-Rcpt-To: <grace@home.example>\r\n\
            Received-Date: Tue, 13 Jan 2026 09:30:00 +0100\r\n\
            Reporting-MTA: dns; mx.home.example\r\n\
            Source-IP: IPv6:2001:db8::25 (mail.shop.example)\r\nIncidents: 12 (today)\r\n\
            Authentication-Results: mx.home.example;\r\n spf=fail smtp.mailfrom=shop.example\r\n\
            Reported-Domain: shop.example\r\n\
            Reported-URI: https://shop.example/a(b)\r\nReported-Uri: mailto:x@shop.example\r\n\
            Auth-Failure: spf\r\n";
        let mut noted = Leniencies::NONE;
        let report = FeedbackReport::parse_noting(body, &mut noted);
        assert_eq!(noted, Leniencies::NONE);
        let expected = FeedbackReport {
            kind: Some("fraud".into()),
            user_agent: Some("Feld/2.1 Post/7".into()),
            version: Some(1),
            envelope_id: Some("e-17".into()),
            mail_from: Some("<offers@shop.example>".into()),
            recipients: vec!["<ada@home.example>".into(), "<grace@home.example>".into()],
            arrival: parse_date_noting(b"13 Jan 2026 09:30:00 +0100", &mut noted),
            reporting_mta: Some(Typed {
                kind: "dns".into(),
                text: "mx.home.example".into(),
            }),
            source: "2001:db8::25".parse().ok(),
            incidents: Some(12),
            authentication_results: vec![
                "mx.home.example; spf=fail smtp.mailfrom=shop.example".into(),
            ],
            domains: vec!["shop.example".into()],
            uris: vec![
                "https://shop.example/a(b)".into(),
                "mailto:x@shop.example".into(),
            ],
            others: vec![("Auth-Failure".into(), "spf".into())],
        };
        assert_eq!(report, expected);
    }

    // RFC 5965 §3.1 and §3.2.
    #[test]
    fn what_stands_once() {
        let whole = "Feedback-Type: abuse\nUser-Agent: x\nVersion: 1\nOriginal-Envelope-Id: e\n\
            Original-Mail-From: <>\nArrival-Date: 1 Jan 2026 00:00:00 +0000\n\
            Reporting-MTA: dns; a\nSource-IP: 192.0.2.1\nIncidents: 2\n";
        let read = |body: &str| {
            let mut noted = Leniencies::NONE;
            let report = FeedbackReport::parse_noting(body.as_bytes(), &mut noted);
            (report, noted.has(Leniency::ReportRepaired))
        };
        let (report, repaired) = read(whole);
        assert!(!repaired);
        let older = "Received-Date: 2 Jan 2026 00:00:00 +0000";
        for line in whole.lines().chain([older]) {
            let (twice, repaired) = read(&format!("{whole}{line}\n"));
            assert_eq!((&twice, repaired), (&report, true), "{line}");
        }
        for line in ["Reported-Domain: a", "Original-Rcpt-To: <a@b>", "X-Any: y"] {
            let (_, repaired) = read(&format!("{whole}{line}\n{line}\n"));
            assert!(!repaired, "{line}");
        }
        for required in whole.lines().take(3) {
            let (_, repaired) = read(&whole.replace(required, "X-Any: y"));
            assert!(repaired, "{required}");
        }
    }

    // RFC 5965 §3.5, RFC 5321 §4.1.3.
    #[test]
    fn numbers_and_addresses() {
        for (text, expected) in [
            ("3", Some(3)),
            (" (a) 4294967295 (b)", Some(u32::MAX)),
            ("4294967296", None),
            ("+3", None),
            ("3 4", None),
            ("3 (a", None),
            ("", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("IPv6:2001:db8::1", "2001:db8::1"),
            ("ipv6:::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[192.0.2.1] (a)", "192.0.2.1"),
            ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(address(text), expected.parse().ok(), "{text}");
        }
        let report = FeedbackReport {
            source: address("2001:db8::1"),
            ..FeedbackReport::default()
        };
        assert_eq!(report.write(), b"Source-IP: IPv6:2001:db8::1\r\n");
        for text in [
            "IPv6:192.0.2.1",
            "mail.example",
            "192.0.2",
            "[192.0.2.1",
            "",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn half_a_report_is_named() {
        let mut noted = Leniencies::NONE;
        let body = b"Feedback-Type: Abuse\nVersion: x\nIncidents: 3\n\nUser-Agent: late\n";
        let report = FeedbackReport::parse_noting(body, &mut noted);
        assert_eq!(noted, [Leniency::ReportRepaired].into_iter().collect());
        assert_eq!(report.kind.as_deref(), Some("abuse"));
        assert_eq!(report.incidents, Some(3));
        assert_eq!(report.user_agent, None);
        let many = b"Reported-URI: a:b\n".repeat(VALUES_MAX + 1);
        let report = FeedbackReport::parse_noting(&many, &mut noted);
        assert_eq!(report.uris.len(), VALUES_MAX);
        assert!(noted.has(Leniency::FieldsPastLimit));
    }
}
