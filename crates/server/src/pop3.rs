//! What POP3 asks, answered by the post.

use std::collections::VecDeque;

use bytes::Bytes;
use mail::{BlobRange, UidSet};
use net::Onlooker;
use pop3::{Answer, Ask, Maildrop, Piece, Policy, Session};
use post::{Error, Outcome, Why};

use crate::guest::Guest;
use crate::visit::{Hall, Visit};

/// Octets of a message held at once for a connection.
const PIECE_OCTETS_MAX: u64 = 64 * 1024;
/// Messages that are read before they are asked for, at most: each may hold on to a few KiB of its
/// neighbours as well.
const AHEAD_MAX: usize = 31;

/// What a session behind this door may do.
fn policy(hall: &Hall) -> Policy {
    Policy {
        tls_offered: hall.offers_starttls(),
        mechanisms: hall.mechanisms(),
        cleartext_passwords: hall.door.is_indoors(),
        ..Policy::new(hall.settings.host.to_string())
    }
}

/// Talks with one peer until it has gone.
pub(crate) fn converse(visit: Visit) -> impl Future<Output = ()> + Send + 'static {
    let session = Session::new(policy(&visit.hall));
    let house = House {
        guest: visit.guest(),
        maildrop: None,
        rest: None,
        ahead: Ahead::default(),
    };
    visit.converse(session, house)
}

#[derive(Debug)]
struct House {
    guest: Guest,
    /// Locked for this connection while it is held here.
    maildrop: Option<post::Maildrop>,
    /// What is left to send of a message.
    rest: Option<BlobRange>,
    ahead: Ahead,
}

/// Messages that were read before they were asked for, for a peer that asks for one behind the
/// other without waiting: no more of them than it took that way. While it is waited for there are
/// none.
#[derive(Debug, Default)]
struct Ahead {
    letters: VecDeque<Bytes>,
    /// The place of the first of them.
    next: usize,
    /// How many were taken one behind the other since the peer was waited for.
    taken: usize,
}

impl Ahead {
    /// Takes the message at a place, if it was read.
    fn take(&mut self, place: usize) -> Option<Bytes> {
        if place != self.next {
            *self = Self::default();
        }
        let letter = self.letters.pop_front()?;
        self.pass(place);
        Some(letter)
    }

    /// Notes that a message is taken.
    const fn pass(&mut self, place: usize) {
        self.next = place.saturating_add(1);
        self.taken = self.taken.saturating_add(1);
    }
}

impl net::House<Session> for House {
    async fn ask(&mut self, ask: Ask) -> Answer {
        let answer = match ask {
            Ask::Sasl(question) => return Answer::Sasl(self.guest.verdict(question).await),
            Ask::Open => self.open().await,
            Ask::Retrieve(place) => self.retrieve(place).await,
            Ask::More => self.more().await,
            Ask::Update(places) => self.update(&places).await,
        };
        answer.unwrap_or_else(|error| match error.why() {
            Why::InUse => Answer::InUse,
            _ => {
                let conn = self.guest.peer.conn;
                tracing::info!(%conn, %error, "refused");
                Answer::Refused(error.refusal())
            }
        })
    }

    fn is_dismissed(&mut self) -> bool {
        self.guest.is_dismissed()
    }

    fn onlooker(&mut self) -> Option<&mut dyn Onlooker> {
        self.guest.onlooker()
    }

    fn rests(&mut self, whereabouts: &'static str, encrypted: bool) {
        self.ahead = Ahead::default();
        self.guest.rests(whereabouts, encrypted);
    }
}

impl House {
    async fn open(&mut self) -> Outcome<Answer> {
        let account = self.guest.account().ok_or_else(no_maildrop)?;
        let locked = account.maildrop().await?;
        let mut maildrop = Maildrop::default();
        for deposit in locked.deposits() {
            maildrop.push(&deposit.uidl, deposit.octets, deposit.unended);
        }
        self.maildrop = Some(locked);
        Ok(Answer::Opened(maildrop))
    }

    async fn retrieve(&mut self, place: usize) -> Outcome<Answer> {
        let maildrop = self.maildrop.as_ref().ok_or_else(no_maildrop)?;
        let deposit = maildrop.deposits().get(place).ok_or_else(no_maildrop)?;
        self.rest = None;
        if deposit.octets > PIECE_OCTETS_MAX {
            self.ahead = Ahead::default();
            self.rest = Some(maildrop.locate(deposit.uid).await?);
            return self.more().await;
        }
        let bytes = match self.ahead.take(place) {
            Some(letter) => letter,
            None => {
                let behind = self.ahead.taken.min(AHEAD_MAX);
                let read = maildrop.read(place, behind, PIECE_OCTETS_MAX).await?;
                self.ahead.letters = read.into();
                self.ahead.pass(place);
                self.ahead.letters.pop_front().unwrap_or_default()
            }
        };
        let more = false;
        Ok(Answer::Piece(Piece { bytes, more }))
    }

    async fn more(&mut self) -> Outcome<Answer> {
        let rest = self.rest.take().ok_or_else(no_maildrop)?;
        let part = rest.part(0, PIECE_OCTETS_MAX);
        let bytes = self.guest.post.read(part).await?;
        let rest = rest.part(part.len, rest.len);
        let more = rest.len > 0;
        self.rest = more.then_some(rest);
        Ok(Answer::Piece(Piece { bytes, more }))
    }

    async fn update(&mut self, places: &[usize]) -> Outcome<Answer> {
        let maildrop = self.maildrop.take().ok_or_else(no_maildrop)?;
        let mut delete = UidSet::default();
        for deposit in places
            .iter()
            .filter_map(|place| maildrop.deposits().get(*place))
        {
            delete.insert(deposit.uid);
        }
        maildrop.update(&delete).await?;
        Ok(Answer::Updated)
    }
}

/// A session that asks out of turn.
fn no_maildrop() -> Error {
    Error::Fault(post::Fault::Row("a maildrop that is not open"))
}
