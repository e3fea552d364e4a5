//! The queue: letters that wait to leave for other hosts.
//!
//! An entry is one letter for one destination, so that a dead destination harms nobody else and
//! each connection finds what is for it in order; all entries of a letter mention one blob. Its
//! life is drawn in [`diagram`]. Nothing of it is in memory but leases and two counters: what is
//! due is found by key.
//!
//! Not here: who carries letters (`server`), when other hosts are asked and how (`smtp`, `net`).
//!
//! RFC 5321 §4.5.4.1 (when it is tried again), §6.1 (what was accepted is not lost), RFC 8689 §4.1
//! (what its sender wants of TLS).

mod admin;
mod claim;
mod desk;
pub mod diagram;
mod entry;
mod fronts;
mod rates;
mod schedule;
mod settle;
mod suppressed;
mod top;

pub use admin::{QueueDeed, QueueDone, QueuePage};
pub use claim::{Claimed, Sweep};
pub(crate) use desk::{Change, Desk, Party, Queue};
pub(crate) use entry::{
    ALL, COUNTS, DESTINATIONS, DUE, HANDED, LETTER_VERSIONS, LETTERS, VERSIONS,
};
pub use entry::{Entry, Place, Rank, Said, Waiting};
pub use schedule::QueueRules;
pub use settle::{Attempt, Fate};
pub(crate) use settle::{Note, header_is_ascii, return_path_octets};
pub use suppressed::Suppressed;
pub(crate) use suppressed::TABLE as SUPPRESSED;
pub use top::{QueueTop, QueueTopLine};

use mail::{Address, ForwardPath, Host, ReversePath, TlsWish};
use message::Header;

use crate::{Post, UserName};

/// The destination of letters that go to programs of this machine: no domain is called so.
pub const PROGRAMS: &str = "|programs";
/// What the destination of letters that go to a user's own programs begins with.
const PROGRAMS_OF: &str = "|programs/";

/// Who runs the programs that a letter goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runner {
    /// Whoever runs those of the file of aliases.
    Aliases,
    /// A user, those of the own `.forward`.
    User(UserName),
}

impl Runner {
    /// Who it is at this destination; none where no programs are run.
    #[must_use]
    pub fn at(destination: &str) -> Option<Self> {
        match destination.strip_prefix(PROGRAMS_OF) {
            Some(user) => UserName::parse(user).map(Self::User),
            None => (destination == PROGRAMS).then_some(Self::Aliases),
        }
    }
}

/// The destination of letters that go to a user's own programs.
pub(crate) fn programs_of(user: &UserName) -> String {
    format!("{PROGRAMS_OF}{user}")
}

impl Post {
    /// Where a letter to this path goes, as the queue calls it.
    pub(crate) fn destination(&self, path: &ForwardPath) -> String {
        let programs = path.address().and_then(|address| self.programs_at(address));
        programs.unwrap_or_else(|| destination(path, &self.rules().host))
    }
}

/// Where a path leads, as the queue calls it: a domain in A-labels, or an address literal.
#[must_use]
pub fn destination(path: &ForwardPath, own: &Host) -> String {
    match path {
        ForwardPath::Postmaster => own.to_ascii(),
        ForwardPath::Address(Address { host, .. }) => host.to_ascii().to_ascii_lowercase(),
    }
}

/// What a letter's sender wants of TLS: what MAIL said, or else what its header says.
// RFC 8689 §4.1
pub(crate) const fn tls_wish(said: TlsWish, waives: bool) -> TlsWish {
    match said {
        TlsWish::Usual if waives => TlsWish::Waived,
        said => said,
    }
}

/// Whether others go before a letter: those of people go before what programs send, and before what
/// is for many.
// RFC 3834 §5
pub(crate) fn rank(reverse_path: &ReversePath, header: &[u8]) -> Rank {
    let is_of_programs = Header::parse(header).any(|field| {
        let is_precedence = field.is("Precedence");
        if !is_precedence && !field.is("Auto-Submitted") {
            return false;
        }
        let value = field.unfolded();
        let word = value.split(|octet| *octet == b';').next();
        let word = word.unwrap_or_default().trim_ascii();
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        match is_precedence {
            true => is(b"bulk") || is(b"list") || is(b"junk"),
            false => !is(b"no"),
        }
    });
    match is_of_programs || *reverse_path == ReversePath::Null {
        true => Rank::Later,
        false => Rank::Usual,
    }
}

/// True if a header has the one field `TLS-Required: No`.
// RFC 8689 §3
pub(crate) fn waives_tls(header: &[u8]) -> bool {
    let fields = Header::parse(header).filter(|field| field.is("TLS-Required"));
    let values: Vec<bool> = fields
        .map(|field| field.unfolded().trim_ascii().eq_ignore_ascii_case(b"no"))
        .collect();
    values == [true]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_tell_who_runs_programs() {
        let ada = UserName::parse("Ada").unwrap();
        let of_ada = programs_of(&ada);
        for (destination, runner) in [
            (PROGRAMS, Some(Runner::Aliases)),
            (of_ada.as_str(), Some(Runner::User(ada))),
            ("|programs/", None),
            ("|programs/../ada", None),
            ("programs", None),
            ("example.org", None),
        ] {
            assert_eq!(Runner::at(destination), runner, "{destination}");
        }
    }

    #[test]
    fn what_programs_send_goes_later() {
        let ada = ReversePath::parse("<ada@example.org>").unwrap();
        for (header, expected) in [
            ("Subject: x\r\n\r\nPrecedence: bulk\r\n", Rank::Usual),
            ("precedence:\r\n List\r\n\r\n", Rank::Later),
            (
                "Precedence: first-class\r\nAuto-Submitted: NO\r\n\r\n",
                Rank::Usual,
            ),
            ("Auto-Submitted: auto-generated; x=y\r\n\r\n", Rank::Later),
        ] {
            assert_eq!(rank(&ada, header.as_bytes()), expected, "{header}");
        }
        assert_eq!(rank(&ReversePath::Null, b"\r\n"), Rank::Later);
    }

    #[test]
    fn a_header_may_waive_tls() {
        for (header, expected) in [
            ("Subject: x\r\nTLS-Required: No\r\n\r\n", true),
            ("tls-required:\r\n no\r\n\r\n", true),
            ("TLS-Required: Yes\r\n\r\n", false),
            ("TLS-Required: No\r\nTLS-Required: No\r\n\r\n", false),
            ("Subject: x\r\n\r\nTLS-Required: No\r\n", false),
        ] {
            assert_eq!(waives_tls(header.as_bytes()), expected, "{header}");
        }
        let all = [TlsWish::Usual, TlsWish::Required, TlsWish::Waived];
        let said = all.map(|wish| tls_wish(wish, true));
        assert_eq!(said, [TlsWish::Waived, TlsWish::Required, TlsWish::Waived]);
        assert_eq!(all.map(|wish| tls_wish(wish, false)), all);
    }
}
