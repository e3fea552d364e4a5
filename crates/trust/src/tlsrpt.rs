//! Reports about TLS (RFC 8460): how often letters could go to a domain as its policy wants, and
//! how often not.
//!
//! Not here: compression and the letter around a report, sending.

use serde::{Deserialize, Serialize};

use crate::dkim::{Signature, Verdict};
use crate::dns::is_within;

/// Octets a report may have.
pub const REPORT_OCTETS_MAX: usize = 16 << 20;

/// A report (RFC 8460 §4.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Report {
    /// Who reports.
    pub organization_name: String,
    /// About when.
    pub date_range: DateRange,
    /// Whom to ask.
    pub contact_info: String,
    /// The report's own name.
    pub report_id: String,
    /// The policies that were gone by.
    pub policies: Vec<PolicyReport>,
}

/// A span of time; both ends as RFC 3339 writes moments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct DateRange {
    /// Its first moment.
    pub start_datetime: String,
    /// Its last.
    pub end_datetime: String,
}

/// What came of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct PolicyReport {
    /// The policy.
    pub policy: Policy,
    /// How often it went well, and how often not.
    pub summary: Summary,
    /// What went wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failure_details: Vec<Failure>,
}

/// A policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Policy {
    /// `tlsa`, `sts` or `no-policy-found`.
    pub policy_type: String,
    /// Its lines, or its records.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_many"
    )]
    pub policy_string: Vec<String>,
    /// Whose it is.
    pub policy_domain: String,
    /// The exchangers it names.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_many"
    )]
    pub mx_host: Vec<String>,
}

/// Sessions that were counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Summary {
    /// Those that went well.
    pub total_successful_session_count: u64,
    /// Those that did not.
    pub total_failure_session_count: u64,
}

/// Sessions that failed for the same reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Failure {
    /// The reason (RFC 8460 §4.3): `certificate-expired`, `starttls-not-supported`, ….
    pub result_type: String,
    /// Who wanted to send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sending_mta_ip: Option<String>,
    /// To whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiving_mx_hostname: Option<String>,
    /// The name it gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiving_mx_helo: Option<String>,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiving_ip: Option<String>,
    /// How often.
    pub failed_session_count: u64,
    /// Where more about it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_information: Option<String>,
    /// A code of the library's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason_code: Option<String>,
}

/// What can go wrong with a report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is longer than any should be.
    #[error("reading a report: it has more than {REPORT_OCTETS_MAX} octets")]
    TooLong,
    /// It is no such report.
    #[error("a report about TLS")]
    Json(#[from] serde_json::Error),
}

impl Report {
    // RFC 8460 §4.4
    /// Reads a report, its compression undone. What is missing is empty; what is unknown is passed
    /// over.
    ///
    /// # Errors
    /// Where it is no JSON, of another shape, or too long.
    pub fn parse(octets: &[u8]) -> Result<Self, Error> {
        match octets.len() > REPORT_OCTETS_MAX {
            true => Err(Error::TooLong),
            false => Ok(serde_json::from_slice(octets)?),
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// Where the library cannot.
    pub fn write(&self) -> Result<Vec<u8>, Error> {
        Ok(serde_json::to_vec_pretty(self)?)
    }
}

// RFC 8460 §3
/// The signature that a report by mail has to have: by the domain that its `author` writes from, or
/// by one above it, and over the whole letter. `verdicts` are of all its signatures, as
/// [`Verify::of_tls_report`](crate::dkim::Verify::of_tls_report) has them.
///
/// # Errors
/// Why there is none.
pub fn signature<'a>(verdicts: &'a [Verdict], author: &str) -> Result<&'a Signature, String> {
    let mut why = "it has no signature".to_owned();
    for verdict in verdicts {
        let Some(signature) = &verdict.signature else {
            why = "its signature cannot be read".to_owned();
            continue;
        };
        let domain = &signature.domain;
        if !is_within(author, domain) {
            why = format!("the signature of {domain} says nothing of {author}");
            continue;
        }
        if let Some(problem) = &verdict.problem {
            why = format!("the signature of {domain}: {problem}");
        } else if signature.octets.is_some() {
            why = format!("the signature of {domain} is not over all of it (l=)");
        } else if !verdict.counts() {
            why = format!("{domain} only tries out how to sign");
        } else {
            return Ok(signature);
        }
    }
    Err(why)
}

/// The RFC's grammar has lists here, its example one text, and so do some reports.
fn one_or_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Either::deserialize(from)? {
        Either::One(one) => vec![one],
        Either::Many(many) => many,
    })
}
