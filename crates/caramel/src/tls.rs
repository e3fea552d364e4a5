//! TLS with other domains: what they want, what came of it, and reports about it, ours and theirs.
//!
//! Not here: what a report is (the room `trust`), when ours are sent (`server`).

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use mail::Timestamp;
use message::{Outline, decode_part};
use serde_json::{Value, json};
use trust::tlsrpt::{REPORT_OCTETS_MAX, Report};

use crate::cli::{Listing, say};
use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk::{ask, ask_running};
use crate::input;
use crate::told::{GZIP, list, printable, printable_lines, text, unpacked};
use crate::zone::ZoneSource;

mod signed;

use signed::Standing;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// What is asked about TLS.
#[derive(Debug, Subcommand)]
pub(crate) enum TlsCommand {
    /// Lists the policies of other domains that are kept (MTA-STS): until when each holds, when it
    /// was fetched, when it is fetched again, and why the last fetch brought nothing.
    Policies(Listing),
    /// Has the running server fetch them all again now.
    ///
    /// One that cannot be fetched holds until its time is over. `caramel tls policies` tells what
    /// came of it.
    Refresh,
    /// Lists what came of TLS with other domains' hosts and is not reported yet.
    ///
    /// It is counted where `[relay] tls_reports` is set; the last minute is not written down yet.
    Results(Listing),
    /// Has the running server report now on all that was counted, and not wait for the day's end.
    Send,
    /// Shows reports that other hosts have sent about our own domains (TLSRPT), and whether each is
    /// signed.
    ///
    /// A file is the letter it came in, or the report itself, compressed or not; `-` is standard
    /// input. No configuration is needed. Keys are asked for in DNS, unless they are given. It ends
    /// with 1 where a file has no report.
    Report {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        zone: ZoneSource,
        #[command(flatten)]
        listing: Listing,
    },
}

impl TlsCommand {
    /// Does what needs no configuration; nothing where it is needed.
    pub(crate) fn run_without_configuration(&self) -> Option<Result<(), Complaint>> {
        match self {
            Self::Report {
                files,
                zone,
                listing,
            } => Some(show(files, zone, listing)),
            Self::Policies(_) | Self::Refresh | Self::Results(_) | Self::Send => None,
        }
    }
}

/// Does what is asked.
pub(crate) fn run(config: &Config, command: &TlsCommand) -> Result<(), Complaint> {
    match command {
        TlsCommand::Policies(listing) => policies(config, listing),
        TlsCommand::Refresh => {
            ask_running(config, "Tls/refresh", &json!({}))?;
            say("The server fetches them now; caramel tls policies tells what came of it.")
        }
        TlsCommand::Results(listing) => results(config, listing),
        TlsCommand::Send => {
            if config.tls_reports().is_none() {
                return Err(
                    Complaint::new("nothing is counted, so nothing can be reported").next(
                        "say in whose name: [relay] tls_reports = \"tls-reports@example.org\"",
                    ),
                );
            }
            ask_running(config, "Tls/report", &json!({}))?;
            say("The server reports now; its log says to whom.")
        }
        TlsCommand::Report {
            files,
            zone,
            listing,
        } => show(files, zone, listing),
    }
}

fn policies(config: &Config, listing: &Listing) -> Result<(), Complaint> {
    let told = ask(config, "Tls/policies", &json!({}))?;
    for policy in list(&told, "list") {
        if listing.json {
            say(&policy.to_string())?;
            continue;
        }
        say(&printable_lines(&policy_lines(policy)))?;
    }
    Ok(())
}

/// What is known of a policy: what it is, and below it how it is looked after.
fn policy_lines(policy: &Value) -> String {
    let moment = |value: &Value, name: &str| {
        let seconds = value.get(name).and_then(Value::as_i64)?;
        Some(Timestamp::utc(seconds).to_rfc3339().to_string())
    };
    let mx: Vec<&str> = list(policy, "mx")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let (domain, mode) = (text(policy, "domain"), text(policy, "mode"));
    let known = |name| moment(policy, name).unwrap_or_default();
    let mut lines = format!(
        "{domain} {mode} until {}: {}\n    fetched {}, ",
        known("until"),
        mx.join(", "),
        known("fetched")
    );
    lines += &match moment(policy, "next") {
        Some(next) => format!("again {next}"),
        None => "again with the next letter".to_owned(),
    };
    if let Some(failure) = policy.get("failure").filter(|failure| failure.is_object()) {
        let when = moment(failure, "when").unwrap_or_default();
        lines += &format!("\n    failed {when}: {}", text(failure, "why"));
    }
    lines
}

fn results(config: &Config, listing: &Listing) -> Result<(), Complaint> {
    let told = ask(config, "Tls/results", &json!({}))?;
    for result in list(&told, "list") {
        if listing.json {
            say(&result.to_string())?;
            continue;
        }
        let day = result.get("day").and_then(Value::as_i64);
        let (year, month, day) = Timestamp::utc(day.unwrap_or_default() * DAY).civil_date();
        let domain = text(result, "domain");
        let policies = result.get("policies").cloned().unwrap_or_default();
        let report = Report {
            policies: serde_json::from_value(policies).unwrap_or_default(),
            ..Report::default()
        };
        say(&format!("{year:04}-{month:02}-{day:02} {domain}"))?;
        say(lines(&report).trim_end())?;
    }
    Ok(())
}

fn show(files: &[PathBuf], zone: &ZoneSource, listing: &Listing) -> Result<(), Complaint> {
    for file in files {
        let octets = input::message(file)?;
        let report = read(&octets).map_err(|why| {
            let what = format!("{} has no report about TLS", file.display());
            let next = "give the letter that it came in, or the file that was attached to it";
            Complaint::new(what).because(why).next(next)
        })?;
        let standing = match is_report_itself(&octets) {
            true => Standing::of_file(),
            false => Standing::of_letter(&octets, zone)?,
        };
        if listing.json {
            let mut written = serde_json::to_value(&report).map_err(anyhow::Error::from)?;
            if let Some(fields) = written.as_object_mut() {
                fields.insert("signature".to_owned(), standing.json());
            }
            say(&written.to_string())?;
            continue;
        }
        let dates = &report.date_range;
        say(&printable(&format!(
            "from {} ({}), {} to {}, id {}",
            report.organization_name,
            report.contact_info,
            dates.start_datetime,
            dates.end_datetime,
            report.report_id
        )))?;
        say(&format!("  {}", printable(&standing.line())))?;
        say(lines(&report).trim_end())?;
    }
    Ok(())
}

/// What a report says, a line for each policy and for each kind of failure.
fn lines(report: &Report) -> String {
    let mut text = String::new();
    for policy in &report.policies {
        let (of, sum) = (&policy.policy, &policy.summary);
        let line = format!(
            "  {} {}: {} sessions went well, {} failed",
            of.policy_domain,
            of.policy_type,
            sum.total_successful_session_count,
            sum.total_failure_session_count
        );
        // Writing to a string cannot fail.
        writeln!(text, "{}", printable(&line)).unwrap_or_default();
        for failure in &policy.failure_details {
            let mut line = format!(
                "    {} {}",
                failure.failed_session_count, failure.result_type
            );
            for (name, value) in [
                ("at", &failure.receiving_mx_hostname),
                ("at", &failure.receiving_ip),
                ("from", &failure.sending_mta_ip),
            ] {
                if let Some(value) = value {
                    line += &format!(" {name} {value}");
                }
            }
            let more = [
                &failure.failure_reason_code,
                &failure.additional_information,
            ];
            for value in more.into_iter().flatten() {
                line += &format!(": {value}");
            }
            writeln!(text, "{}", printable(&line)).unwrap_or_default();
        }
    }
    text
}

/// The report in a file: by itself or in a letter, compressed or not.
fn read(octets: &[u8]) -> Result<Report, String> {
    if is_report_itself(octets) {
        return parse(octets);
    }
    let outline = Outline::parse(octets);
    let is_report = |subtype: &str| matches!(subtype, "tlsrpt+gzip" | "tlsrpt+json");
    let mut parts = outline.root.walk();
    let part = parts.find(|part| part.media == "application" && is_report(&part.subtype));
    let part = part.ok_or("no part of it is one (application/tlsrpt+gzip)")?;
    parse(&decode_part(part, octets).octets)
}

fn is_report_itself(octets: &[u8]) -> bool {
    let first = octets.trim_ascii_start().first();
    octets.starts_with(&GZIP) || first == Some(&b'{')
}

fn parse(octets: &[u8]) -> Result<Report, String> {
    let octets = match octets.starts_with(&GZIP) {
        false => Cow::Borrowed(octets),
        true => Cow::Owned(unpacked(octets, REPORT_OCTETS_MAX)?),
    };
    Report::parse(&octets).map_err(|error| format!("{:#}", anyhow::Error::from(error)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const REPORT: &str = r#"{"organization-name": "Company\u001b[31m-X", "report-id": "5065427c",
        "policies": [{"policy": {"policy-type": "sts", "policy-domain": "company-y.example"},
        "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
        "failure-details": [{"result-type": "certificate-expired",
        "receiving-mx-hostname": "mx.company-y.example", "failed-session-count": 100}]}]}"#;

    #[test]
    fn reports_are_read_however_they_come() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(REPORT.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        let letter = message::Builder::new()
            .report("tlsrpt")
            .text("as attached")
            .attach("r.json.gz", "application/tlsrpt+gzip", &packed)
            .build();
        for octets in [REPORT.as_bytes(), &packed, &letter] {
            let report = read(octets).unwrap();
            let text = lines(&report);
            for part in [
                "  company-y.example sts: 5326 sessions went well, 303 failed\n",
                "    100 certificate-expired at mx.company-y.example\n",
            ] {
                assert!(text.contains(part), "{text}");
            }
        }
        assert_eq!(printable("Company\u{1b}[31m-X"), "Company?[31m-X");
        let mut bomb = GzEncoder::new(Vec::new(), Compression::default());
        bomb.write_all(&vec![b' '; REPORT_OCTETS_MAX + 10]).unwrap();
        let bomb = bomb.finish().unwrap();
        for octets in [
            &b"Subject: x\r\n\r\nnothing"[..],
            b"{",
            &packed[..20],
            &bomb,
        ] {
            assert!(read(octets).is_err());
        }
    }
}
