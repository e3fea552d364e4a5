//! What a process and its children have cost, as the kernel counts it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

/// Costs of a process tree so far. Children that ended are in their parent's figures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// User and system time, seconds.
    pub cpu_seconds: f64,
    /// Resident memory now, octets; shared pages counted once for each process.
    pub resident_octets: u64,
    /// Memory that no other process shares, octets.
    pub private_octets: u64,
}

impl Cost {
    /// The cost since `earlier`; memory as it is now.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - earlier.cpu_seconds,
            ..self
        }
    }
}

/// User and system time of these processes and of all that came from them, seconds.
#[must_use]
pub fn cpu_seconds(roots: &[u32]) -> f64 {
    tree(roots).into_iter().filter_map(cpu_seconds_of).sum()
}

/// Time that threads took in these processes and in all that came from them, those whose names are
/// meant: seconds, finer than [`cpu_seconds`]. Threads that have ended do not count.
#[must_use]
pub fn thread_seconds(roots: &[u32], is_meant: impl Fn(&str) -> bool) -> f64 {
    let of = |pid: u32| {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter();
        let tasks = tasks.flatten().flatten().map(|task| task.path());
        let named = tasks.filter(|task| {
            let comm = fs::read_to_string(task.join("comm"));
            comm.is_ok_and(|comm| is_meant(comm.trim_end()))
        });
        let nanoseconds = named.filter_map(|task| {
            let text = fs::read_to_string(task.join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<f64>().ok()
        });
        nanoseconds.sum::<f64>()
    };
    tree(roots).into_iter().map(of).sum::<f64>() / 1e9
}

/// The costs of these processes and of all that came from them.
#[must_use]
pub fn cost(roots: &[u32]) -> Cost {
    tree(roots).into_iter().fold(Cost::default(), |sum, pid| {
        let one = cost_of(pid).unwrap_or_default();
        Cost {
            cpu_seconds: sum.cpu_seconds + one.cpu_seconds,
            resident_octets: sum.resident_octets + one.resident_octets,
            private_octets: sum.private_octets + one.private_octets,
        }
    })
}

/// Octets written so far to the device that holds `folder`, by whomever; what waits is sent first.
///
/// The device is asked because the kernel's count for a process takes a large folio for written
/// when one page of it is.
#[must_use]
pub fn device_written_octets(folder: &Path) -> u64 {
    drop(Command::new("sync").status());
    let device = fs::metadata(folder)
        .map(|metadata| metadata.dev())
        .unwrap_or_default();
    // As glibc's major() and minor() take it apart, for numbers below 4096 and 256.
    let (major, minor) = (
        (device >> 8) & 0xfff,
        (device & 0xff) | ((device >> 12) & 0xfff00),
    );
    let stat = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat"));
    let stat = stat.unwrap_or_default();
    let sectors = stat
        .split_whitespace()
        .nth(6)
        .and_then(|field| field.parse::<u64>().ok());
    sectors.unwrap_or_default() * 512
}

/// The pids of these processes and of all that came from them.
#[must_use]
pub fn tree(roots: &[u32]) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let Some(pid) = pid
            && let Some(parent) = stat(pid).and_then(|fields| fields.get(1)?.parse().ok())
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = roots.to_vec();
    let mut at = 0;
    while let Some(pid) = found.get(at).copied() {
        found.extend(children.get(&pid).into_iter().flatten());
        at += 1;
    }
    found
}

fn cost_of(pid: u32) -> Option<Cost> {
    let cpu_seconds = cpu_seconds_of(pid)?;
    let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let private = number(&memory, "Private_Clean:") + number(&memory, "Private_Dirty:");
    Some(Cost {
        cpu_seconds,
        resident_octets: number(&memory, "Rss:") * 1024,
        private_octets: private * 1024,
    })
}

fn cpu_seconds_of(pid: u32) -> Option<f64> {
    let fields = stat(pid)?;
    // Fields count from the state: user, system, and the same of children that were waited for.
    let ticks: u64 = fields
        .get(11..15)?
        .iter()
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
    Some(f64::from(ticks) / 100.0)
}

/// The fields of `/proc/PID/stat` behind the program's name, which may hold anything.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}

fn number(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}
