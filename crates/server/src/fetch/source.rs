//! A source elsewhere, as it is configured: plain values, and the JSON that the command line hands
//! them over in.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use mail::{Address, Role};
use post::{FetchInto, SourceId};
use serde::{Deserialize, Serialize};

/// Whom to fetch mail from, and what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What it is called here: what was fetched is known by this name.
    pub name: String,
    /// What is spoken there.
    pub protocol: SourceProtocol,
    /// The host there: a name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// When the connection is encrypted.
    pub tls: SourceTls,
    /// The name to log in with.
    pub user: String,
    /// What proves it.
    pub secret: SourceSecret,
    /// The account here that gets the mail.
    pub to: String,
    /// The mailbox it goes into, or that the source's mailboxes go below; without it, the inbox.
    pub into: Option<String>,
    /// Mailboxes there, `*` and `%` as in LIST; only with IMAP.
    pub folders: Vec<String>,
    /// True if messages stay there.
    pub keep: bool,
    /// True if only those are fetched that were not fetched before.
    pub only_new: bool,
    /// True if those are taken away there as well that were fetched before, and kept.
    pub flush: bool,
    /// True if the source tells of new messages by itself (RFC 2177); only with IMAP.
    pub idle: bool,
    /// How often it is asked, seconds; 0 for only when somebody wants it.
    pub interval_seconds: u64,
    /// Octets of the largest message that is fetched; larger ones stay there.
    pub message_octets_max: Option<u64>,
    /// Messages that are fetched at a time.
    pub messages_max: Option<u64>,
    /// What is taken over beside the messages themselves.
    pub preserves: Preserves,
    /// True if the reader's script runs.
    pub sieve: bool,
    /// The header field that tells whom each message is for (multidrop).
    pub envelope: Option<String>,
    /// Domains here whose mail is asked for; only with ETRN and ODMR.
    #[serde(default)]
    pub domains: Vec<String>,
}

/// What is spoken with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceProtocol {
    /// RFC 1939.
    Pop3,
    /// RFC 9051, RFC 3501.
    Imap,
    /// RFC 1985: the host sends what it keeps for our domains over connections of its own.
    Etrn,
    /// RFC 2645: the same over the connection that we have made, which turns round.
    Odmr,
}

/// How a connection to a source is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTls {
    /// When.
    pub encrypted: When,
    /// The fingerprint of the one certificate that is right: `sha256:…`.
    pub fingerprint: Option<String>,
    /// Authorities that are trusted instead of the system's.
    pub authorities: Option<PathBuf>,
}

/// When a connection to a source is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Never: the password can be read on the way.
    None,
    /// Before logging in.
    Starttls,
    /// From the first octet.
    Implicit,
}

/// What proves who logs in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SourceSecret {
    /// A password.
    Password(String),
    /// The first line of a file is one.
    File(PathBuf),
    /// The first line that a command of the shell writes is one.
    Command(String),
    /// The first line that a command of the shell writes is an access token (OAUTHBEARER, XOAUTH2).
    TokenCommand(String),
}

/// What is taken over beside messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preserves {
    /// Flags and keywords.
    pub flags: bool,
    /// When a message came in there.
    pub dates: bool,
    /// Which mailbox it was in.
    pub folders: bool,
}

impl fmt::Debug for SourceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password",
            Self::File(_) => "File",
            Self::Command(_) => "Command",
            Self::TokenCommand(_) => "TokenCommand",
        })
    }
}

impl SourceProtocol {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pop3 => "pop3",
            Self::Imap => "imap",
            Self::Etrn => "etrn",
            Self::Odmr => "odmr",
        }
    }

    /// The port that is usual where the connection is encrypted so.
    #[must_use]
    pub const fn port(self, encrypted: When) -> u16 {
        match (self, encrypted) {
            (Self::Pop3, When::Implicit) => 995,
            (Self::Pop3, _) => 110,
            (Self::Imap, When::Implicit) => 993,
            (Self::Imap, _) => 143,
            (Self::Etrn, When::Implicit) => 465,
            (Self::Etrn, _) => 25,
            // RFC 2645 §4
            (Self::Odmr, _) => 366,
        }
    }

    /// True if mail comes by itself once it is asked for: there is no account, and nothing to be
    /// remembered.
    #[must_use]
    pub const fn is_asked_for(self) -> bool {
        matches!(self, Self::Etrn | Self::Odmr)
    }
}

impl Source {
    /// A source of this name that is kept as it is, and asked only when somebody wants it.
    #[must_use]
    pub fn new(name: &str, protocol: SourceProtocol, host: &str, tls: SourceTls) -> Self {
        Self {
            name: name.to_owned(),
            protocol,
            host: host.to_owned(),
            port: protocol.port(tls.encrypted),
            tls,
            user: String::new(),
            secret: SourceSecret::Password(String::new()),
            to: String::new(),
            into: None,
            folders: vec!["INBOX".to_owned()],
            keep: true,
            only_new: true,
            flush: false,
            idle: false,
            interval_seconds: 0,
            message_octets_max: None,
            messages_max: None,
            preserves: Preserves {
                flags: true,
                dates: true,
                folders: true,
            },
            sieve: true,
            envelope: None,
            domains: Vec::new(),
        }
    }

    /// The account that gets the mail.
    pub(super) fn account(&self) -> Option<Address> {
        Address::parse(&self.to).ok()
    }

    pub(super) const fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds)
    }

    /// Where what is known of it as a whole is kept.
    pub(super) fn id(&self) -> SourceId {
        self.id_of(&["source"])
    }

    /// Where what is known of one of its mailboxes is kept.
    pub(super) fn folder_id(&self, folder: &str) -> SourceId {
        self.id_of(&[self.protocol.name(), folder])
    }

    fn id_of(&self, words: &[&str]) -> SourceId {
        let mut hash = blake3::Hasher::new();
        for word in [&["fetch", self.name.as_str()], words].concat() {
            hash.update(word.as_bytes());
            hash.update(&[0]);
        }
        let id = hash.finalize();
        id.as_bytes().first_chunk().copied().unwrap_or_default()
    }

    /// Where messages go that are in this mailbox there.
    pub(super) fn destination(&self, levels: &[String], role: Option<Role>) -> FetchInto {
        let is_inbox = matches!(levels, [one] if one.eq_ignore_ascii_case("INBOX"));
        let straight = |name: String, role| match name.eq_ignore_ascii_case("INBOX") {
            true => FetchInto::Inbox,
            false => FetchInto::Mailbox { name, role },
        };
        match (&self.into, is_inbox || !self.preserves.folders) {
            (None, true) if self.sieve => FetchInto::Delivery,
            (None, true) => FetchInto::Inbox,
            (Some(into), true) => straight(into.clone(), None),
            (None, false) => straight(levels.join("/"), role),
            (Some(into), false) => straight(format!("{into}/{}", levels.join("/")), None),
        }
    }

    /// True if a message of so many octets is fetched.
    pub(super) fn takes(&self, octets: u64) -> bool {
        self.message_octets_max.is_none_or(|max| octets <= max)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::fetch) fn source() -> Source {
        let tls = SourceTls {
            encrypted: When::Implicit,
            fingerprint: None,
            authorities: None,
        };
        let protocol = SourceProtocol::Imap;
        Source {
            user: "ada".into(),
            secret: SourceSecret::Password("secret".into()),
            to: "ada@example.org".into(),
            interval_seconds: 300,
            message_octets_max: Some(1000),
            ..Source::new("old", protocol, "imap.example.net", tls)
        }
    }

    #[test]
    fn a_source_travels_and_its_password_is_not_shown() {
        let source = source();
        let text = serde_json::to_string(&source).unwrap();
        assert_eq!(serde_json::from_str::<Source>(&text).unwrap(), source);
        assert!(!format!("{source:?}").contains("secret\""));
    }

    #[test]
    fn mailboxes_lead_where_they_should() {
        let into = |into: Option<&str>, folders, sieve, levels: &[&str]| {
            let source = Source {
                into: into.map(str::to_owned),
                sieve,
                preserves: Preserves {
                    folders,
                    ..source().preserves
                },
                ..source()
            };
            let levels: Vec<String> = levels.iter().map(|level| (*level).to_owned()).collect();
            source.destination(&levels, Some(Role::Archive))
        };
        let mailbox = |name: &str, role| FetchInto::Mailbox {
            name: name.into(),
            role,
        };
        for (case, expected) in [
            (into(None, true, true, &["INBOX"]), FetchInto::Delivery),
            (into(None, true, false, &["inbox"]), FetchInto::Inbox),
            (
                into(None, true, true, &["Archive", "2026"]),
                mailbox("Archive/2026", Some(Role::Archive)),
            ),
            (into(None, false, true, &["Archive"]), FetchInto::Delivery),
            (
                into(Some("Old"), true, true, &["INBOX"]),
                mailbox("Old", None),
            ),
            (
                into(Some("Old"), true, true, &["Archive"]),
                mailbox("Old/Archive", None),
            ),
            (
                into(Some("Old"), false, true, &["Archive"]),
                mailbox("Old", None),
            ),
            (
                into(Some("inbox"), true, true, &["INBOX"]),
                FetchInto::Inbox,
            ),
        ] {
            assert_eq!(case, expected);
        }
    }

    #[test]
    fn what_is_known_is_known_by_name_protocol_and_mailbox() {
        let one = source();
        let other_host = Source {
            host: "elsewhere.example.net".into(),
            ..source()
        };
        assert_eq!(one.folder_id("INBOX"), other_host.folder_id("INBOX"));
        assert_ne!(one.folder_id("INBOX"), one.folder_id("Archive"));
        assert_ne!(one.folder_id("source"), one.id());
        let renamed = Source {
            name: "new".into(),
            ..source()
        };
        assert_ne!(one.id(), renamed.id());
    }
}
