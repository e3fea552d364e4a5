//! What a server can say, and how it is written.
//!
//! [`Response::write`] puts one whole response, its CRLF included, into a buffer;
//! [`Response::parse`] takes the same without that CRLF. FETCH lines, of which there are many and
//! whose bodies never enter a buffer, are written piece by piece by [`FetchLine`].
//!
//! RFC 9051 §7, RFC 3501 §7; extensions are named at their types.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use mail::{FlagSet, ModSeq, Rights, SeqNo, SyntaxError, Uid, UidSet};
use message::Member;

use crate::command::parse::id_fields as read_id_fields;
use crate::cursor::{Cursor, Read};
use crate::{MailboxName, Names, Tag, writing};

mod acl;
mod code;
mod fetch;
mod kinds;
mod list;
mod metadata;
mod quota;
mod search;
mod status;
mod structure;
mod thread;

pub use acl::ListRights;
pub use code::Code;
pub use fetch::{FetchData, FetchLine};
pub(crate) use fetch::{part_numbers, section_spec};
pub use kinds::PartKinds;
pub use list::{Attribute, Listing, Namespace, Namespaces};
pub use metadata::Metadata;
pub use quota::QuotaLimit;
pub use search::{Esearch, Placed, Update};
pub use status::StatusValue;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Done, or news.
    Ok,
    /// Not done.
    No,
    /// Not understood.
    Bad,
    /// Logged in already (greeting only).
    PreAuth,
    /// The server closes the connection.
    Bye,
}

impl Condition {
    /// As the wire writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
            Self::PreAuth => "PREAUTH",
            Self::Bye => "BYE",
        }
    }
}

/// How it went, in a code for programs and words for people (RFC 9051 §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How it went.
    pub condition: Condition,
    /// For programs.
    pub code: Option<Code>,
    /// For people.
    pub text: Cow<'static, str>,
}

impl Status {
    /// A condition with words and no code.
    #[must_use]
    pub fn new(condition: Condition, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            condition,
            code: None,
            text: text.into(),
        }
    }

    /// OK.
    #[must_use]
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Condition::Ok, text)
    }

    /// NO.
    #[must_use]
    pub fn no(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Condition::No, text)
    }

    /// BAD.
    #[must_use]
    pub fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Condition::Bad, text)
    }

    /// BYE.
    #[must_use]
    pub fn bye(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Condition::Bye, text)
    }

    /// The same with a code.
    #[must_use]
    pub fn with(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Writes `tag OK [CODE] text` and CRLF; without a tag, `*` in its place.
    pub fn write(&self, tag: Option<&Tag>, out: &mut BytesMut, names: Names) {
        out.put_slice(tag.map_or("*", Tag::as_str).as_bytes());
        out.put_u8(b' ');
        out.put_slice(self.condition.name().as_bytes());
        out.put_u8(b' ');
        if let Some(code) = &self.code {
            out.put_u8(b'[');
            code.write(out, names);
            out.put_slice(b"] ");
        } else if self.text.starts_with('[') {
            // Words must not be taken for a code.
            out.put_u8(b' ');
        }
        writing::text(out, &self.text);
        out.put_slice(b"\r\n");
    }
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// `+`: go on. Words, or a SASL challenge in base64.
    Continue(String),
    /// The end of a command.
    Tagged(Tag, Status),
    /// A greeting, news, a warning, a farewell.
    Untagged(Status),
    /// What the server can do.
    Capability(Vec<String>),
    /// What was turned on.
    Enabled(Vec<String>),
    /// Who the server is; none for NIL (RFC 2971).
    Id(Vec<(String, Option<String>)>),
    /// A mailbox.
    List(Listing),
    /// A subscription (RFC 3501 §7.2.3).
    Lsub(Listing),
    /// The namespaces there are.
    Namespace(Namespaces),
    /// How a mailbox stands.
    Status(MailboxName, Vec<StatusValue>),
    /// Who has which rights to a mailbox (RFC 4314 §3.6).
    Acl(MailboxName, Vec<(String, Rights)>),
    /// Which rights somebody can be given (RFC 4314 §3.7).
    ListRights(ListRights),
    /// Which rights the user has to a mailbox (RFC 4314 §3.8).
    MyRights(MailboxName, Rights),
    /// Notes on a mailbox, or on the server if its name is empty (RFC 5464 §4.4).
    Metadata(MailboxName, Metadata),
    /// A quota root and its limits (RFC 9208 §4.2.1).
    Quota(String, Vec<QuotaLimit>),
    /// The quota roots of a mailbox (RFC 9208 §4.2.2).
    QuotaRoot(MailboxName, Vec<String>),
    /// The flags the mailbox knows.
    Flags(FlagSet),
    /// How many messages there are.
    Exists(u32),
    /// How many are recent (RFC 3501 §7.3.2).
    Recent(u32),
    /// What was found; the largest mod-sequence of it if asked for (RFC 3501 §7.2.5, RFC 7162).
    Search(Vec<u32>, Option<ModSeq>),
    /// What was found, in the order asked for (RFC 5256 §4, RFC 7162 §3.1.9).
    Sort(Vec<u32>, Option<ModSeq>),
    /// What was found, in threads (RFC 5256 §4).
    Thread(Vec<Member>),
    /// What was found.
    Esearch(Esearch),
    /// A message is gone; those behind it move up.
    Expunge(SeqNo),
    /// Messages are gone (RFC 7162 §3.2.10).
    Vanished {
        /// True if they were gone before: nothing moves up.
        earlier: bool,
        /// Which.
        uids: UidSet,
    },
    /// About a message.
    Fetch(SeqNo, Vec<FetchData>),
    /// The same where messages are named by UID alone (RFC 9586 §3.3).
    UidFetch(Uid, Vec<FetchData>),
}

impl Response {
    /// Writes the response and its CRLF.
    pub fn write(&self, out: &mut BytesMut, names: Names) {
        match self {
            Self::Continue(text) => {
                out.put_slice(b"+ ");
                out.put_slice(text.as_bytes());
            }
            Self::Tagged(tag, status) => return status.write(Some(tag), out, names),
            Self::Untagged(status) => return status.write(None, out, names),
            Self::Capability(names) => words(out, b"* CAPABILITY", names),
            Self::Enabled(names) => words(out, b"* ENABLED", names),
            Self::Id(fields) => {
                out.put_slice(b"* ID ");
                id_fields(out, fields, names);
            }
            Self::List(listing) => listing.write(out, "* LIST ", names),
            Self::Lsub(listing) => listing.write(out, "* LSUB ", names),
            Self::Namespace(namespaces) => namespaces.write(out, names),
            Self::Status(mailbox, values) => status::write(out, mailbox, values, names),
            Self::Acl(mailbox, entries) => acl::write(out, mailbox, entries, names),
            Self::ListRights(listed) => listed.write(out, names),
            Self::MyRights(mailbox, rights) => acl::write_mine(out, mailbox, *rights, names),
            Self::Metadata(mailbox, data) => metadata::write(out, mailbox, data, names),
            Self::Quota(root, limits) => quota::write(out, root, limits, names),
            Self::QuotaRoot(mailbox, roots) => quota::write_roots(out, mailbox, roots, names),
            Self::Flags(flags) => {
                out.put_slice(b"* FLAGS (");
                write_flags(out, flags);
                out.put_u8(b')');
            }
            Self::Exists(count) => counted(out, *count, b" EXISTS"),
            Self::Recent(count) => counted(out, *count, b" RECENT"),
            Self::Search(numbers, modseq) => search::write(out, numbers, *modseq),
            Self::Sort(numbers, modseq) => thread::write_sorted(out, numbers, *modseq),
            Self::Thread(members) => thread::write(out, members),
            Self::Esearch(esearch) => esearch.write(out, names),
            Self::Expunge(seq) => counted(out, seq.value(), b" EXPUNGE"),
            Self::Vanished { earlier, uids } => {
                out.put_slice(b"* VANISHED ");
                if *earlier {
                    out.put_slice(b"(EARLIER) ");
                }
                writing::display(out, uids);
            }
            Self::Fetch(seq, data) => return fetch::write(FetchLine::begin(out, *seq), out, data),
            Self::UidFetch(uid, data) => {
                return fetch::write(FetchLine::begin_uid(out, *uid), out, data);
            }
        }
        out.put_slice(b"\r\n");
    }
}

impl Response {
    /// Reads a response without its last CRLF; literals stand in it with their octets.
    ///
    /// # Errors
    /// Where it is no response we know; a client passes over it.
    pub fn parse(frame: &[u8], names: Names) -> Result<Self, SyntaxError> {
        let mut cursor = Cursor::new(frame, names);
        if cursor.eat(b'+') {
            // The space is missing in the wild.
            cursor.eat(b' ');
            return Ok(Self::Continue(
                String::from_utf8_lossy(cursor.rest()).into_owned(),
            ));
        }
        if !cursor.eat(b'*') {
            return tagged(&mut cursor);
        }
        cursor.space()?;
        let response = if cursor.peek().is_some_and(|octet| octet.is_ascii_digit()) {
            numbered(&mut cursor)?
        } else {
            named(&mut cursor)?
        };
        cursor.end()?;
        Ok(response)
    }
}

fn tagged(cursor: &mut Cursor<'_>) -> Read<Response> {
    let text = std::str::from_utf8(cursor.run(|octet| octet != b' ')).unwrap_or_default();
    let Some(tag) = Tag::new(text) else {
        return Cursor::error_at(0, "a tag");
    };
    cursor.space()?;
    let name = cursor.name();
    match condition(name.as_bytes()) {
        Some(condition) => Ok(Response::Tagged(tag, status_text(cursor, condition)?)),
        None => cursor.error("OK, NO or BAD"),
    }
}

fn condition(name: &[u8]) -> Option<Condition> {
    [
        Condition::Ok,
        Condition::No,
        Condition::Bad,
        Condition::PreAuth,
        Condition::Bye,
    ]
    .into_iter()
    .find(|condition| condition.name().as_bytes() == name)
}

fn status_text(cursor: &mut Cursor<'_>, condition: Condition) -> Read<Status> {
    // Text behind a condition or a code is missing in the wild, with its space or without.
    cursor.eat(b' ');
    let mut code = None;
    if cursor.peek() == Some(b'[') {
        code = Some(code::parse(cursor)?);
        cursor.eat(b' ');
    }
    let text = String::from_utf8_lossy(cursor.run(|_| true)).into_owned();
    Ok(Status {
        condition,
        code,
        text: Cow::Owned(text),
    })
}

/// `5 EXISTS` and its like.
fn numbered(cursor: &mut Cursor<'_>) -> Read<Response> {
    let number = cursor.number()?;
    cursor.space()?;
    let at = cursor.position();
    let name = cursor.name();
    match (name.as_bytes(), SeqNo::new(number)) {
        (b"EXISTS", _) => Ok(Response::Exists(number)),
        (b"RECENT", _) => Ok(Response::Recent(number)),
        (b"EXPUNGE", Some(seq)) => Ok(Response::Expunge(seq)),
        (b"FETCH", Some(seq)) => {
            cursor.space()?;
            Ok(Response::Fetch(seq, fetch::parse(cursor)?))
        }
        (b"UIDFETCH", Some(SeqNo(number))) => {
            cursor.space()?;
            Ok(Response::UidFetch(Uid(number), fetch::parse(cursor)?))
        }
        _ => Cursor::error_at(at, "EXISTS, EXPUNGE or FETCH"),
    }
}

fn named(cursor: &mut Cursor<'_>) -> Read<Response> {
    let at = cursor.position();
    let name = cursor.name();
    let name = name.as_bytes();
    if let Some(condition) = condition(name) {
        return Ok(Response::Untagged(status_text(cursor, condition)?));
    }
    match name {
        b"SEARCH" => {
            let (numbers, modseq) = search::parse(cursor)?;
            return Ok(Response::Search(numbers, modseq));
        }
        b"SORT" => {
            let (numbers, modseq) = search::parse(cursor)?;
            return Ok(Response::Sort(numbers, modseq));
        }
        b"THREAD" => return thread::parse(cursor).map(Response::Thread),
        b"ESEARCH" => return search::parse_esearch(cursor).map(Response::Esearch),
        b"ENABLED" if cursor.is_at_end() => return Ok(Response::Enabled(Vec::new())),
        _ => cursor.space()?,
    }
    Ok(match name {
        b"CAPABILITY" => Response::Capability(read_words(cursor)?),
        b"ENABLED" => Response::Enabled(read_words(cursor)?),
        b"ID" => Response::Id(read_id_fields(cursor)?),
        b"LIST" => Response::List(list::parse(cursor)?),
        b"LSUB" => Response::Lsub(list::parse(cursor)?),
        b"NAMESPACE" => Response::Namespace(list::parse_namespaces(cursor)?),
        b"STATUS" => {
            let (mailbox, values) = status::parse(cursor)?;
            Response::Status(mailbox, values)
        }
        b"ACL" => acl::parse(cursor)?,
        b"LISTRIGHTS" => acl::parse_list(cursor)?,
        b"MYRIGHTS" => acl::parse_mine(cursor)?,
        b"METADATA" => {
            let (mailbox, data) = metadata::parse(cursor)?;
            Response::Metadata(mailbox, data)
        }
        b"QUOTA" => {
            let (root, limits) = quota::parse(cursor)?;
            Response::Quota(root, limits)
        }
        b"QUOTAROOT" => {
            let (mailbox, roots) = quota::parse_roots(cursor)?;
            Response::QuotaRoot(mailbox, roots)
        }
        b"FLAGS" => Response::Flags(fetch::flags(cursor)?.flags),
        b"VANISHED" => Response::Vanished {
            earlier: cursor.eat_word(b"(EARLIER) "),
            uids: code::uids(cursor)?,
        },
        _ => return Cursor::error_at(at, "a response"),
    })
}

/// Words with a space between each two.
fn read_words(cursor: &mut Cursor<'_>) -> Read<Vec<String>> {
    let mut words = Vec::new();
    loop {
        words.push(cursor.atom("a word")?.to_owned());
        if !cursor.eat(b' ') {
            return Ok(words);
        }
    }
}

/// Writes flags without parentheses.
pub(crate) fn write_flags(out: &mut BytesMut, flags: &FlagSet) {
    const NAMES: [(u8, &[u8]); 5] = [
        (1, b"\\Seen "),
        (2, b"\\Answered "),
        (4, b"\\Flagged "),
        (8, b"\\Deleted "),
        (16, b"\\Draft "),
    ];
    let bits = flags.system_bits();
    for (bit, name) in NAMES {
        if bits & bit != 0 {
            out.put_slice(name);
        }
    }
    for keyword in flags.keywords() {
        out.put_slice(keyword.as_str().as_bytes());
        out.put_u8(b' ');
    }
    if !flags.is_empty() {
        out.truncate(out.len() - 1);
    }
}

/// Writes the fields of ID, or NIL if there are none (RFC 2971).
pub(crate) fn id_fields(out: &mut BytesMut, fields: &[(String, Option<String>)], names: Names) {
    let utf8 = names == Names::Utf8;
    if fields.is_empty() {
        return out.put_slice(b"NIL");
    }
    writing::list(out, fields, |out, (name, value)| {
        writing::string(out, name.as_bytes(), utf8);
        out.put_u8(b' ');
        writing::nstring(out, value.as_deref().map(str::as_bytes), utf8);
    });
}

fn counted(out: &mut BytesMut, count: u32, name: &[u8]) {
    out.put_slice(b"* ");
    writing::number(out, u64::from(count));
    out.put_slice(name);
}

fn words(out: &mut BytesMut, name: &[u8], words: &[String]) {
    out.put_slice(name);
    for word in words {
        out.put_u8(b' ');
        out.put_slice(word.as_bytes());
    }
}
