//! `caramel dmarc`: reports that came, in plain words; reports that are due here.
//!
//! What came is read without configuration or store. Not here: the form of a report
//! (`trust::feedback`), who is told (`post`).

use std::path::{Path, PathBuf};

use clap::Subcommand;
use mail::Timestamp;
use message::{Outline, decode_part};
use serde_json::Value;
use trust::feedback::{Feedback, REPORT_OCTETS_MAX, Row};

use crate::cli::{Listing, say};
use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk::ask_running;
use crate::input;
use crate::told::{GZIP, printable_lines, unpacked};

/// What is to be done with reports.
#[derive(Debug, Subcommand)]
pub(crate) enum DmarcCommand {
    /// Prints a report that came: XML, gzip, or the letter with such a file.
    ///
    /// No configuration is needed.
    Report {
        /// The file; `-` for standard input.
        file: PathBuf,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Lists what was seen and is not told yet; needs a server that runs.
    List(Listing),
    /// Sends what was seen until now, without waiting for the end of the day; needs a server that
    /// runs.
    Send,
}

impl DmarcCommand {
    /// Does what needs no configuration.
    pub(crate) fn run_without_configuration(&self) -> Option<Result<(), Complaint>> {
        match self {
            Self::Report { file, json } => Some(report(file, *json)),
            Self::List(_) | Self::Send => None,
        }
    }
}

/// Does what a running server is asked for.
pub(crate) fn run(config: &Config, command: &DmarcCommand) -> Result<(), Complaint> {
    let nothing = serde_json::json!({});
    match command {
        DmarcCommand::Report { file, json } => report(file, *json),
        DmarcCommand::List(listing) => {
            let answer = ask_running(config, "Dmarc/list", &nothing)?;
            crate::directory::show(&answer, listing, |due| {
                let domain = due
                    .get("domain")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let begin = due.get("begin").and_then(Value::as_i64).unwrap_or_default();
                let letters = due
                    .get("letters")
                    .and_then(Value::as_u64)
                    .unwrap_or_default();
                let day = Timestamp::utc(begin).to_rfc3339().to_string();
                let day = day.split('T').next().unwrap_or_default().to_owned();
                format!("{domain}\t{day}\t{letters} letters")
            })
        }
        DmarcCommand::Send => {
            let answer = ask_running(config, "Dmarc/send", &nothing)?;
            let sent = answer
                .get("sent")
                .and_then(Value::as_u64)
                .unwrap_or_default();
            say(&format!("{sent} reports are sent."))
        }
    }
}

fn report(file: &Path, json: bool) -> Result<(), Complaint> {
    let octets = input::message(file)?;
    let none = |why: String| {
        let what = format!("{} is no report of DMARC", file.display());
        Complaint::new(what).because(why)
    };
    let text = xml(&octets).map_err(none)?;
    let report = Feedback::parse(&text).map_err(|error| none(chain(&error)))?;
    match json {
        true => {
            let value = serde_json::to_value(&report);
            say(&value.unwrap_or_default().to_string())
        }
        false => say(&words(&report)),
    }
}

/// An error with what is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let behind = error.source().map(|source| format!(": {source}"));
    format!("{error}{}", behind.unwrap_or_default())
}

/// The report itself: as it is, out of its compression, or out of a letter.
fn xml(octets: &[u8]) -> Result<Vec<u8>, String> {
    if octets.starts_with(&GZIP) {
        return unpacked(octets, REPORT_OCTETS_MAX);
    }
    if octets.trim_ascii_start().starts_with(b"<") {
        return Ok(octets.to_vec());
    }
    let (mut cr, mut letter) = (false, Vec::new());
    crate::crlf::mend(octets, &mut cr, &mut letter);
    let outline = Outline::parse(&letter);
    for part in outline.root.walk() {
        let content = decode_part(part, &letter).octets;
        if content.starts_with(&GZIP) {
            return unpacked(&content, REPORT_OCTETS_MAX);
        }
        let is_xml = part.is("text", "xml") || part.is("application", "xml");
        if is_xml && content.trim_ascii_start().starts_with(b"<") {
            return Ok(content.into_owned());
        }
    }
    Err("it is neither XML nor gzip, and no letter with such a file".to_owned())
}

/// The report in plain words.
fn words(report: &Feedback) -> String {
    let (about, policy) = (&report.report_metadata, &report.policy_published);
    let when = |seconds: i64| Timestamp::utc(seconds).to_rfc3339().to_string();
    let mut text = format!(
        "{} <{}> about {}, {} to {}\n",
        about.org_name,
        about.email,
        policy.domain,
        when(about.date_range.begin),
        when(about.date_range.end),
    );
    text += &format!("policy: p={}", policy.p);
    for (name, value) in [
        ("sp", &policy.sp),
        ("np", &policy.np),
        ("adkim", &policy.adkim),
        ("aspf", &policy.aspf),
        ("t", &policy.testing),
    ] {
        if let Some(value) = value {
            text += &format!(" {name}={value}");
        }
    }
    let all: u64 = report.records.iter().map(|row| row.row.count).sum();
    text += &format!("\n{all} letters\n");
    for row in &report.records {
        text += &line(row);
    }
    printable_lines(text.trim_end())
}

fn line(row: &Row) -> String {
    let seen = &row.row;
    let judged = &seen.policy_evaluated;
    let mut text = format!(
        "\n{:>6}  {}  from {}: {}, dkim {}, spf {}\n",
        seen.count,
        seen.source_ip,
        row.identifiers.header_from,
        judged.disposition,
        judged.dkim,
        judged.spf
    );
    for reason in &judged.reasons {
        text += &format!("        because of {}", reason.kind);
        if let Some(comment) = &reason.comment {
            text += &format!(" ({comment})");
        }
        text.push('\n');
    }
    for one in &row.auth_results.dkim {
        let selector = one.selector.as_deref().unwrap_or("?");
        text += &format!(
            "        dkim {} of {} (key {selector})\n",
            one.result, one.domain
        );
    }
    for one in &row.auth_results.spf {
        text += &format!("        spf {} of {}\n", one.result, one.domain);
    }
    text
}
