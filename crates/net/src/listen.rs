//! Doors: where connections come in, how many, and how they are shut.
//!
//! Not here: which doors there are and what is spoken behind them (`server`).

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use mail::{ConnId, Network};
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::{Error, Socket, Stop, proxy};

/// How long to wait after the system had no room for another connection.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Who may use a Unix socket: its owner and group.
const UNIX_MODE: u32 = 0o660;

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A network address; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// A door that is open but not yet attended.
#[derive(Debug)]
pub struct Listener {
    socket: Accept,
    endpoint: Endpoint,
    /// Proxies that call for others; without them, whoever calls is who it is.
    proxies: Vec<Network>,
}

#[derive(Debug)]
enum Accept {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The connection's name in logs.
    pub conn: ConnId,
    /// Its network address; `None` for a connection from inside this machine.
    pub address: Option<SocketAddr>,
    /// Our address, as the peer sees it.
    pub local: Option<SocketAddr>,
    /// The number of the user that a connection from inside this machine belongs to.
    pub user: Option<u32>,
}

/// Connections that may wait to be accepted: a burst beyond it has to try again a second later.
const WAITING_MAX: u32 = 4096;

impl Listener {
    /// Opens the door; where a port is taken it tries up to `ports_max` following ones.
    pub async fn bind(wanted: &Endpoint, ports_max: u16) -> Result<Self, Error> {
        match wanted {
            Endpoint::Tcp(address) => {
                let socket = bind_tcp(*address, ports_max);
                let socket = socket.map_err(Error::socket("listen"))?;
                let address = socket.local_addr().map_err(Error::socket("listen"))?;
                Ok(Self {
                    socket: Accept::Tcp(socket),
                    endpoint: Endpoint::Tcp(address),
                    proxies: Vec::new(),
                })
            }
            Endpoint::Unix(path) => {
                let socket = bind_unix(path).map_err(|cause| Error::File {
                    path: path.clone(),
                    cause,
                })?;
                Ok(Self {
                    socket: Accept::Unix(socket),
                    endpoint: wanted.clone(),
                    proxies: Vec::new(),
                })
            }
        }
    }

    /// The same for proxies in these networks, each of which says first for whom it calls; nobody
    /// else is let in. With no network, everybody is, and nobody says anything.
    #[must_use]
    pub fn behind(mut self, proxies: Vec<Network>) -> Self {
        self.proxies = proxies;
        self
    }

    /// Where it really is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// True for a proxy that may call here.
    fn is_behind(&self, ip: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(ip))
    }

    /// Takes the next connection.
    pub async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>, Option<SocketAddr>)> {
        match &self.socket {
            Accept::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // It may be broken already; then it is found out soon enough.
                stream.set_nodelay(true).unwrap_or_default();
                let local = stream.local_addr().ok();
                Ok((Socket::Tcp(stream), Some(peer), local))
            }
            Accept::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), None, None))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Endpoint::Unix(path) = &self.endpoint {
            // It may have been removed by hand; then there is nothing to do.
            std::fs::remove_file(path).unwrap_or_default();
        }
    }
}

fn bind_tcp(mut address: SocketAddr, ports_max: u16) -> io::Result<TcpListener> {
    let mut tries_left = if address.port() == 0 { 0 } else { ports_max };
    loop {
        match listen(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries_left > 0 => {
                tries_left -= 1;
                let Some(next) = address.port().checked_add(1) else {
                    return Err(error);
                };
                address.set_port(next);
            }
            result => return result,
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that starts again need not wait for connections of its former life to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    // A socket nobody answers at was left behind by a server that died.
    let stale = std::os::unix::net::UnixStream::connect(path)
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if stale {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(UNIX_MODE))?;
    Ok(listener)
}

/// How many may be inside: one gate for all doors of a server.
#[derive(Debug)]
pub struct Gate {
    connections_max: usize,
    connections_per_network_max: usize,
    inside: Mutex<Inside>,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Inside {
    total: usize,
    networks: HashMap<IpAddr, usize>,
}

/// The right to be inside, given back when it is dropped.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    network: Option<IpAddr>,
}

impl Gate {
    /// A gate for so many connections, and so many from one IPv4 address or IPv6 /64.
    #[must_use]
    pub fn new(connections_max: usize, connections_per_network_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            connections_per_network_max,
            inside: Mutex::default(),
            next: AtomicU64::new(1),
        })
    }

    /// Lets a connection in, or not; peers on this machine share no limit of their network.
    #[must_use]
    pub fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Pass> {
        let network = address.and_then(network);
        let mut inside = self.lock();
        if inside.total >= self.connections_max {
            return None;
        }
        if !self.count(&mut inside, network) {
            return None;
        }
        inside.total += 1;
        Some(Pass {
            gate: Arc::clone(self),
            network,
        })
    }

    /// How many are inside.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.lock().total
    }

    /// One more of this network, or not.
    fn count(&self, inside: &mut Inside, network: Option<IpAddr>) -> bool {
        let Some(network) = network else { return true };
        let count = inside.networks.entry(network).or_default();
        if *count >= self.connections_per_network_max {
            return false;
        }
        *count += 1;
        true
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// Learns whom a proxy has called for; false if there are too many of that network.
    fn is_of(&mut self, address: IpAddr) -> bool {
        let of = network(address);
        let counted = self.gate.count(&mut self.gate.lock(), of);
        if counted {
            self.network = of;
        }
        counted
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.gate.lock();
        inside.total = inside.total.saturating_sub(1);
        let Some(network) = self.network else { return };
        if let Some(count) = inside.networks.get_mut(&network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                inside.networks.remove(&network);
            }
        }
    }
}

/// What one customer is likely to be: an IPv4 address, or the /64 of an IPv6 address.
///
/// `None` for this machine itself, where a web mail speaks for many.
fn network(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            Some(Ipv6Addr::from(octets).into())
        }
        v4 @ IpAddr::V4(_) => Some(v4),
    }
}

/// Takes as many file descriptors as the system lets us have, and returns how many that are.
///
/// The usual limit of a thousand would be a limit of connections.
pub fn raise_descriptors_max() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if setrlimit(Resource::Nofile, limit).is_err() {
        tracing::debug!("the limit of file descriptors stays as it is");
    }
    getrlimit(Resource::Nofile).current
}

/// Attends a door until it is asked to stop: each connection becomes a task of its own.
///
/// Behind a proxy, a connection is whose the proxy says it is. A connection too many is sent
/// `refusal` and closed. A task that panics ends its connection and
/// nothing else; one that goes on when the grace is over is dropped.
pub async fn serve<F, C>(
    listener: Listener,
    gate: Arc<Gate>,
    refusal: Bytes,
    mut stop: Stop,
    converse: F,
) where
    F: Fn(Socket, Peer, Stop) -> C + Send + Sync + 'static,
    C: Future<Output = ()> + Send + 'static,
{
    let mut exhausted = false;
    let converse = Arc::new(converse);
    loop {
        let arrival = tokio::select! {
            biased;
            () = stop.asked() => return,
            arrival = listener.accept() => arrival,
        };
        let (socket, address, local) = match arrival {
            Ok(arrival) => {
                exhausted = false;
                arrival
            }
            // Whoever came has gone already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                // Once for each spell of it: a flood is not to fill the log as well.
                if !std::mem::replace(&mut exhausted, true) {
                    tracing::warn!(endpoint = ?listener.endpoint(), %error, "cannot accept");
                }
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        let ip = address.map(|address| address.ip());
        let is_proxied = !listener.proxies.is_empty();
        if is_proxied && !ip.is_some_and(|ip| listener.is_behind(ip)) {
            tracing::info!(?address, "no proxy that may call here");
            continue;
        }
        // A proxy is nobody's network: whom it calls for counts once that is known.
        let Some(pass) = gate.enter(ip.filter(|_| !is_proxied)) else {
            tracing::debug!(?address, "too many connections");
            refuse(&socket, &refusal);
            continue;
        };
        let conn = ConnId(gate.next.fetch_add(1, Ordering::Relaxed));
        let peer = Peer {
            conn,
            address,
            local,
            user: socket.user(),
        };
        let stop = stop.clone();
        if is_proxied {
            let (converse, refusal) = (Arc::clone(&converse), refusal.clone());
            tokio::spawn(async move {
                let behind = Box::pin(introduced(socket, peer, pass, &refusal)).await;
                if let Some((socket, peer, pass)) = behind {
                    let conversation = converse(socket, peer, stop.clone());
                    attend(conversation, pass, conn, stop).await;
                }
            });
            continue;
        }
        let conversation = converse(socket, peer, stop.clone());
        tokio::spawn(attend(conversation, pass, conn, stop));
    }
}

/// Hears from a proxy for whom it calls; nothing if it does not say so, or there are too many of
/// these.
async fn introduced(
    mut socket: Socket,
    peer: Peer,
    mut pass: Pass,
    refusal: &[u8],
) -> Option<(Socket, Peer, Pass)> {
    let conn = peer.conn;
    let (source, destination) = match proxy::read(&mut socket).await {
        Ok(proxy::Said::Nothing) => return Some((socket, peer, pass)),
        Ok(proxy::Said::Addresses {
            source,
            destination,
        }) => (source, destination),
        Err(error) => {
            let address = peer.address;
            tracing::info!(%conn, ?address, %error, "a proxy does not say for whom it calls");
            return None;
        }
    };
    if !pass.is_of(source.ip()) {
        tracing::debug!(%source, "too many connections");
        refuse(&socket, refusal);
        return None;
    }
    let peer = Peer {
        address: Some(source),
        local: Some(destination),
        ..peer
    };
    Some((socket, peer, pass))
}

async fn attend<C: Future<Output = ()>>(conversation: C, pass: Pass, conn: ConnId, mut stop: Stop) {
    let mut conversation = pin!(conversation);
    let guarded = poll_fn(|cx| {
        // The conversation is dropped after a panic, so nobody sees what it left half done.
        let polled = catch_unwind(AssertUnwindSafe(|| conversation.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            tracing::error!(%conn, "a connection panicked and was closed");
            Poll::Ready(())
        })
    });
    tokio::select! {
        biased;
        () = guarded => {}
        () = stop.over() => tracing::info!(%conn, "cut off"),
    }
    drop(pass);
}

/// Says why without waiting: whoever does not listen at once learns it from the closed door.
fn refuse(socket: &Socket, refusal: &[u8]) {
    let told = match socket {
        Socket::Tcp(stream) => stream.try_write(refusal),
        Socket::Unix(stream) => stream.try_write(refusal),
        Socket::Memory(_) => Ok(0),
    };
    told.map(|_| ()).unwrap_or_default();
}
