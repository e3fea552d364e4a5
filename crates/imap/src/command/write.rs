//! Commands written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, BytesMut};

use super::{
    Command, SpecialUse, Store, StoreAction, Tag, acl, append, context, list, metadata, quota,
};
use crate::response::{id_fields, write_flags};
use crate::{Names, writing};

pub(super) const fn name(command: &Command) -> &'static str {
    match command {
        Command::Capability => "CAPABILITY",
        Command::Noop => "NOOP",
        Command::Logout => "LOGOUT",
        Command::Id(_) => "ID",
        Command::StartTls => "STARTTLS",
        Command::Authenticate { .. } => "AUTHENTICATE",
        Command::Login { .. } => "LOGIN",
        Command::Unauthenticate => "UNAUTHENTICATE",
        Command::Enable(_) => "ENABLE",
        Command::Select { .. } => "SELECT",
        Command::Examine { .. } => "EXAMINE",
        Command::Create { .. } => "CREATE",
        Command::Delete(_) => "DELETE",
        Command::Rename { .. } => "RENAME",
        Command::Subscribe(_) => "SUBSCRIBE",
        Command::Unsubscribe(_) => "UNSUBSCRIBE",
        Command::List(_) => "LIST",
        Command::Lsub { .. } => "LSUB",
        Command::Namespace => "NAMESPACE",
        Command::Status { .. } => "STATUS",
        Command::SetAcl { .. } => "SETACL",
        Command::DeleteAcl { .. } => "DELETEACL",
        Command::GetAcl(_) => "GETACL",
        Command::ListRights { .. } => "LISTRIGHTS",
        Command::MyRights(_) => "MYRIGHTS",
        Command::GetQuota(_) => "GETQUOTA",
        Command::GetQuotaRoot(_) => "GETQUOTAROOT",
        Command::SetQuota { .. } => "SETQUOTA",
        Command::GetMetadata(_) => "GETMETADATA",
        Command::SetMetadata { .. } => "SETMETADATA",
        Command::Notify(_) => "NOTIFY",
        Command::Append(_) => "APPEND",
        Command::Replace(replace) if replace.uid => "UID REPLACE",
        Command::Replace(_) => "REPLACE",
        Command::Idle => "IDLE",
        Command::Check => "CHECK",
        Command::Close => "CLOSE",
        Command::Unselect => "UNSELECT",
        Command::Expunge => "EXPUNGE",
        Command::UidExpunge(_) => "UID EXPUNGE",
        Command::Search(search) if search.uid => "UID SEARCH",
        Command::Search(_) => "SEARCH",
        Command::CancelUpdate(_) => "CANCELUPDATE",
        Command::Esearch(_) => "ESEARCH",
        Command::Sort(sort) if sort.search.uid => "UID SORT",
        Command::Sort(_) => "SORT",
        Command::Thread(thread) if thread.search.uid => "UID THREAD",
        Command::Thread(_) => "THREAD",
        Command::Fetch(fetch) if fetch.uid => "UID FETCH",
        Command::Fetch(_) => "FETCH",
        Command::Store(store) if store.uid => "UID STORE",
        Command::Store(_) => "STORE",
        Command::Copy { uid: true, .. } => "UID COPY",
        Command::Copy { .. } => "COPY",
        Command::Move { uid: true, .. } => "UID MOVE",
        Command::Move { .. } => "MOVE",
        Command::Compress(_) => "COMPRESS",
    }
}

pub(super) fn frame(command: &Command, tag: &Tag, out: &mut BytesMut, names: Names) {
    out.put_slice(tag.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(name(command).as_bytes());
    arguments(command, out, names);
}

fn arguments(command: &Command, out: &mut BytesMut, names: Names) {
    let utf8 = names == Names::Utf8;
    match command {
        Command::Capability
        | Command::Noop
        | Command::Logout
        | Command::StartTls
        | Command::Unauthenticate
        | Command::Namespace
        | Command::Idle
        | Command::Check
        | Command::Close
        | Command::Unselect
        | Command::Expunge => {}
        Command::Id(fields) => {
            out.put_u8(b' ');
            id_fields(out, fields, names);
        }
        Command::Authenticate { mechanism, initial } => {
            writing::display(out, format_args!(" {mechanism}"));
            match initial.as_deref() {
                None => {}
                Some(b"") => out.put_slice(b" ="),
                Some(octets) => {
                    writing::display(out, format_args!(" {}", STANDARD.encode(octets)));
                }
            }
        }
        Command::Login { user, password } => {
            out.put_u8(b' ');
            writing::astring(out, user.as_bytes(), utf8);
            out.put_u8(b' ');
            writing::astring(out, password.0.as_bytes(), utf8);
        }
        Command::GetQuota(root) => {
            out.put_u8(b' ');
            writing::astring(out, root.as_bytes(), utf8);
        }
        Command::SetQuota { root, limits } => {
            out.put_u8(b' ');
            writing::astring(out, root.as_bytes(), utf8);
            out.put_u8(b' ');
            quota::write_limits(out, limits);
        }
        Command::Enable(capabilities) => {
            out.put_u8(b' ');
            writing::spaced(out, capabilities, |out, name| {
                out.put_slice(name.as_bytes())
            });
        }
        Command::Compress(mechanism) => writing::display(out, format_args!(" {mechanism}")),
        Command::UidExpunge(set) => writing::display(out, format_args!(" {set}")),
        Command::Search(search) => search.write(out, utf8),
        Command::CancelUpdate(tags) => context::write(out, tags),
        Command::Esearch(search) => search.write(out, names),
        Command::Sort(sort) => sort.write(out, utf8),
        Command::Thread(thread) => thread.write(out, utf8),
        Command::Fetch(fetch) => fetch.write(out),
        Command::Store(store) => write_store(out, store),
        Command::Copy { set, mailbox, .. } | Command::Move { set, mailbox, .. } => {
            writing::display(out, format_args!(" {set} "));
            mailbox.write(out, names);
        }
        _ => on_mailboxes(command, out, names),
    }
}

/// The arguments of commands that name mailboxes.
fn on_mailboxes(command: &Command, out: &mut BytesMut, names: Names) {
    match command {
        Command::List(list) => return list.write(out, names),
        Command::GetMetadata(get) => return get.write(out, names),
        Command::Notify(notify) => return notify.write(out, names),
        _ => {}
    }
    out.put_u8(b' ');
    match command {
        Command::Select {
            mailbox,
            parameters,
        }
        | Command::Examine {
            mailbox,
            parameters,
        } => {
            mailbox.write(out, names);
            parameters.write(out);
        }
        Command::Create {
            mailbox,
            special_use,
        } => {
            mailbox.write(out, names);
            write_special_use(out, special_use);
        }
        Command::Delete(mailbox)
        | Command::Subscribe(mailbox)
        | Command::Unsubscribe(mailbox)
        | Command::GetQuotaRoot(mailbox) => mailbox.write(out, names),
        Command::Rename { from, to } => {
            from.write(out, names);
            out.put_u8(b' ');
            to.write(out, names);
        }
        Command::Lsub { reference, pattern } => {
            list::write_name(out, reference, names);
            out.put_u8(b' ');
            list::write_name(out, pattern, names);
        }
        Command::Status { mailbox, items } => {
            mailbox.write(out, names);
            out.put_u8(b' ');
            list::write_status_items(out, items);
        }
        Command::SetMetadata { mailbox, entries } => {
            mailbox.write(out, names);
            out.put_u8(b' ');
            metadata::write_values(out, entries);
        }
        Command::Append(append) => append::write(out, append, names),
        Command::Replace(replace) => append::write_replace(out, replace, names),
        _ => acl::write(command, out, names),
    }
}

fn write_special_use(out: &mut BytesMut, special_use: &[SpecialUse]) {
    if special_use.is_empty() {
        return;
    }
    out.put_slice(b" (USE ");
    writing::list(out, special_use, |out, special_use| {
        let name = match special_use {
            SpecialUse::Role(role) => role.name(),
            SpecialUse::Unknown(name) => name,
        };
        writing::display(out, format_args!("\\{name}"));
    });
    out.put_u8(b')');
}

fn write_store(out: &mut BytesMut, store: &Store) {
    writing::display(out, format_args!(" {} ", store.set));
    if let Some(modseq) = store.unchanged_since {
        writing::display(out, format_args!("(UNCHANGEDSINCE {modseq}) "));
    }
    out.put_slice(match store.action {
        StoreAction::Replace => b"FLAGS",
        StoreAction::Add => b"+FLAGS",
        StoreAction::Remove => b"-FLAGS",
    });
    if store.silent {
        out.put_slice(b".SILENT");
    }
    out.put_slice(b" (");
    write_flags(out, &store.flags);
    out.put_u8(b')');
}
