//! The sections of the file, and which of them are lists.

/// The sections that are lists: each entry is a table of its own.
pub(crate) const LISTS: [&str; 10] = [
    "listener",
    "trust.list",
    "trust.milter",
    "dkim",
    "relay.route",
    "rewrite",
    "copy",
    "limits.sends",
    "sieve.list",
    "source",
];

/// What the sections are, for the reference.
pub(crate) const SECTIONS: &[(&str, &str)] = &[
    ("", "At the top of the file, before any table."),
    (
        "listener",
        "One `[[listener]]` for each place where the server listens; at least one.",
    ),
    ("tls", "The server's certificate."),
    ("login", "How people log in."),
    (
        "oauth",
        "Access tokens instead of passwords (OAUTHBEARER, XOAUTH2) for submission, IMAP and POP3, \
         as a service for logging in issues them. Without this table they are not offered; with \
         it, `issuer`, `audience` and one of `keys` and `introspection` have to be there. By \
         `keys`, signed JWTs are verified without asking the issuer, so a token it takes back \
         stays good until it expires; by `introspection` the issuer is asked. Whoever is logged in \
         stays so.",
    ),
    ("imap", "What IMAP does."),
    ("limits", "How much of anything there may be."),
    (
        "limits.sends",
        "One `[[limits.sends]]` for each account that may send to more, or to fewer, than \
         `sends_per_hour` and `sends_per_day` say, which do not count for it then; and for each \
         domain whose accounts together may send to so many, whatever each of them may.",
    ),
    ("store", "How what is kept is looked after."),
    (
        "undo",
        "What is remembered of what people and their programs do, so that it can be undone.",
    ),
    (
        "journeys",
        "What is remembered of what happens to letters, so that it can be told (`caramel why`).",
    ),
    ("privacy", "What may be seen of people's mail."),
    ("log", "What is logged."),
    (
        "dns",
        "Who is asked about names. Answers are remembered as long as they say, a day at most.",
    ),
    (
        "trust",
        "What is found out about letters from outside, and what follows from it: SPF, DKIM, DMARC, \
         ARC and the name of the client's address. docs/trust.md tells more.",
    ),
    (
        "spam",
        "Letters judged by their words, as moving letters into the mailbox for junk and out of it \
         has taught. docs/spam.md tells more.",
    ),
    (
        "trust.list",
        "One `[[trust.list]]` for each list in DNS that is asked about clients and senders whose \
         letters are checked. Whoever runs a list says who may ask it, and what its answers mean. \
         docs/trust.md tells more.",
    ),
    (
        "trust.greylist",
        "Whether strangers are asked to come back (greylisting). docs/trust.md tells more.",
    ),
    (
        "trust.milter",
        "One `[[trust.milter]]` for each filter (milter, or rspamd by HTTP) that looks at letters \
         while they come in, in the order in which they see them. docs/milter.md tells more.",
    ),
    (
        "dkim",
        "One `[[dkim]]` for each key that letters of our own people are signed with when they \
         submit them. A domain may have several: a letter is signed with each.",
    ),
    (
        "local",
        "Letters that people and programs of this machine hand in by `sendmail`. \
         docs/commands.md tells more.",
    ),
    ("relay", "Mail for domains that are not ours."),
    (
        "relay.route",
        "One `[[relay.route]]` for each way that some mail takes; the first that fits counts, and \
         `[relay]` where none does.",
    ),
    (
        "rewrite",
        "One `[[rewrite]]` for each address, or domain, that is another here; the first that fits \
         counts, and what it becomes is not looked for again. docs/queue.md tells more.",
    ),
    (
        "copy",
        "One `[[copy]]` for each address that gets copies of letters, seen by nobody. \
         docs/queue.md tells more.",
    ),
    (
        "source",
        "One `[[source]]` for each account elsewhere whose mail is fetched, by a running server or \
         by `caramel fetch`. docs/fetch.md tells more.",
    ),
    ("queue", "Letters that wait to leave (`caramel queue`)."),
    (
        "forward",
        "Letters from elsewhere that aliases and filter scripts send on to other hosts. \
         docs/sieve.md tells more.",
    ),
    (
        "sieve",
        "Filter scripts of the house, beside those that each account has. docs/sieve.md tells \
         more.",
    ),
    (
        "sieve.list",
        "One `[[sieve.list]]` for each list that scripts may ask and send to (`:list`).",
    ),
    (
        "sieve.spamtest",
        "The header field in which a filter for spam in front of this server tells its score, for \
         `spamtest`. Without `header` no letter is tested.",
    ),
    (
        "sieve.virustest",
        "The same for viruses, for `virustest`: what the field's value begins with, in any \
         letters.",
    ),
];
