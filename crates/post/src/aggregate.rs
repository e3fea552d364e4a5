//! Aggregate reports of DMARC: what was seen of a domain's letters on one day, told to whom the
//! domain names for that (`rua=`), if whoever that is wants to hear it.
//!
//! What is seen is counted in memory, and only for domains that ask; once a minute what is new is
//! written down. Reports leave once their day is over.
//!
//! Not here: the form of a report (`trust::feedback`), what was found (`scrutiny`), rows (`kept`),
//! sending (`told`).
//!
//! RFC 9990 §3 and §4.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mail::Timestamp;
use store::Write;
use trust::dmarc::{self, Policy, Record};
use trust::feedback::{
    AuthResults, DkimResult, Evaluated, Identifiers, PolicyPublished, Reason, Row, Seen, SpfResult,
};
use trust::spf::Identity;
use trust::{dkim, spf};

use crate::Post;

pub(crate) mod kept;
mod told;

use kept::{Fresh, Kept, put_head, put_row};

const SECONDS_A_DAY: i64 = 24 * 60 * 60;
/// Domains that are counted for on one day.
const DOMAINS_MAX: usize = 5000;
/// Kinds of letters that one report has.
const ROWS_MAX: usize = 1000;
/// Kinds of letters of all reports of one day.
const ALL_ROWS_MAX: usize = 50_000;
/// Signatures of one letter that are told.
const SIGNATURES_MAX: usize = 10;

/// What counts of a kind of letters, hashed.
type Print = [u8; 16];
/// A day, counted from 1970, and the domain whose policy it was.
type What = (i64, String);

/// What has been seen and not told.
#[derive(Debug, Default)]
pub(crate) struct Aggregates {
    gathered: Mutex<Gathered>,
    /// One at a time changes what the disk has of it.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Gathered {
    days: BTreeMap<What, About>,
    rows: usize,
}

/// What was seen of one domain on one day.
#[derive(Clone, Debug)]
struct About {
    /// Its policy, as it was found first.
    published: PolicyPublished,
    /// Whom it names to be told (`rua=`).
    readers: Vec<String>,
    rows: BTreeMap<Print, Counted>,
    /// True if the disk does not have its policy.
    is_new: bool,
}

#[derive(Clone, Debug)]
struct Counted {
    row: Row,
    /// True if the disk has another count, or none.
    is_new: bool,
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
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn to change what the disk has.
    async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.writing.lock().await
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
        let Some(print) = print(&row) else {
            return;
        };
        let what = (now.seconds.div_euclid(SECONDS_A_DAY), domain.clone());
        let fresh = || About {
            published: published(domain, record),
            readers: record.aggregate.clone(),
            rows: BTreeMap::new(),
            is_new: true,
        };
        let is_new = true;
        self.gathered()
            .add(what, fresh, (print, Counted { row, is_new }));
    }

    /// Puts in what the disk has; a row without its domain's policy says nothing.
    fn fill(&self, what: What, kept: Kept) {
        let mut gathered = self.gathered();
        match kept {
            Kept::Head(published, readers) => {
                let about = About {
                    published,
                    readers,
                    rows: BTreeMap::new(),
                    is_new: false,
                };
                gathered.days.entry(what).or_insert(about);
            }
            Kept::Row(print, row) => {
                let Some(about) = gathered.days.get_mut(&what) else {
                    return;
                };
                let is_new = false;
                let before = about.rows.insert(print, Counted { row, is_new });
                gathered.rows += usize::from(before.is_none());
            }
        }
    }

    /// What the disk has less of, told once: of each domain its policy first.
    fn fresh(&self) -> Vec<Fresh> {
        let mut fresh = Vec::new();
        for (what, about) in &mut self.gathered().days {
            let mut note = |print: Option<Print>, write: Option<Write>| {
                let what = what.clone();
                fresh.extend(write.map(|write| Fresh { what, print, write }));
            };
            if about.is_new {
                note(None, put_head(what, about));
                about.is_new = false;
            }
            for (print, counted) in &mut about.rows {
                if counted.is_new {
                    note(Some(*print), put_row(what, print, &counted.row));
                    counted.is_new = false;
                }
            }
        }
        fresh
    }

    /// What could not be written is fresh again.
    fn restore(&self, unwritten: &[Fresh]) {
        let mut gathered = self.gathered();
        for Fresh { what, print, .. } in unwritten {
            let Some(about) = gathered.days.get_mut(what) else {
                continue;
            };
            match print {
                None => about.is_new = true,
                Some(print) => {
                    if let Some(counted) = about.rows.get_mut(print) {
                        counted.is_new = true;
                    }
                }
            }
        }
    }

    /// The domains of days before this one, or all, and whom each names.
    fn due(&self, before: Option<i64>) -> Vec<(What, Vec<String>)> {
        let gathered = self.gathered();
        let due = gathered.days.iter();
        let due = due.filter(|((day, _), _)| before.is_none_or(|end| *day < end));
        due.map(|(what, about)| (what.clone(), about.readers.clone()))
            .collect()
    }

    /// Takes what was seen of a domain.
    fn take(&self, what: &What) -> Option<About> {
        let mut gathered = self.gathered();
        let about = gathered.days.remove(what)?;
        gathered.rows -= about.rows.len();
        Some(about)
    }

    /// Puts it back, beside what was seen meanwhile.
    fn put_back(&self, what: &What, about: &About) {
        let mut gathered = self.gathered();
        for (print, counted) in &about.rows {
            let fresh = || About {
                rows: BTreeMap::new(),
                ..about.clone()
            };
            gathered.add(what.clone(), fresh, (*print, counted.clone()));
        }
    }
}

impl About {
    fn letters(&self) -> u64 {
        self.rows.values().map(|one| one.row.row.count).sum()
    }
}

impl Gathered {
    /// Adds letters of one kind, if there is room.
    fn add(
        &mut self,
        what: What,
        fresh: impl FnOnce() -> About,
        (print, counted): (Print, Counted),
    ) {
        let (is_full, domains) = (self.rows >= ALL_ROWS_MAX, self.days.len());
        let known = self.days.get_mut(&what);
        if let Some(known) = known.and_then(|about| about.rows.get_mut(&print)) {
            let count = &mut known.row.row.count;
            *count = count.saturating_add(counted.row.row.count);
            known.is_new = true;
            return;
        }
        if is_full || domains >= DOMAINS_MAX && !self.days.contains_key(&what) {
            return;
        }
        let about = self.days.entry(what).or_insert_with(fresh);
        if about.rows.len() < ROWS_MAX {
            about.rows.insert(print, counted);
            self.rows += 1;
        }
    }
}

/// What counts of a row that has been seen once.
fn print(row: &Row) -> Option<Print> {
    let text = serde_json::to_vec(row).ok()?;
    blake3::hash(&text).as_bytes().first_chunk().copied()
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
                letters: about.letters(),
            });
        due.collect()
    }
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
        let due: Vec<What> = gathered
            .due(Some(1))
            .into_iter()
            .map(|(what, _)| what)
            .collect();
        assert_eq!(due, [(0, "good.example".to_owned())]);
        let first = gathered.take(&due[0]).unwrap();
        assert_eq!((first.letters(), first.rows.len()), (3, 2));
        assert_eq!(
            (gathered.due(Some(1)).len(), gathered.due(None).len()),
            (0, 1)
        );
        assert_eq!(gathered.gathered().rows, 1);
        // What cannot be told is not lost, nor what comes meanwhile.
        seen(asks, "good.example", &gathered, 40, "192.0.2.1");
        gathered.put_back(&due[0], &first);
        let again = gathered.take(&due[0]).unwrap();
        assert_eq!((again.letters(), again.rows.len()), (4, 2));
        assert_eq!(gathered.gathered().rows, 1);
    }

    #[test]
    fn there_are_only_so_many() {
        let gathered = Aggregates::default();
        let asks = "v=DMARC1; p=none; rua=mailto:a@good.example";
        for number in 0..ROWS_MAX + 10 {
            let ip = format!("2001:db8::{number:x}");
            seen(asks, "good.example", &gathered, 10, &ip);
        }
        for number in 0..DOMAINS_MAX + 10 {
            let domain = format!("{number}.example");
            seen(asks, &domain, &gathered, 10, "192.0.2.1");
        }
        assert_eq!(gathered.due(None).len(), DOMAINS_MAX);
        let most = gathered.take(&(0, "good.example".to_owned())).unwrap();
        assert_eq!(most.rows.len(), ROWS_MAX);
    }

    #[test]
    fn what_is_new_is_written_once_and_comes_back() {
        let gathered = Aggregates::default();
        let asks = "v=DMARC1; p=reject; rua=mailto:a@good.example";
        for ip in ["192.0.2.1", "192.0.2.1", "192.0.2.2"] {
            seen(asks, "good.example", &gathered, 10, ip);
        }
        let fresh = gathered.fresh();
        let prints: Vec<bool> = fresh.iter().map(|one| one.print.is_some()).collect();
        assert_eq!(prints, [false, true, true]);
        assert!(gathered.fresh().is_empty());
        seen(asks, "good.example", &gathered, 20, "192.0.2.2");
        assert_eq!(gathered.fresh().len(), 1);
        gathered.restore(&fresh[..2]);
        assert_eq!(gathered.fresh().len(), 2);
        let what = (0, "good.example".to_owned());
        let about = gathered.take(&what).unwrap();
        assert_eq!(kept::forget(&what, &about).len(), 3);
        let again = Aggregates::default();
        let (print, counted) = about.rows.first_key_value().unwrap();
        again.fill(what.clone(), Kept::Row(*print, counted.row.clone()));
        assert!(again.due(None).is_empty(), "a row without a policy");
        let head = Kept::Head(about.published.clone(), about.readers.clone());
        again.fill(what.clone(), head);
        for (print, counted) in &about.rows {
            again.fill(what.clone(), Kept::Row(*print, counted.row.clone()));
        }
        assert!(again.fresh().is_empty());
        // A letter of the same kind is counted with those before the restart.
        seen(asks, "good.example", &again, 30, "192.0.2.1");
        assert_eq!((again.fresh().len(), again.gathered().rows), (1, 2));
        assert_eq!(again.take(&what).unwrap().letters(), 5);
    }
}
