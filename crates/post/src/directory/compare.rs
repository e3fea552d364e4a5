//! The directory in memory beside its rows (`audit`).

use store::Store;

use super::rows::HouseRow;
use super::{Directory, Edit, Maps, read};
use crate::Outcome;

/// About so many octets a row of the directory has.
const ROW_OCTETS: usize = 160;

impl Directory {
    /// About how many octets its rows have, and whether the memory says the same as they.
    pub(crate) async fn compare(&self, store: &dyn Store) -> Outcome<(usize, bool)> {
        // Nothing changes meanwhile.
        let _writing = self.writing.lock().await;
        let (_, kept) = read(store).await?;
        let rows = kept.accounts.len() + kept.domains.len() + kept.aliases.len();
        let rows = rows + kept.relayed.len() + kept.shares.len() + kept.removed.len();
        let lists = kept.relayed.values().filter_map(|one| one.list.as_ref());
        let octets = rows * ROW_OCTETS + lists.map(|list| list.octets()).sum::<usize>();
        Ok((octets, kept == *self.maps()))
    }

    /// Believes the rows.
    pub(crate) async fn reread(&self, store: &dyn Store) -> Outcome<()> {
        let mut writing = self.writing.lock().await;
        let (version, maps) = read(store).await?;
        *self.maps_mut() = maps;
        *writing = Some(version);
        Ok(())
    }
}

impl Maps {
    /// The last account id that was given.
    pub(crate) const fn newest(&self) -> u64 {
        self.house.account
    }

    /// Says that this account id was given.
    pub(crate) const fn raised(&self, account: u64) -> Edit {
        Edit::House(HouseRow {
            account,
            ..self.house
        })
    }
}
