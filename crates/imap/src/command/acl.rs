//! SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314 §3).

use bytes::{BufMut, BytesMut};
use mail::Rights;

use super::Command;
use crate::cursor::{Cursor, Read};
use crate::{Names, writing};

/// Octets an identifier may have: an address with its sign.
const IDENTIFIER_OCTETS_MAX: usize = 400;

/// How SETACL changes an identifier's rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RightsChange {
    /// These and no others.
    Replace(Rights),
    /// These as well.
    Add(Rights),
    /// Not these any more.
    Remove(Rights),
}

impl RightsChange {
    fn write(self, out: &mut BytesMut) {
        let text = match self {
            Self::Replace(rights) => rights.to_string(),
            Self::Add(rights) => format!("+{rights}"),
            Self::Remove(rights) => format!("-{rights}"),
        };
        // The virtual rights would add what is not meant.
        let text = text.replace(['c', 'd'], "");
        writing::astring(out, text.as_bytes(), false);
    }
}

/// Writes what stands behind the mailbox of a command of these, if it is one.
pub(super) fn write(command: &Command, out: &mut BytesMut, names: Names) {
    match command {
        Command::GetAcl(mailbox) | Command::MyRights(mailbox) => mailbox.write(out, names),
        Command::SetAcl {
            mailbox,
            identifier,
            ..
        }
        | Command::DeleteAcl {
            mailbox,
            identifier,
        }
        | Command::ListRights {
            mailbox,
            identifier,
        } => {
            mailbox.write(out, names);
            out.put_u8(b' ');
            writing::astring(out, identifier.as_bytes(), names == Names::Utf8);
        }
        _ => {}
    }
    if let Command::SetAcl { change, .. } = command {
        out.put_u8(b' ');
        change.write(out);
    }
}

pub(super) fn set(cursor: &mut Cursor<'_>) -> Read<Command> {
    let mailbox = cursor.mailbox()?;
    cursor.space()?;
    let identifier = identifier(cursor)?;
    cursor.space()?;
    let at = cursor.position();
    let text = cursor.text("rights")?;
    let (change, letters): (fn(Rights) -> RightsChange, &str) = match text.as_bytes().first() {
        Some(b'+') => (RightsChange::Add, text.trim_start_matches('+')),
        Some(b'-') => (RightsChange::Remove, text.trim_start_matches('-')),
        _ => (RightsChange::Replace, &text),
    };
    match Rights::parse(letters) {
        Some(rights) => Ok(Command::SetAcl {
            mailbox,
            identifier,
            change: change(rights),
        }),
        // RFC 4314 §3.1
        None => Cursor::error_at(at, "rights out of lrswipkxtea"),
    }
}

pub(super) fn delete(cursor: &mut Cursor<'_>) -> Read<Command> {
    let mailbox = cursor.mailbox()?;
    cursor.space()?;
    let identifier = identifier(cursor)?;
    Ok(Command::DeleteAcl {
        mailbox,
        identifier,
    })
}

pub(super) fn list_rights(cursor: &mut Cursor<'_>) -> Read<Command> {
    let mailbox = cursor.mailbox()?;
    cursor.space()?;
    let identifier = identifier(cursor)?;
    Ok(Command::ListRights {
        mailbox,
        identifier,
    })
}

fn identifier(cursor: &mut Cursor<'_>) -> Read<String> {
    let at = cursor.position();
    let identifier = cursor.text("an identifier")?;
    // RFC 4314 §3
    if matches!(identifier.as_str(), "" | "-") || identifier.len() > IDENTIFIER_OCTETS_MAX {
        return Cursor::error_at(at, "an identifier");
    }
    Ok(identifier)
}
