//! Which verb of the drawing each command is.

use crate::command::Command;
use crate::diagram::Verb;

/// The command's verb.
// tidy: table
pub(super) const fn verb_of(command: &Command) -> Verb {
    match command {
        Command::Capability => Verb::Capability,
        Command::Noop => Verb::Noop,
        Command::Logout => Verb::Logout,
        Command::Id(_) => Verb::Id,
        Command::StartTls => Verb::StartTls,
        Command::Authenticate { .. } => Verb::Authenticate,
        Command::Login { .. } => Verb::Login,
        Command::Unauthenticate => Verb::Unauthenticate,
        Command::Enable(_) => Verb::Enable,
        Command::Select { .. } => Verb::Select,
        Command::Examine { .. } => Verb::Examine,
        Command::Create { .. } => Verb::Create,
        Command::Delete(_) => Verb::Delete,
        Command::Rename { .. } => Verb::Rename,
        Command::Subscribe(_) => Verb::Subscribe,
        Command::Unsubscribe(_) => Verb::Unsubscribe,
        Command::List(_) => Verb::List,
        Command::Lsub { .. } => Verb::Lsub,
        Command::Namespace => Verb::Namespace,
        Command::Status { .. } => Verb::Status,
        Command::SetAcl { .. } => Verb::SetAcl,
        Command::DeleteAcl { .. } => Verb::DeleteAcl,
        Command::GetAcl(_) => Verb::GetAcl,
        Command::ListRights { .. } => Verb::ListRights,
        Command::MyRights(_) => Verb::MyRights,
        Command::GetQuota(_) => Verb::GetQuota,
        Command::GetQuotaRoot(_) => Verb::GetQuotaRoot,
        Command::SetQuota { .. } => Verb::SetQuota,
        Command::GetMetadata(_) => Verb::GetMetadata,
        Command::SetMetadata { .. } => Verb::SetMetadata,
        Command::Notify(_) => Verb::Notify,
        Command::Append(_) => Verb::Append,
        Command::Replace(_) => Verb::Replace,
        Command::Idle => Verb::Idle,
        Command::Check => Verb::Check,
        Command::Close => Verb::Close,
        Command::Unselect => Verb::Unselect,
        Command::Expunge | Command::UidExpunge(_) => Verb::Expunge,
        Command::Search(_) => Verb::Search,
        Command::CancelUpdate(_) => Verb::CancelUpdate,
        Command::Esearch(_) => Verb::Esearch,
        Command::Sort(_) => Verb::Sort,
        Command::Thread(_) => Verb::Thread,
        Command::Fetch(_) => Verb::Fetch,
        Command::Store(_) => Verb::Store,
        Command::Copy { .. } => Verb::Copy,
        Command::Move { .. } => Verb::Move,
        Command::Compress(_) => Verb::Compress,
    }
}
