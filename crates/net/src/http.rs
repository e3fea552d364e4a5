//! One request to an HTTP server and its answer; the connection lasts as long.
//!
//! Not here: what is asked, and of whom (`form`, `https`, `http_place`).
//!
//! RFC 9110 and 9112 by hyper.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{Encryption, Error, Socket, Stream};

/// Octets that the head of an answer may have, and what is read at once.
const BUFFER_OCTETS_MAX: usize = 16 * 1024;

/// Addresses of a host that are tried.
pub(crate) const ADDRESSES_MAX: usize = 4;

/// Why the body of an answer is not had.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It is too long.
    Long,
    /// The connection broke.
    Broken(io::Error),
}

/// Asks whoever is at the first of these addresses that can be reached, and reads the answer;
/// `limit` is how long the handshake of TLS may take.
pub(crate) async fn exchange<T, E>(
    addresses: &[SocketAddr],
    encryption: Encryption,
    request: Request<Full<Bytes>>,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, E>,
    limit: Duration,
) -> Result<T, E>
where
    E: From<io::Error> + From<Error> + From<hyper::Error>,
{
    let socket = TcpStream::connect(addresses).await?;
    socket.set_nodelay(true)?;
    over(Socket::Tcp(socket), encryption, request, read, limit).await
}

/// Asks whoever is at the other end of a connection, and reads the answer.
pub(crate) async fn over<T, E>(
    socket: Socket,
    encryption: Encryption,
    request: Request<Full<Bytes>>,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, E>,
    limit: Duration,
) -> Result<T, E>
where
    E: From<Error> + From<hyper::Error>,
{
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

/// The body of an answer, of at most so many octets.
pub(crate) async fn body(response: Response<Incoming>, octets_max: usize) -> Result<Bytes, Unread> {
    let body = Limited::new(response.into_body(), octets_max);
    match body.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Unread::Long),
        Err(error) => Err(Unread::Broken(io::Error::other(error))),
    }
}
