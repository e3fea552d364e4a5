//! A message in lines of ASCII only, for hosts that take no other (RFC 6152 §3, RFC 3030 §3).
//!
//! Bodies that are not fit are written in quoted-printable or base64, whichever is shorter;
//! everything else stays as it is, octet for octet, but for the field that says so. A message is
//! read twice, piece by piece ([`Scanner`], then [`Survey`]), and then written step by step: no
//! body is ever in memory.
//!
//! Not here: what stands in header fields beyond ASCII is not written anew, nor is anything that
//! somebody has signed (RFC 1847 §2.1): such a message has no such form.
//!
//! RFC 2045 §6 (encodings), RFC 2046 §5.1 and §5.2 (what has parts is not encoded itself), RFC 1428
//! §3 (text of which nobody says what it is).

mod plan;
mod recoder;
mod survey;

pub use recoder::Recoder;
pub use survey::Survey;

use crate::decode::Encoding;
use crate::outline::Limits;
use crate::part::Span;
use crate::scanner::Scanner;

/// Octets of a line without its line end (RFC 5321 §4.5.3.1.6).
const LINE_OCTETS_MAX: usize = 998;
/// Octets of all headers of a message that are held.
const HEADERS_OCTETS_MAX: usize = 1024 * 1024;

/// Why a message has no form in lines of ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Somebody has signed what would have to change.
    #[error("a part of it is signed and may not be changed")]
    Signed,
    /// A header field has octets beyond ASCII.
    #[error("its header has letters beyond ASCII")]
    Header,
    /// A line that is not of a body is too long.
    #[error("its header has a line of more than 998 octets")]
    Line,
    /// There is more header than is held.
    #[error("its header is too long")]
    Headers,
    /// A part is of a type, or in an encoding, that cannot be written otherwise.
    #[error("a part of it is of a kind that may not be encoded")]
    Kind,
}

/// A piece of the new form, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// These octets of the message as they are.
    Keep(Span),
    /// These, which belong to no part, with a question mark for each that is not ASCII.
    Mask(Span),
    /// Octets that stand in place of others.
    Put(Vec<u8>),
    /// A body, through a [`Recoder`].
    Recode {
        /// Where it is.
        body: Span,
        /// How it is written.
        from: Encoding,
        /// How it is to be written.
        to: Encoding,
    },
}

/// How a message is written in lines of ASCII.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversion {
    /// The pieces.
    pub steps: Vec<Step>,
    /// Octets of all of it; an estimate where what it came in was damaged.
    pub octets: u64,
}

/// Takes away what is not ASCII.
pub fn mask(octets: &mut [u8]) {
    for octet in octets {
        if !octet.is_ascii() || *octet == 0 {
            *octet = b'?';
        }
    }
}

/// The form of a message that is in memory.
///
/// ```
/// let message = "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\
///     Content-Transfer-Encoding: 8bit\r\nMIME-Version: 1.0\r\n\r\nTee trägt\r\n";
/// let form = message::to_seven_bit(message.as_bytes())?;
/// assert!(form.ends_with(b"\r\n\r\nTee tr=C3=A4gt\r\n"));
/// # Ok::<(), message::Obstacle>(())
/// ```
///
/// # Errors
/// If it has none.
pub fn to_seven_bit(message: &[u8]) -> Result<Vec<u8>, Obstacle> {
    let mut scanner = Scanner::new(&Limits::HOUSE);
    scanner.push(message);
    let mut survey = Survey::new(&scanner.finish());
    survey.push(message);
    let conversion = survey.finish()?;
    let mut out = Vec::new();
    for step in &conversion.steps {
        match step {
            Step::Keep(span) => out.extend_from_slice(span.of(message)),
            Step::Mask(span) => {
                let at = out.len();
                out.extend_from_slice(span.of(message));
                mask(out.get_mut(at..).unwrap_or_default());
            }
            Step::Put(octets) => out.extend_from_slice(octets),
            Step::Recode { body, from, to } => {
                let mut recoder = Recoder::new(*from, *to);
                recoder.push(body.of(message), &mut out);
                recoder.finish(&mut out);
            }
        }
    }
    Ok(out)
}
