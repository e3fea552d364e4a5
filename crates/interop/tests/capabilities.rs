//! What the running server says it can do, and the test that shows each of it.
//!
//! A word that is offered and has no row here fails, and so does a row that nobody offers, or whose
//! test no longer has the line that shows it.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use interop::{Server, Talk, Tls, program};
use tempfile::TempDir;

// Each line: a capability, the file below `crates` that exercises it, and what a line of that file
// has which does.

const IMAP: &str = "
IMAP4rev1 | imap/tests/dialogues/select_rev1.txt | C: b SELECT
IMAP4rev2 | imap/tests/dialogues/select_rev2.txt | C: b ENABLE IMAP4rev2
ACL | imap/tests/dialogues/acl.txt | C: c GETACL Work
APPENDLIMIT= | imap/tests/dialogues/append_limit.txt | APPENDLIMIT
AUTH=LOGIN | imap/tests/dialogues/authenticate_initial.txt | AUTHENTICATE LOGIN
AUTH=OAUTHBEARER | interop/tests/tokens.rs | OAUTHBEARER
AUTH=PLAIN | imap/tests/dialogues/authenticate.txt | AUTHENTICATE PLAIN
AUTH=XOAUTH2 | interop/tests/tokens.rs | XOAUTH2
AUTH=SCRAM-SHA-1 | interop/tests/login.rs | SCRAM-SHA-1
AUTH=SCRAM-SHA-1-PLUS | interop/tests/login.rs | SCRAM-SHA-1-PLUS
AUTH=SCRAM-SHA-256 | interop/tests/login.rs | SCRAM-SHA-256
AUTH=SCRAM-SHA-256-PLUS | interop/tests/login.rs | SCRAM-SHA-256-PLUS
BINARY | imap/tests/dialogues/fetch_sections.txt | BINARY.PEEK[
CATENATE | imap/tests/dialogues/catenate.txt | CATENATE (URL
CHILDREN | imap/tests/dialogues/list.txt | RETURN (SUBSCRIBED CHILDREN
COMPRESS=DEFLATE | imap/tests/dialogues/compress.txt | C: e COMPRESS deflate
CONDSTORE | imap/tests/dialogues/condstore.txt | (CHANGEDSINCE 2)
CONTEXT=SEARCH | imap/tests/dialogues/context.txt | SEARCH RETURN (UPDATE
CONTEXT=SORT | imap/tests/dialogues/context_sorted.txt | SORT RETURN (UPDATE
CREATE-SPECIAL-USE | imap/tests/dialogues/mailboxes.txt | (USE (\\Archive))
ENABLE | imap/tests/dialogues/select_rev2.txt | ENABLE
ESEARCH | imap/tests/dialogues/search.txt | SEARCH RETURN (MIN MAX COUNT ALL)
ESORT | imap/tests/dialogues/sort.txt | SORT RETURN (MIN MAX COUNT)
I18NLEVEL=1 | interop/tests/python/search.py | i;unicode-casemap
ID | imap/tests/dialogues/client_apple_mail.txt |  ID (
IDLE | imap/tests/dialogues/idle.txt | C: d IDLE
IMAPSIEVE= | interop/tests/python/extensions.py | /shared/imapsieve/script
INPROGRESS | imap/tests/dialogues/in_progress.txt | [INPROGRESS (\"c\" 45 100)]
LIST-EXTENDED | imap/tests/dialogues/list.txt | (SUBSCRIBED RECURSIVEMATCH)
LIST-METADATA | imap/tests/dialogues/list_metadata.txt | RETURN (METADATA (
LIST-MYRIGHTS | imap/tests/dialogues/acl.txt | MYRIGHTS
LIST-STATUS | imap/tests/dialogues/list.txt | RETURN (STATUS (
LITERAL+ | imap/tests/dialogues/login_with_literals.txt | +}
METADATA | imap/tests/dialogues/metadata.txt | C: d GETMETADATA INBOX
MOVE | imap/tests/dialogues/copy_and_move.txt | C: g MOVE 1:2 Work
MULTIAPPEND | imap/tests/dialogues/append_many.txt | C:  (\\Flagged)
MULTISEARCH | imap/tests/dialogues/multi_search.txt | ESEARCH IN (personal)
NAMESPACE | imap/tests/dialogues/shared.txt | NAMESPACE
NOTIFY | imap/tests/dialogues/notify_selected.txt | C: b NOTIFY SET
OBJECTID | imap/tests/dialogues/fetch_items.txt | EMAILID THREADID
PARTIAL | imap/tests/dialogues/partial.txt | RETURN (PARTIAL 1:2)
PREVIEW | imap/tests/dialogues/preview.txt | (UID PREVIEW)
QRESYNC | imap/tests/dialogues/qresync.txt | (QRESYNC (
QUOTA | imap/tests/dialogues/quota.txt | C: c GETQUOTAROOT INBOX
QUOTA=RES-MESSAGE | imap/tests/dialogues/quota.txt |  MESSAGE
QUOTA=RES-STORAGE | imap/tests/dialogues/quota.txt | (STORAGE
REPLACE | imap/tests/dialogues/replace.txt |  REPLACE
RIGHTS=kxte | imap/tests/dialogues/acl.txt | kx
SASL-IR | imap/tests/dialogues/authenticate_initial.txt | AUTHENTICATE PLAIN
SAVEDATE | imap/tests/dialogues/save_date.txt | INTERNALDATE SAVEDATE)
SEARCH=FUZZY | imap/tests/dialogues/fuzzy.txt | FUZZY SUBJECT
SEARCHRES | imap/tests/dialogues/search_saved.txt | (SAVE
SORT | imap/tests/dialogues/sort.txt | C: c SORT (SUBJECT)
SORT=DISPLAY | imap/tests/dialogues/sort.txt | DISPLAYFROM
SPECIAL-USE | imap/tests/dialogues/list.txt | LIST (SPECIAL-USE)
STARTTLS | imap/tests/dialogues/capability_and_tls.txt | STARTTLS
STATUS=SIZE | imap/tests/dialogues/mailboxes.txt | SIZE
THREAD=ORDEREDSUBJECT | imap/tests/dialogues/thread.txt | THREAD ORDEREDSUBJECT
THREAD=REFERENCES | imap/tests/dialogues/thread.txt | THREAD REFERENCES
THREAD=REFS | imap/tests/dialogues/thread.txt | THREAD REFS
UIDONLY | imap/tests/dialogues/uid_only.txt | ENABLED UIDONLY
UIDPLUS | imap/tests/dialogues/expunge.txt | C: d UID EXPUNGE 3
UNAUTHENTICATE | imap/tests/dialogues/unauthenticate.txt | UNAUTHENTICATE
UNSELECT | imap/tests/dialogues/close_expunges.txt | UNSELECT
UTF8=ACCEPT | imap/tests/dialogues/utf8_accept.txt | * ENABLED UTF8=ACCEPT
WITHIN | interop/tests/python/extensions.py | OLDER 1800 YOUNGER
";

const POP3: &str = "
AUTH-RESP-CODE | pop3/tests/dialogues/auth_exchanges.txt | [AUTH]
EXPIRE NEVER | pop3/tests/dialogues/nothing_removed.txt | QUIT
IMPLEMENTATION Caramel | pop3/tests/dialogues/a_short_visit.txt | IMPLEMENTATION
LANG | pop3/tests/dialogues/utf8_and_languages.txt | C: LANG
PIPELINING | pop3/tests/dialogues/pipelined.txt | C+ USER
RESP-CODES | pop3/tests/dialogues/in_use.txt | [IN-USE]
SASL OAUTHBEARER | interop/tests/tokens.rs | OAUTHBEARER
SASL XOAUTH2 | interop/tests/tokens.rs | XOAUTH2
SASL LOGIN | pop3/tests/dialogues/auth_exchanges.txt | AUTH LOGIN
SASL PLAIN | pop3/tests/dialogues/auth_exchanges.txt | AUTH PLAIN
SASL SCRAM-SHA-1 | pop3/tests/dialogues/auth_scram_sha_1.txt | AUTH SCRAM-SHA-1
SASL SCRAM-SHA-1-PLUS | interop/tests/login.rs | SCRAM-SHA-1-PLUS
SASL SCRAM-SHA-256 | pop3/tests/dialogues/auth_scram.txt | AUTH SCRAM-SHA-256
SASL SCRAM-SHA-256-PLUS | interop/tests/login.rs | SCRAM-SHA-256-PLUS
STLS | pop3/tests/dialogues/stls.txt | C: STLS
TOP | pop3/tests/dialogues/top_stops.txt | C: TOP
UIDL | pop3/tests/dialogues/a_short_visit.txt | C: UIDL
USER | pop3/tests/dialogues/a_short_visit.txt | C: USER
UTF8 USER | pop3/tests/dialogues/utf8_and_languages.txt | C: UTF8
";

const SMTP: &str = "
8BITMIME | smtp/tests/dialogues/relay.txt | BODY=8BITMIME
AUTH OAUTHBEARER | interop/tests/tokens.rs | OAUTHBEARER
AUTH XOAUTH2 | interop/tests/tokens.rs | XOAUTH2
AUTH LOGIN | interop/tests/clients.rs | LOGIN
AUTH PLAIN | smtp/tests/dialogues/auth.txt | AUTH PLAIN
AUTH SCRAM-SHA-1 | smtp/tests/dialogues/auth-scram-sha-1.txt | AUTH SCRAM-SHA-1
AUTH SCRAM-SHA-1-PLUS | interop/tests/login.rs | SCRAM-SHA-1-PLUS
AUTH SCRAM-SHA-256 | interop/tests/login.rs | SCRAM-SHA-256
AUTH SCRAM-SHA-256-PLUS | interop/tests/login.rs | SCRAM-SHA-256-PLUS
CHUNKING | smtp/tests/dialogues/chunking.txt | C: BDAT
DSN | smtp/tests/dialogues/dsn.txt | NOTIFY=
ENHANCEDSTATUSCODES | smtp/tests/dialogues/recipients.txt |  2.1.5
PIPELINING | smtp/tests/dialogues/pipelining.txt | C+ MAIL
REQUIRETLS | smtp/tests/dialogues/requiretls.txt | REQUIRETLS
SIZE | smtp/tests/dialogues/size.txt | SIZE=
SMTPUTF8 | smtp/tests/dialogues/smtputf8.txt | SMTPUTF8
STARTTLS | smtp/tests/dialogues/starttls.txt | C: STARTTLS
";

/// A server that offers each mechanism that it can; EXTERNAL only where a certificate was shown, as
/// `login.rs` does.
fn offering() -> (Server, TempDir) {
    let made = TempDir::new().unwrap();
    let folder = made.path();
    let keys = [
        "-c",
        include_str!("python/issue.py"),
        folder.to_str().unwrap(),
        "one",
    ];
    let ended = program("python3", &keys, folder, "").unwrap();
    assert!(ended.well, "{}", ended.err);
    let folder = folder.display();
    let more = format!(
        "[login]\nscram_sha1 = true\n[imap]\nuid_only = true\n\
         [oauth]\nissuer = \"https://login.test.localhost\"\naudience = \"mail\"\n\
         keys = \"{folder}/keys.json\"\n"
    );
    (Server::start_with(&more).unwrap(), made)
}

/// Holds what is offered against its rows.
fn hold(protocol: &str, offered: &BTreeSet<String>, rows: &str) {
    let rows: Vec<[&str; 3]> = rows
        .trim()
        .lines()
        .map(|row| row.split(" | ").collect::<Vec<_>>().try_into().unwrap())
        .collect();
    let known: BTreeSet<String> = rows.iter().map(|row| row[0].to_owned()).collect();
    let unshown: Vec<_> = offered.difference(&known).collect();
    assert_eq!(
        unshown, [""; 0],
        "{protocol}: offered, and no test is named"
    );
    let stale: Vec<_> = known.difference(offered).collect();
    assert_eq!(stale, [""; 0], "{protocol}: named, and not offered");
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let silent = rows.iter().filter(|[_, file, shown]| {
        let text = fs::read_to_string(crates.join(file)).unwrap();
        // A line that merely lists capabilities shows none.
        let mut lines = text.lines().filter(|line| !line.contains("CAPABILITY"));
        !lines.any(|line| line.contains(shown))
    });
    let silent: Vec<_> = silent.collect();
    assert_eq!(
        silent, [&[""; 3]; 0],
        "{protocol}: named, and not shown there"
    );
}

/// `SASL PLAIN LOGIN` is `SASL PLAIN` and `SASL LOGIN`.
fn spread(line: &str) -> Vec<String> {
    match line.split_once(' ') {
        Some((word @ ("AUTH" | "SASL"), mechanisms)) => {
            let mechanisms = mechanisms.split(' ');
            mechanisms.map(|one| format!("{word} {one}")).collect()
        }
        // The figure behind it is the owner's.
        Some(("SIZE", _)) => vec!["SIZE".to_owned()],
        _ => vec![line.to_owned()],
    }
}

#[test]
fn imap_offers_what_tests_show() {
    let (server, _made) = offering();
    let mut offered = BTreeSet::new();
    for tls in [Tls::Starttls, Tls::Implicit] {
        let address = server.address("imap", tls);
        let said = match tls {
            Tls::Implicit => over_tls(&server, address, "a CAPABILITY\r\nb LOGOUT\r\n"),
            _ => Talk::open(address).unwrap().0.imap("CAPABILITY").unwrap(),
        };
        let line = said
            .iter()
            .find_map(|line| line.strip_prefix("* CAPABILITY "));
        let words = line
            .unwrap()
            .split(' ')
            .map(|word| match word.split_once('=') {
                Some((word @ ("APPENDLIMIT" | "IMAPSIEVE"), _)) => format!("{word}="),
                _ => word.to_owned(),
            });
        offered.extend(words);
    }
    hold("imap", &offered, IMAP);
}

#[test]
fn pop3_offers_what_tests_show() {
    let (server, _made) = offering();
    let mut offered = BTreeSet::new();
    let plain = server.address("pop3", Tls::Starttls);
    let (mut talk, _) = Talk::open(plain).unwrap();
    talk.send(b"CAPA\r\nQUIT\r\n").unwrap();
    let mut said = Vec::new();
    while let Ok(line) = talk.hear() {
        said.push(line);
    }
    said.extend(over_tls(
        &server,
        server.address("pop3", Tls::Implicit),
        "CAPA\r\nQUIT\r\n",
    ));
    let lines = said
        .iter()
        .filter(|line| !line.starts_with('+') && *line != ".");
    offered.extend(lines.flat_map(|line| spread(line)));
    hold("pop3", &offered, POP3);
}

#[test]
fn smtp_offers_what_tests_show() {
    let (server, _made) = offering();
    let hello = "EHLO test.localhost\r\nQUIT\r\n";
    let mut said = Vec::new();
    for protocol in ["smtp", "submission"] {
        let (mut talk, _) = Talk::open(server.address(protocol, Tls::Starttls)).unwrap();
        talk.send(hello.as_bytes()).unwrap();
        while let Ok(line) = talk.hear() {
            said.push(line);
        }
    }
    said.extend(over_tls(
        &server,
        server.address("submission", Tls::Implicit),
        hello,
    ));
    let lines = said
        .iter()
        .filter_map(|line| line.strip_prefix("250").map(|line| &line[1..]));
    let lines = lines.filter(|line| !line.contains(" greets "));
    let offered = lines.flat_map(spread).collect();
    hold("smtp", &offered, SMTP);
}

/// What the server says to this, through TLS.
fn over_tls(server: &Server, address: std::net::SocketAddr, input: &str) -> Vec<String> {
    let connect = address.to_string();
    let authority = server.authority().unwrap();
    let words = [
        "s_client", "-quiet", "-ign_eof", "-connect", &connect, "-CAfile", &authority,
    ];
    let ended = program("openssl", &words, server.folder(), input).unwrap();
    ended
        .out
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}
