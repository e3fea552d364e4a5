//! What there is to import, and how it is read.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use mail::Timestamp;

use super::sink::Sink;
use super::target::Target;
use crate::complaint::Complaint;
use crate::crlf;
use crate::input;

mod files;
pub(super) mod imap;
mod maildir;
mod mbox;

/// Levels of folders that are looked into.
const DEPTH_MAX: usize = 32;
/// Octets of a file that tell what it is.
const BEGINNING_OCTETS_MAX: usize = 4096;

/// The forms that mail is kept in elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Whatever it looks like.
    Auto,
    /// Files with many messages each.
    Mbox,
    /// A Maildir, with its folders.
    Maildir,
    /// Files with one message each; MH as well.
    Eml,
    /// Another server.
    Imap,
}

/// A mailbox that was found on the disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// Its levels, from the top; none for the one that the source itself is.
    pub(super) levels: Vec<String>,
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Mbox,
    Maildir,
    /// A file with one message, or a folder of such files.
    Files,
}

/// Reads all mailboxes at a path.
pub(super) fn import(
    path: &Path,
    format: Format,
    target: &Target,
    sink: &mut Sink,
) -> Result<(), Complaint> {
    let mut found = Vec::new();
    look(path, format, &mut Vec::new(), &mut found).map_err(|error| {
        input::unreadable(path, &error).next("give the path of a file or a folder with mail")
    })?;
    if found.is_empty() {
        let what = format!("{} has no mail that is recognised", path.display());
        return Err(Complaint::new(what).next("--format says what it is"));
    }
    // INBOX, which has no levels, comes first.
    found.sort();
    let subscribed = maildir::subscriptions(path);
    for found in &found {
        match found.kind {
            Kind::Mbox => mbox::import(found, target, sink)?,
            Kind::Maildir => maildir::import(found, &subscribed, target, sink)?,
            Kind::Files => files::import(found, target, sink)?,
        }
    }
    for name in &subscribed {
        target.subscribe(&target.name(name, path), sink)?;
    }
    Ok(())
}

/// Octets of all that would be read.
pub(super) fn octets(path: &Path) -> u64 {
    let Ok(metadata) = fs::metadata(path) else {
        return 0;
    };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let plain = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()));
    plain.map(|entry| octets(&entry.path())).sum()
}

fn look(
    path: &Path,
    format: Format,
    levels: &mut Vec<String>,
    found: &mut Vec<Found>,
) -> std::io::Result<()> {
    let mut note = |kind, levels: &[String]| {
        found.push(Found {
            levels: levels.to_vec(),
            path: path.to_owned(),
            kind,
        });
    };
    if !fs::metadata(path)?.is_dir() {
        match kind_of_file(path, format)? {
            Some(kind) => note(kind, levels),
            None if levels.is_empty() => {}
            None => {}
        }
        return Ok(());
    }
    let is_maildir = path.join("cur").is_dir();
    if is_maildir && matches!(format, Format::Auto | Format::Maildir) {
        note(Kind::Maildir, levels);
    }
    let mut has_files = false;
    let mut entries: Vec<_> = fs::read_dir(path)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (name, here) = (entry.file_name(), entry.path());
        let Some(name) = name.to_str() else { continue };
        let is_folder = entry.file_type()?.is_dir();
        if is_folder {
            let skipped = is_maildir && matches!(name, "cur" | "new" | "tmp");
            let Some(more) = folder_levels(name, is_maildir).filter(|_| !skipped) else {
                continue;
            };
            if levels.len() + more.len() > DEPTH_MAX {
                continue;
            }
            let depth = levels.len();
            levels.extend(more);
            look(&here, format, levels, found)?;
            levels.truncate(depth);
        } else if !is_maildir && !name.starts_with('.') {
            match kind_of_file(&here, format)? {
                Some(Kind::Mbox) => {
                    let mut levels = levels.clone();
                    levels.push(name.strip_suffix(".mbox").unwrap_or(name).to_owned());
                    let (path, kind) = (here, Kind::Mbox);
                    found.push(Found { levels, path, kind });
                }
                Some(_) => has_files = true,
                None => {}
            }
        }
    }
    if has_files {
        found.push(Found {
            levels: levels.clone(),
            path: path.to_owned(),
            kind: Kind::Files,
        });
    }
    Ok(())
}

/// The levels that a folder's name adds.
fn folder_levels(name: &str, in_maildir: bool) -> Option<Vec<String>> {
    if in_maildir && name.starts_with('.') {
        let levels = message::maildir::folder_levels(name)?;
        return Some(levels.into_iter().map(maildir::decoded).collect());
    }
    // Thunderbird keeps what is below `name` in `name.sbd`.
    let name = name.strip_suffix(".sbd").unwrap_or(name);
    (!name.starts_with('.')).then(|| vec![maildir::decoded(name)])
}

/// What a file is, from its first octets.
fn kind_of_file(path: &Path, format: Format) -> std::io::Result<Option<Kind>> {
    let mut beginning = Vec::new();
    let file = File::open(path)?;
    let limit = u64::try_from(BEGINNING_OCTETS_MAX).unwrap_or_default();
    file.take(limit).read_to_end(&mut beginning)?;
    let is_mbox = beginning.starts_with(b"From ");
    let header = message::Header::parse(&beginning);
    let is_message = !is_mbox && header.take(3).any(|field| field.name.len() > 1);
    Ok(match format {
        Format::Mbox => Some(Kind::Mbox).filter(|_| is_mbox),
        Format::Eml => Some(Kind::Files).filter(|_| is_message),
        Format::Auto if is_mbox => Some(Kind::Mbox),
        Format::Auto => {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let numbered = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_digit());
            let extension = path.extension().and_then(|extension| extension.to_str());
            let named = numbered || extension.is_some_and(|it| it.eq_ignore_ascii_case("eml"));
            Some(Kind::Files).filter(|_| named && is_message)
        }
        Format::Maildir | Format::Imap => None,
    })
}

/// When a file was changed last.
fn modified(metadata: &fs::Metadata) -> Option<Timestamp> {
    use std::os::unix::fs::MetadataExt as _;
    Some(Timestamp::utc(metadata.mtime()))
}

/// The date that a message's header tells.
fn date_in(header: &[u8]) -> Option<Timestamp> {
    let field = message::Header::first(header, "Date")?;
    message::parse_date(&field.unfolded())
}
