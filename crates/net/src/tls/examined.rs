//! TLS with a host whose certificate is examined, and what was found told: for whoever goes on
//! without, and for whoever has to say why not.
//!
//! Not here: what is right (the caller's judge, or authorities), what follows from it.
//!
//! RFC 5280 §6 and RFC 9525 by rustls.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{CertificateError, ClientConfig, OtherError, RootCertStore};

use super::shown::{self, Shown, Taker};
use crate::Error;

/// Octets of the words about a certificate.
const WORDS_OCTETS_MAX: usize = 300;

/// What is wrong with a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Of which kind it is.
    pub kind: FlawKind,
    /// In words.
    pub text: String,
}

/// Kinds of what may be wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlawKind {
    /// Its time is over, or has not come.
    Expired,
    /// It is for other names.
    OtherName,
    /// Nobody who is trusted made it.
    Untrusted,
    /// Anything else.
    Other,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Flaw {}

/// Somebody who says whether a chain of certificates is the right one.
pub trait Judge: fmt::Debug + Send + Sync {
    /// Judges a chain, the host's own certificate first, each in DER, at a moment in seconds since
    /// 1970.
    ///
    /// # Errors
    /// What is wrong with it.
    fn judge(&self, chain: &[&[u8]], now: u64) -> Result<(), Flaw>;
}

/// Authorities that certificates are checked with.
#[derive(Clone, Debug)]
pub struct Authorities {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
}

impl Authorities {
    /// Those in a PEM file or, without one, those that the system trusts.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn open(path: Option<&Path>) -> Result<Self, Error> {
        let roots = match path {
            Some(path) => super::roots(path)?,
            None => super::system_roots()?,
        };
        let (provider, roots) = (Arc::new(aws_lc_rs::default_provider()), Arc::new(roots));
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let verifier = builder.build();
        Ok(Self {
            verifier: verifier.map_err(|error| Error::Certificate(error.to_string()))?,
            provider,
            roots,
        })
    }

    /// A client's view of TLS: it trusts these and nobody else.
    ///
    /// # Errors
    /// If TLS cannot be prepared.
    pub fn trusting(&self) -> Result<Arc<ClientConfig>, Error> {
        super::trusting(RootCertStore::clone(&self.roots))
    }
}

/// Who examines a host's certificate.
#[derive(Clone, Debug)]
pub enum Examiner {
    /// These authorities, by the host's name.
    Authorities(Authorities),
    /// Somebody else.
    Judge(Arc<dyn Judge>),
    /// Nobody: it is taken as it is.
    Nobody,
}

/// A view of TLS for connections to one host, one after the other, and what was found out about the
/// certificate that it showed last.
#[derive(Clone, Debug)]
pub struct Examination {
    config: Arc<ClientConfig>,
    found: Arc<Mutex<Found>>,
}

#[derive(Clone, Debug, Default)]
enum Found {
    #[default]
    Nothing,
    Right,
    Wrong(Flaw),
}

impl Examination {
    /// Prepares one. If it is `strict`, a certificate with a flaw ends the handshake; else the
    /// flaw is only noted.
    ///
    /// # Errors
    /// If TLS cannot be prepared.
    pub fn new(examiner: Examiner, strict: bool) -> Result<Self, Error> {
        let provider = match &examiner {
            Examiner::Authorities(authorities) => Arc::clone(&authorities.provider),
            Examiner::Judge(_) | Examiner::Nobody => Arc::new(aws_lc_rs::default_provider()),
        };
        let found = Arc::new(Mutex::default());
        let examining = Examining {
            examiner,
            strict,
            found: Arc::clone(&found),
        };
        let mut config = shown::client(provider, examining)?;
        // A session that is resumed would not show its certificate again.
        config.resumption = Resumption::disabled();
        Ok(Self {
            config: Arc::new(config),
            found,
        })
    }

    /// The view of TLS.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// True if a certificate was shown and is the right one.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        matches!(self.found(), Found::Right)
    }

    /// What is wrong with the certificate that was shown.
    #[must_use]
    pub fn flaw(&self) -> Option<Flaw> {
        match self.found() {
            Found::Wrong(flaw) => Some(flaw),
            Found::Nothing | Found::Right => None,
        }
    }

    fn found(&self) -> Found {
        let found = self.found.lock();
        found.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug)]
struct Examining {
    examiner: Examiner,
    strict: bool,
    found: Arc<Mutex<Found>>,
}

impl Examining {
    fn examine(&self, shown: Shown<'_>) -> Result<(), Flaw> {
        match &self.examiner {
            Examiner::Nobody => Err(Flaw {
                kind: FlawKind::Other,
                text: "nobody has examined it".to_owned(),
            }),
            Examiner::Judge(judge) => {
                let chain: Vec<&[u8]> = std::iter::once(shown.own)
                    .chain(shown.between)
                    .map(|certificate| certificate.as_ref())
                    .collect();
                judge.judge(&chain, shown.now.as_secs())
            }
            Examiner::Authorities(authorities) => {
                let verified = shown.verify_by(&*authorities.verifier);
                verified.map_err(|error| flaw(&error))
            }
        }
    }
}

impl Taker for Examining {
    fn take(&self, shown: Shown<'_>) -> Result<(), rustls::Error> {
        let examined = self.examine(shown);
        let found = match &examined {
            Ok(()) => Found::Right,
            Err(flaw) => Found::Wrong(flaw.clone()),
        };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
        match examined {
            Err(flaw) if self.strict => {
                Err(CertificateError::Other(OtherError(Arc::new(flaw))).into())
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// What a library says is wrong, in our words where they are known.
fn flaw(error: &rustls::Error) -> Flaw {
    let rustls::Error::InvalidCertificate(why) = error else {
        return Flaw {
            kind: FlawKind::Other,
            text: cut(&error.to_string()),
        };
    };
    let (kind, text) = match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (FlawKind::Expired, "its certificate has expired".to_owned())
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            FlawKind::Expired,
            "its certificate is not valid yet".to_owned(),
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            FlawKind::OtherName,
            "its certificate is for other names".to_owned(),
        ),
        CertificateError::UnknownIssuer => {
            let text = "its certificate is not by an authority that is trusted";
            (FlawKind::Untrusted, text.to_owned())
        }
        other => (
            FlawKind::Other,
            cut(&format!("its certificate is bad: {other}")),
        ),
    };
    Flaw { kind, text }
}

fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(WORDS_OCTETS_MAX);
    text.get(..end).unwrap_or_default().to_owned()
}
