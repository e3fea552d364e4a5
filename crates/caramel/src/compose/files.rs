//! Files that go into a message: texts, parts that are ready, attachments that are read last.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};

use message::builder::{Builder, Encoder};
use message::{Header, Leniencies, media_type_noting};

use super::media;
use crate::complaint::Complaint;
use crate::input;

/// Octets of a file that are encoded at a time.
const PIECE_OCTETS: usize = 57 * 1024;
/// Parameters looked at, and octets of each, of a media type that was typed.
const PARAMETERS_MAX: usize = 20;
const PARAMETER_OCTETS_MAX: usize = 1000;

/// Reads a text.
pub(super) fn utf8(path: &Path) -> Result<String, Complaint> {
    if input::is_standard(path) && io::stdin().is_terminal() {
        eprintln!("Type the text; Control-D on a line of its own ends it.");
    }
    let text = String::from_utf8(input::content(path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Complaint::new(format!("{} is no text in UTF-8", path.display()))
            .because(format!("octet {at} begins no character"))
            .next("iconv turns other charsets into UTF-8")
    })?;
    Ok(text
        .strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(text))
}

/// Reads a part that is ready.
pub(super) fn part(path: &Path) -> Result<Vec<u8>, Complaint> {
    let part = with_crlf(input::content(path)?);
    if Header::first(&part, "Content-Type").is_none() {
        let complaint = Complaint::new(format!("{} is no part", path.display()));
        let complaint = complaint.because("its header has no Content-Type");
        return Err(complaint.next("--attach takes any file"));
    }
    Ok(part)
}

/// A media type that was typed.
pub(super) fn media_type(text: &str) -> Result<&str, Complaint> {
    let mut noted = Leniencies::NONE;
    let octets = text.as_bytes();
    let read = media_type_noting(octets, PARAMETERS_MAX, PARAMETER_OCTETS_MAX, &mut noted);
    match read {
        Some((media, _, _)) if noted.is_empty() && media != "multipart" => Ok(text),
        _ => {
            let complaint = Complaint::usage(format!("--attach-as has no media type: {text:?}"));
            Err(complaint.next("write --attach-as text/csv FILE"))
        }
    }
}

/// Lines as they travel: those that end with LF alone end with CRLF.
pub(super) fn with_crlf(octets: Vec<u8>) -> Vec<u8> {
    let pairs = octets
        .windows(2)
        .filter(|pair| matches!(pair, [before, b'\n'] if *before != b'\r'));
    let bare = pairs.count() + usize::from(octets.first() == Some(&b'\n'));
    if bare == 0 {
        return octets;
    }
    let mut lines = Vec::with_capacity(octets.len() + bare);
    let mut last = 0;
    for octet in octets {
        if octet == b'\n' && last != b'\r' {
            lines.push(b'\r');
        }
        lines.push(octet);
        last = octet;
    }
    lines
}

/// Files that are read while the message is written, by the builder's numbers.
#[derive(Debug, Default)]
pub(super) struct Attachments(Vec<(PathBuf, File)>);

impl Attachments {
    /// Opens a file and gives it its place in the message.
    pub(super) fn add(
        &mut self,
        builder: Builder,
        media_type: &str,
        path: &Path,
    ) -> Result<Builder, Complaint> {
        let failed =
            |error| input::unreadable(path, &error).next("--attach takes the path of a file");
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What may not be encoded has to be known whole, for the delimiters to differ.
        if media::is_message(media_type) {
            let message = with_crlf(input::content(path)?);
            return Ok(builder.attach(&name, media_type, &message));
        }
        let mut file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        if found.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        let mut media_type = media_type.to_owned();
        // A pipe can be read only once.
        if found.is_file() {
            media_type = media::with_charset(&media_type, &mut file).map_err(failed)?;
            file.rewind().map_err(failed)?;
        }
        self.0.push((path.to_owned(), file));
        Ok(builder.attach_later(&name, &media_type))
    }

    /// Writes the content of this number.
    pub(super) fn write(
        &mut self,
        number: usize,
        output: &mut dyn Write,
    ) -> Result<io::Result<()>, Complaint> {
        let Some((path, file)) = self.0.get_mut(number) else {
            return Ok(Ok(()));
        };
        let mut encoder = Encoder::new();
        let mut piece = vec![0; PIECE_OCTETS];
        let mut encoded = Vec::new();
        loop {
            let read = match file.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(|error| input::unreadable(path, &error))?,
            };
            match read {
                0 => encoder.finish(&mut encoded),
                read => encoder.push(piece.get(..read).unwrap_or_default(), &mut encoded),
            }
            if let Err(error) = output.write_all(&encoded) {
                return Ok(Err(error));
            }
            encoded.clear();
            if read == 0 {
                return Ok(Ok(()));
            }
        }
    }
}
