//! FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 3516, RFC 7162 §3.1.4, RFC 8474 §5, RFC 8514, RFC
//! 8970, RFC 9394 §3.3).

use bytes::{BufMut, BytesMut};
use mail::ModSeq;
use message::Section;

use super::partial::{PartialRange, parse as partial_range};
use super::section;
use crate::cursor::{Cursor, Read, Upper};
use crate::response::{part_numbers, section_spec};
use crate::{SequenceSet, writing};

/// Items one FETCH may name.
const FETCH_ITEMS_MAX: usize = 200;

/// What to tell about which messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// True if the set holds UIDs.
    pub uid: bool,
    /// Which messages.
    pub set: SequenceSet,
    /// What to tell, macros expanded; never nothing.
    pub items: Vec<FetchItem>,
    /// Only messages that changed since (RFC 7162 §3.1.4.1).
    pub changed_since: Option<ModSeq>,
    /// Also the UIDs that are gone since (RFC 7162 §3.2.6).
    pub vanished: bool,
    /// Only some of the messages; only with UIDs (RFC 9394 §3.3).
    pub partial: Option<PartialRange>,
}

/// Something about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchItem {
    /// The header's main fields, taken apart.
    Envelope,
    /// Its flags.
    Flags,
    /// When it came in.
    InternalDate,
    /// Its size in octets.
    Rfc822Size,
    /// All of it; sets `\Seen` (RFC 3501).
    Rfc822,
    /// Its header (RFC 3501).
    Rfc822Header,
    /// Its body; sets `\Seen` (RFC 3501).
    Rfc822Text,
    /// The tree of its parts, without extension data.
    Body,
    /// The tree of its parts.
    BodyStructure,
    /// Its UID.
    Uid,
    /// Its mod-sequence (RFC 7162).
    ModSeq,
    /// The message's identity across mailboxes (RFC 8474).
    EmailId,
    /// Its conversation (RFC 8474).
    ThreadId,
    /// When it came into this mailbox (RFC 8514).
    SaveDate,
    /// The first words of its text (RFC 8970).
    Preview {
        /// True if they are wanted only where they are at hand.
        lazy: bool,
    },
    /// `BODY[…]`, `BODY.PEEK[…]`.
    BodySection {
        /// Which part.
        section: Section,
        /// Only some octets of it.
        partial: Option<Partial>,
        /// True if `\Seen` must not be set.
        peek: bool,
    },
    /// `BINARY[…]`, `BINARY.PEEK[…]`: a part with its transfer encoding undone (RFC 3516).
    Binary {
        /// Which part; empty for all.
        part: Vec<u32>,
        /// Only some octets of it.
        partial: Option<Partial>,
        /// True if `\Seen` must not be set.
        peek: bool,
    },
    /// `BINARY.SIZE[…]`: how long that part is with its transfer encoding undone.
    BinarySize(Vec<u32>),
}

/// Some octets of a part: `<offset.octets>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// Octets to skip.
    pub offset: u64,
    /// Octets to send at most; not 0.
    pub octets: u64,
}

impl Fetch {
    pub(super) fn write(&self, out: &mut BytesMut) {
        writing::display(out, format_args!(" {} ", self.set));
        writing::list(out, &self.items, |out, item| item.write(out));
        let since = self.changed_since;
        let since = since.map(|modseq| format!("CHANGEDSINCE {modseq}"));
        let vanished = self.vanished.then(|| "VANISHED".to_owned());
        let partial = self.partial.map(|range| format!("PARTIAL {range}"));
        let mut modifiers = since.into_iter().chain(vanished).chain(partial).peekable();
        if modifiers.peek().is_some() {
            out.put_u8(b' ');
            writing::list(out, modifiers, |out, modifier| {
                out.put_slice(modifier.as_bytes());
            });
        }
    }
}

impl FetchItem {
    /// The items that are one word.
    const WORDS: [(Self, &'static str); 14] = [
        (Self::Envelope, "ENVELOPE"),
        (Self::Flags, "FLAGS"),
        (Self::InternalDate, "INTERNALDATE"),
        (Self::Rfc822Size, "RFC822.SIZE"),
        (Self::Rfc822, "RFC822"),
        (Self::Rfc822Header, "RFC822.HEADER"),
        (Self::Rfc822Text, "RFC822.TEXT"),
        (Self::Body, "BODY"),
        (Self::BodyStructure, "BODYSTRUCTURE"),
        (Self::Uid, "UID"),
        (Self::ModSeq, "MODSEQ"),
        (Self::EmailId, "EMAILID"),
        (Self::ThreadId, "THREADID"),
        (Self::SaveDate, "SAVEDATE"),
    ];

    pub(super) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::BodySection {
                section,
                partial,
                peek,
            } => {
                out.put_slice(if *peek { b"BODY.PEEK" } else { b"BODY" });
                section_spec(out, section);
                write_partial(out, *partial);
            }
            Self::Binary {
                part,
                partial,
                peek,
            } => {
                out.put_slice(if *peek { b"BINARY.PEEK[" } else { b"BINARY[" });
                part_numbers(out, part);
                out.put_u8(b']');
                write_partial(out, *partial);
            }
            Self::BinarySize(part) => {
                out.put_slice(b"BINARY.SIZE[");
                part_numbers(out, part);
                out.put_u8(b']');
            }
            Self::Preview { lazy: false } => out.put_slice(b"PREVIEW"),
            Self::Preview { lazy: true } => out.put_slice(b"PREVIEW (LAZY)"),
            word => {
                let named = Self::WORDS.iter().find(|(item, _)| item == word);
                out.put_slice(named.map_or("UID", |(_, name)| name).as_bytes());
            }
        }
    }
}

fn write_partial(out: &mut BytesMut, partial: Option<Partial>) {
    if let Some(Partial { offset, octets }) = partial {
        writing::display(out, format_args!("<{offset}.{octets}>"));
    }
}

pub(super) fn parse(cursor: &mut Cursor<'_>, uid: bool) -> Read<Fetch> {
    let set = cursor.sequence_set()?;
    cursor.space()?;
    let mut items = Vec::new();
    if cursor.peek() == Some(b'(') {
        items = item_list(cursor)?;
    } else {
        let at = cursor.position();
        let name = cursor.name();
        match macro_items(name.as_bytes()) {
            Some(expanded) => items.extend_from_slice(expanded),
            None => items.push(item(cursor, Some((at, name)))?),
        }
    }
    let mut fetch = Fetch {
        uid,
        set,
        items,
        changed_since: None,
        vanished: false,
        partial: None,
    };
    if cursor.eat(b' ') {
        modifiers(cursor, &mut fetch)?;
    }
    Ok(fetch)
}

/// Items in parentheses; at least one.
pub(super) fn item_list(cursor: &mut Cursor<'_>) -> Read<Vec<FetchItem>> {
    let mut items = Vec::new();
    cursor.list(|cursor| {
        if items.len() == FETCH_ITEMS_MAX {
            return cursor.error("at most 200 items");
        }
        items.push(item(cursor, None)?);
        Ok(())
    })?;
    if items.is_empty() {
        return cursor.error("an item to fetch");
    }
    Ok(items)
}

/// What a macro stands for (RFC 9051 §6.4.5).
fn macro_items(name: &[u8]) -> Option<&'static [FetchItem]> {
    const FULL: [FetchItem; 5] = [
        FetchItem::Flags,
        FetchItem::InternalDate,
        FetchItem::Rfc822Size,
        FetchItem::Envelope,
        FetchItem::Body,
    ];
    match name {
        b"FAST" => FULL.get(..3),
        b"ALL" => FULL.get(..4),
        b"FULL" => Some(&FULL),
        _ => None,
    }
}

fn modifiers(cursor: &mut Cursor<'_>, fetch: &mut Fetch) -> Read<()> {
    cursor.list(|cursor| {
        let at = cursor.position();
        match cursor.name().as_bytes() {
            b"CHANGEDSINCE" => {
                cursor.space()?;
                fetch.changed_since = Some(cursor.modseq()?);
            }
            b"VANISHED" => fetch.vanished = true,
            // RFC 9394 §3.3
            b"PARTIAL" if fetch.uid && fetch.partial.is_none() => {
                cursor.space()?;
                fetch.partial = Some(partial_range(cursor)?);
            }
            _ => return Cursor::error_at(at, "CHANGEDSINCE, VANISHED or, with UIDs, PARTIAL"),
        }
        Ok(())
    })?;
    // RFC 7162 §3.2.6
    if fetch.vanished && (fetch.changed_since.is_none() || !fetch.uid) {
        return cursor.error("VANISHED only in UID FETCH with CHANGEDSINCE");
    }
    Ok(())
}

fn item(cursor: &mut Cursor<'_>, named: Option<(usize, Upper)>) -> Read<FetchItem> {
    let (at, name) = named.unwrap_or_else(|| (cursor.position(), cursor.name()));
    let name = name.as_bytes();
    if name == b"PREVIEW" {
        return preview(cursor);
    }
    if cursor.peek() != Some(b'[') {
        let known = FetchItem::WORDS
            .iter()
            .find(|(_, word)| word.as_bytes() == name);
        return match known {
            Some((item, _)) => Ok(item.clone()),
            None => Cursor::error_at(at, "an item to fetch"),
        };
    }
    match name {
        b"BODY" | b"BODY.PEEK" => Ok(FetchItem::BodySection {
            section: section::parse(cursor)?,
            partial: partial(cursor)?,
            peek: name != b"BODY",
        }),
        b"BINARY" | b"BINARY.PEEK" => Ok(FetchItem::Binary {
            part: section::parse_binary(cursor)?,
            partial: partial(cursor)?,
            peek: name != b"BINARY",
        }),
        b"BINARY.SIZE" => section::parse_binary(cursor).map(FetchItem::BinarySize),
        _ => Cursor::error_at(at, "an item to fetch"),
    }
}

/// What follows `PREVIEW`. Only the word LAZY tells its modifiers from those of FETCH.
fn preview(cursor: &mut Cursor<'_>) -> Read<FetchItem> {
    let lazy = cursor.eat_word(b" (LAZY");
    if lazy {
        // RFC 8970 §6
        while cursor.eat_word(b" LAZY") {}
        cursor.expect(b')', "')'")?;
    }
    Ok(FetchItem::Preview { lazy })
}

fn partial(cursor: &mut Cursor<'_>) -> Read<Option<Partial>> {
    if !cursor.eat(b'<') {
        return Ok(None);
    }
    let offset = cursor.number64()?;
    cursor.expect(b'.', "'.'")?;
    let octets = cursor.number64()?;
    // RFC 9051 §9
    if octets == 0 {
        return cursor.error("a number of octets above 0");
    }
    cursor.expect(b'>', "'>'")?;
    Ok(Some(Partial { offset, octets }))
}
