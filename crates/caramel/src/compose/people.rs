//! Who a message is from and for: addresses as they are typed, and as a letter has them.

use std::collections::HashSet;

use mail::Address;
use message::{Correspondent, Header, Leniencies, Leniency};
use message::{parse_addresses, parse_addresses_noting};

use crate::complaint::Complaint;

/// Entries one address list may have here.
const ENTRIES_MAX: usize = 10_000;

/// Everybody a message names.
#[derive(Debug, Default)]
pub(super) struct People {
    pub(super) from: Vec<Correspondent>,
    pub(super) sender: Vec<Correspondent>,
    pub(super) reply_to: Vec<Correspondent>,
    pub(super) to: Vec<Correspondent>,
    pub(super) cc: Vec<Correspondent>,
    pub(super) bcc: Vec<Correspondent>,
}

impl People {
    /// Complains where the header would break a rule.
    // RFC 5322 §3.6.2
    pub(super) fn check(&self) -> Result<(), Complaint> {
        if addresses(&self.from).is_empty() {
            return Err(Complaint::usage("--from names nobody"));
        }
        let senders = addresses(&self.sender).len();
        if addresses(&self.from).len() > 1 && senders == 0 {
            let complaint = Complaint::usage("a letter of several authors needs a sender");
            return Err(complaint.next("say with --sender which of them sends it"));
        }
        if senders > 1 || self.sender.len() > senders {
            return Err(Complaint::usage("--sender takes one address"));
        }
        Ok(())
    }

    /// True if nobody gets it.
    pub(super) fn nobody(&self) -> bool {
        self.to.is_empty() && self.cc.is_empty() && self.bcc.is_empty()
    }

    /// The first author.
    pub(super) fn author(&self) -> Option<Address> {
        addresses(&self.from).into_iter().next()
    }
}

/// Reads the address lists that an option was given; each entry has to be an address.
pub(super) fn typed(option: &str, values: &[String]) -> Result<Vec<Correspondent>, Complaint> {
    let mut all = Vec::new();
    for value in values {
        let mut noted = Leniencies::NONE;
        let list = parse_addresses_noting(value.as_bytes(), ENTRIES_MAX, &mut noted);
        let wrong = |what: &str| {
            Complaint::usage(format!("{option} has {what}")).next(
                "write ada@example.org or 'Ada <ada@example.org>', and commas between several",
            )
        };
        if list.len() >= ENTRIES_MAX {
            return Err(wrong(&format!("more than {ENTRIES_MAX} addresses")));
        }
        for one in &list {
            if matches!(one, Correspondent::Mailbox { .. }) && one.address().is_none() {
                return Err(wrong(&format!("no address: {:?}", one.text())));
            }
        }
        if list.is_empty() || noted.has(Leniency::AddressRepaired) {
            return Err(wrong(&format!("no address list: {value:?}")));
        }
        all.extend(list);
    }
    Ok(all)
}

/// The mailboxes in a letter's fields of this name; what is no address is passed over.
pub(super) fn found(header: &[u8], name: &str) -> Vec<Correspondent> {
    let fields = Header::parse(header).filter(|field| field.is(name));
    let all = fields.flat_map(|field| parse_addresses(field.value, ENTRIES_MAX));
    let mut mailboxes = all.filter(|one| one.address().is_some());
    mailboxes.by_ref().take(ENTRIES_MAX).collect()
}

/// Whom an answer to this letter goes to (RFC 5322 §3.6.2), and all others it was for but `own`.
pub(super) fn answered(
    header: &[u8],
    own: &[Correspondent],
) -> (Vec<Correspondent>, Vec<Correspondent>) {
    let reply_to = found(header, "Reply-To");
    let to = if reply_to.is_empty() {
        found(header, "From")
    } else {
        reply_to
    };
    let mut known: HashSet<Address> = addresses(own).into_iter().collect();
    known.extend(addresses(&to));
    let mut others = found(header, "To");
    others.extend(found(header, "Cc"));
    others.retain(|one| one.address().is_some_and(|address| known.insert(address)));
    (to, others)
}

/// The addresses in a list.
pub(super) fn addresses(list: &[Correspondent]) -> Vec<Address> {
    list.iter().filter_map(Correspondent::address).collect()
}
