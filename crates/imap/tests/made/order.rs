//! Messages sorted and in threads, for the made-up house.

use std::cmp::Ordering;

use imap::ask::{Answer, Criterion, Highest, Place, Refused, SortCriterion, SortKey, Threading};
use mail::{ModSeq, Uid};
use message::thread::own_id;
use message::{ByReferences, BySubject, Digest, Member, Outline, base_subject};

use super::Made;
use super::mailbox::{Message, is_fuzzy};

impl Made {
    /// The messages that meet the criterion, with their digests.
    fn found(
        &mut self,
        id: Place,
        criterion: &Criterion,
    ) -> Result<Vec<(&Message, Digest)>, Refused> {
        let texts = self.texts.clone();
        let messages = self.with(id)?.messages.iter();
        let found = messages.filter(|message| message.meets(criterion, &texts[message.text]));
        let digested = found.map(|message| {
            let outline = Outline::parse(&texts[message.text]);
            (message, outline.digest)
        });
        Ok(digested.collect())
    }

    pub(super) fn sort(
        &mut self,
        id: Place,
        criterion: &Criterion,
        criteria: &[SortCriterion],
        highest: Option<Highest>,
    ) -> Result<Answer, Refused> {
        let texts = self.texts.clone();
        let mut found = self.found(id, criterion)?;
        found.sort_by(|(one, one_digest), (other, other_digest)| {
            let orders = criteria.iter().map(|by| {
                let order = match by.key {
                    SortKey::Arrival => one.date.seconds.cmp(&other.date.seconds),
                    SortKey::Size => texts[one.text].len().cmp(&texts[other.text].len()),
                    SortKey::Date => sent(one, one_digest).cmp(&sent(other, other_digest)),
                    SortKey::Relevancy => {
                        let score = |one: &Message| one.score(criterion, &texts[one.text]);
                        score(other).cmp(&score(one))
                    }
                    SortKey::Text(text) => text.of(one_digest).cmp(&text.of(other_digest)),
                };
                if by.reverse { order.reverse() } else { order }
            });
            orders.fold(Ordering::Equal, Ordering::then)
        });
        let scored = found.iter().filter(|_| is_fuzzy(criterion));
        let scores = scored.map(|(one, _)| one.score(criterion, &texts[one.text]));
        let scores = scores.collect();
        let modseqs: Vec<u64> = found.iter().map(|(message, _)| message.modseq).collect();
        let (first, last) = (modseqs.first(), modseqs.last());
        let highest = match highest {
            None => None,
            Some(Highest::All) => modseqs.iter().max(),
            Some(Highest::First) => first,
            Some(Highest::Last) => last,
            Some(Highest::Ends) => first.max(last),
        };
        Ok(Answer::Sorted {
            highest: highest.copied().map(ModSeq),
            uids: found.iter().map(|(message, _)| uid(message)).collect(),
            scores,
        })
    }

    pub(super) fn thread(
        &mut self,
        id: Place,
        criterion: &Criterion,
        threading: Threading,
    ) -> Result<Answer, Refused> {
        let found = self.found(id, criterion)?;
        let (mut by_subject, mut by_references) = (BySubject::default(), ByReferences::default());
        for (message, digest) in &found {
            let subject = base_subject(digest.subject.as_deref().unwrap_or_default());
            let own = digest.message_id.as_deref().and_then(own_id);
            let references = digest.references.as_deref().unwrap_or_default();
            by_subject.add(&subject, sent(message, digest));
            by_references.add(own.as_deref(), references, &subject, sent(message, digest));
        }
        let members = match threading {
            Threading::OrderedSubject => by_subject.finish(),
            Threading::References => by_references.finish(),
            Threading::Refs => {
                let arrived = found.iter().map(|(message, _)| message.date.seconds);
                by_references.finish_by_arrival(&arrived.collect::<Vec<_>>())
            }
        };
        let named = members.iter().map(|member| Member {
            message: member.message.map(|at| uid(found[at as usize].0)),
            depth: member.depth,
        });
        Ok(Answer::Threads(named.collect()))
    }
}

fn sent(message: &Message, digest: &Digest) -> i64 {
    digest
        .sent()
        .map_or(message.date.seconds, |sent| sent.seconds)
}

fn uid(message: &Message) -> Uid {
    Uid::new(message.uid).unwrap()
}
