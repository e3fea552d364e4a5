//! Who lives here: domains, accounts, aliases.

use mail::{AccountId, Address, Host, Timestamp};

use crate::{Error, Fault, Outcome, Post};

/// An account as the directory lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: AccountId,
    /// Its name: what it logs in with, and its first address.
    pub address: Address,
    /// When it was made.
    pub created: Timestamp,
}

/// What an alias stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AliasSource {
    /// One address.
    Address(Address),
    /// All addresses of a domain that are nobody else's.
    CatchAll(Host),
}

/// An alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// What it stands for.
    pub source: AliasSource,
    /// Where its mail goes: accounts or aliases of this house.
    pub targets: Vec<Address>,
}

impl Post {
    /// The domains that are ours, sorted.
    #[must_use]
    pub fn domains(&self) -> Vec<Host> {
        Vec::new()
    }

    /// Makes a domain ours.
    ///
    /// # Errors
    /// [`crate::Why::AlreadyExists`], or if it cannot be stored.
    pub async fn add_domain(&self, domain: &Host) -> Outcome<()> {
        let _ = domain;
        Err(Error::Fault(Fault::Unfinished("directory")))
    }

    /// Gives a domain up; it must have no accounts and no aliases.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`], [`crate::Why::InUse`], or if it cannot be stored.
    pub async fn remove_domain(&self, domain: &Host) -> Outcome<()> {
        let _ = domain;
        Err(Error::Fault(Fault::Unfinished("directory")))
    }

    /// The accounts, sorted by address.
    #[must_use]
    pub fn accounts(&self) -> Vec<Listed> {
        Vec::new()
    }

    /// Makes an account with the usual mailboxes.
    ///
    /// # Errors
    /// [`crate::Why::AlreadyExists`], [`crate::Why::Nonexistent`] if the domain is not ours, or if
    /// it cannot be stored.
    pub async fn add_account(&self, address: &Address, password: &str) -> Outcome<AccountId> {
        let _ = (address, password);
        Err(Error::Fault(Fault::Unfinished("directory")))
    }

    /// Removes an account from the directory: nobody logs in to it, nothing is delivered to it.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`], or if it cannot be stored.
    pub async fn remove_account(&self, address: &Address) -> Outcome<()> {
        let _ = address;
        Err(Error::Fault(Fault::Unfinished("directory")))
    }

    /// Gives an account another password.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`], or if it cannot be stored.
    pub async fn set_password(&self, address: &Address, password: &str) -> Outcome<()> {
        let _ = (address, password);
        Err(Error::Fault(Fault::Unfinished("directory")))
    }

    /// The aliases, sorted.
    #[must_use]
    pub fn aliases(&self) -> Vec<Alias> {
        Vec::new()
    }

    /// Sets an alias; one with the same source is replaced.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if a domain is not ours, [`crate::Why::Limit`], or if it cannot
    /// be stored.
    pub async fn add_alias(&self, alias: Alias) -> Outcome<()> {
        let _ = alias;
        Err(Error::Fault(Fault::Unfinished("directory")))
    }

    /// Removes an alias.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`], or if it cannot be stored.
    pub async fn remove_alias(&self, source: &AliasSource) -> Outcome<()> {
        let _ = source;
        Err(Error::Fault(Fault::Unfinished("directory")))
    }
}
