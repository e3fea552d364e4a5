//! Questions and answers, those included that nobody should give.

use super::*;
use crate::Letter;

const LETTER: &[u8] =
    b"Received: a\r\nSubject: Tea\r\nX-Spam: No\r\nX-A: 1\r\nX-A: 2\r\n\r\nAt five?\r\n";

fn read(text: &str) -> RspamdAnswer {
    RspamdAnswer::read(text.as_bytes()).unwrap()
}

/// The letter's header as it is with what an answer changes.
fn changed(text: &str) -> String {
    let mut letter = Letter::read(LETTER);
    letter.change(&read(text).changes);
    let text = String::from_utf8(letter.octets()).unwrap();
    let (header, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "At five?\r\n");
    header.replace("\r\n", "|")
}

#[test]
fn what_is_asked() {
    let recipients = ["ada@example.org".to_owned(), "a\nb@x.example".to_owned()];
    let ask = RspamdAsk {
        client: Some("::ffff:192.0.2.1".parse().unwrap()),
        helo: "client.example\r\nUser: root",
        sender: "",
        recipients: &recipients,
        user: "",
        queue_id: "7",
        host: "mx.example",
        tls_version: "TLS1.3",
        tls_cipher: "X",
        password: "q\n",
    };
    let expected = [
        ("IP", "192.0.2.1"),
        ("Helo", "client.exampleUser: root"),
        ("From", "<>"),
        ("Queue-Id", "7"),
        ("MTA-Name", "mx.example"),
        ("TLS-Version", "TLS1.3"),
        ("TLS-Cipher", "X"),
        ("Password", "q"),
        ("Rcpt", "ada@example.org"),
        ("Rcpt", "ab@x.example"),
    ];
    let fields = ask.fields();
    let told: Vec<(&str, &str)> = fields.iter().map(|(name, one)| (*name, &**one)).collect();
    assert_eq!(told, expected);
    let alone = RspamdAsk {
        recipients: &recipients[..1],
        sender: "bob@example.net",
        user: "ada",
        ..RspamdAsk::default()
    };
    let expected = [
        ("From", "bob@example.net"),
        ("User", "ada"),
        ("Rcpt", "ada@example.org"),
        ("Deliver-To", "ada@example.org"),
    ];
    let fields = alone.fields();
    let told: Vec<(&str, &str)> = fields.iter().map(|(name, one)| (*name, &**one)).collect();
    assert_eq!(told, expected);
}

#[test]
fn actions() {
    let said = |code, status, text: &str| Verdict::Reply(code, Some(status), text.to_owned());
    for (answer, expected) in [
        (r#"{"action":"no action"}"#, Verdict::Continue),
        (r#"{"action":"something new"}"#, Verdict::Continue),
        (r#"{"action":"greylist"}"#, Verdict::Continue),
        (r#"{"action":"add header"}"#, Verdict::Continue),
        (r#"{"action":"soft reject"}"#, Verdict::TemporaryFailure),
        (r#"{"action":"soft_reject"}"#, Verdict::TemporaryFailure),
        (
            r#"{"action":"soft reject","messages":{"smtp_message":"Try again later"}}"#,
            said(451, (4, 7, 1), "Try again later"),
        ),
        (r#"{"action":"reject"}"#, Verdict::Reject),
        (
            r#"{"action":"reject","messages":{"smtp_message":"5.7.9 Gtube\r\n250 ok é"}}"#,
            said(550, (5, 7, 9), "Gtube  250 ok ?"),
        ),
        // The status is of another class: it is a word.
        (
            r#"{"action":"reject","messages":{"smtp_message":"4.7.1 no"}}"#,
            said(550, (5, 7, 1), "4.7.1 no"),
        ),
        (
            r#"{"action":"reject","milter":{"reject":"not here"}}"#,
            said(550, (5, 7, 1), "not here"),
        ),
        (
            r#"{"action":"reject","milter":{"reject":"discard"}}"#,
            Verdict::Discard,
        ),
        (
            r#"{"action":"reject","milter":{"reject":"quarantine"}}"#,
            Verdict::Continue,
        ),
        (r#"{"action":"discard"}"#, Verdict::Discard),
        (
            r#"{"action":"reject","milter":{"no_action":true}}"#,
            Verdict::Continue,
        ),
        // Things that are something else than they should be.
        (
            r#"{"action":"reject","messages":["a"],"milter":[],"symbols":7,"score":"x"}"#,
            Verdict::Reject,
        ),
    ] {
        let found = read(answer);
        assert_eq!(found.verdict, expected, "{answer}");
        assert_eq!(found.asks_back, answer.contains("greylist"), "{answer}");
        let is_apart = |change: &Change| matches!(change, Change::Quarantine(_));
        let is_apart = found.changes.iter().any(is_apart);
        let expected = answer.contains("quarantine") || answer.contains("add header");
        assert_eq!(is_apart, expected, "{answer}");
    }
    let long = format!(
        r#"{{"action":"reject","messages":{{"smtp_message":"{}"}}}}"#,
        "x".repeat(2000)
    );
    let Verdict::Reply(_, _, words) = read(&long).verdict else {
        panic!()
    };
    assert_eq!(words.len(), TEXT_LETTERS_MAX);
}

#[test]
fn changes_of_the_header() {
    for (answer, expected) in [
        (
            r#"{"action":"add header"}"#,
            "Received: a|Subject: Tea|X-A: 1|X-A: 2|X-Spam: Yes",
        ),
        (
            r#"{"action":"add header","milter":{"spam_header":"X-Junk"}}"#,
            "Received: a|Subject: Tea|X-Spam: No|X-A: 1|X-A: 2|X-Junk: Yes",
        ),
        (
            r#"{"action":"add header","milter":{"spam_header":"X: y\r\nZ"}}"#,
            "Received: a|Subject: Tea|X-A: 1|X-A: 2|X-Spam: Yes",
        ),
        (
            r#"{"action":"rewrite subject","subject":"*** SPAM *** Té\r\nBcc: x"}"#,
            "Received: a|Subject: *** SPAM *** =?utf-8?Q?T=C3=A9__Bcc=3A_x?=|X-Spam: No|X-A: 1|\
             X-A: 2",
        ),
        (
            r#"{"action":"rewrite subject","subject":"=?UTF-8?Q?T=C3=A9?=\nBcc: x"}"#,
            "Received: a|Subject: =?UTF-8?Q?T=C3=A9?= Bcc: x|X-Spam: No|X-A: 1|X-A: 2",
        ),
        (
            r#"{"action":"rewrite subject"}"#,
            "Received: a|Subject: Tea|X-Spam: No|X-A: 1|X-A: 2",
        ),
        (
            r#"{"action":"reject","milter":{"no_action":true}}"#,
            "Received: a|Subject: Tea|X-Spam: No|X-A: 1|X-A: 2|X-Rspamd-Action: reject",
        ),
        (
            r#"{"action":"no action","dkim-signature":"v=1;\r\n\tb=x","milter":{
                "remove_headers":{"x-a":0,"Subject":"no","X-Spam":[1,-1]},
                "add_headers":{
                    "X-Plain":"v",
                    "X-Many":["a",{"value":"b","order":1},7],
                    "X-First":{"value":"c\nX-Evil: d","order":0},
                    "X-Last":{"value":"e","order":-1},
                    "Not a name":"f",
                    "":"g",
                    "X-Empty":{}
                }}}"#,
            "DKIM-Signature: v=1;|\tb=x|X-First: c|\tX-Evil: d|X-Many: b|Received: a|Subject: Tea|\
             X-Last: e|X-Many: a|X-Plain: v",
        ),
        (
            r#"{"action":"no action","dkim-signature":["a","b"]}"#,
            "DKIM-Signature: b|DKIM-Signature: a|Received: a|Subject: Tea|X-Spam: No|X-A: 1|\
             X-A: 2",
        ),
    ] {
        assert_eq!(changed(answer), expected, "{answer}");
    }
}

#[test]
fn changes_of_the_envelope() {
    let answer = r#"{"action":"no action","milter":{"change_from":"bob@example.net",
        "add_rcpt":["<a@b.example>",7,""],
        "del_rcpt":["c@d.example\r\nRCPT TO:<x>","e@f.example"]}}"#;
    let expected = [
        Change::ChangeSender("bob@example.net".into(), String::new()),
        Change::AddRecipient("<a@b.example>".into(), String::new()),
        Change::RemoveRecipient("e@f.example".into()),
    ];
    assert_eq!(read(answer).changes, expected);
}

#[test]
fn scores_are_told() {
    for (answer, note, percent) in [
        (r#"{"action":"no action"}"#, "no action", None),
        (
            r#"{"action":"add header","score":8,"required_score":15.0,"symbols":{
                "ONE":{"score":0.5},"HEAVY":{"score":7.499,"options":["x"]},
                "GOOD":{"score":-0.001}}}"#,
            "add header, 8 of 15 (HEAVY 7.5, ONE 0.5, GOOD 0)",
            Some(53),
        ),
        (
            r#"{"action":"no action","score":-3.25,"required_score":15}"#,
            "no action, -3.25 of 15",
            Some(0),
        ),
        (
            r#"{"action":"reject","score":1e300,"required_score":1e-300}"#,
            "",
            Some(100),
        ),
        (
            r#"{"action":"no action","score":3,"required_score":0}"#,
            "no action, 3 of 0",
            None,
        ),
        (
            r#"{"action":"no action","score":3,"required_score":null}"#,
            "no action, 3",
            None,
        ),
        (
            r#"{"action":"reject","is_skipped":true,"score":15,"required_score":15}"#,
            "reject, 15 of 15",
            Some(100),
        ),
        (
            r#"{"action":"no action","is_skipped":true,"score":0,"required_score":15}"#,
            "no action",
            None,
        ),
    ] {
        let read = read(answer);
        assert_eq!(read.percent(), percent, "{answer}");
        if !note.is_empty() {
            assert_eq!(read.note(), note, "{answer}");
        }
    }
    let many: Vec<String> = (0..40)
        .map(|n| format!(r#""S{n}\n":{{"score":1}}"#))
        .collect();
    let many = format!(
        r#"{{"action":"no action","symbols":{{{}}}}}"#,
        many.join(",")
    );
    let note = read(&many).note();
    assert!(note.starts_with("no action (S0 1, S1 1, "), "{note}");
    assert!(note.ends_with(", 24 more)"), "{note}");
}

#[test]
fn what_is_no_answer() {
    let deep = format!(r#"{{"action":"no action","milter":{}"#, "[".repeat(10_000));
    for text in [
        "",
        "no",
        "[]",
        "{}",
        r#"{"action":7}"#,
        r#"{"error":"too many letters"}"#,
        r#"{"action":"reject""#,
        r#"{"action":"reject","score":1e999}"#,
        &deep,
    ] {
        assert!(RspamdAnswer::read(text.as_bytes()).is_err(), "{text:.60}");
    }
    let many = vec![r#""v""#; CHANGES_MAX + 1].join(",");
    let many = format!(r#"{{"action":"no action","milter":{{"add_headers":{{"X":[{many}]}}}}}}"#);
    let said = RspamdAnswer::read(many.as_bytes());
    assert_eq!(said, Err(RspamdError::Changes));
    assert!(RspamdAnswer::read(b"{\"action\":\"\xff\"}").is_err());
}
