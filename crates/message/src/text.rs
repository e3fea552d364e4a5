//! A message as text to search in: decoded parts and header fields.
//!
//! Crude on purpose where HTML is concerned: tags go, nothing is rendered, nothing is trusted. Not
//! here: an index; who searches decides what to keep.

use crate::charset;
use crate::decode::{Encoding, decode_transfer};
use crate::encoded_word::decode_words;
use crate::header::{Field, Header};
use crate::outline::Outline;
use crate::part::{Content, Part};

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

/// A text part decoded: transfer encoding, charset, and HTML's tags.
#[must_use]
pub fn part_text(part: &Part, message: &[u8]) -> String {
    let body = part.body.of(message);
    let decoded = decode_transfer(Encoding::parse(&part.encoding), body);
    let label = part.parameters.iter().find(|one| one.name == "charset");
    let label = label.map_or(&[][..], |one| one.value.as_slice());
    let text = charset::decode_cow(label, &decoded.octets);
    if part.subtype == "html" {
        strip_tags(&text)
    } else {
        text.into_owned()
    }
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

/// What is searched for, case folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle(String);

impl Needle {
    /// Folds the text that is looked for.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(fold(text))
    }

    /// True if the text contains it, whatever the case of either.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        memchr::memmem::find(fold(text).as_bytes(), self.0.as_bytes()).is_some()
    }
}

/// Folds case letter by letter: lower case, final sigma as sigma, sharp s as `ss`.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            'ς' => folded.push('σ'),
            'ß' | 'ẞ' => folded.push_str("ss"),
            // Turkish dotted I in lower case is an i and a combining dot: the dot is dropped.
            'İ' => folded.push('i'),
            _ => folded.extend(letter.to_lowercase()),
        }
    }
    folded
}

/// The text of an HTML document: tags, comments, scripts and styles taken out, entities decoded,
/// runs of white space made one space.
#[must_use]
pub fn strip_tags(html: &str) -> String {
    let mut text = Text(String::with_capacity(html.len() / 2));
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        text.push(before);
        rest = if from.starts_with('<') {
            tag(from, &mut text)
        } else {
            entity(from, &mut text)
        };
    }
    text.push(rest);
    text.0
}

struct Text(String);

impl Text {
    fn push(&mut self, piece: &str) {
        for letter in piece.chars() {
            if !letter.is_whitespace() {
                self.0.push(letter);
            } else if !self.0.ends_with(' ') {
                self.0.push(' ');
            }
        }
    }
}

/// Tags inside which words go on.
const INLINE: [&str; 16] = [
    "a", "abbr", "b", "big", "code", "em", "font", "i", "s", "small", "span", "strong", "sub",
    "sup", "tt", "u",
];

/// Passes a tag (with all that is inside a comment, a script or a style); gives what follows.
fn tag<'a>(from: &'a str, text: &mut Text) -> &'a str {
    let behind = |rest: &'a str, end: &str| match rest.find(end) {
        Some(at) => rest.get(at + end.len()..).unwrap_or_default(),
        None => "",
    };
    if let Some(comment) = from.strip_prefix("<!--") {
        return behind(comment, "-->");
    }
    let inner = from.get(1..).unwrap_or_default();
    let name = inner.strip_prefix('/').unwrap_or(inner);
    let letters = |letter: char| !letter.is_ascii_alphanumeric();
    let name = name.get(..name.find(letters).unwrap_or(name.len()));
    let name = name.unwrap_or_default();
    if name.is_empty() && !inner.starts_with(['!', '?', '/']) {
        text.push("<");
        return inner;
    }
    let short = name.get(..8).unwrap_or(name).to_ascii_lowercase();
    if !INLINE.contains(&short.as_str()) {
        text.push(" ");
    }
    let rest = behind(inner, ">");
    match short.as_str() {
        "script" | "style" if !inner.starts_with('/') => {
            let mut rest = rest;
            loop {
                rest = behind(rest, "</");
                let closes = rest.get(..short.len());
                if rest.is_empty() || closes.is_some_and(|end| end.eq_ignore_ascii_case(&short)) {
                    return behind(rest, ">");
                }
            }
        }
        _ => rest,
    }
}

/// Entities that occur in mail; others stay as they are written.
const ENTITIES: [(&str, char); 34] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("copy", '©'),
    ("reg", '®'),
    ("euro", '€'),
    ("pound", '£'),
    ("sect", '§'),
    ("deg", '°'),
    ("laquo", '«'),
    ("raquo", '»'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("hellip", '…'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("Auml", 'Ä'),
    ("Ouml", 'Ö'),
    ("Uuml", 'Ü'),
    ("szlig", 'ß'),
    ("eacute", 'é'),
    ("egrave", 'è'),
    ("agrave", 'à'),
    ("ccedil", 'ç'),
    ("ntilde", 'ñ'),
];

/// Decodes the entity at the `&` that `from` begins with; gives what follows.
fn entity<'a>(from: &'a str, text: &mut Text) -> &'a str {
    let inner = from.get(1..).unwrap_or_default();
    let end = inner.find(|letter: char| letter != '#' && !letter.is_ascii_alphanumeric());
    let end = end.unwrap_or(inner.len());
    let (name, rest) = inner.split_at_checked(end).unwrap_or((inner, ""));
    let letter = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => number.parse().ok(),
        }
        .and_then(char::from_u32),
        None => ENTITIES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|&(_, letter)| letter),
    };
    match letter {
        Some(letter) => {
            text.push(letter.encode_utf8(&mut [0; 4]));
            rest.strip_prefix(';').unwrap_or(rest)
        }
        None => {
            text.push("&");
            inner
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_loses_its_tags() {
        let cases = [
            ("<p>a<b>b</b>c</p>d", " abc d"),
            ("x<br>y<td>z", "x y z"),
            (
                "a &amp; b &lt;i&gt; &#233;&#xE9; &bogus; &eacute;",
                "a & b <i> éé &bogus; é",
            ),
            (
                "a<!-- <b> -->b<script>if (a<b) '</p>'</script>c<STYLE>x</style >d",
                "ab c d",
            ),
            ("1 < 2 & 3", "1 < 2 & 3"),
            ("open <tag", "open "),
            ("a\r\n\t b", "a b"),
            ("<script>never closed", " "),
        ];
        for (html, text) in cases {
            assert_eq!(strip_tags(html), text);
        }
    }

    #[test]
    fn needles_fold_case() {
        for (needle, text) in [
            ("GRÜSSE", "viele grüße"),
            ("σας", "ΣΑΣ"),
            ("istanbul", "İstanbul"),
            ("", "x"),
        ] {
            assert!(Needle::new(needle).is_in(text), "{needle} in {text}");
        }
        assert!(!Needle::new("ab").is_in("a b"));
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
