//! What is asked of one host before it gets letters: that it has TLS, and the right certificate.
//!
//! Not here: which policy a domain has (`policies`), what a record says (`trust`).
//!
//! RFC 7672 §2, §3 (DANE comes first), RFC 8461 §2, §4, §5 (MTA-STS), RFC 8689 §4.2 (what the
//! sender wants), RFC 7435 (TLS with whoever answers, where nothing is said).

use std::fmt;
use std::sync::Arc;

use mail::TlsWish;
use net::{Examination, Examiner, Flaw, FlawKind, Judge, ServerName};
use trust::dane::{self, Tlsa};
use trust::mta_sts::{Mode, Policy};
use trust::{Answer, Kind, Question, Record, tlsrpt};
use wire::Security;

use super::Relay;
use super::hosts::Target;

/// What is wrong with a host that the policy does not name.
const UNNAMED: &str = "the domain's policy does not name it";

/// What a destination's policy is by which its hosts are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    /// It has none.
    Nothing,
    /// MTA-STS, which is only to be reported on.
    Testing,
    /// MTA-STS.
    Enforce,
    /// DANE, and records that nobody can use: so there has to be TLS with anybody.
    DaneUnusable,
    /// DANE.
    Dane,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "no policy",
            Self::Testing => "MTA-STS testing",
            Self::Enforce => "MTA-STS enforce",
            Self::DaneUnusable => "DANE without usable records",
            Self::Dane => "DANE",
        })
    }
}

/// What went wrong about TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TroubleKind {
    /// The host has no TLS.
    NoTls,
    /// There was no agreement, or the certificate has a flaw.
    Validation,
    /// The certificate's time is over.
    Expired,
    /// The certificate is for other names.
    OtherName,
    /// Nobody who is trusted made the certificate.
    Untrusted,
    /// The certificate is not the one that DNS names.
    Dane,
    /// DNS has no answer that is proven.
    Dnssec,
    /// Nothing says that the host is the domain's.
    Unnamed,
    /// The host does not pass on that TLS is wanted.
    NoRequireTls,
}

/// Why a host gets no letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: TroubleKind,
    pub(super) text: String,
}

/// Why a host gets nothing, whatever it shows.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// What counts.
    pub(super) counts: String,
    pub(super) trouble: Trouble,
    pub(super) policy: tlsrpt::Policy,
}

/// What is asked of one host.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    basis: Basis,
    wish: TlsWish,
    /// The policy, as reports tell it.
    pub(super) policy: tlsrpt::Policy,
    /// The domain's policy names it.
    is_named: bool,
    /// Who looks at its certificate, and what was found.
    pub(super) examination: Examination,
    /// The name that it is asked for, and that its certificate has to be for.
    pub(super) name: ServerName,
    /// Nothing is sent without TLS.
    pub(super) needs_tls: bool,
    /// Nothing is sent to who shows another certificate.
    pub(super) needs_certificate: bool,
}

/// Holds certificates against what DNS says.
#[derive(Debug)]
struct DaneJudge {
    records: Vec<Tlsa>,
    names: Vec<String>,
}

impl Judge for DaneJudge {
    fn judge(&self, chain: &[&[u8]], now: u64) -> Result<(), Flaw> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        match dane::judge(&self.records, chain, &names, now) {
            dane::Verdict::Verified(_) => Ok(()),
            dane::Verdict::Refused(text) => Err(Flaw {
                kind: FlawKind::Other,
                text,
            }),
            dane::Verdict::Unusable => Err(Flaw {
                kind: FlawKind::Other,
                text: "no record can be used".to_owned(),
            }),
        }
    }
}

impl Relay {
    /// What is asked of a host by its domain's policy and by a letter's sender.
    ///
    /// # Errors
    /// Why it gets nothing.
    pub(super) async fn guard(
        &self,
        destination: &str,
        (policy, wish): (Option<&Policy>, TlsWish),
        target: &Target,
    ) -> Result<Guard, Refused> {
        let policy = policy.filter(|policy| policy.mode != Mode::None);
        let names = policy.is_some_and(|policy| policy.allows(&target.name));
        let dane = match self.dane(destination, target).await {
            Err(trouble) if wish != TlsWish::Waived => {
                return Err(Refused {
                    counts: counts(Basis::Dane, wish),
                    trouble,
                    policy: described(destination, Basis::Dane, None, &[]),
                });
            }
            found => found.unwrap_or_default(),
        };
        let records = dane.as_ref().map(|(judge, _)| judge.records.clone());
        let (basis, name, examiner) = self.chosen(dane, policy, target);
        let unnamed = match (basis, wish) {
            // RFC 8461 §4.1
            (Basis::Enforce, TlsWish::Usual | TlsWish::Required) if !names => UNNAMED,
            // RFC 8689 §4.2.1
            (_, TlsWish::Required) if !names && !target.proof.is_exchanger => {
                "nothing proves that it is the domain's host"
            }
            _ => "",
        };
        let told = described(destination, basis, policy, &records.unwrap_or_default());
        let refused = |kind, text: String| Refused {
            counts: counts(basis, wish),
            trouble: Trouble { kind, text },
            policy: told.clone(),
        };
        if !unnamed.is_empty() {
            return Err(refused(TroubleKind::Unnamed, unnamed.to_owned()));
        }
        let needs_certificate = match wish {
            TlsWish::Usual => matches!(basis, Basis::Enforce | Basis::Dane),
            TlsWish::Required => true,
            TlsWish::Waived => false,
        };
        let needs_tls = match wish {
            TlsWish::Usual => needs_certificate || basis == Basis::DaneUnusable,
            TlsWish::Required => true,
            TlsWish::Waived => false,
        };
        let unready = |error: net::Error| refused(TroubleKind::Validation, error.to_string());
        let examination = Examination::new(examiner, needs_certificate).map_err(unready)?;
        Ok(Guard {
            basis,
            wish,
            policy: told,
            is_named: names,
            examination,
            name: ServerName::try_from(name).unwrap_or_else(|_| target.ip.into()),
            needs_tls,
            needs_certificate,
        })
    }

    /// What counts, and by what name and by whom the host is examined.
    fn chosen(
        &self,
        dane: Option<(DaneJudge, String)>,
        policy: Option<&Policy>,
        target: &Target,
    ) -> (Basis, String, Examiner) {
        let by_policy = match policy.map(|policy| policy.mode) {
            Some(Mode::Enforce) => Basis::Enforce,
            Some(Mode::Testing) => Basis::Testing,
            Some(Mode::None) | None => Basis::Nothing,
        };
        let basis = match dane {
            // RFC 8461 §2: DANE comes first.
            Some((judge, name)) if judge.is_usable() => {
                return (Basis::Dane, name, Examiner::Judge(Arc::new(judge)));
            }
            Some(_) if by_policy != Basis::Enforce => Basis::DaneUnusable,
            Some(_) | None => by_policy,
        };
        (basis, target.name.clone(), self.examiner())
    }

    fn examiner(&self) -> Examiner {
        let authorities = self.settings.tls.authorities.clone();
        authorities.map_or(Examiner::Nobody, Examiner::Authorities)
    }

    /// What DNS says of a host's certificate, where all of that is proven, and the name it says it
    /// of.
    // RFC 7672 §2.1, §2.2
    async fn dane(
        &self,
        destination: &str,
        target: &Target,
    ) -> Result<Option<(DaneJudge, String)>, Trouble> {
        let proof = &target.proof;
        let is_proven = self.settings.tls.dane && proof.is_exchanger;
        let Some(address) = proof.of_address.as_ref().filter(|_| is_proven) else {
            return Ok(None);
        };
        // RFC 7672 §2.2.2: where the host's name is an alias, that which it leads to comes first.
        let mut bases = vec![address.clone(), target.name.clone()];
        bases.dedup();
        for base in bases {
            let name = dane::question_name(&base, self.settings.port);
            let Some(question) = Question::new(&name, Kind::Tlsa) else {
                continue;
            };
            let said = self.post.outside().ask_proven(&question).await;
            let records = match said.answer {
                // RFC 7672 §2.1.2
                Answer::Failed => {
                    return Err(Trouble {
                        kind: TroubleKind::Dnssec,
                        text: "what its certificate must be cannot be found out for now".to_owned(),
                    });
                }
                Answer::Records(records) if said.is_proven => records,
                Answer::Records(_) | Answer::NoData | Answer::NoSuchName => continue,
            };
            let records = records.into_iter().filter_map(|record| match record {
                Record::Tlsa(tlsa) => Some(tlsa),
                _ => None,
            });
            // RFC 7672 §3.2.2, §3.2.3
            let names = [&base, &target.name, destination].map(String::from);
            let judge = DaneJudge {
                records: records.collect(),
                names: names.to_vec(),
            };
            return Ok(Some((judge, base)));
        }
        Ok(None)
    }
}

impl DaneJudge {
    fn is_usable(&self) -> bool {
        dane::judge(&self.records, &[], &[], 0) != dane::Verdict::Unusable
    }
}

/// A policy, as reports tell it.
// RFC 8460 §4.4
fn described(
    domain: &str,
    basis: Basis,
    policy: Option<&Policy>,
    records: &[Tlsa],
) -> tlsrpt::Policy {
    let (kind, lines) = match (basis, policy) {
        (Basis::Dane | Basis::DaneUnusable, _) => {
            let lines = records.iter().take(dane::RECORDS_MAX).map(Tlsa::to_string);
            ("tlsa", lines.collect())
        }
        (Basis::Enforce | Basis::Testing, Some(_)) => return described_sts(domain, policy),
        _ => ("no-policy-found", Vec::new()),
    };
    tlsrpt::Policy {
        policy_type: kind.to_owned(),
        policy_string: lines,
        policy_domain: domain.to_owned(),
        mx_host: Vec::new(),
    }
}

/// The same of a policy of MTA-STS; of one that nobody has seen it tells nothing.
pub(super) fn described_sts(domain: &str, policy: Option<&Policy>) -> tlsrpt::Policy {
    let lines = policy.map(|policy| {
        let mode = match policy.mode {
            Mode::Enforce => "enforce",
            Mode::Testing => "testing",
            Mode::None => "none",
        };
        let mut lines = vec!["version: STSv1".to_owned(), format!("mode: {mode}")];
        lines.extend(policy.patterns.iter().map(|one| format!("mx: {one}")));
        lines.push(format!("max_age: {}", policy.age.as_secs()));
        lines
    });
    tlsrpt::Policy {
        policy_type: "sts".to_owned(),
        policy_string: lines.unwrap_or_default(),
        policy_domain: domain.to_owned(),
        mx_host: policy.map_or_else(Vec::new, |policy| policy.patterns.clone()),
    }
}

/// What counts for a host, in words.
fn counts(basis: Basis, wish: TlsWish) -> String {
    match wish {
        TlsWish::Usual => basis.to_string(),
        TlsWish::Required => format!("REQUIRETLS, {basis}"),
        TlsWish::Waived => format!("TLS-Required: No, {basis}"),
    }
}

impl Guard {
    /// What counts.
    pub(super) fn counts(&self) -> String {
        counts(self.basis, self.wish)
    }

    /// What counts, and what there was, in words.
    pub(super) fn told(&self, security: Option<&Security>) -> String {
        let counts = self.counts();
        let Some(Security {
            version, cipher, ..
        }) = security
        else {
            return format!("{counts}; without TLS");
        };
        let certificate = match self.examination.flaw() {
            _ if self.examination.is_verified() => "certificate verified".to_owned(),
            Some(flaw) => format!("certificate not verified ({flaw})"),
            None => "certificate not verified".to_owned(),
        };
        format!("{counts}; {version} {cipher}, {certificate}")
    }

    /// What is to be reported on though letters go: a policy that is only tested does not hold, or
    /// DNS says nothing that can be used.
    // RFC 8461 §5, RFC 8460 §4.3.2.1
    pub(super) fn reported(&self) -> Option<Trouble> {
        let trouble = |kind, text: &str| {
            let text = text.to_owned();
            Some(Trouble { kind, text })
        };
        match self.basis {
            Basis::Testing if !self.is_named => trouble(TroubleKind::Unnamed, UNNAMED),
            Basis::Testing => self.examination.flaw().map(|flaw| self.trouble(&flaw)),
            Basis::DaneUnusable => trouble(TroubleKind::Dane, "none of its records can be used"),
            Basis::Nothing | Basis::Enforce | Basis::Dane => None,
        }
    }

    /// The trouble that a flaw is.
    pub(super) fn trouble(&self, flaw: &Flaw) -> Trouble {
        let kind = match flaw.kind {
            _ if self.basis == Basis::Dane => TroubleKind::Dane,
            FlawKind::Expired => TroubleKind::Expired,
            FlawKind::OtherName => TroubleKind::OtherName,
            FlawKind::Untrusted => TroubleKind::Untrusted,
            FlawKind::Other => TroubleKind::Validation,
        };
        Trouble {
            kind,
            text: flaw.text.clone(),
        }
    }
}
