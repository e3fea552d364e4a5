//! What rspamd is asked by HTTP, and what its answer means for a letter.
//!
//! A letter is posted to [`RSPAMD_PATH`], what is known of its way stands in header fields of the
//! request ([`RspamdAsk`]), and the answer is JSON ([`RspamdAnswer`]). There is no RFC; this is
//! what rspamd's own pages on its protocol say.
//!
//! Not here: the exchange itself (`net`), and what becomes of a letter (`server`).

use std::fmt::Write as _;
use std::net::IpAddr;

use message::{Builder, Header};
use serde_json::{Map, Value};

use crate::answer::{Change, Verdict, path, printable, status};

/// Where on a server a letter is judged.
pub const RSPAMD_PATH: &str = "/checkv2";

/// Octets that an answer may have.
pub const RSPAMD_ANSWER_OCTETS_MAX: usize = 512 * 1024;

/// Changes of a letter that one answer may ask for.
const CHANGES_MAX: usize = 256;
/// Octets of the name of a field that is added or removed.
const NAME_OCTETS_MAX: usize = 76;
/// Letters of what is said to whoever hands a letter in, and of an action's name.
const TEXT_LETTERS_MAX: usize = 300;
/// Symbols that are told of a letter: those that weigh most.
const SYMBOLS_TOLD_MAX: usize = 16;
/// Letters of a symbol's name that are told.
const SYMBOL_LETTERS_MAX: usize = 48;

/// The field that marks what is taken for spam, where the answer names no other.
const SPAM_FIELD: &str = "X-Spam";
/// The field that tells an action that is not to be carried out.
const ACTION_FIELD: &str = "X-Rspamd-Action";

/// What is known of a letter and its way.
#[derive(Clone, Copy, Debug, Default)]
pub struct RspamdAsk<'a> {
    /// Who hands it in; none for a connection inside this machine.
    pub client: Option<IpAddr>,
    /// What the client calls itself.
    pub helo: &'a str,
    /// The reverse-path, without brackets; empty for the null path.
    pub sender: &'a str,
    /// The forward-paths, without brackets.
    pub recipients: &'a [String],
    /// Who is logged in; empty if nobody is.
    pub user: &'a str,
    /// What the letter is called here.
    pub queue_id: &'a str,
    /// What this server is called.
    pub host: &'a str,
    /// The version of TLS; empty without TLS.
    pub tls_version: &'a str,
    /// Its cipher suite.
    pub tls_cipher: &'a str,
    /// The password that the server wants; empty where it wants none.
    pub password: &'a str,
}

impl RspamdAsk<'_> {
    /// The header fields of the request: names and values. What a value cannot have is left out of
    /// it, and so is a field without a value.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let client = self.client.map(|ip| ip.to_canonical().to_string());
        let sender = match self.sender {
            "" => "<>",
            path => path,
        };
        let mut fields = vec![
            ("IP", client.unwrap_or_default()),
            ("Helo", one_line(self.helo)),
            ("From", one_line(sender)),
            ("User", one_line(self.user)),
            ("Queue-Id", one_line(self.queue_id)),
            ("MTA-Name", one_line(self.host)),
            ("TLS-Version", one_line(self.tls_version)),
            ("TLS-Cipher", one_line(self.tls_cipher)),
            ("Password", one_line(self.password)),
        ];
        let recipients = self.recipients.iter();
        fields.extend(recipients.map(|path| ("Rcpt", one_line(path))));
        // Settings and statistics of one's own are for one who is alone.
        if let [only] = self.recipients {
            fields.push(("Deliver-To", one_line(only)));
        }
        fields.retain(|(_, value)| !value.is_empty());
        fields
    }
}

/// A value for a header field of the request.
fn one_line(text: &str) -> String {
    let plain = text.chars().filter(|letter| !letter.is_control());
    plain.collect::<String>().trim().to_owned()
}

/// Why an answer says nothing of a letter: whoever gives it is as good as away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RspamdError {
    /// It is no JSON.
    #[error("what is no JSON ({0})")]
    Json(String),
    /// It names no action.
    #[error("no action")]
    Action,
    /// It wants more changes than are made.
    #[error("more than {CHANGES_MAX} changes")]
    Changes,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq)]
pub struct RspamdAnswer {
    /// The action, as it was named.
    pub action: String,
    /// What is to be done.
    pub verdict: Verdict,
    /// What becomes of the letter, if it is taken.
    pub changes: Vec<Change>,
    /// True if whoever hands it in is to come back with it, unless they did.
    pub asks_back: bool,
    /// Its score, if it was judged.
    pub score: Option<f64>,
    /// The score from which on it is refused, or else the highest that something follows from; none
    /// where nothing follows from any.
    pub required: Option<f64>,
    /// What was found, with what it counts: that which weighs most first.
    pub symbols: Vec<(String, f64)>,
}

impl RspamdAnswer {
    /// Reads an answer.
    ///
    /// # Errors
    /// Where it is none: half of one, another kind of thing, or without an action.
    pub fn read(octets: &[u8]) -> Result<Self, RspamdError> {
        let said: Value =
            serde_json::from_slice(octets).map_err(|error| RspamdError::Json(error.to_string()))?;
        let action = said.get("action").and_then(Value::as_str);
        let action = cut(&action.map(plain).ok_or(RspamdError::Action)?).to_owned();
        let is_skipped = said.get("is_skipped").and_then(Value::as_bool) == Some(true);
        let score = said.get("score").and_then(Value::as_f64);
        let mut answer = Self {
            action: action.clone(),
            verdict: Verdict::Continue,
            changes: Vec::new(),
            asks_back: false,
            // What was known at once (GTUBE) is skipped as well, and has one.
            score: score.filter(|score| !is_skipped || *score != 0.0),
            required: said.get("required_score").and_then(Value::as_f64),
            symbols: symbols(&said),
        };
        let milter = said.get("milter").and_then(Value::as_object);
        let milter = milter.cloned().unwrap_or_default();
        answer.change_fields(&said, &milter);
        answer.change_envelope(&milter);
        let is_off = milter.get("no_action").and_then(Value::as_bool) == Some(true);
        match is_off {
            true => answer.add(ACTION_FIELD, &action),
            false => answer.act(&said, &milter),
        }
        match answer.changes.len() > CHANGES_MAX {
            true => Err(RspamdError::Changes),
            false => Ok(answer),
        }
    }

    /// Fields that go, and then fields that come.
    fn change_fields(&mut self, said: &Value, milter: &Map<String, Value>) {
        let object = |name| milter.get(name).and_then(Value::as_object).into_iter();
        for (name, orders) in object("remove_headers").flatten() {
            for order in each(orders).filter_map(Value::as_i64) {
                if is_name(name) {
                    let name = name.as_bytes().to_vec();
                    self.changes.push(Change::RemoveField { order, name });
                }
            }
        }
        let mut inserted: Vec<(u32, &str, &str)> = Vec::new();
        for (name, values) in object("add_headers").flatten() {
            for value in each(values).filter(|_| is_name(name)) {
                let (text, order) = match value {
                    Value::Object(object) => (
                        object.get("value").and_then(Value::as_str),
                        object.get("order").and_then(Value::as_i64),
                    ),
                    other => (other.as_str(), None),
                };
                match (text, order.and_then(|order| u32::try_from(order).ok())) {
                    (Some(text), Some(order)) => inserted.push((order, name, text)),
                    (Some(text), None) => self.add(name, text),
                    (None, _) => {}
                }
            }
        }
        // The first first: so each stands where it is wanted.
        inserted.sort_by_key(|(order, ..)| *order);
        for (order, name, text) in inserted {
            self.insert(order, name, text);
        }
        for signature in said.get("dkim-signature").into_iter().flat_map(each) {
            if let Some(signature) = signature.as_str() {
                self.insert(0, "DKIM-Signature", signature);
            }
        }
    }

    fn change_envelope(&mut self, milter: &Map<String, Value>) {
        let paths = |name| milter.get(name).into_iter().flat_map(each);
        let paths = |name| paths(name).filter_map(|one| path(one.as_str()?.trim().as_bytes()));
        let words = String::new;
        self.changes
            .extend(paths("change_from").map(|path| Change::ChangeSender(path, words())));
        self.changes
            .extend(paths("add_rcpt").map(|path| Change::AddRecipient(path, words())));
        self.changes
            .extend(paths("del_rcpt").map(Change::RemoveRecipient));
    }

    /// What the action says.
    fn act(&mut self, said: &Value, milter: &Map<String, Value>) {
        let text = |name: &str| milter.get(name).and_then(Value::as_str).unwrap_or_default();
        let words = said
            .get("messages")
            .and_then(|messages| messages.get("smtp_message"));
        let words = words.and_then(Value::as_str).map(plain).unwrap_or_default();
        let name = self.action.replace('_', " ").to_ascii_lowercase();
        match (name.as_str(), text("reject")) {
            ("reject", "discard") | ("discard", _) => self.verdict = Verdict::Discard,
            ("reject", "quarantine") | ("quarantine", _) => self.set_apart(),
            ("reject", own) => {
                let words = if words.is_empty() { plain(own) } else { words };
                self.verdict = match words.as_str() {
                    "" => Verdict::Reject,
                    words => reply(550, 5, words),
                };
            }
            ("soft reject", _) => {
                self.verdict = match words.as_str() {
                    "" => Verdict::TemporaryFailure,
                    words => reply(451, 4, words),
                };
            }
            ("greylist", _) => self.asks_back = true,
            ("add header", _) => {
                let field = match text("spam_header") {
                    name if is_name(name) => name,
                    _ => SPAM_FIELD,
                };
                // Nobody else has said so.
                let (order, name) = (0, field.as_bytes().to_vec());
                self.changes.push(Change::RemoveField { order, name });
                self.add(field, "Yes");
                self.set_apart();
            }
            ("rewrite subject", _) => {
                if let Some(subject) = said.get("subject").and_then(Value::as_str) {
                    self.changes.push(Change::ChangeField {
                        index: 1,
                        name: b"Subject".to_vec(),
                        value: encoded(subject),
                    });
                }
            }
            _ => {}
        }
    }

    fn set_apart(&mut self) {
        let reason = self.action.clone();
        self.changes.push(Change::Quarantine(reason));
    }

    fn add(&mut self, name: &str, value: &str) {
        self.changes.push(Change::AddField {
            name: name.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
        });
    }

    fn insert(&mut self, index: u32, name: &str, value: &str) {
        self.changes.push(Change::InsertField {
            index,
            name: name.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
        });
    }

    /// The score as a part of that from which on a letter is refused, 0 to 100; none if it was not
    /// judged.
    #[must_use]
    pub fn percent(&self) -> Option<u8> {
        let required = self.required.filter(|required| *required > 0.0)?;
        let share = (self.score? / required).clamp(0.0, 1.0) * 100.0;
        (0..=100).rev().find(|percent| f64::from(*percent) <= share)
    }

    /// What is told of it, in one line: `add header, 8 of 15 (GTUBE 7.5, MISSING_TO 0.5)`.
    #[must_use]
    pub fn note(&self) -> String {
        let mut note = self.action.clone();
        if let Some(score) = self.score {
            let _written = write!(note, ", {}", shown(score));
            if let Some(required) = self.required {
                let _written = write!(note, " of {}", shown(required));
            }
        }
        let told = self.symbols.iter().take(SYMBOLS_TOLD_MAX);
        let told = told.map(|(name, score)| format!("{name} {}", shown(*score)));
        let mut told: Vec<String> = told.collect();
        if let Some(more) = self.symbols.len().checked_sub(SYMBOLS_TOLD_MAX)
            && more > 0
        {
            told.push(format!("{more} more"));
        }
        if !told.is_empty() {
            let _written = write!(note, " ({})", told.join(", "));
        }
        note
    }
}

/// A number with at most two places behind its point.
fn shown(number: f64) -> String {
    let text = format!("{number:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

fn number(value: &Value, name: &str) -> f64 {
    value.get(name).and_then(Value::as_f64).unwrap_or_default()
}

/// The values of a list, or one that stands alone.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    let (many, one) = match value {
        Value::Array(many) => (many.as_slice(), None),
        one => (&[][..], Some(one)),
    };
    many.iter().chain(one)
}

/// What was found; what counts for nothing last.
fn symbols(said: &Value) -> Vec<(String, f64)> {
    let all = said.get("symbols").and_then(Value::as_object);
    let told = |(name, symbol): (&String, &Value)| {
        let name: String = plain(name).chars().take(SYMBOL_LETTERS_MAX).collect();
        (name, number(symbol, "score"))
    };
    let mut symbols: Vec<(String, f64)> = all.into_iter().flatten().map(told).collect();
    symbols.sort_by(|one, other| {
        let weighs = other.1.abs().total_cmp(&one.1.abs());
        weighs.then_with(|| one.0.cmp(&other.0))
    });
    symbols
}

// RFC 5322 §2.2
fn is_name(name: &str) -> bool {
    name.len() <= NAME_OCTETS_MAX && crate::answer::is_name(name.as_bytes())
}

/// Words as one may repeat them in a reply and in a log: visible ASCII on one line.
fn plain(words: &str) -> String {
    let words = printable(words.as_bytes());
    let ascii = |letter: char| if letter.is_ascii() { letter } else { '?' };
    words.chars().map(ascii).collect()
}

/// The beginning of an ASCII text.
fn cut(text: &str) -> &str {
    text.get(..TEXT_LETTERS_MAX).unwrap_or(text)
}

/// A refusal in these words, which may begin with a status of their own.
fn reply(code: u16, class: u8, words: &str) -> Verdict {
    let (enhanced, words) = match words.split_once(' ') {
        Some((front, rest)) => match status(front).filter(|status| status.0 == class) {
            Some(own) => (own, rest),
            None => ((class, 7, 1), words),
        },
        None => ((class, 7, 1), words),
    };
    Verdict::Reply(code, Some(enhanced), cut(words).to_owned())
}

/// A text as the value of a field: in encoded words where it needs them (RFC 2047), which it may
/// have brought along.
fn encoded(text: &str) -> Vec<u8> {
    let text = printable(text.as_bytes());
    if text.is_ascii() {
        return text.into_bytes();
    }
    let field = Builder::new().subject(&text).in_front_of(b"\r\n");
    let first = Header::parse(&field).next();
    first.map_or_else(Vec::new, |field| field.value.trim_ascii().to_vec())
}

#[cfg(test)]
mod tests;
