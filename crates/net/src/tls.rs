//! TLS by rustls: who we are, whom we trust, what was agreed on.
//!
//! Not here: how certificates are made ([`Authority`]).

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use wire::{ChannelBinding, Security};
use x509_parser::extensions::GeneralName;

use crate::{Authority, Clock, Error};

mod anybody;
mod examined;
mod shown;
mod told;

pub use anybody::trusting_anybody;
pub use examined::{Authorities, Examination, Examiner, Flaw, FlawKind, Judge};
pub(crate) use told::stranger;
pub use told::{Fingerprint, trusting_authorities, trusting_fingerprint};

/// What TLS writes at most before it asks for more room, in octets.
const TLS_BUFFER_OCTETS_MAX: usize = 64 * 1024;

/// Addresses of a client's certificate that are looked at.
const CERTIFIED_MAX: usize = 100;

/// The certificate that a server shows; it can be changed while connections go on.
#[derive(Clone, Debug)]
pub struct Identity {
    configs: Arc<RwLock<Configs>>,
    source: Arc<Source>,
    /// Authorities whose certificates clients may show, in PEM.
    clients: Option<Arc<PathBuf>>,
    /// False for who is not asked for a certificate in any case.
    asks: bool,
}

#[derive(Clone, Debug)]
struct Configs {
    plain: Arc<ServerConfig>,
    /// Asks clients for a certificate.
    asking: Option<Arc<ServerConfig>>,
}

/// Where the certificate comes from.
#[derive(Debug)]
enum Source {
    Files {
        chain: PathBuf,
        key: PathBuf,
    },
    Own {
        directory: PathBuf,
        names: Vec<String>,
    },
}

impl Identity {
    /// Reads a certificate chain and its private key from PEM files.
    pub fn from_pem_files(chain: &Path, key: &Path) -> Result<Self, Error> {
        Self::open(Source::Files {
            chain: chain.to_owned(),
            key: key.to_owned(),
        })
    }

    /// A certificate for these names by the [`Authority`] kept in `directory`, made where there is
    /// none.
    pub fn from_authority(directory: &Path, names: &[String]) -> Result<Self, Error> {
        Self::open(Source::Own {
            directory: directory.to_owned(),
            names: names.to_vec(),
        })
    }

    /// The same, asking clients for a certificate by one of the authorities in a PEM file. Who has
    /// none comes in without; one by anybody else ends the handshake.
    pub fn asking(self, clients: &Path) -> Result<Self, Error> {
        let clients = Some(Arc::new(clients.to_owned()));
        Ok(Self {
            configs: Arc::new(RwLock::new(self.source.read(clients.as_deref())?)),
            source: self.source,
            clients,
            asks: true,
        })
    }

    /// The same certificate for those who are not asked for theirs.
    #[must_use]
    pub fn without_clients(&self) -> Self {
        Self {
            asks: false,
            ..self.clone()
        }
    }

    /// True if clients are asked for a certificate.
    #[must_use]
    pub const fn asks_clients(&self) -> bool {
        self.asks && self.clients.is_some()
    }

    /// Reads the files anew, or renews our own certificate where it is near its end. New
    /// connections see it; on an error the old one stays.
    pub fn refresh(&self) -> Result<(), Error> {
        let configs = self.source.read(self.clients.as_deref())?;
        *self.configs.write().unwrap_or_else(PoisonError::into_inner) = configs;
        Ok(())
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let configs = self.configs.read().unwrap_or_else(PoisonError::into_inner);
        let asking = configs.asking.as_ref().filter(|_| self.asks);
        Arc::clone(asking.unwrap_or(&configs.plain))
    }

    fn open(source: Source) -> Result<Self, Error> {
        Ok(Self {
            configs: Arc::new(RwLock::new(source.read(None)?)),
            source: Arc::new(source),
            clients: None,
            asks: true,
        })
    }
}

impl Source {
    fn read(&self, clients: Option<&PathBuf>) -> Result<Configs, Error> {
        match self {
            Self::Files { chain, key } => Configs::read(chain, key, clients),
            Self::Own { directory, names } => {
                let today = Clock::today();
                let certified = Authority::open(directory, today)?.certify(names, today)?;
                Configs::read(&certified.chain, &certified.key, clients)
            }
        }
    }
}

impl Configs {
    fn read(chain: &Path, key: &Path, clients: Option<&PathBuf>) -> Result<Self, Error> {
        let asking = clients.map(|clients| server_config(chain, key, Some(clients)));
        Ok(Self {
            plain: server_config(chain, key, None)?,
            asking: asking.transpose()?,
        })
    }
}

/// A client's view of TLS: it trusts the authorities in a PEM file and nobody else.
pub fn roots_from_pem(path: &Path) -> Result<Arc<ClientConfig>, Error> {
    trusting(roots(path)?)
}

/// A client's view of TLS: it trusts the authorities that the system trusts.
pub fn roots_of_system() -> Result<Arc<ClientConfig>, Error> {
    trusting(system_roots()?)
}

fn system_roots() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (known, _) = roots.add_parsable_certificates(found.certs);
    if known == 0 {
        let why = found.errors.first().map(ToString::to_string);
        let why = why.unwrap_or_else(|| "there are none".to_owned());
        return Err(Error::Certificate(format!(
            "the system's authorities: {why}"
        )));
    }
    Ok(roots)
}

fn trusting(roots: RootCertStore) -> Result<Arc<ClientConfig>, Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn roots(path: &Path) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn server_config(
    chain: &Path,
    key: &Path,
    clients: Option<&PathBuf>,
) -> Result<Arc<ServerConfig>, Error> {
    let certificates = certificates(chain)?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| Error::Certificate(format!("{}: {error}", key.display())))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = match clients {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(path) => WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots(path)?),
            Arc::clone(&provider),
        )
        .allow_unauthenticated()
        .build()
        .map_err(|error| Error::Certificate(format!("{}: {error}", path.display())))?,
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates, key)?;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    if clients.is_some() {
        // A session that is resumed would not show its certificate again: one that has run out, or
        // whose authority is trusted no more, would go on.
        config.send_tls13_tickets = 0;
        return Ok(Arc::new(config));
    }
    // Stateless tickets: a session to be resumed costs the peer memory, not us.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = |error| Error::Certificate(format!("{}: {error}", path.display()));
    CertificateDer::pem_file_iter(path)
        .map_err(wrong)?
        .collect::<Result<_, _>>()
        .map_err(wrong)
}

/// Tells a session what was agreed on, and keeps the connection's buffers small.
pub(crate) fn settle<D>(connection: &mut rustls::ConnectionCommon<D>) -> Security {
    connection.set_buffer_limit(Some(TLS_BUFFER_OCTETS_MAX));
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS1.3",
        _ => "TLS1.2",
    };
    let cipher = connection
        .negotiated_cipher_suite()
        .map(|suite| format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1));
    // RFC 9266 §4.2
    let binding = (version == "TLS1.3")
        .then(|| connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")))
        .and_then(Result::ok)
        .map(|octets: [u8; 32]| ChannelBinding::TlsExporter(octets.to_vec()));
    Security {
        version: version.to_owned(),
        cipher: cipher.unwrap_or_default(),
        binding,
        certified: Vec::new(),
    }
}

/// The addresses of a client's certificate, which the handshake has verified.
// RFC 5280 §4.2.1.6
pub(crate) fn certified(chain: Option<&[CertificateDer<'_>]>) -> Vec<String> {
    let Some(shown) = chain.and_then(<[_]>::first) else {
        return Vec::new();
    };
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(shown) else {
        return Vec::new();
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let addresses = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::RFC822Name(address) => Some((*address).to_owned()),
            _ => None,
        });
    addresses.take(CERTIFIED_MAX).collect()
}
