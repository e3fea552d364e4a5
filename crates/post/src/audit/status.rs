//! What audits did since the house was opened.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mail::Timestamp;

use super::Findings;

/// Sums over all audits since the house was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditStatus {
    /// Rounds through all accounts that came to their end.
    pub rounds: u64,
    /// When the last of them ended.
    pub last_round: Option<Timestamp>,
    /// Accounts looked at, each as often as it was.
    pub accounts: u64,
    /// Octets read.
    pub octets: u64,
    /// Pieces put off.
    pub postponed: u64,
    /// Differences found.
    pub found: u64,
    /// Differences repaired.
    pub repaired: u64,
    /// The same by kind: found and repaired. As far as they were told one by one.
    pub kinds: BTreeMap<&'static str, (u64, u64)>,
}

/// The sums, as the house holds them.
#[derive(Debug, Default)]
pub(crate) struct Audited(Mutex<AuditStatus>);

impl Audited {
    pub(super) fn note(&self, findings: &Findings) {
        let mut status = self.lock();
        status.accounts += findings.accounts;
        status.octets += findings.octets;
        status.postponed += findings.postponed;
        status.found += findings.found;
        status.repaired += findings.repaired;
        for difference in &findings.differences {
            let kind = status.kinds.entry(difference.kind.name()).or_default();
            kind.0 += 1;
            kind.1 += u64::from(difference.repaired);
        }
    }

    pub(super) fn round(&self, now: Timestamp) {
        let mut status = self.lock();
        status.rounds += 1;
        status.last_round = Some(now);
    }

    pub(super) fn status(&self) -> AuditStatus {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, AuditStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
