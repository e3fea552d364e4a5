//! The store dies, or has no room, in the middle of it all.

use std::sync::Arc;
use std::sync::Mutex;

use ::mail::BlobRange;
use bytes::Bytes;
use server::Protocol;
use store::{
    Batch, Boxed, CommitError, Derived, Direction, Error, Memory, Mentions, Page, Partition,
    RateLimit, Reclaim, Reclaimed, Snapshot, Sought, Stage, Store, Survey, Table, Version,
};

use crate::mail::letter;
use crate::town::{Talk, Town};

/// A store whose commits can be made to fail.
#[derive(Debug, Default)]
struct Mortal {
    memory: Memory,
    failure: Mutex<Option<CommitError>>,
}

impl Store for Mortal {
    fn version(&self, partition: Partition) -> Boxed<'_, Result<Version, Error>> {
        self.memory.version(partition)
    }

    fn get(
        &self,
        partition: Partition,
        table: Table,
        keys: Vec<Bytes>,
    ) -> Boxed<'_, Result<Vec<Option<Bytes>>, Error>> {
        self.memory.get(partition, table, keys)
    }

    fn scan(
        &self,
        partition: Partition,
        table: Table,
        range: (Bytes, Option<Bytes>),
        limit: usize,
        direction: Direction,
    ) -> Boxed<'_, Result<Page, Error>> {
        self.memory.scan(partition, table, range, limit, direction)
    }

    fn stage(&self) -> Box<dyn Stage> {
        self.memory.stage()
    }

    fn read(&self, range: BlobRange) -> Boxed<'_, Result<Bytes, Error>> {
        self.memory.read(range)
    }

    fn sound(&self, sought: Vec<Sought>) -> Boxed<'_, Result<Vec<bool>, Error>> {
        self.memory.sound(sought)
    }

    fn commit(&self, batch: Batch) -> Boxed<'static, Result<(), CommitError>> {
        match self.failure.lock().unwrap().clone() {
            Some(failure) => Box::pin(async { Err(failure) }),
            None => self.memory.commit(batch),
        }
    }

    fn snapshot(&self) -> Boxed<'_, Result<Arc<dyn Snapshot>, Error>> {
        self.memory.snapshot()
    }

    fn derived(&self) -> &dyn Derived {
        self.memory.derived()
    }

    fn survey<'a>(
        &'a self,
        mentions: Mentions,
        limit: &'a dyn RateLimit,
    ) -> Boxed<'a, Result<Survey, Error>> {
        self.memory.survey(mentions, limit)
    }

    fn reclaim<'a>(&'a self, how: Reclaim<'a>) -> Boxed<'a, Result<Reclaimed, Error>> {
        self.memory.reclaim(how)
    }

    fn reclaimed(&self) -> Reclaimed {
        self.memory.reclaimed()
    }
}

/// What a letter is answered with, and afterwards a second one, when commits fail like that.
async fn hand_over(failure: CommitError) -> (Town, [String; 2]) {
    let store = Arc::new(Mortal::default());
    let town = Town::found_upon(store.clone()).await;
    let mut lmtp = town.visit(Protocol::Lmtp).await;
    lmtp.hear("220 ").await;
    lmtp.tell("LHLO other.example.org\r\n", "250 ").await;
    let mut answers = [String::new(), String::new()];
    for (number, answer) in answers.iter_mut().enumerate() {
        // What is dead stays dead.
        let fails = number == 0 || matches!(failure, CommitError::Unknown(_));
        *store.failure.lock().unwrap() = fails.then(|| failure.clone());
        *answer = attempt(&mut lmtp, number).await;
        // A full disk is believed to be full for a moment; a sender tries again.
        while !fails && answer.starts_with("452 ") {
            *answer = attempt(&mut lmtp, number).await;
        }
    }
    (town, answers)
}

async fn attempt(lmtp: &mut Talk, number: usize) -> String {
    lmtp.tell("MAIL FROM:<>\r\n", "250 ").await;
    lmtp.tell("RCPT TO:<alice@example.org>\r\n", "250 ").await;
    lmtp.tell("DATA\r\n", "354 ").await;
    lmtp.tell(&letter(number), "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_defers_mail_until_there_is_room() {
    let (town, answers) = hand_over(CommitError::Full).await;
    assert!(answers[0].starts_with("452 4.3.1 "), "{answers:?}");
    assert!(answers[1].starts_with("250 "), "{answers:?}");
    let (_, stat) = town.collect("alice").await;
    assert!(stat.starts_with("+OK 1 "), "{stat}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_dies_stops_the_server() {
    let unknown = CommitError::Unknown("the disk is gone".to_owned());
    let (mut town, answers) = hand_over(unknown).await;
    assert!(answers[0].starts_with("451 4.3.0 "), "{answers:?}");
    assert!(answers[1].starts_with("451 4.3.0 "), "{answers:?}");
    town.running.store_died().await;
}
