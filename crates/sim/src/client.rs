//! What all clients share: a connection read by lines and counted octets.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

/// A server that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Why a conversation ended early.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// The connection is gone.
    Lost,
    /// What the server says cannot be.
    Wrong(String),
}

/// A failure of the server, not of the world.
pub(crate) fn wrong<T>(what: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Wrong(what.into()))
}

pub(crate) type Outcome<T> = Result<T, Trouble>;

/// A client's end of a connection.
#[derive(Debug)]
pub(crate) struct Line {
    stream: DuplexStream,
    heard: Vec<u8>,
    /// Octets of `heard` that were taken.
    taken: usize,
}

impl Line {
    pub(crate) fn new(stream: DuplexStream) -> Self {
        Self {
            stream,
            heard: Vec::new(),
            taken: 0,
        }
    }

    pub(crate) async fn say(&mut self, text: &str) -> Outcome<()> {
        let said = self.stream.write_all(text.as_bytes());
        match tokio::time::timeout(PATIENCE, said).await {
            Err(_) => wrong("nobody listens"),
            Ok(said) => said.map_err(|_| Trouble::Lost),
        }
    }

    async fn more(&mut self) -> Outcome<()> {
        self.heard.drain(..self.taken);
        self.taken = 0;
        let read = self.stream.read_buf(&mut self.heard);
        match tokio::time::timeout(PATIENCE, read).await {
            Err(_) => wrong("no answer"),
            Ok(Ok(1..)) => Ok(()),
            Ok(_) => Err(Trouble::Lost),
        }
    }

    /// The next line, without its end.
    pub(crate) async fn line(&mut self) -> Outcome<String> {
        let mut looked = 0;
        loop {
            let rest = self.heard.get(self.taken..).unwrap_or_default();
            let from = looked.min(rest.len());
            let end = rest.get(from..).unwrap_or_default();
            if let Some(end) = end.windows(2).position(|pair| pair == b"\r\n") {
                let line = rest.get(..from + end).unwrap_or_default();
                let line = String::from_utf8_lossy(line).into_owned();
                self.taken += from + end + 2;
                return Ok(line);
            }
            looked = rest.len().saturating_sub(1);
            self.more().await?;
        }
    }

    /// So many octets.
    pub(crate) async fn octets(&mut self, count: usize) -> Outcome<Vec<u8>> {
        loop {
            if let Some(octets) = self.heard.get(self.taken..self.taken + count) {
                let octets = octets.to_vec();
                self.taken += count;
                return Ok(octets);
            }
            self.more().await?;
        }
    }
}
