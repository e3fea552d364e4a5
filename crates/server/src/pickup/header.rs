//! What a letter's header lacks that was written on this machine: the domains of names that have
//! none, and a From field.
//!
//! Not here: Date, Message-ID and what else every submission is given (`post`).
//!
//! RFC 6409 §8.1 to §8.4 (what a server may mend), RFC 5322 §3.6.2.

use mail::{Address, Host};
use message::{Builder, Correspondent, Header, parse_addresses};

/// Entries an address list may have; a longer one stays as it is.
const ENTRIES_MAX: usize = 10_000;

/// Fields that are lists of addresses.
const LISTS: &[&str] = &[
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Resent-Reply-To",
    "Errors-To",
    "Return-Receipt-To",
    "Disposition-Notification-To",
];

/// Completes a header, the octets up to its blank line or to the message's end.
pub(super) fn complete(header: &[u8], domain: &Host, from: (&str, &Address)) -> Vec<u8> {
    let mut whole = Vec::with_capacity(header.len() + 256);
    let mut fields = Header::parse(header);
    let (mut behind, mut has_from, mut has_field) = (0, false, false);
    while let Some(field) = fields.next() {
        whole.extend_from_slice(header.get(behind..field.offset).unwrap_or_default());
        behind = fields.offset();
        has_field = true;
        has_from |= field.is("From");
        let name = LISTS.iter().find(|name| field.is(name));
        match name.and_then(|name| completed(name, &field.unfolded(), domain)) {
            Some(mended) => whole.extend_from_slice(&mended),
            None => whole.extend_from_slice(field.raw),
        }
    }
    whole.extend_from_slice(header.get(behind..).unwrap_or_default());
    if has_from {
        return whole;
    }
    let (name, address) = from;
    let mut front = Builder::new().from(name, address).in_front_of(&[]);
    if !has_field && fields.blank_line().is_empty() {
        // It has no header at all: all of it is body.
        front.extend_from_slice(b"\r\n");
    }
    front.append(&mut whole);
    front
}

/// The field written anew, if somebody in it has no domain.
fn completed(name: &str, value: &[u8], domain: &Host) -> Option<Vec<u8>> {
    let mut list = parse_addresses(value, ENTRIES_MAX);
    let mut is_mended = false;
    if list.len() >= ENTRIES_MAX {
        return None;
    }
    for one in &mut list {
        if let Correspondent::Mailbox { local, host, .. } = one
            && host.is_empty()
            && !local.is_empty()
        {
            *host = domain.to_ascii().into_bytes();
            // A name that is no address even so stays in its place.
            one.address()?;
            is_mended = true;
        }
    }
    let written = || Builder::new().correspondents(name, &list).in_front_of(&[]);
    is_mended.then(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_completed() {
        let domain = Host::parse("example.org").unwrap();
        let root = Address::parse("root@example.org").unwrap();
        let mend = |text: &str| {
            let text = text.replace('\n', "\r\n");
            let mended = complete(text.as_bytes(), &domain, ("Charlie Root", &root));
            String::from_utf8(mended).unwrap().replace("\r\n", "\n")
        };
        for (before, after) in [
            (
                "From: root (Cron Daemon)\nTo: ada\nSubject: x\n\nbody\n",
                "From: \"Cron Daemon\" <root@example.org>\nTo: ada@example.org\nSubject: x\n\n\
                 body\n",
            ),
            (
                "To: a@x.example,\n b, c: d;\nFrom: a@x.example (it stays)\n\n",
                "To: a@x.example, b@example.org, c: d@example.org;\nFrom: a@x.example (it \
                 stays)\n\n",
            ),
            (
                "Subject: x\n\n",
                "From: \"Charlie Root\" <root@example.org>\nSubject: x\n\n",
            ),
            (
                "\nbody\n",
                "From: \"Charlie Root\" <root@example.org>\n\nbody\n",
            ),
            (
                "just words\n",
                "From: \"Charlie Root\" <root@example.org>\n\njust words\n",
            ),
            (
                "From: a@x.example\nSubject: To: b\n",
                "From: a@x.example\nSubject: To: b\n",
            ),
        ] {
            assert_eq!(mend(before), after);
        }
    }
}
