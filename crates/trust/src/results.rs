//! What was found out about a letter, as one field says it (RFC 8601), and fields that only pretend
//! to be ours.
//!
//! Not here: the field's grammar ([`message::AuthenticationResults`]).

use std::ops::Range;

use message::{AuthenticationProperty, AuthenticationResult, AuthenticationResults, Header};

use crate::dkim::ascii;
use crate::dns::bare;
use crate::list::{Listing, Outcome as Looked};
use crate::tags::encoded;
use crate::{arc, dkim, dmarc, iprev, spf};

/// Octets of a signature that tell it from others (RFC 6008 §4).
const SIGNATURE_OCTETS: usize = 8;

/// What was found out; what was not checked is `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Findings<'a> {
    /// By the client's address alone.
    pub iprev: Option<&'a iprev::Verdict>,
    /// By the client's address and its name, where `spf` is about the reverse-path.
    pub helo: Option<&'a spf::Verdict>,
    /// By the client's address and the reverse-path.
    pub spf: Option<&'a spf::Verdict>,
    /// By each signature.
    pub dkim: Option<&'a [dkim::Verdict]>,
    /// By the author's domain.
    pub dmarc: Option<&'a dmarc::Verdict>,
    /// By the relays on the way.
    pub arc: Option<&'a arc::Verdict>,
    /// By lists that were asked about the client or the sender.
    pub lists: &'a [Listing],
}

impl Findings<'_> {
    // RFC 8601 §2.2
    /// The findings in the name of this server.
    #[must_use]
    pub fn results(&self, server: &str) -> AuthenticationResults {
        let mut results = Vec::new();
        results.extend(self.iprev.map(iprev_result));
        results.extend(self.helo.map(spf_result));
        results.extend(self.spf.map(spf_result));
        match self.dkim {
            Some([]) => results.push(result("dkim", "none", None, &[])),
            Some(signatures) => results.extend(signatures.iter().map(dkim_result)),
            None => {}
        }
        results.extend(self.dmarc.map(dmarc_result));
        results.extend(self.arc.map(|arc| {
            let problem = arc.problem.as_deref();
            result("arc", &arc.outcome.to_string(), problem, &[])
        }));
        results.extend(self.lists.iter().filter_map(list_result));
        AuthenticationResults {
            server: server.to_owned(),
            version: 1,
            results,
        }
    }
}

fn result(
    method: &str,
    outcome: &str,
    reason: Option<&str>,
    properties: &[(&str, &str, &str)],
) -> AuthenticationResult {
    let properties = properties
        .iter()
        .map(|(kind, name, value)| AuthenticationProperty {
            kind: (*kind).to_owned(),
            name: (*name).to_owned(),
            value: plain(value),
        });
    AuthenticationResult {
        method: method.to_owned(),
        version: 1,
        result: outcome.to_owned(),
        reason: reason.map(plain),
        properties: properties.collect(),
    }
}

/// Strangers' text as a field may have it.
fn plain(text: &str) -> String {
    let harmless = |letter: char| match letter {
        ' '..='~' => letter,
        _ => '?',
    };
    text.chars().map(harmless).collect()
}

fn iprev_result(iprev: &iprev::Verdict) -> AuthenticationResult {
    let ip = iprev.ip.to_string();
    result(
        "iprev",
        &iprev.outcome.to_string(),
        None,
        &[("policy", "iprev", &ip)],
    )
}

// RFC 8601 §2.7.2
fn spf_result(spf: &spf::Verdict) -> AuthenticationResult {
    let address = format!("{}@{}", spf.local, spf.domain);
    let checked = match spf.identity {
        spf::Identity::MailFrom => ("smtp", "mailfrom", address.as_str()),
        spf::Identity::Helo => ("smtp", "helo", spf.domain.as_str()),
    };
    result(
        "spf",
        &spf.outcome.to_string(),
        spf.problem.as_deref(),
        &[checked],
    )
}

// RFC 8601 §2.7.1
fn dkim_result(dkim: &dkim::Verdict) -> AuthenticationResult {
    let outcome = dkim.outcome.to_string();
    let problem = dkim.problem.as_deref();
    let Some(signature) = &dkim.signature else {
        return result("dkim", &outcome, problem, &[]);
    };
    let encoded = encoded(&signature.signature);
    let beginning = encoded.get(..SIGNATURE_OCTETS).unwrap_or(&encoded);
    let checked = [
        ("header", "d", signature.domain.as_str()),
        ("header", "i", &signature.identity),
        ("header", "s", &signature.selector),
        ("header", "a", signature.algorithm.name()),
        ("header", "b", beginning),
    ];
    result("dkim", &outcome, problem, &checked)
}

// RFC 9989 §9.1
fn dmarc_result(dmarc: &dmarc::Verdict) -> AuthenticationResult {
    let wanted = dmarc.wanted.to_string();
    let mut checked = Vec::new();
    if !dmarc.author.is_empty() {
        checked.push(("header", "from", dmarc.author.as_str()));
    }
    if dmarc.found.is_some() {
        checked.push(("policy", "dmarc", wanted.as_str()));
    }
    result(
        "dmarc",
        &dmarc.outcome.to_string(),
        dmarc.problem.as_deref(),
        &checked,
    )
}

// RFC 8904 §3
/// What a list said. That one has no entry against somebody is not worth a word.
fn list_result(listing: &Listing) -> Option<AuthenticationResult> {
    let verdict = &listing.verdict;
    let (method, outcome) = match (listing.speaks_for, verdict.outcome) {
        (true, outcome) => ("dnswl", outcome.to_string()),
        (false, Looked::Absent) => return None,
        // No method is registered for lists that speak against somebody.
        (false, Looked::Listed) => ("x-dnsbl", "fail".to_owned()),
        (false, outcome) => ("x-dnsbl", outcome.to_string()),
    };
    let code = verdict.code.map(|code| code.to_string());
    let mut checked = vec![("dns", "zone", listing.zone.as_str())];
    checked.extend(code.as_deref().map(|code| ("policy", "ip", code)));
    checked.extend(verdict.text.as_deref().map(|text| ("policy", "txt", text)));
    Some(result(
        method,
        &outcome,
        verdict.problem.as_deref(),
        &checked,
    ))
}

// RFC 8601 §5
/// Where in a header fields stand that speak in the name of this server, or of nobody one can tell:
/// whoever lets letters in from outside takes these out.
pub fn forged<'a>(header: &'a [u8], server: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let ours = ascii(bare(server));
    let is_ours = move |theirs: &str| match ascii(bare(theirs)) {
        Some(theirs) => ours.as_ref() == Some(&theirs),
        None => theirs.eq_ignore_ascii_case(server),
    };
    let fields = Header::parse(header).filter(|field| field.is("Authentication-Results"));
    fields.filter_map(move |field| {
        let theirs = AuthenticationResults::parse(field.value);
        let forged = theirs.is_none_or(|results| is_ours(&results.server));
        forged.then(|| field.offset..field.offset + field.raw.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8601 §5.
    #[test]
    fn fields_in_our_name_are_found() {
        let header = b"Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=a.b\r\n\
            Subject: x\r\nauthentication-results: other.example; none\r\n\
            Authentication-Results: MX.Example.ORG. 1; none\r\n\
            Authentication-Results: mx/example.org; none\r\n\
            Authentication-Results: (x) mx.example.org (y); dkim=pa ss\r\n\
            X-Authentication-Results: mx.example.org; none\r\n";
        let found: Vec<&[u8]> = forged(header, "mx.example.org")
            .map(|range| header.get(range).unwrap())
            .collect();
        let text = String::from_utf8(found.concat()).unwrap();
        let expected = "Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=a.b\r\n\
            Authentication-Results: MX.Example.ORG. 1; none\r\n\
            Authentication-Results: (x) mx.example.org (y); dkim=pa ss\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn findings_are_written_and_read() {
        let spf = spf::Spf::mail_from(
            "192.0.2.1".parse().unwrap(),
            "mail.example.net",
            "\"a; b\"@example\r\n.net",
        );
        let spf = crate::Check::settle(&spf, &mut crate::Answers::default(), |_| {
            crate::Answer::Failed
        });
        let findings = Findings {
            spf: Some(&spf),
            dkim: Some(&[]),
            ..Findings::default()
        };
        let results = findings.results("mx.example.org");
        let written = results.write();
        assert_eq!(
            AuthenticationResults::parse(written.as_bytes()),
            Some(results)
        );
        assert!(
            written.starts_with("mx.example.org;\r\n\tspf="),
            "{written}"
        );
        assert!(written.ends_with("dkim=none"), "{written}");
        let nothing = Findings::default().results("mx.example.org").write();
        assert_eq!(nothing, "mx.example.org; none");
    }

    // RFC 8904 §3.
    #[test]
    fn what_lists_said_is_written() {
        let listing = |speaks_for, outcome, text: Option<&str>| Listing {
            zone: "list.example".into(),
            speaks_for,
            verdict: crate::list::Verdict {
                outcome,
                code: text.map(|_| std::net::Ipv4Addr::new(127, 0, 10, 1)),
                text: text.map(str::to_owned),
                problem: None,
            },
        };
        let lists = [
            listing(true, Looked::Listed, Some("fwd.example; \"good\"")),
            listing(true, Looked::Absent, None),
            listing(true, Looked::TempError, None),
            listing(false, Looked::Listed, Some("see https://list.example/")),
            listing(false, Looked::Absent, None),
            listing(false, Looked::PermError, None),
        ];
        let findings = Findings {
            lists: &lists,
            ..Findings::default()
        };
        let results = findings.results("mx.example.org");
        let written = results.write();
        let told: Vec<&str> = written.split_whitespace().collect();
        let expected = "mx.example.org; dnswl=pass dns.zone=list.example policy.ip=127.0.10.1 \
            policy.txt=\"fwd.example; \\\"good\\\"\"; dnswl=none dns.zone=list.example; \
            dnswl=temperror dns.zone=list.example; x-dnsbl=fail dns.zone=list.example \
            policy.ip=127.0.10.1 policy.txt=\"see https://list.example/\"; \
            x-dnsbl=permerror dns.zone=list.example";
        assert_eq!(told.join(" "), expected);
        assert_eq!(
            AuthenticationResults::parse(written.as_bytes()),
            Some(results)
        );
    }
}
