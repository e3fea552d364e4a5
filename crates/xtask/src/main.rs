//! The developers' commands: `cargo xtask check | spec | diagrams | test | bench | fuzz | sim`.
//!
//! Not here: anything the product needs at run time.
#![expect(
    clippy::print_stdout,
    reason = "a command line tool speaks on standard output"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

mod arrows;
mod bench;
mod check;
mod fuzz;
mod links;
mod sim;
mod source;
mod spec;
mod test;
mod tools;

const USAGE: &str = "\
cargo xtask check              formatting aside, every rule a program can keep
cargo xtask spec               what of which RFC is there, and that each claim has its test
cargo xtask diagrams           draws docs/diagrams anew from the code
cargo xtask test               all that CI runs; installs missing programs where it may
cargo xtask bench smtp|imap    beside Debian's Postfix and Dovecot, which it does not install
cargo xtask bench relay        letters that pass through, beside Postfix
cargo xtask bench fairness     a thousand destinations, many of them dead, slow or busy
cargo xtask bench mailbox      the part of it with large mailboxes: CARAMEL_MESSAGES of them,
                               CARAMEL_ROUNDS times
cargo xtask bench idle         ten thousand connections that wait: what each takes, how soon all
                               are told
cargo xtask bench lists        SORT and THREAD of long lists, beside the same
cargo xtask bench search       searching text, what the index spares and costs, beside Dovecot
cargo xtask bench sieve        fifty filter rules: alone, and at delivery beside Dovecot
cargo xtask bench message      reading messages beside mail-parser and mailparse
cargo xtask bench store        durable commits a second beside what the disk could do
cargo xtask fuzz message       mutated messages, in release: [--inputs N] [--seed S]
cargo xtask fuzz sieve         mutated scripts and messages, likewise
cargo xtask sim                seeded worlds: [--seeds N] [--from S] [--seed S]; with --paths each
                               operation of each path fails once; with --planted [--seeds N]
                               [NAME…] defects are planted in a copy, and looked for in N worlds";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    let root = root()?;
    match words {
        ["check"] => check::run(&root),
        ["spec"] => spec::print(&root),
        ["diagrams"] => tools::cargo(
            &root,
            &[
                "test",
                "-p",
                "smtp",
                "-p",
                "imap",
                "-p",
                "pop3",
                "-p",
                "managesieve",
                "-p",
                "post",
                "--",
                "drawing",
            ],
            &[("UPDATE", "1")],
        ),
        ["test"] => test::run(&root),
        ["bench", words @ ..] => bench::run(&root, words),
        ["sim", words @ ..] => sim::run(&root, words),
        ["fuzz", room @ ("message" | "sieve"), words @ ..] => fuzz::run(&root, room, words),
        _ => bail!("usage:\n{USAGE}"),
    }
}

/// The folder of the workspace.
fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here
        .ancestors()
        .nth(2)
        .context("the workspace is two folders up")?;
    Ok(root.to_owned())
}
