//! What is kept of what was learned: counts of letters, clues with theirs, notes on letters.

use bytes::{BufMut as _, Bytes, BytesMut};
use mail::EmailId;
use spam::{CLUES_VERSION, Known, Note, Tally, Token};
use store::Write;

use crate::octets::{Reader, Writer};
use crate::tables::{SPAM_CLUES, SPAM_LETTERS, SPAM_NOTES, delete, put};

const VERSION: u8 = 1;
/// Versions of rows that are read.
pub(crate) const VERSIONS: &[u8] = &[VERSION];

/// How much was learned: one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Letters {
    /// Letters of either kind.
    pub(crate) tally: Tally,
    /// Notes on letters.
    pub(crate) notes: u64,
}

/// A note on a letter, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoteRow {
    pub(crate) note: Note,
    /// Of which clues it was learned.
    pub(crate) clues: u8,
    /// The day it was written, counted from 1970.
    pub(crate) day: u16,
}

impl NoteRow {
    /// True if what was learned of the letter can be unlearned.
    pub(crate) const fn is_current(&self) -> bool {
        self.clues == CLUES_VERSION
    }
}

impl Letters {
    pub(crate) fn put(&self) -> Write {
        let value = Writer::version(VERSION)
            .number(self.tally.good.into())
            .number(self.tally.junk.into())
            .number(self.notes)
            .finish();
        put(SPAM_LETTERS, Bytes::new(), value)
    }
}

pub(crate) fn read_letters(value: &[u8]) -> Option<Letters> {
    let mut reader = Reader::version(value, VERSION)?;
    let letters = Letters {
        tally: Tally {
            good: reader.small()?,
            junk: reader.small()?,
        },
        notes: reader.number()?,
    };
    reader.end()?;
    Some(letters)
}

/// A clue's row; none where no letter had it.
pub(crate) fn put_clue(clue: Token, known: Known) -> Write {
    let key = Bytes::copy_from_slice(&clue.to_octets());
    if known.tally.all() == 0 {
        return delete(SPAM_CLUES, key);
    }
    let value = Writer::version(VERSION)
        .number(known.tally.good.into())
        .number(known.tally.junk.into())
        .number(known.day.into());
    put(SPAM_CLUES, key, value.finish())
}

pub(crate) fn read_clue(key: &[u8], value: &[u8]) -> Option<(Token, Known)> {
    let clue = Token::from_octets(key.try_into().ok()?);
    let mut reader = Reader::version(value, VERSION)?;
    let known = Known {
        tally: Tally {
            good: reader.small()?,
            junk: reader.small()?,
        },
        day: reader.small()?,
    };
    reader.end()?;
    Some((clue, known))
}

/// The key of a note on a message of the account.
pub(crate) fn email_key(email: EmailId) -> Bytes {
    Bytes::copy_from_slice(&email.0.to_be_bytes())
}

/// The key of a note on a letter that is none, by a number that stands for it.
pub(crate) fn other_key(fingerprint: u64) -> Bytes {
    let mut key = BytesMut::with_capacity(9);
    key.put_u64(fingerprint);
    key.put_u8(1);
    key.freeze()
}

pub(crate) fn put_note(key: Bytes, row: &NoteRow) -> Write {
    match row.note.to_octets() {
        None => delete(SPAM_NOTES, key),
        Some(octets) => {
            let value = Writer::version(VERSION).fixed(&octets);
            let value = value.fixed(&[row.clues]).number(row.day.into());
            put(SPAM_NOTES, key, value.finish())
        }
    }
}

pub(crate) fn read_note(value: &[u8]) -> Option<NoteRow> {
    let mut reader = Reader::version(value, VERSION)?;
    let note = Note::from_octets(reader.fixed()?)?;
    let [clues] = reader.fixed()?;
    let day = reader.small()?;
    reader.end()?;
    Some(NoteRow { note, clues, day })
}

#[cfg(test)]
mod tests {
    use spam::{Class, Wish};

    use super::*;
    use crate::tables::parts;

    #[test]
    fn rows_come_back() {
        let letters = Letters {
            tally: Tally {
                good: 7,
                junk: 1 << 20,
            },
            notes: 1 << 40,
        };
        assert_eq!(read_letters(&parts(letters.put()).1), Some(letters));
        let (clue, known) = (
            Token::of("tea"),
            Known {
                tally: Tally { good: 1, junk: 2 },
                day: 20_784,
            },
        );
        let (key, value) = parts(put_clue(clue, known));
        assert_eq!(read_clue(&key, &value), Some((clue, known)));
        assert_eq!(read_clue(&key[1..], &value), None);
        assert!(matches!(
            put_clue(clue, Known::default()),
            Write::Delete { .. }
        ));
        let row = NoteRow {
            note: Note::default().after(Wish::Moved(Class::Junk)),
            clues: CLUES_VERSION,
            day: 20_784,
        };
        let (_, value) = parts(put_note(email_key(EmailId(7)), &row));
        assert_eq!(read_note(&value), Some(row));
        for cut in 0..value.len() {
            assert_eq!(read_note(&value[..cut]), None);
        }
        assert_ne!(email_key(EmailId(7)), other_key(7));
    }
}
