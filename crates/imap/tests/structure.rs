//! ENVELOPE and BODY of imaptest's messages are what imaptest expects.

use std::path::PathBuf;

use bytes::BytesMut;
use imap::response::FetchLine;
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
                line.body(&mut out, &outline);
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
        line.body_structure(&mut out, &outline);
        line.end(&mut out);
        let line = std::str::from_utf8(&out).unwrap().to_owned();
        assert!(line.contains("\"inside\""), "{line}");
        line.to_lowercase().replace(kind, "")
    });
    assert_eq!(told[0], told[1]);
}
