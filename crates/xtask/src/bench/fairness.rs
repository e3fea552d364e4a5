//! Letters for a thousand destinations of which many are dead, hang, are slow or put off whoever
//! is new: how soon the good ones have theirs, whether the others follow their schedule, and what
//! memory it takes.
//!
//! Our server alone: a table of its own, in seconds since the first letter was handed in.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use interop::{NameServer, Server, Talk, Tls};

use super::host::{Host, serve};

/// Letters in all, unless `CARAMEL_LETTERS` says otherwise.
const LETTERS: usize = 100_000;
/// Connections that hand them in.
const CONNECTIONS: usize = 20;
/// How long a slow host takes for each letter.
const SLOWNESS: Duration = Duration::from_secs(1);
/// How long a host that puts off whoever is new does so.
const GREY: Duration = Duration::from_secs(5);
/// So long it may take in all.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Stack of a thread that serves a connection, octets.
const STACK_OCTETS: usize = 128 * 1024;

/// The kinds of destinations: how many of a thousand, and the address of their host.
const KINDS: [(&str, usize, &str); 5] = [
    ("good", 550, "127.0.0.2"),
    ("slow", 100, "127.0.0.3"),
    ("grey", 50, "127.0.0.4"),
    ("hung", 100, "127.0.0.5"),
    ("dead", 200, "127.0.0.6"),
];

/// Who writes all letters, and gets those that come back.
const SENDER: &str = "sender@back.example";

/// What the hosts took: when, by the kind of destination.
#[derive(Debug, Default)]
struct Taken {
    at: BTreeMap<&'static str, Vec<Duration>>,
    /// When a letter was first offered to a host that puts off.
    offered: HashMap<String, Instant>,
}

type Book = Arc<Mutex<Taken>>;

/// Runs it and prints what it found.
pub(crate) fn run(binary: &Path, folder: &Path) -> Result<()> {
    let letters = std::env::var("CARAMEL_LETTERS").ok();
    let letters: usize = letters.map_or(Ok(LETTERS), |text| text.parse())?;
    let (book, begun) = (Book::default(), Instant::now());
    let port = hosts(&book, begun)?;
    let names = NameServer::start(&zone())?;
    let more = format!(
        "[dns]\nservers = [\"{}\"]\n[queue]\nretry = [\"5s\", \"10s\", \"20s\"]\nexpire = \"2m\"\n\
         [relay]\nport = {port}\ntrusted = [\"127.0.0.0/8\"]\n",
        names.address()
    );
    let server = Server::start_at(binary, folder, &more)?;
    let address = server.address("smtp", Tls::Starttls);
    let accepted = hand_in(address, letters)?;
    println!("{letters} letters were accepted in {accepted:.1} s");
    let expected = |share: usize| letters.saturating_mul(share) / 1000;
    let fails = expected(300);
    let goes = [("good", 550), ("slow", 100), ("grey", 50)];
    let mut wanted: BTreeMap<&str, usize> = goes
        .into_iter()
        .map(|(kind, share)| (kind, expected(share)))
        .collect();
    wanted.insert("back", fails);
    wait_for(&book, begun, &wanted)?;
    show(&book, &wanted);
    println!("peak memory: {} MiB", peak_memory(server.pid())? / 1024);
    let left = server.command(&["queue", "list", "--json"], "")?;
    println!("left in the queue: {}", left.lines().count());
    Ok(())
}

/// The kind of the destination with this number: they stand mixed.
fn kind(number: usize) -> &'static str {
    // 389 and 1000 have no common divisor, so each number comes once.
    let mut place = number * 389 % 1000;
    for (kind, share, _) in KINDS {
        if place < share {
            return kind;
        }
        place -= share;
    }
    "good"
}

fn destination(number: usize) -> String {
    format!("{}{number}.example", kind(number))
}

fn zone() -> String {
    let address = |of: &str| KINDS.iter().find(|(kind, ..)| *kind == of).map(|one| one.2);
    let of = |number| address(kind(number)).unwrap_or_default();
    let lines = (0..1000).map(|number| format!("{} A {}", destination(number), of(number)));
    let back = "back.example A 127.0.0.2".to_owned();
    lines.chain([back]).collect::<Vec<_>>().join("\n")
}

/// Hands letters in: one for each destination in turn.
fn hand_in(address: SocketAddr, letters: usize) -> Result<f64> {
    let begun = Instant::now();
    let body = format!(
        "From: <{SENDER}>\r\nTo: everybody\r\nSubject: A letter for the bench\r\n\r\n{}",
        "The quick brown fox jumps over the lazy dog.\r\n".repeat(20)
    );
    let body = &body;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS)
            .map(|worker| {
                scope.spawn(move || -> Result<()> {
                    let (mut talk, _) = Talk::open(address).context("connecting")?;
                    talk.smtp("EHLO bench.localhost")?;
                    for number in (worker..letters).step_by(CONNECTIONS) {
                        let to = format!("somebody{number}@{}", destination(number % 1000));
                        let reply = talk.deliver(SENDER, &[&to], body)?;
                        if !reply.starts_with("250") {
                            bail!("the message was answered {reply}");
                        }
                    }
                    talk.smtp("QUIT")?;
                    Ok(())
                })
            })
            .collect();
        for worker in workers {
            worker
                .join()
                .unwrap_or_else(|_| bail!("a sender panicked"))?;
        }
        Ok(begun.elapsed().as_secs_f64())
    })
}

fn wait_for(book: &Book, begun: Instant, wanted: &BTreeMap<&str, usize>) -> Result<()> {
    loop {
        let have = |kind: &str| locked(book).at.get(kind).map_or(0, Vec::len);
        let missing: Vec<String> = wanted
            .iter()
            .filter(|(kind, count)| have(kind) < **count)
            .map(|(kind, count)| format!("{kind} {} of {count}", have(kind)))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!("never came: {}", missing.join(", "));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn show(book: &Book, wanted: &BTreeMap<&str, usize>) {
    println!("| what | letters | wanted | half by, s | 99 % by, s | last by, s |");
    println!("|---|---|---|---|---|---|");
    for (kind, times) in &mut locked(book).at {
        times.sort_unstable();
        let by = |share: usize| {
            let index = times.len().saturating_sub(1) * share / 100;
            times.get(index).map_or(0.0, Duration::as_secs_f64)
        };
        let wanted = wanted.get(kind).copied().unwrap_or_default();
        let (half, most, last) = (by(50), by(99), by(100));
        println!(
            "| {kind} | {} | {wanted} | {half:.1} | {most:.1} | {last:.1} |",
            times.len()
        );
    }
}

fn locked(book: &Book) -> std::sync::MutexGuard<'_, Taken> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most memory the process had, KiB.
fn peak_memory(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    Ok(kib.context("VmHWM")?.trim().parse()?)
}

/// Opens the hosts, all at one port. They end with the bench.
fn hosts(book: &Book, begun: Instant) -> Result<u16> {
    let mut port = 0;
    for (kind, _, address) in KINDS.into_iter().filter(|(kind, ..)| *kind != "dead") {
        let ip: std::net::IpAddr = address.parse()?;
        let listener = TcpListener::bind((ip, port)).context("opening a host")?;
        port = listener.local_addr()?.port();
        let book = Arc::clone(book);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let book = Arc::clone(&book);
                let thread = std::thread::Builder::new().stack_size(STACK_OCTETS);
                // Whoever breaks off is told apart by the letters that are missing.
                let hosting = Hosting {
                    kind,
                    whose: kind,
                    to: String::new(),
                    book,
                    begun,
                };
                drop(thread.spawn(move || drop(serve(&stream, hosting))));
            }
        });
    }
    Ok(port)
}

/// A host of some kind.
struct Hosting {
    kind: &'static str,
    /// Whose letter this one is: of this kind, or one that comes back.
    whose: &'static str,
    to: String,
    book: Book,
    begun: Instant,
}

impl Hosting {
    /// True where its last recipient has to come again.
    fn defers(&self) -> bool {
        self.kind == "grey" && is_new(&self.book, &self.to)
    }
}

impl Host for Hosting {
    fn answer(&mut self, line: &[u8]) -> &'static [u8] {
        let text = String::from_utf8_lossy(line).to_ascii_uppercase();
        match text.get(..4).unwrap_or_default() {
            "EHLO" => b"250-host.example\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n",
            "MAIL" => {
                self.whose = match text.starts_with("MAIL FROM:<>") {
                    true => "back",
                    false => self.kind,
                };
                b"250 2.1.0 OK\r\n"
            }
            "RCPT" => {
                self.to = text;
                match self.defers() {
                    true => b"451 4.7.1 Come back later\r\n",
                    false => b"250 2.1.5 OK\r\n",
                }
            }
            "DATA" if self.defers() => b"503 5.5.1 Nobody is left\r\n",
            "DATA" => b"354 Go on\r\n",
            "QUIT" => b"221 2.0.0 Bye\r\n",
            _ => b"250 2.0.0 OK\r\n",
        }
    }

    fn take(&mut self) -> &'static [u8] {
        if self.kind == "slow" {
            std::thread::sleep(SLOWNESS);
        }
        let at = &mut locked(&self.book).at;
        let times = at.entry(self.whose).or_default();
        times.push(self.begun.elapsed());
        b"250 2.0.0 Taken\r\n"
    }

    fn hangs(&self) -> bool {
        self.kind == "hung"
    }
}

/// True as long as a recipient was not known for long enough.
fn is_new(book: &Book, to: &str) -> bool {
    let mut taken = locked(book);
    let first = taken
        .offered
        .entry(to.to_owned())
        .or_insert_with(Instant::now);
    first.elapsed() < GREY
}
