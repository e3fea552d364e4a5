//! Mail that is fetched from elsewhere, by POP3 and IMAP, or asked for by ETRN and ODMR: once when
//! somebody wants it, or from time to time.
//!
//! Not here: what is known of a source and moves with its messages (`post::Fetching`), what the
//! protocols say (`pop3`, `imap`), where sources are configured (the binary).
//!
//! A source is asked by one at a time. Whatever happens to it, the next attempt comes by itself,
//! later each time that it fails: nothing is lost by waiting, and nobody's account is locked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mail::{FlagSet, Timestamp};
use net::Stop;
use post::{Account, FetchMark, Fetched, Post};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

mod imap;
mod job;
mod letter;
mod line;
mod pop3;
mod secret;
mod source;
mod trouble;
mod turn;

pub use imap::Talk as ImapTalk;
use job::{Job, Tally};
pub use source::{Preserves, Source, SourceProtocol, SourceSecret, SourceTls, When};
pub use trouble::Trouble;
use trouble::TroubleKind;
use turn::Wanted;

/// Sources that are fetched at the same time; those that only wait for news do not count.
const SOURCES_AT_ONCE_MAX: usize = 8;
/// How long one session may take. What it has not got to is the next one's.
const SESSION_MAX: Duration = Duration::from_secs(3600);
/// How long a source is let alone at most that cannot be fetched.
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// The same where somebody has to mend something first: at least, and at most.
const LASTING_PAUSE_MIN: Duration = Duration::from_secs(15 * 60);
const LASTING_PAUSE_MAX: Duration = Duration::from_secs(6 * 3600);
/// Asked jobs that are remembered when they are done.
const ASKED_MAX: usize = 1000;

/// Fetches mail. Cheap to clone: all clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    post: Post,
    turns: Arc<Semaphore>,
    /// Sources that are looked after by themselves.
    own: Mutex<BTreeMap<String, Arc<Job>>>,
    /// Sources that somebody asked for.
    asked: Mutex<BTreeMap<String, Arc<Job>>>,
    tasks: Mutex<JoinSet<()>>,
}

/// One source on its way.
struct Errand<'a> {
    post: &'a Post,
    source: &'a Source,
    account: Account,
    job: &'a Job,
    tally: &'a Tally,
    turns: Arc<Semaphore>,
    /// Its turn; none while it only waits for news.
    turn: Mutex<Option<OwnedSemaphorePermit>>,
    /// What of its messages is noted in its own row.
    noted: Mutex<u64>,
}

impl Fetcher {
    pub(crate) fn new(post: Post) -> Self {
        Self(Arc::new(Inner {
            post,
            turns: Arc::new(Semaphore::new(SOURCES_AT_ONCE_MAX)),
            own: Mutex::default(),
            asked: Mutex::default(),
            tasks: Mutex::default(),
        }))
    }

    /// Looks after these until everyone is asked to stop.
    pub(crate) fn look_after(&self, sources: &[Source], stop: &Stop) {
        for source in sources
            .iter()
            .filter(|one| one.idle || one.interval_seconds > 0)
        {
            let job = Arc::new(Job::default());
            lock(&self.0.own).insert(source.name.clone(), Arc::clone(&job));
            let (inner, source, mut stop) = (Arc::clone(&self.0), source.clone(), stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    biased;
                    // Cut off at any moment it goes on where it was.
                    () = stop.asked() => {}
                    () = inner.look_after(&source, &job) => {}
                }
            });
        }
    }

    /// Cuts off what somebody asked for.
    pub(crate) fn abandon(&self) {
        lock(&self.0.tasks).abort_all();
    }

    /// Carries out one method; an `Err` is a description.
    pub(crate) async fn carry_out(
        &self,
        method: &str,
        arguments: &Value,
    ) -> Option<Result<Value, String>> {
        Some(match method {
            "Fetch/run" => read(arguments.get("source")).and_then(|source| self.run(source)),
            "Fetch/progress" => {
                let name = arguments
                    .get("name")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let asked = lock(&self.0.asked).get(name).cloned();
                let job = asked.ok_or_else(|| format!("{name} has not been asked for"));
                job.map(|job| json!({ "working": job.is_working(), "job": job.told() }))
            }
            "Fetch/check" => match read(arguments.get("source")) {
                Ok(source) => Ok(self.0.check(&source).await),
                Err(wrong) => Err(wrong),
            },
            "Fetch/status" => {
                let sources = arguments.get("sources").and_then(Value::as_array);
                let mut list = Vec::new();
                for source in sources.into_iter().flatten() {
                    match read(Some(source)) {
                        Ok(source) => list.push(self.0.status(&source).await),
                        Err(wrong) => return Some(Err(wrong)),
                    }
                }
                Ok(json!({ "list": list }))
            }
            _ => return None,
        })
    }

    /// Begins to fetch a source once.
    fn run(&self, source: Source) -> Result<Value, String> {
        let job = Arc::new(Job::default());
        {
            let mut asked = lock(&self.0.asked);
            if asked.get(&source.name).is_some_and(|job| job.is_working()) {
                return Err(format!("{} is being fetched already", source.name));
            }
            if asked.len() >= ASKED_MAX {
                asked.retain(|_, job| job.is_working());
            }
            asked.insert(source.name.clone(), Arc::clone(&job));
        }
        let inner = Arc::clone(&self.0);
        let mut tasks = lock(&self.0.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            // How it went is told by the job.
            drop(inner.once(&source, &job, false).await);
        });
        Ok(json!({}))
    }
}

fn read(source: Option<&Value>) -> Result<Source, String> {
    let source = source.cloned().unwrap_or_default();
    serde_json::from_value(source).map_err(|error| format!("This is not a source: {error}"))
}

impl Inner {
    /// Fetches a source again and again.
    async fn look_after(&self, source: &Source, job: &Job) {
        let mut failures = 0_u32;
        loop {
            let before = job.tally.messages_filed();
            let ended = self.once(source, job, source.idle).await;
            failures = match &ended {
                Ok(()) => 0,
                // Where something came, what stopped it is not what it always is.
                Err(_) if job.tally.messages_filed() > before => 1,
                Err(_) => failures.saturating_add(1),
            };
            let pause = pause(
                source,
                failures,
                ended.as_ref().err().map(|trouble| trouble.kind),
            );
            let seconds = i64::try_from(pause.as_secs()).unwrap_or(i64::MAX);
            let now = self.post.outside().now();
            job.wait_until(Timestamp::utc(now.seconds.saturating_add(seconds)));
            sleep(pause).await;
        }
    }

    /// Fetches a source: once, or as long as it tells of more.
    async fn once(&self, source: &Source, job: &Job, idles: bool) -> Result<(), Trouble> {
        let ended = self.session(source, job, idles).await;
        if let Err(trouble) = &ended {
            tracing::warn!(
                source = source.name,
                trouble = trouble.line(),
                "not fetched"
            );
        }
        job.rest(self.post.outside().now(), &ended);
        ended
    }

    async fn session(&self, source: &Source, job: &Job, idles: bool) -> Result<(), Trouble> {
        if source.protocol.is_asked_for() {
            let turn = Arc::clone(&self.turns).acquire_owned().await;
            job.work();
            let asked = turn::ask(&self.post, source, &job.tally, Wanted::Mail);
            let said = in_time(source, asked).await;
            drop(turn);
            return said.map(|said| job.hear(said));
        }
        let errand = self.errand(source, job).await?;
        errand.go_on().await;
        let ended = match source.protocol {
            SourceProtocol::Imap if idles => imap::session::on(&errand).await,
            SourceProtocol::Imap => in_time(source, imap::session::once(&errand)).await,
            _ => in_time(source, pop3::session::once(&errand)).await,
        };
        errand.settle(ended.as_ref().err()).await;
        ended
    }

    async fn errand<'a>(&'a self, source: &'a Source, job: &'a Job) -> Result<Errand<'a>, Trouble> {
        let Some(address) = source.account() else {
            let what = format!("{} is not an address", source.to);
            return Err(Trouble::new(TroubleKind::Lasting, what).next("to = \"ada@example.org\""));
        };
        let account = self.post.account_at(&address).await;
        Ok(Errand {
            post: &self.post,
            source,
            account: account.map_err(|error| Trouble::post(source, &error))?,
            job,
            tally: &job.tally,
            turns: Arc::clone(&self.turns),
            turn: Mutex::default(),
            noted: Mutex::new(job.tally.messages_filed()),
        })
    }

    /// Logs in at a source and looks what is there.
    async fn check(&self, source: &Source) -> Value {
        let job = Job::default();
        let looked = async {
            if source.protocol.is_asked_for() {
                turn::ask(&self.post, source, &job.tally, Wanted::Nothing).await?;
                return Ok(json!({ "folders": [], "idle": false }));
            }
            let errand = self.errand(source, &job).await?;
            match source.protocol {
                SourceProtocol::Imap => imap::session::look(&errand).await,
                _ => pop3::session::look(&errand).await,
            }
        };
        match looked.await {
            Ok(told) => json!({ "found": told }),
            Err(trouble) => json!({ "trouble": trouble.told() }),
        }
    }

    /// How a source stands: what is kept of it, and what is being done.
    async fn status(&self, source: &Source) -> Value {
        let own = lock(&self.own).get(&source.name).cloned();
        let asked = lock(&self.asked).get(&source.name).cloned();
        let mark = match source.account() {
            Some(address) => match self.post.account_at(&address).await {
                Ok(account) => account.fetch_mark(source.id()).await.ok().flatten(),
                Err(_) => None,
            },
            None => None,
        };
        json!({
            "name": source.name,
            "protocol": source.protocol.name(),
            "kept": mark.map(|mark| json!({
                "fetched": mark.fetched,
                "skipped": mark.skipped,
                "owed": mark.owed,
                "last": mark.last.map(|last| last.seconds),
                "trouble": mark.trouble,
            })),
            "own": own.map(|job| job.told()),
            "asked": asked.filter(|job| job.is_working()).map(|job| job.told()),
        })
    }
}

async fn in_time<T>(
    source: &Source,
    session: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let ended = timeout(SESSION_MAX, session).await;
    ended.unwrap_or_else(|_| Err(Trouble::vanished(source, "its hour is over")))
}

/// How long a source is let alone.
fn pause(source: &Source, failures: u32, kind: Option<TroubleKind>) -> Duration {
    let interval = match source.interval() {
        Duration::ZERO => PAUSE_MAX,
        interval => interval,
    };
    let doubled = |first: Duration| first.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let pause = match kind {
        None => interval,
        Some(TroubleKind::Passing) => {
            let first = interval.min(Duration::from_secs(60));
            doubled(first).min(PAUSE_MAX.max(interval))
        }
        Some(TroubleKind::Lasting | TroubleKind::Login) => {
            doubled(interval.max(LASTING_PAUSE_MIN)).min(LASTING_PAUSE_MAX.max(interval))
        }
    };
    // What failed together is not tried together for ever.
    let mut chance = [0; 1];
    getrandom::fill(&mut chance).unwrap_or_default();
    pause + pause / 8 * u32::from(chance.first().copied().unwrap_or_default()) / 256
}

impl Errand<'_> {
    fn now(&self) -> Timestamp {
        self.post.outside().now()
    }

    /// Messages of one mailbox that are fetched at a time.
    fn messages_max(&self) -> usize {
        let most = self.source.messages_max.unwrap_or(u64::MAX);
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// Octets of the largest message that an account here may get.
    fn octets_max(&self) -> u64 {
        self.post.rules().message_octets_max
    }

    /// What a message's header tells; what else is known is the caller's to say.
    fn letter(&self, beginning: &[u8], peer: IpAddr) -> Fetched {
        let recipients = match &self.source.envelope {
            Some(field) => letter::recipients(beginning, field),
            None => Vec::new(),
        };
        Fetched {
            into: self.source.destination(&["INBOX".to_owned()], None),
            flags: FlagSet::new(),
            date: None,
            reverse_path: letter::reverse_path(beginning),
            recipients,
            peer,
            note: None,
            through: None,
        }
    }

    /// All is fetched, and the source tells of more: others have their turn meanwhile.
    async fn rest(&self) {
        self.settle(None).await;
        self.job.watch(self.now());
        drop(lock(&self.turn).take());
    }

    /// Waits for its turn.
    async fn go_on(&self) {
        if lock(&self.turn).is_some() {
            return;
        }
        // Nobody closes it.
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        *lock(&self.turn) = turn;
        self.job.work();
    }

    /// Notes how it went, where that is news.
    async fn settle(&self, trouble: Option<&Trouble>) {
        let Ok(mut fetching) = self.account.fetching(self.source.id()).await else {
            return;
        };
        let filed = self.tally.messages_filed();
        let more = filed.saturating_sub(std::mem::replace(&mut *lock(&self.noted), filed));
        let before = fetching.mark().clone();
        let left = self.tally.messages_left();
        let (skipped, owed) = left.unwrap_or((before.skipped, before.owed));
        let mut mark = FetchMark {
            fetched: before.fetched.saturating_add(more),
            skipped,
            owed,
            trouble: trouble.map(Trouble::line).unwrap_or_default(),
            ..before.clone()
        };
        if mark == before && before.last.is_some() {
            return;
        }
        if trouble.is_none() {
            mark.last = Some(self.now());
        }
        if let Err(error) = fetching.note(&[], mark).await {
            tracing::warn!(source = self.source.name, %error, "how it went is not noted");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_is_asked_less_often() {
        let source = source::tests::source();
        let seconds = |failures, kind| {
            let pause = pause(&source, failures, kind).as_secs();
            // Without what chance adds.
            (pause * 8 / 9, pause)
        };
        for (failures, kind, expected) in [
            (0, None, 300),
            (1, Some(TroubleKind::Passing), 60),
            (2, Some(TroubleKind::Passing), 120),
            (60, Some(TroubleKind::Passing), 3600),
            (1, Some(TroubleKind::Login), 900),
            (3, Some(TroubleKind::Lasting), 3600),
            (60, Some(TroubleKind::Login), 21_600),
        ] {
            let (least, most) = seconds(failures, kind);
            let within = least <= expected && expected <= most;
            assert!(within, "{failures} {kind:?} {least} {most}");
        }
    }
}
