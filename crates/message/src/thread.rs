//! What ties messages into threads: base subjects and references (RFC 5256 §2.1, §3).
//!
//! The threads themselves are in the files below: [`ByReferences`] and [`BySubject`] take messages
//! in the order of their mailbox and give back [`Member`]s.

use std::collections::HashSet;

use crate::collation::casemap;
use crate::encoded_word::decode_words;
use crate::header::{Header, unfold};
use crate::ids::message_ids;

mod by_references;
mod by_subject;
mod forest;
mod tree;

pub use by_references::ByReferences;
pub use by_subject::BySubject;
pub use tree::{Member, NESTING_MAX};

/// Identifiers given of one message.
pub const REFERENCES_MAX: usize = 1000;

/// The marks of replying and forwarding (RFC 5256 §5, `subj-refwd`).
const REFWD: &[&str] = &["fwd", "re", "fw"];

/// A subject without the marks of replying and forwarding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaseSubject {
    /// What is left; its case is kept.
    pub text: String,
    /// True if a mark of a reply or a forwarded message was taken off.
    pub reply: bool,
}

/// The base subject of a raw Subject value.
#[must_use]
pub fn base_subject(subject: &[u8]) -> BaseSubject {
    // RFC 5256 §2.1
    let subject = unfold(subject);
    let decoded = decode_words(&subject);
    let words: Vec<&str> = decoded.split_ascii_whitespace().collect();
    let spaced = words.join(" ");
    let mut text = spaced.as_str();
    let mut reply = false;
    loop {
        text = trailers(text, &mut reply);
        text = leaders(text, &mut reply);
        let Some(inner) = forwarded(text) else {
            break;
        };
        reply = true;
        text = inner;
    }
    let text = text.to_owned();
    BaseSubject { text, reply }
}

/// The Subject of an answer to the message with this header: its own behind one `Re:`.
///
/// Marks of lists and of tickets stay, by which programs know them again.
#[must_use]
pub fn answer_subject(header: &[u8]) -> String {
    // RFC 5322 §3.6.5
    marked("Re:", &["re"], header)
}

/// The Subject under which the message with this header goes on to others: its own behind one
/// `Fwd:`.
#[must_use]
pub fn forward_subject(header: &[u8]) -> String {
    marked("Fwd:", &["fwd", "fw"], header)
}

fn marked(mark: &str, known: &[&str], header: &[u8]) -> String {
    let subject = Header::first(header, "Subject");
    let subject = unfold(subject.map_or(b"", |field| field.value));
    let decoded = decode_words(&subject);
    let mut rest = decoded.trim();
    while let Some(behind) = refwd(rest, known) {
        rest = behind.trim_start();
    }
    let space = if rest.is_empty() { "" } else { " " };
    format!("{mark}{space}{rest}")
}

/// The base subject as two are compared (RFC 5256 §7).
fn folded(subject: &BaseSubject) -> String {
    casemap(&subject.text)
}

/// The identifiers a message answers, oldest first, each once: of References, else the first of
/// In-Reply-To.
///
/// They come without angle brackets and without quotes, so that two spellings of one are alike. Of
/// very many the newest are given.
#[must_use]
pub fn references(header: &[u8]) -> Vec<Vec<u8>> {
    let value_of = |name: &str| Header::first(header, name).map(|field| field.value);
    let mut once = all_references(value_of("References"), value_of("In-Reply-To"));
    let mut seen = HashSet::new();
    once.retain(|id| seen.insert(id.clone()));
    newest(once)
}

/// The same, but an identifier is repeated where the message repeats it: links between messages
/// are made in the order written.
#[must_use]
pub fn ancestry(header: &[u8]) -> Vec<Vec<u8>> {
    let value_of = |name: &str| Header::first(header, name).map(|field| field.value);
    ancestry_of(value_of("References"), value_of("In-Reply-To"))
}

/// The same of the values of the two fields.
pub(crate) fn ancestry_of(references: Option<&[u8]>, in_reply_to: Option<&[u8]>) -> Vec<Vec<u8>> {
    newest(all_references(references, in_reply_to))
}

fn all_references(references: Option<&[u8]>, in_reply_to: Option<&[u8]>) -> Vec<Vec<u8>> {
    // RFC 5256 §3
    let mut ids = normal_ids(references);
    if ids.is_empty() {
        // Dates and words stand there too: what has no `@` is taken for want of better.
        ids = normal_ids(in_reply_to);
        let valid = ids.iter().position(|id| id.contains(&b'@'));
        ids.drain(..valid.unwrap_or_default());
        ids.truncate(1);
    }
    ids
}

fn normal_ids(value: Option<&[u8]>) -> Vec<Vec<u8>> {
    let ids = value.map(message_ids).unwrap_or_default();
    // Of quotes alone nothing is left.
    ids.into_iter()
        .map(normalized)
        .filter(|id| !id.is_empty())
        .collect()
}

fn newest(mut ids: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    ids.drain(..ids.len().saturating_sub(REFERENCES_MAX));
    ids
}

/// The identifier of a raw Message-ID value in the form in which two are compared.
#[must_use]
pub fn own_id(message_id: &[u8]) -> Option<Vec<u8>> {
    normal_ids(Some(message_id)).into_iter().next()
}

/// An identifier without the quotes its left part may be written with: the form in which two are
/// compared.
#[must_use]
pub fn normalized(id: Vec<u8>) -> Vec<u8> {
    // RFC 5256 §3
    if !id.contains(&b'"') {
        return id;
    }
    let mut plain = Vec::with_capacity(id.len());
    let (mut quoted, mut escaped) = (false, false);
    for octet in id {
        match octet {
            b'\\' if quoted && !escaped => escaped = true,
            b'"' if !escaped => quoted = !quoted,
            _ => {
                plain.push(octet);
                escaped = false;
            }
        }
    }
    plain
}

/// Step 2: takes `(fwd)` and spaces off the end.
fn trailers<'a>(mut text: &'a str, reply: &mut bool) -> &'a str {
    loop {
        text = text.trim_end_matches(' ');
        let start = text.len().checked_sub(5);
        match start.and_then(|start| text.split_at_checked(start)) {
            Some((before, mark)) if mark.eq_ignore_ascii_case("(fwd)") => {
                *reply = true;
                text = before;
            }
            _ => return text,
        }
    }
}

/// Steps 3 to 5: takes `Re:`, `Fwd:` and `[list]` off the beginning.
///
/// Blobs in a row are read once, not once per blob taken off.
fn leaders<'a>(mut text: &'a str, reply: &mut bool) -> &'a str {
    loop {
        text = text.trim_start_matches(' ');
        let mut rest = text;
        let mut last_blob = None;
        while let Some(behind) = blob(rest) {
            last_blob = Some(rest);
            rest = behind;
        }
        if let Some(behind) = refwd(rest, REFWD) {
            *reply = true;
            text = behind;
            continue;
        }
        return match last_blob {
            // The last blob stays where nothing would be left.
            Some(last) if rest.is_empty() => last,
            _ => rest,
        };
    }
}

/// Step 6: what stands inside `[fwd: …]`.
fn forwarded(text: &str) -> Option<&str> {
    let (mark, rest) = text.split_at_checked(5)?;
    if !mark.eq_ignore_ascii_case("[fwd:") {
        return None;
    }
    rest.strip_suffix(']')
}

/// What follows a `subj-blob` and its spaces.
fn blob(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    let end = inner.find(['[', ']'])?;
    let behind = inner.get(end..)?.strip_prefix(']')?;
    Some(behind.trim_start_matches(' '))
}

/// What follows a `subj-refwd` with one of these marks.
fn refwd<'a>(text: &'a str, marks: &[&str]) -> Option<&'a str> {
    let rest = marks.iter().find_map(|mark| {
        let (start, rest) = text.split_at_checked(mark.len())?;
        start.eq_ignore_ascii_case(mark).then_some(rest)
    })?;
    let rest = rest.trim_start_matches(' ');
    blob(rest).unwrap_or(rest).strip_prefix(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_subjects() {
        let cases = [
            ("Hello", "Hello", false),
            ("Re: Hello", "Hello", true),
            ("RE :  re: Fwd:Fw[2]: Hello  (fwd) (FWD) ", "Hello", true),
            ("[list] Re: [list] Hello", "Hello", true),
            ("[a][b] Hello", "Hello", false),
            ("[a] [b]", "[b]", false),
            ("Re: [b]", "[b]", true),
            ("[fwd: Re: [x] Hello]", "Hello", true),
            ("[fwd: a] b", "b", false),
            ("Re:", "", true),
            ("(fwd)", "", true),
            ("Re: a\r\n\tb   c", "a b c", true),
            ("=?utf-8?Q?Re:_gr=C3=BC=C3=9Fe?=", "grüße", true),
            ("Regards: x", "Regards: x", false),
            ("[unclosed Re: x", "[unclosed Re: x", false),
            ("[a]", "[a]", false),
            ("[a] Re: [b] Fw: c", "c", true),
            ("Re [x] [y]: c", "Re [x] [y]: c", false),
            ("fw[x] : c", "c", true),
            ("[fwd: [fwd: c]] (fwd)", "c", true),
            ("[fwd:]", "", true),
            ("[fwd: a [b] c]", "a [b] c", true),
            ("[日本] Re: 日本", "日本", true),
            ("\u{a0}Re: x", "\u{a0}Re: x", false),
            ("Re: =?utf-8?B?UmU6IGE=?=", "a", true),
            ("Réf: x", "Réf: x", false),
            ("", "", false),
        ];
        for (subject, text, reply) in cases {
            let text = text.to_owned();
            assert_eq!(
                base_subject(subject.as_bytes()),
                BaseSubject { text, reply },
                "{subject}"
            );
        }
    }

    #[test]
    fn subjects_of_answers_keep_what_is_no_mark() {
        let of = |subject: &str| {
            let header = format!("Subject: {subject}\r\n\r\n");
            let header = header.as_bytes();
            (answer_subject(header), forward_subject(header))
        };
        let both = |answer: &str, forward: &str| (answer.to_owned(), forward.to_owned());
        assert_eq!(of("Tea"), both("Re: Tea", "Fwd: Tea"));
        assert_eq!(
            of("RE: re[2] : Tea"),
            both("Re: Tea", "Fwd: RE: re[2] : Tea")
        );
        assert_eq!(of("Fw: FWD: Tea"), both("Re: Fw: FWD: Tea", "Fwd: Tea"));
        assert_eq!(
            of("[#12] Re: a"),
            both("Re: [#12] Re: a", "Fwd: [#12] Re: a")
        );
        assert_eq!(of("=?utf-8?Q?Re:_=C3=BC?="), both("Re: ü", "Fwd: Re: ü"));
        assert_eq!(of(""), both("Re:", "Fwd:"));
        assert_eq!(answer_subject(b"\r\n"), "Re:");
    }

    #[test]
    fn references_fall_back_to_in_reply_to() {
        let both = b"In-Reply-To: <c@d>\r\nReferences: <a@b>\r\n <c@d> junk <> <e\r\n\r\n";
        assert_eq!(references(both), [b"a@b", b"c@d"]);
        assert_eq!(
            references(b"In-Reply-To: your mail <a@b> of <c@d>\r\n"),
            [b"a@b"]
        );
        assert!(references(b"Subject: x\r\n").is_empty());
        let valid = b"References: none\r\nIn-Reply-To: <Monday> \"<x>\" <a@b> <c@d>\r\n";
        assert_eq!(references(valid), [b"a@b"]);
        assert_eq!(references(b"In-Reply-To: <x>\r\n"), [b"x"]);
        assert!(references(b"References: <\">\r\n").is_empty());
    }

    #[test]
    fn each_reference_is_given_once() {
        // The first two are RFC 5256 §3's own example of one identifier.
        let header = br#"References: <"01KF8JCEOCBS0045PS"@xxx.yyy.com>
 <01KF8JCEOCBS0045PS@xxx.yyy.com> <b@c> <"a\"b"@c> <b@c>"#;
        let ids: [&[u8]; 3] = [b"01KF8JCEOCBS0045PS@xxx.yyy.com", b"b@c", b"a\"b@c"];
        assert_eq!(references(header), ids);
        let many: String = (0..1500).map(|number| format!(" <{number}@x>")).collect();
        let ids = references(format!("References:{many}\r\n").as_bytes());
        assert_eq!(
            (ids.len(), ids[0].as_slice()),
            (REFERENCES_MAX, &b"500@x"[..])
        );
    }
}
