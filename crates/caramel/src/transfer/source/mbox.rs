//! Files with many messages each.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;

use anyhow::Context as _;
use mail::UidValidity;
use message::mbox::{Begin, LineEnds, Reader, Step, Storing, Variant};
use serde_json::{Value, json};

use super::{Found, date_in};
use crate::complaint::Complaint;
use crate::input;
use crate::transfer::sink::{Facts, Sink};
use crate::transfer::target::Target;

/// Octets read at a time.
const READ_OCTETS: usize = 128 * 1024;
/// Octets that are looked through to recognise the variant.
const LOOK_OCTETS_MAX: u64 = 16 * 1024 * 1024;

/// A file and its reader.
struct Reading {
    file: File,
    reader: Reader,
    buffer: Vec<u8>,
    /// Octets that may still be read.
    left: u64,
}

impl Reading {
    fn new(file: &File, reader: Reader, at: u64, left: u64) -> io::Result<Self> {
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(at))?;
        Ok(Self {
            file,
            reader,
            buffer: vec![0; READ_OCTETS],
            left,
        })
    }

    /// What the reader says next, when it has what it wants.
    fn step(&mut self) -> io::Result<Step> {
        loop {
            match self.reader.step() {
                Step::Feed => {
                    let read = (&mut self.file).take(self.left).read(&mut self.buffer)?;
                    self.left -= u64::try_from(read).unwrap_or_default();
                    self.reader
                        .feed(self.buffer.get(..read).unwrap_or_default());
                }
                Step::Peek(at) => {
                    let mut peeked = [0; Reader::PEEK_OCTETS];
                    let inside = at <= self.file.metadata()?.len();
                    let read = self.file.read_at(&mut peeked, at)?;
                    let peeked = peeked.get(..read).filter(|_| inside);
                    self.reader.peeked(peeked);
                }
                step => return Ok(step),
            }
        }
    }
}

/// The variant that the file's beginning speaks for, and the first message's header.
fn recognise(file: &File) -> io::Result<(Variant, Option<Begin>)> {
    let reader = Reader::new(None, LineEnds::Native, Storing::Taken, 0);
    let mut reading = Reading::new(file, reader, 0, LOOK_OCTETS_MAX)?;
    let mut first = None;
    loop {
        match reading.step()? {
            Step::Begin(begin) if first.is_none() => first = Some(*begin),
            Step::Over => return Ok((reading.reader.recognised(), first)),
            _ => {}
        }
    }
}

/// Imports one file.
pub(super) fn import(found: &Found, target: &Target, sink: &mut Sink) -> Result<(), Complaint> {
    let path = &found.path;
    let file = File::open(path).map_err(|error| input::unreadable(path, &error))?;
    let looked = recognise(&file).with_context(|| format!("reading {}", path.display()))?;
    let (recognised, first) = looked;
    let variant = target.variant.unwrap_or(recognised);
    let base = first.map(|first| first.fields).unwrap_or_default();
    let mut opening = target.opening("mbox", path, &found.levels, path);
    opening.uidvalidity = base.uidvalidity.filter(|_| target.keep_uids);
    let mark = sink.open(&opening)?;
    let at = mark
        .as_ref()
        .and_then(|mark| mark.get("at"))
        .and_then(Value::as_u64);
    let at = at.unwrap_or_default();
    let shorter = file.metadata().is_ok_and(|metadata| metadata.len() < at);
    if shorter {
        let what = format!("{} is shorter than when it was imported", path.display());
        return Err(Complaint::new(what).next("--again imports it from its beginning"));
    }
    let reader = Reader::new(Some(variant), LineEnds::Native, target.storing, at);
    let reading = Reading::new(&file, reader, at, u64::MAX).context("reading")?;
    messages(reading, path, opening.uidvalidity, sink)?;
    let next = base.last_uid.filter(|_| opening.uidvalidity.is_some());
    sink.close(next.and_then(mail::Uid::next))
}

fn messages(
    mut reading: Reading,
    path: &std::path::Path,
    uidvalidity: Option<UidValidity>,
    sink: &mut Sink,
) -> Result<(), Complaint> {
    let mut message: Option<(Facts, bool)> = None;
    loop {
        let step = reading.step();
        match step.with_context(|| format!("reading {}", path.display()))? {
            Step::Begin(begin) => {
                sink.begin(&format!("{}:{}", path.display(), begin.at));
                let facts = Facts {
                    flags: begin.fields.flags,
                    date: begin.envelope.date.or_else(|| date_in(&begin.header)),
                    uid: begin.fields.uid.filter(|_| uidvalidity.is_some()),
                };
                if !begin.fields.is_internal {
                    sink.octets(&begin.header)?;
                }
                message = Some((facts, begin.fields.is_internal));
            }
            Step::Octets(octets) => {
                if let Some((_, false)) = message {
                    sink.octets(&octets)?;
                }
            }
            Step::End(at) => {
                if let Some((facts, false)) = message.take() {
                    sink.end(&facts, &json!({ "at": at }))?;
                }
            }
            Step::Over => break,
            Step::Feed | Step::Peek(_) => {}
        }
    }
    let astray = reading.reader.astray();
    if astray > 0 {
        let told = format!("{}: {astray} octets belong to no message", path.display());
        sink.progress.say(&told);
    }
    Ok(())
}
