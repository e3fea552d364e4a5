//! AUTH (RFC 4954).

use wire::sasl::{Exchange, Mechanism, Next, Verdict};
use wire::witness::Heard;

use super::{Awaiting, Session, State, reply, unanswered};
use crate::diagram::Verb;
use crate::{Ask, Reply, command};

impl Session {
    /// The mechanisms we offer, as things stand.
    pub(super) fn mechanisms(&self) -> impl Iterator<Item = Mechanism> {
        let offered = self.policy.mechanisms.iter().copied();
        let closed =
            self.peer.authenticated || (self.policy.tls_required && self.peer.security.is_none());
        offered.filter(move |mechanism| !closed && self.is_possible(*mechanism))
    }

    fn is_possible(&self, mechanism: Mechanism) -> bool {
        let security = self.peer.security.as_ref();
        mechanism.is_possible(security, self.policy.cleartext_passwords)
            && !self.is_exposed(mechanism)
    }

    /// True if the password would travel in the clear.
    fn is_exposed(&self, mechanism: Mechanism) -> bool {
        let clear = self.peer.security.is_none() && !self.policy.cleartext_passwords;
        clear && (mechanism.needs_tls() || self.policy.tls_required)
    }

    pub(super) fn auth(&mut self, name: &str, initial: Option<&[u8]>) {
        if self.policy.mechanisms.is_empty() {
            let refusal = reply(502, (5, 5, 1), "AUTH is not offered");
            return self.refuse(Verb::Auth, refusal);
        }
        let mechanism =
            Mechanism::parse(name).filter(|mechanism| self.policy.mechanisms.contains(mechanism));
        match mechanism {
            Some(mechanism) if self.is_possible(mechanism) => {
                let security = self.peer.security.as_ref();
                let (exchange, next) = Exchange::begin(mechanism, security, initial);
                self.exchange = Some(Box::new(exchange));
                self.proceed(next);
            }
            Some(mechanism) if self.is_exposed(mechanism) => {
                // RFC 4954 §6
                let refusal = reply(538, (5, 7, 11), "STARTTLS first");
                self.refuse(Verb::Auth, refusal);
            }
            _ => {
                let refusal = reply(504, (5, 5, 4), "This mechanism is not offered");
                self.refuse(Verb::Auth, refusal);
            }
        }
    }

    /// Takes a line of the exchange.
    pub(super) fn response(&mut self, line: &[u8]) {
        if line == b"*" {
            // RFC 4954 §4
            let cancelled = reply(501, (5, 7, 0), "Login cancelled");
            return self.fail(cancelled);
        }
        match (command::decode(line), &mut self.exchange) {
            (Ok(response), Some(exchange)) => {
                let next = exchange.receive(&response);
                self.proceed(next);
            }
            _ => self.fail(reply(501, (5, 5, 2), "Expected base64")),
        }
    }

    /// Takes the house's verdict.
    pub(super) fn judged(&mut self, verdict: Verdict) {
        let next = match &mut self.exchange {
            Some(exchange) => exchange.answer(verdict),
            None => Next::Refused(unanswered()),
        };
        self.proceed(next);
    }

    fn proceed(&mut self, next: Next) {
        match next {
            Next::Challenge(octets) => {
                let exchange = self.exchange.as_deref();
                if exchange.is_some_and(Exchange::challenges_in_secret) {
                    self.witness.note(|| Heard::Challenge);
                }
                let challenge = Reply::new(334, None, command::encode(&octets));
                self.conclude(self.login_verb(), vec![challenge], State::Auth);
            }
            Next::Ask(question) => self.put(Ask::Sasl(question), Awaiting::Sasl),
            Next::Accepted => {
                self.exchange = None;
                self.peer.authenticated = true;
                let welcome = reply(235, (2, 7, 0), "Logged in");
                self.reply(self.login_verb(), welcome);
            }
            Next::Refused(refusal) => {
                self.exchange = None;
                self.refuse_with(self.login_verb(), &refusal);
            }
            Next::Malformed => self.fail(reply(501, (5, 5, 2), "Not in the mechanism's grammar")),
        }
    }

    fn fail(&mut self, reply: Reply) {
        self.exchange = None;
        self.refuse(self.login_verb(), reply);
    }

    const fn login_verb(&self) -> Verb {
        match self.state {
            State::Auth => Verb::Response,
            _ => Verb::Auth,
        }
    }
}
