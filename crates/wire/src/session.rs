//! The contract every protocol obeys.

use std::time::Duration;

use bytes::Bytes;
use mail::{BlobRange, Instant, ModSeq, Progress};

use crate::Witness;

/// A protocol conversation: no sockets, no clock, no disk. Drive it and it tells you what it wants.
///
/// The driver calls [`step`](Self::step) until it says [`Step::Read`], then feeds it exactly one
/// event (octets, news of the ledger, or time) and steps again. Whatever way the same octets are
/// cut into [`receive`](Self::receive) calls, the same octets come out.
///
/// While it waits, a session keeps no buffer: one that has nothing unread frees its input.
pub trait Session {
    /// A question for the house (server) or news for the caller (client).
    type Ask;
    /// Its answer. Every ask gets exactly one; long answers come in pieces that the session asks
    /// for one by one, so that a slow peer holds the house back and not the memory.
    type Answer;

    /// Takes octets from the peer; only after [`Step::Read`]. An empty slice is the peer's end.
    fn receive(&mut self, bytes: &[u8]);

    /// Takes an answer; only after [`Step::Ask`].
    fn answer(&mut self, answer: Self::Answer);

    /// Hears that the ledger of its account moved to `modseq`; only after [`Step::Read`].
    ///
    /// A hint: it wakes. What changed is asked for, so that nothing is queued for a slow reader.
    fn notice(&mut self, _modseq: ModSeq) {}

    /// Hears that whoever has logged in is not welcome any more: the password is another, or the
    /// account is gone. Only after [`Step::Read`].
    fn dismiss(&mut self) {}

    /// Hears what time it is: before the first step, before each receive, and at its deadline.
    fn elapse(&mut self, now: Instant);

    /// When it wants to be told the time next, if the peer says nothing.
    fn deadline(&self) -> Option<Instant>;

    /// How long the peer may hear nothing while an ask runs; `None` if it is told nothing then.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// What to tell the peer while an ask runs: whole lines, that leave at once. Between
    /// [`Step::Ask`] and its answer, each time that [`patience`](Self::patience) has passed without
    /// an octet either way. `progress` is how far the house is with this ask, if that is known.
    fn reassure(&mut self, _now: Instant, _progress: Option<Progress>) -> Bytes {
        Bytes::new()
    }

    /// Hears that the connection is encrypted now: after [`Step::Upgrade`], or at the start.
    fn secured(&mut self, _security: Security) {}

    /// What it remembers of what it hears, for whoever looks on; `None` where nobody may.
    ///
    /// While it remembers, all that answers one line is written before the next line is taken.
    fn witness(&mut self) -> Option<&mut Witness> {
        None
    }

    /// The name of the phase it is in, for lists.
    fn whereabouts(&self) -> &'static str {
        ""
    }

    /// Says what it wants next. Never blocks; called until it says [`Step::Read`].
    fn step(&mut self) -> Step<Self::Ask>;
}

/// What a session wants next.
#[derive(Debug)]
#[must_use]
pub enum Step<A> {
    /// Feed me.
    Read,
    /// Put this on the wire.
    Write(Bytes),
    /// Put this stored range on the wire; I never see the octets.
    Splice(BlobRange),
    /// Put this to the house.
    Ask(A),
    /// Change the transport. Unread input was dropped already (RFC 3207 §4.2).
    Upgrade(Upgrade),
    /// Send what is written, then close.
    Close,
}

/// A change of transport in the middle of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// TLS: the server's end for a server session, the client's for a client's.
    Tls,
    /// DEFLATE both ways (RFC 4978).
    Deflate,
}

/// What TLS agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// The version as trace fields write it: `TLS1.3`.
    pub version: String,
    /// The cipher suite's name.
    pub cipher: String,
    /// For SCRAM's -PLUS.
    pub binding: Option<ChannelBinding>,
    /// Addresses in the certificate that the client has shown and the server has verified
    /// (`rfc822Name`, RFC 5280 §4.2.1.6).
    pub certified: Vec<String>,
}

/// Octets that both ends of a TLS connection know and no one between them can choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// `tls-exporter` (RFC 9266).
    TlsExporter(Vec<u8>),
    /// `tls-server-end-point`: a hash of the server's certificate (RFC 5929 §4).
    TlsServerEndPoint(Vec<u8>),
}
