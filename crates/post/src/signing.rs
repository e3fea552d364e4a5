//! Signatures of letters that our own people send (RFC 6376): made with the keys of their author's
//! domain, one with each.
//!
//! Not here: signing itself (the room `trust`), where keys are kept.

use std::sync::Arc;

use mail::Host;
use message::{Correspondent, Header, parse_addresses};
use trust::dkim::{Signing, SigningKey, sign};
use trust::{BodyForm, Canonicalization, Reader};

use crate::error::Fault;
use crate::{Error, Outcome};

/// How bodies are read: white space may change on the way.
const BODY: BodyForm = BodyForm {
    canonicalization: Canonicalization::Relaxed,
    octets: None,
};

/// Addresses of From among which an author is looked for.
const AUTHORS_MAX: usize = 100;

/// A key of a domain.
#[derive(Debug)]
pub struct DomainKey {
    domain: String,
    selector: String,
    key: SigningKey,
}

impl DomainKey {
    /// The key that is published at `SELECTOR._domainkey.DOMAIN`.
    #[must_use]
    pub fn new(domain: &Host, selector: &str, key: SigningKey) -> Self {
        Self {
            domain: domain.to_ascii().to_ascii_lowercase(),
            selector: selector.to_owned(),
            key,
        }
    }
}

/// The keys of all domains that sign.
#[derive(Debug, Default)]
pub struct Keyring(Vec<DomainKey>);

impl Keyring {
    /// These keys; a domain may have several.
    #[must_use]
    pub const fn new(keys: Vec<DomainKey>) -> Self {
        Self(keys)
    }

    fn of<'a>(&'a self, domain: &'a str) -> impl Iterator<Item = &'a DomainKey> {
        self.0.iter().filter(move |key| key.domain == domain)
    }
}

/// A letter that will be signed, read as it passes.
#[derive(Debug)]
pub(crate) struct Signer {
    keys: Arc<Keyring>,
    domain: String,
    /// Seconds since 1970.
    time: i64,
    reader: Reader,
}

impl Signer {
    /// Begins with a letter's first octets, its whole header among them; `None` if nobody signs for
    /// its author.
    pub(crate) fn begin(keys: &Arc<Keyring>, octets: &[u8], time: i64) -> Option<Self> {
        let domain = author_domain(octets).filter(|domain| keys.of(domain).next().is_some())?;
        let mut reader = Reader::new(&[BODY]);
        reader.feed(octets);
        Some(Self {
            keys: Arc::clone(keys),
            domain,
            time,
            reader,
        })
    }

    /// Takes what follows.
    pub(crate) fn feed(&mut self, octets: &[u8]) {
        self.reader.feed(octets);
    }

    /// Octets of memory it takes.
    pub(crate) const fn memory_octets(&self) -> usize {
        self.reader.memory_octets()
    }

    /// The fields that go above the letter: as long as for any other letter with this header.
    pub(crate) fn finish(self) -> Outcome<String> {
        let failed = |cause: String| Error::Fault(Fault::Signing(cause));
        let letter = self.reader.finish();
        let letter = letter.map_err(|error| failed(error.to_string()))?;
        let mut fields = String::new();
        for key in self.keys.of(&self.domain) {
            let signing = Signing {
                time: Some(self.time),
                ..Signing::new(&key.domain, &key.selector)
            };
            let field = sign(&letter, &key.key, &signing);
            fields += &field.map_err(|error| failed(error.to_string()))?;
        }
        Ok(fields)
    }
}

/// The domain of a letter's first author, in A-labels.
fn author_domain(octets: &[u8]) -> Option<String> {
    let field = Header::parse(octets).find(|field| field.is("From"))?;
    let people = parse_addresses(field.value, AUTHORS_MAX);
    let host = people.into_iter().find_map(|one| match one {
        Correspondent::Mailbox { .. } => Some(one.address()?.host),
        _ => None,
    })?;
    Some(host.to_ascii().to_ascii_lowercase())
}
