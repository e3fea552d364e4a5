//! The server's end of an IMAP conversation.
//!
//! Each command is taken whole from the stream, checked against the drawing, and carried out by
//! asking the house; the functions for groups of commands are in the files below. What others did
//! to the selected mailbox is asked for and told at the end of a command, or at once in IDLE.
//!
//! `\Recent` is on no message: with rev1 we say `0 RECENT`, as RFC 9051 abandons it.
//!
//! Not here: flags, bodies and mailboxes (the house has them), the grammar.
//!
//! RFC 9051 §5.2–§5.5, §6; RFC 3501 §6.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mail::{Instant, ModSeq, Progress};
use wire::{Security, Step, Witness};

use crate::ask::{Answer, Ask};
use crate::command::{Command, Failure};
use crate::diagram::{Class, Phase, Verb};
use crate::frame::{Framed, Frames};
use crate::response::{Code, Condition, Response, Status};
use crate::view::Moment;
use crate::{Names, Policy, Tag};

mod acl;
mod answers;
mod append;
mod catenate;
mod changes;
mod context;
mod fetch;
mod list;
mod login;
mod mailbox;
mod metadata;
mod multi_search;
mod newcomers;
mod notify;
mod output;
mod pattern;
mod progress;
mod quota;
mod search;
mod select;
mod sort;
mod state;
mod store;
mod uid_only;
mod verbs;
mod watch;

pub use multi_search::Elsewhere;

use output::Output;
use state::{After, Open, State, Task, Wait};
use watch::Watch;

/// A conversation, seen from the server.
#[derive(Debug)]
pub struct Session {
    policy: Arc<Policy>,
    security: Option<Security>,
    state: State,
    task: Task,
    frames: Frames,
    output: Output,
    ask: Option<Ask>,
    now: Instant,
    /// When the peer was last heard, or was last sent a stored range.
    heard: Instant,
    splicing: bool,
    /// True if the ledger may have moved since changes were last asked for.
    noticed: bool,
    /// What NOTIFY asked for; `None` while it was never used.
    notify: Option<Box<Watch>>,
    /// True if something may have happened that NOTIFY asked for.
    stirred: bool,
    /// True once IMAP4rev2 was enabled.
    rev2: bool,
    /// True once UTF8=ACCEPT was enabled (RFC 6855 §3).
    utf8: bool,
    /// True once mod-sequences are to be told (RFC 7162 §3.1).
    condstore: bool,
    /// True once messages that went are told by UID (RFC 7162 §3.2.3).
    qresync: bool,
    /// True once messages are named by UID alone (RFC 9586 §3).
    uid_only: bool,
    /// True once everything passes compressed.
    compressed: bool,
    bad_commands: u32,
    failed_logins: u32,
}

impl Session {
    /// A conversation that has not begun.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        Self {
            policy,
            security: None,
            state: State::Greeting,
            task: Task::Ready,
            frames: Frames::default(),
            output: Output::default(),
            ask: None,
            now: Instant::default(),
            heard: Instant::default(),
            splicing: false,
            noticed: false,
            notify: None,
            stirred: false,
            rev2: false,
            utf8: false,
            condstore: false,
            qresync: false,
            uid_only: false,
            compressed: false,
            bad_commands: 0,
            failed_logins: 0,
        }
    }

    /// Where the conversation stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.state.phase()
    }

    const fn names(&self) -> Names {
        if self.rev2 || self.utf8 {
            Names::Utf8
        } else {
            Names::Utf7
        }
    }

    // ---- the funnel

    /// The only writer of `state`: goes where the drawing says, or ends the conversation.
    fn enter(&mut self, verb: Verb, class: Class, next: State) {
        if self.phase().after(verb, class) == Some(next.phase()) {
            self.state = next;
        } else {
            self.fault();
        }
    }

    /// Goes on with the mailbox that is open, if one is.
    fn move_open(
        &mut self,
        verb: Verb,
        class: Class,
        next: impl FnOnce(Option<Box<Open>>) -> State,
    ) {
        let phase = self.phase();
        let open = match std::mem::replace(&mut self.state, State::Logout) {
            State::Selected(open) => Some(open),
            State::Idle(_, open) => open,
            _ => None,
        };
        let next = next(open);
        if phase.after(verb, class) == Some(next.phase()) {
            self.state = next;
        } else {
            self.fault();
        }
    }

    /// Checks that the drawing lets us stay.
    fn stay(&mut self, verb: Verb, class: Class) {
        let phase = self.phase();
        // After LOGOUT's BYE only its OK is left to say.
        if phase.after(verb, class) != Some(phase) && verb != Verb::Logout {
            self.fault();
        }
    }

    /// The session contradicts its drawing: our fault, and the end.
    fn fault(&mut self) {
        let status = Status::bye("Something failed here").with(Code::ServerBug);
        status.write(None, self.output.buffer(), Names::Utf7);
        self.state = State::Logout;
        self.task = Task::Ready;
    }

    /// Ends the conversation from our side.
    fn bye(&mut self, text: impl Into<Cow<'static, str>>) {
        self.untagged(&Status::bye(text));
        self.enter(Verb::Noise, Class::Bye, State::Logout);
        self.task = Task::Ready;
    }

    // ---- answers to the peer

    fn write(&mut self, response: &Response) {
        let names = self.names();
        response.write(self.output.buffer(), names);
    }

    fn untagged(&mut self, status: &Status) {
        let names = self.names();
        status.write(None, self.output.buffer(), names);
    }

    fn tagged(&mut self, tag: &Tag, status: &Status) {
        let names = self.names();
        status.write(Some(tag), self.output.buffer(), names);
    }

    /// Ends a command that leaves the phase as it is.
    fn reply(&mut self, tag: &Tag, verb: Verb, status: &Status) {
        self.stay(verb, class(status));
        if self.phase() != Phase::Logout || verb == Verb::Logout {
            self.tagged(tag, status);
        }
    }

    /// Refuses a command that is none or that is out of place; too many end the conversation.
    fn bad(&mut self, tag: Option<&Tag>, status: &Status) {
        let names = self.names();
        status.write(tag, self.output.buffer(), names);
        self.count_bad();
    }

    fn count_bad(&mut self) {
        self.bad_commands += 1;
        if self.bad_commands > self.policy.bad_commands_max {
            self.bye("Too many bad commands");
        }
    }

    /// Ends a command: tells first what happened in the mailbox, as far as the moment allows.
    fn conclude(&mut self, tag: Tag, verb: Verb, status: Status, moment: Moment, touched: bool) {
        let asks = touched || self.noticed || matches!(verb, Verb::Noop | Verb::Check);
        let after = After::Reply(tag, verb, status, moment);
        if asks && self.state.open().is_some() && self.hears_at(verb) {
            self.ask_changes(after);
        } else {
            self.told(after);
        }
    }

    /// Asks the house, and remembers what for.
    fn wait(&mut self, ask: Ask, wait: Wait) {
        self.ask = Some(ask);
        self.task = Task::Waiting(Box::new(wait));
    }

    // ---- input

    /// Goes on as far as the input goes; false if more of it is needed.
    fn advance(&mut self) -> bool {
        match &self.task {
            Task::Ready => match &self.state {
                State::Greeting => self.greet(),
                State::Idle(..) => return self.idle(),
                _ => return self.push() || self.take_command(),
            },
            Task::Exchange(..) => return self.take_response(),
            Task::Message(..) => return self.take_message(),
            Task::MessageEnd(_) => return self.take_message_end(),
            Task::Swallow(..) => match self.frames.next(self.policy.command_octets_max) {
                Framed::Incomplete => return false,
                _ => {
                    if let Task::Swallow(tag, verb, status) = std::mem::take(&mut self.task) {
                        self.reply(&tag, verb, &status);
                    }
                }
            },
            Task::Waiting(_) => return false,
        }
        true
    }

    fn take_command(&mut self) -> bool {
        match self.frames.next(self.policy.command_octets_max) {
            Framed::Incomplete => return false,
            Framed::Continue => self.write(&Response::Continue("Ready".to_owned())),
            Framed::Swallowed(_) => {}
            Framed::TooLarge(beginning, literal) => {
                let tag = std::str::from_utf8(beginning.as_ref())
                    .ok()
                    .and_then(|text| text.split(' ').next())
                    .and_then(Tag::new);
                let status = if literal {
                    Status::bad("The literal is too large").with(Code::TooBig)
                } else {
                    Status::bad("The command is too long").with(Code::TooBig)
                };
                self.bad(tag.as_ref(), &status);
            }
            // Mail programs of Apple send an empty line before some commands: an answer to it
            // would be shown to people as an error. It counts, lest somebody go on with nothing.
            Framed::Command(frame) if frame.is_empty() => self.count_bad(),
            Framed::Command(frame) => match Command::parse_as(&frame, self.names()) {
                Ok((tag, command)) => self.dispatch(tag, command),
                Err(failure) => self.refuse_frame(&failure),
            },
            Framed::Append(frame) => self.append(&frame),
        }
        true
    }

    fn refuse_frame(&mut self, failure: &Failure) {
        let text = format!(
            "Expected {} at octet {}",
            failure.error.expected, failure.error.at
        );
        self.bad(failure.tag.as_ref(), &Status::bad(text));
    }

    /// Refuses a command that is out of place.
    fn refuse_here(&mut self, tag: &Tag, verb: Verb) {
        let text = match (self.phase(), verb) {
            (Phase::NotAuthenticated, _) => "Log in first",
            (_, Verb::StartTls | Verb::Authenticate | Verb::Login) => "Logged in already",
            _ => "Select a mailbox first",
        };
        self.bad(Some(tag), &Status::bad(text).with(Code::ClientBug));
    }

    fn dispatch(&mut self, tag: Tag, command: Command) {
        let verb = verbs::verb_of(&command);
        if !self.phase().allows(verb) {
            return self.refuse_here(&tag, verb);
        }
        if self.uid_only && uid_only::counts(&command) {
            return self.bad(Some(&tag), &uid_only::required());
        }
        self.bad_commands = 0;
        match command {
            Command::Capability => self.capability(tag),
            Command::Noop | Command::Check => {
                let text = if verb == Verb::Noop {
                    "Done"
                } else {
                    "Checked"
                };
                self.conclude(tag, verb, Status::ok(text), Moment::Free, false);
            }
            Command::Logout => self.logout(&tag),
            Command::Id(fields) => self.identity(tag, fields),
            Command::StartTls => self.start_tls(&tag),
            Command::Authenticate { mechanism, initial } => {
                self.authenticate(tag, &mechanism, initial.as_deref());
            }
            Command::Login { user, password } => self.login(tag, user, password),
            Command::Unauthenticate => self.unauthenticate(tag),
            Command::Enable(names) => self.enable(tag, &names),
            Command::Compress(mechanism) => self.compress(&tag, &mechanism),
            Command::Idle => self.begin_idle(tag),
            Command::Notify(notify) => self.notify(tag, notify),
            Command::Append(append) => self.begin_append(tag, append),
            Command::Replace(replace) => self.begin_replace(tag, replace),
            other => self.dispatch_mailbox(tag, verb, other),
        }
    }

    fn dispatch_mailbox(&mut self, tag: Tag, verb: Verb, command: Command) {
        match command {
            Command::Select {
                mailbox,
                parameters,
            }
            | Command::Examine {
                mailbox,
                parameters,
            } => {
                self.select(tag, verb, mailbox, parameters);
            }
            Command::Create {
                mailbox,
                special_use,
            } => self.create(tag, &mailbox, &special_use),
            Command::Delete(mailbox) => self.delete(tag, &mailbox),
            Command::Rename { from, to } => self.rename(tag, &from, &to),
            Command::Subscribe(mailbox) => self.subscribe(tag, &mailbox, true),
            Command::Unsubscribe(mailbox) => self.subscribe(tag, &mailbox, false),
            Command::List(list) => self.list(tag, list),
            Command::Lsub { reference, pattern } => self.lsub(tag, reference, pattern),
            Command::Namespace => self.namespace(tag),
            Command::Status { mailbox, items } => self.status(tag, mailbox, items),
            Command::GetQuota(root) => self.get_quota(tag, &root),
            Command::GetQuotaRoot(mailbox) => self.get_quota_root(tag, mailbox),
            Command::SetQuota { .. } => self.set_quota(tag),
            Command::GetMetadata(get) => self.get_metadata(tag, get),
            Command::SetMetadata { mailbox, entries } => {
                self.set_metadata(tag, &mailbox, entries);
            }
            Command::Close => self.close(tag),
            Command::Unselect => self.unselect(&tag, verb),
            Command::Expunge => self.expunge(tag, None),
            Command::UidExpunge(set) => self.expunge(tag, Some(&set)),
            Command::Search(search) => self.search(tag, search),
            Command::CancelUpdate(tags) => self.cancel_update(tag, &tags),
            Command::Esearch(search) => self.multi_search(tag, search),
            Command::Sort(sort) => self.sort(tag, sort),
            Command::Thread(thread) => self.thread(tag, thread),
            Command::Fetch(fetch) => self.fetch(tag, fetch),
            Command::Store(store) => self.store(tag, store),
            Command::Copy { uid, set, mailbox } | Command::Move { uid, set, mailbox } => {
                self.copy(tag, verb, uid, &set, &mailbox);
            }
            other => self.dispatch_rights(tag, other),
        }
    }

    fn dispatch_rights(&mut self, tag: Tag, command: Command) {
        match command {
            Command::SetAcl {
                mailbox,
                identifier,
                change,
            } => self.set_acl(tag, &mailbox, identifier, change),
            Command::DeleteAcl {
                mailbox,
                identifier,
            } => self.delete_acl(tag, &mailbox, identifier),
            Command::GetAcl(mailbox) => self.get_acl(tag, mailbox),
            Command::ListRights {
                mailbox,
                identifier,
            } => self.list_rights(tag, mailbox, identifier),
            Command::MyRights(mailbox) => self.my_rights(tag, mailbox),
            // The others were dispatched before.
            _ => self.fault(),
        }
    }
}

impl wire::Session for Session {
    type Ask = Ask;
    type Answer = Answer;

    fn receive(&mut self, bytes: &[u8]) {
        self.heard = self.now;
        if bytes.is_empty() {
            // The peer is gone: nobody is left to say goodbye to.
            self.state = State::Logout;
            self.task = Task::Ready;
        } else {
            self.frames.extend(bytes);
        }
    }

    fn answer(&mut self, answer: Answer) {
        if let Task::Waiting(wait) = std::mem::take(&mut self.task) {
            self.take_answer(*wait, answer);
        }
    }

    fn dismiss(&mut self) {
        self.bye("Your account or its password has changed");
    }

    fn notice(&mut self, modseq: ModSeq) {
        self.noticed |= self.state.open().is_some_and(|open| modseq > open.known);
        self.stirred |= self.notify.is_some();
    }

    fn elapse(&mut self, now: Instant) {
        self.now = now;
        let busy = std::mem::take(&mut self.splicing) || matches!(self.task, Task::Waiting(_));
        if busy || self.phase() == Phase::Greeting {
            self.heard = now;
        }
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            // RFC 9051 §5.4
            self.bye("Silent for too long");
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let timeout = match self.phase() {
            Phase::Logout => return None,
            Phase::Greeting | Phase::NotAuthenticated => self.policy.login_timeout,
            _ => self.policy.idle_timeout,
        };
        Some(self.heard.after(timeout))
    }

    fn patience(&self) -> Option<Duration> {
        // RFC 9585 §4
        self.is_at_work().then_some(self.policy.progress_interval)
    }

    fn reassure(&mut self, now: Instant, progress: Option<Progress>) -> Bytes {
        // The peer waits for us: that is no silence of its own.
        (self.now, self.heard) = (now, now);
        self.in_progress(progress)
    }

    fn secured(&mut self, security: Security) {
        self.security = Some(security);
    }

    fn witness(&mut self) -> Option<&mut Witness> {
        Some(&mut self.frames.witness)
    }

    fn whereabouts(&self) -> &'static str {
        self.phase().name()
    }

    fn step(&mut self) -> Step<Ask> {
        loop {
            if let Some(step) = self.output.next() {
                self.splicing |= matches!(step, Step::Splice(_));
                return step;
            }
            if self.phase() == Phase::Logout {
                return Step::Close;
            }
            if let Some(ask) = self.ask.take() {
                return Step::Ask(ask);
            }
            if !self.advance() {
                return Step::Read;
            }
        }
    }
}

/// The moment at the end of FETCH, STORE, SEARCH, SORT and THREAD; their UID forms count nothing.
const fn counting(uid: bool) -> Moment {
    if uid { Moment::Free } else { Moment::Counting }
}

const fn class(status: &Status) -> Class {
    match status.condition {
        Condition::Ok => Class::Ok,
        Condition::No => Class::No,
        Condition::Bad => Class::Bad,
        Condition::PreAuth => Class::Preauth,
        Condition::Bye => Class::Bye,
    }
}

fn line(response: &Response) -> Bytes {
    let mut buffer = BytesMut::new();
    response.write(&mut buffer, Names::Utf8);
    buffer.freeze()
}
