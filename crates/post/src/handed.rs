//! Letters that people and programs of this machine hand in: each is accepted exactly once.
//!
//! Such a letter lies somewhere else until it is accepted. Its id is remembered in the step of the
//! store that accepts it, with the recipients that are left, until whoever keeps it says that it is
//! gone there: so a crash in between doubles nothing. What is refused comes back in a report, which
//! is part of that step as well: nobody listens any more.
//!
//! Not here: where such letters lie and who may put them there (`server`).
//!
//! RFC 5321 §6.1 (what was accepted is not lost), RFC 6409 §6.1 (in whose name people write), RFC
//! 3461 §5.2.6 (reports of failure).

use bytes::Bytes;
use mail::{Address, ForwardPath, Recipient, Refusal, ReversePath, Timestamp};
use message::Action;
use store::{Direction, Partition, Write};

use crate::incoming::{Delivery, LetterKind};
use crate::octets::{Reader, Writer};
use crate::queue::{self, HANDED, Said};
use crate::report::{Report, Returned, Told, wants_failure};
use crate::{Account, Error, Fault, Incoming, Origin, Outcome, Post, Receipt, Sender};

/// Ids that are read in one step.
const PAGE_ROWS: usize = 1000;
const VERSION: u8 = 1;

/// The name of a letter that was handed in: nobody else's has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandedId(pub [u8; 16]);

/// Somebody at this machine who hands letters in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalUser {
    /// The name that the system knows.
    pub name: String,
    /// The address that goes with it.
    pub address: Address,
    /// True if letters may be written in anybody's name.
    pub is_trusted: bool,
}

/// What is to be done in the step that accepts a letter that was handed in.
#[derive(Clone, Debug)]
pub struct HandedIn {
    /// Its name.
    pub id: HandedId,
    /// Recipients it is not accepted for yet, by their place among all; with none of them it is
    /// done with.
    pub left: Vec<u32>,
    /// Recipients it never will be accepted for, and why not: its sender is told.
    pub failed: Vec<(Recipient, Refusal)>,
    /// What a report returns of it: its octets, or those its header is in.
    pub returned: Bytes,
    /// True if those are all its octets, and may be returned whole.
    pub is_whole: bool,
}

impl Origin {
    /// In whose name its letters are unless they say otherwise: of whoever is logged in, or hands
    /// them in at this machine.
    pub(crate) fn author(&self) -> Option<&Address> {
        let user = self.user.as_ref().map(|user| &user.address);
        self.account.as_ref().map(Account::address).or(user)
    }

    /// True if it may write in anybody's name, and nobody's.
    pub(crate) fn is_trusted(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.is_trusted)
    }
}

impl Post {
    /// True if whoever hands a letter in may write in the name of this address. Whoever comes from
    /// elsewhere says what he wants.
    // RFC 6409 §6.1
    pub(crate) fn writes_as(&self, origin: &Origin, address: &Address) -> bool {
        let owns = |account: &Account| self.owns(account, address);
        match (&origin.user, &origin.account) {
            _ if origin.is_trusted() => true,
            (Some(user), account) => user.address == *address || account.as_ref().is_some_and(owns),
            (None, Some(account)) => owns(account),
            (None, None) => true,
        }
    }

    /// The recipients a letter that was handed in is not accepted for yet; nothing where it is new.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn handed(&self, id: HandedId) -> Outcome<Option<Vec<u32>>> {
        let store = self.inner.store.as_ref();
        let found = store.get(Partition::QUEUE, HANDED, vec![key(id)]).await;
        let found = found.map_err(Error::reading("reading what was handed in"))?;
        match found.into_iter().next().flatten() {
            None => Ok(None),
            Some(value) => Ok(Some(read(&value).ok_or(Fault::Row("what was handed in"))?)),
        }
    }

    /// Letters that are remembered, behind `after`: a bounded page of them, rising.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn all_handed(&self, after: Option<HandedId>) -> Outcome<Vec<HandedId>> {
        let from = after.map_or(Some(0), |id| u128::from_be_bytes(id.0).checked_add(1));
        let Some(from) = from else {
            return Ok(Vec::new());
        };
        let from = Bytes::copy_from_slice(&from.to_be_bytes());
        let store = self.inner.store.as_ref();
        let range = (from, None);
        let page = store.scan(
            Partition::QUEUE,
            HANDED,
            range,
            PAGE_ROWS,
            Direction::Rising,
        );
        let page = page
            .await
            .map_err(Error::reading("reading what was handed in"))?;
        let ids = page
            .rows
            .iter()
            .map(|row| row.key.as_ref().try_into().map(HandedId));
        let ids: Result<Vec<HandedId>, _> = ids.collect();
        Ok(ids.map_err(|_| Fault::Row("what was handed in"))?)
    }

    /// Forgets letters that are not where they were handed in any more.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn forget_handed(&self, ids: &[HandedId]) -> Outcome<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let change = queue::Change {
            forgotten: ids.to_vec(),
            ..queue::Change::default()
        };
        self.change_with_queue(&[], &[], &change, |_, _| Ok(()))
            .await
            .map(drop)
    }
}

impl Incoming {
    /// Ends a message that was handed in: on `Ok` it is where it goes, its sender is told for whom
    /// it is not, and its id is remembered, all of it on the disk. A message without recipients may
    /// be ended, where some have failed.
    ///
    /// # Errors
    /// As [`Incoming::commit`].
    pub async fn commit_handed(self, handed: HandedIn) -> Outcome<Receipt> {
        self.finish(Some(handed)).await
    }

    /// The report of failure, where there is somebody to read it.
    pub(crate) fn report_failed(&self, handed: &HandedIn, delivery: &mut Delivery) {
        let said: Vec<Said> = handed.failed.iter().map(|(_, why)| said(why)).collect();
        let now = self.house().outside().now();
        for ((recipient, _), said) in handed.failed.iter().zip(&said) {
            let (journey, to) = (self.journey(), &recipient.forward_path);
            tracing::info!(%journey, %to, said = said.text, "returned");
        }
        let Some(report) = failed(self.sender(), now, handed, &said) else {
            return;
        };
        let returned = match handed.is_whole {
            true => Returned::Whole(&handed.returned),
            false => Returned::Header(&handed.returned),
        };
        let mark = self.journey().to_string();
        let note = queue::Note {
            to: ForwardPath::Address(report.to.clone()),
            stays: false,
            octets: report.write(&self.house().rules().host, &mark, now, returned),
            kind: LetterKind::Failure,
            tls: self.sender().tls,
        };
        let (letters, blobs) = (&mut delivery.letters, &mut delivery.others);
        self.house()
            .address(&note, now, letters, blobs, &mut delivery.queue);
    }
}

/// The report on those who want to hear of it; nobody is told of a report.
// RFC 3461 §5.2.6
fn failed<'a>(
    sender: &'a Sender,
    now: Timestamp,
    handed: &'a HandedIn,
    said: &'a [Said],
) -> Option<Report<'a>> {
    let ReversePath::Address(to) = &sender.reverse_path else {
        return None;
    };
    let told = handed.failed.iter().zip(said);
    let told = told.filter(|((recipient, _), _)| wants_failure(recipient.notify));
    let told: Vec<Told<'_>> = told
        .map(|((recipient, _), said)| Told {
            recipient,
            action: Action::Failed,
            said: Some(said),
        })
        .collect();
    (!told.is_empty()).then_some(Report {
        to,
        envid: sender.envid.as_deref(),
        arrival: now,
        utf8: true,
        until: None,
        told,
    })
}

/// A refusal, which is for good now.
fn said(refusal: &Refusal) -> Said {
    let mut status = refusal.enhanced;
    status.class = 5;
    Said {
        host: None,
        code: None,
        status,
        text: refusal.text.clone(),
    }
}

/// Remembers a letter, with the recipients that are left.
pub(crate) fn put(id: HandedId, left: &[u32]) -> Write {
    let count = u64::try_from(left.len()).unwrap_or(u64::MAX);
    let writer = Writer::version(VERSION).number(count);
    let writer = left
        .iter()
        .fold(writer, |writer, place| writer.number((*place).into()));
    Write::Put {
        table: HANDED,
        key: key(id),
        value: writer.finish(),
    }
}

/// Forgets a letter.
pub(crate) fn delete(id: HandedId) -> Write {
    Write::Delete {
        table: HANDED,
        key: key(id),
    }
}

fn key(id: HandedId) -> Bytes {
    Bytes::copy_from_slice(&id.0)
}

fn read(value: &[u8]) -> Option<Vec<u32>> {
    let mut reader = Reader::version(value, VERSION)?;
    let mut left = Vec::new();
    for _ in 0..reader.number()? {
        left.push(reader.small()?);
    }
    reader.end()?;
    Some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        for left in [&[][..], &[0], &[3, 70_000, u32::MAX]] {
            let Write::Put { key, value, .. } = put(HandedId([7; 16]), left) else {
                panic!("no row");
            };
            assert_eq!((key.len(), read(&value)), (16, Some(left.to_vec())));
            for cut in 0..value.len() {
                assert_eq!(read(&value[..cut]), None);
            }
        }
    }
}
