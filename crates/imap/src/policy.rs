//! Limits and switches the owner chose.

use std::time::Duration;

use wire::sasl::Mechanism;

/// What a session may do, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The name the greeting gives.
    pub host: String,
    /// What ID tells of us (RFC 2971).
    pub identity: Vec<(String, String)>,
    /// What the names of other users' mailboxes begin with, if there are any (RFC 2342).
    pub other_users: Option<String>,
    /// The mailboxes into which letters come by themselves (RFC 5465 §6.3).
    pub inboxes: Vec<String>,
    /// What the names of mailboxes begin with that are nobody's own, if there are any (RFC 2342).
    pub shared: Option<String>,
    /// What the names of mailboxes begin with that have what was removed from others, if there are
    /// any. Only patterns that begin so find them.
    pub removed: Option<String>,
    /// True if APPEND takes header fields beyond ASCII from whoever has not enabled UTF8=ACCEPT
    /// as well, against RFC 6855 §4.
    pub raw_headers: bool,
    /// True if UIDONLY is offered (RFC 9586). A widespread program enables it and does not keep to
    /// it, so that it sees no mail any more.
    pub uid_only: bool,
    /// Where scripts are kept that run when something is done with messages, if there is such a
    /// place: a host, and a port where it is not the usual one (RFC 6785 §2.1, RFC 5804 §3).
    pub sieve: Option<String>,
    /// True if STARTTLS is offered while there is no TLS.
    pub starttls: bool,
    /// True if passwords may pass without TLS (a peer on this very machine).
    pub clear_passwords: bool,
    /// Mechanisms that may be offered, in the order of the list.
    pub mechanisms: Vec<Mechanism>,
    /// Octets of one command with its literals and CRLFs.
    pub command_octets_max: usize,
    /// Octets of a message that APPEND brings.
    pub append_octets_max: u64,
    /// Messages that one APPEND brings (RFC 3502).
    pub append_messages_max: u32,
    /// Parts of which the messages of one APPEND are made (RFC 4469).
    pub catenate_parts_max: u32,
    /// Octets of all messages that one APPEND brings.
    pub append_all_octets_max: u64,
    /// Octets the value of a note may have (RFC 5464 §4.1); the house refuses longer ones.
    pub metadata_octets_max: u64,
    /// Searches of one connection whose results are kept up to date, at least one (RFC 5267
    /// §4.3.1).
    pub contexts_max: usize,
    /// Octets that one such result may take; a search with more is not kept up to date.
    pub context_octets_max: usize,
    /// Mailboxes that one ESEARCH looks through (RFC 7377 §2.4).
    pub search_mailboxes_max: usize,
    /// Octets of one [`Ask::AppendChunk`](crate::Ask::AppendChunk).
    pub chunk_octets_max: usize,
    /// Octets of one line inside AUTHENTICATE.
    pub response_octets_max: usize,
    /// Commands that were no commands; with the next one the connection ends.
    pub bad_commands_max: u32,
    /// Failed logins; with the next one the connection ends.
    pub failed_logins_max: u32,
    /// How long a client hears nothing of a command before it is told how far that is: 10 to 15
    /// seconds are recommended (RFC 9585 §4).
    pub progress_interval: Duration,
    /// How long a peer may be silent before it is logged in.
    pub login_timeout: Duration,
    /// How long a peer may be silent after that; at least half an hour (RFC 9051 §5.4).
    pub idle_timeout: Duration,
}

impl Policy {
    /// True for names of mailboxes that are not the user's own.
    pub(crate) fn is_others(&self, name: &str) -> bool {
        let prefixes = self.other_users.iter().chain(&self.shared);
        let mut prefixes = prefixes.chain(&self.removed);
        prefixes.any(|prefix| name.starts_with(prefix))
    }

    /// The octets of a message that APPEND brings, in a number that the grammar has.
    pub(crate) fn append_limit(&self) -> u32 {
        // RFC 7889 §5
        u32::try_from(self.append_octets_max).unwrap_or(u32::MAX)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            identity: vec![("name".to_owned(), "Caramel".to_owned())],
            other_users: None,
            inboxes: vec!["INBOX".to_owned()],
            shared: None,
            removed: None,
            raw_headers: false,
            uid_only: false,
            sieve: None,
            starttls: true,
            clear_passwords: false,
            mechanisms: Mechanism::USUAL.to_vec(),
            command_octets_max: 64 * 1024,
            append_octets_max: 100 * 1024 * 1024,
            append_messages_max: 1_000,
            catenate_parts_max: 1_000,
            append_all_octets_max: 1024 * 1024 * 1024,
            metadata_octets_max: 16 * 1024,
            contexts_max: 8,
            context_octets_max: 512 * 1024,
            search_mailboxes_max: 10_000,
            chunk_octets_max: 64 * 1024,
            response_octets_max: 12 * 1024,
            bad_commands_max: 20,
            failed_logins_max: 3,
            progress_interval: Duration::from_secs(12),
            login_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(30 * 60),
        }
    }
}
