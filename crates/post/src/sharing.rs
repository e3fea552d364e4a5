//! What accounts share: access control lists changed and told, and the mailboxes of others: of
//! people under `Other Users`, of accounts that are nobody's own under `Shared` (RFC 4314,
//! RFC 2342).
//!
//! The directory notes who shares something with whom, so that a list need not look at every
//! account. That note may say too much, never too little: it is durable before the right is given.
//!
//! Not here: what a right allows (`access` and the rooms that ask it).

use std::sync::Arc;

use mail::{AccountId, Address, Rights};

use crate::access::{ANYONE, Grantee, TELLS, forbidden, nowhere};
use crate::directory::rows::AccountRow;
use crate::directory::{Edit, lower};
use crate::ledger::Ledger;
use crate::{Account, Error, Mailbox, Outcome, Why};

/// Letters of an address that no level of a mailbox's name can have, and the one that they are
/// written with: `=2F`.
const ESCAPED: [char; 4] = ['/', '%', '*', '='];

/// How an entry of an access control list changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RightsChange {
    /// These rights and no others.
    Replace(Rights),
    /// These as well.
    Add(Rights),
    /// Not these any more.
    Remove(Rights),
}

/// An account of somebody else, as one that it shares something with sees it.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// The account.
    pub account: Account,
    /// What the names of its mailboxes begin with.
    pub prefix: String,
}

impl RightsChange {
    fn of(self, before: Rights) -> Rights {
        match self {
            Self::Replace(rights) => rights,
            Self::Add(rights) => before | rights,
            Self::Remove(rights) => before & !rights,
        }
    }
}

impl Account {
    /// What other users' mailboxes' names begin with; levels follow it.
    pub const OTHER_USERS: &'static str = "Other Users/";
    /// What the names of mailboxes in shared accounts begin with.
    pub const SHARED: &'static str = "Shared/";
    /// What the names of mailboxes begin with that have what was removed from the account's own.
    pub const REMOVED_MAIL: &'static str = "Removed Mail/";
    /// All of them.
    pub const OTHERS: [&'static str; 3] = [Self::OTHER_USERS, Self::SHARED, Self::REMOVED_MAIL];

    /// What the names of an account's mailboxes begin with at others.
    const fn level(shared: bool) -> &'static str {
        match shared {
            true => Self::SHARED,
            false => Self::OTHER_USERS,
        }
    }

    /// True if it is nobody's own.
    pub(crate) fn is_shared(&self) -> bool {
        self.house.inner.directory.is_shared(self.id())
    }

    /// The account that has the mailbox of this name, and its name there. Whether there is one is
    /// not looked up.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if the name is of a user who shares nothing with this account.
    pub async fn place(&self, name: &str) -> Outcome<(Self, String)> {
        let own = || (self.clone(), name.to_owned());
        if let Some(there) = name.strip_prefix(Self::REMOVED_MAIL) {
            if self.look(|ledger| ledger.find(name).is_some()).await? {
                return Ok(own());
            }
            let view = self.removed_mail().await?.ok_or_else(nowhere)?;
            return Ok((view, there.to_owned()));
        }
        let mut levels = [false, true].into_iter();
        let under =
            levels.find_map(|shared| Some((shared, name.strip_prefix(Self::level(shared))?)));
        let Some((shared, there)) = under else {
            return Ok(own());
        };
        // One from before names of this kind were taken keeps its name.
        if self.look(|ledger| ledger.find(name).is_some()).await? {
            return Ok(own());
        }
        let (user, name) = there.split_once('/').ok_or_else(nowhere)?;
        let owner = self.sharer(user, shared).ok_or_else(nowhere)?;
        Ok((self.visit(owner)?, name.to_owned()))
    }

    /// The same for a mailbox that is to be made.
    ///
    /// # Errors
    /// [`crate::Why::Policy`] if the name is of a user who shares nothing with this account.
    pub async fn place_new(&self, name: &str) -> Outcome<(Self, String)> {
        let place = self.place(name).await;
        place.map_err(|error| match error.why() {
            Why::Nonexistent => forbidden(),
            _ => error,
        })
    }

    /// Another account as this one may see it.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if it is not there.
    pub fn visit(&self, owner: AccountId) -> Outcome<Self> {
        if let Some(view) = self.removed_mail_of(owner) {
            return Ok(view);
        }
        self.house
            .inner
            .directory
            .address_of(owner)
            .ok_or_else(nowhere)?;
        Ok(Self {
            keeper: self.house.keeper(owner),
            visitor: Some(self.id()),
            gauge: Arc::clone(&self.gauge),
            ..self.clone()
        })
    }

    /// The owner, if somebody else looks at the account.
    #[must_use]
    pub fn visited(&self) -> Option<AccountId> {
        self.visitor.map(|_| self.id())
    }

    fn sharer(&self, user: &str, shared: bool) -> Option<AccountId> {
        let address = Address::parse(&unescape(user)?).ok()?;
        let maps = self.house.inner.directory.maps();
        let (owner, row) = maps.account(&address)?;
        if row.is_shared() != shared {
            return None;
        }
        let shares = [ANYONE, self.id()]
            .iter()
            .any(|grantee| maps.shares.contains(&(*grantee, owner)));
        (shares && owner != self.id()).then_some(owner)
    }

    /// The mailboxes of others that this account may see, by their names here.
    ///
    /// # Errors
    /// If an account cannot be read.
    pub async fn shared_mailboxes(&self) -> Outcome<Vec<(AccountId, Mailbox)>> {
        let mut shared = Vec::new();
        for (owner, prefix) in self.sharers() {
            // It may have gone since.
            let Ok(there) = self.visit(owner) else {
                continue;
            };
            let Ok(mailboxes) = there.mailboxes().await else {
                continue;
            };
            shared.extend(mailboxes.into_iter().map(|mailbox| {
                let name = format!("{prefix}{}", mailbox.name);
                // Roles and subscriptions are its owner's, not the visitor's.
                let named = Mailbox {
                    name,
                    role: None,
                    subscribed: false,
                    ..mailbox
                };
                (owner, named)
            }));
        }
        Ok(shared)
    }

    /// The accounts of others that have mailboxes of these names, below these names or, if
    /// `subscribed`, of the names subscribed to; as far as they share anything with this one.
    ///
    /// # Errors
    /// [`crate::Why::Limit`] if they are too many, or if the account cannot be read.
    pub async fn neighbours(
        &self,
        names: &[String],
        trees: &[String],
        subscribed: bool,
    ) -> Outcome<Vec<Neighbour>> {
        let subscriptions = match subscribed {
            true => self.subscriptions().await?,
            false => Vec::new(),
        };
        let others = |name: &&String| Self::OTHERS.iter().any(|level| name.starts_with(level));
        let named = names.iter().chain(trees).chain(&subscriptions);
        let named: Vec<&String> = named.filter(others).collect();
        let whole = |tree: &String| {
            Self::OTHERS
                .iter()
                .any(|level| level.trim_end_matches('/') == tree)
        };
        if named.is_empty() && !trees.iter().any(whole) {
            return Ok(Vec::new());
        }
        let mut neighbours = Vec::new();
        for (owner, prefix) in self.sharers() {
            let below = |name: &&String| name.starts_with(&prefix);
            let above = |tree: &String| {
                let rest = prefix.strip_prefix(tree.as_str());
                rest.is_some_and(|rest| rest.starts_with('/'))
            };
            if !named.iter().any(below) && !trees.iter().any(above) {
                continue;
            }
            // It may have gone since.
            let Ok(account) = self.visit(owner) else {
                continue;
            };
            neighbours.push(Neighbour { account, prefix });
        }
        if neighbours.len() > self.house.rules().neighbours_max {
            return Err(Error::limit("So many users cannot be watched at once"));
        }
        Ok(neighbours)
    }

    /// The account of somebody else, whether or not it shares anything; `None` if it is gone.
    #[must_use]
    pub fn neighbour(&self, owner: AccountId) -> Option<Neighbour> {
        let prefix = prefix(self.house.inner.directory.maps().accounts.get(&owner)?);
        Some(Neighbour {
            account: self.visit(owner).ok()?,
            prefix,
        })
    }

    /// Who shares something, each with what the names of its mailboxes begin with.
    fn sharers(&self) -> Vec<(AccountId, String)> {
        let maps = self.house.inner.directory.maps();
        let with = |grantee| {
            let all = (grantee, AccountId(0))..=(grantee, AccountId(u64::MAX));
            maps.shares.range(all).map(|(_, owner)| *owner)
        };
        let mut owners: Vec<_> = with(ANYONE).chain(with(self.id())).collect();
        owners.sort_unstable();
        owners.dedup();
        owners.retain(|owner| *owner != self.id());
        owners.truncate(self.house.rules().sharers_max);
        let named = |owner| {
            let row = maps.accounts.get(&owner)?;
            Some((owner, prefix(row)))
        };
        owners.into_iter().filter_map(named).collect()
    }

    /// What whoever looks may do with a mailbox (MYRIGHTS).
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`], also where there is no right that lets it be known.
    pub async fn my_rights(&self, name: &str) -> Outcome<Rights> {
        self.look(|ledger| {
            let (_, folder) = ledger.find(name).ok_or_else(nowhere)?;
            let rights = self.rights(folder);
            match rights.intersects(TELLS) {
                true => Ok(rights),
                false => Err(nowhere()),
            }
        })
        .await?
    }

    /// Who may do what with a mailbox: its owner first (GETACL).
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`], [`crate::Why::Policy`] without the right to it.
    pub async fn acl(&self, name: &str) -> Outcome<Vec<(String, Rights)>> {
        let entries = self
            .look(|ledger| {
                let (_, folder) = self.reach(ledger, name, Rights::ADMINISTER)?;
                Ok::<_, Error>(folder.acl.clone())
            })
            .await??;
        let owner = Grantee {
            negative: false,
            account: self.id(),
        };
        let all = std::iter::once((owner, Rights::ALL)).chain(entries);
        // Accounts that are gone have no name any more.
        let named = all.filter_map(|(grantee, rights)| Some((self.identifier(grantee)?, rights)));
        Ok(named.collect())
    }

    /// What an identifier always may and what it can be granted (LISTRIGHTS).
    ///
    /// # Errors
    /// As [`Account::acl`]; [`crate::Why::Nonexistent`] if there is no such user.
    pub async fn list_rights(&self, name: &str, identifier: &str) -> Outcome<(Rights, Rights)> {
        self.look(|ledger| self.reach(ledger, name, Rights::ADMINISTER).map(drop))
            .await??;
        let grantee = self.grantee(identifier)?;
        Ok(match grantee.account == self.id() {
            true => (Rights::ALL, Rights::NONE),
            false => (Rights::NONE, Rights::ALL),
        })
    }

    /// Changes what somebody may do with a mailbox (SETACL; DELETEACL is replacing by nothing).
    ///
    /// # Errors
    /// As [`Account::list_rights`]; [`crate::Why::Cannot`] for the owner and for a shared account,
    /// [`crate::Why::Limit`], or if it cannot be stored.
    pub async fn set_rights(
        &self,
        name: &str,
        identifier: &str,
        change: RightsChange,
    ) -> Outcome<()> {
        self.look(|ledger| self.reach(ledger, name, Rights::ADMINISTER).map(drop))
            .await??;
        let grantee = self.grantee(identifier)?;
        if grantee.account == self.id() {
            return Err(Error::cannot("A mailbox's owner always has all rights"));
        }
        if self.house.inner.directory.is_shared(grantee.account) {
            return Err(Error::cannot("It is a shared account: nobody looks as it"));
        }
        let _one_at_a_time = self.house.inner.sharing.lock().await;
        let share = (grantee.account, self.id());
        if !grantee.negative {
            self.note(share, true).await?;
        }
        let still = self
            .change(|draft| {
                let (id, folder) = self.reach(draft.ledger(), name, Rights::ADMINISTER)?;
                let before = folder.acl.get(&grantee).copied().unwrap_or_default();
                let after = change.of(before);
                let known = !before.is_empty();
                let (there, gone): (Vec<_>, Vec<_>) = folder
                    .acl
                    .keys()
                    .copied()
                    .partition(|one| self.identifier(*one).is_some());
                let room = self.house.rules().acl_entries_max;
                if !known && !after.is_empty() && there.len() >= room {
                    return Err(Error::limit("So many may use the mailbox already"));
                }
                for grantee in gone {
                    draft.set_acl(id, grantee, Rights::NONE);
                }
                if after != before {
                    draft.set_acl(id, grantee, after);
                }
                Ok(gives(draft.ledger(), grantee.account))
            })
            .await;
        // Whoever watches names that were nobody's until now looks again.
        if grantee.account != ANYONE {
            self.house.keeper(grantee.account).stir();
        }
        match still {
            Ok(false) => self.note(share, false).await,
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Notes in the directory that an owner shares something with somebody, or no longer does.
    pub(crate) async fn note(&self, share: (AccountId, AccountId), on: bool) -> Outcome<()> {
        if self.house.inner.directory.maps().shares.contains(&share) == on {
            return Ok(());
        }
        let edit = match on {
            true => Edit::Share(share),
            false => Edit::NoShare(share),
        };
        self.house.edit(|_| Ok(((), vec![edit], None))).await
    }

    /// Whom an identifier means.
    fn grantee(&self, identifier: &str) -> Outcome<Grantee> {
        let (negative, name) = match identifier.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, identifier),
        };
        let account = if name == "anyone" {
            ANYONE
        } else {
            let unknown = || Error::nonexistent("There is no such user");
            self.house.account_named(name).ok_or_else(unknown)?
        };
        Ok(Grantee { negative, account })
    }

    /// How somebody is called in a list; `None` for an account that is gone.
    fn identifier(&self, grantee: Grantee) -> Option<String> {
        let sign = if grantee.negative { "-" } else { "" };
        if grantee.account == ANYONE {
            return Some(format!("{sign}anyone"));
        }
        let address = self.house.inner.directory.address_of(grantee.account)?;
        Some(format!("{sign}{}", lower(&address)))
    }
}

/// True if an account gives somebody a right to any of its mailboxes.
fn gives(ledger: &Ledger, account: AccountId) -> bool {
    let grantee = Grantee {
        negative: false,
        account,
    };
    let mut folders = ledger.folders.values();
    folders.any(|folder| folder.acl.contains_key(&grantee))
}

/// True for names under which others' mailboxes are.
pub(crate) fn is_reserved(name: &str) -> bool {
    Account::OTHERS.iter().any(|level| {
        let rest = name.strip_prefix(level.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// What the names of somebody's mailboxes begin with for others.
fn prefix(owner: &AccountRow) -> String {
    let user = escape(&lower(&owner.address).to_string());
    format!("{}{user}/", Account::level(owner.is_shared()))
}

fn escape(address: &str) -> String {
    let mut level = String::with_capacity(address.len());
    for letter in address.chars() {
        if ESCAPED.contains(&letter) {
            level.push_str(&format!("={:02X}", u32::from(letter)));
        } else {
            level.push(letter);
        }
    }
    level
}

fn unescape(level: &str) -> Option<String> {
    let mut pieces = level.split('=');
    let mut address = pieces.next()?.to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2)?;
        let letter = char::from(u8::from_str_radix(code, 16).ok()?);
        address.push(ESCAPED.into_iter().find(|known| *known == letter)?);
        address.push_str(rest);
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_a_level_and_back() {
        for (address, level) in [
            ("ada@example.org", "ada@example.org"),
            ("a/b%c*d=e@example.org", "a=2Fb=25c=2Ad=3De@example.org"),
        ] {
            assert_eq!(escape(address), level);
            assert_eq!(unescape(level).as_deref(), Some(address));
        }
        for level in ["a=2", "a=41", "a=zz", "a=é2"] {
            assert_eq!(unescape(level), None, "{level}");
        }
    }
}
