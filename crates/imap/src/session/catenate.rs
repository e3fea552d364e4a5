//! Messages that are put together of texts that come and of what is stored (RFC 4469).
//!
//! Not here: how a part that is stored gets there (the house copies it, octet for octet).

use super::Session;
use super::state::{Due, Incoming, Wait};
use crate::ask::{Ask, HeaderWatch, Source, StoredPart, Why};
use crate::command::append::AppendRest;
use crate::command::{AppendData, CatParts, LiteralHeader};
use crate::response::{Code, Status};
use crate::url::MessageUrl;

impl Session {
    /// Has the next part copied.
    pub(super) fn stored_part(&mut self, mut incoming: Incoming, url: String) {
        incoming.parts = incoming.parts.saturating_add(1);
        if let Some(status) = self.unwelcome(&incoming) {
            return self.forget(incoming, status);
        }
        match self.part_at(&url, incoming.header) {
            Ok(part) => {
                let wait = Wait::AppendStored(incoming, url);
                self.wait(Ask::AppendStored(Box::new(part)), wait);
            }
            Err(text) => self.forget(incoming, Status::no(text).with(Code::BadUrl(url))),
        }
    }

    /// What a URL means here.
    fn part_at(&self, url: &str, header: HeaderWatch) -> Result<StoredPart, &'static str> {
        let Some(url) = MessageUrl::parse(url) else {
            return Err("This is no URL of a message in this account");
        };
        let source = match (url.mailbox, self.state.open()) {
            (Some(mailbox), _) => Source::Named {
                name: mailbox.name.as_str().to_owned(),
                uid_validity: mailbox.uid_validity,
            },
            (None, Some(open)) => Source::Open(open.mailbox),
            (None, None) => return Err("Without a mailbox it means the one that is open"),
        };
        let range = url.partial.map(|(skip, take)| {
            let take = take.map_or(u64::MAX, |take| take.get().into());
            (skip.into(), take)
        });
        Ok(StoredPart {
            source,
            uid: url.uid,
            section: url.section,
            range,
            header,
        })
    }

    pub(super) fn part_taken(&mut self, mut incoming: Incoming, octets: u64, header: HeaderWatch) {
        incoming.count(octets);
        incoming.header = header;
        if header == HeaderWatch::Unwelcome {
            return self.refuse_utf8(incoming);
        }
        match self.unwelcome(&incoming) {
            Some(status) => self.forget(incoming, status),
            None => self.append_proceeds(incoming),
        }
    }

    /// The house has no such part, or did not take it; it has forgotten the messages.
    pub(super) fn part_refused(
        &mut self,
        incoming: Incoming,
        url: String,
        why: Why,
        status: Status,
    ) {
        // RFC 4469 §4.1
        let status = match why {
            Why::NonExistent | Why::Expunged | Why::NoPermission | Why::Cannot => {
                status.with(Code::BadUrl(url))
            }
            Why::AlreadyExists
            | Why::InUse
            | Why::OverQuota
            | Why::TooBig
            | Why::Damaged
            | Why::Limit
            | Why::Unavailable => status,
        };
        self.append_refused(incoming, status);
    }

    /// Asks whether the next part, which the peer has, may come.
    pub(super) fn text_part(&mut self, mut incoming: Incoming, literal: LiteralHeader) {
        incoming.parts = incoming.parts.saturating_add(1);
        incoming.count(literal.octets);
        incoming.due.push_front(Due::Literal(literal));
        match self.unwelcome(&incoming) {
            Some(status) => self.forget(incoming, status),
            None => {
                let ask = Ask::AppendText(literal.octets);
                self.wait(ask, Wait::AppendBegun(incoming));
            }
        }
    }

    pub(super) fn end_parts(&mut self, mut incoming: Incoming) {
        incoming.listed = false;
        match self.unwelcome(&incoming) {
            Some(status) => self.forget(incoming, status),
            None => self.append_proceeds(incoming),
        }
    }
}

impl Incoming {
    /// Adds what a frame says to what is due.
    pub(super) fn announce(&mut self, rest: AppendRest) {
        if let Some(parts) = rest.parts {
            self.announce_parts(parts);
        }
        for message in rest.messages {
            let literal = match message.data {
                AppendData::Literal(literal) => Some(literal),
                AppendData::Catenate(_) => None,
            };
            self.due.push_back(Due::Message {
                flags: message.flags,
                date: message.date,
                octets: literal.map(|literal| literal.octets),
            });
            match message.data {
                AppendData::Literal(literal) => self.due.push_back(Due::Literal(literal)),
                AppendData::Catenate(parts) => self.announce_parts(parts),
            }
        }
    }

    fn announce_parts(&mut self, parts: CatParts) {
        self.due.extend(parts.urls.into_iter().map(Due::Url));
        self.due
            .push_back(parts.text.map_or(Due::ListEnd, Due::Text));
    }

    /// Begins the next message, of so many octets if they are known; of parts if not.
    pub(super) fn begin(&mut self, octets: Option<u64>, header: HeaderWatch) {
        self.message = self.message.saturating_add(1);
        self.message_octets = 0;
        self.listed = octets.is_none();
        self.header = header;
        self.count(octets.unwrap_or_default());
    }

    /// Counts octets of the message.
    pub(super) fn count(&mut self, octets: u64) {
        self.message_octets = self.message_octets.saturating_add(octets);
        self.octets = self.octets.saturating_add(octets);
    }

    /// True if the message is complete, and has no octets.
    pub(super) const fn is_empty(&self) -> bool {
        self.message_octets == 0 && !self.listed
    }

    /// The literal whose octets are next in the stream, unless some of them were taken.
    pub(super) fn literal(&self) -> Option<LiteralHeader> {
        match self.due.back()? {
            Due::Literal(literal) | Due::Text(literal) => Some(*literal),
            Due::Message { .. } | Due::Url(_) | Due::ListEnd => None,
        }
    }
}
