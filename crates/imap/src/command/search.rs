//! SEARCH and UID SEARCH (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 5032, 5267 §4, 7162
//! §3.1.5, 8474 §5.1, 8514 §4.3, 6203).

use std::fmt;

use bytes::{BufMut, BytesMut};
use mail::{Flag, Keyword, ModSeq};

use super::fetch::FetchItem;
use crate::cursor::{Cursor, Read};
use crate::{SequenceSet, writing};

mod returning;

pub use returning::SearchReturn;
pub(super) use returning::returning;

/// Keys one SEARCH may have.
const SEARCH_KEYS_MAX: usize = 2000;
/// Keys inside one another.
const SEARCH_DEPTH_MAX: usize = 50;

/// Which messages to find and what to tell of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// True if the answer is to hold UIDs.
    pub uid: bool,
    /// What to tell; `None` for the plain command, whose answer is the rev1 SEARCH response or,
    /// with rev2 enabled, ESEARCH with ALL.
    pub returning: Option<SearchReturn>,
    /// The charset named, in upper case. If it is neither UTF-8 nor US-ASCII the answer is
    /// NO [BADCHARSET], and the texts in `key` mean nothing.
    pub charset: Option<String>,
    /// What the messages must be; several keys are one [`SearchKey::And`].
    pub key: SearchKey,
    /// What to tell of new messages that come to a result kept up to date (RFC 5465 §7); none
    /// without [`SearchReturn::update`].
    pub newcomers: Vec<FetchItem>,
}

/// A day on the calendar, without time and zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31, at most what the month has.
    pub day: u8,
}

/// Whose mod-sequence of a flag MODSEQ looks at; we keep one for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryType {
    /// The user's own.
    Private,
    /// What all users share.
    Shared,
    /// Both.
    All,
}

/// What a message must be. Texts are substrings to find, without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchKey {
    /// All of these; never none.
    And(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// This or that.
    Or(Box<Self>, Box<Self>),
    /// This, with texts that are written a little otherwise (RFC 6203).
    Fuzzy(Box<Self>),
    /// Any message.
    All,
    /// With this flag: SEEN, ANSWERED, FLAGGED, DELETED, DRAFT, KEYWORD.
    Has(Flag),
    /// Without this flag: UNSEEN, …, UNKEYWORD.
    Lacks(Flag),
    /// Recent and unseen (RFC 3501).
    New,
    /// Not recent (RFC 3501).
    Old,
    /// Recent (RFC 3501).
    Recent,
    /// One of these sequence numbers.
    Sequence(SequenceSet),
    /// One of these UIDs.
    Uid(SequenceSet),
    /// INTERNALDATE before this day.
    Before(Date),
    /// INTERNALDATE on this day.
    On(Date),
    /// INTERNALDATE on this day or later.
    Since(Date),
    /// `Date:` before this day.
    SentBefore(Date),
    /// `Date:` on this day.
    SentOn(Date),
    /// `Date:` on this day or later.
    SentSince(Date),
    /// Put into the mailbox before this day (RFC 8514).
    SavedBefore(Date),
    /// Put into the mailbox on this day (RFC 8514).
    SavedOn(Date),
    /// Put into the mailbox on this day or later (RFC 8514).
    SavedSince(Date),
    /// In a mailbox that knows when its messages were put there (RFC 8514).
    SaveDateSupported,
    /// INTERNALDATE at least so many seconds ago (RFC 5032).
    Older(u32),
    /// INTERNALDATE at most so many seconds ago (RFC 5032).
    Younger(u32),
    /// More octets than this.
    Larger(u64),
    /// Fewer octets than this.
    Smaller(u64),
    /// Text in `Bcc:`.
    Bcc(String),
    /// Text in `Cc:`.
    Cc(String),
    /// Text in `From:`.
    From(String),
    /// Text in `To:`.
    To(String),
    /// Text in `Subject:`.
    Subject(String),
    /// Text in a field of this name; an empty text asks only for the field.
    Header(String, String),
    /// Text in the body.
    Body(String),
    /// Text in header or body.
    Text(String),
    /// A mod-sequence of at least this (RFC 7162).
    ModSeq {
        /// A flag's entry name and whose, if one was named.
        entry: Option<(String, EntryType)>,
        /// The least mod-sequence.
        modseq: ModSeq,
    },
    /// With this EMAILID (RFC 8474).
    EmailId(String),
    /// With this THREADID (RFC 8474).
    ThreadId(String),
}

impl Search {
    pub(super) fn write(&self, out: &mut BytesMut, utf8: bool) {
        self.write_return(out);
        if let Some(charset) = &self.charset {
            out.put_slice(b" CHARSET ");
            writing::astring(out, charset.as_bytes(), utf8);
        }
        self.write_keys(out, utf8);
    }

    pub(super) fn write_keys(&self, out: &mut BytesMut, utf8: bool) {
        out.put_u8(b' ');
        match &self.key {
            SearchKey::And(keys) => writing::spaced(out, keys, |out, key| key.write(out, utf8)),
            key => key.write(out, utf8),
        }
    }
}

impl SearchKey {
    /// The keys that are one word.
    const WORDS: [(Self, &'static str); 15] = [
        (Self::All, "ALL"),
        (Self::New, "NEW"),
        (Self::Old, "OLD"),
        (Self::Recent, "RECENT"),
        (Self::SaveDateSupported, "SAVEDATESUPPORTED"),
        (Self::Has(Flag::Seen), "SEEN"),
        (Self::Has(Flag::Answered), "ANSWERED"),
        (Self::Has(Flag::Flagged), "FLAGGED"),
        (Self::Has(Flag::Deleted), "DELETED"),
        (Self::Has(Flag::Draft), "DRAFT"),
        (Self::Lacks(Flag::Seen), "UNSEEN"),
        (Self::Lacks(Flag::Answered), "UNANSWERED"),
        (Self::Lacks(Flag::Flagged), "UNFLAGGED"),
        (Self::Lacks(Flag::Deleted), "UNDELETED"),
        (Self::Lacks(Flag::Draft), "UNDRAFT"),
    ];

    /// True if MODSEQ is among the keys.
    pub(crate) fn asks_modseq(&self) -> bool {
        self.any(&|key| matches!(key, Self::ModSeq { .. }))
    }

    /// True if FUZZY is among the keys.
    pub(crate) fn asks_fuzzy(&self) -> bool {
        self.any(&|key| matches!(key, Self::Fuzzy(_)))
    }

    /// How many keys are as `wanted`: the key itself and those inside of it.
    pub(crate) fn count(&self, wanted: &impl Fn(&Self) -> bool) -> usize {
        let inside = match self {
            Self::And(keys) => keys.iter().map(|key| key.count(wanted)).sum(),
            Self::Not(key) | Self::Fuzzy(key) => key.count(wanted),
            Self::Or(one, other) => one.count(wanted) + other.count(wanted),
            _ => 0,
        };
        usize::from(wanted(self)) + inside
    }

    /// True if the key or one inside of it is as `wanted`. Their depth is bounded by the grammar.
    pub(crate) fn any(&self, wanted: &impl Fn(&Self) -> bool) -> bool {
        wanted(self)
            || match self {
                Self::And(keys) => keys.iter().any(|key| key.any(wanted)),
                Self::Not(key) | Self::Fuzzy(key) => key.any(wanted),
                Self::Or(one, other) => one.any(wanted) || other.any(wanted),
                _ => false,
            }
    }

    fn write(&self, out: &mut BytesMut, utf8: bool) {
        match self {
            Self::And(keys) => writing::list(out, keys, |out, key| key.write(out, utf8)),
            Self::Not(key) => {
                out.put_slice(b"NOT ");
                key.write(out, utf8);
            }
            Self::Fuzzy(key) => {
                out.put_slice(b"FUZZY ");
                key.write(out, utf8);
            }
            Self::Or(one, other) => {
                out.put_slice(b"OR ");
                one.write(out, utf8);
                out.put_u8(b' ');
                other.write(out, utf8);
            }
            Self::Header(name, text) => {
                out.put_slice(b"HEADER ");
                writing::astring(out, name.as_bytes(), utf8);
                out.put_u8(b' ');
                writing::astring(out, text.as_bytes(), utf8);
            }
            Self::Bcc(text) => textual(out, "BCC ", text, utf8),
            Self::Cc(text) => textual(out, "CC ", text, utf8),
            Self::From(text) => textual(out, "FROM ", text, utf8),
            Self::To(text) => textual(out, "TO ", text, utf8),
            Self::Subject(text) => textual(out, "SUBJECT ", text, utf8),
            Self::Body(text) => textual(out, "BODY ", text, utf8),
            Self::Text(text) => textual(out, "TEXT ", text, utf8),
            Self::ModSeq { entry, modseq } => {
                out.put_slice(b"MODSEQ ");
                if let Some((name, entry_type)) = entry {
                    writing::string(out, name.as_bytes(), utf8);
                    out.put_slice(match entry_type {
                        EntryType::Private => b" priv ",
                        EntryType::Shared => b" shared ",
                        EntryType::All => b" all ",
                    });
                }
                writing::number(out, modseq.0);
            }
            word => word.write_plain(out),
        }
    }

    /// Writes a key without texts and without keys inside.
    fn write_plain(&self, out: &mut BytesMut) {
        match self {
            Self::Has(Flag::Keyword(word)) => writing::display(out, format_args!("KEYWORD {word}")),
            Self::Lacks(Flag::Keyword(word)) => {
                writing::display(out, format_args!("UNKEYWORD {word}"));
            }
            Self::Sequence(set) => writing::display(out, set),
            Self::Uid(set) => writing::display(out, format_args!("UID {set}")),
            Self::Before(date) => writing::display(out, format_args!("BEFORE {date}")),
            Self::On(date) => writing::display(out, format_args!("ON {date}")),
            Self::Since(date) => writing::display(out, format_args!("SINCE {date}")),
            Self::SentBefore(date) => writing::display(out, format_args!("SENTBEFORE {date}")),
            Self::SentOn(date) => writing::display(out, format_args!("SENTON {date}")),
            Self::SentSince(date) => writing::display(out, format_args!("SENTSINCE {date}")),
            Self::SavedBefore(date) => writing::display(out, format_args!("SAVEDBEFORE {date}")),
            Self::SavedOn(date) => writing::display(out, format_args!("SAVEDON {date}")),
            Self::SavedSince(date) => writing::display(out, format_args!("SAVEDSINCE {date}")),
            Self::Older(seconds) => writing::display(out, format_args!("OLDER {seconds}")),
            Self::Younger(seconds) => writing::display(out, format_args!("YOUNGER {seconds}")),
            Self::Larger(octets) => writing::display(out, format_args!("LARGER {octets}")),
            Self::Smaller(octets) => writing::display(out, format_args!("SMALLER {octets}")),
            Self::EmailId(id) => writing::display(out, format_args!("EMAILID {id}")),
            Self::ThreadId(id) => writing::display(out, format_args!("THREADID {id}")),
            word => {
                let named = Self::WORDS.iter().find(|(key, _)| key == word);
                out.put_slice(named.map_or("ALL", |(_, name)| name).as_bytes());
            }
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
        let at = usize::from(self.month.saturating_sub(1)) * 3;
        let month = MONTHS.get(at..at + 3).unwrap_or("Jan");
        write!(f, "{}-{month}-{:04}", self.day, self.year)
    }
}

fn textual(out: &mut BytesMut, name: &str, text: &str, utf8: bool) {
    out.put_slice(name.as_bytes());
    writing::astring(out, text.as_bytes(), utf8);
}

pub(super) fn parse(cursor: &mut Cursor<'_>, uid: bool) -> Read<Search> {
    let returning = returning(cursor)?;
    let mut charset = None;
    if cursor.eat_word(b"CHARSET ") {
        charset = Some(cursor.text("a charset")?.to_ascii_uppercase());
        cursor.space()?;
    }
    let mut search = keys(cursor, uid, charset)?;
    search.set_return(returning);
    Ok(search)
}

/// The keys, whose texts are in this charset.
pub(super) fn keys(cursor: &mut Cursor<'_>, uid: bool, charset: Option<String>) -> Read<Search> {
    let readable = matches!(charset.as_deref(), None | Some("UTF-8" | "US-ASCII"));
    let mut program = Program {
        cursor,
        readable,
        keys: 0,
        depth: 0,
    };
    let mut keys = vec![program.key()?];
    while program.cursor.eat(b' ') {
        keys.push(program.key()?);
    }
    Ok(Search {
        uid,
        returning: None,
        charset,
        key: one_or_and(keys),
        newcomers: Vec::new(),
    })
}

fn one_or_and(mut keys: Vec<SearchKey>) -> SearchKey {
    match keys.pop() {
        Some(key) if keys.is_empty() => key,
        last => {
            keys.extend(last);
            SearchKey::And(keys)
        }
    }
}

/// Reads keys within limits.
struct Program<'c, 'a> {
    cursor: &'c mut Cursor<'a>,
    /// True if the charset is one we read.
    readable: bool,
    keys: usize,
    depth: usize,
}

impl Program<'_, '_> {
    fn key(&mut self) -> Read<SearchKey> {
        if self.keys == SEARCH_KEYS_MAX {
            return self.cursor.error("at most 2000 search keys");
        }
        if self.depth == SEARCH_DEPTH_MAX {
            return self
                .cursor
                .error("at most 50 search keys inside one another");
        }
        self.keys += 1;
        match self.cursor.peek() {
            Some(b'(') => self.and(),
            Some(b'0'..=b'9' | b'*' | b'$') => self.cursor.sequence_set().map(SearchKey::Sequence),
            _ => self.named(),
        }
    }

    fn deeper(&mut self) -> Read<SearchKey> {
        self.depth += 1;
        let key = self.key()?;
        self.depth -= 1;
        Ok(key)
    }

    fn and(&mut self) -> Read<SearchKey> {
        self.cursor.open()?;
        let mut keys = vec![self.deeper()?];
        while self.cursor.eat(b' ') {
            keys.push(self.deeper()?);
        }
        self.cursor.expect(b')', "a space or ')'")?;
        Ok(one_or_and(keys))
    }

    fn named(&mut self) -> Read<SearchKey> {
        let at = self.cursor.position();
        let name = self.cursor.name();
        let name = name.as_bytes();
        let word = SearchKey::WORDS
            .iter()
            .find(|(_, word)| word.as_bytes() == name);
        if let Some((key, _)) = word {
            return Ok(key.clone());
        }
        if name.is_empty() || !self.cursor.eat(b' ') {
            return Cursor::error_at(at, "a search key");
        }
        match name {
            b"NOT" => Ok(SearchKey::Not(Box::new(self.deeper()?))),
            b"FUZZY" => Ok(SearchKey::Fuzzy(Box::new(self.deeper()?))),
            b"OR" => {
                let one = self.deeper()?;
                self.cursor.space()?;
                Ok(SearchKey::Or(Box::new(one), Box::new(self.deeper()?)))
            }
            b"BCC" => self.text().map(SearchKey::Bcc),
            b"CC" => self.text().map(SearchKey::Cc),
            b"FROM" => self.text().map(SearchKey::From),
            b"TO" => self.text().map(SearchKey::To),
            b"SUBJECT" => self.text().map(SearchKey::Subject),
            b"BODY" => self.text().map(SearchKey::Body),
            b"TEXT" => self.text().map(SearchKey::Text),
            b"HEADER" => {
                let field = self.cursor.text("a field name")?;
                self.cursor.space()?;
                Ok(SearchKey::Header(field, self.text()?))
            }
            _ => plain(self.cursor, name, at),
        }
    }

    fn text(&mut self) -> Read<String> {
        if self.readable {
            return self.cursor.text("a text");
        }
        let octets = self.cursor.astring("a text")?;
        Ok(String::from_utf8_lossy(&octets).into_owned())
    }
}

/// A key whose argument is neither a text nor a key.
fn plain(cursor: &mut Cursor<'_>, name: &[u8], at: usize) -> Read<SearchKey> {
    match name {
        b"KEYWORD" => keyword(cursor).map(SearchKey::Has),
        b"UNKEYWORD" => keyword(cursor).map(SearchKey::Lacks),
        b"UID" => cursor.sequence_set().map(SearchKey::Uid),
        b"BEFORE" => cursor.date().map(SearchKey::Before),
        b"ON" => cursor.date().map(SearchKey::On),
        b"SINCE" => cursor.date().map(SearchKey::Since),
        b"SENTBEFORE" => cursor.date().map(SearchKey::SentBefore),
        b"SENTON" => cursor.date().map(SearchKey::SentOn),
        b"SENTSINCE" => cursor.date().map(SearchKey::SentSince),
        b"SAVEDBEFORE" => cursor.date().map(SearchKey::SavedBefore),
        b"SAVEDON" => cursor.date().map(SearchKey::SavedOn),
        b"SAVEDSINCE" => cursor.date().map(SearchKey::SavedSince),
        b"OLDER" => cursor.nz_number().map(|time| SearchKey::Older(time.get())),
        b"YOUNGER" => cursor
            .nz_number()
            .map(|time| SearchKey::Younger(time.get())),
        b"LARGER" => cursor.number64().map(SearchKey::Larger),
        b"SMALLER" => cursor.number64().map(SearchKey::Smaller),
        b"EMAILID" => object_id(cursor).map(SearchKey::EmailId),
        b"THREADID" => object_id(cursor).map(SearchKey::ThreadId),
        b"MODSEQ" => modseq(cursor),
        _ => Cursor::error_at(at, "a search key"),
    }
}

fn keyword(cursor: &mut Cursor<'_>) -> Read<Flag> {
    let at = cursor.position();
    match Keyword::parse(cursor.atom("a keyword")?) {
        Some(keyword) => Ok(Flag::Keyword(keyword)),
        None => Cursor::error_at(at, "a keyword of at most 128 octets"),
    }
}

/// An object's identity (RFC 8474 §7).
pub(crate) fn object_id(cursor: &mut Cursor<'_>) -> Read<String> {
    let at = cursor.position();
    let id = cursor.run(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
    if id.is_empty() || id.len() > 255 {
        return Cursor::error_at(at, "an object identifier");
    }
    crate::cursor::unicode(id.into(), at)
}

fn modseq(cursor: &mut Cursor<'_>) -> Read<SearchKey> {
    let mut entry = None;
    if matches!(cursor.peek(), Some(b'"' | b'{')) {
        let name = cursor.string_text()?;
        cursor.space()?;
        let at = cursor.position();
        let entry_type = match cursor.name().as_bytes() {
            b"PRIV" => EntryType::Private,
            b"SHARED" => EntryType::Shared,
            b"ALL" => EntryType::All,
            _ => return Cursor::error_at(at, "priv, shared or all"),
        };
        cursor.space()?;
        entry = Some((name, entry_type));
    }
    let modseq = cursor.modseq()?;
    Ok(SearchKey::ModSeq { entry, modseq })
}
