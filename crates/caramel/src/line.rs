//! The connection that messages travel over: to the server that runs, or to a thread of this
//! process that has opened the store.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use net::Socket;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk;

/// A connection, one call after the other.
#[derive(Debug)]
pub(crate) struct Line {
    input: BufReader<UnixStream>,
    output: UnixStream,
    /// Calls that have been made whose answers have not been read.
    pending: usize,
    /// The thread that has the store open.
    keeper: Option<JoinHandle<()>>,
}

impl Line {
    /// Connects to the server, or opens the store.
    pub(crate) fn open(config: &Config) -> Result<Self, Complaint> {
        let (output, keeper) = match desk::connect(config)? {
            Some(stream) => (stream, None),
            None => {
                let (ours, theirs) = UnixStream::pair().context("making a pair of sockets")?;
                (ours, Some(keep(config, theirs)?))
            }
        };
        let input = BufReader::new(output.try_clone().context("using the connection")?);
        Ok(Self {
            input,
            output,
            pending: 0,
            keeper,
        })
    }

    /// Asks, and waits for the answer.
    pub(crate) fn call(&mut self, method: &str, arguments: &Value) -> Result<Value, Complaint> {
        self.send(method, arguments, &[])?;
        Ok(self.answer()?.unwrap_or_default())
    }

    /// Asks, with octets behind the call; waits for the answer to what was asked before, so that
    /// both ends work at the same time. That answer is given back.
    pub(crate) fn send(
        &mut self,
        method: &str,
        arguments: &Value,
        octets: &[u8],
    ) -> Result<Option<Value>, Complaint> {
        let before = self.answer()?;
        self.ask(method, arguments)?;
        self.output
            .write_all(octets)
            .context("telling the server")?;
        Ok(before)
    }

    /// Asks, whatever is still to be answered. Who asks much without listening waits for ever.
    pub(crate) fn ask(&mut self, method: &str, arguments: &Value) -> Result<(), Complaint> {
        let mut call = json!([method, arguments, "0"]).to_string();
        call.push('\n');
        let sent = self.output.write_all(call.as_bytes());
        sent.context("telling the server")?;
        self.pending += 1;
        Ok(())
    }

    /// The answer that is still to come, if there is one.
    pub(crate) fn answer(&mut self) -> Result<Option<Value>, Complaint> {
        match self.pending {
            0 => Ok(None),
            _ => self.hear()?.map(Some),
        }
    }

    /// The next answer; the inner error is one.
    pub(crate) fn hear(&mut self) -> Result<Result<Value, Complaint>, Complaint> {
        self.pending = self.pending.saturating_sub(1);
        let mut line = String::new();
        let read = self.input.read_line(&mut line);
        if read.context("listening to the server")? == 0 {
            let next = "run the same command again: it goes on where this one was";
            return Err(Complaint::new("the server has gone").next(next));
        }
        let (name, answer, _): (String, Value, Value) =
            serde_json::from_str(&line).context("reading the answer")?;
        if name == "error" {
            let said = answer.get("description").and_then(Value::as_str);
            return Ok(Err(Complaint::new(said.unwrap_or("the server said no"))));
        }
        Ok(Ok(answer))
    }

    /// Reads octets behind an answer, piece by piece.
    pub(crate) fn octets(
        &mut self,
        len: u64,
        mut piece: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Complaint> {
        let mut left = (&mut self.input).take(len);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = left.read(&mut buffer).context("listening to the server")?;
            if read == 0 {
                break;
            }
            let octets = buffer.get(..read).unwrap_or_default();
            piece(octets).context("writing a message")?;
        }
        match left.limit() {
            0 => Ok(()),
            _ => Err(Complaint::new("the server has gone")),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        drop(self.output.shutdown(Shutdown::Both));
        if let Some(keeper) = self.keeper.take() {
            drop(keeper.join());
        }
    }
}

/// Opens the store; a thread of its own answers at the socket until that is closed.
fn keep(config: &Config, socket: UnixStream) -> Result<JoinHandle<()>, Complaint> {
    let runtime = Runtime::new().context("starting")?;
    let (store, post) = runtime.block_on(desk::open(config))?;
    let nonblocking = socket.set_nonblocking(true);
    nonblocking.context("using the connection")?;
    let work = move || {
        runtime.block_on(async {
            match tokio::net::UnixStream::from_std(socket) {
                Ok(socket) => {
                    let talk = server::converse_alone(post, Socket::Unix(socket));
                    if let Err(error) = talk.await {
                        tracing::debug!(%error, "broken off");
                    }
                }
                Err(error) => tracing::error!(%error, "using the connection"),
            }
            store.close();
        });
    };
    let thread = thread::Builder::new().name("store".into());
    Ok(thread.spawn(work).context("starting a thread")?)
}
