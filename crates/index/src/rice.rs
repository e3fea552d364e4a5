//! Lists of offsets as Rice-coded gaps, and numbers as groups of seven bits.

use crate::Damaged;

const ENDS: Damaged = Damaged("a list ends early");
const BEYOND: Damaged = Damaged("an offset beyond the segment");

/// Low bits of each gap of `count` offsets below `range` that are written as they are.
fn low_bits(count: u64, range: u64) -> u32 {
    // The mean gap times ln 2 is where the code is shortest.
    let gap = (range.saturating_mul(7) / 10) / count.max(1);
    gap.max(1).ilog2()
}

/// Appends rising offsets, all below `range`.
pub(crate) fn write_list(out: &mut Vec<u8>, offsets: &[u32], range: u64) {
    let low = low_bits(crate::wide(offsets.len()), range);
    let mut bits = BitWriter {
        out,
        held: 0,
        len: 0,
    };
    let mut next = 0;
    for offset in offsets {
        let gap = offset.wrapping_sub(next);
        next = offset.wrapping_add(1);
        bits.ones(gap >> low);
        bits.put(0, 1);
        bits.put(u64::from(gap) & ((1 << low) - 1), low);
    }
    bits.finish();
}

/// Shows the `count` offsets of a list.
pub(crate) fn read_list(
    octets: &[u8],
    count: u64,
    range: u64,
    mut each: impl FnMut(u64),
) -> Result<(), Damaged> {
    let low = low_bits(count, range);
    let mut bits = BitReader {
        octets,
        held: 0,
        len: 0,
    };
    let mut next = 0_u64;
    for _ in 0..count {
        let high = bits.ones()?;
        let gap = (high << low) | bits.take(low)?;
        let offset = next.saturating_add(gap);
        if offset >= range {
            return Err(BEYOND);
        }
        each(offset);
        next = offset + 1;
    }
    Ok(())
}

struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    held: u64,
    len: u32,
}

impl BitWriter<'_> {
    /// Appends up to 32 bits.
    fn put(&mut self, bits: u64, len: u32) {
        self.held |= bits << self.len;
        self.len += len;
        while self.len >= 8 {
            self.out.push(self.held.to_le_bytes()[0]);
            self.held >>= 8;
            self.len -= 8;
        }
    }

    fn ones(&mut self, mut count: u32) {
        while count > 0 {
            let some = count.min(32);
            self.put((1 << some) - 1, some);
            count -= some;
        }
    }

    fn finish(mut self) {
        if self.len > 0 {
            self.put(0, 8 - self.len);
        }
    }
}

struct BitReader<'a> {
    octets: &'a [u8],
    held: u64,
    len: u32,
}

impl BitReader<'_> {
    /// Holds at least 32 bits, or all there are.
    fn fill(&mut self) {
        while self.len <= 32 {
            if let Some((four, rest)) = self.octets.split_first_chunk::<4>() {
                self.held |= u64::from(u32::from_le_bytes(*four)) << self.len;
                self.len += 32;
                self.octets = rest;
            } else if let Some((one, rest)) = self.octets.split_first() {
                self.held |= u64::from(*one) << self.len;
                self.len += 8;
                self.octets = rest;
            } else {
                return;
            }
        }
    }

    fn take(&mut self, len: u32) -> Result<u64, Damaged> {
        self.fill();
        if self.len < len {
            return Err(ENDS);
        }
        let bits = self.held & ((1 << len) - 1);
        self.held >>= len;
        self.len -= len;
        Ok(bits)
    }

    /// Counts ones up to the next zero, and takes both.
    fn ones(&mut self) -> Result<u64, Damaged> {
        let mut count = 0;
        loop {
            self.fill();
            let ones = self.held.trailing_ones();
            if ones < self.len {
                self.held = self.held.checked_shr(ones + 1).unwrap_or(0);
                self.len -= ones + 1;
                // Longer is beyond every segment; and the shift that follows stays in its word.
                return u32::try_from(count + u64::from(ones))
                    .map(u64::from)
                    .map_err(|_| BEYOND);
            }
            if self.len == 0 {
                return Err(ENDS);
            }
            count += u64::from(self.len);
            (self.held, self.len) = (0, 0);
        }
    }
}

/// Appends a number, seven bits in an octet, the lowest first.
pub(crate) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = (number & 0x7f).to_le_bytes()[0];
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Takes a number off the front.
pub(crate) fn read_number(octets: &mut &[u8]) -> Result<u64, Damaged> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (octet, rest) = octets.split_first().ok_or(ENDS)?;
        *octets = rest;
        number |= u64::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Damaged("a number too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(octets: &[u8], count: usize, range: u64) -> Result<Vec<u64>, Damaged> {
        let mut found = Vec::new();
        read_list(octets, crate::wide(count), range, |offset| {
            found.push(offset)
        })?;
        Ok(found)
    }

    #[test]
    fn lists_come_back() {
        let far: Vec<u32> = vec![0, u32::MAX - 1];
        let all: Vec<u32> = (0..1000).collect();
        let clustered: Vec<u32> = (0..50).chain(900_000..900_050).collect();
        let rare: Vec<u32> = (0..100).map(|at| at * 9_973).collect();
        for (list, range) in [
            (far, u64::from(u32::MAX)),
            (all, 1000),
            (clustered, 1_000_000),
            (rare, 1_000_000),
            (vec![], 5),
            (vec![4], 5),
        ] {
            let mut octets = Vec::new();
            write_list(&mut octets, &list, range);
            let expected: Vec<u64> = list.iter().copied().map(u64::from).collect();
            assert_eq!(back(&octets, list.len(), range), Ok(expected));
        }
    }

    #[test]
    fn what_is_in_every_message_takes_a_bit_each() {
        let mut octets = Vec::new();
        write_list(&mut octets, &(0..8000).collect::<Vec<_>>(), 8000);
        assert_eq!(octets.len(), 1000);
    }

    #[test]
    fn damage_is_an_error() {
        assert_eq!(back(&[], 1, 10), Err(ENDS));
        assert_eq!(back(&[0xff; 100], 1, 10), Err(ENDS));
        assert_eq!(back(&[0xff, 0xff, 0], 1, 10), Err(BEYOND));
        assert_eq!(
            read_number(&mut &[0xff; 20][..]),
            Err(Damaged("a number too large"))
        );
        assert_eq!(read_number(&mut &[0x80][..]), Err(ENDS));
    }

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, u64::MAX] {
            let mut octets = Vec::new();
            write_number(&mut octets, number);
            assert_eq!(read_number(&mut &octets[..]), Ok(number));
        }
    }
}
