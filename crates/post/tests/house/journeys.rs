//! What is remembered of letters: each step in the batch of what it tells.

use std::time::Duration;

use mail::{JourneyId, Timestamp};
use post::queue::Fate;
use post::{Event, JourneyTold, Rules, Sought};
use store::CommitError;

use crate::filter::runs;
use crate::queue::{pass, relaying, said, send_simply, settle, town};
use crate::world::World;

/// What happened, a line for each event: where, and what.
async fn told(world: &World, sought: &Sought) -> Vec<String> {
    let steps = world.post.journeys(sought, Timestamp::utc(0), None).await;
    let steps = steps.unwrap();
    steps.iter().flat_map(lines).collect()
}

fn lines(told: &JourneyTold) -> Vec<String> {
    let place = match told.account {
        Some(_) => "account",
        None => "queue",
    };
    let events = told.step.events.iter();
    let line = |event: &Event| match event {
        Event::Arrived(arrival) => format!(
            "{} for {} by {}: {}",
            arrival.from,
            arrival.to.join(" "),
            arrival.protocol,
            arrival.subject
        ),
        Event::Filtered { deed, cause } => format!("{deed} by {cause}"),
        Event::Filed { mailbox, uid } => format!("{mailbox} {uid}"),
        Event::Queued { recipients, .. } => format!("queued {}", recipients.join(" ")),
        Event::Attempted { result, said, .. } => format!("{} {said}", result.name()),
        Event::Waits { .. } => "waits".to_owned(),
        Event::Handled { deed, .. } => deed.clone(),
        Event::Unfiled => "unfiled".to_owned(),
        Event::Checked(_) | Event::ScriptFailed(_) | Event::Judged { .. } => format!("{event:?}"),
    };
    events
        .map(|event| format!("{place}: {}", line(event)))
        .collect()
}

fn named(name: &str) -> Sought {
    Sought::Named(name.to_owned())
}

#[tokio::test]
async fn the_story_of_a_letter_for_here_and_elsewhere() {
    let world = town().await;
    let ada = world.account("ada").await;
    runs(&ada, "require \"fileinto\"; fileinto \"Archive\";").await;
    send_simply(&world, &["ada@example.org", "x@a.example"]).await;
    settle(&world, "a.example", &Fate::Deferred(said(451, "later"))).await;
    pass(&world, 600);
    settle(&world, "a.example", &Fate::Taken(said(250, "yes"))).await;
    let story = told(&world, &named("X@a.example")).await;
    let arrived = story
        .first()
        .unwrap()
        .split_once(": ")
        .unwrap()
        .1
        .to_owned();
    assert!(
        arrived.contains("for <ada@example.org> <x@a.example> by ESMTP"),
        "{arrived}"
    );
    let expected = [
        format!("account: {arrived}"),
        "account: fileinto by main:1".into(),
        "account: Archive 1".into(),
        format!("queue: {arrived}"),
        "queue: queued <x@a.example>".into(),
        "queue: deferred mx.a.example said: 451 4.1.1 later".into(),
        "queue: waits".into(),
        "queue: delivered mx.a.example said: 250 2.1.1 yes".into(),
    ];
    assert_eq!(story, expected);
    assert_eq!(told(&world, &named("ada@example.org")).await, story);
    assert_eq!(told(&world, &named("nobody@a.example")).await, [""; 0]);
    // Others are not told of.
    send_simply(&world, &["eve@example.org"]).await;
    assert_eq!(told(&world, &named("x@a.example")).await, story);
    let all = world
        .post
        .journeys(&named("ada@example.org"), Timestamp::utc(0), None)
        .await;
    let journey = all.unwrap().first().unwrap().step.journey;
    assert_eq!(told(&world, &Sought::Journey(journey)).await, story);
    let other = JourneyId(journey.0.wrapping_add(1));
    assert_eq!(told(&world, &Sought::Journey(other)).await, [""; 0]);
}

#[tokio::test]
async fn nothing_is_told_that_did_not_happen() {
    let world = town().await;
    world.account("ada").await;
    world.store.fail(0, CommitError::Full);
    assert!(
        world
            .deliver(&["ada"], "Subject: Tea\r\n\r\nx\r\n")
            .await
            .is_err()
    );
    assert_eq!(
        told(&world, &Sought::Words(vec!["tea".into()])).await,
        [""; 0]
    );
    let again = world.again().await;
    assert_eq!(
        told(&again, &Sought::Words(vec!["tea".into()])).await,
        [""; 0]
    );
}

#[tokio::test]
async fn what_is_too_old_is_forgotten() {
    let world = town().await;
    send_simply(&world, &["ada@example.org", "x@a.example"]).await;
    let window = relaying().journeys_kept.as_secs();
    let ada = world.account("ada").await.id();
    pass(&world, window);
    for place in [None, Some(ada)] {
        assert_eq!(world.post.forget_journeys(place).await.unwrap(), 0);
    }
    pass(&world, 1);
    for place in [None, Some(ada)] {
        assert_eq!(world.post.forget_journeys(place).await.unwrap(), 1);
    }
    assert_eq!(told(&world, &named("ada@example.org")).await, [""; 0]);
}

#[tokio::test]
async fn where_nothing_is_to_be_remembered_nothing_is() {
    let rules = Rules {
        journeys_kept: Duration::ZERO,
        ..relaying()
    };
    let world = World::with(&["ada", "eve"], rules).await;
    send_simply(&world, &["ada@example.org", "x@a.example"]).await;
    assert_eq!(told(&world, &named("ada@example.org")).await, [""; 0]);
}
