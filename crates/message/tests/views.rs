//! What JMAP shows of a message, and laws of it on mutated and hostile ones.

#![expect(clippy::unwrap_used, reason = "a test")]

use message::view::{Bodies, BodyPart, PREVIEW_CHARACTERS_MAX, preview, preview_of, preview_spans};
use message::{Outline, Part, flowed, html};

/// One part: its fields, a line of text.
fn leaf(fields: &str, text: &str) -> String {
    format!("Content-Type: {fields}\r\n\r\n{text}\r\n")
}

fn multipart(kind: &str, boundary: &str, parts: &[String]) -> String {
    let mut all = format!("Content-Type: multipart/{kind}; boundary={boundary}\r\n\r\n");
    for part in parts {
        all.push_str(&format!("--{boundary}\r\n{part}"));
    }
    all.push_str(&format!("--{boundary}--\r\n"));
    all
}

fn names(parts: &[BodyPart<'_>], message: &[u8]) -> String {
    let texts = parts.iter().map(|part| {
        let octets = part.octets(message);
        String::from_utf8_lossy(&octets).trim().to_owned()
    });
    texts.collect::<Vec<_>>().join(" ")
}

/// The lists of a message whose bodies are letters.
fn sorted(message: &str) -> [String; 3] {
    let outline = Outline::parse(message.as_bytes());
    let Bodies {
        text,
        html,
        attachments,
    } = Bodies::of(&outline.root);
    [text, html, attachments].map(|parts| names(&parts, message.as_bytes()))
}

const INLINE: &str = "\r\nContent-Disposition: inline";
const ATTACHED: &str = "\r\nContent-Disposition: attachment";

/// The message RFC 8621 §4.1.4 takes apart.
fn example() -> String {
    let plain = format!("text/plain{INLINE}");
    let mixed = [
        leaf(&plain, "B"),
        leaf(&format!("image/jpeg{INLINE}"), "C"),
        leaf(&plain, "D"),
    ];
    let related = [leaf("text/html", "E"), leaf("image/jpeg", "F")];
    let alternative = [
        multipart("mixed", "m3", &mixed),
        multipart("related", "r", &related),
    ];
    let inner = [
        multipart("alternative", "alt", &alternative),
        leaf(&format!("image/jpeg{ATTACHED}"), "G"),
        leaf("application/x-excel", "H"),
        leaf("message/rfc822", "Subject: J\r\n\r\nJ"),
    ];
    let outer = [
        leaf(&plain, "A"),
        multipart("mixed", "m2", &inner),
        leaf(&plain, "K"),
    ];
    multipart("mixed", "m1", &outer)
}

#[test]
fn the_example_of_rfc_8621() {
    let message = example();
    let [text, html, attachments] = sorted(&message);
    assert_eq!(text, "A B C D K");
    assert_eq!(html, "A E K");
    assert_eq!(attachments, "C F G H Subject: J\r\n\r\nJ");
    let outline = Outline::parse(message.as_bytes());
    let bodies = Bodies::of(&outline.root);
    let ids: Vec<String> = bodies.text.iter().filter_map(BodyPart::part_id).collect();
    assert_eq!(ids, ["1", "2.1.1.1", "2.1.1.2", "2.1.1.3", "3"]);
    assert!(bodies.has_attachment(message.as_bytes()));
    for part in bodies.text.iter().chain(&bodies.attachments) {
        assert_eq!(outline.part(part.numbers()), Some(part.part));
    }
    let root = BodyPart::root(&outline.root);
    assert_eq!((root.part_id(), root.sub_parts().len()), (None, 3));
    assert_eq!(preview(&bodies, message.as_bytes()), "A B D K");
}

#[test]
fn what_is_shown_and_what_is_attached() {
    let plain = || leaf("text/plain", "t");
    let html = || leaf("text/html", "h");
    let cases = [
        (plain(), ["t", "t", ""]),
        (html(), ["h", "h", ""]),
        (leaf("application/pdf", "p"), ["", "", "p"]),
        (leaf("image/png", "i"), ["i", "i", ""]),
        (leaf(&format!("text/plain{ATTACHED}"), "t"), ["", "", "t"]),
        (
            multipart("alternative", "b", &[plain(), html()]),
            ["t", "h", ""],
        ),
        (multipart("alternative", "b", &[html()]), ["h", "h", ""]),
        (multipart("alternative", "b", &[plain()]), ["t", "t", ""]),
        (
            multipart("alternative", "b", &[plain(), leaf("text/calendar", "c")]),
            ["t", "t", "c"],
        ),
        (
            multipart("mixed", "b", &[plain(), html()]),
            ["t h", "t h", ""],
        ),
        (
            multipart(
                "mixed",
                "b",
                &[plain(), leaf("text/plain; name=n.txt", "n")],
            ),
            ["t", "t", "n"],
        ),
        (
            multipart(
                "mixed",
                "b",
                &[leaf("text/plain; name=n.txt", "n"), plain()],
            ),
            ["n t", "n t", ""],
        ),
        (
            multipart("related", "b", &[html(), leaf("image/png", "i")]),
            ["h", "h", "i"],
        ),
        (
            // An alternative inside a branch that turned out to be plain.
            multipart(
                "alternative",
                "b",
                &[multipart(
                    "mixed",
                    "c",
                    &[plain(), multipart("alternative", "d", &[plain(), html()])],
                )],
            ),
            ["t t", "t t", "h"],
        ),
    ];
    for (message, lists) in cases {
        assert_eq!(sorted(&message), lists, "{message}");
    }
}

#[test]
fn what_counts_as_an_attachment() {
    let plain = || leaf("text/plain", "t");
    let uuencoded = "see\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend";
    let cases = [
        (plain(), false),
        (
            multipart("mixed", "b", &[plain(), leaf("application/pdf", "p")]),
            true,
        ),
        (
            multipart(
                "mixed",
                "b",
                &[plain(), leaf(&format!("text/csv{INLINE}"), "c")],
            ),
            false,
        ),
        (
            multipart(
                "related",
                "b",
                &[
                    leaf("text/html", "h"),
                    leaf("image/png\r\nContent-ID: <i@x>", "i"),
                ],
            ),
            false,
        ),
        (
            multipart(
                "signed",
                "b",
                &[plain(), leaf("application/pgp-signature", "s")],
            ),
            false,
        ),
        (leaf("text/plain", uuencoded), true),
        (leaf("text/html", uuencoded), false),
    ];
    for (message, expected) in cases {
        let outline = Outline::parse(message.as_bytes());
        let has = Bodies::of(&outline.root).has_attachment(message.as_bytes());
        assert_eq!(has, expected, "{message}");
    }
    let message = leaf(
        "text/plain\r\nContent-Transfer-Encoding: base64",
        "YmVnaW4gNjQ0IGEKIzBWJVQKYAplbmQK",
    );
    let outline = Outline::parse(message.as_bytes());
    let bodies = Bodies::of(&outline.root);
    let [(part, file)] = bodies.enclosed(message.as_bytes()).try_into().unwrap();
    assert_eq!((file.name.as_str(), file.size), ("a", 3));
    assert_eq!(*file.octets(&part.octets(message.as_bytes())), *b"Cat");
}

#[test]
fn what_a_part_says_of_itself() {
    let message = leaf(
        "TEXT/HTML; charset=ISO-8859-1; name=\"\"\r\nContent-ID: <a@b>\r\n\
            Content-Disposition: Inline\r\nContent-Transfer-Encoding: quoted-printable",
        "<a href=3D\"x\">=E9</a>",
    );
    let outline = Outline::parse(message.as_bytes());
    let part = BodyPart::root(&outline.root);
    assert_eq!(part.media_type(), "text/html");
    assert_eq!(part.charset().as_deref(), Some("ISO-8859-1"));
    assert_eq!(part.cid().as_deref(), Some("a@b"));
    assert_eq!((part.disposition(), part.name()), (Some("inline"), None));
    assert_eq!(part.size(message.as_bytes()), 19);
    let value = part.value(message.as_bytes(), usize::MAX);
    assert_eq!(value.value, "<a href=\"x\">é</a>\n");
    assert!(!value.is_encoding_problem && !value.is_truncated);
    for (max, expected) in [
        (5, ""),
        (12, "<a href=\"x\">"),
        (13, "<a href=\"x\">"),
        (15, "<a href=\"x\">é"),
    ] {
        let value = part.value(message.as_bytes(), max);
        assert_eq!(
            (value.value.as_str(), value.is_truncated),
            (expected, true),
            "{max}"
        );
    }
    for (kind, implied) in [("text/plain", Some("us-ascii")), ("image/png", None)] {
        let message = leaf(kind, "x");
        let outline = Outline::parse(message.as_bytes());
        assert_eq!(BodyPart::root(&outline.root).charset().as_deref(), implied);
    }
    for fields in [
        "text/plain; charset=x-none",
        "text/plain; charset=utf-8",
        "text/plain",
    ] {
        let mut message = leaf(fields, "").into_bytes();
        message.push(0xe9);
        let outline = Outline::parse(&message);
        let value = BodyPart::root(&outline.root).value(&message, usize::MAX);
        assert!(value.is_encoding_problem, "{fields}");
    }
}

#[test]
fn previews() {
    let flowed = "text/plain; format=flowed";
    let cases = [
        ("text/plain", "Hello\r\n\r\n  world\t!\r\n", "Hello world !"),
        ("text/plain", "> old\r\nnew\r\n", "new"),
        (
            "text/plain",
            "On Monday you wrote:\r\n\r\n> old\r\nnew\r\n-- \r\nme\r\n",
            "new",
        ),
        ("text/plain", "Two things:\r\n- one", "Two things: - one"),
        (
            "text/plain",
            "I agree.\r\n-----Original Message-----\r\nFrom: x",
            "I agree.",
        ),
        ("text/plain", "> only old\r\n", "> only old"),
        (flowed, "a \r\nb\r\n> old\r\n", "a b"),
        (
            "text/html",
            "<style>x</style><p>Hi,<blockquote>old</blockquote>new",
            "Hi, new",
        ),
        (
            "text/html; charset=utf-8",
            "gr&uuml;n&nbsp;\u{200b}\u{34f} \u{34f} ü",
            "grün ü",
        ),
        (
            "text/plain\r\nContent-Transfer-Encoding: base64",
            "aGVsbG8",
            "hello",
        ),
        ("image/png", "x", ""),
        ("text/plain", "a \u{7}\u{1b} b", "a b"),
    ];
    for (fields, body, expected) in cases {
        let message = leaf(fields, body);
        let outline = Outline::parse(message.as_bytes());
        let bodies = Bodies::of(&outline.root);
        assert_eq!(preview(&bodies, message.as_bytes()), expected, "{body}");
    }
}

#[test]
fn parts_as_people_read_them() {
    let flowed = "text/plain; format=Flowed";
    let cases = [
        ("text/plain", "a \r\nb\r\n", "a \nb\n"),
        ("text/plain", "open", "open\n"),
        (
            flowed,
            "a \r\nb\r\n>> c \r\n>>d\r\n>\r\n-- \r\nme",
            "a b\n>> c d\n>\n-- \nme\n",
        ),
        (flowed, " From me", "From me\n"),
        ("text/plain; format=flowed; delsp=yes", "a \r\nb", "ab\n"),
        ("text/html; format=flowed", "<p>a \r\nb<p>c", "a b\n\nc\n"),
        (
            "text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64",
            "5A==",
            "ä\n",
        ),
    ];
    for (fields, body, expected) in cases {
        let message = leaf(fields, body);
        let message = message.strip_suffix("\r\n").unwrap_or(&message);
        let outline = Outline::parse(message.as_bytes());
        let read = BodyPart::root(&outline.root).reading(message.as_bytes());
        assert_eq!(read, expected, "{fields} {body}");
    }
}

#[test]
fn a_signature_ends_its_own_part() {
    let parts = [
        leaf("text/plain", "above\r\n-- \r\nme"),
        leaf("image/png", "i"),
        leaf("text/plain", "below"),
    ];
    let message = multipart("mixed", "b", &parts);
    let outline = Outline::parse(message.as_bytes());
    let bodies = Bodies::of(&outline.root);
    assert_eq!(preview(&bodies, message.as_bytes()), "above below");
}

#[test]
fn a_preview_is_found_far_behind_a_long_beginning() {
    let quoted = "> somebody else's words\r\n".repeat(1000);
    let style = format!("<style>{}</style>", "p { color: red }\r\n".repeat(1000));
    let cases = [
        ("text/plain", format!("{quoted}my own"), "my own"),
        ("text/html", format!("{style}<p>my own"), "my own"),
        // Not all of it is looked at.
        ("text/html", format!("{}<p>late", style.repeat(4)), ""),
    ];
    for (fields, body, expected) in cases {
        let message = leaf(fields, &body);
        let outline = Outline::parse(message.as_bytes());
        let bodies = Bodies::of(&outline.root);
        assert_eq!(preview(&bodies, message.as_bytes()), expected, "{fields}");
    }
    // What is quoted far behind what is said changes nothing.
    let said = "what I say, and more of it ".repeat(20);
    let short = leaf("text/plain", &said);
    let long = leaf("text/plain", &format!("{said}\r\n{quoted}"));
    let [short, long] = [short, long].map(|message| {
        let outline = Outline::parse(message.as_bytes());
        preview(&Bodies::of(&outline.root), message.as_bytes())
    });
    assert_eq!(short, long);
    assert!(short.len() > 200);
}

#[test]
fn a_preview_needs_only_its_spans() {
    let parts = [
        leaf("application/zip", &"file ".repeat(50_000)),
        leaf("text/plain", "one"),
        leaf("text/html", "<b>two</b>"),
        leaf("text/plain", &"three ".repeat(20_000)),
    ];
    let message = multipart("mixed", "b", &parts);
    let outline = Outline::parse(message.as_bytes());
    let bodies = Bodies::of(&outline.root);
    let spans: Vec<_> = preview_spans(&bodies).collect();
    assert_eq!(spans.len(), 3);
    let octets: u64 = spans.iter().map(|span| span.len).sum();
    assert!(octets < 66_000, "{octets}");
    let octets = spans.iter().map(|span| span.of(message.as_bytes()));
    let expected = preview(&bodies, message.as_bytes());
    assert_eq!(preview_of(&bodies, octets), expected);
    assert!(expected.starts_with("one two three three"), "{expected}");
}

#[test]
fn a_preview_is_short() {
    for (word, characters) in [("a", 256), ("é", 256), ("💩", 128), ("ab ", 171)] {
        let message = leaf("text/plain; charset=utf-8", &word.repeat(100_000));
        let outline = Outline::parse(message.as_bytes());
        let text = preview(&Bodies::of(&outline.root), message.as_bytes());
        assert!(text.encode_utf16().count() <= PREVIEW_CHARACTERS_MAX);
        assert_eq!(
            text.chars().filter(|letter| *letter != ' ').count(),
            characters,
            "{word}"
        );
    }
}

fn next(state: &mut u64, below: usize) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    usize::try_from(*state >> 33).unwrap() % below
}

/// Each part that is no multipart, messages inside not opened.
fn leaves(part: &BodyPart<'_>) -> usize {
    let below = part.sub_parts();
    if below.is_empty() {
        return 1;
    }
    below.iter().map(leaves).sum()
}

#[test]
fn any_message_has_its_views() {
    let seed = format!(
        "{}\r\nbegin 644 x\r\n#0V%T\r\nend\r\n",
        example().replace("text/plain", "text/plain; format=flowed; charset=utf-7")
    );
    let mut state = 7;
    let pieces = [
        "--m1",
        "--alt--",
        "\r\n",
        "text/html",
        "alternative",
        "<a ",
        ">",
        "begin 644 a\r\n",
        "=",
        "\0",
    ];
    for _ in 0..400 {
        let mut message = seed.clone().into_bytes();
        for _ in 0..=next(&mut state, 5) {
            let at = next(&mut state, message.len());
            match next(&mut state, 3) {
                0 => message[at] = u8::try_from(next(&mut state, 256)).unwrap(),
                1 => {
                    let piece = pieces[next(&mut state, pieces.len())].bytes();
                    drop(message.splice(at..at, piece));
                }
                _ => {
                    let end = message.len().min(at + next(&mut state, 60));
                    drop(message.drain(at..end));
                }
            }
        }
        sound(&message);
    }
}

fn sound(message: &[u8]) {
    let outline = Outline::parse(message);
    let root = BodyPart::root(&outline.root);
    let bodies = Bodies::of(&outline.root);
    let all = bodies
        .text
        .iter()
        .chain(&bodies.html)
        .chain(&bodies.attachments);
    let mut seen: Vec<*const Part> = all.map(|part| std::ptr::from_ref(part.part)).collect();
    seen.sort_unstable();
    seen.dedup();
    // Nothing is lost: each part is shown somewhere.
    assert_eq!(seen.len(), leaves(&root));
    let text = preview(&bodies, message);
    assert!(text.encode_utf16().count() <= PREVIEW_CHARACTERS_MAX);
    for (part, file) in bodies.enclosed(message) {
        let octets = part.octets(message);
        assert_eq!(file.octets(&octets).len() as u64, file.size);
    }
    for part in &bodies.text {
        assert!(part.value(message, 40).value.len() <= 40);
        let read = part.reading(message);
        assert!(read.is_empty() || read.ends_with('\n'));
    }
}

#[test]
fn hostile_html_is_bounded() {
    let mut state = 3;
    let pieces = [
        "<",
        ">",
        "</",
        "<!--",
        "-->",
        "&",
        "&#x10ffff;",
        "&#0;",
        "&notit;",
        "<script>",
        "</script",
        "<style",
        "<pre>",
        "\n",
        "<blockquote>",
        "<li>",
        "<br>",
        "a='",
        "\"",
        " ",
        "x",
        "ü",
        "<![CDATA[",
        "<textarea>",
        "<plaintext>",
        "<!DOCTYPE",
        "\0",
        "]]>",
        "&ngE;",
        "<table><td>",
    ];
    for _ in 0..300 {
        let mut document = String::new();
        for _ in 0..next(&mut state, 60) {
            document.push_str(pieces[next(&mut state, pieces.len())]);
        }
        // The longest entity for its length makes two letters of five; a quoted line adds 16.
        let lines = html::lines(&document);
        assert!(lines.len() <= 8 * document.len() + 16, "{document}");
        let words = html::words(&document);
        assert!(words.len() <= 3 * document.len() + 16, "{document}");
        assert!(!words.contains("  ") && words.trim() == words, "{document}");
    }
    for piece in pieces {
        let document = piece.repeat(100_000 / piece.len());
        assert!(html::lines(&document).len() <= 8 * document.len());
    }
}

#[test]
fn flowed_text_survives_both_ways() {
    let mut state = 5;
    let words = [
        "a",
        "longer",
        " ",
        "  ",
        ">",
        "From ",
        "-- ",
        "日本語",
        "x",
        "word ",
    ];
    for _ in 0..500 {
        let paragraphs: Vec<flowed::Paragraph> = (0..=next(&mut state, 4))
            .map(|_| {
                let words = (0..next(&mut state, 60)).map(|_| words[next(&mut state, words.len())]);
                let text = words.collect::<String>().trim_end().to_owned();
                let quotes = next(&mut state, 3);
                flowed::Paragraph {
                    quotes,
                    text,
                    fixed: false,
                }
            })
            .collect();
        let text = flowed::write(&paragraphs);
        let read: Vec<flowed::Paragraph> = flowed::read(&text, false).collect();
        let same = |one: &flowed::Paragraph| (one.quotes, one.text.clone());
        let (before, after): (Vec<_>, Vec<_>) = (
            paragraphs.iter().map(same).collect(),
            read.iter().map(same).collect(),
        );
        assert_eq!(after, before, "{text}");
        assert_eq!(flowed::write(&read), text);
    }
}
