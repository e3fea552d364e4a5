//! Who lives here: domains, accounts, aliases. Held in memory whole; changed rarely.

mod aliases;
mod quota;
pub(crate) mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use mail::{AccountId, Address, Host, LocalPart, Role, Timestamp};
use store::{Batch, Partition, Store, Version, Write, Writes};

pub use crate::directory::aliases::{Alias, AliasSource};
use crate::directory::rows::{AccountRow, HouseRow, Scram};
use crate::draft::Draft;
use crate::ledger::{Ledger, scan};
use crate::{Error, Outcome, Outside, Post, Quota, Why};

/// An account as the directory lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: AccountId,
    /// Its name: what it logs in with, and its first address.
    pub address: Address,
    /// When it was made.
    pub created: Timestamp,
    /// How much it may hold; `None` where the house's rule says so.
    pub quota: Option<Quota>,
}

/// The mailboxes every account begins with.
const FIRST_MAILBOXES: [(&str, Option<Role>); 6] = [
    ("INBOX", None),
    ("Drafts", Some(Role::Drafts)),
    ("Sent", Some(Role::Sent)),
    ("Junk", Some(Role::Junk)),
    ("Trash", Some(Role::Trash)),
    ("Archive", Some(Role::Archive)),
];

/// The directory in memory.
#[derive(Debug)]
pub(crate) struct Directory {
    maps: RwLock<Maps>,
    /// One change at a time; `None` while one is on its way, and for ever if it was given up
    /// half way: then the directory is read anew before the next.
    writing: tokio::sync::Mutex<Option<Version>>,
}

/// Everything the directory knows. Local parts are in lower case here.
#[derive(Debug, Default)]
pub(crate) struct Maps {
    house: HouseRow,
    pub(crate) domains: BTreeSet<Host>,
    pub(crate) accounts: BTreeMap<AccountId, AccountRow>,
    pub(crate) by_address: BTreeMap<Address, AccountId>,
    pub(crate) aliases: BTreeMap<AliasSource, Vec<Address>>,
    /// Who may have been given something (0 for anyone), and by whom.
    pub(crate) shares: BTreeSet<(AccountId, AccountId)>,
}

impl Directory {
    /// Reads the directory; makes its own row where there is none.
    pub(crate) async fn load(store: &dyn Store, outside: &dyn Outside) -> Outcome<Self> {
        let (mut version, mut maps) = read(store).await?;
        if maps.house == HouseRow::default() {
            outside.fill(&mut maps.house.secret);
            let batch = Batch {
                parts: vec![Writes {
                    partition: Partition::DIRECTORY,
                    from: version,
                    writes: vec![maps.house.put()],
                }],
                blobs: Vec::new(),
            };
            store.commit(batch).await.map_err(Error::commit)?;
            version = version.next();
        }
        Ok(Self {
            maps: RwLock::new(maps),
            writing: tokio::sync::Mutex::new(Some(version)),
        })
    }

    pub(crate) fn maps(&self) -> RwLockReadGuard<'_, Maps> {
        self.maps.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn secret(&self) -> [u8; 32] {
        self.maps().house.secret
    }

    pub(crate) fn address_of(&self, id: AccountId) -> Option<Address> {
        let maps = self.maps();
        maps.accounts.get(&id).map(|row| row.address.clone())
    }

    /// The address of an account, and the salt of its password.
    pub(crate) fn known(&self, id: AccountId) -> Option<(Address, [u8; 16])> {
        let maps = self.maps();
        let row = maps.accounts.get(&id)?;
        Some((row.address.clone(), row.password.scram.salt))
    }

    fn maps_mut(&self) -> RwLockWriteGuard<'_, Maps> {
        self.maps.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the directory: `change` looks at it and says what is to be edited, and what is to
    /// be written into another partition in the same step. It is seen once it is durable.
    async fn change<T>(
        &self,
        store: &dyn Store,
        change: impl FnOnce(&Maps) -> Outcome<(T, Vec<Edit>, Option<Writes>)>,
    ) -> Outcome<T> {
        let mut writing = self.writing.lock().await;
        let version = match writing.take() {
            Some(version) => version,
            None => {
                let (version, maps) = read(store).await?;
                *self.maps_mut() = maps;
                version
            }
        };
        let wanted = change(&self.maps());
        let (answer, edits, other) = match wanted {
            Ok(wanted) => wanted,
            Err(error) => {
                *writing = Some(version);
                return Err(error);
            }
        };
        let own = Writes {
            partition: Partition::DIRECTORY,
            from: version,
            writes: edits.iter().map(Edit::write).collect(),
        };
        let batch = Batch {
            parts: std::iter::once(own).chain(other).collect(),
            blobs: Vec::new(),
        };
        store.commit(batch).await.map_err(Error::commit)?;
        let mut maps = self.maps_mut();
        edits.into_iter().for_each(|edit| edit.apply(&mut maps));
        drop(maps);
        *writing = Some(version.next());
        Ok(answer)
    }
}

/// A change of the directory.
pub(crate) enum Edit {
    House(HouseRow),
    Domain(Host),
    NoDomain(Host),
    Account(AccountId, AccountRow),
    NoAccount(AccountId),
    Alias(Alias),
    NoAlias(AliasSource),
    Share((AccountId, AccountId)),
    NoShare((AccountId, AccountId)),
}

impl Edit {
    fn write(&self) -> Write {
        match self {
            Self::House(row) => row.put(),
            Self::Domain(domain) => rows::put_domain(domain),
            Self::NoDomain(domain) => rows::delete_domain(domain),
            Self::Account(id, row) => row.put(*id),
            Self::NoAccount(id) => AccountRow::delete(*id),
            Self::Alias(alias) => alias.put(),
            Self::NoAlias(source) => Alias::delete(source),
            Self::Share(share) => rows::put_share(*share),
            Self::NoShare(share) => rows::delete_share(*share),
        }
    }

    fn apply(self, maps: &mut Maps) {
        match self {
            Self::House(row) => maps.house = row,
            Self::Domain(domain) => {
                maps.domains.insert(domain);
            }
            Self::NoDomain(domain) => {
                maps.domains.remove(&domain);
            }
            Self::Account(id, row) => {
                maps.by_address.insert(lower(&row.address), id);
                maps.accounts.insert(id, row);
            }
            Self::NoAccount(id) => {
                if let Some(row) = maps.accounts.remove(&id) {
                    maps.by_address.remove(&lower(&row.address));
                }
            }
            Self::Alias(alias) => {
                maps.aliases.insert(alias.source, alias.targets);
            }
            Self::NoAlias(source) => {
                maps.aliases.remove(&source);
            }
            Self::Share(share) => {
                maps.shares.insert(share);
            }
            Self::NoShare(share) => {
                maps.shares.remove(&share);
            }
        }
    }
}

impl Maps {
    /// The account with this name.
    pub(crate) fn account(&self, address: &Address) -> Option<(AccountId, &AccountRow)> {
        let id = *self.by_address.get(&lower(address))?;
        Some((id, self.accounts.get(&id)?))
    }

    fn known(&self, address: &Address) -> Outcome<(AccountId, AccountRow)> {
        let found = self.account(address).map(|(id, row)| (id, row.clone()));
        found.ok_or_else(|| Error::nonexistent("There is no such account"))
    }

    fn ours(&self, domain: &Host) -> Outcome<()> {
        if self.domains.contains(domain) {
            return Ok(());
        }
        Err(Error::nonexistent(format!("{domain} is not our domain")))
    }
}

impl Post {
    /// The domains that are ours, sorted.
    #[must_use]
    pub fn domains(&self) -> Vec<Host> {
        self.inner
            .directory
            .maps()
            .domains
            .iter()
            .cloned()
            .collect()
    }

    /// Makes a domain ours.
    ///
    /// # Errors
    /// [`Why::AlreadyExists`], or if it cannot be stored.
    pub async fn add_domain(&self, domain: &Host) -> Outcome<()> {
        self.edit(|maps| {
            if maps.domains.contains(domain) {
                return Err(already(format!("{domain} is already ours")));
            }
            Ok(((), vec![Edit::Domain(domain.clone())], None))
        })
        .await
    }

    /// Gives a domain up; it must have no accounts and no aliases.
    ///
    /// # Errors
    /// [`Why::Nonexistent`], [`Why::InUse`], or if it cannot be stored.
    pub async fn remove_domain(&self, domain: &Host) -> Outcome<()> {
        self.edit(|maps| {
            maps.ours(domain)?;
            let by_alias = |source: &AliasSource| match source {
                AliasSource::Address(address) => address.host == *domain,
                AliasSource::CatchAll(host) => host == domain,
            };
            let used = maps.by_address.keys().any(|known| known.host == *domain)
                || maps.aliases.keys().any(by_alias);
            if used {
                let text = format!("{domain} still has accounts or aliases");
                return Err(Error::refused(Why::InUse, 550, [5, 2, 0], text));
            }
            Ok(((), vec![Edit::NoDomain(domain.clone())], None))
        })
        .await
    }

    /// The accounts, sorted by address.
    #[must_use]
    pub fn accounts(&self) -> Vec<Listed> {
        let maps = self.inner.directory.maps();
        let listed = maps.by_address.values().filter_map(|&id| {
            let row = maps.accounts.get(&id)?;
            Some(Listed {
                id,
                address: row.address.clone(),
                created: row.created,
                quota: row.quota,
            })
        });
        listed.collect()
    }

    /// Makes an account with the usual mailboxes.
    ///
    /// # Errors
    /// [`Why::AlreadyExists`], [`Why::Nonexistent`] if the domain is not ours, or if it cannot be
    /// stored.
    pub async fn add_account(&self, address: &Address, password: &str) -> Outcome<AccountId> {
        self.inner.directory.maps().ours(&address.host)?;
        let row = AccountRow {
            address: address.clone(),
            created: self.inner.outside.now(),
            password: self.digest(password).await?,
            quota: None,
        };
        self.edit(|maps| {
            maps.ours(&address.host)?;
            let name = lower(address);
            let alias = AliasSource::Address(name.clone());
            if maps.by_address.contains_key(&name) || maps.aliases.contains_key(&alias) {
                return Err(already(format!("{address} is taken")));
            }
            let house = HouseRow {
                account: maps.house.account + 1,
                ..maps.house
            };
            let id = AccountId(house.account);
            let first = first_writes(id, row.created);
            let edits = vec![Edit::House(house), Edit::Account(id, row)];
            Ok((id, edits, Some(first)))
        })
        .await
    }

    /// Removes an account and its mail; who is logged in to it is not welcome any more.
    ///
    /// # Errors
    /// [`Why::Nonexistent`], or if it cannot be stored.
    pub async fn remove_account(&self, address: &Address) -> Outcome<()> {
        let id = self
            .edit(|maps| {
                let (id, _) = maps.known(address)?;
                let shares = maps.shares.iter().copied();
                let its = shares.filter(|(to, by)| *to == id || *by == id);
                let edits = std::iter::once(Edit::NoAccount(id)).chain(its.map(Edit::NoShare));
                Ok((id, edits.collect(), None))
            })
            .await?;
        let done = self.erase(id).await;
        self.keeper(id).stir();
        done
    }

    /// Gives an account another password; who is logged in to it with the old one is not welcome
    /// any more.
    ///
    /// # Errors
    /// [`Why::Nonexistent`], or if it cannot be stored.
    pub async fn set_password(&self, address: &Address, password: &str) -> Outcome<()> {
        self.inner.directory.maps().known(address)?;
        let password = self.digest(password).await?;
        let id = self
            .edit(|maps| {
                let (id, mut row) = maps.known(address)?;
                row.password = password;
                Ok((id, vec![Edit::Account(id, row)], None))
            })
            .await?;
        self.keeper(id).stir();
        Ok(())
    }

    /// Keeps keys for SCRAM-SHA-1 beside the others, if the password is still the one with this
    /// salt and nobody else has done it.
    ///
    /// # Errors
    /// [`Why::AlreadyExists`], or if it cannot be stored.
    pub(crate) async fn keep_sha1_keys(
        &self,
        id: AccountId,
        salt: [u8; 16],
        keys: Scram<20>,
    ) -> Outcome<()> {
        self.edit(|maps| {
            let row = maps
                .accounts
                .get(&id)
                .filter(|row| row.password.scram.salt == salt && row.password.scram_sha1.is_none());
            let mut row = row
                .cloned()
                .ok_or_else(|| already("other keys are there".to_owned()))?;
            row.password.scram_sha1 = Some(Box::new(keys));
            Ok(((), vec![Edit::Account(id, row)], None))
        })
        .await
    }

    pub(crate) async fn edit<T>(
        &self,
        change: impl FnOnce(&Maps) -> Outcome<(T, Vec<Edit>, Option<Writes>)>,
    ) -> Outcome<T> {
        let store = self.inner.store.as_ref();
        self.inner.directory.change(store, change).await
    }

    /// Deletes all rows of an account that the directory no longer knows.
    async fn erase(&self, id: AccountId) -> Outcome<()> {
        let keeper = self.keeper(id);
        let store = self.inner.store.as_ref();
        let version = store.version(keeper.partition()).await;
        let mut writes = Vec::new();
        for table in crate::tables::ALL {
            scan(store, keeper.partition(), table, |row| {
                let key = row.key.clone();
                writes.push(Write::Delete { table, key });
                Some(())
            })
            .await?;
        }
        let part = Writes {
            partition: keeper.partition(),
            from: version.map_err(Error::reading("removing an account"))?,
            writes,
        };
        let batch = Batch {
            parts: vec![part],
            blobs: Vec::new(),
        };
        let done = store.commit(batch).await.map_err(Error::commit);
        keeper.forget();
        done?;
        keeper.index.erase(store, keeper.partition()).await
    }
}

async fn read(store: &dyn Store) -> Outcome<(Version, Maps)> {
    let at = Partition::DIRECTORY;
    let version = store.version(at).await;
    let version = version.map_err(Error::reading("reading the directory"))?;
    let mut maps = Maps::default();
    scan(store, at, rows::HOUSE, |row| {
        maps.house = HouseRow::read(&row.value)?;
        Some(())
    })
    .await?;
    scan(store, at, rows::DOMAINS, |row| {
        maps.domains.insert(rows::read_domain(&row.key)?);
        Some(())
    })
    .await?;
    scan(store, at, rows::ACCOUNTS, |row| {
        let (id, row) = AccountRow::read(&row.key, &row.value)?;
        maps.by_address.insert(lower(&row.address), id);
        maps.accounts.insert(id, row);
        Some(())
    })
    .await?;
    scan(store, at, rows::ALIASES, |row| {
        let alias = Alias::read(&row.key, &row.value)?;
        maps.aliases.insert(alias.source, alias.targets);
        Some(())
    })
    .await?;
    scan(store, at, rows::SHARES, |row| {
        maps.shares.insert(rows::read_share(&row.key)?);
        Some(())
    })
    .await?;
    Ok((version, maps))
}

/// What a new account's partition begins with.
fn first_writes(id: AccountId, now: Timestamp) -> Writes {
    let mut ledger = Ledger::new(Version::default());
    let mut draft = Draft::new(&mut ledger);
    for (name, role) in FIRST_MAILBOXES {
        draft.add_mailbox(name, role, now);
        draft.subscribe(name, true);
    }
    Writes {
        partition: Partition(id.0),
        from: Version::default(),
        writes: draft.finish().map(|(writes, _)| writes).unwrap_or_default(),
    }
}

/// The address as the maps have it: only here may the case of a local part be ignored.
// RFC 5321 §2.4
pub(crate) fn lower(address: &Address) -> Address {
    let local = LocalPart::new(&address.local.as_str().to_lowercase());
    Address {
        local: local.unwrap_or_else(|| address.local.clone()),
        host: address.host.clone(),
    }
}

fn already(text: String) -> Error {
    Error::refused(Why::AlreadyExists, 550, [5, 2, 0], text)
}
