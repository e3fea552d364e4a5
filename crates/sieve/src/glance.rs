//! Tests that are seen to be false at a glance.
//!
//! Most tests of most scripts look for a text in a field of the message, and do not find it. As
//! they were compiled they lie all over the memory, and whoever asks one after the other waits for
//! the memory more than for anything else; here what they look for lies one behind the other.
//!
//! What is said here is that a test is false, and nothing else: one that may be true is asked as
//! it stands, and so is one that takes more than a glance.

mod making;

use std::cell::OnceCell;

use mail::{Address, ReversePath};

use self::making::Making;
use crate::circumstances::Envelope;
use crate::compare::{Comparator, is_quick, position};
use crate::fields::{Fields, Spelled};
use crate::language::Tag;
use crate::letters::Letters;
use crate::script::Op;

/// Values and keys that are compared for one command: with more it takes more than a glance.
const COMPARED_MAX: usize = 256;

/// What is known of a script's tests, by the number of the command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Glances {
    /// Where in `glances` a command's is; [`NONE`] for one that has none.
    places: Box<[u32]>,
    glances: Box<[Glance]>,
    looks: Box<[Look]>,
    /// Names and keys, an octet with its length before each.
    texts: Box<[u8]>,
    /// The letters of keys.
    letters: Box<[Letters]>,
}

const NONE: u32 = u32::MAX;

/// What must be false for a command's test to be false.
#[derive(Clone, Copy, Debug)]
struct Glance {
    /// The first of its looks, and how many there are.
    looks: (u32, u32),
    /// Where the script goes on then.
    to: u32,
    /// Names and keys in them.
    texts: u32,
}

/// A test that is false unless one of the values has one of the keys.
#[derive(Clone, Copy, Debug)]
struct Look {
    how: How,
    /// Names of fields, or of parts of the envelope.
    names: Texts,
    keys: Texts,
    /// Where the letters of its keys begin; none where a value that lacks one may still be like it.
    letters: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// True only if each of the names is there.
    Exists,
    /// True only if the message has more octets, or fewer.
    Over(u64),
    Under(u64),
    /// True only if one of the values is like a key.
    Compared {
        of: Of,
        extent: Extent,
        comparator: Comparator,
    },
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
enum Of {
    /// The text of each field.
    Text,
    /// The part of each address in the fields that the tag names.
    Addresses(Tag),
    /// The part of each address of the envelope.
    Envelope(Tag),
}

impl How {
    /// True if a value that is like a key has all of its letters.
    const fn goes_by_letters(self) -> bool {
        match self {
            Self::Exists | Self::Over(_) | Self::Under(_) => false,
            Self::Compared {
                extent, comparator, ..
            } => {
                matches!(extent, Extent::Whole | Extent::Inside)
                    && matches!(comparator, Comparator::Octet | Comparator::AsciiCasemap)
            }
        }
    }
}

/// Where in a value a key must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// It is all of it.
    Whole,
    /// Somewhere in it.
    Inside,
    /// Somewhere in it as regular expressions see it: to them K and S have a third case each beyond
    /// ASCII, the Kelvin sign and the long s.
    Folded,
}

/// Texts one behind the other.
#[derive(Clone, Copy, Debug, Default)]
struct Texts {
    at: u32,
    count: u32,
}

/// Where a false test leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The next command.
    pub(crate) to: usize,
    /// What of the limit it has used up.
    pub(crate) steps: u64,
}

impl Glances {
    pub(crate) fn of(ops: &[Op]) -> Self {
        let mut making = Making::default();
        let places = ops.iter().map(|op| match op {
            Op::Unless { test, to, .. } => making.glance(test, *to).unwrap_or(NONE),
            _ => NONE,
        });
        let places = places.collect();
        Self {
            places,
            glances: making.glances.into(),
            looks: making.looks.into(),
            texts: making.texts.into(),
            letters: making.letters.into(),
        }
    }

    /// Octets of memory it takes.
    pub(crate) fn octets(&self) -> usize {
        size_of_val(&*self.places)
            + size_of_val(&*self.glances)
            + size_of_val(&*self.looks)
            + self.texts.len()
            + size_of_val(&*self.letters)
    }

    /// True if something is known of a command.
    pub(crate) fn is_at(&self, op: usize) -> bool {
        self.places.get(op).is_some_and(|place| *place != NONE)
    }

    /// Where the script goes on behind the tests from a command on that are false of what is seen,
    /// and how many steps are left then of so many.
    pub(crate) fn pass_over(&self, from: usize, steps: u64, seen: &Seen<'_>) -> (usize, u64) {
        let (mut at, mut left) = (from, steps);
        while let Some(passed) = self.pass(at, seen) {
            let Some(rest) = left.checked_sub(passed.steps) else {
                break;
            };
            (left, at) = (rest, passed.to);
        }
        (at, left)
    }

    /// Where the script goes on, if a command is a test that is false of what is seen.
    pub(crate) fn pass(&self, op: usize, seen: &Seen<'_>) -> Option<Passed> {
        let place = usize::try_from(*self.places.get(op)?).ok()?;
        let glance = self.glances.get(place)?;
        let from = usize::try_from(glance.looks.0).ok()?;
        let count = usize::try_from(glance.looks.1).ok()?;
        let mut looks = self.looks.get(from..from.checked_add(count)?)?.iter();
        let mut glancing = Glancing {
            glances: self,
            seen,
            compared: 0,
        };
        if !looks.all(|look| glancing.is_false(look)) {
            return None;
        }
        let pieces = u64::try_from(seen.fields.octets() / 4096).unwrap_or(u64::MAX);
        let found = u64::from(glance.texts).saturating_mul(1 + pieces);
        let compared = u64::try_from(glancing.compared).unwrap_or(u64::MAX);
        Some(Passed {
            to: usize::try_from(glance.to).ok()?,
            steps: 1 + found.saturating_add(compared),
        })
    }
}

/// What is seen of a message.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) fields: &'a Fields,
    /// Octets of the message.
    pub(crate) size: u64,
    pub(crate) envelope: Option<&'a Envelope>,
    /// Where a detail begins in a local part.
    pub(crate) separators: &'a str,
    /// The envelope's addresses, once one was looked at.
    sender: OnceCell<Option<Spelled>>,
    recipient: OnceCell<Option<Spelled>>,
}

impl<'a> Seen<'a> {
    pub(crate) const fn new(
        fields: &'a Fields,
        size: u64,
        envelope: Option<&'a Envelope>,
        separators: &'a str,
    ) -> Self {
        Self {
            fields,
            size,
            envelope,
            separators,
            sender: OnceCell::new(),
            recipient: OnceCell::new(),
        }
    }

    /// An address of the envelope; none where that takes more than a glance: the null path, the
    /// postmaster, no envelope at all.
    fn envelope_address(&self, name: &[u8]) -> Option<&Spelled> {
        let (cell, address): (_, fn(&Envelope) -> Option<&Address>) = match name {
            b"from" => (&self.sender, |envelope| match &envelope.reverse_path {
                ReversePath::Null => None,
                ReversePath::Address(address) => Some(address),
            }),
            b"to" => (&self.recipient, |envelope| {
                envelope.recipient.forward_path.address()
            }),
            _ => return None,
        };
        let spelled = cell.get_or_init(|| Some(Spelled::of(address(self.envelope?)?)));
        spelled.as_ref()
    }
}

/// One command's tests, looked at.
struct Glancing<'a> {
    glances: &'a Glances,
    seen: &'a Seen<'a>,
    /// How often something was compared.
    compared: usize,
}

impl<'a> Glancing<'a> {
    /// The texts, as many as there are.
    fn texts(&self, texts: Texts) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let at = usize::try_from(texts.at).unwrap_or(usize::MAX);
        let mut rest = self.glances.texts.get(at..).unwrap_or_default();
        (0..texts.count).map_while(move |_| {
            let (len, behind) = rest.split_first()?;
            let (text, behind) = behind.split_at_checked(usize::from(*len))?;
            rest = behind;
            Some(text)
        })
    }

    fn is_false(&mut self, look: &Look) -> bool {
        let seen = self.seen;
        let mut names = self.texts(look.names);
        let of = match look.how {
            How::Over(octets) => return seen.size <= octets,
            How::Under(octets) => return seen.size >= octets,
            How::Exists => return names.any(|name| seen.fields.named(name).next().is_none()),
            How::Compared { of, .. } => of,
        };
        names.all(|name| {
            let mut fields = seen.fields.named(name);
            match of {
                Of::Text => fields.all(|field| {
                    self.lacks(look, field.letters_of_value())
                        || self.differs(look, field.text(), field.letters())
                }),
                Of::Addresses(tag) => fields.all(|field| {
                    if self.lacks(look, field.letters_of_value()) {
                        return true;
                    }
                    let mut addresses = field.addresses().iter();
                    addresses.all(|address| self.differs_in(look, address, tag))
                }),
                Of::Envelope(tag) => {
                    let address = seen.envelope_address(name);
                    address.is_some_and(|address| self.differs_in(look, address, tag))
                }
            }
        })
    }

    /// True if what has these letters lacks one of each key, and can be none of them for that.
    fn lacks(&mut self, look: &Look, letters: Letters) -> bool {
        let of_keys = || {
            let at = usize::try_from(look.letters?).ok()?;
            let count = usize::try_from(look.keys.count).ok()?;
            self.glances.letters.get(at..at.checked_add(count)?)
        };
        let Some(keys) = of_keys() else { return false };
        let lacks = keys.iter().all(|key| !letters.may_have(*key));
        self.compared += if lacks { keys.len() } else { 0 };
        lacks && self.compared <= COMPARED_MAX
    }

    /// True if that part of the address is none of the keys.
    fn differs_in(&mut self, look: &Look, address: &Spelled, tag: Tag) -> bool {
        let part = address.part(tag, self.seen.separators);
        part.is_none_or(|part| self.differs(look, part, address.letters()))
    }

    /// True if the value, which has no other letters than these, is none of the keys.
    fn differs(&mut self, look: &Look, value: &str, letters: Letters) -> bool {
        if self.lacks(look, letters) {
            return true;
        }
        let mut keys = self.texts(look.keys);
        keys.all(|key| {
            self.compared += 1;
            self.compared <= COMPARED_MAX && !may_match(look.how, value, key)
        })
    }
}

/// True unless the value and the key differ.
fn may_match(how: How, value: &str, key: &[u8]) -> bool {
    let How::Compared {
        extent, comparator, ..
    } = how
    else {
        return true;
    };
    let octets = value.as_bytes();
    match (comparator, extent) {
        (Comparator::AsciiNumeric | Comparator::UnicodeCasemap, _) => true,
        (Comparator::AsciiCasemap, Extent::Whole) => octets.eq_ignore_ascii_case(key),
        (Comparator::Octet, Extent::Whole) => octets == key,
        (Comparator::AsciiCasemap, Extent::Folded)
            if !value.is_ascii() && key.iter().any(|octet| b"kKsS".contains(octet)) =>
        {
            true
        }
        (Comparator::AsciiCasemap, Extent::Inside | Extent::Folded) => {
            !is_quick(octets, key) || position(octets, key).is_some()
        }
        (Comparator::Octet, Extent::Inside | Extent::Folded) => {
            memchr::memmem::find(octets, key).is_some()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use mail::{ForwardPath, Recipient};

    use super::*;
    use crate::{Circumstances, Letter, Limits, Outcome, Run, Script, Step};

    const LETTERS: [&str; 3] = [
        "From: Ada <ada+news@a.example>\r\nTo: b@c.example, \"d e\"@f.example\r\n\
         Subject: An Invoice of =?utf-8?q?=C3=A9t=C3=A9?=\r\nX-Spam: YES\r\n\r\n",
        "FROM: g@h\r\nSubject: one\r\nSubject: two\r\nReceived: x\r\n\r\n",
        "\r\n",
    ];

    fn envelope() -> Envelope {
        Envelope {
            reverse_path: ReversePath::parse("<Ada+x@a.example>").unwrap(),
            recipient: Recipient {
                forward_path: ForwardPath::parse("<b@c.example>").unwrap(),
                notify: None,
                orcpt: None,
            },
            ret: None,
            envid: None,
            auth: None,
            by: None,
        }
    }

    fn outcome(script: Script, letter: &str) -> Outcome {
        let letter = Letter::parse(Bytes::copy_from_slice(letter.as_bytes()));
        let world = Circumstances {
            envelope: Some(Arc::new(envelope())),
            ..Circumstances::new(letter)
        };
        let mut run = Run::new(Arc::new(script), world, Limits::HOUSE);
        match run.step() {
            Step::Done(outcome) => outcome,
            Step::Ask(ask) => unreachable!("{ask:?}"),
        }
    }

    /// Each test is as true with glances as without; the number says of how many letters it is
    /// seen to be false.
    // tidy: table
    #[test]
    fn what_is_seen_to_be_false_is_false() {
        for (test, seen) in [
            (r#"header "subject" "two""#, 2),
            (r#"header :contains ["x", "subject"] "INVOICE""#, 2),
            (r#"header :contains "subject" "été""#, 2),
            (
                r#"header :comparator "i;octet" :contains "subject" "invoice""#,
                3,
            ),
            (r#"header :comparator "i;octet" "x-spam" "YES""#, 2),
            (r#"header :matches "subject" "*inv?ice*""#, 2),
            (r#"header :matches "subject" "an inv?ice""#, 2),
            (r#"header :matches "subject" ["t?o", "x*"]"#, 1),
            (r#"header :matches "subject" "*""#, 0),
            (r#"header :contains "subject" """#, 1),
            (
                r#"header :comparator "i;unicode-casemap" :contains "subject" "x""#,
                0,
            ),
            (r#"header :comparator "i;ascii-numeric" "subject" "1""#, 0),
            (r#"header :count "gt" "subject" "1""#, 0),
            (r#"header :regex "subject" "^o""#, 1),
            (r#"header :regex "subject" "^[a-z]+$""#, 0),
            (r#"header :regex "subject" "^z+[os]""#, 3),
            (r#"header :regex "subject" "^s+[ot]""#, 2),
            (r#"header :regex "subject" "invoice(s|x)""#, 2),
            (
                r#"header :comparator "i;octet" :regex "subject" "z(w|x)o?$""#,
                3,
            ),
            (r#"header :index 1 "subject" "one""#, 0),
            (r#"header :mime "subject" "one""#, 0),
            (r#"header "subject" "${none}""#, 0),
            (r#"address "from" "G@H""#, 2),
            (r#"address :localpart "from" "ada+news""#, 2),
            (r#"address :user "from" "ada""#, 2),
            (r#"address :detail "from" "news""#, 2),
            (r#"address :domain ["from", "to"] "f.example""#, 2),
            (r#"address :all :contains "to" "\"d e\"@f""#, 2),
            (r#"exists ["x-spam", "subject"]"#, 2),
            (r#"anyof(exists "received", header "x-spam" "yes")"#, 1),
            (r#"anyof(exists "received", not exists "to")"#, 0),
            (r#"allof(exists "received", size :over 1)"#, 2),
            (r#"allof(size :over 2, exists "received")"#, 1),
            (r#"allof(size :under 3, exists "received")"#, 2),
            (r#"size :over 1"#, 0),
            (r#"envelope "from" "ADA+x@a.example""#, 0),
            (r#"envelope :user "From" "ada""#, 0),
            (r#"envelope :detail "to" "x""#, 3),
            (r#"envelope :domain :matches ["from", "to"] "*.org""#, 3),
            (r#"envelope "auth" "x""#, 0),
            (r#"not exists "received""#, 0),
        ] {
            let text = format!(
                r#"require ["comparator-i;ascii-numeric", "comparator-i;unicode-casemap",
                "envelope", "index", "mime", "regex", "relational", "subaddress", "variables"];
                if {test} {{ discard; }}"#
            );
            let script = Script::compile("x", text.as_bytes(), &Limits::HOUSE).unwrap();
            let mut found = 0;
            for letter in LETTERS {
                let plain = Script {
                    glances: Glances::default(),
                    ..script.clone()
                };
                let (with, without) = (outcome(script.clone(), letter), outcome(plain, letter));
                assert_eq!(with, without, "{test}");
                let fields = Fields::read(Bytes::copy_from_slice(letter.as_bytes()));
                let envelope = envelope();
                let size = u64::try_from(letter.len()).unwrap();
                let seen = Seen::new(&fields, size, Some(&envelope), "+");
                let passed = script.glances.pass(0, &seen);
                found += usize::from(passed.is_some());
                assert!(passed.is_none() || without.actions.len() == 1, "{test}");
            }
            assert_eq!(found, seen, "{test}");
        }
    }

    #[test]
    fn more_than_a_glance_is_asked_as_it_stands() {
        let many: String = (0..300).map(|_| "X: a\r\n").collect();
        let fields = Fields::read(Bytes::from(format!("{many}\r\n")));
        let glances = |text: &str| {
            let script = Script::compile("x", text.as_bytes(), &Limits::HOUSE).unwrap();
            script.glances
        };
        let one = glances(r#"if header "x" "b" { stop; }"#);
        assert_eq!(one.pass(0, &Seen::new(&fields, 0, None, "+")), None);
        let none = Fields::read(Bytes::from_static(b"\r\n"));
        let none = one.pass(0, &Seen::new(&none, 0, None, "+"));
        assert_eq!(none.map(|passed| passed.to), Some(3));
        let long = format!(r#"if header "x" "{}" {{ stop; }}"#, "b".repeat(256));
        assert!(!glances(&long).is_at(0));
        let keys = vec![r#""b""#; 32].join(",");
        assert!(!glances(&format!(r#"if header "x" [{keys}] {{ stop; }}"#)).is_at(0));
    }
}
