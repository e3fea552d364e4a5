//! A made-up house: ada, her mailboxes, and others who change them meanwhile.
//!
//! A line `# at 100: gone INBOX 3` in a dialogue happens when the ledger moves to 100 (`N: 100`),
//! `# while Fetch: gone INBOX 3` when the house is first asked that.
//! Batches are tiny, so that every dialogue meets their borders.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use imap::ask::{Answer, Ask, Listed, Place, Quota, Refused, Why};
use imap::{Policy, Session};
use mail::{
    BlobRange, Enhanced, Flag, FlagSet, Instant, MailboxId, ModSeq, Progress, Refusal, Rights,
    Role, Timestamp, Uid,
};
use wire::dialogue::{House, security_for_tests, token_for_tests};
use wire::sasl::{Mechanism, Question, ScramKeys, Verdict};
use wire::witness::STAND_IN;
use wire::{Security, Session as _, Step, Witness};

use self::mailbox::{Mailbox, Message};
use self::news::Deed;

mod mailbox;
mod messages;
mod news;
mod order;
mod rights;

const LETTERS: [&str; 3] = [
    "From: Alan <alan@caramel.example>\r\nTo: ada@caramel.example\r\nSubject: One\r\n\
     Date: Mon, 23 Nov 2026 20:15:00 +0000\r\nMessage-ID: <1@caramel.example>\r\n\r\n\
     First line\r\nsecond line, long enough to be sent from where it is stored\r\n",
    "Subject: Two\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
     --x\r\nContent-Type: text/plain\r\n\r\nText\r\n--x\r\n\
     Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n\
     AGJpbmFyeQ==\r\n--x\r\nContent-Transfer-Encoding: x-odd\r\n\r\n???\r\n--x--\r\n",
    "Subject: Three\r\n\r\nshort\r\n",
];

/// What the names of removed mail begin with.
const REMOVED: &str = "Removed Mail/";

/// A session, and how far the ledger moved.
#[derive(Debug)]
pub(crate) struct Visitor {
    session: Session,
    moved: Rc<Cell<u64>>,
}

#[derive(Debug)]
pub(crate) struct Made {
    moved: Rc<Cell<u64>>,
    modseq: u64,
    mailboxes: Vec<Mailbox>,
    subscribed: Vec<String>,
    texts: Vec<Vec<u8>>,
    events: Vec<(u64, String)>,
    hasty: Vec<(String, String)>,
    deeds: Vec<Deed>,
    append: Option<(String, Vec<Arriving>)>,
    replaces: Option<(Place, Uid)>,
    quota: Quota,
    notes: BTreeMap<(Option<String>, String), Bytes>,
}

/// A message of APPEND on its way.
type Arriving = (FlagSet, Option<Timestamp>, Vec<u8>);

/// A session and a house as the comments of a script want them: `# plain`, `# clear`;
/// `# mechanisms` tells which there are.
pub(crate) fn stage(script: &str) -> (Visitor, Made) {
    let comments: Vec<&str> = script
        .lines()
        .filter(|line| line.starts_with('#'))
        .collect();
    let says = |word: &str| comments.iter().any(|line| line.starts_with(word));
    let named = comments
        .iter()
        .find_map(|line| line.strip_prefix("# mechanisms "));
    let mechanisms = match named {
        Some(names) => names.split(' ').filter_map(Mechanism::parse).collect(),
        None => Mechanism::USUAL.to_vec(),
    };
    let policy = Policy {
        mechanisms,
        host: "mail.caramel.example".to_owned(),
        clear_passwords: says("# clear"),
        other_users: says("# shared").then(|| "Other Users/".to_owned()),
        shared: says("# shared").then(|| "Shared/".to_owned()),
        removed: says("# removed").then(|| REMOVED.to_owned()),
        raw_headers: says("# raw headers"),
        uid_only: says("# uid only"),
        command_octets_max: 2000,
        append_octets_max: 1000,
        metadata_octets_max: 20,
        contexts_max: 3,
        context_octets_max: 20,
        append_messages_max: 3,
        catenate_parts_max: 6,
        search_mailboxes_max: 5,
        chunk_octets_max: 16,
        bad_commands_max: 5,
        ..Policy::default()
    };
    let mut session = Session::new(Arc::new(policy));
    if !says("# plain") && !says("# clear") {
        let mut security = security_for_tests();
        let shown = comments
            .iter()
            .filter_map(|line| line.strip_prefix("# certificate "));
        security.certified = shown.map(str::to_owned).collect();
        session.secured(security);
    }
    let moved = Rc::new(Cell::new(0));
    let visitor = Visitor {
        session,
        moved: Rc::clone(&moved),
    };
    let events = comments.iter().filter_map(|line| {
        let (at, event) = line.strip_prefix("# at ")?.split_once(": ")?;
        Some((at.parse().ok()?, event.to_owned()))
    });
    let mut made = Made::new(moved, events.collect());
    let hasty = comments.iter().filter_map(|line| {
        let (ask, event) = line.strip_prefix("# while ")?.split_once(": ")?;
        Some((ask.to_owned(), event.to_owned()))
    });
    made.hasty = hasty.collect();
    if says("# shared") {
        made.share();
    }
    if says("# removed") {
        made.throw_away();
    }
    if says("# limited") {
        made.quota.octets_max = Some(500_000);
        made.quota.messages_max = Some(1000);
    }
    (visitor, made)
}

impl Made {
    fn new(moved: Rc<Cell<u64>>, events: Vec<(u64, String)>) -> Self {
        let mut made = Self {
            moved,
            modseq: 10,
            mailboxes: Vec::new(),
            subscribed: ["INBOX", "Work/Old", "Gone"].map(str::to_owned).into(),
            texts: LETTERS.map(|text| text.as_bytes().to_vec()).into(),
            events,
            hasty: Vec::new(),
            deeds: Vec::new(),
            append: None,
            replaces: None,
            notes: BTreeMap::new(),
            quota: Quota {
                octets: 1025,
                messages: 3,
                ..Quota::default()
            },
        };
        let names = ["INBOX", "Work", "Work/Old", "Sent", "Entwürfe"];
        let roles = [None, None, None, Some(Role::Sent), Some(Role::Drafts)];
        for (name, role) in names.into_iter().zip(roles) {
            made.create(name, role);
        }
        for (uid, text, flags) in [(2, 0, "\\Seen"), (3, 1, "\\Flagged $Forwarded"), (5, 2, "")] {
            let inbox = &mut made.mailboxes[0];
            inbox.messages.push(Message {
                uid,
                flags: flags.split_whitespace().filter_map(Flag::parse).collect(),
                modseq: u64::from(uid),
                text,
                date: Timestamp::utc(1_795_464_900 + i64::from(uid) * 86_400),
            });
            inbox.next = uid + 1;
        }
        made
    }

    fn create(&mut self, name: &str, role: Option<Role>) {
        self.modseq += 1;
        self.mailboxes.push(Mailbox {
            id: self.modseq,
            name: name.to_owned(),
            role,
            next: 1,
            messages: Vec::new(),
            vanished: Vec::new(),
            owner: None,
            rights: Rights::ALL,
            acl: Vec::new(),
        });
    }

    fn named(&mut self, name: &str) -> Result<&mut Mailbox, Refused> {
        let mut mailboxes = self.mailboxes.iter_mut();
        let found = mailboxes.find(|mailbox| mailbox.name == name);
        found.ok_or_else(|| no(Why::NonExistent, "There is no such mailbox"))
    }

    fn with(&mut self, id: Place) -> Result<&mut Mailbox, Refused> {
        let mut mailboxes = self.mailboxes.iter_mut();
        let found = mailboxes.find(|mailbox| mailbox.id == id.mailbox.0);
        found.ok_or_else(|| no(Why::NonExistent, "The mailbox is gone"))
    }

    /// What others did until now.
    fn meanwhile(&mut self) {
        let until = self.moved.get();
        let due: Vec<_> = self.events.extract_if(.., |(at, _)| *at <= until).collect();
        for (at, event) in due {
            self.modseq = self.modseq.max(at - 1) + 1;
            let modseq = self.modseq;
            let mut words = event.split(' ');
            let (what, name) = (words.next().unwrap(), words.next().unwrap());
            let rest: Vec<&str> = words.collect();
            let uid = rest.first().map_or(0, |uid| uid.parse().unwrap_or(0));
            let name = &*name.replace('_', " ");
            self.deeds.push(Deed {
                modseq,
                name: name.to_owned(),
                what: what.to_owned(),
                how: rest.join(" "),
            });
            match what {
                "made" => {
                    self.create(name, None);
                    continue;
                }
                "subscribed" => {
                    self.subscribed.push(name.to_owned());
                    continue;
                }
                "unsubscribed" => {
                    self.subscribed.retain(|known| known != name);
                    continue;
                }
                "noted" | "many" => continue,
                _ => {}
            }
            let mailbox = self.named(name).unwrap();
            match what {
                "gone" => mailbox.remove(|message| message.uid == uid, modseq),
                "flags" => {
                    for message in &mut mailbox.messages {
                        if message.uid == uid {
                            let flags = rest[1..].iter();
                            message.flags = flags.filter_map(|flag| Flag::parse(flag)).collect();
                            message.modseq = modseq;
                        }
                    }
                }
                "new" => drop(mailbox.push(2, FlagSet::new(), modseq, None)),
                "renamed" => mailbox.name = rest[0].to_owned(),
                "rights" => mailbox.rights = Rights::parse(rest[0]).unwrap(),
                // Others fill the account, or make room.
                "holds" => self.quota.octets = u64::from(uid),
                "deleted" => self.mailboxes.retain(|mailbox| mailbox.name != name),
                other => panic!("{other}"),
            };
        }
    }

    fn respond(&mut self, ask: Ask) -> Result<Answer, Refused> {
        Ok(match ask {
            Ask::Sasl(question) => Answer::Verdict(verdict(&question)),
            Ask::Identity(_) | Ask::Unauthenticate => Answer::Done,
            Ask::List { removed } => Answer::Mailboxes(self.listed(removed)),
            Ask::Status { name } => Answer::Status(self.named(&name)?.status()),
            Ask::Quota => Answer::Quota(self.quota),
            Ask::Metadata {
                mailbox,
                entries,
                depth,
                octets_max,
            } => {
                if let Some(name) = &mailbox
                    && self.named(name)?.owner.is_some()
                {
                    return Err(no(Why::NonExistent, "There is no such mailbox"));
                }
                self.noted(&mailbox, &entries, depth, octets_max)
            }
            Ask::SetMetadata { mailbox, entries } => {
                self.note(mailbox.as_ref(), entries)?;
                Answer::Done
            }
            Ask::News { since, .. } => self.news(&since)?,
            Ask::Create { name, .. } if name.contains('!') => {
                return Err(no(Why::Cannot, "Not with '!'"));
            }
            Ask::Create { name, role } => {
                if self.named(&name).is_ok() {
                    return Err(no(Why::AlreadyExists, "There is one already"));
                }
                self.create(&name, role);
                Answer::Created(Place::own(MailboxId(self.modseq)))
            }
            Ask::Delete { name } if name == "INBOX" => {
                return Err(no(Why::Cannot, "INBOX stays"));
            }
            Ask::Delete { name } => {
                let place = self.named(&name)?.place();
                self.mailboxes.retain(|mailbox| mailbox.name != name);
                Answer::Deleted(place)
            }
            Ask::Rename { source, target } => {
                if self.named(&target).is_ok() {
                    return Err(no(Why::AlreadyExists, "There is one already"));
                }
                self.named(&source)?.name = target;
                Answer::Done
            }
            Ask::Subscribe { name, on } => {
                self.subscribed.retain(|known| *known != name);
                if on {
                    self.subscribed.push(name);
                }
                Answer::Done
            }
            Ask::Select { name, read_only } => {
                let modseq = self.modseq;
                Answer::Selected(Box::new(self.named(&name)?.selected(modseq, read_only)))
            }
            other => self.respond_rights(other)?,
        })
    }

    fn noted(
        &self,
        mailbox: &Option<String>,
        asked: &[String],
        depth: Option<usize>,
        octets_max: Option<u64>,
    ) -> Answer {
        let wants = |name: &str| {
            asked.iter().any(|entry| match name.strip_prefix(&**entry) {
                Some("") => true,
                Some(rest) => {
                    rest.starts_with('/')
                        && depth.is_none_or(|depth| rest.matches('/').count() <= depth)
                }
                None => false,
            })
        };
        let found = self.notes.iter();
        let found = found.filter(|((on, name), _)| on == mailbox && wants(name));
        let found = found.map(|((_, name), value)| (name.clone(), value.clone()));
        let fits = |value: &Bytes| octets_max.is_none_or(|max| value.len() as u64 <= max);
        let (entries, long): (Vec<_>, Vec<_>) = found.partition(|(_, value)| fits(value));
        Answer::Metadata {
            entries,
            longest: long.iter().map(|(_, value)| value.len() as u64).max(),
        }
    }

    fn note(
        &mut self,
        mailbox: Option<&String>,
        entries: Vec<(String, Option<Bytes>)>,
    ) -> Result<(), Refused> {
        if let Some(name) = mailbox {
            self.named(name)?;
        }
        for (name, value) in entries {
            match (value, &*name) {
                (_, "/shared/admin") => return Err(no(Why::NoPermission, "Not yours")),
                (_, "/private/specialuse") => return Err(no(Why::Cannot, "No such use")),
                (Some(value), _) if value.len() > 20 => {
                    return Err(no(Why::TooBig, "The value is too long"));
                }
                (Some(_), _) if self.notes.len() == 4 => {
                    return Err(no(Why::Limit, "There are too many"));
                }
                (Some(value), _) => self.notes.insert((mailbox.cloned(), name), value),
                (None, _) => self.notes.remove(&(mailbox.cloned(), name)),
            };
        }
        Ok(())
    }

    fn listed(&self, removed: bool) -> Vec<Listed> {
        let listed = |mailbox: &Mailbox| Listed {
            place: Some(mailbox.place()),
            name: mailbox.name.clone(),
            role: mailbox.role,
            subscribed: self.subscribed.contains(&mailbox.name),
            exists: true,
            selectable: true,
            rights: mailbox.rights,
        };
        let seen = |mailbox: &&Mailbox| mailbox.rights.contains(Rights::LOOKUP);
        let is_removed = |name: &String| name.starts_with(REMOVED);
        let removed = removed || self.subscribed.iter().any(is_removed);
        let told = |mailbox: &&Mailbox| removed || !is_removed(&mailbox.name);
        let all = self.mailboxes.iter().filter(seen).filter(told);
        let mut all: Vec<Listed> = all.map(listed).collect();
        for name in &self.subscribed {
            if !all.iter().any(|mailbox| mailbox.name == *name) {
                all.push(Listed {
                    place: None,
                    name: name.clone(),
                    role: None,
                    subscribed: true,
                    exists: false,
                    selectable: false,
                    rights: Rights::NONE,
                });
            }
        }
        all
    }
}

fn no(why: Why, text: &str) -> Refused {
    Refused {
        why,
        text: text.to_owned(),
    }
}

fn verdict(question: &Question) -> Verdict {
    let refuse = |code, enhanced, text| Verdict::Refused(Refusal::new(code, enhanced, text));
    if let Some(verdict) = token_for_tests(question) {
        return verdict;
    }
    match question {
        Question::Password { user, password, .. }
            if password.0 == "secret" || password.0 == STAND_IN =>
        {
            match user.as_str() {
                "ada" => Verdict::Accepted,
                "late" => refuse(454, Enhanced::new(4, 7, 0), "Try again later"),
                _ => refuse(535, Enhanced::new(5, 7, 8), "Wrong name or password"),
            }
        }
        Question::Certified {
            addresses,
            authorization,
        } => match authorization {
            None => Verdict::Accepted,
            Some(name) if addresses.contains(name) => Verdict::Accepted,
            Some(_) => refuse(535, Enhanced::new(5, 7, 8), "You may not act as that user"),
        },
        Question::Keys { .. } => Verdict::Keys(ScramKeys {
            salt: b"salt".to_vec(),
            iterations: 4096,
            stored_key: vec![1; 32],
            server_key: vec![2; 32],
            nonce: "server".to_owned(),
        }),
        _ => refuse(535, Enhanced::new(5, 7, 8), "Wrong name or password"),
    }
}

impl House<Visitor> for Made {
    fn answer(&mut self, ask: Ask) -> Answer {
        let asked = format!("{ask:?}");
        let hasty = self
            .hasty
            .extract_if(.., |(ask, _)| asked.starts_with(&**ask));
        let hasty: Vec<_> = hasty.collect();
        if !hasty.is_empty() {
            let at = self.moved.get().max(self.modseq) + 1;
            self.moved.set(at);
            self.events
                .extend(hasty.into_iter().map(|(_, event)| (at, event)));
        }
        self.meanwhile();
        self.respond(ask).unwrap_or_else(Answer::Refused)
    }

    fn read(&mut self, range: BlobRange) -> Bytes {
        let text = &self.texts[usize::from(range.blob.0[0])];
        let from = usize::try_from(range.offset).unwrap();
        Bytes::copy_from_slice(&text[from..from + usize::try_from(range.len).unwrap()])
    }
}

impl wire::Session for Visitor {
    type Ask = Ask;
    type Answer = Answer;

    fn receive(&mut self, bytes: &[u8]) {
        self.session.receive(bytes);
    }
    fn answer(&mut self, answer: Answer) {
        self.session.answer(answer);
    }
    fn notice(&mut self, modseq: ModSeq) {
        self.moved.set(modseq.0);
        self.session.notice(modseq);
    }
    fn dismiss(&mut self) {
        self.session.dismiss();
    }
    fn elapse(&mut self, now: Instant) {
        self.session.elapse(now);
    }
    fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }
    fn patience(&self) -> Option<Duration> {
        self.session.patience()
    }
    fn reassure(&mut self, now: Instant, progress: Option<Progress>) -> Bytes {
        self.session.reassure(now, progress)
    }
    fn secured(&mut self, security: Security) {
        self.session.secured(security);
    }
    fn witness(&mut self) -> Option<&mut Witness> {
        self.session.witness()
    }
    fn step(&mut self) -> Step<Ask> {
        self.session.step()
    }
}
