//! LIST and LSUB: which of the house's mailboxes are told, and what is said of each
//! (RFC 9051 §6.3.9, RFC 3501 §6.3.9, RFC 5258, 5819, 6154, 8440, 9590).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mail::Rights;

use super::metadata::{add_missing, values};
use super::pattern::{Name, Pattern};
use super::state::{Line, ListTelling, Listed as Asked, Wait};
use super::{Moment, Session};
use crate::ask::{Answer, Ask, Listed};
use crate::command::List;
use crate::diagram::Verb;
use crate::response::{Attribute, Listing, Metadata, Response, Status};
use crate::{MailboxName, Tag};

impl Session {
    pub(super) fn list(&mut self, tag: Tag, list: List) {
        let select = &list.select;
        if select.recursive_match && !select.subscribed && !select.special_use {
            // RFC 5258 §3.1
            let status = Status::bad("RECURSIVEMATCH needs another selection");
            return self.bad(Some(&tag), &status);
        }
        if !list.extended && list.patterns == [""] {
            // RFC 9051 §6.3.9
            let root = Listing::new(MailboxName::new(""), vec![Attribute::NoSelect]);
            self.write(&Response::List(root));
            let status = Status::ok("Done");
            return self.conclude(tag, Verb::List, status, Moment::Free, false);
        }
        let hidden = self.policy.removed.as_deref();
        let removed = list
            .patterns
            .iter()
            .any(|pattern| asks_for(hidden, &list.reference, pattern));
        self.wait(
            Ask::List { removed },
            Wait::Mailboxes(tag, Asked::List(list)),
        );
    }

    pub(super) fn lsub(&mut self, tag: Tag, reference: String, pattern: String) {
        let asked = Asked::Lsub { reference, pattern };
        self.wait(Ask::List { removed: false }, Wait::Mailboxes(tag, asked));
    }

    pub(super) fn take_mailboxes(&mut self, tag: Tag, asked: &Asked, mailboxes: &[Listed]) {
        let mut mailboxes: Vec<&Listed> = mailboxes.iter().collect();
        mailboxes.sort_by_key(|mailbox| (mailbox.name != "INBOX", mailbox.name.as_str()));
        match asked {
            Asked::Lsub { reference, pattern } => {
                let pattern = Pattern::below(reference, pattern);
                for listing in subscriptions(&mailboxes, &pattern) {
                    self.write(&Response::Lsub(listing));
                }
                let status = Status::ok("Done");
                self.conclude(tag, Verb::Lsub, status, Moment::Free, false);
            }
            Asked::List(list) => self.tell_next(Box::new(ListTelling {
                tag,
                lines: lines(&mailboxes, list, self.policy.removed.as_deref()),
                returning: list.returning.clone(),
            })),
        }
    }

    /// Writes lines up to the first of whose mailbox more is to be told than the line says.
    fn tell_next(&mut self, mut telling: Box<ListTelling>) {
        while let Some(line) = telling.lines.front() {
            let mailbox = line.listing.mailbox.clone();
            let (has_status, has_metadata) = (line.has_status, line.has_metadata);
            let rights = line.rights;
            self.write(&Response::List(line.listing.clone()));
            if !rights.is_empty() {
                self.write(&Response::MyRights(mailbox.clone(), rights));
            }
            if has_status {
                let name = mailbox.as_str().to_owned();
                return self.wait(Ask::Status { name }, Wait::ListStatus(telling));
            }
            if has_metadata {
                return self.ask_list_metadata(telling);
            }
            telling.lines.pop_front();
        }
        let status = Status::ok("Done");
        self.conclude(telling.tag, Verb::List, status, Moment::Free, false);
    }

    pub(super) fn take_list_status(&mut self, mut telling: Box<ListTelling>, answer: &Answer) {
        let Some(line) = telling.lines.front() else {
            return self.fault();
        };
        let has_metadata = line.has_metadata;
        // A mailbox that went in the meantime just has no status (RFC 5819 §2).
        if let Answer::Status(status) = answer {
            self.write_status(&line.listing.mailbox, &telling.returning.status, status);
        }
        if has_metadata {
            return self.ask_list_metadata(telling);
        }
        telling.lines.pop_front();
        self.tell_next(telling);
    }

    /// Asks for the notes that LIST tells.
    fn ask_list_metadata(&mut self, telling: Box<ListTelling>) {
        let Some(line) = telling.lines.front() else {
            return self.fault();
        };
        let entries = telling.returning.metadata.iter();
        let ask = Ask::Metadata {
            mailbox: Some(line.listing.mailbox.as_str().to_owned()),
            entries: entries.map(|entry| entry.as_str().to_owned()).collect(),
            depth: Some(0),
            octets_max: None,
        };
        self.wait(ask, Wait::ListMetadata(telling));
    }

    pub(super) fn take_list_metadata(&mut self, mut telling: Box<ListTelling>, answer: Answer) {
        // RFC 9590 §3
        // There may be none to be had: on a mailbox of somebody else, or on one that went.
        if let (Some(line), Answer::Metadata { entries, .. }) = (telling.lines.pop_front(), answer)
        {
            let mut values = values(entries);
            add_missing(&mut values, &telling.returning.metadata);
            let values = Metadata::Values(values);
            self.write(&Response::Metadata(line.listing.mailbox, values));
        }
        self.tell_next(telling);
    }
}

/// True for a pattern that begins as the names of removed mail do: no other finds these, or
/// programs that take all there is would take what was thrown away as well.
fn asks_for(hidden: Option<&str>, reference: &str, pattern: &str) -> bool {
    let asked = format!("{reference}{pattern}");
    hidden.is_some_and(|hidden| asked.starts_with(hidden.trim_end_matches('/')))
}

/// The lines a LIST is answered with; of the names that begin as those that are hidden, none but
/// those asked for or subscribed to.
fn lines(mailboxes: &[&Listed], list: &List, hidden: Option<&str>) -> VecDeque<Line> {
    let patterns = list.patterns.iter();
    let patterns: Vec<(Pattern, bool)> = patterns
        .map(|pattern| {
            let asked = asks_for(hidden, &list.reference, pattern);
            (Pattern::below(&list.reference, pattern), asked)
        })
        .collect();
    let parents = parents(mailboxes, |mailbox| mailbox.exists);
    let chosen_below = parents_of_chosen(mailboxes, list);
    mailboxes
        .iter()
        .filter(|mailbox| {
            let name = Name::new(&mailbox.name);
            let shown = mailbox.subscribed || !asks_for(hidden, "", &mailbox.name);
            let mut patterns = patterns.iter();
            patterns.any(|(pattern, asked)| (shown || *asked) && pattern.matches(&name))
        })
        .filter_map(|mailbox| {
            let recursive =
                list.select.recursive_match && chosen_below.contains(mailbox.name.as_str());
            let chosen = chosen(mailbox, list);
            let more = mailbox.exists && mailbox.selectable;
            (chosen || recursive).then(|| Line {
                listing: listing(mailbox, list, &parents, recursive),
                has_status: more && !list.returning.status.is_empty(),
                // RFC 9590 §4: none for those listed only for what is below them.
                has_metadata: more && chosen && !list.returning.metadata.is_empty(),
                // RFC 8440 §4: none for those listed only for what is below them.
                rights: match list.returning.my_rights && chosen {
                    true => mailbox.rights,
                    false => Rights::NONE,
                },
            })
        })
        .collect()
}

/// True if the selection options take the mailbox.
fn chosen(mailbox: &Listed, list: &List) -> bool {
    let select = &list.select;
    (!select.subscribed || mailbox.subscribed)
        && (!select.special_use || mailbox.role.is_some())
        && (select.subscribed || mailbox.exists)
}

fn parents_of_chosen<'a>(mailboxes: &[&'a Listed], list: &List) -> BTreeSet<&'a str> {
    if list.select.recursive_match {
        parents(mailboxes, |mailbox| chosen(mailbox, list))
    } else {
        BTreeSet::new()
    }
}

/// All names above those mailboxes that `count`.
fn parents<'a>(mailboxes: &[&'a Listed], count: impl Fn(&Listed) -> bool) -> BTreeSet<&'a str> {
    let mut parents = BTreeSet::new();
    for mailbox in mailboxes.iter().filter(|mailbox| count(mailbox)) {
        let mut name = mailbox.name.as_str();
        while let Some((parent, _)) = name.rsplit_once('/') {
            if !parents.insert(parent) {
                break;
            }
            name = parent;
        }
    }
    parents
}

fn listing(mailbox: &Listed, list: &List, parents: &BTreeSet<&str>, recursive: bool) -> Listing {
    let mut attributes = Vec::new();
    if !mailbox.exists {
        attributes.push(Attribute::NonExistent);
    } else if !mailbox.selectable {
        attributes.push(Attribute::NoSelect);
    }
    attributes.push(if parents.contains(mailbox.name.as_str()) {
        Attribute::HasChildren
    } else {
        Attribute::HasNoChildren
    });
    let tells_subscribed = list.select.subscribed || list.returning.subscribed;
    if tells_subscribed && mailbox.subscribed {
        attributes.push(Attribute::Subscribed);
    }
    // RFC 6154 §2 lets every LIST tell the roles.
    attributes.extend(mailbox.role.map(Attribute::Role));
    let mut listing = Listing::new(MailboxName::new(mailbox.name.as_str()), attributes);
    if recursive {
        let option = if list.select.subscribed {
            "SUBSCRIBED"
        } else {
            "SPECIAL-USE"
        };
        listing.child_info.push(option.to_owned());
    }
    listing
}

/// All mailboxes, to say of some of them how they stand.
pub(super) struct Catalogue<'a> {
    mailboxes: BTreeMap<&'a str, &'a Listed>,
    parents: BTreeSet<&'a str>,
}

impl<'a> Catalogue<'a> {
    pub(super) fn new(mailboxes: &'a [Listed]) -> Self {
        let all: Vec<&Listed> = mailboxes.iter().collect();
        let named = all.iter().map(|mailbox| (mailbox.name.as_str(), *mailbox));
        Self {
            parents: parents(&all, |mailbox| mailbox.exists),
            mailboxes: named.collect(),
        }
    }

    pub(super) fn is_subscribed(&self, name: &str) -> bool {
        let known = self.mailboxes.get(name);
        known.is_some_and(|mailbox| mailbox.subscribed)
    }

    /// As LIST tells of it, whether or not it is there.
    pub(super) fn describe(&self, name: &str) -> Listing {
        let absent = Listed {
            place: None,
            name: name.to_owned(),
            role: None,
            subscribed: false,
            exists: false,
            selectable: false,
            rights: Rights::NONE,
        };
        let mut list = List::default();
        list.returning.subscribed = true;
        let mailbox = self.mailboxes.get(name).copied().unwrap_or(&absent);
        listing(mailbox, &list, &self.parents, false)
    }
}

/// The lines an LSUB is answered with: `%` also names the levels above subscribed names.
fn subscriptions(mailboxes: &[&Listed], pattern: &Pattern) -> Vec<Listing> {
    let mut lines = Vec::new();
    let mut above = BTreeSet::new();
    for mailbox in mailboxes.iter().filter(|mailbox| mailbox.subscribed) {
        if pattern.matches(&Name::new(&mailbox.name)) {
            let selectable = mailbox.exists && mailbox.selectable;
            let attributes = if selectable {
                Vec::new()
            } else {
                vec![Attribute::NoSelect]
            };
            lines.push(Listing::new(
                MailboxName::new(mailbox.name.as_str()),
                attributes,
            ));
            continue;
        }
        let mut name = mailbox.name.as_str();
        while let Some((parent, _)) = name.rsplit_once('/') {
            name = parent;
            if pattern.ends_with_level() && pattern.matches(&Name::new(parent)) {
                above.insert(parent);
            }
        }
    }
    for parent in above {
        let name = MailboxName::new(parent);
        if !lines.iter().any(|line| line.mailbox == name) {
            // RFC 3501 §6.3.9
            lines.push(Listing::new(name, vec![Attribute::NoSelect]));
        }
    }
    lines
}
