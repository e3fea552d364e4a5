//! `caramel dkim`: keys, signatures, and what they are worth.
//!
//! Needs neither configuration nor store. Not here: signing itself (the room `trust`).

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use trust::dkim::{Outcome, Signing, SigningKey, Verdict, Verify, sign};
use trust::{Answers, Canonicalization, Check as _, Letter, Reader};

use crate::cli::say;
use crate::complaint::Complaint;
use crate::zone::ZoneSource;
use crate::{crlf, input};

/// Octets of one string of a TXT record (RFC 1035 §3.3).
const STRING_OCTETS: usize = 255;

#[derive(Debug, Subcommand)]
pub(crate) enum DkimCommand {
    /// Makes a key in a file, and prints the record to publish.
    Key {
        /// The file; it must not be there yet.
        file: PathBuf,
        /// What kind of key.
        #[arg(long = "type", value_enum, default_value_t = KeyKind::Rsa2048)]
        kind: KeyKind,
        #[command(flatten)]
        name: KeyName,
    },
    /// Prints the record to publish for a key.
    Record {
        /// The key's file (PEM).
        file: PathBuf,
        #[command(flatten)]
        name: KeyName,
    },
    /// Signs the letter on standard input, and writes it to standard output.
    Sign(SignLetter),
    /// Says what the signatures of the letter on standard input are worth.
    ///
    /// It ends with 0 where one of them holds, and with 1 where none does.
    Verify {
        #[command(flatten)]
        zone: ZoneSource,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KeyKind {
    /// RSA, 2048 bits: everybody understands it.
    Rsa2048,
    /// Ed25519: short, and not yet understood by everybody.
    Ed25519,
}

/// Where a key is published.
#[derive(Debug, Args)]
pub(crate) struct KeyName {
    /// The domain that signs.
    #[arg(long)]
    pub(crate) domain: String,
    /// The key's name within the domain: a domain may have many keys.
    #[arg(long)]
    pub(crate) selector: String,
}

/// With which key.
#[derive(Debug, Args)]
pub(crate) struct KeyUse {
    /// The key's file (PEM: PKCS #8, or PKCS #1 for RSA).
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) name: KeyName,
}

#[derive(Debug, Args)]
pub(crate) struct SignLetter {
    #[command(flatten)]
    key: KeyUse,
    /// On behalf of whom, if not the whole domain: ada@example.org.
    #[arg(long, value_name = "ADDRESS")]
    identity: Option<String>,
    /// How much may change on the way: of the header.
    #[arg(long, value_enum, default_value_t = Form::Relaxed)]
    header: Form,
    /// How much may change on the way: of the body.
    #[arg(long, value_enum, default_value_t = Form::Relaxed)]
    body: Form,
    /// For how many days the signature is good; without it, for ever.
    #[arg(long)]
    days: Option<u16>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// White space may.
    Relaxed,
    /// Almost nothing may.
    Simple,
}

impl From<Form> for Canonicalization {
    fn from(form: Form) -> Self {
        match form {
            Form::Relaxed => Self::Relaxed,
            Form::Simple => Self::Simple,
        }
    }
}

/// Does what was asked.
pub(crate) fn run(command: &DkimCommand) -> Result<(), Complaint> {
    match command {
        DkimCommand::Key { file, kind, name } => {
            make(file, *kind)?;
            record(file, name)
        }
        DkimCommand::Record { file, name } => record(file, name),
        DkimCommand::Sign(asked) => sign_letter(asked),
        DkimCommand::Verify { zone, json } => verify(zone, *json),
    }
}

/// Makes a key that nobody knows.
fn make(path: &Path, kind: KeyKind) -> Result<(), Complaint> {
    let der = match kind {
        KeyKind::Rsa2048 => RsaKeyPair::generate(KeySize::Rsa2048).and_then(|pair| {
            let der: Pkcs8V1Der<'_> = pair.as_der()?;
            Ok(der.as_ref().to_vec())
        }),
        KeyKind::Ed25519 => {
            Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map(|der| der.as_ref().to_vec())
        }
    };
    let der = der.map_err(|_| Complaint::new("no key could be made"))?;
    let text = BASE64_STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    for line in text.as_bytes().chunks(64) {
        pem += &String::from_utf8_lossy(line);
        pem.push('\n');
    }
    pem += "-----END PRIVATE KEY-----\n";
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(pem.as_bytes())?;
        file.sync_all()
    });
    Ok(written.with_context(|| format!("writing {}", path.display()))?)
}

/// Reads a key.
pub(crate) fn key(path: &Path) -> Result<SigningKey, Complaint> {
    let text = fs::read_to_string(path);
    let text = text.with_context(|| format!("reading {}", path.display()))?;
    SigningKey::from_pem(&text).map_err(|error| {
        let complaint = Complaint::usage(format!("{} is no key", path.display())).because(error);
        complaint.next("caramel dkim key FILE makes one")
    })
}

fn record(path: &Path, name: &KeyName) -> Result<(), Complaint> {
    let record = key(path)?.record().context("reading the key")?;
    let strings: Vec<String> = record
        .as_bytes()
        .chunks(STRING_OCTETS)
        .map(|string| format!("\"{}\"", String::from_utf8_lossy(string)))
        .collect();
    let strings = strings.join(" ");
    say(&format!(
        "{}._domainkey.{}. IN TXT {strings}",
        name.selector, name.domain
    ))
}

/// The letter on standard input, its lines ended as on the wire.
pub(crate) fn letter() -> Result<Vec<u8>, Complaint> {
    let octets = input::message(Path::new("-"))?;
    let (mut cr, mut mended) = (false, Vec::with_capacity(octets.len()));
    crlf::mend(&octets, &mut cr, &mut mended);
    Ok(mended)
}

/// The same, read as it comes: it may be of any length.
pub(crate) fn passing_letter() -> Result<Letter, Complaint> {
    let mut reader = Reader::default();
    let read = crlf::read(io::stdin().lock(), |piece| {
        reader.feed(piece);
        Ok::<(), io::Error>(())
    });
    read.context("reading standard input")?;
    Ok(reader.finish().context("reading the letter")?)
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

fn sign_letter(asked: &SignLetter) -> Result<(), Complaint> {
    let name = &asked.key.name;
    let now = now();
    let signing = Signing {
        identity: asked.identity.clone(),
        header: asked.header.into(),
        body: asked.body.into(),
        time: Some(now),
        expires: asked.days.map(|days| now + i64::from(days) * 86_400),
        ..Signing::new(&name.domain, &name.selector)
    };
    let octets = letter()?;
    let letter = Letter::read(&octets, &[signing.body_form()]).context("signing")?;
    let field = sign(&letter, &key(&asked.key.key)?, &signing).context("signing")?;
    write(&[field.as_bytes(), &octets])
}

/// Writes a letter to standard output.
pub(crate) fn write(pieces: &[&[u8]]) -> Result<(), Complaint> {
    let mut output = io::stdout().lock();
    let written = pieces.iter().try_for_each(|piece| output.write_all(piece));
    Ok(written
        .and_then(|()| output.flush())
        .context("writing to standard output")?)
}

fn verify(zone: &ZoneSource, as_json: bool) -> Result<(), Complaint> {
    let zone = zone.read()?;
    let letter = passing_letter()?;
    let verify = Verify::new(&letter, now());
    let verdicts = verify.settle(&mut Answers::default(), |question| zone.answer(question));
    if as_json {
        let shown: Vec<Value> = verdicts.iter().map(verdict_json).collect();
        say(&json!({ "dkim": shown }).to_string())?;
    } else {
        let lines: Vec<String> = verdicts.iter().map(verdict_line).collect();
        say(&match lines.is_empty() {
            true => "none".to_owned(),
            false => lines.join("\n"),
        })?;
    }
    match verdicts
        .iter()
        .any(|verdict| verdict.outcome == Outcome::Pass)
    {
        true => Ok(()),
        false => Err(Complaint::new("no signature holds")),
    }
}

/// `pass example.org (key s1, rsa-sha256)`
pub(crate) fn verdict_line(verdict: &Verdict) -> String {
    let mut line = verdict.outcome.to_string();
    if let Some(signature) = &verdict.signature {
        line += &format!(
            " {} (key {}, {})",
            signature.domain,
            signature.selector,
            signature.algorithm.name()
        );
    }
    if let Some(problem) = &verdict.problem {
        line += &format!(": {problem}");
    }
    line
}

/// The verdict with all of its evidence.
pub(crate) fn verdict_json(verdict: &Verdict) -> Value {
    let signature = verdict.signature.as_ref().map(|signature| {
        json!({
            "domain": signature.domain,
            "selector": signature.selector,
            "identity": signature.identity,
            "algorithm": signature.algorithm.name(),
            "fields": signature.fields,
            "octets": signature.octets,
            "time": signature.time,
            "expires": signature.expires,
        })
    });
    json!({
        "result": verdict.outcome.to_string(),
        "reason": verdict.problem,
        "signature": signature,
        "asked": verdict.question.as_ref().map(ToString::to_string),
        "testing": verdict.key.as_ref().map(|key| key.testing),
    })
}
