//! Aggregate reports of DMARC: what was seen of a domain's letters on one day, told to whom the
//! domain names for that (`rua=`), if whoever that is wants to hear it.
//!
//! What is seen is counted in memory, and only for domains that ask; a day that a restart cuts is
//! told in part. Reports leave once their day is over.
//!
//! Not here: the form of a report (`trust::feedback`), what was found (`scrutiny`).
//!
//! RFC 9990 §3 and §4.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use mail::{Address, ForwardPath, LocalPart, Timestamp, TlsWish};
use message::Builder;
use trust::dmarc::{self, Policy, Record, ReportsWanted};
use trust::feedback::{
    AuthResults, DateRange, DkimResult, Evaluated, Feedback, Identifiers, Metadata,
    PolicyPublished, Reason, Row, Seen, SpfResult,
};
use trust::spf::Identity;
use trust::{dkim, spf};

use crate::error::Fault;
use crate::incoming::{Delivery, LetterKind};
use crate::queue::Note;
use crate::scrutiny::Inquiry;
use crate::{Elsewhere, Error, Outcome, Post};

const SECONDS_A_DAY: i64 = 24 * 60 * 60;
/// Domains that are counted for on one day.
const DOMAINS_MAX: usize = 5000;
/// Kinds of letters that one report has.
const ROWS_MAX: usize = 1000;
/// Kinds of letters of all reports of one day.
const ALL_ROWS_MAX: usize = 50_000;
/// Addresses that one report goes to.
const READERS_MAX: usize = 5;
/// Signatures of one letter that are told.
const SIGNATURES_MAX: usize = 10;
/// Questions to DNS that one report may cost.
const QUESTIONS_MAX: usize = 60;

/// What has been seen and not told.
#[derive(Debug, Default)]
pub(crate) struct Aggregates(Mutex<Gathered>);

/// By day, counted from 1970, and the domain whose policy it was.
#[derive(Debug, Default)]
struct Gathered {
    days: BTreeMap<(i64, String), About>,
    rows: usize,
}

/// What was seen of one domain on one day.
#[derive(Clone, Debug)]
struct About {
    record: Record,
    /// By what counts of them, as text.
    rows: BTreeMap<String, Row>,
}

/// What is known of one letter.
pub(crate) struct Sighting<'a> {
    pub(crate) ip: IpAddr,
    pub(crate) spf: &'a spf::Verdict,
    pub(crate) dkim: &'a [dkim::Verdict],
    pub(crate) dmarc: &'a dmarc::Verdict,
    /// What is done with it.
    pub(crate) fate: Policy,
    /// Why that is less than was wanted.
    pub(crate) reason: Option<&'static str>,
}

/// A domain that is told, and of how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportDue {
    /// The first second of the day, since 1970.
    pub begin: i64,
    /// Whose policy it was.
    pub domain: String,
    /// Letters that were seen.
    pub letters: u64,
}

impl Aggregates {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a letter, if its author's domain asks for that and there is room.
    pub(crate) fn count(&self, now: Timestamp, sighting: &Sighting<'_>) {
        let Some((domain, record)) = &sighting.dmarc.found else {
            return;
        };
        if record.aggregate.is_empty() {
            return;
        }
        let row = sighting.row();
        let key = format!("{row:?}");
        let mut gathered = self.gathered();
        let about = (now.seconds.div_euclid(SECONDS_A_DAY), domain.clone());
        let (is_full, domains) = (gathered.rows >= ALL_ROWS_MAX, gathered.days.len());
        let known = gathered.days.get_mut(&about);
        if let Some(row) = known.and_then(|about| about.rows.get_mut(&key)) {
            row.row.count = row.row.count.saturating_add(1);
            return;
        }
        if is_full || domains >= DOMAINS_MAX && !gathered.days.contains_key(&about) {
            return;
        }
        let about = gathered.days.entry(about).or_insert_with(|| About {
            record: record.clone(),
            rows: BTreeMap::new(),
        });
        if about.rows.len() < ROWS_MAX {
            about.rows.insert(key, row);
            gathered.rows += 1;
        }
    }

    /// Takes what is of days before this one, or all.
    fn take(&self, before: Option<i64>) -> Vec<((i64, String), About)> {
        let mut gathered = self.gathered();
        let all = std::mem::take(&mut gathered.days);
        let due = |((day, _), _): &((i64, String), About)| before.is_none_or(|end| *day < end);
        let (due, later): (Vec<_>, Vec<_>) = all.into_iter().partition(due);
        gathered.rows = later.iter().map(|(_, about)| about.rows.len()).sum();
        gathered.days = later.into_iter().collect();
        due
    }
}

impl Sighting<'_> {
    /// The letter as a report tells it.
    fn row(&self) -> Row {
        let passed = |domain: &Option<String>| match domain {
            Some(_) => "pass".to_owned(),
            None => "fail".to_owned(),
        };
        let is_pass = self.dmarc.outcome == dmarc::Outcome::Pass;
        let reason = self.reason.map(|kind| Reason {
            kind: kind.to_owned(),
            comment: None,
        });
        let of_path = self.spf.identity == Identity::MailFrom;
        let signatures = self.dkim.iter().filter_map(|one| {
            let signature = one.signature.as_ref()?;
            Some(DkimResult {
                domain: signature.domain.clone(),
                selector: Some(signature.selector.clone()),
                result: one.outcome.to_string(),
                human_result: None,
            })
        });
        Row {
            row: Seen {
                source_ip: self.ip.to_canonical().to_string(),
                count: 1,
                policy_evaluated: Evaluated {
                    disposition: match (is_pass, self.fate) {
                        (true, _) => "pass".to_owned(),
                        (false, fate) => fate.to_string(),
                    },
                    dkim: passed(&self.dmarc.dkim),
                    spf: passed(&self.dmarc.spf),
                    reasons: reason.into_iter().collect(),
                },
            },
            identifiers: Identifiers {
                header_from: self.dmarc.author.clone(),
                envelope_from: of_path.then(|| self.spf.domain.clone()),
                envelope_to: None,
            },
            auth_results: AuthResults {
                dkim: signatures.take(SIGNATURES_MAX).collect(),
                spf: vec![SpfResult {
                    domain: self.spf.domain.clone(),
                    scope: of_path.then(|| "mfrom".to_owned()),
                    result: self.spf.outcome.to_string(),
                    human_result: None,
                }],
            },
        }
    }
}

/// The policy as it was found.
fn published(domain: &str, record: &Record) -> PolicyPublished {
    let strict = |strict| Some(if strict { "s" } else { "r" }.to_owned());
    let policy = |policy: Option<Policy>| policy.map(|policy| policy.to_string());
    PolicyPublished {
        domain: domain.to_owned(),
        p: policy(record.policy).unwrap_or_else(|| Policy::None.to_string()),
        sp: policy(record.subdomains),
        np: policy(record.nonexistent),
        adkim: strict(record.strict_dkim),
        aspf: strict(record.strict_spf),
        discovery_method: Some("treewalk".to_owned()),
        fo: Some(record.failure_options.clone()).filter(|options| !options.is_empty()),
        testing: Some(if record.testing { "y" } else { "n" }.to_owned()),
    }
}

impl Post {
    /// What has been seen and is not told yet.
    #[must_use]
    pub fn dmarc_reports_due(&self) -> Vec<ReportDue> {
        let gathered = self.inner.aggregates.gathered();
        let due = gathered
            .days
            .iter()
            .map(|((day, domain), about)| ReportDue {
                begin: day * SECONDS_A_DAY,
                domain: domain.clone(),
                letters: about.rows.values().map(|row| row.row.count).sum(),
            });
        due.collect()
    }

    /// Sends the reports of days that are over, or, if `all` is wanted, of this day so far as well;
    /// tells how many. A report that nobody wants is none.
    ///
    /// # Errors
    /// If one cannot be put into the queue; it and those behind it are not told then.
    pub async fn send_dmarc_reports(&self, all: bool) -> Outcome<usize> {
        let now = self.inner.outside.now();
        let today = now.seconds.div_euclid(SECONDS_A_DAY);
        let due = self.inner.aggregates.take((!all).then_some(today));
        if self.rules().elsewhere != Elsewhere::Relay {
            return Ok(0);
        }
        let mut sent = 0;
        for ((day, domain), about) in due {
            let end = ((day + 1) * SECONDS_A_DAY - 1).min(now.seconds);
            let readers = self.readers(&domain, &about.record).await;
            if readers.is_empty() {
                continue;
            }
            let range = DateRange {
                begin: day * SECONDS_A_DAY,
                end,
            };
            let octets = self.dmarc_report(&domain, about, range)?;
            let mut delivery = Delivery::default();
            for to in &readers {
                let note = Note {
                    to: ForwardPath::Address(to.clone()),
                    octets: self.dmarc_letter((&domain, to), &octets, range),
                    kind: LetterKind::Success,
                    tls: TlsWish::Usual,
                };
                let (letters, blobs) = (&mut delivery.letters, &mut delivery.others);
                self.address(&note, now, letters, blobs, &mut delivery.queue);
            }
            delivery.carry_out(self).await?;
            tracing::info!(domain, readers = readers.len(), "a report of DMARC is sent");
            sent += 1;
        }
        Ok(sent)
    }

    // RFC 9990 §4
    /// Who wants to hear of it: those whom the domain names, strangers only if they say so.
    async fn readers(&self, domain: &str, record: &Record) -> Vec<Address> {
        let mut inquiry = Inquiry::begin(self, QUESTIONS_MAX);
        let mut readers = Vec::new();
        for uri in &record.aggregate {
            let Some(address) = mailto(uri).filter(|_| readers.len() < READERS_MAX) else {
                continue;
            };
            let receiver = address.host.to_ascii();
            let wanted = inquiry.settle(&ReportsWanted::new(domain, &receiver)).await;
            match wanted == Some(true) {
                true => readers.push(address),
                false => tracing::info!(domain, receiver, "it does not say that it wants reports"),
            }
        }
        readers
    }

    /// The report, compressed.
    fn dmarc_report(&self, domain: &str, about: About, range: DateRange) -> Outcome<Vec<u8>> {
        let host = self.rules().host.to_ascii();
        let metadata = Metadata {
            org_name: host.clone(),
            email: format!("postmaster@{host}"),
            report_id: report_id(domain, range),
            date_range: range,
            generator: Some("Caramel".to_owned()),
            ..Metadata::default()
        };
        let mut report = Feedback::new(metadata, published(domain, &about.record));
        report.records = about.rows.into_values().collect();
        let failed = |error: String| Error::Fault(Fault::Signing(error));
        let text = report.write().map_err(|error| failed(error.to_string()))?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        let written = gzip.write_all(text.as_bytes());
        written
            .and_then(|()| gzip.finish())
            .map_err(|error| failed(error.to_string()))
    }

    // RFC 9990 §3
    /// The letter around it.
    fn dmarc_letter(
        &self,
        (domain, to): (&str, &Address),
        gzip: &[u8],
        range: DateRange,
    ) -> Vec<u8> {
        let (host, now) = (&self.rules().host, self.inner.outside.now());
        let name = host.to_ascii();
        let id = report_id(domain, range);
        let mut letter = Builder::new().field("Return-Path", "<>").date(now);
        if let Some(local) = LocalPart::new("postmaster") {
            let host = host.clone();
            letter = letter.from("Mail reports", &Address { local, host });
        }
        let text = format!(
            "This is the mail system at {name}.\n\nThe file says what it saw of letters in the \
             name of {domain}, as the policy\nof that domain asks for (DMARC).\n"
        );
        let file = format!("{name}!{domain}!{}!{}.xml.gz", range.begin, range.end);
        letter
            .to("", to)
            .subject(&format!(
                "Report Domain: {domain} Submitter: {name} Report-ID: <{id}>"
            ))
            .message_id(&format!("{id}.{}@{name}", to.host.to_ascii()))
            .field("Auto-Submitted", "auto-generated")
            .text(&text)
            .attach(&file, "application/gzip", gzip)
            .build()
    }
}

/// A report's own name.
fn report_id(domain: &str, range: DateRange) -> String {
    format!("{}.{}.{domain}", range.begin, range.end)
}

/// The address of a URI; none for other schemes, and for what is no address.
fn mailto(uri: &str) -> Option<Address> {
    let (scheme, rest) = uri.split_once(':')?;
    let address = rest.split('?').next()?;
    let address = scheme.eq_ignore_ascii_case("mailto").then_some(address)?;
    // RFC 6068 §2
    let plain = address
        .replace("%40", "@")
        .replace("%2B", "+")
        .replace("%2b", "+");
    Address::parse(&plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(record: &str, domain: &str, gathered: &Aggregates, seconds: i64, ip: &str) {
        let spf = spf::Verdict {
            outcome: spf::Outcome::Fail,
            identity: Identity::MailFrom,
            domain: "bad.example".into(),
            local: "bob".into(),
            ip: ip.parse().unwrap(),
            decided: None,
            explanation: None,
            problem: None,
            unanswered: None,
            lookups: 0,
        };
        let dmarc = dmarc::Verdict {
            outcome: dmarc::Outcome::Fail,
            author: domain.to_owned(),
            found: Record::parse(record.as_bytes()).map(|record| (domain.to_owned(), record)),
            organization: domain.to_owned(),
            wanted: Policy::Reject,
            spf: None,
            dkim: None,
            problem: None,
            unanswered: None,
        };
        let sighting = Sighting {
            ip: ip.parse().unwrap(),
            spf: &spf,
            dkim: &[],
            dmarc: &dmarc,
            fate: Policy::Reject,
            reason: None,
        };
        gathered.count(Timestamp::utc(seconds), &sighting);
    }

    #[test]
    fn letters_are_counted_by_day_and_domain_where_that_is_asked_for() {
        let gathered = Aggregates::default();
        let asks = "v=DMARC1; p=reject; rua=mailto:a@good.example";
        for (seconds, ip) in [(10, "192.0.2.1"), (20, "192.0.2.1"), (30, "192.0.2.2")] {
            seen(asks, "good.example", &gathered, seconds, ip);
        }
        seen(asks, "good.example", &gathered, SECONDS_A_DAY, "192.0.2.1");
        seen(
            "v=DMARC1; p=reject",
            "mute.example",
            &gathered,
            10,
            "192.0.2.1",
        );
        let first = gathered.take(Some(1));
        assert_eq!(first.len(), 1);
        let counts: Vec<u64> = first[0].1.rows.values().map(|row| row.row.count).collect();
        assert_eq!(counts.iter().sum::<u64>(), 3);
        assert_eq!(counts.len(), 2);
        assert_eq!(
            (gathered.take(Some(1)).len(), gathered.take(None).len()),
            (0, 1)
        );
        assert_eq!(gathered.gathered().rows, 0);
    }

    #[test]
    fn there_are_only_so_many() {
        let gathered = Aggregates::default();
        let asks = "v=DMARC1; p=none; rua=mailto:a@good.example";
        for number in 0..ROWS_MAX + 10 {
            let ip = format!("2001:db8::{number:x}");
            seen(asks, "good.example", &gathered, 10, &ip);
        }
        assert_eq!(gathered.take(None)[0].1.rows.len(), ROWS_MAX);
    }

    #[test]
    fn who_is_named() {
        for (uri, expected) in [
            ("mailto:a@b.example", Some("a@b.example")),
            ("MAILTO:a%40b.example?subject=x", Some("a@b.example")),
            ("https://b.example/", None),
            ("mailto:nobody", None),
            ("mailto:", None),
        ] {
            let found = mailto(uri).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{uri}");
        }
    }
}
