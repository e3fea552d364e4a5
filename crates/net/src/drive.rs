//! The one driver: runs any session, server's or client's, over any stream.
//!
//! Not here: what a protocol says, who the peer is, what the house answers.
//!
//! While an answer is made the session may say that it takes its time, and nothing else.
//!
//! Output is gathered while the session goes on by itself and leaves when it wants to read, so a
//! pipelined batch is answered in one packet. While it waits for the peer, a connection holds no
//! buffer at all.

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use mail::{BlobRange, Gauge, Instant, ModSeq};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use wire::recording::{self, Event as Seen};
use wire::{Session, Step, Upgrade};

use crate::alarm::Alarm;
use crate::scratch::Scratch;
use crate::{Clock, Error, House, Stop, Stream};

/// How long a peer may take to leave once we have said goodbye.
const LINGER: Duration = Duration::from_secs(1);
/// Octets it may still say meanwhile.
const LINGER_OCTETS_MAX: usize = 256 * 1024;

/// What every connection through one door is given.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The clock that sessions are told.
    pub clock: Clock,
    /// How long the peer may take to read what one write holds.
    pub write_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// Octets of output gathered before they are sent.
    pub output_octets_max: usize,
    /// Octets of a spliced range held at once.
    pub splice_octets_max: u64,
    /// How long a peer may be silent once we have been asked to stop.
    pub silence_at_stop: Duration,
    /// What to send, in the protocol's words, before we close because we stop.
    pub farewell: Bytes,
}

impl Terms {
    /// The usual limits, and no farewell.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            write_timeout: Duration::from_secs(120),
            handshake_timeout: Duration::from_secs(30),
            output_octets_max: 32 * 1024,
            splice_octets_max: 64 * 1024,
            silence_at_stop: Duration::from_millis(200),
            farewell: Bytes::new(),
        }
    }
}

/// How a conversation came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The session closed it.
    Closed,
    /// The peer went away.
    Gone,
    /// We were asked to stop.
    Stopped,
}

/// Runs `session` over `stream` until it ends; `house` answers its asks.
///
/// `stop` makes it end between two commands; cutting it off in the middle of one is the caller's
/// affair (drop the future).
pub async fn drive<S, H>(
    stream: &mut Stream,
    session: &mut S,
    house: &mut H,
    terms: &Terms,
    stop: &mut Stop,
) -> Result<End, Error>
where
    S: Session<Ask: Send, Answer: Send> + Send,
    H: House<S>,
{
    let mut drive = Drive {
        outlet: Outlet {
            stream,
            terms,
            output: Vec::new(),
            remarks: Vec::new(),
            passed: terms.clock.now(),
        },
        session,
        house,
        terms,
        alarm: Alarm::default(),
        watched: false,
    };
    let end = drive.converse(stop).await?;
    timeout(LINGER, leave(stream)).await.unwrap_or_default();
    Ok(end)
}

/// Says goodbye, then hears the peer out: closed with octets unread, the system would take back
/// what we said last.
async fn leave(stream: &mut Stream) {
    let mut octets_left = LINGER_OCTETS_MAX;
    if stream.shutdown().await.is_err() {
        return;
    }
    while let Ok(rest) = Scratch::read(stream).await {
        let heard = rest.octets().len();
        if heard == 0 || heard > octets_left {
            return;
        }
        octets_left -= heard;
    }
}

struct Drive<'a, S, H> {
    outlet: Outlet<'a>,
    session: &'a mut S,
    house: &'a mut H,
    terms: &'a Terms,
    alarm: Alarm,
    /// True while the session remembers what it hears.
    watched: bool,
}

/// The way to the peer.
struct Outlet<'a> {
    stream: &'a mut Stream,
    terms: &'a Terms,
    /// What is gathered, or has still to leave.
    output: Vec<u8>,
    /// What was said while an answer was made, for whoever looks on: up to as much as is gathered.
    remarks: Vec<u8>,
    /// When octets passed last, either way.
    passed: Instant,
}

enum Event {
    Input(Scratch),
    Hint(ModSeq),
    Deadline,
    Stop,
}

/// What a session that has run as far as it can wants.
#[derive(PartialEq, Eq)]
enum Wants {
    Input,
    Close,
}

impl<S, H> Drive<'_, S, H>
where
    S: Session<Ask: Send, Answer: Send> + Send,
    H: House<S>,
{
    async fn converse(&mut self, stop: &mut Stop) -> Result<End, Error> {
        if let Some(security) = self.outlet.stream.security() {
            self.session.secured(security.clone());
        }
        self.elapse();
        let mut wants = self.run().await?;
        while wants == Wants::Input {
            wants = match self.wait(stop).await? {
                Event::Input(input) => {
                    let ended = input.octets().is_empty();
                    let wants = self.receive(input).await?;
                    if ended && wants == Wants::Input {
                        return Ok(End::Gone);
                    }
                    wants
                }
                Event::Hint(modseq) => {
                    self.wake();
                    if self.house.is_dismissed() {
                        self.dismiss();
                    }
                    self.notice(modseq);
                    self.run().await?
                }
                Event::Deadline => {
                    self.elapse();
                    self.run().await?
                }
                Event::Stop => {
                    self.tell(Seen::Said(&self.terms.farewell));
                    self.outlet.write(self.terms.farewell.clone()).await?;
                    self.outlet.flush().await?;
                    return Ok(End::Stopped);
                }
            };
        }
        Ok(End::Closed)
    }

    /// Waits for the next event; the octets come first, they have waited for us.
    async fn wait(&mut self, stop: &mut Stop) -> Result<Event, Error> {
        let deadline = self.session.deadline();
        tokio::select! {
            biased;
            input = Scratch::read(self.outlet.stream) => input.map(Event::Input).or_else(peers_end),
            modseq = self.house.hint() => Ok(Event::Hint(modseq)),
            () = self.alarm.reach(&self.terms.clock, deadline) => Ok(Event::Deadline),
            () = silence(stop, self.terms.silence_at_stop) => Ok(Event::Stop),
        }
    }

    /// Gives the session its input, but first the time, and news that came before the input did.
    async fn receive(&mut self, input: Scratch) -> Result<Wants, Error> {
        self.outlet.passed = self.terms.clock.now();
        self.elapse();
        if self.run().await? == Wants::Close {
            return Ok(Wants::Close);
        }
        if self.house.is_dismissed() {
            self.dismiss();
            if self.run().await? == Wants::Close {
                return Ok(Wants::Close);
            }
        }
        if let Some(modseq) = self.house.pending_hint() {
            self.notice(modseq);
            if self.run().await? == Wants::Close {
                return Ok(Wants::Close);
            }
        }
        if input.octets().is_empty() {
            self.tell(Seen::Gone);
        }
        self.session.receive(input.octets());
        drop(input);
        self.run().await
    }

    /// Tells the session what time it is.
    fn elapse(&mut self) {
        self.wake();
        self.session.elapse(self.terms.clock.now());
    }

    fn notice(&mut self, modseq: ModSeq) {
        self.tell(Seen::Moved(modseq));
        self.session.notice(modseq);
    }

    fn dismiss(&mut self) {
        self.tell(Seen::Dismissed);
        self.session.dismiss();
    }

    /// Tells whoever looks on that the session goes on.
    fn wake(&mut self) {
        let now = self.terms.clock.now();
        if let Some(onlooker) = self.house.onlooker() {
            onlooker.see(Seen::Woken(now));
            self.watched = true;
            if let Some(witness) = self.session.witness() {
                witness.look(true);
            }
        }
    }

    fn tell(&mut self, seen: Seen<'_>) {
        if let Some(onlooker) = self.house.onlooker() {
            onlooker.see(seen);
        }
    }

    /// Tells whoever looks on what the session heard and what it wants.
    fn overhear(&mut self, step: &Step<S::Ask>) {
        match self.house.onlooker() {
            Some(onlooker) => {
                self.watched = true;
                recording::overhear(self.session, step, |seen| onlooker.see(seen));
            }
            None if self.watched => {
                self.watched = false;
                if let Some(witness) = self.session.witness() {
                    witness.look(false);
                }
            }
            None => {}
        }
    }

    /// Does what the session wants until that is input, or the end.
    async fn run(&mut self) -> Result<Wants, Error> {
        loop {
            let step = self.session.step();
            self.overhear(&step);
            match step {
                Step::Read => {
                    self.outlet.flush().await?;
                    let encrypted = self.outlet.stream.security().is_some();
                    self.house.rests(self.session.whereabouts(), encrypted);
                    return Ok(Wants::Input);
                }
                Step::Write(octets) => self.outlet.write(octets).await?,
                Step::Splice(range) => self.splice(range).await?,
                Step::Ask(ask) => {
                    self.ask(ask).await?;
                    tokio::task::consume_budget().await;
                }
                Step::Upgrade(Upgrade::Tls) => {
                    self.outlet.flush().await?;
                    self.outlet
                        .stream
                        .encrypt(self.terms.handshake_timeout)
                        .await?;
                    if let Some(security) = self.outlet.stream.security() {
                        self.session.secured(security.clone());
                    }
                }
                Step::Upgrade(Upgrade::Deflate) => {
                    self.outlet.flush().await?;
                    self.outlet.stream.compress()?;
                }
                Step::Close => {
                    self.outlet.flush().await?;
                    return Ok(Wants::Close);
                }
            }
        }
    }

    /// Puts an ask to the house, and lets the session say meanwhile that it takes its time.
    async fn ask(&mut self, ask: S::Ask) -> Result<(), Error> {
        let Some(patience) = self.session.patience() else {
            let answer = Box::pin(self.house.ask(ask)).await;
            self.session.answer(answer);
            return Ok(());
        };
        // Many short asks may be one long command.
        if self.terms.clock.now() >= self.outlet.passed.after(patience) {
            self.outlet.reassure(self.session, None).await?;
        }
        let gauge = self.house.gauge();
        if let Some(gauge) = &gauge {
            gauge.clear();
        }
        let (answer, lost) = {
            // Boxed, so that the largest answer's size is paid only while it is made.
            let mut answer = Box::pin(self.house.ask(ask));
            let peer = (&mut self.outlet, &mut self.alarm);
            let mut waiting = pin!(wait_with(peer, self.session, patience, gauge.as_deref()));
            tokio::select! {
                biased;
                answer = &mut answer => (answer, None),
                // Who asked has gone, but what was asked for is done to its end.
                error = &mut waiting => (answer.await, Some(error)),
            }
        };
        let said = std::mem::take(&mut self.outlet.remarks);
        if !said.is_empty() {
            self.tell(Seen::Said(&said));
        }
        self.session.answer(answer);
        lost.map_or(Ok(()), Err)
    }

    async fn splice(&mut self, range: BlobRange) -> Result<(), Error> {
        let mut sent = 0;
        while sent < range.len {
            let part = range.part(sent, self.terms.splice_octets_max.max(1));
            let octets = Box::pin(self.house.read(part)).await.map_err(Error::Read)?;
            let len = u64::try_from(octets.len()).unwrap_or(u64::MAX);
            if len != part.len {
                let fault = crate::Fault::new(format!("{len} octets of {part:?}"));
                return Err(Error::Read(fault));
            }
            self.tell(Seen::Said(&octets));
            self.outlet.write(octets).await?;
            sent += part.len;
        }
        Ok(())
    }
}

/// Keeps a peer company while its answer is made; ends only if the peer cannot be reached.
///
/// Dropped in the middle it loses nothing: what has not left by then leaves with the answer.
async fn wait_with<S: Session>(
    (outlet, alarm): (&mut Outlet<'_>, &mut Alarm),
    session: &mut S,
    patience: Duration,
    gauge: Option<&Gauge>,
) -> Error {
    loop {
        let moment = outlet.passed.after(patience);
        alarm.reach(&outlet.terms.clock, Some(moment)).await;
        if let Err(error) = outlet.reassure(session, gauge).await {
            return error;
        }
    }
}

impl Outlet<'_> {
    /// Tells the peer that its answer is being made.
    async fn reassure<S: Session>(
        &mut self,
        session: &mut S,
        gauge: Option<&Gauge>,
    ) -> Result<(), Error> {
        self.passed = self.terms.clock.now();
        let octets = session.reassure(self.passed, gauge.and_then(Gauge::progress));
        self.output.extend_from_slice(&octets);
        if self.remarks.len() + octets.len() <= self.terms.output_octets_max {
            self.remarks.extend_from_slice(&octets);
        }
        self.flush().await
    }

    async fn write(&mut self, octets: Bytes) -> Result<(), Error> {
        if self.output.len() + octets.len() <= self.terms.output_octets_max {
            self.output.extend_from_slice(&octets);
            return Ok(());
        }
        self.send().await?;
        let octets = octets.as_ref();
        for piece in octets.chunks(self.terms.output_octets_max.max(1)) {
            send(self.stream, piece, self.terms.write_timeout).await?;
        }
        self.passed = self.terms.clock.now();
        Ok(())
    }

    /// Sends what was gathered, and on through whatever the stream itself gathers.
    async fn flush(&mut self) -> Result<(), Error> {
        self.send().await?;
        let limit = self.terms.write_timeout;
        let flushed = timeout(limit, self.stream.flush()).await;
        flushed
            .map_err(|_| Error::SlowReader)?
            .map_err(Error::socket("write"))
    }

    /// Dropped in the middle it keeps what has not left.
    async fn send(&mut self) -> Result<(), Error> {
        if self.output.is_empty() {
            return Ok(());
        }
        let limit = self.terms.write_timeout;
        let sent = timeout(limit, async {
            while !self.output.is_empty() {
                let sent = self.stream.write(&self.output).await?;
                if sent == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                self.output.drain(..sent);
            }
            Ok(())
        });
        sent.await
            .map_err(|_| Error::SlowReader)?
            .map_err(Error::socket("write"))?;
        // Freed: an idle connection keeps nothing.
        self.output = Vec::new();
        self.passed = self.terms.clock.now();
        Ok(())
    }
}

async fn send(stream: &mut Stream, octets: &[u8], limit: Duration) -> Result<(), Error> {
    timeout(limit, stream.write_all(octets))
        .await
        .map_err(|_| Error::SlowReader)?
        .map_err(Error::socket("write"))
}

/// A connection that breaks is over, like one that ends.
fn peers_end(error: io::Error) -> Result<Event, Error> {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::TimedOut
        | Kind::UnexpectedEof => Ok(Event::Input(Scratch::end())),
        _ => Err(Error::socket("read")(error)),
    }
}

async fn silence(stop: &mut Stop, limit: Duration) {
    stop.asked().await;
    tokio::time::sleep(limit).await;
}
