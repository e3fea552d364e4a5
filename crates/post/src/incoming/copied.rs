//! Who gets a message besides those whom it names, and who is another here than it says.
//!
//! Not here: what fits whom (`rewrite`).
//!
//! RFC 3461 §5.2.7 (what is reported of another address), RFC 6409 §6.1 and §8 (what a submission
//! server may change).

use std::collections::BTreeSet;

use mail::{AccountId, Address, ForwardPath, Notify, Recipient, ReversePath};

use super::{Incoming, Origin, Sender, original};
use crate::queue::Entry;
use crate::spool::Spooled;
use crate::{Elsewhere, Post, Route};

/// Who gets a copy of a message.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// True once it was found out.
    is_known: bool,
    /// Those here who get it as a copy only.
    pub(super) accounts: BTreeSet<AccountId>,
    /// Those at other hosts.
    pub(super) elsewhere: Vec<Recipient>,
    /// What the queue gets for them.
    pub(super) entries: Vec<Entry>,
}

impl Post {
    /// Gives a letter of this house the sender that it has here; tells what was changed.
    pub(super) fn rewrite_sender(&self, origin: &Origin, sender: &mut Sender) -> Option<String> {
        let rules = self.rules();
        let other = rules.rewriting.sender(&sender.reverse_path);
        let other = other.filter(|_| rules.is_of_house(origin))?;
        let told = format!("rewrite: sender {} to <{other}>", sender.reverse_path);
        sender.reverse_path = ReversePath::Address(other);
        Some(told)
    }
}

impl Incoming {
    /// The recipient as it is here; what was asked for is reported of the address that was named.
    pub(super) fn rewritten(&self, recipient: Recipient) -> Recipient {
        let rules = self.house.rules();
        let Some(other) = rules.rewriting.recipient(&recipient.forward_path) else {
            return recipient;
        };
        let named = &recipient.forward_path;
        Recipient {
            orcpt: recipient.orcpt.or_else(|| original(named)),
            forward_path: ForwardPath::Address(other),
            notify: recipient.notify,
        }
    }

    /// Where a recipient leads. One that is at another host because it was rewritten is led there
    /// as by an alias, whoever names it.
    /// With it, whose `.forward` says so.
    pub(super) fn way_of(&self, named: &Recipient, recipient: &Recipient) -> (Route, Vec<Address>) {
        let path = &recipient.forward_path;
        let rules = self.house.rules();
        let at = self.origin.protocol.at_accounts();
        let (route, by) = self.house.route_by(path, at);
        let route = match (route, path) {
            (Route::Elsewhere, ForwardPath::Address(address))
                if named.forward_path != *path
                    && rules.elsewhere == Elsewhere::Relay
                    && !rules.is_of_house(&self.origin) =>
            {
                Route::Forwarded {
                    accounts: Vec::new(),
                    addresses: vec![address.clone()],
                }
            }
            (route, _) => route,
        };
        (route, by)
    }

    /// Remembers whom it names, where that matters, and tells whom it named.
    pub(super) fn address(&mut self, (path, named): (ForwardPath, ForwardPath)) {
        if path != named {
            self.note(format!("rewrite: recipient {named} to {path}"));
        }
        if !self.house.rules().rewriting.copies.is_empty() {
            self.addressed.push(path);
        }
    }

    /// Finds out who gets a copy, once all recipients are named.
    pub(super) fn add_copies(&mut self) {
        if std::mem::replace(&mut self.copies.is_known, true) || self.named == 0 {
            return;
        }
        let rules = self.house.rules();
        let sender = &self.sender.reverse_path;
        let copies = rules.rewriting.copies(sender, &self.addressed);
        for to in copies {
            let path = ForwardPath::Address(to.clone());
            let (accounts, addresses) = match self.house.route(&path) {
                Route::Local(accounts) => (accounts, Vec::new()),
                Route::Forwarded {
                    accounts,
                    addresses,
                } => (accounts, addresses),
                Route::Elsewhere | Route::Relayed { .. }
                    if self.house.rules().elsewhere == Elsewhere::Relay =>
                {
                    (Vec::new(), vec![to])
                }
                // The letter itself is not worse for it.
                Route::Elsewhere | Route::Relayed { .. } | Route::Nowhere(_) => {
                    tracing::error!(journey = %self.journey, to = %path, "a copy leads nowhere");
                    self.note(format!("copy: none to {path}, which leads nowhere"));
                    continue;
                }
            };
            self.note(format!("copy: to {path}"));
            let only: Vec<AccountId> = accounts
                .into_iter()
                .filter(|account| !self.local.contains(account))
                .collect();
            self.copies.accounts.extend(only);
            for address in addresses {
                let path = ForwardPath::Address(address);
                let known = self.relayed.iter().chain(&self.copies.elsewhere);
                if known.into_iter().all(|one| one.forward_path != path) {
                    self.copies.elsewhere.push(Recipient {
                        forward_path: path,
                        // Whoever has sent it does not know of it.
                        notify: Some(Notify::Never),
                        orcpt: None,
                    });
                }
            }
        }
        self.local.extend(&self.copies.accounts);
    }

    /// What the queue gets for copies.
    pub(super) fn copy_entries(&self, spooled: &Spooled) -> Vec<Entry> {
        if self.copies.elsewhere.is_empty() {
            return Vec::new();
        }
        let letter = self.entry(spooled);
        let letter = Entry {
            reverse_path: self.house.sent_on_as(&letter.reverse_path),
            front: self.house.sealed(self.sealable(), None, &[]),
            ret: None,
            envid: None,
            ..letter
        };
        self.house.entries(&letter, &self.copies.elsewhere)
    }
}
