//! The RFCs' own lines, lines out of the grammar, and hostile ones.
#![expect(clippy::panic, reason = "a test")]

use std::path::PathBuf;

use bytes::BytesMut;
use imap::command::{Fetch, FetchItem, Partial, SearchKey};
use imap::response::{Code, FetchData, FetchLine, Status};
use imap::{Command, MailboxName, Names, Response, Tag};
use mail::{Flag, FlagSet, ModSeq, SeqNo, Uid};
use message::{Outline, Section, Specifier};

fn parse(frame: &str) -> Command {
    let (_, command) = Command::parse(frame.as_bytes()).unwrap_or_else(|failure| {
        panic!("{frame}: {failure:?}");
    });
    command
}

/// Lines the RFCs show: `§`, the line as it is read, and as we write it where that differs.
const COMMANDS: &[(&str, &str, &str)] = &[
    ("9051 §6.1.1", "abcd CAPABILITY", ""),
    ("9051 §6.1.2", "a002 NOOP", ""),
    ("9051 §6.1.3", "A023 LOGOUT", ""),
    ("9051 §6.2.1", "a002 STARTTLS", ""),
    ("9051 §6.2.2", "A001 AUTHENTICATE GSSAPI", ""),
    (
        "9051 §6.2.2",
        "A001 AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=",
        "",
    ),
    (
        "4959 §4",
        "C01 authenticate external =",
        "C01 AUTHENTICATE EXTERNAL =",
    ),
    ("9051 §6.2.3", "a001 LOGIN SMITH SESAME", ""),
    (
        "9051 §4.3",
        "A001 LOGIN {11}\r\nFRED FOOBAR {7}\r\nfat man",
        "A001 LOGIN \"FRED FOOBAR\" \"fat man\"",
    ),
    (
        "7888 §3",
        "A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man",
        "A001 LOGIN \"FRED FOOBAR\" \"fat man\"",
    ),
    (
        "9051 §6.3.1",
        "t2 enable condstore imap4rev2",
        "t2 ENABLE CONDSTORE IMAP4REV2",
    ),
    ("9051 §6.3.2", "A142 SELECT iNbOx", "A142 SELECT INBOX"),
    ("7162 §3.1.8", "A142 SELECT INBOX (CONDSTORE)", ""),
    (
        "7162 §3.2.5",
        "A02 SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))",
        "",
    ),
    (
        "7162 §3.2.5.2",
        "B04 SELECT INBOX (QRESYNC (67890007 90060115194045000 1:29997 (5000,7500,9000,9990:9999 \
         15000,22500,27000,29970,29973,29976,29979,29982,29985,29988,29991,29994,29997)))",
        "-",
    ),
    ("9051 §6.3.3", "A932 EXAMINE blurdybloop", ""),
    ("9051 §6.3.4", "A003 CREATE owatagusiam/", ""),
    (
        "6154 §5.2",
        "t2 CREATE MySpecial (USE (\\Drafts \\Sent))",
        "",
    ),
    (
        "6154 §5.2",
        "t2 CREATE Everything (use (\\Bogus))",
        "t2 CREATE Everything (USE (\\Bogus))",
    ),
    ("9051 §6.3.5", "A684 DELETE foo.bar", ""),
    ("9051 §6.3.6", "A683 RENAME blurdybloop sarasoop", ""),
    ("9051 §6.3.7", "A002 SUBSCRIBE #news.comp.mail.mime", ""),
    ("9051 §6.3.8", "A002 UNSUBSCRIBE #news.comp.mail.mime", ""),
    ("9051 §6.3.9", "A101 LIST \"\" \"\"", ""),
    (
        "9051 §6.3.9",
        "A202 LIST ~/Mail/ %",
        "A202 LIST ~/Mail/ \"%\"",
    ),
    (
        "9051 §6.3.9.5",
        "A03 LIST () \"\" \"%\" RETURN (CHILDREN)",
        "A03 LIST \"\" \"%\" RETURN (CHILDREN)",
    ),
    ("9051 §6.3.9.7", "A02 LIST (SUBSCRIBED) \"\" *", "-"),
    ("5258 §5", "a LIST (REMOTE) \"\" % RETURN (CHILDREN)", "-"),
    (
        "5258 §5",
        "a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (foo \"bar*\")",
        "-",
    ),
    (
        "5258 §5",
        "BBB LIST \"\" (\"INBOX\" \"Drafts\" \"Sent/%\")",
        "-",
    ),
    (
        "5819 §2",
        "A01 LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN))",
        "-",
    ),
    ("6154 §5.1", "t3 LIST (SPECIAL-USE) \"\" \"*\"", "-"),
    (
        "3501 §6.3.9",
        "A002 LSUB \"#news.\" \"comp.mail.*\"",
        "A002 LSUB #news. \"comp.mail.*\"",
    ),
    ("9051 §6.3.10", "A001 NAMESPACE", ""),
    (
        "9051 §6.3.11",
        "A042 STATUS blurdybloop (UIDNEXT MESSAGES)",
        "",
    ),
    ("8474 §4.3", "6 STATUS foo (MAILBOXID)", ""),
    (
        "9051 §6.3.12",
        "A003 APPEND saved-messages (\\Seen) {326}",
        "",
    ),
    (
        "3501 §6.3.11",
        "A003 APPEND saved (\\Flagged) \" 5-Nov-2020 23:19:35 -0700\" {310+}",
        "",
    ),
    (
        "3501 §9, but for a space",
        "A APPEND x \"5-Nov-2020 23:19:35 -0700\" {3}",
        "A APPEND x \" 5-Nov-2020 23:19:35 -0700\" {3}",
    ),
    ("3516 §4.4", "B002 APPEND saved ~{20}", ""),
    ("9051 §6.3.13", "A002 IDLE", ""),
    ("3501 §6.4.1", "FXXZ CHECK", ""),
    ("9051 §6.4.1", "A341 CLOSE", ""),
    ("9051 §6.4.2", "A342 UNSELECT", ""),
    ("9051 §6.4.3", "A202 EXPUNGE", ""),
    ("9051 §6.4.9", "A003 UID EXPUNGE 3000:3002", ""),
    (
        "2971 §3.1",
        "a023 ID (\"name\" \"sodr\" \"version\" \"19.34\" \"vendor\" NIL)",
        "",
    ),
    ("2971 §3.1", "a042 ID NIL", ""),
    ("4978 §3", "a COMPRESS deflate", "a COMPRESS DEFLATE"),
    (
        "9051 §6.4.4.4",
        "A282 SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
        "A282 SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM Smith",
    ),
    (
        "9051 §6.4.4.4",
        "A283 SEARCH RETURN () FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
        "-",
    ),
    (
        "9051 §6.4.4.4",
        "A284 SEARCH TEXT \"string not in mailbox\"",
        "",
    ),
    (
        "9051 §6.4.4.4",
        "A285 SEARCH RETURN (MIN MAX) CHARSET UTF-8 TEXT {12}\r\nотпуск",
        "",
    ),
    (
        "9051 §6.4.4.4",
        "F283 SEARCH RETURN (SAVE) OR (FROM x SINCE \"1-Feb-2020\") $",
        "-",
    ),
    ("9051 §6.4.4.4", "A301 UID SEARCH UID $ SMALLER 4096", ""),
    (
        "3501 §6.4.4",
        "A SEARCH NEW OLD RECENT UNKEYWORD $Junk 2,4:7,9,12:*",
        "",
    ),
    (
        "7162 §3.1.5",
        "a SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338",
        "",
    ),
    (
        "7162 §3.1.5",
        "t SEARCH OR NOT MODSEQ 720162338 LARGER 50000",
        "",
    ),
    ("5032 §3", "a SEARCH UNSEEN YOUNGER 259200", ""),
    ("8474 §5.1", "a SEARCH EMAILID M6d99ac3275bb4e", ""),
    (
        "9051 §6.4.5",
        "A654 FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])",
        "",
    ),
    (
        "9051 §6.4.5.1",
        "a FETCH * BODY.PEEK[4.2.2.1.MIME]<0.2048>",
        "a FETCH * (BODY.PEEK[4.2.2.1.MIME]<0.2048>)",
    ),
    (
        "3501 §6.4.5",
        "a FETCH 1 full",
        "a FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)",
    ),
    (
        "3516 §4.2",
        "a FETCH 1 (BINARY.SIZE[1.2] BINARY.PEEK[2]<1.2> BINARY[])",
        "",
    ),
    (
        "7162 §3.1.4.1",
        "s100 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345)",
        "",
    ),
    (
        "7162 §3.2.6",
        "s100 UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)",
        "",
    ),
    ("9051 §6.4.6", "A003 STORE 2:4 +FLAGS (\\Deleted)", ""),
    (
        "3501 §6.4.6",
        "A003 STORE 4:2 -flags.silent \\Seen \\Recent $Junk",
        "A003 STORE 4:2 -FLAGS.SILENT (\\Seen $Junk)",
    ),
    (
        "7162 §3.1.3",
        "a103 UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)",
        "",
    ),
    ("9051 §6.4.7", "A003 COPY 2:4 MEETING", ""),
    ("9051 §6.4.8", "a UID MOVE 42:69 foo", ""),
];

#[test]
fn the_lines_of_the_rfcs() {
    for &(place, line, written) in COMMANDS {
        let (tag, command) = Command::parse(line.as_bytes())
            .unwrap_or_else(|failure| panic!("RFC {place}: {line}: {failure:?}"));
        let mut out = BytesMut::new();
        command.write(&tag, &mut out, Names::Utf7);
        let expected = if written.is_empty() { line } else { written };
        if written != "-" {
            assert_eq!(String::from_utf8_lossy(&out), expected, "RFC {place}");
        }
        assert_eq!(Command::parse(&out), Ok((tag, command)), "RFC {place}");
        for end in 0..line.len() {
            let _read = Command::parse(&line.as_bytes()[..end]);
        }
        for name in [Names::Utf7, Names::Utf8] {
            // Base64 alone minds its case.
            if line.contains("PLAIN") {
                continue;
            }
            let lower = line.to_ascii_lowercase();
            assert!(
                Command::parse_as(lower.as_bytes(), name).is_ok(),
                "RFC {place}: {lower}"
            );
        }
    }
}

#[test]
fn what_is_no_command_says_where_and_what_was_expected() {
    let cases: &[(&str, Option<usize>, &str)] = &[
        ("", None, "a tag"),
        ("a+b NOOP", None, "a tag"),
        ("a", Some(1), "a space"),
        ("a  NOOP", Some(2), "a command"),
        ("a XYZZY", Some(2), "a command"),
        ("a NOOP ", Some(6), "the end of the line"),
        ("a LOGIN ada", Some(11), "a space"),
        ("a LOGIN ada {3}", Some(15), "the octets of a literal"),
        ("a LOGIN ada {9}\r\nxy", Some(17), "the octets of a literal"),
        ("a LOGIN ada \"x", Some(14), "the end of a quoted string"),
        ("a LOGIN \"a\\b\" x", Some(11), "'\"' or '\\' behind a '\\'"),
        ("a LOGIN {1}\r\n\0 x", Some(8), "text in UTF-8"),
        (
            "a SELECT &AGE-",
            Some(9),
            "a mailbox name in modified UTF-7",
        ),
        ("a SELECT &Jjo", Some(9), "a mailbox name in modified UTF-7"),
        ("a FETCH 0 FLAGS", Some(8), "a set of message numbers"),
        (
            "a FETCH 4294967296 FLAGS",
            Some(8),
            "a set of message numbers",
        ),
        ("a FETCH 1,,2 FLAGS", Some(10), "a set of message numbers"),
        ("a FETCH 1 (FULL)", Some(11), "an item to fetch"),
        ("a FETCH 1 ()", Some(12), "an item to fetch"),
        (
            "a FETCH 1 BODY[MIME]",
            Some(15),
            "a section such as 1.2, HEADER or TEXT",
        ),
        (
            "a FETCH 1 BODY[1.]",
            Some(17),
            "a section such as 1.2, HEADER or TEXT",
        ),
        ("a FETCH 1 BODY[1HEADER]", Some(16), "'.'"),
        (
            "a FETCH 1 BODY[]<0.0>",
            Some(20),
            "a number of octets above 0",
        ),
        (
            "a FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
            Some(41),
            "VANISHED only in UID FETCH with CHANGEDSINCE",
        ),
        (
            "a STORE 1 FLAGS (\\Bogus)",
            Some(17),
            "a flag this server keeps",
        ),
        ("a SEARCH", Some(8), "a space"),
        ("a SEARCH BOGUS", Some(9), "a search key"),
        ("a SEARCH (SEEN", Some(14), "a space or ')'"),
        (
            "a SEARCH ON 30-Feb-2020",
            Some(12),
            "a date such as 1-Feb-2026",
        ),
        (
            "a SEARCH LARGER 9223372036854775808",
            Some(16),
            "a number below 2^63",
        ),
        (
            "a LIST (RECURSIVEMATCH) \"\" *",
            Some(23),
            "SUBSCRIBED with RECURSIVEMATCH",
        ),
        ("a LIST (BOGUS) \"\" *", Some(8), "a selection option"),
        ("a STATUS x ()", Some(13), "a STATUS item"),
        ("a APPEND x (\\Seen) x", Some(19), "a literal"),
        (
            "a AUTHENTICATE PLAIN !",
            Some(21),
            "an initial response in base64",
        ),
        (
            "a UID NOOP",
            Some(6),
            "COPY, EXPUNGE, FETCH, MOVE, SEARCH, SORT, STORE or THREAD",
        ),
        ("a SORT () UTF-8 ALL", Some(7), "a sort criterion"),
        ("a SORT (REVERSE) UTF-8 ALL", Some(8), "a sort criterion"),
        (
            "a SORT (SUBJECT BCC) UTF-8 ALL",
            Some(16),
            "a sort criterion",
        ),
        ("a SORT (SUBJECT) UTF-8", Some(22), "a space"),
        (
            "a SORT RETURN (FOO) (DATE) UTF-8 ALL",
            Some(15),
            "MIN, MAX, ALL, COUNT or SAVE",
        ),
        (
            "a THREAD REFS UTF-8 ALL",
            Some(9),
            "ORDEREDSUBJECT or REFERENCES",
        ),
        ("a THREAD REFERENCES UTF-8", Some(25), "a space"),
    ];
    for &(line, at, expected) in cases {
        let failure = Command::parse(line.as_bytes()).unwrap_err();
        assert_eq!(failure.tag.is_some(), at.is_some(), "{line}");
        assert_eq!(failure.error.expected, expected, "{line}");
        assert_eq!(failure.error.at, at.unwrap_or(0), "{line}");
    }
}

#[test]
fn hostile_lines_are_refused_or_cheap() {
    let deep = |open: &str, count: usize| format!("a SEARCH {}ALL", open.repeat(count));
    assert!(Command::parse(deep("NOT ", 49).as_bytes()).is_ok());
    for open in ["NOT ", "(", "OR ALL "] {
        let failure = Command::parse(deep(open, 100_000).as_bytes()).unwrap_err();
        assert_eq!(
            failure.error.expected,
            "at most 50 search keys inside one another"
        );
    }
    let many = format!("a SEARCH ALL{}", " ALL".repeat(100_000));
    assert!(Command::parse(many.as_bytes()).is_err());
    let many = format!("a SORT (SIZE{}) UTF-8 ALL", " SIZE".repeat(100_000));
    assert!(Command::parse(many.as_bytes()).is_err());
    let many = format!("a FETCH 1 (UID{})", " UID".repeat(100_000));
    assert!(Command::parse(many.as_bytes()).is_err());
    let parts = format!("a FETCH 1 BODY[1{}]", ".1".repeat(100_000));
    assert!(Command::parse(parts.as_bytes()).is_err());
    let body = format!("* 1 FETCH (BODY {}", "(".repeat(100_000));
    assert!(Response::parse(body.as_bytes(), Names::Utf7).is_err());
    let unknown = format!(
        "* 1 FETCH (X {}1{})",
        "(".repeat(100_000),
        ")".repeat(100_000)
    );
    assert_eq!(
        Response::parse(unknown.as_bytes(), Names::Utf7),
        Ok(Response::Fetch(SeqNo::MIN, Vec::new()))
    );
    // A set written from its end to its start costs no more than one written in order.
    let set: Vec<String> = (1..20_000_u32)
        .rev()
        .map(|number| (number * 2).to_string())
        .collect();
    let Command::UidExpunge(set) = parse(&format!("a UID EXPUNGE {}", set.join(","))) else {
        panic!("no set");
    };
    assert_eq!(set.resolve(Uid::MIN).map(|set| set.len()), Some(19_999));
}

#[test]
fn sets_mean_what_the_rfc_says() {
    let cases = [
        ("2,4:7,9,12:*", 15, "2,4:7,9,12:15"),
        ("*:4,5:7", 10, "4:10"),
        ("3291:*", 20, "20:3291"),
        ("4:2", 9, "2:4"),
        ("*", 1, "1"),
    ];
    for (written, star, meant) in cases {
        let Command::UidExpunge(set) = parse(&format!("a UID EXPUNGE {written}")) else {
            panic!("no set");
        };
        let set = set.resolve(Uid::new(star).unwrap()).unwrap();
        assert_eq!(set.to_string(), meant, "{written}");
    }
}

#[test]
fn mailbox_names() {
    let cases = [
        ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
        ("Hi Mom -&Jjo--!", "Hi Mom -☺-!"),
        ("A&ImIDkQ-.", "A≢Α."),
        ("Tom &- Jerry", "Tom & Jerry"),
        ("&2D3cqQ-", "💩"),
        ("inBOX", "INBOX"),
    ];
    for (wire, name) in cases {
        let read = MailboxName::from_wire(wire, Names::Utf7);
        assert_eq!(read, Some(MailboxName::new(name)), "{wire}");
        let encoded = Names::Utf7.encode(name);
        assert!(encoded.eq_ignore_ascii_case(wire), "{wire}");
    }
    // RFC 3501 §5.1.3: each of these has another, right spelling, or none.
    for wire in [
        "&",
        "&Jjo",
        "&Jjo-&Jjo-",
        "&AGE-",
        "&Jj-",
        "&2D0-",
        "&U,BTFx-",
        "&!-",
    ] {
        assert_eq!(MailboxName::from_wire(wire, Names::Utf7), None, "{wire}");
        assert!(
            MailboxName::from_wire(wire, Names::Utf8).is_some(),
            "{wire}"
        );
    }
}

/// Lines the RFCs show of the server's end, which we write the same way.
const RESPONSES: &[&str] = &[
    "* OK IMAP4rev1 Service Ready",
    "* PREAUTH IMAP4rev2 server logged in as Smith",
    "* BYE Autologout; idle for too long",
    "+ Ready for additional command text",
    "abcd OK CAPABILITY completed",
    "A023 BAD [CLIENTBUG] The client should not do this",
    "* CAPABILITY IMAP4rev2 STARTTLS AUTH=GSSAPI LOGINDISABLED",
    "* ENABLED CONDSTORE",
    "* OK [UIDVALIDITY 3857529045] UIDs valid",
    "* OK [UIDNEXT 4392] Predicted next UID",
    "* OK [PERMANENTFLAGS (\\Seen \\Deleted \\*)] Limited",
    "* OK [PERMANENTFLAGS ()] No permanent flags permitted",
    "* OK [HIGHESTMODSEQ 715194045007] Highest",
    "* OK [UNSEEN 17] Message 17 is the first unseen message",
    "* OK [MAILBOXID (F2212ea87-6097-4256-9d51-71338625)] Ok",
    "A142 OK [READ-WRITE] SELECT completed",
    "A003 OK [APPENDUID 38505 3955] APPEND completed",
    "A004 OK [COPYUID 38505 304,319:320 3956:3958] Done",
    "d105 OK [MODIFIED 7,9] Conditional STORE failed",
    "A NO [BADCHARSET (US-ASCII UTF-8)] no such charset",
    "c NO [COMPRESSIONACTIVE] DEFLATE active via TLS",
    "* OK [XSOMETHING with words] and text",
    "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)",
    "* 172 EXISTS",
    "* 1 RECENT",
    "* 44 EXPUNGE",
    "* VANISHED (EARLIER) 41,43:116,118",
    "* VANISHED 505,507,510",
    "* LIST (\\Noselect) \"/\" \"\"",
    "* LIST (\\NonExistent \\HasChildren) \"/\" Foo",
    "* LIST () \"/\" foo2/bar2 (CHILDINFO (\"SUBSCRIBED\") OLDNAME (\"foo bar\"))",
    "* LIST (\\Marked \\Drafts \\Subscribed) NIL &Jjo-",
    "* LSUB () \".\" #news.comp.mail.mime",
    "* NAMESPACE ((\"\" \"/\")) ((\"~\" \"/\")) NIL",
    "* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292 SIZE 9 HIGHESTMODSEQ 0)",
    "* SEARCH 2 84 882",
    "* SEARCH",
    "* SEARCH 2 5 6 7 11 12 18 19 20 23 (MODSEQ 917162500)",
    "* ESEARCH (TAG \"A282\") UID MIN 2 MAX 9 ALL 2,4:9 COUNT 17 MODSEQ 5",
    "* ID (\"name\" \"Cyrus\" \"version\" NIL)",
    "* 23 FETCH (FLAGS (\\Seen) RFC822.SIZE 44827 UID 447)",
    "* 1 FETCH (UID 4 MODSEQ (65402) FLAGS (\\Recent) EMAILID (M1) THREADID NIL SAVEDATE NIL)",
    "* 12 FETCH (BODY[HEADER] {5}\r\na: b\n INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")",
    "* 2 FETCH (BODY[1.2]<5> NIL BINARY[3] ~{2}\r\n\0\n BINARY.SIZE[4] 9 RFC822.TEXT {0}\r\n)",
];

#[test]
fn the_servers_lines_of_the_rfcs() {
    for line in RESPONSES {
        let response = Response::parse(line.as_bytes(), Names::Utf7)
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        let mut out = BytesMut::new();
        response.write(&mut out, Names::Utf7);
        assert_eq!(String::from_utf8_lossy(&out), format!("{line}\r\n"));
        for end in 0..line.len() {
            let _read = Response::parse(&line.as_bytes()[..end], Names::Utf7);
        }
    }
}

#[test]
fn words_for_people_are_never_a_code_nor_a_line_of_their_own() {
    let mut out = BytesMut::new();
    Status::no("[ALERT] x\r\n* BYE\0").write(None, &mut out, Names::Utf7);
    assert_eq!(&out[..], b"* NO  [ALERT] x  * BYE \r\n");
    let read = Response::parse(&out[..out.len() - 2], Names::Utf7).unwrap();
    assert!(matches!(read, Response::Untagged(status) if status.code.is_none()));
}

#[test]
fn what_other_servers_send_is_read_as_well() {
    let cases: &[(&str, &str)] = &[
        ("+", "+ "),
        ("* ok", "* OK ."),
        ("* OK [ALERT]", "* OK [ALERT] ."),
        ("a OK [UIDNEXT x] odd", "a OK [UIDNEXT x] odd"),
        ("* search 1 2 ", "* SEARCH 1 2"),
        (
            "* list (\\HASNOCHILDREN \\XFoo) \"/\" {3}\r\nfoo",
            "* LIST (\\HasNoChildren \\XFoo) \"/\" foo",
        ),
        (
            "* LIST () \"/\" x (\"X-Y\" (1 (2 \"3\")) OLDNAME (y))",
            "* LIST () \"/\" x (OLDNAME (y))",
        ),
        (
            "* STATUS x (MESSAGES 1 X-GUID (a b) UNSEEN 2)",
            "* STATUS x (MESSAGES 1 UNSEEN 2)",
        ),
        (
            "* ESEARCH (TAG \"a\") X-NEW (1 2) COUNT 3",
            "* ESEARCH (TAG \"a\") COUNT 3",
        ),
        (
            "* NAMESPACE ((\"\" \"/\" \"X-P\" (\"x\" \"y\"))) NIL NIL",
            "* NAMESPACE ((\"\" \"/\")) NIL NIL",
        ),
        (
            "* 1 FETCH (X-GM-LABELS (a \"b c\") UID 5)",
            "* 1 FETCH (UID 5)",
        ),
        ("* FLAGS (\\Seen \\XFoo \\* a)", "* FLAGS (\\Seen a)"),
    ];
    for (line, meaning) in cases {
        let response = Response::parse(line.as_bytes(), Names::Utf7)
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        let mut out = BytesMut::new();
        response.write(&mut out, Names::Utf7);
        assert_eq!(String::from_utf8_lossy(&out), format!("{meaning}\r\n"));
    }
}

/// RFC 9051 §8: ENVELOPE and BODY as the RFC shows them, read and written again.
#[test]
fn the_envelope_and_the_bodies_of_the_rfc() {
    let envelope = "* 12 FETCH (ENVELOPE (\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \
        \"IMAP4rev2 WG mtg summary and minutes\" ((\"Terry Gray\" NIL \"gray\" \
        \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
        ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \
        \"cac.washington.edu\")) ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" \
        NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \"<B27397-0100000@cac.washington.ed>\"))";
    let bodies = [
        "(\"text\" \"plain\" (\"charset\" \"US-ASCII\") NIL NIL \"7bit\" 2279 48)",
        "((\"text\" \"plain\" (\"charset\" \"US-ASCII\") NIL NIL \"7bit\" 1152 23)(\"text\" \
         \"plain\" (\"charset\" \"US-ASCII\" \"name\" \"cc.diff\") \
         \"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \"base64\" 4554 73) \
         \"mixed\")",
    ];
    let bodies = bodies.map(|body| format!("* 1 FETCH (BODY {body})"));
    for line in [envelope, &bodies[0], &bodies[1]] {
        let response = Response::parse(line.as_bytes(), Names::Utf7).unwrap();
        let mut out = BytesMut::new();
        response.write(&mut out, Names::Utf7);
        assert_eq!(String::from_utf8_lossy(&out), format!("{line}\r\n"));
    }
}

#[test]
fn a_message_is_described_as_rfc_9051_says() {
    let outline = Outline::parse(
        b"From: =?utf-8?q?Ad=C3=A9?= <ada@example.org>, bob\r\nTo: all: x@y.example;\r\n\
          Subject: caf\xc3\xa9 \"x\"\r\nSender:\r\n\
          Content-Type: multipart/mixed; boundary=b\r\n\r\n\
          --b\r\nContent-Language: de, en\r\n\
          Content-Disposition: attachment; filename*0=a; filename*1=b\r\n\r\nHallo\r\n\
          --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody\r\n--b--\r\n",
    );
    let mut out = BytesMut::new();
    let mut line = FetchLine::begin(&mut out, SeqNo::MIN);
    line.envelope(&mut out, &outline.digest);
    line.body_structure(&mut out, &outline.root);
    line.end(&mut out);
    let ada = "((\"=?utf-8?q?Ad=C3=A9?=\" NIL \"ada\" \"example.org\")(NIL NIL \"bob\" \"\"))";
    let expected = format!(
        "* 1 FETCH (ENVELOPE (NIL {{9}}\r\ncafé \"x\" {ada} {ada} {ada} ((NIL NIL \"all\" NIL)\
         (NIL NIL \"x\" \"y.example\")(NIL NIL NIL NIL)) NIL NIL NIL NIL) \
         BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 0 NIL \
         (\"attachment\" (\"filename\" \"ab\")) (\"de\" \"en\") NIL)\
         (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 19 \
         (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) \
         (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 0 NIL NIL NIL NIL) 2 \
         NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL))\r\n"
    );
    assert_eq!(String::from_utf8_lossy(&out), expected);
}

#[test]
fn a_fetch_line_leaves_room_for_spliced_octets() {
    let mut out = BytesMut::new();
    let mut line = FetchLine::begin(&mut out, SeqNo::new(5).unwrap());
    line.uid(&mut out, Uid::new(7).unwrap());
    let section = Section {
        parts: vec![1, 2],
        specifier: Specifier::HeaderFields(vec!["To".to_owned(), "X y".to_owned()]),
    };
    line.section(&mut out, &section, Some(3), 2);
    out.extend_from_slice(b"hi");
    line.rfc822(&mut out, &Specifier::Header, 0);
    line.binary(&mut out, &[2], None, 1, true);
    out.extend_from_slice(b"\0");
    line.no_section(&mut out, &Section::default(), None);
    line.no_binary(&mut out, &[9], Some(1));
    line.binary_size(&mut out, &[], 12);
    line.thread_id(&mut out, Some("T1"));
    line.end(&mut out);
    assert_eq!(
        String::from_utf8_lossy(&out),
        "* 5 FETCH (UID 7 BODY[1.2.HEADER.FIELDS (To \"X y\")]<3> {2}\r\nhi RFC822.HEADER {0}\r\n \
         BINARY[2] ~{1}\r\n\0 BODY[] NIL BINARY[9]<1> NIL BINARY.SIZE[] 12 THREADID (T1))\r\n"
    );
}

#[test]
fn keys_and_items_are_what_they_say() {
    let Command::Search(search) = parse("a SEARCH KEYWORD $Junk NOT SEEN") else {
        panic!("no search");
    };
    let keys = vec![
        SearchKey::Has(Flag::parse("$junk").unwrap()),
        SearchKey::Not(Box::new(SearchKey::Has(Flag::Seen))),
    ];
    assert_eq!(search.key, SearchKey::And(keys));
    // A charset we cannot read: the texts in it mean nothing, but the command is one.
    let latin = Command::parse(b"a SEARCH CHARSET iso-8859-1 TEXT {1}\r\n\xe9")
        .unwrap()
        .1;
    assert!(matches!(latin, Command::Search(search)
        if search.charset.as_deref() == Some("ISO-8859-1")));
    let fetch = parse("a UID FETCH 1 BODY[]<5.6>");
    assert!(
        matches!(fetch, Command::Fetch(Fetch { uid: true, items, .. })
        if matches!(items.as_slice(), [FetchItem::BodySection { partial: Some(Partial {
            offset: 5, octets: 6 }), peek: false, .. }]))
    );
}

#[test]
fn a_set_of_flags_is_written_as_it_is_shown() {
    let flags: FlagSet = ["\\Draft", "a", "\\Seen"]
        .into_iter()
        .filter_map(Flag::parse)
        .collect();
    let mut out = BytesMut::new();
    let response = Response::Fetch(SeqNo::MIN, vec![FetchData::Flags(flags.clone(), true)]);
    response.write(&mut out, Names::Utf7);
    let expected = format!("* 1 FETCH (FLAGS ({flags} \\Recent))\r\n");
    assert_eq!(String::from_utf8_lossy(&out), expected);
    assert_eq!(
        Code::HighestModSeq(ModSeq(1)),
        Code::HighestModSeq(ModSeq(1))
    );
    assert!(Tag::new("a]").is_some() && Tag::new("a+").is_none() && Tag::new("").is_none());
}

/// The command lines of imaptest's scripts, where they are within what we speak.
#[test]
fn imaptest_lines_are_commands() {
    let vectors = std::env::var("CARAMEL_VECTORS").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let Ok(folder) = std::fs::read_dir(vectors.join("imaptest-scripts/tests")) else {
        println!("no imaptest scripts: passed over");
        return;
    };
    let mut read = 0;
    for entry in folder {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let foreign = ["sort-partial", "catenate", "multiappend", "search-context"];
        if name.ends_with(".mbox") || foreign.iter().any(|word| name.starts_with(word)) {
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        for line in text.lines() {
            let line = line
                .trim_start_matches(|letter: char| letter.is_ascii_digit())
                .trim_start();
            let Some(("ok", command)) = line.split_once(' ') else {
                continue;
            };
            // What is in brackets is a response code that the command before it is to have.
            let response = command.starts_with('[');
            if response || command.contains("{{{") || command.starts_with("append") {
                continue;
            }
            let command = command
                .replace("$mailbox", "box")
                .replace("${mailbox}", "box")
                .replace("${sep}", "/")
                .replace("$$", "$")
                .replace("$box/", "box/");
            let frame = format!("t {command}");
            let parsed = Command::parse(frame.as_bytes());
            let variables = frame.contains("$n") || frame.contains("$u") || frame.contains("${");
            assert!(parsed.is_ok() || variables, "{name}: {frame}: {parsed:?}");
            read += 1;
        }
    }
    assert!(read > 100, "{read} lines");
}
