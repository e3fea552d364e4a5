//! Aliases of a file: they are beside those in the store, and give way to them and to accounts.
//!
//! Not here: how the file is read (`server`), where an address leads (`route`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError};

use mail::{Address, Host, LocalPart};

use super::lower;
use crate::Post;

/// What an alias of a file stands for, or leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AliasName {
    /// A name without a domain: one of this machine's.
    Local(LocalPart),
    /// An address, here or elsewhere.
    Address(Address),
}

/// Writes the name, or the address.
impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(local) => local.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// The aliases of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AliasFile {
    /// The domain of names without one; without it our own name, if it is a domain here, or the
    /// first domain here.
    domain: Option<Host>,
    names: BTreeMap<AliasName, Led>,
}

/// Where a name leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Led {
    to: Vec<AliasName>,
    /// How many programs get its letters besides.
    programs: usize,
}

impl AliasFile {
    /// These, of which the last counts where a name is there twice.
    #[must_use]
    pub fn new(
        domain: Option<Host>,
        aliases: impl IntoIterator<Item = (AliasName, Vec<AliasName>)>,
    ) -> Self {
        let led = |to| Led { to, programs: 0 };
        let names = aliases.into_iter();
        Self {
            domain,
            names: names.map(|(name, to)| (lowered(&name), led(to))).collect(),
        }
    }

    /// The same, in which these names lead to so many programs besides.
    #[must_use]
    pub fn with_programs(mut self, counts: impl IntoIterator<Item = (AliasName, usize)>) -> Self {
        for (name, programs) in counts {
            self.names.entry(lowered(&name)).or_default().programs = programs;
        }
        self
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// All of them, sorted, each with where it leads and to how many programs besides.
    pub fn iter(&self) -> impl Iterator<Item = (&AliasName, &[AliasName], usize)> {
        let names = self.names.iter();
        names.map(|(name, led)| (name, led.to.as_slice(), led.programs))
    }

    fn led(&self, address: &Address, domain: Option<&Host>) -> Option<&Led> {
        let is_local = domain == Some(&address.host);
        let local = || self.names.get(&AliasName::Local(address.local.clone()));
        let found = self.names.get(&AliasName::Address(address.clone()));
        found.or_else(|| is_local.then(local).flatten())
    }

    /// To how many programs an address in lower case leads, by itself, names having this domain
    /// where none is set.
    pub(crate) fn programs(&self, address: &Address, own: Option<&Host>) -> usize {
        let led = self.led(address, self.domain.as_ref().or(own));
        led.map_or(0, |led| led.programs)
    }

    /// Where an address in lower case leads, names having this domain where none is set.
    pub(crate) fn targets(&self, address: &Address, own: Option<&Host>) -> Option<Vec<Address>> {
        let domain = self.domain.as_ref().or(own);
        let found = &self.led(address, domain)?.to;
        let whole = |name: &AliasName| match name {
            AliasName::Address(address) => Some(address.clone()),
            AliasName::Local(local) => Some(Address {
                local: local.clone(),
                host: domain?.clone(),
            }),
        };
        Some(found.iter().filter_map(whole).collect())
    }
}

fn lowered(name: &AliasName) -> AliasName {
    match name {
        AliasName::Address(address) => AliasName::Address(lower(address)),
        AliasName::Local(local) => {
            let text = local.as_str().to_lowercase();
            AliasName::Local(LocalPart::new(&text).unwrap_or_else(|| local.clone()))
        }
    }
}

impl Post {
    /// The aliases of the file that was read last.
    #[must_use]
    pub fn alias_file(&self) -> Arc<AliasFile> {
        let file = self.inner.alias_file.read();
        Arc::clone(&file.unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on, these are the aliases of the file.
    pub fn set_alias_file(&self, file: AliasFile) {
        let held = self.inner.alias_file.write();
        *held.unwrap_or_else(PoisonError::into_inner) = Arc::new(file);
    }
}
