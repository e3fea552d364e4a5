//! What happened in an account since a line of its ledger, by mailbox: for sessions that watch more
//! than the mailbox they have open (RFC 5465).
//!
//! What a login did itself it is not told. A visitor is told of what it may see, and of nothing
//! else.
//!
//! Not here: which of it a session wants to know.

use mail::{MailboxId, MailboxNews, ModSeq, Moved, Naming, Rights};

use crate::access::{Acl, rights_in};
use crate::happenings::What;
use crate::ledger::{Folder, Ledger};
use crate::mailbox::{INBOX, Status, status};
use crate::metadata::WHOLE;
use crate::{Account, Error, Outcome};

/// Rights without which nothing of a mailbox's messages is told.
// RFC 5465 §5
const HEARS: Rights = Rights::from_bits(Rights::LOOKUP.bits() | Rights::READ.bits());

/// What happened in an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The last line of the ledger that is told of: the next `since`.
    pub modseq: ModSeq,
    /// By mailbox, in the order of what happened first.
    pub mailboxes: Vec<MailboxNews<Status>>,
    /// Notes on the account as a whole that changed.
    pub notes: Vec<String>,
}

impl Account {
    /// What others did behind a line of the ledger.
    ///
    /// # Errors
    /// [`crate::Why::Limit`] if more happened than is remembered.
    pub async fn news(&self, since: ModSeq) -> Outcome<News> {
        let forgotten = || Error::limit("More has happened than can be told");
        self.look(|ledger| self.gather(ledger, since).ok_or_else(forgotten))
            .await?
    }

    fn gather(&self, ledger: &Ledger, since: ModSeq) -> Option<News> {
        let mut news = News {
            modseq: ledger.counters.modseq,
            ..News::default()
        };
        let mut fates: Vec<Fate<'_>> = Vec::new();
        let mut subscriptions = Vec::new();
        for happening in ledger.happenings.since(since)? {
            if happening.author == self.author {
                continue;
            }
            match &happening.what {
                What::Subscribed { name } => subscriptions.push(name),
                What::Noted { entry } if happening.mailbox == WHOLE => {
                    news.notes.push(entry.clone());
                }
                what => {
                    let known = fates.iter().position(|fate| fate.id == happening.mailbox);
                    let at = known.unwrap_or(fates.len());
                    if known.is_none() {
                        fates.push(Fate::of(happening.mailbox));
                    }
                    if let Some(fate) = fates.get_mut(at) {
                        fate.take(what);
                    }
                }
            }
        }
        for fate in fates {
            let passed = self.passed(ledger, &fate);
            news.mailboxes.extend(self.told(ledger, fate));
            news.mailboxes.extend(passed);
        }
        // What has happened in mailboxes is told by the names they have now: these come first.
        news.mailboxes.sort_by_key(|told| told.naming.is_none());
        if self.visitor.is_some() {
            // Subscriptions and notes are their owner's alone.
            news.notes.clear();
            return Some(news);
        }
        for mailbox in &mut news.mailboxes {
            mailbox.subscribed = ledger.subscriptions.contains(&mailbox.name);
        }
        for name in subscriptions {
            let known = news.mailboxes.iter_mut();
            match known.into_iter().find(|mailbox| mailbox.name == *name) {
                Some(mailbox) => mailbox.subscription = true,
                None => news.mailboxes.push(MailboxNews {
                    name: name.clone(),
                    subscription: true,
                    subscribed: ledger.subscriptions.contains(name),
                    ..MailboxNews::default()
                }),
            }
        }
        Some(news)
    }

    /// What may be told of what became of a mailbox.
    fn told(&self, ledger: &Ledger, fate: Fate<'_>) -> Option<MailboxNews<Status>> {
        let saw = |acl: &Acl| match self.visitor {
            None => true,
            Some(visitor) => rights_in(acl, visitor).contains(Rights::LOOKUP),
        };
        if let Some((name, acl)) = fate.gone {
            let seen = saw(fate.before.unwrap_or(acl));
            return seen.then(|| MailboxNews {
                name: fate.first_name().unwrap_or(name).to_owned(),
                naming: Some(Naming::Gone),
                ..MailboxNews::default()
            });
        }
        let folder = ledger.folders.get(&fate.id)?;
        let rights = self.rights(folder);
        let sees = rights.contains(Rights::LOOKUP);
        let saw = !fate.made && fate.before.map_or(sees, saw);
        let name = &folder.row.name;
        if !sees {
            return saw.then(|| MailboxNews {
                name: fate.first_name().unwrap_or(name).to_owned(),
                naming: Some(Naming::Hidden),
                ..MailboxNews::default()
            });
        }
        let naming = match fate.first_name().filter(|from| from != name) {
            // Of INBOX a new mailbox takes the messages.
            Some(from) if saw && !fate.emptied || from == INBOX => Some(Naming::Renamed {
                from: from.to_owned(),
            }),
            _ if !saw || fate.emptied => Some(Naming::Made),
            _ => None,
        };
        let mut moved = fate.moved;
        // RFC 5465 §5.1: UIDVALIDITY is another than that of whatever had this name before.
        moved.flagged |= naming.is_some();
        // Who put letters into it by its new name, before hearing of that, is not told of these;
        // and what it knows by the old name is not true any more.
        moved.arrived |= matches!(naming, Some(Naming::Renamed { .. }));
        let hears = folder.row.selectable && rights.contains(HEARS) && moved != Moved::default();
        let told = MailboxNews {
            name: name.clone(),
            naming,
            moved,
            status: hears.then(|| status(fate.id, folder)),
            notes: match self.visitor {
                None => fate.notes.into_iter().map(str::to_owned).collect(),
                Some(_) => Vec::new(),
            },
            ..MailboxNews::default()
        };
        let something = told.naming.is_some() || told.status.is_some() || !told.notes.is_empty();
        something.then_some(told)
    }

    /// The names that a mailbox had for a while. Nobody was told of them, but who listed the
    /// mailboxes just then knows them.
    fn passed(&self, ledger: &Ledger, fate: &Fate<'_>) -> Vec<MailboxNews<Status>> {
        let told = usize::from(!fate.made);
        let mut names: Vec<&str> = fate.names.iter().skip(told).copied().collect();
        let folder = ledger.folders.get(&fate.id);
        let (acl, now) = match (&fate.gone, folder) {
            (Some((name, acl)), _) => (*acl, *name),
            (None, Some(folder)) => (&folder.acl, &*folder.row.name),
            (None, None) => return Vec::new(),
        };
        let sees = |acl: &Acl| match self.visitor {
            None => true,
            Some(visitor) => rights_in(acl, visitor).contains(Rights::LOOKUP),
        };
        if !sees(acl) && !fate.before.is_some_and(sees) {
            return Vec::new();
        }
        match fate.gone {
            Some(_) => names.extend((!fate.names.is_empty()).then_some(now)),
            None => names.retain(|name| *name != now),
        }
        names.retain(|name| !ledger.names.contains_key(*name));
        let gone = names.into_iter().map(|name| MailboxNews {
            name: name.to_owned(),
            naming: Some(Naming::Gone),
            ..MailboxNews::default()
        });
        gone.collect()
    }

    /// A mailbox that came into sight with all others of its account.
    fn sighted(&self, id: MailboxId, folder: &Folder) -> Option<MailboxNews<Status>> {
        let rights = self.rights(folder);
        let hears = folder.row.selectable && rights.contains(HEARS);
        let told = MailboxNews {
            name: folder.row.name.clone(),
            naming: Some(Naming::Made),
            moved: Moved {
                flagged: true,
                ..Moved::default()
            },
            status: hears.then(|| status(id, folder)),
            ..MailboxNews::default()
        };
        rights.contains(Rights::LOOKUP).then_some(told)
    }

    /// The same of an account that could not be seen before: all its mailboxes are news.
    ///
    /// # Errors
    /// As [`Account::news`].
    pub async fn first_news(&self) -> Outcome<News> {
        let most = crate::happenings::HAPPENINGS_MAX;
        let news = self
            .look(|ledger| {
                let folders = ledger.names.values();
                let folders = folders.filter_map(|id| Some((*id, ledger.folders.get(id)?)));
                let sighted = folders.filter_map(|(id, folder)| self.sighted(id, folder));
                News {
                    modseq: ledger.counters.modseq,
                    mailboxes: sighted.take(most + 1).collect(),
                    notes: Vec::new(),
                }
            })
            .await?;
        if news.mailboxes.len() > most {
            return Err(Error::limit("More can be seen than can be told"));
        }
        Ok(news)
    }
}

/// What became of a mailbox, step by step.
#[derive(Debug)]
struct Fate<'a> {
    id: MailboxId,
    moved: Moved,
    made: bool,
    emptied: bool,
    /// The names it had before, the first one first.
    names: Vec<&'a str>,
    gone: Option<(&'a str, &'a Acl)>,
    /// Who might do what with it at first, if that changed.
    before: Option<&'a Acl>,
    notes: Vec<&'a str>,
}

impl<'a> Fate<'a> {
    const fn of(id: MailboxId) -> Self {
        Self {
            id,
            moved: Moved {
                arrived: false,
                removed: false,
                flagged: false,
            },
            made: false,
            emptied: false,
            names: Vec::new(),
            gone: None,
            before: None,
            notes: Vec::new(),
        }
    }

    fn first_name(&self) -> Option<&'a str> {
        self.names.first().copied()
    }

    fn take(&mut self, what: &'a What) {
        match what {
            What::Arrived => self.moved.arrived = true,
            What::Removed => self.moved.removed = true,
            What::Flagged => self.moved.flagged = true,
            What::Made => self.made = true,
            What::Emptied => self.emptied = true,
            What::Gone { name, acl } => self.gone = Some((name, acl)),
            What::Renamed { from } => self.names.push(from),
            What::Shared { before } => {
                self.before.get_or_insert(before);
            }
            What::Noted { entry } => self.notes.push(entry),
            What::Subscribed { .. } => {}
        }
    }
}
