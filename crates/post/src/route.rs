//! Where an address leads: to accounts here, elsewhere, or nowhere (RFC 5321 §3.3, §4.5.1).

use mail::{AccountId, ForwardPath, Refusal};

use crate::{Error, Fault, Post};

/// Where an address leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To these accounts; never empty, none twice.
    Local(Vec<AccountId>),
    /// To another host.
    Elsewhere,
    /// Nowhere: there is no such user at a domain that is ours, or its aliases run in a circle.
    Nowhere(Refusal),
}

impl Post {
    /// Says where an address leads. Reads nothing but the directory in memory.
    ///
    /// Local parts are compared without regard to case; `ada+lists@` is `ada@` unless somebody
    /// else has that very name; a domain's catch-all comes last.
    #[must_use]
    pub fn route(&self, path: &ForwardPath) -> Route {
        let _ = path;
        Route::Nowhere(Error::Fault(Fault::Unfinished("route")).refusal())
    }
}
