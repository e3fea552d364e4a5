//! Bodies of receipts: message/disposition-notification (RFC 8098 §3).
//!
//! Not here: Content-Disposition (`part`), the writing of receipts, and whether to send one.

use crate::header::Field;
use crate::ids::message_ids_noting;
use crate::leniency::{Leniencies, Leniency};
use crate::status::{Typed, first, groups, other, text};

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
    /// Another word, in lower case: `denied` and `failed` of RFC 3798, ….
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
            let mut words = text.splitn(2, ';').map(|word| word.trim().to_owned());
            let name = words.next().unwrap_or_default();
            let agent = (name, words.next());
            self.reporting_ua.get_or_insert(agent);
        } else if field.is("MDN-Gateway") {
            first(&mut self.gateway, &text, "dns", noted);
        } else if field.is("Original-Recipient") {
            first(&mut self.original, &text, "rfc822", noted);
        } else if field.is("Final-Recipient") {
            first(&mut self.recipient, &text, "rfc822", noted);
        } else if field.is("Original-Message-ID") {
            let id = message_ids_noting(field.value, noted).into_iter().next();
            self.message_id = self.message_id.take().or(id);
        } else if field.is("Disposition") {
            let disposition = Disposition::parse(&text);
            self.disposition = self.disposition.take().or(disposition);
        } else if field.is("Error") && self.errors.len() < ERRORS_MAX {
            self.errors.push(text);
        } else {
            other(&mut self.others, field, text, noted);
        }
    }
}

impl Disposition {
    // RFC 8098 §3.2.6
    fn parse(text: &str) -> Option<Self> {
        let (modes, rest) = text.split_once(';')?;
        let (action, sending) = modes.split_once('/')?;
        let is = |word: &str, name: &str| word.trim().eq_ignore_ascii_case(name);
        let action = match action {
            _ if is(action, "manual-action") => Mode::Manual,
            _ if is(action, "automatic-action") => Mode::Automatic,
            _ => return None,
        };
        let sending = match sending {
            _ if is(sending, "MDN-sent-manually") => Mode::Manual,
            _ if is(sending, "MDN-sent-automatically") => Mode::Automatic,
            _ => return None,
        };
        let (kind, modifiers) = rest.split_once('/').unwrap_or((rest, ""));
        let kind = match kind.trim().to_ascii_lowercase() {
            kind if kind.is_empty() => return None,
            kind if kind == "displayed" => Kind::Displayed,
            kind if kind == "dispatched" => Kind::Dispatched,
            kind if kind == "processed" => Kind::Processed,
            kind if kind == "deleted" => Kind::Deleted,
            kind => Kind::Other(kind),
        };
        let modifiers = modifiers
            .split(',')
            .map(|word| word.trim().to_ascii_lowercase())
            .filter(|word| !word.is_empty());
        Some(Self {
            action,
            sending,
            kind,
            modifiers: modifiers.take(MODIFIERS_MAX).collect(),
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
        let read = |text: &str| Disposition::parse(text);
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
}
