//! STATUS: how a mailbox stands (RFC 9051 §7.3.2, RFC 7162 §3.1.7, RFC 7889 §3, RFC 8438, RFC
//! 8474 §4.3, RFC 9208).

use bytes::{BufMut, BytesMut};
use mail::{ModSeq, Uid, UidValidity};

use super::structure;
use crate::command::search::object_id;
use crate::cursor::{Cursor, Read};
use crate::{MailboxName, Names, writing};

/// One thing about a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusValue {
    /// How many messages.
    Messages(u32),
    /// How many are recent (RFC 3501).
    Recent(u32),
    /// The next UID.
    UidNext(Uid),
    /// The mailbox's generation.
    UidValidity(UidValidity),
    /// How many are not `\Seen`.
    Unseen(u32),
    /// How many are `\Deleted`.
    Deleted(u32),
    /// The octets that EXPUNGE would free (RFC 9208).
    DeletedStorage(u64),
    /// The sum of their sizes.
    Size(u64),
    /// The largest mod-sequence.
    HighestModSeq(ModSeq),
    /// The mailbox's identity.
    MailboxId(String),
    /// How large a message that is put in may be; `None` for any size (RFC 7889).
    AppendLimit(Option<u32>),
}

pub(super) fn write(
    out: &mut BytesMut,
    mailbox: &MailboxName,
    values: &[StatusValue],
    names: Names,
) {
    out.put_slice(b"* STATUS ");
    mailbox.write(out, names);
    out.put_u8(b' ');
    writing::list(out, values, |out, value| match value {
        StatusValue::Messages(count) => pair(out, "MESSAGES", count),
        StatusValue::Recent(count) => pair(out, "RECENT", count),
        StatusValue::UidNext(uid) => pair(out, "UIDNEXT", uid),
        StatusValue::UidValidity(validity) => pair(out, "UIDVALIDITY", validity),
        StatusValue::Unseen(count) => pair(out, "UNSEEN", count),
        StatusValue::Deleted(count) => pair(out, "DELETED", count),
        StatusValue::DeletedStorage(octets) => pair(out, "DELETED-STORAGE", octets),
        StatusValue::Size(octets) => pair(out, "SIZE", octets),
        StatusValue::HighestModSeq(modseq) => pair(out, "HIGHESTMODSEQ", modseq),
        StatusValue::MailboxId(id) => pair(out, "MAILBOXID", format_args!("({id})")),
        StatusValue::AppendLimit(Some(octets)) => pair(out, "APPENDLIMIT", octets),
        StatusValue::AppendLimit(None) => pair(out, "APPENDLIMIT", "NIL"),
    });
}

fn pair(out: &mut BytesMut, name: &str, value: impl std::fmt::Display) {
    writing::display(out, format_args!("{name} {value}"));
}

/// What stands behind `STATUS`; values we do not know are left out.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<(MailboxName, Vec<StatusValue>)> {
    let mailbox = cursor.mailbox()?;
    cursor.space()?;
    let mut values = Vec::new();
    cursor.list(|cursor| {
        let name = cursor.name();
        cursor.space()?;
        values.push(match name.as_bytes() {
            b"MESSAGES" => StatusValue::Messages(cursor.number()?),
            b"RECENT" => StatusValue::Recent(cursor.number()?),
            b"UIDNEXT" => StatusValue::UidNext(Uid(cursor.nz_number()?)),
            b"UIDVALIDITY" => StatusValue::UidValidity(UidValidity(cursor.nz_number()?)),
            b"UNSEEN" => StatusValue::Unseen(cursor.number()?),
            b"DELETED" => StatusValue::Deleted(cursor.number()?),
            b"DELETED-STORAGE" => StatusValue::DeletedStorage(cursor.number64()?),
            b"SIZE" => StatusValue::Size(cursor.number64()?),
            b"HIGHESTMODSEQ" => StatusValue::HighestModSeq(cursor.modseq()?),
            b"MAILBOXID" => {
                cursor.open()?;
                let id = object_id(cursor)?;
                cursor.close()?;
                StatusValue::MailboxId(id)
            }
            b"APPENDLIMIT" if cursor.eat_word(b"NIL") => StatusValue::AppendLimit(None),
            b"APPENDLIMIT" => StatusValue::AppendLimit(Some(cursor.number()?)),
            _ => return structure::skip(cursor),
        });
        Ok(())
    })?;
    Ok((mailbox, values))
}
