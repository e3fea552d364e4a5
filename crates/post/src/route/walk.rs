//! A way through aliases, and through the `.forward` files of those whom it reaches.

use std::collections::BTreeSet;
use std::sync::Arc;

use mail::{AccountId, Address, Host};

use super::{at, base_of, is_reserved, is_routed};
use crate::directory::{Maps, lower, without_detail};
use crate::{AliasFile, AliasName, AliasSource, Elsewhere, Forwards, RecipientList, Rules};

/// A way through the aliases.
pub(super) struct Walk<'a> {
    maps: &'a Maps,
    rules: &'a Rules,
    file: Arc<AliasFile>,
    /// The `.forward` files that are gone by.
    forwards: Arc<Forwards>,
    pub(super) found: BTreeSet<AccountId>,
    /// Addresses at other hosts, and those here that programs get the letters of.
    pub(super) outside: BTreeSet<Address>,
    /// That the address itself is at a relayed domain and no alias, and whether a list has it.
    pub(super) relayed: Option<bool>,
    seen: BTreeSet<AliasSource>,
    /// Whose `.forward` it went by: the addresses of their accounts.
    by: BTreeSet<Address>,
    /// Whose it goes by now.
    forwarder: Option<AccountId>,
    /// How often it came somewhere, or to where it had been.
    arrivals: usize,
    pub(super) circular: bool,
    /// True if a limit kept it from going on.
    pub(super) cut: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn begin(
        maps: &'a Maps,
        rules: &'a Rules,
        file: Arc<AliasFile>,
        forwards: Arc<Forwards>,
    ) -> Self {
        Self {
            maps,
            rules,
            file,
            forwards,
            found: BTreeSet::new(),
            outside: BTreeSet::new(),
            relayed: None,
            seen: BTreeSet::new(),
            by: BTreeSet::new(),
            forwarder: None,
            arrivals: 0,
            circular: false,
            cut: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.found.len() + self.outside.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty() && self.outside.is_empty() && self.relayed.is_none()
    }

    /// Whose `.forward` it went by: the addresses of their accounts.
    pub(super) fn by(&self) -> Vec<Address> {
        self.by.iter().cloned().collect()
    }

    /// True for a domain whose mail is taken.
    pub(super) fn takes(&self, domain: &Host) -> bool {
        self.maps.has(domain)
    }

    /// It ends at an account.
    fn stay(&mut self, account: AccountId) {
        self.arrivals += 1;
        self.found.insert(account);
    }

    /// It ends at another host, or at programs.
    fn leave(&mut self, address: Address) {
        self.arrivals += 1;
        self.outside.insert(address);
    }

    /// It was here before.
    const fn come_round(&mut self) {
        self.arrivals += 1;
        self.circular = true;
    }

    fn may_leave(&self) -> bool {
        self.rules.elsewhere == Elsewhere::Relay
    }

    pub(super) fn bare_postmaster(&mut self) {
        let at_home = self.maps.own_domain(self.rules);
        let at_home = at_home.and_then(|domain| at(domain, "postmaster"));
        if let Some(address) = at_home {
            self.follow(&address, 0);
        }
        if self.is_empty() {
            self.fall_back(0);
        }
    }

    pub(super) fn follow(&mut self, named: &Address, depth: usize) {
        self.cut |= depth > self.rules.alias_depth_max;
        self.cut |= self.len() > self.rules.alias_targets_max;
        let address = lower(named);
        if self.cut || self.direct(&address, &address, depth) {
            return;
        }
        let local = address.local.as_str();
        let relayed = self.maps.relayed.get(&address.host);
        let list = relayed.and_then(|relayed| relayed.list.as_deref());
        if list.is_some_and(|list| list.has(local)) {
            self.go_on(named, true, depth);
            return;
        }
        if let Some(base) = base_of(&address)
            && self.direct(&base, &address, depth)
        {
            return;
        }
        let base = without_detail(local);
        let has_base = |list: &RecipientList| base.is_some_and(|base| list.has(base));
        let is_listed = list.is_some_and(has_base) && !is_routed(local);
        if is_listed || (relayed.is_some() && list.is_none()) {
            self.go_on(named, is_listed, depth);
            return;
        }
        // RFC 5321 §4.5.1
        if is_reserved(local) {
            self.fall_back_of(named, depth);
            return;
        }
        self.alias(AliasSource::CatchAll(address.host.clone()), &address, depth);
    }

    /// To the host that has the mail of a relayed domain; by an alias, if anything is sent at all.
    fn go_on(&mut self, named: &Address, is_listed: bool, depth: usize) {
        if depth == 0 {
            self.relayed = Some(is_listed);
        } else if self.may_leave() {
            self.leave(named.clone());
        }
    }

    /// An account or an alias with this very name, for letters to an address that may have a detail
    /// besides; true if there is one.
    fn direct(&mut self, address: &Address, whole: &Address, depth: usize) -> bool {
        if let Some((id, _)) = self.maps.account(address) {
            self.reach((id, address), whole, depth);
            return true;
        }
        let source = AliasSource::Address(address.clone());
        self.alias(source, address, depth) || self.in_file(address, whole, depth)
    }

    /// An alias of the file; true if there is one.
    fn in_file(&mut self, address: &Address, whole: &Address, depth: usize) -> bool {
        if self.file.is_empty() {
            return false;
        }
        let own = self.maps.own_domain(self.rules);
        let file = Arc::clone(&self.file);
        let Some((targets, domain)) = file.targets(address, own) else {
            return false;
        };
        if self.seen.insert(AliasSource::Address(address.clone())) {
            if self.may_leave() && file.programs(address, own) > 0 {
                self.leave(whole.clone());
            }
            self.lead_names(address, targets, domain, depth);
        } else {
            self.come_round();
        }
        true
    }

    /// An account is reached, of which the address in lower case is `address`: it ends there, or
    /// goes on by its owner's `.forward`.
    fn reach(&mut self, (id, address): (AccountId, &Address), whole: &Address, depth: usize) {
        // Who is named in the own file keeps the letter.
        if self.forwarder == Some(id) {
            return self.stay(id);
        }
        let forwards = Arc::clone(&self.forwards);
        let Some(forward) = forwards.of(address) else {
            return self.stay(id);
        };
        if !self.by.insert(address.clone()) {
            return self.come_round();
        }
        let (before, outer) = (self.arrivals, self.forwarder.replace(id));
        if self.may_leave() && forward.programs > 0 {
            self.leave(whole.clone());
        }
        self.lead_names(address, &forward.to, forwards.domain(), depth);
        self.forwarder = outer;
        // A file that leads to nobody loses nothing.
        if self.arrivals == before {
            self.stay(id);
        }
    }

    /// Where names of a file lead, those without a domain being of this one.
    fn lead_names(
        &mut self,
        from: &Address,
        names: &[AliasName],
        domain: Option<&Host>,
        depth: usize,
    ) {
        for name in names {
            let Some(target) = name.whole(domain) else {
                continue;
            };
            let mailbox = match name {
                AliasName::Mailbox(_) => self.mailbox(&target),
                AliasName::Local(_) | AliasName::Address(_) => None,
            };
            match mailbox {
                Some(id) => self.stay(id),
                None => self.lead(from, &[target], depth),
            }
        }
    }

    /// The account with this address, or with that before its detail.
    fn mailbox(&self, address: &Address) -> Option<AccountId> {
        let base = || self.maps.account(&base_of(address)?);
        let found = self.maps.account(address).or_else(base);
        found.map(|(id, _)| id)
    }

    /// Where an alias leads that an address, in lower case, is.
    fn lead(&mut self, from: &Address, targets: &[Address], depth: usize) {
        for target in targets {
            // One at a relayed domain may lead to that very address there, and to others besides.
            let is_relayed = self.maps.relayed.contains_key(&target.host);
            let stays = is_relayed && lower(target) == *from;
            if self.takes(&target.host) && !stays {
                self.follow(target, depth + 1);
            } else if self.may_leave() {
                self.leave(target.clone());
            }
        }
    }

    fn alias(&mut self, source: AliasSource, from: &Address, depth: usize) -> bool {
        let Some(targets) = self.maps.aliases.get(&source) else {
            return false;
        };
        if !self.seen.insert(source) {
            self.come_round();
            return true;
        }
        self.lead(from, targets, depth);
        true
    }

    /// Whoever looks after a domain: of a relayed one, that is known where its mail goes.
    // RFC 5321 §4.5.1
    pub(super) fn fall_back_of(&mut self, named: &Address, depth: usize) {
        match self.maps.relayed.contains_key(&named.host) {
            true => self.go_on(named, false, depth),
            false => self.fall_back(depth),
        }
    }

    /// Ends at those whose own files lead in a circle, where others get the letter: nobody would
    /// tell its sender.
    pub(super) fn stay_with_circular(&mut self) {
        if !self.circular || self.is_empty() {
            return;
        }
        for address in self.by() {
            let forwards = Arc::clone(&self.forwards);
            let mut own = Self::begin(self.maps, self.rules, Arc::clone(&self.file), forwards);
            own.follow(&address, 0);
            if own.is_empty() && !own.cut {
                self.found.extend(self.mailbox(&address));
            }
        }
    }

    /// Leads to whoever reads what is for the owner of the house.
    fn fall_back(&mut self, depth: usize) {
        if let Some((id, address)) = self.caretaker() {
            self.reach((id, &address), &address, depth);
        }
    }

    /// Ends at whoever reads what is for the owner of the house, whatever their `.forward` says.
    pub(super) fn stay_with_caretaker(&mut self) {
        if let Some((id, _)) = self.caretaker() {
            self.stay(id);
        }
    }

    /// Whoever reads what is for the owner of the house: not an account that nobody may look at.
    pub(super) fn caretaker(&self) -> Option<(AccountId, Address)> {
        let named = self.rules.postmaster.as_ref();
        let named = named.and_then(|address| self.maps.account(address));
        let oldest = || {
            let mut people = self.maps.accounts.iter();
            let oldest = people.find(|(_, row)| !row.is_shared());
            oldest.map(|(id, row)| (*id, row))
        };
        let found = named.or_else(oldest);
        found.map(|(id, row)| (id, lower(&row.address)))
    }
}
