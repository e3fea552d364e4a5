//! SEARCH and ESEARCH (RFC 9051 §7.3.4, RFC 3501 §7.2.5, RFC 4731, RFC 5267 §4.3, RFC 6203 §4, RFC
//! 7162 §3.1.5 and §3.1.10, RFC 7377 §2.1, RFC 9394).

use bytes::{BufMut, BytesMut};
use mail::{ModSeq, UidValidity};

use super::structure;
use crate::command::{PartialRange, partial};
use crate::cursor::{Cursor, Read};
use crate::{MailboxName, Names, SequenceSet, Tag, writing};

/// What a SEARCH or a SORT found. What is `None` was not asked for, or nothing was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Esearch {
    /// The command's tag.
    pub tag: Option<Tag>,
    /// The mailbox that was searched, if not only the one that is open was (RFC 7377).
    pub mailbox: Option<MailboxName>,
    /// Its generation.
    pub uid_validity: Option<UidValidity>,
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
    /// How near each comes to what was looked for, 1 to 100, in the order of the numbers (RFC
    /// 6203).
    pub relevancy: Vec<u8>,
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
    pub(super) fn write(&self, out: &mut BytesMut, names: Names) {
        out.put_slice(b"* ESEARCH");
        self.write_correlators(out, names);
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
        if !self.relevancy.is_empty() {
            out.put_slice(b" RELEVANCY ");
            writing::list(out, &self.relevancy, |out, score| {
                writing::number(out, u64::from(*score));
            });
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

    /// What the answer belongs to, as far as it is told.
    fn write_correlators(&self, out: &mut BytesMut, names: Names) {
        let tag = self.tag.as_ref().map(Correlator::Tag);
        let mailbox = self.mailbox.as_ref().map(Correlator::Mailbox);
        let validity = self.uid_validity.map(Correlator::UidValidity);
        let all: Vec<_> = [tag, mailbox, validity].into_iter().flatten().collect();
        if all.is_empty() {
            return;
        }
        out.put_u8(b' ');
        writing::list(out, all, |out, one| match one {
            Correlator::Tag(tag) => {
                out.put_slice(b"TAG ");
                writing::string(out, tag.as_str().as_bytes(), false);
            }
            Correlator::Mailbox(mailbox) => {
                out.put_slice(b"MAILBOX ");
                mailbox.write(out, names);
            }
            Correlator::UidValidity(validity) => {
                writing::display(out, format_args!("UIDVALIDITY {}", validity.0));
            }
        });
    }
}

/// A word of the command or the mailbox that an ESEARCH response belongs to (RFC 7377 §4).
enum Correlator<'a> {
    Tag(&'a Tag),
    Mailbox(&'a MailboxName),
    UidValidity(UidValidity),
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
    if cursor.eat_word(b" (") {
        parse_correlator(cursor, &mut esearch)?;
        while cursor.eat(b' ') {
            parse_correlator(cursor, &mut esearch)?;
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
            b"RELEVANCY" => esearch.relevancy = parse_scores(cursor)?,
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

fn parse_correlator(cursor: &mut Cursor<'_>, esearch: &mut Esearch) -> Read<()> {
    let name = cursor.name();
    cursor.space()?;
    let at = cursor.position();
    match name.as_bytes() {
        b"TAG" => {
            esearch.tag = Tag::new(&cursor.text("a tag")?);
            if esearch.tag.is_none() {
                return Cursor::error_at(at, "a tag");
            }
        }
        b"MAILBOX" => esearch.mailbox = Some(cursor.mailbox()?),
        b"UIDVALIDITY" => esearch.uid_validity = Some(UidValidity(cursor.nz_number()?)),
        _ => return Cursor::error_at(at, "TAG, MAILBOX or UIDVALIDITY"),
    }
    Ok(())
}

fn parse_scores(cursor: &mut Cursor<'_>) -> Read<Vec<u8>> {
    let mut scores = Vec::new();
    cursor.list(|cursor| {
        let at = cursor.position();
        match u8::try_from(cursor.number()?) {
            // RFC 6203 §7
            Ok(score @ 1..=100) => scores.push(score),
            _ => return Cursor::error_at(at, "a score from 1 to 100"),
        }
        Ok(())
    })?;
    Ok(scores)
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
