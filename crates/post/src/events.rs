//! Scripts that run because of what people do with messages by IMAP: bring them in, copy or move
//! them, change their flags.
//!
//! A mailbox says by a note on it which of its account's scripts that is, or the account says it
//! for all its mailboxes that do not. The script runs when what was done is on the disk, and what
//! it wants is a step of its own: whatever happens meanwhile, the message is where it was put. What
//! a script does makes no other run.
//!
//! Not here: what scripts want (`filter::event`), the protocol that asks (the caller).
//!
//! RFC 6785 §2.2, §2.3, §3 and §4; RFC 6851 §4.5 (MOVE).

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bytes::Bytes;
use mail::{
    BlobRange, BodyType, Flag, FlagSet, ForwardPath, JourneyId, MailboxId, Recipient, ReversePath,
    ScriptName, Uid,
};
use message::Outline;
use sieve::{Circumstances, Deed, Envelope, Letter, Outcome as Ended, Run, Script, Spam};
use store::{Sought, Staged};

use crate::draft::Flagging;
use crate::filter::{Arrived, EventPlan, Lying};
use crate::ledger::Ledger;
use crate::metadata::WHOLE;
use crate::spool::{Spool, Spooled};
use crate::tables::{EmailRow, Entry, ScriptRow};
use crate::{Account, Origin, Outcome, Post, Protocol, Sender};

/// The note that names the script.
// RFC 6785 §2.3.1
pub(crate) const SCRIPT: &str = "/shared/imapsieve/script";

/// Messages of one command whose scripts have run before it is answered; of more, they run beside.
const AT_ONCE_MAX: usize = 50;
/// Messages of one command for which a script runs.
const MESSAGES_MAX: usize = 10_000;
/// Octets of a message that a script sees whole, and may change.
const WHOLE_OCTETS_MAX: u64 = 256 * 1024;
/// Octets of a larger one that it sees.
const BEGINNING_OCTETS: u64 = 128 * 1024;
/// Octets of a message that is sent on, read at a time.
const PIECE_OCTETS: u64 = 64 * 1024;

/// What was done.
// RFC 6785 §4.3
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventCause {
    /// A message was brought in.
    Append,
    /// A message was copied or moved here.
    Copy,
    /// Flags have changed.
    Flag,
}

impl EventCause {
    const fn name(self) -> &'static str {
        match self {
            Self::Append => "APPEND",
            Self::Copy => "COPY",
            Self::Flag => "FLAG",
        }
    }
}

/// The script of a mailbox that runs when something is done with its messages.
pub(crate) fn script(ledger: &Ledger, mailbox: MailboxId) -> Option<(ScriptName, ScriptRow)> {
    let of = |id: MailboxId| ledger.metadata.get(&id)?.get(SCRIPT);
    // RFC 6785 §2.3.1: which note counts is decided before it is read.
    let note = of(mailbox).or_else(|| of(WHOLE))?;
    let name = ScriptName::parse(std::str::from_utf8(note).ok()?)?;
    let row = *ledger.scripts.get(&name)?;
    Some((name, row))
}

impl Account {
    /// Runs the script of a mailbox for messages of it that something was done with, if it has one:
    /// `changed` are the flags of each that have changed. Nothing fails for it; what goes wrong is
    /// logged. For many messages the scripts may still run when this returns.
    pub async fn happened(
        &self,
        mailbox: MailboxId,
        cause: EventCause,
        messages: impl IntoIterator<Item = (Uid, FlagSet)> + Send,
    ) {
        let named = |ledger: &Ledger| script(ledger, mailbox);
        let named = match Post::glance(&self.keeper, named) {
            Some(named) => named,
            None => self.look(named).await.ok().flatten(),
        };
        let Some((name, row)) = named else { return };
        // Most mailboxes have none: until here nothing is made of what may be a million.
        let mut messages: Vec<(Uid, FlagSet)> = messages.into_iter().collect();
        if messages.is_empty() {
            return;
        }
        let script = match self.house.compiled(&self.keeper, &name, row).await {
            Ok(Some(script)) => script,
            // That it is no script any more was said.
            Ok(None) => return,
            Err(error) => {
                let account = self.keeper.account.0;
                tracing::warn!(account, script = %name, %error, "a script cannot be read");
                return;
            }
        };
        if messages.len() > MESSAGES_MAX {
            let (account, left_out) = (self.keeper.account.0, messages.len() - MESSAGES_MAX);
            tracing::warn!(account, script = %name, left_out, "no script runs for so many");
            messages.truncate(MESSAGES_MAX);
        }
        let (account, at_once) = (self.clone(), messages.len() <= AT_ONCE_MAX);
        let run = async move {
            for (uid, changed) in messages {
                let event = Event {
                    mailbox,
                    cause,
                    uid,
                    changed,
                };
                if let Err(error) = account.run_for(&script, &event).await {
                    let account = account.keeper.account.0;
                    tracing::warn!(account, %mailbox, %uid, %error, "a script's wish is not done");
                }
            }
        };
        match at_once {
            true => Box::pin(run).await,
            false => self.house.inner.outside.detach(Box::pin(run)),
        }
    }

    /// The same for messages that were copied or moved to this account.
    pub async fn copied(&self, mailbox: MailboxId, uids: impl Iterator<Item = Uid> + Send) {
        let messages = uids.map(|uid| (uid, FlagSet::new()));
        self.happened(mailbox, EventCause::Copy, messages).await;
    }

    /// Runs a script for one message, and does what it wants.
    async fn run_for(&self, script: &Arc<Script>, event: &Event) -> Outcome<()> {
        let Some(message) = self.message(event).await? else {
            return Ok(());
        };
        let house = &self.house;
        let circumstances = self.event_circumstances(event, &message);
        let limits = house.rules().event_limits();
        let run = Run::new(Arc::clone(script), circumstances, limits);
        let ended = house.run_within(&self.keeper, run).await;
        let journey = house.new_journey();
        tell((journey, self), event, &ended);
        if ended.fault.is_some() {
            return Ok(());
        }
        let is_sent_on = |action: &sieve::Action| matches!(action.deed, Deed::Redirect(_));
        let spooled = match ended.actions.iter().any(is_sent_on) {
            true => house.read_into_spool(&message.row).await?,
            false => message.spooled(),
        };
        let owner = house.inner.directory.address_of(self.keeper.account);
        let Some(owner) = owner else { return Ok(()) };
        let own = Recipient {
            forward_path: ForwardPath::Address(owner.clone()),
            notify: None,
            orcpt: None,
        };
        let (origin, sender) = (origin(), sender(ReversePath::Address(owner)));
        let envelope = Envelope {
            // RFC 6785 §3.4
            reverse_path: sender.reverse_path.clone(),
            recipient: own,
            ret: None,
            envid: None,
            auth: None,
            by: None,
        };
        let arrived = Arrived {
            journey,
            origin: &origin,
            sender: &sender,
            recipients: &[],
            relayed: &[],
            spooled: &spooled,
            judged: None,
            scored: None,
            sealable: None,
        };
        let lying = Lying {
            account: self.keeper.account,
            mailbox: event.mailbox,
            uid: event.uid,
            email: message.entry.email,
        };
        let plan = house.plan_event((arrived, lying), &self.keeper, &envelope, ended);
        let EventPlan { delivery, kept } = match Box::pin(plan).await {
            Ok(plan) => plan,
            Err(trouble) => {
                let account = self.keeper.account.0;
                tracing::warn!(%journey, account, trouble, "not sent on; nothing is done");
                return Ok(());
            }
        };
        if let Some(mut delivery) = delivery {
            delivery.carry_out(house).await?;
        }
        self.flag_after(event, &message, kept).await
    }

    /// The message as it is now; none if it has gone.
    async fn message(&self, event: &Event) -> Outcome<Option<Message>> {
        let seen = self
            .look(|ledger| {
                let folder = ledger.folder(event.mailbox).ok()?;
                let entry = *folder.entry(event.uid)?;
                Some((entry, folder.flags(&entry), folder.row.name.clone()))
            })
            .await?;
        let Some((entry, flags, mailbox)) = seen else {
            return Ok(None);
        };
        let row = self.emails(&[entry.email]).await?.pop().flatten();
        let Some(row) = row else { return Ok(None) };
        let octets = match row.size > WHOLE_OCTETS_MAX {
            true => BEGINNING_OCTETS,
            false => row.size,
        };
        let octets = self.house.octets_of(&row, 0, octets).await?;
        Ok(Some(Message {
            entry,
            flags,
            mailbox,
            row,
            octets,
        }))
    }

    fn event_circumstances(&self, event: &Event, message: &Message) -> Circumstances {
        let house = &self.house;
        let owner = house.inner.directory.address_of(self.keeper.account);
        let host = house.rules().host.to_string();
        let domain = owner.as_ref().map(|owner| owner.host.to_string());
        let changed: Vec<String> = event.changed.iter().map(|flag| flag.to_string()).collect();
        // RFC 5183 §4.1, RFC 6785 §4
        let items = [
            ("domain", domain.unwrap_or_else(|| host.clone())),
            ("host", host),
            ("location", "MS".to_owned()),
            ("name", "Caramel".to_owned()),
            ("phase", "post".to_owned()),
            ("imap.user", self.actor.who.clone()),
            ("imap.email", self.actor.who.clone()),
            ("imap.cause", event.cause.name().to_owned()),
            ("imap.mailbox", message.mailbox.clone()),
            ("imap.changedflags", changed.join(" ")),
        ];
        let site = &house.rules().sieve;
        let spam = site.spam.as_ref();
        let spam = spam.and_then(|field| field.percent(&message.octets));
        let own = house.rules().spam.is_on();
        let told = || crate::spam::told_percent(&message.octets).filter(|_| own);
        let spam = spam.or_else(told);
        let virus = site.virus.as_ref();
        Circumstances {
            spam: spam.map(|percent| Spam { percent }),
            virus: virus.and_then(|field| field.value(&message.octets)),
            addresses: owner.into_iter().collect(),
            environment: items.map(|(name, value)| (name.to_owned(), value)).into(),
            flags: message.flags.clone(),
            ..Circumstances::new(message.letter())
        }
    }

    /// Gives the message the flags that its script wants, as if a client had done it. One that is
    /// not kept is marked as to be deleted.
    // RFC 6785 §2.2.4, §3.8
    async fn flag_after(
        &self,
        event: &Event,
        message: &Message,
        kept: Option<FlagSet>,
    ) -> Outcome<()> {
        let before = &message.flags;
        let mut added: FlagSet = match &kept {
            Some(kept) => kept.iter().filter(|flag| !before.contains(flag)).collect(),
            None => FlagSet::new(),
        };
        let removed: FlagSet = match &kept {
            Some(kept) => before.iter().filter(|flag| !kept.contains(flag)).collect(),
            None => FlagSet::new(),
        };
        if kept.is_none() {
            added.insert(Flag::Deleted);
        }
        if added.is_empty() && removed.is_empty() {
            return Ok(());
        }
        self.change(|draft| {
            let folder = draft.ledger().folder(event.mailbox);
            let Some(entry) = folder
                .ok()
                .and_then(|folder| folder.entry(event.uid).copied())
            else {
                return Ok(());
            };
            let more = draft.keyword_bits(event.mailbox, &added)?;
            let folder = draft.ledger().folder(event.mailbox)?;
            let less = folder.known_keywords(&removed);
            let flagging = Flagging {
                uid: event.uid,
                system: (entry.system | added.system_bits()) & !removed.system_bits(),
                keywords: (entry.keywords | more) & !less,
            };
            if (flagging.system, flagging.keywords) != (entry.system, entry.keywords) {
                draft.set_flags(event.mailbox, &[flagging]);
            }
            Ok(())
        })
        .await
    }
}

impl Post {
    fn new_journey(&self) -> JourneyId {
        let mut id = [0; 8];
        self.inner.outside.fill(&mut id);
        JourneyId(u64::from_be_bytes(id))
    }

    /// Some octets of a stored message.
    pub(crate) async fn octets_of(&self, row: &EmailRow, offset: u64, len: u64) -> Outcome<Bytes> {
        let sought = Sought {
            range: BlobRange {
                blob: row.blob,
                offset,
                len,
            },
            len: row.size,
            hint: row.hint,
        };
        let read = self.read_sought(vec![sought]).await?;
        Ok(read.into_iter().next().unwrap_or_default())
    }

    /// A stored message as one that is on its way in.
    async fn read_into_spool(&self, row: &EmailRow) -> Outcome<Spooled> {
        let mut spool = Spool::new(self);
        let mut offset = 0;
        while offset < row.size {
            let len = PIECE_OCTETS.min(row.size - offset);
            let octets = self.octets_of(row, offset, len).await?;
            spool.push(octets, Ok).await?;
            offset += len;
        }
        spool.finish(Ok).await
    }
}

/// Something that was done with one message.
#[derive(Debug)]
struct Event {
    mailbox: MailboxId,
    cause: EventCause,
    uid: Uid,
    /// The flags that have changed.
    changed: FlagSet,
}

/// A message in a mailbox.
#[derive(Debug)]
struct Message {
    entry: Entry,
    flags: FlagSet,
    /// The mailbox's name.
    mailbox: String,
    row: EmailRow,
    /// All of it, or its beginning.
    octets: Bytes,
}

impl Message {
    fn is_whole(&self) -> bool {
        u64::try_from(self.octets.len()).is_ok_and(|octets| octets == self.row.size)
    }

    fn letter(&self) -> Letter {
        let outline = self.row.outline.as_deref();
        let outline = outline.and_then(|outline| Outline::decode(outline).ok());
        let outline = outline.unwrap_or_else(|| Outline::parse(&self.octets));
        Letter::beginning(self.octets.clone(), Arc::new(outline), self.row.size)
    }

    /// The message where it goes nowhere but into other mailboxes of its account.
    fn spooled(&self) -> Spooled {
        Spooled {
            staged: Staged {
                blob: self.row.blob,
                len: self.row.size,
                bytes: self.is_whole().then(|| self.octets.clone()),
                place: 0,
            },
            outline: self.row.outline.clone(),
            read: None,
            unended: self.entry.unended,
            is_ascii: self.is_whole() && self.octets.is_ascii(),
            preview: None,
            beginning: (!self.is_whole()).then(|| self.octets.clone()),
        }
    }
}

/// Where such a message comes from: nowhere outside.
const fn origin() -> Origin {
    Origin {
        peer: IpAddr::V6(Ipv6Addr::LOCALHOST),
        helo: String::new(),
        protocol: Protocol::Esmtp,
        tls: None,
        account: None,
        user: None,
    }
}

const fn sender(reverse_path: ReversePath) -> Sender {
    Sender {
        reverse_path,
        size: None,
        body: BodyType::EightBitMime,
        smtputf8: false,
        ret: None,
        envid: None,
        tls: mail::TlsWish::Usual,
    }
}

/// A line in the log for each action, and for what went wrong.
fn tell((journey, account): (JourneyId, &Account), event: &Event, ended: &Ended) {
    let (account, cause) = (account.keeper.account.0, event.cause.name());
    let (mailbox, uid) = (event.mailbox, event.uid);
    for action in &ended.actions {
        let (deed, line) = (action.deed.name(), &action.cause);
        tracing::debug!(%journey, account, %mailbox, %uid, cause, deed, %line, "run by IMAP");
    }
    if let Some(trouble) = &ended.fault {
        tracing::warn!(%journey, account, %mailbox, %uid, cause, %trouble, "a script failed");
    }
}
