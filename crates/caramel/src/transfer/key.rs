//! The key of this installation: it signs what it says of imports.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::{Context as _, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::complaint::Complaint;
use crate::config::Config;
use crate::files;

/// Opens the key; makes it where there is none.
pub(super) fn open(config: &Config) -> Result<Ed25519KeyPair, Complaint> {
    let path = config.data().join("manifest.key");
    if !path.exists() {
        files::make_folder(config.data())?;
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let made = made.map_err(|_| anyhow!("making a key"))?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let written = options.open(&path).and_then(|mut file| {
            file.write_all(made.as_ref())?;
            file.sync_all()
        });
        written.with_context(|| format!("writing {}", path.display()))?;
    }
    let octets = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    Ed25519KeyPair::from_pkcs8(&octets).map_err(|_| {
        let what = format!("{} is not a key", path.display());
        Complaint::new(what).next("move it away: another is made, and old manifests name the old")
    })
}

/// The key that others verify with.
pub(super) fn public(key: &Ed25519KeyPair) -> &[u8] {
    key.public_key().as_ref()
}

/// True if this is what the owner of the key has signed.
pub(super) fn verifies(public: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    let key = UnparsedPublicKey::new(&signature::ED25519, public);
    key.verify(signed, signature).is_ok()
}
