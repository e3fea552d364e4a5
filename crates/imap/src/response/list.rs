//! LIST, LSUB and NAMESPACE (RFC 9051 §7.3.1 and §7.3.4, RFC 5258 §6, RFC 6154 §2, RFC 5465 §8).

use bytes::{BufMut, BytesMut};
use mail::Role;

use super::structure;
use crate::cursor::{Cursor, Read};
use crate::{MailboxName, Names, writing};

/// A mailbox in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What can be said of it.
    pub attributes: Vec<Attribute>,
    /// What separates the levels of its name, if there are levels.
    pub delimiter: Option<char>,
    /// Its name.
    pub mailbox: MailboxName,
    /// `CHILDINFO`: why a parent is listed for its descendants' sake (`SUBSCRIBED`).
    pub child_info: Vec<String>,
    /// `OLDNAME`: the name it had, or was asked for by.
    pub old_name: Option<MailboxName>,
}

impl Listing {
    /// A mailbox with its attributes and nothing else; levels are separated by `/`.
    #[must_use]
    pub const fn new(mailbox: MailboxName, attributes: Vec<Attribute>) -> Self {
        Self {
            attributes,
            delimiter: Some('/'),
            mailbox,
            child_info: Vec::new(),
            old_name: None,
        }
    }

    pub(super) fn write(&self, out: &mut BytesMut, name: &str, names: Names) {
        out.put_slice(name.as_bytes());
        writing::list(out, &self.attributes, |out, attribute| {
            out.put_u8(b'\\');
            out.put_slice(attribute.name().as_bytes());
        });
        out.put_u8(b' ');
        delimiter(out, self.delimiter);
        out.put_u8(b' ');
        self.mailbox.write(out, names);
        if self.child_info.is_empty() && self.old_name.is_none() {
            return;
        }
        out.put_slice(b" (");
        if !self.child_info.is_empty() {
            out.put_slice(b"CHILDINFO ");
            writing::list(out, &self.child_info, |out, option| {
                writing::string(out, option.as_bytes(), false);
            });
        }
        if let Some(old_name) = &self.old_name {
            if !self.child_info.is_empty() {
                out.put_u8(b' ');
            }
            out.put_slice(b"OLDNAME (");
            old_name.write(out, names);
            out.put_u8(b')');
        }
        out.put_u8(b')');
    }
}

/// What can be said of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// It can have no children.
    NoInferiors,
    /// It cannot be selected.
    NoSelect,
    /// It may have new messages.
    Marked,
    /// It has no new messages.
    Unmarked,
    /// There is no such mailbox.
    NonExistent,
    /// It can be seen, and not what is in it (RFC 5465 §3.1).
    NoAccess,
    /// It has children.
    HasChildren,
    /// It has no children.
    HasNoChildren,
    /// It is subscribed.
    Subscribed,
    /// It is on another server.
    Remote,
    /// What it is for (RFC 6154).
    Role(Role),
    /// An attribute we do not know, without its backslash.
    Other(String),
}

impl Attribute {
    const WORDS: [(Self, &'static str); 10] = [
        (Self::NoInferiors, "Noinferiors"),
        (Self::NoSelect, "Noselect"),
        (Self::Marked, "Marked"),
        (Self::Unmarked, "Unmarked"),
        (Self::NonExistent, "NonExistent"),
        (Self::NoAccess, "NoAccess"),
        (Self::HasChildren, "HasChildren"),
        (Self::HasNoChildren, "HasNoChildren"),
        (Self::Subscribed, "Subscribed"),
        (Self::Remote, "Remote"),
    ];

    /// Its name without the backslash.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Role(role) => role.name(),
            Self::Other(name) => name,
            word => Self::WORDS
                .iter()
                .find(|(attribute, _)| attribute == word)
                .map_or("", |(_, name)| name),
        }
    }
}

/// The namespaces there are (RFC 9051 §6.3.10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// The user's own.
    pub personal: Vec<Namespace>,
    /// Other users'.
    pub others: Vec<Namespace>,
    /// Everybody's.
    pub shared: Vec<Namespace>,
}

impl Namespaces {
    pub(super) fn write(&self, out: &mut BytesMut, names: Names) {
        out.put_slice(b"* NAMESPACE");
        for namespaces in [&self.personal, &self.others, &self.shared] {
            out.put_u8(b' ');
            if namespaces.is_empty() {
                out.put_slice(b"NIL");
                continue;
            }
            out.put_u8(b'(');
            for namespace in namespaces {
                out.put_u8(b'(');
                let prefix = names.encode(&namespace.prefix);
                writing::string(out, prefix.as_bytes(), names == Names::Utf8);
                out.put_u8(b' ');
                delimiter(out, namespace.delimiter);
                out.put_u8(b')');
            }
            out.put_u8(b')');
        }
    }
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// What its mailboxes' names begin with, in Unicode.
    pub prefix: String,
    /// What separates the levels of their names.
    pub delimiter: Option<char>,
}

fn delimiter(out: &mut BytesMut, delimiter: Option<char>) {
    match delimiter {
        Some(letter) => {
            let mut octets = [0; 4];
            writing::string(out, letter.encode_utf8(&mut octets).as_bytes(), true);
        }
        None => out.put_slice(b"NIL"),
    }
}

/// What stands behind `LIST` or `LSUB`.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<Listing> {
    let mut attributes = Vec::new();
    cursor.list(|cursor| {
        cursor.expect(b'\\', "an attribute")?;
        let name = cursor.atom("an attribute")?;
        let word = Attribute::WORDS
            .iter()
            .find(|(_, word)| word.eq_ignore_ascii_case(name));
        attributes.push(match (word, Role::parse(name)) {
            (Some((attribute, _)), _) => attribute.clone(),
            (None, Some(role)) => Attribute::Role(role),
            (None, None) => Attribute::Other(name.to_owned()),
        });
        Ok(())
    })?;
    cursor.space()?;
    let delimiter = read_delimiter(cursor)?;
    cursor.space()?;
    let mut listing = Listing {
        attributes,
        delimiter,
        mailbox: cursor.mailbox()?,
        child_info: Vec::new(),
        old_name: None,
    };
    if cursor.eat(b' ') {
        cursor.list(|cursor| extended(cursor, &mut listing))?;
    }
    Ok(listing)
}

fn extended(cursor: &mut Cursor<'_>, listing: &mut Listing) -> Read<()> {
    let name = cursor.text("an extended item")?;
    cursor.space()?;
    if name.eq_ignore_ascii_case("OLDNAME") {
        cursor.open()?;
        listing.old_name = Some(cursor.mailbox()?);
        return cursor.close();
    }
    if name.eq_ignore_ascii_case("CHILDINFO") {
        return cursor.list(|cursor| {
            listing.child_info.push(cursor.text("an option")?);
            Ok(())
        });
    }
    structure::skip(cursor)
}

fn read_delimiter(cursor: &mut Cursor<'_>) -> Read<Option<char>> {
    if cursor.eat_word(b"NIL") {
        return Ok(None);
    }
    let at = cursor.position();
    let text = cursor.string_text()?;
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => Ok(Some(letter)),
        _ => Cursor::error_at(at, "one character"),
    }
}

/// What stands behind `NAMESPACE`; extensions are left out.
pub(super) fn parse_namespaces(cursor: &mut Cursor<'_>) -> Read<Namespaces> {
    let personal = namespaces(cursor)?;
    cursor.space()?;
    let others = namespaces(cursor)?;
    cursor.space()?;
    let shared = namespaces(cursor)?;
    Ok(Namespaces {
        personal,
        others,
        shared,
    })
}

fn namespaces(cursor: &mut Cursor<'_>) -> Read<Vec<Namespace>> {
    let mut namespaces = Vec::new();
    if cursor.eat_word(b"NIL") {
        return Ok(namespaces);
    }
    cursor.open()?;
    while cursor.eat(b'(') {
        let wire = cursor.string_text()?;
        let prefix = match cursor.names.decode(&wire) {
            Some(prefix) => prefix.into_owned(),
            None => wire,
        };
        cursor.space()?;
        namespaces.push(Namespace {
            prefix,
            delimiter: read_delimiter(cursor)?,
        });
        while cursor.eat(b' ') {
            structure::skip(cursor)?;
        }
        cursor.close()?;
    }
    cursor.close()?;
    Ok(namespaces)
}
