//! The directory's rows: domains, accounts, aliases, and one row of its own.

use bytes::Bytes;
use mail::{AccountId, Address, Host, Timestamp};
use store::{Table, Write};

use crate::octets::{Reader, Writer};
use crate::{Alias, AliasSource, Quota};

/// The next account id and the house's secret: one row.
pub(crate) const HOUSE: Table = Table(1);
/// Domains by name.
pub(crate) const DOMAINS: Table = Table(2);
/// Accounts by id.
pub(crate) const ACCOUNTS: Table = Table(3);
/// Aliases by what they stand for.
pub(crate) const ALIASES: Table = Table(4);

/// Who shares something with whom, by who is given it and who gives.
pub(crate) const SHARES: Table = Table(5);
/// Accounts that were removed and can come back, by id.
pub(crate) const REMOVED: Table = Table(6);

/// Who is there at relayed domains, by domain and piece of its list.
pub(crate) const RECIPIENTS: Table = Table(7);

/// All tables of the directory.
pub(crate) const ALL: [Table; 7] = [
    HOUSE, DOMAINS, ACCOUNTS, ALIASES, SHARES, REMOVED, RECIPIENTS,
];

const VERSION: u8 = 1;
/// A domain that is relayed.
const DOMAIN_RELAYED_VERSION: u8 = 2;
/// An account with a quota of its own, or none.
const ACCOUNT_QUOTA_VERSION: u8 = 2;
/// The same, and keys for SCRAM-SHA-1 at the end.
const ACCOUNT_SHA1_VERSION: u8 = 3;
/// An account that is shared: no password.
const ACCOUNT_SHARED_VERSION: u8 = 4;
/// Versions of rows that are read, where there is no more to say.
pub(crate) const VERSIONS: &[u8] = &[VERSION];
/// Versions of [`DomainRow`] that are read.
pub(crate) const DOMAIN_VERSIONS: [u8; 2] = [VERSION, DOMAIN_RELAYED_VERSION];
/// Versions of [`AccountRow`] that are read.
pub(crate) const ACCOUNT_VERSIONS: [u8; 4] = [
    VERSION,
    ACCOUNT_QUOTA_VERSION,
    ACCOUNT_SHA1_VERSION,
    ACCOUNT_SHARED_VERSION,
];

/// The directory's own row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HouseRow {
    /// The last account id given.
    pub(crate) account: u64,
    /// Keys everything that must look the same after a restart and be unknown outside.
    pub(crate) secret: [u8; 32],
}

/// A domain whose mail is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DomainRow {
    /// It is ours.
    Local,
    /// Its mail is for another host.
    Relayed {
        /// Rows that the list of who is there has; `None` where there is no list.
        pieces: Option<u32>,
    },
}

/// An account with what is kept of its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountRow {
    pub(crate) address: Address,
    pub(crate) created: Timestamp,
    /// None for a shared account: nobody logs in as it.
    pub(crate) password: Option<Password>,
    /// Its own; `None` where the house's rule says so.
    pub(crate) quota: Option<Quota>,
}

/// An account that was removed and can come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemovedRow {
    pub(crate) when: Timestamp,
    pub(crate) row: AccountRow,
    /// Who shared with whom, as far as it was concerned.
    pub(crate) shares: Vec<(AccountId, AccountId)>,
}

/// What is kept of a password; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password {
    pub(crate) argon2: Argon2id,
    pub(crate) scram: Scram<32>,
    /// For SCRAM-SHA-1, where it was wanted when the password was last seen.
    pub(crate) scram_sha1: Option<Box<Scram<20>>>,
}

/// A password's argon2id digest.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Argon2id {
    pub(crate) kibibytes: u32,
    pub(crate) passes: u32,
    pub(crate) salt: [u8; 16],
    pub(crate) digest: [u8; 32],
}

/// What SCRAM keeps of a password, by a hash of so many octets.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Scram<const OCTETS: usize> {
    pub(crate) salt: [u8; 16],
    pub(crate) iterations: u32,
    pub(crate) stored_key: [u8; OCTETS],
    pub(crate) server_key: [u8; OCTETS],
}

impl Argon2id {
    fn write(&self, value: Writer) -> Writer {
        value
            .number(self.kibibytes.into())
            .number(self.passes.into())
            .fixed(&self.salt)
            .fixed(&self.digest)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            kibibytes: reader.small()?,
            passes: reader.small()?,
            salt: reader.fixed()?,
            digest: reader.fixed()?,
        })
    }
}

impl<const OCTETS: usize> Scram<OCTETS> {
    fn write(&self, value: Writer) -> Writer {
        value
            .fixed(&self.salt)
            .number(self.iterations.into())
            .fixed(&self.stored_key)
            .fixed(&self.server_key)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            salt: reader.fixed()?,
            iterations: reader.small()?,
            stored_key: reader.fixed()?,
            server_key: reader.fixed()?,
        })
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

impl HouseRow {
    pub(crate) fn put(&self) -> Write {
        let value = Writer::version(VERSION)
            .number(self.account)
            .fixed(&self.secret);
        put(HOUSE, Bytes::new(), value)
    }

    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::version(value, VERSION)?;
        let row = Self {
            account: reader.number()?,
            secret: reader.fixed()?,
        };
        reader.end()?;
        Some(row)
    }
}

impl DomainRow {
    pub(crate) fn put(self, domain: &Host) -> Write {
        let value = match self {
            Self::Local => Writer::version(VERSION),
            Self::Relayed { pieces } => {
                let pieces = pieces.map_or(0, |pieces| u64::from(pieces) + 1);
                Writer::version(DOMAIN_RELAYED_VERSION).number(pieces)
            }
        };
        put(DOMAINS, text(&domain.to_string()), value)
    }

    pub(crate) fn read(key: &[u8], value: &[u8]) -> Option<(Host, Self)> {
        let (mut reader, version) = Reader::either(value, &DOMAIN_VERSIONS)?;
        let row = match version {
            VERSION => Self::Local,
            _ => {
                let pieces = reader.number()?.checked_sub(1);
                let pieces = pieces.map(u32::try_from).transpose().ok()?;
                Self::Relayed { pieces }
            }
        };
        reader.end()?;
        let domain = Host::parse(std::str::from_utf8(key).ok()?).ok()?;
        Some((domain, row))
    }

    pub(crate) fn delete(domain: &Host) -> Write {
        Write::Delete {
            table: DOMAINS,
            key: text(&domain.to_string()),
        }
    }
}

/// A piece of the list of who is there at a relayed domain.
pub(crate) fn put_recipients(domain: &Host, piece: u32, locals: &[&str]) -> Write {
    let value = locals
        .iter()
        .fold(Writer::version(VERSION), |value, local| {
            value.octets(local.as_bytes())
        });
    put(RECIPIENTS, recipients_key(domain, piece), value)
}

pub(crate) fn read_recipients<'a>(
    key: &[u8],
    value: &'a [u8],
) -> Option<(Host, u32, Vec<&'a str>)> {
    let (domain, piece) = key.split_last_chunk::<4>()?;
    let domain = std::str::from_utf8(domain.strip_suffix(&[0])?).ok()?;
    let mut reader = Reader::version(value, VERSION)?;
    let mut locals = Vec::new();
    while !reader.rest().is_empty() {
        locals.push(reader.text()?);
    }
    let domain = Host::parse(domain).ok()?;
    Some((domain, u32::from_be_bytes(*piece), locals))
}

pub(crate) fn delete_recipients(domain: &Host, piece: u32) -> Write {
    Write::Delete {
        table: RECIPIENTS,
        key: recipients_key(domain, piece),
    }
}

/// A name has no NUL, so no domain's pieces are among another's.
fn recipients_key(domain: &Host, piece: u32) -> Bytes {
    let mut key = domain.to_string().into_bytes();
    key.push(0);
    key.extend_from_slice(&piece.to_be_bytes());
    key.into()
}

impl AccountRow {
    /// True if it is nobody's own.
    pub(crate) const fn is_shared(&self) -> bool {
        self.password.is_none()
    }

    /// The salt of its password.
    pub(crate) fn salt(&self) -> Option<[u8; 16]> {
        Some(self.password.as_ref()?.scram.salt)
    }

    pub(crate) fn put(&self, id: AccountId) -> Write {
        put(ACCOUNTS, account_key(id), self.write())
    }

    fn write(&self) -> Writer {
        let sha1 = self.password.as_ref().map(|kept| kept.scram_sha1.as_ref());
        let version = match sha1 {
            None => ACCOUNT_SHARED_VERSION,
            Some(None) => ACCOUNT_QUOTA_VERSION,
            Some(Some(_)) => ACCOUNT_SHA1_VERSION,
        };
        let quota = self.quota.unwrap_or_default();
        let limit = |limit: Option<u64>| limit.map_or(0, |max| max.saturating_add(1));
        let mut value = Writer::version(version)
            .octets(self.address.to_string().as_bytes())
            .signed(self.created.seconds);
        if let Some(Password { argon2, scram, .. }) = &self.password {
            value = scram.write(argon2.write(value));
        }
        value = value
            .number(self.quota.is_some().into())
            .number(limit(quota.octets_max))
            .number(limit(quota.messages_max));
        if let Some(Some(scram)) = sha1 {
            value = scram.write(value);
        }
        value
    }

    pub(crate) fn read(key: &[u8], value: &[u8]) -> Option<(AccountId, Self)> {
        Some((read_account_key(key)?, Self::read_value(value)?))
    }

    fn read_value(value: &[u8]) -> Option<Self> {
        let (mut reader, version) = Reader::either(value, &ACCOUNT_VERSIONS)?;
        let mut row = Self {
            address: Address::parse(reader.text()?).ok()?,
            created: Timestamp::utc(reader.signed()?),
            password: None,
            quota: None,
        };
        if version != ACCOUNT_SHARED_VERSION {
            row.password = Some(Password {
                argon2: Argon2id::read(&mut reader)?,
                scram: Scram::read(&mut reader)?,
                scram_sha1: None,
            });
        }
        if version != VERSION {
            let own = reader.number()? != 0;
            let quota = Quota {
                octets_max: reader.number()?.checked_sub(1),
                messages_max: reader.number()?.checked_sub(1),
            };
            row.quota = own.then_some(quota);
        }
        if let (ACCOUNT_SHA1_VERSION, Some(password)) = (version, &mut row.password) {
            password.scram_sha1 = Some(Box::new(Scram::read(&mut reader)?));
        }
        reader.end()?;
        Some(row)
    }

    pub(crate) fn delete(id: AccountId) -> Write {
        Write::Delete {
            table: ACCOUNTS,
            key: account_key(id),
        }
    }
}

impl RemovedRow {
    pub(crate) fn put(&self, id: AccountId) -> Write {
        let mut value = Writer::version(VERSION)
            .signed(self.when.seconds)
            .octets(&self.row.write().finish());
        for (to, by) in &self.shares {
            value = value.number(1).number(to.0).number(by.0);
        }
        put(REMOVED, account_key(id), value.number(0))
    }

    pub(crate) fn read(key: &[u8], value: &[u8]) -> Option<(AccountId, Self)> {
        let mut reader = Reader::version(value, VERSION)?;
        let mut removed = Self {
            when: Timestamp::utc(reader.signed()?),
            row: AccountRow::read_value(reader.octets()?)?,
            shares: Vec::new(),
        };
        while reader.number()? != 0 {
            let share = (AccountId(reader.number()?), AccountId(reader.number()?));
            removed.shares.push(share);
        }
        reader.end()?;
        Some((read_account_key(key)?, removed))
    }

    pub(crate) fn delete(id: AccountId) -> Write {
        Write::Delete {
            table: REMOVED,
            key: account_key(id),
        }
    }
}

impl Alias {
    pub(crate) fn put(&self) -> Write {
        let mut value = Writer::version(VERSION);
        for target in &self.targets {
            value = value.octets(target.to_string().as_bytes());
        }
        put(ALIASES, alias_key(&self.source), value.octets(b""))
    }

    pub(crate) fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let key = std::str::from_utf8(key).ok()?;
        let source = match key.strip_prefix('@') {
            Some(domain) => AliasSource::CatchAll(Host::parse(domain).ok()?),
            None => AliasSource::Address(Address::parse(key).ok()?),
        };
        let mut reader = Reader::version(value, VERSION)?;
        let mut targets = Vec::new();
        loop {
            let target = reader.text()?;
            if target.is_empty() {
                break;
            }
            targets.push(Address::parse(target).ok()?);
        }
        reader.end()?;
        Some(Self { source, targets })
    }

    pub(crate) fn delete(source: &AliasSource) -> Write {
        Write::Delete {
            table: ALIASES,
            key: alias_key(source),
        }
    }
}

pub(crate) fn put_share(share: (AccountId, AccountId)) -> Write {
    put(SHARES, share_key(share), Writer::version(VERSION))
}

pub(crate) fn read_share(key: &[u8]) -> Option<(AccountId, AccountId)> {
    let (to, by) = key.split_first_chunk::<8>()?;
    let by = u64::from_be_bytes(by.try_into().ok()?);
    Some((AccountId(u64::from_be_bytes(*to)), AccountId(by)))
}

pub(crate) fn delete_share(share: (AccountId, AccountId)) -> Write {
    Write::Delete {
        table: SHARES,
        key: share_key(share),
    }
}

fn share_key((to, by): (AccountId, AccountId)) -> Bytes {
    [to.0.to_be_bytes(), by.0.to_be_bytes()].concat().into()
}

fn alias_key(source: &AliasSource) -> Bytes {
    text(&source.to_string())
}

fn account_key(id: AccountId) -> Bytes {
    Bytes::copy_from_slice(&id.0.to_be_bytes())
}

fn read_account_key(key: &[u8]) -> Option<AccountId> {
    Some(AccountId(u64::from_be_bytes(key.try_into().ok()?)))
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn put(table: Table, key: Bytes, value: Writer) -> Write {
    Write::Put {
        table,
        key,
        value: value.finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::parts;

    #[test]
    fn rows_come_back() {
        let house = HouseRow {
            account: 5,
            secret: [9; 32],
        };
        assert_eq!(HouseRow::read(&parts(house.put()).1), Some(house));

        let password = Password {
            argon2: Argon2id {
                kibibytes: 19,
                passes: 2,
                salt: [1; 16],
                digest: [2; 32],
            },
            scram: Scram {
                salt: [3; 16],
                iterations: 4096,
                stored_key: [4; 32],
                server_key: [5; 32],
            },
            scram_sha1: None,
        };
        let account = AccountRow {
            address: Address::parse("\"ada l\"@xn--bcher-kva.example").unwrap(),
            created: Timestamp::utc(-3),
            password: Some(password.clone()),
            quota: None,
        };
        let quotas = [
            None,
            Some(Quota::default()),
            Some(Quota {
                octets_max: Some(0),
                messages_max: Some(300),
            }),
        ];
        let sha1 = Scram {
            salt: [6; 16],
            iterations: 4096,
            stored_key: [7; 20],
            server_key: [8; 20],
        };
        let with_sha1 = Password {
            scram_sha1: Some(Box::new(sha1)),
            ..password.clone()
        };
        for quota in quotas {
            let kept = [(Some(&password), 2), (Some(&with_sha1), 3), (None, 4)];
            for (password, version) in kept {
                let mut account = account.clone();
                account.quota = quota;
                account.password = password.cloned();
                let (key, value) = parts(account.put(AccountId(7)));
                assert_eq!(value.first(), Some(&version));
                let read = AccountRow::read(&key, &value);
                assert_eq!(read, Some((AccountId(7), account.clone())));
                let removed = RemovedRow {
                    when: Timestamp::utc(77),
                    row: account,
                    shares: vec![(AccountId(0), AccountId(7)), (AccountId(7), AccountId(2))],
                };
                let (key, value) = parts(removed.put(AccountId(7)));
                assert_eq!(
                    RemovedRow::read(&key, &value),
                    Some((AccountId(7), removed))
                );
            }
        }
        // A row from before there were quotas.
        let (key, value) = parts(account.put(AccountId(7)));
        let old = [&[1], &value[1..value.len() - 3]].concat();
        let read = AccountRow::read(&key, &old);
        assert_eq!(read, Some((AccountId(7), account.clone())));

        let domain = account.address.host.clone();
        let relayed = |pieces| DomainRow::Relayed { pieces };
        for (row, octets) in [
            (DomainRow::Local, &[1][..]),
            (relayed(None), &[2, 0]),
            (relayed(Some(0)), &[2, 1]),
            (relayed(Some(127)), &[2, 0x80, 1]),
        ] {
            let (key, value) = parts(row.put(&domain));
            assert_eq!(value, octets);
            assert_eq!(DomainRow::read(&key, &value), Some((domain.clone(), row)));
            assert_eq!(DomainRow::read(&key, &[&[3], &value[1..]].concat()), None);
        }
        for locals in [&[][..], &["a", "ada l", "zoë"]] {
            let (key, value) = parts(put_recipients(&domain, 258, locals));
            let read = read_recipients(&key, &value);
            assert_eq!(read, Some((domain.clone(), 258, locals.to_vec())));
            assert_eq!(read_recipients(&key[1..key.len() - 1], &value), None);
        }

        let share = (AccountId(0), AccountId(u64::MAX));
        assert_eq!(read_share(&parts(put_share(share)).0), Some(share));

        for source in [
            AliasSource::Address(account.address.clone()),
            AliasSource::CatchAll(domain),
        ] {
            let alias = Alias {
                source,
                targets: vec![account.address.clone()],
            };
            let (key, value) = parts(alias.put());
            assert_eq!(Alias::read(&key, &value), Some(alias));
        }
    }
}
