//! Bodies of complaints: message/feedback-report (RFC 5965 §3), as "this is spam" buttons send
//! them, with RFC 6591's reports of failed authentication among their kinds.

use std::net::IpAddr;

use mail::Timestamp;

use crate::date::parse_date_noting;
use crate::header::Field;
use crate::leniency::{Leniencies, Leniency};
use crate::status::{Typed, first, groups, other, text};

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

    // RFC 5965 §3.2
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

    /// Fields that stand once; the first counts.
    fn single(&mut self, field: &Field<'_>, text: String, noted: &mut Leniencies) {
        if field.is("Feedback-Type") {
            self.kind.get_or_insert_with(|| text.to_ascii_lowercase());
        } else if field.is("User-Agent") {
            self.user_agent.get_or_insert(text);
        } else if field.is("Version") {
            self.version = self.version.or_else(|| text.parse().ok());
        } else if field.is("Original-Envelope-Id") {
            self.envelope_id.get_or_insert(text);
        } else if field.is("Original-Mail-From") {
            self.mail_from.get_or_insert(text);
        } else if field.is("Arrival-Date") || field.is("Received-Date") {
            let date = parse_date_noting(field.value, noted);
            self.arrival = self.arrival.or(date);
        } else if field.is("Reporting-MTA") {
            first(&mut self.reporting_mta, &text, "dns", noted);
        } else if field.is("Source-IP") {
            self.source = self.source.or_else(|| text.parse().ok());
        } else if field.is("Incidents") {
            self.incidents = self.incidents.or_else(|| text.parse().ok());
        } else {
            other(&mut self.others, field, text, noted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 5965 appendix B.2.
    #[test]
    fn the_example_of_rfc_5965() {
        let body = b"Feedback-Type: abuse\r\nUser-Agent: SomeGenerator/1.0\r\nVersion: 1\r\n\
            Original-Mail-From: <somespammer@example.net>\r\n\
            Original-Rcpt-To: <user@example.com>\r\n\
            Received-Date: Thu, 8 Mar 2005 14:00:00 EDT\r\nSource-IP: 192.0.2.2\r\n\
            Authentication-Results: mail.example.com\r\n smtp.mail=somespammer@example.com;\r\n \
            spf=fail\r\nReported-Domain: example.net\r\n\
            Reported-Uri: http://example.net/earn_money.html\r\n\
            Reported-Uri: mailto:user@example.com\r\n\
            Removal-Recipient: user@example.com\r\n";
        let mut noted = Leniencies::NONE;
        let report = FeedbackReport::parse_noting(body, &mut noted);
        // The eighth was a Tuesday.
        assert_eq!(noted, [Leniency::DateRepaired].into_iter().collect());
        let expected = FeedbackReport {
            kind: Some("abuse".into()),
            user_agent: Some("SomeGenerator/1.0".into()),
            version: Some(1),
            mail_from: Some("<somespammer@example.net>".into()),
            recipients: vec!["<user@example.com>".into()],
            arrival: parse_date_noting(b"8 Mar 2005 14:00:00 -0400", &mut noted),
            source: "192.0.2.2".parse().ok(),
            authentication_results: vec![
                "mail.example.com smtp.mail=somespammer@example.com; spf=fail".into(),
            ],
            domains: vec!["example.net".into()],
            uris: vec![
                "http://example.net/earn_money.html".into(),
                "mailto:user@example.com".into(),
            ],
            others: vec![("Removal-Recipient".into(), "user@example.com".into())],
            ..FeedbackReport::default()
        };
        assert_eq!(report, expected);
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
