//! Cuts the power of a file system that lies in a file: the file is copied while blocks are being
//! written, so that the copy has what reached it and nothing that was only in memory.
//!
//! It shows that the kernel and the file system pass a sync on. Whether the disk under them does is
//! for a real plug to tell.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use store::verify::{Blocks, Survived, Sync, survived};

use super::run_number;
use crate::cli::say;
use crate::complaint::Complaint;

/// Octets of the file system.
const IMAGE_OCTETS: u64 = 96 << 20;
/// How often the power is cut.
const CUTS: u64 = 3;
/// Blocks that are acknowledged before a cut.
const BLOCKS: u64 = 500;

/// Cuts the power some times, and once without syncs.
pub(super) fn run(folder: &Path) -> Result<(), Complaint> {
    for number in 1..=CUTS {
        let (acknowledged, found) = cut(folder, Sync::Real, BLOCKS * number)?;
        say(&format!(
            "cut {number}: {acknowledged} blocks were acknowledged, {} are lost",
            found.lost
        ))?;
        if let Some(first) = found.first_lost {
            return Err(Complaint::new("a sync does not reach this file system")
                .because(format!("block {first} was acknowledged and is gone")));
        }
    }
    let (acknowledged, found) = cut(folder, Sync::Omitted, BLOCKS)?;
    say(&format!(
        "control without syncs: {acknowledged} blocks were written, {} are lost",
        found.lost
    ))?;
    if found.lost == 0 {
        return Err(Complaint::new("the cut shows nothing here")
            .because("what was never synced survived it as well"));
    }
    Ok(())
}

fn cut(folder: &Path, sync: Sync, blocks: u64) -> Result<(u64, Survived), Complaint> {
    let run = run_number()?;
    let folder = std::path::absolute(folder).context("finding the folder")?;
    let scratch = Scratch::make(folder.join("caramel-verify-disk.cut"))?;
    let (image, copy) = (scratch.0.join("image"), scratch.0.join("copy"));
    make_image(&image)?;
    let acknowledged = {
        let mounted = Mounted::mount(&image, &scratch.0.join("before"), true)?;
        let path = mounted.point.join("blocks");
        let writer = Blocks::begin(&path, run, sync).context("making the blocks' file")?;
        write_and_copy(writer, blocks, &image, &copy)?
    };
    let mounted = Mounted::mount(&copy, &scratch.0.join("after"), false)?;
    let path = mounted.point.join("blocks");
    let found = match survived(&path, Some(acknowledged)) {
        // Not even its name is there.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Survived {
            lost: acknowledged,
            first_lost: Some(1),
            ..Survived::default()
        },
        found => found.context("reading the blocks")?,
    };
    Ok((acknowledged, found))
}

/// Writes until so many blocks are acknowledged, copies the image then, and goes on meanwhile as
/// far as it gets; tells how many were acknowledged when the copy began.
fn write_and_copy(writer: Blocks, blocks: u64, image: &Path, copy: &Path) -> Result<u64> {
    let state = Mutex::new((writer, 0_u64, false));
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| -> Result<()> {
            loop {
                let mut state = lock();
                if state.2 {
                    return Ok(());
                }
                state.1 = state.0.write().context("writing a block")?;
                drop(state);
                std::thread::yield_now();
            }
        });
        let acknowledged = loop {
            let state = lock();
            if state.1 >= blocks || writing.is_finished() {
                // The lock is held: nothing is on its way, and nothing is acknowledged meanwhile.
                let copied = std::fs::copy(image, copy).context("copying the image");
                let acknowledged = state.1;
                drop(state);
                lock().2 = true;
                copied?;
                break acknowledged;
            }
            drop(state);
            std::thread::sleep(Duration::from_millis(1));
        };
        match writing.join() {
            Ok(done) => done.map(|()| acknowledged),
            Err(_) => bail!("the writer panicked"),
        }
    })
}

fn make_image(image: &Path) -> Result<()> {
    let file = std::fs::File::create(image).context("making the image")?;
    let mut zeros = std::io::Read::take(std::io::repeat(0), IMAGE_OCTETS);
    // Its blocks are there before the cut, as those of a disk are.
    std::io::copy(&mut zeros, &mut &file).context("filling the image")?;
    file.sync_all().context("filling the image")
}

/// A file system that is there until this is dropped.
struct Mounted {
    point: PathBuf,
    device: String,
}

impl Mounted {
    fn mount(image: &Path, point: &Path, is_new: bool) -> Result<Self> {
        std::fs::create_dir_all(point).context("making a folder")?;
        let image = image.display().to_string();
        let device = tool("losetup", &["--find", "--show", "--direct-io=on", &image])
            .or_else(|_| tool("losetup", &["--find", "--show", &image]))?;
        let mounted = Self {
            point: point.to_owned(),
            device: device.trim().to_owned(),
        };
        if is_new {
            tool("mkfs.ext4", &["-q", "-F", &mounted.device])?;
        }
        let point = point.display().to_string();
        tool("mount", &["-t", "ext4", &mounted.device, &point])?;
        Ok(mounted)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let point = self.point.display().to_string();
        // What was not mounted cannot be unmounted, and need not be.
        drop(tool("umount", &[&point]));
        drop(tool("losetup", &["--detach", &self.device]));
    }
}

fn tool(name: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(name).args(arguments).output();
    let output = output.with_context(|| format!("starting {name}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{name} {}: {}", arguments.join(" "), said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A folder that goes when it is no longer needed.
struct Scratch(PathBuf);

impl Scratch {
    fn make(path: PathBuf) -> Result<Self> {
        std::fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} stays behind: {error}", self.0.display());
        }
    }
}
