//! FETCH lines (RFC 9051 §7.5.2, RFC 3516, RFC 7162 §3.1.4, RFC 8474 §5, RFC 8514 §4, RFC
//! 8970, RFC 9586 §3.3).

use bytes::{BufMut, Bytes, BytesMut};
use mail::{Flag, FlagSet, ModSeq, SeqNo, Timestamp, Uid};
use message::{Digest, Part, Section, Specifier, StoredOutline};

use super::kinds::PartKinds;
use super::{structure, write_flags};
use crate::command::search::object_id;
use crate::command::section as spec;
use crate::cursor::{Cursor, Read};
use crate::writing;

/// Writes one FETCH line, item by item, so that octets can be spliced in between.
#[derive(Debug)]
#[must_use = "a line must come to its end"]
pub struct FetchLine {
    begun: bool,
}

impl FetchLine {
    /// Writes `* 5 FETCH (`.
    pub fn begin(out: &mut BytesMut, seq: SeqNo) -> Self {
        out.put_slice(b"* ");
        writing::number(out, u64::from(seq.value()));
        out.put_slice(b" FETCH (");
        Self { begun: false }
    }

    /// Writes `* 25 UIDFETCH (`: the message is named by its UID (RFC 9586 §3.3).
    pub fn begin_uid(out: &mut BytesMut, uid: Uid) -> Self {
        out.put_slice(b"* ");
        writing::number(out, u64::from(uid.value()));
        out.put_slice(b" UIDFETCH (");
        Self { begun: false }
    }

    /// True if nothing has been told yet; a line must tell something (RFC 9051 §9 `msg-att`).
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        !self.begun
    }

    /// Writes `)` and CRLF.
    pub fn end(self, out: &mut BytesMut) {
        out.put_slice(b")\r\n");
    }

    /// Writes the flags; `recent` adds `\Recent` (RFC 3501).
    pub fn flags(&mut self, out: &mut BytesMut, flags: &FlagSet, recent: bool) {
        self.name(out, b"FLAGS (");
        write_flags(out, flags);
        if recent {
            out.put_slice(if flags.is_empty() {
                b"\\Recent"
            } else {
                b" \\Recent"
            });
        }
        out.put_u8(b')');
    }

    /// Writes the UID.
    pub fn uid(&mut self, out: &mut BytesMut, uid: Uid) {
        self.name(out, b"UID ");
        writing::number(out, u64::from(uid.value()));
    }

    /// Writes the mod-sequence.
    pub fn modseq(&mut self, out: &mut BytesMut, modseq: ModSeq) {
        self.name(out, b"MODSEQ (");
        writing::number(out, modseq.0);
        out.put_u8(b')');
    }

    /// Writes when it came in.
    pub fn internal_date(&mut self, out: &mut BytesMut, date: Timestamp) {
        self.name(out, b"INTERNALDATE \"");
        writing::display(out, date.to_imap());
        out.put_u8(b'"');
    }

    /// Writes when it came into this mailbox.
    pub fn save_date(&mut self, out: &mut BytesMut, date: Option<Timestamp>) {
        self.name(out, b"SAVEDATE ");
        match date {
            Some(date) => writing::display(out, format_args!("\"{}\"", date.to_imap())),
            None => out.put_slice(b"NIL"),
        }
    }

    /// Writes the message's size in octets.
    pub fn size(&mut self, out: &mut BytesMut, octets: u64) {
        self.name(out, b"RFC822.SIZE ");
        writing::number(out, octets);
    }

    /// Writes the message's identity.
    pub fn email_id(&mut self, out: &mut BytesMut, id: impl std::fmt::Display) {
        self.name(out, b"EMAILID (");
        writing::display(out, id);
        out.put_u8(b')');
    }

    /// Writes the conversation's identity.
    pub fn thread_id<T: std::fmt::Display>(&mut self, out: &mut BytesMut, id: Option<T>) {
        self.name(out, b"THREADID ");
        match id {
            Some(id) => writing::display(out, format_args!("({id})")),
            None => out.put_slice(b"NIL"),
        }
    }

    /// Writes the first words of its text; NIL where they are not at hand.
    pub fn preview(&mut self, out: &mut BytesMut, words: Option<&str>) {
        self.name(out, b"PREVIEW ");
        writing::nstring(out, words.map(str::as_bytes), false);
    }

    /// Writes the header's main fields; false, and nothing, where the outline was read without them
    /// or they cannot be read.
    pub fn envelope(&mut self, out: &mut BytesMut, outline: &StoredOutline) -> bool {
        let digest = outline.digest();
        if let Some(digest) = digest {
            self.name(out, b"ENVELOPE ");
            structure::write_envelope(out, digest);
            return true;
        }
        false
    }

    /// Writes the tree of parts without extension data; false, and nothing, where the outline was
    /// read without them or they cannot be read.
    pub fn body(
        &mut self,
        out: &mut BytesMut,
        outline: &StoredOutline,
        kinds: &mut PartKinds,
    ) -> bool {
        self.tree(out, b"BODY ", outline, (false, kinds))
    }

    /// Writes the tree of parts; false, and nothing, where the outline was read without them or
    /// they cannot be read.
    pub fn body_structure(
        &mut self,
        out: &mut BytesMut,
        outline: &StoredOutline,
        kinds: &mut PartKinds,
    ) -> bool {
        self.tree(out, b"BODYSTRUCTURE ", outline, (true, kinds))
    }

    fn tree(
        &mut self,
        out: &mut BytesMut,
        name: &[u8],
        outline: &StoredOutline,
        (extended, kinds): (bool, &mut PartKinds),
    ) -> bool {
        let Some(mut parts) = outline.parts() else {
            return false;
        };
        let (before, begun) = (out.len(), self.begun);
        self.name(out, name);
        let told = structure::write_body(out, &mut parts, extended, kinds).is_some();
        if !told {
            out.truncate(before);
            self.begun = begun;
        }
        told
    }

    /// Writes how long a part is with its transfer encoding undone.
    pub fn binary_size(&mut self, out: &mut BytesMut, parts: &[u32], octets: u64) {
        self.name(out, b"BINARY.SIZE[");
        part_numbers(out, parts);
        out.put_slice(b"] ");
        writing::number(out, octets);
    }

    /// Writes `BODY[…]<origin> {octets}` and CRLF: so many octets must follow.
    pub fn section(
        &mut self,
        out: &mut BytesMut,
        section: &Section,
        origin: Option<u64>,
        octets: u64,
    ) {
        self.section_name(out, section, origin);
        literal(out, octets);
    }

    /// Writes `BODY[…] NIL`: there is no such part.
    pub fn no_section(&mut self, out: &mut BytesMut, section: &Section, origin: Option<u64>) {
        self.section_name(out, section, origin);
        out.put_slice(b"NIL");
    }

    /// Writes `RFC822 {octets}`, `RFC822.HEADER {octets}` or `RFC822.TEXT {octets}`, after the
    /// specifier (RFC 3501), and CRLF: so many octets must follow.
    pub fn rfc822(&mut self, out: &mut BytesMut, specifier: &Specifier, octets: u64) {
        self.rfc822_name(out, specifier);
        literal(out, octets);
    }

    /// Writes `BINARY[…]<origin> ~{octets}` and CRLF: so many octets must follow.
    ///
    /// Without NUL among them (`nul`) it is a plain literal (RFC 9051 §7.5.2).
    pub fn binary(
        &mut self,
        out: &mut BytesMut,
        parts: &[u32],
        origin: Option<u64>,
        octets: u64,
        nul: bool,
    ) {
        self.binary_name(out, parts, origin);
        if nul {
            out.put_u8(b'~');
        }
        literal(out, octets);
    }

    /// Writes `BINARY[…] NIL`: there is no such part.
    pub fn no_binary(&mut self, out: &mut BytesMut, parts: &[u32], origin: Option<u64>) {
        self.binary_name(out, parts, origin);
        out.put_slice(b"NIL");
    }

    fn section_name(&mut self, out: &mut BytesMut, section: &Section, origin: Option<u64>) {
        self.name(out, b"BODY");
        section_spec(out, section);
        write_origin(out, origin);
    }

    fn rfc822_name(&mut self, out: &mut BytesMut, specifier: &Specifier) {
        self.name(
            out,
            match specifier {
                Specifier::Header => b"RFC822.HEADER ",
                Specifier::Text => b"RFC822.TEXT ",
                _ => b"RFC822 ",
            },
        );
    }

    fn binary_name(&mut self, out: &mut BytesMut, parts: &[u32], origin: Option<u64>) {
        self.name(out, b"BINARY[");
        part_numbers(out, parts);
        out.put_u8(b']');
        write_origin(out, origin);
    }

    fn name(&mut self, out: &mut BytesMut, name: &[u8]) {
        if std::mem::replace(&mut self.begun, true) {
            out.put_u8(b' ');
        }
        out.put_slice(name);
    }
}

/// Writes `[3.2.HEADER.FIELDS (A B)]`, as commands and responses share it.
pub(crate) fn section_spec(out: &mut BytesMut, section: &Section) {
    out.put_u8(b'[');
    part_numbers(out, &section.parts);
    let (name, fields): (&[u8], &[String]) = match &section.specifier {
        Specifier::All => (b"", &[]),
        Specifier::Header => (b"HEADER", &[]),
        Specifier::HeaderFields(fields) => (b"HEADER.FIELDS ", fields),
        Specifier::HeaderFieldsNot(fields) => (b"HEADER.FIELDS.NOT ", fields),
        Specifier::Text => (b"TEXT", &[]),
        Specifier::Mime => (b"MIME", &[]),
    };
    if !name.is_empty() && !section.parts.is_empty() {
        out.put_u8(b'.');
    }
    out.put_slice(name);
    if !fields.is_empty() {
        writing::list(out, fields, |out, field| {
            writing::astring(out, field.as_bytes(), false);
        });
    }
    out.put_u8(b']');
}

/// Writes part numbers with dots between.
pub(crate) fn part_numbers(out: &mut BytesMut, parts: &[u32]) {
    for (index, &part) in parts.iter().enumerate() {
        if index > 0 {
            out.put_u8(b'.');
        }
        writing::number(out, u64::from(part));
    }
}

fn write_origin(out: &mut BytesMut, origin: Option<u64>) {
    if let Some(origin) = origin {
        out.put_u8(b'<');
        writing::number(out, origin);
        out.put_u8(b'>');
    }
    out.put_u8(b' ');
}

fn literal(out: &mut BytesMut, octets: u64) {
    out.put_u8(b'{');
    writing::number(out, octets);
    out.put_slice(b"}\r\n");
}

/// Something a FETCH line told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchData {
    /// The flags; `true` if `\Recent` was among them.
    Flags(FlagSet, bool),
    /// The UID.
    Uid(Uid),
    /// When it came in.
    InternalDate(Timestamp),
    /// When it came into this mailbox.
    SaveDate(Option<Timestamp>),
    /// Its size in octets.
    Size(u64),
    /// Its mod-sequence.
    ModSeq(ModSeq),
    /// Its identity.
    EmailId(String),
    /// Its conversation's identity.
    ThreadId(Option<String>),
    /// The first words of its text; `None` where they were not at hand.
    Preview(Option<String>),
    /// The header's main fields.
    Envelope(Box<Digest>),
    /// The tree of parts without extension data: spans know only lengths of bodies.
    Body(Box<Part>),
    /// The tree of parts: spans know only lengths of bodies.
    BodyStructure(Box<Part>),
    /// Octets of a section; `None` if there is no such part.
    Section {
        /// Which part.
        section: Section,
        /// The octet it begins at, if only some were asked for.
        origin: Option<u64>,
        /// The octets.
        octets: Option<Bytes>,
    },
    /// `RFC822`, `RFC822.HEADER` or `RFC822.TEXT`, after the specifier.
    Rfc822(Specifier, Option<Bytes>),
    /// Octets of a part with its transfer encoding undone.
    Binary {
        /// Which part.
        parts: Vec<u32>,
        /// The octet they begin at, if only some were asked for.
        origin: Option<u64>,
        /// The octets.
        octets: Option<Bytes>,
    },
    /// How long a part is with its transfer encoding undone.
    BinarySize(Vec<u32>, u64),
}

/// Writes the items of a line that has begun, and its end.
pub(super) fn write(mut line: FetchLine, out: &mut BytesMut, data: &[FetchData]) {
    data.iter().for_each(|item| item.write(&mut line, out));
    line.end(out);
}

impl FetchData {
    fn write(&self, line: &mut FetchLine, out: &mut BytesMut) {
        match self {
            Self::Flags(flags, recent) => line.flags(out, flags, *recent),
            Self::Uid(uid) => line.uid(out, *uid),
            Self::InternalDate(date) => line.internal_date(out, *date),
            Self::SaveDate(date) => line.save_date(out, *date),
            Self::Size(octets) => line.size(out, *octets),
            Self::ModSeq(modseq) => line.modseq(out, *modseq),
            Self::EmailId(id) => line.email_id(out, id),
            Self::ThreadId(id) => line.thread_id(out, id.as_ref()),
            Self::Preview(words) => line.preview(out, words.as_deref()),
            Self::Envelope(digest) => {
                line.envelope(out, &StoredOutline::of(digest, &Part::default()));
            }
            Self::Body(root) => {
                let outline = StoredOutline::of(&Digest::default(), root);
                line.body(out, &outline, &mut PartKinds::default());
            }
            Self::BodyStructure(root) => {
                let outline = StoredOutline::of(&Digest::default(), root);
                line.body_structure(out, &outline, &mut PartKinds::default());
            }
            Self::Section {
                section,
                origin,
                octets,
            } => {
                line.section_name(out, section, *origin);
                nstring8(out, octets.as_deref());
            }
            Self::Rfc822(specifier, octets) => {
                line.rfc822_name(out, specifier);
                nstring8(out, octets.as_deref());
            }
            Self::Binary {
                parts,
                origin,
                octets,
            } => {
                line.binary_name(out, parts, *origin);
                if octets.as_deref().is_some_and(|octets| octets.contains(&0)) {
                    out.put_u8(b'~');
                }
                nstring8(out, octets.as_deref());
            }
            Self::BinarySize(parts, octets) => line.binary_size(out, parts, *octets),
        }
    }
}

fn nstring8(out: &mut BytesMut, octets: Option<&[u8]>) {
    match octets {
        Some(octets) => {
            writing::literal_header(out, octets.len());
            out.put_slice(octets);
        }
        None => out.put_slice(b"NIL"),
    }
}

/// What stands in the parentheses of a FETCH line; items we do not know are left out.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<Vec<FetchData>> {
    let mut data = Vec::new();
    cursor.list(|cursor| {
        data.extend(item(cursor)?);
        Ok(())
    })?;
    Ok(data)
}

fn item(cursor: &mut Cursor<'_>) -> Read<Option<FetchData>> {
    let name = cursor.name();
    let name = name.as_bytes();
    if cursor.peek() == Some(b'[') {
        return bracketed(cursor, name).map(Some);
    }
    cursor.space()?;
    Ok(Some(match name {
        b"FLAGS" => {
            let flags = flags(cursor)?;
            FetchData::Flags(flags.flags, flags.recent)
        }
        b"UID" => FetchData::Uid(Uid(cursor.nz_number()?)),
        b"INTERNALDATE" => FetchData::InternalDate(cursor.date_time()?),
        b"SAVEDATE" if cursor.eat_word(b"NIL") => FetchData::SaveDate(None),
        b"SAVEDATE" => FetchData::SaveDate(Some(cursor.date_time()?)),
        b"RFC822.SIZE" => FetchData::Size(cursor.number64()?),
        b"MODSEQ" => {
            cursor.open()?;
            let modseq = cursor.modseq()?;
            cursor.close()?;
            FetchData::ModSeq(modseq)
        }
        b"EMAILID" => FetchData::EmailId(bracketed_id(cursor)?),
        b"THREADID" if cursor.eat_word(b"NIL") => FetchData::ThreadId(None),
        b"THREADID" => FetchData::ThreadId(Some(bracketed_id(cursor)?)),
        b"PREVIEW" => FetchData::Preview(words(cursor)?),
        b"ENVELOPE" => FetchData::Envelope(Box::new(structure::envelope(cursor)?)),
        b"BODY" => FetchData::Body(Box::new(structure::body(cursor)?)),
        b"BODYSTRUCTURE" => FetchData::BodyStructure(Box::new(structure::body(cursor)?)),
        b"RFC822" => FetchData::Rfc822(Specifier::All, octets(cursor)?),
        b"RFC822.HEADER" => FetchData::Rfc822(Specifier::Header, octets(cursor)?),
        b"RFC822.TEXT" => FetchData::Rfc822(Specifier::Text, octets(cursor)?),
        _ => {
            structure::skip(cursor)?;
            return Ok(None);
        }
    }))
}

fn bracketed(cursor: &mut Cursor<'_>, name: &[u8]) -> Read<FetchData> {
    match name {
        b"BODY" => {
            let section = spec::parse(cursor)?;
            let origin = origin(cursor)?;
            Ok(FetchData::Section {
                section,
                origin,
                octets: octets(cursor)?,
            })
        }
        b"BINARY" => {
            let parts = spec::parse_binary(cursor)?;
            let origin = origin(cursor)?;
            Ok(FetchData::Binary {
                parts,
                origin,
                octets: octets(cursor)?,
            })
        }
        b"BINARY.SIZE" => {
            let parts = spec::parse_binary(cursor)?;
            cursor.space()?;
            Ok(FetchData::BinarySize(parts, cursor.number64()?))
        }
        _ => cursor.error("BODY, BINARY or BINARY.SIZE before '['"),
    }
}

fn origin(cursor: &mut Cursor<'_>) -> Read<Option<u64>> {
    let mut origin = None;
    if cursor.eat(b'<') {
        origin = Some(cursor.number64()?);
        cursor.expect(b'>', "'>'")?;
    }
    cursor.space()?;
    Ok(origin)
}

fn octets(cursor: &mut Cursor<'_>) -> Read<Option<Bytes>> {
    if cursor.eat(b'~') {
        let octets = cursor.literal()?;
        return Ok(Some(Bytes::copy_from_slice(octets)));
    }
    let octets = cursor.nstring()?;
    Ok(octets.map(|octets| Bytes::from(octets.into_owned())))
}

fn words(cursor: &mut Cursor<'_>) -> Read<Option<String>> {
    let at = cursor.position();
    let words = cursor.nstring()?;
    words
        .map(|words| crate::cursor::unicode(words, at))
        .transpose()
}

fn bracketed_id(cursor: &mut Cursor<'_>) -> Read<String> {
    cursor.open()?;
    let id = object_id(cursor)?;
    cursor.close()?;
    Ok(id)
}

/// Flags as a server lists them.
#[derive(Debug, Default)]
pub(super) struct Flags {
    pub(super) flags: FlagSet,
    /// `\Recent` was among them.
    pub(super) recent: bool,
    /// `\*` was among them.
    pub(super) star: bool,
}

/// Reads flags in parentheses; system flags we do not know are left out.
pub(super) fn flags(cursor: &mut Cursor<'_>) -> Read<Flags> {
    let mut read = Flags::default();
    cursor.list(|cursor| {
        let at = cursor.position();
        let is_flag = |octet| writing::is_astring_char(octet) || matches!(octet, b'\\' | b'*');
        let flag = cursor.run(is_flag);
        match std::str::from_utf8(flag) {
            Ok("") | Err(_) => return Cursor::error_at(at, "a flag"),
            Ok("\\*") => read.star = true,
            Ok(text) if text.eq_ignore_ascii_case("\\Recent") => read.recent = true,
            Ok(text) => Flag::parse(text)
                .into_iter()
                .for_each(|flag| read.flags.insert(flag)),
        }
        Ok(())
    })?;
    Ok(read)
}
