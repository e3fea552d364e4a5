//! Zones that are signed, at nsd, and unbound, which validates what nsd says: each in a folder of
//! its own, on ports of its own.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::confined::{Confined, libraries, stranger};
use crate::port::free_address;

/// A zone.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Its records, a line of a zone file for each: names without a dot at the end are below it.
    pub records: Vec<String>,
    /// How it is signed.
    pub signing: Signing,
}

/// How a zone is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signing {
    /// Well.
    Good,
    /// Not at all; nobody expects it.
    No,
    /// By signatures that are over.
    Expired,
    /// Well; then one text was put in another's place.
    Altered(String, String),
}

/// The two servers; they end when this is dropped.
#[derive(Debug)]
pub struct SignedZones {
    _folder: TempDir,
    _nsd: Confined,
    _unbound: Confined,
    address: SocketAddr,
}

impl SignedZones {
    /// Signs the zones and starts both; nothing where their packages are not unpacked.
    ///
    /// # Errors
    /// Where one does not start.
    pub fn start(zones: &[Zone]) -> io::Result<Option<Self>> {
        let programs = ["usr/sbin/nsd", "usr/sbin/unbound", "usr/bin/ldns-signzone"].map(stranger);
        let [Some(nsd), Some(unbound), Some(signer)] = programs else {
            return Ok(None);
        };
        let folder = TempDir::new()?;
        let home = folder.path();
        let mut anchors = String::new();
        for zone in zones {
            anchors.push_str(&sign(&signer, home, zone)?);
        }
        fs::write(home.join("anchors"), anchors)?;
        let (source, address) = (free_address()?, free_address()?);
        fs::write(home.join("nsd.conf"), authority(home, source, zones))?;
        fs::write(
            home.join("unbound.conf"),
            resolver(home, address, source, zones),
        )?;
        let begin = |program: &Path, name: &str, address: SocketAddr| {
            let script = format!("{} -d -c {}/{name}.conf", program.display(), home.display());
            let log = home.join(format!("{name}.log"));
            let mut confined = Confined::start(home, &script, &log)?;
            match confined.listens(address) {
                Ok(()) => Ok(confined),
                Err(error) => {
                    let said = fs::read_to_string(log).unwrap_or_default();
                    Err(io::Error::other(format!("{name}: {error}\n{said}")))
                }
            }
        };
        let nsd = begin(&nsd, "nsd", source)?;
        let unbound = begin(&unbound, "unbound", address)?;
        Ok(Some(Self {
            _folder: folder,
            _nsd: nsd,
            _unbound: unbound,
            address,
        }))
    }

    /// Where the one that validates is asked.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Writes a zone, signed; the record that whoever validates begins with.
fn sign(signer: &Path, home: &Path, zone: &Zone) -> io::Result<String> {
    let name = &zone.name;
    let mut text = format!(
        "$ORIGIN {name}.\n$TTL 300\n@ SOA ns root 1 300 300 300 300\n@ NS ns\nns A 127.0.0.1\n"
    );
    for record in &zone.records {
        text.push_str(record);
        text.push('\n');
    }
    fs::write(home.join(name), &text)?;
    if zone.signing == Signing::No {
        return Ok(String::new());
    }
    let maker = signer.with_file_name("ldns-keygen");
    let words = ["-r", "/dev/urandom", "-k", "-a", "ECDSAP256SHA256", name];
    let key = run(&maker, home, &words)?;
    let mut words = match zone.signing {
        Signing::Expired => vec!["-i", "20200101", "-e", "20200201"],
        _ => Vec::new(),
    };
    let signed = format!("{name}.signed");
    words.extend(["-f", &signed, name, &key]);
    run(signer, home, &words)?;
    let mut text = fs::read_to_string(home.join(signed))?;
    if let Signing::Altered(from, to) = &zone.signing {
        text = text.replace(from, to);
    }
    fs::write(home.join(name), text)?;
    fs::read_to_string(home.join(format!("{key}.ds")))
}

/// Runs a program; the line that it said.
fn run(program: &Path, home: &Path, words: &[&str]) -> io::Result<String> {
    let output = Command::new(program)
        .args(words)
        .current_dir(home)
        .env("LD_LIBRARY_PATH", libraries())
        .stdin(Stdio::null())
        .output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(io::Error::other(format!("{}: {said}", program.display())))
        }
    }
}

fn authority(home: &Path, address: SocketAddr, zones: &[Zone]) -> String {
    let (ip, port, home) = (address.ip(), address.port(), home.display());
    let mut text = format!(
        "server:\n ip-address: {ip}@{port}\n username: root\n chroot: \"\"\n \
         zonesdir: \"{home}\"\n database: \"\"\n pidfile: \"\"\n \
         zonelistfile: \"{home}/zone.list\"\n xfrdfile: \"{home}/xfrd.state\"\n \
         xfrdir: \"{home}\"\n server-count: 1\nremote-control:\n control-enable: no\n"
    );
    for Zone { name, .. } in zones {
        text.push_str(&format!("zone:\n name: {name}\n zonefile: {name}\n"));
    }
    text
}

fn resolver(home: &Path, address: SocketAddr, source: SocketAddr, zones: &[Zone]) -> String {
    let (ip, port, home) = (address.ip(), address.port(), home.display());
    let mut text = format!(
        "server:\n interface: {ip}\n port: {port}\n do-daemonize: no\n username: \"\"\n \
         chroot: \"\"\n directory: \"{home}\"\n pidfile: \"\"\n use-syslog: no\n logfile: \"\"\n \
         do-not-query-localhost: no\n do-ip6: no\n num-threads: 1\n \
         trust-anchor-file: \"{home}/anchors\"\n module-config: \"validator iterator\"\n\
         remote-control:\n control-enable: no\n"
    );
    for Zone { name, .. } in zones {
        let (ip, port) = (source.ip(), source.port());
        text.push_str(&format!(
            "stub-zone:\n name: {name}\n stub-addr: {ip}@{port}\n"
        ));
    }
    text
}
