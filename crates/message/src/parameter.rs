//! Structured MIME values: `text/plain; charset=utf-8` (RFC 2045 §5.1, RFC 2183, RFC 2231).
//!
//! Read as the world writes them: missing quotes, missing semicolons, stray comments.

use crate::charset;
use crate::encoded_word::{decode_words, decode_words_noting};
use crate::leniency::{Leniencies, Leniency};
use crate::scan::{Scan, is_space, is_token};

/// One `name=value` as written: the value unquoted and unfolded, RFC 2231 forms left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// The name in lower case, with its asterisks (`filename*0*`).
    pub name: String,
    /// The value's octets.
    pub value: Vec<u8>,
}

/// Continuations a value may have; later ones are dropped.
pub const CONTINUATIONS_MAX: usize = 100;

/// Joins continuations (`name*0`, `name*1`) into one parameter, as RFC 9051 §7.5.2 wants it.
///
/// A joined value with any encoded piece becomes one `name*` that still says its charset and stays
/// percent-encoded (`utf-8''…`), the form clients know from unsplit parameters.
#[must_use]
pub fn join(parameters: &[Parameter]) -> Vec<Parameter> {
    let mut joined: Vec<Parameter> = Vec::new();
    for parameter in parameters {
        let Some((base, _, _)) = continuation(&parameter.name) else {
            joined.push(parameter.clone());
            continue;
        };
        let starred = |one: &Parameter| one.name.strip_suffix('*') == Some(base);
        if joined.iter().any(|one| one.name == base || starred(one)) {
            continue;
        }
        let pieces = pieces(parameters, base);
        let encoded = pieces.iter().any(|&(_, encoded)| encoded);
        let mut value = Vec::new();
        for (index, &(piece, piece_encoded)) in pieces.iter().enumerate() {
            if encoded && !piece_encoded {
                if index == 0 {
                    value.extend_from_slice(b"''");
                }
                percent_encode(piece, &mut value);
            } else {
                value.extend_from_slice(piece);
            }
        }
        let star = if encoded { "*" } else { "" };
        let name = format!("{base}{star}");
        joined.push(Parameter { name, value });
    }
    joined
}

/// A parameter as text: continuations joined, RFC 2231 charsets and (as the world does it) RFC
/// 2047 words decoded.
#[must_use]
pub fn decoded(parameters: &[Parameter], name: &str) -> Option<String> {
    let extended = |one: &&Parameter| one.name.strip_suffix('*') == Some(name);
    if let Some(whole) = parameters.iter().find(extended) {
        let (label, text) = charset_and_text(&whole.value);
        return Some(charset::decode(label, &percent_decode(text)));
    }
    let pieces = pieces(parameters, name);
    if let Some((&(first, first_encoded), rest)) = pieces.split_first() {
        let mut octets = Vec::new();
        let mut label: &[u8] = b"";
        let mut add = |piece: &[u8], encoded: bool| {
            if encoded {
                octets.extend_from_slice(&percent_decode(piece));
            } else {
                octets.extend_from_slice(piece);
            }
        };
        if first_encoded {
            let (named, text) = charset_and_text(first);
            label = named;
            add(text, true);
        } else {
            add(first, false);
        }
        for &(piece, encoded) in rest {
            add(piece, encoded);
        }
        return Some(charset::decode(label, &octets));
    }
    let plain = parameters.iter().find(|one| one.name == name)?;
    Some(decode_words(&plain.value).into_owned())
}

/// Media type and subtype in lower case and the parameters; `None` where there is no type.
pub(crate) fn media_type(
    value: &[u8],
    parameters_max: usize,
    octets_max: usize,
) -> Option<(String, String, Vec<Parameter>)> {
    read_type(
        value,
        parameters_max,
        octets_max,
        &mut Leniencies::default(),
    )
}

/// Reads a Content-Type: type and subtype in lower case, and at most `parameters_max` parameters
/// of at most `octets_max` octets each; adds what had to be repaired. `None` where it says none.
pub fn media_type_noting(
    value: &[u8],
    parameters_max: usize,
    octets_max: usize,
    noted: &mut Leniencies,
) -> Option<(String, String, Vec<Parameter>)> {
    let read = read_type(value, parameters_max, octets_max, noted)?;
    note_names(&read.2, noted);
    Some(read)
}

fn read_type(
    value: &[u8],
    parameters_max: usize,
    octets_max: usize,
    noted: &mut Leniencies,
) -> Option<(String, String, Vec<Parameter>)> {
    let mut scan = Scan::new(value);
    scan.skip_space();
    let media = token(&mut scan);
    scan.skip_space();
    let subtype = if scan.take(b'/') {
        scan.skip_space();
        token(&mut scan)
    } else {
        None
    };
    let (media, subtype) = match (media, subtype) {
        (Some(media), Some(subtype)) => (media, subtype),
        (media, _) => {
            noted.add(Leniency::TypeUnreadable);
            let text = media.filter(|media| media == "text")?;
            (text, "plain".to_owned())
        }
    };
    let parameters = parameters(&mut scan, parameters_max, octets_max, noted);
    Some((media, subtype, parameters))
}

/// A disposition's kind in lower case and its parameters.
pub(crate) fn disposition(
    value: &[u8],
    parameters_max: usize,
    octets_max: usize,
) -> Option<(String, Vec<Parameter>)> {
    read_disposition(
        value,
        parameters_max,
        octets_max,
        &mut Leniencies::default(),
    )
}

/// Reads a Content-Disposition (RFC 2183): its kind in lower case and its parameters, bounded as
/// [`media_type_noting`]'s; adds what had to be repaired. `None` where there is no kind.
pub fn disposition_noting(
    value: &[u8],
    parameters_max: usize,
    octets_max: usize,
    noted: &mut Leniencies,
) -> Option<(String, Vec<Parameter>)> {
    let read = read_disposition(value, parameters_max, octets_max, noted)?;
    note_names(&read.1, noted);
    Some(read)
}

fn read_disposition(
    value: &[u8],
    parameters_max: usize,
    octets_max: usize,
    noted: &mut Leniencies,
) -> Option<(String, Vec<Parameter>)> {
    let mut scan = Scan::new(value);
    scan.skip_space();
    let kind = token(&mut scan)?;
    Some((
        kind,
        parameters(&mut scan, parameters_max, octets_max, noted),
    ))
}

/// The first token of a value in lower case.
pub(crate) fn first_token(value: &[u8]) -> Option<String> {
    let mut scan = Scan::new(value);
    scan.skip_space();
    token(&mut scan)
}

/// Splits `name*3*` into name, number, and whether the piece is encoded.
fn continuation(name: &str) -> Option<(&str, usize, bool)> {
    let (name, encoded) = match name.strip_suffix('*') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let (base, number) = name.rsplit_once('*')?;
    let number = number.parse().ok().filter(|&at| at < CONTINUATIONS_MAX)?;
    Some((base, number, encoded))
}

/// The pieces of a continued value from 0 on, up to the first that is missing.
fn pieces<'a>(parameters: &'a [Parameter], base: &str) -> Vec<(&'a [u8], bool)> {
    let mut numbered: Vec<(usize, &[u8], bool)> = parameters
        .iter()
        .filter_map(|parameter| {
            let (name, number, encoded) = continuation(&parameter.name)?;
            (name == base).then_some((number, parameter.value.as_slice(), encoded))
        })
        .collect();
    numbered.sort_by_key(|&(number, _, _)| number);
    numbered.dedup_by_key(|&mut (number, _, _)| number);
    numbered
        .into_iter()
        .enumerate()
        .take_while(|&(index, (number, _, _))| index == number)
        .map(|(_, (_, value, encoded))| (value, encoded))
        .collect()
}

/// `charset'language'text`; without quotes it is all text.
fn charset_and_text(value: &[u8]) -> (&[u8], &[u8]) {
    let mut fields = value.splitn(3, |&octet| octet == b'\'');
    match (fields.next(), fields.next(), fields.next()) {
        (Some(label), Some(_), Some(text)) => (label, text),
        _ => (b"", value),
    }
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&octet, behind)) = rest.split_first() {
        rest = behind;
        if let (b'%', [high, low, tail @ ..]) = (octet, behind)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            octets.push(high * 16 + low);
            rest = tail;
        } else {
            octets.push(octet);
        }
    }
    octets
}

fn percent_encode(piece: &[u8], value: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &octet in piece {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            value.push(octet);
        } else {
            let digit = |at: u8| DIGITS.get(usize::from(at)).copied().unwrap_or(b'0');
            value.extend_from_slice(&[b'%', digit(octet >> 4), digit(octet & 15)]);
        }
    }
}

/// The value of a hexadecimal digit in either case.
pub(crate) const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// RFC 2045 §5.1 `token`, in lower case.
fn token(scan: &mut Scan<'_>) -> Option<String> {
    let token = String::from_utf8_lossy(scan.token()).to_ascii_lowercase();
    (!token.is_empty()).then_some(token)
}

// RFC 2045 §5.1
/// The parameters up to the end of the value.
fn parameters(
    scan: &mut Scan<'_>,
    parameters_max: usize,
    octets_max: usize,
    noted: &mut Leniencies,
) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = Vec::new();
    loop {
        scan.skip_space();
        let mut semicolons = 0;
        while scan.take(b';') {
            semicolons += 1;
            scan.skip_space();
        }
        let ended = scan.rest().is_empty();
        if semicolons != usize::from(!ended) {
            noted.add(Leniency::ParameterRepaired);
        }
        if ended || parameters.len() >= parameters_max {
            break;
        }
        let name = token(scan);
        scan.skip_space();
        if let (Some(name), true) = (name, scan.take(b'=')) {
            let mut value = value(scan, noted);
            if value.len() > octets_max {
                noted.add(Leniency::FieldsPastLimit);
                value.truncate(octets_max);
            }
            parameters.push(Parameter { name, value });
        } else {
            noted.add(Leniency::ParameterRepaired);
            scan.until(|octet| octet == b';');
        }
    }
    if !scan.rest().is_empty() {
        noted.add(Leniency::FieldsPastLimit);
    }
    if scan.unended {
        noted.add(Leniency::ParameterRepaired);
    }
    parameters
}

/// Notes parameters that stand twice or in two forms, and encoded words in values.
fn note_names(parameters: &[Parameter], noted: &mut Leniencies) {
    let base = |name: &str| name.find('*').unwrap_or(name.len());
    for (at, one) in parameters.iter().enumerate() {
        let whole = one.name.get(..base(&one.name));
        for other in parameters.iter().take(at) {
            if other.name == one.name {
                noted.add(Leniency::ParameterRepeated);
            } else if other.name.get(..base(&other.name)) == whole
                && (continuation(&one.name).is_none() || continuation(&other.name).is_none())
            {
                noted.add(Leniency::ParameterMixed);
            }
        }
        if whole == Some(one.name.as_str()) {
            if memchr::memmem::find(&one.value, b"=?").is_some() {
                noted.add(Leniency::EncodedWordMisplaced);
            }
            decode_words_noting(&one.value, noted);
        }
    }
}

/// A value, without its quotes if it has them.
fn value(scan: &mut Scan<'_>, noted: &mut Leniencies) -> Vec<u8> {
    scan.skip_space();
    if scan.take(b'"') {
        return scan.quoted();
    }
    let mut value = Vec::new();
    loop {
        let text = scan.until(|octet| matches!(octet, b';' | b'(') || is_space(octet));
        value.extend_from_slice(text);
        if let Some(comment) = glued_comment(scan) {
            value.extend_from_slice(comment);
            continue;
        }
        scan.skip_space();
        // An unquoted value may hold spaces in the wild, but not what looks like a parameter.
        if matches!(scan.peek(), None | Some(b';')) || parameter_follows(scan) {
            break;
        }
        value.push(b' ');
    }
    if value.is_empty() || !value.iter().all(|&octet| is_token(octet)) {
        noted.add(Leniency::ParameterUnquoted);
    }
    value
}

/// The parentheses of `name(1).pdf`: no comment, as text stands on both sides of them.
fn glued_comment<'a>(scan: &mut Scan<'a>) -> Option<&'a [u8]> {
    let before = scan.rest();
    let mut behind = scan.clone();
    if scan.peek() != Some(b'(') {
        return None;
    }
    behind.comment();
    let next = behind.peek()?;
    if next == b';' || is_space(next) {
        return None;
    }
    let comment = before.get(..before.len() - behind.rest().len());
    *scan = behind;
    comment
}

fn parameter_follows(scan: &Scan<'_>) -> bool {
    let mut ahead = scan.clone();
    !ahead.token().is_empty() && ahead.peek() == Some(b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Vec<(String, String)> {
        let (_, _, parameters) = media_type(value.as_bytes(), 100, 1000).unwrap();
        shown(&parameters)
    }

    fn shown(parameters: &[Parameter]) -> Vec<(String, String)> {
        let pairs = parameters.iter().map(|one| {
            let value = String::from_utf8_lossy(&one.value).into_owned();
            (one.name.clone(), value)
        });
        pairs.collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn values_as_the_world_writes_them() {
        let cases = [
            (
                "a/b; c=d (e); f=\"g\\\"h;\"",
                vec![pair("c", "d"), pair("f", "g\"h;")],
            ),
            (
                "a/b; c=d e.pdf; f=g",
                vec![pair("c", "d e.pdf"), pair("f", "g")],
            ),
            ("a/b; c=d f=g", vec![pair("c", "d"), pair("f", "g")]),
            ("a/b; c=\"d\" f=g;;", vec![pair("c", "d"), pair("f", "g")]),
            ("a/b; junk; c=d", vec![pair("c", "d")]),
            ("a/b; C =\r\n \"open", vec![pair("c", "open")]),
            ("a/b; c=--=_d=", vec![pair("c", "--=_d=")]),
            (
                "a/b; c=d(1).pdf; e=f(g)",
                vec![pair("c", "d(1).pdf"), pair("e", "f")],
            ),
        ];
        for (value, parameters) in cases {
            assert_eq!(read(value), parameters, "{value}");
        }
        assert_eq!(
            media_type(b"TEXT", 1, 1),
            Some(("text".into(), "plain".into(), vec![]))
        );
        assert_eq!(media_type(b"image", 1, 1), None);
        assert_eq!(
            media_type(b"a/b; c=def; g=h", 1, 2).map(|read| shown(&read.2)),
            Some(vec![pair("c", "de")])
        );
    }

    #[test]
    fn repairs_are_named() {
        use Leniency::{
            EncodedWordMisplaced, FieldsPastLimit, ParameterMixed, ParameterRepaired,
            ParameterRepeated, ParameterUnquoted, RawHeader, TypeUnreadable,
        };
        let cases: &[(&[u8], &[Leniency])] = &[
            (b"a/b", &[]),
            (b"a/b; c=d (e); f=\"g h\"", &[]),
            (b"a/b; n*0*=utf-8''a; n*1=b", &[]),
            (b"a/b;", &[ParameterRepaired]),
            (b"a/b; c=d e=f", &[ParameterRepaired]),
            (b"a/b; c=\"d", &[ParameterRepaired]),
            (b"a/b; junk; c=d", &[ParameterRepaired]),
            (b"a/b; c=d e", &[ParameterUnquoted]),
            (b"a/b; c=d/e", &[ParameterUnquoted]),
            (b"a/b; c=d; C=e", &[ParameterRepeated]),
            (b"a/b; c=d; c*=utf-8''e", &[ParameterMixed]),
            (b"a/b; c=\"=?utf-8?q?d?=\"", &[EncodedWordMisplaced]),
            (b"a/b; c=\"\xfc\"", &[RawHeader]),
            (b"a/b; c=0123456789", &[FieldsPastLimit]),
            (b"text", &[TypeUnreadable]),
            (b"/b", &[TypeUnreadable]),
        ];
        for (value, expected) in cases {
            let mut noted = Leniencies::NONE;
            let read = media_type_noting(value, 100, 9, &mut noted);
            assert_eq!(read, media_type(value, 100, 9));
            let expected: Leniencies = expected.iter().copied().collect();
            let text = String::from_utf8_lossy(value);
            if !text.contains("=?") && !text.contains("utf-8''") {
                assert_eq!(noted, expected, "{text}");
            }
            assert!(expected.iter().all(|one| noted.has(one)), "{text}");
        }
    }

    #[test]
    fn continuations_join() {
        // RFC 2231 §3 and §4.1.
        let parameters = |value: &str| media_type(value.as_bytes(), 100, 1000).unwrap().2;
        let url = parameters("a/b; URL*0=\"ftp://\"; x=y; URL*1=\"cs.utk.edu\"; URL*3=lost");
        let joined = vec![pair("url", "ftp://cs.utk.edu"), pair("x", "y")];
        assert_eq!(shown(&join(&url)), joined);
        assert_eq!(decoded(&url, "url").as_deref(), Some("ftp://cs.utk.edu"));
        let title = parameters("a/b; title*0*=us-ascii'en'a%20; title*1*=%2A; title*2=\"b'c\"");
        assert_eq!(
            shown(&join(&title)),
            [pair("title*", "us-ascii'en'a%20%2Ab%27c")]
        );
        assert_eq!(decoded(&title, "title").as_deref(), Some("a *b'c"));
        let split = parameters("a/b; n*0*=utf-8''%E2%82; n*1*=%AC");
        assert_eq!(decoded(&split, "n").as_deref(), Some("€"));
        let once = parameters("a/b; n*=utf-8''%E2%82%AC; n=euro");
        assert_eq!(decoded(&once, "n").as_deref(), Some("€"));
        assert_eq!(join(&once), once);
    }
}
