//! The audit beside the work: rounds through all accounts, slowly, and what the command line asks
//! of it at once; what is dead is freed there as well, and what is too old to be undone forgotten.
//! On a thread of its own that lets all others go first.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use net::Stop;
use post::{Audit, Pace, Post};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::control::administer;
use crate::reclaim::{self, ReclaimRhythm};

/// Of so many messages each round reads one whole: so many rounds have read them all.
pub(crate) const EVERY: u64 = 64;
/// How often operations are looked at that may be too old or too many to be remembered.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// How often what was seen of domains' letters is written down.
const COUNTS_EVERY: Duration = Duration::from_secs(60);
/// Waits shorter than this are put together.
const WAIT_MIN: Duration = Duration::from_millis(50);
/// Calls of the command line that wait for their turn.
const CALLS_MAX: usize = 16;

/// How the audit goes on beside the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditRhythm {
    /// How long one round through all accounts takes; zero for no rounds.
    pub round: Duration,
    /// Octets it reads in a second at most.
    pub octets_per_second: u64,
}

/// A call of the command line, and where its answer goes.
struct Call {
    method: String,
    arguments: Value,
    answer: oneshot::Sender<Result<Value, Value>>,
}

/// Hands calls to the audit's thread.
#[derive(Clone, Debug)]
pub(crate) struct Auditor(mpsc::Sender<Call>);

impl Auditor {
    /// Starts the thread.
    pub(crate) fn start(
        post: Post,
        (rhythm, reclaim): (AuditRhythm, ReclaimRhythm),
        mut stop: Stop,
    ) -> Self {
        let (sender, calls) = mpsc::channel(CALLS_MAX);
        let runtime = Handle::current();
        let work = move || {
            net::let_others_go_first();
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = stop.asked() => {}
                    () = rounds(&post, rhythm) => {}
                    () = reclaim::rounds(&post, reclaim) => {}
                    () = forget(&post) => {}
                    () = write_counts(&post) => {}
                    () = answer(&post, calls) => {}
                }
            });
        };
        if let Err(error) = thread::Builder::new().name("audit".into()).spawn(work) {
            tracing::warn!(%error, "nothing is audited");
        }
        Self(sender)
    }

    /// Asks it something; what is returned may wait for long.
    pub(crate) async fn ask(
        &self,
        method: &str,
        arguments: &Value,
    ) -> Option<Result<Value, Value>> {
        let (answer, answered) = oneshot::channel();
        let call = Call {
            method: method.to_owned(),
            arguments: arguments.clone(),
            answer,
        };
        self.0.send(call).await.ok()?;
        answered.await.ok()
    }
}

async fn answer(post: &Post, mut calls: mpsc::Receiver<Call>) {
    while let Some(call) = calls.recv().await {
        let answer = administer(post, &call.method, &call.arguments).await;
        // Whoever asked may have gone.
        drop(call.answer.send(answer));
    }
}

/// Lets accounts forget what they need not remember any longer, and domains know what was seen of
/// their letters, again and again.
async fn forget(post: &Post) {
    loop {
        sleep_until(Instant::now() + FORGET_EVERY).await;
        let failed = |error: post::Error| tracing::warn!(%error, "not all was forgotten");
        match post.forget_accounts().await {
            Ok(0) => {}
            Ok(accounts) => tracing::info!(accounts, "removed accounts were erased"),
            Err(error) => failed(error),
        }
        if let Err(error) = post.forget_journeys(None).await {
            failed(error);
        }
        if let Err(error) = post.forget_suppressed().await {
            failed(error);
        }
        if let Err(error) = post.send_dmarc_reports(false).await {
            tracing::warn!(%error, "not all reports of DMARC were sent");
        }
        for account in post.accounts() {
            if let Err(error) = post.forget_journeys(Some(account.id)).await {
                failed(error);
            }
            match post.forget_operations(account.id).await {
                Ok(0) => {}
                Ok(operations) => {
                    let account = account.id.0;
                    tracing::debug!(account, operations, "operations were forgotten");
                }
                Err(error) => failed(error),
            }
        }
    }
}

/// Writes down what was seen of domains' letters, again and again; what the end brings is the
/// server's to write.
async fn write_counts(post: &Post) {
    loop {
        sleep_until(Instant::now() + COUNTS_EVERY).await;
        if let Err(error) = post.keep_dmarc_counts().await {
            tracing::warn!(%error, "what was seen of domains' letters is not written down yet");
        }
    }
}

/// One round after the other, for ever.
async fn rounds(post: &Post, rhythm: AuditRhythm) {
    if rhythm.round.is_zero() {
        return std::future::pending().await;
    }
    let mut turn = [0; 8];
    post.outside().fill(&mut turn);
    let mut turn = u64::from_be_bytes(turn);
    loop {
        round(post, rhythm, turn).await;
        post.audit_round_done();
        turn = turn.wrapping_add(1);
    }
}

/// Each account in its turn, so that the work is spread over the time of the round.
async fn round(post: &Post, rhythm: AuditRhythm, turn: u64) {
    let begun = Instant::now();
    let pace = Rate::of(rhythm.octets_per_second);
    let audit = Audit {
        every: EVERY,
        turn,
        repairs: true,
        pace: &pace,
    };
    let accounts = post.accounts();
    let parts = u32::try_from(accounts.len() + 2).unwrap_or(u32::MAX);
    let share = rhythm.round / parts;
    sleep_until(begun + share).await;
    let failed = |error: post::Error| tracing::warn!(%error, "an audit was not finished");
    post.audit_directory(&audit)
        .await
        .map(drop)
        .unwrap_or_else(failed);
    for (account, number) in accounts.into_iter().zip(2..) {
        sleep_until(begun + share * number).await;
        let done = post.audit_account(account.id, &audit).await;
        done.map(drop).unwrap_or_else(failed);
    }
    sleep_until(begun + rhythm.round).await;
}

/// So many octets in a second.
#[derive(Debug)]
pub(crate) struct Rate {
    octets_per_second: u64,
    /// When what was read so far may have been read.
    due: Mutex<Instant>,
}

impl Rate {
    pub(crate) fn of(octets_per_second: u64) -> Self {
        Self {
            octets_per_second: octets_per_second.max(1),
            due: Mutex::new(Instant::now()),
        }
    }

    fn due(&self, octets: u64) -> Instant {
        let nanos = octets.saturating_mul(1_000_000_000) / self.octets_per_second;
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        *due = (*due).max(Instant::now()) + Duration::from_nanos(nanos);
        *due
    }
}

impl Pace for Rate {
    fn spend(&self, octets: u64) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let due = self.due(octets);
        Box::pin(async move {
            if due.saturating_duration_since(Instant::now()) >= WAIT_MIN {
                sleep_until(due).await;
            }
        })
    }
}
