//! Limits and switches the owner chose for one listener.

use std::time::Duration;

use wire::sasl::Mechanism;

/// Limits and switches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Our name, as the greeting gives it.
    pub host: String,
    /// Offers STLS while there is no TLS.
    pub tls_offered: bool,
    /// Takes passwords in the clear: only for a connection that never leaves the machine.
    pub cleartext_passwords: bool,
    /// Mechanisms that may be offered, in the order of the list.
    pub mechanisms: Vec<Mechanism>,
    /// Octets of a command line, CRLF included; RFC 2449 §4 asks for 255.
    pub command_octets_max: usize,
    /// Octets of a line of AUTH, CRLF included; RFC 5034 §4 asks for what the mechanisms need.
    pub auth_octets_max: usize,
    /// Octets of a listing that are written at once.
    pub listing_octets_max: usize,
    /// Commands out of grammar or place, and failed logins, before the connection is closed.
    pub faults_max: u32,
    /// How long the peer may be silent; RFC 1939 §3 asks for ten minutes.
    pub silence_max: Duration,
}

impl Policy {
    /// The usual limits for a house of this name; STLS is offered.
    #[must_use]
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            tls_offered: true,
            cleartext_passwords: false,
            mechanisms: Mechanism::USUAL.to_vec(),
            command_octets_max: 1024,
            auth_octets_max: 12 * 1024,
            listing_octets_max: 16 * 1024,
            faults_max: 10,
            silence_max: Duration::from_secs(600),
        }
    }
}
