//! Reports about TLS to the domains that want them: one for each domain and day, some time after
//! the day's end, by mail or by HTTPS.
//!
//! Not here: what is counted (`results`), what a report is (`trust`), signing and carrying letters
//! (`post`).
//!
//! RFC 8460 §3 (where they are wanted), §4.1, §5 (when and how they are sent).

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use mail::{
    Address, BodyType, ForwardPath, Notify, Recipient, Ret, ReversePath, Timestamp, TlsWish,
};
use message::Builder;
use net::HttpsPlace;
use post::{LocalUser, Origin, Outcome, Protocol, Sender, TlsResults};
use tokio::time::{Instant, sleep};
use trust::mta_sts::report_addresses;
use trust::tlsrpt::{DateRange, Report};
use trust::{Kind, Question};

use super::results::{DAY, day};
use super::{Relay, dice};

/// How often what was counted is written down.
const FLUSH: Duration = Duration::from_secs(60);
/// Reports are sent so many seconds after the day's end at most: not by everybody at once (RFC 8460
/// §4.1).
const DELAY_SECONDS_MAX: u64 = 4 * 3600;
/// How long what could not be reported waits before that is tried again.
const PAUSE: Duration = Duration::from_secs(30 * 60);
/// Days after which what could not be reported is forgotten.
const KEPT_DAYS: u32 = 3;
/// Places of one domain that a report is sent to.
const PLACES_MAX: usize = 5;
/// How long handing one over by HTTPS may take.
const POST_TIME_MAX: Duration = Duration::from_secs(20);
/// Results that are written down in one step.
const STEP_RESULTS: usize = 200;

/// A report, and what is said around it.
struct Sealed {
    domain: String,
    id: String,
    filename: String,
    octets: Vec<u8>,
}

/// Where a report is wanted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Places {
    addresses: Vec<Address>,
    /// Host and path.
    urls: Vec<(String, String)>,
}

/// Writes down what is counted, and reports it, until the relay stops; the end's counts are the
/// relay's to write.
pub(super) async fn run(relay: Arc<Relay>, from: Address) {
    match relay.post.tls_results().await {
        Ok(kept) => relay.results.fill(kept),
        Err(error) => tracing::error!(%error, "results of TLS cannot be read"),
    }
    let delay = dice(relay.post.outside().as_ref()) % DELAY_SECONDS_MAX;
    let delay = i64::try_from(delay).unwrap_or_default();
    let mut stop = relay.stop.clone();
    let mut rests_until = Instant::now();
    loop {
        let urged = tokio::select! {
            biased;
            () = stop.asked() => break,
            () = relay.post.tls_reports_urged() => true,
            () = sleep(FLUSH) => false,
        };
        relay.write_results().await;
        if !urged && Instant::now() < rests_until {
            continue;
        }
        let now = relay.post.outside().now().seconds;
        let before = match urged {
            // Whoever asks for it wants to see today's as well.
            true => day(now) + 1,
            false => day(now - delay),
        };
        tokio::select! {
            biased;
            () = stop.asked() => break,
            done = relay.report(before, &from) => if !done {
                rests_until = Instant::now() + PAUSE;
            },
        }
    }
}

impl Relay {
    /// Writes down what was counted since the last time.
    pub(super) async fn write_results(&self) {
        let fresh = self.results.fresh();
        for step in fresh.chunks(STEP_RESULTS) {
            if let Err(error) = self.post.keep_tls_results(step, &[]).await {
                tracing::error!(%error, "results of TLS cannot be written down");
                self.results.restore(step);
            }
        }
    }

    /// Reports on all days before this one; false if some of that has to be tried again.
    async fn report(&self, before: u32, from: &Address) -> bool {
        let mut done = true;
        for results in self.results.before(before) {
            let is_old = results.day + KEPT_DAYS < before;
            if !is_old && !self.report_on(&results, from).await {
                done = false;
                continue;
            }
            self.results.forget(&results);
            let forgotten = std::slice::from_ref(&results);
            if let Err(error) = self.post.keep_tls_results(&[], forgotten).await {
                tracing::error!(%error, "results of TLS cannot be forgotten");
            }
        }
        done
    }

    /// Reports on one domain; false if that has to be tried again.
    async fn report_on(&self, results: &TlsResults, from: &Address) -> bool {
        let domain = &results.domain;
        let Some(question) = Question::new(&format!("_smtp._tls.{domain}"), Kind::Txt) else {
            return true;
        };
        let answer = self.post.outside().ask(&question).await;
        if answer == trust::Answer::Failed {
            return false;
        }
        let mut texts = answer
            .texts()
            .filter(|text| text.starts_with(b"v=TLSRPTv1"));
        // RFC 8460 §3: several records are none.
        let (Some(text), None) = (texts.next(), texts.next()) else {
            return true;
        };
        let places = Places::of(&report_addresses(text));
        let sealed = match seal(results, from) {
            Ok(sealed) => sealed,
            Err(error) => {
                tracing::error!(%error, domain, "a report about TLS cannot be written");
                return true;
            }
        };
        let mut done = places.urls.is_empty();
        for (host, path) in places.urls {
            done |= self.hand_over(&sealed, host, path).await;
        }
        if !places.addresses.is_empty() {
            done = match self.send_report(&sealed, from, places.addresses).await {
                Ok(()) => true,
                // Whoever is named there is nobody.
                Err(error @ post::Error::Refused(..)) => {
                    tracing::info!(%error, domain, "a report about TLS has no reader");
                    true
                }
                Err(error) => {
                    tracing::error!(%error, domain, "a report about TLS cannot be sent");
                    false
                }
            };
        }
        if done {
            tracing::info!(domain, id = sealed.id, "reported about TLS");
        }
        done
    }

    // RFC 8460 §5.5
    async fn hand_over(&self, sealed: &Sealed, host: String, path: String) -> bool {
        let Some(trust) = &self.trust else {
            return false;
        };
        let mut addresses = Vec::new();
        for kind in [Kind::Aaaa, Kind::A] {
            if let Some(question) = Question::new(&host, kind) {
                let answer = self.post.outside().ask(&question).await;
                addresses.extend(answer.addresses());
            }
        }
        let place = HttpsPlace {
            host,
            port: self.settings.tls.policy_port,
            path,
            addresses,
        };
        let octets = Bytes::copy_from_slice(&sealed.octets);
        let wanted = ("application/tlsrpt+gzip", octets);
        let done = place.hand_over(Arc::clone(trust), wanted, POST_TIME_MAX);
        match done.await {
            Ok(()) => true,
            Err(error) => {
                let (domain, host) = (&sealed.domain, &place.host);
                tracing::info!(domain, host, %error, "a report about TLS was not taken");
                false
            }
        }
    }

    // RFC 8460 §5.3
    async fn send_report(&self, sealed: &Sealed, from: &Address, to: Vec<Address>) -> Outcome<()> {
        let submitter = from.host.to_ascii();
        let now = self.post.outside().now();
        let letter = letter(sealed, from, &to, now);
        let origin = Origin {
            peer: Ipv4Addr::LOCALHOST.into(),
            helo: self.own.clone(),
            protocol: Protocol::Esmtp,
            tls: None,
            account: None,
            user: Some(LocalUser {
                name: format!("TLS reports of {submitter}"),
                address: from.clone(),
                is_trusted: true,
            }),
        };
        let sender = Sender {
            reverse_path: ReversePath::Address(from.clone()),
            size: None,
            body: BodyType::SevenBit,
            smtputf8: false,
            ret: Some(Ret::Headers),
            envid: None,
            tls: TlsWish::Usual,
        };
        let mut incoming = self.post.begin(origin, sender)?;
        for address in to {
            let recipient = Recipient {
                forward_path: ForwardPath::Address(address),
                notify: Some(Notify::Never),
                orcpt: None,
            };
            incoming.recipient(recipient).await?;
        }
        incoming.chunk(letter.into()).await?;
        incoming.commit().await.map(drop)
    }
}

/// The letter around a report; it arrives whatever is wrong with its reader's TLS (RFC 8460 §3).
fn letter(sealed: &Sealed, from: &Address, to: &[Address], now: Timestamp) -> Vec<u8> {
    let (domain, submitter) = (&sealed.domain, from.host.to_ascii());
    let to: Vec<(&str, &Address)> = to.iter().map(|address| ("", address)).collect();
    let text = format!(
        "This is an aggregate report about TLS with the mail hosts of {domain}, from \
         {submitter}.\n\nIt is meant for programs: RFC 8460 tells what is in it.\n"
    );
    Builder::new()
        .report("tlsrpt")
        .date(now)
        .from("", from)
        .addresses("To", &to)
        .subject(&format!(
            "Report Domain: {domain} Submitter: {submitter} Report-ID: <{}>",
            sealed.id
        ))
        .message_id(&sealed.id)
        .field("TLS-Report-Domain", domain)
        .field("TLS-Report-Submitter", &submitter)
        .field("TLS-Required", "No")
        .field("Auto-Submitted", "auto-generated")
        .text(&text)
        .attach(&sealed.filename, "application/tlsrpt+gzip", &sealed.octets)
        .build()
}

// RFC 8460 §4.4, §5.1
fn seal(results: &TlsResults, from: &Address) -> Result<Sealed, Box<dyn std::error::Error>> {
    let begin = i64::from(results.day) * DAY;
    let end = begin + DAY - 1;
    let (domain, submitter) = (&results.domain, from.host.to_ascii());
    let moment = |seconds| Timestamp::utc(seconds).to_rfc3339().to_string();
    let summaries = results.policies.iter().map(|policy| &policy.summary);
    let sessions: u64 = summaries
        .map(|one| one.total_successful_session_count + one.total_failure_session_count)
        .sum();
    // The same for the same counts, so that one that is sent twice is known as such.
    let id = format!("{begin}.{sessions}.{domain}.tls@{submitter}");
    let report = Report {
        organization_name: submitter.clone(),
        date_range: DateRange {
            start_datetime: moment(begin),
            end_datetime: moment(end),
        },
        contact_info: from.to_string(),
        report_id: id.clone(),
        policies: results.policies.clone(),
    };
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&report.write()?)?;
    Ok(Sealed {
        domain: domain.clone(),
        filename: format!("{submitter}!{domain}!{begin}!{end}.json.gz"),
        octets: packed.finish()?,
        id,
    })
}

impl Places {
    fn of(uris: &[&str]) -> Self {
        let mut places = Self::default();
        for uri in uris.iter().take(PLACES_MAX) {
            if let Some(address) = uri.strip_prefix("mailto:") {
                let address = address.split('?').next().unwrap_or_default();
                places.addresses.extend(Address::parse(address));
            } else if let Some(rest) = uri.strip_prefix("https://") {
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                // Another port or a name to log in with is nothing that a stranger has a say in.
                if !host.is_empty() && !host.contains([':', '@', '[']) {
                    places.urls.push((host.to_owned(), format!("/{path}")));
                }
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use message::Outline;
    use trust::tlsrpt::PolicyReport;

    use super::*;

    #[test]
    fn places_that_are_understood() {
        let places = Places::of(&[
            "mailto:a@example.org",
            "mailto:b@example.org?subject=x",
            "https://reports.example.org/v1/tls?x=y",
            "https://example.org",
            "https://example.org:8443/",
            "mailto:too-many@example.org",
        ]);
        let address = |text| Address::parse(text).unwrap();
        assert_eq!(
            places,
            Places {
                addresses: vec![address("a@example.org"), address("b@example.org")],
                urls: vec![
                    ("reports.example.org".to_owned(), "/v1/tls?x=y".to_owned()),
                    ("example.org".to_owned(), "/".to_owned()),
                ],
            }
        );
    }

    #[test]
    fn a_report_is_sealed_as_the_standard_says() {
        let results = TlsResults {
            day: 20_784,
            domain: "example.org".to_owned(),
            policies: vec![PolicyReport::default()],
        };
        let from = Address::parse("tls@example.net").unwrap();
        let sealed = seal(&results, &from).unwrap();
        assert_eq!(
            sealed.filename,
            "example.net!example.org!1795737600!1795823999.json.gz"
        );
        let mut text = Vec::new();
        let mut packed = GzDecoder::new(sealed.octets.as_slice());
        packed.read_to_end(&mut text).unwrap();
        let report = Report::parse(&text).unwrap();
        assert_eq!(report.organization_name, "example.net");
        assert_eq!(report.policies, results.policies);
        assert!(
            report
                .date_range
                .start_datetime
                .starts_with("2026-11-27T00:00:00")
        );
        let to = [Address::parse("a@example.org").unwrap()];
        let letter = letter(&sealed, &from, &to, Timestamp::utc(1_795_824_000));
        let outline = Outline::parse(&letter);
        assert!(outline.part(&[2]).unwrap().is("application", "tlsrpt+gzip"));
        let letter = String::from_utf8(letter).unwrap();
        for part in [
            "multipart/report",
            "report-type=",
            "TLS-Report-Domain: example.org\r\n",
            "TLS-Report-Submitter: example.net\r\n",
            "TLS-Required: No\r\n",
        ] {
            assert!(letter.contains(part), "{part}\n{letter}");
        }
    }
}
