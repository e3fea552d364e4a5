//! A letter read once from beginning to end: its header kept, its body hashed as it passes.
//!
//! Not here: what the signatures are worth ([`dkim`](crate::dkim), [`arc`](crate::arc)).

use message::Header;

use crate::arc::Chain;
use crate::canonical::{BodyForm, BodyHash, BodyHasher};
use crate::dkim::Found;

/// Octets a header may have; a letter with a longer one is not checked at all.
pub const HEADER_OCTETS_MAX: usize = 1024 * 1024;

/// What can go wrong when a letter is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The header does not end.
    #[error("reading a letter: its header has more than {HEADER_OCTETS_MAX} octets")]
    HeaderTooLong,
}

/// Reads a letter that comes in pieces, its lines ending with CRLF.
#[derive(Debug, Default)]
pub struct Reader {
    header: Vec<u8>,
    wanted: Vec<BodyForm>,
    /// What the header asked for, once it has ended.
    body: Option<Body>,
    too_long: bool,
}

#[derive(Debug)]
struct Body {
    hashers: Vec<BodyHasher>,
    signatures: Vec<Found>,
    chain: Chain,
}

/// A letter that was read.
#[derive(Clone, Debug)]
pub struct Letter {
    header: Vec<u8>,
    bodies: Vec<(BodyForm, BodyHash)>,
    pub(crate) signatures: Vec<Found>,
    pub(crate) chain: Chain,
}

impl Reader {
    /// Begins. `wanted` are the forms of the body that a signer needs; those that the letter's own
    /// signatures need are found out.
    #[must_use]
    pub fn new(wanted: &[BodyForm]) -> Self {
        Self {
            wanted: wanted.to_vec(),
            ..Self::default()
        }
    }

    /// Takes the next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        if let Some(body) = &mut self.body {
            body.feed(piece);
            return;
        }
        // A line end may be cut.
        let from = self.header.len().saturating_sub(3);
        self.header.extend_from_slice(piece);
        if let Some(end) = header_end(&self.header, from) {
            let rest = self.header.split_off(end);
            self.header_ends();
            self.feed(&rest);
        } else if self.header.len() > HEADER_OCTETS_MAX {
            self.too_long = true;
            self.header.clear();
        }
    }

    /// Octets of memory it takes: its header.
    #[must_use]
    pub const fn memory_octets(&self) -> usize {
        self.header.capacity()
    }

    fn header_ends(&mut self) {
        self.too_long |= self.header.len() > HEADER_OCTETS_MAX;
        let signatures = crate::dkim::signatures(&self.header);
        let chain = Chain::parse(&self.header);
        let mut forms = std::mem::take(&mut self.wanted);
        let theirs = signatures.iter().filter_map(Found::body_form);
        forms.extend(theirs.chain(chain.body_form()));
        let mut hashers: Vec<BodyHasher> = Vec::new();
        for form in forms {
            if hashers.iter().all(|hasher| hasher.form != form) {
                hashers.push(BodyHasher::new(form));
            }
        }
        self.body = Some(Body {
            hashers,
            signatures,
            chain,
        });
    }

    /// The letter ends.
    ///
    /// # Errors
    /// Where its header was too long.
    pub fn finish(mut self) -> Result<Letter, Error> {
        if self.body.is_none() {
            // RFC 5322 §2.1: a letter may have no body.
            self.header_ends();
        }
        if self.too_long {
            return Err(Error::HeaderTooLong);
        }
        let Some(body) = self.body else {
            return Err(Error::HeaderTooLong);
        };
        let hashed = body
            .hashers
            .into_iter()
            .map(|hasher| (hasher.form, hasher.finish()));
        Ok(Letter {
            header: self.header,
            bodies: hashed.collect(),
            signatures: body.signatures,
            chain: body.chain,
        })
    }
}

impl Body {
    fn feed(&mut self, piece: &[u8]) {
        for hasher in &mut self.hashers {
            hasher.feed(piece);
        }
    }
}

impl Letter {
    /// Reads a letter that is in memory.
    ///
    /// # Errors
    /// As [`Reader::finish`].
    pub fn read(octets: &[u8], wanted: &[BodyForm]) -> Result<Self, Error> {
        let mut reader = Reader::new(wanted);
        reader.feed(octets);
        reader.finish()
    }

    /// The header with its blank line.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// The hash of the body in a form that was asked for.
    pub(crate) fn body(&self, form: BodyForm) -> Option<&BodyHash> {
        let found = self.bodies.iter().find(|(known, _)| *known == form);
        found.map(|(_, hash)| hash)
    }

    /// The fields of this name from top to bottom.
    pub(crate) fn fields(&self, name: &str) -> impl Iterator<Item = message::Field<'_>> {
        Header::parse(&self.header).filter(move |field| field.is(name))
    }
}

/// Where the blank line ends that ends the header.
fn header_end(octets: &[u8], from: usize) -> Option<usize> {
    if octets.starts_with(b"\r\n") {
        return Some(2);
    }
    let searched = octets.get(from..)?;
    let found = memchr::memmem::find(searched, b"\r\n\r\n")?;
    Some(from + found + 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Canonicalization;

    const FORM: BodyForm = BodyForm {
        canonicalization: Canonicalization::Relaxed,
        octets: None,
    };

    #[test]
    fn any_cut_reads_the_same_letter() {
        for letter in [
            &b"A: b\r\nC: d\r\n\r\nbody \r\n more\r\n\r\n"[..],
            b"\r\nbody",
            b"A: b\r\n\r\n",
            b"A: b\r\n",
            b"A: b\r\n\r",
            b"",
        ] {
            let whole = Letter::read(letter, &[FORM]).unwrap();
            for size in 1..8 {
                let mut reader = Reader::new(&[FORM]);
                letter.chunks(size).for_each(|piece| reader.feed(piece));
                let cut = reader.finish().unwrap();
                assert_eq!(cut.header, whole.header);
                assert_eq!(cut.bodies, whole.bodies);
            }
        }
    }

    #[test]
    fn a_header_that_does_not_end() {
        let mut reader = Reader::new(&[]);
        for _ in 0..3 {
            reader.feed(&b"A: b\r\n".repeat(HEADER_OCTETS_MAX / 8));
        }
        assert!(reader.header.len() <= 2 * HEADER_OCTETS_MAX);
        assert_eq!(reader.finish().unwrap_err(), Error::HeaderTooLong);
    }
}
