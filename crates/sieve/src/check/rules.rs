//! What single commands ask of their arguments, as far as these are constant.

use mail::Address;
use message::parse_addresses;

use crate::date;
use crate::extension::Extension;
use crate::fault::Place;
use crate::language::{Tag, Verb};
use crate::script::Command;
use crate::template::{Name, Template};

use super::Checker;

/// Header fields that hold addresses (RFC 5228 §5.1); others are compared by `header`.
const ADDRESS_FIELDS: [&str; 19] = [
    "from",
    "to",
    "cc",
    "bcc",
    "sender",
    "reply-to",
    "resent-from",
    "resent-to",
    "resent-cc",
    "resent-bcc",
    "resent-sender",
    "resent-reply-to",
    "return-path",
    "delivered-to",
    "errors-to",
    "disposition-notification-to",
    "mail-followup-to",
    "mail-reply-to",
    "x-original-to",
];

/// Parts of the envelope and what each needs beside `envelope` (RFC 5228 §5.4, RFC 6009).
const ENVELOPE_PARTS: [(&str, Option<Extension>); 11] = [
    ("from", None),
    ("to", None),
    ("auth", None),
    ("notify", Some(Extension::EnvelopeDsn)),
    ("orcpt", Some(Extension::EnvelopeDsn)),
    ("ret", Some(Extension::EnvelopeDsn)),
    ("envid", Some(Extension::EnvelopeDsn)),
    ("bytimeabsolute", Some(Extension::EnvelopeDeliverBy)),
    ("bytimerelative", Some(Extension::EnvelopeDeliverBy)),
    ("bymode", Some(Extension::EnvelopeDeliverBy)),
    ("bytrace", Some(Extension::EnvelopeDeliverBy)),
];

const ADDRESS_PARTS: [Tag; 5] = [
    Tag::All,
    Tag::LocalPart,
    Tag::Domain,
    Tag::User,
    Tag::Detail,
];

impl Checker<'_> {
    /// Reports what is wrong with a command whose arguments fit.
    pub(super) fn rules(&mut self, command: &Command, place: Place) {
        self.tags_go_together(command, place);
        match command.verb {
            Verb::Address => self.address_fields(command, place),
            Verb::Envelope => self.envelope_parts(command, place),
            Verb::Size if command.tags.is_empty() => {
                self.fault(place, "'size' takes ':over' or ':under' and a number");
            }
            Verb::Redirect => self.redirect(command, place),
            Verb::Vacation => self.vacation(command, place),
            Verb::Set | Verb::ExtractText => self.assignment(command, place),
            Verb::Global => self.global(command, place),
            Verb::SetFlag | Verb::AddFlag | Verb::RemoveFlag | Verb::HasFlag => {
                self.flag_variable(command, place);
            }
            Verb::Include => self.include(command, place),
            Verb::IHave => self.constants(command, place),
            Verb::Date => {
                self.date_part(command.texts(1), place);
                self.zone(command, place);
            }
            Verb::CurrentDate => {
                self.date_part(command.texts(0), place);
                self.zone(command, place);
            }
            Verb::AddHeader | Verb::DeleteHeader => self.field_name(command, place),
            Verb::Notify => self.notify(command, place),
            Verb::Replace => self.replace(command, place),
            _ => {}
        }
    }

    fn tags_go_together(&mut self, command: &Command, place: Place) {
        let counts = !matches!(command.verb, Verb::AddHeader | Verb::Duplicate);
        if counts && command.has(Tag::Last) && !command.has(Tag::Index) {
            self.fault(place, "':last' goes with ':index'");
        }
        // RFC 6134 §2.2
        if command.has(Tag::List) && command.has(Tag::Comparator) {
            self.fault(place, "':list' does not go with ':comparator'");
        }
        // RFC 9042 §4.2, §5
        if command.has(Tag::MailboxId) && command.has(Tag::SpecialUse) {
            self.fault(place, "':mailboxid' does not go with ':specialuse'");
        }
        if command.number(Tag::Index) == Some(0) {
            self.fault(place, "':index' counts from 1");
        }
        let parts = [
            Tag::AnyChild,
            Tag::Type,
            Tag::Subtype,
            Tag::ContentType,
            Tag::Param,
        ];
        let part = parts.into_iter().find(|tag| command.has(*tag));
        if let Some(part) = part.filter(|_| !command.has(Tag::Mime)) {
            self.fault(place, format!("':{}' goes with ':mime'", part.name()));
        }
        if matches!(command.verb, Verb::Vacation | Verb::Notify) && !command.has(Tag::Fcc) {
            let filing = [Tag::Create, Tag::Flags, Tag::SpecialUse, Tag::MailboxId];
            if let Some(tag) = filing.into_iter().find(|tag| command.has(*tag)) {
                self.fault(place, format!("':{}' goes with ':fcc'", tag.name()));
            }
        }
    }

    // RFC 5228 §5.1
    fn address_fields(&mut self, command: &Command, place: Place) {
        if command.has(Tag::Mime) {
            return;
        }
        for name in command.texts(0).iter().filter_map(Template::constant) {
            let known = ADDRESS_FIELDS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name));
            // Fields of one's own may hold them.
            let own = name
                .get(..2)
                .is_some_and(|begins| begins.eq_ignore_ascii_case("x-"));
            if !known && !own {
                let text = format!("the field '{name}' holds no addresses");
                self.hinted(place, text, "the test 'header' compares it as text");
            }
        }
    }

    // RFC 5228 §5.4
    fn envelope_parts(&mut self, command: &Command, place: Place) {
        for part in command.texts(0).iter().filter_map(Template::constant) {
            let known = ENVELOPE_PARTS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(part));
            match known {
                None => self.fault(place, format!("unknown part of the envelope '{part}'")),
                Some((name, Some(extension))) => {
                    self.need(&format!("'{name}'"), *extension, place);
                    // RFC 6009 §4
                    if let Some(tag) = ADDRESS_PARTS.into_iter().find(|tag| command.has(*tag)) {
                        let tag = tag.name();
                        self.fault(place, format!("'{name}' is no address for ':{tag}'"));
                    }
                }
                Some(_) => {}
            }
        }
        self.zone(command, place);
        if command.has(Tag::Zone) {
            self.need("':zone'", Extension::EnvelopeDeliverBy, place);
        }
    }

    fn redirect(&mut self, command: &Command, place: Place) {
        if !self.limits.abilities.redirects() {
            self.fault(place, "no message is sent on from here");
        }
        if !command.has(Tag::List) {
            self.address(command.texts(0), place);
        }
        let constant = |tag| command.tagged(tag).first().and_then(Template::constant);
        if constant(Tag::Notify).is_some_and(|notify| crate::action::notify(notify).is_none()) {
            let hint = "NEVER, or some of SUCCESS, FAILURE and DELAY with commas between";
            self.hinted(place, "':notify' takes conditions", hint);
        }
        if constant(Tag::Ret).is_some_and(|ret| crate::action::ret(ret).is_none()) {
            self.fault(place, "':ret' takes FULL or HDRS");
        }
        let mode =
            |mode: &str| mode.eq_ignore_ascii_case("notify") || mode.eq_ignore_ascii_case("return");
        if constant(Tag::ByMode).is_some_and(|text| !mode(text)) {
            self.fault(place, "':bymode' takes notify or return");
        }
    }

    fn address(&mut self, texts: &[Template], place: Place) {
        for text in texts.iter().filter_map(Template::constant) {
            if address(text).is_none() {
                self.fault(place, format!("\"{text}\" is no address"));
            }
        }
    }

    fn vacation(&mut self, command: &Command, place: Place) {
        self.address(command.tagged(Tag::Addresses), place);
        self.from(command, place);
    }

    fn from(&mut self, command: &Command, place: Place) {
        let from = command
            .tagged(Tag::From)
            .first()
            .and_then(Template::constant);
        if let Some(text) = from.filter(|text| !is_mailbox_list(text)) {
            self.fault(place, format!("':from' takes an address, not \"{text}\""));
        }
    }

    fn name(&mut self, text: &Template, place: Place) -> Option<Name> {
        let Some(text) = text.constant() else {
            self.fault(place, "the name of a variable is a constant string");
            return None;
        };
        match Name::parse(text, self.required) {
            Ok(name) if name.name.len() > self.limits.variable_name_octets_max => {
                self.fault(place, format!("the name '{text}' is too long"));
                None
            }
            Ok(name) => Some(name),
            Err(text) => {
                self.fault(place, text);
                None
            }
        }
    }

    fn assignment(&mut self, command: &Command, place: Place) {
        if command.verb == Verb::ExtractText {
            self.need("'extracttext'", Extension::Variables, place);
            if self.loops.is_empty() {
                // RFC 5703 §7
                self.fault(place, "'extracttext' stands inside of 'foreverypart'");
            }
        }
        let name = command.texts(0).first();
        if let Some(name) = name.and_then(|name| self.name(name, place)) {
            self.set.insert(name);
        }
    }

    // RFC 5463 §4
    fn constants(&mut self, command: &Command, place: Place) {
        let mut texts = command.texts(0).iter();
        if texts.any(|text| text.constant().is_none()) {
            self.fault(place, "'ihave' takes constant strings");
        }
    }

    // RFC 6609 §3.4.1
    fn global(&mut self, command: &Command, place: Place) {
        self.need("'global'", Extension::Variables, place);
        for text in command.texts(0) {
            match self.name(text, place) {
                Some(name) if name.global => {
                    let text = format!("'global' takes a name without 'global.': {}", name.name);
                    self.fault(place, text);
                }
                Some(name) if self.set.contains(&name) => {
                    let text = format!("'{}' was set before it was declared global", name.name);
                    self.fault(place, text);
                }
                Some(_) | None => {}
            }
        }
    }

    // RFC 5232 §3
    fn flag_variable(&mut self, command: &Command, place: Place) {
        let texts = command.texts(0);
        if !texts.is_empty() {
            self.need("a variable with flags", Extension::Variables, place);
        }
        for text in texts {
            self.name(text, place);
        }
    }

    // RFC 6609 §3.2, RFC 5804 §1.6
    fn include(&mut self, command: &Command, place: Place) {
        let name = command.texts(0).first();
        let Some(name) = name.and_then(Template::constant) else {
            self.fault(place, "the name of a script is a constant string");
            return;
        };
        let barred =
            |letter: char| letter.is_control() || matches!(letter, '/' | '\u{2028}' | '\u{2029}');
        if name.is_empty() || name.len() > SCRIPT_NAME_OCTETS_MAX || name.contains(barred) {
            self.fault(place, format!("{name:?} is no name of a script"));
        }
    }

    fn date_part(&mut self, texts: &[Template], place: Place) {
        let part = texts.first().and_then(Template::constant);
        if let Some(part) = part.filter(|part| date::Part::parse(part).is_none()) {
            self.fault(place, format!("unknown part of a date '{part}'"));
        }
    }

    fn zone(&mut self, command: &Command, place: Place) {
        let zone = command
            .tagged(Tag::Zone)
            .first()
            .and_then(Template::constant);
        if let Some(zone) = zone.filter(|zone| date::zone_minutes(zone).is_none()) {
            let text = format!("'{zone}' is no time zone");
            self.hinted(place, text, "like \"+0100\"");
        }
    }

    // RFC 5293 §4
    fn field_name(&mut self, command: &Command, place: Place) {
        let name = command.texts(0).first().and_then(Template::constant);
        if let Some(name) = name.filter(|name| !is_field_name(name)) {
            self.fault(place, format!("'{name}' is no name of a header field"));
        }
    }

    fn notify(&mut self, command: &Command, place: Place) {
        let importance = command.tagged(Tag::Importance).first();
        let importance = importance.and_then(Template::constant);
        if importance.is_some_and(|text| !matches!(text, "1" | "2" | "3")) {
            self.fault(place, "':importance' takes \"1\", \"2\" or \"3\"");
        }
        for option in command
            .tagged(Tag::Options)
            .iter()
            .filter_map(Template::constant)
        {
            if !is_option(option) {
                self.fault(place, format!("the option \"{option}\" is no name=value"));
            }
        }
    }

    // RFC 5703 §5
    fn replace(&mut self, command: &Command, place: Place) {
        if command.has(Tag::Mime) && (command.has(Tag::Subject) || command.has(Tag::From)) {
            self.fault(place, "':subject' and ':from' do not go with ':mime'");
        }
        self.from(command, place);
    }
}

/// Octets a script's name may have (RFC 5804 §1.6 asks for 128 characters of 4 octets).
const SCRIPT_NAME_OCTETS_MAX: usize = 512;

/// Reads an address as scripts write it: bare, or in angle brackets behind a name.
pub(crate) fn address(text: &str) -> Option<Address> {
    let text = text.trim();
    let bare = match text.strip_suffix('>') {
        // A name is one, if all together is one address.
        Some(before) if parse_addresses(text.as_bytes(), 2).len() == 1 => {
            before.rsplit_once('<')?.1
        }
        Some(_) => return None,
        None => text,
    };
    let (local, host) = bare.rsplit_once('@')?;
    Address::parse(&format!("{}@{}", local.trim(), host.trim())).ok()
}

/// True for one or more addresses, each with a name or without.
pub(crate) fn is_mailbox_list(text: &str) -> bool {
    let list = parse_addresses(text.as_bytes(), ADDRESSES_MAX);
    !list.is_empty() && list.iter().all(|one| one.address().is_some())
}

/// Addresses looked at of one list.
const ADDRESSES_MAX: usize = 100;

/// True for the name of a header field (RFC 5322 §2.2).
pub(crate) fn is_field_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|octet| matches!(octet, 33..=57 | 59..=126))
}

// RFC 5435 §3.5
fn is_option(text: &str) -> bool {
    let Some((name, value)) = text.split_once('=') else {
        return false;
    };
    let mut octets = name.bytes();
    let first = octets
        .next()
        .is_some_and(|octet| octet.is_ascii_alphanumeric());
    first
        && octets.all(|octet| octet.is_ascii_alphanumeric() || b".-_".contains(&octet))
        && !value.contains(['\0', '\r', '\n'])
}
