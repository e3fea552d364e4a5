//! Who may log in: passwords, SCRAM keys, and how often one may be wrong.

use std::net::IpAddr;

use crate::{Account, Error, Fault, Outcome, Post};

/// What SCRAM-SHA-256 needs to know of a user (RFC 5802 §3), and a fresh nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramKeys {
    /// The salt.
    pub salt: Vec<u8>,
    /// Rounds of PBKDF2.
    pub iterations: u32,
    /// `H(ClientKey)`.
    pub stored_key: [u8; 32],
    /// `HMAC(SaltedPassword, "Server Key")`.
    pub server_key: [u8; 32],
    /// The server's part of the nonce: printable ASCII without a comma.
    pub nonce: String,
}

impl Post {
    /// Logs in with a password. `authorization` must be empty or name the same account.
    ///
    /// The user is an account's address; without `@`, where only one domain is ours, its local part.
    ///
    /// # Errors
    /// [`crate::Why::AuthenticationFailed`] (535 5.7.8), [`crate::Why::AuthorizationFailed`],
    /// [`crate::Why::Unavailable`] (454 4.7.0) if there were too many failures or checks, or a fault.
    pub async fn login_password(
        &self,
        peer: IpAddr,
        user: &str,
        authorization: Option<&str>,
        password: &str,
    ) -> Outcome<Account> {
        let _ = (peer, user, authorization, password);
        Err(Error::Fault(Fault::Unfinished("login")))
    }

    /// The keys of a user for SCRAM-SHA-256. An unknown user gets keys as well, made up but always
    /// the same.
    ///
    /// # Errors
    /// [`crate::Why::Unavailable`] (454 4.7.0) if there were too many failures.
    pub fn login_keys(&self, peer: IpAddr, user: &str) -> Outcome<ScramKeys> {
        let _ = (peer, user);
        Err(Error::Fault(Fault::Unfinished("login")))
    }

    /// Logs in a user who has proved, by SCRAM, to know the password.
    ///
    /// # Errors
    /// [`crate::Why::AuthorizationFailed`] if `authorization` names somebody else, or a fault.
    pub async fn login_proved(
        &self,
        peer: IpAddr,
        user: &str,
        authorization: Option<&str>,
    ) -> Outcome<Account> {
        let _ = (peer, user, authorization);
        Err(Error::Fault(Fault::Unfinished("login")))
    }

    /// Counts a failed proof; returns what to tell the peer.
    pub fn login_failed(&self, peer: IpAddr, user: &str) -> Error {
        let _ = (peer, user);
        Error::Fault(Fault::Unfinished("login"))
    }
}
