//! The house a session talks to, as the driver sees it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use mail::{BlobRange, Gauge, ModSeq};
use wire::Session;
use wire::recording::Event;

/// Answers one connection's asks.
///
/// For a server's session that is a room of the post office with what is known of this peer; for a
/// client's session it is the caller, who is told news instead of being asked questions.
pub trait House<S: Session>: Send {
    /// Answers one ask. It may take long: the peer waits, the other connections do not.
    fn ask(&mut self, ask: S::Ask) -> impl Future<Output = S::Answer> + Send;

    /// Where this house shows how far it is with an ask, if it does. Cleared by the driver before
    /// each ask, and looked at while the session is asked to [reassure](Session::reassure).
    fn gauge(&self) -> Option<Arc<Gauge>> {
        None
    }

    /// Reads a stored range that the session spliced; the driver asks for pieces of at most
    /// [`Terms::splice_octets_max`](crate::Terms::splice_octets_max) octets.
    ///
    /// Must give all of the range. A fault ends the connection: the peer was promised the octets.
    fn read(&mut self, range: BlobRange) -> impl Future<Output = Result<Bytes, Fault>> + Send {
        async move { Err(Fault::new(format!("nothing is stored here: {range:?}"))) }
    }

    /// Waits until the ledger of the connection's account moves; for ever if it has none.
    ///
    /// May be dropped and asked again at any time without losing news.
    fn hint(&mut self) -> impl Future<Output = ModSeq> + Send {
        std::future::pending()
    }

    /// True once whoever has logged in is not welcome any more. The driver asks before it gives
    /// the session any input, and at each hint.
    fn is_dismissed(&mut self) -> bool {
        false
    }

    /// Whoever looks on now. The driver asks before it tells what happens: where nobody looks on,
    /// the answer must cost next to nothing.
    fn onlooker(&mut self) -> Option<&mut dyn Onlooker> {
        None
    }

    /// Hears where the session rests, and whether the connection is encrypted.
    fn rests(&mut self, _whereabouts: &'static str, _encrypted: bool) {}

    /// News that is there already. The driver asks before it gives the session any input, so that
    /// whatever was acknowledged elsewhere before the input came is seen by it.
    fn pending_hint(&mut self) -> Option<ModSeq> {
        None
    }
}

/// Somebody who looks on at a conversation.
pub trait Onlooker: Send {
    /// Is told what happens; must not wait.
    fn see(&mut self, event: Event<'_>);
}

/// Our own failure, never the peer's.
#[derive(Debug)]
pub struct Fault(Box<dyn std::error::Error + Send + Sync>);

impl Fault {
    /// Wraps what went wrong.
    #[must_use]
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
