//! The store's turn.

use std::path::Path;
use std::time::{Duration, Instant};

use store::{Embedded, EmbeddedSettings, Store as _};

use crate::load::Load;
use crate::{Meter, Outcome, Turn, real};

/// Commits for so long, from so many tasks.
pub(crate) async fn turn(dir: &Path, load: Load, committers: u64, time: Duration) -> Outcome<Turn> {
    let store = Embedded::open(&dir.join("store"), EmbeddedSettings::default())?;
    let meter = Meter::now()?;
    let end = Instant::now() + time;
    let tasks = (0..committers).map(|committer| {
        let store = store.clone();
        tokio::spawn(async move {
            let (mut done, mut payload) = (0, 0);
            while Instant::now() < end {
                let octets = load.octets(committer, done);
                payload += octets.len() as u64;
                store.commit(load.batch(committer, done, octets)).await?;
                done += 1;
            }
            Outcome::Ok((done, payload))
        })
    });
    let mut turn = Turn::default();
    for task in tasks.collect::<Vec<_>>() {
        let (done, payload) = task.await??;
        turn.done += done;
        turn.payload += payload;
    }
    let stats = store.stats();
    turn.group = real(stats.commits) / real(stats.groups);
    meter.since(turn)
}
