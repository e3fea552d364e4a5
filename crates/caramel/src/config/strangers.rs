//! What is done with strangers before their letters come: lists in DNS that are asked about them,
//! whether they are asked to come back, and how much they may do.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use mail::Network;
use post::{GreyRules, ListDeed, ListRule, RateRules};
use trust::list::{List, Subject};

use super::relay::of_table;
use super::setting::{self, Setting};
use super::written::{Entry, Meaning, Table, Value, Written, default};
use super::{ALL, Config, find};

/// Lists that are asked about one letter.
const LISTS_MAX: usize = 32;

impl Config {
    /// The lists that are asked.
    pub(super) fn trust_lists(&self) -> Vec<ListRule> {
        self.trust_lists.iter().filter_map(rule).collect()
    }

    /// When strangers are asked to come back.
    pub(super) fn greylist(&self) -> GreyRules {
        let span = |setting| Duration::from_secs(self.number(setting));
        GreyRules {
            delay: span(&setting::GREY_DELAY),
            window: span(&setting::GREY_WINDOW),
            lifetime: span(&setting::GREY_LIFETIME),
            known_after: self.count(&setting::GREY_KNOWN_AFTER),
        }
    }

    /// How much strangers and accounts may do.
    pub(crate) fn rates(&self) -> RateRules {
        RateRules {
            connections_per_minute: self.count(&setting::CONNECTIONS_PER_MINUTE),
            letters_per_minute: self.count(&setting::LETTERS_PER_MINUTE),
            recipients_per_minute: self.count(&setting::RECIPIENTS_PER_MINUTE),
            letters_per_hour: self.count(&setting::LETTERS_PER_HOUR),
            sends_per_day: self.count(&setting::SENDS_PER_DAY),
        }
    }

    /// A number that is not large.
    pub(super) fn count(&self, setting: &Setting) -> u32 {
        u32::try_from(self.number(setting)).unwrap_or(u32::MAX)
    }

    /// The lists, as they are written.
    pub(super) fn show_trust_lists(&self, text: &mut String) {
        for table in &self.trust_lists {
            let _written = writeln!(text, "\n[[trust.list]]");
            let of_list = |setting: &&Setting| setting.section == "trust.list";
            for setting in ALL.iter().filter(of_list) {
                if let Some(value) = table.get(&(setting.section, setting.key)) {
                    let _written = writeln!(text, "{} = {}", setting.key, value.shown);
                }
            }
        }
    }
}

fn rule(table: &Table) -> Option<ListRule> {
    let meaning = |setting: &Setting| of_table(table, setting).map(|value| value.meaning);
    let word = |setting: &Setting| match meaning(setting) {
        Some(Meaning::Word(word)) => Some(word),
        _ => None,
    };
    let Some(Meaning::Host(zone)) = meaning(&setting::TRUST_LIST_ZONE) else {
        return None;
    };
    let codes = match meaning(&setting::TRUST_LIST_CODES) {
        Some(Meaning::Many(codes)) => codes,
        _ => Vec::new(),
    };
    let codes = codes.into_iter().filter_map(|code| match code {
        Meaning::Network(network) => Some(network),
        _ => None,
    });
    let weight = of_table(table, &setting::TRUST_LIST_WEIGHT);
    let weight = weight.as_ref().and_then(Value::number).unwrap_or(1);
    Some(ListRule {
        deed: match word(&setting::TRUST_LIST_ACTION).as_deref() {
            Some("weigh") => ListDeed::Weigh(u32::try_from(weight).unwrap_or(u32::MAX)),
            Some("allow") => ListDeed::Allow,
            _ => ListDeed::Refuse,
        },
        list: List {
            name: word(&setting::TRUST_LIST_NAME).unwrap_or_else(|| zone.to_ascii()),
            zone,
            subject: match word(&setting::TRUST_LIST_OF).as_deref() {
                Some("domain") => Subject::Domain,
                _ => Subject::Address,
            },
            codes: codes.collect(),
        },
    })
}

/// Finds lists that cannot be asked, or whose settings are of no use.
pub(super) fn check(written: &mut Written, lists: &[Entry]) {
    let codes: Option<Network> = Network::parse("127.0.0.0/8");
    let mut known = BTreeSet::new();
    for (table, span) in lists {
        let given = |setting: &Setting| table.get(&(setting.section, setting.key)).cloned();
        let Some(rule) = rule(table) else {
            let what = "this list needs `zone`".to_owned();
            written.flaw(span.clone(), what, "zone = \"zen.example.net\"");
            continue;
        };
        if !known.insert((
            rule.list.zone.to_ascii(),
            rule.list.codes.len(),
            rule.list.name,
        )) {
            let what = "this list is there twice".to_owned();
            written.flaw(span.clone(), what, "another `name`, for other `codes`");
        }
        let is_code = |network: &Network| codes.is_some_and(|codes| codes.contains(network.ip()));
        if let Some(value) = given(&setting::TRUST_LIST_CODES)
            && !rule.list.codes.iter().all(is_code)
        {
            let what = "a list answers in 127.0.0.0/8 only".to_owned();
            written.flaw(value.span, what, "codes = [\"127.0.0.2\"]");
        }
        if let Some(value) = given(&setting::TRUST_LIST_WEIGHT)
            && !matches!(rule.deed, ListDeed::Weigh(_))
        {
            let what = "`weight` is of no use without `action = \"weigh\"`".to_owned();
            written.flaw(value.span, what, "action = \"weigh\"");
        }
    }
    check_greylist(written);
    if let Some((_, span)) = lists.get(LISTS_MAX) {
        let what = format!("more than {LISTS_MAX} lists are not asked about a letter");
        written.flaw(span.clone(), what, "leave out those that say little");
    }
}

/// Finds times in which nobody can come back.
fn check_greylist(written: &mut Written) {
    let seconds = |setting: &Setting| {
        let value = find(written, setting).or_else(|| default(setting));
        value.and_then(|value| value.number())
    };
    let delay = seconds(&setting::GREY_DELAY);
    let (window, lifetime) = (
        seconds(&setting::GREY_WINDOW),
        seconds(&setting::GREY_LIFETIME),
    );
    if delay == Some(0) {
        return;
    }
    for (setting, span) in [
        (&setting::GREY_WINDOW, window),
        (&setting::GREY_LIFETIME, lifetime),
    ] {
        if span <= delay {
            let at = find(written, setting).or_else(|| find(written, &setting::GREY_DELAY));
            let at = at.map(|value| value.span).unwrap_or_default();
            let what = format!("`{}` is not longer than `delay`", setting.key);
            written.flaw(at, what, format!("{} = {}", setting.key, setting.default));
        }
    }
}
