//! Hints: where a blob is, in the eight octets that a row about it has for that.
//!
//! They are put into the view's rows when a record is applied, at a commit as at a replay, and are
//! not in the log. A segment's number is never used again, so a hint is right as long as its
//! segment is there; whatever moves a blob out of a segment has to remove the segment.
//!
//! Not here: what is done where there is none (`places`).

use mail::BlobId;

use super::record::Place;
use crate::backend::Hint;

/// Octets of a blob's name.
const NAME_OCTETS: usize = 32;
/// Where a row's value has the name, and behind it the hint.
const NAME_AT: usize = 1;

/// The hint that says where a blob is; none for one in a file of its own, whose name is enough.
fn hint(place: Place) -> Option<Hint> {
    let Place::Log { segment, offset } = place else {
        return None;
    };
    let (segment, offset) = (u32::try_from(segment).ok()?, u32::try_from(offset).ok()?);
    let octets = (u64::from(segment) << 32 | u64::from(offset)).to_be_bytes();
    Some(Hint(octets))
}

/// What a hint says.
pub(super) fn place(hint: Hint) -> Option<Place> {
    let octets = u64::from_be_bytes(hint.0);
    let (segment, offset) = (octets >> 32, octets & u64::from(u32::MAX));
    // A segment begins with its header.
    (offset > 0).then_some(Place::Log { segment, offset })
}

/// Where blobs came to, asked for mostly in the order they came in.
#[derive(Debug)]
pub(super) struct Arrivals<'a, T> {
    came: &'a [T],
    next: usize,
    read: fn(&T) -> (BlobId, Place),
}

impl<'a, T> Arrivals<'a, T> {
    pub(super) const fn new(came: &'a [T], read: fn(&T) -> (BlobId, Place)) -> Self {
        let next = 0;
        Self { came, next, read }
    }

    /// Where a blob is, if it came.
    pub(super) fn find(&mut self, blob: BlobId) -> Option<Place> {
        let is_it = |one: &T| (self.read)(one).0 == blob;
        if !self.came.get(self.next).is_some_and(is_it) {
            self.next = self.came.iter().position(is_it)?;
        }
        let (_, place) = (self.read)(self.came.get(self.next)?);
        self.next += 1;
        Some(place)
    }
}

/// The blob that a row's value is about.
pub(super) fn name(value: &[u8]) -> Option<BlobId> {
    let name = value.get(NAME_AT..)?.first_chunk::<NAME_OCTETS>()?;
    Some(BlobId(*name))
}

/// A row's value with its hint, if it has room for one and `find` knows the blob's place.
pub(super) fn filled(value: &[u8], find: impl FnOnce(BlobId) -> Option<Place>) -> Option<Vec<u8>> {
    let (front, rest) = value.split_at_checked(NAME_AT)?;
    let (name, rest) = rest.split_first_chunk::<NAME_OCTETS>()?;
    let (_, behind) = rest.split_first_chunk::<{ Hint::OCTETS }>()?;
    let hint = hint(find(BlobId(*name))?)?;
    Some([front, &name[..], &hint.0[..], behind].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_says_where_a_blob_is_or_nothing() {
        let log = |segment, offset| Place::Log { segment, offset };
        for at in [log(1, 64), log(u64::from(u32::MAX), u64::from(u32::MAX))] {
            assert_eq!(hint(at).and_then(place), Some(at));
        }
        for at in [log(1 << 32, 64), log(1, 1 << 32), Place::Body] {
            assert_eq!(hint(at), None);
        }
        assert_eq!(place(Hint::NONE), None);
    }

    #[test]
    fn a_value_with_room_gets_the_hint_of_its_blob() {
        let at = Place::Log {
            segment: 3,
            offset: 1000,
        };
        let name = [9; NAME_OCTETS];
        let value = [&[7][..], &name, &[0; Hint::OCTETS], b"rest"].concat();
        let found = filled(&value, |blob| (blob == BlobId(name)).then_some(at)).unwrap();
        let hinted = [&[7][..], &name, &hint(at).unwrap().0, b"rest"].concat();
        assert_eq!(found, hinted);
        assert_eq!(filled(&value, |_| None), None);
        assert_eq!(filled(value.get(..40).unwrap(), |_| Some(at)), None);
    }
}
