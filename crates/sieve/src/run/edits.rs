//! The message changed: fields added and taken out, parts replaced, the whole enclosed.
//!
//! RFC 5293; RFC 5703 §5 and §6.

use message::{Builder, Header, parse_addresses};

use crate::check::is_field_name;
use crate::circumstances::{Letter, inside};
use crate::language::Tag;
use crate::script::Command;

use super::tests::indexed;
use super::values::Found;
use super::{Run, Tried, steps_for};

/// Fields that no script takes out (RFC 5293 §6).
const KEPT: [&str; 2] = ["received", "auto-submitted"];
/// Addresses read of one field.
const ADDRESSES_MAX: usize = 100;

impl Run {
    /// Counts a change of so many octets of the message.
    fn edit(&mut self, octets: usize) -> Tried<()> {
        if !self.world.letter.is_whole() {
            return Err("the message is too large to be changed".into());
        }
        self.spent.edits += 1;
        if self.spent.edits > self.limits.edits_max {
            return Err("the script changes the message too often".into());
        }
        self.spend(steps_for(octets))?;
        self.is_changed = true;
        Ok(())
    }

    fn is_preserved(&self, name: &str) -> bool {
        let mut preserved = self.preserved.iter();
        preserved.any(|kept| kept.eq_ignore_ascii_case(name))
    }

    // RFC 5293 §4
    pub(super) fn add_header(&mut self, command: &Command) -> Tried<()> {
        let name = self.text(command, 0)?;
        let value = self.text(command, 1)?;
        if !is_field_name(&name) {
            return Err(format!("'{name}' is no name of a header field").into());
        }
        if self.is_preserved(&name) {
            return Ok(());
        }
        self.edit(self.world.letter.header().len())?;
        let field = Builder::new().field(&name, &value).in_front_of(b"");
        let header = self.world.letter.header();
        let mut fields = Header::parse(header);
        let header = if command.has(Tag::Last) {
            fields.by_ref().for_each(drop);
            let (before, blank) = header
                .split_at_checked(fields.offset())
                .unwrap_or((header, b""));
            let line_end: &[u8] = match before.last() {
                None | Some(b'\n') => b"",
                Some(_) => b"\r\n",
            };
            [before, line_end, &field, blank].concat()
        } else {
            [&field, header].concat()
        };
        self.world.letter.set_header(header);
        Ok(())
    }

    // RFC 5293 §5
    pub(super) fn delete_header(&mut self, command: &Command) -> Tried<()> {
        let name = self.text(command, 0)?;
        if !is_field_name(&name) {
            return Err(format!("'{name}' is no name of a header field").into());
        }
        if self.is_preserved(&name) || KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(&name)) {
            return Ok(());
        }
        let fields = Header::parse(self.world.letter.header()).filter(|field| field.is(&name));
        let fields: Vec<(usize, usize, String)> = fields
            .map(|field| {
                let value = message::decode_words(&field.unfolded()).trim().to_owned();
                (field.offset, field.offset + field.raw.len(), value)
            })
            .collect();
        let count = fields.len();
        let mut taken = Vec::new();
        for (start, end, value) in indexed(command, fields) {
            let values = vec![value.into()];
            let found = Found { values, count };
            let patterns = command.texts(1);
            if patterns.is_empty() || self.judge_by(command, found, patterns)? {
                taken.push((start, end));
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        self.edit(self.world.letter.header().len())?;
        let header = self.world.letter.header();
        let mut left = Vec::with_capacity(header.len());
        let mut from = 0;
        for (start, end) in taken {
            left.extend_from_slice(header.get(from..start).unwrap_or_default());
            from = end;
        }
        left.extend_from_slice(header.get(from..).unwrap_or_default());
        self.world.letter.set_header(left);
        Ok(())
    }

    // RFC 5703 §5
    pub(super) fn replace(&mut self, command: &Command) -> Tried<()> {
        let text = self.text(command, 0)?;
        let subject = self.tagged(command, Tag::Subject)?;
        let from = self.tagged(command, Tag::From)?;
        if let Some(from) = from
            .as_deref()
            .filter(|from| !crate::check::is_mailbox_list(from))
        {
            return Err(format!("':from' takes an address, not \"{from}\"").into());
        }
        self.edit(self.world.letter.len())?;
        let whole = self.world.letter.whole();
        let letter = Letter::parse(whole.clone());
        let entity = entity(&text, command.has(Tag::Mime));
        let number = self.loops.last().map_or(0, |one| one.current);
        let Some(part) = letter.part(number).filter(|_| number > 0) else {
            let new = self.replaced_whole(subject.as_deref(), from.as_deref(), &entity);
            self.world.letter = Letter::parse(new.into());
            self.loops.iter_mut().for_each(|one| one.ahead.clear());
            return Ok(());
        };
        let old = inside(part);
        let start = usize::try_from(part.header.offset).unwrap_or(usize::MAX);
        let end = usize::try_from(part.body.end()).unwrap_or(usize::MAX);
        let before = whole.get(..start).unwrap_or_default();
        let behind = whole.get(end..).unwrap_or_default();
        // The line end before a delimiter belongs to that.
        let body = entity.strip_suffix(b"\r\n").unwrap_or(&entity);
        self.world.letter = Letter::parse([before, body, behind].concat().into());
        let new = self.world.letter.part(number).map_or(0, inside);
        for one in &mut self.loops {
            // The loops do not go into what is no longer there, nor into what is new.
            let first = number + old + 1;
            one.ahead
                .retain(|ahead| *ahead <= number || *ahead >= first);
            for ahead in one.ahead.iter_mut().filter(|ahead| **ahead >= first) {
                *ahead = *ahead - old + new;
            }
        }
        Ok(())
    }

    /// The message with another body; the fields that said what the old one was are gone.
    fn replaced_whole(
        &mut self,
        subject: Option<&str>,
        from: Option<&str>,
        entity: &[u8],
    ) -> Vec<u8> {
        let mut message = Vec::new();
        for field in Header::parse(self.world.letter.header()) {
            let name = field.name.to_ascii_lowercase();
            if name == b"mime-version" || name.starts_with(b"content-") {
                continue;
            }
            let replaced =
                (subject.is_some() && field.is("Subject")) || (from.is_some() && field.is("From"));
            if replaced {
                message.extend_from_slice(b"Original-");
            }
            message.extend_from_slice(field.raw);
            if !field.raw.ends_with(b"\n") {
                message.extend_from_slice(b"\r\n");
            }
        }
        let mut builder = Builder::new();
        if let Some(subject) = subject {
            self.preserved.push("Original-Subject");
            builder = builder.subject(subject);
        }
        if let Some(from) = from {
            self.preserved.push("Original-From");
            let list = parse_addresses(from.as_bytes(), ADDRESSES_MAX);
            builder = builder.correspondents("From", &list);
        }
        message.extend(builder.in_front_of(b"MIME-Version: 1.0\r\n"));
        message.extend_from_slice(entity);
        message
    }

    // RFC 5703 §6
    pub(super) fn enclose(&mut self, command: &Command) -> Tried<()> {
        let text = self.text(command, 0)?;
        let subject = self.tagged(command, Tag::Subject)?;
        let headers = self.expand_all(command.tagged(Tag::Headers))?;
        let named = |name: &str| headers.iter().any(|one| one.eq_ignore_ascii_case(name));
        let date = if named("Date") {
            None
        } else {
            Some(self.now()?)
        };
        let before = self.changed();
        self.edit(self.world.letter.len())?;
        self.unenclosed.get_or_insert(before);
        let whole = self.world.letter.whole();
        let mut fields = Vec::new();
        for field in Header::parse(self.world.letter.header()) {
            let copied = headers.iter().any(|name| field.is(name))
                || subject.is_none() && field.is("Subject");
            let mime = field.name.to_ascii_lowercase().starts_with(b"content-")
                || field.is("MIME-Version")
                || subject.is_some() && field.is("Subject");
            if copied && !mime {
                fields.extend_from_slice(field.raw);
            }
        }
        let mut builder = Builder::new().text(&text).enclose(&whole);
        if let Some(date) = date {
            builder = builder.date(date);
        }
        if let Some(owner) = self.world.addresses.first().filter(|_| !named("From")) {
            builder = builder.from("", owner);
        }
        if let Some(subject) = &subject {
            builder = builder.subject(subject);
        }
        fields.extend(builder.build());
        self.world.letter = Letter::parse(fields.into());
        for one in &mut self.loops {
            one.ahead.clear();
            one.current = 0;
        }
        Ok(())
    }
}

/// Header and body of what comes in the place of a part.
fn entity(text: &str, mime: bool) -> Vec<u8> {
    if mime {
        return text.as_bytes().to_vec();
    }
    let built = Builder::new().text(text).build();
    let bare = built.strip_prefix(b"MIME-Version: 1.0\r\n".as_slice());
    bare.map_or_else(|| built.clone(), <[u8]>::to_vec)
}
