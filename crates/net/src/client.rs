//! The calling side: a connection to somebody, and a client's session on it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream, UnixStream};
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
    let connected = async {
        match endpoint {
            Endpoint::Tcp(address) => ready(TcpStream::connect(address).await?),
            Endpoint::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
        }
    };
    within(limit, connected).await
}

/// Connects to an address within `limit`, from an address of this machine.
pub async fn connect_from(
    ip: IpAddr,
    address: SocketAddr,
    limit: Duration,
) -> Result<Socket, Error> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.map_err(Error::socket("connect"))?;
    let bound = socket.bind(SocketAddr::new(ip, 0));
    bound.map_err(|cause| Error::Source { ip, cause })?;
    within(limit, async { ready(socket.connect(address).await?) }).await
}

fn ready(stream: TcpStream) -> std::io::Result<Socket> {
    stream.set_nodelay(true)?;
    Ok(Socket::Tcp(stream))
}

async fn within(
    limit: Duration,
    connected: impl Future<Output = std::io::Result<Socket>>,
) -> Result<Socket, Error> {
    timeout(limit, connected)
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
