//! The rows of journeys, by time.

use bytes::{BufMut, Bytes, BytesMut};
use mail::{JourneyId, QueueId, Timestamp};
use store::{Table, Version, Write};

use super::{Event, JourneyStep};
use crate::octets::{Reader, Writer};

/// What happened to letters in an account, by time and journey.
pub(crate) const TABLE: Table = Table(16);
/// What happened to letters in the queue, by time, journey, id, and the version of the queue: a
/// letter may be tried again in the same second.
pub(crate) const QUEUE_TABLE: Table = Table(45);

const VERSION: u8 = 1;
/// A row with an attempt that says what there was of TLS.
const VERSION_TLS: u8 = 2;
/// Versions of rows that are read.
pub(crate) const VERSIONS: &[u8] = &[VERSION, VERSION_TLS];

/// A letter of the queue, at a version of it.
pub(crate) type Queued = (QueueId, Version);

/// A row: of the queue where it names a letter there.
pub(crate) fn put_row(step: &JourneyStep, queued: Option<Queued>) -> Write {
    let count = u64::try_from(step.events.len()).unwrap_or_default();
    let version = match step.events.iter().any(Event::is_of_second_version) {
        true => VERSION_TLS,
        false => VERSION,
    };
    let mut writer = Writer::version(version).number(count);
    for event in &step.events {
        writer = event.write(writer);
    }
    let mut key = BytesMut::with_capacity(32);
    key.extend_from_slice(&from_key(step.when.seconds));
    key.put_u64(step.journey.0);
    if let Some((id, version)) = queued {
        key.put_u64(id.0);
        key.put_u64(version.0);
    }
    Write::Put {
        table: table(queued.is_some()),
        key: key.freeze(),
        value: writer.finish(),
    }
}

pub(crate) const fn delete_row(of_queue: bool, key: Bytes) -> Write {
    Write::Delete {
        table: table(of_queue),
        key,
    }
}

const fn table(of_queue: bool) -> Table {
    match of_queue {
        true => QUEUE_TABLE,
        false => TABLE,
    }
}

/// The first key of a moment.
pub(crate) fn from_key(seconds: i64) -> [u8; 8] {
    u64::try_from(seconds).unwrap_or_default().to_be_bytes()
}

pub(crate) fn read_row(key: &[u8], value: &[u8]) -> Option<JourneyStep> {
    let (seconds, rest) = key.split_first_chunk::<8>()?;
    let (journey, rest) = rest.split_first_chunk::<8>()?;
    if !matches!(rest.len(), 0 | 16) {
        return None;
    }
    let (mut reader, _) = Reader::either(value, VERSIONS)?;
    let count = reader.number()?;
    let mut events = Vec::new();
    for _ in 0..count {
        events.push(Event::read(&mut reader)?);
    }
    reader.end()?;
    Some(JourneyStep {
        journey: JourneyId(u64::from_be_bytes(*journey)),
        when: Timestamp::utc(i64::try_from(u64::from_be_bytes(*seconds)).ok()?),
        events,
    })
}

#[cfg(test)]
mod tests {
    use mail::Uid;

    use super::super::{ArrivalTold, AttemptResult, TEXT_OCTETS_MAX};
    use super::*;

    fn step(events: Vec<Event>) -> JourneyStep {
        JourneyStep {
            journey: JourneyId(7),
            when: Timestamp::utc(1_795_464_900),
            events,
        }
    }

    fn row(step: &JourneyStep, id: Option<Queued>) -> (Table, Bytes, Bytes) {
        match put_row(step, id) {
            Write::Put { table, key, value } => (table, key, value),
            _ => panic!("no plain row"),
        }
    }

    #[test]
    fn rows_come_back() {
        let id = QueueId(3);
        let arrival = ArrivalTold {
            from: "a@example.net".into(),
            to: vec!["ada@example.org".into(), "ünal@example.org".into()],
            peer: "192.0.2.1".into(),
            helo: "mx.example.net".into(),
            protocol: "ESMTPS".into(),
            tls: "TLS1.3".into(),
            account: String::new(),
            octets: 1 << 33,
            message_id: "<1@example.net>".into(),
            subject: "Grüße".into(),
        };
        let all = step(vec![
            Event::Arrived(Box::new(arrival)),
            Event::Checked("mx; spf=pass".into()),
            Event::Judged {
                percent: 97,
                is_junk: true,
                clues: vec!["pills 99%".into(), "subject:tea 2%".into()],
            },
            Event::Filtered {
                deed: "fileinto".into(),
                cause: "main:3".into(),
            },
            Event::ScriptFailed("too many steps".into()),
            Event::Filed {
                mailbox: "Été".into(),
                uid: Uid::new(9).unwrap(),
            },
            Event::Unfiled,
            Event::Queued {
                id,
                destination: "example.net".into(),
                recipients: vec!["b@example.net".into()],
            },
            Event::Waits { id, until: -5 },
            Event::Handled {
                id,
                deed: "hold".into(),
            },
        ]);
        let attempts = AttemptResult::ALL.map(|result| Event::Attempted {
            id,
            recipient: "b@example.net".into(),
            result,
            said: "451 4.7.1 later".into(),
            tls: String::new(),
        });
        let sealed = attempts.clone().map(|mut attempt| {
            if let Event::Attempted { tls, .. } = &mut attempt {
                "no policy; TLS1.3".clone_into(tls);
            }
            attempt
        });
        let versions = [attempts.to_vec(), sealed.to_vec()].map(|events| {
            let (_, _, value) = row(&step(events), None);
            value[0]
        });
        assert_eq!(versions, [VERSION, VERSION_TLS]);
        let all = [all, step(attempts.to_vec()), step(sealed.to_vec())];
        for step in all.into_iter().chain([step(Vec::new())]) {
            for id in [None, Some((id, Version(9)))] {
                let (table, key, value) = row(&step, id);
                assert_eq!(table, if id.is_some() { QUEUE_TABLE } else { TABLE });
                assert_eq!(read_row(&key, &value), Some(step.clone()));
                for cut in 0..value.len() {
                    assert_eq!(read_row(&key, &value[..cut]), None);
                }
                assert_eq!(read_row(&key[1..], &value), None);
            }
        }
    }

    #[test]
    fn rows_are_bounded_and_in_order() {
        let long = "é".repeat(TEXT_OCTETS_MAX);
        let many = Event::Queued {
            id: QueueId(1),
            destination: long,
            recipients: vec!["somebody@example.net".into(); 1000],
        };
        let (_, early, value) = row(&step(vec![many]), None);
        assert!(value.len() < 4000, "{}", value.len());
        assert!(read_row(&early, &value).is_some());
        let later = JourneyStep {
            when: Timestamp::utc(1_795_464_901),
            journey: JourneyId(0),
            events: Vec::new(),
        };
        assert!(row(&later, None).1 > early);
        assert!(from_key(1_795_464_901)[..] < row(&later, None).1[..]);
    }
}
