//! SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS; what rights do to the mailbox that is open
//! (RFC 4314 §3, §5).

use mail::{Flag, FlagSet, Rights};

use super::state::Wait;
use super::{Moment, Session};
use crate::ask::Ask;
use crate::command::RightsChange;
use crate::diagram::Verb;
use crate::response::{Code, ListRights, Response, Status};
use crate::{MailboxName, Tag};

/// Of these one is needed, or a mailbox is open to read only.
// RFC 4314 §5.2
const CHANGES: [Rights; 5] = [
    Rights::INSERT,
    Rights::EXPUNGE,
    Rights::SEEN,
    Rights::WRITE,
    Rights::MARK_DELETED,
];

impl Session {
    pub(super) fn set_acl(
        &mut self,
        tag: Tag,
        mailbox: &MailboxName,
        identifier: String,
        change: RightsChange,
    ) {
        let name = mailbox.as_str().to_owned();
        let ask = Ask::SetAcl {
            name,
            identifier,
            change,
        };
        self.wait_done(ask, tag, Verb::SetAcl, "Set");
    }

    pub(super) fn delete_acl(&mut self, tag: Tag, mailbox: &MailboxName, identifier: String) {
        let ask = Ask::SetAcl {
            name: mailbox.as_str().to_owned(),
            identifier,
            change: RightsChange::Replace(Rights::NONE),
        };
        self.wait_done(ask, tag, Verb::DeleteAcl, "Deleted");
    }

    pub(super) fn get_acl(&mut self, tag: Tag, mailbox: MailboxName) {
        let name = mailbox.as_str().to_owned();
        self.wait(Ask::GetAcl { name }, Wait::GetAcl(tag, mailbox));
    }

    pub(super) fn take_acl(&mut self, tag: Tag, mailbox: MailboxName, acl: Vec<(String, Rights)>) {
        self.write(&Response::Acl(mailbox, acl));
        self.conclude(tag, Verb::GetAcl, Status::ok("Done"), Moment::Free, false);
    }

    pub(super) fn list_rights(&mut self, tag: Tag, mailbox: MailboxName, identifier: String) {
        let ask = Ask::ListRights {
            name: mailbox.as_str().to_owned(),
            identifier: identifier.clone(),
        };
        let wait = Wait::ListRights {
            tag,
            name: mailbox,
            identifier,
        };
        self.wait(ask, wait);
    }

    pub(super) fn take_list_rights(&mut self, tag: Tag, listed: ListRights) {
        self.write(&Response::ListRights(listed));
        let status = Status::ok("Done");
        self.conclude(tag, Verb::ListRights, status, Moment::Free, false);
    }

    pub(super) fn my_rights(&mut self, tag: Tag, mailbox: MailboxName) {
        let name = mailbox.as_str().to_owned();
        self.wait(Ask::MyRights { name }, Wait::MyRights(tag, mailbox));
    }

    pub(super) fn take_my_rights(&mut self, tag: Tag, mailbox: MailboxName, rights: Rights) {
        self.write(&Response::MyRights(mailbox, rights));
        self.conclude(tag, Verb::MyRights, Status::ok("Done"), Moment::Free, false);
    }

    /// Other rights than were told: what can be changed now is told.
    // RFC 4314 §5.1.1
    pub(super) fn tell_rights(&mut self, rights: Rights) {
        let Some(open) = self.state.open_mut().filter(|open| open.rights != rights) else {
            return;
        };
        open.rights = rights;
        open.read_only = is_read_only(open.examined, rights);
        let (flags, changeable) = (open.flags.clone(), changeable(open.read_only, rights));
        self.write_flags(flags, changeable);
    }
}

/// The rights that count for flags.
pub(super) const fn changeable(read_only: bool, rights: Rights) -> Rights {
    if read_only { Rights::NONE } else { rights }
}

/// The flags that can be changed with these rights, and whether new ones can be made.
pub(super) fn permanent(flags: &FlagSet, rights: Rights) -> Code {
    let may = |flag: &Flag| {
        rights.contains(match flag {
            Flag::Seen => Rights::SEEN,
            Flag::Deleted => Rights::MARK_DELETED,
            _ => Rights::WRITE,
        })
    };
    let system = Flag::SYSTEM.into_iter().filter(|flag| flags.contains(flag));
    let keywords = flags.keywords().iter().cloned().map(Flag::Keyword);
    let permanent = system.chain(keywords).filter(may).collect();
    Code::PermanentFlags(permanent, rights.contains(Rights::WRITE))
}

/// True if nothing can be changed in a mailbox.
pub(super) fn is_read_only(examined: bool, rights: Rights) -> bool {
    examined || !CHANGES.iter().any(|right| rights.contains(*right))
}
