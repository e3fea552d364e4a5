//! Letters judged by their words.

use mail::Address;
use post::{SpamMeasure, SpamRules};

use super::setting;
use super::written::{Meaning, Written};
use super::{Config, find};

impl Config {
    /// How letters are judged by their words.
    pub(crate) fn spam_rules(&self) -> SpamRules {
        let number = |setting| self.number(setting);
        SpamRules {
            measure: match self.word(&setting::FILTER).as_str() {
                "off" => SpamMeasure::Off,
                "mark" => SpamMeasure::Mark,
                _ => SpamMeasure::Junk,
            },
            threshold_percent: u8::try_from(number(&setting::FILTER_THRESHOLD)).unwrap_or(100),
            letters_min: u32::try_from(number(&setting::FILTER_LETTERS)).unwrap_or(u32::MAX),
            site: self.spam_site(),
            clues_max: usize::try_from(number(&setting::FILTER_CLUES)).unwrap_or(usize::MAX),
            memory_octets_max: usize::try_from(number(&setting::FILTER_MEMORY))
                .unwrap_or(usize::MAX),
        }
    }

    fn spam_site(&self) -> Option<Address> {
        match self.value(&setting::FILTER_SITE)?.meaning {
            Meaning::Mail(address) => Some(address),
            _ => None,
        }
    }
}

/// Finds thresholds that there are not.
pub(super) fn check(written: &mut Written) {
    let Some(value) = find(written, &setting::FILTER_THRESHOLD) else {
        return;
    };
    if value.number().is_some_and(|percent| percent > 100) {
        let what = "a letter is junk by 100 of 100 at most".to_owned();
        written.flaw(value.span, what, "threshold = 95");
    }
}
