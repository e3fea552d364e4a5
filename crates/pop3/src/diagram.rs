//! The drawing: what may follow what.
//!
//! Hold [`Phase::after`] beside RFC 1939 §3–6. Not here: the data each phase carries (`session`).

use wire::drawing::Drawing;

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Who are you?
    Authorization,
    /// AUTH waits for the response to a challenge (RFC 5034).
    Exchange,
    /// The maildrop is open.
    Transaction,
    /// The deleted messages are being removed.
    Update,
    /// Over.
    Closed,
}

/// What happens: a command, or what stands where a command would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// CAPA.
    Capa,
    /// USER.
    User,
    /// PASS.
    Pass,
    /// AUTH.
    Auth,
    /// The response to a challenge.
    Response,
    /// STLS.
    Stls,
    /// UTF8.
    Utf8,
    /// LANG.
    Lang,
    /// STAT.
    Stat,
    /// LIST.
    List,
    /// UIDL.
    Uidl,
    /// RETR.
    Retr,
    /// TOP.
    Top,
    /// DELE.
    Dele,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
    /// A line that is no command.
    Unknown,
}

/// What is said to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// `+OK`.
    Ok,
    /// `-ERR`.
    Err,
    /// `+`: a challenge.
    Challenge,
    /// Nothing yet: the house is at work.
    Work,
}

impl Phase {
    /// The phase after `verb` was answered with `class`; `None` where there is no such arrow.
    #[must_use]
    pub const fn after(self, verb: Verb, class: Class) -> Option<Self> {
        use Class::{Challenge, Err, Ok, Work};
        use Phase::{Authorization, Closed, Exchange, Transaction, Update};
        use Verb::{
            Auth, Capa, Dele, Lang, List, Noop, Pass, Quit, Response, Retr, Rset, Stat, Stls, Top,
            Uidl, User, Utf8,
        };
        Some(match (self, verb, class) {
            (Closed, _, _) => return None,

            // The marks are carried out, or they are not: it is over either way.
            (Update, Quit, Ok | Err) => Closed,
            (Update, _, _) => return None,

            (Exchange, Response, Challenge) => Exchange,
            (Exchange, Response, Ok) => Transaction,
            (Exchange, Response, Err) => Authorization,
            (Exchange, _, _) | (_, Response, _) => return None,

            (Authorization, User | Stls | Utf8, Ok) => Authorization,
            (Authorization, Auth, Challenge) => Exchange,
            (Authorization, Auth | Pass, Ok) => Transaction,
            // Without a maildrop there is nothing to update.
            (Authorization, Quit, Ok) => Closed,

            (Transaction, Stat | List | Uidl | Retr | Top | Dele | Rset | Noop, Ok) => Transaction,
            (Transaction, Quit, Work) => Update,

            (here, Capa | Lang, Ok) => here,
            (here, _, Err) => here,
            _ => return None,
        })
    }

    /// True if `verb` has its place here; where it has not, the reply is `-ERR`.
    #[must_use]
    pub const fn admits(self, verb: Verb) -> bool {
        self.after(verb, Class::Ok).is_some()
            || self.after(verb, Class::Challenge).is_some()
            || self.after(verb, Class::Work).is_some()
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorization => "Authorization",
            Self::Exchange => "Exchange",
            Self::Transaction => "Transaction",
            Self::Update => "Update",
            Self::Closed => "Closed",
        }
    }

    /// All phases, in the order of a conversation.
    pub const ALL: [Self; 5] = [
        Self::Authorization,
        Self::Exchange,
        Self::Transaction,
        Self::Update,
        Self::Closed,
    ];
}

impl Verb {
    /// All verbs.
    pub const ALL: [Self; 18] = [
        Self::Capa,
        Self::User,
        Self::Pass,
        Self::Auth,
        Self::Response,
        Self::Stls,
        Self::Utf8,
        Self::Lang,
        Self::Stat,
        Self::List,
        Self::Uidl,
        Self::Retr,
        Self::Top,
        Self::Dele,
        Self::Rset,
        Self::Noop,
        Self::Quit,
        Self::Unknown,
    ];

    /// The keyword, or a word for the drawing.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Capa => "CAPA",
            Self::User => "USER",
            Self::Pass => "PASS",
            Self::Auth => "AUTH",
            Self::Response => "(response)",
            Self::Stls => "STLS",
            Self::Utf8 => "UTF8",
            Self::Lang => "LANG",
            Self::Stat => "STAT",
            Self::List => "LIST",
            Self::Uidl => "UIDL",
            Self::Retr => "RETR",
            Self::Top => "TOP",
            Self::Dele => "DELE",
            Self::Rset => "RSET",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
            Self::Unknown => "(unknown)",
        }
    }

    /// Reads a keyword, whatever its case.
    #[must_use]
    pub fn parse(keyword: &str) -> Option<Self> {
        let named = |verb: &Self| verb.name().eq_ignore_ascii_case(keyword);
        Self::ALL.into_iter().find(named)
    }
}

const CLASSES: [(Class, &str); 4] = [
    (Class::Ok, "+OK"),
    (Class::Challenge, "+"),
    (Class::Work, "…"),
    (Class::Err, "-ERR"),
];

/// The whole drawing in Markdown: a Mermaid state diagram and the state table.
#[must_use]
pub fn render() -> String {
    let drawing = Drawing {
        title: "POP3: what may follow what",
        preface: "Made from `crates/pop3/src/diagram.rs`; not to be edited. `…` is no reply yet: \
            the house\nis at work.",
        legend: "`+OK Transaction` reads: the reply `+OK` leads to Transaction; `=` stays. An \
            empty field is\n`-ERR` where the line can be a command, and cannot happen where not.",
        phases: &Phase::ALL,
        verbs: &Verb::ALL,
        classes: &CLASSES,
        failure: Class::Err,
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
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/diagrams/pop3.md");
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

    #[test]
    fn nothing_leaves_the_end_and_silence_changes_nothing() {
        for verb in Verb::ALL {
            for (class, _) in CLASSES {
                assert_eq!(Phase::Closed.after(verb, class), None);
                let there = Phase::Transaction.after(verb, class);
                assert!(!matches!(
                    there,
                    Some(Phase::Authorization | Phase::Exchange)
                ));
            }
        }
    }
}
