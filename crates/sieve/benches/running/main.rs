//! Fifty rules, none of which is true, run for one letter after the other: messages a second, and
//! microseconds of the processor for each. What taking the letter apart takes is said beside it: a
//! delivery has done it anyway.
//!
//! `cargo xtask bench sieve` runs it, and delivers beside Dovecot.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench")]

mod letter;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use letter::letter;
use message::Outline;
use sieve::{Answer, Circumstances, Envelope, Letter, Limits, Run, Script, Step};

const RULES: &[u8] = include_bytes!("../rules.sieve");
const LETTERS: usize = 20_000;
const ROUNDS: usize = 5;
/// Letters before each of which the caches are emptied, and the octets that do it.
const COLD_LETTERS: usize = 500;
const OTHERS_OCTETS: usize = 4 << 20;

fn main() {
    let script = Script::compile("rules", RULES, &Limits::HOUSE);
    let script = Arc::new(script.expect("the rules are right"));
    let letters: Vec<Bytes> = (0..97).map(|number| letter(number).into()).collect();
    let outlines: Vec<Arc<Outline>> = letters
        .iter()
        .map(|letter| Arc::new(Outline::parse(letter)))
        .collect();
    let all = || letters.iter().zip(&outlines).cycle().take(LETTERS);
    let mut running = Vec::new();
    let mut beside = Vec::new();
    let mut reading = Vec::new();
    let mut compiling = Vec::new();
    for _ in 0..ROUNDS {
        running.push(seconds(|| {
            for (octets, outline) in all() {
                run(&script, octets, outline);
            }
        }));
        // As between two deliveries: others have had the processor's caches meanwhile.
        let mut others = vec![0_u8; OTHERS_OCTETS];
        let cold = all().take(COLD_LETTERS).map(|(octets, outline)| {
            others
                .iter_mut()
                .for_each(|octet| *octet = octet.wrapping_add(1));
            seconds(|| run(&script, octets, outline))
        });
        beside.push(cold.sum());
        reading.push(seconds(|| {
            for (octets, _) in all() {
                assert!(!Outline::parse(octets).encode().is_empty());
            }
        }));
        compiling.push(seconds(|| {
            for _ in 0..200 {
                Script::compile("rules", RULES, &Limits::HOUSE).expect("the rules are right");
            }
        }));
    }
    let each = |all: &mut Vec<f64>, count: f64| {
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default() * 1e6 / count
    };
    let count = 20_000.0;
    let run = each(&mut running, count);
    println!(
        "50 rules, none true: {run:.2} µs a message, {:.0} messages a second",
        1e6 / run
    );
    println!(
        "the same, nothing of it in the caches: {:.2} µs",
        each(&mut beside, 500.0)
    );
    println!(
        "reading the letter's outline: {:.2} µs",
        each(&mut reading, count)
    );
    println!(
        "compiling the script: {:.0} µs",
        each(&mut compiling, 200.0)
    );
}

fn seconds(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64()
}

fn run(script: &Arc<Script>, octets: &Bytes, outline: &Arc<Outline>) {
    let len = u64::try_from(octets.len()).unwrap_or_default();
    let letter = Letter::beginning(octets.clone(), Arc::clone(outline), len);
    let mut circumstances = Circumstances::new(letter);
    circumstances.envelope = Some(Arc::new(envelope()));
    let mut run = Run::new(Arc::clone(script), circumstances, Limits::HOUSE);
    loop {
        match run.step() {
            Step::Ask(_) => run.answer(Answer::Flag(true)),
            Step::Done(outcome) => {
                assert!(outcome.fault.is_none() && outcome.actions.len() == 1);
                return;
            }
        }
    }
}

fn envelope() -> Envelope {
    let path = mail::ReversePath::parse("<sender@elsewhere.example>");
    Envelope {
        reverse_path: path.expect("an address"),
        recipient: mail::Recipient {
            forward_path: mail::ForwardPath::Postmaster,
            notify: None,
            orcpt: None,
        },
        ret: None,
        envid: None,
        auth: None,
        by: None,
    }
}
