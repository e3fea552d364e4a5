//! `caramel compose` as people and scripts meet it: the binary, files, standard input.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use message::{
    Correspondent, DispositionNotification, FeedbackReport, Header, Outline, decode_part,
    decode_words, part_text,
};
use tempfile::TempDir;

/// Octets of the attachment that nobody may hold.
const LARGE_OCTETS: u64 = 64 << 20;
/// What the program may take for its data, KiB.
const DATA_KIB_MAX: u64 = 32 << 10;

const LETTER: &str = "Return-Path: <grace@example.org>\n\
    Received: from a.example by b.example; Tue, 24 Nov 2026 08:00:01 +0000\n\
    From: =?utf-8?Q?Gr=C3=A4ce?= <grace@example.org>\nReply-To: team@example.org\n\
    To: Ada <ada@example.org>, Alan <alan@example.org>\nCc: grace@example.org, team@example.org\n\
    Subject: RE: [#7] Tea\nDate: Tue, 24 Nov 2026 08:00:00 +0000\nMessage-ID: <2@example.org>\n\
    References: <1@example.org>\nDisposition-Notification-To: Grace <grace@example.org>\n\
    Original-Recipient: rfc822;a@example.net\n\n> older\n\nAt five?\n-- \nGrace\n";

/// Runs `caramel compose` from Ada in this folder with a text on standard input.
fn run(folder: &Path, words: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_caramel"))
        .args(["compose", "--from", "Ada <ada@example.org>"])
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever does not read its input closes it.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

fn composed(folder: &Path, words: &[&str], input: &str) -> Vec<u8> {
    let output = run(folder, words, input);
    assert!(output.status.success(), "{words:?}: {output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    // Lines as they travel.
    let lines = output.stdout.split(|octet| *octet == b'\n');
    let ended = lines.rev().skip(1).all(|line| line.ends_with(b"\r"));
    assert!(ended, "{}", String::from_utf8_lossy(&output.stdout));
    output.stdout
}

/// The values of a field, decoded.
fn values(message: &[u8], name: &str) -> Vec<String> {
    let fields = Header::parse(message).filter(|field| field.is(name));
    let values = fields.map(|field| decode_words(&field.unfolded()).trim().to_owned());
    values.collect()
}

fn value(message: &[u8], name: &str) -> String {
    let values = values(message, name);
    assert_eq!(values.len(), 1, "{name}: {values:?}");
    values.concat()
}

fn texts(list: &[Correspondent]) -> Vec<String> {
    list.iter().map(Correspondent::text).collect()
}

#[test]
fn a_letter_from_standard_input() {
    let folder = TempDir::new().unwrap();
    let words = [
        "--to",
        "Alan <alan@example.org>, Team Ü: a@example.org;",
        "--to",
        "b@example.org",
        "--bcc",
        "c@example.org",
        "--reply-to",
        "Ada at home <ada@home.example>",
        "--subject",
        "--Grüße",
        "--date",
        "2026-11-23T20:15:00+01:00",
        "--field",
        "X-Mood: heiter, ä",
        "--ask-receipt",
    ];
    let message = composed(folder.path(), &words, "Hällo\nfrom here\n");
    let outline = Outline::parse(&message);
    let to = [
        "Alan <alan@example.org>",
        "Team Ü",
        "a@example.org",
        "",
        "b@example.org",
    ];
    assert_eq!(texts(&outline.digest.to), to);
    assert_eq!(texts(&outline.digest.bcc), ["c@example.org"]);
    assert_eq!(
        value(&message, "Reply-To"),
        "\"Ada at home\" <ada@home.example>"
    );
    assert_eq!(value(&message, "Subject"), "--Grüße");
    assert_eq!(value(&message, "Date"), "Mon, 23 Nov 2026 20:15:00 +0100");
    assert_eq!(value(&message, "X-Mood"), "heiter, ä");
    assert_eq!(
        value(&message, "Disposition-Notification-To"),
        "ada@example.org"
    );
    assert_eq!(part_text(&outline.root, &message), "Hällo\r\nfrom here\r\n");
    let again = composed(folder.path(), &words, "");
    let (one, two) = (value(&message, "Message-ID"), value(&again, "Message-ID"));
    assert_ne!(one, two);
    assert!(
        one.len() == 32 + "<@example.org>".len() && one.ends_with("@example.org>"),
        "{one}"
    );
    assert!(message.is_ascii());
    let utf8 = composed(folder.path(), &["--utf8", "--subject", "Grüße"], "ä");
    assert!(
        String::from_utf8(utf8)
            .unwrap()
            .contains("\r\nSubject: Grüße\r\n")
    );
    let named = composed(folder.path(), &["--message-id", "<x@y>"], "");
    assert_eq!(value(&named, "Message-ID"), "<x@y>");
}

#[test]
fn bodies_of_every_kind() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, octets: &[u8]| fs::write(folder.path().join(name), octets).unwrap();
    write("text", b"\xef\xbb\xbfsee\n");
    write("page.html", b"<img src=\"cid:logo@x\">");
    write("logo.png", b"\x89PNG");
    write("Plan für Ada.pdf", &[0, 255]);
    write("list.csv", "ä,ö\n".as_bytes());
    write("old.eml", b"Subject: old\n\nbody\n");
    write(
        "signed",
        b"Content-Type: text/x-odd\nX-Kept:  as it is\n\nodd\n",
    );
    let words = [
        "--text",
        "text",
        "--html",
        "page.html",
        "--picture",
        "logo@x=logo.png",
        "--attach",
        "Plan für Ada.pdf",
        "--attach",
        "list.csv",
        "--attach",
        "old.eml",
        "--attach-as",
        "application/x-plan; v=\"1\"",
        "Plan für Ada.pdf",
        "--part",
        "signed",
    ];
    let message = composed(folder.path(), &words, "never read");
    let outline = Outline::parse(&message);
    let part = |numbers: &[u32]| outline.part(numbers).unwrap();
    let content = |numbers: &[u32]| decode_part(part(numbers), &message).octets.into_owned();
    assert!(part(&[1]).is("multipart", "alternative"));
    assert_eq!(content(&[1, 1]), b"see\r\n");
    assert!(part(&[1, 2]).is("multipart", "related"));
    assert!(part(&[1, 2, 1]).is("text", "html"));
    assert!(part(&[1, 2, 2]).is("image", "png"));
    assert_eq!(part(&[1, 2, 2]).id.as_deref(), Some(&b"<logo@x>"[..]));
    assert_eq!(content(&[1, 2, 2]), b"\x89PNG");
    let plan = part(&[2]);
    assert!(plan.is("application", "pdf"));
    assert_eq!(plan.filename().as_deref(), Some("Plan für Ada.pdf"));
    assert_eq!(content(&[2]), [0, 255]);
    assert_eq!(part(&[3]).parameter("charset").as_deref(), Some("utf-8"));
    assert_eq!(content(&[3]), "ä,ö\n".as_bytes());
    // A message is attached as it is, wherever it stands among the files that are read late.
    let kinds: Vec<String> = (4..=6)
        .map(|number| part(&[number]).subtype.clone())
        .collect();
    assert_eq!(kinds, ["rfc822", "x-plan", "x-odd"]);
    assert_eq!(content(&[4]), b"Subject: old\r\n\r\nbody\r\n");
    assert_eq!(part(&[5]).parameter("v").as_deref(), Some("1"));
    assert_eq!(content(&[5]), [0, 255]);
    assert!(
        message
            .windows(18)
            .any(|piece| piece == b"X-Kept:  as it is\r")
    );
    let html = composed(folder.path(), &["--html", "-"], "<p>ä");
    let outline = Outline::parse(&html);
    assert!(outline.root.is("text", "html"));
    assert_eq!(decode_part(&outline.root, &html).octets, "<p>ä".as_bytes());
}

#[test]
fn answers_go_to_whom_the_letter_says() {
    let folder = TempDir::new().unwrap();
    let answer = composed(folder.path(), &["--answer", "-"], LETTER);
    assert_eq!(value(&answer, "To"), "team@example.org");
    assert!(values(&answer, "Cc").is_empty());
    assert_eq!(value(&answer, "Subject"), "Re: [#7] Tea");
    assert_eq!(value(&answer, "In-Reply-To"), "<2@example.org>");
    assert_eq!(
        value(&answer, "References"),
        "<1@example.org> <2@example.org>"
    );
    fs::write(folder.path().join("letter"), LETTER).unwrap();
    let words = [
        "--answer",
        "letter",
        "--all",
        "--quote",
        "--subject",
        "Coffee",
        "--cc",
        "c@example.org",
    ];
    let all = composed(folder.path(), &words, "Yes.\n");
    assert_eq!(
        value(&all, "Cc"),
        "c@example.org, Alan <alan@example.org>, grace@example.org"
    );
    assert_eq!(value(&all, "Subject"), "Coffee");
    let outline = Outline::parse(&all);
    let text = "On Tue, 24 Nov 2026 08:00:00 +0000, Gräce wrote:\r\n\
        >> older\r\n>\r\n> At five?\r\n\r\nYes.\r\n";
    assert_eq!(part_text(&outline.root, &all), text);
    let hostile = LETTER.replace("Gr=C3=A4ce", "G=0D=0AX=3A_y");
    let words = ["--answer", "-", "--quote"];
    let hostile = composed(folder.path(), &words, &hostile);
    assert!(part_text(&Outline::parse(&hostile).root, &hostile).contains(", G  X: y wrote:"));
    let other = composed(
        folder.path(),
        &["--answer", "letter", "--to", "x@example.org"],
        "",
    );
    assert_eq!(value(&other, "To"), "x@example.org");
}

#[test]
fn flowed_text_is_wrapped_and_quoted_as_it_flows() {
    let folder = TempDir::new().unwrap();
    let line = "word ".repeat(40);
    let first = composed(
        folder.path(),
        &["--flowed"],
        &format!("{line}\n> said\nshort\n"),
    );
    let outline = Outline::parse(&first);
    assert_eq!(outline.root.parameter("format").as_deref(), Some("flowed"));
    let text = part_text(&outline.root, &first);
    assert!(text.lines().all(|line| line.len() < 79), "{text}");
    assert!(text.ends_with("word\r\n> said\r\nshort\r\n"), "{text}");
    fs::write(folder.path().join("first"), &first).unwrap();
    for flowed in [&[][..], &["--flowed"]] {
        let words = [&["--answer", "first", "--quote"], flowed].concat();
        let answer = composed(folder.path(), &words, "Yes\n");
        let text = part_text(&Outline::parse(&answer).root, &answer);
        assert!(text.contains("\r\n> word word"), "{text}");
        assert!(
            text.contains("\r\n>> said\r\n> short\r\n\r\nYes\r\n"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.len() < 79), "{text}");
        assert_eq!(text.contains(" \r\n"), !flowed.is_empty(), "{text}");
    }
}

#[test]
fn letters_go_on_enclosed_or_as_they_are() {
    let folder = TempDir::new().unwrap();
    let to = ["--to", "b@example.org"];
    let travelling = LETTER.replace('\n', "\r\n");
    fs::write(folder.path().join("letter"), LETTER).unwrap();
    let words = [&to[..], &["--forward", "letter"]].concat();
    let forwarded = composed(folder.path(), &words, "See below.\n");
    let outline = Outline::parse(&forwarded);
    assert_eq!(value(&forwarded, "Subject"), "Fwd: RE: [#7] Tea");
    assert!(values(&forwarded, "In-Reply-To").is_empty());
    let enclosed = outline.part(&[2]).unwrap();
    assert!(enclosed.is("message", "rfc822"));
    assert_eq!(enclosed.body.of(&forwarded), travelling.as_bytes());
    let words = [
        &to[..],
        &["--resend", "-", "--date", "1970-01-01T00:00:00Z"],
    ]
    .concat();
    let resent = composed(folder.path(), &words, LETTER);
    assert!(resent.ends_with(travelling.as_bytes()));
    assert!(
        resent.starts_with(b"Resent-Date: Thu, 1 Jan 1970 00:00:00 +0000\r\nResent-From: Ada <")
    );
    assert_eq!(value(&resent, "Resent-To"), "b@example.org");
    assert!(value(&resent, "Resent-Message-ID").ends_with("@example.org>"));
}

#[test]
fn receipts_are_written_where_they_are_asked_for() {
    let folder = TempDir::new().unwrap();
    let receipt = composed(folder.path(), &["--receipt", "-"], LETTER);
    assert_eq!(value(&receipt, "To"), "Grace <grace@example.org>");
    assert_eq!(value(&receipt, "In-Reply-To"), "<2@example.org>");
    assert!(values(&receipt, "Disposition-Notification-To").is_empty());
    let outline = Outline::parse(&receipt);
    let kind = outline.root.parameter("report-type");
    assert_eq!(kind.as_deref(), Some("disposition-notification"));
    let body = outline.part(&[2]).unwrap().body.of(&receipt);
    let read = DispositionNotification::parse(body);
    assert_eq!(read.recipient.unwrap().text, "ada@example.org");
    assert_eq!(read.original.unwrap().text, "a@example.net");
    assert_eq!(read.message_id.unwrap(), b"2@example.org");
    assert!(
        String::from_utf8_lossy(body)
            .contains("\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n")
    );
    let header = outline.part(&[3]).unwrap();
    assert!(header.is("text", "rfc822-headers"));
    let refused = |letter: &str, words: &[&str], why: &str| {
        let words = [&["--receipt", "-"], words].concat();
        let output = run(folder.path(), &words, letter);
        assert!(!output.status.success() && output.stdout.is_empty());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(why), "{said}");
    };
    let wanting = "Disposition-Notification-To: Grace <grace@example.org>\n";
    refused(&LETTER.replace(wanting, ""), &[], "asks for no receipt");
    refused(
        &LETTER.replace(wanting, "Disposition-Notification-To: me\n"),
        &[],
        "no receipt",
    );
    let options =
        format!("{wanting}Disposition-Notification-Options: a=optional,b; c = Required, d\n");
    refused(&LETTER.replace(wanting, &options), &[], "unknown here");
    refused(
        &String::from_utf8(receipt).unwrap(),
        &[],
        "a receipt itself",
    );
    refused(LETTER, &["--from", "x@example.org"], "needs a sender");
    refused(LETTER, &["--to", "x@example.org"], "cannot be used with");
    refused(LETTER, &["--ask-receipt"], "cannot be used with");
}

#[test]
fn complaints_have_their_three_parts() {
    let folder = TempDir::new().unwrap();
    let words = ["--complaint", "-", "--to", "abuse@example.org"];
    let complaint = composed(folder.path(), &words, LETTER);
    let outline = Outline::parse(&complaint);
    let kind = outline.root.parameter("report-type");
    assert_eq!(kind.as_deref(), Some("feedback-report"));
    let read = FeedbackReport::parse(outline.part(&[2]).unwrap().body.of(&complaint));
    assert_eq!(read.kind.as_deref(), Some("abuse"));
    assert_eq!(read.version, Some(1));
    assert_eq!(read.mail_from.as_deref(), Some("<grace@example.org>"));
    let arrival = read.arrival.unwrap().to_rfc5322().to_string();
    assert_eq!(arrival, "Tue, 24 Nov 2026 08:00:01 +0000");
    let enclosed = outline.part(&[3]).unwrap().body.of(&complaint);
    assert_eq!(enclosed, LETTER.replace('\n', "\r\n").as_bytes());
}

#[test]
fn what_is_asked_wrongly_is_said_with_the_option_and_the_value() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("latin"), b"gr\xfcn").unwrap();
    let cases: &[(&[&str], i32, &str)] = &[
        (
            &["--to", "Alan <alan"],
            2,
            "--to has no address: \"Alan <alan>\"",
        ),
        (&["--cc", ""], 2, "--cc has no address list: \"\""),
        (
            &["--cc", "a@example.org; b@example.org"],
            2,
            "--cc has no address list: ",
        ),
        (&["--bcc", "x@-"], 2, "--bcc has no address"),
        (&["--from", "b@example.org"], 2, "--sender"),
        (
            &["--sender", "a@example.org, b@example.org"],
            2,
            "--sender takes one",
        ),
        (&["--subject", "a\nBcc: x@y"], 2, "a field is one line"),
        (&["--field", "X-A: b\r\nEvil: x"], 2, "a field is one line"),
        (&["--field", "X A: b"], 2, "no field's name"),
        (&["--field", "bcc: x@y"], 2, "bcc comes from other options"),
        (&["--field", "Content-Type: text/html"], 2, "other options"),
        (&["--date", "tomorrow"], 2, "a date is 2026"),
        (&["--message-id", "no spaces@x"], 2, "an identifier is"),
        (&["--picture", "a@b=c.png"], 2, "--html"),
        (&["--all"], 2, "--answer"),
        (
            &["--answer", "a", "--forward", "b"],
            2,
            "cannot be used with",
        ),
        (&["--text", "-", "--html", "-"], 2, "read only once"),
        (&["--resend", "-"], 2, "--resend needs somebody"),
        (&["--attach", "none.pdf"], 1, "none.pdf cannot be read"),
        (&["--attach", "."], 1, ". cannot be read"),
        (
            &["--attach-as", "pdf", "latin"],
            2,
            "no media type: \"pdf\"",
        ),
        (
            &["--attach-as", "multipart/mixed", "latin"],
            2,
            "no media type",
        ),
        (&["--part", "latin"], 1, "latin is no part"),
        (&["--text", "latin"], 1, "octet 2 begins no character"),
        (&["--answer", "none.eml"], 1, "none.eml cannot be read"),
        (
            &["--output", "no/such/folder"],
            1,
            "no/such/folder cannot be written",
        ),
    ];
    for (words, code, what) in cases {
        let output = run(folder.path(), words, "Subject: x\n\n");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(*code), "{words:?} {said}");
        assert!(output.stdout.is_empty(), "{words:?}");
        assert!(said.contains(what), "{words:?} {said}");
    }
}

#[test]
fn a_letter_from_nobody_is_answered_to_whom_it_is_said() {
    let folder = TempDir::new().unwrap();
    let nobody = run(folder.path(), &["--answer", "-"], "Subject: x\n\n");
    let said = String::from_utf8(nobody.stderr).unwrap();
    assert!(
        said.contains("whom to answer\n  next: say it with --to"),
        "{said}"
    );
}

#[test]
fn the_output_is_there_whole_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("letter.eml");
    fs::write(&path, "older").unwrap();
    // The file is attached as it was.
    let words = [
        "--attach",
        "letter.eml",
        "--attach-as",
        "a/b",
        "letter.eml",
        "--output",
        "letter.eml",
    ];
    assert!(composed(folder.path(), &words, "").is_empty());
    let message = fs::read(&path).unwrap();
    let outline = Outline::parse(&message);
    let attached = decode_part(outline.part(&[2]).unwrap(), &message)
        .octets
        .into_owned();
    assert_eq!(attached, b"older");
    fs::create_dir(folder.path().join("taken")).unwrap();
    let output = run(folder.path(), &["--output", "taken"], "");
    assert_eq!(output.status.code(), Some(1));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_large_attachment_takes_no_memory() {
    let folder = TempDir::new().unwrap();
    let file = fs::File::create(folder.path().join("film.mp4")).unwrap();
    file.set_len(LARGE_OCTETS).unwrap();
    let command = format!(
        "ulimit -d {DATA_KIB_MAX}; \"$0\" compose --from a@example.org --attach film.mp4 | wc -c"
    );
    let output = Command::new("sh")
        .args(["-c", &command, env!("CARGO_BIN_EXE_caramel")])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let octets: u64 = said.trim().parse().unwrap();
    let base64 = LARGE_OCTETS.div_ceil(3) * 4 + LARGE_OCTETS.div_ceil(57) * 2;
    assert!((base64..base64 + 1000).contains(&octets), "{octets}");
}
