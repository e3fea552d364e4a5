//! ENVELOPE and BODY of imaptest's messages are what imaptest expects.

use std::path::PathBuf;

use bytes::BytesMut;
use imap::response::{FetchLine, PartKinds};
use imap::{Names, Response};
use mail::SeqNo;
use message::{Outline, StoredOutline};

/// The messages of an mbox, with CRLF.
fn messages(mbox: &str) -> Vec<String> {
    let mut messages = Vec::new();
    for line in mbox.lines() {
        if line.starts_with("From ") {
            messages.push(String::new());
        } else if let Some(message) = messages.last_mut() {
            message.push_str(line);
            message.push_str("\r\n");
        }
    }
    messages
}

#[test]
fn imaptest_agrees() {
    let vectors = std::env::var("CARAMEL_VECTORS").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let folder = vectors.join("imaptest-scripts/tests");
    let mut compared = 0;
    for name in ["fetch-envelope", "fetch-bodystructure"] {
        let Ok(script) = std::fs::read_to_string(folder.join(name)) else {
            println!("no {name}: passed over");
            return;
        };
        let mbox = std::fs::read(folder.join(format!("{name}.mbox"))).unwrap();
        let messages = messages(&String::from_utf8_lossy(&mbox));
        for expected in script.lines().filter(|line| line.starts_with("* ")) {
            let expected = Response::parse(expected.as_bytes(), Names::Utf7).unwrap();
            let Response::Fetch(seq, _) = expected.clone() else {
                continue;
            };
            let at = usize::try_from(seq.value()).unwrap() - 1;
            let outline = Outline::parse(messages.get(at).unwrap().as_bytes());
            let outline = StoredOutline::from(&outline);
            let mut out = BytesMut::new();
            let mut line = FetchLine::begin(&mut out, SeqNo::new(seq.value()).unwrap());
            if name == "fetch-envelope" {
                line.envelope(&mut out, &outline);
            } else {
                line.body(&mut out, &outline, &mut PartKinds::default());
            }
            line.end(&mut out);
            let written = Response::parse(out.strip_suffix(b"\r\n").unwrap(), Names::Utf7);
            assert_eq!(written, Ok(expected), "{name} {seq}");
            compared += 1;
        }
    }
    assert_eq!(compared, 7);
}

/// A message inside of another is told with its envelope and its structure, whichever of the two
/// names its kind has.
#[test]
fn global_messages_are_messages() {
    let inside = "Subject: inside\r\n\r\ntext\r\n";
    let told = ["rfc822", "global"].map(|kind| {
        let whole = format!("Content-Type: message/{kind}\r\n\r\n{inside}");
        let outline = StoredOutline::from(&Outline::parse(whole.as_bytes()));
        let mut out = BytesMut::new();
        let mut line = FetchLine::begin(&mut out, SeqNo::MIN);
        line.body_structure(&mut out, &outline, &mut PartKinds::default());
        line.end(&mut out);
        let line = std::str::from_utf8(&out).unwrap().to_owned();
        assert!(line.contains("\"inside\""), "{line}");
        line.to_lowercase().replace(kind, "")
    });
    assert_eq!(told[0], told[1]);
}

/// Messages whose parts are of more kinds than are kept, alike and nearly alike.
fn of_many_kinds() -> Vec<StoredOutline> {
    let fields = [
        "",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
        "Content-Type: text/html; charset=utf-8\r\n",
        "Content-Type: text/plain; charset=\"a\\\"b\"\r\n",
        "Content-Type: application/pdf; name*0=a; name*1=b\r\n",
        "Content-Type: image/png\r\nContent-Disposition: attachment; filename=x\r\n",
        "Content-Type: image/png\r\nContent-Disposition: attachment; filename=y\r\n",
        "Content-Language: de, en\r\nContent-MD5: abc\r\nContent-Location: here\r\n",
        "Content-Id: <1@x.example>\r\nContent-Description: what\r\n",
        "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n",
    ];
    let mut outlines = Vec::new();
    for (at, first) in fields.iter().enumerate() {
        for second in fields {
            let text = "x\r\n".repeat(at);
            let whole = format!(
                "Content-Type: multipart/mixed; boundary=b{at}\r\n\r\n--b{at}\r\n{first}\r\n{text}\
                 \r\n--b{at}\r\n{second}\r\n{text}y\r\n--b{at}--\r\n"
            );
            for message in [&whole, &format!("{second}\r\n{text}")] {
                outlines.push(StoredOutline::from(&Outline::parse(message.as_bytes())));
            }
        }
    }
    outlines
}

#[test]
fn parts_are_told_alike_whatever_was_told_before() {
    let mut kinds = PartKinds::default();
    let mut told = 0;
    // Neighbours and strangers behind one another, told with and without the extension data.
    let outlines = of_many_kinds();
    for step in [1, 7, 50] {
        let order = (0..outlines.len()).map(|at| at * step % outlines.len());
        for (at, outline) in order.filter_map(|at| Some((at, outlines.get(at)?))) {
            let mut lines = Vec::new();
            for kinds in [&mut PartKinds::default(), &mut kinds] {
                let mut out = BytesMut::new();
                let mut line = FetchLine::begin(&mut out, SeqNo::MIN);
                if at % 3 > 0 {
                    assert!(line.body_structure(&mut out, outline, kinds));
                }
                if at % 3 < 2 {
                    assert!(line.body(&mut out, outline, kinds));
                }
                line.end(&mut out);
                lines.push(out);
            }
            assert_eq!(lines[0], lines[1]);
            told += 1;
        }
    }
    assert_eq!(told, 3 * 2 * 11 * 11);
}
