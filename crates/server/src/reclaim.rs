//! Frees what is dead beside the work, round after round, and what the command line asks of it.
//!
//! Not here: what is dead (`post`), how it is freed (`store`).

use std::time::Duration;

use post::{AtOnce, Post, Reclaimed, Survey, Use};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::audit::Rate;

/// So long what is dead can still be read by those who were reading it, at most.
const GRACE: Duration = Duration::from_secs(60);

/// How what is dead is freed beside the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReclaimRhythm {
    /// How long it rests between two rounds; zero for no rounds.
    pub every: Duration,
    /// Octets it reads and writes in a second at most.
    pub octets_per_second: u64,
}

impl ReclaimRhythm {
    /// How long what is dead can still be read. Whoever frees every second waits no minute.
    fn grace(self) -> Duration {
        GRACE.min(self.every)
    }
}

/// One round after the other, for ever.
pub(crate) async fn rounds(post: &Post, rhythm: ReclaimRhythm) {
    if rhythm.every.is_zero() {
        return std::future::pending().await;
    }
    loop {
        sleep(rhythm.every).await;
        let pace = Rate::of(rhythm.octets_per_second);
        match post.reclaim(&pace, rhythm.grace()).await {
            Ok(done) => tracing::info!(
                forgotten = done.forgotten,
                files = done.files,
                freed_octets = done.freed_octets,
                copied_octets = done.copied_octets,
                compressed = done.compressed,
                "what was dead is freed"
            ),
            Err(error) => tracing::warn!(%error, "not all that is dead was freed"),
        }
    }
}

/// Does it now. Where nobody else has the store open, nobody is reading what is dead.
pub(crate) async fn now(post: &Post, is_alone: bool) -> post::Outcome<Value> {
    let grace = if is_alone { Duration::ZERO } else { GRACE };
    let done = post.reclaim(&AtOnce, grace).await?;
    Ok(reclaimed(&done))
}

/// What was freed, for programs.
pub(crate) fn reclaimed(done: &Reclaimed) -> Value {
    json!({
        "sweeps": done.sweeps,
        "forgotten": done.forgotten,
        "forgottenOctets": done.forgotten_octets,
        "files": done.files,
        "freedOctets": done.freed_octets,
        "copiedOctets": done.copied_octets,
        "snapshotOctets": done.snapshot_octets,
        "compressed": done.compressed,
        "compressedFromOctets": done.compressed_from_octets,
        "compressedToOctets": done.compressed_to_octets,
    })
}

/// What is used and what is dead, for programs.
pub(crate) fn survey(survey: &Survey) -> Value {
    let used = |used: &Use| {
        json!({
            "live": used.live,
            "liveOctets": used.live_octets,
            "dead": used.dead,
            "deadOctets": used.dead_octets,
        })
    };
    let segments = survey.segments.iter().map(|segment| {
        json!({
            "number": segment.number,
            "octets": segment.octets,
            "storedOctets": segment.stored_octets,
            "liveOctets": segment.live_octets,
        })
    });
    json!({
        "segments": segments.collect::<Vec<_>>(),
        "bodies": used(&survey.bodies),
        "letters": used(&survey.blobs),
        "rowOctets": survey.row_octets,
        "unreadable": survey.unreadable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dead_stays_for_a_minute_or_for_a_rest() {
        let grace = |seconds| {
            let rhythm = ReclaimRhythm {
                every: Duration::from_secs(seconds),
                octets_per_second: 1,
            };
            rhythm.grace().as_secs()
        };
        assert_eq!([6 * 3600, 61, 60, 1].map(grace), [60, 60, 60, 1]);
    }
}
