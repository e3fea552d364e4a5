//! What others did to the selected mailbox, and IDLE (RFC 9051 §5.2, §6.3.13, §7.5.1;
//! RFC 7162 §3.2, RFC 9208 §4.3.1).

use mail::{FlagSet, Rights};

use super::acl::{changeable, permanent};
use super::state::{After, State, Wait};
use super::{Session, class, line, uid_only};
use crate::Tag;
use crate::ask::{Ask, Changed, Changes, Gone};
use crate::diagram::{Class, Verb};
use crate::response::{Code, Condition, Response, Status};
use crate::view::Moment;

impl Session {
    pub(super) fn begin_idle(&mut self, tag: Tag) {
        self.write(&Response::Continue("Idling".to_owned()));
        self.move_open(Verb::Idle, Class::Continue, |open| State::Idle(tag, open));
        // What a command that counts messages had to keep back.
        if self.hears_open() {
            self.tell(Moment::Free);
        }
        // What could not be brought up to date before is tried again.
        self.noticed |= self.has_stale();
    }

    /// In IDLE: tells what happened, or looks for the line that ends it.
    pub(super) fn idle(&mut self) -> bool {
        // RFC 5465 §4
        if self.push_news() {
            return true;
        }
        if self.noticed && self.hears_open() && self.state.open().is_some() {
            self.ask_changes(After::Idle);
            return true;
        }
        let is_done = |line: &[u8]| line.eq_ignore_ascii_case(b"DONE");
        let shown = |line: &[u8]| is_done(line).then(|| line.to_vec());
        let octets_max = self.policy.response_octets_max;
        let Some(line) = self.frames.line(octets_max, shown) else {
            return false;
        };
        let State::Idle(tag, _) = &self.state else {
            return false;
        };
        let tag = tag.clone();
        let done = line.is_some_and(|line| is_done(&line));
        let status = if done {
            Status::ok("Done")
        } else {
            Status::bad("Expected DONE")
        };
        self.conclude(tag, Verb::Done, status, Moment::Free, false);
        true
    }

    /// From here on mod-sequences are told: a client that has a mailbox open learns where it
    /// stands.
    pub(super) fn enable_condstore(&mut self) {
        if std::mem::replace(&mut self.condstore, true) {
            return;
        }
        // RFC 7162 §3.1
        if let Some(highest) = self.state.open().map(|open| open.highest) {
            let status = Status::ok("The last change");
            self.untagged(&status.with(Code::HighestModSeq(highest)));
        }
    }

    pub(super) fn ask_changes(&mut self, after: After) {
        let hears_flags = self.hears_flags();
        let Some(open) = self.state.open() else {
            return self.told(after);
        };
        let ask = Ask::Changes {
            mailbox: open.mailbox,
            since: open.since(hears_flags),
            uid_next: open.uid_next,
        };
        self.noticed = false;
        self.wait(ask, Wait::Changes(after));
    }

    pub(super) fn take_changes(&mut self, after: After, changes: &Changes) {
        let moment = self.moment_of(&after);
        if changes.gone == Gone::Mailbox {
            return self.bye("The selected mailbox is no longer there");
        }
        self.tell_rights(changes.rights);
        self.tell_keywords(changes);
        let hears_flags = self.hears_flags();
        let Some(open) = self.state.open_mut() else {
            return self.fault();
        };
        let last = open.view.last();
        open.view.queue(&changes.added, &changes.gone);
        let more = changes.more && changes.modseq > open.since(hears_flags);
        open.reach(changes.modseq, hears_flags, more);
        open.highest = changes.highest;
        open.uid_next = open.uid_next.max(changes.uid_next);
        let passed = changes.over_quota && !open.over_quota;
        open.over_quota = changes.over_quota;
        self.update_gone();
        self.tell(moment);
        self.mark_stale(changes);
        for changed in &changes.changed {
            // Whoever hears of new messages asks for their flags.
            if Some(changed.uid) <= last && hears_flags {
                self.tell_flags(changed);
            }
        }
        if passed {
            // RFC 9208 §4.3.1
            let status = Status::no("The account holds more than it may").with(Code::OverQuota);
            self.untagged(&status);
        }
        self.note_newcomers(last);
        match more {
            true => self.ask_changes(after),
            false => self.told(after),
        }
    }

    /// The house does not say what happened: the command itself went as it went.
    pub(super) fn changes_refused(&mut self, after: After) {
        self.told(after);
    }

    /// How much may be told before this.
    fn moment_of(&self, after: &After) -> Moment {
        match after {
            After::Reply(_, verb, _, moment) if self.hears_at(*verb) => *moment,
            // RFC 5465 §3.1: nor what went before.
            After::Reply(..) => Moment::Quiet,
            After::Idle => Moment::Free,
            After::Push => self.push_moment(),
        }
    }

    /// What happened was told: results are brought up to date, then the command ends, or IDLE goes
    /// on.
    pub(super) fn told(&mut self, after: After) {
        self.tell(self.moment_of(&after));
        if let Some(after) = self.refresh(after) {
            self.announce(after);
        }
    }

    /// All was told that can be.
    pub(super) fn finish(&mut self, after: After) {
        self.settle();
        let After::Reply(tag, verb, mut status, _) = after else {
            return;
        };
        let hears = self.hears_at(verb);
        if let Some(open) = self.state.open_mut() {
            open.told.clear();
            let silent = status.condition == Condition::Ok && status.code.is_none();
            let expunges = matches!(verb, Verb::Expunge | Verb::Move | Verb::Replace);
            if open.view.owes_expunge() && silent && hears {
                status = status.with(Code::ExpungeIssued);
            } else if expunges && silent && self.qresync {
                // RFC 7162 §3.2.7
                status = status.with(Code::HighestModSeq(open.highest));
            }
        }
        if verb == Verb::Notify {
            self.begin_watch();
        }
        if verb == Verb::Done {
            self.end_idle(&tag, &status);
        } else {
            self.reply(&tag, verb, &status);
        }
    }

    /// Says up to where a client may count on knowing everything, if that is not as far as the
    /// mod-sequences it was told: messages went before, and it has still to be told.
    fn settle(&mut self) {
        let Some(open) = self.state.open_mut() else {
            return;
        };
        if !open.view.owes_expunge() {
            open.settled = open.highest;
        } else if self.condstore {
            // RFC 7162 §3.2
            let code = Code::HighestModSeq(open.settled);
            self.untagged(&Status::ok("Not all that went is told").with(code));
        }
    }

    fn end_idle(&mut self, tag: &Tag, status: &Status) {
        let class = class(status);
        self.move_open(Verb::Done, class, |open| {
            open.map_or(State::Authenticated, State::Selected)
        });
        self.tagged(tag, status);
    }

    /// Flushes the view and writes what moved.
    pub(super) fn tell(&mut self, moment: Moment) {
        let Some(open) = self.state.open_mut() else {
            return;
        };
        let moved = open.view.flush(moment);
        if (self.qresync || self.uid_only) && !moved.vanished.is_empty() {
            // RFC 7162 §3.2.7
            // RFC 9586 §3.4
            let vanished = Response::Vanished {
                earlier: false,
                uids: moved.vanished,
            };
            self.write(&vanished);
            return self.tell_exists(moved.exists);
        }
        for (seq, count) in moved.expunged {
            let expunge = Response::Expunge(seq);
            if count == 1 {
                self.write(&expunge);
            } else {
                self.output.repeat(line(&expunge), count);
            }
        }
        self.tell_exists(moved.exists);
    }

    fn tell_exists(&mut self, exists: Option<u32>) {
        if let Some(exists) = exists {
            self.write(&Response::Exists(exists));
        }
    }

    pub(super) fn tell_flags(&mut self, changed: &Changed) {
        let Some(open) = self.state.open() else {
            return;
        };
        let told = open
            .told
            .iter()
            .any(|(uids, modseq)| uids.contains(changed.uid) && changed.modseq <= *modseq);
        if let Some(seq) = open.view.seq(changed.uid)
            && !told
        {
            let out = self.output.buffer();
            let mut line = uid_only::begin(self.uid_only, out, (seq, changed.uid));
            if !self.uid_only {
                line.uid(out, changed.uid);
            }
            line.flags(out, &changed.flags, false);
            if self.condstore {
                line.modseq(out, changed.modseq);
            }
            line.end(out);
        }
    }

    /// Tells of keywords the client has not heard of (RFC 9051 §7.3.5).
    fn tell_keywords(&mut self, changes: &Changes) {
        let Some(open) = self.state.open_mut() else {
            return;
        };
        let known = open.flags.keywords().len();
        for keyword in &changes.keywords {
            open.flags.insert(mail::Flag::Keyword(keyword.clone()));
        }
        if open.flags.keywords().len() > known {
            let flags = open.flags.clone();
            let changeable = changeable(open.read_only, open.rights);
            self.write_flags(flags, changeable);
        }
    }

    /// Tells the flags there are, and which of them can be changed with these rights.
    pub(super) fn write_flags(&mut self, flags: FlagSet, rights: Rights) {
        let permanent = permanent(&flags, rights);
        self.write(&Response::Flags(flags));
        self.untagged(&Status::ok("Flags that stay").with(permanent));
    }
}
