//! All that can be done with a message, done to one input, with what must hold each time.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use allocation_counter::measure;
use message::{
    Content, Correspondent, Decoder, Digest, Encoding, Field, Header, Limits, Outline, Part,
    Scanner, Section, Specifier, Table, base_subject, decode, decode_transfer, decode_words,
    filter_header, message_ids, parse_addresses, parse_date, part_text, references, search_text,
    unfold,
};

use crate::mutate::Dice;
use crate::views;

/// Octets of memory one step may hold at once: for each octet of the message, for each of its
/// parts (a delimiter alone makes one; `Limits` says how many), and besides.
const MEMORY_PER_OCTET_MAX: usize = 256;
const MEMORY_PER_PART_MAX: usize = 2500;
const MEMORY_BESIDES_MAX: usize = 16_384;

/// Panics where something does not hold.
pub(crate) fn everything(message: &[u8], number: u64) {
    let mut dice = Dice::new(!number);
    let mut outline = Outline::default();
    let memory = measure(|| outline = Outline::parse(message)).bytes_max;
    let scale = Scale {
        octets: message.len(),
        parts: outline.root.walk().count(),
    };
    scale.bounds("outline", memory);
    outline_holds(&outline, message, scale.parts);
    scale.within("table", || pieces(&outline, message, &mut dice));
    scale.within("stored", || {
        let stored = outline.encode();
        assert_eq!(Outline::decode(&stored).as_ref(), Ok(&outline), "as stored");
    });
    scale.within("sections", || sections(&outline, message, &mut dice));
    scale.within("bodies", || bodies(&outline, message, &mut dice));
    // What costs most takes turns; a number and the next, one of ours and one of others, take the
    // same.
    match number / 2 % 3 {
        0 => scale.within("views", || views::views(&outline, message)),
        1 => scale.within("reports", || reports(&outline, message)),
        _ => scale.within("structured fields", || structured(&outline, message)),
    }
    scale.within("search", || {
        let mut octets = 0;
        search_text(&outline, message, &mut |text| {
            octets += text.len();
            false
        });
        // The headers of enclosed messages come twice: in the part around them as well.
        assert!(
            octets <= message.len() * 8 + 1000,
            "{octets} octets of text"
        );
    });
    for part in outline.root.walk().take(50) {
        scale.within("fields", || header(part.header.of(message)));
    }
    if number.is_multiple_of(32) {
        scale.within("built", || built(message));
    }
}

/// What memory is measured against.
#[derive(Clone, Copy)]
struct Scale {
    octets: usize,
    parts: usize,
}

impl Scale {
    /// Does a step within the memory it may hold.
    fn within(self, what: &str, step: impl FnOnce()) {
        // A panic must not pass through `measure`, which would count on at the wrong depth.
        let mut done = Ok(());
        let memory = measure(|| done = catch_unwind(AssertUnwindSafe(step))).bytes_max;
        done.unwrap_or_else(|panic| resume_unwind(panic));
        self.bounds(what, memory);
    }

    fn bounds(self, what: &str, memory: u64) {
        let Self { octets, parts } = self;
        let most = octets * MEMORY_PER_OCTET_MAX + parts * MEMORY_PER_PART_MAX;
        assert!(
            memory <= (most + MEMORY_BESIDES_MAX) as u64,
            "{what}: {memory} octets of memory for {octets} of message in {parts} parts"
        );
    }
}

fn outline_holds(outline: &Outline, message: &[u8], parts: usize) {
    let limits = Limits::HOUSE;
    assert_eq!(outline.span().offset, 0);
    assert_eq!(
        outline.span().end(),
        message.len() as u64,
        "the whole message"
    );
    // A multipart left without a part gets one that is implied, on top of the limit.
    assert!(parts <= limits.parts_max * 2, "{parts} parts");
    let mut addresses = digest_addresses(&outline.digest);
    nested(&outline.root, 0, &limits, &mut addresses);
    // Sender and Reply-To repeat From where they are absent; groups are closed beyond the limit.
    assert!(
        addresses <= limits.addresses_max * 3 + 8,
        "{addresses} addresses"
    );
}

/// A message that arrives in pieces has the table and the outline of the whole.
fn pieces(outline: &Outline, message: &[u8], dice: &mut Dice) {
    let table = Table::of(message);
    let mut scanner = Scanner::new(&Limits::HOUSE);
    let longest = [1, 3, 20, 500][dice.below(4)];
    let mut rest = message;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((1 + dice.below(longest)).min(rest.len()));
        scanner.push(piece);
        rest = behind;
    }
    let (steps, memory) = (scanner.steps(), scanner.memory_octets());
    let octets = message.len();
    // A line may be like the boundary of each open multipart, and is compared with them all.
    let steps_an_octet = Limits::HOUSE.depth_max as u64 + 8;
    assert!(
        steps <= steps_an_octet * octets as u64 + 1000,
        "{steps} steps for {octets} octets"
    );
    assert!(memory <= 64 * octets + 4096, "{memory} for {octets} octets");
    let scanned = scanner.finish();
    assert_eq!(scanned.outline(), *outline, "in pieces it is another");
    for (piece, whole) in scanned.table.parts().iter().zip(table.parts()) {
        assert_eq!(piece.header(), whole.header());
        assert_eq!((piece.body(), piece.lines()), (whole.body(), whole.lines()));
        assert_eq!(piece.leniencies(), whole.leniencies());
    }
    assert_eq!(scanned.table.parts().len(), table.parts().len());
    assert!(table.parts().len() <= Limits::HOUSE.parts_max * 2);
}

fn nested(part: &Part, depth: usize, limits: &Limits, addresses: &mut usize) {
    assert!(depth <= limits.depth_max + 1, "{depth} deep");
    assert_eq!(
        part.header.end(),
        part.body.offset,
        "a header ends where the body begins"
    );
    assert!(part.parameters.len() <= limits.parameters_max);
    assert!(
        part.parameters
            .iter()
            .all(|one| one.value.len() <= limits.text_octets_max)
    );
    let texts = [&part.id, &part.description, &part.md5, &part.location];
    for text in texts.into_iter().flatten() {
        assert!(text.len() <= limits.text_octets_max);
        assert!(
            memchr::memchr3(0, b'\r', b'\n', text).is_none(),
            "a line end in a text"
        );
    }
    let mut before = part.body.offset;
    for child in part.children() {
        assert!(child.header.offset >= before, "parts in order");
        assert!(
            child.body.end() <= part.body.end(),
            "a part inside its parent"
        );
        before = child.body.end();
        nested(child, depth + 1, limits, addresses);
    }
    if let Content::Message(inner) = &part.content {
        *addresses += digest_addresses(&inner.digest);
    }
}

fn digest_addresses(digest: &Digest) -> usize {
    let lists = [
        &digest.from,
        &digest.sender,
        &digest.reply_to,
        &digest.to,
        &digest.cc,
        &digest.bcc,
    ];
    for one in lists.into_iter().flatten() {
        if let Correspondent::Mailbox { local, host, .. } = one {
            let dirty = |text: &[u8]| memchr::memchr3(0, b'\r', b'\n', text).is_some();
            assert!(!dirty(local) && !dirty(host), "a line end in an address");
        }
        let _address = one.address();
    }
    lists.iter().map(|list| list.len()).sum()
}

fn sections(outline: &Outline, message: &[u8], dice: &mut Dice) {
    let specifiers = [
        Specifier::All,
        Specifier::Header,
        Specifier::Text,
        Specifier::Mime,
    ];
    for specifier in specifiers {
        let parts = (0..dice.below(4)).map(|_| u32::try_from(dice.below(4)).unwrap_or(0));
        let section = Section {
            parts: parts.collect(),
            specifier,
        };
        if let Some(found) = outline.locate(&section) {
            assert!(
                found.span.end() <= message.len() as u64,
                "a section inside the message"
            );
        }
    }
    let header = outline.root.header.of(message);
    let names = ["Subject".to_owned(), "content-type".to_owned()];
    let (kept, rest) = (
        filter_header(header, &names, false),
        filter_header(header, &names, true),
    );
    assert!(
        kept.len() + rest.len() <= header.len() + 8,
        "both filters make the header"
    );
    assert!(references(header).iter().all(|id| !id.is_empty()));
}

fn bodies(outline: &Outline, message: &[u8], dice: &mut Dice) {
    for part in outline.root.walk().take(100) {
        let _filename = part.filename();
        let _joined = message::parameter::join(&part.parameters);
        if part.children().is_empty() {
            let body = part.body.of(message);
            for encoding in [
                Encoding::parse(&part.encoding),
                Encoding::Base64,
                Encoding::QuotedPrintable,
            ] {
                decoded(encoding, body, dice);
            }
            if part.media == "text" {
                let text = part_text(part, message);
                assert!(
                    text.len() <= body.len() * 4 + 16,
                    "{} octets of text",
                    text.len()
                );
            }
        }
    }
}

/// Whole and in pieces is the same, and never longer.
fn decoded(encoding: Encoding, body: &[u8], dice: &mut Dice) {
    let whole = decode_transfer(encoding, body).octets;
    // A line of uuencode may leave out the zeros at its end: two octets say 63.
    let most = if encoding == Encoding::Uuencode {
        32
    } else {
        1
    };
    assert!(whole.len() <= body.len() * most, "decoding makes octets");
    let (first, rest) = body.split_at(dice.below(body.len() + 1));
    let (second, third) = rest.split_at(dice.below(rest.len() + 1));
    let mut decoder = Decoder::new(encoding);
    let mut pieces = Vec::with_capacity(whole.len());
    for piece in [first, second, third] {
        decoder.push(piece, &mut pieces);
    }
    decoder.finish(&mut pieces);
    assert!(pieces == *whole, "{encoding:?} in pieces is another");
    if encoding == Encoding::Base64 {
        let written = decode::encode_base64(body);
        let back = decode_transfer(encoding, &written).octets;
        assert!(back == body, "base64 comes back");
    }
}

fn reports(outline: &Outline, message: &[u8]) {
    let leaves = outline
        .root
        .walk()
        .filter(|part| part.children().is_empty());
    leaves
        .take(20)
        .for_each(|part| views::reports(part.body.of(message)));
}

fn structured(outline: &Outline, message: &[u8]) {
    for part in outline.root.walk().take(20) {
        let fields = Header::parse(part.header.of(message)).take(100);
        fields.for_each(|field| views::structured(field.value));
    }
}

fn header(header: &[u8]) {
    for field in Header::parse(header).take(100) {
        assert!(field.raw.len() <= header.len());
        value(&field);
    }
}

fn value(field: &Field<'_>) {
    let value = field.value;
    let _date = parse_date(value);
    let unfolded = unfold(value);
    let text = decode_words(&unfolded);
    assert!(
        text.len() <= value.len() * 4 + 16,
        "{} octets of words",
        text.len()
    );
    assert!(message_ids(value).iter().map(Vec::len).sum::<usize>() <= value.len());
    let base = base_subject(value);
    assert!(base.text.len() <= value.len() * 4 + 16);
    let list = parse_addresses(value, 50);
    assert!(
        list.len() <= 51,
        "at most so many addresses, and a group's end"
    );
    for one in &list {
        let _text = one.text();
        let _address = one.address();
    }
}

/// What is put together from the input comes back as it was.
fn built(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let name: String = text.chars().take(60).collect();
    let built = message::Builder::new()
        .subject(&name)
        .text("x")
        .attach(&name, "a/b", octets)
        .build();
    let outline = Outline::parse(&built);
    let part = outline.part(&[2]).expect("the attachment");
    let back = decode_transfer(Encoding::parse(&part.encoding), part.body.of(&built)).octets;
    assert!(back == octets, "an attachment comes back");
    assert_eq!(Header::parse(&built).count(), 3, "no field is injected");
}
