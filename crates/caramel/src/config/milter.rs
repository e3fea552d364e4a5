//! Filters that look at letters while they come in.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use server::{MilterSettings, Milters, Protocol};

use super::relay::of_table;
use super::setting::{self, Setting};
use super::written::{Entry, Meaning, Table, Value, Written};
use super::{ALL, Config};

/// Filters that see one letter.
const MILTERS_MAX: usize = 16;

impl Config {
    /// The filters.
    pub(crate) fn milters(&self) -> Arc<Milters> {
        let all = self.milters.iter().filter_map(milter).collect();
        let octets_max = self.number(&setting::MILTER_MEMORY);
        let octets_max = usize::try_from(octets_max).unwrap_or(usize::MAX);
        Arc::new(Milters::new(all, octets_max))
    }

    /// The filters, as they are written.
    pub(super) fn show_milters(&self, text: &mut String) {
        for table in &self.milters {
            let _written = writeln!(text, "\n[[trust.milter]]");
            let of_milter = |setting: &&Setting| setting.section == "trust.milter";
            for setting in ALL.iter().filter(of_milter) {
                if let Some(value) = table.get(&(setting.section, setting.key)) {
                    let _written = writeln!(text, "{} = {}", setting.key, value.shown);
                }
            }
        }
    }
}

fn milter(table: &Table) -> Option<MilterSettings> {
    let value = |setting: &Setting| of_table(table, setting);
    let meaning = |setting: &Setting| value(setting).map(|value| value.meaning);
    let number = |setting: &Setting| value(setting).as_ref().and_then(Value::number);
    let (Some(Meaning::Word(name)), Some(Meaning::Endpoint(endpoint))) = (
        meaning(&setting::MILTER_NAME),
        meaning(&setting::MILTER_SOCKET),
    ) else {
        return None;
    };
    let listeners = match meaning(&setting::MILTER_LISTENERS) {
        Some(Meaning::Many(listeners)) => listeners,
        _ => Vec::new(),
    };
    let protocols = listeners.into_iter().filter_map(|one| match one {
        Meaning::Word(word) => Protocol::parse(&word),
        _ => None,
    });
    let octets_max = number(&setting::MILTER_LARGEST).unwrap_or_default();
    Some(MilterSettings {
        name,
        endpoint,
        timeout: Duration::from_secs(number(&setting::MILTER_TIMEOUT).unwrap_or(30)),
        is_spared: meaning(&setting::MILTER_WHEN_AWAY) == Some(Meaning::Word("accept".to_owned())),
        octets_max: usize::try_from(octets_max).unwrap_or(usize::MAX),
        protocols: protocols.collect(),
    })
}

/// Finds filters that cannot be asked.
pub(super) fn check(written: &mut Written, milters: &[Entry]) {
    let mut names = BTreeSet::new();
    for (table, span) in milters {
        let Some(milter) = milter(table) else {
            let what = "this filter needs `name` and `socket`".to_owned();
            let hint = "name = \"spam\", socket = \"unix:/run/rspamd/milter.sock\"";
            written.flaw(span.clone(), what, hint);
            continue;
        };
        if milter.timeout.is_zero() {
            let what = "in no time no filter can answer".to_owned();
            written.flaw(span.clone(), what, "timeout = \"30s\"");
        }
        if !names.insert(milter.name.clone()) {
            let what = format!("there are two filters `{}`", milter.name);
            written.flaw(span.clone(), what, "each has a name of its own");
        }
    }
    if let Some((_, span)) = milters.get(MILTERS_MAX) {
        let what = format!("more than {MILTERS_MAX} filters do not see a letter");
        written.flaw(span.clone(), what, "leave some out");
    }
}
