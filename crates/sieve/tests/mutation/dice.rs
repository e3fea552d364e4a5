//! One number makes one row of numbers, and by them changes that hurt.

/// Octets of the longest input; what grows beyond is cut.
const INPUT_OCTETS_MAX: usize = 8192;

/// A small generator (splitmix64): the same numbers everywhere.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; zero where `end` is.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.roll() % end).unwrap_or(0)
    }

    /// Changes something behind `from`.
    pub(crate) fn change(&mut self, text: &mut Vec<u8>, from: usize, words: &[&str]) {
        let from = from.min(text.len());
        let at = from + self.below(text.len() - from + 1);
        let end = (at + self.below(40)).min(text.len());
        match self.below(9) {
            0 => {
                let bit = 1 << self.below(8);
                text.iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|octet| *octet ^= bit);
            }
            1 => drop(text.drain(at..end)),
            2 => {
                // A piece twice, here or elsewhere.
                let piece = text[at..end].to_vec();
                let to = from + self.below(text.len() - from + 1);
                insert(text, to, &piece);
            }
            3 => {
                let word = words[self.below(words.len())].repeat(1 + self.below(60));
                insert(text, at, word.as_bytes());
            }
            4 => text.truncate(at),
            5 => {
                // Two pieces change places.
                let piece: Vec<u8> = text.drain(at..end).collect();
                let to = from.min(text.len());
                let to = to + self.below(text.len() - to + 1);
                insert(text, to, &piece);
            }
            _ => insert(text, at, words[self.below(words.len())].as_bytes()),
        }
        text.truncate(INPUT_OCTETS_MAX);
    }
}

fn insert(text: &mut Vec<u8>, at: usize, piece: &[u8]) {
    drop(text.splice(at..at, piece.iter().copied()));
}
