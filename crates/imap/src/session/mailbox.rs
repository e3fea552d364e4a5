//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE, STATUS (RFC 9051 §6.3.4–§6.3.11;
//! RFC 6154 §3, RFC 7162 §3.1.7, RFC 7889, RFC 9208 §4.1.4).

use super::state::{State, Wait};
use super::{Moment, Session};
use crate::ask::{self, Ask, Place};
use crate::command::{SpecialUse, StatusItem};
use crate::diagram::{Class, Verb};
use crate::response::{Code, Namespace, Namespaces, Response, Status, StatusValue};
use crate::{MailboxName, Tag};

impl Session {
    pub(super) fn create(&mut self, tag: Tag, mailbox: &MailboxName, uses: &[SpecialUse]) {
        let role = match uses {
            [] => None,
            [SpecialUse::Role(role)] => Some(*role),
            // RFC 6154 §3
            _ => {
                let status = Status::no("No mailbox can be for that").with(Code::UseAttr);
                return self.reply(&tag, Verb::Create, &status);
            }
        };
        let name = mailbox.as_str();
        // A trailing delimiter only says that there will be others below (RFC 9051 §6.3.4).
        let name = name.strip_suffix('/').unwrap_or(name);
        let ask = Ask::Create {
            name: MailboxName::new(name).as_str().to_owned(),
            role,
        };
        self.wait(ask, Wait::Created(tag));
    }

    pub(super) fn created(&mut self, tag: Tag, mailbox: Place) {
        // RFC 8474 §4.1
        let status = Status::ok("Created").with(Code::MailboxId(mailbox.to_string()));
        self.conclude(tag, Verb::Create, status, Moment::Free, false);
    }

    pub(super) fn delete(&mut self, tag: Tag, mailbox: &MailboxName) {
        let name = mailbox.as_str().to_owned();
        self.wait(Ask::Delete { name }, Wait::Deleted(tag));
    }

    pub(super) fn deleted(&mut self, tag: Tag, mailbox: Place) {
        if self
            .state
            .open()
            .is_some_and(|open| open.mailbox == mailbox)
        {
            // Whoever deletes the mailbox it has open wants it closed.
            let status = Status::ok("Closed to be deleted").with(Code::Closed);
            self.untagged(&status);
            self.enter(Verb::Unselect, Class::Ok, State::Authenticated);
        }
        self.conclude(
            tag,
            Verb::Delete,
            Status::ok("Deleted"),
            Moment::Free,
            false,
        );
    }

    pub(super) fn rename(&mut self, tag: Tag, source: &MailboxName, target: &MailboxName) {
        let target = target.as_str();
        let ask = Ask::Rename {
            source: source.as_str().to_owned(),
            target: target.strip_suffix('/').unwrap_or(target).to_owned(),
        };
        self.wait_done(ask, tag, Verb::Rename, "Renamed");
    }

    pub(super) fn subscribe(&mut self, tag: Tag, mailbox: &MailboxName, on: bool) {
        let name = mailbox.as_str().to_owned();
        let (verb, text) = if on {
            (Verb::Subscribe, "Subscribed")
        } else {
            (Verb::Unsubscribe, "Unsubscribed")
        };
        self.wait_done(Ask::Subscribe { name, on }, tag, verb, text);
    }

    pub(super) fn namespace(&mut self, tag: Tag) {
        let namespace = |prefix: &String| Namespace {
            prefix: prefix.clone(),
            delimiter: Some('/'),
        };
        let shared = self.policy.shared.iter().chain(&self.policy.removed);
        self.write(&Response::Namespace(Namespaces {
            personal: vec![namespace(&String::new())],
            others: self.policy.other_users.iter().map(namespace).collect(),
            shared: shared.map(namespace).collect(),
        }));
        let status = Status::ok("Done");
        self.conclude(tag, Verb::Namespace, status, Moment::Free, false);
    }

    pub(super) fn status(&mut self, tag: Tag, name: MailboxName, items: Vec<StatusItem>) {
        let ask = Ask::Status {
            name: name.as_str().to_owned(),
        };
        self.wait(ask, Wait::Status { tag, name, items });
    }

    pub(super) fn write_status(
        &mut self,
        name: &MailboxName,
        items: &[StatusItem],
        status: &ask::Status,
    ) {
        if items.contains(&StatusItem::HighestModSeq) {
            self.enable_condstore();
        }
        let append_limit = self.policy.append_limit();
        let values = items.iter().map(|item| match item {
            StatusItem::Messages => StatusValue::Messages(status.messages),
            StatusItem::Recent => StatusValue::Recent(0),
            StatusItem::UidNext => StatusValue::UidNext(status.uid_next),
            StatusItem::UidValidity => StatusValue::UidValidity(status.uid_validity),
            StatusItem::Unseen => StatusValue::Unseen(status.unseen),
            StatusItem::Deleted => StatusValue::Deleted(status.deleted),
            StatusItem::DeletedStorage => StatusValue::DeletedStorage(status.deleted_octets),
            StatusItem::Size => StatusValue::Size(status.size_octets),
            StatusItem::HighestModSeq => StatusValue::HighestModSeq(status.modseq),
            StatusItem::MailboxId => StatusValue::MailboxId(status.mailbox.to_string()),
            StatusItem::AppendLimit => StatusValue::AppendLimit(Some(append_limit)),
        });
        self.write(&Response::Status(name.clone(), values.collect()));
    }

    pub(super) fn wait_done(&mut self, ask: Ask, tag: Tag, verb: Verb, text: &'static str) {
        self.wait(ask, Wait::Done { tag, verb, text });
    }
}
