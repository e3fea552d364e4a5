//! Signing a letter (RFC 6376 §5).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use message::Header;

use super::key::KeyType;
use super::signature::{Algorithm, ascii};
use crate::canonical::{BodyForm, Canonicalization, Own, signed_octets};
use crate::letter::Letter;
use crate::tags::{decoded, encoded};

/// Columns a line of a field has at most (RFC 5322 §2.1.1).
const COLUMNS_MAX: usize = 78;

/// Fields that are signed where they are there (RFC 6376 §5.4.1).
pub const SIGNED: &[&str] = &[
    "From",
    "Reply-To",
    "Subject",
    "Date",
    "To",
    "Cc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-ID",
    "Content-Description",
    "Resent-Date",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Message-ID",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
];

/// Fields that are signed once more than they are there, so that nobody adds one (RFC 6376 §8.15).
pub const OVERSIGNED: &[&str] = &[
    "From",
    "Reply-To",
    "Subject",
    "Date",
    "To",
    "Cc",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// A private key.
#[derive(Debug)]
pub struct SigningKey(Pair);

#[derive(Debug)]
enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// Why there is no key, or no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text has no block of PEM.
    #[error("reading a key: no `-----BEGIN … PRIVATE KEY-----`")]
    NoPem,
    /// What is in it is no key that signs letters.
    #[error("reading a key: neither RSA nor Ed25519 (PKCS #8)")]
    NoKey,
    /// A name is none.
    #[error("signing: the domain or the selector is no name")]
    NoName,
    /// The letter's body was not hashed in the form that is wanted.
    #[error("signing: the letter was not read for this form of the body")]
    NoBody,
    /// The key does not sign.
    #[error("signing: the key does not sign")]
    Unwilling,
}

impl SigningKey {
    /// Reads a key in PEM: PKCS #8, or PKCS #1 for RSA.
    ///
    /// # Errors
    /// Where there is none.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let (_, rest) = text.split_once("-----BEGIN ").ok_or(KeyError::NoPem)?;
        let (_, rest) = rest.split_once("PRIVATE KEY-----").ok_or(KeyError::NoPem)?;
        let (body, _) = rest.split_once("-----END ").ok_or(KeyError::NoPem)?;
        Self::from_der(&decoded(body).ok_or(KeyError::NoPem)?)
    }

    /// Reads a key in DER: PKCS #8, or PKCS #1 for RSA.
    ///
    /// # Errors
    /// Where it is none that signs letters.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Self(Pair::Ed25519(pair)));
        }
        let pair = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
        let pair = pair.map_err(|_| KeyError::NoKey)?;
        Ok(Self(Pair::Rsa(Box::new(pair))))
    }

    /// What the key is.
    #[must_use]
    pub const fn kind(&self) -> KeyType {
        match self.0 {
            Pair::Rsa(_) => KeyType::Rsa,
            Pair::Ed25519(_) => KeyType::Ed25519,
        }
    }

    // RFC 6376 §3.6.1, RFC 8463 §4
    /// The record to publish at `SELECTOR._domainkey.DOMAIN`.
    ///
    /// # Errors
    /// Where the library cannot write the public half.
    pub fn record(&self) -> Result<String, KeyError> {
        let (kind, public) = match &self.0 {
            Pair::Rsa(pair) => {
                let der: Result<PublicKeyX509Der<'_>, _> = pair.public_key().as_der();
                let der = der.map_err(|_| KeyError::Unwilling)?;
                ("rsa", encoded(der.as_ref()))
            }
            Pair::Ed25519(pair) => ("ed25519", encoded(pair.public_key().as_ref())),
        };
        Ok(format!("v=DKIM1; k={kind}; p={public}"))
    }

    /// What it signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            Pair::Rsa(_) => Algorithm::RsaSha256,
            Pair::Ed25519(_) => Algorithm::Ed25519Sha256,
        }
    }

    pub(crate) fn sign(&self, signed: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.0 {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                // The form of PKCS #1 v1.5 draws nothing; the library asks for a source all the
                // same.
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    signed,
                    &mut signature,
                )
                .map_err(|_| KeyError::Unwilling)?;
                Ok(signature)
            }
            Pair::Ed25519(pair) => {
                let hash = digest(&SHA256, signed);
                Ok(pair.sign(hash.as_ref()).as_ref().to_vec())
            }
        }
    }
}

/// How a letter is signed.
#[derive(Clone, Debug)]
pub struct Signing {
    /// Who answers for it.
    pub domain: String,
    /// Which of the domain's keys.
    pub selector: String,
    /// On behalf of whom, if not the whole domain: `ada@example.org`.
    pub identity: Option<String>,
    /// Form of the header.
    pub header: Canonicalization,
    /// Form of the body.
    pub body: Canonicalization,
    /// When, in seconds since 1970.
    pub time: Option<i64>,
    /// Until when it is good, in seconds since 1970.
    pub expires: Option<i64>,
}

impl Signing {
    /// For a domain and a selector; white space may change on the way.
    #[must_use]
    pub fn new(domain: &str, selector: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            selector: selector.to_owned(),
            identity: None,
            header: Canonicalization::Relaxed,
            body: Canonicalization::Relaxed,
            time: None,
            expires: None,
        }
    }

    /// The form of the body that the letter must be read for.
    #[must_use]
    pub const fn body_form(&self) -> BodyForm {
        BodyForm {
            canonicalization: self.body,
            octets: None,
        }
    }
}

// RFC 6376 §5
/// Makes the field that goes above the letter, with its line end.
///
/// # Errors
/// Where a name is none, the letter was read for other forms, or the key does not sign.
pub fn sign(letter: &Letter, key: &SigningKey, signing: &Signing) -> Result<String, KeyError> {
    let names = fields_to_sign(letter.header(), &[]);
    let mut tags = vec!["v=1".to_owned()];
    if let Some(identity) = &signing.identity {
        let (local, host) = identity.rsplit_once('@').ok_or(KeyError::NoName)?;
        let host = ascii(host).ok_or(KeyError::NoName)?;
        tags.push(format!("i={}@{host}", quoted_printable(local)));
    }
    signed_field("DKIM-Signature", tags, &names, letter, key, signing)
}

/// Makes the field of a signature over these fields and the body; `tags` stand before all others.
pub(crate) fn signed_field(
    name: &str,
    mut tags: Vec<String>,
    names: &[&str],
    letter: &Letter,
    key: &SigningKey,
    signing: &Signing,
) -> Result<String, KeyError> {
    let body = letter.body(signing.body_form()).ok_or(KeyError::NoBody)?;
    let domain = ascii(&signing.domain).ok_or(KeyError::NoName)?;
    let selector = ascii(&signing.selector).ok_or(KeyError::NoName)?;
    tags.extend([
        format!("a={}", key.algorithm().name()),
        format!("c={}/{}", signing.header, signing.body),
        format!("d={domain}"),
        format!("s={selector}"),
    ]);
    tags.extend(signing.time.map(|time| format!("t={time}")));
    tags.extend(signing.expires.map(|expires| format!("x={expires}")));
    tags.push(format!("h={}", names.join(":")));
    tags.push(format!("bh={}", encoded(&body.hash)));
    let unsigned = folded(name, &tags, "");
    let own = Own {
        raw: unsigned.as_bytes(),
        offset: None,
    };
    let signed = signed_octets(letter.header(), names.iter().copied(), &own, signing.header);
    Ok(folded(name, &tags, &encoded(&key.sign(&signed)?)))
}

// RFC 6376 §5.4
/// The names of `h=`: each field that is signed as often as it is there, and once more.
pub(crate) fn fields_to_sign(header: &[u8], more: &[&'static str]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for &name in SIGNED.iter().chain(more) {
        let there = Header::parse(header).filter(|field| field.is(name)).count();
        let over = usize::from(OVERSIGNED.contains(&name));
        names.extend(std::iter::repeat_n(name, there + over));
    }
    names
}

// RFC 6376 §2.11
fn quoted_printable(text: &str) -> String {
    let mut written = String::new();
    for octet in text.bytes() {
        match octet {
            b'!'..=b':' | b'<' | b'>'..=b'~' => written.push(char::from(octet)),
            _ => written += &format!("={octet:02X}"),
        }
    }
    written
}

/// Writes tags on lines that are not too long, `b=` last.
pub(crate) fn folded(name: &str, tags: &[String], signature: &str) -> String {
    let mut field = format!("{name}:");
    let mut column = field.len();
    let mut push = |word: &str, space: bool| {
        if column + usize::from(space) + word.len() > COLUMNS_MAX {
            field.push_str("\r\n\t");
            column = 8;
        } else if space {
            field.push(' ');
            column += 1;
        }
        field.push_str(word);
        column += word.len();
    };
    for tag in tags {
        let mut space = true;
        // White space may stand after the colons of `h=` (RFC 6376 §3.5).
        let colons = tag.starts_with("h=");
        for word in tag.split_inclusive(|letter| colons && letter == ':') {
            let end = if tag.ends_with(word) && !word.ends_with(':') {
                ";"
            } else {
                ""
            };
            push(&format!("{word}{end}"), space);
            space = false;
        }
    }
    push("b=", true);
    for piece in signature.as_bytes().chunks(64) {
        push(&String::from_utf8_lossy(piece), false);
    }
    field + "\r\n"
}
