//! Electronic mail as one binary: configuration, commands, the demonstration.
//!
//! Not here: mail's rules (`post`), answers to protocols (`server`).
//!
//! Exit codes: 0 done, 1 it failed, 2 it was asked wrongly (arguments, configuration),
//! 3 a disk is suspicious (`store verify-disk`).

use std::process::ExitCode;

use clap::Parser as _;

mod audit;
mod backup;
mod certificate;
mod cli;
mod complaint;
mod compose;
mod config;
mod crlf;
mod demo;
mod desk;
mod dialogue;
mod directory;
mod dkim;
mod files;
mod input;
mod inspect;
mod line;
mod logging;
mod papers;
mod parse;
mod password;
mod progress;
mod queue;
mod reclaim;
mod serve;
mod sieve;
mod stats;
mod transfer;
mod undo;
mod upgrade;
mod verdicts;
mod verify;
mod zone;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::from(complaint.code)
        }
    }
}
