//! Bodies of delivery reports: message/delivery-status (RFC 3464 §2) and, in UTF-8,
//! message/global-delivery-status (RFC 6533 §4).
//!
//! Read leniently: every report of the world's mailers says something. Not here: their writing,
//! and the report around them.

use std::fmt;

use mail::{Address, Enhanced, Timestamp};

use crate::charset;
use crate::date::parse_date_noting;
use crate::header::{Field, Header};
use crate::leniency::{Leniencies, Leniency};
use crate::scan::{Scan, is_space};

/// Recipients of one report that are read; the rest is passed over.
const RECIPIENTS_MAX: usize = 10_000;
/// Other fields of one group that are kept; the rest is passed over.
const OTHERS_MAX: usize = 100;

/// A value with the name of its kind: `rfc822; ada@example.org` (RFC 3464 §2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// The kind in lower case: `rfc822`, `utf-8`, `dns`, `smtp`, ….
    pub kind: String,
    /// The value as written, unfolded.
    pub text: String,
}

impl Typed {
    /// Reads `kind; text`; where the kind is missing it is `kind`.
    pub(crate) fn parse(value: &str, kind: &str, noted: &mut Leniencies) -> Self {
        // Comments may stand here as everywhere, and hold semicolons.
        let mut scan = Scan::new(value.as_bytes());
        let named = word(&mut scan, |octet| octet == b';');
        if scan.take(b';')
            && !named.is_empty()
            && named.bytes().all(|octet| octet.is_ascii_graphic())
        {
            return Self {
                kind: named.to_ascii_lowercase(),
                text: String::from_utf8_lossy(scan.rest()).trim().to_owned(),
            };
        }
        noted.add(Leniency::ReportRepaired);
        Self {
            kind: kind.to_owned(),
            text: value.to_owned(),
        }
    }

    /// The mail address it is, if it is one: of kind `rfc822`, or of `utf-8` with RFC 6533 §3's
    /// `\x{…}` read. Comments around it are no part of it (RFC 3464 §2.1.1).
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        let text = uncommented(&self.text)?;
        let text = text.strip_prefix('<').unwrap_or(text);
        let text = text.strip_suffix('>').unwrap_or(text);
        match &*self.kind {
            "rfc822" => Address::parse(text).ok(),
            "utf-8" => Address::parse(&unitext(text)?).ok(),
            _ => None,
        }
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.kind, self.text)
    }
}

// RFC 6533 §3
/// Reads `\x{HEX}`; `None` where one is no character.
fn unitext(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\\x{") {
        let (code, behind) = behind.split_once('}')?;
        let plain =
            (2..=6).contains(&code.len()) && code.bytes().all(|octet| octet.is_ascii_hexdigit());
        let code = u32::from_str_radix(code, 16).ok().filter(|_| plain)?;
        out.push_str(before);
        out.push(char::from_u32(code)?);
        rest = behind;
    }
    out.push_str(rest);
    Some(out)
}

/// What became of a message, for each recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryStatus {
    /// Original-Envelope-Id: the sender's own mark.
    pub envelope_id: Option<String>,
    /// Reporting-MTA: who tells; `dns; mx.example`.
    pub reporting_mta: Option<Typed>,
    /// DSN-Gateway: who translated the report.
    pub gateway: Option<Typed>,
    /// Received-From-MTA: from whom the message came.
    pub received_from: Option<Typed>,
    /// Arrival-Date: when it came.
    pub arrival: Option<Timestamp>,
    /// All other fields: name as written, and text.
    pub others: Vec<(String, String)>,
    /// A group for each recipient.
    pub recipients: Vec<RecipientStatus>,
}

/// What became of a message for one recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipientStatus {
    /// Original-Recipient: as the sender wrote it.
    pub original: Option<Typed>,
    /// Final-Recipient: as the reporting server knew it.
    pub recipient: Option<Typed>,
    /// Action.
    pub action: Option<Action>,
    /// Status, such as 5.1.1.
    pub status: Option<Enhanced>,
    /// Remote-MTA: who said so.
    pub remote_mta: Option<Typed>,
    /// Diagnostic-Code: its words; `smtp; 550 No such user`.
    pub diagnostic: Option<Typed>,
    /// Last-Attempt-Date.
    pub last_attempt: Option<Timestamp>,
    /// Final-Log-ID.
    pub log_id: Option<String>,
    /// Will-Retry-Until: of delays only.
    pub retry_until: Option<Timestamp>,
    /// All other fields: name as written, and text.
    pub others: Vec<(String, String)>,
}

/// What was done for a recipient (RFC 3464 §2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Given up.
    Failed,
    /// Not yet delivered; more attempts follow.
    Delayed,
    /// In the mailbox.
    Delivered,
    /// Handed on to where no report comes from.
    Relayed,
    /// Delivered to an address that stands for several.
    Expanded,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Failed,
        Self::Delayed,
        Self::Delivered,
        Self::Relayed,
        Self::Expanded,
    ];

    /// The word in the field.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }

    /// Reads the word, in any case, perhaps with comments around it.
    fn parse(text: &str) -> Option<Self> {
        let word = word(&mut Scan::new(text.as_bytes()), |_| false);
        let mut all = Self::ALL.into_iter();
        all.find(|one| one.name().eq_ignore_ascii_case(&word))
    }
}

impl DeliveryStatus {
    /// Reads a body, its transfer encoding undone; never fails.
    #[must_use]
    pub fn parse(body: &[u8]) -> Self {
        Self::parse_noting(body, &mut Leniencies::default())
    }

    /// The same, and adds what had to be repaired.
    #[must_use]
    pub fn parse_noting(body: &[u8], noted: &mut Leniencies) -> Self {
        let mut status = Self::default();
        for (index, group) in groups(body).enumerate() {
            let names_recipient = group
                .clone()
                .any(|field| field.is("Final-Recipient") || field.is("Original-Recipient"));
            if index == 0 {
                for field in group.clone() {
                    status.field(&field, names_recipient, noted);
                }
            }
            // Some forget the blank line between the message and its recipient.
            if index > 0 || names_recipient {
                if status.recipients.len() >= RECIPIENTS_MAX {
                    noted.add(Leniency::FieldsPastLimit);
                    break;
                }
                status
                    .recipients
                    .extend(RecipientStatus::parse(group, noted));
            }
            if names_recipient && index == 0 {
                noted.add(Leniency::ReportRepaired);
            }
        }
        if status.reporting_mta.is_none() || status.recipients.is_empty() {
            noted.add(Leniency::ReportRepaired);
        }
        status
    }

    // RFC 3464 §2.2
    fn field(&mut self, field: &Field<'_>, shared: bool, noted: &mut Leniencies) {
        let text = text(field);
        if field.is("Original-Envelope-Id") {
            once(&mut self.envelope_id, Some(text), noted);
        } else if field.is("Reporting-MTA") {
            first(&mut self.reporting_mta, &text, "dns", noted);
        } else if field.is("DSN-Gateway") {
            first(&mut self.gateway, &text, "dns", noted);
        } else if field.is("Received-From-MTA") {
            first(&mut self.received_from, &text, "dns", noted);
        } else if field.is("Arrival-Date") {
            let date = parse_date_noting(field.value, noted);
            once(&mut self.arrival, date, noted);
        } else if !shared {
            other(&mut self.others, field, text, noted);
        }
    }
}

impl RecipientStatus {
    // RFC 3464 §2.3
    fn parse<'a>(group: impl Iterator<Item = Field<'a>>, noted: &mut Leniencies) -> Option<Self> {
        let mut one = Self::default();
        let mut any = false;
        for field in group {
            any = true;
            one.field(&field, noted);
        }
        let whole = one.recipient.is_some() && one.action.is_some() && one.status.is_some();
        if !whole {
            noted.add(Leniency::ReportRepaired);
        }
        any.then_some(one)
    }

    fn field(&mut self, field: &Field<'_>, noted: &mut Leniencies) {
        let text = text(field);
        if field.is("Original-Recipient") {
            first(&mut self.original, &text, "rfc822", noted);
        } else if field.is("Final-Recipient") {
            first(&mut self.recipient, &text, "rfc822", noted);
        } else if field.is("Action") {
            once(&mut self.action, Action::parse(&text), noted);
        } else if field.is("Status") {
            once(&mut self.status, enhanced(&text), noted);
        } else if field.is("Remote-MTA") {
            first(&mut self.remote_mta, &text, "dns", noted);
        } else if field.is("Diagnostic-Code") {
            first(&mut self.diagnostic, &text, "smtp", noted);
        } else if field.is("Last-Attempt-Date") {
            let date = parse_date_noting(field.value, noted);
            once(&mut self.last_attempt, date, noted);
        } else if field.is("Final-Log-ID") {
            once(&mut self.log_id, Some(text), noted);
        } else if field.is("Will-Retry-Until") {
            let date = parse_date_noting(field.value, noted);
            once(&mut self.retry_until, date, noted);
        } else {
            other(&mut self.others, field, text, noted);
        }
    }
}

/// `5.1.1`, perhaps with a comment behind it (RFC 3464 §2.3.4).
fn enhanced(text: &str) -> Option<Enhanced> {
    let code = word(&mut Scan::new(text.as_bytes()), |_| false);
    let mut numbers = code.split('.').map(|number| {
        let plain = number.len() <= 3 && number.bytes().all(|octet| octet.is_ascii_digit());
        number.parse::<u16>().ok().filter(|_| plain)
    });
    let (class, subject, detail) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let class = u8::try_from(class).ok()?;
    let fits = matches!(class, 2 | 4 | 5) && numbers.next().is_none();
    fits.then(|| Enhanced::new(class, subject, detail))
}

/// Groups of fields with blank lines between them, each not empty.
pub(crate) fn groups(body: &[u8]) -> impl Iterator<Item = Header<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let mut header = Header::parse(body.get(at..)?);
            let group = header.clone();
            let any = header.by_ref().count() > 0;
            at += header.offset() + header.blank_line().len();
            if any {
                return Some(group);
            }
            if at >= body.len() {
                return None;
            }
        }
    })
}

/// The value on one line: UTF-8, or else windows-1252.
pub(crate) fn text(field: &Field<'_>) -> String {
    charset::decode_cow(b"", &field.unfolded()).into_owned()
}

/// Keeps the first of fields that should stand once.
pub(crate) fn first(slot: &mut Option<Typed>, text: &str, kind: &str, noted: &mut Leniencies) {
    let typed = Typed::parse(text, kind, noted);
    once(slot, Some(typed), noted);
}

/// Keeps the first that can be read of fields that should stand once.
pub(crate) fn once<T>(slot: &mut Option<T>, value: Option<T>, noted: &mut Leniencies) {
    if slot.is_some() || value.is_none() {
        noted.add(Leniency::ReportRepaired);
    }
    if slot.is_none() {
        *slot = value;
    }
}

/// The word up to white space, a comment or what `ends` it, with comments and white space around it
/// passed over.
pub(crate) fn word(scan: &mut Scan<'_>, ends: impl Fn(u8) -> bool) -> String {
    scan.skip_space();
    let word = scan.until(|octet| is_space(octet) || octet == b'(' || ends(octet));
    scan.skip_space();
    String::from_utf8_lossy(word).into_owned()
}

/// One word, perhaps with quoted strings in it, without the comments around it; `None` if there is
/// more than one.
// RFC 3464 §2.1.1
pub(crate) fn uncommented(text: &str) -> Option<&str> {
    let mut scan = Scan::new(text.as_bytes());
    scan.skip_space();
    let start = text.len() - scan.rest().len();
    while !scan
        .until(|octet| is_space(octet) || matches!(octet, b'(' | b'"'))
        .is_empty()
        || scan.peek() == Some(b'"')
    {
        if scan.take(b'"') {
            scan.quoted();
        }
    }
    let end = text.len() - scan.rest().len();
    scan.skip_space();
    let whole = scan.rest().is_empty() && !scan.unended;
    text.get(start..end).filter(|_| whole)
}

/// Keeps a field nobody here knows.
pub(crate) fn other(
    others: &mut Vec<(String, String)>,
    field: &Field<'_>,
    text: String,
    noted: &mut Leniencies,
) {
    if others.len() >= OTHERS_MAX {
        noted.add(Leniency::FieldsPastLimit);
        return;
    }
    let name = String::from_utf8_lossy(field.name).into_owned();
    others.push((name, text));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(kind: &str, text: &str) -> Option<Typed> {
        Some(Typed {
            kind: kind.to_owned(),
            text: text.to_owned(),
        })
    }

    // RFC 3464 appendix E.2.
    #[test]
    fn the_example_of_rfc_3464() {
        let body = b"Reporting-MTA: dns; cs.utk.edu\r\n\r\n\
            Original-Recipient: rfc822;arathib@vnet.ibm.com\r\n\
            Final-Recipient: rfc822;arathib@vnet.ibm.com\r\n\
            Action: failed\r\n\
            Status: 5.0.0 (permanent failure)\r\n\
            Diagnostic-Code: smtp;\r\n 550 'arathib@vnet.IBM.COM' is not a\r\n registered gateway \
            user\r\n\
            Remote-MTA: dns; vnet.ibm.com\r\n\r\n\
            Original-Recipient: rfc822;wsnell@sdcc13.ucsd.edu\r\n\
            Final-Recipient: rfc822;wsnell@sdcc13.ucsd.edu\r\n\
            Action: delayed\r\n\
            Status: 4.0.0 (unknown temporary failure)\r\n\
            Will-Retry-Until: Thu, 7 Jul 1994 17:15:49 -0400\r\n";
        let mut noted = Leniencies::NONE;
        let status = DeliveryStatus::parse_noting(body, &mut noted);
        assert_eq!(noted, Leniencies::NONE);
        assert_eq!(status.reporting_mta, typed("dns", "cs.utk.edu"));
        let [failed, delayed] = status.recipients.as_slice() else {
            panic!("two recipients");
        };
        let expected = RecipientStatus {
            original: typed("rfc822", "arathib@vnet.ibm.com"),
            recipient: typed("rfc822", "arathib@vnet.ibm.com"),
            action: Some(Action::Failed),
            status: Some(Enhanced::new(5, 0, 0)),
            remote_mta: typed("dns", "vnet.ibm.com"),
            diagnostic: typed(
                "smtp",
                "550 'arathib@vnet.IBM.COM' is not a registered gateway user",
            ),
            ..RecipientStatus::default()
        };
        assert_eq!(*failed, expected);
        assert_eq!(delayed.action, Some(Action::Delayed));
        assert_eq!(delayed.retry_until.unwrap().seconds, 773_615_749);
    }

    // RFC 6533 §3 and §4.
    #[test]
    fn addresses_beyond_ascii() {
        let body = "Reporting-MTA: dns; mx.example\r\n\r\n\
            Original-Recipient: utf-8; j\\x{F6}rg@m\\x{FC}nchen.example\r\n\
            Final-Recipient: utf-8; jörg@münchen.example\r\n\
            Action: Delivered\r\nStatus: 2.1.5\r\nLocalized-Diagnostic: de; Angekommen\r\n";
        let mut noted = Leniencies::NONE;
        let status = DeliveryStatus::parse_noting(body.as_bytes(), &mut noted);
        assert_eq!(noted, Leniencies::NONE);
        let one = status.recipients.first().unwrap();
        let original = one.original.as_ref().unwrap().address();
        assert_eq!(original, one.recipient.as_ref().unwrap().address());
        assert_eq!(original.unwrap().to_string(), "jörg@münchen.example");
        let localized = ("Localized-Diagnostic".into(), "de; Angekommen".into());
        assert_eq!(one.others, [localized]);
        for broken in [
            "\\x{D800}",
            "\\x{110000}",
            "\\x{41",
            "\\x{}",
            "\\x{9}",
            "\\x{+F6}",
            "\\x{00000F6}",
        ] {
            assert_eq!(unitext(broken), None);
        }
        let unknown = typed("x400", "a@b.example").unwrap();
        assert_eq!(unknown.address(), None);
    }

    #[test]
    fn reports_as_the_world_writes_them() {
        let mut noted = Leniencies::NONE;
        // No blank line, no kinds, a word behind the action, junk and a second value.
        let body = b"\n\nReporting-MTA: mx.example\nFinal-Recipient: <ada@example.org>\n\
            Action: failed (undeliverable)\nStatus: 5.1\nStatus: 5.1.1\njunk\n\
            Remote-MTA: dns;a\nRemote-MTA: dns;b\nX-One: 1\n\n\n";
        let status = DeliveryStatus::parse_noting(body, &mut noted);
        assert!(noted.has(Leniency::ReportRepaired));
        assert_eq!(status.reporting_mta, typed("dns", "mx.example"));
        let one = status.recipients.first().unwrap();
        let address = one.recipient.as_ref().unwrap().address().unwrap();
        assert_eq!(address.to_string(), "ada@example.org");
        assert_eq!(one.action, Some(Action::Failed));
        assert_eq!(one.status, Some(Enhanced::new(5, 1, 1)));
        assert_eq!(one.remote_mta, typed("dns", "a"));
        assert!(one.others.contains(&("X-One".into(), "1".into())));
        assert_eq!(DeliveryStatus::parse(b""), DeliveryStatus::default());
        for text in [
            "", "5", "5.1", "5.1.1.1", "6.1.1", "5.1.1000", "5.+1.1", "x",
        ] {
            assert_eq!(enhanced(text), None, "{text}");
        }
    }

    // RFC 3464 §2.1.1 and §2.1.2.
    #[test]
    fn comments_are_no_part_of_a_value() {
        let cases = [
            (
                "rfc822; ada@example.org (Ada; at home)",
                Some("ada@example.org"),
            ),
            (
                "(a;b) RFC822 (c) ;(d) <ada@example.org> (e)",
                Some("ada@example.org"),
            ),
            ("rfc822;\"a (b\"@example.org", Some("\"a (b\"@example.org")),
            (
                "utf-8; (x) j\\x{f6}rg@example.org",
                Some("jörg@example.org"),
            ),
            ("rfc822; ada@example.org grace@example.org", None),
            ("rfc822; ada@example.org (Ada", None),
            ("rfc822; (nobody)", None),
            ("x400; ada@example.org", None),
        ];
        for (value, address) in cases {
            let mut noted = Leniencies::NONE;
            let typed = Typed::parse(value, "dns", &mut noted);
            assert_eq!(noted, Leniencies::NONE, "{value}");
            let read = typed.address().map(|address| address.to_string());
            assert_eq!(read.as_deref(), address, "{value}");
        }
        for value in ["two words; x", "; x", "(only) x", "jörg; x"] {
            let mut noted = Leniencies::NONE;
            let typed = Typed::parse(value, "dns", &mut noted);
            assert_eq!(typed, self::typed("dns", value).unwrap());
            assert!(noted.has(Leniency::ReportRepaired), "{value}");
        }
        assert_eq!(Action::parse("(so) Delayed(still)"), Some(Action::Delayed));
        assert_eq!(enhanced("4.4.7(timeout)"), Some(Enhanced::new(4, 4, 7)));
    }

    // RFC 3464 §2.2 and §2.3.
    #[test]
    fn fields_stand_once_and_can_be_read() {
        let message = "Reporting-MTA: dns; mx.example\nArrival-Date: 1 Jan 2026 00:00:00 +0000\n";
        let recipient = "Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n";
        let read = |message: &str, recipient: &str| {
            let mut noted = Leniencies::NONE;
            let body = format!("{message}\n{recipient}");
            let status = DeliveryStatus::parse_noting(body.as_bytes(), &mut noted);
            (status, noted.has(Leniency::ReportRepaired))
        };
        let (whole, repaired) = read(message, recipient);
        assert!(!repaired);
        for line in message.lines() {
            let (twice, repaired) = read(&format!("{message}{line}\n"), recipient);
            assert_eq!((&twice, repaired), (&whole, true), "{line}");
        }
        for line in recipient.lines() {
            let (twice, repaired) = read(message, &format!("{recipient}{line}\n"));
            assert_eq!((&twice, repaired), (&whole, true), "{line}");
        }
        for line in ["Last-Attempt-Date: soon", "Will-Retry-Until: never"] {
            let (unread, repaired) = read(message, &format!("{recipient}{line}\n"));
            assert_eq!((&unread, repaired), (&whole, true), "{line}");
        }
    }

    #[test]
    fn counts_are_bounded() {
        let many = b"A: b\n\n".repeat(RECIPIENTS_MAX + 10);
        let status = DeliveryStatus::parse(&many);
        assert_eq!(status.recipients.len(), RECIPIENTS_MAX);
        let mut noted = Leniencies::NONE;
        let wide = b"A: b\n".repeat(OTHERS_MAX + 1);
        let status = DeliveryStatus::parse_noting(&wide, &mut noted);
        assert_eq!(status.others.len(), OTHERS_MAX);
        assert!(noted.has(Leniency::FieldsPastLimit));
    }
}
