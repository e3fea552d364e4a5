//! What a program is told of a letter: fields in front of it, and variables.
//!
//! Programs expect what Postfix's `local(8)` gives them, in its order.

use mail::{Address, ReversePath, Timestamp};
use message::mbox::Envelope;

/// Where programs are looked for.
const PATH: &str = "/usr/bin:/bin";
/// Signs of a variable, besides letters and digits of ASCII, that no shell takes for its own.
const TAME: &str = "!@%-_=+:,./";

/// A letter for one recipient.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter<'a> {
    pub(super) sender: &'a ReversePath,
    pub(super) recipient: &'a Address,
}

impl Letter<'_> {
    /// Its sender as it is written without brackets; empty for nobody.
    fn sender(&self) -> String {
        let address = self.sender.address();
        address.map(ToString::to_string).unwrap_or_default()
    }

    /// What stands in front of it.
    pub(super) fn front(&self, now: Timestamp) -> Vec<u8> {
        let mut front = Vec::new();
        let first = Envelope {
            sender: self.sender(),
            date: Some(now),
        };
        first.write(&mut front);
        let (sender, recipient) = (self.sender(), self.recipient);
        let fields = format!(
            "Return-Path: <{sender}>\nX-Original-To: {recipient}\nDelivered-To: {recipient}\n"
        );
        front.extend_from_slice(fields.as_bytes());
        front
    }

    /// The variables that tell of it.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let local = self.recipient.local.as_str();
        let (user, extension) = match local.split_once('+') {
            Some((user, extension)) => (user, Some(extension)),
            None => (local, None),
        };
        let recipient = plain(self.recipient);
        let sender = self.sender.address();
        let mut variables = vec![
            ("PATH", PATH.to_owned()),
            ("USER", tame(user)),
            ("LOGNAME", tame(user)),
            ("LOCAL", tame(local)),
            ("DOMAIN", tame(&self.recipient.host.to_string())),
            ("ORIGINAL_RECIPIENT", recipient.clone()),
            ("RECIPIENT", recipient),
            ("SENDER", sender.map(plain).unwrap_or_default()),
        ];
        variables.extend(extension.map(|extension| ("EXTENSION", tame(extension))));
        variables
    }
}

/// An address without the quotes that it may have.
fn plain(address: &Address) -> String {
    tame(&format!("{}@{}", address.local.as_str(), address.host))
}

/// The text with `_` for whatever a shell might take for its own.
fn tame(text: &str) -> String {
    let is_tame = |letter: char| letter.is_ascii_alphanumeric() || TAME.contains(letter);
    let letters = text.chars();
    letters
        .map(|letter| if is_tame(letter) { letter } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_hear_from_whom_to_whom() {
        let sender = ReversePath::parse("<\"a b;rm -rf\"@c.example>").unwrap();
        let recipient = Address::parse("support+rt@h.example").unwrap();
        let letter = Letter {
            sender: &sender,
            recipient: &recipient,
        };
        let variables = letter.variables();
        for (name, expected) in [
            ("USER", "support"),
            ("LOGNAME", "support"),
            ("LOCAL", "support+rt"),
            ("EXTENSION", "rt"),
            ("DOMAIN", "h.example"),
            ("RECIPIENT", "support+rt@h.example"),
            ("SENDER", "a_b_rm_-rf@c.example"),
        ] {
            let found = variables.iter().find(|(known, _)| *known == name);
            assert_eq!(
                found.map(|(_, value)| value.as_str()),
                Some(expected),
                "{name}"
            );
        }
        let nobody = Letter {
            sender: &ReversePath::Null,
            recipient: &Address::parse("support@h.example").unwrap(),
        };
        let front = String::from_utf8(nobody.front(Timestamp::utc(10))).unwrap();
        assert_eq!(
            front,
            "From MAILER-DAEMON Thu Jan  1 00:00:10 1970\nReturn-Path: <>\n\
             X-Original-To: support@h.example\nDelivered-To: support@h.example\n"
        );
        let variables = nobody.variables();
        assert!(variables.contains(&("SENDER", String::new())));
        assert!(variables.iter().all(|(name, _)| *name != "EXTENSION"));
    }
}
