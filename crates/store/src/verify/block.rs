//! A block: its run, its number, filling that follows from both, and a checksum.

/// Octets of a block: what disks and file systems write at once.
pub(super) const BLOCK_OCTETS: usize = 4096;

const MAGIC: [u8; 8] = *b"carambk\x01";
/// Spreads the bits of a number.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) run: u64,
    pub(super) number: u64,
}

impl Block {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut octets = MAGIC.to_vec();
        octets.extend_from_slice(&self.run.to_be_bytes());
        octets.extend_from_slice(&self.number.to_be_bytes());
        // No two blocks are alike, lest a disk that squeezes has less to write.
        let mut filling = self.run ^ self.number.wrapping_mul(SPREAD);
        while octets.len() < BLOCK_OCTETS - 8 {
            filling = (filling ^ (filling >> 29))
                .wrapping_mul(SPREAD)
                .wrapping_add(1);
            octets.extend_from_slice(&filling.to_be_bytes());
        }
        octets.extend_from_slice(&[0; 4]);
        let crc = crc32fast::hash(&octets);
        octets.extend_from_slice(&crc.to_be_bytes());
        octets
    }

    /// The block, if it is whole.
    pub(super) fn decode(octets: &[u8; BLOCK_OCTETS]) -> Option<Self> {
        let (signed, crc) = octets.split_last_chunk()?;
        if crc32fast::hash(signed) != u32::from_be_bytes(*crc) {
            return None;
        }
        let rest = octets.strip_prefix(&MAGIC)?;
        let (run, rest) = rest.split_first_chunk()?;
        let (number, _) = rest.split_first_chunk()?;
        let block = Self {
            run: u64::from_be_bytes(*run),
            number: u64::from_be_bytes(*number),
        };
        (block.encode() == octets).then_some(block)
    }
}
