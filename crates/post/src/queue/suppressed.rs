//! Addresses at other hosts to which nothing is sent for a while, because their host said that
//! there is nobody: whoever goes on sending to such addresses is taken for a sender of spam.
//!
//! They are the whole house's, on the disk, and forgotten by time. Not here: reports and what
//! aliases and scripts send on, which go their way.

use std::time::Duration;

use bytes::Bytes;
use mail::{ForwardPath, Timestamp};
use store::{Direction, Partition, Row, Table, Write};

use super::{Change, Said};
use crate::octets::{Reader, Writer};
use crate::report::in_words;
use crate::{Error, Fault, Outcome, Post, Why};

/// Addresses to which nothing is sent, in lower case.
pub(crate) const TABLE: Table = Table(49);
const VERSION: u8 = 1;

/// Addresses that are remembered; beyond it the oldest are forgotten, within an hour.
const ADDRESSES_MAX: usize = 100_000;
/// Rows that one step reads or forgets.
const STEP_ROWS: usize = 1000;
/// Octets of what was said that are kept.
const TEXT_OCTETS_MAX: usize = 500;

/// An address to which nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppressed {
    /// The address, in lower case.
    pub address: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// What its host said.
    pub said: String,
}

/// True if a host has said that there is nobody at an address, or no longer.
// RFC 3463 §3.2, §3.3
fn says_nobody(said: &Said) -> bool {
    let status = said.status;
    let is_of_address = match (status.subject, status.detail) {
        (1, 1 | 2 | 6 | 10) | (2, 1) => true,
        // Without a better word, what the reply code says.
        (0, 0) => said.code.is_some_and(|code| code.value() == 550),
        _ => false,
    };
    said.host.is_some() && status.class == 5 && is_of_address
}

/// The row of an address whose host has said that there is nobody; nothing of any other fate.
pub(super) fn row(path: &ForwardPath, said: &Said, now: Timestamp) -> Option<Write> {
    let key = key(path).filter(|_| says_nobody(said))?;
    let words = in_words(said);
    let end = words.floor_char_boundary(TEXT_OCTETS_MAX);
    let words = words.get(..end).unwrap_or_default();
    Some(Write::Put {
        table: TABLE,
        key,
        value: Writer::version(VERSION)
            .signed(now.seconds)
            .octets(words.as_bytes())
            .finish(),
    })
}

/// Local parts are told apart by few hosts, and by none that says of one what it denies of another.
fn key(path: &ForwardPath) -> Option<Bytes> {
    let address = path.address()?.to_string().to_lowercase();
    Some(address.into())
}

impl Post {
    /// Refuses an address to which nothing is sent.
    ///
    /// # Errors
    /// 550 5.1.1 with what its host said; or if the store cannot be read.
    pub(crate) async fn refuse_suppressed(&self, path: &ForwardPath) -> Outcome<()> {
        let Some(key) = key(path).filter(|_| !self.suppress_window().is_zero()) else {
            return Ok(());
        };
        let store = self.inner.store.as_ref();
        let found = store.get(Partition::QUEUE, TABLE, vec![key.clone()]).await;
        let found = found.map_err(Error::reading("reading the queue"))?;
        let Some(value) = found.into_iter().next().flatten() else {
            return Ok(());
        };
        let known = self.read_suppressed(&Row { key, value })?;
        if known.until <= self.inner.outside.now() {
            return Ok(());
        }
        let text = format!(
            "Mail to this address failed at {}, and is not sent again until {}; its host said: {}",
            known.since.to_rfc3339(),
            known.until.to_rfc3339(),
            known.said
        );
        Err(Error::refused(Why::Policy, 550, [5, 1, 1], text))
    }

    /// Addresses to which nothing is sent, in their order behind `after`; a page of them, and
    /// whether there are more.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn suppressed(&self, after: Option<&str>) -> Outcome<(Vec<Suppressed>, bool)> {
        let from = after.map_or_else(Bytes::new, |after| {
            super::claim::behind(after.to_lowercase().as_bytes())
        });
        let (rows, more) = self.suppressed_rows(from).await?;
        let known: Outcome<Vec<Suppressed>> =
            rows.iter().map(|row| self.read_suppressed(row)).collect();
        Ok((known?, more))
    }

    /// Lets mail go to these addresses again; tells how many of them it did not go to.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub async fn unsuppress(&self, addresses: &[String]) -> Outcome<usize> {
        let mut freed = 0;
        for addresses in addresses.chunks(STEP_ROWS) {
            let keys = addresses.iter().map(|address| address.to_lowercase());
            let keys: Vec<Bytes> = keys.map(Bytes::from).collect();
            let store = self.inner.store.as_ref();
            let found = store.get(Partition::QUEUE, TABLE, keys.clone()).await;
            let found = found.map_err(Error::reading("reading the queue"))?;
            let there = keys.into_iter().zip(found);
            let there = there.filter_map(|(key, value)| value.map(|_| key));
            freed += self.forget_suppressed_rows(there.collect()).await?;
        }
        Ok(freed)
    }

    /// Forgets addresses whose time is over, and the oldest where they are too many; tells how
    /// many.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub async fn forget_suppressed(&self) -> Outcome<usize> {
        let now = self.inner.outside.now();
        let (mut gone, mut left, mut from) = (Vec::new(), Vec::new(), Bytes::new());
        loop {
            let (rows, more) = self.suppressed_rows(from).await?;
            from = rows
                .last()
                .map_or_else(Bytes::new, |row| super::claim::behind(&row.key));
            for row in rows {
                let known = self.read_suppressed(&row)?;
                match known.until <= now {
                    true => gone.push(row.key),
                    false => left.push((known.since.seconds, row.key)),
                }
            }
            if !more {
                break;
            }
        }
        let too_many = left.len().saturating_sub(ADDRESSES_MAX);
        left.sort_unstable();
        gone.extend(left.into_iter().take(too_many).map(|(_, key)| key));
        self.forget_suppressed_rows(gone).await
    }

    async fn suppressed_rows(&self, from: Bytes) -> Outcome<(Vec<Row>, bool)> {
        let store = self.inner.store.as_ref();
        let range = (from, None);
        let page = store.scan(Partition::QUEUE, TABLE, range, STEP_ROWS, Direction::Rising);
        let page = page.await.map_err(Error::reading("reading the queue"))?;
        Ok((page.rows, page.more))
    }

    async fn forget_suppressed_rows(&self, keys: Vec<Bytes>) -> Outcome<usize> {
        for keys in keys.chunks(STEP_ROWS) {
            let delete = |key: &Bytes| Write::Delete {
                table: TABLE,
                key: key.clone(),
            };
            let change = Change {
                beside: keys.iter().map(delete).collect(),
                ..Change::default()
            };
            self.change_with_queue(&[], &[], &change, |_, _| Ok(()))
                .await?;
        }
        Ok(keys.len())
    }

    fn suppress_window(&self) -> Duration {
        self.rules().queue.suppress
    }

    fn read_suppressed(&self, row: &Row) -> Outcome<Suppressed> {
        let wrong = || Fault::Row("addresses that nothing is sent to");
        let read = || {
            let mut reader = Reader::version(&row.value, VERSION)?;
            let (since, said) = (reader.signed()?, reader.text()?.to_owned());
            reader.end()?;
            Some((since, said, std::str::from_utf8(&row.key).ok()?.to_owned()))
        };
        let (since, said, address) = read().ok_or_else(wrong)?;
        let window = i64::try_from(self.suppress_window().as_secs()).unwrap_or(i64::MAX);
        Ok(Suppressed {
            address,
            since: Timestamp::utc(since),
            until: Timestamp::utc(since.saturating_add(window)),
            said,
        })
    }
}

#[cfg(test)]
mod tests {
    use mail::{Enhanced, ReplyCode};

    use super::*;

    #[test]
    fn what_says_that_there_is_nobody() {
        for (code, status, by_host, expected) in [
            (550, (5, 1, 1), true, true),
            (550, (5, 1, 10), true, true),
            (551, (5, 1, 6), true, true),
            (550, (5, 2, 1), true, true),
            (550, (5, 0, 0), true, true),
            (554, (5, 0, 0), true, false),
            (550, (5, 7, 1), true, false),
            (552, (5, 2, 2), true, false),
            (450, (4, 1, 1), true, false),
            (550, (5, 1, 1), false, false),
        ] {
            let (class, subject, detail) = status;
            let said = Said {
                host: by_host.then(|| "mx.example".to_owned()),
                code: ReplyCode::new(code),
                status: Enhanced::new(class, subject, detail),
                text: "no".into(),
            };
            assert_eq!(says_nobody(&said), expected, "{code} {status:?}");
        }
    }
}
