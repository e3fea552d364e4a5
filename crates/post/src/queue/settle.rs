//! What becomes of a letter after an attempt: it goes, it waits, or its sender is told, in one step
//! of the store.
//!
//! Not here: how a report is written (`report`).
//!
//! RFC 3461 §5.2.2, §5.2.5, §5.2.6 (who is told), RFC 5321 §4.5.5 and §6.1 (nobody is told of a
//! report that cannot be delivered but the postmaster).

use std::collections::BTreeMap;

use bytes::Bytes;
use mail::{
    AccountId, BlobRange, BodyType, Enhanced, ForwardPath, Notify, QueueId, Recipient, Ret,
    ReversePath, Timestamp, TlsWish,
};
use message::{Action, Builder};
use store::Hint;

use super::entry::{Entry, Rank, Said, Waiting};
use super::{Change, Claimed, Runner, suppressed};
use crate::incoming::{Delivery, INBOX, Letter, LetterKind};
use crate::journey::{AttemptResult, Event, JourneyStep};
use crate::report::{Report, Returned, Told, in_words, wants_delay, wants_failure, wants_success};
use crate::spool::Spooled;
use crate::{Elsewhere, Error, Outcome, Post, Route};

/// Octets of a letter's beginning in which its header is looked for.
const HEADER_OCTETS_MAX: u64 = 64 * 1024;
/// Octets a letter may have that is returned whole because its sender asked for that.
const WHOLE_OCTETS_MAX: u64 = 1024 * 1024;
/// Octets it may have where its sender did not say.
const UNASKED_OCTETS_MAX: u64 = 64 * 1024;

/// Recipients of one entry.
const RECIPIENTS_MAX: usize = 100;

/// What came of an attempt to hand a letter on.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// A fate for each of its recipients, in their order.
    pub fates: Vec<Fate>,
    /// True if the other end has taken over what is to be reported (RFC 3461 §5.2.1).
    pub passes_reports: bool,
    /// What its destination wants of TLS, and what there was, in words; empty if that is not known.
    pub tls: String,
}

/// What was said of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The other end has taken the letter over.
    Taken(Said),
    /// Not now.
    Deferred(Said),
    /// Never.
    Failed(Said),
}

impl Attempt {
    /// The same for all recipients of an entry.
    #[must_use]
    pub fn all(entry: &Entry, fate: &Fate) -> Self {
        Self {
            fates: vec![fate.clone(); entry.recipients.len()],
            passes_reports: false,
            tls: String::new(),
        }
    }
}

/// What is to be done about one entry.
#[derive(Debug)]
struct Outlook {
    id: QueueId,
    before: Entry,
    after: Option<Entry>,
    relayed: Vec<Waiting>,
    failed: Vec<Waiting>,
    delayed: Vec<Waiting>,
    events: Vec<Event>,
}

/// A letter of our own.
#[derive(Debug)]
pub(crate) struct Note {
    /// Who reads it.
    pub(crate) to: ForwardPath,
    /// True if whoever looks after this host reads it here, whatever aliases say: it tells of what
    /// did not reach them elsewhere.
    pub(crate) stays: bool,
    pub(crate) octets: Vec<u8>,
    pub(crate) kind: LetterKind,
    /// What is wanted of TLS on its way.
    pub(crate) tls: TlsWish,
}

impl Post {
    /// Writes down what came of attempts: letters that were taken go, those that were deferred wait
    /// for their time, and whoever has to be told is told, all in one step.
    ///
    /// # Errors
    /// If it cannot be stored: then it can be tried again, and the leases hold until then.
    pub async fn settle_queued(&self, attempts: &[(Claimed, Attempt)]) -> Outcome<()> {
        let now = self.inner.outside.now();
        let outlooks: Vec<Outlook> = attempts
            .iter()
            .filter(|(claimed, _)| claimed.lease.holds())
            .map(|(claimed, attempt)| self.outlook(claimed, attempt, now))
            .collect();
        let mut notes = Vec::new();
        for outlook in &outlooks {
            notes.extend(self.notes(outlook, now).await);
        }
        self.write_down(&outlooks, &notes, now).await?;
        for (claimed, attempt) in attempts {
            claimed.lease.end();
            if attempt
                .fates
                .iter()
                .any(|fate| matches!(fate, Fate::Taken(_)))
            {
                let queue = &self.inner.queue;
                queue.took(&claimed.entry.destination, 1, now.seconds);
            }
        }
        Ok(())
    }

    fn outlook(&self, claimed: &Claimed, attempt: &Attempt, now: Timestamp) -> Outlook {
        let rules = &self.rules().queue;
        let before = claimed.entry.clone();
        let mut outlook = Outlook {
            id: claimed.id(),
            after: None,
            relayed: Vec::new(),
            failed: Vec::new(),
            delayed: Vec::new(),
            events: Vec::new(),
            before,
        };
        let gives_up = now.seconds >= rules.end(&outlook.before);
        let warns = rules.warns(&outlook.before, now.seconds);
        let mut waiting = Vec::new();
        for (one, fate) in outlook.before.recipients.iter().zip(&attempt.fates) {
            let with = |said: &Said| Waiting {
                recipient: one.recipient.clone(),
                said: Some(said.clone()),
            };
            let (to, asks) = (&one.recipient.forward_path, one.recipient.notify);
            let (journey, id) = (outlook.before.journey, outlook.id);
            let (result, said) = match fate {
                Fate::Taken(said) => (AttemptResult::Delivered, said),
                Fate::Deferred(said) if gives_up => (AttemptResult::Expired, said),
                Fate::Deferred(said) => (AttemptResult::Deferred, said),
                Fate::Failed(said) => (AttemptResult::Bounced, said),
            };
            let (what, said_so) = (result.name(), in_words(said));
            tracing::info!(%journey, queue = %id, %to, said = said_so, "{what}");
            outlook.events.push(Event::Attempted {
                id,
                recipient: to.to_string(),
                result,
                said: said_so,
                tls: attempt.tls.clone(),
            });
            match fate {
                Fate::Taken(said) => {
                    // RFC 3461 §5.2.2 (b)
                    if wants_success(asks) && !attempt.passes_reports {
                        outlook.relayed.push(with(said));
                    }
                }
                Fate::Failed(said) => outlook.failed.push(with(said)),
                Fate::Deferred(said) if gives_up => outlook.failed.push(with(&expired(said))),
                Fate::Deferred(said) => {
                    if warns && wants_delay(asks) {
                        outlook.delayed.push(with(said));
                    }
                    waiting.push(with(said));
                }
            }
        }
        if !waiting.is_empty() {
            let attempts = outlook.before.attempts.saturating_add(1);
            let wait = rules.wait(attempts, self.dice());
            let (id, until) = (outlook.id, now.seconds.saturating_add(wait));
            outlook.events.push(Event::Waits { id, until });
            outlook.after = Some(Entry {
                attempts,
                due: Some(until),
                warned: outlook.before.warned || warns,
                recipients: waiting,
                ..outlook.before.clone()
            });
        }
        outlook
    }

    fn dice(&self) -> u64 {
        let mut dice = [0; 8];
        self.inner.outside.fill(&mut dice);
        u64::from_be_bytes(dice)
    }

    /// Whoever has to be told.
    async fn notes(&self, outlook: &Outlook, now: Timestamp) -> Vec<Note> {
        let mut notes = Vec::new();
        // Nobody carries a letter on that a program of this machine got.
        let taken = match Runner::at(&outlook.before.destination) {
            Some(_) => Action::Delivered,
            None => Action::Relayed,
        };
        for (action, told) in [
            (Action::Failed, &outlook.failed),
            (Action::Delayed, &outlook.delayed),
            (taken, &outlook.relayed),
        ] {
            let failed = action == Action::Failed;
            // Whoever looks after this host hears of every report that is lost.
            let asked = |one: &&Waiting| {
                !failed
                    || outlook.before.reverse_path == ReversePath::Null
                    || wants_failure(one.recipient.notify)
            };
            let told: Vec<&Waiting> = told.iter().filter(asked).collect();
            if told.is_empty() {
                continue;
            }
            match &outlook.before.reverse_path {
                ReversePath::Address(_) => {
                    notes.extend(self.report(outlook, action, &told, now).await);
                }
                // Nobody is told of a report but who looks after this host.
                // RFC 5321 §4.5.5
                ReversePath::Null if failed => {
                    notes.push(self.double_bounce(&outlook.before, &told, now).await);
                }
                ReversePath::Null => {}
            }
        }
        notes
    }

    async fn report(
        &self,
        outlook: &Outlook,
        action: Action,
        told: &[&Waiting],
        now: Timestamp,
    ) -> Option<Note> {
        let entry = &outlook.before;
        let to = ForwardPath::Address(entry.reverse_path.address()?.clone());
        let to = self.meant_by(&to);
        let to = to.address()?;
        let told = told.iter().map(|one| Told {
            recipient: &one.recipient,
            action,
            said: one.said.as_ref(),
        });
        let until = Timestamp::utc(self.rules().queue.end(entry));
        let report = Report {
            to,
            envid: entry.envid.as_deref(),
            arrival: entry.arrived,
            utf8: entry.smtputf8,
            until: (action == Action::Delayed).then_some(until),
            told: told.collect(),
        };
        let octets = self.returned(entry, action == Action::Failed).await;
        let whole = u64::try_from(octets.len()).is_ok_and(|len| len == entry.range().len);
        let is_short = entry.ret == Some(Ret::Headers) || entry.tls == TlsWish::Required;
        let returned = match whole && action == Action::Failed && !is_short {
            true => Returned::Whole(&octets),
            false => Returned::Header(&octets),
        };
        let mark = format!("{}.{}.{}", entry.journey, outlook.id, entry.attempts);
        Some(Note {
            to: ForwardPath::Address(to.clone()),
            stays: false,
            octets: report.write(&self.rules().host, &mark, now, returned),
            kind: match action {
                Action::Failed => LetterKind::Failure,
                _ => LetterKind::Success,
            },
            // RFC 8689 §5
            tls: entry.tls,
        })
    }

    /// The letter, or the beginning of it that its header is in; nothing of one that is damaged.
    async fn returned(&self, entry: &Entry, failed: bool) -> Vec<u8> {
        let range = entry.range();
        // RFC 3461 §4.3
        let whole = match entry.ret {
            _ if !failed => 0,
            // RFC 8689 §5
            _ if entry.tls == TlsWish::Required => 0,
            Some(Ret::Full) => WHOLE_OCTETS_MAX,
            Some(Ret::Headers) => 0,
            None => UNASKED_OCTETS_MAX,
        };
        let len = match range.len <= whole {
            true => range.len,
            false => range.len.min(HEADER_OCTETS_MAX),
        };
        let read = self.read(BlobRange { len, ..range }).await;
        match read {
            Ok(octets) => octets.to_vec(),
            Err(error) => {
                tracing::error!(%error, journey = %entry.journey, "nothing can be returned");
                Vec::new()
            }
        }
    }

    /// A report that could not be delivered, told to who looks after this host.
    async fn double_bounce(&self, entry: &Entry, told: &[&Waiting], now: Timestamp) -> Note {
        let host = &self.rules().host;
        let mut text = format!(
            "This is the mail system at {host}.\n\nA report could not be delivered. Nobody else \
             is told of it.\n\n"
        );
        for one in told {
            text.push_str(&format!("    {}\n", one.recipient.forward_path));
            if let Some(said) = &one.said {
                text.push_str(&format!("        {}\n", in_words(said)));
            }
        }
        let returned = self.returned(entry, false).await;
        let builder = Builder::new()
            .field("Return-Path", "<>")
            .date(now)
            .field(
                "From",
                &format!("Mail delivery <postmaster@{}>", host.to_ascii()),
            )
            .field("To", "Postmaster:;")
            .subject("Undeliverable report")
            .message_id(&format!(
                "{}.undeliverable@{}",
                entry.journey,
                host.to_ascii()
            ))
            .field("Auto-Submitted", "auto-generated")
            .text(&text)
            .returned_header(&returned);
        let led = self.route_to_accounts(&ForwardPath::Postmaster);
        let mut lost = told
            .iter()
            .filter_map(|one| one.recipient.forward_path.address());
        Note {
            to: ForwardPath::Postmaster,
            // What is lost on the way there is told on another way, or it would have no end.
            stays: lost.any(|address| led.leaves_for(address)),
            octets: builder.build(),
            kind: LetterKind::Failure,
            tls: entry.tls,
        }
    }

    /// One step: entries go or wait, notes are in mailboxes here or in the queue.
    async fn write_down(
        &self,
        outlooks: &[Outlook],
        notes: &[Note],
        now: Timestamp,
    ) -> Outcome<()> {
        let mut change = Change::default();
        for outlook in outlooks {
            let step = JourneyStep {
                journey: outlook.before.journey,
                when: now,
                events: outlook.events.clone(),
            };
            change.told.push((outlook.id, step));
            if !self.rules().queue.suppress.is_zero() {
                let failed = outlook.failed.iter().filter_map(|one| {
                    suppressed::row(&one.recipient.forward_path, one.said.as_ref()?, now)
                });
                change.beside.extend(failed);
            }
            match &outlook.after {
                Some(after) => {
                    let kept = (outlook.id, outlook.before.clone(), after.clone());
                    change.kept.push(kept);
                }
                None => change.ended.push((outlook.id, outlook.before.clone())),
            }
        }
        let (mut letters, mut blobs) = (Vec::new(), Vec::new());
        for note in notes {
            self.address(note, now, &mut letters, &mut blobs, &mut change);
        }
        let mut delivery = Delivery {
            letters,
            queue: change,
            others: blobs,
            ..Delivery::default()
        };
        delivery.carry_out(self).await
    }

    /// Puts a note into the mailboxes here that its reader's address leads to, and into the queue
    /// for those elsewhere. What leads nowhere is told to the postmaster.
    ///
    /// Of a report that is lost the postmaster is told here, and not by the own `.forward`: it may
    /// be what lost it.
    pub(crate) fn address(
        &self,
        note: &Note,
        now: Timestamp,
        letters: &mut Vec<Letter>,
        blobs: &mut Vec<store::Staged>,
        change: &mut Change,
    ) {
        let to = self.meant_by(&note.to);
        let route = match &to {
            _ if note.stays => Route::Local(self.caretaker().into_iter().collect()),
            ForwardPath::Postmaster => self.route_to_accounts(&to),
            ForwardPath::Address(_) => self.route(&to),
        };
        let (accounts, elsewhere) = match route {
            Route::Local(accounts) => (accounts, Vec::new()),
            Route::Forwarded {
                accounts,
                addresses,
            } => (accounts, addresses),
            Route::Elsewhere | Route::Relayed { .. } => match &to {
                ForwardPath::Address(address) if self.rules().elsewhere == Elsewhere::Relay => {
                    (Vec::new(), vec![address.clone()])
                }
                // A report that cannot leave is none.
                ForwardPath::Address(_) | ForwardPath::Postmaster => return,
            },
            Route::Nowhere(_) => (self.at_home(&to), Vec::new()),
        };
        let spooled = Spooled::of(match elsewhere.is_empty() {
            true => note.octets.clone(),
            false => self.signed_report(&note.octets),
        });
        if accounts.is_empty() && elsewhere.is_empty() {
            tracing::error!(to = %note.to, "a report has no reader here");
        }
        for address in elsewhere {
            let path = ForwardPath::Address(address);
            blobs.push(spooled.staged.clone());
            change
                .begun
                .push(self.note_entry(&path, note, &spooled, now));
        }
        if !accounts.is_empty() {
            letters.push(Letter {
                kind: note.kind,
                ..Letter::of(INBOX, accounts.into_iter().collect(), spooled)
            });
        }
    }

    /// Who reads here what an address does not lead to any reader of: those whose it is, whatever
    /// their `.forward` says, or the postmaster.
    fn at_home(&self, to: &ForwardPath) -> Vec<AccountId> {
        let accounts = self.route_to_accounts(to).accounts();
        match accounts.is_empty() {
            true => self.route_to_accounts(&ForwardPath::Postmaster).accounts(),
            false => accounts,
        }
    }

    /// A note on its way to another host.
    fn note_entry(
        &self,
        path: &ForwardPath,
        note: &Note,
        spooled: &Spooled,
        now: Timestamp,
    ) -> Entry {
        let is_ascii = note.octets.is_ascii();
        let mut journey = [0; 8];
        self.inner.outside.fill(&mut journey);
        Entry {
            journey: mail::JourneyId(u64::from_be_bytes(journey)),
            blob: spooled.staged.blob,
            hint: Hint::NONE,
            octets: spooled.staged.len,
            skip: return_path_octets(&note.octets),
            arrived: now,
            reverse_path: ReversePath::Null,
            body: match is_ascii {
                true => BodyType::SevenBit,
                false => BodyType::EightBitMime,
            },
            smtputf8: !header_is_ascii(&note.octets),
            ret: None,
            envid: None,
            tls: note.tls,
            destination: self.destination(path),
            due: Some(now.seconds),
            attempts: 0,
            warned: false,
            // Nobody is to be told of a report.
            // RFC 3461 §5.2
            recipients: vec![Waiting {
                recipient: Recipient {
                    forward_path: path.clone(),
                    notify: Some(Notify::Never),
                    orcpt: None,
                },
                said: None,
            }],
            front: Bytes::new(),
            rank: Rank::Later,
        }
    }

    /// Letters for elsewhere from one that came in: an entry for each destination.
    pub(crate) fn entries(&self, letter: &Entry, recipients: &[Recipient]) -> Vec<Entry> {
        let mut by_destination: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
        for recipient in recipients {
            let destination = self.destination(&recipient.forward_path);
            let waiting = Waiting {
                recipient: recipient.clone(),
                said: None,
            };
            by_destination.entry(destination).or_default().push(waiting);
        }
        let mut entries = Vec::new();
        for (destination, recipients) in by_destination {
            let most = match Runner::at(&destination) {
                // What one name's programs take long for is no affair of the next.
                Some(_) => 1,
                // Nobody has to take more at once.
                // RFC 5321 §4.5.3.1.8
                None => RECIPIENTS_MAX,
            };
            for some in recipients.chunks(most) {
                entries.push(Entry {
                    destination: destination.clone(),
                    recipients: some.to_vec(),
                    ..letter.clone()
                });
            }
        }
        entries
    }

    /// Refuses a letter the queue has no room for.
    pub(crate) fn queue_has_room(&self) -> Outcome<()> {
        if self.inner.queue.desk().letters() >= self.rules().queue.letters_max {
            return Err(Error::limit(
                "Too many letters wait; please try again later",
            ));
        }
        Ok(())
    }
}

/// Octets of the `Return-Path` field that a message begins with.
// RFC 5321 §4.4
pub(crate) fn return_path_octets(octets: &[u8]) -> u64 {
    let mut header = message::Header::parse(octets);
    let first = header.next().filter(|field| field.is("Return-Path"));
    u64::try_from(first.map_or(0, |field| field.raw.len())).unwrap_or_default()
}

/// True if a message's header section is ASCII.
pub(crate) fn header_is_ascii(octets: &[u8]) -> bool {
    let mut header = message::Header::parse(octets);
    header.by_ref().for_each(drop);
    octets.get(..header.offset()).is_none_or(<[u8]>::is_ascii)
}

/// What is said once a letter has waited for too long.
// RFC 3463 §3.5
fn expired(said: &Said) -> Said {
    let status = Enhanced::new(4, 4, 7);
    let text = match said.text.is_empty() {
        true => "It waited for too long".to_owned(),
        false => format!("It waited for too long; the last answer was {}", said.text),
    };
    Said {
        status,
        text,
        ..said.clone()
    }
}
