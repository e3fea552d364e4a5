//! What came of TLS with other domains' hosts, counted by day and domain.
//!
//! In memory it is written down every minute: a crash costs a minute's counts, and no letter.
//!
//! Not here: how it is reported (`reports`).
//!
//! RFC 8460 §4 (what is counted), §4.3 (kinds of failures).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use post::TlsResults;
use trust::tlsrpt::{Failure, Policy, PolicyReport};

use super::guard::{Trouble, TroubleKind};
use super::policies;

/// Domains that are counted, once for each day.
const DOMAINS_MAX: usize = 10_000;
/// Policies of one domain and day.
const POLICIES_MAX: usize = 10;
/// Different failures of one policy that are told apart; more are only counted.
const FAILURES_MAX: usize = 50;
/// Octets of the words about a failure.
const WORDS_OCTETS_MAX: usize = 300;

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Results(Mutex<BTreeMap<(u32, String), Sum>>);

#[derive(Debug, Default)]
struct Sum {
    policies: Vec<PolicyReport>,
    /// True if the disk does not have it yet.
    is_new: bool,
}

/// What failed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failed<'a> {
    /// A session with a host, whose name and address these are.
    Session(&'a Trouble, &'a str, IpAddr),
    /// Finding out about the domain's policy.
    Policy(&'a policies::Trouble),
}

/// The day of a moment.
pub(super) fn day(seconds: i64) -> u32 {
    u32::try_from(seconds.div_euclid(DAY)).unwrap_or_default()
}

impl Results {
    fn sums(&self) -> MutexGuard<'_, BTreeMap<(u32, String), Sum>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in what was counted before.
    pub(super) fn fill(&self, kept: Vec<TlsResults>) {
        let mut sums = self.sums();
        for TlsResults {
            day,
            domain,
            policies,
        } in kept
        {
            let is_new = false;
            sums.insert((day, domain), Sum { policies, is_new });
        }
    }

    /// Counts one session with a domain's host, or one time that its policy was not to be had,
    /// which counts as a session that failed, beside the one that goes on without it.
    pub(super) fn count(
        &self,
        day: u32,
        domain: &str,
        policy: &Policy,
        failed: Option<Failed<'_>>,
    ) {
        let mut sums = self.sums();
        let key = (day, domain.to_owned());
        if sums.len() >= DOMAINS_MAX && !sums.contains_key(&key) {
            return;
        }
        let sum = sums.entry(key).or_default();
        sum.is_new = true;
        let place = match sum.policies.iter().position(|one| one.policy == *policy) {
            Some(place) => place,
            None if sum.policies.len() >= POLICIES_MAX => return,
            None => {
                sum.policies.push(PolicyReport {
                    policy: policy.clone(),
                    ..PolicyReport::default()
                });
                sum.policies.len() - 1
            }
        };
        let Some(report) = sum.policies.get_mut(place) else {
            return;
        };
        let Some(failed) = failed else {
            report.summary.total_successful_session_count += 1;
            return;
        };
        report.summary.total_failure_session_count += 1;
        let failure = failed.told();
        let is_full = report.failure_details.len() >= FAILURES_MAX;
        let known = report.failure_details.iter_mut().find(|one| {
            let same = one.result_type == failure.result_type;
            same && one.receiving_ip == failure.receiving_ip
                && one.receiving_mx_hostname == failure.receiving_mx_hostname
        });
        match known {
            Some(known) => known.failed_session_count += 1,
            None if is_full => {}
            None => report.failure_details.push(failure),
        }
    }

    /// What the disk does not have yet.
    pub(super) fn fresh(&self) -> Vec<TlsResults> {
        let mut sums = self.sums();
        let fresh = sums.iter_mut().filter(|(_, sum)| sum.is_new);
        fresh
            .map(|((day, domain), sum)| {
                sum.is_new = false;
                results((*day, domain), sum)
            })
            .collect()
    }

    /// What could not be written is new again.
    pub(super) fn restore(&self, unwritten: &[TlsResults]) {
        let mut sums = self.sums();
        for one in unwritten {
            if let Some(sum) = sums.get_mut(&(one.day, one.domain.clone())) {
                sum.is_new = true;
            }
        }
    }

    /// All of days before this one.
    pub(super) fn before(&self, day: u32) -> Vec<TlsResults> {
        let sums = self.sums();
        let past = sums.range(..(day, String::new()));
        past.map(|((day, domain), sum)| results((*day, domain), sum))
            .collect()
    }

    /// Forgets one.
    pub(super) fn forget(&self, results: &TlsResults) {
        let key = (results.day, results.domain.clone());
        self.sums().remove(&key);
    }
}

fn results((day, domain): (u32, &String), sum: &Sum) -> TlsResults {
    TlsResults {
        day,
        domain: domain.clone(),
        policies: sum.policies.clone(),
    }
}

impl Failed<'_> {
    fn told(self) -> Failure {
        let (kind, words, host) = match self {
            Self::Session(trouble, host, ip) => {
                let host = (host.to_owned(), ip.to_string());
                (of_session(trouble.kind), &trouble.text, Some(host))
            }
            Self::Policy(trouble) => (of_policy(trouble.kind), &trouble.words, None),
        };
        let end = words.floor_char_boundary(WORDS_OCTETS_MAX);
        let (host, ip) = host.unzip();
        Failure {
            result_type: kind.to_owned(),
            receiving_mx_hostname: host,
            receiving_ip: ip,
            failed_session_count: 1,
            failure_reason_code: words.get(..end).map(str::to_owned),
            ..Failure::default()
        }
    }
}

// RFC 8460 §4.3.1, §4.3.2.1, §4.3.3
/// What reports call what went wrong with a host.
const fn of_session(kind: TroubleKind) -> &'static str {
    match kind {
        TroubleKind::NoTls => "starttls-not-supported",
        TroubleKind::Expired => "certificate-expired",
        TroubleKind::OtherName => "certificate-host-mismatch",
        TroubleKind::Untrusted => "certificate-not-trusted",
        TroubleKind::Dane => "tlsa-invalid",
        TroubleKind::Dnssec => "dnssec-invalid",
        TroubleKind::Validation | TroubleKind::Unnamed | TroubleKind::NoRequireTls => {
            "validation-failure"
        }
    }
}

// RFC 8460 §4.3.2.2
/// What reports call what went wrong with a policy.
const fn of_policy(kind: policies::TroubleKind) -> &'static str {
    match kind {
        policies::TroubleKind::Fetch => "sts-policy-fetch-error",
        policies::TroubleKind::Invalid => "sts-policy-invalid",
        policies::TroubleKind::Webpki => "sts-webpki-invalid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(kind: &str) -> Policy {
        Policy {
            policy_type: kind.to_owned(),
            ..Policy::default()
        }
    }

    #[test]
    fn sessions_are_counted_by_day_domain_policy_and_failure() {
        let results = Results::default();
        let trouble = |kind| Trouble {
            kind,
            text: "x".to_owned(),
        };
        let failed = |trouble, host| Failed::Session(trouble, host, [192, 0, 2, 1].into());
        let expired = trouble(TroubleKind::Expired);
        let clear = trouble(TroubleKind::NoTls);
        for _ in 0..3 {
            results.count(1, "a.example", &policy("sts"), None);
        }
        for (trouble, host) in [
            (&expired, "one"),
            (&expired, "one"),
            (&expired, "two"),
            (&clear, "one"),
        ] {
            let failed = Some(failed(trouble, host));
            results.count(1, "a.example", &policy("sts"), failed);
        }
        results.count(1, "a.example", &policy("tlsa"), None);
        results.count(2, "b.example", &policy("sts"), None);
        let counted = results.before(2);
        assert_eq!(counted.len(), 1);
        let of_sts = &counted[0].policies[0];
        assert_eq!(of_sts.summary.total_successful_session_count, 3);
        assert_eq!(of_sts.summary.total_failure_session_count, 4);
        let failures = of_sts.failure_details.iter();
        let failures: Vec<(&str, u64)> = failures
            .map(|one| (one.result_type.as_str(), one.failed_session_count))
            .collect();
        assert_eq!(
            failures,
            [
                ("certificate-expired", 2),
                ("certificate-expired", 1),
                ("starttls-not-supported", 1)
            ]
        );
        assert_eq!(counted[0].policies.len(), 2);
        let fresh = results.fresh();
        assert_eq!((fresh.len(), results.fresh().len()), (2, 0));
        results.restore(&fresh[..1]);
        assert_eq!(results.fresh(), fresh[..1]);
        results.forget(&counted[0]);
        assert!(results.before(2).is_empty());
        let again = Results::default();
        again.fill(fresh.clone());
        assert_eq!((again.before(9), again.fresh().len()), (fresh, 0));
    }

    #[test]
    fn every_kind_of_failure_has_its_name() {
        use policies::TroubleKind::{Fetch, Invalid, Webpki};
        let results = Results::default();
        let sts = |kind, words: &str| policies::Trouble {
            kind,
            words: words.to_owned(),
        };
        let gone = sts(Fetch, "the answer is 404 Not Found");
        for trouble in [&gone, &gone, &sts(Invalid, "x"), &sts(Webpki, "x")] {
            let failed = Some(Failed::Policy(trouble));
            results.count(1, "a.example", &policy("sts"), failed);
        }
        let counted = &results.before(2)[0].policies[0];
        assert_eq!(counted.summary.total_failure_session_count, 4);
        let failures = counted.failure_details.iter();
        let told: Vec<(&str, u64)> = failures
            .map(|one| (one.result_type.as_str(), one.failed_session_count))
            .collect();
        assert_eq!(
            told,
            [
                ("sts-policy-fetch-error", 2),
                ("sts-policy-invalid", 1),
                ("sts-webpki-invalid", 1)
            ]
        );
        let first = &counted.failure_details[0];
        assert_eq!(first.failure_reason_code.as_deref(), Some(&*gone.words));
        let host = (&first.receiving_mx_hostname, &first.receiving_ip);
        assert_eq!(host, (&None, &None));
        assert_eq!(of_session(TroubleKind::Dane), "tlsa-invalid");
        assert_eq!(of_session(TroubleKind::Dnssec), "dnssec-invalid");
        assert_eq!(of_session(TroubleKind::Unnamed), "validation-failure");
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let results = Results::default();
        let trouble = Trouble {
            kind: TroubleKind::Expired,
            text: "é".repeat(1000),
        };
        for number in 0..100 {
            let host = format!("{number}");
            let failed = Failed::Session(&trouble, &host, [192, 0, 2, 1].into());
            results.count(1, "a.example", &policy("sts"), Some(failed));
            results.count(1, "a.example", &policy(&host), None);
        }
        let counted = &results.before(2)[0];
        assert_eq!(counted.policies.len(), POLICIES_MAX);
        let first = &counted.policies[0];
        assert_eq!(first.failure_details.len(), FAILURES_MAX);
        assert_eq!(first.summary.total_failure_session_count, 100);
        for number in 0..DOMAINS_MAX + 10 {
            results.count(1, &format!("{number}.example"), &policy("sts"), None);
        }
        assert_eq!(results.before(2).len(), DOMAINS_MAX);
        assert_eq!((day(-1), day(DAY - 1), day(DAY)), (0, 0, 1));
    }
}
