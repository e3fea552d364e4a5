//! Ports for programs that have to be told theirs, and cannot say which one they took.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::sync::{Mutex, PoisonError};

/// Below what the kernel gives to those who ask for any port, and above what services have.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// Names held by this process; the kernel lets them go when it ends.
static HELD: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// An address that nobody listens at, and that no other test is given while this process runs.
///
/// # Errors
/// Where there is none left.
pub fn free_address() -> io::Result<SocketAddr> {
    let count = u32::from(PORTS.end - PORTS.start);
    // Processes with numbers side by side begin far from each other.
    let first = std::process::id().wrapping_mul(37) % count;
    let ports = (0..count).map(|more| (first + more) % count);
    for port in ports.filter_map(|port| u16::try_from(port).ok()) {
        let port = PORTS.start + port;
        let name = UnixAddr::from_abstract_name(format!("caramel-test-port-{port}"))?;
        let Ok(held) = UnixListener::bind_addr(&name) else {
            continue;
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            let mut all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(held);
            return Ok(address);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free"))
}
