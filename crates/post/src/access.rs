//! Who may do what with a mailbox: access control lists (RFC 4314).
//!
//! An [`Account`] is either its owner's or a visitor's view of it. Each question looks up the
//! rights where it does its work, in the same look or step: nothing is cached, and a right that
//! is taken away is gone for the next question.
//!
//! Not here: changing the lists, and finding what others share (`sharing`).

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use mail::{AccountId, Flag, FlagSet, MailboxId, Rights};
use store::Write;

use crate::draft::bit;
use crate::ledger::{Folder, Ledger};
use crate::octets::{Reader, Writer};
use crate::tables::ACL;
use crate::{Account, Error, Outcome, Why};

/// Whom an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Grantee {
    /// True if the entry takes rights away, whatever other entries give.
    pub(crate) negative: bool,
    /// An account, or [`ANYONE`].
    pub(crate) account: AccountId,
}

/// Everybody: no account has this id.
pub(crate) const ANYONE: AccountId = AccountId(0);

/// An access control list without its owner, who has all rights.
pub(crate) type Acl = BTreeMap<Grantee, Rights>;

/// Rights of which one is enough to be told them.
// RFC 4314 §4
pub(crate) const TELLS: Rights = Rights::from_bits(
    Rights::LOOKUP.bits()
        | Rights::READ.bits()
        | Rights::INSERT.bits()
        | Rights::CREATE.bits()
        | Rights::DELETE.bits()
        | Rights::ADMINISTER.bits(),
);

const VERSION: u8 = 1;
/// Versions of rows that are read.
pub(crate) const VERSIONS: &[u8] = &[VERSION];

/// An entry's row.
pub(crate) fn put(mailbox: MailboxId, grantee: Grantee, rights: Rights) -> Write {
    Write::Put {
        table: ACL,
        key: key(mailbox, grantee),
        value: Writer::version(VERSION)
            .number(rights.bits().into())
            .finish(),
    }
}

pub(crate) fn read(row: &[u8], value: &[u8]) -> Option<(MailboxId, Grantee, Rights)> {
    let (mailbox, rest) = row.split_first_chunk::<8>()?;
    let (account, sign) = rest.split_first_chunk::<8>()?;
    let grantee = Grantee {
        negative: match sign {
            [0] => false,
            [1] => true,
            _ => return None,
        },
        account: AccountId(u64::from_be_bytes(*account)),
    };
    let mut reader = Reader::version(value, VERSION)?;
    let rights = Rights::from_bits(reader.small()?);
    reader.end()?;
    Some((MailboxId(u64::from_be_bytes(*mailbox)), grantee, rights))
}

pub(crate) fn delete(mailbox: MailboxId, grantee: Grantee) -> Write {
    Write::Delete {
        table: ACL,
        key: key(mailbox, grantee),
    }
}

fn key(mailbox: MailboxId, grantee: Grantee) -> Bytes {
    let mut key = BytesMut::with_capacity(17);
    key.put_u64(mailbox.0);
    key.put_u64(grantee.account.0);
    key.put_u8(grantee.negative.into());
    key.freeze()
}

/// What an account that is not the owner may do by a list: what it and everybody are given, without
/// what is taken from it or everybody.
pub(crate) fn rights_in(acl: &Acl, account: AccountId) -> Rights {
    let all = |negative| {
        [ANYONE, account]
            .into_iter()
            .filter_map(|account| acl.get(&Grantee { negative, account }))
            .fold(Rights::NONE, |all, rights| all | *rights)
    };
    all(false) & !all(true)
}

impl Account {
    /// What whoever looks may do with a mailbox.
    pub(crate) fn rights(&self, folder: &Folder) -> Rights {
        match self.visitor {
            None => Rights::ALL,
            Some(visitor) => rights_in(&folder.acl, visitor),
        }
    }

    /// Refuses what needs these rights to whoever lacks one; who may not even see the mailbox is
    /// told that there is none.
    // RFC 4314 §6
    pub(crate) fn may(&self, folder: &Folder, needed: Rights) -> Outcome<()> {
        let rights = self.rights(folder);
        if rights.contains(needed) {
            Ok(())
        } else if rights.contains(Rights::LOOKUP) {
            Err(forbidden())
        } else {
            Err(nowhere())
        }
    }

    /// The mailbox with this name, for what needs these rights.
    pub(crate) fn reach<'a>(
        &self,
        ledger: &'a Ledger,
        name: &str,
        needed: Rights,
    ) -> Outcome<(MailboxId, &'a Folder)> {
        let found = ledger.find(name).ok_or_else(nowhere)?;
        self.may(found.1, needed)?;
        Ok(found)
    }

    /// The mailbox with this id, for what needs these rights.
    pub(crate) fn folder<'a>(
        &self,
        ledger: &'a Ledger,
        id: MailboxId,
        needed: Rights,
    ) -> Outcome<&'a Folder> {
        let folder = ledger.folder(id)?;
        self.may(folder, needed)?;
        Ok(folder)
    }

    /// The mailbox with this name, if messages may be put into it.
    pub(crate) fn target(&self, ledger: &Ledger, name: &str) -> Outcome<MailboxId> {
        if let Some((_, folder)) = ledger.find(name) {
            match self.may(folder, Rights::INSERT) {
                // As where there is none: it may be made, as far as one can see.
                Err(error) if error.why() == Why::Nonexistent => {}
                Err(error) => return Err(error),
                Ok(()) => return ledger.target(name),
            }
        }
        Err(crate::ledger::no_target())
    }
}

/// Flags that may be set and cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settable {
    /// The bits of the system flags among them.
    pub(crate) system: u8,
    /// True if keywords are among them.
    pub(crate) keywords: bool,
}

impl Settable {
    /// Those that somebody with these rights may set.
    // RFC 4314 §4
    pub(crate) fn by(rights: Rights) -> Self {
        let of = |right, flags: &[Flag]| match rights.contains(right) {
            true => flags.iter().fold(0, |bits, flag| bits | bit(flag.clone())),
            false => 0,
        };
        let others = [Flag::Answered, Flag::Flagged, Flag::Draft];
        Self {
            system: of(Rights::SEEN, &[Flag::Seen])
                | of(Rights::MARK_DELETED, &[Flag::Deleted])
                | of(Rights::WRITE, &others),
            keywords: rights.contains(Rights::WRITE),
        }
    }

    /// Those of the flags that are among them.
    pub(crate) fn among(self, flags: &FlagSet) -> FlagSet {
        let mut among = FlagSet::from_system_bits(flags.system_bits() & self.system);
        if self.keywords {
            for keyword in flags.keywords() {
                among.insert(Flag::Keyword(keyword.clone()));
            }
        }
        among
    }
}

/// The answer to whoever sees a mailbox and may not do that with it.
pub(crate) fn forbidden() -> Error {
    Error::refused(Why::Policy, 550, [5, 7, 1], "You have no right to do that")
}

/// The answer where there is no such mailbox, or none that may be seen.
pub(crate) fn nowhere() -> Error {
    Error::nonexistent("There is no such mailbox")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back() {
        for (account, negative) in [(0, false), (7, true), (u64::MAX, false)] {
            let grantee = Grantee {
                negative,
                account: AccountId(account),
            };
            let Write::Put { key, value, .. } = put(MailboxId(3), grantee, Rights::ALL) else {
                panic!("a delete");
            };
            let read = read(&key, &value);
            assert_eq!(read, Some((MailboxId(3), grantee, Rights::ALL)));
        }
    }
}
