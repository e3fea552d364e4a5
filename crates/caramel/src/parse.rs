//! `caramel parse`: what is in a message and where, for people and for programs.
//!
//! Needs neither configuration nor store. Not here: how messages are read (the room `message`).

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context as _;
use clap::Args;
use message::{Content, Decoder, Encoding, Header, Leniencies, Outline, Part, charset};

use crate::complaint::Complaint;
use crate::input;

mod body;
mod field;
mod json;
mod node;
mod report;
mod tree;
mod view;

/// Octets that are decoded at a time.
const PIECE_OCTETS: usize = 1 << 16;
/// Numbers that may stand between dots; far more than parts are opened.
const NUMBERS_MAX: usize = 256;

/// What is wanted of which message.
#[derive(Debug, Args)]
pub(crate) struct Parse {
    /// The message; `-` for standard input.
    file: PathBuf,
    /// As JSON, for programs.
    #[arg(long, conflicts_with_all = ["part", "header", "body"])]
    json: bool,
    /// Write what a reader would read, in UTF-8: the text, HTML without its tags, and nothing else.
    #[arg(long, conflicts_with_all = ["part", "header"])]
    body: bool,
    /// Write this part to standard output, its transfer encoding undone.
    ///
    /// The numbers are IMAP's, as the tree shows them: 2.1 is the first part inside the second.
    #[arg(long, value_name = "N")]
    part: Option<Numbers>,
    /// Write the part's text in UTF-8, whatever its charset.
    #[arg(long, requires = "part", conflicts_with = "header")]
    text: bool,
    /// Write the header fields instead, each on one line, decoded; with --part those of the part.
    #[arg(long)]
    header: bool,
}

/// A part's number: `2.1`.
#[derive(Clone, Debug)]
struct Numbers(Vec<u32>);

impl FromStr for Numbers {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split('.').take(NUMBERS_MAX).map(str::parse);
        match numbers.collect::<Result<Vec<u32>, _>>() {
            Ok(numbers) if !numbers.contains(&0) => Ok(Self(numbers)),
            _ => Err("a part is named by numbers from 1 with dots between: 2.1"),
        }
    }
}

/// Shows what was asked for.
pub(crate) fn run(parse: &Parse) -> Result<(), Complaint> {
    let message = input::message(&parse.file)?;
    let outline = Outline::parse(&message);
    let part = match &parse.part {
        Some(numbers) => Some(find(&outline, numbers)?),
        None => None,
    };
    let mut output = BufWriter::new(io::stdout().lock());
    let written = match part {
        _ if parse.header => header(part.unwrap_or(&outline.root), &message, &mut output),
        None if parse.body => body::write(&outline, &message, &mut output)?,
        Some(part) if parse.text => text(part, &message, &mut output)?,
        Some(part) => decode(part, &message, &mut |piece| output.write_all(piece)).map(drop),
        None if parse.json => json::write(&outline, &message, &mut output),
        None => tree::write(&outline, &message, &mut output),
    };
    match written.and_then(|()| output.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written.context("writing to standard output")?),
    }
}

fn find<'a>(outline: &'a Outline, numbers: &Numbers) -> Result<&'a Part, Complaint> {
    outline.part(&numbers.0).ok_or_else(|| {
        let shown: Vec<String> = numbers.0.iter().map(u32::to_string).collect();
        let complaint = Complaint::new(format!("there is no part {}", shown.join(".")));
        complaint.next("without --part all parts are shown with their numbers")
    })
}

/// Writes the part's header fields.
fn header(part: &Part, message: &[u8], output: &mut dyn Write) -> io::Result<()> {
    for field in Header::parse(part.header.of(message)) {
        let name = String::from_utf8_lossy(field.name);
        let value = field.unfolded();
        let value = message::decode_words(&value);
        writeln!(output, "{name}: {}", tree::harmless(&value))?;
    }
    Ok(())
}

/// Writes the part as UTF-8.
fn text(part: &Part, message: &[u8], output: &mut dyn Write) -> Result<io::Result<()>, Complaint> {
    if part.media != "text" {
        let what = format!("the part is no text: it is {}/{}", part.media, part.subtype);
        return Err(Complaint::new(what).next("--part without --text writes its octets"));
    }
    let mut octets = Vec::new();
    let decoded = decode(part, message, &mut |piece| {
        octets.extend_from_slice(piece);
        Ok(())
    });
    let label = part.parameter("charset").unwrap_or_default();
    let text = charset::decode_cow(label.as_bytes(), &octets);
    Ok(decoded.and_then(|_| output.write_all(text.as_bytes())))
}

/// Hands on the part's octets as its encoding hides them, piece by piece; what was wrong with the
/// encoded text.
fn decode(
    part: &Part,
    message: &[u8],
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Leniencies> {
    // RFC 2045 §6.4: what was opened is not encoded, whatever it says.
    let encoding = match part.content {
        Content::Leaf => Encoding::parse(&part.encoding),
        Content::Multipart(_) | Content::Message(_) => Encoding::Identity,
    };
    let mut decoder = Decoder::new(encoding);
    let mut decoded = Vec::with_capacity(PIECE_OCTETS);
    for piece in part.body.of(message).chunks(PIECE_OCTETS) {
        decoder.push(piece, &mut decoded);
        sink(&decoded)?;
        decoded.clear();
    }
    decoder.finish(&mut decoded);
    sink(&decoded)?;
    Ok(decoder.leniencies())
}
