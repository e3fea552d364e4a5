//! Which messages may contain a text: segments of n-grams.
//!
//! A [`Builder`] makes a segment of [`Document`]s; [`Segment`], [`Places`] and [`Lists`] say step
//! by step which octets of it to read, and in the end which messages to look at. Each of these may
//! contain the text; no other does.
//!
//! Not here: the disk (the caller reads and writes), folding of case (texts come folded), and
//! whether a message really contains the text (whoever asks has to look).
//!
//! ```
//! use index::{Bits, Builder, Document, Lists, Places, Segment, conditions};
//!
//! let mut builder = Builder::new(1);
//! for (id, text) in [(1, "two for tea"), (2, "and tea for two"), (5, "coffee")] {
//!     let mut document = Document::default();
//!     document.text(text);
//!     builder.add(id, &document, &[0; 32]);
//! }
//! let octets = builder.finish(5)?;
//!
//! let read = |ranges: &[std::ops::Range<u64>]| -> Vec<bytes::Bytes> {
//!     let piece = |range: &std::ops::Range<u64>| {
//!         octets[range.start as usize..range.end as usize].to_vec().into()
//!     };
//!     ranges.iter().map(piece).collect()
//! };
//! let segment = Segment::read(&octets[..Segment::HEAD_OCTETS])?;
//! let places = Places::read(&segment, &read(&[segment.places()])[0])?;
//! let wanted = conditions("and tea");
//! let blocks = places.blocks(&wanted);
//! let lists = Lists::choose(&places, &wanted, &blocks, &read(&blocks))?;
//! let found = lists.found(&read(lists.ranges()))?.candidates;
//! assert!(found.contains(2) && !found.contains(1) && !found.contains(5));
//! # Ok::<(), index::Damaged>(())
//! ```

mod bits;
mod build;
mod document;
mod gram;
mod lookup;
mod merge;
mod rice;
mod segment;
mod table;

pub use bits::Bits;
pub use build::{Builder, PAIRS_MAX};
pub use document::{Document, RUNS_MAX};
pub use gram::{Condition, bare_conditions, conditions, is_one_run};
pub use lookup::{Found, Lists, Places, RANGE_RUNS_MAX};
pub use merge::merge;
pub use segment::{FORM, IDS_MAX, Segment};

/// A segment is not what was written: it must be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a damaged segment: {0}")]
pub struct Damaged(&'static str);

fn narrow(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
