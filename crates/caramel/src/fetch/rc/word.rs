//! The keywords of fetchmail's run control file, and what becomes of each.

use super::Entry;

/// A keyword.
pub(super) struct Word {
    pub(super) names: &'static [&'static str],
    pub(super) kind: Kind,
}

/// What a keyword does.
pub(super) enum Kind {
    /// On, or off with `no` before it.
    Switch(fn(&mut Entry, bool)),
    Text(fn(&mut Entry, String)),
    Number(fn(&mut Entry, u64)),
    /// Words up to the next keyword.
    List(fn(&mut Entry, Vec<String>)),
    /// It is not carried: so many words belong to it (`LIST` for a list), and this is why.
    Dropped(usize, &'static str),
}

const LIST: usize = usize::MAX;

const fn word(names: &'static [&'static str], kind: Kind) -> Word {
    Word { names, kind }
}

const fn dropped(name: &'static [&'static str], words: usize, why: &'static str) -> Word {
    word(name, Kind::Dropped(words, why))
}

const NOT_SMTP: &str = "mail is put where it belongs, not sent on by SMTP";
const AS_IT_IS: &str = "messages stay octet for octet what they were";
const BY_ITSELF: &str = "it is done by itself";
const CLIENT_CERTIFICATE: &str = "logging in by a certificate is not known";

/// All keywords behind a server's name.
pub(super) const WORDS: &[Word] = &[
    word(&["via"], Kind::Text(|entry, text| entry.via = Some(text))),
    word(
        &["proto", "protocol"],
        Kind::Text(|entry, text| entry.protocol = Some(text.to_ascii_lowercase())),
    ),
    word(
        &["port", "service"],
        Kind::Text(|entry, text| entry.port = Some(text)),
    ),
    word(
        &["interval"],
        Kind::Number(|entry, rounds| entry.rounds = Some(rounds)),
    ),
    word(
        &["envelope"],
        Kind::Text(|entry, text| entry.envelope = Some(text).filter(|text| !text.is_empty())),
    ),
    word(
        &["is", "to"],
        Kind::List(|entry, list| entry.locals.extend(list)),
    ),
    word(
        &["pass", "password"],
        Kind::Text(|entry, text| entry.password = Some(text)),
    ),
    word(&["ssl"], Kind::Switch(|entry, on| entry.ssl = on)),
    word(
        &["sslproto"],
        Kind::Text(|entry, text| entry.sslproto = Some(text)),
    ),
    word(
        &["sslcertfile"],
        Kind::Text(|entry, text| entry.authorities = Some(text)),
    ),
    word(
        &["sslfingerprint"],
        Kind::Text(|entry, text| entry.fingerprint = Some(text)),
    ),
    word(
        &["folder", "folders"],
        Kind::List(|entry, list| entry.folders = list),
    ),
    word(&["keep"], Kind::Switch(|entry, on| entry.keep = on)),
    word(&["fetchall"], Kind::Switch(|entry, on| entry.fetchall = on)),
    word(&["flush"], Kind::Switch(|entry, on| entry.flush = on)),
    word(&["idle"], Kind::Switch(|entry, on| entry.idle = on)),
    word(
        &["limit"],
        // 0 is for no limit.
        Kind::Number(|entry, limit| entry.limit_octets = Some(limit).filter(|limit| *limit > 0)),
    ),
    word(
        &["fetchlimit"],
        Kind::Number(|entry, most| entry.messages_max = Some(most).filter(|most| *most > 0)),
    ),
    word(
        &["fetchdomains"],
        Kind::List(|entry, list| entry.domains = list),
    ),
    dropped(
        &["uidl"],
        0,
        "what was fetched is always known by unique-ids",
    ),
    dropped(
        &["auth", "authenticate"],
        1,
        "a password is shown by PLAIN, LOGIN or USER; a token by `token_cmd`",
    ),
    dropped(
        &["timeout"],
        1,
        "a silent server is left after five minutes",
    ),
    dropped(
        &["local", "localdomains"],
        LIST,
        "whose mail is ours is known by `caramel domain`",
    ),
    dropped(
        &["qvirtual"],
        1,
        "prefixes of recipients are not taken away",
    ),
    dropped(&["aka"], LIST, "only the envelope's header is looked at"),
    dropped(&["dns"], 0, "only the envelope's header is looked at"),
    dropped(
        &["checkalias"],
        0,
        "only the envelope's header is looked at",
    ),
    dropped(
        &["interface", "monitor"],
        1,
        "it does not look at interfaces",
    ),
    dropped(&["plugin", "plugout"], 1, "it makes its connections itself"),
    dropped(&["tracepolls"], 0, AS_IT_IS),
    dropped(&["principal"], 1, "Kerberos is not known"),
    dropped(&["esmtpname", "esmtppassword"], 1, NOT_SMTP),
    dropped(&["bad-header"], 1, "every message is taken"),
    dropped(
        &["sslcertck"],
        0,
        "a certificate is always checked; `fingerprint` names one that nobody vouches for",
    ),
    dropped(&["sslcert", "sslkey"], 1, CLIENT_CERTIFICATE),
    dropped(&["sslcertpath"], 1, "`ca` names one file with authorities"),
    dropped(&["sslcommonname"], 1, "`fingerprint` names the certificate"),
    dropped(&["smtp", "smtphost"], LIST, NOT_SMTP),
    dropped(&["smtpaddress", "smtpname"], 1, NOT_SMTP),
    dropped(&["antispam"], LIST, "nothing that is fetched is refused"),
    dropped(&["mda"], 1, "mail is filed by the account's own script"),
    dropped(&["bsmtp"], 1, NOT_SMTP),
    dropped(&["lmtp"], 0, NOT_SMTP),
    dropped(
        &["preconnect", "postconnect"],
        1,
        "no command is run but the one that tells the password",
    ),
    dropped(&["limitflush"], 0, "what is too large stays there"),
    dropped(
        &[
            "rewrite",
            "stripcr",
            "forcecr",
            "pass8bits",
            "dropstatus",
            "dropdelivered",
            "mimedecode",
        ],
        0,
        AS_IT_IS,
    ),
    dropped(
        &["warnings"],
        1,
        "`caramel fetch status` tells what is too large",
    ),
    dropped(
        &["batchlimit", "expunge", "fetchsizelimit", "fastuidl"],
        1,
        BY_ITSELF,
    ),
    dropped(&["properties"], 1, "it means nothing here"),
];
