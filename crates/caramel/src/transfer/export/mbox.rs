//! A file for each mailbox.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mail::UidValidity;
use message::mbox::{Envelope, Fields, LineEnds, Variant, Writer};

use super::{Mailbox, Message, place};

/// Octets of a header in which the sender is looked for.
const HEADER_OCTETS_MAX: usize = 64 * 1024;

pub(super) struct Files {
    target: PathBuf,
    /// The target is the file itself.
    single: bool,
    variant: Variant,
    fields: bool,
    path: PathBuf,
    file: Option<BufWriter<File>>,
    writer: Writer,
    /// What stands in the first message.
    base: Option<(UidValidity, u32)>,
    /// The message's beginning, until its sender is known.
    header: Option<Vec<u8>>,
    message: Option<Message>,
    out: Vec<u8>,
}

impl Files {
    pub(super) fn new(target: &Path, single: bool, variant: Variant, fields: bool) -> Self {
        Self {
            target: target.to_owned(),
            single,
            variant,
            fields,
            path: PathBuf::new(),
            file: None,
            writer: Writer::new(variant, LineEnds::Native, 0),
            base: None,
            header: None,
            message: None,
            out: Vec::new(),
        }
    }

    /// Begins the message in the file, now that its header is known.
    fn start(&mut self) -> io::Result<()> {
        let Some((header, message)) = self.header.take().zip(self.message.take()) else {
            return Ok(());
        };
        let envelope = Envelope {
            sender: sender(&header),
            date: Some(message.date),
        };
        let base = self.base.take();
        let fields = Fields {
            flags: message.flags,
            uid: Some(message.uid),
            uidvalidity: base.map(|(uidvalidity, _)| uidvalidity),
            last_uid: base.and_then(|(_, last)| mail::Uid::new(last)),
            is_internal: false,
        };
        let fields = self.fields.then_some(fields);
        self.writer.begin(&envelope, fields, &mut self.out);
        self.writer.octets(&header, &mut self.out);
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(&self.out)?;
        }
        self.out.clear();
        Ok(())
    }
}

/// The address that the message came from, as its Return-Path says.
fn sender(header: &[u8]) -> String {
    let field = message::Header::first(header, "Return-Path");
    let value = field.map(|field| String::from_utf8_lossy(&field.unfolded()).into_owned());
    let value = value.unwrap_or_default();
    value
        .trim_matches(|letter: char| matches!(letter, '<' | '>' | ' '))
        .to_owned()
}

impl super::Writer for Files {
    fn mailbox(&mut self, mailbox: &Mailbox) -> anyhow::Result<()> {
        self.path = match self.single {
            true => self.target.clone(),
            false => {
                let mut path = place(&self.target, &mailbox.name).into_os_string();
                path.push(".mbox");
                path.into()
            }
        };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let file = File::create_new(&self.path);
        let file = file.with_context(|| format!("writing {}", self.path.display()))?;
        self.file = Some(BufWriter::with_capacity(256 * 1024, file));
        self.writer = Writer::new(self.variant, LineEnds::Native, 0);
        let last = mailbox.uidnext.map_or(0, |next| next.value() - 1);
        self.base = mailbox.uidvalidity.map(|uidvalidity| (uidvalidity, last));
        Ok(())
    }

    fn begin(&mut self, message: &Message) -> anyhow::Result<()> {
        self.message = Some(message.clone());
        self.header = Some(Vec::new());
        Ok(())
    }

    fn octets(&mut self, octets: &[u8]) -> io::Result<()> {
        if let Some(header) = &mut self.header {
            header.extend_from_slice(octets);
            match header.len() >= HEADER_OCTETS_MAX {
                true => self.start(),
                false => Ok(()),
            }
        } else {
            self.writer.octets(octets, &mut self.out);
            self.flush()
        }
    }

    fn end(&mut self, _message: &Message) -> anyhow::Result<()> {
        self.start()?;
        let patch = self.writer.end(&mut self.out);
        self.flush()?;
        if let (Some(patch), Some(file)) = (patch, &mut self.file) {
            file.seek(SeekFrom::Start(patch.at))?;
            file.write_all(&patch.octets)?;
            file.seek(SeekFrom::End(0))?;
        }
        Ok(())
    }

    fn close(&mut self) -> anyhow::Result<()> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let file = file.into_inner().map_err(io::IntoInnerError::into_error);
        let synced = file.and_then(|file| file.sync_all());
        synced.with_context(|| format!("writing {}", self.path.display()))
    }
}
