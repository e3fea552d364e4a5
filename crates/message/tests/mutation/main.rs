//! Mutated messages: nothing panics, no limit is passed, pieces give what the whole gives.
//!
//! Each input is made from its number alone. `cargo xtask fuzz message` runs millions in release;
//! a failing input is made small and printed with its number.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use std::{env, fs, thread};

mod everything;
mod mutate;
mod seeds;
mod shrink;
mod views;

/// Inputs a plain test run tries.
const INPUTS: u64 = 3000;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[test]
fn mutated_messages_are_read() {
    let inputs = number("CARAMEL_FUZZ_INPUTS").unwrap_or(INPUTS);
    let first = number("CARAMEL_FUZZ_SEED").unwrap_or(0);
    let threads = number("CARAMEL_FUZZ_THREADS").unwrap_or(1);
    let samples = seeds::samples();
    println!(
        "{} messages of ours, {} of others",
        seeds::OWN.len(),
        samples.len()
    );
    let (begun, next, octets) = (Instant::now(), AtomicU64::new(first), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| run(first + inputs, &next, &octets, &samples));
        }
    });
    let (seconds, octets) = (begun.elapsed().as_secs_f64(), octets.into_inner());
    println!("{inputs} inputs from number {first}: {octets} octets in {seconds:.1} s, all well");
    println!(
        "{:.0} inputs a second, {threads} at once",
        inputs as f64 / seconds
    );
}

/// Takes numbers until all are taken.
fn run(end: u64, next: &AtomicU64, octets: &AtomicU64, samples: &[Vec<u8>]) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= end {
            return;
        }
        let input = mutate::input(number, seeds::OWN, samples);
        octets.fetch_add(input.len() as u64, Ordering::Relaxed);
        if !holds(&input, number) {
            next.store(end, Ordering::Relaxed);
            report(&input, number);
        }
    }
}

fn holds(input: &[u8], number: u64) -> bool {
    catch_unwind(AssertUnwindSafe(|| everything::everything(input, number))).is_ok()
}

/// Makes the failing input small, keeps it in a file and says all there is to say.
fn report(input: &[u8], number: u64) {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let small = shrink::shrink(input, &|trial| !holds(trial, number));
    std::panic::set_hook(hook);
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("input-{number}"));
    let kept = fs::write(&path, &small);
    println!(
        "input {number} fails; made small ({kept:?} {}):",
        path.display()
    );
    println!("{}", small.escape_ascii());
    everything::everything(&small, number);
    unreachable!("it failed before, and it was shrunk while it did");
}

#[test]
fn a_number_makes_one_input() {
    let once = mutate::input(4711, seeds::OWN, &[]);
    assert_eq!(once, mutate::input(4711, seeds::OWN, &[]));
    let different: std::collections::BTreeSet<Vec<u8>> = (0..1000)
        .map(|number| mutate::input(number, seeds::OWN, &[]))
        .collect();
    assert!(different.len() > 990, "{} of 1000 differ", different.len());
}

#[test]
fn a_failing_input_is_made_small() {
    let fails = |input: &[u8]| memchr::memmem::find(input, b"needle").is_some();
    let hay = [b"hay ".repeat(100), b"needle".to_vec(), b"hay ".repeat(70)].concat();
    assert_eq!(shrink::shrink(&hay, &fails), b"needle");
}
