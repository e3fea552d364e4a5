//! The active script of each recipient, run when a message is in, before it is filed: what it wants
//! becomes part of the one batch that files the message.
//!
//! Whatever goes wrong, the message is filed into `INBOX`: a script that fails, one that cannot be
//! read, a mailbox that is not there or is full. What scripts may not do at all they cannot ask for
//! (`scripts`).
//!
//! Not here: the language (`sieve`), which script is the active one (`scripts`).
//!
//! RFC 5228 §2.10 (actions), §4 (keep, fileinto, discard); RFC 5490 §3.2, RFC 8579 §4, RFC 9042 §4
//! (which mailbox); RFC 7352 §3 (what was seen before).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use mail::{
    AccountId, FlagSet, ForwardPath, JourneyId, MailboxId, Recipient, Role, ScriptName, Timestamp,
};
use message::Outline;
use sieve::{Action, Circumstances, Deed, Envelope, Letter, Outcome as Ended, Run, Step};
use store::Staged;

use crate::incoming::{Origin, Sender};
use crate::keeper::Keeper;
use crate::ledger::Ledger;
use crate::scripts;
use crate::spool::Spooled;
use crate::tables::SeenKey;
use crate::{Post, Route, Why};

mod answers;
mod file;

pub(crate) use file::Desk;

/// How often a script is looked for again that was replaced while it was read.
const REPLACED_MAX: usize = 4;

/// A message that is in, and how it came.
#[derive(Clone, Copy)]
pub(crate) struct Arrived<'a> {
    pub(crate) journey: JourneyId,
    pub(crate) origin: &'a Origin,
    pub(crate) sender: &'a Sender,
    /// Recipients here.
    pub(crate) recipients: &'a [Recipient],
    pub(crate) spooled: &'a Spooled,
}

/// What scripts want of one message: by account, and not for those that have none.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    plans: BTreeMap<AccountId, Plan>,
    /// Messages as scripts have changed them.
    changed: Vec<Spooled>,
}

/// What becomes of the message in one account. Where nothing is filed it is gone.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    filings: Vec<Filing>,
    remembers: Vec<Remember>,
}

/// Where it is filed: the first of these that is there, and else into the inbox.
#[derive(Debug, Default)]
struct Filing {
    id: Option<MailboxId>,
    role: Option<Role>,
    /// None for the inbox.
    name: Option<String>,
    /// Makes the mailbox of this name where there is none.
    create: bool,
    flags: FlagSet,
    /// Which of the changed messages it is, where it is one.
    changed: Option<usize>,
}

/// An identifier that was seen now.
#[derive(Debug)]
struct Remember {
    key: SeenKey,
    seconds: u64,
}

impl Plans {
    /// What becomes of the message in this account, where its script says that.
    pub(crate) fn of(&self, account: AccountId) -> Option<&Plan> {
        self.plans.get(&account)
    }

    /// The changed messages, to be stored in the same step.
    pub(crate) fn staged(&self) -> impl Iterator<Item = &Staged> {
        self.changed.iter().map(|spooled| &spooled.staged)
    }
}

impl Post {
    /// Runs the scripts of these accounts, of which none is asked for twice.
    pub(crate) async fn filter(
        &self,
        arrived: Arrived<'_>,
        accounts: impl Iterator<Item = AccountId> + Send,
    ) -> Plans {
        let mut plans = Plans::default();
        let mut letter = None;
        let mut ways = None;
        for account in accounts {
            let keeper = self.keeper(account);
            let Some(script) = self.active_script(&keeper).await else {
                continue;
            };
            let letter = letter.get_or_insert_with(|| arrived.spooled.letter());
            let ways = ways.get_or_insert_with(|| self.ways(arrived.recipients));
            let Some(letter) = letter.as_ref() else {
                continue;
            };
            let recipient = ways.get(&account).copied();
            let circumstances = self.circumstances(arrived, account, letter.clone(), recipient);
            let ended = self.run(&keeper, script, circumstances).await;
            tell(arrived.journey, account, &ended);
            plans.add(account, ended);
        }
        plans
    }

    /// The script that runs for an account, if there is one and it can be run.
    async fn active_script(&self, keeper: &Arc<Keeper>) -> Option<Arc<sieve::Script>> {
        for _ in 0..REPLACED_MAX {
            let (name, row) = match Self::glance(keeper, scripts::active) {
                Some(active) => active?,
                // An account that has gone is the commit's affair.
                None => self.look(keeper, scripts::active).await.ok().flatten()?,
            };
            match self.compiled(keeper, &name, row).await {
                Ok(script) => return script,
                Err(error) if error.why() == Why::Nonexistent => {}
                Err(error) => {
                    let account = keeper.account.0;
                    tracing::warn!(account, script = %name, %error, "a script cannot be read");
                    return None;
                }
            }
        }
        None
    }

    /// To which accounts which of the recipients leads: the first where there are several.
    fn ways<'a>(&self, recipients: &'a [Recipient]) -> BTreeMap<AccountId, &'a Recipient> {
        let mut ways = BTreeMap::new();
        for recipient in recipients {
            if let Route::Local(accounts) = self.route(&recipient.forward_path) {
                for account in accounts {
                    ways.entry(account).or_insert(recipient);
                }
            }
        }
        ways
    }

    fn circumstances(
        &self,
        arrived: Arrived<'_>,
        account: AccountId,
        letter: Letter,
        recipient: Option<&Recipient>,
    ) -> Circumstances {
        let Arrived { origin, sender, .. } = arrived;
        let address = self.inner.directory.address_of(account);
        // Whoever is reached by an alias that leads elsewhere as well is named by the own address.
        let own = || Recipient {
            forward_path: address
                .clone()
                .map_or(ForwardPath::Postmaster, ForwardPath::Address),
            notify: None,
            orcpt: None,
        };
        let envelope = Envelope {
            reverse_path: sender.reverse_path.clone(),
            recipient: recipient.cloned().unwrap_or_else(own),
            ret: sender.ret,
            envid: sender.envid.clone(),
            auth: origin.account.as_ref().map(|one| one.address().to_string()),
            by: None,
        };
        let host = self.rules().host.to_string();
        let domain = address.as_ref().map(|address| address.host.to_string());
        // RFC 5183 §4.1
        let items = [
            ("domain", domain.unwrap_or_else(|| host.clone())),
            ("host", host),
            ("location", "MDA".to_owned()),
            ("name", "Caramel".to_owned()),
            ("phase", "during".to_owned()),
            ("remote-ip", origin.peer.to_canonical().to_string()),
        ];
        Circumstances {
            envelope: Some(envelope),
            addresses: address.into_iter().collect(),
            environment: items.map(|(name, value)| (name.to_owned(), value)).into(),
            ..Circumstances::new(letter)
        }
    }

    async fn run(
        &self,
        keeper: &Arc<Keeper>,
        script: Arc<sieve::Script>,
        circumstances: Circumstances,
    ) -> Ended {
        let mut run = Run::new(script, circumstances, self.script_limits());
        loop {
            match run.step() {
                Step::Done(ended) => return ended,
                Step::Ask(ask) => {
                    let answer = self.answer_script(keeper, ask).await;
                    run.answer(answer);
                }
            }
        }
    }
}

impl Plans {
    fn add(&mut self, account: AccountId, ended: Ended) {
        let mut plan = Plan::default();
        for action in ended.actions {
            let Action { deed, changed, .. } = action;
            let changed = changed.map(|octets| self.change(octets));
            match deed {
                Deed::Keep { flags } => plan.filings.push(Filing {
                    flags,
                    changed,
                    ..Filing::default()
                }),
                Deed::FileInto(filing) => plan.filings.push(Filing {
                    id: filing.mailbox_id.as_deref().and_then(MailboxId::parse),
                    role: filing.special_use.as_deref().and_then(role),
                    name: Some(filing.mailbox),
                    create: filing.create,
                    flags: filing.flags,
                    changed,
                }),
                Deed::Remember {
                    handle,
                    id,
                    seconds,
                    ..
                } => plan.remembers.push(Remember {
                    key: answers::seen_key(&handle, &id),
                    seconds,
                }),
                Deed::Discard => {}
                // No script gets so far as to want these; if one did, its message would be kept.
                Deed::Redirect(_) | Deed::Reject { .. } | Deed::Vacation(_) | Deed::Notify(_) => {
                    plan.filings.push(Filing::default())
                }
            }
        }
        self.plans.insert(account, plan);
    }

    /// A message as a script has changed it; the same for scripts that change it alike.
    fn change(&mut self, octets: Bytes) -> usize {
        let same = |known: &Spooled| known.staged.bytes.as_ref() == Some(&octets);
        if let Some(place) = self.changed.iter().position(same) {
            return place;
        }
        self.changed.push(Spooled::of(octets.into()));
        self.changed.len() - 1
    }
}

impl Spooled {
    /// The message as scripts see it: of a large one its beginning. None where not even that is
    /// here.
    fn letter(&self) -> Option<Letter> {
        let outline = self
            .outline
            .as_deref()
            .and_then(|outline| Outline::decode(outline).ok());
        // A backend may have all of a streamed message at hand; scripts see the same with each.
        let octets = self.beginning.as_ref().or(self.staged.bytes.as_ref());
        let octets = octets?.clone();
        let outline = outline.unwrap_or_else(|| Outline::parse(&octets));
        Some(Letter::beginning(
            octets,
            Arc::new(outline),
            self.staged.len,
        ))
    }
}

/// The role that an attribute names: `\Junk`.
fn role(attribute: &str) -> Option<Role> {
    Role::parse(attribute.strip_prefix('\\')?)
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
fn end_of(now: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Timestamp::utc(now.seconds.saturating_add(seconds))
}

/// The row of a script that another includes.
fn named(ledger: &Ledger, name: &str) -> Option<(ScriptName, crate::tables::ScriptRow)> {
    let name = ScriptName::parse(name)?;
    let row = *ledger.scripts.get(&name)?;
    Some((name, row))
}
