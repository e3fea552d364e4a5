//! What POP3 asks, answered by the post.

use bytes::Bytes;
use mail::{BlobRange, UidSet};
use net::Onlooker;
use pop3::{Answer, Ask, Maildrop, Piece, Policy, Session};
use post::{Error, Outcome, Why};

use crate::guest::Guest;
use crate::visit::{Hall, Visit};

/// Octets of a message held at once for a connection.
const PIECE_OCTETS_MAX: u64 = 64 * 1024;

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
        self.rest = Some(maildrop.locate(deposit.uid).await?);
        self.more().await
    }

    async fn more(&mut self) -> Outcome<Answer> {
        let rest = self.rest.take().ok_or_else(no_maildrop)?;
        let part = rest.part(0, PIECE_OCTETS_MAX);
        let bytes = if part.len == 0 {
            Bytes::new()
        } else {
            self.guest.post.read(part).await?
        };
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
