//! Records on their way into the log: what is small is one behind the other in one piece of memory,
//! letters stay where they are.
//!
//! Not here: what a record says (`record`), and when it is written (`log`).

use std::io::IoSlice;

use bytes::Bytes;

use super::record::{FORMAT, RECORD_HEADER_OCTETS, RECORD_MAGIC, count, crc};

/// A shorter letter is copied: a piece of its own costs as much.
const APART_OCTETS_MIN: usize = 1024;

/// Records of a group.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// All but the letters that stay apart.
    pub(super) octets: Vec<u8>,
    /// Letters, each with its place among those octets.
    apart: Vec<(usize, Bytes)>,
    /// Octets of those letters.
    apart_octets: usize,
}

impl Records {
    /// Octets of all of it.
    pub(super) fn len(&self) -> u64 {
        (self.octets.len() + self.apart_octets) as u64
    }

    /// Lets go of all of it, and of memory beyond so much.
    pub(super) fn clear(&mut self, octets_kept: usize) {
        self.octets.clear();
        self.octets.shrink_to(octets_kept);
        self.apart.clear();
        self.apart_octets = 0;
    }

    /// Leaves room for the header of a record; says where it begins.
    pub(super) fn begin(&mut self) -> Start {
        let start = Start {
            octets: self.octets.len(),
            apart: self.apart.len(),
            len: self.len(),
        };
        self.octets.resize(start.octets + RECORD_HEADER_OCTETS, 0);
        start
    }

    /// Adds a letter.
    pub(super) fn add(&mut self, letter: &Bytes) {
        if letter.len() < APART_OCTETS_MIN {
            self.octets.extend_from_slice(letter);
        } else {
            self.apart_octets += letter.len();
            self.apart.push((self.octets.len(), letter.clone()));
        }
    }

    /// Writes the header of the record that begins at `start`, and ends here.
    pub(super) fn seal(&mut self, start: Start, (epoch, sequence, durable): (u64, u64, u64)) {
        let len = self.len() - start.len;
        let len = usize::try_from(len).unwrap_or(usize::MAX) - RECORD_HEADER_OCTETS;
        let mut header = [0; RECORD_HEADER_OCTETS];
        let (signed, back) = header.split_at_mut(RECORD_HEADER_OCTETS - 4);
        let mut room = &mut *signed;
        for field in [
            &RECORD_MAGIC[..],
            &count(len),
            &sequence.to_be_bytes(),
            &durable.to_be_bytes(),
            &FORMAT.to_be_bytes(),
        ] {
            let (front, behind) = room.split_at_mut(field.len());
            front.copy_from_slice(field);
            room = behind;
        }
        let body = self.pieces(start.octets + RECORD_HEADER_OCTETS, start.apart);
        let crc = crc(epoch, signed, body);
        back.copy_from_slice(&crc.to_be_bytes());
        let room = self.octets.get_mut(start.octets..);
        if let Some((room, _)) = room.and_then(|room| room.split_first_chunk_mut()) {
            *room = header;
        }
    }

    /// What there is from one of the octets and one of the letters on, in order.
    fn pieces(&self, mut octets: usize, apart: usize) -> impl Iterator<Item = &[u8]> {
        let letters = self.apart.get(apart..).unwrap_or_default();
        let ends = letters.iter().map(|(at, letter)| (*at, &letter[..]));
        let ends = ends.chain([(self.octets.len(), &[][..])]);
        ends.flat_map(move |(at, letter)| {
            let front = self.octets.get(octets..at).unwrap_or_default();
            octets = at;
            [front, letter]
        })
        .filter(|piece| !piece.is_empty())
    }

    /// All of it, in pieces.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        self.pieces(0, 0).map(IoSlice::new).collect()
    }
}

/// Where a record begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    octets: usize,
    apart: usize,
    len: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::record::RecordHeader;

    #[test]
    fn letters_apart_are_written_where_they_would_be_if_they_were_copied() {
        let header = (9, 2, 1);
        let letters = [10, APART_OCTETS_MIN, 5000, 0, 1, 2000].map(|len| Bytes::from(vec![7; len]));
        let mut records = Records::default();
        let mut octets = Vec::new();
        for record in letters.chunks(2) {
            let start = records.begin();
            assert_eq!(start.len, octets.len() as u64);
            records.octets.extend_from_slice(b"rows");
            record.iter().for_each(|letter| records.add(letter));
            records.seal(start, header);
            octets = records
                .slices()
                .iter()
                .flat_map(|piece| piece.to_vec())
                .collect();
            assert_eq!(records.len(), octets.len() as u64);
            let from = usize::try_from(start.len).unwrap();
            let (head, body) = octets[from..].split_at(RECORD_HEADER_OCTETS);
            let copied = record.iter().flat_map(|letter| letter.to_vec());
            assert!(
                body.iter()
                    .copied()
                    .eq(b"rows".iter().copied().chain(copied))
            );
            let header = RecordHeader::decode(head).unwrap();
            assert!(header.fits(9, body) && !header.fits(8, body));
        }
        assert_eq!(records.apart.len(), 3);
        records.clear(0);
        assert_eq!((records.len(), records.slices().len()), (0, 0));
    }
}
