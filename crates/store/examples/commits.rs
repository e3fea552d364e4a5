//! How many deliveries a second the store makes durable, beside what the disk could do at most.
//!
//! `cargo run --release -p store --example commits -- DIRECTORY [SECONDS]`
//!
//! A delivery is a blob and eight small rows. The limit is the same number of octets, gathered by
//! the same rule, appended to one file and synced, with no rows kept anywhere.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use store::{
    Batch, Embedded, EmbeddedSettings, Partition, Staged, Store, Table, Version, Write, Writes,
};
use tokio::sync::oneshot;

/// Rows of one delivery: table, octets of the value.
const ROWS: [(u8, usize); 8] = [
    (1, 60),
    (2, 500),
    (3, 24),
    (4, 16),
    (5, 24),
    (6, 120),
    (7, 20),
    (8, 16),
];

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
type Waiting = (Bytes, oneshot::Sender<()>);

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("name a directory to work in")?;
    let seconds = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let time = Duration::from_secs(seconds);
    println!("mail     clients    limit/s    store/s  of limit  a group  octets/payload");
    for (name, mixed) in [("4 KiB", false), ("mixed", true)] {
        for clients in [1, 16, 64, 256] {
            let work = tempfile::tempdir_in(&dir)?;
            let limit = limit(work.path(), clients, mixed, time).await?;
            let (rate, group, octets) = store(work.path(), clients, mixed, time).await?;
            let share = rate / limit;
            print!("{name:8} {clients:7} {limit:10.0} {rate:10.0}");
            println!(" {share:9.2} {group:8.1} {octets:15.2}");
        }
    }
    Ok(())
}

/// Deliveries a second, the mean size of a group, and octets written for each octet of payload.
async fn store(dir: &Path, clients: u64, mixed: bool, time: Duration) -> Outcome<(f64, f64, f64)> {
    let store = Embedded::open(&dir.join("store"), EmbeddedSettings::default())?;
    let end = Instant::now() + time;
    let tasks = (0..clients).map(|client| {
        let store = store.clone();
        tokio::spawn(async move {
            let (mut done, mut payload) = (0, 0);
            while Instant::now() < end {
                let body = body(client, done, mixed);
                payload += body.len() as u64;
                store.commit(delivery(client, done, body)).await?;
                done += 1;
            }
            Outcome::Ok((done, payload))
        })
    });
    let (mut done, mut payload) = (0, 0);
    for task in tasks.collect::<Vec<_>>() {
        let (deliveries, octets) = task.await??;
        done += deliveries;
        payload += octets;
    }
    let stats = store.stats();
    let group = real(stats.commits) / real(stats.groups);
    Ok((
        real(done) / time.as_secs_f64(),
        group,
        real(stats.log_octets) / real(payload),
    ))
}

/// Deliveries a second, if nothing but their octets were kept.
async fn limit(dir: &Path, clients: u64, mixed: bool, time: Duration) -> Outcome<f64> {
    let (queue, inbox) = channel::<Waiting>();
    let file = File::create(dir.join("raw"))?;
    let writer = std::thread::spawn(move || append(file, &inbox));
    let end = Instant::now() + time;
    let tasks = (0..clients).map(|client| {
        let queue = queue.clone();
        tokio::spawn(async move {
            let mut done = 0;
            while Instant::now() < end {
                let (answer, written) = oneshot::channel();
                queue.send((body(client, done, mixed), answer))?;
                written.await?;
                done += 1;
            }
            Outcome::Ok(done)
        })
    });
    let mut done = 0;
    for task in tasks.collect::<Vec<_>>() {
        done += task.await??;
    }
    drop(queue);
    writer.join().map_err(|_| "the writer panicked")??;
    Ok(real(done) / time.as_secs_f64())
}

fn append(mut file: File, inbox: &Receiver<Waiting>) -> Outcome<()> {
    let mut buffer = Vec::new();
    while let Ok((body, answer)) = inbox.recv() {
        buffer.clear();
        buffer.extend_from_slice(&body);
        let mut answers = vec![answer];
        while let Ok((body, answer)) = inbox.try_recv() {
            buffer.extend_from_slice(&body);
            answers.push(answer);
        }
        file.write_all(&buffer)?;
        file.sync_data()?;
        for answer in answers {
            answer.send(()).map_err(|()| "nobody waits")?;
        }
    }
    Ok(())
}

/// A body that no other delivery has.
fn body(client: u64, n: u64, mixed: bool) -> Bytes {
    let len = match (mixed, (client + n) % 33) {
        (true, 0) => 1 << 20,
        (true, 1..5) => 75 << 10,
        (true, 5..13) => 20 << 10,
        _ => 4 << 10,
    };
    let mut octets = vec![b'x'; len];
    for (octet, byte) in octets
        .iter_mut()
        .zip([client, n].map(u64::to_be_bytes).concat())
    {
        *octet = byte;
    }
    octets.into()
}

fn delivery(client: u64, n: u64, body: Bytes) -> Batch {
    // Each client has twenty accounts and delivers to them in turn.
    let partition = Partition(client * 20 + n % 20);
    let from = n / 20;
    let row = |(table, len): (u8, usize)| Write::Put {
        table: Table(table),
        key: Bytes::copy_from_slice(&if table < 4 { from } else { 0 }.to_be_bytes()),
        value: vec![b'v'; len].into(),
    };
    Batch {
        parts: vec![Writes {
            partition,
            from: Version(from),
            writes: ROWS.map(row).to_vec(),
        }],
        blobs: vec![Staged::of(body)],
    }
}

fn real(n: u64) -> f64 {
    u32::try_from(n).map_or(n as f64, f64::from)
}
