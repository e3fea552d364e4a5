//! Multi-line responses that we make ourselves, a part at a time.

use bytes::BufMut as _;

use super::{Session, State, Work};

/// A listing that is being written.
#[derive(Debug)]
pub(super) struct Listing {
    what: What,
    /// The first line that is not written.
    next: usize,
}

#[derive(Debug)]
enum What {
    Sizes,
    Names,
    Lines(Vec<String>),
}

impl Listing {
    /// LIST.
    pub(super) const fn sizes() -> Self {
        Self::of(What::Sizes)
    }

    /// UIDL.
    pub(super) const fn names() -> Self {
        Self::of(What::Names)
    }

    /// CAPA and LANG: lines that are there.
    pub(super) const fn lines(lines: Vec<String>) -> Self {
        Self::of(What::Lines(lines))
    }

    const fn of(what: What) -> Self {
        Self { what, next: 0 }
    }
}

impl Session {
    /// Writes some lines; goes on with the rest when they have left.
    pub(super) fn list(&mut self, mut listing: Listing) {
        // At least one line, whatever the limit, so that it comes to an end.
        loop {
            let place = listing.next;
            listing.next += 1;
            let line = match (&listing.what, &self.state) {
                (What::Lines(lines), _) => lines.get(place).cloned(),
                (_, State::Transaction(maildrop)) if place >= maildrop.len() => None,
                (What::Sizes, State::Transaction(maildrop)) => Some(
                    maildrop
                        .octets(place)
                        .map_or_else(String::new, |octets| format!("{} {octets}", place + 1)),
                ),
                (What::Names, State::Transaction(maildrop)) => {
                    Some(maildrop.octets(place).map_or_else(String::new, |_| {
                        format!("{} {}", place + 1, maildrop.name(place))
                    }))
                }
                _ => None,
            };
            match line {
                // A deleted message has no line.
                Some(line) if line.is_empty() => {}
                Some(line) => {
                    self.output.put_slice(line.as_bytes());
                    self.output.put_slice(b"\r\n");
                }
                None => {
                    self.output.put_slice(b".\r\n");
                    return self.unhurried();
                }
            }
            if self.output.len() >= self.policy.listing_octets_max {
                break;
            }
        }
        self.work = Work::List(listing);
    }
}
