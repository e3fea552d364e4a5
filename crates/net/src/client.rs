//! The calling side: a connection to somebody, and a client's session on it.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use wire::Session;

use crate::{Encryption, End, Endpoint, Error, House, Socket, Stop, Stream, Terms, drive};

/// When a call is encrypted.
#[derive(Clone, Debug)]
pub enum Calling {
    /// Never.
    Plain,
    /// When the session asks for it.
    StartTls(Arc<ClientConfig>, ServerName<'static>),
    /// From the first octet.
    Implicit(Arc<ClientConfig>, ServerName<'static>),
}

/// Connects to an endpoint within `limit`.
pub async fn connect(endpoint: &Endpoint, limit: Duration) -> Result<Socket, Error> {
    let connected = timeout(limit, async {
        match endpoint {
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
            Endpoint::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
        }
    });
    connected
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
        .map_err(Error::socket("connect"))
}

/// Drives a client's session over a new connection until it ends; `house` is told its news.
pub async fn call<S, H>(
    socket: Socket,
    calling: Calling,
    session: &mut S,
    house: &mut H,
    terms: &Terms,
) -> Result<End, Error>
where
    S: Session<Ask: Send, Answer: Send> + Send,
    H: House<S>,
{
    let (encryption, at_once) = match calling {
        Calling::Plain => (Encryption::None, false),
        Calling::StartTls(config, name) => (Encryption::Client(config, name), false),
        Calling::Implicit(config, name) => (Encryption::Client(config, name), true),
    };
    let mut stream = Stream::plain(socket, encryption);
    if at_once {
        stream.encrypt(terms.handshake_timeout).await?;
    }
    drive(&mut stream, session, house, terms, &mut Stop::never()).await
}
