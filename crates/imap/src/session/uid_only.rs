//! UIDONLY: messages are named by UID alone, and have no number any more (RFC 9586).
//!
//! Not here: VANISHED in the place of EXPUNGE, which QRESYNC wants as well (`changes`).

use bytes::BytesMut;
use mail::{SeqNo, Uid};

use crate::command::{Command, SearchKey};
use crate::response::{Code, FetchLine, Status};

/// True if the command names messages by their numbers.
pub(super) fn counts(command: &Command) -> bool {
    // RFC 9586 §3.2
    match command {
        Command::Fetch(fetch) => !fetch.uid,
        Command::Store(store) => !store.uid,
        Command::Copy { uid, .. } | Command::Move { uid, .. } => !uid,
        Command::Replace(replace) => !replace.uid,
        Command::Search(search) => !search.uid || has_number(&search.key),
        // RFC 9586 §3.8
        Command::Esearch(multi) => has_number(&multi.search.key),
        Command::Sort(sort) => !sort.search.uid || has_number(&sort.search.key),
        Command::Thread(thread) => !thread.search.uid || has_number(&thread.search.key),
        _ => false,
    }
}

/// True if a key is a set of numbers; `$` by itself is written as one.
fn has_number(key: &SearchKey) -> bool {
    // RFC 9586 §3.5
    key.any(&|key| matches!(key, SearchKey::Sequence(_)))
}

/// The answer to a command that names messages by their numbers.
pub(super) fn required() -> Status {
    // RFC 9586 §3
    Status::bad("Name messages by UID since UIDONLY").with(Code::UidRequired)
}

/// Begins the line about a message, in the way the client names it.
pub(super) fn begin(uid_only: bool, out: &mut BytesMut, (seq, uid): (SeqNo, Uid)) -> FetchLine {
    // RFC 9586 §3.3
    if uid_only {
        FetchLine::begin_uid(out, uid)
    } else {
        FetchLine::begin(out, seq)
    }
}
