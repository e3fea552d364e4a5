//! Letters that pass through: accepted, queued, handed on to a host that takes everything.
//!
//! Both send everything through one host, by names that nobody looks up. The sink is in this
//! process, so what it takes is not counted.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use interop::Server;
use interop::process::device_written_octets;

use super::host::{Host, serve};
use super::load::{self, Load};
use super::peer::{Peer, SINK_PORT};
use super::table::Table;
use super::target::{self, Target};

/// Messages of the row.
const MESSAGES: usize = 4000;
/// Messages before it, which open connections and files on either side.
const BEFORE: usize = 200;
/// So long the last letters may take, however bad it goes.
const PATIENCE: Duration = Duration::from_secs(300);

/// A host that takes every letter and forgets it.
struct Sink {
    taken: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

/// Runs the row for both servers, by turns.
pub(crate) fn run(binary: &Path, folder: &Path, rounds: usize, table: &mut Table) -> Result<()> {
    let sink = Sink::open()?;
    for round in 0..rounds {
        println!("round {}", round + 1);
        let place = folder.join(format!("caramel-{round}"));
        std::fs::create_dir_all(&place)?;
        let more = format!(
            "[relay]\nhost = \"127.0.0.1:{SINK_PORT}\"\ntls = \"none\"\n\
             trusted = [\"127.0.0.0/8\"]\n"
        );
        let server = Server::start_at(binary, &place, &more)?;
        row(&target::again(&server), &sink, &place, table)?;
        drop(server);
        let place = folder.join(format!("peer-{round}"));
        let peer = Peer::start(&place)?;
        row(peer.target(), &sink, &place, table)?;
    }
    Ok(())
}

fn row(target: &Target, sink: &Sink, folder: &Path, table: &mut Table) -> Result<()> {
    let load = |messages| Load {
        connections: 20,
        messages,
        octets: 1024,
        recipients: vec!["somebody@elsewhere.example".into()],
    };
    let mut taken = sink.taken();
    load::run(target.smtp, &load(BEFORE))?;
    taken += BEFORE;
    sink.wait_for(taken)?;
    let (before, written) = (target.cpu_seconds(), device_written_octets(folder));
    let connections = sink.connections.load(Ordering::Relaxed);
    let begun = Instant::now();
    let took = load::run(target.smtp, &load(MESSAGES))?;
    taken += MESSAGES;
    sink.wait_for(taken)?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = target.cpu_seconds() - before;
    let written = device_written_octets(folder) - written;
    let connections = sink.connections.load(Ordering::Relaxed) - connections;
    let real = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let messages = real(MESSAGES);
    let mut note = |what: &str, figure: f64| table.note(what, target.name, figure);
    note("relay: CPU ms per message", cpu * 1000.0 / messages);
    note("relay: handed on, /s", messages / seconds);
    note("relay: accepted meanwhile, /s", messages / took.seconds);
    let written = u32::try_from(written).map_or(f64::MAX, f64::from);
    note(
        "relay: written per 1 KiB message, octets",
        written / messages,
    );
    note("relay: connections to the next host", real(connections));
    Ok(())
}

impl Sink {
    fn open() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", SINK_PORT)).context("opening the sink")?;
        let sink = Self {
            taken: Arc::default(),
            connections: Arc::default(),
        };
        let (taken, connections) = (Arc::clone(&sink.taken), Arc::clone(&sink.connections));
        // It ends with the bench.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::Relaxed);
                let taken = Arc::clone(&taken);
                // Whoever breaks off is told apart by the letters that are missing.
                std::thread::spawn(move || drop(serve(&stream, Taking(taken))));
            }
        });
        Ok(sink)
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    fn wait_for(&self, messages: usize) -> Result<()> {
        let begun = Instant::now();
        while self.taken() < messages {
            if begun.elapsed() > PATIENCE {
                let missing = messages - self.taken();
                bail!("{missing} messages were never handed on");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// Yes to everything.
struct Taking(Arc<AtomicUsize>);

impl Host for Taking {
    fn answer(&mut self, line: &[u8]) -> &'static [u8] {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_slice() {
            b"EHLO" => {
                b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
                  250-ENHANCEDSTATUSCODES\r\n250 SIZE 52428800\r\n"
            }
            b"DATA" => b"354 Go on\r\n",
            b"QUIT" => b"221 2.0.0 Bye\r\n",
            _ => b"250 2.0.0 OK\r\n",
        }
    }

    fn take(&mut self) -> &'static [u8] {
        self.0.fetch_add(1, Ordering::Relaxed);
        b"250 2.0.0 Taken\r\n"
    }
}
