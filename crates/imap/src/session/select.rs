//! SELECT, EXAMINE, CLOSE, UNSELECT (RFC 9051 §6.3.2–3, §6.4.1–2; RFC 7162 §3.1.2, §3.1.8).

use mail::{Flag, FlagSet, UidSet};

use super::state::{Open, State, Wait};
use super::{Moment, Session};
use crate::ask::{Ask, Selected};
use crate::command::SelectParameters;
use crate::diagram::{Class, Verb};
use crate::response::{Code, Listing, Response, Status};
use crate::view::View;
use crate::{MailboxName, Tag};

impl Session {
    pub(super) fn select(
        &mut self,
        tag: Tag,
        verb: Verb,
        name: MailboxName,
        parameters: &SelectParameters,
    ) {
        if parameters.qresync.is_some() {
            let status = Status::bad("QRESYNC is not on offer");
            return self.bad(Some(&tag), &status);
        }
        self.condstore |= parameters.condstore;
        if self.state.open().is_some() {
            // RFC 9051 §7.1
            let status = Status::ok("The other mailbox is closed").with(Code::Closed);
            self.untagged(&status);
        }
        let ask = Ask::Select {
            name: name.as_str().to_owned(),
            read_only: verb == Verb::Examine,
        };
        self.wait(ask, Wait::Select { tag, verb, name });
    }

    pub(super) fn selected(
        &mut self,
        tag: &Tag,
        verb: Verb,
        name: MailboxName,
        selected: Selected,
    ) {
        let read_only = selected.read_only || verb == Verb::Examine;
        let view = View::new(&selected.uids);
        let mut flags: FlagSet = Flag::SYSTEM.into_iter().collect();
        for keyword in selected.keywords {
            flags.insert(Flag::Keyword(keyword));
        }
        self.write(&Response::Exists(view.count()));
        if !self.rev2 {
            self.write(&Response::Recent(0));
            if let Some(seq) = selected.first_unseen.and_then(|uid| view.seq(uid)) {
                let status = Status::ok("The first unseen message");
                self.untagged(&status.with(Code::Unseen(seq.value())));
            }
        }
        self.write_flags(flags.clone(), read_only);
        let codes = [
            (Code::UidValidity(selected.uid_validity), "UIDs are valid"),
            (Code::UidNext(selected.uid_next), "The next UID"),
            (Code::HighestModSeq(selected.highest), "The last change"),
        ];
        for (code, text) in codes {
            self.untagged(&Status::ok(text).with(code));
        }
        if self.rev2 {
            self.write(&Response::List(Listing::new(name.clone(), Vec::new())));
        }
        let open = Open {
            mailbox: selected.mailbox,
            name,
            read_only,
            view,
            known: selected.modseq,
            uid_next: selected.uid_next,
            flags,
            saved: UidSet::new(),
            told: Vec::new(),
        };
        self.noticed = false;
        self.enter(verb, Class::Ok, State::Selected(Box::new(open)));
        let status = if read_only {
            Status::ok("Open to read only").with(Code::ReadOnly)
        } else {
            Status::ok("Open").with(Code::ReadWrite)
        };
        self.tagged(tag, &status);
    }

    pub(super) fn not_selected(&mut self, tag: &Tag, verb: Verb, status: &Status) {
        self.enter(verb, Class::No, State::Authenticated);
        self.tagged(tag, status);
    }

    pub(super) fn close(&mut self, tag: Tag) {
        let Some(open) = self.state.open().filter(|open| !open.read_only) else {
            return self.unselect(&tag, Verb::Close);
        };
        let ask = Ask::Expunge {
            mailbox: open.mailbox,
            uids: None,
        };
        let verb = Verb::Close;
        self.wait(ask, Wait::Expunged { tag, verb });
    }

    pub(super) fn unselect(&mut self, tag: &Tag, verb: Verb) {
        self.enter(verb, Class::Ok, State::Authenticated);
        self.tagged(tag, &Status::ok("Closed"));
    }

    pub(super) fn expunged(&mut self, tag: Tag, verb: Verb) {
        if verb == Verb::Close {
            // RFC 9051 §6.4.1
            self.unselect(&tag, verb);
        } else {
            self.conclude(tag, verb, Status::ok("Done"), Moment::Free, true);
        }
    }
}
