//! The keys that access tokens are signed with: a set of public keys in JSON (RFC 7517 §5).
//!
//! Not here: where the set is kept, and when it is read again (the server's).

use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde_json::Value;

/// Octets a key set may have.
pub const KEY_SET_OCTETS_MAX: usize = 256 * 1024;

/// Keys a set may have.
const KEYS_MAX: usize = 32;

/// Octets of the smallest RSA modulus that is taken: 2048 bits (RFC 7518 §3.3).
const RSA_OCTETS_MIN: usize = 256;

/// The public keys of whoever issues tokens.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    /// The only algorithm it is for, if that is said.
    algorithm: Option<Algorithm>,
    kind: Kind,
    key: DecodingKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// Why a text is no key set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It has more than [`KEY_SET_OCTETS_MAX`] octets.
    #[error("it is longer than {KEY_SET_OCTETS_MAX} octets")]
    TooLong,
    /// It is no JSON, or no list of keys is in it.
    #[error("it is no JSON with a list `keys`: {0}")]
    Form(String),
    /// It has too many keys.
    #[error("it has more than {KEYS_MAX} keys")]
    TooMany,
    /// No key is in it that a signature can be verified with.
    #[error(
        "no key in it verifies signatures by RSA of 2048 bits or more, P-256, P-384 or Ed25519"
    )]
    NoKey,
}

impl KeySet {
    /// Reads a set; what is no key for signatures, or of a kind that is not known, is passed over.
    ///
    /// # Errors
    /// If it is no set, or nothing is left of it.
    // RFC 7517 §5
    pub fn parse(octets: &[u8]) -> Result<Self, KeySetError> {
        if octets.len() > KEY_SET_OCTETS_MAX {
            return Err(KeySetError::TooLong);
        }
        let set: Value =
            serde_json::from_slice(octets).map_err(|error| KeySetError::Form(error.to_string()))?;
        let Some(listed) = set.get("keys").and_then(Value::as_array) else {
            return Err(KeySetError::Form("there is no list `keys`".to_owned()));
        };
        let keys = listed.iter().filter_map(Key::read);
        let keys: Vec<Key> = keys.take(KEYS_MAX + 1).collect();
        match keys.len() {
            0 => Err(KeySetError::NoKey),
            count if count > KEYS_MAX => Err(KeySetError::TooMany),
            _ => Ok(Self { keys }),
        }
    }

    /// The keys that may have made a signature: those of that name, and those without one.
    pub(super) fn fitting(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
    ) -> impl Iterator<Item = &DecodingKey> {
        let fits = move |key: &&Key| {
            let named = id.is_none() || key.id.is_none() || key.id.as_deref() == id;
            named
                && key.kind.signs_by(algorithm)
                && key.algorithm.is_none_or(|only| only == algorithm)
        };
        self.keys.iter().filter(fits).map(|key| &key.key)
    }
}

impl Key {
    fn read(value: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
        if !verifies(&jwk.common) {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        let kind = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Kind::Rsa,
            AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
                EllipticCurve::P256 => Kind::P256,
                EllipticCurve::P384 => Kind::P384,
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                Kind::Ed25519
            }
            // A secret that both ends know is none of ours: whoever can check could sign.
            _ => return None,
        };
        // RFC 7518 §3.3
        if let DecodingKeyKind::RsaModulusExponent { n, .. } = key.kind()
            && n.iter().skip_while(|octet| **octet == 0).count() < RSA_OCTETS_MIN
        {
            return None;
        }
        let algorithm = match jwk.common.key_algorithm {
            None => None,
            Some(named) => Some(Algorithm::try_from(named).ok()?),
        };
        let id = jwk.common.key_id;
        Some(Self {
            id,
            algorithm,
            kind,
            key,
        })
    }
}

/// True unless the key is said to be for something else.
// RFC 7517 §4.2
fn verifies(common: &CommonParameters) -> bool {
    let signs = common
        .public_key_use
        .as_ref()
        .is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let operations = common.key_operations.as_ref();
    signs && operations.is_none_or(|known| known.contains(&KeyOperations::Verify))
}

impl Kind {
    const fn signs_by(self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => matches!(self, Self::Rsa),
            Algorithm::ES256 => matches!(self, Self::P256),
            Algorithm::ES384 => matches!(self, Self::P384),
            Algorithm::EdDSA => matches!(self, Self::Ed25519),
            // HMAC among them: with it, whoever knows a public key could sign.
            // RFC 8725 §2.1
            _ => false,
        }
    }
}
