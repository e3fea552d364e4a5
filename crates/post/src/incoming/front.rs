//! What goes before a message's octets: trace fields, and what is said of it.
//!
//! Not here: the fields themselves (`trace`), when they are put there (`incoming`).

use std::borrow::Cow;

use mail::{Address, JourneyId, Recipient, Timestamp};

use super::onward::Aside;
use super::{Origin, Sender};
use crate::gap::{Fronted, field, held_place};
use crate::report::Report;
use crate::scrutiny::{Conclusion, has_whole_header};
use crate::signing::Signer;
use crate::trace::{self, Trace, Traced};
use crate::{Outcome, Post, captured};

/// What goes before a message's octets.
pub(super) struct Front<'a> {
    pub(super) house: &'a Post,
    pub(super) origin: &'a Origin,
    pub(super) sender: &'a Sender,
    pub(super) journey: JourneyId,
    pub(super) recipients: &'a [Recipient],
    pub(super) expanded: &'a [Recipient],
    pub(super) relayed: &'a [Recipient],
    pub(super) elsewhere: &'a [Recipient],
    /// True if it goes to inboxes here, or to other hosts.
    pub(super) travels: bool,
    /// True while it is being found out what is to be said of it.
    pub(super) is_checked: bool,
    pub(super) conclusion: Option<&'a Conclusion>,
    /// The field that says how likely it is junk.
    pub(super) judged: &'a str,
}

impl Front<'_> {
    /// The message for inboxes here and for other hosts; `aside` is left what is known of it.
    pub(super) fn of(&self, octets: &[u8], aside: &mut Aside) -> Outcome<Traced> {
        let (octets, told) = self.rewritten(octets);
        let traced = self.traced_with(&octets, None)?;
        *aside = self.aside_of(&traced, told);
        Ok(traced)
    }

    /// The message as it is captured: nobody but its sender sees the envelope.
    pub(super) fn of_captured(&self, octets: &[u8]) -> Outcome<Traced> {
        let (octets, _) = self.rewritten(octets);
        Ok(self.with_envelope(&self.traced_with(&octets, None)?))
    }

    /// The same for the beginning of a large message: its header must be in it whole, or what is
    /// checked and mended would not be all of it.
    pub(super) fn of_streamed(&self, octets: &[u8], aside: &mut Aside) -> Outcome<Fronted> {
        has_whole_header(octets)?;
        let (octets, told) = self.rewritten(octets);
        let mut signer = None;
        let traced = self.traced_with(&octets, Some(&mut signer))?;
        *aside = self.aside_of(&traced, told);
        Ok(Fronted::open(traced, signer))
    }

    pub(super) fn of_captured_streamed(&self, octets: &[u8]) -> Outcome<Fronted> {
        has_whole_header(octets)?;
        let (octets, _) = self.rewritten(octets);
        let mut signer = None;
        let traced = self.traced_with(&octets, Some(&mut signer))?;
        Ok(Fronted::open(self.with_envelope(&traced), signer))
    }

    fn aside_of(&self, traced: &Traced, rewritten: Vec<String>) -> Aside {
        let now = Timestamp::default();
        let reported = Report::of(self.sender, now, self.recipients, self.expanded).is_some();
        let mut aside = Aside::of(&traced.octets, &self.sender.reverse_path, reported);
        aside.rewritten = rewritten;
        aside
    }

    /// The message, its senders as they are here where this house hands it in; and what of it was
    /// rewritten.
    fn rewritten<'o>(&self, octets: &'o [u8]) -> (Cow<'o, [u8]>, Vec<String>) {
        let rules = self.house.rules();
        match rules.is_of_house(self.origin) {
            true => rules.rewriting.header(octets),
            false => (Cow::Borrowed(octets), Vec::new()),
        }
    }

    fn with_envelope(&self, traced: &Traced) -> Traced {
        let mut whole = captured::fields(self.sender, self.elsewhere).into_bytes();
        let before = whole.len();
        whole.extend_from_slice(&traced.octets);
        Traced {
            octets: whole,
            statement: traced.statement.start + before..traced.statement.end + before,
        }
    }

    /// The message with its trace fields and what is said of it. Where more of it follows, that is
    /// said by `signer` at its end, or by what is found out.
    fn traced_with(
        &self,
        octets: &[u8],
        signer: Option<&mut Option<Box<Signer>>>,
    ) -> Outcome<Traced> {
        let all = [self.recipients, self.expanded, self.relayed, self.elsewhere];
        let mut all = all.iter().copied().flatten();
        let only_recipient = match (all.next(), all.next()) {
            (Some(only), None) => Some(&only.forward_path),
            _ => None,
        };
        let rules = self.house.rules();
        let now = self.house.inner.outside.now();
        let trace = Trace {
            origin: self.origin,
            reverse_path: &self.sender.reverse_path,
            smtputf8: self.sender.smtputf8,
            journey: self.journey,
            only_recipient,
            now,
            rules,
        };
        let Some(author) = self.origin.author() else {
            let statement = match self.conclusion {
                Some(conclusion) => field(&conclusion.results),
                None if self.is_checked => held_place(&rules.host),
                None => String::new(),
            };
            return trace::arrival(&trace, &(statement + self.judged), octets);
        };
        let owns = |address: &Address| self.house.writes_as(self.origin, address);
        let sign = |mended: &[u8]| {
            let begin = || Signer::begin(&rules.keys, mended, now.seconds).map(Box::new);
            if let Some(signer) = signer {
                *signer = begin();
            }
            begin().map_or_else(|| Ok(String::new()), |signer| signer.finish())
        };
        trace::submission(&trace, author, owns, octets, sign)
    }
}
