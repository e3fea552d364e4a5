//! Domains: those that are ours, and those whose mail is taken for another host.
//!
//! Mail for a local domain is kept here. Mail for a relayed domain is taken from anybody as well,
//! and sent on to the host that has it: this host stands in front of that one (a gateway), or takes
//! its mail while it is away (a further exchanger of the domain).
//!
//! Not here: who is at a relayed domain (`recipients`), where its mail goes (the relay).
//!
//! RFC 5321 §2.3.10 and §3.6.2 (gateways and relays), §5.1 (exchangers).

use std::collections::BTreeMap;
use std::sync::Arc;

use mail::Host;
use store::{Partition, Store, Write};

use super::recipients::{RecipientList, RecipientsGathered, fits};
use super::rows::{self, DomainRow};
use super::{Edit, Maps, already};
use crate::ledger::scan;
use crate::{AliasSource, Elsewhere, Error, Fault, Outcome, Post, Why};

/// Octets that a row has about of a list.
const PIECE_OCTETS: usize = 32 << 10;

/// A domain whose mail is taken for another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayedDomain {
    /// The domain.
    pub name: Host,
    /// How many addresses its list has; `None` where there is no list, and everybody is taken.
    pub recipients: Option<usize>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientPage {
    /// Local parts, in their order.
    pub locals: Vec<String>,
    /// True if there are more.
    pub more: bool,
}

/// What is known of a relayed domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Relayed {
    /// Who is there; `None` where nobody says.
    pub(crate) list: Option<Arc<RecipientList>>,
    /// Rows that the list has.
    pub(crate) pieces: u32,
}

/// A change of a relayed domain: what it is from now on, and how many rows its list had.
pub(crate) struct RelayedChange {
    domain: Host,
    now: Option<Relayed>,
    /// What is written of the list that is new.
    pieces: Vec<Write>,
    before: u32,
}

impl RelayedChange {
    fn new(domain: &Host, before: u32, list: Option<Arc<RecipientList>>) -> Self {
        let pieces = list.as_ref().map(|list| pieces(domain, list));
        let pieces = pieces.unwrap_or_default();
        let count = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        Self {
            domain: domain.clone(),
            now: Some(Relayed {
                list,
                pieces: count,
            }),
            pieces,
            before,
        }
    }

    fn none(domain: &Host, before: u32) -> Self {
        Self {
            domain: domain.clone(),
            now: None,
            pieces: Vec::new(),
            before,
        }
    }

    /// The domain's row, and those of its list; what the one before had more goes.
    pub(super) fn writes(&self) -> Vec<Write> {
        let own = match &self.now {
            Some(relayed) => {
                let pieces = relayed.list.as_ref().map(|_| relayed.pieces);
                DomainRow::Relayed { pieces }.put(&self.domain)
            }
            None => DomainRow::delete(&self.domain),
        };
        let kept = self.now.as_ref().map_or(0, |relayed| relayed.pieces);
        let over = (kept..self.before).map(|piece| rows::delete_recipients(&self.domain, piece));
        let own = std::iter::once(own).chain(self.pieces.iter().cloned());
        own.chain(over).collect()
    }

    pub(super) fn apply(self, maps: &mut Maps) {
        match self.now {
            Some(relayed) => maps.relayed.insert(self.domain, relayed),
            None => maps.relayed.remove(&self.domain),
        };
    }
}

/// Reads all domains, and the lists of those that are relayed.
pub(super) async fn read(store: &dyn Store, maps: &mut Maps) -> Outcome<()> {
    let at = Partition::DIRECTORY;
    // Of each list how many pieces it has, and those that were read.
    let mut lists: BTreeMap<Host, (u32, u32, RecipientsGathered)> = BTreeMap::new();
    scan(store, at, rows::DOMAINS, |row| {
        let (domain, row) = DomainRow::read(&row.key, &row.value)?;
        match row {
            DomainRow::Local => {
                maps.domains.insert(domain);
            }
            DomainRow::Relayed { pieces } => {
                if let Some(pieces) = pieces {
                    lists.insert(domain.clone(), (pieces, 0, RecipientsGathered::default()));
                }
                maps.relayed.insert(domain, Relayed::default());
            }
        }
        Some(())
    })
    .await?;
    scan(store, at, rows::RECIPIENTS, |row| {
        let (domain, piece, locals) = rows::read_recipients(&row.key, &row.value)?;
        let (_, next, gathered) = lists.get_mut(&domain)?;
        if piece != *next {
            return None;
        }
        *next += 1;
        locals.into_iter().for_each(|local| gathered.add(local));
        Some(())
    })
    .await?;
    for (domain, (pieces, read, gathered)) in lists {
        // Half a list would refuse people who are there.
        if read != pieces {
            return Err(Fault::Row("a relayed domain").into());
        }
        let list = Some(Arc::new(gathered.finish()));
        maps.relayed.insert(domain, Relayed { list, pieces });
    }
    Ok(())
}

/// A list in rows.
fn pieces(domain: &Host, list: &RecipientList) -> Vec<Write> {
    let (mut writes, mut some, mut octets) = (Vec::new(), Vec::new(), 0);
    let mut end = |some: &mut Vec<&str>| {
        let number = u32::try_from(writes.len()).unwrap_or(u32::MAX);
        writes.push(rows::put_recipients(domain, number, some));
        some.clear();
    };
    for name in list.iter() {
        octets += name.len() + 1;
        some.push(name);
        if octets >= PIECE_OCTETS {
            end(&mut some);
            octets = 0;
        }
    }
    if !some.is_empty() {
        end(&mut some);
    }
    writes
}

impl Maps {
    /// Refuses a domain that is not ours.
    pub(super) fn ours(&self, domain: &Host) -> Outcome<()> {
        if self.domains.contains(domain) {
            return Ok(());
        }
        if self.relayed.contains_key(domain) {
            let text = format!("{domain} is relayed: it has no accounts here");
            return Err(Error::cannot(text));
        }
        Err(Error::nonexistent(format!("{domain} is not our domain")))
    }

    /// True for a domain that is ours or relayed.
    pub(crate) fn has(&self, domain: &Host) -> bool {
        self.domains.contains(domain) || self.relayed.contains_key(domain)
    }

    /// Refuses a domain that is neither ours nor relayed.
    pub(super) fn takes(&self, domain: &Host) -> Outcome<()> {
        match self.relayed.contains_key(domain) {
            true => Ok(()),
            false => self.ours(domain),
        }
    }

    fn relayed(&self, domain: &Host) -> Outcome<&Relayed> {
        let found = self.relayed.get(domain);
        found.ok_or_else(|| match self.domains.contains(domain) {
            true => Error::cannot(format!(
                "{domain} is local: its accounts and aliases are there"
            )),
            false => Error::nonexistent(format!("{domain} is not a domain here")),
        })
    }

    /// Refuses a domain that is here already.
    fn is_new(&self, domain: &Host) -> Outcome<()> {
        if self.domains.contains(domain) {
            return Err(already(format!("{domain} is already ours, and local")));
        }
        if self.relayed.contains_key(domain) {
            return Err(already(format!("{domain} is here already, and relayed")));
        }
        Ok(())
    }
}

impl Post {
    /// The domains that are ours, sorted.
    #[must_use]
    pub fn domains(&self) -> Vec<Host> {
        let maps = self.inner.directory.maps();
        maps.domains.iter().cloned().collect()
    }

    /// The domains whose mail is taken for other hosts, sorted.
    #[must_use]
    pub fn relayed_domains(&self) -> Vec<RelayedDomain> {
        let maps = self.inner.directory.maps();
        let all = maps.relayed.iter().map(|(name, relayed)| RelayedDomain {
            name: name.clone(),
            recipients: relayed.list.as_ref().map(|list| list.len()),
        });
        all.collect()
    }

    /// Makes a domain ours.
    ///
    /// # Errors
    /// [`Why::AlreadyExists`], or if it cannot be stored.
    pub async fn add_domain(&self, domain: &Host) -> Outcome<()> {
        self.edit(|maps| {
            maps.is_new(domain)?;
            Ok(((), vec![Edit::Domain(domain.clone())], None))
        })
        .await
    }

    /// Takes a domain's mail for another host from now on, for everybody who may be there.
    ///
    /// # Errors
    /// [`Why::AlreadyExists`]; [`Why::Cannot`] where nothing is sent from here, and for our own
    /// name; or if it cannot be stored.
    pub async fn add_relayed_domain(&self, domain: &Host) -> Outcome<()> {
        if self.rules().elsewhere != Elsewhere::Relay {
            let text = "Mail for other hosts is not sent from here, so no domain can be relayed";
            return Err(Error::cannot(text));
        }
        if *domain == self.rules().host {
            let text = format!("{domain} is this host's own name: its mail is not for another");
            return Err(Error::cannot(text));
        }
        self.edit(|maps| {
            maps.is_new(domain)?;
            let change = RelayedChange::new(domain, 0, None);
            Ok(((), vec![Edit::Relayed(change)], None))
        })
        .await
    }

    /// Gives a domain up, ours or relayed; it must have no accounts and no aliases. A list of who
    /// is there goes with it; what waits for it in the queue stays.
    ///
    /// # Errors
    /// [`Why::Nonexistent`], [`Why::InUse`], or if it cannot be stored.
    pub async fn remove_domain(&self, domain: &Host) -> Outcome<()> {
        self.edit(|maps| {
            maps.takes(domain)?;
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
            let edit = match maps.relayed.get(domain) {
                Some(relayed) => Edit::Relayed(RelayedChange::none(domain, relayed.pieces)),
                None => Edit::NoDomain(domain.clone()),
            };
            Ok(((), vec![edit], None))
        })
        .await
    }

    /// Says who is there at a relayed domain, in the place of what was said before; with `None`,
    /// everybody may be. Tells how many are on the list.
    ///
    /// # Errors
    /// [`Why::Nonexistent`]; [`Why::Cannot`] for a domain of ours and for an empty list, by which
    /// nobody would be taken; [`Why::Limit`], or if it cannot be stored.
    pub async fn set_recipients(
        &self,
        domain: &Host,
        list: Option<RecipientList>,
    ) -> Outcome<usize> {
        if list.as_ref().is_some_and(RecipientList::is_empty) {
            let text = "The list is empty: nobody would be taken";
            return Err(Error::cannot(text));
        }
        let count = list.as_ref().map_or(0, RecipientList::len);
        let list = list.map(Arc::new);
        // Who says the same every night writes nothing.
        if self.inner.directory.maps().relayed(domain)?.list == list {
            return Ok(count);
        }
        self.edit(|maps| {
            let before = maps.relayed(domain)?.pieces;
            let others = maps.relayed.iter().filter(|(name, _)| *name != domain);
            let others = others.filter_map(|(_, relayed)| relayed.list.as_ref());
            let all = others.chain(&list);
            let (mut addresses, mut octets) = (0, 0);
            for one in all {
                addresses += one.len();
                octets += one.octets();
            }
            fits(addresses, octets)?;
            let change = RelayedChange::new(domain, before, list.clone());
            Ok((count, vec![Edit::Relayed(change)], None))
        })
        .await
    }

    /// Who is there at a relayed domain: at most `max` local parts behind `after`; `None` where
    /// there is no list.
    ///
    /// # Errors
    /// [`Why::Nonexistent`], or [`Why::Cannot`] for a domain of ours.
    pub fn recipients(
        &self,
        domain: &Host,
        after: Option<&str>,
        max: usize,
    ) -> Outcome<Option<RecipientPage>> {
        let list = self.inner.directory.maps().relayed(domain)?.list.clone();
        Ok(list.map(|list| {
            let mut behind = list.behind(after);
            RecipientPage {
                locals: behind.by_ref().take(max).map(str::to_owned).collect(),
                more: behind.next().is_some(),
            }
        }))
    }
}
