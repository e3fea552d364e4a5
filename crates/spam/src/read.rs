//! The clues of a letter: words of its subject and its text, hosts of its links, facts of its
//! header and its parts.
//!
//! Fields that the house itself puts on top are no clues: a letter has the same ones before and
//! after. It is read in time linear in its octets, of which a bounded number are looked at.

use message::leniency::Leniencies;
use message::{
    Correspondent, Field, Header, Outline, Part, decode_text, decode_words, list_id,
    parse_addresses,
};

use crate::clue::Clues;
use crate::html;

/// Octets of decoded text that are looked at in one letter.
const TEXT_OCTETS_MAX: usize = 64 * 1024;
/// Octets of an encoded part that is decoded: a longer one is no text that somebody reads.
const PART_OCTETS_MAX: u64 = 256 * 1024;
/// Parts that are looked at.
const PARTS_MAX: usize = 50;
/// Addresses of a field that are looked at.
const ADDRESSES_MAX: usize = 5;
/// Words of the name of a mail program that are looked at.
const PROGRAM_WORDS_MAX: usize = 3;
/// Links of which the hosts are looked at.
const LINKS_MAX: usize = 200;
/// Letters of a word.
const WORD_LETTERS: std::ops::RangeInclusive<usize> = 3..=24;
/// From so many letters on a subject in capitals is one.
const CAPITALS_MIN: usize = 6;

impl Clues {
    /// The clues of a message, or of its beginning.
    #[must_use]
    pub fn of_message(message: &[u8]) -> Self {
        Self::of_outline(&Outline::parse(message), message)
    }

    /// The same where it has been taken apart already.
    #[must_use]
    pub fn of_outline(outline: &Outline, message: &[u8]) -> Self {
        let mut clues = Self::with_room(message.len());
        header(&mut clues, outline.root.header.of(message));
        let mut left = TEXT_OCTETS_MAX;
        let (mut plain, mut marked) = (false, false);
        for part in outline.root.walk().take(PARTS_MAX) {
            if clues.is_full() {
                break;
            }
            facts(&mut clues, part);
            let is_text = part.media == "text" && part.body.len <= PART_OCTETS_MAX;
            if !is_text || left == 0 {
                continue;
            }
            let is_html = part.subtype == "html";
            (plain, marked) = (plain || !is_html, marked || is_html);
            let text = decode_text(part, message, &mut Leniencies::default());
            let end = text.floor_char_boundary(left);
            let text = text.get(..end).unwrap_or_default();
            left -= end;
            links(&mut clues, text);
            if is_html {
                let mut bare = String::with_capacity(text.len() / 2);
                html::text(text, &mut bare);
                words(&mut clues, "", &bare, usize::MAX);
            } else {
                words(&mut clues, "", text, usize::MAX);
            }
        }
        if marked && !plain {
            clues.push("fact:", "only-html");
        }
        clues
    }
}

fn header(clues: &mut Clues, header: &[u8]) {
    let (mut from, mut has_date, mut has_id) = (String::new(), false, false);
    let mut reply = None;
    for field in Header::parse(header) {
        if field.is("Subject") {
            subject(clues, &decode_words(&field.unfolded()));
        } else if field.is("From") {
            from = author(clues, &field);
        } else if field.is("Reply-To") {
            reply = hosts(&field).pop();
        } else if field.is("List-Id") {
            if let Some(list) = list_id(field.value) {
                clues.push("list:", &list.id);
            }
        } else if field.is("X-Mailer") || field.is("User-Agent") {
            let program = decode_words(&field.unfolded()).into_owned();
            words(clues, "program:", &program, PROGRAM_WORDS_MAX);
        } else {
            has_date |= field.is("Date");
            has_id |= field.is("Message-ID");
        }
    }
    if let Some(reply) = reply.filter(|reply| *reply != from) {
        domain(clues, "reply:", &reply);
        clues.push("fact:", "reply-elsewhere");
    }
    for (is_there, fact) in [(has_date, "no-date"), (has_id, "no-message-id")] {
        if !is_there {
            clues.push("fact:", fact);
        }
    }
}

fn subject(clues: &mut Clues, subject: &str) {
    words(clues, "subject:", subject, usize::MAX);
    let mut letters = subject.chars().filter(|letter| letter.is_alphabetic());
    let all = letters.clone().count();
    if all >= CAPITALS_MIN && letters.all(char::is_uppercase) {
        clues.push("fact:", "subject-in-capitals");
    }
    if subject.trim().is_empty() {
        clues.push("fact:", "no-subject");
    }
}

/// Who wrote it; gives the domain.
fn author(clues: &mut Clues, field: &Field<'_>) -> String {
    for one in parse_addresses(field.value, ADDRESSES_MAX) {
        if let Correspondent::Mailbox {
            name: Some(name), ..
        } = &one
        {
            words(clues, "name:", &decode_words(name), usize::MAX);
        }
        if let Some(address) = one.address() {
            let local = address.local.as_str().to_lowercase();
            let host = address.host.to_ascii().to_lowercase();
            clues.push("from:", &format!("{local}@{host}"));
            domain(clues, "from:", &host);
        }
    }
    hosts(field).into_iter().next().unwrap_or_default()
}

fn hosts(field: &Field<'_>) -> Vec<String> {
    let people = parse_addresses(field.value, ADDRESSES_MAX);
    let hosts = people.iter().filter_map(Correspondent::address);
    hosts
        .map(|one| one.host.to_ascii().to_lowercase())
        .collect()
}

/// A domain, and the last two labels of a longer one.
fn domain(clues: &mut Clues, kind: &str, host: &str) {
    clues.push(kind, host);
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    if let Some(at) = dots.nth(1) {
        clues.push(kind, host.get(at + 1..).unwrap_or_default());
    }
}

/// What kind of part it is.
fn facts(clues: &mut Clues, part: &Part) {
    if part.media != "multipart" {
        clues.push("type:", &format!("{}/{}", part.media, part.subtype));
    }
    if let Some(charset) = part.parameter("charset") {
        clues.push("charset:", &charset);
    }
    if let Some(name) = part.filename()
        && let Some((_, ending)) = name.rsplit_once('.')
    {
        clues.push("file:", ending);
    }
}

/// The hosts of links.
fn links(clues: &mut Clues, text: &str) {
    for at in memchr::memmem::find_iter(text.as_bytes(), b"://").take(LINKS_MAX) {
        let rest = text.get(at + 3..).unwrap_or_default();
        let of_host = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-');
        let end = rest.find(|letter| !of_host(letter)).unwrap_or(rest.len());
        let host = rest.get(..end).unwrap_or_default().trim_matches('.');
        if host.contains('.') {
            let host = host.to_ascii_lowercase();
            domain(clues, "link:", host.strip_prefix("www.").unwrap_or(&host));
        }
    }
}

/// The words of a text, at most so many.
fn words(clues: &mut Clues, kind: &str, text: &str, words_max: usize) {
    if text.is_ascii() {
        return ascii_words(clues, kind, text, words_max);
    }
    let seen: String = text.chars().filter(|letter| !is_unseen(*letter)).collect();
    let mut left = words_max;
    for word in seen.split(|letter| !is_of_word(letter)) {
        let word = word.trim_matches(is_edge);
        if word.chars().any(is_without_spaces) {
            pairs(clues, kind, word);
        } else if left > 0 && WORD_LETTERS.contains(&word.chars().count()) && is_telling(word) {
            clues.push(kind, word);
            left -= 1;
        }
    }
}

fn ascii_words(clues: &mut Clues, kind: &str, text: &str, words_max: usize) {
    let (mut left, mut rest) = (words_max, text);
    while left > 0 && !clues.is_full() {
        let Some(start) = rest.bytes().position(is_octet_of_word) else {
            return;
        };
        rest = rest.get(start..).unwrap_or_default();
        let end = rest.bytes().position(|octet| !is_octet_of_word(octet));
        let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let word = word.trim_matches(is_edge);
        if WORD_LETTERS.contains(&word.len()) && is_telling(word) {
            clues.push(kind, word);
            left -= 1;
        }
        rest = behind;
    }
}

const fn is_octet_of_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'\'' | b'-' | b'_' | b'$' | b'%')
}

/// Two letters each, where words are not parted by spaces.
fn pairs(clues: &mut Clues, kind: &str, text: &str) {
    let mut before = None;
    for (at, letter) in text.char_indices() {
        if let Some(start) = before.replace(at) {
            let end = at + letter.len_utf8();
            clues.push(kind, text.get(start..end).unwrap_or_default());
        }
    }
}

fn is_of_word(letter: char) -> bool {
    match u8::try_from(letter) {
        Ok(octet) if octet.is_ascii() => is_octet_of_word(octet),
        _ => letter.is_alphanumeric() || matches!(letter, '€' | '£' | '’'),
    }
}

const fn is_edge(letter: char) -> bool {
    matches!(letter, '\'' | '-' | '_' | '’')
}

/// True for what is more than a number.
fn is_telling(word: &str) -> bool {
    word.bytes()
        .any(|octet| !octet.is_ascii_digit() && octet != b'-')
}

/// Letters that are not seen, by which words are hidden.
const fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// Letters of scripts that put no spaces between words.
const fn is_without_spaces(letter: char) -> bool {
    matches!(letter,
        '\u{e00}'..='\u{eff}' | '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> Vec<String> {
        let clues = Clues::of_message(message.replace('\n', "\r\n").as_bytes());
        let mut all: Vec<String> = clues.iter().map(|(_, clue)| clue.to_owned()).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn what_a_letter_is_judged_by() {
        let found = of("Received: from evil.example by mx.example.org\n\
             From: \"Cheap Pills\" <sales@shop.mail.example.net>\n\
             Reply-To: other@example.com\nSubject: =?utf-8?q?BUY_NOW_=E2=82=AC50?=\n\
             Message-ID: <1@example.net>\nX-Mailer: Blaster 9.1 Pro (x) y z\n\
             Content-Type: text/plain; charset=utf-8\n\n\
             Visit https://www.shop.example.net/x?y now, it's 100% free!\n\
             12345 ab \u{200b}via\u{200b}gra 安い薬\n");
        let expected = [
            "100%",
            "charset:utf-8",
            "example",
            "fact:no-date",
            "fact:reply-elsewhere",
            "fact:subject-in-capitals",
            "free",
            "from:example.net",
            "from:sales@shop.mail.example.net",
            "from:shop.mail.example.net",
            "https",
            "it's",
            "link:example.net",
            "link:shop.example.net",
            "name:cheap",
            "name:pills",
            "net",
            "now",
            "program:blaster",
            "program:pro",
            "reply:example.com",
            "shop",
            "subject:buy",
            "subject:now",
            "subject:€50",
            "type:text/plain",
            "viagra",
            "visit",
            "www",
            "い薬",
            "安い",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn parts_are_decoded_and_html_is_read() {
        let found = of(
            "From: a@example.net\nDate: x\nMessage-ID: <1@x>\nSubject: hello there\n\
             Content-Type: multipart/mixed; boundary=b\n\n\
             --b\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\n\
             PHA+Y2hlPGI+PC9iPmFwPC9wPjxhIGhyZWY9Imh0dHA6Ly9ldmlsLmV4YW1wbGUvIj5nbzwvYT4=\n\
             --b\nContent-Type: application/octet-stream; name=\"Rechnung.pdf.EXE\"\n\nMZ\n--b--\n",
        );
        let expected = [
            "cheap",
            "fact:only-html",
            "file:exe",
            "from:a@example.net",
            "from:example.net",
            "link:evil.example",
            "subject:hello",
            "subject:there",
            "type:application/octet-stream",
            "type:text/html",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_house_adds_no_clues() {
        let letter = "From: a@example.net\nSubject: tea\n\nat five\n";
        let traced = format!(
            "Return-Path: <a@example.net>\nX-Caramel-Spam: 3/100\nAuthentication-Results: \
             mx.example.org; none\nReceived: from a by b; now\n{letter}"
        );
        let (bare, traced) = (of(letter), of(&traced));
        assert_eq!(bare, traced);
        assert!(bare.contains(&"five".to_owned()));
    }
}
