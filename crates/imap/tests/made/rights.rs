//! What others share with ada, and who may do what.

use imap::ask::{Answer, Ask, Refused, RightsChange, Why};
use mail::{AccountId, FlagSet, Rights};

use super::mailbox::Mailbox;
use super::{Made, no};

impl Mailbox {
    pub(super) fn may(&self, right: Rights) -> Result<(), Refused> {
        match self.rights.contains(right) {
            true => Ok(()),
            false => Err(no(Why::NoPermission, "You have no right to do that")),
        }
    }
}

impl Made {
    /// Bob shares a mailbox with one message in it; a team has an inbox.
    pub(super) fn share(&mut self) {
        self.create("Other Users/bob@caramel.example/Plans", None);
        let modseq = self.modseq;
        let shared = self.mailboxes.last_mut().unwrap();
        shared.owner = Some(AccountId(40));
        shared.rights = Rights::parse("lrs").unwrap();
        shared.push(1, FlagSet::new(), modseq, None);
        self.create("Shared/team@caramel.example/INBOX", None);
        let team = self.mailboxes.last_mut().unwrap();
        team.owner = Some(AccountId(41));
        team.rights = Rights::parse("lri").unwrap();
    }

    /// One message was removed from the inbox.
    pub(super) fn throw_away(&mut self) {
        self.create("Removed Mail/INBOX", None);
        let modseq = self.modseq;
        let removed = self.mailboxes.last_mut().unwrap();
        removed.owner = Some(AccountId(42));
        removed.rights = Rights::parse("lr").unwrap();
        removed.push(1, FlagSet::new(), modseq, None);
    }

    pub(super) fn respond_rights(&mut self, ask: Ask) -> Result<Answer, Refused> {
        Ok(match ask {
            Ask::MyRights { name } => Answer::Rights(self.named(&name)?.rights),
            Ask::GetAcl { name } => {
                let mailbox = self.named(&name)?;
                mailbox.may(Rights::ADMINISTER)?;
                let owner = ("ada@caramel.example".to_owned(), Rights::ALL);
                let others = mailbox.acl.iter().cloned();
                Answer::Acl(std::iter::once(owner).chain(others).collect())
            }
            Ask::ListRights { name, identifier } => {
                self.named(&name)?.may(Rights::ADMINISTER)?;
                let (required, optional) = match identifier.as_str() {
                    "ada@caramel.example" => (Rights::ALL, Rights::NONE),
                    _ => (Rights::NONE, Rights::ALL),
                };
                Answer::ListRights { required, optional }
            }
            Ask::SetAcl {
                name,
                identifier,
                change,
            } => {
                let mailbox = self.named(&name)?;
                mailbox.may(Rights::ADMINISTER)?;
                let before = mailbox.acl.iter().find(|(known, _)| *known == identifier);
                let before = before.map_or(Rights::NONE, |(_, rights)| *rights);
                let after = match change {
                    RightsChange::Replace(rights) => rights,
                    RightsChange::Add(rights) => before | rights,
                    RightsChange::Remove(rights) => before & !rights,
                };
                mailbox.acl.retain(|(known, _)| *known != identifier);
                if !after.is_empty() {
                    mailbox.acl.push((identifier, after));
                }
                Answer::Done
            }
            other => self.respond_messages(other)?,
        })
    }
}
