//! What happened to a mailbox, as those are told who watch it from outside (RFC 5465).
//!
//! Not here: how a mailbox stands, for which each room has its words.

/// What happened to one mailbox, or to the subscription to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxNews<S> {
    /// Its name: of one that is gone, the one it had.
    pub name: String,
    /// What happened to its name.
    pub naming: Option<Naming>,
    /// What happened to its messages.
    pub moved: Moved,
    /// How it stands now, if it holds messages that may be read.
    pub status: Option<S>,
    /// Notes on it that changed.
    pub notes: Vec<String>,
    /// True if a subscription to its name began or ended.
    pub subscription: bool,
    /// True if its name is subscribed to now.
    pub subscribed: bool,
}

impl<S> Default for MailboxNews<S> {
    fn default() -> Self {
        Self {
            name: String::new(),
            naming: None,
            moved: Moved::default(),
            status: None,
            notes: Vec::new(),
            subscription: false,
            subscribed: false,
        }
    }
}

impl<S> MailboxNews<S> {
    /// The same of a mailbox whose name has this before it, and whose status is told so.
    #[must_use]
    pub fn under<T>(self, prefix: &str, status: impl FnOnce(S) -> T) -> MailboxNews<T> {
        MailboxNews {
            name: format!("{prefix}{}", self.name),
            naming: self.naming.map(|naming| match naming {
                Naming::Renamed { from } => Naming::Renamed {
                    from: format!("{prefix}{from}"),
                },
                same => same,
            }),
            moved: self.moved,
            status: self.status.map(status),
            notes: self.notes,
            subscription: self.subscription,
            subscribed: self.subscribed,
        }
    }
}

/// What happened to a mailbox's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// It was made, or can be seen now.
    Made,
    /// It had another name.
    Renamed {
        /// This one.
        from: String,
    },
    /// It was deleted.
    Gone,
    /// It may no longer be seen.
    Hidden,
}

/// What happened to a mailbox's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Some came.
    pub arrived: bool,
    /// Some went.
    pub removed: bool,
    /// Some have other flags, or it is another mailbox than had this name before.
    pub flagged: bool,
}
