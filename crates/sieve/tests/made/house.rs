//! A house that answers scripts: mailboxes, lists, what was seen, other scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mail::{Address, ForwardPath, Notify, Recipient, Ret, ReversePath, Timestamp};
use sieve::{
    Action, Answer, Ask, By, Circumstances, Deed, Envelope, Letter, Limits, Location, Outcome, Run,
    Script, Step,
};

/// What scripts may ask for.
#[derive(Default)]
pub(crate) struct House {
    pub(crate) mailboxes: BTreeSet<String>,
    pub(crate) metadata: BTreeMap<(Option<String>, String), String>,
    pub(crate) seen: BTreeSet<(String, String)>,
    pub(crate) lists: BTreeMap<String, Vec<String>>,
    pub(crate) scripts: BTreeMap<String, String>,
}

/// Saturday evening, an hour east of Greenwich.
pub(crate) fn now() -> Timestamp {
    message::parse_date(b"Sat, 28 Nov 2026 21:15:00 +0100").unwrap()
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// From ada to grace, with everything an envelope may have.
pub(crate) fn circumstances(letter: &str) -> Circumstances {
    let letter = letter.replace("\r\n", "\n").replace('\n', "\r\n");
    let mut world = Circumstances::new(Letter::parse(letter.into()));
    let envelope = Envelope {
        reverse_path: ReversePath::Address(address("ada@example.org")),
        recipient: Recipient {
            forward_path: ForwardPath::Address(address("grace+lists@example.net")),
            notify: Some(Notify::On {
                success: true,
                failure: true,
                delay: false,
            }),
            orcpt: Some("rfc822;grace@example.com".to_owned()),
        },
        ret: Some(Ret::Headers),
        envid: Some("QQ1".to_owned()),
        auth: None,
        by: Some(By {
            seconds: 120,
            time: now(),
            returns: true,
            trace: false,
        }),
    };
    world.envelope = Some(Arc::new(envelope));
    world.addresses = vec![address("grace@example.net")];
    world.environment = vec![("domain".to_owned(), "example.net".to_owned())];
    world
}

impl House {
    pub(crate) fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Now => Answer::Now(now()),
            Ask::Mailbox(name) | Ask::MailboxId(name) => {
                Answer::Flag(self.mailboxes.contains(&name))
            }
            Ask::SpecialUse { mailbox, attribute } => {
                let name = mailbox.unwrap_or_default() + &attribute;
                Answer::Flag(self.mailboxes.contains(&name))
            }
            Ask::Metadata {
                mailbox,
                annotation,
            } => Answer::Text(self.metadata.get(&(mailbox, annotation)).cloned()),
            Ask::Seen { handle, id } => Answer::Flag(self.seen.contains(&(handle, id))),
            Ask::Script { location, name } => {
                let name = match location {
                    Location::Personal => name,
                    Location::Global => format!("global {name}"),
                };
                let text = self.scripts.get(&name);
                Answer::Script(text.map(|text| Arc::new(script(&name, text))))
            }
            Ask::Listed { list, values } => {
                let members = self.lists.get(&list);
                let on = |value: &String| members.is_some_and(|all| all.contains(value));
                Answer::Text(values.into_iter().find(on))
            }
            Ask::List(list) => Answer::Flag(self.lists.contains_key(&list)),
            Ask::Foreign { .. } => Answer::Flag(false),
        }
    }

    pub(crate) fn run(&self, text: &str, world: Circumstances) -> Outcome {
        let mut run = Run::new(Arc::new(script("main", text)), world, Limits::HOUSE);
        loop {
            match run.step() {
                Step::Ask(ask) => {
                    let answer = self.answer(ask);
                    run.answer(answer);
                }
                Step::Done(outcome) => return outcome,
            }
        }
    }

    /// What a script wants done, one action a line, or the fault.
    pub(crate) fn lines(&self, text: &str, world: Circumstances) -> Vec<String> {
        let outcome = self.run(text, world);
        match outcome.fault {
            Some(trouble) => vec![format!("error: {}", trouble.text)],
            None => outcome.actions.iter().map(line).collect(),
        }
    }
}

pub(crate) fn script(name: &str, text: &str) -> Script {
    match Script::compile(name, text.as_bytes(), &Limits::HOUSE) {
        Ok(script) => script,
        Err(faults) => panic!("{text}\n{faults:?}"),
    }
}

pub(crate) fn line(action: &Action) -> String {
    let name = action.deed.name();
    match &action.deed {
        Deed::Keep { flags } if flags.is_empty() => name.to_owned(),
        Deed::Keep { flags } => format!("{name} {flags}"),
        Deed::FileInto(filing) => {
            let mut line = format!("{name} {}", filing.mailbox);
            for more in [&filing.mailbox_id, &filing.special_use]
                .into_iter()
                .flatten()
            {
                line = format!("{line} {more}");
            }
            let create = if filing.create { " create" } else { "" };
            format!("{line}{create} {}", filing.flags)
                .trim_end()
                .to_owned()
        }
        Deed::Redirect(redirect) => format!("{name} {}", redirect.target),
        Deed::Discard => name.to_owned(),
        Deed::Reject { reason, .. } => format!("{name} {reason}"),
        Deed::Vacation(reply) => format!("{name} {} {}", reply.to, reply.subject),
        Deed::Notify(notice) => format!("{name} {} {}", notice.recipients.len(), notice.subject),
        Deed::Remember { id, seconds, .. } => format!("{name} {id} {seconds}"),
    }
}
