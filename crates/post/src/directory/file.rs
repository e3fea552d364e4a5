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
    /// Of a user of this machine the very mailbox, `\name`: whatever their `.forward` says. Only
    /// ever where something leads.
    Mailbox(LocalPart),
}

/// Writes it as it stands in a file.
impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(local) => local.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Mailbox(local) => write!(f, "\\{local}"),
        }
    }
}

impl AliasName {
    /// The address that it is, names having this domain.
    pub(crate) fn whole(&self, domain: Option<&Host>) -> Option<Address> {
        match self {
            Self::Address(address) => Some(address.clone()),
            Self::Local(local) | Self::Mailbox(local) => Some(Address {
                local: local.clone(),
                host: domain?.clone(),
            }),
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

    /// Where an address in lower case leads, and the domain of names there; that is this one where
    /// none is set.
    pub(crate) fn targets<'a>(
        &'a self,
        address: &Address,
        own: Option<&'a Host>,
    ) -> Option<(&'a [AliasName], Option<&'a Host>)> {
        let domain = self.domain.as_ref().or(own);
        Some((self.led(address, domain)?.to.as_slice(), domain))
    }
}

fn lowered(name: &AliasName) -> AliasName {
    let lower_local = |local: &LocalPart| {
        let lower = LocalPart::new(&local.as_str().to_lowercase());
        lower.unwrap_or_else(|| local.clone())
    };
    match name {
        AliasName::Address(address) => AliasName::Address(lower(address)),
        AliasName::Local(local) => AliasName::Local(lower_local(local)),
        AliasName::Mailbox(local) => AliasName::Mailbox(lower_local(local)),
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
