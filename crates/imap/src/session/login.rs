//! Before a mailbox is open: greeting, capabilities, TLS, logging in, extensions, goodbye
//! (RFC 9051 §6.1, §6.2, §6.3.1; RFC 2971).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail::{Class as ReplyClass, Enhanced, Refusal};
use wire::Upgrade;
use wire::sasl::{Exchange, Mechanism, Next, Question, Secret, Verdict};
use wire::witness::Heard;

use super::state::{State, Task, Wait};
use super::{Moment, Session};
use crate::Tag;
use crate::ask::Ask;
use crate::diagram::{Class, Verb};
use crate::response::{Code, Response, Status};

/// What every connection can do, whatever its state.
const CAPABILITIES: [&str; 54] = [
    "IMAP4rev2",
    "IMAP4rev1",
    "LITERAL+",
    "SASL-IR",
    "ID",
    "ENABLE",
    "UTF8=ACCEPT",
    "UNAUTHENTICATE",
    "IDLE",
    "INPROGRESS",
    "NAMESPACE",
    "UNSELECT",
    "UIDPLUS",
    "MULTIAPPEND",
    "CATENATE",
    "REPLACE",
    "MOVE",
    "ESEARCH",
    "SEARCHRES",
    "MULTISEARCH",
    "SEARCH=FUZZY",
    "PARTIAL",
    "WITHIN",
    "I18NLEVEL=1",
    "SORT",
    "SORT=DISPLAY",
    "ESORT",
    "THREAD=ORDEREDSUBJECT",
    "THREAD=REFERENCES",
    "THREAD=REFS",
    "CONTEXT=SEARCH",
    "CONTEXT=SORT",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "SPECIAL-USE",
    "CHILDREN",
    "STATUS=SIZE",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "QUOTA=RES-MESSAGE",
    "METADATA",
    "LIST-METADATA",
    "NOTIFY",
    "CONDSTORE",
    "QRESYNC",
    "CREATE-SPECIAL-USE",
    "OBJECTID",
    "SAVEDATE",
    "PREVIEW",
    "BINARY",
    "COMPRESS=DEFLATE",
    "ACL",
    "RIGHTS=kxte",
    "LIST-MYRIGHTS",
];

impl Session {
    pub(super) fn greet(&mut self) {
        let text = format!("{} is ready", self.policy.host);
        let status = Status::ok(text).with(Code::Capability(self.capabilities()));
        self.untagged(&status);
        self.enter(Verb::Connect, Class::Ok, State::NotAuthenticated);
    }

    pub(super) fn capability(&mut self, tag: Tag) {
        self.write(&Response::Capability(self.capabilities()));
        let status = Status::ok("That is all");
        self.conclude(tag, Verb::Capability, status, Moment::Free, false);
    }

    pub(super) fn logout(&mut self, tag: &Tag) {
        self.untagged(&Status::bye("Goodbye"));
        self.enter(Verb::Logout, Class::Bye, State::Logout);
        self.reply(tag, Verb::Logout, &Status::ok("Done"));
    }

    pub(super) fn identity(&mut self, tag: Tag, fields: Vec<(String, Option<String>)>) {
        let ours = self.policy.identity.iter();
        let ours = ours.map(|(name, value)| (name.clone(), Some(value.clone())));
        self.write(&Response::Id(ours.collect()));
        let wait = Wait::Done {
            tag,
            verb: Verb::Id,
            text: "Pleased to meet you",
        };
        self.wait(Ask::Identity(fields), wait);
    }

    pub(super) fn start_tls(&mut self, tag: &Tag) {
        if self.security.is_some() || !self.policy.starttls {
            let status = Status::bad("TLS is not on offer").with(Code::ClientBug);
            return self.bad(Some(tag), &status);
        }
        self.reply(tag, Verb::StartTls, &Status::ok("Begin TLS"));
        // RFC 9051 §6.2.1
        self.frames.clear();
        self.output.upgrade(Upgrade::Tls);
    }

    pub(super) fn authenticate(&mut self, tag: Tag, mechanism: &str, initial: Option<&[u8]>) {
        let known = Mechanism::parse(mechanism);
        let offered = known.filter(|known| self.mechanisms().any(|offered| offered == *known));
        let Some(mechanism) = offered else {
            let status = match known {
                Some(known) if self.security.is_none() && self.is_known(known) => {
                    Status::no("Encrypt first").with(Code::PrivacyRequired)
                }
                _ => Status::no("No such mechanism here").with(Code::Cannot),
            };
            return self.reply(&tag, Verb::Authenticate, &status);
        };
        let (exchange, next) = Exchange::begin(mechanism, self.security.as_ref(), initial);
        self.go_on(tag, Verb::Authenticate, Some(Box::new(exchange)), next);
    }

    pub(super) fn login(&mut self, tag: Tag, user: String, password: Secret) {
        if self.login_disabled() {
            // RFC 9051 §6.2.3
            let status = Status::no("Encrypt first").with(Code::PrivacyRequired);
            return self.reply(&tag, Verb::Login, &status);
        }
        let question = Question::Password {
            user,
            authorization: None,
            password,
        };
        self.go_on(tag, Verb::Login, None, Next::Ask(question));
    }

    /// Takes the peer's line inside AUTHENTICATE.
    pub(super) fn take_response(&mut self) -> bool {
        let shown = |line: &[u8]| match &self.task {
            Task::Exchange(_, exchange) => Some(exchange.shown(line)),
            _ => None,
        };
        let octets_max = self.policy.response_octets_max;
        let Some(line) = self.frames.line(octets_max, shown) else {
            return false;
        };
        let Task::Exchange(tag, mut exchange) = std::mem::take(&mut self.task) else {
            return true;
        };
        let next = match line.as_deref() {
            // RFC 9051 §6.2.2
            Some(b"*") => {
                let status = Status::bad("Cancelled");
                self.reply(&tag, Verb::Authenticate, &status);
                return true;
            }
            Some(line) => STANDARD
                .decode(line)
                .map_or(Next::Malformed, |response| exchange.receive(&response)),
            None => Next::Malformed,
        };
        self.go_on(tag, Verb::Authenticate, Some(exchange), next);
        true
    }

    pub(super) fn take_verdict(
        &mut self,
        tag: Tag,
        verb: Verb,
        exchange: Option<Box<Exchange>>,
        verdict: Verdict,
    ) {
        let Some(mut exchange) = exchange else {
            let next = match verdict {
                Verdict::Accepted => Next::Accepted,
                Verdict::Refused(refusal) => Next::Refused(refusal),
                Verdict::Keys(_) | Verdict::TokenRefused(..) => return self.fault(),
            };
            return self.go_on(tag, verb, None, next);
        };
        let next = exchange.answer(verdict);
        self.go_on(tag, verb, Some(exchange), next);
    }

    fn go_on(&mut self, tag: Tag, verb: Verb, exchange: Option<Box<Exchange>>, next: Next) {
        match (next, exchange) {
            (Next::Challenge(challenge), Some(exchange)) => {
                if exchange.challenges_in_secret() {
                    self.frames.witness.note(|| Heard::Challenge);
                }
                self.write(&Response::Continue(STANDARD.encode(challenge)));
                self.task = Task::Exchange(tag, exchange);
            }
            (Next::Ask(question), exchange) => {
                let wait = Wait::Verdict {
                    tag,
                    verb,
                    exchange,
                };
                self.wait(Ask::Sasl(question), wait);
            }
            (Next::Accepted, _) => self.logged_in(&tag, verb),
            (Next::Refused(refusal), _) => self.not_logged_in(&tag, verb, refusal),
            (Next::Malformed, _) => {
                let status = Status::bad("Not in the mechanism's grammar");
                self.reply(&tag, verb, &status);
                self.count_failure();
            }
            (Next::Challenge(_), None) => self.fault(),
        }
    }

    fn logged_in(&mut self, tag: &Tag, verb: Verb) {
        self.enter(verb, Class::Ok, State::Authenticated);
        let status = Status::ok("Welcome").with(Code::Capability(self.capabilities()));
        self.tagged(tag, &status);
    }

    fn not_logged_in(&mut self, tag: &Tag, verb: Verb, refusal: Refusal) {
        // RFC 5530 §3
        let code = if refusal.code.class() == ReplyClass::Transient {
            Code::Unavailable
        } else if refusal.enhanced == Enhanced::new(5, 7, 8) {
            Code::AuthenticationFailed
        } else {
            Code::AuthorizationFailed
        };
        self.reply(tag, verb, &Status::no(refusal.text).with(code));
        self.count_failure();
    }

    fn count_failure(&mut self) {
        self.failed_logins += 1;
        if self.failed_logins > self.policy.failed_logins_max {
            self.bye("Too many failed logins");
        }
    }

    pub(super) fn compress(&mut self, tag: &Tag, mechanism: &str) {
        // RFC 4978 §3
        let refused = if mechanism != "DEFLATE" {
            Status::bad("DEFLATE is the only compression").with(Code::Cannot)
        } else if self.compressed {
            Status::bad("DEFLATE is on").with(Code::CompressionActive)
        } else {
            self.reply(tag, Verb::Compress, &Status::ok("DEFLATE from here on"));
            self.frames.clear();
            self.compressed = true;
            return self.output.upgrade(Upgrade::Deflate);
        };
        self.reply(tag, Verb::Compress, &refused);
    }

    pub(super) fn unauthenticate(&mut self, tag: Tag) {
        if self.compressed {
            // RFC 8437 §3: the end of the peer's compression cannot be seen in time.
            return self.bye("Connect anew: compression is on");
        }
        self.wait(Ask::Unauthenticate, Wait::Left(tag));
    }

    pub(super) fn unauthenticated(&mut self, tag: &Tag) {
        // RFC 8437 §4.1
        (self.rev2, self.utf8) = (false, false);
        (self.condstore, self.qresync, self.uid_only) = (false, false, false);
        self.noticed = false;
        self.notify = None;
        self.enter(Verb::Unauthenticate, Class::Ok, State::NotAuthenticated);
        let status = Status::ok("Who is next?").with(Code::Capability(self.capabilities()));
        self.tagged(tag, &status);
    }

    pub(super) fn enable(&mut self, tag: Tag, names: &[String]) {
        let mut enabled = Vec::new();
        for name in names {
            // RFC 9051 §6.3.1
            if name.eq_ignore_ascii_case("IMAP4rev2") && !self.rev2 {
                self.rev2 = true;
                enabled.push("IMAP4rev2".to_owned());
            } else if name.eq_ignore_ascii_case("UTF8=ACCEPT") && !self.utf8 {
                self.utf8 = true;
                enabled.push("UTF8=ACCEPT".to_owned());
            } else if name.eq_ignore_ascii_case("CONDSTORE") && !self.condstore {
                self.enable_condstore();
                enabled.push("CONDSTORE".to_owned());
            } else if name.eq_ignore_ascii_case("QRESYNC") && !self.qresync {
                self.qresync = true;
                // RFC 7162 §3.2.3
                self.enable_condstore();
                enabled.push("QRESYNC".to_owned());
            } else if name.eq_ignore_ascii_case("UIDONLY") && self.policy.uid_only && !self.uid_only
            {
                // RFC 9586 §3.1
                self.uid_only = true;
                self.end_numbered();
                enabled.push("UIDONLY".to_owned());
            }
        }
        self.write(&Response::Enabled(enabled));
        let status = Status::ok("Done");
        self.conclude(tag, Verb::Enable, status, Moment::Free, false);
    }

    fn login_disabled(&self) -> bool {
        self.security.is_none() && !self.policy.clear_passwords
    }

    fn capabilities(&self) -> Vec<String> {
        let mut names: Vec<String> = CAPABILITIES.map(str::to_owned).into();
        if self.policy.uid_only {
            names.push("UIDONLY".to_owned());
        }
        // RFC 7889 §2
        names.push(format!("APPENDLIMIT={}", self.policy.append_limit()));
        // RFC 6785 §2.1
        let sieve = self.policy.sieve.iter();
        names.extend(sieve.map(|place| format!("IMAPSIEVE=sieve://{place}")));
        if !matches!(self.state, State::Greeting | State::NotAuthenticated) {
            return names;
        }
        if self.security.is_none() && self.policy.starttls {
            names.push("STARTTLS".to_owned());
        }
        if self.login_disabled() {
            names.push("LOGINDISABLED".to_owned());
        }
        names.extend(
            self.mechanisms()
                .map(|mechanism| format!("AUTH={}", mechanism.name())),
        );
        names
    }

    /// True if the owner wants this mechanism where it is possible.
    fn is_known(&self, mechanism: Mechanism) -> bool {
        self.policy.mechanisms.contains(&mechanism)
    }

    /// The mechanisms that are possible as things stand.
    fn mechanisms(&self) -> impl Iterator<Item = Mechanism> {
        let (security, clear) = (self.security.as_ref(), self.policy.clear_passwords);
        let wanted = self.policy.mechanisms.iter().copied();
        wanted.filter(move |mechanism| mechanism.is_possible(security, clear))
    }
}
