//! Searches as the RFCs write them: fuzzy ones, and those of several mailboxes.

use bytes::BytesMut;
use imap::{Command, Names};

/// `§`, the line as it is read, and as we write it where that differs.
const SEARCHES: &[(&str, &str, &str)] = &[
    (
        "6203 §3",
        "A1 SEARCH FUZZY (SUBJECT \"IMAP break\" SEEN)",
        "",
    ),
    (
        "6203 §3",
        "A2 SEARCH FUZZY SUBJECT work FROM user@example.com",
        "",
    ),
    (
        "6203 §4",
        "B1 SEARCH RETURN (RELEVANCY ALL) FUZZY TEXT \"Helo\"",
        "B1 SEARCH RETURN (ALL RELEVANCY) FUZZY TEXT Helo",
    ),
    (
        "6203 §6",
        "C1 SORT (RELEVANCY) UTF-8 FUZZY SUBJECT Helo",
        "",
    ),
    (
        "6203 §6",
        "C3 SORT RETURN (PARTIAL 1:10) (REVERSE RELEVANCY) UTF-8 FUZZY TEXT World",
        "",
    ),
    (
        "7377 §3",
        "tag1 ESEARCH IN (mailboxes \"folder1\" subtree \"folder2\") unseen",
        "tag1 ESEARCH IN (mailboxes folder1 subtree folder2) UNSEEN",
    ),
    (
        "7377 §3",
        "tag2 ESEARCH IN (mailboxes folder1 subtree-one folder2) SUBJECT chad",
        "",
    ),
    ("7377 §4", "a ESEARCH ALL", ""),
    (
        "7377 §4",
        "a esearch in (SELECTED inboxes Personal subscribed mailboxes (inbox &AOQ-pfel)) \
         return (count) charset utf-8 all",
        "a ESEARCH IN (selected inboxes personal subscribed mailboxes (INBOX &AOQ-pfel)) \
         RETURN (COUNT) CHARSET UTF-8 ALL",
    ),
];

#[test]
fn searches_are_read_and_written() {
    for (section, line, written) in SEARCHES {
        let (tag, command) = Command::parse(line.as_bytes())
            .unwrap_or_else(|failure| panic!("{section}: {line}: {failure:?}"));
        let mut out = BytesMut::new();
        command.write(&tag, &mut out, Names::Utf7);
        let expected = if written.is_empty() { line } else { written };
        assert_eq!(String::from_utf8_lossy(&out), *expected, "{section}");
    }
}

#[test]
fn what_is_no_search_says_what_was_expected() {
    let deep = format!("a SEARCH {}ALL", "FUZZY ".repeat(100_000));
    for (line, expected) in [
        ("a ESEARCH IN () ALL", "which mailboxes to search"),
        (
            "a ESEARCH IN (selected-delayed) ALL",
            "which mailboxes to search",
        ),
        (
            "a ESEARCH IN (personal (x y)) ALL",
            "which mailboxes to search",
        ),
        ("a ESEARCH IN (mailboxes ()) ALL", "a mailbox"),
        ("a ESEARCH IN (subtree) ALL", "a space"),
        ("a ESEARCH IN (personal)", "a space"),
        ("a SEARCH FUZZY", "a search key"),
        (&deep, "at most 50 search keys inside one another"),
    ] {
        let failure = Command::parse(line.as_bytes()).unwrap_err();
        assert_eq!(failure.error.expected, expected, "{line:.60}");
    }
}
