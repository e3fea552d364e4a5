//! ESEARCH: a search in several mailboxes, told one by one (RFC 7377).

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use mail::{ModSeq, UidSet};

use super::search::{Numbering, criterion, esearch, highest, relevancy, saved};
use super::state::Wait;
use super::{Moment, Session};
use crate::ask::{Ask, Criterion, FoundIn, Highest, Listed, Place};
use crate::command::{MultiSearch, SearchKey, SearchReturn, Source};
use crate::diagram::Verb;
use crate::response::{Code, Esearch, Response, Status};
use crate::view::View;
use crate::{MailboxName, Policy, Tag};

/// What is told where nothing is asked for.
// RFC 7377 §2.1
const ALL: SearchReturn = SearchReturn {
    min: false,
    max: false,
    all: true,
    count: false,
    save: false,
    partial: None,
    relevancy: false,
    context: false,
    update: false,
};

/// Mailboxes that the house is asked about at once: as many are told together.
const MAILBOXES_AT_ONCE: usize = 16;

/// What messages must be in mailboxes that are not open: what its numbers and ids mean depends on
/// the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere(SearchKey);

impl Elsewhere {
    /// The same for this mailbox, which has these messages.
    #[must_use]
    pub fn at(&self, mailbox: Place, uids: &UidSet) -> Criterion {
        let numbering = Numbering {
            mailbox,
            view: &View::new(uids),
            // `$` is about the mailbox that is open.
            saved: &Arc::default(),
        };
        criterion(self.0.clone(), &numbering)
    }
}

/// An ESEARCH on its way.
#[derive(Debug)]
pub(super) struct Roaming {
    pub(super) tag: Tag,
    returning: SearchReturn,
    key: Arc<Elsewhere>,
    sources: Vec<Source>,
    /// The mailboxes that are still to be searched; none twice, nor the one that is open.
    names: VecDeque<String>,
    highest: Option<Highest>,
}

impl Session {
    pub(super) fn multi_search(&mut self, tag: Tag, multi: MultiSearch) {
        let MultiSearch { sources, search } = multi;
        let returning = search.returning.unwrap_or(ALL);
        let only_open = sources.iter().all(|source| *source == Source::Selected);
        // RFC 7377 §2.2
        let needs_open = wants_open(&sources) || returning.update;
        let bad = if needs_open && self.state.open().is_none() {
            Some("Select a mailbox first")
        } else if returning.save && !only_open {
            Some("Only what the selected mailbox has can be saved")
        } else {
            None
        };
        if let Some(text) = bad {
            let status = Status::bad(text).with(Code::ClientBug);
            return self.bad(Some(&tag), &status);
        }
        if self.refuses_search(&tag, Verb::Esearch, &search) {
            return;
        }
        if returning.update {
            let why = "Only what SEARCH and SORT find is kept up to date";
            self.no_update(tag.clone(), why);
        }
        let by_modseq = search.key.asks_modseq();
        if by_modseq {
            self.enable_condstore();
        }
        let roaming = Box::new(Roaming {
            tag,
            returning,
            key: Arc::new(Elsewhere(search.key)),
            sources,
            names: VecDeque::new(),
            highest: by_modseq.then(|| highest(Some(&returning))),
        });
        let known = |source: &Source| {
            let (open, inboxes) = (Source::Selected, Source::Inboxes);
            *source == open || *source == inboxes || matches!(source, Source::Mailboxes(_))
        };
        // What the open mailbox is called by now only the list tells.
        if self.state.open().is_none() && roaming.sources.iter().all(known) {
            self.take_sources(roaming, &[]);
        } else {
            self.wait(Ask::List { removed: false }, Wait::Sources(roaming));
        }
    }

    /// Begins, now that it is known which mailboxes there are.
    pub(super) fn take_sources(&mut self, mut roaming: Box<Roaming>, listed: &[Listed]) {
        let mut names = names(&roaming.sources, listed, &self.policy);
        // RFC 7377 §2.4
        if names.len() > self.policy.search_mailboxes_max {
            let status = Status::no("That is too many mailboxes at once").with(Code::Limit);
            return self.conclude(roaming.tag, Verb::Esearch, status, Moment::Free, false);
        }
        self.learn_name(listed);
        let open = self.state.open();
        let count = names.len();
        names.retain(|name| open.is_none_or(|open| open.name.as_str() != name));
        let is_named = names.len() < count;
        roaming.names = names.into();
        let Some(open) = open.filter(|_| is_named || wants_open(&roaming.sources)) else {
            return self.roam(roaming);
        };
        let ask = Ask::Search {
            mailbox: open.mailbox,
            criterion: criterion(roaming.key.0.clone(), &open.numbering()),
            highest: roaming.highest,
        };
        self.wait(ask, Wait::FoundHere(roaming));
    }

    /// Learns what the mailbox that is open is called by now.
    fn learn_name(&mut self, listed: &[Listed]) {
        let Some(open) = self.state.open_mut() else {
            return;
        };
        let place = Some(open.mailbox);
        if let Some(here) = listed.iter().find(|one| one.place == place) {
            open.name = MailboxName::new(here.name.as_str());
        }
    }

    /// Tells what was found in the mailbox that is open.
    pub(super) fn take_found_here(
        &mut self,
        roaming: Box<Roaming>,
        found: &UidSet,
        highest: Option<ModSeq>,
        scores: &[u8],
    ) {
        let Some(open) = self.state.open_mut() else {
            return self.fault();
        };
        let known = open.view.known(found);
        if roaming.returning.save {
            open.saved = Arc::new(saved(&known, roaming.returning));
        }
        let esearch = Esearch {
            mailbox: Some(open.name.clone()),
            uid_validity: Some(open.uid_validity),
            modseq: highest,
            relevancy: relevancy((found, scores), &known, roaming.returning),
            ..esearch(None, &known, roaming.returning)
        };
        if !known.is_empty() {
            self.tell_found(&roaming, esearch);
        }
        self.roam(roaming);
    }

    /// Goes on without the mailbox that is open, since it may no longer be read.
    pub(super) fn pass_over(&mut self, roaming: Box<Roaming>) {
        self.unsave(Some(roaming.returning));
        self.roam(roaming);
    }

    /// Tells what was found in some of the others.
    pub(super) fn take_found_elsewhere(&mut self, roaming: Box<Roaming>, found: Vec<FoundIn>) {
        // RFC 7377 §2.1
        for found in found.into_iter().filter(|found| !found.uids.is_empty()) {
            let uids = &found.uids;
            let esearch = Esearch {
                mailbox: Some(MailboxName::new(found.name.as_str())),
                uid_validity: Some(found.uid_validity),
                modseq: found.highest,
                relevancy: relevancy((uids, &found.scores), uids, roaming.returning),
                ..esearch(None, uids, roaming.returning)
            };
            self.tell_found(&roaming, esearch);
        }
        self.roam(roaming);
    }

    fn tell_found(&mut self, roaming: &Roaming, esearch: Esearch) {
        if roaming.returning.tells() {
            let tag = Some(roaming.tag.clone());
            self.write(&Response::Esearch(Esearch { tag, ..esearch }));
        }
    }

    /// Goes on to the next mailboxes.
    pub(super) fn roam(&mut self, mut roaming: Box<Roaming>) {
        let count = roaming.names.len().min(MAILBOXES_AT_ONCE);
        if count == 0 {
            let status = Status::ok("Done");
            return self.conclude(roaming.tag, Verb::Esearch, status, Moment::Free, false);
        }
        let ask = Ask::SearchElsewhere {
            names: roaming.names.drain(..count).collect(),
            key: Arc::clone(&roaming.key),
            highest: roaming.highest,
        };
        self.wait(ask, Wait::FoundElsewhere(roaming));
    }

    /// Ends it: the house cannot search.
    pub(super) fn not_found_anywhere(&mut self, roaming: Roaming, status: Status) {
        self.unsave(Some(roaming.returning));
        self.conclude(roaming.tag, Verb::Esearch, status, Moment::Free, false);
    }
}

/// True if the mailbox that is open is asked for as such.
fn wants_open(sources: &[Source]) -> bool {
    sources.is_empty() || sources.contains(&Source::Selected)
}

/// The names of the mailboxes that are meant, none twice. Those that are named need not exist.
fn names(sources: &[Source], listed: &[Listed], policy: &Policy) -> Vec<String> {
    let mut listed: Vec<&Listed> = listed.iter().filter(|one| one.selectable).collect();
    listed.sort_by_key(|one| (one.name != "INBOX", one.name.as_str()));
    let mut names = Names::default();
    for source in sources {
        match source {
            Source::Selected => {}
            // Mail comes into no other mailbox.
            Source::Inboxes => names.add("INBOX"),
            Source::Personal => listed
                .iter()
                .filter(|one| !policy.is_others(&one.name))
                .for_each(|one| names.add(&one.name)),
            Source::Subscribed => listed
                .iter()
                .filter(|one| one.subscribed)
                .for_each(|one| names.add(&one.name)),
            Source::Subtree(tops) => names.add_below(tops, &listed, usize::MAX),
            Source::SubtreeOne(tops) => names.add_below(tops, &listed, 1),
            Source::Mailboxes(mailboxes) => {
                mailboxes.iter().for_each(|one| names.add(one.as_str()))
            }
        }
    }
    names.all
}

/// Names in their order, none twice.
#[derive(Debug, Default)]
struct Names {
    all: Vec<String>,
    known: HashSet<String>,
}

impl Names {
    fn add(&mut self, name: &str) {
        if self.known.insert(name.to_owned()) {
            self.all.push(name.to_owned());
        }
    }

    /// Adds these, and those at most so many levels below them.
    fn add_below(&mut self, tops: &[MailboxName], listed: &[&Listed], levels_max: usize) {
        tops.iter().for_each(|top| self.add(top.as_str()));
        let tops: HashSet<&str> = tops.iter().map(MailboxName::as_str).collect();
        for name in listed.iter().map(|one| one.name.as_str()) {
            let above = name.rmatch_indices('/').take(levels_max);
            let mut above = above.filter_map(|(at, _)| name.get(..at));
            if above.any(|level| tops.contains(level)) {
                self.add(name);
            }
        }
    }
}
