//! `.forward` files of users: what reaches their accounts goes where these say.
//!
//! They are aliases of one user each, behind all others: who comes to an account by an alias comes
//! to its owner's file next.
//!
//! Not here: how the files are read, and whose count (`server`), where an address leads (`route`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError};

use mail::{Address, Host};

use super::AliasName;
use crate::Post;

/// The name of a user of this machine that may stand in a path: letters and digits of ASCII, `.`,
/// `_` and `-`, neither a dot nor a hyphen first; in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

impl UserName {
    /// The name, where it is such a one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
        let is_name = !text.is_empty() && !text.starts_with(['.', '-']);
        (is_name && text.bytes().all(is_plain)).then(|| Self(text.to_ascii_lowercase()))
    }

    /// The same as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a user's letters go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    /// Names of this machine, addresses, mailboxes.
    pub to: Vec<AliasName>,
    /// How many programs get them besides.
    pub programs: usize,
}

/// The `.forward` files of users, as they were looked at last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwards {
    /// The domain of names without one, at which alone such files count; none where they do not
    /// count at all.
    domain: Option<Host>,
    users: BTreeMap<UserName, Forward>,
}

impl Forwards {
    /// These, for accounts at this domain.
    #[must_use]
    pub fn new(domain: Host, users: impl IntoIterator<Item = (UserName, Forward)>) -> Self {
        Self {
            domain: Some(domain),
            users: users.into_iter().collect(),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// The domain of names that have none.
    pub(crate) const fn domain(&self) -> Option<&Host> {
        self.domain.as_ref()
    }

    /// The user whose account has this address, if such files count for it.
    pub(crate) fn user(&self, address: &Address) -> Option<UserName> {
        let counts = self.domain.as_ref() == Some(&address.host);
        UserName::parse(address.local.as_str()).filter(|_| counts)
    }

    /// Where letters go that reach the account with this address; none where they stay.
    pub(crate) fn of(&self, address: &Address) -> Option<&Forward> {
        self.users.get(&self.user(address)?)
    }
}

impl Post {
    /// The `.forward` files as they were looked at last.
    #[must_use]
    pub fn forwards(&self) -> Arc<Forwards> {
        let held = self.inner.forwards.read();
        Arc::clone(&held.unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on, these are the `.forward` files.
    pub fn set_forwards(&self, forwards: Forwards) {
        let held = self.inner.forwards.write();
        *held.unwrap_or_else(PoisonError::into_inner) = Arc::new(forwards);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_stand_in_paths() {
        for (text, name) in [
            ("ada", Some("ada")),
            ("Ada.L_1-x", Some("ada.l_1-x")),
            ("_apt", Some("_apt")),
            ("1", Some("1")),
            ("a..b", Some("a..b")),
            ("", None),
            (".", None),
            ("..", None),
            (".ada", None),
            ("-ada", None),
            ("a/b", None),
            ("../ada", None),
            ("ada+x", None),
            ("a b", None),
            ("a\0", None),
            ("ad\u{e4}", None),
            // It is a letter whose lower case is in ASCII.
            ("\u{212a}", None),
            ("{user}", None),
        ] {
            let parsed = UserName::parse(text);
            assert_eq!(parsed.as_ref().map(UserName::as_str), name, "{text}");
        }
    }
}
