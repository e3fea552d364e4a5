//! The parts of a message under construction: their headers, encodings and delimiters.

use std::fmt::Write as _;

use super::field::{self, LINE_OCTETS_MAX, Letters};
use super::streamed::Piece;
use crate::leniency::Leniencies;
use crate::{encode_base64, encode_quoted_printable, parameter};

/// What every delimiter begins with; no content has it behind the number that is chosen.
const BOUNDARY: &str = "=_caramel-";
/// Parameters taken of a media type that is given.
const PARAMETERS_MAX: usize = 20;
/// Octets taken of one parameter's value.
const PARAMETER_OCTETS_MAX: usize = 1000;

/// A part.
#[derive(Clone, Debug)]
pub(super) enum Entity {
    /// Octets with a header of ours.
    Leaf { header: String, body: Body },
    /// Header and body as they came.
    AsIs(Vec<u8>),
    /// Parts in parts.
    Multipart {
        /// The subtype, and its parameters as [`field::parameter`] writes them.
        kind: String,
        parts: Vec<Self>,
    },
}

/// The body of a part.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Octets(Vec<u8>),
    /// Base64 of the content that the caller brings later, by its number.
    Later(usize),
}

/// Which octets lines have (RFC 2045 §2.7 to §2.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Domain {
    SevenBit,
    EightBit,
    Binary,
}

impl Domain {
    fn of(octets: &[u8]) -> Self {
        let mut last = 0;
        let mut column = 0_usize;
        let mut domain = Self::SevenBit;
        for &octet in octets {
            let bare = (last == b'\r') != (octet == b'\n');
            column = if octet == b'\n' { 0 } else { column + 1 };
            // The carriage return of a line end is no octet of the line.
            if octet == 0 || bare || column > LINE_OCTETS_MAX + usize::from(octet == b'\r') {
                return Self::Binary;
            }
            if !octet.is_ascii() {
                domain = Self::EightBit;
            }
            last = octet;
        }
        if last == b'\r' { Self::Binary } else { domain }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::SevenBit => "7bit",
            Self::EightBit => "8bit",
            Self::Binary => "binary",
        }
    }
}

/// A text; `parameters` as [`field::parameter`] writes them.
pub(super) fn text(subtype: &str, parameters: &str, text: &str, letters: Letters) -> Entity {
    let body = crlf(text);
    let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
    let control = |octet: &u8| octet.is_ascii_control() && !b"\t\r\n".contains(octet);
    let domain = Domain::of(&body);
    let as_is = match letters {
        Letters::Ascii => domain == Domain::SevenBit,
        Letters::Utf8 => domain <= Domain::EightBit,
    };
    let (encoding, body) = if as_is && !body.iter().any(control) {
        (domain.name(), body)
    } else {
        // Text that is mostly beyond ASCII is no less readable in base64, and far shorter.
        let quoted = encode_quoted_printable(&body);
        let encoded = encode_base64(&body);
        if encoded.len() * 3 < quoted.len() * 2 {
            ("base64", encoded)
        } else {
            ("quoted-printable", quoted)
        }
    };
    let kind = format!("text/{subtype}; charset={charset}{parameters}");
    leaf(&kind, encoding, Body::Octets(body))
}

/// A part of any type: messages as they are (RFC 2046 §5.2.1), all else in base64.
pub(super) fn part(media_type: &str, content: &[u8], letters: Letters) -> Entity {
    let (kind, as_is) = media(media_type, letters);
    if as_is {
        let encoding = Domain::of(content).name();
        return leaf(&kind, encoding, Body::Octets(content.to_vec()));
    }
    leaf(&kind, "base64", Body::Octets(encode_base64(content)))
}

/// The same with a content that comes later.
pub(super) fn part_later(media_type: &str, number: usize, letters: Letters) -> Entity {
    // What comes later is encoded, so that no delimiter is in it; messages may not be.
    let (kind, as_is) = media(media_type, letters);
    let kind = if as_is {
        "application/octet-stream"
    } else {
        &kind
    };
    leaf(kind, "base64", Body::Later(number))
}

fn leaf(kind: &str, encoding: &str, body: Body) -> Entity {
    let mut header = String::new();
    field::push(&mut header, "Content-Type", &[kind.to_owned()]);
    field::push(
        &mut header,
        "Content-Transfer-Encoding",
        &[encoding.to_owned()],
    );
    Entity::Leaf { header, body }
}

/// A media type as it is written, and true if its content may not be encoded; what is no type, or
/// holds parts, is `application/octet-stream`.
fn media(media_type: &str, letters: Letters) -> (String, bool) {
    let mut noted = Leniencies::NONE;
    let read = parameter::media_type_noting(
        media_type.as_bytes(),
        PARAMETERS_MAX,
        PARAMETER_OCTETS_MAX,
        &mut noted,
    );
    let read =
        read.map(|(media, subtype, all)| (field::token(&media), field::token(&subtype), all));
    let read = read.filter(|(media, subtype, _)| {
        !media.is_empty() && !subtype.is_empty() && media != "multipart"
    });
    let Some((media, subtype, parameters)) = read else {
        return ("application/octet-stream".to_owned(), false);
    };
    let mut kind = format!("{media}/{subtype}");
    for one in parameters {
        let name = field::token(&one.name);
        if !name.is_empty() && name == one.name {
            let value = String::from_utf8_lossy(&one.value);
            kind.push_str(&field::parameter(&name, &value, letters));
        }
    }
    let as_is = media == "message" || media == "text" && subtype == "rfc822-headers";
    (kind, as_is)
}

impl Entity {
    /// Adds a field behind those of a leaf.
    pub(super) fn with(mut self, name: &str, words: &[String]) -> Self {
        if let Self::Leaf { header, .. } = &mut self {
            field::push(header, name, words);
        }
        self
    }

    fn domain(&self) -> Domain {
        match self {
            Self::Leaf {
                body: Body::Octets(octets),
                ..
            }
            | Self::AsIs(octets) => Domain::of(octets),
            Self::Leaf { .. } => Domain::SevenBit,
            Self::Multipart { parts, .. } => {
                let domains = parts.iter().map(Self::domain);
                domains.max().unwrap_or(Domain::SevenBit)
            }
        }
    }
}

/// Writes parts as pieces of a message.
#[derive(Debug)]
pub(super) struct Writer {
    serial: u64,
    multiparts: u64,
    letters: Letters,
    octets: Vec<u8>,
    pieces: Vec<Piece>,
}

impl Writer {
    /// Begins a message with its header; the delimiters will be free of what `root` contains.
    pub(super) fn new(header: String, root: &Entity, letters: Letters) -> Self {
        Self {
            serial: free_serial(root),
            multiparts: 0,
            letters,
            octets: header.into_bytes(),
            pieces: Vec::new(),
        }
    }

    /// Writes one part and all inside it.
    pub(super) fn write(&mut self, entity: Entity) {
        match entity {
            Entity::Leaf { header, body } => {
                self.octets.extend_from_slice(header.as_bytes());
                self.octets.extend_from_slice(b"\r\n");
                match body {
                    Body::Octets(octets) => self.octets.extend_from_slice(&octets),
                    Body::Later(number) => {
                        let before = std::mem::take(&mut self.octets);
                        self.pieces.push(Piece::Octets(before));
                        self.pieces.push(Piece::Content(number));
                    }
                }
            }
            Entity::AsIs(octets) => self.octets.extend_from_slice(&octets),
            Entity::Multipart { .. } => self.multipart(entity),
        }
    }

    fn multipart(&mut self, entity: Entity) {
        let domain = entity.domain();
        let Entity::Multipart { kind, parts } = entity else {
            return;
        };
        let boundary = format!("{BOUNDARY}{}-{}", self.serial, self.multiparts);
        self.multiparts += 1;
        let mut header = String::new();
        let boundary_parameter = field::parameter("boundary", &boundary, self.letters);
        let kind = format!("multipart/{kind}{boundary_parameter}");
        field::push(&mut header, "Content-Type", &[kind]);
        // RFC 2045 §6.4
        if domain > Domain::SevenBit {
            let encoding = domain.name().to_owned();
            field::push(&mut header, "Content-Transfer-Encoding", &[encoding]);
        }
        // Writing into a string never fails.
        let _written = write!(header, "\r\n");
        self.octets.extend_from_slice(header.as_bytes());
        for part in parts {
            let delimiter = format!("--{boundary}\r\n");
            self.octets.extend_from_slice(delimiter.as_bytes());
            self.write(part);
            self.octets.extend_from_slice(b"\r\n");
        }
        let delimiter = format!("--{boundary}--\r\n");
        self.octets.extend_from_slice(delimiter.as_bytes());
    }

    /// All pieces in order.
    pub(super) fn finish(mut self) -> Vec<Piece> {
        self.pieces.push(Piece::Octets(self.octets));
        self.pieces
    }
}

/// A number such that no content holds a boundary made with it.
fn free_serial(entity: &Entity) -> u64 {
    match entity {
        Entity::Leaf {
            body: Body::Octets(octets),
            ..
        }
        | Entity::AsIs(octets) => behind_serials(octets),
        // Base64 holds none.
        Entity::Leaf { .. } => 0,
        Entity::Multipart { parts, .. } => {
            let serials = parts.iter().map(free_serial);
            serials.max().unwrap_or_default()
        }
    }
}

fn behind_serials(octets: &[u8]) -> u64 {
    let mut free = 0;
    for at in memchr::memmem::find_iter(octets, BOUNDARY.as_bytes()) {
        let digits = octets.get(at + BOUNDARY.len()..).unwrap_or_default();
        let digits = digits
            .iter()
            .take(18)
            .take_while(|octet| octet.is_ascii_digit());
        let number = digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        free = free.max(number + 1);
    }
    free
}

/// Line ends made CRLF, whichever they were.
pub(super) fn crlf(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len() + 64);
    let mut last = 0;
    for octet in text.bytes() {
        match octet {
            b'\n' if last == b'\r' => {}
            b'\r' | b'\n' => octets.extend_from_slice(b"\r\n"),
            _ => octets.push(octet),
        }
        last = octet;
    }
    octets
}
