//! A made-up world: a clock that stands, chance that repeats, a store that waits and fails.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use mail::{
    Address, BlobRange, BodyType, Flag, FlagSet, ForwardPath, Host, Instant, MailboxId, Recipient,
    ReversePath, Timestamp, Uid, UidSet,
};
use post::{
    Account, AtOnce, Audit, Data, Error, FetchPlan, Form, Item, Origin, Outcome, Outside, Post,
    Protocol, Recount, Rules, Sender, UndoRules,
};
use store::{
    Batch, Boxed, CommitError, Derived, Direction, Memory, Mentions, Page, Partition, RateLimit,
    Reclaim, Reclaimed, Snapshot, Sought, Stage, Store, Survey, Table, Version, Write,
};
use tokio::sync::oneshot;
use trust::{Answer, Question, Record};

pub(crate) const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// A clock that moves when it is told to, and chance that repeats.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) seconds: AtomicU64,
    dice: AtomicU64,
    /// How often heavy work was done.
    pub(crate) heavy: AtomicU64,
    /// True while heavy work never ends.
    pub(crate) stalls: AtomicBool,
    /// What DNS says; of all other names, that they do not exist.
    pub(crate) names: Mutex<HashMap<String, Answer>>,
    /// What it was asked.
    pub(crate) asked: Mutex<Vec<String>>,
    /// True while it does not answer.
    pub(crate) silent: AtomicBool,
}

impl Made {
    /// Publishes a text.
    pub(crate) fn publish(&self, name: &str, text: &str) {
        let answer = Answer::Records(vec![Record::Txt(text.into())]);
        self.say(&format!("{name} TXT"), answer);
    }

    /// Answers a question from now on.
    pub(crate) fn say(&self, question: &str, answer: Answer) {
        self.names
            .lock()
            .unwrap()
            .insert(question.to_owned(), answer);
    }
}

impl Outside for Made {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.seconds.load(Ordering::Relaxed)).unwrap();
        Timestamp::utc(1_700_000_000 + passed)
    }

    fn instant(&self) -> Instant {
        Instant(Duration::from_secs(self.seconds.load(Ordering::Relaxed)))
    }

    fn fill(&self, octets: &mut [u8]) {
        for octet in octets {
            let throw = self
                .dice
                .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *octet = throw.to_be_bytes()[1];
        }
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Boxed<'a, Answer> {
        let question = question.to_string();
        let known = self.names.lock().unwrap().get(&question).cloned();
        self.asked.lock().unwrap().push(question);
        let answer = match self.silent.load(Ordering::Relaxed) {
            true => Answer::Failed,
            false => known.unwrap_or(Answer::NoSuchName),
        };
        Box::pin(async { answer })
    }

    fn run_heavy(&self, work: Box<dyn FnOnce() + Send>) {
        self.heavy.fetch_add(1, Ordering::Relaxed);
        if self.stalls.load(Ordering::Relaxed) {
            std::mem::forget(work);
        } else {
            work();
        }
    }

    fn detach(&self, work: Boxed<'static, ()>) {
        tokio::spawn(work);
    }
}

/// A store in memory whose commits can be held back and made to fail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moody {
    memory: Memory,
    mood: Arc<Mutex<Mood>>,
    /// How many pieces of blobs were read.
    pub(crate) reads: Arc<AtomicU64>,
    /// How often rows were asked for.
    pub(crate) looks: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Mood {
    held: bool,
    waiting: VecDeque<(Batch, oneshot::Sender<Result<(), CommitError>>)>,
    /// Which of the commits to come fails, counted from 0, and how.
    fails: Option<(u64, CommitError)>,
    /// What was committed.
    done: Vec<Batch>,
    /// After which of the versions to be read, counted from 1, all commits that wait go.
    releases: usize,
}

impl Moody {
    /// Holds all commits back from now on.
    pub(crate) fn hold(&self) {
        self.mood.lock().unwrap().held = true;
    }

    /// Lets all commits that wait go, in order, and all that come.
    pub(crate) fn release(&self) {
        let waiting = {
            let mut mood = self.mood.lock().unwrap();
            mood.held = false;
            std::mem::take(&mut mood.waiting)
        };
        for (batch, done) in waiting {
            drop(done.send(self.carry_out(batch)));
        }
    }

    /// Lets all commits that wait go just after the nth version was read from now on.
    pub(crate) fn release_behind_version(&self, nth: usize) {
        self.mood.lock().unwrap().releases = nth;
    }

    /// How many commits wait.
    pub(crate) fn waiting(&self) -> usize {
        self.mood.lock().unwrap().waiting.len()
    }

    /// Makes one of the commits to come fail.
    pub(crate) fn fail(&self, nth: u64, error: CommitError) {
        self.mood.lock().unwrap().fails = Some((nth, error));
    }

    /// The batches committed, from the first.
    pub(crate) fn done(&self) -> Vec<Batch> {
        self.mood.lock().unwrap().done.clone()
    }

    fn carry_out(&self, batch: Batch) -> Result<(), CommitError> {
        let mut mood = self.mood.lock().unwrap();
        match mood.fails.take() {
            Some((0, error)) => return Err(error),
            Some((nth, error)) => mood.fails = Some((nth - 1, error)),
            None => {}
        }
        mood.done.push(batch.clone());
        let result = std::pin::pin!(self.memory.commit(batch));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match result.poll(&mut context) {
            std::task::Poll::Ready(result) => result,
            std::task::Poll::Pending => panic!("memory does not wait"),
        }
    }
}

impl Store for Moody {
    fn version(&self, partition: Partition) -> Boxed<'_, Result<Version, store::Error>> {
        Box::pin(async move {
            let version = self.memory.version(partition).await;
            let releases = {
                let mut mood = self.mood.lock().unwrap();
                let before = mood.releases;
                mood.releases = before.saturating_sub(1);
                before == 1
            };
            if releases {
                self.release();
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
            }
            version
        })
    }

    fn get(
        &self,
        partition: Partition,
        table: Table,
        keys: Vec<Bytes>,
    ) -> Boxed<'_, Result<Vec<Option<Bytes>>, store::Error>> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.memory.get(partition, table, keys)
    }

    fn scan(
        &self,
        partition: Partition,
        table: Table,
        range: (Bytes, Option<Bytes>),
        limit: usize,
        direction: Direction,
    ) -> Boxed<'_, Result<Page, store::Error>> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.memory.scan(partition, table, range, limit, direction)
    }

    fn stage(&self) -> Box<dyn Stage> {
        self.memory.stage()
    }

    fn read(&self, range: BlobRange) -> Boxed<'_, Result<Bytes, store::Error>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.memory.read(range)
    }

    fn sound(&self, sought: Vec<Sought>) -> Boxed<'_, Result<Vec<bool>, store::Error>> {
        self.memory.sound(sought)
    }

    fn commit(&self, batch: Batch) -> Boxed<'static, Result<(), CommitError>> {
        let mut mood = self.mood.lock().unwrap();
        if !mood.held {
            drop(mood);
            let result = self.carry_out(batch);
            return Box::pin(async move { result });
        }
        let (done, answer) = oneshot::channel();
        mood.waiting.push_back((batch, done));
        Box::pin(async move { answer.await.unwrap() })
    }

    fn snapshot(&self) -> Boxed<'_, Result<Arc<dyn Snapshot>, store::Error>> {
        self.memory.snapshot()
    }

    fn derived(&self) -> &dyn Derived {
        self.memory.derived()
    }

    fn survey<'a>(
        &'a self,
        mentions: Mentions,
        limit: &'a dyn RateLimit,
    ) -> Boxed<'a, Result<Survey, store::Error>> {
        self.memory.survey(mentions, limit)
    }

    fn reclaim<'a>(&'a self, how: Reclaim<'a>) -> Boxed<'a, Result<Reclaimed, store::Error>> {
        self.memory.reclaim(how)
    }

    fn reclaimed(&self) -> Reclaimed {
        self.memory.reclaimed()
    }
}

/// A house with its world.
pub(crate) struct World {
    pub(crate) post: Post,
    pub(crate) store: Moody,
    pub(crate) made: Arc<Made>,
}

pub(crate) fn rules() -> Rules {
    Rules {
        argon2_kibibytes: 8,
        argon2_passes: 1,
        scram_iterations: 2,
        ..Rules::new(Host::parse("mx.example.org").unwrap())
    }
}

/// The same, and nothing that was done can be undone.
pub(crate) fn rules_without_undo() -> Rules {
    let undo = UndoRules {
        window: Duration::ZERO,
        ..UndoRules::default()
    };
    Rules { undo, ..rules() }
}

impl World {
    /// A house with the domain example.org and these accounts; passwords are the local parts.
    pub(crate) async fn with(names: &[&str], rules: Rules) -> Self {
        let (store, made) = (Moody::default(), Arc::new(Made::default()));
        let post = Post::open(Arc::new(store.clone()), made.clone(), rules).await;
        let post = post.unwrap();
        post.add_domain(&Host::parse("example.org").unwrap())
            .await
            .unwrap();
        for name in names {
            post.add_account(&address(name), name).await.unwrap();
        }
        Self { post, store, made }
    }

    /// The same house after a restart.
    pub(crate) async fn again(&self) -> Self {
        self.again_with(self.post.rules().clone()).await
    }

    /// The same house after a restart with other rules.
    pub(crate) async fn again_with(&self, rules: Rules) -> Self {
        let post = Post::open(Arc::new(self.store.clone()), self.made.clone(), rules).await;
        Self {
            post: post.unwrap(),
            store: self.store.clone(),
            made: self.made.clone(),
        }
    }

    pub(crate) async fn account(&self, name: &str) -> Account {
        self.post
            .login_password(PEER, &address(name).to_string(), None, name)
            .await
            .unwrap()
    }

    /// Delivers a message from elsewhere.
    pub(crate) async fn deliver(&self, to: &[&str], text: &str) -> Outcome<()> {
        deliver(&self.post, to, text).await
    }
}

pub(crate) async fn deliver(post: &Post, to: &[&str], text: &str) -> Outcome<()> {
    let mut incoming = post.begin(origin(None), sender("<bob@elsewhere.example>"))?;
    for name in to {
        incoming.recipient(recipient(name)).await?;
    }
    incoming
        .chunk(Bytes::copy_from_slice(text.as_bytes()))
        .await?;
    incoming.commit().await.map(|_| ())
}

/// `ada` is `ada@example.org`.
pub(crate) fn address(name: &str) -> Address {
    if name.contains('@') {
        return Address::parse(name).unwrap();
    }
    Address::parse(&format!("{name}@example.org")).unwrap()
}

pub(crate) fn recipient(name: &str) -> Recipient {
    Recipient {
        forward_path: ForwardPath::Address(address(name)),
        notify: None,
        orcpt: None,
    }
}

pub(crate) fn origin(account: Option<Account>) -> Origin {
    Origin {
        peer: PEER,
        helo: "client.example".into(),
        protocol: Protocol::Esmtp,
        tls: None,
        account,
        user: None,
    }
}

pub(crate) fn sender(path: &str) -> Sender {
    Sender {
        reverse_path: ReversePath::parse(path).unwrap(),
        size: None,
        body: BodyType::EightBitMime,
        smtputf8: false,
        ret: None,
        envid: None,
        tls: mail::TlsWish::Usual,
    }
}

/// What the peer would read.
pub(crate) fn told<T: std::fmt::Debug>(outcome: Outcome<T>) -> String {
    match outcome {
        Err(error @ (Error::Refused(..) | Error::Fault(_))) => error.refusal().to_string(),
        Ok(answer) => panic!("{answer:?}"),
    }
}

pub(crate) fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

pub(crate) fn uids(numbers: &[u32]) -> UidSet {
    numbers.iter().map(|number| uid(*number)).collect()
}

pub(crate) fn flags(names: &[&str]) -> FlagSet {
    names
        .iter()
        .map(|name| Flag::parse(name).unwrap())
        .collect()
}

pub(crate) async fn append(account: &Account, to: &str, names: &[&str], text: &str) -> Uid {
    let mut append = account.append(to, flags(names), None, None).await.unwrap();
    append
        .chunk(Bytes::copy_from_slice(text.as_bytes()))
        .await
        .unwrap();
    append.commit().await.unwrap().uids.first().unwrap()
}

/// A section of a message as text.
pub(crate) async fn text(account: &Account, mailbox: MailboxId, number: u32, item: Item) -> String {
    let plan = FetchPlan {
        items: vec![item],
        ..FetchPlan::default()
    };
    let page = account.fetch(mailbox, &uids(&[number]), None, &plan).await;
    let row = page.unwrap().rows.pop().unwrap();
    match &row.data[0] {
        Data::Stored(range) => {
            let octets = account.house().read(*range).await.unwrap();
            String::from_utf8(octets.to_vec()).unwrap()
        }
        Data::Octets(octets) => String::from_utf8(octets.to_vec()).unwrap(),
        other => format!("{other:?}"),
    }
}

pub(crate) async fn whole(account: &Account, mailbox: &str, number: u32) -> String {
    let id = account.open(mailbox).await.unwrap().id;
    let item = Item {
        section: message::Section::default(),
        form: Form::Stored,
        range: None,
    };
    text(account, id, number, item).await
}

/// Counts all messages again and compares with what was counted.
pub(crate) async fn recounted(world: &World) {
    let mut recount = Recount::default();
    for account in world.post.accounts() {
        let partition = Partition(account.id.0);
        for table in (1..=u8::MAX).map(Table) {
            let range = (Bytes::new(), None);
            let page = world
                .store
                .scan(partition, table, range, usize::MAX, Direction::Rising);
            for row in page.await.unwrap().rows {
                recount.row(partition, table, &row.key, &row.value);
            }
        }
    }
    assert_eq!(recount.flaws(), Vec::<String>::new());
}

/// Audits the directory and all accounts: nothing differs.
pub(crate) async fn audited(post: &Post) {
    let audit = Audit {
        every: 1,
        turn: 0,
        repairs: true,
        pace: &AtOnce,
    };
    let found = post.audit_directory(&audit).await.unwrap();
    assert_eq!(found.differences, []);
    for account in post.accounts() {
        let found = post.audit_account(account.id, &audit).await.unwrap();
        assert_eq!(found.differences, []);
    }
}

/// Octets that the rows of a batch take, and octets of its blobs.
pub(crate) fn cost(batch: &Batch) -> (usize, u64) {
    let rows = batch.parts.iter().flat_map(|part| &part.writes);
    let rows = rows.map(|write| match write {
        Write::Put { key, value, .. } | Write::PutBeside { key, value, .. } => {
            1 + key.len() + value.len()
        }
        Write::Delete { key, .. } => 1 + key.len(),
        Write::Packed(many) => many.octets(),
    });
    (rows.sum(), batch.blobs.iter().map(|blob| blob.len).sum())
}
