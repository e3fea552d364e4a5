//! SCRAM: the messages both ends read and the arithmetic between them (RFC 5802, 7677).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::ChannelBinding;
use crate::sasl::{ScramHash, ScramKeys};

/// Why an exchange ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not in the grammar.
    Malformed,
    /// In the grammar, and not to be believed.
    Refused(&'static str),
}

/// What the mechanism's name promises: its hash, and whether a channel binding is part of it.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) hash: ScramHash,
    pub(super) binding: Option<ChannelBinding>,
    pub(super) plus: bool,
}

/// A client-first-message that was understood.
#[derive(Debug)]
pub(super) struct First {
    hash: ScramHash,
    /// What `c=` must say: the header and the binding's octets.
    cbind_input: Vec<u8>,
    user: String,
    authorization: Option<String>,
    bare: String,
    nonce: String,
}

/// The server's end after its first message.
#[derive(Debug)]
pub(super) struct Challenged {
    first: First,
    keys: ScramKeys,
    message: String,
}

impl Terms {
    /// Reads a client-first-message.
    pub(super) fn first(&self, text: &str) -> Result<First, Fault> {
        let (flag, rest) = text.split_once(',').ok_or(Fault::Malformed)?;
        let (authzid, bare) = rest.split_once(',').ok_or(Fault::Malformed)?;
        let data = self.bound(flag)?;
        let authorization = match authzid.strip_prefix("a=") {
            Some(name) => Some(saslname(name)?),
            None if authzid.is_empty() => None,
            None => return Err(Fault::Malformed),
        };
        // RFC 5802 §5.1
        if bare.starts_with("m=") {
            return Err(Fault::Refused("extensions not supported"));
        }
        let mut attributes = bare.split(',');
        let user = saslname(attribute(attributes.next(), "n=")?)?;
        let nonce = attribute(attributes.next(), "r=")?;
        if nonce.is_empty() || !nonce.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(Fault::Malformed);
        }
        let header = text.len() - bare.len();
        let mut cbind_input = text.as_bytes().get(..header).unwrap_or_default().to_vec();
        cbind_input.extend_from_slice(data);
        Ok(First {
            hash: self.hash,
            cbind_input,
            authorization: authorization.filter(|name| *name != user),
            user,
            bare: bare.to_owned(),
            nonce: nonce.to_owned(),
        })
    }

    /// Checks the channel binding flag; returns the octets that `c=` must hold.
    // RFC 5802 §6
    fn bound(&self, flag: &str) -> Result<&[u8], Fault> {
        match (flag, self.plus, &self.binding) {
            ("n", false, _) | ("y", false, None) => Ok(&[]),
            // The peer believes that we offer no binding, and we do: somebody stood between.
            ("y", false, Some(_)) => Err(Fault::Refused("channel binding was offered")),
            ("n" | "y", true, _) => Err(Fault::Refused("-PLUS without a channel binding")),
            (flag, plus, binding) => {
                let name = flag.strip_prefix("p=").ok_or(Fault::Malformed)?;
                match binding {
                    Some(binding) if plus && binding_name(binding) == name => {
                        Ok(binding_octets(binding))
                    }
                    _ => Err(Fault::Refused("channel binding not supported")),
                }
            }
        }
    }
}

impl First {
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// Writes the server-first-message.
    pub(super) fn challenge(self, keys: ScramKeys) -> Challenged {
        let message = format!(
            "r={}{},s={},i={}",
            self.nonce,
            keys.nonce,
            STANDARD.encode(&keys.salt),
            keys.iterations
        );
        Challenged {
            first: self,
            keys,
            message,
        }
    }
}

impl Challenged {
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The name that logs in, and whom it wants to act as.
    pub(super) fn names(&self) -> (String, Option<String>) {
        (self.first.user.clone(), self.first.authorization.clone())
    }

    /// Checks a client-final-message; returns the server-final-message.
    pub(super) fn verify(&self, text: &str) -> Result<Vec<u8>, Fault> {
        let (unproved, proof) = text.rsplit_once(",p=").ok_or(Fault::Malformed)?;
        let mut attributes = unproved.split(',');
        let channel = STANDARD
            .decode(attribute(attributes.next(), "c=")?)
            .map_err(|_| Fault::Malformed)?;
        let nonce = attribute(attributes.next(), "r=")?;
        let proof = STANDARD.decode(proof).map_err(|_| Fault::Malformed)?;
        // RFC 5802 §5.1
        let fresh = nonce.strip_prefix(self.first.nonce.as_str()) == Some(&self.keys.nonce);
        if !fresh {
            return Err(Fault::Refused("another nonce"));
        }
        // RFC 5802 §6
        if channel != self.first.cbind_input {
            return Err(Fault::Refused("channel bindings do not match"));
        }
        let auth_message = format!("{},{},{unproved}", self.first.bare, self.message);
        let hash = self.first.hash;
        let signature = mac(hash, &self.keys.stored_key, auth_message.as_bytes());
        if proof.len() != signature.len() {
            return Err(Fault::Refused("no proof"));
        }
        let stored_key = digest(hash, &xor(proof, &signature));
        if !bool::from(stored_key.ct_eq(&self.keys.stored_key)) {
            return Err(Fault::Refused("wrong proof"));
        }
        let signature = mac(hash, &self.keys.server_key, auth_message.as_bytes());
        Ok(format!("v={}", STANDARD.encode(signature)).into_bytes())
    }
}

/// The registered name of a channel binding.
pub(super) const fn binding_name(binding: &ChannelBinding) -> &'static str {
    match binding {
        ChannelBinding::TlsExporter(_) => "tls-exporter",
        ChannelBinding::TlsServerEndPoint(_) => "tls-server-end-point",
    }
}

/// The octets both ends know.
pub(super) fn binding_octets(binding: &ChannelBinding) -> &[u8] {
    match binding {
        ChannelBinding::TlsExporter(octets) | ChannelBinding::TlsServerEndPoint(octets) => octets,
    }
}

/// The value of an attribute that must come next.
pub(super) fn attribute<'a>(field: Option<&'a str>, name: &str) -> Result<&'a str, Fault> {
    field
        .and_then(|field| field.strip_prefix(name))
        .ok_or(Fault::Malformed)
}

/// Decodes `=2C` and `=3D`.
pub(super) fn saslname(text: &str) -> Result<String, Fault> {
    let mut pieces = text.split('=');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        // RFC 5802 §5.1
        let (plain, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            (None, None) => return Err(Fault::Malformed),
        };
        name.push(plain);
        name.push_str(rest);
    }
    if name.is_empty() || name.contains('\0') {
        return Err(Fault::Malformed);
    }
    Ok(name)
}

/// `HMAC(key, text)`.
pub(super) fn mac(hash: ScramHash, key: &[u8], text: &[u8]) -> Vec<u8> {
    fn of<M: KeyInit + Mac>(key: &[u8], text: &[u8]) -> Vec<u8> {
        // Any length of key is a key; the error can not happen, and no octets match nothing.
        let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
            return vec![0; M::output_size()];
        };
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    }
    match hash {
        ScramHash::Sha1 => of::<Hmac<Sha1>>(key, text),
        ScramHash::Sha256 => of::<Hmac<Sha256>>(key, text),
    }
}

/// `H(text)`.
pub(super) fn digest(hash: ScramHash, text: &[u8]) -> Vec<u8> {
    match hash {
        ScramHash::Sha1 => Sha1::digest(text).to_vec(),
        ScramHash::Sha256 => Sha256::digest(text).to_vec(),
    }
}

/// `left XOR right`.
pub(super) fn xor(mut left: Vec<u8>, right: &[u8]) -> Vec<u8> {
    for (left, right) in left.iter_mut().zip(right) {
        *left ^= right;
    }
    left
}
