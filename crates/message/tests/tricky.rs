//! Messages on which other readers are known to disagree, and what is true of each.

use message::{Content, Leniency, Limits, Outline, Part, decode_words, part_text};

fn leaf(outline: &Outline, numbers: &[u32]) -> Part {
    outline.part(numbers).cloned().unwrap_or_default()
}

fn body<'a>(part: &Part, message: &'a [u8]) -> &'a [u8] {
    part.body.of(message)
}

#[test]
fn a_folded_name_is_kept() {
    let message = b"Content-Type: application/pdf; name=\r\n \"a b.pdf\"\r\n\r\nx";
    let outline = Outline::parse(message);
    assert_eq!(outline.root.filename().as_deref(), Some("a b.pdf"));
    assert!(outline.root.is("application", "pdf"));
}

#[test]
fn encoded_words_may_split_a_character() {
    assert_eq!(decode_words(b"=?utf-8?Q?=E2=82?= =?utf-8?Q?=AC?="), "€");
    assert_eq!(decode_words(b"=?utf-8?B?4oI=?=\r\n =?UTF-8?B?rA==?="), "€");
}

#[test]
fn a_boundary_in_mid_line_is_text() {
    let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\n\r\ntext --b more\r\nend\r\n--b--\r\n";
    let outline = Outline::parse(message);
    let part = leaf(&outline, &[1]);
    assert_eq!(body(&part, message), b"text --b more\r\nend");
    assert_eq!(outline.part(&[2]), None);
    assert!(!outline.root.leniencies.has(Leniency::Unclosed));
}

#[test]
fn base64_without_padding_is_whole() {
    let message = b"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8";
    let outline = Outline::parse(message);
    assert_eq!(part_text(&outline.root, message), "hello");
}

#[test]
fn a_doubled_equals_sign_spoils_nothing_else() {
    let message = b"Content-Transfer-Encoding: quoted-printable\r\n\r\na == b =3D c=\r\nd";
    let outline = Outline::parse(message);
    assert_eq!(part_text(&outline.root, message), "a == b = cd");
}

#[test]
fn a_boundary_does_not_match_inside_a_longer_one() {
    let message = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n\
        --x\r\nContent-Type: multipart/alternative; boundary=xy\r\n\r\n\
        --xy\r\n\r\none\r\n--xy\r\n\r\ntwo\r\n--xy--\r\n--x\r\n\r\nthree\r\n--x--\r\n";
    let outline = Outline::parse(message);
    assert_eq!(outline.root.children().len(), 2);
    assert_eq!(body(&leaf(&outline, &[1, 1]), message), b"one");
    assert_eq!(body(&leaf(&outline, &[1, 2]), message), b"two");
    assert_eq!(body(&leaf(&outline, &[2]), message), b"three");
    assert_eq!(outline.root.walk().count(), 5);
}

#[test]
fn the_first_of_two_content_types_counts() {
    let message = b"Content-Type: text/html\r\nContent-Type: image/png\r\n\r\nx";
    let outline = Outline::parse(message);
    assert!(outline.root.is("text", "html"));
    assert!(outline.root.leniencies.has(Leniency::RepeatedField));
    let once = Outline::parse(b"Content-Type: text/html\r\n\r\nx");
    assert!(!once.root.leniencies.has(Leniency::RepeatedField));
}

#[test]
fn parameters_of_rfc_2231_mix() {
    let message = b"Content-Type: application/x-stuff;\r\n\
        \ttitle*0*=us-ascii'en'This%20is%20even%20more%20;\r\n\
        \ttitle*1*=%2A%2A%2Afun%2A%2A%2A%20;\r\n\
        \ttitle*2=\"isn't it!\"\r\n\
        Content-Disposition: attachment; filename*=iso-8859-1''caf%E9.txt\r\n\r\n";
    let root = Outline::parse(message).root;
    let title = root.parameter("title");
    assert_eq!(
        title.as_deref(),
        Some("This is even more ***fun*** isn't it!")
    );
    assert_eq!(root.filename().as_deref(), Some("café.txt"));
}

#[test]
fn line_feeds_alone_are_line_ends() {
    let message = b"Subject: a\n b\nContent-Type: multipart/mixed; boundary=b\n\n\
        --b\n\none\ntwo\n--b\nContent-Type: text/html\n\nx\n--b--\n";
    let outline = Outline::parse(message);
    assert_eq!(outline.digest.subject.as_deref(), Some(&b"a b"[..]));
    assert_eq!(body(&leaf(&outline, &[1]), message), b"one\ntwo");
    assert_eq!(leaf(&outline, &[1]).lines, 1);
    assert!(leaf(&outline, &[2]).is("text", "html"));
}

#[test]
fn a_missing_close_delimiter_loses_nothing() {
    let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n";
    let outline = Outline::parse(message);
    assert_eq!(body(&leaf(&outline, &[2]), message), b"two\r\n");
    assert!(outline.root.leniencies.has(Leniency::Unclosed));
}

#[test]
fn an_outer_delimiter_ends_what_is_open_inside() {
    let message = b"Content-Type: multipart/mixed; boundary=out\r\n\r\n\
        --out\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n\
        --in\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nhi\r\n\
        --out\r\n\r\nlast\r\n--out--\r\n";
    let outline = Outline::parse(message);
    assert_eq!(outline.root.children().len(), 2);
    assert_eq!(body(&leaf(&outline, &[2]), message), b"last");
    let inner = leaf(&outline, &[1, 1]);
    let Content::Message(inner) = inner.content else {
        unreachable!("a message was put in");
    };
    assert_eq!(inner.digest.subject.as_deref(), Some(&b"inner"[..]));
    assert_eq!(inner.root.body.of(message), b"hi");
    assert!(leaf(&outline, &[1]).leniencies.has(Leniency::Unclosed));
}

#[test]
fn raw_utf8_and_latin_headers_are_read() {
    let message = "Subject: grüße €\r\n\r\n".as_bytes();
    let outline = Outline::parse(message);
    assert_eq!(outline.digest.subject_text(), "grüße €");
    assert_eq!(decode_words(b"caf\xe9"), "café");
}

#[test]
fn charsets_outside_the_web_list() {
    let message = b"Content-Type: text/plain; charset=utf-7\r\n\r\nHi Mom -+Jjo--!+AOk-";
    assert_eq!(
        part_text(&Outline::parse(message).root, message),
        "Hi Mom -☺-!é"
    );
    let message = b"Content-Type: text/plain; charset=ISO-2022-JP\r\n\r\n\x1b$B$3$s\x1b(B";
    assert_eq!(part_text(&Outline::parse(message).root, message), "こん");
    let word = "=?ISO-2022-JP?B?GyRCJDMkcxsoQg==?=";
    assert_eq!(decode_words(word.as_bytes()), "こん");
    let twice = format!("{word} {word}");
    assert_eq!(decode_words(twice.as_bytes()), "こんこん");
}

#[test]
fn depth_and_parts_are_bounded() {
    let mut message = Vec::new();
    for level in 0..5000 {
        let part =
            format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n");
        message.extend_from_slice(part.as_bytes());
    }
    let outline = Outline::parse(&message);
    assert!(outline.root.walk().count() <= 66);
    assert!(
        outline
            .root
            .walk()
            .any(|part| part.leniencies.has(Leniency::Unopened))
    );
    let enclosed = b"Content-Type: message/rfc822\r\n\r\n".repeat(2000);
    let outline = Outline::parse(&enclosed);
    assert_eq!(outline.root.walk().count(), 65);
    let mut wide = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    wide.extend_from_slice(&b"--b\r\n\r\nx\r\n".repeat(12_000));
    let outline = Outline::parse(&wide);
    assert_eq!(outline.root.walk().count(), Limits::HOUSE.parts_max);
    assert!(outline.root.leniencies.has(Leniency::Unopened));
}

#[test]
fn a_multipart_without_delimiters_has_one_part() {
    for message in [
        &b"Content-Type: multipart/mixed\r\n\r\njust text\r\n"[..],
        b"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\njust text\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\njust text\r\n",
    ] {
        let outline = Outline::parse(message);
        assert!(outline.root.leniencies.has(Leniency::Implied));
        let part = leaf(&outline, &[1]);
        assert!(part.is("text", "plain"));
        assert_eq!(body(&part, message), b"just text\r\n");
    }
}

#[test]
fn a_digest_holds_messages_unless_it_says_otherwise() {
    let message = b"Content-Type: multipart/digest; boundary=b\r\n\r\n\
        --b\r\n\r\nSubject: one\r\n\r\nbody\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--";
    let outline = Outline::parse(message);
    assert!(leaf(&outline, &[1]).is("message", "rfc822"));
    assert!(leaf(&outline, &[2]).is("text", "plain"));
    let part = leaf(&outline, &[1]);
    let subjects: Vec<_> = match part.content {
        Content::Message(inner) => inner.digest.subject.into_iter().collect(),
        Content::Leaf | Content::Multipart(_) => Vec::new(),
    };
    assert_eq!(subjects, [b"one"]);
}

#[test]
fn an_encoded_message_stays_closed() {
    let message = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3Vi";
    let root = Outline::parse(message).root;
    assert_eq!(root.content, Content::Leaf);
    assert!(
        root.leniencies.has(Leniency::EncodedComposite) && root.is("application", "octet-stream")
    );
}

#[test]
fn several_destination_fields_are_one_list() {
    let message = b"To: a@x\r\nCc: c@x\r\nTo: b@x\r\nFrom: f@x\r\nFrom: g@x\r\nSender: \r\n\r\n";
    let digest = Outline::parse(message).digest;
    let texts = |list: &[message::Correspondent]| {
        let texts: Vec<String> = list.iter().map(message::Correspondent::text).collect();
        texts.join(" ")
    };
    assert_eq!(texts(&digest.to), "a@x b@x");
    assert_eq!(texts(&digest.cc), "c@x");
    assert_eq!(texts(&digest.from), "f@x");
    // RFC 9051 §7.5.2
    assert_eq!(texts(&digest.sender), "f@x");
    assert_eq!(texts(&digest.reply_to), "f@x");
    assert_eq!((digest.subject, digest.date), (None, None));
    let empty = Outline::parse(b"Subject:\r\n\r\n").digest;
    assert_eq!(empty.subject.as_deref(), Some(&b""[..]));
}

#[test]
fn padding_behind_a_delimiter() {
    let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b \t\r\n\r\none\r\n--b\t\r\n\r\ntwo\r\n--b-x\r\nmore\r\n--b-- \r\n";
    let outline = Outline::parse(message);
    assert_eq!(body(&leaf(&outline, &[1]), message), b"one");
    assert_eq!(
        body(&leaf(&outline, &[2]), message),
        b"two\r\n--b-x\r\nmore"
    );
}

#[test]
fn a_part_whose_header_is_cut_short() {
    let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/html\r\n--b\r\n--b\r\nX: y\r\n\r\n--b--\r\n";
    let outline = Outline::parse(message);
    assert!(leaf(&outline, &[1]).is("text", "html"));
    assert_eq!(outline.root.children().len(), 3);
    assert!(
        outline
            .root
            .children()
            .iter()
            .all(|part| part.body.len == 0)
    );
}
