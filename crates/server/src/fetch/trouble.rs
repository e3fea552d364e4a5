//! What goes wrong with a source, in words for the person who looks after it.

use std::fmt;

use post::Why;
use serde_json::{Value, json};

use super::source::Source;

/// Why a source was not fetched to its end. Nothing is lost by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub(super) kind: TroubleKind,
    /// What does not work.
    pub what: String,
    /// Why; empty where there is no more to say.
    pub why: String,
    /// What to do next.
    pub next: String,
}

/// Of what kind it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TroubleKind {
    /// It may pass.
    Passing,
    /// Somebody has to change something.
    Lasting,
    /// The name or the password is not taken: to try again too often locks accounts.
    Login,
}

impl Trouble {
    pub(super) fn new(kind: TroubleKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            why: String::new(),
            next: String::new(),
        }
    }

    pub(super) fn because(mut self, why: impl fmt::Display) -> Self {
        // Another host's words: nothing in them moves the cursor.
        let shown = |letter: char| if letter.is_control() { ' ' } else { letter };
        self.why = why.to_string().chars().map(shown).collect();
        self
    }

    pub(super) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    /// The host cannot be reached.
    pub(super) fn unreachable(source: &Source, why: impl fmt::Display) -> Self {
        let what = format!("{}:{} cannot be reached", source.host, source.port);
        let next = "is the name right, and the host up? what was fetched is here, the rest waits";
        Self::new(TroubleKind::Passing, what)
            .because(why)
            .next(next)
    }

    /// The host has another certificate.
    pub(super) fn stranger(source: &Source, why: impl fmt::Display) -> Self {
        let what = format!("{} does not prove that it is {}", source.host, source.host);
        let next = "compare the fingerprint with what its owner says; if it is right, \
                    `fingerprint` names it, or `ca` an authority";
        Self::new(TroubleKind::Lasting, what)
            .because(why)
            .next(next)
    }

    /// The connection came to an end that nobody wanted.
    pub(super) fn vanished(source: &Source, why: impl fmt::Display) -> Self {
        let what = format!("{} has gone in the middle", source.host);
        let next = "nothing is lost: the next run goes on where this one was";
        Self::new(TroubleKind::Passing, what)
            .because(why)
            .next(next)
    }

    /// The host refused something that has to be.
    pub(super) fn refused(source: &Source, what: &str, why: impl fmt::Display) -> Self {
        let what = format!("{} {what}", source.host);
        let next = format!("caramel fetch check {}", source.name);
        Self::new(TroubleKind::Passing, what)
            .because(why)
            .next(next)
    }

    /// The name or the password is not taken.
    pub(super) fn login(source: &Source, why: impl fmt::Display) -> Self {
        let what = format!(
            "{} does not take the name or the password of {}",
            source.host, source.user
        );
        let next = format!("mend it, then: caramel fetch check {}", source.name);
        Self::new(TroubleKind::Login, what).because(why).next(next)
    }

    /// The server can not do what is wanted of it.
    pub(super) fn unable(source: &Source, what: &str, next: &str) -> Self {
        let what = format!("{} {what}", source.host);
        Self::new(TroubleKind::Lasting, what).next(next)
    }

    /// The post did not take something.
    pub(super) fn post(source: &Source, error: &post::Error) -> Self {
        let to = &source.to;
        let said = match error {
            post::Error::Refused(_, refusal) => refusal.text.clone(),
            post::Error::Fault(fault) => fault.to_string(),
        };
        match error.why() {
            Why::OverQuota => Self::new(
                TroubleKind::Passing,
                format!("there is no room for more in {to}"),
            )
            .because(said)
            .next(format!(
                "caramel account quota {to}; what was not fetched stays at the source"
            )),
            Why::Nonexistent => {
                Self::new(TroubleKind::Lasting, format!("there is no account {to}"))
                    .because(said)
                    .next(format!("caramel account add {to}; or another `to`"))
            }
            Why::InUse => {
                let what = format!("{} is being fetched already", source.name);
                Self::new(TroubleKind::Passing, what).next("caramel fetch status")
            }
            _ => Self::new(
                TroubleKind::Passing,
                format!("mail for {to} cannot be filed"),
            )
            .because(said)
            .next("nothing is lost: what was not filed stays at the source"),
        }
    }

    /// In one line, for a log and for what is kept.
    pub(super) fn line(&self) -> String {
        match self.why.is_empty() {
            true => self.what.clone(),
            false => format!("{}: {}", self.what, self.why),
        }
    }

    /// As JSON.
    pub(super) fn told(&self) -> Value {
        json!({
            "what": self.what,
            "why": self.why,
            "next": self.next,
            "login": self.kind == TroubleKind::Login,
        })
    }
}
