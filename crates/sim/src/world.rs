//! A world from a seed: houses with their people, day after day, and what befalls them.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use post::Reclaimed;
use store::disk::Disk as _;
use tokio::task::JoinSet;

use crate::disk::{Failure, Fault, Kind, SimDisk, Then};
use crate::house::{House, PEOPLE};
use crate::oracle::Oracle;
use crate::owner::Person;
use crate::verify;
use crate::{Dice, Trace};

/// Houses of one world.
const HOUSES: u64 = 2;
/// So long a day lasts at most.
const DAY: Duration = Duration::from_secs(3600);
/// Days of a hundred on which most letters are large.
const HEAVY_PERCENT: u64 = 30;
/// A world in which nothing is finished by then stands still.
const TIME_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// A run that went well.
#[derive(Clone, Debug)]
pub struct Tale {
    /// The same for the same seed, always.
    pub hash: [u8; 32],
    /// Events, operations of disks among them.
    pub events: u64,
    /// Things that were acknowledged and looked for after each fault.
    pub acknowledged: u64,
    /// Starts after a power cut.
    pub cuts: u64,
    /// Operations of a disk that failed.
    pub failures: u64,
    /// Octets that were freed, of segments and of bodies.
    pub freed_octets: u64,
    /// Segments that were compressed.
    pub compressed: u64,
}

/// A run in which something was not as it must be.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Replays it.
    pub seed: u64,
    /// What is wrong.
    pub what: String,
    /// The last events, of the house in which it happened.
    pub events: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.events {
            writeln!(f, "  {event}")?;
        }
        writeln!(f, "seed {}: {}", self.seed, self.what)?;
        write!(f, "again: cargo xtask sim --seed {}", self.seed)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    acknowledged: u64,
    cuts: u64,
    failures: u64,
    freed_octets: u64,
    compressed: u64,
}

impl Sums {
    fn free(&mut self, done: Reclaimed) {
        self.freed_octets += done.freed_octets;
        self.compressed += done.compressed;
    }
}

/// Runs the world of a seed.
///
/// # Errors
/// If anything in it was not as it must be.
pub fn run(seed: u64) -> Result<Tale, Broken> {
    let traces: Vec<Trace> = (0..HOUSES).map(|_| Trace::default()).collect();
    let broken = |what: String, at: usize| Broken {
        seed,
        what,
        events: traces.get(at).map(Trace::last).unwrap_or_default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.map_err(|error| broken(error.to_string(), 0))?;
    let lives = async {
        let mut houses = JoinSet::new();
        for (number, trace) in (0..HOUSES).zip(&traces) {
            let life = Life::new(seed, number, trace.clone());
            houses.spawn(async move { (number, life.live().await) });
        }
        let mut sums = Sums::default();
        while let Some(ended) = houses.join_next().await {
            let (number, ended) = ended.map_err(|error| (0, error.to_string()))?;
            let one = ended.map_err(|what| (number, what))?;
            sums.acknowledged += one.acknowledged;
            sums.cuts += one.cuts;
            sums.failures += one.failures;
            sums.freed_octets += one.freed_octets;
            sums.compressed += one.compressed;
        }
        Ok(sums)
    };
    let lived = runtime.block_on(async { tokio::time::timeout(TIME_MAX, lives).await });
    let lived = lived.unwrap_or_else(|_| Err((0, "the world stands still".into())));
    let sums = lived.map_err(|(at, what): (u64, String)| {
        broken(what, usize::try_from(at).unwrap_or_default())
    })?;
    let mut hasher = blake3::Hasher::new();
    for trace in &traces {
        hasher.update(&trace.hash());
    }
    Ok(Tale {
        hash: *hasher.finalize().as_bytes(),
        events: traces.iter().map(Trace::count).sum(),
        acknowledged: sums.acknowledged,
        cuts: sums.cuts,
        failures: sums.failures,
        freed_octets: sums.freed_octets,
        compressed: sums.compressed,
    })
}

/// One house, day after day.
struct Life {
    dice: Dice,
    chance: Dice,
    trace: Trace,
    oracle: Oracle,
    disk: SimDisk,
    sums: Sums,
}

/// What befalls a house in a day.
enum Fate {
    /// It is closed and opened again.
    Rest,
    /// The power goes at some time.
    Cut(Duration),
    /// An operation fails, and the power goes: so long after, or when everybody is done.
    Fails(Fault, Option<Duration>),
    /// So many octets fit on the disk, until the next day.
    Full(u64),
}

impl Life {
    fn new(seed: u64, number: u64, trace: Trace) -> Self {
        let dice = |what: &str| Dice::new(seed, &format!("{what} of house {number}"));
        Self {
            disk: SimDisk::new(dice("the disk"), trace.clone()),
            dice: dice("the days"),
            chance: dice("the machine"),
            trace,
            oracle: Oracle::new(PEOPLE.len()),
            sums: Sums::default(),
        }
    }

    async fn live(mut self) -> Result<Sums, String> {
        let house = self.open().await?;
        house.furnish().await?;
        verify::everybody(&house, &self.oracle).await?;
        let mut house = Arc::new(house);
        for day in 0..=self.dice.below(5) {
            let fate = self.fate();
            self.trace.event(format!("day {day}: {fate}"));
            house = self.day(house, fate).await?;
        }
        house.empty_the_bins().await?;
        self.sums.free(house.post.reclaimed());
        verify::everybody(&house, &self.oracle).await?;
        self.disk = house.close().await?;
        self.flip().await?;
        self.sums.acknowledged = self.oracle.acknowledged();
        Ok(self.sums)
    }

    fn fate(&self) -> Fate {
        match self.dice.below(10) {
            0 => Fate::Rest,
            1..4 => Fate::Cut(self.dice.millis(60_000)),
            4..9 => {
                // So soon that nobody may have heard of it yet, or a while.
                let millis = *self.dice.of(&[12, 25, 1000]).unwrap_or(&1000);
                let soon = self.dice.percent(50).then(|| self.dice.millis(millis));
                Fate::Fails(self.fault(400), soon)
            }
            _ => Fate::Full(self.dice.below(300_000)),
        }
    }

    fn fault(&self, passing: u64) -> Fault {
        let kinds = [
            None,
            Some(Kind::Write),
            Some(Kind::Write),
            Some(Kind::Write),
            Some(Kind::Sync),
            Some(Kind::Sync),
            Some(Kind::Rename),
            Some(Kind::SyncDir),
            Some(Kind::Create),
        ];
        let kind = self.dice.of(&kinds).copied().flatten();
        // There are fewer of the others.
        let share = match kind {
            None => 1,
            Some(Kind::Write | Kind::Sync) => 3,
            Some(_) => 20,
        };
        Fault {
            kind,
            passing: self.dice.below(passing / share),
            failure: *self
                .dice
                .of(&[Failure::Full, Failure::Broken, Failure::Broken])
                .unwrap_or(&Failure::Full),
            then: match self.dice.below(10) {
                0..3 => Then::Pass,
                3..6 => Then::Often,
                _ => Then::Fail,
            },
        }
    }

    /// Starts a house on what is on the disk; at times the disk fails while it starts.
    async fn open(&mut self) -> Result<House, String> {
        loop {
            // What failed before is no reason not to start.
            let fault = self.dice.percent(20).then(|| self.fault(60));
            self.disk.fail(fault);
            let (disk, dice) = (self.disk.clone(), self.chance.clone());
            let opened = House::open(disk, dice, self.trace.clone()).await;
            let failed = self.disk.failed();
            self.sums.failures += u64::from(failed.is_some());
            match (opened, failed) {
                (Ok(house), _) if !house.has_stopped() => {
                    // What failed may have stopped the store, though nobody has noticed yet.
                    if self.disk.failed().is_none() {
                        self.disk.fail(None);
                        return Ok(house);
                    }
                    self.disk = Arc::new(house).kill().await?;
                }
                (Ok(house), _) => self.disk = Arc::new(house).kill().await?,
                (Err(what), None) => return Err(format!("it does not start: {what}")),
                (Err(_), Some(_)) => {
                    self.disk = self.disk.cut();
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            self.sums.cuts += 1;
        }
    }

    /// One day, and the next morning, when everything is looked at.
    async fn day(&mut self, mut house: Arc<House>, fate: Fate) -> Result<Arc<House>, String> {
        if let Some(house) = Arc::get_mut(&mut house) {
            house.cut_percent = *self.dice.of(&[0, 0, 5, 20]).unwrap_or(&0);
        }
        match &fate {
            Fate::Rest | Fate::Cut(_) => {}
            Fate::Fails(fault, _) => house.disk.fail(Some(*fault)),
            Fate::Full(octets) => house.disk.limit(Some(*octets)),
        }
        let mut people = self.people(&house);
        let day = async {
            while let Some(ended) = people.join_next().await {
                ended.map_err(|error| error.to_string())??;
            }
            Ok::<(), String>(())
        };
        tokio::select! {
            biased;
            ended = day => ended?,
            () = fate.end(&house.disk) => {}
        }
        people.shutdown().await;
        self.sums.failures += u64::from(house.disk.failed().is_some());
        self.sums.free(house.post.reclaimed());
        house.disk.limit(None);
        if matches!(fate, Fate::Rest) {
            self.disk = house.close().await?;
        } else {
            self.disk = house.kill().await?;
            self.sums.cuts += 1;
        }
        let house = self.open().await?;
        self.trace.event("looked at".into());
        verify::everybody(&house, &self.oracle).await?;
        // While nobody is there: who waits for news is woken in an order that is not drawn here.
        if self.dice.percent(50) {
            let purged = house.purge().await;
            purged.map_err(|error| format!("purging: {error}"))?;
            self.oracle.forgotten();
        }
        Ok(Arc::new(house))
    }

    fn people(&self, house: &Arc<House>) -> JoinSet<Result<(), String>> {
        let mut people = JoinSet::new();
        let heavy = self.dice.percent(HEAVY_PERCENT);
        let person = |number| Person {
            house: Arc::clone(house),
            oracle: self.oracle.clone(),
            dice: self.dice.clone(),
            number,
            heavy,
        };
        for number in 0..PEOPLE.len() {
            people.spawn(person(number).live(3 + self.dice.below(6)));
            let waiting = person(number);
            people.spawn(async move {
                let time = Duration::from_secs(300);
                drop(tokio::time::timeout(time, waiting.wait()).await);
                Ok(())
            });
        }
        let (tidy, times) = (Arc::clone(house), self.dice.below(4));
        people.spawn(async move { tidy.tidy(times).await });
        for _ in 0..2 {
            people.spawn(person(0).send(4 + self.dice.below(12)));
        }
        people
    }

    /// One bit of one file changes: it is told, or does no harm.
    async fn flip(&mut self) -> Result<(), String> {
        let files = files(&self.disk, Path::new("/house"));
        let Some(path) = self.dice.of(&files) else {
            return Ok(());
        };
        let octets = self.disk.len(path).map_err(|error| error.to_string())?;
        let (at, bit) = (self.dice.below(octets), self.dice.below(8));
        if !self
            .disk
            .flip(path, at, u32::try_from(bit).unwrap_or_default())
        {
            return Ok(());
        }
        self.trace
            .event(format!("a bit of {} at {at} is another", path.display()));
        let of_view = path.starts_with("/house/view");
        let told = House::is_told(&self.disk, &self.chance);
        if told && !of_view {
            return Ok(());
        }
        let house = self.open().await?;
        verify::everybody(&house, &self.oracle).await
    }
}

impl Fate {
    /// Returns when the day ends, though its people may not be done.
    async fn end(&self, disk: &SimDisk) {
        let after = match self {
            Self::Cut(after) => *after,
            Self::Fails(_, Some(after)) => {
                drop(tokio::time::timeout(DAY, disk.failing()).await);
                *after
            }
            Self::Fails(_, None) | Self::Rest | Self::Full(_) => DAY,
        };
        tokio::time::sleep(after).await;
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rest => f.write_str("nothing befalls the house"),
            Self::Cut(time) => write!(f, "the power goes after {time:?}"),
            Self::Fails(fault, None) => write!(f, "{fault:?}"),
            Self::Fails(fault, Some(after)) => {
                write!(f, "{fault:?}, and the power goes {after:?} after")
            }
            Self::Full(octets) => write!(f, "{octets} octets more fit"),
        }
    }
}

fn files(disk: &SimDisk, dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for path in disk.list(dir).unwrap_or_default() {
        match disk.list(&path) {
            Ok(_) => found.extend(files(disk, &path)),
            Err(_) => found.push(path),
        }
    }
    found
}
