//! Where an address leads: to accounts here, elsewhere, or nowhere (RFC 5321 §3.3, §4.5.1).

use std::collections::BTreeSet;
use std::sync::Arc;

use mail::{AccountId, Address, Enhanced, ForwardPath, Host, LocalPart, Refusal};

use crate::directory::{Maps, lower, without_detail};
use crate::{Account, AliasFile, AliasSource, Elsewhere, Post, RecipientList, Rules};

/// Where an address leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To these accounts; never empty, none twice, sorted.
    Local(Vec<AccountId>),
    /// By aliases to these accounts, none or some, and to these addresses at other hosts; none
    /// twice, sorted.
    Forwarded {
        /// Accounts here.
        accounts: Vec<AccountId>,
        /// Addresses elsewhere, and those here that programs get the letters of
        /// ([`PROGRAMS`](crate::queue::PROGRAMS)); never empty.
        addresses: Vec<Address>,
    },
    /// To another host.
    Elsewhere,
    /// To another host, for which mail to this domain is taken from anybody.
    Relayed {
        /// True if a list has the address; where there is none, only that host knows.
        is_listed: bool,
    },
    /// Nowhere: there is no such user at a domain that is ours or relayed, or its aliases run in a
    /// circle.
    Nowhere(Refusal),
}

impl Post {
    /// Says where an address leads. Reads nothing but the directory in memory.
    ///
    /// Local parts are compared without regard to case; `ada+lists@` is `ada@` unless somebody
    /// else has that very name; a domain's catch-all comes last. At a relayed domain aliases come
    /// first, and its catch-all counts for those whom its list has not.
    #[must_use]
    pub fn route(&self, path: &ForwardPath) -> Route {
        let maps = self.inner.directory.maps();
        let mut walk = Walk {
            maps: &maps,
            file: self.alias_file(),
            rules: &self.inner.rules,
            found: BTreeSet::new(),
            outside: BTreeSet::new(),
            relayed: None,
            seen: BTreeSet::new(),
            circular: false,
            cut: false,
        };
        match path {
            // RFC 5321 §4.5.1
            ForwardPath::Postmaster => walk.bare_postmaster(),
            ForwardPath::Address(address) if !walk.takes(&address.host) => {
                // Whoever has trouble with this machine knows its name.
                let ours = address.host == self.inner.rules.host;
                if !ours || !is_reserved(address.local.as_str()) {
                    return Route::Elsewhere;
                }
                walk.bare_postmaster();
            }
            ForwardPath::Address(address) => {
                walk.follow(address, 0);
                // An alias for them that leads nowhere does not silence them.
                // RFC 5321 §4.5.1
                if walk.is_empty() && is_reserved(address.local.as_str()) {
                    walk.fall_back_of(address, 0);
                }
            }
        }
        // Nobody is left out in silence.
        if walk.cut || walk.len() > self.inner.rules.alias_targets_max {
            let text = "This address leads to too many";
            return Route::Nowhere(Refusal::new(550, Enhanced::new(5, 2, 4), text));
        }
        if let Some(is_listed) = walk.relayed {
            return Route::Relayed { is_listed };
        }
        if !walk.is_empty() {
            let accounts = walk.found.into_iter().collect();
            let addresses: Vec<Address> = walk.outside.into_iter().collect();
            return match addresses.is_empty() {
                true => Route::Local(accounts),
                false => Route::Forwarded {
                    accounts,
                    addresses,
                },
            };
        }
        Route::Nowhere(if walk.circular {
            let enhanced = Enhanced::new(5, 4, 6);
            Refusal::new(
                550,
                enhanced,
                "The aliases of this address lead in a circle",
            )
        } else {
            Refusal::new(550, Enhanced::new(5, 1, 1), "There is no such user here")
        })
    }

    /// True if programs of the file of aliases get letters to this very address.
    pub(crate) fn is_for_programs(&self, address: &Address) -> bool {
        let file = self.alias_file();
        if file.is_empty() {
            return false;
        }
        let maps = self.inner.directory.maps();
        let own = maps.own_domain(&self.inner.rules);
        let address = lower(address);
        let base = base_of(&address);
        let mut names = [Some(&address), base.as_ref()].into_iter().flatten();
        maps.has(&address.host) && names.any(|name| file.programs(name, own) > 0)
    }

    /// True if mail to this address reaches the account: then it may write in its name.
    pub(crate) fn owns(&self, account: &Account, address: &Address) -> bool {
        self.is_of(account.id(), address)
    }

    /// True if mail to this address reaches the account with this id.
    pub(crate) fn is_of(&self, account: AccountId, address: &Address) -> bool {
        match self.route(&ForwardPath::Address(address.clone())) {
            Route::Local(accounts) | Route::Forwarded { accounts, .. } => {
                accounts.contains(&account)
            }
            Route::Elsewhere | Route::Relayed { .. } | Route::Nowhere(_) => false,
        }
    }
}

/// A way through the aliases.
struct Walk<'a> {
    maps: &'a Maps,
    file: Arc<AliasFile>,
    rules: &'a Rules,
    found: BTreeSet<AccountId>,
    /// Addresses at other hosts, and those here that programs get the letters of.
    outside: BTreeSet<Address>,
    /// That the address itself is at a relayed domain and no alias, and whether a list has it.
    relayed: Option<bool>,
    seen: BTreeSet<AliasSource>,
    circular: bool,
    /// True if a limit kept it from going on.
    cut: bool,
}

impl Walk<'_> {
    fn len(&self) -> usize {
        self.found.len() + self.outside.len()
    }

    fn is_empty(&self) -> bool {
        self.found.is_empty() && self.outside.is_empty() && self.relayed.is_none()
    }

    /// True for a domain whose mail is taken.
    fn takes(&self, domain: &Host) -> bool {
        self.maps.has(domain)
    }

    fn bare_postmaster(&mut self) {
        let at_home = self.maps.own_domain(self.rules);
        let at_home = at_home.and_then(|domain| at(domain, "postmaster"));
        if let Some(address) = at_home {
            self.follow(&address, 0);
        }
        if self.is_empty() {
            self.fall_back();
        }
    }

    fn follow(&mut self, named: &Address, depth: usize) {
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
        } else if self.rules.elsewhere == Elsewhere::Relay {
            self.outside.insert(named.clone());
        }
    }

    /// An account or an alias with this very name, for letters to an address that may have a detail
    /// besides; true if there is one.
    fn direct(&mut self, address: &Address, whole: &Address, depth: usize) -> bool {
        if let Some((id, _)) = self.maps.account(address) {
            self.found.insert(id);
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
        let Some(targets) = self.file.targets(address, own) else {
            return false;
        };
        if self.seen.insert(AliasSource::Address(address.clone())) {
            let leaves = self.rules.elsewhere == Elsewhere::Relay;
            if leaves && self.file.programs(address, own) > 0 {
                self.outside.insert(whole.clone());
            }
            self.lead(address, &targets, depth);
        } else {
            self.circular = true;
        }
        true
    }

    /// Where an alias leads that an address, in lower case, is.
    fn lead(&mut self, from: &Address, targets: &[Address], depth: usize) {
        for target in targets {
            // One at a relayed domain may lead to that very address there, and to others besides.
            let is_relayed = self.maps.relayed.contains_key(&target.host);
            let stays = is_relayed && lower(target) == *from;
            if self.takes(&target.host) && !stays {
                self.follow(target, depth + 1);
            } else if self.rules.elsewhere == Elsewhere::Relay {
                self.outside.insert(target.clone());
            }
        }
    }

    fn alias(&mut self, source: AliasSource, from: &Address, depth: usize) -> bool {
        let Some(targets) = self.maps.aliases.get(&source) else {
            return false;
        };
        if !self.seen.insert(source) {
            self.circular = true;
            return true;
        }
        self.lead(from, targets, depth);
        true
    }

    /// Whoever looks after a domain: of a relayed one, that is known where its mail goes.
    // RFC 5321 §4.5.1
    fn fall_back_of(&mut self, named: &Address, depth: usize) {
        match self.maps.relayed.contains_key(&named.host) {
            true => self.go_on(named, false, depth),
            false => self.fall_back(),
        }
    }

    /// Whoever reads what is for the owner of the house: not an account that nobody may look at.
    fn fall_back(&mut self) {
        let named = self.rules.postmaster.as_ref();
        let named = named.and_then(|address| Some(self.maps.account(address)?.0));
        let mut people = self
            .maps
            .accounts
            .iter()
            .filter(|(_, row)| !row.is_shared());
        let oldest = people.next().map(|(id, _)| *id);
        self.found.extend(named.or(oldest));
    }
}

/// True for a local part that some hosts take for a way to another address. Only the host that has
/// it may know.
// RFC 5321 §2.3.11
pub(crate) fn is_routed(local: &str) -> bool {
    local.contains(['@', '%', '!'])
}

/// True for names of whoever looks after the house.
pub(crate) fn is_reserved(local: &str) -> bool {
    ["postmaster", "abuse"]
        .iter()
        .any(|name| local.eq_ignore_ascii_case(name))
}

/// `ada@` of `ada+lists@`.
fn base_of(address: &Address) -> Option<Address> {
    at(&address.host, without_detail(address.local.as_str())?)
}

fn at(host: &Host, local: &str) -> Option<Address> {
    Some(Address {
        local: LocalPart::new(local)?,
        host: host.clone(),
    })
}
