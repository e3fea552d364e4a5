//! Laws: nothing panics, ranges nest, time is linear, what is stored reads back.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use message::{
    Content, Correspondent, Decoder, Digest, Encoding, Header, Limits, Outline, Part, Scanned,
    Scanner, Section, Specifier, StoredContent, StoredDigest, StoredOutline, Table, Wanted,
    base_subject, decode_words, filter_header, parse_addresses, parse_date, search_text,
};
use proptest::prelude::*;

fn rounds(usual: u32) -> u32 {
    let wanted = std::env::var("CARAMEL_LAWS").ok();
    wanted.and_then(|count| count.parse().ok()).unwrap_or(usual)
}

const SEED: &[u8] = b"Received: from a by b; Mon, 23 Nov 2026 20:15:00 +0000\r\n\
    From: \"A. B\" <a@example.org>, team: b@example.org, c <c@example.org>;\r\n\
    To: =?utf-8?Q?Ren=C3=A9?= <@x.example,@y.example:r@example.org> (comment (nested))\r\n\
    Subject: Re: [list] =?iso-8859-1?B?Z3L832U=?=\r\n folded\r\n\
    Date: Mon, 23 Nov 2026 20:15:00 +0000 (UTC)\r\nMessage-ID: <1@example.org>\r\n\
    References: <a@b> <c@d>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=\"out\"; title*0*=utf-8''%e2; title*1=x\r\n\r\n\
    preamble\r\n--out\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n\
    --in\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=BC=C3=9Fe =\r\nall \t\r\n\
    --in\r\nContent-Type: text/html; charset=utf-7\r\n\r\n\
    <p>a&amp;b<script>x</script><!-- c -->+AOk-\r\n--in--\r\nepilogue\r\n\
    --out\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nTo: x@y\r\n\r\nhi\r\n\
    --out\r\nContent-Type: image/png; name=a b.png\r\nContent-Transfer-Encoding: base64\r\n\
    Content-Disposition: attachment;\r\n filename*=utf-8''%F0%9F%8E%89.png\r\n\r\n\
    iVBORw0KGgo\r\n--out--\r\n";

/// Does everything there is to do with a message.
fn take_apart(message: &[u8]) -> Outline {
    let outline = Outline::parse(message);
    nested(&outline.root);
    let enclosing = Part {
        content: Content::Message(Box::new(outline.clone())),
        ..Part::default()
    };
    sound(&enclosing);
    assert!(outline.span().len == message.len() as u64);
    let stored = outline.encode();
    assert_eq!(Outline::decode(&stored).as_ref(), Ok(&outline));
    halves(&stored, &outline);
    search_text(&outline, message, &mut |_| false);
    for part in outline.root.walk() {
        sound(part);
        let _name = part.filename();
        let _joined = message::parameter::join(&part.parameters);
    }
    for field in Header::parse(message) {
        let _date = parse_date(field.value);
        let _text = decode_words(field.value);
        let _base = base_subject(field.value);
        assert!(parse_addresses(field.value, 10).len() <= 11);
    }
    outline
}

fn nested(part: &Part) {
    assert_eq!(part.header.end(), part.body.offset);
    for child in part.children() {
        assert!(child.header.offset >= part.body.offset);
        assert!(child.body.end() <= part.body.end());
        nested(child);
    }
}

/// No text holds an octet that IMAP could not write.
fn sound(part: &Part) {
    let mut texts: Vec<&[u8]> = Vec::new();
    let disposition = part.disposition.as_ref().map(|found| &found.parameters);
    for one in part
        .parameters
        .iter()
        .chain(disposition.into_iter().flatten())
    {
        texts.extend([one.name.as_bytes(), &one.value]);
    }
    texts.extend(part.languages.iter().map(Vec::as_slice));
    texts.extend(
        [&part.id, &part.description, &part.md5, &part.location]
            .into_iter()
            .flatten()
            .map(Vec::as_slice),
    );
    if let Content::Message(inner) = &part.content {
        digested(&inner.digest, &mut texts);
    }
    for text in texts {
        assert!(memchr::memchr3(0, b'\r', b'\n', text).is_none(), "{text:?}");
    }
}

fn digested<'a>(digest: &'a Digest, texts: &mut Vec<&'a [u8]>) {
    for list in [
        &digest.from,
        &digest.sender,
        &digest.reply_to,
        &digest.to,
        &digest.cc,
    ] {
        for one in list {
            match one {
                Correspondent::Mailbox {
                    name,
                    route,
                    local,
                    host,
                } => {
                    texts.extend([name, route].into_iter().flatten().map(Vec::as_slice));
                    texts.extend([local.as_slice(), host]);
                }
                Correspondent::GroupStart(name) => texts.push(name),
                Correspondent::GroupEnd => {}
            }
        }
    }
    let values = [
        &digest.date,
        &digest.subject,
        &digest.in_reply_to,
        &digest.message_id,
    ];
    texts.extend(values.into_iter().flatten().map(Vec::as_slice));
}

#[test]
fn any_prefix_is_a_message() {
    for end in 0..=SEED.len() {
        take_apart(&SEED[..end]);
    }
    assert_eq!(take_apart(SEED).root.walk().count(), 7);
}

/// A small linear congruential generator: the same numbers everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    /// The seed with a few things done to it.
    fn mutated(&mut self) -> Vec<u8> {
        let pieces: [&[u8]; 18] = [
            b"--out",
            b"--in--",
            b"--",
            b"\n--",
            b"--out--\r\n",
            b"\r\n\r\n",
            b"\r\n",
            b"\n",
            b"\r",
            b"=?",
            b"?=",
            b"\"",
            b"(",
            b"<",
            b"\0",
            b"\xff",
            b"\\",
            b"\r\n ",
        ];
        let mut message = SEED.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(message.len());
            match self.below(4) {
                0 => message[at] = u8::try_from(self.below(256)).unwrap(),
                1 => {
                    let piece = pieces[self.below(pieces.len())];
                    drop(message.splice(at..at, piece.iter().copied()));
                }
                2 => drop(message.drain(at..(at + self.below(40)).min(message.len()))),
                _ => {
                    let from = self.below(message.len());
                    let piece = message[from..(from + self.below(80)).min(message.len())].to_vec();
                    drop(message.splice(at..at, piece));
                }
            }
        }
        message
    }
}

#[test]
fn any_mutation_is_a_message() {
    let mut chance = Chance(1);
    for _ in 0..rounds(2000) {
        take_apart(&chance.mutated());
    }
}

fn scanned<'a>(pieces: impl Iterator<Item = &'a [u8]>, limits: &Limits) -> Scanned {
    let mut scanner = Scanner::new(limits);
    for piece in pieces {
        scanner.push(piece);
    }
    scanner.finish()
}

/// Limits so small that every one of them is met.
fn narrow(chance: &mut Chance) -> Limits {
    Limits {
        parts_max: 1 + chance.below(6),
        depth_max: chance.below(4),
        header_fields_max: chance.below(12),
        fields_max: chance.below(30),
        header_octets_max: chance.below(1500),
        ..Limits::HOUSE
    }
}

#[test]
fn any_pieces_give_the_table_of_the_whole() {
    for cut in 0..=SEED.len() {
        let (one, two) = SEED.split_at(cut);
        let scanned = scanned([one, two].into_iter(), &Limits::HOUSE);
        assert_eq!(scanned.table, Table::of(SEED), "cut at {cut}");
        assert_eq!(scanned.outline(), Outline::parse(SEED), "cut at {cut}");
    }
    let mut chance = Chance(2);
    for round in 0..rounds(1500) {
        let mut message = chance.mutated();
        if round % 3 == 0 {
            message.retain(|octet| *octet != b'\r');
        }
        if round % 5 == 0 {
            // Lines about as long as a delimiter may be.
            let at = chance.below(message.len());
            let padding = vec![b" -x"[chance.below(3)]; 980 + chance.below(40)];
            drop(message.splice(at..at, padding));
        }
        let limits = match chance.below(2) {
            0 => Limits::HOUSE,
            _ => narrow(&mut chance),
        };
        let whole = Table::within(&message, &limits);
        let outline = Outline::parse_within(&message, &limits);
        let longest = [1, 2, 3, 50, 1000][chance.below(5)];
        let mut rest = message.as_slice();
        let pieces = std::iter::from_fn(|| {
            let (piece, behind) = rest.split_at((1 + chance.below(longest)).min(rest.len()));
            rest = behind;
            (!piece.is_empty()).then_some(piece)
        });
        let scanned = scanned(pieces, &limits);
        let shown = String::from_utf8_lossy(&message);
        assert_eq!(scanned.table, whole, "{limits:?}\n{shown}");
        assert_eq!(scanned.outline(), outline, "{limits:?}\n{shown}");
        assert!(scanned.headers.len() <= limits.header_octets_max);
        assert!(scanned.table.parts().len() <= limits.parts_max + 1);
    }
}

/// Half an outline is that half of it.
fn halves(stored: &[u8], outline: &Outline) {
    for (digest, parts) in [(false, false), (false, true), (true, false), (true, true)] {
        let some = Outline::decode_some(stored, Wanted { digest, parts }).unwrap();
        if digest {
            assert_eq!(some.digest, outline.digest);
        }
        if parts {
            assert_eq!(some.root, outline.root);
        }
        assert_eq!(some.root.header, outline.root.header);
        assert_eq!(some.root.body, outline.root.body);
        shown(stored, outline, Wanted { digest, parts });
    }
    // Its parts stand alone, and where they begin is known from the first few octets.
    let at = Outline::parts_at(stored).unwrap();
    let begun = stored.iter().take(11).copied().collect::<Vec<_>>();
    assert_eq!(Outline::parts_at(&begun), Some(at));
    let parts = &stored[at..];
    let places = Outline::decode_parts(parts, false).unwrap().root;
    let same = [places.header, places.body] == [outline.root.header, outline.root.body];
    assert!(same);
    let alone = StoredOutline::of_parts(parts.to_vec().into());
    assert_eq!(alone.to_outline().unwrap().root, outline.root);
    assert!(alone.digest().is_none());
    assert!(alone.parts().is_some());
    // So does its digest.
    let alone = StoredOutline::of_digest(stored[..at].to_vec().into());
    let digest_alone = alone.to_outline().unwrap();
    assert_eq!(digest_alone.digest, outline.digest);
    assert_eq!(digest_alone.root, Outline::default().root);
    assert!(alone.digest().is_some());
    assert!(alone.parts().is_none());
}

/// What is shown of stored octets without copying them is the outline.
fn shown(stored: &[u8], outline: &Outline, wanted: Wanted) {
    let checked = StoredOutline::new(stored.to_vec().into(), wanted).unwrap();
    assert_eq!(checked.octets(), stored.len());
    let subject = |digest: &StoredDigest<'_>| digest.subject.map(<[u8]>::to_vec);
    let found = checked.digest().map(|digest| subject(&digest));
    assert_eq!(found, wanted.digest.then(|| outline.digest.subject.clone()));
    assert_eq!(checked.parts().is_some(), wanted.parts);
    let Some(mut parts) = checked.parts() else {
        return;
    };
    for part in outline.root.walk() {
        let shown = parts.part().unwrap();
        let kind = [&part.media, &part.subtype].map(|name| name.as_bytes());
        assert_eq!([shown.media, shown.subtype], kind);
        assert_eq!((shown.header, shown.body), (part.header, part.body));
        let inside = match &part.content {
            Content::Leaf => StoredContent::Leaf,
            Content::Multipart(parts) => StoredContent::Multipart(parts.len()),
            Content::Message(inner) => {
                let digest = parts.digest().unwrap();
                assert_eq!(subject(&digest), inner.digest.subject);
                StoredContent::Message
            }
        };
        assert_eq!(shown.content, inside);
    }
    assert!(parts.part().is_none());
    if wanted == Wanted::ALL {
        assert_eq!(&StoredOutline::from(outline), &checked);
        assert_eq!(checked.to_outline().as_ref(), Ok(outline));
    }
}

#[test]
fn a_damaged_outline_is_an_error_or_another_outline() {
    let stored = Outline::parse(SEED).encode();
    for end in 0..stored.len() {
        assert!(Outline::decode(&stored[..end]).is_err());
    }
    for at in 0..stored.len() {
        for octet in [0, 1, 2, 127, 128, 255] {
            let mut hostile = stored.clone();
            hostile[at] = octet;
            let _places = Outline::decode_some(&hostile, Wanted::default());
            let taken = StoredOutline::new(hostile.clone().into(), Wanted::ALL);
            let outline = Outline::decode(&hostile);
            let shown = taken.and_then(|taken| taken.to_outline());
            assert_eq!(shown.as_ref().ok(), outline.as_ref().ok());
            if let Ok(outline) = outline {
                assert_eq!(Outline::decode(&outline.encode()), Ok(outline));
            }
        }
    }
    let mut deep = vec![1];
    deep.extend_from_slice(&[0; 100_000]);
    assert!(Outline::decode(&deep).is_err());
    // Messages in one another, deeper than any that is written: ten empty digest fields, a part.
    let level = [&[0; 14][..], &[2]].concat();
    let deep = [&[2][..], &level.repeat(100_000)].concat();
    assert!(Outline::decode(&deep).is_err());
}

/// Inputs made to be slow; each must be done in the blink it takes to read it.
#[test]
fn nothing_takes_more_than_linear_time() {
    const MANY: usize = 100_000;
    for unit in [
        &b"=?a?q?"[..],
        b"=?",
        b"(",
        b"<",
        b"\"",
        b"\\",
        b"[a]",
        b"re:",
        b"[fwd:",
        b"a,",
        b"@",
        b":",
        b";",
        b"x;a=",
        b"; a*0*=b",
        b"--b\r\n",
        b"--b \r\n",
        b"\n--",
        b" \t",
        b"\r\n ",
        b"=\t",
        b"=",
        b"&",
        b"<a",
        b"<script>",
        b"<!--",
        b"</",
        b"+A",
        b"a: b\n",
        b"(fwd)",
    ] {
        let run = unit.repeat(MANY / unit.len());
        let _text = decode_words(&run);
        let _base = base_subject(&run);
        let _list = parse_addresses(&run, usize::MAX);
        let _html = message::html::words(&String::from_utf8_lossy(&run));
        for kind in [
            "multipart/mixed; boundary=b",
            "multipart/digest; boundary=b",
            "text/html; charset=utf-7\r\nContent-Transfer-Encoding: quoted-printable",
        ] {
            let mut message = format!("Content-Type: {kind}\r\n\r\n").into_bytes();
            message.extend_from_slice(&run);
            let outline = Outline::parse(&message);
            search_text(&outline, &message, &mut |_| false);
        }
        for name in [
            "Content-Type: a/b; ",
            "From: ",
            "Date: ",
            "Content-Disposition: a",
        ] {
            let mut message = name.as_bytes().to_vec();
            message.extend_from_slice(&run);
            let outline = Outline::parse(&message);
            assert!(outline.encode().len() <= message.len() * 8 + 1000);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(rounds(300)))]

    #[test]
    fn any_cut_decodes_alike(body in "[ =\t\r\nA-F0-9a-g+/]{0,80}", cut in 0_usize..80) {
        let cut = cut.min(body.len());
        for encoding in [Encoding::Base64, Encoding::QuotedPrintable, Encoding::Identity] {
            let mut pieces = Vec::new();
            let mut decoder = Decoder::new(encoding);
            decoder.push(&body.as_bytes()[..cut], &mut pieces);
            decoder.push(&body.as_bytes()[cut..], &mut pieces);
            decoder.finish(&mut pieces);
            let whole = message::decode_transfer(encoding, body.as_bytes()).octets;
            prop_assert_eq!(&pieces[..], &whole[..]);
        }
    }

    #[test]
    fn both_filters_make_the_header(names in prop::collection::vec("(to|from|SUBJECT|x)", 0..4)) {
        let outline = Outline::parse(SEED);
        let header = outline.root.header.of(SEED);
        let kept = filter_header(header, &names, false);
        let rest = filter_header(header, &names, true);
        prop_assert_eq!(kept.len() + rest.len(), header.len() + 2);
        prop_assert!(kept.ends_with(b"\r\n") && rest.ends_with(b"\r\n\r\n"));
    }

    #[test]
    fn a_section_lies_inside(parts in prop::collection::vec(0_u32..4, 0..4), what in 0_usize..4) {
        let specifier =
            [Specifier::All, Specifier::Header, Specifier::Text, Specifier::Mime][what].clone();
        let found = Outline::parse(SEED).locate(&Section { parts, specifier });
        prop_assert!(found.is_none_or(|found| found.span.end() <= SEED.len() as u64));
    }

    #[test]
    fn any_octets_decode(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        take_apart(&octets);
        let _outline = Outline::decode(&octets);
        for label in ["utf-7", "utf-16le", "iso-2022-jp", "gb18030", "x-none", ""] {
            let _text = message::charset::decode(label.as_bytes(), &octets);
        }
    }
}
