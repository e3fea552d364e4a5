//! Programs nobody here wrote, run to their end.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// What a program said and how it ended.
#[derive(Debug)]
pub struct Ended {
    /// True if its exit code was zero.
    pub well: bool,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs a program in `folder`, which is also its home, with `input`, for at most two minutes.
///
/// # Errors
/// Where it cannot be started; `cargo xtask test` installs those that are missing.
pub fn program<S: AsRef<OsStr>>(
    name: &str,
    words: &[S],
    folder: &Path,
    input: &str,
) -> io::Result<Ended> {
    let mut child = Command::new("timeout")
        .args(["120", name])
        .args(words)
        .current_dir(folder)
        .env("HOME", folder)
        .env("LC_ALL", "C.UTF-8")
        .env_remove("MAILRC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input closes it: that is its right.
        drop(stdin.write_all(input.as_bytes()));
    }
    let output = child.wait_with_output()?;
    Ok(Ended {
        well: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
