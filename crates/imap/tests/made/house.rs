//! A made-up house: ada, her mailboxes, and others who change them meanwhile.
//!
//! A line `# at 100: gone INBOX 3` in a dialogue happens when the ledger moves to 100 (`N: 100`).
//! Batches are tiny, so that every dialogue meets their borders.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use imap::ask::{
    Answer, Ask, Changed, Changes, Criterion, FetchPlan, Gone, Highest, Listed, Piece, PieceData,
    PieceForm, Quota, Reached, Refused, Row, Selected, Status, StoreMode, When, Why,
};
use imap::{Policy, Session};
use mail::{
    BlobId, BlobRange, EmailId, Enhanced, Flag, FlagSet, Instant, Keyword, MailboxId, ModSeq,
    Refusal, Role, Timestamp, Uid, UidSet, UidValidity,
};
use message::Outline;
use wire::dialogue::{House, security_for_tests};
use wire::sasl::{Question, ScramKeys, Verdict};
use wire::{Security, Session as _, Step};

/// Messages of one batch.
const BATCH: usize = 2;
/// Octets above which a piece is spliced.
const INLINE_OCTETS_MAX: usize = 40;

pub(crate) const LETTERS: [&str; 3] = [
    "From: Alan <alan@caramel.example>\r\nTo: ada@caramel.example\r\nSubject: One\r\n\
     Date: Mon, 23 Nov 2026 20:15:00 +0000\r\nMessage-ID: <1@caramel.example>\r\n\r\n\
     First line\r\nsecond line, long enough to be sent from where it is stored\r\n",
    "Subject: Two\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
     --x\r\nContent-Type: text/plain\r\n\r\nText\r\n--x\r\n\
     Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n\
     AGJpbmFyeQ==\r\n--x\r\nContent-Transfer-Encoding: x-odd\r\n\r\n???\r\n--x--\r\n",
    "Subject: Three\r\n\r\nshort\r\n",
];

/// A session, and how far the ledger moved.
#[derive(Debug)]
pub(crate) struct Visitor {
    session: Session,
    moved: Rc<Cell<u64>>,
}

#[derive(Debug)]
struct Message {
    uid: u32,
    flags: FlagSet,
    modseq: u64,
    text: usize,
    date: Timestamp,
}

#[derive(Debug)]
struct Mailbox {
    id: u64,
    name: String,
    role: Option<Role>,
    next: u32,
    messages: Vec<Message>,
    vanished: Vec<(u32, u64)>,
}

#[derive(Debug)]
pub(crate) struct Made {
    moved: Rc<Cell<u64>>,
    modseq: u64,
    mailboxes: Vec<Mailbox>,
    subscribed: Vec<String>,
    texts: Vec<Vec<u8>>,
    events: Vec<(u64, String)>,
    append: Option<(String, Vec<Arriving>)>,
    quota: Quota,
    notes: BTreeMap<(Option<String>, String), Bytes>,
}

/// A message of APPEND on its way.
type Arriving = (FlagSet, Option<Timestamp>, Vec<u8>);

/// A session and a house as the comments of a script want them: `# plain`, `# clear`, `# wide`.
pub(crate) fn stage(script: &str) -> (Visitor, Made) {
    let comments: Vec<&str> = script
        .lines()
        .filter(|line| line.starts_with('#'))
        .collect();
    let says = |word: &str| comments.iter().any(|line| line.starts_with(word));
    let policy = Policy {
        host: "mail.caramel.example".to_owned(),
        clear_passwords: says("# clear"),
        command_octets_max: 2000,
        append_octets_max: 1000,
        metadata_octets_max: 20,
        append_messages_max: 3,
        chunk_octets_max: 16,
        bad_commands_max: 5,
        ..Policy::default()
    };
    let mut session = Session::new(Arc::new(policy));
    if !says("# plain") && !says("# clear") {
        session.secured(security_for_tests());
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
            append: None,
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
        });
    }

    fn named(&mut self, name: &str) -> Result<&mut Mailbox, Refused> {
        let mut mailboxes = self.mailboxes.iter_mut();
        let found = mailboxes.find(|mailbox| mailbox.name == name);
        found.ok_or_else(|| no(Why::NonExistent, "There is no such mailbox"))
    }

    fn with(&mut self, id: MailboxId) -> Result<&mut Mailbox, Refused> {
        let mut mailboxes = self.mailboxes.iter_mut();
        let found = mailboxes.find(|mailbox| mailbox.id == id.0);
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
            let uid = rest.first().map_or(0, |uid| uid.parse().unwrap());
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
            Ask::List => Answer::Mailboxes(self.listed()),
            Ask::Status { name } => Answer::Status(self.named(&name)?.status()),
            Ask::Quota => Answer::Quota(self.quota),
            Ask::Metadata {
                mailbox,
                entries,
                depth,
                octets_max,
            } => {
                if let Some(name) = &mailbox {
                    self.named(name)?;
                }
                self.noted(&mailbox, &entries, depth, octets_max)
            }
            Ask::SetMetadata { mailbox, entries } => {
                self.note(mailbox.as_ref(), entries)?;
                Answer::Done
            }
            Ask::Create { name, .. } if name.contains('!') => {
                return Err(no(Why::Cannot, "Not with '!'"));
            }
            Ask::Create { name, role } => {
                if self.named(&name).is_ok() {
                    return Err(no(Why::AlreadyExists, "There is one already"));
                }
                self.create(&name, role);
                Answer::Created(MailboxId(self.modseq))
            }
            Ask::Delete { name } if name == "INBOX" => {
                return Err(no(Why::Cannot, "INBOX stays"));
            }
            Ask::Delete { name } => {
                self.named(&name)?;
                self.mailboxes.retain(|mailbox| mailbox.name != name);
                Answer::Done
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
            other => self.respond_messages(other)?,
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

    fn respond_messages(&mut self, ask: Ask) -> Result<Answer, Refused> {
        Ok(match ask {
            Ask::Changes {
                mailbox,
                since,
                uid_next,
            } => self.changes(mailbox, since, uid_next),
            Ask::Fetch {
                mailbox,
                uids,
                plan,
            } => self.fetch(mailbox, &uids, &plan)?,
            Ask::Store {
                mailbox,
                uids,
                mode,
                flags,
                unchanged_since,
                told,
            } => self.store(mailbox, &uids, (mode, &flags), (unchanged_since, told))?,
            Ask::Copy {
                mailbox,
                uids,
                target,
            } => self.copy(mailbox, &uids, &target)?,
            Ask::Move {
                mailbox,
                uids,
                target,
            } => {
                let answer = self.copy(mailbox, &uids, &target)?;
                self.modseq += 1;
                let modseq = self.modseq;
                let gone = |message: &Message| uids.contains(Uid::new(message.uid).unwrap());
                self.with(mailbox)?.remove(gone, modseq);
                answer
            }
            Ask::Expunge { mailbox, uids } => {
                self.modseq += 1;
                let modseq = self.modseq;
                self.with(mailbox)?.remove(
                    |message| {
                        let uid = Uid::new(message.uid).unwrap();
                        message.flags.contains(&Flag::Deleted)
                            && uids.as_ref().is_none_or(|uids| uids.contains(uid))
                    },
                    modseq,
                );
                Answer::Done
            }
            Ask::Search {
                mailbox,
                criterion,
                highest,
            } => self.search(mailbox, &criterion, highest)?,
            Ask::AppendBegin { name, .. } if name == "Sent" => {
                return Err(no(Why::OverQuota, "There is no room"));
            }
            Ask::AppendBegin {
                name, flags, date, ..
            } => {
                self.named(&name)?;
                self.append = Some((name, vec![(flags, date, Vec::new())]));
                Answer::Done
            }
            Ask::AppendNext { flags, date, .. } => {
                let (_, messages) = self.append.as_mut().unwrap();
                messages.push((flags, date, Vec::new()));
                Answer::Done
            }
            Ask::AppendChunk(bytes) => {
                let (_, _, text) = self.append.as_mut().unwrap().1.last_mut().unwrap();
                text.extend_from_slice(&bytes);
                if text.len() > 500 {
                    self.append = None;
                    return Err(no(Why::OverQuota, "There is no room"));
                }
                Answer::Done
            }
            Ask::AppendAbort => {
                self.append.take().unwrap();
                Answer::Done
            }
            Ask::AppendEnd => {
                let (name, messages) = self.append.take().unwrap();
                self.modseq += 1;
                let mut uids = UidSet::new();
                for (flags, date, octets) in messages {
                    self.texts.push(octets);
                    let (text, modseq) = (self.texts.len() - 1, self.modseq);
                    uids.insert(self.named(&name)?.push(text, flags, modseq, date));
                }
                Answer::Appended {
                    uid_validity: UidValidity::MIN,
                    uids,
                }
            }
            other => panic!("{other:?}"),
        })
    }

    fn listed(&self) -> Vec<Listed> {
        let listed = |mailbox: &Mailbox| Listed {
            name: mailbox.name.clone(),
            role: mailbox.role,
            subscribed: self.subscribed.contains(&mailbox.name),
            exists: true,
            selectable: true,
        };
        let mut all: Vec<Listed> = self.mailboxes.iter().map(listed).collect();
        for name in &self.subscribed {
            if !all.iter().any(|mailbox| mailbox.name == *name) {
                all.push(Listed {
                    name: name.clone(),
                    role: None,
                    subscribed: true,
                    exists: false,
                    selectable: false,
                });
            }
        }
        all
    }

    fn changes(&mut self, id: MailboxId, since: ModSeq, uid_next: Uid) -> Answer {
        let modseq = ModSeq(self.modseq);
        let Ok(mailbox) = self.with(id) else {
            return Answer::Changes(Changes {
                modseq,
                highest: modseq,
                uid_next,
                added: UidSet::new(),
                changed: Vec::new(),
                gone: Gone::Mailbox,
                keywords: Vec::new(),
                over_quota: false,
                more: false,
            });
        };
        let changed = mailbox
            .messages
            .iter()
            .filter(|known| known.modseq > since.0);
        let changed: Vec<Changed> = changed.map(Message::changed).collect();
        let vanished = mailbox.vanished.iter().filter(|(_, at)| *at > since.0);
        // Every second time the house has forgotten what went.
        let gone = if since.0.is_multiple_of(2) {
            Gone::Uids(vanished.filter_map(|(uid, _)| Uid::new(*uid)).collect())
        } else {
            Gone::AllBut(mailbox.uids())
        };
        Answer::Changes(Changes {
            modseq,
            highest: ModSeq(mailbox.highest()),
            uid_next: Uid::new(mailbox.next).unwrap(),
            added: changed
                .iter()
                .map(|row| row.uid)
                .filter(|uid| *uid >= uid_next)
                .collect(),
            changed,
            gone,
            keywords: mailbox.keywords(),
            over_quota: self
                .quota
                .octets_max
                .is_some_and(|max| self.quota.octets > max),
            more: false,
        })
    }

    fn fetch(&mut self, id: MailboxId, uids: &UidSet, plan: &FetchPlan) -> Result<Answer, Refused> {
        let texts = self.texts.clone();
        let modseq = self.modseq + 1;
        let mailbox = self.with(id)?;
        let mut rows = Vec::new();
        let mut reached = Reached::End;
        for message in &mut mailbox.messages {
            let uid = Uid::new(message.uid).unwrap();
            let wanted = uids.contains(uid)
                && plan
                    .changed_since
                    .is_none_or(|since| message.modseq > since.0);
            if !wanted {
                continue;
            }
            if rows.len() == BATCH {
                let last: &Row = rows.last().unwrap();
                reached = Reached::Uid(last.uid);
                break;
            }
            let marked = plan.mark_seen && !message.flags.contains(&Flag::Seen);
            if marked {
                message.flags.insert(Flag::Seen);
                message.modseq = modseq;
            }
            rows.push(message.row(&texts[message.text], marked, plan));
        }
        self.modseq = modseq;
        Ok(Answer::Rows { rows, reached })
    }

    fn store(
        &mut self,
        id: MailboxId,
        uids: &UidSet,
        (mode, flags): (StoreMode, &FlagSet),
        (unchanged_since, told): (Option<ModSeq>, ModSeq),
    ) -> Result<Answer, Refused> {
        self.modseq += 1;
        let modseq = self.modseq;
        let mailbox = self.with(id)?;
        let mut changed = Vec::new();
        let (mut modified, mut raced) = (UidSet::new(), UidSet::new());
        let mut reached = Reached::End;
        for (done, uid) in uids.iter().enumerate() {
            if done == BATCH {
                break;
            }
            reached = Reached::Uid(uid);
            let mut messages = mailbox.messages.iter_mut();
            let Some(message) = messages.find(|message| message.uid == uid.value()) else {
                continue;
            };
            if unchanged_since.is_some_and(|since| message.modseq > since.0) {
                modified.insert(uid);
                continue;
            }
            if message.modseq > told.0 {
                raced.insert(uid);
            }
            let before = message.flags.clone();
            match mode {
                StoreMode::Replace => message.flags = flags.clone(),
                StoreMode::Add => flags.iter().for_each(|flag| message.flags.insert(flag)),
                StoreMode::Remove => flags.iter().for_each(|flag| message.flags.remove(&flag)),
            }
            if message.flags != before {
                message.modseq = modseq;
            }
            changed.push(message.changed());
        }
        if uids.last().is_none_or(|last| reached == Reached::Uid(last)) {
            reached = Reached::End;
        }
        Ok(Answer::Stored {
            changed,
            raced,
            modified,
            reached,
        })
    }

    fn copy(&mut self, id: MailboxId, uids: &UidSet, target: &str) -> Result<Answer, Refused> {
        self.named(target)?;
        self.modseq += 1;
        let modseq = self.modseq;
        let mut source = UidSet::new();
        let mut copies = Vec::new();
        for message in &self.with(id)?.messages {
            let uid = Uid::new(message.uid).unwrap();
            if uids.contains(uid) {
                source.insert(uid);
                copies.push((message.text, message.flags.clone(), message.date));
            }
        }
        let target = self.named(target)?;
        let copied = copies
            .into_iter()
            .map(|(text, flags, date)| target.push(text, flags, modseq, Some(date)))
            .collect();
        Ok(Answer::Copied {
            uid_validity: UidValidity::MIN,
            source,
            target: copied,
        })
    }

    fn search(
        &mut self,
        id: MailboxId,
        criterion: &Criterion,
        highest: Option<Highest>,
    ) -> Result<Answer, Refused> {
        let texts = self.texts.clone();
        let messages = self.with(id)?.messages.iter();
        let found: Vec<&Message> = messages
            .filter(|message| message.meets(criterion, &texts[message.text]))
            .collect();
        let modseqs: Vec<u64> = found.iter().map(|message| message.modseq).collect();
        let of = |modseqs: &[u64]| modseqs.iter().max().copied().map(ModSeq);
        Ok(Answer::Found {
            highest: match highest {
                None => None,
                Some(Highest::All) => of(&modseqs),
                Some(Highest::First) => of(&modseqs[..modseqs.len().min(1)]),
                Some(Highest::Last) => of(&modseqs[modseqs.len().saturating_sub(1)..]),
                Some(Highest::Ends) => modseqs.first().max(modseqs.last()).copied().map(ModSeq),
            },
            uids: found
                .iter()
                .filter_map(|message| Uid::new(message.uid))
                .collect(),
        })
    }
}

impl Mailbox {
    fn uids(&self) -> UidSet {
        let uids = self
            .messages
            .iter()
            .filter_map(|message| Uid::new(message.uid));
        uids.collect()
    }

    fn highest(&self) -> u64 {
        let living = self.messages.iter().map(|message| message.modseq);
        living
            .chain(self.vanished.iter().map(|(_, at)| *at))
            .max()
            .unwrap_or(1)
    }

    fn keywords(&self) -> Vec<Keyword> {
        let all: FlagSet = self
            .messages
            .iter()
            .flat_map(|message| message.flags.iter())
            .collect();
        all.keywords().to_vec()
    }

    fn push(&mut self, text: usize, flags: FlagSet, modseq: u64, date: Option<Timestamp>) -> Uid {
        let uid = self.next;
        self.next += 1;
        self.messages.push(Message {
            uid,
            flags,
            modseq,
            text,
            date: date.unwrap_or(Timestamp::utc(1_795_500_000)),
        });
        Uid::new(uid).unwrap()
    }

    fn remove(&mut self, these: impl Fn(&Message) -> bool, modseq: u64) {
        let gone = self.messages.extract_if(.., |message| these(message));
        self.vanished
            .extend(gone.map(|message| (message.uid, modseq)));
    }

    fn selected(&self, modseq: u64, read_only: bool) -> Selected {
        let mut unseen = self
            .messages
            .iter()
            .filter(|known| !known.flags.contains(&Flag::Seen));
        Selected {
            mailbox: MailboxId(self.id),
            uid_validity: UidValidity::MIN,
            uid_next: Uid::new(self.next).unwrap(),
            modseq: ModSeq(modseq),
            highest: ModSeq(self.highest()),
            uids: self.uids(),
            keywords: self.keywords(),
            first_unseen: unseen.next().and_then(|message| Uid::new(message.uid)),
            read_only,
        }
    }

    fn status(&self) -> Status {
        let count = |of: &dyn Fn(&Message) -> bool| {
            u32::try_from(self.messages.iter().filter(|message| of(message)).count()).unwrap()
        };
        Status {
            mailbox: MailboxId(self.id),
            messages: count(&|_| true),
            uid_next: Uid::new(self.next).unwrap(),
            uid_validity: UidValidity::MIN,
            unseen: count(&|message| !message.flags.contains(&Flag::Seen)),
            deleted: count(&|message| message.flags.contains(&Flag::Deleted)),
            deleted_octets: 10,
            size_octets: 100,
            modseq: ModSeq(self.highest()),
        }
    }
}

impl Message {
    fn changed(&self) -> Changed {
        Changed {
            uid: Uid::new(self.uid).unwrap(),
            flags: self.flags.clone(),
            modseq: ModSeq(self.modseq),
        }
    }

    fn row(&self, text: &[u8], marked: bool, plan: &FetchPlan) -> Row {
        let outline = Arc::new(Outline::parse(text));
        let pieces = plan.pieces.iter();
        Row {
            uid: Uid::new(self.uid).unwrap(),
            modseq: ModSeq(self.modseq),
            flags: self.flags.clone(),
            marked,
            size_octets: u64::try_from(text.len()).unwrap(),
            internal_date: self.date,
            email: EmailId(u64::try_from(self.text).unwrap()),
            thread: None,
            pieces: pieces
                .map(|piece| self.piece(text, &outline, piece))
                .collect(),
            outline: plan.outline.then_some(outline),
        }
    }

    fn piece(&self, text: &[u8], outline: &Outline, piece: &Piece) -> PieceData {
        let Some(located) = outline.locate(&piece.section) else {
            return PieceData::Nil;
        };
        let mut octets = located.span.of(text).to_vec();
        if located.filtered {
            octets = piece.section.filter(&octets).unwrap();
        }
        if piece.form != PieceForm::Stored
            && let Some(part) = outline.part(&piece.section.parts)
        {
            match part.encoding.as_str() {
                "7bit" => {}
                "base64" => octets = b"\0binary".to_vec(),
                _ => return PieceData::UnknownCte,
            }
        }
        let whole = octets == located.span.of(text);
        let len = octets.len();
        if piece.form == PieceForm::DecodedSize {
            return PieceData::Size(u64::try_from(len).unwrap());
        }
        let (from, most) = piece.range.unwrap_or((0, u64::MAX));
        let range = BlobRange {
            blob: BlobId([u8::try_from(self.text).unwrap(); 32]),
            offset: located.span.offset,
            len: u64::try_from(len).unwrap(),
        };
        let range = range.part(from, most);
        if whole && len > INLINE_OCTETS_MAX {
            return PieceData::Blob(range);
        }
        let from = usize::try_from(from).unwrap_or(len).min(len);
        let to = from + usize::try_from(range.len).unwrap();
        PieceData::Bytes(Bytes::copy_from_slice(&octets[from..to]))
    }

    fn meets(&self, criterion: &Criterion, text: &[u8]) -> bool {
        let text = String::from_utf8_lossy(text).to_lowercase();
        let day = self.date.civil_date();
        match criterion {
            Criterion::All => true,
            Criterion::Uids(uids) => uids.contains(Uid::new(self.uid).unwrap()),
            Criterion::Has(flag) => self.flags.contains(flag),
            Criterion::Lacks(flag) => !self.flags.contains(flag),
            Criterion::Arrived(When::Before, date) => day < *date,
            Criterion::Arrived(When::On, date) => day == *date,
            Criterion::Arrived(When::Since, date) => day >= *date,
            Criterion::Header { name, text: words } => {
                let start = format!("{}: {}", name.to_lowercase(), words.to_lowercase());
                text.lines().any(|line| line.starts_with(&start))
            }
            Criterion::Body(words) | Criterion::Text(words) => text.contains(&words.to_lowercase()),
            Criterion::Larger(octets) => u64::try_from(text.len()).unwrap() > *octets,
            Criterion::Smaller(octets) => u64::try_from(text.len()).unwrap() < *octets,
            Criterion::ModSeq(least) => self.modseq >= least.0,
            Criterion::Not(inner) => !self.meets(inner, text.as_bytes()),
            Criterion::Or(one, other) => {
                self.meets(one, text.as_bytes()) || self.meets(other, text.as_bytes())
            }
            Criterion::And(all) => all.iter().all(|inner| self.meets(inner, text.as_bytes())),
            Criterion::Email(email) => email.0 == u64::try_from(self.text).unwrap(),
            Criterion::Sent(..) | Criterion::Older(_) | Criterion::Younger(_) => false,
        }
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
    match question {
        Question::Password { user, password, .. } if password.0 == "secret" => {
            match user.as_str() {
                "ada" => Verdict::Accepted,
                "late" => refuse(454, Enhanced::new(4, 7, 0), "Try again later"),
                _ => refuse(535, Enhanced::new(5, 7, 8), "Wrong name or password"),
            }
        }
        Question::Keys { .. } => Verdict::Keys(ScramKeys {
            salt: b"salt".to_vec(),
            iterations: 4096,
            stored_key: [1; 32],
            server_key: [2; 32],
            nonce: "server".to_owned(),
        }),
        _ => refuse(535, Enhanced::new(5, 7, 8), "Wrong name or password"),
    }
}

impl House<Visitor> for Made {
    fn answer(&mut self, ask: Ask) -> Answer {
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
    fn elapse(&mut self, now: Instant) {
        self.session.elapse(now);
    }
    fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }
    fn secured(&mut self, security: Security) {
        self.session.secured(security);
    }
    fn step(&mut self) -> Step<Ask> {
        self.session.step()
    }
}
