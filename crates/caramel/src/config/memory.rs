//! One budget of memory, and its parts: what is set takes what it says, the others share the rest.

use super::setting::{self, Setting};
use super::written::Written;
use super::{Config, find};

/// What making the search index takes at most: it does not depend on anything.
const SEARCH_OCTETS: u64 = 32 << 20;
/// No part works with less.
const PART_OCTETS_MIN: u64 = 1 << 20;

/// The parts that may be set, each with its weight where it is not.
pub(super) const PARTS: [(&Setting, u64); 5] = [
    (&setting::MAILBOX_MEMORY, 4),
    (&setting::CACHE_MEMORY, 4),
    (&setting::VIEW_MEMORY, 6),
    (&setting::INCOMING_MEMORY, 8),
    (&setting::WAITING_MEMORY, 16),
];

impl Config {
    /// Octets of a part.
    pub(crate) fn part(&self, part: &Setting) -> u64 {
        let set = |part: &Setting| self.value(part).map(|_| self.number(part));
        set(part).unwrap_or_else(|| {
            let (left, weights) = rest(self.number(&setting::MEMORY), set);
            let found = PARTS.iter().find(|(known, _)| *known == part);
            let weight = found.map_or(0, |(_, weight)| *weight);
            left.saturating_mul(weight) / weights.max(1)
        })
    }
}

/// What is left for the parts that are not set, and their weights together.
fn rest(memory: u64, set: impl Fn(&Setting) -> Option<u64>) -> (u64, u64) {
    let (mut left, mut weights) = (memory.saturating_sub(SEARCH_OCTETS), 0);
    for (part, weight) in PARTS {
        match set(part) {
            Some(octets) => left = left.saturating_sub(octets),
            None => weights += weight,
        }
    }
    (left, weights)
}

/// Finds parts that are larger than the whole.
pub(super) fn check(written: &mut Written) {
    let number = |setting: &Setting| {
        let value = find(written, setting)?;
        value.number().map(|number| (number, value.span))
    };
    let Some(memory) = number(&setting::MEMORY)
        .map(|(number, _)| number)
        .or_else(|| super::written::default(&setting::MEMORY)?.number())
    else {
        return;
    };
    let parts = PARTS.iter().map(|(part, _)| number(part));
    let parts: Vec<_> = parts.collect();
    let set = parts.iter().flatten().map(|(octets, _)| *octets);
    let unset = parts.iter().filter(|part| part.is_none()).count();
    let unset = u64::try_from(unset).unwrap_or(u64::MAX);
    let least = set
        .chain([SEARCH_OCTETS, unset * PART_OCTETS_MIN])
        .fold(0, u64::saturating_add);
    if least <= memory {
        return;
    }
    let places = parts.iter().flatten().map(|(_, span)| span.clone());
    let place = places.chain(number(&setting::MEMORY).map(|(_, span)| span));
    let place = place.max_by_key(|span| span.start).unwrap_or_default();
    let mib = |octets: u64| octets.div_ceil(1 << 20);
    let what = format!(
        "the parts of the memory come to {}M, `memory` is {}M: its parts are larger than the whole",
        mib(least),
        mib(memory)
    );
    let hint = format!("memory = \"{}M\", or smaller parts", mib(least));
    written.flaw(place, what, hint);
}
