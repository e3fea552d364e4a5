//! Fail at n: each way to change something, with its first, second, … operation of the disk
//! failing, until it passes without a failure. Then the power goes, and everything is looked at.
//!
//! What a client is told, and what is found afterwards, follows from which operation failed. That
//! is [`TABLE`]: what is not in it must not happen.

use std::path::Path;
use std::sync::Arc;

use mail::Address;
use post::Post;
use server::Protocol;

use crate::client::{Outcome, Trouble};
use crate::disk::{Failure, Fault, Kind, SimDisk, Then};
use crate::house::{House, PASSWORD, PEOPLE, address};
use crate::oracle::{Change, Oracle};
use crate::owner::Person;
use crate::verify::{self, look};
use crate::{Dice, Trace, smtp};

/// What a client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is done: then it is found.
    Done,
    /// It was refused: then nothing of it is found.
    Refused,
    /// Nothing, or that the house stops: then it is found wholly, or nothing of it.
    Nothing,
}

/// A row of the crash table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The folder of the file.
    pub folder: &'static str,
    /// What failed first.
    pub kinds: &'static [Kind],
    /// What may be told then.
    pub told: &'static [Told],
    /// Why.
    pub why: &'static str,
}

/// The crash table: what fails, what is told then, and what recovery makes of it.
pub const TABLE: &[Row] = &[
    Row {
        folder: "log",
        kinds: &[Kind::Write],
        told: &[Told::Refused, Told::Nothing],
        why: "The part of a group that was written is cut off, and the cut is synced, before it is \
              refused. If that fails as well the store stops, and what is left is a torn end: \
              recovery cuts it, or keeps the records that are whole.",
    },
    Row {
        folder: "log",
        kinds: &[Kind::Sync],
        told: &[Told::Refused, Told::Nothing],
        why: "Nobody can say what is durable: the store stops. Recovery keeps each record that is \
              whole, and writes the last group again before it believes it. The sync of a new \
              segment's header is of no record: what waits for it is refused.",
    },
    Row {
        folder: "log",
        kinds: &[Kind::Create, Kind::SyncDir],
        told: &[Told::Refused],
        why: "There is no new segment, or an empty one that nobody wrote to: what waits is \
              refused, and recovery removes the empty one.",
    },
    Row {
        folder: "log",
        kinds: &[Kind::Cut],
        told: &[Told::Done],
        why: "Zeros stay behind the end of a segment that is followed by another.",
    },
    Row {
        folder: "bodies",
        kinds: &[
            Kind::Create,
            Kind::Write,
            Kind::Sync,
            Kind::Rename,
            Kind::SyncDir,
        ],
        told: &[Told::Refused],
        why: "No record names the body: it is refused, and recovery removes what is there of it.",
    },
    Row {
        folder: "bodies",
        kinds: &[Kind::Remove],
        told: &[Told::Done],
        why: "The log has forgotten the body: recovery removes what is left of it.",
    },
    Row {
        folder: "log",
        kinds: &[Kind::Remove],
        told: &[Told::Refused],
        why: "A snapshot covers the segment: it stays until the next round, and nobody reads it. \
              Or it was compressed: then it has the octets of the file that came in its place.",
    },
    Row {
        folder: "log",
        kinds: &[Kind::Rename],
        told: &[Told::Refused],
        why: "A compressed segment has no name yet: recovery removes the draft, and the segment it \
              was made from is there.",
    },
    Row {
        folder: "snapshots",
        kinds: &[
            Kind::Create,
            Kind::Write,
            Kind::Sync,
            Kind::Rename,
            Kind::SyncDir,
            Kind::Remove,
        ],
        told: &[Told::Refused],
        why: "No segment goes before a snapshot is durable and was read back. What is there of one \
              goes at the next start; of two that are whole the newer counts.",
    },
    Row {
        folder: "view",
        kinds: &[
            Kind::Create,
            Kind::Write,
            Kind::Sync,
            Kind::Rename,
            Kind::SyncDir,
        ],
        told: &[Told::Done, Told::Nothing],
        why: "The log has it. If the view could not be made durable the store stops, behind what \
              was answered; recovery brings the view up to the log, or makes it again.",
    },
];

/// Each way to change something.
pub const PATHS: [&str; 17] = [
    "deliver",
    "deliver to many",
    "deliver a large body",
    "submit",
    "append",
    "store",
    "copy",
    "move",
    "expunge",
    "pop3",
    "create",
    "rename",
    "delete",
    "add an account",
    "remove an account",
    "roll and checkpoint",
    "reclaim",
];

/// Fails each operation of a path, in turn, in each way; says how many there are.
///
/// # Errors
/// Says what was not as it must be.
pub fn fail_at_each(path: &str) -> Result<u64, String> {
    let ways = [
        (Failure::Full, Then::Pass),
        (Failure::Broken, Then::Pass),
        (Failure::Broken, Then::Fail),
    ];
    let mut most = 0;
    for (failure, then) in ways {
        for passing in 0.. {
            let fault = Fault {
                kind: None,
                passing,
                failure,
                then,
            };
            let outcome = fail_once(path, fault);
            let failed = outcome.map_err(|what| format!("{path}: {fault:?}: {what}"))?;
            if !failed {
                most = most.max(passing);
                break;
            }
        }
    }
    Ok(most)
}

/// True if the operation failed, false if there was none.
fn fail_once(path: &str, fault: Fault) -> Result<bool, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let stage = Stage::set(fault.passing).await?;
        if path == "reclaim" {
            stage
                .litter()
                .await
                .map_err(|trouble| format!("{trouble:?}"))?;
        }
        stage.person.house.disk.fail(Some(fault));
        let told = stage.act(path).await?;
        let failed = stage.person.house.disk.failed();
        match &failed {
            None if told != Told::Done => return Err(format!("{told:?} for nothing")),
            None => {}
            Some((kind, file)) => admit(*kind, file, told, fault.then)?,
        }
        stage.look_again(path, told).await?;
        Ok(failed.is_some())
    })
}

/// Asks the table. On a disk that never answers again what comes next fails as well, by its own
/// row: then whatever was not done may be told so.
fn admit(kind: Kind, file: &Path, told: Told, then: Then) -> Result<(), String> {
    let row = TABLE.iter().find(|row| {
        file.starts_with(Path::new("/house").join(row.folder)) && row.kinds.contains(&kind)
    });
    match row {
        None => Err(format!("no row for {kind:?} of {}", file.display())),
        Some(row) if row.told.contains(&told) => Ok(()),
        Some(_) if then == Then::Fail && told != Told::Done => Ok(()),
        Some(row) => Err(format!(
            "{kind:?} of {} failed and {told:?} was told: {}",
            file.display(),
            row.why
        )),
    }
}

/// A house with some mail in it, and somebody who acts.
struct Stage {
    person: Person,
}

/// Somebody who comes.
const GUEST: &str = "dora@town.example";
/// Somebody who goes.
const LEAVING: &str = "eve@town.example";

impl Stage {
    async fn set(seed: u64) -> Result<Self, String> {
        let (dice, trace) = (Dice::new(seed, "a path"), Trace::default());
        let disk = SimDisk::new(Dice::new(seed, "a disk"), trace.clone());
        let house = House::open(disk, dice.clone(), trace).await?;
        house.furnish().await?;
        let oracle = Oracle::new(PEOPLE.len());
        verify::everybody(&house, &oracle).await?;
        let person = Person {
            house: Arc::new(house),
            oracle,
            dice,
            number: 0,
            heavy: false,
        };
        let stage = Self { person };
        let furnished = stage.furnish().await;
        furnished.map_err(|trouble| format!("before anything failed: {trouble:?}"))?;
        Ok(stage)
    }

    async fn furnish(&self) -> Outcome<()> {
        let person = &self.person;
        for octets in [500, 700, 900] {
            self.deliver(vec![0], octets).await?;
        }
        let mut client = person.login().await?;
        person
            .ask(&mut client, Change::Create("work".into()))
            .await?;
        let leaving = parse(LEAVING)?;
        let added = person.house.post.add_account(&leaving, PASSWORD).await;
        added.map_err(|error| Trouble::Wrong(error.to_string()))?;
        look(&mut client, &person.oracle, 0, false).await
    }

    async fn deliver(&self, to: Vec<usize>, octets: usize) -> Outcome<bool> {
        let line = self.person.house.connect(Protocol::Smtp);
        let mut client = smtp::Client::greet(line).await?;
        let from = "friend@elsewhere.example";
        self.person.hand(&mut client, from, to, octets).await
    }

    async fn act(&self, path: &str) -> Result<Told, String> {
        let outcome = match path {
            "deliver" => self.deliver(vec![0], 800).await,
            "deliver to many" => self.deliver(vec![0, 1, 2], 3000).await,
            "deliver a large body" => self.deliver(vec![0, 1], 320_000).await,
            "submit" => self.submit().await,
            "roll and checkpoint" => self.roll().await,
            "add an account" | "remove an account" => {
                let told = self.account(path).await;
                return told.map_err(|trouble| format!("{trouble:?}"));
            }
            "reclaim" => return self.reclaim().await,
            "pop3" => self.person.pop3(100).await,
            _ => self.change(path).await,
        };
        match outcome {
            Ok(true) => Ok(Told::Done),
            Ok(false) => Ok(Told::Refused),
            Err(Trouble::Lost) => Ok(Told::Nothing),
            Err(Trouble::Wrong(what)) => Err(what),
        }
    }

    /// Letters of which some have gone, in files of their own and in segments of the log.
    async fn litter(&self) -> Outcome<()> {
        for octets in [320_000, 25_000, 25_000, 25_000] {
            self.deliver(vec![0], octets).await?;
        }
        // Enough of them for segments that are sealed and stay.
        for _ in 0..9 {
            self.deliver(vec![2], 25_000).await?;
        }
        let mut client = self.person.login().await?;
        look(&mut client, &self.person.oracle, 0, false).await?;
        let (mailbox, uids) = ("INBOX".to_owned(), vec![4, 5, 6, 7]);
        let mark = Change::Store {
            mailbox: mailbox.clone(),
            uids: uids.clone(),
            sign: "+",
            flags: ["\\Deleted".to_owned()].into(),
        };
        self.person.ask(&mut client, mark).await?;
        let gone = Change::Expunge { mailbox, uids };
        self.person.ask(&mut client, gone).await?;
        let purged = self.person.house.purge().await;
        purged.map_err(|error| Trouble::Wrong(format!("purging: {error}")))
    }

    async fn reclaim(&self) -> Result<Told, String> {
        match self.person.house.reclaim().await {
            Ok(done) if done.compressed == 0 => Err("nothing was compressed".into()),
            Ok(_) => Ok(Told::Done),
            Err(_) if self.person.house.store_has_stopped().await => Ok(Told::Nothing),
            Err(_) => Ok(Told::Refused),
        }
    }

    async fn submit(&self) -> Outcome<bool> {
        let line = self.person.house.connect(Protocol::Submission);
        let mut client = smtp::Client::greet(line).await?;
        client.authenticate(&address(0), PASSWORD).await?;
        self.person
            .hand(&mut client, &address(0), vec![1], 600)
            .await
    }

    /// Letters until the log has another segment, and the view is durable.
    async fn roll(&self) -> Outcome<bool> {
        for _ in 0..6 {
            if !self.deliver(vec![1], 25_000).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn change(&self, path: &str) -> Outcome<bool> {
        let mut client = self.person.login().await?;
        let inbox = || "INBOX".to_owned();
        let copy = |moved| Change::Copy {
            from: inbox(),
            uids: vec![1, 2],
            to: "work".into(),
            moved,
        };
        let change = match path {
            "append" => {
                let letter = self.person.oracle.write(2000);
                return self.person.put(&mut client, "work", letter).await;
            }
            "store" => Change::Store {
                mailbox: inbox(),
                uids: vec![1, 3],
                sign: "+",
                flags: ["\\Seen".to_owned(), "note".to_owned()].into(),
            },
            "copy" => copy(false),
            "move" => copy(true),
            "expunge" => {
                let mark = Change::Store {
                    mailbox: inbox(),
                    uids: vec![2, 3],
                    sign: "+",
                    flags: ["\\Deleted".to_owned()].into(),
                };
                if !self.person.ask(&mut client, mark).await? {
                    return Ok(false);
                }
                Change::Expunge {
                    mailbox: inbox(),
                    uids: vec![2, 3],
                }
            }
            "create" => Change::Create("home".into()),
            "rename" => Change::Rename("work".into(), "home".into()),
            "delete" => Change::Delete("work".into()),
            _ => return Err(Trouble::Wrong(format!("no such path: {path}"))),
        };
        self.person.ask(&mut client, change).await
    }

    /// Accounts come and go by the owner's hand, not through a protocol.
    async fn account(&self, path: &str) -> Outcome<Told> {
        let post = &self.person.house.post;
        let done = match path {
            "add an account" => post.add_account(&parse(GUEST)?, PASSWORD).await.map(drop),
            _ => remove(post, &parse(LEAVING)?).await,
        };
        Ok(match done {
            Ok(()) => Told::Done,
            Err(_) if self.person.house.has_stopped() => Told::Nothing,
            Err(_) => Told::Refused,
        })
    }

    /// After the power was gone.
    async fn look_again(self, path: &str, told: Told) -> Result<(), String> {
        let Person {
            house,
            oracle,
            dice,
            ..
        } = self.person;
        let trace = house.trace.clone();
        let disk = house.kill().await?;
        let house = House::open(disk, dice, trace).await?;
        verify::everybody(&house, &oracle).await?;
        let is_there = |who: &str| {
            let mut accounts = house.post.accounts().into_iter();
            accounts.any(|account| account.address.to_string() == who)
        };
        let (came, went) = (is_there(GUEST), !is_there(LEAVING));
        let flaw = match (path, told) {
            ("add an account", Told::Done) => !came,
            ("add an account", Told::Refused) => came,
            ("remove an account", Told::Done) => !went,
            // Its removal is one step and erasing its mail another; what was refused after the
            // first is done by asking again.
            _ => false,
        };
        if flaw {
            return Err(format!(
                "{told:?}, but who came is there: {came}, who left is not: {went}"
            ));
        }
        if came {
            let line = house.connect(Protocol::Imap);
            let client = crate::imap::Client::login(line, GUEST, PASSWORD).await;
            client.map_err(|_| "who came is not let in")?;
        }
        house.empty_the_bins().await?;
        verify::everybody(&house, &oracle).await?;
        Arc::new(house).close().await.map(drop)
    }
}

/// Removes an account for good.
async fn remove(post: &Post, address: &Address) -> post::Outcome<()> {
    post.remove_account(address).await?;
    for removed in post.removed_accounts(Some(address)).await? {
        post.purge_account(removed.id).await?;
    }
    Ok(())
}

fn parse(text: &str) -> Outcome<Address> {
    Address::parse(text).map_err(|error| Trouble::Wrong(error.to_string()))
}
