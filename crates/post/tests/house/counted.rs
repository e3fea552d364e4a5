//! What was seen of domains' letters outlives a restart, and goes when it is told.

use std::sync::atomic::Ordering;

use ::trust::Answer;
use post::{Rules, TrustRules};
use store::CommitError;

use crate::queue::{queue, relaying};
use crate::world::World;

const LETTER: &str = "From: Bob <bob@elsewhere.example>\r\nSubject: Tea\r\n\r\nAt five?\r\n";
/// Until the next day begins, from when the world's clock begins.
const EVENING_SECONDS: u64 = 6400;
const DAY_SECONDS: u64 = 86_400;

fn counting() -> Rules {
    Rules {
        trust: TrustRules {
            check: true,
            reports: true,
            ..TrustRules::default()
        },
        ..relaying()
    }
}

/// A world in which a domain wants to hear what is seen of its letters.
async fn town() -> World {
    let world = World::with(&["ada"], counting()).await;
    let record = "v=DMARC1; p=none; rua=mailto:d@elsewhere.example";
    world.made.publish("_dmarc.elsewhere.example", record);
    world
}

/// The same house after a restart, as a server begins.
async fn again(world: &World, rules: Rules) -> World {
    let world = world.again_with(rules).await;
    world.post.read_dmarc_counts().await.unwrap();
    world
}

/// Letters that were seen and are not told of.
fn seen(world: &World) -> u64 {
    let due = world.post.dmarc_reports_due();
    due.iter().map(|one| one.letters).sum()
}

async fn deliver(world: &World, letters: usize) {
    for _ in 0..letters {
        world.deliver(&["ada"], LETTER).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_seen_is_told_whole_and_once() {
    let world = town().await;
    deliver(&world, 2).await;
    let commits = || world.store.done().len();
    let before = commits();
    // One step for all that is new, and none where nothing is.
    for expected in [1, 1] {
        world.post.keep_dmarc_counts().await.unwrap();
        assert_eq!(commits(), before + expected);
    }
    // What a crash costs.
    deliver(&world, 5).await;
    assert_eq!(seen(&world), 7);
    let world = again(&world, counting()).await;
    assert_eq!(seen(&world), 2);
    deliver(&world, 1).await;
    world.post.keep_dmarc_counts().await.unwrap();
    let world = again(&world, counting()).await;
    assert_eq!(seen(&world), 3);
    assert_eq!(world.post.send_dmarc_reports(false).await.unwrap(), 0);

    world.made.seconds.store(EVENING_SECONDS, Ordering::Relaxed);
    world.store.fail(0, CommitError::Failed("no".into()));
    assert!(world.post.send_dmarc_reports(false).await.is_err());
    assert_eq!((seen(&world), queue(&world).await.len()), (3, 0));
    assert_eq!(seen(&again(&world, counting()).await), 3);
    let before = world.store.done().len();
    assert_eq!(world.post.send_dmarc_reports(false).await.unwrap(), 1);
    // The report comes and what it tells of goes in one step.
    assert_eq!(world.store.done().len(), before + 1);
    assert_eq!((seen(&world), queue(&world).await.len()), (0, 1));
    world.post.keep_dmarc_counts().await.unwrap();
    let world = again(&world, counting()).await;
    assert_eq!((seen(&world), queue(&world).await.len()), (0, 1));
}

#[tokio::test]
async fn what_cannot_be_told_waits_for_a_week() {
    let world = town().await;
    deliver(&world, 1).await;
    world.post.keep_dmarc_counts().await.unwrap();
    let tell = async |seconds| {
        world.made.seconds.store(seconds, Ordering::Relaxed);
        world.post.send_dmarc_reports(false).await.unwrap()
    };
    world.made.silent.store(true, Ordering::Relaxed);
    for days in 0..7 {
        assert_eq!(tell(EVENING_SECONDS + days * DAY_SECONDS).await, 0);
        assert_eq!(seen(&world), 1, "{days}");
    }
    assert_eq!(tell(EVENING_SECONDS + 7 * DAY_SECONDS).await, 0);
    assert_eq!(seen(&world), 0);
    assert_eq!(seen(&again(&world, counting()).await), 0);
}

#[tokio::test]
async fn what_nobody_wants_to_hear_is_forgotten() {
    let world = town().await;
    let stranger = "v=DMARC1; p=none; rua=mailto:d@stranger.example";
    world.made.publish("_dmarc.elsewhere.example", stranger);
    deliver(&world, 1).await;
    world.post.keep_dmarc_counts().await.unwrap();
    let nobody = "elsewhere.example._report._dmarc.stranger.example TXT";
    world.made.say(nobody, Answer::NoSuchName);
    assert_eq!(world.post.send_dmarc_reports(true).await.unwrap(), 0);
    assert_eq!(seen(&again(&world, counting()).await), 0);
    // So is what was counted, where counting is turned off.
    deliver(&world, 1).await;
    world.post.keep_dmarc_counts().await.unwrap();
    assert_eq!(seen(&again(&world, counting()).await), 1);
    let mut quiet = counting();
    quiet.trust.reports = false;
    again(&world, quiet).await;
    assert_eq!(seen(&again(&world, counting()).await), 0);
}
