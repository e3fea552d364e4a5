//! ACL, LISTRIGHTS, MYRIGHTS (RFC 4314 §3.6–§3.8).

use bytes::{BufMut, BytesMut};
use mail::Rights;

use super::Response;
use crate::cursor::{Cursor, Read};
use crate::{MailboxName, Names, writing};

/// Identifiers an ACL response may have.
const ACL_ENTRIES_MAX: usize = 1000;

/// Which rights somebody can be given (RFC 4314 §3.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRights {
    /// To which mailbox.
    pub mailbox: MailboxName,
    /// Whom, as the command wrote it.
    pub identifier: String,
    /// Those that are always there.
    pub required: Rights,
    /// Those that can be given; each is written for itself. Which of another server's are tied
    /// together is not kept.
    pub optional: Rights,
}

impl ListRights {
    pub(super) fn write(&self, out: &mut BytesMut, names: Names) {
        out.put_slice(b"* LISTRIGHTS ");
        self.mailbox.write(out, names);
        out.put_u8(b' ');
        writing::astring(out, self.identifier.as_bytes(), names == Names::Utf8);
        out.put_u8(b' ');
        rights(out, self.required);
        for letter in self.optional.letters() {
            writing::display(out, format_args!(" {letter}"));
        }
    }
}

pub(super) fn write(
    out: &mut BytesMut,
    mailbox: &MailboxName,
    acl: &[(String, Rights)],
    names: Names,
) {
    out.put_slice(b"* ACL ");
    mailbox.write(out, names);
    for (identifier, held) in acl {
        out.put_u8(b' ');
        writing::astring(out, identifier.as_bytes(), names == Names::Utf8);
        out.put_u8(b' ');
        rights(out, *held);
    }
}

pub(super) fn write_mine(out: &mut BytesMut, mailbox: &MailboxName, held: Rights, names: Names) {
    out.put_slice(b"* MYRIGHTS ");
    mailbox.write(out, names);
    out.put_u8(b' ');
    rights(out, held);
}

fn rights(out: &mut BytesMut, rights: Rights) {
    writing::astring(out, rights.to_string().as_bytes(), false);
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<Response> {
    let mailbox = cursor.mailbox()?;
    let mut acl = Vec::new();
    while cursor.eat(b' ') {
        if acl.len() == ACL_ENTRIES_MAX {
            return cursor.error("at most 1000 identifiers");
        }
        let identifier = cursor.text("an identifier")?;
        cursor.space()?;
        acl.push((identifier, held(cursor)?));
    }
    Ok(Response::Acl(mailbox, acl))
}

pub(super) fn parse_list(cursor: &mut Cursor<'_>) -> Read<Response> {
    let mailbox = cursor.mailbox()?;
    cursor.space()?;
    let identifier = cursor.text("an identifier")?;
    cursor.space()?;
    let required = held(cursor)?;
    let mut optional = Rights::NONE;
    while cursor.eat(b' ') {
        optional = optional | held(cursor)?;
    }
    Ok(Response::ListRights(ListRights {
        mailbox,
        identifier,
        required,
        optional,
    }))
}

pub(super) fn parse_mine(cursor: &mut Cursor<'_>) -> Read<Response> {
    let mailbox = cursor.mailbox()?;
    cursor.space()?;
    Ok(Response::MyRights(mailbox, held(cursor)?))
}

fn held(cursor: &mut Cursor<'_>) -> Read<Rights> {
    let at = cursor.position();
    match Rights::parse_held(&cursor.text("rights")?) {
        Some(rights) => Ok(rights),
        None => Cursor::error_at(at, "rights"),
    }
}
