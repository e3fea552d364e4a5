//! What a part is made of, as its Content-Type says: just enough to find the parts inside.

use crate::leniency::{Leniencies, Leniency};
use crate::outline::Limits;
use crate::parameter::{self, Parameter};

/// Octets a boundary should have at most (RFC 2046 §5.1.1).
const BOUNDARY_OCTETS_USUAL: usize = 70;
/// Octets a boundary may have and still be found: its delimiter is one line.
const BOUNDARY_OCTETS_MAX: usize = super::DELIMITER_OCTETS_MAX - 6;

/// What a Content-Type means for what is inside.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) media: Media,
    /// `multipart/digest`.
    pub(super) digest: bool,
    /// A multipart's boundary; empty where there is none that can be used.
    pub(super) boundary: Vec<u8>,
    pub(super) leniencies: Leniencies,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Text,
    Multipart,
    Message,
    Other,
}

impl Type {
    /// Reads the value of a Content-Type; `in_digest` changes what it is where it does not say.
    pub(super) fn of(value: Option<&[u8]>, in_digest: bool, limits: &Limits) -> Self {
        let mut found = Self {
            media: if in_digest {
                Media::Message
            } else {
                Media::Text
            },
            digest: false,
            boundary: Vec::new(),
            leniencies: Leniencies::NONE,
        };
        let Some(value) = value else {
            return found;
        };
        if let Some((media, subtype)) = plain(value)
            && !media.eq_ignore_ascii_case(b"multipart")
        {
            found.media = media_of(media, subtype);
            return found;
        }
        let (most, octets) = (limits.parameters_max, limits.text_octets_max);
        let Some((media, subtype, parameters)) = parameter::media_type(value, most, octets) else {
            found.leniencies.add(Leniency::TypeUnreadable);
            return found;
        };
        found.media = media_of(media.as_bytes(), subtype.as_bytes());
        if found.media == Media::Multipart {
            found.digest = subtype == "digest";
            found.bound(&parameters);
        }
        found
    }

    fn bound(&mut self, parameters: &[Parameter]) {
        let plain = |one: &&Parameter| one.name == "boundary";
        let mut named = parameters.iter().filter(plain);
        // RFC 2231 §3
        let boundary = match named.next() {
            Some(one) => one.value.clone(),
            None => parameter::decoded(parameters, "boundary")
                .unwrap_or_default()
                .into_bytes(),
        };
        if named.next().is_some() {
            self.leniencies.add(Leniency::RepeatedBoundary);
        }
        // RFC 2046 §5.1.1: a boundary does not end with white space.
        let boundary = boundary.trim_ascii_end();
        if boundary.len() > BOUNDARY_OCTETS_USUAL {
            self.leniencies.add(Leniency::BoundaryTooLong);
        }
        if boundary.len() <= BOUNDARY_OCTETS_MAX {
            self.boundary = boundary.to_vec();
        }
    }
}

fn media_of(media: &[u8], subtype: &[u8]) -> Media {
    let is = |word: &[u8], text: &str| word.eq_ignore_ascii_case(text.as_bytes());
    if is(media, "text") {
        Media::Text
    } else if is(media, "multipart") {
        Media::Multipart
    } else if is(media, "message") && (is(subtype, "rfc822") || is(subtype, "global")) {
        Media::Message
    } else {
        Media::Other
    }
}

/// Type and subtype where they are written as nearly everybody does; else the whole grammar has to
/// be asked.
fn plain(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let (media, rest) = token(value.trim_ascii_start())?;
    let (subtype, rest) = token(rest.strip_prefix(b"/")?)?;
    let ends = rest
        .first()
        .is_none_or(|octet| *octet == b';' || octet.is_ascii_whitespace());
    ends.then_some((media, subtype))
}

fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text
        .iter()
        .position(|&octet| !crate::scan::is_token(octet))
        .unwrap_or(text.len());
    text.split_at_checked(end).filter(|_| end > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_is_the_long_way() {
        for value in [
            "text/plain",
            " TEXT/html; charset=utf-8",
            "\r\n image/png ;name=x",
            "message/RFC822",
            "message/global\r\n",
            "message/rfc822;x",
            "message/partial; id=x",
            "x-a/b.c+d\t",
        ] {
            let (media, subtype) = plain(value.as_bytes()).unwrap();
            let long = parameter::media_type(value.as_bytes(), 9, 99).unwrap();
            let lower = |text: &[u8]| String::from_utf8_lossy(text).to_ascii_lowercase();
            assert_eq!((lower(media), lower(subtype)), (long.0, long.1), "{value}");
        }
        for value in [
            "",
            "text",
            "text/",
            "/plain",
            "text /plain",
            "text/(a)b",
            "a/b(c)",
        ] {
            assert_eq!(plain(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn boundaries() {
        let long = format!("multipart/mixed; boundary={}", "b".repeat(71));
        let longest = format!("multipart/mixed; boundary={}", "b".repeat(994));
        let endless = format!("multipart/mixed; boundary={}", "b".repeat(995));
        let cases: [(&str, usize, Option<Leniency>); 9] = [
            ("multipart/mixed", 0, None),
            ("multipart/mixed; boundary=\"\"", 0, None),
            ("Multipart/Mixed; BOUNDARY=\"a b \"", 3, None),
            ("multipart (x) / mixed; boundary=b", 1, None),
            // RFC 2231 §3
            ("multipart/mixed; boundary*0=ab; boundary*1=c", 3, None),
            (
                "multipart/mixed; boundary=b; boundary=cc",
                1,
                Some(Leniency::RepeatedBoundary),
            ),
            (&long, 71, Some(Leniency::BoundaryTooLong)),
            (&longest, 994, Some(Leniency::BoundaryTooLong)),
            (&endless, 0, Some(Leniency::BoundaryTooLong)),
        ];
        for (value, octets, leniency) in cases {
            let read = Type::of(Some(value.as_bytes()), false, &Limits::HOUSE);
            assert_eq!(read.media, Media::Multipart, "{value}");
            assert_eq!(read.boundary.len(), octets, "{value}");
            assert_eq!(read.leniencies, leniency.into_iter().collect(), "{value}");
        }
    }
}
