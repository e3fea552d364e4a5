//! Mutated scripts and letters: nothing panics, every run ends within its limits, and where a
//! script fails the letter is kept.
//!
//! Each input is made from its number alone. `cargo xtask fuzz sieve` runs millions in release.
#![expect(clippy::indexing_slicing, clippy::print_stdout, reason = "a test")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use std::{env, thread};

use sieve::{
    Answer, Ask, Circumstances, Deed, Envelope, Letter, Limits, Outcome, Run, Script, Step,
};

mod dice;
mod seeds;

use dice::Dice;

/// Inputs a plain test run tries.
const INPUTS: u64 = 4000;
/// Steps of a run: fewer than at delivery, so that many inputs meet the end of them.
const STEPS_MAX: u64 = 3000;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[test]
fn mutated_scripts_are_run() {
    let inputs = number("CARAMEL_FUZZ_INPUTS").unwrap_or(INPUTS);
    let first = number("CARAMEL_FUZZ_SEED").unwrap_or(0);
    let threads = number("CARAMEL_FUZZ_THREADS").unwrap_or(1);
    let begun = Instant::now();
    let next = AtomicU64::new(first);
    let (ran, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(first + inputs, &next, (&ran, &failed)));
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    let (ran, failed) = (ran.into_inner(), failed.into_inner());
    println!("{inputs} inputs from number {first} in {seconds:.1} s, all well");
    println!("{ran} were scripts and ran, {failed} of them to a fault");
    // Else what is tried is not worth it.
    assert!(ran > inputs / 10 && failed > inputs / 200, "{ran} {failed}");
}

/// Takes numbers until all are taken.
fn work(end: u64, next: &AtomicU64, (ran, failed): (&AtomicU64, &AtomicU64)) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= end {
            return;
        }
        match catch_unwind(AssertUnwindSafe(|| everything(number))) {
            Ok(None) => {}
            Ok(Some(outcome)) => {
                ran.fetch_add(1, Ordering::Relaxed);
                failed.fetch_add(u64::from(outcome.fault.is_some()), Ordering::Relaxed);
            }
            Err(panic) => {
                next.store(end, Ordering::Relaxed);
                let (script, letter) = input(number);
                println!("input {number} fails:\n{}", script.escape_ascii());
                println!("{}", letter.escape_ascii());
                resume_unwind(panic);
            }
        }
    }
}

/// The script and the letter of this number.
fn input(number: u64) -> (Vec<u8>, Vec<u8>) {
    let mut dice = Dice::new(number);
    let mut script = seeds::HEAD.as_bytes().to_vec();
    let head = script.len();
    for _ in 0..=dice.below(6) {
        let statement = seeds::STATEMENTS[dice.below(seeds::STATEMENTS.len())];
        script.extend_from_slice(statement.as_bytes());
    }
    // Many stay scripts: what runs is looked at as much as what does not.
    for _ in 0..[0, 0, 0, 1, 1, 2, 5][dice.below(7)] {
        // What is required is changed rarely, as nothing is a script then.
        let from = if dice.below(20) == 0 { 0 } else { head };
        dice.change(&mut script, from, seeds::WORDS);
    }
    let mut letter = seeds::LETTERS[dice.below(seeds::LETTERS.len())]
        .as_bytes()
        .to_vec();
    for _ in 0..dice.below(4) {
        dice.change(&mut letter, 0, seeds::WORDS);
    }
    (script, letter)
}

/// All that is done with an input, and what must hold.
fn everything(number: u64) -> Option<Outcome> {
    let (text, letter) = input(number);
    let limits = Limits {
        steps_max: STEPS_MAX,
        ..Limits::HOUSE
    };
    let script = match Script::compile("self", &text, &limits) {
        Ok(script) => Arc::new(script),
        Err(faults) => {
            assert!(!faults.is_empty() && faults.len() <= limits.faults_max);
            let lines = text.iter().filter(|octet| **octet == b'\n').count() + 1;
            let lines = u32::try_from(lines).unwrap_or(u32::MAX);
            let inside = |line: u32| (1..=lines).contains(&line);
            assert!(
                faults.iter().all(|fault| inside(fault.place.line)),
                "{faults:?}"
            );
            return None;
        }
    };
    let once = play(&script, &letter, &limits, number);
    assert_eq!(once, play(&script, &letter, &limits, number));
    holds(&once, &limits);
    Some(once)
}

fn holds(outcome: &Outcome, limits: &Limits) {
    let actions = &outcome.actions;
    assert!(!actions.is_empty() && actions.len() <= 2 * limits.actions_max + 1);
    let redirects = actions
        .iter()
        .filter(|one| matches!(one.deed, Deed::Redirect(_)));
    assert!(redirects.count() <= limits.redirects_max);
    if let Some(trouble) = &outcome.fault {
        assert!(!trouble.text.is_empty());
        let kept = |deed: &Deed| matches!(deed, Deed::Keep { .. });
        assert!(
            actions
                .iter()
                .all(|one| kept(&one.deed) && one.changed.is_none())
        );
    }
}

fn play(script: &Arc<Script>, letter: &[u8], limits: &Limits, number: u64) -> Outcome {
    let mut world = Circumstances::new(Letter::parse(letter.to_vec().into()));
    let envelope = Envelope {
        reverse_path: mail::ReversePath::parse("<a@b.example>").unwrap_or(mail::ReversePath::Null),
        recipient: mail::Recipient {
            forward_path: mail::ForwardPath::Postmaster,
            notify: None,
            orcpt: None,
        },
        ret: None,
        envid: None,
        auth: None,
        by: None,
    };
    world.envelope = Some(Arc::new(envelope));
    let glanced = Outcome::at_a_glance(&[Arc::clone(script)], &world, limits);
    let mut run = Run::new(Arc::clone(script), world, *limits);
    let mut dice = Dice::new(!number);
    let mut asks = 0;
    loop {
        match run.step() {
            Step::Done(outcome) => {
                // What is seen without running it is what comes of running it.
                assert!(glanced.is_none_or(|glanced| glanced == outcome));
                return outcome;
            }
            Step::Ask(ask) => {
                asks += 1;
                assert!(asks <= limits.asks_max + 1);
                assert!(glanced.is_none());
                run.answer(answer(&ask, script, &mut dice));
            }
        }
    }
}

fn answer(ask: &Ask, script: &Arc<Script>, dice: &mut Dice) -> Answer {
    if dice.below(10) == 0 {
        // One that does not fit.
        return Answer::Text(Some("x".to_owned()));
    }
    match ask {
        Ask::Now => Answer::Now(mail::Timestamp::utc(1_800_000_000)),
        Ask::Script { .. } => Answer::Script((dice.below(3) > 0).then(|| Arc::clone(script))),
        Ask::Listed { values, .. } => Answer::Text(values.first().cloned()),
        Ask::Metadata { .. } => Answer::Text(Some("x".repeat(dice.below(50)))),
        _ => Answer::Flag(dice.below(2) == 0),
    }
}

/// What inputs are made of is right, or mutating it shows little.
#[test]
fn the_statements_are_scripts() {
    for statement in seeds::STATEMENTS {
        let text = format!("{}{statement}", seeds::HEAD);
        let compiled = Script::compile("self", text.as_bytes(), &Limits::HOUSE);
        assert!(compiled.is_ok(), "{statement}: {compiled:?}");
    }
}

#[test]
fn a_number_makes_one_input() {
    assert_eq!(input(4711), input(4711));
    let different: std::collections::BTreeSet<_> = (0..1000).map(input).collect();
    assert!(different.len() > 950, "{} of 1000 differ", different.len());
}
