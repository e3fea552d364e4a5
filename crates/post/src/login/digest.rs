//! What is computed of a password: argon2id for checking it, keys for SCRAM.

use argon2::{Algorithm, Argon2, Params, Version};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::directory::rows::{Argon2id, Password, Scram};
use crate::{Fault, Outcome, Rules};

/// Computes what is kept of a password. Takes tens of milliseconds.
pub(crate) fn make(password: &str, salts: [[u8; 16]; 3], rules: &Rules) -> Outcome<Password> {
    let [argon2_salt, scram_salt, sha1_salt] = salts;
    let mut argon2 = Argon2id {
        kibibytes: rules.argon2_kibibytes,
        passes: rules.argon2_passes,
        salt: argon2_salt,
        digest: [0; 32],
    };
    argon2.digest = argon2id(&argon2, password)?;
    Ok(Password {
        argon2,
        scram: scram(password, scram_salt, rules.scram_iterations)?,
        scram_sha1: match rules.scram_sha1 {
            true => Some(scram_sha1(password, sha1_salt, rules.scram_iterations)?.into()),
            false => None,
        },
    })
}

/// Says whether the password is the one that was kept. Takes tens of milliseconds.
pub(crate) fn verify(kept: &Argon2id, password: &str) -> Outcome<bool> {
    let digest = argon2id(kept, password)?;
    Ok(digest.ct_eq(&kept.digest).into())
}

/// The first octets of HMAC-SHA-256.
pub(crate) fn hmac(key: &[u8], text: &[u8]) -> Outcome<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(fault)?;
    mac.update(text);
    Ok(mac.finalize().into_bytes().into())
}

fn argon2id(kept: &Argon2id, password: &str) -> Outcome<[u8; 32]> {
    let params = Params::new(kept.kibibytes, kept.passes, 1, Some(32)).map_err(fault)?;
    let mut digest = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), &kept.salt, &mut digest)
        .map_err(fault)?;
    Ok(digest)
}

// RFC 5802 §3
fn scram(password: &str, salt: [u8; 16], iterations: u32) -> Outcome<Scram<32>> {
    let mut salted = [0; 32];
    pbkdf2::pbkdf2::<Hmac<Sha256>>(password.as_bytes(), &salt, iterations, &mut salted)
        .map_err(fault)?;
    let client_key = hmac(&salted, b"Client Key")?;
    Ok(Scram {
        salt,
        iterations,
        stored_key: Sha256::digest(client_key).into(),
        server_key: hmac(&salted, b"Server Key")?,
    })
}

/// The same for SCRAM-SHA-1.
// RFC 5802 §3
pub(crate) fn scram_sha1(password: &str, salt: [u8; 16], iterations: u32) -> Outcome<Scram<20>> {
    let keyed = |key: &[u8], text: &[u8]| -> Outcome<[u8; 20]> {
        let mut mac = Hmac::<Sha1>::new_from_slice(key).map_err(fault)?;
        mac.update(text);
        Ok(mac.finalize().into_bytes().into())
    };
    let mut salted = [0; 20];
    pbkdf2::pbkdf2::<Hmac<Sha1>>(password.as_bytes(), &salt, iterations, &mut salted)
        .map_err(fault)?;
    Ok(Scram {
        salt,
        iterations,
        stored_key: Sha1::digest(keyed(&salted, b"Client Key")?).into(),
        server_key: keyed(&salted, b"Server Key")?,
    })
}

fn fault(error: impl std::fmt::Display) -> Fault {
    Fault::Password(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;

    /// RFC 7677 §3: user "user", password "pencil".
    #[test]
    fn scram_keys_prove_the_rfc_example() {
        let base64 = base64::engine::general_purpose::STANDARD;
        let salt = base64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = scram("pencil", salt.try_into().unwrap(), 4096).unwrap();
        let auth_message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = base64
            .decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .unwrap();
        let signature = hmac(&keys.stored_key, auth_message.as_bytes()).unwrap();
        let client_key: Vec<u8> = proof.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        assert_eq!(
            <[u8; 32]>::from(Sha256::digest(client_key)),
            keys.stored_key
        );
        let server = hmac(&keys.server_key, auth_message.as_bytes()).unwrap();
        assert_eq!(
            base64.encode(server),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
    }

    #[test]
    fn scram_sha_1_has_keys_of_its_own() {
        // Computed by Python's hashlib and hmac.
        let base64 = base64::engine::general_purpose::STANDARD;
        let keys = scram_sha1("pencil", *b"salt of sixteen!", 1000).unwrap();
        assert_eq!(
            base64.encode(keys.stored_key),
            "pxBokqp1aqkC3iQdvTz/Pud975E="
        );
        assert_eq!(
            base64.encode(keys.server_key),
            "AQlxoeCt+cq8vmwP4+K7uuimDYc="
        );
    }

    #[test]
    fn a_password_is_checked() {
        let rules = Rules {
            argon2_kibibytes: 8,
            argon2_passes: 1,
            ..Rules::new(mail::Host::parse("a.example").unwrap())
        };
        let kept = make("pencil", [[1; 16], [2; 16], [3; 16]], &rules).unwrap();
        assert!(verify(&kept.argon2, "pencil").unwrap());
        assert!(!verify(&kept.argon2, "Pencil").unwrap());
    }
}
