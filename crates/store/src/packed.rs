//! Changes as they stand in the log, and many of them in one piece of memory.
//!
//! ```text
//! change: op:u8 table:u8 key:u32 value:u32 key value
//! ```

use std::fmt;

use crate::backend::{Table, Write};

const PUT: u8 = 1;
const DELETE: u8 = 2;
const PUT_BESIDE: u8 = 3;
/// Octets before a change's key.
const HEAD_OCTETS: usize = 10;

/// Many changes in one piece of memory: some ten octets for each besides key and value, where a
/// [`Write`] takes some two hundred.
#[derive(Clone, Default)]
pub struct Packed {
    octets: Vec<u8>,
    count: u32,
}

/// One change, read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    /// Its table.
    pub(crate) table: Table,
    /// Its key.
    pub(crate) key: &'a [u8],
    /// The new value; none for a delete.
    pub(crate) value: Option<&'a [u8]>,
    /// True if the value has room for a hint.
    pub(crate) beside: bool,
}

impl Packed {
    /// Adds a change behind the others.
    pub fn push(&mut self, write: &Write) {
        if let Write::Packed(more) = write {
            self.octets.extend_from_slice(&more.octets);
        } else {
            encode(&mut self.octets, write);
        }
        self.count = self.count.saturating_add(changes_of(write));
    }

    pub(crate) fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        let mut rest = self.octets.as_slice();
        std::iter::from_fn(move || Change::read(&mut rest))
    }

    /// How many octets it takes, in memory as in the log.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.octets.len()
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed({} changes)", self.count)
    }
}

/// How many changes it is.
pub(crate) const fn changes_of(write: &Write) -> u32 {
    match write {
        Write::Packed(packed) => packed.count,
        Write::Put { .. } | Write::PutBeside { .. } | Write::Delete { .. } => 1,
    }
}

/// How many octets it takes in the log.
pub(crate) fn octets_of(write: &Write) -> usize {
    match write {
        Write::Packed(packed) => packed.octets(),
        Write::Put { key, value, .. } | Write::PutBeside { key, value, .. } => {
            HEAD_OCTETS + key.len() + value.len()
        }
        Write::Delete { key, .. } => HEAD_OCTETS + key.len(),
    }
}

/// Shows the changes that it is.
pub(crate) fn each<'a>(write: &'a Write, mut each: impl FnMut(Change<'a>)) {
    let (table, key, value, beside) = match write {
        Write::Packed(packed) => return packed.changes().for_each(each),
        Write::Put { table, key, value } => (*table, key, Some(value), false),
        Write::PutBeside { table, key, value } => (*table, key, Some(value), true),
        Write::Delete { table, key } => (*table, key, None, false),
    };
    each(Change {
        table,
        key,
        value: value.map(|value| &value[..]),
        beside,
    });
}

/// Writes it as it stands in the log.
pub(crate) fn encode(buffer: &mut Vec<u8>, write: &Write) {
    let (op, table, key, value) = match write {
        Write::Packed(packed) => return buffer.extend_from_slice(&packed.octets),
        Write::Put { table, key, value } => (PUT, table, key, &value[..]),
        Write::PutBeside { table, key, value } => (PUT_BESIDE, table, key, &value[..]),
        Write::Delete { table, key } => (DELETE, table, key, &[][..]),
    };
    // Batches that are longer than a record can be are refused before they are written.
    let len = |octets: &[u8]| {
        u32::try_from(octets.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes()
    };
    buffer.extend_from_slice(&[op, table.0]);
    buffer.extend_from_slice(&len(key));
    buffer.extend_from_slice(&len(value));
    buffer.extend_from_slice(key);
    buffer.extend_from_slice(value);
}

impl<'a> Change<'a> {
    /// Takes a change from the front; none if there is no whole one.
    pub(crate) fn read(octets: &mut &'a [u8]) -> Option<Self> {
        let (&[op, table], rest) = octets.split_first_chunk()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_first_chunk()?;
        let len = |octets: &[u8; 4]| usize::try_from(u32::from_be_bytes(*octets)).ok();
        let (key, rest) = rest.split_at_checked(len(key)?)?;
        let (value, rest) = rest.split_at_checked(len(value)?)?;
        *octets = rest;
        Some(Self {
            table: Table(table),
            key,
            value: match op {
                PUT | PUT_BESIDE => Some(value),
                DELETE => None,
                _ => return None,
            },
            beside: op == PUT_BESIDE,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_what_was_written() {
        let (table, key) = (Table(4), bytes::Bytes::from("a key"));
        let value = bytes::Bytes::from("a value");
        let mut writes = vec![
            Write::Put {
                table,
                key: key.clone(),
                value: value.clone(),
            },
            Write::Delete {
                table: Table(255),
                key: bytes::Bytes::new(),
            },
            Write::PutBeside { table, key, value },
        ];
        let mut packed = Packed::default();
        writes.iter().for_each(|write| packed.push(write));
        let twice = Write::Packed(packed.clone());
        packed.push(&twice);
        let again = writes.clone();
        writes.extend(again);
        let mut apart = Vec::new();
        for write in &writes {
            each(write, |change| apart.push(change));
        }
        assert_eq!(packed.changes().collect::<Vec<_>>(), apart);
        let whole = Write::Packed(packed);
        assert_eq!(changes_of(&whole), 6);
        let [mut together, mut one_by_one] = [Vec::new(), Vec::new()];
        encode(&mut together, &whole);
        writes
            .iter()
            .for_each(|write| encode(&mut one_by_one, write));
        assert_eq!(together, one_by_one);
        let octets: usize = writes.iter().map(octets_of).sum();
        assert_eq!((octets_of(&whole), together.len()), (octets, octets));
    }

    #[test]
    fn half_a_change_is_none() {
        let mut octets = Vec::new();
        let (table, key) = (Table(4), bytes::Bytes::from("key"));
        encode(&mut octets, &Write::Delete { table, key });
        for len in 0..octets.len() {
            let mut part = &octets[..len];
            assert_eq!(Change::read(&mut part), None);
            assert_eq!(part.len(), len);
        }
        octets[0] = 9;
        assert_eq!(Change::read(&mut octets.as_slice()), None);
    }
}
