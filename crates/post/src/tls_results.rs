//! What came of TLS with the hosts of other domains, counted by day, for the reports that those
//! domains want.
//!
//! Not here: counting, and sending reports (`server`); what a report is (`trust`).
//!
//! RFC 8460 §4 (what is counted).

use bytes::Bytes;
use store::{Direction, Partition, Table, Write};
use trust::tlsrpt::{PolicyReport, Report};

use crate::octets::{Reader, Writer};
use crate::{Error, Fault, Outcome, Post, queue};

/// What was counted, by day and domain.
pub(crate) const TLS_RESULTS: Table = Table(47);

const VERSION: u8 = 1;
/// Versions of rows that are read.
pub(crate) const VERSIONS: &[u8] = &[VERSION];

/// Rows that are read in one step.
const PAGE_ROWS: usize = 500;

/// What was counted of one domain on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsResults {
    /// The day: so many since 1970, in Greenwich.
    pub day: u32,
    /// The domain.
    pub domain: String,
    /// What came of each of its policies.
    pub policies: Vec<PolicyReport>,
}

impl TlsResults {
    fn key(&self) -> Bytes {
        [&self.day.to_be_bytes()[..], self.domain.as_bytes()]
            .concat()
            .into()
    }

    fn put(&self) -> Option<Write> {
        let report = Report {
            policies: self.policies.clone(),
            ..Report::default()
        };
        Some(Write::Put {
            table: TLS_RESULTS,
            key: self.key(),
            value: Writer::version(VERSION)
                .octets(&report.write().ok()?)
                .finish(),
        })
    }

    fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let (day, domain) = key.split_first_chunk::<4>()?;
        let mut reader = Reader::version(value, VERSION)?;
        let report = Report::parse(reader.octets()?).ok()?;
        reader.end()?;
        Some(Self {
            day: u32::from_be_bytes(*day),
            domain: std::str::from_utf8(domain).ok()?.to_owned(),
            policies: report.policies,
        })
    }
}

impl Post {
    /// All that was counted and is not reported yet.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn tls_results(&self) -> Outcome<Vec<TlsResults>> {
        let (mut all, mut from) = (Vec::new(), Bytes::new());
        loop {
            let page = self.inner.store.scan(
                Partition::QUEUE,
                TLS_RESULTS,
                (from, None),
                PAGE_ROWS,
                Direction::Rising,
            );
            let page = page
                .await
                .map_err(Error::reading("reading results of TLS"))?;
            for row in &page.rows {
                let read = TlsResults::read(&row.key, &row.value);
                all.push(read.ok_or(Fault::Row("results of TLS"))?);
            }
            let Some(last) = page.rows.last().filter(|_| page.more) else {
                return Ok(all);
            };
            from = [&last.key, &[0][..]].concat().into();
        }
    }

    /// Keeps results, and forgets others.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn keep_tls_results(
        &self,
        kept: &[TlsResults],
        forgotten: &[TlsResults],
    ) -> Outcome<()> {
        let gone = forgotten.iter().map(|results| Write::Delete {
            table: TLS_RESULTS,
            key: results.key(),
        });
        let kept = kept.iter().filter_map(TlsResults::put);
        let change = queue::Change {
            beside: gone.chain(kept).collect(),
            ..queue::Change::default()
        };
        if change.beside.is_empty() {
            return Ok(());
        }
        self.change_with_queue(&[], &[], &change, |_, _| Ok(()))
            .await
            .map(drop)
    }

    /// Asks whoever reports on TLS to do so now.
    pub fn urge_tls_reports(&self) {
        self.inner.queue.urge_reports();
    }

    /// Waits until that is asked for.
    pub async fn tls_reports_urged(&self) {
        self.inner.queue.reports_urged().await;
    }
}

#[cfg(test)]
mod tests {
    use trust::tlsrpt::{Failure, Policy, Summary};

    use super::*;

    #[test]
    fn rows_come_back() {
        let results = TlsResults {
            day: 20_784,
            domain: "example.org".to_owned(),
            policies: vec![PolicyReport {
                policy: Policy {
                    policy_type: "sts".to_owned(),
                    policy_string: vec!["version: STSv1".to_owned()],
                    policy_domain: "example.org".to_owned(),
                    mx_host: vec!["*.example.org".to_owned()],
                },
                summary: Summary {
                    total_successful_session_count: 3,
                    total_failure_session_count: 1,
                },
                failure_details: vec![Failure {
                    result_type: "certificate-expired".to_owned(),
                    failed_session_count: 1,
                    ..Failure::default()
                }],
            }],
        };
        let Some(Write::Put { key, value, .. }) = results.put() else {
            panic!("no row");
        };
        assert_eq!(TlsResults::read(&key, &value), Some(results));
        for cut in 0..value.len() {
            assert_eq!(TlsResults::read(&key, &value[..cut]), None);
        }
    }
}
