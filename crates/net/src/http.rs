//! One request to an HTTP server and its answer; the connection lasts as long.
//!
//! Not here: what is asked, and of whom (`form`, `https`, `http_place`). No redirect is followed.
//!
//! RFC 9110 and 9112 by hyper.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};

use crate::{Encryption, Error, Socket, Stream, tls};

/// Octets that the head of an answer may have, and what is read at once.
const BUFFER_OCTETS_MAX: usize = 16 * 1024;

/// Addresses of a host that are tried.
pub(crate) const ADDRESSES_MAX: usize = 4;

/// Why an exchange with an HTTP server came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The place is none that can be asked; what would be one.
    #[error("it is no {0}")]
    Place(&'static str),
    /// Someone elsewhere is not spoken to in the clear.
    #[error("http:// is only for this machine: what is said could be read on the way")]
    Clear,
    /// What is to be handed over cannot be had.
    #[error("what is to be sent cannot be had")]
    Body,
    /// What is to be said of it cannot be sent.
    #[error("the field {0} has letters that cannot be sent")]
    Field(String),
    /// There was no connection.
    #[error("connecting: {0}")]
    Connect(#[from] io::Error),
    /// The connection could not be encrypted, its certificate is not the right one, or nobody is
    /// trusted.
    #[error(transparent)]
    Tls(#[from] Error),
    /// The other side does not speak HTTP as it should.
    #[error("speaking HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// The connection broke before the answer was whole.
    #[error("the answer broke off: {0}")]
    Broken(io::Error),
    /// It said something else than yes.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// Its answer is something else than what was wanted.
    #[error("the answer is no {0}")]
    Kind(&'static str),
    /// Its answer is in a form that nobody asked for.
    #[error("the answer is compressed")]
    Compressed,
    /// Its answer has more octets than any that is wanted.
    #[error("the answer is longer than {0} octets")]
    Long(usize),
    /// It took too long.
    #[error("there was no answer in time")]
    Slow,
}

/// Whom one may speak to in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clear {
    /// Only a server on this machine.
    Here,
    /// Anybody: what is said can be read on the way.
    Anywhere,
}

/// A server that a URL names.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// As the header field `Host` has it.
    pub(crate) authority: HeaderValue,
    /// Its name or address.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// Whom its certificate is checked with, and for which name; none in the clear.
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    clear: Clear,
}

impl Named {
    /// The server of a URL with `https://` or `http://`, and the URL taken apart; `wanted` says what
    /// it should have been. Certificates are checked with the authorities in the PEM file
    /// `authorities`, or with the system's.
    ///
    /// # Errors
    /// [`HttpError::Place`], [`HttpError::Clear`], or no authority can be read.
    pub(crate) fn of(
        url: &str,
        authorities: Option<&Path>,
        (wanted, clear): (&'static str, Clear),
    ) -> Result<(Self, Uri), HttpError> {
        let wrong = || HttpError::Place(wanted);
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') {
            return Err(wrong());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let tls = match uri.scheme_str() {
            Some("https") => {
                let name = ServerName::try_from(host.clone()).map_err(|_| wrong())?;
                let config = match authorities {
                    Some(path) => tls::roots_from_pem(path)?,
                    None => tls::roots_of_system()?,
                };
                Some((config, name))
            }
            Some("http") if clear == Clear::Here && !is_here(&host) => {
                return Err(HttpError::Clear);
            }
            Some("http") => None,
            _ => return Err(wrong()),
        };
        let usual = usual_port(tls.is_some());
        let named = Self {
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?,
            port: authority.port_u16().unwrap_or(usual),
            host,
            tls,
            clear,
        };
        Ok((named, uri))
    }

    /// How it is spoken to.
    pub(crate) fn encryption(&self) -> Encryption {
        match &self.tls {
            Some((config, name)) => Encryption::Client(Arc::clone(config), name.clone()),
            None => Encryption::None,
        }
    }

    /// Where it is, as far as it may be spoken to there.
    pub(crate) async fn addresses(&self) -> Result<Vec<SocketAddr>, HttpError> {
        let found = lookup_host((self.host.as_str(), self.port)).await?;
        let only_here = self.clear == Clear::Here && self.tls.is_none();
        // Whatever a name of this machine is taken for, nothing in the clear leaves it.
        let usable = found.filter(|address| !only_here || address.ip().is_loopback());
        Ok(usable.take(ADDRESSES_MAX).collect())
    }
}

/// The port of URLs that name none.
pub(crate) const fn usual_port(is_encrypted: bool) -> u16 {
    if is_encrypted { 443 } else { 80 }
}

/// True for names of this machine.
fn is_here(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Asks whoever is at the first of these addresses that can be reached, and reads the answer;
/// `limit` is how long the handshake of TLS may take.
pub(crate) async fn exchange<T>(
    addresses: &[SocketAddr],
    encryption: Encryption,
    request: Request<Full<Bytes>>,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, HttpError>,
    limit: Duration,
) -> Result<T, HttpError> {
    let socket = TcpStream::connect(addresses).await?;
    socket.set_nodelay(true)?;
    over(Socket::Tcp(socket), encryption, request, read, limit).await
}

/// Asks whoever is at the other end of a connection, and reads the answer.
pub(crate) async fn over<T>(
    socket: Socket,
    encryption: Encryption,
    request: Request<Full<Bytes>>,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, HttpError>,
    limit: Duration,
) -> Result<T, HttpError> {
    let is_clear = matches!(encryption, Encryption::None);
    let mut stream = Stream::plain(socket, encryption);
    if !is_clear {
        stream.encrypt(limit).await?;
    }
    let builder = &mut http1::Builder::new();
    builder.max_buf_size(BUFFER_OCTETS_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let answer = async move {
        let response = sender.send_request(request).await?;
        read(response).await
    };
    // The connection ends once its sender has gone; what it died of, the answer tells as well.
    tokio::join!(answer, connection).0
}

/// The body of an answer with these fields, of at most so many octets.
pub(crate) async fn body(
    fields: &HeaderMap,
    body: Incoming,
    octets_max: usize,
) -> Result<Bytes, HttpError> {
    // What is compressed is longer than it looks.
    if fields.contains_key(CONTENT_ENCODING) {
        return Err(HttpError::Compressed);
    }
    match Limited::new(body, octets_max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(HttpError::Long(octets_max)),
        Err(error) => Err(HttpError::Broken(io::Error::other(error))),
    }
}

/// The body of an answer of status 200.
pub(crate) async fn body_if_ok(
    response: Response<Incoming>,
    octets_max: usize,
) -> Result<Bytes, HttpError> {
    let (parts, octets) = response.into_parts();
    match parts.status {
        StatusCode::OK => body(&parts.headers, octets, octets_max).await,
        status => Err(HttpError::Status(status)),
    }
}
