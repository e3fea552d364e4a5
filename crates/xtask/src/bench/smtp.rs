//! Deliveries by SMTP: rate, latency, CPU, octets and syncs per message.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use interop::process::device_written_octets;

use super::load::{self, Load};
use super::table::{Table, median};
use super::target::Target;
use super::{peer, raw, syncs, target};

/// Messages of the main row.
const MESSAGES: usize = 4000;

/// Runs every row for both servers, by turns.
pub(crate) fn run(binary: &Path, folder: &Path, rounds: usize, table: &mut Table) -> Result<()> {
    for round in 0..rounds {
        println!("round {}", round + 1);
        let place = folder.join(format!("caramel-{round}"));
        std::fs::create_dir_all(&place)?;
        let begun = Instant::now();
        let counted = syncs::counted(binary, &place)?;
        let (mut server, ours) = target::caramel(&counted, &place)?;
        server.stop();
        let again = Instant::now();
        server.run()?;
        table.note(
            "start to ready, ms",
            "caramel",
            again.elapsed().as_secs_f64() * 1000.0,
        );
        println!(
            "   (first start with accounts: {:.0} ms)",
            begun.elapsed().as_secs_f64() * 1000.0
        );
        let ours = Target {
            smtp: server.address("smtp", interop::Tls::Starttls),
            imap: server.address("imap", interop::Tls::Starttls),
            imaps: server.address("imap", interop::Tls::Implicit),
            roots: vec![server.pid()],
            ..ours
        };
        rows(&ours, &place, table)?;
        drop(server);
        let place = folder.join(format!("peer-{round}"));
        let begun = Instant::now();
        let peer = peer::Peer::start(&place)?;
        table.note(
            "start to ready, ms",
            "peer",
            begun.elapsed().as_secs_f64() * 1000.0,
        );
        rows(peer.target(), &place, table)?;
        drop(peer);
        for group in [1, 20] {
            let rate = raw::appends(folder, 2048, group, if group == 1 { 1000 } else { 10_000 })?;
            table.note(
                &format!("raw limit: 2 KiB appended, {group} to a sync, /s"),
                "raw",
                rate,
            );
        }
    }
    Ok(())
}

pub(super) fn rows(target: &Target, folder: &Path, table: &mut Table) -> Result<()> {
    let one = |connections, messages, octets| Load {
        connections,
        messages,
        octets,
        recipients: vec![target.address("ada")],
    };
    let name = target.name;
    // The first messages open mailboxes and fill caches on either side.
    load::run(target.smtp, &one(4, 100, 1024))?;
    target.wait_for("ada", 100)?;

    let before = target.cost();
    let written = device_written_octets(folder);
    let syncs = syncs::so_far(folder);
    let begun = Instant::now();
    let took = load::run(target.smtp, &one(20, MESSAGES, 1024))?;
    target.wait_for("ada", 100 + MESSAGES)?;
    let delivered = begun.elapsed().as_secs_f64();
    let cost = target.cost().since(before);
    let syncs = syncs::so_far(folder) - syncs;
    let written = device_written_octets(folder) - written;
    let messages = count(MESSAGES);
    table.note("accept/s, 20 connections", name, messages / took.seconds);
    table.note("deliver/s, 20 connections", name, messages / delivered);
    table.note(
        "accept+deliver 1 KiB, CPU ms per message",
        name,
        cost.cpu_seconds * 1000.0 / messages,
    );
    table.note(
        "written per 1 KiB message, octets",
        name,
        octets(written) / messages,
    );

    let took = load::run(target.smtp, &one(1, 300, 1024))?;
    table.note(
        "1 connection, p50 ms",
        name,
        median(&took.latencies).unwrap_or_default(),
    );

    many_and_large(target, folder, &one(20, 500, 1024), table)?;

    // What a library counted during the main row, or what strace counts now.
    let each = if syncs > 0.0 {
        syncs / messages
    } else {
        let counted = syncs::count(folder, &target.roots, || {
            load::run(target.smtp, &one(20, 1000, 1024))?;
            target.wait_for("ada", 100 + MESSAGES + 300 + 500 + 1000)
        })?;
        counted / 1000.0
    };
    table.note("syncs per message, 20 connections", name, each);
    table.note(
        "private memory after it all, MiB",
        name,
        octets(target.cost().private_octets) / 1_048_576.0,
    );
    Ok(())
}

/// Ten recipients for one letter, and letters of 100 KiB.
fn many_and_large(target: &Target, folder: &Path, load: &Load, table: &mut Table) -> Result<()> {
    let name = target.name;
    let recipients = (0..10)
        .map(|user| target.address(&format!("u{user}")))
        .collect();
    let before = target.cost();
    load::run(
        target.smtp,
        &Load {
            recipients,
            ..load.clone()
        },
    )?;
    target.wait_for("u9", 500)?;
    let cost = target.cost().since(before);
    table.note(
        "10 recipients, CPU ms per delivery",
        name,
        cost.cpu_seconds * 1000.0 / 5000.0,
    );

    let written = device_written_octets(folder);
    load::run(
        target.smtp,
        &Load {
            octets: 100 * 1024,
            ..load.clone()
        },
    )?;
    target.wait_for("ada", 100 + MESSAGES + 300 + 500)?;
    let written = device_written_octets(folder) - written;
    let ratio = octets(written) / (500.0 * 102_400.0);
    table.note("written per 100 KiB message, × its size", name, ratio);
    Ok(())
}

fn count(messages: usize) -> f64 {
    f64::from(u32::try_from(messages).unwrap_or(u32::MAX))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "figures for people, not sums of money"
)]
fn octets(octets: u64) -> f64 {
    octets as f64
}
