//! Who lives here: domains, accounts, aliases. Held in memory whole; changed rarely.

mod aliases;
mod compare;
mod domains;
mod file;
mod forward;
mod quota;
mod recipients;
mod removed;
pub(crate) mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use mail::{AccountId, Address, Host, LocalPart, Role, Timestamp};
use store::{Batch, Partition, Store, Version, Write, Writes};

pub use crate::directory::aliases::{Alias, AliasSource};
pub(crate) use crate::directory::domains::Relayed;
use crate::directory::domains::RelayedChange;
pub use crate::directory::domains::{RecipientPage, RelayedDomain};
pub use crate::directory::file::{AliasFile, AliasName};
pub use crate::directory::forward::{Forward, Forwards, UserName};
pub(crate) use crate::directory::recipients::without_detail;
pub use crate::directory::recipients::{RecipientList, RecipientsGathered, read_recipient};
pub use crate::directory::removed::RemovedAccount;
use crate::directory::rows::{AccountRow, DomainRow, HouseRow, Password, RemovedRow, Scram};
use crate::draft::Draft;
use crate::ledger::{Ledger, scan};
use crate::{Error, Outcome, Outside, Post, Quota, Rules, Why};

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
    /// True if it is nobody's own: nobody logs in as it.
    pub shared: bool,
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
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Maps {
    house: HouseRow,
    /// Those that are ours.
    pub(crate) domains: BTreeSet<Host>,
    /// Those whose mail is for other hosts.
    pub(crate) relayed: BTreeMap<Host, Relayed>,
    pub(crate) accounts: BTreeMap<AccountId, AccountRow>,
    pub(crate) by_address: BTreeMap<Address, AccountId>,
    pub(crate) aliases: BTreeMap<AliasSource, Vec<Address>>,
    /// Who may have been given something (0 for anyone), and by whom.
    pub(crate) shares: BTreeSet<(AccountId, AccountId)>,
    /// Accounts that were removed and can come back.
    pub(crate) removed: BTreeMap<AccountId, RemovedRow>,
}

impl Maps {
    /// The domain of names without one: our own name, if it is a domain here, or the first domain
    /// here.
    pub(crate) fn own_domain(&self, rules: &Rules) -> Option<&Host> {
        self.domains
            .get(&rules.host)
            .or_else(|| self.domains.first())
    }
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

    /// The address of an account, and the salt of its password if it has one.
    pub(crate) fn known(&self, id: AccountId) -> Option<(Address, Option<[u8; 16]>)> {
        let maps = self.maps();
        let row = maps.accounts.get(&id)?;
        Some((row.address.clone(), row.salt()))
    }

    /// True if it is nobody's own.
    pub(crate) fn is_shared(&self, id: AccountId) -> bool {
        self.maps()
            .accounts
            .get(&id)
            .is_some_and(AccountRow::is_shared)
    }

    /// True if it was removed and can come back.
    pub(crate) fn is_removed(&self, id: AccountId) -> bool {
        self.maps().removed.contains_key(&id)
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
            writes: edits.iter().flat_map(Edit::writes).collect(),
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
    Relayed(RelayedChange),
    Account(AccountId, AccountRow),
    NoAccount(AccountId),
    Alias(Alias),
    NoAlias(AliasSource),
    Share((AccountId, AccountId)),
    NoShare((AccountId, AccountId)),
    Removed(AccountId, RemovedRow),
    NoRemoved(AccountId),
}

impl Edit {
    fn writes(&self) -> Vec<Write> {
        let write = match self {
            Self::Relayed(change) => return change.writes(),
            Self::House(row) => row.put(),
            Self::Domain(domain) => DomainRow::Local.put(domain),
            Self::NoDomain(domain) => DomainRow::delete(domain),
            Self::Account(id, row) => row.put(*id),
            Self::NoAccount(id) => AccountRow::delete(*id),
            Self::Alias(alias) => alias.put(),
            Self::NoAlias(source) => Alias::delete(source),
            Self::Share(share) => rows::put_share(*share),
            Self::NoShare(share) => rows::delete_share(*share),
            Self::Removed(id, row) => row.put(*id),
            Self::NoRemoved(id) => RemovedRow::delete(*id),
        };
        vec![write]
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
            Self::Relayed(change) => change.apply(maps),
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
            Self::Removed(id, row) => {
                maps.removed.insert(id, row);
            }
            Self::NoRemoved(id) => {
                maps.removed.remove(&id);
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

    pub(crate) fn known(&self, address: &Address) -> Outcome<(AccountId, AccountRow)> {
        let found = self.account(address).map(|(id, row)| (id, row.clone()));
        found.ok_or_else(|| Error::nonexistent("There is no such account"))
    }

    /// The same, if somebody logs in as it.
    fn person(&self, address: &Address) -> Outcome<(AccountId, AccountRow)> {
        let (id, row) = self.known(address)?;
        match row.is_shared() {
            true => Err(Error::cannot(
                "It is a shared account: nobody logs in as it",
            )),
            false => Ok((id, row)),
        }
    }
}

impl Post {
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
                shared: row.is_shared(),
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
        let password = self.digest(password).await?;
        self.settle(address, Some(password)).await
    }

    /// Makes an account that is nobody's own, with an `INBOX`: nobody logs in as it, and those who
    /// are given rights find its mailboxes under `Shared`.
    ///
    /// # Errors
    /// As [`Post::add_account`].
    pub async fn add_shared_account(&self, address: &Address) -> Outcome<AccountId> {
        self.settle(address, None).await
    }

    /// Makes an account with this password, or a shared one.
    async fn settle(&self, address: &Address, password: Option<Password>) -> Outcome<AccountId> {
        let row = AccountRow {
            address: address.clone(),
            created: self.inner.outside.now(),
            password,
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
            let first = first_writes(id, &row);
            let edits = vec![Edit::House(house), Edit::Account(id, row)];
            Ok((id, edits, Some(first)))
        })
        .await
    }

    /// Gives an account another password; who is logged in to it with the old one is not welcome
    /// any more.
    ///
    /// # Errors
    /// [`Why::Nonexistent`], [`Why::Cannot`] for a shared account, or if it cannot be stored.
    pub async fn set_password(&self, address: &Address, password: &str) -> Outcome<()> {
        self.inner.directory.maps().person(address)?;
        let password = self.digest(password).await?;
        let id = self
            .edit(|maps| {
                let (id, mut row) = maps.person(address)?;
                row.password = Some(password);
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
            let mut row = maps.accounts.get(&id).cloned();
            let kept = row.as_mut().and_then(|row| row.password.as_mut());
            let kept = kept.filter(|kept| kept.scram.salt == salt && kept.scram_sha1.is_none());
            let taken = || already("other keys are there".to_owned());
            kept.ok_or_else(taken)?.scram_sha1 = Some(Box::new(keys));
            let edits = row.map(|row| Edit::Account(id, row));
            Ok(((), edits.into_iter().collect(), None))
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
    domains::read(store, &mut maps).await?;
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
    scan(store, at, rows::REMOVED, |row| {
        let (id, row) = RemovedRow::read(&row.key, &row.value)?;
        maps.removed.insert(id, row);
        Some(())
    })
    .await?;
    Ok((version, maps))
}

/// What a new account's partition begins with.
fn first_writes(id: AccountId, row: &AccountRow) -> Writes {
    let mut ledger = Ledger::new(Version::default());
    let mut draft = Draft::new(&mut ledger);
    let mailboxes = match row.is_shared() {
        true => 1,
        false => FIRST_MAILBOXES.len(),
    };
    for (name, role) in FIRST_MAILBOXES.into_iter().take(mailboxes) {
        draft.add_mailbox(name, role, row.created);
        draft.subscribe(name, true);
    }
    draft.begin_to_remember(row.created);
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
