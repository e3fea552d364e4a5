//! Programs from outside: running them, and having them there.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Programs the tests drive, with the Debian package that brings each.
const NEEDED: &[(&str, &str)] = &[
    ("cc", "gcc"),
    ("curl", "curl"),
    ("dovecot", "dovecot-imapd"),
    ("fetchmail", "fetchmail"),
    ("gsasl", "gsasl"),
    ("kill", "procps"),
    ("mbsync", "isync"),
    ("mutt", "mutt"),
    ("openssl", "openssl"),
    ("python3", "python3"),
    ("s-nail", "s-nail"),
    ("strace", "strace"),
    ("swaks", "swaks"),
    ("tmux", "tmux"),
];

/// Runs cargo with the given words and environment, and fails if it fails.
pub(crate) fn cargo(root: &Path, words: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(words)
        .envs(environment.iter().copied())
        .current_dir(root)
        .status()
        .context("starting cargo")?;
    if !status.success() {
        bail!("cargo {} failed", words.join(" "));
    }
    Ok(())
}

/// True if the program can be found.
pub(crate) fn present(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else {
        return false;
    };
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Sees that every program the tests drive is there, by `apt-get` where that may be used.
pub(crate) fn ensure() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !present("apt-get") || !is_root() {
        bail!("these packages are missing; install them and come again: apt-get install {list}");
    }
    println!("installing {list}");
    apt(&["update", "--quiet"])?;
    let mut words = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    words.extend(missing);
    apt(&words)
}

fn missing() -> Vec<&'static str> {
    // swaks does TLS only with this library, and its package merely suggests it.
    let tls = Command::new("perl")
        .args(["-MNet::SSLeay", "-e", "1"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let library = (!tls).then_some("libnet-ssleay-perl");
    NEEDED
        .iter()
        .filter(|(program, _)| !present(program))
        .map(|&(_, package)| package)
        .chain(library)
        .collect()
}

fn apt(words: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(words)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .context("starting apt-get")?;
    if !status.success() {
        bail!("apt-get {} failed", words.join(" "));
    }
    Ok(())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
