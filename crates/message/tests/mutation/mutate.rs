//! One number makes one input: a seed message, changed a little in ways that hurt.

/// A small generator (splitmix64): the same numbers everywhere.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; zero where `end` is.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.roll() % end).unwrap_or(0)
    }

    pub(crate) fn octet(&mut self) -> u8 {
        self.roll().to_le_bytes()[0]
    }
}

/// What mail is made of; a mutation puts one of these in, or many.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\r\n ",
    b"\r\n\t",
    b"\n\n",
    b"\0",
    b" ",
    b"\t",
    b"\xff",
    b"\xc3\xa9",
    b"\xe2\x82",
    b"\xef\xbb\xbf",
    b"\x1b$B",
    b"\x1b(B",
    b"--",
    b"\r\n--",
    b"\r\n--b\r\n",
    b"\r\n--b--\r\n",
    b"--b",
    b"=?",
    b"?=",
    b"=?utf-8?Q?",
    b"=?utf-8?B?",
    b"=?utf-16?b?AAAA?=",
    b"=?iso-2022-jp?B?GyRC?=",
    b"=?x?q?a b?=",
    b"=",
    b"==",
    b"=\r\n",
    b"=3D",
    b"=E2=82=AC",
    b"\"",
    b"\\",
    b"\\\"",
    b"(",
    b")",
    b"((",
    b"<",
    b">",
    b"@",
    b",",
    b";",
    b":",
    b"[",
    b"]",
    b"*",
    b"'",
    b"%",
    b"%E9",
    b"*0*=",
    b"*1=",
    b"*99=",
    b"utf-8''",
    b"a=b; ",
    b"&",
    b"&amp;",
    b"&#x110000;",
    b"<a",
    b"</a>",
    b"<div>",
    b"<!--",
    b"-->",
    b"<script>",
    b"</script",
    b"+",
    b"+-",
    b"+AOk-",
    b"&AOk-",
    b"Content-Type: ",
    b"\r\nContent-Type: multipart/mixed; boundary=b\r\n",
    b"multipart/",
    b"message/rfc822",
    b"message/global",
    b"message/delivery-status",
    b"text/html",
    b"text/plain",
    b"multipart/digest; boundary=b",
    b"\r\nContent-Type: message/rfc822\r\n\r\n",
    b"; boundary=",
    b"; boundary=\"\"",
    b"boundary=b",
    b"charset=utf-7",
    b"charset=utf-16",
    b"charset=gb18030",
    b"charset=x-unknown",
    b"charset=iso-2022-jp",
    b"format=flowed",
    b"\r\nContent-Transfer-Encoding: base64\r\n",
    b"\r\nContent-Transfer-Encoding: quoted-printable\r\n",
    b"\r\nContent-Transfer-Encoding: x-uuencode\r\n",
    b"Content-Disposition: attachment; filename=",
    b"filename*=",
    b"From: ",
    b"To: ",
    b"Subject: Re: ",
    b"[fwd: ",
    b"(fwd)",
    b"Date: ",
    b"-0000",
    b"99:99:99",
    b"9999999999",
    b"Message-ID: <",
    b"References: ",
    b"Received: ",
    b"begin 644 x\n",
    b"\nend\n",
    b"`\n",
    b"\x78\x9f\x3e\x22",
    b"AAAA",
    b"aGVsbG8",
    b">From ",
    b"From x\n",
    b".",
    b"..",
    b"\xe2\x80\xae",
    b"\xf0\x9f\x8e\x89",
    b"\xed\xa0\x80",
];

/// Octets of the longest input; what grows beyond is cut.
const INPUT_OCTETS_MAX: usize = 16_384;

/// The input of this number. Even numbers need nothing but this program's own messages.
pub(crate) fn input(number: u64, own: &[&[u8]], samples: &[Vec<u8>]) -> Vec<u8> {
    let mut dice = Dice::new(number);
    let foreign = number % 2 == 1 && !samples.is_empty();
    let pick = |dice: &mut Dice| -> Vec<u8> {
        if foreign {
            samples[dice.below(samples.len())].clone()
        } else {
            own[dice.below(own.len())].to_vec()
        }
    };
    let mut message = pick(&mut dice);
    if dice.below(8) == 0 {
        let other = pick(&mut dice);
        splice(&mut message, &other, &mut dice);
    }
    for _ in 0..=dice.below(6) {
        change(&mut message, &mut dice);
        message.truncate(INPUT_OCTETS_MAX);
    }
    message
}

/// The beginning of one message and the end of another.
fn splice(message: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    message.truncate(dice.below(message.len() + 1));
    message.extend_from_slice(&other[dice.below(other.len() + 1)..]);
}

fn change(message: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(message.len() + 1);
    let end = (at + dice.below(60)).min(message.len());
    match dice.below(16) {
        0 => message
            .iter_mut()
            .skip(at)
            .take(1)
            .for_each(|octet| *octet ^= 1 << dice.below(8)),
        1 => message
            .iter_mut()
            .skip(at)
            .take(1)
            .for_each(|octet| *octet = dice.octet()),
        2 => message.insert(at, dice.octet()),
        3 => drop(message.drain(at..end)),
        4 => {
            // A piece twice, here or elsewhere.
            let piece = message[at..end].to_vec();
            let to = dice.below(message.len() + 1);
            insert(message, to, &piece);
        }
        5 => {
            // Many times over.
            let end = (at + 1 + dice.below(12)).min(message.len());
            let piece = message[at..end].repeat(1 + dice.below(200));
            insert(message, at, &piece);
        }
        6 => {
            let word = WORDS[dice.below(WORDS.len())].repeat(1 + dice.below(100));
            insert(message, at, &word);
        }
        7 => message.truncate(at),
        8 => drop(message.drain(..at)),
        9 => line_ends(message, dice),
        10 => {
            // Two pieces change places.
            let piece: Vec<u8> = message.drain(at..end).collect();
            let to = dice.below(message.len() + 1);
            insert(message, to, &piece);
        }
        11 => {
            let high = |octet: &mut u8| *octet |= 0x80;
            message[at..end].iter_mut().for_each(high);
        }
        12 => {
            // A line twice: repeated fields and delimiters.
            let start = message[..at]
                .iter()
                .rposition(|octet| *octet == b'\n')
                .map_or(0, |lf| lf + 1);
            let stop = message[at..].iter().position(|octet| *octet == b'\n');
            let line = message[start..stop.map_or(message.len(), |lf| at + lf + 1)].to_vec();
            insert(message, start, &line);
        }
        _ => insert(message, at, WORDS[dice.below(WORDS.len())]),
    }
}

fn insert(message: &mut Vec<u8>, at: usize, piece: &[u8]) {
    drop(message.splice(at..at, piece.iter().copied()));
}

/// Other line ends from some line on.
fn line_ends(message: &mut Vec<u8>, dice: &mut Dice) {
    let from = dice.below(message.len() + 1);
    let tail = message.split_off(from);
    let end: &[u8] = [&b"\n"[..], b"\r", b"\r\n", b"\r\r\n"][dice.below(4)];
    for octet in tail {
        match octet {
            b'\r' => {}
            b'\n' => message.extend_from_slice(end),
            _ => message.push(octet),
        }
    }
}
