//! What stands near a message's beginning and is known only at its end: results of checks, or
//! signatures. A message that is streamed has a gap for it, exactly as long as what goes in.
//!
//! Not here: messages in memory, which are put together when all is known.

use bytes::Bytes;
use mail::Host;
use message::AuthenticationResults;

use crate::error::Fault;
use crate::signing::Signer;
use crate::trace::Traced;
use crate::{Error, Outcome};

/// Octets of a gap for the results of checks: reasons are left out where they do not fit, and then
/// the last signatures.
const RESULTS_OCTETS: usize = 2048;
/// Octets that a line of a field is made at most, far below what a line may have (RFC 5322 §2.1.1).
const LINE_OCTETS_MAX: usize = 900;

/// A message with what stands before it.
#[derive(Debug)]
pub(crate) struct Fronted {
    pub(crate) octets: Vec<u8>,
    pub(crate) gap: Option<Gap>,
}

impl From<Vec<u8>> for Fronted {
    fn from(octets: Vec<u8>) -> Self {
        Self { octets, gap: None }
    }
}

impl From<Traced> for Fronted {
    fn from(traced: Traced) -> Self {
        traced.octets.into()
    }
}

/// Octets of a message that are to be put in.
#[derive(Debug)]
pub(crate) struct Gap {
    /// The message from its beginning to the end of the gap, in which something holds the place.
    front: Vec<u8>,
    /// Where the gap begins.
    at: usize,
    signer: Option<Box<Signer>>,
}

impl Fronted {
    /// A message whose statement holds the place of what will be said at its end: by the signer,
    /// if there is one.
    pub(crate) fn open(traced: Traced, signer: Option<Box<Signer>>) -> Self {
        let Traced { octets, statement } = traced;
        let front = octets.get(..statement.end).unwrap_or_default().to_vec();
        let gap = Gap {
            front,
            at: statement.start,
            signer,
        };
        Self {
            octets,
            gap: (!statement.is_empty()).then_some(gap),
        }
    }
}

impl Gap {
    /// Reads what passes.
    pub(crate) fn feed(&mut self, octets: &[u8]) {
        if let Some(signer) = &mut self.signer {
            signer.feed(octets);
        }
    }

    /// Octets of memory it takes.
    pub(crate) fn memory_octets(&self) -> usize {
        let signer = self
            .signer
            .as_ref()
            .map_or(0, |signer| signer.memory_octets());
        self.front.capacity().saturating_add(signer)
    }

    /// The message's beginning with what is to be said in it.
    pub(crate) fn filled(self, results: Option<&AuthenticationResults>) -> Outcome<Bytes> {
        let mut front = self.front;
        let room = front.get_mut(self.at..).unwrap_or_default();
        let text = match (self.signer, results) {
            (Some(signer), _) => Some(signer.finish()?),
            (None, Some(results)) => fitted(results, room.len()),
            (None, None) => None,
        };
        match text {
            Some(text) if text.len() == room.len() => room.copy_from_slice(text.as_bytes()),
            Some(_) => {
                let cause = "a signature has another length than before".to_owned();
                return Err(Error::Fault(Fault::Signing(cause)));
            }
            // What holds the place says that nothing was checked.
            None => {}
        }
        Ok(front.into())
    }
}

/// The field with the results of checks.
pub(crate) fn field(results: &AuthenticationResults) -> String {
    format!("Authentication-Results: {}\r\n", results.write())
}

// RFC 8601 §2.2
/// What holds the place of the results: it says that nothing was checked.
pub(crate) fn held_place(host: &Host) -> String {
    let field = format!(
        "Authentication-Results: {}\r\n\t1;\r\n\tnone\r\n",
        host.to_ascii()
    );
    padded(&field, RESULTS_OCTETS).unwrap_or_default()
}

/// The field, exactly so long.
fn fitted(results: &AuthenticationResults, octets: usize) -> Option<String> {
    let mut results = results.clone();
    loop {
        if let Some(padded) = padded(&field(&results), octets) {
            return Some(padded);
        }
        let reasons = results.results.iter_mut().map(|one| one.reason.take());
        if reasons.flatten().count() > 0 {
            continue;
        }
        let last = results
            .results
            .iter()
            .rposition(|one| one.method == "dkim")?;
        results.results.remove(last);
    }
}

// RFC 5322 §3.2.2
/// Makes a field so long by spaces at the ends of its lines, which mean nothing there; `None` if it
/// is longer, or has too few lines.
fn padded(field: &str, octets: usize) -> Option<String> {
    let mut missing = octets.checked_sub(field.len())?;
    let mut padded = String::with_capacity(octets);
    for line in field.split_inclusive("\r\n") {
        let text = line.strip_suffix("\r\n")?;
        let spaces = LINE_OCTETS_MAX.saturating_sub(text.len()).min(missing);
        missing -= spaces;
        padded.push_str(text);
        padded.extend(std::iter::repeat_n(' ', spaces));
        padded.push_str("\r\n");
    }
    (missing == 0).then_some(padded)
}

#[cfg(test)]
mod tests {
    use message::{AuthenticationProperty, AuthenticationResult};

    use super::*;

    fn results(count: usize, reason: &str) -> AuthenticationResults {
        let one = AuthenticationResult {
            method: "dkim".into(),
            version: 1,
            result: "fail".into(),
            reason: Some(reason.into()),
            properties: vec![AuthenticationProperty {
                kind: "header".into(),
                name: "d".into(),
                value: "example.org".into(),
            }],
        };
        AuthenticationResults {
            server: "mx.example.org".into(),
            version: 1,
            results: vec![one; count],
        }
    }

    #[test]
    fn a_field_is_made_to_fit() {
        for (count, reason, left, reasons) in [
            (5, "short", 5, 5),
            (5, &"long ".repeat(60), 5, 5),
            (10, &"long ".repeat(60), 10, 0),
            (100, "short", 59, 0),
        ] {
            let all = results(count, reason);
            let text = fitted(&all, RESULTS_OCTETS).unwrap();
            assert_eq!(text.len(), RESULTS_OCTETS);
            assert!(text.lines().all(|line| line.len() < 998), "{text}");
            let value = text.strip_prefix("Authentication-Results:").unwrap();
            let read = AuthenticationResults::parse(value.as_bytes()).unwrap();
            let with_reason = read.results.iter().filter(|one| one.reason.is_some());
            assert_eq!(with_reason.count(), reasons, "{count}");
            assert_eq!(read.results.len(), left, "{count}");
        }
        // Of too few lines nothing can be made.
        assert_eq!(fitted(&results(0, ""), RESULTS_OCTETS), None);
        assert_eq!(fitted(&results(1, ""), 10), None);
    }

    #[test]
    fn what_holds_the_place_says_nothing() {
        let host = Host::parse("mx.example.org").unwrap();
        let text = held_place(&host);
        assert_eq!(text.len(), RESULTS_OCTETS);
        let value = text.strip_prefix("Authentication-Results:").unwrap();
        let read = AuthenticationResults::parse(value.as_bytes()).unwrap();
        assert_eq!(
            (read.server.as_str(), read.results.len()),
            ("mx.example.org", 0)
        );
    }
}
