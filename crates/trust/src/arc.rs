//! ARC (RFC 8617): what each relay on the way saw, sealed one after the other, so that a list or a
//! forwarder who changes a letter can be believed about what it was.
//!
//! Not here: whether a sealer is to be trusted at all; that is the owner's choice.

use std::fmt;

use message::Header;

use crate::canonical::{BodyForm, Canonicalization, Own, push_field, push_unsigned};
use crate::dkim::{
    self, Algorithm, Flavor, KeyError, KeyRecord, Signature, Signing, SigningKey, ascii,
    fields_to_sign, folded, signed_field,
};
use crate::dns::{Answer, Answers, Check, Kind, Question};
use crate::letter::Letter;
use crate::tags::{Tags, encoded};

/// Sets a letter may have (RFC 8617 §5.2).
pub const SETS_MAX: usize = 50;

/// What a chain is worth (RFC 8617 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is none.
    None,
    /// Every seal holds.
    Pass,
    /// Something is broken, and nothing mends it.
    Fail,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
        })
    }
}

/// The outcome with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the chain is worth.
    pub outcome: Outcome,
    /// Who sealed, the first sealer first.
    pub sealers: Vec<Sealer>,
    /// What was wrong, and with which set.
    pub problem: Option<String>,
    /// The question that had no answer; for ARC that is final as well (RFC 8617 §5.2.1).
    pub unanswered: Option<Question>,
}

/// Who sealed, and with which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealer {
    /// The domain that answers for the seal.
    pub domain: String,
    /// Which of its keys.
    pub selector: String,
    /// What it saw: the value of its ARC-Authentication-Results behind the instance.
    pub results: String,
}

/// The chain as it stands in a header, not yet judged.
#[derive(Clone, Debug)]
pub(crate) struct Chain(Result<Vec<Set>, &'static str>);

/// The three fields of one sealer.
#[derive(Clone, Debug)]
struct Set {
    results: Vec<u8>,
    message: Vec<u8>,
    message_offset: usize,
    seal: Vec<u8>,
    signature: Result<Signature, &'static str>,
    sealed: Result<Seal, &'static str>,
}

/// ARC-Seal (RFC 8617 §4.1.3).
#[derive(Clone, Debug)]
struct Seal {
    algorithm: Algorithm,
    domain: String,
    selector: String,
    chain: Outcome,
    signature: Vec<u8>,
}

const NAMES: [&str; 3] = [
    "ARC-Authentication-Results",
    "ARC-Message-Signature",
    "ARC-Seal",
];

impl Chain {
    // RFC 8617 §5.2
    /// Collects the sets.
    pub(crate) fn parse(header: &[u8]) -> Self {
        Self(Self::collect(header))
    }

    fn collect(header: &[u8]) -> Result<Vec<Set>, &'static str> {
        let mut slots: Vec<[Option<message::Field<'_>>; 3]> = Vec::new();
        for field in Header::parse(header) {
            let Some(which) = NAMES.iter().position(|name| field.is(name)) else {
                continue;
            };
            let instance = instance(field.value).ok_or("a field without its number (i=)")?;
            if slots.len() < instance {
                slots.resize(instance, [None; 3]);
            }
            let slot = slots
                .get_mut(instance - 1)
                .and_then(|set| set.get_mut(which));
            let twice = slot.and_then(|slot| slot.replace(field)).is_some();
            if twice {
                return Err("a field that stands twice in one set");
            }
        }
        let sets = slots.into_iter().map(|set| match set {
            [Some(results), Some(message), Some(seal)] => Ok(Set {
                results: results.raw.to_vec(),
                message: message.raw.to_vec(),
                message_offset: message.offset,
                seal: seal.raw.to_vec(),
                signature: Signature::parse(message.value, Flavor::Arc),
                sealed: Seal::parse(seal.value),
            }),
            _ => Err("a set that is not whole"),
        });
        sets.collect()
    }

    /// The form of the body that the newest signature needs.
    pub(crate) fn body_form(&self) -> Option<BodyForm> {
        let newest = self.0.as_ref().ok()?.last()?;
        newest.signature.as_ref().ok().map(Signature::body_form)
    }
}

// RFC 8617 §4.2.1
/// A field's place in the chain: 1 to [`SETS_MAX`].
fn instance(value: &[u8]) -> Option<usize> {
    let first = value.split(|octet| *octet == b';').next()?;
    let (name, number) = std::str::from_utf8(first).ok()?.split_once('=')?;
    let number = number.trim_ascii();
    let plain = name.trim_ascii() == "i" && number.bytes().all(|octet| octet.is_ascii_digit());
    let number = number
        .parse()
        .ok()
        .filter(|number| (1..=SETS_MAX).contains(number));
    number.filter(|_| plain)
}

impl Seal {
    fn parse(value: &[u8]) -> Result<Self, &'static str> {
        let tags = Tags::parse(value)?;
        // RFC 8617 §4.1.3
        if ["h", "c", "bh", "l"]
            .iter()
            .any(|name| tags.text(name).is_some())
        {
            return Err("a seal with tags that no seal has");
        }
        let text = |name| tags.text(name).unwrap_or_default();
        Ok(Self {
            algorithm: Algorithm::parse(text("a")).ok_or("an algorithm nobody knows (a=)")?,
            domain: ascii(text("d")).ok_or("no domain (d=)")?,
            selector: ascii(text("s")).ok_or("no selector (s=)")?,
            chain: match text("cv") {
                "none" => Outcome::None,
                "pass" => Outcome::Pass,
                "fail" => Outcome::Fail,
                _ => return Err("no word about the chain (cv=)"),
            },
            signature: tags.base64("b").ok_or("no signature (b=)")?,
        })
    }

    fn key_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }
}

/// Judges the chain of a letter.
#[derive(Clone, Copy, Debug)]
pub struct Verify<'a> {
    letter: &'a Letter,
}

impl<'a> Verify<'a> {
    /// For this letter.
    #[must_use]
    pub const fn new(letter: &'a Letter) -> Self {
        Self { letter }
    }
}

/// Why a chain fails.
enum Stop {
    Ask(Question),
    Broken(String),
    Unanswered(Question),
}

impl Check for Verify<'_> {
    type Verdict = Verdict;

    fn judge(&self, answers: &Answers) -> Result<Verdict, Question> {
        let sets = match &self.letter.chain.0 {
            Ok(sets) => sets.as_slice(),
            Err(problem) => {
                return Ok(Verdict {
                    outcome: Outcome::Fail,
                    sealers: Vec::new(),
                    problem: Some((*problem).to_owned()),
                    unanswered: None,
                });
            }
        };
        let mut verdict = Verdict {
            outcome: Outcome::None,
            sealers: sets.iter().filter_map(Set::sealer).collect(),
            problem: None,
            unanswered: None,
        };
        if sets.is_empty() {
            return Ok(verdict);
        }
        verdict.outcome = Outcome::Fail;
        match self.chain(sets, answers) {
            Ok(()) => verdict.outcome = Outcome::Pass,
            Err(Stop::Ask(question)) => return Err(question),
            Err(Stop::Broken(problem)) => verdict.problem = Some(problem),
            Err(Stop::Unanswered(question)) => {
                verdict.problem = Some(format!("no answer about {question}"));
                verdict.unanswered = Some(question);
            }
        }
        Ok(verdict)
    }
}

impl Verify<'_> {
    // RFC 8617 §5.2
    fn chain(&self, sets: &[Set], answers: &Answers) -> Result<(), Stop> {
        let newest = sets.len();
        let mut seals = Vec::new();
        for (at, set) in sets.iter().enumerate() {
            let seal = set.sealed.as_ref().map_err(|what| broken(at + 1, what))?;
            let expected = match at {
                0 => Outcome::None,
                _ => Outcome::Pass,
            };
            if seal.chain != expected {
                let what = format!("its seal says cv={}", seal.chain);
                return Err(broken(at + 1, &what));
            }
            seals.push((set, seal));
        }
        let Some(last) = sets.last() else {
            return Ok(());
        };
        let signature = last
            .signature
            .as_ref()
            .map_err(|what| broken(newest, what))?;
        // RFC 8617 §4.1.2
        if signature
            .fields
            .iter()
            .any(|name| name.eq_ignore_ascii_case("ARC-Seal"))
        {
            return Err(broken(newest, "its signature covers seals"));
        }
        // All keys first: what is expensive is done once.
        let message_key = key(&signature.key_name(), newest, answers)?;
        let mut keys = Vec::new();
        for (at, (_, seal)) in seals.iter().enumerate() {
            keys.push(key(&seal.key_name(), at + 1, answers)?);
        }
        let own = Own {
            raw: &last.message,
            offset: Some(last.message_offset),
        };
        dkim::verify(self.letter, own, signature, &message_key, None)
            .map_err(|(_, what)| broken(newest, &format!("its signature: {what}")))?;
        for (at, ((_, seal), key)) in seals.iter().zip(&keys).enumerate().rev() {
            let signed = sealed_octets(sets.get(..=at).unwrap_or_default());
            if seal.algorithm == Algorithm::RsaSha1 || !key.fits(seal.algorithm) {
                return Err(broken(
                    at + 1,
                    "its seal is of an algorithm that does not do",
                ));
            }
            if !key.verify(&signed, &seal.signature) {
                return Err(broken(at + 1, "its seal does not hold"));
            }
        }
        Ok(())
    }
}

fn broken(instance: usize, what: &str) -> Stop {
    Stop::Broken(format!("set {instance}: {what}"))
}

fn key(name: &str, instance: usize, answers: &Answers) -> Result<KeyRecord, Stop> {
    let answer = answers.to(name, Kind::Txt).map_err(Stop::Ask)?;
    if *answer == Answer::Failed
        && let Some(question) = Question::new(name, Kind::Txt)
    {
        return Err(Stop::Unanswered(question));
    }
    let mut problem = "there is no key";
    for text in answer.texts() {
        match KeyRecord::parse(text) {
            Ok(key) => return Ok(key),
            Err(what) => problem = what,
        }
    }
    Err(broken(instance, &format!("{name}: {problem}")))
}

impl Set {
    fn sealer(&self) -> Option<Sealer> {
        let seal = self.sealed.as_ref().ok()?;
        let field = Header::parse(&self.results).next()?;
        let value = String::from_utf8_lossy(&field.unfolded()).into_owned();
        let results = value.split_once(';').map_or("", |(_, rest)| rest).trim();
        Some(Sealer {
            domain: seal.domain.clone(),
            selector: seal.selector.clone(),
            results: results.to_owned(),
        })
    }
}

// RFC 8617 §5.1.1
/// What the last of these seals is made over.
fn sealed_octets(sets: &[Set]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, set) in sets.iter().enumerate() {
        push_field(Canonicalization::Relaxed, &set.results, &mut out);
        push_field(Canonicalization::Relaxed, &set.message, &mut out);
        if at + 1 < sets.len() {
            push_field(Canonicalization::Relaxed, &set.seal, &mut out);
        } else {
            push_unsigned(Canonicalization::Relaxed, &set.seal, &mut out);
        }
    }
    out
}

/// Why a letter is not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Its chain was broken before, and said so: nothing to add (RFC 8617 §5.1).
    #[error("sealing: the chain says itself that it is broken")]
    Broken,
    /// The chain has no place left, or cannot be counted.
    #[error("sealing: no number is left for another set")]
    Full,
    /// The key or a name.
    #[error(transparent)]
    Key(#[from] KeyError),
}

// RFC 8617 §5.1
/// Makes the three fields that go above the letter. `results` is what was found out about it
/// (`authserv-id; …`), `chain` what its chain is worth.
///
/// # Errors
/// Where the letter cannot be sealed, or was not read for the form of the body.
pub fn seal(
    letter: &Letter,
    key: &SigningKey,
    signing: &Signing,
    results: &str,
    chain: Outcome,
) -> Result<String, SealError> {
    let mut sets = match &letter.chain.0 {
        Ok(sets) => sets.clone(),
        Err(_) => Vec::new(),
    };
    let said = sets.last().and_then(|set| set.sealed.as_ref().ok());
    if said.is_some_and(|seal| seal.chain == Outcome::Fail) {
        return Err(SealError::Broken);
    }
    let instance = highest(letter) + 1;
    if instance > SETS_MAX {
        return Err(SealError::Full);
    }
    // RFC 8617 §5.1.2
    if chain == Outcome::Fail {
        sets.clear();
    }
    let results = format!("ARC-Authentication-Results: i={instance};\r\n\t{results}\r\n");
    let names = fields_to_sign(letter.header(), &["DKIM-Signature"]);
    let first = vec![format!("i={instance}")];
    let message = signed_field("ARC-Message-Signature", first, &names, letter, key, signing)?;
    let mut tags = vec![
        format!("i={instance}"),
        format!("a={}", key.algorithm().name()),
        format!("cv={chain}"),
        format!("d={}", ascii(&signing.domain).ok_or(KeyError::NoName)?),
        format!("s={}", ascii(&signing.selector).ok_or(KeyError::NoName)?),
    ];
    tags.extend(signing.time.map(|time| format!("t={time}")));
    sets.push(Set {
        results: results.as_bytes().to_vec(),
        message: message.as_bytes().to_vec(),
        message_offset: 0,
        seal: folded("ARC-Seal", &tags, "").into_bytes(),
        signature: Err(""),
        sealed: Err(""),
    });
    let signature = key.sign(&sealed_octets(&sets))?;
    let sealed = folded("ARC-Seal", &tags, &encoded(&signature));
    Ok(sealed + &message + &results)
}

/// The highest number in the header's chain, be it whole or not.
fn highest(letter: &Letter) -> usize {
    let fields = NAMES.iter().flat_map(|name| letter.fields(name));
    fields
        .filter_map(|field| instance(field.value))
        .max()
        .unwrap_or(0)
}
