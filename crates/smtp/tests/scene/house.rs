//! A house for dialogues: who exists in it, what it remembers.

use std::sync::Arc;
use std::time::Duration;

use mail::{Enhanced, Refusal};
use smtp::{Answer, Ask, Policy, Session};
use wire::dialogue::{House, security_for_tests, token_for_tests};
use wire::sasl::{Mechanism, Question, Verdict};
use wire::witness::STAND_IN;

/// Knows `ada` (password `secret`); refuses `nobody`, defers `later`, hangs up on `closing`, has
/// no room for `full`'s copy and none for a body that says FULL.
#[derive(Debug)]
pub(crate) struct Scene {
    policy: Arc<Policy>,
    implicit_tls: bool,
    certified: Vec<String>,
    recipients: Vec<String>,
    body: Vec<u8>,
    heard: Vec<String>,
}

impl Scene {
    /// A house with the policy that a dialogue's first line says.
    pub(crate) fn new(header: &str) -> Self {
        let words: Vec<&str> = header.split(' ').skip(2).collect();
        let has = |word: &str| words.contains(&word);
        let host = "mx.example";
        let mut policy = if has("submission") {
            Policy::submission(host)
        } else if has("lmtp") {
            Policy::lmtp(host)
        } else {
            Policy::relay(host)
        };
        policy.verify = has("verify");
        policy.binarymime = has("binary");
        policy.cleartext_passwords = has("cleartext");
        policy.tls_required = has("tls-required");
        policy.dsn = !has("no-dsn");
        policy.smtputf8 = !has("no-utf8");
        policy.message_octets_max = 1000;
        policy.command_timeout = Duration::from_secs(300);
        let mut certified = Vec::new();
        for word in &words {
            if let Some(address) = word.strip_prefix("certificate=") {
                certified.push(address.to_owned());
            } else if let Some(names) = word.strip_prefix("mechanisms=") {
                policy.mechanisms = names.split(',').filter_map(Mechanism::parse).collect();
            } else if let Some((name, value)) = word.split_once('=') {
                let value: u32 = value.parse().unwrap_or_default();
                match name {
                    "size" => policy.message_octets_max = u64::from(value),
                    "line" => policy.text_line_octets_max = usize::try_from(value).unwrap_or(0),
                    "recipients" => policy.recipients_max = value,
                    "body" => policy.body_timeout = Duration::from_secs(u64::from(value)),
                    "faults" => policy.faults_max = value,
                    "refused" => policy.refused_recipients_max = value,
                    "etrn" => policy.etrn_max = value,
                    "decline" => {
                        let code = u16::try_from(value).unwrap_or(554);
                        policy.refusal = Some(refusal(code, "No service for you"));
                    }
                    _ => {}
                }
            }
        }
        Self {
            policy: Arc::new(policy),
            implicit_tls: has("tls"),
            certified,
            recipients: Vec::new(),
            body: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// A session under the policy.
    pub(crate) fn session(&self) -> Session {
        let mut session = Session::new(Arc::clone(&self.policy));
        if self.implicit_tls {
            let mut security = security_for_tests();
            security.certified.clone_from(&self.certified);
            wire::Session::secured(&mut session, security);
        }
        session
    }

    /// What the house heard, a line for each ask; chunks as one body.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.clone()
    }

    fn recipient(&mut self, name: &str) -> Answer {
        let local = name.trim_start_matches('<');
        let local = local.split('@').next().unwrap_or_default();
        match local {
            "nobody" => Answer::Refused(refusal(550, "No such mailbox")),
            "later" => Answer::Refused(refusal(451, "Come back later")),
            "closing" => Answer::Refused(refusal(421, "We close")),
            _ => {
                self.recipients.push(local.to_owned());
                Answer::Done
            }
        }
    }

    fn accept(&mut self) -> Answer {
        let body = std::mem::take(&mut self.body);
        self.heard.push(format!("accept {}", body.escape_ascii()));
        let recipients = std::mem::take(&mut self.recipients);
        let outcome = |name: &String| match name.as_str() {
            "full" => Err(refusal(452, "No room left")),
            name => Ok(format!("Kept for {name}")),
        };
        if self.policy.service == smtp::Service::Lmtp {
            return Answer::Each(recipients.iter().map(outcome).collect());
        }
        if body.starts_with(b"Subject: spam") {
            return Answer::Refused(refusal(554, "Not wanted"));
        }
        Answer::Stored("Kept as j1".to_owned())
    }
}

impl House<Session> for Scene {
    fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Chunk(octets) => {
                self.body.extend_from_slice(&octets);
                if self.body.windows(4).any(|window| window == b"FULL") {
                    return Answer::Refused(refusal(452, "No room left"));
                }
                Answer::Done
            }
            Ask::Accept => self.accept(),
            Ask::Sasl(question) => {
                self.heard.push(format!("{question:?}"));
                Answer::Sasl(verdict(&question))
            }
            Ask::Mail(transaction) => {
                let (from, origin) = (&transaction.reverse_path, &transaction.origin);
                self.heard.push(format!(
                    "mail {from} with {} from {} body {:?} size {:?} ret {:?} envid {:?} auth {:?}",
                    origin.protocol,
                    origin.helo,
                    transaction.body,
                    transaction.size,
                    transaction.ret,
                    transaction.envid,
                    transaction.submitter.as_ref().map(ToString::to_string),
                ));
                let wish = transaction.requires_tls.then_some("requires TLS");
                self.heard.extend(wish.map(str::to_owned));
                if from.to_string().contains("@bad.example") {
                    return Answer::Refused(refusal(550, "We do not know you"));
                }
                Answer::Done
            }
            Ask::Recipient(recipient) => {
                let path = recipient.forward_path.to_string();
                self.heard.push(format!(
                    "recipient {path} notify {:?} orcpt {:?}",
                    recipient.notify, recipient.orcpt
                ));
                self.recipient(&path)
            }
            Ask::Body => {
                self.heard.push("body".to_owned());
                Answer::Done
            }
            Ask::Abort => {
                self.heard.push("abort".to_owned());
                self.body.clear();
                self.recipients.clear();
                Answer::Done
            }
            Ask::Flush(host) => {
                self.heard.push(format!("flush {host}"));
                match host.as_str() {
                    "busy.example" => Answer::Started(14),
                    "idle.example" => Answer::Started(0),
                    _ => Answer::Refused(refusal(459, "This is not yours")),
                }
            }
            Ask::Verify(name) => {
                self.heard.push(format!("verify {name}"));
                match name.as_str() {
                    "ada" => Answer::Verified("Ada <ada@mx.example>".to_owned()),
                    "nobody" => Answer::Refused(refusal(550, "No such mailbox")),
                    "later" => Answer::Refused(refusal(451, "Come back later")),
                    _ => Answer::Done,
                }
            }
        }
    }
}

fn verdict(question: &Question) -> Verdict {
    if let Some(verdict) = token_for_tests(question) {
        return verdict;
    }
    match question {
        Question::Password { user, password, .. }
            if user == "ada" && (password.0 == "secret" || password.0 == STAND_IN) =>
        {
            Verdict::Accepted
        }
        Question::Certified { .. } => Verdict::Accepted,
        _ => Verdict::Refused(Refusal::new(535, Enhanced::new(5, 7, 8), "Wrong password")),
    }
}

fn refusal(code: u16, text: &str) -> Refusal {
    let class = if code < 500 { 4 } else { 5 };
    Refusal::new(code, Enhanced::new(class, 2, 1), text)
}
