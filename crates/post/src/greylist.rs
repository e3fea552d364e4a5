//! Strangers are asked to come back: whoever queues letters does so, whoever only throws them away
//! seldom does.
//!
//! What is remembered of a client, a sender and a recipient is a mark: when they were first here,
//! and whether they came back. Marks are on the disk, in a fixed number of rows of a few marks
//! each: so there is an end to them, whoever calls, and nothing has to be swept out. Who is meant
//! is in a mark as a keyed hash only.
//!
//! Not here: who is a stranger at all (`incoming::screen`).

use std::time::Duration;

use bytes::Bytes;
use mail::Timestamp;
use store::{Partition, Table, Write};

use crate::journey::{Event, JourneyStep};
use crate::octets::{Reader, Writer};
use crate::{Error, Fault, Outcome, Post, queue};

/// Marks of strangers, by a part of their hash.
pub(crate) const TABLE: Table = Table(48);
const VERSION: u8 = 1;

/// Marks in one row: with 65,536 rows, a million of them.
const ROW_MARKS_MAX: usize = 16;
/// Changes of rows that go on at the same time.
const TURNS: usize = 64;
/// Seconds after which it is written down again that somebody known was here.
const REFRESH_SECONDS: i64 = 86_400;
/// What the key is made for: no other use of the house's secret gives the same.
const KEY_CONTEXT: &str = "Caramel 2026-11-27 marks of strangers";

/// When strangers are asked to come back, and for how long it is remembered that they did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GreyRules {
    /// How soon a stranger may come back; zero lets all in at once.
    pub delay: Duration,
    /// How long one has for coming back.
    pub window: Duration,
    /// How long somebody stays known who does not come again.
    pub lifetime: Duration,
    /// After how many that came back a client is known whoever it sends for.
    pub known_after: u32,
}

impl Default for GreyRules {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            delay: Duration::ZERO,
            window: Duration::from_secs(2 * DAY),
            lifetime: Duration::from_secs(36 * DAY),
            known_after: 5,
        }
    }
}

/// One at a time changes a row.
#[derive(Debug)]
pub(crate) struct Turns([tokio::sync::Mutex<()>; TURNS]);

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| tokio::sync::Mutex::default()))
    }
}

/// A client with a sender and a recipient.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stranger<'a> {
    /// The client's network, or the domain that answers for it.
    pub(crate) client: &'a str,
    /// The reverse-path.
    pub(crate) sender: &'a str,
    /// The recipient.
    pub(crate) recipient: &'a str,
    /// What applies.
    pub(crate) rules: &'a GreyRules,
}

/// What is done with a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reception {
    /// Let in.
    Known,
    /// Let in, as it has come back after so many seconds.
    Back(i64),
    /// Asked to come back in so many seconds.
    Wait(i64),
}

/// What is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    /// Who.
    print: u64,
    /// When they were here first, in seconds since 1970.
    first: i64,
    /// When they were here last, as far as it was written down.
    last: i64,
    /// How often somebody came back; 0 while that is waited for.
    passes: u32,
}

/// What to do, and the marks that change: the stranger's and its client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Judgement {
    reception: Reception,
    stranger: Option<Mark>,
    client: Option<Mark>,
}

impl GreyRules {
    /// True if strangers are asked to come back.
    pub(crate) const fn is_on(&self) -> bool {
        !self.delay.is_zero()
    }

    /// True once a mark says nothing any more.
    fn is_stale(&self, mark: &Mark, now: i64) -> bool {
        let (since, span) = match mark.passes {
            0 => (mark.first, self.window),
            _ => (mark.last, self.lifetime),
        };
        now.saturating_sub(since) > seconds(span)
    }

    /// What to do, by what is remembered.
    fn judge(&self, stranger: Mark, client: Mark, now: i64) -> Judgement {
        let fresh = |mark: Mark| match self.is_stale(&mark, now) {
            true => Mark {
                first: now,
                last: now,
                passes: 0,
                ..mark
            },
            false => mark,
        };
        let (was, client) = (stranger, fresh(client));
        let stranger = fresh(stranger);
        let again = |mark: Mark| {
            let is_due = now.saturating_sub(mark.last) >= REFRESH_SECONDS;
            is_due.then_some(Mark { last: now, ..mark })
        };
        let known = |stranger, client| Judgement {
            reception: Reception::Known,
            stranger,
            client,
        };
        if self.known_after > 0 && client.passes >= self.known_after {
            return known(None, again(client));
        }
        if stranger.passes > 0 {
            return known(again(stranger), None);
        }
        let waited = now.saturating_sub(stranger.first);
        let left = seconds(self.delay).saturating_sub(waited);
        if left > 0 {
            return Judgement {
                reception: Reception::Wait(left),
                stranger: (stranger != was).then_some(stranger),
                client: None,
            };
        }
        let passed = |mark: Mark| Mark {
            last: now,
            passes: mark.passes.saturating_add(1),
            ..mark
        };
        Judgement {
            reception: Reception::Back(waited),
            stranger: Some(passed(stranger)),
            client: Some(passed(client)),
        }
    }
}

impl Mark {
    /// Of somebody who was never here.
    const fn unknown(print: u64) -> Self {
        Self {
            print,
            first: i64::MIN,
            last: i64::MIN,
            passes: 0,
        }
    }
}

impl Post {
    /// Receives a stranger; what is to be remembered is on the disk then. If it is the first time
    /// that they have to wait, that is told of the letter that they announced.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub(crate) async fn receive_stranger(
        &self,
        stranger: Stranger<'_>,
        announced: Option<JourneyStep>,
    ) -> Outcome<Reception> {
        let key = blake3::derive_key(KEY_CONTEXT, &self.inner.directory.secret());
        let Stranger {
            client,
            sender,
            recipient,
            rules,
        } = stranger;
        let of_client = print(&key, &[client]);
        let of_all = print(&key, &[client, sender, recipient]);
        let now = self.inner.outside.now();
        let prints = (of_all, of_client);
        let (judgement, ..) = self.look_up(prints, rules, now).await?;
        if judgement.is_settled() {
            return Ok(judgement.reception);
        }
        // One behind the other where rows are the same, in one order for all.
        let turns = &self.inner.strangers.0;
        let mut places = [turn(of_all), turn(of_client)];
        places.sort_unstable();
        let first = turns.get(places[0]);
        let other = turns.get(places[1]).filter(|_| places[0] != places[1]);
        let _first = match first {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let _other = match other {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let (judgement, mut rows) = self.look_up(prints, rules, now).await?;
        let marks = judgement.stranger.into_iter().chain(judgement.client);
        for mark in marks {
            rows.keep(mark, rules, now.seconds);
        }
        let told = match judgement.reception {
            Reception::Wait(left) if judgement.stranger.is_some() => {
                let told = announced.filter(|_| self.allows_announcement());
                told.map(|step| asked_back(step, now, left))
            }
            _ => None,
        };
        let change = queue::Change {
            beside: rows.writes(),
            told: told
                .map(|step| (mail::QueueId(0), step))
                .into_iter()
                .collect(),
            ..queue::Change::default()
        };
        if !change.is_empty() {
            self.change_with_queue(&[], &[], &change, |_, _| Ok(()))
                .await?;
        }
        Ok(judgement.reception)
    }

    /// What to do, and the rows it is by.
    async fn look_up(
        &self,
        (all, client): (u64, u64),
        rules: &GreyRules,
        now: Timestamp,
    ) -> Outcome<(Judgement, Rows)> {
        let keys: Vec<Bytes> = [all, client].into_iter().map(row_key).collect();
        let found = self
            .inner
            .store
            .get(Partition::QUEUE, TABLE, keys.clone())
            .await;
        let found = found.map_err(Error::reading("reading marks of strangers"))?;
        let mut rows = Rows::default();
        for (key, value) in keys.into_iter().zip(found) {
            let marks = match value {
                None => Vec::new(),
                Some(value) => read(&value).ok_or(Fault::Row("marks of strangers"))?,
            };
            if !rows.0.iter().any(|row| row.key == key) {
                let changed = false;
                rows.0.push(MarkRow {
                    key,
                    marks,
                    changed,
                });
            }
        }
        let judgement = rules.judge(rows.mark(all), rows.mark(client), now.seconds);
        Ok((judgement, rows))
    }
}

/// Tells that somebody was asked to come back.
fn asked_back(mut step: JourneyStep, now: Timestamp, left: i64) -> JourneyStep {
    let until = Timestamp::utc(now.seconds.saturating_add(left)).to_rfc3339();
    let words = format!("not known yet; asked to come back after {until} (450 4.7.1)");
    step.events.push(Event::Checked(words));
    step
}

impl Judgement {
    /// True if nothing has to be written.
    const fn is_settled(&self) -> bool {
        self.stranger.is_none() && self.client.is_none()
    }
}

/// The rows that a judgement is by: one or two.
#[derive(Debug, Default)]
struct Rows(Vec<MarkRow>);

#[derive(Debug)]
struct MarkRow {
    key: Bytes,
    marks: Vec<Mark>,
    changed: bool,
}

impl Rows {
    fn mark(&self, print: u64) -> Mark {
        let mut marks = self.0.iter().flat_map(|row| &row.marks);
        let known = marks.find(|mark| mark.print == print);
        known.copied().unwrap_or_else(|| Mark::unknown(print))
    }

    /// Puts a mark in; where its row is full, the one goes that says the least.
    fn keep(&mut self, mark: Mark, rules: &GreyRules, now: i64) {
        let key = row_key(mark.print);
        let Some(row) = self.0.iter_mut().find(|row| row.key == key) else {
            return;
        };
        row.changed = true;
        row.marks.retain(|one| one.print != mark.print);
        if row.marks.len() >= ROW_MARKS_MAX {
            let says = |one: &Mark| (!rules.is_stale(one, now), one.passes > 0, one.last);
            let least = row.marks.iter().enumerate();
            let least = least.min_by_key(|(_, one)| says(one)).map(|(at, _)| at);
            least.map(|at| row.marks.swap_remove(at));
        }
        row.marks.push(mark);
    }

    fn writes(self) -> Vec<Write> {
        let changed = self.0.into_iter().filter(|row| row.changed);
        let put = |row: MarkRow| Write::Put {
            table: TABLE,
            key: row.key,
            value: write(&row.marks),
        };
        changed.map(put).collect()
    }
}

fn write(marks: &[Mark]) -> Bytes {
    let mut writer = Writer::version(VERSION).number(marks.len() as u64);
    for mark in marks {
        writer = writer
            .fixed(&mark.print.to_be_bytes())
            .signed(mark.first)
            .signed(mark.last)
            .number(mark.passes.into());
    }
    writer.finish()
}

fn read(value: &[u8]) -> Option<Vec<Mark>> {
    let mut reader = Reader::version(value, VERSION)?;
    let count: usize = reader.small()?;
    let mut marks = Vec::new();
    for _ in 0..count {
        marks.push(Mark {
            print: u64::from_be_bytes(reader.fixed()?),
            first: reader.signed()?,
            last: reader.signed()?,
            passes: reader.small()?,
        });
    }
    reader.end()?;
    Some(marks)
}

/// Who is meant, as nobody outside can tell.
fn print(key: &[u8; 32], words: &[&str]) -> u64 {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for word in words {
        hasher.update(&(word.len() as u64).to_be_bytes());
        hasher.update(word.as_bytes());
    }
    let hash = hasher.finalize();
    hash.as_bytes()
        .first_chunk()
        .map_or(0, |octets| u64::from_be_bytes(*octets))
}

/// The row of a mark.
fn row_key(print: u64) -> Bytes {
    Bytes::copy_from_slice(print.to_be_bytes().get(..2).unwrap_or_default())
}

/// Whose turn it is for a mark's row.
fn turn(print: u64) -> usize {
    let row = usize::try_from(print >> 48).unwrap_or_default();
    row % TURNS
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: GreyRules = GreyRules {
        delay: Duration::from_secs(300),
        window: Duration::from_secs(10_000),
        lifetime: Duration::from_secs(1_000_000),
        known_after: 2,
    };

    fn mark(first: i64, last: i64, passes: u32) -> Mark {
        Mark {
            print: 7,
            first,
            last,
            passes,
        }
    }

    #[test]
    fn who_waits_and_who_is_known() {
        const NOW: i64 = 2_000_000;
        let never = Mark::unknown(7);
        let anew = Some(mark(NOW, NOW, 0));
        for (stranger, client, reception, after) in [
            (never, never, Reception::Wait(300), (anew, None)),
            // Who comes too soon is told how long it is still, and nothing is written.
            (
                mark(NOW - 100, NOW - 100, 0),
                never,
                Reception::Wait(200),
                (None, None),
            ),
            (
                mark(NOW - 300, NOW - 300, 0),
                never,
                Reception::Back(300),
                (Some(mark(NOW - 300, NOW, 1)), Some(mark(NOW, NOW, 1))),
            ),
            (
                mark(NOW - 10_000, NOW - 10_000, 0),
                mark(5, NOW - 9, 1),
                Reception::Back(10_000),
                (Some(mark(NOW - 10_000, NOW, 1)), Some(mark(5, NOW, 2))),
            ),
            // Who comes too late begins anew.
            (
                mark(NOW - 10_001, NOW - 10_001, 0),
                never,
                Reception::Wait(300),
                (anew, None),
            ),
            (mark(5, NOW - 9, 1), never, Reception::Known, (None, None)),
            (
                mark(5, NOW - 86_400, 1),
                never,
                Reception::Known,
                (Some(mark(5, NOW, 1)), None),
            ),
            (
                mark(5, NOW - 1_000_001, 1),
                never,
                Reception::Wait(300),
                (anew, None),
            ),
            // A client that comes back is known, whoever it sends for.
            (never, mark(5, NOW - 9, 2), Reception::Known, (None, None)),
            (
                never,
                mark(5, NOW - 90_000, 9),
                Reception::Known,
                (None, Some(mark(5, NOW, 9))),
            ),
            (
                never,
                mark(5, NOW - 1_000_001, 9),
                Reception::Wait(300),
                (anew, None),
            ),
        ] {
            let judged = RULES.judge(stranger, client, NOW);
            let expected = Judgement {
                reception,
                stranger: after.0,
                client: after.1,
            };
            assert_eq!(judged, expected, "{stranger:?} {client:?}");
        }
    }

    #[test]
    fn a_row_has_an_end_and_keeps_who_came_back() {
        const NOW: i64 = 2_000_000;
        let key = row_key(0);
        let mut rows = Rows(vec![MarkRow {
            key,
            marks: Vec::new(),
            changed: false,
        }]);
        let of = |print, first, passes| Mark {
            print,
            ..mark(first, first, passes)
        };
        rows.keep(of(1, NOW - 9, 1), &RULES, NOW);
        rows.keep(of(2, NOW - 20_000, 0), &RULES, NOW);
        for print in 3..17 {
            rows.keep(of(print, NOW - 100, 0), &RULES, NOW);
        }
        assert_eq!(rows.0[0].marks.len(), ROW_MARKS_MAX);
        // First the one that is too old, then one that is waited for.
        for print in 17..100 {
            rows.keep(of(print, NOW, 0), &RULES, NOW);
            assert_eq!(rows.0[0].marks.len(), ROW_MARKS_MAX);
            assert_eq!(rows.mark(2), Mark::unknown(2));
            assert_eq!(rows.mark(1).passes, 1);
        }
        let marks = rows.0[0].marks.clone();
        let value = write(&marks);
        assert_eq!(read(&value), Some(marks));
        for cut in 0..value.len() {
            assert_eq!(read(&value[..cut]), None);
        }
        assert!(value.len() < 16 * 32, "{}", value.len());
    }

    #[test]
    fn a_mark_tells_nobody_who_is_meant() {
        let (key, other) = ([1; 32], [2; 32]);
        let one = print(&key, &["192.0.2.0/24", "a@b", "c@d"]);
        assert_ne!(one, print(&other, &["192.0.2.0/24", "a@b", "c@d"]));
        assert_ne!(one, print(&key, &["192.0.2.0/24", "a@bc", "@d"]));
        assert!(turn(u64::MAX) < TURNS);
    }
}
