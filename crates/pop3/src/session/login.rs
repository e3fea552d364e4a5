//! Logging in: USER and PASS (RFC 1939 §7), AUTH (RFC 5034).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wire::sasl::{Exchange, Mechanism, Next, Question, Secret};
use wire::witness::Heard;

use super::{Purpose, Session, State, Work};
use crate::Ask;
use crate::diagram::Verb;
use crate::response::Response;

impl Session {
    /// The mechanisms that are possible as things stand.
    pub(super) fn mechanisms(&self) -> impl Iterator<Item = Mechanism> {
        let (security, clear) = (self.security.as_ref(), self.policy.cleartext_passwords);
        let wanted = self.policy.mechanisms.iter().copied();
        wanted.filter(move |mechanism| mechanism.is_possible(security, clear))
    }

    /// True if the owner wants this mechanism where there is TLS, and only there.
    fn is_hidden(&self, mechanism: Mechanism) -> bool {
        mechanism.needs_tls() && self.policy.mechanisms.contains(&mechanism)
    }

    pub(super) const fn passwords_allowed(&self) -> bool {
        self.security.is_some() || self.policy.cleartext_passwords
    }

    pub(super) fn user(&mut self, name: String) {
        // RFC 2595 §2.3
        if !self.passwords_allowed() {
            return self.refuse(&Response::err("Encrypt first: STLS"));
        }
        // Who exists is not told before the password is right.
        let user = Some(name);
        self.enter(
            State::Authorization { user },
            &Response::ok("Password, please"),
        );
    }

    pub(super) fn pass(&mut self, password: Secret) {
        let State::Authorization { user } = &mut self.state else {
            return self.refuse(&Response::err("Not now"));
        };
        // RFC 1939 §7
        let Some(user) = user.take() else {
            return self.refuse(&Response::err("USER comes first"));
        };
        let question = Question::Password {
            user,
            authorization: None,
            password,
        };
        self.ask(Ask::Sasl(question), Purpose::Password);
    }

    pub(super) fn auth(&mut self, name: &str, initial: Option<&[u8]>) {
        let security = self.security.as_ref();
        let mechanism = Mechanism::parse(name);
        let Some(mechanism) = self
            .mechanisms()
            .find(|offered| Some(*offered) == mechanism)
        else {
            let text = match mechanism {
                Some(known) if security.is_none() && self.is_hidden(known) => "Encrypt first: STLS",
                _ => "No such mechanism here",
            };
            return self.refuse(&Response::err(text));
        };
        let (exchange, next) = Exchange::begin(mechanism, security, initial);
        self.proceed(Box::new(exchange), next);
    }

    /// Takes the response to a challenge; `None` for a line that was too long.
    pub(super) fn respond(&mut self, line: Option<&[u8]>) {
        self.verb = Verb::Response;
        let State::Exchange(exchange) = &mut self.state else {
            return self.fail();
        };
        let Some(mut exchange) = exchange.take() else {
            return self.fail();
        };
        // RFC 5034 §4
        if line == Some(b"*") {
            return self.refuse(&Response::err("Cancelled"));
        }
        match line.and_then(|line| STANDARD.decode(line).ok()) {
            None => self.refuse(&Response::err("Not base64")),
            Some(response) => {
                let next = exchange.receive(&response);
                self.proceed(exchange, next);
            }
        }
    }

    pub(super) fn proceed(&mut self, exchange: Box<Exchange>, next: Next) {
        match next {
            Next::Challenge(challenge) => {
                if exchange.challenges_in_secret() {
                    self.witness.note(|| Heard::Challenge);
                }
                let response = Response::challenge(STANDARD.encode(challenge));
                self.work = Work::Command;
                self.enter(State::Exchange(Some(exchange)), &response);
            }
            Next::Ask(question) => self.ask(Ask::Sasl(question), Purpose::Exchange(exchange)),
            Next::Accepted => self.ask(Ask::Open, Purpose::Open),
            Next::Refused(refusal) => self.refuse(&Response::refused(&refusal)),
            Next::Malformed => self.refuse(&Response::err("Malformed response")),
        }
    }
}
