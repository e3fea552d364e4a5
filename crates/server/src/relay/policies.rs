//! What domains want of TLS (MTA-STS): found out, fetched, and kept, also when the server starts
//! anew.
//!
//! Not here: what a policy says (`trust`), what is asked of a host because of it (`guard`), when it
//! is fetched again (`refresh`).
//!
//! RFC 8461 §3.1 (the record), §3.3 (fetching), §5.1 (what is kept).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use net::{ClientConfig, HttpError, HttpsPlace};
use post::{KeptPolicy, PolicyFailure};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use trust::mta_sts::{Kept, Mode, MtaSts, POLICY_OCTETS_MAX, Policy, ProblemKind, Verdict};
use trust::{Answer, Answers, Check, Kind, Question, Record};

use super::guard::described_sts;
use super::refresh::{first_fetch, next_fetch};
use super::results::Failed;
use super::{Relay, dice};

/// Policies that are kept.
const POLICIES_MAX: usize = 20_000;
/// Octets that they take.
const POLICIES_OCTETS_MAX: usize = 16 << 20;
/// How long fetching one may take.
const FETCH_TIME_MAX: Duration = Duration::from_secs(20);
/// Policies that are fetched at once for letters that wait for them.
const FETCHED_AT_ONCE_MAX: usize = 16;
/// How long a policy that could not be fetched is not asked for again (RFC 8461 §3.3).
const FAILED_TIME: Duration = Duration::from_secs(5 * 60);
/// Domains whose policy could not be fetched, that are remembered.
const FAILED_MAX: usize = 10_000;
/// After so many seconds it is noted again that letters go to a domain.
const USED_SECONDS: i64 = 3600;
/// Octets of the words about a failure.
const WORDS_OCTETS_MAX: usize = 300;

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
    /// Domains whose policy could not be fetched lately, and why.
    failed: HashMap<String, (Instant, Trouble)>,
    /// Domains of whose policies the disk knows less.
    unwritten: BTreeSet<String>,
}

/// Why nothing new is known of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: TroubleKind,
    pub(super) words: String,
}

// RFC 8460 §4.3.2.2
/// What kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TroubleKind {
    /// It could not be had.
    Fetch,
    /// It is none.
    Invalid,
    /// The certificate of the host that has it is not to be trusted.
    Webpki,
}

/// What was found out about the policy of a domain.
#[derive(Debug)]
pub(super) struct Found {
    /// The policy to go by.
    pub(super) policy: Option<Kept>,
    /// True if it was fetched just now.
    pub(super) is_new: bool,
    /// Why it was not.
    pub(super) trouble: Option<Trouble>,
    /// True if the trouble is that of a domain which says that it has a policy.
    pub(super) has_record: bool,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Trouble {
    fn new(kind: TroubleKind, words: &str) -> Self {
        let end = words.floor_char_boundary(WORDS_OCTETS_MAX);
        Self {
            kind,
            words: words.get(..end).unwrap_or_default().to_owned(),
        }
    }

    fn of(error: &HttpError) -> Self {
        match error {
            HttpError::Tls(cause) => match cause.certificate() {
                Some(why) => Self::new(TroubleKind::Webpki, &why),
                None => Self::new(TroubleKind::Fetch, &cause.to_string()),
            },
            other => Self::new(TroubleKind::Fetch, &other.to_string()),
        }
    }
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

    /// Puts those in that were kept before; what is overdue is not fetched all at once.
    pub(super) fn fill(&self, kept: Vec<KeptPolicy>, now: i64, mut dice: impl FnMut() -> u64) {
        let mut shelf = self.shelf();
        for mut policy in kept {
            policy.next = first_fetch(&policy, now, dice());
            shelf.put(policy);
        }
    }

    /// The policy of a domain, unless it holds no more.
    pub(super) fn kept(&self, domain: &str, now: i64) -> Option<KeptPolicy> {
        let shelf = self.shelf();
        let kept = shelf.kept.get(domain);
        kept.filter(|kept| now < kept.end()).cloned()
    }

    /// The same where a letter goes there now.
    fn used(&self, domain: &str, now: i64) -> Option<KeptPolicy> {
        let mut shelf = self.shelf();
        let Shelf {
            kept, unwritten, ..
        } = &mut *shelf;
        let policy = kept.get_mut(domain).filter(|kept| now < kept.end())?;
        if now.saturating_sub(policy.used) >= USED_SECONDS {
            policy.used = now;
            unwritten.insert(domain.to_owned());
        }
        Some(policy.clone())
    }

    /// The domains whose policies are to be fetched again by now, so many at most, those that are
    /// due first first.
    pub(super) fn due(&self, now: i64, most: usize) -> Vec<String> {
        let shelf = self.shelf();
        let due = shelf.kept.values().filter_map(|kept| {
            let next = kept.next.filter(|next| *next <= now)?;
            let holds = now < kept.end() && now < kept.forgotten();
            holds.then_some((next, &kept.domain))
        });
        let mut due: Vec<(i64, &String)> = due.collect();
        due.sort_unstable();
        due.truncate(most);
        due.into_iter().map(|(_, domain)| domain.clone()).collect()
    }

    /// All are due now, whatever failed before.
    pub(super) fn urge(&self, now: i64) {
        let mut shelf = self.shelf();
        shelf.failed.clear();
        let all = shelf.kept.values_mut();
        all.for_each(|kept| kept.next = Some(now));
    }

    /// Notes that nothing new was found of a policy; with `next`, when that is tried again.
    pub(super) fn put_off(&self, domain: &str, trouble: &Trouble, now: i64, next: Option<i64>) {
        let mut shelf = self.shelf();
        let Some(mut policy) = shelf.kept.get(domain).cloned() else {
            return;
        };
        policy.failure = Some(PolicyFailure {
            when: now,
            why: trouble.words.clone(),
        });
        policy.next = next.or(policy.next);
        // Other than `put`, this does not forget that it failed just now.
        shelf.place(policy);
        shelf.unwritten.insert(domain.to_owned());
    }

    /// Those of which the disk knows less, told once; and the domains that are forgotten now.
    pub(super) fn news(&self, now: i64) -> (Vec<KeptPolicy>, Vec<String>) {
        let mut shelf = self.shelf();
        let gone = shelf.tidy("", now);
        let unwritten = std::mem::take(&mut shelf.unwritten);
        let news = unwritten
            .iter()
            .filter_map(|domain| shelf.kept.get(domain).cloned());
        (news.collect(), gone)
    }

    /// What could not be written is news again.
    pub(super) fn restore(&self, unwritten: &[KeptPolicy]) {
        let domains = unwritten.iter().map(|kept| kept.domain.clone());
        self.shelf().unwritten.extend(domains);
    }

    fn failed_lately(&self, domain: &str) -> Option<Trouble> {
        let shelf = self.shelf();
        let (since, trouble) = shelf.failed.get(domain)?;
        (since.elapsed() < FAILED_TIME).then(|| trouble.clone())
    }

    fn fail(&self, domain: &str, trouble: Trouble) {
        let mut shelf = self.shelf();
        if shelf.failed.len() >= FAILED_MAX {
            shelf
                .failed
                .retain(|_, (since, _)| since.elapsed() < FAILED_TIME);
        }
        // Where all are fresh, this one is asked again.
        if shelf.failed.len() < FAILED_MAX {
            let since = Instant::now();
            shelf.failed.insert(domain.to_owned(), (since, trouble));
        }
    }
}

impl Shelf {
    /// Puts in what was fetched.
    fn put(&mut self, policy: KeptPolicy) {
        self.failed.remove(&policy.domain);
        self.place(policy);
    }

    fn place(&mut self, policy: KeptPolicy) {
        self.octets += policy.octets();
        if let Some(before) = self.kept.insert(policy.domain.clone(), policy) {
            self.octets -= before.octets();
        }
    }

    /// Takes away what holds no more and what nobody writes to, and, where there is too much, what
    /// ends first.
    fn tidy(&mut self, but: &str, now: i64) -> Vec<String> {
        let is_over = |kept: &&KeptPolicy| kept.end() <= now || kept.forgotten() <= now;
        let ended = self.kept.values().filter(is_over);
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
        self.unwritten.remove(domain);
        if let Some(policy) = self.kept.remove(domain) {
            self.octets -= policy.octets();
        }
    }
}

impl Relay {
    /// The policy of a destination, if it has one; where there is nobody to verify anything by,
    /// none has. One that is kept is gone by without waiting for anything but its record: it is
    /// fetched anew where that is another, and else beside the work.
    pub(super) async fn policy(&self, domain: &str) -> Option<Policy> {
        let trust = self.trust.as_ref().filter(|_| self.settings.tls.mta_sts)?;
        let now = self.post.outside().now().seconds;
        let known = self.policies.used(domain, now);
        let kept = known.as_ref().map(|known| &known.kept);
        let turns = Some(&self.policies.turns);
        let found = self.look(domain, kept, (trust, turns)).await;
        if let Some(trouble) = &found.trouble {
            tracing::debug!(domain, %trouble, "nothing new of its policy");
            self.policies.put_off(domain, trouble, now, None);
            self.count_trouble(domain, known.as_ref(), (trouble, found.has_record));
        }
        match found.policy {
            Some(kept) if found.is_new => Some(self.keep(domain, kept, (now, now)).await),
            Some(kept) => Some(kept.policy),
            None => None,
        }
    }

    /// Counts that nothing new was found of a policy, for who wants to hear of it: where the domain
    /// says that it has one, or where one is kept that counts.
    // RFC 8461 §6
    pub(super) fn count_trouble(
        &self,
        domain: &str,
        known: Option<&KeptPolicy>,
        (trouble, has_record): (&Trouble, bool),
    ) {
        let policy = known.map(|known| &known.kept.policy);
        let counts = policy.map_or(has_record, |policy| policy.mode != Mode::None);
        if counts {
            let told = described_sts(domain, policy);
            self.count(domain, &told, Some(Failed::Policy(trouble)));
        }
    }

    /// Finds out what there is of a domain's policy; where its record is that of `kept`, that is
    /// it. Who waits for `turns` is one of not too many.
    pub(super) async fn look(
        &self,
        domain: &str,
        kept: Option<&Kept>,
        (trust, turns): (&Arc<ClientConfig>, Option<&Semaphore>),
    ) -> Found {
        let check = MtaSts { domain, kept };
        let (mut answers, mut missed) = (Answers::default(), None);
        let verdict = loop {
            let question = match check.judge(&answers) {
                Ok(verdict) => break verdict,
                Err(question) => question,
            };
            let answer = match question.kind() {
                Kind::StsPolicy => match self.fetch(domain, (trust, turns)).await {
                    Ok(text) => Answer::Records(vec![Record::Txt(text)]),
                    Err(trouble) => {
                        missed = Some(trouble);
                        Answer::Failed
                    }
                },
                _ => self.post.outside().ask(&question).await,
            };
            answers.put(question, answer);
        };
        let Verdict {
            policy,
            fetched,
            problem,
        } = verdict;
        let has_record = problem.as_ref().is_some_and(|one| one.kind.has_record());
        let trouble = problem.map(|problem| match (problem.kind, missed) {
            (_, Some(missed)) => missed,
            (ProblemKind::Invalid, None) => {
                let trouble = Trouble::new(TroubleKind::Invalid, &problem.text);
                self.policies.fail(domain, trouble.clone());
                trouble
            }
            (_, None) => Trouble::new(TroubleKind::Fetch, &problem.text),
        });
        Found {
            policy,
            is_new: fetched,
            trouble,
            has_record,
        }
    }

    /// Keeps a policy that was fetched just now; `used` is when a letter went there.
    pub(super) async fn keep(&self, domain: &str, kept: Kept, (now, used): (i64, i64)) -> Policy {
        tracing::info!(domain, id = kept.id, mode = ?kept.policy.mode, "its policy was fetched");
        let throw = dice(self.post.outside().as_ref());
        let (policy, gone) = {
            let mut shelf = self.policies.shelf();
            let before = shelf.kept.get(domain);
            let policy = KeptPolicy {
                domain: domain.to_owned(),
                next: next_fetch(kept.policy.age, now, throw),
                kept,
                fetched: now,
                used: before.map_or(used, |before| used.max(before.used)),
                failure: None,
            };
            shelf.put(policy.clone());
            (policy, shelf.tidy(domain, now))
        };
        let written = std::slice::from_ref(&policy);
        if let Err(error) = self.post.keep_policies(written, &gone).await {
            tracing::error!(%error, domain, "its policy cannot be kept over a restart");
        }
        policy.kept.policy
    }

    // RFC 8461 §3.3
    /// Fetches the text of a policy.
    async fn fetch(
        &self,
        domain: &str,
        (trust, turns): (&Arc<ClientConfig>, Option<&Semaphore>),
    ) -> Result<Vec<u8>, Trouble> {
        if let Some(trouble) = self.policies.failed_lately(domain) {
            return Err(trouble);
        }
        let _turn = match turns {
            Some(turns) => turns.acquire().await.ok(),
            None => None,
        };
        self.fetch_text(domain, trust).await.map_err(|error| {
            tracing::info!(domain, %error, "its policy cannot be fetched");
            let trouble = Trouble::of(&error);
            self.policies.fail(domain, trouble.clone());
            trouble
        })
    }

    async fn fetch_text(
        &self,
        domain: &str,
        trust: &Arc<ClientConfig>,
    ) -> Result<Vec<u8>, HttpError> {
        let host = format!("mta-sts.{domain}");
        let mut addresses = Vec::new();
        for kind in [Kind::Aaaa, Kind::A] {
            let question = Question::new(&host, kind).ok_or(HttpError::Place("name of a host"))?;
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
            used: 1000,
            next: None,
            failure: None,
        }
    }

    fn trouble() -> Trouble {
        Trouble::new(TroubleKind::Webpki, &"é".repeat(WORDS_OCTETS_MAX))
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
        policies.fill(vec![policy("a.example", 100, 1)], 1000, || 0);
        assert!(policies.kept("a.example", 1099).is_some());
        assert!(policies.kept("a.example", 1100).is_none());
    }

    #[test]
    fn those_that_are_due_are_fetched_and_those_nobody_writes_to_forgotten() {
        const DAY: i64 = 86_400;
        let (policies, age) = (Policies::default(), 7 * 86_400);
        let names = ["c.example", "a.example", "b.example"];
        let kept = names.map(|name| policy(name, age, 1));
        let mut throws = [0, 3600, 60].into_iter();
        policies.fill(kept.to_vec(), 1000, || throws.next().unwrap());
        assert!(policies.due(999 + DAY, 9).is_empty());
        assert_eq!(policies.due(1000 + DAY, 9), ["c.example"]);
        assert_eq!(policies.due(1000 + 2 * DAY, 2), ["c.example", "b.example"]);
        // Nothing of it is lost when one cannot be fetched.
        let next = Some(1000 + 3 * DAY);
        policies.put_off("c.example", &trouble(), 1000 + DAY, next);
        policies.put_off("nobody.example", &trouble(), 1000 + DAY, next);
        assert!(policies.due(1000 + DAY, 9).is_empty());
        let (news, gone) = policies.news(1000 + DAY);
        assert_eq!((news.len(), gone.len()), (1, 0));
        let failure = news[0].failure.as_ref().unwrap();
        assert_eq!((failure.when, failure.why.len()), (1000 + DAY, 300));
        assert_eq!(news[0].kept, kept[0].kept);
        assert!(policies.news(1000 + DAY).0.is_empty());
        policies.restore(&news);
        assert_eq!(policies.news(1000 + DAY).0, news);
        // Letters to one go on, and are noted once in a while.
        assert!(
            policies
                .used("a.example", 1000 + USED_SECONDS - 1)
                .is_some()
        );
        assert!(policies.news(1000 + DAY).0.is_empty());
        assert!(policies.used("a.example", 1000 + DAY).is_some());
        assert_eq!(policies.news(1000 + DAY).0.len(), 1);
        let mut again = policies.kept("a.example", 1000 + DAY).unwrap();
        again.fetched = 1000 + DAY;
        policies.shelf().put(again);
        let (_, gone) = policies.news(1000 + 7 * DAY);
        assert_eq!(gone, ["b.example", "c.example"]);
        assert_eq!(policies.due(1000 + 7 * DAY, 9), ["a.example"]);
        policies.urge(1000 + 3 * DAY);
        assert_eq!(policies.due(1000 + 3 * DAY, 9), ["a.example"]);
        // It was fetched again, but nobody has written for a week.
        let mut fresh = policies.kept("a.example", 1000 + DAY).unwrap();
        fresh.fetched = 1000 + 7 * DAY;
        policies.shelf().put(fresh);
        assert!(policies.due(1000 + 8 * DAY, 9).is_empty());
        assert_eq!(policies.news(1000 + 8 * DAY).1, ["a.example"]);
        assert_eq!(policies.shelf().octets, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_left_alone_for_a_while() {
        let policies = Policies::default();
        policies.fail("a.example", trouble());
        assert_eq!(policies.failed_lately("a.example"), Some(trouble()));
        assert_eq!(policies.failed_lately("b.example"), None);
        tokio::time::advance(FAILED_TIME).await;
        assert_eq!(policies.failed_lately("a.example"), None);
        for number in 0..FAILED_MAX + 10 {
            policies.fail(&format!("{number}.example"), trouble());
        }
        assert_eq!(policies.shelf().failed.len(), FAILED_MAX);
        policies.urge(0);
        assert_eq!(policies.failed_lately("1.example"), None);
    }
}
