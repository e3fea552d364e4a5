//! The mbox family: what is written is read back, however it is cut; known files are read.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use message::mbox::{Begin, Envelope, Fields, LineEnds, Reader, Step, Storing, Variant, Writer};
use proptest::prelude::*;

/// How a file is read.
#[derive(Clone, Copy)]
struct How {
    variant: Option<Variant>,
    line_ends: LineEnds,
    storing: Storing,
    /// Octets fed at a time.
    cut: usize,
}

const fn native(variant: Option<Variant>) -> How {
    How {
        variant,
        line_ends: LineEnds::Native,
        storing: Storing::Taken,
        cut: usize::MAX,
    }
}

fn read(file: &[u8], how: How) -> Vec<(Begin, Vec<u8>)> {
    let mut reader = Reader::new(how.variant, how.line_ends, how.storing, 0);
    let mut pieces = file.chunks(how.cut.min(file.len()).max(1));
    let mut messages: Vec<(Begin, Vec<u8>)> = Vec::new();
    loop {
        match reader.step() {
            Step::Feed => reader.feed(pieces.next().unwrap_or_default()),
            Step::Peek(at) => {
                let rest = usize::try_from(at).ok().and_then(|at| file.get(at..));
                reader.peeked(rest.map(|rest| &rest[..rest.len().min(Reader::PEEK_OCTETS)]));
            }
            Step::Begin(begin) => {
                let header = begin.header.to_vec();
                messages.push((*begin, header));
            }
            Step::Octets(octets) => messages.last_mut().unwrap().1.extend_from_slice(&octets),
            Step::End(_) => {}
            Step::Over => return messages,
        }
    }
}

fn write(messages: &[Vec<u8>], variant: Variant, line_ends: LineEnds, cut: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::new(variant, line_ends, 0);
    for message in messages {
        writer.begin(&Envelope::default(), None, &mut file);
        for piece in message.chunks(cut.max(1)) {
            writer.octets(piece, &mut file);
        }
        if let Some(patch) = writer.end(&mut file) {
            let at = usize::try_from(patch.at).unwrap();
            file[at..at + patch.octets.len()].copy_from_slice(&patch.octets);
        }
    }
    file
}

/// Any octet but the one that ends a line.
fn other() -> impl Strategy<Value = u8> {
    any::<u8>().prop_filter("LF ends it", |octet| *octet != b'\n')
}

/// Lines as they are found in messages, and as they are not.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "",
        ">",
        ">>",
        "From ",
        ">From me",
        ">>From you",
        "From a Thu Jan  1 00:00:00 1970",
        "Subject: hi",
        " folded",
        "Content-Length: 3",
        "content-length: 9999",
        "Status: R",
        "\r",
        "From",
        ".",
        "x\ry",
    ]);
    prop_oneof![
        4 => known.prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(other(), 0..20),
    ]
}

fn message(end: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::collection::vec(line(), 0..8);
    lines.prop_map(move |lines| {
        lines
            .into_iter()
            .flat_map(|line| [line, end.to_vec()].concat())
            .collect()
    })
}

fn canonical() -> impl Strategy<Value = Vec<u8>> {
    let bare = |message: &Vec<u8>| !message.windows(3).any(|three| three == b"\r\r\n");
    message(b"\r\n").prop_filter("a CR before the line's end is lost", bare)
}

proptest! {
    /// Kept as they are, any octets come back in the variants that lose nothing.
    #[test]
    fn what_is_written_is_read(
        messages in prop::collection::vec(message(b"\n"), 0..4),
        which in 1_usize..4,
        (writes, cut) in (1_usize..9, 1_usize..9),
    ) {
        let variant = Variant::ALL[which];
        let file = write(&messages, variant, LineEnds::Kept, writes);
        let how = How {
            line_ends: LineEnds::Kept,
            storing: Storing::Left,
            cut,
            ..native(Some(variant))
        };
        let back: Vec<_> = read(&file, how).into_iter().map(|(_, octets)| octets).collect();
        prop_assert_eq!(&back, &messages, "{}", String::from_utf8_lossy(&file));
        let again = write(&back, variant, LineEnds::Kept, 1);
        prop_assert_eq!(again, file);
    }

    /// With the line ends of the system the same is true of messages that end their lines by CRLF.
    #[test]
    fn line_ends_are_those_of_the_system(
        messages in prop::collection::vec(canonical(), 0..4),
        which in 1_usize..4,
        (writes, cut) in (1_usize..9, 1_usize..9),
    ) {
        let variant = Variant::ALL[which];
        let file = write(&messages, variant, LineEnds::Native, writes);
        let how = How { storing: Storing::Left, cut, ..native(Some(variant)) };
        let back: Vec<_> = read(&file, how).into_iter().map(|(_, octets)| octets).collect();
        prop_assert_eq!(&back, &messages, "{}", String::from_utf8_lossy(&file));
    }

    /// mboxo loses whether a quote was there before, and nothing else.
    #[test]
    fn mboxo_quotes_once(messages in prop::collection::vec(canonical(), 0..4), cut in 1_usize..9) {
        let file = write(&messages, Variant::Mboxo, LineEnds::Native, cut);
        let how = How { storing: Storing::Left, cut, ..native(Some(Variant::Mboxo)) };
        let back: Vec<_> = read(&file, how).into_iter().map(|(_, octets)| octets).collect();
        prop_assert_eq!(write(&back, Variant::Mboxo, LineEnds::Native, 1), file);
        let quoted = |message: &Vec<u8>| {
            let lines = message.split_inclusive(|octet| *octet == b'\n');
            let quoted = lines.map(|line| match line.starts_with(b"From ") {
                true => [b">", line].concat(),
                false => line.to_vec(),
            });
            quoted.collect::<Vec<_>>().concat()
        };
        prop_assert_eq!(back, messages.iter().map(quoted).collect::<Vec<_>>());
    }

    /// Whatever the file is, it is read the same however it is cut.
    #[test]
    fn no_cut_matters(
        lines in prop::collection::vec(line(), 0..20),
        which in 0_usize..5,
        cut in 1_usize..9,
        end in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let file: Vec<u8> = lines
            .into_iter()
            .flat_map(|line| [&line, end.as_bytes()].concat())
            .collect();
        let how = native(Variant::ALL.get(which).copied());
        prop_assert_eq!(read(&file, How { cut, ..how }), read(&file, how));
    }
}

#[test]
fn flags_go_there_and_back() {
    let flags = [
        "\\Seen",
        "\\Answered",
        "\\Deleted",
        "\\Draft",
        "\\Flagged",
        "$Junk",
        "work",
    ];
    for count in 0..=flags.len() {
        let fields = Fields {
            flags: flags[..count]
                .iter()
                .filter_map(|flag| mail::Flag::parse(flag))
                .collect(),
            uid: mail::Uid::new(7),
            uidvalidity: mail::UidValidity::new(5),
            last_uid: mail::Uid::new(9),
            is_internal: false,
        };
        for variant in Variant::ALL {
            for message in [
                "Subject: x\r\n\r\nText\r\n",
                "Subject: x\r\n",
                "\r\nText\r\n",
                "",
            ] {
                let mut file = Vec::new();
                let mut writer = Writer::new(variant, LineEnds::Native, 0);
                writer.begin(&Envelope::default(), Some(fields.clone()), &mut file);
                writer.octets(message.as_bytes(), &mut file);
                drop(writer.end(&mut file));
                let read = read(&file, native(Some(variant)));
                assert_eq!(read.len(), 1, "{}", String::from_utf8_lossy(&file));
                assert_eq!(read[0].0.fields, fields);
                assert_eq!(read[0].1, message.as_bytes(), "{variant:?}");
            }
        }
    }
}

/// What other programs write, however it is read, and its messages. `A1 ` stands for a line that
/// begins a message.
const KNOWN: &[(&str, Option<Variant>, &[&str])] = &[
    ("", None, &[]),
    ("\n\n", None, &[]),
    ("not mail\nat all\n", None, &[]),
    ("A1 A: b\n\ntext\n\n", None, &["A: b\r\n\r\ntext\r\n"]),
    // Nothing behind the last line.
    ("A1 A: b\n\ntext", None, &["A: b\r\n\r\ntext"]),
    // No empty line between two messages.
    (
        "A1 A: 1\n\nx\nA1 A: 2\n\ny\n",
        None,
        &["A: 1\r\n\r\nx\r\n", "A: 2\r\n\r\ny\r\n"],
    ),
    // A line of text that is no beginning, unless all such lines are quoted.
    (
        "A1 A: 1\n\nx\n\nFrom here\n",
        None,
        &["A: 1\r\n\r\nx\r\n\r\nFrom here\r\n"],
    ),
    (
        "A1 A: 1\n\nx\n\nFrom here\n",
        Some(Variant::Mboxrd),
        &["A: 1\r\n\r\nx\r\n", ""],
    ),
    // Lines that end as they do on the wire.
    ("A1 A: 1\r\n\r\nx\r\n\r\n", None, &["A: 1\r\n\r\nx\r\n"]),
    // A length that is right, too small, too large, and none.
    (
        "A1 Content-Length: 22\n\nx\n\nFrom here on it is\n\n",
        None,
        &["\r\nx\r\n\r\nFrom here on it is\r\n"],
    ),
    (
        "A1 Content-Length: 1\n\nx\ny\n\n",
        None,
        &["\r\nx\r\ny\r\n"],
    ),
    (
        "A1 Content-Length: 99\n\nx\n\nA1 A: 2\n\n",
        None,
        &["\r\nx\r\n", "A: 2\r\n"],
    ),
    ("A1 Content-Length: x\n\ny\n\n", None, &["\r\ny\r\n"]),
    (
        "A1 Content-Length: 2\n\nx\n\nA1 \n",
        Some(Variant::Mboxcl2),
        &["\r\nx\r\n", ""],
    ),
];

#[test]
fn known_files_are_read() {
    for (file, variant, expected) in KNOWN {
        let file = file.replace("A1 ", "From a Thu Jan  1 00:00:00 1970\n");
        let read = read(file.as_bytes(), native(*variant));
        let read = read.iter();
        let read: Vec<_> = read
            .map(|(_, octets)| String::from_utf8_lossy(octets))
            .collect();
        assert_eq!(&read, expected, "{file:?}");
    }
}

#[test]
fn where_a_mail_program_keeps_its_own_is_no_message() {
    let file = "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\nSubject: DON'T DELETE THIS MESSAGE -- \
        FOLDER INTERNAL DATA\nX-IMAP: 1234 0000000007 work\nStatus: RO\n\nText.\n\n\
        From a Thu Jan  1 00:00:00 1970\nX-Keywords: work\nStatus: O\nX-Status: F\nX-UID: 7\n\nx\n";
    let read = read(file.as_bytes(), native(None));
    assert!(read[0].0.fields.is_internal);
    assert_eq!(read[0].0.fields.uidvalidity, mail::UidValidity::new(1234));
    let fields = &read[1].0.fields;
    assert_eq!(fields.flags.to_string(), "\\Flagged work");
    assert_eq!(fields.uid, mail::Uid::new(7));
    assert!(!fields.is_internal);
}

#[test]
fn the_variant_is_recognised() {
    let lines = "A: 1\r\n\r\nFrom here\r\n>From there\r\n";
    let plain = "A: 1\r\n\r\nText\r\n";
    for (variant, message, recognised) in [
        (Variant::Mboxo, lines, Variant::Mboxrd),
        (Variant::Mboxrd, lines, Variant::Mboxrd),
        (Variant::Mboxcl, lines, Variant::Mboxcl),
        (Variant::Mboxcl2, lines, Variant::Mboxcl2),
        (Variant::Mboxcl, plain, Variant::Mboxcl2),
    ] {
        let file = write(&[message.into()], variant, LineEnds::Native, 100);
        let mut reader = Reader::new(None, LineEnds::Native, Storing::Taken, 0);
        reader.feed(&file);
        reader.feed(b"");
        loop {
            match reader.step() {
                Step::Peek(at) => {
                    let at = usize::try_from(at).unwrap();
                    reader.peeked(Some(&file[at..]));
                }
                Step::Over => break,
                _ => {}
            }
        }
        assert_eq!(reader.recognised(), recognised, "{variant:?}");
    }
}
