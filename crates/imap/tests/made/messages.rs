//! What is asked of the messages in a mailbox.

use imap::ask::{
    Answer, Ask, Changed, Changes, Criterion, Elsewhere, FetchPlan, FoundIn, Gone, Highest, Place,
    Reached, Refused, Row, Source, StoreMode, StoredPart, Why,
};
use mail::{Flag, FlagSet, ModSeq, Rights, Uid, UidSet, UidValidity};

use super::mailbox::{Message, is_fuzzy};
use super::{Made, no};

/// Messages of one batch.
const BATCH: usize = 2;

impl Made {
    pub(super) fn respond_messages(&mut self, ask: Ask) -> Result<Answer, Refused> {
        Ok(match ask {
            Ask::Changes {
                mailbox,
                since,
                uid_next,
            } => self.changes(mailbox, since, uid_next),
            Ask::Fetch {
                mailbox,
                uids,
                plan,
            } => self.fetch(mailbox, &uids, &plan)?,
            Ask::Store {
                mailbox,
                uids,
                mode,
                flags,
                unchanged_since,
                told,
            } => self.store(mailbox, &uids, (mode, &flags), (unchanged_since, told))?,
            Ask::Copy {
                mailbox,
                uids,
                target,
            } => self.copy(mailbox, &uids, &target)?,
            Ask::Move {
                mailbox,
                uids,
                target,
            } => {
                let answer = self.copy(mailbox, &uids, &target)?;
                self.modseq += 1;
                let modseq = self.modseq;
                let gone = |message: &Message| uids.contains(Uid::new(message.uid).unwrap());
                self.with(mailbox)?.remove(gone, modseq);
                answer
            }
            Ask::Expunge { mailbox, uids } => {
                self.with(mailbox)?.may(Rights::EXPUNGE)?;
                self.modseq += 1;
                let modseq = self.modseq;
                self.with(mailbox)?.remove(
                    |message| {
                        let uid = Uid::new(message.uid).unwrap();
                        message.flags.contains(&Flag::Deleted)
                            && uids.as_ref().is_none_or(|uids| uids.contains(uid))
                    },
                    modseq,
                );
                Answer::Done
            }
            other => self.respond_searches(other)?,
        })
    }

    fn respond_searches(&mut self, ask: Ask) -> Result<Answer, Refused> {
        Ok(match ask {
            Ask::Search {
                mailbox,
                criterion,
                highest,
            } => self.search(mailbox, &criterion, highest)?,
            Ask::SearchElsewhere {
                names,
                key,
                highest,
            } => self.search_elsewhere(names, &key, highest)?,
            Ask::Sort {
                mailbox,
                criterion,
                criteria,
                highest,
            } => self.sort(mailbox, &criterion, &criteria, highest)?,
            Ask::Thread {
                mailbox,
                criterion,
                threading,
            } => self.thread(mailbox, &criterion, threading)?,
            other => self.respond_append(other)?,
        })
    }

    fn respond_append(&mut self, ask: Ask) -> Result<Answer, Refused> {
        Ok(match ask {
            Ask::AppendBegin { name, .. } if name == "Sent" => {
                return Err(no(Why::OverQuota, "There is no room"));
            }
            Ask::AppendBegin {
                name,
                flags,
                date,
                replaces,
                ..
            } => {
                self.named(&name)?;
                self.replaces = replaces;
                self.replaced()?;
                self.append = Some((name, vec![(flags, date, Vec::new())]));
                Answer::Done
            }
            Ask::AppendNext { flags, date, .. } => {
                let (_, messages) = self.append.as_mut().unwrap();
                messages.push((flags, date, Vec::new()));
                Answer::Done
            }
            Ask::AppendChunk(bytes) => {
                self.has_room(bytes.len())?;
                let (_, _, text) = self.append.as_mut().unwrap().1.last_mut().unwrap();
                text.extend_from_slice(&bytes);
                Answer::Done
            }
            Ask::AppendAbort => {
                self.append.take().unwrap();
                Answer::Done
            }
            Ask::AppendEnd => {
                let (name, messages) = self.append.take().unwrap();
                self.modseq += 1;
                let modseq = self.modseq;
                if let Some((mailbox, uid)) = self.replaced()? {
                    let mailbox = self.with(mailbox)?;
                    mailbox.remove(|message| message.uid == uid.value(), modseq);
                }
                let mut uids = UidSet::new();
                for (flags, date, octets) in messages {
                    self.texts.push(octets);
                    let (text, modseq) = (self.texts.len() - 1, self.modseq);
                    uids.insert(self.named(&name)?.push(text, flags, modseq, date));
                }
                Answer::Appended {
                    uid_validity: UidValidity::MIN,
                    uids,
                }
            }
            other => self.respond_parts(other)?,
        })
    }

    fn respond_parts(&mut self, ask: Ask) -> Result<Answer, Refused> {
        Ok(match ask {
            Ask::AppendText(octets) => {
                self.has_room(usize::try_from(octets).unwrap())?;
                Answer::Done
            }
            Ask::AppendStored(part) => {
                let octets = self
                    .stored_part(&part)
                    .inspect_err(|_| self.append = None)?;
                self.has_room(octets.len())?;
                let (_, _, text) = self.append.as_mut().unwrap().1.last_mut().unwrap();
                text.extend_from_slice(&octets);
                let mut header = part.header;
                header.pass(&octets);
                let octets = u64::try_from(octets.len()).unwrap();
                Answer::PartTaken { octets, header }
            }
            other => panic!("{other:?}"),
        })
    }

    /// Whether the message that comes may go on with so many octets.
    fn has_room(&mut self, octets: usize) -> Result<(), Refused> {
        let (_, messages) = self.append.as_ref().unwrap();
        let (_, _, text) = messages.last().unwrap();
        if text.len() + octets <= 500 {
            return Ok(());
        }
        self.append = None;
        Err(no(Why::OverQuota, "There is no room"))
    }

    /// The octets of a stored part.
    fn stored_part(&mut self, part: &StoredPart) -> Result<Vec<u8>, Refused> {
        let mailbox = match &part.source {
            Source::Open(place) => self.with(*place)?,
            Source::Named { name, uid_validity } => {
                if uid_validity.is_some_and(|validity| validity != UidValidity::MIN) {
                    return Err(no(Why::NonExistent, "That generation is gone"));
                }
                self.named(name)?
            }
        };
        mailbox.may(Rights::READ)?;
        let mut messages = mailbox.messages.iter();
        let found = messages.find(|message| message.uid == part.uid.value());
        let text = found
            .ok_or_else(|| no(Why::NonExistent, "There is no such message"))?
            .text;
        let text = &self.texts[text];
        let located = message::Outline::parse(text).locate(&part.section);
        let located = located.ok_or_else(|| no(Why::NonExistent, "There is no such part"))?;
        let octets = located.span.of(text);
        let mut kept = Vec::new();
        if !part.section.filter(octets, &mut kept) {
            kept = octets.to_vec();
        }
        let (skip, take) = part.range.unwrap_or((0, u64::MAX));
        let skip = usize::try_from(skip).unwrap().min(kept.len());
        let take = usize::try_from(take).unwrap().min(kept.len() - skip);
        Ok(kept[skip..skip + take].to_vec())
    }

    /// The message that goes with the next one that comes.
    fn replaced(&mut self) -> Result<Option<(Place, Uid)>, Refused> {
        let Some((mailbox, uid)) = self.replaces else {
            return Ok(None);
        };
        let mut messages = self.with(mailbox)?.messages.iter();
        if messages.any(|message| message.uid == uid.value()) {
            return Ok(self.replaces);
        }
        Err(no(Why::Expunged, "The message is gone"))
    }

    fn changes(&mut self, id: Place, since: ModSeq, uid_next: Uid) -> Answer {
        let modseq = ModSeq(self.modseq);
        let found = self.with(id).ok();
        let Some(mailbox) = found.filter(|mailbox| mailbox.rights.contains(Rights::READ)) else {
            return Answer::Changes(Changes {
                modseq,
                highest: modseq,
                uid_next,
                added: UidSet::new(),
                changed: Vec::new(),
                gone: Gone::Mailbox,
                keywords: Vec::new(),
                rights: Rights::NONE,
                over_quota: false,
                more: false,
            });
        };
        let changed = mailbox
            .messages
            .iter()
            .filter(|known| known.modseq > since.0);
        let changed: Vec<Changed> = changed.map(Message::changed).collect();
        let vanished = mailbox.vanished.iter().filter(|(_, at)| *at > since.0);
        // Every second time the house has forgotten what went.
        let gone = if since.0.is_multiple_of(2) {
            Gone::Uids(vanished.filter_map(|(uid, _)| Uid::new(*uid)).collect())
        } else {
            Gone::AllBut(mailbox.uids())
        };
        Answer::Changes(Changes {
            modseq,
            highest: ModSeq(mailbox.highest()),
            uid_next: Uid::new(mailbox.next).unwrap(),
            added: changed
                .iter()
                .map(|row| row.uid)
                .filter(|uid| *uid >= uid_next)
                .collect(),
            changed,
            gone,
            keywords: mailbox.keywords(),
            rights: mailbox.rights,
            over_quota: self
                .quota
                .octets_max
                .is_some_and(|max| self.quota.octets > max),
            more: false,
        })
    }

    fn fetch(&mut self, id: Place, uids: &UidSet, plan: &FetchPlan) -> Result<Answer, Refused> {
        let texts = self.texts.clone();
        let modseq = self.modseq + 1;
        let mailbox = self.with(id)?;
        let mut rows = Vec::new();
        let mut reached = Reached::End;
        for message in &mut mailbox.messages {
            let uid = Uid::new(message.uid).unwrap();
            let wanted = uids.contains(uid)
                && plan
                    .changed_since
                    .is_none_or(|since| message.modseq > since.0);
            if !wanted {
                continue;
            }
            if rows.len() == BATCH {
                let last: &Row = rows.last().unwrap();
                reached = Reached::Uid(last.uid);
                break;
            }
            let marked = plan.mark_seen && !message.flags.contains(&Flag::Seen);
            if marked {
                message.flags.insert(Flag::Seen);
                message.modseq = modseq;
            }
            rows.push(message.row(&texts[message.text], marked, plan));
        }
        self.modseq = modseq;
        Ok(Answer::Rows { rows, reached })
    }

    fn store(
        &mut self,
        id: Place,
        uids: &UidSet,
        (mode, flags): (StoreMode, &FlagSet),
        (unchanged_since, told): (Option<ModSeq>, ModSeq),
    ) -> Result<Answer, Refused> {
        self.modseq += 1;
        let modseq = self.modseq;
        let mailbox = self.with(id)?;
        let mut changed = Vec::new();
        let (mut modified, mut raced) = (UidSet::new(), UidSet::new());
        let mut reached = Reached::End;
        for (done, uid) in uids.iter().enumerate() {
            if done == BATCH {
                break;
            }
            reached = Reached::Uid(uid);
            let mut messages = mailbox.messages.iter_mut();
            let Some(message) = messages.find(|message| message.uid == uid.value()) else {
                continue;
            };
            if unchanged_since.is_some_and(|since| message.modseq > since.0) {
                modified.insert(uid);
                continue;
            }
            if message.modseq > told.0 {
                raced.insert(uid);
            }
            let before = message.flags.clone();
            match mode {
                StoreMode::Replace => message.flags = flags.clone(),
                StoreMode::Add => flags.iter().for_each(|flag| message.flags.insert(flag)),
                StoreMode::Remove => flags.iter().for_each(|flag| message.flags.remove(&flag)),
            }
            if message.flags != before {
                message.modseq = modseq;
            }
            changed.push(message.changed());
        }
        if uids.last().is_none_or(|last| reached == Reached::Uid(last)) {
            reached = Reached::End;
        }
        Ok(Answer::Stored {
            changed,
            raced,
            modified,
            reached,
        })
    }

    fn copy(&mut self, id: Place, uids: &UidSet, target: &str) -> Result<Answer, Refused> {
        self.named(target)?;
        self.modseq += 1;
        let modseq = self.modseq;
        let mut source = UidSet::new();
        let mut copies = Vec::new();
        for message in &self.with(id)?.messages {
            let uid = Uid::new(message.uid).unwrap();
            if uids.contains(uid) {
                source.insert(uid);
                copies.push((message.text, message.flags.clone(), message.date));
            }
        }
        let target = self.named(target)?;
        let copied = copies
            .into_iter()
            .map(|(text, flags, date)| target.push(text, flags, modseq, Some(date)))
            .collect();
        Ok(Answer::Copied {
            uid_validity: UidValidity::MIN,
            source,
            target: copied,
        })
    }

    fn search(
        &mut self,
        id: Place,
        criterion: &Criterion,
        highest: Option<Highest>,
    ) -> Result<Answer, Refused> {
        let texts = self.texts.clone();
        let messages = self.with(id)?.messages.iter();
        let found: Vec<&Message> = messages
            .filter(|message| message.meets(criterion, &texts[message.text]))
            .collect();
        let scored = found.iter().filter(|_| is_fuzzy(criterion));
        let scores = scored.map(|message| message.score(criterion, &texts[message.text]));
        let modseqs: Vec<u64> = found.iter().map(|message| message.modseq).collect();
        let of = |modseqs: &[u64]| modseqs.iter().max().copied().map(ModSeq);
        Ok(Answer::Found {
            highest: match highest {
                None => None,
                Some(Highest::All) => of(&modseqs),
                Some(Highest::First) => of(&modseqs[..modseqs.len().min(1)]),
                Some(Highest::Last) => of(&modseqs[modseqs.len().saturating_sub(1)..]),
                Some(Highest::Ends) => modseqs.first().max(modseqs.last()).copied().map(ModSeq),
            },
            uids: found
                .iter()
                .filter_map(|message| Uid::new(message.uid))
                .collect(),
            scores: scores.collect(),
        })
    }

    fn search_elsewhere(
        &mut self,
        names: Vec<String>,
        key: &Elsewhere,
        highest: Option<Highest>,
    ) -> Result<Answer, Refused> {
        let mut all = Vec::new();
        for name in names {
            let Ok(mailbox) = self.named(&name) else {
                continue;
            };
            if mailbox.may(Rights::READ).is_err() {
                continue;
            }
            let place = mailbox.place();
            let criterion = key.at(place, &mailbox.uids());
            let found = self.search(place, &criterion, highest)?;
            if let Answer::Found {
                uids,
                highest,
                scores,
            } = found
            {
                all.push(FoundIn {
                    name,
                    uid_validity: UidValidity::MIN,
                    uids,
                    highest,
                    scores,
                });
            }
        }
        Ok(Answer::FoundElsewhere(all))
    }
}
