//! What a script wants, carried out in the batch that files the message.

use mail::{EmailId, FlagSet, MailboxId, Timestamp};

use super::{Filing, Plan, Plans, end_of};
use crate::draft::{self, Draft};
use crate::ledger::{Folder, KEYWORDS_MAX, Ledger};
use crate::mailbox;
use crate::spool::Spooled;
use crate::{Error, Outcome, Quota, Rules};

const INBOX: &str = "INBOX";

/// What is the same for all accounts.
#[derive(Clone, Copy)]
pub(crate) struct Desk<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) quota: Quota,
    pub(crate) now: Timestamp,
    /// The message's INTERNALDATE.
    pub(crate) date: Timestamp,
    /// Flags that it brought along, whatever a script says.
    pub(crate) flags: &'a FlagSet,
    /// What it is already in the account, if it is.
    pub(crate) known: Option<EmailId>,
}

impl Plans {
    /// Files the message in an account as its plan says.
    ///
    /// # Errors
    /// 452 4.2.2 where there is no room for it.
    pub(crate) fn carry_out(
        &self,
        plan: &Plan,
        draft: &mut Draft<'_>,
        message: &Spooled,
        desk: Desk<'_>,
    ) -> Outcome<()> {
        let mut filed = Vec::new();
        // What the message and its changed ones are in the account.
        let mut emails: Vec<(Option<usize>, EmailId)> = Vec::new();
        emails.extend(desk.known.map(|email| (None, email)));
        for filing in &plan.filings {
            if desk.quota.is_exhausted(draft.ledger().counters.usage) {
                return Err(Error::over_quota());
            }
            let mailbox = place(draft, filing, desk)?;
            // RFC 5228 §2.10.3
            if filed.contains(&mailbox) {
                continue;
            }
            filed.push(mailbox);
            let changed = filing.changed.and_then(|at| self.changed.get(at));
            let spooled = changed.unwrap_or(message);
            let email = match emails
                .iter()
                .find(|(changed, _)| *changed == filing.changed)
            {
                Some((_, email)) => {
                    draft.share(*email);
                    *email
                }
                None => {
                    let email = draft.email(&spooled.row());
                    emails.push((filing.changed, email));
                    email
                }
            };
            let mut flags = filing.flags.clone();
            desk.flags.iter().for_each(|flag| flags.insert(flag));
            let flags = fitting(draft.ledger(), mailbox, &flags);
            let filing = draft::Filing {
                email,
                flags: &flags,
                date: desk.date,
                now: desk.now,
                size: spooled.staged.len,
                unended: spooled.unended,
            };
            draft.file(mailbox, filing, desk.rules.mailbox_messages_max)?;
        }
        for remember in &plan.remembers {
            let until = end_of(desk.now, remember.seconds);
            draft.remember_seen(remember.key, (until, desk.now), desk.rules.seen_max);
        }
        Ok(())
    }
}

/// Files a copy of a letter that a script has made; there is none where there is no room for it.
// RFC 8580 §3
pub(crate) fn file_copy(
    draft: &mut Draft<'_>,
    filing: &Filing,
    letter: &Spooled,
    desk: Desk<'_>,
) -> Outcome<()> {
    if desk.quota.is_exhausted(draft.ledger().counters.usage) {
        return Ok(());
    }
    let mailbox = place(draft, filing, desk)?;
    let messages_max = desk.rules.mailbox_messages_max;
    let full = |folder: &Folder| folder.entries.len() >= messages_max;
    if draft.ledger().folder(mailbox).is_ok_and(full) {
        return Ok(());
    }
    let flags = fitting(draft.ledger(), mailbox, &filing.flags);
    let email = draft.email(&letter.row());
    let filing = draft::Filing {
        email,
        flags: &flags,
        date: desk.now,
        now: desk.now,
        size: letter.staged.len,
        unended: letter.unended,
    };
    draft.file(mailbox, filing, messages_max).map(|_| ())
}

/// The mailbox that a filing means, made if that is wanted; the inbox where that cannot be.
// RFC 5228 §4.1
fn place(draft: &mut Draft<'_>, filing: &Filing, desk: Desk<'_>) -> Outcome<MailboxId> {
    let ledger = draft.ledger();
    let messages_max = desk.rules.mailbox_messages_max;
    let has_room = |id: MailboxId| {
        let folder = ledger.folder(id).ok()?;
        (folder.entries.len() < messages_max && folder.next_uid.is_some()).then_some(id)
    };
    let name = filing.name.as_deref();
    let found = filing
        .id
        .filter(|id| ledger.folder(*id).is_ok())
        .or_else(|| filing.role.and_then(|role| ledger.of_role(role)))
        .or_else(|| name.and_then(|name| ledger.target(name).ok()));
    if let Some(found) = found {
        // RFC 8579 §4: where one is full, mail is not spread over others that are meant less.
        return has_room(found).map_or_else(|| ledger.target(INBOX), Ok);
    }
    if let Some(name) = name.filter(|_| filing.create)
        && let Ok(made) = mailbox::make_by_script(draft, name, filing.role, (desk.rules, desk.now))
    {
        return Ok(made);
    }
    draft.ledger().target(INBOX)
}

/// The flags without those keywords for which the mailbox has no room: no letter fails for them.
pub(crate) fn fitting(ledger: &Ledger, mailbox: MailboxId, flags: &FlagSet) -> FlagSet {
    let known = ledger.folder(mailbox).map(|folder| &folder.row.keywords);
    let known = known.map(Vec::as_slice).unwrap_or_default();
    let is_new = |keyword: &&mail::Keyword| !known.contains(keyword);
    let mut over =
        (known.len() + flags.keywords().iter().filter(is_new).count()).saturating_sub(KEYWORDS_MAX);
    let mut fitting = flags.clone();
    for keyword in flags.keywords().iter().rev().filter(is_new) {
        if over == 0 {
            break;
        }
        over -= 1;
        fitting.remove(&mail::Flag::Keyword(keyword.clone()));
    }
    fitting
}
