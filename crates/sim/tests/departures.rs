//! Letters that leave: seeded worlds, and each arrow of the queue's drawing cut where it can be.

use post::queue::diagram::{CRASHES, Step};
use sim::departures::{ARROWS, cut_at_each, run};

/// Worlds that are run here; `cargo xtask sim` runs as many as are wanted.
const SEEDS: std::ops::Range<u64> = 0..12;

#[test]
fn letters_that_were_taken_arrive_or_are_reported() {
    let (mut acknowledged, mut repeated, mut reported, mut cuts) = (0, 0, 0, 0);
    for seed in SEEDS {
        match run(seed) {
            Ok(departed) => {
                acknowledged += departed.acknowledged;
                repeated += departed.repeated;
                reported += departed.reported;
                cuts += departed.cuts;
            }
            Err(broken) => panic!("{broken}"),
        }
    }
    // Where nothing is repeated or reported, nothing was tried.
    let tried = format!("{acknowledged} {repeated} {reported} {cuts}");
    assert!(
        acknowledged > 100 && repeated > 3 && reported > 30 && cuts > 30,
        "{tried}"
    );
}

#[test]
fn the_same_seed_is_the_same_run() {
    let (one, other) = (run(7).unwrap(), run(7).unwrap());
    assert_eq!(one, other);
    assert_ne!(one.hash, run(8).unwrap().hash);
}

macro_rules! arrows {
    ($($name:ident: $arrow:literal, at least $least:literal;)*) => {
        $(#[test]
        fn $name() {
            match cut_at_each($arrow) {
                Ok(places) => assert!(places + 1 > $least, "{places} places"),
                Err(what) => panic!("{what}"),
            }
        })*

        #[test]
        fn each_arrow_is_cut() {
            assert_eq!(ARROWS, [$($arrow),*]);
            let steps: Vec<Step> = CRASHES.iter().map(|argument| argument.step).collect();
            let named = steps.iter().map(|step| format!("{step:?}").to_lowercase());
            let mut named: Vec<String> = named.collect();
            if let Some(last) = named.last_mut() {
                last.push_str(" what is held");
            }
            assert_eq!(named, ARROWS);
        }
    };
}

arrows! {
    commit: "commit", at least 2;
    answer: "answer", at least 5;
    claim: "claim", at least 0;
    defer: "defer", at least 2;
    deliver: "deliver", at least 2;
    refuse: "refuse", at least 2;
    expire: "expire", at least 2;
    retry: "retry", at least 2;
    hold: "hold", at least 2;
    release: "release", at least 2;
    r#drop: "drop", at least 2;
    drop_what_is_held: "drop what is held", at least 2;
}
