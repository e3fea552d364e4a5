//! What can go wrong with a connection.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::Fault;

/// What we were doing when TLS came to nothing.
pub(crate) const TLS_HANDSHAKE: &str = "TLS handshake";

/// Why a connection, a listener or a certificate came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket said no.
    #[error("{doing}: {cause}")]
    Socket {
        /// What we were doing.
        doing: &'static str,
        /// What it said.
        cause: io::Error,
    },
    /// There is no calling from this address.
    #[error("calling from {ip}: {cause}")]
    Source {
        /// Which.
        ip: IpAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// A file could not be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The peer does not read what we send.
    #[error("the peer does not read")]
    SlowReader,
    /// The peer did not finish the TLS handshake in time.
    #[error("the TLS handshake took too long")]
    SlowHandshake,
    /// TLS came to nothing.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A certificate or key could not be made or read.
    #[error("certificate: {0}")]
    Certificate(String),
    /// The session wanted a change of transport that this stream has no means for.
    #[error("this connection cannot be upgraded")]
    NoUpgrade,
    /// The house could not give octets that were already promised to the peer.
    #[error("a stored range could not be read: {0}")]
    Read(Fault),
}

impl From<rcgen::Error> for Error {
    fn from(error: rcgen::Error) -> Self {
        Self::Certificate(error.to_string())
    }
}

impl Error {
    /// Why the peer's certificate was not taken, where it was that.
    #[must_use]
    pub fn certificate(&self) -> Option<String> {
        match self {
            Self::Socket { cause, .. } => crate::tls::stranger(cause),
            _ => None,
        }
    }

    /// True if it was TLS that came to nothing.
    #[must_use]
    pub fn is_of_tls(&self) -> bool {
        match self {
            Self::SlowHandshake | Self::Tls(_) => true,
            Self::Socket { doing, .. } => *doing == TLS_HANDSHAKE,
            _ => false,
        }
    }

    /// Wraps what the socket said while we were `doing`.
    pub(crate) fn socket(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Socket { doing, cause }
    }
}
