//! Programs nobody here wrote, run to their end.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
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
    let name = match name {
        "python3" => python(),
        _ => OsStr::new(name),
    };
    let mut child = Command::new("timeout")
        .arg("120")
        .arg(name)
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

/// The system's Python, which has the libraries that the system's packages bring, whatever other
/// one comes first in `PATH`.
#[must_use]
pub fn python() -> &'static OsStr {
    const SYSTEM: &str = "/usr/bin/python3";
    OsStr::new(match Path::new(SYSTEM).is_file() {
        true => SYSTEM,
        false => "python3",
    })
}

/// Python with libraries that are not in Debian, made once beside the tests' binaries; nothing
/// where they cannot be had, with one line that says what to install.
#[must_use]
#[expect(clippy::print_stdout, reason = "whoever runs the tests is to know")]
pub fn python_with(libraries: &[&str]) -> Option<PathBuf> {
    let here = std::env::current_exe().ok()?;
    let name = format!("python-with-{}", libraries.join("-").to_lowercase());
    let folder = here.parent()?.join(name);
    let modules = format!("import {}", libraries.join(", ")).to_lowercase();
    let has_them = |python: &PathBuf| {
        let mut tries = Command::new(python);
        let tried = tries.args(["-c", &modules]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    // Each set of libraries has its folder; the first one's has none of the others.
    let folders = [here.parent()?.join("python"), folder.clone()];
    let pythons = folders.map(|folder| folder.join("bin/python"));
    if let Some(python) = pythons.into_iter().find(has_them) {
        return Some(python);
    }
    let python = folder.join("bin/python");
    // Made aside and put in its place, so that tests that run at once do not disturb each other.
    let aside = here
        .parent()?
        .join(format!("python-{}", std::process::id()));
    let ran = |program: &Path, words: &[&str]| {
        let mut command = Command::new("timeout");
        let command = command.arg("120").arg(program).args(words);
        let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
        silent.status().is_ok_and(|status| status.success())
    };
    let made = ran(
        Path::new("python3"),
        &["-m", "venv", &aside.display().to_string()],
    );
    let words = [&["-m", "pip", "install", "--quiet"], libraries].concat();
    let made = made && ran(&aside.join("bin/python"), &words);
    if made {
        drop(fs::rename(&aside, &folder));
    }
    drop(fs::remove_dir_all(&aside));
    if made && has_them(&python) {
        return Some(python);
    }
    let wanted = libraries.join(" ");
    println!("skipped: no {wanted} (python3 -m venv, then pip install {wanted})");
    None
}
