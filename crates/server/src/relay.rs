//! The relay: takes what is due out of the queue and hands it to other hosts.
//!
//! In memory there are destinations that have something due, never letters but those that are being
//! carried. A destination that is dead or slow costs the others nothing: each has its own pace.
//!
//! Not here: what a letter's fate means (`post::queue`), what is said to other hosts (`smtp`).
//!
//! RFC 5321 §4.5.4.1 (sending strategy), §5.1.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mail::{Instant, QueueId, ReversePath, TlsWish};
use net::{Authorities, ClientConfig, Clock, Stop};
use post::queue::{Entry, Place};
use post::{Outside, Post};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

mod contact;
mod guard;
mod hosts;
mod pace;
mod policies;
mod postman;
mod refresh;
mod reports;
mod results;
mod routes;
mod seven_bit;
mod talk;

use contact::Contact;
use pace::{Mood, Pace};
use policies::Policies;
use results::Results;
use routes::Course;
pub use routes::{Reach, RelayProtocol, RelayRoute, RelaySettings, RelayTls, SmartHost, Sources};

/// Destinations that are in memory; what is due for others waits.
const DESTINATIONS_MAX: usize = 10_000;
/// Letters that a sweep looks at in one step.
const SWEEP_LETTERS: usize = 500;
/// Letters that are taken for one conversation at first; it fetches more by itself.
const TAKEN_LETTERS: usize = 5;
/// How long the relay sleeps at most.
const IDLE: Duration = Duration::from_secs(60);
/// How long to wait before what could not be written is written again.
const SETTLE_PAUSE: Duration = Duration::from_secs(1);

/// What all conversations share.
#[derive(Debug)]
struct Relay {
    post: Post,
    settings: RelaySettings,
    /// What we call ourselves.
    own: String,
    /// Whom hosts are trusted by that policies are fetched from; nothing where nobody is.
    trust: Option<Arc<ClientConfig>>,
    /// What domains want of TLS.
    policies: Policies,
    /// What came of it.
    results: Results,
    clock: Clock,
    stop: Stop,
    /// A destination may be given more connections.
    grown: Notify,
}

/// A destination that has something due, or had lately.
#[derive(Debug, Default)]
struct Line {
    pace: Pace,
    /// Conversations that go on, those that linger included.
    talking: usize,
    contact: Arc<Contact>,
    /// True if something may be due.
    due: bool,
}

/// What is on its way.
#[derive(Debug, Default)]
struct Lines {
    lines: BTreeMap<String, Line>,
    /// Behind which destination the next turn begins, so that each gets its own.
    turn: String,
    /// How far the sweep is.
    swept: Option<Place>,
    /// True if there may be something behind that.
    more: bool,
    /// When something is due next, in seconds since 1970.
    next: Option<i64>,
}

/// Hands letters on until it is asked to stop.
///
/// # Errors
/// If TLS cannot be prepared.
pub(crate) fn start(
    post: Post,
    settings: RelaySettings,
    clock: Clock,
    stop: Stop,
) -> Result<(), net::Error> {
    let trust = settings.tls.authorities.as_ref();
    let trust = trust.map(Authorities::trusting).transpose()?;
    let relay = Arc::new(Relay {
        trust,
        policies: Policies::default(),
        results: Results::default(),
        own: post.rules().host.to_ascii(),
        post,
        settings,
        clock,
        stop,
        grown: Notify::new(),
    });
    if let Some(from) = relay.settings.tls.reports.clone() {
        tokio::spawn(reports::run(Arc::clone(&relay), from));
    }
    tokio::spawn(run(relay));
    Ok(())
}

impl Relay {
    /// The way a letter takes.
    fn course(&self, entry: &Entry) -> Course {
        let (via, sources) = self.settings.way(&entry.reverse_path, &entry.destination);
        Course {
            sources,
            wish: match (entry.tls, &entry.reverse_path) {
                // Nobody listens within this machine.
                _ if via.as_ref().is_some_and(|via| via.socket().is_some()) => TlsWish::Usual,
                // RFC 8689 §5: a report is not lost for that.
                (TlsWish::Required, ReversePath::Null) => TlsWish::Usual,
                (wish, _) => wish,
            },
            via,
        }
    }
}

/// A number by chance.
fn dice(outside: &dyn Outside) -> u64 {
    let mut dice = [0; 8];
    outside.fill(&mut dice);
    u64::from_be_bytes(dice)
}

async fn run(relay: Arc<Relay>) {
    let outside = relay.post.outside();
    match relay.post.kept_policies().await {
        Ok(kept) => {
            let now = outside.now().seconds;
            relay.policies.fill(kept, now, || dice(outside.as_ref()));
        }
        Err(error) => tracing::error!(%error, "what domains want of TLS cannot be read"),
    }
    if relay.trust.is_some() && relay.settings.tls.mta_sts {
        tokio::spawn(refresh::run(Arc::clone(&relay)));
    }
    let (mut stop, mut news) = (relay.stop.clone(), relay.post.queue_news());
    let mut talks: JoinSet<(String, Mood)> = JoinSet::new();
    let mut lines = Lines {
        more: true,
        ..Lines::default()
    };
    loop {
        news.mark_unchanged();
        if let Err(error) = lines.turn(&relay, &mut talks).await {
            tracing::error!(%error, "the queue cannot be read");
        }
        let pause = lines.pause(&relay);
        tokio::select! {
            biased;
            () = stop.asked() => break,
            Some(ended) = talks.join_next(), if !talks.is_empty() => lines.hear(&relay, ended),
            () = relay.grown.notified() => {}
            changed = news.changed() => if changed.is_err() { break },
            () = sleep(pause) => {}
        }
    }
    // Each comes to its end behind the letter that it is carrying. A host that takes longer than
    // the grace is left: what it says then nobody hears, and it gets the letter again.
    let ended = async { while talks.join_next().await.is_some() {} };
    let in_time = tokio::select! {
        biased;
        () = ended => true,
        () = stop.over() => false,
    };
    if !in_time {
        talks.shutdown().await;
    }
    relay.write_results().await;
    relay.write_policies().await;
}

impl Line {
    /// True if it may be given letters now.
    fn admits(&self, now: Instant) -> bool {
        let idle = self.contact.is_waiting() && self.pace.rest(now).is_none();
        idle || self.pace.admits(self.talking, now)
    }
}

impl Lines {
    /// Looks what is due, and begins conversations.
    async fn turn(
        &mut self,
        relay: &Arc<Relay>,
        talks: &mut JoinSet<(String, Mood)>,
    ) -> post::Outcome<()> {
        if let Some(place) = relay.post.queue_rewound() {
            let before = Place {
                id: QueueId(place.id.0.saturating_sub(1)),
                ..place
            };
            if self.swept.is_none_or(|swept| before < swept) {
                self.swept = Some(before);
            }
            self.more = true;
        }
        for name in relay.post.queue_urged() {
            if let Some(line) = self.lines.get_mut(&name) {
                line.pace.wake();
            }
        }
        if self
            .next
            .is_some_and(|next| next <= relay.post.outside().now().seconds)
        {
            self.more = true;
        }
        while self.more && self.lines.len() < DESTINATIONS_MAX {
            let sweep = relay.post.sweep_queue(self.swept, SWEEP_LETTERS).await?;
            for destination in sweep.destinations.into_keys() {
                self.lines.entry(destination).or_default().due = true;
            }
            self.swept = sweep.last.or(self.swept);
            (self.more, self.next) = (sweep.more, sweep.next);
        }
        self.begin(relay, talks).await?;
        let now = relay.clock.now();
        self.lines
            .retain(|_, line| line.due || line.talking > 0 || line.pace.rest(now).is_some());
        Ok(())
    }

    /// Gives each destination that has something due as many conversations as its pace allows.
    async fn begin(
        &mut self,
        relay: &Arc<Relay>,
        talks: &mut JoinSet<(String, Mood)>,
    ) -> post::Outcome<()> {
        let behind = self.lines.range(std::mem::take(&mut self.turn)..);
        let behind: Vec<String> = behind.map(|(name, _)| name.clone()).collect();
        let first = self.lines.keys().take(self.lines.len() - behind.len());
        let order: Vec<String> = behind.iter().chain(first).cloned().collect();
        for name in order {
            let Some(line) = self.lines.get_mut(&name) else {
                continue;
            };
            let most = relay.settings.connections_per_destination_max;
            // Without this, it hears of no more of them.
            if !line.pace.is_full(most) {
                line.pace.grow(line.contact.taken(), most);
            }
            while line.due && line.admits(relay.clock.now()) {
                if talks.len() >= relay.settings.connections_max && !line.contact.is_waiting() {
                    self.turn = name;
                    return Ok(());
                }
                let letters = relay.post.claim(&name, TAKEN_LETTERS).await?;
                if letters.is_empty() {
                    line.due = false;
                    break;
                }
                let Err(letters) = line.contact.give(letters, |entry| relay.course(entry)) else {
                    continue;
                };
                line.talking += 1;
                let (relay, name) = (Arc::clone(relay), name.clone());
                // While many destinations have conversations, none keeps its place for nothing.
                let lingers = talks.len() < relay.settings.connections_max / 2;
                let contact = Arc::clone(&line.contact);
                talks.spawn(async move {
                    let talk = talk::talk(&relay, &name, letters, (&contact, lingers));
                    let mood = Box::pin(talk).await;
                    (name, mood)
                });
            }
        }
        Ok(())
    }

    /// Hears how a conversation went.
    fn hear(&mut self, relay: &Relay, ended: Result<(String, Mood), tokio::task::JoinError>) {
        let (name, mood) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // Its letters are due again; which destination it was nobody knows any more.
                tracing::error!(%error, "a conversation broke down");
                for line in self.lines.values_mut() {
                    (line.talking, line.due) = (0, true);
                }
                return;
            }
        };
        let Some(line) = self.lines.get_mut(&name) else {
            return;
        };
        line.talking = line.talking.saturating_sub(1);
        // What it did not get to is due again.
        line.due = true;
        let most = relay.settings.connections_per_destination_max;
        let waits = &relay.post.rules().queue.retry;
        if mood != Mood::Willing {
            line.contact.taken();
        }
        line.pace.hear(mood, most, waits, relay.clock.now());
    }

    /// How long there is nothing to do, unless something happens.
    fn pause(&self, relay: &Relay) -> Duration {
        let now: Instant = relay.clock.now();
        let rests = self.lines.values().filter(|line| line.due);
        let rests = rests.filter_map(|line| line.pace.rest(now));
        let rest = rests.min().map(|until| until.since(now));
        let seconds = relay.post.outside().now().seconds;
        let next = self.next.map(|next| {
            let seconds = u64::try_from(next.saturating_sub(seconds)).unwrap_or_default();
            Duration::from_secs(seconds.max(1))
        });
        [rest, next]
            .into_iter()
            .flatten()
            .min()
            .map_or(IDLE, |wait| wait.min(IDLE))
    }
}
