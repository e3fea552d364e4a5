//! Random walks of several clients over the same mailboxes, beside a naive model of the house.
//!
//! Each client keeps only what it is told; the order in which their questions reach the house is
//! thrown by dice, so that each command is cut by the others' at every place where it can be. A
//! failing walk prints its seed: `CARAMEL_SEED` walks it again, `CARAMEL_STEPS` walks further.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mail::{Address, Host, Instant, Timestamp};
use post::{Account, Outside, Post, Rules};

use client::{Client, Command, Memory, Progress};
use deeds::Dice;
use model::Model;

mod client;
mod deeds;
mod hears;
mod kept;
mod model;
mod notify;
mod parts;

/// How long a walk is before the next begins in a new house.
const WALK_STEPS: usize = 100_000;
/// After so many steps, more or less, the house is closed and opened again.
const RESTART_STEPS: usize = 3_000;
/// How many states of the past the clients may come back with.
const MEMORIES_MAX: usize = 40;
const PASSWORD: &str = "correct horse";

/// A world whose clock goes on by one second each time it is looked at.
#[derive(Debug, Default)]
struct Made(AtomicU64);

impl Outside for Made {
    fn now(&self) -> Timestamp {
        let seconds = i64::try_from(self.0.fetch_add(1, Ordering::Relaxed)).unwrap();
        Timestamp::utc(1_700_000_000 + seconds)
    }

    fn instant(&self) -> Instant {
        Instant(Duration::from_secs(self.0.load(Ordering::Relaxed)))
    }

    fn fill(&self, octets: &mut [u8]) {
        octets.fill(7);
    }

    fn run_heavy(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn detach(&self, work: store::Boxed<'static, ()>) {
        tokio::spawn(work);
    }
}

struct Walk {
    dice: Dice,
    store: Arc<store::Memory>,
    made: Arc<Made>,
    post: Post,
    account: Account,
    model: Model,
    clients: Vec<Client>,
    memories: Vec<Memory>,
    tags: u64,
}

impl Walk {
    async fn begin(seed: u64, clients: usize) -> Self {
        let (store, made) = (Arc::new(store::Memory::new()), Arc::new(Made::default()));
        let post = open(&store, &made).await;
        let ada = Address::parse("ada@example.org").unwrap();
        post.add_domain(&ada.host).await.unwrap();
        post.add_account(&ada, PASSWORD).await.unwrap();
        let account = log_in(&post).await;
        let mut model = Model::default();
        model.begin(&account).await;
        let mut walk = Self {
            dice: Dice(seed),
            store,
            made,
            post,
            account,
            model,
            clients: Vec::new(),
            memories: Vec::new(),
            tags: 0,
        };
        walk.enter_all(clients).await;
        walk
    }

    /// Ends the house and all that are in it, and opens it again.
    async fn restart(&mut self) {
        let clients = self.clients.len();
        self.clients.clear();
        self.post = open(&self.store, &self.made).await;
        self.account = log_in(&self.post).await;
        self.enter_all(clients).await;
    }

    async fn enter_all(&mut self, clients: usize) {
        for _ in 0..clients {
            let client = self.enter().await;
            self.clients.push(client);
        }
    }

    /// A client that has logged in and turned on what it speaks.
    async fn enter(&mut self) -> Client {
        self.tags += 1;
        let mut client = Client::new(&self.post, self.tags);
        let speaks = [
            "",
            "ENABLE CONDSTORE",
            "ENABLE IMAP4rev2",
            "ENABLE QRESYNC",
            "ENABLE QRESYNC",
            "ENABLE UIDONLY",
            "ENABLE UIDONLY QRESYNC",
        ];
        let speaks = speaks[self.dice.roll(speaks.len())];
        let login = format!("LOGIN ada@example.org \"{PASSWORD}\"");
        for line in [login.as_str(), speaks] {
            if !line.is_empty() {
                let command = Command {
                    line: line.to_owned(),
                    tag: "a".to_owned(),
                    ..Command::default()
                };
                client.say(&mut self.model, &self.account, command).await;
                client.look_up(&mut self.model, &self.account).await;
                assert!(client.command.is_none(), "{:?}", client.log);
            }
        }
        client
    }

    /// Lets one client do one thing, and compares what it was told of results with what is found.
    async fn step(&mut self) {
        self.go().await;
        for client in &self.clients {
            client.check_kept(&mut self.model, &self.account).await;
        }
    }

    async fn go(&mut self) {
        if self.dice.roll(RESTART_STEPS) == 0 {
            return self.restart().await;
        }
        let at = self.dice.roll(self.clients.len());
        if self.clients[at].over || self.dice.roll(300) == 0 {
            self.clients[at] = self.enter().await;
            return;
        }
        let (model, account) = (&mut self.model, &self.account);
        let client = &mut self.clients[at];
        if client.idles {
            if self.dice.roll(3) == 0 {
                client.done(model, account).await;
            } else {
                client.look_up(model, account).await;
                client.check_idle(model);
            }
            return;
        }
        if client.command.is_some() {
            let whole = self.dice.roll(3) == 0;
            while client.advance(model, account).await == Progress::Asks && whole {}
            return;
        }
        if client.hears_at_once() {
            // RFC 5465 §5.3: whoever hears at any time cannot name messages by the numbers they had
            // before.
            client.look_up(model, account).await;
            if client.over || self.dice.roll(3) == 0 {
                return;
            }
        }
        if let Some(memory) = client.remember(model).filter(|_| self.dice.roll(3) == 0) {
            if self.memories.len() == MEMORIES_MAX {
                self.memories.remove(self.dice.roll(MEMORIES_MAX));
            }
            self.memories.push(memory);
            if self.dice.roll(4) == 0 {
                // The connection breaks just here.
                self.clients[at] = self.enter().await;
                return;
            }
        }
        let mut command = deeds::next(&mut self.dice, model, client, &self.memories);
        self.tags += 1;
        command.tag = format!("t{}", self.tags);
        client.say(model, account, command).await;
    }
}

async fn open(store: &Arc<store::Memory>, made: &Arc<Made>) -> Post {
    let rules = Rules {
        argon2_kibibytes: 8,
        argon2_passes: 1,
        scram_iterations: 2,
        // So that a FETCH of a few messages is more than one question.
        fetch_rows_max: 5,
        ..Rules::new(Host::parse("example.org").unwrap())
    };
    let (store, made) = (Arc::clone(store), Arc::clone(made));
    Post::open(store, made, rules).await.unwrap()
}

async fn log_in(post: &Post) -> Account {
    let peer = "127.0.0.1".parse().unwrap();
    let login = post.login_password(peer, "ada@example.org", None, PASSWORD);
    login.await.unwrap()
}

/// How to walk there again, printed if a walk fails.
struct Way {
    seed: u64,
    steps: usize,
}

impl Drop for Way {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { seed, steps } = self;
            println!("walk again: CARAMEL_SEED={seed} CARAMEL_STEPS={steps}");
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Walks so many steps, or as many as are asked for.
fn walk(clients: usize, steps: usize) {
    let wanted = number("CARAMEL_STEPS").map(|steps| usize::try_from(steps).unwrap());
    let mut left = wanted.unwrap_or(steps);
    let mut seed = number("CARAMEL_SEED").unwrap_or(1);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    while left > 0 {
        let end = left.min(WALK_STEPS);
        runtime.block_on(async {
            let mut way = Way { seed, steps: 0 };
            let mut walk = Walk::begin(seed, clients).await;
            while way.steps < end {
                way.steps += 1;
                walk.step().await;
            }
        });
        left -= end;
        seed += 1;
    }
}

#[test]
fn two_clients_know_what_the_house_has() {
    walk(2, 10_000);
}

#[test]
fn five_clients_know_what_the_house_has() {
    walk(5, 10_000);
}
