//! Letters that filters see while they are handed in.
//!
//! Not here: how filters are asked (`filters`).

use bytes::Bytes;
use mail::{ForwardPath, JourneyId, Recipient, Refusal, ReversePath};
use milter::Change;
use post::{Error, Incoming, Origin, Post, Route, Sender};
use smtp::Answer;

use super::Desk;
use crate::filters::{Filtered, Filters};

/// Octets of a letter that are put in at once.
const PIECE_OCTETS: usize = 64 * 1024;

/// A connection's filters, and the envelope of the letter that they are told of.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) filters: Box<Filters>,
    envelope: Option<Envelope>,
}

/// What a letter is begun by, in case that it has to be begun anew.
#[derive(Clone, Debug)]
struct Envelope {
    origin: Origin,
    sender: Sender,
    recipients: Vec<Recipient>,
}

impl Beside {
    pub(super) const fn new(filters: Box<Filters>) -> Self {
        Self {
            filters,
            envelope: None,
        }
    }

    /// Tells the filters that a letter begins.
    pub(super) async fn begin(
        &mut self,
        origin: &Origin,
        sender: &Sender,
        journey: JourneyId,
    ) -> Result<(), Refusal> {
        let facts = self.filters.facts();
        facts.learn("i", journey.to_string());
        let path = sender.reverse_path.to_string();
        facts.learn("{mail_addr}", path.trim_matches(['<', '>']));
        if let Some(tls) = &origin.tls {
            facts.learn("{tls_version}", tls.version.as_str());
            facts.learn("{cipher}", tls.cipher.as_str());
        }
        if let Some(account) = &origin.account {
            facts.learn("{auth_authen}", account.address().to_string());
        }
        let mut words = Vec::new();
        words.extend(sender.size.map(|size| format!("SIZE={size}")));
        if sender.body == mail::BodyType::EightBitMime {
            words.push("BODY=8BITMIME".to_owned());
        }
        if sender.smtputf8 {
            words.push("SMTPUTF8".to_owned());
        }
        self.envelope = Some(Envelope {
            origin: origin.clone(),
            sender: sender.clone(),
            recipients: Vec::new(),
        });
        let begun = self.filters.begin(&origin.helo, &path, &words);
        Box::pin(begun).await
    }

    /// Tells them of a recipient, before it is taken.
    async fn recipient(&mut self, path: &ForwardPath) -> Result<(), Refusal> {
        let path = path.to_string();
        let facts = self.filters.facts();
        facts.learn("{rcpt_addr}", path.trim_matches(['<', '>']));
        let told = Box::pin(self.filters.recipient(&path)).await;
        self.filters.facts().forget("{rcpt_addr}");
        told
    }

    fn took(&mut self, recipient: Recipient) {
        if let Some(envelope) = &mut self.envelope {
            envelope.recipients.push(recipient);
        }
    }

    /// True if the letter is held for them.
    fn holds(&self) -> bool {
        self.envelope.is_some() && self.filters.wants_letter()
    }

    pub(super) async fn forget(&mut self) {
        self.envelope = None;
        self.filters.forget().await;
    }
}

impl Desk {
    /// Takes a recipient, if the filters do as well. Of those who are not here they are not told.
    pub(super) async fn recipient(&mut self, recipient: Recipient) -> Answer {
        let Some(incoming) = &mut self.incoming else {
            return Answer::Done;
        };
        if let Some(beside) = &mut self.beside
            && !matches!(incoming.route(&recipient.forward_path), Route::Nowhere(_))
            && let Err(refusal) = beside.recipient(&recipient.forward_path).await
        {
            return self.filtered_out(refusal);
        }
        let outcome = incoming.recipient(recipient.clone()).await;
        if let (Ok(()), Some(beside)) = (&outcome, &mut self.beside) {
            beside.took(recipient);
        }
        self.answer(outcome)
    }

    /// Takes a piece of the letter, or holds it for the filters.
    pub(super) async fn chunk(&mut self, octets: Bytes) -> Answer {
        let Some(incoming) = &mut self.incoming else {
            return Answer::Done;
        };
        let Some(beside) = self.beside.as_mut().filter(|beside| beside.holds()) else {
            let outcome = incoming.chunk(octets).await;
            return self.answer(outcome);
        };
        match beside.filters.hold(&octets).await {
            Ok(None) => Answer::Done,
            // It is too large for them: it goes on as if they were not there.
            Ok(Some(held)) => {
                let mut outcome = put(incoming, &held.octets).await;
                if outcome.is_ok() {
                    outcome = incoming.chunk(octets).await;
                }
                self.answer(outcome)
            }
            Err(refusal) => self.filtered_out(refusal),
        }
    }

    /// Shows the filters the letter, and puts in what they make of it; an answer where it ends
    /// here.
    pub(super) async fn filter(&mut self) -> Option<Answer> {
        let beside = self.beside.as_mut().filter(|beside| beside.holds())?;
        let envelope = beside.envelope.take()?;
        let paths = envelope.recipients.iter();
        let paths: Vec<String> = paths.map(|one| bare(&one.forward_path)).collect();
        let shown = Box::pin(beside.filters.finish(&paths)).await;
        let (came, filtered) = match shown {
            Ok(shown) => shown,
            Err(refusal) => {
                beside.filters.forget().await;
                self.incoming = None;
                return Some(self.filtered_out(refusal));
            }
        };
        let conn = self.guest.peer.conn;
        if filtered.is_discarded {
            tracing::info!(%conn, notes = ?filtered.notes, "thrown away, as a filter wants it");
            // Those that were not shown it are told that it is over.
            beside.filters.forget().await;
            self.incoming = None;
            return Some(Answer::Stored("Taken".to_owned()));
        }
        if !filtered.envelope.is_empty() {
            let post = self.guest.post.clone();
            match begin_anew(&post, envelope, &filtered).await {
                Ok(begun) => self.incoming = Some(Box::new(begun)),
                Err(error) => {
                    self.incoming = None;
                    return Some(self.refused(&error));
                }
            }
        }
        let incoming = self.incoming.as_mut()?;
        incoming.came_as(&came.octets);
        if filtered.is_suspected {
            incoming.suspect();
        }
        if let Some(percent) = filtered.percent {
            incoming.scored(percent);
        }
        if filtered.asks_back
            && let Err(error) = Box::pin(incoming.come_back(&paths)).await
        {
            self.incoming = None;
            return Some(self.refused(&error));
        }
        for note in &filtered.notes {
            incoming.note(note.clone());
        }
        match put(incoming, &filtered.octets).await {
            Ok(()) => None,
            Err(error) => {
                self.incoming = None;
                Some(self.refused(&error))
            }
        }
    }

    fn filtered_out(&self, refusal: Refusal) -> Answer {
        let conn = self.guest.peer.conn;
        tracing::info!(%conn, %refusal, cause = refusal.cause, "refused");
        Answer::Refused(refusal)
    }
}

/// The letter with another envelope.
async fn begin_anew(post: &Post, was: Envelope, filtered: &Filtered) -> Result<Incoming, Error> {
    let Envelope {
        origin,
        mut sender,
        mut recipients,
    } = was;
    let mut added = Vec::new();
    for change in &filtered.envelope {
        match change {
            Change::ChangeSender(path, _) => match ReversePath::parse(&bracketed(path)) {
                Ok(path) => sender.reverse_path = path,
                Err(error) => tracing::warn!(path, %error, "a filter names no sender"),
            },
            Change::AddRecipient(path, _) => match ForwardPath::parse(&bracketed(path)) {
                Ok(forward_path) => added.push(Recipient {
                    forward_path,
                    notify: None,
                    orcpt: None,
                }),
                Err(error) => tracing::warn!(path, %error, "a filter names no recipient"),
            },
            Change::RemoveRecipient(path) => {
                let gone = bracketed(path).to_lowercase();
                let is_gone = |one: &Recipient| one.forward_path.to_string().to_lowercase() == gone;
                recipients.retain(|one| !is_gone(one));
                added.retain(|one| !is_gone(one));
            }
            _ => {}
        }
    }
    let mut incoming = post.begin(origin, sender)?;
    for recipient in recipients {
        incoming.recipient(recipient).await?;
    }
    for recipient in added {
        let path = recipient.forward_path.to_string();
        if let Err(error) = incoming.recipient(recipient).await {
            tracing::warn!(path, %error, "a recipient that a filter has added is not taken");
        }
    }
    Ok(incoming)
}

/// A path without its brackets.
fn bare(path: &ForwardPath) -> String {
    let path = path.to_string();
    let inside = path
        .strip_prefix('<')
        .and_then(|path| path.strip_suffix('>'));
    inside.unwrap_or(&path).to_owned()
}

/// A path in brackets, as filters may leave them out.
fn bracketed(path: &str) -> String {
    match path.starts_with('<') {
        true => path.to_owned(),
        false => format!("<{path}>"),
    }
}

async fn put(incoming: &mut Incoming, octets: &[u8]) -> Result<(), Error> {
    for piece in octets.chunks(PIECE_OCTETS) {
        incoming.chunk(Bytes::copy_from_slice(piece)).await?;
    }
    Ok(())
}
