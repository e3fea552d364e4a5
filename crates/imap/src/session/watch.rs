//! What a client wants to be told by NOTIFY: which events of which mailboxes (RFC 5465 §3.1, §5,
//! §6).

use std::sync::Arc;

use mail::Moved;

use crate::Policy;
use crate::ask::{self, Mark, Watched};
use crate::command::{Event, EventGroup, FetchItem, MailboxFilter};
use crate::response::{Code, Status, StatusValue};

/// The events that can be told.
const EVENTS: [Event; 7] = [
    Event::MessageNew(Vec::new()),
    Event::MessageExpunge,
    Event::FlagChange,
    Event::MailboxName,
    Event::SubscriptionChange,
    Event::MailboxMetadataChange,
    Event::ServerMetadataChange,
];

/// What a client wants to be told; by default nothing.
#[derive(Debug, Default)]
pub(super) struct Watch {
    groups: Vec<EventGroup>,
    /// Which of the groups' mailboxes may be others'.
    pub(super) watched: Arc<Watched>,
    /// Up to where everything was told.
    pub(super) marks: Vec<Mark>,
    /// What of the mailbox that is open, if anything.
    pub(super) selected: Option<Selected>,
    /// False until what happened before it was asked for is told.
    pub(super) begun: bool,
}

/// What is to be told of the mailbox that is open.
#[derive(Debug)]
pub(super) struct Selected {
    /// True if no message goes but at a command at which it may.
    pub(super) delayed: bool,
    /// True if flags that changed are told.
    pub(super) flags: bool,
    /// What is told of new messages, if anything.
    pub(super) items: Vec<FetchItem>,
}

/// What is to be told of some mailbox that is not open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants {
    pub(super) messages: bool,
    pub(super) flags: bool,
    pub(super) names: bool,
    pub(super) subscriptions: bool,
    pub(super) notes: bool,
}

impl Wants {
    /// True if what happens to messages is to be told.
    pub(super) const fn listens(self) -> bool {
        self.messages || self.flags
    }
}

impl Watch {
    /// Nothing is to be told.
    pub(super) fn nothing() -> Box<Self> {
        Box::new(Self {
            begun: true,
            ..Self::default()
        })
    }

    /// What these groups of events, checked before, ask for.
    pub(super) fn of(groups: Vec<EventGroup>) -> Self {
        let mut watched = Watched::default();
        for group in groups.iter().filter(|group| !group.events.is_empty()) {
            let (these, mailboxes) = match &group.filter {
                MailboxFilter::Subscribed => {
                    watched.subscribed = true;
                    continue;
                }
                MailboxFilter::Subtree(mailboxes) => (&mut watched.trees, mailboxes),
                MailboxFilter::Mailboxes(mailboxes) => (&mut watched.names, mailboxes),
                _ => continue,
            };
            these.extend(mailboxes.iter().map(|name| name.as_str().to_owned()));
        }
        let selected = groups.iter().find(|group| group.filter.is_selected());
        let selected = selected.and_then(selected_of);
        Self {
            groups,
            watched: Arc::new(watched),
            selected,
            ..Self::default()
        }
    }

    /// True if anything is to be told beside what happens in the mailbox that is open.
    pub(super) fn listens(&self) -> bool {
        self.groups
            .iter()
            .any(|group| !group.filter.is_selected() && !group.events.is_empty())
    }

    /// True if an event is to be told of any mailbox.
    pub(super) fn has(&self, event: &Event) -> bool {
        let mut groups = self.groups.iter();
        groups.any(|group| group.events.contains(event))
    }

    /// What is to be told of the mailbox of this name.
    pub(super) fn wants(&self, name: &str, subscribed: bool, policy: &Policy) -> Wants {
        let mut wants = Wants::default();
        let matches = |group: &&EventGroup| matches(&group.filter, name, subscribed, policy);
        for event in self
            .groups
            .iter()
            .filter(matches)
            .flat_map(|group| &group.events)
        {
            match event {
                // RFC 5465 §5
                Event::MessageNew(_) | Event::MessageExpunge => wants.messages = true,
                Event::FlagChange => wants.flags = true,
                Event::MailboxName => wants.names = true,
                Event::SubscriptionChange => wants.subscriptions = true,
                Event::MailboxMetadataChange => wants.notes = true,
                Event::AnnotationChange | Event::ServerMetadataChange | Event::Other(_) => {}
            }
        }
        wants
    }
}

fn selected_of(group: &EventGroup) -> Option<Selected> {
    let items = group.events.iter().find_map(|event| match event {
        Event::MessageNew(items) => Some(items),
        _ => None,
    })?;
    Some(Selected {
        delayed: group.filter == MailboxFilter::SelectedDelayed,
        flags: group.events.contains(&Event::FlagChange),
        items: items.clone(),
    })
}

/// True if a filter is for the mailbox of this name.
// RFC 5465 §6
fn matches(filter: &MailboxFilter, name: &str, subscribed: bool, policy: &Policy) -> bool {
    let is = |mailbox: &crate::MailboxName| mailbox.as_str() == name;
    match filter {
        MailboxFilter::Selected | MailboxFilter::SelectedDelayed => false,
        MailboxFilter::Inboxes => policy.inboxes.iter().any(|inbox| inbox == name),
        MailboxFilter::Personal => !policy.is_others(name),
        MailboxFilter::Subscribed => subscribed,
        MailboxFilter::Subtree(mailboxes) => mailboxes.iter().any(|mailbox| {
            let rest = name.strip_prefix(mailbox.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }),
        MailboxFilter::Mailboxes(mailboxes) => mailboxes.iter().any(is),
    }
}

/// Refuses groups of events that cannot be, or that cannot be told.
// RFC 5465 §5, §6.1, §8
pub(super) fn check(groups: &[EventGroup]) -> Result<(), Status> {
    let mut events = groups.iter().flat_map(|group| &group.events);
    if events.any(|event| matches!(event, Event::AnnotationChange | Event::Other(_))) {
        let names = EVENTS.iter().map(|event| event.name().to_owned()).collect();
        return Err(Status::no("Not all of that can be told").with(Code::BadEvent(names)));
    }
    let selected = groups.iter().filter(|group| group.filter.is_selected());
    if selected.count() > 1 {
        return Err(Status::bad("SELECTED or SELECTED-DELAYED, once"));
    }
    let checked = groups.iter().try_for_each(check_group);
    checked.map_err(Status::bad)
}

fn check_group(group: &EventGroup) -> Result<(), &'static str> {
    let events = &group.events;
    let news = |event: &Event| matches!(event, Event::MessageNew(_));
    let detailed = |event: &Event| matches!(event, Event::MessageNew(items) if !items.is_empty());
    let (new, gone) = (
        events.iter().any(news),
        events.contains(&Event::MessageExpunge),
    );
    if new != gone {
        return Err("MessageNew and MessageExpunge go together");
    }
    if events.contains(&Event::FlagChange) && !new {
        return Err("FlagChange needs MessageNew and MessageExpunge");
    }
    if group.filter.is_selected() && !events.iter().all(Event::is_of_messages) {
        return Err("Only what happens to messages can be told of the open mailbox alone");
    }
    if !group.filter.is_selected() && events.iter().any(detailed) {
        return Err("New messages can be told of in the open mailbox only");
    }
    Ok(())
}

impl Wants {
    /// How a mailbox stands at the beginning.
    // RFC 5465 §3.1
    pub(super) fn first(self, status: &ask::Status, condstore: bool) -> Vec<StatusValue> {
        values(status, self.messages, self.flags, self.flags || condstore)
    }

    /// How it stands now that something happened; nothing if that is not wanted.
    // RFC 5465 §5.1, §5.2, §5.3
    pub(super) fn later(
        self,
        moved: Moved,
        status: &ask::Status,
        condstore: bool,
    ) -> Vec<StatusValue> {
        let messages = self.messages && (moved.arrived || moved.removed);
        let flags = self.flags && (moved.flagged || messages);
        values(status, messages, flags, condstore)
    }
}

fn values(status: &ask::Status, messages: bool, flags: bool, highest: bool) -> Vec<StatusValue> {
    let mut values = Vec::new();
    if messages {
        values.push(StatusValue::Messages(status.messages));
        values.push(StatusValue::UidNext(status.uid_next));
    }
    if messages || flags {
        values.push(StatusValue::UidValidity(status.uid_validity));
    }
    if flags {
        values.push(StatusValue::Unseen(status.unseen));
    }
    if highest && !values.is_empty() {
        values.push(StatusValue::HighestModSeq(status.modseq));
    }
    values
}
