//! A few worlds on each run of the tests; `cargo xtask sim` runs as many as are wanted.

/// Worlds that are run here.
const SEEDS: std::ops::Range<u64> = 0..10;

#[test]
fn nothing_acknowledged_is_lost() {
    let (mut freed, mut compressed) = (0, 0);
    for seed in SEEDS {
        match sim::run(seed) {
            Ok(tale) => {
                freed += tale.freed_octets;
                compressed += tale.compressed;
            }
            Err(broken) => panic!("{broken}"),
        }
    }
    // Segments of the log among it: whoever frees nothing loses nothing.
    assert!(freed > 1 << 20, "{freed}");
    assert!(compressed > 10, "{compressed}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    // In the first two idle sessions of one account are woken together.
    for seed in [101, 146, 186] {
        let (one, other) = (sim::run(seed).unwrap(), sim::run(seed).unwrap());
        assert_eq!((one.events, one.hash), (other.events, other.hash));
        assert_ne!(one.hash, sim::run(seed + 1000).unwrap().hash);
        assert!(one.acknowledged > 10, "{one:?}");
    }
}
