//! DEFLATE around a connection's octets, both ways (RFC 4978).
//!
//! While the connection waits for its peer the compressor is dropped: everything was flushed to
//! an octet's border, and raw DEFLATE goes on with a fresh one, since that never points back to
//! what it has not seen. The other way we must remember what the peer may point to, 32 KiB.
//!
//! Not here: what is said. A peer cannot make us hold more than one read's octets, however well
//! they are compressed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Compressed octets read at once.
const INPUT_OCTETS: usize = 8 * 1024;
/// Room for compressed octets that is asked for at once.
const OUTPUT_OCTETS: usize = 8 * 1024;

/// The state of both directions.
#[derive(Debug)]
pub(crate) struct Deflate {
    inflater: Decompress,
    /// Compressed octets that came, and how many of them were used.
    input: Vec<u8>,
    used: usize,
    /// True if more may come out without more going in.
    more: bool,
    deflater: Option<Compress>,
    /// Compressed octets to send, and how many of them were sent.
    output: Vec<u8>,
    sent: usize,
    /// True if the compressor may hold octets back.
    held: bool,
}

impl Deflate {
    pub(crate) fn new() -> Self {
        Self {
            inflater: Decompress::new(false),
            input: Vec::new(),
            used: 0,
            more: false,
            deflater: None,
            output: Vec::new(),
            sent: 0,
            held: false,
        }
    }

    /// Reads what the peer meant.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        inner: &mut (impl AsyncRead + Unpin),
    ) -> Poll<io::Result<()>> {
        loop {
            while self.more || self.used < self.input.len() {
                if self.inflate(buffer)? {
                    return Poll::Ready(Ok(()));
                }
            }
            self.input = Vec::new();
            self.used = 0;
            let mut room = [0; INPUT_OCTETS];
            let mut read = ReadBuf::new(&mut room);
            match Pin::new(&mut *inner).poll_read(cx, &mut read) {
                Poll::Pending => {
                    if !self.held && self.output.is_empty() {
                        self.deflater = None;
                    }
                    return Poll::Pending;
                }
                Poll::Ready(outcome) => outcome?,
            }
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.input = read.filled().to_vec();
        }
    }

    /// True if anything came out; if not, something went in, or there is no more.
    fn inflate(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<bool> {
        let input = self.input.get(self.used..).unwrap_or_default();
        let room = buffer.initialize_unfilled();
        let space = room.len();
        let (before_in, before_out) = (self.inflater.total_in(), self.inflater.total_out());
        let status = self
            .inflater
            .decompress(input, room, FlushDecompress::Sync)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let used = count(self.inflater.total_in() - before_in);
        self.used += used;
        let made = count(self.inflater.total_out() - before_out);
        buffer.advance(made);
        self.more = made == space && space > 0;
        if used == 0 && made == 0 && !input.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // The peer's end of the stream: what may follow begins a new one.
        if status == Status::StreamEnd {
            self.inflater.reset(false);
            self.more = false;
        }
        Ok(made > 0)
    }

    /// Takes octets to send.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        octets: &[u8],
        inner: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<usize>> {
        ready!(self.drain(cx, inner))?;
        self.deflate(octets, FlushCompress::None)?;
        self.held = true;
        Poll::Ready(Ok(octets.len()))
    }

    /// Sends all that was taken.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        inner: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        if self.held {
            self.deflate(&[], FlushCompress::Sync)?;
            self.held = false;
        }
        ready!(self.drain(cx, inner))?;
        Pin::new(inner).poll_flush(cx)
    }

    fn deflate(&mut self, octets: &[u8], flush: FlushCompress) -> io::Result<()> {
        let new = || Compress::new(Compression::fast(), false);
        let deflater = self.deflater.get_or_insert_with(new);
        let mut rest = octets;
        loop {
            self.output.reserve(OUTPUT_OCTETS);
            let before = deflater.total_in();
            deflater
                .compress_vec(rest, &mut self.output, flush)
                .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            let used = count(deflater.total_in() - before);
            rest = rest.get(used..).unwrap_or_default();
            // With room left over it has nothing more to say.
            if rest.is_empty() && self.output.len() < self.output.capacity() {
                return Ok(());
            }
        }
    }

    fn drain(
        &mut self,
        cx: &mut Context<'_>,
        inner: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.output.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let sent = ready!(Pin::new(&mut *inner).poll_write(cx, rest))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
        self.output = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

fn count(octets: u64) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}
