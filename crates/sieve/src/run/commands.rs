//! Commands: what they add to what is to be done.

use std::sync::Arc;

use mail::FlagSet;

use crate::action::{Action, ByTime, Cause, Deed, DeliverBy, Filing, Redirect, Target};
use crate::ask::Ask;
use crate::check::{address, is_mailbox_list};
use crate::language::{Tag, Verb};
use crate::notice::{self, Notice};
use crate::reply;
use crate::script::Command;

use super::tests::full_name;
use super::values::read_flags;
use super::variables::modified;
use super::{Flow, Run, Tried, Trouble};

impl Run {
    pub(super) fn act(&mut self, command: &Command) -> Tried<Flow> {
        self.allowed(command)?;
        match command.verb {
            Verb::Stop => return Ok(Flow::Stop),
            Verb::Return => return Ok(Flow::Return),
            Verb::Include => return self.include(command),
            Verb::Error => {
                let text = self.text(command, 0)?;
                return Err(match text.is_empty() {
                    true => "'error', without a word".into(),
                    false => text.into(),
                });
            }
            Verb::Keep => self.keep(command)?,
            Verb::Discard => {
                self.implicit_keep = false;
                let discard = |action: &Action| action.deed == Deed::Discard;
                if !self.actions.iter().any(discard) {
                    self.push(Deed::Discard, command.line, false)?;
                }
            }
            Verb::Redirect => self.redirect(command)?,
            Verb::FileInto => {
                let filing = self.filing(command, None)?;
                self.file(filing, command)?;
            }
            Verb::Reject | Verb::EReject => self.reject(command)?,
            Verb::Vacation => self.vacation(command)?,
            Verb::Notify => self.notify(command)?,
            Verb::Set => {
                let value = self.text(command, 1)?;
                if let Some(name) = command.texts(0).first() {
                    let name = self.variable(name)?;
                    self.store(&name, modified(command, value))?;
                }
            }
            Verb::SetFlag | Verb::AddFlag | Verb::RemoveFlag => self.change_flags(command)?,
            Verb::Global => self.declare_global(command.texts(0))?,
            Verb::AddHeader => self.add_header(command)?,
            Verb::DeleteHeader => self.delete_header(command)?,
            Verb::ExtractText => self.extract_text(command)?,
            Verb::Replace => self.replace(command)?,
            Verb::Enclose => self.enclose(command)?,
            Verb::Foreign => {
                self.foreign(command)?;
            }
            // The rest are no actions.
            _ => {}
        }
        Ok(Flow::Next)
    }

    fn cause(&self, line: u32) -> Cause {
        match self.frames.last() {
            Some(frame) => Cause::Line {
                script: Arc::clone(&frame.script.name),
                line,
            },
            None => Cause::Implicit,
        }
    }

    /// Notes why nothing comes of a command.
    fn note(&mut self, line: u32, text: String) {
        if let Some(frame) = self.frames.last()
            && self.notes.len() < self.limits.actions_max
        {
            self.notes.push(Trouble {
                script: Arc::clone(&frame.script.name),
                line,
                text,
            });
        }
    }

    fn push(&mut self, deed: Deed, line: u32, changed: bool) -> Tried<()> {
        let counted = |action: &&Action| !matches!(action.deed, Deed::Remember { .. });
        if self.actions.iter().filter(counted).count() >= self.limits.actions_max {
            return Err("the script does too much: too many actions".into());
        }
        let changed = if changed { self.changed() } else { None };
        let cause = self.cause(line);
        self.actions.push(Action {
            deed,
            cause,
            changed,
        });
        Ok(())
    }

    /// Complains where a refused message is used otherwise too.
    // RFC 5429 §2.4
    fn not_refused(&self, name: &str) -> Tried<()> {
        let refused = |action: &Action| matches!(action.deed, Deed::Reject { .. });
        if self.actions.iter().any(refused) {
            return Err(format!("'{name}' does not go with a refusal").into());
        }
        Ok(())
    }

    fn flags(&mut self, command: &Command) -> Tried<FlagSet> {
        if command.has(Tag::Flags) {
            let texts = self.expand_all(command.tagged(Tag::Flags))?;
            return Ok(read_flags(texts.iter().map(String::as_str)));
        }
        Ok(self.flags.clone())
    }

    fn keep(&mut self, command: &Command) -> Tried<()> {
        self.not_refused("keep")?;
        let flags = self.flags(command)?;
        self.implicit_keep = false;
        self.store_once(Deed::Keep { flags }, command.line)
    }

    /// Where a command files: what `fileinto` says, or `:fcc`.
    fn filing(&mut self, command: &Command, fcc: Option<String>) -> Tried<Filing> {
        // A copy of a message that is made has no flags but its own (RFC 8580 §3.1.1).
        let flags = match fcc {
            Some(_) if !command.has(Tag::Flags) => FlagSet::new(),
            _ => self.flags(command)?,
        };
        let mailbox = match fcc {
            Some(mailbox) => mailbox,
            None => self.text(command, 0)?,
        };
        if mailbox.contains(['\0', '\r', '\n']) {
            return Err(format!("{mailbox:?} is no name of a mailbox").into());
        }
        Ok(Filing {
            mailbox,
            mailbox_id: self.tagged(command, Tag::MailboxId)?,
            special_use: self.tagged(command, Tag::SpecialUse)?,
            create: command.has(Tag::Create),
            flags,
        })
    }

    fn file(&mut self, filing: Filing, command: &Command) -> Tried<()> {
        self.not_refused("fileinto")?;
        if !command.has(Tag::Copy) {
            self.implicit_keep = false;
        }
        self.store_once(Deed::FileInto(filing), command.line)
    }

    /// Adds a filing, or gives its flags to the one that is there (RFC 5228 §2.10.3).
    fn store_once(&mut self, deed: Deed, line: u32) -> Tried<()> {
        let same = |action: &&mut Action| is_same_place(&action.deed, &deed);
        if let Some(there) = self.actions.iter_mut().find(same) {
            set_flags(&mut there.deed, deed);
            return Ok(());
        }
        self.push(deed, line, true)
    }

    fn redirect(&mut self, command: &Command) -> Tried<()> {
        self.not_refused("redirect")?;
        let text = self.text(command, 0)?;
        let target = if command.has(Tag::List) {
            Target::List(full_name(text))
        } else {
            let found = address(&text);
            Target::Address(found.ok_or_else(|| format!("\"{text}\" is no address"))?)
        };
        let notify = self.tagged(command, Tag::Notify)?;
        let notify = notify.map(|text| {
            let found = crate::action::notify(&text);
            found.ok_or_else(|| format!("\"{text}\" says not when to report"))
        });
        let ret = self.tagged(command, Tag::Ret)?;
        let ret = ret.map(|text| {
            let found = crate::action::ret(&text);
            found.ok_or_else(|| format!("\"{text}\" is neither FULL nor HDRS"))
        });
        let redirect = Redirect {
            target,
            notify: notify.transpose()?,
            ret: ret.transpose()?,
            by: self.deliver_by(command)?,
        };
        if !command.has(Tag::Copy) {
            self.implicit_keep = false;
        }
        let redirected = |action: &&Action| matches!(action.deed, Deed::Redirect(_));
        let same = |action: &Action| match &action.deed {
            Deed::Redirect(there) => there.target == redirect.target,
            _ => false,
        };
        if self.chain.done.iter().chain(&self.actions).any(same) {
            return Ok(());
        }
        if self.actions.iter().filter(redirected).count() >= self.limits.redirects_max {
            return Err("the script sends the message on to too many".into());
        }
        let unenclosed = self.unenclosed.clone();
        self.push(Deed::Redirect(redirect), command.line, true)?;
        if let (Some(before), Some(action)) = (unenclosed, self.actions.last_mut()) {
            action.changed = before;
        }
        Ok(())
    }

    // RFC 6009 §7
    fn deliver_by(&mut self, command: &Command) -> Tried<Option<DeliverBy>> {
        let relative = command.number(Tag::ByTimeRelative);
        let absolute = self.tagged(command, Tag::ByTimeAbsolute)?;
        let mode = self.tagged(command, Tag::ByMode)?;
        let time = match (relative, absolute) {
            (Some(seconds), _) => ByTime::Relative(i64::try_from(seconds).unwrap_or(i64::MAX)),
            (None, Some(text)) => {
                let time = message::parse_date(text.as_bytes());
                let time = time.ok_or_else(|| format!("\"{text}\" is no time"))?;
                ByTime::Absolute(time.seconds)
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(DeliverBy {
            time,
            returns: mode.is_none_or(|mode| mode.eq_ignore_ascii_case("return")),
            trace: command.has(Tag::ByTrace),
        }))
    }

    // RFC 5429 §2
    fn reject(&mut self, command: &Command) -> Tried<()> {
        let reason = self.text(command, 0)?;
        let other = |action: &&Action| {
            !matches!(
                action.deed,
                Deed::Discard | Deed::Notify(_) | Deed::Remember { .. }
            )
        };
        let mut all = self.chain.done.iter().chain(&self.actions);
        let other = all.find(other).map(|other| other.deed.name());
        // An answer that is not due was an answer all the same.
        let answered = self.has_answered.then_some("vacation");
        if let Some(name) = other.or(answered) {
            return Err(format!("a refusal does not go with '{name}'").into());
        }
        self.implicit_keep = false;
        let extended = command.verb == Verb::EReject;
        self.push(Deed::Reject { reason, extended }, command.line, false)
    }

    // RFC 5230 §4
    fn vacation(&mut self, command: &Command) -> Tried<()> {
        self.not_refused("vacation")?;
        if self.has_answered {
            return Err("a script answers a message once".into());
        }
        let own = self.expand_all(command.tagged(Tag::Addresses))?;
        let own = own.iter().filter_map(|text| address(text)).collect();
        let from = self.tagged(command, Tag::From)?;
        if let Some(from) = from.as_deref().filter(|from| !is_mailbox_list(from)) {
            return Err(format!("':from' takes an address, not \"{from}\"").into());
        }
        let asked = reply::Asked {
            own,
            from,
            subject: self.tagged(command, Tag::Subject)?,
            reason: self.text(command, 0)?,
            mime: command.has(Tag::Mime),
            handle: self.tagged(command, Tag::Handle)?,
            written: reply::written(command),
            seconds: self.vacation_seconds(command),
        };
        if asked.mime && !reply::is_mime_entity(&asked.reason) {
            return Err("the header of a ':mime' reply is in ASCII".into());
        }
        let copy = self.copy(command)?;
        self.has_answered = true;
        let is_answer = |action: &Action| matches!(action.deed, Deed::Vacation(_));
        if self.chain.done.iter().any(is_answer) {
            let text = "no answer is due: a script before this one answers";
            self.note(command.line, text.to_owned());
            return Ok(());
        }
        match reply::reply(&self.world, asked, copy) {
            Ok(reply) => self.push(Deed::Vacation(Box::new(reply)), command.line, false),
            Err(why) => {
                self.note(command.line, format!("no answer is due: {why}"));
                Ok(())
            }
        }
    }

    // RFC 5230 §4.1, RFC 6131 §2
    fn vacation_seconds(&self, command: &Command) -> u64 {
        let limits = &self.limits;
        let seconds = match (command.number(Tag::Seconds), command.number(Tag::Days)) {
            // Zero is every message.
            (Some(seconds), _) => return seconds.min(limits.vacation_seconds_max),
            (None, Some(days)) => days.saturating_mul(86_400),
            (None, None) => limits.vacation_seconds_default,
        };
        seconds.clamp(limits.vacation_seconds_min, limits.vacation_seconds_max)
    }

    // RFC 8580 §3
    fn copy(&mut self, command: &Command) -> Tried<Option<Filing>> {
        match self.tagged(command, Tag::Fcc)? {
            Some(mailbox) => self.filing(command, Some(mailbox)).map(Some),
            None => Ok(None),
        }
    }

    // RFC 5435 §3, RFC 5436
    fn notify(&mut self, command: &Command) -> Tried<()> {
        let method = self.text(command, 0)?;
        let letter = notice::parse(&method)?;
        let from = self.tagged(command, Tag::From)?;
        let importance = self.tagged(command, Tag::Importance)?;
        let importance = match importance.as_deref() {
            Some("1") => 1,
            Some("3") => 3,
            Some("2") | None => 2,
            Some(_) => return Err("':importance' takes \"1\", \"2\" or \"3\"".into()),
        };
        let message = self.tagged(command, Tag::Message)?;
        let copy = self.copy(command)?;
        let asked = notice::Asked {
            method,
            from,
            importance,
            message,
        };
        let notice = match Notice::new(&self.world, letter, asked, copy) {
            Ok(notice) => notice,
            Err(why) => {
                self.note(command.line, format!("no notice is due: {why}"));
                return Ok(());
            }
        };
        let same = |action: &Action| match &action.deed {
            // RFC 5436 §2.7
            Deed::Notify(there) => {
                there.recipients == notice.recipients && there.subject == notice.subject
            }
            _ => false,
        };
        if self.actions.iter().any(same) {
            return Ok(());
        }
        self.push(Deed::Notify(Box::new(notice)), command.line, false)
    }

    // RFC 5232 §3
    fn change_flags(&mut self, command: &Command) -> Tried<()> {
        let texts = self.expand_all(command.texts(1))?;
        let given = read_flags(texts.iter().map(String::as_str));
        let name = match command.texts(0).first() {
            Some(name) => Some(self.variable(name)?),
            None => None,
        };
        let old = match &name {
            Some(name) => read_flags([self.value(name)]),
            None => self.flags.clone(),
        };
        let new: FlagSet = match command.verb {
            Verb::SetFlag => given,
            Verb::AddFlag => old.iter().chain(given.iter()).collect(),
            _ => old.iter().filter(|flag| !given.contains(flag)).collect(),
        };
        match name {
            Some(name) => self.store(&name, new.to_string()),
            None => {
                self.flags = new;
                Ok(())
            }
        }
    }

    // RFC 6609 §3.2
    fn include(&mut self, command: &Command) -> Tried<Flow> {
        let location = command.location();
        let name = command.constant(0);
        let key = (location, Box::from(name));
        let around = self
            .frames
            .iter()
            .any(|frame| frame.key.as_ref() == Some(&key));
        let main = self
            .frames
            .first()
            .is_some_and(|frame| &*frame.script.name == name);
        if command.has(Tag::Once) && (around || self.included.contains(&key)) {
            return Ok(Flow::Next);
        }
        if around || main && location == crate::Location::Personal {
            return Err(format!("the script '{name}' includes itself").into());
        }
        if self.frames.len() > self.limits.include_depth_max {
            return Err("scripts are included too deeply".into());
        }
        if self.spent.includes >= self.limits.includes_max {
            return Err("too many scripts are included".into());
        }
        let answer = self.ask(Ask::Script {
            location,
            name: name.to_owned(),
        })?;
        match answer {
            crate::Answer::Script(Some(script)) => {
                self.spent.includes += 1;
                self.included.insert(key.clone());
                Ok(Flow::Into(script, key))
            }
            _ if command.has(Tag::Optional) => Ok(Flow::Next),
            _ => Err(format!("there is no script '{name}' to include").into()),
        }
    }

    /// Notes an identifier that is to be remembered.
    // RFC 7352 §3
    pub(super) fn remember(
        &mut self,
        (handle, id): (String, String),
        seconds: u64,
        renew: bool,
        line: u32,
    ) -> Tried<()> {
        let same = |action: &&mut Action| match &action.deed {
            Deed::Remember {
                handle: known_handle,
                id: known,
                ..
            } => (known_handle, known) == (&handle, &id),
            _ => false,
        };
        let deed = Deed::Remember {
            handle: handle.clone(),
            id: id.clone(),
            seconds,
            renew,
        };
        if let Some(there) = self.actions.iter_mut().find(same) {
            there.deed = deed;
            return Ok(());
        }
        let remembered = |action: &&Action| matches!(action.deed, Deed::Remember { .. });
        if self.actions.iter().filter(remembered).count() >= self.limits.actions_max {
            return Err("the script remembers too much".into());
        }
        let cause = self.cause(line);
        self.actions.push(Action {
            deed,
            cause,
            changed: None,
        });
        Ok(())
    }
}

/// Gives the flags of one filing to another: the last flags win.
// RFC 5232 §3
fn set_flags(there: &mut Deed, deed: Deed) {
    let new = match deed {
        Deed::Keep { flags } => flags,
        Deed::FileInto(filing) => filing.flags,
        _ => return,
    };
    match there {
        Deed::Keep { flags } => *flags = new,
        Deed::FileInto(filing) => filing.flags = new,
        _ => {}
    }
}

/// True where two filings put the message into the same mailbox.
fn is_same_place(one: &Deed, other: &Deed) -> bool {
    let place = |deed: &Deed| match deed {
        Deed::Keep { .. } => Some(("INBOX".to_owned(), None, None)),
        Deed::FileInto(filing) => {
            let inbox = filing.mailbox.eq_ignore_ascii_case("INBOX");
            let mailbox = if inbox {
                "INBOX".to_owned()
            } else {
                filing.mailbox.clone()
            };
            Some((
                mailbox,
                filing.mailbox_id.clone(),
                filing.special_use.clone(),
            ))
        }
        _ => None,
    };
    place(one).is_some() && place(one) == place(other)
}
