//! Filters that look at letters while they come in.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use net::HttpPlace;
use server::{Asked, MilterSettings, Milters, Protocol, RspamdSettings};
use wire::sasl::Secret;

use super::relay::{of_table, password};
use super::setting::{self, Setting};
use super::written::{Entry, Meaning, Table, Value, Written};
use super::{ALL, Config};

/// Filters that see one letter.
const MILTERS_MAX: usize = 16;

impl Config {
    /// The filters.
    ///
    /// # Errors
    /// If a password or an authority cannot be read.
    pub(crate) fn milters(&self) -> anyhow::Result<Arc<Milters>> {
        let all = self.milters.iter().map(milter);
        let all = all.collect::<anyhow::Result<Vec<_>>>()?;
        let all = all.into_iter().flatten().collect();
        let octets_max = self.number(&setting::MILTER_MEMORY);
        let octets_max = usize::try_from(octets_max).unwrap_or(usize::MAX);
        Ok(Arc::new(Milters::new(all, octets_max)))
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

/// A filter; nothing where it does not say what it is called, or where it answers.
fn milter(table: &Table) -> anyhow::Result<Option<MilterSettings>> {
    let value = |setting: &Setting| of_table(table, setting);
    let meaning = |setting: &Setting| value(setting).map(|value| value.meaning);
    let number = |setting: &Setting| value(setting).as_ref().and_then(Value::number);
    let path = |setting: &Setting| match meaning(setting) {
        Some(Meaning::Path(path)) => Some(path),
        _ => None,
    };
    let Some(Meaning::Word(name)) = meaning(&setting::MILTER_NAME) else {
        return Ok(None);
    };
    let asked = match (
        meaning(&setting::MILTER_SOCKET),
        meaning(&setting::MILTER_URL),
    ) {
        (Some(Meaning::Endpoint(endpoint)), None) => Asked::Milter(endpoint),
        (None, Some(Meaning::Word(url))) => {
            let place = HttpPlace::new(&url, path(&setting::MILTER_CA).as_deref());
            let place = place.with_context(|| format!("the filter {name}: {url}"))?;
            let file = path(&setting::MILTER_PASSWORD);
            let password = file.as_deref().map(password).transpose()?.map(Secret);
            Asked::Rspamd(RspamdSettings { place, password })
        }
        _ => return Ok(None),
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
    Ok(Some(MilterSettings {
        name,
        asked,
        timeout: Duration::from_secs(number(&setting::MILTER_TIMEOUT).unwrap_or(30)),
        is_spared: meaning(&setting::MILTER_WHEN_AWAY) == Some(Meaning::Word("accept".to_owned())),
        octets_max: usize::try_from(octets_max).unwrap_or(usize::MAX),
        protocols: protocols.collect(),
    }))
}

/// Finds filters that cannot be asked.
pub(super) fn check(written: &mut Written, milters: &[Entry]) {
    let mut names = BTreeSet::new();
    for (table, span) in milters {
        let milter = match milter(table) {
            Ok(Some(milter)) => milter,
            Ok(None) => {
                let what = "this filter needs `name`, and `socket` or `url`".to_owned();
                let hint = "name = \"spam\", socket = \"unix:/run/rspamd/milter.sock\"";
                written.flaw(span.clone(), what, hint);
                continue;
            }
            Err(error) => {
                let what = format!("this filter cannot be asked: {error:#}");
                let hint = "url = \"http://127.0.0.1:11333\", or \"unix:/run/rspamd.sock\"";
                written.flaw(span.clone(), what, hint);
                continue;
            }
        };
        let is_given = |setting: &Setting| table.contains_key(&(setting.section, setting.key));
        for of_url in [&setting::MILTER_PASSWORD, &setting::MILTER_CA] {
            if is_given(of_url) && matches!(milter.asked, Asked::Milter(_)) {
                let what = format!("`{}` is for filters with `url`", of_url.key);
                written.flaw(span.clone(), what, "the protocol of milters knows none");
            }
        }
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
