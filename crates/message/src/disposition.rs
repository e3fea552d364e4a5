//! Bodies of receipts: message/disposition-notification (RFC 8098 §3).
//!
//! Not here: Content-Disposition (`part`), the writing of receipts, and whether to send one.

use crate::header::Field;
use crate::ids::message_ids_noting;
use crate::leniency::{Leniencies, Leniency};
use crate::scan::Scan;
use crate::status::{Typed, first, groups, once, other, text, word};

/// Error fields that are kept; the rest is passed over.
const ERRORS_MAX: usize = 100;
/// Modifiers of a disposition that are kept; the rest is passed over.
const MODIFIERS_MAX: usize = 100;

/// What a reader's program tells of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DispositionNotification {
    /// Reporting-UA: name, and product behind the semicolon.
    pub reporting_ua: Option<(String, Option<String>)>,
    /// MDN-Gateway: who translated the receipt.
    pub gateway: Option<Typed>,
    /// Original-Recipient: as the sender wrote it.
    pub original: Option<Typed>,
    /// Final-Recipient: whose program tells.
    pub recipient: Option<Typed>,
    /// Original-Message-ID, without its brackets.
    pub message_id: Option<Vec<u8>>,
    /// What was done.
    pub disposition: Option<Disposition>,
    /// Error: what went wrong, in words.
    pub errors: Vec<String>,
    /// All other fields: name as written, and text.
    pub others: Vec<(String, String)>,
}

/// What was done with a message: `manual-action/MDN-sent-manually; displayed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// Who did it.
    pub action: Mode,
    /// Who sent the receipt.
    pub sending: Mode,
    /// What it was.
    pub kind: Kind,
    /// `error` and others, in lower case.
    pub modifiers: Vec<String>,
}

/// A person or a program (RFC 8098 §3.2.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A person, at that moment.
    Manual,
    /// A program, as it was once told to.
    Automatic,
}

/// What was done (RFC 8098 §3.2.6.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Shown; whether it was read nobody knows.
    Displayed,
    /// Sent on, printed, faxed, ….
    Dispatched,
    /// Acted upon by a rule or a program, not shown.
    Processed,
    /// Removed; whether it had been seen nobody knows.
    Deleted,
    /// Another word, in lower case: `denied` and `failed` of RFC 2298, ….
    Other(String),
}

impl DispositionNotification {
    /// Reads a body, its transfer encoding undone; never fails.
    #[must_use]
    pub fn parse(body: &[u8]) -> Self {
        Self::parse_noting(body, &mut Leniencies::default())
    }

    /// The same, and adds what had to be repaired.
    #[must_use]
    pub fn parse_noting(body: &[u8], noted: &mut Leniencies) -> Self {
        let mut receipt = Self::default();
        for (index, group) in groups(body).enumerate() {
            if index > 0 {
                // One group is all there is (RFC 8098 §3.1).
                noted.add(Leniency::ReportRepaired);
                break;
            }
            for field in group {
                receipt.field(&field, noted);
            }
        }
        if receipt.recipient.is_none() || receipt.disposition.is_none() {
            noted.add(Leniency::ReportRepaired);
        }
        receipt
    }

    // RFC 8098 §3.2
    fn field(&mut self, field: &Field<'_>, noted: &mut Leniencies) {
        let text = text(field);
        if field.is("Reporting-UA") {
            once(&mut self.reporting_ua, Some(agent(&text)), noted);
        } else if field.is("MDN-Gateway") {
            first(&mut self.gateway, &text, "dns", noted);
        } else if field.is("Original-Recipient") {
            first(&mut self.original, &text, "rfc822", noted);
        } else if field.is("Final-Recipient") {
            first(&mut self.recipient, &text, "rfc822", noted);
        } else if field.is("Original-Message-ID") {
            let id = message_ids_noting(field.value, noted).into_iter().next();
            once(&mut self.message_id, id, noted);
        } else if field.is("Disposition") {
            once(
                &mut self.disposition,
                Disposition::parse(&text, noted),
                noted,
            );
        } else if field.is("Error") && self.errors.len() < ERRORS_MAX {
            self.errors.push(text);
        } else if field.is("Error") {
            noted.add(Leniency::FieldsPastLimit);
        } else {
            other(&mut self.others, field, text, noted);
        }
    }
}

// RFC 8098 §3.2.1
/// The name and the product; a comment may stand before the name.
fn agent(text: &str) -> (String, Option<String>) {
    let mut scan = Scan::new(text.as_bytes());
    scan.skip_space();
    let text = String::from_utf8_lossy(scan.rest());
    let mut words = text.splitn(2, ';').map(|word| word.trim().to_owned());
    (words.next().unwrap_or_default(), words.next())
}

impl Disposition {
    // RFC 8098 §3.2.6
    fn parse(text: &str, noted: &mut Leniencies) -> Option<Self> {
        let mut scan = Scan::new(text.as_bytes());
        let mut next = |mark: &[u8]| {
            let word = word(&mut scan, |octet| matches!(octet, b'/' | b';' | b','));
            let marked =
                scan.peek().is_some_and(|octet| mark.contains(&octet)) && scan.bump().is_some();
            (word, marked, scan.unended || !scan.rest().is_empty())
        };
        let (action, acted, _) = next(b"/");
        let (sending, sent, _) = next(b";");
        let action = match action {
            _ if action.eq_ignore_ascii_case("manual-action") => Mode::Manual,
            _ if action.eq_ignore_ascii_case("automatic-action") => Mode::Automatic,
            _ => return None,
        };
        let sending = match sending {
            _ if sending.eq_ignore_ascii_case("MDN-sent-manually") => Mode::Manual,
            _ if sending.eq_ignore_ascii_case("MDN-sent-automatically") => Mode::Automatic,
            _ => return None,
        };
        let (kind, mut more, mut unread) = next(b"/");
        let kind = match kind.to_ascii_lowercase() {
            kind if kind.is_empty() || !acted || !sent => return None,
            kind if kind == "displayed" => Kind::Displayed,
            kind if kind == "dispatched" => Kind::Dispatched,
            kind if kind == "processed" => Kind::Processed,
            kind if kind == "deleted" => Kind::Deleted,
            kind => Kind::Other(kind),
        };
        let mut modifiers = Vec::new();
        let mut empty = false;
        while more && modifiers.len() < MODIFIERS_MAX {
            let modifier;
            (modifier, more, unread) = next(b",");
            empty |= modifier.is_empty();
            modifiers.extend((!modifier.is_empty()).then(|| modifier.to_ascii_lowercase()));
        }
        if unread || empty {
            noted.add(Leniency::ReportRepaired);
        }
        Some(Self {
            action,
            sending,
            kind,
            modifiers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8098 §9.
    #[test]
    fn the_example_of_rfc_8098() {
        let body = b"Reporting-UA: joes-pc.cs.example.com; Foomail 97.1\r\n\
                     Original-Recipient: rfc822;Joe_Recipient@example.com\r\n\
                     Final-Recipient: rfc822;Joe_Recipient@example.com\r\n\
                     Original-Message-ID: <199509192301.23456@example.org>\r\n\
                     Disposition: manual-action/MDN-sent-manually; displayed\r\n";
        let mut noted = Leniencies::NONE;
        let receipt = DispositionNotification::parse_noting(body, &mut noted);
        assert_eq!(noted, Leniencies::NONE);
        let joe = Typed {
            kind: "rfc822".into(),
            text: "Joe_Recipient@example.com".into(),
        };
        let expected = DispositionNotification {
            reporting_ua: Some(("joes-pc.cs.example.com".into(), Some("Foomail 97.1".into()))),
            original: Some(joe.clone()),
            recipient: Some(joe),
            message_id: Some(b"199509192301.23456@example.org".to_vec()),
            disposition: Some(Disposition {
                action: Mode::Manual,
                sending: Mode::Manual,
                kind: Kind::Displayed,
                modifiers: vec![],
            }),
            ..DispositionNotification::default()
        };
        assert_eq!(receipt, expected);
    }

    #[test]
    fn dispositions_as_the_world_writes_them() {
        let read = |text: &str| Disposition::parse(text, &mut Leniencies::default());
        let error = read("Automatic-Action / MDN-sent-automatically;processed/Error, x").unwrap();
        assert_eq!(error.action, Mode::Automatic);
        assert_eq!(error.sending, Mode::Automatic);
        assert_eq!(error.kind, Kind::Processed);
        assert_eq!(error.modifiers, ["error", "x"]);
        let denied = read("manual-action/MDN-sent-manually; denied").unwrap();
        assert_eq!(denied.kind, Kind::Other("denied".into()));
        for text in [
            "",
            "displayed",
            "manual-action; displayed",
            "manual-action MDN-sent-manually; displayed",
            "manual-action/MDN-sent-manually displayed",
            "a/b; displayed",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let mut noted = Leniencies::NONE;
        let body = b"Final-Recipient: ada@example.org\nError: no\nX-Why: so\n\nMore: no\n";
        let receipt = DispositionNotification::parse_noting(body, &mut noted);
        assert!(noted.has(Leniency::ReportRepaired));
        let address = receipt.recipient.unwrap().address().unwrap();
        assert_eq!(address.to_string(), "ada@example.org");
        assert_eq!(receipt.errors, ["no"]);
        assert_eq!(receipt.others, [("X-Why".into(), "so".into())]);
    }

    // RFC 8098 §7: parsers take comments wherever white space may stand.
    #[test]
    fn dispositions_with_comments() {
        let cases = [
            ("manual-action/MDN-sent-manually;displayed", "", false),
            (
                "(a/b) MANUAL-action(c;d) / (e)MDN-sent-manually (f) ; (g) Displayed (h)",
                "",
                false,
            ),
            (
                "manual-action/MDN-sent-manually; displayed/ (x) Error (y,z) , (v)expired(w)",
                "error expired",
                false,
            ),
            ("manual-action/MDN-sent-manually; displayed; x", "", true),
            ("manual-action/MDN-sent-manually; displayed/", "", true),
            (
                "manual-action/MDN-sent-manually; displayed/a,,b",
                "a b",
                true,
            ),
            ("manual-action/MDN-sent-manually; displayed (x", "", true),
        ];
        for (text, modifiers, repaired) in cases {
            let mut noted = Leniencies::NONE;
            let read = Disposition::parse(text, &mut noted).unwrap();
            assert_eq!(read.kind, Kind::Displayed, "{text}");
            assert_eq!(read.modifiers.join(" "), modifiers, "{text}");
            assert_eq!(noted.has(Leniency::ReportRepaired), repaired, "{text}");
        }
        let agent = agent("(x;y) pc.example ; Mailer (2) ");
        assert_eq!(agent, ("pc.example".into(), Some("Mailer (2)".into())));
    }

    // RFC 8098 §3.1.
    #[test]
    fn fields_stand_once() {
        let whole = "Reporting-UA: a; b\nMDN-Gateway: dns; g\nOriginal-Recipient: rfc822; a@b\n\
            Final-Recipient: rfc822; a@b\nOriginal-Message-ID: <a@b>\n\
            Disposition: manual-action/MDN-sent-manually; displayed\nError: a\n";
        let read = |body: &str| {
            let mut noted = Leniencies::NONE;
            let receipt = DispositionNotification::parse_noting(body.as_bytes(), &mut noted);
            (receipt, noted)
        };
        let (receipt, noted) = read(whole);
        assert_eq!(noted, Leniencies::NONE);
        for line in whole.lines().filter(|line| !line.starts_with("Error")) {
            let (twice, noted) = read(&format!("{whole}{line}\n"));
            assert_eq!(twice, receipt, "{line}");
            assert!(noted.has(Leniency::ReportRepaired), "{line}");
        }
        let (many, noted) = read(&format!("{whole}{}", "Error: b\n".repeat(ERRORS_MAX)));
        assert_eq!(many.errors.len(), ERRORS_MAX);
        assert!(many.others.is_empty() && noted.has(Leniency::FieldsPastLimit));
    }
}
