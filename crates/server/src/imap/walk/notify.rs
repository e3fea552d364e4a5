//! What NOTIFY tells a client (RFC 5465): it believes it, and so knows what the house has.

use std::collections::{BTreeMap, BTreeSet};

use imap::MailboxName;
use imap::response::{Attribute, Listing, StatusValue};
use mail::Flag;

use super::client::{Client, Command};
use super::deeds::NAMES;
use super::hears::check;
use super::model::Model;

/// What a client has asked to be told; by default nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// Of the mailbox that is open.
    pub(super) selected: Option<Selected>,
    /// Of all others.
    pub(super) others: Option<Others>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Selected {
    /// No message goes but at a command.
    pub(super) delayed: bool,
    /// Flags that changed are told.
    pub(super) flags: bool,
}

/// The mailboxes as the client has them.
#[derive(Clone, Debug, Default)]
pub(super) struct Others {
    /// Flags that changed are told.
    pub(super) flags: bool,
    /// Those there are, once it has listed them.
    pub(super) names: Option<BTreeSet<String>>,
    /// How some of them stand.
    pub(super) counts: BTreeMap<String, Counts>,
}

/// What was told of a mailbox.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    messages: Option<u32>,
    unseen: Option<u32>,
    next: Option<u32>,
}

impl Others {
    fn forget(&mut self, name: &str) {
        self.counts.remove(name);
    }

    /// A mailbox was made, renamed or deleted.
    fn hear(&mut self, listing: &Listing) {
        let name = listing.mailbox.as_str();
        // Of INBOX a new mailbox takes the messages.
        let old_name = listing.old_name.as_ref().map(MailboxName::as_str);
        let old_name = old_name.filter(|old_name| *old_name != "INBOX");
        let counts = old_name.and_then(|old_name| self.counts.remove(old_name));
        let is_there = !listing.attributes.contains(&Attribute::NonExistent);
        if let Some(names) = &mut self.names {
            if let Some(old_name) = old_name {
                names.remove(old_name);
            }
            match is_there {
                true => names.insert(name.to_owned()),
                false => names.remove(name),
            };
        }
        self.counts.remove(name);
        if let Some(counts) = counts.filter(|_| is_there) {
            self.counts.insert(name.to_owned(), counts);
        }
    }
}

impl Client {
    /// True if something may be told while no command is in progress.
    pub(super) fn hears_at_once(&self) -> bool {
        let watch = self.notify.as_ref();
        watch.is_some_and(|watch| watch.selected.is_some() || watch.others.is_some())
    }

    /// True if it is told at all what happens in the mailbox that is open.
    pub(super) fn hears_open(&self) -> bool {
        let watch = self.notify.as_ref();
        watch.is_none_or(|watch| watch.selected.is_some())
    }

    /// True if it is told which flags changed there.
    pub(super) fn hears_flags(&self) -> bool {
        let flags = |watch: &Watch| watch.selected.is_some_and(|selected| selected.flags);
        self.notify.as_ref().is_none_or(flags)
    }

    /// True if messages may go while no command is in progress.
    pub(super) fn may_lose(&self) -> bool {
        let selected = self.notify.as_ref().and_then(|watch| watch.selected);
        selected.is_some_and(|selected| !selected.delayed)
    }

    fn others(&mut self) -> Option<&mut Others> {
        let asked = self.command.as_mut().and_then(|it| it.notify.as_mut());
        asked.or(self.notify.as_mut())?.others.as_mut()
    }

    pub(super) fn counted(
        &mut self,
        model: &mut Model,
        name: &MailboxName,
        values: &[StatusValue],
    ) {
        let open = self.open.as_ref().map(|open| model.folder(open.id));
        let is_open = open.is_some_and(|open| open.name.as_deref() == Some(name.as_str()));
        if is_open || !NAMES.contains(&name.as_str()) {
            return;
        }
        let Some(others) = self.others() else {
            let asked = self.command.as_ref().map(|command| &*command.line);
            assert!(
                asked.is_some_and(|line| line.starts_with("STATUS ")),
                "{name:?} unasked"
            );
            return;
        };
        let counts = others.counts.entry(name.as_str().to_owned()).or_default();
        for value in values {
            match value {
                StatusValue::Messages(messages) => counts.messages = Some(*messages),
                StatusValue::UidNext(uid) => counts.next = Some(uid.value()),
                StatusValue::Unseen(unseen) if others.flags => counts.unseen = Some(*unseen),
                _ => {}
            }
        }
    }

    pub(super) fn listed(&mut self, listing: &Listing) {
        if !NAMES.contains(&listing.mailbox.as_str()) {
            return;
        }
        let is_there = !listing.attributes.contains(&Attribute::NonExistent);
        if let Some(command) = &mut self.command {
            if command.line.starts_with("LIST ") {
                let name = listing.mailbox.as_str().to_owned();
                return command.listed.extend(is_there.then_some(name));
            }
            // RFC 9051 §6.3.2
            if command.line.starts_with("SELECT ") || command.line.starts_with("EXAMINE ") {
                return;
            }
        }
        let others = self.others();
        others
            .unwrap_or_else(|| panic!("{listing:?} unasked"))
            .hear(listing);
    }

    /// What the client does itself it is not told.
    pub(super) fn did(&mut self, command: &mut Command, is_done: bool) {
        if let Some(watch) = command.notify.take()
            && is_done
        {
            self.notify = Some(watch);
            return;
        }
        let Some(others) = self.others() else {
            return;
        };
        let line = command.line.strip_prefix("UID ").unwrap_or(&command.line);
        let words: Vec<&str> = line.split(['\r', ' ']).collect();
        match words[..] {
            ["LIST", ..] => others.names = Some(command.listed.drain(..).collect()),
            ["APPEND" | "SELECT" | "EXAMINE", name, ..] => others.forget(name),
            ["COPY" | "MOVE" | "REPLACE", _, name, ..] => others.forget(name),
            ["RENAME", one, other] => {
                others.forget(one);
                others.forget(other);
                if let Some(names) = others.names.as_mut().filter(|_| is_done) {
                    names.insert(other.to_owned());
                    if one != "INBOX" && one != other {
                        names.remove(one);
                    }
                }
            }
            [verb @ ("CREATE" | "DELETE"), name] => {
                others.forget(name);
                if let Some(names) = others.names.as_mut().filter(|_| is_done) {
                    match verb {
                        "CREATE" => names.insert(name.to_owned()),
                        _ => names.remove(name),
                    };
                }
            }
            _ => {}
        }
    }

    /// With nothing left to be told the client knows what it wanted to know.
    pub(super) fn check_told(&self, model: &mut Model) {
        let rests = self.idles || self.command.is_none();
        let Some(watch) = self.notify.as_ref().filter(|_| rests && !self.over) else {
            return;
        };
        if let Some(others) = &watch.others {
            self.check_others(model, others);
        }
        let (Some(selected), Some(open)) = (watch.selected, &self.open) else {
            return;
        };
        let counts = selected.delayed && !self.idles;
        let command = Command {
            counts,
            ..Command::default()
        };
        check(model, open, &command, model.step, selected.flags);
    }

    fn check_others(&self, model: &Model, others: &Others) {
        if let Some(names) = &others.names {
            let there = model
                .folders
                .values()
                .filter_map(|folder| folder.name.clone());
            assert_eq!(*names, there.collect(), "the mailboxes");
        }
        for (name, counts) in &others.counts {
            let Some(id) = model.find(name) else {
                panic!("{name} is not there");
            };
            if self.open.as_ref().is_some_and(|open| open.id == id) {
                continue;
            }
            let (messages, unseen) = model.folders[&id].counts(&Flag::Seen);
            let told = (
                counts.messages.unwrap_or(messages),
                counts.unseen.unwrap_or(unseen),
            );
            assert_eq!(told, (messages, unseen), "messages and unseen of {name}");
            let last = model.folders[&id].last;
            assert!(
                counts.next.is_none_or(|next| next > last),
                "UIDNEXT of {name}"
            );
        }
    }
}
