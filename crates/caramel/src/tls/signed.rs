//! Is a report that came by mail signed by whom it says it is from?
//!
//! Keys are asked for where the system asks, or taken from the command line. Not here: what makes a
//! signature good enough (`trust`).
//!
//! RFC 8460 §3 (reports have to be signed).

use anyhow::Context as _;
use mail::Host;
use message::{Correspondent, Header, parse_addresses};
use post::Outside as _;
use serde_json::{Value, json};
use server::World;
use tokio::runtime::Runtime;
use trust::dkim::Verify;
use trust::{Answers, Check as _, Letter, tlsrpt};

use crate::complaint::Complaint;
use crate::crlf;
use crate::dkim::now;
use crate::zone::ZoneSource;

/// Addresses of From among which an author is looked for.
const AUTHORS_MAX: usize = 100;

/// Whether a report is signed, as far as it can be known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// By this domain, with this key of it.
    Signed(String, String),
    /// It is not, and why.
    Unsigned(String),
}

impl Standing {
    /// Of a file that is the report itself, without the letter that it came in.
    pub(super) fn of_file() -> Self {
        Self::Unsigned("only the letter that it came in could tell who made it".to_owned())
    }

    /// Of a report in this letter.
    pub(super) fn of_letter(octets: &[u8], zone: &ZoneSource) -> Result<Self, Complaint> {
        let (mut cr, mut mended) = (false, Vec::with_capacity(octets.len()));
        crlf::mend(octets, &mut cr, &mut mended);
        let letter = Letter::read(&mended, &[]).context("reading the letter")?;
        let Some(author) = author_domain(letter.header()) else {
            return Ok(Self::Unsigned("it does not say whom it is from".to_owned()));
        };
        let verify = Verify::of_tls_report(&letter, now());
        let mut answers = Answers::default();
        let verdicts = if zone.is_given() {
            let zone = zone.read()?;
            verify.settle(&mut answers, |question| zone.answer(question))
        } else {
            let runtime = Runtime::new().context("starting")?;
            let _inside = runtime.enter();
            let world = World::open().context("starting the workers")?;
            verify.settle(&mut answers, |question| {
                runtime.block_on(world.ask(question))
            })
        };
        Ok(match tlsrpt::signature(&verdicts, &author) {
            Ok(signature) => Self::Signed(signature.domain.clone(), signature.selector.clone()),
            Err(why) => Self::Unsigned(why),
        })
    }

    /// A line about it.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Signed(domain, selector) => format!("signed by {domain} (key {selector})"),
            Self::Unsigned(why) => format!("unsigned, so anybody may have made it: {why}"),
        }
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Signed(domain, selector) => {
                json!({ "signed": true, "domain": domain, "selector": selector })
            }
            Self::Unsigned(why) => json!({ "signed": false, "why": why }),
        }
    }
}

/// The domain of a letter's first author, in A-labels.
fn author_domain(header: &[u8]) -> Option<String> {
    let field = Header::parse(header).find(|field| field.is("From"))?;
    let people = parse_addresses(field.value, AUTHORS_MAX);
    let host: Host = people.into_iter().find_map(|one| match one {
        Correspondent::Mailbox { .. } => Some(one.address()?.host),
        _ => None,
    })?;
    Some(host.to_ascii().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_signed_is_said_to_be_so() {
        let zone = ZoneSource::default();
        let given = ZoneSource::of_text("s1._domainkey.example.org", "v=DKIM1; s=tlsrpt; p=");
        assert!(given.is_given() && !zone.is_given());
        for (letter, why) in [
            ("Subject: x\r\n\r\nx", "it does not say whom it is from"),
            ("From: a@Example.org\n\nx", "it has no signature"),
        ] {
            let standing = Standing::of_letter(letter.as_bytes(), &given).unwrap();
            assert_eq!(standing, Standing::Unsigned(why.to_owned()));
            assert!(standing.line().starts_with("unsigned, "));
            assert_eq!(standing.json()["signed"], false);
        }
        let signed = Standing::Signed("example.org".to_owned(), "s1".to_owned());
        assert_eq!(signed.line(), "signed by example.org (key s1)");
        assert_eq!(signed.json()["domain"], "example.org");
    }
}
