//! SELECT, EXAMINE, CLOSE, UNSELECT (RFC 9051 §6.3.2–3, §6.4.1–2; RFC 7162 §3.1.2, §3.1.8).

use std::sync::Arc;

use mail::{Flag, FlagSet, Rights, Uid, UidSet};

use super::acl::{changeable, is_read_only};
use super::state::{Open, State, Wait};
use super::{Moment, Session, uid_only};
use crate::ask::{Ask, Changes, Gone, Selected};
use crate::command::{Qresync, SelectParameters};
use crate::diagram::{Class, Verb};
use crate::response::{Code, Listing, Response, Status};
use crate::view::{View, intersect, subtract};
use crate::{MailboxName, Tag};

impl Session {
    pub(super) fn select(
        &mut self,
        tag: Tag,
        verb: Verb,
        name: MailboxName,
        parameters: SelectParameters,
    ) {
        if parameters.qresync.is_some() && !self.qresync {
            // RFC 7162 §3.2.5
            let status = Status::bad("Enable QRESYNC first").with(Code::ClientBug);
            return self.bad(Some(&tag), &status);
        }
        let matches = |qresync: &Qresync| qresync.matches.is_some();
        if self.uid_only && parameters.qresync.as_ref().is_some_and(matches) {
            // RFC 9586 §3.7
            return self.bad(Some(&tag), &uid_only::required());
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
        let wait = Wait::Select {
            tag,
            verb,
            name,
            qresync: parameters.qresync,
        };
        self.wait(ask, wait);
    }

    pub(super) fn selected(
        &mut self,
        tag: Tag,
        verb: Verb,
        name: MailboxName,
        selected: Selected,
        qresync: Option<Qresync>,
    ) {
        let same = |qresync: &Qresync| qresync.uid_validity == selected.uid_validity;
        let qresync = qresync.filter(same);
        let examined = selected.read_only || verb == Verb::Examine;
        let (rights, read_only) = (selected.rights, is_read_only(examined, selected.rights));
        let view = View::new(&selected.uids);
        let mut flags: FlagSet = Flag::SYSTEM.into_iter().collect();
        for keyword in selected.keywords {
            flags.insert(Flag::Keyword(keyword));
        }
        self.write(&Response::Exists(view.count()));
        if !self.rev2 {
            self.write(&Response::Recent(0));
            let unseen = selected.first_unseen.filter(|_| !self.uid_only);
            if let Some(seq) = unseen.and_then(|uid| view.seq(uid)) {
                let status = Status::ok("The first unseen message");
                self.untagged(&status.with(Code::Unseen(seq.value())));
            }
        }
        self.write_flags(flags.clone(), changeable(read_only, rights));
        let id = selected.mailbox.to_string();
        let codes = [
            (Code::MailboxId(id), "Its identity"),
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
            uid_validity: selected.uid_validity,
            examined,
            read_only,
            rights,
            view,
            known: selected.modseq,
            untold: None,
            highest: selected.highest,
            settled: selected.highest,
            uid_next: selected.uid_next,
            flags,
            saved: Arc::default(),
            filed: UidSet::new(),
            newcomers: UidSet::new(),
            held: Vec::new(),
            over_quota: false,
            contexts: Vec::new(),
            told: Vec::new(),
        };
        self.noticed = false;
        self.enter(verb, Class::Ok, State::Selected(Box::new(open)));
        let status = opened(read_only);
        match qresync {
            Some(qresync) => self.ask_resync(tag, status, &qresync),
            None => self.tagged(&tag, &status),
        }
    }

    /// Asks what happened since the client was last here (RFC 7162 §3.2.5.1).
    fn ask_resync(&mut self, tag: Tag, status: Status, qresync: &Qresync) {
        let Some(open) = self.state.open() else {
            return self.fault();
        };
        let last = Uid::new(open.uid_next.value().saturating_sub(1));
        let known = match (last, &qresync.known_uids) {
            (Some(last), Some(known)) => known.resolve::<Uid>(last).unwrap_or_default(),
            (Some(last), None) => UidSet::from_range(Uid::MIN..=last),
            (None, _) => UidSet::new(),
        };
        let ask = Ask::Changes {
            mailbox: open.mailbox,
            since: qresync.modseq,
            uid_next: open.uid_next,
        };
        self.wait(ask, Wait::Resync(tag, status, known));
    }

    /// Tells it. The numbers stay as SELECT told them: what is newer comes as for everybody.
    pub(super) fn resync(&mut self, tag: &Tag, status: &Status, known: &UidSet, changes: &Changes) {
        self.tell_vanished(known, &changes.gone);
        for changed in &changes.changed {
            if known.contains(changed.uid) {
                self.tell_flags(changed);
            }
        }
        self.tagged(tag, status);
    }

    /// Tells which of these UIDs went before, as far as they are not there any more.
    pub(super) fn tell_vanished(&mut self, asked: &UidSet, gone: &Gone) {
        let Some(open) = self.state.open() else {
            return;
        };
        let absent = subtract(asked, &open.view.uids());
        let uids = match gone {
            Gone::Uids(uids) => intersect(&absent, uids),
            Gone::AllBut(left) => subtract(&absent, left),
            Gone::Mailbox => UidSet::new(),
        };
        if !uids.is_empty() {
            let earlier = true;
            self.write(&Response::Vanished { earlier, uids });
        }
    }

    pub(super) fn not_selected(&mut self, tag: &Tag, verb: Verb, status: &Status) {
        self.enter(verb, Class::No, State::Authenticated);
        self.tagged(tag, status);
    }

    pub(super) fn close(&mut self, tag: Tag) {
        let expunges = |open: &&Open| !open.read_only && open.rights.contains(Rights::EXPUNGE);
        let Some(open) = self.state.open().filter(expunges) else {
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

/// What a SELECT ends with.
fn opened(read_only: bool) -> Status {
    if read_only {
        Status::ok("Open to read only").with(Code::ReadOnly)
    } else {
        Status::ok("Open").with(Code::ReadWrite)
    }
}
