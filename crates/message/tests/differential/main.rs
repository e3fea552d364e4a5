//! Other people's samples read by us and by two other libraries: every difference is judged.
//!
//! `docs/differences/libraries.md` holds the judgements; `CARAMEL_DIFFERENCES=FILE` writes down
//! what was found.
#![expect(clippy::print_stdout, reason = "a skipped test says so")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;

mod judged;
mod readings;

use readings::{ours, staktrace, stalwart};

#[test]
fn every_difference_to_other_libraries_is_judged() {
    let samples = judged::samples();
    if samples.is_empty() {
        return;
    }
    let mut found = BTreeMap::new();
    for (name, message) in &samples {
        let ours = ours::read(message);
        for (reader, theirs) in [
            ("mail-parser", stalwart::read(message)),
            ("mailparse", staktrace::read(message)),
        ] {
            for (aspect, what) in ours.differences(&theirs) {
                let place = (reader.to_owned(), aspect.to_owned(), name.clone());
                found.insert(place, what);
            }
        }
    }
    judged::compare("libraries.md", &found);
}
