//! `sendmail -bv` and `-bt`: would the server take mail for somebody?
//!
//! RFC 5321 §3.5.3: VRFY, asked at the socket where this machine's programs deliver.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::Context as _;
use server::LocalSpool;

use super::{Options, addresses};
use crate::cli::say;
use crate::complaint::Complaint;
use crate::sysexits;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Octets of an answer's line.
const LINE_OCTETS_MAX: u64 = 4096;

/// Says of each whether it would be taken.
pub(super) fn run(spool: &LocalSpool, options: &Options) -> Result<(), Complaint> {
    let words = options.words.iter();
    let asked: Vec<String> = words.flat_map(|list| addresses(list.as_bytes())).collect();
    if asked.is_empty() {
        return Err(Complaint::new("there is nobody to ask about").coded(sysexits::USAGE));
    }
    let path = spool.deliver_socket();
    let stream = UnixStream::connect(&path).map_err(|error| {
        let complaint = Complaint::new("no server runs").because(error);
        complaint.next("caramel serve").coded(sysexits::UNAVAILABLE)
    })?;
    let limited = stream.set_read_timeout(Some(PATIENCE));
    limited.context("using the connection")?;
    let domain = spool.house().map(|facts| facts.domain).unwrap_or_default();
    let mut stream = BufReader::new(stream);
    reply(&mut stream)?;
    let mut unknown = 0;
    for one in &asked {
        let address = match one.contains('@') {
            true => one.clone(),
            false => format!("{one}@{domain}"),
        };
        let told = ask(&mut stream, &format!("VRFY {address}\r\n"))?;
        let words = told.get(4..).unwrap_or_default();
        match told.as_bytes().first() {
            Some(b'2') if told.starts_with("252") => {
                say(&format!("{one}... deliverable: goes to another host"))?;
            }
            Some(b'2') => say(&format!("{one}... deliverable: {words}"))?,
            _ => {
                unknown += 1;
                say(&format!("{one}... {words}"))?;
            }
        }
    }
    match unknown {
        0 => Ok(()),
        count => {
            let complaint = Complaint::new(format!("{count} of {} are not taken", asked.len()));
            Err(complaint.coded(sysexits::NO_USER))
        }
    }
}

fn ask(stream: &mut BufReader<UnixStream>, line: &str) -> Result<String, Complaint> {
    let sent = stream.get_mut().write_all(line.as_bytes());
    sent.context("asking the server")?;
    reply(stream)
}

/// The last line of an answer.
fn reply(stream: &mut BufReader<UnixStream>) -> Result<String, Complaint> {
    loop {
        let mut line = String::new();
        let read = stream.by_ref().take(LINE_OCTETS_MAX).read_line(&mut line);
        if read.context("listening to the server")? == 0 {
            let complaint = Complaint::new("the server has gone");
            return Err(complaint.coded(sysexits::TEMPORARY));
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(line.trim_end().to_owned());
        }
    }
}
