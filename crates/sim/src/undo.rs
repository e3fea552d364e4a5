//! Somebody who regrets: the operations of the account are listed, and the last one is undone.

use post::{OperationKind, OperationState, Revert};

use crate::client::{Outcome, Trouble, wrong};
use crate::oracle::{Change, Deed};
use crate::owner::Person;

impl Person {
    /// Undoes what was done last, if it took something away and nothing was done since.
    pub(crate) async fn regret(&self) -> Outcome<()> {
        let Some(deed) = self.oracle.deed(self.number) else {
            return Ok(());
        };
        let Some(account) = self.account().await else {
            return Err(Trouble::Lost);
        };
        // The house may be about to stop, or its disk not to answer.
        let operations = account.operations().await.map_err(|_| Trouble::Lost)?;
        let Some(last) = operations.first() else {
            return wrong(format!("no operation is listed, but there was {deed:?}"));
        };
        let letters = u64::try_from(deed.letters()).unwrap_or(u64::MAX);
        if (last.kind, last.messages) != (kind(&deed), letters)
            || last.state != OperationState::Done
        {
            return wrong(format!("{last:?} is listed, but there was {deed:?}"));
        }
        self.note(format_args!("undoes {deed:?}"));
        self.oracle.asking(self.number, Change::Undo);
        let undone = account.revert(last.number, &Revert::default()).await;
        if let Ok(undone) = &undone
            && (undone.messages, undone.missing) != (letters, 0)
        {
            return wrong(format!("{undone:?}, but there was {deed:?}"));
        }
        let text = undone.as_ref().err().map(ToString::to_string);
        self.answered(undone.is_ok(), text.as_deref().unwrap_or("OK"))
            .map(drop)
    }

    async fn account(&self) -> Option<post::Account> {
        let address = self.address();
        let mut accounts = self.house.post.accounts().into_iter();
        let found = accounts.find(|account| account.address.to_string() == address)?;
        self.house.post.account(found.id).await.ok()
    }
}

fn kind(deed: &Deed) -> OperationKind {
    match deed {
        Deed::Removed { .. } => OperationKind::Expunge,
        Deed::Moved { .. } => OperationKind::Move,
        Deed::Deleted { .. } => OperationKind::DeleteMailbox,
        Deed::Renamed { .. } => OperationKind::RenameMailbox,
    }
}
