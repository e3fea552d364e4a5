//! Where an address leads: to accounts here, elsewhere, or nowhere (RFC 5321 §3.3, §4.5.1).
//!
//! Not here: the way through aliases and `.forward` files (`walk`).

use std::sync::Arc;

use mail::{AccountId, Address, Enhanced, ForwardPath, Host, LocalPart, Refusal};

use self::walk::Walk;
use crate::directory::{lower, without_detail};
use crate::queue::{PROGRAMS, programs_of};
use crate::{Account, Post};

mod walk;

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

/// Whether what reaches an account goes on by its owner's `.forward`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtAccounts {
    /// Where it has one.
    GoesOn,
    /// It stays: the question is whose an address is, or somebody else has gone by that file.
    Stays,
}

impl Post {
    /// Says where an address leads. Reads nothing but the directory in memory.
    ///
    /// Local parts are compared without regard to case; `ada+lists@` is `ada@` unless somebody
    /// else has that very name; a domain's catch-all comes last. At a relayed domain aliases come
    /// first, and its catch-all counts for those whom its list has not. What reaches an account
    /// whose owner has a `.forward` goes where that says.
    #[must_use]
    pub fn route(&self, path: &ForwardPath) -> Route {
        self.route_by(path, AtAccounts::GoesOn).0
    }

    /// Says to whose accounts an address leads, whatever their owners' `.forward` files say.
    #[must_use]
    pub fn route_to_accounts(&self, path: &ForwardPath) -> Route {
        self.route_by(path, AtAccounts::Stays).0
    }

    /// Says where an address leads, and by whose `.forward`: the addresses of their accounts.
    pub(crate) fn route_by(&self, path: &ForwardPath, at: AtAccounts) -> (Route, Vec<Address>) {
        let maps = self.inner.directory.maps();
        let forwards = match at {
            AtAccounts::GoesOn => self.forwards(),
            AtAccounts::Stays => Arc::default(),
        };
        let mut walk = Walk::begin(&maps, &self.inner.rules, self.alias_file(), forwards);
        let is_caretakers = match path {
            // RFC 5321 §4.5.1
            ForwardPath::Postmaster => {
                walk.bare_postmaster();
                true
            }
            ForwardPath::Address(address) if !walk.takes(&address.host) => {
                // Whoever has trouble with this machine knows its name.
                let ours = address.host == self.inner.rules.host;
                if !ours || !is_reserved(address.local.as_str()) {
                    return (Route::Elsewhere, Vec::new());
                }
                walk.bare_postmaster();
                true
            }
            ForwardPath::Address(address) => {
                walk.follow(address, 0);
                // An alias for them that leads nowhere does not silence them.
                // RFC 5321 §4.5.1
                let is_reserved = is_reserved(address.local.as_str());
                if walk.is_empty() && is_reserved {
                    walk.fall_back_of(address, 0);
                }
                is_reserved
            }
        };
        walk.stay_with_circular();
        // Nor does a `.forward` of theirs.
        if walk.is_empty() && is_caretakers {
            walk.stay_with_caretaker();
        }
        let by = walk.by();
        (self.found(walk), by)
    }

    /// What a walk has come to.
    fn found(&self, walk: Walk<'_>) -> Route {
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

    /// Where letters to this very address wait for programs of this machine, as the queue calls it;
    /// none for an address of which programs get none.
    ///
    /// An account's own address is that of its owner's programs, whatever the file says by now: no
    /// letter leaves for another host because it was changed meanwhile.
    pub(crate) fn programs_at(&self, address: &Address) -> Option<String> {
        let (file, forwards) = (self.alias_file(), self.forwards());
        if file.is_empty() && forwards.domain().is_none() {
            return None;
        }
        let maps = self.inner.directory.maps();
        let own = maps.own_domain(&self.inner.rules);
        let address = lower(address);
        if !maps.has(&address.host) {
            return None;
        }
        let base = base_of(&address);
        for name in [Some(&address), base.as_ref()].into_iter().flatten() {
            if maps.account(name).is_some() {
                return forwards.user(name).map(|user| programs_of(&user));
            }
            if file.programs(name, own) > 0 {
                return Some(PROGRAMS.to_owned());
            }
        }
        None
    }

    /// Whoever reads what is for the owner of the house, where no alias says otherwise.
    pub(crate) fn caretaker(&self) -> Option<AccountId> {
        let maps = self.inner.directory.maps();
        let walk = Walk::begin(&maps, &self.inner.rules, Arc::default(), Arc::default());
        walk.caretaker().map(|(id, _)| id)
    }

    /// True if the account has this address: then it may write in its name.
    pub(crate) fn owns(&self, account: &Account, address: &Address) -> bool {
        self.is_of(account.id(), address)
    }

    /// True if the account with this id has this address: mail to it reaches the account, unless
    /// its owner sends it on.
    pub(crate) fn is_of(&self, account: AccountId, address: &Address) -> bool {
        let path = ForwardPath::Address(address.clone());
        self.route_to_accounts(&path).reaches(account)
    }
}

impl Route {
    /// True if it leads to this address at another host.
    pub(crate) fn leaves_for(&self, address: &Address) -> bool {
        match self {
            Self::Forwarded { addresses, .. } => {
                let lowered = lower(address);
                addresses.iter().any(|one| lower(one) == lowered)
            }
            Self::Local(_) | Self::Elsewhere | Self::Relayed { .. } | Self::Nowhere(_) => false,
        }
    }

    /// True if it leads to this account.
    pub(crate) fn reaches(&self, account: AccountId) -> bool {
        match self {
            Self::Local(accounts) | Self::Forwarded { accounts, .. } => accounts.contains(&account),
            Self::Elsewhere | Self::Relayed { .. } | Self::Nowhere(_) => false,
        }
    }

    /// The accounts that it leads to.
    pub(crate) fn accounts(self) -> Vec<AccountId> {
        match self {
            Self::Local(accounts) | Self::Forwarded { accounts, .. } => accounts,
            Self::Elsewhere | Self::Relayed { .. } | Self::Nowhere(_) => Vec::new(),
        }
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
