//! The field DKIM-Signature, and its sister in ARC, taken apart (RFC 6376 §3.5, RFC 8617 §4.1.2).

use crate::canonical::{BodyForm, Canonicalization, Own, signed_octets};
use crate::dns::{is_name, is_within};
use crate::tags::Tags;

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with PKCS #1 v1.5 and SHA-256 (RFC 6376 §3.3.2).
    RsaSha256,
    /// Ed25519 over SHA-256 (RFC 8463 §3).
    Ed25519Sha256,
    /// The one not to be believed (RFC 8301 §3.1).
    RsaSha1,
}

impl Algorithm {
    /// As `a=` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaSha256 => "rsa-sha256",
            Self::Ed25519Sha256 => "ed25519-sha256",
            Self::RsaSha1 => "rsa-sha1",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let all = [Self::RsaSha256, Self::Ed25519Sha256, Self::RsaSha1];
        all.into_iter().find(|known| known.name() == text)
    }
}

/// A signature as its field says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// How it was made (`a=`).
    pub algorithm: Algorithm,
    /// Form of the header (`c=`).
    pub header: Canonicalization,
    /// Form of the body (`c=`).
    pub body: Canonicalization,
    /// Who answers for the letter (`d=`), in A-labels.
    pub domain: String,
    /// Which of the domain's keys (`s=`), in A-labels.
    pub selector: String,
    /// On behalf of whom (`i=`): `@` and the domain unless it says more.
    pub identity: String,
    /// Names of the fields that are signed (`h=`).
    pub fields: Vec<String>,
    /// Octets of the body that are signed (`l=`).
    pub octets: Option<u64>,
    /// When it was made (`t=`), in seconds since 1970.
    pub time: Option<u64>,
    /// Until when it is good (`x=`), in seconds since 1970.
    pub expires: Option<u64>,
    /// The body's hash (`bh=`).
    pub body_hash: Vec<u8>,
    /// The signature itself (`b=`).
    pub signature: Vec<u8>,
}

/// Which of the two fields it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    Dkim,
    /// ARC-Message-Signature: `i=` is its place in the chain, and there is no version.
    Arc,
}

impl Signature {
    // RFC 6376 §6.1.1
    /// Reads a field's value.
    pub(crate) fn parse(value: &[u8], flavor: Flavor) -> Result<Self, &'static str> {
        let tags = Tags::parse(value)?;
        if flavor == Flavor::Dkim && tags.text("v") != Some("1") {
            return Err("its version is not 1");
        }
        let algorithm = tags.text("a").ok_or("no algorithm (a=)")?;
        let algorithm = Algorithm::parse(algorithm).ok_or("an algorithm nobody knows (a=)")?;
        let (header, body) = canonicalizations(&tags)?;
        let domain = ascii(tags.text("d").unwrap_or_default()).ok_or("no domain (d=)")?;
        let selector = ascii(tags.text("s").unwrap_or_default()).ok_or("no selector (s=)")?;
        let fields: Vec<String> = tags
            .list("h")
            .ok_or("no signed fields (h=)")?
            .map(str::to_owned)
            .collect();
        if fields.iter().any(String::is_empty) {
            return Err("signed fields without a name (h=)");
        }
        let identity = match flavor {
            Flavor::Dkim => identity(&tags, &domain)?,
            Flavor::Arc => String::new(),
        };
        // RFC 6376 §5.4
        if flavor == Flavor::Dkim && !fields.iter().any(|name| name.eq_ignore_ascii_case("from")) {
            return Err("From is not signed (h=)");
        }
        if tags
            .list("q")
            .is_some_and(|mut ways| ways.all(|way| way != "dns/txt"))
        {
            return Err("its key is nowhere we look (q=)");
        }
        let number = |name, what| match tags.number(name) {
            Some(None) => Err(what),
            number => Ok(number.flatten()),
        };
        let time = number("t", "a time that is none (t=)")?;
        let expires = number("x", "a time that is none (x=)")?;
        if matches!((time, expires), (Some(time), Some(expires)) if expires <= time) {
            return Err("it expired before it was made (x=)");
        }
        let signature = tags.base64("b").filter(|octets| !octets.is_empty());
        Ok(Self {
            algorithm,
            header,
            body,
            domain,
            selector,
            identity,
            fields,
            octets: number("l", "a length that is none (l=)")?,
            time,
            expires,
            body_hash: tags.base64("bh").ok_or("no hash of the body (bh=)")?,
            signature: signature.ok_or("no signature (b=)")?,
        })
    }

    /// Where the key is (RFC 6376 §3.6.2.1).
    pub(crate) fn key_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    pub(crate) const fn body_form(&self) -> BodyForm {
        BodyForm {
            canonicalization: self.body,
            octets: self.octets,
        }
    }

    pub(crate) fn signed_octets(&self, header: &[u8], own: &Own<'_>) -> Vec<u8> {
        let names = self.fields.iter().map(String::as_str);
        signed_octets(header, names, own, self.header)
    }

    pub(crate) fn expired(&self, now: i64) -> bool {
        let now = u64::try_from(now).unwrap_or_default();
        self.expires.is_some_and(|expires| now > expires)
    }
}

// RFC 6376 §3.5
fn canonicalizations(
    tags: &Tags<'_>,
) -> Result<(Canonicalization, Canonicalization), &'static str> {
    let text = tags.text("c").unwrap_or("simple/simple");
    let (header, body) = text.split_once('/').unwrap_or((text, "simple"));
    let header = Canonicalization::parse(header.trim_ascii());
    let body = Canonicalization::parse(body.trim_ascii());
    header.zip(body).ok_or("a form nobody knows (c=)")
}

fn identity(tags: &Tags<'_>, domain: &str) -> Result<String, &'static str> {
    let Some(identity) = tags.text("i") else {
        return Ok(format!("@{domain}"));
    };
    let (local, host) = identity
        .rsplit_once('@')
        .ok_or("an identity without @ (i=)")?;
    let host = ascii(host).ok_or("an identity without a domain (i=)")?;
    if !is_within(&host, domain) {
        return Err("its identity is in another domain (i=)");
    }
    Ok(format!("{local}@{host}"))
}

// RFC 8616 §5
/// A name in A-labels and lower case; `None` if it is none.
pub(crate) fn ascii(text: &str) -> Option<String> {
    let name = match text.is_ascii() {
        true => text.to_ascii_lowercase(),
        false => mail::Host::parse(text).ok()?.to_ascii(),
    };
    let plain = name
        .bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
    (plain && is_name(&name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = " v=1; a=ed25519-sha256; c=relaxed/simple;\r\n d=Example.ORG; s=a.b; \
        i=joe@mail.example.org;\r\n h=from : To:Subject; l=12; t=100; x=200; q=dns/txt;\r\n \
        z=From:a|To:b; bh=aGk=; b=aG\r\n k=";

    #[test]
    fn every_tag_is_read() {
        let read = Signature::parse(WHOLE.as_bytes(), Flavor::Dkim).unwrap();
        let expected = Signature {
            algorithm: Algorithm::Ed25519Sha256,
            header: Canonicalization::Relaxed,
            body: Canonicalization::Simple,
            domain: "example.org".to_owned(),
            selector: "a.b".to_owned(),
            identity: "joe@mail.example.org".to_owned(),
            fields: vec!["from".to_owned(), "To".to_owned(), "Subject".to_owned()],
            octets: Some(12),
            time: Some(100),
            expires: Some(200),
            body_hash: b"hi".to_vec(),
            signature: b"hi".to_vec(),
        };
        assert_eq!(read, expected);
        assert_eq!(read.key_name(), "a.b._domainkey.example.org");
        assert!(!read.expired(200) && read.expired(201));
    }

    // RFC 6376 §3.5, §6.1.1.
    #[test]
    fn what_a_signature_may_not_lack() {
        for (from, to) in [
            ("v=1", "v=2"),
            ("v=1;", ""),
            ("a=ed25519-sha256;", ""),
            ("ed25519-sha256", "rsa-md5"),
            ("relaxed/simple", "relaxed/loose"),
            ("d=Example.ORG;", ""),
            ("Example.ORG", "other.example"),
            ("s=a.b;", ""),
            ("s=a.b;", "s=a..b;"),
            ("joe@mail", "mail"),
            ("from : ", ""),
            ("To:", ":"),
            ("h=from : To:Subject;", ""),
            ("l=12", "l=-1"),
            ("t=100", "t=x"),
            ("x=200", "x=100"),
            ("dns/txt", "dns/spf"),
            ("bh=aGk=;", ""),
            ("b=aG\r\n k=", "b="),
            ("b=aG\r\n k=", "b=*"),
        ] {
            let text = WHOLE.replace(from, to);
            assert_ne!(text, WHOLE, "{from}");
            assert!(
                Signature::parse(text.as_bytes(), Flavor::Dkim).is_err(),
                "{from} {to}"
            );
        }
        for (from, to) in [
            ("c=relaxed/simple;", ""),
            ("dns/txt", "x/y:dns/txt"),
            ("i=joe", "i="),
        ] {
            let text = WHOLE.replace(from, to);
            assert!(
                Signature::parse(text.as_bytes(), Flavor::Dkim).is_ok(),
                "{from} {to}"
            );
        }
    }

    // RFC 8616 §5.
    #[test]
    fn domains_of_other_alphabets() {
        let text = WHOLE.replace("Example.ORG", "bücher.example");
        let text = text.replace("mail.example.org", "a.Bücher.example");
        let read = Signature::parse(text.as_bytes(), Flavor::Dkim).unwrap();
        assert_eq!(read.domain, "xn--bcher-kva.example");
        assert_eq!(read.identity, "joe@a.xn--bcher-kva.example");
    }
}
