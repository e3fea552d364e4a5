//! `RETURN (…)`: what a search tells (RFC 9051 §6.4.4, RFC 5182, 5267, 5465 §7, 6203, 9394).

use bytes::{BufMut, BytesMut};

use super::Search;
use crate::command::fetch::{FetchItem, item_list};
use crate::command::partial::{self, PartialRange};
use crate::cursor::{Cursor, Read};
use crate::writing;

/// `RETURN (…)` (RFC 9051 §6.4.4, RFC 5182, 5267, 9394). `RETURN ()` is ALL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchReturn {
    /// The lowest number.
    pub min: bool,
    /// The highest number.
    pub max: bool,
    /// All numbers.
    pub all: bool,
    /// How many.
    pub count: bool,
    /// Keep the result for `$`.
    pub save: bool,
    /// Some of the numbers; not with `all`.
    pub partial: Option<PartialRange>,
    /// The same will be searched for again: a hint, which changes no answer.
    pub context: bool,
    /// Tell how the result changes, until CANCELUPDATE.
    pub update: bool,
    /// How near each comes to what is looked for, in the same order (RFC 6203 §4); only with
    /// [`SearchKey::Fuzzy`].
    pub relevancy: bool,
}

impl SearchReturn {
    /// True if anything is to be told.
    pub(crate) fn tells(self) -> bool {
        let silent = Self {
            save: self.save,
            ..Self::default()
        };
        self != silent
    }
}

impl Search {
    pub(in crate::command) fn set_return(&mut self, returning: Option<Returning>) {
        if let Some((returning, newcomers)) = returning {
            (self.returning, self.newcomers) = (Some(returning), newcomers);
        }
    }

    pub(in crate::command) fn write_return(&self, out: &mut BytesMut) {
        if let Some(returning) = self.returning {
            let options = [
                (returning.min, "MIN"),
                (returning.max, "MAX"),
                (returning.all, "ALL"),
                (returning.count, "COUNT"),
                (returning.save, "SAVE"),
                (returning.context, "CONTEXT"),
                (returning.relevancy, "RELEVANCY"),
            ];
            out.put_slice(b" RETURN ");
            let options = options.iter().filter(|(on, _)| *on);
            let options = options.map(|(_, name)| BytesMut::from(*name));
            let partial = returning.partial;
            let partial = partial.map(|range| BytesMut::from(&*format!("PARTIAL {range}")));
            let update = returning.update.then(|| self.written_update());
            let options = options.chain(partial).chain(update);
            writing::list(out, options, |out, option| out.put_slice(&option));
        }
    }

    fn written_update(&self) -> BytesMut {
        let mut option = BytesMut::from("UPDATE");
        if !self.newcomers.is_empty() {
            option.put_u8(b' ');
            writing::list(&mut option, &self.newcomers, |out, item| item.write(out));
        }
        option
    }
}

/// `RETURN (…)`, with the items of UPDATE.
pub(in crate::command) type Returning = (SearchReturn, Vec<FetchItem>);

/// `RETURN (…)` and the space behind it, if they stand here.
pub(in crate::command) fn returning(cursor: &mut Cursor<'_>) -> Read<Option<Returning>> {
    if !cursor.eat_word(b"RETURN ") {
        return Ok(None);
    }
    let returning = return_options(cursor)?;
    cursor.space()?;
    Ok(Some(returning))
}

fn return_options(cursor: &mut Cursor<'_>) -> Read<Returning> {
    let mut returning = SearchReturn::default();
    let mut newcomers = Vec::new();
    cursor.list(|cursor| {
        let at = cursor.position();
        match cursor.name().as_bytes() {
            b"MIN" => returning.min = true,
            b"MAX" => returning.max = true,
            b"ALL" => returning.all = true,
            b"COUNT" => returning.count = true,
            b"SAVE" => returning.save = true,
            // RFC 5267 §5
            b"CONTEXT" => returning.context = true,
            b"UPDATE" => {
                returning.update = true;
                newcomers = update_items(cursor)?;
            }
            b"RELEVANCY" => returning.relevancy = true,
            b"PARTIAL" if returning.partial.is_none() => {
                cursor.space()?;
                returning.partial = Some(partial::parse(cursor)?);
            }
            _ => {
                let options = "MIN, MAX, ALL, COUNT, SAVE, PARTIAL, RELEVANCY, CONTEXT or UPDATE";
                return Cursor::error_at(at, options);
            }
        }
        Ok(())
    })?;
    // RFC 9394 §3.1
    if returning.all && returning.partial.is_some() {
        return cursor.error("either ALL or PARTIAL");
    }
    // RFC 9051 §6.4.4
    if returning == SearchReturn::default() {
        returning.all = true;
    }
    Ok((returning, newcomers))
}

/// The items of UPDATE, if there are any: no other option has a parenthesis before it. The grammar
/// has no space there, the examples have one.
// RFC 5465 §7, §8
fn update_items(cursor: &mut Cursor<'_>) -> Read<Vec<FetchItem>> {
    let mut ahead = cursor.clone();
    ahead.eat(b' ');
    if ahead.peek() != Some(b'(') {
        return Ok(Vec::new());
    }
    *cursor = ahead;
    item_list(cursor)
}
