//! A message as JMAP shows it: body parts, which of them are the text, which are attachments, and
//! a preview (RFC 8621 §4.1.4).
//!
//! All of it is read from an outline and the message's octets; nothing is stored. Not here: names
//! of properties, identifiers of blobs, JSON. Header fields in their forms are in [`forms`].

use std::borrow::Cow;

use crate::decode::decode_part;
use crate::enclosed::{Enclosed, enclosed};
use crate::leniency::{Leniencies, Leniency};
use crate::part::{Content, Part};
use crate::text::decode_text;

pub mod forms;
mod preview;
mod reading;

pub use self::preview::{PREVIEW_CHARACTERS_MAX, preview, preview_of, preview_spans};

/// One part as JMAP sees it: messages inside are not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyPart<'a> {
    /// What the outline says of it.
    pub part: &'a Part,
    numbers: Vec<u32>,
}

impl<'a> BodyPart<'a> {
    /// The whole message's body: `bodyStructure`.
    #[must_use]
    pub fn root(root: &'a Part) -> Self {
        let numbers = match root.content {
            Content::Multipart(_) => Vec::new(),
            Content::Leaf | Content::Message(_) => vec![1],
        };
        Self {
            part: root,
            numbers,
        }
    }

    /// The parts of a multipart, `subParts`; none of anything else.
    #[must_use]
    pub fn sub_parts(&self) -> Vec<Self> {
        let Content::Multipart(parts) = &self.part.content else {
            return Vec::new();
        };
        let numbered = (1..).zip(parts);
        let below = numbered.map(|(number, part)| {
            let mut numbers = self.numbers.clone();
            numbers.push(number);
            Self { part, numbers }
        });
        below.collect()
    }

    /// IMAP's numbers of the part, from the outside in; none for a multipart at the root.
    #[must_use]
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// `partId`: IMAP's part number, `2.1`; `None` for a multipart.
    #[must_use]
    pub fn part_id(&self) -> Option<String> {
        // RFC 8621 §4.1.4
        if self.is_multipart() {
            return None;
        }
        let numbers: Vec<String> = self.numbers.iter().map(u32::to_string).collect();
        Some(numbers.join("."))
    }

    /// `type`: the media type in lower case, without parameters.
    #[must_use]
    pub fn media_type(&self) -> String {
        format!("{}/{}", self.part.media, self.part.subtype)
    }

    /// `name`: a file's name; `None` where it is empty.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.part.filename().filter(|name| !name.is_empty())
    }

    /// `charset`: as the part says it; `us-ascii` for a text that says none.
    #[must_use]
    pub fn charset(&self) -> Option<String> {
        let implied = || (self.part.media == "text").then(|| "us-ascii".to_owned());
        self.part.parameter("charset").or_else(implied)
    }

    /// `disposition`, in lower case.
    #[must_use]
    pub fn disposition(&self) -> Option<&'a str> {
        let disposition = self.part.disposition.as_ref();
        disposition.map(|disposition| disposition.kind.as_str())
    }

    /// `cid`: the Content-ID without its angle brackets.
    #[must_use]
    pub fn cid(&self) -> Option<String> {
        let id = self.part.id.as_deref()?;
        let bare = crate::ids::message_ids(id).into_iter().next();
        let bare = bare.as_deref().unwrap_or(id);
        Some(String::from_utf8_lossy(bare).trim().to_owned())
    }

    /// `size`: octets behind the transfer encoding; of a multipart, and of what is encoded in an
    /// unknown way, as they stand.
    #[must_use]
    pub fn size(&self, message: &[u8]) -> u64 {
        let size = self.octets(message).len();
        u64::try_from(size).unwrap_or(u64::MAX)
    }

    /// The part's content: its octets behind the transfer encoding.
    #[must_use]
    pub fn octets<'m>(&self, message: &'m [u8]) -> Cow<'m, [u8]> {
        decode_part(self.part, message).octets
    }

    /// `bodyValues`: the text of a `text/*` part with LF line ends, of at most so many octets.
    #[must_use]
    pub fn value(&self, message: &[u8], octets_max: usize) -> BodyValue {
        let mut leniencies = Leniencies::NONE;
        let text = decode_text(self.part, message, &mut leniencies);
        let mut value = text.replace("\r\n", "\n");
        let is_truncated = value.len() > octets_max;
        if is_truncated {
            // RFC 8621 §4.2
            value.truncate(value.floor_char_boundary(octets_max));
            if self.part.is("text", "html")
                && let Some(open) = memchr::memrchr2(b'<', b'>', value.as_bytes())
                && value.as_bytes().get(open) == Some(&b'<')
            {
                value.truncate(open);
            }
        }
        let problems = [
            Leniency::CharsetBroken,
            Leniency::CharsetUnknown,
            Leniency::EncodingUnknown,
        ];
        BodyValue {
            value,
            is_encoding_problem: problems.into_iter().any(|one| leniencies.has(one)),
            is_truncated,
        }
    }

    fn is_multipart(&self) -> bool {
        matches!(self.part.content, Content::Multipart(_))
    }

    fn is_media(&self) -> bool {
        matches!(self.part.media.as_str(), "image" | "audio" | "video")
    }

    /// True for what may be shown in a row with the text.
    fn is_inline(&self, first: bool, related: bool) -> bool {
        let shown = self.part.is("text", "plain") || self.part.is("text", "html");
        self.disposition() != Some("attachment")
            && (shown || self.is_media())
            && (first || !related && (self.is_media() || self.name().is_none()))
    }
}

/// The text of a part, `EmailBodyValue`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyValue {
    /// The text.
    pub value: String,
    /// True if some of it could not be read as it was labelled.
    pub is_encoding_problem: bool,
    /// True if it goes on.
    pub is_truncated: bool,
}

/// A message's parts sorted into what is shown and what is attached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bodies<'a> {
    /// `textBody`: to be shown one after the other, plain text where there is a choice.
    pub text: Vec<BodyPart<'a>>,
    /// `htmlBody`: the same, HTML where there is a choice.
    pub html: Vec<BodyPart<'a>>,
    /// `attachments`.
    pub attachments: Vec<BodyPart<'a>>,
}

impl<'a> Bodies<'a> {
    /// Sorts a message's parts by the algorithm of RFC 8621 §4.1.4.
    #[must_use]
    pub fn of(root: &'a Part) -> Self {
        let mut sorting = Sorting {
            bodies: Self::default(),
        };
        sorting.sort(vec![BodyPart::root(root)], "mixed", false, Lists::BOTH);
        sorting.bodies
    }

    /// `hasAttachment`: true if there is something to download: an attachment that is neither
    /// shown inline, nor a picture its HTML shows, nor a signature; or a file in the midst of a
    /// text.
    #[must_use]
    pub fn has_attachment(&self, message: &[u8]) -> bool {
        let downloadable = |part: &BodyPart<'_>| {
            let shown = part.is_media() && part.part.id.is_some();
            let signature = part.part.media == "application"
                && matches!(
                    part.part.subtype.as_str(),
                    "pkcs7-signature" | "x-pkcs7-signature" | "pgp-signature"
                );
            match part.disposition() {
                Some("inline") => false,
                Some("attachment") => !signature,
                _ => !shown && !signature,
            }
        };
        self.attachments.iter().any(downloadable) || !self.enclosed(message).is_empty()
    }

    /// Files in the midst of shown texts and inside attached TNEF, each with the part they are in.
    #[must_use]
    pub fn enclosed(&self, message: &[u8]) -> Vec<(&BodyPart<'a>, Enclosed)> {
        let mut all = Vec::new();
        for part in self.text.iter().chain(&self.attachments) {
            let (files, _) = enclosed(part.part, message);
            all.extend(files.into_iter().map(|file| (part, file)));
        }
        all
    }
}

/// Which lists a part goes to: inside an alternative, a branch that turns out to be plain is not
/// for HTML's readers, and the other way round.
#[derive(Clone, Copy, Debug)]
struct Lists {
    text: bool,
    html: bool,
}

impl Lists {
    const BOTH: Self = Self {
        text: true,
        html: true,
    };
}

struct Sorting<'a> {
    bodies: Bodies<'a>,
}

impl<'a> Sorting<'a> {
    /// Sorts the parts of one multipart; nesting is bounded by the outline's.
    // RFC 8621 §4.1.4
    fn sort(
        &mut self,
        parts: Vec<BodyPart<'a>>,
        multipart: &str,
        in_alternative: bool,
        mut lists: Lists,
    ) {
        let alternative = multipart == "alternative";
        let (text_len, html_len) = (self.bodies.text.len(), self.bodies.html.len());
        for (index, part) in parts.into_iter().enumerate() {
            if part.is_multipart() {
                let kind = part.part.subtype.as_str();
                let within = in_alternative || kind == "alternative";
                self.sort(part.sub_parts(), kind, within, lists);
                continue;
            }
            if !part.is_inline(index == 0, multipart == "related") {
                self.bodies.attachments.push(part);
                continue;
            }
            let (plain, html) = (part.part.is("text", "plain"), part.part.is("text", "html"));
            if alternative {
                let list = match (plain, html) {
                    (true, _) if lists.text => &mut self.bodies.text,
                    (_, true) if lists.html => &mut self.bodies.html,
                    _ => &mut self.bodies.attachments,
                };
                list.push(part);
                continue;
            }
            if in_alternative {
                lists.html &= !plain;
                lists.text &= !html;
            }
            // A branch of both kinds is for neither reader; its later parts would be lost.
            let lost = !lists.text && !lists.html;
            if lost || part.is_media() && !(lists.text && lists.html) {
                self.bodies.attachments.push(part.clone());
            }
            if lists.text {
                self.bodies.text.push(part.clone());
            }
            if lists.html {
                self.bodies.html.push(part);
            }
        }
        if alternative && lists.text && lists.html {
            let Bodies { text, html, .. } = &mut self.bodies;
            match (text.len() > text_len, html.len() > html_len) {
                (false, true) => text.extend(html.iter().skip(html_len).cloned()),
                (true, false) => html.extend(text.iter().skip(text_len).cloned()),
                _ => {}
            }
        }
    }
}
