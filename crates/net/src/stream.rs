//! One connection's octets, plain, encrypted or compressed, and the changes between them in place.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use wire::Security;

use crate::deflate::Deflate;
use crate::error::TLS_HANDSHAKE;
use crate::{Error, Identity, tls};

/// What carries the octets.
#[derive(Debug)]
pub enum Socket {
    /// A network connection.
    Tcp(TcpStream),
    /// A connection inside this machine.
    Unix(UnixStream),
    /// A connection inside this process.
    Memory(DuplexStream),
}

impl Socket {
    /// The number of the user at the other end, where that is on this machine and known.
    pub(crate) fn user(&self) -> Option<u32> {
        match self {
            Self::Unix(stream) => stream.peer_cred().ok().map(|user| user.uid()),
            Self::Tcp(_) | Self::Memory(_) => None,
        }
    }
}

/// Which end of TLS we can be, if any.
#[derive(Clone, Debug)]
pub enum Encryption {
    /// There is none.
    None,
    /// We show a certificate.
    Server(Identity),
    /// We check the certificate of the server with this name.
    Client(Arc<ClientConfig>, ServerName<'static>),
}

/// A connection.
#[derive(Debug)]
pub struct Stream {
    state: State,
    encryption: Encryption,
    security: Option<Security>,
    /// Inside of TLS, where there is TLS (RFC 4978 §3).
    deflate: Option<Box<Deflate>>,
}

#[derive(Debug)]
enum State {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
    /// A handshake that failed took the socket with it.
    Lost,
}

impl Stream {
    /// A connection that begins in the clear.
    #[must_use]
    pub fn plain(socket: Socket, encryption: Encryption) -> Self {
        Self {
            state: State::Plain(socket),
            encryption,
            security: None,
            deflate: None,
        }
    }

    /// What TLS agreed on; `None` in the clear.
    #[must_use]
    pub fn security(&self) -> Option<&Security> {
        self.security.as_ref()
    }

    /// Puts TLS around the connection, within `limit`.
    pub async fn encrypt(&mut self, limit: Duration) -> Result<(), Error> {
        if self.deflate.is_some() {
            return Err(Error::NoUpgrade);
        }
        let State::Plain(socket) = std::mem::replace(&mut self.state, State::Lost) else {
            return Err(Error::NoUpgrade);
        };
        // Boxed, so that its size is paid only while it lasts.
        let handshake = Box::pin(tokio::time::timeout(
            limit,
            handshake(socket, &self.encryption),
        ));
        let (stream, security) = handshake.await.map_err(|_| Error::SlowHandshake)??;
        self.state = State::Tls(Box::new(stream));
        self.security = Some(security);
        Ok(())
    }

    /// Compresses from here on, both ways.
    pub fn compress(&mut self) -> Result<(), Error> {
        if self.deflate.is_some() {
            return Err(Error::NoUpgrade);
        }
        self.deflate = Some(Box::new(Deflate::new()));
        Ok(())
    }
}

async fn handshake(
    socket: Socket,
    encryption: &Encryption,
) -> Result<(TlsStream<Socket>, Security), Error> {
    let failed = Error::socket(TLS_HANDSHAKE);
    match encryption {
        Encryption::None => Err(Error::NoUpgrade),
        Encryption::Server(identity) => {
            let acceptor = TlsAcceptor::from(identity.config());
            let mut stream = acceptor.accept(socket).await.map_err(failed)?;
            let mut security = tls::settle(stream.get_mut().1);
            security.certified = tls::certified(stream.get_ref().1.peer_certificates());
            Ok((stream.into(), security))
        }
        Encryption::Client(config, name) => {
            let connector = TlsConnector::from(Arc::clone(config));
            let stream = connector.connect(name.clone(), socket).await;
            let mut stream = stream.map_err(failed)?;
            let security = tls::settle(stream.get_mut().1);
            Ok((stream.into(), security))
        }
    }
}

fn lost<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { state, deflate, .. } = self.get_mut();
        match deflate {
            Some(deflate) => deflate.poll_read(cx, buffer, state),
            None => Pin::new(state).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { state, deflate, .. } = self.get_mut();
        match deflate {
            Some(deflate) => deflate.poll_write(cx, octets, state),
            None => Pin::new(state).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { state, deflate, .. } = self.get_mut();
        match deflate {
            Some(deflate) => deflate.poll_flush(cx, state),
            None => Pin::new(state).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { state, deflate, .. } = self.get_mut();
        if let Some(deflate) = deflate {
            std::task::ready!(deflate.poll_flush(cx, state))?;
        }
        Pin::new(state).poll_shutdown(cx)
    }
}

impl AsyncRead for State {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Lost => lost(),
        }
    }
}

impl AsyncWrite for State {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, octets),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Lost => lost(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Lost => lost(),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Lost => lost(),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Memory(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Memory(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Memory(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Memory(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
