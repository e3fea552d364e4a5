//! SORT and THREAD with their UID forms (RFC 5256, RFC 5957, RFC 6203 §6; RFC 5267 §3 for RETURN).

use bytes::{BufMut, BytesMut};
use message::SortText;

use super::search::{self, Search};
use crate::cursor::{Cursor, Read};
use crate::writing;

/// Criteria one SORT may have.
const SORT_CRITERIA_MAX: usize = 20;

/// Which messages to find, in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The order: the first decides first.
    pub criteria: Vec<SortCriterion>,
    /// What to find and tell; its charset is always named.
    pub search: Search,
}

/// What messages are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SortCriterion {
    /// By what.
    pub key: SortKey,
    /// True for the largest first.
    pub reverse: bool,
}

/// A sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SortKey {
    /// INTERNALDATE with its time.
    Arrival,
    /// The `Date` field in UTC, else INTERNALDATE.
    Date,
    /// Octets.
    Size,
    /// A text.
    Text(SortText),
    /// How near it comes to what is looked for, the nearest first; only with
    /// [`SearchKey::Fuzzy`](super::SearchKey::Fuzzy).
    Relevancy,
}

/// Which messages to find, put into threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// How.
    pub threading: Threading,
    /// What to find; its charset is always named, and it returns nothing.
    pub search: Search,
}

/// A threading algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Threading {
    /// By base subjects.
    OrderedSubject,
    /// By what messages answer.
    References,
    /// By what messages answer and not by subjects, the last arrival's thread last
    /// (draft-ietf-morg-inthread).
    Refs,
}

impl SortKey {
    const NAMES: [(Self, &'static str); 10] = [
        (Self::Arrival, "ARRIVAL"),
        (Self::Text(SortText::Cc), "CC"),
        (Self::Date, "DATE"),
        (Self::Text(SortText::From), "FROM"),
        (Self::Size, "SIZE"),
        (Self::Text(SortText::Subject), "SUBJECT"),
        (Self::Text(SortText::To), "TO"),
        (Self::Text(SortText::DisplayFrom), "DISPLAYFROM"),
        (Self::Text(SortText::DisplayTo), "DISPLAYTO"),
        (Self::Relevancy, "RELEVANCY"),
    ];

    fn name(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(key, _)| *key == self);
        named.map_or("ARRIVAL", |(_, name)| name)
    }
}

impl Sort {
    pub(super) fn write(&self, out: &mut BytesMut, utf8: bool) {
        self.search.write_return(out);
        out.put_u8(b' ');
        writing::list(out, &self.criteria, |out, criterion| {
            if criterion.reverse {
                out.put_slice(b"REVERSE ");
            }
            out.put_slice(criterion.key.name().as_bytes());
        });
        write_criteria(out, &self.search, utf8);
    }
}

impl Thread {
    pub(super) fn write(&self, out: &mut BytesMut, utf8: bool) {
        out.put_slice(match self.threading {
            Threading::OrderedSubject => b" ORDEREDSUBJECT",
            Threading::References => b" REFERENCES",
            Threading::Refs => b" REFS",
        });
        write_criteria(out, &self.search, utf8);
    }
}

fn write_criteria(out: &mut BytesMut, search: &Search, utf8: bool) {
    out.put_u8(b' ');
    let charset = search.charset.as_deref().unwrap_or("UTF-8");
    writing::astring(out, charset.as_bytes(), utf8);
    search.write_keys(out, utf8);
}

pub(super) fn parse(cursor: &mut Cursor<'_>, uid: bool) -> Read<Sort> {
    let returning = search::returning(cursor)?;
    let at = cursor.position();
    let mut criteria = Vec::new();
    cursor.list(|cursor| {
        if criteria.len() == SORT_CRITERIA_MAX {
            return cursor.error("at most 20 sort criteria");
        }
        criteria.push(criterion(cursor)?);
        Ok(())
    })?;
    if criteria.is_empty() {
        return Cursor::error_at(at, "a sort criterion");
    }
    let mut search = search_criteria(cursor, uid)?;
    search.set_return(returning);
    Ok(Sort { criteria, search })
}

pub(super) fn parse_thread(cursor: &mut Cursor<'_>, uid: bool) -> Read<Thread> {
    let at = cursor.position();
    let threading = match cursor.name().as_bytes() {
        b"ORDEREDSUBJECT" => Threading::OrderedSubject,
        b"REFERENCES" => Threading::References,
        b"REFS" => Threading::Refs,
        _ => return Cursor::error_at(at, "ORDEREDSUBJECT, REFERENCES or REFS"),
    };
    let search = search_criteria(cursor, uid)?;
    Ok(Thread { threading, search })
}

fn criterion(cursor: &mut Cursor<'_>) -> Read<SortCriterion> {
    let reverse = cursor.eat_word(b"REVERSE ");
    let at = cursor.position();
    let name = cursor.name();
    let keys = SortKey::NAMES.iter();
    let mut named = keys.filter(|(_, key)| key.as_bytes() == name.as_bytes());
    match named.next() {
        Some(&(key, _)) => Ok(SortCriterion { key, reverse }),
        None => Cursor::error_at(at, "a sort criterion"),
    }
}

/// `search-criteria`: the charset comes first, and always.
fn search_criteria(cursor: &mut Cursor<'_>, uid: bool) -> Read<Search> {
    cursor.space()?;
    let charset = cursor.text("a charset")?.to_ascii_uppercase();
    cursor.space()?;
    search::keys(cursor, uid, Some(charset))
}
