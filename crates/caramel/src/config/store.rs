//! The store's files: how long they become.

use std::ops::RangeInclusive;

use super::setting::{self, Setting};
use super::written::Written;
use super::{Config, find};

/// Octets of a file of the log. Behind damage the rest of a file is looked through in memory.
const SEGMENT_OCTETS: RangeInclusive<u64> = (64 << 10)..=(1 << 30);
/// Octets of log between two checkpoints.
const CHECKPOINT_OCTETS: RangeInclusive<u64> = (64 << 10)..=(1 << 40);

impl Config {
    /// Octets of a file of the log.
    pub(crate) fn segment(&self) -> u64 {
        self.number(&setting::SEGMENT)
    }

    /// Octets of log after which the view is made durable.
    pub(crate) fn checkpoint(&self) -> u64 {
        self.number(&setting::CHECKPOINT)
    }
}

/// Finds files that are too long or too short.
pub(super) fn check(written: &mut Written) {
    check_one(written, &setting::SEGMENT, &SEGMENT_OCTETS);
    check_one(written, &setting::CHECKPOINT, &CHECKPOINT_OCTETS);
}

fn check_one(written: &mut Written, setting: &Setting, range: &RangeInclusive<u64>) {
    let Some(value) = find(written, setting) else {
        return;
    };
    let Some(octets) = value.number().filter(|octets| !range.contains(octets)) else {
        return;
    };
    let (key, least, most) = (setting.key, range.start() >> 10, range.end() >> 10);
    let what = format!("`{key}` is {octets} octets: it may be {least}K to {most}K");
    written.flaw(value.span, what, format!("{key} = {}", setting.default));
}
