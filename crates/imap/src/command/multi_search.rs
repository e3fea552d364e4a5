//! ESEARCH: a search in several mailboxes (RFC 7377).

use bytes::{BufMut, BytesMut};

use super::search::{self, Search};
use crate::cursor::{Cursor, Read};
use crate::{MailboxName, Names, writing};

/// Which messages to find, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiSearch {
    /// Where; none for the mailbox that is open.
    pub sources: Vec<Source>,
    /// What to find and tell, by UID.
    pub search: Search,
}

/// Some mailboxes (RFC 7377 §2.2, RFC 5465 §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The one that is open.
    Selected,
    /// Those into which mail is delivered.
    Inboxes,
    /// All of the user's own.
    Personal,
    /// All that are subscribed.
    Subscribed,
    /// These with all that are below them.
    Subtree(Vec<MailboxName>),
    /// These with those that are one level below them.
    SubtreeOne(Vec<MailboxName>),
    /// These.
    Mailboxes(Vec<MailboxName>),
}

impl Source {
    fn write(&self, out: &mut BytesMut, names: Names) {
        let (word, mailboxes): (&[u8], _) = match self {
            Self::Selected => return out.put_slice(b"selected"),
            Self::Inboxes => return out.put_slice(b"inboxes"),
            Self::Personal => return out.put_slice(b"personal"),
            Self::Subscribed => return out.put_slice(b"subscribed"),
            Self::Subtree(mailboxes) => (b"subtree ", mailboxes),
            Self::SubtreeOne(mailboxes) => (b"subtree-one ", mailboxes),
            Self::Mailboxes(mailboxes) => (b"mailboxes ", mailboxes),
        };
        out.put_slice(word);
        write_mailboxes(out, mailboxes, names);
    }
}

impl MultiSearch {
    pub(super) fn write(&self, out: &mut BytesMut, names: Names) {
        if !self.sources.is_empty() {
            out.put_slice(b" IN ");
            writing::list(out, &self.sources, |out, source| source.write(out, names));
        }
        self.search.write(out, names == Names::Utf8);
    }
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<MultiSearch> {
    let mut sources = Vec::new();
    if cursor.eat_word(b"IN ") {
        cursor.open()?;
        sources.push(source(cursor)?);
        while cursor.eat(b' ') {
            sources.push(source(cursor)?);
        }
        cursor.close()?;
        cursor.space()?;
    }
    let search = search::parse(cursor, true)?;
    Ok(MultiSearch { sources, search })
}

fn source(cursor: &mut Cursor<'_>) -> Read<Source> {
    let at = cursor.position();
    let word = cursor.name();
    let source = match word.as_bytes() {
        b"SELECTED" => return Ok(Source::Selected),
        b"INBOXES" => return Ok(Source::Inboxes),
        b"PERSONAL" => return Ok(Source::Personal),
        b"SUBSCRIBED" => return Ok(Source::Subscribed),
        b"SUBTREE" => Source::Subtree,
        b"SUBTREE-ONE" => Source::SubtreeOne,
        b"MAILBOXES" => Source::Mailboxes,
        _ => return Cursor::error_at(at, "which mailboxes to search"),
    };
    cursor.space()?;
    Ok(source(mailboxes(cursor)?))
}

/// Writes one mailbox, or some in parentheses (RFC 5465 §8 `one-or-more-mailbox`).
pub(super) fn write_mailboxes(out: &mut BytesMut, mailboxes: &[MailboxName], names: Names) {
    match mailboxes {
        [one] => one.write(out, names),
        all => writing::list(out, all, |out, mailbox| mailbox.write(out, names)),
    }
}

/// Reads the same; never none.
pub(super) fn mailboxes(cursor: &mut Cursor<'_>) -> Read<Vec<MailboxName>> {
    if cursor.peek() != Some(b'(') {
        return Ok(vec![cursor.mailbox()?]);
    }
    let at = cursor.position();
    let mut mailboxes = Vec::new();
    cursor.list(|cursor| {
        mailboxes.push(cursor.mailbox()?);
        Ok(())
    })?;
    if mailboxes.is_empty() {
        return Cursor::error_at(at, "a mailbox");
    }
    Ok(mailboxes)
}
