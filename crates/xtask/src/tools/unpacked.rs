//! Programs whose packages exclude each other or begin services: unpacked beside the tests, and
//! never installed.
//!
//! Not here: running them (`interop`, in a name space of their own).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::{apt, is_root, present};

/// Programs, each with the Debian package that brings it.
const UNPACKED: &[(&str, &str)] = &[
    ("usr/bin/ldns-signzone", "ldnsutils"),
    ("usr/bin/rspamd", "rspamd"),
    ("usr/sbin/exim4", "exim4-daemon-light"),
    ("usr/sbin/nsd", "nsd"),
    ("usr/sbin/smtpd", "opensmtpd"),
    ("usr/sbin/unbound", "unbound"),
];

/// Unpacks them into `target/strangers`, with the libraries that the system lacks, unless all are
/// there. Where that may not be, the tests that drive them are skipped and say so; so does this.
pub(super) fn ensure(root: &Path) -> Result<()> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| root.join("target"));
    let folder = target.join("strangers");
    if UNPACKED
        .iter()
        .all(|(program, _)| folder.join(program).is_file())
    {
        return Ok(());
    }
    println!("unpacking {}", packages().join(" "));
    // Made aside and put in its place, so that what is there is whole.
    let aside = target.join("strangers-new");
    drop(fs::remove_dir_all(&aside));
    fs::create_dir_all(&aside).context("making a folder for strangers")?;
    match fill(&aside) {
        Ok(()) => {
            drop(fs::remove_dir_all(&folder));
            fs::rename(&aside, &folder).context("putting strangers in their place")
        }
        Err(error) => {
            println!("their tests are skipped: {error:#}");
            fs::remove_dir_all(&aside).context("removing what is not whole")
        }
    }
}

fn packages() -> Vec<&'static str> {
    UNPACKED.iter().map(|&(_, package)| package).collect()
}

/// Unpacks all of them.
fn fill(folder: &Path) -> Result<()> {
    if !present("apt-get") || !present("dpkg-deb") {
        bail!("there is no apt-get, or no dpkg-deb");
    }
    if is_root() {
        apt(&["update", "--quiet"])?;
    }
    let mut unpacked = BTreeSet::new();
    let mut ahead: Vec<String> = packages().into_iter().map(str::to_owned).collect();
    while let Some(package) = ahead.pop() {
        if unpacked.insert(package.clone()) {
            let needed = unpack(&package, folder)?;
            ahead.extend(needed.into_iter().filter(|library| !is_installed(library)));
        }
    }
    Ok(())
}

/// Fetches a package and unpacks it; the libraries that it needs.
fn unpack(package: &str, folder: &Path) -> Result<Vec<String>> {
    let fetched = folder.join(format!("{package}.fetched"));
    fs::create_dir_all(&fetched)?;
    let status = Command::new("apt-get")
        .args(["download", "--quiet", package])
        .current_dir(&fetched)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let file = fs::read_dir(&fetched)?
        .flatten()
        .next()
        .map(|entry| entry.path());
    let (true, Some(file)) = (status.is_ok_and(|status| status.success()), file) else {
        bail!("the package {package} cannot be fetched: apt-get download {package}");
    };
    let status = Command::new("dpkg-deb")
        .arg("-x")
        .arg(&file)
        .arg(folder)
        .status();
    if !status.context("starting dpkg-deb")?.success() {
        bail!("{} cannot be unpacked", file.display());
    }
    let output = Command::new("dpkg-deb")
        .arg("-f")
        .arg(&file)
        .arg("Depends")
        .output()?;
    fs::remove_dir_all(&fetched)?;
    let depends = String::from_utf8_lossy(&output.stdout).into_owned();
    // The first of several that would do.
    let names = depends
        .split(',')
        .filter_map(|one| one.split_whitespace().next());
    let libraries = names.map(|name| name.split(':').next().unwrap_or(name));
    // What pages of the web are made with is none of a program.
    Ok(libraries
        .filter(|name| name.starts_with("lib") && !name.starts_with("libjs-"))
        .map(str::to_owned)
        .collect())
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query
        .args(["-W", "-f", "${db:Status-Status}", package])
        .stderr(Stdio::null());
    query
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"installed")
}
