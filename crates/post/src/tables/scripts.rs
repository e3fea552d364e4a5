//! The rows of filter scripts, of their texts, and of what scripts have remembered.

use bytes::Bytes;
use mail::{ScriptName, Timestamp};
use store::Write;

use super::{SCRIPT_TEXTS, SCRIPTS, SEEN, VERSION, delete, put};
use crate::octets::{Reader, Writer};

/// A script without its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScriptRow {
    /// The line of the ledger that put it there: a new text has a new one.
    pub(crate) id: u64,
    /// Octets of its text.
    pub(crate) octets: u32,
    /// It is the one that runs.
    pub(crate) is_active: bool,
}

/// What stands for an identifier that a script has remembered (RFC 7352): a hash of it.
pub(crate) type SeenKey = [u8; 16];

impl ScriptRow {
    pub(crate) fn put(&self, name: &ScriptName) -> Write {
        let value = Writer::version(VERSION)
            .number(self.id)
            .number(self.octets.into())
            .number(self.is_active.into())
            .finish();
        put(SCRIPTS, name_key(name), value)
    }

    pub(crate) fn read(key: &[u8], value: &[u8]) -> Option<(ScriptName, Self)> {
        let name = ScriptName::parse(std::str::from_utf8(key).ok()?)?;
        let mut reader = Reader::version(value, VERSION)?;
        let row = Self {
            id: reader.number()?,
            octets: reader.small()?,
            is_active: reader.number()? != 0,
        };
        reader.end()?;
        Some((name, row))
    }

    pub(crate) fn delete(name: &ScriptName) -> Write {
        delete(SCRIPTS, name_key(name))
    }
}

pub(crate) fn put_script_text(id: u64, text: &[u8]) -> Write {
    let value = Writer::version(VERSION).octets(text).finish();
    put(SCRIPT_TEXTS, script_text_key(id), value)
}

pub(crate) fn read_script_text(value: &[u8]) -> Option<Bytes> {
    let mut reader = Reader::version(value, VERSION)?;
    let text = Bytes::copy_from_slice(reader.octets()?);
    reader.end()?;
    Some(text)
}

pub(crate) fn read_script_text_key(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

pub(crate) fn delete_script_text(id: u64) -> Write {
    delete(SCRIPT_TEXTS, script_text_key(id))
}

pub(crate) fn script_text_key(id: u64) -> Bytes {
    Bytes::copy_from_slice(&id.to_be_bytes())
}

/// Remembers an identifier up to a moment.
pub(crate) fn put_seen(key: SeenKey, until: Timestamp) -> Write {
    let value = Writer::version(VERSION).signed(until.seconds).finish();
    put(SEEN, Bytes::copy_from_slice(&key), value)
}

pub(crate) fn read_seen(key: &[u8], value: &[u8]) -> Option<(SeenKey, i64)> {
    let key = key.try_into().ok()?;
    let mut reader = Reader::version(value, VERSION)?;
    let until = reader.signed()?;
    reader.end()?;
    Some((key, until))
}

pub(crate) fn delete_seen(key: SeenKey) -> Write {
    delete(SEEN, Bytes::copy_from_slice(&key))
}

fn name_key(name: &ScriptName) -> Bytes {
    Bytes::copy_from_slice(name.as_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::parts;

    #[test]
    fn rows_come_back() {
        let name = ScriptName::parse("à la carte").unwrap();
        for is_active in [false, true] {
            let row = ScriptRow {
                id: 1 << 40,
                octets: 70_000,
                is_active,
            };
            let (key, value) = parts(row.put(&name));
            assert_eq!(ScriptRow::read(&key, &value), Some((name.clone(), row)));
        }
        let (key, value) = parts(put_script_text(7, b"keep;"));
        assert_eq!(read_script_text_key(&key), Some(7));
        assert_eq!(read_script_text(&value).as_deref(), Some(&b"keep;"[..]));
        assert_eq!(read_script_text(&value[..4]), None);
        let (key, value) = parts(put_seen([3; 16], Timestamp::utc(1_795_464_900)));
        assert_eq!(read_seen(&key, &value), Some(([3; 16], 1_795_464_900)));
        assert_eq!(read_seen(&key[1..], &value), None);
    }
}
