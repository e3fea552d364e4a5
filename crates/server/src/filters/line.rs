//! A connection to a filter that speaks the protocol of milters.

use std::io;
use std::time::Duration;

use milter::{Change, Event, Heard, Letter, Talk, Verdict};
use net::{Endpoint, Socket};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{Facts, Trouble};

/// How long a filter may take to be reached.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Octets that are read of a filter at once.
const READ_OCTETS: usize = 4096;

/// A connection to a filter.
#[derive(Debug)]
pub(super) struct Line {
    socket: Socket,
    talk: Talk,
    timeout: Duration,
}

impl Line {
    /// Calls the filter, which may make a letter of so many octets.
    pub(super) async fn open(
        endpoint: &Endpoint,
        octets_max: usize,
        timeout: Duration,
    ) -> Result<Self, Trouble> {
        let socket = net::connect(endpoint, CONNECT_PATIENCE).await?;
        let talk = Talk::new(octets_max);
        let mut line = Self {
            socket,
            talk,
            timeout,
        };
        let hello = line.talk.begin();
        line.write(&hello).await?;
        line.hear().await?;
        Ok(line)
    }

    /// Tells it that a letter does not come to its end.
    pub(super) async fn abort(&mut self) -> Result<(), Trouble> {
        let abort = self.talk.abort();
        self.write(&abort).await
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        let written = timeout(self.timeout, self.socket.write_all(octets)).await;
        Ok(written.map_err(|_| Trouble::Slow)??)
    }

    /// Tells one thing, and hears what is said to it.
    pub(super) async fn tell(
        &mut self,
        event: &Event<'_>,
        facts: &Facts,
    ) -> Result<Option<Heard>, Trouble> {
        let mut octets = self.talk.macros(event, &facts.0).unwrap_or_default();
        let Some(packet) = self.talk.say(event) else {
            return Ok(None);
        };
        octets.extend(packet);
        self.write(&octets).await?;
        match self.talk.waits() {
            true => self.hear().await.map(Some),
            false => Ok(None),
        }
    }

    async fn hear(&mut self) -> Result<Heard, Trouble> {
        let mut octets = [0; READ_OCTETS];
        loop {
            match self.talk.heard()? {
                Some(Heard::Progress) => continue,
                Some(heard) => return Ok(heard),
                None => {}
            }
            let read = timeout(self.timeout, self.socket.read(&mut octets)).await;
            let count = read.map_err(|_| Trouble::Slow)??;
            if count == 0 {
                return Err(Trouble::Gone(io::ErrorKind::UnexpectedEof.into()));
            }
            self.talk.feed(octets.get(..count).unwrap_or_default());
        }
    }

    /// Shows a letter from its first field to its end.
    pub(super) async fn show(
        &mut self,
        letter: &Letter,
        facts: &Facts,
    ) -> Result<(Vec<Change>, Verdict), Trouble> {
        let mut events = vec![Event::Data];
        let fields: Vec<(&[u8], Vec<u8>)> = letter.fields().collect();
        events.extend(fields.iter().map(|(name, value)| Event::Field(name, value)));
        events.push(Event::EndOfHeader);
        let pieces = letter.body().chunks(Event::BODY_OCTETS_MAX);
        events.extend(pieces.map(Event::Body));
        events.push(Event::End);
        let mut is_skipped = false;
        for event in &events {
            if is_skipped && matches!(event, Event::Body(_)) {
                continue;
            }
            match self.tell(event, facts).await? {
                Some(Heard::Changed(changes, verdict)) => return Ok((changes, verdict)),
                Some(Heard::Verdict(Verdict::Skip)) => is_skipped = true,
                Some(Heard::Verdict(Verdict::Continue)) | None => {}
                Some(Heard::Verdict(verdict)) => return Ok((Vec::new(), verdict)),
                Some(Heard::Ready | Heard::Progress) => {}
            }
        }
        Ok((Vec::new(), Verdict::Continue))
    }
}

impl Drop for Line {
    /// Says goodbye, if that can be done without waiting.
    fn drop(&mut self) {
        let goodbye = Talk::quit();
        let said = match &self.socket {
            Socket::Tcp(stream) => stream.try_write(&goodbye),
            Socket::Unix(stream) => stream.try_write(&goodbye),
            Socket::Memory(_) => Ok(0),
        };
        // A filter that has gone hears nothing, and needs nothing.
        said.map(drop).unwrap_or_default();
    }
}
