//! One letter within another: whoever takes for the end of a letter what the one before did not,
//! takes the rest for commands.

use std::io::Write as _;
use std::process::Stdio;

use interop::{Talk, Tls, program};

use super::machine::feed;
use super::sink::wait;
use super::{ADA, House, STRANGER, says};

/// What others have taken for the end of a letter. A CR or an LF stands alone in each.
const ENDS: &[&str] = &[
    "\n.\n",
    "\n.\r\n",
    "\n.\r",
    "\r\n.\n",
    "\r\n.\r",
    "\r.\r",
    "\r.\n",
    "\r.\r\n",
    "\r\r\n.\r\r\n",
    "\r\n.\r\r\n",
    "\r\n.\n\r",
    "\n\r.\n\r",
    "\r\0\n.\r\n",
    "\r\n.\r\0\n",
    "\r\0\n.\r\0\n",
    "\n\0.\0\n",
];

/// What is a line like any other, though some leave out what is beside the dot.
const LINES: &[&str] = &[
    "\r\n\0.\r\n",
    "\r\n\0\0.\r\n",
    "\r\n.\0\r\n",
    "\r\n\0.\0\r\n",
    "\r\n. \r\n",
    "\r\n.\t\r\n",
    "\r\n .\r\n",
    "\r\n..\r\n",
    "\x0b.\x0b",
    "\x0c.\x0c",
    "\u{85}.\u{85}",
    "\u{2028}.\u{2028}",
];

/// A transaction of its own.
const INNER: &str = "MAIL FROM:<eve@inner.example>\r\nRCPT TO:<ada@test.localhost>\r\n\
    RCPT TO:<user@there.example>\r\nDATA\r\nSubject: inner\r\n\r\nx";

/// A letter with another behind what some take for its end.
fn outer(end: &str) -> String {
    format!("Subject: outer\r\n\r\nx{end}{INNER}")
}

#[test]
fn a_letter_ends_at_one_spelling_alone() {
    let house = House::start("");
    let mut talk = house.greet(STRANGER);
    let mut taken = 0;
    for (ends, expected) in [(ENDS, "550 5.6.11 "), (LINES, "250 2.0.0 ")] {
        for end in ends {
            let text = outer(end) + "\r\n.\r\n";
            // In one packet, in two that are cut within the end, octet by octet.
            let cut = text.find(end).unwrap();
            let whole = [text.as_bytes()];
            let mut ways: Vec<Vec<&[u8]>> = vec![whole.to_vec()];
            for at in 1..end.len() {
                let (front, back) = text.as_bytes().split_at(cut + at);
                ways.push(vec![front, back]);
            }
            ways.push(text.as_bytes().chunks(1).collect());
            for pieces in ways {
                says(&mut talk, "MAIL FROM:<eve@a.example> BODY=8BITMIME", "250 ");
                says(&mut talk, &format!("RCPT TO:<{ADA}>"), "250 ");
                says(&mut talk, "DATA", "354 ");
                for piece in pieces {
                    talk.send(piece).unwrap();
                }
                let said = talk.smtp_reply().unwrap();
                assert!(said.starts_with(expected), "{end:?}: {said}");
                // One answer and no more.
                says(&mut talk, "VRFY next", "252 ");
                taken += usize::from(said.starts_with("250 "));
            }
        }
    }
    let mail = house.machine.mail(ADA);
    assert_eq!(mail.len(), taken);
    let header = |one: &String| one.split("\r\n\r\n").next().unwrap().to_owned();
    assert!(
        mail.iter()
            .all(|one| header(one).contains("Subject: outer"))
    );
    house.has_sent_nothing();
}

/// What stands in front of the true end does not make another of it.
#[test]
fn the_true_end_is_one_whatever_stands_before_it() {
    let house = House::start("");
    for before in ["\n", "\r", "\n\r", "\r\0\n", "\n\n"] {
        let mut talk = house.greet(STRANGER);
        says(&mut talk, "MAIL FROM:<eve@a.example>", "250 ");
        says(&mut talk, &format!("RCPT TO:<{ADA}>"), "250 ");
        says(&mut talk, "DATA", "354 ");
        let text = format!("Subject: outer\r\n\r\nx{before}\r\n.\r\nVRFY next\r\n");
        talk.send(text.as_bytes()).unwrap();
        let said = talk.smtp_reply().unwrap();
        assert!(said.starts_with("550 5.6.11 "), "{before:?}: {said}");
        assert!(talk.smtp_reply().unwrap().starts_with("252 "), "{before:?}");
    }
    assert!(house.machine.mail(ADA).is_empty());
}

/// Letters for elsewhere, by all doors: a host that ends them at any of these spellings, and leaves
/// out NUL, sees as many as there are.
#[test]
fn no_letter_that_leaves_holds_another() {
    let house = House::start("");
    house.sink.switch("lenient", true);
    let words = ["alias", "add", "away@test.localhost", "user@there.example"];
    house.server().command(&words, "").unwrap();
    let by_submission = submitted(&house);
    let by_lmtp = by_lmtp(&house);
    let by_sendmail = by_sendmail(&house);
    let all = by_submission + by_lmtp + by_sendmail;
    let taken = house.sink.takes(all);
    wait(|| house.machine.is_done().then_some(()));
    for letter in &taken {
        let body = letter["body"].as_str().unwrap();
        let header = body.split("\r\n\r\n").next().unwrap();
        assert!(header.contains("Subject: outer"), "{letter}");
        assert!(body.contains("MAIL FROM:<eve@inner.example>"), "{letter}");
        assert!(!body.contains("never"), "{letter}");
    }
    assert_eq!(house.sink.taken().len(), all);
    assert!(by_submission > LINES.len() && by_lmtp > LINES.len());
}

/// By DATA and BDAT at the door for submission; how many were taken.
fn submitted(house: &House) -> usize {
    let address = house.server().address("submission", Tls::Implicit);
    let authority = house.server().authority().unwrap();
    let mut letters = Vec::new();
    for end in ENDS.iter().chain(LINES).chain(&["\r\n.\r\n"]) {
        for way in ["data", "bdat", "binary"] {
            // By DATA that is an end.
            if way != "data" || *end != "\r\n.\r\n" {
                letters.push((way, outer(end)));
            }
        }
    }
    let script = include_str!("../python/smuggle.py");
    let words = ["-c", script, &address.to_string(), &authority];
    let input = serde_json::to_string(&letters).unwrap();
    let ended = program("python3", &words, house.server().folder(), &input).unwrap();
    assert!(ended.well, "{}", ended.err);
    let answers: Vec<&str> = ended.out.lines().collect();
    assert_eq!(answers.len(), letters.len(), "{}", ended.out);
    for ((way, text), answer) in letters.iter().zip(&answers) {
        let is_bare = ENDS.iter().any(|end| text.contains(&format!("x{end}M")));
        let expected = match (*way, is_bare) {
            // BINARYMIME is not offered.
            ("binary", _) => "501 5.5.4",
            (_, true) => "550 5.6.11",
            (_, false) => "250 2.0.0",
        };
        assert!(answer.starts_with(expected), "{way} {text:?}: {answer}");
    }
    answers.iter().filter(|one| one.starts_with("250")).count()
}

/// By DATA and BDAT from another mail system here, for an alias that leads elsewhere.
fn by_lmtp(house: &House) -> usize {
    let address = house.server().address("lmtp", Tls::None);
    let (mut talk, _) = Talk::open(address).unwrap();
    says(&mut talk, "LHLO client.example", "250 ");
    let mut taken = 0;
    for end in ENDS.iter().chain(LINES).chain(&["\r\n.\r\n"]) {
        let expected = match ENDS.contains(end) {
            true => "550 5.6.11 ",
            false => "250 2.0.0 ",
        };
        let text = outer(end) + "\r\n";
        for chunked in [true, false] {
            if !chunked && *end == "\r\n.\r\n" {
                continue;
            }
            says(&mut talk, "MAIL FROM:<eve@a.example> BODY=8BITMIME", "250 ");
            says(&mut talk, "RCPT TO:<away@test.localhost>", "250 ");
            if chunked {
                let line = format!("BDAT {} LAST\r\n", text.len());
                talk.send(line.as_bytes()).unwrap();
                talk.send(text.as_bytes()).unwrap();
            } else {
                says(&mut talk, "DATA", "354 ");
                talk.send(text.as_bytes()).unwrap();
                talk.send(b".\r\n").unwrap();
            }
            let said = talk.smtp_reply().unwrap();
            assert!(said.starts_with(expected), "{end:?}: {said}");
            taken += usize::from(said.starts_with("250 "));
        }
    }
    taken
}

/// From a file on this machine, where lines end as they please: `sendmail -i`, and a pipe.
fn by_sendmail(house: &House) -> usize {
    let mut taken = 0;
    for end in ENDS.iter().chain(LINES).chain(&["\r\n.\r\n"]) {
        for words in [&["-i", "user@there.example"][..], &["-oi", "away"]] {
            let mut command = house.machine.called("sendmail", words);
            let (code, said) = feed(&mut command, &outer(end));
            assert_eq!(code, Some(0), "{end:?}: {said}");
            taken += 1;
        }
    }
    // Without `-i` a lone dot ends the letter, and what follows is nobody's.
    let mut command = house.machine.called("sendmail", &["user@there.example"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    drop(pipe.write_all(format!("Subject: outer\n\n{INNER}\n.\nnever\n").as_bytes()));
    drop(pipe);
    assert!(child.wait().unwrap().success());
    taken + 1
}
