//! How often a server asks the disk to keep its word: counted by strace where its processes start
//! each other with an environment of their own, and by a small library before libc where not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use interop::process;

/// Runs `work` while counting fsync and fdatasync calls of the processes below `roots`.
pub(crate) fn count(
    folder: &Path,
    roots: &[u32],
    work: impl FnOnce() -> Result<()>,
) -> Result<f64> {
    let log = folder.join("syncs");
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-qq",
        "-e",
        "trace=fsync,fdatasync,sync_file_range,msync",
        "-o",
    ]);
    command.arg(&log);
    for pid in process::tree(roots) {
        command.arg("-p").arg(pid.to_string());
    }
    let mut strace = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("starting strace")?;
    // strace says nothing when it has attached to the last thread: give it a moment.
    std::thread::sleep(Duration::from_secs(1));
    let result = work();
    drop(
        Command::new("kill")
            .args(["-INT", &strace.id().to_string()])
            .status(),
    );
    strace.wait().context("ending strace")?;
    result?;
    let text = std::fs::read_to_string(&log).context("reading what strace saw")?;
    // A call that another thread interrupted is written in two lines: count its beginning.
    let calls = text
        .lines()
        .filter(|line| line.contains("sync") && !line.contains("resumed>"));
    Ok(f64::from(u32::try_from(calls.count()).unwrap_or(u32::MAX)))
}

/// A program that is `binary`, but for the file `SYNCS` in `folder` that grows by an octet with
/// each of its syncs.
pub(crate) fn counted(binary: &Path, folder: &Path) -> Result<PathBuf> {
    let (source, library) = (folder.join("count_syncs.c"), folder.join("count_syncs.so"));
    std::fs::write(&source, include_str!("count_syncs.c")).context("writing the library")?;
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status()
        .context("starting cc")?;
    if !built.success() {
        bail!("cc could not build the library that counts syncs");
    }
    let script = folder.join("counted");
    let text = format!(
        "#!/bin/sh\nSYNCS={} LD_PRELOAD={} exec {} \"$@\"\n",
        folder.join("SYNCS").display(),
        library.display(),
        binary.display()
    );
    std::fs::write(&script, text).context("writing the script")?;
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&script, executable).context("making the script executable")?;
    Ok(script)
}

/// Syncs counted so far in `folder`.
pub(crate) fn so_far(folder: &Path) -> f64 {
    let octets = std::fs::metadata(folder.join("SYNCS")).map_or(0, |metadata| metadata.len());
    f64::from(u32::try_from(octets).unwrap_or(u32::MAX))
}
