//! How many deliveries and changes of flags a second the store makes durable, beside what the disk
//! could do at most.
//!
//! Both take turns, `CARAMEL_ROUNDS` times, `CARAMEL_SECONDS` each; the figures are medians. Rates
//! depend on the machine and the hour: the ratios are what counts. A word on the command line says
//! which rows: `mixed`, `4 KiB` or `flags`. The work is done below `TMPDIR`, which should be on the
//! disk that is meant.
#![expect(clippy::print_stdout, reason = "a bench speaks on standard output")]

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

mod limit;
mod load;
mod stored;

use load::Load;

/// Why a bench ends early.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How many wait for a commit at the same time.
const COMMITTERS: [u64; 4] = [1, 16, 64, 256];

/// What came of one turn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turn {
    /// Commits that were answered.
    pub(crate) done: u64,
    /// Octets of mail, or of changed rows, in them.
    pub(crate) payload: u64,
    /// Octets written to the disk for them, by the kernel's account.
    pub(crate) written: u64,
    /// Commits that shared one sync, on average.
    pub(crate) group: f64,
    /// Processor time of the whole process, seconds.
    pub(crate) cpu: f64,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let rounds = wanted("CARAMEL_ROUNDS", 5);
    let time = Duration::from_secs(wanted("CARAMEL_SECONDS", 2));
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    println!(
        "commits a second; medians of {rounds} rounds of {} s\n",
        time.as_secs()
    );
    println!(
        "| what | committers | limit/s | store/s | of the limit | a group | written of payload \
         | limit: CPU µs | store: CPU µs |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for load in Load::EACH {
        let named = words.iter().any(|word| load.name().contains(word.as_str()));
        if !words.is_empty() && !named {
            continue;
        }
        for committers in COMMITTERS {
            row(load, committers, rounds, time).await?;
        }
    }
    Ok(())
}

fn wanted(name: &str, default: u64) -> u64 {
    let asked = std::env::var(name).ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(default)
}

async fn row(load: Load, committers: u64, rounds: u64, time: Duration) -> Outcome<()> {
    let (mut limits, mut stored) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let work = tempfile::tempdir()?;
        limits.push(limit::turn(work.path(), load, committers, time).await?);
        stored.push(stored::turn(work.path(), load, committers, time).await?);
    }
    let seconds = time.as_secs_f64();
    let rate = |turn: &Turn| real(turn.done) / seconds;
    let cpu = |turn: &Turn| turn.cpu * 1e6 / real(turn.done);
    let ratios = limits.iter().zip(&stored);
    let ratios = ratios.map(|(limit, stored)| rate(stored) / rate(limit));
    println!(
        "| {} | {committers} | {:.0} | {:.0} | {:.2} | {:.1} | {:.2} | {:.0} | {:.0} |",
        load.name(),
        median(limits.iter().map(rate)),
        median(stored.iter().map(rate)),
        median(ratios),
        median(stored.iter().map(|turn| turn.group)),
        median(
            stored
                .iter()
                .map(|turn| real(turn.written) / real(turn.payload))
        ),
        median(limits.iter().map(cpu)),
        median(stored.iter().map(cpu)),
    );
    Ok(())
}

/// The middle figure.
fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Processor time and octets written so far.
#[derive(Debug)]
pub(crate) struct Meter {
    cpu: f64,
    written: u64,
}

impl Meter {
    /// How it is now.
    pub(crate) fn now() -> Outcome<Self> {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let io = std::fs::read_to_string(Path::new("/proc/self/io"))?;
        let written = io
            .lines()
            .find_map(|line| line.strip_prefix("write_bytes: "));
        Ok(Self {
            cpu: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            written: written.ok_or("the kernel does not count octets")?.parse()?,
        })
    }

    /// What was used up since.
    pub(crate) fn since(&self, turn: Turn) -> Outcome<Turn> {
        let now = Self::now()?;
        Ok(Turn {
            written: now.written - self.written,
            cpu: now.cpu - self.cpu,
            ..turn
        })
    }
}

/// A count as a figure.
pub(crate) fn real(count: u64) -> f64 {
    u32::try_from(count).map_or(count as f64, f64::from)
}
