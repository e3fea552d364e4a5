//! Messages that mean one thing to one reader and another to the next: attacks, mostly. Each is
//! read in one way, in pieces as in one, and what was wrong has a name.

use message::{Leniencies, Leniency, Limits, Outline, Scanner, Table};

/// The outline, and all leniencies of its parts; the same however the message arrives.
fn read(message: &[u8]) -> (Outline, Leniencies) {
    let outline = Outline::parse(message);
    for size in [1, 7] {
        let mut scanner = Scanner::new(&Limits::HOUSE);
        message.chunks(size).for_each(|piece| scanner.push(piece));
        assert_eq!(scanner.finish().outline(), outline);
    }
    let mut noted = Table::of(message).leniencies();
    for part in outline.root.walk() {
        noted.extend(part.leniencies);
    }
    (outline, noted)
}

fn types(outline: &Outline) -> String {
    let parts = outline.root.walk();
    let types: Vec<String> = parts
        .map(|part| format!("{}/{}", part.media, part.subtype))
        .collect();
    types.join(" ")
}

/// Reads it as these types, with these things wrong and no others.
fn means(message: &str, meant: &str, wrong: &[Leniency]) {
    let (outline, noted) = read(message.as_bytes());
    assert_eq!(types(&outline), meant, "{message:?}");
    let noted: Vec<Leniency> = noted.iter().collect();
    assert_eq!(noted, wrong, "{message:?}");
}

const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

#[test]
fn what_ends_a_line() {
    use Leniency::{BareCr, BareLf, HeaderUnended, Implied, NotAField, Unclosed};
    let mixed = |rest: &str| format!("{MIXED}{rest}");
    // RFC 5322 §2.3: CR and LF stand together; CR alone ends nothing.
    means(
        "A: b\rContent-Type: text/html\r\n\r\n",
        "text/plain",
        &[BareCr],
    );
    means("A: b\r\r\n\r\nx", "text/plain", &[BareCr]);
    means(
        "A: b\r\n\r\r\nB: c\r\n\r\nx",
        "text/plain",
        &[NotAField, BareCr],
    );
    means("A: b\n\nx", "text/plain", &[BareLf]);
    means("A: b\r\n\nx", "text/plain", &[BareLf]);
    means(
        &mixed("--b\r\n\r\nx\r--b\r\r\n--b--\r\n"),
        "multipart/mixed text/plain",
        &[],
    );
    means(
        &mixed("--b\r\rx\r\n"),
        "multipart/mixed text/plain",
        &[Unclosed, Implied],
    );
    means(
        &mixed("--b\n\r\nx\r\n--b--"),
        "multipart/mixed text/plain",
        &[BareLf],
    );
    means(
        &mixed("--b\r\n\r\n--b--\r"),
        "multipart/mixed text/plain",
        &[],
    );
    // RFC 5322 §2.1: only a line with nothing on it ends a header.
    means(
        "A: b\r\n \r\nContent-Type: text/html\r\n\r\nx",
        "text/html",
        &[],
    );
    means(
        "A: b\r\n\0\r\nContent-Type: text/html\r\n\r\nx",
        "text/html",
        &[NotAField, Leniency::Nul],
    );
    means(
        "A: b\r\nContent-Type: text/html",
        "text/html",
        &[HeaderUnended],
    );
    means("A: b\r\nContent-Type: text/html\r\n", "text/html", &[]);
}

#[test]
fn what_ends_a_header_of_a_part() {
    use Leniency::{HeaderUnended, NotAField};
    means(
        &format!("{MIXED}--b\r\nContent-Type: text/html\r\n--b--\r\n\r\nx"),
        "multipart/mixed text/html",
        &[HeaderUnended],
    );
    means(
        &format!("{MIXED}--b\r\nA: b\r\n--b-\r\nContent-Type: text/html\r\n\r\nx\r\n--b--\r\n"),
        "multipart/mixed text/html",
        &[NotAField],
    );
    // A delimiter folds no field, nor does a field hold one.
    means(
        &format!("{MIXED}--b\r\nContent-Type: text/html;\r\n --b\r\n\r\nx\r\n--b--\r\n"),
        "multipart/mixed text/html",
        &[],
    );
    let enclosed = format!(
        "{MIXED}--b\r\nContent-Type: message/rfc822\r\n--b\r\n\
         Content-Type: message/rfc822\r\n\r\nSubject: in\r\n--b--\r\n"
    );
    means(
        &enclosed,
        "multipart/mixed message/rfc822 text/plain message/rfc822 text/plain",
        &[HeaderUnended],
    );
}

#[test]
fn what_stands_twice() {
    use Leniency::{RepeatedBoundary, RepeatedField, RepeatedUnique};
    let html = "Content-Type: text/html\r\n";
    means(
        &format!("{html}CONTENT-TYPE : text/plain\r\n\r\n"),
        "text/html",
        &[RepeatedField, Leniency::SpaceBeforeColon],
    );
    means(
        &format!(
            "{html}Content-Transfer-Encoding: 7bit\r\ncontent-transfer-encoding: base64\r\n\r\n"
        ),
        "text/html",
        &[RepeatedField],
    );
    // RFC 5322 §3.6
    means(
        &format!("From: a@b\r\n{html}FROM: c@d\r\n\r\n"),
        "text/html",
        &[RepeatedUnique],
    );
    means(
        "Received: x\r\nReceived: y\r\nX: z\r\nX: z\r\n\r\n",
        "text/plain",
        &[],
    );
    means(
        &format!("{MIXED}--b\r\nSubject: a\r\nSubject: b\r\n\r\n--b--\r\n"),
        "multipart/mixed text/plain",
        &[],
    );
    means(
        "Content-Type: multipart/mixed; boundary=b; boundary=c\r\n\r\n\
         --c\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\nx\r\n--b--\r\n",
        "multipart/mixed text/html",
        &[RepeatedBoundary],
    );
}

#[test]
fn what_a_boundary_is() {
    use Leniency::{BoundaryTooLong, Implied, Unclosed};
    let bounded = |boundary: &str, delimiter: &str| {
        format!(
            "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n\
             --{delimiter}\r\nContent-Type: text/html\r\n\r\nx\r\n--{delimiter}--\r\n"
        )
    };
    let html = "multipart/mixed text/html";
    let none = "multipart/mixed text/plain";
    for (length, wrong, meant) in [
        (70, &[][..], html),
        (71, &[BoundaryTooLong], html),
        (994, &[BoundaryTooLong], html),
        (995, &[Implied, BoundaryTooLong], none),
    ] {
        let boundary = "b".repeat(length);
        means(&bounded(&boundary, &boundary), meant, wrong);
    }
    means(&bounded("b ", "b"), html, &[]);
    means(&bounded("b", "B"), none, &[Unclosed, Implied]);
    means(&bounded("b", "bb"), none, &[Unclosed, Implied]);
    means(&bounded("b", " b"), none, &[Unclosed, Implied]);
    // RFC 5322 §2.1.1: a delimiter is a line, and a line has at most 998 characters.
    for (padding, meant, wrong) in [
        (995, html, &[Unclosed][..]),
        (996, none, &[Unclosed, Implied]),
    ] {
        let padded = format!("b{}", " ".repeat(padding));
        means(&bounded("b", &padded), meant, wrong);
    }
}

#[test]
fn what_is_opened() {
    use Leniency::{EncodedComposite, EncodedMultipart, TypeUnreadable, Unopened};
    means(
        &format!("Content-Transfer-Encoding: base64\r\n{MIXED}--b\r\n\r\nx\r\n--b--\r\n"),
        "multipart/mixed text/plain",
        &[EncodedMultipart],
    );
    means(
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: Base64\r\n\r\nU3Vi",
        "application/octet-stream",
        &[EncodedComposite],
    );
    means(
        "Content-Type: image\r\n\r\nx",
        "text/plain",
        &[TypeUnreadable],
    );
    means("Content-Type:\r\n\r\nx", "text/plain", &[TypeUnreadable]);
    means(
        "Content-Type: a/b\r\nContent-Transfer-Encoding: x-none\r\n\r\nx",
        "a/b",
        &[Leniency::EncodingUnknown],
    );
    let narrow = Limits {
        depth_max: 1,
        ..Limits::HOUSE
    };
    let message = format!("{MIXED}--b\r\n{MIXED}--b--\r\n");
    let outline = Outline::parse_within(message.as_bytes(), &narrow);
    assert_eq!(types(&outline), "multipart/mixed application/octet-stream");
    assert!(
        outline
            .root
            .walk()
            .any(|part| part.leniencies.has(Unopened))
    );
}

#[test]
fn what_lies_past_a_limit_is_passed_over_and_said() {
    let fields = |count| "A: b\r\n".repeat(count) + "Content-Type: text/html\r\n\r\nx";
    let narrow = Limits {
        header_fields_max: 5,
        fields_max: 8,
        header_octets_max: 100,
        ..Limits::HOUSE
    };
    for (count, meant, past) in [(4, "text/html", false), (5, "text/plain", true)] {
        let outline = Outline::parse_within(fields(count).as_bytes(), &narrow);
        assert_eq!(types(&outline), meant);
        let noted = outline.root.leniencies;
        assert_eq!(noted.has(Leniency::FieldsPastLimit), past);
        assert_eq!(outline.root.body.len, 1);
    }
    // 25 octets of Content-Type, and one field of 75 or 76.
    for (octets, meant) in [(75, "text/html"), (76, "text/plain")] {
        let long = format!("A: {}\r\n {}\r\n", "x".repeat(30), "y".repeat(octets - 38));
        assert_eq!(long.len(), octets);
        let message = format!("{long}Content-Type: text/html\r\n\r\nx");
        let outline = Outline::parse_within(message.as_bytes(), &narrow);
        assert_eq!(types(&outline), meant);
    }
    // Over all headers.
    let part = "--b\r\nA: b\r\nContent-Type: text/html\r\n\r\nx\r\n";
    let message = format!("{MIXED}{}--b--\r\n", part.repeat(3));
    let narrow = Limits {
        header_octets_max: 1000,
        ..narrow
    };
    let outline = Outline::parse_within(message.as_bytes(), &narrow);
    assert_eq!(
        types(&outline),
        "multipart/mixed text/html text/html text/html"
    );
    let narrow = Limits {
        fields_max: 6,
        ..narrow
    };
    let outline = Outline::parse_within(message.as_bytes(), &narrow);
    assert_eq!(
        types(&outline),
        "multipart/mixed text/html text/html text/plain"
    );
}
