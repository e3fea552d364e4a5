//! The load: many connections that each send one message after the other.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use interop::Talk;

/// What to send.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// At the same time.
    pub(crate) connections: usize,
    /// In all.
    pub(crate) messages: usize,
    /// Octets of each body.
    pub(crate) octets: usize,
    /// Recipients of each.
    pub(crate) recipients: Vec<String>,
}

/// What it took.
#[derive(Debug)]
pub(crate) struct Took {
    /// From the first connection to the last reply, seconds.
    pub(crate) seconds: f64,
    /// From MAIL to the reply to the final dot, milliseconds, each.
    pub(crate) latencies: Vec<f64>,
}

/// Sends it all and waits for the last reply.
pub(crate) fn run(address: SocketAddr, load: &Load) -> Result<Took> {
    let body = message(load.octets);
    let begun = Instant::now();
    let results: Vec<Result<Vec<f64>>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..load.connections)
            .map(|worker| {
                let share = load.messages / load.connections
                    + usize::from(worker < load.messages % load.connections);
                let body = &body;
                scope.spawn(move || send(address, load, share, body))
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| bail!("a sender panicked")))
            .collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let mut latencies = Vec::with_capacity(load.messages);
    for result in results {
        latencies.extend(result?);
    }
    Ok(Took { seconds, latencies })
}

fn send(address: SocketAddr, load: &Load, share: usize, body: &str) -> Result<Vec<f64>> {
    let (mut talk, _) = Talk::open(address).context("connecting")?;
    talk.smtp("EHLO bench.localhost")?;
    let recipients: Vec<&str> = load.recipients.iter().map(String::as_str).collect();
    let mut latencies = Vec::with_capacity(share);
    for _ in 0..share {
        let begun = Instant::now();
        let reply = talk.deliver("sender@elsewhere.example", &recipients, body)?;
        if !reply.starts_with("250") {
            bail!("the message was answered {reply}");
        }
        latencies.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    talk.smtp("QUIT")?;
    Ok(latencies)
}

/// A message of about so many octets in all.
fn message(octets: usize) -> String {
    let head = "From: Sender <sender@elsewhere.example>\r\nTo: Ada <ada@bench.localhost>\r\n\
                Subject: A letter for the bench\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\
                Message-ID: <bench@elsewhere.example>\r\n\r\n";
    let line = "The quick brown fox jumps over the lazy dog, and then the dog sleeps on.\r\n";
    let lines = octets.saturating_sub(head.len()) / line.len();
    let mut text = head.to_owned();
    text.push_str(&line.repeat(lines));
    text.push_str("The end.");
    text
}
