//! Keys that nobody else has.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, RsaKeyPair};
use trust::dkim::SigningKey;
use trust::{Answer, Question, Record};

/// One of RSA and one of Ed25519.
pub(crate) fn both() -> [SigningKey; 2] {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let rsa: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let ed25519 = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
    [rsa.as_ref(), ed25519.as_ref()].map(|der| SigningKey::from_der(der).unwrap())
}

/// DNS that has the record of a key everywhere.
pub(crate) fn publishing(key: &SigningKey) -> impl Fn(&Question) -> Answer + use<> {
    let record = key.record().unwrap().into_bytes();
    move |_| Answer::Records(vec![Record::Txt(record.clone())])
}
