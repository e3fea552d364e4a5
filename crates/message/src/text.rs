//! A message as text to search in: decoded parts and header fields.
//!
//! Not here: an index; who searches decides what to keep.

use std::borrow::Cow;

use crate::charset;
use crate::collation::casemap;
use crate::decode::decode_part;
use crate::encoded_word::decode_words;
use crate::header::{Field, Header};
use crate::html;
use crate::leniency::Leniencies;
use crate::outline::Outline;
use crate::part::{Content, Part};

/// Which text [`search_text`], [`header_text`] and [`fold`] show: who keeps something that was made
/// of it makes that again when this number is another.
///
/// The last octet is raised with every change of what they show; the others are the versions of
/// Unicode whose letters have their cases and fall into others.
pub const SEARCH_TEXT_VERSION: u32 = {
    let (cased, decomposed) = (
        char::UNICODE_VERSION,
        unicode_normalization::UNICODE_VERSION,
    );
    let majors = ((decomposed.0 as u32) << 24) | ((cased.0 as u32) << 16);
    let minors = ((decomposed.1 as u32 & 0xf) << 12) | ((cased.1 as u32 & 0xf) << 8);
    majors | minors | 2
};

/// Shows the decoded text of each `text/*` part, HTML without its tags, and the header fields of
/// enclosed messages; true as soon as `found` says true.
///
/// Each part is one text, so that what is looked for is never cut.
pub fn search_text(outline: &Outline, message: &[u8], found: &mut dyn FnMut(&str) -> bool) -> bool {
    outline.root.walk().any(|part| match &part.content {
        Content::Leaf if part.media == "text" => found(&part_text(part, message)),
        Content::Message(inner) => header_text(inner.root.header.of(message), None, found),
        Content::Leaf | Content::Multipart(_) => false,
    })
}

/// A text part decoded: transfer encoding, charset, and the words of HTML.
#[must_use]
pub fn part_text(part: &Part, message: &[u8]) -> String {
    let text = decode_text(part, message, &mut Leniencies::default());
    if part.subtype == "html" {
        html::words(&text)
    } else {
        text.into_owned()
    }
}

/// A part's text as it was before it was encoded, and what was wrong with it; nothing is copied
/// where nothing was encoded.
pub fn decode_text<'a>(
    part: &Part,
    message: &'a [u8],
    leniencies: &mut Leniencies,
) -> Cow<'a, str> {
    let decoded = decode_part(part, message);
    leniencies.extend(decoded.leniencies);
    let label = charset_label(part);
    match decoded.octets {
        Cow::Borrowed(octets) => charset::decode_noting(label, octets, leniencies),
        Cow::Owned(octets) => {
            let text = charset::decode_noting(label, &octets, leniencies);
            Cow::Owned(text.into_owned())
        }
    }
}

/// The charset a part says it has; empty where it says none.
pub(crate) fn charset_label(part: &Part) -> &[u8] {
    let label = part.parameters.iter().find(|one| one.name == "charset");
    label.map_or(&[][..], |one| one.value.as_slice())
}

/// Shows the decoded values of the fields named `name`, or each field as `Name: value` where no
/// name is given; true as soon as `found` says true.
pub fn header_text(header: &[u8], name: Option<&str>, found: &mut dyn FnMut(&str) -> bool) -> bool {
    Header::parse(header).any(|field| match name {
        Some(name) => field.is(name) && found(&value_text(&field)),
        None => {
            let name = String::from_utf8_lossy(field.name);
            found(&format!("{name}: {}", value_text(&field)))
        }
    })
}

/// The decoded value; a tab, where lines were once folded, is a space to whoever searches.
fn value_text(field: &Field<'_>) -> String {
    decode_words(&field.unfolded()).replace('\t', " ")
}

/// What is searched for, folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle(String);

impl Needle {
    /// Folds the text that is looked for.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(fold(text))
    }

    /// True if the text contains it, by `i;unicode-casemap`.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        self.is_in_folded(&fold(text))
    }

    pub(crate) fn is_in_folded(&self, folded: &str) -> bool {
        memchr::memmem::find(folded.as_bytes(), self.0.as_bytes()).is_some()
    }
}

/// Folds a text as it is compared: by `i;unicode-casemap`, of whose letters [`casemap`] tells.
#[must_use]
pub fn fold(text: &str) -> String {
    // RFC 5255 §4.3
    casemap(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of letters of many kinds, as one number. Where it changes, raise the last
    /// octet of [`SEARCH_TEXT_VERSION`] and write both here anew.
    #[test]
    fn the_version_says_what_is_shown() {
        let letters: [&[u8]; 5] = [
            b"Subject: =?utf-8?Q?caf=C3=A9?=\t=?utf-8?B?w6k=?= x\r\n folded\r\n\r\nplain TEXT\r\n",
            b"Content-Type: text/html; charset=iso-8859-2\r\n\r\n<p>a<b>b</b>&nbsp;&eacute;\xb1\
              <style>c</style><script>d</script><!-- e --><img alt='f'><br>g</p>h",
            b"Content-Type: text/plain; charset=utf-7\r\n\r\n+AOk- +\r\n",
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
              Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b\r\nContent-Type: image/png\
              \r\n\r\nsecret\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody\
              \r\n--b--",
            b"Content-Type: text/calendar; charset=nowhere\r\nContent-Transfer-Encoding: \
              quoted-printable\r\n\r\na=\r\nb=E9=\xe9 \xc4\xb0\xc3\x9f\r\n",
        ];
        let mut sum = 0xcbf2_9ce4_8422_2325_u64;
        let mut show = |text: &str| {
            for octet in fold(text).bytes().chain([0]) {
                sum = (sum ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
            }
            false
        };
        for letter in letters {
            let outline = Outline::parse(letter);
            header_text(outline.root.header.of(letter), None, &mut show);
            search_text(&outline, letter, &mut show);
        }
        assert_eq!(
            (SEARCH_TEXT_VERSION & 0xff, sum),
            (2, 11_091_070_937_131_238_764)
        );
    }

    #[test]
    fn needles_fold_case() {
        for (needle, text) in [
            ("GRÜSS", "viele grüsse"),
            ("gru\u{308}n", "GRÜN"),
            ("σας", "ΣΑΣ"),
            ("İSTANBUL", "i\u{307}stanbul"),
            ("office", "oﬃce"),
            // RFC 5051 §2: an accent is a letter of its own, behind the one it stands on.
            ("cafe", "Café"),
            ("", "x"),
        ] {
            assert!(Needle::new(needle).is_in(text), "{needle} in {text}");
        }
        for (needle, text) in [("ab", "a b"), ("ss", "ß"), ("cafes", "cafés"), ("é", "e")] {
            assert!(!Needle::new(needle).is_in(text), "{needle} in {text}");
        }
    }

    #[test]
    fn text_is_found_where_it_is() {
        let message = b"Subject: =?utf-8?Q?caf=C3=A9?=\r\nTo: a@b\r\n\
            Content-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8\r\n\
            --b\r\nContent-Type: image/png\r\n\r\nsecret\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nbody\r\n--b--";
        let outline = Outline::parse(message);
        let in_body = |needle: &str| {
            let needle = Needle::new(needle);
            search_text(&outline, message, &mut |text| needle.is_in(text))
        };
        assert!(in_body("HELLO") && in_body("inner") && in_body("body"));
        assert!(!in_body("secret") && !in_body("café"));
        let header = outline.root.header.of(message);
        let mut cafe = |text: &str| text == "café";
        assert!(header_text(header, Some("SUBJECT"), &mut cafe));
        assert!(!header_text(header, Some("To"), &mut cafe));
        assert!(header_text(header, None, &mut |text| text == "Subject: café"));
    }
}
