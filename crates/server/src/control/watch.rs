//! Looking on at conversations, and at who is there.
//!
//! `Dialogue/watch` is answered once at once, and then by `Dialogue/next` as often as something
//! happens, until whoever asked goes.

use std::sync::Arc;

use mail::ConnId;
use net::Peer;
use serde_json::{Value, json};

use super::{Arguments, error};
use crate::gallery::{Filter, Gallery, Looking, Presence};
use crate::settings::Protocol;
use crate::visit::Hall;

/// Begins to look on.
pub(super) const WATCH: &str = "Dialogue/watch";
/// What is seen next.
pub(super) const NEXT: &str = "Dialogue/next";

/// Octets of text in one answer, unless a single piece is longer.
const ANSWER_OCTETS_MAX: usize = 64 * 1024;

/// What one connection of the command line looks at.
#[derive(Debug)]
pub(super) struct Watch {
    gallery: Arc<Gallery>,
    allowed: bool,
    peer: Peer,
    looking: Option<Looking>,
}

impl Watch {
    pub(super) fn new(hall: &Hall, peer: Peer) -> Self {
        Self {
            gallery: Arc::clone(&hall.gallery),
            allowed: hall.settings.dialogues,
            peer,
            looking: None,
        }
    }

    /// All connections.
    pub(super) fn connections(&self) -> Value {
        let inside = self.gallery.inside();
        let list: Vec<Value> = inside.iter().map(|presence| listed(presence)).collect();
        json!({ "list": list })
    }

    /// Begins to look on, and logs who does.
    pub(super) fn begin(&mut self, arguments: &Arguments<'_>) -> Result<Value, Value> {
        if !self.allowed {
            let why = "The configuration forbids to look on: [privacy] allow_dialogue is false";
            return Err(error("forbidden", why));
        }
        let filter = arguments.filter()?;
        let told = filter.clone();
        let Some(looking) = self.gallery.look(filter) else {
            return Err(error("limit", "Too many look on already"));
        };
        // The first, if there was one, ends.
        self.looking = Some(looking);
        tracing::warn!(
            conn = %self.peer.conn,
            user = self.peer.user,
            account = told.account.map(tracing::field::display),
            connection = told.conn.map(tracing::field::display),
            protocol = told.protocol.map(Protocol::name),
            bodies = told.bodies,
            "somebody looks on at conversations"
        );
        Ok(json!({}))
    }

    /// What happened since; null if nothing did.
    pub(super) fn next(&self) -> Value {
        let mut pieces = Vec::new();
        let mut octets = 0;
        while let Some(looking) = &self.looking
            && octets < ANSWER_OCTETS_MAX
            && let Some(piece) = looking.ring.take()
        {
            octets += piece.text.len();
            pieces.push(json!({ "connection": piece.conn.0, "text": piece.text }));
        }
        match pieces.is_empty() {
            true => Value::Null,
            false => json!({ "pieces": pieces }),
        }
    }

    /// Waits until something happens; for ever where nothing is looked at.
    pub(super) async fn news(&self) {
        match &self.looking {
            Some(looking) => looking.ring.news().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.looking.is_some() {
            tracing::info!(conn = %self.peer.conn, "looks on no more");
        }
    }
}

fn listed(presence: &Presence) -> Value {
    let standing = presence.standing();
    json!({
        "id": presence.peer.conn.0,
        "protocol": presence.beginning.protocol.name(),
        "address": presence.peer.address.map(|address| address.to_string()),
        "account": standing.account.map(|account| account.to_string()),
        "encrypted": standing.encrypted,
        "since": presence.since.seconds,
        "phase": standing.phase,
    })
}

impl Arguments<'_> {
    /// Which conversations are wanted.
    fn filter(&self) -> Result<Filter, Value> {
        let is_given = |name: &str| self.0.get(name).is_some_and(|value| !value.is_null());
        let is_true = |name: &str| self.0.get(name).and_then(Value::as_bool) == Some(true);
        let account = is_given("account").then(|| self.address("account"));
        let conn = is_given("connection").then(|| {
            let number = self.0.get("connection").and_then(Value::as_u64);
            let wrong = || error("invalidArguments", "connection is not a number");
            number.map(ConnId).ok_or_else(wrong)
        });
        let protocol = is_given("protocol").then(|| {
            let name = self.text("protocol")?;
            let wrong = || error("invalidArguments", format!("{name} is not a protocol"));
            Protocol::parse(name).ok_or_else(wrong)
        });
        Ok(Filter {
            account: account.transpose()?,
            conn: conn.transpose()?,
            protocol: protocol.transpose()?,
            bodies: is_true("bodies"),
            whole: is_true("whole"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_or_refused() {
        let given = json!({
            "account": "ada@example.org", "connection": 7, "protocol": "imap", "whole": true,
        });
        let filter = Arguments(&given).filter().unwrap();
        assert_eq!(filter.account.unwrap().to_string(), "ada@example.org");
        assert_eq!(filter.conn, Some(ConnId(7)));
        assert_eq!(filter.protocol, Some(Protocol::Imap));
        assert!(filter.whole && !filter.bodies);
        let nothing = json!({ "account": null });
        assert!(Arguments(&nothing).filter().unwrap().account.is_none());
        for (name, value) in [
            ("account", json!("ada")),
            ("account", json!(7)),
            ("connection", json!("7")),
            ("connection", json!(-7)),
            ("protocol", json!("gopher")),
            ("protocol", json!("control")),
        ] {
            let given = json!({ name: value });
            assert!(Arguments(&given).filter().is_err(), "{given}");
        }
    }
}
