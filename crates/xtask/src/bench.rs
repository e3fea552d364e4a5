//! Side by side: Caramel and Debian's Postfix with Dovecot in one run, taking turns; medians.
//! Reading messages is measured in the room `message` itself, beside other libraries, and commits
//! in `store`, beside the disk.
//!
//! Rates depend on the machine and the hour. The ratios are what counts.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

mod backup;
mod fairness;
mod fetch;
mod host;
mod idle;
mod imap;
mod letter;
mod link;
mod lists;
mod load;
mod mailbox;
mod mix;
mod order;
mod peer;
mod pop3;
mod raw;
mod relay;
mod search;
mod sieve;
mod smtp;
mod syncs;
mod table;
mod target;

use table::Table;

/// Runs one bench: `smtp`, `relay`, `fairness` (our server alone), `fetch` (beside fetchmail and
/// getmail), `imap`, `idle`, `mailbox` (the part of `imap` with large mailboxes, beside the peer or
/// alone), `lists`, `search`, `sieve`, `backup`, `message` or `store`.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<()> {
    if let [room @ ("message" | "store"), rows @ ..] = words {
        let bench = if *room == "store" {
            "commits"
        } else {
            "reading"
        };
        let bench = ["bench", "--package", room, "--bench", bench, "--"];
        return crate::tools::cargo(root, &[&bench, rows].concat(), &[]);
    }
    let rounds = std::env::var("CARAMEL_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let rounds: usize = rounds.unwrap_or(3);
    let folder = tempfile::tempdir().context("making a folder for the bench")?;
    let mut table = Table::default();
    match words {
        ["smtp"] => smtp::run(&build(root)?, folder.path(), rounds, &mut table)?,
        ["relay"] => relay::run(&build(root)?, folder.path(), rounds, &mut table)?,
        ["fairness"] => return fairness::run(&build(root)?, folder.path()),
        ["fetch"] => fetch::run(&build(root)?, folder.path(), rounds, &mut table)?,
        ["backup"] => backup::run(&build(root)?, folder.path(), rounds, &mut table)?,
        ["idle"] => idle::run(&build(root)?, folder.path(), &mut table)?,
        ["lists"] => lists::run(&build(root)?, folder.path(), rounds, &mut table)?,
        ["imap"] => {
            let binary = build(root)?;
            imap::run(&binary, folder.path(), rounds, &mut table)?;
            mailbox::run(&binary, folder.path(), rounds, None, &mut table)?;
        }
        ["mailbox"] => mailbox::run(&build(root)?, folder.path(), rounds, None, &mut table)?,
        ["mailbox", only @ ("caramel" | "peer")] => {
            mailbox::run(&build(root)?, folder.path(), rounds, Some(only), &mut table)?;
        }
        ["search"] => search::run(&build(root)?, folder.path(), rounds, &mut table)?,
        ["sieve"] => {
            for (room, bench) in [("sieve", "running"), ("post", "filtering")] {
                crate::tools::cargo(root, &["bench", "--package", room, "--bench", bench], &[])?;
            }
            sieve::run(&build(root)?, folder.path(), rounds, &mut table)?;
        }
        ["peer"] => {
            let peer = peer::Peer::start(&folder.path().join("peer"))?;
            smtp::rows(peer.target(), folder.path(), &mut table)?;
            imap::rows(peer.target(), &mut table)?;
        }
        _ => bail!(
            "benches: smtp, relay, fairness, fetch, imap, idle, mailbox [caramel|peer], lists, \
             search, sieve, backup, message, store; and peer"
        ),
    }
    println!("{table}");
    Ok(())
}

/// Builds the program as it is released, and says where it is. `CARAMEL_BINARY` names one that is
/// there, to compare two.
fn build(root: &Path) -> Result<PathBuf> {
    if let Some(binary) = std::env::var_os("CARAMEL_BINARY") {
        return Ok(binary.into());
    }
    // Of the whole workspace: for a package alone the libraries have other features, and are built
    // anew.
    let words = ["build", "--release", "--workspace", "--bin", "caramel"];
    crate::tools::cargo(root, &words, &[])?;
    let built =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    Ok(built.join("release/caramel"))
}
