//! Letters that wait: who has them, in which order they are found, what a restart finds.

use bytes::Bytes;
use mail::{QueueId, Timestamp};
use post::queue::diagram::{CRASHES, Stage, Step};
use post::queue::{Attempt, Claimed, Fate, QueueDeed, QueueDone};
use post::{Event, Sought};
use store::{CommitError, Partition, Store as _};

use crate::queue::{
    LETTER, claim_one, is_empty, mail, pass, queue, said, send, send_simply, settle, town,
};
use crate::world::{World, origin, recipient, sender};

#[tokio::test]
async fn a_lease_is_one_persons_and_is_given_back() {
    let world = town().await;
    send_simply(&world, &["x@a.example"]).await;
    let mut news = world.post.queue_news();
    let _seen = world.post.queue_rewound();
    news.mark_unchanged();
    let letter = claim_one(&world, "a.example").await;
    assert!(world.post.claim("a.example", 10).await.unwrap().is_empty());
    assert_eq!(
        queue(&world).await,
        ["1 a.example +0 0 attempting: <x@a.example>"]
    );
    let done = world
        .post
        .change_queue(&[letter.id()], QueueDeed::Drop)
        .await;
    let busy = QueueDone {
        busy: 1,
        ..QueueDone::default()
    };
    assert_eq!(done.unwrap(), busy);
    drop(letter);
    // Whoever looks for what is due is told.
    assert!(news.has_changed().unwrap());
    assert_eq!(world.post.queue_rewound().unwrap().id, QueueId(1));
    drop(claim_one(&world, "a.example").await);
}

#[tokio::test]
async fn what_is_due_is_found_in_order_and_piece_by_piece() {
    let world = town().await;
    send_simply(&world, &["x@a.example", "x@b.example"]).await;
    pass(&world, 10);
    send_simply(&world, &["y@a.example"]).await;
    let sweep = world.post.sweep_queue(None, 2).await.unwrap();
    let found: Vec<_> = sweep.destinations.keys().cloned().collect();
    assert_eq!(
        (found, sweep.more),
        (vec!["a.example".into(), "b.example".into()], true)
    );
    let sweep = world.post.sweep_queue(sweep.last, 2).await.unwrap();
    assert_eq!(
        (sweep.destinations.len(), sweep.more, sweep.next),
        (1, false, None)
    );
    let last = sweep.last;
    let ids = |claimed: &[Claimed]| claimed.iter().map(|one| one.id().0).collect::<Vec<_>>();
    let claimed = world.post.claim("a.example", 1).await.unwrap();
    assert_eq!(ids(&claimed), [1]);
    let others = world.post.claim("a.example", 5).await.unwrap();
    assert_eq!(ids(&others), [3]);
    drop((claimed, others));
    settle(&world, "b.example", &Fate::Deferred(said(451, "Not now"))).await;
    let sweep = world.post.sweep_queue(last, 2).await.unwrap();
    assert!(sweep.destinations.is_empty() && sweep.next.is_some());
}

/// Letters that go after others are due as long as there are any, whoever looked and got none.
#[tokio::test]
async fn who_gets_none_of_those_that_go_after_others_leaves_them_for_the_next() {
    let world = town().await;
    let bulk = format!("Precedence: bulk\r\n{LETTER}");
    for _ in 0..3 {
        let to = [recipient("x@a.example")];
        let sent = send(&world, sender("<ada@example.org>"), &to, &bulk).await;
        sent.unwrap();
    }
    let claim = async |most| world.post.claim("a.example", most).await.unwrap();
    assert!(claim(0).await.is_empty());
    let one = claim(1).await;
    assert_eq!(one.len(), 1);
    let rest = claim(9).await;
    assert_eq!((rest.len(), claim(9).await.len()), (2, 0));
    drop((one, rest));
    assert_eq!(claim(9).await.len(), 3);
}

#[tokio::test]
async fn the_operator_holds_releases_retries_and_drops() {
    let world = town().await;
    send_simply(&world, &["x@a.example"]).await;
    settle(&world, "a.example", &Fate::Deferred(said(451, "Not now"))).await;
    let id = [QueueId(1)];
    let mut told = Vec::new();
    for deed in [
        QueueDeed::Release,
        QueueDeed::Hold,
        QueueDeed::Hold,
        QueueDeed::Retry,
        QueueDeed::Release,
        QueueDeed::Retry,
        QueueDeed::Drop,
        QueueDeed::Drop,
    ] {
        let done = world.post.change_queue(&id, deed).await.unwrap();
        let QueueDone {
            changed,
            unfit,
            missing,
            ..
        } = done;
        told.push((changed, unfit, missing));
        // Whatever was heard of it lately, it is tried at once.
        let urged = matches!(deed, QueueDeed::Retry | QueueDeed::Release) && changed == 1;
        assert_eq!(world.post.queue_urged().contains("a.example"), urged);
        let held = deed == QueueDeed::Hold || told.len() == 4;
        let due = !world.post.claim("a.example", 1).await.unwrap().is_empty();
        assert!(!(held && due), "{deed:?}");
    }
    let (yes, unfit, missing) = ((1, 0, 0), (0, 1, 0), (0, 0, 1));
    assert_eq!(told, [unfit, yes, unfit, unfit, yes, yes, yes, missing]);
    assert!(queue(&world).await.is_empty() && is_empty(&world, "ada").await);
}

#[tokio::test]
async fn the_operator_says_when_a_letter_is_tried_next() {
    let world = town().await;
    send_simply(&world, &["x@a.example", "y@b.example"]).await;
    let begun = world.post.outside().now().seconds;
    let (ids, one) = ([QueueId(1), QueueId(2)], [QueueId(1)]);
    world
        .post
        .change_queue(&[QueueId(2)], QueueDeed::Hold)
        .await
        .unwrap();
    let mut news = world.post.queue_news();
    news.mark_unchanged();
    let done = world
        .post
        .change_queue(&ids, QueueDeed::RetryAt(begun + 900))
        .await;
    let expected = QueueDone {
        changed: 1,
        unfit: 1,
        ..QueueDone::default()
    };
    assert_eq!(done.unwrap(), expected);
    // Whoever hands letters on looks again, at its time.
    assert!(news.has_changed().unwrap());
    assert!(!world.post.queue_urged().contains("a.example"));
    let world = world.again().await;
    let waits = [
        "1 a.example +900 0: <x@a.example>",
        "2 b.example held 0: <y@b.example>",
    ];
    assert_eq!(queue(&world).await, waits);
    pass(&world, 899);
    assert!(world.post.claim("a.example", 1).await.unwrap().is_empty());
    let sweep = world.post.sweep_queue(None, 9).await.unwrap();
    assert!(sweep.destinations.is_empty() && sweep.next.is_some());
    pass(&world, 1);
    drop(claim_one(&world, "a.example").await);
    // It may be moved to an earlier time as well, and not beyond its end.
    for (then, changed) in [(begun + 5000, 1), (begun + 1000, 1)] {
        let done = world
            .post
            .change_queue(&one, QueueDeed::RetryAt(then))
            .await;
        assert_eq!(done.unwrap().changed, changed);
    }
    assert_eq!(queue(&world).await[0], "1 a.example +1000 0: <x@a.example>");
    let end = begun + i64::try_from(world.post.rules().queue.expire.as_secs()).unwrap();
    let done = world.post.change_queue(&one, QueueDeed::RetryAt(end)).await;
    let late = QueueDone {
        late: 1,
        ends: Some(end),
        ..QueueDone::default()
    };
    assert_eq!(done.unwrap(), late);
    let done = world
        .post
        .change_queue(&one, QueueDeed::RetryAt(end - 1))
        .await;
    assert_eq!(done.unwrap().changed, 1);
    let sought = Sought::Queued(QueueId(1));
    let steps = world.post.journeys(&sought, Timestamp::utc(0), None).await;
    let events = steps.unwrap().into_iter().flat_map(|told| told.step.events);
    let waits: Vec<i64> = events
        .filter_map(|event| match event {
            Event::Waits { until, .. } => Some(until - begun),
            _ => None,
        })
        .collect();
    assert_eq!(waits, [900, 5000, 1000, end - 1 - begun]);
}

/// Takes a step with the only letter there is.
async fn walk(world: &World, step: Step) {
    let fate = match step {
        Step::Defer => Some(Fate::Deferred(said(451, "Not now"))),
        Step::Deliver => Some(Fate::Taken(said(250, "OK"))),
        Step::Refuse => Some(Fate::Failed(said(550, "No"))),
        Step::Expire => {
            pass(world, 100_000);
            Some(Fate::Deferred(said(451, "Not now")))
        }
        _ => None,
    };
    if let Some(fate) = fate {
        settle(world, "a.example", &fate).await;
    }
    let then = world.post.outside().now().seconds + 600;
    let deed = match step {
        Step::Retry => Some(QueueDeed::RetryAt(then)),
        Step::Hold => Some(QueueDeed::Hold),
        Step::Release => Some(QueueDeed::Release),
        Step::Drop => Some(QueueDeed::Drop),
        _ => None,
    };
    if let Some(deed) = deed {
        let done = world.post.change_queue(&[QueueId(1)], deed).await;
        done.unwrap();
    }
}

#[tokio::test]
async fn the_drawing_says_what_a_restart_finds() {
    for crash in CRASHES {
        // Up to the arrow, and then the process is gone.
        let world = town().await;
        match crash.from {
            Stage::Spooling => {
                let ada = world.account("ada").await;
                let path = sender("<ada@example.org>");
                let mut letter = world.post.begin(origin(Some(ada)), path).unwrap();
                letter.recipient(recipient("x@a.example")).await.unwrap();
                letter
                    .chunk(Bytes::from_static(LETTER.as_bytes()))
                    .await
                    .unwrap();
                std::mem::forget(letter);
                let world = world.again().await;
                assert!(queue(&world).await.is_empty());
                continue;
            }
            _ => send_simply(&world, &["x@a.example"]).await,
        }
        if crash.from == Stage::Held {
            let held = world
                .post
                .change_queue(&[QueueId(1)], QueueDeed::Hold)
                .await;
            held.unwrap();
        }
        let claimed = match crash.from {
            Stage::Attempting => Some(claim_one(&world, "a.example").await),
            _ => None,
        };
        std::mem::forget(claimed);
        let restarted = world.again().await;
        let found = crash.from.after(Step::Crash).unwrap();
        let expected = match found {
            Stage::Held => "1 a.example held 0: <x@a.example>",
            _ => "1 a.example +0 0: <x@a.example>",
        };
        assert_eq!(queue(&restarted).await, [expected], "{crash:?}");
        // Behind the arrow.
        walk(&restarted, crash.step).await;
        let restarted = restarted.again().await;
        let there = crash.from.after(crash.step).unwrap();
        assert_eq!(
            queue(&restarted).await.is_empty(),
            !there.is_kept(),
            "{crash:?}"
        );
        let reported = matches!(there, Stage::Bounced | Stage::Expired);
        assert_eq!(is_empty(&restarted, "ada").await, !reported, "{crash:?}");
    }
}

#[tokio::test]
async fn what_came_of_a_letter_can_be_written_down_later() {
    let world = town().await;
    send_simply(&world, &["x@a.example"]).await;
    let claimed = claim_one(&world, "a.example").await;
    let attempt = Attempt::all(&claimed.entry, &Fate::Failed(said(550, "No")));
    let attempts = [(claimed, attempt)];
    world.account("ada").await;
    world.store.fail(0, CommitError::Full);
    assert!(world.post.settle_queued(&attempts).await.is_err());
    pass(&world, 10);
    assert!(is_empty(&world, "ada").await);
    // Nobody else has it meanwhile.
    assert!(world.post.claim("a.example", 10).await.unwrap().is_empty());
    world.post.settle_queued(&attempts).await.unwrap();
    drop(attempts);
    assert!(queue(&world).await.is_empty());
    mail(&world, "ada", 1).await;
    // Nothing is left of it but its counts.
    let version = world.store.version(Partition::QUEUE).await.unwrap();
    assert!(version.0 > 0);
    for table in [41, 42, 43].map(store::Table) {
        let all = (Bytes::new(), None);
        let rows = world
            .store
            .scan(Partition::QUEUE, table, all, 10, store::Direction::Rising);
        assert!(rows.await.unwrap().rows.is_empty());
    }
}
