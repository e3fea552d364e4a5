//! DKIM (RFC 6376, 8301, 8463, 8616): whose domain answers for a letter, by its signature.
//!
//! A [`Letter`](crate::Letter) finds its signatures while it is read; [`Verify`] asks for their
//! keys and judges them; [`sign`] makes another one.
//!
//! Not here: whether the domain is the author's ([`dmarc`](crate::dmarc)).

use std::fmt;

use message::Header;

use crate::canonical::{BodyForm, Own};
use crate::dns::{Answer, Answers, Check, Kind, Question};
use crate::letter::Letter;

mod key;
mod signature;
mod signing;

pub use key::{KeyRecord, KeyType, Service};
pub use signature::{Algorithm, Signature};
pub use signing::{KeyError, OVERSIGNED, SIGNED, Signing, SigningKey, sign};

pub(crate) use signature::{Flavor, ascii};
pub(crate) use signing::{fields_to_sign, folded, signed_field};

/// Signatures of one letter that are looked at, from the top.
pub const SIGNATURES_MAX: usize = 10;
/// Bits an RSA key must have to be believed (RFC 8301 §3.2).
pub const RSA_BITS_MIN: usize = 1024;

/// What became of one signature (RFC 8601 §2.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not: something was changed, or it never did.
    Fail,
    /// It may hold, but is not good enough for us: a weak algorithm or key, or expired.
    Policy,
    /// It cannot be understood.
    Neutral,
    /// DNS did not answer.
    TempError,
    /// There is no key to judge it by.
    PermError,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Policy => "policy",
            Self::Neutral => "neutral",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        })
    }
}

/// The outcome of one signature with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What became of it.
    pub outcome: Outcome,
    /// The signature, where it can be read.
    pub signature: Option<Signature>,
    /// What was wrong; `None` where nothing was.
    pub problem: Option<String>,
    /// Where its key is asked for.
    pub question: Option<Question>,
    /// The key, where there is one.
    pub key: Option<KeyRecord>,
}

impl Verdict {
    /// True for a signature that holds and whose domain does not merely test (RFC 6376 §3.6.1).
    #[must_use]
    pub fn counts(&self) -> bool {
        self.outcome == Outcome::Pass && !self.key.as_ref().is_some_and(|key| key.testing)
    }
}

/// A signature in a letter's header.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The whole field with its line end.
    pub(crate) raw: Vec<u8>,
    /// Octets of the header before it.
    pub(crate) offset: usize,
    pub(crate) signature: Result<Signature, &'static str>,
}

impl Found {
    pub(crate) fn body_form(&self) -> Option<BodyForm> {
        self.signature.as_ref().ok().map(Signature::body_form)
    }

    pub(crate) const fn own(&self) -> Own<'_> {
        Own {
            raw: self.raw.as_slice(),
            offset: Some(self.offset),
        }
    }
}

/// The signatures of a header, as many as are looked at.
pub(crate) fn signatures(header: &[u8]) -> Vec<Found> {
    Header::parse(header)
        .filter(|field| field.is("DKIM-Signature"))
        .take(SIGNATURES_MAX)
        .map(|field| Found {
            raw: field.raw.to_vec(),
            offset: field.offset,
            signature: Signature::parse(field.value, Flavor::Dkim),
        })
        .collect()
}

/// Judges all signatures of a letter.
#[derive(Clone, Copy, Debug)]
pub struct Verify<'a> {
    letter: &'a Letter,
    now: i64,
    service: Service,
}

impl<'a> Verify<'a> {
    /// `now` is in seconds since 1970.
    #[must_use]
    pub const fn new(letter: &'a Letter, now: i64) -> Self {
        Self {
            letter,
            now,
            service: Service::Email,
        }
    }

    /// The same of a letter that is a report about TLS: keys that are for nothing else will do.
    // RFC 8460 §3
    #[must_use]
    pub const fn of_tls_report(letter: &'a Letter, now: i64) -> Self {
        Self {
            letter,
            now,
            service: Service::TlsReports,
        }
    }
}

impl Check for Verify<'_> {
    type Verdict = Vec<Verdict>;

    fn judge(&self, answers: &Answers) -> Result<Vec<Verdict>, Question> {
        // All keys first: what is expensive is done once.
        for found in &self.letter.signatures {
            if let Ok(signature) = &found.signature {
                answers.to(&signature.key_name(), Kind::Txt)?;
            }
        }
        let judged = self.letter.signatures.iter();
        judged.map(|found| self.judge_one(found, answers)).collect()
    }
}

impl Verify<'_> {
    // RFC 6376 §6.1
    fn judge_one(&self, found: &Found, answers: &Answers) -> Result<Verdict, Question> {
        let signature = match &found.signature {
            Ok(signature) => signature,
            Err(problem) => {
                return Ok(Verdict {
                    outcome: Outcome::Neutral,
                    signature: None,
                    problem: Some((*problem).to_owned()),
                    question: None,
                    key: None,
                });
            }
        };
        let key = key(signature, answers, self.service)?;
        let judged = match &key {
            Ok(key) => verify(self.letter, found.own(), signature, key, Some(self.now)),
            Err((outcome, problem)) => Err((*outcome, *problem)),
        };
        let (outcome, problem) = match judged {
            Ok(()) => (Outcome::Pass, None),
            Err((outcome, problem)) => (outcome, Some(problem.to_owned())),
        };
        Ok(Verdict {
            outcome,
            signature: Some(signature.clone()),
            problem,
            question: Question::new(&signature.key_name(), Kind::Txt),
            key: key.ok(),
        })
    }
}

/// What is wrong with a signature, and which outcome that is.
pub(crate) type Wrong = (Outcome, &'static str);

// RFC 6376 §6.1.2
/// The key of a signature.
pub(crate) fn key(
    signature: &Signature,
    answers: &Answers,
    service: Service,
) -> Result<Result<KeyRecord, Wrong>, Question> {
    let answer = answers.to(&signature.key_name(), Kind::Txt)?;
    if *answer == Answer::Failed {
        return Ok(Err((Outcome::TempError, "no answer about its key")));
    }
    let mut problem = "there is no key";
    for text in answer.texts() {
        match KeyRecord::parse_for(text, service) {
            Ok(key) => return Ok(Ok(key)),
            Err(what) => problem = what,
        }
    }
    Ok(Err((Outcome::PermError, problem)))
}

// RFC 6376 §6.1.3
/// Compares a signature with the letter; without `now` it does not expire.
pub(crate) fn verify(
    letter: &Letter,
    own: Own<'_>,
    signature: &Signature,
    key: &KeyRecord,
    now: Option<i64>,
) -> Result<(), Wrong> {
    // RFC 8301 §3.1
    if signature.algorithm == Algorithm::RsaSha1 {
        return Err((Outcome::Policy, "SHA-1 proves nothing any more"));
    }
    key.suits(signature)
        .map_err(|problem| (Outcome::PermError, problem))?;
    let body = letter.body(signature.body_form());
    let body = body.ok_or((Outcome::Neutral, "its body was not read"))?;
    if signature.octets.is_some_and(|octets| octets > body.octets) {
        return Err((Outcome::Neutral, "it covers more than there is"));
    }
    if body.hash != signature.body_hash {
        return Err((Outcome::Fail, "the body was changed"));
    }
    // RFC 8301 §3.2
    if key.kind == KeyType::Rsa && signature.signature.len() * 8 < RSA_BITS_MIN {
        return Err((Outcome::Policy, "its key is too short"));
    }
    let signed = signature.signed_octets(letter.header(), &own);
    if !key.verify(&signed, &signature.signature) {
        return Err((
            Outcome::Fail,
            "the header was changed, or it was made with another key",
        ));
    }
    let expired = now.is_some_and(|now| signature.expired(now));
    match expired {
        true => Err((Outcome::Policy, "it has expired")),
        false => Ok(()),
    }
}
