//! One writes at a time: a lock is an object, put where there was none.
//!
//! Who has it renews it as long as it writes. A lock that was not renewed for [`LEASE_SECONDS`], by
//! the store's own clock, is taken over; so is one of a process of this machine that has ended. All
//! of that is put under a condition (`If-None-Match: *`, `If-Match`). A store that does not look at
//! conditions is found out, and told: there the lock is looked at again after a moment, and of two
//! that begin at once one gives way if it sees the other's.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use mail::Timestamp;
use net::Clock;
use object_store::{GetOptions, PutMode, UpdateVersion};
use serde_json::{Value, json};

use super::draft::chance;
use super::{Failure, Shared};

/// The name of the lock.
const LOCK: &str = "lock";
/// Seconds after which a lock that was not renewed is nobody's.
pub(super) const LEASE_SECONDS: i64 = 300;
/// Seconds after which it is renewed.
const RENEWAL_SECONDS: u32 = 60;
/// After which it is looked at again, where a store does not look at conditions.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Times that somebody else is faster before we give up.
const TIMES_MAX: usize = 3;

/// What is known of the lock.
#[derive(Default)]
pub(super) struct Lease(Mutex<State>);

#[derive(Default)]
struct State {
    ours: Option<Ours>,
    /// Who has taken it from us.
    lost: Option<String>,
}

/// A lock that is ours.
#[derive(Clone)]
struct Ours {
    owner: Owner,
    /// The store looks at conditions.
    is_sure: bool,
    /// Times that it was renewed: a lock is never twice the same.
    renewals: u64,
    /// When it was renewed by our clock: seconds since 1970.
    renewed: i64,
}

/// Who has a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owner {
    id: String,
    host: String,
    /// This machine since its start, as this process sees it.
    machine: String,
    pid: u64,
    /// When that process began, in the kernel's words.
    began: String,
    /// When it took the lock.
    since: String,
}

impl Owner {
    /// This process.
    fn here() -> io::Result<Self> {
        let line = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.trim().to_owned()
        };
        let pid = std::process::id().into();
        Ok(Self {
            id: chance()?,
            host: line("/proc/sys/kernel/hostname"),
            machine: machine().unwrap_or_default(),
            pid,
            began: began(pid).unwrap_or_default(),
            since: Clock::today().to_rfc3339().to_string(),
        })
    }

    /// What the lock says.
    fn octets(&self, renewals: u64) -> Bytes {
        let Self {
            id,
            host,
            machine,
            pid,
            began,
            since,
        } = self;
        let about = json!({
            "lock": 1, "id": id, "host": host, "machine": machine, "pid": pid, "began": began,
            "since": since, "renewals": renewals,
        });
        format!("{about}\n").into()
    }

    fn read(octets: &[u8]) -> Option<Self> {
        let about: Value = serde_json::from_slice(octets).ok()?;
        let word = |name: &str| {
            let word = about.get(name)?.as_str()?;
            let told = word.chars().filter(|letter| !letter.is_control());
            Some(told.take(100).collect::<String>())
        };
        Some(Self {
            id: word("id")?,
            host: word("host")?,
            machine: word("machine")?,
            pid: about.get("pid")?.as_u64()?,
            began: word("began")?,
            since: word("since")?,
        })
    }

    /// True if it was a process of this machine, and has ended.
    fn has_ended(&self) -> bool {
        let is_here = machine().is_some_and(|here| here == self.machine);
        is_here && began(self.pid).is_none_or(|began| began != self.began)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host, pid, since, ..
        } = self;
        write!(f, "process {pid} of {host}, since {since}")
    }
}

/// This machine since its start, and which of its processes this one can see.
pub(super) fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let seen = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), seen.display()))
}

/// When a process began, if there is one that has not ended.
fn began(pid: u64) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Its name may have anything in it. Then its state, and 19 numbers behind that its beginning.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(18).map(str::to_owned),
    }
}

/// Holds the lock, until it is dropped.
pub(super) struct Held {
    shared: Arc<Shared>,
    /// Renews it, until nobody sends any more.
    renewing: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

/// Takes the lock.
pub(super) fn hold(shared: &Arc<Shared>) -> io::Result<Held> {
    let ours = acquire(shared)?;
    shared.lease.state().ours = Some(ours);
    let (stop, stopped) = mpsc::channel();
    let of = Arc::clone(shared);
    let every = Duration::from_secs(RENEWAL_SECONDS.into());
    let renewing = thread::spawn(move || {
        while stopped.recv_timeout(every) == Err(mpsc::RecvTimeoutError::Timeout) {
            if let Err(error) = of.lease.renew(&of) {
                tracing::warn!(%error, "the lock is not renewed");
            }
        }
    });
    Ok(Held {
        shared: Arc::clone(shared),
        renewing: Some((stop, renewing)),
    })
}

fn acquire(shared: &Shared) -> io::Result<Ours> {
    let owner = Owner::here()?;
    for _ in 0..TIMES_MAX {
        let mode = match look(shared)? {
            None => PutMode::Create,
            // An answer was lost, and the same was asked again.
            Some((Some(found), ..)) if found.id == owner.id => return settle(shared, owner),
            Some((found, tag, modified)) => {
                let idle = shared.heard.now() - modified;
                let is_over = idle >= LEASE_SECONDS || found.as_ref().is_some_and(Owner::has_ended);
                let words = found.map_or_else(|| "somebody".to_owned(), |found| found.to_string());
                if !is_over {
                    let until = Timestamp::utc(modified + LEASE_SECONDS).to_rfc3339();
                    let busy = format!("{words}; its lock is good until {until}");
                    return Err(io::Error::new(ErrorKind::WouldBlock, busy));
                }
                tracing::warn!("the lock of {words} is taken over");
                instead(tag)
            }
        };
        match shared.put(LOCK, owner.octets(0), mode) {
            Ok(_) => return settle(shared, owner),
            // Somebody was faster, or it was us.
            Err(failure) if failure.is_taken() => {}
            Err(failure) if failure.is_unknown() => {
                shared.put(LOCK, owner.octets(0), PutMode::Overwrite)?;
                return unsure(shared, owner);
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    let busy = "somebody else took the lock";
    Err(io::Error::new(ErrorKind::WouldBlock, busy))
}

/// Finds out whether a lock that was put is ours: where it is there, a store that looks at
/// conditions does not put it again.
fn settle(shared: &Shared, owner: Owner) -> io::Result<Ours> {
    match shared.put(LOCK, owner.octets(0), PutMode::Create) {
        Err(failure) if failure.is_taken() => Ok(Ours::new(owner, true)),
        Err(failure) if !failure.is_unknown() => Err(failure.into()),
        _ => unsure(shared, owner),
    }
}

/// Looks whether a lock is still ours after a moment.
fn unsure(shared: &Shared, owner: Owner) -> io::Result<Ours> {
    tracing::warn!(
        "this store does not look at conditions: two backups that begin in the same moment may \
         both go on"
    );
    thread::sleep(shared.look_again);
    match look(shared)? {
        Some((Some(found), ..)) if found.id == owner.id => Ok(Ours::new(owner, false)),
        found => {
            let words = found
                .and_then(|(found, ..)| found)
                .map(|found| found.to_string());
            let words = words.unwrap_or_else(|| "somebody else took the lock".to_owned());
            Err(io::Error::new(ErrorKind::WouldBlock, words))
        }
    }
}

/// The lock that is there: whose, what tells it from others, when it was written.
type Looked = (Option<Owner>, Option<String>, i64);

fn look(shared: &Shared) -> Result<Option<Looked>, Failure> {
    match shared.get(LOCK, GetOptions::default()) {
        Ok(found) => Ok(Some((
            Owner::read(&found.octets),
            found.tag,
            found.modified,
        ))),
        Err(failure) if failure.is_absent() => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn instead(tag: Option<String>) -> PutMode {
    PutMode::Update(UpdateVersion {
        e_tag: tag,
        version: None,
    })
}

impl Ours {
    fn new(owner: Owner, is_sure: bool) -> Self {
        Self {
            owner,
            is_sure,
            renewals: 0,
            renewed: Clock::today().seconds,
        }
    }
}

impl Lease {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether the lock is ours; it is asked for where that is not certain, or `surely`.
    pub(super) fn confirm(&self, shared: &Shared, surely: bool) -> io::Result<()> {
        let (ours, lost) = {
            let state = self.state();
            (state.ours.clone(), state.lost.clone())
        };
        match (ours, lost) {
            (_, Some(by)) => Err(taken(&by)),
            (Some(ours), None) => {
                let idle = Clock::today().seconds - ours.renewed;
                let is_fresh = (0..i64::from(RENEWAL_SECONDS) * 2).contains(&idle);
                if is_fresh && !surely {
                    return Ok(());
                }
                self.renew(shared)
            }
            // Whoever writes without a lock knows why.
            (None, None) => Ok(()),
        }
    }

    /// Renews the lock, if it is still ours.
    fn renew(&self, shared: &Shared) -> io::Result<()> {
        // One after the other: the lock of two renewals would look like another's.
        let mut state = self.state();
        let Some(ours) = state.ours.clone().filter(|_| state.lost.is_none()) else {
            return Ok(());
        };
        let mut by = None;
        // Where an answer was lost and the same was asked again, it is ours all the same.
        for renewals in ours.renewals + 1..ours.renewals + 3 {
            let tag = match look(shared)? {
                Some((Some(found), tag, _)) if found.id == ours.owner.id => tag,
                found => {
                    by = found.and_then(|(found, ..)| found);
                    break;
                }
            };
            let mode = match ours.is_sure {
                true => instead(tag),
                false => PutMode::Overwrite,
            };
            match shared.put(LOCK, ours.owner.octets(renewals), mode) {
                Err(failure) if failure.is_taken() => {}
                Err(failure) => return Err(failure.into()),
                Ok(_) => {
                    state.ours = Some(Ours {
                        renewals,
                        renewed: Clock::today().seconds,
                        ..ours
                    });
                    return Ok(());
                }
            }
        }
        let by = by.map_or_else(|| "somebody else".to_owned(), |by| by.to_string());
        state.lost = Some(by.clone());
        Err(taken(&by))
    }

    /// Takes the lock away, if it is still ours.
    fn release(&self, shared: &Shared) -> io::Result<()> {
        let State { ours, lost } = std::mem::take(&mut *self.state());
        let Some(ours) = ours.filter(|_| lost.is_none()) else {
            return Ok(());
        };
        match look(shared)? {
            Some((Some(found), ..)) if found.id == ours.owner.id => Ok(shared.delete(LOCK)?),
            _ => Ok(()),
        }
    }
}

fn taken(by: &str) -> io::Error {
    io::Error::other(format!("the lock was taken over by {by}"))
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((stop, renewing)) = self.renewing.take() {
            drop(stop);
            drop(renewing.join());
        }
        if let Err(error) = self.shared.lease.release(&self.shared) {
            tracing::warn!(%error, "the lock stays, for {LEASE_SECONDS} seconds");
        }
        tracing::debug!(questions = self.shared.heard.asked(), "asked of the store");
    }
}
