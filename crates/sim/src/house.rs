//! One server on its disk, from its start to its end.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mail::{Address, ConnId, Host};
use net::{Clock, Endpoint, Peer, Socket, Stop};
use post::{Post, Recount, Rules};
use server::{Door, Encrypted, Entrance, Protocol, Settings};
use store::embedded::{Ground, Pace, ViewForm};
use store::{Embedded, EmbeddedSettings};

use crate::client::Line;
use crate::disk::SimDisk;
use crate::network::connection;
use crate::outside::{Beyond, Tasks};
use crate::{Dice, Trace};

/// The names before the @ of those who live in each house.
pub(crate) const PEOPLE: [&str; 3] = ["ada", "bob", "cleo"];
/// Their password.
pub(crate) const PASSWORD: &str = "correct-horse";
/// Where a house's mail is.
const DIR: &str = "/house";
/// Times the view is written though nobody asked, of a hundred.
const EARLY_PERCENT: u64 = 3;
/// Groups that the disk takes long for, of a hundred.
const SLOW_PERCENT: u64 = 5;

/// A server that runs.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) disk: SimDisk,
    pub(crate) store: Embedded,
    pub(crate) post: Post,
    pub(crate) trace: Trace,
    entrances: [(Protocol, Entrance); 4],
    tasks: Tasks,
    pub(crate) dice: Dice,
    /// Of a hundred connections so many are cut.
    pub(crate) cut_percent: u64,
}

/// The address of somebody.
pub(crate) fn address(person: usize) -> String {
    format!("{}@town.example", PEOPLE.get(person).unwrap_or(&"nobody"))
}

fn settings() -> EmbeddedSettings {
    EmbeddedSettings {
        cache_octets: 1 << 20,
        segment_octets: 64 << 10,
        checkpoint_octets: 96 << 10,
        checkpoint_idle: Duration::from_secs(30),
        reserve_octets: 4096,
        compress: true,
        ..EmbeddedSettings::default()
    }
}

fn ground(disk: &SimDisk, dice: &Dice) -> Ground {
    let (early, delay, epochs) = (dice.clone(), dice.clone(), dice.clone());
    Ground {
        disk: Arc::new(disk.clone()),
        view: ViewForm::Plain(Arc::new(move || early.percent(EARLY_PERCENT))),
        pace: Pace::Task(Arc::new(move || {
            // At times long enough for others to see what is not durable, if they could.
            let slow = delay.percent(SLOW_PERCENT);
            delay.millis(if slow { 2000 } else { 8 })
        })),
        epochs: Arc::new(move || epochs.number()),
    }
}

fn rules(host: Host) -> Rules {
    Rules {
        // Passwords are not what is looked at here.
        argon2_kibibytes: 8,
        argon2_passes: 1,
        scram_iterations: 1,
        account_failures_max: 1_000_000,
        network_failures_max: 1_000_000,
        // So that letters above it are streamed into the store, and then become files.
        body_memory_octets_max: 32 << 10,
        ..Rules::new(host)
    }
}

impl House {
    /// Starts on what is on the disk.
    pub(crate) async fn open(disk: SimDisk, dice: Dice, trace: Trace) -> Result<Self, String> {
        Self::open_by(disk, dice, trace, |rules| rules).await
    }

    /// The same with other rules.
    pub(crate) async fn open_by(
        disk: SimDisk,
        dice: Dice,
        trace: Trace,
        other: fn(Rules) -> Rules,
    ) -> Result<Self, String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let host = Host::parse("mx.town.example").map_err(|error| text(&error))?;
        let ground = ground(&disk, &dice);
        let store = Embedded::open_on(&ground, Path::new(DIR), settings());
        let store = store.map_err(|error| text(&error))?;
        let tasks = Tasks::default();
        let beyond = Beyond {
            clock: Clock::start(),
            dice: dice.clone(),
            tasks: tasks.clone(),
        };
        let post = Post::open(
            Arc::new(store.clone()),
            Arc::new(beyond),
            other(rules(host.clone())),
        );
        let post = post.await.map_err(|error| text(&error))?;
        let settings = Arc::new(Settings::new(host));
        let protocols = [
            Protocol::Smtp,
            Protocol::Submission,
            Protocol::Imap,
            Protocol::Pop3,
        ];
        let entrances = protocols.map(|protocol| {
            let door = Door {
                protocol,
                endpoint: Endpoint::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
                ports_max: 0,
                encrypted: Encrypted::Never,
                proxies: Vec::new(),
            };
            let entrance = Entrance::new(Arc::clone(&settings), door, post.clone());
            (protocol, entrance)
        });
        Ok(Self {
            disk,
            store,
            post,
            trace,
            entrances,
            tasks,
            dice,
            cut_percent: 0,
        })
    }

    /// Makes the domain and its people.
    pub(crate) async fn furnish(&self) -> Result<(), String> {
        let text = |error: post::Error| error.to_string();
        let host = Host::parse("town.example").map_err(|error| error.to_string())?;
        self.post.add_domain(&host).await.map_err(text)?;
        for person in 0..PEOPLE.len() {
            let address = Address::parse(&address(person)).map_err(|error| error.to_string())?;
            self.post
                .add_account(&address, PASSWORD)
                .await
                .map_err(text)?;
        }
        Ok(())
    }

    /// A connection to one of its doors.
    pub(crate) fn connect(&self, protocol: Protocol) -> Line {
        let (near, far, cable) = connection(&self.dice, self.cut_percent);
        self.tasks.spawn(cable.run());
        let entrance = self.entrances.iter().find(|(door, _)| *door == protocol);
        if let Some((_, entrance)) = entrance {
            let peer = Peer {
                conn: ConnId(self.dice.number()),
                address: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 4000))),
                local: None,
                user: None,
            };
            let conversation = entrance.attend(Socket::Memory(far), peer, Stop::never());
            self.tasks.spawn(conversation);
        }
        Line::new(near)
    }

    /// Does something beside, as long as it lives.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// True once its store has died in a commit.
    pub(crate) fn has_stopped(&self) -> bool {
        *self.post.stopped().borrow()
    }

    /// The power goes; what comes back with it is returned.
    ///
    /// # Errors
    /// If anything had panicked.
    pub(crate) async fn kill(self: Arc<Self>) -> Result<SimDisk, String> {
        let disk = self.disk.cut();
        let panicked = self.tasks.end().await;
        drop(self);
        // The committer finds nobody left who could ask, and no power.
        tokio::time::sleep(Duration::from_secs(1)).await;
        match panicked {
            0 => Ok(disk),
            _ => Err(format!("{panicked} tasks panicked")),
        }
    }

    /// True if a check of what is on the disk says that something is wrong, or was cut off.
    pub(crate) fn is_told(disk: &SimDisk, dice: &Dice) -> bool {
        let ground = ground(disk, dice);
        match Embedded::check_on(&ground, Path::new(DIR), settings(), |_, _, _, _| {}) {
            Ok(report) => !report.is_sound() || report.torn_octets > 0,
            Err(_) => true,
        }
    }

    /// Ends in good order, and looks at everything that is on the disk.
    ///
    /// # Errors
    /// Says what is wrong.
    pub(crate) async fn close(self: Arc<Self>) -> Result<SimDisk, String> {
        let (disk, dice) = (self.disk.clone(), self.dice.clone());
        let panicked = self.tasks.end().await;
        self.store.close();
        drop(self);
        tokio::time::sleep(Duration::from_secs(1)).await;
        if panicked > 0 {
            return Err(format!("{panicked} tasks panicked"));
        }
        let mut recount = Recount::default();
        let row = |partition, table, key: &[u8], value: &[u8]| {
            recount.row(partition, table, key, value);
        };
        let report = Embedded::check_on(&ground(&disk, &dice), Path::new(DIR), settings(), row);
        let report = report.map_err(|error| error.to_string())?;
        if !report.is_sound() {
            return Err(format!("a closed store: {report}"));
        }
        match recount.flaws().into_iter().next() {
            Some(flaw) => Err(format!("the recount: {flaw}")),
            None => Ok(disk),
        }
    }
}
