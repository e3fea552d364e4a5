//! How much a script may be and do.

use crate::extension::Abilities;

/// What bounds a script, from its text to its last action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What it may ask for.
    pub abilities: Abilities,
    /// Octets of a script's text.
    pub script_octets_max: usize,
    /// Blocks and tests inside one another.
    pub nesting_max: usize,
    /// Faults reported of one text.
    pub faults_max: usize,
    /// Steps of one run: a command or a test is one, and so are every 8 KiB of text that are looked
    /// through and every 64 octets that variables are expanded to; patterns take more.
    pub steps_max: u64,
    /// Questions of one run.
    pub asks_max: usize,
    /// Actions of one run.
    pub actions_max: usize,
    /// Redirections of one run.
    pub redirects_max: usize,
    /// Scripts included in one run.
    pub includes_max: usize,
    /// Scripts included inside one another.
    pub include_depth_max: usize,
    /// Variables of one script, and global ones.
    pub variables_max: usize,
    /// Octets a variable's name may have.
    pub variable_name_octets_max: usize,
    /// Octets a variable keeps; a longer value is cut (RFC 5229 §6).
    pub variable_octets_max: usize,
    /// Octets that a compiled regular expression may take.
    pub regex_octets_max: usize,
    /// Octets of a text that `:matches` and `:regex` look at.
    pub matched_octets_max: usize,
    /// Changes of the message in one run.
    pub edits_max: usize,
    /// Seconds between two vacation replies to one sender, at least.
    pub vacation_seconds_min: u64,
    /// Seconds between two vacation replies to one sender, at most.
    pub vacation_seconds_max: u64,
    /// Seconds between two vacation replies where the script says nothing.
    pub vacation_seconds_default: u64,
    /// Seconds that an identifier is remembered where the script says nothing (RFC 7352 §3.3).
    pub duplicate_seconds_default: u64,
    /// Seconds that an identifier is remembered at most.
    pub duplicate_seconds_max: u64,
}

const DAY: u64 = 86_400;

impl Limits {
    /// What every script runs within.
    pub const HOUSE: Self = Self {
        abilities: Abilities::ALL,
        script_octets_max: 256 * 1024,
        nesting_max: 32,
        faults_max: 20,
        steps_max: 200_000,
        asks_max: 1000,
        actions_max: 32,
        redirects_max: 4,
        includes_max: 255,
        include_depth_max: 10,
        variables_max: 256,
        variable_name_octets_max: 64,
        variable_octets_max: 16 * 1024,
        regex_octets_max: 512 * 1024,
        matched_octets_max: 256 * 1024,
        edits_max: 100,
        vacation_seconds_min: DAY,
        vacation_seconds_max: 365 * DAY,
        vacation_seconds_default: 7 * DAY,
        duplicate_seconds_default: 7 * DAY,
        duplicate_seconds_max: 30 * DAY,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::HOUSE
    }
}
