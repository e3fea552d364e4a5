//! Mailboxes: list, create, delete, rename, subscribe (RFC 9051 §5.1, §6.3).

use mail::{MailboxId, ModSeq, Rights, Role, Timestamp, Uid, UidSet, UidValidity};
use unicode_normalization::UnicodeNormalization;

use crate::access::{Settable, forbidden};
use crate::draft::{Draft, Filing};
use crate::happenings::What;
use crate::ledger::{Folder, Ledger};
use crate::sharing::is_reserved;
use crate::{Account, Error, Outcome, Rules, Why};

/// The one mailbox that is always there; its name is written in any case.
pub(crate) const INBOX: &str = "INBOX";

/// A mailbox as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Its id; never reused, kept when it is renamed.
    pub id: MailboxId,
    /// Its full name, levels separated by `/`, in UTF-8 (NFC). The inbox is `INBOX`.
    pub name: String,
    /// What it is for.
    pub role: Option<Role>,
    /// True if somebody subscribed to its name.
    pub subscribed: bool,
    /// False for `\Noselect`: it is only a level above others.
    pub selectable: bool,
    /// True if there are mailboxes below it.
    pub has_children: bool,
    /// What whoever lists it may do.
    pub rights: Rights,
}

/// What STATUS tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its id.
    pub id: MailboxId,
    /// How many messages.
    pub messages: u32,
    /// How many of them without `\Seen`.
    pub unseen: u32,
    /// How many of them with `\Deleted`.
    pub deleted: u32,
    /// Octets of all messages.
    pub size: u64,
    /// The octets that an expunge of all `\Deleted` ones would free.
    pub deleted_storage: u64,
    /// The UID the next message will get, at least.
    pub uidnext: Uid,
    /// Its generation.
    pub uidvalidity: UidValidity,
    /// The largest mod-sequence of any change in it.
    pub highest_modseq: ModSeq,
}

impl Account {
    /// All mailboxes that may be seen, sorted by name with `INBOX` first.
    ///
    /// # Errors
    /// If the account cannot be read.
    pub async fn mailboxes(&self) -> Outcome<Vec<Mailbox>> {
        self.look(|ledger| {
            let mut listed: Vec<_> = ledger
                .names
                .iter()
                .filter_map(|(name, id)| {
                    let folder = self.visible(ledger, *id)?;
                    let row = &folder.row;
                    Some(Mailbox {
                        id: *id,
                        name: name.clone(),
                        role: row.role,
                        subscribed: ledger.subscriptions.contains(name),
                        selectable: row.selectable,
                        has_children: below(ledger, name)
                            .any(|(_, id)| self.visible(ledger, id).is_some()),
                        rights: self.rights(folder),
                    })
                })
                .collect();
            listed.sort_by_key(|mailbox| mailbox.name != INBOX);
            listed
        })
        .await
    }

    fn visible<'a>(&self, ledger: &'a Ledger, id: MailboxId) -> Option<&'a Folder> {
        let folder = ledger.folders.get(&id)?;
        let seen = self.rights(folder).contains(Rights::LOOKUP);
        seen.then_some(folder)
    }

    /// Refuses to make a mailbox of this name to whoever may not: a visitor needs the right to make
    /// mailboxes below the nearest one above it. Whether that may be seen makes no difference.
    // RFC 4314 §4
    pub(crate) fn may_make(&self, ledger: &Ledger, name: &str) -> Outcome<()> {
        if self.visitor.is_none() {
            return match is_reserved(name) {
                true => Err(Error::cannot("That name is for others' mailboxes")),
                false => Ok(()),
            };
        }
        let root = self.root();
        let mut above = name.rsplit_once('/').map(|(above, _)| above).or(root);
        while let Some(parent) = above {
            if let Some((_, folder)) = ledger.find(parent) {
                return match self.rights(folder).contains(Rights::CREATE) {
                    true => Ok(()),
                    false => Err(forbidden()),
                };
            }
            let next = parent.rsplit_once('/').map(|(above, _)| above);
            above = next.or(root).filter(|above| *above != parent);
        }
        Err(forbidden())
    }

    /// The mailbox that stands above all others: those of a shared account have one, so that
    /// whoever may make some below its `INBOX` may make them beside it.
    fn root(&self) -> Option<&'static str> {
        self.is_shared().then_some(INBOX)
    }

    /// The levels above a mailbox that is to come; each begins with the rights of the one above it.
    // RFC 9051 §6.3.4
    pub(crate) fn add_parents(&self, draft: &mut Draft<'_>, name: &str, now: Timestamp) {
        if let Some(root) = self.root() {
            draft.root(root);
        }
        for level in parents(name) {
            if !draft.ledger().names.contains_key(level) {
                draft.add_mailbox(level, None, now);
            }
        }
    }

    /// All names subscribed to, also those of mailboxes that are not there; sorted.
    ///
    /// # Errors
    /// If the account cannot be read.
    pub async fn subscriptions(&self) -> Outcome<Vec<String>> {
        self.look(|ledger| ledger.subscriptions.iter().cloned().collect())
            .await
    }

    /// Creates a mailbox and the levels above it; a `/` at the end is dropped.
    ///
    /// # Errors
    /// [`Why::AlreadyExists`] (also for `INBOX`), [`Why::Cannot`] for an impossible
    /// name or a role that is taken, [`Why::Policy`] without the right, [`Why::Limit`].
    pub async fn create(&self, name: &str, role: Option<Role>) -> Outcome<MailboxId> {
        let house = self.house();
        let (rules, now) = (house.rules(), house.outside().now());
        let name = checked_name(name, rules)?;
        self.change(|draft| {
            let ledger = draft.ledger();
            self.may_make(ledger, &name)?;
            if self.visitor.is_some() && role.is_some() {
                return Err(forbidden());
            }
            match ledger.find(&name) {
                Some((_, folder)) if folder.row.selectable => {
                    return Err(already("There is such a mailbox already"));
                }
                Some(_) | None => {}
            }
            let taken = |role| {
                ledger
                    .folders
                    .values()
                    .any(|folder| folder.row.role == Some(role))
            };
            if role.is_some_and(taken) {
                return Err(Error::cannot("Another mailbox has this role"));
            }
            room_for(ledger, std::iter::once(name.as_str()), rules)?;
            // A level that could not hold messages becomes a new mailbox with an id of its own.
            if let Some((old, _)) = draft.ledger().find(&name) {
                draft.delete_mailbox(old);
            }
            self.add_parents(draft, &name, now);
            Ok(draft.add_mailbox(&name, role, now))
        })
        .await
    }

    /// Deletes a mailbox with its messages; with mailboxes below it, it stays as `\Noselect`. Tells
    /// which it was.
    ///
    /// # Errors
    /// [`Why::Nonexistent`], [`Why::Cannot`] for `INBOX` and for a `\Noselect` one
    /// with mailboxes below it.
    pub async fn delete(&self, name: &str) -> Outcome<MailboxId> {
        let name = normal_name(name);
        self.change(|draft| {
            let ledger = draft.ledger();
            let (id, folder) = self.reach(ledger, &name, Rights::DELETE)?;
            // RFC 9051 §6.3.5
            if name == INBOX {
                return Err(Error::cannot("INBOX cannot be deleted"));
            }
            let has_children = below(ledger, &name).next().is_some();
            if has_children && !folder.row.selectable {
                return Err(Error::refused(
                    Why::Cannot,
                    550,
                    [5, 2, 0],
                    "There are mailboxes below it; delete them first",
                ));
            }
            delete_or_hollow(draft, id);
            Ok(id)
        })
        .await
    }

    /// Renames a mailbox and those below it. Of `INBOX` the messages move to a new mailbox and
    /// those below it stay (RFC 9051 §6.3.6).
    ///
    /// # Errors
    /// [`Why::Nonexistent`], [`Why::AlreadyExists`], [`Why::Cannot`],
    /// [`Why::Limit`].
    pub async fn rename(&self, from: &str, to: &str) -> Outcome<()> {
        let house = self.house();
        let (rules, now) = (house.rules(), house.outside().now());
        let (from, to) = (normal_name(from), checked_name(to, rules)?);
        self.change(|draft| {
            let ledger = draft.ledger();
            let (id, _) = self.reach(ledger, &from, Rights::DELETE)?;
            self.may_make(ledger, &to)?;
            if from == INBOX && self.visitor.is_some() {
                return Err(Error::cannot("Only its owner can rename INBOX"));
            }
            if ledger.names.contains_key(&to) {
                return Err(already("There is a mailbox of the new name already"));
            }
            if from == INBOX {
                room_for(ledger, std::iter::once(to.as_str()), rules)?;
                self.add_parents(draft, &to, now);
                return rename_inbox(draft, id, &to, rules, now);
            }
            let inside = to.strip_prefix(&from);
            if inside.is_some_and(|rest| rest.starts_with('/')) {
                return Err(Error::cannot("A mailbox cannot move below itself"));
            }
            let mut renamed = vec![(id, to.clone())];
            for (name, below_id) in below(ledger, &from) {
                let rest = name.strip_prefix(&from).unwrap_or_default();
                renamed.push((below_id, checked_name(&format!("{to}{rest}"), rules)?));
            }
            if renamed
                .iter()
                .any(|(_, name)| ledger.names.contains_key(name))
            {
                return Err(already("There is a mailbox of a new name already"));
            }
            room_for(ledger, std::iter::once(to.as_str()), rules)?;
            self.add_parents(draft, &to, now);
            for (id, name) in renamed {
                draft.rename_mailbox(id, name);
            }
            // RFC 5465 §5.4
            draft.happened(id, What::Renamed { from: from.clone() });
            Ok(())
        })
        .await
    }

    /// Subscribes to a name, whether or not such a mailbox is there.
    ///
    /// # Errors
    /// [`Why::Cannot`] for an impossible name, [`Why::Limit`].
    pub async fn subscribe(&self, name: &str) -> Outcome<()> {
        let rules = self.house().rules();
        let name = checked_name(name, rules)?;
        self.change(|draft| {
            let subscriptions = &draft.ledger().subscriptions;
            if subscriptions.contains(&name) {
                return Ok(());
            }
            if subscriptions.len() >= rules.subscriptions_max {
                return Err(Error::limit("There are too many subscriptions"));
            }
            draft.subscribe(&name, true);
            Ok(())
        })
        .await
    }

    /// Ends a subscription; says yes as well where there was none.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn unsubscribe(&self, name: &str) -> Outcome<()> {
        let name = normal_name(name);
        self.change(|draft| {
            if draft.ledger().subscriptions.contains(&name) {
                draft.subscribe(&name, false);
            }
            Ok(())
        })
        .await
    }

    /// What STATUS tells of a mailbox.
    ///
    /// # Errors
    /// [`Why::Nonexistent`].
    pub async fn status(&self, name: &str) -> Outcome<Status> {
        self.look(|ledger| {
            let (id, _) = self.reach(ledger, name, Rights::READ)?;
            ledger.folder(id).map(|folder| status(id, folder))
        })
        .await?
    }
}

/// How a mailbox stands.
pub(crate) fn status(id: MailboxId, folder: &Folder) -> Status {
    let sums = &folder.sums;
    Status {
        id,
        messages: u32::try_from(folder.entries.len()).unwrap_or(u32::MAX),
        unseen: sums.unseen,
        deleted: sums.deleted,
        size: sums.octets,
        deleted_storage: sums.deleted_octets,
        uidnext: folder.uidnext(),
        uidvalidity: folder.row.uidvalidity,
        highest_modseq: folder.highest,
    }
}

/// The name as it is kept: composed letters (NFC), no `/` at the end, `INBOX` in capitals.
pub(crate) fn normal_name(name: &str) -> String {
    let name = name.strip_suffix('/').unwrap_or(name);
    if name.eq_ignore_ascii_case(INBOX) {
        return INBOX.to_owned();
    }
    let name: String = match name.is_ascii() {
        true => name.to_owned(),
        false => name.nfc().collect(),
    };
    match name.get(..INBOX.len()) {
        // RFC 9051 §5.1
        Some(start) if start.eq_ignore_ascii_case(INBOX) => {
            let rest = name.get(INBOX.len()..).unwrap_or_default();
            if rest.is_empty() || rest.starts_with('/') {
                return format!("{INBOX}{rest}");
            }
            name
        }
        Some(_) | None => name,
    }
}

/// The name as it is kept, if a mailbox can have it.
pub(crate) fn checked_name(name: &str, rules: &Rules) -> Outcome<String> {
    let name = normal_name(name);
    let impossible = name.split('/').any(str::is_empty)
        || name
            .chars()
            // RFC 9755 §3: lines and paragraphs end in no name.
            .any(|letter| {
                letter.is_control() || matches!(letter, '*' | '%' | '\u{2028}' | '\u{2029}')
            });
    if impossible {
        return Err(Error::cannot("A mailbox cannot have this name"));
    }
    let levels = name.split('/').count();
    if name.len() > rules.mailbox_name_octets_max || levels > rules.mailbox_depth_max {
        return Err(Error::limit("The mailbox's name is too long"));
    }
    Ok(name)
}

/// Deletes a mailbox; with others below it, it stays as a level above them.
pub(crate) fn delete_or_hollow(draft: &mut Draft<'_>, id: MailboxId) {
    let ledger = draft.ledger();
    let folder = ledger.folders.get(&id);
    let has_children =
        folder.is_some_and(|folder| below(ledger, &folder.row.name).next().is_some());
    if has_children {
        draft.hollow_mailbox(id);
    } else {
        draft.delete_mailbox(id);
    }
}

/// The mailboxes below this name.
fn below<'a>(
    ledger: &'a Ledger,
    name: &str,
) -> impl Iterator<Item = (&'a String, MailboxId)> + use<'a> {
    let prefix = format!("{name}/");
    ledger
        .names
        .range(prefix.clone()..)
        .take_while(move |(known, _)| known.starts_with(&prefix))
        .map(|(known, id)| (known, *id))
}

/// Makes the mailbox that a script asks for, with the levels above it, and with a role that no
/// other has; its owner is subscribed to it.
// RFC 5490 §3.2
// RFC 8579 §4.1
pub(crate) fn make_by_script(
    draft: &mut Draft<'_>,
    name: &str,
    role: Option<Role>,
    (rules, now): (&Rules, Timestamp),
) -> Outcome<MailboxId> {
    let name = checked_name(name, rules)?;
    if is_reserved(&name) {
        return Err(Error::cannot("That name is for others' mailboxes"));
    }
    let ledger = draft.ledger();
    if let Some((_, folder)) = ledger.find(&name)
        && folder.row.selectable
    {
        return Err(already("There is such a mailbox already"));
    }
    room_for(ledger, std::iter::once(name.as_str()), rules)?;
    let is_taken = |role: &Role| {
        let mut folders = ledger.folders.values();
        folders.any(|folder| folder.row.role == Some(*role))
    };
    let role = role.filter(|role| !is_taken(role));
    let subscribes = ledger.subscriptions.len() < rules.subscriptions_max;
    // A level that could not hold messages becomes a new mailbox with an id of its own.
    if let Some((old, _)) = draft.ledger().find(&name) {
        draft.delete_mailbox(old);
    }
    for level in parents(&name) {
        if !draft.ledger().names.contains_key(level) {
            draft.add_mailbox(level, None, now);
        }
    }
    if subscribes {
        draft.subscribe(&name, true);
    }
    Ok(draft.add_mailbox(&name, role, now))
}

/// The levels above this name, from the top.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').filter_map(|(at, _)| name.get(..at))
}

/// Checks that these mailboxes and the levels above them may come in addition.
pub(crate) fn room_for<'a>(
    ledger: &Ledger,
    names: impl Iterator<Item = &'a str>,
    rules: &Rules,
) -> Outcome<()> {
    let new: usize = names
        .map(|name| {
            let missing = parents(name).filter(|level| !ledger.names.contains_key(*level));
            1 + missing.count()
        })
        .sum();
    if ledger.names.len() + new > rules.mailboxes_max {
        return Err(Error::limit("There are too many mailboxes"));
    }
    Ok(())
}

// RFC 9051 §6.3.6
fn rename_inbox(
    draft: &mut Draft<'_>,
    inbox: MailboxId,
    to: &str,
    rules: &Rules,
    now: Timestamp,
) -> Outcome<()> {
    let target = draft.add_mailbox(to, None, now);
    let from = INBOX.to_owned();
    draft.happened(target, What::Renamed { from });
    let uids = draft.ledger().folder(inbox)?.uids();
    let settable = Settable::by(Rights::ALL);
    let pairs = copy_entries(draft, inbox, &uids, (target, settable), (rules, now))?;
    draft.leave(inbox, target, &pairs);
    // RFC 5464 §4.1
    if draft.metadata_fits(inbox, rules) {
        draft.copy_metadata(inbox, target);
    }
    Ok(())
}

/// Files the messages once more in `target`, with those of their flags that may be set there;
/// tells from which UID to which.
pub(crate) fn copy_entries(
    draft: &mut Draft<'_>,
    source: MailboxId,
    uids: &UidSet,
    (target, settable): (MailboxId, Settable),
    (rules, now): (&Rules, Timestamp),
) -> Outcome<Vec<(Uid, Uid)>> {
    let folder = draft.ledger().folder(source)?;
    // Their UIDs alone: there may be a million.
    let asked: Vec<_> = folder.among(uids).map(|entry| entry.uid).collect();
    let mut pairs = Vec::with_capacity(asked.len());
    let mut next = 0;
    for uid in asked {
        let folder = draft.ledger().folder(source)?;
        let at = folder.position(next, uid);
        let Some((at, entry)) = at.and_then(|at| Some((at, *folder.entries.get(at)?))) else {
            continue;
        };
        next = at + 1;
        let flags = settable.among(&folder.flags(&entry));
        let filing = Filing {
            email: entry.email,
            flags: &flags,
            date: entry.date(),
            now,
            size: entry.size.into(),
            unended: entry.unended,
        };
        let uid = draft.file(target, filing, rules.mailbox_messages_max)?;
        draft.share(entry.email);
        pairs.push((entry.uid, uid));
    }
    Ok(pairs)
}

fn already(text: &str) -> Error {
    Error::refused(Why::AlreadyExists, 550, [5, 2, 0], text)
}
