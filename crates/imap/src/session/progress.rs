//! What is said while the house takes its time: INPROGRESS (RFC 9585).
//!
//! Not here: when it is time to say something (the driver), how far a search is (the house).

use bytes::{Bytes, BytesMut};
use mail::Progress;

use super::state::{After, Task, Wait};
use super::{Phase, Session};
use crate::response::{Code, Status};
use crate::{Names, Tag};

impl Session {
    /// True while a command waits for the house: of one who is logged in, as others may not take
    /// it for what it is.
    pub(super) const fn is_at_work(&self) -> bool {
        matches!(self.task, Task::Waiting(_))
            && !matches!(self.phase(), Phase::Greeting | Phase::NotAuthenticated)
    }

    /// The line that says how far the command is, as far as the house or its own count knows.
    pub(super) fn in_progress(&self, house: Option<Progress>) -> Bytes {
        let Task::Waiting(wait) = &self.task else {
            return Bytes::new();
        };
        let Some(tag) = tag(wait) else {
            return Bytes::new();
        };
        let progress = match &**wait {
            Wait::Rows(fetching) => counted(fetching.uids.len(), fetching.count),
            Wait::Stored(storing) => counted(storing.uids.len(), storing.count),
            _ => house,
        };
        let text = match progress {
            Some(Progress { done, goal }) => format!("Still at it: {done} of {goal} done"),
            None => "Still at it".to_owned(),
        };
        let code = Code::InProgress {
            // RFC 9585 §4
            tag: (!tag.as_str().contains(']')).then(|| tag.clone()),
            done: progress.map(|progress| progress.done),
            goal: progress.map(|progress| progress.goal),
        };
        let mut line = BytesMut::new();
        let status = Status::ok(text).with(code);
        status.write(None, &mut line, Names::Utf7);
        line.freeze()
    }
}

/// How far a command is that has so many messages left of so many.
fn counted(left: u64, all: u64) -> Option<Progress> {
    let count = |count| u32::try_from(count).unwrap_or(u32::MAX);
    Progress::new(count(all.saturating_sub(left)), count(all))
}

/// The tag of the command that waits; `None` in IDLE, which takes as long as it takes, and
/// where it is told what nobody asked for.
// tidy: table
const fn tag(wait: &Wait) -> Option<&Tag> {
    Some(match wait {
        Wait::Left(tag)
        | Wait::Created(tag)
        | Wait::Mailboxes(tag, _)
        | Wait::MyRights(tag, _)
        | Wait::GetAcl(tag, _)
        | Wait::Quota(tag, _)
        | Wait::Metadata(tag, _)
        | Wait::SetMetadata(tag)
        | Wait::Resync(tag, ..)
        | Wait::AppendEnded(tag, _)
        | Wait::AppendForgotten(tag, ..)
        | Wait::Changes(After::Reply(tag, ..))
        | Wait::Verdict { tag, .. }
        | Wait::Done { tag, .. }
        | Wait::Deleted(tag)
        | Wait::ListRights { tag, .. }
        | Wait::Status { tag, .. }
        | Wait::Watching { tag, .. }
        | Wait::WatchList { tag, .. }
        | Wait::WatchStatus { tag, .. }
        | Wait::Select { tag, .. }
        | Wait::Copied { tag, .. }
        | Wait::Expunged { tag, .. } => tag,
        Wait::ListStatus(telling) | Wait::ListMetadata(telling) => &telling.tag,
        Wait::Vanished(fetching, _) | Wait::Rows(fetching) => &fetching.tag,
        Wait::Stored(storing) => &storing.tag,
        Wait::Sources(roaming) | Wait::FoundHere(roaming) | Wait::FoundElsewhere(roaming) => {
            &roaming.tag
        }
        Wait::Found(searching) | Wait::Sorted(searching) | Wait::Threads(searching) => {
            &searching.tag
        }
        Wait::AppendBegun(incoming)
        | Wait::AppendStored(incoming, _)
        | Wait::AppendTaken(incoming) => &incoming.tag,
        Wait::Changes(After::Idle | After::Push)
        | Wait::News
        | Wait::NewsList(_)
        | Wait::Newcomers(_)
        | Wait::Matched(_)
        | Wait::Placed(_) => return None,
    })
}
