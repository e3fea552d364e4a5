//! Limits and switches the owner chose for one listener.

use std::time::Duration;

use mail::Refusal;
use wire::sasl::Mechanism;

/// Which of the three protocols is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Between hosts, port 25.
    Relay,
    /// From people's programs, ports 587 and 465 (RFC 6409).
    Submission,
    /// From a mail system on the same site (RFC 2033).
    Lmtp,
}

/// Limits and switches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The protocol.
    pub service: Service,
    /// Our name, as the greeting gives it.
    pub host: String,
    /// What the greeting says behind the name and `ESMTP`.
    pub banner: String,
    /// Greets with this instead: 554 until the peer quits, or 421 at once.
    pub refusal: Option<Refusal>,
    /// Offers STARTTLS while there is no TLS.
    pub tls_offered: bool,
    /// Asks for TLS before MAIL and AUTH.
    pub tls_required: bool,
    /// Asks for AUTH before MAIL (530 5.7.0).
    pub auth_required: bool,
    /// Mechanisms AUTH may use, as listed in EHLO; none: AUTH is not offered.
    pub mechanisms: Vec<Mechanism>,
    /// Takes passwords in the clear: only for a connection that never leaves the machine.
    pub cleartext_passwords: bool,
    /// Offers SMTPUTF8.
    pub smtputf8: bool,
    /// Offers BINARYMIME.
    pub binarymime: bool,
    /// Offers DSN.
    pub dsn: bool,
    /// Offers REQUIRETLS where there is TLS (RFC 8689).
    pub requiretls: bool,
    /// Puts VRFY to the house; otherwise it is answered 252.
    pub verify: bool,
    /// ETRN commands that one connection may put to the house; 0: ETRN is not offered (RFC 1985).
    pub etrn_max: u32,
    /// Octets of a message.
    pub message_octets_max: u64,
    /// Octets of a text line, CRLF included; RFC 5321 §4.5.3.1.6 asks for 1000.
    pub text_line_octets_max: usize,
    /// Octets of a command line, CRLF included; RFC 5321 §4.5.3.1.4 asks for 512.
    pub command_octets_max: usize,
    /// Octets of a line of AUTH, CRLF included (RFC 4954 §4 asks for 12288).
    pub auth_octets_max: usize,
    /// Recipients of a transaction; RFC 5321 §4.5.3.1.8 asks for 100.
    pub recipients_max: u32,
    /// Bad commands and failed logins before the connection is closed.
    pub faults_max: u32,
    /// Recipients refused for good before the connection is closed, none of its messages taken in
    /// between: more is no list with dead addresses but somebody who tries names.
    pub refused_recipients_max: u32,
    /// How long the peer may think about its next command (§4.5.3.2.7).
    pub command_timeout: Duration,
    /// How long the peer may pause within a body.
    pub data_timeout: Duration,
    /// How long a whole body may take, however steadily it drips.
    pub body_timeout: Duration,
}

impl Policy {
    /// Port 25: TLS offered, no AUTH.
    #[must_use]
    pub fn relay(host: impl Into<String>) -> Self {
        Self {
            service: Service::Relay,
            host: host.into(),
            banner: "Caramel".to_owned(),
            refusal: None,
            tls_offered: true,
            tls_required: false,
            auth_required: false,
            mechanisms: Vec::new(),
            cleartext_passwords: false,
            smtputf8: true,
            binarymime: false,
            dsn: true,
            requiretls: true,
            verify: false,
            etrn_max: 0,
            message_octets_max: 50 * 1024 * 1024,
            text_line_octets_max: 64 * 1024,
            command_octets_max: 4096,
            auth_octets_max: 12_288,
            recipients_max: 1000,
            faults_max: 20,
            refused_recipients_max: 100,
            command_timeout: Duration::from_secs(300),
            data_timeout: Duration::from_secs(300),
            body_timeout: Duration::from_secs(2 * 3600),
        }
    }

    /// Ports 587 and 465: nobody sends without having logged in.
    #[must_use]
    pub fn submission(host: impl Into<String>) -> Self {
        Self {
            service: Service::Submission,
            auth_required: true,
            mechanisms: Mechanism::USUAL.to_vec(),
            ..Self::relay(host)
        }
    }

    /// LMTP.
    #[must_use]
    pub fn lmtp(host: impl Into<String>) -> Self {
        Self {
            service: Service::Lmtp,
            tls_offered: false,
            ..Self::relay(host)
        }
    }
}
