//! The crash argument of each arrow of the queue's drawing (`post::queue::diagram`), tried: the
//! power goes at each operation of the disk that the arrow needs, or at each moment of the talk.
//!
//! What is found then is what the drawing says is there before or after, and nothing else; what
//! was said to be done is found; and from there the letter comes to its end, its sender told once
//! at the most.

use std::sync::Arc;
use std::time::Duration;

use mail::Enhanced;
use post::Post;
use post::queue::{Attempt, Claimed, Fate, QueueDeed, Said};

use super::{Told, open, reports, submit};
use crate::client::Trouble;
use crate::disk::{Failure, Fault, SimDisk, Then};
use crate::house::House;
use crate::{Dice, Trace, fill};

/// The arrows, in the drawing's order; the last two are one step from two stages.
pub const ARROWS: [&str; 12] = [
    "commit",
    "answer",
    "claim",
    "defer",
    "deliver",
    "refuse",
    "expire",
    "retry",
    "hold",
    "release",
    "drop",
    "drop what is held",
];

const HOST: &str = "a.far.example";
/// Longer than any letter waits.
const TOO_LONG: Duration = Duration::from_secs(7 * 3600);
/// How much later a letter is tried where that is said, in seconds.
const LATER_SECONDS: i64 = 3600;
/// Between moments at which a talk is cut.
const MOMENT: Duration = Duration::from_millis(2);

/// Where the letter is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Gone,
    Due,
    Later,
    Held,
}

/// What is there before an arrow and after it, and the reports that are there then.
fn ends(arrow: &str) -> (Found, Found, usize) {
    match arrow {
        "commit" | "answer" => (Found::Gone, Found::Due, 0),
        "claim" => (Found::Due, Found::Due, 0),
        "defer" | "retry" => (Found::Due, Found::Later, 0),
        "refuse" | "expire" => (Found::Due, Found::Gone, 1),
        "hold" => (Found::Due, Found::Held, 0),
        "release" => (Found::Held, Found::Due, 0),
        "drop what is held" => (Found::Held, Found::Gone, 0),
        _ => (Found::Due, Found::Gone, 0),
    }
}

/// Cuts an arrow at each place where it can be; says at how many.
///
/// # Errors
/// Says what was not as it must be.
pub fn cut_at_each(arrow: &str) -> Result<u64, String> {
    for place in 0.. {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let cut = runtime.block_on(cut(arrow, place));
        if !cut.map_err(|what| format!("{arrow}, cut at {place}: {what}"))? {
            return Ok(place);
        }
    }
    Ok(0)
}

/// True if there was something to cut.
async fn cut(arrow: &str, place: u64) -> Result<bool, String> {
    let (dice, trace) = (Dice::new(place, arrow), Trace::default());
    let begun = tokio::time::Instant::now();
    let disk = SimDisk::new(Dice::new(place, "a disk"), trace.clone());
    let house = open(disk, dice.clone(), trace.clone()).await?;
    house.furnish().await?;
    let (before, after, reported) = ends(arrow);
    if before != Found::Gone && hand_in(&house).await != Told::Taken {
        return Err("nothing is there to begin with".to_owned());
    }
    if before == Found::Held {
        alter(&house.post, QueueDeed::Hold).await?;
    }
    if arrow == "expire" {
        tokio::time::sleep(TOO_LONG).await;
    }
    if found(&house.post).await? != before {
        return Err("it does not begin where it should".to_owned());
    }
    let mut was_cut = true;
    let told = if arrow == "answer" {
        let moments = u32::try_from(place).unwrap_or(u32::MAX);
        let cut = tokio::time::sleep(MOMENT.saturating_mul(moments));
        tokio::select! {
            biased;
            told = hand_in(&house) => {
                was_cut = false;
                told
            }
            () = cut => Told::Nothing,
        }
    } else {
        house.disk.fail(Some(Fault {
            kind: None,
            passing: place,
            failure: Failure::Broken,
            then: Then::Fail,
        }));
        let told = act(&house, arrow).await?;
        was_cut = house.disk.failed().is_some();
        told
    };
    let disk = Arc::new(house).kill().await?;
    let lived = begun.elapsed();
    let house = open(disk, dice, trace).await?;
    // Its clock begins anew.
    tokio::time::sleep(lived).await;
    let now = found(&house.post).await?;
    let seen = reports(&house, 0).await?.len();
    let what = format!("{told:?}, then {now:?} with {seen} reports");
    let fits = match told {
        Told::Taken => now == after,
        Told::Refused => now == before,
        Told::Nothing => now == before || now == after,
    };
    let is_told = reported == 0 || (now == after) == (seen == reported);
    if !fits || !is_told || seen > reported {
        return Err(what);
    }
    // From there it goes on.
    if now == before && before != after && act(&house, arrow).await? != Told::Taken {
        return Err(format!("{what}; it does not go on"));
    }
    let (end, seen) = (found(&house.post).await?, reports(&house, 0).await?.len());
    if end != after || seen != reported {
        return Err(format!("{what}; in the end {end:?} with {seen} reports"));
    }
    Arc::new(house).close().await?;
    Ok(was_cut)
}

async fn hand_in(house: &House) -> Told {
    let to = [format!("x@{HOST}")];
    match submit(house, 0, &to, &fill::letter("letter-1", 700)).await {
        Ok(true) => Told::Taken,
        Ok(false) => Told::Refused,
        Err(Trouble::Lost | Trouble::Wrong(_)) => Told::Nothing,
    }
}

/// Walks the arrow.
async fn act(house: &House, arrow: &str) -> Result<Told, String> {
    let post = &house.post;
    let done = match arrow {
        "commit" | "answer" => return Ok(hand_in(house).await),
        "claim" => claim(post).await.map(drop),
        "retry" => {
            let then = post.outside().now().seconds + LATER_SECONDS;
            alter(post, QueueDeed::RetryAt(then)).await
        }
        "hold" => alter(post, QueueDeed::Hold).await,
        "release" => alter(post, QueueDeed::Release).await,
        "drop" | "drop what is held" => alter(post, QueueDeed::Drop).await,
        _ => settle(post, arrow).await,
    };
    Ok(match done {
        Ok(()) => Told::Taken,
        Err(_) if house.has_stopped() => Told::Nothing,
        Err(_) => Told::Refused,
    })
}

async fn claim(post: &Post) -> Result<Claimed, String> {
    let claimed = post
        .claim(HOST, 1)
        .await
        .map_err(|error| error.to_string())?;
    let claimed = claimed.into_iter().next();
    claimed.ok_or_else(|| "nothing can be claimed".to_owned())
}

async fn settle(post: &Post, arrow: &str) -> Result<(), String> {
    let claimed = claim(post).await?;
    let said = |status, text: &str| Said {
        host: Some(HOST.to_owned()),
        code: None,
        status,
        text: text.to_owned(),
    };
    let fate = match arrow {
        "deliver" => Fate::Taken(said(Enhanced::new(2, 0, 0), "OK")),
        "refuse" => Fate::Failed(said(Enhanced::new(5, 1, 1), "Never")),
        _ => Fate::Deferred(said(Enhanced::new(4, 4, 2), "Not now")),
    };
    let attempt = Attempt::all(&claimed.entry, &fate);
    let settled = post.settle_queued(&[(claimed, attempt)]).await;
    settled.map_err(|error| error.to_string())
}

async fn alter(post: &Post, deed: QueueDeed) -> Result<(), String> {
    let page = post
        .queue(None, 10)
        .await
        .map_err(|error| error.to_string())?;
    let ids: Vec<_> = page.letters.iter().map(|(id, _, _)| *id).collect();
    let done = post.change_queue(&ids, deed).await;
    match done.map_err(|error| error.to_string())?.changed {
        1 => Ok(()),
        count => Err(format!("{count} letters were changed")),
    }
}

async fn found(post: &Post) -> Result<Found, String> {
    let page = post
        .queue(None, 10)
        .await
        .map_err(|error| error.to_string())?;
    let [(_, entry, _)] = page.letters.as_slice() else {
        return match page.letters.len() {
            0 => Ok(Found::Gone),
            count => Err(format!("{count} letters are in the queue")),
        };
    };
    // Only what is due can be swept.
    let sweep = post
        .sweep_queue(None, 10)
        .await
        .map_err(|error| error.to_string())?;
    let is_due = sweep.destinations.contains_key(HOST);
    Ok(match (entry.due, is_due) {
        (None, false) => Found::Held,
        (Some(_), true) => Found::Due,
        (Some(_), false) => Found::Later,
        (None, true) => return Err("it is held and due".to_owned()),
    })
}
