//! Electronic mail as one binary: configuration, commands, the demonstration.
//!
//! Not here: mail's rules (`post`), answers to protocols (`server`).
//!
//! Exit codes: 0 done, 1 it failed, 2 it was asked wrongly (arguments, configuration),
//! 3 a disk is suspicious (`store verify-disk`); those of `sysexits` where mail is handed in or
//! delivered.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use crate::names::Called;
use crate::place::Place;
use crate::sendmail::Words;

mod audit;
mod backup;
mod certificate;
mod cli;
mod complaint;
mod compose;
mod config;
mod crlf;
mod deliver;
mod demo;
mod desk;
mod dialogue;
mod directory;
mod dkim;
mod dmarc;
mod domains;
mod fetch;
mod files;
mod input;
mod inspect;
mod junk;
mod line;
mod link;
mod logging;
mod names;
mod papers;
mod parse;
mod password;
mod place;
mod programs;
mod progress;
mod queue;
mod reclaim;
mod send;
mod sendmail;
mod serve;
mod sieve;
mod stats;
mod sysexits;
mod tls;
mod told;
mod transfer;
mod undo;
mod upgrade;
mod verdicts;
mod verify;
mod why;
mod zone;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next();
    let name = called.as_ref().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == fetch::fetchmail::NAME) {
        return fetch::fetchmail::run(words);
    }
    let done = match Called::of(called) {
        Some(called) => called.run(&Words::of(words.collect()), Place::default()),
        None => cli::Cli::parse().run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::from(complaint.code)
        }
    }
}
