//! A key as DNS has it (RFC 6376 §3.6.1, RFC 8463 §4).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey,
};

use super::signature::{Algorithm, Signature};
use crate::dns::is_name;
use crate::tags::Tags;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// RSA.
    Rsa,
    /// Ed25519.
    Ed25519,
}

/// What a signature is made for (`s=` of its key).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Mail.
    Email,
    /// Reports about TLS that come by mail (RFC 8460 §3); keys for all mail are good for them as
    /// well.
    TlsReports,
}

impl Service {
    fn is_served_by(self, name: &str) -> bool {
        match name {
            "*" | "email" => true,
            "tlsrpt" => self == Self::TlsReports,
            _ => false,
        }
    }
}

/// A key record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// What the key is for (`k=`).
    pub kind: KeyType,
    /// The domain tests: a letter is not to be treated worse than an unsigned one (`t=y`).
    pub testing: bool,
    /// Identities must be of the very domain (`t=s`).
    pub strict: bool,
    /// The key's octets (`p=`).
    public: Vec<u8>,
}

impl KeyRecord {
    /// Reads a record of a key for mail.
    ///
    /// # Errors
    /// As [`parse_for`](Self::parse_for).
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        Self::parse_for(text, Service::Email)
    }

    // RFC 6376 §6.1.2
    /// Reads a record.
    ///
    /// # Errors
    /// Why it is no key for this; a key that was revoked is among the reasons.
    pub fn parse_for(text: &[u8], service: Service) -> Result<Self, &'static str> {
        let tags = Tags::parse(text).map_err(|_| "its key cannot be read")?;
        if tags.text("v").is_some() && tags.first() != Some(("v", "DKIM1")) {
            return Err("its key is of another version");
        }
        let kind = match tags.text("k").unwrap_or("rsa") {
            "rsa" => KeyType::Rsa,
            "ed25519" => KeyType::Ed25519,
            _ => return Err("its key is of a kind nobody knows"),
        };
        if tags
            .list("h")
            .is_some_and(|mut hashes| hashes.all(|hash| hash != "sha256"))
        {
            return Err("its key is for other hashes");
        }
        let serves = |name| service.is_served_by(name);
        if tags
            .list("s")
            .is_some_and(|mut services| !services.any(serves))
        {
            return Err("its key is not for mail");
        }
        match tags.text("p") {
            None => return Err("there is no key in its record"),
            Some("") => return Err("its key was revoked"),
            Some(_) => {}
        }
        let flag = |flag| {
            tags.list("t")
                .is_some_and(|mut flags| flags.any(|one| one == flag))
        };
        Ok(Self {
            kind,
            testing: flag("y"),
            strict: flag("s"),
            public: tags.base64("p").ok_or("its key is not base64")?,
        })
    }

    /// Says what is wrong if the key is not one for this signature.
    pub(super) fn suits(&self, signature: &Signature) -> Result<(), &'static str> {
        if !self.fits(signature.algorithm) {
            return Err("its key is for another algorithm");
        }
        let (_, host) = signature.identity.rsplit_once('@').unwrap_or_default();
        if self.strict && is_name(host) && !host.eq_ignore_ascii_case(&signature.domain) {
            return Err("its key is for the domain alone");
        }
        Ok(())
    }

    /// True if the key is one for this algorithm.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        self.kind
            == match algorithm {
                Algorithm::RsaSha256 | Algorithm::RsaSha1 => KeyType::Rsa,
                Algorithm::Ed25519Sha256 => KeyType::Ed25519,
            }
    }

    // RFC 6376 §3.3.2, RFC 8463 §3
    /// True if the key made the signature of these octets.
    pub(crate) fn verify(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self.kind {
            KeyType::Rsa => {
                // Shorter keys are refused by the library, which is as well.
                let algorithm = &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY;
                let key = UnparsedPublicKey::new(algorithm, &self.public);
                key.verify(signed, signature).is_ok()
            }
            KeyType::Ed25519 => {
                let key = UnparsedPublicKey::new(&ED25519, &self.public);
                let hash = digest(&SHA256, signed);
                key.verify(hash.as_ref(), signature).is_ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 6376 §3.6.1, RFC 8463 §4.
    #[test]
    fn keys_by_the_grammar() {
        for text in [
            "p=aGk=",
            "v=DKIM1; p=aGk",
            "v=DKIM1; k=rsa; h=sha1:sha256; s=email:x; t=y:s; n=words; p=a G\r\n k=;",
            "k=ed25519; s=*; p=aGk=",
        ] {
            let key = KeyRecord::parse(text.as_bytes()).unwrap();
            assert_eq!(key.public, b"hi", "{text}");
            assert_eq!(key.testing, text.contains("t=y"), "{text}");
            assert_eq!(key.strict, text.contains(":s;"), "{text}");
            assert_eq!(
                key.kind == KeyType::Ed25519,
                text.contains("ed25519"),
                "{text}"
            );
        }
        for text in [
            "",
            "v=DKIM1",
            "v=DKIM1; p=",
            "v=DKIM2; p=aGk=",
            "p=aGk=; v=DKIM1",
            "k=ec; p=aGk=",
            "h=sha1; p=aGk=",
            "s=web; p=aGk=",
            "p=*",
            "p=aGk=; p=aGk=",
            "v=spf1 -all",
        ] {
            assert!(KeyRecord::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    // RFC 8460 §3.
    #[test]
    fn keys_for_reports_about_tls() {
        for (services, email, reports) in [
            ("", true, true),
            ("s=*;", true, true),
            ("s=email;", true, true),
            ("s=tlsrpt;", false, true),
            ("s=web:tlsrpt;", false, true),
            ("s=web;", false, false),
        ] {
            let text = format!("v=DKIM1; k=ed25519; {services} p=aGk=");
            let is_for = |service| KeyRecord::parse_for(text.as_bytes(), service).is_ok();
            let found = (is_for(Service::Email), is_for(Service::TlsReports));
            assert_eq!(found, (email, reports), "{text}");
        }
    }
}
