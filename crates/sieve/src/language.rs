//! The language as one table: each command and test with its arguments.
//!
//! Not here: what they mean (`check`, `run`).

use crate::extension::{Extension, named};

named! {
    /// A command or a test.
    pub(crate) enum Verb {
        Require = "require", If = "if", ElsIf = "elsif", Else = "else", Stop = "stop",
        Keep = "keep", Discard = "discard", Redirect = "redirect", FileInto = "fileinto",
        Reject = "reject", EReject = "ereject", Vacation = "vacation", Set = "set",
        SetFlag = "setflag", AddFlag = "addflag", RemoveFlag = "removeflag",
        AddHeader = "addheader", DeleteHeader = "deleteheader", Notify = "notify",
        Include = "include", Return = "return", Global = "global", Error = "error",
        ForEveryPart = "foreverypart", Break = "break", ExtractText = "extracttext",
        Replace = "replace", Enclose = "enclose",
        True = "true", False = "false", Not = "not", AllOf = "allof", AnyOf = "anyof",
        Address = "address", Envelope = "envelope", Exists = "exists", Header = "header",
        Size = "size", Text = "string", HasFlag = "hasflag", Body = "body",
        Environment = "environment", MailboxExists = "mailboxexists", Metadata = "metadata",
        MetadataExists = "metadataexists", ServerMetadata = "servermetadata",
        ServerMetadataExists = "servermetadataexists", SpecialUseExists = "specialuse_exists",
        MailboxIdExists = "mailboxidexists", Date = "date", CurrentDate = "currentdate",
        IHave = "ihave", SpamTest = "spamtest", VirusTest = "virustest",
        ValidNotifyMethod = "valid_notify_method",
        NotifyMethodCapability = "notify_method_capability", Duplicate = "duplicate",
        ValidExtList = "valid_ext_list", Foreign = "",
    }
}

named! {
    /// A tagged argument.
    pub(crate) enum Tag {
        Comparator = "comparator", Is = "is", Contains = "contains", Matches = "matches",
        Value = "value", Count = "count", Regex = "regex", List = "list",
        All = "all", LocalPart = "localpart", Domain = "domain", User = "user",
        Detail = "detail", Over = "over", Under = "under", Copy = "copy", Flags = "flags",
        Create = "create", SpecialUse = "specialuse", MailboxId = "mailboxid",
        Raw = "raw", Content = "content", Text = "text", Days = "days", Seconds = "seconds",
        Subject = "subject", From = "from", Addresses = "addresses", Mime = "mime",
        Handle = "handle", Fcc = "fcc", Lower = "lower", Upper = "upper",
        LowerFirst = "lowerfirst", UpperFirst = "upperfirst", QuoteWildcard = "quotewildcard",
        QuoteRegex = "quoteregex", EncodeUrl = "encodeurl", Length = "length",
        Index = "index", Last = "last", Zone = "zone", OriginalZone = "originalzone",
        Percent = "percent", Importance = "importance", Options = "options",
        Message = "message", Personal = "personal", Global = "global", Once = "once",
        Optional = "optional", Header = "header", UniqueId = "uniqueid", Name = "name",
        First = "first", Headers = "headers", AnyChild = "anychild", Type = "type",
        Subtype = "subtype", ContentType = "contenttype", Param = "param", Notify = "notify",
        Ret = "ret", ByTimeRelative = "bytimerelative", ByTimeAbsolute = "bytimeabsolute",
        ByMode = "bymode", ByTrace = "bytrace",
    }
}

/// Where a word may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Command,
    Test,
}

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Number,
    Text,
    Texts,
}

impl Shape {
    pub(crate) const fn named(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Texts => "a list of strings",
        }
    }
}

/// A tag as a command takes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tagged {
    pub(crate) tag: Tag,
    pub(crate) takes: Option<Shape>,
    pub(crate) needs: Option<Extension>,
    /// Only one tag of a group may be given; 0 is no group.
    pub(crate) group: u8,
}

/// How many tests a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tests {
    None,
    One,
    Many,
}

/// A command or test with all it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signature {
    pub(crate) verb: Verb,
    pub(crate) place: Place,
    pub(crate) needs: Option<Extension>,
    pub(crate) tags: &'static [&'static [Tagged]],
    pub(crate) arguments: &'static [Shape],
    /// How many of the arguments may be left out, and where.
    pub(crate) optional: Optional,
    pub(crate) tests: Tests,
    pub(crate) block: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Optional {
    None,
    First,
    Last,
}

const fn flag(tag: Tag) -> Tagged {
    Tagged {
        tag,
        takes: None,
        needs: None,
        group: 0,
    }
}

impl Tagged {
    const fn takes(mut self, shape: Shape) -> Self {
        self.takes = Some(shape);
        self
    }

    const fn needs(mut self, extension: Extension) -> Self {
        self.needs = Some(extension);
        self
    }

    const fn group(mut self, group: u8) -> Self {
        self.group = group;
        self
    }
}

const fn command(verb: Verb) -> Signature {
    Signature {
        verb,
        place: Place::Command,
        needs: None,
        tags: &[],
        arguments: &[],
        optional: Optional::None,
        tests: Tests::None,
        block: false,
    }
}

const fn test(verb: Verb) -> Signature {
    let mut signature = command(verb);
    signature.place = Place::Test;
    signature
}

impl Signature {
    const fn needs(mut self, extension: Extension) -> Self {
        self.needs = Some(extension);
        self
    }

    const fn tags(mut self, tags: &'static [&'static [Tagged]]) -> Self {
        self.tags = tags;
        self
    }

    const fn takes(mut self, arguments: &'static [Shape]) -> Self {
        self.arguments = arguments;
        self
    }

    const fn optional(mut self, optional: Optional) -> Self {
        self.optional = optional;
        self
    }

    const fn tests(mut self, tests: Tests) -> Self {
        self.tests = tests;
        self
    }

    const fn block(mut self) -> Self {
        self.block = true;
        self
    }

    /// The word as scripts write it.
    pub(crate) const fn name(&self) -> &'static str {
        self.verb.name()
    }

    /// Finds a tag in any case.
    pub(crate) fn tag(&self, name: &str) -> Option<Tagged> {
        let mut all = self.all_tags();
        all.find(|tagged| tagged.tag.name().eq_ignore_ascii_case(name))
    }

    /// All tags it takes.
    pub(crate) fn all_tags(&self) -> impl Iterator<Item = Tagged> {
        self.tags.iter().flat_map(|group| group.iter()).copied()
    }

    /// The fewest arguments it takes.
    pub(crate) const fn fewest(&self) -> usize {
        match self.optional {
            Optional::None => self.arguments.len(),
            Optional::First | Optional::Last => self.arguments.len().saturating_sub(1),
        }
    }
}

/// Finds a word in any case.
pub(crate) fn signature(name: &str) -> Option<&'static Signature> {
    let mut all = SIGNATURES.iter();
    all.find(|signature| signature.name().eq_ignore_ascii_case(name))
}

use Extension as X;
use Shape::{Number, Text, Texts};
use Tag as T;

const MATCH: &[Tagged] = &[
    flag(T::Comparator).takes(Text).group(1),
    flag(T::Is).group(2),
    flag(T::Contains).group(2),
    flag(T::Matches).group(2),
    flag(T::Value).takes(Text).needs(X::Relational).group(2),
    flag(T::Count).takes(Text).needs(X::Relational).group(2),
    flag(T::Regex).needs(X::Regex).group(2),
    flag(T::List).needs(X::ExtLists).group(2),
];
const ADDRESS_PART: &[Tagged] = &[
    flag(T::All).group(3),
    flag(T::LocalPart).group(3),
    flag(T::Domain).group(3),
    flag(T::User).needs(X::Subaddress).group(3),
    flag(T::Detail).needs(X::Subaddress).group(3),
];
const INDEX: &[Tagged] = &[
    flag(T::Index).takes(Number).needs(X::Index).group(4),
    flag(T::Last).needs(X::Index).group(5),
];
const ANY_CHILD: &[Tagged] = &[
    flag(T::Mime).needs(X::Mime).group(6),
    flag(T::AnyChild).needs(X::Mime).group(7),
];
const MIME_PART: &[Tagged] = &[
    flag(T::Type).needs(X::Mime).group(8),
    flag(T::Subtype).needs(X::Mime).group(8),
    flag(T::ContentType).needs(X::Mime).group(8),
    flag(T::Param).takes(Texts).needs(X::Mime).group(8),
];
const ZONE: &[Tagged] = &[flag(T::Zone).takes(Text).group(9)];
const ORIGINAL_ZONE: &[Tagged] = &[flag(T::OriginalZone).group(9)];
const FLAGS: &[Tagged] = &[flag(T::Flags).takes(Texts).needs(X::Imap4Flags).group(10)];
const COPY: &[Tagged] = &[flag(T::Copy).needs(X::Copy).group(11)];
const FILING: &[Tagged] = &[
    flag(T::Create).needs(X::Mailbox).group(12),
    flag(T::SpecialUse)
        .takes(Text)
        .needs(X::SpecialUse)
        .group(13),
    flag(T::MailboxId).takes(Text).needs(X::MailboxId).group(14),
];
const FCC: &[Tagged] = &[flag(T::Fcc).takes(Text).needs(X::Fcc).group(15)];
const SIZE: &[Tagged] = &[
    flag(T::Over).takes(Number).group(16),
    flag(T::Under).takes(Number).group(16),
];
const BODY: &[Tagged] = &[
    flag(T::Raw).group(16),
    flag(T::Content).takes(Texts).group(16),
    flag(T::Text).group(16),
];
const VACATION: &[Tagged] = &[
    flag(T::Days).takes(Number).group(16),
    flag(T::Seconds)
        .takes(Number)
        .needs(X::VacationSeconds)
        .group(16),
    flag(T::Subject).takes(Text).group(17),
    flag(T::From).takes(Text).group(18),
    flag(T::Addresses).takes(Texts).group(19),
    flag(T::Mime).group(20),
    flag(T::Handle).takes(Text).group(21),
];
const MODIFIERS: &[Tagged] = &[
    flag(T::Lower).group(16),
    flag(T::Upper).group(16),
    flag(T::LowerFirst).group(17),
    flag(T::UpperFirst).group(17),
    flag(T::QuoteWildcard).group(18),
    flag(T::QuoteRegex).needs(X::Regex).group(18),
    flag(T::EncodeUrl).needs(X::ENotify).group(19),
    flag(T::Length).group(20),
];
const REDIRECT: &[Tagged] = &[
    flag(T::List).needs(X::ExtLists).group(16),
    flag(T::Notify).takes(Text).needs(X::RedirectDsn).group(17),
    flag(T::Ret).takes(Text).needs(X::RedirectDsn).group(18),
    flag(T::ByTimeRelative)
        .takes(Number)
        .needs(X::RedirectDeliverBy)
        .group(19),
    flag(T::ByTimeAbsolute)
        .takes(Text)
        .needs(X::RedirectDeliverBy)
        .group(19),
    flag(T::ByMode)
        .takes(Text)
        .needs(X::RedirectDeliverBy)
        .group(20),
    flag(T::ByTrace).needs(X::RedirectDeliverBy).group(21),
];
const DELETE: &[Tagged] = &[
    flag(T::Index).takes(Number).group(4),
    flag(T::Last).group(5),
];
const NOTIFY: &[Tagged] = &[
    flag(T::From).takes(Text).group(16),
    flag(T::Importance).takes(Text).group(17),
    flag(T::Options).takes(Texts).group(18),
    flag(T::Message).takes(Text).group(19),
];
const INCLUDE: &[Tagged] = &[
    flag(T::Personal).group(16),
    flag(T::Global).group(16),
    flag(T::Once).group(17),
    flag(T::Optional).group(18),
];
const DUPLICATE: &[Tagged] = &[
    flag(T::Handle).takes(Text).group(16),
    flag(T::Header).takes(Text).group(17),
    flag(T::UniqueId).takes(Text).group(17),
    flag(T::Seconds).takes(Number).group(18),
    flag(T::Last).group(19),
];
const REPLACE: &[Tagged] = &[
    flag(T::Mime).group(16),
    flag(T::Subject).takes(Text).group(17),
    flag(T::From).takes(Text).group(18),
];
const ENCLOSE: &[Tagged] = &[
    flag(T::Subject).takes(Text).group(16),
    flag(T::Headers).takes(Texts).group(17),
];
const NAME: &[Tagged] = &[flag(T::Name).takes(Text).group(16)];
const LAST: &[Tagged] = &[flag(T::Last).group(16)];
const FIRST: &[Tagged] = &[flag(T::First).takes(Number).group(21)];
const PERCENT: &[Tagged] = &[flag(T::Percent).needs(X::SpamTestPlus).group(16)];

/// The whole language.
// tidy: table
static SIGNATURES: &[Signature] = &[
    command(Verb::Require).takes(&[Texts]),
    command(Verb::If).tests(Tests::One).block(),
    command(Verb::ElsIf).tests(Tests::One).block(),
    command(Verb::Else).block(),
    command(Verb::Stop),
    command(Verb::Keep).tags(&[FLAGS]),
    command(Verb::Discard),
    command(Verb::Redirect)
        .tags(&[COPY, REDIRECT])
        .takes(&[Text]),
    command(Verb::FileInto)
        .needs(X::FileInto)
        .tags(&[COPY, FLAGS, FILING])
        .takes(&[Text]),
    command(Verb::Reject).needs(X::Reject).takes(&[Text]),
    command(Verb::EReject).needs(X::EReject).takes(&[Text]),
    command(Verb::Vacation)
        .needs(X::Vacation)
        .tags(&[VACATION, FCC, FLAGS, FILING])
        .takes(&[Text]),
    command(Verb::Set)
        .needs(X::Variables)
        .tags(&[MODIFIERS])
        .takes(&[Text, Text]),
    command(Verb::SetFlag)
        .needs(X::Imap4Flags)
        .takes(&[Text, Texts])
        .optional(Optional::First),
    command(Verb::AddFlag)
        .needs(X::Imap4Flags)
        .takes(&[Text, Texts])
        .optional(Optional::First),
    command(Verb::RemoveFlag)
        .needs(X::Imap4Flags)
        .takes(&[Text, Texts])
        .optional(Optional::First),
    command(Verb::AddHeader)
        .needs(X::EditHeader)
        .tags(&[LAST])
        .takes(&[Text, Text]),
    command(Verb::DeleteHeader)
        .needs(X::EditHeader)
        .tags(&[MATCH, DELETE])
        .takes(&[Text, Texts])
        .optional(Optional::Last),
    command(Verb::Notify)
        .needs(X::ENotify)
        .tags(&[NOTIFY, FCC, FLAGS, FILING])
        .takes(&[Text]),
    command(Verb::Include)
        .needs(X::Include)
        .tags(&[INCLUDE])
        .takes(&[Text]),
    command(Verb::Return).needs(X::Include),
    command(Verb::Global).needs(X::Include).takes(&[Texts]),
    command(Verb::Error).needs(X::IHave).takes(&[Text]),
    command(Verb::ForEveryPart)
        .needs(X::ForEveryPart)
        .tags(&[NAME])
        .block(),
    command(Verb::Break).needs(X::ForEveryPart).tags(&[NAME]),
    command(Verb::ExtractText)
        .needs(X::ExtractText)
        .tags(&[MODIFIERS, FIRST])
        .takes(&[Text]),
    command(Verb::Replace)
        .needs(X::Replace)
        .tags(&[REPLACE])
        .takes(&[Text]),
    command(Verb::Enclose)
        .needs(X::Enclose)
        .tags(&[ENCLOSE])
        .takes(&[Text]),
    test(Verb::True),
    test(Verb::False),
    test(Verb::Not).tests(Tests::One),
    test(Verb::AllOf).tests(Tests::Many),
    test(Verb::AnyOf).tests(Tests::Many),
    test(Verb::Address)
        .tags(&[MATCH, ADDRESS_PART, INDEX, ANY_CHILD])
        .takes(&[Texts, Texts]),
    test(Verb::Envelope)
        .needs(X::Envelope)
        .tags(&[MATCH, ADDRESS_PART, ZONE])
        .takes(&[Texts, Texts]),
    test(Verb::Exists).tags(&[ANY_CHILD]).takes(&[Texts]),
    test(Verb::Header)
        .tags(&[MATCH, INDEX, ANY_CHILD, MIME_PART])
        .takes(&[Texts, Texts]),
    test(Verb::Size).tags(&[SIZE]),
    test(Verb::Text)
        .needs(X::Variables)
        .tags(&[MATCH])
        .takes(&[Texts, Texts]),
    test(Verb::HasFlag)
        .needs(X::Imap4Flags)
        .tags(&[MATCH])
        .takes(&[Texts, Texts])
        .optional(Optional::First),
    test(Verb::Body)
        .needs(X::Body)
        .tags(&[MATCH, BODY])
        .takes(&[Texts]),
    test(Verb::Environment)
        .needs(X::Environment)
        .tags(&[MATCH])
        .takes(&[Text, Texts]),
    test(Verb::MailboxExists).needs(X::Mailbox).takes(&[Texts]),
    test(Verb::Metadata)
        .needs(X::MboxMetadata)
        .tags(&[MATCH])
        .takes(&[Text, Text, Texts]),
    test(Verb::MetadataExists)
        .needs(X::MboxMetadata)
        .takes(&[Text, Texts]),
    test(Verb::ServerMetadata)
        .needs(X::ServerMetadata)
        .tags(&[MATCH])
        .takes(&[Text, Texts]),
    test(Verb::ServerMetadataExists)
        .needs(X::ServerMetadata)
        .takes(&[Texts]),
    test(Verb::SpecialUseExists)
        .needs(X::SpecialUse)
        .takes(&[Text, Texts])
        .optional(Optional::First),
    test(Verb::MailboxIdExists)
        .needs(X::MailboxId)
        .takes(&[Texts]),
    test(Verb::Date)
        .needs(X::Date)
        .tags(&[MATCH, INDEX, ZONE, ORIGINAL_ZONE])
        .takes(&[Text, Text, Texts]),
    test(Verb::CurrentDate)
        .needs(X::Date)
        .tags(&[MATCH, ZONE])
        .takes(&[Text, Texts]),
    test(Verb::IHave).needs(X::IHave).takes(&[Texts]),
    test(Verb::SpamTest)
        .needs(X::SpamTest)
        .tags(&[MATCH, PERCENT])
        .takes(&[Text]),
    test(Verb::VirusTest)
        .needs(X::VirusTest)
        .tags(&[MATCH])
        .takes(&[Text]),
    test(Verb::ValidNotifyMethod)
        .needs(X::ENotify)
        .takes(&[Texts]),
    test(Verb::NotifyMethodCapability)
        .needs(X::ENotify)
        .tags(&[MATCH])
        .takes(&[Text, Text, Texts]),
    test(Verb::Duplicate).needs(X::Duplicate).tags(&[DUPLICATE]),
    test(Verb::ValidExtList).needs(X::ExtLists).takes(&[Texts]),
];

/// The words that may stand at a place.
pub(crate) fn words(place: Place) -> impl Iterator<Item = &'static str> {
    let all = SIGNATURES.iter();
    all.filter(move |signature| signature.place == place)
        .map(Signature::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_stands_once_and_no_tag_twice() {
        for signature in SIGNATURES {
            let name = signature.name();
            assert!(
                std::ptr::eq(super::signature(name).unwrap(), signature),
                "{name}"
            );
            let tags: Vec<Tag> = signature.all_tags().map(|tagged| tagged.tag).collect();
            for (at, tag) in tags.iter().enumerate() {
                assert!(
                    !tags.iter().skip(at + 1).any(|other| other == tag),
                    "{name} {tag:?}"
                );
            }
        }
    }
}
