//! What each command does.

use std::sync::Arc;

use mail::{BodyType, Recipient, ReversePath};

use super::body::Body;
use super::{Awaiting, Envelope, Peer, Session, State, fitted, reply, unanswered};
use crate::command::{Command, MailParameters, Malformed};
use crate::diagram::Verb;
use crate::policy::Service;
use crate::{Answer, Ask, Error, Origin, Reply, Transaction};

impl Session {
    /// Takes a line without its CRLF.
    pub(super) fn command(&mut self, line: &[u8]) {
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(_) if is_web(line) => return self.send_away(),
            Err(malformed) => return self.malformed(malformed),
        };
        let verb = self.meant(&command);
        if self.is_foreign(verb) {
            return self.refuse(Verb::Unknown, unknown());
        }
        let admitted = self.state.phase().admits(verb);
        if let Command::Bdat { octets, last } = command {
            return self.bdat(verb, octets, last, admitted);
        }
        if !admitted {
            return self.refuse(verb, self.out_of_order());
        }
        match command {
            Command::Helo(name) => self.hello(verb, name, false),
            Command::Ehlo(name) | Command::Lhlo(name) => self.hello(verb, name, true),
            Command::Mail {
                reverse_path,
                parameters,
            } => self.mail(reverse_path, parameters),
            Command::Rcpt(recipient) => self.rcpt(recipient, line.is_ascii()),
            Command::Data => self.data(),
            Command::Bdat { .. } => {}
            Command::Rset => self.rset(),
            Command::Noop => self.reply(verb, reply(250, (2, 0, 0), "OK")),
            Command::Vrfy(name) => self.vrfy(name),
            Command::Expn(_) => {
                self.refuse(verb, reply(502, (5, 5, 1), "Lists are not shown here"));
            }
            Command::Help(_) => self.help(),
            Command::Quit => self.quit(),
            Command::StartTls => self.start_tls(),
            Command::Etrn(host) => self.etrn(host),
            Command::Atrn(_) => {
                self.refuse(verb, reply(502, (5, 5, 1), "ATRN is not offered"));
            }
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial.as_deref()),
        }
    }

    /// The verb, told apart where what went before makes it another.
    fn meant(&self, command: &Command) -> Verb {
        let binary = self.state.envelope().is_some_and(|open| open.binary);
        match command.verb() {
            Verb::Auth if self.peer.authenticated => Verb::AuthAgain,
            Verb::Data if binary => Verb::DataBinary,
            verb => verb,
        }
    }

    /// True for words of another protocol than the one spoken here.
    fn is_foreign(&self, verb: Verb) -> bool {
        // RFC 2033 §4.1
        match verb {
            Verb::Lhlo => self.policy.service != Service::Lmtp,
            Verb::Helo | Verb::Ehlo => self.policy.service == Service::Lmtp,
            _ => false,
        }
    }

    fn out_of_order(&self) -> Reply {
        let text = match self.state {
            State::Declined => "No service here",
            State::Hello if self.policy.service == Service::Lmtp => "LHLO first",
            State::Hello => "EHLO first",
            State::Ready => "Not now; MAIL begins a transaction",
            State::Mail(_) => "Not now; RCPT is next",
            _ => "Not now",
        };
        reply(503, (5, 5, 1), text)
    }

    fn malformed(&mut self, Malformed { verb, error }: Malformed) {
        if self.is_foreign(verb) || matches!(error, Error::UnknownCommand) {
            return self.refuse(Verb::Unknown, unknown());
        }
        let reply = match (verb, error) {
            (Verb::Mail | Verb::Rcpt, Error::UnknownParameter(keyword)) => {
                reply(555, (5, 5, 4), format!("Parameter {keyword} is not known"))
            }
            (Verb::Mail, Error::NotAscii) => {
                reply(553, (5, 6, 7), "Addresses beyond ASCII need SMTPUTF8")
            }
            (_, Error::BadParameter(name)) => {
                reply(501, (5, 5, 4), format!("Bad value of parameter {name}"))
            }
            (_, Error::Syntax(error)) => {
                reply(501, (5, 5, 4), format!("Expected {}", error.expected))
            }
            (_, error) => reply(501, (5, 5, 2), error.to_string()),
        };
        self.refuse(verb, reply);
    }

    /// Ends it before the rest of the request is read: a page can make a browser send one whose
    /// body holds commands.
    fn send_away(&mut self) {
        let farewell = reply(421, (4, 7, 0), "This is for mail, not for the web");
        self.conclude(Verb::Unknown, vec![farewell], State::Closed);
    }

    fn hello(&mut self, verb: Verb, name: String, extended: bool) {
        let mut greeting = Reply::new(250, None, format!("{} greets {name}", self.policy.host));
        if extended {
            greeting.lines.extend(self.keywords());
        }
        self.peer.helo = name;
        self.peer.extended = extended;
        self.reply(verb, greeting);
    }

    /// The extensions we offer, as things stand (RFC 5321 §4.1.1.1).
    fn keywords(&self) -> Vec<String> {
        let policy = &self.policy;
        let mut keywords = vec![
            "PIPELINING".to_owned(),
            format!("SIZE {}", policy.message_octets_max),
            "8BITMIME".to_owned(),
            "ENHANCEDSTATUSCODES".to_owned(),
            "CHUNKING".to_owned(),
        ];
        let mut offer = |offered: bool, keyword: &str| {
            if offered {
                keywords.push(keyword.to_owned());
            }
        };
        offer(policy.binarymime, "BINARYMIME");
        offer(policy.smtputf8, "SMTPUTF8");
        offer(policy.dsn, "DSN");
        offer(self.may_require_tls(), "REQUIRETLS");
        offer(self.may_start_tls(), "STARTTLS");
        offer(policy.etrn_max > 0, "ETRN");
        let mechanisms: Vec<&str> = self.mechanisms().map(|one| one.name()).collect();
        offer(
            !mechanisms.is_empty(),
            &format!("AUTH {}", mechanisms.join(" ")),
        );
        keywords
    }

    // RFC 8689 §2
    fn may_require_tls(&self) -> bool {
        self.policy.requiretls && self.peer.security.is_some()
    }

    fn may_start_tls(&self) -> bool {
        self.policy.tls_offered && self.peer.security.is_none() && !self.peer.authenticated
    }

    fn start_tls(&mut self) {
        if !self.may_start_tls() {
            let refusal = reply(502, (5, 5, 1), "STARTTLS is not offered");
            return self.refuse(Verb::StartTls, refusal);
        }
        self.peer = Peer::default();
        self.upgrade = true;
        self.reply(Verb::StartTls, reply(220, (2, 0, 0), "Ready to start TLS"));
    }

    fn mail(&mut self, reverse_path: ReversePath, parameters: MailParameters) {
        if let Some(refusal) = self.objection(&parameters) {
            return self.refuse(Verb::Mail, refusal);
        }
        let envelope = Envelope {
            smtputf8: parameters.smtputf8,
            binary: parameters.body == Some(BodyType::BinaryMime),
            recipients: 0,
        };
        let transaction = Transaction {
            reverse_path,
            body: parameters.body.unwrap_or_default(),
            smtputf8: parameters.smtputf8,
            size: parameters.size,
            ret: parameters.ret,
            envid: parameters.envid,
            submitter: parameters.submitter,
            requires_tls: parameters.requires_tls,
            origin: Origin {
                helo: self.peer.helo.clone(),
                protocol: self.protocol(parameters.smtputf8),
                security: self.peer.security.clone(),
            },
        };
        self.put(Ask::Mail(Box::new(transaction)), Awaiting::Mail(envelope));
    }

    /// Why MAIL cannot be, whoever the sender is.
    fn objection(&self, parameters: &MailParameters) -> Option<Reply> {
        let policy = &self.policy;
        if policy.tls_required && self.peer.security.is_none() {
            // RFC 3207 §4
            return Some(reply(530, (5, 7, 0), "STARTTLS first"));
        }
        if policy.auth_required && !self.peer.authenticated {
            // RFC 4954 §6
            return Some(reply(530, (5, 7, 0), "AUTH first"));
        }
        if parameters.size > Some(policy.message_octets_max) {
            // RFC 1870 §6.1
            return Some(too_big(policy.message_octets_max));
        }
        let unknown = [
            (parameters.smtputf8 && !policy.smtputf8, "SMTPUTF8"),
            (parameters.ret.is_some() && !policy.dsn, "RET"),
            (parameters.envid.is_some() && !policy.dsn, "ENVID"),
            (
                parameters.requires_tls && !self.may_require_tls(),
                "REQUIRETLS",
            ),
        ];
        if let Some((_, name)) = unknown.into_iter().find(|(unknown, _)| *unknown) {
            let text = format!("Parameter {name} is not known");
            return Some(reply(555, (5, 5, 4), text));
        }
        if parameters.body == Some(BodyType::BinaryMime) && !policy.binarymime {
            return Some(reply(501, (5, 5, 4), "BINARYMIME is not offered"));
        }
        None
    }

    /// The `with` of the trace field (RFC 3848, RFC 6531 §4.3).
    fn protocol(&self, smtputf8: bool) -> String {
        let base = match (self.policy.service, smtputf8, self.peer.extended) {
            (Service::Lmtp, true, _) => "UTF8LMTP",
            (Service::Lmtp, false, _) => "LMTP",
            (_, true, _) => "UTF8SMTP",
            (_, false, true) => "ESMTP",
            (_, false, false) => return "SMTP".to_owned(),
        };
        let secure = if self.peer.security.is_some() {
            "S"
        } else {
            ""
        };
        let known = if self.peer.authenticated { "A" } else { "" };
        format!("{base}{secure}{known}")
    }

    pub(super) fn mail_answered(&mut self, envelope: Envelope, answer: Answer) {
        match answer {
            Answer::Done => {
                self.open = true;
                let replies = vec![reply(250, (2, 1, 0), "OK")];
                self.conclude(Verb::Mail, replies, State::Mail(envelope));
            }
            Answer::Refused(refusal) => self.refuse_with(Verb::Mail, &refusal),
            _ => self.refuse_with(Verb::Mail, &unanswered()),
        }
    }

    fn rcpt(&mut self, recipient: Recipient, in_ascii: bool) {
        let envelope = self.state.envelope().unwrap_or_default();
        // What counts is how it was written: a domain in A-labels needs nothing.
        if !in_ascii && !envelope.smtputf8 {
            let refusal = reply(553, (5, 6, 7), "Addresses beyond ASCII need SMTPUTF8");
            return self.refuse(Verb::Rcpt, refusal);
        }
        if envelope.recipients >= self.policy.recipients_max {
            // RFC 5321 §4.5.3.1.10
            return self.refuse(Verb::Rcpt, reply(452, (4, 5, 3), "Too many recipients"));
        }
        if !self.policy.dsn && (recipient.notify.is_some() || recipient.orcpt.is_some()) {
            let refusal = reply(555, (5, 5, 4), "DSN is not offered");
            return self.refuse(Verb::Rcpt, refusal);
        }
        self.put(Ask::Recipient(recipient), Awaiting::Recipient(envelope));
    }

    pub(super) fn recipient_answered(&mut self, mut envelope: Envelope, answer: Answer) {
        match answer {
            Answer::Done => {
                envelope.recipients += 1;
                let replies = vec![reply(250, (2, 1, 5), "OK")];
                self.conclude(Verb::Rcpt, replies, State::Rcpt(envelope));
            }
            Answer::Refused(refusal) => self.recipient_refused(fitted(Verb::Rcpt, &refusal)),
            _ => self.refuse_with(Verb::Rcpt, &unanswered()),
        }
    }

    /// Not a fault of the program: lists have dead addresses. But so many are none.
    fn recipient_refused(&mut self, refusal: Reply) {
        let for_good = refusal.code.class() == mail::Class::Permanent;
        self.refused += u32::from(for_good);
        if self.refused > self.policy.refused_recipients_max {
            let reply = reply(421, (4, 7, 0), "Too many refused recipients");
            self.conclude(Verb::Rcpt, vec![reply], State::Closed);
        } else {
            self.reply(Verb::Rcpt, refusal);
        }
    }

    fn data(&mut self) {
        let envelope = self.state.envelope().unwrap_or_default();
        *self.body = Body::new(&self.policy, true);
        self.put(Ask::Body, Awaiting::Body(envelope));
    }

    fn rset(&mut self) {
        self.reply(Verb::Rset, reply(250, (2, 0, 0), "OK"));
    }

    fn quit(&mut self) {
        let farewell = format!("{} says goodbye", self.policy.host);
        self.reply(Verb::Quit, reply(221, (2, 0, 0), farewell));
    }

    fn vrfy(&mut self, name: String) {
        let stranger = self.policy.auth_required && !self.peer.authenticated;
        if self.policy.verify && !stranger {
            self.put(Ask::Verify(name), Awaiting::Verify);
        } else {
            self.verify_answered(Answer::Done);
        }
    }

    pub(super) fn verify_answered(&mut self, answer: Answer) {
        match answer {
            Answer::Verified(address) => {
                self.reply(Verb::Vrfy, reply(250, (2, 1, 5), address));
            }
            Answer::Refused(refusal) => self.reply(Verb::Vrfy, fitted(Verb::Vrfy, &refusal)),
            // RFC 5321 §3.5.3
            _ => {
                let perhaps = "Cannot say; send and see";
                self.reply(Verb::Vrfy, reply(252, (2, 5, 0), perhaps));
            }
        }
    }

    // RFC 1985 §5
    fn etrn(&mut self, host: String) {
        if self.policy.etrn_max == 0 {
            let refusal = reply(502, (5, 5, 1), "ETRN is not offered");
            return self.refuse(Verb::Etrn, refusal);
        }
        // Neither subdomains nor queues by their names (RFC 1985 §5.3).
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-.".contains(letter);
        if !host.contains('.') || !host.chars().all(plain) {
            let refusal = reply(501, (5, 5, 4), "Expected the whole name of a host");
            return self.refuse(Verb::Etrn, refusal);
        }
        if self.flushes >= self.policy.etrn_max {
            let refusal = reply(458, (4, 7, 0), "No more of these on this connection");
            return self.refuse(Verb::Etrn, refusal);
        }
        self.flushes += 1;
        self.put(Ask::Flush(host.clone()), Awaiting::Flush(host));
    }

    // RFC 1985 §5.1
    pub(super) fn flush_answered(&mut self, host: &str, answer: Answer) {
        let told = match answer {
            Answer::Started(0) => {
                let text = format!("OK, no messages waiting for node {host}");
                reply(251, (2, 0, 0), text)
            }
            Answer::Started(count) => {
                let text = format!("OK, {count} pending messages for node {host} started");
                reply(253, (2, 0, 0), text)
            }
            Answer::Refused(refusal) => fitted(Verb::Etrn, &refusal),
            _ => fitted(Verb::Etrn, &unanswered()),
        };
        self.reply(Verb::Etrn, told);
    }

    fn help(&mut self) {
        let policy = Arc::clone(&self.policy);
        let hello = match policy.service {
            Service::Lmtp => "LHLO",
            Service::Relay | Service::Submission => "EHLO HELO",
        };
        let mut help = reply(214, (2, 0, 0), "Commands, as RFC 5321 explains them:");
        help.lines.push(format!(
            "{hello} MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT STARTTLS AUTH"
        ));
        self.reply(Verb::Help, help);
    }
}

/// True for the first line of a request by HTTP (RFC 9112 §3).
fn is_web(line: &[u8]) -> bool {
    line.windows(6).any(|part| part == b" HTTP/")
}

fn unknown() -> Reply {
    reply(500, (5, 5, 1), "No such command")
}

pub(super) fn too_big(octets_max: u64) -> Reply {
    let text = format!("A message may have {octets_max} octets");
    reply(552, (5, 3, 4), text)
}
