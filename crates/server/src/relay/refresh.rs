//! Policies of MTA-STS are fetched again before they end, beside the work: whoever hides a domain's
//! record from us has to do so for as long as its policy holds, and not only when a letter goes
//! there.
//!
//! Not here: fetching, and what is kept (`policies`).
//!
//! RFC 8461 §3.3 (once a day; who looks after the server hears when it fails), §10.2 (what that is
//! for).

use std::sync::Arc;
use std::time::Duration;

use post::KeptPolicy;
use tokio::task::JoinSet;
use tokio::time::sleep;
use trust::mta_sts::Mode;

use super::{Relay, dice};

/// How often it is looked what is due; what became known of policies is written down as well.
const ROUND: Duration = Duration::from_secs(60);
/// Policies that are fetched in one round.
const ROUND_POLICIES_MAX: usize = 100;
/// Policies that are fetched at once beside the work.
const REFRESHED_AT_ONCE_MAX: usize = 4;
/// Policies that are written down in one step.
const STEP_POLICIES: usize = 200;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// A policy is fetched again so long after a day at most: not all at once.
const JITTER_SECONDS: u64 = 4 * 3600;
/// What was due when the server started waits for so long at most.
const START_SECONDS_MAX: i64 = 15 * 60;
/// What could not be fetched is tried again after so many seconds at the latest, and at the
/// earliest.
const TRY_SECONDS_MAX: i64 = 6 * HOUR;
const TRY_SECONDS_MIN: i64 = 5 * 60;

/// Fetches what is due until the relay stops; what is left to be written then is the relay's.
pub(super) async fn run(relay: Arc<Relay>) {
    let mut stop = relay.stop.clone();
    loop {
        let now = relay.post.outside().now().seconds;
        let due = relay.policies.due(now, ROUND_POLICIES_MAX);
        let pause = match due.len() < ROUND_POLICIES_MAX {
            true => ROUND,
            // There is more.
            false => Duration::ZERO,
        };
        tokio::select! {
            biased;
            () = stop.asked() => break,
            () = fetch_all(&relay, due) => {}
        }
        relay.write_policies().await;
        tokio::select! {
            biased;
            () = stop.asked() => break,
            () = relay.post.policies_urged() => {
                relay.policies.urge(relay.post.outside().now().seconds);
            }
            () = sleep(pause) => {}
        }
    }
}

async fn fetch_all(relay: &Arc<Relay>, due: Vec<String>) {
    let mut fetches = JoinSet::new();
    for domain in due {
        if fetches.len() >= REFRESHED_AT_ONCE_MAX {
            fetches.join_next().await;
        }
        let relay = Arc::clone(relay);
        fetches.spawn(async move { relay.refresh(&domain).await });
    }
    while fetches.join_next().await.is_some() {}
}

impl Relay {
    /// Writes down what became known of policies since the last time.
    pub(super) async fn write_policies(&self) {
        let now = self.post.outside().now().seconds;
        let (news, gone) = self.policies.news(now);
        let steps = news.chunks(STEP_POLICIES).map(|step| (step, &[][..]));
        let ends = gone.chunks(STEP_POLICIES).map(|step| (&[][..], step));
        for (news, gone) in steps.chain(ends) {
            if let Err(error) = self.post.keep_policies(news, gone).await {
                tracing::error!(%error, "what is known of policies cannot be written down");
                self.policies.restore(news);
            }
        }
    }

    /// Fetches the policy of a domain, whatever its record says; one that cannot be fetched holds
    /// until it ends.
    async fn refresh(&self, domain: &str) {
        let Some(trust) = self.trust.as_ref() else {
            return;
        };
        let now = self.post.outside().now().seconds;
        let Some(known) = self.policies.kept(domain, now) else {
            return;
        };
        let found = self.look(domain, None, (trust, None)).await;
        if let Some(kept) = found.policy {
            self.keep(domain, kept, (now, known.used)).await;
        } else if let Some(trouble) = found.trouble {
            // RFC 8461 §3.3
            if known.kept.policy.mode != Mode::None {
                let until = known.end();
                tracing::warn!(domain, until, %trouble, "its policy cannot be fetched again");
            }
            let throw = dice(self.post.outside().as_ref());
            let next = next_try(known.end(), now, throw);
            self.policies.put_off(domain, &trouble, now, Some(next));
            self.count_trouble(domain, Some(&known), (&trouble, found.has_record));
        }
    }
}

/// When a policy that was fetched `now` is fetched again, in seconds since 1970: after a day, or in
/// the third quarter of a shorter life. What lives for less than two hours is left to the letters
/// that go there.
pub(super) fn next_fetch(age: Duration, now: i64, dice: u64) -> Option<i64> {
    let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    let wait = match age {
        _ if age < 2 * HOUR => return None,
        _ if age < 2 * DAY => age / 2 + chance(dice, age.unsigned_abs() / 4),
        _ => DAY + chance(dice, JITTER_SECONDS),
    };
    Some(now.saturating_add(wait))
}

/// When one that could not be fetched is tried again: more often the nearer its end is.
fn next_try(end: i64, now: i64, dice: u64) -> i64 {
    let wait = end.saturating_sub(now) / 8;
    let wait = wait.clamp(TRY_SECONDS_MIN, TRY_SECONDS_MAX);
    let jitter = chance(dice, wait.unsigned_abs() / 8);
    now.saturating_add(wait).saturating_add(jitter)
}

/// When one is fetched again that was kept when the server started.
pub(super) fn first_fetch(policy: &KeptPolicy, now: i64, dice: u64) -> Option<i64> {
    let planned = || next_fetch(policy.kept.policy.age, policy.fetched, dice);
    let next = policy.next.or_else(planned)?;
    if next > now {
        return Some(next);
    }
    let most = (policy.end().saturating_sub(now) / 2).clamp(0, START_SECONDS_MAX);
    Some(now.saturating_add(chance(dice, most.unsigned_abs())))
}

/// A number below `most`, and 0 for none.
fn chance(dice: u64, most: u64) -> i64 {
    i64::try_from(dice.checked_rem(most).unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use trust::mta_sts::{Kept, Policy};

    use super::*;

    const THROWS: [u64; 4] = [0, 1, 86_399, u64::MAX];

    #[test]
    fn a_policy_is_fetched_again_once_a_day_and_before_it_ends() {
        for dice in THROWS {
            for days in [2, 7, 365] {
                let age = Duration::from_secs(days * 86_400);
                let wait = next_fetch(age, 1000, dice).unwrap() - 1000;
                assert!((DAY..DAY + 4 * HOUR).contains(&wait), "{days} {wait}");
            }
            for hours in [2, 5, 24, 47] {
                let age = hours * HOUR;
                let span = Duration::from_secs(age.unsigned_abs());
                let wait = next_fetch(span, 1000, dice).unwrap() - 1000;
                assert!((age / 2..age / 4 * 3).contains(&wait), "{hours} {wait}");
            }
            for seconds in [0, 60, 7199] {
                assert_eq!(next_fetch(Duration::from_secs(seconds), 1000, dice), None);
            }
        }
        assert_ne!(
            next_fetch(Duration::from_secs(604_800), 0, 5),
            next_fetch(Duration::from_secs(604_800), 0, 6)
        );
    }

    #[test]
    fn what_fails_is_tried_again_the_sooner_the_nearer_its_end_is() {
        for dice in THROWS {
            let wait = |left: i64| next_try(1000 + left, 1000, dice) - 1000;
            assert!((6 * HOUR..7 * HOUR).contains(&wait(30 * DAY)));
            assert!((3 * HOUR..4 * HOUR).contains(&wait(DAY)));
            assert!((300..340).contains(&wait(600)));
            assert!((300..340).contains(&wait(-5)));
        }
    }

    #[test]
    fn what_is_overdue_at_the_start_is_not_fetched_all_at_once() {
        let policy = |next, fetched| KeptPolicy {
            domain: "example.org".to_owned(),
            kept: Kept {
                id: "1".to_owned(),
                policy: Policy {
                    mode: Mode::Enforce,
                    age: Duration::from_secs(604_800),
                    patterns: Vec::new(),
                },
            },
            fetched,
            used: fetched,
            next,
            failure: None,
        };
        assert_eq!(first_fetch(&policy(Some(9000), 0), 5000, 7), Some(9000));
        // A row from before there was such a plan.
        assert_eq!(first_fetch(&policy(None, 0), 5000, 7), Some(DAY + 7));
        for dice in THROWS {
            let first = first_fetch(&policy(Some(4000), 0), 5000, dice).unwrap();
            assert!((5000..5900).contains(&first), "{first}");
            let late = 604_800 - 100;
            let first = first_fetch(&policy(Some(4000), 0), late, dice).unwrap();
            assert!((late..late + 50).contains(&first), "{first}");
        }
    }
}
