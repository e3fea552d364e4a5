//! What was seen of domains' letters, as rows: one for each domain and day with the policy that was
//! found, and behind it one for each kind of letters.
//!
//! ```text
//! key:    day:u32 since 1970, octets:u8 domain, then nothing, or sixteen octets of a hash
//! value:  version, and JSON: the policy and who is told; or the row that a report has
//! ```
//!
//! They are written behind what they count, and some of it at once: a crash costs the last minute's
//! counts, which nobody was promised. They go in the step that puts their report into the queue.
//!
//! Not here: what is counted, and who is told (`aggregate`).

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};
use store::{Direction, Partition, Table, Write};
use trust::feedback::{PolicyPublished, Row};

use super::{About, Print, What};
use crate::octets::{Reader, Writer};
use crate::{Error, Fault, Outcome, Post, queue};

/// What was seen, by day, domain and kind.
pub(crate) const TABLE: Table = Table(55);

const VERSION: u8 = 1;
/// Versions of rows that are read.
pub(crate) const VERSIONS: &[u8] = &[VERSION];

/// Rows that are read in one step.
const PAGE_ROWS: usize = 500;
/// Rows that are written or forgotten in one step.
const STEP_ROWS: usize = 200;

/// One row, or a domain's policy.
#[derive(Debug, PartialEq)]
pub(super) enum Kept {
    Head(PolicyPublished, Vec<String>),
    Row(Print, Row),
}

/// What the disk has less of.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) what: What,
    /// Which row of it; `None` for the policy.
    pub(super) print: Option<Print>,
    pub(super) write: Write,
}

/// A key; `None` for what no row can be about.
fn key((day, domain): &What, print: Option<&Print>) -> Option<Bytes> {
    let mut key = BytesMut::with_capacity(domain.len() + 21);
    key.put_u32(u32::try_from(*day).ok()?);
    key.put_u8(u8::try_from(domain.len()).ok()?);
    key.put_slice(domain.as_bytes());
    key.put_slice(print.map_or(&[][..], |print| print));
    Some(key.freeze())
}

fn read_key(key: &[u8]) -> Option<(What, Option<Print>)> {
    let (day, rest) = key.split_first_chunk::<4>()?;
    let (octets, rest) = rest.split_first()?;
    let (domain, print) = rest.split_at_checked(usize::from(*octets))?;
    let domain = std::str::from_utf8(domain).ok()?.to_owned();
    let print = match print {
        [] => None,
        print => Some(print.try_into().ok()?),
    };
    Some(((i64::from(u32::from_be_bytes(*day)), domain), print))
}

fn value(of: &Value) -> Bytes {
    let text = of.to_string();
    Writer::version(VERSION).octets(text.as_bytes()).finish()
}

/// The row of a domain's policy.
pub(super) fn put_head(what: &What, about: &About) -> Option<Write> {
    let head = json!({ "policy": about.published, "rua": about.readers });
    Some(Write::Put {
        table: TABLE,
        key: key(what, None)?,
        value: value(&head),
    })
}

/// The row of a kind of letters.
pub(super) fn put_row(what: &What, print: &Print, row: &Row) -> Option<Write> {
    Some(Write::Put {
        table: TABLE,
        key: key(what, Some(print))?,
        value: value(&serde_json::to_value(row).ok()?),
    })
}

fn read(key: &[u8], value: &[u8]) -> Option<(What, Kept)> {
    let (what, print) = read_key(key)?;
    let mut reader = Reader::version(value, VERSION)?;
    let mut json: Value = serde_json::from_slice(reader.octets()?).ok()?;
    reader.end()?;
    let kept = match print {
        Some(print) => Kept::Row(print, serde_json::from_value(json).ok()?),
        None => Kept::Head(
            serde_json::from_value(json.get_mut("policy")?.take()).ok()?,
            serde_json::from_value(json.get_mut("rua")?.take()).ok()?,
        ),
    };
    Some((what, kept))
}

/// What takes all of a domain's rows of one day away.
pub(super) fn forget(what: &What, about: &About) -> Vec<Write> {
    let rows = about.rows.keys().map(Some);
    let keys = [None].into_iter().chain(rows);
    let keys = keys.filter_map(|print| key(what, print));
    keys.map(|key| Write::Delete { table: TABLE, key })
        .collect()
}

impl Post {
    /// Writes down what was counted since the last time.
    ///
    /// # Errors
    /// If it cannot be stored; then it is written the next time.
    pub async fn keep_dmarc_counts(&self) -> Outcome<()> {
        let aggregates = &self.inner.aggregates;
        let _turn = aggregates.turn().await;
        let fresh = aggregates.fresh();
        for (done, step) in fresh.chunks(STEP_ROWS).enumerate() {
            let writes = step.iter().map(|one| one.write.clone()).collect();
            if let Err(error) = self.write_dmarc(writes).await {
                aggregates.restore(fresh.get(done * STEP_ROWS..).unwrap_or_default());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Reads what was counted before the server stopped; where nobody is told any more, that is
    /// forgotten.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub async fn read_dmarc_counts(&self) -> Outcome<()> {
        let aggregates = &self.inner.aggregates;
        let _turn = aggregates.turn().await;
        let mut from = Bytes::new();
        loop {
            let page = self.inner.store.scan(
                Partition::QUEUE,
                TABLE,
                (from, None),
                PAGE_ROWS,
                Direction::Rising,
            );
            let page = page.await;
            let page = page.map_err(Error::reading("reading what was seen of domains' letters"))?;
            if self.rules().trust.reports {
                for row in &page.rows {
                    let read = read(&row.key, &row.value);
                    let (what, kept) = read.ok_or(Fault::Row("what was seen of letters"))?;
                    aggregates.fill(what, kept);
                }
            } else {
                let gone = page.rows.iter().map(|row| Write::Delete {
                    table: TABLE,
                    key: row.key.clone(),
                });
                self.write_dmarc(gone.collect()).await?;
            }
            let Some(last) = page.rows.last().filter(|_| page.more) else {
                return Ok(());
            };
            from = [&last.key, &[0][..]].concat().into();
        }
    }

    /// Changes rows; that nothing else does so meanwhile is the caller's.
    pub(super) async fn write_dmarc(&self, writes: Vec<Write>) -> Outcome<()> {
        if writes.is_empty() {
            return Ok(());
        }
        let change = queue::Change {
            beside: writes,
            ..queue::Change::default()
        };
        let done = self.change_with_queue(&[], &[], &change, |_, _| Ok(()));
        done.await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use trust::feedback::{Reason, SpfResult};

    use super::*;

    fn about() -> About {
        About {
            published: PolicyPublished {
                domain: "example.org".to_owned(),
                p: "reject".to_owned(),
                adkim: Some("s".to_owned()),
                ..PolicyPublished::default()
            },
            readers: vec!["mailto:a@example.org".to_owned()],
            rows: BTreeMap::new(),
            is_new: true,
        }
    }

    fn row() -> Row {
        let mut row = Row::default();
        row.row.source_ip = "2001:db8::1".to_owned();
        row.row.count = 3;
        row.row.policy_evaluated.reasons.push(Reason {
            kind: "policy_test_mode".to_owned(),
            comment: None,
        });
        row.identifiers.header_from = "example.org".to_owned();
        row.auth_results.spf.push(SpfResult {
            domain: "example.org".to_owned(),
            result: "fail".to_owned(),
            ..SpfResult::default()
        });
        row
    }

    #[test]
    fn rows_come_back() {
        let what = (20_784, "example.org".to_owned());
        let (about, print) = (about(), [7; 16]);
        let head = Kept::Head(about.published.clone(), about.readers.clone());
        for (write, expected) in [
            (put_head(&what, &about), head),
            (put_row(&what, &print, &row()), Kept::Row(print, row())),
        ] {
            let Some(Write::Put { key, value, .. }) = write else {
                panic!("no row");
            };
            assert_eq!(read(&key, &value), Some((what.clone(), expected)));
            for cut in 0..value.len() {
                assert_eq!(read(&key, &value[..cut]), None);
            }
            for cut in 0..key.len().min(16) {
                assert_eq!(read(&key[..cut], &value), None);
            }
        }
        assert_eq!(key(&(-1, String::new()), None), None);
        assert_eq!(key(&(1, "x".repeat(256)), None), None);
    }

    #[test]
    fn rows_of_the_first_form_are_read() {
        let json = br#"{"policy":{"domain":"a.example","p":"none"},"rua":["mailto:x@a.example"]}"#;
        let value = [&[1, 73][..], json].concat();
        let (what, kept) = read(b"\x00\x00\x51\x30\x09a.example", &value).unwrap();
        assert_eq!(what, (20_784, "a.example".to_owned()));
        let Kept::Head(policy, readers) = kept else {
            panic!("a row");
        };
        assert_eq!((policy.p.as_str(), readers.len()), ("none", 1));
    }
}
