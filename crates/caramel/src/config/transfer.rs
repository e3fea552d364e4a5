//! Which addresses are others here, whose letters somebody gets a copy of, and to how many somebody
//! may send.

use std::fmt::Write as _;
use std::sync::Arc;

use post::{CopyRule, Pattern, Rewrite, RewriteRules, SendRule};

use super::relay::of_table;
use super::setting::{self, Setting};
use super::written::{Entry, Meaning, Table, Written};
use super::{ALL, Config};

/// Tables of one kind.
const TABLES_MAX: usize = 1000;

/// The tables of the lists, as they are written.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Of `[[rewrite]]`.
    rewrites: Vec<Table>,
    /// Of `[[copy]]`.
    copies: Vec<Table>,
    /// Of `[[limits.sends]]`.
    sends: Vec<Table>,
}

impl Config {
    /// What is rewritten, and what is copied.
    pub(crate) fn rewriting(&self) -> Arc<RewriteRules> {
        let rewrites = self.transfer.rewrites.iter().filter_map(rewrite);
        let (senders, recipients): (Vec<_>, Vec<_>) =
            rewrites.partition(|(is_of_senders, _)| *is_of_senders);
        let rules = |all: Vec<(bool, Rewrite)>| all.into_iter().map(|(_, rule)| rule).collect();
        Arc::new(RewriteRules {
            recipients: rules(recipients),
            senders: rules(senders),
            copies: self.transfer.copies.iter().filter_map(copy).collect(),
        })
    }

    /// To how many some may send.
    pub(crate) fn sends(&self) -> Arc<[SendRule]> {
        self.transfer.sends.iter().filter_map(send).collect()
    }

    /// The lists, as they are written.
    pub(super) fn show_transfer(&self, text: &mut String) {
        let lists = [
            ("rewrite", &self.transfer.rewrites),
            ("copy", &self.transfer.copies),
            ("limits.sends", &self.transfer.sends),
        ];
        for (section, tables) in lists {
            for table in tables {
                let _written = writeln!(text, "\n[[{section}]]");
                for setting in ALL.iter().filter(|setting| setting.section == section) {
                    if let Some(value) = table.get(&(setting.section, setting.key)) {
                        let _written = writeln!(text, "{} = {}", setting.key, value.shown);
                    }
                }
            }
        }
    }
}

/// True for a rule about senders, and the rule.
fn rewrite(table: &Table) -> Option<(bool, Rewrite)> {
    let is_of_senders = match of_table(table, &setting::REWRITE_OF)?.meaning {
        Meaning::Word(word) => word == "sender",
        _ => false,
    };
    let (from, to) = (
        pattern(table, &setting::REWRITE_FROM)?,
        pattern(table, &setting::REWRITE_TO)?,
    );
    Some((is_of_senders, Rewrite { from, to }))
}

fn copy(table: &Table) -> Option<CopyRule> {
    let Meaning::Mail(to) = of_table(table, &setting::COPY_TO)?.meaning else {
        return None;
    };
    Some(CopyRule {
        sender: pattern(table, &setting::COPY_SENDER),
        recipient: pattern(table, &setting::COPY_RECIPIENT),
        to,
    })
}

fn send(table: &Table) -> Option<SendRule> {
    let number = |setting: &Setting| {
        let number = of_table(table, setting).and_then(|value| value.number());
        u32::try_from(number.unwrap_or_default()).unwrap_or(u32::MAX)
    };
    Some(SendRule {
        of: pattern(table, &setting::SENDS_OF)?,
        per_hour: number(&setting::SENDS_OF_PER_HOUR),
        per_day: number(&setting::SENDS_OF_PER_DAY),
    })
}

fn pattern(table: &Table, setting: &Setting) -> Option<Pattern> {
    match of_table(table, setting)?.meaning {
        Meaning::Pattern(pattern) => Some(pattern),
        _ => None,
    }
}

/// Takes the lists, and finds entries that say too little.
pub(super) fn take(written: &mut Written) -> Tables {
    let rewrites = written.take_list("rewrite");
    let copies = written.take_list("copy");
    let sends = written.take_list("limits.sends");
    for (table, span) in &sends {
        let says = send(table).is_some_and(|rule| rule.per_hour > 0 || rule.per_day > 0);
        if !says {
            let what = "this needs `of`, and `per_hour` or `per_day`".to_owned();
            let hint = "of = \"@example.org\", per_hour = 500";
            written.flaw(span.clone(), what, hint);
        }
    }
    for (table, span) in &rewrites {
        if rewrite(table).is_none() {
            let what = "this needs `of`, `from` and `to`".to_owned();
            let hint = "of = \"recipient\", from = \"@old.example\", to = \"@new.example\"";
            written.flaw(span.clone(), what, hint);
        }
    }
    for (table, span) in &copies {
        if copy(table).is_none() {
            let what = "this needs `to`".to_owned();
            written.flaw(span.clone(), what, "to = \"archive@example.org\"");
        }
    }
    for list in [&rewrites, &copies, &sends] {
        if let Some((_, span)) = list.get(TABLES_MAX) {
            let what = format!("there are more than {TABLES_MAX}");
            written.flaw(span.clone(), what, "leave some out");
        }
    }
    let tables = |list: Vec<Entry>| list.into_iter().map(|(table, _)| table).collect();
    Tables {
        rewrites: tables(rewrites),
        copies: tables(copies),
        sends: tables(sends),
    }
}
