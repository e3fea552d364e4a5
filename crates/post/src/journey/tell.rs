//! Journeys told, and forgotten when they are too old.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use bytes::Bytes;
use mail::{AccountId, JourneyId, QueueId, Timestamp};
use message::{Header, decode_words};
use store::{Direction, Partition, Row};

use super::row::{delete_row, from_key};
use super::{ArrivalTold, Event, JourneyStep, QUEUE_TABLE, TABLE, put_row, read_row};
use crate::draft::Draft;
use crate::incoming::{Origin, Sender};
use crate::spool::Spooled;
use crate::{Error, Fault, Outcome, Post, queue};

/// Rows that are read at once.
const PAGE_ROWS: usize = 1000;
/// Rows that one step forgets.
const STEP_ROWS_MAX: usize = 1000;
/// Letters that are told of at once: the last ones.
const JOURNEYS_MAX: usize = 100;
/// Rows that are told at once.
const ROWS_MAX: usize = 10_000;

/// Which letters are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// The one with this name, as its `Received` field and the answer to its end have it.
    Journey(JourneyId),
    /// The one that has this name in the queue.
    Queued(QueueId),
    /// Those from or for this address, or with this `Message-ID`; without angle brackets.
    Named(String),
    /// Those whose subject has all these words, in lower case.
    Words(Vec<String>),
}

/// A step of a letter's journey, and in whose account it was; `None` for the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JourneyTold {
    /// In whose account.
    pub account: Option<AccountId>,
    /// What happened.
    pub step: JourneyStep,
}

/// What is told of a letter in each account and in the queue: how it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Teller {
    /// None for a letter of our own, and where nothing is told.
    pub(crate) arrived: Option<(JourneyId, Vec<Event>)>,
}

impl Teller {
    /// Of a letter that comes in.
    pub(crate) fn of(
        (journey, to): (JourneyId, Vec<String>),
        (origin, sender): (&Origin, &Sender),
        spooled: &Spooled,
        checked: Vec<String>,
    ) -> Self {
        let front = spooled.front().map(Bytes::as_ref).unwrap_or_default();
        let field = |name: &str| {
            let value = Header::first(front, name)
                .map(|field| decode_words(&field.unfolded()).into_owned());
            value.unwrap_or_default().trim().to_owned()
        };
        let tls = origin.tls.as_ref();
        let tls = tls.map(|tls| format!("{} {}", tls.version, tls.cipher));
        let account = origin.account.as_ref();
        let arrival = ArrivalTold {
            from: sender
                .reverse_path
                .to_string()
                .trim_matches(['<', '>'])
                .to_owned(),
            to,
            peer: origin.peer.to_canonical().to_string(),
            helo: origin.helo.clone(),
            protocol: match &origin.user {
                Some(user) => format!("handed in by {}", user.name),
                None => origin.protocol_name(sender.smtputf8),
            },
            tls: tls.unwrap_or_default(),
            account: account
                .map(|one| one.address().to_string())
                .unwrap_or_default(),
            octets: spooled.staged.len,
            message_id: field("Message-ID"),
            subject: field("Subject"),
        };
        let mut events = vec![Event::Arrived(Box::new(arrival))];
        let unfolded = |results: String| results.split_whitespace().collect::<Vec<_>>().join(" ");
        events.extend(checked.into_iter().map(unfolded).map(Event::Checked));
        Self {
            arrived: Some((journey, events)),
        }
    }

    /// The same of one that was fetched elsewhere.
    pub(crate) fn fetched(mut self) -> Self {
        let arrived = self
            .arrived
            .as_mut()
            .and_then(|(_, events)| events.first_mut());
        if let Some(Event::Arrived(arrival)) = arrived {
            arrival.protocol = "fetch".to_owned();
        }
        self
    }

    /// Writes what happened in an account: `deeds`, and where it was filed.
    pub(crate) fn file(&self, draft: &mut Draft<'_>, when: Timestamp, deeds: Vec<Event>) {
        let filed = draft.filed_last();
        let Some((journey, arrived)) = &self.arrived else {
            return;
        };
        let mut events = arrived.clone();
        events.extend(deeds);
        if filed.is_empty() {
            events.push(Event::Unfiled);
        }
        events.extend(filed);
        let step = JourneyStep {
            journey: *journey,
            when,
            events,
        };
        draft.note(&step.events);
        draft.write(put_row(&step, None));
    }

    /// What happened when a letter came into the queue.
    pub(crate) fn queued(&self, id: QueueId, entry: &queue::Entry) -> JourneyStep {
        let recipients = entry.recipients.iter();
        let queued = Event::Queued {
            id,
            destination: entry.destination.clone(),
            recipients: recipients
                .map(|one| one.recipient.forward_path.to_string())
                .collect(),
        };
        let arrived = self.arrived.as_ref();
        let arrived = arrived.filter(|(journey, _)| *journey == entry.journey);
        let mut events = arrived
            .map(|(_, events)| events.clone())
            .unwrap_or_default();
        events.push(queued);
        JourneyStep {
            journey: entry.journey,
            when: entry.arrived,
            events,
        }
    }
}

impl Post {
    /// True if journeys are written.
    pub(crate) fn tells_journeys(&self) -> bool {
        !self.rules().journeys_kept.is_zero()
    }

    /// The journeys of letters since a moment, as far as they are remembered: in the account of
    /// `only`, or in all accounts and the queue. The last ones, where they are many. By time.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn journeys(
        &self,
        sought: &Sought,
        since: Timestamp,
        only: Option<AccountId>,
    ) -> Outcome<Vec<JourneyTold>> {
        let mut places: Vec<Option<AccountId>> = match only {
            Some(account) => vec![Some(account)],
            None => self.accounts().iter().map(|one| Some(one.id)).collect(),
        };
        places.push(None);
        let mut found: BTreeMap<JourneyId, Timestamp> = BTreeMap::new();
        for place in &places {
            self.each_step(*place, since, |step| {
                if step.is(sought) {
                    let last = found.entry(step.journey).or_insert(step.when);
                    *last = step.when.max(*last);
                }
                ControlFlow::Continue(())
            })
            .await?;
        }
        let mut last: Vec<_> = found.into_iter().map(|(id, when)| (when, id)).collect();
        last.sort_unstable();
        let skipped = last.len().saturating_sub(JOURNEYS_MAX);
        let wanted: BTreeSet<JourneyId> =
            last.into_iter().skip(skipped).map(|(_, id)| id).collect();
        let mut told = Vec::new();
        for place in places {
            self.each_step(place, since, |step| {
                if wanted.contains(&step.journey) {
                    told.push(JourneyTold {
                        account: place,
                        step,
                    });
                }
                match told.len() >= ROWS_MAX {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            })
            .await?;
        }
        told.sort_by_key(|one| (one.step.when, one.step.journey));
        Ok(told)
    }

    /// Tells each step in an account, or in the queue, since a moment.
    async fn each_step(
        &self,
        place: Option<AccountId>,
        since: Timestamp,
        mut each: impl FnMut(JourneyStep) -> ControlFlow<()> + Send,
    ) -> Outcome<()> {
        let mut from = Bytes::copy_from_slice(&from_key(since.seconds));
        loop {
            let (rows, more) = self.journey_rows(place, (from, None)).await?;
            for row in &rows {
                let step = read_row(&row.key, &row.value).ok_or(Fault::Row("a journey"))?;
                if each(step).is_break() {
                    return Ok(());
                }
            }
            let Some(last) = rows.last().filter(|_| more) else {
                return Ok(());
            };
            from = [&last.key, &[0][..]].concat().into();
        }
    }

    async fn journey_rows(
        &self,
        place: Option<AccountId>,
        range: (Bytes, Option<Bytes>),
    ) -> Outcome<(Vec<Row>, bool)> {
        let (partition, table) = match place {
            Some(account) => (Partition(account.0), TABLE),
            None => (Partition::QUEUE, QUEUE_TABLE),
        };
        let store = self.inner.store.as_ref();
        let page = store.scan(partition, table, range, PAGE_ROWS, Direction::Rising);
        let page = page.await.map_err(Error::reading("reading journeys"))?;
        Ok((page.rows, page.more))
    }

    /// Forgets the journeys that are too old, in an account or in the queue; tells how many steps.
    ///
    /// # Errors
    /// If they cannot be read, or it cannot be stored.
    pub async fn forget_journeys(&self, place: Option<AccountId>) -> Outcome<usize> {
        let kept = i64::try_from(self.rules().journeys_kept.as_secs()).unwrap_or(i64::MAX);
        let oldest = self.inner.outside.now().seconds.saturating_sub(kept);
        let end = Bytes::copy_from_slice(&from_key(oldest));
        let mut forgotten = 0;
        loop {
            let (rows, more) = self
                .journey_rows(place, (Bytes::new(), Some(end.clone())))
                .await?;
            let keys: Vec<Bytes> = rows.into_iter().map(|row| row.key).collect();
            for keys in keys.chunks(STEP_ROWS_MAX) {
                forgotten += keys.len();
                self.forget_rows(place, keys).await?;
            }
            if !more {
                return Ok(forgotten);
            }
        }
    }

    async fn forget_rows(&self, place: Option<AccountId>, keys: &[Bytes]) -> Outcome<()> {
        let Some(account) = place else {
            let change = queue::Change {
                untold: keys.to_vec(),
                ..queue::Change::default()
            };
            let done = self.change_with_queue(&[], &[], &change, |_, _| Ok(()));
            return done.await.map(drop);
        };
        let keeper = self.keeper(account);
        let was_at_rest = keeper.octets() == 0;
        self.change(&keeper, &[], |draft| {
            keys.iter()
                .for_each(|key| draft.write(delete_row(false, key.clone())));
            Ok(())
        })
        .await?;
        if was_at_rest {
            // Those in use are not to lose their places to one that was only tidied up.
            drop(keeper.rest());
        }
        Ok(())
    }
}

impl JourneyStep {
    fn is(&self, sought: &Sought) -> bool {
        let mut events = self.events.iter();
        match sought {
            Sought::Journey(journey) => self.journey == *journey,
            Sought::Queued(id) => events.any(|event| event.queue_id() == Some(*id)),
            Sought::Named(name) => events.any(|event| event.names(name)),
            Sought::Words(words) => events.any(|event| event.has_words(words)),
        }
    }
}
