//! What mailing lists say of themselves (RFC 2369, RFC 2919, RFC 8058), and Keywords
//! (RFC 5322 §3.6.5), which are a list of another kind.

use crate::charset;
use crate::encoded_word::decode_words;
use crate::scan::{Scan, is_space};

mod mailing_list;

pub use self::mailing_list::MailingList;

/// Entries of one value that are read; the rest is passed over.
const ENTRIES_MAX: usize = 1000;

/// The URIs of List-Help, -Unsubscribe, -Subscribe, -Post, -Owner or -Archive, the one to be
/// tried first in front.
///
/// As RFC 2369 §2 has it: white space in the brackets goes, comments are passed over, and what is
/// not a URI in brackets behind the beginning or a comma ends the list. `List-Post: NO` has none.
#[must_use]
pub fn list_uris(value: &[u8]) -> Vec<String> {
    let mut uris = Vec::new();
    let mut scan = Scan::new(value);
    scan.skip_space();
    while uris.len() < ENTRIES_MAX && scan.take(b'<') {
        let inside = scan.until(|octet| octet == b'>');
        if !scan.take(b'>') {
            break;
        }
        let uri = unspaced(inside);
        let fits = !uri.is_empty() && !uri.iter().any(u8::is_ascii_control);
        uris.extend(String::from_utf8(uri).ok().filter(|_| fits));
        scan.skip_space();
        if !scan.take(b',') {
            break;
        }
        scan.skip_space();
    }
    uris
}

/// What stands in angle brackets, without the white space that does not belong there.
fn unspaced(inside: &[u8]) -> Vec<u8> {
    let kept = inside.iter().filter(|&&octet| !is_space(octet));
    kept.copied().collect()
}

/// True if a List-Post value says that nobody may post: `NO` (RFC 2369 §3.4).
#[must_use]
pub fn list_is_closed(value: &[u8]) -> bool {
    let mut scan = Scan::new(value);
    scan.skip_space();
    scan.token().eq_ignore_ascii_case(b"no")
}

/// Where a POST of `List-Unsubscribe=One-Click` takes the reader off the list at once (RFC 8058
/// §3.2): the first `https` URI of List-Unsubscribe, if List-Unsubscribe-Post says that and nothing
/// else (§5).
///
/// Whoever sends it has the reader's consent (§3.2) and has seen a valid signature that covers both
/// fields (§4), and sends no cookies or other context (§3.1).
#[must_use]
pub fn one_click(unsubscribe: &[u8], unsubscribe_post: &[u8]) -> Option<String> {
    let allowed = unsubscribe_post
        .trim_ascii()
        .eq_ignore_ascii_case(b"List-Unsubscribe=One-Click");
    let is_https = |uri: &String| {
        let (scheme, rest) = uri.split_at_checked(8).unwrap_or_default();
        let names_host = !matches!(rest.bytes().next(), None | Some(b'/' | b'?' | b'#'));
        scheme.eq_ignore_ascii_case("https://") && names_host
    };
    list_uris(unsubscribe)
        .into_iter()
        .find(is_https)
        .filter(|_| allowed)
}

/// A mailing list, as List-Id names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListId {
    /// The name for people, decoded.
    pub name: Option<String>,
    /// The identifier: `list.example.org`; compared without regard to case (RFC 2919 §6).
    pub id: String,
}

/// Reads a List-Id (RFC 2919 §3): `name <id>`; the brackets may be missing around one word, and
/// the name may be any text.
#[must_use]
pub fn list_id(value: &[u8]) -> Option<ListId> {
    let value = crate::header::unfold(value);
    let mut scan = Scan::new(&value);
    let mut name = phrase(&mut scan);
    if scan.unended {
        // A quote or parenthesis that is never closed is text; the last bracket counts.
        let at = memchr::memrchr(b'<', &value)?;
        let (before, from) = value.split_at_checked(at)?;
        (name, scan) = (before.to_vec(), Scan::new(from));
    }
    let text = decode_words(&name);
    let words: Vec<&str> = text.split_whitespace().collect();
    if !scan.take(b'<') {
        let &[id] = words.as_slice() else {
            return None;
        };
        let id = id.to_owned();
        return Some(ListId { name: None, id });
    }
    let id = unspaced(scan.until(|octet| octet == b'>'));
    let name = (!words.is_empty()).then(|| words.join(" "));
    let id = charset::decode_cow(b"", &id).into_owned();
    (!id.is_empty()).then_some(ListId { name, id })
}

/// What stands before `<`, without quotes and comments.
fn phrase(scan: &mut Scan<'_>) -> Vec<u8> {
    let mut phrase = Vec::new();
    loop {
        phrase.extend_from_slice(scan.until(|octet| matches!(octet, b'<' | b'"' | b'(')));
        match scan.peek() {
            Some(b'"') => {
                scan.skip(1);
                phrase.extend(scan.quoted());
            }
            Some(b'(') => {
                scan.comment();
                phrase.push(b' ');
            }
            _ => return phrase,
        }
    }
}

/// The phrases of a Keywords field (RFC 5322 §3.6.5), decoded, white space made single.
#[must_use]
pub fn keywords(value: &[u8]) -> Vec<String> {
    let mut keywords = Vec::new();
    let mut phrase = Vec::new();
    let mut scan = Scan::new(value);
    while keywords.len() < ENTRIES_MAX {
        let text = scan.until(|octet| matches!(octet, b',' | b'"' | b'('));
        phrase.extend_from_slice(text);
        match scan.peek() {
            Some(b'"') => {
                scan.skip(1);
                phrase.extend(scan.quoted());
            }
            Some(b'(') => {
                scan.comment();
                phrase.push(b' ');
            }
            end => {
                let unfolded = crate::header::unfold(&phrase);
                let text = decode_words(&unfolded);
                let words: Vec<&str> = text.split_whitespace().collect();
                keywords.extend((!words.is_empty()).then(|| words.join(" ")));
                phrase.clear();
                scan.skip(1);
                if end.is_none() {
                    break;
                }
            }
        }
    }
    keywords
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 2369 §3.
    #[test]
    fn lists_say_where_to_turn() {
        let cases: &[(&str, &[&str])] = &[
            (
                "<mailto:list@host.com?subject=help> (List Instructions)",
                &["mailto:list@host.com?subject=help"],
            ),
            (
                "<http://www.host.com/list.cgi?cmd=sub&lst=list>,\r\n <mailto:list-manager@host.com>",
                &[
                    "http://www.host.com/list.cgi?cmd=sub&lst=list",
                    "mailto:list-manager@host.com",
                ],
            ),
            (
                "(Use this command) <mailto:list-manager@host.com?\r\n body=unsubscribe>",
                &["mailto:list-manager@host.com?body=unsubscribe"],
            ),
            ("NO (posting not allowed)", &[]),
            ("<a:b>, junk, <c:d>", &["a:b"]),
            ("<a:b", &[]),
            ("https://bare.example/", &[]),
            ("<>, <a:\u{1}b>, <c:d>", &["c:d"]),
            // §2, first to third guideline.
            ("(a) (b) <a:b> (c) , (d) <c:d> (e)", &["a:b", "c:d"]),
            ("< a\t:\r\n b >", &["a:b"]),
            ("see <a:b>", &[]),
            (", <a:b>", &[]),
            ("<a:b> <c:d>", &["a:b"]),
            ("<a:b>; <c:d>", &["a:b"]),
            ("<a:b> or, <c:d>", &["a:b"]),
            ("<a:b>,, <c:d>", &["a:b"]),
            ("<a:b>, c:d, <e:f>", &["a:b"]),
            ("<a:b(c),d>", &["a:b(c),d"]),
        ];
        for (value, uris) in cases {
            assert_eq!(list_uris(value.as_bytes()), *uris, "{value}");
        }
        assert!(list_is_closed(b" NO (posting not allowed)"));
        assert!(!list_is_closed(b"<mailto:a@b>"));
        let many = b"<a:b>,".repeat(ENTRIES_MAX + 1);
        assert_eq!(list_uris(&many).len(), ENTRIES_MAX);
    }

    // RFC 8058 §8.
    #[test]
    fn one_click_needs_https_and_leave() {
        let both = b"<mailto:listrequest@example.com?subject=unsubscribe>,\r\n \
                     <https://example.com/unsubscribe.html?opaque=123456789>";
        let uri = "https://example.com/unsubscribe.html?opaque=123456789";
        let leave = b" List-Unsubscribe=One-Click\r\n";
        assert_eq!(one_click(both, leave).as_deref(), Some(uri));
        assert_eq!(one_click(both, b"no"), None);
        assert_eq!(one_click(b"<http://example.com/x>", leave), None);
    }

    // RFC 8058 §3.1 and §5.
    #[test]
    fn one_click_by_the_grammar() {
        let uri = "https://list.example/leave/7f3a";
        let both = format!("<mailto:leave@list.example>, <{uri}>");
        for (unsubscribe, post, leaves) in [
            (both.as_str(), "List-Unsubscribe=One-Click", true),
            (&both, "\tlist-unsubscribe=one-click ", true),
            (&both, "", false),
            (&both, "List-Unsubscribe = One-Click", false),
            (&both, "List-Unsubscribe=One-Click&x=y", false),
            (&both, "List-Unsubscribe=One-Click (now)", false),
            (&both, "One-Click", false),
            (
                "<HTTPS://list.example/leave/7f3a>",
                "List-Unsubscribe=One-Click",
                true,
            ),
            (uri, "List-Unsubscribe=One-Click", false),
            (
                "<https://>, <https:///x>, <https://?x>",
                "List-Unsubscribe=One-Click",
                false,
            ),
            (
                "<mailto:leave@list.example>",
                "List-Unsubscribe=One-Click",
                false,
            ),
        ] {
            let found = one_click(unsubscribe.as_bytes(), post.as_bytes());
            let same = found.map(|found| found.eq_ignore_ascii_case(uri));
            assert_eq!(same, leaves.then_some(true), "{unsubscribe} {post}");
        }
    }

    // RFC 2919 §3.
    #[test]
    fn lists_have_names() {
        let cases = [
            (
                "List Header Mailing List <list-header.nisto.com>",
                Some((Some("List Header Mailing List"), "list-header.nisto.com")),
            ),
            (
                "<commonspace-users.list-id.within.com>",
                Some((None, "commonspace-users.list-id.within.com")),
            ),
            (
                "\"Lena's Personal <Joke> List\"\r\n <lenas-jokes.da39efc25c530ad145d41b86f7420c3b\
                 .021999.localhost>",
                Some((
                    Some("Lena's Personal <Joke> List"),
                    "lenas-jokes.da39efc25c530ad145d41b86f7420c3b.021999.localhost",
                )),
            ),
            (
                "=?utf-8?q?Gr=C3=BCn?= <green.example>",
                Some((Some("Grün"), "green.example")),
            ),
            ("bare.example", Some((None, "bare.example"))),
            ("two words", None),
            ("", None),
            ("< a\t. \r\n b >", Some((None, "a.b"))),
            ("Rain, Snow: and \"more\" (a <b>) <sky.example>", {
                Some((Some("Rain, Snow: and more"), "sky.example"))
            }),
            (
                "12\" records <vinyl.example>",
                Some((Some("12\" records"), "vinyl.example")),
            ),
            (
                "Ada (us <hearts.example>",
                Some((Some("Ada (us"), "hearts.example")),
            ),
            ("open <sky.example", Some((Some("open"), "sky.example"))),
            ("12\" records", None),
            ("x <>", None),
        ];
        for (value, expected) in cases {
            let list = list_id(value.as_bytes());
            let shown = list.as_ref().map(|list| (list.name.as_deref(), &*list.id));
            assert_eq!(shown, expected, "{value}");
        }
    }

    #[test]
    fn keywords_are_phrases() {
        let value = b"one, \"two, three\" four (x),, =?utf-8?q?f=C3=BCnf?=\r\n six";
        assert_eq!(keywords(value), ["one", "two, three four", "fünf six"]);
        assert!(keywords(b"").is_empty());
    }
}
