//! Certificates that servers show, and views of TLS in which somebody of ours says whether they are
//! taken. That their owner has the key is verified in any case.
//!
//! Not here: who takes which (`anybody`, `examined`, `told`).

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::Error;

/// What a server has shown, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    /// The server's own certificate.
    pub(super) own: &'a CertificateDer<'a>,
    /// Those between it and an authority.
    pub(super) between: &'a [CertificateDer<'a>],
    /// Whom the client means to talk to.
    pub(super) name: &'a ServerName<'a>,
    /// What the server brings to prove that its certificate was not revoked.
    pub(super) ocsp: &'a [u8],
    pub(super) now: UnixTime,
}

impl Shown<'_> {
    /// Asks another verifier.
    pub(super) fn verify_by(self, verifier: &dyn ServerCertVerifier) -> Result<(), rustls::Error> {
        let Self {
            own,
            between,
            name,
            ocsp,
            now,
        } = self;
        let verified = verifier.verify_server_cert(own, between, name, ocsp, now);
        verified.map(drop)
    }
}

/// Somebody who takes certificates.
pub(super) trait Taker: fmt::Debug + Send + Sync + 'static {
    /// Takes what was shown.
    ///
    /// # Errors
    /// If it is not taken: the handshake fails for this.
    fn take(&self, shown: Shown<'_>) -> Result<(), rustls::Error>;
}

/// A client's view of TLS in which somebody takes certificates.
pub(super) fn client(
    provider: Arc<CryptoProvider>,
    taker: impl Taker,
) -> Result<ClientConfig, Error> {
    let verifier = Verifier {
        provider: Arc::clone(&provider),
        taker,
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

#[derive(Debug)]
struct Verifier<T> {
    provider: Arc<CryptoProvider>,
    taker: T,
}

impl<T: Taker> ServerCertVerifier for Verifier<T> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let taken = self.taker.take(Shown {
            own: end_entity,
            between: intermediates,
            name: server_name,
            ocsp: ocsp_response,
            now,
        });
        taken.map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
