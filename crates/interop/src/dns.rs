//! A name server whose whole zone is a table, for tests: UDP and TCP on one port of this machine.
//!
//! Written by hand from RFC 1035, so that no library answers its own questions. Not here: zone
//! transfers, signatures, more than one question in a message. Of DNSSEC it has what a server says
//! that validates it (RFC 4035 §3.2.3): that an answer is proven.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Octets a message over UDP has at most (RFC 1035 §2.3.4); a longer one is cut.
const UDP_OCTETS_MAX: usize = 512;
/// Octets of a question that are read.
const QUESTION_OCTETS_MAX: usize = 4096;
/// How long a connection over TCP may be silent, seconds.
const SILENCE_SECONDS_MAX: u64 = 10;
/// For how long an answer is good, seconds.
const TIME_TO_LIVE: u32 = 300;
/// Names of names that are followed.
const ALIASES_MAX: usize = 8;

const CLASS_IN: u16 = 1;
const CNAME: u16 = 5;
const SOA: u16 = 6;

/// A name server; it ends when it is dropped.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    zone: Mutex<HashMap<String, Vec<Entry>>>,
    asked: Mutex<Vec<String>>,
    ended: AtomicBool,
}

#[derive(Clone, Debug)]
enum Entry {
    /// A type with its data.
    Record(u16, Vec<u8>),
    /// Another name for it.
    Alias(String),
    /// The server says that it failed.
    Failure,
    /// The server says nothing.
    Silence,
    /// What there is at this name is proven.
    Proof,
}

impl NameServer {
    /// Starts a server with a zone: a line `NAME TYPE VALUE` for each record, types A, AAAA, MX,
    /// PTR, TXT, TLSA and CNAME, a text in quotes, in several pieces if it is long. `NAME FAIL`
    /// answers with a failure, `NAME SILENT` not at all. `NAME PROVEN` says that DNSSEC proves what
    /// is at the name, to those who ask for that.
    ///
    /// # Errors
    /// Where there is no port, or a line is none.
    pub fn start(zone: &str) -> io::Result<Self> {
        let (udp, tcp) = sockets()?;
        let address = udp.local_addr()?;
        let shared = Arc::new(Shared {
            zone: Mutex::new(read(zone)?),
            asked: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let of_udp = Arc::clone(&shared);
        thread::spawn(move || serve_udp(&udp, &of_udp));
        let of_tcp = Arc::clone(&shared);
        thread::spawn(move || serve_tcp(&tcp, &of_tcp));
        Ok(Self { address, shared })
    }

    /// Where it is asked.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked so far, in order: `example.org TXT`, behind it `over TCP` if it was so.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        let asked = self.shared.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another zone in the place of the one that it has.
    ///
    /// # Errors
    /// Where a line is none.
    pub fn publish(&self, zone: &str) -> io::Result<()> {
        let zone = read(zone)?;
        let kept = self.shared.zone.lock();
        *kept.unwrap_or_else(PoisonError::into_inner) = zone;
        Ok(())
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Woken, they see that it is over.
        drop(TcpStream::connect(self.address));
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
            drop(socket.send_to(&[0], self.address));
        }
    }
}

/// Two sockets on one port.
fn sockets() -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..100 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        match UdpSocket::bind(tcp.local_addr()?) {
            Ok(udp) => return Ok((udp, tcp)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn serve_udp(socket: &UdpSocket, shared: &Shared) {
    let mut octets = vec![0; QUESTION_OCTETS_MAX];
    while let Ok((len, peer)) = socket.recv_from(&mut octets) {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        let question = octets.get(..len).unwrap_or_default();
        if let Some(answer) = answer(question, shared, false) {
            drop(socket.send_to(&answer, peer));
        }
    }
}

fn serve_tcp(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || drop(converse(stream, &shared)));
    }
}

// RFC 1035 §4.2.2
fn converse(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(SILENCE_SECONDS_MAX)))?;
    loop {
        let mut len = [0; 2];
        stream.read_exact(&mut len)?;
        let mut question = vec![0; u16::from_be_bytes(len).into()];
        stream.read_exact(&mut question)?;
        if let Some(answer) = answer(&question, shared, true) {
            let len = u16::try_from(answer.len()).unwrap_or(u16::MAX);
            stream.write_all(&[&len.to_be_bytes()[..], &answer].concat())?;
        }
    }
}

// RFC 1035 §4.1
/// The answer to a question; `None` for none.
fn answer(question: &[u8], shared: &Shared, over_tcp: bool) -> Option<Vec<u8>> {
    let id = question.get(..2)?;
    let (name, behind) = name(question, 12)?;
    let kind = u16::from_be_bytes([*question.get(behind)?, *question.get(behind + 1)?]);
    let asked = question.get(12..behind + 4)?;
    let how = if over_tcp { " over TCP" } else { "" };
    let said = format!("{name} {}{how}", kind_name(kind));
    let mut log = shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
    log.push(said);
    drop(log);

    let zone = shared.zone.lock().unwrap_or_else(PoisonError::into_inner);
    let (code, records, is_proven) = find(&zone, &name, kind)?;
    let mut flags: u16 = 0x8580 | code;
    // RFC 6840 §5.7
    if is_proven && question.get(3)? & 0x20 != 0 {
        flags |= 0x20;
    }
    let mut body = Vec::new();
    for (owner, kind, data) in &records {
        body.extend(record(owner, *kind, data));
    }
    let mut counts = (records.len(), usize::from(records.is_empty()));
    if counts.1 == 1 {
        // RFC 2308 §3: how long nothing is nothing.
        let numbers = [0, 0, 0, 0, TIME_TO_LIVE].map(u32::to_be_bytes);
        let names = [labels("ns.invalid"), labels("root.invalid")];
        let soa = [names.concat(), numbers.concat()].concat();
        body.extend(record("", SOA, &soa));
    }
    if !over_tcp && 12 + asked.len() + body.len() > UDP_OCTETS_MAX {
        flags |= 0x0200;
        (counts, body) = ((0, 0), Vec::new());
    }
    let mut message = id.to_vec();
    message.extend(flags.to_be_bytes());
    let (answers, authorities) = counts;
    for count in [1, answers, authorities, 0] {
        message.extend(u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
    }
    message.extend_from_slice(asked);
    message.extend(body);
    Some(message)
}

type Records = Vec<(String, u16, Vec<u8>)>;

/// The code and the records that the zone has, and whether they are proven; `None` where it is
/// silent.
fn find(zone: &HashMap<String, Vec<Entry>>, name: &str, kind: u16) -> Option<(u16, Records, bool)> {
    let (mut owner, mut records, mut is_proven) = (name.to_owned(), Vec::new(), true);
    for _ in 0..ALIASES_MAX {
        let Some(entries) = zone.get(&owner) else {
            // RFC 1035 §4.1.1: 3 is a name error, 2 a failure.
            return Some((3, records, false));
        };
        is_proven &= entries.iter().any(|entry| matches!(entry, Entry::Proof));
        let mut next = None;
        for entry in entries {
            match entry {
                Entry::Silence => return None,
                Entry::Failure => return Some((2, Vec::new(), false)),
                Entry::Alias(target) if kind != CNAME => {
                    records.push((owner.clone(), CNAME, labels(target)));
                    next = Some(target.clone());
                }
                Entry::Record(known, data) if *known == kind => {
                    records.push((owner.clone(), kind, data.clone()));
                }
                Entry::Record(..) | Entry::Alias(_) | Entry::Proof => {}
            }
        }
        match next {
            Some(target) => owner = target,
            None => return Some((0, records, is_proven)),
        }
    }
    Some((2, Vec::new(), false))
}

fn record(owner: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    let mut octets = labels(owner);
    octets.extend(kind.to_be_bytes());
    octets.extend(CLASS_IN.to_be_bytes());
    octets.extend(TIME_TO_LIVE.to_be_bytes());
    let len = u16::try_from(data.len()).unwrap_or(u16::MAX);
    octets.extend(len.to_be_bytes());
    octets.extend_from_slice(data);
    octets
}

/// The name at a position in lower case, and where it ends.
fn name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let len = usize::from(*message.get(at)?);
        at += 1;
        if len == 0 {
            return Some((labels.join(".").to_ascii_lowercase(), at));
        }
        // A question has no pointers.
        let label = message.get(at..at + len).filter(|_| len < 64)?;
        labels.push(String::from_utf8_lossy(label).into_owned());
        at += len;
    }
}

fn labels(name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        octets.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        octets.extend_from_slice(label.as_bytes());
    }
    octets.push(0);
    octets
}

fn kind_name(kind: u16) -> String {
    let known = KINDS.iter().find(|(_, number)| *number == kind);
    known.map_or_else(|| format!("TYPE{kind}"), |(name, _)| (*name).to_owned())
}

const KINDS: [(&str, u16); 7] = [
    ("A", 1),
    ("CNAME", CNAME),
    ("PTR", 12),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("TLSA", 52),
];

fn read(zone: &str) -> io::Result<HashMap<String, Vec<Entry>>> {
    let mut entries: HashMap<String, Vec<Entry>> = HashMap::new();
    for line in zone.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.splitn(3, ' ').map(str::trim).collect();
        let entry = words.split_first().and_then(|(_, rest)| entry(rest));
        let (Some(name), Some(entry)) = (words.first(), entry) else {
            let what = format!("no record: {line}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        entries.entry(name).or_default().push(entry);
    }
    Ok(entries)
}

fn entry(words: &[&str]) -> Option<Entry> {
    let bare = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let (kind, value) = match words {
        ["FAIL"] => return Some(Entry::Failure),
        ["SILENT"] => return Some(Entry::Silence),
        ["PROVEN"] => return Some(Entry::Proof),
        ["CNAME", name] => return Some(Entry::Alias(bare(name))),
        [kind, value] => (*kind, *value),
        _ => return None,
    };
    let (_, number) = KINDS.iter().find(|(name, _)| *name == kind)?;
    let data = match kind {
        "A" => value.parse::<Ipv4Addr>().ok()?.octets().to_vec(),
        "AAAA" => value.parse::<Ipv6Addr>().ok()?.octets().to_vec(),
        "PTR" => labels(&bare(value)),
        "MX" => {
            let (preference, exchange) = value.split_once(' ')?;
            let preference: u16 = preference.parse().ok()?;
            [&preference.to_be_bytes()[..], &labels(&bare(exchange))].concat()
        }
        "TXT" => strings(value),
        _ => {
            let mut numbers = value.split_whitespace();
            let mut data = Vec::new();
            for number in numbers.by_ref().take(3) {
                data.push(number.parse().ok()?);
            }
            data.extend(hexadecimal(numbers.next()?)?);
            data
        }
    };
    Some(Entry::Record(*number, data))
}

// RFC 1035 §3.3.14
/// The strings of a text: what is in quotes, in pieces that fit.
fn strings(value: &str) -> Vec<u8> {
    let mut data = Vec::new();
    for piece in value.split('"').skip(1).step_by(2) {
        for string in piece.as_bytes().chunks(255) {
            data.push(u8::try_from(string.len()).unwrap_or(u8::MAX));
            data.extend_from_slice(string);
        }
    }
    data
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(octet).collect()
}
