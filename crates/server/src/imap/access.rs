//! Mailboxes of other accounts, and who may do what (ACL).

use imap::ask::{Changes, Gone, Place, RightsChange};
use imap::{Answer, Ask};
use mail::{MailboxId, ModSeq, Rights, Uid, UidSet};
use post::{Account, Error, Outcome};

use super::out_of_turn;

/// The account that a mailbox is in, as the guest may see it.
pub(super) fn there(account: &Account, place: Place) -> Outcome<Account> {
    match place.owner {
        None => Ok(account.clone()),
        Some(owner) => account.visit(owner),
    }
}

/// A mailbox of an account, as the session names it.
pub(super) fn place(there: &Account, mailbox: MailboxId) -> Place {
    Place {
        owner: there.visited(),
        mailbox,
    }
}

pub(super) async fn rename(account: &Account, source: &str, target: &str) -> Outcome<()> {
    let (from, source) = account.place(source).await?;
    let (to, target) = account.place_new(target).await?;
    if from.id() != to.id() {
        // Not before it is known whether there is something to be renamed.
        from.my_rights(&source).await?;
        return Err(Error::across_accounts());
    }
    from.rename(&source, &target).await
}

pub(super) async fn answer(account: &Account, ask: Ask) -> Outcome<Answer> {
    match ask {
        Ask::MyRights { name } => {
            let (there, name) = account.place(&name).await?;
            Ok(Answer::Rights(there.my_rights(&name).await?))
        }
        Ask::GetAcl { name } => {
            let (there, name) = account.place(&name).await?;
            Ok(Answer::Acl(there.acl(&name).await?))
        }
        Ask::ListRights { name, identifier } => {
            let (there, name) = account.place(&name).await?;
            let (required, optional) = there.list_rights(&name, &identifier).await?;
            Ok(Answer::ListRights { required, optional })
        }
        Ask::SetAcl {
            name,
            identifier,
            change,
        } => {
            let (there, name) = account.place(&name).await?;
            let change = match change {
                RightsChange::Replace(rights) => post::RightsChange::Replace(rights),
                RightsChange::Add(rights) => post::RightsChange::Add(rights),
                RightsChange::Remove(rights) => post::RightsChange::Remove(rights),
            };
            there.set_rights(&name, &identifier, change).await?;
            Ok(Answer::Done)
        }
        _ => Err(out_of_turn()),
    }
}

/// What changed in a mailbox whose account is gone.
pub(super) fn no_owner(since: ModSeq, uid_next: Uid) -> Changes {
    Changes {
        modseq: since,
        highest: since,
        uid_next,
        added: UidSet::new(),
        changed: Vec::new(),
        gone: Gone::Mailbox,
        keywords: Vec::new(),
        rights: Rights::NONE,
        over_quota: false,
        more: false,
    }
}
