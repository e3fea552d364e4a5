//! Tests: true or false, and what wildcards have matched.

use std::borrow::Cow;

use crate::ask::{Ask, ForeignWord};
use crate::circumstances::Letter;
use crate::compare::{self, Match};
use crate::date::{self, Part};
use crate::extension::Extension;
use crate::language::{Tag, Verb};
use crate::notice;
use crate::script::{Command, Test, Word};
use crate::template::Template;

use super::values::Found;
use super::{Run, Tried};

impl Run {
    pub(super) fn test(&mut self, test: &Test) -> Tried<bool> {
        self.spend(1)?;
        match test {
            Test::Constant(holds) => Ok(*holds),
            Test::Not(test) => Ok(!self.test(test)?),
            Test::AllOf(tests) => {
                for test in tests {
                    if !self.test(test)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Test::AnyOf(tests) => {
                for test in tests {
                    if self.test(test)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Test::Fail(text) => Err(text.to_string().into()),
            Test::Command(command) => {
                self.allowed(command)?;
                self.one_test(command)
            }
        }
    }

    /// True if what the command needs was asked for.
    // RFC 5463 §4
    pub(super) fn allowed(&self, command: &Command) -> Tried<()> {
        let enabled = self
            .frames
            .last()
            .map(|frame| frame.enabled)
            .unwrap_or_default();
        if let Some(unknown) = &command.unknown {
            return Err(unknown.to_string().into());
        }
        match command.needs.missing_in(enabled) {
            None => Ok(()),
            Some(extension) => {
                let (verb, name) = (command.verb.name(), extension.name());
                Err(format!("'{verb}' needs the extension \"{name}\"").into())
            }
        }
    }

    fn one_test(&mut self, command: &Command) -> Tried<bool> {
        match command.verb {
            Verb::Address => {
                let headers = self.header_fields(command);
                let found = self.addresses(command, &headers)?;
                self.judge(command, found)
            }
            Verb::Header => {
                let headers = self.header_fields(command);
                let found = self.fields(command, &headers)?;
                self.judge(command, found)
            }
            Verb::Envelope => self.envelope(command),
            Verb::Body => {
                let found = self.body(command)?;
                self.judge(command, found)
            }
            Verb::Text => {
                let values = self.spelled_all(command.texts(0))?;
                // RFC 5229 §5
                let count = values.iter().filter(|value| !value.is_empty()).count();
                self.judge(command, Found { values, count })
            }
            Verb::HasFlag => {
                let found = self.flag_names(command)?;
                self.judge_flags(command, found)
            }
            Verb::Exists => self.exists(command),
            Verb::Size => Ok(self.size(command)),
            Verb::Environment => {
                let name = self.text(command, 0)?;
                let item = self.world.item(&name).map(str::to_owned);
                let Some(value) = item else {
                    return Ok(false);
                };
                // RFC 5183 §4
                self.judge(command, Found::one(value))
            }
            Verb::Date => self.date(command),
            Verb::CurrentDate => {
                let now = self.now()?;
                let zone = self.tagged(command, Tag::Zone)?;
                let part = self.text(command, 0)?;
                let value = dated(now, zone.as_deref(), &part)?;
                self.judge(command, Found::one(value))
            }
            Verb::SpamTest | Verb::VirusTest => {
                let found = self.scores(command);
                self.judge(command, found)
            }
            Verb::Foreign => Ok(self.foreign(command)?),
            _ => self.asked_test(command),
        }
    }

    /// The tests whose answer only others know.
    fn asked_test(&mut self, command: &Command) -> Tried<bool> {
        match command.verb {
            Verb::MailboxExists => self.all(command.texts(0), Ask::Mailbox),
            Verb::MailboxIdExists => self.all(command.texts(0), Ask::MailboxId),
            Verb::ValidExtList => self.all(command.texts(0), |list| Ask::List(full_name(list))),
            Verb::SpecialUseExists => {
                let mailbox = command.texts(0).first();
                let mailbox = mailbox.map(|mailbox| self.expand(mailbox)).transpose()?;
                self.all(command.texts(1), |attribute| Ask::SpecialUse {
                    mailbox: mailbox.clone(),
                    attribute,
                })
            }
            Verb::Metadata | Verb::ServerMetadata => self.metadata(command),
            Verb::MetadataExists => {
                let mailbox = self.text(command, 0)?;
                self.all(command.texts(1), |annotation| Ask::Metadata {
                    mailbox: Some(mailbox.clone()),
                    annotation,
                })
            }
            Verb::ServerMetadataExists => self.all(command.texts(0), |annotation| Ask::Metadata {
                mailbox: None,
                annotation,
            }),
            Verb::IHave => Ok(self.ihave(command)),
            Verb::ValidNotifyMethod => {
                let methods = self.expand_all(command.texts(0))?;
                Ok(methods.iter().all(|method| notice::parse(method).is_ok()))
            }
            Verb::NotifyMethodCapability => {
                let method = self.text(command, 0)?;
                let item = self.text(command, 1)?;
                // RFC 5436 §2.2, RFC 8580 §6.1
                let value = match item.to_ascii_lowercase().as_str() {
                    "online" => "maybe",
                    "fcc" => "yes",
                    _ => return Ok(false),
                };
                if notice::parse(&method).is_err() {
                    return Ok(false);
                }
                self.judge(command, Found::one(value))
            }
            Verb::Duplicate => self.duplicate(command),
            _ => Ok(false),
        }
    }

    /// True if the answer is yes for each of the strings.
    fn all(&mut self, texts: &[Template], ask: impl Fn(String) -> Ask) -> Tried<bool> {
        for text in texts {
            let text = self.expand(text)?;
            if !self.ask(ask(text))?.flag() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    // RFC 5490 §3.3
    fn metadata(&mut self, command: &Command) -> Tried<bool> {
        let server = command.verb == Verb::ServerMetadata;
        let mailbox = match server {
            true => None,
            false => Some(self.text(command, 0)?),
        };
        let annotation = self.text(command, usize::from(!server))?;
        let answer = self.ask(Ask::Metadata {
            mailbox,
            annotation,
        })?;
        match answer.text() {
            Some(value) => self.judge(command, Found::one(value)),
            None => Ok(false),
        }
    }

    // RFC 5463 §4
    fn ihave(&mut self, command: &Command) -> bool {
        let abilities = self.limits.abilities;
        let Some(frame) = self.frames.last_mut() else {
            return false;
        };
        let required = frame.script.required;
        let mut found = Vec::new();
        for name in command.texts(0).iter().filter_map(Template::constant) {
            match Extension::parse(name) {
                Some(one) if !abilities.has(one) => return false,
                Some(one) if !one.changes_grammar() || required.has(one) => found.push(one),
                _ => return false,
            }
        }
        found.into_iter().for_each(|one| frame.enabled.insert(one));
        true
    }

    // RFC 7352 §3
    fn duplicate(&mut self, command: &Command) -> Tried<bool> {
        let handle = self.tagged(command, Tag::Handle)?.unwrap_or_default();
        let id = match self.tagged(command, Tag::UniqueId)? {
            Some(id) => Some(id),
            None => {
                let header = self.tagged(command, Tag::Header)?;
                let name = header.as_deref().unwrap_or("message-id");
                Letter::values(self.world.letter.header(), name)
                    .into_iter()
                    .next()
            }
        };
        let default = self.limits.duplicate_seconds_default;
        let seconds = command.number(Tag::Seconds).unwrap_or(default);
        let seconds = seconds.min(self.limits.duplicate_seconds_max);
        let Some(id) = id.filter(|_| seconds > 0) else {
            return Ok(false);
        };
        let ask = Ask::Seen {
            handle: handle.clone(),
            id: id.clone(),
        };
        let seen = self.ask(ask)?.flag();
        let renew = command.has(Tag::Last);
        if !seen || renew {
            self.remember((handle, id), seconds, renew, command.line)?;
        }
        Ok(seen)
    }

    pub(super) fn foreign(&mut self, command: &Command) -> Tried<bool> {
        let Some(foreign) = &command.foreign else {
            return Ok(false);
        };
        let mut words = Vec::new();
        for word in &foreign.words {
            words.push(match word {
                Word::Tag(name) => ForeignWord::Tag(name.to_string()),
                Word::Number(number) => ForeignWord::Number(*number),
                Word::Texts(texts) => ForeignWord::Texts(self.expand_all(texts)?),
            });
        }
        let name = foreign.name;
        Ok(self.ask(Ask::Foreign { name, words })?.flag())
    }

    pub(super) fn now(&mut self) -> Tried<mail::Timestamp> {
        match self.ask(Ask::Now)? {
            crate::Answer::Now(now) => Ok(now),
            _ => Err("nobody knows what time it is".into()),
        }
    }

    // RFC 5228 §5.5
    fn exists(&mut self, command: &Command) -> Tried<bool> {
        let names = self.spelled_all(command.texts(0))?;
        self.look_at_headers(command, names.len())?;
        let headers = self.header_fields(command);
        let there = |name: &Cow<'_, str>| {
            let mut headers = headers.each();
            headers.any(|header| header.named(name.as_bytes()).next().is_some())
        };
        Ok(names.iter().all(there))
    }

    // RFC 5228 §5.9; RFC 5703 §4.1's example
    fn size(&self, command: &Command) -> bool {
        let size = self.world.letter.size();
        match (command.number(Tag::Over), command.number(Tag::Under)) {
            (Some(over), _) => size > over,
            (_, Some(under)) => size < under,
            _ => false,
        }
    }

    // RFC 5260 §4
    fn date(&mut self, command: &Command) -> Tried<bool> {
        let name = self.text(command, 0)?;
        let part = self.text(command, 1)?;
        let zone = self.tagged(command, Tag::Zone)?;
        self.look_at_headers(command, 1)?;
        let values = Letter::values(self.world.letter.header(), &name);
        let values = indexed(command, values);
        // Received fields have their date behind the last semicolon (RFC 5321 §4.4).
        let times = values.iter().filter_map(|value| {
            let date = value.rsplit(';').next().unwrap_or(value);
            message::parse_date(date.as_bytes())
        });
        let times: Vec<mail::Timestamp> = times.collect();
        let times = if command.has(Tag::Index) {
            times
        } else {
            times.into_iter().take(1).collect()
        };
        let mut found = Found::default();
        for time in times {
            let zone = match (&zone, command.has(Tag::OriginalZone)) {
                (None, false) => Some(Part::Zone.of(self.now()?)),
                (None, true) => None,
                (Some(zone), _) => Some(zone.clone()),
            };
            let value = dated(time, zone.as_deref(), &part)?;
            found.values.push(value.into());
            found.count += 1;
        }
        self.judge(command, found)
    }

    /// Compares values with the command's last argument.
    pub(super) fn judge(&mut self, command: &Command, found: Found<'_>) -> Tried<bool> {
        let keys = command
            .arguments
            .last()
            .map_or(&[][..], |last| last.texts());
        self.judge_by(command, found, keys)
    }

    pub(super) fn judge_by(
        &mut self,
        command: &Command,
        found: Found<'_>,
        keys: &[Template],
    ) -> Tried<bool> {
        let comparing = &command.comparing;
        if comparing.kind == Match::List {
            return self.listed(found, keys);
        }
        let values = match comparing.kind {
            Match::Count(_) => vec![found.count.to_string().into()],
            _ => found.values,
        };
        let max = self.limits.matched_octets_max;
        for (at, key) in keys.iter().enumerate() {
            let key = self.spelled(key)?;
            let made;
            let regex = match comparing.regexes.get(at) {
                Some(Some(regex)) => Some(regex),
                _ if comparing.kind == Match::Regex => {
                    let octets = self.limits.regex_octets_max;
                    // Making one takes long.
                    self.spend(100 + u64::try_from(key.len() / 4).unwrap_or(u64::MAX))?;
                    made = compare::regex(&key, comparing.comparator, octets)?;
                    Some(&made)
                }
                _ => None,
            };
            for value in &values {
                self.spend(1)?;
                let whole = value.as_ref();
                let cut = matches!(comparing.kind, Match::Matches | Match::Regex);
                let value = if cut {
                    whole.get(..whole.floor_char_boundary(max)).unwrap_or(whole)
                } else {
                    whole
                };
                let pattern = if cut { key.len() } else { 0 };
                self.look_through(value.len(), pattern)?;
                let mut matched = Vec::new();
                let pattern = comparing.patterns.get(at).and_then(Option::as_ref);
                let holds = match (regex, pattern) {
                    (Some(regex), _) => compare::search(regex, value, &mut matched),
                    (None, Some(pattern)) => pattern.matches(value, &mut matched),
                    (None, None) => {
                        let how = (comparing.kind, comparing.comparator);
                        compare::compare(how, value, &key, &mut matched)
                    }
                };
                if holds {
                    // RFC 5173 §6
                    if !matched.is_empty() && command.verb != Verb::Body {
                        self.remember_matched(matched);
                    }
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    // RFC 6134 §2.2
    fn listed(&mut self, found: Found<'_>, lists: &[Template]) -> Tried<bool> {
        let values = found.values.into_iter().map(Cow::into_owned);
        let values: Vec<String> = values.collect();
        for list in lists {
            let list = full_name(self.expand(list)?);
            if values.is_empty() {
                return Ok(false);
            }
            let answer = self.ask(Ask::Listed {
                list: list.clone(),
                values: values.clone(),
            })?;
            if matches!(answer, crate::Answer::NoList) {
                return Err(format!("there is no list \"{list}\"").into());
            }
            if answer.flag() {
                let matched = answer.text().into_iter().collect::<Vec<_>>();
                if !matched.is_empty() {
                    self.remember_matched(matched);
                }
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The name of a list, its short form written out.
// RFC 6134 §2.5
pub(super) fn full_name(list: String) -> String {
    if list.starts_with(':') {
        return format!("urn:ietf:params:sieve{list}");
    }
    list
}

/// Keeps the one value that `:index` names, or all.
// RFC 5260 §6
pub(super) fn indexed<T>(command: &Command, values: Vec<T>) -> Vec<T> {
    let Some(index) = command.number(Tag::Index) else {
        return values;
    };
    let Some(index) = usize::try_from(index)
        .ok()
        .and_then(|index| index.checked_sub(1))
    else {
        return Vec::new();
    };
    let last = values.len().checked_sub(1 + index);
    let at = if command.has(Tag::Last) {
        last
    } else {
        Some(index)
    };
    at.and_then(|at| values.into_iter().nth(at))
        .into_iter()
        .collect()
}

/// A part of a moment, in a zone or in its own.
fn dated(time: mail::Timestamp, zone: Option<&str>, part: &str) -> Tried<String> {
    let mut time = time;
    if let Some(zone) = zone {
        let minutes = date::zone_minutes(zone);
        time.zone_minutes = minutes.ok_or_else(|| format!("'{zone}' is no time zone"))?;
    }
    let part = Part::parse(part).ok_or_else(|| format!("unknown part of a date '{part}'"))?;
    Ok(part.of(time))
}
