//! METADATA: entries with their values, or the names of entries that changed (RFC 5464 §4.4).

use bytes::{BufMut, Bytes, BytesMut};

use crate::command::EntryName;
use crate::command::metadata::{value, write_values};
use crate::cursor::{Cursor, Read};
use crate::{MailboxName, Names, writing};

/// What METADATA tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// Entries with their values; never none.
    Values(Vec<(EntryName, Option<Bytes>)>),
    /// Entries whose values changed; never none.
    Changed(Vec<EntryName>),
}

pub(super) fn write(out: &mut BytesMut, mailbox: &MailboxName, data: &Metadata, names: Names) {
    out.put_slice(b"* METADATA ");
    mailbox.write(out, names);
    out.put_u8(b' ');
    match data {
        Metadata::Values(entries) => write_values(out, entries),
        Metadata::Changed(entries) => {
            writing::spaced(out, entries, |out, entry| entry.write(out));
        }
    }
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<(MailboxName, Metadata)> {
    let mailbox = cursor.mailbox()?;
    cursor.space()?;
    if cursor.peek() != Some(b'(') {
        let mut entries = vec![EntryName::read(cursor)?];
        while cursor.eat(b' ') {
            entries.push(EntryName::read(cursor)?);
        }
        return Ok((mailbox, Metadata::Changed(entries)));
    }
    let mut entries = Vec::new();
    cursor.list(|cursor| {
        let name = EntryName::read(cursor)?;
        cursor.space()?;
        entries.push((name, value(cursor)?));
        Ok(())
    })?;
    Ok((mailbox, Metadata::Values(entries)))
}
