//! The limits and switches of the house: a plain value, filled from the configuration.

use std::sync::Arc;
use std::time::Duration;

use mail::{Host, Network};

use crate::queue::QueueRules;
use crate::{
    Keyring, Quota, RateRules, RewriteRules, SendRule, SieveRules, SpamRules, TokenRules,
    TrustRules, UndoRules,
};

/// What becomes of mail for domains that are not ours, from those who may send any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Elsewhere {
    /// It is refused with 550 5.7.1.
    #[default]
    Refuse,
    /// It is kept in the sender's own mailbox `Captured`, for trying things out.
    Capture,
    /// It is sent there.
    Relay,
}

/// The limits and switches of the house.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Our own name in trace fields and message ids.
    pub host: Host,
    /// What becomes of submitted mail for other domains.
    pub elsewhere: Elsewhere,
    /// Whose mail for other domains is sent though nobody is logged in: nobody's, if it is empty.
    pub trusted_networks: Vec<Network>,
    /// Recipients at other domains that an account may send to in an hour; 0 for any number.
    pub sends_per_hour_max: u32,
    /// The same for some accounts, and for whole domains.
    pub sends: Arc<[SendRule]>,
    /// How much else strangers and accounts may do.
    pub rates: RateRules,
    /// Which addresses are others here, and what is copied.
    pub rewriting: Arc<RewriteRules>,
    /// How long letters wait in the queue, and for how long.
    pub queue: QueueRules,
    /// How long it is remembered what happened to each letter; zero for not at all.
    pub journeys_kept: Duration,
    /// Who gets mail for postmaster and abuse where no alias says so: the account with this
    /// address, or the oldest account.
    pub postmaster: Option<mail::Address>,
    /// How letters from outside are checked.
    pub trust: TrustRules,
    /// How letters are judged by their words.
    pub spam: SpamRules,
    /// What letters of our own people are signed with.
    pub keys: Arc<Keyring>,
    /// Octets a message may have.
    pub message_octets_max: u64,
    /// Octets of a message body kept in memory; a larger one is streamed into the store.
    pub body_memory_octets_max: usize,
    /// Octets of all message bodies kept in memory at the same time; beyond it, each is streamed
    /// into the store as soon as its header is there.
    pub bodies_memory_octets_max: usize,
    /// Recipients one message may have.
    pub recipients_max: usize,
    /// `Received` fields a message may have before it counts as looping.
    pub received_fields_max: usize,
    /// Aliases that may lead to one another.
    pub alias_depth_max: usize,
    /// Accounts one address may lead to.
    pub alias_targets_max: usize,
    /// Mailboxes one account may have.
    pub mailboxes_max: usize,
    /// Octets a mailbox's name may have.
    pub mailbox_name_octets_max: usize,
    /// Levels a mailbox's name may have.
    pub mailbox_depth_max: usize,
    /// How much an account may hold that has no limit of its own.
    pub quota: Quota,
    /// For how long and how much what people do can be undone.
    pub undo: UndoRules,
    /// Lets people see what was removed from their mailboxes as long as that is remembered, in
    /// mailboxes under `Removed Mail`.
    pub removed_mail: bool,
    /// Messages one mailbox may have.
    pub mailbox_messages_max: usize,
    /// Names one account may be subscribed to.
    pub subscriptions_max: usize,
    /// Entries the access control list of one mailbox may have.
    pub acl_entries_max: usize,
    /// Accounts whose mailboxes one account is shown beside its own.
    pub sharers_max: usize,
    /// Accounts of others that one session watches beside its own.
    pub neighbours_max: usize,
    /// Octets the value of a note on a mailbox may have; at least 1024 (RFC 5464 §4.1).
    pub metadata_octets_max: usize,
    /// Notes on one mailbox; at least 10 (RFC 5464 §4.1).
    pub metadata_entries_max: usize,
    /// Octets of all notes of an account.
    pub metadata_all_octets_max: usize,
    /// Filter scripts one account may have.
    pub scripts_max: usize,
    /// Octets of one script.
    pub script_octets_max: usize,
    /// Octets of all scripts of an account.
    pub scripts_octets_max: u64,
    /// Identifiers that the scripts of an account remember, and senders that they have answered; at
    /// least 1000 (RFC 5230 §4.2).
    pub seen_max: usize,
    /// Addresses that a script may send one message on to; 0 for none.
    pub redirects_max: usize,
    /// What whoever runs the house gives scripts to work with.
    pub sieve: Arc<SieveRules>,
    /// Rewrites the senders of letters from elsewhere that are sent on to other hosts, so that
    /// what comes back comes here first.
    pub rewrites_senders: bool,
    /// Seals letters from elsewhere that are sent on to other hosts, where there is a key for it.
    pub seals: bool,
    /// Octets that compiled scripts of all accounts may take in memory.
    pub scripts_memory_octets_max: usize,
    /// Octets of message text one row of a fetch may carry in memory.
    pub section_octets_max: u64,
    /// Messages one page of a fetch may have.
    pub fetch_rows_max: usize,
    /// Octets that accounts' mailboxes may take in memory, whoever is logged in to them. What is
    /// asked for right now may pass it.
    pub mailbox_memory_octets_max: usize,
    /// Keeps keys for SCRAM-SHA-1 beside those for SCRAM-SHA-256.
    pub scram_sha1: bool,
    /// Whose access tokens are taken instead of a password, if anybody's.
    pub tokens: Option<TokenRules>,
    /// Rounds of PBKDF2 for new SCRAM keys.
    pub scram_iterations: u32,
    /// KiB of memory one argon2id check takes.
    pub argon2_kibibytes: u32,
    /// Passes of one argon2id check.
    pub argon2_passes: u32,
    /// Failed logins an account may see before it has to wait.
    pub account_failures_max: u32,
    /// Failed logins one network (IPv4 address, IPv6 /64) may have before it has to wait.
    pub network_failures_max: u32,
    /// Time in which the failures counted halve.
    pub failures_half_life: Duration,
    /// How long a successful check is remembered, so that a polling client costs nothing.
    pub login_memory: Duration,
    /// Successful checks remembered.
    pub login_memory_entries_max: usize,
}

impl Rules {
    /// The usual rules for a house of this name.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self {
            host,
            elsewhere: Elsewhere::Refuse,
            trusted_networks: Vec::new(),
            sends_per_hour_max: 0,
            sends: Arc::default(),
            rates: RateRules::default(),
            rewriting: Arc::default(),
            queue: QueueRules::default(),
            journeys_kept: Duration::from_secs(30 * 24 * 60 * 60),
            postmaster: None,
            trust: TrustRules::default(),
            spam: SpamRules::default(),
            keys: Arc::default(),
            message_octets_max: 50 * 1024 * 1024,
            body_memory_octets_max: 256 * 1024,
            bodies_memory_octets_max: 64 * 1024 * 1024,
            recipients_max: 1000,
            received_fields_max: 100,
            alias_depth_max: 8,
            alias_targets_max: 1000,
            mailboxes_max: 10_000,
            mailbox_name_octets_max: 1000,
            mailbox_depth_max: 32,
            quota: Quota::default(),
            undo: UndoRules::default(),
            removed_mail: true,
            mailbox_messages_max: 10_000_000,
            subscriptions_max: 10_000,
            acl_entries_max: 100,
            sharers_max: 1000,
            neighbours_max: 16,
            metadata_octets_max: 16 * 1024,
            metadata_entries_max: 100,
            metadata_all_octets_max: 1024 * 1024,
            scripts_max: 50,
            script_octets_max: 128 * 1024,
            scripts_octets_max: 1024 * 1024,
            seen_max: 4000,
            redirects_max: 4,
            sieve: Arc::default(),
            rewrites_senders: false,
            seals: false,
            scripts_memory_octets_max: 32 * 1024 * 1024,
            section_octets_max: 16 * 1024 * 1024,
            fetch_rows_max: 200,
            mailbox_memory_octets_max: 256 * 1024 * 1024,
            scram_sha1: false,
            tokens: None,
            scram_iterations: 4096,
            argon2_kibibytes: 19 * 1024,
            argon2_passes: 2,
            account_failures_max: 20,
            network_failures_max: 50,
            failures_half_life: Duration::from_secs(300),
            login_memory: Duration::from_secs(60),
            login_memory_entries_max: 10_000,
        }
    }
}
