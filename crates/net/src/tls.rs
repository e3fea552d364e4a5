//! TLS by rustls: who we are, whom we trust, what was agreed on.
//!
//! Not here: how certificates are made ([`Authority`]).

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use wire::{ChannelBinding, Security};

use crate::{Authority, Clock, Error};

/// What TLS writes at most before it asks for more room, in octets.
const TLS_BUFFER_OCTETS_MAX: usize = 64 * 1024;

/// The certificate that a server shows; it can be changed while connections go on.
#[derive(Clone, Debug)]
pub struct Identity {
    config: Arc<RwLock<Arc<ServerConfig>>>,
    source: Arc<Source>,
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

    /// Reads the files anew, or renews our own certificate where it is near its end. New
    /// connections see it; on an error the old one stays.
    pub fn refresh(&self) -> Result<(), Error> {
        let config = self.source.read()?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn open(source: Source) -> Result<Self, Error> {
        Ok(Self {
            config: Arc::new(RwLock::new(source.read()?)),
            source: Arc::new(source),
        })
    }
}

impl Source {
    fn read(&self) -> Result<Arc<ServerConfig>, Error> {
        match self {
            Self::Files { chain, key } => server_config(chain, key),
            Self::Own { directory, names } => {
                let today = Clock::today();
                let certified = Authority::open(directory, today)?.certify(names, today)?;
                server_config(&certified.chain, &certified.key)
            }
        }
    }
}

/// A client's view of TLS: it trusts the authorities in a PEM file and nobody else.
pub fn roots_from_pem(path: &Path) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn server_config(chain: &Path, key: &Path) -> Result<Arc<ServerConfig>, Error> {
    let certificates = certificates(chain)?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| Error::Certificate(format!("{}: {error}", key.display())))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    // Stateless tickets: a session to be resumed costs the peer memory, not us.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
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
    }
}
