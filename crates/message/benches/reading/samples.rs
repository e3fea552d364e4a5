//! The messages that are read, made by this program alone: the same octets everywhere.

/// One message with what it is for.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) octets: Vec<u8>,
}

/// All of them, small to large.
pub(crate) fn all() -> Vec<Sample> {
    let sample = |name, octets| Sample { name, octets };
    vec![
        sample("small text, 13 fields", small()),
        sample("quoted-printable alternative", alternative()),
        sample("2 MB attachment", attachment(2_000_000)),
        sample("50 MB attachment", large()),
        sample("5,000 parts", many_parts(5000)),
        sample("60 multiparts deep", deep_multiparts(60)),
        sample("60 messages deep", deep_messages(60)),
    ]
}

/// The largest one alone.
pub(crate) fn large() -> Vec<u8> {
    attachment(50_000_000)
}

const HEADER: &str = "Return-Path: <ada@example.org>\r\n\
    Received: from mail.example.org (mail.example.org [192.0.2.1])\r\n\
    \tby mx.example.net (Caramel) with ESMTPS id 4F2A9C01\r\n\
    \tfor <grace@example.net>; Mon, 23 Nov 2026 20:15:02 +0000\r\n\
    Received: from [10.0.0.7] (client.example.org [198.51.100.9])\r\n\
    \tby mail.example.org with ESMTPSA id 77AB; Mon, 23 Nov 2026 20:15:00 +0000\r\n\
    DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=2026;\r\n\
    \th=from:to:cc:subject:date:message-id; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n\
    \tb=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZVoG4ZHRNiYzR\r\n\
    From: \"Ada, Countess of Lovelace\" <ada@example.org>\r\n\
    To: Grace Hopper <grace@example.net>, =?utf-8?Q?Ren=C3=A9?= <rene@example.net>\r\n\
    Cc: analysts: babbage@example.org, \"M. Somerville\" <mary@example.org>;\r\n\
    Subject: =?utf-8?Q?Notes_on_the_engine_=E2=80=94?= second reading\r\n\
    Date: Mon, 23 Nov 2026 20:15:00 +0000\r\n\
    Message-ID: <20261123201500.4711@mail.example.org>\r\n\
    In-Reply-To: <20261122101010.42@example.net>\r\n\
    References: <20261121090000.1@example.org> <20261122101010.42@example.net>\r\n\
    MIME-Version: 1.0\r\n";

const SENTENCE: &str = "The Analytical Engine weaves algebraic patterns just as the loom \
    weaves flowers and leaves.";

fn text(octets: usize) -> String {
    let mut text = String::with_capacity(octets + 200);
    let mut number = 0;
    while text.len() < octets {
        number += 1;
        text.push_str(&format!(
            "{number}. {}\r\n",
            &SENTENCE[..SENTENCE.len() - 20]
        ));
        if number % 5 == 0 {
            text.push_str("\r\n");
        }
    }
    text
}

/// The small one alone.
pub(crate) fn small() -> Vec<u8> {
    let fields = HEADER.replace("Return-Path: <ada@example.org>\r\n", "");
    let kind = "Content-Type: text/plain; charset=utf-8\r\n\r\n";
    let body = text(2720 - fields.len() - kind.len());
    format!("{fields}{kind}{body}").into_bytes()
}

/// A text and its HTML, mostly ASCII with some letters that must be written as escapes.
fn alternative() -> Vec<u8> {
    let line = "Gr=C3=BC=C3=9Fe aus M=C3=BCnchen: the loom weaves flowers and leaves, and =\r\n\
        the engine weaves patterns. 1 =3D 1, as everybody knows.\r\n";
    let html = "<p class=3D\"note\">Gr=C3=BC=C3=9Fe aus <b>M=C3=BCnchen</b>: the loom weaves =\r\n\
        flowers and leaves,<br> and the engine weaves patterns.</p>\r\n";
    let plain = line.repeat(16_000 / line.len());
    let html = html.repeat(22_500 / html.len());
    let kind = |subtype: &str| {
        format!(
            "Content-Type: text/{subtype}; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        )
    };
    let boundary = "----=_Part_1234_5678.9012";
    format!(
        "{HEADER}Content-Type: multipart/alternative; boundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\n{}{plain}\r\n--{boundary}\r\n{}{html}\r\n--{boundary}--\r\n",
        kind("plain"),
        kind("html"),
    )
    .into_bytes()
}

/// Octets that no compressor would shorten, the same each time.
pub(crate) fn noise(octets: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = Vec::with_capacity(octets + 8);
    while noise.len() < octets {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(octets);
    noise
}

/// A body in base64, in lines of 76.
pub(crate) fn base64_body(octets: usize) -> String {
    use base64::Engine as _;
    let noise = noise(octets);
    let mut body = String::with_capacity(octets * 4 / 3 + octets / 28);
    for line in noise.chunks(57) {
        base64::engine::general_purpose::STANDARD.encode_string(line, &mut body);
        body.push_str("\r\n");
    }
    body
}

fn attachment(octets: usize) -> Vec<u8> {
    let boundary = "=_caramel-0-0";
    let body = base64_body(octets * 3 / 4 * 76 / 78);
    format!(
        "{HEADER}Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\nContent-Type: text/plain\r\n\r\nHere it is.\r\n\
         --{boundary}\r\nContent-Type: application/pdf; name=\"notes.pdf\"\r\n\
         Content-Disposition: attachment; filename=\"notes.pdf\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{body}\r\n--{boundary}--\r\n"
    )
    .into_bytes()
}

fn many_parts(count: usize) -> Vec<u8> {
    let mut message = format!("{HEADER}Content-Type: multipart/mixed; boundary=\"many\"\r\n\r\n");
    for number in 0..count {
        message.push_str(&format!(
            "--many\r\nContent-Type: text/plain; charset=us-ascii; name=\"part-{number}.txt\"\r\n\
             Content-Disposition: attachment; filename=\"part-{number}.txt\"\r\n\r\n\
             This is part {number}.\r\n{SENTENCE}\r\n"
        ));
    }
    message.push_str("--many--\r\n");
    message.into_bytes()
}

fn deep_multiparts(depth: usize) -> Vec<u8> {
    let mut message = HEADER.to_owned();
    let body = text(600);
    for level in 0..depth {
        message.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=\"level-{level}-\"\r\n\r\n\
             --level-{level}-\r\nContent-Type: text/plain\r\n\r\n{body}\r\n--level-{level}-\r\n"
        ));
    }
    message.push_str("Content-Type: text/plain\r\n\r\nThe bottom.\r\n");
    for level in (0..depth).rev() {
        message.push_str(&format!("--level-{level}---\r\n"));
    }
    message.into_bytes()
}

fn deep_messages(depth: usize) -> Vec<u8> {
    let mut message = String::new();
    for level in 0..depth {
        message.push_str(&format!(
            "{HEADER}X-Level: {level}\r\nContent-Type: message/rfc822\r\n\r\n"
        ));
    }
    message.push_str(HEADER);
    message.push_str("\r\n");
    message.push_str(&text(600));
    message.into_bytes()
}
