//! QUOTA and QUOTAROOT (RFC 9208 §4.2).

use bytes::{BufMut, BytesMut};

use crate::command::Resource;
use crate::cursor::{Cursor, Read};
use crate::{MailboxName, Names, writing};

/// A limit, and how much of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaLimit {
    /// Of what.
    pub resource: Resource,
    /// How much there is.
    pub used: u64,
    /// How much there may be.
    pub max: u64,
}

pub(super) fn write(out: &mut BytesMut, root: &str, limits: &[QuotaLimit], names: Names) {
    out.put_slice(b"* QUOTA ");
    writing::astring(out, root.as_bytes(), names == Names::Utf8);
    out.put_u8(b' ');
    writing::list(out, limits, |out, limit| {
        let QuotaLimit {
            resource,
            used,
            max,
        } = limit;
        writing::display(out, format_args!("{} {used} {max}", resource.name()));
    });
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<(String, Vec<QuotaLimit>)> {
    let root = cursor.text("a quota root")?;
    cursor.space()?;
    let mut limits = Vec::new();
    cursor.list(|cursor| {
        let resource = Resource::parse(cursor)?;
        cursor.space()?;
        let used = cursor.number64()?;
        cursor.space()?;
        limits.push(QuotaLimit {
            resource,
            used,
            max: cursor.number64()?,
        });
        Ok(())
    })?;
    Ok((root, limits))
}

pub(super) fn write_roots(
    out: &mut BytesMut,
    mailbox: &MailboxName,
    roots: &[String],
    names: Names,
) {
    out.put_slice(b"* QUOTAROOT ");
    mailbox.write(out, names);
    for root in roots {
        out.put_u8(b' ');
        writing::astring(out, root.as_bytes(), names == Names::Utf8);
    }
}

pub(super) fn parse_roots(cursor: &mut Cursor<'_>) -> Read<(MailboxName, Vec<String>)> {
    let mailbox = cursor.mailbox()?;
    let mut roots = Vec::new();
    while cursor.eat(b' ') {
        roots.push(cursor.text("a quota root")?);
    }
    Ok((mailbox, roots))
}
