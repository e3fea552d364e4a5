//! `caramel parse` as people and programs meet it: the binary, files, standard input.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use message::{Builder, Leniency, Outline};
use serde_json::{Value, json};

/// Octets of the attachment; its base64 is some 50 MB.
const LARGE_OCTETS: usize = 19 * 1_900_000;
/// What the program may take beside the message itself.
const BESIDE_KIB_MAX: u64 = 40 * 1024;

/// Runs `caramel parse` with the message on standard input.
fn parse(words: &[&str], message: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_caramel"))
        .arg("parse")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let message = message.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&message).unwrap_or_default());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn said(words: &[&str], message: &[u8]) -> String {
    let output = parse(words, message);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn as_json(message: &[u8]) -> Value {
    serde_json::from_str(&said(&["--json", "-"], message)).unwrap()
}

fn letter() -> Vec<u8> {
    let ada = mail::Address::parse("ada@example.org").unwrap();
    let inner = b"Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\nFrom: \"a b\"@x.example\r\n\r\nin\r\n";
    Builder::new()
        .from("Ada L.", &ada)
        .to("", &ada)
        .date(mail::Timestamp::utc(0))
        .subject("Tee & Törtchen")
        .text("Grüße\n")
        .html("<p>Grüße\n")
        .attach("Plan für Ada.png", "image/png", &[0, 255, 10, 13])
        .part("message/rfc822", inner)
        .build()
}

#[test]
fn the_tree_shows_parts_and_enclosed_messages() {
    let shown = said(&["-"], &letter());
    let octets = |number: &str, what: &str| {
        let line = shown.lines().find(|line| line.contains(number)).unwrap();
        assert!(line.contains(what), "{line}");
    };
    octets("Subject", "Tee & Törtchen");
    octets("From", "Ada L. <ada@example.org>");
    octets("Date", "Thu, 1 Jan 1970 00:00:00 +0000");
    octets(
        " 1.1 text/plain",
        "(9 decoded), 1 line, utf-8, quoted-printable",
    );
    octets(
        " 2 image/png",
        "(4 decoded), base64, attachment, \"Plan für Ada.png\"",
    );
    octets(" 3 message/rfc822", "4 lines, 7bit");
    octets("Subject  Grüße", "│");
    octets(" 3.1 text/plain", "4 octets at");
    assert!(!shown.contains("repaired"), "{shown}");
}

#[test]
fn programs_get_one_object() {
    let object = as_json(&letter());
    assert_eq!(object["size"], letter().len());
    assert_eq!(object["digest"]["subject"], "Tee & Törtchen");
    let ada = json!({ "name": "Ada L.", "address": "ada@example.org" });
    assert_eq!(object["digest"]["from"], json!([ada]));
    assert_eq!(object["digest"]["date"], "1970-01-01T00:00:00+00:00");
    let root = &object["part"];
    assert_eq!(root["number"], Value::Null);
    assert_eq!(
        root["header"][0],
        json!({ "name": "From", "value": "\"Ada L.\" <ada@example.org>" })
    );
    let picture = &root["children"][1];
    assert_eq!(picture["number"], "2");
    assert_eq!(picture["decodedSize"], 4);
    assert_eq!(picture["filename"], "Plan für Ada.png");
    let enclosed = &root["children"][2];
    assert_eq!(enclosed["digest"]["subject"], "Grüße");
    assert_eq!(
        enclosed["digest"]["from"][0]["address"],
        "\"a b\"@x.example"
    );
    assert_eq!(enclosed["children"][0]["number"], "3.1");
    assert_eq!(object["repaired"], json!([]));
}

#[test]
fn groups_and_octets_that_are_no_text() {
    let message = b"From: team: a@x, B <b@x>;\r\nTo: Undisclosed recipients:;\r\n\
        Subject: \xff\xfe\r\n\r\n\xff";
    let object = as_json(message);
    let from = &object["digest"]["from"];
    assert_eq!(
        from[1],
        json!({ "name": "B", "address": "b@x", "group": "team" })
    );
    assert_eq!(
        object["digest"]["to"],
        json!([{ "group": "Undisclosed recipients" }])
    );
    assert_eq!(object["digest"]["subject"], "ÿþ");
}

#[test]
fn a_part_is_written_as_it_was_before_it_was_encoded() {
    let message = letter();
    let written = |words: &[&str]| parse(words, &message).stdout;
    assert_eq!(written(&["-", "--part", "2"]), [0, 255, 10, 13]);
    assert_eq!(written(&["-", "--part", "1.1"]), "Grüße\r\n".as_bytes());
    assert!(written(&["-", "--part", "3"]).starts_with(b"Subject: =?iso"));
    assert_eq!(written(&["-", "--part", "3.1"]), b"in\r\n");
    let latin = b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\xe4\r\n";
    assert_eq!(
        parse(&["-", "--part", "1", "--text"], latin).stdout,
        "ä\r\n".as_bytes()
    );
    assert_eq!(parse(&["-", "--part", "1"], latin).stdout, b"\xe4\r\n");
    let shown = said(&["-", "--part", "2", "--header"], &message);
    assert!(shown.starts_with("Content-Type: image/png\n"), "{shown}");
}

#[test]
fn what_is_asked_wrongly_is_said_with_a_next_step() {
    for (words, message, code, what) in [
        (
            &["-", "--part", "9.1"][..],
            &b""[..],
            1,
            "there is no part 9.1",
        ),
        (&["-", "--part", "0"], b"", 2, "numbers from 1"),
        (
            &["-", "--part", "2", "--json"],
            b"",
            2,
            "cannot be used with",
        ),
        (
            &["/no/such/letter.eml"],
            b"",
            1,
            "/no/such/letter.eml cannot be read",
        ),
        (&["/"], b"", 1, "/ cannot be read"),
        (
            &["-", "--part", "1", "--text"],
            b"Content-Type: a/b\n\n",
            1,
            "it is a/b",
        ),
    ] {
        let output = parse(words, message);
        assert_eq!(output.status.code(), Some(code), "{words:?}");
        assert!(output.stdout.is_empty(), "{words:?}");
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(complaint.contains(what), "{complaint}");
        assert!(code == 2 || complaint.contains("\n  next: "), "{complaint}");
    }
}

#[test]
fn nothing_written_in_a_message_reaches_the_terminal_as_a_command() {
    let message = "Subject: =?utf-8?Q?a=1B[2Jb=0Ac?= \u{202e}evil\r\nX: \x1b]0;x\x07\r\n\
        Content-Type: text/plain; name=\"\x1b[31m\"; charset=\"\x1b\"\r\n\r\n";
    for words in [&["-"][..], &["-", "--header"]] {
        let shown = said(words, message.as_bytes());
        let bad = |letter: char| letter != '\n' && letter.is_control() || letter == '\u{202e}';
        assert!(!shown.contains(bad), "{shown:?}");
        assert!(shown.contains("a\u{fffd}[2Jb\u{fffd}c"), "{shown:?}");
    }
}

#[test]
fn no_line_is_longer_than_a_screen_is_wide() {
    let mut deep = Vec::new();
    for level in 0..70 {
        let field = format!(
            "Subject: {}\r\nContent-Type: message/rfc822\r\n\r\n",
            "x ".repeat(level * 9)
        );
        deep.extend_from_slice(field.as_bytes());
    }
    let mut to = String::from("To: ");
    to.push_str(&"someone.with.a.long.name@a.long.domain.example, ".repeat(400));
    to.push_str(&format!("\r\nSubject: {}\r\n\r\n", "y".repeat(3000)));
    for message in [
        &deep[..],
        to.as_bytes(),
        b"",
        b"From ada Mon\n\nnot one message",
    ] {
        let shown = said(&["-"], message);
        let longest = shown.lines().map(|line| line.chars().count()).max();
        assert!(
            longest.is_some_and(|longest| (20..=100).contains(&longest)),
            "{shown}"
        );
        assert!(shown.lines().count() < 800, "{shown}");
    }
}

#[test]
fn what_was_repaired_has_its_name_and_its_meaning() {
    let open = b"Content-Type: multipart/mixed; boundary=b\r\nContent-Type: text/plain\r\n\r\n\
        --b\r\n\r\nhi\r\n";
    let found = as_json(open);
    let names = [Leniency::RepeatedField.name(), Leniency::Unclosed.name()];
    for name in names {
        let all = found["repaired"].as_array().unwrap();
        assert!(all.iter().any(|one| one == name), "{all:?}");
    }
    let shown = said(&["-"], open);
    assert!(
        shown.contains("\n  unclosed-multipart      A multipart has no close"),
        "{shown}"
    );
}

#[test]
fn files_inside_a_text_and_odd_reports_are_shown() {
    let message = b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\n\
        begin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\n--b\r\n\
        Content-Type: message/delivery-status\r\n\r\nStatus: x\r\n--b--\r\n";
    let found = as_json(message);
    let parts = found["part"]["children"].as_array().unwrap();
    let file = json!([{ "name": "cat.txt", "type": null, "size": 3 }]);
    assert_eq!(parts[0]["enclosed"], file);
    assert_eq!(parts[1]["enclosed"], Value::Null);
    assert_eq!(parts[1]["repaired"], json!(["report-repaired"]));
    let shown = said(&["-"], message);
    assert!(shown.contains("holds \"cat.txt\" of 3 octets"), "{shown}");
}

/// A letter through a list, with a choice of texts, a picture and a report's worth of trace.
const LISTED: &[u8] = b"Received: from mx.example (HELO a.example) by b.example with ESMTPS\r\n \
    id 7F for <ada@example.org>; Mon, 23 Nov 2026 20:15:00 +0100\r\n\
    Received: by a.example; x\r\n\
    Authentication-Results: b.example; spf=pass smtp.mailfrom=a.example;\r\n \
    dkim=fail reason=\"bad signature\" header.d=a.example\r\n\
    Authentication-Results: half a field\r\n\
    List-Id: Sea stories <sea.example>\r\nList-Post: NO\r\n\
    List-Unsubscribe: <mailto:off@sea.example>, <https://sea.example/off>\r\n\
    List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\
    Keywords: tide, =?utf-8?q?M=C3=B6we?=\r\nKeywords: salt\r\n\
    Content-Type: multipart/mixed; boundary=m\r\n\r\n\
    --m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
    --a\r\nContent-Type: text/plain; format=flowed; charset=utf-8\r\n\r\n\
    Ahoy, \r\nsailor!\r\n> old \r\n> words\r\n-- \r\nM\xc3\xb6we\x1b[2J\r\n\
    --a\r\nContent-Type: text/html\r\n\r\n<p>Ahoy, <b>sailor</b>!\r\n--a--\r\n\
    --m\r\nContent-Type: image/png\r\nContent-Disposition: attachment\r\n\r\nx\r\n\
    --m\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n\
    <style>p{}</style><p>M\xf6wen<br>fly<p>home\r\n--m--\r\n";

#[test]
fn programs_are_told_what_is_read_and_what_is_attached() {
    let found = as_json(LISTED);
    assert_eq!(found["preview"], "Ahoy, sailor! M\u{f6}wen fly home");
    assert_eq!(found["hasAttachment"], true);
    assert_eq!(found["textBody"], json!(["1.1", "3"]));
    assert_eq!(found["htmlBody"], json!(["1.2", "3"]));
    assert_eq!(found["attachments"], json!(["2"]));
    let plain = as_json(b"Subject: x\r\n\r\nhi\r\n");
    assert_eq!(plain["hasAttachment"], false);
    assert_eq!(plain["textBody"], json!(["1"]));
    assert_eq!(plain["attachments"], json!([]));
    for key in ["list", "keywords"] {
        assert!(plain.get(key).is_none(), "{key}");
    }
    for key in ["authenticationResults", "received"] {
        assert_eq!(plain[key], json!([]), "{key}");
    }
}

#[test]
fn programs_are_told_of_the_list_the_way_and_the_checks() {
    let found = as_json(LISTED);
    let list = json!({
        "id": "sea.example", "name": "Sea stories", "help": [], "post": [], "closed": true,
        "subscribe": [], "unsubscribe": ["mailto:off@sea.example", "https://sea.example/off"],
        "owner": [], "archive": [], "oneClick": "https://sea.example/off",
    });
    assert_eq!(found["list"], list);
    assert_eq!(found["keywords"], json!(["tide", "M\u{f6}we", "salt"]));
    let hop = json!({
        "from": "mx.example", "helo": "a.example", "peerName": null, "peer": null,
        "by": "b.example", "via": null, "with": "ESMTPS", "id": "7F", "for": "ada@example.org",
        "tlsVersion": null, "tlsCipher": null, "date": "2026-11-23T20:15:00+01:00",
    });
    assert_eq!(found["received"][0], hop);
    assert_eq!(found["received"][1]["by"], "a.example");
    assert_eq!(found["received"][1]["date"], Value::Null);
    let from = |kind: &str, name: &str| json!({ "type": kind, "name": name, "value": "a.example" });
    let checks = json!([{
        "server": "b.example",
        "version": 1,
        "results": [
            {
                "method": "spf", "version": 1, "result": "pass", "reason": null,
                "properties": [from("smtp", "mailfrom")],
            },
            {
                "method": "dkim", "version": 1, "result": "fail", "reason": "bad signature",
                "properties": [from("header", "d")],
            },
        ],
    }]);
    assert_eq!(found["authenticationResults"], checks);
}

#[test]
fn the_tree_says_how_the_message_is_read() {
    let shown = said(&["-"], LISTED);
    for line in [
        "│ Preview  Ahoy, sailor! M\u{f6}wen fly home",
        "│ Read as  1.1, 3 / 1.2, 3; attachments: 2",
        "│ List     Sea stories <sea.example>, unsubscribe at once: https://sea.example/off,",
        "│          closed to letters",
        "│ Checks   b.example: spf=pass dkim=fail",
    ] {
        assert!(shown.lines().any(|one| one == line), "{line}\n{shown}");
    }
    let plain = said(&["-"], b"Subject: x\r\n\r\nhi\r\n");
    assert!(plain.contains("│ Preview  hi\n"), "{plain}");
    assert!(!plain.contains("Read as"), "{plain}");
    let picture = said(&["-"], b"Content-Type: application/pdf\r\n\r\n%\r\n");
    let read = "│ Read as  nothing; attachments: 1\n";
    assert!(picture.contains(read), "{picture}");
    // A long text's preview is one line.
    let text = format!("\r\n{}", "a b\u{202e} ".repeat(500));
    let long = said(&["-"], text.as_bytes());
    let previews = long.lines().filter(|line| line.contains("a b\u{fffd} a b"));
    assert_eq!(previews.count(), 1, "{long}");
}

#[test]
fn the_body_is_what_a_reader_reads() {
    let body = |message: &[u8]| said(&["-", "--body"], message);
    assert_eq!(
        body(LISTED),
        "Ahoy, sailor!\n> old words\n-- \nM\u{f6}we\u{fffd}[2J\nM\u{f6}wen\nfly\n\nhome\n"
    );
    assert_eq!(body(b"Subject: x\r\n\r\na\r\n\tb\rc"), "a\n\tb\u{fffd}c\n");
    assert_eq!(body(b""), "");
    let picture = b"Content-Type: image/png\r\n\r\nx";
    let output = parse(&["-", "--body"], picture);
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(
        complaint.contains("there is no text to read"),
        "{complaint}"
    );
    for other in [&["--json"][..], &["--header"], &["--part", "1"]] {
        let words = [&["-", "--body"][..], other].concat();
        assert_eq!(parse(&words, b"").status.code(), Some(2), "{words:?}");
    }
}

/// A report with one part, of this kind.
fn report(kind: &str, body: &str) -> Vec<u8> {
    format!(
        "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n\
         --b\r\nContent-Type: message/{kind}\r\n\r\n{body}\r\n--b--\r\n"
    )
    .into_bytes()
}

#[test]
fn delivery_reports_are_read() {
    let body = "Reporting-MTA: dns; mx.example\r\nOriginal-Envelope-Id: e1\r\n\r\n\
        Final-Recipient: rfc822; ada@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\
        Diagnostic-Code: smtp; 550 no \x1b[31muser\r\nRemote-MTA: dns; mx.example.org\r\n\r\n\
        Final-Recipient: rfc822; bob@example.org\r\nAction: delayed\r\nStatus: 4.4.1\r\n\
        Will-Retry-Until: Mon, 23 Nov 2026 20:15:00 +0100\r\nX-Queue: 9\r\n";
    let message = report("delivery-status", body);
    let found = as_json(&message);
    let status = &found["part"]["children"][1]["deliveryStatus"];
    let mta = json!({ "type": "dns", "value": "mx.example", "address": null });
    assert_eq!(status["reportingMta"], mta);
    assert_eq!(status["originalEnvelopeId"], "e1");
    let [failed, delayed] = status["recipients"].as_array().unwrap().as_slice() else {
        panic!("{status}");
    };
    assert_eq!(failed["finalRecipient"]["address"], "ada@example.org");
    assert_eq!(
        (&failed["action"], &failed["status"]),
        (&json!("failed"), &json!("5.1.1"))
    );
    assert_eq!(failed["diagnosticCode"]["type"], "smtp");
    assert_eq!(delayed["willRetryUntil"], "2026-11-23T20:15:00+01:00");
    assert_eq!(
        delayed["others"],
        json!([{ "name": "X-Queue", "value": "9" }])
    );
    let shown = said(&["-"], &message);
    for line in [
        "         failed ada@example.org 5.1.1 \"550 no \u{fffd}[31muser\" says mx.example.org",
        "         delayed bob@example.org 4.4.1 tried until Mon, 23 Nov 2026 20:15:00 +0100",
    ] {
        assert!(shown.lines().any(|one| one == line), "{line}\n{shown}");
    }
    let many =
        "\r\nFinal-Recipient: rfc822; a@b\r\nAction: failed\r\nStatus: 5.0.0\r\n".repeat(500);
    let shown = said(&["-"], &report("delivery-status", &many));
    assert!(shown.contains("and more (500 recipients)"), "{shown}");
    assert!(shown.lines().count() < 40, "{shown}");
}

#[test]
fn receipts_and_complaints_are_read() {
    let body = "Reporting-UA: pc.example; Mailer 1\r\n\
        Final-Recipient: rfc822; ada@example.org\r\nOriginal-Message-ID: <1@x>\r\n\
        Disposition: automatic-action/MDN-sent-manually; processed/error\r\nError: no room\r\n";
    let message = report("disposition-notification", body);
    let found = as_json(&message);
    let receipt = &found["part"]["children"][1]["dispositionNotification"];
    let disposition = json!({
        "actionMode": "automatic-action", "sendingMode": "mdn-sent-manually",
        "type": "processed", "modifiers": ["error"],
    });
    assert_eq!(receipt["disposition"], disposition);
    let agent = json!({ "name": "pc.example", "product": "Mailer 1" });
    assert_eq!(receipt["reportingUa"], agent);
    assert_eq!(receipt["originalMessageId"], "1@x");
    assert_eq!(receipt["error"], json!(["no room"]));
    let shown = said(&["-"], &message);
    for line in [
        "         processed/error ada@example.org by a program, receipt sent by a person",
        "         error \"no room\"",
    ] {
        assert!(shown.lines().any(|one| one == line), "{line}\n{shown}");
    }

    let body = "Feedback-Type: abuse\r\nUser-Agent: Button/1.0\r\nVersion: 1\r\n\
        Original-Mail-From: <spam@example.net>\r\nOriginal-Rcpt-To: <ada@example.org>\r\n\
        Source-IP: 192.0.2.2\r\nIncidents: 3\r\nReported-URI: https://x.example/\r\n";
    let message = report("feedback-report", body);
    let found = as_json(&message);
    let complaint = &found["part"]["children"][1]["feedbackReport"];
    assert_eq!(complaint["feedbackType"], "abuse");
    assert_eq!(complaint["sourceIp"], "192.0.2.2");
    assert_eq!(complaint["originalRcptTo"], json!(["<ada@example.org>"]));
    assert_eq!(complaint["reportedUri"], json!(["https://x.example/"]));
    let shown = said(&["-"], &message);
    let verdict = "abuse <spam@example.net> from 192.0.2.2 for <ada@example.org> (3 times)\n";
    assert!(shown.contains(verdict), "{shown}");
}

#[test]
fn a_large_message_takes_little_memory_beside_itself() {
    let content = b"any octets at all\0\xff".repeat(LARGE_OCTETS / 19);
    let message = Builder::new()
        .attach("large.bin", "application/x", &content)
        .build();
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("large.eml");
    std::fs::write(&path, &message).unwrap();
    assert!(Outline::parse(&message[..1000]).root.filename().is_some());
    let limit = message.len() as u64 / 1024 + BESIDE_KIB_MAX;
    // The shell's limit is on the address space, of which libraries take some.
    let command = format!("ulimit -d {limit}; exec \"$0\" parse \"$1\"");
    let output = Command::new("sh")
        .args(["-c", &command, env!("CARGO_BIN_EXE_caramel")])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains(&format!("({LARGE_OCTETS} decoded)")),
        "{shown}"
    );
}
