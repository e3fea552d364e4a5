//! Which letters a text has, in one number: most texts lack a letter of what they are searched for,
//! and then they need not be searched.

/// A set of octets. Letters of ASCII that differ in case are one, and so are some other octets: a
/// text may seem to have one that it lacks, and never seems to lack one that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Letters(u64);

impl Letters {
    /// Every letter there is.
    const ALL: Self = Self(u64::MAX);

    /// Those that a value of a field has, or an address in it, however it is read: it is unfolded
    /// and taken apart, and of an address what has to be quoted is.
    pub(crate) fn of_value(value: &[u8]) -> Self {
        // In words that are encoded, and in what is not ASCII, others are read than are there.
        let is_plain = value.is_ascii() && memchr::memmem::find(value, b"=?").is_none();
        match is_plain {
            true => Self(Self::of(value).0 | Self::of(b"\"\\").0),
            false => Self::ALL,
        }
    }

    /// As a number: none is 0.
    pub(crate) const fn number(self) -> u64 {
        self.0
    }

    /// Those of a number.
    pub(crate) const fn numbered(number: u64) -> Self {
        Self(number)
    }

    /// Those of a text.
    pub(crate) fn of(text: &[u8]) -> Self {
        // Five bits tell letters from letters and digits from digits; the one that tells these from
        // those is put beside them.
        let place = |octet: &u8| (octet & 0x1f) | (octet & 0x40) >> 1;
        Self(text.iter().fold(0, |set, octet| set | 1 << place(octet)))
    }

    /// True unless it lacks one of the others.
    pub(crate) const fn may_have(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_never_missed() {
        let text = "An Invoice of été, 17 €".as_bytes();
        let all = Letters::of(text);
        for begin in 0..text.len() {
            for end in begin..=text.len() {
                let part = &text[begin..end];
                for part in [part.to_ascii_lowercase(), part.to_ascii_uppercase()] {
                    assert!(all.may_have(Letters::of(&part)), "{part:?}");
                }
            }
        }
        for lacking in ["x", "report", "18", "in-voice", "@"] {
            assert!(!all.may_have(Letters::of(lacking.as_bytes())), "{lacking}");
        }
        assert!(Letters::default().may_have(Letters::of(b"")));
    }

    #[test]
    fn a_value_has_the_letters_of_all_that_is_read_in_it() {
        for (value, read) in [
            (&b" x\r\n y"[..], "x y"),
            (b" =?utf-8?q?=C3=A9?=", "\u{e9}"),
            (b" caf\xe9", "caf\u{e9}"),
            (b" a b@c", "\"a b\"@c"),
        ] {
            let letters = Letters::of_value(value);
            assert!(letters.may_have(Letters::of(read.as_bytes())), "{read}");
            assert_eq!(Letters::numbered(letters.number()), letters);
        }
        assert!(!Letters::of_value(b" x").may_have(Letters::of(b"y")));
    }
}
