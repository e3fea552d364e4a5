//! Puts a message together: for notices, for samples, for tests.
//!
//! Whatever it is given, what comes out is lines of ASCII (but for addresses that need SMTPUTF8)
//! that read back as what was put in; no text can become a field. The caller brings date and
//! identifier, for nothing here knows the time or chance. Not here: re-writing read messages.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail::{Address, Timestamp};

use crate::ids::message_ids;

/// Columns a folded line has at most, where its words allow.
const COLUMNS: usize = 76;
/// Octets of text in one encoded word, encoded (RFC 2047 §2: 75 in all).
const WORD_OCTETS_MAX: usize = 63;
/// Octets a line of a body has at most, unencoded (RFC 5322 §2.1.1).
const LINE_OCTETS_MAX: usize = 998;
const BOUNDARY: &str = "=_caramel-";

/// A message under construction.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    header: String,
    text: Option<String>,
    html: Option<String>,
    parts: Vec<Leaf>,
    report: Option<String>,
}

#[derive(Clone, Debug)]
struct Leaf {
    header: String,
    body: Vec<u8>,
}

impl Builder {
    /// An empty message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds Date.
    #[must_use]
    pub fn date(self, date: Timestamp) -> Self {
        self.raw("Date", &[date.to_rfc5322().to_string()])
    }

    /// Adds Message-ID; the identifier comes without angle brackets.
    #[must_use]
    pub fn message_id(self, id: &str) -> Self {
        self.ids("Message-ID", &[id])
    }

    /// Adds a list of message identifiers: In-Reply-To, References.
    #[must_use]
    pub fn ids(self, name: &str, ids: &[&str]) -> Self {
        let clean = |id: &&str| {
            let id: String = id.chars().filter(char::is_ascii_graphic).collect();
            message_ids(format!("<{id}>").as_bytes())
                .first()
                .map(|id| format!("<{}>", String::from_utf8_lossy(id)))
        };
        let words: Vec<String> = ids.iter().filter_map(clean).collect();
        if words.is_empty() {
            self
        } else {
            self.raw(name, &words)
        }
    }

    /// Adds From; an empty name is left out.
    #[must_use]
    pub fn from(self, name: &str, address: &Address) -> Self {
        self.addresses("From", &[(name, address)])
    }

    /// Adds To; an empty name is left out.
    #[must_use]
    pub fn to(self, name: &str, address: &Address) -> Self {
        self.addresses("To", &[(name, address)])
    }

    /// Adds an address list: names (empty ones are left out) and addresses.
    #[must_use]
    pub fn addresses(self, field: &str, list: &[(&str, &Address)]) -> Self {
        let mut words = Vec::new();
        for (index, (name, address)) in list.iter().enumerate() {
            words.extend(phrase(name));
            let host = if address.needs_utf8() {
                address.host.to_string()
            } else {
                address.host.to_ascii()
            };
            let bare = format!("{}@{host}", address.local);
            let comma = if index + 1 < list.len() { "," } else { "" };
            words.push(if clean(name).is_empty() {
                format!("{bare}{comma}")
            } else {
                format!("<{bare}>{comma}")
            });
        }
        if words.is_empty() {
            self
        } else {
            self.raw(field, &words)
        }
    }

    /// Adds Subject.
    #[must_use]
    pub fn subject(self, subject: &str) -> Self {
        self.field("Subject", subject)
    }

    /// Adds any unstructured field; a name that is none adds nothing.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        let value = clean(value);
        let long = |word: &str| word.len() > LINE_OCTETS_MAX - COLUMNS;
        if !value.is_ascii() || value.contains("=?") || value.split(' ').any(long) {
            return self.raw(name, &encoded_words(&value));
        }
        // Each word keeps the spaces before it, so that unfolding gives the same octets back.
        let mut words: Vec<String> = Vec::new();
        for word in value.split(' ') {
            match words.last_mut() {
                Some(last) if last.chars().all(|letter| letter == ' ') => {
                    last.push(' ');
                    last.push_str(word);
                }
                _ => words.push(word.to_owned()),
            }
        }
        push_folded(&mut self.header, name, &words);
        self
    }

    /// Sets the plain text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }

    /// Sets the same as HTML.
    #[must_use]
    pub fn html(mut self, html: &str) -> Self {
        self.html = Some(html.to_owned());
        self
    }

    /// Adds a file; a media type that is none becomes `application/octet-stream`.
    #[must_use]
    pub fn attach(mut self, filename: &str, media_type: &str, content: &[u8]) -> Self {
        let disposition = format!("attachment{}", parameter("filename", &clean(filename)));
        let mut leaf = leaf(media_type, content);
        let words = [disposition];
        push_folded(&mut leaf.header, "Content-Disposition", &words);
        self.parts.push(leaf);
        self
    }

    /// Adds a part without a name: a report's status, a returned message.
    #[must_use]
    pub fn part(mut self, media_type: &str, content: &[u8]) -> Self {
        self.parts.push(leaf(media_type, content));
        self
    }

    /// Makes the message a `multipart/report` of this type (RFC 6522): `delivery-status`.
    #[must_use]
    pub fn report(mut self, report_type: &str) -> Self {
        self.report = Some(token(report_type));
        self
    }

    /// Writes the message, its lines ended by CRLF.
    #[must_use]
    pub fn build(self) -> Vec<u8> {
        let mut texts = Vec::new();
        texts.extend(self.text.as_deref().map(|text| text_leaf("plain", text)));
        texts.extend(self.html.as_deref().map(|html| text_leaf("html", html)));
        if texts.is_empty() && self.parts.is_empty() {
            texts.push(text_leaf("plain", ""));
        }
        let serial = free_serial(texts.iter().chain(&self.parts));
        let body = if texts.len() > 1 {
            Some(multipart(
                "alternative",
                &texts,
                &format!("{BOUNDARY}{serial}-1"),
            ))
        } else {
            texts.pop()
        };
        let parts: Vec<Leaf> = body.into_iter().chain(self.parts).collect();
        let whole = match (self.report, parts.as_slice()) {
            (None, [only]) => only.clone(),
            (report, _) => {
                let kind = report.map(|kind| format!("report; report-type={kind}"));
                let kind = kind.as_deref().unwrap_or("mixed");
                multipart(kind, &parts, &format!("{BOUNDARY}{serial}-0"))
            }
        };
        let mut message = self.header.into_bytes();
        message.extend_from_slice(b"MIME-Version: 1.0\r\n");
        message.extend_from_slice(whole.header.as_bytes());
        message.extend_from_slice(b"\r\n");
        message.extend_from_slice(&whole.body);
        message
    }

    fn raw(mut self, name: &str, words: &[String]) -> Self {
        push_folded(&mut self.header, name, words);
        self
    }
}

/// Writes one field, folded between its words; words may begin with spaces of their own.
fn push_folded(header: &mut String, name: &str, words: &[String]) {
    let name: String = name
        .chars()
        .filter(|letter| letter.is_ascii_graphic() && *letter != ':')
        .collect();
    if name.is_empty() {
        return;
    }
    let mut column = name.len() + 1;
    header.push_str(&name);
    header.push(':');
    for (index, word) in words.iter().enumerate() {
        if index > 0 && column + 1 + word.len() > COLUMNS {
            header.push_str("\r\n");
            column = 0;
        }
        header.push(' ');
        header.push_str(word);
        column += 1 + word.len();
    }
    header.push_str("\r\n");
}

/// One line of text: control characters become spaces, the ends are trimmed.
fn clean(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let text: String = text.chars().map(plain).collect();
    text.trim_matches(' ').to_owned()
}

fn token(text: &str) -> String {
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || "-._+".contains(*letter);
    text.chars().filter(plain).collect()
}

/// A display name: a quoted string, or encoded words.
fn phrase(name: &str) -> Vec<String> {
    let name = clean(name);
    if name.is_empty() {
        return Vec::new();
    }
    if !name.is_ascii() || name.contains("=?") || name.len() > COLUMNS {
        return encoded_words(&name);
    }
    if name
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    {
        return vec![name];
    }
    vec![format!(
        "\"{}\"",
        name.replace('\\', "\\\\").replace('"', "\\\"")
    )]
}

/// RFC 2047's Q encoding, cut between characters; one space belongs between the words.
fn encoded_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for letter in text.chars() {
        let mut encoded = String::new();
        for &octet in letter.encode_utf8(&mut [0; 4]).as_bytes() {
            match octet {
                b' ' => encoded.push('_'),
                _ if octet.is_ascii_alphanumeric() || b"!*+-/".contains(&octet) => {
                    encoded.push(char::from(octet));
                }
                _ => push_escape(&mut encoded, '=', octet),
            }
        }
        if word.len() + encoded.len() > WORD_OCTETS_MAX {
            words.push(std::mem::take(&mut word));
        }
        word.push_str(&encoded);
    }
    words.push(word);
    let wrapped = words.iter().map(|word| format!("=?utf-8?Q?{word}?="));
    wrapped.collect()
}

fn push_escape(out: &mut String, mark: char, octet: u8) {
    out.push(mark);
    // Writing into a string never fails.
    let _written = write!(out, "{octet:02X}");
}

/// `; name="value"`, or RFC 2231's encoded pieces where the value is long or not ASCII.
fn parameter(name: &str, value: &str) -> String {
    if value.is_ascii() && value.len() < COLUMNS && !value.contains("=?") {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        return format!(";\r\n {name}=\"{value}\"");
    }
    let mut pieces = vec!["utf-8''".to_owned()];
    for &octet in value.as_bytes() {
        let mut encoded = String::new();
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            push_escape(&mut encoded, '%', octet);
        }
        match pieces.last_mut() {
            Some(piece) if piece.len() + encoded.len() <= COLUMNS - 20 => piece.push_str(&encoded),
            _ => pieces.push(encoded),
        }
    }
    if let [only] = pieces.as_slice() {
        return format!(";\r\n {name}*={only}");
    }
    let numbered = pieces.iter().enumerate();
    let numbered = numbered.map(|(index, piece)| format!(";\r\n {name}*{index}*={piece}"));
    numbered.collect()
}

fn text_leaf(subtype: &str, text: &str) -> Leaf {
    let body = crlf(text);
    let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
    let mut header = String::new();
    let kind = format!("text/{subtype}; charset={charset}");
    push_folded(&mut header, "Content-Type", &[kind]);
    if is_7bit(&body) {
        push_folded(
            &mut header,
            "Content-Transfer-Encoding",
            &["7bit".to_owned()],
        );
        return Leaf { header, body };
    }
    let encoding = "quoted-printable".to_owned();
    push_folded(&mut header, "Content-Transfer-Encoding", &[encoding]);
    let body = quoted_printable(&body);
    Leaf { header, body }
}

/// A part of any type: messages as they are (RFC 2046 §5.2.1), all else in base64.
fn leaf(media_type: &str, content: &[u8]) -> Leaf {
    let fields = media_type.split_once('/');
    let (media, subtype) = fields.map_or_else(Default::default, |(media, subtype)| {
        (token(media).to_ascii_lowercase(), token(subtype))
    });
    let kind = if media.is_empty() || subtype.is_empty() || media == "multipart" {
        "application/octet-stream".to_owned()
    } else {
        format!("{media}/{subtype}")
    };
    let mut header = String::new();
    push_folded(&mut header, "Content-Type", &[kind]);
    let as_is = media == "message" || media == "text" && subtype == "rfc822-headers";
    let encoding = match (as_is, content.is_ascii()) {
        (true, true) => "7bit",
        (true, false) => "8bit",
        (false, _) => "base64",
    };
    push_folded(
        &mut header,
        "Content-Transfer-Encoding",
        &[encoding.to_owned()],
    );
    if as_is {
        return Leaf {
            header,
            body: content.to_vec(),
        };
    }
    let mut body = Vec::with_capacity(content.len() / 54 * 76 + 80);
    for line in content.chunks(57) {
        body.extend_from_slice(STANDARD.encode(line).as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    Leaf { header, body }
}

fn multipart(kind: &str, parts: &[Leaf], boundary: &str) -> Leaf {
    let mut header = String::new();
    let words = [
        format!("multipart/{kind};"),
        format!("boundary=\"{boundary}\""),
    ];
    push_folded(&mut header, "Content-Type", &words);
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(format!("--{boundary}\r\n{}\r\n", part.header).as_bytes());
        body.extend_from_slice(&part.body);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Leaf { header, body }
}

/// A number such that no content holds a boundary made with it.
fn free_serial<'a>(leaves: impl Iterator<Item = &'a Leaf>) -> u64 {
    let mut free = 0;
    for leaf in leaves {
        for at in memchr::memmem::find_iter(&leaf.body, BOUNDARY.as_bytes()) {
            let digits = leaf.body.get(at + BOUNDARY.len()..).unwrap_or_default();
            let digits = digits
                .iter()
                .take(18)
                .take_while(|octet| octet.is_ascii_digit());
            let number = digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
            free = free.max(number + 1);
        }
    }
    free
}

/// Line ends made CRLF, whichever they were.
fn crlf(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len() + 64);
    let mut last = 0;
    for octet in text.bytes() {
        match octet {
            b'\n' if last == b'\r' => {}
            b'\r' | b'\n' => octets.extend_from_slice(b"\r\n"),
            _ => octets.push(octet),
        }
        last = octet;
    }
    octets
}

fn is_7bit(body: &[u8]) -> bool {
    let plain = |octet: &u8| matches!(octet, b'\t' | b'\r' | b'\n' | 32..=126);
    let short = |line: &[u8]| line.len() <= LINE_OCTETS_MAX;
    body.iter().all(plain) && body.split(|&octet| octet == b'\n').all(short)
}

/// RFC 2045 §6.7.
fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = String::with_capacity(body.len() * 3 / 2);
    let mut column = 0;
    let mut rest = body;
    while let Some((&octet, behind)) = rest.split_first() {
        if let (b'\r', [b'\n', tail @ ..]) = (octet, behind) {
            out.push_str("\r\n");
            column = 0;
            rest = tail;
            continue;
        }
        rest = behind;
        let ends = matches!(rest, [] | [b'\r', ..]);
        let plain = match octet {
            b'=' => false,
            b' ' | b'\t' => !ends,
            _ => octet.is_ascii_graphic(),
        };
        let width = if plain { 1 } else { 3 };
        // RFC 2045 §6.7
        if column + width > COLUMNS - 1 {
            out.push_str("=\r\n");
            column = 0;
        }
        if plain {
            out.push(char::from(octet));
        } else {
            push_escape(&mut out, '=', octet);
        }
        column += width;
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outline::Outline;
    use crate::{Decoder, Encoding, part_text};

    fn ada() -> Address {
        Address::parse("ada@example.org").unwrap()
    }

    fn content(outline: &Outline, message: &[u8], numbers: &[u32]) -> Vec<u8> {
        let part = outline.part(numbers).unwrap();
        let mut octets = Vec::new();
        let mut decoder = Decoder::new(Encoding::parse(&part.encoding));
        decoder.push(part.body.of(message), &mut octets);
        decoder.finish(&mut octets);
        octets
    }

    #[test]
    fn a_small_message() {
        let message = Builder::new()
            .date(Timestamp::utc(0))
            .from("Ada L.", &ada())
            .to("", &ada())
            .subject("Hello")
            .message_id("1@example.org")
            .text("Hi\nthere")
            .build();
        let written = "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n\
            From: \"Ada L.\" <ada@example.org>\r\nTo: ada@example.org\r\nSubject: Hello\r\n\
            Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n\
            Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
            Hi\r\nthere";
        assert_eq!(String::from_utf8_lossy(&message), written);
    }

    #[test]
    fn nothing_injects_a_field() {
        let message = Builder::new()
            .subject("a\r\nBcc: x@y\r\n\r\nbody")
            .field("X\r\nEvil", "b\n\nc")
            .field(": \r", "d")
            .from("a\r\nEvil: x", &ada())
            .message_id("a>\r\nEvil: <b")
            .attach("a\"\r\nEvil: x", "text/x\r\nEvil: y", b"z")
            .build();
        let outline = Outline::parse(&message);
        let names: Vec<_> = crate::Header::parse(&message)
            .map(|field| field.name)
            .collect();
        let known: [&[u8]; 8] = [
            b"Subject",
            b"XEvil",
            b"From",
            b"Message-ID",
            b"MIME-Version",
            b"Content-Type",
            b"Content-Transfer-Encoding",
            b"Content-Disposition",
        ];
        assert_eq!(names, known);
        assert!(outline.digest.bcc.is_empty());
        assert_eq!(outline.root.filename().as_deref(), Some("a\"  Evil: x"));
    }

    #[test]
    fn a_report_and_a_boundary_inside() {
        let inner = b"Subject: x\r\n\r\n--=_caramel-7-0\r\n\r\n";
        let message = Builder::new()
            .report("delivery-status")
            .text("It failed. =_caramel-3-1")
            .part(
                "message/delivery-status",
                b"Reporting-MTA: dns; a.example\r\n",
            )
            .part("message/rfc822", inner)
            .build();
        let outline = Outline::parse(&message);
        assert!(outline.root.is("multipart", "report"));
        assert_eq!(
            outline.root.parameter("report-type").as_deref(),
            Some("delivery-status")
        );
        assert_eq!(
            outline.root.parameter("boundary").as_deref(),
            Some("=_caramel-8-0")
        );
        assert_eq!(outline.root.children().len(), 3);
        assert_eq!(outline.part(&[3]).unwrap().body.of(&message), inner);
    }

    proptest! {
        #[test]
        fn what_is_built_reads_back(
            subject in "\\PC{0,120}",
            name in "\\PC{0,40}",
            filename in "\\PC{0,90}",
            text in "[a-zA-Zäöü€ =.\t\n-]{0,300}",
            html in "[a-z=\n ]{0,100}",
            octets in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let message = Builder::new()
                .from(&name, &ada())
                .addresses("Cc", &[("B", &ada()), (&name, &ada())])
                .subject(&subject)
                .text(&text)
                .html(&html)
                .attach(&filename, "image/png", &octets)
                .build();
            let lines = message.split(|&octet| octet == b'\n');
            prop_assert!(lines.clone().all(|line| line.len() <= LINE_OCTETS_MAX + 1));
            prop_assert!(message.is_ascii());
            let outline = Outline::parse(&message);
            prop_assert_eq!(outline.digest.subject_text(), clean(&subject));
            prop_assert_eq!(outline.digest.cc.len(), 2);
            for one in outline.digest.from.iter().chain(&outline.digest.cc) {
                prop_assert_eq!(one.address(), Some(ada()));
            }
            let shown = format!("{} <ada@example.org>", clean(&name));
            let shown = if clean(&name).is_empty() { "ada@example.org".to_owned() } else { shown };
            prop_assert_eq!(outline.digest.from.first().map(|one| one.text()), Some(shown));
            let plain = outline.part(&[1, 1]).unwrap();
            prop_assert_eq!(part_text(plain, &message).into_bytes(), crlf(&text));
            prop_assert!(outline.part(&[1, 2]).unwrap().is("text", "html"));
            prop_assert_eq!(content(&outline, &message, &[1, 2]), crlf(&html));
            prop_assert_eq!(content(&outline, &message, &[2]), octets);
            let attached = outline.part(&[2]).unwrap();
            prop_assert_eq!(attached.filename().unwrap_or_default(), clean(&filename));
        }
    }
}
