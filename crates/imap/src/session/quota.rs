//! GETQUOTA, GETQUOTAROOT, SETQUOTA: an account that has limits has one quota root for all its
//! mailboxes, and it is named `""` (RFC 9208 §4.1).

use super::state::Wait;
use super::{Moment, Session};
use crate::ask::{Ask, Quota};
use crate::command::Resource;
use crate::diagram::Verb;
use crate::response::{Code, QuotaLimit, Response, Status};
use crate::{MailboxName, Tag};

/// The quota root.
const ROOT: &str = "";
/// The unit in which octets are told.
// RFC 9208 §5.1
const STORAGE_OCTETS: u64 = 1024;

impl Session {
    pub(super) fn get_quota(&mut self, tag: Tag, root: &str) {
        if root != ROOT {
            let status = no_such_root();
            return self.conclude(tag, Verb::GetQuota, status, Moment::Free, false);
        }
        self.wait(Ask::Quota, Wait::Quota(tag, None));
    }

    pub(super) fn get_quota_root(&mut self, tag: Tag, mailbox: MailboxName) {
        // The mailbox need not be there, so others' are told alike, shared or not: with no quota
        // root. How much their owners hold is not told.
        // RFC 9208 §4.1.2
        if self.policy.is_others(mailbox.as_str()) {
            self.write(&Response::QuotaRoot(mailbox, Vec::new()));
            let status = Status::ok("Done");
            return self.conclude(tag, Verb::GetQuotaRoot, status, Moment::Free, false);
        }
        self.wait(Ask::Quota, Wait::Quota(tag, Some(mailbox)));
    }

    /// Only who runs the house sets limits, and not by this protocol: QUOTASET is not offered.
    pub(super) fn set_quota(&mut self, tag: Tag) {
        let status = Status::no("Quotas are set by whoever runs this server").with(Code::NoPerm);
        self.conclude(tag, Verb::SetQuota, status, Moment::Free, false);
    }

    pub(super) fn take_quota(&mut self, tag: Tag, mailbox: Option<MailboxName>, quota: &Quota) {
        let storage = quota.octets_max.map(|max| QuotaLimit {
            resource: Resource::Storage,
            used: quota.octets.div_ceil(STORAGE_OCTETS),
            max: max.div_ceil(STORAGE_OCTETS),
        });
        let messages = quota.messages_max.map(|max| QuotaLimit {
            resource: Resource::Message,
            used: quota.messages,
            max,
        });
        let limits: Vec<_> = storage.into_iter().chain(messages).collect();
        // The grammar has no quota root without limits.
        // RFC 9208 §7
        let is_root = !limits.is_empty();
        let (verb, status) = match mailbox {
            Some(mailbox) => {
                let roots = is_root.then(|| ROOT.to_owned());
                self.write(&Response::QuotaRoot(mailbox, roots.into_iter().collect()));
                (Verb::GetQuotaRoot, Status::ok("Done"))
            }
            None if is_root => (Verb::GetQuota, Status::ok("Done")),
            None => (Verb::GetQuota, no_such_root()),
        };
        if is_root {
            self.write(&Response::Quota(ROOT.to_owned(), limits));
        }
        self.conclude(tag, verb, status, Moment::Free, false);
    }
}

fn no_such_root() -> Status {
    Status::no("There is no such quota root").with(Code::Nonexistent)
}
