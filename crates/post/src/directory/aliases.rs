//! Aliases: addresses that lead to others (RFC 5321 §3.9.1).

use std::fmt;

use mail::{Address, Host};

use super::{Edit, already, lower};
use crate::{Elsewhere, Error, Outcome, Post};

/// What an alias stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AliasSource {
    /// One address.
    Address(Address),
    /// All addresses of a domain that are nobody else's; of a relayed one, those that its list has
    /// not.
    CatchAll(Host),
}

/// Writes the address, or `@domain` for a catch-all.
impl fmt::Display for AliasSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::CatchAll(domain) => write!(f, "@{domain}"),
        }
    }
}

/// An alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// What it stands for.
    pub source: AliasSource,
    /// Where its mail goes: accounts or aliases of this house, or addresses elsewhere where mail
    /// is sent from here.
    pub targets: Vec<Address>,
}

impl Post {
    /// The aliases, sorted.
    #[must_use]
    pub fn aliases(&self) -> Vec<Alias> {
        let maps = self.inner.directory.maps();
        let aliases = maps.aliases.iter().map(|(source, targets)| Alias {
            source: source.clone(),
            targets: targets.clone(),
        });
        aliases.collect()
    }

    /// Sets an alias; one with the same source is replaced.
    ///
    /// # Errors
    /// [`Why::Nonexistent`] if a domain is neither ours nor relayed (of a target: not ours where
    /// nothing is sent from here), [`Why::AlreadyExists`] if an account has that address,
    /// [`Why::Limit`], or if it cannot be stored.
    pub async fn add_alias(&self, alias: Alias) -> Outcome<()> {
        if alias.targets.is_empty() || alias.targets.len() > self.inner.rules.alias_targets_max {
            return Err(Error::limit(
                "An alias has one target or more, not too many",
            ));
        }
        self.edit(|maps| {
            let alias = Alias {
                source: lower_source(&alias.source),
                // Elsewhere the case of a local part may matter.
                targets: alias
                    .targets
                    .iter()
                    .map(|target| match maps.domains.contains(&target.host) {
                        true => lower(target),
                        false => target.clone(),
                    })
                    .collect(),
            };
            match &alias.source {
                AliasSource::Address(address) => maps.takes(&address.host)?,
                AliasSource::CatchAll(domain) => maps.takes(domain)?,
            }
            if self.inner.rules.elsewhere != Elsewhere::Relay {
                for target in &alias.targets {
                    maps.ours(&target.host)?;
                }
            }
            if let AliasSource::Address(address) = &alias.source
                && maps.by_address.contains_key(address)
            {
                return Err(already(format!("{address} is an account")));
            }
            Ok(((), vec![Edit::Alias(alias)], None))
        })
        .await
    }

    /// Removes an alias.
    ///
    /// # Errors
    /// [`Why::Nonexistent`], or if it cannot be stored.
    pub async fn remove_alias(&self, source: &AliasSource) -> Outcome<()> {
        self.edit(|maps| {
            let source = lower_source(source);
            if !maps.aliases.contains_key(&source) {
                return Err(Error::nonexistent("There is no such alias"));
            }
            Ok(((), vec![Edit::NoAlias(source)], None))
        })
        .await
    }
}

fn lower_source(source: &AliasSource) -> AliasSource {
    match source {
        AliasSource::Address(address) => AliasSource::Address(lower(address)),
        AliasSource::CatchAll(domain) => AliasSource::CatchAll(domain.clone()),
    }
}
