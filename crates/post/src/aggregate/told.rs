//! Reports of DMARC: a letter to each of those who want to hear of a domain and a day.
//!
//! Not here: the form of a report (`trust::feedback`), what is counted (`aggregate`).
//!
//! RFC 9990 §3 and §4.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use mail::{Address, ForwardPath, LocalPart, TlsWish};
use message::Builder;
use trust::dmarc::ReportsWanted;
use trust::feedback::{DateRange, Feedback, Metadata};

use super::kept::forget;
use super::{About, SECONDS_A_DAY, What};
use crate::error::Fault;
use crate::incoming::{Delivery, LetterKind};
use crate::queue::Note;
use crate::scrutiny::Inquiry;
use crate::{Elsewhere, Error, Outcome, Post};

/// Addresses that one report goes to.
const READERS_MAX: usize = 5;
/// Questions to DNS that one report may cost.
const QUESTIONS_MAX: usize = 60;
/// Days after which what could not be told is forgotten.
const KEPT_DAYS: i64 = 7;

impl Post {
    /// Sends the reports of days that are over, or, if `all` is wanted, of this day so far as well;
    /// tells how many. A report that nobody wants is none.
    ///
    /// # Errors
    /// If one cannot be put into the queue; it and those behind it are told the next time.
    pub async fn send_dmarc_reports(&self, all: bool) -> Outcome<usize> {
        let today = self.today();
        let mut sent = 0;
        for (what, readers) in self.inner.aggregates.due((!all).then_some(today)) {
            let (day, domain) = &what;
            let (readers, is_sure) = match self.rules().elsewhere == Elsewhere::Relay {
                true => self.readers(domain, &readers).await,
                false => (Vec::new(), true),
            };
            let is_old = day + KEPT_DAYS < today;
            // Nobody can say who wants to hear of it: not now.
            if readers.is_empty() && !is_sure && !is_old {
                continue;
            }
            let _turn = self.inner.aggregates.turn().await;
            let Some(about) = self.inner.aggregates.take(&what) else {
                continue;
            };
            // The disk may have a policy without what was seen: that says nothing.
            let readers = match about.rows.is_empty() {
                true => Vec::new(),
                false => readers,
            };
            match self.tell(&what, &about, &readers).await {
                Ok(()) => sent += usize::from(!readers.is_empty()),
                // What has failed for so long fails for good.
                Err(error) if is_old => {
                    tracing::error!(%error, domain, "what was seen of its letters is forgotten");
                    self.write_dmarc(forget(&what, &about)).await?;
                }
                Err(error) => {
                    self.inner.aggregates.put_back(&what, &about);
                    return Err(error);
                }
            }
        }
        Ok(sent)
    }

    /// Puts a report for each of the readers into the queue, and takes what it is made of away, in
    /// one step.
    async fn tell(&self, what: &What, about: &About, readers: &[Address]) -> Outcome<()> {
        let gone = forget(what, about);
        if readers.is_empty() {
            return self.write_dmarc(gone).await;
        }
        let (now, (day, domain)) = (self.inner.outside.now(), what);
        let range = DateRange {
            begin: day * SECONDS_A_DAY,
            end: ((day + 1) * SECONDS_A_DAY - 1).min(now.seconds),
        };
        let octets = self.dmarc_report(domain, about, range)?;
        let mut delivery = Delivery::default();
        delivery.queue.beside = gone;
        for to in readers {
            let note = Note {
                to: ForwardPath::Address(to.clone()),
                stays: false,
                octets: self.dmarc_letter((domain, to), &octets, range),
                kind: LetterKind::Success,
                tls: TlsWish::Usual,
            };
            let (letters, blobs) = (&mut delivery.letters, &mut delivery.others);
            self.address(&note, now, letters, blobs, &mut delivery.queue);
        }
        delivery.carry_out(self).await?;
        tracing::info!(domain, readers = readers.len(), "a report of DMARC is sent");
        Ok(())
    }

    /// The day, counted from 1970.
    fn today(&self) -> i64 {
        let now = self.inner.outside.now();
        now.seconds.div_euclid(SECONDS_A_DAY)
    }

    // RFC 9990 §4
    /// Who wants to hear of it: those whom the domain names, strangers only if they say so; and
    /// whether it is known of all of them.
    async fn readers(&self, domain: &str, named: &[String]) -> (Vec<Address>, bool) {
        let mut inquiry = Inquiry::begin(self, QUESTIONS_MAX);
        let (mut readers, mut is_sure) = (Vec::new(), true);
        for uri in named {
            let Some(address) = mailto(uri).filter(|_| readers.len() < READERS_MAX) else {
                continue;
            };
            let receiver = address.host.to_ascii();
            let wanted = inquiry.settle(&ReportsWanted::new(domain, &receiver)).await;
            is_sure &= wanted.is_some();
            match wanted == Some(true) {
                true => readers.push(address),
                false => tracing::info!(domain, receiver, "it does not say that it wants reports"),
            }
        }
        (readers, is_sure)
    }

    /// The report, compressed.
    fn dmarc_report(&self, domain: &str, about: &About, range: DateRange) -> Outcome<Vec<u8>> {
        let host = self.rules().host.to_ascii();
        let metadata = Metadata {
            org_name: host.clone(),
            email: format!("postmaster@{host}"),
            report_id: report_id(domain, range),
            date_range: range,
            generator: Some("Caramel".to_owned()),
            ..Metadata::default()
        };
        let mut report = Feedback::new(metadata, about.published.clone());
        report.records = about.rows.values().map(|one| one.row.clone()).collect();
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
