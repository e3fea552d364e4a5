//! LIST with its extensions, and what STATUS tells (RFC 9051 §6.3.9 and §6.3.11, RFC 5258, 5819,
//! 6154, 7162 §3.1.7, 7889 §3, 8438, 8440, 8474 §4.3, 9208 §4.1.4, 9590).

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::metadata::{EntryName, entries, write_entries};
use crate::cursor::{Cursor, Read};
use crate::{Names, writing};

/// Patterns one LIST may have.
const LIST_PATTERNS_MAX: usize = 100;

/// Which mailboxes to list and what to tell of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Which mailboxes to look at.
    pub select: ListSelect,
    /// The reference, in Unicode.
    pub reference: String,
    /// Patterns with `*` and `%`, in Unicode; any may match; never none.
    pub patterns: Vec<String>,
    /// What else to tell.
    pub returning: ListReturn,
    /// True if any of the syntax of RFC 5258 was used: then `""` as pattern is nothing special.
    pub extended: bool,
}

/// Selection options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListSelect {
    /// Only subscribed names, existing or not.
    pub subscribed: bool,
    /// Remote mailboxes as well.
    pub remote: bool,
    /// Also mailboxes with a matching descendant.
    pub recursive_match: bool,
    /// Only mailboxes with a role (RFC 6154).
    pub special_use: bool,
}

/// Return options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListReturn {
    /// `\Subscribed`.
    pub subscribed: bool,
    /// `\HasChildren`, `\HasNoChildren`.
    pub children: bool,
    /// The roles (RFC 6154).
    pub special_use: bool,
    /// A MYRIGHTS response for each (RFC 8440).
    pub my_rights: bool,
    /// A STATUS response for each; empty for none (RFC 5819).
    pub status: Vec<StatusItem>,
    /// The notes a METADATA response for each tells; empty for none (RFC 9590).
    pub metadata: Vec<EntryName>,
}

/// Something STATUS tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusItem {
    /// How many messages.
    Messages,
    /// How many are new to all sessions (RFC 3501).
    Recent,
    /// The next UID.
    UidNext,
    /// The mailbox's generation.
    UidValidity,
    /// How many are not `\Seen`.
    Unseen,
    /// How many are `\Deleted`.
    Deleted,
    /// The octets that EXPUNGE would free (RFC 9208).
    DeletedStorage,
    /// The sum of their sizes.
    Size,
    /// The largest mod-sequence (RFC 7162).
    HighestModSeq,
    /// The mailbox's identity (RFC 8474).
    MailboxId,
    /// How large a message that is put in may be (RFC 7889).
    AppendLimit,
}

impl StatusItem {
    const WORDS: [(Self, &'static str); 11] = [
        (Self::Messages, "MESSAGES"),
        (Self::Recent, "RECENT"),
        (Self::UidNext, "UIDNEXT"),
        (Self::UidValidity, "UIDVALIDITY"),
        (Self::Unseen, "UNSEEN"),
        (Self::Deleted, "DELETED"),
        (Self::DeletedStorage, "DELETED-STORAGE"),
        (Self::Size, "SIZE"),
        (Self::HighestModSeq, "HIGHESTMODSEQ"),
        (Self::MailboxId, "MAILBOXID"),
        (Self::AppendLimit, "APPENDLIMIT"),
    ];

    /// As the wire writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(item, _)| *item == self)
            .map_or("MESSAGES", |(_, name)| name)
    }
}

impl List {
    pub(super) fn write(&self, out: &mut BytesMut, names: Names) {
        let select = [
            (self.select.subscribed, "SUBSCRIBED"),
            (self.select.remote, "REMOTE"),
            (self.select.recursive_match, "RECURSIVEMATCH"),
            (self.select.special_use, "SPECIAL-USE"),
        ];
        let select = select.iter().filter(|(on, _)| *on);
        if select.clone().next().is_some() {
            out.put_u8(b' ');
            writing::list(out, select, |out, (_, name)| out.put_slice(name.as_bytes()));
        }
        out.put_u8(b' ');
        write_name(out, &self.reference, names);
        out.put_u8(b' ');
        match self.patterns.as_slice() {
            [pattern] if !self.extended || self.returns_something() => {
                write_name(out, pattern, names);
            }
            patterns => writing::list(out, patterns, |out, pattern| {
                write_name(out, pattern, names);
            }),
        }
        if !self.returns_something() {
            return;
        }
        let returning = &self.returning;
        let options = [
            (returning.subscribed, "SUBSCRIBED"),
            (returning.children, "CHILDREN"),
            (returning.special_use, "SPECIAL-USE"),
            (returning.my_rights, "MYRIGHTS"),
            (!returning.status.is_empty(), "STATUS"),
            (!returning.metadata.is_empty(), "METADATA"),
        ];
        out.put_slice(b" RETURN ");
        let options = options.iter().filter(|(on, _)| *on);
        writing::list(out, options, |out, (_, name)| {
            out.put_slice(name.as_bytes());
            match *name {
                "STATUS" => {
                    out.put_u8(b' ');
                    write_status_items(out, &returning.status);
                }
                "METADATA" => {
                    out.put_u8(b' ');
                    write_entries(out, &returning.metadata);
                }
                _ => {}
            }
        });
    }

    fn returns_something(&self) -> bool {
        self.returning != ListReturn::default()
    }
}

/// Writes `(MESSAGES UNSEEN)`.
pub(super) fn write_status_items(out: &mut BytesMut, items: &[StatusItem]) {
    writing::list(out, items, |out, item| {
        out.put_slice(item.name().as_bytes());
    });
}

/// Writes a reference or a pattern.
pub(super) fn write_name(out: &mut BytesMut, name: &str, names: Names) {
    let wire = names.encode(name);
    writing::astring(out, wire.as_bytes(), names == Names::Utf8);
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<List> {
    let mut list = List::default();
    if cursor.peek() == Some(b'(') {
        list.extended = true;
        list.select = select_options(cursor)?;
        cursor.space()?;
    }
    list.reference = reference(cursor)?;
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        list.extended = true;
        cursor.list(|cursor| {
            if list.patterns.len() == LIST_PATTERNS_MAX {
                return cursor.error("at most 100 patterns");
            }
            list.patterns.push(pattern(cursor)?);
            Ok(())
        })?;
        if list.patterns.is_empty() {
            return cursor.error("a pattern");
        }
    } else {
        list.patterns.push(pattern(cursor)?);
    }
    if cursor.eat(b' ') {
        if !cursor.eat_word(b"RETURN ") {
            return cursor.error("RETURN");
        }
        list.extended = true;
        list.returning = return_options(cursor)?;
    }
    Ok(list)
}

fn select_options(cursor: &mut Cursor<'_>) -> Read<ListSelect> {
    let mut select = ListSelect::default();
    cursor.list(|cursor| {
        let at = cursor.position();
        match cursor.name().as_bytes() {
            b"SUBSCRIBED" => select.subscribed = true,
            b"REMOTE" => select.remote = true,
            b"RECURSIVEMATCH" => select.recursive_match = true,
            b"SPECIAL-USE" => select.special_use = true,
            _ => return Cursor::error_at(at, "a selection option"),
        }
        Ok(())
    })?;
    // RFC 9051 §6.3.9.1
    if select.recursive_match && !select.subscribed && !select.special_use {
        return cursor.error("SUBSCRIBED with RECURSIVEMATCH");
    }
    Ok(select)
}

fn return_options(cursor: &mut Cursor<'_>) -> Read<ListReturn> {
    let mut returning = ListReturn::default();
    cursor.list(|cursor| {
        let at = cursor.position();
        match cursor.name().as_bytes() {
            b"SUBSCRIBED" => returning.subscribed = true,
            b"CHILDREN" => returning.children = true,
            b"SPECIAL-USE" => returning.special_use = true,
            b"MYRIGHTS" => returning.my_rights = true,
            b"STATUS" => {
                cursor.space()?;
                returning.status = status_items(cursor)?;
            }
            b"METADATA" => {
                cursor.space()?;
                // RFC 9590 §5
                returning.metadata = entries(cursor)?;
            }
            _ => return Cursor::error_at(at, "a return option"),
        }
        Ok(())
    })?;
    Ok(returning)
}

pub(super) fn status_items(cursor: &mut Cursor<'_>) -> Read<Vec<StatusItem>> {
    let mut items = Vec::new();
    cursor.list(|cursor| {
        let at = cursor.position();
        let name = cursor.name();
        let item = StatusItem::WORDS
            .iter()
            .find(|(_, word)| word.as_bytes() == name.as_bytes());
        match item {
            Some((item, _)) if items.contains(item) => {}
            Some((item, _)) => items.push(*item),
            None => return Cursor::error_at(at, "a STATUS item"),
        }
        Ok(())
    })?;
    if items.is_empty() {
        return cursor.error("a STATUS item");
    }
    Ok(items)
}

/// A reference: not a mailbox name yet, so what cannot be decoded only matches nothing.
pub(super) fn reference(cursor: &mut Cursor<'_>) -> Read<String> {
    let wire = cursor.text("a reference name")?;
    Ok(decoded(cursor, wire))
}

pub(super) fn pattern(cursor: &mut Cursor<'_>) -> Read<String> {
    let at = cursor.position();
    let wire = match cursor.peek() {
        Some(b'"' | b'{') => cursor.text("a pattern")?,
        _ => {
            let run = cursor.run(|octet| {
                writing::is_astring_char(octet) || matches!(octet, b'%' | b'*') || octet >= 0x80
            });
            crate::cursor::unicode(run.into(), at)?
        }
    };
    if wire.is_empty() && cursor.position() == at {
        return Cursor::error_at(at, "a pattern");
    }
    Ok(decoded(cursor, wire))
}

fn decoded(cursor: &Cursor<'_>, wire: String) -> String {
    match cursor.names.decode(&wire) {
        Some(Cow::Owned(name)) => name,
        Some(Cow::Borrowed(_)) | None => wire,
    }
}
