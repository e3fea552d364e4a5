//! What the server's end writes.

use bytes::BytesMut;
use imap::response::{FetchData, FetchLine, PartKinds, Status};
use imap::{Names, Response};
use mail::{Flag, FlagSet, SeqNo, Uid};
use message::{Outline, Section, Specifier, StoredOutline, Wanted};

/// Reads a line and writes what it means.
fn rewritten(line: &str) -> String {
    let response = Response::parse(line.as_bytes(), Names::Utf7)
        .unwrap_or_else(|error| panic!("{line}: {error}"));
    let mut out = BytesMut::new();
    response.write(&mut out, Names::Utf7);
    String::from_utf8_lossy(&out).into_owned()
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
    "* OK [NOTIFICATIONOVERFLOW] ...A comment can go here...",
    "o NO [BADEVENT (MessageNew MessageExpunge)] No",
    "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)",
    "* 172 EXISTS",
    "* 1 RECENT",
    "* 44 EXPUNGE",
    "* VANISHED (EARLIER) 41,43:116,118",
    "* VANISHED 505,507,510",
    "* LIST (\\Noselect) \"/\" \"\"",
    "* LIST (\\NonExistent \\HasChildren) \"/\" Foo",
    "* LIST () \"/\" foo2/bar2 (CHILDINFO (\"SUBSCRIBED\") OLDNAME (\"foo bar\"))",
    "* LIST (\\NoAccess) \"/\" NewMailbox (OLDNAME (OldMailbox))",
    "* LIST (\\Marked \\Drafts \\Subscribed) NIL &Jjo-",
    "* LSUB () \".\" #news.comp.mail.mime",
    "* NAMESPACE ((\"\" \"/\")) ((\"~\" \"/\")) NIL",
    "* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292 SIZE 9 HIGHESTMODSEQ 0)",
    "* SEARCH 2 84 882",
    "* SEARCH",
    "* SEARCH 2 5 6 7 11 12 18 19 20 23 (MODSEQ 917162500)",
    "* ESEARCH (TAG \"A282\") UID MIN 2 MAX 9 ALL 2,4:9 COUNT 17 MODSEQ 5",
    "* ESEARCH (TAG \"B01\") UID ADDTO (0 32768:32769)",
    "* ESEARCH (TAG \"C01\") UID ADDTO (1 2733 1 2732 1 2731)",
    "* ESEARCH (TAG \"C01\") UID ADDTO (1 2733) ADDTO (1 2731:2732) REMOVEFROM (3 5,4)",
    "* NO [NOUPDATE \"B02\"] Too many contexts",
    "* ESEARCH (TAG \"B1\") ALL 1,5,10 RELEVANCY (4 99 42)",
    "* ESEARCH (TAG \"tag1\" MAILBOX folder1 UIDVALIDITY 1) UID ALL 4001,4003,4005",
    "* ESEARCH (MAILBOX folder2/&AOQ-pfel UIDVALIDITY 503) UID COUNT 2",
    "* ID (\"name\" \"Cyrus\" \"version\" NIL)",
    "* 23 FETCH (FLAGS (\\Seen) RFC822.SIZE 44827 UID 447)",
    "* 1 FETCH (UID 4 MODSEQ (65402) FLAGS (\\Recent) EMAILID (M1) THREADID NIL SAVEDATE NIL)",
    "* 12 FETCH (BODY[HEADER] {5}\r\na: b\n INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")",
    "* 25997 UIDFETCH (FLAGS (\\Answered \\Flagged) UID 25997)",
    "* OK [INPROGRESS] Hang in there...",
    "* OK [INPROGRESS (\"tag\" NIL NIL)] Hang in there...",
    "* OK [INPROGRESS (\"tag\" 175 NIL)] Processed 175 items so far",
    "* OK [INPROGRESS (\"tag\" 175 1000)] Processed 17% of the items",
    "07 BAD [UIDREQUIRED] Message numbers are not allowed",
    "* 2 FETCH (BODY[1.2]<5> NIL BINARY[3] ~{2}\r\n\0\n BINARY.SIZE[4] 9 RFC822.TEXT {0}\r\n)",
];

#[test]
fn the_servers_lines_of_the_rfcs() {
    for line in RESPONSES {
        assert_eq!(rewritten(line), format!("{line}\r\n"));
        for end in 0..line.len() {
            let _read = Response::parse(&line.as_bytes()[..end], Names::Utf7);
        }
    }
}

#[test]
fn hostile_lines_of_a_server_are_refused_or_cheap() {
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
        ("* ok [inprogress]", "* OK [INPROGRESS] ."),
        ("* OK [INPROGRESS (NIL NIL NIL)] .", "* OK [INPROGRESS] ."),
        // What makes no sense is a code like one that is not known.
        (
            "* OK [INPROGRESS (NIL 5 0)] .",
            "* OK [INPROGRESS (NIL 5 0)] .",
        ),
        (
            "* OK [INPROGRESS (NIL 5 5)] .",
            "* OK [INPROGRESS (NIL 5 5)] .",
        ),
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
        assert_eq!(rewritten(line), format!("{meaning}\r\n"));
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
        assert_eq!(rewritten(line), format!("{line}\r\n"));
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
    let outline = StoredOutline::from(&outline);
    line.envelope(&mut out, &outline);
    line.body_structure(&mut out, &outline, &mut PartKinds::default());
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
fn what_was_not_read_of_an_outline_is_left_out() {
    let stored = Outline::parse(b"Subject: a\r\n\r\nb").encode();
    let subject = "ENVELOPE (NIL \"a\" NIL NIL NIL NIL NIL NIL NIL NIL)";
    let text = "BODY (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0)";
    for (digest, parts, expected) in [(true, false, subject), (false, true, text)] {
        let wanted = Wanted { digest, parts };
        let outline = StoredOutline::new(stored.clone().into(), wanted).unwrap();
        let mut out = BytesMut::new();
        let mut line = FetchLine::begin(&mut out, SeqNo::MIN);
        assert_eq!(line.envelope(&mut out, &outline), digest);
        assert_eq!(
            line.body(&mut out, &outline, &mut PartKinds::default()),
            parts
        );
        line.end(&mut out);
        let expected = format!("* 1 FETCH ({expected})\r\n");
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}

#[test]
fn what_is_damaged_in_an_outline_is_left_out_whole() {
    let message = b"Subject: a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: c\r\n\r\nd\r\n--b--\r\n";
    let stored = Outline::parse(message).encode();
    let cuts = (0..stored.len()).map(|end| stored.get(..end).unwrap().to_vec());
    // Messages in one another, deeper than any that is stored: ten empty digest fields, a part.
    let level = [&[0; 14][..], &[2]].concat();
    let deep = [&[2][..], &level.repeat(100_000)].concat();
    let mut damaged = 0;
    for cut in cuts.chain([deep]) {
        // Not even a beginning.
        let Ok(outline) = StoredOutline::new(cut.into(), Wanted::ALL) else {
            continue;
        };
        damaged += 1;
        let mut out = BytesMut::new();
        let mut line = FetchLine::begin(&mut out, SeqNo::MIN);
        assert!(!line.body_structure(&mut out, &outline, &mut PartKinds::default()));
        assert!(!line.body(&mut out, &outline, &mut PartKinds::default()));
        assert!(line.is_empty());
        line.uid(&mut out, Uid::MIN);
        line.end(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), "* 1 FETCH (UID 1)\r\n");
    }
    assert!(damaged > 10, "{damaged}");
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
}
