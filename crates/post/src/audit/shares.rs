//! Who is given something, beside what the directory knows of it: without its word nobody finds
//! what is shared with them.

use std::collections::BTreeSet;

use mail::AccountId;

use super::walk::Auditor;
use super::{Difference, Kind};
use crate::Outcome;
use crate::access::ANYONE;
use crate::directory::Edit;
use crate::ledger::Ledger;

impl Auditor<'_> {
    pub(super) async fn shares(&mut self) -> Outcome<()> {
        let house = self.account.house.clone();
        // Nobody gives or takes meanwhile.
        let _one_at_a_time = house.inner.sharing.lock().await;
        let given = |ledger: &Ledger| -> BTreeSet<AccountId> {
            let lists = ledger.folders.values().flat_map(|folder| folder.acl.keys());
            let given = lists.filter(|grantee| !grantee.negative);
            given.map(|grantee| grantee.account).collect()
        };
        for to in self.account.look(given).await? {
            let share = (to, self.account.id());
            let name = {
                let maps = house.inner.directory.maps();
                let there = to == ANYONE || maps.accounts.contains_key(&to);
                if !there || maps.shares.contains(&share) {
                    continue;
                }
                let row = maps.accounts.get(&to);
                row.map_or_else(|| "anyone".to_owned(), |row| row.address.to_string())
            };
            if self.audit.repairs {
                house
                    .edit(|_| Ok(((), vec![Edit::Share(share)], None)))
                    .await?;
            }
            self.findings.add(Difference {
                kind: Kind::Share,
                account: self.account.address.to_string(),
                mailbox: None,
                uid: None,
                what: format!("the directory does not know that {name} was given rights"),
                repaired: self.audit.repairs,
            });
        }
        Ok(())
    }
}
