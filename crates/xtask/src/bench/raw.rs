//! The limit of the machine: appending the same octets and syncing them in groups, and the least
//! that a durable answer costs.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};

/// Octets that are written before, so that no append grows the file.
const WRITTEN_OCTETS: usize = 16 << 20;

/// Messages a second when `group` messages of `octets` each share one append and one fdatasync.
pub(crate) fn appends(folder: &Path, octets: usize, group: usize, messages: usize) -> Result<f64> {
    let path = folder.join("raw");
    let mut file = File::create(&path).context("creating the raw file")?;
    let piece = vec![0x5a_u8; octets * group];
    let begun = Instant::now();
    for _ in 0..messages.div_ceil(group) {
        file.write_all(&piece).context("appending")?;
        file.sync_data().context("syncing")?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    std::fs::remove_file(&path).context("removing the raw file")?;
    let messages = u32::try_from(messages.div_ceil(group) * group).unwrap_or(u32::MAX);
    Ok(f64::from(messages) / seconds)
}

/// Microseconds of processor time for each of so many answers of one thread that does nothing but
/// hear a message, write it over octets of a file, sync it and say so.
pub(crate) fn answers(folder: &Path, message: &str, count: usize) -> Result<f64> {
    let path = folder.join("raw");
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .context("creating the raw file")?;
    file.write_all_at(&vec![0; WRITTEN_OCTETS], 0)?;
    file.sync_all().context("syncing")?;
    let door = TcpListener::bind("127.0.0.1:0")?;
    let mut peer = TcpStream::connect(door.local_addr()?)?;
    peer.set_nodelay(true)?;
    let octets = message.len();
    let server = thread::spawn(move || -> Result<u64> {
        let (mut heard, _) = door.accept()?;
        heard.set_nodelay(true)?;
        let mut buffer = vec![0; octets];
        let before = own_nanoseconds()?;
        for at in (0..WRITTEN_OCTETS - octets)
            .step_by(octets)
            .cycle()
            .take(count)
        {
            heard.read_exact(&mut buffer)?;
            file.write_all_at(&buffer, u64::try_from(at)?)?;
            file.sync_data().context("syncing")?;
            heard.write_all(b"OK\r\n")?;
        }
        Ok(own_nanoseconds()? - before)
    });
    let mut answer = [0; 4];
    for _ in 0..count {
        peer.write_all(message.as_bytes())?;
        peer.read_exact(&mut answer)?;
    }
    let nanoseconds = server
        .join()
        .map_err(|_| anyhow!("the raw server panicked"))??;
    std::fs::remove_file(&path).context("removing the raw file")?;
    let [nanoseconds, count] = [nanoseconds, u64::try_from(count)?]
        .map(|n| f64::from(u32::try_from(n).unwrap_or(u32::MAX)));
    Ok(nanoseconds / count / 1000.0)
}

/// The processor time that this thread has taken.
fn own_nanoseconds() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next().context("schedstat")?;
    first.parse().context("schedstat")
}
