//! What tests compare: addresses, fields, the envelope, flags, scores.

use std::borrow::Cow;
use std::sync::Arc;

use mail::{Flag, Notify, Ret, ReversePath};
use message::{Content, Part};

use crate::circumstances::{By, Envelope};
use crate::compare::Match;
use crate::date::{self, Part as DatePart};
use crate::fields::{Field, Fields, Spelled};
use crate::glance::Seen;
use crate::language::{Tag, Verb};
use crate::script::{Command, Script};
use crate::template::Template;

use super::tests::indexed;
use super::{OCTETS_A_STEP, Run, Tried};

/// Values, and what `:count` says of them.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    pub(super) values: Vec<Cow<'a, str>>,
    pub(super) count: usize,
}

/// Headers that a test looks at: most look at one.
#[derive(Debug, Default)]
pub(super) struct Headers {
    first: Option<Arc<Fields>>,
    more: Vec<Arc<Fields>>,
}

impl Headers {
    pub(super) fn each(&self) -> impl Iterator<Item = &Fields> {
        self.first.iter().chain(&self.more).map(AsRef::as_ref)
    }
}

impl<'a> Found<'a> {
    pub(super) fn one(value: impl Into<Cow<'a, str>>) -> Self {
        let value = value.into();
        // RFC 5490, RFC 5435 §5: an empty value counts as none.
        let count = usize::from(!value.is_empty());
        let values = vec![value];
        Self { values, count }
    }

    pub(super) fn all<T: Into<Cow<'a, str>>>(values: impl IntoIterator<Item = T>) -> Self {
        let values: Vec<_> = values.into_iter().map(Into::into).collect();
        let count = values.len();
        Self { values, count }
    }
}

impl Run {
    /// The part of an address that a test compares.
    fn part<'s>(&self, tag: Tag, address: &'s Spelled) -> Option<&'s str> {
        address.part(tag, &self.world.separators)
    }

    /// Passes over the tests from here on that are seen to be false.
    pub(super) fn pass_over(&mut self, script: &Script) {
        let Some(mut at) = self.frames.last().map(|frame| frame.at) else {
            return;
        };
        if !script.glances.is_at(at) {
            return;
        }
        let fields = self.world.letter.fields_of(self.world.letter.root());
        let world = &self.world;
        let (size, envelope) = (world.letter.size(), world.envelope.as_deref());
        let seen = Seen::new(&fields, size, envelope, &world.separators);
        // The limit is told by the command at which it is passed.
        let before = self.limits.steps_max.saturating_sub(self.spent.steps);
        let left;
        (at, left) = script.glances.pass_over(at, before, &seen);
        self.spent.steps = self.spent.steps.saturating_add(before - left);
        if let Some(frame) = self.frames.last_mut() {
            frame.at = at;
        }
    }

    /// The parts whose headers a test looks at: the message, or those `:mime` names.
    // RFC 5703 §4
    fn parts(&self, command: &Command) -> impl Iterator<Item = &Part> {
        let current = self.loops.last().map_or(0, |one| one.current);
        let number = if command.has(Tag::Mime) { current } else { 0 };
        let (one, all) = match (self.world.letter.part(number), command.has(Tag::AnyChild)) {
            (part, true) => (None, part),
            (part, false) => (part, None),
        };
        one.into_iter()
            .chain(all.into_iter().flat_map(|part| part.walk()))
    }

    /// Uses up steps for looking through headers for so many names.
    pub(super) fn look_at_headers(&mut self, command: &Command, names: usize) -> Tried<()> {
        let headers = self.headers(command);
        let pieces: usize = headers.map(|header| 1 + header.len() / 4096).sum();
        // Finding the part takes its time, too.
        let parts = self.loops.last().map_or(0, |one| one.current) / 64;
        let steps = pieces.saturating_mul(names).saturating_add(parts);
        self.spend(u64::try_from(steps).unwrap_or(u64::MAX))
    }

    /// The fields of these headers.
    pub(super) fn header_fields(&self, command: &Command) -> Headers {
        let mut parts = self.parts(command);
        let fields = |part| self.world.letter.fields_of(part);
        Headers {
            first: parts.next().map(fields),
            more: parts.map(fields).collect(),
        }
    }

    /// The headers a test looks at.
    fn headers(&self, command: &Command) -> impl Iterator<Item = &[u8]> {
        let parts = self.parts(command);
        parts.map(|part| self.world.letter.header_of(part))
    }

    /// The fields that a test names in its first argument.
    fn named<'h>(&mut self, command: &Command, headers: &'h Headers) -> Tried<Vec<Field<'h>>> {
        let names = command.texts(0);
        self.look_at_headers(command, names.len())?;
        let mut fields = Vec::new();
        for header in headers.each() {
            for name in names {
                fields.extend(header.named(self.spelled(name)?.as_bytes()));
            }
        }
        Ok(indexed(command, fields))
    }

    // RFC 5228 §5.1
    pub(super) fn addresses<'h>(
        &mut self,
        command: &Command,
        headers: &'h Headers,
    ) -> Tried<Found<'h>> {
        let fields = self.named(command, headers)?;
        let tag = command.address_part();
        let mut found = Found::default();
        for field in fields {
            for address in field.addresses() {
                found.count += 1;
                let part = self.part(tag, address);
                found.values.extend(part.map(Cow::Borrowed));
            }
        }
        Ok(found)
    }

    // RFC 5228 §5.7, RFC 5703 §4.1
    pub(super) fn fields<'h>(
        &mut self,
        command: &Command,
        headers: &'h Headers,
    ) -> Tried<Found<'h>> {
        let fields = self.named(command, headers)?;
        let wants = [Tag::Type, Tag::Subtype, Tag::ContentType, Tag::Param];
        let Some(want) = wants.into_iter().find(|tag| command.has(*tag)) else {
            return Ok(Found::all(fields.into_iter().map(Field::text)));
        };
        let parameters = self.expand_all(command.tagged(Tag::Param))?;
        let mut found = Found::default();
        for field in fields {
            let values = super::mime::aspects(field.name(), field.text(), want, &parameters);
            found.count += values.iter().flatten().count();
            // RFC 5703 §4.1: blank where there is no such thing.
            let values = values.into_iter().map(Option::unwrap_or_default);
            found.values.extend(values.map(Cow::Owned));
        }
        Ok(found)
    }

    // RFC 5228 §5.4
    pub(super) fn envelope(&mut self, command: &Command) -> Tried<bool> {
        let names = self.expand_all(command.texts(0))?;
        let zone = self.tagged(command, Tag::Zone)?;
        if self.world.envelope.is_none() {
            // RFC 6785 §4.6
            return Err("there is no envelope here".into());
        }
        let now = match &zone {
            None if names
                .iter()
                .any(|name| name.eq_ignore_ascii_case("bytimeabsolute")) =>
            {
                Some(self.now()?)
            }
            _ => None,
        };
        let mut found = Found::default();
        let tag = command.address_part();
        let part = |address: &Spelled| self.part(tag, address).map(str::to_owned);
        if let Some(envelope) = &self.world.envelope {
            for name in &names {
                let name = name.to_ascii_lowercase();
                let values = envelope_values(envelope, part, &name, |by| {
                    let mut time = by.time;
                    let minutes = zone.as_deref().and_then(date::zone_minutes);
                    time.zone_minutes = minutes
                        .or_else(|| now.map(|now| now.zone_minutes))
                        .unwrap_or_default();
                    DatePart::Iso8601.of(time)
                });
                found.count += values.len();
                found.values.extend(values.into_iter().map(Cow::Owned));
            }
        }
        self.judge(command, found)
    }

    /// The flags of some variables, or of the internal one.
    // RFC 5232 §4
    pub(super) fn flag_names(&mut self, command: &Command) -> Tried<Found<'static>> {
        let variables = command.texts(0);
        if variables.is_empty() {
            let names = self.flags.iter().map(|flag| flag.to_string());
            return Ok(Found::all(names));
        }
        let mut values = Vec::new();
        for variable in variables {
            let name = self.variable(variable)?;
            let flags = read_flags([self.value(&name)]);
            values.extend(flags.iter().map(|flag| flag.to_string()));
        }
        Ok(Found::all(values))
    }

    /// Compares flags with keys that are lists of flags themselves.
    pub(super) fn judge_flags(&mut self, command: &Command, found: Found<'_>) -> Tried<bool> {
        if matches!(
            command.comparing.kind,
            Match::Count(_) | Match::Regex | Match::List
        ) {
            return self.judge(command, found);
        }
        let mut keys = Vec::new();
        for key in command.texts(1) {
            let key = self.expand(key)?;
            for word in key.split_ascii_whitespace() {
                keys.push(Template {
                    pieces: vec![crate::template::Piece::Literal(word.into())],
                    written: Box::default(),
                });
            }
        }
        self.judge_by(command, found, &keys)
    }

    // RFC 5235 §2
    pub(super) fn scores(&self, command: &Command) -> Found<'static> {
        if command.verb == Verb::VirusTest {
            let value = self.world.virus.unwrap_or_default().min(5);
            return Found {
                values: vec![value.to_string().into()],
                count: usize::from(value > 0),
            };
        }
        let percent = self.world.spam.map(|spam| spam.percent.min(100));
        let value = match (percent, command.has(Tag::Percent)) {
            (None, _) => 0,
            (Some(percent), true) => percent,
            // 0 % is 1, and only 100 % is 10.
            (Some(percent), false) => {
                let tenths = u16::from(percent) * 9 / 100 + 1;
                u8::try_from(tenths).unwrap_or(10)
            }
        };
        Found {
            values: vec![value.to_string().into()],
            count: usize::from(percent.is_some()),
        }
    }

    // RFC 5173 §5
    pub(super) fn body(&mut self, command: &Command) -> Tried<Found<'static>> {
        let types = match command.tag(Tag::Content) {
            Some(_) => Some(self.expand_all(command.tagged(Tag::Content))?),
            None => None,
        };
        let wanted = |part: &Part| match &types {
            None => part.media == "text" && part.content == Content::Leaf,
            Some(types) => types.iter().any(|wanted| is_type(part, wanted)),
        };
        let letter = &self.world.letter;
        let (mut octets, mut parts) = (0, 0_u64);
        for part in letter.root().walk() {
            parts += 1;
            if command.has(Tag::Raw) {
                octets = letter.root().body.len;
            } else if part.content == Content::Leaf && wanted(part) {
                octets += part.body.len;
            }
        }
        self.spend(octets / OCTETS_A_STEP + parts / 64)?;
        let letter = &self.world.letter;
        let has_body = letter.header().ends_with(b"\r\n\r\n")
            || letter.header().ends_with(b"\n\n")
            || matches!(letter.header(), b"\r\n" | b"\n");
        if !has_body {
            return Ok(Found::default());
        }
        let mut values = Vec::new();
        if command.has(Tag::Raw) {
            values.push(String::from_utf8_lossy(letter.body()).into_owned());
        } else {
            for part in letter.root().walk() {
                match &types {
                    _ if !wanted(part) => {}
                    None => values.push(message::part_text(part, letter.octets())),
                    Some(_) => super::mime::contents(part, letter.octets(), &mut values),
                }
            }
        }
        Ok(Found::all(values))
    }
}

/// Reads lists of flags; what is no flag is passed over.
// RFC 5232 §2.1
pub(super) fn read_flags<'a>(texts: impl IntoIterator<Item = &'a str>) -> mail::FlagSet {
    let words = texts.into_iter().flat_map(str::split_ascii_whitespace);
    words.filter_map(Flag::parse).collect()
}

/// True for a part of the type that `:content` names.
// RFC 5173 §5.2
fn is_type(part: &Part, wanted: &str) -> bool {
    match wanted.split_once('/') {
        None if wanted.is_empty() => true,
        None => part.media.eq_ignore_ascii_case(wanted),
        Some((media, subtype)) => {
            !media.is_empty()
                && !subtype.is_empty()
                && part.media.eq_ignore_ascii_case(media)
                && part.subtype.eq_ignore_ascii_case(subtype)
        }
    }
}

/// The values of one part of the envelope.
fn envelope_values(
    envelope: &Envelope,
    part: impl Fn(&Spelled) -> Option<String>,
    name: &str,
    absolute: impl Fn(&By) -> String,
) -> Vec<String> {
    let addressed = |address: Option<&mail::Address>, null: &str| match address {
        // RFC 5228 §5.4: the null path is empty, whichever part is asked for.
        None => vec![null.to_owned()],
        Some(address) => part(&Spelled::of(address)).into_iter().collect(),
    };
    let by = envelope.by.as_ref();
    let value = match name {
        "from" => {
            return match &envelope.reverse_path {
                ReversePath::Null => vec![String::new()],
                ReversePath::Address(address) => addressed(Some(address), ""),
            };
        }
        "to" => return addressed(envelope.recipient.forward_path.address(), "postmaster"),
        "auth" => envelope.auth.clone(),
        "notify" => return notify_values(envelope.recipient.notify),
        "orcpt" => envelope.recipient.orcpt.clone(),
        "ret" => envelope.ret.map(|ret| {
            let name = match ret {
                Ret::Full => "FULL",
                Ret::Headers => "HDRS",
            };
            name.to_owned()
        }),
        "envid" => envelope.envid.clone(),
        "bytimeabsolute" => by.map(absolute),
        "bytimerelative" => by.map(|by| by.seconds.to_string()),
        "bymode" => by.map(|by| if by.returns { "return" } else { "notify" }.to_owned()),
        "bytrace" => by.map(|by| if by.trace { "true" } else { "false" }.to_owned()),
        _ => None,
    };
    value.into_iter().collect()
}

// RFC 6009 §4
fn notify_values(notify: Option<Notify>) -> Vec<String> {
    let names: Vec<&str> = match notify {
        None => Vec::new(),
        Some(Notify::Never) => vec!["NEVER"],
        Some(Notify::On {
            success,
            failure,
            delay,
        }) => {
            let all = [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")];
            let given = all.into_iter().filter(|(given, _)| *given);
            given.map(|(_, name)| name).collect()
        }
    };
    names.into_iter().map(str::to_owned).collect()
}
