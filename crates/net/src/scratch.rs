//! Room to read into, borrowed only while there is something to read.
//!
//! A connection that waits holds none: that is what makes an idle one cheap.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, ReadBuf};

/// Octets read at once, at most.
const SCRATCH_OCTETS: usize = 32 * 1024;
/// Rooms a thread keeps for the next reader.
const SPARE_MAX: usize = 4;

thread_local! {
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// What was read, in a room that goes back to its thread when it is dropped.
pub(crate) struct Scratch {
    room: Box<[u8]>,
    filled: usize,
}

impl Scratch {
    /// Reads what there is; takes room only when the stream has something to give.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        poll_fn(|cx| {
            let mut scratch = Self::borrow();
            let mut buffer = ReadBuf::new(&mut scratch.room);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {
                    scratch.filled = buffer.filled().len();
                    Poll::Ready(Ok(scratch))
                }
            }
        })
        .await
    }

    /// The peer's end: nothing, for ever.
    pub(crate) fn end() -> Self {
        Self {
            room: Box::default(),
            filled: 0,
        }
    }

    /// What was read; nothing at the peer's end.
    pub(crate) fn octets(&self) -> &[u8] {
        self.room.get(..self.filled).unwrap_or_default()
    }

    fn borrow() -> Self {
        let spare = SPARE.with_borrow_mut(Vec::pop);
        Self {
            room: spare.unwrap_or_else(|| vec![0; SCRATCH_OCTETS].into_boxed_slice()),
            filled: 0,
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let room = std::mem::take(&mut self.room);
        if room.is_empty() {
            return;
        }
        // A thread that is being torn down has no place for it any more: then it is freed.
        SPARE
            .try_with(|spare| {
                let mut spare = spare.borrow_mut();
                if spare.len() < SPARE_MAX {
                    spare.push(room);
                }
            })
            .unwrap_or_default();
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scratch({} octets)", self.filled)
    }
}
