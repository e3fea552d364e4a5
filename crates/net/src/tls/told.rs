//! TLS with a host whose certificate is checked, and its fingerprint told where it is not taken:
//! then whoever looks after it can compare the two, and trust that one from then on.
//!
//! Not here: which fingerprints are right (the caller).
//!
//! RFC 5280 §6 (by rustls), RFC 7469 is not what this is: the whole certificate is named, not its
//! key.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::{CertificateError, ClientConfig, OtherError, RootCertStore};
use rustls_pki_types::CertificateDer;

use super::shown::{self, Shown, Taker};
use crate::Error;

/// The SHA-256 of a whole certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Reads `sha256:` and 64 hexadecimal digits, with colons between them or without.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text
            .strip_prefix("sha256:")
            .unwrap_or(text)
            .replace(':', "");
        let mut octets = [0; 32];
        if digits.len() != 2 * octets.len() || !digits.is_ascii() {
            return None;
        }
        for (octet, at) in octets.iter_mut().zip((0..).step_by(2)) {
            *octet = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(octets))
    }

    fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, certificate);
        let octets = digest.as_ref().first_chunk().copied();
        Self(octets.unwrap_or_default())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// A client's view of TLS: it takes the certificate with this fingerprint and no other.
///
/// # Errors
/// If TLS cannot be prepared.
pub fn trusting_fingerprint(known: Fingerprint) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    shown::client(provider, Judge::Fingerprint(known)).map(Arc::new)
}

/// The same as [`super::roots_from_pem`] or, without a file, [`super::roots_of_system`]; whoever is
/// not trusted is named by a fingerprint ([`Error::certificate`]).
///
/// # Errors
/// If the authorities cannot be read.
pub fn trusting_authorities(path: Option<&Path>) -> Result<Arc<ClientConfig>, Error> {
    let roots = match path {
        Some(path) => super::roots(path)?,
        None => super::system_roots()?,
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots: Arc<RootCertStore> = Arc::new(roots);
    let judge = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
    let judge = judge.map_err(|error| Error::Certificate(error.to_string()))?;
    shown::client(provider, Judge::Authorities(judge)).map(Arc::new)
}

/// Who says that a certificate is the right one.
#[derive(Debug)]
enum Judge {
    Fingerprint(Fingerprint),
    Authorities(Arc<WebPkiServerVerifier>),
}

/// Why a certificate is not taken.
#[derive(Debug)]
struct Stranger {
    why: Option<rustls::Error>,
    fingerprint: Fingerprint,
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Some(why) => write!(f, "{why}; its fingerprint is {}", self.fingerprint),
            None => write!(
                f,
                "its certificate is {}, not the one named",
                self.fingerprint
            ),
        }
    }
}

impl std::error::Error for Stranger {}

impl Taker for Judge {
    fn take(&self, shown: Shown<'_>) -> Result<(), rustls::Error> {
        let fingerprint = Fingerprint::of(shown.own);
        let why = match self {
            Self::Fingerprint(known) if *known == fingerprint => return Ok(()),
            Self::Fingerprint(_) => None,
            Self::Authorities(judge) => match shown.verify_by(&**judge) {
                Ok(()) => return Ok(()),
                Err(why) => Some(why),
            },
        };
        let stranger = OtherError(Arc::new(Stranger { why, fingerprint }));
        Err(CertificateError::Other(stranger).into())
    }
}

/// Why a certificate was not taken, where that is what a handshake failed for.
pub(crate) fn stranger(cause: &io::Error) -> Option<String> {
    let cause = cause.get_ref()?.downcast_ref::<rustls::Error>()?;
    match cause {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => {
            Some(why.to_string())
        }
        rustls::Error::InvalidCertificate(_) => Some(cause.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read() {
        let known = Fingerprint([0xab; 32]);
        let plain = "ab".repeat(32);
        let colons = ["AB"; 32].join(":");
        for text in [
            &plain,
            &format!("sha256:{plain}"),
            &format!("sha256:{colons}"),
        ] {
            assert_eq!(Fingerprint::parse(text), Some(known), "{text}");
        }
        assert_eq!(known.to_string(), format!("sha256:{plain}"));
        for text in [
            "",
            "sha256:",
            "sha1:abab",
            &plain[2..],
            &format!("{plain}ab"),
        ] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
    }
}
