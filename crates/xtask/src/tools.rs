//! Programs from outside: running them, and having them there.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

mod unpacked;

/// Programs the tests drive, with the Debian package that brings each.
const NEEDED: &[(&str, &str)] = &[
    ("/usr/lib/dovecot/pop3", "dovecot-pop3d"),
    ("alpine", "alpine"),
    ("cc", "gcc"),
    ("certutil", "libnss3-tools"),
    ("curl", "curl"),
    ("dovecot", "dovecot-imapd"),
    ("fetchmail", "fetchmail"),
    ("gsasl", "gsasl"),
    ("imapfilter", "imapfilter"),
    ("kill", "procps"),
    ("mbsync", "isync"),
    ("mutt", "mutt"),
    ("neomutt", "neomutt"),
    ("offlineimap", "offlineimap3"),
    ("opendkim-testmsg", "opendkim-tools"),
    ("nsenter", "util-linux"),
    ("openssl", "openssl"),
    ("postfix", "postfix"),
    ("procmail", "procmail"),
    ("python3", "python3"),
    ("s-nail", "s-nail"),
    ("sieve-connect", "sieve-connect"),
    ("strace", "strace"),
    ("swaks", "swaks"),
    ("thunderbird", "thunderbird"),
    ("tmux", "tmux"),
    ("unshare", "util-linux"),
];

/// Perl's libraries they need or are, likewise: swaks does TLS only with the last, and its package
/// merely suggests it.
const LIBRARIES: &[(&str, &str)] = &[
    ("IO::Socket::SSL", "libio-socket-ssl-perl"),
    ("Mail::IMAPClient", "libmail-imapclient-perl"),
    ("Net::SSLeay", "libnet-ssleay-perl"),
];

/// Python's libraries they need, likewise; dkimpy seals only with the first and does Ed25519 only
/// with the last, and its package merely suggests both.
const PYTHON_LIBRARIES: &[(&str, &str)] = &[
    ("authres", "python3-authres"),
    ("dkim", "python3-dkim"),
    ("nacl", "python3-nacl"),
    ("prometheus_client", "python3-prometheus-client"),
    ("sievelib", "python3-sievelib"),
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
pub(crate) fn ensure(root: &Path) -> Result<()> {
    install()?;
    unpacked::ensure(root)
}

fn install() -> Result<()> {
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
    let programs = NEEDED.iter().filter(|(program, _)| !present(program));
    let libraries = LIBRARIES.iter().filter(|(library, _)| !loads(library));
    let python = PYTHON_LIBRARIES
        .iter()
        .filter(|(library, _)| !imports(library));
    programs
        .chain(libraries)
        .chain(python)
        .map(|&(_, package)| package)
        .collect()
}

/// True if Perl finds the library.
fn loads(library: &str) -> bool {
    let status = Command::new("perl")
        .args([&format!("-M{library}"), "-e", "1"])
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// True if Python finds the library.
fn imports(library: &str) -> bool {
    let status = Command::new(interop::python())
        .args(["-c", &format!("import {library}")])
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
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
