//! SEARCH and ESEARCH (RFC 9051 §7.3.4, RFC 3501 §7.2.5, RFC 4731, RFC 5267 §4.3, RFC 7162 §3.1.5
//! and §3.1.10, RFC 9394).

use bytes::{BufMut, BytesMut};
use mail::ModSeq;

use super::structure;
use crate::command::{PartialRange, partial};
use crate::cursor::{Cursor, Read};
use crate::{SequenceSet, Tag, writing};

/// What a SEARCH or a SORT found. What is `None` was not asked for, or nothing was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Esearch {
    /// The command's tag.
    pub tag: Option<Tag>,
    /// True if the numbers are UIDs.
    pub uid: bool,
    /// The lowest number; of a SORT the first.
    pub min: Option<u32>,
    /// The highest number; of a SORT the last.
    pub max: Option<u32>,
    /// All numbers, in the order of a SORT.
    pub all: Option<SequenceSet>,
    /// Some of the numbers, as they were asked for; `None` behind it if there are none.
    pub partial: Option<(PartialRange, Option<SequenceSet>)>,
    /// How many.
    pub count: Option<u32>,
    /// The largest mod-sequence of what is told.
    pub modseq: Option<ModSeq>,
    /// How the result has changed, one after the other.
    pub updates: Vec<Update>,
}

/// A change of a result that is kept up to date (RFC 5267 §4.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// These have come.
    AddTo(Vec<Placed>),
    /// These have gone.
    RemoveFrom(Vec<Placed>),
}

/// Messages in the order of the result, and the place the first of them has in it, from one; each
/// counts on those before it being done. Zero is for the places they have by their numbers.
pub type Placed = (u32, SequenceSet);

impl Esearch {
    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_slice(b"* ESEARCH");
        if let Some(tag) = &self.tag {
            out.put_slice(b" (TAG ");
            writing::string(out, tag.as_str().as_bytes(), false);
            out.put_u8(b')');
        }
        if self.uid {
            out.put_slice(b" UID");
        }
        if let Some(min) = self.min {
            writing::display(out, format_args!(" MIN {min}"));
        }
        if let Some(max) = self.max {
            writing::display(out, format_args!(" MAX {max}"));
        }
        if let Some(all) = &self.all {
            writing::display(out, format_args!(" ALL {all}"));
        }
        match &self.partial {
            Some((range, Some(these))) => {
                writing::display(out, format_args!(" PARTIAL ({range} {these})"));
            }
            Some((range, None)) => writing::display(out, format_args!(" PARTIAL ({range} NIL)")),
            None => {}
        }
        if let Some(count) = self.count {
            writing::display(out, format_args!(" COUNT {count}"));
        }
        if let Some(modseq) = self.modseq {
            writing::display(out, format_args!(" MODSEQ {modseq}"));
        }
        for update in &self.updates {
            let (name, places) = match update {
                Update::AddTo(places) => (" ADDTO ", places),
                Update::RemoveFrom(places) => (" REMOVEFROM ", places),
            };
            out.put_slice(name.as_bytes());
            writing::list(out, places, |out, (place, set)| {
                writing::display(out, format_args!("{place} {set}"));
            });
        }
    }
}

pub(super) fn write(out: &mut BytesMut, numbers: &[u32], modseq: Option<ModSeq>) {
    out.put_slice(b"* SEARCH");
    write_numbers(out, numbers, modseq);
}

/// Numbers, each behind a space, and the mod-sequence.
pub(super) fn write_numbers(out: &mut BytesMut, numbers: &[u32], modseq: Option<ModSeq>) {
    for &number in numbers {
        out.put_u8(b' ');
        writing::number(out, u64::from(number));
    }
    if let Some(modseq) = modseq {
        writing::display(out, format_args!(" (MODSEQ {modseq})"));
    }
}

/// What stands behind `SEARCH` and `SORT`.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<(Vec<u32>, Option<ModSeq>)> {
    let mut numbers = Vec::new();
    while cursor.eat(b' ') {
        if cursor.eat_word(b"(MODSEQ ") {
            let modseq = cursor.modseq()?;
            cursor.close()?;
            return Ok((numbers, Some(modseq)));
        }
        // A space at the end is common and means nothing.
        if cursor.is_at_end() {
            break;
        }
        numbers.push(cursor.nz_number()?.get());
    }
    Ok((numbers, None))
}

/// What stands behind `ESEARCH`; data we do not know is left out.
pub(super) fn parse_esearch(cursor: &mut Cursor<'_>) -> Read<Esearch> {
    let mut esearch = Esearch::default();
    if cursor.eat_word(b" (TAG ") {
        let at = cursor.position();
        let tag = cursor.text("a tag")?;
        esearch.tag = Tag::new(&tag);
        if esearch.tag.is_none() {
            return Cursor::error_at(at, "a tag");
        }
        cursor.close()?;
    }
    while cursor.eat(b' ') {
        let name = cursor.name();
        if name.as_bytes() == b"UID" {
            esearch.uid = true;
            continue;
        }
        cursor.space()?;
        match name.as_bytes() {
            b"MIN" => esearch.min = Some(cursor.number()?),
            b"MAX" => esearch.max = Some(cursor.number()?),
            b"ALL" => esearch.all = Some(cursor.sequence_set()?),
            b"PARTIAL" => esearch.partial = Some(parse_partial(cursor)?),
            b"COUNT" => esearch.count = Some(cursor.number()?),
            b"MODSEQ" => esearch.modseq = Some(cursor.modseq()?),
            b"ADDTO" => esearch.updates.push(Update::AddTo(places(cursor)?)),
            b"REMOVEFROM" => {
                let places = places(cursor)?;
                esearch.updates.push(Update::RemoveFrom(places));
            }
            _ => structure::skip(cursor)?,
        }
    }
    Ok(esearch)
}

/// `(0 2,4:9)`, with one pair or more (RFC 5267 §5).
fn places(cursor: &mut Cursor<'_>) -> Read<Vec<Placed>> {
    let mut places = Vec::new();
    cursor.open()?;
    loop {
        let place = cursor.number()?;
        cursor.space()?;
        places.push((place, cursor.sequence_set()?));
        if !cursor.eat(b' ') {
            break;
        }
    }
    cursor.close()?;
    Ok(places)
}

/// `(1:500 2,4:9)`, or NIL in place of the numbers.
fn parse_partial(cursor: &mut Cursor<'_>) -> Read<(PartialRange, Option<SequenceSet>)> {
    cursor.open()?;
    let range = partial::parse(cursor)?;
    cursor.space()?;
    let these = if cursor.eat_word(b"NIL") {
        None
    } else {
        Some(cursor.sequence_set()?)
    };
    cursor.close()?;
    Ok((range, these))
}
