//! What a fetched message tells by its header: who sent it, when it came in, whom it is for.
//!
//! RFC 5321 §4.4 (Return-Path, Received), RFC 5322 §3.6.

use mail::{ForwardPath, Recipient, ReversePath, Timestamp};
use message::{Correspondent, Header, Received, parse_addresses};

/// Octets of a message's beginning that are looked at.
pub(super) const BEGINNING_OCTETS_MAX: usize = 64 * 1024;
/// Recipients that one message may have (multidrop).
const RECIPIENTS_MAX: usize = 100;

/// Who hears of failures, as the last server noted it.
pub(super) fn reverse_path(beginning: &[u8]) -> ReversePath {
    let value = Header::first(beginning, "Return-Path");
    let text = value.and_then(|value| String::from_utf8(value.unfolded().into_owned()).ok());
    let path = text.and_then(|text| ReversePath::parse(text.trim()).ok());
    path.unwrap_or(ReversePath::Null)
}

/// When the last server got it.
pub(super) fn received(beginning: &[u8]) -> Option<Timestamp> {
    let value = Header::first(beginning, "Received")?;
    Received::parse(&value.unfolded()).date
}

/// Whom it is for, as a header field tells.
pub(super) fn recipients(beginning: &[u8], field: &str) -> Vec<Recipient> {
    let Some(value) = Header::first(beginning, field) else {
        return Vec::new();
    };
    let listed = parse_addresses(&value.unfolded(), RECIPIENTS_MAX);
    let addresses = listed.iter().filter_map(Correspondent::address);
    let recipient = |address| Recipient {
        forward_path: ForwardPath::Address(address),
        notify: None,
        orcpt: None,
    };
    addresses.map(recipient).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTER: &[u8] = b"Return-Path: <bob@example.net>\r\n\
        Delivered-To: Ada <ada@example.org>,\r\n alan@example.org, nobody\r\n\
        Received: from a.example by b.example\r\n\twith ESMTP; Mon, 23 Nov 2026 12:00:05 +0100\r\n\
        Received: from c.example by a.example; Sun, 22 Nov 2026 12:00:00 +0000\r\n\
        Delivered-To: eve@example.org\r\n\r\nDelivered-To: x@example.org\r\n";

    #[test]
    fn the_header_tells_who_and_when_and_for_whom() {
        assert_eq!(reverse_path(LETTER).to_string(), "<bob@example.net>");
        let date = received(LETTER).unwrap();
        assert_eq!(
            date.to_rfc5322().to_string(),
            "Mon, 23 Nov 2026 12:00:05 +0100"
        );
        let paths = |field| -> Vec<String> {
            let all = recipients(LETTER, field);
            all.iter().map(|one| one.forward_path.to_string()).collect()
        };
        // The first field is that of the last server.
        assert_eq!(
            paths("delivered-to"),
            ["<ada@example.org>", "<alan@example.org>"]
        );
        assert!(paths("X-Original-To").is_empty());
    }

    #[test]
    fn what_is_not_told_is_nothing() {
        for text in [
            &b""[..],
            b"\r\n\r\n",
            b"Return-Path: <>\r\nReceived: x\r\n\r\n",
            b"Return-Path",
        ] {
            assert_eq!(reverse_path(text), ReversePath::Null);
            assert_eq!(received(text), None);
        }
    }
}
