//! What is found out about a letter from outside before it is taken: who sent it, and may they.
//!
//! The letter is read as it passes; at its end DNS is asked, within bounds, and what was found
//! becomes a field above the letter (RFC 8601) and, by the house's rules, its fate. Whatever DNS
//! does, no letter is lost: what nobody answers is a `temperror` in that field.
//!
//! Not here: the checks themselves (the room `trust`), asking ([`Outside::ask`]).

use std::net::IpAddr;
use std::time::Duration;

use mail::{Enhanced, Host, Instant, Network, Refusal, ReversePath};
use message::{AuthenticationResults, Header};
use trust::dmarc::{self, Dmarc, Policy};
use trust::iprev::{self, Iprev};
use trust::results::Findings;
use trust::spf::{self, Identity, Spf};
use trust::{Answer, Answers, Check, Letter, Reader, arc, dkim};

use crate::aggregate::Sighting;
use crate::greylist::GreyRules;
use crate::screening::{ListDeed, ListRule, Screening};
use crate::signing::Sealable;
use crate::{Elsewhere, Error, Origin, Outcome, Outside, Post, Protocol, Rules, Sender, Why};

/// How letters from outside are checked, and what follows.
#[derive(Clone, Debug)]
pub struct TrustRules {
    /// Letters from outside are checked.
    pub check: bool,
    /// Networks that are not outside: their letters are not checked, and what they say about
    /// letters (RFC 8601) is left in.
    pub unchecked: Vec<Network>,
    /// The most that is done with a letter whose author's domain does not answer for it.
    pub dmarc: DmarcMeasure,
    /// Domains of relays that are believed about letters which they change: their seals (RFC 8617)
    /// make up for what no longer holds.
    pub trusted_sealers: Vec<Host>,
    /// Questions to DNS that one letter may cost.
    pub questions_max: usize,
    /// Domains that ask for it are told each day what was seen of letters in their name.
    pub reports: bool,
    /// How long DNS is asked about one letter; the question that is on its way then may still end.
    pub patience: Duration,
    /// Lists that are asked about the client and the sender.
    pub lists: Vec<ListRule>,
    /// From which weight of lists that speak against it on a letter is refused.
    pub list_refuse_weight: u32,
    /// From which weight of these on it is filed as junk.
    pub list_junk_weight: u32,
    /// Whether strangers are asked to come back.
    pub greylist: GreyRules,
}

impl Default for TrustRules {
    fn default() -> Self {
        Self {
            check: false,
            unchecked: ["127.0.0.0/8", "::1"]
                .into_iter()
                .filter_map(Network::parse)
                .collect(),
            dmarc: DmarcMeasure::Reject,
            trusted_sealers: Vec::new(),
            reports: false,
            questions_max: 150,
            patience: Duration::from_secs(20),
            lists: Vec::new(),
            list_refuse_weight: 10,
            list_junk_weight: 5,
            greylist: GreyRules::default(),
        }
    }
}

/// The most that is done with a letter whose author's domain does not answer for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DmarcMeasure {
    /// What the domain wants: it is refused, filed as junk, or delivered.
    #[default]
    Reject,
    /// It is never refused: where the domain wants that, it is filed as junk.
    Quarantine,
    /// It is delivered; its header says what was found.
    Mark,
}

impl Rules {
    /// True for a letter from outside: by SMTP, from whoever has called us, of nobody who
    /// is logged in, from no network that is ours.
    pub(crate) fn is_outside(&self, origin: &Origin) -> bool {
        origin.author().is_none()
            && !matches!(
                origin.protocol,
                Protocol::Lmtp | Protocol::Deliver | Protocol::OnDemand
            )
            && !self.is_ours(origin.peer)
    }
}

impl TrustRules {
    /// True if letters may be filed as junk.
    pub(crate) fn files_junk(&self) -> bool {
        let weighs = |rule: &ListRule| matches!(rule.deed, ListDeed::Weigh(_));
        self.check && (self.dmarc != DmarcMeasure::Mark || self.lists.iter().any(weighs))
    }
}

/// A letter that is looked at while it comes in.
#[derive(Debug)]
pub(crate) struct Scrutiny {
    reader: Reader,
    /// It may be sealed when it is sent on.
    seals: bool,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Conclusion {
    /// What is said of the letter.
    pub(crate) results: AuthenticationResults,
    /// True if it is filed as junk.
    pub(crate) is_junk: bool,
    /// What it needs to be sealed, if it is sent on.
    pub(crate) sealable: Option<Box<Sealable>>,
}

impl Scrutiny {
    /// Begins to look.
    pub(crate) fn begin(rules: &Rules) -> Self {
        let seals = rules.seals && rules.elsewhere == Elsewhere::Relay && !rules.keys.is_empty();
        Self {
            reader: match seals {
                true => Sealable::reader(),
                false => Reader::default(),
            },
            seals,
        }
    }

    /// Takes a piece of the letter as it came.
    pub(crate) fn feed(&mut self, octets: &[u8]) {
        self.reader.feed(octets);
    }

    /// Octets that it keeps of the letter.
    pub(crate) const fn memory_octets(&self) -> usize {
        self.reader.memory_octets()
    }

    /// Finds out what is to be known of the letter.
    ///
    /// # Errors
    /// 550 5.7.26 where the author's domain does not answer for it and wants it refused; 552 5.3.4
    /// where its header does not end.
    pub(crate) async fn conclude(
        self,
        house: &Post,
        (origin, sender): (&Origin, &Sender),
        screening: Option<&Screening>,
    ) -> Outcome<Conclusion> {
        let letter = self.reader.finish().map_err(|_| header_too_large())?;
        let found = Found::about(&letter, house, origin, sender).await;
        let host = house.rules().host.to_ascii();
        let findings = Findings {
            lists: screening.map(Screening::listings).unwrap_or_default(),
            ..found.findings()
        };
        let results = findings.results(&host);
        let rules = &house.rules().trust;
        let fate = found.fate(rules);
        if rules.reports {
            let sighting = found.sighting(origin.peer, fate, rules);
            house
                .inner
                .aggregates
                .count(house.inner.outside.now(), &sighting);
        }
        let is_junk = match fate {
            Policy::None => false,
            Policy::Quarantine => true,
            Policy::Reject => return Err(found.refusal()),
        };
        let sealable = self
            .seals
            .then(|| Box::new(Sealable::new(letter, results.write(), found.arc.outcome)));
        let is_suspicious = screening.is_some_and(Screening::is_suspicious);
        Ok(Conclusion {
            results,
            is_junk: is_junk || is_suspicious,
            sealable,
        })
    }
}

/// Refuses a letter whose header does not end in these octets.
pub(crate) fn has_whole_header(octets: &[u8]) -> Outcome<()> {
    let mut header = Header::parse(octets);
    header.by_ref().for_each(drop);
    match header.blank_line().is_empty() {
        true => Err(header_too_large()),
        false => Ok(()),
    }
}

/// The refusal of a letter whose header does not end.
fn header_too_large() -> Error {
    let text = "The header section is too large";
    Error::refused(Why::TooBig, 552, [5, 3, 4], text)
}

/// Questions about one letter, within bounds.
pub(crate) struct Inquiry<'a> {
    outside: &'a dyn Outside,
    answers: Answers,
    questions_left: usize,
    until: Instant,
}

impl<'a> Inquiry<'a> {
    /// Begins to ask, so much at most.
    pub(crate) fn begin(house: &'a Post, questions_max: usize) -> Self {
        let outside = house.inner.outside.as_ref();
        let patience = house.rules().trust.patience;
        Self {
            outside,
            answers: Answers::default(),
            questions_left: questions_max,
            until: Instant(outside.instant().0.saturating_add(patience)),
        }
    }

    /// Asks on until there is a verdict. Where no more may be asked, nobody answers.
    pub(crate) async fn settle<C: Check + Sync>(&mut self, check: &C) -> C::Verdict {
        loop {
            let question = match check.judge(&self.answers) {
                Ok(verdict) => return verdict,
                Err(question) => question,
            };
            let answer = match self.questions_left.checked_sub(1) {
                Some(left) if self.outside.instant() < self.until => {
                    self.questions_left = left;
                    self.outside.ask(&question).await
                }
                _ => Answer::Failed,
            };
            self.answers.put(question, answer);
        }
    }
}

/// All verdicts about one letter.
struct Found {
    iprev: iprev::Verdict,
    /// Of the client's name, where `spf` is of the reverse-path.
    helo: Option<spf::Verdict>,
    spf: spf::Verdict,
    dkim: Vec<dkim::Verdict>,
    dmarc: dmarc::Verdict,
    arc: arc::Verdict,
}

impl Found {
    async fn about(letter: &Letter, house: &Post, origin: &Origin, sender: &Sender) -> Self {
        let outside = house.inner.outside.as_ref();
        let rules = &house.rules().trust;
        let mut inquiry = Inquiry::begin(house, rules.questions_max);
        let (ip, helo) = (origin.peer, origin.helo.as_str());
        let (receiver, now) = (house.rules().host.to_ascii(), outside.now().seconds);
        let path = match &sender.reverse_path {
            ReversePath::Null => String::new(),
            ReversePath::Address(address) => {
                format!("{}@{}", address.local.as_str(), address.host.to_ascii())
            }
        };
        let spf = Spf::mail_from(ip, helo, &path).checked_by(&receiver, now);
        // What decides about the letter first, lest what only adorns it takes the time away.
        let spf = inquiry.settle(&spf).await;
        let dkim = inquiry.settle(&dkim::Verify::new(letter, now)).await;
        let dmarc = inquiry.settle(&Dmarc::new(letter, &spf, &dkim)).await;
        let arc = inquiry.settle(&arc::Verify::new(letter)).await;
        let iprev = inquiry.settle(&Iprev { ip }).await;
        let helo = match spf.identity {
            Identity::Helo => None,
            Identity::MailFrom => {
                let check = Spf::helo(ip, helo).checked_by(&receiver, now);
                Some(inquiry.settle(&check).await)
            }
        };
        Self {
            iprev,
            helo,
            spf,
            dkim,
            dmarc,
            arc,
        }
    }

    fn findings(&self) -> Findings<'_> {
        Findings {
            iprev: Some(&self.iprev),
            helo: self.helo.as_ref(),
            spf: Some(&self.spf),
            dkim: Some(&self.dkim),
            dmarc: Some(&self.dmarc),
            arc: Some(&self.arc),
            ..Findings::default()
        }
    }

    /// What is done with the letter, in DMARC's words.
    fn fate(&self, rules: &TrustRules) -> Policy {
        if self.dmarc.outcome != dmarc::Outcome::Fail || self.is_vouched_for(rules) {
            return Policy::None;
        }
        // Who was not heard may have answered for it: then a step less is done.
        let wanted = match self.is_definite() {
            true => self.dmarc.wanted,
            false => self.dmarc.wanted.milder(),
        };
        match (rules.dmarc, wanted) {
            (DmarcMeasure::Mark, _) => Policy::None,
            (DmarcMeasure::Quarantine, Policy::Reject) => Policy::Quarantine,
            (_, wanted) => wanted,
        }
    }

    /// The letter as its author's domain is told of it.
    fn sighting(&self, ip: IpAddr, fate: Policy, rules: &TrustRules) -> Sighting<'_> {
        let is_failure = self.dmarc.outcome == dmarc::Outcome::Fail;
        let is_milder = is_failure && fate != self.dmarc.wanted;
        let reason = match self.is_vouched_for(rules) {
            true => "trusted_forwarder",
            false => "local_policy",
        };
        Sighting {
            ip,
            spf: &self.spf,
            dkim: &self.dkim,
            dmarc: &self.dmarc,
            fate,
            reason: is_milder.then_some(reason),
        }
    }

    /// True unless SPF or a signature would have said something else with an answer.
    fn is_definite(&self) -> bool {
        let unheard = |one: &dkim::Verdict| one.outcome == dkim::Outcome::TempError;
        self.spf.outcome != spf::Outcome::TempError && !self.dkim.iter().any(unheard)
    }

    // RFC 8617 §7.2
    /// True if a relay that is believed saw the author's domain answer for the letter, and all who
    /// sealed it since are believed too.
    fn is_vouched_for(&self, rules: &TrustRules) -> bool {
        let is_trusted = |sealer: &&arc::Sealer| {
            let domain = sealer.domain.to_ascii_lowercase();
            let mut trusted = rules.trusted_sealers.iter().map(Host::to_ascii);
            trusted.any(|known| {
                let above = domain.strip_suffix(known.as_str());
                above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            })
        };
        let mut latest = self.arc.sealers.iter().rev().take_while(is_trusted);
        let saw_it = |sealer: &arc::Sealer| saw_pass(&sealer.results, &self.dmarc.author);
        self.arc.outcome == arc::Outcome::Pass && latest.any(saw_it)
    }

    // RFC 7372 §3.4
    fn refusal(&self) -> Error {
        let domain = &self.dmarc.author;
        let text = format!("The policy of {domain} (DMARC) is to refuse letters such as this");
        let problem = self.dmarc.problem.as_deref().unwrap_or("DMARC fails");
        let cause = format!("{problem}: spf={}", self.spf.outcome);
        let refusal = Refusal::new(550, Enhanced::new(5, 7, 26), text).because(cause);
        Error::Refused(Why::Policy, refusal)
    }
}

/// True if these results, of a relay, say that the author's domain answered for the letter.
fn saw_pass(results: &str, author: &str) -> bool {
    let Some(read) = AuthenticationResults::parse(results.as_bytes()) else {
        return false;
    };
    read.results.iter().any(|one| {
        let mut properties = one.properties.iter();
        one.method == "dmarc"
            && one.result == "pass"
            && properties.any(|property| {
                let domain = property.value.rsplit('@').next().unwrap_or_default();
                (property.kind.as_str(), property.name.as_str()) == ("header", "from")
                    && domain.eq_ignore_ascii_case(author)
            })
    })
}
