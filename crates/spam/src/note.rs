//! What is remembered of a letter that was learned.
//!
//! A letter counts once, as one thing. Where moving it made it so, moving it back makes it what it
//! was; where somebody said so in words, it stays so until they say something else.

use crate::{Class, Step};

/// What a letter counts as, and how that came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// As what it is counted.
    pub class: Option<Class>,
    /// Where it was moving it that made it so: what it was before.
    pub before: Option<Option<Class>>,
}

/// What somebody did with a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It was moved to where such letters are.
    Moved(Class),
    /// It was said to be this, or no more to be anything.
    Said(Option<Class>),
}

impl Note {
    /// What is remembered after that.
    #[must_use]
    pub fn after(self, wish: Wish) -> Self {
        match wish {
            Wish::Said(class) => Self {
                class,
                before: None,
            },
            Wish::Moved(class) if self.class == Some(class) => self,
            Wish::Moved(class) => match self.before {
                Some(before) => Self {
                    class: before,
                    before: None,
                },
                None => Self {
                    class: Some(class),
                    before: Some(self.class),
                },
            },
        }
    }

    /// What is learned, if it is another note then.
    #[must_use]
    pub const fn step_to(self, after: Self) -> Step {
        Step {
            before: self.class,
            after: after.class,
        }
    }

    /// As it is kept; `None` where nothing need be.
    #[must_use]
    pub const fn to_octets(self) -> Option<[u8; 2]> {
        match self {
            Self {
                class: None,
                before: None,
            } => None,
            Self { class, before } => Some([
                code(class),
                match before {
                    None => 0,
                    Some(before) => 1 + code(before),
                },
            ]),
        }
    }

    /// Of what was kept.
    #[must_use]
    pub fn from_octets([class, before]: [u8; 2]) -> Option<Self> {
        Some(Self {
            class: of_code(class)?,
            before: match before.checked_sub(1) {
                None => None,
                Some(before) => Some(of_code(before)?),
            },
        })
    }
}

const fn code(class: Option<Class>) -> u8 {
    match class {
        None => 0,
        Some(Class::Good) => 1,
        Some(Class::Junk) => 2,
    }
}

const fn of_code(code: u8) -> Option<Option<Class>> {
    match code {
        0 => Some(None),
        1 => Some(Some(Class::Good)),
        2 => Some(Some(Class::Junk)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Class::{Good, Junk};
    use Wish::{Moved, Said};

    // tidy: table
    #[test]
    fn what_a_letter_counts_as() {
        for (wishes, expected) in [
            (&[][..], None),
            (&[Moved(Junk)], Some(Junk)),
            (&[Moved(Junk), Moved(Junk)], Some(Junk)),
            // Moved back: as if nothing had been.
            (&[Moved(Junk), Moved(Good)], None),
            (&[Moved(Good), Moved(Junk)], None),
            (&[Moved(Good), Moved(Junk), Moved(Good)], Some(Good)),
            // What was said stays said.
            (&[Said(Some(Good)), Moved(Good)], Some(Good)),
            (&[Said(Some(Good)), Moved(Junk)], Some(Junk)),
            (&[Said(Some(Good)), Moved(Junk), Moved(Good)], Some(Good)),
            // A program that says so, and moves it as well.
            (&[Said(Some(Junk)), Moved(Junk)], Some(Junk)),
            (
                &[Said(Some(Junk)), Moved(Junk), Said(Some(Good)), Moved(Good)],
                Some(Good),
            ),
            (&[Moved(Junk), Said(Some(Junk)), Moved(Good)], Some(Good)),
            (&[Said(Some(Junk)), Said(None)], None),
        ] {
            let mut note = Note::default();
            for wish in wishes {
                note = note.after(*wish);
                let kept = note
                    .to_octets()
                    .map_or_else(|| Some(Note::default()), Note::from_octets);
                assert_eq!(kept, Some(note));
            }
            assert_eq!(note.class, expected, "{wishes:?}");
        }
        assert_eq!(Note::from_octets([3, 0]), None);
        assert_eq!(Note::from_octets([0, 4]), None);
    }
}
