//! What lists in DNS say of a client and of a sender, before anything of a letter is taken.
//!
//! All lists are asked at the same time, once for each letter, when the first recipient is one who
//! is here. One that does not answer says nothing; no letter is refused for it.
//!
//! Not here: the lists' own form (the room `trust`), who is asked about (`incoming::screen`).

use std::future::poll_fn;
use std::task::Poll;

use mail::{Enhanced, Host, Refusal, ReversePath};
use store::Boxed;
use trust::list::{List, Listing, Lookup, Outcome as Looked, Subject, Verdict};

use crate::scrutiny::Inquiry;
use crate::{Error, Origin, Post, Sender, TrustRules, Why};

/// Octets of a refusal's words: they are ASCII.
const TEXT_OCTETS_MAX: usize = 480;

/// A list, and what follows where it has an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRule {
    /// The list.
    pub list: List,
    /// What follows.
    pub deed: ListDeed,
}

/// What follows where a list has an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListDeed {
    /// The letter is refused.
    Refuse,
    /// It counts against the letter, so much.
    Weigh(u32),
    /// No other list counts.
    Allow,
}

/// What lists say of one letter's client and sender.
#[derive(Debug)]
pub(crate) struct Screening {
    listings: Vec<Listing>,
    /// Why it is refused, if it is.
    refusal: Option<Refusal>,
    is_suspicious: bool,
    /// True if a list speaks for them.
    is_allowed: bool,
}

impl Screening {
    /// Asks all lists.
    pub(crate) async fn of(house: &Post, origin: &Origin, sender: &Sender) -> Self {
        let rules = &house.rules().trust;
        let domain = match &sender.reverse_path {
            ReversePath::Address(address) => match &address.host {
                Host::Domain(_) => address.host.to_ascii().to_ascii_lowercase(),
                Host::Ip(_) => String::new(),
            },
            ReversePath::Null => String::new(),
        };
        let questions_max = rules.questions_max;
        let looks = rules.lists.iter().map(|rule| {
            let lookup = Lookup {
                list: &rule.list,
                ip: origin.peer,
                domain: &domain,
            };
            let look: Boxed<'_, Verdict> = Box::pin(async move {
                let mut inquiry = Inquiry::begin(house, questions_max);
                inquiry.settle(&lookup).await
            });
            look
        });
        let verdicts = all(looks.collect()).await;
        let hits = rules.lists.iter().zip(&verdicts);
        let hits = hits.filter(|(_, verdict)| verdict.outcome == Looked::Listed);
        let hits: Vec<(&ListRule, &Verdict)> = hits.collect();
        let weight = weight(&hits);
        let is_refused = weight.is_none_or(|weight| weight >= rules.list_refuse_weight.max(1));
        let refusal = is_refused.then(|| refusal(&hits, origin, &domain));
        let is_allowed = hits.iter().any(|(rule, _)| rule.deed == ListDeed::Allow);
        let listings = rules
            .lists
            .iter()
            .zip(verdicts.clone())
            .map(|(rule, verdict)| {
                if let Some(problem) = &verdict.problem {
                    tracing::warn!(list = rule.list.name, problem, "a list is of no use");
                }
                Listing {
                    zone: rule.list.zone.to_ascii(),
                    speaks_for: rule.deed == ListDeed::Allow,
                    verdict,
                }
            });
        Self {
            listings: listings.collect(),
            is_suspicious: is_suspicious(weight, rules),
            is_allowed,
            refusal,
        }
    }

    /// What each list said.
    pub(crate) fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// True if the letter is filed as junk.
    pub(crate) const fn is_suspicious(&self) -> bool {
        self.is_suspicious
    }

    /// True if a list speaks for whoever sends it.
    pub(crate) const fn is_allowed(&self) -> bool {
        self.is_allowed
    }

    /// Why the letter is refused, if it is.
    pub(crate) fn refused(&self) -> Option<Error> {
        let refusal = self.refusal.clone()?;
        Some(Error::Refused(Why::Policy, refusal))
    }
}

/// How much counts against a letter; `None` if one list is enough.
fn weight(hits: &[(&ListRule, &Verdict)]) -> Option<u32> {
    let mut weight = Some(0_u32);
    for (rule, _) in hits {
        weight = match (rule.deed, weight) {
            (ListDeed::Allow, _) => return Some(0),
            (ListDeed::Refuse, _) | (_, None) => None,
            (ListDeed::Weigh(more), Some(weight)) => Some(weight.saturating_add(more)),
        };
    }
    weight
}

fn is_suspicious(weight: Option<u32>, rules: &TrustRules) -> bool {
    weight.is_some_and(|weight| weight >= rules.list_junk_weight.max(1))
}

/// Says which lists have spoken, and in whose words.
fn refusal(hits: &[(&ListRule, &Verdict)], origin: &Origin, domain: &str) -> Refusal {
    // One that is enough by itself is named alone.
    let alone = hits.iter().find(|(rule, _)| rule.deed == ListDeed::Refuse);
    let named = match alone {
        Some(one) => std::slice::from_ref(one),
        None => hits,
    };
    let mut who: Vec<String> = Vec::new();
    for (rule, _) in named {
        let one = match rule.list.subject {
            Subject::Domain => domain.to_owned(),
            Subject::Address => format!("[{}]", origin.peer.to_canonical()),
        };
        if !who.contains(&one) {
            who.push(one);
        }
    }
    let names: Vec<&str> = named
        .iter()
        .map(|(rule, _)| rule.list.name.as_str())
        .collect();
    let is = if who.len() > 1 { "are" } else { "is" };
    let list = if names.len() > 1 { "lists" } else { "list" };
    let mut text = format!(
        "{} {is} on the {list} {}",
        who.join(" and "),
        names.join(", ")
    );
    let said = named
        .iter()
        .find_map(|(_, verdict)| verdict.text.as_deref());
    if let Some(said) = said {
        text.push_str(&format!(": {said}"));
    }
    // RFC 5321 §4.5.3.1.5
    text.truncate(TEXT_OCTETS_MAX);
    let codes = named.iter().filter_map(|(_, verdict)| verdict.code);
    let codes: Vec<String> = codes.map(|code| code.to_string()).collect();
    let refusal = Refusal::new(550, Enhanced::new(5, 7, 1), text);
    refusal.because(format!("answered {}", codes.join(", ")))
}

/// Waits for all of them at the same time.
async fn all<T>(mut running: Vec<Boxed<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut is_over = true;
        for (one, done) in running.iter_mut().zip(&mut done) {
            if done.is_none() {
                match one.as_mut().poll(context) {
                    Poll::Ready(value) => *done = Some(value),
                    Poll::Pending => is_over = false,
                }
            }
        }
        match is_over {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}
