//! What a letter's words say of it: whether it is junk, and by which evidence.
//!
//! [`Clues`] are read of a letter; a [`Model`] has counted in how many good letters and in how much
//! junk each was; [`judge`] says how likely the letter is junk, and which clues say so.
//!
//! ```
//! use spam::{Class, Clues, Model, Step, judge};
//!
//! let read = |text: &str| Clues::of_message(text.as_bytes());
//! let mut model = Model::default();
//! for (class, text) in [
//!     (Class::Junk, "Subject: cheap watches\r\n\r\nbuy cheap replica watches today\r\n"),
//!     (Class::Good, "Subject: tea at five\r\n\r\nshall we meet for tea today?\r\n"),
//! ] {
//!     let clues = read(text);
//!     let change = model.plan(&[(&clues, Step::learn(class))], 0, 1000);
//!     model.apply(&change);
//! }
//! let verdict = judge(&read("Subject: hi\r\n\r\nreplica watches, cheap\r\n"), &[&model], 10);
//! assert!(verdict.percent > 90);
//! assert!(verdict.evidence.iter().any(|one| one.clue == "replica"));
//! ```
//!
//! Not here: where counts are kept and who trains (`post`); who sent a letter (`trust`).

mod clue;
mod html;
mod judge;
mod model;
mod note;
mod read;

pub use clue::{CLUE_OCTETS_MAX, Clues, Token};
pub use judge::{Evidence, Verdict, judge};
pub use model::{Change, Known, Model, Step, Tally};
pub use note::{Note, Wish};

/// What a letter is to its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Mail that is wanted.
    Good,
    /// Mail that nobody asked for.
    Junk,
}

/// What [`Clues`] are read of a letter: raised with every change of it. What was learned of other
/// clues cannot be unlearned.
pub const CLUES_VERSION: u8 = 1;
