//! Aggregate reports of DMARC (RFC 9990): what a receiver saw of a domain's letters.
//!
//! Enumerations are texts: other people's reports have values of their own, and are read all the
//! same. White space around texts is dropped.
//!
//! Not here: compression and the letter around a report, sending, and reports about single letters
//! ([`message::FeedbackReport`]).

use serde::{Deserialize, Serialize};

/// Octets a report may have, its compression undone.
pub const REPORT_OCTETS_MAX: usize = 16 << 20;

/// The namespace of reports (RFC 9990 appendix A).
const NAMESPACE: &str = "urn:ietf:params:xml:ns:dmarc-2.0";

/// A report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "feedback", default)]
pub struct Feedback {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    /// The form's version: 1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Who reports, and when.
    pub report_metadata: Metadata,
    /// The policy that was gone by.
    pub policy_published: PolicyPublished,
    /// What was seen.
    #[serde(rename = "record")]
    pub records: Vec<Row>,
}

/// Who reports, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// The receiver.
    pub org_name: String,
    /// Its address.
    pub email: String,
    /// Where to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_contact_info: Option<String>,
    /// The report's own name.
    pub report_id: String,
    /// About when.
    pub date_range: DateRange,
    /// What went wrong with the domain's policy.
    #[serde(rename = "error", skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// The program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<String>,
}

/// A span of time, in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DateRange {
    /// Its first second.
    pub begin: i64,
    /// Its last.
    pub end: i64,
}

/// The policy as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyPublished {
    /// Where.
    pub domain: String,
    /// For the domain itself.
    pub p: String,
    /// For those below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sp: Option<String>,
    /// For those below it that do not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub np: Option<String>,
    /// `r` or `s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adkim: Option<String>,
    /// `r` or `s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aspf: Option<String>,
    /// `treewalk` or `psl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery_method: Option<String>,
    /// When reports about single letters are wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fo: Option<String>,
    /// `y` or `n`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub testing: Option<String>,
}

/// Letters that are alike in all that counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    /// How many, from where, and what became of them.
    pub row: Seen,
    /// Which names they had.
    pub identifiers: Identifiers,
    /// What SPF and DKIM said.
    pub auth_results: AuthResults,
}

/// How many, from where, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// The client's address.
    pub source_ip: String,
    /// How many.
    pub count: u64,
    /// What became of them.
    pub policy_evaluated: Evaluated,
}

/// What became of letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evaluated {
    /// `none`, `pass`, `quarantine` or `reject`.
    pub disposition: String,
    /// Did a signature of the author's domain hold? `pass` or `fail`.
    pub dkim: String,
    /// Did SPF let the author's domain pass? `pass` or `fail`.
    pub spf: String,
    /// Why the policy was not gone by.
    #[serde(rename = "reason", skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// Why a policy was not gone by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reason {
    /// `local_policy`, `mailing_list`, `policy_test_mode`, `trusted_forwarder` or `other`.
    #[serde(rename = "type")]
    pub kind: String,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Which names letters had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identifiers {
    /// The author's domain.
    pub header_from: String,
    /// That of the reverse-path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope_from: Option<String>,
    /// That of the recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope_to: Option<String>,
}

/// What SPF and DKIM said, the author's domain or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthResults {
    /// Of each signature.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dkim: Vec<DkimResult>,
    /// Of the reverse-path, and in older reports of the client's name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spf: Vec<SpfResult>,
}

/// What DKIM said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DkimResult {
    /// The signer.
    pub domain: String,
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// `pass`, `fail`, ….
    pub result: String,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human_result: Option<String>,
}

/// What SPF said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpfResult {
    /// The name that was checked.
    pub domain: String,
    /// `mfrom`, or in older reports `helo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `pass`, `fail`, ….
    pub result: String,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human_result: Option<String>,
}

/// What can go wrong with a report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is longer than any should be.
    #[error("reading a report: it has more than {REPORT_OCTETS_MAX} octets")]
    TooLong,
    /// It is no such report.
    #[error("reading a report of DMARC")]
    Read(#[from] quick_xml::DeError),
    /// The library does not write it.
    #[error("writing a report of DMARC")]
    Write(#[from] quick_xml::SeError),
}

impl Feedback {
    /// A report of this form, with nothing seen.
    #[must_use]
    pub fn new(report_metadata: Metadata, policy_published: PolicyPublished) -> Self {
        Self {
            namespace: Some(NAMESPACE.to_owned()),
            version: Some("1.0".to_owned()),
            report_metadata,
            policy_published,
            records: Vec::new(),
        }
    }

    // RFC 9990 §3.1
    /// Reads a report, its compression undone. What is missing is empty; what is unknown,
    /// extensions among it, is passed over.
    ///
    /// # Errors
    /// Where it is no XML, of another shape, or too long.
    pub fn parse(octets: &[u8]) -> Result<Self, Error> {
        match octets.len() > REPORT_OCTETS_MAX {
            true => Err(Error::TooLong),
            false => Ok(quick_xml::de::from_reader(octets)?),
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// Where the library cannot.
    pub fn write(&self) -> Result<String, Error> {
        let body = quick_xml::se::to_string(self)?;
        Ok(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}\n"
        ))
    }
}
