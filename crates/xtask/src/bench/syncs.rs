//! How often a server asks the disk to keep its word, counted by strace.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
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
