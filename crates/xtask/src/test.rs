//! All that CI runs, in the order in which it fails soonest.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::{check, tools};

/// Runs everything; the first failure ends it.
pub(crate) fn run(root: &Path) -> Result<()> {
    step("formatting", || {
        tools::cargo(root, &["fmt", "--all", "--check"], &[])
    })?;
    step("house rules", || check::run(root))?;
    step("programs the tests drive", || tools::ensure(root))?;
    step("clippy", || {
        let words = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ];
        tools::cargo(root, &words, &[])
    })?;
    step("doctests", || {
        tools::cargo(root, &["test", "--workspace", "--doc"], &[])
    })?;
    step("tests", || tests(root))
}

/// The tests, by nextest where it is installed; its closing lines are the last thing printed.
fn tests(root: &Path) -> Result<()> {
    let nextest = tools::present("cargo-nextest");
    let words: &[&str] = if nextest {
        &["nextest", "run", "--workspace", "--no-fail-fast"]
    } else {
        &[
            "test",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--no-fail-fast",
        ]
    };
    tools::cargo(root, words, &[])
}

fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("== {name}");
    let begun = Instant::now();
    work()?;
    println!("== {name}: good, {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}
