//! Operations that can be undone: one row says what it was. Rows for what it did are in `parts`.
//!
//! Not here: what an operation is called (`history`), how it is undone (`undo`).

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use mail::{ModSeq, Timestamp};
use store::Write;

use super::{HISTORY, REMEMBERED, VERSION, delete, put};
use crate::history::{Actor, Client, OperationKind};
use crate::octets::{Reader, Writer};

/// An operation's row, without its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) kind: OperationKind,
    pub(crate) state: State,
    pub(crate) when: Timestamp,
    pub(crate) actor: Arc<Actor>,
    /// How many messages it is about.
    pub(crate) messages: u64,
    /// Octets of the messages that it keeps.
    pub(crate) octets: u64,
    /// The mailbox it is about, by the name it had; empty for none.
    pub(crate) mailbox: String,
    /// Where that went: a mailbox's name; empty for nowhere.
    pub(crate) target: String,
    /// How many rows say what it did.
    pub(crate) parts: u32,
    /// The operation that this one undid.
    pub(crate) undoes: Option<ModSeq>,
    /// The proof of a purge.
    pub(crate) proof: Option<[u8; 32]>,
}

/// What is known of all operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// The moment since which nothing was taken away that is not remembered, in seconds.
    pub(crate) since_seconds: Option<i64>,
    /// True if messages came back that the search index may have dropped.
    pub(crate) unindexed: bool,
    /// When something was forgotten last.
    pub(crate) forgotten: ModSeq,
}

/// What has become of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It can be undone.
    Done,
    /// It was undone, by the operation of this line.
    Undone(ModSeq),
    /// It is being forgotten: some of its rows may have gone.
    Forgotten,
}

pub(crate) fn put_deed(line: ModSeq, deed: &Deed) -> Write {
    let (state, by) = match deed.state {
        State::Done => (0, ModSeq(0)),
        State::Undone(by) => (1, by),
        State::Forgotten => (2, ModSeq(0)),
    };
    let address = match deed.actor.client.address {
        None => Vec::new(),
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        Some(IpAddr::V6(address)) => address.octets().to_vec(),
    };
    let proof = deed.proof.as_ref().map_or(&[][..], |proof| &proof[..]);
    let value = Writer::version(VERSION)
        .number(deed.kind.number())
        .number(state)
        .number(by.0)
        .signed(deed.when.seconds)
        .octets(deed.actor.who.as_bytes())
        .octets(deed.actor.client.protocol.as_bytes())
        .octets(&address)
        .octets(deed.actor.client.name.as_bytes())
        .number(deed.messages)
        .number(deed.octets)
        .octets(deed.mailbox.as_bytes())
        .octets(deed.target.as_bytes())
        .number(deed.parts.into())
        .number(deed.undoes.map_or(0, |line| line.0))
        .octets(proof)
        .finish();
    put(HISTORY, deed_key(line), value)
}

pub(crate) fn read_deed(key: &[u8], value: &[u8]) -> Option<(ModSeq, Deed)> {
    let line = ModSeq(u64::from_be_bytes(key.try_into().ok()?));
    let mut reader = Reader::version(value, VERSION)?;
    let kind = OperationKind::of(reader.number()?)?;
    let state = (reader.number()?, ModSeq(reader.number()?));
    let state = match state {
        (0, _) => State::Done,
        (1, by) => State::Undone(by),
        (2, _) => State::Forgotten,
        _ => return None,
    };
    let when = Timestamp::utc(reader.signed()?);
    let who = reader.text()?.to_owned();
    let protocol = reader.text()?.to_owned();
    let address = reader.octets()?;
    let address = match address.len() {
        0 => None,
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(address).ok()?)),
        _ => Some(IpAddr::from(<[u8; 16]>::try_from(address).ok()?)),
    };
    let name = reader.text()?.to_owned();
    let client = Client {
        protocol,
        address,
        name,
    };
    let deed = Deed {
        kind,
        state,
        when,
        actor: Arc::new(Actor { who, client }),
        messages: reader.number()?,
        octets: reader.number()?,
        mailbox: reader.text()?.to_owned(),
        target: reader.text()?.to_owned(),
        parts: reader.small()?,
        undoes: Some(ModSeq(reader.number()?)).filter(|line| line.0 > 0),
        proof: match reader.octets()? {
            [] => None,
            proof => Some(proof.try_into().ok()?),
        },
    };
    reader.end()?;
    Some((line, deed))
}

/// The one row that says so.
pub(crate) fn put_remembered(remembered: Remembered) -> Write {
    let value = Writer::version(VERSION)
        .number(remembered.unindexed.into())
        .number(remembered.since_seconds.is_some().into())
        .signed(remembered.since_seconds.unwrap_or_default())
        .number(remembered.forgotten.0);
    put(REMEMBERED, Bytes::new(), value.finish())
}

pub(crate) fn read_remembered(value: &[u8]) -> Option<Remembered> {
    let mut reader = Reader::version(value, VERSION)?;
    let unindexed = reader.number()? != 0;
    let (is_known, seconds) = (reader.number()? != 0, reader.signed()?);
    let forgotten = ModSeq(reader.number()?);
    reader.end()?;
    Some(Remembered {
        since_seconds: is_known.then_some(seconds),
        unindexed,
        forgotten,
    })
}

pub(crate) fn delete_deed(line: ModSeq) -> Write {
    delete(HISTORY, deed_key(line))
}

/// The key of an operation's row.
pub(crate) fn deed_key(line: ModSeq) -> Bytes {
    Bytes::copy_from_slice(&line.0.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::parts;

    #[test]
    fn what_is_known_of_all_comes_back() {
        for since_seconds in [None, Some(0), Some(-7), Some(1_700_000_000)] {
            for unindexed in [false, true] {
                let remembered = Remembered {
                    since_seconds,
                    unindexed,
                    forgotten: ModSeq(9),
                };
                let (_, value) = parts(put_remembered(remembered));
                assert_eq!(read_remembered(&value), Some(remembered));
            }
        }
    }

    #[test]
    fn operations_come_back() {
        let address = ["", "192.0.2.1", "2001:db8::1"];
        let states = [State::Done, State::Undone(ModSeq(80)), State::Forgotten];
        for (address, state) in address.into_iter().zip(states) {
            let deed = Deed {
                kind: OperationKind::Move,
                state,
                when: Timestamp::utc(-4),
                actor: Arc::new(Actor {
                    who: "ada@example.org".into(),
                    client: Client {
                        protocol: "imap".into(),
                        address: address.parse().ok(),
                        name: "Mutt".into(),
                    },
                }),
                messages: 10_000,
                octets: 1 << 40,
                mailbox: "INBOX".into(),
                target: "Été".into(),
                parts: 3,
                undoes: Some(ModSeq(7)).filter(|_| address.is_empty()),
                proof: Some([7; 32]).filter(|_| !address.is_empty()),
            };
            let (key, value) = parts(put_deed(ModSeq(70), &deed));
            assert_eq!(read_deed(&key, &value), Some((ModSeq(70), deed)));
            for end in 0..value.len() {
                assert_eq!(read_deed(&key, &value[..end]), None);
            }
        }
    }
}
