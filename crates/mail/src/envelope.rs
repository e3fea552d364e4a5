//! SMTP's envelope: where a message comes from and where it goes (RFC 5321 §2.3.1, RFC 3461).

use crate::{ForwardPath, ReversePath};

/// What the body is made of (RFC 6152, RFC 3030).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BodyType {
    /// Lines of 7-bit characters.
    #[default]
    SevenBit,
    /// Lines of octets.
    EightBitMime,
    /// Octets; only with BDAT.
    BinaryMime,
}

/// How much of the message a delivery report returns (RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ret {
    /// All of it.
    Full,
    /// The header section only.
    Headers,
}

/// When a recipient's fate is reported (RFC 3461 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notify {
    /// Never.
    Never,
    /// On the events that are true; none true cannot be written on the wire.
    On {
        /// It was delivered.
        success: bool,
        /// It cannot be delivered.
        failure: bool,
        /// It waits longer than usual.
        delay: bool,
    },
}

/// What the sender wants of TLS on a letter's way (RFC 8689).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsWish {
    /// What the domains on its way want.
    #[default]
    Usual,
    /// That it goes to nobody who is not known for sure, and passes this wish on (REQUIRETLS).
    Required,
    /// That it arrives, whatever those domains want (`TLS-Required: No`).
    Waived,
}

/// One recipient with what was asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Where it goes.
    pub forward_path: ForwardPath,
    /// When to report; `None` where the sender did not say.
    pub notify: Option<Notify>,
    /// The original recipient, `type;xtext` decoded to `type;text` (RFC 3461 §4.2).
    pub orcpt: Option<String>,
}

/// Where a message comes from and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Who hears of failures.
    pub reverse_path: ReversePath,
    /// Who receives it; never empty when a message is accepted.
    pub recipients: Vec<Recipient>,
    /// What the body is made of.
    pub body: BodyType,
    /// True if addresses or header fields may be in UTF-8 (RFC 6531).
    pub smtputf8: bool,
    /// How much a report returns.
    pub ret: Option<Ret>,
    /// The sender's name for this envelope, decoded (RFC 3461 §4.4).
    pub envid: Option<String>,
    /// What the sender wants of TLS.
    pub tls: TlsWish,
}
