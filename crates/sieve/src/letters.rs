//! Which letters a text has, in one number: most texts lack a letter of what they are searched for,
//! and then they need not be searched.

/// A set of octets. Letters of ASCII that differ in case are one, and so are some other octets: a
/// text may seem to have one that it lacks, and never seems to lack one that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Letters(u64);

impl Letters {
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
}
