//! What is built reads back as what was put in, in lines that every server takes.
#![expect(clippy::unwrap_used, reason = "a test")]

use mail::{Address, Timestamp};
use message::builder::{Builder, Encoder, Piece};
use message::flowed::{self, Paragraph};
use message::{
    Content, Correspondent, Encoding, Header, Leniencies, Outline, decode_transfer,
    parse_addresses, part_text,
};
use proptest::prelude::*;

mod reports;

const LINE_OCTETS_MAX: usize = 998;

fn ada() -> Address {
    Address::parse("ada@example.org").unwrap()
}

/// A group whose names nobody has read.
fn hostile_group(name: &str, member: &str) -> Vec<Correspondent> {
    let member = Correspondent::Mailbox {
        name: Some(member.into()),
        route: Some(b"@x.example".to_vec()),
        local: b"ada".to_vec(),
        host: b"example.org".to_vec(),
    };
    vec![Correspondent::GroupStart(name.into()), member]
}

fn content(outline: &Outline, message: &[u8], numbers: &[u32]) -> Vec<u8> {
    let part = outline.part(numbers).unwrap();
    let decoded = decode_transfer(Encoding::parse(&part.encoding), part.body.of(message));
    assert!(decoded.leniencies.is_empty());
    decoded.octets.into_owned()
}

fn names(message: &[u8]) -> Vec<String> {
    let fields = Header::parse(message);
    let names = fields.map(|field| String::from_utf8_lossy(field.name).into_owned());
    names.collect()
}

/// One line of text as the builder takes it.
fn clean(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let text: String = text.chars().map(plain).collect();
    text.trim_matches(' ').to_owned()
}

fn crlf(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.replace('\n', "\r\n")
}

/// Nothing had to be repaired, and every line fits.
fn sound(message: &[u8]) -> Outline {
    let outline = Outline::parse(message);
    for part in outline.root.walk() {
        let names: Vec<_> = part.leniencies.iter().map(|one| one.name()).collect();
        assert!(names.is_empty(), "{names:?}");
    }
    let header = outline.root.header.of(message);
    for line in message.split(|&octet| octet == b'\n') {
        assert!(line.len() <= LINE_OCTETS_MAX + 1);
    }
    // Lines are folded wherever there is a space to fold at (RFC 5322 §2.1.1).
    for line in String::from_utf8_lossy(header).lines() {
        let words = line.split_ascii_whitespace().count();
        assert!(line.chars().count() <= 78 || words <= 2, "{line}");
    }
    assert!(header.ends_with(b"\r\n\r\n"));
    outline
}

#[test]
fn a_small_message() {
    let message = Builder::new()
        .date(Timestamp::utc(0))
        .from("Ada L.", &ada())
        .to("", &ada())
        .subject("Hello")
        .message_id("1@example.org")
        .text("Hi\nthere")
        .build();
    let written = "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n\
        From: \"Ada L.\" <ada@example.org>\r\nTo: ada@example.org\r\nSubject: Hello\r\n\
        Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
        Hi\r\nthere";
    assert_eq!(String::from_utf8_lossy(&message), written);
}

#[test]
fn texts_are_encoded_only_where_they_must_be() {
    let subjects = [
        ("Tea at four", "Subject: Tea at four\r\n"),
        ("Grüße", "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n"),
        ("お茶", "Subject: =?utf-8?B?44GK6Iy2?=\r\n"),
        (
            "a =?x?q?b?= c",
            "Subject: a =?utf-8?Q?=3D=3Fx=3Fq=3Fb=3F=3D_c?=\r\n",
        ),
        ("", "Subject: \r\n"),
    ];
    for (subject, field) in subjects {
        let message = Builder::new().subject(subject).build();
        assert!(message.starts_with(field.as_bytes()), "{subject}");
    }
    let bodies = [
        ("Tea", "us-ascii", "7bit"),
        ("Grüße an alle", "utf-8", "quoted-printable"),
        (
            "お茶はいかがですか。お茶はいかがですか。",
            "utf-8",
            "base64",
        ),
        ("bell \u{7}", "us-ascii", "quoted-printable"),
    ];
    for (text, charset, encoding) in bodies {
        let outline = sound(&Builder::new().text(text).build());
        assert_eq!(outline.root.parameter("charset").as_deref(), Some(charset));
        assert_eq!(outline.root.encoding, encoding, "{text}");
    }
    let long = "x".repeat(999);
    let message = Builder::new().subject(&long).text(&long).build();
    assert_eq!(sound(&message).root.encoding, "quoted-printable");
}

#[test]
fn with_smtputf8_texts_stand_as_they_are() {
    let message = Builder::utf8()
        .from(
            "Jürgen \"J\" Ü.",
            &Address::parse("jürgen@bücher.example").unwrap(),
        )
        .subject("Grüße")
        .text("Grüße\n")
        .attach("Plan für Ü.txt", "application/pdf", b"x")
        .build();
    let outline = sound(&message);
    let text = String::from_utf8(message.clone()).unwrap();
    assert!(
        text.contains("From: \"Jürgen \\\"J\\\" Ü.\" <jürgen@bücher.example>\r\n"),
        "{text}"
    );
    assert!(text.contains("Subject: Grüße\r\n"), "{text}");
    assert!(text.contains("filename=\"Plan für Ü.txt\""), "{text}");
    // RFC 2045 §6.4: what contains 8bit is 8bit.
    assert_eq!(outline.root.encoding, "8bit");
    assert_eq!(outline.part(&[1]).unwrap().encoding, "8bit");
    assert_eq!(
        outline.part(&[2]).unwrap().filename().unwrap(),
        "Plan für Ü.txt"
    );
}

#[test]
fn nothing_injects_a_field() {
    let message = Builder::new()
        .subject("a\r\nBcc: x@y\r\n\r\nbody")
        .field("X\r\nEvil", "b\n\nc")
        .field(": \r", "d")
        .field("Content-Type", "text/html")
        .field("mime-Version", "2.0")
        .field(&"N".repeat(2000), "e")
        .from("a\r\nEvil: x", &ada())
        .correspondents("To", &hostile_group("g\r\nEvil: x;", "b\r\nEvil: x"))
        .message_id("a>\r\nEvil: <b")
        .ids("References", &["a@b", "\r\n\r\n", &"c".repeat(5000)])
        .attach(
            "a\"\r\nEvil: x",
            "text/x; name=\"y\r\nEvil: z\"\r\nEvil: y",
            b"z",
        )
        .build();
    let outline = sound(&message);
    let known = [
        "Subject",
        "XEvil",
        "From",
        "To",
        "Message-ID",
        "References",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
        "Content-Disposition",
    ];
    assert_eq!(names(&message), known);
    assert!(outline.digest.bcc.is_empty());
    assert_eq!(outline.root.filename().as_deref(), Some("a\"  Evil: x"));
    let mut part = b"Bcc: x@y\r\nContent-Type: text/plain\r\n\r\nhi".to_vec();
    let message = Builder::new().as_is(&part).build();
    assert_eq!(names(&message), ["MIME-Version", "Content-Type"]);
    part.extend_from_slice(b"\r\n--=_caramel-0-0\r\n\r\nevil\r\n");
    let outline = sound(&Builder::new().as_is(&part).build());
    assert_eq!(outline.root.children().len(), 1);
}

#[test]
fn alternatives_pictures_and_files_have_their_places() {
    let message = Builder::new()
        .text("T")
        .html("<img src=cid:p@x>")
        .picture("p@x", "image/png", b"PNG")
        .attach("a.bin", "application/octet-stream", b"A")
        .build();
    let outline = sound(&message);
    let tree: Vec<String> = outline
        .root
        .walk()
        .map(|part| format!("{}/{}", part.media, part.subtype))
        .collect();
    let expected = [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/octet-stream",
    ];
    assert_eq!(tree, expected);
    let related = outline.part(&[1, 2]).unwrap();
    // RFC 2387 §3.1
    assert_eq!(related.parameter("type").as_deref(), Some("text/html"));
    let picture = outline.part(&[1, 2, 2]).unwrap();
    assert_eq!(picture.id.as_deref(), Some(&b"<p@x>"[..]));
    assert_eq!(picture.disposition.as_ref().unwrap().kind, "inline");
    // Without HTML a picture is a part like others.
    let loose = Builder::new()
        .text("T")
        .picture("p@x", "image/png", b"PNG")
        .build();
    assert_eq!(sound(&loose).part(&[2]).unwrap().subtype, "png");
}

#[test]
fn what_was_read_goes_on_octet_by_octet() {
    let signed = b"Content-Type: multipart/signed; boundary=\"=_caramel-4-0\"\r\n\r\n\
        --=_caramel-4-0\r\n\r\nsigned  \r\n\r\n--=_caramel-4-0\r\n\
        Content-Type: application/pgp-signature\r\n\r\nxx\r\n--=_caramel-4-0--\r\n";
    let other = b"Subject: bare\nX: \xff\n\nline\n";
    let message = Builder::new()
        .text("see")
        .as_is(signed)
        .enclose(other)
        .build();
    let outline = Outline::parse(&message);
    let [_, kept, enclosed] = outline.root.children() else {
        panic!("three parts")
    };
    let span = kept.header.offset..kept.body.end();
    let span = usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap();
    assert_eq!(message.get(span).unwrap(), signed);
    assert_eq!(enclosed.body.of(&message), other);
    assert_eq!(enclosed.encoding, "binary");
    assert_eq!(outline.root.encoding, "binary");
    let enclosing = |inner: &str| {
        let message = Builder::new().enclose(inner.as_bytes()).build();
        let root = sound(&message).root;
        assert_eq!(root.body.of(&message), inner.as_bytes());
        format!("{}/{} {}", root.media, root.subtype, root.encoding)
    };
    assert_eq!(enclosing("Subject: a\r\n\r\nb\r\n"), "message/rfc822 7bit");
    assert_eq!(enclosing("Subject: ä\r\n\r\nb\r\n"), "message/global 8bit");
    assert_eq!(enclosing("Subject: a\r\n\r\nä\r\n"), "message/rfc822 8bit");
    let marked = Builder::new().field("X-Seen", "yes").in_front_of(other);
    assert_eq!(marked.strip_suffix(other).unwrap(), b"X-Seen: yes\r\n");
}

#[test]
fn contents_that_come_later_make_the_same_message() {
    let octets: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let builder = || Builder::new().text("T").subject("S");
    let whole = builder()
        .attach("a", "image/png", &octets)
        .attach("b", "video/mp4", b"")
        .build();
    let mut widths = [1, 56, 57, 58, 113, 114, 4096, 10_000].iter().cycle();
    for _ in 0..8 {
        let later = builder()
            .attach_later("a", "image/png")
            .attach_later("b", "video/mp4");
        let mut message = Vec::new();
        for piece in later.pieces() {
            match piece {
                Piece::Octets(octets) => message.extend_from_slice(&octets),
                Piece::Content(number) => {
                    let contents = [&octets[..], b""];
                    let mut rest = *contents.get(number).unwrap();
                    let mut encoder = Encoder::new();
                    while !rest.is_empty() {
                        let (first, behind) =
                            rest.split_at(rest.len().min(*widths.next().unwrap()));
                        encoder.push(first, &mut message);
                        rest = behind;
                    }
                    encoder.finish(&mut message);
                }
            }
        }
        assert_eq!(message, whole);
    }
    // A message may not be encoded; what comes later is.
    let late = sound(
        &Builder::new()
            .attach_later("m.eml", "message/rfc822")
            .build(),
    );
    assert!(late.root.is("application", "octet-stream"));
}

#[test]
fn an_answer_refers_to_what_it_answers() {
    let header = b"Message-ID: <3@x>\r\n\
        References: <1@x>\r\n <2@x>\r\n\r\n";
    let message = Builder::new().answering(header).text("yes").build();
    let text = |name| {
        let field = Header::first(&message, name).unwrap();
        String::from_utf8(field.unfolded().trim_ascii().to_vec()).unwrap()
    };
    assert_eq!(text("In-Reply-To"), "<3@x>");
    assert_eq!(text("References"), "<1@x> <2@x> <3@x>");
    // Of a long thread the first and the latest are kept.
    let ids: String = (0..500)
        .map(|number| format!("<{number}@x>\r\n "))
        .collect();
    let header = format!("Message-ID: <m@x>\r\nReferences: {ids}\r\n\r\n");
    let message = Builder::new().answering(header.as_bytes()).build();
    let field = Header::first(&message, "References").unwrap();
    let kept = message::message_ids(field.value);
    assert_eq!(kept.len(), 100);
    assert_eq!(
        (
            kept.first().unwrap().as_slice(),
            kept.last().unwrap().as_slice()
        ),
        (&b"0@x"[..], &b"m@x"[..])
    );
    assert_eq!(
        names(&Builder::new().answering(b"\r\n").build())
            .first()
            .unwrap(),
        "MIME-Version"
    );
}

#[test]
fn a_subject_is_encoded_from_its_first_such_word_on() {
    let written = |subject: &str| {
        let message = Builder::new().subject(subject).build();
        assert_eq!(sound(&message).digest.subject_text(), subject);
        let field = Header::first(&message, "Subject").unwrap();
        String::from_utf8(field.value.trim_ascii().to_vec()).unwrap()
    };
    assert_eq!(
        written("Re: Grüße an"),
        "Re: =?utf-8?Q?Gr=C3=BC=C3=9Fe_an?="
    );
    assert_eq!(written("a  b   ü"), "a  b =?utf-8?Q?__=C3=BC?=");
    assert_eq!(written("Re: what is =?x"), "Re: what is =?utf-8?B?PT94?=");
    let long = format!("Re: {} ä", "x".repeat(100));
    assert!(
        written(&long).starts_with("Re:\r\n xxx"),
        "{}",
        written(&long)
    );
}

#[test]
fn flowed_text_and_groups() {
    let paragraph = |quotes, text: &str| Paragraph {
        quotes,
        text: text.to_owned(),
        fixed: false,
    };
    let paragraphs = [
        paragraph(1, &"who said this ".repeat(20)),
        paragraph(0, " From here >"),
        paragraph(0, &"ä ".repeat(300)),
    ];
    let cc = "a@b.example, Team Ü: ada@example.org, B <ada@example.org>;, C <c@d.example>, x";
    let message = Builder::new()
        .correspondents("To", &parse_addresses(b"undisclosed-recipients:;", 10))
        .correspondents("Cc", &parse_addresses(cc.as_bytes(), 10))
        .flowed(&paragraphs)
        .build();
    let outline = sound(&message);
    assert_eq!(outline.root.parameter("format").as_deref(), Some("flowed"));
    let text = part_text(&outline.root, &message);
    let read: Vec<Paragraph> = flowed::read(&text, false).collect();
    let trimmed = |all: &[Paragraph]| {
        let texts = all
            .iter()
            .map(|one| (one.quotes, one.text.trim_end().to_owned()));
        texts.collect::<Vec<_>>()
    };
    assert_eq!(trimmed(&read), trimmed(&paragraphs));
    let text = String::from_utf8(message).unwrap();
    assert!(
        text.starts_with("To: undisclosed-recipients:;\r\n"),
        "{text}"
    );
    let cc: Vec<String> = outline.digest.cc.iter().map(Correspondent::text).collect();
    let expected = [
        "a@b.example",
        "Team Ü",
        "ada@example.org",
        "B <ada@example.org>",
        "",
        "C <c@d.example>",
    ];
    assert_eq!(cc, expected, "{text}");
    // RFC 2047 §5
    assert!(text.contains("?= : ada@example.org, B"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_built_reads_back(
        utf8 in any::<bool>(),
        subject in "\\PC{0,120}",
        name in "\\PC{0,90}",
        filename in "\\PC{0,90}",
        // Controls and lone carriage returns are among what texts may hold.
        text in "[a-zA-Zäöü€漢\u{1}\r =.\t\n-]{0,300}",
        html in "[a-z=\n ]{0,100}",
        octets in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let build = || {
            let builder = if utf8 { Builder::utf8() } else { Builder::new() };
            builder
                .from(&name, &ada())
                .addresses("Cc", &[("B", &ada()), (&name, &ada())])
                .subject(&subject)
                .text(&text)
                .html(&html)
                .attach(&filename, "image/png; x=\"y z\"", &octets)
                .build()
        };
        let message = build();
        prop_assert_eq!(&message, &build());
        prop_assert!(utf8 || message.is_ascii());
        let outline = sound(&message);
        let mut noted = Leniencies::NONE;
        prop_assert_eq!(outline.digest.subject_text(), clean(&subject));
        prop_assert_eq!(outline.digest.cc.len(), 2);
        for one in outline.digest.from.iter().chain(&outline.digest.cc) {
            prop_assert_eq!(one.address(), Some(ada()));
        }
        let shown = format!("{} <ada@example.org>", clean(&name));
        let shown = if clean(&name).is_empty() { "ada@example.org".to_owned() } else { shown };
        prop_assert_eq!(outline.digest.from.first().map(|one| one.text()), Some(shown));
        let plain = outline.part(&[1, 1]).unwrap();
        prop_assert_eq!(message::decode_text(plain, &message, &mut noted), crlf(&text));
        prop_assert!(outline.part(&[1, 2]).unwrap().is("text", "html"));
        prop_assert_eq!(content(&outline, &message, &[1, 2]), crlf(&html).into_bytes());
        prop_assert_eq!(content(&outline, &message, &[2]), octets);
        let attached = outline.part(&[2]).unwrap();
        prop_assert!(matches!(attached.content, Content::Leaf));
        prop_assert_eq!(attached.filename().unwrap_or_default(), clean(&filename));
        prop_assert_eq!(attached.parameter("x"), Some("y z".to_owned()));
        prop_assert!(noted.is_empty());
    }

    #[test]
    fn hostile_texts_add_no_field(
        text in any::<String>(),
        other in "[\r\n:; a-zA-Z<>@\"\\\\=?]{0,80}",
    ) {
        for text in [&text, &other] {
            let build = |text: &str| {
                Builder::new()
                    .from(text, &ada())
                    .correspondents("To", &hostile_group(&format!("g{text}"), text))
                    .subject(text)
                    .field("X-Some", text)
                    .message_id(&format!("{text}@x"))
                    .text(text)
                    .picture(text, text, b"")
                    .attach(text, text, b"")
                    .build()
            };
            let message = build(text);
            let outline = sound(&message);
            let known = names(&build("plain"));
            let found = names(&message);
            // An identifier that is none is left out; nothing else is, and nothing comes in.
            let left = |name: &String| found.contains(name) || name == "Message-ID";
            prop_assert!(known.iter().all(left));
            prop_assert!(found.iter().all(|name| known.contains(name)));
            prop_assert_eq!(outline.root.walk().count(), 4);
        }
    }
}
