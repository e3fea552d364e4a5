//! Messages in lines of ASCII: what each part says is the same before and after.

use message::seven_bit::Survey;
use message::{Content, Limits, Obstacle, Outline, Part, Scanner, decode_part, to_seven_bit};
use proptest::prelude::*;

const MIXED: &str = "From: a@example.org\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=\"out\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
    für alte Leser\r\n--out\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: 8bit\r\n\r\nTee trägt\r\n-- \r\nAda\r\n\
    --out\r\nContent-Type: text/plain\r\n\r\nplain\r\n\
    --out\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
    Subject: inner\r\n\r\nöäüöäüöäüöäüöäüöäü\r\n\
    --out\r\nContent-Type: image/gif\r\nContent-Transfer-Encoding: base64\r\n\r\nR0lG\r\n\
    --out--\r\n";

/// The same of a message that comes in pieces; as long as was said.
fn form(message: &[u8]) -> Result<Vec<u8>, Obstacle> {
    let form = to_seven_bit(message);
    let whole = survey(message, usize::MAX);
    for cut in [1, 7, 64] {
        assert_eq!(survey(message, cut), whole);
    }
    assert_eq!(
        whole.map(|_| ()),
        form.as_ref().map(|_| ()).map_err(|no| *no)
    );
    form
}

fn survey(message: &[u8], cut: usize) -> Result<message::seven_bit::Conversion, Obstacle> {
    let mut scanner = Scanner::new(&Limits::HOUSE);
    message.chunks(cut).for_each(|piece| scanner.push(piece));
    let mut survey = Survey::new(&scanner.finish());
    message.chunks(cut).for_each(|piece| survey.push(piece));
    survey.finish()
}

/// Any host takes it, and it says the same.
fn is_the_same(before: &[u8], after: &[u8]) {
    let text = after.escape_ascii();
    assert!(after.is_ascii() && !after.contains(&0), "{text}");
    for line in after.split(|&octet| octet == b'\n') {
        assert!(
            line.strip_suffix(b"\r").unwrap_or(line).len() <= 998,
            "{text}"
        );
    }
    let (one, other) = (Outline::parse(before), Outline::parse(after));
    let parts = one.root.walk().zip(other.root.walk());
    assert_eq!(one.root.walk().count(), other.root.walk().count(), "{text}");
    for (one, other) in parts {
        assert_eq!(kind(one), kind(other));
        if one.content == Content::Leaf {
            let said = decode_part(one, before);
            assert_eq!(said.octets, decode_part(other, after).octets, "{text}");
        }
    }
}

fn kind(part: &Part) -> (&str, &str, usize) {
    (&part.media, &part.subtype, part.children().len())
}

#[test]
fn each_part_is_written_in_the_shorter_encoding() {
    let after = form(MIXED.as_bytes()).unwrap();
    is_the_same(MIXED.as_bytes(), &after);
    let expected = "From: a@example.org\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=\"out\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
        f??r alte Leser\r\n--out\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\nTee tr=C3=A4gt\r\n--=20\r\nAda\r\n\
        --out\r\nContent-Type: text/plain\r\n\r\nplain\r\n\
        --out\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
        Subject: inner\r\nContent-Transfer-Encoding: base64\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\r\n\
        w7bDpMO8w7bDpMO8w7bDpMO8w7bDpMO8w7bDpMO8w7bDpMO8\r\n\r\n\
        --out\r\nContent-Type: image/gif\r\nContent-Transfer-Encoding: base64\r\n\r\nR0lG\r\n\
        --out--\r\n";
    assert_eq!(String::from_utf8(after).unwrap(), expected);
    // What is fit already stays as it is.
    let fit = expected.as_bytes();
    assert_eq!(form(fit).unwrap(), fit);
}

#[test]
fn what_it_says_of_its_length_is_so() {
    for message in [MIXED, "\r\nä", "Subject: x\r\n\r\na\nb\r\n"] {
        let said = survey(message.as_bytes(), usize::MAX).unwrap().octets;
        let form = form(message.as_bytes()).unwrap();
        assert_eq!(said, u64::try_from(form.len()).unwrap(), "{message}");
    }
}

#[test]
fn some_messages_have_no_such_form() {
    let signed = |text: &str| {
        format!(
            "Content-Type: multipart/signed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
             --b\r\n\r\n{text}\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\n\
             x\r\n--b--\r\n"
        )
    };
    let long = format!("Subject: {}\r\n\r\nä\r\n", "x".repeat(1000));
    let headers = format!("{}\r\nä\r\n", "X: y\r\n".repeat(200_000));
    let cases = [
        (signed("ä"), Obstacle::Signed),
        ("Subject: ä\r\n\r\nx\r\n".to_owned(), Obstacle::Header),
        (long, Obstacle::Line),
        (headers, Obstacle::Headers),
        (
            "Content-Type: message/partial; id=x\r\n\r\nä\r\n".to_owned(),
            Obstacle::Kind,
        ),
        (
            "Content-Transfer-Encoding: x-zip\r\n\r\nä\r\n".to_owned(),
            Obstacle::Kind,
        ),
    ];
    for (message, obstacle) in cases {
        let said = form(message.as_bytes());
        assert_eq!(
            said,
            Err(obstacle),
            "{}",
            message.get(..60).unwrap_or(&message)
        );
    }
    // What is signed and fit goes as it is, but for what is around it.
    let fit = signed("a");
    let expected = fit.replace("8bit", "7bit");
    assert_eq!(form(fit.as_bytes()).unwrap(), expected.as_bytes());
    let twice = "Content-Transfer-Encoding: 8bit\r\nX: y\r\n\
        content-transfer-encoding:\r\n\x208bit\r\n\r\n\u{e4}";
    let once = "Content-Transfer-Encoding: quoted-printable\r\nX: y\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\r\n=C3=A4";
    assert_eq!(form(twice.as_bytes()).unwrap(), once.as_bytes());
    let latin = b"X: y\r\n\r\n\xe4\xff\xff\xff\xff\xff";
    let text = String::from_utf8(form(latin).unwrap()).unwrap();
    assert!(text.contains("charset=unknown-8bit\r\n\r\n5P"), "{text}");
}

/// A body, and what its encoding is called.
fn body() -> impl Strategy<Value = (Vec<u8>, &'static str)> {
    let text = "[ -~äöü€\t]{0,1200}".prop_map(|text| (text.into_bytes(), "8bit"));
    let lines = proptest::collection::vec("[ -,.-~äß]{0,90}", 0..12)
        .prop_map(|lines| (lines.join("\r\n").into_bytes(), "8bit"));
    let octets =
        proptest::collection::vec(any::<u8>(), 0..900).prop_map(|octets| (octets, "binary"));
    prop_oneof![text, lines, octets]
}

fn entity() -> impl Strategy<Value = Vec<u8>> {
    let leaf = body().prop_map(|(body, encoding)| {
        let mut leaf =
            format!("Content-Type: text/plain\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n")
                .into_bytes();
        leaf.extend_from_slice(&body);
        leaf
    });
    leaf.prop_recursive(3, 12, 4, |inner| {
        let multipart = (proptest::collection::vec(inner.clone(), 1..4), any::<u32>()).prop_map(
            |(parts, number)| {
                let boundary = format!("=_b{number}");
                let mut out = format!(
                    "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\nprä\r\n"
                )
                .into_bytes();
                for part in parts {
                    out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
                    out.extend_from_slice(&part);
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
                out
            },
        );
        let message = inner.prop_map(|part| {
            let head = b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n";
            [&head[..], &part].concat()
        });
        prop_oneof![multipart, message]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_parts_say_is_the_same(part in entity()) {
        let message = [&b"From: a@example.org\r\n"[..], &part].concat();
        let after = form(&message).unwrap();
        is_the_same(&message, &after);
        prop_assert_eq!(form(&after).unwrap(), after);
    }

    #[test]
    fn nothing_is_beyond_ascii_whatever_comes(
        noise in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12)
    ) {
        let mut message = MIXED.as_bytes().to_vec();
        for (at, octet) in noise {
            *at.get_mut(&mut message) = octet;
        }
        if let Ok(after) = form(&message) {
            is_the_same(&message, &after);
        }
    }
}
