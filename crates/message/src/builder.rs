//! Puts a message together: for user agents, reports, notices, samples.
//!
//! Whatever it is given, what comes out is lines of ASCII (but for addresses that need SMTPUTF8,
//! and for [`Builder::utf8`]) that read back as what was put in; no text can become a field. The
//! same calls give the same octets. The caller brings date and identifier, for nothing here knows
//! the time or chance.
//!
//! What was read can go into a new message octet by octet, so that signatures hold:
//! [`Builder::enclose`] a message, [`Builder::as_is`] a part, [`Builder::in_front_of`] a message
//! that only gets fields.

use mail::{Address, Timestamp};

use crate::address::Correspondent;
use crate::flowed::{self, Paragraph};
use crate::header::Header;
use crate::thread::references;

mod entity;
mod field;
mod report;
mod streamed;

use entity::{Entity, Writer};
use field::Letters;
pub use field::NAME_OCTETS_MAX;
pub use streamed::{Encoder, Piece};

/// Identifiers that References has at most: the first and the latest.
const REFERENCES_MAX: usize = 100;

/// A message under construction.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    letters: Letters,
    header: String,
    text: Option<Entity>,
    html: Option<Entity>,
    pictures: Vec<Entity>,
    parts: Vec<Entity>,
    contents: usize,
    report: Option<String>,
}

impl Builder {
    /// An empty message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty message for servers with SMTPUTF8: texts stand in UTF-8 (RFC 6532), bodies as
    /// 8bit where their lines allow.
    #[must_use]
    pub fn utf8() -> Self {
        Self {
            letters: Letters::Utf8,
            ..Self::default()
        }
    }

    /// Adds Date.
    #[must_use]
    pub fn date(self, date: Timestamp) -> Self {
        self.words("Date", &[date.to_rfc5322().to_string()])
    }

    /// Adds Message-ID; the identifier comes without angle brackets.
    #[must_use]
    pub fn message_id(self, id: &str) -> Self {
        self.ids("Message-ID", &[id])
    }

    /// Adds a list of message identifiers: In-Reply-To, References. One that is none, or that no
    /// line can hold, is left out.
    #[must_use]
    pub fn ids(self, name: &str, ids: &[&str]) -> Self {
        let words = field::ids(ids);
        self.words(name, &words)
    }

    /// Adds From; an empty name is left out.
    #[must_use]
    pub fn from(self, name: &str, address: &Address) -> Self {
        self.addresses("From", &[(name, address)])
    }

    /// Adds To; an empty name is left out.
    #[must_use]
    pub fn to(self, name: &str, address: &Address) -> Self {
        self.addresses("To", &[(name, address)])
    }

    /// Adds an address list: names (empty ones are left out) and addresses; nothing if it is
    /// empty.
    #[must_use]
    pub fn addresses(self, field: &str, list: &[(&str, &Address)]) -> Self {
        let words = field::addresses(field, list, self.letters);
        self.words(field, &words)
    }

    /// Adds an address list as it was read, groups and all (RFC 5322 §3.4): names are decoded and
    /// written anew. Entries without an address are left out; a group without a name is written
    /// as a list.
    #[must_use]
    pub fn correspondents(self, field: &str, list: &[Correspondent]) -> Self {
        let words = field::correspondents(field, list, self.letters);
        self.words(field, &words)
    }

    /// Adds Subject.
    #[must_use]
    pub fn subject(self, subject: &str) -> Self {
        self.field("Subject", subject)
    }

    /// Adds any unstructured field. A name that is none adds nothing, nor does one of those that
    /// say what the body is (MIME-Version, Content-Type, …): the builder writes them.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        let name = field::name(name);
        let lower = name.to_ascii_lowercase();
        if lower != "mime-version" && !lower.starts_with("content-") {
            let words = field::unstructured(&name, value, self.letters);
            field::push(&mut self.header, &name, &words);
        }
        self
    }

    /// Makes it an answer to the message with this header: In-Reply-To and References (RFC 5322
    /// §3.6.4). Its subject is [`answer_subject`](crate::answer_subject), unless it has its own.
    #[must_use]
    pub fn answering(self, header: &[u8]) -> Self {
        let ids_of =
            |name| Header::first(header, name).map(|field| crate::message_ids(field.value));
        let id = ids_of("Message-ID").and_then(|ids| ids.into_iter().next());
        let mut thread = references(header);
        thread.retain(|one| Some(one) != id.as_ref());
        thread.extend(id.clone());
        // The first one is the thread's root; of long threads the middle is left out.
        let surplus = thread.len().saturating_sub(REFERENCES_MAX);
        thread.drain(1.min(thread.len())..(1 + surplus).min(thread.len()));
        let text = |id: &Vec<u8>| String::from_utf8_lossy(id).into_owned();
        let (id, thread): (Vec<String>, Vec<String>) = (
            id.iter().map(text).collect(),
            thread.iter().map(text).collect(),
        );
        let refer = |ids: &[String], name, builder: Self| {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            builder.ids(name, &ids)
        };
        let builder = refer(&id, "In-Reply-To", self);
        refer(&thread, "References", builder)
    }

    /// Sets the plain text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.text = Some(entity::text("plain", "", text, self.letters));
        self
    }

    /// Sets the plain text as paragraphs that may be wrapped anew (RFC 3676).
    #[must_use]
    pub fn flowed(mut self, paragraphs: &[Paragraph]) -> Self {
        let text = flowed::write(paragraphs);
        // RFC 3676 §4
        let entity = entity::text("plain", "; format=flowed", &text, self.letters);
        self.text = Some(entity);
        self
    }

    /// Sets the same as HTML.
    #[must_use]
    pub fn html(mut self, html: &str) -> Self {
        self.html = Some(entity::text("html", "", html, self.letters));
        self
    }

    /// Adds a picture that the HTML shows as `cid:id` (RFC 2387, RFC 2392).
    #[must_use]
    pub fn picture(mut self, id: &str, media_type: &str, content: &[u8]) -> Self {
        let picture = entity::part(media_type, content, self.letters);
        let picture = picture.with("Content-Disposition", &["inline".to_owned()]);
        let ids = field::ids(&[id]);
        self.pictures.push(if ids.is_empty() {
            picture
        } else {
            picture.with("Content-ID", &ids)
        });
        self
    }

    /// Adds a file. The media type may have parameters; one that is none becomes
    /// `application/octet-stream`.
    #[must_use]
    pub fn attach(mut self, filename: &str, media_type: &str, content: &[u8]) -> Self {
        let part = entity::part(media_type, content, self.letters);
        let part = part.with("Content-Disposition", &[self.attachment(filename)]);
        self.parts.push(part);
        self
    }

    /// Adds a file whose content comes later: [`Builder::pieces`] names it by its number, counted
    /// from 0. It may be of any length, for nobody holds it.
    #[must_use]
    pub fn attach_later(mut self, filename: &str, media_type: &str) -> Self {
        let part = entity::part_later(media_type, self.contents, self.letters);
        let part = part.with("Content-Disposition", &[self.attachment(filename)]);
        self.contents += 1;
        self.parts.push(part);
        self
    }

    /// Adds a part without a name: a report's status, a calendar entry.
    #[must_use]
    pub fn part(mut self, media_type: &str, content: &[u8]) -> Self {
        self.parts
            .push(entity::part(media_type, content, self.letters));
        self
    }

    /// Encloses a message, octet by octet (RFC 2046 §5.2.1; RFC 6532 §3.7 where its header is in
    /// UTF-8).
    #[must_use]
    pub fn enclose(self, message: &[u8]) -> Self {
        let kind = match is_utf8(header_of(message)) {
            true => "message/global",
            false => "message/rfc822",
        };
        self.part(kind, message)
    }

    /// Adds a part that was read somewhere, header and body octet by octet: a signed one stays
    /// signed. It begins with its first field, or with the blank line if it has none.
    #[must_use]
    pub fn as_is(mut self, part: &[u8]) -> Self {
        self.parts.push(Entity::AsIs(part.to_vec()));
        self
    }

    /// Makes the message a `multipart/report` of this type (RFC 6522): `delivery-status`. Text,
    /// report and returned message follow in this order.
    #[must_use]
    pub fn report(mut self, report_type: &str) -> Self {
        self.report = Some(field::token(report_type));
        self
    }

    /// Writes the message, its lines ended by CRLF; contents that come later are empty.
    #[must_use]
    pub fn build(self) -> Vec<u8> {
        let mut message = Vec::new();
        for piece in self.pieces() {
            match piece {
                Piece::Octets(octets) if message.is_empty() => message = octets,
                Piece::Octets(octets) => message.extend_from_slice(&octets),
                Piece::Content(_) => {}
            }
        }
        message
    }

    /// Writes the message in pieces, between which the caller puts the contents that come later.
    ///
    /// ```
    /// use message::builder::{Builder, Encoder, Piece};
    ///
    /// let mut message = Vec::new();
    /// for piece in Builder::new().attach_later("film.mp4", "video/mp4").pieces() {
    ///     match piece {
    ///         Piece::Octets(octets) => message.extend_from_slice(&octets),
    ///         Piece::Content(_) => {
    ///             let mut encoder = Encoder::new();
    ///             for chunk in [&b"as it is "[..], b"read"] {
    ///                 encoder.push(chunk, &mut message);
    ///             }
    ///             encoder.finish(&mut message);
    ///         }
    ///     }
    /// }
    /// let whole = Builder::new().attach("film.mp4", "video/mp4", b"as it is read").build();
    /// assert_eq!(message, whole);
    /// ```
    #[must_use]
    pub fn pieces(self) -> Vec<Piece> {
        let Self {
            letters,
            mut header,
            text,
            html,
            pictures,
            mut parts,
            report,
            ..
        } = self;
        let (html, loose) = related(html, pictures);
        let mut texts: Vec<Entity> = text.into_iter().chain(html).collect();
        parts.splice(0..0, loose);
        if texts.is_empty() && parts.is_empty() {
            texts.push(entity::text("plain", "", "", letters));
        }
        let body = match texts.len() {
            0 | 1 => texts.pop(),
            _ => Some(multipart("alternative", texts)),
        };
        parts.splice(0..0, body);
        let root = match (report, parts.pop()) {
            (None, Some(only)) if parts.is_empty() && !matches!(only, Entity::AsIs(_)) => only,
            (report, last) => {
                parts.extend(last);
                let kind = report.map(|kind| {
                    let kind = field::parameter("report-type", &kind, letters);
                    format!("report{kind}")
                });
                multipart(kind.as_deref().unwrap_or("mixed"), parts)
            }
        };
        header.push_str("MIME-Version: 1.0\r\n");
        let mut writer = Writer::new(header, &root, letters);
        writer.write(root);
        writer.finish()
    }

    /// Puts the fields in front of a message that stays as it is, octet by octet; bodies that were
    /// given are left out.
    #[must_use]
    pub fn in_front_of(self, message: &[u8]) -> Vec<u8> {
        let mut whole = self.header.into_bytes();
        whole.extend_from_slice(message);
        whole
    }

    fn attachment(&self, filename: &str) -> String {
        let filename = field::parameter("filename", filename, self.letters);
        format!("attachment{filename}")
    }

    fn words(mut self, name: &str, words: &[String]) -> Self {
        if !words.is_empty() {
            field::push(&mut self.header, name, words);
        }
        self
    }
}

fn multipart(kind: &str, parts: Vec<Entity>) -> Entity {
    let kind = kind.to_owned();
    Entity::Multipart { kind, parts }
}

/// HTML with its pictures, or the pictures alone where there is no HTML to show them.
// RFC 2387 §3
fn related(html: Option<Entity>, mut pictures: Vec<Entity>) -> (Option<Entity>, Vec<Entity>) {
    match html {
        Some(html) if !pictures.is_empty() => {
            pictures.insert(0, html);
            let kind = "related;\r\n type=\"text/html\"";
            (Some(multipart(kind, pictures)), Vec::new())
        }
        html => (html, pictures),
    }
}

/// The header of a message, with its blank line.
fn header_of(message: &[u8]) -> &[u8] {
    let mut header = Header::parse(message);
    header.by_ref().for_each(drop);
    let end = header.offset() + header.blank_line().len();
    message.get(..end).unwrap_or(message)
}

/// True for a header that is beyond ASCII as RFC 6532 has it.
fn is_utf8(header: &[u8]) -> bool {
    !header.is_ascii() && std::str::from_utf8(header).is_ok()
}
