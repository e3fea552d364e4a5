//! TLS with whoever answers: better than none where no name says who it should be (RFC 7435).
//!
//! Not here: when that is good enough (the caller).

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;

use super::shown::{self, Shown, Taker};
use crate::Error;

/// A client's view of TLS that takes any certificate: who only listens reads nothing, but who
/// stands in between can. For mail between hosts that would else go in the clear.
pub fn trusting_anybody() -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    shown::client(provider, Anybody).map(Arc::new)
}

/// Takes any certificate.
#[derive(Debug)]
struct Anybody;

impl Taker for Anybody {
    fn take(&self, _: Shown<'_>) -> Result<(), rustls::Error> {
        Ok(())
    }
}
