//! Every way in which a message may be wrong and is read all the same, by name.
//!
//! Each reader of this room that passes something over, or takes one of two possible readings,
//! says so with one of these; nothing else is repaired in silence. Not here: the repairs.

/// Declares the leniencies: variant, name, what is wrong and how it is read.
macro_rules! leniencies {
    ($($variant:ident, $name:literal, $meaning:literal;)*) => {
        /// One thing that was wrong, and how it was read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Leniency {
            $(#[doc = $meaning] $variant,)*
        }

        impl Leniency {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name: lower case words and hyphens, the same in every release.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// One sentence for people: what is wrong and how it is read.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)*
                }
            }
        }
    };
}

// Outlines are stored with these numbers: new ones go to the end, none is taken away.
leniencies! {
    RepeatedField, "repeated-field",
        "A MIME field stands twice; the first counts (RFC 2045 §3).";
    Unclosed, "unclosed-multipart",
        "A multipart has no close delimiter; it ends with what is around it (RFC 2046 §5.1.1).";
    Unopened, "unopened-composite",
        "A part beyond the limits of depth or number is left closed, as octets.";
    Implied, "implied-part",
        "A multipart has no usable boundary or no delimiter; its body is one plain text part.";
    EncodedComposite, "encoded-composite",
        "An enclosed message says base64 or quoted-printable; it is left closed (RFC 2046 §5.2.1).";
    NotAField, "not-a-field",
        "A line of a header is no field; it is passed over (RFC 5322 §2.2).";
    SpaceBeforeColon, "space-before-colon",
        "White space stands between a field's name and its colon (RFC 5322 §4.5).";
    HeaderUnended, "header-unended",
        "A header ends without a blank line (RFC 5322 §2.1).";
    BareLf, "bare-lf",
        "A line ends with LF alone; it is a line end as CRLF is (RFC 5322 §2.3).";
    Nul, "nul",
        "A header holds NUL; it is left out of texts (RFC 5322 §4).";
    FieldsPastLimit, "fields-past-limit",
        "A header has more fields or octets than are read; the rest is passed over.";
    RawHeader, "raw-header",
        "A header holds octets that are neither ASCII nor UTF-8; windows-1252 is supposed.";
    TypeUnreadable, "type-unreadable",
        "Content-Type does not say a type; the default is taken (RFC 2045 §5.2).";
    EncodingUnknown, "encoding-unknown",
        "Content-Transfer-Encoding is none of RFC 2045's; the octets are left as they are.";
    CharsetUnknown, "charset-unknown",
        "The charset is not known; UTF-8 is supposed, else windows-1252.";
    CharsetBroken, "charset-broken",
        "Octets do not fit the charset; each stands as U+FFFD.";
    Base64Junk, "base64-junk",
        "Base64 holds octets that are not of its alphabet; they are passed over (RFC 2045 §6.8).";
    Base64Padding, "base64-padding",
        "Base64 ends without its padding, or goes on behind it; what is there is decoded.";
    QuotedPrintableEscape, "quoted-printable-escape",
        "An equals sign is followed by no hexadecimal digits; it stays (RFC 2045 §6.7).";
    EncodedWordSplit, "encoded-word-split",
        "Encoded words split one character; their octets are put together (RFC 2047 §5).";
    EncodedWordMisplaced, "encoded-word-misplaced",
        "An encoded word stands inside a quoted string or a parameter; it is decoded.";
    EncodedWordSpaced, "encoded-word-spaced",
        "An encoded word holds spaces or is too long; it is decoded (RFC 2047 §2).";
    ParameterUnquoted, "parameter-unquoted",
        "A parameter's value holds characters that ask for quotes; it is read to the semicolon.";
    ParameterMixed, "parameter-mixed",
        "A parameter stands plain and in pieces of RFC 2231; the pieces count.";
    AddressRepaired, "address-repaired",
        "An address is out of grammar; what can be an address is taken.";
    AddressObsolete, "address-obsolete",
        "An address has obsolete syntax: a route, spaces around dots, empty list members.";
    DateRepaired, "date-repaired",
        "A date is out of grammar; day, month, year and time are taken where they are plain.";
    BareCr, "bare-cr",
        "A header holds CR without LF; it is no line end and left out of texts (RFC 5322 §2.3).";
    BoundaryTooLong, "boundary-too-long",
        "A boundary is longer than 70 characters; it counts up to 994 (RFC 2046 §5.1.1).";
    RepeatedBoundary, "repeated-boundary",
        "Content-Type says two boundaries; the first counts (RFC 2046 §5.1.1).";
    RepeatedUnique, "repeated-unique",
        "A field that may stand once stands again; the first or all count (RFC 5322 §3.6).";
    EncodedMultipart, "encoded-multipart",
        "A multipart says base64 or quoted-printable; it is read as it stands (RFC 2045 §6.4).";
    DateObsolete, "date-obsolete",
        "A date has obsolete syntax: a named zone, a short year, comments (RFC 5322 §4.3).";
    EncodedWordGlued, "encoded-word-glued",
        "An encoded word has no space around it; it is decoded (RFC 2047 §5).";
    EncodedWordUnended, "encoded-word-unended",
        "An encoded word has no end; it is decoded up to the next space (RFC 2047 §6.3).";
    ParameterRepaired, "parameter-repaired",
        "Parameters are out of grammar: a semicolon, a quote or a name is missing.";
    ParameterRepeated, "parameter-repeated",
        "A parameter stands twice; the first counts (RFC 2045 §5.1).";
    IdentifierRepaired, "identifier-repaired",
        "A message identifier is out of grammar: no brackets, or spaces in it; it is read so.";
    TraceRepaired, "trace-repaired",
        "A Received field is out of grammar; its clauses are taken where they are plain.";
    ReportRepaired, "report-repaired",
        "A report lacks fields or has them out of grammar; the others are taken.";
    QuotedPrintableCase, "quoted-printable-case",
        "An escape has lower case digits; it is an escape all the same (RFC 2045 §6.7).";
    RawOctets, "raw-octets",
        "A quoted-printable body holds octets above 127; they stay as they are (RFC 2045 §6.7).";
    UuencodeBroken, "uuencode-broken",
        "A uuencoded file lacks its begin or end, or has lines that are none; the rest is decoded.";
    TnefBroken, "tnef-broken",
        "A TNEF stream ends early or contradicts itself; what stands before that is read.";
}

impl Leniency {
    const fn bit(self) -> u64 {
        1 << (self as u8)
    }
}

/// A set of leniencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Leniencies(u64);

impl Leniencies {
    /// None: nothing had to be repaired.
    pub const NONE: Self = Self(0);

    /// Adds one.
    pub const fn add(&mut self, one: Leniency) {
        self.0 |= one.bit();
    }

    /// Adds all of another set.
    pub const fn extend(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// True if this one is in it.
    #[must_use]
    pub const fn has(self, one: Leniency) -> bool {
        self.0 & one.bit() != 0
    }

    /// True if nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in it, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Leniency> {
        let all = Leniency::ALL.iter().copied();
        all.filter(move |one| self.has(*one))
    }

    /// The set as a number, to be stored.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Reads a stored number; `None` if it holds what this program does not know.
    #[must_use]
    pub fn from_bits(bits: u64) -> Option<Self> {
        let known = Leniency::ALL.iter().fold(0, |known, one| known | one.bit());
        (bits & !known == 0).then_some(Self(bits))
    }
}

impl FromIterator<Leniency> for Leniencies {
    fn from_iter<I: IntoIterator<Item = Leniency>>(all: I) -> Self {
        let mut set = Self::NONE;
        for one in all {
            set.add(one);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_their_own_and_sets_read_back() {
        let all: Leniencies = Leniency::ALL.iter().copied().collect();
        assert_eq!(all.iter().count(), Leniency::ALL.len());
        assert_eq!(Leniencies::from_bits(all.bits()), Some(all));
        assert_eq!(Leniencies::from_bits(1 << 63), None);
        let mut names: Vec<&str> = Leniency::ALL.iter().map(|one| one.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Leniency::ALL.len());
    }
}
