//! URLs of messages in the account that is logged in, as CATENATE takes them.
//!
//! RFC 4469 §3 wants URLs without a scheme and a server, which RFC 5092 §11 calls
//! "iabsolute-path"; of those that are relative to a mailbox it takes the ones that name none,
//! since RFC 4469 §3 says which one they mean. All others (of servers, of mailboxes, of searches,
//! those with URLAUTH) are none for us.
//!
//! Not here: whether there is such a message.

use std::fmt;
use std::num::NonZeroU32;

use bytes::BytesMut;
use mail::{Uid, UidValidity};
use message::Section;

use crate::command::section;
use crate::cursor::Cursor;
use crate::response::section_spec;
use crate::{MailboxName, Names};

/// A stored message, or a piece of one. [`MessageUrl::parse`] and `Display` are inverse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageUrl {
    /// The mailbox; `None` for the one that is open.
    pub mailbox: Option<UrlMailbox>,
    /// The message.
    pub uid: Uid,
    /// What of it.
    pub section: Section,
    /// Octets to skip, and octets to take at most.
    pub partial: Option<(u32, Option<NonZeroU32>)>,
}

/// A mailbox, as a URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlMailbox {
    /// Its name.
    pub name: MailboxName,
    /// Its generation: in any other the URL means nothing.
    pub uid_validity: Option<UidValidity>,
}

impl MessageUrl {
    /// Reads a URL; `None` for what is none, and for those of anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mailbox, rest) = match text.strip_prefix('/') {
            // What begins with two is on another server.
            Some(path) if !path.starts_with('/') => {
                let path = without_dot_segments(path);
                let at = find(&path, "/;UID=")?;
                let (mailbox, rest) = path.split_at_checked(at)?;
                return Self::message(Some(mailbox_of(mailbox)?), rest.strip_prefix('/')?);
            }
            Some(_) => return None,
            None => (None, text),
        };
        Self::message(mailbox, rest)
    }

    /// Reads `;UID=20/;SECTION=1.2/;PARTIAL=0.1024`.
    fn message(mailbox: Option<UrlMailbox>, rest: &str) -> Option<Self> {
        let (rest, partial) = cut(rest, "/;PARTIAL=");
        let (rest, section) = cut(rest, "/;SECTION=");
        let uid = strip(rest, ";UID=")?;
        Some(Self {
            mailbox,
            uid: Uid(nz_number(uid)?),
            section: section.map_or_else(|| Some(Section::default()), section_of)?,
            partial: match partial {
                Some(range) => Some(range_of(range)?),
                None => None,
            },
        })
    }
}

impl fmt::Display for MessageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mailbox) = &self.mailbox {
            f.write_str("/")?;
            write_name(f, mailbox.name.as_str())?;
            if let Some(uid_validity) = mailbox.uid_validity {
                write!(f, ";UIDVALIDITY={uid_validity}")?;
            }
            f.write_str("/")?;
        }
        write!(f, ";UID={}", self.uid)?;
        if self.section != Section::default() {
            let mut spec = BytesMut::new();
            section_spec(&mut spec, &self.section);
            let inner = spec.strip_prefix(b"[").unwrap_or_default();
            f.write_str("/;SECTION=")?;
            write_encoded(f, inner.strip_suffix(b"]").unwrap_or_default(), false)?;
        }
        match self.partial {
            None => Ok(()),
            Some((skip, None)) => write!(f, "/;PARTIAL={skip}"),
            Some((skip, Some(take))) => write!(f, "/;PARTIAL={skip}.{take}"),
        }
    }
}

/// Writes a name, so that neither its start nor a level of dots is taken for something else.
fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    for (index, level) in name.split('/').enumerate() {
        // RFC 5092 §7 and §7.1
        if index > 0 {
            f.write_str(if index == 1 && name.starts_with('/') {
                "%2F"
            } else {
                "/"
            })?;
        }
        write_encoded(f, level.as_bytes(), matches!(level, "." | ".."))?;
    }
    Ok(())
}

/// Writes octets, those that cannot stand in a URL as `%` and two digits.
fn write_encoded(out: &mut impl fmt::Write, octets: &[u8], dots: bool) -> fmt::Result {
    for &octet in octets {
        if is_bchar(octet) && !(dots && octet == b'.') {
            out.write_char(char::from(octet))?;
        } else {
            write!(out, "%{octet:02X}")?;
        }
    }
    Ok(())
}

/// True for what may stand in the name of a mailbox and in a section as it is (RFC 5092 §11
/// "bchar", but for `%`).
const fn is_bchar(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b'+' | b','
        )
        || matches!(octet, b'&' | b'=' | b':' | b'@' | b'/')
}

/// Takes `.` and `..` between slashes for what they mean.
// RFC 3986 §5.2.4
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let dots = matches!(segment, "." | "..");
        if segment == ".." {
            kept.pop();
        } else if !dots {
            kept.push(segment);
        }
        if dots && segments.peek().is_none() {
            kept.push("");
        }
    }
    kept.join("/")
}

/// Reads `gray%20council;UIDVALIDITY=385759045`.
fn mailbox_of(text: &str) -> Option<UrlMailbox> {
    let (name, uid_validity) = cut(text, ";UIDVALIDITY=");
    let name = decoded(name)?;
    Some(UrlMailbox {
        name: MailboxName::new(String::from_utf8(name).ok()?),
        uid_validity: match uid_validity {
            Some(number) => Some(UidValidity(nz_number(number)?)),
            None => None,
        },
    })
}

/// Reads `1.2.HEADER`.
fn section_of(text: &str) -> Option<Section> {
    let spec = [b"[", decoded(text)?.as_slice(), b"]"].concat();
    let mut cursor = Cursor::new(&spec, Names::Utf8);
    let section = section::parse(&mut cursor).ok()?;
    cursor.is_at_end().then_some(section)
}

/// Reads `0.1024`.
fn range_of(text: &str) -> Option<(u32, Option<NonZeroU32>)> {
    Some(match text.split_once('.') {
        Some((skip, take)) => (number(skip)?, Some(nz_number(take)?)),
        None => (number(text)?, None),
    })
}

fn nz_number(text: &str) -> Option<NonZeroU32> {
    number(text).and_then(NonZeroU32::new)
}

fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// Undoes the writing of a part of a URL; `None` where nothing is, or what cannot be in one.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, behind)) = rest.split_first() {
        rest = behind;
        if octet != b'%' {
            is_bchar(octet).then(|| octets.push(octet))?;
            continue;
        }
        let (digits, behind) = rest.split_first_chunk::<2>()?;
        let digit = |octet: u8| char::from(octet).to_digit(16);
        let value = digit(digits[0])? * 16 + digit(digits[1])?;
        octets.push(u8::try_from(value).ok()?);
        rest = behind;
    }
    (!octets.is_empty()).then_some(octets)
}

/// What stands before a word, in any case, and what behind it if it is there.
fn cut<'a>(text: &'a str, word: &str) -> (&'a str, Option<&'a str>) {
    let found = find(text, word).and_then(|at| text.split_at_checked(at));
    match found {
        Some((before, behind)) => (before, behind.get(word.len()..)),
        None => (text, None),
    }
}

fn strip<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let start = text.get(..word.len())?;
    let same = start.eq_ignore_ascii_case(word);
    same.then(|| text.get(word.len()..))?
}

/// Where a word of ASCII begins, in any case.
fn find(text: &str, word: &str) -> Option<usize> {
    let mut windows = text.as_bytes().windows(word.len());
    windows.position(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}
