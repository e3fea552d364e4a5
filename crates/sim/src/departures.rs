//! Letters that leave: a house whose people write to other hosts, what befalls it, and what those
//! hosts have in the end.
//!
//! The queue is the real one: letters are accepted by the real submission door, claimed and
//! settled by the calls that the relay uses. The hosts, and who carries letters to them, are the
//! world's own ([`sky`]). Not here: how SMTP is spoken to other hosts, whom DNS names (`server`).

mod arrows;
mod sky;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use post::queue::QueueRules;
use post::{Elsewhere, Rules};
use server::Protocol;

pub use self::arrows::{ARROWS, cut_at_each};
use self::sky::Sky;
use crate::client::{Outcome, Trouble};
use crate::disk::{Failure, Fault, SimDisk, Then};
use crate::house::{House, PASSWORD, PEOPLE, address};
use crate::world::Broken;
use crate::{Dice, Trace, fill, imap, smtp};

/// Days on which something befalls the house.
const DAYS: u64 = 4;
/// Letters that each of its people writes on a day.
const LETTERS: u64 = 5;
/// So long it has in the end to get rid of everything.
const LAST_DAY: Duration = Duration::from_secs(12 * 3600);
/// Who carries letters at the same time.
const CARRIERS: u64 = 2;

/// A run that went well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departed {
    /// The same for the same seed, always.
    pub hash: [u8; 32],
    /// Letters that were acknowledged.
    pub acknowledged: u64,
    /// Recipients who have theirs.
    pub taken: u64,
    /// Of these, those who have it more than once.
    pub repeated: u64,
    /// Recipients of whom the sender was told that they do not get it.
    pub reported: u64,
    /// Starts after a power cut.
    pub cuts: u64,
}

/// What became of a letter, as its sender was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Taken,
    Refused,
    Nothing,
}

/// A letter: who wrote it, and to whom.
#[derive(Clone, Debug)]
struct Written {
    by: usize,
    to: Vec<String>,
    told: Told,
}

/// The rules of a house that sends letters on: what waits is tried again soon, and given up after
/// some hours.
fn rules(rules: Rules) -> Rules {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    Rules {
        elsewhere: Elsewhere::Relay,
        queue: QueueRules {
            retry: [1, 5, 20].map(minutes).to_vec(),
            expire: minutes(6 * 60),
            warn_after: Duration::ZERO,
            ..QueueRules::default()
        },
        ..rules
    }
}

async fn open(disk: SimDisk, dice: Dice, trace: Trace) -> Result<House, String> {
    House::open_by(disk, dice, trace, rules).await
}

/// Runs the world of a seed.
///
/// # Errors
/// If a letter is lost, comes twice for no reason, or is reported more than once.
pub fn run(seed: u64) -> Result<Departed, Broken> {
    let trace = Trace::default();
    let broken = |what: String| Broken {
        seed,
        what,
        events: trace.last(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.map_err(|error| broken(error.to_string()))?;
    let world = World::new(seed, trace.clone());
    let lived = runtime.block_on(world.live());
    let mut departed = lived.map_err(broken)?;
    departed.hash = trace.hash();
    Ok(departed)
}

struct World {
    dice: Dice,
    chance: Dice,
    trace: Trace,
    disk: SimDisk,
    sky: Sky,
    written: BTreeMap<String, Written>,
    cuts: u64,
}

impl World {
    fn new(seed: u64, trace: Trace) -> Self {
        let dice = |what: &str| Dice::new(seed, &format!("{what} of letters that leave"));
        Self {
            disk: SimDisk::new(dice("the disk"), trace.clone()),
            dice: dice("the days"),
            chance: dice("the machine"),
            sky: Sky::new(dice("the hosts"), trace.clone()),
            trace,
            written: BTreeMap::new(),
            cuts: 0,
        }
    }

    async fn live(mut self) -> Result<Departed, String> {
        let house = open(self.disk.clone(), self.chance.clone(), self.trace.clone()).await?;
        house.furnish().await?;
        let mut house = Arc::new(house);
        for day in 0..DAYS {
            self.sky.change_moods();
            self.trace.event(format!("day {day}: {}", self.sky.moods()));
            house = self.day(house).await?;
        }
        self.sky.be_kind();
        self.empty(&house).await?;
        let departed = self.judge(&house).await?;
        house.close().await?;
        Ok(departed)
    }

    /// A day, which ends with the power going at some time, or a disk that fails.
    async fn day(&mut self, house: Arc<House>) -> Result<Arc<House>, String> {
        self.carry(&house);
        let fails = self.dice.percent(50);
        if fails {
            house.disk.fail(Some(Fault {
                kind: None,
                passing: self.dice.below(150),
                failure: Failure::Broken,
                then: Then::Fail,
            }));
        }
        let end = tokio::time::sleep(self.dice.millis(400_000));
        tokio::pin!(end);
        for number in 0..LETTERS * PEOPLE.len() as u64 {
            let by = usize::try_from(number).unwrap_or_default() % PEOPLE.len();
            tokio::select! {
                biased;
                () = &mut end => break,
                sent = self.write(&house, by) => sent?,
            }
            tokio::time::sleep(self.dice.millis(20_000)).await;
            if house.has_stopped() {
                break;
            }
        }
        self.disk = house.kill().await?;
        self.sky.house_died();
        self.cuts += 1;
        let house = open(self.disk.clone(), self.chance.clone(), self.trace.clone()).await?;
        Ok(Arc::new(house))
    }

    fn carry(&self, house: &Arc<House>) {
        for _ in 0..CARRIERS {
            let (sky, post) = (self.sky.clone(), house.post.clone());
            house.spawn(async move { sky.carry(post).await });
        }
    }

    /// Somebody writes a letter to some of the hosts.
    async fn write(&mut self, house: &House, by: usize) -> Result<(), String> {
        let token = format!("letter-{}", self.written.len() + 1);
        let octets = 100
            + self
                .dice
                .place(if self.dice.percent(10) { 90_000 } else { 3000 });
        let to = self.sky.recipients(&token);
        let letter = Written {
            by,
            to: to.clone(),
            told: Told::Nothing,
        };
        // What becomes of it if this is cut off nobody knows.
        self.written.insert(token.clone(), letter);
        let told = match submit(house, by, &to, &fill::letter(&token, octets)).await {
            Ok(true) => Told::Taken,
            // A store that died in the commit does not know itself; the sender tries again.
            Ok(false) if house.has_stopped() => Told::Nothing,
            Ok(false) => Told::Refused,
            Err(Trouble::Lost) => Told::Nothing,
            Err(Trouble::Wrong(what)) => return Err(what),
        };
        self.trace
            .event(format!("{token} to {}: {told:?}", to.join(" ")));
        if let Some(letter) = self.written.get_mut(&token) {
            letter.told = told;
        }
        Ok(())
    }

    /// Waits until nothing is left in the queue.
    async fn empty(&self, house: &Arc<House>) -> Result<(), String> {
        self.carry(house);
        let emptied = async {
            loop {
                let page = house
                    .post
                    .queue(None, 1)
                    .await
                    .map_err(|error| error.to_string())?;
                if page.letters.is_empty() {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        };
        let ended = tokio::time::timeout(LAST_DAY, emptied).await;
        ended.unwrap_or_else(|_| Err("letters wait for ever".to_owned()))
    }

    /// Each letter that was acknowledged is with its recipients, or its sender was told, once;
    /// nothing came twice that the house could have known of.
    async fn judge(&self, house: &House) -> Result<Departed, String> {
        let mut departed = Departed {
            hash: [0; 32],
            acknowledged: 0,
            taken: 0,
            repeated: 0,
            reported: 0,
            cuts: self.cuts,
        };
        let mut mail = Vec::new();
        for person in 0..PEOPLE.len() {
            mail.push(reports(house, person).await?);
        }
        for (token, letter) in &self.written {
            departed.acknowledged += u64::from(letter.told == Told::Taken);
            for recipient in &letter.to {
                let (taken, excused) = self.sky.count(token, recipient);
                let told = mail.get(letter.by).into_iter().flatten();
                let told = told.filter(|text| text.contains(recipient.as_str()));
                let told = told.filter(|text| names(text, token)).count();
                let what = |what: &str| {
                    format!(
                        "{token} for {recipient}: {what}; taken {taken}, excused {excused}, \
                             told {told}, {:?}",
                        letter.told
                    )
                };
                match (letter.told, taken, told) {
                    (_, _, 2..) => return Err(what("told more than once")),
                    (_, 1.., 1..) if excused == 0 => return Err(what("told, and it is there")),
                    (Told::Taken, 0, 0) => return Err(what("lost")),
                    (Told::Refused, 1.., _) => return Err(what("refused, and it has left")),
                    (_, 2.., _) if taken > excused + 1 => return Err(what("sent again")),
                    _ => {}
                }
                departed.taken += u64::from(taken > 0);
                departed.repeated += u64::from(taken > 1);
                departed.reported += u64::from(told > 0);
            }
        }
        Ok(departed)
    }
}

/// True if a report is about the letter with this token.
fn names(report: &str, token: &str) -> bool {
    report.contains(&format!("Subject: {token}\r\n"))
}

/// Hands in a letter at the door for that; true if it was taken.
async fn submit(house: &House, by: usize, to: &[String], text: &str) -> Outcome<bool> {
    let line = house.connect(Protocol::Submission);
    let mut client = smtp::Client::greet(line).await?;
    client.authenticate(&address(by), PASSWORD).await?;
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    client.envelope(&address(by), &to).await?;
    client.text(text).await?;
    client.end().await
}

/// The reports in somebody's mailbox.
async fn reports(house: &House, person: usize) -> Result<Vec<String>, String> {
    let read = async {
        let line = house.connect(Protocol::Imap);
        let mut client = imap::Client::login(line, &address(person), PASSWORD).await?;
        client.sure("SELECT INBOX").await?;
        let ended = client.command("UID FETCH 1:* (BODY.PEEK[])").await?;
        let texts = ended.told.iter().flat_map(|response| &response.literals);
        let texts = texts.map(|octets| String::from_utf8_lossy(octets).into_owned());
        Ok(texts
            .filter(|text| text.contains("Action: failed"))
            .collect())
    };
    let read: Outcome<Vec<String>> = read.await;
    read.map_err(|trouble| format!("{} cannot be read: {trouble:?}", address(person)))
}
