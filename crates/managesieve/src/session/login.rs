//! Logging in (RFC 5804 §2.1), and STARTTLS before it (§2.2).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BufMut as _;
use wire::sasl::{Exchange, Mechanism, Next, Verdict};
use wire::witness::Heard;

use super::{Purpose, Session, State, Work};
use crate::ask::Ask;
use crate::diagram::{Class, Verb};
use crate::response::{Code, Response};
use crate::text::{Cursor, Writer, put_string};

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

    /// How long the peer may be silent as things stand.
    pub(super) const fn silence_max(&self) -> Duration {
        match self.state {
            State::Authenticated { .. } => self.policy.silence_max,
            _ => self.policy.login_silence_max,
        }
    }

    /// Why STARTTLS is not possible now.
    pub(super) const fn start_tls_refusal(&self) -> Option<&'static str> {
        match &self.state {
            _ if self.security.is_some() => Some("Already encrypted"),
            _ if !self.policy.tls_offered => Some("No TLS here"),
            State::NonAuthenticated => None,
            _ => Some("Not now"),
        }
    }

    pub(super) fn start_tls(&mut self) {
        if let Some(why) = self.start_tls_refusal() {
            return self.refuse(Response::no(why));
        }
        self.enter(State::NonAuthenticated, &Response::ok("Begin TLS"));
        // What came in the clear behind the command is nobody's word.
        self.input.clear();
        self.work = Work::Upgrade;
    }

    pub(super) fn authenticate(&mut self, name: &str, initial: Option<&[u8]>) {
        let security = self.security.as_ref();
        let mechanism = Mechanism::parse(name);
        let offered = self
            .mechanisms()
            .find(|offered| Some(*offered) == mechanism);
        let Some(mechanism) = offered else {
            let no = match mechanism {
                Some(known) if security.is_none() && self.is_hidden(known) => {
                    Response::no("Encrypt first: STARTTLS").because(Code::EncryptNeeded)
                }
                _ => Response::no("No such mechanism here"),
            };
            return self.refuse(no);
        };
        // RFC 5804 §2.1
        if initial.is_some() && mechanism == Mechanism::Login {
            return self.refuse(Response::no("LOGIN has no initial response"));
        }
        let (exchange, next) = Exchange::begin(mechanism, security, initial);
        self.proceed(Box::new(exchange), next);
    }

    /// Takes the response to a challenge; `None` for one that was too long.
    pub(super) fn respond(&mut self, frame: Option<&[u8]>) {
        self.verb = Verb::Response;
        let State::Exchange(exchange) = &mut self.state else {
            return self.fail();
        };
        let Some(mut exchange) = exchange.take() else {
            return self.fail();
        };
        let Some(frame) = frame else {
            return self.refuse(Response::no("Line too long"));
        };
        let mut cursor = Cursor::new(frame);
        let response = cursor.string().filter(|_| cursor.is_end());
        match response.as_deref() {
            None => self.refuse(Response::no("Expected: a string")),
            // RFC 5804 §2.1
            Some(b"*") => self.refuse(Response::no("Cancelled")),
            Some(text) => match STANDARD.decode(text) {
                Err(_) => self.refuse(Response::no("Not base64")),
                Ok(response) => {
                    let next = exchange.receive(&response);
                    self.proceed(exchange, next);
                }
            },
        }
    }

    pub(super) fn verdict(&mut self, mut exchange: Box<Exchange>, verdict: Verdict) {
        let next = exchange.answer(verdict);
        self.proceed(exchange, next);
    }

    fn proceed(&mut self, exchange: Box<Exchange>, next: Next) {
        match next {
            Next::Challenge(challenge) => {
                if exchange.challenges_in_secret() {
                    self.witness.note(|| Heard::Challenge);
                }
                self.work = Work::Command;
                if self.follow(State::Exchange(Some(exchange)), Class::Challenge) {
                    let text = STANDARD.encode(challenge);
                    put_string(&mut self.output, text.as_bytes(), Writer::Server);
                    self.output.put_slice(b"\r\n");
                }
            }
            Next::Ask(question) => self.ask(Ask::Sasl(question), Purpose::Exchange(exchange)),
            Next::Accepted => self.ask(Ask::Open, Purpose::Open),
            Next::Refused(refusal) => self.refuse(Response::refused(&refusal)),
            Next::Malformed => self.refuse(Response::no("Malformed response")),
        }
    }
}
