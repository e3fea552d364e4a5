//! Notes on mailboxes and on the account as a whole (RFC 5464).
//!
//! An entry has a name in lower case, `/private/comment` or `/shared/vendor/…`, and a value of any
//! octets. What stands on a mailbox goes where it goes, and goes with it. What is shared by the
//! whole house only its owner sets: here it is a way to reach the administrator.
//!
//! Not here: which names an entry may have (the protocol's grammar says it).

use std::collections::BTreeMap;

use bytes::Bytes;
use mail::{MailboxId, Role};

use crate::access::nowhere;
use crate::draft::Draft;
use crate::events;
use crate::happenings::What;
use crate::ledger::Ledger;
use crate::{Account, Error, Outcome, Post, Rules, Why};

/// Under this number are the notes on the account as a whole; mailboxes count from one.
pub(crate) const WHOLE: MailboxId = MailboxId(0);

/// How to reach whoever runs the house (RFC 5464 §3.2.1.1).
const ADMIN: &str = "/shared/admin";
/// What the mailbox is for (RFC 6154 §4).
const SPECIAL_USE: &str = "/private/specialuse";

/// Which entries are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataQuery {
    /// Their names, in lower case.
    pub entries: Vec<String>,
    /// How many levels below these names as well; `None` for all.
    pub depth: Option<usize>,
    /// Octets a value may have to be told; `None` for any number.
    pub octets_max: Option<u64>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Names and values, sorted by name.
    pub entries: Vec<(String, Bytes)>,
    /// Octets of the longest value that was left out.
    pub longest: Option<u64>,
}

impl Account {
    /// Notes on a mailbox, or, without one, on the account as a whole.
    ///
    /// # Errors
    /// [`Why::Nonexistent`] if there is no such mailbox, or if the account cannot be read.
    pub async fn metadata(
        &self,
        mailbox: Option<&str>,
        query: &MetadataQuery,
    ) -> Outcome<Metadata> {
        let admin = self.house().admin();
        self.look(|ledger| {
            let id = self.noted(ledger, mailbox)?;
            let mut found = Metadata::default();
            let mut tell = |name: &str, value: &Bytes| {
                let octets = u64::try_from(value.len()).unwrap_or(u64::MAX);
                if query.octets_max.is_some_and(|max| octets > max) {
                    found.longest = found.longest.max(Some(octets));
                } else {
                    found.entries.push((name.to_owned(), value.clone()));
                }
            };
            let kept = ledger.metadata.get(&id).into_iter().flatten();
            for (name, value) in kept.filter(|(name, _)| query.wants(name)) {
                tell(name, value);
            }
            if id == WHOLE && query.wants(ADMIN) {
                tell(ADMIN, &admin);
            }
            let role = ledger.folders.get(&id).and_then(|folder| folder.row.role);
            if let Some(role) = role.filter(|_| query.wants(SPECIAL_USE)) {
                tell(SPECIAL_USE, &format!("\\{}", role.name()).into());
            }
            found.entries.sort();
            Ok(found)
        })
        .await?
    }

    /// Sets entries of a mailbox, or of the account as a whole, to values, or removes them: all or
    /// none.
    ///
    /// # Errors
    /// [`Why::Nonexistent`] if there is no such mailbox, [`Why::Policy`] for what only the owner
    /// of the house may set, [`Why::TooBig`] for a value, [`Why::Limit`] for too many entries or
    /// too many octets of all, [`Why::Cannot`] for a role that there is not or that is taken.
    pub async fn set_metadata(
        &self,
        mailbox: Option<&str>,
        entries: &[(String, Option<Bytes>)],
    ) -> Outcome<()> {
        let rules = self.house().rules();
        self.change(|draft| {
            let id = self.noted(draft.ledger(), mailbox)?;
            let role = check(draft.ledger(), id, entries, rules)?;
            if let Some(role) = role
                && draft.ledger().folder(id)?.row.role != role
            {
                draft.edit_mailbox(id, |row| row.role = role);
                let entry = SPECIAL_USE.to_owned();
                draft.happened(id, What::Noted { entry });
            }
            let is_role = |name: &str| id != WHOLE && name == SPECIAL_USE;
            for (name, value) in entries.iter().filter(|(name, _)| !is_role(name)) {
                draft.set_metadata(id, name, value.as_ref());
            }
            Ok(())
        })
        .await
    }
}

impl Account {
    /// What notes are on. They are its owner's alone: a visitor finds none, and nothing to put any
    /// on.
    fn noted(&self, ledger: &Ledger, mailbox: Option<&str>) -> Outcome<MailboxId> {
        match self.visitor {
            None => place(ledger, mailbox),
            Some(_) => Err(nowhere()),
        }
    }
}

impl Post {
    /// RFC 5321 §4.5.1: whoever has trouble with this machine reaches somebody there.
    pub(crate) fn admin(&self) -> Bytes {
        format!("mailto:postmaster@{}", self.rules().host.to_ascii()).into()
    }
}

impl MetadataQuery {
    fn wants(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| {
            let below = match name.strip_prefix(entry.as_str()) {
                Some("") => 0,
                Some(rest) if rest.starts_with('/') => rest.matches('/').count(),
                Some(_) | None => return false,
            };
            self.depth.is_none_or(|depth| below <= depth)
        })
    }
}

/// One note on a mailbox, or, without one, on the account as a whole.
pub(crate) fn note(
    ledger: &Ledger,
    mailbox: Option<&str>,
    entry: &str,
    admin: &Bytes,
) -> Option<Bytes> {
    let id = place(ledger, mailbox).ok()?;
    if let Some(value) = ledger.metadata.get(&id).and_then(|kept| kept.get(entry)) {
        return Some(value.clone());
    }
    let role = ledger.folders.get(&id).and_then(|folder| folder.row.role);
    match entry {
        ADMIN if id == WHOLE => Some(admin.clone()),
        SPECIAL_USE => Some(format!("\\{}", role?.name()).into()),
        _ => None,
    }
}

fn place(ledger: &Ledger, mailbox: Option<&str>) -> Outcome<MailboxId> {
    let Some(name) = mailbox else {
        return Ok(WHOLE);
    };
    // RFC 5464 §4.1: of any kind, those that hold no messages among them.
    let found = ledger.find(name).map(|(id, _)| id);
    found.ok_or_else(|| Error::nonexistent("There is no such mailbox"))
}

/// Checks that these entries may be set, all of them; tells the role they set, if they do.
fn check(
    ledger: &Ledger,
    id: MailboxId,
    entries: &[(String, Option<Bytes>)],
    rules: &Rules,
) -> Outcome<Option<Option<Role>>> {
    let kept = ledger.metadata.get(&id);
    let mut after: BTreeMap<&str, usize> = kept
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value.len()))
        .collect();
    let before: usize = after.iter().map(|(name, len)| name.len() + len).sum();
    let mut role = None;
    for (name, value) in entries {
        // An account's own scripts are for all of its mailboxes, if it wants that.
        if id == WHOLE && name.starts_with("/shared/") && name != events::SCRIPT {
            let text = "Only whoever runs this server sets this";
            return Err(Error::refused(Why::Policy, 550, [5, 7, 1], text));
        }
        if id != WHOLE && name == SPECIAL_USE {
            role = Some(role_of(ledger, id, value.as_deref())?);
            continue;
        }
        match value {
            Some(value) if value.len() > rules.metadata_octets_max => {
                let text = "The value is too long";
                return Err(Error::refused(Why::TooBig, 552, [5, 3, 4], text));
            }
            Some(value) => after.insert(name, value.len()),
            None => after.remove(name.as_str()),
        };
    }
    let octets: usize = after.iter().map(|(name, len)| name.len() + len).sum();
    let all = ledger.metadata_octets.saturating_sub(before) + octets;
    // What is less than before is never too much.
    let grows = octets > before;
    if after.len() > rules.metadata_entries_max || grows && all > rules.metadata_all_octets_max {
        return Err(Error::limit("There are too many entries"));
    }
    Ok(role)
}

// RFC 6154 §4
fn role_of(ledger: &Ledger, id: MailboxId, value: Option<&[u8]>) -> Outcome<Option<Role>> {
    let words = std::str::from_utf8(value.unwrap_or_default()).unwrap_or("?");
    let mut words = words.split_whitespace();
    let (Some(word), None) = (words.next(), words.next()) else {
        return match value.unwrap_or_default().trim_ascii() {
            b"" => Ok(None),
            _ => Err(Error::cannot("A mailbox is for one thing")),
        };
    };
    let role = word.strip_prefix('\\').and_then(Role::parse);
    let Some(role) = role else {
        return Err(Error::cannot("No mailbox can be for that"));
    };
    let mut others = ledger.folders.iter().filter(|(other, _)| **other != id);
    if others.any(|(_, folder)| folder.row.role == Some(role)) {
        return Err(Error::cannot("Another mailbox has this role"));
    }
    ledger.folder(id)?;
    Ok(Some(role))
}

impl Draft<'_> {
    /// True if the notes on a mailbox may be there once more.
    pub(crate) fn metadata_fits(&self, source: MailboxId, rules: &Rules) -> bool {
        let kept = self.ledger().metadata.get(&source);
        let octets: usize = kept
            .into_iter()
            .flatten()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        self.ledger().metadata_octets + octets <= rules.metadata_all_octets_max
    }

    /// Copies all notes from one mailbox to another that has none.
    pub(crate) fn copy_metadata(&mut self, source: MailboxId, target: MailboxId) {
        let kept = self.ledger().metadata.get(&source).cloned();
        for (name, value) in kept.into_iter().flatten() {
            self.set_metadata(target, &name, Some(&value));
        }
    }

    /// Removes all notes on a mailbox.
    pub(crate) fn clear_metadata(&mut self, id: MailboxId) {
        let kept = self.ledger().metadata.get(&id).cloned();
        for (name, _) in kept.into_iter().flatten() {
            self.set_metadata(id, &name, None);
        }
    }
}
