//! What is kept, as it comes over the line: while one answer is worked on, the next is on its way.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use backup::{Bodies, Error, Outcome, Rows, Source};
use bytes::Bytes;
use serde_json::{Value, json};
use store::{SnapshotPage, Sought};

use crate::complaint::Complaint;
use crate::line::Line;
use crate::progress::Progress;

/// Octets of rows that are asked for at once.
const ROWS_OCTETS: u64 = 1 << 20;
/// Octets of bodies that are asked for at once.
const BODIES_OCTETS_MAX: u64 = 1 << 20;
/// Pieces of bodies that are asked for at once: a call fits into a socket, so that it can be
/// written while an answer is still to be read.
const BODIES_MAX: usize = 400;

/// What comes over the line.
pub(super) struct Feed {
    line: Line,
    progress: Progress,
    pace: Option<Pace>,
    broken: Option<Complaint>,
}

/// So many octets in a second.
struct Pace {
    octets_per_second: u64,
    begun: Instant,
    octets: u64,
}

impl Pace {
    fn spend(&mut self, octets: u64) {
        self.octets += octets;
        let nanos = u128::from(self.octets) * 1_000_000_000 / u128::from(self.octets_per_second);
        let due = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        thread::sleep(due.saturating_sub(self.begun.elapsed()));
    }
}

impl Feed {
    pub(super) fn new(line: Line, progress: Progress, rate: Option<u64>) -> Self {
        let pace = rate.map(|rate| Pace {
            octets_per_second: rate.max(1),
            begun: Instant::now(),
            octets: 0,
        });
        Self {
            line,
            progress,
            pace,
            broken: None,
        }
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Why the line broke, if it did.
    pub(super) fn broken(&mut self) -> Option<Complaint> {
        self.broken.take()
    }

    fn or_broken<T>(&mut self, heard: Result<T, Complaint>) -> Outcome<T> {
        heard.map_err(|complaint| {
            let error = Error::Source(complaint.to_string());
            self.broken = Some(complaint);
            error
        })
    }

    /// The octets behind an answer.
    fn octets(&mut self, answer: &Value) -> Outcome<Bytes> {
        let len = answer.get("octets").and_then(Value::as_u64);
        let len = len.unwrap_or_default();
        let mut octets = Vec::with_capacity(usize::try_from(len).unwrap_or(0).min(8 << 20));
        let read = self.line.octets(len, |piece| {
            octets.extend_from_slice(piece);
            Ok(())
        });
        self.or_broken(read)?;
        if let Some(pace) = &mut self.pace {
            pace.spend(len);
        }
        Ok(octets.into())
    }

    fn ask(&mut self, batch: &[Sought]) -> Outcome<()> {
        let list = batch.iter().map(|one| {
            let hint = u64::from_be_bytes(one.hint.0);
            let range = one.range;
            json!([
                range.blob.to_string(),
                range.offset,
                range.len,
                one.len,
                hint
            ])
        });
        let list: Vec<Value> = list.collect();
        let asked = self.line.ask("Backup/bodies", &json!({ "list": list }));
        self.or_broken(asked)
    }

    /// The pieces of the next answer; none if they cannot all be had.
    fn hear(&mut self) -> Outcome<Option<Bytes>> {
        let heard = self.line.hear();
        match self.or_broken(heard)? {
            Ok(answer) => self.octets(&answer).map(Some),
            Err(_) => Ok(None),
        }
    }
}

impl Rows for Feed {
    fn rows(&mut self, from: Bytes) -> Outcome<SnapshotPage> {
        let from = String::from_utf8_lossy(&from);
        let arguments = json!({ "from": from, "octets": ROWS_OCTETS });
        let answer = self.line.call("Backup/rows", &arguments);
        let answer = self.or_broken(answer)?;
        let next = answer.get("next").and_then(Value::as_str);
        Ok(SnapshotPage {
            octets: self.octets(&answer)?,
            next: next.map(|next| Bytes::copy_from_slice(next.as_bytes())),
        })
    }
}

impl Bodies for Feed {
    fn bodies(
        &mut self,
        wanted: &[Sought],
        taken: &mut dyn FnMut(Option<Bytes>) -> Outcome<()>,
    ) -> Outcome<()> {
        let batches = batches(wanted);
        let mut asked = batches.iter();
        let mut heard = VecDeque::new();
        if let Some(first) = asked.next() {
            self.ask(first)?;
        }
        for batch in &batches {
            // The one behind it is on its way while this one is worked on.
            let mut ahead = 0;
            if let Some(next) = asked.next() {
                self.ask(next)?;
                ahead = 1;
            }
            let answer = match heard.pop_front() {
                Some(answer) => answer,
                None => self.hear()?,
            };
            match answer {
                Some(octets) => hand_over(batch, octets, taken)?,
                None if batch.len() == 1 => taken(None)?,
                None => {
                    // Which of them it is has to be found out, behind what was asked meanwhile.
                    for _ in 0..ahead {
                        heard.push_back(self.hear()?);
                    }
                    for one in batch.iter().copied() {
                        self.ask(&[one])?;
                        let answer = self.hear()?;
                        taken(answer)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Source for Feed {
    fn passed(&mut self, messages: u64, octets: u64) {
        self.progress.add(messages, octets);
    }
}

/// What is asked for with one call each.
fn batches(wanted: &[Sought]) -> Vec<&[Sought]> {
    let mut batches = Vec::new();
    let (mut begin, mut octets) = (0, 0);
    for (at, one) in wanted.iter().enumerate() {
        let is_full = octets + one.range.len > BODIES_OCTETS_MAX || at - begin >= BODIES_MAX;
        if is_full && at > begin {
            batches.extend(wanted.get(begin..at));
            (begin, octets) = (at, 0);
        }
        octets += one.range.len;
    }
    batches.extend(wanted.get(begin..).filter(|rest| !rest.is_empty()));
    batches
}

fn hand_over(
    batch: &[Sought],
    mut octets: Bytes,
    taken: &mut dyn FnMut(Option<Bytes>) -> Outcome<()>,
) -> Outcome<()> {
    for one in batch {
        let len = usize::try_from(one.range.len).unwrap_or(usize::MAX);
        if len > octets.len() {
            return Err(Error::Source("fewer octets than were asked for".to_owned()));
        }
        taken(Some(octets.split_to(len)))?;
    }
    Ok(())
}
