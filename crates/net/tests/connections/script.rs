//! A session whose peer tells it what to want, and a house that serves it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mail::{BlobId, BlobRange, Gauge, Instant, ModSeq, Progress};
use net::{Encryption, End, Error, Fault, House, Socket, Stop, Stream, Terms, drive};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use wire::{ChannelBinding, Line, LineBuffer, Security, Session, Step, Upgrade};

/// Each line it receives is a wish: `echo …`, `ask …`, `splice N`, `wait SECONDS`,
/// `patience SECONDS`, `tls`, `deflate`, `panic`, `quit`.
#[derive(Default)]
pub(crate) struct Script {
    input: LineBuffer,
    wants: VecDeque<Step<String>>,
    now: Instant,
    alarm: Option<Instant>,
    patience: Option<Duration>,
    ended: bool,
    busy: bool,
}

impl Script {
    fn say(&mut self, text: &str) {
        let line = format!("{text}\r\n");
        self.wants.push_back(Step::Write(Bytes::from(line)));
    }

    fn wish(&mut self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "echo" => self.say(rest),
            "ask" => {
                self.busy = true;
                self.wants.push_back(Step::Ask(rest.to_owned()));
            }
            "splice" => self.wants.push_back(Step::Splice(BlobRange {
                blob: BlobId([0; 32]),
                offset: 0,
                len: rest.parse().unwrap(),
            })),
            "wait" => {
                let seconds = Duration::from_secs(rest.parse().unwrap());
                self.alarm = Some(self.now.after(seconds));
            }
            "patience" => {
                let seconds = rest.parse().unwrap();
                self.patience = Some(Duration::from_secs(seconds));
            }
            "tls" => {
                self.input.clear();
                self.say("go ahead");
                self.wants.push_back(Step::Upgrade(Upgrade::Tls));
            }
            "deflate" => {
                self.input.clear();
                self.say("go ahead");
                self.wants.push_back(Step::Upgrade(Upgrade::Deflate));
            }
            "panic" => panic!("as wished"),
            _ => {
                self.say("bye");
                self.wants.push_back(Step::Close);
            }
        }
    }
}

impl Session for Script {
    type Ask = String;
    type Answer = String;

    fn receive(&mut self, bytes: &[u8]) {
        assert!(self.wants.is_empty(), "fed before it wanted to read");
        self.ended = bytes.is_empty();
        self.input.extend(bytes);
    }

    fn answer(&mut self, answer: String) {
        assert!(
            std::mem::take(&mut self.busy),
            "answered without a question"
        );
        self.say(&answer);
    }

    fn notice(&mut self, modseq: ModSeq) {
        self.say(&format!("* {}", modseq.0));
    }

    fn elapse(&mut self, now: Instant) {
        self.now = now;
        if self.alarm.is_some_and(|alarm| alarm <= now) {
            self.alarm = None;
            self.say("time is up");
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.alarm
    }

    fn patience(&self) -> Option<Duration> {
        self.patience
    }

    fn reassure(&mut self, now: Instant, progress: Option<Progress>) -> Bytes {
        assert!(self.busy, "nothing is asked for");
        let far = progress.map_or(0, |progress| progress.done);
        format!("* {far} done at {}\r\n", now.0.as_secs()).into()
    }

    fn secured(&mut self, security: Security) {
        let binding = match security.binding {
            Some(ChannelBinding::TlsExporter(octets)) => format!("{octets:02x?}"),
            _ => String::new(),
        };
        self.say(&format!(
            "{} {} {binding}",
            security.version, security.cipher
        ));
    }

    fn step(&mut self) -> Step<String> {
        loop {
            if let Some(want) = self.wants.pop_front() {
                return want;
            }
            match self.input.line(1000) {
                Line::Whole(line) => self.wish(std::str::from_utf8(&line).unwrap()),
                Line::Incomplete if self.ended => return Step::Close,
                Line::Incomplete => return Step::Read,
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Answers asks with themselves (`slow SECONDS` after so long, one piece of work done in each),
/// reads ranges of `x`, passes a ledger's news on.
pub(crate) struct Echo {
    ledger: watch::Receiver<ModSeq>,
    /// Octets read so far.
    pub(crate) read: Arc<AtomicU64>,
    gauge: Arc<Gauge>,
}

impl Echo {
    pub(crate) fn new() -> (Self, watch::Sender<ModSeq>) {
        let (sender, ledger) = watch::channel(ModSeq::default());
        let (read, gauge) = Default::default();
        let echo = Self {
            ledger,
            read,
            gauge,
        };
        (echo, sender)
    }
}

impl House<Script> for Echo {
    async fn ask(&mut self, ask: String) -> String {
        tokio::task::yield_now().await;
        if let Some(seconds) = ask.strip_prefix("slow ") {
            // The clock stands still but for those who wait for it.
            let mut clock = tokio::time::interval(Duration::from_secs(1));
            clock.tick().await;
            for second in 0..seconds.parse().unwrap() {
                self.gauge.show(second, 1000);
                clock.tick().await;
            }
        }
        format!("answer to {ask}")
    }

    fn gauge(&self) -> Option<Arc<Gauge>> {
        Some(Arc::clone(&self.gauge))
    }

    async fn read(&mut self, range: BlobRange) -> Result<Bytes, Fault> {
        if range.offset >= 100_000_000 {
            return Err(Fault::new("no such octets"));
        }
        self.read.fetch_add(range.len, Ordering::Relaxed);
        Ok(vec![b'x'; usize::try_from(range.len).unwrap()].into())
    }

    async fn hint(&mut self) -> ModSeq {
        if self.ledger.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        *self.ledger.borrow_and_update()
    }

    fn pending_hint(&mut self) -> Option<ModSeq> {
        let moved = self.ledger.has_changed().unwrap_or(false);
        moved.then(|| *self.ledger.borrow_and_update())
    }
}

/// The usual terms of a test.
pub(crate) fn terms() -> Terms {
    Terms {
        farewell: Bytes::from_static(b"farewell\r\n"),
        ..Terms::new(net::Clock::start())
    }
}

/// Drives a [`Script`] on the stream until it ends.
pub(crate) async fn serve(mut stream: Stream) -> Result<End, Error> {
    let mut session = Script::default();
    let (mut house, _ledger) = Echo::new();
    drive(
        &mut stream,
        &mut session,
        &mut house,
        &terms(),
        &mut Stop::never(),
    )
    .await
}

/// A stream with its other end, which holds `octets` on their way.
pub(crate) fn pipe(octets: usize, encryption: Encryption) -> (Stream, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(octets);
    (Stream::plain(Socket::Memory(ours), encryption), theirs)
}

/// Says all of `input`, ends, and hears all there is to hear.
pub(crate) async fn converse(mut peer: DuplexStream, input: &str) -> String {
    peer.write_all(input.as_bytes()).await.unwrap();
    hear(&mut peer).await
}

/// Hears all there is to hear until the end.
pub(crate) async fn hear(peer: &mut DuplexStream) -> String {
    let mut heard = String::new();
    peer.read_to_string(&mut heard).await.unwrap();
    heard
}

/// Hears one line.
pub(crate) async fn hear_line(peer: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.push(peer.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}
