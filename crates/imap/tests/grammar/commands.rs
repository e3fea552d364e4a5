//! What the client's end writes.

use bytes::BytesMut;
use imap::command::{Fetch, FetchItem, Partial, SearchKey};
use imap::{Command, MailboxName, Names, Tag};
use mail::{Flag, Uid};

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
    ("5465 §3.1", "b NOTIFY NONE", ""),
    (
        "5465 §6",
        "a notify set (mailboxes INBOX (Messagenew messageExpunge)) \
         (personal (SubscriptionChange))",
        "a NOTIFY SET (MAILBOXES INBOX (MessageNew MessageExpunge)) \
         (PERSONAL (SubscriptionChange))",
    ),
    (
        "5465 §6",
        "a notify set (selected (Messagenew (uid flags) messageExpunge)) \
         (personal (MessageNew FlagChange MessageExpunge))",
        "a NOTIFY SET (SELECTED (MessageNew (UID FLAGS) MessageExpunge)) \
         (PERSONAL (MessageNew FlagChange MessageExpunge))",
    ),
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
    (
        "8508 §3.2",
        "A003 REPLACE 4 Drafts (\\Seen \\Draft) {312}",
        "",
    ),
    (
        "8508 §3.3",
        "A004 UID REPLACE 2000 Drafts (\\Seen \\Draft) {350}",
        "",
    ),
    (
        "5267 §4.3",
        "B01 UID SEARCH RETURN (UPDATE COUNT) DELETED KEYWORD $Junk",
        "B01 UID SEARCH RETURN (COUNT UPDATE) DELETED KEYWORD $Junk",
    ),
    ("5267 §4.3.5", "B04 CANCELUPDATE \"B01\"", "-"),
    (
        "5267 §5",
        "B05 cancelupdate \"B01\" \"B02\"",
        "B05 CANCELUPDATE \"B01\" \"B02\"",
    ),
    (
        "9394 §3.1",
        "A01 UID SEARCH RETURN (PARTIAL -1:-100) UNDELETED UNKEYWORD $Junk",
        "",
    ),
    (
        "9394 §3.3",
        "10 UID FETCH 25900:26600 (UID FLAGS) (PARTIAL -1:-3)",
        "",
    ),
    (
        "9394 §3.4",
        "101 UID FETCH 25900:26600 (UID FLAGS) (PARTIAL -1:-30 CHANGEDSINCE 98305)",
        "101 UID FETCH 25900:26600 (UID FLAGS) (CHANGEDSINCE 98305 PARTIAL -1:-30)",
    ),
    ("8970 §5", "A2 FETCH 1 (RFC822.SIZE PREVIEW)", ""),
    ("8970 §5", "B1 FETCH 1:4 (ENVELOPE PREVIEW (LAZY))", ""),
    ("8970 §5", "C3 FETCH $ (UID PREVIEW (LAZY))", ""),
    (
        "8970 §6",
        "a FETCH 1 preview (lazy LAZY) (CHANGEDSINCE 5)",
        "a FETCH 1 (PREVIEW (LAZY)) (CHANGEDSINCE 5)",
    ),
    (
        "8970 §6",
        "a FETCH 1 PREVIEW (CHANGEDSINCE 5)",
        "a FETCH 1 (PREVIEW) (CHANGEDSINCE 5)",
    ),
    ("8514 §4.2", "A101 FETCH 998 (SAVEDATE)", ""),
    ("8514 §4.3", "A102 SEARCH SAVEDON 28-Dec-2014", ""),
    ("8514 §4.3", "A103 SEARCH SAVEDSINCE 28-Dec-2014", ""),
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

/// What is no command: the line, where it goes wrong unless it has no tag, what was expected.
const FAILURES: &[(&str, Option<usize>, &str)] = &[
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
        "COPY, EXPUNGE, FETCH, MOVE, REPLACE, SEARCH, SORT, STORE or THREAD",
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
        "MIN, MAX, ALL, COUNT, SAVE, PARTIAL, RELEVANCY, CONTEXT or UPDATE",
    ),
    (
        "a THREAD JWZ UTF-8 ALL",
        Some(9),
        "ORDEREDSUBJECT, REFERENCES or REFS",
    ),
    ("a CANCELUPDATE B01", Some(15), "a string"),
    ("a CANCELUPDATE \"B 01\"", Some(15), "a tag"),
    ("a THREAD REFERENCES UTF-8", Some(25), "a space"),
];

#[test]
fn what_is_no_command_says_where_and_what_was_expected() {
    for &(line, at, expected) in FAILURES {
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
fn a_tag_has_no_bracket_and_no_plus() {
    assert!(Tag::new("a]").is_some() && Tag::new("a+").is_none() && Tag::new("").is_none());
}
