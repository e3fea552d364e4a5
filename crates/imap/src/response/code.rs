//! Response codes: the part of a status that programs read (RFC 9051 §7.1, RFC 5530, RFC 7162,
//! RFC 6154 §3, RFC 8474 §4, RFC 4978, RFC 5267, RFC 4469 §4, RFC 5464, RFC 5465 §8,
//! RFC 9585, RFC 9586).

use bytes::{BufMut, BytesMut};
use mail::{FlagSet, ModSeq, Uid, UidSet, UidValidity};

use super::{fetch, write_flags};
use crate::command::context::tag;
use crate::command::search::object_id;
use crate::cursor::{Cursor, Read};
use crate::{Names, SequenceSet, Tag, writing};

/// A response code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// Show the words to a person.
    Alert,
    /// It is there already.
    AlreadyExists,
    /// What was appended got these UIDs.
    AppendUid(UidValidity, UidSet),
    /// Wrong name or password.
    AuthenticationFailed,
    /// This name may not act as that one.
    AuthorizationFailed,
    /// These events can be told, and no others (RFC 5465 §8).
    BadEvent(Vec<String>),
    /// This URL says nothing of use; it is the first such of its command (RFC 4469 §4.1).
    BadUrl(String),
    /// Search in one of these charsets.
    BadCharset(Vec<String>),
    /// It can never be done.
    Cannot,
    /// What the server can do.
    Capability(Vec<String>),
    /// The client did something odd.
    ClientBug,
    /// The mailbox that was selected no longer is.
    Closed,
    /// Compression is on already.
    CompressionActive,
    /// Ask the administrator.
    ContactAdmin,
    /// What was copied had these UIDs and got those.
    CopyUid(UidValidity, UidSet, UidSet),
    /// Something stored is damaged.
    Corruption,
    /// The password is too old.
    Expired,
    /// Someone else expunged a message.
    ExpungeIssued,
    /// The mailbox has children and stays.
    HasChildren,
    /// The mailbox's largest mod-sequence.
    HighestModSeq(ModSeq),
    /// The command is not done yet (RFC 9585).
    InProgress {
        /// Which; `None` where the tag cannot be told.
        tag: Option<Tag>,
        /// How many messages, or whatever it is about, are done.
        done: Option<u32>,
        /// How many there are, more than are done; only where that is known.
        goal: Option<u32>,
    },
    /// Someone else is at it.
    InUse,
    /// A limit was reached.
    Limit,
    /// The mailbox's identity.
    MailboxId(String),
    /// Values were left out; the longest has so many octets (RFC 5464).
    MetadataLongEntries(u64),
    /// A value may have so many octets (RFC 5464).
    MetadataMaxSize(u64),
    /// There are no private notes (RFC 5464).
    MetadataNoPrivate,
    /// There are too many notes (RFC 5464).
    MetadataTooMany,
    /// These messages had changed and were left alone.
    Modified(SequenceSet),
    /// It is not there.
    Nonexistent,
    /// The mailbox keeps no mod-sequences.
    NoModSeq,
    /// This user may not.
    NoPerm,
    /// The search result was not kept.
    NotSaved,
    /// How the result of this search changes is not told (any more).
    NoUpdate(Tag),
    /// The account is full.
    OverQuota,
    /// Nothing more is told without being asked: too much happens (RFC 5465 §5.8).
    NotificationOverflow,
    /// A message could not be read.
    Parse,
    /// Flags that can be changed for good; `true` if new keywords can be made.
    PermanentFlags(FlagSet, bool),
    /// Encrypt first.
    PrivacyRequired,
    /// The mailbox was opened to read only.
    ReadOnly,
    /// The mailbox was opened to read and write.
    ReadWrite,
    /// Our fault.
    ServerBug,
    /// The message is too large.
    TooBig,
    /// Create the mailbox, then try again.
    TryCreate,
    /// The next UID.
    UidNext(Uid),
    /// UIDs do not last here.
    UidNotSticky,
    /// Name messages by UID (RFC 9586 §3).
    UidRequired,
    /// The mailbox's generation.
    UidValidity(UidValidity),
    /// Not now.
    Unavailable,
    /// A transfer encoding we cannot undo.
    UnknownCte,
    /// The sequence number of the first unseen message (RFC 3501).
    Unseen(u32),
    /// No mailbox can be made for this role.
    UseAttr,
    /// A code we do not know, with what stands behind it.
    Other(String, Option<String>),
}

impl Code {
    /// The codes that are one word.
    const WORDS: [(Self, &'static str); 33] = [
        (Self::Alert, "ALERT"),
        (Self::AlreadyExists, "ALREADYEXISTS"),
        (Self::AuthenticationFailed, "AUTHENTICATIONFAILED"),
        (Self::AuthorizationFailed, "AUTHORIZATIONFAILED"),
        (Self::Cannot, "CANNOT"),
        (Self::ClientBug, "CLIENTBUG"),
        (Self::Closed, "CLOSED"),
        (Self::CompressionActive, "COMPRESSIONACTIVE"),
        (Self::ContactAdmin, "CONTACTADMIN"),
        (Self::Corruption, "CORRUPTION"),
        (Self::Expired, "EXPIRED"),
        (Self::ExpungeIssued, "EXPUNGEISSUED"),
        (Self::HasChildren, "HASCHILDREN"),
        (Self::InUse, "INUSE"),
        (Self::Limit, "LIMIT"),
        (Self::Nonexistent, "NONEXISTENT"),
        (Self::NoModSeq, "NOMODSEQ"),
        (Self::NoPerm, "NOPERM"),
        (Self::NotSaved, "NOTSAVED"),
        (Self::NotificationOverflow, "NOTIFICATIONOVERFLOW"),
        (Self::OverQuota, "OVERQUOTA"),
        (Self::Parse, "PARSE"),
        (Self::PrivacyRequired, "PRIVACYREQUIRED"),
        (Self::ReadOnly, "READ-ONLY"),
        (Self::ReadWrite, "READ-WRITE"),
        (Self::ServerBug, "SERVERBUG"),
        (Self::TooBig, "TOOBIG"),
        (Self::TryCreate, "TRYCREATE"),
        (Self::UidNotSticky, "UIDNOTSTICKY"),
        (Self::UidRequired, "UIDREQUIRED"),
        (Self::Unavailable, "UNAVAILABLE"),
        (Self::UnknownCte, "UNKNOWN-CTE"),
        (Self::UseAttr, "USEATTR"),
    ];

    /// Writes the code without its brackets.
    pub fn write(&self, out: &mut BytesMut, names: Names) {
        match self {
            Self::AppendUid(validity, uids) => {
                writing::display(out, format_args!("APPENDUID {validity} {uids}"));
            }
            Self::BadEvent(events) => {
                out.put_slice(b"BADEVENT ");
                writing::list(out, events, |out, event| out.put_slice(event.as_bytes()));
            }
            Self::BadUrl(url) => {
                out.put_slice(b"BADURL \"");
                put_url(out, url);
                out.put_u8(b'"');
            }
            Self::BadCharset(charsets) => {
                out.put_slice(b"BADCHARSET");
                if !charsets.is_empty() {
                    out.put_u8(b' ');
                    writing::list(out, charsets, |out, charset| {
                        writing::astring(out, charset.as_bytes(), names == Names::Utf8);
                    });
                }
            }
            Self::Capability(capabilities) => super::words(out, b"CAPABILITY", capabilities),
            Self::CopyUid(validity, from, to) => {
                writing::display(out, format_args!("COPYUID {validity} {from} {to}"));
            }
            Self::HighestModSeq(modseq) => valued(out, b"HIGHESTMODSEQ ", modseq.0),
            Self::InProgress { tag, done, goal } => in_progress(out, tag.as_ref(), *done, *goal),
            Self::MailboxId(id) => writing::display(out, format_args!("MAILBOXID ({id})")),
            Self::MetadataLongEntries(octets) => valued(out, b"METADATA LONGENTRIES ", *octets),
            Self::MetadataMaxSize(octets) => valued(out, b"METADATA MAXSIZE ", *octets),
            Self::MetadataNoPrivate => out.put_slice(b"METADATA NOPRIVATE"),
            Self::MetadataTooMany => out.put_slice(b"METADATA TOOMANY"),
            Self::Modified(set) => writing::display(out, format_args!("MODIFIED {set}")),
            Self::NoUpdate(tag) => {
                out.put_slice(b"NOUPDATE ");
                writing::string(out, tag.as_str().as_bytes(), false);
            }
            Self::PermanentFlags(flags, star) => {
                out.put_slice(b"PERMANENTFLAGS (");
                write_flags(out, flags);
                if *star {
                    out.put_slice(if flags.is_empty() { b"\\*" } else { b" \\*" });
                }
                out.put_u8(b')');
            }
            Self::UidNext(uid) => valued(out, b"UIDNEXT ", u64::from(uid.value())),
            Self::UidValidity(validity) => {
                valued(out, b"UIDVALIDITY ", u64::from(validity.value()));
            }
            Self::Unseen(seq) => valued(out, b"UNSEEN ", u64::from(*seq)),
            Self::Other(name, None) => out.put_slice(name.as_bytes()),
            Self::Other(name, Some(rest)) => {
                writing::display(out, format_args!("{name} {rest}"));
            }
            word => out.put_slice(word.word().as_bytes()),
        }
    }

    fn word(&self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(code, _)| code == self)
            .map_or("PARSE", |(_, word)| word)
    }
}

/// Reads `[CODE …]`. A code we know that is written otherwise than we know is [`Code::Other`].
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<Code> {
    cursor.expect(b'[', "'['")?;
    let start = cursor.clone();
    if let Some(code) = known(cursor)
        && cursor.eat(b']')
    {
        return Ok(code);
    }
    *cursor = start;
    let name = cursor.atom("a response code")?.to_owned();
    let rest = if cursor.eat(b' ') {
        let rest = cursor.run(|octet| octet != b']');
        Some(String::from_utf8_lossy(rest).into_owned())
    } else {
        None
    };
    cursor.expect(b']', "']'")?;
    Ok(Code::Other(name, rest))
}

fn known(cursor: &mut Cursor<'_>) -> Option<Code> {
    let name = cursor.name();
    let name = name.as_bytes();
    let word = Code::WORDS.iter().find(|(_, word)| word.as_bytes() == name);
    if let Some((code, _)) = word {
        return Some(code.clone());
    }
    if name == b"BADCHARSET" {
        return bad_charset(cursor).ok();
    }
    if name == b"INPROGRESS" {
        return read_in_progress(cursor).ok();
    }
    cursor.space().ok()?;
    valued_code(cursor, name).ok()
}

fn valued_code(cursor: &mut Cursor<'_>, name: &[u8]) -> Read<Code> {
    Ok(match name {
        b"APPENDUID" => {
            let validity = UidValidity(cursor.nz_number()?);
            cursor.space()?;
            Code::AppendUid(validity, uids(cursor)?)
        }
        b"COPYUID" => {
            let validity = UidValidity(cursor.nz_number()?);
            cursor.space()?;
            let from = uids(cursor)?;
            cursor.space()?;
            Code::CopyUid(validity, from, uids(cursor)?)
        }
        b"BADEVENT" => {
            let mut events = Vec::new();
            cursor.list(|cursor| {
                events.push(cursor.atom("an event")?.to_owned());
                Ok(())
            })?;
            Code::BadEvent(events)
        }
        b"BADURL" => bad_url(cursor)?,
        b"CAPABILITY" => Code::Capability(super::read_words(cursor)?),
        b"HIGHESTMODSEQ" => Code::HighestModSeq(cursor.modseq()?),
        b"MAILBOXID" => {
            cursor.open()?;
            let id = object_id(cursor)?;
            cursor.close()?;
            Code::MailboxId(id)
        }
        b"METADATA" => metadata(cursor)?,
        b"MODIFIED" => Code::Modified(cursor.sequence_set()?),
        b"NOUPDATE" => Code::NoUpdate(tag(cursor)?),
        b"PERMANENTFLAGS" => {
            let flags = fetch::flags(cursor)?;
            Code::PermanentFlags(flags.flags, flags.star)
        }
        b"UIDNEXT" => Code::UidNext(Uid(cursor.nz_number()?)),
        b"UIDVALIDITY" => Code::UidValidity(UidValidity(cursor.nz_number()?)),
        b"UNSEEN" => Code::Unseen(cursor.number()?),
        _ => return cursor.error("a code with a value"),
    })
}

// RFC 5464 §5
fn metadata(cursor: &mut Cursor<'_>) -> Read<Code> {
    let at = cursor.position();
    let octets = |cursor: &mut Cursor<'_>| {
        cursor.space()?;
        cursor.number64()
    };
    Ok(match cursor.name().as_bytes() {
        b"LONGENTRIES" => Code::MetadataLongEntries(octets(cursor)?),
        b"MAXSIZE" => Code::MetadataMaxSize(octets(cursor)?),
        b"NOPRIVATE" => Code::MetadataNoPrivate,
        b"TOOMANY" => Code::MetadataTooMany,
        _ => return Cursor::error_at(at, "LONGENTRIES, MAXSIZE, NOPRIVATE or TOOMANY"),
    })
}

fn bad_charset(cursor: &mut Cursor<'_>) -> Read<Code> {
    let mut charsets = Vec::new();
    if cursor.eat(b' ') {
        cursor.list(|cursor| {
            charsets.push(cursor.text("a charset")?);
            Ok(())
        })?;
    }
    Ok(Code::BadCharset(charsets))
}

/// Writes a URL; what a response code cannot hold is written as in a URL.
fn put_url(out: &mut BytesMut, url: &str) {
    for octet in url.bytes() {
        if octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\' | b']') {
            out.put_u8(octet);
        } else {
            writing::display(out, format_args!("%{octet:02X}"));
        }
    }
}

/// Reads a URL, between quotes as in the RFC's examples, or bare as in its grammar.
fn bad_url(cursor: &mut Cursor<'_>) -> Read<Code> {
    let at = cursor.position();
    let url = cursor.run(|octet| octet != b']');
    let bare = url.strip_prefix(b"\"");
    let url = bare
        .and_then(|bare| bare.strip_suffix(b"\""))
        .unwrap_or(url);
    match std::str::from_utf8(url) {
        Ok(url) if !url.is_empty() => Ok(Code::BadUrl(url.to_owned())),
        _ => Cursor::error_at(at, "a URL"),
    }
}

// RFC 9585 §5
fn in_progress(out: &mut BytesMut, tag: Option<&Tag>, done: Option<u32>, goal: Option<u32>) {
    out.put_slice(b"INPROGRESS");
    if tag.is_none() && done.is_none() {
        return;
    }
    out.put_slice(b" (");
    let tag = tag.map(|tag| tag.as_str().as_bytes());
    writing::nstring(out, tag, false);
    // A goal says nothing without what is done.
    for number in [done, goal.filter(|_| done.is_some())] {
        out.put_u8(b' ');
        match number {
            Some(number) => writing::number(out, u64::from(number)),
            None => out.put_slice(b"NIL"),
        }
    }
    out.put_u8(b')');
}

/// What makes no sense is an error: nobody shall count with it.
fn read_in_progress(cursor: &mut Cursor<'_>) -> Read<Code> {
    let (mut tag, mut done, mut goal) = (None, None, None);
    if cursor.eat(b' ') {
        cursor.open()?;
        let at = cursor.position();
        if let Some(text) = cursor.nstring()? {
            tag = std::str::from_utf8(&text).ok().and_then(Tag::new);
            if tag.is_none() {
                return Cursor::error_at(at, "a tag");
            }
        }
        cursor.space()?;
        done = number_or_nil(cursor)?;
        cursor.space()?;
        let at = cursor.position();
        goal = number_or_nil(cursor)?;
        // RFC 9585 §6
        if goal.is_some_and(|goal| done.is_none_or(|done| done >= goal)) {
            return Cursor::error_at(at, "a goal that is not reached");
        }
        cursor.close()?;
    }
    Ok(Code::InProgress { tag, done, goal })
}

fn number_or_nil(cursor: &mut Cursor<'_>) -> Read<Option<u32>> {
    if cursor.eat_word(b"NIL") {
        return Ok(None);
    }
    cursor.number().map(Some)
}

/// A set of UIDs without `*`.
pub(super) fn uids(cursor: &mut Cursor<'_>) -> Read<UidSet> {
    let at = cursor.position();
    let set = cursor.sequence_set()?;
    match set.resolve(Uid::MIN) {
        // `*` has no place here (RFC 9051 §9 `uid-set`).
        Some(uids) if !set.has_star() => Ok(uids),
        _ => Cursor::error_at(at, "a set of UIDs"),
    }
}

fn valued(out: &mut BytesMut, name: &[u8], value: u64) {
    out.put_slice(name);
    writing::number(out, value);
}
