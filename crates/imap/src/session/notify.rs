//! NOTIFY: what happens is told without being asked for (RFC 5465).
//!
//! Of the mailbox that is open the changes are asked for as always (`changes`); of all others the
//! news, at each notice. Nothing is queued: the house is asked for what happened behind the line
//! that was told last.
//!
//! Not here: what a client can want (`watch`), what is told of new messages (`newcomers`).

use std::collections::VecDeque;
use std::sync::Arc;

use mail::{MailboxNews, Naming, Rights};

use super::list::Catalogue;
use super::state::{After, Wait};
use super::watch::{Selected, Wants, Watch, check};
use super::{Moment, Session};
use crate::ask::{self, Answer, Ask, Listed, News, Why};
use crate::command::{EntryName, Event, FetchItem, Notify};
use crate::diagram::Verb;
use crate::response::{Attribute, Code, Condition, Metadata, Response, Status};
use crate::{MailboxName, Tag};

/// What is to be told of what happened.
#[derive(Debug, Default)]
pub(super) struct Telling {
    named: Vec<Named>,
    /// What comes behind the names: a mailbox is known before it is said how it stands.
    others: Vec<Response>,
}

impl Telling {
    fn notes(&mut self, name: &str, notes: &[String]) {
        let entries = notes.iter().filter_map(|note| EntryName::parse(note));
        let entries: Vec<_> = entries.collect();
        if !entries.is_empty() {
            let changed = Metadata::Changed(entries);
            let name = MailboxName::new(name);
            self.others.push(Response::Metadata(name, changed));
        }
    }
}

/// A name to be told of, once it is known how it stands.
#[derive(Debug)]
struct Named {
    name: String,
    old_name: Option<String>,
    /// Why it is told of.
    why: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Something happened to it.
    Itself,
    /// Something was made or deleted below it: told if that is wanted of it.
    Below,
    /// It may no longer be seen.
    Hidden,
}

impl Session {
    pub(super) fn notify(&mut self, tag: Tag, notify: Notify) {
        let Notify::Set { status, groups } = notify else {
            self.notify = Some(Watch::nothing());
            return self.reply(&tag, Verb::Notify, &Status::ok("Nothing is told any more"));
        };
        if let Err(status) = check(&groups) {
            return match status.condition {
                Condition::Bad => self.bad(Some(&tag), &status),
                _ => self.reply(&tag, Verb::Notify, &status),
            };
        }
        let watch = Box::new(Watch::of(groups));
        if !watch.listens() {
            return self.watch(tag, watch);
        }
        let ask = Ask::News {
            watched: Arc::clone(&watch.watched),
            since: Vec::new(),
        };
        self.wait(ask, Wait::Watching { tag, status, watch });
    }

    /// From here on news is told behind these marks; first how everything stands.
    pub(super) fn watching(&mut self, tag: Tag, status: bool, mut watch: Box<Watch>, news: News) {
        watch.marks = news.marks;
        self.wait(
            Ask::List { removed: false },
            Wait::WatchList { tag, status, watch },
        );
    }

    pub(super) fn take_watched(
        &mut self,
        tag: Tag,
        status: bool,
        watch: Box<Watch>,
        mailboxes: &[Listed],
    ) {
        let catalogue = Catalogue::new(mailboxes);
        let mut names = VecDeque::new();
        let open = self.state.open().map(|open| open.mailbox);
        for mailbox in mailboxes.iter().filter(|mailbox| mailbox.exists) {
            let wants = watch.wants(&mailbox.name, mailbox.subscribed, &self.policy);
            if !wants.listens() || !mailbox.selectable {
                continue;
            }
            let name = MailboxName::new(mailbox.name.as_str());
            if !mailbox.rights.contains(Rights::READ) {
                // RFC 5465 §3.1
                let mut listing = catalogue.describe(&mailbox.name);
                listing.attributes.push(Attribute::NoAccess);
                self.write(&Response::List(listing));
            } else if status && (open.is_none() || mailbox.place != open) {
                names.push_back((name, wants));
            }
        }
        self.ask_first(tag, watch, names);
    }

    /// Asks how the next of these mailboxes stands.
    fn ask_first(&mut self, tag: Tag, watch: Box<Watch>, names: VecDeque<(MailboxName, Wants)>) {
        let Some((name, _)) = names.front() else {
            return self.watch(tag, watch);
        };
        let ask = Ask::Status {
            name: name.as_str().to_owned(),
        };
        self.wait(ask, Wait::WatchStatus { tag, watch, names });
    }

    pub(super) fn take_first(
        &mut self,
        tag: Tag,
        watch: Box<Watch>,
        mut names: VecDeque<(MailboxName, Wants)>,
        answer: Answer,
    ) {
        // A mailbox that went in the meantime just has no status.
        if let (Some((name, wants)), Answer::Status(status)) = (names.pop_front(), answer) {
            let values = wants.first(&status, self.condstore);
            if !values.is_empty() {
                self.write(&Response::Status(name, values));
            }
        }
        self.ask_first(tag, watch, names);
    }

    /// Ends a NOTIFY: tells first what happened until now in the mailbox that is open.
    // RFC 5465 §3.1
    fn watch(&mut self, tag: Tag, watch: Box<Watch>) {
        let items = watch.selected.as_ref().map(|selected| &*selected.items);
        if items.is_some_and(|items| items.contains(&FetchItem::ModSeq)) {
            self.enable_condstore();
        }
        self.stirred = false;
        self.notify = Some(watch);
        let status = Status::ok("You will be told");
        self.conclude(tag, Verb::Notify, status, Moment::Free, true);
    }

    /// What was asked for counts from here on.
    pub(super) fn begin_watch(&mut self) {
        if let Some(watch) = &mut self.notify {
            watch.begun = true;
        }
    }

    /// Asks for what is to be told though no command is in progress; false if that is nothing.
    pub(super) fn push(&mut self) -> bool {
        if self.push_news() {
            return true;
        }
        let at_once = match self.selected_watch() {
            Some(selected) => !selected.delayed,
            None => return false,
        };
        let Some(open) = self.state.open() else {
            return false;
        };
        if self.noticed {
            self.ask_changes(After::Push);
            return true;
        }
        let owes = at_once && open.view.owes_expunge();
        if owes {
            // What a command that counts messages had to keep back.
            self.tell(Moment::Free);
            self.noticed |= self.has_stale();
        }
        owes
    }

    /// Asks what happened elsewhere, if that is to be told.
    pub(super) fn push_news(&mut self) -> bool {
        if !std::mem::take(&mut self.stirred) {
            return false;
        }
        let Some(watch) = self.notify.as_ref().filter(|watch| watch.listens()) else {
            return false;
        };
        let ask = Ask::News {
            watched: Arc::clone(&watch.watched),
            since: watch.marks.clone(),
        };
        self.wait(ask, Wait::News);
        true
    }

    pub(super) fn take_news(&mut self, news: News) {
        let Some(mut watch) = self.notify.take() else {
            return self.fault();
        };
        watch.marks = news.marks;
        let mut telling = Telling::default();
        for happened in news.mailboxes {
            self.take_happened(&watch, happened, &mut telling);
        }
        if watch.has(&Event::ServerMetadataChange) {
            telling.notes("", &news.notes);
        }
        self.notify = Some(watch);
        if telling.named.is_empty() {
            self.tell_all(&telling.others);
        } else {
            self.wait(Ask::List { removed: false }, Wait::NewsList(telling));
        }
    }

    fn tell_all(&mut self, responses: &[Response]) {
        for response in responses {
            self.write(response);
        }
    }

    /// Takes up what is to be told of what happened to one mailbox.
    fn take_happened(
        &self,
        watch: &Watch,
        happened: MailboxNews<ask::Status>,
        telling: &mut Telling,
    ) {
        let name = happened.name.as_str();
        let old_name = match &happened.naming {
            Some(Naming::Renamed { from }) => Some(from.as_str()),
            _ => None,
        };
        let wants = watch.wants(name, happened.subscribed, &self.policy);
        let open = self.state.open().map(|open| open.mailbox);
        // RFC 5465 §3.1: what happens in the open mailbox is told by its own rules.
        if let Some(status) = happened
            .status
            .filter(|status| Some(status.mailbox) != open)
        {
            let values = wants.later(happened.moved, &status, self.condstore);
            if !values.is_empty() {
                let status = Response::Status(MailboxName::new(name), values);
                telling.others.push(status);
            }
        }
        if wants.notes {
            telling.notes(name, &happened.notes);
        }
        let listens = wants.listens();
        let (told, why) = match &happened.naming {
            // RFC 5465 §5.9
            Some(Naming::Hidden) => (wants.names || listens, Cause::Hidden),
            Some(Naming::Made) => {
                let came_back = listens && self.policy.is_others(name);
                (wants.names || came_back, Cause::Itself)
            }
            Some(Naming::Renamed { from }) => {
                let wanted = watch.wants(from, happened.subscribed, &self.policy);
                (wants.names || wanted.names, Cause::Itself)
            }
            Some(Naming::Gone) => (wants.names, Cause::Itself),
            None => (false, Cause::Itself),
        };
        let told = told || wants.subscriptions && happened.subscription;
        let named = &mut telling.named;
        if told {
            named.push(Named {
                name: name.to_owned(),
                old_name: old_name.map(str::to_owned),
                why,
            });
        }
        // RFC 5465 §5.4
        let renamed = matches!(happened.naming, None | Some(Naming::Renamed { .. }));
        if let Some((parent, _)) = name.rsplit_once('/')
            && !renamed
            && watch.has(&Event::MailboxName)
        {
            named.push(Named {
                name: parent.to_owned(),
                old_name: None,
                why: Cause::Below,
            });
        }
    }

    /// Tells of names how they stand now, and then what else there is to tell.
    // RFC 5465 §5.4, §5.5, §5.9
    pub(super) fn take_named(&mut self, telling: Telling, mailboxes: &[Listed]) {
        let Some(watch) = self.notify.take() else {
            return self.fault();
        };
        let catalogue = Catalogue::new(mailboxes);
        let mut told: Vec<String> = Vec::new();
        for named in telling.named {
            let subscribed = catalogue.is_subscribed(&named.name);
            let wants = watch.wants(&named.name, subscribed, &self.policy);
            let unwanted = named.why == Cause::Below && !wants.names;
            if unwanted || named.old_name.is_none() && told.contains(&named.name) {
                continue;
            }
            let mut listing = catalogue.describe(&named.name);
            if named.why == Cause::Hidden {
                let gone = |attribute: &Attribute| *attribute == Attribute::NonExistent;
                listing.attributes.retain(|one| wants.names || !gone(one));
                listing.attributes.push(Attribute::NoAccess);
            }
            listing.old_name = named.old_name.map(MailboxName::new);
            self.write(&Response::List(listing));
            told.push(named.name);
        }
        self.notify = Some(watch);
        self.tell_all(&telling.others);
    }

    /// A NOTIFY that is refused; with a code of its own where there would be too much to watch.
    pub(super) fn watch_refused(&mut self, tag: Tag, why: Why, status: Status) {
        let status = match why {
            // RFC 5465 §3.1
            Why::Limit => status.with(Code::NotificationOverflow),
            _ => status,
        };
        self.conclude(tag, Verb::Notify, status, Moment::Free, false);
    }

    /// More happens than can be told: nothing is told any more.
    // RFC 5465 §5.8
    pub(super) fn overflow(&mut self) {
        let status = Status::ok("More happens than can be told: nothing is told any more");
        self.untagged(&status.with(Code::NotificationOverflow));
        self.notify = Some(Watch::nothing());
    }
}

/// The mailbox that is open.
impl Session {
    /// What is to be told of it by NOTIFY, if anything.
    fn selected_watch(&self) -> Option<&Selected> {
        self.notify.as_ref()?.selected.as_ref()
    }

    /// True if what happens in it is told at all.
    pub(super) fn hears_open(&self) -> bool {
        let watch = self.notify.as_ref();
        watch.is_none_or(|watch| !watch.begun || watch.selected.is_some())
    }

    /// True if flags that others changed in it are told.
    pub(super) fn hears_flags(&self) -> bool {
        let flags = |watch: &Watch| watch.selected.as_ref().is_some_and(|open| open.flags);
        let watch = self.notify.as_ref();
        watch.is_none_or(|watch| !watch.begun || flags(watch))
    }

    /// What happens in it is told at the end of this command: unless it is not to be told at all,
    /// or the command itself took messages away.
    pub(super) fn hears_at(&self, verb: Verb) -> bool {
        let takes_away = matches!(verb, Verb::Expunge | Verb::Move | Verb::Replace);
        takes_away || self.hears_open()
    }

    /// How far numbers may move while no command is in progress.
    pub(super) fn push_moment(&self) -> Moment {
        match self.selected_watch() {
            Some(selected) if selected.delayed => Moment::Counting,
            Some(_) => Moment::Free,
            None => Moment::Quiet,
        }
    }
}
