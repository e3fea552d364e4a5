//! `caramel trust`: who sent a letter, and may they.
//!
//! Needs neither configuration nor store. Not here: the checks (the room `trust`).

use std::net::IpAddr;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use message::AuthenticationResults;
use serde_json::{Value, json};
use trust::dkim::Signing;
use trust::dmarc::Dmarc;
use trust::iprev::Iprev;
use trust::results::{Findings, forged};
use trust::spf::{Identity, Spf};
use trust::{Answers, Check as _, Letter, arc, dkim, dmarc, iprev, spf};

use crate::cli::say;
use crate::complaint::Complaint;
use crate::dkim::{KeyUse, key, letter, now, passing_letter, verdict_json, verdict_line, write};
use crate::zone::ZoneSource;

#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Checks the letter on standard input, and says what was found and why.
    Check {
        #[command(flatten)]
        client: Client,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Checks the letter on standard input, and writes it with the findings sealed (ARC).
    Seal {
        #[command(flatten)]
        client: Client,
        #[command(flatten)]
        key: KeyUse,
    },
}

/// How the letter came.
#[derive(Debug, Args)]
pub(crate) struct Client {
    #[command(flatten)]
    zone: ZoneSource,
    /// The client's address.
    #[arg(long, value_name = "ADDRESS")]
    ip: IpAddr,
    /// The name it gave (EHLO).
    #[arg(long, value_name = "NAME")]
    helo: String,
    /// The reverse-path (MAIL FROM): an address, or nothing for the null path.
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    from: String,
    /// In whose name the findings are written.
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    server: String,
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

/// Does what was asked.
pub(crate) fn run(command: &TrustCommand) -> Result<(), Complaint> {
    match command {
        TrustCommand::Check { client, json } => {
            let letter = passing_letter()?;
            let found = client.check(&letter)?;
            let results = found.results(&client.server);
            let pretenders = forged(letter.header(), &client.server).count();
            match json {
                true => say(&found.json(&results, pretenders).to_string()),
                false => say(&found.text(&results, pretenders)),
            }
        }
        TrustCommand::Seal { client, key: used } => {
            let octets = letter()?;
            let signing = Signing {
                time: Some(now()),
                ..Signing::new(&used.name.domain, &used.name.selector)
            };
            let letter = Letter::read(&octets, &[signing.body_form()]).context("checking")?;
            let found = client.check(&letter)?;
            let results = found.results(&client.server).write();
            let key = key(&used.key)?;
            let set = arc::seal(&letter, &key, &signing, &results, found.arc.outcome);
            write(&[set.context("sealing")?.as_bytes(), &octets])
        }
    }
}

impl Client {
    fn check(&self, letter: &Letter) -> Result<Found, Complaint> {
        let zone = self.zone.read()?;
        let mut answers = Answers::default();
        let mut ask = |question: &trust::Question| zone.answer(question);
        let now = now();
        let path = self.from.trim_start_matches('<').trim_end_matches('>');
        let spf = Spf::mail_from(self.ip, &self.helo, path).checked_by(&self.server, now);
        let spf = spf.settle(&mut answers, &mut ask);
        let helo = (spf.identity == Identity::MailFrom).then(|| {
            let helo = Spf::helo(self.ip, &self.helo).checked_by(&self.server, now);
            helo.settle(&mut answers, &mut ask)
        });
        let dkim = dkim::Verify::new(letter, now).settle(&mut answers, &mut ask);
        let dmarc = Dmarc::new(letter, &spf, &dkim).settle(&mut answers, &mut ask);
        Ok(Found {
            iprev: Iprev { ip: self.ip }.settle(&mut answers, &mut ask),
            arc: arc::Verify::new(letter).settle(&mut answers, &mut ask),
            helo,
            spf,
            dkim,
            dmarc,
        })
    }
}

impl Found {
    fn results(&self, server: &str) -> AuthenticationResults {
        let findings = Findings {
            iprev: Some(&self.iprev),
            helo: self.helo.as_ref(),
            spf: Some(&self.spf),
            dkim: Some(&self.dkim),
            dmarc: Some(&self.dmarc),
            arc: Some(&self.arc),
            lists: &[],
        };
        findings.results(server)
    }

    /// The field, and below it why it says so.
    fn text(&self, results: &AuthenticationResults, pretenders: usize) -> String {
        let written = results.write().replace("\r\n", "\n");
        let mut text = format!("Authentication-Results: {written}\n\n");
        let mut line = |name: &str, what: String| text += &format!("{name:<6} {what}\n");
        line("iprev", self.iprev_line());
        if let Some(helo) = &self.helo {
            line("helo", spf_line(helo));
        }
        line("spf", spf_line(&self.spf));
        if self.dkim.is_empty() {
            line("dkim", "none: it is not signed".to_owned());
        }
        for verdict in &self.dkim {
            line("dkim", verdict_line(verdict));
        }
        line("dmarc", self.dmarc_line());
        line("arc", self.arc_line());
        if pretenders > 0 {
            line(
                "forged",
                format!("{pretenders} fields in the name of {}", results.server),
            );
        }
        text.trim_end().to_owned()
    }

    fn iprev_line(&self) -> String {
        let found = &self.iprev;
        let name = found
            .name
            .as_deref()
            .unwrap_or("no name leads back to the address");
        format!("{}: {name}", found.outcome)
    }

    fn dmarc_line(&self) -> String {
        let found = &self.dmarc;
        let mut line = found.outcome.to_string();
        if !found.author.is_empty() {
            line += &format!(" {}", found.author);
        }
        if let Some((domain, _)) = &found.found {
            line += &format!(": the policy of {domain} wants `{}`", found.wanted);
        }
        for (how, domain) in [("SPF", &found.spf), ("DKIM", &found.dkim)] {
            if let Some(domain) = domain {
                line += &format!(", {how} answers for it with {domain}");
            }
        }
        if let Some(problem) = &found.problem {
            line += &format!(": {problem}");
        }
        line
    }

    fn arc_line(&self) -> String {
        let sealers: Vec<&str> = self.arc.sealers.iter().map(|one| &*one.domain).collect();
        let mut line = self.arc.outcome.to_string();
        if !sealers.is_empty() {
            line += &format!(": sealed by {}", sealers.join(", then "));
        }
        if let Some(problem) = &self.arc.problem {
            line += &format!(": {problem}");
        }
        line
    }

    fn json(&self, results: &AuthenticationResults, pretenders: usize) -> Value {
        let asked = |question: &Option<trust::Question>| question.as_ref().map(ToString::to_string);
        let signatures: Vec<Value> = self.dkim.iter().map(verdict_json).collect();
        let sealers: Vec<Value> = self
            .arc
            .sealers
            .iter()
            .map(|one| {
                let (domain, selector, results) = (&one.domain, &one.selector, &one.results);
                json!({ "domain": domain, "selector": selector, "results": results })
            })
            .collect();
        let (term, of) = self.spf.decided.clone().unzip();
        json!({
            "authenticationResults": results.write(),
            "forged": pretenders,
            "iprev": {
                "result": self.iprev.outcome.to_string(),
                "name": self.iprev.name,
                "unanswered": asked(&self.iprev.unanswered),
            },
            "helo": self.helo.as_ref().map(|helo| helo.outcome.to_string()),
            "spf": {
                "result": self.spf.outcome.to_string(),
                "domain": self.spf.domain,
                "term": term,
                "of": of,
                "explanation": self.spf.explanation,
                "reason": self.spf.problem,
                "unanswered": asked(&self.spf.unanswered),
                "lookups": self.spf.lookups,
            },
            "dkim": signatures,
            "dmarc": {
                "result": self.dmarc.outcome.to_string(),
                "author": self.dmarc.author,
                "policyOf": self.dmarc.found.as_ref().map(|(domain, _)| domain),
                "organization": self.dmarc.organization,
                "wanted": self.dmarc.wanted.to_string(),
                "spf": self.dmarc.spf,
                "dkim": self.dmarc.dkim,
                "reason": self.dmarc.problem,
                "unanswered": asked(&self.dmarc.unanswered),
            },
            "arc": {
                "result": self.arc.outcome.to_string(),
                "sealers": sealers,
                "reason": self.arc.problem,
                "unanswered": asked(&self.arc.unanswered),
            },
        })
    }
}

fn spf_line(found: &spf::Verdict) -> String {
    let mut line = format!("{} {} for {}", found.outcome, found.domain, found.ip);
    if let Some((term, domain)) = &found.decided {
        line += &format!(": `{term}` of {domain}");
    }
    if let Some(problem) = &found.problem {
        line += &format!(": {problem}");
    }
    if let Some(words) = &found.explanation {
        line += &format!(" ({} explains: {words})", found.domain);
    }
    line
}
