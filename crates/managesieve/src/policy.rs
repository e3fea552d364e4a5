//! Limits and switches the owner chose for one listener.

use std::time::Duration;

use wire::sasl::Mechanism;

/// Limits and switches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Our name, as the greeting gives it.
    pub host: String,
    /// Offers STARTTLS while there is no TLS.
    pub tls_offered: bool,
    /// Takes passwords in the clear: only for a connection that never leaves the machine.
    pub cleartext_passwords: bool,
    /// Mechanisms that may be offered, in the order of the list.
    pub mechanisms: Vec<Mechanism>,
    /// What scripts may require: all that is carried out, and nothing else.
    pub extensions: Vec<String>,
    /// Redirections of one run, where mail is sent on at all.
    pub redirects_max: Option<u32>,
    /// Schemes of URIs by which somebody is told, where that is done at all.
    pub notify_methods: Vec<String>,
    /// Schemes of URIs that name lists, where scripts may ask those at all.
    pub list_schemes: Vec<String>,
    /// Octets of a command without its script, CRLFs included; before the login of any command,
    /// and of a response to a challenge.
    pub command_octets_max: usize,
    /// Octets of a script that is put or checked; the house may refuse smaller ones.
    pub script_octets_max: usize,
    /// Commands out of grammar or place, and failed logins, before the connection is closed.
    pub faults_max: u32,
    /// How long a peer may be silent before it is logged in.
    pub login_silence_max: Duration,
    /// How long after that; at least half an hour (RFC 5804 §1.2).
    pub silence_max: Duration,
}

impl Policy {
    /// The usual limits for a house of this name; STARTTLS is offered, and scripts may require
    /// nothing.
    #[must_use]
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            tls_offered: true,
            cleartext_passwords: false,
            mechanisms: Mechanism::USUAL.to_vec(),
            extensions: Vec::new(),
            redirects_max: None,
            notify_methods: Vec::new(),
            list_schemes: Vec::new(),
            command_octets_max: 12 * 1024,
            script_octets_max: 256 * 1024,
            faults_max: 10,
            login_silence_max: Duration::from_secs(300),
            silence_max: Duration::from_secs(1800),
        }
    }
}
