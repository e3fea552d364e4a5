//! The big runs of mutated messages, and of mutated scripts; what is done with each is in the rooms
//! `message` and `sieve` themselves.

use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result, bail};

/// Inputs of one run.
const INPUTS: u64 = 1_000_000;

/// Runs `--inputs N` inputs from number `--seed S` on, on all processors.
pub(crate) fn run(root: &Path, room: &str, words: &[&str]) -> Result<()> {
    let (mut inputs, mut seed) = (INPUTS, 0);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let number = words
            .next()
            .and_then(|text| text.replace('_', "").parse().ok());
        let number = number.with_context(|| format!("a number behind {word}"));
        match *word {
            "--inputs" => inputs = number?,
            "--seed" => seed = number?,
            _ => bail!("usage: cargo xtask fuzz {room} [--inputs N] [--seed S]"),
        }
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let test = [
        "test",
        "--release",
        "--package",
        room,
        "--test",
        "mutation",
        "--",
    ];
    let name = match room {
        "sieve" => "mutated_scripts_are_run",
        _ => "mutated_messages_are_read",
    };
    let only = ["--nocapture", name];
    let environment = [
        ("CARAMEL_FUZZ_INPUTS", inputs.to_string()),
        ("CARAMEL_FUZZ_SEED", seed.to_string()),
        ("CARAMEL_FUZZ_THREADS", threads.to_string()),
    ];
    let environment = environment
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    crate::tools::cargo(root, &[&test[..], &only].concat(), &environment)
}
