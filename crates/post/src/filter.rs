//! The scripts of each recipient, run when a message is in, before it is filed: what it wants
//! becomes part of the one batch that files the message.
//!
//! Whatever goes wrong, the message is filed into `INBOX`: a script that fails, one that cannot be
//! read, one that sends the message where it cannot go, a mailbox that is not there or is full.
//! What scripts may not do at all they cannot ask for (`scripts`).
//!
//! Not here: the language (`sieve`), which script is the active one (`scripts`).
//!
//! RFC 5228 §2.10 (actions), §4 (keep, fileinto, redirect, discard); RFC 5490 §3.2, RFC 8579 §4,
//! RFC 9042 §4 (which mailbox); RFC 7352 §3 (what was seen before).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use mail::{
    AccountId, FlagSet, JourneyId, MailboxId, Recipient, Ret, ReversePath, Role, ScriptName,
    Timestamp,
};
use message::Outline;
use sieve::{Action, Cause, Deed, Envelope, Letter, Outcome as Ended, Run};
use store::Staged;

use crate::Post;
use crate::incoming::{Origin, Sender};
use crate::journey::Event;
use crate::keeper::Keeper;
use crate::ledger::Ledger;
use crate::queue::Entry;
use crate::signing::Sealable;
use crate::spam::{self, Judgements};
use crate::spool::Spooled;
use crate::tables::SeenKey;

mod answers;
mod event;
mod file;
mod made;
mod redirect;
mod run;

pub(crate) use event::{Beside, EventPlan, Lying};
pub(crate) use file::{Desk, file_copy, fitting};
use made::Made;
use redirect::Onward;
use run::{envelope, only_way};

/// Octets of one message as all scripts have changed it, each time anew.
const CHANGED_OCTETS_MAX: u64 = 16 * 1024 * 1024;
/// Notices that one script sends of a message; it may ask for more.
const NOTICES_MAX: usize = 4;

/// A message that is in, and how it came.
#[derive(Clone, Copy)]
pub(crate) struct Arrived<'a> {
    pub(crate) journey: JourneyId,
    pub(crate) origin: &'a Origin,
    pub(crate) sender: &'a Sender,
    /// Recipients here.
    pub(crate) recipients: &'a [Recipient],
    /// Recipients elsewhere, who get it whatever scripts say.
    pub(crate) relayed: &'a [Recipient],
    pub(crate) spooled: &'a Spooled,
    /// What its words say to its readers.
    pub(crate) judged: Option<&'a Judgements>,
    /// How likely it is spam, of a hundred, as a filter has found that was asked about it.
    pub(crate) scored: Option<u8>,
    /// What it needs to be sealed when it is sent on.
    pub(crate) sealable: Option<&'a Sealable>,
}

/// Somebody here who gets the message.
#[derive(Debug)]
struct Reader {
    account: AccountId,
    /// Who has sent it on to them, and how: `None` for those it was sent to.
    by: Option<Onward>,
    /// How often it was sent on.
    hops: usize,
}

/// What scripts want of one message: by account, and not for those that have none.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    plans: BTreeMap<AccountId, Plan>,
    /// Messages as scripts have changed them.
    changed: Vec<Spooled>,
    /// A message was changed, and there was no room for one more.
    is_crowded: bool,
    /// Everybody here who gets it.
    readers: BTreeSet<AccountId>,
    /// Who has sent it on to whom.
    ways: BTreeMap<AccountId, BTreeSet<AccountId>>,
}

/// What becomes of the message in one account. Where nothing is filed it is gone.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    filings: Vec<Filing>,
    /// Which of the changed messages came to the account, if one.
    came: Option<usize>,
    remembers: Vec<Remember>,
    /// To whom at other hosts it is sent.
    onward: Vec<Onward>,
    /// It is refused; then nothing else is done with it.
    refused: Option<Refused>,
    /// Letters that are made because of it.
    made: Vec<Made>,
    /// What is told of it.
    pub(crate) told: Vec<Event>,
}

/// A script's refusal.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// As the script has it.
    pub(crate) reason: String,
    /// True if it matters more that the peer hears it than that it hears the very words.
    pub(crate) extended: bool,
    /// Who is told.
    pub(crate) reverse_path: ReversePath,
    /// For whom it was.
    pub(crate) recipient: Recipient,
    pub(crate) ret: Option<Ret>,
    pub(crate) envid: Option<String>,
}

/// Where it is filed: the first of these that is there, and else into the inbox.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filing {
    id: Option<MailboxId>,
    role: Option<Role>,
    /// None for the inbox.
    name: Option<String>,
    /// Makes the mailbox of this name where there is none.
    create: bool,
    pub(crate) flags: FlagSet,
    /// Which of the changed messages it is, where it is one.
    changed: Option<usize>,
}

/// An identifier that was seen now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remember {
    pub(crate) key: SeenKey,
    pub(crate) seconds: u64,
}

impl Reader {
    /// Which of the changed messages they get, if one.
    fn version(&self) -> Option<usize> {
        self.by.as_ref()?.version
    }
}

impl Plans {
    /// What becomes of the message in this account, where its script says that.
    pub(crate) fn of(&self, account: AccountId) -> Option<&Plan> {
        self.plans.get(&account)
    }

    /// Everybody here who gets it, those to whom scripts have sent it on among them.
    pub(crate) fn readers(&self) -> impl Iterator<Item = AccountId> {
        self.readers.iter().copied()
    }

    /// Who has refused it.
    pub(crate) fn refused(&self) -> BTreeMap<AccountId, Refused> {
        let plans = self.plans.iter();
        let refused = plans.filter_map(|(account, plan)| Some((*account, plan.refused.clone()?)));
        refused.collect()
    }

    /// Keeps a message after all that cannot be refused.
    pub(crate) fn keep_refused(&mut self, account: AccountId) {
        if let Some(plan) = self.plans.get_mut(&account) {
            plan.filings.push(Filing {
                changed: plan.came,
                ..Filing::default()
            });
        }
    }

    /// True if a script wants something remembered that the next one asks for.
    pub(crate) fn remembers(&self) -> bool {
        let mut plans = self.plans.values();
        plans.any(|plan| !plan.remembers.is_empty())
    }

    /// The changed messages, to be stored in the same step.
    pub(crate) fn staged(&self) -> impl Iterator<Item = &Staged> {
        self.changed.iter().map(|spooled| &spooled.staged)
    }

    /// What the queue gets: an entry for each address that scripts send the message to.
    pub(crate) fn entries(&self, house: &Post, arrived: Arrived<'_>) -> Vec<Entry> {
        let plans = self.plans.iter();
        let all = plans.flat_map(|(id, plan)| plan.onward.iter().map(|onward| (*id, onward)));
        let mut seen = BTreeSet::new();
        let first = all.filter(|(_, onward)| {
            let path = onward.recipient.forward_path.to_string();
            seen.insert((path, onward.version))
        });
        first
            .map(|(account, onward)| house.onward_entry(account, onward, arrived, &self.changed))
            .collect()
    }
}

impl Post {
    /// Runs the scripts of these accounts, of which none is asked for twice, and of those to whom
    /// they send the message on.
    pub(crate) async fn filter(
        &self,
        arrived: Arrived<'_>,
        accounts: impl Iterator<Item = AccountId> + Send,
    ) -> Plans {
        let first = accounts.map(|account| Reader {
            account,
            by: None,
            hops: 0,
        });
        let waiting: VecDeque<Reader> = first.collect();
        let plans = Plans {
            readers: waiting.iter().map(|reader| reader.account).collect(),
            ..Plans::default()
        };
        self.filter_readers(arrived, plans, waiting).await
    }

    /// Runs the scripts of these, and of those to whom they send the message on.
    async fn filter_readers(
        &self,
        arrived: Arrived<'_>,
        mut plans: Plans,
        mut waiting: VecDeque<Reader>,
    ) -> Plans {
        let mut whole = None;
        let mut ways = None;
        while let Some(reader) = waiting.pop_front() {
            let keeper = self.keeper(reader.account);
            let scripts = self.scripts_of(&keeper).await;
            if arrived.is_junk_to(&reader) && !scripts.iter().any(|script| script.tests_spam()) {
                plans.plans.insert(reader.account, Plan::junk());
                continue;
            }
            let letter: Option<Letter> = match (scripts.is_empty(), reader.version()) {
                (true, _) => None,
                (_, Some(at)) => plans.changed.get(at).and_then(Spooled::letter),
                (_, None) => whole
                    .get_or_insert_with(|| arrived.spooled.letter())
                    .clone(),
            };
            let Some(letter) = letter else {
                plans.keep(&reader);
                continue;
            };
            let own = self.inner.directory.address_of(reader.account);
            let way = only_way(arrived.recipients, own.as_ref());
            let way = way.or_else(|| {
                let ways = ways.get_or_insert_with(|| self.ways(arrived));
                ways.get(&reader.account).copied()
            });
            let envelope = Arc::new(envelope(arrived, &reader, way, own.as_ref()));
            let told = Arc::clone(&envelope);
            let owner = (reader.account, own);
            let circumstances = self.circumstances(arrived, owner, &scripts, (letter, told));
            let limits = self.rules().script_limits();
            let ended = match Ended::at_a_glance(&scripts, &circumstances, &limits) {
                Some(ended) => ended,
                None => {
                    let run = Run::chain(scripts, circumstances, limits);
                    self.run_within(&keeper, run).await
                }
            };
            tell(arrived.journey, reader.account, &ended);
            let own = (&reader, envelope.as_ref(), &keeper);
            let sent_on = self.plan(&mut plans, arrived, own, ended).await;
            waiting.extend(sent_on);
        }
        plans
    }

    /// Makes a plan of what a script wants; gives those here to whom it sends the message on.
    async fn plan(
        &self,
        plans: &mut Plans,
        arrived: Arrived<'_>,
        (reader, envelope, keeper): (&Reader, &Envelope, &Arc<Keeper>),
        ended: Ended,
    ) -> Vec<Reader> {
        let mut plan = Plan {
            came: reader.version(),
            told: told(&ended),
            ..Plan::default()
        };
        let (mut redirects, mut notices) = (Vec::new(), 0);
        for action in ended.actions {
            let Action { deed, changed, .. } = action;
            match deed {
                Deed::Redirect(redirect) => redirects.push((redirect, changed)),
                Deed::Reject { reason, extended } => {
                    plan.refused = Some(Refused {
                        reason,
                        extended,
                        reverse_path: envelope.reverse_path.clone(),
                        recipient: envelope.recipient.clone(),
                        ret: envelope.ret,
                        envid: envelope.envid.clone(),
                    });
                }
                Deed::Vacation(reply) => {
                    let way = (keeper, arrived.journey);
                    plan.made.extend(self.answer(way, *reply).await);
                }
                Deed::Notify(notice) => {
                    let way = (reader.account, arrived.journey);
                    notices += 1;
                    if notices <= NOTICES_MAX {
                        plan.made.extend(self.notice(way, *notice, notices));
                    }
                }
                deed => plan.add(deed, plans.version(reader, changed)),
            }
        }
        let sent_on = self.send_on(plans, arrived, (reader, envelope), redirects);
        match sent_on.await {
            Ok((onward, here)) => {
                plan.onward = onward;
                plans.plans.insert(reader.account, plan);
                here
            }
            // RFC 5228 §2.10.6
            Err(trouble) => {
                let (journey, account) = (arrived.journey, reader.account.0);
                tracing::warn!(%journey, account, trouble, "not sent on; the message is kept");
                let told = plan.told.into_iter();
                let told = told.chain(std::iter::once(Event::ScriptFailed(trouble.to_string())));
                let plan = Plan {
                    told: told.collect(),
                    ..Plan::kept(reader)
                };
                plans.plans.insert(reader.account, plan);
                Vec::new()
            }
        }
    }
}

impl Arrived<'_> {
    /// True if its words say that it is junk to this reader, to whom nobody here has sent it on.
    fn is_junk_to(&self, reader: &Reader) -> bool {
        let judged = self.judged.and_then(|judged| judged.of(reader.account));
        reader.by.is_none() && judged.is_some_and(|judged| judged.is_junk)
    }
}

impl Plan {
    /// The message goes where junk is.
    fn junk() -> Self {
        Self {
            filings: vec![Filing {
                role: Some(Role::Junk),
                name: Some(spam::JUNK.to_owned()),
                create: true,
                ..Filing::default()
            }],
            ..Self::default()
        }
    }

    /// The message goes into the inbox.
    fn kept(reader: &Reader) -> Self {
        Self {
            filings: vec![Filing {
                changed: reader.version(),
                ..Filing::default()
            }],
            ..Self::default()
        }
    }

    fn add(&mut self, deed: Deed, changed: Option<usize>) {
        match deed {
            Deed::Keep { flags } => self.filings.push(Filing {
                flags,
                changed,
                ..Filing::default()
            }),
            Deed::FileInto(filing) => self.filings.push(Filing::of(filing, changed)),
            Deed::Remember {
                handle,
                id,
                seconds,
                ..
            } => self.remembers.push(Remember {
                key: answers::seen_key(&handle, &id),
                seconds,
            }),
            // These are seen to elsewhere.
            Deed::Redirect(_) | Deed::Reject { .. } | Deed::Vacation(_) | Deed::Notify(_) => {}
            Deed::Discard => {}
        }
    }
}

impl Filing {
    /// The mailbox that is there for it.
    pub(crate) fn found(&self, ledger: &Ledger) -> Option<MailboxId> {
        let there = |id: &MailboxId| ledger.folder(*id).is_ok();
        let by_name = || ledger.target(self.name.as_deref()?).ok();
        let by_role = || ledger.of_role(self.role?);
        self.id.filter(there).or_else(by_role).or_else(by_name)
    }

    /// The name under which one is made where there is none.
    pub(crate) fn made(&self) -> Option<&str> {
        self.name.as_deref().filter(|_| self.create)
    }

    pub(crate) fn of(filing: sieve::Filing, changed: Option<usize>) -> Self {
        Self {
            id: filing.mailbox_id.as_deref().and_then(MailboxId::parse),
            role: filing.special_use.as_deref().and_then(role),
            name: Some(filing.mailbox),
            create: filing.create,
            flags: filing.flags,
            changed,
        }
    }
}

impl Plans {
    /// Says so where somebody without a script gets the message only because it was sent on.
    fn keep(&mut self, reader: &Reader) {
        if reader.by.is_some() {
            self.plans.insert(reader.account, Plan::kept(reader));
        }
    }

    /// Which of the changed messages a script means: its own, or the one that its owner got.
    fn version(&mut self, reader: &Reader, changed: Option<Bytes>) -> Option<usize> {
        match changed {
            Some(octets) => self.change(octets),
            None => reader.version(),
        }
    }

    /// A message as a script has changed it; the same for scripts that change it alike. None where
    /// there are too many already.
    fn change(&mut self, octets: Bytes) -> Option<usize> {
        let same = |known: &Spooled| known.staged.bytes.as_ref() == Some(&octets);
        if let Some(place) = self.changed.iter().position(same) {
            return Some(place);
        }
        let taken = self.staged().map(|staged| staged.len).sum::<u64>();
        let more = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        if taken.saturating_add(more) > CHANGED_OCTETS_MAX {
            self.is_crowded = true;
            return None;
        }
        self.changed.push(Spooled::of(octets.into()));
        Some(self.changed.len() - 1)
    }

    /// True if what one sends on comes to the other.
    fn leads(&self, from: AccountId, to: AccountId) -> bool {
        let (mut seen, mut ahead) = (BTreeSet::new(), vec![from]);
        while let Some(account) = ahead.pop() {
            if account == to {
                return true;
            }
            if seen.insert(account) {
                ahead.extend(self.ways.get(&account).into_iter().flatten());
            }
        }
        false
    }
}

impl Spooled {
    /// Its first octets, all of its header that is looked at among them; `None` where not even
    /// these are here.
    pub(crate) fn front(&self) -> Option<&Bytes> {
        // A backend may have all of a streamed message at hand; scripts see the same with each.
        self.beginning.as_ref().or(self.staged.bytes.as_ref())
    }

    /// The message as scripts see it: of a large one its beginning. None where not even that is
    /// here.
    fn letter(&self) -> Option<Letter> {
        let octets = self.front()?.clone();
        let outline = self.read.clone().unwrap_or_else(|| {
            let encoded = self.outline.as_deref();
            let outline = encoded.and_then(|outline| Outline::decode(outline).ok());
            Arc::new(outline.unwrap_or_else(|| Outline::parse(&octets)))
        });
        Some(Letter::beginning(octets, outline, self.staged.len))
    }
}

/// The role that an attribute names: `\Junk`.
fn role(attribute: &str) -> Option<Role> {
    Role::parse(attribute.strip_prefix('\\')?)
}

/// What a journey tells of a script's run.
fn told(ended: &Ended) -> Vec<Event> {
    let deeds = ended.actions.iter().map(|action| Event::Filtered {
        deed: action.deed.name().into(),
        cause: match action.cause {
            Cause::Implicit => Cow::Borrowed("implicit"),
            Cause::Line { .. } => action.cause.to_string().into(),
        },
    });
    let trouble = ended.fault.as_ref().map(ToString::to_string);
    deeds.chain(trouble.map(Event::ScriptFailed)).collect()
}

/// A line in the log for each action, and for what went wrong.
fn tell(journey: JourneyId, account: AccountId, ended: &Ended) {
    let account = account.0;
    for action in &ended.actions {
        let (deed, cause) = (action.deed.name(), &action.cause);
        tracing::debug!(%journey, account, deed, %cause, "filtered");
    }
    if let Some(trouble) = &ended.fault {
        tracing::warn!(%journey, account, %trouble, "a script failed; the message is kept");
    }
}

/// What has to do with a moment in an account's past.
pub(crate) fn end_of(now: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Timestamp::utc(now.seconds.saturating_add(seconds))
}

/// The row of a script that another includes.
pub(crate) fn named(ledger: &Ledger, name: &str) -> Option<(ScriptName, crate::tables::ScriptRow)> {
    let name = ScriptName::parse(name)?;
    let row = *ledger.scripts.get(&name)?;
    Some((name, row))
}
