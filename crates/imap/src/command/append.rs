//! APPEND and REPLACE up to a literal's octets, and what may follow these (RFC 9051 §6.3.12,
//! RFC 3502, RFC 4469 §5, RFC 6855 §4, RFC 8508 §5).
//!
//! Not here: what a URL says (`url`), the octets themselves, which pass by the grammar.

use bytes::{BufMut, BytesMut};
use mail::{FlagSet, Timestamp};

use super::{Command, LiteralHeader};
use crate::cursor::{Cursor, Read};
use crate::response::write_flags;
use crate::{MailboxName, Names, SeqNumber, writing};

/// Octets a URL may have.
const URL_OCTETS_MAX: usize = 4096;

/// APPEND as far as its frame goes (RFC 9051 §6.3.12): behind the header of a literal follow its
/// octets, and more of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub mailbox: MailboxName,
    /// Its messages, at least one (RFC 3502). Only the last may want octets.
    pub messages: Vec<AppendMessage>,
}

/// A message that APPEND brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendMessage {
    /// The message's flags.
    pub flags: FlagSet,
    /// Its INTERNALDATE, if not now.
    pub date: Option<Timestamp>,
    /// What it is made of.
    pub data: AppendData,
}

/// What a message of APPEND is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendData {
    /// Of one literal, which follows its header.
    Literal(LiteralHeader),
    /// Of parts, one behind the other (RFC 4469).
    Catenate(CatParts),
}

/// The parts a message is made of, up to the next whose octets follow (RFC 4469 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatParts {
    /// Parts that are stored here, as they were written: a bad URL is no bad command.
    pub urls: Vec<String>,
    /// The part whose octets follow; `None` where the list ends before one.
    pub text: Option<LiteralHeader>,
}

/// REPLACE and UID REPLACE as far as their frame goes (RFC 8508 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replace {
    /// True if the number is a UID.
    pub uid: bool,
    /// The message of the open mailbox that goes.
    pub number: SeqNumber,
    /// The message that comes, and where to.
    pub append: Append,
}

/// What follows the octets of a literal; nothing at all where the command ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppendRest {
    /// More parts of the message.
    pub(crate) parts: Option<CatParts>,
    /// More messages.
    pub(crate) messages: Vec<AppendMessage>,
}

impl Append {
    /// The literal whose octets follow, if there is one.
    #[must_use]
    pub fn literal(&self) -> Option<LiteralHeader> {
        self.messages.last()?.data.literal()
    }
}

impl AppendData {
    /// The literal whose octets follow, if there is one.
    pub(crate) const fn literal(&self) -> Option<LiteralHeader> {
        match self {
            Self::Literal(literal) => Some(*literal),
            Self::Catenate(parts) => parts.text,
        }
    }
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<Append> {
    let mailbox = cursor.mailbox()?;
    cursor.space()?;
    let mut messages = vec![message(cursor)?];
    more_messages(cursor, &mut messages)?;
    Ok(Append { mailbox, messages })
}

pub(super) fn parse_replace(cursor: &mut Cursor<'_>, uid: bool) -> Read<Command> {
    let number = cursor.seq_number()?;
    cursor.space()?;
    let append = parse(cursor)?;
    Ok(Command::Replace(Replace {
        uid,
        number,
        append,
    }))
}

/// Reads what follows the octets of a literal, which is `listed` in CATENATE or a whole message.
pub(super) fn parse_rest(frame: &[u8], listed: bool) -> Read<AppendRest> {
    // Nothing but names of mailboxes depends on how names are written.
    let mut cursor = Cursor::new(frame, Names::Utf7);
    let mut parts = None;
    let mut messages = Vec::new();
    if listed {
        parts = Some(if cursor.eat(b')') {
            CatParts {
                urls: Vec::new(),
                text: None,
            }
        } else {
            cursor.space()?;
            cat_parts(&mut cursor)?
        });
    }
    if parts.as_ref().is_none_or(|parts| parts.text.is_none()) {
        more_messages(&mut cursor, &mut messages)?;
    }
    cursor.end()?;
    Ok(AppendRest { parts, messages })
}

/// One more message, and one more, as long as none of them wants octets.
fn more_messages(cursor: &mut Cursor<'_>, messages: &mut Vec<AppendMessage>) -> Read<()> {
    let wants = |message: &AppendMessage| message.data.literal().is_some();
    while !messages.last().is_some_and(wants) && !cursor.is_at_end() {
        // IMAPClient ends each message with a space, and begins the next with one more.
        cursor.space()?;
        while cursor.eat(b' ') {}
        messages.push(message(cursor)?);
    }
    Ok(())
}

/// RFC 3502 "append-message", behind its space.
fn message(cursor: &mut Cursor<'_>) -> Read<AppendMessage> {
    let mut flags = FlagSet::new();
    if cursor.peek() == Some(b'(') {
        flags = cursor.flag_list()?;
        cursor.space()?;
    }
    let mut date = None;
    if cursor.peek() == Some(b'"') {
        date = Some(cursor.date_time()?);
        cursor.space()?;
    }
    let data = if cursor.eat_word(b"CATENATE (") {
        AppendData::Catenate(cat_parts(cursor)?)
    } else {
        AppendData::Literal(literal(cursor)?)
    };
    Ok(AppendMessage { flags, date, data })
}

/// Reads `URL … URL … TEXT {n}` or `URL … URL …)`.
fn cat_parts(cursor: &mut Cursor<'_>) -> Read<CatParts> {
    let mut urls = Vec::new();
    loop {
        if cursor.eat_word(b"URL ") {
            let at = cursor.position();
            let url = cursor.text("a URL")?;
            if url.len() > URL_OCTETS_MAX {
                return Cursor::error_at(at, "a URL of at most 4096 octets");
            }
            urls.push(url);
        } else if cursor.eat_word(b"TEXT ") {
            let text = Some(plain_literal(cursor)?);
            return Ok(CatParts { urls, text });
        } else if is_utf8(cursor) {
            let text = Some(literal(cursor)?);
            return Ok(CatParts { urls, text });
        } else {
            return cursor.error("URL or TEXT");
        }
        if cursor.eat(b')') {
            return Ok(CatParts { urls, text: None });
        }
        cursor.expect(b' ', "a space or ')'")?;
    }
}

fn is_utf8(cursor: &Cursor<'_>) -> bool {
    cursor.clone().eat_word(b"UTF8 (")
}

/// `{n}`, `~{n}` or `UTF8 (~{n}`.
fn literal(cursor: &mut Cursor<'_>) -> Read<LiteralHeader> {
    // RFC 6855 §4
    let utf8 = cursor.eat_word(b"UTF8 (");
    if utf8 && cursor.peek() != Some(b'~') {
        return cursor.error("'~{'");
    }
    let literal = plain_literal(cursor)?;
    Ok(LiteralHeader { utf8, ..literal })
}

/// `{n}` or `~{n}`.
fn plain_literal(cursor: &mut Cursor<'_>) -> Read<LiteralHeader> {
    let binary = cursor.eat(b'~');
    let (octets, sync) = cursor.literal_header()?;
    Ok(LiteralHeader {
        octets,
        sync,
        binary,
        utf8: false,
    })
}

pub(super) fn write(out: &mut BytesMut, append: &Append, names: Names) {
    append.mailbox.write(out, names);
    for message in &append.messages {
        out.put_u8(b' ');
        write_message(out, message, names);
    }
}

pub(super) fn write_replace(out: &mut BytesMut, replace: &Replace, names: Names) {
    writing::display(out, format_args!("{} ", replace.number));
    write(out, &replace.append, names);
}

fn write_message(out: &mut BytesMut, message: &AppendMessage, names: Names) {
    if !message.flags.is_empty() {
        out.put_u8(b'(');
        write_flags(out, &message.flags);
        out.put_slice(b") ");
    }
    if let Some(date) = message.date {
        writing::display(out, format_args!("\"{}\" ", date.to_imap()));
    }
    match &message.data {
        AppendData::Literal(literal) => write_literal(out, *literal),
        AppendData::Catenate(parts) => {
            out.put_slice(b"CATENATE (");
            write_parts(out, parts, names);
        }
    }
}

fn write_parts(out: &mut BytesMut, parts: &CatParts, names: Names) {
    writing::spaced(out, &parts.urls, |out, url| {
        out.put_slice(b"URL ");
        writing::astring(out, url.as_bytes(), names == Names::Utf8);
    });
    let Some(text) = parts.text else {
        return out.put_u8(b')');
    };
    if !parts.urls.is_empty() {
        out.put_u8(b' ');
    }
    if !text.utf8 {
        out.put_slice(b"TEXT ");
    }
    write_literal(out, text);
}

fn write_literal(out: &mut BytesMut, literal: LiteralHeader) {
    if literal.utf8 {
        out.put_slice(b"UTF8 (");
    }
    out.put_slice(if literal.binary { b"~{" } else { b"{" });
    writing::number(out, literal.octets);
    out.put_slice(if literal.sync { b"}" } else { b"+}" });
}
