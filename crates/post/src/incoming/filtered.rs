//! What scripts make of a message that is in: where it goes besides, and who refuses it.
//!
//! Where all refuse it, the peer hears it at the message's end, and has the message still. Else
//! the sender is told: of `ereject` by a report of failure, of `reject` by a receipt that has the
//! reason as it was written. Nobody is told of what came from nobody.
//!
//! Not here: running scripts (`filter`), how reports are written (`report`).
//!
//! RFC 5429 §2.1, §2.2 and §2.5 (how it is refused), RFC 2033 §4.2 (each recipient's answer).

use std::collections::{BTreeMap, BTreeSet};

use mail::{AccountId, Address, Enhanced, ForwardPath, Refusal, Ret, ReversePath};
use message::Action;

use super::{Delivery, Incoming, LetterKind};
use crate::filter::{Arrived, Refused};
use crate::queue::{Note, Said};
use crate::report::{Report, Returned, Told, receipt_of_refusal, wants_failure};
use crate::spam::Judgements;
use crate::spool::Spooled;
use crate::{Elsewhere, Route};

/// Octets of a line of a reason, as the peer reads it.
const REASON_LINE_OCTETS_MAX: usize = 400;
/// Lines of a reason, as the peer reads it.
const REASON_LINES_MAX: usize = 50;
/// Receipts for one letter that return anything of it.
const RECEIPTS_FULL_MAX: usize = 10;
/// Octets a letter may have that goes back whole.
const WHOLE_OCTETS_MAX: u64 = 64 * 1024;

/// Who has refused a message.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// All are, with these words.
    pub(super) all: Option<Refusal>,
    /// Recipients who are refused to the peer's face, by their number.
    pub(super) spoken: Vec<(usize, Refusal)>,
    /// Recipients, by their place, for whom it is not here, whoever is told.
    pub(super) refusing: BTreeSet<usize>,
}

impl Incoming {
    /// What its words say to its readers, if it is from nobody who is logged in.
    pub(super) async fn judgements(&mut self) -> Judgements {
        if self.origin.author().is_some() {
            return Judgements::default();
        }
        let octets = self.spool.beginning();
        let has_others = !self.relayed.is_empty() || !self.copies.elsewhere.is_empty();
        let readers = (&self.local, has_others);
        self.house.judgements(octets, readers).await
    }

    /// Runs the scripts of those into whose inboxes it goes: others may get it too then, here and
    /// elsewhere. Where all refuse it, nothing is left to be delivered but what scripts have made.
    pub(super) async fn filter(&mut self, delivery: &mut Delivery, hears: bool) -> Refusals {
        let mut letters = delivery.letters.iter_mut();
        let Some(letter) = letters.find(|letter| letter.is_filtered()) else {
            return Refusals::default();
        };
        let arrived = Arrived {
            journey: self.journey,
            origin: &self.origin,
            sender: &self.sender,
            recipients: &self.recipients,
            relayed: &self.relayed,
            spooled: &letter.spooled,
            judged: Some(&delivery.judgements),
            scored: self.scored,
            sealable: self.sealable(),
        };
        let accounts = letter.accounts.iter().copied();
        let plans = self.house.filter(arrived, accounts).await;
        delivery
            .queue
            .begun
            .extend(plans.entries(&self.house, arrived));
        delivery.outgoing = plans.outgoing(&self.house, arrived);
        letter.accounts.extend(plans.readers());
        delivery.plans = plans;
        self.refusals(delivery, hears)
    }

    fn refusals(&self, delivery: &mut Delivery, hears: bool) -> Refusals {
        let refused = delivery.plans.refused();
        if refused.is_empty() {
            return Refusals::default();
        }
        let spoken = |account: &AccountId| refused.get(account).and_then(Refused::spoken);
        // RFC 5429 §2.1.1, §2.2
        if hears && !self.origin.protocol.answers_each() && self.is_only_for_inboxes() {
            let named = self.local.difference(&self.copies.accounts);
            let all: Option<Vec<Refusal>> = named.map(spoken).collect();
            if let Some(first) = all.and_then(|all| all.into_iter().next()) {
                delivery.letters.clear();
                delivery.others.clear();
                return Refusals {
                    all: Some(first),
                    refusing: (0..self.recipients.len()).collect(),
                    ..Refusals::default()
                };
            }
        }
        let mut refusals = Refusals::default();
        let mut answered = BTreeSet::new();
        for (place, (recipient, number)) in self.recipients.iter().zip(&self.numbers).enumerate() {
            let accounts = match self.route(&recipient.forward_path) {
                Route::Local(accounts) => accounts,
                Route::Forwarded { .. }
                | Route::Elsewhere
                | Route::Relayed { .. }
                | Route::Nowhere(_) => continue,
            };
            if !accounts.iter().all(|account| refused.contains_key(account)) {
                continue;
            }
            refusals.refusing.insert(place);
            let all: Option<Vec<Refusal>> = accounts.iter().map(spoken).collect();
            let first = all.and_then(|all| all.into_iter().next());
            if let Some(first) = first.filter(|_| hears && self.origin.protocol.answers_each()) {
                refusals.spoken.push((*number, first));
                answered.extend(accounts);
            }
        }
        let rest = refused.into_iter();
        let rest = rest.filter(|(account, _)| !answered.contains(account));
        self.tell_refused(delivery, rest.collect());
        refusals
    }

    fn is_only_for_inboxes(&self) -> bool {
        self.expanded.is_empty() && self.relayed.is_empty() && self.elsewhere.is_empty()
    }

    /// Tells senders that scripts have refused it. Where no report can go, the message is kept;
    /// where there is nobody to tell, it is gone.
    fn tell_refused(&self, delivery: &mut Delivery, refused: Vec<(AccountId, Refused)>) {
        let mut letters = delivery.letters.iter();
        let Some(letter) = letters.find(|letter| letter.is_filtered()) else {
            return;
        };
        let spooled = letter.spooled.clone();
        let mut reports: BTreeMap<_, Vec<Refused>> = BTreeMap::new();
        let (mut notes, mut receipts) = (Vec::new(), 0);
        for (account, refused) in refused {
            let (journey, id) = (self.journey, account.0);
            let to = match self.who_hears(&refused) {
                Hears::Nobody => {
                    tracing::info!(%journey, account = id, "refused by a script; nobody is told");
                    continue;
                }
                Hears::Elsewhere => {
                    tracing::warn!(%journey, account = id, "its sender cannot be told; it is kept");
                    delivery.plans.keep_refused(account);
                    continue;
                }
                Hears::Reader(to) => to,
            };
            tracing::info!(%journey, account = id, %to, "refused by a script");
            if refused.extended {
                let key = (to.to_string(), refused.envid.clone());
                reports.entry(key).or_default().push(refused);
                continue;
            }
            receipts += 1;
            let returned = match receipts > RECEIPTS_FULL_MAX {
                true => Returned::Header(&[]),
                false => returned(&spooled, refused.ret),
            };
            notes.push((
                to.clone(),
                self.receipt((account, &refused), &to, &spooled, returned),
            ));
        }
        for (number, refused) in reports.values().enumerate() {
            notes.extend(self.report_refusal(number, refused, &spooled));
        }
        let now = self.house.inner.outside.now();
        for (to, octets) in notes {
            let to = ForwardPath::Address(to);
            let kind = LetterKind::Failure;
            let tls = self.sender.tls;
            let note = Note {
                to,
                stays: false,
                octets,
                kind,
                tls,
            };
            let (letters, blobs) = (&mut delivery.letters, &mut delivery.others);
            let queue = &mut delivery.queue;
            self.house.address(&note, now, letters, blobs, queue);
        }
    }

    /// Who is to be told of a refusal.
    fn who_hears(&self, refused: &Refused) -> Hears {
        let to = match &refused.reverse_path {
            // RFC 5429 §2.1.2
            ReversePath::Null => return Hears::Nobody,
            // RFC 3461 §5.2.6
            _ if refused.extended && !wants_failure(refused.recipient.notify) => {
                return Hears::Nobody;
            }
            ReversePath::Address(address) => address.clone(),
        };
        // A `.forward` that leads in a circle is no reason to tell nobody.
        match self
            .house
            .route_to_accounts(&ForwardPath::Address(to.clone()))
        {
            Route::Nowhere(_) => Hears::Nobody,
            Route::Elsewhere | Route::Relayed { .. }
                if self.house.rules().elsewhere != Elsewhere::Relay =>
            {
                Hears::Elsewhere
            }
            Route::Elsewhere
            | Route::Relayed { .. }
            | Route::Local(_)
            | Route::Forwarded { .. } => Hears::Reader(to),
        }
    }

    fn receipt(
        &self,
        (account, refused): (AccountId, &Refused),
        to: &Address,
        spooled: &Spooled,
        returned: Returned<'_>,
    ) -> Vec<u8> {
        let (host, now) = (&self.house.rules().host, self.house.inner.outside.now());
        let mark = format!("{}.{}", self.journey, account.0);
        let header = spooled.front().map(|octets| octets.as_ref());
        let letter = (header.unwrap_or_default(), returned);
        receipt_of_refusal(host, (&mark, now), refused, to, letter)
    }

    /// A report for one sender on all who have refused it.
    fn report_refusal(
        &self,
        number: usize,
        refused: &[Refused],
        spooled: &Spooled,
    ) -> Option<(Address, Vec<u8>)> {
        let first = refused.first()?;
        let to = first.reverse_path.address()?;
        let said = refused.iter().map(|refused| {
            let reason = refused.reason.replace('\n', "\n        ").replace('\r', "");
            Said {
                host: None,
                code: None,
                status: REFUSED,
                text: format!("The recipient's mail filter refused it: {reason}"),
            }
        });
        let said: Vec<Said> = said.collect();
        let told = refused.iter().zip(&said).map(|(refused, said)| Told {
            recipient: &refused.recipient,
            action: Action::Failed,
            said: Some(said),
        });
        let now = self.house.inner.outside.now();
        let report = Report {
            to,
            envid: first.envid.as_deref(),
            arrival: now,
            utf8: self.sender.smtputf8,
            until: None,
            told: told.collect(),
        };
        let mark = format!("{}.refused{number}", self.journey);
        let returned = returned(spooled, first.ret);
        let octets = report.write(&self.house.rules().host, &mark, now, returned);
        Some((to.clone(), octets))
    }
}

/// Who hears of a refusal.
enum Hears {
    Nobody,
    /// Somebody whom no letter from here reaches.
    Elsewhere,
    Reader(Address),
}

// RFC 5429 §2.5
const REFUSED: Enhanced = Enhanced::new(5, 7, 1);

impl Refused {
    /// What the peer is told, where that says all that is to be said.
    // RFC 5429 §2.1.1, §2.2
    fn spoken(&self) -> Option<Refusal> {
        let lines = lines(&self.reason);
        let text = match self.extended {
            true if !self.reason.is_ascii() => "The recipient's mail filter refused it".to_owned(),
            true => lines.join("\n"),
            false if self.reason.is_ascii() && lines.len() <= REASON_LINES_MAX => lines.join("\n"),
            false => return None,
        };
        let text: Vec<&str> = text.lines().take(REASON_LINES_MAX).collect();
        Some(Refusal::new(550, REFUSED, text.join("\n")))
    }
}

/// A reason in lines that fit into a reply.
// RFC 5429 §2.5
fn lines(reason: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in reason.trim_end().lines() {
        let letters: Vec<char> = line.chars().collect();
        let pieces = letters.chunks(REASON_LINE_OCTETS_MAX);
        let before = lines.len();
        lines.extend(pieces.map(String::from_iter));
        if lines.len() == before {
            lines.push(String::new());
        }
    }
    lines
}

/// What goes back of a letter: as it came, whatever a script has made of it.
// RFC 5429 §2.4
fn returned(spooled: &Spooled, ret: Option<Ret>) -> Returned<'_> {
    let front = spooled.front().map(|octets| octets.as_ref());
    let front = front.unwrap_or_default();
    let skip = crate::queue::return_path_octets(front);
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let octets = front.get(skip..).unwrap_or_default();
    let is_whole = spooled.beginning.is_none() && spooled.staged.len <= WHOLE_OCTETS_MAX;
    match is_whole && ret != Some(Ret::Headers) {
        true => Returned::Whole(octets),
        false => Returned::Header(octets),
    }
}

#[cfg(test)]
mod tests {
    use mail::Recipient;

    use super::*;

    fn refused(reason: &str, extended: bool) -> Option<String> {
        let refused = Refused {
            reason: reason.to_owned(),
            extended,
            reverse_path: ReversePath::Null,
            recipient: Recipient {
                forward_path: ForwardPath::Postmaster,
                notify: None,
                orcpt: None,
            },
            ret: None,
            envid: None,
        };
        refused.spoken().map(|refusal| refusal.to_string())
    }

    // tidy: table
    #[test]
    fn what_the_peer_is_told() {
        let long = "x".repeat(900);
        let many = "line\r\n".repeat(60);
        let cut = "line\n".repeat(50);
        let wrapped = format!("{}\n{}\n{}", &long[..400], &long[..400], &long[..100]);
        let general = "The recipient's mail filter refused it";
        for (reason, extended, expected) in [
            ("No", true, Some("No")),
            ("No", false, Some("No")),
            ("One\r\n\r\ntwo\r\n", false, Some("One\n\ntwo")),
            ("Nö", true, Some(general)),
            ("Nö", false, None),
            (&long, false, Some(&wrapped)),
            (&many, true, Some(cut.trim_end())),
            (&many, false, None),
        ] {
            let expected = expected.map(|text| format!("550 5.7.1 {text}"));
            assert_eq!(refused(reason, extended), expected, "{reason}");
        }
    }
}
