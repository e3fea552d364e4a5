//! A Maildir++, with what Dovecot keeps of UIDs, keywords and subscriptions beside the messages.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use imap::Names;
use message::maildir::{Keywords, UidListHead};

use super::eml::{moment, sync};
use super::{Mailbox, Message};

pub(super) struct Folders {
    target: PathBuf,
    subscriptions: Vec<String>,
    folder: PathBuf,
    keywords: Keywords,
    uids: Option<BufWriter<File>>,
    uidvalidity: u32,
    file: Option<BufWriter<File>>,
    /// Octets of the message as its file has them.
    octets: u64,
    /// The last octet was CR, which may belong to a line's end.
    cr: bool,
}

/// The name of a folder for a mailbox below INBOX.
fn folder(name: &str) -> String {
    // A dot separates levels there, so none can be in a level.
    let levels = name.split('/').map(|level| level.replace('.', "_"));
    let name: Vec<String> = levels.collect();
    Names::Utf7.encode(&name.join(".")).into_owned()
}

impl Folders {
    pub(super) fn new(target: &Path, subscriptions: &[String]) -> Self {
        Self {
            target: target.to_owned(),
            subscriptions: subscriptions.to_vec(),
            folder: PathBuf::new(),
            keywords: Keywords::default(),
            uids: None,
            uidvalidity: 0,
            file: None,
            octets: 0,
            cr: false,
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.octets += u64::try_from(octets.len()).unwrap_or_default();
        match &mut self.file {
            Some(file) => file.write_all(octets),
            None => Ok(()),
        }
    }

    fn passing(&self, message: &Message) -> PathBuf {
        self.folder
            .join("tmp")
            .join(message.uid.value().to_string())
    }
}

impl super::Writer for Folders {
    fn mailbox(&mut self, mailbox: &Mailbox) -> anyhow::Result<()> {
        self.folder = match mailbox.name.as_str() {
            "INBOX" => self.target.clone(),
            name => self.target.join(format!(".{}", folder(name))),
        };
        let making = || format!("making {}", self.folder.display());
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(self.folder.join(part)).with_context(making)?;
        }
        if self.folder != self.target {
            File::create(self.folder.join("maildirfolder")).with_context(making)?;
        }
        self.keywords = Keywords::default();
        self.uidvalidity = mailbox
            .uidvalidity
            .map_or(0, |uidvalidity| uidvalidity.value());
        let list = File::create_new(self.folder.join("dovecot-uidlist")).with_context(making)?;
        let mut list = BufWriter::new(list);
        if let Some(uidvalidity) = mailbox.uidvalidity {
            let head = UidListHead {
                uidvalidity,
                uidnext: mailbox.uidnext,
            };
            writeln!(list, "{}", head.to_line())?;
        }
        self.uids = Some(list);
        Ok(())
    }

    fn begin(&mut self, message: &Message) -> anyhow::Result<()> {
        let path = self.passing(message);
        let file = File::create_new(&path);
        let file = file.with_context(|| format!("writing {}", path.display()))?;
        self.file = Some(BufWriter::new(file));
        self.octets = 0;
        self.cr = false;
        Ok(())
    }

    /// Lines end here as they do in all files of the system.
    fn octets(&mut self, octets: &[u8]) -> io::Result<()> {
        for piece in octets.split_inclusive(|octet| matches!(octet, b'\r' | b'\n')) {
            if std::mem::take(&mut self.cr) && piece != b"\n" {
                self.write(b"\r")?;
            }
            match piece.strip_suffix(b"\r") {
                Some(text) => {
                    self.cr = true;
                    self.write(text)?;
                }
                None => self.write(piece)?,
            }
        }
        Ok(())
    }

    fn end(&mut self, message: &Message) -> anyhow::Result<()> {
        if std::mem::take(&mut self.cr) {
            self.write(b"\r")?;
        }
        if let Some(file) = self.file.take() {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.set_modified(moment(message.date))?;
        }
        let uid = message.uid.value();
        let seconds = message.date.seconds;
        let unique = format!(
            "{seconds}.V{}U{uid}.caramel,S={}",
            self.uidvalidity, self.octets
        );
        let (letters, _) = self.keywords.letters(&message.flags);
        let name = format!("{unique}:2,{letters}");
        fs::rename(self.passing(message), self.folder.join("cur").join(name))?;
        if let Some(uids) = &mut self.uids {
            writeln!(uids, "{uid} :{unique}")?;
        }
        Ok(())
    }

    fn close(&mut self) -> anyhow::Result<()> {
        if let Some(mut uids) = self.uids.take() {
            uids.flush()?;
        }
        if !self.keywords.is_empty() {
            let path = self.folder.join("dovecot-keywords");
            fs::write(path, self.keywords.to_text())?;
        }
        let names = self.subscriptions.iter().map(|name| match name.as_str() {
            "INBOX" => "INBOX\n".to_owned(),
            name => folder(name) + "\n",
        });
        let names: String = names.collect();
        if !names.is_empty() && self.target.is_dir() {
            fs::write(self.target.join("subscriptions"), names)?;
        }
        sync(&self.folder)
    }
}
