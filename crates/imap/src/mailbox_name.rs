//! Names of mailboxes: INBOX's case, and the two ways the wire writes what is not ASCII.
//!
//! Not here: hierarchy and what a name may be; the post decides that.
//!
//! RFC 9051 §5.1, RFC 3501 §5.1.3 (modified UTF-7), RFC 6855 §3 (UTF-8 in quoted strings).

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::BytesMut;

use crate::writing;

/// Base64 with `,` for `/` and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// How names stand on the wire: a connection that enabled IMAP4rev2 or UTF8=ACCEPT uses UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// Modified UTF-7 (RFC 3501 §5.1.3).
    #[default]
    Utf7,
    /// UTF-8 as it is (RFC 9051 §5.1).
    Utf8,
}

impl Names {
    /// Writes a name or a pattern for the wire.
    #[must_use]
    pub fn encode(self, name: &str) -> Cow<'_, str> {
        let bare = |letter: char| matches!(letter, ' '..='~') && letter != '&';
        if self == Self::Utf8 || name.chars().all(bare) {
            return Cow::Borrowed(name);
        }
        let mut wire = String::with_capacity(name.len() + 8);
        let mut rest = name;
        while let Some(letter) = rest.chars().next() {
            let plain = rest.find(|letter| !bare(letter)).unwrap_or(rest.len());
            if plain > 0 {
                let (run, behind) = rest.split_at(plain);
                wire.push_str(run);
                rest = behind;
            } else if letter == '&' {
                wire.push_str("&-");
                rest = rest.get(1..).unwrap_or_default();
            } else {
                let end = rest
                    .find(|letter| bare(letter) || letter == '&')
                    .unwrap_or(rest.len());
                let (run, behind) = rest.split_at(end);
                let utf16: Vec<u8> = run.encode_utf16().flat_map(u16::to_be_bytes).collect();
                wire.push('&');
                BASE64.encode_string(utf16, &mut wire);
                wire.push('-');
                rest = behind;
            }
        }
        Cow::Owned(wire)
    }

    /// Reads a name or a pattern from the wire; `None` where it is not written as it should be.
    ///
    /// UTF-8 is read in either way of writing: a client that sends it can only mean that.
    #[must_use]
    pub fn decode(self, wire: &str) -> Option<Cow<'_, str>> {
        if self == Self::Utf8 || !wire.contains('&') {
            return Some(Cow::Borrowed(wire));
        }
        let mut name = String::with_capacity(wire.len());
        let mut rest = wire;
        while let Some((plain, shifted)) = rest.split_once('&') {
            name.push_str(plain);
            let (base64, behind) = shifted.split_once('-')?;
            if base64.is_empty() {
                name.push('&');
            } else {
                name.push_str(&utf16(base64)?);
            }
            rest = behind;
        }
        name.push_str(rest);
        // One spelling for each name, else two wires would name one mailbox (RFC 3501 §5.1.3).
        (self.encode(&name) == wire || !wire.is_ascii()).then_some(Cow::Owned(name))
    }
}

fn utf16(base64: &str) -> Option<String> {
    let octets = BASE64.decode(base64).ok()?;
    let (units, odd) = octets.as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
    char::decode_utf16(units).collect::<Result<_, _>>().ok()
}

/// A mailbox's name in Unicode; every spelling of INBOX is `INBOX`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(String);

impl MailboxName {
    /// Takes a name in Unicode.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        // RFC 9051 §5.1
        if name.eq_ignore_ascii_case("INBOX") {
            return Self("INBOX".to_owned());
        }
        Self(name)
    }

    /// The name in Unicode.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a name from the wire; `None` where it is not written as it should be.
    #[must_use]
    pub fn from_wire(wire: &str, names: Names) -> Option<Self> {
        names.decode(wire).map(Self::new)
    }

    /// Writes the name as an astring.
    pub fn write(&self, out: &mut BytesMut, names: Names) {
        let wire = names.encode(&self.0);
        writing::astring(out, wire.as_bytes(), names == Names::Utf8);
    }

    /// True if it is the inbox.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        self.0 == "INBOX"
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
