//! How often one may be wrong, and who was right a moment ago.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail::Instant;

use crate::directory::rows::{Argon2id, Scram};
use crate::login::digest;
use crate::{Outside, Rules};

/// Accounts and networks whose failures are counted at the same time.
const COUNTED_MAX: usize = 100_000;

/// Remembers failures and successes for a while. Nothing of a password is in it: only digests
/// under a key that is made anew at each start.
pub(crate) struct Gate {
    /// For what is forgotten at a restart.
    key: [u8; 32],
    /// For what must stay the same.
    secret: [u8; 32],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: HashMap<Culprit, Failures>,
    /// Passwords being checked, each with how often at the same time.
    guesses: HashMap<Culprit, HashMap<[u8; 32], u32>>,
    successes: HashMap<[u8; 32], Instant>,
    /// Where each user has been right.
    friends: HashMap<(String, u64), Instant>,
}

/// Somebody who wants in: the user's name and the peer's network.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    user: String,
    network: u64,
}

/// A password that is being checked for a user: it counts as wrong until it proves right.
#[derive(Debug)]
pub(crate) struct Pending {
    culprit: Culprit,
    fingerprint: [u8; 32],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Culprit {
    /// A user, wherever it comes from,
    User(String),
    /// but for where it has been right before: a stranger's guesses do not lock it out there.
    Friend(String, u64),
    Network(u64),
}

#[derive(Clone, Copy)]
struct Failures {
    count: f64,
    at: Instant,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate(…)")
    }
}

impl Gate {
    pub(crate) fn new(outside: &dyn Outside, secret: [u8; 32]) -> Self {
        let mut key = [0; 32];
        outside.fill(&mut key);
        Self {
            key,
            secret,
            state: Mutex::default(),
        }
    }

    /// True if neither the user nor the peer's network failed too often of late.
    pub(crate) fn lets(&self, attempt: &Attempt, now: Instant, rules: &Rules) -> bool {
        let state = self.state();
        let half_life = rules.failures_half_life;
        state.culprits(attempt).iter().all(|culprit| {
            let max = match culprit {
                Culprit::User(_) | Culprit::Friend(..) => rules.account_failures_max,
                Culprit::Network(_) => rules.network_failures_max,
            };
            let failures = state.failures.get(culprit);
            failures.is_none_or(|known| known.now(now, half_life) < f64::from(max))
        })
    }

    /// Begins to check a password; `None` if the passwords that are being checked for this user
    /// already may use up the failures it has left, or a burst would slip past the count.
    ///
    /// The same password counts once, however many ask at the same time: those are one person's
    /// programs.
    pub(crate) fn begin(
        &self,
        attempt: &Attempt,
        fingerprint: [u8; 32],
        now: Instant,
        rules: &Rules,
    ) -> Option<Pending> {
        let mut state = self.state();
        let [culprit, _] = state.culprits(attempt);
        let failures = state.failures.get(&culprit);
        let failed = failures.map_or(0.0, |known| known.now(now, rules.failures_half_life));
        let guesses = state.guesses.entry(culprit.clone()).or_default();
        let others = u32::try_from(guesses.len()).unwrap_or(u32::MAX);
        let used_up = failed + f64::from(others) >= f64::from(rules.account_failures_max);
        if used_up && !guesses.contains_key(&fingerprint) {
            return None;
        }
        *guesses.entry(fingerprint).or_default() += 1;
        Some(Pending {
            culprit,
            fingerprint,
        })
    }

    /// Ends what [`Gate::begin`] began.
    pub(crate) fn end(&self, pending: &Pending) {
        let mut state = self.state();
        let Some(guesses) = state.guesses.get_mut(&pending.culprit) else {
            return;
        };
        if let Some(count) = guesses.get_mut(&pending.fingerprint) {
            *count -= 1;
            if *count == 0 {
                guesses.remove(&pending.fingerprint);
            }
        }
        if guesses.is_empty() {
            state.guesses.remove(&pending.culprit);
        }
    }

    /// Counts a failure.
    pub(crate) fn count(&self, attempt: &Attempt, now: Instant, rules: &Rules) {
        let mut state = self.state();
        let half_life = rules.failures_half_life;
        for culprit in state.culprits(attempt) {
            if state.failures.len() >= COUNTED_MAX && !state.failures.contains_key(&culprit) {
                state.forget_failures(now, half_life);
            }
            let known = state.failures.entry(culprit).or_insert(Failures {
                count: 0.0,
                at: now,
            });
            *known = Failures {
                count: known.now(now, half_life) + 1.0,
                at: now,
            };
        }
    }

    /// Remembers that the user was right there.
    pub(crate) fn befriend(&self, attempt: &Attempt, now: Instant) {
        let mut state = self.state();
        if state.friends.len() >= COUNTED_MAX {
            let middle = median(state.friends.values().copied().collect());
            state.friends.retain(|_, at| *at > middle);
        }
        let friend = (attempt.user.clone(), attempt.network);
        state.friends.insert(friend, now);
    }

    /// The name under which a password's successful check is remembered: it dies with the digest
    /// it was checked against.
    pub(crate) fn fingerprint(&self, kept: &Argon2id, password: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&kept.salt);
        hasher.update(&kept.digest);
        hasher.update(password.as_bytes());
        *hasher.finalize().as_bytes()
    }

    pub(crate) fn remembers(&self, fingerprint: &[u8; 32], now: Instant, rules: &Rules) -> bool {
        let state = self.state();
        let known = state.successes.get(fingerprint);
        known.is_some_and(|&at| now.since(at) < rules.login_memory)
    }

    pub(crate) fn remember(&self, fingerprint: [u8; 32], now: Instant, rules: &Rules) {
        let mut state = self.state();
        if state.successes.len() >= rules.login_memory_entries_max {
            let fresh = |at: &Instant| now.since(*at) < rules.login_memory;
            state.successes.retain(|_, at| fresh(at));
            if state.successes.len() >= rules.login_memory_entries_max {
                state.successes.clear();
            }
        }
        // The first check counts, so that a password is checked again however often it is used.
        let at = state.successes.entry(fingerprint).or_insert(now);
        if now.since(*at) >= rules.login_memory {
            *at = now;
        }
    }

    /// Keys for a user that is not there: the same each time, and like no others. `mark` tells
    /// those of one hash from those of another.
    pub(crate) fn invented<const OCTETS: usize>(
        &self,
        user: &str,
        mark: &str,
        rules: &Rules,
    ) -> Scram<OCTETS> {
        let part = |what: &str| {
            let user = user.to_lowercase();
            let text = [what.as_bytes(), mark.as_bytes(), &[0], user.as_bytes()].concat();
            digest::hmac(&self.secret, &text).unwrap_or_default()
        };
        let key = |what: &str| *part(what).first_chunk().unwrap_or(&[0; OCTETS]);
        let salt = part("salt");
        Scram {
            salt: *salt.first_chunk().unwrap_or(&[0; 16]),
            iterations: rules.scram_iterations,
            stored_key: key("stored"),
            server_key: key("server"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    pub(crate) fn new(peer: IpAddr, user: String) -> Self {
        Self {
            user,
            network: network(peer),
        }
    }

    /// Somebody who does not say who it is: failures count for its network alone, as nobody's name
    /// has a NUL.
    pub(crate) fn nameless(peer: IpAddr) -> Self {
        let network = network(peer);
        Self {
            user: format!("\0{network}"),
            network,
        }
    }
}

impl State {
    fn culprits(&self, attempt: &Attempt) -> [Culprit; 2] {
        let friend = (attempt.user.clone(), attempt.network);
        let user = if self.friends.contains_key(&friend) {
            Culprit::Friend(friend.0, friend.1)
        } else {
            Culprit::User(friend.0)
        };
        [user, Culprit::Network(attempt.network)]
    }

    /// Makes room: those that count for little go first, then all.
    fn forget_failures(&mut self, now: Instant, half_life: Duration) {
        self.failures
            .retain(|_, known| known.now(now, half_life) >= 1.0);
        if self.failures.len() >= COUNTED_MAX {
            self.failures.clear();
        }
    }
}

impl Failures {
    /// The count, halved once for each half life that has passed.
    fn now(self, now: Instant, half_life: Duration) -> f64 {
        let lives = now.since(self.at).as_secs_f64() / half_life.as_secs_f64().max(1.0);
        self.count * (-lives).exp2()
    }
}

/// One customer's network: an IPv4 address, or the upper half of an IPv6 address.
fn network(peer: IpAddr) -> u64 {
    match peer.to_canonical() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => u64::try_from(ip.to_bits() >> 64).unwrap_or_default(),
    }
}

fn median(mut times: Vec<Instant>) -> Instant {
    let middle = times.len() / 2;
    times.sort_unstable();
    times.get(middle).copied().unwrap_or_default()
}
