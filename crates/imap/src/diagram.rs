//! The drawing: which command is allowed when, and where its outcome leads.
//!
//! A command is out of sequence exactly where [`Phase::after`] has no arrow for its success.
//!
//! RFC 9051 §3 and §6; RFC 3501 §6 for CHECK and LSUB; RFC 5256 §3 for SORT and THREAD;
//! RFC 5267 §4.3.5 for CANCELUPDATE; RFC 8437 §5 for UNAUTHENTICATE; RFC 5465 §8 for NOTIFY.

use wire::drawing::Drawing;

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Connected, nothing said.
    Greeting,
    /// The peer has still to say who it is (§3.1).
    NotAuthenticated,
    /// Logged in (§3.2).
    Authenticated,
    /// Logged in, with a mailbox open (§3.3).
    Selected,
    /// In IDLE, without a mailbox.
    Idle,
    /// In IDLE, with a mailbox.
    SelectedIdle,
    /// Over (§3.4).
    Logout,
}

/// What moves it: a command, or what happens without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each is the command of its name, the last three are told"
)]
pub enum Verb {
    Capability,
    Noop,
    Id,
    Logout,
    StartTls,
    Authenticate,
    Login,
    Unauthenticate,
    Enable,
    Select,
    Examine,
    Create,
    Delete,
    Rename,
    Subscribe,
    Unsubscribe,
    List,
    Lsub,
    Namespace,
    Status,
    SetAcl,
    DeleteAcl,
    GetAcl,
    ListRights,
    MyRights,
    GetQuota,
    GetQuotaRoot,
    SetQuota,
    GetMetadata,
    SetMetadata,
    Notify,
    Append,
    Idle,
    Check,
    Close,
    Unselect,
    Expunge,
    Search,
    CancelUpdate,
    Esearch,
    Sort,
    Thread,
    Fetch,
    Store,
    Copy,
    Move,
    Replace,
    Compress,
    /// The peer has connected.
    Connect,
    /// The line that ends IDLE.
    Done,
    /// Something that is no command.
    Noise,
}

/// How a response ends it (§7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// `+`: go on (§7.6).
    Continue,
    /// Done.
    Ok,
    /// Not done.
    No,
    /// Not understood, or out of sequence.
    Bad,
    /// Logged in from the start.
    Preauth,
    /// Over.
    Bye,
}

impl Phase {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Greeting => "Greeting",
            Self::NotAuthenticated => "NotAuthenticated",
            Self::Authenticated => "Authenticated",
            Self::Selected => "Selected",
            Self::Idle => "Idle",
            Self::SelectedIdle => "SelectedIdle",
            Self::Logout => "Logout",
        }
    }

    /// All phases.
    pub const ALL: [Self; 7] = [
        Self::Greeting,
        Self::NotAuthenticated,
        Self::Authenticated,
        Self::Selected,
        Self::Idle,
        Self::SelectedIdle,
        Self::Logout,
    ];

    /// Where `verb` with outcome `class` leads; `None` where that cannot be.
    #[must_use]
    pub const fn after(self, verb: Verb, class: Class) -> Option<Self> {
        use Class::{Bad, Bye, Continue, No, Ok, Preauth};
        use Phase::{
            Authenticated, Greeting, Idle, Logout, NotAuthenticated, Selected, SelectedIdle,
        };
        // tidy: table
        Some(match (self, verb, class) {
            (Logout, _, _) => return None,
            (_, _, Bye) => Logout,
            (Greeting, Verb::Connect, Ok) => NotAuthenticated,
            (Greeting, Verb::Connect, Preauth) => Authenticated,
            (Greeting, _, _) | (_, Verb::Connect, _) => return None,
            // §6.3.13: whatever line comes ends IDLE.
            (Idle, Verb::Done, Ok | Bad) => Authenticated,
            (SelectedIdle, Verb::Done, Ok | Bad) => Selected,
            (Idle | SelectedIdle, _, _) | (_, Verb::Done, _) => return None,
            (Authenticated, Verb::Idle, Continue) => Idle,
            (Selected, Verb::Idle, Continue) => SelectedIdle,
            (_, _, Continue | Preauth) => return None,
            (here, _, Bad) => here,
            // BYE comes first, so that its OK finds the conversation over.
            (_, Verb::Noise | Verb::Logout | Verb::Idle, _) => return None,
            (here, Verb::Capability | Verb::Noop | Verb::Id, _) => here,
            (NotAuthenticated, Verb::StartTls, Ok) => NotAuthenticated,
            (NotAuthenticated, Verb::Authenticate | Verb::Login, Ok) => Authenticated,
            (NotAuthenticated, Verb::StartTls | Verb::Authenticate | Verb::Login, No) => self,
            (NotAuthenticated, _, _) => return None,
            (_, Verb::StartTls | Verb::Authenticate | Verb::Login, _) => return None,
            (_, Verb::Unauthenticate, Ok) => NotAuthenticated,
            // RFC 8437 §3: there is no NO.
            (_, Verb::Unauthenticate, _) => return None,
            (_, Verb::Select | Verb::Examine, Ok) => Selected,
            // §6.3.2: the mailbox that was open is closed even so.
            (_, Verb::Select | Verb::Examine, No) => Authenticated,
            (here, Verb::Enable | Verb::Create | Verb::Delete | Verb::Rename, _) => here,
            (here, Verb::Subscribe | Verb::Unsubscribe | Verb::List | Verb::Lsub, _) => here,
            (here, Verb::Namespace | Verb::Status | Verb::Append | Verb::Compress, _) => here,
            (here, Verb::SetAcl | Verb::DeleteAcl | Verb::GetAcl, _) => here,
            (here, Verb::ListRights | Verb::MyRights, _) => here,
            (here, Verb::GetQuota | Verb::GetQuotaRoot | Verb::SetQuota, _) => here,
            (here, Verb::GetMetadata | Verb::SetMetadata | Verb::Notify, _) => here,
            // RFC 7377 §2.2: where no mailbox is open others can be searched.
            (here, Verb::Esearch, _) => here,
            (Authenticated, _, _) => return None,
            (Selected, Verb::Close | Verb::Unselect, Ok) => Authenticated,
            (here, _, _) => here,
        })
    }

    /// True if the command may be given here at all.
    #[must_use]
    pub const fn allows(self, verb: Verb) -> bool {
        matches!(verb, Verb::Logout) && !matches!(self, Self::Logout)
            || self.after(verb, Class::Ok).is_some()
            || self.after(verb, Class::Continue).is_some()
    }
}

impl Verb {
    /// All verbs.
    pub const ALL: [Self; 51] = [
        Self::Capability,
        Self::Noop,
        Self::Id,
        Self::Logout,
        Self::StartTls,
        Self::Authenticate,
        Self::Login,
        Self::Unauthenticate,
        Self::Enable,
        Self::Select,
        Self::Examine,
        Self::Create,
        Self::Delete,
        Self::Rename,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::List,
        Self::Lsub,
        Self::Namespace,
        Self::Status,
        Self::SetAcl,
        Self::DeleteAcl,
        Self::GetAcl,
        Self::ListRights,
        Self::MyRights,
        Self::GetQuota,
        Self::GetQuotaRoot,
        Self::SetQuota,
        Self::GetMetadata,
        Self::SetMetadata,
        Self::Notify,
        Self::Append,
        Self::Idle,
        Self::Check,
        Self::Close,
        Self::Unselect,
        Self::Expunge,
        Self::Search,
        Self::CancelUpdate,
        Self::Esearch,
        Self::Sort,
        Self::Thread,
        Self::Fetch,
        Self::Store,
        Self::Copy,
        Self::Move,
        Self::Replace,
        Self::Compress,
        Self::Connect,
        Self::Done,
        Self::Noise,
    ];

    fn name(self) -> String {
        match self {
            Self::Connect => "(connect)".to_owned(),
            Self::Noise => "(no command)".to_owned(),
            command => format!("{command:?}").to_ascii_uppercase(),
        }
    }
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 6] = [
        Self::Continue,
        Self::Ok,
        Self::No,
        Self::Bad,
        Self::Preauth,
        Self::Bye,
    ];
}

/// BYE is not among them: it leads to the end from everywhere.
const DRAWN: [(Class, &str); 5] = [
    (Class::Continue, "+"),
    (Class::Ok, "OK"),
    (Class::Preauth, "PREAUTH"),
    (Class::No, "NO"),
    (Class::Bad, "BAD"),
];

/// The whole drawing in Markdown: a Mermaid state diagram and the state table.
#[must_use]
pub fn render() -> String {
    let drawing = Drawing {
        title: "IMAP: what may follow what",
        preface: "Made from `crates/imap/src/diagram.rs`; not to be edited. BYE leads to Logout \
            from\neverywhere and is left out of the drawing, as is what stays where it is from the \
            picture.",
        legend: "In the table `OK Selected` reads: an OK leads to Selected; `=` stays. Where a \
            field is empty\na command is answered BAD; anything else cannot happen there. LOGOUT \
            is answered BYE.",
        phases: &Phase::ALL,
        verbs: &Verb::ALL,
        classes: &DRAWN,
        failure: Class::Bad,
        after: Phase::after,
        loops: false,
        admits: Phase::allows,
        name: Verb::name,
    };
    drawing.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawing_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/diagrams/imap.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/diagrams"))
                .unwrap();
            std::fs::write(path, render()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), render());
    }

    #[test]
    fn nothing_leaves_logout_and_everything_can_end() {
        for verb in Verb::ALL {
            for class in Class::ALL {
                assert_eq!(Phase::Logout.after(verb, class), None);
            }
            for phase in Phase::ALL
                .into_iter()
                .filter(|phase| *phase != Phase::Logout)
            {
                assert_eq!(phase.after(verb, Class::Bye), Some(Phase::Logout));
            }
        }
    }

    #[test]
    fn commands_are_allowed_where_the_rfc_says() {
        use Phase::{Authenticated, NotAuthenticated, Selected};
        let cases = [
            (Verb::Capability, [true, true, true]),
            (Verb::Logout, [true, true, true]),
            (Verb::StartTls, [true, false, false]),
            (Verb::Login, [true, false, false]),
            (Verb::Unauthenticate, [false, true, true]),
            (Verb::Enable, [false, true, true]),
            (Verb::Select, [false, true, true]),
            // RFC 4314 §4
            (Verb::SetAcl, [false, true, true]),
            (Verb::MyRights, [false, true, true]),
            // RFC 5465 §8
            (Verb::Notify, [false, true, true]),
            (Verb::Append, [false, true, true]),
            (Verb::Idle, [false, true, true]),
            (Verb::Close, [false, false, true]),
            (Verb::Fetch, [false, false, true]),
            (Verb::Esearch, [false, true, true]),
            // RFC 8508 §3.5
            (Verb::Replace, [false, false, true]),
            (Verb::Noise, [false, false, false]),
        ];
        for (verb, expected) in cases {
            let found = [NotAuthenticated, Authenticated, Selected].map(|phase| phase.allows(verb));
            assert_eq!(found, expected, "{verb:?}");
        }
    }
}
