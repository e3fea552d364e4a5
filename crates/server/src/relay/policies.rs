//! What domains want of TLS (MTA-STS): found out, fetched, and kept, also when the server starts
//! anew.
//!
//! Not here: what a policy says (`trust`), what is asked of a host because of it (`guard`).
//!
//! RFC 8461 §3.1 (the record), §3.3 (fetching), §5.1 (what is kept).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use net::{ClientConfig, HttpsError, HttpsPlace};
use post::KeptPolicy;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use trust::mta_sts::{Kept, MtaSts, POLICY_OCTETS_MAX, Policy, Verdict};
use trust::{Answer, Answers, Check, Kind, Question, Record};

use super::Relay;

/// Policies that are kept.
const POLICIES_MAX: usize = 20_000;
/// Octets that they take.
const POLICIES_OCTETS_MAX: usize = 16 << 20;
/// How long fetching one may take.
const FETCH_TIME_MAX: Duration = Duration::from_secs(20);
/// Policies that are fetched at once.
const FETCHED_AT_ONCE_MAX: usize = 16;
/// How long a policy that could not be fetched is not asked for again (RFC 8461 §3.3).
const FAILED_TIME: Duration = Duration::from_secs(5 * 60);
/// Domains whose policy could not be fetched, that are remembered.
const FAILED_MAX: usize = 10_000;
/// After so many seconds a policy is fetched again though its record is the same, so that it is
/// always far from its end (RFC 8461 §5.1).
const FRESH_SECONDS: i64 = 24 * 3600;

/// What is kept.
#[derive(Debug)]
pub(super) struct Policies {
    shelf: Mutex<Shelf>,
    turns: Semaphore,
}

#[derive(Debug, Default)]
struct Shelf {
    kept: BTreeMap<String, KeptPolicy>,
    octets: usize,
    failed: HashMap<String, Instant>,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            shelf: Mutex::default(),
            turns: Semaphore::new(FETCHED_AT_ONCE_MAX),
        }
    }
}

impl Policies {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts those in that were kept before.
    pub(super) fn fill(&self, kept: Vec<KeptPolicy>) {
        let mut shelf = self.shelf();
        for policy in kept {
            shelf.put(policy);
        }
    }

    /// The policy of a domain, unless it holds no more.
    fn kept(&self, domain: &str, now: i64) -> Option<KeptPolicy> {
        let shelf = self.shelf();
        let kept = shelf.kept.get(domain);
        kept.filter(|kept| now < kept.end()).cloned()
    }

    fn has_failed(&self, domain: &str) -> bool {
        let shelf = self.shelf();
        let since = shelf.failed.get(domain);
        since.is_some_and(|since| since.elapsed() < FAILED_TIME)
    }

    fn fail(&self, domain: &str) {
        let mut shelf = self.shelf();
        if shelf.failed.len() >= FAILED_MAX {
            shelf
                .failed
                .retain(|_, since| since.elapsed() < FAILED_TIME);
        }
        // Where all are fresh, this one is asked again.
        if shelf.failed.len() < FAILED_MAX {
            shelf.failed.insert(domain.to_owned(), Instant::now());
        }
    }
}

impl Shelf {
    fn put(&mut self, policy: KeptPolicy) {
        self.octets += policy.octets();
        self.failed.remove(&policy.domain);
        if let Some(before) = self.kept.insert(policy.domain.clone(), policy) {
            self.octets -= before.octets();
        }
    }

    /// Takes away what holds no more, and, where there is too much, what ends first.
    fn tidy(&mut self, but: &str, now: i64) -> Vec<String> {
        let ended = self.kept.values().filter(|kept| kept.end() <= now);
        let mut gone: Vec<String> = ended.map(|kept| kept.domain.clone()).collect();
        gone.retain(|domain| domain != but);
        gone.iter().for_each(|domain| self.remove(domain));
        while self.kept.len() > POLICIES_MAX || self.octets > POLICIES_OCTETS_MAX {
            let others = self.kept.values().filter(|kept| kept.domain != but);
            let Some(first) = others.min_by_key(|kept| kept.end()) else {
                break;
            };
            let domain = first.domain.clone();
            self.remove(&domain);
            gone.push(domain);
        }
        gone
    }

    fn remove(&mut self, domain: &str) {
        if let Some(policy) = self.kept.remove(domain) {
            self.octets -= policy.octets();
        }
    }
}

impl Relay {
    /// The policy of a destination, if it has one; where there is nobody to verify anything by,
    /// none has.
    pub(super) async fn policy(&self, domain: &str) -> Option<Policy> {
        let trust = self.trust.as_ref().filter(|_| self.settings.tls.mta_sts)?;
        let outside = self.post.outside();
        let now = outside.now().seconds;
        let known = self.policies.kept(domain, now);
        let is_fresh = |kept: &&KeptPolicy| now.saturating_sub(kept.fetched) < FRESH_SECONDS;
        let fresh = known.as_ref().filter(is_fresh).map(|known| &known.kept);
        let check = MtaSts {
            domain,
            kept: fresh,
        };
        let mut answers = Answers::default();
        let verdict = loop {
            let question = match check.judge(&answers) {
                Ok(verdict) => break verdict,
                Err(question) => question,
            };
            let answer = match question.kind() {
                Kind::StsPolicy => self.fetch(domain, trust).await,
                _ => outside.ask(&question).await,
            };
            answers.put(question, answer);
        };
        let Verdict {
            policy,
            fetched,
            problem,
        } = verdict;
        if let Some(problem) = problem {
            tracing::debug!(domain, problem, "nothing new of its policy");
        }
        match policy {
            Some(kept) if fetched => Some(self.keep(domain, kept, now).await),
            Some(kept) => Some(kept.policy),
            None => known.map(|known| known.kept.policy),
        }
    }

    /// Keeps a policy that was fetched just now.
    async fn keep(&self, domain: &str, kept: Kept, now: i64) -> Policy {
        tracing::info!(domain, id = kept.id, mode = ?kept.policy.mode, "its policy was fetched");
        let policy = KeptPolicy {
            domain: domain.to_owned(),
            kept,
            fetched: now,
        };
        let gone = {
            let mut shelf = self.policies.shelf();
            shelf.put(policy.clone());
            shelf.tidy(domain, now)
        };
        if let Err(error) = self.post.keep_policy(&policy, &gone).await {
            tracing::error!(%error, domain, "its policy cannot be kept over a restart");
        }
        policy.kept.policy
    }

    // RFC 8461 §3.3
    /// Fetches the text of a policy.
    async fn fetch(&self, domain: &str, trust: &Arc<ClientConfig>) -> Answer {
        if self.policies.has_failed(domain) {
            return Answer::Failed;
        }
        let Ok(_turn) = self.policies.turns.acquire().await else {
            return Answer::Failed;
        };
        match self.fetch_text(domain, trust).await {
            Ok(text) => Answer::Records(vec![Record::Txt(text)]),
            Err(error) => {
                tracing::info!(domain, %error, "its policy cannot be fetched");
                self.policies.fail(domain);
                Answer::Failed
            }
        }
    }

    async fn fetch_text(
        &self,
        domain: &str,
        trust: &Arc<ClientConfig>,
    ) -> Result<Vec<u8>, HttpsError> {
        let host = format!("mta-sts.{domain}");
        let mut addresses = Vec::new();
        for kind in [Kind::Aaaa, Kind::A] {
            let question = Question::new(&host, kind).ok_or(HttpsError::Place)?;
            let answer = self.post.outside().ask(&question).await;
            addresses.extend(answer.addresses());
        }
        let place = HttpsPlace {
            host,
            port: self.settings.tls.policy_port,
            path: "/.well-known/mta-sts.txt".to_owned(),
            addresses,
        };
        let wanted = ("text/plain", POLICY_OCTETS_MAX);
        let text = place.fetch(Arc::clone(trust), wanted, FETCH_TIME_MAX);
        text.await.map(|text| text.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use trust::mta_sts::Mode;

    use super::*;

    fn policy(domain: &str, age: u64, patterns: usize) -> KeptPolicy {
        KeptPolicy {
            domain: domain.to_owned(),
            kept: Kept {
                id: "1".to_owned(),
                policy: Policy {
                    mode: Mode::Enforce,
                    age: Duration::from_secs(age),
                    patterns: vec!["m".repeat(250); patterns],
                },
            },
            fetched: 1000,
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_ends() {
        let mut shelf = Shelf::default();
        for number in 0..=POLICIES_MAX {
            let age = u64::try_from(number).unwrap() + 100;
            shelf.put(policy(&format!("{number}.example"), age, 1));
        }
        assert_eq!(shelf.tidy("0.example", 1000), ["1.example"]);
        assert_eq!(shelf.kept.len(), POLICIES_MAX);
        assert_eq!(shelf.tidy("0.example", 1102), ["2.example"]);
        let mut shelf = Shelf::default();
        for number in 0..400 {
            shelf.put(policy(&format!("{number}.example"), 100 + number, 200));
            shelf.put(policy(&format!("{number}.example"), 100 + number, 200));
        }
        let sum = |shelf: &Shelf| shelf.kept.values().map(KeptPolicy::octets).sum::<usize>();
        assert_eq!(shelf.octets, sum(&shelf));
        let gone = shelf.tidy("399.example", 1000);
        assert!(!gone.is_empty() && shelf.octets <= POLICIES_OCTETS_MAX);
        assert_eq!(shelf.octets, sum(&shelf));
        let policies = Policies::default();
        policies.fill(vec![policy("a.example", 100, 1)]);
        assert!(policies.kept("a.example", 1099).is_some());
        assert!(policies.kept("a.example", 1100).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_left_alone_for_a_while() {
        let policies = Policies::default();
        policies.fail("a.example");
        assert!(policies.has_failed("a.example") && !policies.has_failed("b.example"));
        tokio::time::advance(FAILED_TIME).await;
        assert!(!policies.has_failed("a.example"));
        for number in 0..FAILED_MAX + 10 {
            policies.fail(&format!("{number}.example"));
        }
        assert_eq!(policies.shelf().failed.len(), FAILED_MAX);
    }
}
