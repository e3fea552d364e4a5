//! Laws of bodies: any cut decodes alike, what is encoded decodes to itself, nothing is slow.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

use message::decode::{Decoded, decode_base64};
use message::{
    Decoder, Encoding, Leniencies, decode_transfer, encode_base64, encode_quoted_printable,
};

const ENCODINGS: [Encoding; 4] = [
    Encoding::Base64,
    Encoding::QuotedPrintable,
    Encoding::Uuencode,
    Encoding::Identity,
];

/// A small linear congruential generator: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    /// Pieces of what encoded bodies are made of, right and wrong.
    fn body(&mut self, pieces: usize) -> Vec<u8> {
        let words: [&[u8]; 24] = [
            b"=",
            b"=3D",
            b"=e4",
            b"==",
            b"=\r\n",
            b"=\n",
            b"= \t\r\n",
            b" ",
            b"\t",
            b"\r",
            b"\n",
            b"\r\n",
            b"YWJj",
            b"Zm9vYmFyZm9vYmFyZm9vYmFy",
            b"Zg==",
            b"Zm8=",
            b"!",
            b"\xe4",
            b"begin 644 x\n",
            b"#0V%T\n",
            b"end\n",
            b"`\n",
            b"Z",
            b"",
        ];
        let long: [Vec<u8>; 4] = [
            b" ".repeat(700),
            b"YWJj".repeat(60),
            encode_base64(&[7; 500]),
            encode_quoted_printable(&b"gr\xc3\xbc\xc3\x9fe ".repeat(20)),
        ];
        let mut body = Vec::new();
        for _ in 0..pieces {
            match self.below(30) {
                at @ 0..4 => body.extend_from_slice(&long[at]),
                at => body.extend_from_slice(words[at % words.len()]),
            }
        }
        body
    }
}

fn in_pieces(
    encoding: Encoding,
    body: &[u8],
    sizes: &mut dyn FnMut() -> usize,
) -> (Vec<u8>, Leniencies) {
    let (mut octets, mut piece) = (Vec::new(), Vec::new());
    let mut decoder = Decoder::new(encoding);
    let mut rest = body;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(sizes().clamp(1, rest.len()));
        // Whoever reads piece by piece may carry each away: nothing may be taken back.
        decoder.push(now, &mut piece);
        octets.append(&mut piece);
        rest = later;
    }
    decoder.finish(&mut piece);
    octets.append(&mut piece);
    (octets, decoder.leniencies())
}

#[test]
fn any_cut_decodes_alike() {
    let mut dice = Dice(1);
    for round in 0..500 {
        let pieces = if round % 50 == 0 { 300 } else { 12 };
        let body = dice.body(pieces);
        for encoding in ENCODINGS {
            let Decoded {
                octets, leniencies, ..
            } = decode_transfer(encoding, &body);
            let whole = (octets.into_owned(), leniencies);
            let single = in_pieces(encoding, &body, &mut || 1);
            assert_eq!(
                single,
                whole,
                "{encoding:?} {:?}",
                String::from_utf8_lossy(&body)
            );
            let largest = [3, 90, 1000][round % 3];
            let cut = in_pieces(encoding, &body, &mut || dice.below(largest) + 1);
            assert_eq!(
                cut,
                whole,
                "{encoding:?} {:?}",
                String::from_utf8_lossy(&body)
            );
        }
    }
}

#[test]
fn what_is_encoded_decodes_to_itself() {
    let mut dice = Dice(2);
    for length in (0..300).chain([4000, 8191, 8192, 8193, 60_000]) {
        let octets: Vec<u8> = (0..length)
            .map(|_| match dice.below(4) {
                0 => b" \t\r\n=."[dice.below(6)],
                1 => u8::try_from(dice.below(256)).unwrap(),
                _ => b'a',
            })
            .collect();
        for (encoding, text) in [
            (Encoding::Base64, encode_base64(&octets)),
            (Encoding::QuotedPrintable, encode_quoted_printable(&octets)),
        ] {
            let decoded = decode_transfer(encoding, &text);
            assert_eq!(decoded.octets, octets, "{encoding:?}");
            assert!(decoded.leniencies.is_empty(), "{encoding:?}");
            assert!(text.is_ascii());
            let lines = text.split(|&octet| octet == b'\n');
            assert!(
                lines.into_iter().all(|line| line.len() <= 77),
                "{encoding:?}"
            );
        }
        assert_eq!(decode_base64(&encode_base64(&octets)).0, octets);
    }
}

#[test]
fn nothing_decodes_to_more_than_it_was() {
    let mut dice = Dice(3);
    for _ in 0..300 {
        let body = dice.body(40);
        for encoding in ENCODINGS {
            assert!(decode_transfer(encoding, &body).octets.len() <= body.len());
        }
    }
}
