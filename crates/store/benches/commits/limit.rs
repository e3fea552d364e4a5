//! The disk's turn: the same octets, gathered by the same rule, appended to one file and synced,
//! with no rows kept anywhere.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::load::Load;
use crate::{Meter, Outcome, Turn};

type Waiting = (Bytes, oneshot::Sender<()>);

/// Appends for so long, for so many tasks.
pub(crate) async fn turn(dir: &Path, load: Load, committers: u64, time: Duration) -> Outcome<Turn> {
    let (queue, inbox) = channel::<Waiting>();
    let path = dir.join("limit");
    let file = File::create(&path)?;
    let writer = std::thread::spawn(move || append(file, &inbox));
    let meter = Meter::now()?;
    let end = Instant::now() + time;
    let tasks = (0..committers).map(|committer| {
        let queue = queue.clone();
        tokio::spawn(async move {
            let mut done = 0;
            while Instant::now() < end {
                let (answer, written) = oneshot::channel();
                queue.send((load.octets(committer, done), answer))?;
                written.await?;
                done += 1;
            }
            Outcome::Ok(done)
        })
    });
    let mut turn = Turn::default();
    for task in tasks.collect::<Vec<_>>() {
        turn.done += task.await??;
    }
    drop(queue);
    writer.join().map_err(|_| "the writer panicked")??;
    std::fs::remove_file(path)?;
    meter.since(turn)
}

fn append(mut file: File, inbox: &Receiver<Waiting>) -> Outcome<()> {
    let mut buffer = Vec::new();
    while let Ok((octets, answer)) = inbox.recv() {
        buffer.clear();
        buffer.extend_from_slice(&octets);
        let mut answers = vec![answer];
        while let Ok((octets, answer)) = inbox.try_recv() {
            buffer.extend_from_slice(&octets);
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
