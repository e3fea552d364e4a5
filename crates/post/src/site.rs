//! What whoever runs the house gives scripts to work with: scripts before and after everybody's
//! own, scripts for all to include, lists, and which header fields tell of spam and viruses.
//!
//! All of it is made when the house is opened, and the same as long as it is open.
//!
//! Not here: where it is written (the caller), when scripts run (`filter`).
//!
//! RFC 6609 §3.2 (`:global`), RFC 6134 (lists), RFC 5235 (scores).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use mail::Network;
use sieve::Script;

mod lists;
mod scores;

pub(crate) use lists::addresses_in;
use lists::{DEFAULT_BOOK, OWN_BOOK};
pub use lists::{MailList, MailListError, list_name};
pub use scores::{ScoreForm, SpamField, VirusField};

/// What whoever runs the house gives scripts to work with.
#[derive(Clone, Debug, Default)]
pub struct SieveRules {
    /// Scripts that run before each account's own, in this order.
    pub before: Vec<Arc<Script>>,
    /// Scripts that run after it.
    pub after: Vec<Arc<Script>>,
    /// Scripts that every script may include (`:global`), by name.
    pub global: BTreeMap<String, Arc<Script>>,
    /// Lists, by the names that [`list_name`] gives.
    pub lists: BTreeMap<String, Arc<MailList>>,
    /// The field in which a filter for spam tells its score.
    pub spam: Option<SpamField>,
    /// The field in which a filter for viruses tells what it found.
    pub virus: Option<VirusField>,
    /// Whose such fields are believed. Those of others are taken out of their letters.
    pub trusted: Vec<Network>,
}

/// A list that a script names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Listing<'a> {
    Of(&'a MailList),
    /// The own addresses of the script's owner.
    Own,
    Empty,
}

impl SieveRules {
    /// True if every letter has a script to pass, whether its reader has one or not.
    pub(crate) const fn has_scripts(&self) -> bool {
        !self.before.is_empty() || !self.after.is_empty()
    }

    /// The names of the fields that a peer may not bring along.
    pub(crate) fn forbidden(&self, peer: IpAddr) -> Vec<&str> {
        let spam = self.spam.as_ref().map(|field| field.name.as_str());
        let virus = self.virus.as_ref().map(|field| field.name.as_str());
        let mut names: Vec<&str> = spam.into_iter().chain(virus).collect();
        if !names.is_empty() && self.believes(peer) {
            names.clear();
        }
        names
    }

    /// A list by any of its names.
    pub(crate) fn list(&self, name: &str) -> Option<Listing<'_>> {
        let name = list_name(name)?;
        match self.lists.get(&name) {
            Some(list) => Some(Listing::Of(list)),
            None if name == OWN_BOOK => Some(Listing::Own),
            // Nobody here has an address book; this one there must be.
            // RFC 6134 §2.5
            None if name == DEFAULT_BOOK => Some(Listing::Empty),
            None => None,
        }
    }

    /// True if what this peer's letters tell of spam and viruses is believed.
    pub(crate) fn believes(&self, peer: IpAddr) -> bool {
        let mut trusted = self.trusted.iter();
        trusted.any(|network| network.contains(peer))
    }
}
