//! The capabilities a script may require, and sets of them.

/// Makes an enum whose variants have names; with `all` in front, a list of them too.
macro_rules! named {
    (all $(#[$doc:meta])* $vis:vis enum $enum:ident { $($variant:ident = $name:literal,)* }) => {
        named! { $(#[$doc])* $vis enum $enum { $($variant = $name,)* } }

        impl $enum {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];
        }
    };
    ($(#[$doc:meta])* $vis:vis enum $enum:ident { $($variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $enum { $($variant,)* }

        impl $enum {
            /// As scripts write it.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}
pub(crate) use named;

named! {
    all
    /// What a script must ask for before it uses it.
    pub(crate) enum Extension {
        FileInto = "fileinto",
        Reject = "reject",
        EReject = "ereject",
        Envelope = "envelope",
        EncodedCharacter = "encoded-character",
        Octet = "comparator-i;octet",
        AsciiCasemap = "comparator-i;ascii-casemap",
        AsciiNumeric = "comparator-i;ascii-numeric",
        UnicodeCasemap = "comparator-i;unicode-casemap",
        Copy = "copy",
        Variables = "variables",
        Imap4Flags = "imap4flags",
        Relational = "relational",
        Subaddress = "subaddress",
        Body = "body",
        Vacation = "vacation",
        VacationSeconds = "vacation-seconds",
        Environment = "environment",
        Mailbox = "mailbox",
        MboxMetadata = "mboxmetadata",
        ServerMetadata = "servermetadata",
        SpecialUse = "special-use",
        MailboxId = "mailboxid",
        Fcc = "fcc",
        Date = "date",
        Index = "index",
        EditHeader = "editheader",
        IHave = "ihave",
        SpamTest = "spamtest",
        SpamTestPlus = "spamtestplus",
        VirusTest = "virustest",
        ENotify = "enotify",
        Include = "include",
        Duplicate = "duplicate",
        ForEveryPart = "foreverypart",
        Mime = "mime",
        ExtractText = "extracttext",
        Replace = "replace",
        Enclose = "enclose",
        EnvelopeDsn = "envelope-dsn",
        RedirectDsn = "redirect-dsn",
        EnvelopeDeliverBy = "envelope-deliverby",
        RedirectDeliverBy = "redirect-deliverby",
        ExtLists = "extlists",
        Regex = "regex",
        ImapSieve = "imapsieve",
    }
}

impl Extension {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.name() == name)
    }

    /// What else a script may use that requires this one.
    const fn brings(self) -> &'static [Self] {
        match self {
            // RFC 5235 §2.2
            Self::SpamTestPlus => &[Self::SpamTest],
            // RFC 6131 §2
            Self::VacationSeconds => &[Self::Vacation],
            _ => &[],
        }
    }

    /// True if it changes how a script is read, so that no test can switch it on.
    pub(crate) const fn changes_grammar(self) -> bool {
        // RFC 5463 §4
        matches!(self, Self::EncodedCharacter | Self::Variables)
    }
}

/// A set of extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions(u64);

impl Extensions {
    /// What needs no `require` (RFC 5228 §2.7.3).
    pub(crate) const BASE: Self = Self(bit(Extension::Octet) | bit(Extension::AsciiCasemap));

    pub(crate) fn insert(&mut self, one: Extension) {
        self.0 |= bit(one);
        for brought in one.brings() {
            self.0 |= bit(*brought);
        }
    }

    pub(crate) const fn has(self, one: Extension) -> bool {
        self.0 & bit(one) != 0
    }

    /// The first that is in this set and not in the other.
    pub(crate) fn missing_in(self, other: Self) -> Option<Extension> {
        let missing = Self(self.0 & !other.0);
        if missing == Self::default() {
            return None;
        }
        let mut all = Extension::ALL.iter().copied();
        all.find(|one| missing.has(*one))
    }
}

const fn bit(one: Extension) -> u64 {
    1 << one as u32
}

/// What a house carries out of the language: which capabilities a script may require, and whether
/// it may send a message on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    extensions: Extensions,
    redirects: bool,
}

impl Abilities {
    /// All that this room knows.
    pub const ALL: Self = Self {
        extensions: Extensions(u64::MAX),
        redirects: true,
    };

    /// The same without these capabilities; names that are none change nothing.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        for one in names.iter().filter_map(|name| Extension::parse(name)) {
            self.extensions.0 &= !bit(one);
        }
        self
    }

    /// The same where no message is sent on.
    #[must_use]
    pub const fn without_redirects(mut self) -> Self {
        self.redirects = false;
        self
    }

    /// The capabilities, as ManageSieve lists them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = Extension::ALL.iter().copied();
        all.filter(move |one| self.has(*one)).map(Extension::name)
    }

    pub(crate) const fn has(self, one: Extension) -> bool {
        self.extensions.has(one)
    }

    pub(crate) const fn all(self) -> Extensions {
        self.extensions
    }

    /// True if messages are sent on.
    #[must_use]
    pub const fn redirects(self) -> bool {
        self.redirects
    }
}

/// The capabilities that scripts may require, as ManageSieve lists them.
pub fn capabilities() -> impl Iterator<Item = &'static str> {
    Extension::ALL.iter().map(|one| one.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for one in Extension::ALL {
            assert_eq!(Extension::parse(one.name()), Some(*one));
        }
        assert!(Extension::ALL.len() <= 64);
        assert_eq!(Extension::parse("FILEINTO"), None);
    }
}
