//! A client that costs little: it hears whole replies without looking at their lines.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// Octets heard at a time.
const HEARD_OCTETS: usize = 256 * 1024;
/// The longest last line of a reply; the octets before it need not be kept.
const LAST_LINE_OCTETS_MAX: usize = 256 * 1024;
/// A server silent for so long is taken for stuck.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    /// The end of what was heard since the last question.
    heard: Vec<u8>,
    piece: Vec<u8>,
}

impl Link {
    /// Connects and hears the greeting.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_nodelay(true)?;
        let mut link = Self {
            stream,
            heard: Vec::new(),
            piece: vec![0; HEARD_OCTETS],
        };
        link.until(|heard| heard.ends_with(b"\r\n"))?;
        Ok(link)
    }

    /// Connects by IMAP and logs in.
    pub(crate) fn imap(address: SocketAddr, user: &str) -> Result<Self> {
        let mut link = Self::open(address)?;
        link.run(&format!("LOGIN {user} secret"))?;
        Ok(link)
    }

    /// Says one IMAP command and hears its end, which has to be OK.
    pub(crate) fn run(&mut self, command: &str) -> Result<()> {
        self.send(format!("t {command}\r\n").as_bytes())?;
        self.end()
            .with_context(|| command.chars().take(60).collect::<String>())
    }

    /// Says octets as they are.
    pub(crate) fn send(&mut self, octets: &[u8]) -> Result<()> {
        self.stream.write_all(octets).context("saying something")
    }

    /// Hears everything up to a response tagged `t`, which has to be OK.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.until(|heard| heard.ends_with(b"\r\n") && last_line(heard).starts_with(b"t "))?;
        let last = last_line(&self.heard);
        if !last.starts_with(b"t OK") {
            bail!("the answer was {}", String::from_utf8_lossy(last));
        }
        Ok(())
    }

    /// Hears until what was heard is whole; only its end is kept.
    pub(crate) fn until(&mut self, mut whole: impl FnMut(&[u8]) -> bool) -> Result<()> {
        self.heard.clear();
        loop {
            let count = self.stream.read(&mut self.piece)?;
            if count == 0 {
                bail!("the server closed the connection");
            }
            self.heard
                .extend(self.piece.get(..count).unwrap_or_default());
            if whole(&self.heard) {
                return Ok(());
            }
            let kept = self.heard.len().saturating_sub(LAST_LINE_OCTETS_MAX);
            if kept > HEARD_OCTETS {
                self.heard.drain(..kept);
            }
        }
    }

    /// Hears until so many ends of something have come; none of them overlaps the next.
    pub(crate) fn ends(&mut self, end: &[u8], count: usize) -> Result<()> {
        self.heard.clear();
        let mut left = count;
        while left > 0 {
            let octets = self.stream.read(&mut self.piece)?;
            if octets == 0 {
                bail!("the server closed the connection");
            }
            self.heard
                .extend(self.piece.get(..octets).unwrap_or_default());
            left = left.saturating_sub(memchr::memmem::find_iter(&self.heard, end).count());
            // The rest of it may come with the next piece.
            let passed = self.heard.len().saturating_sub(end.len().saturating_sub(1));
            self.heard.drain(..passed);
        }
        Ok(())
    }
}

fn last_line(heard: &[u8]) -> &[u8] {
    let line = heard.strip_suffix(b"\r\n").unwrap_or(heard);
    line.rsplit(|octet| *octet == b'\n')
        .next()
        .unwrap_or_default()
}
