//! Everything that touches a socket: listeners, TLS, timers, and the one driver that runs any
//! session.
//!
//! Not here: what a protocol says (the protocol rooms), what mail is (`post`), which doors are open
//! (`server`). A session and a [`House`] meet in [`drive`], and nowhere else is there a loop that
//! reads a socket.
//!
//! RFC 8446 and 5246 by rustls, RFC 9266 (channel binding), RFC 3207 §4.2 by the driver's order,
//! RFC 4978 (COMPRESS) around any stream; RFC 1035 (DNS) by hickory; the PROXY protocol of HAProxy.

mod alarm;
mod authority;
mod client;
mod clock;
mod deflate;
mod dns;
mod drive;
mod error;
mod form;
mod house;
mod http;
mod http_host;
mod http_place;
mod https;
mod listen;
mod page;
mod priority;
mod proxy;
mod scratch;
mod stop;
mod stream;
mod tls;

pub use authority::{Authority, Certified};
pub use client::{Calling, call, connect, connect_from};
pub use clock::Clock;
pub use dns::{DnsData, DnsFound, DnsKind, DnsProven, DnsSettings, Resolver, TrustAd};
pub use drive::{End, Terms, drive};
pub use error::Error;
pub use form::{FormPlace, form, form_word};
pub use house::{Fault, House, Onlooker};
pub use http::{Clear, HttpError};
pub use http_host::HttpHost;
pub use http_place::HttpPlace;
pub use https::HttpsPlace;
pub use listen::{Endpoint, Gate, Listener, Pass, Peer, raise_descriptors_max, serve};
pub use page::{Page, serve_pages};
pub use priority::let_others_go_first;
pub use stop::{Stop, Stopper};
pub use stream::{Encryption, Socket, Stream};
pub use tls::{
    Authorities, Examination, Examiner, Fingerprint, Flaw, FlawKind, Identity, Judge,
    roots_from_pem, roots_of_system, trusting_anybody, trusting_authorities, trusting_fingerprint,
};

/// The name a TLS client checks its server's certificate for.
pub type ServerName = rustls_pki_types::ServerName<'static>;
/// What a TLS client trusts.
pub type ClientConfig = rustls::ClientConfig;
