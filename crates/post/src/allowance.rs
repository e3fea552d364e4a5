//! How much of something one may do: so much at once, and as much again in a span of time.
//!
//! In memory only: a restart forgives. Not here: what it is asked for (`incoming`, and `server`
//! for connections).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mail::{AccountId, Address, Instant};

use crate::{Error, Origin, Outcome, Pattern, Post, Rules, Why};

/// Allowances that are remembered; beyond it those are forgotten of which all is left, and then
/// all.
const SPENT_MAX: usize = 100_000;
/// Strangers in a minute of whom it is told that they were asked to come back: whoever calls again
/// and again under other names is not to fill the disk.
const ANNOUNCED_PER_MINUTE: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How much strangers and accounts may do; 0 is any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateRules {
    /// Connections of mail from one IPv4 address or IPv6 /64 in a minute.
    pub connections_per_minute: u32,
    /// Letters from one of these in a minute.
    pub letters_per_minute: u32,
    /// Recipients from one of these in a minute.
    pub recipients_per_minute: u32,
    /// Letters that an account may submit in an hour.
    pub letters_per_hour: u32,
    /// Recipients at other domains that an account may send to in a day.
    pub sends_per_day: u32,
}

/// How many recipients at other domains an account, or all accounts of a domain together, may send
/// to; 0 is any number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendRule {
    /// Whose address.
    pub of: Pattern,
    /// In an hour.
    pub per_hour: u32,
    /// In a day.
    pub per_day: u32,
}

/// What each has spent lately.
#[derive(Debug, Default)]
pub(crate) struct Allowances(Mutex<HashMap<(Spender, Thing), Spent>>);

/// Whose allowance it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Spender {
    /// All together.
    Everybody,
    Account(AccountId),
    /// Those that the rule at this place is about.
    Rule(usize),
    /// An IPv4 address, or the first of an IPv6 /64.
    Network(IpAddr),
}

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Thing {
    Connection,
    Letter,
    Recipient,
    /// A recipient at another domain, by the day.
    Sending,
    /// A step of a letter that has not come yet.
    Announcement,
}

/// Of a thing, so many in a span.
type Allowance = (Thing, u32, Duration);

/// Milliseconds of a span's allowance that are spent, as of a moment.
#[derive(Clone, Copy, Debug)]
struct Spent {
    milliseconds: u128,
    at: Instant,
}

impl Spent {
    fn now(self, now: Instant) -> u128 {
        let passed = now.since(self.at).as_millis();
        self.milliseconds.saturating_sub(passed)
    }
}

impl Allowances {
    /// Spends one of each; false, and nothing is spent, if of one there is none left.
    fn spend(&self, who: Spender, allowances: &[Allowance], now: Instant) -> bool {
        let spent: Vec<_> = allowances.iter().map(|one| (who, *one)).collect();
        self.spend_all(&spent, now).is_ok()
    }

    /// The same of several spenders; the error is the one who has nothing left.
    fn spend_all(&self, allowances: &[(Spender, Allowance)], now: Instant) -> Result<(), Spender> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SPENT_MAX {
            all.retain(|_, spent| spent.now(now) > 0);
            if all.len() >= SPENT_MAX {
                all.clear();
            }
        }
        let mut after = Vec::with_capacity(allowances.len());
        for (who, (thing, most, span)) in allowances {
            let span = span.as_millis();
            let Some(price) = span.checked_div((*most).into()) else {
                continue;
            };
            let key = (*who, *thing);
            let spent = all.get(&key).map_or(0, |spent| spent.now(now));
            let milliseconds = spent.saturating_add(price);
            if milliseconds > span {
                return Err(*who);
            }
            let at = now;
            after.push((key, Spent { milliseconds, at }));
        }
        all.extend(after);
        Ok(())
    }
}

impl Post {
    /// Lets an account, or somebody at this machine who writes as this address, send to one
    /// recipient at another host.
    pub(crate) fn allow_send(
        &self,
        account: Option<AccountId>,
        address: Option<&Address>,
    ) -> Outcome<()> {
        let rules = self.rules();
        let of = |who, per_hour, per_day| {
            [
                (who, (Thing::Recipient, per_hour, HOUR)),
                (who, (Thing::Sending, per_day, DAY)),
            ]
        };
        let rule = |is_domain: bool| {
            let mut all = rules.sends.iter().enumerate();
            let found = all.find(|(_, rule)| {
                let fits = address.is_some_and(|address| rule.of.is_about(address));
                fits && rule.of.is_domain() == is_domain
            });
            found.map(|(place, rule)| of(Spender::Rule(place), rule.per_hour, rule.per_day))
        };
        let usual = |account| {
            let (per_hour, per_day) = (rules.sends_per_hour_max, rules.rates.sends_per_day);
            of(Spender::Account(account), per_hour, per_day)
        };
        let own = rule(false).or_else(|| account.map(usual));
        let domain = rule(true);
        let of_domain = domain.map(|[(who, _), _]| who);
        let all = [own, domain].into_iter().flatten().flatten();
        let all: Vec<(Spender, Allowance)> = all.collect();
        let now = self.inner.outside.instant();
        let Err(who) = self.inner.allowances.spend_all(&all, now) else {
            return Ok(());
        };
        let text = match Some(who) == of_domain {
            true => "Your domain has sent to too many lately; please try again later",
            false => "You have sent to too many lately; please try again later",
        };
        Err(Error::refused(Why::Limit, 450, [4, 7, 1], text))
    }

    /// Lets whoever is there begin one more letter.
    pub(crate) fn allow_letter(&self, origin: &Origin) -> Outcome<()> {
        let rates = &self.rules().rates;
        let is_allowed = match &origin.account {
            Some(account) => {
                let allowance = (Thing::Letter, rates.letters_per_hour, HOUR);
                self.spend(Spender::Account(account.id()), &[allowance])
            }
            None if self.rules().is_outside(origin) => {
                let allowance = (Thing::Letter, rates.letters_per_minute, MINUTE);
                self.spend(Spender::Network(network(origin.peer)), &[allowance])
            }
            None => true,
        };
        if is_allowed {
            return Ok(());
        }
        let text = "Too many letters from you lately; please try again later";
        Err(Error::refused(Why::Limit, 451, [4, 7, 1], text))
    }

    /// Lets a stranger name one more recipient.
    pub(crate) fn allow_recipient(&self, origin: &Origin) -> Outcome<()> {
        let rules = self.rules();
        let allowance = (Thing::Recipient, rules.rates.recipients_per_minute, MINUTE);
        let who = Spender::Network(network(origin.peer));
        if !rules.is_outside(origin) || self.spend(who, &[allowance]) {
            return Ok(());
        }
        let text = "Too many recipients from you lately; please try again later";
        Err(Error::refused(Why::Limit, 450, [4, 7, 1], text))
    }

    /// True if one more letter may be told of that has not come yet.
    pub(crate) fn allows_announcement(&self) -> bool {
        let allowance = (Thing::Announcement, ANNOUNCED_PER_MINUTE, MINUTE);
        self.spend(Spender::Everybody, &[allowance])
    }

    /// True if somebody may connect once more to a door for mail.
    #[must_use]
    pub fn allows_connection(&self, peer: IpAddr) -> bool {
        let rules = self.rules();
        let allowance = (
            Thing::Connection,
            rules.rates.connections_per_minute,
            MINUTE,
        );
        let who = Spender::Network(network(peer));
        rules.is_ours(peer) || self.spend(who, &[allowance])
    }

    fn spend(&self, who: Spender, allowances: &[Allowance]) -> bool {
        let now = self.inner.outside.instant();
        self.inner.allowances.spend(who, allowances, now)
    }
}

impl Rules {
    /// True for networks that are not outside.
    pub(crate) fn is_ours(&self, peer: IpAddr) -> bool {
        let mut ours = self.trust.unchecked.iter().chain(&self.trusted_networks);
        ours.any(|network| network.contains(peer))
    }
}

/// One customer's network: an IPv4 address, or the /64 of an IPv6 address.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Instant {
        Instant(Duration::from_secs(minutes * 60))
    }

    #[test]
    fn an_hour_gives_back_what_was_spent() {
        let allowances = Allowances::default();
        let (ada, bob) = (AccountId(1), AccountId(2));
        let spend = |who, most, now| {
            let allowance = (Thing::Recipient, most, HOUR);
            allowances.spend(Spender::Account(who), &[allowance], now)
        };
        assert!((0..4).all(|_| spend(ada, 4, at(0))));
        assert!(!spend(ada, 4, at(0)) && spend(bob, 4, at(0)));
        assert!(!spend(ada, 4, at(14)));
        assert!(spend(ada, 4, at(15)) && !spend(ada, 4, at(15)));
        assert!((0..4).all(|_| spend(ada, 4, at(90))));
        assert!(spend(ada, 0, at(90)));
    }

    #[test]
    fn of_two_allowances_neither_is_spent_where_one_is_used_up() {
        let allowances = Allowances::default();
        let who = Spender::Account(AccountId(1));
        let both = [(Thing::Recipient, 2, HOUR), (Thing::Sending, 3, DAY)];
        assert!((0..2).all(|_| allowances.spend(who, &both, at(0))));
        assert!((0..9).all(|_| !allowances.spend(who, &both, at(0))));
        assert!(allowances.spend(who, &both, at(60)));
        // The day is used up now, the hour is not.
        assert!(!allowances.spend(who, &both, at(120)));
        assert!(allowances.spend(who, &both[..1], at(120)));
        assert!(allowances.spend(who, &both, at(24 * 60)));
    }

    #[test]
    fn of_two_spenders_neither_spends_where_one_has_nothing_left() {
        let allowances = Allowances::default();
        let spend = |account, now| {
            let own = (
                Spender::Account(AccountId(account)),
                (Thing::Sending, 3, DAY),
            );
            let together = (Spender::Rule(0), (Thing::Sending, 4, DAY));
            allowances.spend_all(&[own, together], now).is_ok()
        };
        assert!((0..3).all(|_| spend(1, at(0))));
        assert!(!spend(1, at(0)));
        assert!(spend(2, at(0)) && !spend(2, at(0)));
        assert!(spend(3, at(6 * 60)));
    }

    #[test]
    fn networks_of_strangers() {
        for (ip, expected) in [
            ("192.0.2.77", "192.0.2.77"),
            ("::ffff:192.0.2.77", "192.0.2.77"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            let found = network(ip.parse().unwrap());
            assert_eq!(found.to_string(), expected);
        }
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let allowances = Allowances::default();
        let allowance = [(Thing::Letter, 1, MINUTE)];
        for number in 0..SPENT_MAX + 10 {
            let number = u32::try_from(number).unwrap();
            let who = Spender::Network(IpAddr::V4(number.into()));
            assert!(allowances.spend(who, &allowance, at(0)));
        }
        assert!(allowances.0.lock().unwrap().len() <= SPENT_MAX);
    }
}
