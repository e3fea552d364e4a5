//! Commands read: one function for each that takes arguments.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail::Role;
use wire::sasl::Secret;

use super::{Command, Failure, SpecialUse, Store, StoreAction, Tag};
use super::{
    acl, append, context, fetch, list, metadata, multi_search, notify, quota, search, select, sort,
};
use crate::cursor::{Cursor, Read};
use crate::{MailboxName, Names};

/// What is expected where there is no command we know.
pub(crate) const NO_COMMAND: &str = "a command";
/// The same behind UID.
pub(crate) const NO_UID_COMMAND: &str =
    "COPY, EXPUNGE, FETCH, MOVE, REPLACE, SEARCH, SORT, STORE or THREAD";
/// Fields ID may have (RFC 2971 §3.3).
const ID_FIELDS_MAX: usize = 30;
/// Capabilities one ENABLE may name.
const ENABLE_NAMES_MAX: usize = 50;
/// Roles one CREATE may name.
const SPECIAL_USES_MAX: usize = 20;

pub(super) fn frame(octets: &[u8], names: Names) -> Result<(Tag, Command), Failure> {
    let mut cursor = Cursor::new(octets, names);
    let is_tag = |octet: u8| octet != b' ';
    let text = std::str::from_utf8(cursor.run(is_tag)).unwrap_or_default();
    let Some(tag) = Tag::new(text) else {
        return Err(Failure {
            tag: None,
            error: mail::SyntaxError {
                at: 0,
                expected: "a tag",
            },
        });
    };
    match command(&mut cursor) {
        Ok(command) => Ok((tag, command)),
        Err(error) => Err(Failure {
            tag: Some(tag),
            error,
        }),
    }
}

fn command(cursor: &mut Cursor<'_>) -> Read<Command> {
    cursor.space()?;
    let at = cursor.position();
    let verb = cursor.name();
    let command = match verb.as_bytes() {
        b"CAPABILITY" => Command::Capability,
        b"NOOP" => Command::Noop,
        b"LOGOUT" => Command::Logout,
        b"STARTTLS" => Command::StartTls,
        b"UNAUTHENTICATE" => Command::Unauthenticate,
        b"NAMESPACE" => Command::Namespace,
        b"IDLE" => Command::Idle,
        b"CHECK" => Command::Check,
        b"CLOSE" => Command::Close,
        b"UNSELECT" => Command::Unselect,
        b"EXPUNGE" => Command::Expunge,
        known => {
            let command = with_arguments(cursor, known, at)?;
            cursor.end()?;
            return Ok(command);
        }
    };
    cursor.end()?;
    Ok(command)
}

fn with_arguments(cursor: &mut Cursor<'_>, verb: &[u8], at: usize) -> Read<Command> {
    let argument: fn(&mut Cursor<'_>) -> Read<Command> = match verb {
        b"ID" => id,
        b"AUTHENTICATE" => authenticate,
        b"LOGIN" => login,
        b"ENABLE" => enable,
        b"SELECT" => |cursor| {
            select::parse(cursor).map(|(mailbox, parameters)| Command::Select {
                mailbox,
                parameters,
            })
        },
        b"EXAMINE" => |cursor| {
            select::parse(cursor).map(|(mailbox, parameters)| Command::Examine {
                mailbox,
                parameters,
            })
        },
        b"CREATE" => create,
        b"DELETE" => |cursor| cursor.mailbox().map(Command::Delete),
        b"RENAME" => rename,
        b"SUBSCRIBE" => |cursor| cursor.mailbox().map(Command::Subscribe),
        b"UNSUBSCRIBE" => |cursor| cursor.mailbox().map(Command::Unsubscribe),
        b"LIST" => |cursor| list::parse(cursor).map(Command::List),
        b"LSUB" => lsub,
        b"STATUS" => status,
        b"SETACL" => acl::set,
        b"DELETEACL" => acl::delete,
        b"GETACL" => |cursor| cursor.mailbox().map(Command::GetAcl),
        b"LISTRIGHTS" => acl::list_rights,
        b"MYRIGHTS" => |cursor| cursor.mailbox().map(Command::MyRights),
        b"GETQUOTA" => |cursor| cursor.text("a quota root").map(Command::GetQuota),
        b"GETQUOTAROOT" => |cursor| cursor.mailbox().map(Command::GetQuotaRoot),
        b"SETQUOTA" => set_quota,
        b"GETMETADATA" => |cursor| metadata::get(cursor).map(Command::GetMetadata),
        b"SETMETADATA" => set_metadata,
        b"NOTIFY" => |cursor| notify::parse(cursor).map(Command::Notify),
        b"APPEND" => |cursor| append::parse(cursor).map(Command::Append),
        b"REPLACE" => |cursor| append::parse_replace(cursor, false),
        b"SEARCH" => |cursor| search::parse(cursor, false).map(Command::Search),
        b"CANCELUPDATE" => |cursor| context::parse(cursor).map(Command::CancelUpdate),
        b"ESEARCH" => |cursor| multi_search::parse(cursor).map(Command::Esearch),
        b"SORT" => |cursor| sort::parse(cursor, false).map(Command::Sort),
        b"THREAD" => |cursor| sort::parse_thread(cursor, false).map(Command::Thread),
        b"FETCH" => |cursor| fetch::parse(cursor, false).map(Command::Fetch),
        b"STORE" => |cursor| store(cursor, false).map(Command::Store),
        b"COPY" => |cursor| copy(cursor, false, false),
        b"MOVE" => |cursor| copy(cursor, false, true),
        b"UID" => uid,
        b"COMPRESS" => |cursor| {
            let mechanism = cursor.atom("a compression mechanism")?;
            Ok(Command::Compress(mechanism.to_ascii_uppercase()))
        },
        _ => return Cursor::error_at(at, NO_COMMAND),
    };
    cursor.space()?;
    argument(cursor)
}

fn uid(cursor: &mut Cursor<'_>) -> Read<Command> {
    let at = cursor.position();
    let verb = cursor.name();
    let argument: fn(&mut Cursor<'_>) -> Read<Command> = match verb.as_bytes() {
        b"COPY" => |cursor| copy(cursor, true, false),
        b"MOVE" => |cursor| copy(cursor, true, true),
        b"FETCH" => |cursor| fetch::parse(cursor, true).map(Command::Fetch),
        b"REPLACE" => |cursor| append::parse_replace(cursor, true),
        b"SEARCH" => |cursor| search::parse(cursor, true).map(Command::Search),
        b"SORT" => |cursor| sort::parse(cursor, true).map(Command::Sort),
        b"THREAD" => |cursor| sort::parse_thread(cursor, true).map(Command::Thread),
        b"STORE" => |cursor| store(cursor, true).map(Command::Store),
        b"EXPUNGE" => |cursor| cursor.sequence_set().map(Command::UidExpunge),
        _ => return Cursor::error_at(at, NO_UID_COMMAND),
    };
    cursor.space()?;
    argument(cursor)
}

fn set_quota(cursor: &mut Cursor<'_>) -> Read<Command> {
    let root = cursor.text("a quota root")?;
    cursor.space()?;
    let limits = quota::limits(cursor)?;
    Ok(Command::SetQuota { root, limits })
}

fn set_metadata(cursor: &mut Cursor<'_>) -> Read<Command> {
    let mailbox = cursor.mailbox()?;
    cursor.space()?;
    let entries = metadata::set(cursor)?;
    Ok(Command::SetMetadata { mailbox, entries })
}

fn id(cursor: &mut Cursor<'_>) -> Read<Command> {
    id_fields(cursor).map(Command::Id)
}

/// NIL, or names and values in parentheses (RFC 2971 §4).
pub(crate) fn id_fields(cursor: &mut Cursor<'_>) -> Read<Vec<(String, Option<String>)>> {
    let mut fields = Vec::new();
    if cursor.eat_word(b"NIL") {
        return Ok(fields);
    }
    cursor.open()?;
    loop {
        // aioimaplib puts spaces behind "(" and before ")": they cannot mean anything else.
        while cursor.eat(b' ') {}
        if cursor.eat(b')') {
            return Ok(fields);
        }
        if fields.len() == ID_FIELDS_MAX {
            return cursor.error("at most 30 fields");
        }
        let name = cursor.string_text()?;
        cursor.space()?;
        let at = cursor.position();
        let value = match cursor.nstring()? {
            Some(value) => Some(crate::cursor::unicode(value, at)?),
            None => None,
        };
        fields.push((name, value));
        if cursor.peek() != Some(b')') {
            cursor.expect(b' ', "a space or ')'")?;
        }
    }
}

fn authenticate(cursor: &mut Cursor<'_>) -> Read<Command> {
    let mechanism = cursor.atom("a SASL mechanism")?.to_ascii_uppercase();
    let initial = if cursor.eat(b' ') {
        let at = cursor.position();
        let base64 = cursor.run(|octet| octet > b' ');
        // RFC 4959 §3
        let decoded = match base64 {
            b"=" => Some(Vec::new()),
            b"" => None,
            some => STANDARD.decode(some).ok(),
        };
        match decoded {
            Some(decoded) => Some(decoded),
            None => return Cursor::error_at(at, "an initial response in base64"),
        }
    } else {
        None
    };
    Ok(Command::Authenticate { mechanism, initial })
}

fn login(cursor: &mut Cursor<'_>) -> Read<Command> {
    let user = cursor.text("a user name")?;
    cursor.space()?;
    let password = Secret(cursor.text("a password")?);
    Ok(Command::Login { user, password })
}

fn enable(cursor: &mut Cursor<'_>) -> Read<Command> {
    let mut names = Vec::new();
    loop {
        if names.len() == ENABLE_NAMES_MAX {
            return cursor.error("at most 50 capabilities");
        }
        names.push(cursor.atom("a capability")?.to_ascii_uppercase());
        if !cursor.eat(b' ') {
            return Ok(Command::Enable(names));
        }
    }
}

fn create(cursor: &mut Cursor<'_>) -> Read<Command> {
    let mailbox = cursor.mailbox()?;
    let mut special_use = Vec::new();
    if cursor.eat(b' ') {
        cursor.open()?;
        if !cursor.eat_word(b"USE ") {
            return cursor.error("USE");
        }
        cursor.list(|cursor| {
            if special_use.len() == SPECIAL_USES_MAX {
                return cursor.error("at most 20 attributes");
            }
            cursor.expect(b'\\', "a special-use attribute")?;
            let name = cursor.atom("a special-use attribute")?;
            special_use.push(match Role::parse(name) {
                Some(role) => SpecialUse::Role(role),
                None => SpecialUse::Unknown(name.to_owned()),
            });
            Ok(())
        })?;
        cursor.close()?;
    }
    Ok(Command::Create {
        mailbox,
        special_use,
    })
}

fn rename(cursor: &mut Cursor<'_>) -> Read<Command> {
    let from = cursor.mailbox()?;
    cursor.space()?;
    let to = cursor.mailbox()?;
    Ok(Command::Rename { from, to })
}

fn lsub(cursor: &mut Cursor<'_>) -> Read<Command> {
    let reference = list::reference(cursor)?;
    cursor.space()?;
    let pattern = list::pattern(cursor)?;
    Ok(Command::Lsub { reference, pattern })
}

fn status(cursor: &mut Cursor<'_>) -> Read<Command> {
    let mailbox = cursor.mailbox()?;
    cursor.space()?;
    let items = list::status_items(cursor)?;
    Ok(Command::Status { mailbox, items })
}

fn store(cursor: &mut Cursor<'_>, uid: bool) -> Read<Store> {
    let set = cursor.sequence_set()?;
    cursor.space()?;
    let mut unchanged_since = None;
    // RFC 7162 §3.1.3
    if cursor.eat(b'(') {
        if !cursor.eat_word(b"UNCHANGEDSINCE ") {
            return cursor.error("UNCHANGEDSINCE");
        }
        unchanged_since = Some(cursor.modseq()?);
        cursor.close()?;
        cursor.space()?;
    }
    let at = cursor.position();
    let (action, silent) = match cursor.name().as_bytes() {
        b"FLAGS" => (StoreAction::Replace, false),
        b"FLAGS.SILENT" => (StoreAction::Replace, true),
        b"+FLAGS" => (StoreAction::Add, false),
        b"+FLAGS.SILENT" => (StoreAction::Add, true),
        b"-FLAGS" => (StoreAction::Remove, false),
        b"-FLAGS.SILENT" => (StoreAction::Remove, true),
        _ => return Cursor::error_at(at, "FLAGS, +FLAGS or -FLAGS"),
    };
    cursor.space()?;
    let flags = if cursor.peek() == Some(b'(') {
        cursor.flag_list()?
    } else {
        let mut flags = mail::FlagSet::new();
        loop {
            if let Some(flag) = cursor.flag()? {
                flags.insert(flag);
            }
            if !cursor.eat(b' ') {
                break flags;
            }
        }
    };
    Ok(Store {
        uid,
        set,
        unchanged_since,
        action,
        silent,
        flags,
    })
}

fn copy(cursor: &mut Cursor<'_>, uid: bool, moves: bool) -> Read<Command> {
    let set = cursor.sequence_set()?;
    cursor.space()?;
    let mailbox: MailboxName = cursor.mailbox()?;
    Ok(if moves {
        Command::Move { uid, set, mailbox }
    } else {
        Command::Copy { uid, set, mailbox }
    })
}
