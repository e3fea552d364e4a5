//! A made-up house: ada and her password, and her scripts.

use bytes::Bytes;
use mail::{Enhanced, Refusal, ScriptName};
use managesieve::{Answer, Ask, Cause, Listed, Policy, Session};
use wire::dialogue::{security_for_tests, token_for_tests};
use wire::sasl::{Mechanism, Question, ScramKeys, Verdict};
use wire::witness::STAND_IN;

/// Octets of a script that fit.
const ROOM: u64 = 100;
/// Scripts that fit.
const SCRIPTS_MAX: usize = 3;

/// The house.
#[derive(Debug, Default)]
pub(crate) struct Made {
    user: String,
    /// The scripts, in the order they came.
    pub(crate) scripts: Vec<(ScriptName, Bytes)>,
    /// The one that runs.
    pub(crate) active: Option<ScriptName>,
}

/// A session as the first comment of a script wants it: `# tls`, `# clear`, `# no tls`;
/// `# mechanisms` tells which there are.
pub(crate) fn session(script: &str) -> Session {
    let mut policy = Policy::new("mail.caramel.example");
    policy.extensions = vec!["fileinto".to_owned(), "envelope".to_owned()];
    policy.command_octets_max = 400;
    policy.script_octets_max = 200;
    let first = script.lines().find(|line| line.starts_with('#'));
    let first = first.unwrap_or_default();
    policy.cleartext_passwords = first.starts_with("# clear");
    policy.tls_offered = !first.starts_with("# no tls");
    if script.lines().any(|line| line == "# sends") {
        policy.redirects_max = Some(4);
        policy.notify_methods = vec!["mailto".to_owned()];
        policy.list_schemes = vec!["tag".to_owned(), "urn".to_owned()];
    }
    if let Some(count) = script
        .lines()
        .find_map(|line| line.strip_prefix("# faults "))
    {
        policy.faults_max = count.parse().unwrap_or(10);
    }
    let named = |line: &str| Some(line.strip_prefix("# mechanisms ")?.to_owned());
    if let Some(names) = script.lines().find_map(named) {
        policy.mechanisms = names.split(' ').filter_map(Mechanism::parse).collect();
    }
    let mut session = Session::new(policy);
    if first.starts_with("# tls") {
        let mut security = security_for_tests();
        let shown = script
            .lines()
            .filter_map(|line| line.strip_prefix("# certificate "));
        security.certified = shown.map(str::to_owned).collect();
        wire::Session::secured(&mut session, security);
    }
    session
}

impl Made {
    /// A house without scripts.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn place(&self, name: &ScriptName) -> Option<usize> {
        self.scripts.iter().position(|(known, _)| known == name)
    }

    fn check(text: &[u8]) -> Answer {
        match text {
            text if text.starts_with(b"bad") => {
                let text = "line 1: 'bad' is no command\r\nline 2: neither is this";
                Answer::No(Cause::Faulty, text.to_owned())
            }
            text if text.starts_with(b"odd") => Answer::Warned("line 1: odd".to_owned()),
            _ => Answer::Done,
        }
    }

    fn has_space(&self, name: &ScriptName, octets: u64) -> Answer {
        if octets > ROOM {
            return Answer::No(Cause::TooLarge, "At most 100 octets".to_owned());
        }
        if self.place(name).is_none() && self.scripts.len() >= SCRIPTS_MAX {
            return Answer::No(Cause::TooMany, "At most 3 scripts".to_owned());
        }
        Answer::Done
    }

    fn put(&mut self, name: ScriptName, text: Bytes) -> Answer {
        let space = self.has_space(&name, u64::try_from(text.len()).unwrap_or(u64::MAX));
        if space != Answer::Done {
            return space;
        }
        let answer = Self::check(&text);
        if !matches!(answer, Answer::No(..)) {
            match self.place(&name) {
                Some(place) => self.scripts[place].1 = text,
                None => self.scripts.push((name, text)),
            }
        }
        answer
    }

    fn delete(&mut self, name: &ScriptName) -> Answer {
        match self.place(name) {
            None => none(),
            Some(_) if self.active.as_ref() == Some(name) => {
                Answer::No(Cause::Active, "It is the active script".to_owned())
            }
            Some(place) => {
                self.scripts.remove(place);
                Answer::Done
            }
        }
    }

    fn rename(&mut self, name: &ScriptName, new: ScriptName) -> Answer {
        let Some(place) = self.place(name) else {
            return none();
        };
        if self.place(&new).is_some() {
            return Answer::No(Cause::AlreadyExists, "There is one of this name".to_owned());
        }
        if self.active.as_ref() == Some(name) {
            self.active = Some(new.clone());
        }
        self.scripts[place].0 = new;
        Answer::Done
    }

    fn login(question: &Question) -> Verdict {
        if let Some(verdict) = token_for_tests(question) {
            return verdict;
        }
        match question {
            Question::Password { user, password, .. }
                if password.0 == "secret word" || password.0 == STAND_IN =>
            {
                match user.as_str() {
                    "ada" | "gone" => Verdict::Accepted,
                    "late" => Verdict::Refused(no(454, Enhanced::new(4, 7, 0), "Try again later")),
                    _ => Verdict::Refused(wrong()),
                }
            }
            Question::Certified { .. } => Verdict::Accepted,
            Question::Keys { .. } => Verdict::Keys(ScramKeys {
                salt: b"salt".to_vec(),
                iterations: 4096,
                stored_key: vec![1; 32],
                server_key: vec![2; 32],
                nonce: "server".to_owned(),
            }),
            _ => Verdict::Refused(wrong()),
        }
    }
}

fn none() -> Answer {
    Answer::No(Cause::Nonexistent, "There is no such script".to_owned())
}

fn wrong() -> Refusal {
    no(535, Enhanced::new(5, 7, 8), "Wrong name or password")
}

fn no(code: u16, enhanced: Enhanced, text: &str) -> Refusal {
    Refusal::new(code, enhanced, text)
}

impl wire::dialogue::House<Session> for Made {
    fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Sasl(question) => {
                if let Question::Password { user, .. } = &question {
                    self.user.clone_from(user);
                }
                Answer::Sasl(Self::login(&question))
            }
            Ask::Open if self.user == "gone" => {
                Answer::Refused(no(451, Enhanced::new(4, 3, 0), "The disk does not answer"))
            }
            Ask::Open => Answer::Opened("ada@caramel.example".to_owned()),
            Ask::HaveSpace(name, octets) => self.has_space(&name, octets),
            Ask::Check(text) => Self::check(&text),
            Ask::Put(name, text) => self.put(name, text),
            Ask::List => {
                let listed = |(name, _): &(ScriptName, Bytes)| Listed {
                    name: name.clone(),
                    is_active: self.active.as_ref() == Some(name),
                };
                Answer::Listed(self.scripts.iter().map(listed).collect())
            }
            Ask::Activate(name) => match &name {
                Some(name) if self.place(name).is_none() => none(),
                _ => {
                    self.active = name;
                    Answer::Done
                }
            },
            Ask::Get(name) => match self.place(&name) {
                Some(place) => Answer::Script(self.scripts[place].1.clone()),
                None => none(),
            },
            Ask::Delete(name) => self.delete(&name),
            Ask::Rename(name, new) => self.rename(&name, new),
            Ask::Leave => {
                self.user.clear();
                Answer::Done
            }
        }
    }
}
