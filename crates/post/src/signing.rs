//! Signatures of letters that our own people send, and of reports (RFC 6376): made with the keys of
//! their author's domain, one with each. Seals of letters from outside that are sent on (RFC 8617).
//!
//! Not here: signing itself (the room `trust`), where keys are kept.

use std::sync::Arc;

use bytes::Bytes;
use mail::Host;
use message::{Correspondent, Header, parse_addresses};
use trust::dkim::{Algorithm, Signing, SigningKey, sign};
use trust::{BodyForm, Canonicalization, Reader, arc};

use crate::error::Fault;
use crate::{Error, Outcome, Post, queue};

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

    /// True if nobody signs.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of<'a>(&'a self, domain: &'a str) -> impl Iterator<Item = &'a DomainKey> {
        self.0.iter().filter(move |key| key.domain == domain)
    }

    /// A domain that signs: this one, or the nearest above it.
    fn nearest(&self, domain: &str) -> Option<String> {
        let mut domain = domain.to_ascii_lowercase();
        while self.of(&domain).next().is_none() {
            domain = domain.split_once('.')?.1.to_owned();
        }
        Some(domain)
    }

    /// The key that seals for the first of these domains that has one, or whose domain above has:
    /// one of RSA, if there is any, since not all who verify know others.
    fn sealing(&self, domains: &[String]) -> Option<&DomainKey> {
        let domain = domains.iter().find_map(|domain| self.nearest(domain))?;
        let of_domain = || self.0.iter().filter(|key| key.domain == domain);
        let is_rsa = |key: &&DomainKey| key.key.algorithm() == Algorithm::RsaSha256;
        of_domain().find(is_rsa).or_else(|| of_domain().next())
    }
}

/// A letter from outside, as it may be sealed when it is sent on.
#[derive(Debug)]
pub(crate) struct Sealable {
    letter: trust::Letter,
    /// What was found out about it.
    results: String,
    /// What its chain was worth.
    chain: arc::Outcome,
}

impl Sealable {
    pub(crate) const fn new(letter: trust::Letter, results: String, chain: arc::Outcome) -> Self {
        Self {
            letter,
            results,
            chain,
        }
    }

    /// The reader of a letter that may be sealed.
    pub(crate) fn reader() -> Reader {
        Reader::new(&[BODY])
    }
}

impl Post {
    /// What goes in front of a letter that is sent on for one of these domains; of another text
    /// than it came with, if a script has changed it. Nothing where nobody seals for them.
    pub(crate) fn sealed(
        &self,
        sealable: Option<&Sealable>,
        changed: Option<&[u8]>,
        domains: &[String],
    ) -> Bytes {
        let Some(sealable) = sealable else {
            return Bytes::new();
        };
        let host = self.rules().host.to_ascii();
        let domains: Vec<String> = domains.iter().cloned().chain([host]).collect();
        let Some(key) = self.rules().keys.sealing(&domains) else {
            return Bytes::new();
        };
        let signing = Signing {
            time: Some(self.inner.outside.now().seconds),
            ..Signing::new(&key.domain, &key.selector)
        };
        let other = changed.map(|octets| trust::Letter::read(octets, &[BODY]));
        let letter = match &other {
            Some(Ok(letter)) => letter,
            Some(Err(_)) => return Bytes::new(),
            None => &sealable.letter,
        };
        let (results, chain) = (&sealable.results, sealable.chain);
        match arc::seal(letter, &key.key, &signing, results, chain) {
            Ok(set) => set.into_bytes().into(),
            // A chain that is broken for good, or too long, goes on as it is.
            Err(error) => {
                tracing::info!(%error, domain = key.domain, "a letter is sent on without a seal");
                Bytes::new()
            }
        }
    }

    /// A report with the signatures of its author's domain, or of the nearest above it, below its
    /// return path. One that cannot be signed is as good without.
    pub(crate) fn signed_report(&self, octets: &[u8]) -> Vec<u8> {
        let keys = &self.rules().keys;
        let now = self.inner.outside.now().seconds;
        let at = usize::try_from(queue::return_path_octets(octets)).unwrap_or_default();
        let (path, rest) = octets.split_at_checked(at).unwrap_or((&[], octets));
        let domain = author_domain(rest).and_then(|domain| keys.nearest(&domain));
        let signer = domain.map(|domain| Signer::of(keys, domain, rest, now));
        match signer.map(Signer::finish) {
            Some(Ok(fields)) => [path, fields.as_bytes(), rest].concat(),
            Some(Err(error)) => {
                tracing::error!(%error, "a report is sent without a signature");
                octets.to_vec()
            }
            None => octets.to_vec(),
        }
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
        Some(Self::of(keys, domain, octets, time))
    }

    fn of(keys: &Arc<Keyring>, domain: String, octets: &[u8], time: i64) -> Self {
        let mut reader = Reader::new(&[BODY]);
        reader.feed(octets);
        Self {
            keys: Arc::clone(keys),
            domain,
            time,
            reader,
        }
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
