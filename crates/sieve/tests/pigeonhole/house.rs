//! The server of the tests: mailboxes, what was sent, settings.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use mail::{FlagSet, Recipient, ReversePath, Timestamp};
use sieve::{Action, Circumstances, Deed, Envelope, Filing, Letter, Spam, Target};

/// A message that was sent.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) from: ReversePath,
    pub(crate) to: String,
    pub(crate) octets: Bytes,
}

#[derive(Default)]
pub(crate) struct House {
    pub(crate) mailboxes: BTreeMap<String, Vec<(Bytes, FlagSet)>>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) settings: HashMap<String, String>,
    pub(crate) errors: Vec<String>,
}

impl House {
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        let value = self.settings.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// Does what a run wants; false where something cannot be done.
    pub(crate) fn carry_out(&mut self, world: &mut Circumstances, actions: &[Action]) -> bool {
        actions.iter().all(|action| {
            let octets = action.changed.clone().unwrap_or_else(|| original(world));
            match &action.deed {
                Deed::Keep { flags } => {
                    let filing = Filing {
                        mailbox: "INBOX".to_owned(),
                        create: true,
                        flags: flags.clone(),
                        ..Filing::default()
                    };
                    self.file(&filing, octets)
                }
                Deed::FileInto(filing) => self.file(filing, octets),
                Deed::Redirect(redirect) => {
                    let Target::Address(to) = &redirect.target else {
                        return false;
                    };
                    let envelope = world.envelope.as_ref();
                    let from = envelope.map_or(ReversePath::Null, |one| one.reverse_path.clone());
                    let to = to.to_string();
                    self.sent.push(Sent { from, to, octets });
                    true
                }
                Deed::Vacation(reply) => {
                    let message = reply.message(Timestamp::utc(0), "reply@house.example");
                    self.sent.push(Sent {
                        from: ReversePath::Null,
                        to: reply.to.to_string(),
                        octets: message.into(),
                    });
                    reply
                        .copy
                        .as_ref()
                        .is_none_or(|copy| self.file(copy, Bytes::new()))
                }
                Deed::Notify(_) | Deed::Discard | Deed::Reject { .. } | Deed::Remember { .. } => {
                    true
                }
            }
        })
    }

    fn file(&mut self, filing: &Filing, octets: Bytes) -> bool {
        let name = &match filing.mailbox.get(..5) {
            Some(inbox) if inbox.eq_ignore_ascii_case("inbox") => {
                filing.mailbox.replacen(inbox, "INBOX", 1)
            }
            _ => filing.mailbox.clone(),
        };
        if name.contains("//") || name.starts_with('/') || name.ends_with('/') {
            self.errors
                .push(format!("failed to store into mailbox '{name}': bad name"));
            return false;
        }
        if filing.create || name.eq_ignore_ascii_case("INBOX") {
            self.mailboxes.entry(name.clone()).or_default();
        }
        let Some(mailbox) = self.mailboxes.get_mut(name) else {
            self.errors.push(format!(
                "failed to store into mailbox '{name}': it does not exist"
            ));
            return false;
        };
        mailbox.push((octets, filing.flags.clone()));
        true
    }

    /// Tells the circumstances what the settings say.
    pub(crate) fn settle(&self, world: &mut Circumstances) {
        let separators = self.setting("recipient_delimiter").unwrap_or("+");
        // Several letters are several separators, the first that is found counts.
        world.separators = separators.to_owned().into();
        world.addresses = self
            .setting("sieve_user_email")
            .and_then(|address| mail::Address::parse(address).ok())
            .into_iter()
            .collect();
        world.spam = self.spam(world).map(|percent| Spam { percent });
        world.virus = self.virus(world);
    }

    fn header_value(world: &Circumstances, setting: &str) -> Option<String> {
        let (name, pattern) = match setting.split_once(':') {
            Some((name, pattern)) => (name.trim(), Some(pattern)),
            None => (setting.trim(), None),
        };
        let octets = original_of(&world.letter);
        let field = message::Header::first(&octets, name)?;
        let value = String::from_utf8(field.unfolded().to_vec()).ok()?;
        let Some(pattern) = pattern else {
            return Some(value);
        };
        let found = regex::Regex::new(pattern.trim_start())
            .ok()?
            .captures(&value)?;
        let text = found.get(1).or_else(|| found.get(0))?;
        Some(text.as_str().to_owned())
    }

    fn spam(&self, world: &Circumstances) -> Option<u8> {
        let status = Self::header_value(world, self.setting("sieve_spamtest_status_header")?)?;
        let max = match self.setting("sieve_spamtest_score_max_value") {
            Some(max) => max.parse::<f64>().ok(),
            None => self
                .setting("sieve_spamtest_score_max_header")
                .and_then(|setting| Self::header_value(world, setting))
                .and_then(|value| value.parse().ok()),
        };
        let share = match self
            .setting("sieve_spamtest_status_type")
            .unwrap_or("score")
        {
            "strlen" => status.len() as f64 / max?,
            "text" => (f64::from(self.text_value("spamtest", 10, &status)?) - 1.0) / 9.0,
            _ => status.parse::<f64>().ok()? / max?,
        };
        let percent = (share * 100.0).clamp(0.0, 100.0);
        let percent = if max.is_none() {
            percent.ceil()
        } else {
            percent
        };
        format!("{percent:.0}").parse().ok()
    }

    /// The number that a text stands for.
    fn text_value(&self, test: &str, max: u8, status: &str) -> Option<u8> {
        (1..=max).find(|number| {
            let name = format!("sieve_{test}_text_value/{number}");
            self.setting(&name) == Some(status)
        })
    }

    fn virus(&self, world: &Circumstances) -> Option<u8> {
        let status = Self::header_value(world, self.setting("sieve_virustest_status_header")?)?;
        match self
            .setting("sieve_virustest_status_type")
            .unwrap_or("score")
        {
            "text" => self.text_value("virustest", 5, &status),
            _ => status.trim().parse().ok(),
        }
    }
}

fn original(world: &Circumstances) -> Bytes {
    original_of(&world.letter)
}

fn original_of(letter: &Letter) -> Bytes {
    letter.clone().whole()
}

/// An envelope from nobody to somebody.
pub(crate) fn envelope() -> Envelope {
    Envelope {
        reverse_path: ReversePath::Null,
        recipient: Recipient {
            forward_path: mail::ForwardPath::Postmaster,
            notify: None,
            orcpt: None,
        },
        ret: None,
        envid: None,
        auth: None,
        by: None,
    }
}
