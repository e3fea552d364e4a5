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

/// A policy and when it was fetched.
const VERSION_FETCHED: u8 = 1;
/// The same, with when it was gone by, when it is fetched again, and what came of that.
const VERSION: u8 = 2;
/// Versions of rows that are read.
pub(crate) const VERSIONS: &[u8] = &[VERSION_FETCHED, VERSION];

/// Rows that are read in one step.
const PAGE_ROWS: usize = 1000;
/// Patterns for which room is made before they are read.
const ROOM_PATTERNS: usize = 200;

/// The policy of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPolicy {
    /// Whose it is, in A-labels.
    pub domain: String,
    /// What it is.
    pub kept: Kept,
    /// When it was fetched, in seconds since 1970.
    pub fetched: i64,
    /// When a letter went there last, as far as that was written down, in seconds since 1970.
    pub used: i64,
    /// When it is fetched again, in seconds since 1970; `None` where the next letter does that.
    pub next: Option<i64>,
    /// Why the last fetch brought nothing, where it did not.
    pub failure: Option<PolicyFailure>,
}

/// A fetch that brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFailure {
    /// When, in seconds since 1970.
    pub when: i64,
    /// Why, in words.
    pub why: String,
}

impl KeptPolicy {
    /// From when on it holds no more, in seconds since 1970.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.fetched.saturating_add(self.age())
    }

    /// From when on it is forgotten, if no letter goes there until then, in seconds since 1970.
    #[must_use]
    pub fn forgotten(&self) -> i64 {
        self.used.saturating_add(self.age())
    }

    fn age(&self) -> i64 {
        i64::try_from(self.kept.policy.age.as_secs()).unwrap_or(i64::MAX)
    }

    /// Octets it takes.
    #[must_use]
    pub fn octets(&self) -> usize {
        let patterns = self.kept.policy.patterns.iter();
        let patterns: usize = patterns.map(|pattern| pattern.len() + 2).sum();
        let failure = self.failure.as_ref().map_or(0, |failure| failure.why.len());
        self.domain.len() + self.kept.id.len() + patterns + failure + 64
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
            .fold(writer, |writer, pattern| writer.octets(pattern.as_bytes()))
            .signed(self.used);
        let writer = match self.next {
            Some(next) => writer.number(1).signed(next),
            None => writer.number(0),
        };
        let writer = match &self.failure {
            Some(failure) => writer
                .number(1)
                .signed(failure.when)
                .octets(failure.why.as_bytes()),
            None => writer.number(0),
        };
        Write::Put {
            table: POLICIES,
            key: key(&self.domain),
            value: writer.finish(),
        }
    }

    fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let domain = std::str::from_utf8(key).ok()?.to_owned();
        let (mut reader, version) = Reader::either(value, VERSIONS)?;
        let id = reader.text()?.to_owned();
        let mode = match reader.number()? {
            0 => Mode::None,
            1 => Mode::Testing,
            2 => Mode::Enforce,
            _ => return None,
        };
        let age = Duration::from_secs(reader.number()?);
        let fetched = reader.signed()?;
        let count: usize = reader.small()?;
        let mut patterns = Vec::with_capacity(count.min(ROOM_PATTERNS));
        for _ in 0..count {
            patterns.push(reader.text()?.to_owned());
        }
        // It was fetched for a letter then.
        let (mut used, mut next, mut failure) = (fetched, None, None);
        if version == VERSION {
            used = reader.signed()?;
            next = there(&mut reader)?.then(|| reader.signed());
            failure = there(&mut reader)?.then(|| PolicyFailure::read(&mut reader));
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
            used,
            next: optional(next)?,
            failure: optional(failure)?,
        })
    }
}

impl PolicyFailure {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            when: reader.signed()?,
            why: reader.text()?.to_owned(),
        })
    }
}

/// True if what follows is there; `None` where that cannot be told.
fn there(reader: &mut Reader<'_>) -> Option<bool> {
    match reader.number()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// What may be absent, but not damaged.
fn optional<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(read) => read.map(Some),
        None => Some(None),
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

    /// Keeps policies, each in the place of the one that its domain had, and forgets those of other
    /// domains.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn keep_policies(&self, kept: &[KeptPolicy], forgotten: &[String]) -> Outcome<()> {
        let gone = forgotten.iter().map(|domain| Write::Delete {
            table: POLICIES,
            key: key(domain),
        });
        let change = queue::Change {
            beside: gone.chain(kept.iter().map(KeptPolicy::put)).collect(),
            ..queue::Change::default()
        };
        if change.beside.is_empty() {
            return Ok(());
        }
        self.change_with_queue(&[], &[], &change, |_, _| Ok(()))
            .await
            .map(drop)
    }

    /// Asks whoever fetches policies to do so now.
    pub fn urge_policies(&self) {
        self.inner.queue.urge_policies();
    }

    /// Waits until that is asked for.
    pub async fn policies_urged(&self) {
        self.inner.queue.policies_urged().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(mode: Mode, patterns: &[&str]) -> KeptPolicy {
        KeptPolicy {
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
            used: 1_795_551_300,
            next: None,
            failure: None,
        }
    }

    #[test]
    fn rows_come_back() {
        let failure = PolicyFailure {
            when: 1_795_551_400,
            why: "the answer is 404 Not Found".to_owned(),
        };
        for policy in [
            policy(Mode::None, &[]),
            KeptPolicy {
                next: Some(1_795_552_000),
                ..policy(Mode::Testing, &["*.example.net"])
            },
            KeptPolicy {
                failure: Some(failure),
                ..policy(Mode::Enforce, &["mx.example.org", "*.example.net"])
            },
        ] {
            assert_eq!(policy.end(), 1_795_464_900 + 604_800);
            assert_eq!(policy.forgotten(), 1_795_551_300 + 604_800);
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

    #[test]
    fn rows_of_the_first_form_are_read() {
        let row = b"\x01\x0820261127\x02\x80\xf5\x24\x88\xfb\xa4\xb0\x0d\x02\x0emx.example.org\
            \x0d*.example.net";
        let read = KeptPolicy::read(b"example.org", row).unwrap();
        let expected = policy(Mode::Enforce, &["mx.example.org", "*.example.net"]);
        let used = expected.fetched;
        assert_eq!(read, KeptPolicy { used, ..expected });
    }
}
