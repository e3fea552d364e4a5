//! NOTIFY (RFC 5465 §3, §6, §8).

use bytes::{BufMut, BytesMut};

use super::fetch::{FetchItem, item_list};
use super::multi_search::{mailboxes, write_mailboxes};
use crate::cursor::{Cursor, Read};
use crate::{MailboxName, Names, writing};

/// Mailboxes that one NOTIFY may name.
const NOTIFY_MAILBOXES_MAX: usize = 1000;
/// Groups of events that one NOTIFY may have.
const NOTIFY_GROUPS_MAX: usize = 100;
/// Events that one group may have.
const NOTIFY_EVENTS_MAX: usize = 50;

/// What a client wants to be told without asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notify {
    /// Nothing.
    None,
    /// These events, and no others.
    Set {
        /// True if it wants to know how the mailboxes stand now.
        status: bool,
        /// Which events of which mailboxes; never none.
        groups: Vec<EventGroup>,
    },
}

/// Events of some mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventGroup {
    /// Of which.
    pub filter: MailboxFilter,
    /// Which; none for `NONE`.
    pub events: Vec<Event>,
}

/// Some mailboxes (§6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailboxFilter {
    /// The one that is open, whichever that is, at once.
    Selected,
    /// The same, but no message goes before a command at which it may.
    SelectedDelayed,
    /// Those into which letters come.
    Inboxes,
    /// All of the user's own.
    Personal,
    /// Those that the user is subscribed to.
    Subscribed,
    /// These and all below them; never none.
    Subtree(Vec<MailboxName>),
    /// These; never none.
    Mailboxes(Vec<MailboxName>),
}

/// Something that may happen (§5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Messages came; of those in the mailbox that is open this is to be told.
    MessageNew(Vec<FetchItem>),
    /// Messages went.
    MessageExpunge,
    /// Messages have other flags.
    FlagChange,
    /// Messages have other annotations.
    AnnotationChange,
    /// A mailbox was made, deleted or renamed.
    MailboxName,
    /// A subscription began or ended.
    SubscriptionChange,
    /// A note on a mailbox changed.
    MailboxMetadataChange,
    /// A note on the server changed.
    ServerMetadataChange,
    /// An event we do not know.
    Other(String),
}

impl Event {
    /// Those whose name says all.
    const WORDS: [(Self, &'static str); 7] = [
        (Self::MessageExpunge, "MessageExpunge"),
        (Self::FlagChange, "FlagChange"),
        (Self::AnnotationChange, "AnnotationChange"),
        (Self::MailboxName, "MailboxName"),
        (Self::SubscriptionChange, "SubscriptionChange"),
        (Self::MailboxMetadataChange, "MailboxMetadataChange"),
        (Self::ServerMetadataChange, "ServerMetadataChange"),
    ];

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::MessageNew(_) => "MessageNew",
            Self::Other(name) => name,
            word => Self::WORDS
                .iter()
                .find(|(event, _)| event == word)
                .map_or("", |(_, name)| name),
        }
    }

    /// True for what happens to messages.
    #[must_use]
    pub const fn is_of_messages(&self) -> bool {
        matches!(
            self,
            Self::MessageNew(_) | Self::MessageExpunge | Self::FlagChange | Self::AnnotationChange
        )
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_slice(self.name().as_bytes());
        if let Self::MessageNew(items) = self
            && !items.is_empty()
        {
            out.put_u8(b' ');
            writing::list(out, items, |out, item| item.write(out));
        }
    }

    fn parse(cursor: &mut Cursor<'_>) -> Read<Self> {
        let name = cursor.atom("an event")?;
        if name.eq_ignore_ascii_case("MessageNew") {
            // In a list of events nothing else that stands behind it is in parentheses.
            let mut ahead = cursor.clone();
            if !ahead.eat(b' ') || ahead.peek() != Some(b'(') {
                return Ok(Self::MessageNew(Vec::new()));
            }
            *cursor = ahead;
            return item_list(cursor).map(Self::MessageNew);
        }
        let mut words = Self::WORDS.iter();
        let known = words.find(|(_, known)| known.eq_ignore_ascii_case(name));
        Ok(match known {
            Some((event, _)) => event.clone(),
            None => Self::Other(name.to_owned()),
        })
    }
}

impl MailboxFilter {
    const WORDS: [(Self, &'static str); 5] = [
        (Self::Selected, "SELECTED"),
        (Self::SelectedDelayed, "SELECTED-DELAYED"),
        (Self::Inboxes, "INBOXES"),
        (Self::Personal, "PERSONAL"),
        (Self::Subscribed, "SUBSCRIBED"),
    ];

    /// True for the mailbox that is open.
    #[must_use]
    pub const fn is_selected(&self) -> bool {
        matches!(self, Self::Selected | Self::SelectedDelayed)
    }

    fn write(&self, out: &mut BytesMut, names: Names) {
        let (word, mailboxes) = match self {
            Self::Subtree(mailboxes) => ("SUBTREE ", mailboxes),
            Self::Mailboxes(mailboxes) => ("MAILBOXES ", mailboxes),
            word => {
                let known = Self::WORDS.iter().find(|(filter, _)| filter == word);
                return out.put_slice(known.map_or("", |(_, name)| name).as_bytes());
            }
        };
        out.put_slice(word.as_bytes());
        write_mailboxes(out, mailboxes, names);
    }

    fn parse(cursor: &mut Cursor<'_>) -> Read<Self> {
        let at = cursor.position();
        let name = cursor.name();
        let mut words = Self::WORDS.iter();
        let known = words.find(|(_, known)| known.as_bytes() == name.as_bytes());
        if let Some((filter, _)) = known {
            return Ok(filter.clone());
        }
        let filter = match name.as_bytes() {
            b"SUBTREE" => Self::Subtree,
            b"MAILBOXES" => Self::Mailboxes,
            _ => return Cursor::error_at(at, "a filter of mailboxes"),
        };
        cursor.space()?;
        let mailboxes = mailboxes(cursor)?;
        if mailboxes.len() > NOTIFY_MAILBOXES_MAX {
            return cursor.error("at most 1000 mailboxes");
        }
        Ok(filter(mailboxes))
    }
}

impl EventGroup {
    fn write(&self, out: &mut BytesMut, names: Names) {
        out.put_u8(b'(');
        self.filter.write(out, names);
        if self.events.is_empty() {
            out.put_slice(b" NONE");
        } else {
            out.put_u8(b' ');
            writing::list(out, &self.events, |out, event| event.write(out));
        }
        out.put_u8(b')');
    }

    fn parse(cursor: &mut Cursor<'_>) -> Read<Self> {
        cursor.open()?;
        let filter = MailboxFilter::parse(cursor)?;
        cursor.space()?;
        let mut events = Vec::new();
        if !cursor.eat_word(b"NONE") {
            cursor.list(|cursor| {
                if events.len() == NOTIFY_EVENTS_MAX {
                    return cursor.error("at most 50 events");
                }
                events.push(Event::parse(cursor)?);
                Ok(())
            })?;
            if events.is_empty() {
                return cursor.error("an event");
            }
        }
        cursor.close()?;
        Ok(Self { filter, events })
    }
}

impl Notify {
    pub(super) fn write(&self, out: &mut BytesMut, names: Names) {
        let Self::Set { status, groups } = self else {
            return out.put_slice(b" NONE");
        };
        out.put_slice(b" SET");
        if *status {
            out.put_slice(b" STATUS");
        }
        for group in groups {
            out.put_u8(b' ');
            group.write(out, names);
        }
    }
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<Notify> {
    let at = cursor.position();
    match cursor.name().as_bytes() {
        b"NONE" => return Ok(Notify::None),
        b"SET" => {}
        _ => return Cursor::error_at(at, "SET or NONE"),
    }
    let status = cursor.eat_word(b" STATUS");
    let mut groups = Vec::new();
    while cursor.eat(b' ') {
        if groups.len() == NOTIFY_GROUPS_MAX {
            return cursor.error("at most 100 groups of events");
        }
        groups.push(EventGroup::parse(cursor)?);
    }
    if groups.is_empty() {
        return cursor.error("a group of events");
    }
    Ok(Notify::Set { status, groups })
}
