//! The certificate the server shows: the owner's, or one by an authority of our own.

use anyhow::Context as _;
use net::{Authority, Clock, Identity};

use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::Config;
use crate::files;

/// Opens the certificate.
pub(crate) fn identity(config: &Config) -> Result<Identity, Complaint> {
    let opened = match config.certificate() {
        Some((chain, key)) => Identity::from_pem_files(&chain, &key),
        None => Identity::from_authority(&config.authority(), &[config.hostname().to_ascii()]),
    };
    let identity = opened.context("opening the certificate")?;
    match config.client_ca() {
        None => Ok(identity),
        Some(clients) => {
            let asking = identity.asking(&clients);
            Ok(asking.context("opening the authorities of clients")?)
        }
    }
}

/// Prints the path of the authority's certificate.
pub(crate) fn authority(config: &Config) -> Result<(), Complaint> {
    if let Some((chain, _)) = config.certificate() {
        let what = "this server has no authority of its own";
        return Err(Complaint::new(what).because(format!("it shows {}", chain.display())));
    }
    files::make_folder(config.data())?;
    let authority = Authority::open(&config.authority(), Clock::today());
    let authority = authority.context("opening the authority")?;
    say(&authority.roots().display().to_string())
}
