//! The drawing: what may follow what.
//!
//! Hold [`Phase::after`] beside RFC 5804 §2. Not here: the data each phase carries (`session`).

use wire::drawing::Drawing;

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Who are you?
    NonAuthenticated,
    /// AUTHENTICATE waits for the response to a challenge.
    Exchange,
    /// Here are your scripts.
    Authenticated,
    /// Over.
    Closed,
}

/// What happens: a command, or what stands where a command would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// AUTHENTICATE.
    Authenticate,
    /// The response to a challenge.
    Response,
    /// STARTTLS.
    StartTls,
    /// LOGOUT.
    Logout,
    /// CAPABILITY.
    Capability,
    /// HAVESPACE.
    HaveSpace,
    /// PUTSCRIPT.
    PutScript,
    /// LISTSCRIPTS.
    ListScripts,
    /// SETACTIVE.
    SetActive,
    /// GETSCRIPT.
    GetScript,
    /// DELETESCRIPT.
    DeleteScript,
    /// RENAMESCRIPT.
    RenameScript,
    /// CHECKSCRIPT.
    CheckScript,
    /// NOOP.
    Noop,
    /// UNAUTHENTICATE.
    Unauthenticate,
    /// A line that is no command, or silence.
    Unknown,
}

/// What is said to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// `OK`.
    Ok,
    /// `NO`.
    No,
    /// `BYE`.
    Bye,
    /// A string alone: a challenge.
    Challenge,
}

impl Phase {
    /// The phase after `verb` was answered with `class`; `None` where there is no such arrow.
    #[must_use]
    pub const fn after(self, verb: Verb, class: Class) -> Option<Self> {
        use Class::{Bye, Challenge, No, Ok};
        use Phase::{Authenticated, Closed, Exchange, NonAuthenticated};
        use Verb::{
            Authenticate, Capability, CheckScript, DeleteScript, GetScript, HaveSpace, ListScripts,
            Logout, Noop, PutScript, RenameScript, Response, SetActive, StartTls, Unauthenticate,
        };
        Some(match (self, verb, class) {
            (Closed, _, _) => return None,
            // At any time, for whatever reason.
            (_, _, Bye) => Closed,

            (Exchange, Response, Challenge) => Exchange,
            (Exchange, Response, Ok) => Authenticated,
            (Exchange, Response, No) => NonAuthenticated,
            (Exchange, _, _) | (_, Response, _) => return None,

            (NonAuthenticated, Authenticate, Challenge) => Exchange,
            (NonAuthenticated, Authenticate, Ok) => Authenticated,
            (NonAuthenticated, StartTls, Ok) => NonAuthenticated,

            (
                Authenticated,
                HaveSpace | PutScript | ListScripts | SetActive | GetScript | DeleteScript
                | RenameScript | CheckScript,
                Ok,
            ) => Authenticated,
            (Authenticated, Unauthenticate, Ok) => NonAuthenticated,

            (_, Logout, Ok) => Closed,
            (here, Capability | Noop, Ok) | (here, _, No) => here,
            _ => return None,
        })
    }

    /// True if `verb` has its place here; where it has not, the reply is `NO`.
    #[must_use]
    pub const fn admits(self, verb: Verb) -> bool {
        self.after(verb, Class::Ok).is_some() || self.after(verb, Class::Challenge).is_some()
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NonAuthenticated => "NonAuthenticated",
            Self::Exchange => "Exchange",
            Self::Authenticated => "Authenticated",
            Self::Closed => "Closed",
        }
    }

    /// All phases, in the order of a conversation.
    pub const ALL: [Self; 4] = [
        Self::NonAuthenticated,
        Self::Exchange,
        Self::Authenticated,
        Self::Closed,
    ];
}

impl Verb {
    /// All verbs.
    pub const ALL: [Self; 16] = [
        Self::Authenticate,
        Self::Response,
        Self::StartTls,
        Self::Logout,
        Self::Capability,
        Self::HaveSpace,
        Self::PutScript,
        Self::ListScripts,
        Self::SetActive,
        Self::GetScript,
        Self::DeleteScript,
        Self::RenameScript,
        Self::CheckScript,
        Self::Noop,
        Self::Unauthenticate,
        Self::Unknown,
    ];

    /// The keyword, or a word for the drawing.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authenticate => "AUTHENTICATE",
            Self::Response => "(response)",
            Self::StartTls => "STARTTLS",
            Self::Logout => "LOGOUT",
            Self::Capability => "CAPABILITY",
            Self::HaveSpace => "HAVESPACE",
            Self::PutScript => "PUTSCRIPT",
            Self::ListScripts => "LISTSCRIPTS",
            Self::SetActive => "SETACTIVE",
            Self::GetScript => "GETSCRIPT",
            Self::DeleteScript => "DELETESCRIPT",
            Self::RenameScript => "RENAMESCRIPT",
            Self::CheckScript => "CHECKSCRIPT",
            Self::Noop => "NOOP",
            Self::Unauthenticate => "UNAUTHENTICATE",
            Self::Unknown => "(unknown)",
        }
    }

    /// Reads a keyword, whatever its case.
    #[must_use]
    pub fn parse(keyword: &str) -> Option<Self> {
        let named = |verb: &Self| verb.name().eq_ignore_ascii_case(keyword);
        Self::ALL.into_iter().find(named)
    }

    /// True if a client may say it.
    #[must_use]
    pub const fn is_command(self) -> bool {
        !matches!(self, Self::Response | Self::Unknown)
    }
}

/// The classes that are drawn: BYE leads from everywhere to the end.
const CLASSES: [(Class, &str); 3] = [
    (Class::Ok, "OK"),
    (Class::Challenge, "string"),
    (Class::No, "NO"),
];

/// The whole drawing in Markdown: a Mermaid state diagram and the state table.
#[must_use]
pub fn render() -> String {
    let drawing = Drawing {
        title: "ManageSieve: what may follow what",
        preface: "Made from `crates/managesieve/src/diagram.rs`; not to be edited. BYE, which is \
            not drawn, leads from\neverywhere to Closed.",
        legend: "`OK Authenticated` reads: the response `OK` leads to Authenticated; `=` stays. \
            `string` is a challenge.\nAn empty field is `NO` where the line can be a command, and \
            cannot happen where not.",
        phases: &Phase::ALL,
        verbs: &Verb::ALL,
        classes: &CLASSES,
        failure: Class::No,
        after: Phase::after,
        loops: true,
        admits: Phase::admits,
        name: |verb| verb.name().to_owned(),
    };
    drawing.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE=1` draws it anew.
    #[test]
    fn the_drawing_is_not_stale() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/diagrams/managesieve.md"
        );
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, render()).unwrap();
        }
        let drawn = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(drawn, render(), "run `cargo xtask diagrams`");
    }

    #[test]
    fn keywords_are_read_back() {
        for verb in Verb::ALL {
            assert_eq!(Verb::parse(&verb.name().to_lowercase()), Some(verb));
        }
    }

    /// RFC 5804 §2: what is valid before the login, and what is not after it.
    #[test]
    fn scripts_are_for_who_has_logged_in() {
        let before = [
            Verb::Authenticate,
            Verb::Capability,
            Verb::StartTls,
            Verb::Logout,
            Verb::Noop,
        ];
        for verb in Verb::ALL {
            let admitted = Phase::NonAuthenticated.admits(verb);
            assert_eq!(admitted, before.contains(&verb), "{verb:?}");
            let only_before = matches!(
                verb,
                Verb::Authenticate | Verb::StartTls | Verb::Response | Verb::Unknown
            );
            assert_eq!(Phase::Authenticated.admits(verb), !only_before, "{verb:?}");
        }
    }

    #[test]
    fn nothing_leaves_the_end_and_bye_leads_there() {
        for verb in Verb::ALL {
            for class in [Class::Ok, Class::No, Class::Bye, Class::Challenge] {
                assert_eq!(Phase::Closed.after(verb, class), None);
            }
            for phase in [
                Phase::NonAuthenticated,
                Phase::Exchange,
                Phase::Authenticated,
            ] {
                assert_eq!(phase.after(verb, Class::Bye), Some(Phase::Closed));
            }
        }
    }
}
