//! What an idle connection costs: opens many from another process, prints what this one grew by.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement for people"
)]

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use net::{
    Authority, ClientConfig, Clock, Encryption, Endpoint, Gate, House, Identity, Listener, Socket,
    Stopper, Stream, Terms, connect, drive, roots_from_pem, serve,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::{Line, LineBuffer, Session, Step};

/// Answers each line with itself.
#[derive(Default)]
struct Echo {
    input: LineBuffer,
    ended: bool,
}

impl Session for Echo {
    type Ask = ();
    type Answer = ();

    fn receive(&mut self, bytes: &[u8]) {
        self.ended = bytes.is_empty();
        self.input.extend(bytes);
    }

    fn answer(&mut self, (): ()) {}

    fn elapse(&mut self, _: mail::Instant) {}

    fn deadline(&self) -> Option<mail::Instant> {
        Some(mail::Instant(Duration::from_secs(3600)))
    }

    fn step(&mut self) -> Step<()> {
        match self.input.line(1000) {
            Line::Whole(line) => Step::Write(Bytes::from([&line, &b"\r\n"[..]].concat())),
            _ if self.ended => Step::Close,
            _ => Step::Read,
        }
    }
}

struct Nobody;

impl House<Echo> for Nobody {
    async fn ask(&mut self, (): ()) {}
}

struct Conversation {
    session: Echo,
    stream: Stream,
    terms: Arc<Terms>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["hold", count, address, roots] => runtime.block_on(hold(count, address, roots)),
        [count] => runtime.block_on(measure(count)),
        _ => println!("idle COUNT"),
    }
}

async fn measure(count: &str) {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path(), Clock::today()).unwrap();
    let certificate = authority.certify(&[], Clock::today()).unwrap();
    let identity = Identity::from_pem_files(&certificate.chain, &certificate.key).unwrap();
    let roots = authority.roots().display().to_string();
    for (name, roots) in [("plain", "-"), ("TLS", &roots)] {
        let encryption = match roots {
            "-" => Encryption::None,
            _ => Encryption::Server(identity.clone()),
        };
        let connections: u64 = count.parse().unwrap();
        // Once small, so that what is paid only once is paid before.
        grown("50", &encryption, roots).await;
        let octets = grown(count, &encryption, roots).await;
        println!(
            "{name}: {} octets for each of {connections}",
            octets / connections
        );
    }
}

/// Octets by which this process grows while `count` connections are open and idle.
async fn grown(count: &str, encryption: &Encryption, roots: &str) -> u64 {
    let wanted = Endpoint::Tcp("127.0.0.1:0".parse().unwrap());
    let listener = Listener::bind(&wanted, 0).await.unwrap();
    let Endpoint::Tcp(address) = *listener.endpoint() else {
        return 0;
    };
    let gate = Gate::new(usize::MAX, usize::MAX);
    let stopper = Stopper::default();
    let terms = Arc::new(Terms::new(Clock::start()));
    let encryption = encryption.clone();
    let before = resident_octets();
    let converse = move |socket: Socket, _, mut stop| {
        let mut it = Box::new(Conversation {
            session: Echo::default(),
            stream: Stream::plain(socket, encryption.clone()),
            terms: terms.clone(),
        });
        let encrypted = !matches!(encryption, Encryption::None);
        async move {
            if encrypted {
                it.stream.encrypt(it.terms.handshake_timeout).await.unwrap();
            }
            let it = &mut *it;
            let (session, house) = (&mut it.session, &mut Nobody);
            drive(&mut it.stream, session, house, &it.terms, &mut stop)
                .await
                .unwrap();
        }
    };
    tokio::spawn(serve(
        listener,
        gate,
        Bytes::new(),
        stopper.listen(),
        converse,
    ));
    let grown = tokio::task::block_in_place(|| {
        let mut holder = Command::new(std::env::current_exe().unwrap())
            .args(["hold", count, &address.to_string(), roots])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 1];
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut ready).unwrap();
        let grown = resident_octets().saturating_sub(before);
        drop(holder.stdin.take());
        holder.wait().unwrap();
        grown
    });
    stopper.stop(Duration::from_secs(10)).await;
    grown
}

/// Opens connections, says one line on each, tells its parent, and holds them until it is let go.
async fn hold(count: &str, address: &str, roots: &str) {
    let endpoint = Endpoint::Tcp(address.parse().unwrap());
    let trust: Option<Arc<ClientConfig>> =
        (roots != "-").then(|| roots_from_pem(roots.as_ref()).unwrap());
    let mut held = Vec::new();
    for _ in 0..count.parse().unwrap() {
        let socket = connect(&endpoint, Duration::from_secs(10)).await.unwrap();
        let encryption = trust.clone().map_or(Encryption::None, |trust| {
            Encryption::Client(trust, "localhost".try_into().unwrap())
        });
        let mut stream = Stream::plain(socket, encryption);
        if trust.is_some() {
            stream.encrypt(Duration::from_secs(10)).await.unwrap();
        }
        stream.write_all(b"hello\r\n").await.unwrap();
        stream.flush().await.unwrap();
        stream.read_exact(&mut [0; 7]).await.unwrap();
        held.push(stream);
    }
    println!("ready");
    std::io::Read::read_to_end(&mut std::io::stdin(), &mut Vec::new()).unwrap();
}

fn resident_octets() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    let kibibytes = line.split_whitespace().nth(1).unwrap();
    kibibytes.parse::<u64>().unwrap() * 1024
}
