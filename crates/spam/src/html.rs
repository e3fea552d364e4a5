//! The words of an HTML document, fast: tags go, and what they part stays apart.
//!
//! It need not be what a browser shows, only the same for the same document: a word that is cut by
//! a tag that parts nothing (`che<b></b>ap`) is whole, since that is how such words are hidden.
//!
//! Not here: text for reading or searching (`message::html`).

/// Tags that part nothing.
const INLINE: [&str; 14] = [
    "a", "abbr", "b", "big", "em", "font", "i", "ins", "o:p", "s", "small", "span", "strong", "u",
];
/// Letters of the longest of them.
const INLINE_OCTETS_MAX: usize = 6;
/// Tags whose insides are no text.
const UNREAD: [&str; 2] = ["script", "style"];
/// Letters of an entity's name.
const ENTITY_OCTETS_MAX: usize = 10;

/// Writes the document's text.
pub(crate) fn text(html: &str, out: &mut String) {
    let mut rest = html;
    while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
        let (before, tag) = rest.split_at(at);
        written(before, out);
        rest = match behind(tag, out) {
            Some(rest) => rest,
            None => return,
        };
    }
    written(rest, out);
}

/// What follows a tag, comment, or lone `<`; `None` where the document ends in it.
fn behind<'a>(tag: &'a str, out: &mut String) -> Option<&'a str> {
    if let Some(comment) = tag.strip_prefix("<!--") {
        let end = memchr::memmem::find(comment.as_bytes(), b"-->")?;
        return comment.get(end + 3..);
    }
    let inside = tag.get(1..)?;
    let name = inside.strip_prefix('/').unwrap_or(inside);
    if !name.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '!' | '?')) {
        out.push('<');
        return Some(inside);
    }
    let end = memchr::memchr(b'>', inside.as_bytes())?;
    let rest = inside.get(end + 1..)?;
    let name_end =
        name.find(|letter: char| letter.is_ascii_whitespace() || matches!(letter, '>' | '/'));
    let name = name
        .get(..name_end.unwrap_or(name.len()))
        .unwrap_or_default();
    let is = |known: &&str| name.eq_ignore_ascii_case(known);
    if name.len() > INLINE_OCTETS_MAX || !INLINE.iter().any(is) {
        out.push(' ');
    }
    let opens = !inside.starts_with('/');
    match UNREAD.iter().find(|known| opens && is(known)) {
        Some(unread) => closed(rest, unread),
        None => Some(rest),
    }
}

/// What follows the end of an element whose inside is no text.
fn closed<'a>(mut rest: &'a str, name: &str) -> Option<&'a str> {
    loop {
        let at = memchr::memmem::find(rest.as_bytes(), b"</")?;
        rest = rest.get(at + 2..)?;
        let begins = rest.get(..name.len());
        if begins.is_some_and(|begin| begin.eq_ignore_ascii_case(name)) {
            let end = memchr::memchr(b'>', rest.as_bytes())?;
            return rest.get(end + 1..);
        }
    }
}

/// Writes text, its entities as what they stand for.
fn written(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
        let (before, entity) = rest.split_at(at);
        out.push_str(before);
        rest = entity.get(1..).unwrap_or_default();
        let name_max = rest.floor_char_boundary(ENTITY_OCTETS_MAX);
        let name = rest.get(..name_max).unwrap_or_default();
        let Some(end) = name.find(';') else {
            out.push('&');
            continue;
        };
        let name = name.get(..end).unwrap_or_default();
        match letter(name) {
            Some(letter) => {
                out.push(letter);
                rest = rest.get(end + 1..).unwrap_or_default();
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
}

fn letter(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let hex = number.strip_prefix(['x', 'X']);
        let number = match hex {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(number);
    }
    Some(match name {
        "nbsp" => ' ',
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "szlig" => 'ß',
        "eacute" => 'é',
        "egrave" => 'è',
        "agrave" => 'à',
        "euro" => '€',
        "pound" => '£',
        // Letters that are not seen, as they hide in words.
        "shy" => '\u{ad}',
        "zwnj" => '\u{200c}',
        "zwj" => '\u{200d}',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // tidy: table
    #[test]
    fn what_is_text() {
        for (html, expected) in [
            ("plain", "plain"),
            ("a<br>b", "a b"),
            ("che<b></b>ap", "cheap"),
            ("<p class='x'>one</p><P>two", " one  two"),
            ("a<style>b</STYLE >c", "a c"),
            ("a<script>if (1 < 2) { '</b>' }</script>c", "a c"),
            ("a<script>never ends", "a "),
            ("a<!-- > b -->c", "ac"),
            ("a<!-- never ends", "a"),
            ("1 < 2", "1 < 2"),
            ("a<b", "a"),
            (
                "&amp;&#65;&#x42;&nbsp;&what;&;& &#0;&#xd800;",
                "&AB &what;&;& \0&#xd800;",
            ),
            ("<a href=\"https://example.net/\">here</a>", "here"),
            ("", ""),
            ("<", "<"),
            ("</", "</"),
        ] {
            let mut out = String::new();
            text(html, &mut out);
            assert_eq!(out, expected, "{html}");
        }
    }
}
