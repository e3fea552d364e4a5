//! Recipients at relayed domains: taken from anybody, looked at as if they were here, and sent on
//! to the host that has them.
//!
//! A relay is no forwarder: the letter is for whom its sender has named. So the sender stays, and
//! nothing is sealed; what was found out about it stands above it.
//!
//! Not here: which domains these are (`directory`), who is there (`route`), letters of people of
//! this house, which leave like all others (`onward`).
//!
//! RFC 5321 §3.6.2 (relays), RFC 3461 §5.2 (what was asked for goes along).

use mail::{Address, Recipient};

use super::Incoming;
use crate::route::{is_reserved, is_routed};
use crate::{Elsewhere, Error, Outcome, Why, trace};

impl Incoming {
    /// Takes a recipient at a relayed domain, from somebody who is not of this house.
    ///
    /// # Errors
    /// 550 5.7.1 for what other hosts may take for a way to another address, unless a list has it;
    /// 550 5.1.1 with its host's words for an address to which nothing is sent; 451 4.3.5 while
    /// nothing is sent from here, 452 4.3.1 if the queue is full.
    pub(super) async fn take_relayed(
        &mut self,
        recipient: Recipient,
        is_listed: bool,
    ) -> Outcome<()> {
        // It was not so when the domain was added: whoever sends this is to keep it meanwhile.
        if self.house.rules().elsewhere != Elsewhere::Relay {
            let text = "Mail for this domain cannot be sent on for now";
            return Err(Error::refused(Why::Unavailable, 451, [4, 3, 5], text));
        }
        let path = &recipient.forward_path;
        let is_of = |test: fn(&str) -> bool| {
            let address: Option<&Address> = path.address();
            address.is_some_and(|address| test(address.local.as_str()))
        };
        if !is_listed && is_of(is_routed) {
            return Err(trace::foreign("We do not relay for you"));
        }
        // Whoever has trouble there is to be heard, whatever was said once.
        // RFC 5321 §4.5.1
        if !is_of(is_reserved) {
            self.house.refuse_suppressed(path).await?;
        }
        self.house.queue_has_room()?;
        // That an alias leads there as well does not make it another's letter.
        self.forwarded.remove(&path.to_string());
        self.taken_on.push(path.to_string());
        self.add_relayed(recipient);
        Ok(())
    }

    /// That it was taken for relayed domains, where it was: a line of what is told of it.
    pub(super) fn told_taken_on(&self) -> Option<String> {
        let are = match self.taken_on.as_slice() {
            [] => return None,
            [_] => "which is",
            [..] => "which are",
        };
        Some(format!(
            "taken for {}, {are} relayed",
            self.taken_on.join(", ")
        ))
    }
}
