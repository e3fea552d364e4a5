//! Numbers and texts in rows: variable-length integers, so that a row stays small.

/// Writes a row's value.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// Begins with the version octet that every row has.
    pub(crate) fn version(version: u8) -> Self {
        Self(vec![version])
    }

    /// Seven bits an octet, the lowest first; the high bit says that more follow.
    pub(crate) fn number(mut self, mut value: u64) -> Self {
        loop {
            let low = u8::try_from(value & 0x7f).unwrap_or_default();
            value >>= 7;
            if value == 0 {
                self.0.push(low);
                return self;
            }
            self.0.push(low | 0x80);
        }
    }

    /// A number that may be negative: small either way.
    pub(crate) fn signed(self, value: i64) -> Self {
        self.number(((value << 1) ^ (value >> 63)).cast_unsigned())
    }

    /// Octets of a length the reader knows.
    pub(crate) fn fixed(mut self, octets: &[u8]) -> Self {
        self.0.extend_from_slice(octets);
        self
    }

    /// Octets behind their length.
    pub(crate) fn octets(self, octets: &[u8]) -> Self {
        self.number(u64::try_from(octets.len()).unwrap_or(u64::MAX))
            .fixed(octets)
    }

    /// The value.
    pub(crate) fn finish(self) -> bytes::Bytes {
        self.0.into()
    }
}

/// Reads a row's value; each step is `None` where the octets are not what is wanted.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins behind the version octet, if it is `version`.
    pub(crate) fn version(octets: &'a [u8], version: u8) -> Option<Self> {
        let (&first, rest) = octets.split_first()?;
        (first == version).then_some(Self(rest))
    }

    /// The same where there is more than one; tells which it is.
    pub(crate) fn either(octets: &'a [u8], versions: &[u8]) -> Option<(Self, u8)> {
        let (&first, rest) = octets.split_first()?;
        versions.contains(&first).then_some((Self(rest), first))
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&octet, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(octet & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if octet & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        let value = self.number()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (octets, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*octets)
    }

    pub(crate) fn octets(&mut self) -> Option<&'a [u8]> {
        let len = self.small()?;
        let (octets, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(octets)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.octets()?).ok()
    }

    /// What was not read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Ends; octets left over are as wrong as missing ones.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let row = Writer::version(1).number(value).finish();
            let mut reader = Reader::version(&row, 1).unwrap();
            assert_eq!(reader.number(), Some(value));
            reader.end().unwrap();
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX, -300] {
            let row = Writer::version(1).signed(value).finish();
            assert_eq!(Reader::version(&row, 1).unwrap().signed(), Some(value));
        }
    }

    #[test]
    fn damage_is_noticed() {
        let row = Writer::version(1).octets(b"abc").finish();
        assert!(Reader::version(&row, 2).is_none());
        assert!(Reader::version(&row[..3], 1).unwrap().octets().is_none());
        assert!(Reader(&[0xff; 10]).number().is_none());
        assert!(Reader(&[]).number().is_none());
    }
}
