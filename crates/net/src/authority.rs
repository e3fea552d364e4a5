//! A small certificate authority of our own, so that TLS works before anybody has bought or
//! fetched a certificate: whoever trusts its one file trusts the server.
//!
//! Not here: ACME. The files are plain PEM; the line above each certificate is ours and says until
//! when it lasts and for whom, so that nothing has to be read back out of the certificate.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use mail::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::Error;

const DAY: i64 = 86_400;
/// How long the authority lasts, in days.
const AUTHORITY_DAYS: i64 = 3650;
/// How long a server's certificate lasts, in days: what the strictest clients take.
const SERVER_DAYS: i64 = 397;
/// A certificate with fewer days left is made anew.
const RENEWAL_DAYS: i64 = 30;
/// Certificates begin so many days ago, for clients whose clock is slow.
const SLOW_CLOCK_DAYS: i64 = 2;

/// The authority, kept in a directory.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    key: KeyPair,
    until: i64,
}

/// A certificate chain with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// PEM file of the chain.
    pub chain: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
    /// True if it was made just now.
    pub renewed: bool,
}

impl Authority {
    /// Opens the authority in `directory`; makes it if there is none or it is near its end.
    pub fn open(directory: &Path, today: Timestamp) -> Result<Self, Error> {
        let certificate = directory.join("authority.pem");
        let key = directory.join("authority.key");
        make_directory(directory)?;
        if let Some((until, _)) = read_label(&certificate)
            && days_left(until, today) > SERVER_DAYS + RENEWAL_DAYS
        {
            let text = read(&key)?;
            return Ok(Self {
                directory: directory.to_owned(),
                key: KeyPair::from_pem(&text)?,
                until,
            });
        }
        let made = Self {
            directory: directory.to_owned(),
            key: KeyPair::generate()?,
            until: today.seconds + AUTHORITY_DAYS * DAY,
        };
        let signed = params(made.until, today).self_signed(&made.key)?;
        write(&key, &made.key.serialize_pem(), 0o600)?;
        let label = label(made.until, &[]);
        write(&certificate, &format!("{label}{}", signed.pem()), 0o644)?;
        // Certificates of the authority before this one are of no use now.
        remove(&directory.join("server.pem"))?;
        Ok(made)
    }

    /// The PEM file that clients should trust.
    #[must_use]
    pub fn roots(&self) -> PathBuf {
        self.directory.join("authority.pem")
    }

    /// A certificate for a server with these names and addresses, and always for this machine
    /// itself; the one there is is kept while it lasts and fits.
    pub fn certify(&self, names: &[String], today: Timestamp) -> Result<Certified, Error> {
        let mut names = names.to_vec();
        names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
        names.sort();
        names.dedup();
        let mut certified = Certified {
            chain: self.directory.join("server.pem"),
            key: self.directory.join("server.key"),
            renewed: false,
        };
        if let Some((until, kept)) = read_label(&certified.chain)
            && days_left(until, today) > RENEWAL_DAYS
            && kept == names
            && certified.key.exists()
        {
            return Ok(certified);
        }
        let until = today.seconds + SERVER_DAYS * DAY;
        let key = KeyPair::generate()?;
        let mut server = CertificateParams::new(names.clone())?;
        lasts(&mut server, today, until);
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        server.distinguished_name = rcgen::DistinguishedName::new();
        let common = names.first().map_or("Caramel", String::as_str);
        server.distinguished_name.push(DnType::CommonName, common);
        let issuer = Issuer::new(params(self.until, today), &self.key);
        let signed = server.signed_by(&key, &issuer)?;
        write(&certified.key, &key.serialize_pem(), 0o600)?;
        let label = label(until, &names);
        write(&certified.chain, &format!("{label}{}", signed.pem()), 0o644)?;
        certified.renewed = true;
        Ok(certified)
    }
}

/// The authority's own certificate; as an issuer only its name and key count.
fn params(until: i64, today: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    lasts(&mut params, today, until);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name = rcgen::DistinguishedName::new();
    // The end is part of the name: a new authority is not taken for the old one.
    let name = format!("Caramel local authority {}", until / DAY);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn lasts(params: &mut CertificateParams, today: Timestamp, until: i64) {
    let from = Timestamp::utc(today.seconds - SLOW_CLOCK_DAYS * DAY);
    let (year, month, day) = from.civil_date();
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = Timestamp::utc(until).civil_date();
    params.not_after = rcgen::date_time_ymd(year, month, day);
}

fn days_left(until: i64, today: Timestamp) -> i64 {
    (until - today.seconds) / DAY
}

fn label(until: i64, names: &[String]) -> String {
    format!("until {until} for {}\n", names.join(","))
}

fn read_label(path: &Path) -> Option<(i64, Vec<String>)> {
    let text = fs::read_to_string(path).ok()?;
    let (until, names) = text
        .lines()
        .next()?
        .strip_prefix("until ")?
        .split_once(" for ")?;
    let names = names.split(',').map(str::to_owned).collect();
    Some((until.parse().ok()?, names))
}

fn make_directory(path: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(file(path))
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(file(path))
}

/// Writes beside the file, then puts it in its place: it is there whole or not at all.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let fresh = path.with_extension("new");
    remove(&fresh)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut open = options.open(&fresh).map_err(file(&fresh))?;
    open.write_all(text.as_bytes()).map_err(file(&fresh))?;
    open.sync_all().map_err(file(&fresh))?;
    fs::rename(&fresh, path).map_err(file(path))
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file(path)(error)),
        _ => Ok(()),
    }
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |cause| Error::File { path, cause }
}
