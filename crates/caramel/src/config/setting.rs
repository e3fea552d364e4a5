//! The settings: each is declared here, with its words and its default, and nowhere else.

mod kind;
mod section;
mod transfer;

pub(crate) use kind::Kind;
pub(crate) use section::{LISTS, SECTIONS};
pub(crate) use transfer::*;

/// All settings, those of a section in the order of the reference.
pub(crate) const ALL: &[Setting] = &joined::<{ OWN.len() + TRANSFER.len() }>([OWN, TRANSFER]);

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The table it stands in; empty for the top of the file.
    pub(crate) section: &'static str,
    /// Its name.
    pub(crate) key: &'static str,
    /// What it may be.
    pub(crate) kind: Kind,
    /// What it is where it is not written, in TOML; empty where it is nothing.
    pub(crate) default: &'static str,
    /// An example, in TOML.
    pub(crate) example: &'static str,
    /// What it means: a sentence or two.
    pub(crate) doc: &'static str,
}

/// Lists, one behind the other.
#[expect(
    clippy::indexing_slicing,
    reason = "computed while compiling, where a fault is an error"
)]
const fn joined<const COUNT: usize>(lists: [&[Setting]; 2]) -> [Setting; COUNT] {
    let mut all = [lists[0][0]; COUNT];
    let (mut list, mut from, mut at) = (0, 0, 0);
    while at < COUNT {
        if from == lists[list].len() {
            (list, from) = (list + 1, 0);
        }
        all[at] = lists[list][from];
        (from, at) = (from + 1, at + 1);
    }
    all
}

macro_rules! settings {
    ($all:ident: $($name:ident = [$section:literal] $key:literal: $kind:expr, $default:literal,
       $example:literal, $doc:literal;)*) => {
        $(
            #[doc = $doc]
            pub(crate) const $name: Setting = Setting {
                section: $section,
                key: $key,
                kind: $kind,
                default: $default,
                example: $example,
                doc: $doc,
            };
        )*
        /// All of these.
        pub(crate) const $all: &[Setting] = &[$($name),*];
    };
}

pub(crate) use settings;

settings! {
    OWN:
    HOSTNAME = [""] "hostname": Kind::Host, "", "\"mail.example.org\"",
        "The name of this machine, as other machines know it: greetings and trace fields give it, \
         and a certificate of our own is made for it. Has to be written.";
    DATA = [""] "data": Kind::Path, "", "\"/var/lib/caramel\"",
        "The folder for everything that is kept. Without it, `caramel` in the user's data folder.";
    MEMORY = [""] "memory": Kind::Size, "\"640M\"", "\"128M\"",
        "How much memory the server may take for what it keeps at hand and what is on its way: \
         mailboxes, rows that are read often, what the view has not written yet, letters that come \
         in, changes that wait for the disk, and 32M for making the search index. `[limits]` can \
         set each part; those that are not set share the rest. The program itself (20M) and its \
         connections come on top, and what the C library's allocator keeps at hand for each \
         thread: where it is glibc's, `MALLOC_ARENA_MAX=1` in the environment spares a quarter.";
    POSTMASTER = [""] "postmaster": Kind::Mail, "", "\"ada@example.org\"",
        "The account that gets mail for postmaster and abuse where no alias says otherwise. \
         Without it, the oldest account.";
    PROTOCOL = ["listener"] "protocol":
        Kind::Word(&[
            "smtp", "submission", "lmtp", "imap", "pop3", "managesieve", "metrics",
        ]),
        "", "\"imap\"",
        "What is spoken: `smtp` with other servers, `submission` with people's programs that send, \
         `lmtp` with another mail server of this house, `imap` and `pop3` with programs that read, \
         `managesieve` with programs that keep filter scripts, `metrics` with programs of this \
         machine that watch (HTTP, without TLS). Has to be written.";
    ADDRESS = ["listener"] "address": Kind::Endpoint, "", "\"[::]:993\"",
        "Where to listen. Port 0 lets the system choose; `listeners.json` in the data folder tells \
         what it chose. Has to be written.";
    TLS = ["listener"] "tls": Kind::Word(&["none", "starttls", "implicit"]), "\"starttls\"",
        "\"implicit\"",
        "When the connection is encrypted: never, when the peer asks for it, or from the first \
         octet (ports 465, 993, 995).";
    PROXY = ["listener"] "proxy": Kind::Many(&Kind::Network), "[]", "[\"10.0.0.0/8\"]",
        "Networks of proxies in front of this listener (HAProxy, or whatever speaks its PROXY \
         protocol, version 1 or 2). Each connection has to begin with the header that says for \
         whom it is, within 5 seconds, and counts as that peer's from then on; one from anywhere \
         else is closed. Without it, no header is expected, and none is understood.";
    CERTIFICATE = ["tls"] "certificate": Kind::Path, "", "\"/etc/caramel/chain.pem\"",
        "The certificate to show, with its chain, in PEM; read anew every few hours. Without it, \
         one by an authority of our own (`caramel cert ca`).";
    KEY = ["tls"] "key": Kind::Path, "", "\"/etc/caramel/key.pem\"",
        "The certificate's private key, in PEM.";
    CLIENT_CA = ["tls"] "client_ca": Kind::Path, "", "\"/etc/caramel/people.pem\"",
        "Authorities, in PEM, whose certificates people may log in with (EXTERNAL) instead of a \
         password: submission, IMAP and POP3 ask for one, and an address in it (`rfc822Name`) is \
         the account. Whoever has none logs in as before; one by another authority ends the \
         connection. Read anew with the server's own.";
    SCRAM_SHA1 = ["login"] "scram_sha1": Kind::Switch, "false", "true",
        "Offers SCRAM-SHA-1 and SCRAM-SHA-1-PLUS beside SCRAM-SHA-256, for programs that know no \
         better. Keys for it are made when a password is set, or when somebody next logs in with \
         one (PLAIN, LOGIN, USER); before that SCRAM-SHA-1 says that the password is wrong. Off \
         unless a program needs it: what is kept for it lets whoever steals the store try \
         passwords faster.";
    ISSUER = ["oauth"] "issuer": Kind::Name, "", "\"https://login.example.org/realms/mail\"",
        "Who has to have issued a token (`iss`), to the letter.";
    AUDIENCE = ["oauth"] "audience": Kind::Name, "", "\"mail\"",
        "Whom a token has to be meant for (`aud`), to the letter. Choose one that only mail's \
         tokens have: a token for another service at the same issuer is none for this one.";
    KEYS = ["oauth"] "keys": Kind::Path, "", "\"/etc/caramel/oauth-keys.json\"",
        "A file with the issuer's public keys (a JWK set: what its `jwks_uri` gives). It is read \
         again whenever it has changed, so fetch it anew from time to time, and put the new file \
         in the old one's place; while it is gone or broken, the keys stay as they were. RSA from \
         2048 bits, P-256, P-384 and Ed25519 are known.";
    INTROSPECTION = ["oauth"] "introspection": Kind::Name, "",
        "\"https://login.example.org/realms/mail/introspect\"",
        "Where the issuer is asked about a token (RFC 7662) that `keys` cannot tell of: with \
         `keys`, one that is no signed JWT; without, each of them. A URL with `https:`, or with \
         `http:` and a name of this machine. An answer is good for a minute, so a token that is \
         taken back opens nothing after that; without an answer in 10 seconds nobody is let in.";
    INTROSPECTION_CLIENT = ["oauth"] "introspection_client": Kind::Name, "", "\"caramel\"",
        "What this server is called at the issuer (`client_id`).";
    INTROSPECTION_SECRET = ["oauth"] "introspection_secret": Kind::Path, "",
        "\"/etc/caramel/oauth-secret\"",
        "A file with its secret there (`client_secret`), and nothing else in it; read when the \
         server starts.";
    INTROSPECTION_CA = ["oauth"] "introspection_ca": Kind::Path, "",
        "\"/etc/caramel/login-ca.pem\"",
        "Authorities, in PEM, that the issuer's certificate is checked with. Without it, those \
         that the system trusts.";
    ACCOUNT_CLAIM = ["oauth"] "account_claim": Kind::Name, "\"email\"", "\"username\"",
        "The claim that names the account: an address, or, where only one domain is ours, its \
         local part. Choose one that people cannot change by themselves at the issuer. With \
         `email`, a token that says `email_verified` is false is refused.";
    SCOPE = ["oauth"] "scope": Kind::Name, "", "\"mail\"",
        "What a token has to allow (a word of `scope`, or of `scp`). Without it, nothing is asked \
         for.";
    DISCOVERY = ["oauth"] "discovery": Kind::Https, "",
        "\"https://login.example.org/.well-known/openid-configuration\"",
        "Where programs learn how to get a token; told to those that bring none of use.";
    RAW_HEADERS = ["imap"] "raw_headers": Kind::Word(&["refuse", "keep"]), "\"refuse\"",
        "\"keep\"",
        "What becomes of a letter whose header has octets beyond ASCII, as old programs wrote \
         them, when a program that has not enabled UTF8=ACCEPT puts it into a mailbox. The \
         standard wants it refused (RFC 6855); `keep` takes it as it is, for moving in with \
         imapsync, mbsync, offlineimap and the like, which would leave such letters behind.";
    REMOVED_MAIL = ["imap"] "removed_mail": Kind::Switch, "true", "false",
        "Shows people what was removed from their mailboxes, as long as it is remembered \
         (`[undo]`), in mailboxes under `Removed Mail`: they are read only, and to copy a message \
         from there is to bring it back. LIST tells them only to programs that ask for these \
         names, or that subscribed to one.";
    UID_ONLY = ["imap"] "uid_only": Kind::Switch, "false", "true",
        "Offers UIDONLY (RFC 9586), by which a program names letters by UID alone. Off unless \
         somebody asks for it: Microsoft's Outlook enables it wherever it is offered, goes on \
         naming letters by their numbers all the same, and then shows none.";
    MESSAGE_SIZE = ["limits"] "message_size": Kind::Size, "\"50M\"", "\"50M\"",
        "How large a message may be.";
    RECIPIENTS = ["limits"] "recipients": Kind::Count, "1000", "1000",
        "How many recipients a message may have.";
    ACCOUNT_SIZE = ["limits"] "account_size": Kind::Size, "", "\"2G\"",
        "How many octets of mail an account may hold; `caramel account quota` gives single \
         accounts another limit. Without it, any number.";
    ACCOUNT_MESSAGES = ["limits"] "account_messages": Kind::Count, "", "100000",
        "How many messages an account may hold, counted once for each mailbox they are in. \
         Without it, any number.";
    MAILBOX_MEMORY = ["limits"] "mailbox_memory": Kind::Size, "", "\"64M\"",
        "How much memory mailboxes may take, of all accounts together: some 50 octets for each \
         message of an account in use. Beyond it the accounts that were not used for the longest \
         time are read from the disk when they are next asked for, also while somebody is logged \
         in and waits. An account in use right now may pass it. Without it, its share of \
         `memory`.";
    CACHE_MEMORY = ["limits"] "cache_memory": Kind::Size, "", "\"64M\"",
        "How much memory rows that are read often may take. Without it, its share of `memory`.";
    VIEW_MEMORY = ["limits"] "view_memory": Kind::Size, "", "\"96M\"",
        "How much memory rows may take that the view has not written to the disk yet. Without it, \
         its share of `memory`.";
    INCOMING_MEMORY = ["limits"] "incoming_memory": Kind::Size, "", "\"128M\"",
        "How much memory letters may take while they come in, of all connections together. Beyond \
         it they go to the disk as they come. Without it, its share of `memory`.";
    WAITING_MEMORY = ["limits"] "waiting_memory": Kind::Size, "", "\"256M\"",
        "How much memory changes may take that wait for the disk. Beyond it more are refused for \
         the moment. Without it, its share of `memory`.";
    MILTER_MEMORY = ["limits"] "milter_memory": Kind::Size, "\"64M\"", "\"256M\"",
        "How much memory letters may take that are held for `[[trust.milter]]`, all together; more \
         are answered 452 4.3.1. It is not part of `memory`.";
    SENDS_PER_HOUR = ["limits"] "sends_per_hour": Kind::Count, "1000", "200",
        "To how many recipients elsewhere an account may send at once, and again in each hour: \
         whoever has stolen a password does no more harm than that.";
    SENDS_PER_DAY = ["limits"] "sends_per_day": Kind::Count, "", "2000",
        "The same by the day. Without it, any number.";
    LETTERS_PER_HOUR = ["limits"] "letters_per_hour": Kind::Count, "", "100",
        "How many letters an account may submit at once, and again in each hour. Without it, any \
         number.";
    CONNECTIONS_PER_MINUTE = ["limits"] "connections_per_minute": Kind::Count, "", "60",
        "How many connections to `smtp` and `submission` listeners one IPv4 address, or one IPv6 \
         /64, may begin at once, and again in each minute; more are greeted with 421. This and the \
         next two are for strangers: not for networks of `[trust] unchecked` and `[relay] \
         trusted`, nor for who is logged in. Without it, any number.";
    LETTERS_PER_MINUTE = ["limits"] "letters_per_minute": Kind::Count, "", "100",
        "How many letters one of these may send; of more, MAIL is answered 451 4.7.1. Without it, \
         any number.";
    RECIPIENTS_PER_MINUTE = ["limits"] "recipients_per_minute": Kind::Count, "", "200",
        "How many recipients one of these may name, those that are not here included; more are \
         answered 450 4.7.1. Without it, any number.";
    REDIRECTS = ["limits"] "redirects": Kind::Count, "4", "1",
        "To how many addresses a filter script may send one message on.";
    CONNECTIONS = ["limits"] "connections": Kind::Count, "20000", "20000",
        "How many connections there may be at once.";
    CONNECTIONS_PER_ADDRESS = ["limits"] "connections_per_address": Kind::Count, "200", "200",
        "How many of them may come from one IPv4 address, or one IPv6 /64.";
    STOP_WITHIN = ["limits"] "stop_within": Kind::Span, "\"10s\"", "\"10s\"",
        "How long connections may go on once the server was told to stop.";
    AUDIT = ["store"] "audit": Kind::Span, "\"24h\"", "\"24h\"",
        "How long one round takes in which everything that is derived (what accounts hold, sizes, \
         references, who shares with whom) is verified against the letters and rows themselves, \
         and one body in 64 is read whole. What differs is repaired where that can be, counted \
         (`caramel audit --status`) and logged. `0s` for none.";
    AUDIT_RATE = ["store"] "audit_rate": Kind::Size, "\"4M\"", "\"4M\"",
        "How many octets the audit reads in a second at most.";
    SEGMENT = ["store"] "segment": Kind::Size, "\"128M\"", "\"128M\"",
        "How long a file of the log becomes before the next one is begun, except for a change that \
         is longer by itself; 64K to 1G. Shorter ones are handier to copy, longer ones are fewer.";
    CHECKPOINT = ["store"] "checkpoint": Kind::Size, "\"64M\"", "\"64M\"",
        "After how many octets of log the view is made durable, from 64K on. After a crash the \
         rest is read again: less makes the next start faster, more means fewer waits for the \
         disk.";
    RECLAIM = ["store"] "reclaim": Kind::Span, "\"6h\"", "\"6h\"",
        "How long the server rests before it frees again what no mailbox has any more: it asks all \
         rows, forgets the letters that none mentions, and removes files. What it writes for that \
         is at most twice what it frees. `0s` for never; `caramel store reclaim` does it at once.";
    RECLAIM_RATE = ["store"] "reclaim_rate": Kind::Size, "\"16M\"", "\"16M\"",
        "How many octets it reads and writes for that in a second at most.";
    COMPRESS = ["store"] "compress": Kind::Switch, "false", "true",
        "Whether files of the log to which nothing is written any more are compressed when what is \
         dead was freed, as fast as `reclaim_rate` allows: mail takes half to two thirds of the \
         room then, and reading what is in them about twice the processor time. A file that would \
         not become a tenth shorter stays as it is. Letters above 256K have files of their own, \
         which are not compressed.";
    JOURNEYS_WINDOW = ["journeys"] "window": Kind::Span, "\"30d\"", "\"90d\"",
        "How long it is remembered what happened to each letter, for `caramel why`; `0s` for not \
         at all. It takes some 300 octets for each recipient of a letter.";
    UNDO_WINDOW = ["undo"] "window": Kind::Span, "\"30d\"", "\"14d\"",
        "How long what was done in an account, and a removed account, can be undone \
         (`caramel undo`). What is too old is forgotten within an hour. `0s` remembers nothing: \
         what is removed then is gone at once.";
    UNDO_SIZE = ["undo"] "size": Kind::Size, "\"10G\"", "\"2G\"",
        "How many octets of removed messages are kept for each account, beside its quota. Beyond \
         it the oldest operations are forgotten, within an hour; the newest stays, whatever its \
         size.";
    UNDO_OPERATIONS = ["undo"] "operations": Kind::Count, "10000", "1000",
        "How many operations are remembered of each account; beyond it the oldest are forgotten.";
    ALLOW_DIALOGUE = ["privacy"] "allow_dialogue": Kind::Switch, "true", "false",
        "Lets whoever may use the control socket look on at conversations (`caramel dialogue`). \
         Passwords are never shown, and what is in messages only if that is asked for; that \
         somebody looks on is logged.";
    LEVEL = ["log"] "level": Kind::Word(&["error", "warn", "info", "debug", "trace"]), "\"info\"",
        "\"info\"", "How much is logged, to standard error.";
    FORMAT = ["log"] "format": Kind::Word(&["text", "json"]), "\"text\"", "\"json\"",
        "How it is logged: lines for people, or JSON for programs.";
    DNS_SERVERS = ["dns"] "servers": Kind::Many(&Kind::Server), "",
        "[\"127.0.0.1\", \"[::1]:5353\"]",
        "The servers that are asked: two at once, and those first that answered best. Without it, \
         those that `/etc/resolv.conf` names when they are first needed. One on this machine or in \
         its network is best: what it says is believed.";
    DNS_TIMEOUT = ["dns"] "timeout": Kind::Span, "\"5s\"", "\"5s\"",
        "How long one question may take before it counts as unanswered.";
    DNS_TRUST_AD = ["dns"] "trust_ad": Kind::Word(&["local", "always", "never"]), "\"local\"",
        "\"always\"",
        "Whose word is taken that DNSSEC proves an answer (the AD bit): that of servers on this \
         machine, of all, or of none. Such a server has to validate, and the way to it has to be \
         safe. Without a proof there is no DANE.";
    CHECK = ["trust"] "check": Kind::Switch, "true", "false",
        "Whether letters from outside are checked: those that come by `smtp` listeners from \
         networks that neither `unchecked` nor `[relay] trusted` names. What was found stands \
         above the letter, in `Authentication-Results`; what others wrote there in the name of \
         `hostname` is taken out in any case.";
    UNCHECKED = ["trust"] "unchecked": Kind::Many(&Kind::Network),
        "[\"127.0.0.0/8\", \"::1\"]", "[\"127.0.0.0/8\", \"::1\", \"192.0.2.0/24\"]",
        "Networks that are not outside: a filter on this machine, a relay of our own.";
    DMARC = ["trust"] "dmarc": Kind::Word(&["reject", "quarantine", "mark"]), "\"reject\"",
        "\"quarantine\"",
        "The most that is done with a letter whose author's domain does not answer for it. With \
         `reject`, what the domain wants: it is refused (550 5.7.26), or filed in the mailbox for \
         junk. With `quarantine`, it is never refused, but filed there. With `mark`, it is \
         delivered, and only its header says so. Where DNS did not answer all that was asked, a \
         step less is done.";
    TRUSTED_SEALERS = ["trust"] "trusted_sealers": Kind::Many(&Kind::Host), "",
        "[\"lists.example.net\"]",
        "Domains of mailing lists and forwarders that are believed: where they sealed (ARC) that \
         the author's domain answered for a letter before they changed it, it is treated as if it \
         did now. Names below them are believed as well.";
    TRUST_REPORTS = ["trust"] "reports": Kind::Switch, "false", "true",
        "Tells domains that ask for it (`rua=`) once a day what was seen of letters in their name: \
         from which addresses, how many, and what SPF, DKIM and DMARC said. Turn it on where \
         `[[dkim]]` has a key for `hostname` or a domain above: reports without a signature are \
         seldom read.";
    TRUST_TIMEOUT = ["trust"] "timeout": Kind::Span, "\"20s\"", "\"20s\"",
        "How long DNS is asked about one letter. What is not known by then counts as unanswered, \
         and the letter is delivered.";
    FILTER = ["spam"] "filter": Kind::Word(&["junk", "mark", "off"]), "\"junk\"", "\"mark\"",
        "What is done with letters that are junk by their words: they are filed in the mailbox for \
         junk; or only marked in their header (`X-Caramel-Spam`) and told to scripts \
         (`spamtest`); or nothing, and then nothing is learned either. Until enough was learned \
         nothing is done in any case.";
    FILTER_THRESHOLD = ["spam"] "threshold": Kind::Count, "95", "90",
        "From how many of a hundred on a letter is junk, to accounts that say nothing else \
         (`caramel spam threshold`).";
    FILTER_LETTERS = ["spam"] "letters": Kind::Count, "20", "100",
        "How many good letters, and how many of junk, have to be learned before they say anything.";
    FILTER_SITE = ["spam"] "site": Kind::Mail, "", "\"spam@example.org\"",
        "The account that is the site's: with what it has learned everybody's own counts begin. A \
         shared account will do (`caramel account add --shared`), into whose `Junk` people may \
         move letters.";
    FILTER_CLUES = ["spam"] "clues": Kind::Count, "100000", "50000",
        "Clues (words, hosts of links, and so on) that one account may know; of more the oldest \
         that were in one letter only are forgotten. Each takes some 20 octets on the disk.";
    FILTER_MEMORY = ["spam"] "memory": Kind::Size, "\"64M\"", "\"16M\"",
        "What the counts of all accounts may take in memory, beside `[limits] memory`; an account \
         with 100000 clues takes 6 MiB.";
    LIST_REFUSE = ["trust"] "list_refuse": Kind::Count, "10", "8",
        "From which weight of `[[trust.list]]` on a letter is refused: the weights of all lists \
         with `action = \"weigh\"` that have the client or the sender, added up.";
    LIST_JUNK = ["trust"] "list_junk": Kind::Count, "5", "3",
        "From which weight of these on it is filed as junk.";
    TRUST_LIST_NAME = ["trust.list"] "name": Kind::Name, "", "\"bad\"",
        "What it is called, in refusals and in the log. Without it, its `zone`.";
    TRUST_LIST_ZONE = ["trust.list"] "zone": Kind::Host, "", "\"zen.example.net\"",
        "The domain below which it has its entries. Has to be written.";
    TRUST_LIST_OF = ["trust.list"] "of": Kind::Word(&["address", "domain"]), "\"address\"",
        "\"domain\"",
        "What its entries are about: the client's address (IPv4 and IPv6), or the domain of the \
         envelope's sender.";
    TRUST_LIST_CODES = ["trust.list"] "codes": Kind::Many(&Kind::Network), "[]",
        "[\"127.0.0.2\", \"127.0.0.8/30\"]",
        "The answers that count; all others say nothing. Without it, any in 127.0.0.0/8.";
    TRUST_LIST_ACTION = ["trust.list"] "action": Kind::Word(&["refuse", "weigh", "allow"]),
        "\"refuse\"", "\"weigh\"",
        "What follows where it has an entry. `refuse`: 550 5.7.1 with the list's name and words, \
         for every recipient but postmaster and abuse. `weigh`: its `weight` counts against the \
         letter. `allow`: no other list counts, and the client is not made to wait.";
    TRUST_LIST_WEIGHT = ["trust.list"] "weight": Kind::Count, "1", "5",
        "How much it counts, with `action = \"weigh\"`.";
    GREY_DELAY = ["trust.greylist"] "delay": Kind::Span, "\"0s\"", "\"5m\"",
        "How soon a stranger may come back who was told 450 4.7.1; `0s` lets everybody in at once.";
    GREY_WINDOW = ["trust.greylist"] "window": Kind::Span, "\"2d\"", "\"1d\"",
        "How long a stranger has for coming back; later it is one again.";
    GREY_LIFETIME = ["trust.greylist"] "lifetime": Kind::Span, "\"36d\"", "\"60d\"",
        "How long somebody stays known who does not come again.";
    GREY_KNOWN_AFTER = ["trust.greylist"] "known_after": Kind::Count, "5", "2",
        "After how many of its letters came back a client is known, whoever it sends for.";
    MILTER_NAME = ["trust.milter"] "name": Kind::Name, "", "\"spam\"",
        "What it is called, in the log and in `caramel why`. Has to be written.";
    MILTER_SOCKET = ["trust.milter"] "socket": Kind::Endpoint, "",
        "\"unix:/run/rspamd/milter.sock\"",
        "Where it answers, if it speaks the protocol of milters. Either this or `url` has to be \
         written.";
    MILTER_URL = ["trust.milter"] "url": Kind::Name, "", "\"http://127.0.0.1:11333\"",
        "Where it answers, if it is rspamd and asked by HTTP: a URL with `http:` or `https:`, or \
         `unix:` and the path of its socket.";
    MILTER_PASSWORD = ["trust.milter"] "password_file": Kind::Path, "",
        "\"/etc/caramel/rspamd-password\"",
        "With `url`, a file with the password that it wants, and nothing else in it; read when \
         the server starts. Without it, no password is sent.";
    MILTER_CA = ["trust.milter"] "ca": Kind::Path, "", "\"/etc/caramel/rspamd-ca.pem\"",
        "With `url` and `https:`, authorities in PEM that its certificate is checked with. Without \
         it, those that the system trusts.";
    MILTER_LISTENERS = ["trust.milter"] "listeners":
        Kind::Many(&Kind::Word(&["smtp", "submission"])), "[\"smtp\"]",
        "[\"smtp\", \"submission\"]",
        "Whose letters it sees: those that come by these listeners.";
    MILTER_TIMEOUT = ["trust.milter"] "timeout": Kind::Span, "\"30s\"", "\"2m\"",
        "How long it may be silent when it is to answer; with `url`, how long all of it may take.";
    MILTER_WHEN_AWAY = ["trust.milter"] "when_away": Kind::Word(&["tempfail", "accept"]),
        "\"tempfail\"", "\"accept\"",
        "What becomes of letters while it cannot be reached, does not answer in time, or says what \
         nobody understands: `tempfail` answers 451 4.7.1, `accept` takes them unseen.";
    MILTER_LARGEST = ["trust.milter"] "largest": Kind::Size, "\"10M\"", "\"2M\"",
        "How large a letter may be that it sees; larger ones are taken unseen.";
    DKIM_DOMAIN = ["dkim"] "domain": Kind::Host, "", "\"example.org\"",
        "Whose letters are signed: those with an author of this very domain. Has to be written.";
    DKIM_SELECTOR = ["dkim"] "selector": Kind::Name, "", "\"s1\"",
        "The key's name within the domain: its record is at `SELECTOR._domainkey.DOMAIN`. Has to \
         be written.";
    DKIM_KEY = ["dkim"] "key": Kind::Path, "", "\"/etc/caramel/s1.pem\"",
        "The file with the private key, in PEM (`caramel dkim key` makes one): RSA or Ed25519. Has \
         to be written.";
    LOCAL_SPOOL = ["local"] "spool": Kind::Path, "", "\"/var/spool/caramel\"",
        "The folder where letters are handed in, whether the server runs or not; the server makes \
         it. Everybody on this machine has to be able to reach it. Without it, `spool` in the data \
         folder, which nobody reaches but the server's own user and root.";
    LOCAL_DOMAIN = ["local"] "domain": Kind::Host, "", "\"example.org\"",
        "The domain of names that have none: of the user `ada` who hands a letter in, of \
         recipients like `root`, of addresses in headers. Without it, `hostname` where that is a \
         domain here, else the first domain here.";
    LOCAL_ALIASES = ["local"] "aliases": Kind::Path, "", "\"/etc/aliases\"",
        "A file of aliases, in the form of `/etc/aliases`, beside those that `caramel alias` \
         keeps. Accounts and those come first. It is read when the server starts; `newaliases` \
         checks it and has it read anew.";
    TRUSTED_USERS = ["local"] "trusted_users": Kind::Many(&Kind::Name), "[\"root\"]",
        "[\"root\", \"www-data\"]",
        "Users who may hand letters in that are written in anybody's name. All others write in \
         their own: the address that goes with their name, and those that lead to its account. \
         The server's own user may always.";
    RELAY_MODE = ["relay"] "mode": Kind::Word(&["relay", "refuse", "capture"]), "\"relay\"",
        "\"capture\"",
        "What becomes of mail for elsewhere, from people who are logged in and from `trusted` \
         networks: it is sent there, it is refused, or it is kept in the sender's own mailbox \
         `Captured`, its envelope in `X-Caramel-Captured-` fields, for trying things out. Nobody \
         else's mail for elsewhere is taken, but for domains that are relayed (`caramel domain add \
         --relay`): while nothing is sent, that has to come again (451 4.3.5).";
    RELAY_TRUSTED = ["relay"] "trusted": Kind::Many(&Kind::Network), "", "[\"192.0.2.0/24\"]",
        "Networks whose machines may send to elsewhere without logging in. Whoever is in one of \
         them can send to anybody in anybody's name: name as few as can be.";
    RELAY_HOST = ["relay"] "host": Kind::Reach, "", "\"smtp.example.org:587\"",
        "A host that all mail for elsewhere goes through, or a socket of this machine. Without it, \
         the hosts that each domain names are called.";
    RELAY_USER = ["relay"] "user": Kind::Name, "", "\"mail.example.org\"",
        "The name to log in with at `host`.";
    RELAY_PASSWORD = ["relay"] "password_file": Kind::Path, "", "\"/etc/caramel/relay-password\"",
        "A file with the password for `host`, and nothing else in it; read when the server starts.";
    RELAY_TLS = ["relay"] "tls": Kind::Word(&["starttls", "implicit", "none"]), "\"starttls\"",
        "\"implicit\"",
        "When the connection to `host` is encrypted. Its certificate has to be good for its name; \
         without TLS a password is sent within this machine only.";
    RELAY_CA = ["relay"] "ca": Kind::Path, "", "\"/etc/caramel/relay-ca.pem\"",
        "Authorities, in PEM, that the certificate of `host` is checked with. Without it, those \
         that the system trusts.";
    RELAY_PORT = ["relay"] "port": Kind::Count, "25", "2525",
        "The port that the hosts of other domains are called at; another than 25 is for tests.";
    RELAY_CONNECTIONS = ["relay"] "connections": Kind::Count, "500", "20",
        "How many connections to other hosts there may be at once. Hosts that do not answer hold \
         theirs for up to five minutes: where mail goes to many, leave room for them.";
    RELAY_CONNECTIONS_EACH = ["relay"] "connections_per_destination": Kind::Count, "20", "5",
        "How many of them may go to one destination. A destination begins with two; it gets more \
         while it takes what it is given, and fewer when it asks to wait.";
    RELAY_LINGER = ["relay"] "linger": Kind::Span, "\"2s\"", "\"10s\"",
        "How long a connection to another host is kept when no letter waits for it: the next goes \
         over it at once. While more than half of `connections` are in use, none is kept.";
    RELAY_MTA_STS = ["relay"] "mta_sts": Kind::Switch, "true", "false",
        "Whether policies of other domains about TLS (MTA-STS) are fetched and gone by: where one \
         says `enforce`, mail goes to hosts that it names and whose certificates are good for \
         their names, or waits.";
    RELAY_DANE = ["relay"] "dane": Kind::Switch, "true", "false",
        "Whether certificates that DNS names (DANE) have to be shown, where DNSSEC proves what it \
         says (`[dns] trust_ad`).";
    RELAY_AUTHORITIES = ["relay"] "authorities": Kind::Path, "", "\"/etc/caramel/everybody.pem\"",
        "Authorities, in PEM, that certificates of other domains' hosts, and of the hosts that \
         have their policies, are checked with. Without it, those that the system trusts.";
    RELAY_TLS_REPORTS = ["relay"] "tls_reports": Kind::Mail, "", "\"tls-reports@example.org\"",
        "In whose name other domains are told each day what came of TLS with their hosts, where \
         they want to hear of it (TLSRPT). A `[[dkim]]` key of its domain has to be there, or such \
         reports are thrown away. Without it nothing is counted, and none are sent.";
    RELAY_POLICY_PORT = ["relay"] "policy_port": Kind::Count, "443", "8443",
        "The port that policies are fetched at, and reports handed over; another than 443 is for \
         tests.";
    SOURCE_NAME = ["source"] "name": Kind::Name, "", "\"old\"",
        "What it is called here. What was fetched is known by this name, its protocol and the \
         mailbox there: under another name all of it is new. Has to be written.";
    SOURCE_PROTOCOL = ["source"] "protocol": Kind::Word(&["imap", "pop3", "etrn", "odmr"]), "",
        "\"imap\"",
        "What is spoken there. `etrn` asks a host to send what it keeps for our domains, which \
         then comes by SMTP; with `odmr` that comes over the same connection. Has to be written.";
    SOURCE_HOST = ["source"] "host": Kind::Name, "", "\"imap.example.net\"",
        "The host there. Has to be written.";
    SOURCE_PORT = ["source"] "port": Kind::Count, "", "993",
        "Its port. Without it, the usual one: 993 or 995 with `tls = \"implicit\"`, else 143 or \
         110; 465 or 25 for `etrn`, 366 for `odmr`.";
    SOURCE_TLS = ["source"] "tls": Kind::Word(&["implicit", "starttls", "none"]),
        "\"implicit\"", "\"starttls\"",
        "When the connection is encrypted. Without TLS a password is sent within this machine \
         only.";
    SOURCE_FINGERPRINT = ["source"] "fingerprint": Kind::Text, "",
        "\"sha256:7d1a54127b222502f5b79b5fb0803061152a44f92b37e23c6527baf665d4da9a\"",
        "The SHA-256 of the one certificate that is right, whoever made it. Where another is \
         shown, what is said of that has its fingerprint.";
    SOURCE_CA = ["source"] "ca": Kind::Path, "", "\"/etc/caramel/old-ca.pem\"",
        "Authorities, in PEM, that the certificate is checked with. Without it, those that the \
         system trusts.";
    SOURCE_USER = ["source"] "user": Kind::Text, "", "\"ada\"",
        "The name to log in with. Has to be written, but for `etrn`.";
    SOURCE_PASSWORD = ["source"] "password_file": Kind::Path, "", "\"/etc/caramel/old-password\"",
        "A file whose first line is the password; read each time.";
    SOURCE_PASSWORD_CMD = ["source"] "password_cmd": Kind::Text, "", "\"pass show old\"",
        "A command of the shell; the first line that it writes is the password. It is run each \
         time, by the user that runs the server or the command, for a minute at most.";
    SOURCE_TOKEN_CMD = ["source"] "token_cmd": Kind::Text, "", "\"oauth2-token ada@example.net\"",
        "The same for an access token, which is shown by OAUTHBEARER or XOAUTH2.";
    SOURCE_TO = ["source"] "to": Kind::Mail, "", "\"ada@example.org\"",
        "The account here that gets the mail. Has to be written, but for `etrn` and `odmr`, where \
         each letter says whom it is for.";
    SOURCE_DOMAINS = ["source"] "domains": Kind::Many(&Kind::Host), "", "[\"example.org\"]",
        "With `etrn` and `odmr`, the domains here whose mail is asked for. Has to be written for \
         `etrn`; `odmr` asks for all that the name has, where none is named.";
    SOURCE_INTO = ["source"] "into": Kind::Text, "", "\"Imported/old\"",
        "The mailbox that the mail goes straight into; other mailboxes of the source come below \
         it. Without it, mail of the source's inbox is delivered as all mail is.";
    SOURCE_FOLDERS = ["source"] "folders": Kind::Many(&Kind::Text), "[\"INBOX\"]",
        "[\"INBOX\", \"Archive/*\"]",
        "With IMAP, the mailboxes there that are fetched; `*` stands for anything, `%` for \
         anything within one level, `/` for whatever separates levels there.";
    SOURCE_KEEP = ["source"] "keep": Kind::Switch, "true", "false",
        "Leaves the mail there. With `false` each message is taken away there once it is on the \
         disk here, and never before; where that fails it is tried again the next time.";
    SOURCE_ONLY_NEW = ["source"] "only_new": Kind::Switch, "true", "false",
        "Fetches only what was not fetched before. `false` is for sources that nothing is kept at.";
    SOURCE_IDLE = ["source"] "idle": Kind::Switch, "false", "true",
        "With IMAP, stays connected and is told of new mail at once (IDLE).";
    SOURCE_INTERVAL = ["source"] "interval": Kind::Span, "\"5m\"", "\"1h\"",
        "How often a running server fetches it; `0s` for only when `caramel fetch run` says so. \
         With `idle`, how often the other mailboxes are looked at.";
    SOURCE_LIMIT = ["source"] "limit": Kind::Size, "", "\"50M\"",
        "How large a message may be that is fetched; larger ones stay there, and are counted in \
         `caramel fetch status`. `message_size` is a limit in any case.";
    SOURCE_PRESERVE = ["source"] "preserve":
        Kind::Many(&Kind::Word(&["flags", "dates", "folders"])),
        "[\"flags\", \"dates\", \"folders\"]", "[\"dates\"]",
        "What is taken over beside the messages: flags and keywords, when they came in there, and \
         which mailboxes they are in. Without `folders` all of it is treated as the inbox's.";
    SOURCE_SIEVE = ["source"] "sieve": Kind::Switch, "true", "false",
        "Runs the account's filter script for mail that is delivered.";
    SOURCE_ENVELOPE = ["source"] "envelope": Kind::Name, "", "\"Delivered-To\"",
        "The header field that tells whom each message is for, where one mailbox there has the \
         mail of several people here (multidrop). What names nobody here goes to `to`.";
    FORWARD_SRS = ["forward"] "srs": Kind::Switch, "false", "true",
        "Rewrites the sender of such a letter to an address of `hostname` (SRS), so that the next \
         host, which asks whether this one may send for that sender (SPF), finds one for whom it \
         may. What comes back to that address within three weeks is sent on to the sender. \
         `hostname` has to be found by other hosts: by its address, or by MX.";
    FORWARD_SEAL = ["forward"] "seal": Kind::Switch, "true", "false",
        "Seals such a letter with what was found out about it (ARC), with a key of `[[dkim]]`: of \
         the domain whose alias or script sends it on, or of `hostname`, or of a domain above. \
         Where there is none, or the letter was not checked, it is sent on as it is.";
    SIEVE_BEFORE = ["sieve"] "before": Kind::Many(&Kind::Path), "[]",
        "[\"/etc/caramel/spam.sieve\"]",
        "Scripts that run before each account's own, in this order, read when the server starts. \
         One that does not keep the letter is the last that runs.";
    SIEVE_AFTER = ["sieve"] "after": Kind::Many(&Kind::Path), "[]",
        "[\"/etc/caramel/rest.sieve\"]",
        "Scripts that run after each account's own where that keeps the letter, or there is none.";
    SIEVE_GLOBAL = ["sieve"] "global": Kind::Path, "", "\"/etc/caramel/sieve\"",
        "A folder with scripts that every script may include by their names (`include :global`): \
         a file `NAME` or `NAME.sieve` is the script `NAME`. They are read when the server starts.";
    SIEVE_TRUSTED = ["sieve"] "trusted": Kind::Many(&Kind::Network), "[]", "[\"192.0.2.7/32\"]",
        "The hosts whose letters bring along what `[sieve.spamtest]` and `[sieve.virustest]` name: \
         those that the filters run on. From letters of all others these fields are taken out.";
    SIEVE_LIST_NAME = ["sieve.list"] "name": Kind::Name, "",
        "\"tag:example.org,2026:staff\"",
        "Its name: a `tag:` URI of your own, or \
         `urn:ietf:params:sieve:addrbook:NAME`, which scripts may write `:addrbook:NAME`. Has to \
         be written.";
    SIEVE_LIST_FILE = ["sieve.list"] "file": Kind::Path, "", "\"/etc/caramel/staff\"",
        "A file with a line for each entry: an address, `@` and a domain for all addresses there, \
         or other words; `#` begins a comment. It is read when the server starts. Has to be \
         written.";
    SPAM_HEADER = ["sieve.spamtest"] "header": Kind::Name, "", "\"X-Spam-Score\"",
        "The field's name: one that your own filter writes, and takes out of what comes to it.";
    SPAM_AFTER = ["sieve.spamtest"] "after": Kind::Text, "", "\"score=\"",
        "What stands in the field in front of the score, in any letters. Without it the score \
         begins the field.";
    SPAM_FORM = ["sieve.spamtest"] "form": Kind::Word(&["number", "stars"]), "\"number\"",
        "\"stars\"",
        "How the score is written: as a number, or as so many signs (`*****`).";
    SPAM_MAX = ["sieve.spamtest"] "max": Kind::Count, "10", "15",
        "The score from which on a letter is spam for sure: 100 percent, and 10 of 10. Zero and \
         less are none.";
    VIRUS_HEADER = ["sieve.virustest"] "header": Kind::Name, "", "\"X-Virus-Status\"",
        "The field's name, as with `[sieve.spamtest]`. Without it no letter is tested.";
    VIRUS_CLEAN = ["sieve.virustest"] "clean": Kind::Many(&Kind::Text), "[\"clean\", \"no\"]",
        "[\"clean\"]",
        "Nothing was found: 1.";
    VIRUS_CURED = ["sieve.virustest"] "cured": Kind::Many(&Kind::Text), "[]", "[\"cleaned\"]",
        "What was found is harmless now: 3.";
    VIRUS_SUSPICIOUS = ["sieve.virustest"] "suspicious": Kind::Many(&Kind::Text), "[]",
        "[\"unsure\"]",
        "Something was found, perhaps: 4.";
    VIRUS_INFECTED = ["sieve.virustest"] "infected": Kind::Many(&Kind::Text),
        "[\"infected\", \"yes\"]", "[\"virus\"]",
        "A virus was found: 5.";
}
