//! What other domains want of TLS (MTA-STS), kept so that nobody between takes it back: also when
//! the server starts anew.
//!
//! Not here: how a policy is found and what follows from it (`server`), its form (`trust`).
//!
//! RFC 8461 §5.1 (what is kept holds until it expires).

use std::time::Duration;

use bytes::Bytes;
use store::{Direction, Partition, Table, Write};
use trust::mta_sts::{Kept, Mode, Policy};

use crate::octets::{Reader, Writer};
use crate::{Error, Fault, Outcome, Post, queue};

/// Policies, by the domain whose they are.
pub(crate) const POLICIES: Table = Table(46);

const VERSION: u8 = 1;
/// Versions of rows that are read.
pub(crate) const VERSIONS: &[u8] = &[VERSION];

/// Rows that are read in one step.
const PAGE_ROWS: usize = 1000;

/// The policy of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPolicy {
    /// Whose it is, in A-labels.
    pub domain: String,
    /// What it is.
    pub kept: Kept,
    /// When it was fetched, in seconds since 1970.
    pub fetched: i64,
}

impl KeptPolicy {
    /// From when on it holds no more, in seconds since 1970.
    #[must_use]
    pub fn end(&self) -> i64 {
        let age = i64::try_from(self.kept.policy.age.as_secs()).unwrap_or(i64::MAX);
        self.fetched.saturating_add(age)
    }

    /// Octets it takes.
    #[must_use]
    pub fn octets(&self) -> usize {
        let patterns = self.kept.policy.patterns.iter();
        let patterns: usize = patterns.map(|pattern| pattern.len() + 2).sum();
        self.domain.len() + self.kept.id.len() + patterns + 32
    }

    fn put(&self) -> Write {
        let Policy {
            mode,
            age,
            patterns,
        } = &self.kept.policy;
        let mode = match mode {
            Mode::None => 0,
            Mode::Testing => 1,
            Mode::Enforce => 2,
        };
        let writer = Writer::version(VERSION)
            .octets(self.kept.id.as_bytes())
            .number(mode)
            .number(age.as_secs())
            .signed(self.fetched)
            .number(u64::try_from(patterns.len()).unwrap_or(u64::MAX));
        let writer = patterns
            .iter()
            .fold(writer, |writer, pattern| writer.octets(pattern.as_bytes()));
        Write::Put {
            table: POLICIES,
            key: key(&self.domain),
            value: writer.finish(),
        }
    }

    fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let domain = std::str::from_utf8(key).ok()?.to_owned();
        let mut reader = Reader::version(value, VERSION)?;
        let id = reader.text()?.to_owned();
        let mode = match reader.number()? {
            0 => Mode::None,
            1 => Mode::Testing,
            2 => Mode::Enforce,
            _ => return None,
        };
        let age = Duration::from_secs(reader.number()?);
        let fetched = reader.signed()?;
        let mut patterns = Vec::new();
        for _ in 0..reader.number()? {
            patterns.push(reader.text()?.to_owned());
        }
        reader.end()?;
        let policy = Policy {
            mode,
            age,
            patterns,
        };
        Some(Self {
            domain,
            kept: Kept { id, policy },
            fetched,
        })
    }
}

fn key(domain: &str) -> Bytes {
    Bytes::copy_from_slice(domain.as_bytes())
}

impl Post {
    /// All policies that are kept.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn kept_policies(&self) -> Outcome<Vec<KeptPolicy>> {
        let (mut all, mut from) = (Vec::new(), Bytes::new());
        loop {
            let page = self.inner.store.scan(
                Partition::QUEUE,
                POLICIES,
                (from, None),
                PAGE_ROWS,
                Direction::Rising,
            );
            let page = page.await.map_err(Error::reading("reading policies"))?;
            for row in &page.rows {
                let read = KeptPolicy::read(&row.key, &row.value);
                all.push(read.ok_or(Fault::Row("a policy"))?);
            }
            let Some(last) = page.rows.last().filter(|_| page.more) else {
                return Ok(all);
            };
            from = [&last.key, &[0][..]].concat().into();
        }
    }

    /// Keeps a policy, in the place of the one that its domain had, and forgets those of others.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn keep_policy(&self, policy: &KeptPolicy, forgotten: &[String]) -> Outcome<()> {
        let mut beside: Vec<Write> = forgotten
            .iter()
            .map(|domain| Write::Delete {
                table: POLICIES,
                key: key(domain),
            })
            .collect();
        beside.push(policy.put());
        let change = queue::Change {
            beside,
            ..queue::Change::default()
        };
        self.change_with_queue(&[], &[], &change, |_, _| Ok(()))
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        for (mode, patterns) in [
            (Mode::None, &[][..]),
            (Mode::Testing, &["*.example.net"]),
            (Mode::Enforce, &["mx.example.org", "*.example.net"]),
        ] {
            let policy = KeptPolicy {
                domain: "example.org".to_owned(),
                kept: Kept {
                    id: "20261127".to_owned(),
                    policy: Policy {
                        mode,
                        age: Duration::from_secs(604_800),
                        patterns: patterns.iter().map(|text| (*text).to_owned()).collect(),
                    },
                },
                fetched: 1_795_464_900,
            };
            assert_eq!(policy.end(), 1_795_464_900 + 604_800);
            let Write::Put { key, value, .. } = policy.put() else {
                panic!("no row");
            };
            assert_eq!(KeptPolicy::read(&key, &value).as_ref(), Some(&policy));
            assert!(policy.octets() >= key.len() + value.len());
            for cut in 0..value.len() {
                assert_eq!(KeptPolicy::read(&key, &value[..cut]), None);
            }
        }
    }
}
