//! Glances made of a script's tests, when it is compiled.

use super::{Extent, Glance, How, Look, Of, Texts};
use crate::compare::{Comparator, Match, Pattern};
use crate::extension::Extensions;
use crate::language::{Tag, Verb};
use crate::letters::Letters;
use crate::needed::needed;
use crate::script::{Command, Test};
use crate::template::Template;

/// Names and keys of a command's tests.
const TEXTS_MAX: u32 = 32;

/// Glances being made.
#[derive(Default)]
pub(super) struct Making {
    pub(super) glances: Vec<Glance>,
    pub(super) looks: Vec<Look>,
    pub(super) texts: Vec<u8>,
    pub(super) letters: Vec<Letters>,
}

impl Making {
    /// The number of the glance at a test; none where it takes more than one.
    pub(super) fn glance(&mut self, test: &Test, to: usize) -> Option<u32> {
        let (looks, texts) = (self.looks.len(), self.texts.len());
        let letters = self.letters.len();
        let found = self.look(test);
        let count: u32 = self
            .looks
            .get(looks..)
            .unwrap_or_default()
            .iter()
            .map(|look| look.names.count + look.keys.count)
            .sum();
        if found.is_none() || count > TEXTS_MAX {
            self.looks.truncate(looks);
            self.texts.truncate(texts);
            self.letters.truncate(letters);
            return None;
        }
        self.glances.push(Glance {
            looks: (
                u32::try_from(looks).ok()?,
                u32::try_from(self.looks.len() - looks).ok()?,
            ),
            to: u32::try_from(to).ok()?,
            texts: count,
        });
        u32::try_from(self.glances.len() - 1).ok()
    }

    /// Adds what must be false for a test to be false.
    fn look(&mut self, test: &Test) -> Option<()> {
        match test {
            // Each must be false.
            Test::AnyOf(tests) => tests.iter().try_for_each(|test| self.look(test)),
            // The first is asked before the others, which may have to ask, or be faulty.
            Test::AllOf(tests) => self.look(tests.first()?),
            Test::Command(command) => self.command(command),
            Test::Not(_) | Test::Constant(_) | Test::Fail(_) => None,
        }
    }

    fn command(&mut self, command: &Command) -> Option<()> {
        if command.unknown.is_some() || command.needs != Extensions::default() {
            return None;
        }
        let no_keys = Vec::new;
        let (how, keys) = match command.verb {
            Verb::Exists if command.tags.is_empty() => (How::Exists, no_keys()),
            Verb::Size => (size(command)?, no_keys()),
            Verb::Header => (how(command, Of::Text)?, keys(command)?),
            Verb::Address => {
                let of = Of::Addresses(command.address_part());
                (how(command, of)?, keys(command)?)
            }
            Verb::Envelope => {
                let of = Of::Envelope(command.address_part());
                (how(command, of)?, keys(command)?)
            }
            _ => return None,
        };
        let names = match command.verb {
            Verb::Envelope => envelope_names(command.texts(0))?,
            _ => constants(command.texts(0))?,
        };
        let look = Look {
            how,
            names: self.texts(&names)?,
            keys: self.texts(&keys)?,
            letters: match how.goes_by_letters() {
                true => Some(u32::try_from(self.letters.len()).ok()?),
                false => None,
            },
        };
        if look.letters.is_some() {
            let keys = keys.iter().map(|key| Letters::of(key));
            self.letters.extend(keys);
        }
        self.looks.push(look);
        Some(())
    }

    fn texts<T: AsRef<[u8]>>(&mut self, texts: &[T]) -> Option<Texts> {
        let at = u32::try_from(self.texts.len()).ok()?;
        for text in texts {
            let text = text.as_ref();
            let len = u8::try_from(text.len()).ok()?;
            self.texts.push(len);
            self.texts.extend_from_slice(text);
        }
        let count = u32::try_from(texts.len()).ok()?;
        Some(Texts { at, count })
    }
}

/// Tags with which a test is one that is compared here.
const COMPARED: [Tag; 5] = [
    Tag::Is,
    Tag::Contains,
    Tag::Matches,
    Tag::Regex,
    Tag::Comparator,
];

/// How a test compares; none where a glance does not compare like that.
fn how(command: &Command, of: Of) -> Option<How> {
    let part = match of {
        Of::Text => None,
        Of::Addresses(tag) | Of::Envelope(tag) => Some(tag),
    };
    let known = |tag: &Tag| COMPARED.contains(tag) || part == Some(*tag);
    if !command.tags.iter().all(|(tag, _)| known(tag)) {
        return None;
    }
    let extent = match command.comparing.kind {
        Match::Is => Extent::Whole,
        Match::Contains | Match::Matches => Extent::Inside,
        Match::Regex => Extent::Folded,
        Match::Value(_) | Match::Count(_) | Match::List => return None,
    };
    let comparator = command.comparing.comparator;
    match comparator {
        Comparator::Octet | Comparator::AsciiCasemap => Some(How::Compared {
            of,
            extent,
            comparator,
        }),
        Comparator::AsciiNumeric | Comparator::UnicodeCasemap => None,
    }
}

/// How a test of the size compares.
fn size(command: &Command) -> Option<How> {
    let over = command.number(Tag::Over).map(How::Over);
    over.or_else(|| command.number(Tag::Under).map(How::Under))
}

/// What a value must have or be for the test to be true: of a pattern or a regular expression what
/// it says without wildcards.
fn keys(command: &Command) -> Option<Vec<Vec<u8>>> {
    let comparing = &command.comparing;
    match comparing.kind {
        Match::Matches => {
            let patterns = comparing.patterns.iter();
            let longest = patterns.map(|pattern| pattern.as_ref().and_then(Pattern::longest));
            longest.map(|key| key.map(<[u8]>::to_vec)).collect()
        }
        Match::Regex => {
            let expressions = command.texts(1).iter();
            let needed = expressions.map(|text| needed(text.constant()?));
            let needed: Vec<_> = needed.collect::<Option<_>>()?;
            Some(needed.concat())
        }
        _ => {
            let keys = constants(command.texts(1))?.into_iter();
            Some(keys.map(<[u8]>::to_vec).collect())
        }
    }
}

/// The parts of the envelope that can be seen at a glance, as [`Seen`] names them.
fn envelope_names(texts: &[Template]) -> Option<Vec<&'static [u8]>> {
    let names = texts.iter().map(|text| {
        let name = text.constant()?;
        let known = [b"from".as_slice(), b"to"].into_iter();
        let mut known = known.filter(|known| name.as_bytes().eq_ignore_ascii_case(known));
        known.next()
    });
    names.collect()
}

/// Strings into which nothing is put.
fn constants(texts: &[Template]) -> Option<Vec<&[u8]>> {
    let texts = texts.iter().map(|text| Some(text.constant()?.as_bytes()));
    texts.collect()
}
